/* answer, hangup, sleep, send_digits and sip_refer of whole documents on virtual time; the caller is a document too. */
#include "local_phone.h"

static void answer(void **state)
{
	static const struct local_row rows[] = {
		{ "[answer, {sleep: 1000}]", .tells_calls = true, .tells_time = true,
		  .want = "caller created@0; main created@0; main answered@0; caller answered@0; main ended hangup "
			  "200@1000; caller ended hangup 200@1000" },
		{ "[answer, answer, {sleep: 1000}]", .tells_calls = true,
		  .want = "caller created; main created; main answered; caller answered; main ended hangup 200; caller "
			  "ended hangup 200" }, /* no-op */
		{ "[{answer: {max_duration: 7}}, {sleep: -1}]", .tells_calls = true, .tells_time = true,
		  .want = "caller created@0; main created@0; main answered@0; caller answered@0; main ended hangup "
			  "200@7000; caller ended hangup 200@7000" },
		{ "[answer, " LOCAL_SHOW("%{answer_result}") "]", .want = "main shows success" },
		{ "[{answer: {max_duration: 0}}, {sleep: 10}]",
		  .want = "main warns max_duration is a whole number from 1 to 4294967" },
		{ "[answer, {sleep: -1}]", .ms = 14399000,
		  .want = "caller created@0; main created@0; main answered@0; caller answered@0", .tells_calls = true,
		  .tells_time = true },
		{ "[answer, {sleep: -1}]", .ms = 14401000,
		  .want = "caller created@0; main created@0; main answered@0; caller answered@0; main ended hangup "
			  "200@14400000; caller ended hangup 200@14400000",
		  .tells_calls = true, .tells_time = true },
	};

	local_tell(rows, ARRAY_LEN(rows));
}

static void hangup(void **state)
{
	static const struct local_row rows[] = {
		{ "[hangup]", .tells_calls = true,
		  .want = "caller created; main created; main ended hangup 480; caller ended no_answer 480" },
		{ "[{hangup: busy}]", .tells_calls = true,
		  .want = "caller created; main created; main ended busy 486; caller ended busy 486" },
		{ "[{hangup: {reason: decline}}]", .tells_calls = true,
		  .want = "caller created; main created; main ended declined 603; caller ended declined 603" },
		{ "[{hangup: nothing}]", .tells_calls = true,
		  .want = "caller created; main created; main warns reason is one of hangup, busy, decline; main ended "
			  "hangup 480; caller ended no_answer 480" },
		{ "[answer, {hangup: busy}, {play: 'ring:us'}]", .tells_calls = true,
		  .want = "caller created; main created; main answered; caller answered; main ended busy 200; caller "
			  "ended hangup 200" },
		{ "[answer, {sleep: -1}]", "[{sleep: 2000}, hangup]", .tells_calls = true, .tells_time = true,
		  .want = "caller created@0; main created@0; main answered@0; caller answered@0; caller ended hangup "
			  "200@2000; main ended hangup 200@2000" },
	};

	local_tell(rows, ARRAY_LEN(rows));
}

static void sleeping(void **state)
{
	static const struct local_row rows[] = {
		{ "[{sleep: 1500}, answer, {sleep: {duration: 250}}]", .tells_calls = true, .tells_time = true,
		  .want = "caller created@0; main created@0; main ringing@200; caller ringing@200; main answered@1500; "
			  "caller answered@1500; main ended hangup 200@1750; caller ended hangup 200@1750" },
		{ "[answer, {sleep: 0}, " LOCAL_SHOW("%{script_error}") "]", .tells_time = true,
		  .want = "main warns duration is a whole number above 0, or -1@0; main shows "
			  "relay_script_method_parameter_invalid_value@0" },
		{ "[answer, {sleep: '100'}, " LOCAL_SHOW("x") "]", .tells_time = true, .want = "main shows x@100" },
		{ "[answer, {sleep: -1}, " LOCAL_SHOW("x") "]", .tells_time = true, .want = "" },
	};

	local_tell(rows, ARRAY_LEN(rows));
}

static void send_digits(void **state)
{
	static const struct local_row rows[] = {
		{ "[answer, {sleep: 100}, {send_digits: '12w#W*D'}, " LOCAL_SHOW("%{send_digits_result}") "]",
		  "[{prompt: {play: 'silence:0.1', max_digits: 9, terminators: 'D'}}, " LOCAL_SHOW(
			  "%{prompt_value}") ", {sleep: -1}]",
		  .tells_time = true,
		  .want = "caller collect "
			  "{\"result\":{\"type\":\"digit\",\"params\":{\"digits\":\"12#*\",\"terminator\":\"D\"}},"
			  "\"final\":true}@2410; caller shows 12#*@2410; main shows success@2610" },
		{ "[answer, {send_digits: '12x'}, " LOCAL_SHOW("%{send_digits_result} %{script_error}") "]",
		  .want = "main warns digits are 0-9, *, #, A-D and the pauses w and W, at most 256; main shows failed "
			  "relay_script_method_parameter_invalid" },
		{ "[answer, {send_digits: {digits: ''}}, " LOCAL_SHOW("%{send_digits_result}") "]",
		  .want = "main warns digits are 0-9, *, #, A-D and the pauses w and W, at most 256; main shows "
			  "failed" },
		{ "[answer, send_digits, " LOCAL_SHOW("%{send_digits_result}") "]",
		  .want = "main warns the parameter \"digits\" is missing" },
	};

	local_tell(rows, ARRAY_LEN(rows));
}

static void sip_refer(void **state)
{
	static const struct local_row rows[] = {
		{ "[answer, {sip_refer: {to_uri: 'sip:b@h'}}, " LOCAL_SHOW(
			  "%{sip_refer_result} %{sip_refer_to} %{return_value}") "]",
		  .want = "main warns to_uri must be a URI, of a SIP call that can be transferred; main shows failed "
			  "sip:b@h failed" },
		{ "[{sip_refer: {to_uri: 'sip:b@h'}}, " LOCAL_SHOW("%{sip_refer_result}") "]",
		  .want = "main warns sip_refer: the call is not answered; main shows failed" },
	};

	local_tell(rows, ARRAY_LEN(rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answer), TEST(hangup), TEST(sleeping), TEST(send_digits), TEST(sip_refer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

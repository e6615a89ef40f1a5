/* connect of whole documents on virtual time, with phones that are documents. */
#include "local_phone.h"

#define RESULT LOCAL_SHOW("%{connect_result} %{connect_failed_reason} %{return_value}")
#define TALKS "[{sleep: 1000}, answer, {sleep: 2000}, hangup]"
#define REST "[{sleep: -1}]"

static void one(void **state)
{
	const struct local_row rows[] = {
		{ "[{connect: {to: /public/bob}}, " RESULT "]", .phones = PHONE(TALKS), .tells_time = true,
		  .tells_calls = true,
		  .want = "caller created@0; main created@0; main answered@0; bob created@0; caller answered@0; bob "
			  "ringing@200; bob answered@1000; main connected@1000; bob ended hangup 200@3000; main "
			  "disconnected@3000; main shows connected  connected@3000; main ended hangup 200@3000; caller "
			  "ended hangup 200@3000" },
		{ "[{connect: {to: /public/bob, answer_on_bridge: true}}, " RESULT "]", .phones = PHONE(TALKS),
		  .tells_time = true, .tells_calls = true,
		  .want = "caller created@0; main created@0; bob created@0; main ringing@200; bob ringing@200; caller "
			  "ringing@200; bob answered@1000; main answered@1000; main connected@1000; caller "
			  "answered@1000; bob ended hangup 200@3000; main disconnected@3000; main shows connected  "
			  "connected@3000; main ended hangup 200@3000; caller ended hangup 200@3000" },
		{ "[{connect: /public/bob}, " RESULT "]", .phones = PHONE(REST), .ms = 59000, .tells_time = true,
		  .want = "" },
		{ "[{connect: /public/bob}, " RESULT "]", .phones = PHONE(REST), .ms = 61000, .tells_time = true,
		  .want = "main failed no_answer@60000; main shows failed no_answer failed@60000" },
		{ "[{connect: {to: /public/bob, timeout: 3}}, " RESULT "]", .phones = PHONE(REST), .tells_time = true,
		  .want = "main failed no_answer@3000; main shows failed no_answer failed@3000" },
		{ "[{connect: {to: /public/bob, timeout: 0}}, " RESULT "]", .phones = PHONE(REST),
		  .want = "main warns timeout is a whole number from 1 to 4294967; main shows failed error failed" },
		{ "[{connect: {to: /public/bob, max_duration: 5}}, " RESULT "]",
		  .phones = PHONE("[answer, {sleep: -1}]"), .tells_time = true,
		  .want = "main connected@0; main disconnected@5000; main shows connected  connected@5000" },
		{ "[{connect: {to: /public/bob}}, " RESULT "]", .phones = PHONE("[{hangup: busy}]"),
		  .want = "main failed busy; main shows failed busy failed" },
		{ "[{connect: {to: /public/bob}}, " RESULT "]", .phones = PHONE("[{hangup: decline}]"),
		  .want = "main failed declined; main shows failed declined failed" },
		{ "[{connect: {to: /public/bob}}, " RESULT "]", .phones = PHONE("[hangup]"),
		  .want = "main failed no_answer; main shows failed no_answer failed" },
		{ "[{connect: {to: /public/bob}}, " RESULT "]", .phones = PHONE("nonsense"),
		  .want = "bob warns a section is a list of steps, not a string; main failed error; main shows failed "
			  "error failed" },
		{ "[{connect: {to: /public/bob}}]", "[{sleep: 2000}, hangup]", .phones = PHONE(REST),
		  .tells_time = true, .tells_calls = true,
		  .want = "caller created@0; main created@0; main answered@0; bob created@0; caller answered@0; bob "
			  "ringing@200; main failed cancel@2000; caller ended hangup 200@2000; main ended hangup "
			  "200@2000; bob ended cancel 487@2000" },
		{ "[{connect: {}}, " RESULT "]", .want = "main warns connect needs one of to, serial, parallel, "
							 "serial_parallel; main shows failed error failed" },
		{ "[{connect: {to: /public/bob, parallel: [{to: /public/bob}]}}, " LOCAL_SHOW(
			  "%{connect_result} %{script_error}") "]",
		  .want = "main warns to and parallel exclude each other; main shows failed "
			  "relay_script_method_parameter_conflic" },
		{ "[{connect: {to: /public/bob, result: {case: {connected: [" LOCAL_SHOW(
			  "case") "]}, default: [" LOCAL_SHOW("default") "]}}}, " LOCAL_SHOW("behind") "]",
		  .phones = PHONE(TALKS),
		  .want = "main connected; main disconnected; main shows case; main shows behind" },
		{ "[{connect: {to: /public/bob, result: [{when: \"connect_failed_reason == 'busy'\", then: "
		  "[" LOCAL_SHOW("busy") "]}, {else: [" LOCAL_SHOW("else") "]}]}}]",
		  .phones = PHONE("[{hangup: busy}]"), .want = "main failed busy; main shows busy" },
	};

	local_tell(rows, ARRAY_LEN(rows));
}

static void several(void **state)
{
	const struct local_row rows[] = {
		{ "[{connect: {serial: [{to: /public/bob, timeout: 2}, {to: /public/eve}]}}, " RESULT "]",
		  .phones = PHONES(REST, TALKS), .tells_time = true, .tells_calls = true,
		  .want = "caller created@0; main created@0; main answered@0; bob created@0; caller answered@0; bob "
			  "ringing@200; eve created@2000; bob ended cancel 487@2000; eve ringing@2200; eve "
			  "answered@3000; main connected@3000; eve ended hangup 200@5000; main disconnected@5000; main "
			  "shows connected  connected@5000; main ended hangup 200@5000; caller ended hangup 200@5000" },
		{ "[{connect: {parallel: [{to: /public/bob}, {to: /public/eve}]}}, " RESULT "]",
		  .phones = PHONES(REST, TALKS), .tells_time = true, .tells_calls = true,
		  .want = "caller created@0; main created@0; main answered@0; bob created@0; eve created@0; caller "
			  "answered@0; bob ringing@200; eve ringing@200; eve answered@1000; main connected@1000; bob "
			  "ended cancel 487@1000; eve ended hangup 200@3000; main disconnected@3000; main shows "
			  "connected  connected@3000; main ended hangup 200@3000; caller ended hangup 200@3000" },
		{ "[{connect: {serial_parallel: [[{to: /public/bob}, {to: /public/nobody}], [{to: "
		  "/public/eve}]]}}, " RESULT "]",
		  .phones = PHONES("[{sleep: 500}, {hangup: busy}]", TALKS), .tells_time = true,
		  .want = "main connected@1500; main disconnected@3500; main shows connected  connected@3500" },
		{ "[{connect: {parallel: [{to: /public/bob}, {to: /public/eve}]}}, " RESULT "]",
		  .phones = PHONES("[{hangup: busy}]", "[{sleep: 100}, {hangup: decline}]"),
		  .want = "main failed busy; main shows failed busy failed" },
		{ "[{connect: {serial: []}}, " RESULT "]",
		  .want = "main warns serial: a list of 1 to 64 destinations; main shows failed error failed" },
	};

	local_tell(rows, ARRAY_LEN(rows));
}

#define ASKS                                                                                                           \
	"confirm: [{prompt: {play: 'silence:0.1', max_digits: 1}}, {cond: [{when: \"prompt_value != '1'\", then: "     \
	"[hangup]}]}]"

/* The phone that answered is asked before the two are joined; what it is asked with is told of as of its leg. */
static void confirm(void **state)
{
	const struct local_row rows[] = {
		{ "[{connect: {to: /public/bob, " ASKS "}}, " RESULT "]",
		  .phones = PHONE("[answer, {sleep: 1000}, {send_digits: '1'}, {sleep: 1000}]"), .tells_time = true,
		  .want = "bob collect "
			  "{\"result\":{\"type\":\"digit\",\"params\":{\"digits\":\"1\",\"terminator\":\"\"}},"
			  "\"final\":true}@1010; main connected@1010; main disconnected@2210; main shows connected  "
			  "connected@2210" },
		{ "[{connect: {to: /public/bob, " ASKS "}}, " RESULT "]",
		  .phones = PHONE("[answer, {sleep: 1000}, {send_digits: '2'}, {sleep: 1000}]"), .tells_time = true,
		  .want = "bob collect "
			  "{\"result\":{\"type\":\"digit\",\"params\":{\"digits\":\"2\",\"terminator\":\"\"}},"
			  "\"final\":true}@1010; main failed declined@1010; main shows failed declined failed@1010" },
		{ "[{connect: {to: /public/bob, confirm_timeout: 2, " ASKS "}}, " RESULT "]",
		  .phones = PHONE("[answer, {sleep: -1}]"), .tells_time = true,
		  .want = "bob collect {\"result\":{\"type\":\"finished\"},\"final\":true}@2000; main failed "
			  "no_answer@2000; main shows failed no_answer failed@2000" },
		{ "[{connect: {to: /public/bob, " ASKS "}}, " RESULT "]", .phones = PHONE("[answer, {sleep: 300}]"),
		  .tells_time = true,
		  .want = "bob collect {\"result\":{\"type\":\"finished\"},\"final\":true}@300; main failed "
			  "declined@300; main shows failed declined failed@300" },
		{ "[{connect: {parallel: [{to: /public/bob}, {to: /public/eve}], " ASKS "}}, " RESULT "]",
		  .phones = PHONES("[answer, {sleep: 500}, {send_digits: '3'}, {sleep: -1}]",
				   "[{sleep: 800}, answer, {sleep: 500}, {send_digits: '1'}, {sleep: 1000}]"),
		  .tells_time = true,
		  .want = "bob collect "
			  "{\"result\":{\"type\":\"digit\",\"params\":{\"digits\":\"3\",\"terminator\":\"\"}},"
			  "\"final\":true}@510; eve collect "
			  "{\"result\":{\"type\":\"digit\",\"params\":{\"digits\":\"1\",\"terminator\":\"\"}},"
			  "\"final\":true}@1310; main connected@1310; main disconnected@2510; main shows connected  "
			  "connected@2510" },
	};

	local_tell(rows, ARRAY_LEN(rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(one), TEST(several), TEST(confirm) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

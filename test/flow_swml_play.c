/* play and prompt of whole documents on virtual time. */
#include "local_phone.h"

static void play(void **state)
{
	static const struct local_row rows[] = {
		{ "[{play: 'ring:1:us'}, {play: {urls: ['silence:0.5', 'ring:0.5:us']}}]", .tells_calls = true,
		  .tells_time = true,
		  .want = "caller created@0; main created@0; main answered@0; main play playing@0; caller answered@0; "
			  "main play finished@1010; main play playing@1010; main play finished@2030; main ended hangup "
			  "200@2030; caller ended hangup 200@2030" },
		{ "[{play: {url: 'ring:1:us', auto_answer: false}}]", .tells_calls = true, .tells_time = true,
		  .want = "caller created@0; main created@0; main ringing@0; main play playing@0; caller ringing@0; "
			  "main play finished@1010; main ended hangup 480@1010; caller ended no_answer 480@1010" },
		{ "[{play: 'say:hello'}, " LOCAL_SHOW("%{script_error}") "]",
		  .want = "main play error; main warns say:hello cannot be played: there is no speech engine; main "
			  "shows relay_script_method_execute_failed" },
		{ "[play, " LOCAL_SHOW("x") "]", .want = "main warns play needs url or urls" },
		{ "[{play: {url: 'ring:us', urls: ['ring:us']}}, " LOCAL_SHOW("%{script_error}") "]", .ms = 1000,
		  .want = "main warns play has url or urls, not both; main shows "
			  "relay_script_method_parameter_invalid_value" },
		{ "[{play: {url: 'silence:1', volume: 41}}, " LOCAL_SHOW("%{script_error}") "]",
		  .want = "main warns volume is a number from -40 to 40; main shows "
			  "relay_script_method_parameter_invalid_value" },
		{ "[{play: 'ring:us'}]", "[{sleep: 700}, hangup]", .tells_time = true,
		  .want = "main play playing@0; main play finished@700" },
	};

	local_tell(rows, ARRAY_LEN(rows));
}

/* What is played arrives at the far end as it is, and louder or softer by `volume`. */
static void it_is_heard(void **state)
{
	static const char *const volumes[] = { "-20", "0", "6" };
	double levels[3];

	for (size_t i = 0; i < ARRAY_LEN(volumes); i++) {
		struct local_world w;
		char main[120];
		const struct local_opts opts = { .main = main };

		snprintf(main, sizeof(main), "[answer, {sleep: 100}, {play: {url: 'ring:3:it', volume: %s}}]",
			 volumes[i]);
		local_world_open(&w, &opts);
		local_world_dial(&w, "+15550001111");
		local_world_run(&w, 50);
		local_listen(&w);
		local_world_run(&w, 2000);
		levels[i] = local_level(&w, 425, 200, 900);
		CHECK(local_level(&w, 425, 0, 40) < 10);
		local_check_end(&w);
	}
	CHECK(levels[1] > 500);
	CHECK(levels[0] > levels[1] / 11 && levels[0] < levels[1] / 9);
	CHECK(levels[2] > levels[1] * 1.9 && levels[2] < levels[1] * 2.1);
}

#define PROMPT(args)                                                                                                   \
	"[{prompt: {play: 'silence:1', " args                                                                          \
	"}}, " LOCAL_SHOW("%{prompt_result} %{prompt_value} %{prompt_digit_terminator}") "]"

static void prompt(void **state)
{
	static const struct local_row rows[] = {
		{ PROMPT("max_digits: 3"), "[{send_digits: '123'}, {sleep: -1}]", .tells_time = true,
		  .want = "main collect "
			  "{\"result\":{\"type\":\"digit\",\"params\":{\"digits\":\"123\",\"terminator\":\"\"}},"
			  "\"final\":true}@410; main shows match_digits 123@410" },
		{ PROMPT("volume: 1"), "[{send_digits: '12'}, {sleep: -1}]",
		  .want = "main collect "
			  "{\"result\":{\"type\":\"digit\",\"params\":{\"digits\":\"1\",\"terminator\":\"\"}},"
			  "\"final\":true}; main shows match_digits 1" }, /* 1 key */
		{ PROMPT("max_digits: 9, terminators: '#*'"), "[{send_digits: '42*7'}, {sleep: -1}]",
		  .want = "main collect "
			  "{\"result\":{\"type\":\"digit\",\"params\":{\"digits\":\"42\",\"terminator\":\"*\"}},"
			  "\"final\":true}; main shows match_digits 42 *" },
		{ PROMPT("max_digits: 9, terminators: '#'"), "[{send_digits: '#'}, {sleep: -1}]",
		  .want = "main collect {\"result\":{\"type\":\"no_match\"},\"final\":true}; main shows no_match  #" },
		{ PROMPT("max_digits: 3"), NULL, .tells_time = true,
		  .want = "main collect {\"result\":{\"type\":\"no_input\"},\"final\":true}@6010; main shows "
			  "no_input@6010" }, /* 1 + 5 s */
		{ PROMPT("max_digits: 3, initial_timeout: 2"), NULL, .tells_time = true,
		  .want = "main collect {\"result\":{\"type\":\"no_input\"},\"final\":true}@3010; main shows "
			  "no_input@3010" },
		{ PROMPT("max_digits: 3"), "[{send_digits: '1'}, {sleep: -1}]", .tells_time = true,
		  .want = "main collect "
			  "{\"result\":{\"type\":\"digit\",\"params\":{\"digits\":\"1\",\"terminator\":\"\"}},"
			  "\"final\":true}@5010; main shows match_digits 1@5010" }, /* 5 s */
		{ PROMPT("max_digits: 3, digit_timeout: 0.5"), "[{send_digits: '1WW2'}, {sleep: -1}]",
		  .tells_time = true,
		  .want = "main collect "
			  "{\"result\":{\"type\":\"digit\",\"params\":{\"digits\":\"1\",\"terminator\":\"\"}},"
			  "\"final\":true}@510; main shows match_digits 1@510" },
		{ PROMPT("max_digits: 0"), NULL, .tells_time = true,
		  .want = "main warns max_digits is a whole number from 1 to 64@0; main shows @0" },
		{ "[{prompt: {max_digits: 1}}, " LOCAL_SHOW("x") "]", NULL,
		  .want = "main warns the parameter \"play\" is missing" },
		{ PROMPT("speech_timeout: 3"), NULL,
		  .want = "main warns speech cannot be understood: the configuration has no stt; main shows failed" },
		{ PROMPT("speech_timeout: 3, max_digits: 1"), "[{send_digits: '7'}, {sleep: -1}]",
		  .want = "main warns speech cannot be understood: the configuration has no stt; main collect "
			  "{\"result\":{\"type\":\"digit\",\"params\":{\"digits\":\"7\",\"terminator\":\"\"}},"
			  "\"final\":true}; main shows match_digits 7" },
		{ PROMPT("max_digits: 3"), "[{sleep: 300}, hangup]",
		  .want = "main collect {\"result\":{\"type\":\"finished\"},\"final\":true}" },
	};

	local_tell(rows, ARRAY_LEN(rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(play), TEST(it_is_heard), TEST(prompt) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

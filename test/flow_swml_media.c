/* denoise, stop_denoise, detect_machine, tap and stop_tap of whole documents on virtual time. */
#include "local_phone.h"

static void denoise(void **state)
{
	static const struct local_row rows[] = {
		{ "[answer, denoise, " LOCAL_SHOW("%{denoise_result}") ", {sleep: 500}, stop_denoise, " LOCAL_SHOW(
			  "%{denoise_result}") "]",
		  "[{play: 'ring:us'}]", .ms = 2000,
		  .want = "main denoise {\"denoised\":true}; main shows on; caller play playing; main denoise "
			  "{\"denoised\":false}; main shows off; caller play finished" },
		{ "[denoise, " LOCAL_SHOW("%{denoise_result}") "]",
		  .want = "main denoise {\"denoised\":true}; main shows on" },
		{ "[answer, stop_denoise, " LOCAL_SHOW("%{denoise_result}") "]",
		  .want = "main denoise {\"denoised\":false}; main shows off" },
	};

	local_tell(rows, ARRAY_LEN(rows));
}

#define SHOW_DETECT LOCAL_SHOW("%{detect_result} %{detect_machine_beep}")

static void detect_machine(void **state)
{
	static const struct local_row rows[] = {
		{ "[answer, detect_machine, " SHOW_DETECT "]", .tells_time = true,
		  .want = "main detect "
			  "{\"detect\":{\"type\":\"machine\",\"params\":{\"event\":\"UNKNOWN\",\"beep\":false}}}@4490; "
			  "main detect {\"detect\":{\"type\":\"machine\",\"params\":{\"event\":\"finished\"}}}@4490; "
			  "main shows unknown false@4490" },
		{ "[answer, detect_machine, " SHOW_DETECT "]", "[{play: ['ring:0.6:it', 'silence:9']}, {sleep: -1}]",
		  .tells_time = true,
		  .want = "caller play playing@0; main detect "
			  "{\"detect\":{\"type\":\"machine\",\"params\":{\"event\":\"UNKNOWN\",\"beep\":false}}}@4490; "
			  "main detect {\"detect\":{\"type\":\"machine\",\"params\":{\"event\":\"finished\"}}}@4490; "
			  "main shows unknown false@4490; caller play finished@4490" },
		{ "[answer, detect_machine, " SHOW_DETECT "]", "[{play: 'ring:5:it'}, {sleep: -1}]", .tells_time = true,
		  .want = "caller play playing@0; main detect "
			  "{\"detect\":{\"type\":\"machine\",\"params\":{\"event\":\"UNKNOWN\",\"beep\":false}}}@4490; "
			  "main detect {\"detect\":{\"type\":\"machine\",\"params\":{\"event\":\"finished\"}}}@4490; "
			  "main shows unknown false@4490; caller play finished@4490" },
		{ "[answer, {detect_machine: {timeout: 2}}, " SHOW_DETECT "]", .tells_time = true,
		  .want = "main detect "
			  "{\"detect\":{\"type\":\"machine\",\"params\":{\"event\":\"UNKNOWN\",\"beep\":false}}}@2000; "
			  "main detect {\"detect\":{\"type\":\"machine\",\"params\":{\"event\":\"finished\"}}}@2000; "
			  "main shows unknown false@2000" },
		{ "[answer, {detect_machine: {initial_timeout: 1}}, " SHOW_DETECT "]", .tells_time = true,
		  .want = "main detect "
			  "{\"detect\":{\"type\":\"machine\",\"params\":{\"event\":\"UNKNOWN\",\"beep\":false}}}@990; "
			  "main detect {\"detect\":{\"type\":\"machine\",\"params\":{\"event\":\"finished\"}}}@990; "
			  "main shows unknown false@990" },
		{ "[answer, {detect_machine: {wait: false, status_url: 'http://h/s'}}, " SHOW_DETECT
		  ", {sleep: 6000}, " SHOW_DETECT "]",
		  .tells_time = true,
		  .want = "main shows detecting false@0; main detect "
			  "{\"detect\":{\"type\":\"machine\",\"params\":{\"event\":\"UNKNOWN\",\"beep\":false}}}@4490; "
			  "main detect {\"detect\":{\"type\":\"machine\",\"params\":{\"event\":\"finished\"}}}@4490; "
			  "main shows unknown false@6000" },
		{ "[answer, {detect_machine: {wait: false}}, " LOCAL_SHOW("%{detect_result} %{script_error}") "]",
		  .want = "main warns wait: false needs a status_url; main shows error "
			  "relay_script_method_parameter_missing" },
		{ "[answer, {detect_machine: {tone: XYZ}}, " LOCAL_SHOW("%{script_error}") "]",
		  .want = "main warns tone is one of CED, CNG; main shows "
			  "relay_script_method_parameter_invalid_value" },
		{ "[answer, {detect_machine: {machine_words_threshold: 0}}, " LOCAL_SHOW("%{script_error}") "]",
		  .want = "main detect "
			  "{\"detect\":{\"type\":\"machine\",\"params\":{\"event\":\"UNKNOWN\",\"beep\":false}}}; main "
			  "detect {\"detect\":{\"type\":\"machine\",\"params\":{\"event\":\"finished\"}}}; main "
			  "shows " },
		{ "[answer, detect_machine]", "[{sleep: 500}, hangup]",
		  .want = "main detect {\"detect\":{\"type\":\"machine\",\"params\":{\"event\":\"finished\"}}}" },
	};

	local_tell(rows, ARRAY_LEN(rows));
}

static void who_answered(void **state)
{
	static const struct {
		const char *says, *want;
	} rows[] = {
		{ "25v 300.",
		  "main detect "
		  "{\"detect\":{\"type\":\"machine\",\"params\":{\"event\":\"HUMAN\",\"beep\":false}}}@1550; main "
		  "detect {\"detect\":{\"type\":\"machine\",\"params\":{\"event\":\"finished\"}}}@1550; main shows "
		  "human false@1550" },
		{ "100v 300.",
		  "main detect "
		  "{\"detect\":{\"type\":\"machine\",\"params\":{\"event\":\"MACHINE\",\"beep\":false}}}@1290; main "
		  "detect {\"detect\":{\"type\":\"machine\",\"params\":{\"event\":\"finished\"}}}@1290; main shows "
		  "machine false@1290" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct local_opts opts = { .main = "[answer, detect_machine, " SHOW_DETECT "]",
						 .tells_time = true };
		struct local_world w;

		local_world_open(&w, &opts);
		local_world_dial(&w, "+15550001111");
		local_world_run(&w, 20);
		local_speak(&w, rows[i].says);
		local_world_run(&w, 20000);
		CHECK_STR(rows[i].want, local_story(&w));
		local_check_end(&w);
	}
}

#define SHOW_TAP LOCAL_SHOW("%{tap_result} %{tap_control_id} %{tap_codec} %{tap_rate} %{tap_ptime}")

static void tap(void **state)
{
	static const struct local_row rows[] = {
		{ "[answer, {tap: {uri: 'rtp://127.0.0.1:29998', control_id: t}}, " SHOW_TAP
		  ", {sleep: 500}, stop_tap, " LOCAL_SHOW("%{stop_tap_result}") "]",
		  "[{play: 'ring:us'}]", .ms = 3000,
		  .want = "main tap tapping; caller play playing; main shows success t PCMU 8000 20; main tap "
			  "finished; main shows success; caller play finished" },
		{ "[answer, {tap: {uri: 'rtp://127.0.0.1:29998', control_id: t, codec: PCMA, rtp_ptime: 40, direction: "
		  "both}}, " SHOW_TAP "]",
		  .want = "main tap tapping; main shows success t PCMA 8000 40; main tap finished" },
		{ "[answer, {tap: 'ftp://h'}, " LOCAL_SHOW("%{tap_result} %{script_error}") "]",
		  .want = "main warns uri: it begins with rtp://, ws:// or wss://; main shows failed "
			  "relay_script_method_parameter_invalid" },
		{ "[answer, tap, " LOCAL_SHOW("x") "]", .want = "main warns the parameter \"uri\" is missing" },
		{ "[answer, stop_tap, " LOCAL_SHOW("%{stop_tap_result}") "]",
		  .want = "main warns no such tap runs; main shows failed" },
	};

	local_tell(rows, ARRAY_LEN(rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(denoise), TEST(detect_machine), TEST(who_answered), TEST(tap) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

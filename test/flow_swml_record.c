/* record, record_call and stop_record_call of whole documents on virtual time; what the caller plays is what he says. */
#include "local_phone.h"

static void record(void **state)
{
	static const struct local_row rows[] = {
		{ "[record, " LOCAL_SHOW("%{record_result}") "]", .tells_time = true,
		  .want = "main record recording@0; main record no_input@3990; main shows failed@3990" }, /* 4 s */
		{ "[record, " LOCAL_SHOW("%{record_result}") "]", "[{play: 'ring:3:us'}, {sleep: -1}]",
		  .tells_time = true,
		  .want = "main record recording@0; caller play playing@0; caller play finished@3010; main record "
			  "finished@7010; main shows success@7010" }, /* 5 s behind the ring */
		{ "[record, " LOCAL_SHOW("%{record_result}") "]",
		  "[{play: 'ring:1:us'}, {send_digits: '1#'}, {sleep: -1}]", .tells_time = true,
		  .want = "main record recording@0; caller play playing@0; caller play finished@1010; main record "
			  "finished@1220; main shows success@1220" },
		{ "[{record: {terminators: '*', max_length: 2}}, " LOCAL_SHOW("%{record_result}") "]",
		  "[{play: 'ring:9:us'}, {sleep: -1}]", .tells_time = true,
		  .want = "main record recording@0; caller play playing@0; main record finished@1990; main shows "
			  "success@1990; caller play finished@1990" },
		{ "[{record: {initial_timeout: 1.5}}, " LOCAL_SHOW("%{record_result}") "]", .tells_time = true,
		  .want = "main record recording@0; main record no_input@1490; main shows failed@1490" },
		{ "[{record: {end_silence_timeout: 1}}, " LOCAL_SHOW("%{record_result}") "]",
		  "[{play: 'ring:1:us'}, {sleep: -1}]", .tells_time = true,
		  .want = "main record recording@0; caller play playing@0; caller play finished@1010; main record "
			  "finished@2010; main shows success@2010" },
		{ "[{record: {beep: true, initial_timeout: 1}}, " LOCAL_SHOW("%{record_result}") "]",
		  .tells_time = true,
		  .want = "main record recording@290; main record no_input@1290; main shows failed@1290" },
		{ "[{record: {input_sensitivity: 101}}, " LOCAL_SHOW("%{record_result} %{script_error}") "]",
		  .want = "main warns input_sensitivity is a number from 0 to 100; main shows  "
			  "relay_script_method_parameter_invalid_value" },
		{ "[{record: {format: ogg}}, " LOCAL_SHOW("%{script_error}") "]",
		  .want = "main warns format is one of wav, mp3, mp4; main shows "
			  "relay_script_method_parameter_invalid_value" },
		{ "[record]", "[{play: 'ring:1:us'}, hangup]", .tells_time = true,
		  .want = "main record recording@0; caller play playing@0; caller play finished@1010; main record "
			  "finished@1010" },
	};

	local_tell(rows, ARRAY_LEN(rows));
}

static void record_call(void **state)
{
	static const struct local_row rows[] = {
		{ "[answer, record_call, {play: 'ring:2:us'}, stop_record_call, " LOCAL_SHOW(
			  "%{record_call_result} %{stop_record_call_result}") "]",
		  .tells_time = true,
		  .want = "main record recording@0; main play playing@0; main play finished@2010; main record "
			  "finished@2010; main shows success success@2010" },
		{ "[answer, {record_call: {control_id: mine, format: mp3, stereo: true}}, {sleep: 1000}, "
		  "{stop_record_call: other}, {stop_record_call: mine}, " LOCAL_SHOW(
			  "%{record_control_id} %{stop_record_call_result}") "]",
		  .tells_time = true,
		  .want = "main record recording@0; main warns no such recording runs@1000; main record finished@1000; "
			  "main shows mine success@1000" },
		{ "[answer, {record_call: {max_length: 1}}, {sleep: 3000}]", .tells_time = true,
		  .want = "main record recording@0; main record finished@990" },
		{ "[answer, {record_call: {end_silence_timeout: 1, direction: speak}}, {sleep: 9000}]",
		  "[{play: 'ring:1:us'}, {sleep: -1}]", .tells_time = true,
		  .want = "main record recording@0; caller play playing@0; caller play finished@1010; main record "
			  "finished@2010" },
		{ "[answer, {record_call: {terminators: '#'}}, {sleep: 3000}]",
		  "[{sleep: 500}, {send_digits: '#'}, {sleep: -1}]", .tells_time = true,
		  .want = "main record recording@0; main record finished@510" },
		{ "[answer, record_call, {sleep: 1000}]", .tells_time = true,
		  .want = "main record recording@0; main record finished@1000" },
		{ "[answer, stop_record_call, " LOCAL_SHOW("%{stop_record_call_result}") "]",
		  .want = "main warns no such recording runs; main shows failed" },
	};

	local_tell(rows, ARRAY_LEN(rows));
}

/* The file has what was said, for as long as it was. */
static void what_is_told_of_a_recording(void **state)
{
	const struct local_opts opts = { .main = "[record]",
					 .caller = "[{play: 'ring:1:us'}, {send_digits: '#'}, {sleep: -1}]" };
	struct local_world w;

	local_world_open(&w, &opts);
	local_world_dial(&w, "+15550001111");
	local_world_run(&w, 30000);
	CHECK(strstr(w.params, "\"url\":\"/recordings/"));
	CHECK(strstr(w.params, "\"duration\":1.020,\"size\":32684,"));
	CHECK(strstr(w.params, "\"record\":{\"audio\":{\"format\":\"wav\",\"direction\":\"speak\",\"stereo\":false}"));
	local_check_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(record), TEST(record_call), TEST(what_is_told_of_a_recording) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

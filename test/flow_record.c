/* Recordings in whole calls on virtual time: a caller with a SIP stack of his own, the server's documents, real files.
 * Media sockets are real but silent. */
#include "check.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/store.h"
#include "call/call_media.h"
#include "fake_world.h"
#include "op/op_background.h"
#include "op/op_record.h"

struct world {
	struct fake_world base;
	struct store *store;
	struct recordings *recordings;
	char folder[48], files[64], database[64];
	struct fake_caller caller;
	struct loop_timer later;
	struct call *call;
	struct call_hold hold;
	struct background background;
	bool held;
	struct buf story; /* "recording finished ended" */
	char params[1000], control_id[40], seconds[16];
	unsigned begun, over, ended;
};

/* --- the server --- */

static void incoming(void *arg, struct call *c, const struct route *r)
{
	struct world *w = arg;

	w->call = c;
	if (w->held)
		call_hold(c, &w->hold);
	assert_int_equal(script_start(c, &w->base.scripts, r->swml), 0);
}

static void see(void *arg, const struct event *ev)
{
	struct str state = event_get(ev, "state");
	struct world *w = arg;

	if (ev->type == EVENT_ENDED) {
		w->ended++;
		w->call = NULL;
		str_copy(w->seconds, sizeof(w->seconds), event_get(ev, "seconds"));
		buf_cstr(&w->story, "ended ");
	}
	if (ev->type == EVENT_WARNING)
		buf_cstr(&w->story, "warning ");
	if (ev->type != EVENT_OPERATION)
		return;
	CHECK(str_is(event_get(ev, "operation"), "calling.call.record"));
	CHECK_INT(0, w->ended); /* nothing is told of a call that has ended */
	buf_printf(&w->story, "%.*s ", STR_ARG(state));
	str_copy(w->params, sizeof(w->params), event_get(ev, "params"));
	str_copy(w->control_id, sizeof(w->control_id), event_get(ev, "control_id"));
	w->begun += str_is(state, "recording");
	w->over += str_is(event_get(ev, "final"), "true");
}

static void open_recordings(struct world *w)
{
	struct store_opts store = { .path = w->database,
				    .schema = recordings_schema,
				    .statements = recordings_statements };
	struct recordings_opts opts = { .loop = w->base.loop, .pool = w->base.pool, .folder = w->files, .address = "" };
	char why[160];

	assert_int_equal(store_open(&w->store, w->base.loop, &store, why), 0);
	opts.store = w->store;
	assert_int_equal(recordings_new(&w->recordings, &opts, why), 0);
}

static void begin(struct world *w, uint64_t seed, const char *document)
{
	const struct fake_world_opts opts = {
		.seed = seed, .document = document, .event = see, .incoming = incoming, .arg = w
	};

	*w = (struct world){ .folder = "/tmp/flow_record.XXXXXX" };
	assert_non_null(mkdtemp(w->folder));
	snprintf(w->files, sizeof(w->files), "%s/files", w->folder);
	snprintf(w->database, sizeof(w->database), "%s/db", w->folder);
	fake_world_open(&w->base, &opts);
	open_recordings(w);
	w->base.scripts.recordings = w->recordings;
	fake_caller_dial(&w->caller, &w->base);
}

static void run(struct world *w, uint64_t ms)
{
	fake_world_run(&w->base, ms);
}

static const char *story(const struct world *w)
{
	return w->story.data ? w->story.data : "";
}

/* Bytes of all recordings, and how many there are. */
static size_t look_at_files(const struct world *w, unsigned *count)
{
	DIR *d = opendir(w->files);
	const struct dirent *e;
	size_t bytes = 0;

	*count = 0;
	while (d && (e = readdir(d))) {
		char path[400];
		struct stat st;

		snprintf(path, sizeof(path), "%s/%s", w->files, e->d_name);
		if (!strstr(e->d_name, ".wav") || stat(path, &st))
			continue;
		++*count;
		bytes += (size_t)st.st_size;
	}
	if (d)
		closedir(d);
	return bytes;
}

static void remove_folder(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		char name[400];

		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (e->d_name[0] != '.')
			unlink(name);
	}
	if (d)
		closedir(d);
	rmdir(path);
}

/* Nothing is left, and whatever began was told the end of. */
static void end(struct world *w)
{
	if (w->base.calls)
		loop_run_until(w->base.loop, UINT64_MAX);
	fake_world_end_calls(&w->base);
	fake_caller_free(&w->caller);
	loop_run_until(w->base.loop, UINT64_MAX);
	CHECK_INT(1, w->ended);
	recordings_free(&w->recordings);
	store_close(&w->store);
	fake_world_close(&w->base);
	buf_free(&w->story);
	remove_folder(w->files);
	remove_folder(w->folder);
}

/* --- */

static void nobody_speaks(void **state)
{
	unsigned count;
	struct world w;

	begin(&w, 1,
	      "sections: {main: [record, {switch: {variable: record_result, case: {failed: [{hangup: busy}]}}}]}");
	run(&w, 6000);
	CHECK_STR("recording no_input ended ", story(&w));
	CHECK_INT(44 + 4 * 16000, look_at_files(&w, &count));
	CHECK_INT(1, count);
	CHECK(strstr(w.params, "\"duration\":4.000,\"size\":64044,"));
	CHECK(strstr(
		w.params,
		"\"record\":{\"audio\":{\"format\":\"wav\",\"direction\":\"speak\",\"stereo\":false},\"url\":\"/"));
	CHECK(strstr(w.params, ",\"sha256\":\""));
	end(&w);
}

static void the_caller_hangs_up(void **state)
{
	unsigned count;
	struct world w;

	begin(&w, 1, "sections: {main: [{record_call: {stereo: true, control_id: mine}}, {sleep: -1}]}");
	w.caller.hangup_ms = 3000;
	run(&w, 8000);
	CHECK_STR("recording finished ended ", story(&w));
	CHECK_STR("mine", w.control_id);
	CHECK(look_at_files(&w, &count) > 44 + 2 * 2 * 8000 * 28 / 10);
	CHECK(strstr(w.params, "\"duration\":2.9") || strstr(w.params, "\"duration\":3.0"));
	/* The end of the call does not count as talking while it waits for the file. */
	CHECK(!strncmp(w.seconds, "3.0", 3));
	end(&w);
}

static void stopping_waits_for_the_file(void **state)
{
	struct world w;

	begin(&w, 1,
	      "sections: {main: [record_call, {sleep: 2000}, {stop_record_call: '${record_control_id}'}, {switch: "
	      "{variable: stop_record_call_result, case: {success: [{sleep: 1000}]}}}]}");
	run(&w, 2500);
	CHECK_STR("recording finished ", story(&w));
	run(&w, 300);
	CHECK_INT(0, w.ended);
	run(&w, 1000);
	CHECK_STR("recording finished ended ", story(&w));
	CHECK(strstr(w.params, "\"duration\":2.0") || strstr(w.params, "\"duration\":1.9"));
	end(&w);
}

static void the_document_hangs_up(void **state)
{
	struct world w;

	begin(&w, 1, "sections: {main: [{record_call: {beep: true}}, {sleep: 1000}]}");
	run(&w, 3000);
	CHECK_STR("recording finished ended ", story(&w));
	end(&w);
	/* Before the beep is over. */
	begin(&w, 1, "sections: {main: [{record_call: {beep: true}}, {sleep: 100}]}");
	run(&w, 3000);
	CHECK_STR("finished ended ", story(&w));
	CHECK(strstr(w.params, "\"duration\":0.000"));
	end(&w);
}

static void a_beep_is_not_recorded(void **state)
{
	struct world w;

	begin(&w, 1, "sections: {main: [{record: {beep: true, max_length: 1, initial_timeout: 0}}]}");
	run(&w, 250);
	CHECK_STR("", story(&w));
	run(&w, 2000);
	CHECK_STR("recording finished ended ", story(&w));
	CHECK(strstr(w.params, "\"duration\":1.000"));
	end(&w);
}

static void keys_end_it(void **state)
{
	struct world w;

	begin(&w, 1, "sections: {main: [{record: {terminators: '#', initial_timeout: 0}}, {sleep: 1000}]}");
	run(&w, 1000);
	call_media_key(w.call, '1');
	run(&w, 500);
	CHECK_STR("recording ", story(&w));
	call_media_key(w.call, '#');
	run(&w, 100);
	CHECK_STR("recording finished ", story(&w));
	run(&w, 2000);
	CHECK_STR("recording finished ended ", story(&w));
	end(&w);
}

static void pauses_are_told(void **state)
{
	struct world w;
	struct op *op;

	begin(&w, 1,
	      "sections: {main: [{record_call: {control_id: a}}, {record_call: {control_id: b}}, {sleep: 3000}]}");
	run(&w, 1000);
	CHECK_STR("recording recording ", story(&w));
	op = background_find(w.call, "record", STR(""));
	CHECK(op && op == background_find(w.call, "record", STR("b")) &&
	      op != background_find(w.call, "record", STR("a")));
	CHECK(!background_find(w.call, "record", STR("c")) && !background_find(w.call, "tap", STR("")));
	recording_pause(op, true);
	CHECK(strstr(w.params, "\"pause_behavior\":\"skip\""));
	run(&w, 1000);
	recording_resume(op);
	CHECK_STR("recording recording paused recording ", story(&w));
	op_stop(op);
	run(&w, 100);
	CHECK_STR("b", w.control_id);
	CHECK(strstr(w.params, "\"duration\":0.9") || strstr(w.params, "\"duration\":1.0"));
	run(&w, 3000);
	CHECK_STR("recording recording paused recording finished finished ended ", story(&w));
	end(&w);
}

static void a_disk_that_fails_costs_the_recording_only(void **state)
{
	struct world w;

	begin(&w, 1,
	      "sections: {main: [{sleep: 100}, record_call, {sleep: 3000}, record, {switch: {variable: record_result, "
	      "case: {failed: [{sleep: 1000}]}}}]}");
	remove_folder(w.files);
	log_set_level(LOG_ERROR);
	run(&w, 2000);
	CHECK_STR("error ", story(&w));
	CHECK(strstr(w.params, "\"duration\":0.000"));
	run(&w, 1800);
	CHECK_INT(0, w.ended);
	run(&w, 3000);
	CHECK_STR("error error ended ", story(&w));
	end(&w);
}

static void no_recording_to_stop(void **state)
{
	struct world w;

	begin(&w, 1, "sections: {main: [{record_call: {max_length: 1}}, {sleep: 2000}, stop_record_call]}");
	run(&w, 4000);
	CHECK_STR("recording finished warning ended ", story(&w));
	end(&w);
}

static void catch_line(void *arg, enum log_level level, const char *line)
{
	buf_printf(arg, "%s\n", line);
}

static void addresses_stay_out_of_the_log(void **state)
{
	struct buf lines = { 0 };
	struct world w;
	const char *url;

	begin(&w, 1, "sections: {main: [{record: {max_length: 1, initial_timeout: 0}}]}");
	log_set_level(LOG_INFO);
	log_capture(catch_line, &lines);
	events_subscribe(w.base.events, event_log, NULL);
	run(&w, 3000);
	log_capture(NULL, NULL);
	log_set_level(LOG_WARN);
	url = strstr(w.params, "/recordings/");
	CHECK(url && strlen(url) > 90);
	CHECK(lines.data && strstr(lines.data, "-********************************.wav"));
	if (url) {
		char token[33];

		snprintf(token, sizeof(token), "%.32s", url + 12 + 37);
		CHECK(!strstr(lines.data, token));
	}
	buf_free(&lines);
	end(&w);
}

/* Whoever forgets to let go does not keep the call for ever. */
static void a_call_is_held_for_a_while(void **state)
{
	struct world w;

	begin(&w, 1, "sections: {main: [answer, {sleep: 1000}]}");
	w.held = true;
	run(&w, 2000);
	background_add(w.call, &w.background); /* as of an op whose disk has stalled */
	CHECK(call_is_held(&w.hold));
	CHECK_INT(0, w.ended);
	call_hangup(w.call, CAUSE_ERROR, "test", "a second time");
	CHECK(call_answer(w.call, NULL) != 0);
	CHECK_INT(1, calls_count(w.base.calls));
	run(&w, 4900);
	CHECK_INT(1, w.ended);
	CHECK(!call_is_held(&w.hold));
	call_let_go(w.call, &w.hold);
	background_remove(&w.background);
	end(&w);
}

static void the_server_ends(void **state)
{
	unsigned count;
	struct world w;

	begin(&w, 1, "sections: {main: [record_call, {sleep: -1}]}");
	run(&w, 1000);
	calls_free(&w.base.calls);
	CHECK_STR("recording finished ended ", story(&w));
	CHECK(look_at_files(&w, &count) > 44 + 16000 * 8 / 10);
	end(&w);
}

/* Calls that end at any moment: what began is told the end of, once, before the call's end. */
static void random_ends(void **state)
{
	static const char document[] =
		"sections: {main: [{record_call: {beep: true, max_length: 2}}, {record: {beep: true, initial_timeout: "
		"1, "
		"terminators: '1'}}, {record_call: {direction: listen, stereo: true}}, {sleep: 300}, stop_record_call, "
		"{record: {max_length: 0.5, initial_timeout: 0, format: mp3}}, record_call, {sleep: 200}]}";
	unsigned met[6] = { 0 };

	for (uint64_t seed = 1; seed <= 150; seed++) {
		struct world w;

		begin(&w, seed, document);
		w.caller.hangup_ms = 1 + loop_random_below(w.base.loop, 4000);
		run(&w, loop_random_below(w.base.loop, 2000));
		if (w.call)
			call_media_key(w.call, '1');
		loop_run_until(w.base.loop, UINT64_MAX);
		CHECK_INT(1, w.ended);
		CHECK(w.over >= w.begun);
		met[w.over < 6 ? w.over : 5]++;
		end(&w);
		if (check_bad)
			fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
	}
	for (size_t i = 2; i < ARRAY_LEN(met); i++)
		CHECK(met[i] > 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(nobody_speaks),
		TEST(the_caller_hangs_up),
		TEST(stopping_waits_for_the_file),
		TEST(the_document_hangs_up),
		TEST(a_beep_is_not_recorded),
		TEST(keys_end_it),
		TEST(pauses_are_told),
		TEST(a_disk_that_fails_costs_the_recording_only),
		TEST(no_recording_to_stop),
		TEST(a_call_is_held_for_a_while),
		TEST(the_server_ends),
		TEST(addresses_stay_out_of_the_log),
		TEST(random_ends),
	};

	log_set_level(LOG_WARN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

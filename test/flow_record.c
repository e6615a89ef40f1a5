/* Recordings in whole calls on virtual time: a caller with a SIP stack of his own, the server's documents, real files.
 * Media sockets are real but silent. */
#include "check.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/pool.h"
#include "base/store.h"
#include "call/call_media.h"
#include "call/calls.h"
#include "dialect/fetch.h"
#include "dialect/script.h"
#include "fake_dns.h"
#include "fake_net.h"
#include "op/op_background.h"
#include "op/op_record.h"

static const char sdp[] = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n"
			  "m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

struct world {
	struct loop *loop;
	struct fake_net *net;
	struct fake_dns *dns;
	struct pool *pool;
	struct fetch *fetch;
	struct events *events;
	struct media *media;
	struct calls *calls;
	struct store *store;
	struct recordings *recordings;
	struct script_env scripts;
	struct trunk trunk;
	struct addr_net everybody;
	struct route route;
	struct route_table routes;
	char folder[48], files[64], document[64], database[64];
	struct sip_stack *phone;
	struct sip_session *session;
	struct loop_timer act, later;
	uint64_t hangup_ms;
	struct call *call;
	struct call_hold hold;
	struct background background;
	bool held;
	struct buf story; /* "recording finished ended" */
	char params[1000], control_id[40], seconds[16];
	unsigned begun, over, ended;
};

/* --- the caller --- */

static void hang_up(void *arg)
{
	struct world *w = arg;

	if (w->session)
		sip_session_hangup(w->session, STR(""));
}

static void on_answered(void *arg, const struct sip_msg *m, struct str body)
{
	struct world *w = arg;

	if (w->hangup_ms)
		loop_timer_start(w->loop, &w->act, w->hangup_ms, hang_up, w);
}

static void on_progress(void *arg, const struct sip_msg *m, int status, struct str body)
{
}

static void on_closed(void *arg, const struct sip_end *end)
{
	struct world *w = arg;

	w->session = NULL;
	loop_timer_stop(w->loop, &w->act);
}

static void on_body(void *arg, struct str body)
{
}

static void on_reinvited(void *arg, int status, struct str body)
{
}

static const struct sip_session_handlers caller = {
	.progress = on_progress,
	.answered = on_answered,
	.confirmed = on_body,
	.reoffer = on_body,
	.reanswered = on_body,
	.reinvited = on_reinvited,
	.closed = on_closed,
};

static void no_invite(void *arg, struct sip_session *s, const struct sip_invite *in)
{
}

static const struct sip_stack_handlers phone_handlers = { .invite = no_invite };

static void dial(struct world *w)
{
	const struct sip_call_params params = {
		.ruri = STR("sip:main@10.0.0.1:5060"),
		.kind = WIRE_UDP,
		.from_uri = STR("sip:caller@10.0.0.2"),
		.to_uri = STR("sip:main@10.0.0.1"),
		.sdp = STR(sdp),
	};
	const char *why;

	assert_int_equal(sip_session_call(&w->session, w->phone, &params, &caller, w, &why), 0);
}

/* --- the server --- */

static void incoming(void *arg, struct call *c, const struct route *r)
{
	struct world *w = arg;

	w->call = c;
	if (w->held)
		call_hold(c, &w->hold);
	assert_int_equal(script_start(c, &w->scripts, r->swml), 0);
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

static void open_stacks(struct world *w)
{
	struct sip_listen listen = { .kind = WIRE_UDP };
	struct media_opts media = { .loop = w->loop, .port_min = 21000, .port_max = 28999 };
	struct calls_opts opts = {
		.loop = w->loop,
		.events = w->events,
		.routes = &w->routes,
		.default_transport = WIRE_UDP,
		.header_prefix = "X-Crosspoint",
		.incoming = incoming,
		.arg = w,
		.sip = { .net = fake_net_host(w->net, "10.0.0.1"),
			 .dns = fake_dns_door(w->dns),
			 .listen = &listen,
			 .listen_count = 1,
			 .user_agent = "server" },
	};
	struct sip_stack_opts phone = {
		.loop = w->loop,
		.net = fake_net_host(w->net, "10.0.0.2"),
		.dns = fake_dns_door(w->dns),
		.listen = &listen,
		.listen_count = 1,
		.user_agent = "phone",
		.handlers = &phone_handlers,
		.arg = w,
	};
	char why[160];

	assert_int_equal(addr_parse(&media.bind, STR("127.0.0.1"), 0), 0);
	assert_int_equal(media_new(&w->media, &media), 0);
	opts.media = w->media;
	codec_list_add(&opts.codecs, CODEC_PCMU);
	assert_int_equal(addr_parse(&listen.addr, STR("10.0.0.1"), 5060), 0);
	assert_int_equal(calls_new(&w->calls, &opts, why), 0);
	assert_int_equal(addr_parse(&listen.addr, STR("10.0.0.2"), 5060), 0);
	assert_int_equal(sip_stack_new(&w->phone, &phone, why), 0);
}

static void open_recordings(struct world *w)
{
	struct store_opts store = { .path = w->database,
				    .schema = recordings_schema,
				    .statements = recordings_statements };
	struct recordings_opts opts = { .loop = w->loop, .pool = w->pool, .folder = w->files, .address = "" };
	char why[160];

	assert_int_equal(store_open(&w->store, w->loop, &store, why), 0);
	opts.store = w->store;
	assert_int_equal(recordings_new(&w->recordings, &opts, why), 0);
}

static void begin(struct world *w, uint64_t seed, const char *document)
{
	FILE *f;

	*w = (struct world){ .folder = "/tmp/flow_record.XXXXXX" };
	assert_non_null(mkdtemp(w->folder));
	snprintf(w->files, sizeof(w->files), "%s/files", w->folder);
	snprintf(w->database, sizeof(w->database), "%s/db", w->folder);
	snprintf(w->document, sizeof(w->document), "%s/document", w->folder);
	f = fopen(w->document, "w");
	assert_non_null(f);
	fputs(document, f);
	fclose(f);
	assert_int_equal(loop_new(&w->loop, true, seed), 0);
	assert_int_equal(fake_net_new(&w->net, w->loop), 0);
	assert_int_equal(fake_dns_new(&w->dns, w->loop), 0);
	assert_int_equal(pool_new(&w->pool, w->loop, 0), 0);
	assert_int_equal(fetch_new(&w->fetch, w->loop, w->pool), 0);
	assert_int_equal(events_new(&w->events, w->loop), 0);
	events_subscribe(w->events, see, w);
	open_recordings(w);
	w->scripts = (struct script_env){ .fetch = w->fetch, .recordings = w->recordings, .country = "1" };
	assert_int_equal(addr_net_parse(&w->everybody, STR("10.0.0.0/8")), 0);
	w->trunk = (struct trunk){ .name = "all", .uri = "", .accept_from = &w->everybody, .accept_count = 1 };
	w->route = (struct route){ .match = "*", .swml = w->document };
	w->routes = (struct route_table){
		.trunks = &w->trunk, .trunk_count = 1, .routes = &w->route, .route_count = 1, .country = "1"
	};
	open_stacks(w);
	dial(w);
}

static void run(struct world *w, uint64_t ms)
{
	loop_run_until(w->loop, loop_now_ms(w->loop) + ms);
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
	if (w->calls)
		loop_run_until(w->loop, UINT64_MAX);
	if (w->calls)
		CHECK_INT(0, calls_count(w->calls));
	calls_free(&w->calls);
	sip_stack_free(&w->phone);
	loop_run_until(w->loop, UINT64_MAX);
	CHECK_INT(1, w->ended);
	CHECK_INT(0, media_ports_open(w->media));
	media_free(&w->media);
	fetch_free(&w->fetch);
	recordings_free(&w->recordings);
	store_close(&w->store);
	CHECK_INT(0, loop_timer_count(w->loop));
	events_free(&w->events);
	pool_free(&w->pool);
	fake_dns_free(&w->dns);
	fake_net_free(&w->net);
	loop_free(&w->loop);
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
	w.hangup_ms = 3000;
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
	events_subscribe(w.events, event_log, NULL);
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
	CHECK_INT(1, calls_count(w.calls));
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
	calls_free(&w.calls);
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
		w.hangup_ms = 1 + loop_random_below(w.loop, 4000);
		run(&w, loop_random_below(w.loop, 2000));
		if (w.call)
			call_media_key(w.call, '1');
		loop_run_until(w.loop, UINT64_MAX);
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

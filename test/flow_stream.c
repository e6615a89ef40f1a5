/* Streams in whole calls on virtual time: what their servers are sent, and how they end. */
#include "audio_world.h"

#include "base/arena.h"
#include "base/doc.h"
#include "op/op_stream.h"

enum { MAX_MESSAGE = 8192 };

static void begin(struct world *w, uint64_t seed, const char *steps)
{
	begin_with(w, "calling.call.stream", seed, steps);
}

/* What the server of a stream has got so far, kept over its close. */
struct heard {
	unsigned inbound, outbound, sequence;
	char keys[20];
	bool stopped;
};

static const char *text_at(const struct doc *map, const char *name)
{
	const struct doc *d = doc_get(map, name);

	CHECK(d);
	return d ? d->text.p : "";
}

static void hear_message(struct heard *h, const struct doc *d)
{
	const char *event = text_at(d, "event");
	char want[12];

	CHECK(!h->stopped);
	snprintf(want, sizeof(want), "%u", ++h->sequence);
	CHECK_STR(want, text_at(d, "sequenceNumber"));
	if (!strcmp(event, "media")) {
		const struct doc *media = doc_get(d, "media");

		h->inbound += !strcmp(text_at(media, "track"), "inbound");
		h->outbound += !strcmp(text_at(media, "track"), "outbound");
		CHECK(strlen(text_at(media, "payload")) > 100);
	} else if (!strcmp(event, "dtmf")) {
		size_t n = strlen(h->keys);

		str_copy(h->keys + n, sizeof(h->keys) - n, str_of(text_at(doc_get(d, "dtmf"), "digit")));
	} else {
		CHECK_STR("stop", event);
		h->stopped = true;
	}
}

static void hear(struct heard *h, struct ws_feed *f)
{
	char out[MAX_MESSAGE];
	size_t n;

	if (!h->sequence)
		h->sequence = 1; /* start */
	while ((n = ws_feed_take(f, out))) {
		struct arena *a = NULL;
		struct doc_error err;
		struct doc *d = NULL;

		assert_int_equal(arena_new(&a, 0, 0), 0);
		CHECK_INT(0, doc_parse(a, &d, (struct str){ out, n }, DOC_JSON, NULL, &err));
		if (d)
			hear_message(h, d);
		arena_free(&a);
	}
}

static struct ws_feed *feed_of(struct world *w, uint64_t id)
{
	struct fake_conn *c = conn_of(&w->ws, id);

	return c ? c->feed : NULL;
}

/* --- */

static void until_it_is_stopped(void **state)
{
	struct heard h = { 0 };
	struct ws_feed *f;
	struct world w;

	begin(&w, 1,
	      "{stream: {url: 'wss://u:secret@good.test/x?y', control_id: 'm\"e', name: \"n'\", track: both_tracks, "
	      "codec: "
	      "'PCMA@40i', authorization_bearer_token: T, custom_parameters: {tier: gold}}}, {sleep: 1000}, "
	      "stop_stream, "
	      "{switch: {variable: stop_stream_result, case: {success: [{sleep: 500}]}}}");
	run(&w, 40);
	CHECK_STR("", story(&w)); /* not before it stands */
	run(&w, 500);
	CHECK_STR("streaming ", story(&w));
	CHECK_STR("m\"e", w.control_id);
	CHECK_STR("\"url\":\"wss://good.test/x?y\",\"name\":\"n'\"", w.params);
	CHECK_STR("wss://good.test/x?y", w.ws.url);
	CHECK_STR("T", w.ws.bearer);
	CHECK(str_starts(
		str_of(w.ws.said),
		"{\"event\":\"connected\",\"protocol\":\"Call\",\"version\":\"0.2.0\"}{\"event\":\"start\","
		"\"sequenceNumber\":\"1\",\"start\":{\"streamSid\":\"m\\\"e\",\"accountSid\":\"\",\"callSid\":\""));
	CHECK(strstr(w.ws.said,
		     "\",\"tracks\":[\"inbound\",\"outbound\"],\"customParameters\":{\"tier\":\"gold\"},"
		     "\"mediaFormat\":{\"encoding\":\"audio/x-alaw\",\"sampleRate\":8000,\"channels\":1}}}"));
	f = ws_feed_use(feed_of(&w, 1));
	hear(&h, f);
	CHECK(h.inbound >= 10 && h.inbound <= 13);
	CHECK_INT(h.inbound, h.outbound);
	run(&w, 700);
	CHECK_STR("streaming finished ", story(&w));
	CHECK_STR("\"url\":\"wss://good.test/x?y\",\"name\":\"n'\"", w.params);
	CHECK_INT(1, w.ws.closes);
	CHECK_INT(1000, w.ws.code);
	hear(&h, f);
	CHECK(h.stopped);
	CHECK(h.inbound >= 23 && h.inbound <= 26);
	ws_feed_drop(&f);
	run(&w, 1000);
	CHECK_STR("streaming finished ended ", story(&w));
	end(&w);
}

static void until_the_call_ends(void **state)
{
	struct heard h = { 0 };
	struct ws_feed *f;
	struct world w;

	begin(&w, 1, "{stream: 'wss://good.test'}, {sleep: -1}");
	w.caller.hangup_ms = 1500;
	run(&w, 1000);
	CHECK_INT(36, strlen(w.control_id)); /* a new one */
	CHECK_STR("-", w.ws.bearer);
	f = ws_feed_use(feed_of(&w, 1));
	run(&w, 5000);
	CHECK_STR("streaming finished ended ", story(&w));
	hear(&h, f);
	CHECK(h.stopped && h.inbound > 60 && !h.outbound);
	ws_feed_drop(&f);
	end(&w);
}

/* Several at a time, each with its own name; without one the newest is stopped. */
static void several(void **state)
{
	struct world w;

	begin(&w, 1,
	      "{stream: {url: 'wss://good.test', control_id: a}}, {stream: {url: 'wss://good.test', control_id: b}}, "
	      "{stream: "
	      "{url: 'wss://good.test', control_id: a}}, {sleep: 300}, stop_stream, {sleep: 300}, {stop_stream: a}, "
	      "{sleep: "
	      "100}, stop_stream");
	run(&w, 200);
	CHECK_STR("streaming streaming warning ", story(&w));
	CHECK_STR("a stream \"a\" runs already", w.warning);
	CHECK(background_find(w.call, "stream", STR("a")) && background_find(w.call, "stream", STR("b")));
	CHECK_INT(2, open_conns(&w.ws));
	run(&w, 290);
	CHECK_STR("streaming streaming warning finished ", story(&w));
	CHECK_STR("b", w.control_id);
	run(&w, 290);
	CHECK_STR("a", w.control_id);
	run(&w, 1000);
	CHECK_STR("streaming streaming warning finished finished warning ended ", story(&w));
	CHECK_STR("no such stream runs", w.warning);
	end(&w);
}

/* A stream hears of keys that somebody else keeps, in the order of its audio. */
static void keys(void **state)
{
	struct heard h = { 0 };
	struct ws_feed *f;
	struct world w;

	begin(&w, 1, "{stream: 'wss://good.test'}, {sleep: 2000}, stop_stream, {sleep: 100}");
	run(&w, 300);
	f = ws_feed_use(feed_of(&w, 1));
	call_media_key(w.call, '5');
	run(&w, 200);
	call_media_key(w.call, '#');
	hear(&h, f);
	CHECK_STR("5#", h.keys);
	run(&w, 2000);
	CHECK(!w.call);
	hear(&h, f);
	CHECK(h.stopped);
	CHECK_STR("5#", h.keys);
	ws_feed_drop(&f);
	end(&w);
}

static bool keep(void *arg, char key)
{
	((unsigned *)arg)[0]++;
	return true;
}

static bool count(void *arg, char key)
{
	((unsigned *)arg)[1]++;
	return false;
}

static void keys_that_others_keep(void **state)
{
	unsigned counts[2] = { 0 };
	struct call_keys newest = { .pressed = keep, .arg = counts }, oldest = { .pressed = count, .arg = counts };
	struct heard h = { 0 };
	struct world w;

	begin(&w, 1, "{stream: 'wss://good.test'}, {sleep: 2000}, stop_stream, {sleep: 500}");
	run(&w, 10);
	call_watch_keys(w.call, &oldest);
	run(&w, 290);
	call_watch_keys(w.call, &newest);
	call_media_key(w.call, '7');
	hear(&h, feed_of(&w, 1));
	CHECK_STR("7", h.keys);
	CHECK(counts[0] == 1 && counts[1] == 0);
	call_unwatch_keys(&newest);
	call_media_key(w.call, '8');
	hear(&h, feed_of(&w, 1));
	CHECK_STR("78", h.keys);
	CHECK(counts[0] == 1 && counts[1] == 1);
	call_unwatch_keys(&oldest);
	end(&w);
}

static const char held[] = "v=0\r\no=- 1 2 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n"
			   "m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendonly\r\n";

/* Hold, its end, and other sections of the document change nothing: audio goes on, silent where nothing is. */
static void hold_and_transfer(void **state)
{
	struct heard h = { 0 };
	unsigned before;
	struct world w;

	begin(&w, 1, "{stream: {url: 'wss://good.test', track: both_tracks}}, {transfer: next}], next: [{sleep: 3000}");
	run(&w, 500);
	CHECK_INT(0, sip_session_reinvite(w.caller.call->s, str_of(held)));
	run(&w, 500);
	CHECK(call_holds(w.call));
	hear(&h, feed_of(&w, 1));
	before = h.inbound;
	run(&w, 500);
	hear(&h, feed_of(&w, 1));
	CHECK(h.inbound >= before + 24 && h.inbound <= before + 26);
	CHECK_INT(0, sip_session_reinvite(w.caller.call->s, str_of(fake_sdp)));
	run(&w, 500);
	CHECK(!call_holds(w.call));
	hear(&h, feed_of(&w, 1));
	CHECK(h.inbound >= before + 48 && h.inbound <= before + 51 && h.outbound == h.inbound);
	CHECK_STR("streaming ", story(&w));
	run(&w, 3000);
	CHECK_STR("streaming finished ended ", story(&w));
	end(&w);
}

/* --- what goes wrong --- */

/* Nobody takes the frames: 2 s are kept. */
static void one_that_stalls(void **state)
{
	struct buf lines = { 0 };
	struct heard h = { 0 };
	struct ws_feed *f;
	struct world w;

	begin(&w, 1, "{stream: {url: 'wss://good.test', track: both_tracks}}, {sleep: 5000}");
	run(&w, 500);
	f = ws_feed_use(feed_of(&w, 1));
	ws_feed_unwanted(f); /* what it says meanwhile */
	log_capture(catch_line, &lines);
	run(&w, 10000);
	log_capture(NULL, NULL);
	CHECK_STR("streaming finished ended ", story(&w));
	CHECK(lines.data && strstr(lines.data, "stream to wss://good.test: 5"));
	CHECK(lines.data && strstr(lines.data, "ms of audio were lost, it did not take them"));
	CHECK(lines.data && strstr(lines.data, "stream to wss://good.test: 1 messages of the server were ignored"));
	hear(&h, f);
	CHECK(h.stopped);
	CHECK(h.inbound + h.outbound >= 200 && h.inbound + h.outbound <= 210);
	ws_feed_drop(&f);
	buf_free(&lines);
	end(&w);
}

static void servers_that_fail(void **state)
{
	static const struct {
		const char *url, *why;
		uint32_t ms; /* until that is known */
	} rows[] = {
		{ "wss://refuses.test", "the server answered 403 to the WebSocket handshake", 200 },
		{ "wss://silent.test", "no WebSocket in time", 5050 },
		{ "wss://nowhere.test", "the name of the host is not found", 100 },
		{ "wss://inside.test", "10.1.2.3 is a private address and inside.test is not in webhooks.allow_hosts",
		  100 },
		{ "wss://10.9.9.9", "10.9.9.9 is a private address and 10.9.9.9 is not in webhooks.allow_hosts", 100 },
	};

	log_set_level(LOG_ERROR);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char steps[200], want[300];
		struct world w;

		snprintf(steps, sizeof(steps),
			 "{stream: '%s'}, {switch: {variable: stream_result, case: {failed: [{sleep: 1000}]}}}",
			 rows[i].url);
		begin(&w, 1, steps);
		run(&w, rows[i].ms);
		snprintf(want, sizeof(want), "the stream could not be started: %s", rows[i].why);
		CHECK_STR("finished warning ", story(&w));
		if (strncmp("the stream could not be started: no connection within 5 s", w.warning, 57))
			CHECK_STR(want, w.warning);
		CHECK_INT(0, w.ended); /* the document goes on */
		run(&w, 1500);
		CHECK_STR("finished warning ended ", story(&w));
		end(&w);
	}
	log_set_level(LOG_WARN);
}

/* A document that starts them in a loop gets so many and no more. */
static void too_many(void **state)
{
	struct world w;

	begin(&w, 1, "{label: again}, {stream: 'wss://good.test'}, {goto: {label: again, max: 20}}, {sleep: 1000}");
	log_set_level(LOG_ERROR);
	run(&w, 3000);
	log_set_level(LOG_WARN);
	CHECK_INT(STREAMS_A_CALL, w.begun);
	CHECK_STR("16 streams run already", w.warning);
	end(&w);
	CHECK_INT(STREAMS_A_CALL, w.over);
}

static void one_that_closes(void **state)
{
	struct world w;

	begin(&w, 1, "{stream: 'wss://dies.test'}, {sleep: 3000}, stop_stream");
	log_set_level(LOG_ERROR);
	run(&w, 2000);
	CHECK_STR("streaming finished ", story(&w));
	CHECK_INT(0, w.ended); /* the call goes on */
	run(&w, 3000);
	CHECK_STR("streaming finished warning ended ", story(&w));
	log_set_level(LOG_WARN);
	end(&w);
}

static void the_server_ends(void **state)
{
	struct world w;

	begin(&w, 1, "{stream: 'wss://good.test'}, {stream: 'wss://silent.test'}, {sleep: -1}");
	run(&w, 1000);
	CHECK_STR("streaming ", story(&w));
	calls_free(&w.base.calls);
	CHECK_INT(2, w.over);
	end(&w);
}

static void secrets_stay_out_of_the_log(void **state)
{
	struct buf lines = { 0 };
	struct world w;

	begin(&w, 1,
	      "{stream: {url: 'wss://u:secret@refuses.test/', authorization_bearer_token: tokensecret}}, {stream: "
	      "{url: "
	      "'wss://u:secret@good.test/', authorization_bearer_token: tokensecret}}, {sleep: 1000}");
	log_set_level(LOG_DEBUG);
	log_capture(catch_line, &lines);
	events_subscribe(w.base.events, event_log, NULL);
	run(&w, 4000);
	log_capture(NULL, NULL);
	log_set_level(LOG_WARN);
	CHECK(lines.data && strstr(lines.data, "stream to wss://refuses.test/: "));
	CHECK(lines.data && strstr(lines.data, "wss://good.test/"));
	CHECK(lines.data && !strstr(lines.data, "secret"));
	buf_free(&lines);
	end(&w);
}

/* Calls that end, and streams that are stopped, at any moment: one end each. */
static void random_ends(void **state)
{
	static const char steps[] =
		"{stream: {url: 'wss://good.test', control_id: a}}, {stream: {url: 'wss://good.test', track: "
		"both_tracks, codec: "
		"OPUS}}, {sleep: 100}, {stream: 'wss://dies.test'}, {stop_stream: a}, {sleep: 200}, stop_stream, "
		"{stream: "
		"'wss://refuses.test'}, {stream: {url: 'wss://good.test', codec: 'L16@24000h@40i'}}, {sleep: 50}";
	unsigned met[5] = { 0 };

	log_set_level(LOG_ERROR);
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct world w;
		struct op *op;

		begin(&w, seed, steps);
		fake_dns_delay(w.base.dns, loop_random_below(w.base.loop, 60));
		w.caller.hangup_ms = 1 + loop_random_below(w.base.loop, 900);
		run(&w, loop_random_below(w.base.loop, 900));
		if (w.call && loop_random_below(w.base.loop, 2))
			call_media_key(w.call, '1');
		/* Somebody else stops one, perhaps while the document waits for it. */
		op = w.call ? background_find(w.call, "stream", STR("")) : NULL;
		if (op)
			op_stop(op);
		loop_run_until(w.base.loop, UINT64_MAX);
		CHECK_INT(1, w.ended);
		met[w.over < 5 ? w.over : 4]++;
		end(&w);
		if (check_bad)
			fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
	}
	log_set_level(LOG_WARN);
	for (size_t i = 1; i < ARRAY_LEN(met); i++)
		CHECK(met[i] > 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(until_it_is_stopped),
		TEST(until_the_call_ends),
		TEST(several),
		TEST(keys),
		TEST(keys_that_others_keep),
		TEST(hold_and_transfer),
		TEST(one_that_stalls),
		TEST(servers_that_fail),
		TEST(too_many),
		TEST(one_that_closes),
		TEST(the_server_ends),
		TEST(secrets_stay_out_of_the_log),
		TEST(random_ends),
	};

	log_set_level(LOG_WARN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Taps in whole calls on virtual time; the packets of a tap are real. */
#include "audio_world.h"

#include "media/rtp.h"

static void begin(struct world *w, uint64_t seed, const char *steps)
{
	begin_with(w, "calling.call.tap", seed, steps);
}

/* How many packets have come, one after the other. */
static unsigned hear(const struct world *w, struct rtp_header *h)
{
	uint8_t packet[RTP_MAX_BYTES];
	unsigned count = 0;
	ssize_t n;

	while ((n = recv(w->ear, packet, sizeof(packet), MSG_DONTWAIT)) > 0) {
		uint16_t before = h->seq;

		CHECK_INT(0, rtp_parse(h, packet, (size_t)n));
		CHECK(!count || h->seq == (uint16_t)(before + 1));
		count++;
	}
	return count;
}

/* --- RTP --- */

static void rtp_until_it_is_stopped(void **state)
{
	struct rtp_header h = { .seq = 0 };
	char want[200];
	struct world w;

	begin(&w, 1,
	      "{tap: {uri: 'rtp://EAR', control_id: mine, codec: PCMA, direction: both}}, {sleep: 1000}, stop_tap, "
	      "{switch: "
	      "{variable: stop_tap_result, case: {success: [{sleep: 500}]}}}");
	run(&w, 1050);
	CHECK_STR("tapping finished ", story(&w));
	CHECK_STR("mine", w.control_id);
	snprintf(want, sizeof(want),
		 "\"tap\":{\"type\":\"audio\",\"params\":{\"direction\":\"both\"}},\"device\":{\"type\":\"rtp\","
		 "\"params\":"
		 "{\"addr\":\"127.0.0.1\",\"port\":%u,\"codec\":\"PCMA\",\"ptime\":20,\"rate\":8000}}",
		 w.ear_port);
	CHECK_STR(want, w.first);
	CHECK_STR(want, w.params);
	CHECK(hear(&w, &h) >= 48);
	CHECK_INT(8, h.payload_type);
	run(&w, 300);
	CHECK_INT(0, hear(&w, &h)); /* not one more */
	CHECK_INT(0, w.ended);
	run(&w, 1000);
	CHECK_STR("tapping finished ended ", story(&w));
	end(&w);
}

static void rtp_until_the_call_ends(void **state)
{
	struct rtp_header h = { .seq = 0 };
	struct world w;

	begin(&w, 1, "{tap: {uri: 'rtp://EAR', rtp_ptime: 40}}, {sleep: -1}");
	w.caller.hangup_ms = 2000;
	run(&w, 5000);
	CHECK_STR("tapping finished ended ", story(&w));
	CHECK(hear(&w, &h) >= 48);
	CHECK_INT(320, h.payload_bytes);
	CHECK(strstr(w.params, "\"direction\":\"speak\""));
	CHECK_INT(36, strlen(w.control_id)); /* a new one */
	end(&w);
	begin(&w, 1, "{tap: 'rtp://EAR'}, {sleep: 500}");
	run(&w, 5000);
	CHECK_STR("tapping finished ended ", story(&w));
	end(&w);
}

/* Several at a time; without a name the newest is stopped. */
static void several(void **state)
{
	struct world w;

	begin(&w, 1,
	      "{set: {u: 'rtp://EAR'}}, {tap: {uri: '${u}', control_id: a}}, {tap: {uri: '${u}', control_id: b}}, "
	      "{sleep: 300}, "
	      "stop_tap, {sleep: 300}, {stop_tap: a}, {sleep: 100}, stop_tap");
	run(&w, 200);
	CHECK_STR("tapping tapping ", story(&w));
	CHECK(background_find(w.call, "tap", STR("a")) && background_find(w.call, "tap", STR("b")));
	CHECK(!background_find(w.call, "record", STR("")));
	run(&w, 200);
	CHECK_STR("tapping tapping finished ", story(&w));
	CHECK_STR("b", w.control_id);
	run(&w, 290);
	CHECK_STR("a", w.control_id);
	run(&w, 1000);
	CHECK_STR("tapping tapping finished finished warning ended ", story(&w));
	end(&w);
}

/* --- WebSockets --- */

static void a_websocket(void **state)
{
	unsigned char frame[160];
	struct world w;
	unsigned count = 0;

	begin(&w, 1,
	      "{tap: {uri: 'wss://u:secret@good.test/x?y', control_id: 'm\"e', direction: listen}}, {sleep: 1000}, "
	      "stop_tap, "
	      "{sleep: 500}");
	run(&w, 40);
	CHECK_STR("", story(&w)); /* not before it stands */
	run(&w, 500);
	CHECK_STR("tapping ", story(&w));
	CHECK_STR("wss://good.test/x?y", w.ws.url);
	CHECK_INT(2, w.ws.addr_count);
	CHECK(strstr(w.ws.said, "{\"event\":\"start\",\"call_id\":\""));
	CHECK(strstr(w.ws.said,
		     "\",\"control_id\":\"m\\\"e\",\"direction\":\"listen\",\"codec\":\"PCMU\",\"rate\":8000,"
		     "\"channels\":1,\"ptime\":20}"));
	CHECK(strstr(w.params,
		     "\"device\":{\"type\":\"ws\",\"params\":{\"uri\":\"wss://good.test/x?y\",\"codec\":\"PCMU\","
		     "\"rate\":8000}}"));
	while (conn_of(&w.ws, 1) && ws_feed_take(conn_of(&w.ws, 1)->feed, frame))
		count++;
	CHECK(count >= 20 && count <= 26);
	run(&w, 700);
	CHECK_STR("tapping finished ", story(&w));
	CHECK(!strstr(w.params, "\"lost\""));
	CHECK_INT(1, w.ws.closes);
	CHECK_INT(1000, w.ws.code);
	run(&w, 1000);
	CHECK_STR("tapping finished ended ", story(&w));
	end(&w);
}

/* Nobody takes the frames: 2 s are kept, the rest is told. */
static void a_websocket_that_does_not_take_them(void **state)
{
	struct world w;

	begin(&w, 1, "{tap: 'ws://good.test'}, {sleep: 5000}");
	log_set_level(LOG_ERROR);
	run(&w, 10000);
	log_set_level(LOG_WARN);
	CHECK_STR("tapping finished ended ", story(&w));
	CHECK(strstr(w.params, ",\"lost\":3.0") || strstr(w.params, ",\"lost\":2.9"));
	end(&w);
}

/* --- what goes wrong --- */

static void targets_that_fail(void **state)
{
	static const struct {
		const char *uri, *why;
		uint32_t ms; /* until that is known */
	} rows[] = {
		{ "ws://refuses.test", "the server answered 403 to the WebSocket handshake", 200 },
		{ "ws://silent.test", "no connection within 5 s", 5050 },
		{ "ws://nowhere.test", "the name of the host is not found", 100 },
		{ "ws://inside.test", "10.1.2.3 is a private address and inside.test is not in webhooks.allow_hosts",
		  100 },
		{ "rtp://inside.test:9", "10.1.2.3 is a private address and inside.test is not in webhooks.allow_hosts",
		  100 },
		{ "rtp://192.0.2.1:9", "Invalid argument", 100 }, /* from a socket of 127.0.0.1 */
	};

	log_set_level(LOG_ERROR);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char steps[200], want[300];
		struct world w;

		snprintf(steps, sizeof(steps),
			 "{tap: '%s'}, {switch: {variable: tap_result, case: {failed: [{sleep: 1000}]}}}", rows[i].uri);
		begin(&w, 1, steps);
		run(&w, rows[i].ms);
		snprintf(want, sizeof(want), "the tap could not be started: %s", rows[i].why);
		CHECK_STR("finished warning ", story(&w));
		CHECK_STR(want, w.warning);
		CHECK_INT(0, w.ended); /* the document goes on */
		run(&w, 1500);
		CHECK_STR("finished warning ended ", story(&w));
		end(&w);
	}
	log_set_level(LOG_WARN);
}

static void names_that_take_too_long(void **state)
{
	struct world w;

	begin(&w, 1, "{tap: 'rtp://ear.test:9'}, {sleep: 1000}");
	log_set_level(LOG_ERROR);
	fake_dns_delay(w.base.dns, 20000);
	run(&w, 5100);
	CHECK_STR("finished warning ", story(&w));
	CHECK_STR("the tap could not be started: no connection within 5 s", w.warning);
	CHECK_INT(0, fake_dns_open(w.base.dns));
	fake_dns_delay(w.base.dns, 0);
	log_set_level(LOG_WARN);
	end(&w);
}

static void no_room_for_websockets(void **state)
{
	struct world w;

	begin(&w, 1, "{tap: 'ws://good.test'}, {sleep: 1000}");
	log_set_level(LOG_ERROR);
	w.ws.err = ENFILE;
	run(&w, 500);
	CHECK_STR("finished warning ", story(&w));
	end(&w);
	begin(&w, 1, "{tap: 'ws://good.test'}, {sleep: 1000}");
	w.taps.ws = NULL;
	run(&w, 500);
	CHECK_STR("finished warning ", story(&w));
	log_set_level(LOG_WARN);
	end(&w);
}

static void a_websocket_that_breaks(void **state)
{
	struct world w;

	begin(&w, 1, "{tap: 'ws://dies.test'}, {sleep: 3000}, stop_tap");
	log_set_level(LOG_ERROR);
	run(&w, 2000);
	CHECK_STR("tapping finished ", story(&w));
	CHECK_INT(0, w.ended); /* the call goes on */
	run(&w, 3000);
	CHECK_STR("tapping finished warning ended ", story(&w));
	log_set_level(LOG_WARN);
	end(&w);
}

static void the_server_ends(void **state)
{
	struct world w;

	begin(&w, 1, "{tap: 'rtp://EAR'}, {tap: 'ws://silent.test'}, {sleep: -1}");
	run(&w, 1000);
	CHECK_STR("tapping ", story(&w));
	calls_free(&w.base.calls);
	CHECK_INT(2, w.over);
	end(&w);
}

static void passwords_stay_out_of_the_log(void **state)
{
	struct buf lines = { 0 };
	struct world w;

	begin(&w, 1, "{tap: 'ws://u:secret@refuses.test/'}, {tap: 'ws://u:secret@good.test/'}, {sleep: 1000}");
	log_set_level(LOG_INFO);
	log_capture(catch_line, &lines);
	events_subscribe(w.base.events, event_log, NULL);
	run(&w, 4000);
	log_capture(NULL, NULL);
	log_set_level(LOG_WARN);
	CHECK(lines.data && strstr(lines.data, "tap to ws://refuses.test/: "));
	CHECK(lines.data && strstr(lines.data, "ws://good.test/"));
	CHECK(lines.data && !strstr(lines.data, "secret"));
	buf_free(&lines);
	end(&w);
}

/* Calls that end, and taps that are stopped, at any moment. */
static void random_ends(void **state)
{
	static const char steps[] =
		"{tap: {uri: 'rtp://EAR', control_id: a}}, {tap: 'ws://good.test'}, {sleep: 100}, {tap: "
		"'ws://dies.test'}, {stop_tap: a}, {sleep: 200}, stop_tap, {tap: 'ws://refuses.test'}, "
		"{tap: 'rtp://ear.test:9'}, {sleep: 50}";
	unsigned met[5] = { 0 };

	log_set_level(LOG_ERROR);
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct world w;
		struct op *op;

		begin(&w, seed, steps);
		fake_dns_delay(w.base.dns, loop_random_below(w.base.loop, 60));
		w.caller.hangup_ms = 1 + loop_random_below(w.base.loop, 900);
		run(&w, loop_random_below(w.base.loop, 900));
		/* Somebody else stops one, perhaps while the document waits for it. */
		op = w.call ? background_find(w.call, "tap", STR("")) : NULL;
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
		TEST(rtp_until_it_is_stopped),
		TEST(rtp_until_the_call_ends),
		TEST(several),
		TEST(a_websocket),
		TEST(a_websocket_that_does_not_take_them),
		TEST(targets_that_fail),
		TEST(names_that_take_too_long),
		TEST(no_room_for_websockets),
		TEST(a_websocket_that_breaks),
		TEST(the_server_ends),
		TEST(passwords_stay_out_of_the_log),
		TEST(random_ends),
	};

	log_set_level(LOG_WARN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

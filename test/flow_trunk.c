/* What is tried after what, at which price, and what is passed over, on virtual time with the carriers of fake_carrier.h. */
#include <stdlib.h>

#include "base/log.h"
#include "call/trunk_state.h"
#include "fake_carrier.h"

/* --- which trunk is tried after which --- */

static void trunks_that_fail_are_followed_by_the_next(void **state)
{
	static const struct {
		const char *first;                  /* its script */
		bool next;                          /* is the second one tried? */
		const char *cause, *sip_code, *why; /* when it is not */
	} rows[] = {
		{ "503", true, NULL, NULL, NULL },
		{ "500", true, NULL, NULL, NULL },
		{ "504", true, NULL, NULL, NULL },
		{ "599", true, NULL, NULL, NULL },
		{ "100+503", true, NULL, NULL, NULL },
		{ "181+503", true, NULL, NULL, NULL },
		{ "403", true, NULL, NULL, NULL },
		{ "488", true, NULL, NULL, NULL },
		{ "-", true, NULL, NULL, NULL },
		{ "486", false, "busy", "486", "trunk first: 486 Busy Here" },
		{ "600", false, "busy", "600", "trunk first: 600 Busy Everywhere" },
		{ "603", false, "declined", "603", "trunk first: 603 Decline" },
		{ "607", false, "declined", "607", "trunk first: 607 Unwanted" },
		{ "606", false, "error", "606", "trunk first: 606 Not Acceptable" },
		{ "404", false, "error", "404", "trunk first: 404 Not Found" },
		{ "480", false, "no_answer", "480", "trunk first: 480 Temporarily Unavailable" },
		{ "408", false, "no_answer", "408", "trunk first: 408 Request Timeout" },
		{ "484", false, "error", "484", "trunk first: 484 Address Incomplete" },
		{ "302", false, "error", "302", "trunk first: 302 Moved Temporarily" },
		/* nobody is rung twice */
		{ "180+503", false, "error", "503", "trunk first: 503 Service Unavailable" },
		{ "183+503", false, "error", "503", "trunk first: 503 Service Unavailable" },
		{ "180+403", false, "declined", "403", "trunk first: 403 Forbidden" },
		/* it lives, and may take its time */
		{ "100", false, "no_answer", "0", "hung up by the test" },
		{ "180", false, "no_answer", "0", "hung up by the test" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct trunk_world w;

		trunk_open(&w);
		w.carriers[0].invites = rows[i].first;
		w.patience_ms = 60000;
		trunk_dial_number(&w);
		trunk_run(&w);
		CHECK_INT(1, w.created);
		CHECK_INT(rows[i].next, w.answered);
		CHECK_STR(rows[i].next ? "hangup" : rows[i].cause, w.cause);
		CHECK_STR(rows[i].next ? "200" : rows[i].sip_code, w.sip_code);
		CHECK_STR(rows[i].next ? "hung up by the test" : rows[i].why, w.why);
		CHECK_STR(rows[i].next ? "INVITE ACK BYE" : "", carrier_log(&w.carriers[1]));
		if (rows[i].next) /* one port for all tries */
			CHECK_STR(w.carriers[0].port, w.carriers[1].port);
		if (check_bad)
			print_message("row %zu: %s\n", i, rows[i].first);
		trunk_close(&w);
	}
}

static void the_first_response_is_awaited_for_5_seconds(void **state)
{
	struct trunk_world w;

	trunk_open(&w);
	w.carriers[0].invites = "-";
	trunk_dial_number(&w);
	trunk_run(&w);
	CHECK_INT(5000, w.carriers[1].first_ms - w.carriers[0].first_ms);
	CHECK_STR("INVITE", carrier_log(&w.carriers[0]));
	trunk_close(&w);
}

/* The first trunk is a name with two addresses: both are tried within its 5 s, then the other trunk. */
static void the_addresses_of_a_trunk_go_before_the_next_trunk(void **state)
{
	static const struct {
		const char *first, *second;
		const char *logs[CARRIERS];
		uint64_t second_ms, third_ms; /* 0 = not asked */
	} rows[] = {
		{ "503", "180+200", { "INVITE ACK", "INVITE ACK BYE", "" }, 0, 0 },
		{ "-", "180+200", { "INVITE", "INVITE ACK BYE", "" }, 2500, 0 },
		{ "100+503", "-", { "INVITE ACK", "INVITE", "INVITE ACK BYE" }, 0, 5000 },
		{ "-", "503", { "INVITE", "INVITE ACK", "INVITE ACK BYE" }, 2500, 2500 },
		{ "-", "-", { "INVITE", "INVITE", "INVITE ACK BYE" }, 2500, 5000 },
		{ "486", "180+200", { "INVITE ACK", "", "" }, 0, 0 },
		{ "180+503", "180+200", { "INVITE ACK", "", "" }, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct trunk_world w;
		uint64_t began;

		trunk_open(&w);
		fake_dns_add(w.dns, "svc.example", "10.0.0.2");
		fake_dns_add(w.dns, "svc.example", "10.0.0.3");
		w.trunks[0].uri = "sip:{number}@svc.example";
		w.trunks[1].uri = "sip:{number}@10.0.0.4";
		w.carriers[0].invites = rows[i].first;
		w.carriers[1].invites = rows[i].second;
		began = loop_now_ms(w.loop);
		trunk_dial_number(&w);
		trunk_run(&w);
		for (size_t j = 0; j < CARRIERS; j++)
			CHECK_STR(rows[i].logs[j], carrier_log(&w.carriers[j]));
		if (rows[i].logs[1][0])
			CHECK_INT(rows[i].second_ms, w.carriers[1].first_ms - began);
		if (rows[i].logs[2][0])
			CHECK_INT(rows[i].third_ms, w.carriers[2].first_ms - began);
		CHECK_INT(1, w.ended);
		trunk_close(&w);
	}
}

/* A trunk that comes to life when it has been given up is told so, and nobody talks twice. */
static void a_late_answer_is_hung_up(void **state)
{
	static const struct {
		const char *late, *log;
	} rows[] = { { "180", "INVITE CANCEL" }, { "200", "INVITE ACK BYE" }, { "503", "INVITE ACK" } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fake_net_rules late = { .delay_min_ms = 3000, .delay_max_ms = 3000 }, swift = { 0 };
		struct trunk_world w;

		trunk_open(&w);
		w.carriers[0].invites = rows[i].late;
		fake_net_set_rules(w.net, &late);
		trunk_dial_number(&w);
		loop_run_until(w.loop, loop_now_ms(w.loop) + 4000);
		fake_net_set_rules(w.net, &swift); /* the response is under way for 2 s more */
		w.talk_ms = 20000;
		trunk_run(&w);
		CHECK_INT(1, w.answered);
		CHECK_STR(rows[i].log, carrier_log(&w.carriers[0]));
		CHECK_STR("INVITE ACK BYE", carrier_log(&w.carriers[1]));
		trunk_close(&w);
	}
}

static void trunks_that_cannot_be_reached_cost_no_time(void **state)
{
	static const char *const uris[] = {
		"sip:{number}@10.0.0.2;transport=tcp",   /* no listener of ours speaks it */
		"sip:{number}@nowhere.test",             /* no such host */
		"sip:{number}@10.0.0.2;transport=smoke", /* no such transport */
		"sip:{number}@[fd00::1]",                /* no listener for IPv6 */
	};

	for (size_t i = 0; i < ARRAY_LEN(uris); i++) {
		struct trunk_world w;
		uint64_t start_ms;

		trunk_open(&w);
		w.trunks[0].uri = uris[i];
		start_ms = loop_now_ms(w.loop);
		trunk_dial_number(&w);
		trunk_run(&w);
		CHECK_STR("hangup", w.cause);
		CHECK_STR("INVITE ACK BYE", carrier_log(&w.carriers[1]));
		CHECK(w.carriers[1].first_ms - start_ms < 100);
		trunk_close(&w);
	}
}

static void the_last_failure_is_the_one_told(void **state)
{
	static const struct {
		const char *scripts[CARRIERS];
		const char *cause, *sip_code, *why, *by;
	} rows[] = {
		{ { "503", "500", "502" }, "error", "502", "trunk third: 502 Bad Gateway", "peer" },
		{ { "503", "486", "200" }, "busy", "486", "trunk second: 486 Busy Here", "peer" },
		{ { "503", "-", "403" }, "declined", "403", "trunk third: 403 Forbidden", "peer" },
		{ { "-", "-", "-" },
		  "no_answer",
		  "0",
		  "trunk third: no answer to the INVITE from 10.0.0.4:5060 within 32 s",
		  "timeout" },
		{ { "401", "503", "407" },
		  "error",
		  "407",
		  "trunk third: 407 Proxy Authentication Required, and no credentials are given",
		  "peer" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct trunk_world w;

		trunk_open(&w);
		w.routes.trunk_count = 3;
		for (size_t k = 0; k < CARRIERS; k++) {
			w.carriers[k].invites = rows[i].scripts[k];
			w.carriers[k].challenges[0] = "WWW-Authenticate: Digest realm=\"r\", nonce=\"1\"\r\n"
						      "Proxy-Authenticate: Digest realm=\"r\", nonce=\"1\"\r\n";
		}
		trunk_dial_number(&w);
		trunk_run(&w);
		CHECK_INT(1, w.created);
		CHECK_INT(0, w.answered);
		CHECK_STR(rows[i].cause, w.cause);
		CHECK_STR(rows[i].sip_code, w.sip_code);
		CHECK_STR(rows[i].why, w.why);
		CHECK_STR(rows[i].by, w.by);
		trunk_close(&w);
	}
}

/* In each second of a call that goes from one silent trunk to the next. */
static void a_hangup_ends_the_tries(void **state)
{
	for (uint32_t at_ms = 1; at_ms < 14000; at_ms += 777) {
		struct trunk_world w;

		trunk_open(&w);
		w.routes.trunk_count = 3;
		w.carriers[0].invites = w.carriers[1].invites = "-";
		w.carriers[2].invites = "100";
		w.patience_ms = at_ms;
		trunk_dial_number(&w);
		trunk_run(&w);
		CHECK_STR("no_answer", w.cause);
		CHECK_INT(at_ms > 5000, w.carriers[1].log.len > 0);
		CHECK_INT(at_ms > 10000, w.carriers[2].log.len > 0);
		trunk_close(&w);
	}
}

static void a_server_that_stops_tries_no_further(void **state)
{
	struct trunk_world w;

	trunk_open(&w);
	w.carriers[0].invites = "-";
	trunk_dial_number(&w);
	loop_run_until(w.loop, loop_now_ms(w.loop) + 2000);
	calls_free(&w.calls);
	CHECK_INT(1, w.closed);
	CHECK_STR("", carrier_log(&w.carriers[1]));
	trunk_close(&w);
}

/* --- what is passed over before anything is sent --- */

static void trunks_are_passed_over_for_caller_ids_and_prices(void **state)
{
	static const char *const mine[] = { "+15550001111", NULL }, *const others[] = { "+4420*", NULL };
	static struct rate room[3][4];
	static const char *const tables[3] = { "1,0.0100\n", "1,0.0200\n", "44,0.0001\n" };
	static const struct {
		const char *const *ids[2]; /* caller ids of the two trunks */
		int rates[2];              /* index of the table, -1 = none */
		uint32_t cap;
		const char *used; /* name of the trunk that gets the call, NULL = none */
		const char *why;
	} rows[] = {
		{ { NULL, NULL }, { -1, -1 }, 0, "first", NULL },
		{ { others, NULL }, { -1, -1 }, 0, "second", NULL },
		{ { mine, others }, { -1, -1 }, 0, "first", NULL },
		{ { others, others },
		  { -1, -1 },
		  0,
		  NULL,
		  "trunk first may not send the caller id +15550001111; trunk second may not send the caller id "
		  "+15550001111" },
		{ { NULL, NULL }, { 1, 0 }, 0, "first", NULL }, /* no cap */
		{ { NULL, NULL }, { 1, 0 }, 200, "first", NULL },
		{ { NULL, NULL }, { 1, 0 }, 199, "second", NULL },
		{ { NULL, NULL }, { 2, 0 }, 199, "second", NULL },
		{ { NULL, NULL }, { 1, -1 }, 50, "second", NULL }, /* no table, no effect */
		{ { NULL, others },
		  { 1, 0 },
		  100,
		  NULL,
		  "trunk first takes 0.0200 USD a minute, the cap is 0.0100; trunk second may not send the caller id "
		  "+15550001111" },
		{ { NULL, NULL },
		  { 0, 2 },
		  99,
		  NULL,
		  "trunk first takes 0.0100 USD a minute, the cap is 0.0099; trunk second has no rate for "
		  "+15551234567, which counts as over the price cap" },
	};
	struct rates rates[3];
	struct rates_fault bad;

	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		assert_int_equal(rates_read(&rates[i], room[i], str_of(tables[i]), &bad), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct call_dial ask = {
			.number = true, .address = "+15551234567", .from = "+15550001111", .price_cap = rows[i].cap
		};
		struct call_dial_fault fault = { .cause = CAUSE_NONE };
		struct trunk_world w;
		int err;

		trunk_open(&w);
		for (size_t k = 0; k < 2; k++) {
			w.trunks[k].caller_ids = rows[i].ids[k];
			w.trunks[k].rates = rows[i].rates[k] < 0 ? NULL : &rates[rows[i].rates[k]];
		}
		err = trunk_dial(&w, &ask, &fault);
		CHECK_INT(rows[i].used == NULL, err != 0);
		trunk_run(&w);
		if (rows[i].used) {
			bool first = !strcmp(rows[i].used, "first");

			CHECK_STR(first ? "INVITE ACK BYE" : "", carrier_log(&w.carriers[0]));
			CHECK_STR(first ? "" : "INVITE ACK BYE", carrier_log(&w.carriers[1]));
		} else {
			CHECK_INT(0, w.created);
			CHECK_INT(CAUSE_ERROR, fault.cause);
			CHECK(!strncmp(rows[i].why, fault.why, sizeof(fault.why) - 1));
		}
		trunk_close(&w);
	}
}

static unsigned told;

static void count_line(void *arg, enum log_level level, const char *line)
{
	told += strstr(line, "has no rates: a price cap has no effect on it") != NULL;
}

static void a_cap_without_rates_is_logged_once(void **state)
{
	const struct call_dial ask = { .number = true, .address = "+15551234567", .from = "x", .price_cap = 1 };
	struct call_dial_fault fault;
	struct trunk_world w;

	trunk_open(&w);
	log_set_level(LOG_WARN);
	log_capture(count_line, NULL);
	told = 0;
	CHECK_INT(0, trunk_dial(&w, &ask, &fault));
	trunk_run(&w);
	w.carriers[0].invites = "200";
	CHECK_INT(0, trunk_dial(&w, &ask, &fault));
	trunk_run(&w);
	log_capture(NULL, NULL);
	log_set_level(LOG_ERROR);
	CHECK_INT(1, told);
	CHECK_INT(2, w.ended);
	w.created = w.ended = w.closed = w.answered = w.ringing = 1; /* two calls, each once */
	trunk_close(&w);
}

/* --- trunks that are down --- */

static void configure(struct trunk_world *w)
{
	struct calls_config c = { .routes = &w->routes,
				  .default_transport = WIRE_UDP,
				  .header_prefix = "X-Crosspoint" };

	codec_list_add(&c.codecs, CODEC_PCMU);
	calls_configure(w->calls, &c);
}

static void trunks_that_are_down_are_passed_over(void **state)
{
	static const struct {
		bool dead[2];
		const char *used[CARRIERS]; /* logs */
	} rows[] = {
		{ { false, false }, { "INVITE ACK BYE", "" } },
		{ { true, false }, { "", "INVITE ACK BYE" } },
		{ { false, true }, { "INVITE ACK BYE", "" } },
		{ { true, true }, { "INVITE ACK BYE", "" } }, /* all are: better than nothing */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t start_ms;
		struct trunk_world w;

		trunk_open(&w);
		for (size_t k = 0; k < 2; k++) {
			w.trunks[k].probe_s = 30;
			w.carriers[k].dead = rows[i].dead[k];
		}
		configure(&w);
		loop_run_until(w.loop, loop_now_ms(w.loop) + 20000);
		start_ms = loop_now_ms(w.loop);
		trunk_dial_number(&w);
		loop_run_until(w.loop, loop_now_ms(w.loop) + 20000);
		CHECK_STR(rows[i].used[0], carrier_log(&w.carriers[0]));
		CHECK_STR(rows[i].used[1], carrier_log(&w.carriers[1]));
		CHECK_INT(start_ms, w.carriers[i == 1].first_ms);
		w.routes.trunks = NULL;
		w.routes.trunk_count = 0;
		configure(&w);
		trunk_run(&w);
		trunk_close(&w);
	}
}

static void a_trunk_that_is_back_is_used_again(void **state)
{
	struct trunk_world w;

	trunk_open(&w);
	w.trunks[0].probe_s = 10;
	w.carriers[0].dead = true;
	configure(&w);
	loop_run_until(w.loop, loop_now_ms(w.loop) + 13000);
	CHECK_INT(TRUNK_DOWN, trunks_health(calls_trunks(w.calls), &w.trunks[0]));
	w.carriers[0].dead = false;
	loop_run_until(w.loop, loop_now_ms(w.loop) + 30000);
	CHECK_INT(TRUNK_UP, trunks_health(calls_trunks(w.calls), &w.trunks[0]));
	trunk_dial_number(&w);
	loop_run_until(w.loop, loop_now_ms(w.loop) + 20000);
	CHECK_STR("INVITE ACK BYE", carrier_log(&w.carriers[0]));
	w.routes.trunk_count = 0;
	configure(&w);
	trunk_run(&w);
	trunk_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(trunks_that_fail_are_followed_by_the_next),
		TEST(the_first_response_is_awaited_for_5_seconds),
		TEST(the_addresses_of_a_trunk_go_before_the_next_trunk),
		TEST(a_late_answer_is_hung_up),
		TEST(trunks_that_cannot_be_reached_cost_no_time),
		TEST(the_last_failure_is_the_one_told),
		TEST(a_hangup_ends_the_tries),
		TEST(a_server_that_stops_tries_no_further),
		TEST(trunks_are_passed_over_for_caller_ids_and_prices),
		TEST(a_cap_without_rates_is_logged_once),
		TEST(trunks_that_are_down_are_passed_over),
		TEST(a_trunk_that_is_back_is_used_again),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What ends a script: its limits, and the end of its call at any time. */
#include "script_world.h"

static void endless_documents_end(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [{transfer: main}]}", "warn too_many_transfers@1; hangup error" },
		{ "sections: {main: [{transfer: b}], b: [{transfer: main}]}",
		  "warn too_many_transfers@1; hangup error" },
		{ "sections: {main: [{label: a}, {goto: a}]}", "warn too_many_transfers@1; hangup error" },
		{ "sections: {main: [{execute: main}]}", "warn nested_too_deep@1; hangup error" },
		{ "sections: {main: [{execute: main}, {execute: main}]}", "warn nested_too_deep@1; hangup error" },
	};
	struct buf text = { 0 };
	struct world w;

	tell(rows, ARRAY_LEN(rows));

	/* 2^30 steps without any of these limits */
	buf_cstr(&text, "sections:\n  main: [execute: s0]\n");
	for (int i = 0; i < 30; i++)
		buf_printf(&text, "  s%d: [{execute: s%d}, {execute: s%d}]\n", i, i + 1, i + 1);
	buf_cstr(&text, "  s30: [{label: a}]\n");
	open_world(&w);
	run(&w, text.data);
	CHECK(strstr(story(&w), "warn method_execute_failed"));
	CHECK_STR("the document ran without end", w.call.why);
	close_world(&w);

	/* Waiting in between is no endless loop: 100 jumps are the limit of a goto then. */
	open_world(&w);
	run(&w, "sections: {main: [{set: {n: 0}}, {label: a}, {set: {n: '${n + 1}'}}, {sleep: 1}, {goto: a}, {" SHOW(
			"${n}") "}]}");
	CHECK_STR("connect sip:101@h; hangup busy", story(&w));
	close_world(&w);
	buf_free(&text);
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

/* A step that fails again and again fills no log: 100 warnings, and one that says so, until it waits. */
static void warnings_have_a_limit(void **state)
{
	struct buf text = { 0 };
	struct world w;

	buf_cstr(&text, "sections:\n  main: [execute: b, {sleep: 1}, execute: b]\n  b:\n");
	for (int i = 0; i < 300; i++)
		buf_cstr(&text, "    - set: {a: '${nothing(}'}\n");
	open_world(&w);
	run(&w, text.data);
	CHECK_INT(202, count(story(&w), "warn js_eval_error"));
	CHECK_INT(2, count(story(&w), "warn js_eval_error@0"));
	CHECK(strstr(story(&w), "hangup hangup"));
	close_world(&w);
	buf_free(&text);
}

/* What is told of a document is no larger than 64 KiB, and what making it costs gives the loop back. */
static void user_events_have_a_limit(void **state)
{
	struct buf text = { 0 };
	struct world w;

	for (int kib = 63; kib <= 64; kib++) {
		buf_reset(&text);
		buf_cstr(&text, "sections: {main: [{user_event: {event: {v: '");
		for (int i = 0; i < kib * 1024; i++)
			buf_char(&text, 'x');
		buf_cstr(&text, "'}}}]}");
		open_world(&w);
		run(&w, text.data);
		CHECK_INT(kib == 63, count(story(&w), "user_event {"));
		CHECK_INT(kib == 64, count(story(&w), "warn method_execute_failed@1"));
		CHECK(strstr(story(&w), "hangup hangup"));
		close_world(&w);
	}
	buf_free(&text);
}

static void variables_have_a_limit(void **state)
{
	struct world w;

	open_world(&w);
	run(&w, "sections: {main: [{set: {a: 0123456789abcdef}}, {label: l}, {set: {a: '${a}${a}'}}, {goto: l}]}");
	CHECK_STR("warn method_execute_failed@1; hangup error", story(&w));
	CHECK_STR("the variables of the document became larger than 1 MiB", w.call.why);
	close_world(&w);
}

static void the_call_may_end_at_any_time(void **state)
{
	static const char text[] =
		"sections: {main: [{sleep: 10}, answer, {connect: {to: '+1555', result: [{else: [answer]}]}},"
		"{sleep: -1}, answer]}";
	static const struct outcome lasting = { OP_GONE, CAUSE_CANCEL, 50 };
	unsigned waiting = 0;

	for (uint64_t at = 1000; at < 1100; at += 5) {
		struct world w;

		open_world(&w);
		w.call.outcomes = &lasting;
		w.call.outcome_count = 1;
		start(&w, text);
		if (at > 1000)
			loop_run_until(w.loop, at);
		waiting += strstr(story(&w), "connect") && !w.call.hung_up;
		if (!w.call.hung_up)
			begin_end(&w.call);
		while (loop_turn(w.loop))
			;
		CHECK(!strstr(story(&w), "hangup"));
		CHECK(!strstr(story(&w), "connect +1555; answer"));
		close_world(&w);
	}
	CHECK(waiting > 3); /* the end really met an open connect */
}

static void a_dead_call_stops_the_script(void **state)
{
	static const struct outcome gone = { OP_GONE, CAUSE_CANCEL, 5 }, done = { OP_DONE, CAUSE_HANGUP, 20 };
	struct world w;

	open_world(&w); /* done() first, closed() later */
	w.call.outcomes = &gone;
	w.call.outcome_count = 1;
	start(&w, "sections: {main: [{connect: '+1555'}, answer]}");
	loop_run_until(w.loop, 1500);
	CHECK_STR("connect +1555", story(&w));
	begin_end(&w.call);
	loop_run_until(w.loop, 2000);
	CHECK_STR("connect +1555", story(&w));
	close_world(&w);

	open_world(&w); /* the talk ended because the caller hung up: no result */
	w.call.outcomes = &done;
	w.call.outcome_count = 1;
	start(&w, "sections: {main: [{connect: {to: '+1555', result: [{else: [answer]}]}}, answer]}");
	loop_run_until(w.loop, 1010);
	w.call.info.state = CALL_ENDED;
	loop_run_until(w.loop, 1500);
	begin_end(&w.call);
	loop_run_until(w.loop, 2000);
	CHECK_STR("connect +1555", story(&w));
	close_world(&w);

	open_world(&w); /* nothing in common: the call ends with 488 by itself */
	w.call.answer_error = EPROTO;
	run(&w, "sections: {main: [answer, {connect: '+1555'}]}");
	CHECK_STR("answer", story(&w));
	close_world(&w);

	open_world(&w); /* it ended while the connect was being started */
	w.call.info.inbound = false;
	start(&w, "sections: {main: [{connect: '+1555'}, answer]}");
	loop_run_until(w.loop, 1500);
	begin_end(&w.call);
	loop_run_until(w.loop, 2000);
	CHECK_STR("connect +1555", story(&w));
	close_world(&w);
}

static void max_duration_ends_the_call(void **state)
{
	static const struct outcome lasting = { OP_GONE, CAUSE_HANGUP, 61000 };
	struct world w;

	open_world(&w);
	run(&w, "sections: {main: [{answer: 60}, {sleep: -1}]}");
	CHECK_STR("answer; hangup hangup", story(&w));
	CHECK_STR("max_duration of answer is over", w.call.why);
	CHECK_INT(61, loop_now_ms(w.loop) / 1000);
	close_world(&w);

	open_world(&w); /* in the middle of a connect */
	w.call.outcomes = &lasting;
	w.call.outcome_count = 1;
	run(&w, "sections: {main: [{answer: {max_duration: 60}}, {connect: '+1555'}, answer]}");
	CHECK_STR("answer; connect +1555; hangup hangup", story(&w));
	close_world(&w);
}

static void long_documents_give_way(void **state)
{
	struct buf text = { 0 };
	struct world w;
	unsigned turns = 0;

	buf_cstr(&text, "sections:\n  main:\n");
	for (int i = 0; i < 1000; i++)
		buf_printf(&text, "    - set: {a: %d}\n", i);
	buf_cstr(&text, "    - " SHOW("${a}") "\n");
	open_world(&w);
	start(&w, text.data);
	while (!w.call.connects && loop_turn(w.loop))
		turns++;
	CHECK(turns >= 10);
	while (loop_turn(w.loop))
		;
	CHECK_STR("connect sip:999@h; hangup busy", story(&w));
	close_world(&w);
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(endless_documents_end),        TEST(variables_have_a_limit),
		TEST(warnings_have_a_limit),        TEST(user_events_have_a_limit),
		TEST(the_call_may_end_at_any_time), TEST(a_dead_call_stops_the_script),
		TEST(max_duration_ends_the_call),   TEST(long_documents_give_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

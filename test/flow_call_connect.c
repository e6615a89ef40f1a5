/* Whole calls on virtual time: plans of connect that no method of SWML makes. */
#include <errno.h>

#include "call_world.h"
#include "op/op.h"

/* --- the key that ends the peer, which no method of SWML names --- */

struct dropped {
	struct op *op;
	unsigned done;
	struct op_result result;
	char why[160];
};

static void connect_is_over(void *arg, const struct op_result *r)
{
	struct dropped *d = arg;

	d->done++;
	d->result = *r;
	str_copy(d->why, sizeof(d->why), str_of(r->why));
}

static bool connect_first(void *arg, struct call *c)
{
	static const struct plan_target bob = { .kind = TARGET_SIP,
						.address = "sip:b@10.0.0.3;transport=udp",
						.ring_ms = 60000 };
	static const struct plan_group group = { &bob, 1 };
	struct dropped *d = arg;
	const struct op_start start = { .call = c, .done = connect_is_over, .arg = d };
	struct plan *p;

	assert_int_equal(plan_new(&p), 0);
	p->groups = &group;
	p->group_count = 1;
	p->drop_key = '*';
	assert_int_equal(connect_start(&d->op, &start, p), 0);
	return false;
}

static void a_key_ends_the_peer_and_not_the_caller(void **state)
{
	struct dropped d = { .done = 0 };
	struct party *caller;
	struct world w;

	open_world(&w, 1, "sections: {main: [answer, {sleep: 20000}]}");
	caller = dial(&w, &w.phones[0]);
	loop_run_until(w.base.loop, loop_now_ms(w.base.loop) + 1000);
	w.phones[1].answer_ms = 1000;
	calls_each(w.base.calls, connect_first, &d);
	press(&w, "*"); /* not yet */
	loop_run_until(w.base.loop, loop_now_ms(w.base.loop) + 2000);
	CHECK_INT(1, w.joined);
	press(&w, "1#");
	CHECK_INT(0, d.done);
	CHECK_STR("", d.why);
	press(&w, "*");
	loop_run_until(w.base.loop, loop_now_ms(w.base.loop) + 1000);
	CHECK_INT(1, d.done);
	CHECK_INT(OP_DONE, d.result.outcome);
	CHECK_INT(0, caller->closed_count);
	CHECK_INT(1, w.ended);
	press(&w, "*");
	run(&w);
	close_world(&w);
}

/* --- confirms by the rule that SWML does not have, with a runner of the test's --- */

struct run {
	struct run_ask ask;
	bool stopped;
};

static struct run runs[4];
static size_t run_count;

static void run_call_closed(void *arg, struct call *c)
{
	const struct run_result gone = { RUN_GONE, "" };
	struct run *r = arg;

	r->ask.done(r->ask.arg, &gone);
}

static int start_run(void *arg, struct run **out, const struct run_ask *ask)
{
	static const struct call_controller controller = { .closed = run_call_closed };

	if (arg)
		return ENOMEM;
	*out = &runs[run_count++];
	**out = (struct run){ .ask = *ask };
	call_control(ask->call, &controller, *out);
	return 0;
}

static void stop_run(struct run *r)
{
	r->stopped = true;
	call_control(r->ask.call, NULL, NULL);
}

struct racing {
	struct dropped over;
	struct runner runner;
};

static bool race_first(void *arg, struct call *c)
{
	static const struct plan_script script = { .url = "http://app.test/c" };
	static const struct plan_target both[] = {
		{ .kind = TARGET_SIP, .address = "sip:b@10.0.0.3;transport=udp", .ring_ms = 60000, .confirm = &script },
		{ .kind = TARGET_SIP, .address = "sip:c@10.0.0.4;transport=udp", .ring_ms = 60000, .confirm = &script }
	};
	static const struct plan_group group = { both, ARRAY_LEN(both) };
	struct racing *r = arg;
	const struct op_start start = { .call = c, .runner = r->runner, .done = connect_is_over, .arg = &r->over };
	struct plan *p;

	assert_int_equal(plan_new(&p), 0);
	p->groups = &group;
	p->group_count = 1;
	p->race = PLAN_RACE_ANSWER;
	assert_int_equal(connect_start(&r->over.op, &start, p), 0);
	return false;
}

static void the_first_answer_alone_is_asked_to_confirm(void **state)
{
	static const struct {
		struct runner runner;
		enum run_outcome outcome;
		const char *reason, *why; /* NULL: is joined */
		bool hangs_up, caller_goes;
	} rows[] = {
		{ { start_run, stop_run, NULL }, RUN_ENDED, NULL, NULL, false, false },
		{ { start_run, stop_run, NULL }, RUN_REFUSED, "declined", "its confirm: said so", false, false },
		{ { start_run, stop_run, NULL }, RUN_FAILED, "error", "its confirm: said so", false, false },
		{ { start_run, stop_run, NULL }, RUN_GONE, "declined", "the peer hung up", true, false },
		{ { start_run, stop_run, NULL }, RUN_GONE, "cancel", "the connect was ended", false, true },
		{ { start_run, stop_run, &run_count }, RUN_ENDED, "error", "its confirm cannot be run", false, false },
		{ { NULL, NULL, NULL }, RUN_ENDED, "error", "its confirm cannot be run", false, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct racing r = { .runner = rows[i].runner };
		const struct run_result result = { rows[i].outcome, "said so" };
		const bool runs_it = rows[i].runner.start && !rows[i].runner.arg;
		struct party *caller;
		struct world w;

		open_world(&w, 1, "sections: {main: [answer, {sleep: 20000}]}");
		run_count = 0;
		w.phones[1].answer_ms = 500;
		w.phones[2].answer_ms = 700;
		caller = dial(&w, &w.phones[0]);
		fake_world_run(&w.base, 1000);
		calls_each(w.base.calls, race_first, &r);
		fake_world_run(&w.base, 600);
		CHECK_INT(runs_it, run_count);
		CHECK_INT(1, w.cancelled);
		fake_world_run(&w.base, 1000);
		CHECK_INT(runs_it, run_count);
		CHECK_INT(0, w.joined);
		if (rows[i].hangs_up)
			hang_up(w.parties[1]);
		else if (rows[i].caller_goes)
			hang_up(caller);
		else if (runs_it)
			runs[0].ask.done(runs[0].ask.arg, &result);
		fake_world_run(&w.base, 1000);
		CHECK_INT(!rows[i].reason, w.joined);
		CHECK_STR(rows[i].reason ? rows[i].reason : "", w.reason);
		CHECK_INT(rows[i].caller_goes, runs_it && runs[0].stopped);
		if (!rows[i].caller_goes)
			hang_up(caller);
		run(&w);
		CHECK_INT(1, r.over.done);
		CHECK_INT(rows[i].reason && !rows[i].caller_goes ? OP_FAILED : OP_GONE, r.over.result.outcome);
		if (rows[i].why)
			CHECK_STR(rows[i].why, r.over.why);
		close_world(&w);
		if (check_bad)
			fail_msg("row %zu", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_key_ends_the_peer_and_not_the_caller),
		TEST(the_first_answer_alone_is_asked_to_confirm),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

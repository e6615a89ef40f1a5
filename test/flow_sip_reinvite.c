/* re-INVITEs between two stacks of ours. */
#include "sip_world.h"

#include <errno.h>

static void hold_and_resume_from_both_sides(void **state)
{
	struct phone_call *c, *far;
	struct world w;

	world_open(&w);
	w.a.auto_reanswer = w.b.auto_reanswer = true;
	c = talk(&w, &far);
	CHECK_INT(0, sip_session_reinvite(c->s, STR("hold")));
	CHECK_INT(EBUSY, sip_session_reinvite(c->s, STR("hold")));
	run(&w, 100);
	CHECK_INT(1, far->reoffer);
	CHECK_STR("hold", far->sdp);
	CHECK_INT(1, c->reinvited);
	CHECK_INT(200, c->last_reinvited);
	CHECK_STR("reanswer", c->sdp);
	CHECK_INT(0, sip_session_reinvite(far->s, STR("resume")));
	run(&w, 100);
	CHECK_INT(1, c->reoffer);
	CHECK_STR("resume", c->sdp);
	CHECK_INT(1, far->reinvited);
	/* Offerless: we offer, the answer is in the ACK. Our own stack sends none, so it stays empty. */
	CHECK_INT(0, sip_session_reinvite(c->s, STR("")));
	run(&w, 100);
	CHECK_INT(2, far->reoffer);
	CHECK_INT(1, far->reanswered);
	sip_session_hangup(far->s, STR(""));
	run(&w, 100);
	CHECK_INT(1, c->closed);
	world_close(&w);
}

static void a_refused_reinvite_leaves_the_call(void **state)
{
	struct phone_call *c, *far;
	struct world w;

	world_open(&w);
	c = talk(&w, &far);
	CHECK_INT(0, sip_session_reinvite(c->s, STR("hold")));
	run(&w, 100);
	sip_session_rerefuse(far->s, 488);
	run(&w, 100);
	CHECK_INT(488, c->last_reinvited);
	CHECK_INT(0, c->closed);
	CHECK_INT(0, sip_session_reinvite(c->s, STR("hold")));
	run(&w, 100);
	sip_session_rerefuse(far->s, 481);
	run(&w, 100);
	CHECK_INT(481, c->last_reinvited);
	CHECK_INT(1, c->closed);
	CHECK_STR("481 to our re-INVITE", c->why);
	CHECK_INT(1, far->closed);
	world_close(&w);
}

static void an_unanswered_reinvite_ends_the_call(void **state)
{
	struct phone_call *c, *far;
	struct world w;

	world_open(&w);
	c = talk(&w, &far);
	w.lost = (struct lost){ "INVITE ", NULL, 1000, 0 };
	CHECK_INT(0, sip_session_reinvite(c->s, STR("hold")));
	run(&w, 40000);
	CHECK_INT(1, c->reinvited);
	CHECK_INT(408, c->last_reinvited);
	CHECK_INT(1, c->closed);
	CHECK_INT(SIP_BY_TIMEOUT, c->who);
	CHECK_INT(1, far->closed);
	world_close(&w);
}

static void reinvite_glare(void **state)
{
	struct phone_call *c, *far;
	struct world w;

	world_open(&w);
	w.a.auto_reanswer = w.b.auto_reanswer = true;
	c = talk(&w, &far);
	w.watch = "SIP/2.0 491";
	CHECK_INT(0, sip_session_reinvite(c->s, STR("from a")));
	CHECK_INT(0, sip_session_reinvite(far->s, STR("from b")));
	run(&w, 1000);
	CHECK_INT(2, w.watched);
	run(&w, 1100); /* the callee's turn within 2 s */
	CHECK_INT(1, far->reinvited);
	CHECK_INT(200, far->last_reinvited);
	CHECK_INT(0, c->reinvited);
	run(&w, 2500); /* the owner of the Call-ID within 4 s */
	CHECK_INT(1, c->reinvited);
	CHECK_INT(200, c->last_reinvited);
	CHECK_INT(2, w.watched);
	sip_session_hangup(c->s, STR(""));
	world_close(&w);
}

static void bye_meets_reinvite(void **state)
{
	for (int at = 0; at < 50; at += 5) {
		struct phone_call *c, *far;
		struct loop_timer hangup = { .active = false };
		struct world w;

		world_open(&w);
		w.b.auto_reanswer = at % 10 == 0;
		c = talk(&w, &far);
		CHECK_INT(0, sip_session_reinvite(c->s, STR("hold")));
		loop_timer_start(w.loop, &hangup, (uint64_t)at, hangup_later, at % 3 ? c : far);
		run(&w, 1000);
		CHECK_INT(1, c->closed);
		CHECK_INT(1, far->closed);
		world_close(&w);
	}
}

static void a_reinvite_shows_that_the_2xx_arrived(void **state)
{
	struct phone_call *c, *far;
	struct world w;

	world_open(&w);
	w.b.auto_answer = w.b.auto_reanswer = true;
	w.lost = (struct lost){ "ACK ", NULL, 1, 0 };
	c = dial(&w);
	run(&w, 100);
	far = phone_call_at(&w.b, 0);
	CHECK_INT(0, far->confirmed);
	CHECK_INT(0, sip_session_reinvite(c->s, STR("hold")));
	run(&w, 100);
	CHECK_INT(1, far->confirmed);
	CHECK_INT(200, c->last_reinvited);
	sip_session_hangup(c->s, STR(""));
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(hold_and_resume_from_both_sides),
		TEST(a_refused_reinvite_leaves_the_call),
		TEST(an_unanswered_reinvite_ends_the_call),
		TEST(reinvite_glare),
		TEST(bye_meets_reinvite),
		TEST(a_reinvite_shows_that_the_2xx_arrived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

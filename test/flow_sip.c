/* Calls between two stacks of ours, from the INVITE to the end. */
#include "sip_world.h"

#include <errno.h>
#include <time.h>

static void a_call_rings_is_answered_and_ends(void **state)
{
	struct phone_call *c, *far;
	struct world w;

	world_open(&w);
	w.b.auto_ring = 180;
	c = dial(&w);
	run(&w, 1000);
	far = phone_call_at(&w.b, 0);
	CHECK_STR("offer", far->sdp);
	CHECK_INT(1, c->progress);
	CHECK_INT(180, c->last_progress);
	CHECK_INT(0, sip_session_answer(far->s, STR("answer")));
	CHECK_INT(EINVAL, sip_session_answer(far->s, STR("answer")));
	run(&w, 1000);
	CHECK_INT(1, c->answered);
	CHECK_STR("answer", c->sdp);
	CHECK_INT(1, far->confirmed);
	CHECK(str_eq(sip_session_call_id(c->s), sip_session_call_id(far->s)));
	sip_session_hangup(c->s, STR("Q.850;cause=16"));
	CHECK_INT(0, c->closed); /* never from inside */
	run(&w, 1000);
	CHECK_INT(1, c->closed);
	CHECK_INT(SIP_BY_US, c->who);
	CHECK_INT(1, far->closed);
	CHECK_INT(SIP_BY_PEER, far->who);
	CHECK(far->was_answered);
	CHECK_STR("the peer hung up", far->why);
	CHECK_STR("Q.850;cause=16", far->reason_header);
	world_close(&w);
}

static void requests_look_right(void **state)
{
	struct phone_call *c, *far;
	struct world w;

	world_open(&w);
	w.b.auto_answer = true;
	c = dial(&w);
	CHECK(strstr(w.last_request,
		     "INVITE sip:bob@10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK"));
	CHECK(strstr(w.last_request, "\r\nMax-Forwards: 70\r\n"));
	CHECK(strstr(w.last_request, "\r\nFrom: \"A \\\"quoted\\\" name\" <sip:caller@example.org>;tag="));
	CHECK(strstr(w.last_request, "\r\nTo: <sip:bob@10.0.0.2>\r\n"));
	CHECK(strstr(w.last_request, "\r\nContact: <sip:10.0.0.1:5060>\r\n"));
	CHECK(strstr(w.last_request, "\r\nUser-Agent: phone\r\n"));
	CHECK(strstr(w.last_request, "\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\noffer"));
	run(&w, 100);
	CHECK(strstr(w.last_request, "ACK sip:10.0.0.2:5060 SIP/2.0\r\n"));
	far = phone_call_at(&w.b, 0);
	sip_session_hangup(far->s, STR(""));
	run(&w, 100);
	CHECK_INT(1, c->closed);
	CHECK(strstr(w.last_request, "SIP/2.0 200 OK\r\n"));
	CHECK(strstr(w.last_request, "\r\nServer: phone\r\n"));
	world_close(&w);
}

static void early_media_and_refusals(void **state)
{
	struct phone_call *c;
	struct world w;

	world_open(&w);
	w.b.auto_ring = 183;
	w.b.auto_refuse = 486;
	c = dial(&w);
	run(&w, 100);
	CHECK_INT(183, c->last_progress);
	CHECK_STR("early", c->sdp);
	CHECK_INT(1, c->closed);
	CHECK_INT(486, c->status);
	CHECK_INT(SIP_BY_PEER, c->who);
	CHECK_STR("486 Busy Here", c->why);
	CHECK_STR("Busy Here", c->reason);
	CHECK_INT(486, phone_call_at(&w.b, 0)->status);
	CHECK_INT(SIP_BY_US, phone_call_at(&w.b, 0)->who);
	w.b.refuse_inside = 503;
	c = dial(&w);
	run(&w, 100);
	CHECK_INT(503, c->status);
	CHECK_INT(1, w.b.call_count);
	w.b.unknown = true;
	c = dial(&w);
	run(&w, 100);
	CHECK_INT(403, c->status);
	world_close(&w);
}

static void a_bad_uri_is_refused_at_once(void **state)
{
	struct world w;

	world_open(&w);
	CHECK(!phone_dial(&w.a, "bob", WIRE_UDP));
	CHECK(!phone_dial(&w.a, "sip:", WIRE_UDP));
	CHECK(!phone_dial(&w.a, "tel:+49123", WIRE_UDP));
	CHECK(!phone_dial(&w.a, "sip:bob@10.0.0.2>\r\nX: y", WIRE_UDP));
	world_close(&w);
}

static void names_are_looked_up(void **state)
{
	struct phone_call *c;
	struct world w;

	world_open(&w);
	fake_dns_add(w.dns, "bob.example", "10.0.0.2");
	fake_dns_delay(w.dns, 50);
	w.b.auto_answer = true;
	c = phone_dial(&w.a, "sip:bob@bob.example", WIRE_UDP);
	run(&w, 500);
	CHECK_INT(1, c->answered);
	sip_session_hangup(c->s, STR(""));
	c = phone_dial(&w.a, "sip:bob@nowhere.example", WIRE_UDP);
	run(&w, 500);
	CHECK_INT(1, c->closed);
	CHECK_INT(0, c->status);
	CHECK_STR("no address found for host nowhere.example", c->why);
	c = phone_dial(&w.a, "sip:bob@bob.example", WIRE_UDP);
	sip_session_hangup(c->s, STR(""));
	run(&w, 500);
	CHECK_INT(1, c->closed);
	CHECK_STR("hung up before the answer", c->why);
	CHECK_INT(0, fake_dns_open(w.dns));
	c = phone_dial(&w.a, "sip:bob@bob.example", WIRE_TLS);
	run(&w, 500);
	CHECK_INT(1, c->closed);
	CHECK_INT(SIP_BY_TRANSPORT, c->who);
	world_close(&w);
}

static void nobody_there(void **state)
{
	struct phone_call *c;
	struct world w;
	uint64_t start;

	world_open(&w);
	start = loop_now_ms(w.loop);
	c = phone_dial(&w.a, "sip:bob@10.0.0.9", WIRE_UDP);
	run(&w, 40000);
	CHECK_INT(1, c->closed);
	CHECK_INT(SIP_BY_TIMEOUT, c->who);
	CHECK_INT(0, c->status);
	CHECK_INT(T64_MS, c->closed_ms - start);
	CHECK_STR("no answer to the INVITE from 10.0.0.9:5060 within 32 s", c->why);
	CHECK_INT(7, w.from_a); /* timer A: 0 .5 1.5 3.5 7.5 15.5 31.5 */
	c = phone_dial(&w.a, "sip:bob@10.0.0.9:5070", WIRE_TCP);
	run(&w, 40000);
	CHECK_INT(1, c->closed);
	CHECK_INT(SIP_BY_TRANSPORT, c->who);
	CHECK_STR("connection refused by 10.0.0.9:5070", c->why);
	world_close(&w);
}

static void hung_up_before_any_response(void **state)
{
	struct phone_call *c;
	struct world w;

	world_open(&w);
	w.watch = "CANCEL ";
	w.b.auto_ring = 180;
	c = dial(&w);
	sip_session_hangup(c->s, STR(""));
	CHECK_INT(0, w.watched); /* held until the 100 */
	run(&w, 100);
	CHECK_INT(1, w.watched);
	CHECK_INT(1, c->closed);
	CHECK_INT(487, c->status);
	CHECK_INT(SIP_BY_US, c->who);
	CHECK_INT(1, phone_call_at(&w.b, 0)->closed);
	CHECK_STR("cancelled by the caller", phone_call_at(&w.b, 0)->why);
	CHECK_INT(487, phone_call_at(&w.b, 0)->status);
	c = phone_dial(&w.a, "sip:bob@10.0.0.9", WIRE_UDP);
	run(&w, 10000);
	sip_session_hangup(c->s, STR(""));
	run(&w, 40000);
	CHECK_INT(1, c->closed);
	CHECK_INT(SIP_BY_US, c->who);
	CHECK_INT(1, w.watched);
	world_close(&w);
}

static void answer_when_told(struct phone_call *c, const char *event)
{
	if (!strcmp(event, "invite"))
		sip_session_ring(c->s, 180, STR(""));
}

static void answer_later(void *arg)
{
	struct phone_call *c = phone_call_at(arg, 0);

	if (c && c->s)
		sip_session_answer(c->s, STR("answer"));
}

/* The heart of pain 1: at each offset between hang-up and answer both legs end, once. */
static void cancel_crosses_the_answer_at_all_offsets(void **state)
{
	int crossed = 0, cancelled = 0, answered = 0;

	for (int at = 0; at < 80; at++) {
		struct loop_timer answer = { .active = false }, hangup = { .active = false };
		struct phone_call *c;
		struct world w;

		world_open(&w);
		w.b.on_event = answer_when_told;
		c = dial(&w);
		loop_timer_start(w.loop, &answer, 50, answer_later, &w.b);
		loop_timer_start(w.loop, &hangup, (uint64_t)at, hangup_later, c);
		run(&w, 70000);
		CHECK_INT(1, c->closed);
		CHECK_INT(SIP_BY_US, c->who);
		cancelled += c->status == 487;
		answered += c->was_answered;
		crossed += c->status == 200 && !c->was_answered;
		world_close(&w);
	}
	CHECK(cancelled > 10);
	CHECK(crossed >= 19);
	CHECK(answered > 10);
}

static void both_hang_up_at_once(void **state)
{
	struct phone_call *c, *far;
	struct world w;

	world_open(&w);
	c = talk(&w, &far);
	w.watch = "SIP/2.0 200";
	sip_session_hangup(c->s, STR(""));
	sip_session_hangup(far->s, STR(""));
	sip_session_hangup(far->s, STR(""));
	run(&w, 1000);
	CHECK_INT(2, w.watched);
	CHECK_INT(1, c->closed);
	CHECK_INT(1, far->closed);
	CHECK_INT(SIP_BY_US, c->who);
	CHECK_INT(SIP_BY_US, far->who);
	world_close(&w);
}

static void a_minute_of_ringing_costs_nothing(void **state)
{
	struct timespec before, after;
	struct phone_call *c;
	struct world w;
	long took_ms;

	world_open(&w);
	w.b.auto_ring = 180;
	c = dial(&w);
	clock_gettime(CLOCK_MONOTONIC, &before);
	run(&w, 59000);
	CHECK_INT(1, c->progress);
	run(&w, 2000);
	CHECK_INT(2, c->progress); /* the sign of life after a minute */
	sip_session_hangup(c->s, STR(""));
	run(&w, 100);
	clock_gettime(CLOCK_MONOTONIC, &after);
	took_ms = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
	CHECK_INT(1, c->closed);
	CHECK_INT(487, c->status);
	CHECK(took_ms < 500);
	world_close(&w);
}

static void the_stack_goes_with_live_sessions(void **state)
{
	struct phone_call *c, *far, *ringing;
	struct world w;

	world_open(&w);
	c = talk(&w, &far);
	w.b.auto_answer = false;
	ringing = dial(&w);
	run(&w, 100);
	phone_dial(&w.a, "sip:bob@slow.example", WIRE_UDP);
	sip_stack_free(&w.a.stack);
	CHECK_INT(1, c->closed);
	CHECK_INT(1, ringing->closed);
	CHECK_STR("the server is stopping", ringing->why);
	sip_stack_free(&w.b.stack);
	CHECK_INT(1, far->closed);
	phone_close(&w.a);
	phone_close(&w.b);
	CHECK_INT(0, loop_timer_count(w.loop));
	fake_dns_free(&w.dns);
	fake_net_free(&w.net);
	loop_free(&w.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_call_rings_is_answered_and_ends),
		TEST(requests_look_right),
		TEST(early_media_and_refusals),
		TEST(a_bad_uri_is_refused_at_once),
		TEST(names_are_looked_up),
		TEST(nobody_there),
		TEST(hung_up_before_any_response),
		TEST(cancel_crosses_the_answer_at_all_offsets),
		TEST(both_hang_up_at_once),
		TEST(a_minute_of_ringing_costs_nothing),
		TEST(the_stack_goes_with_live_sessions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Calls between two stacks of ours over networks that lose, double and break. */
#include "sip_world.h"

static void each_kind_of_message_may_get_lost(void **state)
{
	static const struct {
		const char *start, *cseq;
		int count;
	} rows[] = {
		{ "INVITE ", NULL, 3 },
		{ "SIP/2.0 100", NULL, 1 },
		{ "SIP/2.0 180", NULL, 1 },
		{ "SIP/2.0 200", "INVITE\r\n", 4 },
		{ "ACK ", NULL, 4 },
		{ "BYE ", NULL, 5 },
		{ "SIP/2.0 200", "BYE\r\n", 5 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct phone_call *c, *far;
		struct world w;

		world_open(&w);
		w.b.auto_ring = 180;
		w.b.auto_answer = true;
		w.lost = (struct lost){ rows[i].start, rows[i].cseq, rows[i].count, 0 };
		c = dial(&w);
		run(&w, 20000);
		far = phone_call_at(&w.b, 0);
		CHECK_INT(1, w.b.call_count);
		CHECK_INT(1, c->answered);
		CHECK_INT(1, far->confirmed);
		sip_session_hangup(c->s, STR(""));
		run(&w, 25000);
		CHECK(w.lost.seen >= rows[i].count);
		CHECK_INT(1, c->closed);
		CHECK_INT(1, far->closed);
		CHECK_INT(SIP_BY_PEER, far->who);
		world_close(&w);
	}
}

static void a_lost_refusal_and_its_lost_ack(void **state)
{
	static const struct lost rows[] = { { "SIP/2.0 486", NULL, 4, 0 }, { "ACK ", NULL, 4, 0 } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct phone_call *c;
		struct world w;

		world_open(&w);
		w.b.auto_refuse = 486;
		w.lost = rows[i];
		c = dial(&w);
		run(&w, 15000);
		CHECK_INT(1, c->closed);
		CHECK_INT(486, c->status);
		CHECK(w.lost.seen > w.lost.count);
		world_close(&w);
	}
}

static void the_peer_never_answers_what_we_say(void **state)
{
	struct phone_call *c, *far;
	struct world w;

	world_open(&w);
	c = talk(&w, &far);
	w.lost = (struct lost){ "BYE ", NULL, 1000, 0 };
	sip_session_hangup(c->s, STR(""));
	run(&w, T64_MS + 10);
	CHECK_INT(1, c->closed);
	CHECK_INT(SIP_BY_US, c->who);
	CHECK_INT(0, far->closed);
	w.lost.count = 0;
	sip_session_hangup(far->s, STR("")); /* gets a 481 */
	run(&w, 1000);
	CHECK_INT(1, far->closed);
	world_close(&w);
}

static void no_ack_ends_the_call(void **state)
{
	struct phone_call *c, *far;
	struct world w;

	world_open(&w);
	w.b.auto_answer = true;
	w.lost = (struct lost){ "ACK ", NULL, 1000, 0 };
	c = dial(&w);
	run(&w, 5000);
	far = phone_call_at(&w.b, 0);
	CHECK_INT(1, c->answered);
	CHECK_INT(0, far->confirmed);
	run(&w, 40000);
	CHECK_INT(1, far->closed);
	CHECK_INT(SIP_BY_TIMEOUT, far->who);
	CHECK_STR("no ACK for our 200 within 32 s", far->why);
	CHECK_INT(1, c->closed);
	CHECK_INT(SIP_BY_PEER, c->who);
	world_close(&w);
}

static void bye_waits_for_the_ack(void **state)
{
	struct phone_call *c, *far;
	struct world w;

	world_open(&w);
	w.watch = "BYE ";
	w.b.auto_answer = true;
	w.lost = (struct lost){ "ACK ", NULL, 2, 0 };
	c = dial(&w);
	run(&w, 15);
	far = phone_call_at(&w.b, 0);
	sip_session_hangup(far->s, STR(""));
	run(&w, 100);
	CHECK_INT(0, w.watched);
	CHECK_INT(0, far->closed);
	run(&w, 10000);
	CHECK_INT(1, w.watched);
	CHECK_INT(1, far->closed);
	CHECK_INT(SIP_BY_US, far->who);
	CHECK_INT(0, far->confirmed);
	CHECK_INT(1, c->closed);
	world_close(&w);
}

static void bye_from_the_peer_before_its_ack(void **state)
{
	struct phone_call *c, *far;
	struct world w;

	world_open(&w);
	w.b.auto_answer = true;
	w.lost = (struct lost){ "ACK ", NULL, 1000, 0 };
	c = dial(&w);
	run(&w, 100);
	far = phone_call_at(&w.b, 0);
	sip_session_hangup(c->s, STR(""));
	run(&w, 100);
	CHECK_INT(1, c->closed);
	CHECK_INT(1, far->closed);
	CHECK_INT(SIP_BY_PEER, far->who);
	world_close(&w);
}

static void everything_twice(void **state)
{
	struct phone_call *c, *far;
	struct world w;

	world_open(&w);
	w.rules.duplicate_per_mille = 1000;
	fake_net_set_rules(w.net, &w.rules);
	w.a.auto_reanswer = w.b.auto_reanswer = true;
	c = talk(&w, &far);
	CHECK_INT(1, w.b.call_count);
	CHECK_INT(0, sip_session_reinvite(c->s, STR("hold")));
	run(&w, 1000);
	CHECK_INT(1, far->reoffer);
	CHECK_INT(1, c->reinvited);
	sip_session_hangup(far->s, STR(""));
	run(&w, 1000);
	CHECK_INT(1, c->closed);
	CHECK_INT(1, far->closed);
	world_close(&w);
}

static void over_tcp(void **state)
{
	struct sip_stack_counts counts;
	struct phone_call *c, *far;
	struct world w;

	world_open(&w);
	w.rules.split = true;
	fake_net_set_rules(w.net, &w.rules);
	w.b.auto_ring = 180;
	w.b.auto_answer = true;
	c = phone_dial(&w.a, "sip:bob@10.0.0.2;transport=tcp", WIRE_TCP);
	run(&w, 1000);
	CHECK(strstr(w.last_request, "\r\nVia: SIP/2.0/TCP 10.0.0.1:5060;"));
	far = phone_call_at(&w.b, 0);
	CHECK_INT(1, c->answered);
	CHECK_INT(1, far->confirmed);
	sip_session_hangup(c->s, STR(""));
	run(&w, 1000);
	CHECK_INT(1, far->closed);
	sip_stack_count(w.a.stack, &counts);
	CHECK_INT(0, counts.retransmissions_sent);
	CHECK_INT(1, counts.connections);
	/* The callee hangs up a second call whose connection has died. */
	c = phone_dial(&w.a, "sip:bob@10.0.0.2;transport=tcp", WIRE_TCP);
	run(&w, 1000);
	far = phone_call_at(&w.b, 1);
	fake_net_kill_connections(w.net);
	run(&w, 100);
	CHECK_INT(0, c->closed);
	sip_session_hangup(far->s, STR(""));
	run(&w, 1000);
	CHECK_INT(1, c->closed);
	CHECK_INT(1, far->closed);
	world_close(&w);
}

static void the_connection_dies_while_it_rings(void **state)
{
	struct phone_call *c, *far;
	struct world w;

	world_open(&w);
	w.b.auto_ring = 180;
	c = phone_dial(&w.a, "sip:bob@10.0.0.2;transport=tcp", WIRE_TCP);
	run(&w, 1000);
	far = phone_call_at(&w.b, 0);
	fake_net_kill_connections(w.net);
	run(&w, 1000);
	CHECK_INT(1, c->closed);
	CHECK_INT(SIP_BY_TRANSPORT, c->who);
	CHECK_INT(1, far->closed); /* it is told all the same */
	CHECK_INT(487, far->status);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_kind_of_message_may_get_lost),
		TEST(a_lost_refusal_and_its_lost_ack),
		TEST(the_peer_never_answers_what_we_say),
		TEST(no_ack_ends_the_call),
		TEST(bye_waits_for_the_ack),
		TEST(bye_from_the_peer_before_its_ack),
		TEST(everything_twice),
		TEST(over_tcp),
		TEST(the_connection_dies_while_it_rings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

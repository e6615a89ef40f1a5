/* Two stacks of ours on one virtual loop with a fake network between them. */
#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "fake_dns.h"
#include "fake_net.h"
#include "fake_phone.h"

enum { T64_MS = 32000 };

struct lost { /* datagrams to lose: the first `count` whose text begins (or holds CSeq method) so */
	const char *start, *cseq;
	int count, seen;
};

struct world {
	struct loop *loop;
	struct fake_net *net;
	struct fake_dns *dns;
	struct phone a, b;
	struct fake_net_rules rules;
	struct lost lost;
	char last_request[4096]; /* newest datagram from a to b */
	int from_a, from_b;      /* datagrams */
	const char *watch;       /* count of datagrams starting like this */
	int watched;
};

static bool starts(const char *data, size_t n, const char *text)
{
	return n >= strlen(text) && !memcmp(data, text, strlen(text));
}

static bool lose(void *arg, const struct addr *from, const struct addr *to, const char *data, size_t n)
{
	struct world *w = arg;

	if (!data || !w->lost.start || !starts(data, n, w->lost.start))
		return false;
	if (w->lost.cseq && !memmem(data, n, w->lost.cseq, strlen(w->lost.cseq)))
		return false;
	return w->lost.seen++ < w->lost.count;
}

static void see(void *arg, const struct addr *from, const struct addr *to, const char *data, size_t n)
{
	struct world *w = arg;
	bool from_a = addr_same_host(from, &w->a.addr);

	if (w->watch && starts(data, n, w->watch))
		w->watched++;
	if (from_a)
		w->from_a++;
	else
		w->from_b++;
	if (from_a && n < sizeof(w->last_request)) {
		memcpy(w->last_request, data, n);
		w->last_request[n] = '\0';
	}
}

static void world_open(struct world *w)
{
	struct phone_opts a = { .address = "10.0.0.1" }, b = { .address = "10.0.0.2" };

	memset(w, 0, sizeof(*w));
	if (loop_new(&w->loop, true, 7) || fake_net_new(&w->net, w->loop) || fake_dns_new(&w->dns, w->loop))
		abort();
	a.loop = b.loop = w->loop;
	a.net = fake_net_host(w->net, "10.0.0.1");
	b.net = fake_net_host(w->net, "10.0.0.2");
	a.dns = b.dns = fake_dns_door(w->dns);
	phone_open(&w->a, &a);
	phone_open(&w->b, &b);
	w->rules =
		(struct fake_net_rules){ .delay_min_ms = 10, .delay_max_ms = 10, .drop = lose, .seen = see, .arg = w };
	fake_net_set_rules(w->net, &w->rules);
}

/* Everything must have ended by itself: sessions, transactions, timers. */
static void world_close(struct world *w)
{
	loop_run_until(w->loop, loop_now_ms(w->loop) + 700000); /* idle streams go after 10 minutes */
	CHECK_INT(0, phone_alive(&w->a, true));
	CHECK_INT(0, phone_alive(&w->b, true));
	CHECK_INT(0, loop_timer_count(w->loop));
	for (size_t i = 0; i < w->a.call_count; i++)
		CHECK_INT(1, phone_call_at(&w->a, i)->closed);
	for (size_t i = 0; i < w->b.call_count; i++)
		CHECK_INT(1, phone_call_at(&w->b, i)->closed);
	phone_close(&w->a);
	phone_close(&w->b);
	fake_dns_free(&w->dns);
	fake_net_free(&w->net);
	loop_free(&w->loop);
}

static void run(struct world *w, uint64_t ms)
{
	loop_run_until(w->loop, loop_now_ms(w->loop) + ms);
}

static struct phone_call *dial(struct world *w)
{
	struct phone_call *c = phone_dial(&w->a, "sip:bob@10.0.0.2", WIRE_UDP);

	CHECK(c);
	return c;
}

/* An answered, confirmed call. */
static struct phone_call *talk(struct world *w, struct phone_call **far)
{
	struct phone_call *c;

	w->b.auto_ring = 180;
	w->b.auto_answer = true;
	c = dial(w);
	run(w, 100);
	*far = phone_call_at(&w->b, w->b.call_count - 1);
	CHECK_INT(1, c->answered);
	CHECK_INT(1, (*far)->confirmed);
	return c;
}

/* --- calls --- */

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

static void hangup_later(void *arg)
{
	struct phone_call *c = arg;

	if (c->s)
		sip_session_hangup(c->s, STR(""));
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

/* --- re-INVITE --- */

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

/* --- networks --- */

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
		TEST(each_kind_of_message_may_get_lost),
		TEST(a_lost_refusal_and_its_lost_ack),
		TEST(the_peer_never_answers_what_we_say),
		TEST(no_ack_ends_the_call),
		TEST(bye_waits_for_the_ack),
		TEST(bye_from_the_peer_before_its_ack),
		TEST(both_hang_up_at_once),
		TEST(hold_and_resume_from_both_sides),
		TEST(a_refused_reinvite_leaves_the_call),
		TEST(an_unanswered_reinvite_ends_the_call),
		TEST(reinvite_glare),
		TEST(bye_meets_reinvite),
		TEST(a_reinvite_shows_that_the_2xx_arrived),
		TEST(everything_twice),
		TEST(over_tcp),
		TEST(the_connection_dies_while_it_rings),
		TEST(a_minute_of_ringing_costs_nothing),
		TEST(the_stack_goes_with_live_sessions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

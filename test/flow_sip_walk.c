/* Random walks: calls, answers, refusals, hang-ups, re-INVITEs, UPDATEs and session timers by both sides at random times
 * over a network that loses, doubles, delays and resets. Whatever happens, each session must end in exactly one closed() and nothing
 * may be left. WALKS sets how many (5000), SEED repeats one. */
#include "check.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "fake_dns.h"
#include "fake_net.h"
#include "fake_phone.h"

enum {
	MAX_STEPS = 40,
	END_MS = 90000,
	LONG_MS = 400000, /* some live long enough for session timers to run, and to run out */
	SETTLE_MS = 800000,
	HANGUP_MS = 32000 + LOOP_LOOSE_MS, /* what a hang-up may take at most */
	CLEAN_HANGUP_MS = 16000            /* when nothing gets lost: the longest delays there and back, and look-ups */
};

struct tally { /* how often what we are after has really happened */
	unsigned calls, answered, crossed, glare, cancelled, refused, timeouts, lost_ack, transport, pending, reinvites,
		reinvite_ended, kills, several, unpracked, updates, offer_glare, refreshed, expired, unrefreshed;
};

struct walk;

struct step {
	struct loop_timer timer;
	struct walk *walk;
};

struct walk {
	struct loop *loop;
	struct fake_net *net;
	struct fake_dns *dns;
	struct phone phones[2];
	struct step steps[MAX_STEPS];
	struct loop_timer end;
	uint32_t end_ms;
	enum wire_kind kind;
	bool kills;     /* connections are reset now and then */
	bool blackout;  /* from some step on nothing arrives for a while */
	bool lossy;     /* something was lost on purpose */
	bool several;   /* b.example has several addresses, some of them dead */
	unsigned eager; /* per mille: an owner acts inside a handler */
	struct tally *tally;
};

static uint32_t below(struct walk *w, uint32_t n)
{
	return loop_random_below(w->loop, n);
}

static void act(struct walk *w, struct phone_call *c)
{
	static const char *const reasons[] = { "", "Q.850;cause=16", "SIP;cause=200;text=\"elsewhere\"" };
	int status;

	if (!c->s)
		return;
	switch (below(w, 14)) {
	case 0:
	case 1:
		status = below(w, 2) ? 180 : 183;
		if (c->inbound)
			sip_session_ring(c->s, status, below(w, 2) ? STR("early") : STR(""));
		break;
	case 2:
	case 3:
	case 4:
		if (c->inbound)
			sip_session_answer(c->s, STR("answer"));
		break;
	case 5:
		if (c->inbound && below(w, 2))
			sip_session_refuse(c->s, w->several && below(w, 2) ? 503 : 486, STR(""), NULL);
		break;
	case 6:
	case 7:
		phone_hangup(c, str_of(reasons[below(w, 3)]));
		break;
	case 8:
	case 9:
		sip_session_reinvite(c->s, below(w, 4) ? STR("new offer") : STR(""));
		break;
	case 10:
		sip_session_reanswer(c->s, STR("reanswer"));
		break;
	case 11:
		if (below(w, 2))
			sip_session_rerefuse(c->s, below(w, 8) ? 488 : 481);
		break;
	case 12:
	case 13:
		sip_session_update(c->s, STR("newer offer"));
		break;
	}
}

static void on_event(struct phone_call *c, const char *event)
{
	struct walk *w = c->phone->user;

	if (!strcmp(event, "reoffer") && below(w, 4))
		sip_session_reanswer(c->s, STR("reanswer"));
	if (!strcmp(event, "reinvited") && below(w, 8) == 0) /* at once again, to meet the other side's */
		sip_session_reinvite(c->s, STR("and again"));
	if (below(w, 1000) < w->eager)
		act(w, c);
	if (below(w, 1000) < w->eager && !strcmp(event, "closed") && c->phone->call_count < 6)
		phone_dial(c->phone, c->phone == w->phones ? "sip:b@10.0.0.2" : "sip:a@10.0.0.1", w->kind);
}

static void dial(struct walk *w)
{
	static const char *const uris[2][2] = { { "sip:b@10.0.0.2", "sip:b@b.example" },
						{ "sip:a@10.0.0.1", "sip:a@nobody.example" } };
	unsigned side = below(w, 4) == 0;

	phone_dial(&w->phones[side], uris[side][below(w, w->several ? 2 : 6) == 0], w->kind);
}

/* What goes by on UDP. */
static void on_seen(void *arg, const struct addr *from, const struct addr *to, const char *data, size_t n)
{
	struct walk *w = arg;

	if (n < 12)
		return;
	w->tally->offer_glare += !memcmp(data, "SIP/2.0 491 ", 12);
	if (memcmp(data, "UPDATE sip:", 11))
		return;
	w->tally->updates++;
	w->tally->refreshed += memmem(data, n, "Content-Length: 0", 17) != NULL;
}

static void set_network(struct walk *w, uint32_t loss_per_mille)
{
	struct fake_net_rules rules = { .split = below(w, 2), .seen = on_seen, .arg = w };

	if (loss_per_mille) {
		rules.loss_per_mille = loss_per_mille;
	} else if (below(w, 3)) {
		rules.loss_per_mille = below(w, 4) ? below(w, 120) : below(w, 600);
		rules.duplicate_per_mille = below(w, 200);
	}
	w->lossy = w->lossy || rules.loss_per_mille || w->kills;
	rules.delay_max_ms = below(w, 4) ? below(w, 60) : below(w, 3000);
	rules.delay_min_ms = rules.delay_max_ms ? below(w, rules.delay_max_ms) : 0;
	fake_net_set_rules(w->net, &rules);
}

static void on_step(void *arg)
{
	struct step *step = arg;
	struct walk *w = step->walk;
	struct phone *p = &w->phones[below(w, 2)];

	if (w->blackout && !below(w, 3))
		set_network(w, below(w, 3) ? 1000 : 0);
	if (w->kills && !below(w, 6))
		w->tally->kills += fake_net_kill_connections(w->net) > 0;
	else if (p->call_count)
		act(w, phone_call_at(p, below(w, (uint32_t)p->call_count)));
}

static void on_end(void *arg)
{
	struct walk *w = arg;

	for (int side = 0; side < 2; side++) {
		struct phone *p = &w->phones[side];
		size_t count = p->call_count;

		p->on_event = NULL;
		for (size_t i = 0; i < count; i++)
			phone_hangup(phone_call_at(p, i), STR(""));
	}
	/* INVITEs still under way are refused from here on. */
	w->phones[0].auto_refuse = w->phones[1].auto_refuse = 480;
}

static void start(struct walk *w, uint64_t seed)
{
	struct phone_opts opts = { .loop = NULL };
	/* Most races want steps close together, time-outs want them far apart. */
	static const uint32_t spans_ms[] = { 60, 400, 3000, 40000, 80000 }, timeouts_s[] = { 0, 90, 90, 120, 600 };
	uint32_t span_ms;
	unsigned steps;

	if (loop_new(&w->loop, true, seed) || fake_net_new(&w->net, w->loop) || fake_dns_new(&w->dns, w->loop))
		abort();
	w->several = w->lossy = !below(w, 4); /* the dead lose everything */
	for (unsigned i = w->several ? below(w, 3) : 0; i; i--)
		fake_dns_add(w->dns, "b.example", below(w, 2) ? "10.0.0.9" : "10.0.0.2:5099"); /* nobody there */
	fake_dns_add(w->dns, "b.example", "10.0.0.2");
	if (w->several && below(w, 2))
		fake_dns_add(w->dns, "b.example", "10.0.0.2");
	fake_dns_delay(w->dns, below(w, 300));
	opts.loop = w->loop;
	opts.dns = fake_dns_door(w->dns);
	for (int side = 0; side < 2; side++) {
		opts.address = side ? "10.0.0.2" : "10.0.0.1";
		opts.net = fake_net_host(w->net, opts.address);
		w->phones[side].session_timeout_s = timeouts_s[below(w, ARRAY_LEN(timeouts_s))];
		phone_open(&w->phones[side], &opts);
		w->phones[side].on_event = on_event;
		w->phones[side].user = w;
		w->phones[side].auto_ring = below(w, 2) ? 180 : 0;
		w->phones[side].auto_answer = !below(w, 4);
	}
	w->kind = below(w, 3) ? WIRE_UDP : WIRE_TCP;
	w->kills = w->kind == WIRE_TCP && below(w, 2);
	w->eager = below(w, 2) ? 0 : below(w, 400);
	w->blackout = !below(w, 3);
	set_network(w, 0);
	for (unsigned i = 0, n = 1 + below(w, 3); i < n; i++)
		dial(w);
	span_ms = spans_ms[below(w, ARRAY_LEN(spans_ms))];
	w->end_ms = below(w, 3) ? END_MS : LONG_MS;
	steps = 1 + below(w, MAX_STEPS);
	for (unsigned i = 0; i < steps; i++) {
		w->steps[i].walk = w;
		loop_timer_start(w->loop, &w->steps[i].timer, below(w, span_ms), on_step, &w->steps[i]);
	}
	loop_timer_start(w->loop, &w->end, w->end_ms, on_end, w);
}

static void count_call(const struct walk *w, const struct phone_call *c)
{
	struct tally *t = w->tally;

	t->calls++;
	t->answered += c->was_answered;
	t->crossed += !c->inbound && c->status == 200 && !c->was_answered;
	t->cancelled += c->inbound && c->status == 487;
	t->refused += !c->inbound && c->status == 486;
	t->several += !c->inbound && w->several && c->was_answered;
	t->timeouts += c->who == SIP_BY_TIMEOUT;
	t->lost_ack += !strncmp(c->why, "no ACK", 6);
	t->expired += !strncmp(c->why, "the session expired", 19);
	t->unrefreshed += strstr(c->why, "session refresh") != NULL;
	t->unpracked += !strncmp(c->why, "no PRACK", 8);
	t->transport += c->who == SIP_BY_TRANSPORT;
	t->pending += c->last_reinvited == 491;
	t->reinvites += c->reinvited > 0;
	t->reinvite_ended += c->last_reinvited == 408 || c->last_reinvited == 481;
}

static int finish(struct walk *w)
{
	int before = check_bad;

	loop_run_until(w->loop, w->end_ms + SETTLE_MS);
	for (int side = 0; side < 2; side++) {
		struct phone *p = &w->phones[side];

		CHECK_INT(0, phone_alive(p, true));
		for (struct list *n = p->calls.next; n != &p->calls; n = n->next) {
			struct phone_call *c = LIST_ITEM(n, struct phone_call, node);

			CHECK_INT(1, c->closed);
			CHECK(c->answered <= 1 && c->confirmed <= 1);
			CHECK(c->why[0]);
			CHECK(!c->hung_ms || c->closed_ms - c->hung_ms <= (w->lossy ? HANGUP_MS : CLEAN_HANGUP_MS));
			count_call(w, c);
		}
	}
	if (w->phones[0].call_count && w->phones[1].call_count) {
		const struct phone_call *a = phone_call_at(&w->phones[0], 0), *b = phone_call_at(&w->phones[1], 0);

		w->tally->glare += a->was_answered && b->was_answered && a->who == SIP_BY_US && b->who == SIP_BY_US;
	}
	CHECK_INT(0, loop_timer_count(w->loop));
	phone_close(&w->phones[0]);
	phone_close(&w->phones[1]);
	fake_dns_free(&w->dns);
	fake_net_free(&w->net);
	loop_free(&w->loop);
	return check_bad - before;
}

static bool walk_once(uint64_t seed, struct tally *tally)
{
	struct walk w = { .tally = tally };

	start(&w, seed);
	if (!finish(&w))
		return true;
	fprintf(stderr, "walk failed, repeat with SEED=%llu\n", (unsigned long long)seed);
	return false;
}

static unsigned long from_env(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoul(text, NULL, 10) : otherwise;
}

static void every_walk_ends_every_leg_once(void **state)
{
	unsigned long walks = from_env("WALKS", 5000), one = from_env("SEED", 0), failed = 0;
	struct tally t = { .calls = 0 };

	log_set_level(LOG_ERROR); /* hundreds of thousands of listeners */
	if (one) {
		CHECK(walk_once(one, &t));
		return;
	}
	for (unsigned long i = 1; i <= walks && failed < 5; i++)
		failed += !walk_once(i, &t);
	fprintf(stderr,
		"%lu walks, %u sessions: %u answered, %u cancelled, %u refused; CANCEL crossed 200 %u, BYE glare %u, "
		"491 to the end %u, re-INVITEs %u (%u ended the call), time-outs %u (%u no ACK, %u no PRACK), "
		"transport %u, resets %u, answered by a name with several addresses %u; UPDATEs %u (%u refreshes), "
		"491 %u, sessions expired %u, refreshes in vain %u\n",
		walks, t.calls, t.answered, t.cancelled, t.refused, t.crossed, t.glare, t.pending, t.reinvites,
		t.reinvite_ended, t.timeouts, t.lost_ack, t.unpracked, t.transport, t.kills, t.several, t.updates,
		t.refreshed, t.offer_glare, t.expired, t.unrefreshed);
	if (walks < 1000)
		return;
	CHECK(t.answered && t.cancelled && t.refused && t.crossed && t.glare && t.reinvites && t.reinvite_ended);
	CHECK(t.timeouts && t.lost_ack && t.unpracked && t.transport && t.kills && t.several);
	CHECK(t.updates > t.refreshed && t.refreshed && t.offer_glare && t.expired && t.unrefreshed);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(every_walk_ends_every_leg_once) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

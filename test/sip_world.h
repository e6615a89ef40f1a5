/* sip_world: two stacks of ours on one virtual loop with a fake network between them. A program includes it once. */
#ifndef SIP_WORLD_H
#define SIP_WORLD_H

#include "check.h"

#include <stdlib.h>

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

static inline bool starts(const char *data, size_t n, const char *text)
{
	return n >= strlen(text) && !memcmp(data, text, strlen(text));
}

static inline bool lose(void *arg, const struct addr *from, const struct addr *to, const char *data, size_t n)
{
	struct world *w = arg;

	if (!data || !w->lost.start || !starts(data, n, w->lost.start))
		return false;
	if (w->lost.cseq && !memmem(data, n, w->lost.cseq, strlen(w->lost.cseq)))
		return false;
	return w->lost.seen++ < w->lost.count;
}

static inline void see(void *arg, const struct addr *from, const struct addr *to, const char *data, size_t n)
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

static inline void world_open(struct world *w)
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
static inline void world_close(struct world *w)
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

static inline void run(struct world *w, uint64_t ms)
{
	loop_run_until(w->loop, loop_now_ms(w->loop) + ms);
}

static inline struct phone_call *dial(struct world *w)
{
	struct phone_call *c = phone_dial(&w->a, "sip:bob@10.0.0.2", WIRE_UDP);

	CHECK(c);
	return c;
}

/* An answered, confirmed call. */
static inline struct phone_call *talk(struct world *w, struct phone_call **far)
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

static inline void hangup_later(void *arg)
{
	struct phone_call *c = arg;

	if (c->s)
		sip_session_hangup(c->s, STR(""));
}

#endif

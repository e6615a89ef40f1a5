#include "op/pair.h"

#include <stdlib.h>

#include "base/loop.h"
#include "call/bridge.h"
#include "op/hold_music.h"
#include "op/handover.h"

struct side {
	struct pair *owner;
	struct call *call; /* NULL = gone, or not there yet */
	struct call_watch watch;
};

struct pair {
	struct pairing pairing;
	struct loop *loop;
	struct loop_timer talk;
	struct pairing_terms terms;
	struct hold_music *hold;
	struct side sides[2];
};

static struct pair *pair_of(const struct pairing *p)
{
	return (struct pair *)(void *)p;
}

static void leave(struct side *s)
{
	if (!s->call)
		return;
	call_unwatch(&s->watch);
	call_set_pairing(s->call, NULL);
	s->call = NULL;
}

static void free_pair(struct pair *p)
{
	handover_stop(&p->pairing);
	hold_music_stop(&p->hold);
	leave(&p->sides[0]);
	leave(&p->sides[1]);
	loop_timer_stop(p->loop, &p->talk);
	free(p);
}

static void hang_up(struct pair *p, const char *by, const char *why)
{
	for (size_t i = 0; i < ARRAY_LEN(p->sides); i++)
		if (p->sides[i].call)
			call_hangup(p->sides[i].call, CAUSE_HANGUP, by, why);
	free_pair(p);
}

static void closed(void *arg, struct call *c)
{
	struct side *s = arg;
	struct pair *p = s->owner;
	bool asked = p->pairing.handover && handover_by(p->pairing.handover) == c;

	leave(s);
	hold_music_stop(&p->hold);
	if (!asked) /* else the transfer goes on for the other one */
		hang_up(p, "peer", "the other party hung up");
}

static const struct call_watcher watcher = { .closed = closed };

static void talk_over(void *arg)
{
	hang_up(arg, "timeout", "max_duration is over");
}

/* --- as a pairing --- */

static struct call *other(const struct pairing *p, const struct call *c)
{
	const struct pair *pair = pair_of(p);

	return pair->sides[pair->sides[0].call == c].call;
}

static bool has_document(const struct pairing *p, const struct call *c)
{
	return false;
}

static void get_terms(const struct pairing *p, struct pairing_terms *out)
{
	const struct pair *pair = pair_of(p);

	*out = pair->terms;
	out->transfers = p->transfers;
	if (out->talk_ms) {
		uint64_t now = loop_now_ms(pair->loop), end = pair->talk.due_ms;

		out->talk_ms = end > now ? (uint32_t)(end - now) : 1;
	}
}

static void give(struct pairing *p, struct call *c)
{
	bridge_part(c);
	free_pair(pair_of(p));
}

static void failed(struct pairing *p, bool alone)
{
	if (alone)
		hang_up(pair_of(p), "transfer", "nobody is left to talk to: the transfer has failed");
}

static const struct pairing_ops ops = {
	.other = other,
	.has_document = has_document,
	.get_terms = get_terms,
	.give = give,
	.failed = failed,
};

static void take(struct pair *p, struct side *s, struct call *c)
{
	s->owner = p;
	s->call = c;
	call_watch(c, &s->watch, &watcher, s);
	call_set_pairing(c, &p->pairing.base);
}

struct pairing *pair_start(struct call *a, struct call *b, const struct pairing_terms *terms)
{
	struct pair *p = calloc(1, sizeof(*p));

	if (!p) {
		call_hangup(a, CAUSE_ERROR, "server", "out of memory");
		if (b)
			call_hangup(b, CAUSE_ERROR, "server", "out of memory");
		return NULL;
	}
	pairing_init(&p->pairing, &ops, terms->transfers);
	p->loop = call_loop(a);
	p->terms = *terms;
	if (terms->talk_ms)
		loop_timer_start(p->loop, &p->talk, terms->talk_ms, talk_over, p);
	call_count_alone(a);
	take(p, &p->sides[0], a);
	if (!b)
		return &p->pairing;
	take(p, &p->sides[1], b);
	bridge_join(a, b);
	hold_music_start(&p->hold, a, b, p->terms.sounds);
	return NULL;
}

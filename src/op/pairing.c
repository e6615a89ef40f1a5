#include "op/pairing.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/loop.h"
#include "call/bridge.h"
#include "call/calls.h"
#include "op/pair.h"
#include "op/handover.h"

enum { GRACE_MS = 3000 }; /* who has asked hangs up by itself when it hears of the success (RFC 5589 §6.1) */

/* --- who has been replaced --- */

struct departure {
	struct call *call;
	struct call_watch watch;
	struct loop *loop;
	struct loop_timer timer;
	char why[200];
};

static void departed(void *arg, struct call *c)
{
	struct departure *d = arg;

	call_unwatch(&d->watch);
	loop_timer_stop(d->loop, &d->timer);
	free(d);
}

static void time_to_go(void *arg)
{
	struct departure *d = arg;

	call_hangup(d->call, CAUSE_HANGUP, "transfer", d->why);
}

static const struct call_watcher departure_watcher = { .closed = departed };

static void dismiss_in(struct call *c, uint32_t after_ms, const char *why)
{
	struct departure *d = calloc(1, sizeof(*d));

	if (!d) {
		call_hangup(c, CAUSE_HANGUP, "transfer", why);
		return;
	}
	d->call = c;
	d->loop = call_loop(c);
	str_copy(d->why, sizeof(d->why), str_of(why));
	call_watch(c, &d->watch, &departure_watcher, d);
	loop_timer_start(d->loop, &d->timer, after_ms, time_to_go, d);
}

/* --- the exchange --- */

static void dismiss(struct call *c, uint32_t after_ms, const struct call *kept, const struct call *target)
{
	struct call_info k, t;
	char why[200];

	if (!c)
		return;
	call_get_info(kept, &k);
	call_get_info(target, &t);
	snprintf(why, sizeof(why), "has transferred its call: %.36s talks to %.36s", k.id, t.id);
	bridge_part(c);
	call_set_pairing(c, NULL);
	dismiss_in(c, after_ms, why);
}

static void exchange(struct pairing *p, struct call *joiner, struct call *by)
{
	if (by)
		call_set_transferred_by(joiner, by);
	p->ops->exchange(p, joiner);
}

void pairing_swap(struct pairing *p, const struct pairing_swap *s)
{
	struct pairing *theirs = s->theirs;
	struct pairing_terms terms;

	if (theirs)
		theirs->transfers += p->transfers;
	if (theirs && p->ops->has_document(p, s->kept) && theirs->ops->has_document(theirs, s->target)) {
		if (s->by)
			call_set_transferred_by(s->target, s->by);
		p->ops->link(p, theirs);
	} else if (p->ops->has_document(p, s->kept)) {
		if (theirs)
			theirs->ops->give(theirs, s->target);
		exchange(p, s->target, s->by);
	} else if (theirs && theirs->ops->has_document(theirs, s->target)) {
		p->ops->give(p, s->kept);
		exchange(theirs, s->kept, s->by);
	} else {
		p->ops->get_terms(p, &terms);
		p->ops->give(p, s->kept);
		if (theirs)
			theirs->ops->give(theirs, s->target);
		if (s->by)
			call_set_transferred_by(s->target, s->by);
		pair_start(s->kept, s->target, &terms);
	}
	dismiss(s->by, GRACE_MS, s->kept, s->target);
	dismiss(s->out, 0, s->kept, s->target);
}

/* --- events --- */

static struct str id_of(const struct call *c)
{
	struct call_info info;

	if (!c)
		return STR("");
	call_get_info(c, &info);
	return str_of(info.id);
}

void pairing_tell(struct call *kept, const struct pairing_news *n)
{
	char status[8] = "";
	const struct event_field fields[] = {
		{ "state", str_of(n->state) },
		{ "to", n->to },
		{ "by", id_of(n->by) },
		{ "peer", id_of(n->target) },
		{ "sip_code", { status, n->status ? 3 : 0 } },
		{ "why", str_of(n->why) },
	};

	snprintf(status, sizeof(status), "%u", n->status);
	call_emit_to(kept, NULL, EVENT_TRANSFER, fields, ARRAY_LEN(fields));
}

/* --- who asks --- */

struct refusal { /* status 0 = none */
	int status;
	const char *why;
};

/* The dialog that is to be replaced is one of ours: both far ends of who asks are here. */
static struct refusal join_directly(struct pairing *p, const struct pairing_swap *swap, const struct transfer_wish *w)
{
	const struct pairing *theirs = swap->theirs;
	const struct call *target = swap->target;
	struct pairing_news news = { "success", w->to, swap->by, target, 200, "both parties of who asked were joined" };
	struct sip_notifier *told = NULL;
	struct calls *calls = call_owner(swap->kept);

	if (!target || !call_is_answered(target))
		return (struct refusal){ 603, "the other call is not joined with anybody" };
	if (swap->out == swap->kept || target == swap->kept || theirs == p)
		return (struct refusal){ 603, "the other call is this one" };
	if (theirs->handover)
		return (struct refusal){ 491, "a transfer of the other call runs" };
	if (!bridge_can_join(swap->kept, target))
		return (struct refusal){
			488, "the two cannot be joined: no common codec, or local legs on two media threads"
		};
	if (call_take_transfer(swap->by, &told))
		return (struct refusal){ 500, "out of memory" };
	p->transfers++;
	pairing_tell(swap->kept, &news);
	pairing_swap(p, swap);
	call_tell_transfer(calls, &told, 200);
	return (struct refusal){ 0, "" };
}

static struct refusal judge(struct pairing *p, struct call *by, const struct transfer_wish *w)
{
	struct pairing_swap swap = { .by = by, .kept = p->ops->other(p, by) };

	if (!swap.kept || !call_is_answered(swap.kept))
		return (struct refusal){ 603, "nobody is there to be transferred" };
	if (p->transfers >= PAIRING_TRANSFERS)
		return (struct refusal){ 603, "there were too many transfers before" };
	if (p->handover)
		return (struct refusal){ 491, "another transfer runs" };
	swap.out = w->replaces.p ? call_named(call_owner(by), w->replaces) : NULL;
	if (!swap.out)
		return (struct refusal){ handover_start(p, by, swap.kept, w), "its target cannot be called" };
	swap.theirs = (struct pairing *)(void *)call_pairing(swap.out);
	swap.target = swap.theirs ? swap.theirs->ops->other(swap.theirs, swap.out) : NULL;
	return join_directly(p, &swap, w);
}

static void asked(struct call_pairing *base, struct call *c, const struct transfer_wish *w)
{
	const struct refusal r = judge((struct pairing *)(void *)base, c, w);

	if (!r.status)
		return;
	call_note(c, "the transfer is refused with %d: %s", r.status, r.why);
	call_refuse_transfer(c, r.status);
}

void pairing_init(struct pairing *p, const struct pairing_ops *ops, unsigned transfers)
{
	*p = (struct pairing){ .base = { asked }, .ops = ops, .transfers = transfers };
}

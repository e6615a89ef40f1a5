/* connect_transfer: a party of a connect asks to be replaced by somebody else. When it is the peer, the connect goes on with
 * who comes; when it is the caller, the peer goes on without the document. */
#include "base/loop.h"
#include "call/bridge.h"
#include "op/connect_impl.h"
#include "op/hold_music.h"
#include "op/pair.h"
#include "op/ringback.h"
#include "op/handover.h"

static struct connect *connect_of(const struct pairing *p)
{
	return LIST_ITEM((struct pairing *)(uintptr_t)p, struct connect, pairing);
}

static struct attempt *peer(struct connect *c)
{
	return c->joined ? &c->attempts[c->joined->slot] : NULL;
}

static struct call *other(const struct pairing *p, const struct call *call)
{
	struct connect *c = connect_of(p);

	return call == c->caller ? peer(c)->call : c->caller;
}

static bool has_document(const struct pairing *p, const struct call *call)
{
	return call == connect_of(p)->caller;
}

static void get_terms(const struct pairing *p, struct pairing_terms *out)
{
	struct connect *c = connect_of(p);
	const struct plan_target *t = plan_target(c->plan, c->joined->slot);
	uint32_t talked_ms = (uint32_t)(loop_now_ms(c->loop) - c->joined_ms);

	*out = (struct pairing_terms){
		.sounds = c->sounds,
		.price_cap = t->price_cap,
		.ring_ms = t->ring_ms,
		.encryption = t->encryption,
		.transfers = p->transfers,
	};
	str_copy(out->from, sizeof(out->from), str_of(t->from ? t->from : ""));
	if (c->plan->max_talk_ms)
		out->talk_ms = c->plan->max_talk_ms > talked_ms ? c->plan->max_talk_ms - talked_ms : 1;
}

/* The peer is of nobody now. */
static void release_peer(struct connect *c)
{
	struct attempt *a = peer(c);

	hold_music_stop(&c->hold);
	if (!a->call)
		return;
	call_set_pairing(a->call, NULL);
	call_control(a->call, NULL, NULL);
	bridge_part(a->call);
	a->call = NULL;
}

static void name_peer(struct connect *c, const struct call *call)
{
	struct attempt *a = peer(c);
	struct call_info info;

	call_get_info(call, &info);
	str_copy(a->id, sizeof(a->id), str_of(info.id));
	a->status = 0;
	a->why[0] = '\0';
}

static void exchange(struct pairing *p, struct call *joiner)
{
	struct connect *c = connect_of(p);
	struct attempt *a = peer(c);

	release_peer(c);
	name_peer(c, joiner);
	a->call = joiner;
	call_control(joiner, &connect_peer_controller, a);
	call_set_pairing(joiner, &p->base);
	bridge_join(c->caller, joiner);
	hold_music_start(&c->hold, c->caller, joiner, c->sounds);
}

/* What is left waits for the end of the caller: he is the one who has asked. */
static void give(struct pairing *p, struct call *call)
{
	struct connect *c = connect_of(p);

	release_peer(c);
	call_set_pairing(c->caller, NULL);
	call_unwatch_keys(&c->keys);
	loop_timer_stop(c->loop, &c->talk);
}

static void unset(struct connect *c, struct call *call)
{
	if (call && call_pairing(call) == &c->pairing.base)
		call_set_pairing(call, NULL);
}

/* Neither connect may end the other's caller, and neither takes a REFER any more: who would be kept has a document that
 * another one knows. */
static void link_with(struct pairing *p, struct pairing *theirs)
{
	struct connect *c = connect_of(p), *o = connect_of(theirs);

	release_peer(c);
	release_peer(o);
	unset(c, c->caller);
	unset(o, o->caller);
	name_peer(c, o->caller);
	name_peer(o, c->caller);
	c->partner = o;
	o->partner = c;
	bridge_join(c->caller, o->caller);
	hold_music_start(&c->hold, c->caller, o->caller, c->sounds);
}

/* The talk of two callers is over: the other one's document goes on as it does when a peer has hung up. */
static void unlink_partner(struct connect *c)
{
	struct connect *o = c->partner;

	if (!o)
		return;
	c->partner = o->partner = NULL;
	hold_music_stop(&c->hold);
	hold_music_stop(&o->hold);
	if (o->caller)
		bridge_part(o->caller);
	connect_fail_at_once(peer(o), CAUSE_HANGUP, "the other party has left");
}

static void failed(struct pairing *p, bool alone)
{
	struct connect *c = connect_of(p);

	/* A peer that is about to close says so itself. */
	if (alone && !peer(c)->call)
		connect_fail_at_once(peer(c), CAUSE_HANGUP, "the peer hung up, and its transfer has failed");
}

static const struct pairing_ops ops = {
	.other = other,
	.has_document = has_document,
	.get_terms = get_terms,
	.exchange = exchange,
	.give = give,
	.link = link_with,
	.failed = failed,
};

void connect_pair(struct connect *c)
{
	pairing_init(&c->pairing, &ops, 0);
	call_set_pairing(c->caller, &c->pairing.base);
	call_set_pairing(peer(c)->call, &c->pairing.base);
}

void connect_unpair(struct connect *c)
{
	if (!c->joined)
		return;
	handover_stop(&c->pairing);
	unlink_partner(c);
	unset(c, c->caller);
	unset(c, peer(c)->call);
}

void connect_caller_leaves(struct connect *c)
{
	struct pairing_terms terms;
	struct pairing *rest;
	struct call *left;

	unlink_partner(c);
	if (!c->pairing.handover || handover_by(c->pairing.handover) != c->caller || !peer(c)->call)
		return;
	get_terms(&c->pairing, &terms);
	left = peer(c)->call;
	release_peer(c);
	rest = pair_start(left, NULL, &terms);
	if (rest)
		handover_move(&c->pairing, rest);
}

bool connect_peer_leaves(struct attempt *a)
{
	const struct connect *c = a->owner;

	return c->joined == a && c->pairing.handover;
}

/* connect_impl: what connect.c (events, actions, the caller's side), connect_dial.c (legs), connect_confirm.c (scripts on
 * them), connect_transfer.c and connect_expand.c share.
 * Private to them. Thread: signal. */
#ifndef CONNECT_IMPL_H
#define CONNECT_IMPL_H

#include "base/loop.h"
#include "call/call.h"
#include "call/call_media.h"
#include "op/op_impl.h"
#include "op/pairing.h"
#include "op/plan.h"

struct connect;

struct attempt { /* one target of the plan */
	struct connect *owner;
	uint16_t slot;
	struct call *call; /* NULL: not dialled, or gone */
	struct loop_timer ring, confirm;
	bool failed_at_once; /* its GONE is to be told from the loop */
	bool waiting;        /* could be joined, while another one settles the codec with the caller */
	bool dropped;
	struct run *run; /* its confirm, NULL = none runs */
	enum cause cause;
	uint16_t status;
	bool made; /* a leg existed */
	char id[37];
	char why[160];
};

struct connect {
	struct op op;
	struct plan *plan;
	struct connect_engine *engine;
	struct call *caller; /* NULL once it has gone */
	struct calls *calls;
	struct loop *loop;
	struct call_watch watch;
	struct call_keys keys; /* of the caller, once joined to somebody whom a key ends */
	struct loop_timer later, total, talk, settle;
	struct attempt *settling; /* waits for the caller to take its codec */
	struct sounds *sounds;
	struct runner runner;
	struct ringback *ringback; /* what the caller hears of ours, NULL = nothing */
	struct hold_music *hold;   /* once joined */
	struct pairing pairing;    /* likewise */
	struct connect *partner;   /* whose caller is our peer, and ours is its; NULL = none */
	bool started, stop_asked;
	enum engine_timer over;           /* the last timer that fired */
	const struct attempt *joined;     /* NULL = not yet */
	uint64_t joined_ms;               /* when */
	const struct engine_action *done; /* set by the last action */
	size_t count;
	struct attempt attempts[];
};

/* --- connect.c --- */

/* Of every leg that a connect makes; its argument is the attempt. */
extern const struct call_controller connect_peer_controller;
/* Nothing but the codec stands between the peer and the caller. The connect may be gone behind this and the next. */
void connect_agree(struct attempt *a);
/* Its confirm said no, or could not. */
void connect_refuse(struct attempt *a, enum cause cause);
/* GONE, or REFUSED when it has a call, is told from the loop, never by recursion. */
void connect_fail_at_once(struct attempt *a, enum cause cause, const char *why);

/* --- connect_dial.c --- */

void connect_dial(struct attempt *a);
/* End it, with a sentence for its record. */
void connect_drop(struct attempt *a, enum cause cause);

/* --- connect_confirm.c --- */

/* Its end is told to the engine. */
void connect_confirm(struct attempt *a);
/* Harmless when none runs. */
void connect_confirm_stop(struct attempt *a);

/* --- connect_transfer.c --- */

/* From now on both parties may ask for transfers. */
void connect_pair(struct connect *c);
/* They may no more, and what runs is given up. */
void connect_unpair(struct connect *c);
/* The caller hangs up: a transfer that he has asked for takes the peer along. */
void connect_caller_leaves(struct connect *c);
/* The peer has gone, but a transfer that it has asked for goes on: the engine is not to hear of it yet. */
bool connect_peer_leaves(struct attempt *a);

/* --- connect_expand.c --- */

/* Addresses become what they stand for, and a subscriber the phones he is registered with now, which
 * ring together. What has no phone stays, and fails when it is dialled. 0 or ENOMEM. */
int connect_expand(struct plan *plan, const struct calls *cs);

#endif

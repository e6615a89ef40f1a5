/* handover_engine: the decisions of one transfer, pure: events in, actions out.
 *
 * Of two joined parties one asks that the other, who is kept, be joined with somebody else. All targets ring together; the
 * first to answer takes the place of who has asked. No clock, no I/O, no pointers to calls. Thread: any, one at a time.
 * Source: RFC 3515 (what is told), RFC 5589 §6 (who asked may hang up at once). */
#ifndef HANDOVER_ENGINE_H
#define HANDOVER_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "call/cause.h"

enum { HANDOVER_TARGETS = 8 };

enum handover_event_type {
	HANDOVER_START,
	HANDOVER_RINGING,  /* target                                                       */
	HANDOVER_ANSWERED, /* target: and it can be joined                                 */
	HANDOVER_GONE,     /* target, status, cause: it has ended, or could not be made    */
	HANDOVER_TIMEOUT,  /* they have rung for long enough                               */
	HANDOVER_LEFT,     /* who has asked hung up (early BYE)                            */
	HANDOVER_LOST,     /* the kept party hung up, or whoever joined the two is over    */
};

struct handover_event {
	enum handover_event_type type;
	uint16_t target;
	uint16_t status; /* what to tell of it, from 400 on */
	enum cause cause;
};

enum handover_action_type {
	HANDOVER_DIAL,    /* target                                        */
	HANDOVER_DROP,    /* target; nothing more is heard of it           */
	HANDOVER_TELL,    /* status, for who has asked; from 200 on the last */
	HANDOVER_COMFORT, /* let the kept party hear that it rings         */
	HANDOVER_JOIN,    /* target; this or FAIL is the last action       */
	HANDOVER_FAIL,    /* alone: the kept party has nobody any more     */
};

struct handover_action {
	enum handover_action_type type;
	uint16_t target, status;
	bool alone;
};

enum handover_leg { HANDOVER_LEG_NONE, HANDOVER_LEG_DIALLED, HANDOVER_LEG_RINGING, HANDOVER_LEG_GONE };

struct handover_engine { /* begins with handover_engine_init() */
	size_t count;
	enum handover_leg legs[HANDOVER_TARGETS];
	bool started, over, left, told_ringing;
	uint16_t status; /* of the failure that tells most */
	enum cause cause;
	size_t action_count;
	struct handover_action actions[HANDOVER_TARGETS + 4];
};

/* count: 1 to HANDOVER_TARGETS. */
void handover_engine_init(struct handover_engine *e, size_t count);
/* The actions in order, borrowed until the next step. Events after the last action and about dead targets give none. */
size_t handover_engine_step(struct handover_engine *e, const struct handover_event *ev,
			    const struct handover_action **actions);

#endif

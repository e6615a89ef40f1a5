/* connect_engine: the decisions of a connect, pure: events in, actions out.
 *
 * Inside, apply() records what happened and decides nothing; advance() runs after every event and is the
 * only place that decides. Slots number the targets over the whole plan, so a late event of an earlier
 * group meets a dead slot. No clock, no I/O, no pointers to calls. Thread: any, one at a time.
 *
 * DROP hands a leg back to the carrier for good: it ends it by itself, and its GONE may come after DONE, where
 * it means nothing. At DONE every dialled slot is gone or dropped, and no timer is set. DONE waits for a dropped
 * leg in two cases only, and for at most 1 s: for legs of the last group dropped for time, so that their final
 * status is known, and for the joined leg that we hang up. */
#ifndef CONNECT_ENGINE_H
#define CONNECT_ENGINE_H

#include "call/cause.h"
#include "op/plan.h"

enum engine_event_type {
	ENGINE_START,
	ENGINE_RINGING,         /* slot: 180, or 183 without SDP             */
	ENGINE_EARLY,           /* slot: early media is there                */
	ENGINE_ANSWERED,        /* slot                                      */
	ENGINE_CONFIRMED,       /* slot: its confirm script ended normally   */
	ENGINE_REFUSED,         /* slot: its confirm script said no (cause: DECLINED, or ERROR when it could not run) */
	ENGINE_GONE,            /* slot, cause: the leg has ended, or could not be made */
	ENGINE_TIMER,           /* timer (and slot for ring and confirm)     */
	ENGINE_KEY,             /* key: the caller pressed it                */
	ENGINE_CALLER_ANSWERED, /* by somebody else meanwhile           */
	ENGINE_CALLER_GONE,
	ENGINE_STOP, /* by the API or a replaced controller       */
};

enum engine_timer {
	ENGINE_TIMER_RING,
	ENGINE_TIMER_CONFIRM,
	ENGINE_TIMER_TOTAL,
	ENGINE_TIMER_TALK,
	ENGINE_TIMER_SETTLE
}; /* SETTLE: 1 s for the answer to the last CANCEL or BYE */

struct engine_event {
	enum engine_event_type type;
	uint16_t slot;
	enum cause cause;
	enum engine_timer timer;
	char key;
};

enum engine_action_type {
	ENGINE_DIAL,    /* slot                                    */
	ENGINE_DROP,    /* slot, cause; GONE(slot) follows in time */
	ENGINE_CONFIRM, /* slot: run its script                    */
	ENGINE_JOIN,    /* slot and caller                         */
	ENGINE_ANSWER_CALLER,
	ENGINE_RING_CALLER, /* 180 to an unanswered caller, or ring tone to an answered one; ends PASS_EARLY */
	ENGINE_PASS_EARLY,  /* slot: let the caller hear it; ends the ring tone. Both end with JOIN or DONE */
	ENGINE_RINGBACK_ON,
	ENGINE_RINGBACK_OFF,
	ENGINE_SET_TIMER,   /* timer, slot, ms                         */
	ENGINE_CLEAR_TIMER, /* timer, slot                             */
	ENGINE_DONE,        /* result; the last action ever            */
};

enum engine_outcome {
	ENGINE_COMPLETED,
	/* was joined */ ENGINE_FAILED,
	ENGINE_ABANDONED,
	/* caller gone before */ ENGINE_STOPPED
};

struct engine_action {
	enum engine_action_type type;
	uint16_t slot;
	enum cause cause; /* DROP, DONE */
	enum engine_timer timer;
	uint32_t ms;
	enum engine_outcome outcome; /* DONE: slot is the joined one, else the one whose cause is told (of equals the
	                              * last that failed), else the last that was dropped; 0 when none was dialled */
};

struct connect_engine;

/* Makes an engine for the plan, which must outlive it and have no plan_fault(). caller_answered: is the
 * caller answered now; has_caller false: a call made by the API (nobody to answer or ring). 0 or ENOMEM. */
int connect_engine_new(struct connect_engine **out, const struct plan *plan, bool has_caller, bool caller_answered);
void connect_engine_free(struct connect_engine **e);
/* Take one event, give the actions in order. The array is borrowed until the next step. Events after DONE and
 * for dead slots give none. Never fails: everything it needs was allocated at birth. */
size_t connect_engine_step(struct connect_engine *e, const struct engine_event *ev,
			   const struct engine_action **actions);
bool connect_engine_done(const struct connect_engine *e);

#endif

#include "op/connect_engine.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { SETTLE_MS = 1000 };

/* Dead states first, so that one comparison tells whether a leg still counts. */
enum slot_state {
	SLOT_IDLE,    /* not dialled yet                               */
	SLOT_CLOSING, /* dropped; the carrier owes us its GONE         */
	SLOT_GONE,
	SLOT_DIALLED, /* from here on the leg counts                   */
	SLOT_RINGING,
	SLOT_EARLY,
	SLOT_ANSWERED, /* news, advance() goes on with it            */
	SLOT_CONFIRMING,
	SLOT_CONFIRMED, /* news                                       */
	SLOT_REFUSED,   /* news: its script said no                   */
	SLOT_EXPIRED,   /* news: it rang or confirmed for too long    */
	SLOT_JOINED,
};

struct slot {
	const struct plan_target *target;
	enum slot_state state;
	enum cause cause; /* why it failed; NONE as long as it has not, and for lost races */
	uint32_t order;   /* of failing: later is greater                                  */
	unsigned timers;  /* bits of RING and CONFIRM that are set                         */
	bool awaited;     /* dropped for time; after the join: the joined one               */
};

enum phase { PHASE_NEW, PHASE_TRYING, PHASE_JOINED, PHASE_SETTLING, PHASE_DONE };

/* What the caller hears of the far side, as far as we have said so. */
enum hears { HEARS_NOTHING, HEARS_RING, HEARS_EARLY };

struct ending {
	enum engine_outcome outcome;
	enum cause cause;
	uint16_t slot;
};

struct connect_engine {
	const struct plan *plan;
	enum phase phase;
	bool has_caller, caller_answered;
	/* recorded by apply() */
	bool started, stopped, caller_gone, total_over, talk_over, settle_over, dropped_by_key;
	uint32_t order;
	/* decided by advance() */
	size_t group;       /* index of the running group                    */
	size_t first, last; /* its slots: first <= slot < last               */
	bool was_joined;
	size_t joined; /* slot, once was_joined */
	enum hears hears;
	size_t hears_slot;
	bool ringback_on;
	unsigned timers; /* bits of TOTAL, TALK, SETTLE that are set */
	struct ending ending;
	struct engine_action *actions;
	size_t action_count, action_max;
	size_t slot_count;
	struct slot slots[];
};

static bool counts(const struct slot *s)
{
	return s->state >= SLOT_DIALLED;
}

/* --- actions --- */

static struct engine_action *emit(struct connect_engine *e, enum engine_action_type type, size_t slot)
{
	struct engine_action *a;

	assert(e->action_count < e->action_max);
	a = &e->actions[e->action_count++];
	*a = (struct engine_action){ .type = type, .slot = (uint16_t)slot };
	return a;
}

static bool timer_of_slot(enum engine_timer timer)
{
	return timer == ENGINE_TIMER_RING || timer == ENGINE_TIMER_CONFIRM;
}

static unsigned *timer_bits(struct connect_engine *e, enum engine_timer timer, size_t slot)
{
	return timer_of_slot(timer) ? &e->slots[slot].timers : &e->timers;
}

static void set_timer(struct connect_engine *e, enum engine_timer timer, size_t slot, uint32_t ms)
{
	struct engine_action *a;

	if (!ms)
		return; /* no limit */
	*timer_bits(e, timer, slot) |= 1u << timer;
	a = emit(e, ENGINE_SET_TIMER, slot);
	a->timer = timer;
	a->ms = ms;
}

static void clear_timer(struct connect_engine *e, enum engine_timer timer, size_t slot)
{
	unsigned *bits = timer_bits(e, timer, slot);

	if (!(*bits & 1u << timer))
		return;
	*bits &= ~(1u << timer);
	emit(e, ENGINE_CLEAR_TIMER, slot)->timer = timer;
}

static void clear_slot_timers(struct connect_engine *e, size_t slot)
{
	clear_timer(e, ENGINE_TIMER_RING, slot);
	clear_timer(e, ENGINE_TIMER_CONFIRM, slot);
}

static void drop(struct connect_engine *e, size_t slot, enum cause cause)
{
	clear_slot_timers(e, slot);
	e->slots[slot].state = SLOT_CLOSING;
	emit(e, ENGINE_DROP, slot)->cause = cause;
}

static void ringback_off(struct connect_engine *e)
{
	if (e->ringback_on)
		emit(e, ENGINE_RINGBACK_OFF, 0);
	e->ringback_on = false;
}

static void answer_caller(struct connect_engine *e)
{
	if (!e->has_caller || e->caller_answered)
		return;
	e->caller_answered = true;
	emit(e, ENGINE_ANSWER_CALLER, 0);
}

static void finish(struct connect_engine *e)
{
	struct engine_action *a;

	for (size_t i = e->first; i < e->last; i++)
		clear_slot_timers(e, i);
	clear_timer(e, ENGINE_TIMER_TOTAL, 0);
	clear_timer(e, ENGINE_TIMER_TALK, 0);
	clear_timer(e, ENGINE_TIMER_SETTLE, 0);
	ringback_off(e);
	e->phase = PHASE_DONE;
	a = emit(e, ENGINE_DONE, e->ending.slot);
	a->cause = e->ending.cause;
	a->outcome = e->ending.outcome;
}

/* --- apply: what happened --- */

static void fail_slot(struct connect_engine *e, struct slot *s, enum slot_state state, enum cause cause)
{
	s->state = state;
	s->cause = cause;
	s->order = ++e->order;
}

/* A peer that hangs up before it was joined has declined (PRODUCT §6, confirm_timeout). */
static enum cause cause_of_going(const struct slot *s, enum cause cause)
{
	if (cause == CAUSE_NONE)
		return CAUSE_ERROR;
	return cause == CAUSE_HANGUP && s->state != SLOT_JOINED ? CAUSE_DECLINED : cause;
}

static void apply_gone(struct connect_engine *e, struct slot *s, enum cause cause)
{
	if (s->state == SLOT_CLOSING)
		s->state = SLOT_GONE; /* why it failed, or that it lost, is known already */
	else if (counts(s))
		fail_slot(e, s, SLOT_GONE, cause_of_going(s, cause));
}

static void apply_slot(struct connect_engine *e, const struct engine_event *ev)
{
	struct slot *s = &e->slots[ev->slot];

	switch (s->state) {
	case SLOT_IDLE:
	case SLOT_GONE:
		return;
	case SLOT_DIALLED:
	case SLOT_RINGING:
	case SLOT_EARLY:
		if (ev->type == ENGINE_RINGING && s->state == SLOT_DIALLED)
			s->state = SLOT_RINGING;
		else if (ev->type == ENGINE_EARLY)
			s->state = SLOT_EARLY;
		else if (ev->type == ENGINE_ANSWERED)
			s->state = SLOT_ANSWERED;
		break;
	case SLOT_CONFIRMING:
		if (ev->type == ENGINE_CONFIRMED)
			s->state = SLOT_CONFIRMED;
		else if (ev->type == ENGINE_REFUSED)
			fail_slot(e, s, SLOT_REFUSED, ev->cause == CAUSE_NONE ? CAUSE_DECLINED : ev->cause);
		break;
	case SLOT_CLOSING:
	case SLOT_JOINED:
		break;
	case SLOT_ANSWERED:
	case SLOT_CONFIRMED:
	case SLOT_REFUSED:
	case SLOT_EXPIRED:
		assert(!"advance() leaves no news behind");
	}
	if (ev->type == ENGINE_GONE)
		apply_gone(e, s, ev->cause);
}

static void apply_timer(struct connect_engine *e, enum engine_timer timer, size_t slot)
{
	unsigned *bits;

	if (timer_of_slot(timer) && slot >= e->slot_count)
		return;
	bits = timer_bits(e, timer, slot);
	if (!(*bits & 1u << timer))
		return; /* cleared while it was on its way */
	*bits &= ~(1u << timer);

	switch (timer) {
	case ENGINE_TIMER_RING:
	case ENGINE_TIMER_CONFIRM:
		fail_slot(e, &e->slots[slot], SLOT_EXPIRED, CAUSE_NO_ANSWER);
		break;
	case ENGINE_TIMER_TOTAL:
		e->total_over = true;
		break;
	case ENGINE_TIMER_TALK:
		e->talk_over = true;
		break;
	case ENGINE_TIMER_SETTLE:
		e->settle_over = true;
		break;
	}
}

static void apply_caller_answered(struct connect_engine *e)
{
	/* His own telephone stops ringing now, so the ring tone is ours to make. */
	if (!e->caller_answered && e->hears == HEARS_RING)
		e->hears = HEARS_NOTHING;
	e->caller_answered = true;
}

static void apply(struct connect_engine *e, const struct engine_event *ev)
{
	switch (ev->type) {
	case ENGINE_START:
		e->started = true;
		break;
	case ENGINE_RINGING:
	case ENGINE_EARLY:
	case ENGINE_ANSWERED:
	case ENGINE_CONFIRMED:
	case ENGINE_REFUSED:
	case ENGINE_GONE:
		if (ev->slot < e->slot_count)
			apply_slot(e, ev);
		break;
	case ENGINE_TIMER:
		apply_timer(e, ev->timer, ev->slot);
		break;
	case ENGINE_KEY:
		e->dropped_by_key = e->phase == PHASE_JOINED && ev->key && ev->key == e->plan->drop_key;
		break;
	case ENGINE_CALLER_ANSWERED:
		if (e->has_caller)
			apply_caller_answered(e);
		break;
	case ENGINE_CALLER_GONE:
		e->caller_gone = e->has_caller;
		break;
	case ENGINE_STOP:
		e->stopped = true;
		break;
	}
}

/* --- advance: what to do about it --- */

static void dial_group(struct connect_engine *e)
{
	e->first = e->last;
	e->last += e->plan->groups[e->group].count;
	for (size_t i = e->first; i < e->last; i++) {
		e->slots[i].state = SLOT_DIALLED;
		emit(e, ENGINE_DIAL, i);
		set_timer(e, ENGINE_TIMER_RING, i, e->slots[i].target->ring_ms);
	}
}

static void begin(struct connect_engine *e)
{
	e->phase = PHASE_TRYING;
	if (!e->plan->answer_on_join)
		answer_caller(e);
	set_timer(e, ENGINE_TIMER_TOTAL, 0, e->plan->total_ms);
	dial_group(e);
	if (e->has_caller && e->plan->ringback_count) {
		e->ringback_on = true;
		emit(e, ENGINE_RINGBACK_ON, 0);
	}
}

static void drop_others(struct connect_engine *e, size_t winner)
{
	for (size_t i = e->first; i < e->last; i++) {
		if (i != winner && counts(&e->slots[i]))
			drop(e, i, CAUSE_CANCEL);
	}
}

static void join(struct connect_engine *e, size_t winner)
{
	drop_others(e, winner);
	clear_slot_timers(e, winner);
	clear_timer(e, ENGINE_TIMER_TOTAL, 0);
	ringback_off(e);
	answer_caller(e);
	e->phase = PHASE_JOINED;
	e->was_joined = true;
	e->joined = winner;
	e->slots[winner].state = SLOT_JOINED;
	emit(e, ENGINE_JOIN, winner);
	set_timer(e, ENGINE_TIMER_TALK, 0, e->plan->max_talk_ms);
}

static void confirm(struct connect_engine *e, size_t slot)
{
	struct slot *s = &e->slots[slot];

	if (e->plan->race == PLAN_RACE_ANSWER)
		drop_others(e, slot);
	clear_timer(e, ENGINE_TIMER_RING, slot);
	s->state = SLOT_CONFIRMING;
	emit(e, ENGINE_CONFIRM, slot);
	set_timer(e, ENGINE_TIMER_CONFIRM, slot, s->target->confirm_ms);
}

/* Take legs out of the group that have failed; a loss of the whole time fails them all. */
static void drop_failed(struct connect_engine *e)
{
	for (size_t i = e->first; i < e->last; i++) {
		struct slot *s = &e->slots[i];

		if (e->total_over && counts(s))
			fail_slot(e, s, SLOT_EXPIRED, CAUSE_NO_ANSWER);
		if (s->state == SLOT_GONE)
			clear_slot_timers(e, i);
		if (s->state == SLOT_EXPIRED || s->state == SLOT_REFUSED) {
			s->awaited = s->state == SLOT_EXPIRED;
			drop(e, i, s->cause);
		}
	}
}

/* How much a failure tells (connect.md §11). Not found and error are one word in documents, so the later wins. */
static int rank(enum cause cause)
{
	switch (cause) {
	case CAUSE_BUSY:
		return 5;
	case CAUSE_DECLINED:
		return 4;
	case CAUSE_NO_ANSWER:
		return 3;
	case CAUSE_NOT_FOUND:
	case CAUSE_ERROR:
		return 2;
	case CAUSE_CANCEL: /* somebody hung that leg up over the API */
	case CAUSE_HANGUP:
		return 1;
	case CAUSE_NONE:
		return 0;
	}
	return 0;
}

static bool tells_more(const struct slot *a, const struct slot *b)
{
	int ra = rank(a->cause), rb = rank(b->cause);

	return ra != rb ? ra > rb : a->order > b->order;
}

static bool settled(const struct connect_engine *e)
{
	for (size_t i = e->first; i < e->last; i++) {
		if (e->slots[i].awaited && e->slots[i].state == SLOT_CLOSING)
			return false;
	}
	return true;
}

/* The end is decided; it is reported at once unless a leg dropped for time still owes its final status. */
static void settle(struct connect_engine *e)
{
	e->phase = PHASE_SETTLING;
	clear_timer(e, ENGINE_TIMER_TOTAL, 0);
	clear_timer(e, ENGINE_TIMER_TALK, 0);
	if (settled(e))
		finish(e);
	else
		set_timer(e, ENGINE_TIMER_SETTLE, 0, SETTLE_MS);
}

static void fail(struct connect_engine *e)
{
	size_t best = e->first;

	for (size_t i = e->first + 1; i < e->last; i++) {
		if (tells_more(&e->slots[i], &e->slots[best]))
			best = i;
	}
	assert(e->slots[best].cause != CAUSE_NONE);
	e->ending = (struct ending){ ENGINE_FAILED, e->slots[best].cause, (uint16_t)best };
	settle(e);
}

/* Peer media is heard only while one leg alone is tried and has not answered (its confirm script is none of
 * the caller's business) and no list of ours plays; everything else counts as ringing. */
static void let_caller_hear(struct connect_engine *e)
{
	size_t tried = 0, early = SIZE_MAX;
	bool ringing = false;

	for (size_t i = e->first; i < e->last; i++) {
		const struct slot *s = &e->slots[i];

		tried += counts(s);
		ringing = ringing || s->state >= SLOT_RINGING;
		if (s->state == SLOT_EARLY)
			early = i;
	}
	if (tried == 1 && early != SIZE_MAX && !e->plan->ringback_count) {
		if (e->hears != HEARS_EARLY || e->hears_slot != early)
			emit(e, ENGINE_PASS_EARLY, early);
		e->hears = HEARS_EARLY;
		e->hears_slot = early;
		return;
	}
	if (e->hears == HEARS_EARLY)
		e->hears = HEARS_NOTHING;
	if (ringing && e->hears == HEARS_NOTHING && (!e->caller_answered || !e->plan->ringback_count)) {
		emit(e, ENGINE_RING_CALLER, 0);
		e->hears = HEARS_RING;
	}
}

static bool group_lives(const struct connect_engine *e)
{
	for (size_t i = e->first; i < e->last; i++) {
		if (counts(&e->slots[i]))
			return true;
	}
	return false;
}

static void advance_trying(struct connect_engine *e)
{
	drop_failed(e);
	for (size_t i = e->first; i < e->last; i++) {
		struct slot *s = &e->slots[i];

		if (s->state == SLOT_ANSWERED && s->target->confirm) {
			confirm(e, i);
		} else if (s->state == SLOT_ANSWERED || s->state == SLOT_CONFIRMED) {
			join(e, i);
			return;
		}
	}
	if (!group_lives(e)) {
		if (e->total_over || e->group + 1 == e->plan->group_count) {
			fail(e);
			return;
		}
		e->group++;
		dial_group(e);
	}
	if (e->has_caller)
		let_caller_hear(e);
}

static void advance_joined(struct connect_engine *e)
{
	struct slot *s = &e->slots[e->joined];

	if (s->state == SLOT_GONE) {
		e->ending = (struct ending){ ENGINE_COMPLETED, s->cause, (uint16_t)e->joined };
	} else if (e->talk_over || e->dropped_by_key) {
		e->ending = (struct ending){ ENGINE_COMPLETED, CAUSE_HANGUP, (uint16_t)e->joined };
		drop(e, e->joined, CAUSE_HANGUP);
	} else {
		return;
	}
	/* Only this leg matters now, not one that rang in vain beside it. */
	for (size_t i = e->first; i < e->last; i++)
		e->slots[i].awaited = i == e->joined;
	settle(e);
}

/* Nobody is left to connect for: let go of everything and say so at once. */
static void give_up(struct connect_engine *e)
{
	enum cause cause = e->was_joined ? CAUSE_HANGUP : CAUSE_CANCEL;

	for (size_t i = e->first; i < e->last; i++) {
		if (!counts(&e->slots[i]))
			continue;
		drop(e, i, cause);
		e->ending.slot = (uint16_t)i;
	}
	e->ending.cause = cause;
	if (e->stopped)
		e->ending.outcome = ENGINE_STOPPED;
	else
		e->ending.outcome = e->was_joined ? ENGINE_COMPLETED : ENGINE_ABANDONED;
	finish(e);
}

static void advance(struct connect_engine *e)
{
	if (e->stopped || e->caller_gone) {
		give_up(e);
		return;
	}
	switch (e->phase) {
	case PHASE_NEW:
		if (e->started)
			begin(e);
		break;
	case PHASE_TRYING:
		advance_trying(e);
		break;
	case PHASE_JOINED:
		advance_joined(e);
		break;
	case PHASE_SETTLING:
		if (e->settle_over || settled(e))
			finish(e);
		break;
	case PHASE_DONE:
		break;
	}
}

/* --- the outside --- */

int connect_engine_new(struct connect_engine **out, const struct plan *plan, bool has_caller, bool caller_answered)
{
	size_t n = plan_target_count(plan);
	/* In one step a slot is dropped or dialled or goes on: three actions with its timers; the rest is per engine. */
	size_t action_max = 3 * n + 8;
	size_t slots_bytes = n * sizeof(struct slot);
	struct connect_engine *e;

	assert(!plan_fault(plan));
	e = calloc(1, sizeof(*e) + slots_bytes + action_max * sizeof(struct engine_action));
	if (!e)
		return ENOMEM;
	e->plan = plan;
	e->has_caller = has_caller;
	e->caller_answered = caller_answered;
	e->slot_count = n;
	e->actions = (struct engine_action *)&e->slots[n];
	e->action_max = action_max;
	for (size_t i = 0; i < n; i++)
		e->slots[i].target = plan_target(plan, i);
	*out = e;
	return 0;
}

void connect_engine_free(struct connect_engine **e)
{
	free(*e);
	*e = NULL;
}

size_t connect_engine_step(struct connect_engine *e, const struct engine_event *ev,
			   const struct engine_action **actions)
{
	e->action_count = 0;
	*actions = e->actions;
	if (e->phase == PHASE_DONE)
		return 0;
	apply(e, ev);
	advance(e);
	return e->action_count;
}

bool connect_engine_done(const struct connect_engine *e)
{
	return e->phase == PHASE_DONE;
}

/* engine_world: a small world around the connect engine that keeps the promises of connect_engine.h in mind and knows nothing of
 * how they are kept. A program includes it once. */
#ifndef ENGINE_WORLD_H
#define ENGINE_WORLD_H

#include "check.h"

#include "engine_text.h"

enum { MAX_SLOTS = 12, MAX_GROUPS = 4, MAX_LOG = 200 };

struct walk_plan {
	struct plan plan;
	struct plan_group groups[MAX_GROUPS];
	struct plan_target targets[MAX_SLOTS];
	size_t group_of[MAX_SLOTS];
	size_t count;
	bool has_caller, caller_answered;
};

struct leg {
	bool dialled, early, answered, confirming, confirmed, joined, dropped, gone;
	bool dropped_for_time, refused;
	unsigned timers;  /* bits of RING and CONFIRM */
	enum cause cause; /* it failed for, NONE = it has not */
	unsigned order;
};

struct world {
	const struct walk_plan *p;
	struct connect_engine *e;
	struct leg legs[MAX_SLOTS];
	size_t dialled; /* slots dialled so far */
	size_t joins, dones;
	bool caller_answered, ringback_on, ringback_was, total_fired, settle_fired, talk_fired, key_pressed;
	unsigned timers, order, tones;
	struct engine_event event;   /* the one at work */
	bool dropped_loser, decided; /* in this step */
	struct engine_action done;
	size_t actions;
	const char *broken;
	size_t log_count; /* what follows is read up to here only */
	struct {
		bool is_action;
		struct engine_event event;
		struct engine_action action;
	} log[MAX_LOG];
};

static inline void log_event(struct world *w, const struct engine_event *ev)
{
	if (w->log_count == MAX_LOG)
		return;
	w->log[w->log_count].is_action = false;
	w->log[w->log_count++].event = *ev;
}

static inline void log_action(struct world *w, const struct engine_action *a)
{
	if (w->log_count == MAX_LOG)
		return;
	w->log[w->log_count].is_action = true;
	w->log[w->log_count++].action = *a;
}

static inline void broken(struct world *w, const char *promise)
{
	if (!w->broken)
		w->broken = promise;
}

#define PROMISE(w, cond)                                                                                               \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			broken(w, #cond);                                                                              \
	} while (0)

static inline bool lives(const struct leg *l)
{
	return l->dialled && !l->dropped && !l->gone;
}

static inline size_t living(const struct world *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->p->count; i++)
		n += lives(&w->legs[i]);
	return n;
}

static inline size_t group_now(const struct world *w)
{
	return w->dialled ? w->p->group_of[w->dialled - 1] : 0;
}

/* --- events, as the world understands them --- */

static inline enum cause cause_of_going(const struct leg *l, enum cause cause)
{
	if (cause == CAUSE_NONE)
		return CAUSE_ERROR;
	return cause == CAUSE_HANGUP && !l->joined ? CAUSE_DECLINED : cause;
}

static inline void leg_gone(struct world *w, struct leg *l, enum cause cause)
{
	if (lives(l)) {
		l->cause = cause_of_going(l, cause);
		l->order = ++w->order;
	}
	if (l->dialled)
		l->gone = true;
}

static inline unsigned *timer_bits(struct world *w, enum engine_timer timer, size_t slot)
{
	return engine_timer_has_slot(timer) ? &w->legs[slot].timers : &w->timers;
}

static inline void timer_event(struct world *w, const struct engine_event *ev)
{
	unsigned *bits;

	if (engine_timer_has_slot(ev->timer) && ev->slot >= w->p->count)
		return;
	bits = timer_bits(w, ev->timer, ev->slot);
	if (!(*bits & 1u << ev->timer)) {
		w->event.type = ENGINE_START; /* stale: explains nothing */
		return;
	}
	*bits &= ~(1u << ev->timer);
	w->total_fired |= ev->timer == ENGINE_TIMER_TOTAL;
	w->settle_fired |= ev->timer == ENGINE_TIMER_SETTLE;
	w->talk_fired |= ev->timer == ENGINE_TIMER_TALK;
}

static inline void leg_event(struct world *w, struct leg *l, const struct engine_event *ev)
{
	switch (ev->type) {
	case ENGINE_EARLY:
		l->early = l->early || (lives(l) && !l->answered);
		break;
	case ENGINE_ANSWERED:
		l->answered = l->answered || lives(l);
		break;
	case ENGINE_CONFIRMED:
		l->confirmed = l->confirmed || (lives(l) && l->confirming);
		break;
	case ENGINE_REFUSED:
		l->refused = lives(l) && l->confirming && !l->joined;
		if (!l->refused)
			w->event.type = ENGINE_START; /* explains nothing */
		break;
	case ENGINE_GONE:
		leg_gone(w, l, ev->cause);
		break;
	default:
		break;
	}
}

static inline void take_event(struct world *w, const struct engine_event *ev)
{
	bool joined = w->joins && !w->dones;

	w->event = *ev;
	w->dropped_loser = w->decided = false;
	if (ev->type == ENGINE_TIMER)
		timer_event(w, ev);
	else if (ev->type == ENGINE_CALLER_ANSWERED)
		w->caller_answered |= w->p->has_caller;
	else if (ev->type == ENGINE_KEY)
		w->key_pressed |= joined && ev->key && ev->key == w->p->plan.drop_key;
	else if (ev->slot < w->p->count)
		leg_event(w, &w->legs[ev->slot], ev);
}

/* --- actions, and what must be true of each --- */

static inline void on_dial(struct world *w, size_t slot)
{
	PROMISE(w, slot == w->dialled);
	PROMISE(w, !w->joins && !w->total_fired);
	if (slot && w->p->group_of[slot] != w->p->group_of[slot - 1])
		PROMISE(w, living(w) == 0);
	if (w->p->has_caller && !w->p->plan.answer_on_join)
		PROMISE(w, w->caller_answered);
	w->legs[slot].dialled = true;
	w->dialled = slot + 1;
}

/* Why this leg may be dropped now; NONE when nothing explains it but a lost race or the caller's going. */
static inline enum cause reason_to_drop(const struct world *w, size_t slot)
{
	const struct engine_event *ev = &w->event;

	if (ev->type == ENGINE_REFUSED && ev->slot == slot)
		return ev->cause == CAUSE_NONE ? CAUSE_DECLINED : ev->cause;
	if (ev->type != ENGINE_TIMER)
		return CAUSE_NONE;
	if (ev->timer == ENGINE_TIMER_TOTAL)
		return CAUSE_NO_ANSWER;
	return engine_timer_has_slot(ev->timer) && ev->slot == slot ? CAUSE_NO_ANSWER : CAUSE_NONE;
}

static inline void on_drop(struct world *w, size_t slot, enum cause cause)
{
	struct leg *l = &w->legs[slot];
	enum cause reason = reason_to_drop(w, slot);

	PROMISE(w, lives(l));
	PROMISE(w, l->timers == 0);
	l->dropped = true;
	if (l->joined) {
		PROMISE(w, cause == CAUSE_HANGUP);
		PROMISE(w, w->talk_fired || w->key_pressed || w->event.type == ENGINE_STOP ||
				   w->event.type == ENGINE_CALLER_GONE);
	} else if (reason == CAUSE_NONE) {
		PROMISE(w, cause == CAUSE_CANCEL);
		w->dropped_loser = true;
	} else {
		PROMISE(w, cause == reason);
		l->cause = cause;
		l->order = ++w->order;
		l->dropped_for_time = w->event.type == ENGINE_TIMER;
	}
}

static inline void on_confirm(struct world *w, size_t slot)
{
	struct leg *l = &w->legs[slot];

	PROMISE(w, lives(l) && l->answered && !l->confirming);
	PROMISE(w, w->p->targets[slot].confirm);
	PROMISE(w, w->p->plan.race == PLAN_RACE_CONFIRM || living(w) == 1);
	w->decided |= w->p->plan.race == PLAN_RACE_ANSWER;
	l->confirming = true;
}

static inline void on_join(struct world *w, size_t slot)
{
	struct leg *l = &w->legs[slot];

	PROMISE(w, w->joins == 0);
	PROMISE(w, lives(l) && l->answered);
	PROMISE(w, !w->p->targets[slot].confirm || l->confirmed);
	PROMISE(w, living(w) == 1);
	PROMISE(w, !w->p->has_caller || w->caller_answered);
	PROMISE(w, !w->ringback_on);
	w->joins++;
	w->decided = true;
	l->joined = true;
}

static inline uint32_t limit_of(const struct world *w, enum engine_timer timer, size_t slot)
{
	switch (timer) {
	case ENGINE_TIMER_RING:
		return w->p->targets[slot].ring_ms;
	case ENGINE_TIMER_CONFIRM:
		return w->p->targets[slot].confirm_ms;
	case ENGINE_TIMER_TOTAL:
		return w->p->plan.total_ms;
	case ENGINE_TIMER_TALK:
		return w->p->plan.max_talk_ms;
	case ENGINE_TIMER_SETTLE:
		return 1000;
	}
	return 0;
}

static inline void on_set_timer(struct world *w, const struct engine_action *a)
{
	unsigned *bits = timer_bits(w, a->timer, a->slot);

	PROMISE(w, !(*bits & 1u << a->timer));
	PROMISE(w, a->ms && a->ms == limit_of(w, a->timer, a->slot));
	PROMISE(w, !engine_timer_has_slot(a->timer) || lives(&w->legs[a->slot]));
	*bits |= 1u << a->timer;
}

static inline void on_clear_timer(struct world *w, const struct engine_action *a)
{
	unsigned *bits = timer_bits(w, a->timer, a->slot);

	PROMISE(w, *bits & 1u << a->timer);
	*bits &= ~(1u << a->timer);
}

static inline bool awaits(const struct world *w)
{
	for (size_t i = 0; i < w->dialled; i++) {
		const struct leg *l = &w->legs[i];
		bool for_time = !w->joins && l->dropped_for_time && w->p->group_of[i] == group_now(w);

		if (!l->gone && ((l->joined && l->dropped) || for_time))
			return true;
	}
	return false;
}

static inline int rank(enum cause cause)
{
	static const int ranks[] = {
		[CAUSE_BUSY] = 5,  [CAUSE_DECLINED] = 4, [CAUSE_NO_ANSWER] = 3, [CAUSE_NOT_FOUND] = 2,
		[CAUSE_ERROR] = 2, [CAUSE_CANCEL] = 1,   [CAUSE_HANGUP] = 1
	};

	return ranks[cause];
}

static inline const struct leg *most_telling(const struct world *w)
{
	const struct leg *best = NULL;

	for (size_t i = 0; i < w->dialled; i++) {
		const struct leg *l = &w->legs[i];

		if (w->p->group_of[i] != group_now(w) || l->cause == CAUSE_NONE)
			continue;
		if (!best || rank(l->cause) > rank(best->cause) ||
		    (rank(l->cause) == rank(best->cause) && l->order > best->order))
			best = l;
	}
	return best;
}

static inline void done_failed(struct world *w, const struct engine_action *a)
{
	const struct leg *best = most_telling(w);

	PROMISE(w, a->outcome == ENGINE_FAILED);
	PROMISE(w, w->dialled == w->p->count || w->total_fired);
	PROMISE(w, w->settle_fired || !awaits(w));
	PROMISE(w, best && a->cause == best->cause && &w->legs[a->slot] == best);
}

static inline void done_joined(struct world *w, const struct engine_action *a)
{
	const struct leg *l = &w->legs[a->slot];

	PROMISE(w, a->outcome == ENGINE_COMPLETED);
	PROMISE(w, l->joined);
	PROMISE(w, w->settle_fired || l->gone);
	PROMISE(w, a->cause == (l->dropped ? CAUSE_HANGUP : l->cause));
}

static inline void on_done(struct world *w, const struct engine_action *a)
{
	PROMISE(w, w->dones == 0);
	w->dones++;
	w->done = *a;
	w->decided = true;
	PROMISE(w, living(w) == 0);
	PROMISE(w, w->timers == 0 && !w->ringback_on);
	for (size_t i = 0; i < w->p->count; i++)
		PROMISE(w, w->legs[i].timers == 0);

	if (w->event.type == ENGINE_STOP) {
		PROMISE(w, a->outcome == ENGINE_STOPPED);
		PROMISE(w, a->cause == (w->joins ? CAUSE_HANGUP : CAUSE_CANCEL));
	} else if (w->event.type == ENGINE_CALLER_GONE) {
		PROMISE(w, a->outcome == (w->joins ? ENGINE_COMPLETED : ENGINE_ABANDONED));
		PROMISE(w, a->cause == (w->joins ? CAUSE_HANGUP : CAUSE_CANCEL));
	} else if (w->joins) {
		done_joined(w, a);
	} else {
		done_failed(w, a);
	}
}

static inline void on_early(struct world *w, size_t slot)
{
	PROMISE(w, w->p->has_caller && !w->p->plan.ringback_count);
	PROMISE(w, lives(&w->legs[slot]) && w->legs[slot].early && !w->legs[slot].answered);
	PROMISE(w, living(w) == 1);
	w->tones++;
}

static inline void take_action(struct world *w, const struct engine_action *a)
{
	PROMISE(w, w->dones == 0);
	PROMISE(w, a->slot < w->p->count);
	if (w->broken)
		return;
	switch (a->type) {
	case ENGINE_DIAL:
		on_dial(w, a->slot);
		break;
	case ENGINE_DROP:
		on_drop(w, a->slot, a->cause);
		break;
	case ENGINE_CONFIRM:
		on_confirm(w, a->slot);
		break;
	case ENGINE_JOIN:
		on_join(w, a->slot);
		break;
	case ENGINE_ANSWER_CALLER:
		PROMISE(w, w->p->has_caller && !w->caller_answered);
		w->caller_answered = true;
		break;
	case ENGINE_RING_CALLER:
		PROMISE(w, w->p->has_caller && !w->joins);
		PROMISE(w, !w->caller_answered || !w->p->plan.ringback_count);
		w->tones++;
		break;
	case ENGINE_PASS_EARLY:
		on_early(w, a->slot);
		break;
	case ENGINE_RINGBACK_ON:
		PROMISE(w, w->p->has_caller && w->p->plan.ringback_count && !w->ringback_was);
		w->ringback_on = w->ringback_was = true;
		break;
	case ENGINE_RINGBACK_OFF:
		PROMISE(w, w->ringback_on);
		w->ringback_on = false;
		break;
	case ENGINE_SET_TIMER:
		on_set_timer(w, a);
		break;
	case ENGINE_CLEAR_TIMER:
		on_clear_timer(w, a);
		break;
	case ENGINE_DONE:
		on_done(w, a);
		break;
	}
}

/* What must be true between two events of a connect that has begun and is not done. */
static inline void between(struct world *w)
{
	unsigned ring = 1u << ENGINE_TIMER_RING, confirm = 1u << ENGINE_TIMER_CONFIRM;
	unsigned total = 1u << ENGINE_TIMER_TOTAL, talk = 1u << ENGINE_TIMER_TALK;
	bool settling = w->timers & 1u << ENGINE_TIMER_SETTLE;

	PROMISE(w, settling ? living(w) == 0 && awaits(w) : living(w) > 0); /* else it would hang for ever */
	for (size_t i = 0; i < w->dialled; i++) {
		const struct leg *l = &w->legs[i];

		PROMISE(w, lives(l) || l->timers == 0);
		if (!lives(l))
			continue;
		PROMISE(w, !!(l->timers & ring) == !l->answered);
		PROMISE(w, !(l->timers & confirm) == !(l->confirming && !l->joined && w->p->targets[i].confirm_ms));
		PROMISE(w, !l->answered || l->confirming || l->joined);
		PROMISE(w, !l->refused && (!l->confirmed || l->joined));
	}
	PROMISE(w, !(w->timers & total) == !(w->p->plan.total_ms && !w->joins && !settling));
	PROMISE(w, !(w->timers & talk) == !(w->p->plan.max_talk_ms && w->joins && !settling));
	PROMISE(w, !w->p->plan.ringback_count || !w->p->has_caller || w->ringback_on == !w->joins);
}

static inline bool step(struct world *w, struct engine_event ev)
{
	const struct engine_action *actions = NULL;
	bool was_done = w->dones;
	size_t n;

	log_event(w, &ev);
	if (!was_done)
		take_event(w, &ev);
	n = connect_engine_step(w->e, &ev, &actions);
	w->actions += n;
	for (size_t i = 0; i < n; i++) {
		log_action(w, &actions[i]);
		take_action(w, &actions[i]);
	}
	PROMISE(w, !was_done || n == 0);
	PROMISE(w, connect_engine_done(w->e) == !!w->dones);
	PROMISE(w, !w->dropped_loser || w->decided);
	PROMISE(w, w->actions <= 10 * w->p->count + 12);
	if (w->dialled && !w->dones && !w->broken)
		between(w);
	return !w->broken;
}

#endif

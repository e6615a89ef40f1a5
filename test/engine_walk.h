/* engine_walk: how a walk through an engine_world begins, ends, is counted and, when a promise was broken, printed. A program
 * includes it once. */
#ifndef ENGINE_WALK_H
#define ENGINE_WALK_H

#include "engine_world.h"

static const struct plan_script script = { .url = "https://app.test/confirm" };
static const char *const ringback[] = { "ring:us" };

/* How often things happened, so that a walk that never got anywhere does not pass for a good one. */
struct tally {
	size_t events, walks, joins, failures, abandoned, stopped, settles, races, second_groups;
};

static inline bool world_open(struct world *w, const struct walk_plan *p)
{
	memset(w, 0, offsetof(struct world, log));
	w->p = p;
	w->caller_answered = p->caller_answered;
	return connect_engine_new(&w->e, &p->plan, p->has_caller, p->caller_answered) == 0;
}

static inline void report(const struct world *w)
{
	char text[64];

	fprintf(stderr, "broken: %s\ngroups:", w->broken);
	for (size_t i = 0; i < w->p->plan.group_count; i++)
		fprintf(stderr, " %zu", w->p->groups[i].count);
	fprintf(stderr, "; race by %s, answer on join %d, ringback %zu, caller %d answered %d\n",
		w->p->plan.race == PLAN_RACE_ANSWER ? "answer" : "confirm", w->p->plan.answer_on_join,
		w->p->plan.ringback_count, w->p->has_caller, w->p->caller_answered);
	for (size_t i = 0; i < w->log_count; i++) {
		if (w->log[i].is_action)
			engine_action_text(text, sizeof(text), &w->log[i].action);
		else
			engine_event_text(text, sizeof(text), &w->log[i].event);
		fprintf(stderr, "%s%s\n", w->log[i].is_action ? "      " : "  ", text);
	}
}

static inline struct engine_event slot_event(enum engine_event_type type, size_t slot, enum cause cause)
{
	return (struct engine_event){ .type = type, .slot = (uint16_t)slot, .cause = cause };
}

static inline struct engine_event timer_fires(enum engine_timer timer, size_t slot)
{
	return (struct engine_event){ .type = ENGINE_TIMER, .slot = (uint16_t)slot, .timer = timer };
}

/* Let the world run out: every leg goes, every timer fires; the connect must end by itself. */
static inline bool run_out(struct world *w)
{
	for (int round = 0; round < 8 && !w->dones && !w->broken; round++) {
		step(w, (struct engine_event){ .type = ENGINE_START });
		for (size_t i = 0; i < w->p->count; i++) {
			if (w->legs[i].dialled && !w->legs[i].gone)
				step(w, slot_event(ENGINE_GONE, i, CAUSE_NO_ANSWER));
		}
		if (w->timers & 1u << ENGINE_TIMER_SETTLE)
			step(w, timer_fires(ENGINE_TIMER_SETTLE, 0));
	}
	PROMISE(w, w->dones == 1);
	step(w, (struct engine_event){ .type = ENGINE_STOP });
	step(w, slot_event(ENGINE_ANSWERED, 0, CAUSE_NONE));
	return !w->broken;
}

static inline void count_walk(struct tally *t, const struct world *w)
{
	t->walks++;
	t->joins += w->joins;
	t->failures += w->done.outcome == ENGINE_FAILED;
	t->abandoned += w->done.outcome == ENGINE_ABANDONED;
	t->stopped += w->done.outcome == ENGINE_STOPPED;
	t->settles += w->settle_fired;
	t->second_groups += group_now(w) > 0;
	for (size_t i = 0; i < w->p->count; i++) {
		/* dropped as a loser after it had answered: two were confirming at once */
		if (w->joins && w->legs[i].answered && w->legs[i].dropped && w->legs[i].cause == CAUSE_NONE &&
		    !w->legs[i].joined)
			t->races++;
	}
}

static inline uint64_t number_from(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

#endif

/* Walks the connect engine through random plans and events, and through every interleaving of short length, beside
 * a small world that keeps the promises of connect_engine.h in mind and knows nothing of how they are kept.
 *
 * WALK_EVENTS: events of the random walk (50,000). From 1,000,000 on, the enumeration goes a step deeper too.
 * SEED: of the first walk; a failure prints the seed of its walk. */
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

static const struct plan_script script = { .url = "https://app.test/confirm" };
static const char *const ringback[] = { "ring:us" };

/* How often things happened, so that a walk that never got anywhere does not pass for a good one. */
struct tally {
	size_t events, walks, joins, failures, abandoned, stopped, settles, races, second_groups;
};

static void log_event(struct world *w, const struct engine_event *ev)
{
	if (w->log_count == MAX_LOG)
		return;
	w->log[w->log_count].is_action = false;
	w->log[w->log_count++].event = *ev;
}

static void log_action(struct world *w, const struct engine_action *a)
{
	if (w->log_count == MAX_LOG)
		return;
	w->log[w->log_count].is_action = true;
	w->log[w->log_count++].action = *a;
}

static void broken(struct world *w, const char *promise)
{
	if (!w->broken)
		w->broken = promise;
}

#define PROMISE(w, cond)                                                                                               \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			broken(w, #cond);                                                                              \
	} while (0)

static bool lives(const struct leg *l)
{
	return l->dialled && !l->dropped && !l->gone;
}

static size_t living(const struct world *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->p->count; i++)
		n += lives(&w->legs[i]);
	return n;
}

static size_t group_now(const struct world *w)
{
	return w->dialled ? w->p->group_of[w->dialled - 1] : 0;
}

/* --- events, as the world understands them --- */

static enum cause cause_of_going(const struct leg *l, enum cause cause)
{
	if (cause == CAUSE_NONE)
		return CAUSE_ERROR;
	return cause == CAUSE_HANGUP && !l->joined ? CAUSE_DECLINED : cause;
}

static void leg_gone(struct world *w, struct leg *l, enum cause cause)
{
	if (lives(l)) {
		l->cause = cause_of_going(l, cause);
		l->order = ++w->order;
	}
	if (l->dialled)
		l->gone = true;
}

static unsigned *timer_bits(struct world *w, enum engine_timer timer, size_t slot)
{
	return engine_timer_has_slot(timer) ? &w->legs[slot].timers : &w->timers;
}

static void timer_event(struct world *w, const struct engine_event *ev)
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

static void leg_event(struct world *w, struct leg *l, const struct engine_event *ev)
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

static void take_event(struct world *w, const struct engine_event *ev)
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

static void on_dial(struct world *w, size_t slot)
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
static enum cause reason_to_drop(const struct world *w, size_t slot)
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

static void on_drop(struct world *w, size_t slot, enum cause cause)
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

static void on_confirm(struct world *w, size_t slot)
{
	struct leg *l = &w->legs[slot];

	PROMISE(w, lives(l) && l->answered && !l->confirming);
	PROMISE(w, w->p->targets[slot].confirm);
	PROMISE(w, w->p->plan.race == PLAN_RACE_CONFIRM || living(w) == 1);
	w->decided |= w->p->plan.race == PLAN_RACE_ANSWER;
	l->confirming = true;
}

static void on_join(struct world *w, size_t slot)
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

static uint32_t limit_of(const struct world *w, enum engine_timer timer, size_t slot)
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

static void on_set_timer(struct world *w, const struct engine_action *a)
{
	unsigned *bits = timer_bits(w, a->timer, a->slot);

	PROMISE(w, !(*bits & 1u << a->timer));
	PROMISE(w, a->ms && a->ms == limit_of(w, a->timer, a->slot));
	PROMISE(w, !engine_timer_has_slot(a->timer) || lives(&w->legs[a->slot]));
	*bits |= 1u << a->timer;
}

static void on_clear_timer(struct world *w, const struct engine_action *a)
{
	unsigned *bits = timer_bits(w, a->timer, a->slot);

	PROMISE(w, *bits & 1u << a->timer);
	*bits &= ~(1u << a->timer);
}

static bool awaits(const struct world *w)
{
	for (size_t i = 0; i < w->dialled; i++) {
		const struct leg *l = &w->legs[i];
		bool for_time = !w->joins && l->dropped_for_time && w->p->group_of[i] == group_now(w);

		if (!l->gone && ((l->joined && l->dropped) || for_time))
			return true;
	}
	return false;
}

static int rank(enum cause cause)
{
	static const int ranks[] = {
		[CAUSE_BUSY] = 5,  [CAUSE_DECLINED] = 4, [CAUSE_NO_ANSWER] = 3, [CAUSE_NOT_FOUND] = 2,
		[CAUSE_ERROR] = 2, [CAUSE_CANCEL] = 1,   [CAUSE_HANGUP] = 1
	};

	return ranks[cause];
}

static const struct leg *most_telling(const struct world *w)
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

static void done_failed(struct world *w, const struct engine_action *a)
{
	const struct leg *best = most_telling(w);

	PROMISE(w, a->outcome == ENGINE_FAILED);
	PROMISE(w, w->dialled == w->p->count || w->total_fired);
	PROMISE(w, w->settle_fired || !awaits(w));
	PROMISE(w, best && a->cause == best->cause && &w->legs[a->slot] == best);
}

static void done_joined(struct world *w, const struct engine_action *a)
{
	const struct leg *l = &w->legs[a->slot];

	PROMISE(w, a->outcome == ENGINE_COMPLETED);
	PROMISE(w, l->joined);
	PROMISE(w, w->settle_fired || l->gone);
	PROMISE(w, a->cause == (l->dropped ? CAUSE_HANGUP : l->cause));
}

static void on_done(struct world *w, const struct engine_action *a)
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

static void on_early(struct world *w, size_t slot)
{
	PROMISE(w, w->p->has_caller && !w->p->plan.ringback_count);
	PROMISE(w, lives(&w->legs[slot]) && w->legs[slot].early && !w->legs[slot].answered);
	PROMISE(w, living(w) == 1);
	w->tones++;
}

static void take_action(struct world *w, const struct engine_action *a)
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
static void between(struct world *w)
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

static bool step(struct world *w, struct engine_event ev)
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

/* --- worlds --- */

static bool world_open(struct world *w, const struct walk_plan *p)
{
	memset(w, 0, offsetof(struct world, log));
	w->p = p;
	w->caller_answered = p->caller_answered;
	return connect_engine_new(&w->e, &p->plan, p->has_caller, p->caller_answered) == 0;
}

static void report(const struct world *w)
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

static struct engine_event slot_event(enum engine_event_type type, size_t slot, enum cause cause)
{
	return (struct engine_event){ .type = type, .slot = (uint16_t)slot, .cause = cause };
}

static struct engine_event timer_fires(enum engine_timer timer, size_t slot)
{
	return (struct engine_event){ .type = ENGINE_TIMER, .slot = (uint16_t)slot, .timer = timer };
}

/* Let the world run out: every leg goes, every timer fires; the connect must end by itself. */
static bool run_out(struct world *w)
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

/* --- random walks --- */

static uint64_t random_next(uint64_t *state) /* splitmix64 */
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static unsigned random_below(uint64_t *state, unsigned below)
{
	return (unsigned)(random_next(state) % below);
}

static bool chance(uint64_t *state, unsigned percent)
{
	return random_below(state, 100) < percent;
}

static void random_plan(struct walk_plan *p, uint64_t *r)
{
	memset(p, 0, sizeof(*p));
	p->plan.groups = p->groups;
	p->plan.group_count = 1 + random_below(r, MAX_GROUPS);
	for (size_t g = 0; g < p->plan.group_count; g++) {
		p->groups[g].targets = &p->targets[p->count];
		p->groups[g].count = 1 + random_below(r, 3);
		for (size_t i = 0; i < p->groups[g].count; i++, p->count++) {
			struct plan_target *t = &p->targets[p->count];

			p->group_of[p->count] = g;
			t->address = "sip:a@example.test";
			t->ring_ms = 1 + random_below(r, 60000);
			t->confirm = chance(r, 50) ? &script : NULL;
			t->confirm_ms = chance(r, 70) ? 1 + random_below(r, 60000) : 0;
		}
	}
	p->plan.race = chance(r, 50) ? PLAN_RACE_ANSWER : PLAN_RACE_CONFIRM;
	p->plan.answer_on_join = chance(r, 50);
	p->plan.drop_key = chance(r, 50) ? '*' : 0;
	p->plan.ringback = ringback;
	p->plan.ringback_count = chance(r, 30);
	p->plan.total_ms = chance(r, 40) ? 90000 : 0;
	p->plan.max_talk_ms = chance(r, 50) ? 14400000 : 0;
	p->has_caller = chance(r, 85);
	p->caller_answered = p->has_caller && chance(r, 50);
}

static struct engine_event any_event(const struct walk_plan *p, uint64_t *r)
{
	struct engine_event ev = { .type = (enum engine_event_type)random_below(r, ENGINE_CALLER_ANSWERED + 1),
				   .slot = (uint16_t)random_below(r, (unsigned)p->count + 2),
				   .cause = (enum cause)random_below(r, CAUSE_ERROR + 1),
				   .timer = (enum engine_timer)random_below(r, ENGINE_TIMER_SETTLE + 1),
				   .key = "*#1"[random_below(r, 3)] };

	if (chance(r, 2))
		ev.type = chance(r, 50) ? ENGINE_STOP : ENGINE_CALLER_GONE;
	return ev;
}

/* Something that a leg now dialled might do. */
static struct engine_event likely_event(const struct world *w, uint64_t *r)
{
	static const enum engine_event_type types[] = { ENGINE_RINGING, ENGINE_EARLY, ENGINE_ANSWERED, ENGINE_CONFIRMED,
							ENGINE_REFUSED, ENGINE_GONE,  ENGINE_TIMER };
	struct engine_event ev = any_event(w->p, r);
	size_t tries = 0;

	do {
		ev.slot = (uint16_t)random_below(r, (unsigned)w->p->count);
	} while (!lives(&w->legs[ev.slot]) && tries++ < 8);
	ev.type = types[random_below(r, ARRAY_LEN(types))];
	if (ev.type == ENGINE_TIMER && chance(r, 60))
		ev.timer = w->legs[ev.slot].answered ? ENGINE_TIMER_CONFIRM : ENGINE_TIMER_RING;
	if (ev.type == ENGINE_REFUSED && ev.cause != CAUSE_ERROR)
		ev.cause = CAUSE_DECLINED;
	return ev;
}

static void count_walk(struct tally *t, const struct world *w)
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

static bool walk(uint64_t seed, struct tally *t)
{
	struct walk_plan p;
	struct world w;
	bool good;

	random_plan(&p, &seed);
	assert_true(world_open(&w, &p));
	if (chance(&seed, 98))
		step(&w, (struct engine_event){ .type = ENGINE_START });
	for (int i = 0; i < 40 && !w.dones && !w.broken; i++) {
		step(&w, chance(&seed, 80) ? likely_event(&w, &seed) : any_event(&p, &seed));
		t->events++;
	}
	good = !w.broken && run_out(&w);
	count_walk(t, &w);
	if (!good)
		report(&w);
	connect_engine_free(&w.e);
	return good;
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static void random_walks_keep_every_promise(void **state)
{
	uint64_t limit = number_from("WALK_EVENTS", 50000), seed = number_from("SEED", 1);
	struct tally t = { 0 };

	(void)state;
	for (; t.events < limit; seed++) {
		if (!walk(seed, &t)) {
			fprintf(stderr, "replay with SEED=%llu WALK_EVENTS=1\n", (unsigned long long)seed);
			CHECK(!"a promise was broken");
			return;
		}
	}
	fprintf(stderr,
		"# %zu events in %zu walks: %zu joined, %zu failed, %zu abandoned, %zu stopped, %zu settled by time, "
		"%zu races of answered legs, %zu beyond the first group\n",
		t.events, t.walks, t.joins, t.failures, t.abandoned, t.stopped, t.settles, t.races, t.second_groups);
	if (limit < 10000)
		return; /* a replay */
	CHECK(t.joins && t.failures && t.abandoned && t.stopped && t.settles && t.races && t.second_groups);
}

/* --- every interleaving --- */

enum { MAX_DEPTH = 8 };

/* All that may happen next in this world; what cannot (a timer that is not set, a leg that is not there) is left to
 * the random walks. */
static size_t possible(const struct world *w, struct engine_event *out)
{
	size_t n = 0;

	for (size_t i = 0; i < w->dialled; i++) {
		const struct leg *l = &w->legs[i];

		if (l->gone)
			continue;
		if (!l->early && !l->answered)
			out[n++] = slot_event(ENGINE_EARLY, i, CAUSE_NONE);
		if (!l->answered)
			out[n++] = slot_event(ENGINE_ANSWERED, i, CAUSE_NONE);
		if (l->confirming && !l->joined) {
			out[n++] = slot_event(ENGINE_CONFIRMED, i, CAUSE_NONE);
			out[n++] = slot_event(ENGINE_REFUSED, i, CAUSE_DECLINED);
		}
		out[n++] = slot_event(ENGINE_GONE, i, i % 2 ? CAUSE_BUSY : CAUSE_HANGUP);
		if (l->timers & 1u << ENGINE_TIMER_RING)
			out[n++] = timer_fires(ENGINE_TIMER_RING, i);
		if (l->timers & 1u << ENGINE_TIMER_CONFIRM)
			out[n++] = timer_fires(ENGINE_TIMER_CONFIRM, i);
	}
	for (int t = ENGINE_TIMER_TOTAL; t <= ENGINE_TIMER_SETTLE; t++) {
		if (w->timers & 1u << t)
			out[n++] = timer_fires((enum engine_timer)t, 0);
	}
	if (w->joins && w->p->plan.drop_key)
		out[n++] = (struct engine_event){ .type = ENGINE_KEY, .key = w->p->plan.drop_key };
	if (w->p->has_caller && !w->caller_answered)
		out[n++] = (struct engine_event){ .type = ENGINE_CALLER_ANSWERED };
	out[n++] = (struct engine_event){ .type = ENGINE_CALLER_GONE };
	out[n++] = (struct engine_event){ .type = ENGINE_STOP };
	return n;
}

/* The engine cannot be copied, and need not be: a path is walked again from its start. */
static bool replay(struct world *w, const struct walk_plan *p, const struct engine_event *path, size_t n)
{
	assert_true(world_open(w, p));
	step(w, (struct engine_event){ .type = ENGINE_START });
	for (size_t i = 0; i < n; i++)
		step(w, path[i]);
	return !w->broken;
}

static bool enumerate(const struct walk_plan *p, struct engine_event *path, size_t at, size_t depth, struct tally *t)
{
	struct engine_event next[16 * MAX_SLOTS];
	size_t n = 0;
	struct world w;
	bool good = replay(&w, p, path, at);

	t->events++;
	if (good && at < depth && !w.dones)
		n = possible(&w, next);
	else if (good)
		good = run_out(&w);
	if (!n && good)
		count_walk(t, &w);
	if (!good)
		report(&w);
	connect_engine_free(&w.e);
	for (size_t i = 0; i < n && good; i++) {
		path[at] = next[i];
		good = enumerate(p, path, at + 1, depth, t);
	}
	return good;
}

struct shape {
	const char *name;
	size_t groups[3];
	size_t depth;
	enum plan_race race;
	unsigned confirms; /* bit i: target i has a confirm script */
	bool answer_on_join, key, ringback, total, talk;
};

static void plan_of_shape(struct walk_plan *p, const struct shape *s)
{
	memset(p, 0, sizeof(*p));
	p->plan.groups = p->groups;
	for (size_t g = 0; g < ARRAY_LEN(s->groups) && s->groups[g]; g++) {
		p->groups[g].targets = &p->targets[p->count];
		p->groups[g].count = s->groups[g];
		p->plan.group_count++;
		for (size_t i = 0; i < s->groups[g]; i++, p->count++) {
			p->group_of[p->count] = g;
			p->targets[p->count] =
				(struct plan_target){ .address = "sip:a@example.test",
						      .ring_ms = 30000,
						      .confirm = s->confirms & 1u << p->count ? &script : NULL,
						      .confirm_ms = 20000 };
		}
	}
	p->plan.race = s->race;
	p->plan.answer_on_join = s->answer_on_join;
	p->plan.drop_key = s->key ? '*' : 0;
	p->plan.ringback = ringback;
	p->plan.ringback_count = s->ringback;
	p->plan.total_ms = s->total ? 90000 : 0;
	p->plan.max_talk_ms = s->talk ? 14400000 : 0;
	p->has_caller = true;
}

static void every_short_interleaving_keeps_every_promise(void **state)
{
	static const struct shape shapes[] = {
		{ .name = "one", .groups = { 1 }, .depth = 7, .total = true, .talk = true, .key = true },
		{ .name = "one confirmed", .groups = { 1 }, .depth = 7, .confirms = 1, .answer_on_join = true },
		{ .name = "two at once", .groups = { 2 }, .depth = 6, .answer_on_join = true, .ringback = true },
		{ .name = "two confirming", .groups = { 2 }, .depth = 6, .race = PLAN_RACE_CONFIRM, .confirms = 3 },
		{ .name = "two, first answer", .groups = { 2 }, .depth = 6, .race = PLAN_RACE_ANSWER, .confirms = 3 },
		{ .name = "two in order", .groups = { 1, 1 }, .depth = 6, .confirms = 1, .talk = true },
		{ .name = "one, then two",
		  .groups = { 1, 2 },
		  .depth = 5,
		  .race = PLAN_RACE_CONFIRM,
		  .confirms = 6,
		  .total = true },
		{ .name = "two, then one", .groups = { 2, 1 }, .depth = 5, .race = PLAN_RACE_ANSWER, .confirms = 5 },
		{ .name = "three at once",
		  .groups = { 3 },
		  .depth = 5,
		  .race = PLAN_RACE_CONFIRM,
		  .confirms = 5,
		  .total = true },
	};
	size_t deeper = number_from("WALK_EVENTS", 50000) >= 1000000 ? 1 : 0;
	struct engine_event path[MAX_DEPTH];
	struct tally t = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		size_t before = t.events;
		struct walk_plan p;

		plan_of_shape(&p, &shapes[i]);
		if (!enumerate(&p, path, 0, shapes[i].depth + deeper, &t)) {
			fprintf(stderr, "shape: %s\n", shapes[i].name);
			CHECK(!"a promise was broken");
			return;
		}
		fprintf(stderr, "# %s: %zu interleavings to depth %zu\n", shapes[i].name, t.events - before,
			shapes[i].depth + deeper);
	}
	CHECK(t.joins && t.failures && t.abandoned && t.stopped && t.settles && t.races && t.second_groups);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(random_walks_keep_every_promise),
		TEST(every_short_interleaving_keeps_every_promise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

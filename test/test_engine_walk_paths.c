/* Walks the connect engine through every interleaving of short length.
 *
 * WALK_EVENTS: from 1,000,000 on, a step deeper. */
#include "engine_walk.h"

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
		TEST(every_short_interleaving_keeps_every_promise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

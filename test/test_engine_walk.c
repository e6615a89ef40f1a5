/* Walks the connect engine through random plans and events.
 *
 * WALK_EVENTS: their events (50,000). SEED: of the first walk; a failure prints the seed of its walk. */
#include "engine_walk.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(random_walks_keep_every_promise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

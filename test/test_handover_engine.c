/* The decisions of a transfer: rows for each, then every short order of events, then long ones at random. */
#include "check.h"

#include <stdlib.h>

#include "op/handover_engine.h"

struct run { /* what a carrier would have seen */
	struct handover_engine e;
	bool dialled[HANDOVER_TARGETS], dropped[HANDOVER_TARGETS], gone[HANDOVER_TARGETS], answered[HANDOVER_TARGETS];
	int joins, fails, comforts, finals, last_status;
	uint16_t joined;
	bool alone;
};

static bool lives(const struct run *r, size_t i)
{
	return r->dialled[i] && !r->dropped[i] && !r->gone[i];
}

static void act(struct run *r, const struct handover_action *a)
{
	CHECK(!r->joins && !r->fails); /* nothing behind the end */
	switch (a->type) {
	case HANDOVER_DIAL:
		CHECK(!r->dialled[a->target]);
		r->dialled[a->target] = true;
		break;
	case HANDOVER_DROP:
		CHECK(lives(r, a->target));
		r->dropped[a->target] = true;
		break;
	case HANDOVER_TELL:
		CHECK(!r->finals && a->status > 100 && a->status < 700);
		r->finals += a->status >= 200;
		r->last_status = a->status;
		break;
	case HANDOVER_COMFORT:
		r->comforts++;
		break;
	case HANDOVER_JOIN:
		CHECK(lives(r, a->target) && r->answered[a->target] && r->last_status == 200);
		r->joined = a->target;
		r->joins++;
		break;
	case HANDOVER_FAIL:
		CHECK_INT(1, r->finals);
		CHECK(r->last_status >= 400);
		r->alone = a->alone;
		r->fails++;
		break;
	}
}

static void feed(struct run *r, const struct handover_event *ev)
{
	const struct handover_action *actions;
	size_t n;

	if (ev->type == HANDOVER_GONE && lives(r, ev->target) && !r->joins && !r->fails)
		r->gone[ev->target] = true;
	if (ev->type == HANDOVER_ANSWERED && lives(r, ev->target))
		r->answered[ev->target] = true;
	n = handover_engine_step(&r->e, ev, &actions);
	for (size_t i = 0; i < n; i++)
		act(r, &actions[i]);
}

/* What must hold behind any event. */
static void check_all(const struct run *r, size_t count, bool left)
{
	CHECK(r->joins + r->fails <= 1 && r->comforts <= 1);
	CHECK_INT(r->joins + r->fails, r->finals);
	for (size_t i = 0; i < count && (r->joins || r->fails); i++)
		CHECK(!lives(r, i) || (r->joins && i == r->joined));
	if (r->fails)
		CHECK_INT(left, r->alone);
}

static void rows_of_events(void **state)
{
	static const struct {
		const char *
			events; /* s start, r ringing, a answered, b busy, n no answer, t timeout, l left, x lost; digits: target */
		size_t count;
		int joins, fails, status, comforts;
	} rows[] = {
		{ "s", 1, 0, 0, 0, 0 },           { "sr0", 1, 0, 0, 180, 0 },   { "sr0a0", 1, 1, 0, 200, 0 },
		{ "sa0b0", 1, 1, 0, 200, 0 },     { "sb0", 1, 0, 1, 486, 0 },   { "sn0", 1, 0, 1, 480, 0 },
		{ "st0", 1, 0, 1, 408, 0 },       { "t0sr0", 1, 0, 0, 180, 0 }, { "sx0", 1, 0, 1, 487, 0 },
		{ "x0s", 1, 0, 1, 487, 0 },       { "sl0", 1, 0, 0, 0, 1 },     { "sl0l0a0", 1, 1, 0, 200, 1 },
		{ "sl0b0", 1, 0, 1, 486, 1 },     { "sr0r1", 2, 0, 0, 180, 0 }, { "sb0", 2, 0, 0, 0, 0 },
		{ "sb0n1", 2, 0, 1, 486, 0 },     { "sn0b1", 2, 0, 1, 486, 0 }, { "sb0a1", 2, 1, 0, 200, 0 },
		{ "sa1a0", 2, 1, 0, 200, 0 },     { "sb0b0a0", 2, 0, 0, 0, 0 }, { "a0sa7", 2, 0, 0, 0, 0 },
		{ "sn0n1n2b2", 3, 0, 1, 480, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		static const char letters[] = "sra*tlx";
		struct run r = { .joins = 0 };

		handover_engine_init(&r.e, rows[i].count);
		for (const char *p = rows[i].events; *p; p++) {
			struct handover_event ev = { .type = HANDOVER_GONE };

			if (*p == 'b') {
				ev.status = 486;
				ev.cause = CAUSE_BUSY;
			} else if (*p == 'n') {
				ev.status = 480;
				ev.cause = CAUSE_NO_ANSWER;
			} else {
				ev.type = (enum handover_event_type)(strchr(letters, *p) - letters);
			}
			if (p[1] >= '0' && p[1] <= '9')
				ev.target = (uint16_t)(*++p - '0');
			feed(&r, &ev);
		}
		CHECK_INT(rows[i].joins, r.joins);
		CHECK_INT(rows[i].fails, r.fails);
		CHECK_INT(rows[i].status, r.last_status);
		CHECK_INT(rows[i].comforts, r.comforts);
	}
}

static struct handover_event event_of(unsigned n, size_t count)
{
	static const enum handover_event_type types[] = { HANDOVER_START, HANDOVER_RINGING, HANDOVER_ANSWERED,
							  HANDOVER_GONE,  HANDOVER_TIMEOUT, HANDOVER_LEFT,
							  HANDOVER_LOST };
	struct handover_event ev = { .type = types[n % ARRAY_LEN(types)],
				     .target = (uint16_t)(n / ARRAY_LEN(types) % count) };

	if (ev.type == HANDOVER_GONE) {
		ev.status = n & 64 ? 486 : 480;
		ev.cause = n & 64 ? CAUSE_BUSY : CAUSE_NO_ANSWER;
	}
	return ev;
}

/* All orders of six events about two targets. */
static void every_short_order(void **state)
{
	enum { KINDS = 14, LENGTH = 6 };
	unsigned total = 1;

	for (int i = 0; i < LENGTH; i++)
		total *= KINDS;
	for (unsigned order = 0; order < total && !check_bad; order++) {
		struct run r = { .joins = 0 };
		bool left = false;

		handover_engine_init(&r.e, 2);
		for (unsigned i = 0, rest = order; i < LENGTH; i++, rest /= KINDS) {
			struct handover_event ev = event_of(rest % KINDS, 2);

			left |= ev.type == HANDOVER_LEFT && !r.joins && !r.fails;
			feed(&r, &ev);
		}
		check_all(&r, 2, left);
	}
}

static void long_ones_at_random(void **state)
{
	unsigned joins = 0, fails = 0;
	uint32_t x = 1;

	for (unsigned walk = 0; walk < 100000 && !check_bad; walk++) {
		struct run r = { .joins = 0 };
		size_t count = 1 + walk % HANDOVER_TARGETS;
		bool left = false;

		handover_engine_init(&r.e, count);
		for (int i = 0; i < 30; i++) {
			struct handover_event ev;

			x = x * 1664525 + 1013904223;
			ev = event_of(x >> 8, count);
			if (ev.type >= HANDOVER_TIMEOUT && x >> 28)
				continue; /* seldom, or nothing else would be seen */
			left |= ev.type == HANDOVER_LEFT && !r.joins && !r.fails;
			feed(&r, &ev);
			check_all(&r, count, left);
		}
		joins += (unsigned)r.joins;
		fails += (unsigned)r.fails;
	}
	CHECK(joins > 1000 && fails > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rows_of_events),
		TEST(every_short_order),
		TEST(long_ones_at_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "call/limits.h"
#include "check.h"

/* So many of `offered` calls at this instant are taken. */
static unsigned offer(const struct call_limits *l, struct limits_bucket *b, unsigned offered, uint64_t now_ms)
{
	unsigned taken = 0;

	for (unsigned i = 0; i < offered; i++)
		taken += limits_refuse(l, b, 0, now_ms) == NULL;
	return taken;
}

static void places_are_counted(void **state)
{
	static const struct {
		uint32_t max_calls;
		size_t live;
		const char *why;
	} rows[] = {
		{ 0, 1000000, NULL },
		{ 1, 0, NULL },
		{ 1, 1, "limits.max_calls is reached" },
		{ 5, 4, NULL },
		{ 5, 5, "limits.max_calls is reached" },
		{ 5, 6, "limits.max_calls is reached" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct call_limits l = { .max_calls = rows[i].max_calls };
		struct limits_bucket b = { 0 };
		const char *why = limits_refuse(&l, &b, rows[i].live, 1000);

		CHECK_STR(rows[i].why ? rows[i].why : "", why ? why : "");
	}
}

static void a_second_holds_so_many_calls(void **state)
{
	static const struct {
		uint32_t rate;
		uint64_t at_ms[6];
		unsigned taken[6]; /* of 1000 offered at that time */
	} rows[] = {
		{ 10, { 0, 0, 99, 100, 1100, 100000 }, { 10, 0, 0, 1, 10, 10 } },
		{ 10, { 1000, 1050, 1100, 1150, 1300, 1300 }, { 10, 0, 1, 0, 2, 0 } },
		{ 1, { 5, 1004, 1005, 1006, 2005, 9000 }, { 1, 0, 1, 0, 1, 1 } },
		{ 200, { 0, 5, 10, 12, 15, 20 }, { 200, 1, 1, 0, 1, 1 } },
		{ 0, { 0, 0, 0, 0, 0, 0 }, { 1000, 1000, 1000, 1000, 1000, 1000 } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct call_limits l = { .calls_per_second = rows[i].rate };
		struct limits_bucket b = { 0 };

		for (size_t k = 0; k < ARRAY_LEN(rows[i].at_ms); k++)
			CHECK_INT(rows[i].taken[k], offer(&l, &b, 1000, rows[i].at_ms[k]));
	}
}

/* Over ten seconds of steady surplus exactly the first second's worth and the rate go through. */
static void surplus_does_not_lower_the_rate(void **state)
{
	struct call_limits l = { .calls_per_second = 50 };
	struct limits_bucket b = { 0 };
	unsigned taken = 0;

	for (uint64_t ms = 1000; ms <= 11000; ms++)
		taken += offer(&l, &b, 1, ms);
	CHECK_INT(50 + 500, taken);
}

/* What is refused for want of a place takes nothing from the bucket; a smaller rate after a reload holds at once. */
static void limits_do_not_disturb_each_other(void **state)
{
	struct call_limits l = { .max_calls = 1, .calls_per_second = 2 };
	struct limits_bucket b = { 0 };

	for (int i = 0; i < 10; i++)
		CHECK_STR("limits.max_calls is reached", limits_refuse(&l, &b, 1, 1000));
	CHECK_INT(2, offer(&l, &b, 5, 1000));
	l.calls_per_second = 1;
	CHECK_INT(0, offer(&l, &b, 5, 2000));
	CHECK_INT(1, offer(&l, &b, 5, 3000));
	l.calls_per_second = 10;
	CHECK_INT(9, offer(&l, &b, 20, 3000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(places_are_counted),
		TEST(a_second_holds_so_many_calls),
		TEST(surplus_does_not_lower_the_rate),
		TEST(limits_do_not_disturb_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "check.h"

#include <stdalign.h>

#include "base/arena.h"

static bool all_zero(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

static void blocks_are_zeroed_aligned_and_apart(void **state)
{
	static const size_t firsts[] = { 0, 1, 100, 4096, 100000 };

	for (size_t f = 0; f < ARRAY_LEN(firsts); f++) {
		unsigned char *blocks[400];
		struct arena *a = NULL;
		size_t asked = 0;

		CHECK_INT(0, arena_new(&a, firsts[f], 0));
		CHECK_INT(0, arena_used(a));
		for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
			size_t n = i * i % 1777 + (i % 100 == 50 ? 200000 : 0);

			blocks[i] = arena_alloc(a, n);
			asked += n;
			CHECK(blocks[i] != NULL);
			CHECK((uintptr_t)blocks[i] % alignof(max_align_t) == 0);
			CHECK(all_zero(blocks[i], n));
			memset(blocks[i], (int)i, n);
		}
		for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
			size_t n = i * i % 1777 + (i % 100 == 50 ? 200000 : 0);

			CHECK(!n || (blocks[i][0] == (i & 0xff) && blocks[i][n - 1] == (i & 0xff)));
		}
		CHECK(arena_used(a) >= asked && arena_used(a) < asked + 20 * ARRAY_LEN(blocks));
		arena_free(&a);
		CHECK(!a);
		arena_free(&a);
	}
}

static void the_limit_holds(void **state)
{
	struct arena *a = NULL;
	size_t sum = 0;

	CHECK_INT(0, arena_new(&a, 0, 10000));
	CHECK(!arena_alloc(a, 10001));
	while (arena_alloc(a, 100))
		sum += 100;
	CHECK(sum > 8000 && sum <= 10000);
	CHECK(arena_used(a) <= 10000);
	CHECK(arena_alloc(a, 1) || arena_used(a) > 10000 - 16);
	arena_free(&a);
}

static void absurd_sizes_are_refused(void **state)
{
	struct arena *a = NULL, *none = NULL;

	CHECK(arena_new(&none, SIZE_MAX, 0) != 0);
	CHECK(!none);
	CHECK_INT(0, arena_new(&a, 0, 0));
	CHECK(!arena_alloc(a, SIZE_MAX));
	CHECK(!arena_alloc(a, SIZE_MAX - 15));
	CHECK(!arena_alloc(a, SIZE_MAX / 2 + 1));
	CHECK(arena_alloc(a, 0) != NULL);
	CHECK(arena_alloc(a, 8) != NULL);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(blocks_are_zeroed_aligned_and_apart),
		TEST(the_limit_holds),
		TEST(absurd_sizes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "check.h"

#include <errno.h>

#include "base/handle.h"

static void stale_ids_find_nothing(void **state)
{
	struct handle_table *t = NULL;
	int a = 1, b = 2;
	uint64_t first = 0, id = 0;

	CHECK_INT(0, handle_table_new(&t, 1));
	CHECK(!handle_get(t, 0));
	CHECK(!handle_get(t, 1ULL << 32));
	CHECK_INT(0, handle_add(t, &a, &first));
	CHECK(first != 0);
	CHECK(handle_get(t, first) == &a);
	id = 99;
	CHECK_INT(ENOSPC, handle_add(t, &b, &id));
	CHECK_INT(99, id);
	CHECK(handle_remove(t, first) == &a);
	CHECK(!handle_get(t, first));
	CHECK(!handle_remove(t, first));
	CHECK_INT(0, handle_add(t, &b, &id)); /* the same slot, another generation */
	CHECK_INT((uint32_t)first, (uint32_t)id);
	CHECK(id != first);
	CHECK(!handle_get(t, first));
	CHECK(handle_get(t, id) == &b);
	CHECK(!handle_get(t, id + 1));
	CHECK(!handle_get(t, id + (1ULL << 32)));
	CHECK_INT(1, handle_count(t));
	handle_table_free(&t);
	CHECK(!t);
	handle_table_free(&t);
}

static void many_objects_come_and_go(void **state)
{
	static int objects[5000];
	static uint64_t ids[5000], old[5000];
	struct handle_table *t = NULL;
	uint32_t x = 1;
	size_t live = 0;

	handle_table_new(&t, 0);
	for (int round = 0; round < 100000; round++) {
		size_t i = (x = x * 1664525 + 1013904223) >> 8;

		i %= ARRAY_LEN(objects);
		if (ids[i]) {
			CHECK(handle_remove(t, ids[i]) == &objects[i]);
			old[i] = ids[i];
			ids[i] = 0;
			live--;
		} else {
			CHECK_INT(0, handle_add(t, &objects[i], &ids[i]));
			CHECK(ids[i] != 0);
			live++;
		}
		CHECK_INT(live, handle_count(t));
	}
	for (size_t i = 0; i < ARRAY_LEN(objects); i++) {
		CHECK(handle_get(t, ids[i]) == (ids[i] ? &objects[i] : NULL));
		CHECK(!handle_get(t, old[i]));
	}
	handle_table_free(&t);
}

static void the_limit_is_exact(void **state)
{
	struct handle_table *t = NULL;
	uint64_t id;
	int object, n = 0;

	handle_table_new(&t, 37);
	while (!handle_add(t, &object, &id))
		n++;
	CHECK_INT(37, n);
	handle_table_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(stale_ids_find_nothing),
		TEST(many_objects_come_and_go),
		TEST(the_limit_is_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

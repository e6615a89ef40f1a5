#include "check.h"

#include <errno.h>

#include "base/map.h"

static struct str key(char out[24], unsigned i)
{
	snprintf(out, 24, "call-%u@host", i);
	return str_of(out);
}

static void keys_come_and_go(void **state)
{
	int one = 1, two = 2;
	char text[] = "alpha";
	struct map *m = NULL;

	CHECK_INT(0, map_new(&m, 42));
	CHECK(!map_get(m, STR("alpha")));
	CHECK(!map_take(m, STR("alpha")));
	CHECK_INT(0, map_put(m, str_of(text), &one));
	CHECK_INT(EEXIST, map_put(m, STR("alpha"), &two));
	CHECK(map_get(m, STR("alpha")) == &one);
	memset(text, 'x', 5); /* the key was copied */
	CHECK(map_get(m, STR("alpha")) == &one);
	CHECK(!map_get(m, STR("Alpha")));
	CHECK(!map_get(m, STR("alph")));
	CHECK(!map_get(m, (struct str){ "alpha\0", 6 }));
	CHECK_INT(0, map_put(m, STR(""), &two));
	CHECK(map_get(m, STR("")) == &two);
	CHECK(map_get(m, (struct str){ NULL, 0 }) == &two);
	CHECK_INT(2, map_count(m));
	CHECK(map_take(m, STR("alpha")) == &one);
	CHECK(!map_get(m, STR("alpha")));
	CHECK_INT(1, map_count(m));
	map_free(&m);
	CHECK(!m);
	map_free(&m);
}

struct visit {
	uint64_t sum;
	int calls, stop_after;
};

static bool add_up(struct str k, void *value, void *arg)
{
	struct visit *v = arg;

	CHECK(str_starts(k, "call-"));
	v->sum += *(unsigned *)value;
	return ++v->calls != v->stop_after;
}

static void many_keys_survive_growth(void **state)
{
	static unsigned values[20000];
	struct visit all = { 0 }, some = { .stop_after = 7 };
	struct map *m = NULL;
	char text[24];

	map_new(&m, 7);
	for (unsigned i = 0; i < ARRAY_LEN(values); i++) {
		values[i] = i;
		CHECK_INT(0, map_put(m, key(text, i), &values[i]));
	}
	for (unsigned i = 0; i < ARRAY_LEN(values); i += 2)
		CHECK(map_take(m, key(text, i)) == &values[i]);
	for (unsigned i = 0; i < ARRAY_LEN(values); i++)
		CHECK(map_get(m, key(text, i)) == (i % 2 ? &values[i] : NULL));
	CHECK_INT(10000, map_count(m));
	map_each(m, add_up, &all);
	CHECK_INT(10000, all.calls);
	CHECK_INT(100000000, all.sum);
	map_each(m, add_up, &some);
	CHECK_INT(7, some.calls);
	map_free(&m);
}

static void the_hash_depends_on_every_bit(void **state)
{
	char text[32] = "0123456789abcdef0123456789abcde";

	CHECK(map_hash(STR("a"), 1) != map_hash(STR("a"), 2));
	CHECK(map_hash(STR(""), 1) != map_hash((struct str){ "\0", 1 }, 1));
	for (size_t n = 1; n <= 31; n++) {
		uint64_t plain = map_hash((struct str){ text, n }, 9);
		int changed = 0;

		for (size_t bit = 0; bit < n * 8; bit++) {
			text[bit / 8] ^= (char)(1 << bit % 8);
			changed += __builtin_popcountll(plain ^ map_hash((struct str){ text, n }, 9));
			text[bit / 8] ^= (char)(1 << bit % 8);
		}
		/* A good hash changes half of its bits. */
		CHECK(changed > (int)(n * 8) * 26 && changed < (int)(n * 8) * 38);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(keys_come_and_go),
		TEST(many_keys_survive_growth),
		TEST(the_hash_depends_on_every_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

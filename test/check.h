/* check: CHECK prints a bad row and carries on; the test fails at its end (CHECK_END or teardown).
 *
 * Use with cmocka: list functions with TEST(fn); main returns check_run(tests). */
#ifndef CHECK_H
#define CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"

static int check_bad;

#define CHECK(cond)                                                                                                    \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			fprintf(stderr, "%s:%d: %s: CHECK(%s)\n", __FILE__, __LINE__, __func__, #cond);                \
			check_bad++;                                                                                   \
		}                                                                                                      \
	} while (0)

#define CHECK_STR(want, got)                                                                                           \
	do {                                                                                                           \
		const char *check_w = (want), *check_g = (got);                                                        \
		if (!check_w || !check_g || strcmp(check_w, check_g)) {                                                \
			fprintf(stderr, "%s:%d: %s: want \"%s\", got \"%s\"\n", __FILE__, __LINE__, __func__,          \
				check_w ? check_w : "(null)", check_g ? check_g : "(null)");                           \
			check_bad++;                                                                                   \
		}                                                                                                      \
	} while (0)

#define CHECK_INT(want, got)                                                                                           \
	do {                                                                                                           \
		long long check_w = (long long)(want), check_g = (long long)(got);                                     \
		if (check_w != check_g) {                                                                              \
			fprintf(stderr, "%s:%d: %s: want %lld, got %lld (%s)\n", __FILE__, __LINE__, __func__,         \
				check_w, check_g, #got);                                                               \
			check_bad++;                                                                                   \
		}                                                                                                      \
	} while (0)

static inline int check_begin(void **state)
{
	(void)state;
	check_bad = 0;
	return 0;
}

static inline int check_finish(void **state)
{
	(void)state;
	return check_bad ? -1 : 0; /* cmocka counts a failing teardown as a failed test */
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, check_begin, check_finish)

#endif

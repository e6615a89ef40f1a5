#include "check.h"

#include <errno.h>

#include "op/digits.h"

static void keys_end_the_way_the_rules_say(void **state)
{
	static const struct {
		const char *keys, *terminators, *text;
		enum digits_state want;
		char terminator;
	} rows[] = {
		{ "", "", "", DIGITS_OPEN, '\0' },
		{ "12", "#", "12", DIGITS_OPEN, '\0' },
		{ "1234", "#", "1234", DIGITS_FULL, '\0' },
		{ "12345", "", "1234", DIGITS_FULL, '\0' },
		{ "12#9", "#", "12", DIGITS_TERMINATED, '#' },
		{ "#", "#*", "", DIGITS_TERMINATED, '#' },
		{ "1*", "#*", "1", DIGITS_TERMINATED, '*' },
		{ "1x2", "", "12", DIGITS_OPEN, '\0' },
		{ "A*#D", "", "A*#D", DIGITS_FULL, '\0' },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct digits_rules rules = { .max = 4, .terminators = rows[i].terminators };
		enum digits_state now = DIGITS_OPEN;
		struct digits *d = NULL;

		CHECK_INT(0, digits_new(&d, &rules));
		for (const char *k = rows[i].keys; *k; k++)
			now = digits_key(d, *k, 0);
		CHECK_INT(rows[i].want, now);
		CHECK_STR(rows[i].text, digits_text(d));
		CHECK_INT(rows[i].terminator, digits_terminator(d));
		CHECK_INT(rows[i].want, digits_key(d, '\0', 0));
		CHECK_INT(0, digits_deadline(d));
		digits_free(&d);
		CHECK(!d);
	}
}

static void waits_have_an_end(void **state)
{
	struct digits_rules rules = { .max = 3, .terminators = "", .first_ms = 5000, .next_ms = 2000 };
	struct digits *d = NULL;

	/* While something is played the first key is not waited for. */
	CHECK_INT(0, digits_new(&d, &rules));
	CHECK_INT(0, digits_deadline(d));
	CHECK_INT(DIGITS_OPEN, digits_tick(d, 100000));
	digits_listen(d, 100000);
	CHECK_INT(105000, digits_deadline(d));
	CHECK_INT(DIGITS_OPEN, digits_tick(d, 104999));
	CHECK_INT(DIGITS_OPEN, digits_key(d, '1', 104999));
	CHECK_INT(106999, digits_deadline(d));
	digits_listen(d, 105000); /* the key came into the sounds */
	CHECK_INT(106999, digits_deadline(d));
	CHECK_INT(DIGITS_TIMEOUT, digits_tick(d, 106999));
	CHECK_INT(0, digits_deadline(d));
	CHECK_INT(DIGITS_TIMEOUT, digits_key(d, '2', 107000));
	CHECK_STR("1", digits_text(d));
	digits_free(&d);

	CHECK_INT(0, digits_new(&d, &rules));
	digits_listen(d, 1);
	CHECK_INT(DIGITS_TIMEOUT, digits_tick(d, 5001));
	CHECK_STR("", digits_text(d));
	digits_free(&d);

	rules.first_ms = rules.next_ms = 0;
	CHECK_INT(0, digits_new(&d, &rules));
	digits_listen(d, 1);
	digits_key(d, '1', 2);
	CHECK_INT(0, digits_deadline(d));
	digits_free(&d);
}

static void bad_rules_are_refused(void **state)
{
	static const struct digits_rules rows[] = {
		{ .max = 0, .terminators = "" },
		{ .max = DIGITS_MAX + 1, .terminators = "" },
		{ .max = 1, .terminators = "01234567890123456" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct digits *d = NULL;

		CHECK_INT(EINVAL, digits_new(&d, &rows[i]));
		CHECK(!d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(keys_end_the_way_the_rules_say),
		TEST(waits_have_an_end),
		TEST(bad_rules_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

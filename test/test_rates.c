/* Rate tables: what files say, what numbers cost, and what is wrong with the others. */
#include <errno.h>
#include <stdlib.h>

#include "call/rates.h"
#include "check.h"

static struct rate rows_room[64];

static int read_text(struct rates *r, const char *text, struct rates_fault *fault)
{
	assert_true(rates_room(str_of(text)) <= ARRAY_LEN(rows_room));
	return rates_read(r, rows_room, str_of(text), fault);
}

static void the_longest_prefix_wins(void **state)
{
	static const char table[] = "\xef\xbb\xbfprefix,price_per_minute\r\n"
				    "# North America\n"
				    "1,0.0100\r\n"
				    "+1555,0.02\n"
				    "\n"
				    " 155512 , 0.0000 \n"
				    "\"44\",\"1.5\"\n"
				    "0044,3\n"
				    "447,0.12340000\n"
				    "911,0\n"
				    "123456789012345678,7.0001";
	static const struct {
		const char *number;
		long price; /* -1 = not in the table */
	} rows[] = {
		{ "+12125551234", 100 },
		{ "+15551234567", 0 },
		{ "+15559999999", 200 },
		{ "+1", 100 },
		{ "+442071234567", 15000 },
		{ "+447700900123", 1234 },
		{ "+4", -1 },
		{ "+33123456789", -1 },
		{ "+1234567890123456789", 70001 },
		{ "+123456789012345678901234567890", 70001 },
		{ "+9112345", 0 },
		{ "911", 0 },
		{ "9111", -1 }, /* short numbers only as a whole */
		{ "1", 100 },
		{ "112", -1 },
		{ "+", -1 },
		{ "", -1 },
	};
	struct rates_fault fault;
	struct rates r;

	CHECK_INT(0, read_text(&r, table, &fault));
	CHECK_INT(8, r.count);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t price = 0;
		bool found = rates_find(&r, rows[i].number, &price);

		CHECK_INT(rows[i].price >= 0, found);
		if (found)
			CHECK_INT(rows[i].price, price);
	}
}

static void faults_name_the_line(void **state)
{
	static const struct {
		const char *text;
		uint32_t line;
		const char *why;
	} rows[] = {
		{ "1,0.01\n1\n", 2, "must be prefix,price_per_minute" },
		{ "1,0.01,USD\n", 1, "must be prefix,price_per_minute" },
		{ "1;0.01\n", 1, "must be prefix,price_per_minute" },
		{ ",0.01\n", 1, "the prefix must be 1 to 18 digits" },
		{ "+,0.01\n", 1, "the prefix must be 1 to 18 digits" },
		{ "++1,0.01\n", 1, "the prefix must be 1 to 18 digits" },
		{ "1-555,0.01\n", 1, "the prefix must be 1 to 18 digits" },
		{ "1234567890123456789,0.01\n", 1, "the prefix must be 1 to 18 digits" },
		{ "\n\nprefix,price\n", 3, "the prefix must be 1 to 18 digits" },
		{ "1,\n", 1, "the price must be USD like 0.0125" },
		{ "1,.5\n", 1, "the price must be USD like 0.0125" },
		{ "1,1.\n", 1, "the price must be USD like 0.0125" },
		{ "1,-1\n", 1, "the price must be USD like 0.0125" },
		{ "1,0.1.2\n", 1, "the price must be USD like 0.0125" },
		{ "1,1e3\n", 1, "the price must be USD like 0.0125" },
		{ "1,0.00005\n", 1, "a price has at most 4 decimals" },
		{ "1,400001\n", 1, "no minute costs that much" },
		{ "1,99999999999999\n", 1, "the price must be USD like 0.0125" },
		{ "1,0.01\n2,0.01\n+1,0.02\n", 3, "the prefix has another price above" },
	};
	struct rates_fault fault;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rates r = { .count = 77 };

		CHECK_INT(EINVAL, read_text(&r, rows[i].text, &fault));
		CHECK_INT(rows[i].line, fault.line);
		CHECK_STR(rows[i].why, fault.why);
		CHECK_INT(77, r.count); /* untouched */
	}
}

static void nothing_and_repetition_are_fine(void **state)
{
	static const struct {
		const char *text;
		size_t count;
	} rows[] = { { "", 0 }, { "\n\n# none\n", 0 }, { "1,0.01\n+1,0.0100\n", 2 }, { "1,400000.0000", 1 } };
	struct rates_fault fault;
	struct rates r;
	uint32_t price;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_INT(0, read_text(&r, rows[i].text, &fault));
		CHECK_INT(rows[i].count, r.count);
		CHECK_INT(rows[i].count > 0, rates_find(&r, "+1", &price));
	}
}

/* A big table against a plain search, so that the clever look-up cannot drift. */
static void look_ups_agree_with_a_plain_search(void **state)
{
	enum { ROWS = 2000 };
	struct rate *room = calloc(ROWS + 1, sizeof(*room));
	char(*prefixes)[12] = calloc(ROWS, sizeof(*prefixes));
	struct buf text = { 0 };
	struct rates_fault fault;
	uint64_t seed = 88172645463325252u;
	struct rates r;

	assert_true(room && prefixes);
	for (int i = 0; i < ROWS; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		snprintf(prefixes[i], sizeof(prefixes[i]), "%u", (unsigned)(seed >> 40) % (i % 2 ? 100000 : 500));
		/* the price follows from the prefix, so that repetitions agree */
		buf_printf(&text, "%s,0.%04u\n", prefixes[i], (unsigned)strtoul(prefixes[i], NULL, 10) % 10000);
	}
	assert_int_equal(rates_read(&r, room, buf_view(&text), &fault), 0);
	for (unsigned n = 0; n < 3000; n++) {
		char number[16];
		size_t best = 0;
		uint32_t price = 0;

		snprintf(number, sizeof(number), "+%u", n * 331);
		for (int i = 0; i < ROWS; i++)
			if (!strncmp(number + 1, prefixes[i], strlen(prefixes[i])) && strlen(prefixes[i]) > best)
				best = strlen(prefixes[i]);
		CHECK_INT(best > 0, rates_find(&r, number, &price));
		number[1 + best] = '\0';
		if (best)
			CHECK_INT(strtoul(number + 1, NULL, 10) % 10000, price);
	}
	buf_free(&text);
	free(prefixes);
	free(room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_longest_prefix_wins),
		TEST(faults_name_the_line),
		TEST(nothing_and_repetition_are_fine),
		TEST(look_ups_agree_with_a_plain_search),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

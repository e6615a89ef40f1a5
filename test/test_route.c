/* Whose calls we take, who answers, which trunks take a number and what they may send and cost. */
#include <errno.h>

#include "call/route.h"
#include "check.h"

static void numbers_are_brought_into_one_form(void **state)
{
	static const struct {
		const char *text, *country, *want; /* want NULL = no number */
	} rows[] = {
		{ "+15551234567", "1", "+15551234567" },
		{ "+1 (555) 123-4567", "1", "+15551234567" },
		{ "0015551234567", "44", "+15551234567" },
		{ "5551234567", "1", "+15551234567" },
		{ "15551234567", "1", "+15551234567" },
		{ "030/123456", "49", "+4930123456" },
		{ "02071234567", "44", "+442071234567" },
		{ "911", "1", "911" },
		{ "123456", "1", "123456" },
		{ "1234567", "", "+1234567" },
		{ "alice", "1", NULL },
		{ "+", "1", NULL },
		{ "", "1", NULL },
		{ "1+5551234567", "1", NULL },
		{ "1234567890123456789012345678901", "1", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char got[32] = "";

		CHECK_INT(rows[i].want ? 0 : EINVAL, route_number(got, str_of(rows[i].text), rows[i].country));
		if (rows[i].want)
			CHECK_STR(rows[i].want, got);
	}
}

static const char *const us[] = { "+1", "+44", NULL };
static const char *const florida[] = { "+1", "+1305", NULL };
static const char *const none[] = { NULL };
static const char *const london[] = { "+4420", "+1305", NULL };

static void longest_prefix_first_then_file_order(void **state)
{
	static const struct trunk trunks[] = {
		{ .name = "a", .prefixes = us },
		{ .name = "b", .prefixes = florida },
		{ .name = "c" },
		{ .name = "d", .prefixes = none },
		{ .name = "e", .prefixes = london },
		{ .name = "f", .prefixes = us },
	};
	static const struct {
		const char *number, *want;
	} rows[] = {
		{ "+12125551234", "abf" }, { "+13055551234", "beaf" }, { "+442071234567", "eaf" },
		{ "+447700900123", "af" }, { "+4912345678", "" },      { "911", "" },
	};
	const struct route_table table = { .trunks = trunks, .trunk_count = ARRAY_LEN(trunks), .country = "1" };
	const struct trunk *out[ARRAY_LEN(trunks)];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = route_trunks(&table, rows[i].number, out);
		char got[8] = "";

		for (size_t k = 0; k < n; k++)
			got[k] = out[k]->name[0];
		CHECK_STR(rows[i].want, got);
	}
}

static void caller_ids_are_kept_to(void **state)
{
	static const char *const all[] = { "*", NULL };
	static const char *const listed[] = { "+15551234567", "+4420*", "office", "911", NULL };
	static const struct {
		const char *const *ids;
		const char *id;
		bool want;
	} rows[] = {
		{ NULL, "anything", true },
		{ none, "anything", true },
		{ all, "anything", true },
		{ listed, "+15551234567", true },
		{ listed, "+15551234568", false },
		{ listed, "+155512345678", false },
		{ listed, "(555) 123-4567", true }, /* the same number */
		{ listed, "0044 20 7123 4567", true },
		{ listed, "+4420", true },
		{ listed, "+4421", false },
		{ listed, "office", true },
		{ listed, "Office", false },
		{ listed, "911", true },
		{ listed, "", false },
		{ listed, "anonymous", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct trunk t = { .name = "t", .caller_ids = rows[i].ids };

		CHECK_INT(rows[i].want, trunk_allows_caller(&t, rows[i].id, "1"));
	}
}

static void prices_are_held_against_the_cap(void **state)
{
	static const char table[] = "1,0.0100\n1900,2.5\n";
	struct rate room[4];
	struct rates_fault fault;
	struct rates rates;
	const struct trunk with = { .name = "t", .rates = &rates }, without = { .name = "u" };
	static const struct {
		const char *number;
		uint32_t cap;
		enum trunk_price want;
		uint32_t price;
	} rows[] = {
		{ "+15551234567", 100, TRUNK_WITHIN, 100 },
		{ "+15551234567", 99, TRUNK_OVER, 100 },
		{ "+19005551234", 100, TRUNK_OVER, 25000 },
		{ "+442071234567", 1000000, TRUNK_NO_RATE, 0 },
	};

	CHECK_INT(0, rates_read(&rates, room, STR(table), &fault));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t price = 0;

		CHECK_INT(rows[i].want, trunk_price(&with, rows[i].number, rows[i].cap, &price));
		CHECK_INT(rows[i].price, price);
		CHECK_INT(TRUNK_FREE, trunk_price(&without, rows[i].number, rows[i].cap, &price));
	}
}

static void sources_and_routes_are_found_in_order(void **state)
{
	static const struct route routes[] = {
		{ .match = "+15551230000" }, { .match = "+1555*" }, { .match = "sales@a.test" },
		{ .match = "bob@*" },        { .match = "office" },
	};
	static const struct {
		const char *user, *host;
		int want; /* -1 = none */
	} rows[] = {
		{ "+15551230000", "h", 0 }, { "+15551230001", "h", 1 }, { "+1555", "h", 1 },
		{ "sales", "A.TEST", 2 },   { "sales", "b.test", -1 },  { "bob", "anything", 3 },
		{ "office", "h", 4 },       { "Office", "h", -1 },      { "", "h", -1 },
	};
	struct addr_net nets[2];
	const struct trunk trunks[] = { { .name = "a", .accept_from = &nets[0], .accept_count = 1 },
					{ .name = "b", .accept_from = &nets[1], .accept_count = 1 } };
	const struct route_table t = { trunks, 2, routes, ARRAY_LEN(routes), "1", NULL };
	struct addr from;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct route *r = route_match(&t, str_of(rows[i].user), str_of(rows[i].host));

		CHECK(r == (rows[i].want < 0 ? NULL : &routes[rows[i].want]));
	}
	assert_int_equal(addr_net_parse(&nets[0], STR("192.0.2.0/28")) | addr_net_parse(&nets[1], STR("::1/128")), 0);
	assert_int_equal(addr_parse(&from, STR("192.0.2.15"), 5060), 0);
	CHECK(route_source(&t, &from) == &trunks[0]);
	assert_int_equal(addr_parse(&from, STR("192.0.2.16"), 5060), 0);
	CHECK(route_source(&t, &from) == NULL);
	assert_int_equal(addr_parse(&from, STR("::1"), 9), 0);
	CHECK(route_source(&t, &from) == &trunks[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(numbers_are_brought_into_one_form),
		TEST(longest_prefix_first_then_file_order),
		TEST(caller_ids_are_kept_to),
		TEST(prices_are_held_against_the_cap),
		TEST(sources_and_routes_are_found_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "check.h"

#include "media/rtcp.h"

static void compounds_are_checked(void **state)
{
	static const struct {
		uint8_t bytes[20];
		size_t n;
		bool ok;
	} rows[] = {
		{ { 0x80, 201, 0, 1, 1, 2, 3, 4 }, 8, true },
		{ { 0x80, 200, 0, 1, 1, 2, 3, 4 }, 8, true },
		{ { 0x80, 201, 0, 1, 1, 2, 3, 4, 0x81, 203, 0, 1, 1, 2, 3, 4 }, 16, true },
		{ { 0x80, 201, 0, 1, 1, 2, 3, 4, 0xa1, 202, 0, 2, 1, 2, 3, 4, 0, 0, 0, 4 },
		  20,
		  true }, /* padding at the end */
		{ { 0xa0, 201, 0, 1, 0, 0, 0, 4, 0x81, 203, 0, 1, 1, 2, 3, 4 }, 16, false },
		{ { 0x80, 202, 0, 1, 1, 2, 3, 4 }, 8, false }, /* no report in front */
		{ { 0x80, 0, 0, 1, 1, 2, 3, 4 }, 8, false },
		{ { 0x40, 201, 0, 1, 1, 2, 3, 4 }, 8, false },
		{ { 0x80, 201, 0, 2, 1, 2, 3, 4 }, 8, false },
		{ { 0x80, 201, 0xff, 0xff, 1, 2, 3, 4 }, 8, false },
		{ { 0x80, 201, 0, 0, 1, 2, 3, 4 }, 8, false },
		{ { 0x80, 201, 0, 1, 1, 2, 3, 4, 0x81, 203 }, 10, false },
		{ { 0x80, 201, 0, 0 }, 4, false },
		{ { 0 }, 0, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(rows[i].ok, rtcp_check(rows[i].bytes, rows[i].n) == 0);
}

static void the_second_byte_tells(void **state)
{
	static const struct {
		uint8_t second;
		bool rtcp;
	} rows[] = { { 0, false },  { 72, false }, { 0x80 | 8, false }, { 191, false },       { 192, true },
		     { 200, true }, { 223, true }, { 224, false },      { 0x80 | 101, false } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t packet[2] = { 0x80, rows[i].second };

		CHECK_INT(rows[i].rtcp, rtcp_is_muxed(packet, sizeof(packet)));
	}
	CHECK(!rtcp_is_muxed((const uint8_t *)"\x80", 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(compounds_are_checked), TEST(the_second_byte_tells) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

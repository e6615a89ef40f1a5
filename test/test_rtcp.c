#include "check.h"

#include <errno.h>
#include <string.h>

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

static void reports_are_read_as_they_were_written(void **state)
{
	struct rtcp_report in = {
		.ssrc = 0x01020304,
		.sends = true,
		.ntp = 0x0102030405060708,
		.timestamp = 5,
		.packets = 6,
		.bytes = 7,
		.count = 1,
		.blocks = { { .ssrc = 0xfffefdfc,
			      .fraction = 255,
			      .lost = -3,
			      .highest = 0x1ffff,
			      .jitter = 9,
			      .sr = 10,
			      .sr_age = 11 } },
	};

	for (int i = 0; i < 4; i++) {
		uint8_t packet[RTCP_MAX_BYTES];
		struct rtcp_report out;
		size_t n;

		in.sends = i & 1;
		in.count = (size_t)i >> 1;
		n = rtcp_write(packet, &in, "0123456789abcdef");
		CHECK(n <= sizeof(packet) && n % 4 == 0);
		CHECK_INT(0, rtcp_check(packet, n));
		CHECK_INT(0, rtcp_read(&out, packet, n));
		CHECK_INT(in.ssrc, out.ssrc);
		CHECK_INT(in.sends, out.sends);
		CHECK_INT(in.count, out.count);
		if (in.sends) {
			CHECK(in.ntp == out.ntp);
			CHECK_INT(5, out.timestamp);
			CHECK_INT(6, out.packets);
			CHECK_INT(7, out.bytes);
		}
		if (in.count)
			CHECK_INT(0, memcmp(&in.blocks[0], &out.blocks[0], sizeof(in.blocks[0])));
		/* The name stands in the last part: an item of 16 bytes, then zeros. */
		CHECK(memmem(packet, n,
			     "\1\20"
			     "0123456789abcdef",
			     18) != NULL);
		CHECK_INT(0, packet[n - 1]);
	}
}

static void reports_shorter_than_their_blocks_are_refused(void **state)
{
	static const struct {
		uint8_t bytes[56];
		size_t n;
		int want;
		size_t count;
	} rows[] = {
		{ { 0x80, 201, 0, 1 }, 8, 0, 0 },
		{ { 0x81, 201, 0, 1 }, 8, EINVAL, 0 },
		{ { 0x81, 201, 0, 7 }, 32, 0, 1 },
		{ { 0x82, 201, 0, 7 }, 32, EINVAL, 0 },
		{ { 0x82, 201, 0, 13 }, 56, 0, 2 },
		{ { 0x80, 200, 0, 1 }, 8, EINVAL, 0 },
		{ { 0x80, 200, 0, 6 }, 28, 0, 0 },
		{ { 0x81, 200, 0, 6 }, 28, EINVAL, 0 },
		{ { 0x81, 200, 0, 12 }, 52, 0, 1 },
		/* A block that stands in the next part only. */
		{ { 0x81, 201, 0, 1, 0, 0, 0, 0, 0x80, 203, 0, 5 }, 32, EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rtcp_report r = { .count = 99 };

		CHECK_INT(0, rtcp_check(rows[i].bytes, rows[i].n));
		CHECK_INT(rows[i].want, rtcp_read(&r, rows[i].bytes, rows[i].n));
		CHECK_INT(rows[i].want ? 99 : rows[i].count, r.count);
	}
}

static void many_blocks_are_cut(void **state)
{
	uint8_t packet[8 + 31 * 24] = { 0x80 | 31, 201, 0, (8 + 31 * 24) / 4 - 1 };
	struct rtcp_report r;

	CHECK_INT(0, rtcp_check(packet, sizeof(packet)));
	CHECK_INT(0, rtcp_read(&r, packet, sizeof(packet)));
	CHECK_INT(RTCP_MAX_BLOCKS, r.count);
}

static void times_are_those_of_ntp(void **state)
{
	CHECK(rtcp_ntp(0) == 2208988800ull << 32);
	CHECK(rtcp_ntp(1500) == (2208988801ull << 32 | 0x80000000u));
	CHECK_INT(0x03040506, rtcp_middle(0x0102030405060708));
}

/* Feedback alone gets a report before it, everything else stays. */
static void short_feedback_is_completed(void **state)
{
	uint8_t pli[20] = { 0x81, 206, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8 };
	const uint8_t want[20] = { 0x80, 201, 0, 1, 1, 2, 3, 4, 0x81, 206, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8 };
	uint8_t whole[20] = { 0x80, 201, 0, 1, 1, 2, 3, 4 }, tiny[12] = { 0x81, 205, 0, 0 };

	CHECK_INT(20, rtcp_complete(pli, 12));
	CHECK(!memcmp(want, pli, 20));
	CHECK_INT(0, rtcp_check(pli, 20));
	CHECK_INT(8, rtcp_complete(whole, 8));
	CHECK_INT(4, rtcp_complete(tiny, 4));
}

enum { OLD = 0x0a0b0c0d, NEW = 0x11223344 };
#define OLD_SSRC 0x0a, 0x0b, 0x0c, 0x0d
#define NEW_SSRC 0x11, 0x22, 0x33, 0x44
#define OTHER_SSRC 9, 9, 9, 9

/* Behind an empty report of another's; each place that names a source, and none beside it. */
static void sources_are_renamed_everywhere(void **state)
{
	static const struct {
		uint8_t before[48], after[48];
		size_t n;
	} rows[] = {
		{ { 0x80, 200, 0, 6, OLD_SSRC, OLD_SSRC }, { 0x80, 200, 0, 6, NEW_SSRC, OLD_SSRC }, 28 },
		{ { 0x81, 201, 0, 7, OTHER_SSRC, OLD_SSRC, OLD_SSRC },
		  { 0x81, 201, 0, 7, OTHER_SSRC, NEW_SSRC, OLD_SSRC },
		  32 },
		{ { 0x81, 200, 0, 6, OLD_SSRC }, { 0x81, 200, 0, 6, NEW_SSRC }, 28 }, /* a block that is not there */
		{ { 0x82, 202, 0, 6, OTHER_SSRC, 1, 4, OLD_SSRC, 0, 0, OLD_SSRC, 1, 1, 'x', 0 },
		  { 0x82, 202, 0, 6, OTHER_SSRC, 1, 4, OLD_SSRC, 0, 0, NEW_SSRC, 1, 1, 'x', 0 },
		  28 },
		{ { 0x81, 202, 0, 2, OLD_SSRC, 1, 200, OLD_SSRC },
		  { 0x81, 202, 0, 2, NEW_SSRC, 1, 200, OLD_SSRC },
		  12 },
		{ { 0x81, 203, 0, 1, OLD_SSRC }, { 0x81, 203, 0, 1, NEW_SSRC }, 8 },
		{ { 0x81, 206, 0, 2, OTHER_SSRC, OLD_SSRC }, { 0x81, 206, 0, 2, OTHER_SSRC, NEW_SSRC }, 12 }, /* PLI */
		{ { 0x81, 205, 0, 3, OLD_SSRC, OLD_SSRC, OLD_SSRC }, /* NACK: numbers behind it */
		  { 0x81, 205, 0, 3, NEW_SSRC, NEW_SSRC, OLD_SSRC },
		  16 },
		{ { 0x84, 206, 0, 6, OTHER_SSRC, 0, 0, 0, 0, OLD_SSRC, OLD_SSRC, OTHER_SSRC, OLD_SSRC }, /* FIR */
		  { 0x84, 206, 0, 6, OTHER_SSRC, 0, 0, 0, 0, NEW_SSRC, OLD_SSRC, OTHER_SSRC, OLD_SSRC },
		  28 },
		{ { 0x83, 205, 0, 4, OTHER_SSRC, 0, 0, 0, 0, OLD_SSRC, OLD_SSRC }, /* TMMBR */
		  { 0x83, 205, 0, 4, OTHER_SSRC, 0, 0, 0, 0, NEW_SSRC, OLD_SSRC },
		  20 },
		{ { 0x8f, 206, 0, 5, OTHER_SSRC, 0, 0, 0, 0, 'R', 'E', 'M', 'B', 1, 2, 3, 4, OLD_SSRC },
		  { 0x8f, 206, 0, 5, OTHER_SSRC, 0, 0, 0, 0, 'R', 'E', 'M', 'B', 1, 2, 3, 4, NEW_SSRC },
		  24 },
		{ { 0x8f, 206, 0, 5, OTHER_SSRC, 0, 0, 0, 0, 'X', 'E', 'M', 'B', 1, 2, 3, 4, OLD_SSRC },
		  { 0x8f, 206, 0, 5, OTHER_SSRC, 0, 0, 0, 0, 'X', 'E', 'M', 'B', 1, 2, 3, 4, OLD_SSRC },
		  24 },
		{ { 0x80, 204, 0, 2, OLD_SSRC, OLD_SSRC }, { 0x80, 204, 0, 2, OLD_SSRC, OLD_SSRC }, 12 }, /* APP */
		{ { 0x81, 206, 0, 0 }, { 0x81, 206, 0, 0 }, 4 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t packet[56] = { 0x80, 201, 0, 1, OTHER_SSRC };

		memcpy(packet + 8, rows[i].before, rows[i].n);
		CHECK_INT(0, rtcp_check(packet, 8 + rows[i].n));
		rtcp_rename(packet, 8 + rows[i].n, OLD, NEW);
		CHECK(!memcmp(rows[i].after, packet + 8, rows[i].n));
	}
}

/* A sender's report of the one, with blocks about another and itself, and a receiver's report behind it. */
static void numbers_are_shifted(void **state)
{
	static const uint8_t before[] = {
		0x82, 200,  0,        18,       OLD_SSRC,   1,          2,        3, 4, 5, 6,        7, 8, 0xff, 0xff,
		0xff, 0xff, OLD_SSRC, OLD_SSRC, OTHER_SSRC, 0,          0,        0, 0, 0, 0,        9, 9, 0,    0,
		0,    0,    0,        0,        0,          0,          0,        0, 0, 0, OLD_SSRC, 0, 0, 0,    0,
		0,    2,    0,        1,        0,          0,          0,        0, 0, 0, 0,        0, 0, 0,    0,
		0,    0x81, 201,      0,        7,          OTHER_SSRC, OLD_SSRC, 0, 0, 0, 0,        0, 0, 0,    1,
		0,    0,    0,        0,        0,          0,          0,        0, 0, 0, 0,        0,
	};
	uint8_t packet[sizeof(before)], after[sizeof(before)];

	memcpy(packet, before, sizeof(before));
	memcpy(after, before, sizeof(before));
	CHECK_INT(0, rtcp_check(packet, sizeof(packet)));
	rtcp_renumber(packet, sizeof(packet), OLD, 3, 2);
	memcpy(after + 16, (uint8_t[4]){ 0, 0, 0, 2 }, 4);
	memcpy(after + 60, (uint8_t[4]){ 0, 1, 0xff, 0xff }, 4); /* over the wrap */
	memcpy(after + 92, (uint8_t[4]){ 0, 0, 0xff, 0xff }, 4); /* nothing was before the first */
	CHECK(!memcmp(after, packet, sizeof(after)));
	rtcp_renumber(packet, sizeof(packet), NEW, 3, 2);
	CHECK(!memcmp(after, packet, sizeof(after)));
}

static void wishes_are_written(void **state)
{
	const struct rtcp_wish pli = { .from = 0x01020304, .of = 0x05060708 };
	const struct rtcp_wish fir = { .from = 0x01020304, .of = 0x05060708, .full = true, .number = 9 };
	const uint8_t want_pli[] = { 0x80, 201, 0, 1, 1, 2, 3, 4, 0x81, 206, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8 };
	const uint8_t want_fir[] = { 0x80, 201, 0, 1, 1, 2, 3, 4, 0x84, 206, 0, 4, 1, 2,
				     3,    4,   0, 0, 0, 0, 5, 6, 7,    8,   9, 0, 0, 0 };
	uint8_t out[RTCP_WISH_BYTES];

	CHECK_INT(sizeof(want_pli), rtcp_write_wish(out, &pli));
	CHECK(!memcmp(want_pli, out, sizeof(want_pli)));
	CHECK_INT(sizeof(want_fir), rtcp_write_wish(out, &fir));
	CHECK(!memcmp(want_fir, out, sizeof(want_fir)));
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(compounds_are_checked),
					    TEST(the_second_byte_tells),
					    TEST(reports_are_read_as_they_were_written),
					    TEST(reports_shorter_than_their_blocks_are_refused),
					    TEST(many_blocks_are_cut),
					    TEST(times_are_those_of_ntp),
					    TEST(short_feedback_is_completed),
					    TEST(sources_are_renamed_everywhere),
					    TEST(numbers_are_shifted),
					    TEST(wishes_are_written) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

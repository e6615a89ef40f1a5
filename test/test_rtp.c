#include "check.h"

#include <stdlib.h>

#include "media/rtp.h"

static void headers_are_read(void **state)
{
	static const uint8_t packet[] = { 0xb2, 0xe5, 0x12, 0x34, 0x00, 0x00, 0x01, 0x00, 0xde, 0xad, 0xbe, 0xef,
					  /* two sources, an extension of one word, four bytes, two of padding */
					  1, 1, 1, 1, 2, 2, 2, 2, 0xbe, 0xde, 0, 1, 9, 9, 9, 9, 'a', 'b', 'c', 'd', 0,
					  2 };
	struct rtp_header h;

	assert_int_equal(rtp_parse(&h, packet, sizeof(packet)), 0);
	CHECK_INT(0x65, h.payload_type);
	CHECK(h.marker);
	CHECK_INT(0x1234, h.seq);
	CHECK_INT(256, h.timestamp);
	CHECK_INT(0xdeadbeef, h.ssrc);
	CHECK_INT(28, h.header_bytes);
	CHECK_INT(4, h.payload_bytes);
}

static void lengths_are_checked(void **state)
{
	static const struct {
		uint8_t first, ext_words, last;
		size_t n;
		bool ok;
		size_t payload;
	} rows[] = {
		{ 0x80, 0, 0, 12, true, 0 },      { 0x80, 0, 0, 172, true, 160 }, { 0x80, 0, 0, 11, false, 0 },
		{ 0x80, 0, 0, 0, false, 0 },      { 0x00, 0, 0, 172, false, 0 },  { 0x40, 0, 0, 172, false, 0 },
		{ 0xc0, 0, 0, 172, false, 0 },    { 0x8f, 0, 0, 72, true, 0 },    { 0x8f, 0, 0, 71, false, 0 },
		{ 0x90, 0, 0, 16, true, 0 },      { 0x90, 0, 0, 15, false, 0 },   { 0x90, 39, 0, 172, true, 0 },
		{ 0x90, 40, 0, 172, false, 0 },   { 0xa0, 0, 160, 172, true, 0 }, { 0xa0, 0, 161, 172, false, 0 },
		{ 0xa0, 0, 0, 172, false, 0 },    { 0xa0, 0, 1, 172, true, 159 }, { 0xa0, 0, 1, 12, false, 0 },
		{ 0x80, 0, 0, 2048, true, 2036 }, { 0x80, 0, 0, 2049, false, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t *packet = calloc(1, rows[i].n + 1); /* the sanitizer watches the end */
		struct rtp_header h;

		assert_non_null(packet);
		packet[0] = rows[i].first;
		if (rows[i].n > 15)
			packet[15] = rows[i].ext_words;
		if (rows[i].n && rows[i].last)
			packet[rows[i].n - 1] = rows[i].last;
		if (rtp_parse(&h, packet, rows[i].n) == 0) {
			CHECK(rows[i].ok);
			CHECK_INT(rows[i].payload, h.payload_bytes);
		} else {
			CHECK(!rows[i].ok);
		}
		free(packet);
	}
}

static void payload_type_changes_alone(void **state)
{
	uint8_t packet[RTP_HEADER_BYTES] = { 0x80, 0x80 | 101 };

	rtp_set_payload_type(packet, 96);
	CHECK_INT(0x80 | 96, packet[1]);
	packet[1] = 101;
	rtp_set_payload_type(packet, 0);
	CHECK_INT(0, packet[1]);
}

static void gaps_are_loss(void **state)
{
	static const struct {
		int seqs[8]; /* -1 ends */
		uint32_t lost;
	} rows[] = {
		{ { -1 }, 0 },
		{ { 5, -1 }, 0 },
		{ { 5, 6, 7, -1 }, 0 },
		{ { 5, 7, 10, -1 }, 3 },
		{ { 5, 7, 6, -1 }, 0 },            /* late is not lost */
		{ { 5, 5, 5, 6, -1 }, 0 },         /* doubles */
		{ { 5, 8, 8, -1 }, 1 },            /* a double hides one loss: RFC 3550 counts so */
		{ { 65534, 65535, 0, 1, -1 }, 0 }, /* wrap */
		{ { 65534, 1, -1 }, 2 },
		{ { 3, 2, 1, -1 }, 0 }, /* the first was not the earliest */
		{ { 0, 65535, 1, -1 }, 0 },
		{ { 10, 12, 30000, 30001, 30003, -1 }, 2 }, /* too far: a restart, what was lost stays */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rtp_seq s = { 0 };

		for (size_t k = 0; rows[i].seqs[k] >= 0; k++)
			rtp_seq_note(&s, 1, (uint16_t)rows[i].seqs[k]);
		CHECK_INT(rows[i].lost, rtp_seq_lost(&s));
	}
}

static void a_new_source_starts_anew(void **state)
{
	struct rtp_seq s = { 0 };

	rtp_seq_note(&s, 1, 10);
	rtp_seq_note(&s, 1, 12);
	rtp_seq_note(&s, 2, 100);
	rtp_seq_note(&s, 2, 103);
	CHECK_INT(3, rtp_seq_lost(&s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(headers_are_read), TEST(lengths_are_checked),      TEST(payload_type_changes_alone),
		TEST(gaps_are_loss),    TEST(a_new_source_starts_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "check.h"

#include <stdlib.h>

#include "sip/sip_bucket.h"

static struct addr at(const char *text)
{
	struct addr a = { 0 };

	CHECK_INT(0, addr_parse(&a, str_of(text), 5060));
	return a;
}

static struct addr nth(uint32_t n)
{
	struct addr a = at("10.0.0.0");

	a.in4.sin_addr.s_addr = htonl(0x0a000000u + n);
	return a;
}

/* So many of `offered` messages are read. */
static unsigned offer(struct sip_buckets *b, const char *from, unsigned offered, uint64_t now_ms)
{
	struct addr a = at(from);
	unsigned taken = 0;

	for (unsigned i = 0; i < offered; i++)
		taken += sip_buckets_take(b, &a, now_ms);
	return taken;
}

static struct sip_buckets *open_with(uint32_t per_second)
{
	struct sip_buckets *b = NULL;

	if (sip_buckets_new(&b, 7))
		abort();
	sip_buckets_limit(b, per_second);
	return b;
}

static void a_source_has_its_rate(void **state)
{
	static const struct {
		const char *from;
		uint64_t at_ms;
		unsigned offered, taken;
	} rows[] = {
		{ "10.0.0.1", 1000, 1000, 200 },       { "10.0.0.1", 1000, 10, 0 },
		{ "10.0.0.1", 1009, 10, 0 },           { "10.0.0.1", 1010, 10, 1 },
		{ "10.0.0.2", 1010, 1000, 200 }, /* another has his own */
		{ "10.0.0.1", 1110, 100, 10 },         { "10.0.0.1", 9000, 1000, 200 },
		{ "2001:db8::1", 9000, 150, 150 },     { "2001:db8::ffff:2", 9000, 100, 50 }, /* one network */
		{ "2001:db8:0:1::1", 9000, 100, 100 },
	};
	struct sip_buckets *b = open_with(100);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(rows[i].taken, offer(b, rows[i].from, rows[i].offered, rows[i].at_ms));
	sip_buckets_limit(b, 0);
	CHECK_INT(5000, offer(b, "10.0.0.1", 5000, 9000));
	sip_buckets_free(&b);
	CHECK(!b);
}

/* However many addresses are invented, together they get no more than twenty. */
static void strangers_share(void **state)
{
	struct sip_buckets *b = open_with(100);
	unsigned taken = 0;

	for (uint32_t i = 0; i < 100000; i++) {
		struct addr a = nth(i);

		taken += sip_buckets_take(b, &a, 5000);
	}
	CHECK_INT(100 * SIP_BUCKET_JOINT / 2, taken);
	CHECK_INT(0, offer(b, "192.0.2.1", 10, 5000));
	CHECK_INT(2, offer(b, "192.0.2.1", 10, 5001));
	sip_buckets_free(&b);
}

static void who_is_proven_is_not_touched_by_a_flood(void **state)
{
	struct sip_buckets *b = open_with(100);
	struct addr friend = at("192.0.2.9");

	sip_buckets_prove(b, &friend, 1000);
	for (uint32_t i = 0; i < 200000; i++) {
		struct addr a = nth(i);

		sip_buckets_take(b, &a, 1000 + i / 20);
	}
	CHECK_INT(2 * 100 * SIP_BUCKET_JOINT, offer(b, "192.0.2.9", 10000, 11000));
	CHECK_INT(0, offer(b, "192.0.2.9", 10, 11000));
	/* Ten minutes later it is one like the others. */
	CHECK_INT(200, offer(b, "192.0.2.9", 10000, 1000 + 600000));
	sip_buckets_free(&b);
}

static void proven_ones_go_when_there_are_too_many(void **state)
{
	struct sip_buckets *b = open_with(10);
	unsigned proven = 0;

	for (uint32_t i = 0; i < 50000; i++) {
		struct addr a = nth(i);

		sip_buckets_prove(b, &a, i);
	}
	for (uint32_t i = 49000; i < 50000; i++) {
		struct addr a = nth(i);
		unsigned taken = 0;

		for (unsigned k = 0; k < 30; k++)
			taken += sip_buckets_take(b, &a, 50000);
		proven += taken == 30;
	}
	CHECK(proven > 990 && proven <= 1000); /* the youngest are there */
	CHECK(sip_buckets_bytes() < 1 << 20);
	sip_buckets_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_source_has_its_rate),
		TEST(strangers_share),
		TEST(who_is_proven_is_not_touched_by_a_flood),
		TEST(proven_ones_go_when_there_are_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

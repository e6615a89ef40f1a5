#include "check.h"

#include "media/quality.h"

static void scores_of_paths(void **state)
{
	static const struct {
		struct quality_path path;
		uint16_t low, high;
	} rows[] = {
		{ { CODEC_PCMU, 0, 1000, 0, 0 }, 435, 445 },
		{ { CODEC_OPUS, 0, 1000, 0, 0 }, 435, 445 },
		{ { CODEC_G729, 0, 1000, 0, 0 }, 400, 420 },
		{ { CODEC_PCMA, 10, 1000, 0, 0 }, 425, 440 },     /* 1 % */
		{ { CODEC_PCMA, 50, 1000, 0, 0 }, 375, 400 },     /* 5 % */
		{ { CODEC_PCMA, 200, 1000, 0, 0 }, 240, 290 },    /* 20 % */
		{ { CODEC_PCMA, 0, 1000, 0, 200000 }, 425, 440 }, /* 100 ms each way */
		{ { CODEC_PCMA, 0, 1000, 0, 800000 }, 270, 320 }, /* 400 ms each way */
		{ { CODEC_PCMA, 0, 1000, 30000, 0 }, 425, 440 },  /* 60 ms of buffer */
		{ { CODEC_PCMA, 1000, 1000, 0, 0 }, 100, 130 },   /* nothing came */
		{ { CODEC_PCMA, 0, 1000, 0, 100000000 }, 100, 100 },
		{ { CODEC_PCMA, 0, 0, 0, 0 }, 0, 0 },
		{ { CODEC_COUNT, 0, 9, 0, 0 }, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint16_t score = quality_score(&rows[i].path);

		if (score < rows[i].low || score > rows[i].high)
			print_error("row %zu: %u\n", i, score);
		CHECK(score >= rows[i].low && score <= rows[i].high);
	}
}

static void worse_is_never_better(void **state)
{
	uint16_t before = 500;

	for (uint64_t lost = 0; lost <= 100; lost++) {
		struct quality_path path = { CODEC_PCMU, lost, 100, 0, 0 };

		CHECK(quality_score(&path) <= before);
		before = quality_score(&path);
	}
}

/* 200 packets of 20 ms, every second one late by so much. */
static struct quality_arrival arrive(uint32_t late_us)
{
	struct quality_arrival a = { 0 };

	for (uint32_t i = 0; i < 200; i++)
		quality_arrive(&a, 7, 0xffffff00u + i * 160, 8000, 1000000 + i * 20000 + (i % 2 ? late_us : 0));
	return a;
}

static void jitter_is_that_of_the_standard(void **state)
{
	struct quality_arrival a = arrive(0);

	CHECK_INT(0, quality_jitter_us(&a));
	CHECK_INT(0, a.max_us);
	/* Each step is off by 4 ms: the estimate runs towards that. */
	a = arrive(4000);
	CHECK(quality_jitter_us(&a) > 3900 && quality_jitter_us(&a) <= 4000);
	CHECK(quality_mean_us(&a) > 3000 && quality_mean_us(&a) < quality_jitter_us(&a));
	CHECK_INT(quality_jitter_us(&a), a.max_us);
}

static void a_new_stream_is_no_jitter(void **state)
{
	struct quality_arrival a = arrive(4000);
	uint32_t mean_us = quality_mean_us(&a);

	quality_arrive(&a, 8, 12345, 8000, 99000000);
	CHECK_INT(0, quality_jitter_us(&a));
	CHECK(quality_mean_us(&a) < mean_us && quality_mean_us(&a) > mean_us / 2);
	CHECK(a.max_us > 3900);
	/* Nor is a clock that was set, nor a pause in which it went on. */
	quality_arrive(&a, 8, 1u << 31, 8000, 99020000);
	CHECK_INT(0, quality_jitter_us(&a));
	quality_arrive(&a, 8, (1u << 31) + 80000, 8000, 109020000);
	CHECK_INT(0, quality_jitter_us(&a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(scores_of_paths),
		TEST(worse_is_never_better),
		TEST(jitter_is_that_of_the_standard),
		TEST(a_new_stream_is_no_jitter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "check.h"

#include <stdlib.h>

#include "media/fill.h"
#include "media/hold_tune.h"

enum { COUNT = 160 };

/* Frames of +-level; returns for how many of them it yielded. */
static unsigned run(struct fill *f, int16_t level, unsigned frames)
{
	int16_t audio[COUNT];
	unsigned yielded = 0;

	for (size_t i = 0; i < COUNT; i++)
		audio[i] = i & 1 ? level : (int16_t)-level;
	for (unsigned i = 0; i < frames; i++)
		yielded += fill_yields(f, audio, COUNT);
	return yielded;
}

static void it_yields_to_who_is_audible(void **state)
{
	struct fill f = { 0 };

	CHECK_INT(0, run(&f, 180, 1000)); /* -45.2 dBFS */
	CHECK_INT(0, run(&f, 3000, 9));
	CHECK_INT(0, run(&f, 0, 1)); /* a rest of speech */
	CHECK_INT(0, run(&f, 3000, 9));
	CHECK_INT(1, run(&f, 190, 1));
	CHECK_INT(50, run(&f, 190, 50));
	for (unsigned i = 0; i < 99; i++) /* rests of less than two seconds are music */
		CHECK(fill_yields(&f, NULL, COUNT));
	CHECK(run(&f, 3000, 1));
	CHECK_INT(99, run(&f, 0, 1000));
	CHECK_INT(0, run(&f, 3000, 9)); /* from the beginning */
	CHECK_INT(41, run(&f, INT16_MIN, 41));
}

/* What is built in: never louder than it may be, never silent for long, and without a click where it begins anew. */
static void the_tune_can_be_heard(void **state)
{
	struct clip *c = NULL;
	const int16_t *x;
	size_t n, quiet = 0, longest = 0;
	double sum = 0;

	assert_int_equal(hold_tune_new(&c), 0);
	CHECK_INT(HOLD_TUNE_MS, clip_ms(c));
	x = clip_samples(c);
	n = clip_count(c);
	for (size_t i = 0; i < n; i++) {
		CHECK(abs(x[i]) < 16384);
		quiet = abs(x[i]) > 200 ? 0 : quiet + 1;
		longest = quiet > longest ? quiet : longest;
		sum += (double)x[i] * x[i];
	}
	CHECK(longest < clip_rate_hz(c) / 20);
	CHECK(sum / (double)n > 1000.0 * 1000 && sum / (double)n < 6000.0 * 6000);
	CHECK(abs(x[0] - x[n - 1]) < 2500);
	clip_unref(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(it_yields_to_who_is_audible), TEST(the_tune_can_be_heard) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

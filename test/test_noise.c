#include "check.h"

#include <math.h>

#include "media/noise.h"

static double level_of(const int16_t *x, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)x[i] * x[i];
	return 20 * log10(sqrt(sum / (double)n) / 32767);
}

static void it_is_as_loud_as_they_say(void **state)
{
	static const struct {
		uint8_t level;
		double db;
	} rows[] = { { 40, -40 }, { 50, -50 }, { 60, -60 }, { 0x80 | 60, -60 }, { 0, -25.5 } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct noise n = { 0 };
		int16_t out[8000];

		noise_take(&n, &rows[i].level, 1, 500);
		CHECK(noise_make(&n, out, ARRAY_LEN(out), 501));
		CHECK(fabs(level_of(out, ARRAY_LEN(out)) - rows[i].db) < 1);
	}
}

static void it_ends(void **state)
{
	struct noise n = { 0 };
	int16_t out[8] = { 77 };

	CHECK(!noise_make(&n, out, 8, 1));
	noise_take(&n, (const uint8_t[]){ 40 }, 1, 500);
	CHECK(noise_make(&n, out, 8, 10499));
	CHECK(!noise_make(&n, out, 8, 10500));
	noise_take(&n, (const uint8_t[]){ 40 }, 1, 500);
	noise_stop(&n);
	out[0] = 77;
	CHECK(!noise_make(&n, out, 8, 501));
	noise_take(&n, NULL, 0, 500); /* no level: the lowest */
	CHECK(!noise_make(&n, out, 8, 501));
	noise_take(&n, (const uint8_t[]){ 0x7f }, 1, 500);
	CHECK(!noise_make(&n, out, 8, 501));
	CHECK_INT(77, out[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(it_is_as_loud_as_they_say), TEST(it_ends) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

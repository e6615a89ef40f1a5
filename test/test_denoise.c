/* Words that espeak-ng speaks in noise that sox makes: what is left of both. */
#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "media/denoise.h"

enum { MAX_S = 20, WORDS_AT_MS = 3000 };

static size_t make(const char *program, int16_t *out, size_t max)
{
	FILE *f = popen(program, "r");
	char rest[1024];
	size_t n;

	assert_non_null(f);
	n = fread(out, sizeof(*out), max, f);
	while (fread(rest, 1, sizeof(rest), f) > 0)
		;
	CHECK_INT(0, pclose(f));
	return n;
}

static double level_db(const int16_t *x, size_t n)
{
	double sum = 1e-3;

	for (size_t i = 0; i < n; i++)
		sum += (double)x[i] * x[i];
	return 10 * log10(sum / (double)n / 32768 / 32768);
}

/* How far they are apart, the best delay granted. */
static double likeness(const int16_t *a, const int16_t *b, size_t n, size_t max_delay)
{
	double best = 0;

	for (size_t delay = 0; delay <= max_delay; delay++) {
		double aa = 1, bb = 1, ab = 0;

		for (size_t i = 0; i + delay < n; i += 3) {
			aa += (double)a[i] * a[i];
			bb += (double)b[i + delay] * b[i + delay];
			ab += (double)a[i] * b[i + delay];
		}
		best = fmax(best, ab / sqrt(aa * bb));
	}
	return best;
}

static void run(int16_t *audio, size_t n, uint32_t rate_hz)
{
	size_t frame = rate_hz / 50;
	struct denoiser *d;

	assert_int_equal(denoiser_new(&d, rate_hz), 0);
	for (size_t i = 0; i + frame <= n; i += frame)
		denoiser_run(d, audio + i);
	denoiser_free(&d);
	assert_null(d);
}

static void noise_goes_and_words_stay(void **state)
{
	static const char *const noises[] = { "whitenoise", "pinknoise", "brownnoise" };
	static const uint32_t rates[] = { 8000, 16000 };
	size_t max = (size_t)MAX_S * 16000;
	int16_t *words = malloc(max * 2), *mixed = malloc(max * 2), *out = malloc(max * 2);

	for (size_t i = 0; i < ARRAY_LEN(noises) * ARRAY_LEN(rates); i++) {
		const char *noise = noises[i % ARRAY_LEN(noises)];
		uint32_t rate_hz = rates[i / ARRAY_LEN(noises)];
		size_t n, before = rate_hz * 2, from = (size_t)WORDS_AT_MS * rate_hz / 1000, length = rate_hz * 3;
		char program[400];
		double lost_db, kept_db;

		snprintf(program, sizeof(program),
			 "espeak-ng --stdout -g 40 'One. Two. Three. Four. Five. Six.' | sox -t wav - -t raw -r %u -c "
			 "1 -e "
			 "signed -b 16 - gain -n -6 pad 3 1",
			 rate_hz);
		n = make(program, words, max);
		assert_true(n > from + length);
		snprintf(program, sizeof(program),
			 "sox -R -n -t raw -r %u -c 1 -e signed -b 16 - synth %zu %s gain -28", rate_hz,
			 n / rate_hz + 1, noise);
		assert_true(make(program, mixed, n) == n);
		for (size_t k = 0; k < n; k++)
			mixed[k] = (int16_t)(mixed[k] + words[k]);
		memcpy(out, mixed, n * sizeof(*out));
		run(out, n, rate_hz);
		lost_db = level_db(mixed + before, rate_hz / 2) - level_db(out + before, rate_hz / 2);
		kept_db = level_db(out + from, length) - level_db(words + from, length);
		CHECK(lost_db >= 10);
		CHECK(fabs(kept_db) < 3);
		CHECK(likeness(words + from, out + from, length, rate_hz / 50) > 0.97);
		if (check_bad)
			fprintf(stderr, "%s at %u: noise -%.1f dB, words %.1f dB\n", noise, rate_hz, lost_db, kept_db);
	}
	free(words);
	free(mixed);
	free(out);
}

/* What is not noisy stays as it is. */
static void clean_words_stay(void **state)
{
	size_t max = (size_t)MAX_S * 8000, n;
	int16_t *words = malloc(max * 2), *out = malloc(max * 2);

	n = make("espeak-ng --stdout 'This line has no noise at all.' | sox -t wav - -t raw -r 8000 -c 1 -e signed -b "
		 "16 - "
		 "gain -n -6 pad 0.5",
		 words, max);
	assert_true(n > 8000);
	memcpy(out, words, n * sizeof(*out));
	run(out, n, 8000);
	CHECK(likeness(words, out, n, 160) > 0.99);
	CHECK(fabs(level_db(words, n) - level_db(out, n)) < 1);
	free(words);
	free(out);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { TEST(noise_goes_and_words_stay), TEST(clean_words_stay) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

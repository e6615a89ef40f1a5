#include "media/hold_tune.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/util.h"

enum {
	RATE_HZ = 8000,
	NOTE_MS = 250, /* from note to note */
	SOUND_MS = 1500,
	NOTES = 8, /* in a chord: two seconds */
};

/* Half tones above A3; each chord rises and falls. */
static const int chords[][4] = {
	{ 3, 7, 10, 15 }, /* C */
	{ 0, 3, 7, 12 },  /* a */
	{ -4, 0, 3, 8 },  /* F */
	{ -2, 2, 5, 10 }, /* G */
	{ 3, 7, 10, 14 }, /* C maj7 */
	{ 0, 3, 7, 10 },  /* a7 */
	{ -7, -4, 0, 5 }, /* d */
	{ -2, 2, 5, 8 },  /* G7 */
};
static const int order[NOTES] = { 0, 1, 2, 3, 2, 1, 2, 1 };

_Static_assert(ARRAY_LEN(chords) * NOTES * NOTE_MS == HOLD_TUNE_MS, "the tune is as long as it says");

/* A struck bar: two partials that fade, the higher one sooner. What rings beyond the end is heard at the beginning. */
static void strike(int16_t *samples, size_t count, size_t from, int half_tones)
{
	double hz = 220 * pow(2, half_tones / 12.0);

	for (size_t i = 0; i < (size_t)SOUND_MS * RATE_HZ / 1000; i++) {
		double t = (double)i / RATE_HZ, attack = t < 0.008 ? t / 0.008 : 1;
		double fades = exp(-3.2 * t) * (1 - t * 1000 / SOUND_MS);
		double x = sin(2 * M_PI * hz * t) + 0.3 * exp(-4 * t) * sin(2 * M_PI * 3 * hz * t);

		samples[(from + i) % count] += (int16_t)lrint(3200 * attack * fades * x);
	}
}

int hold_tune_new(struct clip **out)
{
	size_t count = (size_t)HOLD_TUNE_MS * RATE_HZ / 1000, at = 0;
	int16_t *samples = calloc(count, sizeof(*samples));
	int err;

	if (!samples)
		return ENOMEM;
	for (size_t c = 0; c < ARRAY_LEN(chords); c++) {
		for (size_t n = 0; n < NOTES; n++, at += (size_t)NOTE_MS * RATE_HZ / 1000)
			strike(samples, count, at, chords[c][order[n]]);
	}
	err = clip_new(out, RATE_HZ, samples, count);
	if (err)
		free(samples);
	return err;
}

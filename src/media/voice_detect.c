#include "media/voice_detect.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

/* Pitch is looked for at half the rate. */
enum {
	PITCH_HZ = VOICE_HZ / 2,
	PITCH_PIECE = VOICE_SAMPLES / 2,
	PITCH_WINDOW = 120,       /* 30 ms */
	LAG_MIN = PITCH_HZ / 400, /* of a child … */
	LAG_MAX = PITCH_HZ / 70,  /* … and of a bass */
	PITCH_KEPT = PITCH_WINDOW + LAG_MAX,
};

/* Tones are looked for in a spectrum of 32 ms. */
enum {
	BINS = 256,
	BIN_LOW = 6, /* 190 Hz */
	BIN_HIGH = 120,
	TONE_LOW_HZ = 300, /* below is the voice of a man, which may well be one frequency */
	PEAK_HALF = 2,     /* what a window spreads a frequency over */
	TONE_BITS = 8,
};

/* The noise of the line is the quietest of the last 75 to 100 pieces that were neither voice nor tone. */
enum { FLOOR_BLOCKS = 4, FLOOR_PIECES = 25, FLOOR_KNOWN = 2 };

enum { TRAIL_PIECES = 6 }; /* what has no pitch is voice for so long behind what has */

static const float QUIET = 32768.0f * 32768.0f * 1.6e-5f; /* -48 dB of full scale, mean square */
static const float OVER_FLOOR = 4.0f;                     /* 6 dB */
static const float PITCHED = 0.55f;
static const float ONE_TONE = 0.90f, TWO_TONES = 0.96f;

struct voice_detector {
	float before_in, before_out; /* of the high-pass */
	float samples[BINS];
	float halved[PITCH_KEPT];
	float window[BINS], cosine[BINS / 2], sine[BINS / 2];
	float re[BINS], im[BINS];
	float lowest, blocks[FLOOR_BLOCKS]; /* mean squares */
	unsigned pieces, block, known;
	unsigned pitched, trail; /* pieces in a row that had a pitch; that may still follow */
	bool toned;              /* the piece before was a tone */
};

int voice_detector_new(struct voice_detector **out)
{
	struct voice_detector *d = calloc(1, sizeof(*d));

	if (!d)
		return ENOMEM;
	for (unsigned i = 0; i < BINS; i++)
		d->window[i] = 0.5f - 0.5f * cosf(2 * (float)M_PI * (float)i / BINS);
	for (unsigned i = 0; i < BINS / 2; i++) {
		d->cosine[i] = cosf(2 * (float)M_PI * (float)i / BINS);
		d->sine[i] = -sinf(2 * (float)M_PI * (float)i / BINS);
	}
	d->lowest = INFINITY;
	*out = d;
	return 0;
}

void voice_detector_free(struct voice_detector **d)
{
	free(*d);
	*d = NULL;
}

/* Takes the piece in, without its hum and offset (a pole at 100 Hz). Returns its mean square. */
static float take(struct voice_detector *d, const int16_t *in)
{
	float *fresh = d->samples + BINS - VOICE_SAMPLES, *halved = d->halved + PITCH_KEPT - PITCH_PIECE, sum = 0;

	memmove(d->samples, d->samples + VOICE_SAMPLES, (BINS - VOICE_SAMPLES) * sizeof(float));
	memmove(d->halved, d->halved + PITCH_PIECE, (PITCH_KEPT - PITCH_PIECE) * sizeof(float));
	for (size_t i = 0; i < VOICE_SAMPLES; i++) {
		float x = in[i];

		d->before_out = 0.924f * (d->before_out + x - d->before_in);
		d->before_in = x;
		fresh[i] = d->before_out;
		sum += d->before_out * d->before_out;
	}
	for (size_t i = 0; i < PITCH_PIECE; i++)
		halved[i] = (fresh[2 * i] + fresh[2 * i + 1]) / 2;
	return sum / VOICE_SAMPLES;
}

/* Is it louder than the line by itself? */
static bool stands_out(const struct voice_detector *d, float power)
{
	float floor = INFINITY;

	for (unsigned i = 0; i < d->known; i++)
		floor = fminf(floor, d->blocks[i]);
	return power > QUIET && (d->known < FLOOR_KNOWN || power > floor * OVER_FLOOR);
}

/* A piece of the line by itself: music that never ceases does not become the noise of the line. */
static void learn_floor(struct voice_detector *d, float power)
{
	d->lowest = fminf(d->lowest, power);
	if (++d->pieces < FLOOR_PIECES)
		return;
	d->blocks[d->block] = d->lowest;
	d->block = (d->block + 1) % FLOOR_BLOCKS;
	d->known += d->known < FLOOR_BLOCKS;
	d->pieces = 0;
	d->lowest = INFINITY;
}

/* --- pitch --- */

static float dot(const float *a, const float *b)
{
	float sum[4] = { 0 };

	for (size_t i = 0; i < PITCH_WINDOW; i += 4) {
		for (size_t k = 0; k < 4; k++)
			sum[k] += a[i + k] * b[i + k];
	}
	return sum[0] + sum[1] + sum[2] + sum[3];
}

/* The same again a period earlier? */
static bool has_pitch(const struct voice_detector *d)
{
	const float *now = d->halved + LAG_MAX;
	float power = dot(now, now), like[LAG_MAX + 1];

	for (size_t lag = LAG_MIN; lag <= LAG_MAX; lag++) {
		const float *then = now - lag;

		like[lag] = dot(now, then) / sqrtf(power * dot(then, then) + 1);
	}
	/* A peak: what is merely slow is like itself a moment earlier, too. */
	for (size_t lag = LAG_MIN + 1; lag < LAG_MAX; lag++) {
		if (like[lag] > PITCHED && like[lag] >= like[lag - 1] && like[lag] >= like[lag + 1])
			return true;
	}
	return false;
}

/* --- tones --- */

static void transform(struct voice_detector *d)
{
	for (unsigned i = 0; i < BINS; i++) {
		unsigned at = 0;

		for (unsigned bit = 0; bit < TONE_BITS; bit++)
			at |= (i >> bit & 1) << (TONE_BITS - 1 - bit);
		d->re[at] = d->samples[i] * d->window[i];
		d->im[at] = 0;
	}
	for (unsigned half = 1; half < BINS; half *= 2) {
		for (unsigned i = 0; i < BINS; i++) {
			unsigned k = (i & (half - 1)) * (BINS / 2 / half), j = i + half;
			float re, im;

			if (i & half)
				continue;
			re = d->re[j] * d->cosine[k] - d->im[j] * d->sine[k];
			im = d->re[j] * d->sine[k] + d->im[j] * d->cosine[k];
			d->re[j] = d->re[i] - re;
			d->im[j] = d->im[i] - im;
			d->re[i] += re;
			d->im[i] += im;
		}
	}
}

/* Takes the strongest frequency out of the spectrum. Returns its power, and where it is. */
static float take_peak(float *power, float *hz)
{
	unsigned top = BIN_LOW;
	float sum = 0, moment = 0;

	for (unsigned i = BIN_LOW; i <= BIN_HIGH; i++)
		top = power[i] > power[top] ? i : top;
	for (unsigned i = top - PEAK_HALF; i <= top + PEAK_HALF; i++) {
		sum += power[i];
		moment += power[i] * (float)i;
		power[i] = 0;
	}
	*hz = sum > 0 ? moment / sum * VOICE_HZ / BINS : 0;
	return sum;
}

static bool is_tone(struct voice_detector *d, uint16_t *hz)
{
	float power[BINS / 2], total = 0, first, second, first_hz, second_hz;

	transform(d);
	for (unsigned i = 0; i < BINS / 2; i++) {
		power[i] = d->re[i] * d->re[i] + d->im[i] * d->im[i];
		total += i >= BIN_LOW - PEAK_HALF && i <= BIN_HIGH + PEAK_HALF ? power[i] : 0;
	}
	first = take_peak(power, &first_hz);
	second = take_peak(power, &second_hz);
	*hz = 0;
	if (first_hz < TONE_LOW_HZ)
		return false;
	if (first > ONE_TONE * total)
		*hz = (uint16_t)(first_hz + 0.5f);
	return *hz || (second_hz >= TONE_LOW_HZ && first + second > TWO_TONES * total);
}

/* Of a piece that is no tone. One piece alone with a pitch is the end of a tone, or chance. */
static bool is_voice(struct voice_detector *d)
{
	if (!d->toned && has_pitch(d)) {
		d->pitched++;
		if (d->pitched > 1)
			d->trail = TRAIL_PIECES;
		return true;
	}
	d->pitched = 0;
	d->trail -= d->trail > 0;
	return d->trail > 0;
}

struct voice_piece voice_detector_run(struct voice_detector *d, const int16_t in[VOICE_SAMPLES])
{
	struct voice_piece piece = { .kind = VOICE_NONE };
	float power = take(d, in);
	bool loud = stands_out(d, power), tone = loud && is_tone(d, &piece.hz);

	if (tone)
		piece.kind = VOICE_TONE;
	else if (loud && is_voice(d))
		piece.kind = VOICE_SPEECH;
	else
		learn_floor(d, power);
	if (!loud || tone)
		d->pitched = d->trail = 0;
	d->toned = tone;
	return piece;
}

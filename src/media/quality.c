#include "media/quality.h"

enum {
	MAX_STEP_US = 2000000, /* longer ones are a new start of the sender's clock */
	SECOND_US = 1000000,
};

/* What coding costs, and how well the decoder hides random loss (G.113 appendix I; the wide ones by analogy). */
static const struct {
	double impairment, robustness;
} codecs[CODEC_COUNT] = {
	[CODEC_OPUS] = { 0, 25.1 }, [CODEC_G722] = { 0, 25.1 },  [CODEC_PCMU] = { 0, 25.1 },
	[CODEC_PCMA] = { 0, 25.1 }, [CODEC_G729] = { 11, 19.0 }, [CODEC_L16] = { 0, 25.1 },
};

static const double packet_and_coder_ms = 25; /* a packet of 20 ms, and looking ahead */

void quality_arrive(struct quality_arrival *a, uint32_t ssrc, uint32_t timestamp, uint32_t clock_hz, uint64_t now_us)
{
	int64_t apart_us = (int64_t)(int32_t)(timestamp - a->timestamp) * SECOND_US / clock_hz;
	int64_t step_us = (int64_t)(now_us - a->came_us) - apart_us;
	uint32_t estimate_us;

	if (step_us < 0)
		step_us = -step_us;
	if (!a->started || ssrc != a->ssrc)
		a->jitter_16us = 0;
	else if (step_us < MAX_STEP_US)
		a->jitter_16us += (uint32_t)step_us - ((a->jitter_16us + 8) >> 4); /* A.8 */
	a->started = true;
	a->ssrc = ssrc;
	a->timestamp = timestamp;
	a->came_us = now_us;
	estimate_us = quality_jitter_us(a);
	if (estimate_us > a->max_us)
		a->max_us = estimate_us;
	a->sum_us += estimate_us;
	a->count++;
}

uint32_t quality_jitter_us(const struct quality_arrival *a)
{
	return a->jitter_16us >> 4;
}

uint32_t quality_mean_us(const struct quality_arrival *a)
{
	return a->count ? (uint32_t)(a->sum_us / a->count) : 0;
}

/* A jitter buffer holds about twice the mean deviation. */
static double delay_ms(const struct quality_path *p)
{
	return packet_and_coder_ms + p->round_trip_us / 2000.0 + 2 * p->jitter_us / 1000.0;
}

static double rating(const struct quality_path *p)
{
	double impairment = codecs[p->codec].impairment, delay = delay_ms(p);
	double loss = 100.0 * (double)p->lost / (double)p->of;
	double r = 93.2 - 0.024 * delay;

	if (delay > 177.3)
		r -= 0.11 * (delay - 177.3);
	return r - impairment - (95 - impairment) * loss / (loss + codecs[p->codec].robustness);
}

uint16_t quality_score(const struct quality_path *p)
{
	double r, score;

	if (!p->of || p->codec == CODEC_COUNT || codec_is_video(p->codec))
		return 0;
	r = rating(p);
	if (r <= 0)
		return 100;
	score = 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6;
	/* The curve dips below 1 for ratings under 6.5. */
	return score < 1 ? 100 : (uint16_t)(100 * score + 0.5);
}

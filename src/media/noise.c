#include "media/noise.h"

#include <math.h>

enum {
	LIFE_MS = 10000,
	PEAK_MAX = 3000, /* -26 dB of the loudest possible: more is no comfort */
};

void noise_take(struct noise *n, const uint8_t *payload, size_t bytes, uint64_t now_ms)
{
	/* RFC 3389 §3.1: the first byte is the level below the loudest possible, in dB. */
	uint8_t level = bytes ? payload[0] & 0x7f : 0x7f;
	/* The peak of evenly spread noise is the root of three above its level. */
	float peak = sqrtf(3) * INT16_MAX * powf(10, -(float)level / 20);

	n->until_ms = now_ms + LIFE_MS;
	n->peak = peak > PEAK_MAX ? PEAK_MAX : (int32_t)peak;
}

void noise_stop(struct noise *n)
{
	n->until_ms = 0;
}

bool noise_make(struct noise *n, int16_t *out, size_t count, uint64_t now_ms)
{
	if (now_ms >= n->until_ms || !n->peak)
		return false;
	for (size_t i = 0; i < count; i++) {
		n->state = n->state * 1664525 + 1013904223;
		out[i] = (int16_t)((int32_t)(n->state >> 16) % (2 * n->peak + 1) - n->peak);
	}
	return true;
}

#include "media/mix.h"

static int16_t clamp(int32_t x)
{
	if (x > INT16_MAX)
		return INT16_MAX;
	return (int16_t)(x < INT16_MIN ? INT16_MIN : x);
}

void mix_add(int16_t *sum, const int16_t *x, size_t count, float gain)
{
	if (gain == 1.0f) {
		for (size_t i = 0; i < count; i++)
			sum[i] = clamp(sum[i] + x[i]);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		float y = (float)x[i] * gain;

		/* A gain of 40 dB leaves the range of what a sample may be: cut before converting. */
		y = y > INT16_MAX ? INT16_MAX : y < INT16_MIN ? INT16_MIN : y;
		sum[i] = clamp(sum[i] + (int32_t)y);
	}
}

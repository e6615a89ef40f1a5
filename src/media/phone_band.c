#include "media/phone_band.h"

#include <assert.h>
#include <string.h>

enum { SHIFT = 14 };

/* A sinc of 3350 Hz under a Kaiser window (beta 2.5). */
static const int16_t taps[PHONE_BAND_TAPS] = {
	70,   -99,  106, -77,  10,    87,    -192,  271,   -291, 223, -59,  -185, 464,  -707,
	827,  -729, 309, 594,  -2484, 10054, 10054, -2484, 594,  309, -729, 827,  -707, 464,
	-185, -59,  223, -291, 271,   -192,  87,    10,    -77,  106, -99,  70,
};

static int16_t clamp(int32_t x)
{
	if (x > INT16_MAX)
		return INT16_MAX;
	return (int16_t)(x < INT16_MIN ? INT16_MIN : x);
}

void phone_band_run(struct phone_band *b, const int16_t *in, size_t count, int16_t *out)
{
	int16_t x[PHONE_BAND_TAPS - 1 + PHONE_BAND_MOST];

	assert(count <= PHONE_BAND_MOST);
	memcpy(x, b->before, sizeof(b->before));
	memcpy(x + PHONE_BAND_TAPS - 1, in, count * sizeof(*in));
	for (size_t i = 0; i < count; i++) {
		int32_t sum = 1 << (SHIFT - 1);

		for (size_t k = 0; k < PHONE_BAND_TAPS; k++)
			sum += taps[k] * x[i + k];
		out[i] = clamp(sum >> SHIFT);
	}
	memcpy(b->before, x + count, sizeof(b->before));
}

#include "media/fill.h"

enum {
	AUDIBLE = 184, /* root of the mean square: -45 dBFS */
	BEGINS = 10,
	ENDS = 100, /* frames of 20 ms */
};

static bool is_audible(const int16_t *x, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; x && i < count; i++)
		sum += (uint64_t)((int32_t)x[i] * x[i]);
	return sum > (uint64_t)AUDIBLE * AUDIBLE * count;
}

bool fill_yields(struct fill *f, const int16_t *peer, size_t count)
{
	if (is_audible(peer, count)) {
		if (f->loud < BEGINS)
			f->loud++;
		if (f->loud == BEGINS)
			f->quiet_left = ENDS;
	} else if (f->quiet_left) {
		f->quiet_left--;
	} else {
		f->loud = 0; /* what came before was the rest of his speech, or a crackle */
	}
	return f->quiet_left;
}

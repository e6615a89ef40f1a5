/* phone_band: 8 kHz audio cut to the band of a telephone: flat to 3.2 kHz, 3.5 kHz and above 25 dB weaker and more.
 *
 * For G.722 coded at 8 kHz, which is its lower band alone: the filters that part its bands are so flat around 4 kHz that what is
 * a little above comes back a little below, and the reverse, 11 dB weaker at 3.4 and 4.6 kHz. What is left out here keeps the
 * strongest of those images at -15 dB (3.2 and 4.8 kHz), below 3 kHz at -20 dB and less. Linear phase, 2.4 ms.
 * Zeroed memory = silence before. Thread: the owner's. */
#ifndef PHONE_BAND_H
#define PHONE_BAND_H

#include <stddef.h>
#include <stdint.h>

enum { PHONE_BAND_TAPS = 40, PHONE_BAND_MOST = 480 };

struct phone_band {
	int16_t before[PHONE_BAND_TAPS - 1];
};

/* count at most PHONE_BAND_MOST; out may be in. */
void phone_band_run(struct phone_band *b, const int16_t *in, size_t count, int16_t *out);

#endif

/* denoise: takes the steady noise out of what a party says (speexdsp's preprocessor), for one stream.
 *
 * Noise is what stays the same for half a second and more, so a note that is held is noise in the end, too; words are not. Adds
 * no samples; what comes out is some milliseconds late. Thread: the owner's; making one allocates, running one does not. */
#ifndef DENOISE_H
#define DENOISE_H

#include <stdint.h>

struct denoiser;

/* rate_hz: 8000 or 16000. 0 or ENOMEM. */
int denoiser_new(struct denoiser **out, uint32_t rate_hz);
void denoiser_free(struct denoiser **d);
/* 20 ms, in place. */
void denoiser_run(struct denoiser *d, int16_t *audio);

#endif

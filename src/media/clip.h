/* clip: decoded audio in memory, read by many at once: mono, 16 bit, immutable, counted.
 *
 * Thread: any (the count is atomic). */
#ifndef CLIP_H
#define CLIP_H

#include <stddef.h>
#include <stdint.h>

struct clip;

/* Takes the samples (malloc'ed). 0 or ENOMEM (samples stay the caller's). */
int clip_new(struct clip **out, uint32_t rate_hz, int16_t *samples, size_t count);
struct clip *clip_ref(struct clip *c);
void clip_unref(struct clip **c); /* *c may be NULL */
uint32_t clip_rate_hz(const struct clip *c);
size_t clip_count(const struct clip *c);
const int16_t *clip_samples(const struct clip *c);
uint32_t clip_ms(const struct clip *c);

#endif

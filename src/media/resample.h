/* resample: linear mono audio from one rate to another, for one stream (speexdsp, quality 3).
 *
 * Thread: the owner's; making one allocates, running one does not. */
#ifndef RESAMPLE_H
#define RESAMPLE_H

#include <stddef.h>
#include <stdint.h>

struct resampler;

/* 0 or ENOMEM; EINVAL for rates of 0 or over 192 kHz. Equal rates are fine: samples are copied. */
int resampler_new(struct resampler **out, uint32_t from_hz, uint32_t to_hz);
void resampler_free(struct resampler **r);
/* Returns the samples written, at most max. *count: how many there are, then how many were taken: all, unless out is full. */
size_t resampler_run(struct resampler *r, const int16_t *in, size_t *count, int16_t *out, size_t max);

#endif

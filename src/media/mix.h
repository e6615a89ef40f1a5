/* mix: one sound onto another. Pure. Thread: any. */
#ifndef MIX_H
#define MIX_H

#include <stddef.h>
#include <stdint.h>

/* sum += gain * x, cut at what a sample may be. */
void mix_add(int16_t *sum, const int16_t *x, size_t count, float gain);

#endif

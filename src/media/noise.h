/* noise: the comfort noise that stands for a party's pauses, at the level that it named.
 *
 * White: the colour that a packet may describe is left out. Pure; time is passed in. Thread: any. Source: RFC 3389. */
#ifndef NOISE_H
#define NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct noise { /* zeroed = none */
	uint64_t until_ms;
	int32_t peak;
	uint32_t state;
};

/* A packet's payload came. Its noise lasts until noise_stop(), ten seconds at most. */
void noise_take(struct noise *n, const uint8_t *payload, size_t bytes, uint64_t now_ms);
/* Speech came. */
void noise_stop(struct noise *n);
/* false = there is none, and out is as it was. */
bool noise_make(struct noise *n, int16_t *out, size_t count, uint64_t now_ms);

#endif

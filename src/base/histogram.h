/* histogram: how long something took, in steps of time: for a reader who adds them up (Prometheus).
 *
 * Passive; the owner zeroes it. Thread: the owner's. */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_STEPS = 16 };

struct histogram {
	uint64_t steps[HISTOGRAM_STEPS + 1]; /* how many took at most histogram_ms[i] and more than the one before; the
					      * last: more than all */
	uint64_t count, sum_us;
};

/* Where the steps end [ms], rising: from a receiver in the same room to one that was down for minutes. */
extern const uint32_t histogram_ms[HISTOGRAM_STEPS];

void histogram_add(struct histogram *h, uint64_t took_us);

#endif

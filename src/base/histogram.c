#include "base/histogram.h"

const uint32_t histogram_ms[HISTOGRAM_STEPS] = { 1,   2,    5,    10,   25,    50,    100,   250,
						 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000 };

void histogram_add(struct histogram *h, uint64_t took_us)
{
	unsigned i = 0;

	while (i < HISTOGRAM_STEPS && took_us > histogram_ms[i] * UINT64_C(1000))
		i++;
	h->steps[i]++;
	h->count++;
	h->sum_us += took_us;
}

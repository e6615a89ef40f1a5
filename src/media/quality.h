/* quality: how good a stream is: jitter of what arrives, and the opinion score that loss, jitter and delay leave.
 *
 * Pure numbers. The score is an estimate by the E-model with its usual simplifications: echo, noise and loudness as the
 * standard's defaults, loss taken as random. Opus, G722 and L16 count as if they were a telephone's codec without any
 * impairment of its own, so scores compare between legs. Thread: any. Source: RFC 3550 §6.4.1, A.8; ITU-T G.107, G.113. */
#ifndef QUALITY_H
#define QUALITY_H

#include "media/codec.h"

/* Arrival of one stream's packets. Zeroed memory = nothing yet. */
struct quality_arrival {
	uint64_t came_us; /* the packet before */
	uint32_t timestamp, ssrc;
	uint32_t jitter_16us; /* 1/16 us: the estimate of now */
	uint32_t max_us;
	uint64_t sum_us; /* of the estimates after each packet */
	uint32_t count;
	bool started;
};
/* A packet of the codec; a new ssrc, or a step in time that is no jitter, begins anew and keeps mean and maximum. */
void quality_arrive(struct quality_arrival *a, uint32_t ssrc, uint32_t timestamp, uint32_t clock_hz, uint64_t now_us);
uint32_t quality_jitter_us(const struct quality_arrival *a); /* now */
uint32_t quality_mean_us(const struct quality_arrival *a);

struct quality_path { /* what happens to a stream */
	enum codec_id codec;
	uint64_t lost, of; /* packets */
	uint32_t jitter_us;
	uint32_t round_trip_us; /* 0 = not known: counts as none */
};
/* Mean opinion score of listening, 100 to 450 for 1.00 to 4.50; 0 = of is 0. */
uint16_t quality_score(const struct quality_path *p);

#endif

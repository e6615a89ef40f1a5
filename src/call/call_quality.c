#include "call/call_quality.h"

#include <stdio.h>

#include "base/arena.h"
#include "call/event.h"

const char *call_quality_packets(const struct port_stats *m, char out[160])
{
	int n = snprintf(out, 160, "in=%llu,out=%llu,lost=%u,foreign=%llu", (unsigned long long)m->packets_in,
			 (unsigned long long)m->packets_out, m->lost, (unsigned long long)m->foreign);

	if (m->unauthentic)
		snprintf(out + n, 160 - (size_t)n, ",unauthentic=%llu", (unsigned long long)m->unauthentic);
	return out;
}

const struct port_stats *call_quality_keep(struct arena *a, const struct port_stats *m)
{
	struct port_stats *out = m ? arena_alloc(a, sizeof(*out)) : NULL;

	if (out)
		*out = *m;
	return out;
}

const char *call_quality_print(const struct port_stats *m, char out[160])
{
	uint64_t due = m->packets_in + m->lost;
	size_t n = 0;

	*out = '\0';
	if (m->packets_in)
		n = (size_t)snprintf(out, 160, "mos=%.2f,loss=%.2f%%,jitter=%.1f,jitter_max=%.1f,", m->score / 100.0,
				     100.0 * m->lost / (double)due, m->jitter_us / 1000.0, m->jitter_max_us / 1000.0);
	if (m->round_trip_us)
		n += (size_t)snprintf(out + n, 160 - n, "round_trip=%.1f,", m->round_trip_us / 1000.0);
	if (m->far_reported)
		n += (size_t)snprintf(out + n, 160 - n, "far_mos=%.2f,far_lost=%u,far_jitter=%.1f,",
				      m->far_score / 100.0, m->far_lost, m->far_jitter_us / 1000.0);
	if (n)
		out[n - 1] = '\0';
	return out;
}

void call_quality_sum_up(struct event_leg *out, const struct port_stats *m)
{
	out->jitter_us = m->jitter_us;
	out->jitter_max_us = m->jitter_max_us;
	out->round_trip_us = m->round_trip_us;
	out->score = m->score;
	out->far_reported = m->far_reported;
	out->far_lost = m->far_lost;
	out->far_jitter_us = m->far_jitter_us;
	out->far_score = m->far_score;
}

static unsigned band_of(uint16_t score)
{
	if (score >= 360)
		return score >= 400 ? 0 : 1;
	return score >= 310 ? 2 : 3;
}

void call_quality_count(struct calls_counts *n, const struct port_stats *m)
{
	if (m->score) {
		n->by_score[band_of(m->score)]++;
		n->jitter_ms += (m->jitter_us + 500) / 1000;
	}
	if (m->round_trip_us) {
		n->round_trips++;
		n->round_trip_ms += (m->round_trip_us + 500) / 1000;
	}
}

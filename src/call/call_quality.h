/* call_quality: how a leg that has ended sounded, as events, records and metrics tell it. The measuring is done by the port.
 *
 * Thread: signal. */
#ifndef CALL_QUALITY_H
#define CALL_QUALITY_H

#include "call/calls.h"
#include "media/port.h"

struct arena;
struct event_leg;

/* Packets of one stream; returns out. */
const char *call_quality_packets(const struct port_stats *m, char out[160]);
/* A copy; NULL for NULL, and on no memory. */
const struct port_stats *call_quality_keep(struct arena *a, const struct port_stats *m);
/* Empty = nothing came, and nobody reported. */
const char *call_quality_print(const struct port_stats *m, char out[160]);
void call_quality_sum_up(struct event_leg *out, const struct port_stats *m);
void call_quality_count(struct calls_counts *n, const struct port_stats *m);

#endif

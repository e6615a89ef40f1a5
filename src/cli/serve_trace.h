/* serve_trace: the ring of SIP messages and the way to a capture server, as `trace` in the configuration says.
 *
 * Thread: signal. */
#ifndef SERVE_TRACE_H
#define SERVE_TRACE_H

#include "config.h"

struct metrics;
struct net;
struct sip_trace;

struct serve_trace { /* zeroed = nothing is kept */
	struct sip_trace *ring;
	struct hep *hep;
	bool kept; /* there is a ring to look into */
};

/* 0, or errno after one line in the log. */
int serve_trace_open(struct serve_trace *t, struct loop *l, struct net *net, const struct config_trace *c);
void serve_trace_close(struct serve_trace *t);
void serve_trace_metrics(struct serve_trace *t, struct metrics *m);

#endif

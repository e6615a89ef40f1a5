#include "cli/serve_trace.h"

#include <string.h>

#include "api/metrics.h"
#include "sip/hep.h"

int serve_trace_open(struct serve_trace *t, struct loop *l, struct net *net, const struct config_trace *c)
{
	struct sip_trace_opts opts = { .loop = l, .bytes = (size_t)c->memory_mb << 20 };
	int err = 0;

	if (c->hep.sa.sa_family)
		err = hep_new(&t->hep, net, &c->hep, c->hep_id);
	opts.hep = t->hep;
	if (!err && (opts.bytes || opts.hep))
		err = sip_trace_new(&t->ring, &opts);
	t->kept = opts.bytes;
	if (err)
		log_printf(LOG_ERROR, NULL, "trace: %s", strerror(err));
	return err;
}

void serve_trace_close(struct serve_trace *t)
{
	sip_trace_free(&t->ring);
	hep_free(&t->hep);
}

static uint64_t read_hep(void *arg, unsigned index)
{
	const struct serve_trace *t = arg;
	const struct hep_counts counts = hep_count(t->hep);

	return index ? counts.dropped : counts.sent;
}

void serve_trace_metrics(struct serve_trace *t, struct metrics *m)
{
	static const struct metric rows[] = {
		{ "crosspoint_hep_total", "counter", "SIP messages copied to the capture server.", "result=\"sent\"",
		  read_hep, 0 },
		{ "crosspoint_hep_total", "counter", "SIP messages copied to the capture server.", "result=\"dropped\"",
		  read_hep, 1 },
	};

	if (t->hep)
		metrics_add(m, rows, ARRAY_LEN(rows), t);
}

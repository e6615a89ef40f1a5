/* OPTIONS to one trunk: does it answer at all? (RFC 3261 §11) */
#include <errno.h>
#include <stdio.h>

#include "call/trunk_impl.h"

enum {
	PATIENCE_MS = 5000, /* as long as a call waits for a trunk's first word (PRODUCT §6) */
	AGAIN_MS = 1000,    /* a first failure is looked into soon */
	FAILURES = 2,       /* in a row */
};

static void probe(void *arg)
{
	struct trunk_line *l = arg;

	sip_request_send(l->probe.request, 0);
}

/* Up to a tenth later, so that the probes of many trunks spread. */
static void schedule(struct trunk_line *l)
{
	struct loop *loop = l->owner->opts.loop;
	uint32_t every_ms = l->t->probe_s * 1000;
	bool soon = l->probe.failures && l->probe.failures < FAILURES && every_ms > AGAIN_MS;

	loop_timer_start(loop, &l->probe.timer, soon ? AGAIN_MS : every_ms + loop_random_below(loop, every_ms / 10 + 1),
			 probe, l);
}

static void on_done(void *arg, const struct sip_request_end *end)
{
	struct trunk_line *l = arg;
	struct trunk_probe *p = &l->probe;

	/* 404, 405, 481: whoever says so is there. 503 is what a host says that must not be called now. */
	if (end->status && end->status != 503) {
		p->failures = 0;
		p->down = false;
	} else {
		p->failures += p->failures < FAILURES;
		p->down = p->down || p->failures == FAILURES;
		snprintf(p->why, sizeof(p->why), "OPTIONS: %s", end->why);
	}
	schedule(l);
	trunk_judge(l);
}

int trunk_probe_start(struct trunk_line *l)
{
	static const struct sip_request_handlers handlers = { on_done, NULL };
	struct sip_request_params p = { .method = SIP_OPTIONS,
					.kind = l->owner->config.default_transport,
					.patience_ms = PATIENCE_MS };
	struct buf place = { 0 }, from = { 0 };
	char text[ADDR_TEXT];
	struct addr local;
	int err;

	trunk_place(&place, l->t);
	if (l->owner->config.host) {
		buf_printf(&from, "sip:%s", l->owner->config.host);
	} else {
		sip_stack_local(l->owner->opts.stack, 0, &local);
		buf_printf(&from, "sip:%s", addr_uri_host(&local, text));
	}
	p.ruri = p.to_uri = buf_view(&place);
	p.from_uri = buf_view(&from);
	err = sip_request_new(&l->probe.request, l->owner->opts.stack, &p, &handlers, l);
	if (!err)
		probe(l);
	buf_free(&place);
	buf_free(&from);
	return err;
}

void trunk_probe_stop(struct trunk_line *l)
{
	loop_timer_stop(l->owner->opts.loop, &l->probe.timer);
	sip_request_free(&l->probe.request);
}

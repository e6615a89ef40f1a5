#include "op/refer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/loop.h"
#include "op/op_impl.h"

struct refer {
	struct op op;
	struct call *call; /* NULL once it has gone */
	struct loop *loop;
	struct call_watch watch;
	struct loop_timer later;
	char *to, *status_url;
	int status, notified;
	char why[120];
};

static void free_refer(struct refer *r)
{
	loop_timer_stop(r->loop, &r->later);
	call_unwatch(&r->watch);
	free(r->to);
	free(r->status_url);
	free(r);
}

/* "" for what was not told. */
static struct str code(char out[8], int status)
{
	out[0] = '\0';
	if (status)
		snprintf(out, 8, "%d", status);
	return str_of(out);
}

static void emit(struct refer *r, bool good)
{
	char status[8], notified[8];
	const struct event_field fields[] = { { "to", str_of(r->to) },
					      { "state", good ? STR("success") : STR("failed") },
					      { "sip_code", code(status, r->status) },
					      { "notify_code", code(notified, r->notified) },
					      { "why", str_of(r->why) } };

	call_emit_to(r->call, r->status_url, EVENT_REFER, fields, ARRAY_LEN(fields));
}

static void finish(struct refer *r, enum op_outcome outcome)
{
	const struct op_result result = {
		.outcome = outcome,
		.why = r->why,
		.sip_status = (uint16_t)r->status,
		.notify_status = (uint16_t)r->notified,
	};

	if (r->call)
		emit(r, outcome == OP_DONE);
	op_finish(&r->op, &result);
	free_refer(r);
}

static void transferred(void *arg, struct call *c, const struct transferred *t)
{
	struct refer *r = arg;

	r->status = t->status;
	r->notified = t->notified;
	if (!t->over)
		return;
	str_copy(r->why, sizeof(r->why), str_of(t->why));
	finish(r, t->good ? OP_DONE : OP_FAILED);
}

static void closed(void *arg, struct call *c)
{
	struct refer *r = arg;

	str_copy(r->why, sizeof(r->why), STR("the call has ended"));
	finish(r, OP_GONE);
}

static void reoffered(void *arg, struct call *c, int status)
{
}

static const struct call_watcher watcher = { .closed = closed, .reoffered = reoffered, .transferred = transferred };

static void stopped(void *arg)
{
	struct refer *r = arg;

	str_copy(r->why, sizeof(r->why), STR("the transfer is waited for no longer"));
	finish(r, OP_STOPPED);
}

/* The far end cannot be told to stop; only the waiting can. */
static void stop(struct op *o)
{
	struct refer *r = (struct refer *)(void *)o;

	loop_timer_start(r->loop, &r->later, 0, stopped, r);
}

static const struct op_ops ops = { .stop = stop };

int refer_start(struct op **out, struct call *call, const struct refer_params *p, op_done_fn *done, void *arg)
{
	struct refer *r = calloc(1, sizeof(*r));
	int err = r ? 0 : ENOMEM;

	if (err)
		return err;
	r->op = (struct op){ .ops = &ops, .done = done, .arg = arg };
	r->loop = call_loop(call);
	r->to = str_heap(str_of(p->to.to));
	r->status_url = p->status_url ? str_heap(str_of(p->status_url)) : NULL;
	if (!r->to || (p->status_url && !r->status_url))
		err = ENOMEM;
	if (!err)
		err = call_transfer(call, &p->to);
	if (err) {
		free_refer(r);
		return err;
	}
	r->call = call;
	call_watch(call, &r->watch, &watcher, r);
	*out = &r->op;
	return 0;
}

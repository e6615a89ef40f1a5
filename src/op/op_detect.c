#include "op/op_detect.h"

#include <errno.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/loop.h"
#include "call/call_media.h"
#include "op/op_background.h"
#include "op/op_impl.h"

struct detection {
	struct op op;
	struct background background;
	struct arena *arena;
	struct detection_ask ask;
	struct call *call;
	struct loop *loop;
	struct call_watch watch;
	struct call_listening listening;
	struct detector *detector; /* until it listens */
	struct loop_timer later;   /* the beginning, then the time-out */
	uint64_t began_ms;
	struct detection_result result;
	char control_id[37];
};

/* --- what is told --- */

static void tell(struct detection *d, const char *event, bool final)
{
	bool fax = !d->ask.what.machine || str_is(str_of(d->result.who), "fax");
	struct call_operation o = {
		.type = "calling.call.detect",
		.control_id = d->ask.control_id,
		.final = final,
		.hook = d->ask.status_url,
	};
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b, "\"detect\":{\"type\":\"%s\",\"params\":{\"event\":\"%s\"", fax ? "fax" : "machine", event);
	if (!fax && !final)
		buf_printf(&b, ",\"beep\":%s", d->result.beep ? "true" : "false");
	buf_cstr(&b, "}}");
	o.params = b.failed ? STR("") : buf_view(&b);
	call_emit_operation(d->call, &o);
	buf_free(&b);
}

static void found(struct detection *d, const char *who, const char *event)
{
	d->result.who = who;
	tell(d, event, false);
}

static void heard(void *arg, unsigned what)
{
	struct detection *d = arg;

	switch ((enum detect_news)what) {
	case DETECT_NOTHING:
	case DETECT_NOBODY: /* the end, which says so */
		break;
	case DETECT_HUMAN:
		found(d, "human", "HUMAN");
		break;
	case DETECT_MACHINE:
		found(d, "machine", "MACHINE");
		break;
	case DETECT_READY:
		found(d, "machine", "READY");
		break;
	case DETECT_NOT_READY:
		found(d, "machine", "NOT_READY");
		break;
	case DETECT_BEEP:
		d->result.beep = true;
		found(d, "machine", "MACHINE");
		break;
	case DETECT_CED:
		found(d, "fax", "CED");
		break;
	case DETECT_CNG:
		found(d, "fax", "CNG");
		break;
	}
}

/* --- the end --- */

static void release(struct detection *d)
{
	if (d->detector)
		detector_sink(d->detector)->ops->free(detector_sink(d->detector));
	arena_free(&d->arena);
	free(d);
}

static void finish(struct detection *d, enum op_outcome outcome, const char *why)
{
	const struct op_result r = { .outcome = outcome, .why = why };

	loop_timer_stop(d->loop, &d->later);
	call_unwatch(&d->watch);
	call_unlisten(d->call, &d->listening);
	call_listen_forget(&d->listening);
	if (d->began_ms)
		d->result.ms = (uint32_t)(loop_now_ms(d->loop) - d->began_ms);
	if (outcome == OP_FAILED)
		d->result.who = "error";
	else if (str_is(str_of(d->result.who), "detecting"))
		d->result.who = "unknown";
	if (outcome == OP_DONE && d->ask.what.machine && str_is(str_of(d->result.who), "unknown"))
		tell(d, "UNKNOWN", false);
	tell(d, outcome == OP_FAILED ? "error" : "finished", true);
	background_remove(&d->background);
	op_finish(&d->op, &r);
	release(d);
}

static void call_closed(void *arg, struct call *c)
{
	finish(arg, OP_GONE, "the call ended");
}

static const struct call_watcher watcher = { .closed = call_closed };

static void detached(void *arg, struct sink *s)
{
	struct detection *d = arg;
	enum detect_news what;

	d->detector = detector_of(s);
	while ((what = detector_take(d->detector)))
		heard(d, what);
	if (detector_is_over(d->detector))
		finish(d, OP_DONE, "the party is known");
	else if (call_can_hear(d->call))
		finish(d, OP_FAILED, "out of memory");
	else
		finish(d, OP_GONE, "the audio of the call ended");
}

static void over(void *arg)
{
	finish(arg, OP_DONE, "the time is over");
}

static void stop_later(void *arg)
{
	finish(arg, OP_STOPPED, "stopped");
}

static void stop(struct op *o)
{
	struct detection *d = (struct detection *)(void *)o;

	loop_timer_start(d->loop, &d->later, 0, stop_later, d);
}

static const struct op_ops ops = { .stop = stop };

/* --- the beginning --- */

static void begin(void *arg)
{
	struct detection *d = arg;
	int err;

	if (call_answer(d->call, NULL))
		return; /* the call ends, and says so */
	d->listening.detached = detached;
	d->listening.news = heard;
	d->listening.arg = d;
	err = call_listen(d->call, &d->listening, detector_sink(d->detector));
	if (err) {
		finish(d, OP_FAILED, err == ENOMEM ? "out of memory" : "the call has no audio");
		return;
	}
	d->detector = NULL; /* comes back when it is detached */
	d->began_ms = loop_now_ms(d->loop);
	if (d->ask.timeout_ms)
		loop_timer_start(d->loop, &d->later, d->ask.timeout_ms, over, d);
}

static int copy_texts(struct detection *d, const struct detection_ask *ask)
{
	str_uuid(d->control_id, loop_random(d->loop), loop_random(d->loop));
	d->ask.control_id = ask->control_id ? str_dup(d->arena, str_of(ask->control_id)) : d->control_id;
	d->ask.status_url = ask->status_url ? str_dup(d->arena, str_of(ask->status_url)) : NULL;
	return !d->ask.control_id || (ask->status_url && !d->ask.status_url) ? ENOMEM : 0;
}

int detection_start(struct op **out, const struct op_start *start, const struct detection_ask *ask)
{
	struct call_info info;
	struct detection *d;
	int err;

	call_get_info(start->call, &info);
	if (info.state == CALL_ENDED)
		return ENOTCONN;
	d = calloc(1, sizeof(*d));
	if (!d)
		return ENOMEM;
	d->op = (struct op){ .ops = &ops, .done = start->done, .arg = start->arg };
	d->call = start->call;
	d->loop = call_loop(d->call);
	d->ask = *ask;
	d->result.who = "detecting";
	err = arena_new(&d->arena, 0, 0);
	if (!err)
		err = copy_texts(d, ask);
	if (!err)
		err = detector_new(&d->detector, &ask->what);
	if (err) {
		release(d);
		return err;
	}
	call_watch(d->call, &d->watch, &watcher, d);
	if (ask->background) {
		d->background = (struct background){ .kind = "detect", .control_id = d->ask.control_id, .op = &d->op };
		background_add(d->call, &d->background);
	}
	loop_timer_start(d->loop, &d->later, 0, begin, d);
	*out = &d->op;
	return 0;
}

struct detection_result detection_result(const struct op *o)
{
	return ((const struct detection *)(const void *)o)->result;
}

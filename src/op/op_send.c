#include "op/op_send.h"

#include <errno.h>
#include <stdlib.h>

#include "base/loop.h"
#include "call/call_media.h"
#include "op/op_impl.h"

struct send {
	struct op op;
	struct call *call;
	struct loop *loop;
	struct call_watch watch;
	struct call_playing sending;
	struct loop_timer later;
	enum op_outcome outcome;
	const char *why;
	char text[SEND_MAX_KEYS + 1];
};

static void finish(struct send *s, enum op_outcome outcome, const char *why)
{
	const struct op_result r = { .outcome = outcome, .why = why };

	call_unwatch(&s->watch);
	call_play_forget(&s->sending);
	loop_timer_stop(s->loop, &s->later);
	op_finish(&s->op, &r);
	free(s);
}

static void call_closed(void *arg, struct call *c)
{
	finish(arg, OP_GONE, "the call ended");
}

static void call_reoffered(void *arg, struct call *c, int status)
{
}

static const struct call_watcher watcher = { .closed = call_closed, .reoffered = call_reoffered };

static void sent(void *arg, enum port_played how)
{
	const struct send *s = arg;

	switch (how) {
	case PORT_PLAYED:
		finish(arg, OP_DONE, "sent");
		break;
	case PORT_STOPPED:
		finish(arg, OP_STOPPED, "stopped");
		break;
	case PORT_GONE: /* with the call, whose end follows; or for want of memory */
		if (call_can_hear(s->call))
			finish(arg, OP_FAILED, "out of memory");
		break;
	}
}

static void begin(void *arg)
{
	struct send *s = arg;
	int err;

	if (call_answer(s->call, NULL))
		return; /* the call ends, and says so */
	s->sending.played = sent;
	s->sending.arg = s;
	err = call_send_keys(s->call, &s->sending, s->text);
	if (err)
		finish(s, OP_FAILED, err == ENOMEM ? "out of memory" : "the call has no audio");
}

static void stop_later(void *arg)
{
	finish(arg, OP_STOPPED, "stopped");
}

static void stop(struct op *o)
{
	struct send *s = (struct send *)(void *)o;

	if (s->sending.node.next)
		call_play_control(s->call, &s->sending, PORT_STOP, 0);
	else
		loop_timer_start(s->loop, &s->later, 0, stop_later, s);
}

static const struct op_ops ops = { .stop = stop };

bool op_send_ok(const char *text)
{
	return port_keys_ok(text);
}

int op_send_start(struct op **out, const struct op_start *start, const char *text)
{
	struct call_info info;
	struct send *s;

	call_get_info(start->call, &info);
	if (info.state == CALL_ENDED)
		return ENOTCONN;
	if (!op_send_ok(text))
		return EINVAL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return ENOMEM;
	s->op = (struct op){ .ops = &ops, .done = start->done, .arg = start->arg };
	s->call = start->call;
	s->loop = call_loop(s->call);
	str_copy(s->text, sizeof(s->text), str_of(text));
	call_watch(s->call, &s->watch, &watcher, s);
	loop_timer_start(s->loop, &s->later, 0, begin, s);
	*out = &s->op;
	return 0;
}

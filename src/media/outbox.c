#include "media/outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "base/mq.h"

enum { HELD = 32 };

struct outbox {
	struct loop *loop;
	struct mq *to;
	size_t msg_bytes;
	struct loop_timer end_of_turn;
	size_t held;
	unsigned char messages[];
};

int outbox_new(struct outbox **out, struct loop *sender, struct mq *to, size_t msg_bytes)
{
	struct outbox *o = calloc(1, sizeof(*o) + HELD * msg_bytes);

	if (!o)
		return ENOMEM;
	o->loop = sender;
	o->to = to;
	o->msg_bytes = msg_bytes;
	*out = o;
	return 0;
}

void outbox_free(struct outbox **outbox)
{
	struct outbox *o = *outbox;

	if (!o)
		return;
	loop_timer_stop(o->loop, &o->end_of_turn);
	free(o);
	*outbox = NULL;
}

static void send_all(void *arg)
{
	struct outbox *o = arg;

	for (size_t i = 0; i < o->held; i++)
		mq_send_reserved(o->to, o->messages + i * o->msg_bytes);
	o->held = 0;
}

void outbox_put(struct outbox *o, const void *msg)
{
	if (o->held == HELD)
		send_all(o);
	memcpy(o->messages + o->held++ * o->msg_bytes, msg, o->msg_bytes);
	if (!o->end_of_turn.active)
		loop_timer_start(o->loop, &o->end_of_turn, 0, send_all, o);
}

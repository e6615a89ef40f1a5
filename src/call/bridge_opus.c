/* Opus across a bridge: each party's SDP from us says what the other one can use, so that nobody codes what nobody hears. Alone the
 * other party decides: a recording or a stream of a talk with a telephone is narrowband. Who was told to send less than his new
 * party can use is told anew; and so is who is left alone, since a document may listen to him next. */
#include "call/bridge.h"
#include "call/call_impl.h"

/* A party that stays behind is mostly hung up or joined with somebody else at once. */
enum { ALONE_MS = 1000 };

void bridge_wish_opus(struct call *a, const struct call *b)
{
	struct opus_wish w;

	if (a->leg)
		leg_wish_opus(a->leg, b->leg && leg_opus(b->leg, &w) ? &w : NULL);
}

void bridge_pass_opus(const struct call *c)
{
	struct call *other = call_find(c->owner, c->joined);

	if (!other || !c->leg || !other->leg)
		return;
	bridge_wish_opus(other, c);
	leg_tell_opus(other->leg);
}

static void stayed_alone(void *arg)
{
	struct call *c = arg;

	if (c->joined || !c->leg)
		return;
	leg_wish_opus(c->leg, NULL);
	leg_tell_opus(c->leg);
}

void bridge_leave_opus(struct call *c)
{
	enum codec_id codec;

	if (!c->leg || !leg_agreed(c->leg, &codec) || codec != CODEC_OPUS)
		return;
	loop_timer_start_loose(c->owner->opts.loop, &c->alone, ALONE_MS, stayed_alone, c);
}

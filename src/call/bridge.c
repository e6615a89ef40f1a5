#include "call/bridge.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "call/call_impl.h"

enum bridge_fit bridge_check(const struct call *a, const struct call *b)
{
	enum codec_id of_a, of_b;

	if (!a->leg || !b->leg || !leg_agreed(a->leg, &of_a) || !leg_agreed(b->leg, &of_b))
		return BRIDGE_UNKNOWN;
	return port_can_join(of_a, of_b) ? BRIDGE_FITS : BRIDGE_REOFFER;
}

bool bridge_can_join(const struct call *a, const struct call *b)
{
	const struct port *pa = a->leg ? leg_port(a->leg) : NULL, *pb = b->leg ? leg_port(b->leg) : NULL;

	return pa && pb && (port_is_near(pa, pb) || port_can_move(pa) || port_can_move(pb)) &&
	       bridge_check(a, b) == BRIDGE_FITS;
}

static int move_leg(const struct leg *l, const struct port *near)
{
	struct port *video = leg_video_port(l);
	int err = port_move(leg_port(l), near);

	return err || !video ? err : port_move(video, near);
}

/* On one worker: the one with less on it goes to the other one. False: the two cannot be joined. */
static bool gather(struct call *a, struct call *b)
{
	const struct port *pa = leg_port(a->leg), *pb = leg_port(b->leg);
	bool moves_a = !port_can_move(pb) || (port_can_move(pa) && port_tasks(pa) < port_tasks(pb));
	int err = 0;

	if (!port_is_near(pa, pb))
		err = moves_a ? move_leg(a->leg, pb) : move_leg(b->leg, pa);
	if (err)
		log_printf(LOG_ERROR, a->id, "bridge: its media cannot be moved: %s", strerror(err));
	return port_is_near(pa, pb);
}

int bridge_reoffer(struct call *a, const struct call *b)
{
	enum codec_id codec;

	if (!a->leg || !b->leg || !leg_agreed(b->leg, &codec))
		return ENOTCONN;
	return leg_reoffer(a->leg, codec);
}

void bridge_codec(const struct call *b, struct codec_list *out)
{
	enum codec_id codec;

	out->count = 0;
	/* L16: a leg without a wire, to which every codec is as good as another. */
	if (b->leg && leg_agreed(b->leg, &codec) && codec != CODEC_L16)
		codec_list_add(out, codec);
}

void bridge_leave(struct call *c)
{
	struct call *other = call_find(c->owner, c->joined);

	c->joined = 0;
	if (!other)
		return;
	other->joined = 0;
	bridge_leave_opus(c);
	bridge_leave_opus(other);
}

void bridge_join(struct call *a, struct call *b)
{
	struct port *pa = a->leg ? leg_port(a->leg) : NULL;
	struct port *pb = b->leg ? leg_port(b->leg) : NULL;

	assert(bridge_check(a, b) == BRIDGE_FITS || !pa || !pb);
	if (pa && pb && gather(a, b))
		port_join(pa, pb);
	bridge_leave(a);
	bridge_leave(b);
	a->joined = b->handle;
	b->joined = a->handle;
	bridge_settle_video(a);
	bridge_pass_opus(a);
	bridge_pass_opus(b);
}

int bridge_early(struct call *from, struct call *to)
{
	struct codec_list codec;
	int err = 0;

	if (!from->leg || !to->leg)
		return ENOTCONN;
	bridge_codec(from, &codec);
	bridge_permit_video(to, from);
	bridge_wish_opus(to, from);
	if (to->info.state != CALL_ANSWERED)
		err = call_early(to, &codec);
	/* Unknown: he has our offer of this one codec, and his answer is on its way. */
	if (!err && bridge_check(from, to) == BRIDGE_REOFFER)
		err = EPROTO;
	if (err || !leg_port(from->leg) || !leg_port(to->leg) || !gather(from, to))
		return err;
	port_feed(leg_port(from->leg), leg_port(to->leg));
	if (leg_video_port(from->leg) && leg_video_port(to->leg) &&
	    !port_move(leg_video_port(to->leg), leg_video_port(from->leg)))
		port_feed(leg_video_port(from->leg), leg_video_port(to->leg));
	return 0;
}

void bridge_part(struct call *c)
{
	struct port *p = c->leg ? leg_port(c->leg) : NULL;

	if (p)
		port_part(p);
	if (p && leg_video_port(c->leg))
		port_part(leg_video_port(c->leg));
	bridge_leave(c);
}

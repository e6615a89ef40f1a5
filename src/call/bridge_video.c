/* Video across a bridge: two parties have it both or not at all. A party that is answered before the other end is known
 * is told no at first, and asked again once the other end has said yes. */
#include <errno.h>

#include "call/bridge.h"
#include "call/call_impl.h"

struct side {
	struct leg *leg;
	enum leg_video_state state;
	struct video_formats formats;
};

static void look(struct call *c, struct side *out)
{
	out->leg = c->leg;
	out->state = leg_video(c->leg, &out->formats);
}

static const struct video_formats none;

/* The formats of both that fit, as the other end wrote them. */
static void common(const struct side *other, const struct side *asked, struct video_formats *out)
{
	*out = other->formats;
	if (asked->state != LEG_VIDEO_WANTED)
		return; /* it has not spoken of it yet */
	out->count = 0;
	for (size_t i = 0; i < other->formats.count; i++) {
		if (video_find(&asked->formats, &other->formats.items[i]))
			out->items[out->count++] = other->formats.items[i];
	}
}

/* Offer it what the other end has. False: it does not want that, or cannot have it. */
static bool ask(const struct side *s, const struct side *other)
{
	struct video_formats formats;
	int err;

	if (s->state == LEG_VIDEO_REFUSED)
		return false;
	common(other, s, &formats);
	if (!formats.count)
		return false;
	err = leg_offer_video(s->leg, &formats);
	return !err || err == EBUSY || err == ENOTCONN; /* news will come, or the end */
}

static void permit(const struct side *s, const struct side *other)
{
	leg_permit_video(s->leg, other->state == LEG_VIDEO_AGREED ? &other->formats : &none);
}

/* One codec on both sides, or the second one is asked to change. */
static void join(const struct side *a, const struct side *b)
{
	struct port *pa = leg_video_port(a->leg), *pb = leg_video_port(b->leg);

	if (!video_fits(&a->formats.items[0], &b->formats.items[0]))
		leg_offer_video(b->leg, &a->formats);
	else if (pa && pb && !port_move(pb, pa)) /* there already, unless memory was missing when its leg moved */
		port_join(pa, pb);
}

static void settle(const struct side *has, const struct side *other)
{
	if (other->state == LEG_VIDEO_AGREED)
		join(has, other);
	else if (!ask(other, has) && has->state == LEG_VIDEO_AGREED)
		leg_offer_video(has->leg, &none);
}

void bridge_settle_video(struct call *c)
{
	struct call *other = call_find(c->owner, c->joined);
	struct side a, b;

	if (!other || !c->leg || !other->leg)
		return;
	look(c, &a);
	look(other, &b);
	permit(&a, &b);
	permit(&b, &a);
	if (a.state == LEG_VIDEO_AGREED)
		settle(&a, &b);
	else if (b.state == LEG_VIDEO_AGREED)
		settle(&b, &a);
	else if (a.state == LEG_VIDEO_WANTED)
		settle(&a, &b);
	else if (b.state == LEG_VIDEO_WANTED)
		settle(&b, &a);
}

void bridge_permit_video(struct call *a, const struct call *b)
{
	struct side to, from;

	if (!a->leg || !b->leg)
		return;
	to.leg = a->leg;
	from.state = leg_video(b->leg, &from.formats);
	permit(&to, &from);
}

#include "media/latch.h"

enum { LATE_MS = 1000 };

static void take(struct latch *l, const struct addr *from, enum latch_state state)
{
	l->to = *from;
	l->state = state;
}

bool latch_agree(struct latch *l, const struct addr *sdp, uint64_t now_ms, uint32_t window_ms)
{
	bool forgets;

	if (l->agreed && (addr_is_any(sdp) || addr_equal(&l->sdp, sdp))) {
		if (l->state == LATCH_NONE)
			l->window_end_ms = now_ms + window_ms;
		return false;
	}
	forgets = l->state != LATCH_NONE;
	l->late_end_ms = forgets ? now_ms + LATE_MS : 0;
	l->before = l->to;
	l->sdp = l->to = *sdp;
	l->state = LATCH_NONE;
	l->window_end_ms = now_ms + window_ms;
	l->agreed = true;
	return forgets;
}

/* On its way still, or sent until its device has heard of the move. */
static bool is_late(const struct latch *l, const struct addr *from, uint64_t now_ms)
{
	return now_ms < l->late_end_ms && addr_equal(from, &l->before) && !addr_equal(from, &l->sdp);
}

bool latch_hear(struct latch *l, const struct addr *from, uint64_t now_ms)
{
	bool open = now_ms < l->window_end_ms;

	switch (l->state) {
	case LATCH_NONE:
		if (is_late(l, from, now_ms))
			return false;
		if (addr_same_host(from, &l->sdp))
			take(l, from, LATCH_SURE);
		else if (open)
			take(l, from, LATCH_GUESSED);
		else
			return false;
		return true;
	case LATCH_GUESSED:
		if (addr_equal(from, &l->to))
			return true;
		if (!open || !addr_same_host(from, &l->sdp))
			return false;
		take(l, from, LATCH_SURE);
		return true;
	case LATCH_SURE:
		break;
	}
	return addr_equal(from, &l->to);
}

bool latch_hear_beside(struct latch *l, const struct latch *main, const struct addr *from)
{
	if (l->state != LATCH_NONE)
		return addr_equal(from, &l->to);
	/* Behind a NAT the SDP's host is nobody that we should listen to. */
	if (!addr_same_host(from, &main->to) && (main->state == LATCH_GUESSED || !addr_same_host(from, &l->sdp)))
		return false;
	take(l, from, LATCH_SURE);
	return true;
}

void latch_reset(struct latch *l)
{
	l->to = l->sdp;
	l->state = LATCH_NONE;
}

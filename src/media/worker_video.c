/* What a stream of video wants beside being relayed: a picture that stands alone whenever somebody begins to see it. */
#include <string.h>

#include "media/rtcp.h"
#include "media/worker_impl.h"

static bool passes(const struct worker_port *p)
{
	const struct worker_port *to = p->sink;

	return to && p->may_listen && to->may_send && to->codec == p->codec;
}

/* A decoder that joins a running stream waits for such a picture, up to a minute; its coder is asked for one, once. */
static void ask(struct worker_port *p)
{
	struct worker *w = p->worker;
	struct rtcp_wish wish = {
		.from = p->out.started ? rtp_sent_ssrc(p) : p->report.ssrc,
		.of = p->seq.ssrc,
	};

	p->picture_due = false;
	/* Who names neither most likely knows PLI; else it is read over (RFC 3550 §6.1). */
	if (p->feedback & VIDEO_FIR && !(p->feedback & VIDEO_PLI)) {
		wish.full = true;
		wish.number = p->firs++;
	}
	rtcp_transmit(p, rtcp_write_wish(w->packet, &wish));
}

static void refresh_one(struct worker_port *p)
{
	bool passed = p->passes;

	p->passes = passes(p);
	if (!p->passes || passed)
		return;
	p->picture_due = true;
	if (p->seq.started)
		ask(p);
}

void video_refresh(struct worker_port *p)
{
	if (!p->video)
		return;
	refresh_one(p);
	if (p->source)
		refresh_one(p->source);
}

void video_heard(struct worker_port *p)
{
	if (p->picture_due)
		ask(p);
}

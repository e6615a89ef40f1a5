/* Video of a SIP leg: a second port, and what its party says of it. Who sees whom is bridge_video.c's to decide. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "call/leg_sip_impl.h"

enum { AGAIN_MS = 200 }; /* until a re-INVITE can be tried again */

struct leg_video {
	struct media_video local;
	struct leg_sip *leg;
	struct port *port; /* NULL: none yet, or closed */
	bool port_closing;
	bool runs;     /* the port has been told of last */
	bool refused;  /* the party wants none */
	bool offering; /* a re-INVITE of ours about it is open, or waits for its turn */
	struct loop_timer again;
	struct media_agreed last; /* that there was */
	struct port_stats stats;
};

/* --- its port --- */

static void port_is_closed(void *arg, const struct port_stats *stats)
{
	struct leg_video *v = arg;

	v->port = NULL;
	v->stats = *stats;
	v->leg->leg.end.video = &v->stats;
	leg_sip_finish(v->leg);
}

/* Nothing is played, listened to or pressed there. */
static const struct port_handlers port_handlers = { .closed = port_is_closed };

static int need_port(struct leg_video *v)
{
	int err;

	if (v->port || !v->leg->port || v->leg->port_closing)
		return v->port && !v->port_closing ? 0 : ENOTCONN;
	err = port_open(&v->port, v->leg->env->media, v->leg->port, &port_handlers, v);
	if (!err)
		port_local(v->port, &v->local.rtp);
	return err;
}

void leg_sip_video_close(struct leg_sip *l)
{
	struct leg_video *v = l->video;

	if (!v)
		return;
	loop_timer_stop(l->env->loop, &v->again);
	if (!v->port || v->port_closing)
		return;
	v->port_closing = true;
	port_close(v->port);
}

bool leg_sip_video_is_closed(const struct leg_sip *l)
{
	return !l->video || !l->video->port;
}

void leg_sip_video_free(struct leg_sip *l)
{
	if (l->video)
		media_keys_free(&l->video->local.keys);
	free(l->video);
	l->video = NULL;
}

/* --- what is said of it --- */

static bool is_live(const struct leg_video *v)
{
	return addr_port(&v->local.agreed.remote);
}

/* NULL: it may have none, or no memory. */
static struct leg_video *need_video(struct leg_sip *l)
{
	struct leg_video *v = l->video;

	if (v || !l->video_codecs)
		return v;
	v = calloc(1, sizeof(*v));
	if (!v)
		return NULL;
	v->leg = l;
	v->local.codecs = l->video_codecs;
	v->local.agreed.codec = CODEC_COUNT;
	l->video = v;
	l->local.video = &v->local;
	return v;
}

void leg_sip_video_expect(struct leg_sip *l, struct str sdp)
{
	struct video_formats offered;

	/* Most calls have none, and are not to pay for it. */
	if (l->video || !l->video_codecs || !sdp.n || !memmem(sdp.p, sdp.n, "m=video", 7))
		return;
	offer_video_formats(sdp, l->local.encryption, l->video_codecs, &offered);
	if (offered.count && need_video(l))
		l->video->local.theirs = offered;
}

/* What of it the party may have, once there is a port for it. */
static int set_formats(struct leg_video *v, const struct video_formats *formats)
{
	struct video_formats may = *formats;
	int err;

	video_keep(&may, v->local.codecs);
	if (!may.count && formats->count)
		return ENOTSUP;
	err = may.count ? need_port(v) : 0;
	if (!err)
		v->local.formats = may;
	return err;
}

void leg_sip_video_dial(struct leg_sip *l, const struct video_formats *formats)
{
	struct leg_video *v = need_video(l);

	if (v)
		set_formats(v, formats); /* else the call is one without video */
}

void leg_sip_video_agree(struct leg_sip *l)
{
	struct leg_video *v = l->video;

	if (!v)
		return;
	v->refused = !v->local.theirs.count && (v->runs || v->local.formats.count || v->refused);
	if (is_live(v))
		v->last = v->local.agreed;
	else
		v->last.direction = MEDIA_INACTIVE;
	/* Without video the port stays, silent: it may be wanted again. */
	if ((is_live(v) || v->runs) && v->port && !v->port_closing)
		port_agree(v->port, &v->last);
	v->runs = is_live(v);
}

static void give_up(struct leg_video *v)
{
	v->local.formats.count = v->local.theirs.count = 0;
	v->local.agreed = (struct media_agreed){ .codec = CODEC_COUNT };
	leg_sip_video_agree(v->leg);
	v->refused = true;
}

bool leg_sip_video_is_offering(const struct leg_sip *l)
{
	return l->video && l->video->offering;
}

void leg_sip_video_offered(struct leg_sip *l, bool bad)
{
	if (!leg_sip_video_is_offering(l))
		return;
	l->video->offering = false;
	if (bad)
		give_up(l->video);
}

void leg_sip_video_report(struct leg_sip *l)
{
	if (l->video)
		leg_report_video(&l->leg);
}

static void try_again(void *arg)
{
	leg_report_video(arg);
}

/* --- for the bridge --- */

static struct leg_sip *sip_of(const struct leg *l)
{
	return (struct leg_sip *)(void *)l;
}

enum leg_video_state leg_sip_video_state(const struct leg *leg, struct video_formats *out)
{
	const struct leg_video *v = sip_of(leg)->video;

	out->count = 0;
	if (!v)
		return LEG_VIDEO_NONE;
	if (is_live(v)) {
		*out = (struct video_formats){ .count = 1, .items = { v->local.format } };
		out->feedback = v->local.agreed.feedback;
		return LEG_VIDEO_AGREED;
	}
	if (v->refused)
		return LEG_VIDEO_REFUSED;
	*out = v->local.theirs;
	return out->count ? LEG_VIDEO_WANTED : LEG_VIDEO_NONE;
}

void leg_sip_video_permit(struct leg *leg, const struct video_formats *formats)
{
	const struct leg_sip *l = sip_of(leg);
	struct leg_video *v = l->video;

	/* While an offer of ours is open, of whatever kind, it has the say. */
	if (v && !v->offering && !l->opus.offering && set_formats(v, formats))
		v->local.formats.count = 0;
}

int leg_sip_video_offer(struct leg *leg, const struct video_formats *formats)
{
	struct leg_sip *l = sip_of(leg);
	struct leg_video *v = need_video(l);
	struct video_formats before;
	int err;

	if (!v)
		return l->video_codecs ? ENOMEM : ENOTSUP;
	if (!l->session || !l->agreed)
		return ENOTCONN;
	if (l->reoffering || v->offering || l->opus.offering)
		return EBUSY;
	before = v->local.formats;
	err = set_formats(v, formats);
	if (!err)
		err = media_keys_need(&l->local, l->env->loop);
	leg_sip_narrow(l, l->media.codec);
	if (!err && (!leg->inbound || l->acked))
		err = leg_sip_send_reoffer(l);
	v->offering = !err;
	if (err)
		v->local.formats = before;
	/* Another re-INVITE, of the party perhaps, is not over yet. */
	if (err == EBUSY)
		loop_timer_start(l->env->loop, &v->again, AGAIN_MS, try_again, leg);
	return err;
}

struct port *leg_sip_video_port(const struct leg *leg)
{
	const struct leg_video *v = sip_of(leg)->video;

	return v && is_live(v) && !v->port_closing ? v->port : NULL;
}

#include "call/leg_local.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/loop.h"
#include "call/leg_impl.h"

/* What the far leg has done, told from the loop. */
enum news { NEWS_RINGING = 1, NEWS_EARLY = 2, NEWS_ANSWERED = 4, NEWS_LEFT = 8 };

struct leg_local {
	struct leg leg;
	struct loop *loop;
	struct leg_local *far; /* NULL once one of the two hangs up */
	struct port *port;     /* NULL once it is closed */
	bool port_closing;
	bool agreed; /* media runs */
	unsigned news;
	struct loop_timer telling;
	/* NEWS_LEFT */
	enum cause left_cause;
	uint16_t left_status;
	char left_why[160];
};

static struct leg_local *local_of(const struct leg *l)
{
	return (struct leg_local *)(void *)l;
}

/* --- the end --- */

static void close_port(struct leg_local *l)
{
	if (l->port_closing)
		return;
	l->port_closing = true;
	port_close(l->port);
}

static void port_is_closed(void *arg, const struct port_stats *stats)
{
	struct leg_local *l = arg;

	l->leg.end.media = *stats;
	l->port = NULL;
	leg_report_closed(&l->leg);
}

static void do_free(struct leg *leg)
{
	struct leg_local *l = local_of(leg);

	loop_timer_stop(l->loop, &l->telling);
	free(l);
}

/* --- from one to the other --- */

static void leave(struct leg_local *l)
{
	leg_blame(&l->leg, l->left_cause, 0, "peer", l->left_why);
	l->leg.end.status = l->left_status;
	leg_move(&l->leg, LEG_CLOSING);
	close_port(l);
	leg_report_leaving(&l->leg);
}

/* A report may lead to a hang-up from inside; the leg itself lives until its port is closed. */
static void tell_news(void *arg)
{
	struct leg_local *l = arg;
	unsigned news = l->news;

	l->news = 0;
	l->agreed = l->agreed || news & (NEWS_EARLY | NEWS_ANSWERED);
	if (news & NEWS_RINGING)
		leg_report_ringing(&l->leg);
	if (news & NEWS_EARLY)
		leg_report_early(&l->leg);
	if (news & NEWS_ANSWERED)
		leg_report_answered(&l->leg);
	if (news & NEWS_LEFT && l->leg.state < LEG_CLOSING)
		leave(l);
}

static void tell_far(const struct leg_local *l, enum news news)
{
	struct leg_local *far = l->far;

	if (!far)
		return;
	far->news |= news;
	loop_timer_start(far->loop, &far->telling, 0, tell_news, far);
}

/* --- what is asked of a leg --- */

static void do_ring(struct leg *leg)
{
	tell_far(local_of(leg), NEWS_RINGING);
}

static int do_early(struct leg *leg, const struct codec_list *prefer)
{
	struct leg_local *l = local_of(leg);

	l->agreed = true;
	tell_far(l, NEWS_EARLY);
	return 0;
}

static int do_answer(struct leg *leg, const struct codec_list *prefer)
{
	struct leg_local *l = local_of(leg);

	l->agreed = true;
	tell_far(l, NEWS_ANSWERED);
	return 0;
}

/* connect.md §11, without a status in between that would mean less: a document that ends unanswered is a 480. */
static enum cause refusal_cause(enum cause cause, uint16_t status)
{
	return cause == CAUSE_HANGUP || cause == CAUSE_NONE ? cause_of_status(status) : cause;
}

static void do_hangup(struct leg *leg, uint16_t status)
{
	struct leg_local *l = local_of(leg), *far = l->far;
	bool answered = leg->end.answered || (far && far->leg.end.answered);

	close_port(l);
	loop_timer_stop(l->loop, &l->telling);
	leg->end.status = answered ? 200 : leg->inbound ? status : 487;
	if (!far)
		return;
	if (leg->end.answered)
		far->left_cause = CAUSE_HANGUP;
	else /* who answered too late to be told of has lost a race (connect.md §2) */
		far->left_cause = leg->inbound ? refusal_cause(leg->end.cause, status) : CAUSE_CANCEL;
	far->left_status = leg->end.status;
	snprintf(far->left_why, sizeof(far->left_why), "%s", leg->why);
	tell_far(l, NEWS_LEFT);
	far->far = NULL;
	l->far = NULL;
}

/* There is no codec to change, and nobody to call somebody else: he is a document of ours. */
static int do_reoffer(struct leg *leg, enum codec_id codec)
{
	return ENOTSUP;
}

static int do_transfer(struct leg *leg, const struct transfer *t)
{
	return EINVAL;
}

static struct port *do_port(const struct leg *leg)
{
	struct leg_local *l = local_of(leg);

	return l->port_closing ? NULL : l->port;
}

static void do_codecs(const struct leg *leg, struct codec_list *out)
{
	out->count = 0;
	codec_list_add(out, CODEC_L16);
}

static bool do_agreed(const struct leg *leg, enum codec_id *codec)
{
	struct leg_local *l = local_of(leg);

	if (l->agreed)
		*codec = CODEC_L16;
	return l->agreed;
}

static bool do_holds(const struct leg *leg)
{
	return false;
}

static enum leg_video_state do_video(const struct leg *leg, struct video_formats *out)
{
	out->count = 0;
	return LEG_VIDEO_NONE;
}

static void do_permit_video(struct leg *leg, const struct video_formats *formats)
{
}

static int do_offer_video(struct leg *leg, const struct video_formats *formats)
{
	return ENOTSUP;
}

static struct port *do_video_port(const struct leg *leg)
{
	return NULL;
}

static bool do_opus(const struct leg *leg, struct opus_wish *out)
{
	return false;
}

static const struct leg_ops ops = {
	.ring = do_ring,
	.early = do_early,
	.answer = do_answer,
	.hangup = do_hangup,
	.reoffer = do_reoffer,
	.transfer = do_transfer,
	.port = do_port,
	.codecs = do_codecs,
	.agreed = do_agreed,
	.holds = do_holds,
	.video = do_video,
	.permit_video = do_permit_video,
	.offer_video = do_offer_video,
	.video_port = do_video_port,
	.opus = do_opus,
	.free = do_free,
};

/* --- birth --- */

static const struct port_handlers port_handlers = {
	.played = leg_port_played,
	.detached = leg_port_detached,
	.news = leg_port_news,
	.silence = leg_port_silence,
	.key = leg_port_key,
	.closed = port_is_closed,
};

int leg_local_open(struct leg_pair *out, struct media *media, struct loop *loop, const struct port *near,
		   const char **why)
{
	struct leg_local *l[2] = { calloc(1, sizeof(*l[0])), calloc(1, sizeof(*l[0])) };
	struct port *ports[2];
	int err = l[0] && l[1] ? 0 : ENOMEM;

	if (!err)
		err = port_open_pair(ports, media, near, &port_handlers, (void *const *)l);
	if (err) {
		*why = err == ENOSPC ? "there are too many legs without a wire" : "out of memory";
		free(l[0]);
		free(l[1]);
		return err;
	}
	for (int i = 0; i < 2; i++) {
		l[i]->leg.ops = &ops;
		l[i]->loop = loop;
		l[i]->far = l[1 - i];
		l[i]->port = ports[i];
	}
	l[1]->leg.inbound = true;
	leg_move(&l[0]->leg, LEG_DIALLING);
	leg_move(&l[1]->leg, LEG_OFFERED);
	*out = (struct leg_pair){ &l[0]->leg, &l[1]->leg };
	return 0;
}

/* Opus of a SIP leg: what its party can use, and what our SDP says that the other end can. Who is at the other end is
 * bridge_opus.c's to know. */
#include <errno.h>

#include "call/leg_sip_impl.h"

enum { AGAIN_MS = 200 }; /* until a re-INVITE can be tried again */

static struct leg_sip *sip_of(const struct leg *l)
{
	return (struct leg_sip *)(void *)l;
}

bool leg_sip_opus(const struct leg *leg, struct opus_wish *out)
{
	const struct leg_sip *l = sip_of(leg);

	if (!l->agreed)
		return l->offer.p && offer_opus(l->offer, l->local.encryption, &l->local.codecs, out);
	if (l->media.codec == CODEC_OPUS)
		*out = l->media.opus;
	else
		*out = opus_wish_of_rate(codec_get(l->media.codec)->sample_hz);
	return true;
}

void leg_sip_wish_opus(struct leg *leg, const struct opus_wish *w)
{
	struct leg_sip *l = sip_of(leg);

	l->opus.wish = w ? *w : (struct opus_wish){ .fec = true };
	l->local.opus = w ? &l->opus.wish : NULL;
}

void leg_sip_opus_said(struct leg_sip *l)
{
	l->opus.told = l->opus.wish;
}

static bool is_bounded(const struct leg_sip *l)
{
	return l->agreed && l->media.codec == CODEC_OPUS && opus_wish_exceeds(&l->opus.wish, &l->opus.told);
}

static void try_again(void *arg)
{
	leg_tell_opus(arg);
}

static int reoffer(struct leg_sip *l)
{
	int err;

	if (l->reoffering || leg_sip_video_is_offering(l) || l->opus.offering || (l->leg.inbound && !l->acked))
		return EBUSY;
	err = media_keys_need(&l->local, l->env->loop);
	if (err)
		return err;
	leg_sip_narrow(l, l->media.codec);
	err = leg_sip_send_reoffer(l);
	if (err)
		l->opus.told = l->opus.before;
	return err;
}

void leg_sip_tell_opus(struct leg *leg)
{
	struct leg_sip *l = sip_of(leg);
	int err;

	if (!l->session || !is_bounded(l))
		return;
	err = reoffer(l);
	l->opus.offering = l->opus.offering || !err;
	/* The ACK has not come, or another re-INVITE, of the party perhaps, is not over yet. */
	if (err == EBUSY)
		loop_timer_start(l->env->loop, &l->opus.again, AGAIN_MS, try_again, leg);
}

/* Who has refused it is not asked again before he is joined anew; who was asked for something else is. */
void leg_sip_opus_offered(struct leg_sip *l, bool bad)
{
	bool ours = l->opus.offering;

	l->opus.offering = false;
	if (bad)
		l->opus.told = l->opus.before;
	if ((!bad || !ours) && is_bounded(l))
		loop_timer_start(l->env->loop, &l->opus.again, 0, try_again, &l->leg);
}

void leg_sip_opus_close(struct leg_sip *l)
{
	loop_timer_stop(l->env->loop, &l->opus.again);
}

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "call/info_key.h"
#include "call/leg_reason.h"
#include "call/leg_sip_impl.h"

static struct leg_sip *sip_of(const struct leg *l)
{
	return (struct leg_sip *)(void *)l;
}

/* SDP holds the keys of SRTP. */
static void forget(struct str *s)
{
	if (s->p)
		explicit_bzero((char *)s->p, s->n);
	free((char *)s->p);
	*s = (struct str){ NULL, 0 };
}

static int keep(struct str *out, struct str s)
{
	char *copy = str_heap(s);

	if (!copy)
		return ENOMEM;
	*out = (struct str){ copy, s.n };
	return 0;
}

/* --- the end --- */

void leg_sip_close_port(struct leg_sip *l)
{
	leg_sip_video_close(l);
	leg_sip_opus_close(l);
	if (!l->port || l->port_closing)
		return;
	l->port_closing = true;
	port_close(l->port);
}

void leg_sip_finish(struct leg_sip *l)
{
	if (!l->session && !l->port && leg_sip_video_is_closed(l))
		leg_report_closed(&l->leg);
}

static void port_is_closed(void *arg, const struct port_stats *stats)
{
	struct leg_sip *l = arg;

	l->leg.end.media = *stats;
	l->port = NULL;
	leg_sip_finish(l);
}

static enum cause cause_of_end(const struct leg_sip *l, const struct sip_end *end)
{
	if (end->answered)
		return end->who == SIP_BY_PEER ? CAUSE_HANGUP : CAUSE_ERROR;
	if (l->leg.inbound)
		return end->who == SIP_BY_PEER ? CAUSE_CANCEL : CAUSE_ERROR;
	if (end->status)
		return leg_reason_cause(end);
	return end->who == SIP_BY_TIMEOUT ? CAUSE_NO_ANSWER : CAUSE_ERROR;
}

static const char *who_name(enum sip_who who)
{
	switch (who) {
	case SIP_BY_US:
		return "server";
	case SIP_BY_PEER:
		return "peer";
	case SIP_BY_TIMEOUT:
		return "timeout";
	case SIP_BY_TRANSPORT:
		return "transport";
	}
	return "";
}

void leg_sip_blame(struct leg_sip *l, const struct sip_end *end)
{
	struct str trunk = l->tries ? l->tries->targets[l->tries->at].trunk : STR("");
	char why[160];
	size_t n = 0;

	if (trunk.n && !end->answered)
		n = (size_t)snprintf(why, sizeof(why), "trunk %.*s: ", STR_ARG(str_head(trunk, 40)));
	leg_reason_sentence(end, why + n, sizeof(why) - n);
	leg_blame(&l->leg, cause_of_end(l, end), 0, who_name(end->who), why);
}

static void session_closed(void *arg, const struct sip_end *end)
{
	struct leg_sip *l = arg;
	bool left = false;

	l->session = NULL;
	if (l->leg.state < LEG_CLOSING) {
		if (leg_sip_try_next(l, end))
			return;
		leg_sip_blame(l, end);
		left = true;
		leg_move(&l->leg, LEG_CLOSING);
	}
	leg_sip_stop_tries(l);
	l->leg.end.status = end->status;
	leg_sip_close_port(l);
	if (left && l->port)
		leg_report_leaving(&l->leg);
	leg_sip_finish(l);
}

static void do_hangup(struct leg *leg, uint16_t status)
{
	struct leg_sip *l = sip_of(leg);
	struct sip_field reason = { "Reason", { NULL, 0 } };
	struct sip_fields fields = { &reason, 0 };
	char value[LEG_REASON_TEXT];

	leg_sip_stop_tries(l);
	leg_sip_close_port(l);
	if (!l->session)
		return;
	leg_reason_ours(leg, status, value);
	if (!leg->inbound || leg->end.answered) {
		sip_session_hangup(l->session, str_of(value));
		return;
	}
	reason.value = str_of(value);
	fields.count = reason.value.n ? 1 : 0;
	sip_session_refuse(l->session, status, STR(""), &fields);
}

static void do_free(struct leg *leg)
{
	struct leg_sip *l = sip_of(leg);

	tries_free(&l->tries);
	leg_sip_video_free(l);
	media_keys_free(&l->local.keys);
	forget(&l->offer);
	forget(&l->answer);
	free(l);
}

/* --- what we offer and answer --- */

/* From now on this codec and no other. */
void leg_sip_narrow(struct leg_sip *l, enum codec_id codec)
{
	l->local.codecs = (struct codec_list){ .count = 0 };
	codec_list_add(&l->local.codecs, codec);
}

void leg_sip_said(struct leg_sip *l, struct str sdp)
{
	l->said = map_hash(sdp, 0);
	leg_sip_opus_said(l);
}

static struct port *do_port(const struct leg *leg)
{
	struct leg_sip *l = sip_of(leg);

	return l->port_closing ? NULL : l->port;
}

static bool do_agreed(const struct leg *leg, enum codec_id *codec)
{
	struct leg_sip *l = sip_of(leg);

	if (l->agreed)
		*codec = l->media.codec;
	return l->agreed;
}

static void do_codecs(const struct leg *leg, struct codec_list *out)
{
	struct leg_sip *l = sip_of(leg);
	struct codec_list offered = { .count = 0 };
	const char *why;

	*out = l->local.codecs;
	if (l->agreed) {
		out->count = 0;
		codec_list_add(out, l->media.codec);
	} else if (l->offer.p && offer_codecs(l->offer, l->local.encryption, &offered, &why) == OFFER_OK) {
		codec_list_common(out, &offered, &l->local.codecs);
	}
}

static bool do_holds(const struct leg *leg)
{
	struct leg_sip *l = sip_of(leg);

	return l->agreed && (l->media.direction == MEDIA_RECVONLY || l->media.direction == MEDIA_INACTIVE);
}

/* From handlers only: commands do not call back. */
static void tell_hold(struct leg_sip *l)
{
	bool holds = do_holds(&l->leg);

	if (holds == l->told_hold)
		return;
	l->told_hold = holds;
	leg_report_held(&l->leg, holds);
}

static void agree(struct leg_sip *l, const struct media_agreed *media)
{
	l->media = *media;
	l->agreed = true;
	/* From here on every offer and answer keeps the payload types (RFC 3264 §8.3.2). */
	l->local.before = &l->media;
	if (l->port && !l->port_closing)
		port_agree(l->port, media);
	leg_sip_video_agree(l);
}

/* The caller's answer is made once; 183 and 200 carry the same (RFC 3261 §13.3.1.4). */
static int make_answer(struct leg_sip *l, const struct codec_list *prefer)
{
	struct media_agreed media;
	struct buf text;
	const char *why;
	int err = 0;

	if (l->answer.p)
		return 0;
	err = media_keys_need(&l->local, l->env->loop);
	if (err)
		return err;
	buf_init(&text, 4096);
	if (l->offerless) {
		offer_print(&text, &l->local);
	} else {
		l->local.prefer = prefer;
		if (offer_answer(&l->local, l->offer, &text, &media, &why) != OFFER_OK)
			err = EPROTO;
		l->local.prefer = NULL;
	}
	if (!err)
		err = text.failed ? ENOMEM : keep(&l->answer, buf_view(&text));
	if (!err)
		leg_sip_said(l, l->answer);
	if (!err && !l->offerless) {
		agree(l, &media);
		media_keys_settle(&l->local);
		forget(&l->offer);
	}
	buf_free(&text);
	return err;
}

static void do_ring(struct leg *leg)
{
	struct leg_sip *l = sip_of(leg);

	/* Then the first response must hold the offer (RFC 3261 §13.2.1). */
	if (l->offerless && sip_session_reliable(l->session) == SIP_RELIABLE_ALL && !make_answer(l, NULL))
		sip_session_ring(l->session, 180, l->answer);
	else
		sip_session_ring(l->session, 180, STR(""));
}

static int do_early(struct leg *leg, const struct codec_list *prefer)
{
	struct leg_sip *l = sip_of(leg);
	int err;

	/* An offer of ours goes only where its answer can come back before the 2xx. */
	if (l->offerless && sip_session_reliable(l->session) == SIP_RELIABLE_NONE)
		return EPROTO;
	if (l->offerless && !l->answer.p && prefer && prefer->count == 1 &&
	    codec_list_has(&l->local.codecs, prefer->items[0]))
		leg_sip_narrow(l, prefer->items[0]); /* he is to hear it at once, whatever else he could */
	err = make_answer(l, prefer);
	if (!err)
		sip_session_ring(l->session, 183, l->answer);
	return err;
}

static int do_answer(struct leg *leg, const struct codec_list *prefer)
{
	struct leg_sip *l = sip_of(leg);
	int err = make_answer(l, prefer);

	if (err)
		return err;
	err = sip_session_answer(l->session, l->answer);
	forget(&l->answer);
	return err;
}

/* Inside a session: our answer, or an offer when theirs is empty. 0, EPROTO or ENOMEM. */
static int print_sdp(struct buf *out, const struct leg_sip *l, struct str offer, struct media_agreed *media)
{
	const char *why;

	if (!offer.n)
		offer_print(out, &l->local);
	else if (offer_answer(&l->local, offer, out, media, &why) != OFFER_OK)
		return EPROTO;
	return out->failed ? ENOMEM : 0;
}

/* The same, as the next version unless it says what we said last (RFC 3264 §8): many peers take a new version for a
 * change of media. */
static int print_version(struct buf *out, struct leg_sip *l, struct str offer, struct media_agreed *media)
{
	int err = print_sdp(out, l, offer, media);

	if (!err)
		leg_sip_opus_said(l); /* also when the same was refused before */
	if (err || map_hash(buf_view(out), 0) == l->said)
		return err;
	buf_reset(out);
	l->local.version++;
	err = print_sdp(out, l, offer, media);
	if (!err)
		leg_sip_said(l, buf_view(out));
	return err;
}

int leg_sip_send_reoffer(struct leg_sip *l)
{
	struct buf text;
	int err;

	l->opus.before = l->opus.told;
	buf_init(&text, 4096);
	err = print_version(&text, l, STR(""), NULL);
	if (!err)
		err = sip_session_reinvite(l->session, buf_view(&text));
	buf_free(&text);
	return err;
}

static int do_reoffer(struct leg *leg, enum codec_id codec)
{
	struct leg_sip *l = sip_of(leg);
	int err = 0;

	if (l->reoffering || !l->session)
		return EBUSY;
	leg_sip_narrow(l, codec);
	/* No new INVITE before the ACK of the first one (RFC 3261 §14.1), or before the end of another one of ours. */
	if ((!leg->inbound || l->acked) && !leg_sip_video_is_offering(l) && !l->opus.offering)
		err = leg_sip_send_reoffer(l);
	l->reoffering = !err;
	return err;
}

static int do_transfer(struct leg *leg, const struct transfer *t)
{
	const struct sip_refer_params p = { str_of(t->to), str_of(t->username), str_of(t->password) };
	struct leg_sip *l = sip_of(leg);

	return l->session ? sip_session_refer(l->session, &p) : ENOTCONN;
}

static int do_credentials(struct leg *leg, const char *username, const char *password)
{
	struct leg_sip *l = sip_of(leg);

	return l->session ? sip_session_credentials(l->session, str_of(username), str_of(password)) : ENOTCONN;
}

static const struct leg_ops ops = {
	.ring = do_ring,
	.early = do_early,
	.answer = do_answer,
	.hangup = do_hangup,
	.reoffer = do_reoffer,
	.transfer = do_transfer,
	.credentials = do_credentials,
	.take_refer = leg_sip_take_refer,
	.refuse_refer = leg_sip_refuse_refer,
	.port = do_port,
	.codecs = do_codecs,
	.agreed = do_agreed,
	.holds = do_holds,
	.video = leg_sip_video_state,
	.permit_video = leg_sip_video_permit,
	.offer_video = leg_sip_video_offer,
	.video_port = leg_sip_video_port,
	.opus = leg_sip_opus,
	.wish_opus = leg_sip_wish_opus,
	.tell_opus = leg_sip_tell_opus,
	.free = do_free,
};

/* --- what the peer says --- */

static void give_up(struct leg_sip *l, const char *why)
{
	leg_hangup(&l->leg, CAUSE_ERROR, 488, "server", why);
}

/* Their answer to our offer. Returns false after the leg was given up. */
static bool take_answer(struct leg_sip *l, struct str sdp)
{
	struct media_agreed media;
	const char *why = "";

	if (offer_accept(&l->local, sdp, &media, &why) != OFFER_OK) {
		char text[160];

		snprintf(text, sizeof(text), "488: the SDP answer does not fit what we offered: %s", why);
		give_up(l, text);
		return false;
	}
	agree(l, &media);
	tell_hold(l);
	return true;
}

static void progress(void *arg, const struct sip_msg *m, int status, struct str sdp)
{
	struct leg_sip *l = arg;
	struct media_agreed media;
	const char *why;

	if (l->leg.state >= LEG_ANSWERED)
		return;
	/* A bad early answer is only no early media: the 2xx has the last word. */
	if (sdp.n && offer_accept(&l->local, sdp, &media, &why) == OFFER_OK) {
		agree(l, &media);
		leg_report_early(&l->leg);
	} else if (status == 180 || status == 183) {
		leg_report_ringing(&l->leg);
	}
}

static void answered(void *arg, const struct sip_msg *m, struct str sdp)
{
	struct leg_sip *l = arg;

	if (l->leg.state >= LEG_ANSWERED)
		return;
	if (!sdp.n) {
		give_up(l, "488: the 200 carries no SDP answer");
	} else if (take_answer(l, sdp)) {
		media_keys_settle(&l->local);
		leg_report_answered(&l->leg);
	}
}

/* The re-INVITE that waited for its turn, if one did. */
static void send_waiting(struct leg_sip *l)
{
	bool codec = l->reoffering;

	if ((!codec && !leg_sip_video_is_offering(l)) || !leg_sip_send_reoffer(l))
		return;
	l->reoffering = false;
	leg_sip_video_offered(l, true);
	if (codec)
		l->leg.handlers->reoffered(l->leg.arg, 500);
}

static void confirmed(void *arg, struct str sdp)
{
	struct leg_sip *l = arg;

	l->acked = true;
	if (l->leg.state >= LEG_CLOSING)
		return;
	send_waiting(l);
	if (!l->offerless || l->agreed)
		return;
	if (!sdp.n)
		give_up(l, "488: the ACK carries no answer to the offer in our 200");
	else if (take_answer(l, sdp))
		media_keys_settle(&l->local);
}

/* The answer to our offer in a 183; or an offer, answered as that of a re-INVITE is. */
static int pracked(void *arg, struct str sdp, struct buf *answer)
{
	struct leg_sip *l = arg;
	struct media_agreed media;
	int err;

	if (l->leg.state >= LEG_CLOSING)
		return ECANCELED;
	if (!answer) {
		if (!sdp.n)
			give_up(l, "488: the PRACK carries no answer to the offer in our 183");
		else if (take_answer(l, sdp))
			media_keys_settle(&l->local);
		return 0;
	}
	leg_sip_narrow(l, l->media.codec);
	leg_sip_video_expect(l, sdp);
	err = media_keys_need(&l->local, l->env->loop);
	if (!err)
		err = print_version(answer, l, sdp, &media);
	if (!err) {
		agree(l, &media);
		tell_hold(l);
	}
	media_keys_settle(&l->local);
	return err;
}

/* A re-INVITE is answered here and goes no further: hold is held locally, and the others hear music of ours (op/hold_music.h). The codec stays, since the other
 * side of the bridge speaks it; or becomes the one that an offer of ours wants, which waits for its turn. */
static void reoffer(void *arg, struct str sdp)
{
	struct leg_sip *l = arg;
	struct media_agreed media;
	struct buf text;
	int err;

	leg_sip_video_expect(l, sdp);
	if (l->leg.state >= LEG_CLOSING || !l->agreed || media_keys_need(&l->local, l->env->loop)) {
		sip_session_rerefuse(l->session, 491);
		return;
	}
	if (!l->reoffering)
		leg_sip_narrow(l, l->media.codec);
	buf_init(&text, 4096);
	err = print_version(&text, l, sdp, &media);
	if (!err && sdp.n)
		agree(l, &media);
	if (sdp.n)
		media_keys_settle(&l->local);
	if (!err)
		sip_session_reanswer(l->session, buf_view(&text));
	else
		sip_session_rerefuse(l->session, 488);
	buf_free(&text);
	/* Ours has to build upon what is agreed now. */
	if (!err && (l->reoffering || leg_sip_video_is_offering(l) || l->opus.offering) &&
	    (!l->leg.inbound || l->acked))
		leg_sip_send_reoffer(l);
	leg_sip_video_report(l);
	leg_report_opus(&l->leg);
	tell_hold(l);
}

static void reanswered(void *arg, struct str sdp)
{
	struct leg_sip *l = arg;

	if (l->leg.state >= LEG_CLOSING || !sdp.n || !take_answer(l, sdp))
		return;
	media_keys_settle(&l->local);
	leg_sip_video_report(l);
	leg_report_opus(&l->leg);
}

static void reinvited(void *arg, int status, struct str sdp)
{
	struct leg_sip *l = arg;
	struct media_agreed media;
	const char *why;

	bool other = leg_sip_video_is_offering(l) || l->opus.offering;

	if (l->leg.state >= LEG_CLOSING)
		return;
	if (status / 100 == 2 && offer_accept(&l->local, sdp, &media, &why) == OFFER_OK)
		agree(l, &media);
	else if (status / 100 == 2)
		status = 488;
	media_keys_settle(&l->local);
	tell_hold(l);
	leg_sip_video_offered(l, status / 100 != 2);
	leg_sip_opus_offered(l, status / 100 != 2);
	if (other) {
		send_waiting(l);
	} else {
		l->reoffering = false;
		l->leg.handlers->reoffered(l->leg.arg, status);
	}
	leg_sip_video_report(l);
	if (status / 100 == 2)
		leg_report_opus(&l->leg);
}

/* What a key is worth is the port's to say: the peer may send it as RTP, too. */
static int info(void *arg, struct str content_type, struct str body)
{
	struct leg_sip *l = arg;
	char key = '\0';
	int status = info_key(content_type, body, &key);

	if (!status && key && l->port && !l->port_closing)
		port_press(l->port, key);
	return status ? status : 200;
}

static void referred(void *arg, const struct sip_referred *r)
{
	const struct transferred t = { r->over, r->good, r->status, r->notified, r->why };
	struct leg_sip *l = arg;

	/* Who waits for it hears of the call's end instead. */
	if (l->leg.state < LEG_CLOSING && !r->gone)
		l->leg.handlers->transferred(l->leg.arg, &t);
}

const struct sip_session_handlers leg_sip_session_handlers = {
	.progress = progress,
	.answered = answered,
	.confirmed = confirmed,
	.pracked = pracked,
	.reoffer = reoffer,
	.reanswered = reanswered,
	.reinvited = reinvited,
	.referred = referred,
	.refer = leg_sip_asked,
	.info = info,
	.closed = session_closed,
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

int leg_sip_make(struct leg_sip **out, const struct leg_sip_env *env, const struct port *near)
{
	struct leg_sip *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return ENOMEM;
	l->leg.ops = &ops;
	l->env = env;
	l->local.encryption = env->encryption;
	err = port_open(&l->port, env->media, near, &port_handlers, l);
	if (err) {
		free(l);
		return err;
	}
	port_local(l->port, &l->local.rtp);
	l->local.direction = MEDIA_SENDRECV;
	l->local.session_id = loop_random(env->loop) >> 2;
	l->local.version = 1;
	*out = l;
	return 0;
}

void leg_sip_unmake(struct leg_sip *l)
{
	leg_move(&l->leg, LEG_CLOSING);
	leg_sip_close_port(l);
}

/* --- a call that comes in --- */

/* The status to refuse an INVITE with, 0 = its offer can be answered. */
static int judge_offer(struct str sdp, enum media_encryption encryption, const struct codec_list *ours,
		       const char **why)
{
	struct codec_list theirs = { .count = 0 }, common = { .count = 0 };

	switch (offer_codecs(sdp, encryption, &theirs, why)) {
	case OFFER_BAD:
		return 400;
	case OFFER_NO_CODEC:
	case OFFER_NO_AUDIO:
		return 488;
	case OFFER_OK:
		break;
	}
	codec_list_common(&common, &theirs, ours);
	if (common.count)
		return 0;
	*why = "no common codec";
	return 488;
}

int leg_sip_accept(struct leg **out, const struct leg_sip_env *env, struct sip_session *s, const struct sip_invite *in,
		   const struct leg_sip_ours *ours, const char **why)
{
	int status = in->sdp.n ? judge_offer(in->sdp, env->encryption, ours->codecs, why) : 0;
	struct codec_list audio, video;
	struct leg_sip *l;
	int err;

	if (status)
		return status;
	err = leg_sip_make(&l, env, ours->near);
	if (err) {
		*why = err == ENOSPC ? "no RTP port is left" : "out of resources";
		return 503;
	}
	codec_list_split(ours->codecs, &audio, &video);
	l->leg.inbound = true;
	l->offerless = !in->sdp.n;
	l->video_codecs = (uint8_t)video_codecs(ours->codecs);
	l->local.codecs = audio;
	leg_sip_video_expect(l, in->sdp);
	l->session = s;
	if (in->sdp.n && keep(&l->offer, in->sdp)) {
		l->session = NULL;
		leg_sip_unmake(l);
		*why = "out of memory";
		return 503;
	}
	leg_move(&l->leg, LEG_OFFERED);
	sip_session_accept(s, &leg_sip_session_handlers, l);
	*out = &l->leg;
	return 0;
}

#include "call/leg_sip.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/loop.h"
#include "call/leg_impl.h"
#include "media/offer.h"

enum { PATIENCE_MS = 5000 }; /* with a silent target while there is another one (PRODUCT §6) */

struct tries { /* the ways to the party of an outbound leg; texts in the arena */
	struct arena *arena;
	const struct leg_sip_env *env;
	struct leg_sip_target *targets;
	size_t count, at;
	struct sip_fields fields;
	char *id;
	struct loop_timer patience;
};

struct leg_sip {
	struct leg leg;
	struct tries *tries;         /* NULL: one target, and no trunk */
	struct sip_session *session; /* NULL once it has ended */
	struct port *port;           /* NULL once it is closed */
	bool port_closing;
	bool offerless;  /* the INVITE had no SDP: our 200 carries the offer */
	bool agreed;     /* an SDP answer went out or came in */
	bool acked;      /* inbound: our 200 was acknowledged */
	bool reoffering; /* a re-INVITE of ours is open, or waits for the ACK */
	struct media_local local;
	struct media_agreed media;
	struct str offer;  /* inbound: the caller's SDP until our answer is out; heap */
	struct str answer; /* inbound: our answer, the same in 183 and 200; heap */
};

static struct leg_sip *sip_of(const struct leg *l)
{
	return (struct leg_sip *)(void *)l;
}

static void forget(struct str *s)
{
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

static bool try_next(struct leg_sip *l, const struct sip_end *end);
static void stop_tries(struct leg_sip *l);

/* --- the end --- */

static void close_port(struct leg_sip *l)
{
	if (!l->port || l->port_closing)
		return;
	l->port_closing = true;
	port_close(l->port);
}

static void finish(struct leg_sip *l)
{
	if (!l->session && !l->port)
		leg_report_closed(&l->leg);
}

static void port_is_closed(void *arg, const struct port_stats *stats)
{
	struct leg_sip *l = arg;

	l->leg.end.media = *stats;
	l->port = NULL;
	finish(l);
}

static enum cause cause_of_end(const struct leg_sip *l, const struct sip_end *end)
{
	if (end->answered)
		return end->who == SIP_BY_PEER ? CAUSE_HANGUP : CAUSE_ERROR;
	if (l->leg.inbound)
		return end->who == SIP_BY_PEER ? CAUSE_CANCEL : CAUSE_ERROR;
	if (end->status)
		return cause_of_status(end->status);
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

static void blame_session(struct leg_sip *l, const struct sip_end *end)
{
	struct str trunk = l->tries ? l->tries->targets[l->tries->at].trunk : STR("");
	char why[160];

	if (trunk.n && !end->answered)
		snprintf(why, sizeof(why), "trunk %.*s: %s", STR_ARG(str_head(trunk, 40)), end->why);
	else
		str_copy(why, sizeof(why), str_of(end->why));
	leg_blame(&l->leg, cause_of_end(l, end), 0, who_name(end->who), why);
}

static void session_closed(void *arg, const struct sip_end *end)
{
	struct leg_sip *l = arg;

	l->session = NULL;
	if (l->leg.state < LEG_CLOSING) {
		if (try_next(l, end))
			return;
		blame_session(l, end);
		leg_move(&l->leg, LEG_CLOSING);
	}
	stop_tries(l);
	l->leg.end.status = end->status;
	close_port(l);
	finish(l);
}

/* "SIP;cause=500;text="…"" of RFC 3326, with the sentence made safe for a quoted string. The URLs of documents are not
 * for callers: they name machines inside, and may hold tokens. */
static void print_reason(const struct leg *leg, char *out, size_t size)
{
	const char *why = strstr(leg->why, "://") ? "the document of the call is not available" : leg->why;
	size_t at;

	snprintf(out, size, "SIP;cause=500;text=\"%s", why);
	at = strlen(out);
	if (at > size - 2)
		at = size - 2;
	for (size_t i = sizeof("SIP;cause=500;text=\"") - 1; i < at; i++)
		if (out[i] == '"' || out[i] == '\\' || (unsigned char)out[i] < ' ')
			out[i] = '\'';
	out[at] = '"';
	out[at + 1] = '\0';
}

static void do_hangup(struct leg *leg, uint16_t status)
{
	struct leg_sip *l = sip_of(leg);
	struct sip_field reason = { "Reason", { NULL, 0 } };
	struct sip_fields fields = { &reason, 0 };
	char value[240];

	stop_tries(l);
	close_port(l);
	if (!l->session)
		return;
	if (!leg->inbound || leg->end.answered) {
		sip_session_hangup(l->session, STR(""));
		return;
	}
	if (leg->end.cause == CAUSE_ERROR) {
		print_reason(leg, value, sizeof(value));
		reason.value = str_of(value);
		fields.count = 1;
	}
	sip_session_refuse(l->session, status, STR(""), &fields);
}

static void free_tries(struct tries **tp)
{
	struct tries *t = *tp;

	*tp = NULL;
	if (t)
		arena_free(&t->arena);
	free(t);
}

static void do_free(struct leg *leg)
{
	struct leg_sip *l = sip_of(leg);

	free_tries(&l->tries);
	forget(&l->offer);
	forget(&l->answer);
	free(l);
}

/* --- what we offer and answer --- */

/* From now on this codec and no other. */
static void narrow(struct leg_sip *l, enum codec_id codec)
{
	l->local.codecs = (struct codec_list){ .count = 0 };
	codec_list_add(&l->local.codecs, codec);
	l->local.version++;
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
	} else if (l->offer.p && offer_codecs(l->offer, &offered, &why) == OFFER_OK) {
		codec_list_common(out, &offered, &l->local.codecs);
	}
}

static void agree(struct leg_sip *l, const struct media_agreed *media)
{
	l->media = *media;
	l->agreed = true;
	/* From here on every offer and answer keeps the payload types (RFC 3264 §8.3.2). */
	l->local.before = &l->media;
	if (l->port && !l->port_closing)
		port_agree(l->port, media);
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
	if (!err && !l->offerless) {
		agree(l, &media);
		forget(&l->offer);
	}
	buf_free(&text);
	return err;
}

static void do_ring(struct leg *leg)
{
	sip_session_ring(sip_of(leg)->session, 180, STR(""));
}

static int do_early(struct leg *leg, const struct codec_list *prefer)
{
	struct leg_sip *l = sip_of(leg);
	int err = l->offerless ? EPROTO : make_answer(l, prefer);

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

static int send_reoffer(struct leg_sip *l)
{
	struct buf text;
	int err;

	buf_init(&text, 4096);
	offer_print(&text, &l->local);
	err = text.failed ? ENOMEM : sip_session_reinvite(l->session, buf_view(&text));
	buf_free(&text);
	return err;
}

static int do_reoffer(struct leg *leg, enum codec_id codec)
{
	struct leg_sip *l = sip_of(leg);
	int err = 0;

	if (l->reoffering || !l->session)
		return EBUSY;
	narrow(l, codec);
	/* No new INVITE before the ACK of the first one (RFC 3261 §14.1). */
	if (!leg->inbound || l->acked)
		err = send_reoffer(l);
	l->reoffering = !err;
	return err;
}

static const struct leg_ops ops = {
	.ring = do_ring,
	.early = do_early,
	.answer = do_answer,
	.hangup = do_hangup,
	.reoffer = do_reoffer,
	.port = do_port,
	.codecs = do_codecs,
	.agreed = do_agreed,
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
	if (sdp.n ? !take_answer(l, sdp) : !l->agreed) {
		if (!sdp.n)
			give_up(l, "488: the 200 carries no SDP answer");
		return;
	}
	leg_report_answered(&l->leg);
}

static void confirmed(void *arg, struct str sdp)
{
	struct leg_sip *l = arg;

	l->acked = true;
	if (l->leg.state >= LEG_CLOSING)
		return;
	if (l->reoffering && send_reoffer(l)) {
		l->reoffering = false;
		l->leg.handlers->reoffered(l->leg.arg, 500);
	}
	if (!l->offerless || l->agreed)
		return;
	if (!sdp.n)
		give_up(l, "488: the ACK carries no answer to the offer in our 200");
	else
		take_answer(l, sdp);
}

/* A re-INVITE is answered here and goes no further: hold is held locally. The codec stays, since the other
 * side of the bridge speaks it. */
static void reoffer(void *arg, struct str sdp)
{
	struct leg_sip *l = arg;
	struct media_agreed media;
	struct buf text;
	const char *why;
	bool ok;

	if (l->leg.state >= LEG_CLOSING || l->reoffering || !l->agreed) {
		sip_session_rerefuse(l->session, 491);
		return;
	}
	narrow(l, l->media.codec);
	buf_init(&text, 4096);
	if (!sdp.n) {
		offer_print(&text, &l->local);
		ok = true;
	} else {
		ok = offer_answer(&l->local, sdp, &text, &media, &why) == OFFER_OK;
		if (ok)
			agree(l, &media);
	}
	if (ok && !text.failed)
		sip_session_reanswer(l->session, buf_view(&text));
	else
		sip_session_rerefuse(l->session, 488);
	buf_free(&text);
}

static void reanswered(void *arg, struct str sdp)
{
	struct leg_sip *l = arg;

	if (l->leg.state < LEG_CLOSING && sdp.n)
		take_answer(l, sdp);
}

static void reinvited(void *arg, int status, struct str sdp)
{
	struct leg_sip *l = arg;
	struct media_agreed media;
	const char *why;

	l->reoffering = false;
	if (l->leg.state >= LEG_CLOSING)
		return;
	if (status / 100 == 2 && offer_accept(&l->local, sdp, &media, &why) == OFFER_OK)
		agree(l, &media);
	else if (status / 100 == 2)
		status = 488;
	l->leg.handlers->reoffered(l->leg.arg, status);
}

static const struct sip_session_handlers session_handlers = {
	.progress = progress,
	.answered = answered,
	.confirmed = confirmed,
	.reoffer = reoffer,
	.reanswered = reanswered,
	.reinvited = reinvited,
	.closed = session_closed,
};

/* --- birth --- */

static void port_played(void *arg, uint32_t id, enum port_played how)
{
	leg_report_played(arg, id, how);
}

static void port_detached(void *arg, uint32_t id, struct sink *s)
{
	leg_report_detached(arg, id, s);
}

static void port_silence(void *arg, const struct port_silence *s)
{
	leg_report_silence(arg, s);
}

static const struct port_handlers port_handlers = {
	.played = port_played,
	.detached = port_detached,
	.silence = port_silence,
	.closed = port_is_closed,
};

static int make(struct leg_sip **out, const struct leg_sip_env *env, const struct port *near)
{
	struct leg_sip *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return ENOMEM;
	l->leg.ops = &ops;
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

/* A leg that nobody has seen yet: only its port has to be waited for. */
static void unmake(struct leg_sip *l)
{
	leg_move(&l->leg, LEG_CLOSING);
	close_port(l);
}

/* The INVITE to one target, with the offer of the leg. 0, or errno with one sentence in why. */
static int call_target(struct leg_sip *l, struct sip_stack *stack, const struct leg_sip_target *t,
		       struct sip_fields fields, const char **why)
{
	struct sip_call_params params = {
		.ruri = t->ruri,
		.kind = t->kind,
		.from_uri = t->from_uri,
		.from_name = t->from_name,
		.to_uri = t->ruri,
		.fields = fields,
		.username = t->username,
		.password = t->password,
	};
	struct buf text;
	int err;

	buf_init(&text, 4096);
	offer_print(&text, &l->local);
	params.sdp = buf_view(&text);
	*why = "out of memory";
	err = text.failed ? ENOMEM : sip_session_call(&l->session, stack, &params, &session_handlers, l, why);
	buf_free(&text);
	return err;
}

/* --- one target after the other --- */

static struct str copy(struct arena *a, struct str s, bool *ok)
{
	char *text = s.n ? str_dup(a, s) : NULL;

	*ok = *ok && (text || !s.n);
	return text ? (struct str){ text, s.n } : STR("");
}

static bool copy_tries(struct tries *t, const struct leg_sip_call *p)
{
	struct sip_field *fields = arena_alloc(t->arena, (p->fields.count + 1) * sizeof(*fields));
	bool ok = fields != NULL;

	t->targets = arena_alloc(t->arena, p->target_count * sizeof(*t->targets));
	t->id = str_dup(t->arena, p->id.p ? p->id : STR(""));
	if (!ok || !t->targets || !t->id)
		return false;
	for (size_t i = 0; i < p->fields.count; i++) {
		fields[i].name = copy(t->arena, str_of(p->fields.items[i].name), &ok).p;
		fields[i].value = copy(t->arena, p->fields.items[i].value, &ok);
	}
	t->fields = (struct sip_fields){ fields, p->fields.count };
	t->count = p->target_count;
	for (size_t i = 0; i < t->count; i++) {
		const struct leg_sip_target *from = &p->targets[i];

		t->targets[i] = (struct leg_sip_target){
			.trunk = copy(t->arena, from->trunk, &ok),
			.ruri = copy(t->arena, from->ruri, &ok),
			.kind = from->kind,
			.from_uri = copy(t->arena, from->from_uri, &ok),
			.from_name = copy(t->arena, from->from_name, &ok),
			.username = copy(t->arena, from->username, &ok),
			.password = copy(t->arena, from->password, &ok),
		};
	}
	return ok;
}

static int keep_tries(struct leg_sip *l, const struct leg_sip_env *env, const struct leg_sip_call *p)
{
	struct tries *t;

	if (p->target_count == 1 && !p->targets[0].trunk.n)
		return 0;
	t = calloc(1, sizeof(*t));
	if (!t)
		return ENOMEM;
	l->tries = t;
	t->env = env;
	return arena_new(&t->arena, 512, 0) || !copy_tries(t, p) ? ENOMEM : 0;
}

static void stop_tries(struct leg_sip *l)
{
	if (l->tries)
		loop_timer_stop(l->tries->env->loop, &l->tries->patience);
}

static void lost_patience(void *arg);

static void start_patience(struct leg_sip *l)
{
	struct tries *t = l->tries;

	if (t && t->at + 1 < t->count)
		loop_timer_start(t->env->loop, &t->patience, PATIENCE_MS, lost_patience, l);
}

static void log_try(const struct tries *t, const char *why)
{
	const struct log_field facts[] = {
		{ "trunk", t->targets[t->at].trunk },
		{ "next", t->targets[t->at + 1].trunk },
		{ "why", str_of(why) },
	};

	log_fields(LOG_INFO, t->id, "trunk failed", facts, ARRAY_LEN(facts));
}

/* False: there is none, the leg is over. */
static bool start_next(struct leg_sip *l, const char *why)
{
	struct tries *t = l->tries;

	stop_tries(l);
	while (t->at + 1 < t->count) {
		log_try(t, why);
		t->at++;
		if (call_target(l, t->env->stack, &t->targets[t->at], t->fields, &why))
			continue;
		start_patience(l);
		return true;
	}
	return false;
}

/* PRODUCT §6: what says something about the trunk, and nothing about the party. */
static bool is_trunk_fault(const struct sip_end *end)
{
	if (!end->status)
		return end->who == SIP_BY_TRANSPORT || end->who == SIP_BY_TIMEOUT;
	switch (end->status) {
	case 401:
	case 403:
	case 407:
	case 488:
		return true;
	}
	return end->status / 100 == 5;
}

static bool try_next(struct leg_sip *l, const struct sip_end *end)
{
	return l->tries && l->leg.state == LEG_DIALLING && is_trunk_fault(end) && start_next(l, end->why);
}

static void lost_patience(void *arg)
{
	struct leg_sip *l = arg;
	const struct sip_end silence = { .who = SIP_BY_TIMEOUT, .why = "no response within 5 s" };

	if (!l->session || l->leg.state != LEG_DIALLING || sip_session_heard(l->session))
		return;
	sip_session_release(&l->session);
	if (start_next(l, silence.why))
		return;
	blame_session(l, &silence);
	leg_move(&l->leg, LEG_CLOSING);
	close_port(l);
	finish(l);
}

int leg_sip_dial(struct leg **out, const struct leg_sip_env *env, const struct leg_sip_call *p, const char **why)
{
	struct leg_sip *l;
	int err = make(&l, env, p->near);

	if (err) {
		*why = err == ENOSPC ? "no RTP port is left in media.ports" : "an RTP port could not be opened";
		return err;
	}
	l->local.codecs = p->codecs;
	leg_move(&l->leg, LEG_DIALLING);
	*why = "out of memory";
	err = keep_tries(l, env, p);
	if (!err)
		err = call_target(l, env->stack, &p->targets[0], p->fields, why);
	if (err) {
		unmake(l);
		return err;
	}
	start_patience(l);
	*out = &l->leg;
	return 0;
}

/* The status to refuse an INVITE with, 0 = its offer can be answered. */
static int judge_offer(struct str sdp, const struct codec_list *ours, const char **why)
{
	struct codec_list theirs = { .count = 0 }, common = { .count = 0 };

	switch (offer_codecs(sdp, &theirs, why)) {
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
		   const struct codec_list *ours, const char **why)
{
	int status = in->sdp.n ? judge_offer(in->sdp, ours, why) : 0;
	struct leg_sip *l;
	int err;

	if (status)
		return status;
	err = make(&l, env, NULL);
	if (err) {
		*why = err == ENOSPC ? "no RTP port is left" : "out of resources";
		return 503;
	}
	l->leg.inbound = true;
	l->offerless = !in->sdp.n;
	l->local.codecs = *ours;
	l->session = s;
	if (in->sdp.n && keep(&l->offer, in->sdp)) {
		l->session = NULL;
		unmake(l);
		*why = "out of memory";
		return 503;
	}
	leg_move(&l->leg, LEG_OFFERED);
	sip_session_accept(s, &session_handlers, l);
	*out = &l->leg;
	return 0;
}

#include <errno.h>

#include "base/log.h"
#include "call/leg_sip_impl.h"
#include "call/trace.h"

enum { PATIENCE_MS = 5000 }; /* with a silent target while there is another one (PRODUCT §6) */

/* The INVITE to one target, with the offer of the leg. 0, or errno with one sentence in why. */
static int call_target(struct leg_sip *l, struct sip_stack *stack, const struct leg_sip_target *t, const char **why)
{
	struct sip_call_params params = {
		.ruri = t->ruri,
		.kind = t->kind,
		.from_uri = t->from_uri,
		.from_name = t->from_name,
		.to_uri = t->ruri,
		.fields = t->fields,
		.username = t->username,
		.password = t->password,
		.binding = t->binding,
		.session_timeout_s = t->session_timeout_s,
	};
	struct buf text;
	int err;

	*why = "out of memory";
	/* The target before may know them. */
	media_keys_free(&l->local.keys);
	if (l->local.video)
		media_keys_free(&l->local.video->keys);
	if (media_keys_need(&l->local, l->env->loop))
		return ENOMEM;
	buf_init(&text, 4096);
	offer_print(&text, &l->local);
	params.sdp = buf_view(&text);
	leg_sip_said(l, params.sdp);
	err = text.failed ? ENOMEM : sip_session_call(&l->session, stack, &params, &leg_sip_session_handlers, l, why);
	buf_free(&text);
	return err;
}

/* --- one target after the other --- */

static int keep_tries(struct leg_sip *l, const struct leg_sip_env *env, const struct leg_sip_call *p)
{
	return p->target_count == 1 && !p->targets[0].trunk.n ? 0 : tries_new(&l->tries, env, p);
}

void leg_sip_stop_tries(struct leg_sip *l)
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

	leg_sip_stop_tries(l);
	while (t->at + 1 < t->count) {
		log_try(t, why);
		t->at++;
		if (call_target(l, t->env->stack, &t->targets[t->at], &why))
			continue;
		call_trace_link(t->env->trace, str_of(t->id), sip_session_call_id(l->session));
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

/* What a 3xx led to is one more way of its trunk. */
bool leg_sip_try_next(struct leg_sip *l, const struct sip_end *end)
{
	if (!l->tries || l->leg.state != LEG_DIALLING)
		return false;
	if (end->status / 100 == 3)
		return tries_redirect(l->tries, end->contacts) && start_next(l, end->why);
	return is_trunk_fault(end) && start_next(l, end->why);
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
	leg_sip_blame(l, &silence);
	leg_move(&l->leg, LEG_CLOSING);
	leg_sip_close_port(l);
	leg_sip_finish(l);
}

int leg_sip_dial(struct leg **out, const struct leg_sip_env *env, const struct leg_sip_call *p, const char **why)
{
	struct codec_list video;
	struct leg_sip *l;
	int err = leg_sip_make(&l, env, p->near);

	if (err) {
		*why = err == ENOSPC ? "no RTP port is left in media.ports" : "an RTP port could not be opened";
		return err;
	}
	codec_list_split(&p->codecs, &l->local.codecs, &video);
	l->local.encryption = p->encryption;
	l->video_codecs = (uint8_t)video_codecs(&video);
	leg_sip_wish_opus(&l->leg, p->opus);
	if (p->video)
		leg_sip_video_dial(l, p->video);
	leg_move(&l->leg, LEG_DIALLING);
	*why = "out of memory";
	err = keep_tries(l, env, p);
	if (!err)
		err = call_target(l, env->stack, &p->targets[0], why);
	if (err) {
		leg_sip_unmake(l);
		return err;
	}
	call_trace_link(env->trace, p->id, sip_session_call_id(l->session));
	start_patience(l);
	*out = &l->leg;
	return 0;
}

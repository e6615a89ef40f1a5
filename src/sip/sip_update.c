#include <errno.h>

#include "sip/sip_impl.h"

/* What the peer's offer has to wait for, RFC 3311 §5.2. 0 = nothing is in its way. */
static int obstacle(const struct sip_session *s)
{
	switch (s->state) {
	case SESSION_STARTING:
	case SESSION_CALLING:
	case SESSION_PROCEEDING: /* our offer has no answer before the 2xx, unless a reliable 1xx brought it */
		return early_agreed(s) ? 0 : 491;
	case SESSION_INCOMING: /* nor has theirs; or ours, when they had none */
		if (prack_agreed(s))
			return 0;
		return prack_carried(s) && s->offerless ? 491 : 500;
	case SESSION_ACCEPTED:
	case SESSION_CONFIRMED:
		break;
	case SESSION_CANCELLING:
	case SESSION_LEAVING:
	case SESSION_BYE:
	case SESSION_ENDED:
		return 481;
	}
	if (s->reoffer == REOFFER_ASKED || s->update)
		return 500;
	/* An offer of ours: in a request, or in a 2xx whose ACK has the answer. */
	if (s->re.state == REINVITE_SENT || s->re.state == REINVITE_QUEUED)
		return 491;
	return s->offerless && (s->state == SESSION_ACCEPTED || s->reoffer == REOFFER_ANSWERED) ? 491 : 0;
}

static bool is_leaving(const struct sip_session *s)
{
	return s->state == SESSION_CANCELLING || s->state == SESSION_LEAVING || s->state >= SESSION_BYE;
}

int update_respond(struct sip_session *s, int status, struct str sdp)
{
	struct session_update *u = s->update;
	struct sip_stack *k = s->k;

	stack_print_response(k, u->m, status, STR(""), NULL, u->flow);
	if (status < 300) {
		sip_dialog_refresh(&s->d, u->m); /* without memory the old target stays */
		stack_print_contact(k, u->flow);
		stack_print_allow(k);
		/* The session's time begins with the 2xx to its INVITE. */
		if (s->state == SESSION_CONFIRMED || s->state == SESSION_ACCEPTED)
			refresh_answer(s, u->m);
		refresh_keep(s, sdp);
		if (s->state == SESSION_PROCEEDING && sdp.n)
			early_keep_sdp(s, stack_sdp(u->m));
	}
	sip_build_body(&k->out, "application/sdp", sdp);
	if (k->out.failed)
		return EMSGSIZE;
	return sip_server_respond(&u->server, status, buf_view(&k->out));
}

/* The owner has to answer inside: an UPDATE does not wait for anybody. */
static void ask(struct sip_session *s, struct str sdp)
{
	struct session_update *u = s->update;

	if (sdp.n)
		s->h->reoffer(s->arg, sdp);
	else
		update_respond(s, 200, STR(""));
	if (u->server)
		update_respond(s, s->state == SESSION_CONFIRMED ? 504 : 487, STR(""));
	sip_server_detach(&u->server);
}

void update_take(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow)
{
	struct session_update u = { .m = m, .flow = flow };
	struct sip_server_params p = { .flow = *flow, .to_tag = "" };
	struct str sdp = stack_sdp(m);
	int status = 0;

	if (stack_refuses_invite(s->k, m, flow))
		return;
	if (is_leaving(s))
		status = 481;
	else if (sdp.n)
		status = obstacle(s);
	if (!status && sip_server_start(&u.server, s->k->trans, m, &p))
		status = 500;
	if (status == 500) {
		reinvite_refuse_late(s, m, flow);
	} else if (status) {
		stack_reply(s->k, m, flow, status, NULL);
	} else {
		s->update = &u;
		ask(s, sdp);
		s->update = NULL;
	}
}

int sip_session_update(struct sip_session *s, struct str sdp)
{
	return sdp.n ? reinvite_begin(s, SIP_UPDATE, sdp) : EINVAL;
}

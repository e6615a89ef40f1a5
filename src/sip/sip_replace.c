/* An INVITE with Replaces takes the place of an answered session (RFC 3891). To the owner it is a re-offer like any other:
 * when he answers it, his session goes on in the new dialog, and the old one is hung up by a session of nobody's. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "sip/sip_impl.h"
#include "sip/sip_refer.h"
#include "sip/sip_trace.h"

struct session_replacement {
	struct sip_dialog d;
	struct sip_flow flow;
};

const char *session_open_tag(const struct sip_session *s)
{
	return s->replacement ? s->replacement->d.local_tag : s->d.local_tag;
}

void replace_forget(struct sip_session *s)
{
	if (!s->replacement)
		return;
	sip_dialog_done(&s->replacement->d);
	free(s->replacement);
	s->replacement = NULL;
}

/* The status to refuse with, 0 = it can be asked for now. RFC 3891 §3; a dialog that is still ringing is not replaced. */
static int judge(const struct sip_session *s, bool early_only)
{
	switch (s->state) {
	case SESSION_INCOMING:
		return 481;
	case SESSION_STARTING:
	case SESSION_CALLING:
	case SESSION_PROCEEDING:
	case SESSION_CANCELLING:
	case SESSION_LEAVING:
	case SESSION_BYE:
	case SESSION_ENDED:
		return 603;
	case SESSION_ACCEPTED:
	case SESSION_CONFIRMED:
		break;
	}
	if (early_only)
		return 486;
	return s->state == SESSION_ACCEPTED || s->looking || s->server || s->re.state != REINVITE_IDLE ? 491 : 0;
}

static int open_replacement(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow)
{
	char tag[17];
	int err;

	stack_hex(tag, loop_random(s->k->loop));
	s->replacement = calloc(1, sizeof(*s->replacement));
	if (!s->replacement)
		return ENOMEM;
	s->replacement->flow = *flow;
	err = sip_dialog_init_in(&s->replacement->d, m, tag);
	if (!err)
		err = uas_open(s, m, flow);
	if (err)
		replace_forget(s);
	return err;
}

bool replace_take(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow)
{
	struct str value = sip_msg_header(m, SIP_H_REPLACES, 0);
	struct sip_session *s = NULL;
	struct sip_replaces r;
	int status = 400;

	if (!value.p)
		return false;
	if (!sip_msg_header(m, SIP_H_REPLACES, 1).p && !sip_replaces_parse(&r, value)) {
		s = session_find_dialog(k, r.call_id, r.to_tag, r.from_tag);
		status = s ? judge(s, r.early_only) : 481;
	}
	if (!status && open_replacement(s, m, flow))
		status = 500;
	if (status) {
		stack_reply(k, m, flow, status, NULL);
		return true;
	}
	s->reoffer = REOFFER_ASKED;
	s->h->reoffer(s->arg, stack_sdp(m));
	return true;
}

/* The old dialog, on its way out. Without memory the peer has to find out by itself. */
static void leave_old(struct sip_session *s)
{
	struct sip_session *old = session_new(s->k, SESSION_CONFIRMED);

	if (!old) {
		refer_inherit(s);
		sip_dialog_done(&s->d);
		return;
	}
	old->outbound = s->outbound;
	old->d = s->d;
	old->flow = s->flow;
	old->contact = s->contact;
	old->have_flow = s->have_flow;
	old->tls_name = s->tls_name;
	old->hop_hash = s->hop_hash;
	old->auth = s->auth;
	s->tls_name = (struct str){ NULL, 0 };
	s->auth = NULL;
	refer_move(s, old);
	session_index(old);
	session_blame(old, SIP_BY_US, "replaced by another call");
	session_start_limit(old);
	session_leave(old);
}

void replace_now(struct sip_session *s)
{
	struct session_replacement *r = s->replacement;

	refer_close(s);
	s->replacement = NULL;
	sip_trace_note(s->k->trace, SIP_TRACE_REPLACED, s->d.call_id, r->d.call_id);
	sip_table_remove(&s->k->dialogs, &s->by_dialog);
	leave_old(s);
	s->d = r->d;
	s->flow = r->flow;
	s->contact = r->flow.listener;
	s->outbound = false;
	s->hop_hash = 0;
	session_index(s);
	free(r);
}

void *sip_session_named(struct sip_stack *k, struct str replaces, const struct sip_session_handlers *h)
{
	struct sip_session *s = NULL;
	struct sip_replaces r;

	if (!sip_replaces_parse(&r, replaces))
		s = session_find_dialog(k, r.call_id, r.to_tag, r.from_tag);
	return s && s->h == h && (s->state == SESSION_ACCEPTED || s->state == SESSION_CONFIRMED) ? s->arg : NULL;
}

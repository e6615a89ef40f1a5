#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "sip/sip_impl.h"

enum { MAX_CONTACTS = 16 }; /* of a 3xx */

/* --- the INVITE --- */

static void on_provisional(struct sip_session *s, const struct sip_msg *m)
{
	struct str sdp;

	if (s->state == SESSION_CALLING)
		session_move(s, SESSION_PROCEEDING);
	if (s->state == SESSION_CANCELLING) {
		if (!s->cancel_sent)
			sip_client_cancel(s->invite, s->hangup_header);
		s->cancel_sent = true;
		return;
	}
	if (m->status == 100)
		return;
	if (early_take(s, m, &sdp))
		s->h->progress(s->arg, m, m->status, sdp);
}

static void tell_answered(struct sip_session *s, const struct sip_msg *m)
{
	struct str sdp = stack_sdp(m), early = { NULL, 0 };

	/* After an answer in a reliable 1xx the 2xx needs none (RFC 3261 §13.2.1). */
	if (!sdp.n || early_updated(s, m))
		early = early_steal_sdp(s, m);
	early_free(s);
	s->h->answered(s->arg, m, early.n ? early : sdp);
	session_forget(&early);
}

static void on_accepted(struct sip_session *s, const struct sip_msg *m)
{
	struct sip_cseq cseq = { .number = 0 };

	s->end.status = m->status;
	session_end_texts(s, m->reason, (struct str){ NULL, 0 });
	sip_cseq_parse(&cseq, sip_msg_header(m, SIP_H_CSEQ, 0));
	early_won(s, m);
	if (sip_dialog_update(&s->d, m)) {
		session_blame(s, SIP_BY_PEER, "the answer could not be used");
		uac_drop_fork(s->k, m, &s->flow);
		session_end(s);
		return;
	}
	session_send_ack(s, cseq.number);
	if (s->state == SESSION_CANCELLING) { /* it crossed our CANCEL */
		early_free(s);
		session_leave(s);
		return;
	}
	session_move(s, SESSION_CONFIRMED);
	s->end.answered = true;
	tell_answered(s, m);
}

static void settle(struct sip_session *s)
{
	session_free_start(s);
	if (s->auth)
		sip_auth_settled(s->auth);
}

/* A second INVITE with the answer to the challenge, or a longer session; not once a dialog has begun: it would belong
 * to that. As session_challenged(). */
static const char *answer_challenge(struct sip_session *s, const struct sip_msg *m)
{
	const char *fault;

	if (s->state == SESSION_CANCELLING || s->d.remote_tag.p)
		return "";
	fault = session_challenged(s, m);
	if (fault && refresh_raise(s, m))
		fault = NULL;
	if (!fault)
		uac_send_invite(s);
	return fault;
}

/* A 3xx: its owner may want to follow. */
static void keep_contacts(struct sip_session *s, const struct sip_msg *m)
{
	struct buf all;
	struct str value;
	size_t pos = 0;

	buf_init(&all, SIP_MAX_HEADER);
	for (int n = 0; n < MAX_CONTACTS && sip_msg_next_value(m, SIP_H_CONTACT, &pos, &value); n++) {
		if (all.len)
			buf_char(&all, '\n');
		for (size_t i = 0; i < value.n; i++)
			buf_char(&all, value.p[i] == '\r' || value.p[i] == '\n' ? ' ' : value.p[i]);
	}
	if (all.len)
		s->end_contacts = buf_steal(&all);
	buf_free(&all);
}

static void on_response(void *arg, const struct sip_msg *m)
{
	struct sip_session *s = arg;
	struct str phrase = str_head(m->reason, 80);
	const char *fault;

	s->heard = true;
	session_way_heard(s, m);
	if (m->status < 200) {
		on_provisional(s, m);
		return;
	}
	s->invite = NULL;
	if (m->status < 300) {
		refresh_agree(s, m);
		refresh_keep(s, s->start->sdp);
		settle(s);
		on_accepted(s, m);
		return;
	}
	if (m->status == 503 && session_next_way(s, "503"))
		return;
	fault = answer_challenge(s, m);
	if (!fault)
		return;
	s->end.status = m->status;
	if (m->status / 100 == 3)
		keep_contacts(s, m);
	session_end_texts(s, m->reason, sip_msg_header(m, SIP_H_REASON, 0));
	session_blame(s, SIP_BY_PEER, "%u%s%.*s%s", m->status, phrase.n ? " " : "", STR_ARG(phrase), fault);
	session_end(s);
}

static void on_failed(void *arg, enum sip_failure kind, const char *why)
{
	struct sip_session *s = arg;

	s->invite = NULL;
	if (!s->heard && session_next_way(s, why))
		return;
	if (kind == SIP_FAILED_TIMEOUT)
		session_blame(s, SIP_BY_TIMEOUT, "%s", why);
	else
		session_blame(s, SIP_BY_TRANSPORT, "%s%s", why, session_way_hint(s->flow.kind));
	session_end(s);
}

void uac_send_invite(struct sip_session *s)
{
	static const struct sip_client_handlers handlers = { on_response, on_failed };
	struct session_request r = { .method = SIP_INVITE, .handlers = &handlers };
	int err;

	session_begin_request(s, &r);
	stack_print_contact(s->k, &s->flow);
	stack_print_allow(s->k);
	refresh_print(s);
	buf_str(&s->k->out, buf_view(&s->start->fields));
	err = session_finish_request(s, &s->invite, &r, s->start->sdp);
	if (err) {
		session_blame(s, SIP_BY_TRANSPORT, "cannot send the INVITE: %s", strerror(err));
		session_end(s);
		return;
	}
	if (s->state != SESSION_CALLING)
		session_move(s, SESSION_CALLING);
}

/* To a registered contact. Proxies that its REGISTER came through are asked for as the first of them says; without
 * them the way may be the flow itself. */
static void aim(struct sip_session *s, const struct sip_binding *b, struct sip_dialog_params *d)
{
	struct str rest = b->path, first = b->contact;
	struct sip_name_addr route;
	struct sip_uri uri;

	d->ruri = b->contact;
	d->routes = b->path;
	if (b->path.n && str_split(&rest, '\n', &first) && !sip_name_addr_parse(&route, first))
		first = route.uri.all;
	if (!sip_uri_parse(&uri, first))
		s->start->kind = session_uri_kind(&uri, b->flow.kind);
	if (b->path.n || !b->by_flow || !sip_transport_stands(s->k->transport, &b->flow))
		return;
	session_use_flow(s, &b->flow);
	s->start->kind = b->flow.kind;
	s->contact = b->flow.listener;
	s->pinned = true;
}

static int fill(struct sip_session *s, const struct sip_call_params *p)
{
	const struct sip_binding *binding = p->binding ? gate_binding(s->k, p->binding) : NULL;

	char tag[17], id[37];
	struct sip_dialog_params d = { .call_id = p->call_id,
				       .from_uri = p->from_uri,
				       .from_name = p->from_name,
				       .to_uri = p->to_uri,
				       .ruri = p->ruri,
				       .local_tag = tag };

	s->outbound = true;
	s->start = calloc(1, sizeof(*s->start));
	if (!s->start)
		return ENOMEM;
	s->start->kind = p->kind;
	refresh_start(s, p->session_timeout_s ? p->session_timeout_s : s->k->session_timeout_s);
	buf_init(&s->start->fields, SIP_MAX_MESSAGE);
	for (size_t i = 0; i < p->fields.count; i++)
		sip_build_header(&s->start->fields, p->fields.items[i].name, p->fields.items[i].value);
	if (s->start->fields.failed || session_keep(&s->start->sdp, p->sdp))
		return ENOMEM;
	if (p->username.n && sip_auth_new(&s->auth, p->username, p->password))
		return EINVAL;
	if (binding)
		aim(s, binding, &d);
	stack_hex(tag, loop_random(s->k->loop));
	if (!d.call_id.n) {
		str_uuid(id, loop_random(s->k->loop), loop_random(s->k->loop));
		d.call_id = str_of(id);
	}
	return sip_dialog_init_out(&s->d, &d);
}

static const char *what_is_wrong(const struct sip_stack *k, const struct sip_call_params *p)
{
	struct sip_uri uri;

	if (k->closing)
		return "the server is stopping";
	if (p->binding && !gate_binding(k, p->binding))
		return "the registration is gone";
	if (sip_uri_parse(&uri, p->ruri) || !uri.host.n)
		return "the Request-URI is no SIP URI";
	if (sip_uri_parse(&uri, p->from_uri))
		return "the From URI is no URI";
	if (sip_uri_parse(&uri, p->to_uri))
		return "the To URI is no URI";
	return NULL;
}

int sip_session_call(struct sip_session **out, struct sip_stack *k, const struct sip_call_params *p,
		     const struct sip_session_handlers *h, void *arg, const char **why)
{
	struct sip_session *s;

	*why = what_is_wrong(k, p);
	if (*why)
		return EINVAL;
	s = session_new(k, SESSION_STARTING);
	if (s && !fill(s, p)) {
		s->h = h;
		s->arg = arg;
		session_index(s);
		*out = s;
		session_pump(s);
		return 0;
	}
	*why = "a header of the INVITE is not clean, or out of memory";
	if (s) {
		session_blame(s, SIP_BY_US, "%s", *why);
		session_end(s);
		session_close(s);
	}
	return EINVAL;
}

void uac_hangup(struct sip_session *s)
{
	enum session_state was = s->state;

	if (was == SESSION_STARTING) {
		session_end(s);
		return;
	}
	session_move(s, SESSION_CANCELLING);
	session_start_limit(s);
	if (was == SESSION_PROCEEDING) {
		s->cancel_sent = true;
		sip_client_cancel(s->invite, s->hangup_header);
	}
}

/* --- forks --- */

void uac_fork_way(struct sip_stack *k, const struct sip_dialog *d, struct sip_flow *flow)
{
	enum wire_kind kind;
	struct sip_flow way;
	struct sip_uri uri;
	struct addr to;

	if (sip_dialog_hop(d, &uri))
		return;
	kind = session_uri_kind(&uri, flow->kind);
	if (!addr_parse(&to, uri.host, uri.port ? uri.port : sip_trans_default_port(kind)) &&
	    !sip_transport_flow(k->transport, kind, &to, uri.host, &way))
		*flow = way;
}

static void print_fork_request(struct sip_stack *k, const struct sip_dialog *d, const struct sip_flow *flow,
			       struct sip_dialog_request *r)
{
	stack_print_request(k, d, flow, r);
	sip_build_body(&k->out, NULL, STR(""));
}

void uac_drop_fork(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *from)
{
	struct sip_dialog d = { .local_cseq = 0 };
	struct sip_client_params p = { .flow = *from, .method = SIP_BYE };
	struct sip_dialog_request line = { .method = SIP_ACK };
	char branch[24];

	if (sip_dialog_init_response(&d, m)) {
		sip_dialog_done(&d);
		return;
	}
	/* Nothing is kept of such a dialog; equal branches make one BYE of several repetitions. */
	stack_branch(branch, map_hash(d.remote_tag, map_hash(d.call_id, map_hash(d.local, k->seed))));
	uac_fork_way(k, &d, &p.flow);
	line.branch = branch;
	line.cseq = d.local_cseq;
	print_fork_request(k, &d, &p.flow, &line);
	if (!k->out.failed)
		sip_trans_send(k->trans, &p.flow, buf_view(&k->out));
	line.method = SIP_BYE;
	line.cseq += EARLY_CSEQ_GAP; /* it may have had PRACKs */
	print_fork_request(k, &d, &p.flow, &line);
	p.branch = str_of(branch);
	p.bytes = buf_view(&k->out);
	if (!k->out.failed)
		sip_client_start(NULL, k->trans, &p); /* EEXIST: under way already */
	sip_dialog_done(&d);
}

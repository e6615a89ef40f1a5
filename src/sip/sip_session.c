#include "sip/sip_session.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "sip/sip_impl.h"

/* --- life --- */

struct sip_session *session_new(struct sip_stack *k, enum session_state state)
{
	struct sip_session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->k = k;
	s->state = state;
	list_append(&k->sessions, &s->node);
	k->session_count++;
	return s;
}

static struct sip_key dialog_key(const struct sip_stack *k, struct str call_id, struct str local_tag)
{
	struct sip_key key = k->dialogs.seed;

	sip_key_add(&key, call_id);
	sip_key_add(&key, local_tag);
	return key;
}

void session_index(struct sip_session *s)
{
	sip_table_add(&s->k->dialogs, &s->by_dialog, dialog_key(s->k, s->d.call_id, str_of(s->d.local_tag)));
}

struct sip_session *session_find(struct sip_stack *k, const struct sip_msg *m, struct str local_tag,
				 struct str remote_tag)
{
	return session_find_dialog(k, sip_msg_header(m, SIP_H_CALL_ID, 0), local_tag, remote_tag);
}

struct sip_session *session_find_dialog(struct sip_stack *k, struct str call_id, struct str local_tag,
					struct str remote_tag)
{
	struct sip_node *n = sip_table_find(&k->dialogs, dialog_key(k, call_id, local_tag));
	struct sip_session *s = n ? LIST_ITEM(n, struct sip_session, by_dialog) : NULL;

	/* Until a response has told it, nobody can know the dialog; a peer without tags has an empty one. */
	if (!s || !s->d.remote_tag.p)
		return NULL;
	if (!remote_tag.p)
		remote_tag = STR("");
	return str_eq(s->d.remote_tag, remote_tag) || early_knows(s, remote_tag) ? s : NULL;
}

void session_move(struct sip_session *s, enum session_state to)
{
	static const uint16_t legal[] = {
		[SESSION_STARTING] = 1 << SESSION_CALLING | 1 << SESSION_ENDED,
		[SESSION_CALLING] =
			1 << SESSION_PROCEEDING | 1 << SESSION_CONFIRMED | 1 << SESSION_CANCELLING | 1 << SESSION_ENDED,
		[SESSION_PROCEEDING] = /* CALLING: challenged, the INVITE goes out again */
		1 << SESSION_CALLING | 1 << SESSION_CONFIRMED | 1 << SESSION_CANCELLING | 1 << SESSION_ENDED,
		[SESSION_CANCELLING] = 1 << SESSION_BYE | 1 << SESSION_ENDED,
		[SESSION_INCOMING] = 1 << SESSION_ACCEPTED | 1 << SESSION_ENDED,
		[SESSION_ACCEPTED] = 1 << SESSION_CONFIRMED | 1 << SESSION_LEAVING | 1 << SESSION_ENDED,
		[SESSION_LEAVING] = 1 << SESSION_BYE | 1 << SESSION_ENDED,
		[SESSION_CONFIRMED] = 1 << SESSION_BYE | 1 << SESSION_ENDED,
		[SESSION_BYE] = 1 << SESSION_ENDED,
		[SESSION_ENDED] = 0,
	};

	assert(legal[s->state] & 1 << to);
	s->state = to;
}

int session_keep(struct str *out, struct str s)
{
	char *copy = s.p ? str_heap(s) : NULL;

	if (s.p && !copy)
		return ENOMEM;
	session_forget(out);
	*out = (struct str){ copy, s.n };
	return 0;
}

void session_forget(struct str *s)
{
	free((char *)s->p);
	*s = (struct str){ NULL, 0 };
}

void session_free_start(struct sip_session *s)
{
	if (!s->start)
		return;
	session_forget_ways(s);
	session_forget(&s->start->sdp);
	buf_free(&s->start->fields);
	free(s->start);
	s->start = NULL;
}

void session_close(struct sip_session *s)
{
	assert(s->state == SESSION_ENDED);
	loop_timer_stop(s->k->loop, &s->end_timer);
	list_remove(&s->node);
	s->k->session_count--;
	s->end.reason = s->end_reason ? s->end_reason : "";
	s->end.reason_header = str_of(s->end_header);
	s->end.contacts = str_of(s->end_contacts);
	s->end.why = s->why;
	refer_close(s);
	if (s->h)
		s->h->closed(s->arg, &s->end);
	refer_inherit(s);
	session_free_start(s);
	prack_free(s);
	sip_auth_free(&s->auth);
	sip_dialog_done(&s->d);
	session_forget(&s->hangup_header);
	session_forget(&s->tls_name);
	free(s->end_reason);
	free(s->end_header);
	free(s->end_contacts);
	free(s);
}

static void close_later(void *arg)
{
	session_close(arg);
}

void session_blame(struct sip_session *s, enum sip_who who, const char *fmt, ...)
{
	va_list ap;

	if (s->blamed)
		return;
	s->blamed = true;
	s->end.who = who;
	va_start(ap, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
}

void session_end_texts(struct sip_session *s, struct str reason, struct str reason_header)
{
	free(s->end_reason);
	free(s->end_header);
	s->end_reason = reason.n ? str_heap(reason) : NULL;
	s->end_header = reason_header.p ? str_heap(reason_header) : NULL;
}

void session_end(struct sip_session *s)
{
	assert(s->blamed);
	session_move(s, SESSION_ENDED);
	if (s->looking)
		s->asked->ops->cancel(s->asked, s->lookup);
	s->looking = false;
	sip_client_detach(&s->invite);
	sip_client_detach(&s->bye);
	sip_server_detach(&s->server);
	reinvite_stop(s);
	refresh_stop(s);
	prack_settled(s);
	early_free(s);
	refer_stop(s);
	loop_timer_stop(s->k->loop, &s->limit);
	sip_table_remove(&s->k->dialogs, &s->by_dialog);
	sip_table_remove(&s->k->flows, &s->by_flow);
	loop_timer_start(s->k->loop, &s->end_timer, 0, close_later, s);
}

static struct sip_key flow_key(const struct sip_stack *k, uint64_t connection)
{
	struct sip_key key = k->flows.seed;

	sip_key_add(&key, (struct str){ (const char *)&connection, sizeof(connection) });
	return key;
}

void session_use_flow(struct sip_session *s, const struct sip_flow *flow)
{
	sip_table_remove(&s->k->flows, &s->by_flow);
	if (sip_transport_is_websocket(flow->kind))
		sip_table_add(&s->k->flows, &s->by_flow, flow_key(s->k, flow->connection));
	s->flow = *flow;
	s->have_flow = true;
}

void session_lost(struct sip_stack *k, uint64_t connection, const char *why)
{
	struct sip_key key = flow_key(k, connection);
	struct sip_node *n;

	while ((n = sip_table_find(&k->flows, key))) {
		struct sip_session *s = LIST_ITEM(n, struct sip_session, by_flow);

		session_blame(s, SIP_BY_TRANSPORT, "%s", why);
		session_end(s);
	}
}

void session_pump(struct sip_session *s)
{
	int err = session_way(s);

	if (err == EINPROGRESS)
		return;
	if (err) {
		session_blame_way(s, err);
		session_end(s);
		return;
	}
	if (s->state == SESSION_STARTING) {
		uac_send_invite(s);
		session_watch_way(s);
		return;
	}
	if (s->want_ack)
		session_send_ack(s, s->ack_cseq);
	if (s->re.state == REINVITE_QUEUED && s->state == SESSION_CONFIRMED)
		reinvite_send(s);
	if (s->timer.queued && s->state == SESSION_CONFIRMED)
		refresh_send(s);
	refer_pump(s);
	if (s->want_bye)
		session_send_bye(s);
}

/* --- requests --- */

void session_begin_request(struct sip_session *s, struct session_request *r)
{
	struct sip_dialog_request line = { .method = r->method, .cseq = ++s->d.local_cseq, .branch = r->branch };

	stack_branch(r->branch, loop_random(s->k->loop));
	stack_print_request(s->k, &s->d, &s->flow, &line);
	if (s->auth)
		sip_auth_print(s->auth, &s->k->out, r->method);
}

int session_finish_request(struct sip_session *s, struct sip_client **out, const struct session_request *r,
			   struct str sdp)
{
	struct sip_client_params p = { .flow = s->flow, .method = r->method, .handlers = r->handlers, .arg = s };

	sip_build_body(&s->k->out, "application/sdp", sdp);
	if (s->k->out.failed)
		return EMSGSIZE;
	p.branch = str_of(r->branch);
	p.bytes = buf_view(&s->k->out);
	return sip_client_start(out, s->k->trans, &p);
}

void session_send_ack(struct sip_session *s, uint32_t cseq)
{
	struct sip_stack *k = s->k;
	struct sip_dialog_request line = { .method = SIP_ACK, .cseq = cseq };
	char branch[24];

	if (session_way(s) == EINPROGRESS) {
		s->want_ack = true;
		s->ack_cseq = cseq;
		return;
	}
	s->want_ack = false;
	/* The same ACK for each repetition of the 2xx, without keeping its bytes. */
	stack_branch(branch, map_hash(s->d.call_id, map_hash(s->d.remote_tag, k->seed + cseq)));
	line.branch = branch;
	stack_print_request(k, &s->d, &s->flow, &line);
	if (s->auth)
		sip_auth_print(s->auth, &k->out, SIP_ACK);
	sip_build_body(&k->out, NULL, STR(""));
	if (!k->out.failed)
		sip_trans_send(k->trans, &s->flow, buf_view(&k->out));
}

int sip_session_credentials(struct sip_session *s, struct str username, struct str password)
{
	struct sip_auth *auth;
	int err = sip_auth_new(&auth, username, password);

	if (err)
		return err;
	sip_auth_free(&s->auth);
	s->auth = auth;
	return 0;
}

const char *session_challenged(struct sip_session *s, const struct sip_msg *m)
{
	if (m->status != 401 && m->status != 407)
		return "";
	if (!s->auth)
		return ", and no credentials are given";
	return sip_auth_clause(sip_auth_challenged(s->auth, m, loop_random(s->k->loop)));
}

static void on_bye_response(void *arg, const struct sip_msg *m)
{
	struct sip_session *s = arg;

	/* Whatever the answer is, the dialog is over (§15.1.1). */
	if (m->status < 200)
		return;
	s->bye = NULL;
	if (s->state == SESSION_BYE && !session_challenged(s, m))
		session_send_bye(s);
	else
		session_end(s);
}

static void on_bye_failed(void *arg, enum sip_failure kind, const char *why)
{
	struct sip_session *s = arg;

	s->bye = NULL;
	/* A connection that broke under the BYE must not leave the peer in the call for ever. */
	if (kind == SIP_FAILED_TRANSPORT && s->flow.kind != WIRE_UDP && !s->bye_again) {
		s->bye_again = true;
		s->want_bye = true;
		session_pump(s);
		return;
	}
	session_end(s);
}

void session_send_bye(struct sip_session *s)
{
	static const struct sip_client_handlers handlers = { on_bye_response, on_bye_failed };
	struct session_request r = { .method = SIP_BYE, .handlers = &handlers };

	s->want_bye = false;
	session_begin_request(s, &r);
	if (s->hangup_header.n)
		sip_build_header(&s->k->out, "Reason", s->hangup_header);
	if (session_finish_request(s, &s->bye, &r, STR("")))
		session_end(s);
}

void session_leave(struct sip_session *s)
{
	session_move(s, SESSION_BYE);
	s->want_bye = true;
	session_pump(s);
}

void session_abandon(struct sip_session *s)
{
	/* Not worth a look-up: the way it had will do. */
	session_way(s);
	session_send_bye(s);
	if (s->state != SESSION_ENDED)
		session_end(s);
}

/* --- hanging up --- */

static void on_limit(void *arg)
{
	struct sip_session *s = arg;

	if (s->state == SESSION_LEAVING)
		session_abandon(s);
	else
		session_end(s);
}

void session_start_limit(struct sip_session *s)
{
	loop_timer_start_loose(s->k->loop, &s->limit, sip_trans_timeout_ms(s->k->trans), on_limit, s);
}

/* The peer's open INVITE or re-INVITE ends with the dialog (§15.1.2). */
static void close_open_invite(struct sip_session *s)
{
	if (s->state == SESSION_INCOMING || s->reoffer == REOFFER_ASKED)
		uas_respond_final(s, 487, STR(""), NULL);
	else
		sip_server_detach(&s->server);
	s->reoffer = REOFFER_NONE;
}

void sip_session_hangup(struct sip_session *s, struct str reason_header)
{
	bool early = s->state < SESSION_ACCEPTED;

	switch (s->state) {
	case SESSION_CANCELLING:
	case SESSION_LEAVING:
	case SESSION_BYE:
	case SESSION_ENDED:
		return;
	case SESSION_STARTING:
	case SESSION_CALLING:
	case SESSION_PROCEEDING:
	case SESSION_INCOMING:
	case SESSION_ACCEPTED:
	case SESSION_CONFIRMED:
		break;
	}
	session_blame(s, SIP_BY_US, early ? "hung up before the answer" : "hung up");
	if (reason_header.n)
		session_keep(&s->hangup_header, reason_header);
	if (s->state != SESSION_CONFIRMED) {
		if (s->outbound)
			uac_hangup(s);
		else
			uas_hangup(s);
		return;
	}
	close_open_invite(s);
	session_start_limit(s);
	session_leave(s);
}

static void answer_bye(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow)
{
	struct sip_server_params p = { .flow = *flow, .to_tag = "" };
	struct sip_server *bye = NULL;

	if (sip_server_start(&bye, s->k->trans, m, &p)) {
		stack_reply(s->k, m, flow, 200, NULL);
		return;
	}
	stack_print_response(s->k, m, 200, STR(""), NULL, flow);
	sip_build_body(&s->k->out, NULL, STR(""));
	if (s->k->out.failed || sip_server_respond(&bye, 200, buf_view(&s->k->out)))
		sip_server_detach(&bye);
}

static void take_bye(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow)
{
	struct str reason = sip_msg_header(m, SIP_H_REASON, 0);

	answer_bye(s, m, flow);
	if (!s->blamed)
		session_end_texts(s, (struct str){ NULL, 0 }, reason);
	session_blame(s, SIP_BY_PEER, "the peer hung up");
	switch (s->state) {
	case SESSION_STARTING:
	case SESSION_CALLING:
	case SESSION_PROCEEDING:
		/* No callee may do this before its 2xx; the INVITE's final response is waited for all the same. */
		uac_hangup(s);
		break;
	case SESSION_INCOMING:
	case SESSION_ACCEPTED:
	case SESSION_LEAVING:
	case SESSION_CONFIRMED:
		close_open_invite(s);
		session_end(s);
		break;
	case SESSION_BYE: /* glare: our BYE goes on without us */
		session_end(s);
		break;
	case SESSION_CANCELLING:
	case SESSION_ENDED:
		break;
	}
}

void session_take_request(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow)
{
	struct sip_cseq cseq = { .number = 0 };

	if (early_refuses(s, m, flow))
		return;
	sip_cseq_parse(&cseq, sip_msg_header(m, SIP_H_CSEQ, 0));
	if (cseq.number < s->d.remote_cseq) { /* §12.2.2 */
		stack_reply(s->k, m, flow, 500, NULL);
		return;
	}
	s->d.remote_cseq = cseq.number;
	/* A phone that has lost its network comes back by another connection. */
	if (sip_transport_is_websocket(s->flow.kind) && sip_transport_is_websocket(flow->kind))
		session_use_flow(s, flow);
	if (m->method == SIP_BYE)
		take_bye(s, m, flow);
	else if (m->method == SIP_INVITE)
		reinvite_take(s, m, flow);
	else if (m->method == SIP_UPDATE)
		update_take(s, m, flow);
	else if (m->method == SIP_PRACK)
		prack_take(s, m, flow);
	else if (m->method == SIP_REFER)
		refer_take(s, m, flow);
	else if (m->method == SIP_NOTIFY)
		refer_take_notify(s, m, flow);
	else if (m->method == SIP_INFO)
		info_take(s, m, flow);
	else
		stack_reply_method(s->k, m, flow);
}

bool sip_session_heard(const struct sip_session *s)
{
	return s->heard;
}

void sip_session_release(struct sip_session **sp)
{
	struct sip_session *s = *sp;

	assert(s->outbound && !s->heard);
	*sp = NULL;
	s->h = NULL;
	if (s->state == SESSION_ENDED) /* its closed() is due, and will find nobody */
		return;
	if (s->have_flow && s->state == SESSION_CALLING)
		sip_health_failed(s->k->health, s->flow.kind, &s->flow.remote);
	session_blame(s, SIP_BY_US, "given up");
	session_end(s);
}

struct str sip_session_call_id(const struct sip_session *s)
{
	return s->d.call_id;
}

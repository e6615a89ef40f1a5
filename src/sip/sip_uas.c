#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sip/sip_impl.h"
#include "sip/sip_registrar.h"

static void on_cancelled(void *arg, const struct sip_msg *m)
{
	struct sip_session *s = arg;

	if (s->state != SESSION_INCOMING) {
		reinvite_cancelled(s);
		return;
	}
	session_end_texts(s, (struct str){ NULL, 0 }, sip_msg_header(m, SIP_H_REASON, 0));
	session_blame(s, SIP_BY_PEER, "cancelled by the caller");
	uas_respond_final(s, 487, STR(""), NULL);
	session_end(s);
}

static void on_unacked(void *arg)
{
	struct sip_session *s = arg;

	s->server = NULL;
	session_blame(s, SIP_BY_TIMEOUT, "no ACK for our 200 within %u s", sip_trans_timeout_ms(s->k->trans) / 1000);
	session_abandon(s);
}

int uas_open(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow)
{
	static const struct sip_server_handlers handlers = { on_cancelled, on_unacked };
	struct sip_server_params p = { .flow = *flow, .to_tag = session_open_tag(s), .handlers = &handlers, .arg = s };
	struct sip_cseq cseq = { .number = 0 };
	int err = sip_server_start(&s->server, s->k->trans, m, &p);

	if (err)
		return err;
	sip_cseq_parse(&cseq, sip_msg_header(m, SIP_H_CSEQ, 0));
	s->invite_cseq = cseq.number;
	s->offerless = !stack_sdp(m).n;
	stack_print_response(s->k, m, 100, STR(""), NULL, flow);
	sip_build_body(&s->k->out, NULL, STR(""));
	if (!s->k->out.failed)
		sip_server_respond(&s->server, 100, buf_view(&s->k->out));
	return 0;
}

/* --- responses --- */

static void print_for(struct sip_session *s, const struct sip_msg *m, int status, struct str reason)
{
	stack_print_response(s->k, m, status, reason, session_open_tag(s), sip_server_flow(s->server));
}

void uas_print(struct sip_session *s, int status, struct str reason)
{
	struct sip_msg m;

	sip_server_request(s->server, &m);
	print_for(s, &m, status, reason);
}

void uas_respond_final(struct sip_session *s, int status, struct str reason, const struct sip_fields *fields)
{
	struct sip_stack *k = s->k;

	uas_print(s, status, reason);
	for (size_t i = 0; fields && i < fields->count; i++)
		sip_build_header(&k->out, fields->items[i].name, fields->items[i].value);
	sip_build_body(&k->out, NULL, STR(""));
	if (k->out.failed) { /* unclean extras; the status itself always fits */
		uas_print(s, status, STR(""));
		sip_build_body(&k->out, NULL, STR(""));
	}
	if (s->state == SESSION_INCOMING) {
		s->end.status = (uint16_t)status;
		if (!s->end_reason)
			s->end_reason = str_heap(reason.n ? reason : str_of(sip_reason_phrase(status)));
	}
	if (sip_server_respond(&s->server, status, buf_view(&k->out)))
		sip_server_detach(&s->server);
	replace_forget(s);
}

int uas_respond_ok(struct sip_session *s, struct str sdp)
{
	struct sip_stack *k = s->k;
	struct sip_msg m;

	sip_server_request(s->server, &m);
	print_for(s, &m, 200, STR(""));
	stack_print_contact(k, sip_server_flow(s->server));
	stack_print_allow(k);
	refresh_answer(s, &m);
	refresh_keep(s, sdp);
	sip_build_body(&k->out, "application/sdp", sdp);
	if (k->out.failed)
		return EMSGSIZE;
	return sip_server_respond(&s->server, 200, buf_view(&k->out));
}

/* --- requests --- */

static int open_session(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow)
{
	char tag[17];
	int err;

	stack_hex(tag, loop_random(s->k->loop));
	err = sip_dialog_init_in(&s->d, m, tag);
	if (err)
		return err;
	session_index(s);
	refresh_start(s, s->k->session_timeout_s);
	prack_judge(s, m);
	session_use_flow(s, flow);
	s->contact = flow->listener;
	return uas_open(s, m, flow);
}

/* A subscriber behind a NAT, or on a connection of his own making, is found where he spoke from. */
static bool is_pinned(const struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow)
{
	struct sip_uri contact;

	return !sip_uri_parse(&contact, s->d.target) && sip_contact_by_flow(m, &contact, flow);
}

void uas_take_invite(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow, struct str subscriber)
{
	struct sip_session *s = session_new(k, SESSION_INCOMING);
	struct sip_invite in = { .msg = m, .source = flow->remote, .kind = flow->kind, .sdp = stack_sdp(m) };

	if (!s || open_session(s, m, flow)) {
		stack_reply(k, m, flow, 500, NULL);
		if (!s)
			return;
		session_blame(s, SIP_BY_US, "out of memory");
		session_end(s);
		session_close(s);
		return;
	}
	sip_name_addr_parse(&in.from, sip_msg_header(m, SIP_H_FROM, 0));
	sip_name_addr_parse(&in.to, sip_msg_header(m, SIP_H_TO, 0));
	sip_uri_parse(&in.ruri, m->ruri);
	in.call_id = s->d.call_id;
	in.subscriber = subscriber;
	s->pinned = subscriber.n && is_pinned(s, m, flow);
	k->handlers->invite(k->arg, s, &in);
	assert(s->h || s->state == SESSION_ENDED);
}

void uas_take_ack(struct sip_session *s, const struct sip_msg *m)
{
	struct sip_cseq cseq = { .number = 0 };

	sip_cseq_parse(&cseq, sip_msg_header(m, SIP_H_CSEQ, 0));
	if (!s->server || cseq.number != s->invite_cseq)
		return;
	if (s->state == SESSION_ACCEPTED) {
		sip_server_acked(&s->server);
		session_move(s, SESSION_CONFIRMED);
		s->h->confirmed(s->arg, stack_sdp(m));
		if (s->refer)
			session_pump(s);
	} else if (s->state == SESSION_LEAVING) {
		sip_server_acked(&s->server);
		session_leave(s);
	} else if (s->reoffer == REOFFER_ANSWERED) {
		reinvite_acked(s, stack_sdp(m));
	}
}

/* --- what the owner wants --- */

void sip_session_accept(struct sip_session *s, const struct sip_session_handlers *h, void *arg)
{
	assert(!s->h && !s->outbound);
	s->h = h;
	s->arg = arg;
}

void sip_session_refuse(struct sip_session *s, int status, struct str reason, const struct sip_fields *fields)
{
	struct str phrase = str_head(reason.n ? reason : str_of(sip_reason_phrase(status)), 80);

	assert(status >= 300 && status <= 699);
	if (s->state != SESSION_INCOMING) {
		sip_session_hangup(s, STR(""));
		return;
	}
	session_blame(s, SIP_BY_US, "refused with %d %.*s", status, STR_ARG(phrase));
	uas_respond_final(s, status, reason, fields);
	session_end(s);
}

void sip_session_ring(struct sip_session *s, int status, struct str sdp)
{
	assert(status > 100 && status < 200);
	if (s->state != SESSION_INCOMING)
		return;
	prack_ring(s, status, sdp);
}

int sip_session_answer(struct sip_session *s, struct str sdp)
{
	if (s->state != SESSION_INCOMING || prack_answered(s))
		return EINVAL;
	return prack_holds_answer(s) ? 0 : uas_accept(s, sdp);
}

int uas_accept(struct sip_session *s, struct str sdp)
{
	int err = uas_respond_ok(s, prack_carried(s) ? STR("") : sdp);

	if (err)
		return err;
	prack_settled(s);
	session_move(s, SESSION_ACCEPTED);
	s->end.answered = true;
	s->end.status = 200;
	s->end_reason = str_heap(STR("OK"));
	return 0;
}

void uas_hangup(struct sip_session *s)
{
	struct sip_field reason = { "Reason", s->hangup_header };
	struct sip_fields fields = { &reason, s->hangup_header.n ? 1 : 0 };

	if (s->state == SESSION_INCOMING) {
		uas_respond_final(s, 480, STR(""), &fields);
		session_end(s);
		return;
	}
	/* §15: no BYE before the ACK. */
	session_move(s, SESSION_LEAVING);
	session_start_limit(s);
}

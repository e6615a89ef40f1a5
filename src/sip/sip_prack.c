#include <assert.h>
#include <stdlib.h>

#include "sip/sip_impl.h"

/* Our provisional responses that are repeated until the caller has them, RFC 3262 §3. One at a time; of what is said
 * meanwhile only the last word is kept, since it is what counts. */
struct session_prack {
	struct loop_timer timer;
	uint32_t rseq; /* of the newest reliable one, 0 = none sent */
	uint32_t interval_ms;
	uint64_t deadline_ms;
	bool pending;     /* the newest is not acknowledged                                   */
	bool pending_sdp; /* … and holds an SDP: no 2xx before its PRACK                       */
	bool carried;     /* an SDP of ours went out reliably: no other response repeats it    */
	bool answer_due;  /* the owner has answered: 200 with the PRACK                        */
	int status;       /* of the newest */
	int next;         /* what is said after the PRACK, 0 = nothing                         */
	struct str next_sdp;
};

enum { RSEQ_START = 0x40000000 };

void prack_judge(struct sip_session *s, const struct sip_msg *invite)
{
	if (sip_msg_has_token(invite, SIP_H_REQUIRE, "100rel"))
		s->reliable = SIP_RELIABLE_ALL;
	else if (sip_msg_has_token(invite, SIP_H_SUPPORTED, "100rel"))
		s->reliable = SIP_RELIABLE_SDP;
}

enum sip_reliable sip_session_reliable(const struct sip_session *s)
{
	return s->reliable;
}

/* --- sending --- */

static void rest(struct sip_session *s)
{
	if (s->prack)
		loop_timer_stop(s->k->loop, &s->prack->timer);
}

static void give_up(struct sip_session *s)
{
	session_blame(s, SIP_BY_TIMEOUT, "no PRACK for our %d within %u s", s->prack->status,
		      sip_trans_timeout_ms(s->k->trans) / 1000);
	uas_respond_final(s, 504, STR(""), NULL);
	session_end(s);
}

static void on_timer(void *arg);

static void arm(struct sip_session *s)
{
	struct session_prack *p = s->prack;
	uint64_t left = p->deadline_ms - loop_now_ms(s->k->loop);

	loop_timer_start(s->k->loop, &p->timer, p->interval_ms < left ? p->interval_ms : left, on_timer, s);
}

static void on_timer(void *arg)
{
	struct sip_session *s = arg;

	if (loop_now_ms(s->k->loop) >= s->prack->deadline_ms) {
		give_up(s);
		return;
	}
	sip_server_repeat(s->server);
	s->prack->interval_ms *= 2;
	arm(s);
}

static bool send_ring(struct sip_session *s, int status, struct str sdp, uint32_t rseq)
{
	struct sip_stack *k = s->k;

	uas_print(s, status, STR(""));
	stack_print_contact(k, sip_server_flow(s->server));
	if (rseq) {
		buf_cstr(&k->out, "Require: 100rel\r\nRSeq: ");
		buf_u32(&k->out, rseq);
		buf_cstr(&k->out, "\r\n");
	}
	sip_build_body(&k->out, "application/sdp", sdp);
	/* No response is better than half of one: it may be repeated anyway. */
	return !k->out.failed && !sip_server_respond(&s->server, status, buf_view(&k->out));
}

static void send_reliable(struct sip_session *s, int status, struct str sdp)
{
	struct session_prack *p = s->prack;
	uint32_t timeout_ms = sip_trans_timeout_ms(s->k->trans);
	uint32_t rseq = p->rseq ? p->rseq + 1 : 1 + loop_random_below(s->k->loop, RSEQ_START);

	if (!send_ring(s, status, sdp, rseq))
		return;
	p->rseq = rseq;
	p->status = status;
	p->pending = true;
	p->pending_sdp = sdp.n != 0;
	p->carried = p->carried || sdp.n;
	p->interval_ms = timeout_ms / SIP_TIMEOUT_T1;
	p->deadline_ms = loop_now_ms(s->k->loop) + timeout_ms;
	arm(s);
}

static void ring(struct sip_session *s, int status, struct str sdp)
{
	if (s->reliable == SIP_RELIABLE_ALL || sdp.n)
		send_reliable(s, status, sdp);
	else
		send_ring(s, status, sdp, 0);
}

void prack_ring(struct sip_session *s, int status, struct str sdp)
{
	struct session_prack *p = s->prack;

	if (s->reliable == SIP_RELIABLE_NONE || (s->reliable == SIP_RELIABLE_SDP && !sdp.n && !p)) {
		send_ring(s, status, sdp, 0);
		return;
	}
	if (!p)
		p = s->prack = calloc(1, sizeof(*p));
	if (!p || p->answer_due)
		return;
	if (p->carried)
		sdp = STR("");
	if (!p->pending) {
		ring(s, status, sdp);
		return;
	}
	if (status == p->status && !sdp.n && !p->next)
		return; /* it is being said already */
	if (!sdp.n || !session_keep(&p->next_sdp, sdp))
		p->next = status;
}

bool prack_holds_answer(struct sip_session *s)
{
	struct session_prack *p = s->prack;

	if (!p || !p->pending || !p->pending_sdp)
		return false;
	p->answer_due = true;
	return true;
}

bool prack_answered(const struct sip_session *s)
{
	return s->prack && s->prack->answer_due;
}

bool prack_agreed(const struct sip_session *s)
{
	return prack_carried(s) && !s->offerless && !(s->prack->pending && s->prack->pending_sdp);
}

bool prack_carried(const struct sip_session *s)
{
	return s->prack && s->prack->carried;
}

void prack_settled(struct sip_session *s)
{
	rest(s);
	if (s->prack)
		session_forget(&s->prack->next_sdp);
}

void prack_free(struct sip_session *s)
{
	prack_settled(s);
	free(s->prack);
	s->prack = NULL;
}

/* --- the PRACK --- */

/* RAck: RSeq, CSeq number, method. */
static bool fits(const struct sip_session *s, const struct sip_msg *m)
{
	struct str text = sip_msg_header(m, SIP_H_RACK, 0);
	uint32_t numbers[2];

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		size_t n = 0;

		while (n < text.n && text.p[n] >= '0' && text.p[n] <= '9')
			n++;
		if (str_u32(str_head(text, n), &numbers[i]) || n == text.n)
			return false;
		text = str_trim(str_from(text, n));
	}
	return str_is(text, "INVITE") && numbers[0] == s->prack->rseq && numbers[1] == s->invite_cseq;
}

static void respond(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow, struct str sdp)
{
	struct sip_server_params p = { .flow = *flow, .to_tag = "" };
	struct sip_server *server = NULL;

	if (sip_server_start(&server, s->k->trans, m, &p)) {
		stack_reply(s->k, m, flow, 500, NULL);
		return;
	}
	stack_print_response(s->k, m, 200, STR(""), NULL, flow);
	sip_build_body(&s->k->out, "application/sdp", sdp);
	if (s->k->out.failed || sip_server_respond(&server, 200, buf_view(&s->k->out)))
		sip_server_detach(&server);
}

/* What has waited for the PRACK. The owner may have ended it all when he was told of it. */
static void go_on(struct sip_session *s)
{
	struct session_prack *p = s->prack;
	int next = p->next;

	if (s->state != SESSION_INCOMING || p->pending)
		return;
	p->next = 0;
	if (p->answer_due) {
		p->answer_due = false;
		if (!uas_accept(s, STR("")))
			return;
		session_blame(s, SIP_BY_US, "out of memory");
		uas_respond_final(s, 500, STR(""), NULL);
		session_end(s);
	} else if (next) {
		ring(s, next, p->next_sdp);
		session_forget(&p->next_sdp);
	}
}

/* The answer to our offer; or an offer, whose answer goes into the 200. 0 or the status that refuses it. */
static int take_sdp(struct sip_session *s, struct str sdp, struct buf *answer)
{
	if (s->state != SESSION_INCOMING)
		return sdp.n ? 488 : 0;
	if (s->offerless && s->prack->pending_sdp) {
		s->offerless = false; /* the ACK brings none any more */
		s->h->pracked(s->arg, sdp, NULL);
		return 0;
	}
	if (!sdp.n)
		return 0;
	/* Before we have answered the offer of the INVITE there is no place for another one (RFC 3264 §4). */
	if (s->offerless || !s->prack->carried)
		return 488;
	return s->h->pracked(s->arg, sdp, answer) || answer->failed ? 488 : 0;
}

void prack_take(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow)
{
	struct session_prack *p = s->prack;
	struct buf answer;
	int status;

	if (!p || !p->pending || !fits(s, m)) {
		stack_reply(s->k, m, flow, 481, NULL);
		return;
	}
	if (m->body.n && !stack_sdp(m).n) {
		static const struct sip_field accept = { "Accept", { "application/sdp", 15 } };
		static const struct sip_fields fields = { &accept, 1 };

		stack_reply(s->k, m, flow, 415, &fields);
		return;
	}
	loop_timer_stop(s->k->loop, &p->timer);
	p->pending = false;
	buf_init(&answer, SIP_MAX_MESSAGE);
	status = take_sdp(s, stack_sdp(m), &answer);
	/* A refused offer changes nothing, and the response has arrived all the same (RFC 6337 §2.3 leaves it open). */
	if (status)
		stack_reply(s->k, m, flow, status, NULL);
	else
		respond(s, m, flow, buf_view(&answer));
	buf_free(&answer);
	go_on(s);
}

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "sip/sip_impl.h"

enum { MAX_TRIES = 5 };

static void on_timer(void *arg);

/* --- ours --- */

static void move(struct sip_session *s, enum reinvite_state to)
{
	static const uint8_t legal[] = {
		[REINVITE_IDLE] = 1 << REINVITE_QUEUED,
		[REINVITE_QUEUED] = 1 << REINVITE_SENT | 1 << REINVITE_FAILED,
		[REINVITE_SENT] = 1 << REINVITE_WAIT | 1 << REINVITE_IDLE | 1 << REINVITE_QUEUED,
		[REINVITE_WAIT] = 1 << REINVITE_QUEUED,
		[REINVITE_FAILED] = 1 << REINVITE_IDLE,
	};

	assert(legal[s->re.state] & 1 << to);
	s->re.state = to;
}

static void settle(struct sip_session *s)
{
	move(s, REINVITE_IDLE);
	if (s->auth)
		sip_auth_settled(s->auth);
}

static void finish(struct sip_session *s, int status, struct str sdp)
{
	settle(s);
	session_forget(&s->re.sdp);
	s->h->reinvited(s->arg, status, sdp);
}

/* The owner's own, which a refresh may have held back. */
static void take_next(struct sip_session *s)
{
	if (!s->re.next || s->state != SESSION_CONFIRMED)
		return;
	s->re.next = false;
	s->re.method = s->re.next_method;
	s->re.refresh = false;
	s->re.tries = 0;
	if (s->re.state != REINVITE_IDLE)
		return; /* it waits for its turn already */
	move(s, REINVITE_QUEUED);
	session_pump(s);
}

/* §14.1: whoever owns the Call-ID waits longer, so that the second tries do not meet again. */
static void wait_turn(struct sip_session *s)
{
	struct loop *l = s->k->loop;
	uint32_t wait_ms = s->outbound ? 2100 + 10 * loop_random_below(l, 191) : 10 * loop_random_below(l, 201);

	loop_timer_start(l, &s->re.timer, wait_ms, on_timer, s);
}

/* 408 and 481 say that the dialog has gone (§12.2.1.2). */
static void fail(struct sip_session *s, int status, const char *why)
{
	if (s->re.refresh) {
		settle(s);
		refresh_refused(s, status);
		take_next(s);
		return;
	}
	finish(s, status, STR(""));
	if ((status != 408 && status != 481) || s->state != SESSION_CONFIRMED)
		return;
	session_blame(s, status == 408 ? SIP_BY_TIMEOUT : SIP_BY_PEER, "%s", why);
	session_abandon(s);
}

static void on_timer(void *arg)
{
	struct sip_session *s = arg;

	if (s->re.state == REINVITE_FAILED && s->re.refresh) {
		settle(s); /* the session's timer runs, and tries once more */
		take_next(s);
	} else if (s->re.state == REINVITE_FAILED) {
		finish(s, 500, STR(""));
	} else if (s->reoffer != REOFFER_NONE) {
		wait_turn(s); /* the peer was quicker */
	} else {
		move(s, REINVITE_QUEUED);
		session_pump(s);
	}
}

static void accepted(struct sip_session *s, const struct sip_msg *m)
{
	struct sip_cseq cseq = { .number = 0 };

	sip_cseq_parse(&cseq, sip_msg_header(m, SIP_H_CSEQ, 0));
	sip_dialog_refresh(&s->d, m); /* without memory the old target stays */
	if (s->re.method == SIP_INVITE)
		session_send_ack(s, cseq.number);
	if (s->state != SESSION_CONFIRMED)
		return;
	refresh_agree(s, m);
	if (!s->re.refresh) {
		refresh_keep(s, s->re.sdp);
		finish(s, m->status, stack_sdp(m));
		return;
	}
	settle(s);
	if (stack_sdp(m).n)
		s->h->reanswered(s->arg, stack_sdp(m));
	take_next(s);
}

static void on_response(void *arg, const struct sip_msg *m)
{
	struct sip_session *s = arg;
	char why[128];

	if (m->status < 200)
		return;
	s->re.client = NULL;
	if (m->status < 300) {
		accepted(s, m);
		return;
	}
	if (s->state != SESSION_CONFIRMED)
		return;
	if (!session_challenged(s, m) || refresh_raise(s, m)) {
		move(s, REINVITE_QUEUED);
		session_pump(s);
		return;
	}
	if (m->status == 491 && ++s->re.tries < MAX_TRIES) {
		move(s, REINVITE_WAIT);
		wait_turn(s);
		take_next(s);
		return;
	}
	snprintf(why, sizeof(why), "%u to our %s", m->status, s->re.method == SIP_INVITE ? "re-INVITE" : "UPDATE");
	fail(s, m->status, why);
}

static void on_failed(void *arg, enum sip_failure kind, const char *why)
{
	struct sip_session *s = arg;

	s->re.client = NULL;
	if (s->state != SESSION_CONFIRMED)
		return;
	if (s->re.refresh) {
		settle(s);
		refresh_failed(s, kind, why);
		take_next(s);
	} else {
		fail(s, kind == SIP_FAILED_TIMEOUT ? 408 : 503, why);
	}
}

void reinvite_send(struct sip_session *s)
{
	static const struct sip_client_handlers handlers = { on_response, on_failed };
	struct session_request r = { .method = s->re.method, .handlers = &handlers };

	session_begin_request(s, &r);
	stack_print_contact(s->k, &s->flow);
	stack_print_allow(s->k);
	refresh_print(s);
	if (session_finish_request(s, &s->re.client, &r, s->re.refresh ? s->timer.sdp : s->re.sdp)) {
		move(s, REINVITE_FAILED);
		loop_timer_start(s->k->loop, &s->re.timer, 0, on_timer, s);
		return;
	}
	move(s, REINVITE_SENT);
}

/* Nothing of the owner's is on its way that could not be replaced. */
static bool is_free(const struct sip_session *s)
{
	if (s->re.state == REINVITE_IDLE)
		return s->reoffer == REOFFER_NONE && !s->update;
	return s->re.state == REINVITE_WAIT || (s->re.refresh && !s->re.next);
}

int reinvite_begin(struct sip_session *s, enum sip_method method, struct str sdp)
{
	int err;

	if (s->state != SESSION_CONFIRMED)
		return EINVAL;
	if (!is_free(s))
		return EBUSY;
	err = session_keep(&s->re.sdp, sdp);
	if (err)
		return err;
	s->re.next = true;
	s->re.next_method = method;
	if (s->re.state == REINVITE_IDLE || s->re.state == REINVITE_WAIT)
		take_next(s);
	return 0;
}

int sip_session_reinvite(struct sip_session *s, struct str sdp)
{
	return reinvite_begin(s, SIP_INVITE, sdp);
}

void reinvite_refresh(struct sip_session *s)
{
	if (s->re.state != REINVITE_IDLE || s->reoffer != REOFFER_NONE)
		return;
	s->re.method = SIP_INVITE;
	s->re.refresh = true;
	s->re.tries = 0;
	move(s, REINVITE_QUEUED);
	session_pump(s);
}

/* --- the peer's --- */

void reinvite_refuse_late(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow)
{
	char seconds[12];
	struct sip_field retry = { "Retry-After", { NULL, 0 } };
	struct sip_fields fields = { &retry, 1 };

	snprintf(seconds, sizeof(seconds), "%u", loop_random_below(s->k->loop, 11));
	retry.value = str_of(seconds);
	stack_reply(s->k, m, flow, 500, &fields);
}

/* A new INVITE shows that our 2xx to the one before has arrived and only its ACK got lost or late; unless the
 * answer to our offer was in that ACK. */
static bool settle_former(struct sip_session *s)
{
	if (s->state != SESSION_ACCEPTED && s->reoffer != REOFFER_ANSWERED)
		return true;
	if (s->offerless)
		return false;
	sip_server_acked(&s->server);
	s->reoffer = REOFFER_NONE;
	if (s->state != SESSION_ACCEPTED)
		return true;
	session_move(s, SESSION_CONFIRMED);
	s->h->confirmed(s->arg, STR(""));
	if (s->refer)
		session_pump(s);
	return true;
}

/* What cannot be taken up now, RFC 3261 §14.2 and RFC 5407 §3. 0 = nothing is in its way. */
static int obstacle(struct sip_session *s)
{
	if (s->state == SESSION_LEAVING || s->state == SESSION_BYE || s->state == SESSION_ENDED)
		return 487;
	if (s->state == SESSION_INCOMING || s->reoffer == REOFFER_ASKED)
		return 500;
	if (s->re.state == REINVITE_SENT || s->re.state == REINVITE_QUEUED || !settle_former(s))
		return 491;
	if (s->state != SESSION_CONFIRMED) /* a callee before its 2xx, or the owner has just hung up */
		return s->state < SESSION_INCOMING ? 491 : 487;
	/* The owner may have begun a re-INVITE when he was told of the confirmation. */
	return s->re.state == REINVITE_SENT || s->re.state == REINVITE_QUEUED ? 491 : 0;
}

void reinvite_take(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow)
{
	int status;

	if (stack_refuses_invite(s->k, m, flow))
		return;
	status = obstacle(s);
	if (status == 500) {
		reinvite_refuse_late(s, m, flow);
	} else if (status || uas_open(s, m, flow)) {
		stack_reply(s->k, m, flow, status ? status : 500, NULL);
	} else {
		s->reoffer = REOFFER_ASKED;
		s->h->reoffer(s->arg, stack_sdp(m));
	}
}

void reinvite_acked(struct sip_session *s, struct str sdp)
{
	sip_server_acked(&s->server);
	s->reoffer = REOFFER_NONE;
	if (s->offerless)
		s->h->reanswered(s->arg, sdp);
}

void reinvite_cancelled(struct sip_session *s)
{
	if (s->reoffer != REOFFER_ASKED)
		return;
	uas_respond_final(s, 487, STR(""), NULL);
	s->reoffer = REOFFER_NONE;
}

void sip_session_reanswer(struct sip_session *s, struct str sdp)
{
	struct sip_msg m;

	if (s->update && s->update->server) {
		if (update_respond(s, 200, sdp) && s->update->server)
			update_respond(s, 500, STR(""));
		return;
	}
	if (s->reoffer != REOFFER_ASKED)
		return;
	sip_server_request(s->server, &m);
	if (!s->replacement)
		sip_dialog_refresh(&s->d, &m);
	if (uas_respond_ok(s, sdp)) {
		sip_session_rerefuse(s, 500);
		return;
	}
	s->reoffer = REOFFER_ANSWERED;
	if (s->replacement)
		replace_now(s);
}

void sip_session_rerefuse(struct sip_session *s, int status)
{
	assert(status >= 300 && status <= 699);
	if (s->update && s->update->server) {
		update_respond(s, status, STR(""));
		return;
	}
	if (s->reoffer != REOFFER_ASKED)
		return;
	uas_respond_final(s, status, STR(""), NULL);
	s->reoffer = REOFFER_NONE;
}

void reinvite_stop(struct sip_session *s)
{
	loop_timer_stop(s->k->loop, &s->re.timer);
	sip_client_detach(&s->re.client);
	session_forget(&s->re.sdp);
	s->re.state = REINVITE_IDLE;
	s->re.next = false;
	s->reoffer = REOFFER_NONE;
	replace_forget(s);
}

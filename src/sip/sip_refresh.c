#include "sip/sip_impl.h"
#include "sip/sip_timer.h"

enum { MAX_RAISES = 2, RETRY_PARTS = 10 };

static void on_due(void *arg);

/* --- the clock --- */

static void wait_s(struct sip_session *s, uint32_t seconds)
{
	struct session_timer *t = &s->timer;
	uint64_t now_ms = loop_now_ms(s->k->loop), wait_ms = (uint64_t)seconds * 1000;

	if (now_ms + wait_ms > t->deadline_ms)
		wait_ms = t->deadline_ms > now_ms ? t->deadline_ms - now_ms : 0;
	loop_timer_start_loose(s->k->loop, &t->timer, wait_ms, on_due, s);
}

/* From now on the session lasts so long; the next refresh is due after refresh_s. */
static void restart(struct sip_session *s, uint32_t refresh_s)
{
	struct session_timer *t = &s->timer;

	t->deadline_ms = loop_now_ms(s->k->loop) + (uint64_t)sip_timer_deadline_s(t->expires_s) * 1000;
	wait_s(s, t->ours ? refresh_s : t->expires_s);
}

static void strike(struct sip_session *s, const struct sip_timer_deal *deal)
{
	struct session_timer *t = &s->timer;

	t->expires_s = deal->expires_s;
	t->ours = deal->ours;
	t->mutual = deal->mutual;
	t->raises = 0;
	if (t->expires_s)
		restart(s, t->expires_s / 2);
	else
		loop_timer_stop(s->k->loop, &t->timer);
}

static void expire(struct sip_session *s)
{
	session_keep(&s->hangup_header, STR("SIP;cause=408;text=\"Session expired\""));
	if (s->timer.ours)
		session_blame(s, SIP_BY_TIMEOUT, "the session expired: our refresh got no answer");
	else
		session_blame(s, SIP_BY_TIMEOUT, "the session expired: the peer did not refresh it within %u s",
			      s->timer.expires_s);
	session_abandon(s);
}

/* --- our refresh --- */

static void begin(struct sip_session *s)
{
	struct session_timer *t = &s->timer;

	wait_s(s, t->expires_s / RETRY_PARTS);
	if (t->client || t->queued)
		return;
	if (t->sdp.p) {
		reinvite_refresh(s);
		return;
	}
	t->queued = true;
	session_pump(s);
}

static void on_due(void *arg)
{
	struct sip_session *s = arg;

	if (s->state != SESSION_CONFIRMED)
		return;
	if (loop_now_ms(s->k->loop) >= s->timer.deadline_ms)
		expire(s);
	else if (s->timer.ours)
		begin(s);
	else
		wait_s(s, s->timer.expires_s);
}

void refresh_refused(struct sip_session *s, int status)
{
	struct session_timer *t = &s->timer;

	if (status == 408 || status == 481) {
		session_blame(s, SIP_BY_TIMEOUT, "%d to our session refresh", status);
		session_abandon(s);
	} else if (t->expires_s) {
		/* Refused or not, the peer is there. One that keeps the time itself must be asked again soon. */
		restart(s, t->mutual ? t->expires_s / RETRY_PARTS : t->expires_s / 2);
	}
}

void refresh_failed(struct sip_session *s, enum sip_failure kind, const char *why)
{
	if (kind == SIP_FAILED_TRANSPORT)
		return; /* the timer runs, and tries once more */
	session_blame(s, SIP_BY_TIMEOUT, "session refresh: %s", why);
	session_abandon(s);
}

static void on_response(void *arg, const struct sip_msg *m)
{
	struct sip_session *s = arg;

	if (m->status < 200)
		return;
	s->timer.client = NULL;
	if (s->state != SESSION_CONFIRMED)
		return;
	if (m->status < 300) {
		sip_dialog_refresh(&s->d, m); /* without memory the old target stays */
		refresh_agree(s, m);
	} else if (!session_challenged(s, m) || refresh_raise(s, m)) {
		s->timer.queued = true;
		session_pump(s);
		return;
	} else {
		refresh_refused(s, m->status);
	}
	if (s->auth)
		sip_auth_settled(s->auth);
}

static void on_failed(void *arg, enum sip_failure kind, const char *why)
{
	struct sip_session *s = arg;

	s->timer.client = NULL;
	if (s->state == SESSION_CONFIRMED)
		refresh_failed(s, kind, why);
}

void refresh_send(struct sip_session *s)
{
	static const struct sip_client_handlers handlers = { on_response, on_failed };
	struct session_request r = { .method = SIP_UPDATE, .handlers = &handlers };

	s->timer.queued = false;
	session_begin_request(s, &r);
	stack_print_contact(s->k, &s->flow);
	stack_print_allow(s->k);
	refresh_print(s);
	/* What cannot be sent now is tried again when the timer fires. */
	session_finish_request(s, &s->timer.client, &r, STR(""));
}

/* --- what messages say --- */

static uint32_t asked_s(const struct session_timer *t)
{
	uint32_t s = t->expires_s ? t->expires_s : t->wish_s;

	return s && s < t->min_s ? t->min_s : s;
}

void refresh_print(struct sip_session *s)
{
	const struct session_timer *t = &s->timer;
	enum sip_refresher who = SIP_REFRESHER_NONE; /* recommended for a first request (§7.1) */

	if (t->expires_s)
		who = t->ours ? SIP_REFRESHER_UAC : SIP_REFRESHER_UAS;
	sip_timer_print_request(&s->k->out, asked_s(t), t->min_s, who);
}

void refresh_agree(struct sip_session *s, const struct sip_msg *response)
{
	const struct sip_timer_wish wish = { .expires_s = asked_s(&s->timer) };
	struct sip_timer_says says;
	struct sip_timer_deal deal;

	refresh_note(s, response);
	sip_timer_read(&says, response);
	sip_timer_agree(&deal, &says, &wish);
	strike(s, &deal);
}

void refresh_answer(struct sip_session *s, const struct sip_msg *request)
{
	const struct sip_timer_wish wish = { .expires_s = s->timer.wish_s,
					     .ours = s->timer.expires_s && s->timer.ours };
	struct sip_timer_says says;
	struct sip_timer_deal deal;

	refresh_note(s, request);
	sip_timer_read(&says, request);
	sip_timer_answer(&deal, &says, &wish);
	sip_timer_print_answer(&s->k->out, &deal);
	strike(s, &deal);
}

bool refresh_raise(struct sip_session *s, const struct sip_msg *m)
{
	struct session_timer *t = &s->timer;
	struct sip_timer_says says;

	if (m->status != 422)
		return false;
	sip_timer_read(&says, m);
	if (says.min_s <= asked_s(t) || says.min_s > SIP_MAX_SE_S || t->raises == MAX_RAISES)
		return false;
	t->raises++;
	t->min_s = says.min_s;
	return true;
}

void refresh_note(struct sip_session *s, const struct sip_msg *m)
{
	if (sip_msg_header(m, SIP_H_ALLOW, 0).p)
		s->timer.updates = sip_msg_has_token(m, SIP_H_ALLOW, "UPDATE");
}

void refresh_keep(struct sip_session *s, struct str sdp)
{
	if (!s->timer.expires_s || s->timer.updates)
		session_forget(&s->timer.sdp);
	else if (sdp.n)
		session_keep(&s->timer.sdp, sdp); /* without memory UPDATE is tried */
}

void refresh_start(struct sip_session *s, uint32_t wish_s)
{
	s->timer.wish_s = wish_s;
	s->timer.min_s = SIP_MIN_SE_S;
}

void refresh_stop(struct sip_session *s)
{
	loop_timer_stop(s->k->loop, &s->timer.timer);
	sip_client_detach(&s->timer.client);
	session_forget(&s->timer.sdp);
	s->timer.queued = false;
}

/* The registration of one trunk: REGISTER, refresh, back-off, and the way out. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "call/trunk_impl.h"
#include "sip/sip_build.h"

enum {
	BACKOFF_BASE_S = 30, /* RFC 5626 §4.5, and the most it may grow to */
	BACKOFF_MAX_S = 1800,
	BACKOFF_STEPS = 6, /* 30 * 2^6 is over the most */
	MAX_EXPIRES_S = 86400,
	MAX_RAISES = 2,
	LOST_MS = 2000, /* after a lost connection all trunks there would register in the same moment */
};

static void send_register(struct trunk_line *l)
{
	l->reg.state = REGISTER_TRYING;
	sip_request_send(l->reg.request, l->reg.expires_s);
}

static void try_now(void *arg)
{
	struct trunk_line *l = arg;

	l->reg.raised = 0;
	send_register(l);
}

/* At 80 to 90 % of its life, so that those which began together drift apart. */
static void wait_for_refresh(struct trunk_line *l, uint32_t granted_s)
{
	struct loop *loop = l->owner->opts.loop;
	uint64_t due_ms = (uint64_t)granted_s * (800 + loop_random_below(loop, 101));

	l->reg.state = REGISTER_BOUND;
	loop_timer_start(loop, &l->reg.timer, due_ms, try_now, l);
}

/* RFC 5626 §4.5: half to all of a bound that doubles. Who refuses our credentials will do so again: he is not asked
 * before the longest wait is over. */
static void back_off(struct trunk_line *l, bool hopeless, uint32_t at_least_s)
{
	struct loop *loop = l->owner->opts.loop;
	unsigned steps = hopeless || l->reg.failures > BACKOFF_STEPS ? BACKOFF_STEPS : l->reg.failures;
	uint32_t bound_s = BACKOFF_BASE_S << steps;
	uint64_t due_ms;

	if (bound_s > BACKOFF_MAX_S)
		bound_s = BACKOFF_MAX_S;
	due_ms = (uint64_t)bound_s * (500 + loop_random_below(loop, 501));
	if (at_least_s > BACKOFF_MAX_S)
		at_least_s = BACKOFF_MAX_S;
	if (due_ms < (uint64_t)at_least_s * 1000)
		due_ms = (uint64_t)at_least_s * 1000;
	l->reg.state = REGISTER_WAITING;
	loop_timer_start(loop, &l->reg.timer, due_ms, try_now, l);
}

static uint32_t seconds_of(const struct sip_msg *m, const char *name)
{
	struct str value = sip_msg_header_named(m, name);
	uint32_t seconds = 0;
	size_t n = 0;

	while (n < value.n && value.p[n] >= '0' && value.p[n] <= '9') /* "5 (busy)", "5;duration=3600" */
		n++;
	return n && !str_u32(str_head(value, n), &seconds) ? seconds : 0;
}

/* 423 (§10.2.8): true = a longer life is asked for, and that is under way. */
static bool ask_for_more(struct trunk_line *l, const struct sip_request_end *end)
{
	uint32_t least_s = end->status == 423 ? seconds_of(end->msg, "Min-Expires") : 0;

	if (least_s <= l->reg.expires_s || least_s > MAX_EXPIRES_S || l->reg.raised >= MAX_RAISES)
		return false;
	l->reg.raised++;
	l->reg.expires_s = least_s;
	send_register(l);
	return true;
}

static void succeed(struct trunk_line *l, uint32_t granted_s)
{
	struct trunk_register *r = &l->reg;

	r->good++;
	r->failures = 0;
	r->answered = r->bound = true;
	sip_request_remote(r->request, &r->registrar);
	wait_for_refresh(l, granted_s);
	trunk_judge(l);
}

static void fail(struct trunk_line *l, const struct sip_request_end *end, const char *why)
{
	struct trunk_register *r = &l->reg;
	bool hopeless = end->refused || end->status == 403 || end->status == 404;

	r->bad++;
	r->failures++;
	r->answered = true;
	r->bound = false;
	snprintf(r->why, sizeof(r->why), "not registered: %s", why);
	back_off(l, hopeless, end->msg ? seconds_of(end->msg, "Retry-After") : 0);
	trunk_judge(l);
}

static void on_done(void *arg, const struct sip_request_end *end)
{
	struct trunk_line *l = arg;
	uint32_t granted_s = 0;

	if (l->reg.state == REGISTER_LEAVING) {
		trunk_line_left(l);
		return;
	}
	if (end->status / 100 == 2)
		granted_s = sip_request_granted(l->reg.request, end->msg);
	if (granted_s)
		succeed(l, granted_s);
	else if (!ask_for_more(l, end))
		fail(l, end, end->status / 100 == 2 ? "the registrar does not keep our Contact" : end->why);
}

static void on_lost(void *arg, const char *why)
{
	struct trunk_line *l = arg;
	struct loop *loop = l->owner->opts.loop;

	if (l->reg.state != REGISTER_BOUND)
		return;
	log_printf(LOG_INFO, NULL, "trunk %s: registering anew, the connection is gone: %s", l->name, why);
	loop_timer_start(loop, &l->reg.timer, loop_random_below(loop, LOST_MS), try_now, l);
}

int trunk_register_start(struct trunk_line *l)
{
	static const struct sip_request_handlers handlers = { on_done, on_lost };
	struct buf place = { 0 }, user = { 0 }, aor = { 0 };
	struct sip_request_params p = {
		.method = SIP_REGISTER,
		.kind = l->owner->config.default_transport,
		.username = str_of(l->t->username),
		.password = str_of(l->t->password),
	};
	struct sip_uri uri;
	int err = EINVAL;

	trunk_place(&place, l->t);
	sip_build_user(&user, p.username);
	p.ruri = buf_view(&place);
	p.contact_user = buf_view(&user);
	if (!sip_uri_parse(&uri, p.ruri)) {
		bool v6 = str_chr(uri.host, ':') >= 0;

		buf_printf(&aor, "%.*s:%s@%s%.*s%s", STR_ARG(uri.scheme), user.data, v6 ? "[" : "", STR_ARG(uri.host),
			   v6 ? "]" : "");
		p.from_uri = p.to_uri = buf_view(&aor);
		err = sip_request_new(&l->reg.request, l->owner->opts.stack, &p, &handlers, l);
	}
	l->reg.expires_s = l->t->expires_s;
	if (!err)
		send_register(l);
	buf_free(&place);
	buf_free(&user);
	buf_free(&aor);
	return err;
}

void trunk_register_refuse(struct trunk_line *l, const char *why)
{
	l->reg.state = REGISTER_WAITING;
	l->reg.answered = true;
	snprintf(l->reg.why, sizeof(l->reg.why), "not registered: %s", why);
	trunk_judge(l);
}

void trunk_register_check(struct trunk_line *l)
{
	if (l->reg.state == REGISTER_BOUND && sip_request_is_outdated(l->reg.request))
		try_now(l);
}

bool trunk_register_leave(struct trunk_line *l)
{
	struct trunk_register *r = &l->reg;

	if (!r->request || (!r->bound && r->state != REGISTER_TRYING))
		return false;
	loop_timer_stop(l->owner->opts.loop, &r->timer);
	r->state = REGISTER_LEAVING;
	sip_request_send(r->request, 0);
	return true;
}

void trunk_register_stop(struct trunk_line *l)
{
	loop_timer_stop(l->owner->opts.loop, &l->reg.timer);
	sip_request_free(&l->reg.request);
}

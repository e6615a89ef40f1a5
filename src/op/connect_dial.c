/* connect_dial: makes and drops the legs of a connect. */
#include <stdio.h>

#include "base/loop.h"
#include "call/calls.h"
#include "op/connect_impl.h"

static const char *kind_name(enum target_kind kind)
{
	switch (kind) {
	case TARGET_NUMBER:
	case TARGET_SIP:
		return "";
	case TARGET_USER:
		return "registered subscribers";
	case TARGET_STREAM:
		return "WebSocket streams";
	case TARGET_QUEUE:
		return "queues";
	case TARGET_ROOM:
		return "rooms";
	case TARGET_SCRIPT:
	case TARGET_ADDRESS:
		return "addresses of this kind";
	}
	return "";
}

void connect_dial(struct attempt *a)
{
	struct connect *c = a->owner;
	const struct plan_target *t = plan_target(c->plan, a->slot);
	struct call_header headers[32];
	struct call_dial ask = {
		.parent = c->caller,
		.number = t->kind == TARGET_NUMBER,
		.address = t->address,
		.from = t->from,
		.from_name = t->from_name,
		.headers = headers,
		.codecs = t->codecs,
		.username = t->username,
		.password = t->password,
		.binding = t->binding,
		.session_timeout_s = t->session_timeout_s,
		.price_cap = t->price_cap,
	};
	struct call_dial_fault fault;
	struct call_info info;
	char why[80];

	if (t->kind != TARGET_NUMBER && t->kind != TARGET_SIP && t->kind != TARGET_ADDRESS) {
		snprintf(why, sizeof(why), "%s as destinations are not in this version", kind_name(t->kind));
		connect_fail_at_once(a, CAUSE_ERROR, why);
		return;
	}
	for (; ask.header_count < t->header_count && ask.header_count < ARRAY_LEN(headers); ask.header_count++) {
		headers[ask.header_count].name = t->headers[ask.header_count].name;
		headers[ask.header_count].value = t->headers[ask.header_count].value;
	}
	op_ask_encryption(&ask, t->encryption);
	if (t->hook)
		ask.hook = (struct call_hook){ t->hook->url, t->hook->events };
	if (call_dial(&a->call, c->calls, &ask, &connect_peer_controller, a, &fault)) {
		a->call = NULL;
		connect_fail_at_once(a, fault.cause, fault.why);
		return;
	}
	a->made = true;
	call_get_info(a->call, &info);
	str_copy(a->id, sizeof(a->id), str_of(info.id));
}

void connect_drop(struct attempt *a, enum cause cause)
{
	struct connect *c = a->owner;
	const struct plan_target *t = plan_target(c->plan, a->slot);
	const char *by = "connect", *why = "dropped";
	char text[80];

	a->failed_at_once = a->waiting = false;
	a->dropped = true;
	if (c->joined == a)
		connect_unpair(c);
	if (!a->call && c->joined == a) /* gone before, while a transfer ran, or not ours to end */
		connect_fail_at_once(a, cause, "the talk was ended");
	if (!a->call)
		return;
	connect_confirm_stop(a);
	if (cause == CAUSE_NO_ANSWER) {
		uint64_t ms = c->over == ENGINE_TIMER_TOTAL     ? c->plan->total_ms
			      : c->over == ENGINE_TIMER_CONFIRM ? t->confirm_ms
								: t->ring_ms;

		by = "timeout";
		snprintf(text, sizeof(text), "not %s within %.3g s",
			 call_is_answered(a->call) ? "confirmed" : "answered", (double)ms / 1000);
		why = text;
	} else if (!c->caller) {
		by = "caller";
		why = "the caller hung up";
	} else if (c->stop_asked) {
		why = "the connect was stopped";
	} else if (cause == CAUSE_HANGUP) {
		by = c->over == ENGINE_TIMER_TALK ? "timeout" : "caller";
		why = c->over == ENGINE_TIMER_TALK ? "max_duration is over"
						   : "the caller pressed the key that ends the peer";
	} else if (cause == CAUSE_CANCEL) {
		call_hangup_loser(a->call, by, "another destination was connected");
		return;
	} else {
		why = a->why; /* what its confirm said */
	}
	call_hangup(a->call, cause, by, why);
}

/* connect: carries the engine's actions out on calls, timers and the bridge, and turns what happens to them
 * into the engine's events. It decides nothing. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "call/bridge.h"
#include "call/call_media.h"
#include "call/calls.h"
#include "call/users.h"
#include "op/hold_music.h"
#include "op/op_impl.h"
#include "op/plan.h"
#include "op/ringback.h"

struct connect;

struct attempt { /* one target of the plan */
	struct connect *owner;
	uint16_t slot;
	struct call *call; /* NULL: not dialled, or gone */
	struct loop_timer ring, confirm;
	bool failed_at_once; /* its GONE is to be told from the loop */
	bool waiting;        /* answered while another one settles the codec with the caller */
	enum cause cause;
	uint16_t status;
	bool made; /* a leg existed */
	char id[37];
	char why[160];
};

struct connect {
	struct op op;
	struct plan *plan;
	struct connect_engine *engine;
	struct call *caller; /* NULL once it has gone */
	struct calls *calls;
	struct loop *loop;
	struct call_watch watch;
	struct call_keys keys; /* of the caller, once joined to somebody whom a key ends */
	struct loop_timer later, total, talk, settle;
	struct attempt *settling; /* waits for the caller to take its codec */
	struct sounds *sounds;
	struct ringback *ringback; /* what the caller hears of ours, NULL = nothing */
	struct hold_music *hold;   /* once joined */
	bool started, stop_asked;
	enum engine_timer over;           /* the last timer that fired */
	const struct attempt *joined;     /* NULL = not yet */
	uint64_t joined_ms;               /* when */
	const struct engine_action *done; /* set by the last action */
	size_t count;
	struct attempt attempts[];
};

static void step(struct connect *c, const struct engine_event *ev);

static uint32_t joined_for(const struct connect *c)
{
	return c->joined ? (uint32_t)(loop_now_ms(c->loop) - c->joined_ms) : 0;
}

/* --- events of legs, timers and the caller --- */

static void step_slot(struct attempt *a, enum engine_event_type type, enum cause cause)
{
	const struct engine_event ev = { .type = type, .slot = a->slot, .cause = cause };

	step(a->owner, &ev);
}

static void peer_ringing(void *arg, struct call *call)
{
	step_slot(arg, ENGINE_RINGING, CAUSE_NONE);
}

static void peer_early(void *arg, struct call *call)
{
	step_slot(arg, ENGINE_EARLY, CAUSE_NONE);
}

static void drop_unfit(struct attempt *a)
{
	call_hangup(a->call, CAUSE_ERROR, "server", "488: the caller cannot change to the codec that was answered");
}

/* The caller's SDP answer is out and says another codec than this peer's: he is re-offered before the engine hears
 * of the answer; when he refuses, the peer's leg fails. Who answers meanwhile waits for his turn. */
static void change_caller(struct attempt *a)
{
	struct connect *c = a->owner;

	a->waiting = c->settling;
	if (a->waiting)
		return;
	if (call_answer(c->caller, NULL) || bridge_reoffer(c->caller, a->call))
		drop_unfit(a);
	else
		c->settling = a;
}

/* The caller stays with his codec: perhaps somebody else fits him, or changes his mind. */
static void try_waiting(struct connect *c)
{
	for (size_t i = 0; i < c->count && !c->settling; i++) {
		if (c->attempts[i].waiting && c->attempts[i].call)
			change_caller(&c->attempts[i]);
	}
}

static void peer_answered(void *arg, struct call *call)
{
	struct attempt *a = arg;

	if (a->owner->caller && bridge_check(a->owner->caller, call) == BRIDGE_REOFFER)
		change_caller(a);
	else
		step_slot(a, ENGINE_ANSWERED, CAUSE_NONE);
}

static void peer_closed(void *arg, struct call *call)
{
	struct attempt *a = arg;
	struct call_info info;

	call_get_info(call, &info);
	a->call = NULL;
	a->cause = info.cause;
	a->status = info.end_status;
	str_copy(a->why, sizeof(a->why), str_of(info.end_why));
	a->waiting = false;
	if (a->owner->settling == a)
		a->owner->settling = NULL;
	step_slot(a, ENGINE_GONE, info.cause);
}

static const struct call_controller peer_controller = {
	.closed = peer_closed,
	.ringing = peer_ringing,
	.early = peer_early,
	.answered = peer_answered,
};

/* Whoever heard that it is connecting hears exactly one outcome; the caller must be there still. */
static void emit_outcome(struct connect *c, enum cause cause, const char *why)
{
	uint32_t ms = joined_for(c);
	char seconds[24];
	struct event_field fields[2];

	if (!c->joined) {
		fields[0] = (struct event_field){ "reason", str_of(cause_name(cause)) };
		fields[1] = (struct event_field){ "why", str_of(why) };
		call_emit_to(c->caller, c->plan->status_url, EVENT_FAILED, fields, 2);
		return;
	}
	snprintf(seconds, sizeof(seconds), "%u.%03u", ms / 1000, ms % 1000);
	fields[0] = (struct event_field){ "seconds", str_of(seconds) };
	fields[1] = (struct event_field){ "peer", str_of(c->joined->id) };
	call_emit_to(c->caller, c->plan->status_url, EVENT_DISCONNECTED, fields, 2);
}

static void caller_closed(void *arg, struct call *call)
{
	struct connect *c = arg;
	const struct engine_event ev = { .type = ENGINE_CALLER_GONE };

	/* Told while he still can be named: his own final event is next. */
	if (c->started)
		emit_outcome(c, CAUSE_CANCEL, "the caller hung up");
	call_unwatch_keys(&c->keys);
	c->caller = NULL;
	step(c, &ev);
}

static void caller_reoffered(void *arg, struct call *call, int status)
{
	struct connect *c = arg;
	struct attempt *a = c->settling;

	c->settling = NULL;
	if (!a)
		return;
	if (status / 100 == 2) {
		step_slot(a, ENGINE_ANSWERED, CAUSE_NONE);
		return;
	}
	drop_unfit(a);
	try_waiting(c);
}

static const struct call_watcher caller_watcher = { .closed = caller_closed, .reoffered = caller_reoffered };

static bool caller_pressed(void *arg, char key)
{
	struct connect *c = arg;
	const struct engine_event ev = { .type = ENGINE_KEY, .key = key };
	bool ours = key == c->plan->drop_key;

	step(c, &ev); /* c may be gone */
	return ours;
}

static void timer_event(struct connect *c, enum engine_timer timer, uint16_t slot)
{
	const struct engine_event ev = { .type = ENGINE_TIMER, .timer = timer, .slot = slot };

	c->over = timer;
	step(c, &ev);
}

static void ring_over(void *arg)
{
	struct attempt *a = arg;

	timer_event(a->owner, ENGINE_TIMER_RING, a->slot);
}

static void confirm_over(void *arg)
{
	struct attempt *a = arg;

	timer_event(a->owner, ENGINE_TIMER_CONFIRM, a->slot);
}

static void total_over(void *arg)
{
	timer_event(arg, ENGINE_TIMER_TOTAL, 0);
}

static void talk_over(void *arg)
{
	timer_event(arg, ENGINE_TIMER_TALK, 0);
}

static void settle_over(void *arg)
{
	timer_event(arg, ENGINE_TIMER_SETTLE, 0);
}

/* The start, a stop, and failures that happened at once: told from the loop, never by recursion. */
static void catch_up(void *arg)
{
	struct connect *c = arg;
	const struct engine_event start = { .type = ENGINE_START }, stopped = { .type = ENGINE_STOP };

	if (!c->started || c->stop_asked) {
		if (!c->started && c->caller)
			call_emit_to(c->caller, c->plan->status_url, EVENT_CONNECTING, NULL, 0);
		c->started = true;
		step(c, c->stop_asked ? &stopped : &start);
		return;
	}
	for (size_t i = 0; i < c->count; i++) {
		struct attempt *a = &c->attempts[i];

		if (!a->failed_at_once)
			continue;
		a->failed_at_once = false;
		/* One a turn: the step may end the connect. */
		loop_timer_start(c->loop, &c->later, 0, catch_up, c);
		step_slot(a, a->call ? ENGINE_REFUSED : ENGINE_GONE, a->cause);
		return;
	}
}

/* --- actions --- */

static void fail_at_once(struct attempt *a, enum cause cause, const char *why)
{
	a->failed_at_once = true;
	a->cause = cause;
	str_copy(a->why, sizeof(a->why), str_of(why));
	loop_timer_start(a->owner->loop, &a->owner->later, 0, catch_up, a->owner);
}

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

static void set_encryption(struct call_dial *ask, enum plan_encryption wish)
{
	ask->own_encryption = true;
	switch (wish) {
	case PLAN_ENCRYPTION_DEFAULT:
		ask->own_encryption = false;
		break;
	case PLAN_ENCRYPTION_FORBIDDEN:
		ask->encryption = MEDIA_FORBIDDEN;
		break;
	case PLAN_ENCRYPTION_OPTIONAL:
		ask->encryption = MEDIA_OPTIONAL;
		break;
	case PLAN_ENCRYPTION_MANDATORY:
		ask->encryption = MEDIA_MANDATORY;
		break;
	}
}

static void dial(struct attempt *a)
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

	if (t->kind == TARGET_ADDRESS && !users_address(c->calls, t->address)) {
		snprintf(why, sizeof(why), "no resource has the address %.50s", t->address);
		fail_at_once(a, CAUSE_NOT_FOUND, why);
		return;
	}
	if (t->kind != TARGET_NUMBER && t->kind != TARGET_SIP) {
		snprintf(why, sizeof(why), "%s as destinations are not in this version", kind_name(t->kind));
		fail_at_once(a, CAUSE_ERROR, why);
		return;
	}
	for (; ask.header_count < t->header_count && ask.header_count < ARRAY_LEN(headers); ask.header_count++) {
		headers[ask.header_count].name = t->headers[ask.header_count].name;
		headers[ask.header_count].value = t->headers[ask.header_count].value;
	}
	set_encryption(&ask, t->encryption);
	if (t->hook)
		ask.hook = (struct call_hook){ t->hook->url, t->hook->events };
	if (call_dial(&a->call, c->calls, &ask, &peer_controller, a, &fault)) {
		a->call = NULL;
		fail_at_once(a, fault.cause, fault.why);
		return;
	}
	a->made = true;
	call_get_info(a->call, &info);
	str_copy(a->id, sizeof(a->id), str_of(info.id));
}

/* The sentence for the dropped leg's record. */
static void drop(struct attempt *a, enum cause cause)
{
	struct connect *c = a->owner;
	const struct plan_target *t = plan_target(c->plan, a->slot);
	const char *by = "connect", *why = "dropped";
	char text[80];

	a->failed_at_once = false;
	if (!a->call)
		return;
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
		why = "its confirm did not agree";
	}
	call_hangup(a->call, cause, by, why);
}

/* What the caller is best answered with. */
static void prefer_codecs(struct connect *c, struct codec_list *prefer)
{
	const struct plan_target *first = plan_target(c->plan, 0);

	prefer->count = 0;
	for (size_t i = 0; i < c->count; i++)
		if (c->attempts[i].call && call_is_answered(c->attempts[i].call)) {
			bridge_codec(c->attempts[i].call, prefer);
			bridge_permit_video(c->caller, c->attempts[i].call);
		}
	if (!prefer->count && first->codecs && first->kind == TARGET_SIP)
		codec_list_parse(prefer, str_of(first->codecs), NULL, NULL);
}

static void answer_caller(struct connect *c)
{
	struct codec_list prefer;

	if (!c->caller)
		return;
	prefer_codecs(c, &prefer);
	/* A caller who cannot be answered is gone, and says so himself. */
	call_answer(c->caller, prefer.count ? &prefer : NULL);
}

/* The list is heard in a 183 before he is answered; when that cannot be, his telephone rings by itself. */
static void play_list(struct connect *c)
{
	struct codec_list prefer;

	if (!c->caller)
		return;
	prefer_codecs(c, &prefer);
	if (!call_can_hear(c->caller) && call_early(c->caller, prefer.count ? &prefer : NULL))
		return;
	ringback_start(&c->ringback, c->caller, c->sounds, c->plan->ringback, c->plan->ringback_count);
}

/* A caller with media hears a tone of ours, others that of their telephone. */
static void ring_caller(struct connect *c)
{
	static const char *const tone[] = { "ring:us" };

	if (!c->caller)
		return;
	if (!call_can_hear(c->caller)) {
		call_ring(c->caller);
		return;
	}
	if (c->ringback)
		return; /* he hears the list, or the tone already */
	bridge_part(c->caller);
	ringback_start(&c->ringback, c->caller, c->sounds, tone, ARRAY_LEN(tone));
}

static void pass_early(struct attempt *a)
{
	struct connect *c = a->owner;

	ringback_stop(&c->ringback);
	if (c->caller && a->call && bridge_early(a->call, c->caller))
		ring_caller(c);
}

static void join(struct attempt *a)
{
	struct connect *c = a->owner;
	struct event_field fields[4];
	struct call_info info;

	c->joined = a;
	c->joined_ms = loop_now_ms(c->loop);
	ringback_stop(&c->ringback);
	if (!c->caller || !a->call)
		return;
	bridge_join(c->caller, a->call);
	hold_music_start(&c->hold, c->caller, a->call, c->sounds);
	if (c->plan->drop_key) {
		c->keys.pressed = caller_pressed;
		c->keys.arg = c;
		call_watch_keys(c->caller, &c->keys);
	}
	call_get_info(a->call, &info);
	fields[0] = (struct event_field){ "peer", str_of(info.id) };
	fields[1] = (struct event_field){ "type", str_of(info.type) };
	fields[2] = (struct event_field){ "from", str_of(info.from) };
	fields[3] = (struct event_field){ "to", str_of(info.to) };
	call_emit_to(c->caller, c->plan->status_url, EVENT_CONNECTED, fields, ARRAY_LEN(fields));
}

struct timer_ref {
	struct loop_timer *timer;
	void (*fn)(void *arg);
	void *arg;
};

static struct timer_ref timer_of(struct connect *c, enum engine_timer timer, uint16_t slot)
{
	struct attempt *a = &c->attempts[slot];

	switch (timer) {
	case ENGINE_TIMER_RING:
		return (struct timer_ref){ &a->ring, ring_over, a };
	case ENGINE_TIMER_CONFIRM:
		return (struct timer_ref){ &a->confirm, confirm_over, a };
	case ENGINE_TIMER_TOTAL:
		return (struct timer_ref){ &c->total, total_over, c };
	case ENGINE_TIMER_TALK:
		return (struct timer_ref){ &c->talk, talk_over, c };
	case ENGINE_TIMER_SETTLE:
		break;
	}
	return (struct timer_ref){ &c->settle, settle_over, c };
}

static void act(struct connect *c, const struct engine_action *action)
{
	struct attempt *a = &c->attempts[action->slot];
	struct timer_ref t;

	switch (action->type) {
	case ENGINE_DIAL:
		dial(a);
		break;
	case ENGINE_DROP:
		drop(a, action->cause);
		break;
	case ENGINE_CONFIRM:
		/* A peer is never joined unconfirmed: without scripts on peers it is refused. */
		fail_at_once(a, CAUSE_ERROR, "confirm is not in this version");
		break;
	case ENGINE_JOIN:
		join(a);
		break;
	case ENGINE_ANSWER_CALLER:
		answer_caller(c);
		break;
	case ENGINE_RING_CALLER:
		ring_caller(c);
		break;
	case ENGINE_PASS_EARLY:
		pass_early(a);
		break;
	case ENGINE_RINGBACK_ON:
		play_list(c);
		break;
	case ENGINE_RINGBACK_OFF:
		ringback_stop(&c->ringback);
		break;
	case ENGINE_SET_TIMER:
		t = timer_of(c, action->timer, action->slot);
		loop_timer_start(c->loop, t.timer, action->ms, t.fn, t.arg);
		break;
	case ENGINE_CLEAR_TIMER:
		loop_timer_stop(c->loop, timer_of(c, action->timer, action->slot).timer);
		break;
	case ENGINE_DONE:
		c->done = action;
		break;
	}
}

/* --- the end --- */

static enum op_outcome outcome_of(const struct connect *c)
{
	switch (c->done->outcome) {
	case ENGINE_COMPLETED:
		return c->caller ? OP_DONE : OP_GONE;
	case ENGINE_FAILED:
		return OP_FAILED;
	case ENGINE_ABANDONED:
		return OP_GONE;
	case ENGINE_STOPPED:
		break;
	}
	return OP_STOPPED;
}

static void release(struct connect *c)
{
	call_unwatch(&c->watch);
	call_unwatch_keys(&c->keys);
	ringback_stop(&c->ringback);
	hold_music_stop(&c->hold);
	loop_timer_stop(c->loop, &c->later);
	for (size_t i = 0; i < c->count; i++)
		if (c->attempts[i].call) /* dropped already; it ends by itself */
			call_control(c->attempts[i].call, NULL, NULL);
	connect_engine_free(&c->engine);
	plan_free(&c->plan);
	free(c);
}

static void conclude(struct connect *c)
{
	const struct attempt *a = &c->attempts[c->done->slot];
	const struct op_result r = {
		.outcome = outcome_of(c),
		.cause = c->done->cause,
		.why = a->why[0] ? a->why : "the connect was ended",
		.peer_id = a->made ? a->id : NULL,
		.joined_ms = joined_for(c),
		.sip_status = a->status,
	};

	if (c->caller)
		emit_outcome(c, r.cause, r.why);
	op_finish(&c->op, &r);
	release(c);
}

static void step(struct connect *c, const struct engine_event *ev)
{
	const struct engine_action *actions;
	size_t n = connect_engine_step(c->engine, ev, &actions);

	for (size_t i = 0; i < n; i++)
		act(c, &actions[i]);
	if (c->done)
		conclude(c);
}

/* --- the beginning --- */

static void stop(struct op *o)
{
	struct connect *c = (struct connect *)(void *)o;

	c->stop_asked = true;
	loop_timer_start(c->loop, &c->later, 0, catch_up, c);
}

static const struct op_ops ops = { .stop = stop };

int connect_start(struct op **out, const struct op_start *start, struct plan *plan)
{
	struct call *caller = start->call;
	struct connect *c = NULL;
	struct call_info info;
	size_t count = 0;
	int err = plan_fault(plan) ? EINVAL : connect_expand(plan, call_owner(caller));

	call_get_info(caller, &info);
	if (!err && info.state == CALL_ENDED)
		err = ENOTCONN;
	if (!err) {
		count = plan_target_count(plan);
		c = calloc(1, sizeof(*c) + count * sizeof(c->attempts[0]));
		err = c ? connect_engine_new(&c->engine, plan, true, call_is_answered(caller)) : ENOMEM;
	}
	if (err) {
		free(c);
		plan_free(&plan);
		return err;
	}
	c->op = (struct op){ .ops = &ops, .done = start->done, .arg = start->arg };
	c->plan = plan;
	c->sounds = start->sounds;
	c->caller = caller;
	c->calls = call_owner(caller);
	c->loop = call_loop(caller);
	c->count = count;
	for (size_t i = 0; i < count; i++) {
		c->attempts[i].owner = c;
		c->attempts[i].slot = (uint16_t)i;
	}
	call_watch(caller, &c->watch, &caller_watcher, c);
	loop_timer_start(c->loop, &c->later, 0, catch_up, c);
	*out = &c->op;
	return 0;
}

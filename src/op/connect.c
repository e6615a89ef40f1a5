/* connect: carries the engine's actions out on calls, timers and the bridge, and turns what happens to them
 * into the engine's events. It decides nothing. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/loop.h"
#include "call/bridge.h"
#include "call/call_media.h"
#include "call/calls.h"
#include "op/hold_music.h"
#include "op/connect_impl.h"
#include "op/ringback.h"

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
 * that it may be joined; when he refuses, the peer's leg fails. Who comes to that meanwhile waits for his turn. */
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

static bool has_confirm(const struct attempt *a)
{
	return plan_target(a->owner->plan, a->slot)->confirm;
}

static void tell_agreed(struct attempt *a)
{
	step_slot(a, has_confirm(a) ? ENGINE_CONFIRMED : ENGINE_ANSWERED, CAUSE_NONE);
}

void connect_agree(struct attempt *a)
{
	if (a->owner->caller && bridge_check(a->owner->caller, a->call) == BRIDGE_REOFFER)
		change_caller(a);
	else
		tell_agreed(a);
}

void connect_refuse(struct attempt *a, enum cause cause)
{
	step_slot(a, ENGINE_REFUSED, cause);
}

/* The caller is not answered, nor asked for another codec, for somebody who may say no still. */
static void peer_answered(void *arg, struct call *call)
{
	struct attempt *a = arg;

	if (has_confirm(a))
		step_slot(a, ENGINE_ANSWERED, CAUSE_NONE);
	else
		connect_agree(a);
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
	if (connect_peer_leaves(a))
		return;
	step_slot(a, ENGINE_GONE, info.cause);
}

const struct call_controller connect_peer_controller = {
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
	connect_caller_leaves(c);
	c->caller = NULL;
	step(c, &ev);
}

/* The re-offer came to nothing: perhaps somebody else fits the caller, or changes his mind. */
static void try_waiting(struct connect *c)
{
	for (size_t i = 0; i < c->count; i++) {
		struct attempt *a = &c->attempts[i];

		if (!a->waiting)
			continue;
		a->waiting = false;
		connect_agree(a); /* c may be gone */
		return;
	}
}

static void caller_reoffered(void *arg, struct call *call, int status)
{
	struct connect *c = arg;
	struct attempt *a = c->settling;

	c->settling = NULL;
	if (a && status / 100 == 2) {
		tell_agreed(a);
		return;
	}
	if (a)
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

void connect_fail_at_once(struct attempt *a, enum cause cause, const char *why)
{
	a->failed_at_once = true;
	a->cause = cause;
	str_copy(a->why, sizeof(a->why), str_of(why));
	loop_timer_start(a->owner->loop, &a->owner->later, 0, catch_up, a->owner);
}

/* What the caller is best answered with. */
static void prefer_codecs(struct connect *c, struct codec_list *prefer)
{
	const struct plan_target *first = plan_target(c->plan, 0);

	prefer->count = 0;
	for (size_t i = 0; i < c->count; i++)
		if (c->attempts[i].call && !c->attempts[i].dropped && call_is_answered(c->attempts[i].call)) {
			bridge_codec(c->attempts[i].call, prefer);
			bridge_permit_video(c->caller, c->attempts[i].call);
			bridge_wish_opus(c->caller, c->attempts[i].call);
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
	connect_pair(c);
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
		connect_dial(a);
		break;
	case ENGINE_DROP:
		connect_drop(a, action->cause);
		break;
	case ENGINE_CONFIRM:
		connect_confirm(a);
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
	connect_unpair(c);
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
	c->runner = start->runner;
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

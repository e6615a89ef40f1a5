#include "op/handover.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/loop.h"
#include "call/bridge.h"
#include "call/calls.h"
#include "op/ringback.h"
#include "op/handover_engine.h"
#include "op/op_impl.h"

struct phone { /* one that is dialled */
	struct handover *owner;
	uint16_t target;
	struct call *call;   /* NULL: not dialled, or gone */
	bool failed_at_once; /* its GONE is to be told from the loop */
	uint16_t status;
	enum cause cause;
};

struct handover {
	struct pairing *host;
	struct calls *calls;
	struct loop *loop;
	struct arena *arena;    /* texts */
	struct call *by, *kept; /* NULL = gone */
	struct call_watch by_watch, kept_watch;
	struct sip_notifier *told; /* NULL once the end is told */
	struct ringback *comfort;
	struct loop_timer later, patience;
	struct pairing_terms terms;
	struct transfer_target where;
	const char *to, *replaces, *referred_by;
	struct handover_engine engine;
	uint16_t status; /* the newest that was told */
	char why[200];
	struct phone phones[HANDOVER_TARGETS];
};

static void step(struct handover *t, const struct handover_event *ev);

static void step_phone(struct phone *p, enum handover_event_type type)
{
	const struct handover_event ev = { type, p->target, p->status, p->cause };

	step(p->owner, &ev);
}

/* --- whom it is all about --- */

static void by_closed(void *arg, struct call *c)
{
	struct handover *t = arg;

	call_unwatch(&t->by_watch);
	t->by = NULL;
	step(t, &(struct handover_event){ .type = HANDOVER_LEFT });
}

static void kept_closed(void *arg, struct call *c)
{
	struct handover *t = arg;

	str_copy(t->why, sizeof(t->why), STR("the party that was to be transferred hung up"));
	step(t, &(struct handover_event){ .type = HANDOVER_LOST });
}

static const struct call_watcher by_watcher = { .closed = by_closed };
static const struct call_watcher kept_watcher = { .closed = kept_closed };

/* --- who is dialled --- */

static void tell_later(void *arg)
{
	struct handover *t = arg;

	for (size_t i = 0; i < t->engine.count; i++) {
		struct phone *p = &t->phones[i];

		if (!p->failed_at_once)
			continue;
		p->failed_at_once = false;
		/* One a turn: the step may end it all. */
		loop_timer_start(t->loop, &t->later, 0, tell_later, t);
		step_phone(p, HANDOVER_GONE);
		return;
	}
}

static void phone_ringing(void *arg, struct call *c)
{
	step_phone(arg, HANDOVER_RINGING);
}

static void phone_answered(void *arg, struct call *c)
{
	struct phone *p = arg;

	if (p->owner->kept && bridge_can_join(p->owner->kept, c)) {
		step_phone(p, HANDOVER_ANSWERED);
		return;
	}
	call_hangup(c, CAUSE_ERROR, "server", "488: the party that was to be transferred has another codec");
}

static void phone_closed(void *arg, struct call *c)
{
	struct phone *p = arg;
	struct call_info info;

	call_get_info(c, &info);
	p->call = NULL;
	p->cause = info.cause;
	p->status = info.end_status;
	if (p->status < 400) /* a 3xx is nothing to tell, and who answered to hang up at once has declined */
		p->status = info.cause == CAUSE_HANGUP ? 603 : cause_to_status(info.cause);
	str_copy(p->owner->why, sizeof(p->owner->why), str_of(info.end_why));
	step_phone(p, HANDOVER_GONE);
}

static const struct call_controller phone_controller = {
	.closed = phone_closed,
	.ringing = phone_ringing,
	.early = phone_ringing,
	.answered = phone_answered,
};

static void dial(struct phone *p)
{
	struct handover *t = p->owner;
	struct call_header headers[3];
	struct call_dial ask = {
		.parent = t->kept,
		.number = t->where.number,
		.address = t->where.address,
		.from = t->terms.from[0] ? t->terms.from : NULL,
		.headers = headers,
		.binding = t->where.phone_count ? t->where.phones[p->target] : 0,
		.price_cap = t->terms.price_cap,
	};
	struct call_dial_fault fault;

	headers[ask.header_count++] = (struct call_header){ "Referred-By", t->referred_by };
	if (t->replaces) {
		headers[ask.header_count++] = (struct call_header){ "Replaces", t->replaces };
		headers[ask.header_count++] = (struct call_header){ "Require", "replaces" };
	}
	op_ask_encryption(&ask, t->terms.encryption);
	if (!call_dial(&p->call, t->calls, &ask, &phone_controller, p, &fault)) {
		if (t->by)
			call_set_transferred_by(p->call, t->by);
		return;
	}
	p->call = NULL;
	p->failed_at_once = true;
	p->cause = fault.cause;
	p->status = fault.cause == CAUSE_NOT_FOUND ? 404 : 480;
	str_copy(t->why, sizeof(t->why), str_of(fault.why));
	loop_timer_start(t->loop, &t->later, 0, tell_later, t);
}

static void drop(struct phone *p)
{
	p->failed_at_once = false;
	if (!p->call)
		return;
	call_control(p->call, NULL, NULL);
	call_hangup(p->call, CAUSE_CANCEL, "transfer", "another phone has answered, or the transfer was given up");
	p->call = NULL;
}

/* --- actions --- */

/* The kept party hears that somebody is called, once there is nobody to talk to. */
static void comfort(struct handover *t)
{
	static const char *const tone[] = { "ring:us" };

	if (!t->kept || t->comfort)
		return;
	bridge_part(t->kept);
	ringback_start(&t->comfort, t->kept, t->terms.sounds, tone, ARRAY_LEN(tone));
}

static void free_handover(struct handover *t)
{
	if (t->by)
		call_unwatch(&t->by_watch);
	if (t->kept)
		call_unwatch(&t->kept_watch);
	ringback_stop(&t->comfort);
	loop_timer_stop(t->loop, &t->later);
	loop_timer_stop(t->loop, &t->patience);
	arena_free(&t->arena);
	free(t);
}

static void report(struct handover *t, const struct call *target)
{
	const struct pairing_news news = {
		.state = target ? "success" : "failed",
		.to = str_of(t->to),
		.by = t->by,
		.target = target,
		.status = t->status,
		.why = target ? "somebody has answered" : t->why,
	};

	if (t->kept)
		pairing_tell(t->kept, &news);
}

static void join(struct handover *t, struct phone *p)
{
	const struct pairing_swap swap = { .by = t->by, .kept = t->kept, .target = p->call };
	struct pairing *host = t->host;

	call_control(p->call, NULL, NULL);
	report(t, p->call);
	host->handover = NULL;
	free_handover(t);
	pairing_swap(host, &swap);
}

static void fail(struct handover *t, bool alone)
{
	struct pairing *host = t->host;

	report(t, NULL);
	host->handover = NULL;
	free_handover(t);
	host->ops->failed(host, alone);
}

/* False: t is gone. */
static bool act(struct handover *t, const struct handover_action *a)
{
	switch (a->type) {
	case HANDOVER_DIAL:
		dial(&t->phones[a->target]);
		break;
	case HANDOVER_DROP:
		drop(&t->phones[a->target]);
		break;
	case HANDOVER_TELL:
		t->status = a->status;
		call_tell_transfer(t->calls, &t->told, a->status);
		break;
	case HANDOVER_COMFORT:
		comfort(t);
		break;
	case HANDOVER_JOIN:
		join(t, &t->phones[a->target]);
		return false;
	case HANDOVER_FAIL:
		fail(t, a->alone);
		return false;
	}
	return true;
}

static void step(struct handover *t, const struct handover_event *ev)
{
	const struct handover_action *actions;
	size_t n = handover_engine_step(&t->engine, ev, &actions);

	for (size_t i = 0; i < n; i++)
		if (!act(t, &actions[i]))
			return;
}

/* --- the beginning --- */

static void begin(void *arg)
{
	step(arg, &(struct handover_event){ .type = HANDOVER_START });
}

static void lost_patience(void *arg)
{
	struct handover *t = arg;

	snprintf(t->why, sizeof(t->why), "not answered within %.3g s", (double)t->terms.ring_ms / 1000);
	step(t, &(struct handover_event){ .type = HANDOVER_TIMEOUT });
}

/* One line: a header may be folded. NULL on no memory. */
static const char *flat(struct arena *a, struct str s)
{
	char *text = str_dup(a, s);

	for (char *p = text; p && *p; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
	return text;
}

/* Who asked, in case its REFER does not say (RFC 3892). NULL on no memory. */
static const char *name_referrer(struct arena *a, const struct call *by)
{
	struct buf text = { 0 };
	struct call_info info;
	const char *party, *out;

	call_get_info(by, &info);
	party = info.inbound ? info.from : info.to;
	if (str_istarts(str_of(party), "sip"))
		buf_cstr(&text, "<");
	else
		buf_cstr(&text, "<tel:");
	buf_cstr(&text, party);
	buf_cstr(&text, ">");
	out = text.failed ? NULL : flat(a, buf_view(&text));
	buf_free(&text);
	return out;
}

/* 0, or the status to refuse with. */
static int understand(struct handover *t, const struct transfer_wish *w)
{
	int status = transfer_target_read(&t->where, t->calls, t->arena, w->to);

	if (status)
		return status;
	if (w->replaces.p && (!w->replaces.n || t->where.number))
		return 603; /* nothing that could be replaced */
	t->to = str_dup(t->arena, w->to);
	t->replaces = w->replaces.p ? flat(t->arena, w->replaces) : NULL;
	t->referred_by = w->referred_by.n ? flat(t->arena, w->referred_by) : name_referrer(t->arena, t->by);
	return t->to && t->referred_by && (t->replaces || !w->replaces.p) ? 0 : 500;
}

static void start(struct handover *t)
{
	struct pairing_news news = { .state = "started", .to = str_of(t->to), .by = t->by, .why = "" };
	size_t count = t->where.phone_count ? t->where.phone_count : 1;

	handover_engine_init(&t->engine, count);
	for (size_t i = 0; i < count; i++) {
		t->phones[i].owner = t;
		t->phones[i].target = (uint16_t)i;
	}
	call_watch(t->by, &t->by_watch, &by_watcher, t);
	call_watch(t->kept, &t->kept_watch, &kept_watcher, t);
	loop_timer_start(t->loop, &t->later, 0, begin, t);
	loop_timer_start(t->loop, &t->patience, t->terms.ring_ms, lost_patience, t);
	pairing_tell(t->kept, &news);
}

int handover_start(struct pairing *p, struct call *by, struct call *kept, const struct transfer_wish *w)
{
	struct handover *t = calloc(1, sizeof(*t));
	int status = 500;

	if (!t)
		return status;
	t->host = p;
	t->by = by;
	t->kept = kept;
	t->calls = call_owner(kept);
	t->loop = call_loop(kept);
	p->ops->get_terms(p, &t->terms);
	if (!arena_new(&t->arena, 512, 0))
		status = understand(t, w);
	if (!status && call_take_transfer(by, &t->told))
		status = 500;
	if (status) {
		arena_free(&t->arena);
		free(t);
		return status;
	}
	p->handover = t;
	p->transfers++;
	start(t);
	return 0;
}

void handover_move(struct pairing *from, struct pairing *to)
{
	to->handover = from->handover;
	from->handover = NULL;
	to->handover->host = to;
}

static void let_go(struct pairing *p, bool alone)
{
}

void handover_stop(struct pairing *p)
{
	static const struct pairing_ops nobody = { .failed = let_go };
	struct pairing rest = { .ops = &nobody };

	if (!p->handover)
		return;
	str_copy(p->handover->why, sizeof(p->handover->why), STR("the parties are not joined any more"));
	handover_move(p, &rest);
	step(rest.handover, &(struct handover_event){ .type = HANDOVER_LOST });
}

const struct call *handover_by(const struct handover *t)
{
	return t->by;
}

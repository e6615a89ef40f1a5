/* call_impl: the inside of a call, shared by call.c, dial.c, bridge.c and sip_endpoint.c only. Thread: signal. */
#ifndef CALL_IMPL_H
#define CALL_IMPL_H

#include "base/arena.h"
#include "base/loop.h"
#include "call/calls.h"
#include "call/leg.h"
#include "call/leg_sip.h"

struct handle_table;
struct map;

struct calls {
	struct calls_opts opts;
	struct leg_sip_env sip;
	struct handle_table *handles;
	struct map *ids;
	struct list list; /* of struct call */
	size_t count;
	bool draining;
	struct loop_timer drained;
};

struct call {
	struct list node; /* in calls.list */
	struct calls *owner;
	struct arena *arena; /* all strings of info */
	struct call_info info;
	char id[37], segment[37];
	uint64_t handle;
	struct leg *leg;
	const struct call_controller *controller;
	void *controller_arg;
	struct list watches;      /* of struct call_watch */
	struct loop_timer ending; /* runs once a hang-up was asked for */
	uint32_t sequence;
	uint64_t created_ms, answered_ms;
};

/* Make a call without a leg. info's strings are copied into the call's arena. 0 or ENOMEM. */
int call_new(struct call **out, struct calls *cs, const struct call_info *info);
/* Give it its leg: the call is CREATED and says so. */
void call_begin(struct call *c, struct leg *leg);
/* Free a call that never began. */
void call_discard(struct call *c);

/* Inbound, unanswered: 183 with media. 0 or leg_early()'s error. */
int call_early(struct call *c, const struct codec_list *prefer);

/* The SIP handlers that calls_new() gives to the stack. */
extern const struct sip_stack_handlers sip_endpoint_handlers;

#endif

/* call_impl: the inside of a call, shared by call.c, dial.c, bridge.c and sip_endpoint.c only. Thread: signal. */
#ifndef CALL_IMPL_H
#define CALL_IMPL_H

#include "base/arena.h"
#include "base/loop.h"
#include "call/call_media.h"
#include "call/call_transfer.h"
#include "call/calls.h"
#include "call/leg.h"
#include "call/leg_local.h"
#include "call/leg_sip.h"

struct handle_table;
struct map;
struct trunks;

struct calls {
	struct calls_opts opts;
	struct leg_sip_env sip;
	struct trunks *trunks;
	struct handle_table *handles;
	struct map *ids;
	struct list list;     /* of struct call */
	size_t count, silent; /* all, and those that nobody is told of */
	struct limits_bucket bucket;
	size_t counted; /* calls that limits.max_calls is about */
	uint64_t born;  /* number of the newest */
	struct calls_counts counts;
	bool draining;
	bool told_no_rates; /* a price cap met a trunk without rates, and that was logged */
	struct loop_timer drained;
};

struct call_origin {   /* of legs without a wire (dial_address.c) */
	bool silent;   /* the other half of one that is told of: it is not counted, listed, or told of */
	uint8_t depth; /* documents that connected to addresses, to get here */
	size_t legs;   /* of a call that was not dialled by another one: those that live because of it */
	uint64_t root; /* handle of that call, 0 = the call itself */
	uint64_t told; /* handle of the half that is told of, of a silent one */
	struct loop_timer ring;
};

struct call {
	struct list node; /* in calls.list */
	struct calls *owner;
	struct arena *arena; /* all strings of info */
	struct call_info info;
	char id[37], segment[37];
	uint64_t handle;
	uint64_t number; /* in order of birth */
	bool counted;    /* came in, or was placed by the API */
	struct call_origin origin;
	struct loop_timer lifetime, alone; /* alone: bridge_opus.c */
	struct leg *leg;
	const struct call_controller *controller;
	void *controller_arg;
	struct list watches;                  /* of struct call_watch */
	struct list playing, listening, keys; /* call_media.h */
	struct list holds, background;        /* of struct call_hold; of op/ */
	struct leg_end *end;                  /* the leg's, in the arena: it has ended and the call is held */
	uint32_t media_ids;                   /* the newest id given to any of the first two */
	struct loop_timer ending;             /* runs once a hang-up was asked for */
	uint32_t sequence;
	uint64_t answered_ms;
	struct call_pairing *pairing; /* call_transfer.h */
	uint64_t joined;              /* handle of the call that it hears and is heard by, 0 = none (bridge.c) */
	struct event_leg sum;         /* for the terminal event */
};

/* Make a call without a leg. info's strings are copied into the call's arena. 0 or ENOMEM. */
int call_new(struct call **out, struct calls *cs, const struct call_info *info);
/* May a call that counts begin? NULL = yes; else one clause why not. */
const char *calls_refuse(struct calls *cs);
/* It counts from now on, and lives for limits.call_seconds at most. */
void call_start_counting(struct call *c);
/* Give it its leg: the call is CREATED and says so. */
void call_begin(struct call *c, struct leg *leg);
/* Its party asks for a transfer (call_transfer.c). */
void call_asked(void *arg, const struct transfer_wish *w);
/* The audio end of a call that this subscriber has already, but for c; NULL = none. Who has two may wish to join their far
 * ends, and then neither has to move to the other's media worker. */
const struct port *call_port_of(const struct calls *cs, struct str subscriber, const struct call *c);

/* --- call_count.c --- */

void call_count_begin(struct call *c);
void call_count_end(struct call *c, const struct leg_end *end);

/* --- dial.c, dial_address.c --- */

/* May this be dialled? 0, or errno with fault. */
int dial_admit(struct calls *cs, const struct call_dial *ask, struct call_dial_fault *fault);
/* The address of a resource (ask->address begins with '/'). As call_dial(). */
int dial_address(struct call **out, struct calls *cs, const struct call_dial *ask, struct call_dial_fault *fault);
/* A call goes: what dial_address() noted of it goes with it. */
void dial_address_forget(struct call *c);
/* Free a call that never began. */
void call_discard(struct call *c);

/* The SIP handlers that calls_new() gives to the stack. */
extern const struct sip_stack_handlers sip_endpoint_handlers;

#endif

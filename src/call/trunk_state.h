/* trunk_state: which trunks of a server work: registrations at carriers, OPTIONS probes, and what follows from both.
 *
 * Owned by struct calls. Each trunk of the configuration that registers or is probed has a line here; the others are up.
 * A trunk is down after a REGISTER that failed, until one succeeds, and after two probes in a row that failed, until one
 * is answered. Knows no calls: dialling asks it which trunks to pass over.
 * Thread: signal. Source: PRODUCT §3, §6 (readyz); RFC 3261 §10, RFC 5626 §4.5. */
#ifndef TRUNK_STATE_H
#define TRUNK_STATE_H

#include "call/route.h"
#include "net/wire.h"

struct events;
struct loop;
struct sip_stack;
struct trunks;

enum trunk_health {
	TRUNK_STARTING, /* registers, and no REGISTER has had its answer yet: calls may try it */
	TRUNK_UP,
	TRUNK_DOWN,
};

struct trunks_opts { /* borrowed, must outlive the trunks */
	struct loop *loop;
	struct sip_stack *stack;
	struct events *events;
};

struct trunks_config { /* borrowed until the next trunks_configure() */
	const struct route_table *routes;
	enum wire_kind default_transport;
	const char *host; /* of From in OPTIONS; NULL = the first listener's address */
};

/* 0 or ENOMEM. */
int trunks_new(struct trunks **out, const struct trunks_opts *opts);
/* Before the stack. Ends everything without a word to the carriers. *ts may be NULL. */
void trunks_free(struct trunks **ts);
/* Start with these trunks, or change to them: those that stay as they were keep their state, new ones begin, and what is
 * gone, or registers elsewhere or no more, is unregistered. The table before must still live. */
void trunks_configure(struct trunks *ts, const struct trunks_config *c);
/* Unregister everywhere; done() follows from the loop when all have answered, or after 2 s. Nothing begins any more. */
void trunks_leave(struct trunks *ts, void (*done)(void *arg), void *arg);

enum trunk_health trunks_health(const struct trunks *ts, const struct trunk *t);
/* The trunk that is registered now and was answered from this address. NULL = none. */
const struct trunk *trunks_source(const struct trunks *ts, const struct addr *from);

struct trunk_report { /* borrowed until the loop turns */
	const char *name;
	enum trunk_health health;
	const char *why;   /* of being down, else "" */
	uint64_t since_ms; /* Unix time of the newest change */
	bool registers, registered, probed;
	uint64_t registered_total, refused_total; /* REGISTERs that succeeded, that failed */
};

/* Visit all trunks of the configuration in its order. */
void trunks_each(const struct trunks *ts, void (*fn)(void *arg, const struct trunk_report *r), void *arg);
const char *trunk_health_name(enum trunk_health h); /* "starting", "up", "down" */

#endif

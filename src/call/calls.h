/* calls: all calls of one server, for those who build the server and for those who dial.
 *
 * Owns the calls, knows the configuration snapshot, and hands each call that comes in to incoming().
 * Thread: signal. */
#ifndef CALLS_H
#define CALLS_H

#include "call/call.h"
#include "call/route.h"
#include "media/port.h"
#include "sip/sip_session.h"

struct calls_opts { /* all borrowed, must outlive the calls */
	struct loop *loop;
	struct events *events;
	struct media *media;
	const struct route_table *routes;
	const char *domain;               /* host of From; NULL = the listener's address */
	struct codec_list codecs;         /* default offer, and what we accept */
	enum wire_kind default_transport; /* of sip: URIs without ;transport= */
	const char *header_prefix;        /* "X-Crosspoint" */
	/* A call that came in and has a route: give it a controller, inside. */
	void (*incoming)(void *arg, struct call *c, const struct route *r);
	/* Draining, and the last call has gone. May be NULL. */
	void (*drained)(void *arg);
	void *arg;
	/* SIP: loop, handlers and arg are filled in by calls_new(). */
	struct sip_stack_opts sip;
};

/* Opens the SIP listeners. 0 or errno with why. */
int calls_new(struct calls **out, const struct calls_opts *opts, char why[160]);
/* Ends everything without a word to the peers; every call still gets its closed() and its final event. */
void calls_free(struct calls **cs);
size_t calls_count(const struct calls *cs);
/* New INVITEs get 503 from now on; drained() follows when no call is left (perhaps at once, from the loop). */
void calls_drain(struct calls *cs);
/* Hang up all calls. */
void calls_hangup_all(struct calls *cs, const char *by, const char *why);
struct sip_stack *calls_sip(const struct calls *cs);

/* --- dialling --- */

struct call_dial {
	struct call *parent;   /* NULL = none. Its codecs limit the offer. */
	bool number;           /* address is a phone number: goes over a trunk */
	const char *address;   /* number, or sip:/sips: URI without headers */
	const char *from;      /* number, name or URI; NULL = the parent's */
	const char *from_name; /* NULL = the parent's towards SIP, none towards numbers */
	const struct call_header *headers;
	size_t header_count;
	const char *codecs; /* comma list, NULL = ours */
};

struct call_dial_fault {
	enum cause cause;
	char why[160];
};

/* Place a leg. On success the call exists, is CREATED, and its controller hears the rest. Otherwise no leg
 * was made, fault says why (unknown transport, no trunk, caller id not allowed, no common codec …) and errno is
 * returned. */
int call_dial(struct call **out, struct calls *cs, const struct call_dial *d, const struct call_controller *controller,
	      void *arg, struct call_dial_fault *fault);

#endif

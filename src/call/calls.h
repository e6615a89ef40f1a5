/* calls: all calls of one server, for those who build the server and for those who dial.
 *
 * Owns the calls, knows the configuration snapshot, and hands each call that comes in to incoming().
 * Thread: signal. */
#ifndef CALLS_H
#define CALLS_H

#include "call/call.h"
#include "call/limits.h"
#include "call/route.h"
#include "media/port.h"
#include "sip/sip_session.h"

struct calls_opts { /* all borrowed, must outlive the calls */
	struct loop *loop;
	struct events *events;
	struct media *media;
	const struct route_table *routes;
	const char *domain;               /* host of From; NULL = the listener's address */
	unsigned digests;                 /* for subscribers: SIP_OFFER_… bits */
	struct codec_list codecs;         /* default offer, and what we accept */
	enum media_encryption encryption; /* of what comes in, and where a dial does not say */
	enum wire_kind default_transport; /* of sip: URIs without ;transport= */
	const char *header_prefix;        /* "X-Crosspoint" */
	struct call_limits limits;
	uint32_t no_media_ms; /* an answered leg that is not heard for so long is told; 0 = never */
	bool no_transfers;    /* nobody's REFER is taken */
	/* Sounds for those whose peer holds the call, NULL-terminated; NULL = silence. */
	const char *const *hold_music;
	/* A call that came in and has a route: give it a controller, inside. */
	void (*incoming)(void *arg, struct call *c, const struct route *r);
	/* Too much waits to be written: new INVITEs get 503 while it says so. May be NULL. */
	bool (*overloaded)(void *arg);
	/* Draining, and the last call has gone. May be NULL. */
	void (*drained)(void *arg);
	void *arg;
	/* SIP: loop, handlers and arg are filled in by calls_new(). */
	struct sip_stack_opts sip;
};

/* What a reload may change. All borrowed, must outlive the calls that began before the next calls_configure(). */
struct calls_config {
	const struct route_table *routes;
	const char *domain;
	unsigned digests;
	const char *advertise; /* what the listeners are switched to (sip_stack_switch()) */
	struct codec_list codecs;
	enum media_encryption encryption;
	enum wire_kind default_transport;
	const char *header_prefix;
	uint32_t session_timeout_s;
	struct call_limits limits;
	uint32_t no_media_ms;
	bool no_transfers;
	const char *const *hold_music;
};

/* Opens the SIP listeners. 0 or errno with why. */
int calls_new(struct calls **out, const struct calls_opts *opts, char why[160]);
/* Ends everything without a word to the peers; every call still gets its closed() and its final event. */
void calls_free(struct calls **cs);
size_t calls_count(const struct calls *cs);
/* New INVITEs get 503 from now on; drained() follows when no call is left (perhaps at once, from the loop). */
void calls_drain(struct calls *cs);
bool calls_draining(const struct calls *cs);
/* From the next call on. */
void calls_configure(struct calls *cs, const struct calls_config *c);
/* Visit all, oldest first, until fn returns false. fn may hang up calls. */
void calls_each(const struct calls *cs, bool (*fn)(void *arg, struct call *c), void *arg);
/* Calls are numbered from 1 in order of birth: the oldest that lives (0 = none), the newest that ever was. */
uint64_t calls_oldest(const struct calls *cs);
uint64_t calls_newest(const struct calls *cs);

/* Scores from 4.0, from 3.6, from 3.1, and below. */
enum { CALLS_SCORES = 4 };

struct calls_counts {
	size_t inbound, outbound; /* legs that live */
	uint64_t began_inbound, began_outbound, refused;
	uint64_t ended[CAUSE_ERROR + 1]; /* by enum cause */
	/* Of legs that have ended. */
	uint64_t packets_in, packets_out, packets_lost, packets_foreign, packets_unauthentic;
	uint64_t no_media;                   /* times that one was not heard */
	uint64_t by_score[CALLS_SCORES];     /* legs that have ended, by the opinion score of what they said */
	uint64_t jitter_ms;                  /* summed up for those legs: its mean in each */
	uint64_t round_trip_ms, round_trips; /* summed up, and of how many legs it is known */
};
void calls_count_all(const struct calls *cs, struct calls_counts *out);

/* As configured. */
const char *const *calls_hold_music(const struct calls *cs);
/* Hang up all calls. */
void calls_hangup_all(struct calls *cs, const char *by, const char *why);
struct sip_stack *calls_sip(const struct calls *cs);
struct trunks *calls_trunks(const struct calls *cs); /* trunk_state.h */

/* --- dialling --- */

struct call_dial {
	struct call *parent;   /* NULL = none. Its codecs limit the offer. */
	bool number;           /* address is a phone number: goes over a trunk */
	const char *address;   /* number, sip:/sips: URI without headers, or /context/name of a resource */
	const char *from;      /* number, name or URI; NULL = the parent's */
	const char *from_name; /* NULL = the parent's towards SIP, none towards numbers */
	const struct call_header *headers;
	size_t header_count;
	const char *codecs;  /* comma list, NULL = ours */
	bool own_encryption; /* encryption counts, else calls_opts' */
	enum media_encryption encryption;
	struct call_hook hook;           /* where its state events go */
	const char *username, *password; /* digest of SIP URIs, NULL = none; trunks have their own */
	uint64_t binding;                /* of a SIP URI of our domain: this phone (users.h); 0 = the most wanted */
	uint32_t session_timeout_s;      /* of SIP URIs, 0 = the configuration's */
	uint32_t price_cap;              /* of numbers: USD * 10,000 a minute, 0 = none */
};

struct call_dial_fault {
	enum cause cause;
	char why[160];
};

/* Place a leg. A leg without a parent is a call of its own: limits hold for it (EAGAIN), and none is placed while
 * draining (ESHUTDOWN). On success the call exists, is CREATED, and its controller hears the rest. Otherwise no leg
 * was made, fault says why (unknown transport, no trunk, caller id not allowed, no common codec …) and errno is
 * returned. */
int call_dial(struct call **out, struct calls *cs, const struct call_dial *d, const struct call_controller *controller,
	      void *arg, struct call_dial_fault *fault);

#endif

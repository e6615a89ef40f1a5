/* fake_world: one server of ours at 10.0.0.1:5060 (UDP) on virtual time, for flow tests: a loop, a network in memory, names, calls
 * and documents. Media sockets are real, on loopback.
 *
 * Whoever stands within 10.0.0.0/8 may call, and every call goes the one route. Thread: the loop's. */
#ifndef FAKE_WORLD_H
#define FAKE_WORLD_H

#include "base/loop.h"
#include "base/pool.h"
#include "call/calls.h"
#include "check.h"
#include "dialect/fetch.h"
#include "dialect/script.h"
#include "fake_dns.h"
#include "fake_net.h"
#include "fake_phone.h"
#include "sip/sip_trace.h"

/* What a phone says that speaks PCMU only. */
extern const char fake_sdp[];

struct fake_world {
	struct loop *loop;
	struct fake_net *net;
	struct fake_dns *dns;
	struct pool *pool;
	struct fetch *fetch;
	struct events *events;
	struct sip_trace *trace; /* NULL = nothing is kept */
	struct media *media;
	struct calls *calls; /* NULL: a test has freed them */
	struct script_env scripts;
	struct trunk trunk;
	struct addr_net everybody;
	struct route route;
	struct route_table routes;
	char document[32]; /* file, "" = none */
};

struct fake_world_opts {
	uint64_t seed;
	const char *document; /* its text; NULL = the route names nothing that is there */
	const char *codecs;   /* comma list, NULL = PCMU */
	uint16_t port_max;    /* of media, from 21000 on; 0 = 28999 */
	size_t trace_bytes;   /* 0 = nothing is kept */
	struct call_limits limits;
	const char *const *hold_music;
	bool no_transfers;
	void (*event)(void *arg, const struct event *ev); /* may be NULL */
	void (*incoming)(void *arg, struct call *c, const struct route *r);
	void *arg;
};

/* These abort the test when something cannot be made. */
void fake_world_open(struct fake_world *w, const struct fake_world_opts *opts);
void fake_world_run(struct fake_world *w, uint64_t ms);
/* What is behind the calls, but for the loop and what needs none; fake_world_close() does both and counts in between. */
void fake_world_free_media(struct fake_world *w);
void fake_world_free(struct fake_world *w);

/* A phone at 10.0.0.2 that calls the server once. */
struct fake_caller {
	struct phone phone;
	struct phone_call *call;
	struct loop_timer act;
	uint64_t hangup_ms; /* so long after the answer; 0 = never by itself */
};

void fake_caller_dial(struct fake_caller *c, struct fake_world *w);
void fake_caller_free(struct fake_caller *c);

/* Here, since a CHECK counts for the program that it stands in. */

/* No call is left; they are freed. Phones and what the test has made go behind that, then the world. */
static inline void fake_world_end_calls(struct fake_world *w)
{
	if (w->calls)
		CHECK_INT(0, calls_count(w->calls));
	calls_free(&w->calls);
}

/* No port and no timer is left. */
static inline void fake_world_close(struct fake_world *w)
{
	CHECK_INT(0, fake_dns_open(w->dns));
	CHECK_INT(0, media_ports_open(w->media));
	fake_world_free_media(w);
	CHECK_INT(0, loop_timer_count(w->loop));
	fake_world_free(w);
}

#endif

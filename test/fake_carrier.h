/* fake_carrier: calls over trunks on virtual time: the server's calls on one side of a network in memory, carriers that
 * do what a script says on the other. Thread: the loop's. */
#ifndef FAKE_CARRIER_H
#define FAKE_CARRIER_H

#include "base/loop.h"
#include "call/calls.h"
#include "check.h"
#include "fake_dns.h"
#include "fake_net.h"

enum { CARRIERS = 3 };

extern const char carrier_sdp[];

/* A challenge of a carrier. */
#define MD5(NONCE) "WWW-Authenticate: Digest realm=\"r\", nonce=\"" NONCE "\", algorithm=MD5, qop=\"auth\"\r\n"

struct trunk_world;

/* A bare SIP speaker on UDP. Each request that is no repetition takes the next word of its script: statuses
 * joined by '+', "-" for silence. A 401 or 407 takes the next of the challenges. */
struct carrier {
	struct trunk_world *w;
	struct net *net;
	struct wire *wire;
	const char *invites, *byes; /* scripts; INVITEs in dialogs take from them too */
	const char *challenges[6];
	const char *password;
	size_t challenged;
	char branch[64];          /* of the newest INVITE */
	char invite[600];         /* Authorization of the newest INVITE */
	char port[16];            /* of the audio that was offered first */
	bool dead;                /* says nothing to OPTIONS */
	const char *lines;        /* more header lines of its final refusals, instead of a Contact */
	char ruri[96], last[900]; /* of the newest INVITE: URI, From and what is behind User-Agent */
	char reason[160];         /* of the newest CANCEL or BYE */
	struct buf log;           /* what came: "INVITE INVITE:good ACK:same BYE:good" */
	uint64_t first_ms;
};

struct trunk_world {
	struct loop *loop;
	struct fake_net *net;
	struct fake_dns *dns;
	struct events *events;
	struct media *media;
	struct calls *calls;
	struct trunk trunks[CARRIERS];
	struct route_table routes;
	struct carrier carriers[CARRIERS];
	struct call *call;
	unsigned created, ringing, answered, ended, closed;
	char cause[24], sip_code[8], why[200], by[24];
	uint32_t talk_ms;     /* hang up so long after the answer */
	uint32_t patience_ms; /* hang up an unanswered call then, 0 = never */
	struct loop_timer hangup;
};

/* Three carriers, and trunks to the first two of them. */
void trunk_open(struct trunk_world *w);
/* What trunk_close() frees, in two steps: timers are counted between them. */
void trunk_free_calls(struct trunk_world *w);
void trunk_free_rest(struct trunk_world *w);
/* As call_dial(); what is answered is hung up after talk_ms. */
int trunk_dial(struct trunk_world *w, const struct call_dial *ask, struct call_dial_fault *fault);
/* Hang up now; arg is the world. */
void trunk_hang_up(void *arg);
/* Five minutes. */
void trunk_run(struct trunk_world *w);
/* What came: "INVITE ACK BYE". */
const char *carrier_log(const struct carrier *c);

/* Here, since a CHECK counts for the program that it stands in. */

/* Nothing is left, the leg ended exactly once. */
static inline void trunk_close(struct trunk_world *w)
{
	struct sip_stack_counts counts = { .sessions = 0 };

	CHECK_INT(0, w->calls ? calls_count(w->calls) : 0);
	CHECK_INT(0, media_ports_open(w->media));
	CHECK(w->created <= 1 && w->ringing <= 1 && w->answered <= 1);
	CHECK_INT(w->created, w->ended);
	CHECK_INT(w->created, w->closed);
	if (w->calls)
		sip_stack_count(calls_sip(w->calls), &counts);
	CHECK_INT(0, counts.sessions + counts.client_transactions + counts.server_transactions);
	trunk_free_calls(w);
	CHECK_INT(0, loop_timer_count(w->loop));
	trunk_free_rest(w);
}

static inline void trunk_dial_number(struct trunk_world *w)
{
	const struct call_dial ask = { .number = true, .address = "(555) 123-4567", .from = "+15550001111" };
	struct call_dial_fault fault = { .cause = CAUSE_NONE };

	CHECK_INT(0, trunk_dial(w, &ask, &fault));
}

#endif

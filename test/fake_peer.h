/* fake_peer: a SIP speaker by hand at 10.0.0.3:5060 against a phone of ours at 10.0.0.2, on a virtual loop.
 *
 * It says what it is told and keeps what it gets until it is told to forget. Thread: the loop's. */
#ifndef FAKE_PEER_H
#define FAKE_PEER_H

#include "fake_dns.h"
#include "fake_net.h"
#include "fake_phone.h"

enum { PEER_MAX_GOT = 128 };

struct peer {
	struct loop *loop;
	struct fake_net *net;
	struct fake_dns *dns;
	struct phone us;
	struct wire *wire;
	struct addr here, there;
	char *got[PEER_MAX_GOT];
	size_t count;
	char values[4][512]; /* of peer_header() */
	size_t value;
};

/* Aborts the test when it cannot be made. */
void peer_open(struct peer *p);
void peer_close(struct peer *p);
/* The stack has come to rest: sessions, transactions, connections and timers alive after ten minutes. */
size_t peer_left(struct peer *p);
void peer_run(struct peer *p, uint64_t ms);
void peer_forget(struct peer *p);
/* Line ends of text become CRLF. */
void peer_say(struct peer *p, const char *text);

struct peer_request {
	const char *method, *branch, *to_tag, *call_id, *extra, *body; /* extra: whole lines; body: SDP */
	unsigned cseq;
};
void peer_ask(struct peer *p, const struct peer_request *r);

struct peer_response {
	const char *status, *to_tag, *extra, *body;
};
/* To a request of the stack, a Contact of the tag's name at our address included, unless extra holds "No-Contact". */
void peer_respond(struct peer *p, const char *request, const struct peer_response *r);

/* The newest message that begins so; "" when there is none. Borrowed until peer_forget(). */
const char *peer_newest(const struct peer *p, const char *start);
size_t peer_count(const struct peer *p, const char *start);
/* Value of a header's first line; in a buffer that the next call but three uses again. "" when there is none. */
const char *peer_header(struct peer *p, const char *message, const char *name);

#endif

/* sip_transport_impl: the insides of a transport, shared by sip_transport.c (connections, flows) and sip_feed.c (bytes to
 * messages); nobody else includes it. Thread: signal. */
#ifndef SIP_TRANSPORT_IMPL_H
#define SIP_TRANSPORT_IMPL_H

#include "base/list.h"
#include "base/loop.h"
#include "sip/sip_listener.h"
#include "sip/sip_transport.h"

struct handle_table;
struct map;
struct sip_trace;
enum {
	MESSAGE_WAIT_MS = 32000,  /* for a connect, a first message, the rest of a message */
	IDLE_MS = 10 * 60 * 1000, /* for the next one */
	QUIET_MS = 30000,         /* of ours, before boxes on the way forget the connection of a call */
	MAX_PER_HOST = 100,
	MAX_UDP = 65507,
	CHUNK = 16 * 1024, /* stream bytes taken at a time, so that a message and a chunk fit the buffer */
	MAX_BUFFER = SIP_MAX_MESSAGE + CHUNK,
	CROWDED_FROM = 500, /* per mille of wire.h's crowding(): a few tens of milliseconds of work wait */
	CROWDED_UNTIL = 125,
	CROWDED_LOOK_MS = 2,
	PING = 4 /* bytes of the CRLFCRLF keep-alive, RFC 5626 §3.5.1 */
};

struct peer { /* a remote host with at least one connection */
	struct list conns;
	struct addr addr;
	size_t inbound;
	bool warned;
};

struct conn {
	struct list node, all; /* of its peer, of the transport */
	struct sip_transport *t;
	struct peer *peer;
	struct wire *wire; /* NULL = died by itself */
	uint64_t id;
	struct addr remote;
	enum wire_kind kind;
	uint16_t listener;
	char *name; /* outgoing TLS: whom the peer is verified as */
	bool inbound, standing;
	bool proven;        /* inbound: a whole message has come */
	uint8_t blank;      /* bytes of a keep-alive so far      */
	bool headers_whole; /* in holds a blank line             */
	struct buf in;      /* begin of a message; holds no memory while empty */
	uint64_t since_ms;  /* when the present wait began       */
	uint64_t active_ms;
	uint64_t sent_ms; /* keep-alives included */
	struct loop_timer timer;
};

struct sip_transport {
	struct loop *loop;
	struct net *net;
	struct sip_trace *trace; /* NULL = none */
	const struct sip_transport_handlers *h;
	void *arg;
	struct sip_listeners listeners;
	struct handle_table *conns;
	struct list all;   /* connections                 */
	struct map *peers; /* by the bytes of the address */
	bool crowded;
	uint64_t looked_ms; /* when crowded was found out */
};

/* --- sip_transport.c --- */

/* Nothing of c may be touched afterwards. */
void conn_lose(struct conn *c, const char *why);
/* Its deadline has come nearer. */
void conn_arm(struct conn *c);

/* --- sip_feed.c: handlers of wires --- */

/* arg: the struct conn. */
void transport_on_stream(void *arg, struct wire *w, const struct addr *from, const char *data, size_t n);
/* arg: the struct sip_listener. */
void transport_on_datagram(void *arg, struct wire *w, const struct addr *from, const char *data, size_t n);
/* Keep a copy. m: as it was received, NULL = sent. */
void transport_trace(struct sip_transport *t, const struct sip_msg *m, const struct sip_flow *flow, struct str text);

#endif

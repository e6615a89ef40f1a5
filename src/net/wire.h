/* wire: the small interface through which sip_transport sees sockets.
 *
 * A struct net is the door given at birth: sock.c opens real sockets, the tests' fake_net moves the
 * same bytes between two stacks on one virtual loop. Handlers run from the loop, never from inside the
 * call that caused them. Thread: signal. */
#ifndef WIRE_H
#define WIRE_H

#include <stddef.h>

#include "net/addr.h"

struct wire; /* one UDP socket, one stream listener, or one stream connection */
struct net;

enum wire_kind { WIRE_UDP, WIRE_TCP, WIRE_TLS, WIRE_WS, WIRE_WSS };

struct wire_handlers {
	/* A datagram, the next bytes of a stream, or a whole message of a WebSocket. data is valid during the call only. The wire may be
	 * closed inside. */
	void (*bytes)(void *arg, struct wire *w, const struct addr *from, const char *data, size_t n);
	/* Listeners: a new connection. Its handlers and arg are the listener's until wire_set_arg(). */
	void (*accepted)(void *arg, struct wire *listener, struct wire *conn, const struct addr *from);
	/* Outgoing connections: it stands; with TLS: and the peer is verified. */
	void (*connected)(void *arg, struct wire *w);
	/* Streams: over. err 0: closed by the peer; else reset or connect failed. why: a clause, borrowed. The wire
	 * is dead after this call; not delivered after wire_close(). Never delivered for UDP and listeners. */
	void (*closed)(void *arg, struct wire *w, int err, const char *why);
};

struct net_ops {
	/* Each returns 0 or errno, *out untouched on error. */
	int (*udp_open)(struct net *n, struct wire **out, const struct addr *local, const struct wire_handlers *h,
			void *arg);
	int (*listen)(struct net *n, struct wire **out, enum wire_kind kind, const struct addr *local,
		      const struct wire_handlers *h, void *arg);
	/* local NULL = any. Ends in connected() or closed(). */
	int (*connect)(struct net *n, struct wire **out, enum wire_kind kind, const struct addr *local,
		       const struct addr *remote, const struct wire_handlers *h, void *arg);
	/* UDP: one datagram to `to`. Streams: queued bytes, `to` ignored, also before connected(); ENOBUFS (and
	 * nothing queued) when more than the wire's write limit (256 KiB) would wait. WebSockets: one message; a peer
	 * that lets more than that limit wait is closed. */
	int (*send)(struct wire *w, const struct addr *to, const void *data, size_t n);
	/* No handler runs afterwards. Queued bytes of a stream are still tried for a moment (TLS: once it stands). */
	void (*close)(struct wire *w);
	/* TLS, directly behind connect(): whom the certificate must be for, host name or address. Without it the
	 * address itself. Copied. 0 or ENOMEM. */
	int (*set_name)(struct wire *w, const char *name);
	/* Where it is bound (port filled in). */
	void (*local)(const struct wire *w, struct addr *out);
	void (*set_arg)(struct wire *w, void *arg);
	/* The local address (port 0) that packets to remote would bear. 0 or errno. NULL = not known. */
	int (*source_for)(struct net *n, const struct addr *remote, struct addr *out);
	/* UDP: how full the kernel's receive queue is, in per mille of what it takes or of 6 MiB (some 4,500
	 * messages), whichever is less. NULL = not known. */
	unsigned (*crowding)(const struct wire *w);
};

struct net {
	const struct net_ops *ops;
};

struct wire {
	const struct net_ops *ops;
	enum wire_kind kind;
};

#endif

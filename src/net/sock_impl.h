/* sock_impl: what sock.c (the net, UDP) and stream.c (TCP, TLS) share; for these two only.
 *
 * A wire is freed at once when it is closed. The one place where that could hurt is a function that goes on
 * after a handler: it puts the wire into net->reading and looks whether it is still there.
 * Thread: the loop's. */
#ifndef SOCK_IMPL_H
#define SOCK_IMPL_H

#include "base/loop.h"
#include "net/tls.h"
#include "net/web_sip.h"
#include "net/wire.h"

enum { SOCK_BATCH = 16, SOCK_DATAGRAM = 65536 };

enum sock_role {
	SOCK_UDP,
	SOCK_LISTENER,
	SOCK_CONNECTING,
	SOCK_SHAKING, /* TLS before it stands */
	SOCK_STANDING,
	SOCK_LINGERING /* closed by its owner, with bytes left to send */
};

struct sock_net {
	struct net net; /* first: struct net pointers are cast back */
	struct loop *loop;
	struct list wires;
	struct sock_wire *reading; /* NULL = it was closed by the handler */
	char *space;               /* SOCK_BATCH datagrams, shared by all wires; handlers do not nest */
	struct tls_ctx *tls;       /* NULL = no TLS                  */
	struct web_sip *web;       /* NULL = no WebSocket listener yet */
	unsigned shakes;           /* handshake steps in this turn   */
	struct loop_timer turn;    /* ends the counting, runs behind */
	struct loop_timer rotate;  /* of the keys of tickets         */
};

struct sock_wire {
	struct wire wire; /* first: struct wire pointers are cast back */
	struct list node;
	struct sock_net *net;
	enum sock_role role;
	int fd;
	struct loop_io io;
	const struct wire_handlers *h;
	void *arg;
	struct addr remote; /* streams                                           */
	struct buf queue;   /* streams: bytes to send, those before sent are out */
	size_t sent;
	struct loop_timer timer; /* listeners: pause; lingering streams: the end; handshakes: the deadline */
	struct tls *tls;         /* NULL = TCP, or no byte of the handshake has come  */
	char *name;              /* outgoing TLS: whom the certificate must be for    */
	enum tls_result shake;   /* what the handshake waits for                      */
	bool outgoing;
	bool read_wants_write; /* TLS: reading goes on when there is room to write  */
	bool write_wants_read; /* TLS: and the other way round                      */
	bool short_of_files;   /* listeners: already said                           */
};

/* A wire that owns fd and is watched. 0 or errno; on error fd is the caller's still. */
int sock_wire_new(struct sock_wire **out, struct sock_net *n, enum sock_role role, int fd, unsigned events);
/* Close and free, without a word to anybody. */
void sock_wire_drop(struct sock_wire *w);
/* Non-blocking, close-on-exec, IPv6 alone where it is IPv6. 0 or errno. */
int sock_make(int *fd, int type, const struct addr *of);
void sock_set(int fd, int level, int option, int value); /* nice to have: failure does not matter */

/* stream.c */
int sock_listen(struct net *n, struct wire **out, enum wire_kind kind, const struct addr *local,
		const struct wire_handlers *h, void *arg);
int sock_connect(struct net *n, struct wire **out, enum wire_kind kind, const struct addr *local,
		 const struct addr *remote, const struct wire_handlers *h, void *arg);
int sock_stream_send(struct sock_wire *w, const char *data, size_t n);
void sock_stream_close(struct sock_wire *w);
void sock_stream_ready(struct sock_wire *w, unsigned ready);
void sock_listener_ready(struct sock_wire *w);

#endif

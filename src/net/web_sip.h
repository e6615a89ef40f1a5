/* web_sip: SIP over WebSocket (RFC 7118), the server side: libwebsockets in a thread of its own.
 *
 * Makes wires (net/wire.h) of sockets that sock.c has accepted; TLS, the handshake and the frames are libwebsockets'
 * business. A wire's bytes() brings one whole message of up to 64 KiB a call, its send() sends one. A handshake has
 * 10 s and must offer the subprotocol "sip"; a peer that has sent nothing for 60 s gets a PING and is closed when 20 s
 * later nothing has come; one that lets more than 256 KiB wait is closed. What crosses the threads is a connection id
 * and bytes, bounded both ways. Thread: all calls on the loop given at birth. */
#ifndef WEB_SIP_H
#define WEB_SIP_H

#include "net/wire.h"

struct loop;
struct tls_ctx;
struct web_sip;

struct web_sip_guest {
	int fd;              /* connected, non-blocking */
	enum wire_kind kind; /* WIRE_WS or WIRE_WSS     */
	struct addr from;
	const struct wire_handlers *h;
	void *arg;
};

/* 0, ENOMEM, or what starting a thread may give. */
int web_sip_new(struct web_sip **out, struct loop *l);
/* All wires must be closed. NULL is fine. */
void web_sip_free(struct web_sip **w);
/* The certificate of c for handshakes from now on; connections that stand keep theirs. c may be freed afterwards.
 * 0 or ENOMEM. */
int web_sip_use_tls(struct web_sip *w, const struct tls_ctx *c);
/* Make a wire of the socket, which is the wire's then, and hand it to accepted(); what is sent before the handshake is
 * over waits for it. 0; ENFILE when there are too many (8192, or fewer where the process may open fewer files) or
 * ENOMEM, and the socket is still the caller's. */
int web_sip_adopt(struct web_sip *w, struct wire *listener, const struct web_sip_guest *g);

#endif

/* sip_transport: listeners, connections, and which of them a message takes.
 *
 * Turns bytes into parsed messages (handed up with the flow they came on) and sends finished bytes to a flow.
 * A flow is a plain value: a UDP listener plus address, or a connection by id; a stale id is found out when
 * sending, never a dangling pointer. Streams are reused towards the same address and kind, TLS only where the peer
 * was verified as the same name, so never a connection that somebody made to us; ;alias (RFC 5923) is not believed.
 * A connection without traffic for 10 minutes and without a call, or without a first whole message within 32 s, is
 * closed; at most 100 connections from one address. Keep-alives are answered, CRLF on streams and STUN on UDP; over
 * connections of ours that a call uses two CRLFs go after 30 s of silence.
 * Over WebSocket a frame is a message; nobody is ever connected to, and a connection that has brought a message within
 * 10 minutes stays as long as its peer answers PINGs (the wire sees to that).
 * Thread: signal. Source: RFC 3261 §18, RFC 3581, RFC 5626 §3.5 and §4.4, RFC 5922, RFC 7118. */
#ifndef SIP_TRANSPORT_H
#define SIP_TRANSPORT_H

#include "net/wire.h"
#include "sip/sip_session.h"

struct sip_transport;

struct sip_flow {
	enum wire_kind kind;
	struct addr remote;
	uint16_t listener;   /* index: the UDP socket, or what names us in Via and Contact */
	uint64_t connection; /* streams: id, 0 = none yet */
};

struct sip_transport_handlers {
	/* A whole message that parsed (sip_msg_check() is still to be asked). m is valid during the call. */
	void (*message)(void *arg, const struct sip_msg *m, const struct sip_flow *flow);
	/* A stream died. Pending transactions on it fail. */
	void (*lost)(void *arg, uint64_t connection, const char *why);
	/* Does a call know us by this listener? Keeps one open that a reload took away. NULL = none does. */
	bool (*uses)(void *arg, uint16_t listener);
	/* Does a call go over this connection, or is it the only way to somebody? Keeps it open, and awake where we made it.
	 * NULL = none does. */
	bool (*holds)(void *arg, uint64_t connection);
	/* May a message from there be read? Asked before it is parsed; over a stream, where a message ends only then,
	 * behind that, and false closes the connection. NULL = all may. */
	bool (*admits)(void *arg, const struct sip_flow *flow);
};

/* opts: loop, net, listen, advertise are used. 0 or errno with why. */
int sip_transport_new(struct sip_transport **out, const struct sip_stack_opts *opts,
		      const struct sip_transport_handlers *h, void *arg, char why[160]);
void sip_transport_free(struct sip_transport **t);
/* Other listeners, in two steps (sip_listener.h). Open what is not open yet: 0; or errno with why, and nothing has
 * changed. Then these only, or the old ones again. */
int sip_transport_open(struct sip_transport *t, const struct sip_listen *listen, size_t count, char why[160]);
void sip_transport_switch(struct sip_transport *t, const struct sip_listen *listen, size_t count,
			  const char *advertise);

/* A bit (1U << kind) for each transport with a listener. */
uint8_t sip_transport_kinds(const struct sip_transport *t);
/* Its messages come in frames, and its peer can be reached by its own connection only. */
bool sip_transport_is_websocket(enum wire_kind kind);
/* Choose (streams: connect, or reuse; WebSocket: reuse, else ENOTCONN) the flow for requests to remote. name: the host as the URI has it, which TLS
 * verifies; absent = not known, and then TLS gives ENOTCONN. 0; EPROTONOSUPPORT when there is no listener or support
 * for the kind and family; or errno. Bytes sent before the connection stands are queued; its failure is told by
 * lost(). */
int sip_transport_flow(struct sip_transport *t, enum wire_kind kind, const struct addr *remote, struct str name,
		       struct sip_flow *out);
/* A connection that stands, TLS included, or a UDP socket. */
bool sip_transport_is_connected(const struct sip_transport *t, const struct sip_flow *flow);
/* The flow can still be sent to, and: it is a connection that the peer made; it began at a listener that is retired. */
bool sip_transport_stands(const struct sip_transport *t, const struct sip_flow *flow);
bool sip_transport_is_inbound(const struct sip_transport *t, const struct sip_flow *flow);
bool sip_transport_is_retired(const struct sip_transport *t, const struct sip_flow *flow);
/* 0; ENOTCONN when the connection or listener is gone (for responses: call sip_transport_flow() anew with the Via's
 * address, RFC 3261 §18.2.2); ENOBUFS; EMSGSIZE. */
int sip_transport_send(struct sip_transport *t, const struct sip_flow *flow, struct str bytes);
/* "host:port" that names us on this flow, for Via and Contact (advertise applied; v6 in brackets). */
void sip_transport_name(const struct sip_transport *t, const struct sip_flow *flow, char *out, size_t size);
/* "UDP", "TCP", "TLS", "WS", "WSS" for Via; lower case for logs and URIs, where our own say "ws" for both of these
 * (RFC 7118 §5.2.2: sips makes the difference). */
const char *sip_transport_via(enum wire_kind kind);
const char *sip_transport_param(enum wire_kind kind);
/* Do datagrams pile up faster than they are read? Looked at every few milliseconds, with hysteresis; new work is better
 * refused at once than answered after its sender has given up. */
bool sip_transport_crowded(struct sip_transport *t);
size_t sip_transport_connections(const struct sip_transport *t);
/* Where the n-th listener of those not retired is. */
void sip_transport_local(const struct sip_transport *t, size_t n, struct addr *out);

#endif

/* tls: one TLS end over a socket that somebody else watches (OpenSSL 3 behind six calls).
 *
 * No loop, no timers, no queue: stream.c asks and obeys the WANT results. A context is what the settings say,
 * certificates loaded; connections keep theirs alive, so a reload may free it under them. Peers that we connect to
 * are verified by RFC 5922: the chain by the trusted certificates, then the name we meant. Callers of ours need no
 * certificate unless asked for one, and get the one of ours that is for the name they say. Handshakes are resumed by
 * tickets, both ways. The process must ignore SIGPIPE. Thread: signal (contexts are made there, at start and reload). */
#ifndef TLS_H
#define TLS_H

#include "net/sock.h"

struct tls_ctx;
struct tls;

enum tls_result {
	TLS_DONE,
	TLS_WANT_READ,  /* again when the socket is readable */
	TLS_WANT_WRITE, /* again when it is writable         */
	TLS_CLOSED,     /* by the peer, in good order or not */
	TLS_FAILED,     /* tls_why() says what, at once      */
};

enum { TLS_WHY = 160, TLS_MAX_RECORD = 16384 };

/* Load what opts names. 0, or EINVAL with why; ENOMEM. */
int tls_ctx_new(struct tls_ctx **out, const struct sock_tls *opts, char why[TLS_WHY]);
void tls_ctx_free(struct tls_ctx **c);
/* Another key for the tickets by which callers resume; older ones are not taken any more. */
void tls_ctx_rotate(struct tls_ctx *c);
/* It has a certificate of its own. */
bool tls_ctx_can_accept(const struct tls_ctx *c);
/* For connections that a library makes (web_tls.c): the context that holds our certificate, NULL = none, to be read
 * only and freed with SSL_CTX_free(), by any thread; and our rules for a context of the library's own. */
struct ssl_ctx_st *tls_ctx_share(const struct tls_ctx *c);
void tls_tune(struct ssl_ctx_st *c);

/* The socket stays the caller's, and must live longer. 0 or ENOMEM. */
int tls_accept(struct tls **out, struct tls_ctx *c, int fd);
/* name: host name or address the certificate must be for, and the SNI. Copied. */
int tls_connect(struct tls **out, struct tls_ctx *c, int fd, const char *name);
/* Says good-bye when the connection stands, if the socket has room for it. */
void tls_free(struct tls **t);

/* One step. TLS_DONE: it stands, and the peer is who was asked for. */
enum tls_result tls_handshake(struct tls *t);
/* *n bytes when TLS_DONE. A size of TLS_MAX_RECORD or more leaves nothing behind that the socket does not show. */
enum tls_result tls_read(struct tls *t, char *out, size_t size, size_t *n);
/* TLS_DONE: *n bytes, 1 or more, went out. After a WANT the next call must begin with the same bytes. */
enum tls_result tls_write(struct tls *t, const char *data, size_t size, size_t *n);

/* Directly after TLS_FAILED: errno value and clause. */
int tls_why(const struct tls *t, const struct addr *remote, char why[TLS_WHY]);
bool tls_is_server(const struct tls *t);
/* Once it stands: the handshake took up an earlier one, by a ticket. */
bool tls_is_resumed(const struct tls *t);

#endif

/* tls_impl: what tls.c (contexts, connections), tls_session.c (resumption) and tls_cert.c (certificates by name, those of
 * callers) share. Private to them. Thread: that of tls.h. */
#ifndef TLS_IMPL_H
#define TLS_IMPL_H

#include <openssl/ssl.h>

#include "net/tls.h"

struct tls_sessions;

struct tls_ctx {
	SSL_CTX *server; /* NULL = no certificate of ours */
	SSL_CTX *client;
	SSL_CTX **named; /* servers by name, each with another certificate */
	size_t named_count;
	struct tls_sessions *sessions; /* of client */
	bool verify;
};

struct tls {
	SSL *ssl;
	char *name; /* NULL = not to be checked */
	char *peer; /* whom we connect to; sessions are kept by it; NULL = a caller */
	int err;    /* of the failure           */
	bool wrong_name;
};

/* tls.c */
int tls_blame(char why[TLS_WHY], const char *what, const char *path);
SSL_CTX *tls_ssl_ctx(const SSL_METHOD *method);
int tls_load_own(SSL_CTX *c, const char *cert, const char *key, char why[TLS_WHY]);

/* tls_session.c */
void tls_tickets_open(SSL_CTX *server);
/* 0 or ENOMEM. */
int tls_sessions_new(struct tls_sessions **out, SSL_CTX *client);
void tls_sessions_free(struct tls_sessions **s, SSL_CTX *client);
/* Offer the session that the peer of this name has given us, if any. */
void tls_sessions_offer(struct tls_sessions *s, const struct tls *t);

/* tls_cert.c. 0; EINVAL with why, or ENOMEM. */
int tls_load_named(struct tls_ctx *c, const struct sock_tls *opts, char why[TLS_WHY]);
int tls_ask_callers(SSL_CTX *server, const struct sock_tls *opts, char why[TLS_WHY]);

#endif

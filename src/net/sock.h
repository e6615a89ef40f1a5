/* sock: non-blocking UDP, TCP and TLS on the loop, behind wire.h; and bare UDP sockets for media.
 *
 * The only door of the signalling side to sockets. WIRE_WS and WIRE_WSS can be listened for only: connections are
 * web_sip.c's from the accept on. WIRE_TLS gives EPROTONOSUPPORT before sock_net_set_tls(), and so does listening for it
 * or for WIRE_WSS without a certificate. A TLS handshake has 10 s from the connection on;
 * at most 8 handshake steps are made a turn, so that strangers cannot hold up calls.
 * Thread: the loop's, but sock_udp() and sock_source_for() any. */
#ifndef SOCK_H
#define SOCK_H

#include "net/wire.h"

struct loop;
struct tls_ctx;

enum sock_tls_callers { SOCK_TLS_NOT_ASKED, SOCK_TLS_OPTIONAL, SOCK_TLS_REQUIRED };

struct sock_tls_cert { /* files in PEM, absolute paths */
	const char *cert, *key;
};

struct sock_tls {         /* files in PEM, absolute paths */
	const char *cert; /* ours, with the chain; NULL = none: no listeners */
	const char *key;
	const char *ca;                    /* trusted beside the system's store ($SSL_CERT_FILE); NULL = none */
	bool verify;                       /* certificates of the peers that we connect to */
	const struct sock_tls_cert *named; /* instead of cert, for callers that ask for a name of theirs */
	size_t named_count;
	enum sock_tls_callers callers; /* must they have a certificate of ca; what is shown must be good */
};

/* The door to real sockets. All wires must be closed before sock_net_free(). */
int sock_net_new(struct net **out, struct loop *l);
void sock_net_free(struct net **n);
/* From now on; connections that stand keep what they have. Files are read here. 0; EINVAL with why, or ENOMEM, and
 * everything stays as it was. */
int sock_net_set_tls(struct net *n, const struct sock_tls *opts, char why[160]);
/* The same with what is loaded already (net/tls.h): exchanges *ctx and what is in force, either may be NULL. */
void sock_net_swap_tls(struct net *n, struct tls_ctx **ctx);

/* A non-blocking UDP socket bound to local. 0 or errno. The caller closes *fd. */
int sock_udp(int *fd, const struct addr *local);
/* The same, connected to remote; source: where the kernel sends from. local NULL = any address. */
int sock_udp_to(int *fd, struct addr *source, const struct addr *local, const struct addr *remote);
/* The local address (port 0) the kernel would send from to remote; nothing is sent. 0 or errno. */
int sock_source_for(struct addr *out, const struct addr *remote);

#endif

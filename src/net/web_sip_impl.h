/* web_sip_impl: what web_sip.c (wires, on the loop; the queues) and web_sip_serve.c (libwebsockets) share.
 *
 * Private to them. Nothing but the two queues is seen by both threads: orders go to the web thread, reports come from
 * it. Each names its connection by an id that the loop gave it. */
#ifndef WEB_SIP_IMPL_H
#define WEB_SIP_IMPL_H

#include <libwebsockets.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/str.h"
#include "net/web_sip.h"

enum { WEB_SIP_MAX_MESSAGE = 64 * 1024 };

struct report { /* to the loop: a message, or the end of a connection */
	struct report *next;
	uint64_t id;
	bool gone;
	int err;         /* gone: as in wire.h's closed() */
	const char *why; /* gone: a literal               */
	size_t n;
	char data[];
};

enum order_kind { ORDER_ADOPT, ORDER_SEND, ORDER_CLOSE, ORDER_TLS };

struct order { /* to the web thread */
	struct order *next;
	enum order_kind kind;
	uint64_t id;
	int fd;            /* ADOPT */
	bool secure;       /* ADOPT */
	struct link *link; /* ADOPT: the web thread's from here on */
	SSL_CTX *tls;      /* TLS: likewise                        */
	size_t n;
	unsigned char data[]; /* SEND: LWS_PRE bytes of room, then n bytes */
};

struct web_sip_server;

struct link { /* a connection as the web thread sees it */
	struct list node;
	struct web_sip_server *of;
	struct lws *wsi;
	uint64_t id;
	bool established, closing, paused;
	struct buf in; /* the begin of a message */
	struct order *out, **last;
	size_t queued_bytes;
	struct report *farewell; /* the last report, made beforehand so that it needs no memory */
};

struct web_sip_queues; /* behind a lock, web_sip.c */

struct web_sip_server { /* the web thread's alone once that runs */
	struct web_sip_queues *queues;
	struct lws_context *context;
	struct lws_vhost *plain, *secure;
	struct map *links; /* by the bytes of the id                  */
	struct list all;   /* links                                   */
	SSL_CTX *tls;      /* whose certificate is shown; NULL = none */
	atomic_bool stop;  /* any thread                              */
};

/* --- web_sip.c, any thread --- */

/* Hands r over. True: the loop is behind, read no more from this connection until web_sip_take() says resume. */
bool web_sip_tell(struct web_sip_queues *q, struct report *r);
/* All orders, in order. resume: the loop has caught up. */
struct order *web_sip_take(struct web_sip_queues *q, bool *resume);
void web_sip_order_free(struct order *o);

/* --- web_sip_serve.c --- */

/* Before the thread runs: 0 or ENOMEM. After it has ended: all links have told their end and are gone. */
int web_sip_server_open(struct web_sip_server *s, unsigned max_descriptors, uint64_t seed);
void web_sip_server_close(struct web_sip_server *s);
void *web_sip_server_run(void *server); /* the thread */
void web_sip_link_free(struct link *k);

#endif

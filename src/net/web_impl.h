/* web_impl: what web.c (connections, requests, the doors to the loop), web_listen.c (listeners that come and go) and
 * web_write.c (answers on the wire) share, and what web_sip.c needs of it.
 *
 * Private to them. Thread: the web thread, unless a member says otherwise. */
#ifndef WEB_IMPL_H
#define WEB_IMPL_H

#include <libwebsockets.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "net/addr.h"
#include "net/web.h"

enum {
	MAX_AUTHORIZATION = 1024,
	CHUNK_ROOM = 12, /* the length line of a chunk */
};

enum reply_kind { REPLY_WHOLE, REPLY_STREAM, REPLY_PIECE, REPLY_END, REPLY_FILE };

struct reply {
	struct reply *next;
	uint64_t id;
	enum reply_kind kind;
	int status;
	char type[64];
	char header[32], value[64]; /* one more line, "" = none */
	int fd;                     /* FILE; else -1 */
	uint64_t size_bytes;        /* FILE */
	uint64_t at, left;          /* FILE: what is still to be sent */
	size_t n;
	unsigned char body[]; /* LWS_PRE + CHUNK_ROOM bytes of room, then n bytes, then room for CRLF */
};

/* What goes to the loop: a request, or the news that the client of a stream has left. */
struct news {
	struct news *next;
	bool gone;
	struct web_request request;
	char authorization[MAX_AUTHORIZATION];
	struct buf body;
};

/* One request and its answer. Belongs to the web thread; the loop knows the id only. */
struct exchange {
	struct web *web;
	uint64_t id;         /* 0 = the loop was not asked */
	struct news *news;   /* until it is handed over */
	struct reply *reply; /* the answer, or the head of a stream; NULL = not yet */
	struct reply *pieces, **last;
	size_t queued_bytes;
	char range[48]; /* the header's value, "" = none */
	bool head_only;
	bool head_sent;
	bool chunked;
	bool close; /* the connection after the answer */
};

/* What libwebsockets keeps for us with a connection. It frees and zeroes it between requests. */
struct slot {
	struct exchange *exchange;
};

struct web_listener { /* web thread, once that runs; libwebsockets borrows the texts */
	struct list node;
	struct web *web;
	struct lws_vhost *vhost;
	struct lws *socket; /* retired: the one that listens, once it is known */
	lws_sorted_usec_list_t look;
	bool retired;
	char text[WEB_ADDRESS]; /* as it was configured */
	char host[ADDR_TEXT];
};

struct web {
	struct mq *bell; /* rung when news were put in */
	void (*on_request)(void *arg, const struct web_request *r);
	void (*gone)(void *arg, uint64_t id);
	void *arg;
	struct lws_context *context;
	uint16_t *ports;
	size_t port_count;
	struct list listeners;          /* web thread */
	struct ssl_ctx_st *tls;         /* web thread: whose certificate is shown, NULL = none */
	struct web_wanted *now;         /* loop: the addresses last asked for */
	struct handle_table *exchanges; /* web thread */
	pthread_t thread;
	bool running;
	atomic_bool stop;
	pthread_mutex_t lock;
	/* Guarded by lock; in order, last is where the next one goes. */
	struct reply *replies, **last;
	struct news *news, **last_news;
	size_t requests_waiting;
	struct web_wanted *switch_to; /* the addresses to have from now on, NULL = as they are */
};

/* web.c. Can somebody listen there; do so. 0 or errno. */
int web_try_bind(const struct addr *a);
int web_listen_at(struct web *w, const char *text, uint16_t *port);

/* web_listen.c. Before the thread runs: 0 or ENOMEM. */
int web_listen_init(struct web *w, const struct web_listen *listen);
/* To be freed by the caller when it cannot be opened; opened, it is freed by its vhost's end. NULL = no memory. */
struct web_listener *web_listener_new(struct web *w, const char *text);
void web_listener_opened(struct web_listener *l, struct lws_vhost *vhost);
void web_listener_ended(struct lws_vhost *vhost, void *listener);
/* The part behind "https:"; *secure says whether that was there. */
struct str web_listen_place(const char *text, bool *secure);
/* May a connection be taken? Returns what the callback returns. */
int web_listen_filter(struct web *w, struct lws *wsi, struct slot *slot);
void web_listen_mail(struct web *w);
/* After the thread has ended. */
void web_listen_done(struct web *w);

void web_news_free(struct news *n);
void web_reply_free(struct reply *r); /* NULL is fine */
/* The exchange is over, or its client has left. */
void web_drop(struct slot *slot);
/* One write a callback: first the head, then the body or the next piece. Returns what the callback returns. */
int web_on_writable(struct web *w, struct lws *wsi, struct slot *slot);
/* For web_sip.c, too, which has a context and a thread of its own: how many descriptors a context may have, at most
 * `most`; a thread without signals (0 or errno); errors of libwebsockets to our log. */
unsigned web_descriptor_limit(unsigned most);
int web_start_thread(pthread_t *out, void *(*fn)(void *arg), void *arg, const char *name);
void web_log_errors(void);

/* --- web_tls.c --- */

/* Our rules for a context of the library, and in each handshake the certificate that *own has by then (NULL = none). */
void web_tls_follow(struct ssl_ctx_st *library, struct ssl_ctx_st **own);
/* Nobody resumes: no key of tickets that would have to be changed. */
void web_tls_forget_sessions(struct ssl_ctx_st *library);

/* --- web_file.c --- */

/* The status of a file that is answered with: 200, 206 or 416; its first and its number of bytes. Pure. */
int web_file_range(const char *header, uint64_t size_bytes, uint64_t *at, uint64_t *left);
int web_file_head(struct lws *wsi, struct exchange *x, unsigned char **p, unsigned char *end);
/* The next bytes. Returns true behind the last, or -1. */
int web_file_write(struct lws *wsi, struct reply *r);

static inline unsigned char *web_reply_bytes(struct reply *r)
{
	return r->body + LWS_PRE + CHUNK_ROOM;
}

#endif

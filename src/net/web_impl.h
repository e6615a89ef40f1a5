/* web_impl: what web.c (connections, requests, the doors to the loop) and web_write.c (answers on the wire) share.
 *
 * Private to them. Thread: the web thread, unless a member says otherwise. */
#ifndef WEB_IMPL_H
#define WEB_IMPL_H

#include <libwebsockets.h>
#include <pthread.h>
#include <stdatomic.h>

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

struct web {
	struct mq *bell; /* rung when news were put in */
	void (*on_request)(void *arg, const struct web_request *r);
	void (*gone)(void *arg, uint64_t id);
	void *arg;
	struct lws_context *context;
	uint16_t *ports;
	size_t port_count;
	struct handle_table *exchanges; /* web thread */
	pthread_t thread;
	bool running;
	atomic_bool stop;
	pthread_mutex_t lock;
	/* Guarded by lock; in order, last is where the next one goes. */
	struct reply *replies, **last;
	struct news *news, **last_news;
	size_t requests_waiting;
};

void web_news_free(struct news *n);
void web_reply_free(struct reply *r); /* NULL is fine */
/* The exchange is over, or its client has left. */
void web_drop(struct slot *slot);
/* One write a callback: first the head, then the body or the next piece. Returns what the callback returns. */
int web_on_writable(struct web *w, struct lws *wsi, struct slot *slot);

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

/* ws_client_impl: what ws_client.c (the loop's side) and ws_client_serve.c (libwebsockets' side) share. Private to them.
 *
 * Orders go to the thread, reports come from it, both as lists behind a lock. Reports are bounded by credits: a
 * connection that reports a message uses one up, and without it reads no more until the loop grants others. Orders
 * name a connection by its id, since it may be gone; reports by what the loop keeps until the last of them. */
#ifndef WS_CLIENT_IMPL_H
#define WS_CLIENT_IMPL_H

#include <libwebsockets.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "net/ws_client.h"

struct map;
struct mq;
struct ws_conn;

enum {
	WS_CREDITS = 16,
	WS_MAX_HOST = 110,
	WS_MAX_PATH = 1900,
	WS_MAX_AUTHORIZATION = WS_MAX_BEARER + 8,
	WS_MAX_CONNECTIONS = 4096,
	WS_WHY = 160
};

enum ws_news { WS_NEWS_OPENED, WS_NEWS_MESSAGE, WS_NEWS_GONE };

struct ws_report { /* to the loop */
	struct ws_report *next;
	struct ws_conn *conn;
	enum ws_news news;
	enum ws_kind kind; /* MESSAGE */
	uint16_t code;     /* GONE */
	char why[WS_WHY];  /* GONE */
	size_t n;          /* MESSAGE */
	char data[];
};

enum ws_verb { WS_ORDER_OPEN, WS_ORDER_SEND, WS_ORDER_CREDIT, WS_ORDER_CLOSE };

struct ws_order { /* to the thread */
	struct ws_order *next;
	enum ws_verb verb;
	uint64_t id;
	struct ws_link *link; /* OPEN: the thread's from here on */
	enum ws_kind kind;    /* SEND */
	uint16_t code;        /* CLOSE */
	size_t n;
	unsigned char data[]; /* SEND: LWS_PRE bytes of room, then n bytes */
};

struct ws_link { /* a connection as the thread sees it */
	struct list node;
	struct ws_serve *of;
	struct ws_conn *conn; /* to be named in reports */
	uint64_t id;
	struct lws *wsi; /* NULL = between two addresses */
	bool asked, established, closing, paused, wants_messages;
	bool next_address; /* this one did not work */
	uint16_t code;     /* to close with */
	int credits;       /* below 0: what had been read when it was told to pause */
	struct ws_feed *feed;
	unsigned char *frame; /* LWS_PRE bytes of room, then a message of the feed */
	/* Where to. */
	bool secure;
	char host[WS_MAX_HOST + 8]; /* as in the URL, with its port */
	char path[WS_MAX_PATH + 2];
	char authorization[WS_MAX_AUTHORIZATION]; /* "" = none */
	struct addr addrs[WS_MAX_ADDRS];
	size_t addr_count, addr_at;
	/* What waits. */
	struct buf in; /* the begin of a message */
	struct ws_order *out, **last;
	size_t queued_bytes;
	struct ws_report *farewell; /* made beforehand, so that the end needs no memory */
};

struct ws_serve {            /* the thread's alone once that runs, but where it says otherwise */
	struct mq *doorbell; /* any thread: rung when a report was put in */
	uint16_t ping_after_s, gone_after_s;
	struct lws_context *context;
	_Atomic(struct lws_context *) bell; /* any thread: what wakes it; NULL = not yet */
	struct lws_vhost *plain, *secure;
	lws_retry_bo_t liveness;
	struct map *links; /* by the bytes of the id */
	struct list all;
	atomic_bool stop, rung; /* any thread */
	pthread_mutex_t lock;
	/* Guarded by lock. */
	struct ws_order *orders, **last_order;
	struct ws_report *reports, **last_report;
};

/* --- ws_client.c, any thread --- */

void ws_tell(struct ws_serve *s, struct ws_report *r);
struct ws_order *ws_take_orders(struct ws_serve *s);
void ws_order_free(struct ws_order *o);
void ws_wake(struct ws_serve *s);

/* --- ws_client_serve.c --- */

void *ws_serve_run(void *serve); /* the thread */
/* After the thread has ended, so that nobody rings at what is no more: all links tell their end and are gone. */
void ws_serve_close(struct ws_serve *s);
void ws_link_free(struct ws_link *k); /* NULL is fine */

#endif

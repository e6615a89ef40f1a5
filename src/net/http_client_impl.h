/* http_client_impl: what http_client.c (the loop's side), http_client_thread.c and http_client_easy.c (libcurl's side)
 * share. Private to them.
 *
 * A transfer belongs to the thread from http_thread_add() until its answer message has come back to the loop. The
 * thread is no struct loop, so base/mq.h cannot deliver to it: what goes to it is a list behind a mutex, and
 * an eventfd makes it look (curl_multi_wakeup() is a pair of sockets, and every call of it sends). */
#ifndef HTTP_CLIENT_IMPL_H
#define HTTP_CLIENT_IMPL_H

#include "base/list.h"
#include "base/loop.h"
#include "net/http_client.h"
#include "net/http_rules.h"
#include "net/url.h"

struct arena;
struct http_easy;
struct http_thread;
struct mq;

struct http_transfer {
	/* loop */
	struct list all; /* of the client */
	struct http_client *client;
	uint64_t id;
	struct loop_timer deadline;
	void (*done)(void *arg, const struct http_answer *a); /* NULL = cancelled */
	void *arg;

	/* fixed before the thread has it */
	struct arena *arena; /* of all texts; the thread's as long as it has the transfer */
	const char *method;
	struct http_header *headers;
	size_t header_count;
	struct str body;
	struct url_limits limits;
	size_t max_bytes, want_headers;
	struct http_rules *rules;
	uint32_t per_host;
	bool bad_url;

	/* guarded by the lock of the thread */
	struct list command;  /* in the list of what is new for the thread */
	enum http_error stop; /* end it with this error, HTTP_OK = go on */
	bool finished;
	bool patient;
	uint64_t began_us, took_us; /* CLOCK_MONOTONIC; took_us: the loop's when it is finished */

	/* thread */
	struct list working; /* libcurl has it */
	bool sent;           /* the whole request has gone out */
	uint64_t unheard_us; /* since then nobody listens for its answer, 0 = never yet */

	/* thread; the loop again when it is finished */
	const char *url;
	struct url at; /* of url */
	char *user, *password;
	struct http_easy *easy;
	unsigned redirects;
	bool begun;        /* connected: the request goes out */
	uint64_t spent_us; /* in hops before this one */
	uint64_t heard_us; /* since the hop began: last time that something moved */
	uint64_t moved;    /* bytes in both directions then */
	size_t head_bytes;
	struct buf answer;
	enum http_error error;
	char why[200];
	long status;
	char *content_type, *etag, *last_modified, *cache_control; /* NULL = none */
	struct http_header *told;                                  /* the headers that were wanted */
	size_t told_count;
};

enum { HTTP_SPARES = 32 };

struct http_easies { /* thread: handles that nobody uses now */
	struct list spares;
	size_t count;
	const char *ca_file;
};

void http_easies_init(struct http_easies *s, const char *ca_file);
void http_easies_free(struct http_easies *s);
/* A CURL that is ready for the hop to x->url, NULL = the transfer has failed. http_easy_end() in either case, behind
 * curl_multi_remove_handle(). */
void *http_easy_begin(struct http_easies *s, struct http_transfer *x);
void http_easy_end(struct http_easies *s, struct http_transfer *x, bool went_well);
void *http_easy_curl(const struct http_transfer *x);
struct http_transfer *http_easy_transfer(const struct http_easy *e); /* of what CURLINFO_PRIVATE is */
const char *http_easy_detail(const struct http_transfer *x);         /* libcurl's own words, "" = none */
void http_transfer_fail(struct http_transfer *x, enum http_error error, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* answers: of struct http_transfer *, one place reserved a transfer. 0 or errno. */
int http_thread_new(struct http_thread **out, struct mq *answers);
/* Ends the thread; what it had is the caller's. */
void http_thread_free(struct http_thread **t);
/* Whether http_thread_wake() is to follow before long; http_thread_hurry(): the same. */
bool http_thread_add(struct http_thread *t, struct http_transfer *x);
void http_thread_wake(struct http_thread *t);
bool http_thread_hurry(struct http_thread *t, struct http_transfer *x);
/* Finish it soon with that error; harmless when it is finished. */
void http_thread_stop(struct http_thread *t, struct http_transfer *x, enum http_error error);

#endif

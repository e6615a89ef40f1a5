/* http_client_impl: what http_client.c (the loop's side) and http_client_thread.c (libcurl's side) share. Private to
 * them.
 *
 * A transfer belongs to the thread from http_thread_add() until its answer message has come back to the loop. The
 * thread is no struct loop, so base/mq.h cannot deliver to it: what goes to it is a list behind a mutex, and
 * curl_multi_wakeup() makes it look. */
#ifndef HTTP_CLIENT_IMPL_H
#define HTTP_CLIENT_IMPL_H

#include "base/list.h"
#include "base/loop.h"
#include "net/http_client.h"
#include "net/http_rules.h"
#include "net/url.h"

struct arena;
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
	uint64_t sent_us;

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

	/* guarded by the lock of the thread */
	struct list command;  /* in the list of what is new for the thread */
	enum http_error stop; /* end it with this error, HTTP_OK = go on */
	bool finished;

	struct list working; /* thread: libcurl has it */

	/* thread; the loop again when it is finished */
	const char *url;
	struct url at; /* of url */
	char *user, *password;
	void *easy;
	void *lines; /* headers as libcurl wants them */
	char detail[256];
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

/* answers: of struct http_transfer *, one place reserved a transfer. 0 or errno. */
int http_thread_new(struct http_thread **out, struct mq *answers);
/* Ends the thread; what it had is the caller's. */
void http_thread_free(struct http_thread **t);
void http_thread_add(struct http_thread *t, struct http_transfer *x);
/* Finish it soon with that error; harmless when it is finished. */
void http_thread_stop(struct http_thread *t, struct http_transfer *x, enum http_error error);

#endif

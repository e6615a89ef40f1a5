/* http_client: libcurl multi in a thread of its own: one request in, one answer back on the loop.
 *
 * Judges targets by the address really used, at each redirect anew: loopback, private, link-local, multicast and
 * unspecified addresses are refused unless an allow entry names the host or its network. http and https only; at
 * most 3 redirects; user:password@ of the URL becomes basic auth and is never logged; connections are
 * reused. A virtual loop is held while a request is open. Thread: all calls on the loop given at birth.
 * Source: PRODUCT §5, swml.md §6, cxml.md (#ot=…&rt=…&tt=… in the fragment). */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include "base/str.h"

struct loop;
struct http_client;

enum http_error {
	HTTP_OK, /* an answer came, whatever its status */
	HTTP_BAD_URL,
	HTTP_REFUSED_TARGET, /* private address without permission */
	HTTP_NAME,           /* host name not found */
	HTTP_CONNECT,        /* refused, unreachable, connect time-out */
	HTTP_TLS,
	HTTP_TIMEOUT,
	HTTP_TOO_BIG,
	HTTP_REDIRECTS, /* more than 3, or to another scheme */
	HTTP_BROKEN,    /* the answer is no HTTP, or was cut */
	HTTP_FULL,      /* too many requests are waiting */
	HTTP_CANCELLED, /* http_client_free() */
};

struct http_header {
	const char *name;
	struct str value;
};

struct http_request {       /* all copied */
	const char *method; /* "GET", "POST", … */
	const char *url;
	const struct http_header *headers;
	size_t header_count;
	struct str body;     /* absent or empty = none */
	uint32_t connect_ms; /* 0 = 2000 */
	uint32_t read_ms;    /* longest wait for the next byte, 0 = 5000 */
	uint32_t total_ms;   /* 0 = 15000 */
	size_t max_bytes;    /* of the answer's body, 0 = 1 MiB */
	size_t want_headers; /* of the answer: how many of them, at most */
	/* Nobody waits for the answer: neither the thread nor the loop is woken for it, and it is heard of some milliseconds later,
	 * 12 at most. */
	bool patient;
};

struct http_answer { /* borrowed during done() */
	enum http_error error;
	const char *why; /* one clause, no secrets; never NULL */
	int status;      /* with HTTP_OK */
	struct str body;
	struct str content_type;
	struct str etag, last_modified, cache_control; /* headers as they came; empty = none */
	/* As many as were wanted, in their order, names in small letters; one that came twice joined by ", ". */
	const struct http_header *headers;
	size_t header_count;
	struct buf *bytes; /* what body is a view of: buf_steal() keeps it; NULL with an error */
	/* From http_client_send() until the whole answer was read, by the real clock; that of a patient request may have come a few
	 * milliseconds before. */
	uint64_t took_us;
};

struct http_client_opts {
	const char *const
		*allow;    /* hosts ("app.test"), addresses or networks ("10.0.0.0/8"), NULL-terminated; NULL = none */
	bool deny_private; /* false: no target is refused */
	uint32_t per_host; /* connections at once, 0 = 8 */
	uint32_t waiting;  /* requests that may wait, 0 = 4096 */
};

int http_client_new(struct http_client **out, struct loop *l, const struct http_client_opts *opts);
/* Ends the thread; done() is called with HTTP_CANCELLED for what was open. */
void http_client_free(struct http_client **c);
/* New rules for requests from now on (reload). 0 or ENOMEM. */
int http_client_rules(struct http_client *c, const struct http_client_opts *opts);
/* done runs from the loop, exactly once unless cancelled. *id names it. 0, ENOMEM, or EAGAIN when full. */
int http_client_send(struct http_client *c, const struct http_request *r,
		     void (*done)(void *arg, const struct http_answer *a), void *arg, uint64_t *id);
void http_client_cancel(struct http_client *c, uint64_t id); /* stale ids are fine */
/* Somebody waits for the answer to a patient request now. Stale ids are fine. */
void http_client_hurry(struct http_client *c, uint64_t id);
const char *http_error_name(enum http_error e);

#endif

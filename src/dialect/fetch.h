/* fetch: documents by location: files, http(s) URLs, and texts that are documents themselves.
 *
 * Read and parsed off the loop when that takes time. Files are cached: used without asking the disk for up to 1 s, then
 * their mtime and size are looked at again on the pool. What comes by URL is asked for anew each time (but not parsed again when
 * it is the same text), is signed, is not retried, and has a fallback. Documents are immutable and counted; a running script keeps the one it
 * started with. Thread: signal; reading and parsing on the pool. Source: swml.md §2, §6. */
#ifndef FETCH_H
#define FETCH_H

#include "base/doc.h"

struct fetch;
struct http_client;
struct loop;
struct pool;

struct document { /* counted: document_use / document_drop */
	const struct doc *root;
	const char *location; /* for messages: without credentials */
			      /* private to fetch_file.c behind this */
};

struct fetch_request {        /* all copied */
	const char *location; /* absolute file name, http(s) URL, or a document as text that begins with '{' */
	const char *method;   /* of URLs: "GET", or NULL or "POST" */
	const char *fallback; /* where to look when that fails, by the same method; NULL = nowhere */
	struct str body;      /* of a POST */
};

struct fetch_result {
	struct document *document; /* NULL = failed; a reference for the receiver */
	int err;                   /* ENOENT, EACCES, EFBIG, EINVAL (does not parse), EIO (by URL) … */
	struct doc_error at;       /* EINVAL: where and what */
	const char *why;           /* failed: one clause, no secrets; borrowed during done() */
	size_t bytes;              /* of its text, as far as one came */
	bool fallback;             /* it came from there, or that failed as well */
};

int fetch_new(struct fetch **out, struct loop *l, struct pool *p);
void fetch_free(struct fetch **f);
/* URLs are fetched by h from now on (NULL, as at first: they fail), signed with key (NULL: not signed). Both borrowed. */
void fetch_use_http(struct fetch *f, struct http_client *h, const char *signing_key);
/* Borrowed; NULL = URLs are switched off. */
struct http_client *fetch_http(const struct fetch *f);
/* done runs from the loop, exactly once unless cancelled. *id names it for fetch_cancel(). 0 or ENOMEM. */
int fetch_document(struct fetch *f, const struct fetch_request *r,
		   void (*done)(void *arg, const struct fetch_result *r), void *arg, uint64_t *id);
void fetch_cancel(struct fetch *f, uint64_t id);
/* A document that came by another way, with one reference for the caller; *a, which holds root, becomes its own.
 * location: for messages, copied. 0 or ENOMEM (*a stays the caller's). */
int document_new(struct document **out, struct arena **a, const struct doc *root, const char *location);
struct document *document_use(struct document *d);
void document_drop(struct document *d);

#endif

/* fetch: documents by location, read and parsed off the loop, cached.
 *
 * First version: files. A cached document is used without asking the disk for up to 1 s, then its mtime
 * and size are looked at again on the pool. Documents are immutable and counted; a running script keeps the one
 * it started with. http(s) comes with the next release (EPROTONOSUPPORT). Thread: signal; reading and
 * parsing on the pool. */
#ifndef FETCH_H
#define FETCH_H

#include "base/doc.h"

struct fetch;
struct loop;
struct pool;

struct document { /* counted: document_use / document_drop */
	const struct doc *root;
	const char *location;
	/* private to fetch.c behind this */
};

struct fetch_result {
	struct document *document; /* NULL = failed; a reference for the receiver */
	int err;                   /* ENOENT, EACCES, EFBIG, EINVAL (does not parse), EPROTONOSUPPORT */
	struct doc_error at;       /* EINVAL: where and what */
};

int fetch_new(struct fetch **out, struct loop *l, struct pool *p);
void fetch_free(struct fetch **f);
/* done runs from the loop, exactly once unless cancelled. *id names it for fetch_cancel(). 0 or ENOMEM. */
int fetch_document(struct fetch *f, const char *location, void (*done)(void *arg, const struct fetch_result *r),
		   void *arg, uint64_t *id);
void fetch_cancel(struct fetch *f, uint64_t id);
struct document *document_use(struct document *d);
void document_drop(struct document *d);

#endif

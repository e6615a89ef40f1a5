/* fetch_impl: what fetch.c (one request: document, then fallback) and fetch_file.c (files and their cache) share.
 * Private to them. */
#ifndef FETCH_IMPL_H
#define FETCH_IMPL_H

#include "dialect/fetch.h"

struct files;

struct file_result {
	struct document *document; /* NULL = failed; a reference for the receiver */
	int err;                   /* ENOENT, EACCES, EFBIG, ENOMEM, EINVAL (does not parse) … */
	struct doc_error at;       /* EINVAL: where and what */
	size_t bytes;              /* of the file */
};

int files_new(struct files **out, struct loop *l, struct pool *p);
void files_free(struct files **f);
/* done runs from the loop, exactly once unless cancelled. 0 or ENOMEM. */
int files_get(struct files *f, const char *path, void (*done)(void *arg, const struct file_result *r), void *arg,
	      uint64_t *id);
void files_cancel(struct files *f, uint64_t id);

#endif

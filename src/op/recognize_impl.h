/* recognize_impl: how engines are told and what they leave on disk. Private to recognize*.c. */
#ifndef RECOGNIZE_IMPL_H
#define RECOGNIZE_IMPL_H

#include "op/recognize.h"

struct arena;
struct pool;

/* The command line, NULL-terminated, in the arena. What documents say is cleaned: letters, digits, blanks, ' . - and what
 * is beyond ASCII, hints with commas between them, and no dash at the beginning. NULL on no memory. */
const char *const *recognize_argv(struct arena *a, const char *const *command, const struct recognize_request *q);
/* The same in a URL, escaped. */
void recognize_url(struct buf *out, const char *url, const struct recognize_request *q);

/* Make the folder and empty it of what a former run left. 0 or -1 with errno. Looks at the disk: for the start only. */
int recognize_folder(const char *path);

/* A file on its way to be read, and removed: on the pool it touches nothing but itself. */
struct recognize_file {
	char *path;
	struct buf said;
	int err;
	/* Owns f. Not called when the pool goes first: f is freed then. */
	void (*done)(struct recognize_file *f);
	void *arg; /* loop only; NULL = nobody wants it */
};

struct recognize_file *recognize_file_new(const char *path, void (*done)(struct recognize_file *f), void *arg);
void recognize_file_free(struct recognize_file *f);
/* 0 or ENOMEM (f stays the caller's). */
int recognize_file_run(struct pool *p, struct recognize_file *f);

#endif

/* spool: accepted webhooks on disk, so that they survive the process: a table of the store.
 *
 * Rows are numbered in the order of acceptance. Writing and removing only queue a row for the writer; reading blocks
 * and belongs to the start. Thread: the store's loop. */
#ifndef SPOOL_H
#define SPOOL_H

#include "base/str.h"

struct store;

/* For store_open(), together with those of others: NULL-terminated. */
extern const char *const spool_schema[];
extern const char *const spool_statements[];

struct spool {
	struct store *store; /* NULL = nothing is kept */
	unsigned first;      /* where spool_statements begin among those of the store */
	int64_t next;        /* number of the next row; set by spool_read() */
};

struct spool_row {
	int64_t number;
	struct str id; /* of the event, equal in all deliveries */
	struct str call_id;
	uint32_t sequence;
	bool final;
	struct str url, body;
	uint64_t created_ms; /* Unix time */
};

/* All rows in order, before the first write. False from fn ends it. 0 or EIO. */
int spool_read(struct spool *s, bool (*fn)(void *arg, const struct spool_row *r), void *arg);
/* 0, ENOMEM, or EAGAIN when so many rows wait for the disk that this one is better kept in memory only. */
int spool_write(struct spool *s, const struct spool_row *r);
void spool_remove(struct spool *s, int64_t number);
/* What was written so far goes to the disk now. */
void spool_flush(struct spool *s);

#endif

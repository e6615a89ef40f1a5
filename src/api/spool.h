/* spool: accepted webhooks on disk, so that they survive the process: a table of the store, and a journal for those on
 * their way to it.
 *
 * Rows are numbered in the order of acceptance. Accepting copies a row into the journal; writing and removing only
 * queue it for the writer; reading blocks and belongs to the start. Thread: the store's loop. */
#ifndef SPOOL_H
#define SPOOL_H

#include "base/str.h"

struct journal;
struct store;

/* For store_open(), together with those of others: NULL-terminated. */
extern const char *const spool_schema[];
extern const char *const spool_statements[];

struct spool {
	struct store *store;     /* NULL = nothing is kept */
	struct journal *journal; /* NULL = rows that the writer has not committed go with the process */
	unsigned first;          /* where spool_statements begin among those of the store */
	int64_t next;            /* number of the next row; set by spool_read() */
};

struct spool_row {
	int64_t number;
	struct str id; /* of the event, equal in all deliveries */
	struct str call_id;
	uint32_t sequence;
	bool final;
	struct str url, body;
	uint64_t created_ms; /* Unix time */
	uint64_t mark;       /* its place in the journal, 0 = none */
	bool written;        /* in the table, or on its way there */
};

/* All rows in order, before the first write: those of the table and those that only the journal has. fn must not write,
 * but may remove; false ends it. 0 or EIO. */
int spool_read(struct spool *s, bool (*fn)(void *arg, const struct spool_row *r), void *arg);
/* Gives the row its number, and lets it survive the process from here on. 0, or ENOSPC when the journal has no room:
 * then only spool_write() keeps it. */
int spool_accept(struct spool *s, struct spool_row *r);
/* 0, ENOMEM, or EAGAIN when so many rows wait for the disk that this one is better kept in memory only. */
int spool_write(struct spool *s, struct spool_row *r);
void spool_remove(struct spool *s, const struct spool_row *r);
/* What was written so far goes to the disk now. */
void spool_flush(struct spool *s);

#endif

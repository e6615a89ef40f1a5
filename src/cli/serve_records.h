/* serve_records: what a server keeps under its data folder: the database with call records, webhooks and recordings,
 * and the files of the recordings. Part of serve.c. Thread: signal. */
#ifndef SERVE_RECORDS_H
#define SERVE_RECORDS_H

struct config;
struct events;
struct loop;
struct pool;
struct record;
struct recordings;
struct store;

struct serve_records {
	const char *schema[24], *statements[16]; /* of all three */
	struct store *store;
	struct record *record;
	unsigned spool_first; /* of the webhooks' statements */
	struct pool *disk;    /* for recordings: a disk that stalls holds up no document */
	struct recordings *recordings;
};

struct serve_records_opts { /* borrowed */
	struct loop *loop;
	struct events *events;
	const struct config *config;
};

/* Blocking. 0 or errno with why (it may be empty); to be closed in either case. */
int serve_records_open(struct serve_records *r, const struct serve_records_opts *opts, char why[200]);
/* After the last call. *r may be zeroed memory. */
void serve_records_close(struct serve_records *r);
/* What a new configuration changes. 0 or ENOMEM. */
int serve_records_move(struct serve_records *r, const struct config *c);

#endif

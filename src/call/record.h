/* record: one row per leg in the table "calls", written when the leg ends.
 *
 * A subscriber of events: each terminal event becomes one row, keyed by the call id, so that a row that is written
 * again changes nothing. The store writes it from its own thread; nothing here waits. What the columns mean is in
 * docs/records.md.
 * Thread: signal. */
#ifndef RECORD_H
#define RECORD_H

#include <stdbool.h>
#include <stddef.h>

struct events;
struct record;
struct store;

/* For store_opts; the statement is that of number 0. */
extern const char *const record_schema[];
extern const char *const record_statements[];

struct record_opts { /* all borrowed, must outlive the record */
	struct events *events;
	struct store *store; /* opened with the two tables above */
	const char *node;    /* name of this server in its rows */
	size_t backlog_max;  /* rows that may wait before new calls are refused; 0 = 100,000 */
};

/* 0 or ENOMEM. */
int record_new(struct record **out, const struct record_opts *opts);
/* After the last event. */
void record_free(struct record **r);
/* So many rows wait that no new call should be taken. */
bool record_is_behind(const struct record *r);

#endif

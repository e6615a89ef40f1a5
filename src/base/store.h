/* store: SQLite behind a writer thread: rows in, no answer back.
 *
 * Knows no table by name: schema and statements are the caller's. Rows are written in batches (WAL, one transaction
 * per turn of the writer, at most 500 rows); what waits is held in memory, so a full or locked disk delays rows and
 * loses none: the writer tries again every second and says so in the log, once a minute at most. The owner looks at
 * store_backlog() and stops taking new work when it is over its limit. On a virtual loop there is no thread: the
 * writer's turns run inline.
 * Thread: calls on the loop given at birth; SQLite on the writer. */
#ifndef STORE_H
#define STORE_H

#include "base/str.h"

struct loop;
struct store;

enum store_type { STORE_NULL, STORE_INTEGER, STORE_REAL, STORE_TEXT };

struct store_value {
	enum store_type type;
	int64_t integer;
	double real;
	struct str text; /* copied; an absent slice is NULL */
};

struct store_opts {       /* path is copied, the statements are borrowed and must outlive the store */
	const char *path; /* of the database file; its folder is made when missing */
	const char *const *
		schema; /* statements run at opening, NULL-terminated; must be repeatable, but may add columns that are there */
	const char *const *statements; /* what store_write() may run, NULL-terminated, with ?1 … parameters */
	uint32_t retry_ms;             /* between tries of a disk that fails; 0 = 1000 */
};

/* Opens, migrates and checks the database (blocking: at start only; files over 64 MiB are not read to their end).
 * 0 or errno with why. */
int store_open(struct store **out, struct loop *l, const struct store_opts *opts, char why[160]);
/* Read rows before the first store_write() (at start only, blocking). row returns false to stop; its texts live until
 * it returns. 0 or EIO. */
int store_read(struct store *s, const char *sql, bool (*row)(void *arg, const struct store_value *v, size_t n),
	       void *arg);
/* Queue one row for statement number n. A row that breaks the table's own rules is told in the log and left out;
 * it would hold up all behind it. 0 or ENOMEM. */
int store_write(struct store *s, unsigned statement, const struct store_value *values, size_t count);
/* What waits is written now, not at the end of the writer's turn. */
void store_flush(struct store *s);
/* Rows that wait: a row is committed within some 100 ms, and a kill before that takes it along. */
size_t store_backlog(const struct store *s);
/* Rows taken and rows committed since the opening; they leave in the order they came. */
uint64_t store_taken(const struct store *s);
uint64_t store_committed(const struct store *s);
/* Writes what waits (gives up after 5 s without progress and says how many rows are lost), ends the thread. */
void store_close(struct store **s);

#endif

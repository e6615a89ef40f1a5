/* journal: webhooks of the last moments in a file that is mapped, so that they outlive the process without waiting for
 * a disk.
 *
 * A ring of records. What is written to the map is the kernel's: it survives kill -9 at any point, not a loss of power.
 * A record may be overwritten when it is done or when its row in the store is committed. The spool alone uses it; it
 * is not safe against a second process, which journal_open() keeps out. Thread: the spool's loop. */
#ifndef JOURNAL_H
#define JOURNAL_H

#include <stddef.h>

#include "api/spool.h"

struct journal;

enum { JOURNAL_HEAD_BYTES = 64, JOURNAL_ALIGN_BYTES = 64 };

struct journal_counts {
	size_t whole;   /* records that were found at the start, done ones included */
	size_t damaged; /* found, but with a wrong checksum */
};

/* Maps the file, made and given its blocks when it is missing (blocking: at start only). 0 or errno with why;
 * EAGAIN = another process has it. */
int journal_open(struct journal **out, const char *path, size_t bytes, char why[160]);
/* The same over memory of the caller's, which outlives it; aligned to 8 bytes. 0, EINVAL when too small, or ENOMEM. */
int journal_over(struct journal **out, void *memory, size_t bytes);
void journal_free(struct journal **j);
/* The records from the oldest on; *at begins with 0. Texts point into the map: read before the first put. */
bool journal_next(const struct journal *j, uint64_t *at, struct spool_row *row, bool *done);
/* Writes the row and sets its mark, 0 = none, which all that take one ignore. committed: tickets up to it are on disk. 0, or ENOSPC when the oldest record may
 * not be overwritten yet. */
int journal_put(struct journal *j, struct spool_row *row, uint64_t committed);
/* Its row is the ticket-th in the queue of the store. 0 = it is there already. */
void journal_ticket(struct journal *j, uint64_t mark, uint64_t ticket);
/* Nobody needs it any more. */
void journal_done(struct journal *j, uint64_t mark);
struct journal_counts journal_count(const struct journal *j);

#endif

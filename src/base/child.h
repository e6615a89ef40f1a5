/* child: programs run beside the server: text in, a file out, limits, a deadline, one answer.
 *
 * Started by posix_spawn on a pool thread, without a shell, with a small environment and no descriptor of ours. Input is
 * a file in memory, output a file, never a pipe that somebody must drain. So many at once, the others wait, a bounded
 * number of them. A program that is late or cancelled is killed with its process group, and so is what it leaves behind.
 * A virtual loop is held while one runs: there its deadline does not come. Thread: all calls on the loop. */
#ifndef CHILD_H
#define CHILD_H

#include "base/str.h"

struct children;
struct loop;
struct pool;

enum { CHILD_WHY = 240, CHILD_PATH = 256 };

struct child_request {           /* all copied */
	const char *const *argv; /* NULL-terminated; argv[0] with a slash, or a name that child_find() finds */
	struct str input;        /* its stdin, complete and seekable: /dev/stdin is a name of it */
	const char *output;      /* the file its stdout goes to, made new; NULL = nowhere */
	uint32_t deadline_ms;    /* from the start of the program on */
	uint32_t cpu_s;
	uint32_t memory_mb; /* of its address space */
	uint32_t file_mb;   /* of each file that it writes */
};

enum child_end {
	CHILD_EXITED, /* by itself: code is its status */
	CHILD_KILLED, /* by a limit or by somebody: code is the signal */
	CHILD_LATE,   /* by its deadline */
	CHILD_FAILED, /* it could not be started: code is the errno */
};

struct child_result { /* borrowed during done() */
	enum child_end end;
	int code;
	const char *why; /* one clause, with the first line that it wrote to stderr; "" when it exited with 0 */
};

typedef void child_done_fn(void *arg, const struct child_result *r);

/* at_once: programs that run, waiting: those that may wait for a place. 0 or ENOMEM. */
int children_new(struct children **out, struct loop *l, struct pool *p, unsigned at_once, unsigned waiting);
/* Kills what runs; nobody is told. Before or after the pool. */
void children_free(struct children **cs);
/* done runs from the loop, exactly once unless cancelled. *id names it. 0, ENOMEM, or EAGAIN when too many wait. */
int child_run(struct children *cs, const struct child_request *r, child_done_fn *done, void *arg, uint64_t *id);
/* Kill it; done() is not called. Stale ids are fine. */
void child_cancel(struct children *cs, uint64_t id);
/* Where a program is: itself when it has a slash, else the first in /usr/local/bin, /usr/bin, /bin. 0, ENOENT. Looks at
 * the disk. */
int child_find(char out[CHILD_PATH], const char *name);

#endif

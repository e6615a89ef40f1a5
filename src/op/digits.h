/* digits: collect keys until a rule says stop.
 *
 * Pure state, no timers and no I/O: the caller passes the time in and asks for the next deadline. One collector per
 * collect operation. Thread: any, one at a time. */
#ifndef DIGITS_H
#define DIGITS_H

#include <stddef.h>
#include <stdint.h>

enum { DIGITS_MAX = 64, DIGITS_MAX_TERMINATORS = 16 };

struct digits;

struct digits_rules {
	size_t max;              /* stop after this many keys, 1 to DIGITS_MAX             */
	const char *terminators; /* keys that end input, "" for none                       */
	uint32_t first_ms;       /* longest wait for the first key, 0 = no limit           */
	uint32_t next_ms;        /* longest wait for each further one, 0 = no limit        */
};

enum digits_state {
	DIGITS_OPEN,       /* wants more keys                  */
	DIGITS_FULL,       /* max keys reached                 */
	DIGITS_TERMINATED, /* a terminator was pressed         */
	DIGITS_TIMEOUT,    /* waited too long; may hold keys   */
};

/* Copies *rules. The first key is not waited for before digits_listen(). The caller owns *out and frees it with
 * digits_free(). Returns 0, EINVAL for bad rules, ENOMEM; on error *out is untouched. */
int digits_new(struct digits **out, const struct digits_rules *rules);
void digits_free(struct digits **d);
/* From now_ms (monotonic) on the first key is waited for; without effect when it came already. */
void digits_listen(struct digits *d, uint64_t now_ms);
/* Take one key; unknown keys and keys after the end are ignored. */
enum digits_state digits_key(struct digits *d, char key, uint64_t now_ms);
/* Tell the time. Call it when digits_deadline() has passed. */
enum digits_state digits_tick(struct digits *d, uint64_t now_ms);
/* When digits_tick() is due [ms, same clock], 0 = never. */
uint64_t digits_deadline(const struct digits *d);
/* Keys so far, without the terminator. Borrowed until digits_free(). */
const char *digits_text(const struct digits *d);
/* The key that ended it, NUL = none. */
char digits_terminator(const struct digits *d);

#endif

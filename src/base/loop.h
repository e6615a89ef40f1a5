/* loop: timers, file descriptors and deferred calls of one thread; the only clock and the only
 * source of random numbers above base/.
 *
 * A real loop sleeps in epoll. A virtual loop (tests) never sleeps: when no handler is ready, no
 * message waits and nothing is held open, its clock jumps to the next timer; its random numbers
 * come from a seed. Timers and watches are embedded in their owners, cost no allocation, start and
 * stop in O(1); the owner stops them before it dies.
 * Thread: everything but loop_wake() belongs to the thread that runs the loop. */
#ifndef LOOP_H
#define LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/list.h"

struct loop;

struct loop_timer {
	struct list node; /* zeroed memory = never started */
	uint64_t due_ms;
	void (*fn)(void *arg);
	void *arg;
	int16_t slot; /* where the wheel keeps it; loop.c only */
	bool active;
};

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

struct loop_io {
	int fd;
	unsigned events; /* of LOOP_READ, LOOP_WRITE */
	/* ready: of the same; an error or hang-up comes as both. */
	void (*fn)(void *arg, unsigned ready);
	void *arg;
	bool active;
};

/* What is looked at in every turn, whatever the loop woke for: work that woke nobody. */
struct loop_look {
	struct list node;
	bool (*fn)(void *arg); /* returns whether there was something */
	void *arg;
	bool active;
};

/* virtual_time false: real clock, random numbers from the kernel, seed ignored. */
int loop_new(struct loop **out, bool virtual_time, uint64_t seed);
/* All timers and watches must have been stopped. */
void loop_free(struct loop **l);

/* Run until loop_stop(). */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* One turn: ready handlers and due timers, sleeping at most until the next timer (virtual: jumping to
 * it). Returns false when there was nothing to do and nothing to wait for (virtual loops: the end). */
bool loop_turn(struct loop *l);
/* Virtual loops: turn until idle (the clock stays where the last handler ran) or until everything due up to
 * until_ms has run (the clock then shows until_ms). UINT64_MAX = until idle. */
void loop_run_until(struct loop *l, uint64_t until_ms);

/* Monotonic time, taken once a turn. A virtual clock starts at 1000. */
uint64_t loop_now_ms(const struct loop *l);
uint64_t loop_now_us(const struct loop *l);
/* Take the time anew within a turn: before a handler goes on with times of another real loop, which may be later than the beginning
 * of this turn. Without effect on virtual loops. */
void loop_catch_up(struct loop *l);
/* When that was on this clock: the kernel's stamp of something that came (CLOCK_REALTIME), at most now. On a virtual loop: now. */
uint64_t loop_stamp_us(struct loop *l, const struct timespec *stamp);
/* Unix time [ms], for events and logs only. */
uint64_t loop_wall_ms(const struct loop *l);
/* The real monotonic clock, for threads that turn no loop of ours. Any thread. */
uint64_t loop_real_us(void);
/* Unpredictable for outsiders on a real loop, seeded on a virtual one. */
uint64_t loop_random(struct loop *l);
/* 0 .. below-1. */
uint32_t loop_random_below(struct loop *l, uint32_t below);
bool loop_is_virtual(const struct loop *l);

/* Start (or start anew) a timer. delay_ms 0 = behind everything that is ready in this turn, in the order
 * of starting: this is also the deferred call. */
void loop_timer_start(struct loop *l, struct loop_timer *t, uint64_t delay_ms, void (*fn)(void *arg), void *arg);
/* The same for what is in no hurry: up to LOOP_LOOSE_MS later, in one go with others, so that thousands of timers
 * that only forget something do not each wake a sleeping loop. */
enum { LOOP_LOOSE_MS = 128 };
void loop_timer_start_loose(struct loop *l, struct loop_timer *t, uint64_t delay_ms, void (*fn)(void *arg), void *arg);
/* Work that goes on for long, in slices: behind everything else of this turn, in the order of starting, and only as many as half a
 * millisecond takes; what is left has its next chance in the next turn. So a thousand of them hold up nobody else. On
 * a virtual loop, where no time passes, the same as delay 0. */
void loop_timer_start_slice(struct loop *l, struct loop_timer *t, void (*fn)(void *arg), void *arg);
void loop_timer_stop(struct loop *l, struct loop_timer *t); /* harmless when not running */
/* Timers now running; tests assert that it is 0 at the end. */
uint32_t loop_timer_count(const struct loop *l);

/* Watch a descriptor (level-triggered). Returns 0 or errno. */
int loop_io_add(struct loop *l, struct loop_io *io, int fd, unsigned events, void (*fn)(void *arg, unsigned ready),
		void *arg);
int loop_io_change(struct loop *l, struct loop_io *io, unsigned events);
void loop_io_remove(struct loop *l, struct loop_io *io); /* before the descriptor is closed */

/* At the beginning of each turn, before the loop sleeps. fn may remove its own, and others. */
void loop_look_add(struct loop *l, struct loop_look *look, bool (*fn)(void *arg), void *arg);
void loop_look_remove(struct loop *l, struct loop_look *look); /* harmless when it is not there */

/* Outside work is open (a real request, a child): a virtual clock stands still. */
void loop_hold(struct loop *l);
void loop_release(struct loop *l);

/* Report handlers that took longer than limit_us; NULL = off. */
void loop_watch_slow(struct loop *l, uint32_t limit_us, void (*fn)(void *arg, uint64_t took_us), void *arg);
/* Make a sleeping loop turn. Any thread, any time before loop_free(). */
void loop_wake(struct loop *l);
/* Abort when called on another thread than the one that runs (or made) the loop. */
void loop_assert_mine(const struct loop *l);
/* The caller runs inside loop_turn() of this loop, so nothing has to be woken. Any thread. */
bool loop_is_turning_here(const struct loop *l);

#endif

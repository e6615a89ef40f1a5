#include "base/loop.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"

/* Ten levels of 64 slots reach over every due time that can be told in microseconds. */
enum {
	LEVEL_BITS = 6,
	LEVEL_SLOTS = 1 << LEVEL_BITS,
	LEVELS = 10,
	SLOT_NONE = -1, /* in a list that needs no bit: ready or running */
	BATCH = 64,
	SLICES_US = 500,   /* of a turn, for work that goes on for long */
	HELD_TURN_MS = 10, /* a held virtual loop looks around at least this often */
	RANDOM_BYTES = 4096,
	OLDEST_STAMP_US = 1000000,
};

static const uint64_t virtual_start_ms = 1000;
static const uint64_t virtual_epoch_ms = 1767225600000;  /* 2026-01-01 00:00:00 UTC */
static const uint64_t latest_ms = UINT64_MAX / 1000 - 1; /* the last due time that fits as microseconds */
static const uint64_t never = UINT64_MAX;

struct loop {
	bool virtual_time, stopping;
	bool no_pwait2; /* the kernel (or a sandbox) lacks epoll_pwait2() */
	int epoll_fd;
	uint64_t now_us;
	int64_t ahead_us; /* the wall clock's, in this turn; 0 = not asked yet */
	uint32_t held;

	/* The wheel. A timer sits on the level of the highest 6-bit digit in which its due time differs from
	 * tick_ms, in the slot of that digit. So all of level n are due before all of level n+1, and a slot of
	 * level n is dealt out to lower levels when tick_ms reaches it, in the order of starting. */
	uint64_t tick_ms;
	uint32_t used_levels;
	uint64_t used_slots[LEVELS];
	struct list slots[LEVELS * LEVEL_SLOTS];
	struct list ready;             /* delay 0, for the end of this turn */
	struct list slices;            /* behind those, as far as time allows */
	struct list running;           /* being fired now                   */
	struct list looks, *next_look; /* next_look: while they are run */
	uint32_t timers;

	struct epoll_event batch[BATCH];
	int batch_at, batch_count;
	uint32_t watches;
	struct loop_io wake; /* not counted in watches */

	void (*slow)(void *arg, uint64_t took_us);
	void *slow_arg;
	uint64_t slow_limit_us, began_us;

	uint64_t seed; /* state of the virtual random numbers */
	uint8_t random[RANDOM_BYTES];
	size_t random_left;

	_Atomic(pthread_t) owner; /* any thread may read */
	atomic_bool turning;      /* owner is inside loop_turn() */
};

static uint64_t clock_us(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void read_clock(struct loop *l)
{
	if (!l->virtual_time)
		l->now_us = clock_us(CLOCK_MONOTONIC);
	l->ahead_us = 0;
}

static void drain_wake(void *arg, unsigned ready)
{
	struct loop *l = arg;
	uint64_t count;

	/* Level-triggered: what one read leaves behind would make the next turn run again. */
	if (read(l->wake.fd, &count, sizeof(count)) < 0)
		assert(errno == EAGAIN);
}

static int set_watch(struct loop *l, struct loop_io *io, int op, unsigned events)
{
	struct epoll_event e = { .data.ptr = io };

	e.events = (events & LOOP_READ ? EPOLLIN : 0U) | (events & LOOP_WRITE ? EPOLLOUT : 0U);
	return epoll_ctl(l->epoll_fd, op, io->fd, &e) ? errno : 0;
}

int loop_new(struct loop **out, bool virtual_time, uint64_t seed)
{
	struct loop *l = calloc(1, sizeof(*l));
	int err = 0;

	if (!l)
		return ENOMEM;
	l->virtual_time = virtual_time;
	l->seed = seed;
	l->now_us = virtual_start_ms * 1000;
	read_clock(l);
	l->tick_ms = l->now_us / 1000;
	atomic_store(&l->owner, pthread_self());
	for (size_t i = 0; i < ARRAY_LEN(l->slots); i++)
		list_init(&l->slots[i]);
	list_init(&l->ready);
	list_init(&l->slices);
	list_init(&l->running);
	list_init(&l->looks);

	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->wake = (struct loop_io){ .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .fn = drain_wake, .arg = l };
	if (l->epoll_fd < 0 || l->wake.fd < 0)
		err = errno;
	else
		err = set_watch(l, &l->wake, EPOLL_CTL_ADD, LOOP_READ);
	if (err)
		loop_free(&l);
	else
		*out = l;
	return err;
}

void loop_free(struct loop **loop)
{
	struct loop *l = *loop;

	if (!l)
		return;
	assert(!l->timers && !l->watches && !atomic_load(&l->turning));
	if (l->epoll_fd >= 0)
		close(l->epoll_fd);
	if (l->wake.fd >= 0)
		close(l->wake.fd);
	/* Left-over random bytes could tell of the ones that were used. */
	explicit_bzero(l->random, sizeof(l->random));
	free(l);
	*loop = NULL;
}

/* --- the wheel --- */

static void enter(struct loop *l, struct loop_timer *t)
{
	uint64_t differs = t->due_ms ^ l->tick_ms;
	unsigned level = differs ? (63U - (unsigned)__builtin_clzll(differs)) / LEVEL_BITS : 0;
	unsigned index = (t->due_ms >> (level * LEVEL_BITS)) & (LEVEL_SLOTS - 1);

	t->slot = (int16_t)(level * LEVEL_SLOTS + index);
	list_append(&l->slots[t->slot], &t->node);
	l->used_slots[level] |= 1ULL << index;
	l->used_levels |= 1U << level;
}

static void slot_emptied(struct loop *l, unsigned slot)
{
	unsigned level = slot / LEVEL_SLOTS;

	l->used_slots[level] &= ~(1ULL << (slot % LEVEL_SLOTS));
	if (!l->used_slots[level])
		l->used_levels &= ~(1U << level);
}

/* Find the next slot to come and the first due time it can hold; never when the wheel is empty. */
static uint64_t next_slot(const struct loop *l, unsigned *slot)
{
	unsigned level, index, above;
	uint64_t start;

	if (!l->used_levels)
		return never;
	level = (unsigned)__builtin_ctz(l->used_levels);
	index = (unsigned)__builtin_ctzll(l->used_slots[level]);
	above = (level + 1) * LEVEL_BITS;
	start = l->tick_ms >> above << above;
	*slot = level * LEVEL_SLOTS + index;
	return start | (uint64_t)index << (level * LEVEL_BITS);
}

/* Go to the slot that begins at start_ms: deal it out to the levels below, or take a slot of level 0, whose
 * timers are all due at start_ms, into running. */
static void reach_slot(struct loop *l, unsigned slot, uint64_t start_ms)
{
	struct list due, *n;

	l->tick_ms = start_ms;
	list_init(&due);
	list_splice(&due, &l->slots[slot]);
	slot_emptied(l, slot);
	while ((n = list_first(&due))) {
		struct loop_timer *t = LIST_ITEM(n, struct loop_timer, node);

		list_remove(n);
		if (slot < LEVEL_SLOTS) {
			t->slot = SLOT_NONE;
			list_append(&l->running, n);
		} else {
			enter(l, t);
		}
	}
}

void loop_timer_start(struct loop *l, struct loop_timer *t, uint64_t delay_ms, void (*fn)(void *arg), void *arg)
{
	loop_timer_stop(l, t);
	t->fn = fn;
	t->arg = arg;
	t->active = true;
	l->timers++;
	if (!delay_ms) {
		t->due_ms = l->now_us / 1000;
		t->slot = SLOT_NONE;
		list_append(&l->ready, &t->node);
		return;
	}
	/* Rounded up: within a millisecond that has begun a timer would fire early. */
	t->due_ms = (l->now_us + 999) / 1000;
	t->due_ms = delay_ms < latest_ms - t->due_ms ? t->due_ms + delay_ms : latest_ms;
	enter(l, t);
}

void loop_timer_start_slice(struct loop *l, struct loop_timer *t, void (*fn)(void *arg), void *arg)
{
	loop_timer_start(l, t, 0, fn, arg);
	if (l->virtual_time)
		return;
	list_remove(&t->node);
	list_append(&l->slices, &t->node);
}

void loop_timer_start_loose(struct loop *l, struct loop_timer *t, uint64_t delay_ms, void (*fn)(void *arg), void *arg)
{
	uint64_t due_ms = (l->now_us + 999) / 1000 + delay_ms;

	/* A common grid of due times; delays near the end of time are beyond any need for it. */
	if (delay_ms < latest_ms / 2)
		delay_ms += (LOOP_LOOSE_MS - due_ms % LOOP_LOOSE_MS) % LOOP_LOOSE_MS;
	loop_timer_start(l, t, delay_ms, fn, arg);
}

void loop_timer_stop(struct loop *l, struct loop_timer *t)
{
	if (!t->active)
		return;
	list_remove(&t->node);
	if (t->slot != SLOT_NONE && list_empty(&l->slots[t->slot]))
		slot_emptied(l, (unsigned)t->slot);
	t->active = false;
	l->timers--;
}

uint32_t loop_timer_count(const struct loop *l)
{
	return l->timers;
}

/* --- descriptors --- */

int loop_io_add(struct loop *l, struct loop_io *io, int fd, unsigned events, void (*fn)(void *arg, unsigned ready),
		void *arg)
{
	struct loop_io fresh = { .fd = fd, .events = events, .fn = fn, .arg = arg, .active = true };
	int err;

	assert(!io->active);
	*io = fresh;
	/* A watch for nothing stays out of epoll, which would report errors and hang-ups all the same. */
	err = events ? set_watch(l, io, EPOLL_CTL_ADD, events) : 0;
	if (err)
		io->active = false;
	else
		l->watches++;
	return err;
}

int loop_io_change(struct loop *l, struct loop_io *io, unsigned events)
{
	int op = !events ? EPOLL_CTL_DEL : io->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	int err;

	assert(io->active);
	if (events == io->events)
		return 0;
	err = set_watch(l, io, op, events);
	if (!err)
		io->events = events;
	return err;
}

/* What epoll has already reported of it must not reach it any more. */
static void unwatch(struct loop *l, struct loop_io *io)
{
	io->active = false;
	l->watches--;
	for (int i = l->batch_at; i < l->batch_count; i++)
		if (l->batch[i].data.ptr == io)
			l->batch[i].data.ptr = NULL;
}

void loop_io_remove(struct loop *l, struct loop_io *io)
{
	if (!io->active)
		return;
	if (io->events)
		set_watch(l, io, EPOLL_CTL_DEL, 0);
	unwatch(l, io);
}

/* --- turning --- */

static void began(struct loop *l)
{
	if (l->slow)
		l->began_us = clock_us(CLOCK_MONOTONIC);
}

static void ended(struct loop *l)
{
	uint64_t took_us;

	if (!l->slow || !l->began_us)
		return;
	took_us = clock_us(CLOCK_MONOTONIC) - l->began_us;
	l->began_us = 0;
	if (took_us > l->slow_limit_us)
		l->slow(l->slow_arg, took_us);
}

static void fire(struct loop *l, struct loop_timer *t)
{
	list_remove(&t->node);
	t->active = false;
	l->timers--;
	began(l);
	t->fn(t->arg);
	ended(l);
}

static void run_timers(struct loop *l)
{
	struct list *n;

	while ((n = list_first(&l->running)))
		fire(l, LIST_ITEM(n, struct loop_timer, node));
}

/* Fire what is due up to now. Returns whether there was any. */
static bool run_due(struct loop *l)
{
	uint64_t now_ms = l->now_us / 1000, start_ms;
	bool any = false;
	unsigned slot;

	while ((start_ms = next_slot(l, &slot)) <= now_ms) {
		reach_slot(l, slot, start_ms);
		any = any || !list_empty(&l->running);
		run_timers(l);
	}
	/* Nothing lies in between; new timers get to low levels. */
	l->tick_ms = now_ms;
	return any;
}

static bool run_ready(struct loop *l)
{
	bool any = !list_empty(&l->ready);

	/* What these start with delay 0 waits for the next turn: nobody starves. */
	list_splice(&l->running, &l->ready);
	run_timers(l);
	return any;
}

static int sleep_in_epoll(struct loop *l, uint64_t sleep_us)
{
	struct timespec t = { .tv_sec = (time_t)(sleep_us / 1000000), .tv_nsec = (long)(sleep_us % 1000000 * 1000) };
	uint64_t sleep_ms = sleep_us / 1000 + (sleep_us % 1000 != 0);
	int n;

	if (sleep_us && sleep_us != never && !l->no_pwait2) {
		n = epoll_pwait2(l->epoll_fd, l->batch, BATCH, &t, NULL);
		if (n >= 0 || errno == EINTR)
			return n;
		l->no_pwait2 = true;
	}
	return epoll_wait(l->epoll_fd, l->batch, BATCH,
			  sleep_us == never  ? -1
			  : sleep_ms > 60000 ? 60000
					     : (int)sleep_ms);
}

/* Hand out what the descriptors have, after at most sleep_us. Returns whether there was anything. */
static void run_slices(struct loop *l)
{
	uint64_t end_us;

	if (list_empty(&l->slices))
		return;
	end_us = clock_us(CLOCK_MONOTONIC) + SLICES_US;
	do {
		fire(l, LIST_ITEM(list_first(&l->slices), struct loop_timer, node));
	} while (!list_empty(&l->slices) && clock_us(CLOCK_MONOTONIC) < end_us);
}

static bool run_io(struct loop *l, uint64_t sleep_us)
{
	l->batch_count = sleep_in_epoll(l, sleep_us);
	assert(l->batch_count >= 0 || errno == EINTR);
	if (sleep_us)
		read_clock(l);
	for (l->batch_at = 0; l->batch_at < l->batch_count;) {
		struct epoll_event *e = &l->batch[l->batch_at++];
		struct loop_io *io = e->data.ptr;
		unsigned ready = 0;

		if (!io)
			continue;
		if (e->events & (EPOLLIN | EPOLLERR | EPOLLHUP))
			ready |= LOOP_READ;
		if (e->events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
			ready |= LOOP_WRITE;
		began(l);
		io->fn(io->arg, ready);
		ended(l);
	}
	return l->batch_count > 0;
}

static bool run_looks(struct loop *l)
{
	bool any = false;

	for (struct list *n = l->looks.next; n != &l->looks; n = l->next_look) {
		struct loop_look *look = LIST_ITEM(n, struct loop_look, node);

		l->next_look = n->next;
		began(l);
		any = look->fn(look->arg) || any;
		ended(l);
	}
	return any;
}

/* How long a real loop may sleep. The slot found may only begin then; a wake-up at its start deals it out. */
static uint64_t real_sleep_us(const struct loop *l)
{
	uint64_t start_ms;
	unsigned slot;

	if (!list_empty(&l->ready) || !list_empty(&l->slices))
		return 0;
	start_ms = next_slot(l, &slot);
	if (start_ms == never)
		return never;
	return start_ms * 1000 > l->now_us ? start_ms * 1000 - l->now_us : 0;
}

/* Jump to the first due time, or to until_ms when that comes first. Returns whether a timer is due then. */
static bool jump(struct loop *l, uint64_t until_ms)
{
	uint64_t start_ms;
	unsigned slot;

	while ((start_ms = next_slot(l, &slot)) <= until_ms && slot >= LEVEL_SLOTS)
		reach_slot(l, slot, start_ms);
	if (start_ms == never)
		return false;
	if (start_ms <= until_ms)
		l->now_us = start_ms * 1000;
	else if (until_ms > l->now_us / 1000)
		l->now_us = until_ms * 1000;
	return start_ms <= until_ms;
}

static bool virtual_turn(struct loop *l, uint64_t until_ms)
{
	bool any = run_looks(l);

	any = (l->watches && run_io(l, 0)) || any;
	if (!any && list_empty(&l->ready)) {
		if (!l->held) {
			any = jump(l, until_ms);
		} else if (l->now_us / 1000 < until_ms) {
			run_io(l, HELD_TURN_MS * 1000);
			any = true;
		}
	}
	any = run_due(l) || any;
	return run_ready(l) || any;
}

static bool turn(struct loop *l, uint64_t until_ms)
{
	bool any = true;

	assert(!atomic_load_explicit(&l->turning, memory_order_relaxed));
	atomic_store_explicit(&l->owner, pthread_self(), memory_order_relaxed);
	/* Who sees turning sees the owner of this turn too: see loop_is_turning_here(). */
	atomic_store_explicit(&l->turning, true, memory_order_release);
	if (l->virtual_time) {
		any = virtual_turn(l, until_ms);
	} else {
		read_clock(l);
		run_looks(l);
		run_io(l, real_sleep_us(l));
		run_due(l);
		run_ready(l);
		run_slices(l);
	}
	atomic_store_explicit(&l->turning, false, memory_order_relaxed);
	return any;
}

bool loop_turn(struct loop *l)
{
	return turn(l, latest_ms);
}

void loop_run(struct loop *l)
{
	while (!l->stopping && loop_turn(l)) {
	}
	l->stopping = false;
}

void loop_stop(struct loop *l)
{
	l->stopping = true;
}

void loop_run_until(struct loop *l, uint64_t until_ms)
{
	assert(l->virtual_time);
	while (!l->stopping && turn(l, until_ms < latest_ms ? until_ms : latest_ms)) {
	}
	l->stopping = false;
}

void loop_look_add(struct loop *l, struct loop_look *look, bool (*fn)(void *arg), void *arg)
{
	look->fn = fn;
	look->arg = arg;
	look->active = true;
	list_append(&l->looks, &look->node);
}

void loop_look_remove(struct loop *l, struct loop_look *look)
{
	if (!look->active)
		return;
	look->active = false;
	if (l->next_look == &look->node)
		l->next_look = look->node.next;
	list_remove(&look->node);
}

/* --- time and chance --- */

uint64_t loop_now_ms(const struct loop *l)
{
	return l->now_us / 1000;
}

uint64_t loop_now_us(const struct loop *l)
{
	return l->now_us;
}

void loop_catch_up(struct loop *l)
{
	read_clock(l);
}

/* Whoever is kept waiting between the two clocks asks again: it would be taken for time that a packet waited. */
static int64_t wall_ahead_us(void)
{
	enum { ASKS = 4, AT_ONCE_US = 20 };
	uint64_t before_us, wall_us, after_us;
	unsigned asked = 0;

	do {
		before_us = clock_us(CLOCK_MONOTONIC);
		wall_us = clock_us(CLOCK_REALTIME);
		after_us = clock_us(CLOCK_MONOTONIC);
	} while (after_us - before_us > AT_ONCE_US && ++asked < ASKS);
	return (int64_t)(wall_us - after_us);
}

uint64_t loop_stamp_us(struct loop *l, const struct timespec *stamp)
{
	int64_t us = (int64_t)stamp->tv_sec * 1000000 + stamp->tv_nsec / 1000;

	if (l->virtual_time)
		return l->now_us;
	if (!l->ahead_us)
		l->ahead_us = wall_ahead_us();
	us -= l->ahead_us;
	/* Behind by more than anything waits in a socket that is looked after: the wall clock was set. */
	if (us > (int64_t)l->now_us || us < (int64_t)l->now_us - OLDEST_STAMP_US)
		return l->now_us;
	return (uint64_t)us;
}

uint64_t loop_wall_ms(const struct loop *l)
{
	return l->virtual_time ? virtual_epoch_ms + l->now_us / 1000 : clock_us(CLOCK_REALTIME) / 1000;
}

uint64_t loop_real_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

/* SplitMix64 (Steele, Lea, Flood): any seed will do, also 0. */
static uint64_t seeded(struct loop *l)
{
	uint64_t z = l->seed += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

uint64_t loop_random(struct loop *l)
{
	uint64_t v;

	if (l->virtual_time)
		return seeded(l);
	while (l->random_left < sizeof(v)) {
		ssize_t n = getrandom(l->random, sizeof(l->random), 0);

		if (n > 0)
			l->random_left = (size_t)n;
		else
			assert(errno == EINTR);
	}
	l->random_left -= sizeof(v);
	memcpy(&v, l->random + l->random_left, sizeof(v));
	memset(l->random + l->random_left, 0, sizeof(v));
	return v;
}

uint32_t loop_random_below(struct loop *l, uint32_t below)
{
	uint64_t product;

	assert(below);
	/* Lemire: the high half of a product, drawn anew where some results would be favoured. */
	do
		product = (loop_random(l) >> 32) * below;
	while ((uint32_t)product < -below % below);
	return (uint32_t)(product >> 32);
}

bool loop_is_virtual(const struct loop *l)
{
	return l->virtual_time;
}

/* --- other threads and the rest --- */

void loop_hold(struct loop *l)
{
	l->held++;
}

void loop_release(struct loop *l)
{
	assert(l->held);
	l->held--;
}

void loop_watch_slow(struct loop *l, uint32_t limit_us, void (*fn)(void *arg, uint64_t took_us), void *arg)
{
	l->slow = fn;
	l->slow_arg = arg;
	l->slow_limit_us = limit_us;
	l->began_us = 0;
}

void loop_wake(struct loop *l)
{
	uint64_t one = 1;

	/* EAGAIN means that the counter is full, hence the loop awake. */
	if (write(l->wake.fd, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN);
}

bool loop_is_turning_here(const struct loop *l)
{
	/* Acquire: the maker of a loop that another thread now turns must not take itself for the owner. */
	return atomic_load_explicit(&l->turning, memory_order_acquire) &&
	       pthread_equal(atomic_load_explicit(&l->owner, memory_order_relaxed), pthread_self());
}

void loop_assert_mine(const struct loop *l)
{
	if (!pthread_equal(atomic_load_explicit(&l->owner, memory_order_relaxed), pthread_self()))
		abort();
}

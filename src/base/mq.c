#include "base/mq.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/loop.h"

enum { ALIGN = 16, BATCH = 32 };

struct mq {
	struct loop *loop;
	void (*fn)(void *arg, void *msg);
	void *arg;
	size_t msg_bytes, slot_bytes; /* a slot is the message and a byte: came on a reserved place */
	uint32_t capacity;

	pthread_mutex_t lock;
	unsigned char *ring;    /* lock, as all up to signalled */
	uint32_t slots;         /* at least capacity + reserved + waiting_reserved */
	uint32_t head, waiting; /* the oldest message; how many there are          */
	uint32_t waiting_reserved;
	uint32_t reserved; /* places not used up yet */
	bool signalled;    /* the consumer knows: by eventfd or by the deferred timer */
	atomic_bool left;  /* written under the lock: something came that woke nobody */

	struct loop_io io;      /* loop, as all below */
	struct loop_timer here; /* instead of the eventfd when the loop itself sends */
	struct loop_look look;
	unsigned char *batch; /* messages taken out */
	bool delivering, freed;
};

static unsigned char *slot(struct mq *q, uint32_t at)
{
	uint32_t index = q->head + at;

	return q->ring + (size_t)(index < q->slots ? index : index - q->slots) * q->slot_bytes;
}

static void destroy(struct mq *q)
{
	loop_look_remove(q->loop, &q->look);
	if (q->io.active)
		loop_io_remove(q->loop, &q->io);
	loop_timer_stop(q->loop, &q->here);
	if (q->io.fd >= 0)
		close(q->io.fd);
	pthread_mutex_destroy(&q->lock);
	free(q->ring);
	free(q->batch);
	free(q);
}

/* Move up to a batch of the n oldest messages out of the ring. Returns how many. */
static uint32_t take(struct mq *q, uint32_t n)
{
	n = n < BATCH ? n : BATCH;
	for (uint32_t i = 0; i < n; i++) {
		unsigned char *s = slot(q, i);

		q->waiting_reserved -= s[q->msg_bytes];
		memcpy(q->batch + i * q->slot_bytes, s, q->msg_bytes);
	}
	q->head = (uint32_t)(((uint64_t)q->head + n) % q->slots);
	q->waiting -= n;
	return n;
}

/* Deliver what waits now. What comes meanwhile signals anew and has the next turn. */
static void deliver(struct mq *q)
{
	uint32_t left, n;

	pthread_mutex_lock(&q->lock);
	q->signalled = false;
	atomic_store_explicit(&q->left, false, memory_order_relaxed);
	left = q->waiting;
	pthread_mutex_unlock(&q->lock);

	q->delivering = true;
	for (; left && !q->freed; left -= n) {
		pthread_mutex_lock(&q->lock);
		n = take(q, left);
		pthread_mutex_unlock(&q->lock);
		for (uint32_t i = 0; i < n && !q->freed; i++)
			q->fn(q->arg, q->batch + i * q->slot_bytes);
	}
	q->delivering = false;
	if (q->freed)
		destroy(q);
}

static void on_event(void *arg, unsigned ready)
{
	struct mq *q = arg;
	uint64_t count;

	if (read(q->io.fd, &count, sizeof(count)) < 0)
		assert(errno == EAGAIN);
	deliver(q);
}

static void on_here(void *arg)
{
	deliver(arg);
}

static bool on_turn(void *arg)
{
	struct mq *q = arg;

	if (!atomic_load_explicit(&q->left, memory_order_relaxed))
		return false;
	deliver(q);
	return true;
}

int mq_new(struct mq **out, struct loop *l, size_t msg_bytes, uint32_t capacity, void (*fn)(void *arg, void *msg),
	   void *arg)
{
	struct mq *q = calloc(1, sizeof(*q));
	int fd, err = ENOMEM;

	if (!q)
		return ENOMEM;
	pthread_mutex_init(&q->lock, NULL);
	q->loop = l;
	q->fn = fn;
	q->arg = arg;
	q->msg_bytes = msg_bytes;
	q->slot_bytes = (msg_bytes + 1 + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	q->capacity = capacity;
	q->slots = capacity ? capacity : 1;
	q->io.fd = -1;
	q->ring = calloc(q->slots, q->slot_bytes);
	q->batch = calloc(BATCH, q->slot_bytes);
	if (!q->ring || !q->batch)
		goto out;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = fd < 0 ? errno : loop_io_add(l, &q->io, fd, LOOP_READ, on_event, q);
	if (err)
		goto out;
	*out = q;
	q = NULL;
out:
	if (q)
		destroy(q);
	return err;
}

void mq_free(struct mq **queue)
{
	struct mq *q = *queue;

	if (!q)
		return;
	*queue = NULL;
	/* Freed by its own handler: deliver() has still to come back through it. */
	if (q->delivering)
		q->freed = true;
	else
		destroy(q);
}

static void put(struct mq *q, const void *msg, bool reserved)
{
	unsigned char *s = slot(q, q->waiting++);

	memcpy(s, msg, q->msg_bytes);
	s[q->msg_bytes] = reserved;
	q->waiting_reserved += reserved;
}

/* Outside of the lock: only the sender that set signalled comes here. */
static void signal_consumer(struct mq *q)
{
	uint64_t one = 1;

	if (loop_is_turning_here(q->loop))
		loop_timer_start(q->loop, &q->here, 0, on_here, q);
	else if (write(q->io.fd, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN);
}

int mq_send(struct mq *q, const void *msg)
{
	bool full, first;

	pthread_mutex_lock(&q->lock);
	full = q->waiting - q->waiting_reserved >= q->capacity;
	first = !full && !q->signalled;
	if (!full)
		put(q, msg, false);
	q->signalled = q->signalled || first;
	pthread_mutex_unlock(&q->lock);
	if (first)
		signal_consumer(q);
	return full ? EAGAIN : 0;
}

/* Make the ring fit need slots; the messages move to its front. */
static int grow(struct mq *q, uint64_t need)
{
	uint64_t slots = q->slots;
	unsigned char *ring;

	while (slots < need)
		slots *= 2;
	if (slots > UINT32_MAX / 2)
		return ENOMEM;
	ring = malloc(slots * q->slot_bytes);
	if (!ring)
		return ENOMEM;
	for (uint32_t i = 0; i < q->waiting; i++)
		memcpy(ring + i * q->slot_bytes, slot(q, i), q->slot_bytes);
	free(q->ring);
	q->ring = ring;
	q->slots = (uint32_t)slots;
	q->head = 0;
	return 0;
}

int mq_reserve(struct mq *q, uint32_t n)
{
	uint64_t need;
	int err = 0;

	pthread_mutex_lock(&q->lock);
	need = (uint64_t)q->capacity + q->reserved + q->waiting_reserved + n;
	if (need > q->slots)
		err = grow(q, need);
	if (!err)
		q->reserved += n;
	pthread_mutex_unlock(&q->lock);
	return err;
}

void mq_unreserve(struct mq *q, uint32_t n)
{
	pthread_mutex_lock(&q->lock);
	assert(q->reserved >= n);
	q->reserved -= n;
	pthread_mutex_unlock(&q->lock);
}

static void put_reserved(struct mq *q, const void *msg)
{
	assert(q->reserved);
	q->reserved--;
	put(q, msg, true);
}

bool mq_put_reserved(struct mq *q, const void *msg)
{
	bool first;

	pthread_mutex_lock(&q->lock);
	put_reserved(q, msg);
	first = !q->signalled;
	q->signalled = true;
	pthread_mutex_unlock(&q->lock);
	return first;
}

void mq_wake(struct mq *q)
{
	signal_consumer(q);
}

void mq_look_each_turn(struct mq *q)
{
	loop_look_add(q->loop, &q->look, on_turn, q);
}

bool mq_leave_reserved(struct mq *q, const void *msg)
{
	bool oldest;

	pthread_mutex_lock(&q->lock);
	oldest = !q->waiting;
	put_reserved(q, msg);
	atomic_store_explicit(&q->left, true, memory_order_relaxed);
	pthread_mutex_unlock(&q->lock);
	return oldest;
}

void mq_wake_waiting(struct mq *q)
{
	bool first;

	pthread_mutex_lock(&q->lock);
	first = q->waiting && !q->signalled;
	q->signalled = q->signalled || first;
	pthread_mutex_unlock(&q->lock);
	if (first)
		mq_wake(q);
}

void mq_send_reserved(struct mq *q, const void *msg)
{
	if (mq_put_reserved(q, msg))
		mq_wake(q);
}

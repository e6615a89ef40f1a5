#include "net/ws_feed.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct ws_feed {
	atomic_uint references;
	size_t frame_bytes;
	uint32_t frames;
	struct ws_feed_text text; /* write NULL = frames go as they are */
	unsigned char *taken;     /* the frame that becomes text; of who takes out */
	atomic_ullong unwanted;
	pthread_mutex_t lock; /* held for the copying of a frame, not longer */
	/* Guarded by lock. */
	uint32_t first, waiting;
	uint64_t lost;
	bool shut, ended;
	void (*ring)(void *arg);
	void *arg;
	uint16_t *sizes;
	unsigned char *space;
};

int ws_feed_new(struct ws_feed **out, size_t frame_bytes, uint32_t frames)
{
	struct ws_feed *f = calloc(1, sizeof(*f));

	assert(frame_bytes && frame_bytes <= UINT16_MAX && frames);
	if (!f)
		return ENOMEM;
	f->sizes = calloc(frames, sizeof(*f->sizes));
	f->space = malloc(frames * frame_bytes);
	if (!f->sizes || !f->space) {
		free(f->sizes);
		free(f->space);
		free(f);
		return ENOMEM;
	}
	pthread_mutex_init(&f->lock, NULL);
	atomic_init(&f->references, 1);
	f->frame_bytes = frame_bytes;
	f->frames = frames;
	*out = f;
	return 0;
}

struct ws_feed *ws_feed_use(struct ws_feed *f)
{
	atomic_fetch_add(&f->references, 1);
	return f;
}

void ws_feed_drop(struct ws_feed **feed)
{
	struct ws_feed *f = *feed;

	*feed = NULL;
	if (!f || atomic_fetch_sub(&f->references, 1) != 1)
		return;
	pthread_mutex_destroy(&f->lock);
	if (f->text.write)
		f->text.free(f->text.arg);
	free(f->taken);
	free(f->sizes);
	free(f->space);
	free(f);
}

int ws_feed_as_text(struct ws_feed *f, const struct ws_feed_text *t)
{
	assert(t->room && t->write && t->free && !f->text.write);
	f->taken = malloc(f->frame_bytes);
	if (!f->taken)
		return ENOMEM;
	f->text = *t;
	return 0;
}

bool ws_feed_is_text(const struct ws_feed *f)
{
	return f->text.write;
}

size_t ws_feed_room(const struct ws_feed *f)
{
	return f->text.write ? f->text.room : f->frame_bytes;
}

static void put(struct ws_feed *f, const void *frame, size_t n, bool last)
{
	assert(n && n <= f->frame_bytes);
	pthread_mutex_lock(&f->lock);
	if (!f->shut && !f->ended) {
		uint32_t at;

		if (f->waiting == f->frames) {
			f->first = (f->first + 1) % f->frames;
			f->waiting--;
			f->lost++;
		}
		at = (f->first + f->waiting++) % f->frames;
		memcpy(f->space + at * f->frame_bytes, frame, n);
		f->sizes[at] = (uint16_t)n;
		if (f->waiting == 1 && f->ring)
			f->ring(f->arg);
	}
	f->ended = f->ended || last;
	pthread_mutex_unlock(&f->lock);
}

void ws_feed_put(struct ws_feed *f, const void *frame, size_t n)
{
	put(f, frame, n, false);
}

void ws_feed_end(struct ws_feed *f, const void *frame, size_t n)
{
	put(f, frame, n, true);
}

static size_t take(struct ws_feed *f, void *out)
{
	size_t n = 0;

	pthread_mutex_lock(&f->lock);
	if (f->waiting) {
		n = f->sizes[f->first];
		memcpy(out, f->space + f->first * f->frame_bytes, n);
		f->first = (f->first + 1) % f->frames;
		f->waiting--;
	}
	pthread_mutex_unlock(&f->lock);
	return n;
}

size_t ws_feed_take(struct ws_feed *f, void *out)
{
	size_t n;

	if (!f->text.write)
		return take(f, out);
	n = take(f, f->taken);
	return n ? f->text.write(f->text.arg, f->taken, n, out) : 0;
}

uint32_t ws_feed_waiting(struct ws_feed *f)
{
	uint32_t n;

	pthread_mutex_lock(&f->lock);
	n = f->waiting;
	pthread_mutex_unlock(&f->lock);
	return n;
}

uint64_t ws_feed_lost(struct ws_feed *f)
{
	uint64_t n;

	pthread_mutex_lock(&f->lock);
	n = f->lost;
	pthread_mutex_unlock(&f->lock);
	return n;
}

void ws_feed_unwanted(struct ws_feed *f)
{
	atomic_fetch_add(&f->unwanted, 1);
}

uint64_t ws_feed_unwanted_count(struct ws_feed *f)
{
	return atomic_load(&f->unwanted);
}

void ws_feed_bell(struct ws_feed *f, void (*ring)(void *arg), void *arg)
{
	pthread_mutex_lock(&f->lock);
	f->ring = ring;
	f->arg = arg;
	pthread_mutex_unlock(&f->lock);
}

void ws_feed_shut(struct ws_feed *f)
{
	pthread_mutex_lock(&f->lock);
	f->shut = true;
	f->ring = NULL;
	pthread_mutex_unlock(&f->lock);
}

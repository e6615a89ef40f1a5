#include "net/ws_feed.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct ws_feed {
	atomic_uint references;
	size_t frame_bytes;
	uint32_t frames;
	pthread_mutex_t lock; /* held for the copying of a frame, not longer */
	/* Guarded by lock. */
	uint32_t first, waiting;
	uint64_t lost;
	bool shut;
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
	free(f->sizes);
	free(f->space);
	free(f);
}

void ws_feed_put(struct ws_feed *f, const void *frame, size_t n)
{
	assert(n && n <= f->frame_bytes);
	pthread_mutex_lock(&f->lock);
	if (!f->shut) {
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
	pthread_mutex_unlock(&f->lock);
}

size_t ws_feed_take(struct ws_feed *f, void *out)
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

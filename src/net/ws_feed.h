/* ws_feed: audio on its way to a WebSocket: a bounded queue of small frames from one thread to another.
 *
 * When it is full the oldest frame goes, so that what is heard is never older than the queue is long; what went is
 * counted. Counted references: whoever lives longest frees it. Nothing but making it allocates.
 * Thread: any may put in, one takes out. */
#ifndef WS_FEED_H
#define WS_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ws_feed;

/* The first reference is the caller's. 0 or ENOMEM. */
int ws_feed_new(struct ws_feed **out, size_t frame_bytes, uint32_t frames);
struct ws_feed *ws_feed_use(struct ws_feed *f);
void ws_feed_drop(struct ws_feed **f); /* sets it NULL; *f may be NULL */

/* What makes text messages of the frames, by who takes them out. */
struct ws_feed_text {
	size_t room; /* for the longest message */
	/* Returns the bytes of the message, at least 1. Neither waits nor allocates. */
	size_t (*write)(void *arg, const void *frame, size_t n, char *out);
	void (*free)(void *arg); /* with the last reference */
	void *arg;
};

/* Before it is given to anybody: its frames become text messages. 0, or ENOMEM and t->arg stays the caller's. */
int ws_feed_as_text(struct ws_feed *f, const struct ws_feed_text *t);
bool ws_feed_is_text(const struct ws_feed *f);
/* Bytes of the longest message. */
size_t ws_feed_room(const struct ws_feed *f);

/* n: 1 to frame_bytes. After ws_feed_shut() or ws_feed_end() it goes nowhere, uncounted. */
void ws_feed_put(struct ws_feed *f, const void *frame, size_t n);
/* The same, and nothing comes behind it. */
void ws_feed_end(struct ws_feed *f, const void *frame, size_t n);
/* The message of the oldest frame, out has room for ws_feed_room(). Returns its bytes, 0 = there is none. */
size_t ws_feed_take(struct ws_feed *f, void *out);
uint32_t ws_feed_waiting(struct ws_feed *f);
/* Frames that never were taken out, because others came. */
uint64_t ws_feed_lost(struct ws_feed *f);
/* A message came the other way, for nobody; and how many. */
void ws_feed_unwanted(struct ws_feed *f);
uint64_t ws_feed_unwanted_count(struct ws_feed *f);

/* ring() is called by who puts in, when the queue was empty; it must neither wait nor touch the feed. */
void ws_feed_bell(struct ws_feed *f, void (*ring)(void *arg), void *arg);
/* Nobody takes out any more: no ring() runs after this. */
void ws_feed_shut(struct ws_feed *f);

#endif

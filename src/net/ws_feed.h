/* ws_feed: audio on its way to a WebSocket: a bounded queue of small frames from one thread to another.
 *
 * When it is full the oldest frame goes, so that what is heard is never older than the queue is long; what went is
 * counted. Counted references: whoever lives longest frees it. Nothing but making it allocates.
 * Thread: any; one puts in, one takes out. */
#ifndef WS_FEED_H
#define WS_FEED_H

#include <stddef.h>
#include <stdint.h>

struct ws_feed;

/* The first reference is the caller's. 0 or ENOMEM. */
int ws_feed_new(struct ws_feed **out, size_t frame_bytes, uint32_t frames);
struct ws_feed *ws_feed_use(struct ws_feed *f);
void ws_feed_drop(struct ws_feed **f); /* sets it NULL; *f may be NULL */

/* n: 1 to frame_bytes. After ws_feed_shut() it goes nowhere, uncounted. */
void ws_feed_put(struct ws_feed *f, const void *frame, size_t n);
/* The oldest frame, out has room for frame_bytes. Returns its bytes, 0 = there is none. */
size_t ws_feed_take(struct ws_feed *f, void *out);
uint32_t ws_feed_waiting(struct ws_feed *f);
/* Frames that never were taken out, because others came. */
uint64_t ws_feed_lost(struct ws_feed *f);

/* ring() is called by who puts in, when the queue was empty; it must neither wait nor touch the feed. */
void ws_feed_bell(struct ws_feed *f, void (*ring)(void *arg), void *arg);
/* Nobody takes out any more: no ring() runs after this. */
void ws_feed_shut(struct ws_feed *f);

#endif

/* sink: something that listens to a port: a recorder, a tap, a detector.
 *
 * Made on the signal thread, then given to a port (port_attach()), whose worker pushes 20 ms at a time. It comes back
 * to the signal thread by port_handlers.detached(), which frees it. A sink embeds struct sink first. A push
 * must not allocate, wait or write files: a recorder fills a ring that the pool empties.
 * Thread: one at a time. */
#ifndef SINK_H
#define SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sink;

enum sink_wants { SINK_SAID = 1, SINK_HEARD = 2, SINK_BOTH = 3 }; /* by the party of the port */

struct sink_ops {
	/* 20 ms: what the party said and what it heard, each count samples at rate_hz; zeros where nothing was. A direction
	 * that was not wanted is NULL. rate_hz is 8000 or 16000 and stays the same from attach to detach.
	 * Return false to be detached. */
	bool (*push)(struct sink *s, const int16_t *said, const int16_t *heard, size_t count, uint32_t rate_hz);
	/* A key of RFC 4733 began (worker). May be NULL. */
	void (*digit)(struct sink *s, char digit);
	void (*free)(struct sink *s);
};

struct sink {
	const struct sink_ops *ops;
	enum sink_wants wants;
	uint32_t rate_hz; /* wished: 8000 or 16000 */
	/* What push has found, for port_handlers.news(): the sink's own numbers. The worker sets it to 0 when it is on its
	 * way, which may take a while when the queue is full. */
	unsigned news;
};

#endif

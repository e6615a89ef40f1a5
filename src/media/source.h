/* source: something that can be heard: a clip, a tone, silence, a list of them, pushed audio.
 *
 * Made on the signal thread, then given to a port (port_play()), whose worker pulls 20 ms at a time and frees it.
 * A source embeds struct source first. Nothing here allocates, reads files or waits while it is pulled.
 * Thread: one at a time; made by signal, pulled and freed by a worker. */
#ifndef SOURCE_H
#define SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct source;

struct source_ops {
	/* Write exactly count samples at rate_hz (which may change from pull to pull). Returns how many of them were
	 * audio of the source; fewer than count = it has ended, and the rest is zeros. */
	size_t (*pull)(struct source *s, int16_t *out, size_t count, uint32_t rate_hz);
	/* From the beginning again (lists that loop). */
	void (*rewind)(struct source *s);
	void (*free)(struct source *s);
};

struct source {
	const struct source_ops *ops;
};

#endif

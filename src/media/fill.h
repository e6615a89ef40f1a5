/* fill: is a peer audible, so that what only fills its silence has to wait?
 *
 * Music for a party on hold begins at once and gives way to music of the holder's own: when he is louder than -45 dBFS for
 * 0.2 s, until he has been quieter for 2 s. Pure. Thread: the owner's. */
#ifndef FILL_H
#define FILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fill {                      /* zeroed = he is silent */
	uint16_t loud, quiet_left; /* in frames */
};

/* The next 20 ms of the peer; NULL = it says nothing. Returns whether to give way to it. */
bool fill_yields(struct fill *f, const int16_t *peer, size_t count);

#endif

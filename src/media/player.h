/* player: the sources that are played: clips, ring tones, silence, and lists of them.
 *
 * Thread: made on signal, pulled by a worker (source.h). */
#ifndef PLAYER_H
#define PLAYER_H

#include "base/str.h"
#include "media/clip.h"
#include "media/source.h"

/* Each returns NULL without memory. */

/* Takes a reference of its own. */
struct source *source_clip(struct clip *c);
struct source *source_silence(uint32_t ms);
/* The ring tone of a country for ms; 0 = its cadence once. NULL for an unknown country as well. */
struct source *source_ring(struct str country, uint32_t ms);
/* One behind the other; times: how often the whole list, 0 = for ever. Takes all items, also on error. */
struct source *source_list(struct source *const *items, size_t count, unsigned times);

#endif

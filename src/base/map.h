/* map: text key -> pointer, hashed with a seed so that a peer cannot choose collisions.
 *
 * Keys are copied; values are borrowed. Thread: that of the owner. */
#ifndef MAP_H
#define MAP_H

#include "base/str.h"

struct map;

/* seed: random. Returns 0 or ENOMEM. */
int map_new(struct map **out, uint64_t seed);
void map_free(struct map **m); /* values are not touched */
/* Returns 0, EEXIST (nothing changed) or ENOMEM. value must not be NULL. */
int map_put(struct map *m, struct str key, void *value);
void *map_get(const struct map *m, struct str key); /* NULL = absent */
void *map_take(struct map *m, struct str key);      /* removes; NULL = absent */
size_t map_count(const struct map *m);
/* Visit all until fn returns false. fn must not change the map. */
void map_each(const struct map *m, bool (*fn)(struct str key, void *value, void *arg), void *arg);
/* The hash itself, for tables that embed their nodes. */
uint64_t map_hash(struct str key, uint64_t seed);

#endif

/* arena: memory that dies together (one message, one document, one plan).
 *
 * Chunks grow by doubling up to 64 KiB; nothing is freed before arena_free().
 * Not shared between threads while it grows; afterwards its contents may be read anywhere. */
#ifndef ARENA_H
#define ARENA_H

#include <stddef.h>

struct arena;

/* first_bytes sizes the first chunk (0 = 1 KiB). max_bytes limits the sum, 0 = none.
 * Returns 0 or ENOMEM; on error *out is untouched. */
int arena_new(struct arena **out, size_t first_bytes, size_t max_bytes);
void arena_free(struct arena **a); /* *a may be NULL */
/* Zeroed memory aligned for any type. NULL on no memory or over the limit. */
void *arena_alloc(struct arena *a, size_t n);
/* Bytes handed out so far. */
size_t arena_used(const struct arena *a);

#endif

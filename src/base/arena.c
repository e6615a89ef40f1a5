#include "base/arena.h"

#include <errno.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Under the address sanitizer the unused rest of a chunk is out of bounds, as it would be on the heap. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISON
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(ARENA_POISON)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

enum { ALIGN = alignof(max_align_t), FIRST_BYTES = 1024, CHUNK_BYTES_MAX = 65536 };

struct chunk {
	struct chunk *next;  /* the older one */
	size_t size, used;   /* of bytes      */
	max_align_t bytes[]; /* for their alignment */
};

struct arena {
	struct chunk *chunk; /* the one that is filled; the first of a list */
	size_t next_bytes;   /* size of the next chunk                      */
	size_t used, max_bytes;
	struct chunk first;
};

static void *take(struct chunk *c, size_t n, size_t rounded)
{
	unsigned char *p = (unsigned char *)c->bytes + c->used;

	c->used += rounded;
	ASAN_UNPOISON_MEMORY_REGION(p, n);
	return memset(p, 0, n);
}

int arena_new(struct arena **out, size_t first_bytes, size_t max_bytes)
{
	struct arena *a;

	if (!first_bytes)
		first_bytes = FIRST_BYTES;
	if (first_bytes > SIZE_MAX / 2)
		return ENOMEM;
	first_bytes = (first_bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	/* The first chunk comes in one piece with the arena. */
	a = malloc(sizeof(*a) + first_bytes);
	if (!a)
		return ENOMEM;

	*a = (struct arena){ .next_bytes = first_bytes, .max_bytes = max_bytes };
	a->first.size = first_bytes;
	a->chunk = &a->first;
	ASAN_POISON_MEMORY_REGION(a->first.bytes, first_bytes);
	*out = a;
	return 0;
}

void arena_free(struct arena **a)
{
	struct chunk *c, *older;

	if (!*a)
		return;
	for (c = (*a)->chunk; c != &(*a)->first; c = older) {
		older = c->next;
		ASAN_UNPOISON_MEMORY_REGION(c->bytes, c->size);
		free(c);
	}
	ASAN_UNPOISON_MEMORY_REGION((*a)->first.bytes, (*a)->first.size);
	free(*a);
	*a = NULL;
}

static struct chunk *add_chunk(struct arena *a, size_t n)
{
	size_t bytes = a->next_bytes < CHUNK_BYTES_MAX ? a->next_bytes * 2 : a->next_bytes;
	struct chunk *c;

	if (bytes > CHUNK_BYTES_MAX)
		bytes = CHUNK_BYTES_MAX;
	c = malloc(sizeof(*c) + (n > bytes ? n : bytes));
	if (!c)
		return NULL;
	c->size = n > bytes ? n : bytes;
	c->used = 0;
	ASAN_POISON_MEMORY_REGION(c->bytes, c->size);
	if (n > bytes && a->chunk != &a->first) {
		/* A big block goes behind the current chunk, whose rest stays in use. */
		c->next = a->chunk->next;
		a->chunk->next = c;
		return c;
	}
	a->next_bytes = bytes;
	c->next = a->chunk;
	a->chunk = c;
	return c;
}

void *arena_alloc(struct arena *a, size_t n)
{
	size_t rounded;
	struct chunk *c = a->chunk;

	if (n > SIZE_MAX / 2)
		return NULL;
	rounded = n ? (n + ALIGN - 1) & ~(size_t)(ALIGN - 1) : ALIGN;
	if (a->max_bytes && rounded > a->max_bytes - a->used)
		return NULL;
	if (rounded > c->size - c->used)
		c = add_chunk(a, rounded);
	if (!c)
		return NULL;
	a->used += rounded;
	return take(c, n, rounded);
}

size_t arena_used(const struct arena *a)
{
	return a->used;
}

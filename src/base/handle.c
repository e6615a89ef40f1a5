#include "base/handle.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { FIRST_SLOTS = 16 };

static const uint32_t none = UINT32_MAX;

struct slot {
	void *object;        /* NULL = free                            */
	uint32_t generation; /* of the id that fits now; never 0       */
	uint32_t next_free;  /* index, while free; none ends the chain */
};

struct handle_table {
	struct slot *slots;
	uint32_t size, count, max;
	uint32_t free_first, free_last; /* taken from the front, given back at the end: generations wear evenly */
};

int handle_table_new(struct handle_table **out, uint32_t max)
{
	struct handle_table *t = calloc(1, sizeof(*t));

	if (!t)
		return ENOMEM;
	t->max = max ? max : none;
	t->free_first = t->free_last = none;
	*out = t;
	return 0;
}

void handle_table_free(struct handle_table **t)
{
	if (!*t)
		return;
	free((*t)->slots);
	free(*t);
	*t = NULL;
}

static void give_back(struct handle_table *t, uint32_t index)
{
	t->slots[index].next_free = none;
	if (t->free_first == none)
		t->free_first = index;
	else
		t->slots[t->free_last].next_free = index;
	t->free_last = index;
}

static int grow(struct handle_table *t)
{
	uint32_t size = !t->size ? FIRST_SLOTS : t->size < none / 2 ? t->size * 2 : none;
	struct slot *slots;

	if (size == t->size)
		return ENOMEM;
	if (size > t->max)
		size = t->max;
	slots = reallocarray(t->slots, size, sizeof(*slots));
	if (!slots)
		return ENOMEM;
	t->slots = slots;
	for (uint32_t i = t->size; i < size; i++) {
		slots[i] = (struct slot){ .generation = 1 };
		give_back(t, i);
	}
	t->size = size;
	return 0;
}

int handle_add(struct handle_table *t, void *object, uint64_t *id)
{
	struct slot *s;
	uint32_t index;
	int err = 0;

	assert(object);
	if (t->count >= t->max)
		return ENOSPC;
	if (t->free_first == none)
		err = grow(t);
	if (err)
		return err;

	index = t->free_first;
	s = &t->slots[index];
	t->free_first = s->next_free;
	s->object = object;
	t->count++;
	*id = (uint64_t)s->generation << 32 | index;
	return 0;
}

static struct slot *find(const struct handle_table *t, uint64_t id)
{
	uint32_t index = (uint32_t)id;
	struct slot *s = index < t->size ? &t->slots[index] : NULL;

	return s && s->object && s->generation == id >> 32 ? s : NULL;
}

void *handle_get(const struct handle_table *t, uint64_t id)
{
	struct slot *s = find(t, id);

	return s ? s->object : NULL;
}

void *handle_remove(struct handle_table *t, uint64_t id)
{
	struct slot *s = find(t, id);
	void *object;

	if (!s)
		return NULL;
	object = s->object;
	s->object = NULL;
	/* Generation 0 is left out so that no id is ever 0. */
	if (!++s->generation)
		s->generation = 1;
	give_back(t, (uint32_t)id);
	t->count--;
	return object;
}

size_t handle_count(const struct handle_table *t)
{
	return t->count;
}

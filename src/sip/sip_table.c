#include "sip/sip_table.h"

#include <errno.h>
#include <stdlib.h>

#include "base/map.h"

enum { FIRST_SLOTS = 64 };

int sip_table_init(struct sip_table *t, struct sip_key seed)
{
	struct sip_node **slots = calloc(FIRST_SLOTS, sizeof(struct sip_node *));

	if (!slots)
		return ENOMEM;
	*t = (struct sip_table){ .slots = slots, .size = FIRST_SLOTS, .seed = seed };
	return 0;
}

void sip_table_done(struct sip_table *t)
{
	free(t->slots);
	*t = (struct sip_table){ .slots = NULL };
}

void sip_key_add(struct sip_key *k, struct str part)
{
	/* The hash so far seeds the next one: "ab" + "c" and "a" + "bc" give different keys. */
	k->a = map_hash(part, k->a);
	k->b = map_hash(part, k->b);
}

static struct sip_node **slot_of(const struct sip_table *t, struct sip_key key)
{
	return &t->slots[key.a & (t->size - 1)];
}

/* Without memory the chains grow longer, nothing worse. */
static void grow(struct sip_table *t)
{
	struct sip_table bigger = *t;

	bigger.size = t->size * 2;
	bigger.slots = calloc(bigger.size, sizeof(struct sip_node *));
	if (!bigger.slots)
		return;
	for (size_t i = 0; i < t->size; i++) {
		struct sip_node *n = t->slots[i], *next;

		for (; n; n = next) {
			struct sip_node **slot = slot_of(&bigger, n->key);

			next = n->next;
			n->next = *slot;
			*slot = n;
		}
	}
	free(t->slots);
	*t = bigger;
}

void sip_table_add(struct sip_table *t, struct sip_node *n, struct sip_key key)
{
	struct sip_node **slot;

	if (t->count >= t->size)
		grow(t);
	slot = slot_of(t, key);
	n->key = key;
	n->next = *slot;
	n->in = true;
	*slot = n;
	t->count++;
}

static struct sip_node *same_key(struct sip_node *n, struct sip_key key)
{
	while (n && (n->key.a != key.a || n->key.b != key.b))
		n = n->next;
	return n;
}

struct sip_node *sip_table_find(const struct sip_table *t, struct sip_key key)
{
	return same_key(*slot_of(t, key), key);
}

struct sip_node *sip_table_next(const struct sip_node *n)
{
	return same_key(n->next, n->key);
}

void sip_table_remove(struct sip_table *t, struct sip_node *n)
{
	struct sip_node **at;

	if (!n->in)
		return;
	for (at = slot_of(t, n->key); *at != n; at = &(*at)->next)
		continue;
	*at = n->next;
	n->next = NULL;
	n->in = false;
	t->count--;
}

struct sip_node *sip_table_any(const struct sip_table *t, size_t *slot)
{
	for (; *slot < t->size; (*slot)++)
		if (t->slots[*slot])
			return t->slots[*slot];
	return NULL;
}

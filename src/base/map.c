#include "base/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BUCKETS = 8 };

struct node {
	struct node *next;
	void *value;
	uint32_t hash; /* low half: enough to tell and to deal out */
	uint32_t n;
	char key[];
};

struct map {
	struct node **buckets;
	size_t mask, count; /* buckets are a power of two */
	uint64_t seed;
};

static uint64_t rotate(uint64_t v, unsigned by)
{
	return v << by | v >> (64 - by);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

/* SipHash-1-3: keyed, so that collisions cannot be computed without the seed, and quick on short keys. */
uint64_t map_hash(struct str key, uint64_t seed)
{
	uint64_t second = seed ^ 0x9e3779b97f4a7c15ULL, last = (uint64_t)key.n << 56, m;
	uint64_t v[4] = { seed ^ 0x736f6d6570736575ULL, second ^ 0x646f72616e646f6dULL, seed ^ 0x6c7967656e657261ULL,
			  second ^ 0x7465646279746573ULL };
	size_t i;

	for (i = 0; i + 8 <= key.n; i += 8) {
		memcpy(&m, key.p + i, 8);
		v[3] ^= m;
		sip_round(v);
		v[0] ^= m;
	}
	for (unsigned shift = 0; i < key.n; i++, shift += 8)
		last |= (uint64_t)(unsigned char)key.p[i] << shift;
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

int map_new(struct map **out, uint64_t seed)
{
	struct map *m = calloc(1, sizeof(*m));

	if (!m)
		return ENOMEM;
	m->buckets = calloc(FIRST_BUCKETS, sizeof(*m->buckets));
	if (!m->buckets) {
		free(m);
		return ENOMEM;
	}
	m->mask = FIRST_BUCKETS - 1;
	m->seed = seed;
	*out = m;
	return 0;
}

void map_free(struct map **map)
{
	struct map *m = *map;

	if (!m)
		return;
	for (size_t i = 0; i <= m->mask; i++) {
		for (struct node *n = m->buckets[i], *next; n; n = next) {
			next = n->next;
			free(n);
		}
	}
	free(m->buckets);
	free(m);
	*map = NULL;
}

/* The link that leads to the key's node, or the empty one at the end of its chain. */
static struct node **find(const struct map *m, struct str key, uint32_t hash)
{
	struct node **at = &m->buckets[hash & m->mask];

	for (; *at; at = &(*at)->next)
		if ((*at)->hash == hash && str_eq((struct str){ (*at)->key, (*at)->n }, key))
			break;
	return at;
}

static void grow(struct map *m)
{
	size_t mask = m->mask * 2 + 1;
	struct node **buckets = mask < UINT32_MAX ? calloc(mask + 1, sizeof(*buckets)) : NULL;

	/* Without memory the chains get longer, nothing else. */
	if (!buckets)
		return;
	for (size_t i = 0; i <= m->mask; i++) {
		for (struct node *n = m->buckets[i], *next; n; n = next) {
			next = n->next;
			n->next = buckets[n->hash & mask];
			buckets[n->hash & mask] = n;
		}
	}
	free(m->buckets);
	m->buckets = buckets;
	m->mask = mask;
}

int map_put(struct map *m, struct str key, void *value)
{
	uint32_t hash = (uint32_t)map_hash(key, m->seed);
	struct node **at, *n;

	if (m->count > m->mask)
		grow(m);
	at = find(m, key, hash);
	if (*at)
		return EEXIST;
	n = key.n < UINT32_MAX ? malloc(sizeof(*n) + key.n) : NULL;
	if (!n)
		return ENOMEM;
	*n = (struct node){ .value = value, .hash = hash, .n = (uint32_t)key.n };
	if (key.n)
		memcpy(n->key, key.p, key.n);
	*at = n;
	m->count++;
	return 0;
}

void *map_get(const struct map *m, struct str key)
{
	struct node *n = *find(m, key, (uint32_t)map_hash(key, m->seed));

	return n ? n->value : NULL;
}

void *map_take(struct map *m, struct str key)
{
	struct node **at = find(m, key, (uint32_t)map_hash(key, m->seed)), *n = *at;
	void *value;

	if (!n)
		return NULL;
	value = n->value;
	*at = n->next;
	free(n);
	m->count--;
	return value;
}

size_t map_count(const struct map *m)
{
	return m->count;
}

void map_each(const struct map *m, bool (*fn)(struct str key, void *value, void *arg), void *arg)
{
	for (size_t i = 0; i <= m->mask; i++)
		for (struct node *n = m->buckets[i]; n; n = n->next)
			if (!fn((struct str){ n->key, n->n }, n->value, arg))
				return;
}

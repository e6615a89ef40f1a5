#include "sip/sip_bucket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

enum {
	SETS = 4096,
	WAYS = 4,
	BURST_MS = 2000,
	JOINT_BURST_MS = 500,
	PROVEN_MS = 10 * 60 * 1000,
	V6_NETWORK_BYTES = 8, /* whoever has one address of a /64 has them all */
};

struct bucket {              /* zeroed = full, and nobody's */
	uint64_t used_milli; /* thousandths of a message that have not yet come back */
	uint64_t filled_ms;
};

struct source {
	uint64_t key; /* 0 = free */
	struct bucket bucket;
	uint64_t proven_ms; /* until then; 0 = never was */
};

struct sip_buckets {
	uint64_t seed;
	uint32_t per_second;
	struct bucket joint; /* of all that are not proven */
	struct source sources[SETS][WAYS];
};

int sip_buckets_new(struct sip_buckets **out, uint64_t seed)
{
	struct sip_buckets *b = calloc(1, sizeof(*b));

	if (!b)
		return ENOMEM;
	b->seed = seed;
	*out = b;
	return 0;
}

void sip_buckets_free(struct sip_buckets **b)
{
	free(*b);
	*b = NULL;
}

void sip_buckets_limit(struct sip_buckets *b, uint32_t per_second)
{
	b->per_second = per_second;
}

size_t sip_buckets_bytes(void)
{
	return sizeof(struct sip_buckets);
}

static bool take(struct bucket *b, uint64_t per_second, uint64_t burst_ms, uint64_t now_ms)
{
	uint64_t back = (now_ms - b->filled_ms) * per_second;

	b->used_milli = b->used_milli > back ? b->used_milli - back : 0;
	b->filled_ms = now_ms;
	if (b->used_milli + 1000 > per_second * burst_ms)
		return false;
	b->used_milli += 1000;
	return true;
}

static uint64_t key_of(const struct sip_buckets *b, const struct addr *from)
{
	struct str bytes = { (const char *)&from->in4.sin_addr, sizeof(from->in4.sin_addr) };

	if (addr_is_v6(from))
		bytes = (struct str){ (const char *)&from->in6.sin6_addr, V6_NETWORK_BYTES };
	return map_hash(bytes, b->seed) | 1; /* 0 means free */
}

static bool is_proven(const struct source *s, uint64_t now_ms)
{
	return s->proven_ms > now_ms;
}

/* Whom to forget: nobody, else the one longest unheard of, and a proven one only for want of others. */
static bool goes_first(const struct source *a, const struct source *b, uint64_t now_ms)
{
	if (!a->key || !b->key)
		return !a->key;
	if (is_proven(a, now_ms) != is_proven(b, now_ms))
		return !is_proven(a, now_ms);
	return a->bucket.filled_ms < b->bucket.filled_ms;
}

static struct source *find(struct sip_buckets *b, const struct addr *from, uint64_t now_ms)
{
	uint64_t key = key_of(b, from);
	struct source *set = b->sources[(key >> 1) % SETS], *victim = set;

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].key == key)
			return &set[i];
		if (goes_first(&set[i], victim, now_ms))
			victim = &set[i];
	}
	*victim = (struct source){ .key = key, .bucket.filled_ms = now_ms };
	return victim;
}

bool sip_buckets_take(struct sip_buckets *b, const struct addr *from, uint64_t now_ms)
{
	uint64_t joint = (uint64_t)b->per_second * SIP_BUCKET_JOINT;
	struct source *s;

	if (!b->per_second)
		return true;
	s = find(b, from, now_ms);
	if (is_proven(s, now_ms))
		return take(&s->bucket, joint, BURST_MS, now_ms);
	return take(&s->bucket, b->per_second, BURST_MS, now_ms) && take(&b->joint, joint, JOINT_BURST_MS, now_ms);
}

void sip_buckets_prove(struct sip_buckets *b, const struct addr *from, uint64_t now_ms)
{
	if (b->per_second)
		find(b, from, now_ms)->proven_ms = now_ms + PROVEN_MS;
}

#include "sip/sip_health.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"

enum { SLOTS = 256 };

struct slot {
	struct addr at;
	enum wire_kind kind;
	uint64_t until_ms; /* 0 = never used */
};

struct sip_health {
	struct loop *loop;
	uint64_t seed;
	struct slot slots[SLOTS];
};

int sip_health_new(struct sip_health **out, struct loop *l)
{
	struct sip_health *h = calloc(1, sizeof(*h));

	if (!h)
		return ENOMEM;
	h->loop = l;
	h->seed = loop_random(l);
	*out = h;
	return 0;
}

void sip_health_free(struct sip_health **h)
{
	free(*h);
	*h = NULL;
}

static size_t slot_of(const struct sip_health *h, enum wire_kind kind, const struct addr *at)
{
	return addr_hash(at, h->seed + (uint64_t)kind) % SLOTS;
}

static bool is_about(const struct slot *s, enum wire_kind kind, const struct addr *at)
{
	return s->until_ms && s->kind == kind && addr_equal(&s->at, at);
}

void sip_health_failed(struct sip_health *h, enum wire_kind kind, const struct addr *at)
{
	h->slots[slot_of(h, kind, at)] = (struct slot){ *at, kind, loop_now_ms(h->loop) + SIP_HEALTH_MS };
}

void sip_health_good(struct sip_health *h, enum wire_kind kind, const struct addr *at)
{
	struct slot *s = &h->slots[slot_of(h, kind, at)];

	if (is_about(s, kind, at))
		s->until_ms = 0;
}

bool sip_health_is_bad(const struct sip_health *h, enum wire_kind kind, const struct addr *at)
{
	const struct slot *s = &h->slots[slot_of(h, kind, at)];

	return is_about(s, kind, at) && s->until_ms > loop_now_ms(h->loop);
}

void sip_health_sort(const struct sip_health *h, struct dns_result *r)
{
	struct addr bad[DNS_MAX_ADDRS];
	size_t good = 0, n = 0;

	for (size_t i = 0; i < r->count; i++) {
		if (sip_health_is_bad(h, r->kind, &r->addrs[i]))
			bad[n++] = r->addrs[i];
		else
			r->addrs[good++] = r->addrs[i];
	}
	memcpy(&r->addrs[good], bad, n * sizeof(bad[0]));
}

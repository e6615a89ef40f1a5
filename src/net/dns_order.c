#include "net/dns_order.h"

#include <string.h>

#include "base/loop.h"

void dns_target_add(struct dns_target *t, const struct addr *a)
{
	bool v6 = addr_is_v6(a);
	size_t at = v6 ? t->count : t->v4;

	if (at == DNS_TARGET_ADDRS)
		return;
	if (t->count == DNS_TARGET_ADDRS)
		t->count--;
	memmove(&t->addrs[at + 1], &t->addrs[at], (t->count - at) * sizeof(t->addrs[0]));
	t->addrs[at] = *a;
	addr_set_port(&t->addrs[at], t->port);
	t->count++;
	t->v4 = (uint8_t)(t->v4 + !v6);
}

/* RFC 2782 wants a very small chance for weight 0; where all have it, all shall be equal. */
static uint32_t chance(const struct dns_target *t)
{
	return t->weight * 100U + 1;
}

/* Of the targets left (a bit each, not none), one of the lowest priority, drawn by weight. */
static size_t draw(struct loop *l, const struct dns_answer *a, unsigned left)
{
	unsigned best = UINT16_MAX;
	uint32_t sum = 0, sought;
	size_t at = 0;

	for (size_t i = 0; i < a->count; i++) {
		const struct dns_target *t = &a->targets[i];

		if (!(left & 1U << i) || t->priority > best)
			continue;
		sum = chance(t) + (t->priority == best ? sum : 0);
		best = t->priority;
	}
	sought = loop_random_below(l, sum);
	for (sum = 0; at < a->count; at++) {
		if (left & 1U << at && a->targets[at].priority == best)
			sum += chance(&a->targets[at]);
		if (sum > sought)
			break;
	}
	return at;
}

void dns_order(struct loop *l, const struct dns_answer *a, struct dns_result *out)
{
	unsigned left = (1U << a->count) - 1;

	memset(out, 0, sizeof(*out));
	out->kind = a->kind;
	while (left && out->count < DNS_MAX_ADDRS) {
		size_t at = draw(l, a, left);
		const struct dns_target *t = &a->targets[at];

		left &= ~(1U << at);
		for (size_t i = 0; i < t->count && out->count < DNS_MAX_ADDRS; i++)
			out->addrs[out->count++] = t->addrs[i];
	}
	out->err = out->count ? 0 : a->err;
}

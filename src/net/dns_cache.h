/* dns_cache: answers of the name servers for as long as their records live, at most 1,024 of them, the oldest goes
 * first. Thread: signal. */
#ifndef DNS_CACHE_H
#define DNS_CACHE_H

#include "net/dns_order.h"

struct dns_cache;

/* 0 or ENOMEM. */
int dns_cache_new(struct dns_cache **out, struct loop *l);
void dns_cache_free(struct dns_cache **c);
/* false = it is not there, or no longer true. */
bool dns_cache_get(struct dns_cache *c, const struct dns_query *q, struct dns_answer *out);
/* In the place of an older one. Without memory it is not kept. */
void dns_cache_put(struct dns_cache *c, const struct dns_query *q, const struct dns_answer *a, uint32_t life_s);

#endif

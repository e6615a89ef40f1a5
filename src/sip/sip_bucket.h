/* sip_bucket: how many messages a source may send, asked before anything of a message is read.
 *
 * A table of fixed size with a seeded hash, one token bucket a source (an IPv4 address, an IPv6 /64); nothing is allocated
 * per message. A source that nothing is known of has `per_second`, and all such sources together SIP_BUCKET_JOINT times
 * that, so that a flood from invented addresses stays small. One that is proven, because it has answered a request of
 * ours or spoken within a dialog, has SIP_BUCKET_JOINT times as much for itself for the next ten minutes, and keeps its
 * place when the table is full. Two seconds' worth may come at once, of the joint ones half a second's.
 * Pure; time is passed in. Thread: any, one at a time. */
#ifndef SIP_BUCKET_H
#define SIP_BUCKET_H

#include <stddef.h>

#include "net/addr.h"

enum { SIP_BUCKET_JOINT = 20 };

struct sip_buckets;

/* 0 or ENOMEM. */
int sip_buckets_new(struct sip_buckets **out, uint64_t seed);
void sip_buckets_free(struct sip_buckets **b);
/* From now on; 0 = no limit. */
void sip_buckets_limit(struct sip_buckets *b, uint32_t per_second);
/* May one more message of this source be read? now_ms never goes back. */
bool sip_buckets_take(struct sip_buckets *b, const struct addr *from, uint64_t now_ms);
/* This source is one that we deal with. */
void sip_buckets_prove(struct sip_buckets *b, const struct addr *from, uint64_t now_ms);
/* Bytes of the table. */
size_t sip_buckets_bytes(void);

#endif

/* sip_health: addresses that failed a moment ago, so that the next call does not wait for them again.
 *
 * A fixed table by address, port and transport; an address that falls into the slot of another one takes its place, so
 * memory is bounded and the worst that happens is that a call waits as the first one did. What is in it is tried last,
 * never left out. Thread: signal. Source: RFC 3263 §4.3. */
#ifndef SIP_HEALTH_H
#define SIP_HEALTH_H

#include "net/dns.h"

struct loop;
struct sip_health;

enum { SIP_HEALTH_MS = 30000 }; /* how long an address stays last */

/* 0 or ENOMEM. */
int sip_health_new(struct sip_health **out, struct loop *l);
void sip_health_free(struct sip_health **h);
void sip_health_failed(struct sip_health *h, enum wire_kind kind, const struct addr *at);
/* It has answered. */
void sip_health_good(struct sip_health *h, enum wire_kind kind, const struct addr *at);
bool sip_health_is_bad(const struct sip_health *h, enum wire_kind kind, const struct addr *at);
/* Those that failed go behind the others; else the order stays. */
void sip_health_sort(const struct sip_health *h, struct dns_result *r);

#endif

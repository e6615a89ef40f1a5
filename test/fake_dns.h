/* fake_dns: a table of names behind the door of net/dns.h, answered from the loop.
 *
 * Numeric hosts lead to themselves, unknown names to ENOENT. Thread: the loop's. */
#ifndef FAKE_DNS_H
#define FAKE_DNS_H

#include "net/dns.h"

struct loop;
struct fake_dns;

/* 0 or ENOMEM. */
int fake_dns_new(struct fake_dns **out, struct loop *l);
void fake_dns_free(struct fake_dns **d); /* open look-ups are cancelled */
struct dns *fake_dns_door(struct fake_dns *d);
/* One more address of the name, tried behind those added before. "10.0.0.1", "[fd00::1]:5070"; a port of its
 * own counts when the query has none (as SRV gives it), else the query's, else the transport's default. */
void fake_dns_add(struct fake_dns *d, const char *name, const char *address);
/* The domain has chosen this transport (NAPTR), for those who may use it and leave it open. */
void fake_dns_prefer(struct fake_dns *d, const char *name, enum wire_kind kind);
/* The name fails with err (ENOENT, ETIMEDOUT, EIO); 0 = no longer. */
void fake_dns_fail(struct fake_dns *d, const char *name, int err);
/* Answers take so long from now on; 0 = still not before the loop turns. */
void fake_dns_delay(struct fake_dns *d, uint32_t delay_ms);
/* Look-ups not yet answered; look-ups ever. */
size_t fake_dns_open(const struct fake_dns *d);
size_t fake_dns_asked(const struct fake_dns *d);

#endif

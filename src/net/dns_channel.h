/* dns_channel: c-ares with its sockets and its clock on the loop. What it is asked, and for whom, is dns.c's.
 *
 * Thread: signal. */
#ifndef DNS_CHANNEL_H
#define DNS_CHANNEL_H

#include <ares.h>

struct loop;
struct dns_channel;

/* servers: as dns_new(). 0, EINVAL (bad list), or errno. */
int dns_channel_new(struct dns_channel **out, struct loop *l, const char *servers);
/* Questions that are open end inside, with ARES_EDESTRUCTION. */
void dns_channel_free(struct dns_channel **c);
/* To be asked directly; then dns_channel_asked(), which sets its clock. */
ares_channel dns_channel_ares(const struct dns_channel *c);
void dns_channel_asked(struct dns_channel *c);

#endif

/* dns_order: what a look-up has found, and in which order it is to be tried.
 *
 * Targets of the lowest priority number first; among equals one is drawn by weight each time an answer is given, so
 * that calls are shared out also while it comes from the cache. Pure but for the dice of the loop.
 * Thread: signal. Source: RFC 2782, RFC 3263 §4.2. */
#ifndef DNS_ORDER_H
#define DNS_ORDER_H

#include "net/dns.h"

enum { DNS_MAX_TARGETS = 8, DNS_TARGET_ADDRS = 4 };

struct dns_target { /* a host with a port: of an SRV record, or the one asked for */
	uint16_t port, priority, weight;
	uint8_t count, v4; /* addresses, and how many of them are IPv4: these come first */
	struct addr addrs[DNS_TARGET_ADDRS];
};

struct dns_answer {
	int err; /* when there is no address */
	enum wire_kind kind;
	uint8_t count;
	struct dns_target targets[DNS_MAX_TARGETS];
};

/* One more address of the target; its port is filled in. IPv4 goes before IPv6 whichever came first, since a caller
 * that tries one address only reaches more peers so; what there is no room for is left out. */
void dns_target_add(struct dns_target *t, const struct addr *a);
void dns_order(struct loop *l, const struct dns_answer *a, struct dns_result *out);

#endif

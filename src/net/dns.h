/* dns: where a host name leads, by c-ares on the loop; the door for tests is a struct dns of their own.
 *
 * Numeric hosts at once; NAPTR when the transport is open, SRV of the transport when there is no port, then A and AAAA.
 * Answers live as long as their records (1 s to 1 h), missing names as the zone's SOA says (at most 60 s; 5 s without).
 * A look-up takes 5 s at most. c-ares keeps real time; a virtual loop is held while a look-up is open.
 * Thread: signal. Source: RFC 3263 §4, RFC 2782, RFC 2308. */
#ifndef DNS_H
#define DNS_H

#include "net/wire.h"

struct loop;
struct dns;

enum { DNS_MAX_ADDRS = 8 };

struct dns_result {
	int err;                          /* 0, ENOENT (no such name), ETIMEDOUT, EIO */
	struct addr addrs[DNS_MAX_ADDRS]; /* ports filled in, first is to be tried first */
	size_t count;
	enum wire_kind kind; /* of all of them: the query's, or what the domain prefers of its kinds */
};

struct dns_query {
	struct str host; /* copied */
	uint16_t port;   /* 0 = SRV of the transport, then the default port of the transport */
	enum wire_kind kind;
	/* A bit (1U << kind) for each that the domain may choose by NAPTR instead. 0, or a port = kind is settled. */
	uint8_t kinds;
};

struct dns_ops {
	/* done runs from the loop, exactly once unless cancelled; *id names the look-up for cancel. 0 or errno. */
	int (*lookup)(struct dns *d, const struct dns_query *q, void (*done)(void *arg, const struct dns_result *r),
		      void *arg, uint64_t *id);
	void (*cancel)(struct dns *d, uint64_t id); /* stale ids are fine */
};

struct dns {
	const struct dns_ops *ops;
};

/* servers: "ADDRESS" or "ADDRESS:PORT" list with commas, NULL = the system's. */
int dns_new(struct dns **out, struct loop *l, const char *servers);
/* d follows *before, both by dns_new(): new look-ups are asked of d, the open ones still end. *before becomes d's own,
 * which frees it. */
void dns_follow(struct dns *d, struct dns **before);
void dns_free(struct dns **d); /* open look-ups are cancelled */

#endif

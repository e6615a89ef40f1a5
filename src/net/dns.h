/* dns: where a host name leads, by c-ares on the loop; the door for tests is a struct dns of their own.
 *
 * First version: numeric hosts at once, A and AAAA (IPv4 first), and SRV of the transport when there is no
 * port (targets in order of priority, weight drawn). NAPTR and the records' own lifetimes come later: answers
 * are kept for 30 s, missing names for 5 s. A look-up takes 5 s at most.
 * c-ares keeps real time; a virtual loop is held while a look-up is open. Thread: signal. */
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
};

struct dns_query {
	struct str host; /* copied */
	uint16_t port;   /* 0 = SRV of the transport, then the default port of the transport */
	enum wire_kind kind;
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

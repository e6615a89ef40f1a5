/* reach: where something that is no HTTP request may go: a host of a document looked up, each of its addresses judged.
 *
 * The struct is embedded in its owner, who stops it before it dies. done() runs from the loop, once, unless stopped.
 * Thread: signal. Source: PRODUCT §6 (webhooks.allow_hosts). */
#ifndef REACH_H
#define REACH_H

#include "net/dns.h"
#include "net/http_rules.h"

struct reach_result {                     /* borrowed during done() */
	const char *why;                  /* one clause, NULL = there are addresses */
	struct addr addrs[DNS_MAX_ADDRS]; /* to be tried in this order */
	size_t count;
};

struct reach {
	struct dns *dns; /* while it looks; NULL = it does not */
	uint64_t id;
	struct http_rules *rules;
	char host[256];
	void (*done)(void *arg, const struct reach_result *r);
	void *arg;
};

struct reach_query {
	struct dns *dns;          /* must outlive it */
	struct http_rules *rules; /* a reference is taken */
	struct str host;          /* copied; name or address, without brackets */
	uint16_t port;
};

/* 0, or EINVAL, ENOMEM, what a look-up may give. */
int reach_start(struct reach *r, const struct reach_query *q, void (*done)(void *arg, const struct reach_result *r),
		void *arg);
void reach_stop(struct reach *r); /* harmless when it does not run, or never has (zeroed memory) */

#endif

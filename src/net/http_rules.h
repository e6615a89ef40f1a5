/* http_rules: which addresses a request may go to. Immutable and counted. Pure.
 * Thread: counting on the owner's loop, reading anywhere. Source: PRODUCT §5, §6 (webhooks.allow_hosts). */
#ifndef HTTP_RULES_H
#define HTTP_RULES_H

#include "net/addr.h"

struct http_rules;

/* allow: host names, addresses, networks, NULL-terminated; NULL = none. 0 or ENOMEM. */
int http_rules_new(struct http_rules **out, const char *const *allow, bool deny_private);
struct http_rules *http_rules_use(struct http_rules *r);
void http_rules_drop(struct http_rules *r); /* NULL is fine */
/* May a request for that host name (of the URL) go to that address? */
bool http_rules_allow(const struct http_rules *r, struct str host, const struct addr *a);
/* Loopback, private, link-local, shared, multicast, reserved and unspecified, also when mapped or embedded in IPv6. */
bool http_rules_is_private(const struct addr *a);

#endif

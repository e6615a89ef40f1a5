/* route: whose calls we take, who answers them, and over which trunk a number goes. Pure look-ups in an
 * immutable table. Thread: any. Source: PRODUCT §3 (trunks, routes), §6 (routes.match, numbers, trunk order). */
#ifndef ROUTE_H
#define ROUTE_H

#include "net/addr.h"

struct trunk {
	const char *name;
	const char *uri;               /* with {number} */
	const char *const *prefixes;   /* NULL-terminated; none = takes nothing by number */
	const char *const *caller_ids; /* NULL-terminated: "+1555…", prefix with '*', or "*"; empty = all */
	const struct addr_net *accept_from;
	size_t accept_count;
};

struct route {
	const char *match;
	const char *swml; /* absolute file name; NULL for kinds that come later */
	uint32_t line;    /* in the configuration, for messages */
};

struct route_table {
	const struct trunk *trunks;
	size_t trunk_count;
	const struct route *routes;
	size_t route_count;
	const char *country; /* digits, "" = none */
};

/* The trunk whose accept_from has the address, NULL = unknown source. */
const struct trunk *route_source(const struct route_table *t, const struct addr *from);
/* First match for the user part (or user@host when the pattern has '@'); '*' only at the end. NULL = none. */
const struct route *route_match(const struct route_table *t, struct str user, struct str host);
/* Phone number as E.164 by the rule of PRODUCT §6. 0, or EINVAL when there are letters or no digits. out: 32 bytes. */
int route_number(char out[32], struct str text, const char *country);
/* First trunk for the number: longest prefix, then file order. NULL = none. */
const struct trunk *route_trunk(const struct route_table *t, const char *number);
bool trunk_allows_caller(const struct trunk *t, const char *number);

#endif

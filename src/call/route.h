/* route: whose calls we take, who answers them, and over which trunk a number goes. Pure look-ups in an
 * immutable table. Thread: any. Source: PRODUCT §3 (trunks, routes), §6 (routes.match, numbers, trunk order). */
#ifndef ROUTE_H
#define ROUTE_H

#include "call/rates.h"
#include "call/resource.h"
#include "net/addr.h"

enum trunk_identity { TRUNK_IDENTITY_NONE, TRUNK_IDENTITY_PAI, TRUNK_IDENTITY_RPID };

struct trunk {
	const char *name;
	const char *uri;                 /* with {number} */
	const char *const *prefixes;     /* NULL-terminated; none = takes nothing by number */
	const char *const *caller_ids;   /* NULL-terminated: "+1555…", prefix with '*', or "*"; empty = all */
	const char *username, *password; /* for digest; NULL = none. Never printed */
	const struct rates *rates;       /* NULL = no table */
	const struct addr_net *accept_from;
	size_t accept_count;
	bool registers;                  /* then uri, username and password are there */
	uint32_t expires_s;              /* asked for in REGISTER */
	uint32_t probe_s;                /* OPTIONS so often, 0 = never */
	int identity;                    /* enum trunk_identity: who calls is told so besides From */
	bool privacy;                    /* all caller ids are withheld */
	bool trust_identity;             /* what it says by P-Asserted-Identity is who calls */
	bool follow_redirects;           /* 3xx */
	const char *const *pass_headers; /* of the caller's INVITE; NULL-terminated, NULL = none */
};

struct route {
	const char *match;
	const char *swml;   /* absolute file name or text ("{…") of the document; NULL: by URL, or a kind of later */
	const char *url;    /* http(s) URL of the document instead; NULL = none */
	const char *method; /* of url and fallback: "GET", or NULL = POST */
	const char *fallback; /* URL or absolute file name, for when url fails; NULL = none */
	const char *address;  /* of a resource, which swml and url come from then; NULL = none */
	uint32_t line;        /* in the configuration, for messages; as is */
	uint32_t address_line, address_col;
};

struct route_table {
	const struct trunk *trunks;
	size_t trunk_count;
	const struct route *routes;
	size_t route_count;
	const char *country;                    /* digits, "" = none */
	const struct resource_table *resources; /* NULL = none */
};

/* The trunk whose accept_from has the address, NULL = unknown source. */
const struct trunk *route_source(const struct route_table *t, const struct addr *from);
/* First match for the user part (or user@host when the pattern has '@'); '*' only at the end. NULL = none. */
const struct route *route_match(const struct route_table *t, struct str user, struct str host);
/* Phone number as E.164 by the rule of PRODUCT §6. 0, or EINVAL when there are letters or no digits. out: 32 bytes. */
int route_number(char out[32], struct str text, const char *country);
/* The trunks that take the number, best first: longest prefix, then file order. out has room for all trunks of the
 * table. Returns how many. */
size_t route_trunks(const struct route_table *t, const char *number, const struct trunk **out);
/* May the trunk send this caller id, as it stands or as the number that route_number() makes of it? */
bool trunk_allows_caller(const struct trunk *t, const char *id, const char *country);

enum trunk_price { TRUNK_FREE, TRUNK_WITHIN, TRUNK_OVER, TRUNK_NO_RATE }; /* FREE: there is no table to say more */

/* Is the trunk's price for the number at most cap? *price is set for WITHIN and OVER. */
enum trunk_price trunk_price(const struct trunk *t, const char *number, uint32_t cap, uint32_t *price);

#endif

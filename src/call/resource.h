/* resource: Call Fabric addresses of the configuration: what /context/name stands for. Pure look-ups in an immutable
 * table. Thread: any. Source: PRODUCT §3 (resources), connect.md §13. */
#ifndef RESOURCE_H
#define RESOURCE_H

#include "base/str.h"

enum resource_kind {
	RESOURCE_SUBSCRIBER,
	RESOURCE_SIP,
	RESOURCE_SWML,
	RESOURCE_LATER, /* of a kind that comes later */
};

struct resource {
	const char *address; /* "/context/name" */
	const char *name;    /* part of address */
	enum resource_kind kind;
	const char *password;  /* SUBSCRIBER; never printed */
	const char *uri;       /* SIP */
	const char *swml;      /* SWML: absolute file name, NULL for URLs */
	const char *url;       /* SWML: http(s) URL instead */
	const char *kind_name; /* as the configuration says it */
	uint32_t line, col;    /* there */
};

struct resource_table {
	const struct resource *items;              /* by address */
	const struct resource *const *subscribers; /* by name, which no two share */
	size_t count, subscriber_count;
};

/* By address; one without a context is in /public, and a query behind it is left out. NULL = none. */
const struct resource *resource_find(const struct resource_table *t, struct str address);
/* NULL = nobody has that name. */
const struct resource *resource_subscriber(const struct resource_table *t, struct str name);
/* The order of both lists: bytes. */
int resource_compare(struct str a, struct str b);

#endif

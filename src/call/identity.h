/* identity: who a trunk is told to be calling, and what else of the caller's INVITE it gets to see.
 *
 * By the trunk's keys identity, privacy and pass_headers. Numbers only: SIP URIs are called as the document says.
 * Pure; all texts go into the arena. Thread: signal. Source: RFC 3325, RFC 3323, RFC 5806, RFC 7044. */
#ifndef IDENTITY_H
#define IDENTITY_H

#include "call/call.h"
#include "call/route.h"
#include "sip/sip_session.h"

struct arena;

struct identity_ask {
	const struct trunk *trunk;
	struct str user, name;          /* of the caller; user "anonymous" = withheld */
	const char *host;               /* of our URIs */
	const struct call_info *parent; /* NULL = none */
};

struct identity {
	struct str from_uri, from_name;
	struct sip_fields fields;
};

/* 0 or ENOMEM. */
int identity_make(struct identity *out, struct arena *a, const struct identity_ask *ask);

#endif

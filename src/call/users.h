/* users: the subscribers of a server as calls see them: their names are the configuration's, their phones the SIP
 * stack's. Thread: signal. */
#ifndef USERS_H
#define USERS_H

#include "call/calls.h"

struct resource;

/* By name: the user part of sip:name@domain, escapes and all. NULL = nobody. */
const struct resource *users_find(const struct calls *cs, struct str name);
/* Does the URI lie in our domain? */
bool users_is_ours(const struct calls *cs, const struct sip_uri *uri);
bool users_owns(const struct calls *cs, const char *uri);
/* Ids for call_dial.binding, the most wanted phone first. Returns how many, at most max. */
size_t users_phones(const struct calls *cs, struct str name, uint64_t *out, size_t max);
/* The same for sip:name@domain; 0 when that is nobody of ours. */
size_t users_phones_of(const struct calls *cs, const char *uri, uint64_t *out, size_t max);
/* /context/name of the configuration, NULL = none. */
const struct resource *users_address(const struct calls *cs, const char *address);
const char *users_domain(const struct calls *cs); /* NULL = none */

/* What the SIP stack asks. */
const char *users_password(void *arg, struct str name);
bool users_challenged(void *arg, const struct addr *source, const struct sip_msg *m);
/* May somebody from nowhere in particular send this, since he will be asked for a password? */
bool users_may_ask(const struct calls *cs, const struct sip_msg *m);
/* After the configuration has changed. 0 or ENOMEM. */
int users_serve(struct calls *cs);

#endif

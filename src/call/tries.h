/* tries: the ways to the party of one outbound leg, in the order in which they are tried, and what a 3xx adds to them.
 *
 * Data only; who tries, and when the next one's turn has come, is leg_sip_dial.c's business. Texts live in an arena of its
 * own. Thread: signal. Source: PRODUCT §6 (trunk for a number), RFC 3261 §8.1.3.4. */
#ifndef TRIES_H
#define TRIES_H

#include "base/loop.h"
#include "call/leg_sip.h"

struct arena;

enum { TRIES_MAX_REDIRECTS = 5 }; /* of one leg */

struct tries {
	struct arena *arena;
	const struct leg_sip_env *env;
	struct leg_sip_target *targets;
	size_t count, at;
	unsigned redirects; /* targets that 3xx have brought */
	char *id;           /* of the call */
	struct loop_timer patience;
};

/* 0 or ENOMEM. */
int tries_new(struct tries **out, const struct leg_sip_env *env, const struct leg_sip_call *p);
void tries_free(struct tries **t); /* its timer must be stopped; *t may be NULL */
/* The target that is tried answered 3xx with these Contacts, one a line: put those that can be followed behind it, best
 * first. How many; 0 as well when its trunk is not to be followed. */
size_t tries_redirect(struct tries *t, struct str contacts);

#endif

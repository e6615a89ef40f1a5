/* plan: what to dial, in the one shape every dialect translates to.
 *
 * Plain data: no live objects, no dialect words, no defaults left open. Everything lives in one arena and
 * dies with it; a plan may be read on any thread once it is built. */
#ifndef PLAN_H
#define PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct arena;
struct doc;

enum target_kind {
	TARGET_NUMBER, /* phone number: a trunk is chosen when it is dialled */
	TARGET_SIP,
	TARGET_USER,
	TARGET_STREAM,
	TARGET_QUEUE,
	TARGET_ROOM,
	TARGET_SCRIPT,
	TARGET_ADDRESS, /* /context/name, resolved when it is dialled */
};

enum plan_race {
	PLAN_RACE_ANSWER,  /* first answer drops the others, then confirms    */
	PLAN_RACE_CONFIRM, /* others ring on until someone has confirmed      */
};

enum plan_encryption {
	PLAN_ENCRYPTION_DEFAULT,
	PLAN_ENCRYPTION_FORBIDDEN,
	PLAN_ENCRYPTION_OPTIONAL,
	PLAN_ENCRYPTION_MANDATORY
};

struct plan_header {
	const char *name, *value;
};

struct plan_script {     /* runs on the peer before joining */
	const char *url; /* one of the two is set */
	const struct doc *methods;
};

struct plan_hook { /* where events of a leg go */
	const char *url;
	unsigned events; /* bits: 1 << enum event_type */
};

struct plan_target {
	enum target_kind kind;
	const char *address;   /* number, URI, name; never NULL */
	uint64_t binding;      /* SIP of our domain: one phone of the subscriber, 0 = not looked up yet */
	const char *from;      /* NULL = the caller's own */
	const char *from_name; /* NULL = none */
	const struct plan_header *headers;
	size_t header_count;
	const char *codecs;              /* comma list in order, NULL = ours */
	const char *username, *password; /* NULL = none. Never printed. */
	enum plan_encryption encryption;
	bool webrtc_media;
	uint32_t session_timeout_s;        /* 0 = ours */
	uint32_t ring_ms;                  /* give up after, from INVITE to 2xx; never 0 */
	const struct plan_script *confirm; /* NULL = none */
	uint32_t confirm_ms;               /* limit on that script, 0 = none */
	uint32_t price_cap;                /* USD * 10,000 a minute, 0 = no cap */
	const struct plan_hook *hook;      /* NULL = none */
};

struct plan_group { /* these ring at once */
	const struct plan_target *targets;
	size_t count;
};

struct plan {
	struct arena *arena;             /* owner of all of this */
	const struct plan_group *groups; /* tried in order */
	size_t group_count;
	enum plan_race race;
	bool answer_on_join;         /* false: the caller is answered first */
	char drop_key;               /* caller ends the peer with it, 0 = none */
	const char *const *ringback; /* play URIs */
	size_t ringback_count;
	uint32_t total_ms;      /* limit on all dialling, 0 = none */
	uint32_t max_talk_ms;   /* limit on joined time, 0 = none */
	const char *status_url; /* of the whole operation, NULL = none */
};

enum { PLAN_MAX_TARGETS = 64 }; /* over all groups; more is an error of the translator */

/* An empty plan in an arena of its own. 0 or ENOMEM. */
int plan_new(struct plan **out);
void plan_free(struct plan **p);
/* Targets over all groups: the engine's slots are numbered through them. */
size_t plan_target_count(const struct plan *p);
const struct plan_target *plan_target(const struct plan *p, size_t slot);
/* NULL when the plan can be dialled, else one sentence (no group, empty group, too many targets,
 * ring_ms 0, confirm without script …). */
const char *plan_fault(const struct plan *p);
/* One line a target and one for the whole, as `check --plan` and the log show it. No passwords. */
void plan_print(struct buf *out, const struct plan *p);

#endif

/* sip_bindings: who is registered where: contacts of users, until they expire.
 *
 * Pure store: knows no requests and no passwords. A change is made as a whole or not at all. A binding over a
 * connection goes with the connection; one of the same device (+sip.instance and reg-id) takes the place of the one
 * before. A user has at most SIP_MAX_CONTACTS of them: the one that would expire first makes room.
 * Thread: signal. Source: RFC 3261 §10.3, RFC 3327, RFC 5626 (in its simple form). */
#ifndef SIP_BINDINGS_H
#define SIP_BINDINGS_H

#include "base/list.h"
#include "base/loop.h"
#include "sip/sip_table.h"
#include "sip/sip_transport.h"

enum { SIP_MAX_CONTACTS = 10, SIP_MAX_CONTACT = 512, SIP_MAX_PATH = 1024, SIP_MAX_INSTANCE = 128 };

struct sip_bindings;
struct sip_registered; /* a user with bindings */

struct sip_binding {      /* to be read only; borrowed until the loop turns */
	struct list node; /* of the user: highest q first, of equals the newest */
	struct sip_node on_connection, by_id;
	struct loop_timer expiry;
	struct sip_registered *user;
	uint64_t id; /* stays the same when the contact is registered again */
	uint64_t expires_ms;
	uint64_t call_hash; /* of the Call-ID that made it */
	uint32_t cseq, reg_id;
	uint16_t q;           /* thousandths */
	bool by_flow;         /* reached where its REGISTER came from, not where the contact says */
	struct sip_flow flow; /* of that REGISTER */
	struct str contact;   /* URI */
	struct str path;      /* route set, one value a line; empty = none */
	struct str instance;  /* empty = none */
	char texts[];
};

struct sip_contact { /* wanted */
	struct str uri, instance;
	uint32_t reg_id, expires_s; /* 0 = remove */
	uint16_t q;
	bool by_flow;
};

struct sip_bindings_change { /* one REGISTER; all borrowed */
	struct str user, call_id, path;
	uint32_t cseq;
	struct sip_flow flow;
	const struct sip_contact *contacts;
	size_t count;
	bool remove_all; /* instead of contacts */
};

/* 0 or ENOMEM. */
int sip_bindings_new(struct sip_bindings **out, struct loop *l);
void sip_bindings_free(struct sip_bindings **b); /* *b may be NULL */
/* 0; EAGAIN: not newer than what is there (§10.3 step 7), nothing changed; ENOMEM, nothing changed; E2BIG: more
 * contacts than a user may have, or a text over its limit. */
int sip_bindings_apply(struct sip_bindings *b, const struct sip_bindings_change *c);
/* The connection is gone. */
void sip_bindings_lost(struct sip_bindings *b, uint64_t connection);
/* Is it the way to somebody? */
bool sip_bindings_need(const struct sip_bindings *b, uint64_t connection);
/* Remove all bindings of users that keep() does not want. */
void sip_bindings_sift(struct sip_bindings *b, bool (*keep)(void *arg, struct str user), void *arg);

const struct sip_binding *sip_bindings_find(const struct sip_bindings *b, uint64_t id); /* NULL = gone */
struct str sip_binding_user(const struct sip_binding *b);
/* Visit those of the user (absent = of all) until fn returns false. fn must not change anything. */
void sip_bindings_each(const struct sip_bindings *b, struct str user,
		       bool (*fn)(void *arg, const struct sip_binding *b), void *arg);
size_t sip_bindings_count(const struct sip_bindings *b);
size_t sip_bindings_users(const struct sip_bindings *b);

#endif

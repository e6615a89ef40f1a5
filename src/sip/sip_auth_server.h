/* sip_auth_server: digest of the called side: makes challenges, judges the answers, slows down who guesses.
 *
 * Nonces are made without keeping them: a time, random bits and a keyed hash of both. What of a nonce was used (nc) and
 * who answered wrongly is kept in tables of fixed size; what falls out of the first makes nonces stale, never valid
 * again. A wrong user and a wrong password look alike, in the answer and in the work done for it. Nothing here prints
 * or logs a password. Thread: signal. Source: RFC 7616, 8760, 3261 §22. */
#ifndef SIP_AUTH_SERVER_H
#define SIP_AUTH_SERVER_H

#include "net/addr.h"
#include "sip/sip_auth.h"

enum { SIP_NONCE_LIFE_MS = 300000, SIP_CHALLENGES = 2, SIP_CHALLENGE_TEXT = 512 };
/* Wrong answers that may come at once, and how long it takes until one more is forgiven. A name may be tried by many. */
enum { SIP_GUESSES = 20, SIP_GUESSES_NAME = 100, SIP_GUESS_MS = 10000 };

struct loop;
struct sip_auth_server;

struct sip_credentials { /* slices of the header's value, without quotes, escapes as written */
	enum sip_digest_kind kind;
	struct str username, realm, nonce, uri, response;
	struct str cnonce; /* this and nc: with qop only */
	bool qop;          /* "auth" */
	uint32_t nc;
};

/* One Authorization value. 0; ENOTSUP: another scheme, algorithm or qop than ours; EINVAL: something is missing or
 * there is too much of it. out is untouched on error. */
int sip_credentials_parse(struct sip_credentials *out, struct str value);

/* 0 or ENOMEM. */
int sip_auth_server_new(struct sip_auth_server **out, struct loop *l);
void sip_auth_server_free(struct sip_auth_server **s); /* *s may be NULL */

struct sip_auth_ask {
	const struct sip_msg *m;
	const struct addr *source;
	const char *realm;
	unsigned offer; /* bits: 1 << enum sip_digest_kind; of MD5 and SHA-256 */
	/* The password of a user, borrowed; NULL = nobody has that name. */
	const char *(*password)(void *arg, struct str user);
	void *arg;
};

enum sip_proof {
	SIP_PROOF_MISSING, /* no answer to a challenge of this realm: challenge */
	SIP_PROOF_STALE,   /* right, but to a nonce that is over or was used so before: challenge with stale */
	SIP_PROOF_WRONG,   /* challenge again; that it was wrong has been counted */
	SIP_PROOF_BLOCKED, /* too many wrong ones: refuse; nothing was looked at */
	SIP_PROOF_GOOD,
};

/* What the credentials of a request prove. *user: the name they give, a slice of the message; absent for MISSING. */
enum sip_proof sip_auth_server_judge(struct sip_auth_server *s, const struct sip_auth_ask *ask, struct str *user);
/* Values for WWW-Authenticate headers, the one to be preferred first; returns how many. Phones of old give up when they
 * see one that they do not know, instead of passing over it as RFC 3261 §22.1 has them: who leaves such a challenge
 * unanswered and asks again (the same From at the same source) is offered MD5 alone, every second time. */
size_t sip_auth_server_challenge(struct sip_auth_server *s, const struct sip_auth_ask *ask, bool stale,
				 char out[SIP_CHALLENGES][SIP_CHALLENGE_TEXT]);

#endif

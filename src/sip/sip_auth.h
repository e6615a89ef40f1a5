/* sip_auth: digest of the calling side: reads challenges, answers them, keeps count.
 *
 * The upper half is pure. The lower half, struct sip_auth, belongs to one outbound session: it binds its
 * credentials to the realm that asked first and answers a nonce once, so that nobody else can have them asked out
 * of us. Nothing here prints or logs a password. Thread: signal. Source: RFC 7616, 2617, 8760, 3261 §22. */
#ifndef SIP_AUTH_H
#define SIP_AUTH_H

#include "sip/sip_msg.h"

enum { SIP_DIGEST_TEXT = 65 }; /* room for a response in hex */

enum sip_digest_kind {
	SIP_DIGEST_MD5,
	SIP_DIGEST_MD5_SESS,
	SIP_DIGEST_SHA256,
	SIP_DIGEST_SHA256_SESS,
	SIP_DIGEST_SHA512_256,
	SIP_DIGEST_SHA512_256_SESS,
};

struct sip_challenge { /* slices of the header's value, without quotes, escapes as written */
	enum sip_digest_kind kind;
	struct str realm, nonce;
	struct str opaque; /* absent = none */
	bool named;        /* the algorithm was given, not implied */
	bool qop;          /* "auth" is offered */
	bool stale;
};

/* One WWW-Authenticate or Proxy-Authenticate value. 0; ENOTSUP: another scheme, algorithm or qop than ours; EINVAL:
 * no challenge at all. out is untouched on error. */
int sip_challenge_parse(struct sip_challenge *out, struct str value);
/* The one to answer among those of a 401 or 407: the first with the strongest hash. 0, ENOTSUP or EINVAL. */
int sip_challenge_choose(struct sip_challenge *out, const struct sip_msg *m);

/* The next name=value or name="value" of a comma list, cut off *rest. False: no more, or something else begins. */
bool sip_auth_param(struct str *rest, struct str *name, struct str *value);
/* By the name of the algorithm parameter. 0 or ENOTSUP. */
int sip_digest_kind_of(enum sip_digest_kind *out, struct str name);

struct sip_digest {
	struct str username, password, method, uri;
	struct str cnonce; /* this and nc count only with qop */
	uint32_t nc;
};

/* The response of RFC 7616 §3.4.1, lower-case hex. 0, ENOMEM, or ENOTSUP when the library refuses the hash. */
int sip_digest_response(char out[SIP_DIGEST_TEXT], const struct sip_challenge *c, const struct sip_digest *d);

/* --- of one session --- */

struct sip_auth;

enum sip_auth_verdict {
	SIP_AUTH_AGAIN,       /* send the request again: it will carry the answer */
	SIP_AUTH_REFUSED,     /* these credentials have had their answer          */
	SIP_AUTH_UNSUPPORTED, /* nothing in it that we can answer                 */
	SIP_AUTH_FOREIGN,     /* another realm than the one that asked first      */
};

/* Copies both texts. 0; EINVAL: control characters in them; ENOMEM. */
int sip_auth_new(struct sip_auth **out, struct str username, struct str password);
void sip_auth_free(struct sip_auth **a); /* *a may be NULL */
/* A 401 or 407 came to a request of the session. random: for the cnonce. */
enum sip_auth_verdict sip_auth_challenged(struct sip_auth *a, const struct sip_msg *m, uint64_t random);
/* What goes behind the status in a sentence: ": the credentials were refused". NULL for SIP_AUTH_AGAIN. */
const char *sip_auth_clause(enum sip_auth_verdict v);
/* A request got another answer than a challenge: the next one may be challenged anew. */
void sip_auth_settled(struct sip_auth *a);
/* b holds a request up to its last header so far: add our answer, once there was a challenge. Without memory for it
 * b fails. The ACK to a 2xx repeats the line of its INVITE (RFC 3261 §13.2.2.4). */
void sip_auth_print(struct sip_auth *a, struct buf *b, enum sip_method method);

#endif

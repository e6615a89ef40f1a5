/* sip_request: requests of ours outside of any dialog, one after the other to one place: REGISTER and OPTIONS.
 *
 * All of a series bear one Call-ID and one From tag and count on, and the nonce of the far end is kept, so that a refresh
 * is seldom challenged. A request is tried at the addresses of its host in turn and ends in exactly one done(). When to
 * send what, and what an answer means, is the owner's business. No handler runs inside a call of the owner.
 * Thread: signal. Source: RFC 3261 §8.1, §10.2, §22; RFC 3263 §4.3. */
#ifndef SIP_REQUEST_H
#define SIP_REQUEST_H

#include "sip/sip_session.h"

struct sip_request;

struct sip_request_params { /* all copied */
	enum sip_method method;
	struct str ruri;     /* also decides the next hop */
	enum wire_kind kind; /* of a URI without ;transport= */
	struct str from_uri, to_uri;
	struct str contact_user;       /* REGISTER: of our Contact, escaped; else ignored */
	struct str username, password; /* empty username = none: a challenge is an answer like any other */
	uint32_t patience_ms;          /* with each address, 0 = that of the transaction: 64*T1 */
};

struct sip_request_end {
	int status;                /* of the final answer, 0 = none came */
	bool refused;              /* the answer is a challenge, and our credentials are no answer to it */
	const struct sip_msg *msg; /* the answer, NULL = none */
	const char *why;           /* one clause: "503 Service Unavailable", "no answer within 5 s", … */
};

struct sip_request_handlers { /* everything handed over is borrowed; the request may be sent again or freed inside */
	void (*done)(void *arg, const struct sip_request_end *end);
	/* The connection on which the newest answer came has gone, and nothing is open. May be NULL. */
	void (*lost)(void *arg, const char *why);
};

/* 0, EINVAL (no SIP URI, or unclean texts) or ENOMEM. */
int sip_request_new(struct sip_request **out, struct sip_stack *k, const struct sip_request_params *p,
		    const struct sip_request_handlers *h, void *arg);
/* Before the stack. What is open is let go. */
void sip_request_free(struct sip_request **r);
/* Send the next one; one that is still open is let go. expires_s: of a REGISTER. done() follows. */
void sip_request_send(struct sip_request *r, uint32_t expires_s);
bool sip_request_is_open(const struct sip_request *r);
/* How long the 2xx of a REGISTER keeps our Contact [s]; 0 = it does not. */
uint32_t sip_request_granted(const struct sip_request *r, const struct sip_msg *m);
/* Where the newest request went. False: nowhere yet. */
bool sip_request_remote(const struct sip_request *r, struct addr *out);
/* The Contact of the newest REGISTER names a listener or an address that a reload has taken away since. */
bool sip_request_is_outdated(const struct sip_request *r);

#endif

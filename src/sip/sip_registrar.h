/* sip_registrar: what a REGISTER asks for, and the answer to it. The sender has been authenticated as the user.
 *
 * Neither prints whole responses nor knows transactions; changes the bindings it is given.
 * Thread: signal. Source: RFC 3261 §10.3, RFC 3327, RFC 5626 (in its simple form). */
#ifndef SIP_REGISTRAR_H
#define SIP_REGISTRAR_H

#include "sip/sip_bindings.h"

enum { SIP_EXPIRES_MIN_S = 60, SIP_EXPIRES_MAX_S = 3600 };

struct sip_register {
	const struct sip_msg *m;
	const struct sip_flow *flow; /* it came on */
	struct str user;
	uint64_t now_ms;
};

/* Returns the status of the response; its own header lines are appended to out. */
int sip_registrar_take(struct sip_bindings *b, const struct sip_register *r, struct buf *out);
/* Is the contact of a request that came on the flow to be reached there, and not at the address it names? Over
 * connections always. Over UDP when it names another address than the source, or, where the sender asked for answers
 * to his source port (rport), another port: there is a NAT between us. A host name is looked up. */
bool sip_contact_by_flow(const struct sip_msg *m, const struct sip_uri *contact, const struct sip_flow *flow);

#endif

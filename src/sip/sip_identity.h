/* sip_identity: who calls, as a peer of one's trust asserts it besides From: P-Asserted-Identity, Remote-Party-ID.
 *
 * Only reads; whom to believe is the caller's business. Pure. Thread: any.
 * Source: RFC 3325, RFC 3323 (Privacy), draft-ietf-sip-privacy-04 (Remote-Party-ID). */
#ifndef SIP_IDENTITY_H
#define SIP_IDENTITY_H

#include "sip/sip_msg.h"

struct sip_identity {
	struct str name; /* display name, empty = none */
	struct str uri;  /* sip:, sips: or tel: */
	struct str
		user; /* its user part, or the number of a tel: URI without visual separators; in number when it had some */
	char number[40];
};

/* False: nothing is asserted, or it is to be kept from those who are not trusted (Privacy: id, privacy=full), and we
 * cannot know that of documents and the other side of a bridge. */
bool sip_identity_read(struct sip_identity *out, const struct sip_msg *m);

#endif

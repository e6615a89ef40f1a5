/* leg_reason: the Reason header of a SIP leg: what we say to the peer of why it ends, and what he says to us.
 *
 * Thread: any. Source: RFC 3326, RFC 6432, Q.850, PRODUCT §6. */
#ifndef LEG_REASON_H
#define LEG_REASON_H

#include "call/leg_impl.h"
#include "sip/sip_session.h"

enum { LEG_REASON_TEXT = 240 };

/* Value of the Reason of our CANCEL or BYE, or of a refusal of an inbound leg; "" = none. status as in leg_hangup(). */
void leg_reason_ours(const struct leg *l, uint16_t status, char out[LEG_REASON_TEXT]);
/* What ended the session, with the peer's reason behind it when he gave one. */
void leg_reason_sentence(const struct sip_end *end, char *out, size_t size);
/* The cause of a refused outbound leg; a Reason of Q.850 says more than a 480 or 500. */
enum cause leg_reason_cause(const struct sip_end *end);

#endif

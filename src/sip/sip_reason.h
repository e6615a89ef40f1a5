/* sip_reason: the Reason header, read. Why a request or a response came, in the words of SIP or of the telephone network.
 *
 * Pure. Thread: any. Source: RFC 3326, RFC 6432; ITU-T Q.850. */
#ifndef SIP_REASON_H
#define SIP_REASON_H

#include "base/str.h"

struct sip_reason {
	struct str protocol; /* "SIP", "Q.850", … as written */
	uint32_t cause;      /* 0 = none */
	struct str text;     /* without quotes, escapes as written; empty = none */
};

/* The first value of the header that has a cause or a text. 0, or EINVAL when there is none. */
int sip_reason_parse(struct sip_reason *out, struct str header);

#endif

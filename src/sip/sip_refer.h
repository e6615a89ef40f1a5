/* sip_refer: what the texts of a transfer say: Refer-To, Replaces, the status line in a NOTIFY. Pure. Thread: any.
 *
 * Asking a peer for a transfer, and hearing what became of it, is in sip_session.h. Source: RFC 3515, 3891, 3420. */
#ifndef SIP_REFER_H
#define SIP_REFER_H

#include "sip/sip_msg.h"

struct sip_replaces { /* slices of the header's value */
	struct str call_id, to_tag, from_tag;
	bool early_only;
};

/* 0 or EINVAL. */
int sip_replaces_parse(struct sip_replaces *out, struct str value);

enum { SIP_REPLACES_TEXT = 512 };

struct sip_refer_to {
	struct str uri; /* without headers */
	/* The Replaces header in it, decoded into text. Absent = none, or none that can be used. */
	struct str replaces;
	char text[SIP_REPLACES_TEXT];
};

/* A Refer-To value. 0; EINVAL: no address, or one that asks for another method than INVITE. */
int sip_refer_to_parse(struct sip_refer_to *out, struct str value);

/* The status that a body of type message/sipfrag begins with, 0 = none. */
int sip_frag_status(struct str body);

#endif

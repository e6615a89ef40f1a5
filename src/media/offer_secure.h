/* offer_secure: what an SDP says about SRTP, for offer.c; and the keys of a leg, for it and port.c.
 *
 * Mandatory is RTP/SAVP; optional RTP/AVP with a=crypto, which answers what comes in either form; forbidden RTP/AVP
 * alone. A suite has the same tag in all offers of ours. Re-offers name the running suite and key only.
 * Thread: signal. Source: RFC 4568, 8643. */
#ifndef OFFER_SECURE_H
#define OFFER_SECURE_H

#include "media/offer.h"
#include "media/sdp.h"
#include "media/secure.h"

struct media_keys {
	struct secure_key ours[SECURE_SUITES];
	struct secure_key theirs; /* agreed */
	bool savp;                /* agreed in an RTP/SAVP line: offers stay such */
};

struct offer_crypto { /* one line's a=crypto that we take */
	bool found;
	bool savp; /* the line's profile */
	unsigned tag;
	struct secure_key theirs; /* set = found */
};

/* "RTP/AVP" or "RTP/SAVP", of our offer. */
const char *offer_secure_profile(const struct media_local *l);
/* The a=crypto lines of our offer. */
void offer_secure_print(struct buf *out, const struct media_local *l);
/* A line that is offered to us: NULL and what is taken of it, perhaps nothing; else why it cannot be taken. The first
 * suite of theirs that we have wins, but the running one stays. keys may be NULL. */
const char *offer_secure_read(enum media_encryption encryption, const struct media_keys *keys,
			      const struct sdp_media *m, struct offer_crypto *out);
/* Our answer to it. */
void offer_secure_print_answer(struct buf *out, const struct media_keys *keys, const struct offer_crypto *c);
/* Their answer to our offer: NULL, or why it is none. */
const char *offer_secure_accept(const struct media_local *l, const struct sdp_media *m, struct offer_crypto *out);
/* It is agreed: note and wipe *c. Returns keys, or NULL when there was none. */
const struct media_keys *offer_secure_settle(struct media_keys *keys, struct offer_crypto *c);
/* What the worker of the port needs; the caller wipes it. */
void media_keys_pair(const struct media_keys *k, struct secure_pair *out);

#endif

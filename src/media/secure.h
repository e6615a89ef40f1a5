/* secure: SRTP of one stream pair, keys by SDES (RFC 4568); libsrtp2 behind six functions.
 *
 * Rollover counters live with the SSRC: secure_keep() carries them over a re-negotiation that keeps the keys.
 * A packet whose tag fails is dropped by the caller and counted here. Keys are wiped when freed and never logged.
 * Thread: the owner's (a worker). Source: RFC 3711, 4568, 6188, 7714, 8643. */
#ifndef SECURE_H
#define SECURE_H

#include "base/str.h"

enum secure_suite {
	SECURE_AES_CM_128_80,
	SECURE_AES_CM_128_32,
	SECURE_AES_256_CM_80,
	SECURE_AES_256_CM_32,
	SECURE_AEAD_AES_128_GCM,
	SECURE_AEAD_AES_256_GCM,
	SECURE_SUITES,
};

enum { SECURE_KEY_BYTES = 46, SECURE_GROWTH = 36 }; /* longest key with salt; what a packet may grow by, SRTCP too */

struct secure_key { /* zeroed = no SRTP. Wiped by secure_forget(). */
	bool set;
	enum secure_suite suite;
	uint8_t bytes[SECURE_KEY_BYTES]; /* master key, then salt */
};

struct secure;

const char *secure_suite_name(enum secure_suite suite); /* as in a=crypto */
size_t secure_key_bytes(enum secure_suite suite);
/* The value of an a=crypto attribute: 0 with tag and key; ENOTSUP: a suite or parameter that we lack (MKI, UNENCRYPTED_…,
 * FEC); EINVAL: none at all. */
int secure_parse(struct secure_key *out, unsigned *tag, struct str value);
void secure_print(struct buf *b, unsigned tag, const struct secure_key *key);
void secure_forget(struct secure_key *key);

/* ours: what we send with; theirs: what they send with. 0, ENOMEM, EINVAL. */
int secure_new(struct secure **out, const struct secure_key *ours, const struct secure_key *theirs);
void secure_free(struct secure **s);
/* New keys where they differ; streams whose key stays keep their rollover counter and replay window. */
int secure_keep(struct secure *s, const struct secure_key *ours, const struct secure_key *theirs);
/* In place. *n grows by at most SECURE_GROWTH, or shrinks. 0; EBADMSG: tag or replay, drop it; EINVAL. */
int secure_protect(struct secure *s, bool rtcp, uint8_t *packet, size_t *n, size_t size);
int secure_unprotect(struct secure *s, bool rtcp, uint8_t *packet, size_t *n);

#endif

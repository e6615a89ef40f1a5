/* secure: SRTP of one stream pair, keys by SDES (RFC 4568), on OpenSSL's ciphers.
 *
 * secure.c knows streams, secure_cipher.c their arithmetic, secure_sdes.c reads and writes a=crypto. Not libsrtp2: Debian's is
 * built on NSS, at ten times the cost (docs/decisions/0005). Rollover counters live with the SSRC: secure_keep()
 * carries them over a re-negotiation that keeps the keys. An SSRC is taken when its first packet proves authentic, at
 * most SECURE_SOURCES a direction and key. A packet whose tag fails is dropped by the caller and counted there. Keys
 * are wiped when freed and never logged.
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

enum {
	SECURE_KEY_BYTES = 46, /* longest key with salt */
	SECURE_GROWTH = 20,    /* what a packet may grow by, SRTCP too: index and tag of GCM */
	SECURE_SOURCES = 256,
};

struct secure_key { /* zeroed = no SRTP. Wiped by secure_forget(). */
	bool set;
	enum secure_suite suite;
	uint8_t bytes[SECURE_KEY_BYTES]; /* master key, then salt */
};

struct secure_pair {
	struct secure_key ours, theirs; /* what we send with, what they send with */
};

struct secure;

const char *secure_suite_name(enum secure_suite suite); /* as in a=crypto */
size_t secure_key_bytes(enum secure_suite suite);
/* The value of an a=crypto attribute: 0 with tag and key; ENOTSUP: a suite or parameter that we lack (MKI, several
 * keys, UNENCRYPTED_…, FEC, a rate of key derivation); EINVAL: none at all. A lifetime is read over: a key of ours or
 * theirs lasts as long as its call, which is far below 2^31 packets. */
int secure_parse(struct secure_key *out, unsigned *tag, struct str value);
void secure_print(struct buf *b, unsigned tag, const struct secure_key *key);
void secure_forget(struct secure_key *key);

/* 0, ENOMEM, EINVAL. */
int secure_new(struct secure **out, const struct secure_pair *keys);
void secure_free(struct secure **s);
/* New keys where they differ; a direction whose key stays keeps its rollover counters and replay windows. On error
 * everything stays. */
int secure_keep(struct secure *s, const struct secure_pair *keys);
/* In place. *n grows by at most SECURE_GROWTH, or shrinks. 0; EBADMSG: tag or replay, drop
 * it; EINVAL: no packet, no room in size, or one SSRC too many. */
int secure_protect(struct secure *s, bool rtcp, uint8_t *packet, size_t *n, size_t size);
int secure_unprotect(struct secure *s, bool rtcp, uint8_t *packet, size_t *n);

#endif

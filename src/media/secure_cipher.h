/* secure_cipher: the arithmetic of SRTP or SRTCP in one direction under one master key: keys derived, packets sealed and
 * opened in place. Knows no streams: index and SSRC are told. Private to secure.c.
 * Thread: the owner's. Source: RFC 3711 §3.4, §4; RFC 6188; RFC 7714; OpenSSL. */
#ifndef SECURE_CIPHER_H
#define SECURE_CIPHER_H

#include "media/secure.h"

struct secure_cipher;

struct secure_packet {
	uint8_t *bytes;
	size_t n;      /* changed by sealing and opening */
	size_t header; /* bytes that stay readable */
	uint32_t ssrc;
	uint64_t index; /* of the packet: counter and sequence number; of SRTCP its own one, under 2^31 */
};

/* seals: else it opens. 0 or ENOMEM. */
int secure_cipher_new(struct secure_cipher **out, const struct secure_key *key, bool rtcp, bool seals);
/* Wipes the keys. *c may be NULL. */
void secure_cipher_free(struct secure_cipher **c);
/* What sealing adds. */
size_t secure_cipher_growth(const struct secure_cipher *c);
/* There must be room for that. False: the library failed. */
bool secure_cipher_seal(struct secure_cipher *c, struct secure_packet *p);
/* Of SRTCP: the index that the packet bears. False: it is not encrypted. */
bool secure_cipher_index(const struct secure_cipher *c, const struct secure_packet *p, uint64_t *index);
/* n >= header + secure_cipher_growth(). False: not authentic, and the bytes are of no use. */
bool secure_cipher_open(struct secure_cipher *c, struct secure_packet *p);

#endif

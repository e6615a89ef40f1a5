#include "media/secure_cipher.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum {
	AES_BLOCK = 16,
	CIPHER_KEY_MAX = 32,
	SALT_MAX = 14,
	GCM_NONCE = 12,
	GCM_TAG = 16,
	AUTH_KEY = 20,
	SHA1_BYTES = 20,
	WORD = 4, /* of an SRTCP packet: encrypted or not, and its index */
};

static const uint32_t ENCRYPTED = 1u << 31;

/* The short tags are for RTP only (RFC 4568 §6.2.2, RFC 6188 §4). */
static const struct suite {
	bool gcm;
	uint8_t key_bytes, salt_bytes, rtp_tag, rtcp_tag;
} suites[SECURE_SUITES] = {
	[SECURE_AES_CM_128_80] = { false, 16, 14, 10, 10 },
	[SECURE_AES_CM_128_32] = { false, 16, 14, 4, 10 },
	[SECURE_AES_256_CM_80] = { false, 32, 14, 10, 10 },
	[SECURE_AES_256_CM_32] = { false, 32, 14, 4, 10 },
	[SECURE_AEAD_AES_128_GCM] = { true, 16, 12, GCM_TAG, GCM_TAG },
	[SECURE_AEAD_AES_256_GCM] = { true, 32, 12, GCM_TAG, GCM_TAG },
};

struct secure_cipher {
	const struct suite *suite;
	bool rtcp;
	size_t tag;
	uint8_t salt[AES_BLOCK]; /* zeros behind it */
	EVP_CIPHER_CTX *cipher;
	EVP_MAC_CTX *mac; /* NULL with GCM */
};

static void put_u32(uint8_t *at, uint32_t x)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(x >> (24 - 8 * i));
}

static void xor_u32(uint8_t *at, uint32_t x)
{
	for (int i = 0; i < 4; i++)
		at[i] ^= (uint8_t)(x >> (24 - 8 * i));
}

/* --- keys --- */

/* RFC 3711 §4.3: key stream under the master key, at a place that the label names. With a salt of 12 bytes it is padded
 * to 14 (RFC 7714 §11). */
static bool derive(const struct secure_key *key, uint8_t label, uint8_t *out, size_t n)
{
	const struct suite *s = &suites[key->suite];
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t iv[AES_BLOCK] = { 0 };
	int length;
	bool good;

	memcpy(iv, key->bytes + s->key_bytes, s->salt_bytes);
	iv[7] ^= label;
	memset(out, 0, n);
	good = ctx &&
	       EVP_EncryptInit_ex(ctx, s->key_bytes == 32 ? EVP_aes_256_ctr() : EVP_aes_128_ctr(), NULL, key->bytes,
				  iv) &&
	       EVP_EncryptUpdate(ctx, out, &length, out, (int)n);
	EVP_CIPHER_CTX_free(ctx);
	return good;
}

static const EVP_CIPHER *cipher_of(const struct suite *s)
{
	if (s->gcm)
		return s->key_bytes == 32 ? EVP_aes_256_gcm() : EVP_aes_128_gcm();
	return s->key_bytes == 32 ? EVP_aes_256_ctr() : EVP_aes_128_ctr();
}

/* The method is found once: a context that is begun anew without one keeps it, and its key. */
static bool open_cipher(struct secure_cipher *c, const uint8_t *key, bool seals)
{
	c->cipher = EVP_CIPHER_CTX_new();
	return c->cipher && EVP_CipherInit_ex(c->cipher, cipher_of(c->suite), NULL, key, NULL, seals);
}

static bool open_mac(struct secure_cipher *c, const uint8_t key[AUTH_KEY])
{
	char digest[] = "SHA1";
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
				OSSL_PARAM_construct_end() };
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);

	c->mac = mac ? EVP_MAC_CTX_new(mac) : NULL;
	EVP_MAC_free(mac);
	return c->mac && EVP_MAC_init(c->mac, key, AUTH_KEY, params);
}

static bool open_all(struct secure_cipher *c, const struct secure_key *key, bool seals)
{
	uint8_t label = c->rtcp ? 3 : 0, cipher[CIPHER_KEY_MAX], auth[AUTH_KEY];
	bool good = derive(key, label, cipher, c->suite->key_bytes) && open_cipher(c, cipher, seals) &&
		    derive(key, label + 2, c->salt, c->suite->salt_bytes);

	if (good && !c->suite->gcm)
		good = derive(key, label + 1, auth, sizeof(auth)) && open_mac(c, auth);
	OPENSSL_cleanse(cipher, sizeof(cipher));
	OPENSSL_cleanse(auth, sizeof(auth));
	return good;
}

int secure_cipher_new(struct secure_cipher **out, const struct secure_key *key, bool rtcp, bool seals)
{
	struct secure_cipher *c = calloc(1, sizeof(*c));

	if (!c)
		return ENOMEM;
	c->suite = &suites[key->suite];
	c->rtcp = rtcp;
	c->tag = rtcp ? c->suite->rtcp_tag : c->suite->rtp_tag;
	if (!open_all(c, key, seals)) {
		secure_cipher_free(&c);
		return ENOMEM;
	}
	*out = c;
	return 0;
}

void secure_cipher_free(struct secure_cipher **cipher)
{
	struct secure_cipher *c = *cipher;

	if (!c)
		return;
	EVP_CIPHER_CTX_free(c->cipher);
	EVP_MAC_CTX_free(c->mac);
	OPENSSL_cleanse(c->salt, sizeof(c->salt));
	free(c);
	*cipher = NULL;
}

size_t secure_cipher_growth(const struct secure_cipher *c)
{
	return c->tag + (c->rtcp ? WORD : 0);
}

/* --- counter mode and HMAC-SHA1 --- */

/* RFC 3711 §4.1.1 */
static bool crypt_cm(struct secure_cipher *c, const struct secure_packet *p, size_t end)
{
	uint8_t iv[AES_BLOCK];
	int length;

	memcpy(iv, c->salt, sizeof(iv));
	xor_u32(iv + 4, p->ssrc);
	xor_u32(iv + 8, (uint32_t)(p->index >> 16));
	xor_u32(iv + 10, (uint32_t)(p->index & 0xffff));
	return EVP_CipherInit_ex(c->cipher, NULL, NULL, NULL, iv, -1) &&
	       EVP_CipherUpdate(c->cipher, p->bytes + p->header, &length, p->bytes + p->header, (int)(end - p->header));
}

/* Over the packet, and of RTP the counter too, which it does not bear (RFC 3711 §4.2). */
static bool tag_cm(struct secure_cipher *c, const struct secure_packet *p, size_t end, uint8_t tag[SHA1_BYTES])
{
	uint8_t counter[4];
	size_t n;

	put_u32(counter, (uint32_t)(p->index >> 16));
	return EVP_MAC_init(c->mac, NULL, 0, NULL) && EVP_MAC_update(c->mac, p->bytes, end) &&
	       (c->rtcp || EVP_MAC_update(c->mac, counter, sizeof(counter))) &&
	       EVP_MAC_final(c->mac, tag, &n, SHA1_BYTES);
}

static bool seal_cm(struct secure_cipher *c, struct secure_packet *p)
{
	uint8_t tag[SHA1_BYTES];

	if (!crypt_cm(c, p, p->n))
		return false;
	if (c->rtcp) {
		put_u32(p->bytes + p->n, ENCRYPTED | (uint32_t)p->index);
		p->n += WORD;
	}
	if (!tag_cm(c, p, p->n, tag))
		return false;
	memcpy(p->bytes + p->n, tag, c->tag);
	p->n += c->tag;
	return true;
}

static bool open_cm(struct secure_cipher *c, struct secure_packet *p)
{
	size_t end = p->n - c->tag;
	uint8_t tag[SHA1_BYTES];

	if (!tag_cm(c, p, end, tag) || CRYPTO_memcmp(tag, p->bytes + end, c->tag) != 0)
		return false;
	p->n = end - (c->rtcp ? WORD : 0);
	return crypt_cm(c, p, p->n);
}

/* --- GCM --- */

/* RFC 7714 §8.1, §9.1 */
static bool begin_gcm(struct secure_cipher *c, const struct secure_packet *p)
{
	uint8_t nonce[GCM_NONCE];

	memcpy(nonce, c->salt, sizeof(nonce));
	xor_u32(nonce + 2, p->ssrc);
	if (c->rtcp) {
		xor_u32(nonce + 8, (uint32_t)p->index);
	} else {
		xor_u32(nonce + 6, (uint32_t)(p->index >> 16));
		xor_u32(nonce + 8, (uint32_t)(p->index & 0xffff));
	}
	return EVP_CipherInit_ex(c->cipher, NULL, NULL, NULL, nonce, -1);
}

/* Header and, of SRTCP, the word are only authenticated. */
static bool crypt_gcm(struct secure_cipher *c, const struct secure_packet *p, size_t end)
{
	uint8_t *body = p->bytes + p->header, word[WORD];
	int length;

	put_u32(word, ENCRYPTED | (uint32_t)p->index);
	return EVP_CipherUpdate(c->cipher, NULL, &length, p->bytes, (int)p->header) &&
	       (!c->rtcp || EVP_CipherUpdate(c->cipher, NULL, &length, word, WORD)) &&
	       EVP_CipherUpdate(c->cipher, body, &length, body, (int)(end - p->header));
}

static bool seal_gcm(struct secure_cipher *c, struct secure_packet *p)
{
	uint8_t *tag = p->bytes + p->n;
	int length;

	if (!begin_gcm(c, p) || !crypt_gcm(c, p, p->n) || !EVP_CipherFinal_ex(c->cipher, tag, &length) ||
	    !EVP_CIPHER_CTX_ctrl(c->cipher, EVP_CTRL_AEAD_GET_TAG, GCM_TAG, tag))
		return false;
	p->n += GCM_TAG;
	if (c->rtcp) {
		put_u32(p->bytes + p->n, ENCRYPTED | (uint32_t)p->index);
		p->n += WORD;
	}
	return true;
}

static bool open_gcm(struct secure_cipher *c, struct secure_packet *p)
{
	size_t end = p->n - secure_cipher_growth(c);
	int length;

	if (!begin_gcm(c, p) || !EVP_CIPHER_CTX_ctrl(c->cipher, EVP_CTRL_AEAD_SET_TAG, GCM_TAG, p->bytes + end) ||
	    !crypt_gcm(c, p, end) || EVP_CipherFinal_ex(c->cipher, p->bytes + end, &length) <= 0)
		return false;
	p->n = end;
	return true;
}

/* --- both --- */

bool secure_cipher_seal(struct secure_cipher *c, struct secure_packet *p)
{
	return c->suite->gcm ? seal_gcm(c, p) : seal_cm(c, p);
}

bool secure_cipher_index(const struct secure_cipher *c, const struct secure_packet *p, uint64_t *index)
{
	const uint8_t *at = p->bytes + p->n - WORD - (c->suite->gcm ? 0 : c->tag);
	uint32_t word = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];

	*index = word & ~ENCRYPTED;
	return word & ENCRYPTED;
}

bool secure_cipher_open(struct secure_cipher *c, struct secure_packet *p)
{
	return c->suite->gcm ? open_gcm(c, p) : open_cm(c, p);
}

#include "check.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "media/rtp.h"
#include "media/secure.h"

enum { RTP = false, RTCP = true, HEADER = 12, PAYLOAD = 38, SSRC = 0x5501a0b2 };

/* --- SRTP once more, from the RFCs on OpenSSL: what libsrtp2 writes must be the same --- */

static size_t unhex(uint8_t *out, const char *hex)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		char pair[3] = { hex[2 * i], hex[2 * i + 1], '\0' };

		out[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return n;
}

static void check_hex(const char *want, const uint8_t *got, size_t n)
{
	char text[256] = "";

	for (size_t i = 0; i < n && i < 127; i++)
		snprintf(text + 2 * i, 3, "%02x", got[i]);
	CHECK_STR(want, text);
}

static void counter_mode(const uint8_t *key, size_t key_bytes, const uint8_t iv[16], uint8_t *data, size_t n)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int length = 0;

	EVP_EncryptInit_ex(c, key_bytes == 32 ? EVP_aes_256_ctr() : EVP_aes_128_ctr(), NULL, key, iv);
	EVP_EncryptUpdate(c, data, &length, data, (int)n);
	EVP_CIPHER_CTX_free(c);
}

/* RFC 3711 §4.3.3, RFC 7714 §11: the salts of GCM are 12 bytes, padded to 14 for this. */
static void derive(const struct secure_key *key, uint8_t label, uint8_t *out, size_t n)
{
	size_t bytes = secure_key_bytes(key->suite), salt = key->suite >= SECURE_AEAD_AES_128_GCM ? 12 : 14;
	uint8_t iv[16] = { 0 };

	memcpy(iv, key->bytes + bytes - salt, salt);
	iv[7] ^= label;
	memset(out, 0, n);
	counter_mode(key->bytes, bytes - salt, iv, out, n);
}

static void xor_u32(uint8_t *at, uint32_t x)
{
	for (int i = 0; i < 4; i++)
		at[i] ^= (uint8_t)(x >> (24 - 8 * i));
}

static size_t oracle_gcm(const uint8_t *key, size_t key_bytes, const uint8_t iv[12], uint8_t *packet, size_t n)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int length = 0;

	EVP_EncryptInit_ex(c, key_bytes == 32 ? EVP_aes_256_gcm() : EVP_aes_128_gcm(), NULL, key, iv);
	EVP_EncryptUpdate(c, NULL, &length, packet, HEADER);
	EVP_EncryptUpdate(c, packet + HEADER, &length, packet + HEADER, (int)n - HEADER);
	EVP_EncryptFinal_ex(c, packet + n, &length);
	EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, packet + n);
	EVP_CIPHER_CTX_free(c);
	return n + 16;
}

/* One RTP packet without sources and extension, protected in place. */
static size_t oracle(const struct secure_key *key, uint32_t roc, uint8_t *packet, size_t n)
{
	static const size_t key_bytes[] = { 16, 16, 32, 32, 16, 32 }, tag_bytes[] = { 10, 4, 10, 4 };
	uint8_t cipher[32], salt[16] = { 0 }, auth[20], mac[20];
	struct rtp_header h;
	unsigned length = 0;

	CHECK_INT(0, rtp_parse(&h, packet, n));
	derive(key, 0, cipher, key_bytes[key->suite]);
	derive(key, 2, salt, key->suite >= SECURE_AEAD_AES_128_GCM ? 12 : 14);
	if (key->suite >= SECURE_AEAD_AES_128_GCM) {
		xor_u32(salt + 2, h.ssrc);
		xor_u32(salt + 6, roc);
		xor_u32(salt + 8, h.seq);
		return oracle_gcm(cipher, key_bytes[key->suite], salt, packet, n);
	}
	derive(key, 1, auth, sizeof(auth));
	xor_u32(salt + 4, h.ssrc);
	xor_u32(salt + 8, roc);
	xor_u32(salt + 10, (uint32_t)h.seq);
	counter_mode(cipher, key_bytes[key->suite], salt, packet + HEADER, n - HEADER);
	memset(packet + n, 0, 4);
	xor_u32(packet + n, roc);
	HMAC(EVP_sha1(), auth, sizeof(auth), packet, n + 4, mac, &length);
	memcpy(packet + n, mac, tag_bytes[key->suite]);
	return n + tag_bytes[key->suite];
}

static struct secure_key key_of(enum secure_suite suite, const char *hex)
{
	struct secure_key k = { .set = true, .suite = suite };

	CHECK_INT(secure_key_bytes(suite), unhex(k.bytes, hex));
	return k;
}

static void the_oracle_knows_the_vectors_of_the_rfcs(void **state)
{
	struct secure_key k = key_of(SECURE_AES_CM_128_80, "e1f97a0d3e018be0d64fa32c06de4139"
							   "0ec675ad498afeebb6960b3aabe6");
	uint8_t out[64];
	uint8_t iv[12], packet[128];
	size_t n;

	/* RFC 3711 B.3 */
	derive(&k, 0, out, 16);
	check_hex("c61e7a93744f39ee10734afe3ff7a087", out, 16);
	derive(&k, 2, out, 14);
	check_hex("30cbbc08863d8c85d49db34a9ae1", out, 14);
	derive(&k, 1, out, 20);
	check_hex("cebe321f6ff7716b6fd4ab49af256a156d38baa4", out, 20);
	/* RFC 6188 §7.4 */
	k = key_of(SECURE_AES_256_CM_80, "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6"
					 "3b04803de51ee7c96423ab5b78d2");
	derive(&k, 0, out, 32);
	check_hex("5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4", out, 32);
	derive(&k, 2, out, 14);
	check_hex("fa31791685ca444a9e07c6c64e93", out, 14);
	derive(&k, 1, out, 20);
	check_hex("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05", out, 20);
	/* RFC 7714 §16.1.1, its session key and salt */
	unhex(out, "000102030405060708090a0b0c0d0e0f");
	unhex(iv, "517569642070726f2071756f");
	n = unhex(packet, "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e697320646976"
			  "69736120696e207061727465732074726573");
	xor_u32(iv + 2, SSRC);
	xor_u32(iv + 8, 0xf17b);
	n = oracle_gcm(out, 16, iv, packet, n);
	check_hex("8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833"
		  "899d7f27beb16a9152cf765ee4390cce",
		  packet, n);
}

/* --- packets --- */

static void random_key(struct secure_key *k, enum secure_suite suite, unsigned seed)
{
	*k = (struct secure_key){ .set = true, .suite = suite };
	for (size_t i = 0; i < sizeof(k->bytes); i++)
		k->bytes[i] = (uint8_t)(seed * 73 + i * 29 + suite);
}

struct line { /* a talks to b */
	struct secure *a, *b;
	struct secure_pair keys;
};

static struct line open_line(enum secure_suite suite, unsigned seed)
{
	struct line l = { 0 };
	struct secure_pair mirror;

	random_key(&l.keys.ours, suite, seed);
	random_key(&l.keys.theirs, suite, seed + 1);
	mirror = (struct secure_pair){ .ours = l.keys.theirs, .theirs = l.keys.ours };
	assert_int_equal(secure_new(&l.a, &l.keys), 0);
	assert_int_equal(secure_new(&l.b, &mirror), 0);
	return l;
}

static void close_line(struct line *l)
{
	secure_free(&l->a);
	secure_free(&l->b);
	CHECK(!l->a && !l->b);
	secure_free(&l->a);
}

struct packet {
	_Alignas(8) uint8_t bytes[256];
	size_t n;
};

static struct packet rtp(uint16_t seq, uint32_t ssrc)
{
	struct packet p = { .n = HEADER + PAYLOAD };

	p.bytes[0] = 0x80;
	rtp_renumber(p.bytes, seq, seq * 160u, ssrc);
	for (size_t i = HEADER; i < p.n; i++)
		p.bytes[i] = (uint8_t)(seq + i);
	return p;
}

static struct packet rtcp(uint32_t ssrc)
{
	struct packet p = { .bytes = { 0x80, 201, 0, 1 }, .n = 8 };

	xor_u32(p.bytes + 4, ssrc);
	return p;
}

static int protect(struct secure *s, bool is_rtcp, struct packet *p)
{
	return secure_protect(s, is_rtcp, p->bytes, &p->n, sizeof(p->bytes));
}

static int unprotect(struct secure *s, bool is_rtcp, struct packet *p)
{
	return secure_unprotect(s, is_rtcp, p->bytes, &p->n);
}

static bool same(const struct packet *a, const struct packet *b)
{
	return a->n == b->n && !memcmp(a->bytes, b->bytes, a->n);
}

/* Sent by a, heard by b as it was. */
static void passes(struct line *l, uint16_t seq, uint32_t ssrc)
{
	struct packet p = rtp(seq, ssrc), clear = p;

	CHECK_INT(0, protect(l->a, RTP, &p));
	CHECK_INT(0, unprotect(l->b, RTP, &p));
	CHECK(same(&p, &clear));
}

static void every_suite_is_what_the_rfcs_say(void **state)
{
	for (int suite = 0; suite < SECURE_SUITES; suite++) {
		struct line l = open_line((enum secure_suite)suite, 7);
		uint32_t roc = 0;

		for (uint32_t i = 65500; i < 65600; i++) { /* the counter goes over */
			struct packet p = rtp((uint16_t)i, SSRC), want = p, clear = p;

			roc = i >> 16;
			want.n = oracle(&l.keys.ours, roc, want.bytes, want.n);
			CHECK_INT(0, protect(l.a, RTP, &p));
			CHECK(same(&p, &want));
			CHECK(p.n <= clear.n + SECURE_GROWTH);
			CHECK(memcmp(p.bytes + HEADER, clear.bytes + HEADER, PAYLOAD) != 0);
			CHECK_INT(0, unprotect(l.b, RTP, &p));
			CHECK(same(&p, &clear));
		}
		CHECK_INT(1, roc);
		close_line(&l);
	}
}

static void reports_are_protected_too(void **state)
{
	for (int suite = 0; suite < SECURE_SUITES; suite++) {
		struct line l = open_line((enum secure_suite)suite, 3);

		for (int i = 0; i < 3; i++) {
			struct packet p = rtcp(SSRC), clear = p, again, bad;

			CHECK_INT(0, protect(l.a, RTCP, &p));
			CHECK_INT(suite >= SECURE_AEAD_AES_128_GCM ? 8 + 20 : 8 + 14, p.n);
			again = bad = p;
			bad.bytes[5] ^= 1;
			CHECK_INT(EBADMSG, unprotect(l.b, RTCP, &bad));
			CHECK_INT(0, unprotect(l.b, RTCP, &p));
			CHECK(same(&p, &clear));
			CHECK_INT(EBADMSG, unprotect(l.b, RTCP, &again));
		}
		close_line(&l);
	}
}

static void no_changed_byte_passes(void **state)
{
	for (int suite = 0; suite < SECURE_SUITES; suite++) {
		struct line l = open_line((enum secure_suite)suite, 5);
		struct packet p = rtp(100, SSRC), copy;

		CHECK_INT(0, protect(l.a, RTP, &p));
		for (size_t i = 2; i < p.n; i++) { /* the first two tell lengths and type; their turn is below */
			copy = p;
			copy.bytes[i] ^= 0x10;
			CHECK(unprotect(l.b, RTP, &copy) != 0);
		}
		copy = p;
		copy.bytes[1] ^= 0x7f;
		CHECK_INT(EBADMSG, unprotect(l.b, RTP, &copy));
		for (size_t n = 0; n < p.n; n++) {
			copy = p;
			copy.n = n;
			CHECK(unprotect(l.b, RTP, &copy) != 0);
			CHECK(unprotect(l.b, RTCP, &copy) != 0);
		}
		CHECK_INT(0, unprotect(l.b, RTP, &p));
		copy = rtp(101, SSRC); /* in the clear */
		CHECK(unprotect(l.b, RTP, &copy) != 0);
		close_line(&l);
	}
}

static void what_came_before_does_not_come_again(void **state)
{
	struct line l = open_line(SECURE_AES_CM_128_80, 9);
	struct packet sent[304], copy;

	for (unsigned i = 0; i < ARRAY_LEN(sent); i++) {
		sent[i] = rtp((uint16_t)(65400 + i), SSRC);
		CHECK_INT(0, protect(l.a, RTP, &sent[i]));
	}
	/* Late ones within the window are fine, over the wrap too. */
	for (unsigned i = 0; i < ARRAY_LEN(sent); i++) {
		copy = sent[i ^ 7];
		CHECK_INT(0, unprotect(l.b, RTP, &copy));
	}
	for (unsigned i = 0; i < ARRAY_LEN(sent); i++) {
		copy = sent[i];
		CHECK_INT(EBADMSG, unprotect(l.b, RTP, &copy));
	}
	/* Nor do we use a number twice: that would be the same key stream. */
	copy = rtp(65400, SSRC);
	CHECK(protect(l.a, RTP, &copy) != 0);
	close_line(&l);
}

static void keys_that_stay_keep_their_counters(void **state)
{
	struct line l = open_line(SECURE_AES_CM_128_80, 11);
	struct secure_pair mirror = { .ours = l.keys.theirs, .theirs = l.keys.ours }, other = mirror;
	struct packet p, copy;

	for (unsigned i = 65000; i < 65600; i++)
		passes(&l, (uint16_t)i, SSRC);
	p = rtp(700, SSRC);
	CHECK_INT(0, protect(l.a, RTP, &p));
	CHECK_INT(0, secure_keep(l.a, &l.keys));
	CHECK_INT(0, secure_keep(l.b, &mirror));
	copy = p;
	CHECK_INT(0, unprotect(l.b, RTP, &copy)); /* with counter 1: a forgotten one would be 0 */
	copy = p;
	CHECK_INT(EBADMSG, unprotect(l.b, RTP, &copy));
	passes(&l, 701, SSRC);
	/* b's own key changes: what it hears goes on as it was. */
	random_key(&other.ours, SECURE_AEAD_AES_256_GCM, 77);
	CHECK_INT(0, secure_keep(l.b, &other));
	passes(&l, 702, SSRC);
	copy = rtp(1, 2);
	CHECK_INT(0, protect(l.b, RTP, &copy));
	CHECK(unprotect(l.a, RTP, &copy) != 0);
	l.keys.theirs = other.ours;
	CHECK_INT(0, secure_keep(l.a, &l.keys));
	copy = rtp(3, 2);
	CHECK_INT(0, protect(l.b, RTP, &copy));
	CHECK_INT(0, unprotect(l.a, RTP, &copy));
	/* A bad one changes nothing. */
	other.theirs.set = false;
	other.theirs.bytes[0] ^= 1;
	random_key(&other.ours, SECURE_AES_256_CM_32, 78);
	CHECK_INT(EINVAL, secure_keep(l.b, &other));
	passes(&l, 703, SSRC);
	close_line(&l);
}

static void sources_are_many_but_not_endless(void **state)
{
	struct line l = open_line(SECURE_AEAD_AES_128_GCM, 13);
	struct packet p;

	for (uint32_t i = 0; i < SECURE_SOURCES; i++)
		passes(&l, 1, i);
	p = rtp(1, SECURE_SOURCES);
	CHECK_INT(EINVAL, protect(l.a, RTP, &p));
	passes(&l, 2, 0);
	passes(&l, 2, SECURE_SOURCES - 1);
	close_line(&l);
	/* Forged ones take no place. */
	l = open_line(SECURE_AES_CM_128_80, 14);
	for (uint32_t i = 0; i < 4 * SECURE_SOURCES; i++) {
		p = rtp(1, i);
		p.n += 10;
		CHECK_INT(EBADMSG, unprotect(l.b, RTP, &p));
	}
	passes(&l, 1, SSRC);
	close_line(&l);
}

static void packets_need_room(void **state)
{
	struct line l = open_line(SECURE_AES_CM_128_80, 15);
	struct packet p = rtp(1, SSRC);

	CHECK_INT(EINVAL, secure_protect(l.a, RTP, p.bytes, &p.n, p.n + SECURE_GROWTH - 1));
	CHECK_INT(EINVAL, secure_protect(l.a, RTP, p.bytes, &p.n, 3));
	CHECK_INT(HEADER + PAYLOAD, p.n);
	CHECK_INT(0, secure_protect(l.a, RTP, p.bytes, &p.n, p.n + SECURE_GROWTH));
	p.n = HEADER - 1;
	CHECK_INT(EINVAL, protect(l.a, RTP, &p));
	close_line(&l);
}

static void no_key_is_no_stream(void **state)
{
	struct secure_pair keys = { .ours.set = false };
	struct secure *s = NULL;

	CHECK_INT(EINVAL, secure_new(&s, &keys));
	random_key(&keys.ours, SECURE_AES_CM_128_80, 1);
	CHECK_INT(EINVAL, secure_new(&s, &keys));
	CHECK(!s);
}

/* --- a=crypto --- */

static const char key30[] = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

static void crypto_lines_are_read(void **state)
{
	static const struct {
		const char *text; /* K stands for 30 bytes of key */
		int want;
		unsigned tag;
		enum secure_suite suite;
	} rows[] = {
		{ "1 AES_CM_128_HMAC_SHA1_80 inline:K", 0, 1, SECURE_AES_CM_128_80 },
		{ "1 aes_cm_128_hmac_sha1_32 INLINE:K|2^20", 0, 1, SECURE_AES_CM_128_32 },
		{ "  7   AES_CM_128_HMAC_SHA1_32  inline:K|1048576 ", 0, 7, SECURE_AES_CM_128_32 },
		{ "999999999 AES_CM_128_HMAC_SHA1_80 inline:K WSH=64 KDR=0 -SOMETHING=1", 0, 999999999, 0 },
		{ "1 AES_CM_128_HMAC_SHA1_80 inline:K==", 0, 1, 0 },
		{ "1 AES_CM_128_HMAC_SHA1_80 inline:K|2^20|1:4", ENOTSUP, 0, 0 },
		{ "1 AES_CM_128_HMAC_SHA1_80 inline:K|1:4", ENOTSUP, 0, 0 },
		{ "1 AES_CM_128_HMAC_SHA1_80 inline:K;inline:K", ENOTSUP, 0, 0 },
		{ "1 AES_CM_128_HMAC_SHA1_80 inline:K UNENCRYPTED_SRTP", ENOTSUP, 0, 0 },
		{ "1 AES_CM_128_HMAC_SHA1_80 inline:K UNENCRYPTED_SRTCP", ENOTSUP, 0, 0 },
		{ "1 AES_CM_128_HMAC_SHA1_80 inline:K UNAUTHENTICATED_SRTP", ENOTSUP, 0, 0 },
		{ "1 AES_CM_128_HMAC_SHA1_80 inline:K FEC_ORDER=FEC_SRTP", ENOTSUP, 0, 0 },
		{ "1 AES_CM_128_HMAC_SHA1_80 inline:K KDR=1", ENOTSUP, 0, 0 },
		{ "1 F8_128_HMAC_SHA1_80 inline:K", ENOTSUP, 0, 0 },
		{ "1 AES_CM_128_HMAC_SHA1_80 inline:K|2^49", EINVAL, 0, 0 },
		{ "1 AES_CM_128_HMAC_SHA1_80 inline:K|0", EINVAL, 0, 0 },
		{ "1 AES_CM_128_HMAC_SHA1_80 inline:K|", EINVAL, 0, 0 },
		{ "1 AES_CM_128_HMAC_SHA1_80 inline:Kx", EINVAL, 0, 0 },
		{ "1 AES_CM_128_HMAC_SHA1_80 inline:K!", EINVAL, 0, 0 },
		{ "1 AES_CM_128_HMAC_SHA1_80 inline:", EINVAL, 0, 0 },
		{ "1 AES_CM_128_HMAC_SHA1_80 outline:K", EINVAL, 0, 0 },
		{ "1 AES_256_CM_HMAC_SHA1_80 inline:K", EINVAL, 0, 0 },
		{ "1 AEAD_AES_128_GCM inline:K", EINVAL, 0, 0 },
		{ "1 AES_CM_128_HMAC_SHA1_80", EINVAL, 0, 0 },
		{ "x AES_CM_128_HMAC_SHA1_80 inline:K", EINVAL, 0, 0 },
		{ "1000000000 AES_CM_128_HMAC_SHA1_80 inline:K", EINVAL, 0, 0 },
		{ "", EINVAL, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct secure_key k = { .set = false };
		struct buf text = { 0 };
		unsigned tag = 0;

		for (const char *c = rows[i].text; *c; c++) {
			if (*c == 'K' && (c[1] != 'D') && c[-1] == ':')
				buf_cstr(&text, key30);
			else
				buf_char(&text, *c);
		}
		CHECK_INT(rows[i].want, secure_parse(&k, &tag, buf_view(&text)));
		CHECK_INT(!rows[i].want, k.set);
		CHECK_INT(rows[i].tag, tag);
		CHECK_INT(rows[i].suite, k.suite);
		if (k.set)
			CHECK(!memcmp(k.bytes, "YS___semctl () {\t220;}\n}\nunles", 30));
		buf_free(&text);
	}
}

static void crypto_lines_are_written(void **state)
{
	struct buf b = { 0 };

	for (int suite = 0; suite < SECURE_SUITES; suite++) {
		struct secure_key k, back = { .set = false };
		unsigned tag = 0;

		random_key(&k, (enum secure_suite)suite, 21);
		memset(k.bytes + secure_key_bytes(k.suite), 0, SECURE_KEY_BYTES - secure_key_bytes(k.suite));
		buf_reset(&b);
		secure_print(&b, 4, &k);
		CHECK(str_starts(str_from(buf_view(&b), 2), secure_suite_name(k.suite)));
		CHECK_INT(0, secure_parse(&back, &tag, buf_view(&b)));
		CHECK_INT(4, tag);
		CHECK_INT(k.suite, back.suite);
		CHECK(!memcmp(k.bytes, back.bytes, sizeof(k.bytes)));
		secure_forget(&k);
		CHECK(!k.set && !k.bytes[0] && !k.bytes[SECURE_KEY_BYTES - 1]);
	}
	buf_reset(&b);
	struct secure_key k = { .set = true };
	memcpy(k.bytes, "YS___semctl () {\t220;}\n}\nunles", 30);
	secure_print(&b, 1, &k);
	CHECK_STR("1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz", b.data);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_oracle_knows_the_vectors_of_the_rfcs),
		TEST(every_suite_is_what_the_rfcs_say),
		TEST(reports_are_protected_too),
		TEST(no_changed_byte_passes),
		TEST(what_came_before_does_not_come_again),
		TEST(keys_that_stay_keep_their_counters),
		TEST(sources_are_many_but_not_endless),
		TEST(packets_need_room),
		TEST(no_key_is_no_stream),
		TEST(crypto_lines_are_read),
		TEST(crypto_lines_are_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

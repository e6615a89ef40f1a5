/* What secure.c writes libsrtp2 reads, and the other way round: two that do not know each other. */
#include "check.h"

#include <srtp2/srtp.h>
#include <string.h>

#include "media/rtp.h"
#include "media/secure.h"

enum { SSRC = 0x0ddba11, ROOM = 256 };

static const struct {
	void (*rtp)(srtp_crypto_policy_t *p);
	void (*rtcp)(srtp_crypto_policy_t *p);
} policies[SECURE_SUITES] = {
	[SECURE_AES_CM_128_80] = { srtp_crypto_policy_set_rtp_default, srtp_crypto_policy_set_rtcp_default },
	[SECURE_AES_CM_128_32] = { srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32,
				   srtp_crypto_policy_set_rtcp_default },
	[SECURE_AES_256_CM_80] = { srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80,
				   srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80 },
	[SECURE_AES_256_CM_32] = { srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32,
				   srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80 },
	[SECURE_AEAD_AES_128_GCM] = { srtp_crypto_policy_set_aes_gcm_128_16_auth,
				      srtp_crypto_policy_set_aes_gcm_128_16_auth },
	[SECURE_AEAD_AES_256_GCM] = { srtp_crypto_policy_set_aes_gcm_256_16_auth,
				      srtp_crypto_policy_set_aes_gcm_256_16_auth },
};

struct line {
	struct secure *ours;
	srtp_t sends, hears; /* the peer's */
};

static srtp_t session(struct secure_key *key, srtp_ssrc_type_t direction)
{
	srtp_policy_t policy = { .ssrc.type = direction, .key = key->bytes, .window_size = 128 };
	srtp_t s = NULL;

	policies[key->suite].rtp(&policy.rtp);
	policies[key->suite].rtcp(&policy.rtcp);
	assert_int_equal(srtp_create(&s, &policy), srtp_err_status_ok);
	return s;
}

static struct line open_line(int suite)
{
	struct secure_pair keys = { .ours = { .set = true, .suite = (enum secure_suite)suite } };
	struct line l;

	keys.theirs = keys.ours;
	for (size_t i = 0; i < SECURE_KEY_BYTES; i++) {
		keys.ours.bytes[i] = (uint8_t)(i * 31 + 7);
		keys.theirs.bytes[i] = (uint8_t)(i * 57 + 3);
	}
	assert_int_equal(secure_new(&l.ours, &keys), 0);
	l.sends = session(&keys.theirs, ssrc_any_outbound);
	l.hears = session(&keys.ours, ssrc_any_inbound);
	return l;
}

static void close_line(struct line *l)
{
	secure_free(&l->ours);
	srtp_dealloc(l->sends);
	srtp_dealloc(l->hears);
}

struct packet {
	_Alignas(8) uint8_t bytes[ROOM];
	size_t n;
};

/* With so many sources, and an extension, in its header; the body has any length, none too. */
static struct packet rtp(uint32_t index, unsigned sources, bool extended, size_t body)
{
	struct packet p = { .n = RTP_HEADER_BYTES + 4 * sources + (extended ? 12 : 0) };

	for (size_t i = RTP_HEADER_BYTES; i < p.n + body; i++)
		p.bytes[i] = (uint8_t)(index * 13 + i);
	p.bytes[0] = (uint8_t)(0x80 | (extended ? 0x10 : 0) | sources);
	rtp_renumber(p.bytes, (uint16_t)index, index * 160, SSRC + index % 3);
	if (extended)
		memcpy(p.bytes + p.n - 12, (uint8_t[]){ 0xbe, 0xde, 0, 2 }, 4);
	p.n += body;
	return p;
}

static struct packet rtcp(unsigned i)
{
	struct packet p = { .bytes = { 0x81, 200, 0, (uint8_t)(1 + i % 20) }, .n = 8 + 4 * (size_t)(i % 20) };

	for (size_t at = 4; at < p.n; at++)
		p.bytes[at] = (uint8_t)(at + (at > 7 ? i : 0));
	return p;
}

static void to_peer(struct line *l, bool is_rtcp, struct packet p)
{
	struct packet clear = p;
	int n;

	CHECK_INT(0, secure_protect(l->ours, is_rtcp, p.bytes, &p.n, sizeof(p.bytes)));
	n = (int)p.n;
	CHECK_INT(srtp_err_status_ok, (is_rtcp ? srtp_unprotect_rtcp : srtp_unprotect)(l->hears, p.bytes, &n));
	CHECK_INT(clear.n, n);
	CHECK(!memcmp(p.bytes, clear.bytes, clear.n));
}

static void from_peer(struct line *l, bool is_rtcp, struct packet p)
{
	struct packet clear = p;
	int n = (int)p.n;

	CHECK_INT(srtp_err_status_ok, (is_rtcp ? srtp_protect_rtcp : srtp_protect)(l->sends, p.bytes, &n));
	p.n = (size_t)n;
	CHECK_INT(0, secure_unprotect(l->ours, is_rtcp, p.bytes, &p.n));
	CHECK_INT(clear.n, p.n);
	CHECK(!memcmp(p.bytes, clear.bytes, clear.n));
}

static void each_reads_what_the_other_writes(void **state)
{
	for (int suite = 0; suite < SECURE_SUITES; suite++) {
		struct line l = open_line(suite);

		/* In groups of eight that come backwards, over two turns of the numbers. */
		for (uint32_t i = 0; i<140000; i += i> 1000 && i < 64000 ? 977 : 1) {
			uint32_t index = (i & ~7u) + 7 - i % 8;
			struct packet p = rtp(index, index % 16, index % 5 == 0, index % 97);

			to_peer(&l, false, p);
			from_peer(&l, false, p);
		}
		for (unsigned i = 0; i < 200; i++) {
			to_peer(&l, true, rtcp(i));
			from_peer(&l, true, rtcp(i));
		}
		close_line(&l);
	}
}

/* A report that is authentic but not encrypted, which the RFC allows, is nothing that was agreed on. */
static void reports_in_the_clear_are_refused(void **state)
{
	struct secure_pair keys = { .ours = { .set = true } };
	srtp_policy_t policy = { .ssrc.type = ssrc_any_outbound, .key = keys.ours.bytes, .window_size = 128 };
	struct packet p = rtcp(3);
	struct secure *s;
	srtp_t sends;
	int n = (int)p.n;

	keys.theirs = keys.ours;
	srtp_crypto_policy_set_rtp_default(&policy.rtp);
	srtp_crypto_policy_set_rtcp_default(&policy.rtcp);
	policy.rtcp.sec_serv = sec_serv_auth;
	assert_int_equal(srtp_create(&sends, &policy), srtp_err_status_ok);
	assert_int_equal(secure_new(&s, &keys), 0);
	CHECK_INT(srtp_err_status_ok, srtp_protect_rtcp(sends, p.bytes, &n));
	p.n = (size_t)n;
	CHECK(secure_unprotect(s, true, p.bytes, &p.n) != 0);
	secure_free(&s);
	srtp_dealloc(sends);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_reads_what_the_other_writes),
		TEST(reports_in_the_clear_are_refused),
	};

	assert_int_equal(srtp_init(), srtp_err_status_ok);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

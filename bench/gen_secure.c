/* SRTP of the callers, keys in the SDP (RFC 4568). Ours is the same for all calls: nobody listens to a bench. */
#include "gen.h"

#include <srtp2/srtp.h>
#include <stdio.h>
#include <string.h>

enum { KEY_BYTES = 30, GROWTH = SRTP_MAX_TRAILER_LEN };

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static const struct suite {
	const char *name;
	void (*policy)(srtp_crypto_policy_t *p);
	size_t key_bytes; /* with salt */
} suites[] = {
	{ "AES_CM_128_HMAC_SHA1_80", srtp_crypto_policy_set_rtp_default, 30 },
	{ "AEAD_AES_128_GCM", srtp_crypto_policy_set_aes_gcm_128_16_auth, 28 },
};

static const struct suite *suite_of(const struct gen *g)
{
	return &suites[g->opts.srtp > 1];
}

const char *secure_line(const struct gen *g)
{
	static char line[128];

	/* Letters 'A' are zeros. */
	if (g->opts.srtp)
		snprintf(line, sizeof(line), "a=crypto:1 %s inline:%.*s%s\r\n", suite_of(g)->name,
			 (int)((suite_of(g)->key_bytes * 8 + 5) / 6), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
			 suite_of(g)->key_bytes % 3 ? "==" : "");
	return line;
}

static bool read_key(uint8_t key[KEY_BYTES], size_t n, const char *text)
{
	uint32_t bits = 0;
	size_t have = 0;

	for (unsigned count = 0; have < n; text++) {
		const char *at = *text ? strchr(letters, *text) : NULL;

		if (!at)
			return false;
		bits = bits << 6 | (uint32_t)(at - letters);
		count += 6;
		if (count >= 8) {
			count -= 8;
			key[have++] = (uint8_t)(bits >> count);
		}
	}
	return true;
}

static struct srtp_ctx_t_ *open_session(const struct gen *g, uint8_t key[KEY_BYTES], srtp_ssrc_type_t direction)
{
	srtp_policy_t policy = { .ssrc.type = direction, .key = key, .window_size = 128 };
	struct srtp_ctx_t_ *session;

	suite_of(g)->policy(&policy.rtp);
	suite_of(g)->policy(&policy.rtcp);
	if (srtp_create(&session, &policy))
		die("SRTP");
	return session;
}

bool secure_agree(struct gen *g, struct call *c, const char *msg)
{
	uint8_t key[KEY_BYTES] = { 0 }, zeros[KEY_BYTES] = { 0 };
	const char *line = strstr(msg, "\na=crypto:1 "), *at = line ? strstr(line, "inline:") : NULL;
	static bool started;

	if (!at || !read_key(key, suite_of(g)->key_bytes, at + 7))
		return false;
	if (!started && srtp_init())
		die("SRTP");
	started = true;
	c->ours = open_session(g, zeros, ssrc_any_outbound);
	c->theirs = open_session(g, key, ssrc_any_inbound);
	return true;
}

void secure_close(struct call *c)
{
	if (c->ours)
		srtp_dealloc(c->ours);
	if (c->theirs)
		srtp_dealloc(c->theirs);
	c->ours = c->theirs = NULL;
}

void secure_seal(struct call *c, void *packet, size_t *n)
{
	int length = (int)*n;

	if (srtp_protect(c->ours, packet, &length))
		die("SRTP");
	*n = (size_t)length;
}

bool secure_unseal(struct call *c, void *packet, size_t *n)
{
	int length = (int)*n;

	if (srtp_unprotect(c->theirs, packet, &length))
		return false;
	*n = (size_t)length;
	return true;
}

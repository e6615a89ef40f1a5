#include "media/secure.h"

#include <errno.h>
#include <pthread.h>
#include <srtp2/srtp.h>
#include <stdlib.h>
#include <string.h>

enum {
	WINDOW = 128, /* packets that may come late */
	SRTP_HEADER_BYTES = 12,
	SRTCP_HEADER_BYTES = 8,
	SRTCP_INDEX_BYTES = 4,
};

/* What protects RTP and RTCP. The short tags are for RTP only (RFC 4568 §6.2.2, RFC 6188 §4). */
static const struct {
	void (*rtp)(srtp_crypto_policy_t *p);
	void (*rtcp)(srtp_crypto_policy_t *p);
	uint8_t rtp_tag_bytes, rtcp_tag_bytes;
} policies[SECURE_SUITES] = {
	[SECURE_AES_CM_128_80] = { srtp_crypto_policy_set_rtp_default, srtp_crypto_policy_set_rtcp_default, 10, 10 },
	[SECURE_AES_CM_128_32] = { srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32, srtp_crypto_policy_set_rtcp_default,
				   4, 10 },
	[SECURE_AES_256_CM_80] = { srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80,
				   srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80, 10, 10 },
	[SECURE_AES_256_CM_32] = { srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32,
				   srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80, 4, 10 },
	[SECURE_AEAD_AES_128_GCM] = { srtp_crypto_policy_set_aes_gcm_128_16_auth,
				      srtp_crypto_policy_set_aes_gcm_128_16_auth, 16, 16 },
	[SECURE_AEAD_AES_256_GCM] = { srtp_crypto_policy_set_aes_gcm_256_16_auth,
				      srtp_crypto_policy_set_aes_gcm_256_16_auth, 16, 16 },
};

struct way { /* one direction */
	srtp_t session;
	struct secure_key key;
	uint32_t newest;  /* SSRC that was used last */
	unsigned sources; /* SSRCs so far: their counters must be kept as long as the key lives */
};

struct secure {
	struct way out, in;
};

/* --- the library --- */

static int open_session(srtp_t *out, const struct secure_key *key, srtp_ssrc_type_t direction)
{
	uint8_t bytes[SECURE_KEY_BYTES];
	srtp_policy_t policy = { .ssrc.type = direction, .key = bytes, .window_size = WINDOW };
	srtp_err_status_t status;

	memcpy(bytes, key->bytes, sizeof(bytes)); /* the library wants it writable */
	policies[key->suite].rtp(&policy.rtp);
	policies[key->suite].rtcp(&policy.rtcp);
	status = srtp_create(out, &policy);
	explicit_bzero(bytes, sizeof(bytes));
	if (status)
		return status == srtp_err_status_alloc_fail ? ENOMEM : EINVAL;
	return 0;
}

/* The library keeps tables of the whole process, and so this has to be once a process as well. The cryptography below
 * it is set up with the first session and torn down with the last one, in a millisecond: one session stays. */
static void start_library(void)
{
	struct secure_key none = { .set = true, .suite = SECURE_AEAD_AES_128_GCM };
	static srtp_t anchor;

	if (!srtp_init())
		open_session(&anchor, &none, ssrc_any_outbound);
}

void secure_prepare(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, start_library);
}

/* --- life --- */

static int open_way(struct way *w, const struct secure_key *key, srtp_ssrc_type_t direction)
{
	struct way opened = { .key = *key };
	int err = key->set ? open_session(&opened.session, key, direction) : EINVAL;

	if (!err)
		*w = opened;
	secure_forget(&opened.key);
	return err;
}

static void close_way(struct way *w)
{
	if (w->session)
		srtp_dealloc(w->session);
	explicit_bzero(w, sizeof(*w));
}

int secure_new(struct secure **out, const struct secure_pair *keys)
{
	struct secure *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return ENOMEM;
	secure_prepare();
	err = open_way(&s->out, &keys->ours, ssrc_any_outbound);
	if (!err)
		err = open_way(&s->in, &keys->theirs, ssrc_any_inbound);
	if (err)
		secure_free(&s);
	else
		*out = s;
	return err;
}

void secure_free(struct secure **secure)
{
	struct secure *s = *secure;

	if (!s)
		return;
	close_way(&s->out);
	close_way(&s->in);
	free(s);
	*secure = NULL;
}

static bool is_key(const struct way *w, const struct secure_key *key)
{
	return w->key.suite == key->suite && !memcmp(w->key.bytes, key->bytes, secure_key_bytes(key->suite));
}

int secure_keep(struct secure *s, const struct secure_pair *keys)
{
	struct way out = s->out, in = s->in;
	int err = 0;

	if (!is_key(&s->out, &keys->ours))
		err = open_way(&out, &keys->ours, ssrc_any_outbound);
	if (!err && !is_key(&s->in, &keys->theirs))
		err = open_way(&in, &keys->theirs, ssrc_any_inbound);
	if (err && out.session != s->out.session)
		close_way(&out);
	if (!err && out.session != s->out.session) {
		close_way(&s->out);
		s->out = out;
	}
	if (!err && in.session != s->in.session) {
		close_way(&s->in);
		s->in = in;
	}
	secure_forget(&out.key);
	secure_forget(&in.key);
	return err;
}

/* --- packets --- */

/* An SSRC that was forgotten would begin again at counter 0: the same key stream twice going out, replay coming in. So
 * there is a limit to them, and none is forgotten. */
static bool has_room(struct way *w, uint32_t ssrc, bool *new)
{
	uint32_t counter;

	*new = (!w->sources || w->newest != ssrc) && srtp_get_stream_roc(w->session, ssrc, &counter);
	return !*new || w->sources < SECURE_SOURCES;
}

static uint32_t ssrc_of(const uint8_t *packet, bool rtcp)
{
	const uint8_t *p = packet + (rtcp ? 4 : 8);

	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int to_errno(srtp_err_status_t status)
{
	if (status == srtp_err_status_auth_fail || status == srtp_err_status_replay_fail ||
	    status == srtp_err_status_replay_old)
		return EBADMSG;
	return status ? EINVAL : 0;
}

static int run(struct way *w, uint32_t ssrc, srtp_err_status_t (*fn)(srtp_t, void *, int *), uint8_t *packet, size_t *n)
{
	int length = (int)*n, err;
	bool new;

	if (!has_room(w, ssrc, &new))
		return EINVAL;
	err = to_errno(fn(w->session, packet, &length));
	if (err)
		return err;
	w->sources += new;
	w->newest = ssrc;
	*n = (size_t)length;
	return 0;
}

int secure_protect(struct secure *s, bool rtcp, uint8_t *packet, size_t *n, size_t size)
{
	if (*n < (rtcp ? SRTCP_HEADER_BYTES : SRTP_HEADER_BYTES) || size < SECURE_GROWTH || *n > size - SECURE_GROWTH)
		return EINVAL;
	return run(&s->out, ssrc_of(packet, rtcp), rtcp ? srtp_protect_rtcp : srtp_protect, packet, n);
}

int secure_unprotect(struct secure *s, bool rtcp, uint8_t *packet, size_t *n)
{
	enum secure_suite suite = s->in.key.suite;
	size_t least = rtcp ? SRTCP_HEADER_BYTES + SRTCP_INDEX_BYTES + (size_t)policies[suite].rtcp_tag_bytes
			    : SRTP_HEADER_BYTES + (size_t)policies[suite].rtp_tag_bytes;

	if (*n < least)
		return EINVAL;
	return run(&s->in, ssrc_of(packet, rtcp), rtcp ? srtp_unprotect_rtcp : srtp_unprotect, packet, n);
}

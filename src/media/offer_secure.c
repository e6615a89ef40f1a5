#include "media/offer_secure.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"

/* GCM first: it costs half. Optional offers the first two only, so that an INVITE still fits into one datagram; short
 * tags are taken where a peer wants them. */
static const enum secure_suite offered[] = {
	SECURE_AEAD_AES_128_GCM,
	SECURE_AES_CM_128_80,
	SECURE_AEAD_AES_256_GCM,
	SECURE_AES_256_CM_80,
};

enum { OFFERED_OPTIONAL = 2 };

/* --- keys --- */

static int make_keys(struct media_keys **out, struct loop *loop)
{
	struct media_keys *k = calloc(1, sizeof(*k));

	if (!k)
		return ENOMEM;
	for (int i = 0; i < SECURE_SUITES; i++) {
		k->ours[i].set = true;
		k->ours[i].suite = (enum secure_suite)i;
		for (size_t at = 0; at < SECURE_KEY_BYTES; at += sizeof(uint64_t)) {
			uint64_t random = loop_random(loop);
			size_t left = SECURE_KEY_BYTES - at;

			memcpy(k->ours[i].bytes + at, &random, left < sizeof(random) ? left : sizeof(random));
		}
	}
	*out = k;
	return 0;
}

int media_keys_need(struct media_local *l, struct loop *loop)
{
	int err = 0;

	if (l->encryption == MEDIA_FORBIDDEN)
		return 0;
	if (!l->keys)
		err = make_keys(&l->keys, loop);
	if (!err && l->video && l->video->formats.count && !l->video->keys)
		err = make_keys(&l->video->keys, loop);
	return err;
}

void media_keys_settle(struct media_local *l)
{
	if (l->before && !l->before->keys)
		media_keys_free(&l->keys);
	if (l->video && addr_port(&l->video->agreed.remote) && !l->video->agreed.keys)
		media_keys_free(&l->video->keys);
}

void media_keys_free(struct media_keys **keys)
{
	if (*keys)
		explicit_bzero(*keys, sizeof(**keys));
	free(*keys);
	*keys = NULL;
}

void media_keys_pair(const struct media_keys *k, struct secure_pair *out)
{
	out->ours = k->ours[k->theirs.suite];
	out->theirs = k->theirs;
}

/* --- what we offer --- */

static bool is_running(const struct media_local *l)
{
	return l->before && l->before->keys;
}

/* Does an offer of ours name this suite. Without keys, or once RTP was agreed, it names none. */
static bool offers(const struct media_local *l, enum secure_suite suite)
{
	size_t count = l->encryption == MEDIA_MANDATORY ? ARRAY_LEN(offered) : OFFERED_OPTIONAL;

	if (l->encryption == MEDIA_FORBIDDEN || !l->keys)
		return false;
	if (is_running(l))
		return suite == l->keys->theirs.suite;
	for (size_t i = 0; i < count; i++) {
		if (offered[i] == suite)
			return true;
	}
	return false;
}

static bool offers_savp(const struct media_local *l)
{
	return l->encryption == MEDIA_MANDATORY || (is_running(l) && l->keys->savp);
}

const char *offer_secure_profile(const struct media_local *l)
{
	return offers_savp(l) ? "RTP/SAVP" : "RTP/AVP";
}

static unsigned tag_of(enum secure_suite suite)
{
	for (unsigned i = 0; i < ARRAY_LEN(offered); i++) {
		if (offered[i] == suite)
			return i + 1;
	}
	return ARRAY_LEN(offered) + 1 + (unsigned)suite;
}

static void print_crypto(struct buf *out, unsigned tag, const struct secure_key *key)
{
	buf_cstr(out, "a=crypto:");
	secure_print(out, tag, key);
	buf_cstr(out, "\r\n");
}

static void print_suite(struct buf *out, const struct media_local *l, enum secure_suite suite)
{
	if (offers(l, suite))
		print_crypto(out, tag_of(suite), &l->keys->ours[suite]);
}

void offer_secure_print(struct buf *out, const struct media_local *l)
{
	if (is_running(l)) {
		print_suite(out, l, l->keys->theirs.suite);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(offered); i++)
		print_suite(out, l, offered[i]);
}

/* --- what they write --- */

/* AVPF without feedback attributes is AVP with other timing of RTCP (RFC 4585 §3.1): relayed as it comes. */
static bool is_avp(const struct sdp_media *m)
{
	return str_iis(m->proto, "RTP/AVP") || str_iis(m->proto, "RTP/AVPF");
}

static bool is_savp(const struct sdp_media *m)
{
	return str_iis(m->proto, "RTP/SAVP") || str_iis(m->proto, "RTP/SAVPF");
}

/* What stays is worth more than what they would like best: its key need not change. */
static void find_crypto(const struct media_keys *keys, const struct sdp_media *m, struct offer_crypto *out)
{
	struct str lines = m->lines, value;
	struct secure_key theirs;
	unsigned tag;

	while (sdp_next_crypto(&lines, &value)) {
		bool stays;

		if (secure_parse(&theirs, &tag, value))
			continue;
		stays = keys && keys->theirs.set && keys->theirs.suite == theirs.suite;
		if (!out->found || stays) {
			out->found = true;
			out->tag = tag;
			out->theirs = theirs;
		}
		secure_forget(&theirs);
		if (stays)
			return;
	}
}

const char *offer_secure_read(enum media_encryption encryption, const struct media_keys *keys,
			      const struct sdp_media *m, struct offer_crypto *out)
{
	secure_forget(&out->theirs);
	*out = (struct offer_crypto){ .savp = is_savp(m) };
	if (!out->savp && !is_avp(m))
		return "the audio line has another profile than RTP/AVP and RTP/SAVP";
	if (encryption == MEDIA_FORBIDDEN)
		return out->savp ? "the peer offers SRTP, which is forbidden here" : NULL;
	find_crypto(keys, m, out);
	if (out->found)
		return NULL;
	if (out->savp)
		return m->crypto ? "no SRTP suite in common" : "the peer offers SRTP without a key in the SDP";
	return encryption == MEDIA_MANDATORY ? "the peer offers no SRTP though it is mandatory" : NULL;
}

void offer_secure_print_answer(struct buf *out, const struct media_keys *keys, const struct offer_crypto *c)
{
	if (c->found)
		print_crypto(out, c->tag, &keys->ours[c->theirs.suite]);
}

const char *offer_secure_accept(const struct media_local *l, const struct sdp_media *m, struct offer_crypto *out)
{
	struct str lines = m->lines, value;

	*out = (struct offer_crypto){ .savp = offers_savp(l) };
	if (!is_savp(m) && !is_avp(m))
		return "the answer has another profile than RTP/AVP and RTP/SAVP";
	while (!out->found && sdp_next_crypto(&lines, &value)) {
		out->found = !secure_parse(&out->theirs, &out->tag, value) && offers(l, out->theirs.suite) &&
			     out->tag == tag_of(out->theirs.suite);
	}
	if (out->found)
		return NULL;
	secure_forget(&out->theirs);
	if (l->encryption != MEDIA_FORBIDDEN && m->crypto && l->keys)
		return "the a=crypto of the answer is none that we offered";
	if (offers_savp(l))
		return l->encryption == MEDIA_MANDATORY ? "the peer answered without SRTP though it is mandatory"
							: "the peer answered an RTP/SAVP offer without SRTP";
	return is_savp(m) ? "the peer answered RTP/SAVP without a key that we know" : NULL;
}

const struct media_keys *offer_secure_settle(struct media_keys *keys, struct offer_crypto *c)
{
	if (!c->found) {
		if (keys)
			secure_forget(&keys->theirs);
		return NULL;
	}
	keys->theirs = c->theirs;
	keys->savp = c->savp;
	secure_forget(&c->theirs);
	return keys;
}

#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "media/offer_secure.h"

#define HEAD "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
#define KEY "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
#define CM80 "a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:" KEY "|2^31\r\n"
#define CM32 "a=crypto:5 AES_CM_128_HMAC_SHA1_32 inline:" KEY "\r\n"
#define MKI "a=crypto:6 AES_CM_128_HMAC_SHA1_80 inline:" KEY "|2^31|1:1\r\n"

static struct loop *new_loop(uint64_t seed)
{
	struct loop *l = NULL;

	assert_int_equal(loop_new(&l, true, seed), 0);
	return l;
}

/* A side with keys of its own. */
static struct media_local side(enum media_encryption encryption, uint64_t seed)
{
	struct media_local l = { .session_id = seed, .version = 1, .encryption = encryption };
	struct loop *loop = new_loop(seed);

	addr_parse(&l.rtp, STR("198.51.100.7"), 20000);
	codec_list_parse(&l.codecs, STR("PCMU"), NULL, NULL);
	CHECK_INT(0, media_keys_need(&l, loop));
	CHECK_INT(encryption != MEDIA_FORBIDDEN, l.keys != NULL);
	loop_free(&loop);
	return l;
}

/* What a sends b takes, and the other way round. */
static void check_keys(const struct media_agreed *a, const struct media_agreed *b)
{
	struct secure_pair ka, kb;
	size_t n;

	assert_true(a->keys && b->keys);
	media_keys_pair(a->keys, &ka);
	media_keys_pair(b->keys, &kb);
	n = secure_key_bytes(ka.ours.suite);
	CHECK(ka.ours.set && ka.theirs.set);
	CHECK_INT(ka.ours.suite, kb.theirs.suite);
	CHECK_INT(ka.theirs.suite, kb.ours.suite);
	CHECK(!memcmp(ka.ours.bytes, kb.theirs.bytes, n));
	CHECK(!memcmp(ka.theirs.bytes, kb.ours.bytes, n));
	CHECK(memcmp(ka.ours.bytes, ka.theirs.bytes, n) != 0);
}

static unsigned count(const struct buf *b, const char *what)
{
	unsigned n = 0;

	for (const char *p = b->data; (p = strstr(p, what)); p++)
		n++;
	return n;
}

static void two_of_us_agree(void **state)
{
	static const struct {
		enum media_encryption caller, callee;
		const char *profile; /* of both; NULL = refused */
		unsigned offered;
		bool secured;
		const char *why;
	} rows[] = {
		{ MEDIA_FORBIDDEN, MEDIA_FORBIDDEN, "RTP/AVP", 0, false, NULL },
		{ MEDIA_FORBIDDEN, MEDIA_OPTIONAL, "RTP/AVP", 0, false, NULL },
		{ MEDIA_FORBIDDEN, MEDIA_MANDATORY, NULL, 0, false, "the peer offers no SRTP though it is mandatory" },
		{ MEDIA_OPTIONAL, MEDIA_FORBIDDEN, "RTP/AVP", 2, false, NULL },
		{ MEDIA_OPTIONAL, MEDIA_OPTIONAL, "RTP/AVP", 2, true, NULL },
		{ MEDIA_OPTIONAL, MEDIA_MANDATORY, "RTP/AVP", 2, true, NULL },
		{ MEDIA_MANDATORY, MEDIA_FORBIDDEN, NULL, 4, false, "the peer offers SRTP, which is forbidden here" },
		{ MEDIA_MANDATORY, MEDIA_OPTIONAL, "RTP/SAVP", 4, true, NULL },
		{ MEDIA_MANDATORY, MEDIA_MANDATORY, "RTP/SAVP", 4, true, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct media_local a = side(rows[i].caller, 10 + i), b = side(rows[i].callee, 100 + i);
		struct media_agreed ma = { 0 }, mb = { 0 };
		struct buf offer = { 0 }, answer = { 0 };
		const char *why = NULL;
		char line[40];
		bool ok;

		offer_print(&offer, &a);
		CHECK_INT(rows[i].offered, count(&offer, "a=crypto:"));
		ok = offer_answer(&b, buf_view(&offer), &answer, &mb, &why) == OFFER_OK;
		CHECK_INT(rows[i].profile != NULL, ok);
		CHECK_STR(rows[i].why ? rows[i].why : "", ok ? "" : why);
		if (ok) {
			snprintf(line, sizeof(line), "m=audio 20000 %s 0", rows[i].profile);
			CHECK_INT(1, count(&answer, line));
			CHECK_INT(rows[i].secured, count(&answer, "a=crypto:"));
			CHECK_INT(OFFER_OK, offer_accept(&a, buf_view(&answer), &ma, &why));
			CHECK_INT(rows[i].secured, ma.keys != NULL);
			CHECK_INT(rows[i].secured, mb.keys != NULL);
		}
		if (ok && rows[i].secured)
			check_keys(&ma, &mb);
		media_keys_free(&a.keys);
		media_keys_free(&b.keys);
		buf_free(&offer);
		buf_free(&answer);
	}
}

/* Offers of others. */
static void offers_are_answered_in_kind(void **state)
{
	static const struct {
		enum media_encryption ours;
		const char *offer, *line; /* line: ours; NULL = refused */
		const char *crypto;       /* the beginning of our line, NULL = none */
		const char *why;
	} rows[] = {
		{ MEDIA_OPTIONAL, "m=audio 4 RTP/AVP 0\r\n" CM80, "m=audio 20000 RTP/AVP 0",
		  "a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:", NULL },
		{ MEDIA_OPTIONAL, "m=audio 4 RTP/SAVP 0\r\n" CM32 CM80, "m=audio 20000 RTP/SAVP 0",
		  "a=crypto:5 AES_CM_128_HMAC_SHA1_32 inline:", NULL },
		{ MEDIA_MANDATORY, "m=audio 4 RTP/SAVPF 0\r\n" MKI CM80, "m=audio 20000 RTP/SAVPF 0",
		  "a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:", NULL },
		{ MEDIA_OPTIONAL, "m=audio 4 RTP/AVP 0\r\n" MKI, "m=audio 20000 RTP/AVP 0", NULL, NULL },
		{ MEDIA_MANDATORY, "m=audio 4 RTP/AVP 0\r\n" MKI, NULL, NULL,
		  "the peer offers no SRTP though it is mandatory" },
		{ MEDIA_OPTIONAL, "m=audio 4 RTP/SAVP 0\r\n" MKI, NULL, NULL, "no SRTP suite in common" },
		{ MEDIA_OPTIONAL, "m=audio 4 RTP/SAVP 0\r\n", NULL, NULL,
		  "the peer offers SRTP without a key in the SDP" },
		{ MEDIA_OPTIONAL, "m=audio 4 UDP/TLS/RTP/SAVPF 0\r\n", NULL, NULL,
		  "the audio line has another profile than RTP/AVP and RTP/SAVP" },
		{ MEDIA_OPTIONAL, "m=audio 4 RTP/SAVP 8\r\n" CM80, NULL, NULL, "no codec in common" },
		{ MEDIA_FORBIDDEN, "m=audio 4 RTP/AVP 0\r\n" CM80, "m=audio 20000 RTP/AVP 0", NULL, NULL },
		/* Two lines, as some offer it: the first that can be taken. */
		{ MEDIA_OPTIONAL, "m=audio 4 RTP/SAVP 0\r\n" CM80 "m=audio 6 RTP/AVP 0\r\n", "m=audio 20000 RTP/SAVP 0",
		  "a=crypto:4 AES_CM", NULL },
		{ MEDIA_FORBIDDEN, "m=audio 4 RTP/SAVP 0\r\n" CM80 "m=audio 6 RTP/AVP 0\r\n", "m=audio 20000 RTP/AVP 0",
		  NULL, NULL },
		{ MEDIA_MANDATORY, "m=audio 4 RTP/AVP 0\r\nm=audio 6 RTP/SAVP 0\r\n" CM80, "m=audio 20000 RTP/SAVP 0",
		  "a=crypto:4 AES_CM", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct media_local l = side(rows[i].ours, i + 1);
		struct buf offer = { 0 }, answer = { 0 };
		struct media_agreed m = { 0 };
		const char *why = NULL;
		bool ok;

		buf_printf(&offer, HEAD "%s", rows[i].offer);
		ok = offer_answer(&l, buf_view(&offer), &answer, &m, &why) == OFFER_OK;
		CHECK_INT(rows[i].line != NULL, ok);
		CHECK_STR(rows[i].why ? rows[i].why : "", ok ? "" : why);
		if (ok) {
			CHECK_INT(1, count(&answer, rows[i].line));
			CHECK_INT(rows[i].crypto != NULL, count(&answer, "a=crypto:"));
			CHECK(!rows[i].crypto || count(&answer, rows[i].crypto) == 1);
			CHECK_INT(rows[i].crypto != NULL, m.keys != NULL);
			CHECK_INT(0, count(&answer, KEY));
		} else {
			CHECK_INT(0, answer.len);
		}
		media_keys_free(&l.keys);
		buf_free(&offer);
		buf_free(&answer);
	}
}

static void answers_must_fit_the_offer(void **state)
{
	static const struct {
		enum media_encryption ours;
		const char *answer;
		bool secured;
		const char *why; /* NULL = taken */
	} rows[] = {
		{ MEDIA_OPTIONAL, "m=audio 4 RTP/AVP 0\r\n", false, NULL },
		{ MEDIA_OPTIONAL, "m=audio 4 RTP/AVP 0\r\na=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:" KEY "\r\n", true,
		  NULL },
		{ MEDIA_OPTIONAL, "m=audio 4 RTP/SAVP 0\r\na=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:" KEY "\r\n", true,
		  NULL },
		{ MEDIA_OPTIONAL, "m=audio 4 RTP/AVP 0\r\n" CM80, false,
		  "the a=crypto of the answer is none that we offered" },
		{ MEDIA_OPTIONAL, "m=audio 4 RTP/AVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" KEY "\r\n", false,
		  "the a=crypto of the answer is none that we offered" },
		{ MEDIA_OPTIONAL, "m=audio 4 RTP/SAVP 0\r\n", false,
		  "the peer answered RTP/SAVP without a key that we know" },
		{ MEDIA_MANDATORY, "m=audio 4 RTP/SAVP 0\r\na=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:" KEY "\r\n",
		  true, NULL },
		{ MEDIA_MANDATORY, "m=audio 4 RTP/AVP 0\r\n", false,
		  "the peer answered without SRTP though it is mandatory" },
		{ MEDIA_MANDATORY, "m=audio 4 RTP/SAVP 0\r\n", false,
		  "the peer answered without SRTP though it is mandatory" },
		{ MEDIA_MANDATORY, "m=audio 0 RTP/SAVP 0\r\n", false, "the audio line is declined" },
		{ MEDIA_FORBIDDEN, "m=audio 4 RTP/SAVP 0\r\n" CM80, false,
		  "the peer answered RTP/SAVP without a key that we know" },
		{ MEDIA_FORBIDDEN, "m=audio 4 RTP/AVP 0\r\n" CM80, false, NULL },
		{ MEDIA_OPTIONAL, "m=audio 4 UDP/TLS/RTP/SAVPF 0\r\n", false,
		  "the answer has another profile than RTP/AVP and RTP/SAVP" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct media_local l = side(rows[i].ours, i + 1);
		struct media_agreed m = { 0 };
		struct buf answer = { 0 };
		const char *why = NULL;
		bool ok;

		buf_printf(&answer, HEAD "%s", rows[i].answer);
		ok = offer_accept(&l, buf_view(&answer), &m, &why) == OFFER_OK;
		CHECK_INT(!rows[i].why, ok);
		CHECK_STR(rows[i].why ? rows[i].why : "", ok ? "" : why);
		CHECK_INT(rows[i].secured, m.keys != NULL);
		CHECK(!l.keys || l.keys->theirs.set == rows[i].secured);
		media_keys_free(&l.keys);
		buf_free(&answer);
	}
}

/* One round: a offers, b answers; both note it. */
static void round_of(struct media_local *a, struct media_agreed *ma, struct media_local *b, struct media_agreed *mb,
		     struct buf *offer)
{
	struct buf answer = { 0 };
	const char *why;

	buf_reset(offer);
	offer_print(offer, a);
	CHECK_INT(OFFER_OK, offer_answer(b, buf_view(offer), &answer, mb, &why));
	CHECK_INT(OFFER_OK, offer_accept(a, buf_view(&answer), ma, &why));
	a->before = ma;
	b->before = mb;
	media_keys_settle(a);
	media_keys_settle(b);
	buf_free(&answer);
}

static void reoffers_keep_the_keys(void **state)
{
	static const enum media_encryption rows[] = { MEDIA_OPTIONAL, MEDIA_MANDATORY };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct media_local a = side(rows[i], 1), b = side(MEDIA_OPTIONAL, 2);
		struct media_agreed ma, mb;
		struct buf offer = { 0 };
		struct secure_pair first, again;
		bool savp = rows[i] == MEDIA_MANDATORY;

		round_of(&a, &ma, &b, &mb, &offer);
		check_keys(&ma, &mb);
		media_keys_pair(ma.keys, &first);
		for (int turn = 0; turn < 4; turn++) {
			if (turn & 1)
				round_of(&a, &ma, &b, &mb, &offer);
			else
				round_of(&b, &mb, &a, &ma, &offer);
			CHECK_INT(1, count(&offer, "a=crypto:"));
			CHECK_INT(savp, count(&offer, "RTP/SAVP"));
			check_keys(&ma, &mb);
			media_keys_pair(ma.keys, &again);
			CHECK(!memcmp(&first, &again, sizeof(first)));
		}
		media_keys_free(&a.keys);
		media_keys_free(&b.keys);
		buf_free(&offer);
	}
}

static void a_new_key_of_theirs_leaves_ours(void **state)
{
	struct media_local l = side(MEDIA_OPTIONAL, 1);
	struct secure_pair first, again;
	struct buf offer = { 0 }, answer = { 0 };
	struct media_agreed m;
	const char *why;

	buf_cstr(&offer, HEAD "m=audio 4 RTP/AVP 0\r\n" CM32);
	CHECK_INT(OFFER_OK, offer_answer(&l, buf_view(&offer), &answer, &m, &why));
	l.before = &m;
	media_keys_pair(m.keys, &first);
	/* Their first is another suite now, but the running one is there. */
	buf_reset(&offer);
	buf_cstr(&offer, HEAD "m=audio 4 RTP/AVP 0\r\n" CM80
			      "a=crypto:9 AES_CM_128_HMAC_SHA1_32 inline:XVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n");
	CHECK_INT(OFFER_OK, offer_answer(&l, buf_view(&offer), &answer, &m, &why));
	media_keys_pair(m.keys, &again);
	CHECK(!memcmp(&first.ours, &again.ours, sizeof(first.ours)));
	CHECK_INT(first.theirs.suite, again.theirs.suite);
	CHECK(first.theirs.bytes[0] != again.theirs.bytes[0]);
	/* A refused one changes nothing. */
	buf_reset(&offer);
	buf_cstr(&offer, HEAD "m=audio 4 RTP/AVP 8\r\n" CM80);
	CHECK_INT(OFFER_NO_CODEC, offer_answer(&l, buf_view(&offer), &answer, &m, &why));
	media_keys_pair(l.keys, &first);
	CHECK(!memcmp(&first, &again, sizeof(first)));
	/* Another suite alone: a key of ours that nobody has seen. */
	buf_reset(&offer);
	buf_cstr(&offer, HEAD "m=audio 4 RTP/AVP 0\r\n" CM80);
	CHECK_INT(OFFER_OK, offer_answer(&l, buf_view(&offer), &answer, &m, &why));
	media_keys_pair(m.keys, &again);
	CHECK(memcmp(first.ours.bytes, again.ours.bytes, 30) != 0);
	/* And none at all: RTP, and the keys are gone. */
	buf_reset(&offer);
	buf_cstr(&offer, HEAD "m=audio 4 RTP/AVP 0\r\n");
	CHECK_INT(OFFER_OK, offer_answer(&l, buf_view(&offer), &answer, &m, &why));
	CHECK(!m.keys);
	media_keys_settle(&l);
	CHECK(!l.keys);
	buf_reset(&offer);
	offer_print(&offer, &l);
	CHECK_INT(0, count(&offer, "a=crypto:"));
	buf_free(&offer);
	buf_free(&answer);
}

static void keys_are_random(void **state)
{
	struct media_local a = side(MEDIA_OPTIONAL, 1), b = side(MEDIA_OPTIONAL, 2);

	for (int i = 0; i < SECURE_SUITES; i++) {
		CHECK(memcmp(a.keys->ours[i].bytes, b.keys->ours[i].bytes, SECURE_KEY_BYTES) != 0);
		CHECK(memcmp(a.keys->ours[i].bytes, a.keys->ours[(i + 1) % SECURE_SUITES].bytes, 16) != 0);
		CHECK(memcmp(a.keys->ours[i].bytes + SECURE_KEY_BYTES - 6, "\0\0\0\0\0", 6) != 0);
	}
	media_keys_free(&a.keys);
	media_keys_free(&b.keys);
	media_keys_free(&b.keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(two_of_us_agree),        TEST(offers_are_answered_in_kind),     TEST(answers_must_fit_the_offer),
		TEST(reoffers_keep_the_keys), TEST(a_new_key_of_theirs_leaves_ours), TEST(keys_are_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

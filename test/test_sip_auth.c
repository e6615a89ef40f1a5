/* The calling side of digest: vectors of the RFCs, what servers really send, and when we answer. */
#include <errno.h>

#include "check.h"
#include "sip/sip_auth.h"

#define NONCE_7616 "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
#define CNONCE_7616 "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"

/* RFC 2617 §3.5, RFC 7616 §3.9.1 (its MD5 and SHA-256; the other kinds of the same exchange computed apart), and
 * draft-smith-sipping-auth-examples for a challenge without qop. */
static void responses_are_those_of_the_rfcs(void **state)
{
	static const struct {
		const char *challenge, *username, *password, *method, *uri, *cnonce, *want;
	} rows[] = {
		{ "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", "
		  "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
		  "Mufasa", "Circle Of Life", "GET", "/dir/index.html", "0a4f113b",
		  "6629fae49393a05397450978507c4ef1" },
#define ROW_7616(algorithm, want)                                                                                      \
	{ "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=" algorithm                       \
	  ", nonce=\"" NONCE_7616 "\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",                       \
	  "Mufasa",                                                                                                    \
	  "Circle of Life",                                                                                            \
	  "GET",                                                                                                       \
	  "/dir/index.html",                                                                                           \
	  CNONCE_7616,                                                                                                 \
	  want }
		ROW_7616("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
		ROW_7616("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
		ROW_7616("MD5-sess", "e783283f46242139c486a698fec7211d"),
		ROW_7616("SHA-256-sess", "2fd51b3a77ad75bad6afad6003e818d767133c46d9e2749e7f5232ae1ea3efd7"),
		ROW_7616("SHA-512-256", "430d05014cecc49cab6fbe03176d41a1da86cbfe24a16580e22aaad928d960d0"),
		ROW_7616("sha-512-256-SESS", "3f2a34f923c38b0fb26dce2fdfc2ce326c23cecf86fbb1444f3e51fbbc2cb92e"),
		{ "Digest realm=\"biloxi.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"", "bob", "zanzibar",
		  "INVITE", "sip:bob@biloxi.com", "", "bf57e4e0d0bffc0fbaedce64d59add5e" },
		/* the realm is hashed as it is meant */
		{ "Digest realm=\"a \\\"b\\\"\", nonce=\"n\"", "bob", "pw", "INVITE", "sip:x", "",
		  "b736a1bf64a7ad0d2f71d8a01db21376" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sip_digest d = { str_of(rows[i].username), str_of(rows[i].password), str_of(rows[i].method),
					str_of(rows[i].uri),      str_of(rows[i].cnonce),   1 };
		char got[SIP_DIGEST_TEXT] = "";
		struct sip_challenge c;

		CHECK_INT(0, sip_challenge_parse(&c, str_of(rows[i].challenge)));
		CHECK_INT(0, sip_digest_response(got, &c, &d));
		CHECK_STR(rows[i].want, got);
	}
}

static void challenges_are_read_as_servers_write_them(void **state)
{
	static const struct {
		const char *text;
		int err;
		const char *realm, *nonce, *opaque;
		bool qop, stale, named;
	} rows[] = {
		{ .text = "Digest realm=\"r\",nonce=\"n\",algorithm=MD5,qop=\"auth\"", .qop = true, .named = true },
		{ .text = "digest NONCE = n , Realm=r, qop=auth, stale=TRUE", .qop = true, .stale = true },
		{ .text = "Digest realm=\"\", nonce=\"a,b=c\", opaque=\"\", stale=\"true\"",
		  .realm = "",
		  .nonce = "a,b=c",
		  .opaque = "",
		  .stale = true },
		{ .text = "Digest realm=\"r\", nonce=\"n\", qop=\"\"" },
		{ .text = "Digest realm=\"r\", nonce=\"n\", qop=\"auth-int, auth\"", .qop = true },
		{ .text = "Digest realm=\"r\", nonce=\"n\", Digest realm=\"s\", nonce=\"m\"" },
		{ .text = "Digest realm=\"r\", realm=\"s\", nonce=\"n\", x=\"\\\"\", y" },
		{ .text = "Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\"", .err = ENOTSUP },
		{ .text = "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-1", .err = ENOTSUP },
		{ .text = "Digest realm=\"r\", nonce=\"n\", algorithm=MD5-sess", .err = ENOTSUP },
		{ .text = "Basic realm=\"r\"", .err = ENOTSUP },
		{ .text = "Digest realm=\"r\"", .err = EINVAL },
		{ .text = "Digest nonce=\"n\"", .err = EINVAL },
		{ .text = "Digest realm=\"r\", nonce=\"\"", .err = EINVAL },
		{ .text = "Digest realm=\"r\r\n x\", nonce=\"n\"", .err = EINVAL },
		{ .text = "Digest realm=\"r\", nonce=\"n", .err = EINVAL },
		{ .text = "Digest", .err = EINVAL },
		{ .text = "", .err = EINVAL },
		{ .text = "\"Digest\"", .err = EINVAL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sip_challenge c = { .stale = false };

		CHECK_INT(rows[i].err, sip_challenge_parse(&c, str_of(rows[i].text)));
		if (rows[i].err)
			continue;
		CHECK(str_is(c.realm, rows[i].realm ? rows[i].realm : "r"));
		CHECK(str_is(c.nonce, rows[i].nonce ? rows[i].nonce : "n"));
		CHECK(rows[i].opaque ? c.opaque.p && str_is(c.opaque, rows[i].opaque) : !c.opaque.p);
		CHECK_INT(rows[i].qop, c.qop);
		CHECK_INT(rows[i].stale, c.stale);
		CHECK_INT(rows[i].named, c.named);
	}
}

/* A response whose challenge headers are given. text must outlive it. */
static void response(struct sip_msg *m, char text[2048], const char *status, const char *headers)
{
	const char *why;
	size_t used;
	int n = snprintf(text, 2048, "SIP/2.0 %s\r\n%sContent-Length: 0\r\n\r\n", status, headers);

	assert_int_equal(sip_msg_parse(m, text, (size_t)n, false, &used, &why), SIP_PARSE_OK);
}

#define WWW "WWW-Authenticate: Digest realm=\"r\", "

static void the_strongest_of_the_offered_is_chosen(void **state)
{
	static const struct {
		const char *status, *headers, *nonce;
		int err;
	} rows[] = {
		{ "401 U", WWW "nonce=\"a\"\r\n" WWW "nonce=\"b\", algorithm=SHA-256\r\n", "b", 0 },
		{ "401 U", WWW "nonce=\"b\", algorithm=SHA-256\r\n" WWW "nonce=\"a\"\r\n", "b", 0 },
		{ "401 U", WWW "nonce=\"a\"\r\n" WWW "nonce=\"b\", algorithm=MD5\r\n", "a", 0 },
		{ "401 U",
		  WWW "nonce=\"x\", algorithm=SHA-512\r\nWWW-Authenticate: Basic realm=\"r\"\r\n" WWW "nonce=\"a\"\r\n",
		  "a", 0 },
		{ "407 P", "Proxy-Authenticate: Digest realm=\"r\", nonce=\"p\"\r\n" WWW "nonce=\"a\"\r\n", "p", 0 },
		{ "407 P", WWW "nonce=\"a\"\r\n", NULL, EINVAL },
		{ "401 U", "", NULL, EINVAL },
		{ "401 U", WWW "\r\n" WWW "nonce=\"x\", algorithm=SHA-512\r\n", NULL, ENOTSUP },
	};
	static struct sip_msg m;
	char text[2048];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sip_challenge c;

		response(&m, text, rows[i].status, rows[i].headers);
		CHECK_INT(rows[i].err, sip_challenge_choose(&c, &m));
		if (!rows[i].err)
			CHECK(str_is(c.nonce, rows[i].nonce));
	}
}

static void a_nonce_is_answered_once_and_for_one_realm(void **state)
{
	/* What comes in turn to one session; "ok" = the request got another answer. */
	static const struct {
		const char *headers[6];
		enum sip_auth_verdict verdicts[6];
	} rows[] = {
		{ { WWW "nonce=\"1\"\r\n", WWW "nonce=\"1\"\r\n" }, { SIP_AUTH_AGAIN, SIP_AUTH_REFUSED } },
		{ { WWW "nonce=\"1\"\r\n", WWW "nonce=\"2\"\r\n" }, { SIP_AUTH_AGAIN, SIP_AUTH_REFUSED } },
		{ { WWW "nonce=\"1\"\r\n", WWW "nonce=\"1\", stale=true\r\n" }, { SIP_AUTH_AGAIN, SIP_AUTH_REFUSED } },
		{ { WWW "nonce=\"1\"\r\n", WWW "nonce=\"2\", stale=true\r\n", WWW "nonce=\"3\"\r\n" },
		  { SIP_AUTH_AGAIN, SIP_AUTH_AGAIN, SIP_AUTH_REFUSED } },
		{ { WWW "nonce=\"1\"\r\n", WWW "nonce=\"2\", stale=true\r\n", WWW "nonce=\"3\", stale=true\r\n",
		    WWW "nonce=\"4\", stale=true\r\n" },
		  { SIP_AUTH_AGAIN, SIP_AUTH_AGAIN, SIP_AUTH_AGAIN, SIP_AUTH_REFUSED } },
		/* the next request may be challenged anew, but not with the nonce we have used */
		{ { WWW "nonce=\"1\"\r\n", "ok", WWW "nonce=\"2\"\r\n", "ok", WWW "nonce=\"2\"\r\n" },
		  { SIP_AUTH_AGAIN, 0, SIP_AUTH_AGAIN, 0, SIP_AUTH_REFUSED } },
		{ { WWW "nonce=\"1\"\r\n", "WWW-Authenticate: Digest realm=\"s\", nonce=\"2\", stale=true\r\n" },
		  { SIP_AUTH_AGAIN, SIP_AUTH_FOREIGN } },
		{ { "WWW-Authenticate: Basic realm=\"r\"\r\n", WWW "nonce=\"1\"\r\n" },
		  { SIP_AUTH_UNSUPPORTED, SIP_AUTH_AGAIN } },
	};
	static struct sip_msg m;
	char text[2048];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sip_auth *a = NULL;

		assert_int_equal(sip_auth_new(&a, STR("u"), STR("p")), 0);
		for (size_t k = 0; k < ARRAY_LEN(rows[i].headers) && rows[i].headers[k]; k++) {
			if (!strcmp(rows[i].headers[k], "ok")) {
				sip_auth_settled(a);
				continue;
			}
			response(&m, text, "401 Unauthorized", rows[i].headers[k]);
			CHECK_INT(rows[i].verdicts[k], sip_auth_challenged(a, &m, 1));
		}
		sip_auth_free(&a);
		CHECK(a == NULL);
	}
}

static void start(struct buf *b, const char *line)
{
	buf_reset(b);
	buf_cstr(b, line);
	buf_cstr(b, " SIP/2.0\r\n");
}

static void requests_carry_the_answer(void **state)
{
	struct buf b = { 0 };
	struct sip_auth *a = NULL;
	static struct sip_msg m;
	char text[2048];

	CHECK_INT(EINVAL, sip_auth_new(&a, STR("u\r\nX: y"), STR("p")));
	CHECK_INT(EINVAL, sip_auth_new(&a, STR("u"), STR("p\n")));
	assert_int_equal(sip_auth_new(&a, STR("Mu\"fasa"), STR("secret")), 0);
	start(&b, "INVITE sip:x@y");
	sip_auth_print(a, &b, SIP_INVITE);
	CHECK_STR("INVITE sip:x@y SIP/2.0\r\n", b.data); /* nobody has asked */
	response(&m, text, "407 P",
		 "Proxy-Authenticate: Digest realm=\"r\\\"\", nonce=\"n\", opaque=\"o\", qop=\"auth\"\r\n");
	CHECK_INT(SIP_AUTH_AGAIN, sip_auth_challenged(a, &m, 0xabc));
	start(&b, "INVITE sip:x@y");
	sip_auth_print(a, &b, SIP_INVITE);
	CHECK_STR(
		"INVITE sip:x@y SIP/2.0\r\nProxy-Authorization: Digest username=\"Mu\\\"fasa\", realm=\"r\\\"\", "
		"nonce=\"n\", uri=\"sip:x@y\", response=\"d5221821528d9f401070f54a1d3ed921\", opaque=\"o\", qop=auth, "
		"cnonce=\"0000000000000abc\", nc=00000001\r\n",
		b.data);
	/* the ACK repeats it, the next request counts */
	start(&b, "ACK sip:z@y");
	sip_auth_print(a, &b, SIP_ACK);
	CHECK(strstr(b.data, "nc=00000001") && strstr(b.data, "uri=\"sip:x@y\"") &&
	      strstr(b.data, "d5221821528d9f401070f54a1d3ed921"));
	start(&b, "BYE sip:z@y");
	sip_auth_print(a, &b, SIP_BYE);
	CHECK(strstr(b.data, "nc=00000002") && strstr(b.data, "uri=\"sip:z@y\"") &&
	      strstr(b.data, "9bfd5a52941a735184760540c54d86d5"));
	CHECK(!strstr(b.data, "secret"));
	CHECK(!b.failed);
	sip_auth_free(&a);
	sip_auth_free(&a);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(responses_are_those_of_the_rfcs),
		TEST(challenges_are_read_as_servers_write_them),
		TEST(the_strongest_of_the_offered_is_chosen),
		TEST(a_nonce_is_answered_once_and_for_one_realm),
		TEST(requests_carry_the_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

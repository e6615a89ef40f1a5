#include "check.h"
#include "net/sign.h"
#include "net/url.h"

/* The values come from Python: hmac.new(key, url + body, hash).hexdigest(). */
static void signatures_match_other_implementations(void **state)
{
	static const struct {
		const char *key, *url, *body, *sha1, *sha256;
	} rows[] = {
		{ "PSK-demo", "https://app.test/voice?a=1", "{\"call\":{}}", "59bb215188dd6bf2fb37b2d50389863ee99facec",
		  "ef3817d699867770e2ac1f0edc8045679357619967f907562f7e1b8f192b1cf0" },
		{ "k", "http://h", "", "6c91ae766b4acb56b343505de3ce3b3f3f496dff",
		  "e6cad35b366c84eedcee634078ff57aa411baae7068099fc833e65b4ab8f1279" },
		{ "", "http://h/", "x", "cc2fa466db6174832d0cbba70e8cbf9df47ddef6",
		  "d771d080e2ab892859da16277328854b71814468c2998e8d70d95c8218b7744a" },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		  "a",
		  "https://example.test:8443/p", "Grüße", "8e1d5c20642f4c4e6eb893e3c317e0768906983c",
		  "fdfb40f26fb9ee12a5fa237e2604fc88260785e18f7282d0eded0f053b1dc053" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char sha1[41], sha256[65];

		sign_sha1(sha1, rows[i].key, rows[i].url, str_of(rows[i].body));
		sign_sha256(sha256, rows[i].key, rows[i].url, str_of(rows[i].body));
		CHECK_STR(rows[i].sha1, sha1);
		CHECK_STR(rows[i].sha256, sha256);
	}
}

static void credentials_and_fragment_are_not_signed(void **state)
{
	static const char *const same[] = { "https://a.test:8443/x?y=1", "https://u:p@a.test:8443/x?y=1",
					    "https://u@b:p%40@a.test:8443/x?y=1#rt=1", "https://a.test:8443/x?y=1#" };
	char first[65], other[65];

	sign_sha256(first, "k", same[0], STR("b"));
	for (size_t i = 1; i < ARRAY_LEN(same); i++) {
		sign_sha256(other, "k", same[i], STR("b"));
		CHECK_STR(first, other);
	}
	sign_sha256(other, "k", "https://a.test:8443/x?y=2", STR("b"));
	CHECK(strcmp(first, other) != 0);
	sign_sha256(other, "l", same[0], STR("b"));
	CHECK(strcmp(first, other) != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(signatures_match_other_implementations),
					    TEST(credentials_and_fragment_are_not_signed) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "base/secret.h"

#include <stdlib.h>

#include "check.h"

static void names(void **state)
{
	static const struct {
		const char *name;
		bool secret;
	} rows[] = {
		{ "password", true },
		{ "Password", true },
		{ "sip_password", true },
		{ "passwd", true },
		{ "authorization", true },
		{ "Proxy-Authorization", true },
		{ "authorization_bearer_token", true },
		{ "access_token", true },
		{ "API_KEY", true },
		{ "apikey", true },
		{ "X-Api-Key", true },
		{ "client_secret", true },
		{ "Set-Cookie", true },
		{ "pw", true },
		{ "PIN", true },
		{ "signing_key", true },
		{ "", false },
		{ "to", false },
		{ "username", false },
		{ "auto_answer", false },
		{ "passenger", false },
		{ "spin", false },
		{ "prompt_value", false },
		{ "author", false },
		{ "key", false },
		{ "pwx", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK(secret_name(str_of(rows[i].name)) == rows[i].secret);
		if (secret_name(str_of(rows[i].name)) != rows[i].secret)
			fprintf(stderr, "%s\n", rows[i].name);
	}
}

static void texts(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "http://h/x?y=1", "http://h/x?y=1" },
		{ "http://u:pass@h/x", "http://u:xxxx@h/x" },
		{ "http://token@h/x", "http://xxxxx@h/x" },
		{ "http://u:p@ss@h/x@y", "http://u:xxxx@h/x@y" },
		{ "wss://u:p@h", "wss://u:x@h" },
		{ "http://", "http://" },
		{ "http://@", "http://@" },
		{ "http://u:", "http://u:" },
		{ "a http://u:p@h b http://v:qq@i c", "a http://u:x@h b http://v:xx@i c" },
		{ "http://h/?token=abc", "http://h/?token=xxx" },
		{ "http://h/?a=1&api_key=abc&b=2#x", "http://h/?a=1&api_key=xxx&b=2#x" },
		{ "http://h/?token=", "http://h/?token=" },
		{ "http://h/?token", "http://h/?token" },
		{ "http://h/?sort=abc", "http://h/?sort=abc" },
		{ "a=1&access_token=abc&b=2", "a=1&access_token=xxx&b=2" },
		{ "token=abc", "token=xxx" },
		{ "{\"access_token\": \"a\\\"bc\", \"x\": 1}", "{\"access_token\": \"xxxxx\", \"x\": 1}" },
		{ "{\"pin\":1234,\"x\":1}", "{\"pin\":xxxx,\"x\":1}" },
		{ "{\\\"token\\\":\\\"abc\\\"}", "{\\\"token\\\":\\\"xxxx\"}" },
		{ "Authorization: Bearer a.b-c==\nX: y", "Authorization: xxxxxxxxxxxxxx\nX: y" },
		{ "{\"token\":\"cut", "{\"token\":\"xxx" },
		{ "author: me, to: you", "author: me, to: you" },
		{ "sip:sip:sip:a:b@c", "sip:sip:xxxxxxx@c" },
		{ "http://h:token@x/?pin=1 sip:token=abc", "http://h:xxxxx@x/?pin=x sip:token=abc" },
		{ "=", "=" },
		{ ":", ":" },
		{ "token", "token" },
		{ "sip:bob@h", "sip:bob@h" },
		{ "sip:bob:pw@h;x=1", "sip:bob:xx@h;x=1" },
		{ "SIPS:bob:pw@h", "SIPS:bob:xx@h" },
		{ "\"A\" <sip:bob:pw@h>", "\"A\" <sip:bob:xx@h>" },
		{ "sip:h:5060", "sip:h:5060" },
		{ "gossip: a:b@c", "gossip: a:b@c" },
		{ "/recordings/01234567-89ab-cdef-0123-456789abcdef-0123456789abcdef0123456789abcdef.wav",
		  "/recordings/01234567-89ab-cdef-0123-456789abcdef-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.wav" },
		{ "/recordings/01234567-89ab-cdef-0123-456789abcdef.wav",
		  "/recordings/01234567-89ab-cdef-0123-456789abcdef.wav" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = strlen(rows[i].text);
		char *text = strdup(rows[i].text), *exact = malloc(n + 1);

		secret_mask(text, n);
		CHECK_STR(rows[i].want, text);
		/* Nothing is read behind the end. */
		memcpy(exact, rows[i].text, n);
		exact = realloc(exact, n ? n : 1);
		secret_mask(exact, n);
		CHECK(!memcmp(exact, rows[i].want, n));
		free(text);
		free(exact);
	}
}

static void values(void **state)
{
	static const struct {
		const char *text, *value;
		bool cut;
		const char *want;
	} rows[] = {
		{ "a hunter b hunter", "hunter", false, "a xxxxxx b xxxxxx" },
		{ "a hunt", "hunter", false, "a hunt" },
		{ "a hunt", "hunter", true, "a xxxx" },
		{ "ah", "hunter", true, "ax" },
		{ "hunthunte", "hunter", true, "huntxxxxx" },
		{ "abc abc", "abc", true, "abc abc" }, /* too short to be one */
		{ "", "hunter", true, "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[40];

		str_copy(text, sizeof(text), str_of(rows[i].text));
		secret_mask_value(text, strlen(text), str_of(rows[i].value), rows[i].cut);
		CHECK_STR(rows[i].want, text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(names), TEST(texts), TEST(values) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

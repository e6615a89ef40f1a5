#include "check.h"

#include <stdlib.h>

#include "op/sound_uri.h"

static void the_forms_of_the_manual(void **state)
{
	static const struct {
		const char *uri;
		enum sound_kind kind;
		const char *text;
		uint32_t ms;
	} rows[] = {
		{ "http://h/a.wav", SOUND_HTTP, "http://h/a.wav", 0 },
		{ " https://u:p@h:8/a.mp3?x=1 ", SOUND_HTTP, "https://u:p@h:8/a.mp3?x=1", 0 },
		{ "say:Hello", SOUND_SAY, "Hello", 0 },
		{ "say: Hello: you", SOUND_SAY, "Hello: you", 0 },
		{ "say:<speak>x</speak>", SOUND_SAY, "<speak>x</speak>", 0 },
		{ "silence:1.0", SOUND_SILENCE, "", 1000 },
		{ "silence: 3.25", SOUND_SILENCE, "", 3250 },
		{ "silence:.5", SOUND_SILENCE, "", 500 },
		{ "silence:2", SOUND_SILENCE, "", 2000 },
		{ "silence:0.0019", SOUND_SILENCE, "", 1 },
		{ "ring:us", SOUND_RING, "us", 0 },
		{ "ring: US", SOUND_RING, "US", 0 },
		{ "ring:us-old", SOUND_RING, "us-old", 0 },
		{ "ring:3.2:uk", SOUND_RING, "uk", 3200 },
		{ "ring:10: it", SOUND_RING, "it", 10000 },
		{ "ring::de", SOUND_RING, "de", 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sound_uri u;
		char text[100];

		if (sound_uri_parse(&u, str_of(rows[i].uri))) {
			CHECK_STR("", rows[i].uri);
			continue;
		}
		str_copy(text, sizeof(text), u.text);
		CHECK_INT(rows[i].kind, u.kind);
		CHECK_STR(rows[i].text, text);
		CHECK_INT(rows[i].ms, u.ms);
	}
}

static void anything_else_is_said_to_be_wrong(void **state)
{
	static const struct {
		const char *uri, *why;
	} rows[] = {
		{ "", "a sound is" },
		{ "hello.wav", "a sound is" },
		{ "file:///etc/passwd", "a sound is" },
		{ "Say:x", "a sound is" },
		{ "http://", "this is no http" },
		{ "http://a b/", "this is no http" },
		{ "say:", "there is nothing" },
		{ "say:   ", "there is nothing" },
		{ "silence:", "silence: takes" },
		{ "silence:.", "silence: takes" },
		{ "silence:1s", "silence: takes" },
		{ "silence:1.2.3", "silence: takes" },
		{ "silence:-1", "silence: takes" },
		{ "silence:99999999999", "silence: takes" },
		{ "silence:86401", "silence: takes" },
		{ "ring:", "ring: takes a country" },
		{ "ring:xx", "ring: takes a country" },
		{ "ring:3", "ring: takes a country" },
		{ "ring:3:", "ring: takes a country" },
		{ "ring:x:us", "ring: takes seconds" },
		{ "ring:1:2:us", "ring: takes a country" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sound_uri u;
		const char *why = sound_uri_parse(&u, str_of(rows[i].uri));

		if (!why || strncmp(why, rows[i].why, strlen(rows[i].why)))
			CHECK_STR(rows[i].uri, why);
	}
}

static void texts_are_not_longer_than_they_may_be(void **state)
{
	size_t n = 4 + SOUND_MAX_TEXT;
	char *text = malloc(n + 2);
	struct sound_uri u;

	memset(text, 'x', n + 1);
	memcpy(text, "say:", 4);
	CHECK(!sound_uri_parse(&u, (struct str){ text, n }));
	CHECK(sound_uri_parse(&u, (struct str){ text, n + 1 }));
	free(text);
}

static void nothing_secret_is_printed(void **state)
{
	static const struct {
		const char *uri, *text;
	} rows[] = {
		{ "https://u:secret@h/a.wav", "https://h/a.wav" },
		{ "https://u:secretsecretsecretsecretsecretsecretsecretsecretsecretsecretsecretsecretsecretsecretsecret"
		  "secretsecretsecretsecretsecretsecretsecretsecretsecretsecretsecretsecret@h/a.wav",
		  "https://h/a.wav" },
		{ "https://h/a.wav?token=abc&x=1", "https://h/a.wav?token=xxx&x=1" },
		{ "http://secret@", "a URL" },
		{ "say:Hello", "say:Hello" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char out[120];

		sound_uri_print(out, str_of(rows[i].uri));
		CHECK_STR(rows[i].text, out);
	}
}

static void documents_name_no_files(void **state)
{
	static const char *const uris[] = { "file:/etc/passwd", "music:hold" };

	for (size_t i = 0; i < ARRAY_LEN(uris); i++) {
		struct sound_uri u;

		CHECK(sound_uri_parse(&u, str_of(uris[i])) != NULL);
		CHECK(!sound_uri_parse_own(&u, str_of(uris[i])));
		CHECK_INT(i ? SOUND_MUSIC : SOUND_FILE, u.kind);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_forms_of_the_manual),
		TEST(anything_else_is_said_to_be_wrong),
		TEST(texts_are_not_longer_than_they_may_be),
		TEST(nothing_secret_is_printed),
		TEST(documents_name_no_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

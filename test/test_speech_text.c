/* What is to be said, made safe; and whose voice says it. */
#include "check.h"

#include "op/speech_ssml.h"
#include "op/speech_voice.h"

static void markup_is_known_or_goes(void **state)
{
	static const struct {
		const char *ssml, *clean, *plain;
	} rows[] = {
		{ "<speak>Hi</speak>", "<speak>Hi</speak>", "Hi" },
		{ "<speak version=\"1.1\" xml:lang='en'>a<break time=\"1.5s\"/>b</speak>",
		  "<speak>a<break time=\"1500ms\"/>b</speak>", "a. b" },
		{ "<speak>a<break time='9999s'></break>b<break strength='weak'/><break time='x'/></speak>",
		  "<speak>a<break time=\"10000ms\"/>b<break strength=\"weak\"/><break/></speak>", "a. b. . " },
		{ "<speak><p><s>One</s><s>Two</s></p>Three</speak>", "<speak><p><s>One</s><s>Two</s></p>Three</speak>",
		  "One. Two. . Three" },
		{ "<speak><prosody rate=\"slow\" pitch='+10%' evil=\"x\">a</prosody></speak>",
		  "<speak><prosody rate=\"slow\" pitch=\"+10%\">a</prosody></speak>", "a" },
		{ "<speak><prosody rate='a\"b'>a</prosody></speak>", "<speak><prosody>a</prosody></speak>", "a" },
		{ "<speak><emphasis level=\"strong\">now</emphasis></speak>",
		  "<speak><emphasis level=\"strong\">now</emphasis></speak>", "now" },
		{ "<speak><say-as interpret-as='digits'>12</say-as><say-as interpret-as=\"date\">1 "
		  "May</say-as></speak>",
		  "<speak><say-as interpret-as=\"tts:digits\">12</say-as>1 May</speak>", "1 2 1 May" },
		{ "<speak><sub alias=\"World &amp; Wide\">W3</sub>!</speak>", "<speak>World &amp; Wide!</speak>",
		  "World & Wide!" },
		/* espeak-ng would start a program for this one. */
		{ "<speak><audio src='\"; touch x; \".wav'>beep</audio><voice name='../x'>v</voice></speak>",
		  "<speak>beepv</speak>", "beepv" },
		{ "<speak><metadata>secret <p>x</p></metadata>a<desc/>b</speak>", "<speak>ab</speak>", "ab" },
		{ "<speak>1 &lt; 2 &#38; &#x41;&#0;&#xD800;&bogus; 3 < 4</speak>",
		  "<speak>1 &lt; 2 &amp; A &amp;bogus; 3 &lt; 4</speak>", "1 < 2 & A &bogus; 3 < 4" },
		{ "<speak><p>open <prosody rate='fast'>for ever",
		  "<speak><p>open <prosody rate=\"fast\">for "
		  "ever</prosody></p></speak>",
		  "open for ever. " },
		{ "<speak></p>x</s></speak>", "<speak>x</speak>", "x" },
		{ "<speak><!-- no <p> -->a<?php x?>b<![CDATA[c]]></speak>", "<speak>ab</speak>", "ab" },
		{ "<speak>[[h@l'oU]] \x01"
		  "9k \xff\xc3</speak>",
		  "<speak>  h@l'oU    9k   </speak>", "  h@l'oU    9k   " },
		{ "<speak>gr\xc3\xbc\xc3\x9f <unknown a='>'>x</unknown></speak>", "<speak>gr\xc3\xbc\xc3\x9f x</speak>",
		  "gr\xc3\xbc\xc3\x9f x" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf clean, plain;

		buf_init(&clean, 0);
		buf_init(&plain, 0);
		CHECK(speech_is_ssml(str_of(rows[i].ssml)));
		speech_ssml_clean(&clean, str_of(rows[i].ssml));
		speech_ssml_plain(&plain, str_of(rows[i].ssml));
		CHECK_STR(rows[i].clean, clean.data);
		CHECK_STR(rows[i].plain, plain.data);
		buf_free(&clean);
		buf_free(&plain);
	}
}

static void text_is_text(void **state)
{
	static const char *const not_ssml[] = { "", "hello", "<speaker>x", "< speak>", "<p>", "<speak" };
	struct buf b;

	for (size_t i = 0; i < ARRAY_LEN(not_ssml); i++)
		CHECK(!speech_is_ssml(str_of(not_ssml[i])));
	CHECK(speech_is_ssml(STR(" \n<speak\nversion='1'>x")));
	buf_init(&b, 0);
	speech_text_clean(&b, STR("1 < 2 & <b>3</b> &amp; [[x]]\t\x7f"));
	CHECK_STR("1 < 2 & <b>3</b> &amp;   x    ", b.data);
	buf_free(&b);
	CHECK_INT(4, speech_length(STR("gr\xc3\xbc\xff")));
	CHECK_INT(0, speech_length(STR("")));
}

static void voices_are_found(void **state)
{
	static const struct {
		const char *voice, *language, *gender, *espeak, *flite;
		bool known, has, english;
	} rows[] = {
		{ NULL, NULL, NULL, "en-us+f3", "slt", true, true, true },
		{ "default", NULL, "male", "en-us", "rms", true, true, true },
		{ "Polly.Salli", "en-US", "female", "en-us+f3", "slt", true, true, true },
		{ "polly.matthew-Neural", NULL, "female", "en-us", "rms", true, true, true },
		{ "Polly.Brian", NULL, NULL, "en-gb", "rms", true, true, true },
		{ "Polly.Hans", "en-US", NULL, "de", "rms", true, true, false },
		{ "Polly.Mia", NULL, NULL, "es-419+f3", "slt", true, true, false },
		{ "Polly.L\xc3\xa9\x61", NULL, NULL, "fr-fr+f3", "slt", true, true, false },
		{ "Polly.Zhiyu", NULL, NULL, "cmn+f3", "slt", true, true, false },
		{ "gcloud.en-US-Wavenet-B", NULL, NULL, "en-us", "rms", true, true, true },
		{ "gcloud.pt-BR-Neural2-C", NULL, NULL, "pt-br+f3", "slt", true, true, false },
		{ "azure.de-AT-IngridNeural", NULL, NULL, "de+f3", "slt", true, true, false },
		{ "man", "fr-CA", NULL, "fr-fr", "rms", true, true, false },
		{ "woman", "it", NULL, "it+f3", "slt", true, true, false },
		{ "alice", "nb-NO", NULL, "nb+f3", "slt", true, true, false },
		{ "Ruben", NULL, NULL, "nl", "rms", true, true, false },
		{ "espeak.en-gb-scotland+m3", NULL, NULL, "en-gb-scotland+m3", "slt", true, true, true },
		{ "flite.awb", NULL, NULL, "en-us+f3", "awb", true, true, true },
		{ "flite.secrets", NULL, NULL, "en-us+f3", "slt", false, true, true },
		{ "espeak.../../x", NULL, NULL, "en-us+f3", "slt", false, true, true },
		{ "elevenlabs.josh", "de-DE", "male", "de", "rms", false, true, false },
		{ "Polly.Nobody", NULL, NULL, "en-us+f3", "slt", false, true, true },
		{ "Polly.", NULL, NULL, "en-us+f3", "slt", false, true, true },
		{ "-w/etc/x", "-x", NULL, "en-us+f3", "slt", false, true, true },
		{ "woman", "tlh-X", NULL, "en-us+f3", "slt", true, false, false },
		{ "woman", "en us", NULL, "en-us+f3", "slt", true, true, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct speech_voice v;
		char name[SPEECH_NAME];

		speech_voice_find(&v, rows[i].voice, rows[i].language, rows[i].gender);
		CHECK_INT(rows[i].known, v.known);
		CHECK_INT(rows[i].has, speech_voice_espeak(name, &v));
		CHECK_STR(rows[i].espeak, name);
		CHECK_INT(rows[i].english, speech_voice_flite(name, &v));
		CHECK_STR(rows[i].flite, name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(markup_is_known_or_goes),
		TEST(text_is_text),
		TEST(voices_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

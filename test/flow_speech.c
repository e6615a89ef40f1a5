/* What a caller says to a prompt: when he is heard, and what comes of it: whole calls on virtual time (fake_talk.h). */
#include "check.h"

#include "base/log.h"
#include "call/call_media.h"
#include "fake_talk.h"

#define HEARD(result) "collect \"result\":{" result "},\"final\":true"

/* It says how many tenths of a second it was given, and with what hints. */
#define COUNTS "echo $(( $(wc -c </dev/stdin) / 3200 )) $0"

static struct talk *asking(const char *arguments, const char *script)
{
	static const char *command[5] = { "sh", "-c", NULL, "{hints}", NULL };
	struct recognizer_opts opts = { .command = command };
	char document[400];
	struct talk *w;

	snprintf(document, sizeof(document),
		 "sections: {main: [{prompt: {play: ['ring:1:it', 'silence:0.2'], %s}}, {switch: {variable: "
		 "prompt_result, case: "
		 "{match_speech: [{play: 'ring:2:uk'}]}, default: [{sleep: 1}]}}]}",
		 arguments);
	w = talk_open(document, NULL);
	command[2] = script;
	opts.loop = w->base.loop;
	opts.pool = w->base.pool;
	snprintf(w->folder, sizeof(w->folder), "/tmp/flow_speech_%u", (unsigned)getpid());
	opts.folder = w->folder;
	assert_int_equal(recognizer_new(&w->recognizer, &opts), 0);
	w->base.scripts.recognizer = w->recognizer;
	w->a.hz = 0;
	talk_dial(w);
	return w;
}

static void speak(struct talk *w, uint32_t ms)
{
	w->a.hz = 700;
	talk_run(w, ms);
	w->a.hz = 0;
}

static void speech_stops_the_sounds_and_is_understood(void **state)
{
	struct talk *w = asking("speech_hints: [ten, nine], speech_end_timeout: 0.4", COUNTS);

	talk_run(w, 500);
	speak(w, 800);
	talk_run(w, 600);
	CHECK(talker_level(&w->a, 425, 200, 480) > 5000);
	CHECK(talker_level(&w->a, 425, 800, 1200) < 100); /* she was heard 0.1 s and some buffers after she began */
	talk_run(w, 1000);
	CHECK(talker_level(&w->a, 450, 2000, 2200) > 1000); /* the document went on: match_speech */
	/* 0.3 s of before, of which 0.1 s is speech; 0.7 s; 0.4 s of silence */
	if (strcmp(HEARD("\"type\":\"speech\",\"params\":{\"text\":\"14 ten,nine\"}") "; play playing", w->log) &&
	    strcmp(HEARD("\"type\":\"speech\",\"params\":{\"text\":\"13 ten,nine\"}") "; play playing", w->log))
		CHECK_STR("1.3 or 1.4 s", w->log);
	talk_close(w);
}

static void what_comes_of_speech(void **state)
{
	static const struct {
		const char *arguments, *script;
		uint32_t speaks_ms;
		const char *log;
	} rows[] = {
		{ "speech_timeout: 5", "echo '{\"text\": \"yes\", \"confidence\": 0.9}'", 400,
		  HEARD("\"type\":\"speech\",\"params\":{\"text\":\"yes\",\"confidence\":0.9}") "; play playing" },
		{ "speech_timeout: 5", "true", 400, HEARD("\"type\":\"no_match\"") },
		{ "speech_timeout: 5", "echo broken >&2; false", 400,
		  HEARD("\"type\":\"error\"") "; warn command: it ended with status 1: broken" },
		{ "initial_timeout: 1, speech_timeout: 5", "echo yes", 0, HEARD("\"type\":\"no_input\"") },
		{ "speech_timeout: 1", "echo yes", 3000,
		  HEARD("\"type\":\"speech\",\"params\":{\"text\":\"yes\"}") "; play playing" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct talk *w = asking(rows[i].arguments, rows[i].script);

		talk_run(w, 500);
		speak(w, rows[i].speaks_ms);
		talk_run(w, 3000);
		CHECK(!strncmp(w->log, rows[i].log, strlen(rows[i].log)));
		if (strncmp(w->log, rows[i].log, strlen(rows[i].log)))
			fprintf(stderr, "%s\nwant %s\n", w->log, rows[i].log);
		talk_close(w);
	}
}

/* While she speaks the wait for a first key rests; a key then is what counts, and the engine is not asked any more. */
static void a_key_is_more_than_speech(void **state)
{
	for (uint32_t ms = 40; ms < 1600; ms += 120) {
		struct talk *w =
			asking("max_digits: 2, digit_timeout: 1, initial_timeout: 0.5, speech_end_timeout: 0.4",
			       "sleep 0.01; echo yes");
		bool understood;

		talk_run(w, 500);
		w->a.hz = 700;
		talk_run(w, ms < 1000 ? ms : 1000);
		w->a.hz = 0;
		talk_run(w, ms < 1000 ? 0 : ms - 1000);
		understood = *w->log;
		if (w->call)
			call_media_key(w->call, '7');
		talk_run(w, 3000);
		if (!understood)
			CHECK_STR(HEARD("\"type\":\"digit\",\"params\":{\"digits\":\"7\",\"terminator\":\"\"}"),
				  w->log);
		else
			CHECK(!strncmp(w->log, HEARD("\"type\":\"speech\",\"params\":{\"text\":\"yes\"}"), 70));
		CHECK(understood == (ms >= 1480));
		talk_close(w);
	}
}

static void a_caller_may_hang_up_while_he_speaks(void **state)
{
	for (uint32_t ms = 20; ms < 1800; ms += 60) {
		struct talk *w = asking("speech_end_timeout: 0.4", "sleep 0.01; echo yes");

		talk_run(w, 200);
		w->a.hz = 700;
		talk_run(w, ms < 1000 ? ms : 1000);
		w->a.hz = 0;
		talk_run(w, ms < 1000 ? 0 : ms - 1000);
		if (w->a.session)
			sip_session_hangup(w->a.session, STR(""));
		talk_run(w, 200);
		CHECK_INT(0, calls_count(w->base.calls));
		talk_close(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(speech_stops_the_sounds_and_is_understood),
		TEST(what_comes_of_speech),
		TEST(a_key_is_more_than_speech),
		TEST(a_caller_may_hang_up_while_he_speaks),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "media/voice_edge.h"

enum { COUNT = 160, FRAME_MS = 20 };

/* Frames of noise with this root of the mean square; returns after how many ms the state was another one, 0 = never. */
static unsigned run(struct voice_edge *v, double level, unsigned ms)
{
	enum voice_state before = v->state;
	static unsigned seed = 7;
	int16_t audio[COUNT];

	for (unsigned at = 0; at < ms; at += FRAME_MS) {
		for (size_t i = 0; i < COUNT; i++) {
			seed = seed * 1103515245 + 12345;
			audio[i] = (int16_t)lrint(level * sqrt(3) * ((seed >> 16 & 0x7fff) / 16383.5 - 1));
		}
		if (voice_edge_run(v, audio, COUNT) != before)
			return at + FRAME_MS;
	}
	return 0;
}

static void speech_begins_and_ends(void **state)
{
	struct voice_edge v = { .end_ms = 600 };

	CHECK_INT(0, run(&v, 0, 1000));
	CHECK_INT(100, run(&v, 2000, 1000));
	CHECK_INT(VOICE_SPEAKS, v.state);
	CHECK_INT(0, run(&v, 2000, 1000));
	CHECK_INT(0, run(&v, 0, 580)); /* a pause */
	CHECK_INT(0, run(&v, 2000, 20));
	CHECK_INT(600, run(&v, 0, 1000));
	CHECK_INT(VOICE_ENDED, v.state);
	CHECK_INT(0, run(&v, 2000, 1000));
}

static void clicks_are_no_speech(void **state)
{
	struct voice_edge v = { .end_ms = 600 };

	for (unsigned i = 0; i < 20; i++) {
		CHECK_INT(0, run(&v, 20000, 80));
		CHECK_INT(0, run(&v, 0, 100));
	}
	/* Short pauses are, in a word. */
	CHECK_INT(0, run(&v, 3000, 60));
	CHECK_INT(0, run(&v, 0, 60));
	CHECK_INT(40, run(&v, 3000, 60));
}

/* Speech is what is 12 dB above the line, whatever that is, and never what nobody could hear. */
static void noise_is_learnt(void **state)
{
	static const struct {
		double noise, speech;
		bool heard;
	} rows[] = {
		{ 0, 170, false },   { 0, 210, true },      { 40, 170, false },   { 40, 210, true },
		{ 100, 380, false }, { 100, 470, true },    { 250, 900, false },  { 250, 1100, true },
		{ 250, 250, false }, { 1000, 1100, false }, { 1000, 1600, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct voice_edge v = { .end_ms = 600 };

		CHECK_INT(0, run(&v, rows[i].noise, 3000));
		CHECK(rows[i].heard == (run(&v, rows[i].speech, 400) == 100));
	}
}

static void who_speaks_already_is_heard(void **state)
{
	struct voice_edge v = { .end_ms = 600 };

	CHECK_INT(100, run(&v, 2000, 1000));
}

/* An engine that starts beside the telephone must not be speech until the call ends. */
static void a_noise_that_begins_ends_as_speech(void **state)
{
	struct voice_edge v = { .end_ms = 600 };

	CHECK_INT(0, run(&v, 20, 3000));
	CHECK_INT(100, run(&v, 250, 1000));
	CHECK(run(&v, 250, 30000) > 0);
	CHECK_INT(VOICE_ENDED, v.state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(speech_begins_and_ends),
		TEST(clicks_are_no_speech),
		TEST(noise_is_learnt),
		TEST(who_speaks_already_is_heard),
		TEST(a_noise_that_begins_ends_as_speech),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

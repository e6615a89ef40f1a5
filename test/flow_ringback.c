/* What a caller hears while others ring, and until they are joined: whole calls on virtual time (fake_talk.h). */
#include "check.h"

#include "base/log.h"
#include "fake_talk.h"

static void a_list_rings_until_the_peer_is_joined(void **state)
{
	struct talk *w =
		talk_open("sections: {main: [{connect: {" TO_B ", ringback: ['ring:0.5:it', 'silence:0.3']}}]}", NULL);

	w->b.early_media = true;
	w->b.ring_ms = 1000;
	w->b.answer_ms = 3000;
	talk_dial(w);
	talk_run(w, 5000);
	CHECK_INT(1, w->a.answers);
	CHECK(talker_level(&w->a, 425, 100, 500) > 1000); /* before anybody rings */
	CHECK(talker_level(&w->a, 425, 1800, 2600) > 500);
	CHECK(talker_level(&w->a, 1000, 100, 3000) < 100); /* the peer's early media is not heard */
	CHECK(talker_level(&w->a, 1000, 3100, 4900) > 5000);
	CHECK(talker_level(&w->a, 425, 3060, 4900) < 100);
	CHECK(talker_level(&w->b, 300, 3100, 4900) > 5000);
	CHECK_STR("connected", w->log);
	talk_close(w);
}

static void an_unanswered_caller_hears_the_list_as_early_media(void **state)
{
	struct talk *w =
		talk_open("sections: {main: [{connect: {" TO_B ", answer_on_bridge: true, ringback: 'ring:us'}}]}",
			  NULL);

	w->b.ring_ms = 500;
	w->b.answer_ms = 1500;
	talk_dial(w);
	talk_run(w, 1400);
	CHECK_INT(1, w->a.early);
	CHECK_INT(0, w->a.answers);
	CHECK(talker_hears_ring(&w->a, 100, 1400));
	talk_run(w, 2000);
	CHECK_INT(1, w->a.answers);
	CHECK(talker_level(&w->a, 1000, 1600, 3300) > 5000);
	CHECK(talker_level(&w->a, 440, 1600, 3300) < 100);
	talk_close(w);
}

static void an_answered_caller_hears_a_tone_when_the_peer_rings(void **state)
{
	struct talk *w = talk_open("sections: {main: [answer, {connect: {" TO_B "}}]}", NULL);

	w->b.ring_ms = 1000;
	w->b.answer_ms = 2500;
	talk_dial(w);
	talk_run(w, 5000);
	CHECK_INT(0, talker_packets(&w->a, 0, 980));
	CHECK(talker_hears_ring(&w->a, 1100, 2500));
	CHECK(talker_level(&w->a, 440, 2560, 4900) < 100);
	CHECK(talker_level(&w->a, 1000, 2600, 4900) > 5000);
	talk_close(w);
}

static void early_media_is_heard_instead_of_the_tone(void **state)
{
	struct talk *w = talk_open("sections: {main: [answer, {connect: {" TO_B "}}]}", NULL);

	w->b.early_media = true;
	w->b.ring_ms = 1000;
	w->b.answer_ms = 2500;
	talk_dial(w);
	talk_run(w, 4000);
	CHECK(talker_level(&w->a, 1000, 1100, 2400) > 5000);
	CHECK(talker_level(&w->a, 440, 500, 4000) < 100);
	talk_close(w);
}

static void ringback_ends_with_a_failure(void **state)
{
	struct talk *w =
		talk_open("sections: {main: [{connect: {" TO_B ", ringback: ['ring:us']}}, {sleep: 1000}]}", NULL);

	w->b.refuses = true;
	w->b.answer_ms = 1000;
	talk_dial(w);
	talk_run(w, 3000);
	CHECK(talker_hears_ring(&w->a, 100, 1000));
	CHECK(talker_packets(&w->a, 1040, 3000) <= 1);
	CHECK_STR("failed", w->log);
	talk_close(w);
}

static void ringback_ends_with_the_caller(void **state)
{
	static const char *const documents[] = {
		"sections: {main: [{connect: {" TO_B ", ringback: ['ring:us', 'silence:0.1']}}]}",
		"sections: {main: [answer, {connect: {" TO_B "}}]}",
		"sections: {main: [{connect: {" TO_B ", ringback: ['say:x']}}]}",
		"sections: {main: [{connect: {" TO_B ", ringback: ['@/x'], answer_on_bridge: true}}]}",
	};

	for (size_t i = 0; i < ARRAY_LEN(documents); i++) {
		for (uint32_t ms = 0; ms < 200; ms += TALK_FRAME_MS) {
			struct talk *w = talk_open(documents[i], NULL);

			w->b.ring_ms = 60;
			w->b.answer_ms = ms % 40 ? 100 : 0;
			talk_dial(w);
			talk_run(w, ms);
			if (w->a.session)
				sip_session_hangup(w->a.session, STR(""));
			talk_run(w, 100);
			talk_close(w);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_list_rings_until_the_peer_is_joined),
		TEST(an_unanswered_caller_hears_the_list_as_early_media),
		TEST(an_answered_caller_hears_a_tone_when_the_peer_rings),
		TEST(early_media_is_heard_instead_of_the_tone),
		TEST(ringback_ends_with_a_failure),
		TEST(ringback_ends_with_the_caller),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

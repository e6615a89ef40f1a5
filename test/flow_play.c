/* What a caller hears of sounds that are played: whole calls on virtual time (fake_talk.h). */
#include "check.h"

#include "base/log.h"
#include "fake_talk.h"
#include "op/op_play.h"

static void play_answers_and_is_heard(void **state)
{
	struct talk *w = talk_open("sections: {main: [{play: 'ring:1:us'}]}", NULL);

	talk_dial(w);
	talk_run(w, 2000);
	CHECK_INT(1, w->a.answers);
	CHECK_INT(1, w->a.closed);
	CHECK(talker_hears_ring(&w->a, 100, 1000));
	CHECK(talker_packets(&w->a, 0, 2000) >= 49 && talker_packets(&w->a, 0, 2000) <= 51);
	CHECK(w->a.any[2]); /* no more than 40 ms behind the INVITE */
	CHECK_STR("play playing; play finished", w->log);
	talk_close(w);
}

static void without_answering_it_is_early_media(void **state)
{
	struct talk *w = talk_open("sections: {main: [{play: {url: 'ring:1:us', auto_answer: false}}]}", NULL);

	talk_dial(w);
	talk_run(w, 2000);
	CHECK_INT(1, w->a.early);
	CHECK_INT(0, w->a.answers);
	CHECK_INT(480, w->a.status);
	CHECK(talker_hears_ring(&w->a, 100, 1000));
	CHECK_STR("play playing; play finished", w->log);
	talk_close(w);
}

#define S "~~~~~~~~~~"
#define TONE_40MS S S S S S S S S S S S S S S S S S S S S S S S S S S S S S S S S
#define AUDIO(length) "HTTP/1.1 200 OK\r\nContent-Type: audio/basic\r\nContent-Length: " length "\r\n\r\n"

/* One behind the other, and the one that comes by URL in between; it was fetched while the first one played. */
static void a_list_is_played_in_order(void **state)
{
	static const struct fake_page pages[] = { { "/a", AUDIO("320") TONE_40MS, FAKE_KEEP },
						  { NULL, NULL, FAKE_KEEP } };
	struct talk *w = talk_open("sections: {main: [{play: ['silence:0.4', '@/a', 'ring:0.4:us']}]}", pages);

	talk_dial(w);
	talk_run(w, 1500);
	CHECK_INT(1, fake_http_requests(w->web));
	CHECK(talker_level(&w->a, 440, 60, 380) < 10);
	CHECK(talker_hears_ring(&w->a, 560, 860));
	CHECK(talker_packets(&w->a, 0, 1500) >= 41 && talker_packets(&w->a, 0, 1500) <= 43);
	CHECK(talker_packets(&w->a, 40, 800) >= 34); /* between two sounds no more than a packet or two is missing */
	CHECK_STR("play playing; play finished", w->log);
	talk_close(w);
}

static void what_cannot_be_had_is_left_out(void **state)
{
	static const struct fake_page pages[] = {
		{ "/stall", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", FAKE_HANG }, { NULL, NULL, FAKE_KEEP }
	};
	struct talk *w = talk_open("sections: {main: [{play: ['@/stall#rt=300', nothing, 'ring:0.4:us']}, "
				   "{play: 'say:x'}, {play: 'ring:0.2:us'}]}",
				   pages);

	talk_dial(w);
	talk_run(w, 2000);
	CHECK(talker_hears_ring(&w->a, 100, 400));
	CHECK(strstr(w->log, "play playing; play error; warn http://127.0.0.1:"));
	CHECK(strstr(w->log, "/stall cannot be played: read time-out: nothing came for 300 ms; play error; "
			     "warn say:x cannot be played: there is no speech engine; play playing; play finished"));
	talk_close(w);
}

static void the_caller_hangs_up_meanwhile(void **state)
{
	struct talk *w = talk_open("sections: {main: [{play: 'ring:10:us'}, {play: 'ring:us'}]}", NULL);

	talk_dial(w);
	talk_run(w, 1000);
	sip_session_hangup(w->a.session, STR(""));
	talk_run(w, 1000);
	CHECK_STR("play playing; play finished", w->log);
	CHECK_INT(0, talker_packets(&w->a, 1100, 2000));
	talk_close(w);
}

/* --- by hand --- */

static void done(void *arg, const struct op_result *r)
{
	struct talk *w = arg;

	w->ops_done++;
	w->op = NULL;
	w->result = *r;
	str_copy(w->result_why, sizeof(w->result_why), str_of(r->why));
}

static struct talk *begin_by_hand(const struct play_request *r)
{
	struct talk *w = talk_open(NULL, NULL);
	struct op_start start = { .done = done, .arg = w };

	talk_dial(w);
	fake_world_run(&w->base, 1);
	assert_non_null(w->call);
	start.call = w->call;
	start.sounds = w->sounds;
	CHECK_INT(0, op_play_start(&w->op, &start, r));
	return w;
}

static void it_pauses_and_resumes_and_changes_its_volume(void **state)
{
	static const char *const uris[] = { "ring:2:us" };
	const struct play_request r = { .uris = uris, .count = 1, .answer = true, .volume_db = -12 };
	struct talk *w = begin_by_hand(&r);
	double loud, soft;

	talk_run(w, 500);
	op_play_volume(w->op, 0);
	talk_run(w, 500);
	op_play_pause(w->op);
	op_play_pause(w->op);
	talk_run(w, 1000);
	op_play_resume(w->op);
	op_play_resume(w->op);
	talk_run(w, 900);
	CHECK_INT(0, w->ops_done);
	talk_run(w, 200);
	CHECK_INT(1, w->ops_done);
	CHECK_INT(OP_DONE, w->result.outcome);
	soft = talker_level(&w->a, 440, 100, 500);
	loud = talker_level(&w->a, 440, 600, 1000);
	CHECK(fabs(20 * log10(loud / soft) - 12) < 1);
	CHECK(talker_packets(&w->a, 1040, 2000) <= 1);
	CHECK(talker_hears_ring(&w->a, 2100, 2900));
	CHECK_STR("play playing; play paused; play playing; play finished", w->log);
	talk_close(w);
}

static void paused_before_it_began_it_waits(void **state)
{
	static const char *const uris[] = { "ring:1:us", "ring:1:us" };
	const struct play_request r = { .uris = uris, .count = 2, .answer = true };
	struct talk *w = begin_by_hand(&r);

	op_play_pause(w->op);
	talk_run(w, 500);
	CHECK_INT(0, talker_packets(&w->a, 0, 500));
	op_play_resume(w->op);
	talk_run(w, 3000);
	CHECK_STR("play paused; play playing; play finished", w->log);
	CHECK(talker_packets(&w->a, 0, 3500) >= 98);
	talk_close(w);
}

static void stopped_it_stops_within_a_packet(void **state)
{
	static const char *const uris[] = { "ring:us" };
	const struct play_request r = { .uris = uris, .count = 1, .answer = true, .loops = true };
	struct talk *w = begin_by_hand(&r);

	talk_run(w, 13000);
	CHECK(talker_hears_ring(&w->a, 6100, 8000)); /* 2 s on, 4 s off, again */
	CHECK(talker_level(&w->a, 440, 8100, 12000) < 10);
	CHECK(talker_hears_ring(&w->a, 12100, 13000));
	op_stop(w->op);
	CHECK_INT(0, w->ops_done);
	talk_run(w, 1000);
	CHECK_INT(1, w->ops_done);
	CHECK_INT(OP_STOPPED, w->result.outcome);
	CHECK(talker_packets(&w->a, 13020, 14000) <= 1);
	CHECK_STR("play playing; play finished", w->log);
	talk_close(w);
}

static void a_loop_of_nothing_ends(void **state)
{
	static const char *const uris[] = { "nothing", "say:x" };
	const struct play_request r = { .uris = uris, .count = 2, .answer = true, .loops = true, .quiet = true };
	struct talk *w = begin_by_hand(&r);

	talk_run(w, 100);
	CHECK_INT(1, w->ops_done);
	CHECK_INT(OP_FAILED, w->result.outcome);
	CHECK_STR("nothing cannot be played: a sound is http(s)://…, say:…, silence:… or ring:…", w->result_why);
	CHECK_STR("", w->log);
	talk_close(w);
}

static void it_ends_whenever_the_call_does(void **state)
{
	static const char *const uris[] = { "silence:0.1", "ring:0.1:us", "nothing" };

	for (uint32_t ms = 0; ms < 400; ms += TALK_FRAME_MS) {
		const struct play_request r = { .uris = uris, .count = 3, .answer = true, .loops = ms % 40 };
		struct talk *w = begin_by_hand(&r);

		talk_run(w, ms);
		if (w->op && ms % 60 == 0)
			op_play_pause(w->op);
		if (w->call && ms % 100 == 0)
			call_hangup(w->call, CAUSE_HANGUP, "api", "the test hangs up");
		if (w->op && ms % 80 == 0)
			op_stop(w->op);
		talk_run(w, 100);
		talk_close(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(play_answers_and_is_heard),       TEST(without_answering_it_is_early_media),
		TEST(a_list_is_played_in_order),       TEST(what_cannot_be_had_is_left_out),
		TEST(the_caller_hangs_up_meanwhile),   TEST(it_pauses_and_resumes_and_changes_its_volume),
		TEST(paused_before_it_began_it_waits), TEST(stopped_it_stops_within_a_packet),
		TEST(a_loop_of_nothing_ends),          TEST(it_ends_whenever_the_call_does),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

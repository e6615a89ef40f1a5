/* Whole calls on virtual time: phones ring, answer, refuse, give up and press keys. */
#include <time.h>

#include "call_world.h"

static const char one[] = "sections:\n  main:\n    - connect:\n        to: 'sip:b@10.0.0.3;transport=udp'\n"
			  "        answer_on_bridge: true\n";
static const char two[] =
	"sections:\n  main:\n    - connect:\n        answer_on_bridge: true\n        parallel:\n"
	"          - to: 'sip:b@10.0.0.3;transport=udp'\n          - to: 'sip:c@10.0.0.4;transport=udp'\n";

/* --- the tests --- */

static void a_minute_of_ringing_takes_no_time(void **state)
{
	struct world w;
	struct party *caller;
	struct timespec before, after;
	uint64_t start_ms, rang_ms;

	clock_gettime(CLOCK_MONOTONIC, &before);
	open_world(&w, 1, one);
	start_ms = loop_now_ms(w.base.loop);
	caller = dial(&w, &w.phones[0]);
	while (!caller->closed_count && loop_turn(w.base.loop))
		;
	rang_ms = loop_now_ms(w.base.loop) - start_ms;
	CHECK(rang_ms >= 60000 && rang_ms < 62500);
	CHECK_INT(480, caller->status);
	CHECK_STR("no_answer", w.reason);
	CHECK_STR("Ann \\\"A\\\" \\\\ Co", w.phones[1].caller);
	CHECK(caller->ringing > 0);
	run(&w);
	CHECK_INT(2, w.ended);
	close_world(&w);
	clock_gettime(CLOCK_MONOTONIC, &after);
	printf("# 60 s of ringing took %ld ms\n",
	       (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000);
	/* Not a measurement: a real wait anywhere would make it a minute. */
	CHECK(after.tv_sec - before.tv_sec < 30);
}

static void answered_in_the_same_millisecond_one_wins(void **state)
{
	struct world w;
	struct party *caller;

	open_world(&w, 2, two);
	w.phones[1].answer_ms = w.phones[2].answer_ms = 500;
	w.phones[0].hangup_ms = 1000;
	caller = dial(&w, &w.phones[0]);
	run(&w);
	CHECK_INT(1, caller->answered_count);
	CHECK_INT(1, w.joined);
	CHECK_INT(3, w.created);
	CHECK_INT(1, w.cancelled);
	CHECK_INT(2, w.answered); /* the caller and the winner; the loser was never answered */
	close_world(&w);
}

static void busy_outranks_no_answer(void **state)
{
	struct world w;
	struct party *caller;

	open_world(&w, 3, two);
	w.phones[1].answer_ms = 100;
	w.phones[1].refuse = 486;
	w.phones[2].answer_ms = 200;
	w.phones[2].refuse = 480;
	caller = dial(&w, &w.phones[0]);
	run(&w);
	CHECK_INT(486, caller->status);
	CHECK_STR("busy", w.reason);
	close_world(&w);
}

static void caller_gives_up_while_both_ring(void **state)
{
	struct world w;
	struct party *caller;

	open_world(&w, 4, two);
	caller = dial(&w, &w.phones[0]);
	loop_timer_start(w.base.loop, &caller->act, 3000, hang_up, caller);
	run(&w);
	CHECK_INT(3, w.ended);
	CHECK_INT(3, w.cancelled);
	CHECK_INT(0, w.joined);
	close_world(&w);
}

static void early_media_makes_the_caller_hear_183(void **state)
{
	struct world w;
	struct party *caller;

	open_world(&w, 5, one);
	w.phones[1].early_sdp = sdp;
	w.phones[1].answer_ms = 1000;
	w.phones[1].hangup_ms = 1000;
	caller = dial(&w, &w.phones[0]);
	run(&w);
	CHECK(caller->early > 0);
	CHECK_INT(1, w.joined);
	close_world(&w);
}

/* Early media in PCMU holds the caller to it; the 200 says PCMA, so the caller is re-offered. */
static void another_codec_in_the_200_reoffers_the_caller(void **state)
{
	struct world w;

	open_world(&w, 6, one);
	w.phones[1].early_sdp = sdp;
	w.phones[1].answer_sdp = sdp_alaw;
	w.phones[1].answer_ms = 1000;
	w.phones[1].hangup_ms = 1000;
	dial(&w, &w.phones[0]);
	run(&w);
	CHECK_INT(1, w.joined);
	CHECK_INT(0, w.failed);
	close_world(&w);
}

static void keys_choose_what_is_played_and_run(void **state)
{
	static const char menu[] = "sections:\n  main:\n"
				   "    - prompt: {play: ['ring:us', 'silence:60'], max_digits: 4, terminators: '#'}\n"
				   "    - switch: {variable: prompt_value, case: {'42': [{send_digits: '1w2'}]}}\n";
	static const struct {
		const char *keys, *told;
		uint32_t end_ms;
	} rows[] = {
		/* 200 ms a key and 500 ms of waiting are sent; the rest of the music is not waited for */
		{ "42#",
		  "\"result\":{\"type\":\"digit\",\"params\":{\"digits\":\"42\",\"terminator\":\"#\"}},\"final\":true",
		  900 },
		{ "9",
		  "\"result\":{\"type\":\"digit\",\"params\":{\"digits\":\"9\",\"terminator\":\"\"}},\"final\":true",
		  4900 },
		{ "", "\"result\":{\"type\":\"no_input\"},\"final\":true", 69100 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;
		struct party *caller;
		uint64_t pressed_ms;

		open_world(&w, 1, menu);
		caller = dial(&w, &w.phones[0]);
		loop_run_until(w.base.loop, loop_now_ms(w.base.loop) + 2000);
		CHECK_INT(1, caller->answered_count);
		press(&w, rows[i].keys);
		pressed_ms = loop_now_ms(w.base.loop);
		while (!caller->closed_count && loop_turn(w.base.loop))
			;
		CHECK_STR(rows[i].told, w.told);
		CHECK(loop_now_ms(w.base.loop) - pressed_ms >= rows[i].end_ms - 200);
		CHECK(loop_now_ms(w.base.loop) - pressed_ms <= rows[i].end_ms + 300);
		run(&w);
		close_world(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_minute_of_ringing_takes_no_time),
		TEST(answered_in_the_same_millisecond_one_wins),
		TEST(busy_outranks_no_answer),
		TEST(caller_gives_up_while_both_ring),
		TEST(early_media_makes_the_caller_hear_183),
		TEST(another_codec_in_the_200_reoffers_the_caller),
		TEST(keys_choose_what_is_played_and_run),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

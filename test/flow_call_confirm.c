/* Whole calls on virtual time: what `confirm` of connect does before a peer is joined. */
#include "call_world.h"

static bool take_newest(void *arg, struct call *c)
{
	struct call **newest = arg;

	*newest = c;
	return true;
}

/* The peer that was dialled last presses a key. */
static void peer_presses(struct world *w, char key)
{
	struct call *newest = NULL;

	calls_each(w->base.calls, take_newest, &newest);
	if (newest && key)
		call_media_key(newest, key);
}

#define TO_B                                                                                                           \
	"sections:\n  main:\n    - connect:\n        to: 'sip:b@10.0.0.3;transport=udp'\n        answer_on_bridge: "   \
	"true\n"
#define SCREEN                                                                                                         \
	"[prompt: {play: ['silence:1', 'ring:us'], initial_timeout: 3}, {cond: [{when: prompt_value != '1', then: "    \
	"[hangup]}]}]"

/* B answers a second after the call began, and presses its key a second later. */
static void a_peer_is_joined_when_its_script_agrees(void **state)
{
	static const struct {
		const char *text;
		char key;
		const char *reason; /* NULL = joined */
		uint32_t end_ms;    /* behind the key, to that end; hundreds are passed over */
		unsigned warned;
		uint32_t hangup_ms;
	} rows[] = {
		{ TO_B "        confirm: " SCREEN "\n", '1', NULL, 0, 0, 0 },
		{ TO_B "        confirm: " SCREEN "\n", '2', "declined", 0, 0, 0 },
		{ TO_B "        confirm: " SCREEN "\n", 0, "declined", 0, 0, 4500 },
		{ TO_B "        confirm: " SCREEN "\n        confirm_timeout: 3\n", 0, "no_answer", 2, 0, 0 },
		{ TO_B "        confirm: {play: 'silence:30'}\n        timeout: 5\n", '1', "no_answer", 4, 0, 0 },
		{ TO_B "        confirm: {play: 'silence:2'}\n", '1', NULL, 1, 0, 0 },
		{ TO_B "        confirm: [{hangup: busy}]\n", '1', "declined", 0, 0, 0 },
		/* a method that is not for it; one that there is not; what is wrong, but no reason to end a call for */
		{ TO_B "        confirm: [{play: 'silence:2'}, {sleep: 5}]\n", '1', "error", 1, 1, 0 },
		{ TO_B "        confirm: [{play: 'silence:2'}, huh]\n", '1', "error", 1, 1, 0 },
		{ TO_B "        confirm: [{play: 'silence:2'}, {send_digits: 1x}, {send_sms: {to_number: "
		       "'+15551230000', from_number: '+15551230001', body: x}}]\n",
		  '1', NULL, 1, 2, 0 },
		{ TO_B "        confirm: 'http://127.0.0.1/'\n", '1', "error", 0, 1, 0 },
		/* the call is the peer's, the variables are its own */
		{ "sections: {main: [{set: {n: 1}}, {connect: {answer_on_bridge: true, parallel: [{to: "
		  "'sip:b@10.0.0.3;transport=udp', confirm: [{cond: [{when: n == 1, then: [hangup]}]}, {set: {to: "
		  "'${call.to}', way: '${call.direction}', home: '${envs.HOME}'}}, {cond: [{when: \"to == "
		  "'sip:b@10.0.0.3;transport=udp' && way == 'outbound' && home == 'here'\", else: [hangup]}]}]}]}}]}",
		  0, NULL, 0, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		static const char *const envs[] = { "HOME", "here", NULL };
		struct party *caller;
		struct world w;
		uint64_t pressed_ms;

		open_world(&w, 7, rows[i].text);
		w.base.scripts.envs = envs;
		w.phones[1].answer_ms = 1000;
		w.phones[1].hangup_ms = rows[i].hangup_ms;
		caller = dial(&w, &w.phones[0]);
		fake_world_run(&w.base, 2000);
		CHECK_INT(w.joined, caller->answered_count);
		pressed_ms = loop_now_ms(w.base.loop);
		peer_presses(&w, rows[i].key);
		while (!w.joined && !w.failed && loop_turn(w.base.loop))
			;
		CHECK(!w.joined == !!rows[i].reason);
		CHECK_STR(rows[i].reason ? rows[i].reason : "", w.reason);
		if (rows[i].reason && !w.warned && strcmp(rows[i].reason, "declined"))
			CHECK_INT(rows[i].end_ms, (loop_now_ms(w.base.loop) - pressed_ms) / 1000);
		CHECK_INT(rows[i].warned, w.warned);
		if (check_bad)
			fail_msg("row %zu: %s", i, rows[i].text);
		run(&w);
		if (caller->session)
			hang_up(caller);
		run(&w);
		CHECK_INT(!rows[i].reason, caller->answered_count);
		close_world(&w);
	}
}

static void who_confirms_first_is_joined(void **state)
{
	static const char race[] =
		"sections: {main: [{connect: {ringback: ['ring:us'], parallel: [{to: 'sip:b@10.0.0.3;transport=udp', "
		"confirm: "
		"[{play: 'silence:10'}]}, {to: 'sip:c@10.0.0.4;transport=udp', confirm: [{play: 'silence:3'}]}, {to: "
		"'sip:d@10.0.0.5;transport=udp'}]}}]}";
	struct party *caller;
	struct world w;

	open_world(&w, 8, race);
	w.phones[1].answer_ms = 500;
	w.phones[2].answer_ms = 2000;
	w.phones[3].answer_ms = 60000; /* who answers without a confirm would win at once */
	caller = dial(&w, &w.phones[0]);
	fake_world_run(&w.base, 4500);
	CHECK_INT(0, w.joined);
	CHECK_INT(3, w.answered);
	fake_world_run(&w.base, 1500);
	CHECK_INT(1, w.joined);
	CHECK_INT(2, w.ended);
	CHECK_INT(2, w.cancelled);
	CHECK(w.parties[2]->session && !w.parties[1]->session);
	hang_up(caller);
	run(&w);
	close_world(&w);
}

enum upset { CALLER_GONE, PEER_GONE, CONNECT_STOPPED, SERVER_GONE };

/* While both peers confirm. */
static void whatever_ends_it_ends_the_scripts(void **state)
{
	static const char text[] =
		"sections: {main: [{connect: {confirm: [{prompt: {play: ['silence:60'], initial_timeout: 60}}], "
		"parallel: "
		"[{to: 'sip:b@10.0.0.3;transport=udp'}, {to: 'sip:c@10.0.0.4;transport=udp'}]}}, {sleep: 5000}]}";

	for (enum upset u = CALLER_GONE; u <= SERVER_GONE; u++) {
		const struct script_start other = { .location = "/nowhere" };
		struct party *caller;
		struct world w;

		open_world(&w, 9, text);
		w.phones[1].answer_ms = w.phones[2].answer_ms = 500;
		caller = dial(&w, &w.phones[0]);
		fake_world_run(&w.base, 3000);
		CHECK_INT(3, w.answered);
		if (u == CALLER_GONE)
			hang_up(caller);
		if (u == PEER_GONE) {
			hang_up(w.parties[1]);
			hang_up(w.parties[2]);
		}
		if (u == CONNECT_STOPPED)
			CHECK_INT(0,
				  script_replace(call_find_id(w.base.calls, str_of(w.first)), &w.base.scripts, &other));
		if (u == SERVER_GONE) {
			calls_free(&w.base.calls);
			for (size_t i = 0; i < w.party_count; i++)
				hang_up(w.parties[i]);
		}
		fake_world_run(&w.base, 2000);
		CHECK_INT(u == PEER_GONE ? 2 : 3, w.ended);
		CHECK_STR(u == PEER_GONE ? "declined" : "cancel", w.reason);
		run(&w);
		close_world(&w);
	}
}

/* The caller, held to PCMU by early media, is asked for PCMA only when the peer has agreed; and not when it has not. */
static void the_codec_is_changed_for_who_agreed(void **state)
{
	static const char *const texts[] = { TO_B "        confirm: {play: 'silence:3'}\n",
					     TO_B "        confirm: [{play: 'silence:3'}, hangup]\n" };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct party *caller;
		struct world w;

		open_world(&w, 10, texts[i]);
		w.phones[1].early_sdp = sdp;
		w.phones[1].answer_sdp = sdp_alaw;
		w.phones[1].answer_ms = 1000;
		w.phones[1].hangup_ms = 6000;
		caller = dial(&w, &w.phones[0]);
		fake_world_run(&w.base, 3500);
		CHECK_INT(0, caller->answered_count);
		fake_world_run(&w.base, 2000);
		CHECK_INT(!i, caller->answered_count);
		CHECK_INT(!i, w.joined);
		run(&w);
		close_world(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_peer_is_joined_when_its_script_agrees),
		TEST(who_confirms_first_is_joined),
		TEST(whatever_ends_it_ends_the_scripts),
		TEST(the_codec_is_changed_for_who_agreed),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

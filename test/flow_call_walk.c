/* Whole calls on virtual time, at random. FLOW_WALKS: how many (1,000). SEED: of the only one. */
#include "call_world.h"

static const char many[] =
	"sections:\n  main:\n    - connect:\n        answer_on_bridge: ANSWER\n        timeout: 2\n        "
	"serial_parallel:\n"
	"          - [{to: 'sip:b@10.0.0.3;transport=udp'}, {to: 'sip:c@10.0.0.4;transport=udp'}]\n"
	"          - [{to: 'sip:d@10.0.0.5;transport=udp'}, {to: 'sip:e@10.0.0.6;transport=udp', timeout: 1}]\n"
	"        result:\n          case:\n            connected: [hangup]\n          default:\n"
	"            - connect: {to: 'sip:f@10.0.0.7;transport=udp', max_duration: 1}\n";

/* Scripts that agree, refuse, are too slow, and cannot be had. */
static const char many_confirmed[] =
	"sections:\n  main:\n    - connect:\n        answer_on_bridge: ANSWER\n        timeout: 2\n"
	"        confirm_timeout: 1\n        transfer_after_bridge: '{\"sections\": {\"main\": [{\"play\": "
	"\"silence:1\"}]}}'\n"
	"        serial_parallel:\n"
	"          - [{to: 'sip:b@10.0.0.3;transport=udp', confirm: [{play: 'silence:0.5'}]},\n"
	"             {to: 'sip:c@10.0.0.4;transport=udp', confirm: [{play: 'silence:0.2'}, hangup]}]\n"
	"          - [{to: 'sip:d@10.0.0.5;transport=udp', confirm: [{prompt: {play: 'silence:9'}}]},\n"
	"             {to: 'sip:e@10.0.0.6;transport=udp', confirm: [{set: {a: 1}}]},\n"
	"             {to: 'sip:f@10.0.0.7;transport=udp', confirm: 'http://127.0.0.1/'}]\n";

static unsigned long confirmed, unconfirmed; /* calls of the walks through many_confirmed */

/* Random phones, a random caller, a network that loses, doubles and reorders. */
static void walk(uint64_t seed)
{
	static const uint16_t refusals[] = { 0, 0, 0, 486, 603, 404, 503, 480 };
	char text[1024];
	struct world w;
	struct fake_net_rules rules = { .delay_max_ms = 40, .loss_per_mille = 50, .duplicate_per_mille = 50 };

	str_copy(text, sizeof(text), str_of(seed & 2 ? many_confirmed : many));
	memcpy(strstr(text, "ANSWER"), seed & 1 ? "true  " : "false ", 6);
	open_world(&w, seed, text);
	fake_net_set_rules(w.base.net, &rules);
	for (size_t i = 0; i < MAX_PHONES; i++) {
		w.phones[i].random = true;
		w.phones[i].ring_ms = loop_random_below(w.base.loop, 500);
		w.phones[i].refuse = i ? refusals[loop_random_below(w.base.loop, ARRAY_LEN(refusals))] : 0;
		w.phones[i].early_sdp = loop_random_below(w.base.loop, 3) ? NULL : sdp;
		w.phones[i].answer_sdp = loop_random_below(w.base.loop, 4) ? NULL : sdp_alaw;
	}
	for (int n = 0; n < 3; n++) {
		struct party *caller = dial(&w, &w.phones[0]);

		loop_timer_start(w.base.loop, &caller->act, loop_random_below(w.base.loop, 9000), hang_up, caller);
	}
	run(&w);
	if (seed & 2) {
		confirmed += w.joined;
		unconfirmed += w.failed;
	}
	close_world(&w);
	if (check_bad)
		fail_msg("seed %llu", (unsigned long long)seed);
}

static void random_calls_leave_nothing(void **state)
{
	const char *count = getenv("FLOW_WALKS"), *seed = getenv("SEED");
	unsigned long walks = count ? strtoul(count, NULL, 10) : 1000;

	if (seed) {
		walk(strtoull(seed, NULL, 10));
		return;
	}
	for (unsigned long i = 1; i <= walks; i++)
		walk(i);
	printf("# %lu walks, %lu calls confirmed, %lu not\n", walks, confirmed, unconfirmed);
	CHECK(walks < 100 || (confirmed > walks / 20 && unconfirmed > walks / 20));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(random_calls_leave_nothing),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

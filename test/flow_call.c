/* Whole calls on virtual time: the server's calls, documents and connect on one loop with phones that are SIP
 * stacks of their own, and a network in memory between them. Media sockets are real but silent. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "call/call_media.h"
#include "fake_world.h"
#include "op/op.h"

enum { MAX_PHONES = 6, MAX_LEGS = 4096 };

static const char sdp[] = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n"
			  "m=audio 4000 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n";
static const char sdp_alaw[] = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n"
			       "m=audio 4000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n";

struct world;

/* One party of one call, on a phone. */
struct party {
	struct telephone *phone;
	struct sip_session *session; /* NULL = over */
	struct loop_timer act;
	bool caller, answered;
	unsigned answered_count, closed_count, ringing, early;
	uint16_t status;
};

struct telephone {
	struct world *world;
	struct sip_stack *stack;
	/* what it does when it is called: 0 = not at all */
	uint32_t ring_ms, answer_ms, hangup_ms;
	uint16_t refuse;
	const char *early_sdp, *answer_sdp;
	bool random;
	unsigned called;
	char caller[40]; /* his name, as it stands in From */
};

struct world {
	struct fake_world base;
	struct telephone phones[MAX_PHONES];
	struct party *parties[MAX_LEGS];
	size_t party_count;
	unsigned created, ended, joined, failed, cancelled, answered, warned;
	char first[37]; /* the oldest call */
	char reason[32];
	char told[200]; /* by the newest operation */
};

/* --- phones --- */

static struct party *add_party(struct telephone *p, bool caller)
{
	struct party *party = calloc(1, sizeof(*party));

	assert_non_null(party);
	assert_true(p->world->party_count < MAX_LEGS);
	party->phone = p;
	party->caller = caller;
	p->world->parties[p->world->party_count++] = party;
	return party;
}

static void on_progress(void *arg, const struct sip_msg *m, int status, struct str body)
{
	struct party *p = arg;

	p->ringing += status == 180;
	p->early += body.n > 0;
}

static void hang_up(void *arg)
{
	struct party *p = arg;

	if (p->session)
		sip_session_hangup(p->session, STR(""));
}

static void plan_hangup(struct party *p)
{
	struct loop *l = p->phone->world->base.loop;
	uint32_t ms = p->phone->random ? loop_random_below(l, 3000) : p->phone->hangup_ms;

	if (ms)
		loop_timer_start(l, &p->act, ms, hang_up, p);
}

static void on_answered(void *arg, const struct sip_msg *m, struct str body)
{
	struct party *p = arg;

	p->answered_count++;
	p->answered = true;
	plan_hangup(p);
}

static void on_confirmed(void *arg, struct str body)
{
	plan_hangup(arg);
}

static void on_reoffer(void *arg, struct str body)
{
	struct party *p = arg;

	/* A phone that speaks both codecs takes any of them. */
	sip_session_reanswer(p->session, str_of(strstr(body.p ? body.p : "", "RTP/AVP 8") ? sdp_alaw : sdp));
}

static void on_closed(void *arg, const struct sip_end *end)
{
	struct party *p = arg;

	p->closed_count++;
	p->status = end->status;
	p->session = NULL;
	loop_timer_stop(p->phone->world->base.loop, &p->act);
}

static void no_body(void *arg, struct str body)
{
}

static void no_status(void *arg, int status, struct str body)
{
}

static const struct sip_session_handlers party_handlers = {
	.progress = on_progress,
	.answered = on_answered,
	.confirmed = on_confirmed,
	.reoffer = on_reoffer,
	.reanswered = no_body,
	.reinvited = no_status,
	.closed = on_closed,
};

static void answer(void *arg)
{
	struct party *p = arg;

	if (!p->session)
		return;
	if (p->phone->refuse)
		sip_session_refuse(p->session, p->phone->refuse, STR(""), &(struct sip_fields){ NULL, 0 });
	else
		sip_session_answer(p->session, str_of(p->phone->answer_sdp ? p->phone->answer_sdp : sdp));
}

static void ring(void *arg)
{
	struct party *p = arg;
	struct telephone *phone = p->phone;
	struct loop *l = phone->world->base.loop;

	if (!p->session)
		return;
	if (phone->early_sdp)
		sip_session_ring(p->session, 183, str_of(phone->early_sdp));
	else
		sip_session_ring(p->session, 180, STR(""));
	if (phone->random)
		loop_timer_start(l, &p->act, loop_random_below(l, 4000), answer, p);
	else if (phone->answer_ms)
		loop_timer_start(l, &p->act, phone->answer_ms, answer, p);
}

static void on_invite(void *arg, struct sip_session *s, const struct sip_invite *in)
{
	struct telephone *phone = arg;
	struct party *p = add_party(phone, false);

	phone->called++;
	str_copy(phone->caller, sizeof(phone->caller), in->from.name);
	p->session = s;
	sip_session_accept(s, &party_handlers, p);
	loop_timer_start(phone->world->base.loop, &p->act, phone->ring_ms, ring, p);
}

static const struct sip_stack_handlers phone_handlers = { .invite = on_invite };

static struct party *dial(struct world *w, struct telephone *phone)
{
	struct party *p = add_party(phone, true);
	const struct sip_call_params params = {
		.ruri = STR("sip:main@10.0.0.1:5060"),
		.kind = WIRE_UDP,
		.from_uri = STR("sip:caller@10.0.0.2"),
		.from_name = STR("Ann \"A\" \\ Co"),
		.to_uri = STR("sip:main@10.0.0.1"),
		.sdp = STR(sdp),
	};
	const char *why;

	assert_int_equal(sip_session_call(&p->session, phone->stack, &params, &party_handlers, p, &why), 0);
	return p;
}

/* --- the server --- */

static void incoming(void *arg, struct call *c, const struct route *r)
{
	struct world *w = arg;

	assert_int_equal(script_start(c, &w->base.scripts, r->swml), 0);
}

static void count_event(void *arg, const struct event *ev)
{
	struct world *w = arg;

	if (ev->type == EVENT_CREATED && !w->created++)
		str_copy(w->first, sizeof(w->first), str_of(ev->call_id));
	w->warned += ev->type == EVENT_WARNING;
	w->answered += ev->type == EVENT_ANSWERED;
	w->ended += ev->type == EVENT_ENDED;
	w->joined += ev->type == EVENT_CONNECTED;
	w->failed += ev->type == EVENT_FAILED;
	if (ev->type == EVENT_ENDED && str_is(event_get(ev, "cause"), "cancel"))
		w->cancelled++;
	if (ev->type == EVENT_OPERATION)
		str_copy(w->told, sizeof(w->told), event_get(ev, "params"));
	if (ev->type == EVENT_FAILED)
		str_copy(w->reason, sizeof(w->reason), event_get(ev, "reason"));
}

static void open_stack(struct world *w, struct telephone *p, const char *host)
{
	struct sip_listen listen = { .kind = WIRE_UDP };
	struct sip_stack_opts opts = {
		.loop = w->base.loop,
		.net = fake_net_host(w->base.net, host),
		.dns = fake_dns_door(w->base.dns),
		.listen = &listen,
		.listen_count = 1,
		.user_agent = "phone",
		.handlers = &phone_handlers,
		.arg = p,
	};
	char why[160];

	p->world = w;
	assert_int_equal(addr_parse(&listen.addr, str_of(host), 5060), 0);
	assert_int_equal(sip_stack_new(&p->stack, &opts, why), 0);
}

static void open_world(struct world *w, uint64_t seed, const char *document)
{
	static const char *const hosts[MAX_PHONES] = { "10.0.0.2", "10.0.0.3", "10.0.0.4",
						       "10.0.0.5", "10.0.0.6", "10.0.0.7" };

	const struct fake_world_opts opts = { .seed = seed,
					      .document = document,
					      .codecs = "PCMU,PCMA",
					      .event = count_event,
					      .incoming = incoming,
					      .arg = w };

	memset(w, 0, sizeof(*w));
	fake_world_open(&w->base, &opts);
	for (size_t i = 0; i < MAX_PHONES; i++)
		open_stack(w, &w->phones[i], hosts[i]);
}

/* Nothing is left: no call, port, session, transaction or timer; every leg ended exactly once. */
static void close_world(struct world *w)
{
	struct sip_stack_counts counts = { .sessions = 0 };

	CHECK_INT(w->created, w->ended);
	if (w->base.calls)
		sip_stack_count(calls_sip(w->base.calls), &counts);
	CHECK_INT(0, counts.sessions + counts.client_transactions + counts.server_transactions);
	for (size_t i = 0; i < w->party_count; i++) {
		CHECK_INT(1, w->parties[i]->closed_count);
		CHECK(w->parties[i]->answered_count <= 1);
		free(w->parties[i]);
	}
	fake_world_end_calls(&w->base);
	for (size_t i = 0; i < MAX_PHONES; i++)
		sip_stack_free(&w->phones[i].stack);
	fake_world_close(&w->base);
}

/* Until everything is over, lingering transactions included. */
static void run(struct world *w)
{
	fake_world_run(&w->base, 300000);
}

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

static const char many[] =
	"sections:\n  main:\n    - connect:\n        answer_on_bridge: ANSWER\n        timeout: 2\n        "
	"serial_parallel:\n"
	"          - [{to: 'sip:b@10.0.0.3;transport=udp'}, {to: 'sip:c@10.0.0.4;transport=udp'}]\n"
	"          - [{to: 'sip:d@10.0.0.5;transport=udp'}, {to: 'sip:e@10.0.0.6;transport=udp', timeout: 1}]\n"
	"        result:\n          case:\n            connected: [hangup]\n          default:\n"
	"            - connect: {to: 'sip:f@10.0.0.7;transport=udp', max_duration: 1}\n";

/* Random phones, a random caller, a network that loses, doubles and reorders. */
static bool press_first(void *arg, struct call *c)
{
	call_media_key(c, *(const char *)arg);
	return false;
}

/* The oldest call's party presses keys, one every 100 ms. */
static void press(struct world *w, const char *keys)
{
	for (; *keys; keys++) {
		calls_each(w->base.calls, press_first, (void *)(uintptr_t)keys);
		loop_run_until(w->base.loop, loop_now_ms(w->base.loop) + 100);
	}
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

/* --- confirm --- */

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

/* --- the key that ends the peer, which no method of SWML names --- */

struct dropped {
	struct op *op;
	unsigned done;
	struct op_result result;
	char why[160];
};

static void connect_is_over(void *arg, const struct op_result *r)
{
	struct dropped *d = arg;

	d->done++;
	d->result = *r;
	str_copy(d->why, sizeof(d->why), str_of(r->why));
}

static bool connect_first(void *arg, struct call *c)
{
	static const struct plan_target bob = { .kind = TARGET_SIP,
						.address = "sip:b@10.0.0.3;transport=udp",
						.ring_ms = 60000 };
	static const struct plan_group group = { &bob, 1 };
	struct dropped *d = arg;
	const struct op_start start = { .call = c, .done = connect_is_over, .arg = d };
	struct plan *p;

	assert_int_equal(plan_new(&p), 0);
	p->groups = &group;
	p->group_count = 1;
	p->drop_key = '*';
	assert_int_equal(connect_start(&d->op, &start, p), 0);
	return false;
}

static void a_key_ends_the_peer_and_not_the_caller(void **state)
{
	struct dropped d = { .done = 0 };
	struct party *caller;
	struct world w;

	open_world(&w, 1, "sections: {main: [answer, {sleep: 20000}]}");
	caller = dial(&w, &w.phones[0]);
	loop_run_until(w.base.loop, loop_now_ms(w.base.loop) + 1000);
	w.phones[1].answer_ms = 1000;
	calls_each(w.base.calls, connect_first, &d);
	press(&w, "*"); /* not yet */
	loop_run_until(w.base.loop, loop_now_ms(w.base.loop) + 2000);
	CHECK_INT(1, w.joined);
	press(&w, "1#");
	CHECK_INT(0, d.done);
	CHECK_STR("", d.why);
	press(&w, "*");
	loop_run_until(w.base.loop, loop_now_ms(w.base.loop) + 1000);
	CHECK_INT(1, d.done);
	CHECK_INT(OP_DONE, d.result.outcome);
	CHECK_INT(0, caller->closed_count);
	CHECK_INT(1, w.ended);
	press(&w, "*");
	run(&w);
	close_world(&w);
}

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

/* --- confirms by the rule that SWML does not have, with a runner of the test's --- */

struct run {
	struct run_ask ask;
	bool stopped;
};

static struct run runs[4];
static size_t run_count;

static void run_call_closed(void *arg, struct call *c)
{
	const struct run_result gone = { RUN_GONE, "" };
	struct run *r = arg;

	r->ask.done(r->ask.arg, &gone);
}

static int start_run(void *arg, struct run **out, const struct run_ask *ask)
{
	static const struct call_controller controller = { .closed = run_call_closed };

	if (arg)
		return ENOMEM;
	*out = &runs[run_count++];
	**out = (struct run){ .ask = *ask };
	call_control(ask->call, &controller, *out);
	return 0;
}

static void stop_run(struct run *r)
{
	r->stopped = true;
	call_control(r->ask.call, NULL, NULL);
}

struct racing {
	struct dropped over;
	struct runner runner;
};

static bool race_first(void *arg, struct call *c)
{
	static const struct plan_script script = { .url = "http://app.test/c" };
	static const struct plan_target both[] = {
		{ .kind = TARGET_SIP, .address = "sip:b@10.0.0.3;transport=udp", .ring_ms = 60000, .confirm = &script },
		{ .kind = TARGET_SIP, .address = "sip:c@10.0.0.4;transport=udp", .ring_ms = 60000, .confirm = &script }
	};
	static const struct plan_group group = { both, ARRAY_LEN(both) };
	struct racing *r = arg;
	const struct op_start start = { .call = c, .runner = r->runner, .done = connect_is_over, .arg = &r->over };
	struct plan *p;

	assert_int_equal(plan_new(&p), 0);
	p->groups = &group;
	p->group_count = 1;
	p->race = PLAN_RACE_ANSWER;
	assert_int_equal(connect_start(&r->over.op, &start, p), 0);
	return false;
}

static void the_first_answer_alone_is_asked_to_confirm(void **state)
{
	static const struct {
		struct runner runner;
		enum run_outcome outcome;
		const char *reason, *why; /* NULL: is joined */
		bool hangs_up, caller_goes;
	} rows[] = {
		{ { start_run, stop_run, NULL }, RUN_ENDED, NULL, NULL, false, false },
		{ { start_run, stop_run, NULL }, RUN_REFUSED, "declined", "its confirm: said so", false, false },
		{ { start_run, stop_run, NULL }, RUN_FAILED, "error", "its confirm: said so", false, false },
		{ { start_run, stop_run, NULL }, RUN_GONE, "declined", "the peer hung up", true, false },
		{ { start_run, stop_run, NULL }, RUN_GONE, "cancel", "the connect was ended", false, true },
		{ { start_run, stop_run, &run_count }, RUN_ENDED, "error", "its confirm cannot be run", false, false },
		{ { NULL, NULL, NULL }, RUN_ENDED, "error", "its confirm cannot be run", false, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct racing r = { .runner = rows[i].runner };
		const struct run_result result = { rows[i].outcome, "said so" };
		const bool runs_it = rows[i].runner.start && !rows[i].runner.arg;
		struct party *caller;
		struct world w;

		open_world(&w, 1, "sections: {main: [answer, {sleep: 20000}]}");
		run_count = 0;
		w.phones[1].answer_ms = 500;
		w.phones[2].answer_ms = 700;
		caller = dial(&w, &w.phones[0]);
		fake_world_run(&w.base, 1000);
		calls_each(w.base.calls, race_first, &r);
		fake_world_run(&w.base, 600);
		CHECK_INT(runs_it, run_count);
		CHECK_INT(1, w.cancelled);
		fake_world_run(&w.base, 1000);
		CHECK_INT(runs_it, run_count);
		CHECK_INT(0, w.joined);
		if (rows[i].hangs_up)
			hang_up(w.parties[1]);
		else if (rows[i].caller_goes)
			hang_up(caller);
		else if (runs_it)
			runs[0].ask.done(runs[0].ask.arg, &result);
		fake_world_run(&w.base, 1000);
		CHECK_INT(!rows[i].reason, w.joined);
		CHECK_STR(rows[i].reason ? rows[i].reason : "", w.reason);
		CHECK_INT(rows[i].caller_goes, runs_it && runs[0].stopped);
		if (!rows[i].caller_goes)
			hang_up(caller);
		run(&w);
		CHECK_INT(1, r.over.done);
		CHECK_INT(rows[i].reason && !rows[i].caller_goes ? OP_FAILED : OP_GONE, r.over.result.outcome);
		if (rows[i].why)
			CHECK_STR(rows[i].why, r.over.why);
		close_world(&w);
		if (check_bad)
			fail_msg("row %zu", i);
	}
}

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
		TEST(a_minute_of_ringing_takes_no_time),
		TEST(answered_in_the_same_millisecond_one_wins),
		TEST(busy_outranks_no_answer),
		TEST(caller_gives_up_while_both_ring),
		TEST(early_media_makes_the_caller_hear_183),
		TEST(another_codec_in_the_200_reoffers_the_caller),
		TEST(keys_choose_what_is_played_and_run),
		TEST(a_peer_is_joined_when_its_script_agrees),
		TEST(who_confirms_first_is_joined),
		TEST(whatever_ends_it_ends_the_scripts),
		TEST(the_codec_is_changed_for_who_agreed),
		TEST(a_key_ends_the_peer_and_not_the_caller),
		TEST(the_first_answer_alone_is_asked_to_confirm),
		TEST(random_calls_leave_nothing),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

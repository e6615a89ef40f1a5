/* What our SDP says of Opus to one party, as the other one changes: who gets which fmtp in which message. Phones of ours say the
 * SDP; media sockets are real but silent. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "fake_world.h"

enum { A, B, C, PHONES };

#define HEAD "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n"
#define OPUS HEAD "m=audio 4000 RTP/AVP 111\r\na=rtpmap:111 opus/48000/2\r\n"
#define OPUS_SAYS(fmtp) OPUS "a=fmtp:111 " fmtp "\r\n"
#define PCMU HEAD "m=audio 4000 RTP/AVP 0\r\n"
#define G722 HEAD "m=audio 4000 RTP/AVP 9\r\n"
#define BOTH HEAD "m=audio 4000 RTP/AVP 0 111\r\na=rtpmap:111 opus/48000/2\r\n"

/* What a phone is told */
#define NARROW "maxplaybackrate=8000;sprop-maxcapturerate=8000;useinbandfec=1"
#define WIDE "maxplaybackrate=16000;sprop-maxcapturerate=16000;useinbandfec=1"
#define FULL "useinbandfec=1"
#define NO_OPUS "no Opus"
#define SILENT "nothing"

#define TO_B "{\"connect\":{\"to\":\"sip:b@10.0.0.3;transport=udp\",\"answer_on_bridge\":true}}"
#define TO_C "{\"connect\":{\"to\":\"sip:c@10.0.0.4;transport=udp\"}}"
#define DOCUMENT(steps) "{\"sections\":{\"main\":[" steps "]}}"

struct world {
	struct fake_world base;
	struct phone phones[PHONES];
	struct phone_call *a;
	unsigned offered_hz[PHONES], agreed_hz[PHONES]; /* of the walk: maxplaybackrate that a phone has said */
	char texts[PHONES][400];
	unsigned created, ended;
};

/* --- the world --- */

static void count_event(void *arg, const struct event *ev)
{
	struct world *w = arg;

	w->created += ev->type == EVENT_CREATED;
	w->ended += ev->type == EVENT_ENDED;
}

static void incoming(void *arg, struct call *c, const struct route *r)
{
	struct world *w = arg;

	assert_int_equal(script_start(c, &w->base.scripts, r->swml), 0);
}

static void run(struct world *w, uint64_t ms)
{
	fake_world_run(&w->base, ms);
}

static const struct fake_net_rules calm = { .delay_min_ms = 5, .delay_max_ms = 5 };

static void world_open(struct world *w, uint64_t seed, const char *document)
{
	static const char *const hosts[PHONES] = { "10.0.0.2", "10.0.0.3", "10.0.0.4" };
	const struct fake_world_opts opts = { .seed = seed,
					      .document = document,
					      .codecs = "OPUS,G722,PCMU",
					      .event = count_event,
					      .incoming = incoming,
					      .arg = w };

	memset(w, 0, sizeof(*w));
	fake_world_open(&w->base, &opts);
	for (size_t i = 0; i < PHONES; i++) {
		const struct phone_opts phone = { w->base.loop, fake_net_host(w->base.net, hosts[i]),
						  fake_dns_door(w->base.dns), hosts[i] };

		phone_open(&w->phones[i], &phone);
		w->phones[i].auto_answer = w->phones[i].auto_reanswer = true;
		w->phones[i].user = w;
	}
	fake_net_set_rules(w->base.net, &calm);
}

static void speaks(struct world *w, int phone, const char *sdp)
{
	w->phones[phone].offer = w->phones[phone].answer = sdp;
}

static struct phone_call *newest(struct world *w, int phone)
{
	return phone_call_at(&w->phones[phone], w->phones[phone].call_count - 1);
}

static void dial(struct world *w, uint64_t ms)
{
	w->a = phone_dial(&w->phones[A], "sip:x@10.0.0.1", WIRE_UDP);
	run(w, ms);
}

/* Whatever is left is hung up by its phone; then nothing may be left. */
static void world_close(struct world *w)
{
	fake_net_set_rules(w->base.net, &calm);
	for (size_t i = 0; i < PHONES; i++)
		for (size_t k = 0; k < w->phones[i].call_count; k++)
			phone_hangup(phone_call_at(&w->phones[i], k), STR(""));
	run(w, 300000);
	CHECK_INT(w->created, w->ended);
	for (size_t i = 0; i < PHONES; i++)
		CHECK_INT(0, phone_alive(&w->phones[i], false));
	fake_world_end_calls(&w->base);
	for (size_t i = 0; i < PHONES; i++)
		phone_close(&w->phones[i]);
	fake_world_close(&w->base);
}

/* What the newest SDP that a phone got says of Opus. */
static const char *told(const struct phone_call *c, char out[200])
{
	const char *rtpmap = strstr(c->sdp, "opus/48000"), *fmtp = strstr(c->sdp, "a=fmtp:111 ");

	str_copy(out, 200, str_of(rtpmap ? SILENT : NO_OPUS));
	if (rtpmap && fmtp)
		str_copy(out, 200, (struct str){ fmtp + 11, strcspn(fmtp + 11, "\r") });
	return out;
}

static void check_told(struct world *w, int phone, const char *want)
{
	char text[200];

	CHECK_STR(want, told(newest(w, phone), text));
}

/* --- the first SDP --- */

static void each_is_told_of_the_other_one(void **state)
{
	static const char little[] = "maxplaybackrate=16000;maxaveragebitrate=20000;usedtx=1";
	static const struct {
		const char *document, *a, *b;
		const char *a_is_told, *b_is_told;
	} rows[] = {
		{ DOCUMENT(TO_B), PCMU, OPUS, NO_OPUS, NARROW },
		{ DOCUMENT(TO_B), OPUS, PCMU, NARROW, SILENT },
		{ DOCUMENT(TO_B), G722, OPUS, NO_OPUS, WIDE },
		{ DOCUMENT(TO_B), OPUS, G722, WIDE, SILENT },
		/* the widest of what he offers */
		{ DOCUMENT(TO_B), BOTH, OPUS, SILENT, SILENT },
		/* relayed: what the other one has said */
		{ DOCUMENT(TO_B), OPUS_SAYS("maxplaybackrate=16000;maxaveragebitrate=20000;usedtx=1"),
		  OPUS_SAYS("cbr=1; useinbandfec=1;stereo=1"), "cbr=1;useinbandfec=1", little },
		{ DOCUMENT(TO_B), OPUS_SAYS("maxplaybackrate=7999"), OPUS_SAYS("maxaveragebitrate=1"), SILENT, SILENT },
		/* answered before anybody is known */
		{ DOCUMENT("\"answer\"," TO_B), OPUS, PCMU, FULL, SILENT },
		{ DOCUMENT("\"answer\"," TO_B), PCMU, OPUS, NO_OPUS, NARROW },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;

		world_open(&w, i, rows[i].document);
		speaks(&w, A, rows[i].a);
		speaks(&w, B, rows[i].b);
		dial(&w, 5000);
		CHECK_INT(1, w.a->answered);
		check_told(&w, A, rows[i].a_is_told);
		check_told(&w, B, rows[i].b_is_told);
		CHECK_INT(0, w.a->reoffer);
		CHECK_INT(0, newest(&w, B)->reoffer);
		world_close(&w);
	}
}

/* --- the other one changes --- */

/* He is told of whom he talks to now, once, and only when he may send more. */
static void a_second_connect_tells_anew(void **state)
{
	static const struct {
		const char *b, *c, *then;
		int reoffers;
	} rows[] = {
		{ PCMU, OPUS, SILENT, 1 },
		{ PCMU, G722, WIDE, 1 },
		{ G722, OPUS_SAYS("useinbandfec=1;maxplaybackrate=48000"), "maxplaybackrate=48000;useinbandfec=1", 1 },
		{ OPUS_SAYS("maxaveragebitrate=9000"), OPUS_SAYS("maxaveragebitrate=12000"), "maxaveragebitrate=12000",
		  1 },
		{ PCMU, PCMU, NARROW, 0 },
		{ G722, PCMU, WIDE, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;

		world_open(&w, i, DOCUMENT(TO_B "," TO_C));
		speaks(&w, A, OPUS);
		speaks(&w, B, rows[i].b);
		speaks(&w, C, rows[i].c);
		dial(&w, 5000);
		CHECK_INT(0, w.a->reoffer);
		phone_hangup(newest(&w, B), STR(""));
		run(&w, 5000);
		CHECK_INT(1, w.phones[C].call_count);
		check_told(&w, A, rows[i].then);
		CHECK_INT(rows[i].reoffers, w.a->reoffer);
		CHECK(w.a->s && newest(&w, C)->s);
		world_close(&w);
	}
}

/* A document goes on with him: it may want to hear all of what he says. */
static void who_is_left_alone_is_bounded_no_more(void **state)
{
	struct world w;

	world_open(&w, 1, DOCUMENT(TO_B ",{\"sleep\":20000}"));
	speaks(&w, A, OPUS);
	speaks(&w, B, PCMU);
	dial(&w, 5000);
	check_told(&w, A, NARROW);
	phone_hangup(newest(&w, B), STR(""));
	run(&w, 500);
	CHECK_INT(0, w.a->reoffer);
	run(&w, 2000);
	check_told(&w, A, FULL);
	CHECK_INT(1, w.a->reoffer);
	CHECK(w.a->s);
	world_close(&w);
}

/* The 183 has the hint, and the 200 must have the same SDP; the telephone has gone by then. */
static void early_media_of_who_refuses_bounds_nobody(void **state)
{
	struct world w;

	world_open(&w, 1, DOCUMENT(TO_B ",\"answer\",{\"sleep\":20000}"));
	speaks(&w, A, OPUS);
	speaks(&w, B, PCMU);
	w.phones[B].auto_answer = false;
	dial(&w, 1000);
	sip_session_ring(newest(&w, B)->s, 183, STR(PCMU));
	run(&w, 1000);
	check_told(&w, A, NARROW);
	sip_session_refuse(newest(&w, B)->s, 486, STR(""), &(struct sip_fields){ NULL, 0 });
	run(&w, 500);
	CHECK_INT(1, w.a->answered);
	run(&w, 3000);
	check_told(&w, A, FULL);
	CHECK_INT(1, w.a->reoffer);
	world_close(&w);
}

static void a_transfer_tells_anew(void **state)
{
	static const char refer_to[] = "sip:c@10.0.0.4";

	for (int busy = 0; busy < 2; busy++) {
		struct world w;

		world_open(&w, 1, DOCUMENT(TO_B));
		speaks(&w, A, OPUS);
		speaks(&w, B, PCMU);
		speaks(&w, C, OPUS);
		dial(&w, 5000);
		check_told(&w, A, NARROW);
		/* Held and taken back, the other party stays a telephone. */
		CHECK_INT(0, sip_session_reinvite(w.a->s, STR(OPUS "a=sendonly\r\n")));
		run(&w, 1000);
		check_told(&w, A, NARROW);
		CHECK_INT(0, sip_session_reinvite(w.a->s, STR(OPUS)));
		run(&w, 1000);
		check_told(&w, A, NARROW);
		CHECK_INT(0, w.a->reoffer);
		CHECK_INT(0, sip_session_refer(newest(&w, B)->s, &(struct sip_refer_params){ .to = STR(refer_to) }));
		/* A re-INVITE of his own is on its way, again and again, while he has to be told. */
		for (int i = 0; busy && i < 10; i++) {
			run(&w, 8);
			sip_session_reinvite(w.a->s, STR(OPUS));
		}
		run(&w, 10000);
		CHECK_INT(1, w.phones[C].call_count);
		check_told(&w, C, SILENT);
		check_told(&w, A, SILENT);
		CHECK(busy || w.a->reoffer == 1);
		CHECK(w.a->s && newest(&w, C)->s);
		world_close(&w);
	}
}

/* Whoever refuses to be told stays, and is told when there is a reason again. */
static void who_refuses_is_told_later(void **state)
{
	struct world w;

	world_open(&w, 1, DOCUMENT(TO_B "," TO_C "," TO_C));
	speaks(&w, A, OPUS);
	speaks(&w, B, PCMU);
	speaks(&w, C, OPUS);
	dial(&w, 5000);
	w.phones[A].auto_reanswer = false;
	phone_hangup(newest(&w, B), STR(""));
	run(&w, 300);
	CHECK_INT(1, w.a->reoffer);
	sip_session_rerefuse(w.a->s, 488);
	w.phones[A].auto_reanswer = true;
	run(&w, 5000);
	CHECK_INT(1, w.a->reoffer);
	CHECK(w.a->s && newest(&w, C)->s);
	phone_hangup(newest(&w, C), STR(""));
	run(&w, 5000);
	CHECK_INT(2, w.phones[C].call_count);
	CHECK_INT(2, w.a->reoffer);
	check_told(&w, A, SILENT);
	world_close(&w);
}

/* --- the other one changes his mind --- */

static void a_new_wish_is_passed_on(void **state)
{
	struct world w;

	world_open(&w, 1, DOCUMENT(TO_B));
	speaks(&w, A, OPUS);
	speaks(&w, B, OPUS_SAYS("maxplaybackrate=8000"));
	dial(&w, 5000);
	check_told(&w, A, "maxplaybackrate=8000");
	CHECK_INT(0, sip_session_reinvite(newest(&w, B)->s, STR(OPUS_SAYS("maxplaybackrate=24000;usedtx=1"))));
	run(&w, 1000);
	CHECK_INT(1, w.a->reoffer);
	check_told(&w, A, "maxplaybackrate=24000;usedtx=1");
	/* Less can wait until there is something to say. */
	CHECK_INT(0, sip_session_reinvite(newest(&w, B)->s, STR(OPUS_SAYS("maxplaybackrate=12000"))));
	run(&w, 1000);
	CHECK_INT(1, w.a->reoffer);
	CHECK_INT(0, sip_session_reinvite(w.a->s, STR(OPUS)));
	run(&w, 1000);
	check_told(&w, A, "maxplaybackrate=12000");
	CHECK_INT(0, newest(&w, B)->reoffer);
	world_close(&w);
}

static unsigned rate_in(const char *sdp)
{
	const char *at = strstr(sdp, "maxplaybackrate=");

	return at ? (unsigned)strtoul(at + 16, NULL, 10) : 48000;
}

/* What the server takes for the phone's newest wish. */
static void note_agreed(struct phone_call *c, const char *event)
{
	struct world *w = c->phone->user;
	size_t phone = (size_t)(c->phone - w->phones);

	if (!strcmp(event, "reinvited") && c->last_reinvited / 100 == 2)
		w->agreed_hz[phone] = w->offered_hz[phone];
	if (!strcmp(event, "reoffer"))
		w->agreed_hz[phone] = rate_in(c->phone->answer);
}

/* Both change their minds while the network does its worst: once they are left alone, nobody is told to send less than the other
 * one can use. */
static int walk(uint64_t seed)
{
	const struct fake_net_rules rules = { .delay_min_ms = 1, .delay_max_ms = 300, .loss_per_mille = 100 };
	static const char *const wishes[] = { OPUS_SAYS("maxplaybackrate=8000"), OPUS_SAYS("maxplaybackrate=16000"),
					      OPUS };
	struct world w;
	int reoffers;

	world_open(&w, seed, DOCUMENT(TO_B));
	for (int i = A; i <= B; i++) {
		speaks(&w, i, wishes[loop_random_below(w.base.loop, ARRAY_LEN(wishes))]);
		w.agreed_hz[i] = rate_in(w.phones[i].answer);
		w.phones[i].on_event = note_agreed;
	}
	dial(&w, 5000);
	fake_net_set_rules(w.base.net, &rules);
	for (int i = 0; i < 12 && w.a->s && newest(&w, B)->s; i++) {
		int phone = loop_random_below(w.base.loop, 2) ? A : B;
		const char *sdp = wishes[loop_random_below(w.base.loop, ARRAY_LEN(wishes))];

		if (!sip_session_reinvite(newest(&w, phone)->s, str_of(sdp))) {
			w.offered_hz[phone] = rate_in(sdp);
			w.phones[phone].answer = sdp;
		}
		run(&w, loop_random_below(w.base.loop, 1500));
	}
	run(&w, 60000);
	CHECK(w.a->s && newest(&w, B)->s);
	if (rate_in(w.a->sdp) < w.agreed_hz[B] || rate_in(newest(&w, B)->sdp) < w.agreed_hz[A]) {
		printf("seed %llu: %u for %u, %u for %u\n", (unsigned long long)seed, rate_in(w.a->sdp), w.agreed_hz[B],
		       rate_in(newest(&w, B)->sdp), w.agreed_hz[A]);
		CHECK(!"nobody is bounded for nothing");
	}
	reoffers = w.a->reoffer + newest(&w, B)->reoffer;
	world_close(&w);
	return reoffers;
}

static void walks_leave_nobody_bounded(void **state)
{
	int reoffers = 0;

	for (uint64_t seed = 1; seed <= 200; seed++)
		reoffers += walk(seed);
	CHECK(reoffers > 200 && reoffers < 1000); /* 486 */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_is_told_of_the_other_one),
		TEST(a_second_connect_tells_anew),
		TEST(who_is_left_alone_is_bounded_no_more),
		TEST(early_media_of_who_refuses_bounds_nobody),
		TEST(a_transfer_tells_anew),
		TEST(who_refuses_is_told_later),
		TEST(a_new_wish_is_passed_on),
		TEST(walks_leave_nobody_bounded),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

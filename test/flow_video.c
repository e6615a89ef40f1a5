/* Video of two parties on a bridge: who is asked for it, when, and what the other one hears of that. Phones of ours say
 * the SDP; media sockets are real but silent. */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "call/bridge.h"
#include "call/leg.h"
#include "fake_world.h"

#define HEAD "v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\n"
#define AUDIO "m=audio 4000 RTP/AVP 0\r\n"
#define OPUS "m=audio 4000 RTP/AVP 111\r\na=rtpmap:111 opus/48000/2\r\n"
#define VIDEO "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:* nack pli\r\n"
#define NO_VIDEO "m=video 0 RTP/AVP 96\r\n"
#define H264 "m=video 4002 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\na=fmtp:97 packetization-mode=1\r\n"

/* A phone with what its user wants. */
struct side {
	struct phone phone;
	struct phone_call *call;
	bool wants, live, offered; /* offered: in the newest offer of its own */
	const char *direction;     /* an attribute of the session, "" = sendrecv */
	const char *audio, *video; /* its lines */
	int refuse;                /* re-INVITEs, with this status; 0 = no */
};

struct world {
	struct fake_world base;
	struct side caller, peer;
	struct call *a, *b; /* of the caller, of the peer; NULL = over */
	bool answer_first;
};

/* --- phones --- */

static bool is_offered(const char *sdp)
{
	return strstr(sdp, "m=video ") && !strstr(sdp, "m=video 0 ");
}

static const char *print(const struct side *s, bool line, bool video, char out[512])
{
	snprintf(out, 512, "%s%s%s%s", HEAD, s->direction, s->audio, !line ? "" : video ? s->video : NO_VIDEO);
	return out;
}

/* The answer to the newest offer. */
static const char *answer_of(struct side *s, char out[512])
{
	const char *sdp = s->call->sdp;

	s->live = is_offered(sdp) && s->wants;
	return print(s, strstr(sdp, "m=video"), s->live, out);
}

static void on_event(struct phone_call *c, const char *event)
{
	struct side *s = c->phone->user;
	char text[512];

	s->call = c;
	if (!strcmp(event, "invite"))
		sip_session_answer(c->s, str_of(answer_of(s, text)));
	else if (!strcmp(event, "reoffer") && s->refuse)
		sip_session_rerefuse(c->s, s->refuse);
	else if (!strcmp(event, "reoffer"))
		sip_session_reanswer(c->s, str_of(answer_of(s, text)));
	else if (!strcmp(event, "answered") || (!strcmp(event, "reinvited") && c->last_reinvited / 100 == 2))
		s->live = s->offered && is_offered(c->sdp);
}

/* The user of the phone puts video on or off, or holds. */
static int reinvite(struct side *s, bool wants, const char *direction)
{
	char text[512];
	int err;

	s->direction = direction;
	err = sip_session_reinvite(s->call->s, str_of(print(s, wants || strstr(s->call->sdp, "m=video"), wants, text)));
	if (!err)
		s->wants = s->offered = wants;
	return err;
}

/* --- the server --- */

static void a_closed(void *arg, struct call *c)
{
	struct world *w = arg;

	w->a = NULL;
	if (w->b)
		call_hangup(w->b, CAUSE_HANGUP, "test", "the other one hung up");
}

static void b_closed(void *arg, struct call *c)
{
	struct world *w = arg;

	w->b = NULL;
	if (w->a)
		call_hangup(w->a, CAUSE_HANGUP, "test", "the other one hung up");
}

static void b_answered(void *arg, struct call *c)
{
	struct codec_list prefer;
	struct world *w = arg;

	bridge_codec(c, &prefer);
	bridge_permit_video(w->a, c);
	assert_int_equal(call_answer(w->a, &prefer), 0);
	bridge_join(w->a, c);
}

static const struct call_controller of_a = { .closed = a_closed };
static const struct call_controller of_b = { .closed = b_closed, .answered = b_answered };

static void incoming(void *arg, struct call *c, const struct route *r)
{
	const struct call_dial ask = { .parent = c, .address = "sip:p@10.0.0.3;transport=udp" };
	struct call_dial_fault fault;
	struct world *w = arg;

	w->a = c;
	call_control(c, &of_a, w);
	if (w->answer_first)
		assert_int_equal(call_answer(c, NULL), 0);
	assert_int_equal(call_dial(&w->b, w->base.calls, &ask, &of_b, w, &fault), 0);
}

static void open_side(struct world *w, struct side *s, const char *host)
{
	struct phone_opts opts = { .loop = w->base.loop,
				   .net = fake_net_host(w->base.net, host),
				   .dns = fake_dns_door(w->base.dns) };

	opts.address = host;
	phone_open(&s->phone, &opts);
	s->phone.user = s;
	s->phone.on_event = on_event;
	s->direction = "";
	s->audio = AUDIO;
	s->video = VIDEO;
	s->wants = true;
}

static void open_world(struct world *w, uint64_t seed, const char *codecs)
{
	const struct fake_world_opts opts = { .seed = seed, .codecs = codecs, .incoming = incoming, .arg = w };

	memset(w, 0, sizeof(*w));
	fake_world_open(&w->base, &opts);
	fake_net_set_rules(w->base.net, &(struct fake_net_rules){ .delay_min_ms = 5, .delay_max_ms = 5 });
	open_side(w, &w->caller, "10.0.0.2");
	open_side(w, &w->peer, "10.0.0.3");
}

static void run(struct world *w, uint64_t ms)
{
	fake_world_run(&w->base, ms);
}

static void dial(struct world *w)
{
	char text[512];

	w->caller.offered = w->caller.wants;
	w->caller.phone.offer = print(&w->caller, w->caller.wants, w->caller.wants, text);
	w->caller.call = phone_dial(&w->caller.phone, "sip:x@10.0.0.1", WIRE_UDP);
	run(w, 5000);
	CHECK_INT(1, w->caller.call->answered);
	CHECK(w->peer.call && w->a && w->b);
}

static void close_world(struct world *w)
{
	fake_net_set_rules(w->base.net, &(struct fake_net_rules){ .delay_min_ms = 5, .delay_max_ms = 5 });
	phone_hangup(w->caller.call, STR(""));
	run(w, 100000);
	CHECK_INT(0, phone_alive(&w->caller.phone, false) + phone_alive(&w->peer.phone, false));
	fake_world_end_calls(&w->base);
	phone_close(&w->caller.phone);
	phone_close(&w->peer.phone);
	fake_world_close(&w->base);
}

/* Did both, or neither, come to have video, as they see it and as the server does? */
static void check_video(struct world *w, bool want)
{
	CHECK_INT(want, w->caller.live);
	CHECK_INT(want, w->peer.live);
	CHECK_INT(want, is_offered(w->caller.call->sdp));
	CHECK_INT(want, is_offered(w->peer.call->sdp));
}

/* --- tests --- */

static const char all[] = "PCMU,VP8,H264";

static void the_peer_decides(void **state)
{
	static const struct {
		bool caller, peer, first;
		const char *codecs, *peers;
		bool want;
		int reoffers, peers_reoffers; /* re-INVITEs that they get */
		size_t ports;                 /* in the end */
	} rows[] = {
		/* answered once the peer has answered */
		{ true, true, false, all, VIDEO, true, 0, 0, 4 },
		{ true, false, false, all, VIDEO, false, 0, 0, 3 },
		{ false, true, false, all, VIDEO, false, 0, 0, 2 },
		{ true, true, false, "PCMU", VIDEO, false, 0, 0, 2 },
		{ true, true, false, "PCMU,H264", VIDEO, false, 0, 0, 2 },
		/* answered before: asked again */
		{ true, true, true, all, VIDEO, true, 1, 0, 4 },
		{ true, false, true, all, VIDEO, false, 0, 0, 3 },
		{ false, true, true, all, VIDEO, false, 0, 0, 2 },
		/* an answer with what was not offered is none: it is told so */
		{ true, true, false, all, H264, false, 0, 0, 3 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;

		open_world(&w, i, rows[i].codecs);
		w.caller.wants = rows[i].caller;
		w.peer.wants = rows[i].peer;
		w.peer.video = rows[i].peers;
		w.answer_first = rows[i].first;
		dial(&w);
		CHECK_INT(rows[i].want, w.caller.live);
		CHECK_INT(rows[i].want, is_offered(w.caller.call->sdp));
		if (rows[i].peers[0] == VIDEO[0] && !strcmp(rows[i].peers, VIDEO))
			CHECK_INT(rows[i].want, w.peer.live);
		CHECK_INT(rows[i].reoffers, w.caller.call->reoffer);
		CHECK_INT(rows[i].peers_reoffers, w.peer.call->reoffer);
		CHECK_INT(rows[i].ports, media_ports_open(w.base.media));
		CHECK_INT(rows[i].caller && rows[i].codecs == all, strstr(w.peer.call->sdp, "VP8/90000") != NULL);
		close_world(&w);
	}
}

/* He wanted video, was told no, and does not want it any more: then the peer must not send it into nothing. */
static void who_changes_his_mind_ends_it_for_both(void **state)
{
	for (int status = 0; status <= 488; status += 488) {
		struct world w;
		char text[512];

		open_world(&w, 2, all);
		w.answer_first = true;
		w.caller.wants = false;
		w.caller.offered = true;
		w.caller.refuse = status;
		w.caller.phone.offer = print(&w.caller, true, true, text);
		w.caller.call = phone_dial(&w.caller.phone, "sip:x@10.0.0.1", WIRE_UDP);
		run(&w, 5000);
		CHECK_INT(1, w.caller.call->reoffer);
		CHECK_INT(1, w.peer.call->reoffer);
		CHECK(strstr(w.peer.call->sdp, "m=video 0 "));
		CHECK(!w.peer.live && !w.caller.live);
		CHECK(w.a && w.b);
		close_world(&w);
	}
}

static void video_is_put_on_and_off(void **state)
{
	for (int peers = 0; peers < 2; peers++) {
		struct side *s, *other;
		struct world w;

		open_world(&w, 3, all);
		s = peers ? &w.peer : &w.caller;
		other = peers ? &w.caller : &w.peer;
		w.caller.wants = false;
		dial(&w);
		w.caller.wants = true; /* it would take it */
		CHECK_INT(2, media_ports_open(w.base.media));
		CHECK_INT(0, reinvite(s, true, ""));
		run(&w, 5000);
		check_video(&w, true);
		CHECK_INT(1, s->call->reinvited);
		CHECK_INT(1, s->call->reoffer);
		CHECK_INT(1, other->call->reoffer);
		CHECK_INT(4, media_ports_open(w.base.media));
		CHECK_INT(0, reinvite(s, false, ""));
		run(&w, 5000);
		check_video(&w, false);
		CHECK_INT(2, other->call->reoffer);
		CHECK(w.a && w.b);
		CHECK_INT(0, reinvite(s, true, ""));
		run(&w, 5000);
		check_video(&w, true);
		close_world(&w);
	}
}

/* Refused by the other one, audio does not notice. */
static void video_is_refused(void **state)
{
	static const int statuses[] = { 0, 488, 603 };

	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		struct world w;

		open_world(&w, 4, all);
		w.caller.wants = w.peer.wants = false;
		dial(&w);
		w.peer.refuse = statuses[i];
		CHECK_INT(0, reinvite(&w.caller, true, ""));
		run(&w, 5000);
		CHECK(!w.caller.live && !w.peer.live);
		CHECK_INT(200, w.caller.call->last_reinvited);
		CHECK_INT(0, w.caller.call->reoffer);
		CHECK_INT(1, w.peer.call->reoffer);
		/* Asked again, it would be refused again: nobody is bothered. */
		CHECK_INT(0, reinvite(&w.caller, true, ""));
		run(&w, 5000);
		CHECK_INT(1, w.peer.call->reoffer);
		CHECK(w.a && w.b);
		close_world(&w);
	}
}

static size_t count(const char *text, const char *part)
{
	size_t n = 0;

	for (const char *at = text; (at = strstr(at, part)); at++)
		n++;
	return n;
}

static void hold_is_for_both_streams(void **state)
{
	struct world w;

	open_world(&w, 5, all);
	dial(&w);
	check_video(&w, true);
	CHECK_INT(0, reinvite(&w.caller, true, "a=sendonly\r\n"));
	run(&w, 5000);
	CHECK_INT(2, count(w.caller.call->sdp, "a=recvonly"));
	CHECK_INT(0, reinvite(&w.caller, true, ""));
	run(&w, 5000);
	CHECK_INT(2, count(w.caller.call->sdp, "a=sendrecv"));
	check_video(&w, true);
	CHECK_INT(0, w.peer.call->reoffer);
	close_world(&w);
}

/* Whatever both do, and whatever the network does to it: in the end both have video or neither, as soon as both are
 * left alone; and the call is there still. */
static const char *const opus[] = { OPUS, OPUS "a=fmtp:111 maxplaybackrate=8000\r\n",
				    OPUS "a=fmtp:111 maxplaybackrate=16000\r\n" };

/* wishes: of Opus that change, so that the other one is re-offered for these too */
static void walk(uint64_t seed, bool wishes)
{
	struct fake_net_rules rules = { .delay_min_ms = 1, .delay_max_ms = 300, .loss_per_mille = 100 };
	struct world w;
	bool both;

	open_world(&w, seed, wishes ? "OPUS,VP8,H264" : all);
	if (wishes)
		w.caller.audio = w.peer.audio = opus[0];
	w.answer_first = loop_random_below(w.base.loop, 2);
	w.caller.wants = loop_random_below(w.base.loop, 2);
	w.peer.wants = loop_random_below(w.base.loop, 2);
	dial(&w);
	fake_net_set_rules(w.base.net, &rules);
	for (int i = 0; i < 12 && w.a && w.b; i++) {
		struct side *s = loop_random_below(w.base.loop, 2) ? &w.caller : &w.peer;

		if (wishes)
			s->audio = opus[loop_random_below(w.base.loop, ARRAY_LEN(opus))];
		if (loop_random_below(w.base.loop, 4))
			reinvite(s, loop_random_below(w.base.loop, 2),
				 loop_random_below(w.base.loop, 3) ? "" : "a=sendonly\r\n");
		else
			s->wants = loop_random_below(w.base.loop, 2); /* of what it is asked for */
		run(&w, loop_random_below(w.base.loop, 1500));
	}
	run(&w, 60000);
	CHECK(w.a && w.b);
	both = w.caller.live && w.peer.live;
	CHECK_INT(both, w.caller.live || w.peer.live);
	if (w.caller.live != w.peer.live)
		printf("seed %llu\n", (unsigned long long)seed);
	close_world(&w);
}

static void walks_end_with_both_or_neither(void **state)
{
	for (uint64_t seed = 1; seed <= 300; seed++) {
		walk(seed, false);
		walk(seed, true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_peer_decides),         TEST(who_changes_his_mind_ends_it_for_both),
		TEST(video_is_put_on_and_off),  TEST(video_is_refused),
		TEST(hold_is_for_both_streams), TEST(walks_end_with_both_or_neither),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What is heard when somebody holds the call, or moves to another address: whole calls on virtual time (fake_talk.h). */
#include "check.h"

#include "base/log.h"
#include "fake_talk.h"
#include "net/sock.h"

/* A new offer; way: lines behind the usual ones. at: NULL = the address as before. */
static void reoffer(struct talker *p, const char *way, const char *at, unsigned port)
{
	char sdp[400], host[64];

	snprintf(sdp, sizeof(sdp),
		 "v=0\r\no=- 1 2 IN IP4 x\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %u RTP/AVP 0\r\n%s",
		 at ? at : addr_host(&p->at, host), port, way);
	CHECK_INT(0, sip_session_reinvite(p->session, str_of(sdp)));
}

static void hold(struct talker *p, const char *way)
{
	p->hz = 0;
	reoffer(p, way, NULL, TALK_RTP_PORT);
}

static void resume(struct talker *p, double hz)
{
	p->hz = hz;
	reoffer(p, "", NULL, TALK_RTP_PORT);
}

static struct talk *talking(const char *document)
{
	struct talk *w = talk_open(document, NULL);

	w->b.answer_ms = 100;
	talk_dial(w);
	talk_run(w, 1000);
	CHECK(talker_level(&w->a, 1000, 500, 980) > 5000);
	CHECK(talker_level(&w->b, 300, 500, 980) > 5000);
	return w;
}

static const char two_parties[] = "sections: {main: [{connect: {" TO_B "}}]}";

static void who_is_held_hears_music(void **state)
{
	static const char *const ways[] = { "a=sendonly\r\n", "a=inactive\r\n" };

	for (size_t i = 0; i < 2 * ARRAY_LEN(ways); i++) {
		struct talk *w = talking(two_parties);
		struct talker *holder = i & 1 ? &w->a : &w->b, *held = i & 1 ? &w->b : &w->a;
		double hz = holder->hz, other_hz = held->hz;

		hold(holder, ways[i / 2]);
		talk_run(w, 2000);
		CHECK(talker_level(held, TALK_MUSIC_HZ, 1200, 2980) > 5000);
		CHECK(talker_packets(held, 1100, 3000) >= 93); /* without a gap */
		CHECK_INT(0, talker_packets(holder, 1100, 3000));
		resume(holder, hz);
		talk_run(w, 1000);
		CHECK(talker_level(held, hz, 3100, 3980) > 5000);
		CHECK(talker_level(held, TALK_MUSIC_HZ, 3060, 3980) < 100);
		CHECK(talker_level(holder, other_hz, 3100, 3980) > 5000);
		/* What was heard last of the music and first of the peer is at most a packet apart. */
		CHECK(talker_packets(held, 3000, 3200) >= 9);
		talk_close(w);
	}
}

/* RFC 2543: an address of zeros. */
static void the_old_hold_is_one_too(void **state)
{
	struct talk *w = talking(two_parties);

	w->b.hz = 0;
	reoffer(&w->b, "", "0.0.0.0", TALK_RTP_PORT);
	talk_run(w, 1000);
	CHECK(talker_level(&w->a, TALK_MUSIC_HZ, 1200, 1980) > 5000);
	CHECK_INT(0, talker_packets(&w->b, 1100, 2000));
	resume(&w->b, 1000);
	talk_run(w, 1000);
	CHECK(talker_level(&w->a, 1000, 2100, 2980) > 5000);
	CHECK(talker_level(&w->b, 300, 2100, 2980) > 5000);
	talk_close(w);
}

static void both_on_hold_hear_nothing(void **state)
{
	struct talk *w = talking(two_parties);

	hold(&w->b, "a=sendonly\r\n");
	talk_run(w, 500);
	hold(&w->a, "a=sendonly\r\n");
	talk_run(w, 1500);
	CHECK_INT(0, talker_packets(&w->a, 1600, 3000) + talker_packets(&w->b, 1600, 3000));
	resume(&w->a, 300); /* b still holds: the music is a's now */
	talk_run(w, 1000);
	CHECK(talker_level(&w->a, TALK_MUSIC_HZ, 3100, 3980) > 5000);
	CHECK_INT(0, talker_packets(&w->b, 3000, 4000));
	resume(&w->b, 1000);
	talk_run(w, 1000);
	CHECK(talker_level(&w->a, 1000, 4100, 4980) > 5000);
	CHECK(talker_level(&w->b, 300, 4100, 4980) > 5000);
	CHECK(talker_level(&w->a, TALK_MUSIC_HZ, 4060, 4980) < 100);
	talk_close(w);
}

/* A caller who holds while others ring hears no ringback; whoever answers then hears music until he comes back. */
static void a_hold_while_it_rings(void **state)
{
	struct talk *w = talk_open("sections: {main: [answer, {connect: {" TO_B ", ringback: ['ring:us']}}]}", NULL);

	w->b.ring_ms = 500;
	w->b.answer_ms = 2000;
	talk_dial(w);
	talk_run(w, 1000);
	CHECK(talker_hears_ring(&w->a, 600, 980));
	hold(&w->a, "a=sendonly\r\n");
	talk_run(w, 2000);
	CHECK_INT(0, talker_packets(&w->a, 1100, 3000));
	CHECK(talker_level(&w->b, TALK_MUSIC_HZ, 2200, 2980) > 5000);
	resume(&w->a, 300);
	talk_run(w, 1000);
	CHECK(talker_level(&w->a, 1000, 3100, 3980) > 5000);
	CHECK(talker_level(&w->b, 300, 3100, 3980) > 5000);
	talk_close(w);
}

static void music_ends_with_either_party(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		struct talk *w = talking(two_parties);

		hold(i & 1 ? &w->a : &w->b, "a=inactive\r\n");
		talk_run(w, 500);
		sip_session_hangup(i & 2 ? w->a.session : w->b.session, STR(""));
		talk_run(w, 200);
		CHECK_INT(0, talker_packets(&w->a, 1560, 1700) + talker_packets(&w->b, 1560, 1700));
		CHECK_INT(0, calls_count(w->base.calls));
		talk_close(w);
	}
}

/* Back and forth at every moment: nothing is left behind, and the last word counts. */
static void holds_at_any_time(void **state)
{
	for (uint32_t ms = 20; ms < 400; ms += TALK_FRAME_MS) {
		struct talk *w = talking(two_parties);

		hold(&w->b, "a=sendonly\r\n");
		talk_run(w, ms);
		resume(&w->b, 1000);
		talk_run(w, 60);
		hold(&w->b, "a=inactive\r\n");
		talk_run(w, ms);
		resume(&w->b, 1000);
		talk_run(w, 1000);
		CHECK(talker_level(&w->a, 1000, 1200 + 2 * ms, 1900 + 2 * ms) > 5000);
		CHECK(talker_level(&w->a, TALK_MUSIC_HZ, 1200 + 2 * ms, 1900 + 2 * ms) < 100);
		talk_close(w);
	}
}

/* Its audio goes to and comes from somewhere else, both ways, with music in between or not. */
static void a_party_moves(void **state)
{
	for (unsigned held = 0; held < 2; held++) {
		struct talk *w = talking(two_parties);
		struct addr at;
		char host[64];
		int fd;

		if (held) {
			hold(&w->b, "a=sendonly\r\n");
			talk_run(w, 500);
		}
		snprintf(host, sizeof(host), "127.%u.%u.9", 1 + (unsigned)getpid() / 256 % 254,
			 (unsigned)getpid() % 256);
		assert_int_equal(addr_parse(&at, str_of(host), TALK_RTP_PORT + 20), 0);
		assert_int_equal(sock_udp(&fd, &at), 0);
		close(w->b.fd);
		w->b.fd = fd;
		w->b.hz = 1000;
		reoffer(&w->b, "", host, TALK_RTP_PORT + 20);
		talk_run(w, 1000);
		CHECK(talker_level(&w->a, 1000, 1100 + 500 * held, 1900 + 500 * held) > 5000);
		CHECK(talker_level(&w->b, 300, 1100 + 500 * held, 1900 + 500 * held) > 5000);
		talk_close(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_is_held_hears_music), TEST(the_old_hold_is_one_too),      TEST(both_on_hold_hear_nothing),
		TEST(a_hold_while_it_rings),   TEST(music_ends_with_either_party), TEST(holds_at_any_time),
		TEST(a_party_moves),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

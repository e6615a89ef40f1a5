/* What fills a pause or a hold, and what reports say of a stream. */
#include "port_audio_world.h"

static void report(struct phone *p, const struct rtcp_report *r)
{
	uint8_t packet[RTCP_MAX_BYTES];
	struct addr to = p->server;

	addr_set_port(&to, (uint16_t)(addr_port(&to) + 1));
	CHECK(sendto(p->fd, packet, rtcp_write(packet, r, "0123456789abcdef"), 0, &to.sa, addr_len(&to)) > 0);
}

static void reported_loss_makes_opus_redundant(void **state)
{
	struct world *w = begin(CODEC_PCMU, CODEC_OPUS);
	struct rtcp_report r = { .ssrc = 5, .count = 1, .blocks = { { .fraction = 64 } } };

	w->a.hz = 300;
	w->a.trembles = true;
	run_ms(w, 600);
	CHECK(w->b.packets > 20);
	CHECK_INT(0, w->b.redundant);
	forget(&w->b);
	r.blocks[0].ssrc = w->b.ssrc;
	report(&w->b, &r);
	run_ms(w, 600);
	CHECK(w->b.redundant > w->b.packets / 3);
	end(w);
}

static void say_noise(struct phone *p, uint8_t level)
{
	uint8_t packet[RTP_HEADER_BYTES + 1] = { 0x80, 13 };

	packet[RTP_HEADER_BYTES] = level;
	rtp_renumber(packet, p->seq++, (uint32_t)p->sent, 77);
	CHECK(sendto(p->fd, packet, sizeof(packet), 0, &p->server.sa, addr_len(&p->server)) > 0);
}

static void comfort_noise_fills_pauses(void **state)
{
	struct world *w = begin(CODEC_PCMU, CODEC_PCMA);
	double sound;

	w->a.hz = 440;
	run_ms(w, 400);
	w->a.hz = 0;
	say_noise(&w->a, 40);
	run_ms(w, 100);
	forget(&w->b);
	run_ms(w, 400);
	CHECK(w->b.packets >= 19);
	sound = energy(w->b.heard, w->b.count);
	CHECK(sound > 300 && sound < 700); /* 32767 / 100 times the root of two */
	/* Speech ends it: what follows without another packet of noise is silence. */
	w->a.hz = 440;
	run_ms(w, 200);
	w->a.hz = 0;
	run_ms(w, 200);
	forget(&w->b);
	run_ms(w, 200);
	CHECK_INT(0, w->b.packets);
	CHECK_INT(0, w->b.gaps);
	end(w);
}

/* b holds the call and says nothing; a hears what fills that, then b again: one run of numbers and times. */
static void music_fills_a_hold(void **state)
{
	static const enum codec_id codecs[][2] = { { CODEC_PCMU, CODEC_PCMU },
						   { CODEC_G722, CODEC_PCMA },
						   { CODEC_OPUS, CODEC_OPUS } };

	for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
		struct world *w = begin(codecs[i][0], codecs[i][1]);
		double levels[2] = { 0, 0 };
		unsigned freed = 0;
		uint32_t before;

		w->a.hz = 440;
		w->b.hz = 1000;
		CHECK_INT(0, port_attach(w->b.port, 9, meter(SINK_BOTH, 8000, 0, levels)));
		run_ms(w, 300);
		CHECK(levels[1] > amplitude * 0.7);
		say(&w->b); /* the hold comes right behind a packet */
		loop_run_until(w->loop, loop_now_ms(w->loop) + 1);
		agree_way(&w->b, codecs[i][1], MEDIA_RECVONLY);
		w->b.hz = 0;
		CHECK_INT(0, port_fill(w->a.port, 1, tone(700, 100000, &freed), 1));
		run_ms(w, 100);
		forget(&w->a);
		forget(&w->b);
		before = w->a.last_timestamp;
		run_ms(w, 2000);
		CHECK(level(&w->a, 700) > amplitude * 0.8);
		CHECK(w->a.packets >= 99);
		CHECK_INT(0, w->b.packets); /* who holds hears nothing, and neither does its recorder */
		CHECK(levels[1] < 1);
		agree(&w->b, codecs[i][1]);
		port_control(w->a.port, 1, PORT_STOP, 0);
		w->b.hz = 1000;
		run_ms(w, 40);
		forget(&w->b);
		run_ms(w, 500);
		CHECK_INT(0, w->a.gaps);
		CHECK(level(&w->b, 440) > amplitude * 0.7);
		forget(&w->a);
		run_ms(w, 300);
		CHECK(level(&w->a, 1000) > amplitude * 0.7);
		CHECK(level(&w->a, 700) < amplitude * 0.05);
		/* 2840 ms, give or take what is on its way */
		CHECK(abs((int)(w->a.last_timestamp - before) / (int)(codec_get(codecs[i][0])->clock_hz / 1000) -
			  2840) < 60);
		/* No packet begins before the one before it ends. */
		CHECK_INT(codec_get(codecs[i][0])->clock_hz / 50, w->a.least_step);
		CHECK_INT(1, freed);
		end(w);
	}
}

/* A switchboard that holds the call sends music of its own: that is what is heard, until it is silent for two seconds. */
static void a_holder_who_is_heard_needs_no_music(void **state)
{
	struct world *w = begin(CODEC_PCMU, CODEC_PCMU);
	unsigned freed = 0;

	w->b.hz = 1000;
	run_ms(w, 200);
	agree_way(&w->b, CODEC_PCMU, MEDIA_RECVONLY);
	CHECK_INT(0, port_fill(w->a.port, 1, tone(700, 100000, &freed), 1));
	run_ms(w, 400);
	forget(&w->a);
	run_ms(w, 1000);
	CHECK(level(&w->a, 1000) > amplitude * 0.8);
	CHECK(level(&w->a, 700) < amplitude * 0.05);
	w->b.hz = 0;
	run_ms(w, 2300);
	forget(&w->a);
	run_ms(w, 400);
	CHECK(level(&w->a, 700) > amplitude * 0.8);
	/* Inactive: what it sends all the same is nothing that anybody wants. */
	agree_way(&w->b, CODEC_PCMU, MEDIA_INACTIVE);
	w->b.hz = 1000;
	run_ms(w, 400);
	forget(&w->a);
	run_ms(w, 400);
	CHECK(level(&w->a, 700) > amplitude * 0.8);
	CHECK(level(&w->a, 1000) < amplitude * 0.05);
	end(w);
}

/* The stream goes on behind the music; what is said of it must mean the same packets on both sides, or a picture no longer fits
 * its sound. */
static void reports_follow_the_numbers_of_a_stream(void **state)
{
	struct world *w = begin(CODEC_PCMU, CODEC_PCMU);
	struct rtcp_report r = { .ssrc = 77, .sends = true };
	unsigned freed = 0;

	w->a.source = 78;
	w->a.hz = 440;
	w->b.hz = 1000;
	run_ms(w, 200);
	agree_way(&w->b, CODEC_PCMU, MEDIA_RECVONLY);
	w->b.hz = 0;
	CHECK_INT(0, port_fill(w->a.port, 1, tone(700, 100000, &freed), 1));
	run_ms(w, 1000);
	agree(&w->b, CODEC_PCMU);
	port_control(w->a.port, 1, PORT_STOP, 0);
	w->b.hz = 1000;
	run_ms(w, 200);
	CHECK((uint16_t)(w->b.seq - 1) != w->a.last_seq);

	r.timestamp = (uint32_t)(w->b.sent - FRAME_MS * 8); /* of its last packet */
	report(&w->b, &r);
	r = (struct rtcp_report){ .ssrc = 78, .count = 1, .blocks = { { .ssrc = 77, .highest = w->a.last_seq } } };
	report(&w->a, &r);
	w->b.hz = 0;
	run_ms(w, 20);
	CHECK_INT(77, w->a.report.ssrc);
	CHECK_INT(w->a.last_timestamp, w->a.report.timestamp);
	CHECK_INT(78, w->b.report.ssrc);
	CHECK_INT((uint16_t)(w->b.seq - 1), w->b.report.blocks[0].highest);
	end(w);
}

/* It keeps its name and times; baresip would not play it if its numbers were lower than those before. */
static void another_source_goes_on_with_our_numbers(void **state)
{
	struct world *w = begin(CODEC_PCMU, CODEC_PCMU);
	unsigned freed = 0, before;
	uint16_t last;

	CHECK_INT(0, port_play(w->a.port, 1, tone(700, 400, &freed), 1));
	run_ms(w, 600);
	before = w->a.packets;
	last = w->a.last_seq;
	w->b.seq = (uint16_t)(last - 4000);
	w->b.hz = 1000;
	run_ms(w, 200);
	CHECK_INT(77, w->a.ssrc);
	CHECK(w->a.packets >= before + 9);
	CHECK_INT((uint16_t)(last + w->a.packets - before), w->a.last_seq);
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(comfort_noise_fills_pauses),
		TEST(reported_loss_makes_opus_redundant),
		TEST(music_fills_a_hold),
		TEST(a_holder_who_is_heard_needs_no_music),
		TEST(reports_follow_the_numbers_of_a_stream),
		TEST(another_source_goes_on_with_our_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

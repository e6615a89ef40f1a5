/* Audio through a port: coded anew, mixed, cleaned, attached to. */
#include "port_audio_world.h"

static void each_codec_is_heard_in_each_other(void **state)
{
	static const enum codec_id codecs[] = { CODEC_PCMU, CODEC_PCMA, CODEC_G722, CODEC_OPUS, CODEC_L16 };

	for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
		for (size_t k = 0; k < ARRAY_LEN(codecs); k++) {
			struct world *w = begin(codecs[i], codecs[k]);

			w->a.hz = 440;
			w->b.hz = 1000;
			run_ms(w, 1000);
			CHECK(level(&w->a, 1000) > amplitude * 0.7);
			CHECK(level(&w->b, 440) > amplitude * 0.7);
			CHECK(level(&w->a, 440) < amplitude * 0.1);
			CHECK(w->a.packets >= 45 && w->b.packets >= 45);
			CHECK_INT(0, w->a.gaps + w->b.gaps);
			end(w);
		}
	}
}

static void what_is_played_is_mixed_with_the_peer(void **state)
{
	struct world *w = begin(CODEC_PCMU, CODEC_PCMU);
	unsigned freed = 0;

	w->b.hz = 440;
	run_ms(w, 200);
	CHECK_INT(0, port_play(w->a.port, 1, tone(1000, 600, &freed), 0.5f));
	run_ms(w, 40);
	forget(&w->a);
	run_ms(w, 400);
	CHECK(level(&w->a, 440) > amplitude * 0.8);
	CHECK(fabs(level(&w->a, 1000) / amplitude - 0.5) < 0.1);
	CHECK_INT(0, w->a.gaps);
	run_ms(w, 400);
	CHECK_INT(1, w->a.played);
	CHECK_INT(PORT_PLAYED, w->a.how);
	CHECK_INT(1, freed);
	/* Relayed again: the peer's own packets. */
	forget(&w->a);
	run_ms(w, 200);
	CHECK_INT(77, w->a.ssrc);
	CHECK(level(&w->a, 1000) < amplitude * 0.05);
	end(w);
}

static void playing_can_be_paused_and_stopped(void **state)
{
	struct world *w = begin(CODEC_PCMA, CODEC_PCMA);
	unsigned freed = 0;

	CHECK_INT(0, port_play(w->a.port, 5, tone(1000, 100000, &freed), 1));
	run_ms(w, 200);
	CHECK(w->a.packets >= 8);
	CHECK_INT(1, w->a.markers);
	port_control(w->a.port, 5, PORT_PAUSE, 0);
	run_ms(w, 20);
	forget(&w->a);
	run_ms(w, 200);
	CHECK_INT(0, w->a.packets);
	port_control(w->a.port, 5, PORT_RESUME, 0);
	run_ms(w, 200);
	CHECK(w->a.packets >= 9);
	CHECK_INT(1, w->a.markers);
	port_control(w->a.port, 5, PORT_STOP, 0);
	port_control(w->a.port, 6, PORT_STOP, 0);
	run_ms(w, 20);
	CHECK_INT(1, w->a.played);
	CHECK_INT(PORT_STOPPED, w->a.how);
	forget(&w->a);
	run_ms(w, 100);
	CHECK_INT(0, w->a.packets);
	CHECK_INT(1, freed);
	end(w);
}

static void sinks_hear_both_sides_of_a_relay(void **state)
{
	static const uint32_t rates[] = { 8000, 16000 };

	for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
		struct world *w = begin(CODEC_PCMU, CODEC_PCMU);
		double levels[2] = { 0, 0 };

		w->a.hz = 440;
		CHECK_INT(0, port_attach(w->a.port, 9, meter(SINK_BOTH, rates[i], 0, levels)));
		run_ms(w, 400);
		CHECK(levels[0] > amplitude * 0.8);
		CHECK(levels[1] < amplitude * 0.1);
		CHECK_INT(77, w->b.ssrc); /* still relayed */
		w->a.hz = 0;
		w->b.hz = 440;
		run_ms(w, 400);
		CHECK(levels[0] < amplitude * 0.1);
		CHECK(levels[1] > amplitude * 0.8);
		port_detach(w->a.port, 9);
		run_ms(w, 20);
		CHECK_INT(1, w->a.detached);
		end(w);
	}
}

/* G.722 to a telephone is coded at its rate, which ends where somebody listens who has use for more; the call goes on. */
static void a_wide_listener_hears_a_wide_codec(void **state)
{
	struct world *w = begin(CODEC_G722, CODEC_PCMU);
	double levels[2];

	levels[0] = levels[1] = 0;
	w->a.hz = 440;
	w->b.hz = 1000;
	run_ms(w, 400);
	CHECK_INT(0, port_attach(w->a.port, 9, meter(SINK_BOTH, 16000, 0, levels)));
	run_ms(w, 100);
	forget(&w->a);
	forget(&w->b);
	w->a.hz = 6000;
	run_ms(w, 400);
	CHECK(levels[0] > amplitude * 0.8);
	CHECK(level(&w->a, 1000) > amplitude * 0.8);
	CHECK(level(&w->b, 2000) < amplitude * 0.1);
	port_detach(w->a.port, 9);
	w->a.hz = 440;
	run_ms(w, 100);
	forget(&w->b);
	run_ms(w, 400);
	CHECK(level(&w->b, 440) > amplitude * 0.8);
	CHECK_INT(0, w->a.gaps + w->b.gaps);
	CHECK_INT(1, w->a.detached);
	end(w);
}

/* The port's rate becomes the listener's own, and another again. */
static void a_sink_hears_on_when_the_rate_changes(void **state)
{
	static const enum codec_id others[] = { CODEC_L16, CODEC_PCMA, CODEC_L16 };
	struct world *w = begin(CODEC_OPUS, CODEC_PCMU);
	double levels[2] = { 0, 0 };

	w->a.hz = 440;
	w->b.hz = 1000;
	CHECK_INT(0, port_attach(w->a.port, 9, meter(SINK_BOTH, 16000, 0, levels)));
	run_ms(w, 400);
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		agree(&w->b, others[i]);
		run_ms(w, 100);
		levels[0] = levels[1] = 0;
		run_ms(w, 300);
		CHECK(levels[0] > amplitude * 0.7);
		CHECK(levels[1] > amplitude * 0.7);
	}
	end(w);
}

/* A tone that does not tremble is noise, in the end: it goes, and what the other one says does not. */
static void noise_is_taken_out_of_one_side(void **state)
{
	struct world *w = begin(CODEC_PCMU, CODEC_PCMU);
	uint32_t last;

	w->a.hz = 1000;
	w->b.hz = 600;
	run_ms(w, 400);
	CHECK_INT(77, w->b.ssrc); /* relayed */
	port_denoise(w->a.port, true);
	forget(&w->a);
	forget(&w->b);
	run_ms(w, 2000);
	CHECK(level(&w->b, 1000) < amplitude / 4);
	CHECK(level(&w->b, 1000) > 0);
	CHECK(level(&w->a, 600) > amplitude * 0.9);
	CHECK_INT(77, w->a.ssrc);
	CHECK_INT(77, w->b.ssrc); /* one stream, whoever makes it */
	CHECK(w->b.packets >= 98);
	last = w->b.last_seq;
	port_denoise(w->a.port, false);
	forget(&w->b);
	run_ms(w, 400);
	CHECK(level(&w->b, 1000) > amplitude * 0.9);
	CHECK(w->b.last_seq > last);
	CHECK(w->b.gaps <= 1);
	end(w);
}

/* What cannot be coded is relayed as it is; a wide codec is denoised at its rate, and a sink hears the same. */
static void noise_is_taken_out_for_sinks(void **state)
{
	struct world *w = begin(CODEC_G722, CODEC_G722);
	double levels[2] = { 0, 0 };

	port_denoise(w->a.port, true);
	w->a.hz = 1000;
	CHECK_INT(0, port_attach(w->a.port, 9, meter(SINK_SAID, 16000, 0, levels)));
	run_ms(w, 2000);
	CHECK(levels[0] < amplitude / 4);
	port_denoise(w->a.port, false);
	run_ms(w, 400);
	CHECK(levels[0] > amplitude * 0.8);
	port_part(w->a.port);
	port_denoise(w->a.port, true);
	run_ms(w, 100);
	end(w);
}

static void a_sink_may_leave_by_itself(void **state)
{
	struct world *w = begin(CODEC_PCMU, CODEC_OPUS);
	double levels[2];

	CHECK_INT(0, port_attach(w->b.port, 9, meter(SINK_SAID, 8000, 10, levels)));
	run_ms(w, 400);
	CHECK_INT(1, w->b.detached);
	end(w);
}

static void closing_gives_everything_back_first(void **state)
{
	struct world *w = begin(CODEC_PCMU, CODEC_G722);
	double levels[2];
	unsigned freed = 0;

	w->a.hz = w->b.hz = 440;
	CHECK_INT(0, port_play(w->a.port, 1, tone(1000, 100000, &freed), 1));
	CHECK_INT(0, port_attach(w->a.port, 2, meter(SINK_BOTH, 16000, 0, levels)));
	run_ms(w, 100);
	port_close(w->a.port);
	loop_run_until(w->loop, loop_now_ms(w->loop) + 20);
	CHECK_INT(1, w->a.closed);
	CHECK_INT(1, w->a.played);
	CHECK_INT(PORT_GONE, w->a.how);
	CHECK_INT(1, w->a.detached);
	CHECK_INT(1, freed);
	w->a.hz = 0;
	run_ms(w, 100); /* the other one lives on */
	end(w);
}

static void a_new_codec_in_the_middle_of_a_call(void **state)
{
	struct world *w = begin(CODEC_PCMU, CODEC_G722);

	w->a.hz = w->b.hz = 440;
	run_ms(w, 200);
	agree(&w->b, CODEC_PCMU);
	run_ms(w, 100);
	forget(&w->b);
	run_ms(w, 200);
	CHECK_INT(77, w->b.ssrc);
	agree(&w->a, CODEC_OPUS);
	run_ms(w, 100);
	forget(&w->a);
	forget(&w->b);
	run_ms(w, 600);
	CHECK(level(&w->a, 440) > amplitude * 0.7);
	CHECK(level(&w->b, 440) > amplitude * 0.7);
	end(w);
}

static void packets_are_as_long_as_the_peer_wants(void **state)
{
	static const uint8_t sizes_ms[] = { 10, 20, 30, 40, 60 };
	static const enum codec_id codecs[] = { CODEC_PCMA, CODEC_G722, CODEC_OPUS };

	for (size_t i = 0; i < ARRAY_LEN(sizes_ms) * ARRAY_LEN(codecs); i++) {
		enum codec_id codec = codecs[i % ARRAY_LEN(codecs)];
		uint8_t ms = sizes_ms[i / ARRAY_LEN(codecs)];
		struct world *w = begin(CODEC_PCMU, CODEC_PCMU);
		uint32_t before;

		if (codec == CODEC_OPUS && ms == 30) {
			end(w);
			continue; /* never agreed on */
		}
		w->b.packet_ms = ms;
		agree(&w->b, codec);
		w->a.hz = 440;
		run_ms(w, 600);
		forget(&w->b);
		before = w->b.last_timestamp;
		run_ms(w, 600);
		CHECK_INT(600 / ms, w->b.packets);
		CHECK_INT(0, w->b.gaps);
		CHECK_INT(600 * codec_get(codec)->clock_hz / 1000, w->b.last_timestamp - before);
		CHECK(level(&w->b, 440) > amplitude * 0.7);
		/* What waits goes out, and the next talkspurt begins with a packet of its own. */
		w->a.hz = 0;
		run_ms(w, 400);
		forget(&w->b);
		w->a.hz = 440;
		run_ms(w, 400);
		CHECK_INT(1, w->b.markers);
		CHECK_INT(0, w->b.gaps);
		end(w);
	}
}

/* Silence reaches who wants it, and is left out for who does not; then speech begins with the marker, and at its time. */
static void opus_leaves_silence_out_when_asked(void **state)
{
	for (int dtx = 0; dtx < 2; dtx++) {
		struct world *w = begin(CODEC_PCMU, CODEC_OPUS);
		uint32_t before;

		w->b.dtx = dtx;
		agree(&w->b, CODEC_OPUS);
		w->a.hz = 440;
		run_ms(w, 600);
		w->a.hz = 1e-9;
		run_ms(w, 1000); /* it takes a while to be sure */
		forget(&w->b);
		before = w->b.last_timestamp;
		run_ms(w, 2000);
		CHECK(dtx ? w->b.packets < 20 : w->b.packets == 100);
		w->a.hz = 440;
		run_ms(w, 400);
		CHECK((w->b.markers > 0) == dtx);
		CHECK_INT(0, w->b.gaps);
		/* 2.4 s, but for what the jitter buffer has, and where the newest packet before was. */
		CHECK(abs((int)(w->b.last_timestamp - before) - 48 * 2400) <= 48 * (dtx ? 420 : 40));
		end(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_codec_is_heard_in_each_other),
		TEST(what_is_played_is_mixed_with_the_peer),
		TEST(playing_can_be_paused_and_stopped),
		TEST(sinks_hear_both_sides_of_a_relay),
		TEST(noise_is_taken_out_of_one_side),
		TEST(noise_is_taken_out_for_sinks),
		TEST(a_sink_may_leave_by_itself),
		TEST(closing_gives_everything_back_first),
		TEST(a_new_codec_in_the_middle_of_a_call),
		TEST(packets_are_as_long_as_the_peer_wants),
		TEST(opus_leaves_silence_out_when_asked),
		TEST(a_wide_listener_hears_a_wide_codec),
		TEST(a_sink_hears_on_when_the_rate_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

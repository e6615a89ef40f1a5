#include "check.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/loop.h"
#include "media/coder.h"
#include "media/port.h"
#include "media/rtcp.h"
#include "media/rtp.h"
#include "media/sink.h"
#include "media/source.h"
#include "net/sock.h"

enum { PORT_MIN = 23000, PORT_MAX = 23999, FRAME_MS = 20, MAX_SAMPLES = 16000 * 10 };

static const double amplitude = 8000;

/* A phone: sends a tone in its codec, decodes what it hears. */
struct phone {
	struct port *port;
	enum codec_id codec;
	uint8_t packet_ms;
	uint32_t rate_hz;
	int fd;
	struct addr at, server;
	struct encoder *encoder;
	struct decoder *decoder;
	uint16_t seq;
	uint32_t source; /* SSRC, 0 = 77 */
	size_t sent;     /* samples */
	double hz;
	bool trembles; /* as speech does, at 4 Hz */
	unsigned packets, gaps, markers, redundant;
	uint16_t last_seq;
	uint32_t last_timestamp, ssrc, least_step; /* between time stamps of one source, 0 = none */
	struct rtcp_report report;                 /* the last one */
	bool any;
	size_t count;
	int16_t heard[MAX_SAMPLES];
	unsigned closed, played, detached;
	enum port_played how;
	struct sink *sink;
};

struct world {
	struct loop *loop;
	struct media *media;
	struct phone a, b;
};

/* --- doors --- */

static void on_closed(void *arg, const struct port_stats *stats)
{
	((struct phone *)arg)->closed++;
}

static void on_played(void *arg, uint32_t id, enum port_played how)
{
	struct phone *p = arg;

	CHECK_INT(0, p->closed);
	p->played++;
	p->how = how;
}

static void on_detached(void *arg, uint32_t id, struct sink *s)
{
	struct phone *p = arg;

	CHECK_INT(0, p->closed);
	p->detached++;
	s->ops->free(s);
}

static const struct port_handlers handlers = {
	.played = on_played,
	.detached = on_detached,
	.closed = on_closed,
};

/* --- the world --- */

static void address(unsigned last, uint16_t port, struct addr *out)
{
	unsigned pid = (unsigned)getpid();
	char host[16];

	snprintf(host, sizeof(host), "127.%u.%u.%u", 1 + pid / 256 % 254, pid % 256, last);
	assert_int_equal(addr_parse(out, str_of(host), port), 0);
}

static void agree_way(struct phone *p, enum codec_id codec, enum media_direction direction)
{
	uint8_t pt = codec_get(codec)->payload_type;
	struct media_agreed a = {
		.codec = codec,
		.send_pt = pt,
		.recv_pt = pt,
		.event_send_pt = MEDIA_NO_PT,
		.event_recv_pt = MEDIA_NO_PT,
		.remote = p->at,
		.remote_rtcp = p->at,
		.direction = direction,
		.packet_ms = p->packet_ms,
	};

	if (p->encoder)
		encoder_free(&p->encoder);
	if (p->decoder)
		decoder_free(&p->decoder);
	p->codec = codec;
	p->rate_hz = coder_rate(codec, 16000);
	CHECK_INT(0, encoder_new(&p->encoder, codec, p->rate_hz));
	CHECK_INT(0, decoder_new(&p->decoder, codec, p->rate_hz));
	port_agree(p->port, &a);
}

static void agree(struct phone *p, enum codec_id codec)
{
	agree_way(p, codec, MEDIA_SENDRECV);
}

static void open_phone(struct world *w, struct phone *p, unsigned last, const struct port *near)
{
	address(last, 26000, &p->at);
	assert_int_equal(sock_udp(&p->fd, &p->at), 0);
	assert_int_equal(port_open(&p->port, w->media, near, &handlers, p), 0);
	port_local(p->port, &p->server);
}

static struct world *begin(enum codec_id a, enum codec_id b)
{
	struct media_opts o = { .port_min = PORT_MIN, .port_max = PORT_MAX };
	struct world *w = calloc(1, sizeof(*w));

	assert_int_equal(loop_new(&w->loop, true, 3), 0);
	o.loop = w->loop;
	address(1, 0, &o.bind);
	assert_int_equal(media_new(&w->media, &o), 0);
	open_phone(w, &w->a, 2, NULL);
	open_phone(w, &w->b, 3, w->a.port);
	agree(&w->a, a);
	agree(&w->b, b);
	port_join(w->a.port, w->b.port);
	return w;
}

static void end_phone(struct phone *p)
{
	close(p->fd);
	encoder_free(&p->encoder);
	decoder_free(&p->decoder);
	CHECK_INT(1, p->closed);
}

static void end(struct world *w)
{
	if (!w->a.closed)
		port_close(w->a.port);
	if (!w->b.closed)
		port_close(w->b.port);
	loop_run_until(w->loop, loop_now_ms(w->loop) + 100);
	end_phone(&w->a);
	end_phone(&w->b);
	media_free(&w->media);
	CHECK_INT(0, loop_timer_count(w->loop));
	loop_free(&w->loop);
	free(w);
}

/* --- time --- */

static void say(struct phone *p)
{
	size_t frame = FRAME_MS * p->rate_hz / 1000, n;
	int16_t audio[CODER_MAX_SAMPLES];
	uint8_t packet[RTP_HEADER_BYTES + CODER_MAX_BYTES] = { 0x80, codec_get(p->codec)->payload_type };

	for (size_t i = 0; i < frame; i++) {
		double t = (double)(p->sent + i) / p->rate_hz;
		double loud = p->trembles ? 0.6 + 0.4 * sin(2 * M_PI * 4 * t) : 1;

		audio[i] = (int16_t)lrint(loud * amplitude * sin(2 * M_PI * p->hz * t));
	}
	n = encoder_run(p->encoder, audio, frame, packet + RTP_HEADER_BYTES);
	rtp_renumber(packet, p->seq++, coder_ticks(p->codec, p->rate_hz, p->sent), p->source ? p->source : 77);
	p->sent += frame;
	CHECK(sendto(p->fd, packet, RTP_HEADER_BYTES + n, 0, &p->server.sa, addr_len(&p->server)) > 0);
}

/* RFC 6716 §4.2.3: of a frame for speech, coded alone, the second bit behind the first byte says that a copy of the frame before
 * is in it. */
static bool is_redundant(const uint8_t *payload, size_t n)
{
	return n > 1 && payload[0] >> 3 < 12 && payload[1] & 0x40;
}

static void hear(struct phone *p)
{
	uint8_t packet[RTP_MAX_BYTES];
	ssize_t n;

	while ((n = recv(p->fd, packet, sizeof(packet), MSG_DONTWAIT)) > 0) {
		int16_t audio[CODER_MAX_SAMPLES];
		struct rtp_header h;
		size_t count;

		if (rtcp_is_muxed(packet, (size_t)n)) {
			CHECK_INT(0, rtcp_read(&p->report, packet, (size_t)n));
			continue;
		}
		CHECK_INT(0, rtp_parse(&h, packet, (size_t)n));
		CHECK_INT(codec_get(p->codec)->payload_type, h.payload_type);
		if (p->any && (h.ssrc != p->ssrc || h.seq != (uint16_t)(p->last_seq + 1)))
			p->gaps++;
		if (p->any && h.ssrc == p->ssrc && (!p->least_step || h.timestamp - p->last_timestamp < p->least_step))
			p->least_step = h.timestamp - p->last_timestamp;
		p->any = true;
		p->ssrc = h.ssrc;
		p->last_seq = h.seq;
		p->last_timestamp = h.timestamp;
		p->packets++;
		p->markers += h.marker;
		p->redundant += p->codec == CODEC_OPUS && is_redundant(packet + h.header_bytes, h.payload_bytes);
		count = decoder_run(p->decoder, packet + h.header_bytes, h.payload_bytes, audio);
		for (size_t i = 0; i < count && p->count < MAX_SAMPLES; i++)
			p->heard[p->count++] = audio[i];
	}
}

static void run_ms(struct world *w, unsigned ms)
{
	for (unsigned i = 0; i < ms; i += FRAME_MS) {
		if (w->a.hz > 0)
			say(&w->a);
		if (w->b.hz > 0)
			say(&w->b);
		loop_run_until(w->loop, loop_now_ms(w->loop) + FRAME_MS);
		hear(&w->a);
		hear(&w->b);
	}
}

/* Amplitude of a frequency in the second half of what was heard. */
static double level(const struct phone *p, double hz)
{
	size_t from = p->count / 2, n = p->count - from;
	double re = 0, im = 0;

	for (size_t i = 0; i < n; i++) {
		re += p->heard[from + i] * cos(2 * M_PI * hz * (double)i / p->rate_hz);
		im += p->heard[from + i] * sin(2 * M_PI * hz * (double)i / p->rate_hz);
	}
	return n ? 2 * sqrt(re * re + im * im) / (double)n : 0;
}

static void forget(struct phone *p)
{
	p->count = 0;
	p->packets = p->gaps = p->markers = p->redundant = 0;
}

/* --- a source and a sink --- */

struct tone {
	struct source base;
	double hz;
	size_t at, left; /* left: samples at 16 kHz */
	unsigned *freed;
};

static size_t pull_tone(struct source *s, int16_t *out, size_t count, uint32_t rate_hz)
{
	struct tone *t = (struct tone *)s;
	size_t i;

	for (i = 0; i < count && t->left; i++, t->at++) {
		out[i] = (int16_t)lrint(amplitude * sin(2 * M_PI * t->hz * (double)t->at / rate_hz));
		t->left -= 16000 / rate_hz < t->left ? 16000 / rate_hz : t->left;
	}
	for (size_t k = i; k < count; k++)
		out[k] = 0;
	return i;
}

static void free_tone(struct source *s)
{
	++*((struct tone *)s)->freed;
	free(s);
}

static const struct source_ops tone_ops = { .pull = pull_tone, .free = free_tone };

static struct source *tone(double hz, unsigned ms, unsigned *freed)
{
	struct tone *t = calloc(1, sizeof(*t));

	*t = (struct tone){ { &tone_ops }, hz, 0, (size_t)ms * 16, freed };
	return &t->base;
}

struct meter {
	struct sink base;
	unsigned frames, leave_at;
	double *said, *heard; /* energy of the last frame */
};

static double energy(const int16_t *x, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)x[i] * x[i];
	return sqrt(2 * sum / (double)n);
}

static bool push_meter(struct sink *s, const int16_t *said, const int16_t *heard, size_t count, uint32_t rate_hz)
{
	struct meter *m = (struct meter *)s;

	CHECK_INT(s->rate_hz, rate_hz);
	CHECK_INT(FRAME_MS * rate_hz / 1000, count);
	if (said)
		*m->said = energy(said, count);
	if (heard)
		*m->heard = energy(heard, count);
	return ++m->frames != m->leave_at;
}

static void free_meter(struct sink *s)
{
	free(s);
}

static const struct sink_ops meter_ops = { .push = push_meter, .free = free_meter };

static struct sink *meter(enum sink_wants wants, uint32_t rate_hz, unsigned leave_at, double level_of[2])
{
	struct meter *m = calloc(1, sizeof(*m));

	*m = (struct meter){
		{ .ops = &meter_ops, .wants = wants, .rate_hz = rate_hz }, 0, leave_at, &level_of[0], &level_of[1]
	};
	return &m->base;
}

/* --- tests --- */

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
		TEST(comfort_noise_fills_pauses),
		TEST(reported_loss_makes_opus_redundant),
		TEST(music_fills_a_hold),
		TEST(a_holder_who_is_heard_needs_no_music),
		TEST(reports_follow_the_numbers_of_a_stream),
		TEST(another_source_goes_on_with_our_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* port_audio_world: two joined ports, and phones that send tones and measure what they hear. A program includes it once. */
#ifndef PORT_AUDIO_WORLD_H
#define PORT_AUDIO_WORLD_H

#include "check.h"

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
#include "own_net.h"

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
	bool dtx;      /* asks for nothing while the other one is silent */
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

static inline void on_closed(void *arg, const struct port_stats *stats)
{
	((struct phone *)arg)->closed++;
}

static inline void on_played(void *arg, uint32_t id, enum port_played how)
{
	struct phone *p = arg;

	CHECK_INT(0, p->closed);
	p->played++;
	p->how = how;
}

static inline void on_detached(void *arg, uint32_t id, struct sink *s)
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

static inline void agree_way(struct phone *p, enum codec_id codec, enum media_direction direction)
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
		.opus = { .fec = true, .dtx = p->dtx },
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

static inline void agree(struct phone *p, enum codec_id codec)
{
	agree_way(p, codec, MEDIA_SENDRECV);
}

static inline void open_phone(struct world *w, struct phone *p, unsigned last, const struct port *near)
{
	own_addr(last, 26000, &p->at);
	assert_int_equal(sock_udp(&p->fd, &p->at), 0);
	assert_int_equal(port_open(&p->port, w->media, near, &handlers, p), 0);
	port_local(p->port, &p->server);
}

static inline struct world *begin(enum codec_id a, enum codec_id b)
{
	struct media_opts o = { .port_min = PORT_MIN, .port_max = PORT_MAX };
	struct world *w = calloc(1, sizeof(*w));

	assert_int_equal(loop_new(&w->loop, true, 3), 0);
	o.loop = w->loop;
	own_addr(1, 0, &o.bind);
	assert_int_equal(media_new(&w->media, &o), 0);
	open_phone(w, &w->a, 2, NULL);
	open_phone(w, &w->b, 3, w->a.port);
	agree(&w->a, a);
	agree(&w->b, b);
	port_join(w->a.port, w->b.port);
	return w;
}

static inline void end_phone(struct phone *p)
{
	close(p->fd);
	encoder_free(&p->encoder);
	decoder_free(&p->decoder);
	CHECK_INT(1, p->closed);
}

static inline void end(struct world *w)
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

static inline void say(struct phone *p)
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
static inline bool is_redundant(const uint8_t *payload, size_t n)
{
	return n > 1 && payload[0] >> 3 < 12 && payload[1] & 0x40;
}

static inline void hear(struct phone *p)
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

static inline void run_ms(struct world *w, unsigned ms)
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
static inline double level(const struct phone *p, double hz)
{
	size_t from = p->count / 2, n = p->count - from;
	double re = 0, im = 0;

	for (size_t i = 0; i < n; i++) {
		re += p->heard[from + i] * cos(2 * M_PI * hz * (double)i / p->rate_hz);
		im += p->heard[from + i] * sin(2 * M_PI * hz * (double)i / p->rate_hz);
	}
	return n ? 2 * sqrt(re * re + im * im) / (double)n : 0;
}

static inline void forget(struct phone *p)
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

static inline size_t pull_tone(struct source *s, int16_t *out, size_t count, uint32_t rate_hz)
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

static inline void free_tone(struct source *s)
{
	++*((struct tone *)s)->freed;
	free(s);
}

static const struct source_ops tone_ops = { .pull = pull_tone, .free = free_tone };

static inline struct source *tone(double hz, unsigned ms, unsigned *freed)
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

static inline double energy(const int16_t *x, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)x[i] * x[i];
	return sqrt(2 * sum / (double)n);
}

static inline bool push_meter(struct sink *s, const int16_t *said, const int16_t *heard, size_t count, uint32_t rate_hz)
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

static inline void free_meter(struct sink *s)
{
	free(s);
}

static const struct sink_ops meter_ops = { .push = push_meter, .free = free_meter };

static inline struct sink *meter(enum sink_wants wants, uint32_t rate_hz, unsigned leave_at, double level_of[2])
{
	struct meter *m = calloc(1, sizeof(*m));

	*m = (struct meter){
		{ .ops = &meter_ops, .wants = wants, .rate_hz = rate_hz }, 0, leave_at, &level_of[0], &level_of[1]
	};
	return &m->base;
}

#endif

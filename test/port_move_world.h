/* Ports that go from one media thread to another, on real threads and sockets, and their phones: for test_port_move*.c. */
#ifndef PORT_MOVE_WORLD_H
#define PORT_MOVE_WORLD_H

#include "check.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/loop.h"
#include "media/offer_secure.h"
#include "media/port_impl.h" /* to see that a command has met a move */
#include "media/rtp.h"
#include "media/sink.h"
#include "media/source.h"
#include "net/sock.h"
#include "own_net.h"

enum {
	PORT_MIN = 25000,
	PORT_MAX = 25999,
	PHONE_PORT = 26000,
	AUDIO_BYTES = 160,
	BYTES = RTP_HEADER_BYTES + AUDIO_BYTES,
	PACE_MS = 2,
	DEADLINE_MS = 20000,
	IDS = 4096,
};

struct world {
	struct loop *loop;
	struct media *media;
	struct loop_timer pace;
};

/* A port and its phone. */
struct phone {
	struct port *port;
	struct addr at, server;
	int fd;
	enum codec_id codec;
	uint16_t seq;
	unsigned spoken;
	struct secure *secure; /* NULL = RTP */
	struct media_keys keys;
	/* What it heard. */
	unsigned packets, breaks;
	struct rtp_header newest;
	/* What the port told. */
	unsigned heard, keys_heard, closed, played, stopped, gone, detached, outstanding;
	bool begun[IDS];
	struct port_stats stats;
};

static inline void on_pace(void *arg)
{
	struct world *w = arg;

	loop_timer_start(w->loop, &w->pace, PACE_MS, on_pace, w);
}

static inline void begin(struct world *w, unsigned threads)
{
	struct media_opts o = { .port_min = PORT_MIN, .port_max = PORT_MAX, .threads = threads };

	*w = (struct world){ 0 };
	assert_int_equal(loop_new(&w->loop, false, 0), 0);
	o.loop = w->loop;
	own_addr(1, 0, &o.bind);
	assert_int_equal(media_new(&w->media, &o), 0);
	on_pace(w);
}

static inline void end(struct world *w)
{
	CHECK_INT(0, media_ports_open(w->media));
	CHECK(list_empty(&w->media->held));
	loop_timer_stop(w->loop, &w->pace);
	media_free(&w->media);
	CHECK_INT(0, loop_timer_count(w->loop));
	loop_free(&w->loop);
}

/* --- what ports tell --- */

static inline void on_heard(void *arg, const struct addr *from)
{
	((struct phone *)arg)->heard++;
}

static inline void on_key(void *arg, char key)
{
	((struct phone *)arg)->keys_heard++;
}

static inline void on_silence(void *arg, const struct port_silence *s)
{
}

static inline void end_task(struct phone *p, uint32_t id)
{
	CHECK(p->begun[id]);
	CHECK(!p->closed);
	p->begun[id] = false;
	p->outstanding--;
}

static inline void on_played(void *arg, uint32_t id, enum port_played how)
{
	struct phone *p = arg;

	end_task(p, id);
	*(how == PORT_PLAYED ? &p->played : how == PORT_STOPPED ? &p->stopped : &p->gone) += 1;
}

static inline void on_detached(void *arg, uint32_t id, struct sink *s)
{
	struct phone *p = arg;

	end_task(p, id);
	p->detached++;
	s->ops->free(s);
}

static inline void on_closed(void *arg, const struct port_stats *stats)
{
	struct phone *p = arg;

	CHECK_INT(0, p->outstanding);
	p->closed++;
	p->stats = *stats;
}

static const struct port_handlers handlers = {
	.heard = on_heard,
	.key = on_key,
	.silence = on_silence,
	.played = on_played,
	.detached = on_detached,
	.closed = on_closed,
};

/* --- phones --- */

static inline struct media_agreed agreed(const struct phone *p)
{
	struct media_agreed a = {
		.codec = p->codec,
		.event_send_pt = 101,
		.event_recv_pt = 101,
		.event_clock_hz = 8000,
		.remote = p->at,
		.remote_rtcp = p->at,
		.keys = p->secure ? &p->keys : NULL,
	};

	addr_set_port(&a.remote_rtcp, PHONE_PORT + 1);
	return a;
}

static inline void agree(struct phone *p)
{
	struct media_agreed a = agreed(p);

	port_agree(p->port, &a);
}

static inline void open_port(struct world *w, struct phone *p, const struct phone *near)
{
	assert_int_equal(port_open(&p->port, w->media, near ? near->port : NULL, &handlers, p), 0);
	port_local(p->port, &p->server);
	agree(p);
}

/* Ports without near take turns among the workers. */
static inline void open_phone(struct world *w, struct phone *p, unsigned last, const struct phone *near)
{
	*p = (struct phone){ .codec = CODEC_PCMU };
	own_addr(last, PHONE_PORT, &p->at);
	assert_int_equal(sock_udp(&p->fd, &p->at), 0);
	open_port(w, p, near);
}

/* x and z on one of two workers, y on the other one. */
static inline void begin_apart(struct world *w, struct phone *x, struct phone *y, struct phone *z)
{
	begin(w, 2);
	open_phone(w, x, 2, NULL);
	open_phone(w, y, 3, NULL);
	open_phone(w, z, 4, x);
	CHECK(!port_is_near(x->port, y->port));
}

static inline void speak(struct phone *p)
{
	_Alignas(8) uint8_t packet[BYTES + 64] = { 0x80 };
	size_t n = BYTES;

	rtp_renumber(packet, p->seq, p->seq * (uint32_t)AUDIO_BYTES, addr_port(&p->server));
	p->seq++;
	p->spoken++;
	if (p->secure)
		CHECK_INT(0, secure_protect(p->secure, false, packet, &n, sizeof(packet)));
	assert_int_equal(sendto(p->fd, packet, n, 0, &p->server.sa, addr_len(&p->server)), n);
}

/* All that has come. */
static inline void listen_to(struct phone *p)
{
	_Alignas(8) uint8_t packet[RTP_MAX_BYTES];
	struct rtp_header h;
	ssize_t got;

	while ((got = recv(p->fd, packet, sizeof(packet), MSG_DONTWAIT)) > 0) {
		size_t n = (size_t)got;

		if (p->secure && secure_unprotect(p->secure, false, packet, &n)) {
			p->breaks++;
			continue;
		}
		if (rtp_parse(&h, packet, n)) {
			p->breaks++;
			continue;
		}
		if (p->packets++ && (h.ssrc != p->newest.ssrc || h.seq != (uint16_t)(p->newest.seq + 1) ||
				     h.timestamp != p->newest.timestamp + AUDIO_BYTES || h.marker))
			p->breaks++;
		p->newest = h;
	}
}

static inline void turn_for(struct world *w, uint64_t ms)
{
	uint64_t until_ms = loop_now_ms(w->loop) + ms;

	while (loop_now_ms(w->loop) < until_ms)
		loop_turn(w->loop);
}

/* Until count has come to want. */
static inline void await(struct world *w, struct phone *p, const unsigned *count, unsigned want)
{
	uint64_t until_ms = loop_now_ms(w->loop) + DEADLINE_MS;

	do {
		loop_turn(w->loop);
		listen_to(p);
	} while (*count < want && loop_now_ms(w->loop) < until_ms);
	CHECK(*count >= want);
}

/* Until its port has heard it; what comes before the worker knows the port is thrown away. */
static inline void greet(struct world *w, struct phone *p)
{
	uint64_t until_ms = loop_now_ms(w->loop) + DEADLINE_MS;

	do {
		speak(p);
		turn_for(w, PACE_MS);
	} while (!p->heard && loop_now_ms(w->loop) < until_ms);
	CHECK_INT(1, p->heard);
}

static inline void close_phone(struct world *w, struct phone *p)
{
	if (p->port)
		port_close(p->port);
	await(w, p, &p->closed, 1);
	CHECK_INT(1, p->closed);
	close(p->fd);
}

/* --- a source and a sink --- */

struct hum {
	struct source base;
	uint32_t left; /* frames */
};

static inline size_t pull_hum(struct source *s, int16_t *out, size_t count, uint32_t rate_hz)
{
	struct hum *h = (struct hum *)(void *)s;

	for (size_t i = 0; i < count; i++)
		out[i] = h->left ? (int16_t)(i * 100) : 0;
	return h->left && h->left-- ? count : 0;
}

static inline void free_hum(struct source *s)
{
	free(s);
}

static const struct source_ops hum_ops = { .pull = pull_hum, .free = free_hum };

static inline void play(struct phone *p, uint32_t id, uint32_t frames)
{
	struct hum *h = malloc(sizeof(*h));

	*h = (struct hum){ { &hum_ops }, frames };
	p->begun[id] = true;
	p->outstanding++;
	assert_int_equal(port_play(p->port, id, &h->base, 1), 0);
}

struct ear {
	struct sink base;
	unsigned *frames; /* counted while nobody looks */
	uint32_t rate_hz;
	unsigned own;
};

static inline bool push_ear(struct sink *s, const int16_t *said, const int16_t *heard, size_t count, uint32_t rate_hz)
{
	struct ear *e = (struct ear *)(void *)s;

	if (e->rate_hz != rate_hz)
		return false;
	e->own++;
	return true;
}

static inline void free_ear(struct sink *s)
{
	struct ear *e = (struct ear *)(void *)s;

	if (e->frames)
		*e->frames += e->own;
	free(e);
}

static const struct sink_ops ear_ops = { .push = push_ear, .free = free_ear };

static inline void attach(struct phone *p, uint32_t id, unsigned *frames)
{
	struct ear *e = malloc(sizeof(*e));

	*e = (struct ear){ { &ear_ops, SINK_BOTH, 8000, 0 }, frames, 8000, 0 };
	p->begun[id] = true;
	p->outstanding++;
	assert_int_equal(port_attach(p->port, id, &e->base), 0);
}

static inline void send_keys(struct phone *p, uint32_t id, const char *text)
{
	p->begun[id] = true;
	p->outstanding++;
	assert_int_equal(port_send_keys(p->port, id, text), 0);
}

static inline void secure(struct phone *p)
{
	struct secure_key *ours = &p->keys.ours[0], *theirs = &p->keys.theirs;
	struct secure_pair mirror;

	ours->set = theirs->set = true;
	ours->suite = theirs->suite = 0;
	for (unsigned i = 0; i < SECURE_KEY_BYTES; i++) {
		ours->bytes[i] = (uint8_t)(i * 7 + 3);
		theirs->bytes[i] = (uint8_t)(i * 11 + 1);
	}
	mirror = (struct secure_pair){ .ours = *theirs, .theirs = *ours };
	assert_int_equal(secure_new(&p->secure, &mirror), 0);
	agree(p);
}

#endif

/* Ports that go from one media thread to another, on real threads and sockets. */
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

static void on_pace(void *arg)
{
	struct world *w = arg;

	loop_timer_start(w->loop, &w->pace, PACE_MS, on_pace, w);
}

static void address(unsigned last, uint16_t port, struct addr *out)
{
	unsigned pid = (unsigned)getpid();
	char host[16];

	snprintf(host, sizeof(host), "127.%u.%u.%u", 1 + pid / 256 % 254, pid % 256, last);
	assert_int_equal(addr_parse(out, str_of(host), port), 0);
}

static void begin(struct world *w, unsigned threads)
{
	struct media_opts o = { .port_min = PORT_MIN, .port_max = PORT_MAX, .threads = threads };

	*w = (struct world){ 0 };
	assert_int_equal(loop_new(&w->loop, false, 0), 0);
	o.loop = w->loop;
	address(1, 0, &o.bind);
	assert_int_equal(media_new(&w->media, &o), 0);
	on_pace(w);
}

static void end(struct world *w)
{
	CHECK_INT(0, media_ports_open(w->media));
	CHECK(list_empty(&w->media->held));
	loop_timer_stop(w->loop, &w->pace);
	media_free(&w->media);
	CHECK_INT(0, loop_timer_count(w->loop));
	loop_free(&w->loop);
}

/* --- what ports tell --- */

static void on_heard(void *arg, const struct addr *from)
{
	((struct phone *)arg)->heard++;
}

static void on_key(void *arg, char key)
{
	((struct phone *)arg)->keys_heard++;
}

static void on_silence(void *arg, const struct port_silence *s)
{
}

static void end_task(struct phone *p, uint32_t id)
{
	CHECK(p->begun[id]);
	CHECK(!p->closed);
	p->begun[id] = false;
	p->outstanding--;
}

static void on_played(void *arg, uint32_t id, enum port_played how)
{
	struct phone *p = arg;

	end_task(p, id);
	*(how == PORT_PLAYED ? &p->played : how == PORT_STOPPED ? &p->stopped : &p->gone) += 1;
}

static void on_detached(void *arg, uint32_t id, struct sink *s)
{
	struct phone *p = arg;

	end_task(p, id);
	p->detached++;
	s->ops->free(s);
}

static void on_closed(void *arg, const struct port_stats *stats)
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

static struct media_agreed agreed(const struct phone *p)
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

static void agree(struct phone *p)
{
	struct media_agreed a = agreed(p);

	port_agree(p->port, &a);
}

static void open_port(struct world *w, struct phone *p, const struct phone *near)
{
	assert_int_equal(port_open(&p->port, w->media, near ? near->port : NULL, &handlers, p), 0);
	port_local(p->port, &p->server);
	agree(p);
}

/* Ports without near take turns among the workers. */
static void open_phone(struct world *w, struct phone *p, unsigned last, const struct phone *near)
{
	*p = (struct phone){ .codec = CODEC_PCMU };
	address(last, PHONE_PORT, &p->at);
	assert_int_equal(sock_udp(&p->fd, &p->at), 0);
	open_port(w, p, near);
}

static void speak(struct phone *p)
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
static void listen_to(struct phone *p)
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

static void turn_for(struct world *w, uint64_t ms)
{
	uint64_t until_ms = loop_now_ms(w->loop) + ms;

	while (loop_now_ms(w->loop) < until_ms)
		loop_turn(w->loop);
}

/* Until count has come to want. */
static void await(struct world *w, struct phone *p, const unsigned *count, unsigned want)
{
	uint64_t until_ms = loop_now_ms(w->loop) + DEADLINE_MS;

	do {
		loop_turn(w->loop);
		listen_to(p);
	} while (*count < want && loop_now_ms(w->loop) < until_ms);
	CHECK(*count >= want);
}

/* Until its port has heard it; what comes before the worker knows the port is thrown away. */
static void greet(struct world *w, struct phone *p)
{
	uint64_t until_ms = loop_now_ms(w->loop) + DEADLINE_MS;

	do {
		speak(p);
		turn_for(w, PACE_MS);
	} while (!p->heard && loop_now_ms(w->loop) < until_ms);
	CHECK_INT(1, p->heard);
}

static void close_phone(struct world *w, struct phone *p)
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

static size_t pull_hum(struct source *s, int16_t *out, size_t count, uint32_t rate_hz)
{
	struct hum *h = (struct hum *)(void *)s;

	for (size_t i = 0; i < count; i++)
		out[i] = h->left ? (int16_t)(i * 100) : 0;
	return h->left && h->left-- ? count : 0;
}

static void free_hum(struct source *s)
{
	free(s);
}

static const struct source_ops hum_ops = { .pull = pull_hum, .free = free_hum };

static void play(struct phone *p, uint32_t id, uint32_t frames)
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

static bool push_ear(struct sink *s, const int16_t *said, const int16_t *heard, size_t count, uint32_t rate_hz)
{
	struct ear *e = (struct ear *)(void *)s;

	if (e->rate_hz != rate_hz)
		return false;
	e->own++;
	return true;
}

static void free_ear(struct sink *s)
{
	struct ear *e = (struct ear *)(void *)s;

	if (e->frames)
		*e->frames += e->own;
	free(e);
}

static const struct sink_ops ear_ops = { .push = push_ear, .free = free_ear };

static void attach(struct phone *p, uint32_t id, unsigned *frames)
{
	struct ear *e = malloc(sizeof(*e));

	*e = (struct ear){ { &ear_ops, SINK_BOTH, 8000, 0 }, frames, 8000, 0 };
	p->begun[id] = true;
	p->outstanding++;
	assert_int_equal(port_attach(p->port, id, &e->base), 0);
}

static void send_keys(struct phone *p, uint32_t id, const char *text)
{
	p->begun[id] = true;
	p->outstanding++;
	assert_int_equal(port_send_keys(p->port, id, text), 0);
}

/* --- one after the other --- */

static void what_is_played_goes_on(void **state)
{
	enum { MOVES = 10, PART = 12, EACH_MS = PART * 20 };
	struct phone x, y, z;
	unsigned frames = 0;
	struct world w;

	begin(&w, 2);
	open_phone(&w, &x, 2, NULL);
	open_phone(&w, &y, 3, NULL);
	open_phone(&w, &z, 4, &x);
	CHECK(!port_is_near(x.port, y.port));
	play(&x, 1, UINT32_MAX);
	attach(&x, 2, &frames);
	for (unsigned i = 0; i < MOVES; i++) {
		await(&w, &x, &x.packets, x.packets + PART);
		CHECK_INT(0, port_move(x.port, i % 2 ? z.port : y.port));
		CHECK(port_is_near(x.port, i % 2 ? z.port : y.port));
		CHECK(x.port->moving);
	}
	await(&w, &x, &x.packets, x.packets + PART);
	CHECK_INT(0, x.breaks);
	port_control(x.port, 1, PORT_STOP, 0);
	port_detach(x.port, 2);
	await(&w, &x, &x.stopped, 1);
	await(&w, &x, &x.detached, 1);
	CHECK(frames >= MOVES * PART);
	CHECK_INT(0, port_tasks(x.port));
	close_phone(&w, &x);
	close_phone(&w, &y);
	close_phone(&w, &z);
	end(&w);
}

/* Every packet of x is taken, whichever worker has its port by then, and nearly all of them reach who it is joined with. */
static void a_stream_comes_through(void **state)
{
	enum { PACKETS = 400, EVERY = 20 };
	struct phone x, y, z;
	unsigned greeted;
	struct world w;

	begin(&w, 2);
	open_phone(&w, &x, 2, NULL);
	open_phone(&w, &y, 3, NULL);
	open_phone(&w, &z, 4, &x);
	greet(&w, &x);
	greeted = x.spoken;
	for (unsigned i = 0; i < PACKETS; i++) {
		struct phone *with = i / EVERY % 2 ? &z : &y;

		if (i % EVERY == 0) {
			CHECK_INT(0, port_move(x.port, with->port));
			port_join(x.port, with->port);
		}
		speak(&x);
		loop_turn(w.loop);
	}
	for (unsigned i = 0; i < 100 && y.packets + z.packets < PACKETS; i++) {
		turn_for(&w, PACE_MS);
		listen_to(&y);
		listen_to(&z);
	}
	/* One may be taken between ARRIVE and JOIN. */
	CHECK(y.packets + z.packets >= PACKETS - PACKETS / EVERY);
	close_phone(&w, &x);
	CHECK(x.stats.packets_in > PACKETS);
	CHECK_INT(greeted + PACKETS, x.stats.packets_in + x.stats.invalid);
	CHECK_INT(0, x.stats.lost);
	CHECK_INT(0, x.stats.foreign);
	close_phone(&w, &y);
	close_phone(&w, &z);
	end(&w);
}

static void commands_keep_their_order(void **state)
{
	struct phone x, y, v;
	struct world w;

	begin(&w, 2);
	open_phone(&w, &x, 2, NULL);
	open_phone(&w, &y, 3, NULL);
	open_phone(&w, &v, 4, &y);
	greet(&w, &x);
	greet(&w, &v);
	CHECK_INT(0, port_move(x.port, y.port));
	port_join(x.port, y.port); /* waits for x, and what is said to y from now on waits for it */
	CHECK(y.port->held);
	port_part(y.port);
	port_join(y.port, v.port);
	CHECK(v.port->held);
	CHECK_INT(1, x.port->held);
	CHECK_INT(3, y.port->held);
	turn_for(&w, 100);
	CHECK(!x.port->held && !y.port->held && !v.port->held);
	listen_to(&y);
	y.packets = 0;
	speak(&x);
	speak(&v);
	await(&w, &y, &y.packets, 1);
	turn_for(&w, 50);
	listen_to(&y);
	CHECK_INT(1, y.packets);
	CHECK_INT(addr_port(&v.server), y.newest.ssrc);
	close_phone(&w, &x);
	close_phone(&w, &y);
	close_phone(&w, &v);
	end(&w);
}

/* All in one turn: everything that was begun ends, in its order, and the port with it. */
static void a_port_is_closed_while_it_moves(void **state)
{
	struct phone x, y, z;
	unsigned frames = 0;
	struct world w;

	begin(&w, 3);
	open_phone(&w, &x, 2, NULL);
	open_phone(&w, &y, 3, NULL);
	open_phone(&w, &z, 4, NULL);
	for (unsigned round = 0; round < 20; round++) {
		x.closed = x.gone = x.stopped = x.detached = 0;
		play(&x, 1, UINT32_MAX);
		attach(&x, 2, &frames);
		CHECK_INT(0, port_move(x.port, y.port));
		send_keys(&x, 3, "123");
		play(&x, 4, UINT32_MAX);
		CHECK_INT(0, port_move(x.port, z.port)); /* behind the first one */
		port_control(x.port, 4, PORT_STOP, 0);
		attach(&x, 5, &frames);
		port_join(x.port, z.port);
		if (round % 2)
			CHECK_INT(0, port_move(x.port, y.port));
		CHECK_INT(5, port_tasks(x.port));
		port_close(x.port);
		await(&w, &x, &x.closed, 1);
		CHECK_INT(1, x.closed);
		CHECK_INT(2, x.gone);
		CHECK_INT(1, x.stopped);
		CHECK_INT(2, x.detached);
		x.closed = 0;
		open_port(&w, &x, NULL);
	}
	close_phone(&w, &x);
	close_phone(&w, &y);
	close_phone(&w, &z);
	end(&w);
}

static void a_new_port_moves_before_its_worker_knows_it(void **state)
{
	struct phone x, y;
	struct port *fresh;
	struct world w;

	begin(&w, 2);
	open_phone(&w, &x, 2, NULL);
	open_phone(&w, &y, 3, NULL);
	agree(&x);
	x.closed = 0;
	assert_int_equal(port_open(&fresh, w.media, x.port, &handlers, &x), 0);
	CHECK_INT(0, port_move(fresh, y.port));
	CHECK(!fresh->moving);
	port_join(fresh, y.port);
	port_close(fresh);
	await(&w, &x, &x.closed, 1);
	x.closed = 0;
	close_phone(&w, &x);
	close_phone(&w, &y);
	end(&w);
}

static void local_ports_stay(void **state)
{
	struct phone x, y, ends[2] = { 0 };
	struct port *locals[2];
	struct world w;

	begin(&w, 2);
	open_phone(&w, &x, 2, NULL);
	open_phone(&w, &y, 3, NULL);
	assert_int_equal(port_open_pair(locals, w.media, y.port, &handlers, (void *const[]){ &ends[0], &ends[1] }), 0);
	CHECK(!port_can_move(locals[0]) && port_can_move(x.port));
	CHECK_INT(ENOTSUP, port_move(locals[0], x.port));
	CHECK(port_is_near(locals[0], y.port) && !port_is_near(locals[0], x.port));
	CHECK_INT(0, port_move(x.port, locals[0]));
	port_join(x.port, locals[0]);
	ends[1].port = locals[1];
	play(&ends[1], 1, 50); /* said at one end, heard at the other, and by x */
	await(&w, &x, &x.packets, 40);
	CHECK_INT(0, x.breaks);
	for (unsigned i = 0; i < 2; i++) {
		port_close(locals[i]);
		await(&w, &x, &ends[i].closed, 1);
	}
	close_phone(&w, &x);
	close_phone(&w, &y);
	end(&w);
}

static void secure(struct phone *p)
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

/* Both ways, and the numbers of the phone turn over in between: who had lost the rollover counter would hear nothing. */
static void keys_and_their_counters_move_along(void **state)
{
	struct phone x, y, z;
	struct world w;

	begin(&w, 2);
	open_phone(&w, &x, 2, NULL);
	open_phone(&w, &y, 3, NULL);
	open_phone(&w, &z, 4, &x);
	secure(&x);
	x.seq = 65526;
	greet(&w, &x);
	port_join(x.port, z.port);
	play(&x, 1, UINT32_MAX);
	for (unsigned i = 0; i < 60; i++) {
		if (i % 10 == 5) {
			CHECK_INT(0, port_move(x.port, i / 10 % 2 ? z.port : y.port));
			port_join(x.port, i / 10 % 2 ? z.port : y.port);
		}
		speak(&x);
		await(&w, &x, &x.packets, x.packets + 1);
	}
	CHECK_INT(0, x.breaks);
	close_phone(&w, &x);
	CHECK_INT(x.spoken, x.stats.packets_in + x.stats.invalid);
	CHECK(x.stats.packets_in > 60);
	CHECK_INT(0, x.stats.unauthentic);
	secure_free(&x.secure);
	close_phone(&w, &y);
	close_phone(&w, &z);
	end(&w);
}

static void video_moves(void **state)
{
	struct phone x, y;
	struct world w;

	begin(&w, 2);
	open_phone(&w, &x, 2, NULL);
	open_phone(&w, &y, 3, NULL);
	x.codec = y.codec = CODEC_VP8;
	agree(&x);
	agree(&y);
	greet(&w, &x);
	for (unsigned i = 0; i < 2; i++) { /* each joins the other one */
		struct phone *moves = i ? &y : &x, *stays = i ? &x : &y;

		CHECK_INT(0, port_move(moves->port, stays->port));
		port_join(moves->port, stays->port);
		turn_for(&w, 50);
		for (unsigned k = 0; k < 5; k++)
			speak(&x);
		await(&w, &y, &y.packets, 5 * (i + 1));
		port_part(x.port);
		if (!i) { /* away again: y's worker has them both */
			struct phone z;

			open_phone(&w, &z, 4, NULL);
			CHECK(!port_is_near(z.port, y.port));
			CHECK_INT(0, port_move(x.port, z.port));
			close_phone(&w, &z);
		}
	}
	/* Numbers of video stay as they were sent. */
	CHECK_INT(0, y.breaks);
	close_phone(&w, &x);
	CHECK_INT(x.spoken, x.stats.packets_in + x.stats.invalid);
	close_phone(&w, &y);
	end(&w);
}

/* --- all at once --- */

enum { PHONES = 9, THREADS = 3, TURNS = 2500, ACTIONS = 10 };

struct fray {
	struct world w;
	struct phone phones[PHONES];
	uint32_t ids[PHONES]; /* the newest of each */
	unsigned moves, held, closes;
};

static uint32_t pick(struct fray *f, uint32_t below)
{
	return loop_random_below(f->w.loop, below);
}

static void join_or_feed(struct phone *a, struct phone *b, bool both)
{
	CHECK_INT(0, port_move(a->port, b->port));
	if (both)
		port_join(a->port, b->port);
	else
		port_feed(b->port, a->port);
}

static void begin_task(struct fray *f, struct phone *p, uint32_t *ids)
{
	uint32_t id;

	if (p->outstanding >= 4)
		return;
	do {
		id = *ids = (*ids + 1) % IDS;
	} while (p->begun[id]);
	switch (pick(f, 3)) {
	case 0:
		play(p, id, pick(f, 40));
		break;
	case 1:
		attach(p, id, NULL);
		break;
	default:
		send_keys(p, id, "1w");
	}
}

static void end_some_task(struct fray *f, struct phone *p, uint32_t newest)
{
	uint32_t id = (newest + IDS - pick(f, 3)) % IDS;

	if (pick(f, 2))
		port_detach(p->port, id);
	else
		port_control(p->port, id, PORT_STOP, 0);
}

static void tell_something(struct fray *f, struct phone *p)
{
	switch (pick(f, 6)) {
	case 0:
		agree(p);
		break;
	case 1:
		port_press(p->port, '5');
		break;
	case 2:
		port_watch_keys(p->port, pick(f, 2));
		break;
	case 3:
		port_expect(p->port, pick(f, 100));
		break;
	case 4:
		port_denoise(p->port, pick(f, 2));
		break;
	default:
		port_part(p->port);
	}
}

static void act(struct fray *f)
{
	uint32_t n = pick(f, PHONES), m = pick(f, PHONES);
	struct phone *p = &f->phones[n], *other = &f->phones[m];

	if (!p->port || !other->port || p == other)
		return;
	f->held += p->port->moving || p->port->held;
	CHECK_INT(p->outstanding, port_tasks(p->port));
	switch (pick(f, 12)) {
	case 0:
	case 1:
	case 2:
		f->moves += !port_is_near(p->port, other->port);
		CHECK_INT(0, port_move(p->port, other->port));
		break;
	case 3:
	case 4:
	case 5:
		f->moves += !port_is_near(p->port, other->port);
		join_or_feed(p, other, pick(f, 2));
		break;
	case 6:
	case 7:
		begin_task(f, p, &f->ids[n]);
		break;
	case 8:
		end_some_task(f, p, f->ids[n]);
		break;
	case 9:
		if (pick(f, 4))
			break;
		port_close(p->port);
		p->port = NULL;
		f->closes++;
		break;
	default:
		tell_something(f, p);
	}
}

static void carry_on(struct fray *f, struct phone *p)
{
	listen_to(p);
	if (p->port) {
		speak(p);
	} else if (p->closed) {
		CHECK_INT(1, p->closed);
		p->closed = 0;
		open_port(&f->w, p, NULL);
	}
}

static void ports_are_moved_to_and_fro(void **state)
{
	struct fray *f = calloc(1, sizeof(*f));

	begin(&f->w, THREADS);
	for (unsigned i = 0; i < PHONES; i++) {
		open_phone(&f->w, &f->phones[i], 2 + i, NULL);
		if (i % 3 == 0)
			secure(&f->phones[i]);
	}
	for (unsigned turn = 0; turn < TURNS; turn++) {
		for (unsigned i = 0; i < ACTIONS; i++)
			act(f);
		if (turn % 4 == 0) {
			for (unsigned i = 0; i < PHONES; i++)
				carry_on(f, &f->phones[i]);
		}
		loop_turn(f->w.loop);
	}
	for (unsigned i = 0; i < PHONES; i++) {
		close_phone(&f->w, &f->phones[i]);
		secure_free(&f->phones[i].secure);
	}
	print_message("# %u moves, %u commands met one, %u ports were closed\n", f->moves, f->held, f->closes);
	CHECK(f->moves > 100 && f->held > 100 && f->closes > 10);
	end(&f->w);
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_played_goes_on),
		TEST(a_stream_comes_through),
		TEST(commands_keep_their_order),
		TEST(a_port_is_closed_while_it_moves),
		TEST(a_new_port_moves_before_its_worker_knows_it),
		TEST(local_ports_stay),
		TEST(keys_and_their_counters_move_along),
		TEST(video_moves),
		TEST(ports_are_moved_to_and_fro),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

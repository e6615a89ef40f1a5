/* port_world: ports of the relay, and phones that are bare sockets on loopback. A program includes it once. */
#ifndef PORT_WORLD_H
#define PORT_WORLD_H

#include "check.h"

#include <poll.h>
#include <unistd.h>

#include "base/loop.h"
#include "media/port.h"
#include "net/sock.h"
#include "own_net.h"

/* Below the ports that the kernel gives to others by itself. */
enum { PORT_MIN = 24000, PORT_MAX = 24999, PCMU_PT = 0, OPUS_PT = 111 };

/* A phone's sockets. */
struct peer {
	int rtp, rtcp;
	struct addr rtp_at, rtcp_at;
	uint16_t seq;
};

/* What a port told. */
struct leg {
	struct port *port;
	struct addr local, from;
	unsigned heard, closed;
	struct port_stats stats;
};

struct world {
	struct loop *loop;
	struct media *media;
};

static inline void on_heard(void *arg, const struct addr *from)
{
	struct leg *leg = arg;

	leg->heard++;
	leg->from = *from;
}

static inline void on_closed(void *arg, const struct port_stats *stats)
{
	struct leg *leg = arg;

	leg->closed++;
	leg->stats = *stats;
}

static const struct port_handlers handlers = { .heard = on_heard, .closed = on_closed };

static inline struct world world_of(const char *host, uint16_t min, uint16_t max, unsigned threads)
{
	char ours[16];
	struct media_opts o = { .port_min = min, .port_max = max, .threads = threads };
	struct world w = { 0 };

	assert_int_equal(loop_new(&w.loop, threads == 0, 7), 0);
	o.loop = w.loop;
	assert_int_equal(addr_parse(&o.bind, str_of(host ? host : own_host(1, ours)), 0), 0);
	assert_int_equal(media_new(&w.media, &o), 0);
	return w;
}

static inline struct world world(void)
{
	return world_of(NULL, PORT_MIN, PORT_MAX, 0);
}

static inline void end_world(struct world *w)
{
	CHECK_INT(0, media_ports_open(w->media));
	media_free(&w->media);
	CHECK_INT(0, loop_timer_count(w->loop));
	loop_free(&w->loop);
}

/* Until nothing is ready any more. A real loop turns once and sleeps for what comes. */
static inline void settle(struct world *w)
{
	if (loop_is_virtual(w->loop))
		loop_run_until(w->loop, loop_now_ms(w->loop));
	else
		loop_turn(w->loop);
}

static inline void open_leg(struct world *w, struct leg *leg, const struct leg *near)
{
	*leg = (struct leg){ 0 };
	assert_int_equal(port_open(&leg->port, w->media, near ? near->port : NULL, &handlers, leg), 0);
	port_local(leg->port, &leg->local);
}

static inline void close_leg(struct world *w, struct leg *leg)
{
	port_close(leg->port);
	while (!leg->closed)
		settle(w);
	CHECK_INT(1, leg->closed);
}

static inline struct peer peer_on(const char *host, uint16_t port)
{
	struct peer p = { 0 };

	assert_int_equal(addr_parse(&p.rtp_at, str_of(host), port), 0);
	p.rtcp_at = p.rtp_at;
	addr_set_port(&p.rtcp_at, (uint16_t)(port + 1));
	assert_int_equal(sock_udp(&p.rtp, &p.rtp_at), 0);
	assert_int_equal(sock_udp(&p.rtcp, &p.rtcp_at), 0);
	return p;
}

static inline struct peer peer_at(unsigned last)
{
	char host[16];

	return peer_on(own_host(last, host), 26000);
}

static inline void end_peer(struct peer *p)
{
	close(p->rtp);
	close(p->rtcp);
}

static inline struct media_agreed agreed(const struct peer *p)
{
	return (struct media_agreed){
		.codec = CODEC_PCMU,
		.send_pt = PCMU_PT,
		.recv_pt = PCMU_PT,
		.event_send_pt = 101,
		.event_recv_pt = 101,
		.remote = p->rtp_at,
		.remote_rtcp = p->rtcp_at,
	};
}

static inline void agree(struct leg *leg, const struct peer *p)
{
	struct media_agreed a = agreed(p);

	port_agree(leg->port, &a);
}

static inline void agree_direction(struct leg *leg, const struct peer *p, enum media_direction d)
{
	struct media_agreed a = agreed(p);

	a.direction = d;
	port_agree(leg->port, &a);
}

static inline void send_bytes(int fd, const void *data, size_t n, const struct addr *to)
{
	assert_int_equal(sendto(fd, data, n, 0, &to->sa, addr_len(to)), n);
}

/* One packet of 20 bytes; its second byte is given, its last one is a mark that the receiver checks. */
static inline void speak(struct peer *p, uint8_t second, uint8_t mark, const struct leg *to)
{
	uint8_t packet[20] = { 0x80, second, (uint8_t)(p->seq >> 8), (uint8_t)p->seq };

	p->seq++;
	packet[11] = 1;
	packet[19] = mark;
	send_bytes(p->rtp, packet, sizeof(packet), &to->local);
}

static inline void report(int fd, uint8_t mark, struct addr to)
{
	uint8_t packet[8] = { 0x80, 201, 0, 1, 0, 0, 0, mark };

	send_bytes(fd, packet, sizeof(packet), &to);
}

static inline struct addr rtcp_of(const struct leg *leg)
{
	struct addr a = leg->local;

	addr_set_port(&a, (uint16_t)(addr_port(&a) + 1));
	return a;
}

/* The next packet at fd, turning the loop until it is there. Its last byte, and its second in *second; -1 = none. */
static inline int hear(struct world *w, int fd, uint8_t *second, int tries)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	uint8_t packet[64];
	ssize_t n;

	for (int i = 0; i < tries; i++) {
		if (loop_is_virtual(w->loop))
			settle(w);
		if (poll(&ready, 1, 10) > 0)
			break;
	}
	n = recv(fd, packet, sizeof(packet), 0);
	if (n < 2)
		return -1;
	*second = packet[1];
	return packet[n - 1];
}

static inline void check_hears(struct world *w, int fd, int mark, uint8_t second)
{
	uint8_t got = 0xff;

	CHECK_INT(mark, hear(w, fd, &got, 200));
	CHECK_INT(second, got);
}

/* Nothing is there. The loop has nothing left to do, so nothing can come either. */
static inline void check_silent(struct world *w, int fd)
{
	uint8_t byte;

	settle(w);
	CHECK_INT(-1, recv(fd, &byte, 1, 0));
}

/* Two joined legs of PCMU and their phones, most tests begin so. */
struct pair {
	struct world w;
	struct peer pa, pb;
	struct leg a, b;
};

static inline void begin_pair(struct pair *p)
{
	p->w = world();
	p->pa = peer_at(2);
	p->pb = peer_at(3);
	open_leg(&p->w, &p->a, NULL);
	open_leg(&p->w, &p->b, &p->a);
	agree(&p->a, &p->pa);
	agree(&p->b, &p->pb);
	port_join(p->a.port, p->b.port);
	settle(&p->w);
}

static inline void end_pair(struct pair *p)
{
	close_leg(&p->w, &p->a);
	close_leg(&p->w, &p->b);
	end_peer(&p->pa);
	end_peer(&p->pb);
	end_world(&p->w);
}

#endif

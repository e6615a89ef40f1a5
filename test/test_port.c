#include "check.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/loop.h"
#include "media/port.h"
#include "net/sock.h"

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

static void on_heard(void *arg, const struct addr *from)
{
	struct leg *leg = arg;

	leg->heard++;
	leg->from = *from;
}

static void on_closed(void *arg, const struct port_stats *stats)
{
	struct leg *leg = arg;

	leg->closed++;
	leg->stats = *stats;
}

static const struct port_handlers handlers = { .heard = on_heard, .closed = on_closed };

/* A network of this process's own, so that two runs of the test do not take each other's ports. The last byte tells
 * who is meant: 1 is the server. */
static const char *host_of(unsigned last, char out[16])
{
	unsigned pid = (unsigned)getpid();

	snprintf(out, 16, "127.%u.%u.%u", 1 + pid / 256 % 254, pid % 256, last);
	return out;
}

static struct world world_of(const char *host, uint16_t min, uint16_t max, unsigned threads)
{
	char ours[16];
	struct media_opts o = { .port_min = min, .port_max = max, .threads = threads };
	struct world w = { 0 };

	assert_int_equal(loop_new(&w.loop, threads == 0, 7), 0);
	o.loop = w.loop;
	assert_int_equal(addr_parse(&o.bind, str_of(host ? host : host_of(1, ours)), 0), 0);
	assert_int_equal(media_new(&w.media, &o), 0);
	return w;
}

static struct world world(void)
{
	return world_of(NULL, PORT_MIN, PORT_MAX, 0);
}

static void end_world(struct world *w)
{
	CHECK_INT(0, media_ports_open(w->media));
	media_free(&w->media);
	CHECK_INT(0, loop_timer_count(w->loop));
	loop_free(&w->loop);
}

/* Until nothing is ready any more. A real loop turns once and sleeps for what comes. */
static void settle(struct world *w)
{
	if (loop_is_virtual(w->loop))
		loop_run_until(w->loop, loop_now_ms(w->loop));
	else
		loop_turn(w->loop);
}

static void open_leg(struct world *w, struct leg *leg, const struct leg *near)
{
	*leg = (struct leg){ 0 };
	assert_int_equal(port_open(&leg->port, w->media, near ? near->port : NULL, &handlers, leg), 0);
	port_local(leg->port, &leg->local);
}

static void close_leg(struct world *w, struct leg *leg)
{
	port_close(leg->port);
	while (!leg->closed)
		settle(w);
	CHECK_INT(1, leg->closed);
}

static struct peer peer_on(const char *host, uint16_t port)
{
	struct peer p = { 0 };

	assert_int_equal(addr_parse(&p.rtp_at, str_of(host), port), 0);
	p.rtcp_at = p.rtp_at;
	addr_set_port(&p.rtcp_at, (uint16_t)(port + 1));
	assert_int_equal(sock_udp(&p.rtp, &p.rtp_at), 0);
	assert_int_equal(sock_udp(&p.rtcp, &p.rtcp_at), 0);
	return p;
}

static struct peer peer_at(unsigned last)
{
	char host[16];

	return peer_on(host_of(last, host), 26000);
}

static void end_peer(struct peer *p)
{
	close(p->rtp);
	close(p->rtcp);
}

static struct media_agreed agreed(const struct peer *p)
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

static void agree(struct leg *leg, const struct peer *p)
{
	struct media_agreed a = agreed(p);

	port_agree(leg->port, &a);
}

static void agree_direction(struct leg *leg, const struct peer *p, enum media_direction d)
{
	struct media_agreed a = agreed(p);

	a.direction = d;
	port_agree(leg->port, &a);
}

static void send_bytes(int fd, const void *data, size_t n, const struct addr *to)
{
	assert_int_equal(sendto(fd, data, n, 0, &to->sa, addr_len(to)), n);
}

/* One packet of 20 bytes; its second byte is given, its last one is a mark that the receiver checks. */
static void speak(struct peer *p, uint8_t second, uint8_t mark, const struct leg *to)
{
	uint8_t packet[20] = { 0x80, second, (uint8_t)(p->seq >> 8), (uint8_t)p->seq };

	p->seq++;
	packet[11] = 1;
	packet[19] = mark;
	send_bytes(p->rtp, packet, sizeof(packet), &to->local);
}

static void report(int fd, uint8_t mark, struct addr to)
{
	uint8_t packet[8] = { 0x80, 201, 0, 1, 0, 0, 0, mark };

	send_bytes(fd, packet, sizeof(packet), &to);
}

static struct addr rtcp_of(const struct leg *leg)
{
	struct addr a = leg->local;

	addr_set_port(&a, (uint16_t)(addr_port(&a) + 1));
	return a;
}

/* The next packet at fd, turning the loop until it is there. Its last byte, and its second in *second; -1 = none. */
static int hear(struct world *w, int fd, uint8_t *second, int tries)
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

static void check_hears(struct world *w, int fd, int mark, uint8_t second)
{
	uint8_t got = 0xff;

	CHECK_INT(mark, hear(w, fd, &got, 200));
	CHECK_INT(second, got);
}

/* Nothing is there. The loop has nothing left to do, so nothing can come either. */
static void check_silent(struct world *w, int fd)
{
	uint8_t byte;

	settle(w);
	CHECK_INT(-1, recv(fd, &byte, 1, 0));
}

/* --- relay --- */

static void payload_types_are_mapped(void **state)
{
	struct world w = world();
	struct peer pa = peer_at(2), pb = peer_at(3);
	struct media_agreed aa = agreed(&pa), ab = agreed(&pb);
	struct leg a, b;

	/* a calls it 96 and 97, b answered our 111 and 101 with 98 and 99. */
	aa.codec = ab.codec = CODEC_OPUS;
	aa.send_pt = aa.recv_pt = 96;
	aa.event_send_pt = aa.event_recv_pt = 97;
	ab.send_pt = 98;
	ab.recv_pt = OPUS_PT;
	ab.event_send_pt = 99;
	ab.event_recv_pt = 101;
	open_leg(&w, &a, NULL);
	open_leg(&w, &b, &a);
	port_agree(a.port, &aa);
	port_agree(b.port, &ab);
	port_join(a.port, b.port);

	settle(&w);
	speak(&pa, 96, 1, &a);
	check_hears(&w, pb.rtp, 1, 98);
	speak(&pa, 0x80 | 97, 2, &a);
	check_hears(&w, pb.rtp, 2, 0x80 | 99);
	speak(&pb, 0x80 | OPUS_PT, 3, &b);
	check_hears(&w, pa.rtp, 3, 0x80 | 96);
	speak(&pb, 101, 4, &b);
	check_hears(&w, pa.rtp, 4, 97);
	speak(&pb, 98, 5, &b); /* their own numbers in their packets: understood */
	check_hears(&w, pa.rtp, 5, 96);
	speak(&pb, 99, 6, &b);
	check_hears(&w, pa.rtp, 6, 97);
	speak(&pa, 0, 7, &a); /* nobody agreed on that */
	speak(&pa, 13, 7, &a);
	check_silent(&w, pb.rtp);

	CHECK_INT(1, a.heard);
	CHECK(addr_equal(&a.from, &pa.rtp_at));
	close_leg(&w, &a);
	close_leg(&w, &b);
	CHECK_INT(2, a.stats.packets_in);
	CHECK_INT(40, a.stats.bytes_in);
	CHECK_INT(4, a.stats.packets_out);
	CHECK_INT(80, a.stats.bytes_out);
	CHECK_INT(2, a.stats.invalid);
	CHECK_INT(4, b.stats.packets_in);
	CHECK_INT(2, b.stats.packets_out);
	CHECK_INT(0, a.stats.foreign + b.stats.foreign + a.stats.lost + b.stats.lost);
	end_peer(&pa);
	end_peer(&pb);
	end_world(&w);
}

/* Two joined legs of PCMU and their phones, most tests begin so. */
struct pair {
	struct world w;
	struct peer pa, pb;
	struct leg a, b;
};

static void begin_pair(struct pair *p)
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

static void end_pair(struct pair *p)
{
	close_leg(&p->w, &p->a);
	close_leg(&p->w, &p->b);
	end_peer(&p->pa);
	end_peer(&p->pb);
	end_world(&p->w);
}

static void hold_stops_one_direction(void **state)
{
	static const struct {
		enum media_direction a; /* as seen from us */
		bool to_a, from_a;
	} rows[] = {
		{ MEDIA_RECVONLY, false, true },
		{ MEDIA_SENDONLY, true, false },
		{ MEDIA_INACTIVE, false, false },
		{ MEDIA_SENDRECV, true, true },
	};
	struct pair p;

	begin_pair(&p);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		agree_direction(&p.a, &p.pa, rows[i].a);
		settle(&p.w);
		speak(&p.pa, PCMU_PT, 1, &p.a);
		speak(&p.pb, PCMU_PT, 2, &p.b);
		if (rows[i].from_a)
			check_hears(&p.w, p.pb.rtp, 1, PCMU_PT);
		if (rows[i].to_a)
			check_hears(&p.w, p.pa.rtp, 2, PCMU_PT);
		check_silent(&p.w, p.pa.rtp);
		check_silent(&p.w, p.pb.rtp);
		report(p.pa.rtcp, 9, rtcp_of(&p.a)); /* reports go on */
		check_hears(&p.w, p.pb.rtcp, 9, 201);
	}
	end_pair(&p);
	CHECK_INT(2, p.a.stats.packets_out);
	CHECK_INT(2, p.b.stats.packets_out);
}

static void early_media_goes_one_way(void **state)
{
	struct world w = world();
	struct peer pa = peer_at(2), pb = peer_at(3);
	struct leg a, b;

	open_leg(&w, &a, NULL);
	open_leg(&w, &b, &a);
	agree(&a, &pa);
	speak(&pb, PCMU_PT, 1, &b); /* before any answer: dropped */
	settle(&w);
	agree(&b, &pb);
	port_feed(b.port, a.port);
	settle(&w);
	speak(&pb, PCMU_PT, 2, &b);
	check_hears(&w, pa.rtp, 2, PCMU_PT);
	speak(&pa, PCMU_PT, 3, &a);
	check_silent(&w, pb.rtp);
	port_join(a.port, b.port);
	settle(&w);
	speak(&pa, PCMU_PT, 4, &a);
	check_hears(&w, pb.rtp, 4, PCMU_PT);
	port_feed(b.port, a.port); /* and back again */
	settle(&w);
	speak(&pa, PCMU_PT, 5, &a);
	check_silent(&w, pb.rtp);
	port_part(b.port);
	settle(&w);
	speak(&pb, PCMU_PT, 6, &b);
	check_silent(&w, pa.rtp);
	close_leg(&w, &a);
	close_leg(&w, &b);
	CHECK_INT(1, b.stats.invalid);
	CHECK_INT(2, b.stats.packets_in);
	end_peer(&pa);
	end_peer(&pb);
	end_world(&w);
}

static void joining_again_replaces(void **state)
{
	struct pair p;
	struct peer pc;
	struct leg c;

	begin_pair(&p);
	pc = peer_at(4);
	open_leg(&p.w, &c, &p.a);
	agree(&c, &pc);
	port_join(p.a.port, c.port);
	settle(&p.w);
	speak(&p.pa, PCMU_PT, 1, &p.a);
	check_hears(&p.w, pc.rtp, 1, PCMU_PT);
	speak(&pc, PCMU_PT, 2, &c);
	check_hears(&p.w, p.pa.rtp, 2, PCMU_PT);
	speak(&p.pb, PCMU_PT, 3, &p.b);
	check_silent(&p.w, p.pa.rtp);
	check_silent(&p.w, p.pb.rtp);
	close_leg(&p.w, &c); /* a is left alone and does not speak into a dead port */
	speak(&p.pa, PCMU_PT, 4, &p.a);
	check_silent(&p.w, p.pb.rtp);
	end_peer(&pc);
	end_pair(&p);
}

/* The module of G.729 is not loaded here. */
static void what_cannot_be_coded_is_not_passed(void **state)
{
	struct pair p;
	struct media_agreed a;

	begin_pair(&p);
	a = agreed(&p.pb);
	a.codec = CODEC_G729;
	a.send_pt = a.recv_pt = 18;
	port_agree(p.b.port, &a);
	settle(&p.w);
	speak(&p.pa, PCMU_PT, 1, &p.a);
	check_silent(&p.w, p.pb.rtp);
	end_pair(&p);
	CHECK_INT(1, p.a.stats.invalid);
	CHECK_INT(0, p.b.stats.packets_out);
}

static void broken_packets_are_dropped(void **state)
{
	static const uint8_t rows[][16] = { { 0x00, 0 }, { 0x40, 0 }, { 0xc0, 0 },      { 0x8f, 0 },
					    { 0xa0, 0 }, { 0x16, 3 }, "OPTIONS sip:x@y" };
	uint8_t big[4000] = { 0x80 };
	struct addr rtcp;
	struct pair p;

	begin_pair(&p);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		send_bytes(p.pa.rtp, rows[i], sizeof(rows[i]), &p.a.local);
	send_bytes(p.pa.rtp, rows[0], 0, &p.a.local);
	send_bytes(p.pa.rtp, big, sizeof(big), &p.a.local);
	rtcp = rtcp_of(&p.a);
	big[1] = 201;
	send_bytes(p.pa.rtcp, big, sizeof(big), &rtcp);
	speak(&p.pa, PCMU_PT, 1, &p.a);
	check_hears(&p.w, p.pb.rtp, 1, PCMU_PT);
	end_pair(&p);
	CHECK_INT(1, p.a.stats.packets_in);
	CHECK_INT(ARRAY_LEN(rows) + 3, p.a.stats.invalid);
}

/* --- who is heard --- */

static void third_parties_neither_speak_nor_hear(void **state)
{
	struct pair p;
	struct peer evil;

	begin_pair(&p);
	evil = peer_at(66);
	speak(&p.pa, PCMU_PT, 1, &p.a);
	check_hears(&p.w, p.pb.rtp, 1, PCMU_PT);
	speak(&evil, PCMU_PT, 2, &p.a);
	send_bytes(p.pa.rtcp, "\x80\0\0\0\0\0\0\0\0\0\0\1", 12, &p.a.local); /* the peer's host, another port */
	speak(&p.pb, PCMU_PT, 3, &p.b);
	check_hears(&p.w, p.pa.rtp, 3, PCMU_PT);
	check_silent(&p.w, evil.rtp);
	check_silent(&p.w, p.pb.rtp);

	/* The same SDP again opens nothing; another one does, for the new address. */
	agree(&p.a, &p.pa);
	settle(&p.w);
	speak(&evil, PCMU_PT, 4, &p.a);
	check_silent(&p.w, p.pb.rtp);
	agree(&p.a, &evil);
	settle(&p.w);
	speak(&p.pb, PCMU_PT, 5, &p.b);
	check_hears(&p.w, evil.rtp, 5, PCMU_PT);
	speak(&evil, PCMU_PT, 6, &p.a);
	check_hears(&p.w, p.pb.rtp, 6, PCMU_PT);
	speak(&p.pa, PCMU_PT, 7, &p.a);
	check_silent(&p.w, p.pb.rtp);
	CHECK_INT(1, p.a.heard);
	end_peer(&evil);
	end_pair(&p);
	CHECK_INT(4, p.a.stats.foreign);
	CHECK_INT(2, p.a.stats.packets_in);
}

static void on_time(void *arg)
{
	*(bool *)arg = true;
}

/* A virtual clock only moves to timers. */
static void pass_time(struct world *w, uint64_t ms)
{
	struct loop_timer t = { 0 };
	bool due = false;

	loop_timer_start(w->loop, &t, ms, on_time, &due);
	while (!due)
		loop_turn(w->loop);
}

static void behind_a_nat_the_first_counts(void **state)
{
	struct pair p;
	struct peer inside, outside, late;

	begin_pair(&p);
	inside = peer_at(10);
	outside = peer_at(11);
	late = peer_at(12);
	agree(&p.a, &inside);
	settle(&p.w);
	speak(&outside, PCMU_PT, 1, &p.a);
	check_hears(&p.w, p.pb.rtp, 1, PCMU_PT);
	speak(&p.pb, PCMU_PT, 2, &p.b);
	check_hears(&p.w, outside.rtp, 2, PCMU_PT);
	check_silent(&p.w, inside.rtp);
	speak(&late, PCMU_PT, 3, &p.a);
	check_silent(&p.w, p.pb.rtp);
	CHECK(addr_equal(&p.a.from, &outside.rtp_at));

	/* After the window nobody is learnt any more. */
	agree(&p.a, &p.pa);
	settle(&p.w);
	pass_time(&p.w, 5000);
	speak(&late, PCMU_PT, 4, &p.a);
	check_silent(&p.w, p.pb.rtp);
	speak(&p.pa, PCMU_PT, 5, &p.a);
	check_hears(&p.w, p.pb.rtp, 5, PCMU_PT);
	end_peer(&inside);
	end_peer(&outside);
	end_peer(&late);
	end_pair(&p);
	CHECK_INT(2, p.a.stats.foreign);
}

/* --- RTCP --- */

static void reports_pass_beside(void **state)
{
	struct addr rtcp;
	struct pair p;
	struct peer evil;

	begin_pair(&p);
	evil = peer_at(66);
	report(p.pa.rtcp, 1, rtcp_of(&p.a));
	check_hears(&p.w, p.pb.rtcp, 1, 201);
	report(p.pb.rtcp, 2, rtcp_of(&p.b));
	check_hears(&p.w, p.pa.rtcp, 2, 201);
	report(evil.rtcp, 3, rtcp_of(&p.a));
	report(p.pa.rtp, 4, rtcp_of(&p.a)); /* the right host, another port */
	rtcp = rtcp_of(&p.a);
	send_bytes(p.pa.rtcp, "\x80\xca\0\1abcd", 8, &rtcp); /* no report in front */
	report(p.pa.rtp, 5, p.a.local);                      /* not agreed to share the port */
	check_silent(&p.w, p.pb.rtcp);
	check_silent(&p.w, p.pb.rtp);
	end_peer(&evil);
	end_pair(&p);
	CHECK_INT(1, p.a.stats.rtcp_in);
	CHECK_INT(1, p.a.stats.rtcp_out);
	CHECK_INT(2, p.a.stats.foreign);
	CHECK_INT(2, p.a.stats.invalid);
}

static void reports_share_the_port_when_agreed(void **state)
{
	struct pair p;
	struct peer evil;
	struct media_agreed a;

	begin_pair(&p);
	evil = peer_at(66);
	a = agreed(&p.pa);
	a.rtcp_mux = true;
	a.remote_rtcp = a.remote;
	port_agree(p.a.port, &a);
	settle(&p.w);
	report(evil.rtp, 1, p.a.local); /* a report never says who the peer is */
	report(p.pa.rtp, 2, p.a.local);
	check_hears(&p.w, p.pb.rtcp, 2, 201);
	report(p.pb.rtcp, 3, rtcp_of(&p.b));
	check_hears(&p.w, p.pa.rtp, 3, 201);
	speak(&p.pa, PCMU_PT, 4, &p.a);
	check_hears(&p.w, p.pb.rtp, 4, PCMU_PT);
	report(evil.rtp, 5, p.a.local);
	report(p.pa.rtp, 6, p.a.local);
	check_hears(&p.w, p.pb.rtcp, 6, 201);
	end_peer(&evil);
	end_pair(&p);
	CHECK_INT(2, p.a.stats.foreign);
	CHECK_INT(2, p.a.stats.rtcp_in);
	CHECK_INT(1, p.a.stats.rtcp_out);
}

/* --- life --- */

static void loss_is_counted(void **state)
{
	struct pair p;

	begin_pair(&p);
	speak(&p.pa, PCMU_PT, 1, &p.a);
	p.pa.seq += 3;
	speak(&p.pa, PCMU_PT, 2, &p.a);
	check_hears(&p.w, p.pb.rtp, 1, PCMU_PT);
	check_hears(&p.w, p.pb.rtp, 2, PCMU_PT);
	end_pair(&p);
	CHECK_INT(3, p.a.stats.lost);
}

static void a_closing_port_tells_only_that(void **state)
{
	struct pair p;

	begin_pair(&p);
	speak(&p.pa, PCMU_PT, 1, &p.a);
	port_close(p.a.port); /* before the loop could read the packet */
	while (!p.a.closed)
		settle(&p.w);
	CHECK_INT(0, p.a.heard);
	CHECK_INT(1, p.a.closed);
	settle(&p.w);
	CHECK_INT(1, p.a.closed);
	close_leg(&p.w, &p.b);
	end_peer(&p.pa);
	end_peer(&p.pb);
	end_world(&p.w);
}

static void pairs_are_used_in_turn(void **state)
{
	struct world w = world_of(NULL, 21001, 21008, 0); /* 21002 to 21007: three pairs */
	struct leg legs[3], more;
	uint16_t first;
	struct port *none = NULL;

	CHECK_INT(3, media_ports_free(w.media));
	for (size_t i = 0; i < ARRAY_LEN(legs); i++) {
		open_leg(&w, &legs[i], NULL);
		CHECK_INT(0, addr_port(&legs[i].local) % 2);
		CHECK(addr_port(&legs[i].local) >= 21002 && addr_port(&legs[i].local) <= 21006);
		for (size_t k = 0; k < i; k++)
			CHECK(!addr_equal(&legs[i].local, &legs[k].local));
	}
	CHECK_INT(3, media_ports_open(w.media));
	CHECK_INT(0, media_ports_free(w.media));
	CHECK_INT(ENOSPC, port_open(&none, w.media, NULL, &handlers, NULL));
	CHECK(!none);

	/* Given back at the end: the port that was free the longest comes first. */
	close_leg(&w, &legs[1]);
	close_leg(&w, &legs[0]);
	first = addr_port(&legs[1].local);
	open_leg(&w, &more, NULL);
	CHECK_INT(first, addr_port(&more.local));
	close_leg(&w, &more);
	close_leg(&w, &legs[2]);
	CHECK_INT(3, media_ports_free(w.media));
	end_world(&w);
}

static void pairs_of_others_are_passed_over(void **state)
{
	char host[16];
	struct world w = world_of(NULL, 21000, 21003, 0);
	struct peer other = peer_on(host_of(1, host), 21000);
	struct port *none = NULL;
	struct leg a;

	for (int i = 0; i < 3; i++) { /* whatever the order of the two is */
		open_leg(&w, &a, NULL);
		CHECK_INT(21002, addr_port(&a.local));
		CHECK_INT(ENOSPC, port_open(&none, w.media, NULL, &handlers, NULL));
		CHECK_INT(1, media_ports_free(w.media));
		close_leg(&w, &a);
	}
	end_peer(&other);
	end_world(&w);
}

static void options_are_checked(void **state)
{
	static const struct {
		uint16_t min, max;
		int err;
		size_t pairs;
	} rows[] = {
		{ 46000, 46001, 0, 1 },    { 46000, 46000, EINVAL, 0 }, { 46001, 46002, EINVAL, 0 },
		{ 46001, 46003, 0, 1 },    { 46010, 46000, EINVAL, 0 }, { 0, 46001, EINVAL, 0 },
		{ 46000, 65535, 0, 9768 }, { 65534, 65535, 0, 1 },      { 65535, 65535, EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct media_opts o = { .port_min = rows[i].min, .port_max = rows[i].max };
		struct media *m = NULL;

		assert_int_equal(loop_new(&o.loop, true, 1), 0);
		addr_parse(&o.bind, STR("127.0.0.1"), 0);
		CHECK_INT(rows[i].err, media_new(&m, &o));
		if (m)
			CHECK_INT(rows[i].pairs, media_ports_free(m));
		media_free(&m);
		loop_free(&o.loop);
	}
}

static void the_advertised_address_is_written(void **state)
{
	struct media_opts o = { .port_min = PORT_MIN, .port_max = PORT_MAX };
	struct world w = { 0 };
	char text[ADDR_TEXT];
	struct leg a;

	assert_int_equal(loop_new(&w.loop, true, 7), 0);
	o.loop = w.loop;
	addr_parse(&o.bind, STR("127.0.0.1"), 0);
	addr_parse(&o.advertise, STR("203.0.113.5"), 0);
	assert_int_equal(media_new(&w.media, &o), 0);
	open_leg(&w, &a, NULL);
	CHECK_STR("203.0.113.5", addr_host(&a.local, text));
	CHECK(addr_port(&a.local) >= PORT_MIN);
	close_leg(&w, &a);
	end_world(&w);
}

static void ports_move(void **state)
{
	struct media_opts to = { .port_min = PORT_MIN + 4, .port_max = PORT_MIN + 7 }, foreign = to, empty = to;
	struct world w = world_of("127.0.0.1", PORT_MIN, PORT_MIN + 5, 0);
	struct leg a, b, c;
	char text[ADDR_TEXT];
	struct addr at;

	addr_parse(&to.bind, STR("127.0.0.2"), 0);
	addr_parse(&foreign.bind, STR("192.0.2.1"), 0);
	empty.port_max = empty.port_min;
	CHECK_INT(EADDRNOTAVAIL, media_try(&foreign));
	CHECK_INT(EINVAL, media_try(&empty));
	CHECK_INT(0, media_try(&to));
	open_leg(&w, &a, NULL);
	CHECK_INT(2, media_ports_free(w.media));
	media_move(w.media, &to);
	CHECK(media_ports_free(w.media) == 2 || addr_port(&a.local) == PORT_MIN + 4);
	open_leg(&w, &b, NULL);
	CHECK(addr_port(&b.local) >= PORT_MIN + 4 && addr_port(&b.local) < PORT_MIN + 8);
	CHECK_STR("127.0.0.2", addr_host(&b.local, text));
	port_local(a.port, &at);
	CHECK_STR("127.0.0.1", addr_host(&at, text)); /* a re-offer says what the first one said */
	CHECK_INT(addr_port(&a.local), addr_port(&at));
	close_leg(&w, &a); /* goes back only where it belongs */
	CHECK_INT(1, media_ports_free(w.media));
	addr_parse(&to.advertise, STR("192.0.2.1"), 0);
	media_move(w.media, &to);
	CHECK_INT(1, media_ports_free(w.media));
	open_leg(&w, &c, NULL);
	CHECK_STR("192.0.2.1", addr_host(&c.local, text));
	close_leg(&w, &b);
	close_leg(&w, &c);
	CHECK_INT(2, media_ports_free(w.media));
	end_world(&w);
}

static void ipv6_works(void **state)
{
	struct addr any6;
	struct world w;
	struct peer pa, pb;
	struct leg a, b;
	int fd;

	addr_parse(&any6, STR("::1"), 0);
	if (sock_udp(&fd, &any6)) {
		fprintf(stderr, "skipped: no IPv6 here\n");
		return;
	}
	close(fd);
	w = world_of("::1", PORT_MIN, PORT_MAX, 0);
	pa = peer_on("::1", 26000);
	pb = peer_on("::1", 26002);
	open_leg(&w, &a, NULL);
	open_leg(&w, &b, &a);
	agree(&a, &pa);
	agree(&b, &pb);
	port_join(a.port, b.port);
	settle(&w);
	speak(&pa, PCMU_PT, 1, &a);
	check_hears(&w, pb.rtp, 1, PCMU_PT);
	close_leg(&w, &a);
	close_leg(&w, &b);
	end_peer(&pa);
	end_peer(&pb);
	end_world(&w);
}

/* --- many, and threads --- */

static void open_and_close_many(struct world *w, size_t count)
{
	struct leg *legs = calloc(count, sizeof(*legs));
	struct peer nobody = { 0 };
	bool open = true;

	assert_non_null(legs);
	addr_parse(&nobody.rtp_at, STR("127.0.0.2"), 26000);
	addr_parse(&nobody.rtcp_at, STR("127.0.0.2"), 26001);
	for (size_t i = 0; i < count; i += 2) {
		open_leg(w, &legs[i], NULL);
		open_leg(w, &legs[i + 1], &legs[i]);
		agree(&legs[i], &nobody);
		agree(&legs[i + 1], &nobody);
		port_join(legs[i].port, legs[i + 1].port);
	}
	CHECK_INT(count, media_ports_open(w->media));
	for (size_t i = 0; i < count; i++)
		port_close(legs[(i * 7) % count].port);
	while (open) {
		settle(w);
		open = media_ports_open(w->media) > 0;
	}
	for (size_t i = 0; i < count; i++)
		CHECK_INT(1, legs[i].closed);
	free(legs);
}

static void a_thousand_ports(void **state)
{
	struct world w = world_of(NULL, 22000, 24399, 0);

	for (int i = 0; i < 2; i++) {
		open_and_close_many(&w, 1000);
		CHECK_INT(1200, media_ports_free(w.media));
	}
	end_world(&w);
}

static void a_thousand_ports_on_threads(void **state)
{
	struct world w = world_of(NULL, 22000, 24399, 2);

	for (int i = 0; i < 2; i++)
		open_and_close_many(&w, 1000);
	end_world(&w);
}

static void a_thread_relays(void **state)
{
	struct world w = world_of(NULL, PORT_MIN, PORT_MAX, 1);
	struct peer pa = peer_at(2), pb = peer_at(3);
	struct leg a, b;

	open_leg(&w, &a, NULL);
	open_leg(&w, &b, &a);
	agree(&a, &pa);
	agree(&b, &pb);
	port_join(a.port, b.port);
	/* The commands may be under way still: what comes too early is dropped. */
	for (int i = 0; !a.heard && i < 1000; i++) {
		uint8_t second;

		speak(&pa, PCMU_PT, 1, &a);
		if (hear(&w, pb.rtp, &second, 1) == 1)
			settle(&w);
	}
	CHECK_INT(1, a.heard);
	for (int i = 0; i < 100 && !check_bad; i++) {
		speak(&pa, PCMU_PT, 2, &a);
		check_hears(&w, pb.rtp, 2, PCMU_PT);
		speak(&pb, PCMU_PT, 3, &b);
		check_hears(&w, pa.rtp, 3, PCMU_PT);
		report(pa.rtcp, 4, rtcp_of(&a));
		check_hears(&w, pb.rtcp, 4, 201);
	}
	close_leg(&w, &a);
	close_leg(&w, &b);
	CHECK(b.stats.packets_out >= 101);
	CHECK_INT(100, a.stats.packets_out);
	end_peer(&pa);
	end_peer(&pb);
	end_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(payload_types_are_mapped),
		TEST(hold_stops_one_direction),
		TEST(early_media_goes_one_way),
		TEST(joining_again_replaces),
		TEST(what_cannot_be_coded_is_not_passed),
		TEST(broken_packets_are_dropped),
		TEST(third_parties_neither_speak_nor_hear),
		TEST(behind_a_nat_the_first_counts),
		TEST(reports_pass_beside),
		TEST(reports_share_the_port_when_agreed),
		TEST(loss_is_counted),
		TEST(a_closing_port_tells_only_that),
		TEST(pairs_are_used_in_turn),
		TEST(pairs_of_others_are_passed_over),
		TEST(options_are_checked),
		TEST(the_advertised_address_is_written),
		TEST(ports_move),
		TEST(ipv6_works),
		TEST(a_thousand_ports),
		TEST(a_thousand_ports_on_threads),
		TEST(a_thread_relays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

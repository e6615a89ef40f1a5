/* A port of video: relayed with its feedback, and a whole picture is asked for whenever somebody begins to see it. */
#include "check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/loop.h"
#include "media/port.h"
#include "media/rtp.h"
#include "net/sock.h"
#include "own_net.h"

enum { PORT_MIN = 22000, PORT_MAX = 22999, PHONE_PORT = 26000, MARKER = 0x80 };

struct phone {
	struct port *port;
	struct addr at, rtcp_at, server, rtcp_server;
	int fd, rtcp_fd;
	struct media_agreed agreed;
	uint32_t ssrc;
	uint16_t seq;
	unsigned closed;
	struct port_stats stats;
};

struct world {
	struct loop *loop;
	struct media *media;
	struct phone a, b;
};

static void on_closed(void *arg, const struct port_stats *stats)
{
	struct phone *p = arg;

	p->closed++;
	p->stats = *stats;
}

static const struct port_handlers handlers = { .closed = on_closed };

/* A network of this process's own. */
static void open_phone(struct world *w, struct phone *p, unsigned last, uint8_t payload_type)
{
	own_addr(last, PHONE_PORT, &p->at);
	own_addr(last, PHONE_PORT + 1, &p->rtcp_at);
	assert_int_equal(sock_udp(&p->fd, &p->at), 0);
	assert_int_equal(sock_udp(&p->rtcp_fd, &p->rtcp_at), 0);
	assert_int_equal(port_open(&p->port, w->media, p == &w->b ? w->a.port : NULL, &handlers, p), 0);
	port_local(p->port, &p->server);
	p->rtcp_server = p->server;
	addr_set_port(&p->rtcp_server, (uint16_t)(addr_port(&p->server) + 1));
	p->ssrc = 1000 + last;
	p->agreed = (struct media_agreed){
		.codec = CODEC_VP8,
		.send_pt = payload_type,
		.recv_pt = payload_type,
		.event_send_pt = MEDIA_NO_PT,
		.event_recv_pt = MEDIA_NO_PT,
		.feedback = VIDEO_PLI | VIDEO_FIR | VIDEO_NACK,
		.remote = p->at,
		.remote_rtcp = p->rtcp_at,
	};
}

static void turn(struct world *w)
{
	loop_run_until(w->loop, loop_now_ms(w->loop));
}

static void agree(struct world *w, struct phone *p, enum media_direction d)
{
	p->agreed.direction = d;
	port_agree(p->port, &p->agreed);
	turn(w);
}

static void begin(struct world *w)
{
	struct media_opts o = { .port_min = PORT_MIN, .port_max = PORT_MAX };

	*w = (struct world){ 0 };
	assert_int_equal(loop_new(&w->loop, true, 3), 0);
	o.loop = w->loop;
	own_addr(1, 0, &o.bind);
	assert_int_equal(media_new(&w->media, &o), 0);
	open_phone(w, &w->a, 2, 96);
	open_phone(w, &w->b, 3, 120);
	agree(w, &w->a, MEDIA_SENDRECV);
	agree(w, &w->b, MEDIA_SENDRECV);
}

static void join(struct world *w)
{
	port_join(w->a.port, w->b.port);
	turn(w);
}

static void end_phone(struct world *w, struct phone *p)
{
	port_close(p->port);
	while (!p->closed)
		loop_turn(w->loop);
	close(p->fd);
	close(p->rtcp_fd);
}

static void end(struct world *w)
{
	end_phone(w, &w->a);
	end_phone(w, &w->b);
	media_free(&w->media);
	loop_free(&w->loop);
}

static void throw(int fd, const uint8_t *bytes, size_t n, const struct addr *to)
{
	assert_int_equal(sendto(fd, bytes, n, 0, &to->sa, addr_len(to)), n);
}

/* The end of a picture: the marker must stay. */
static void speak(struct phone *p, uint8_t mark)
{
	uint8_t packet[1200] = { 0x80, MARKER | p->agreed.recv_pt };

	rtp_renumber(packet, p->seq++, 9000, p->ssrc);
	packet[1199] = mark;
	throw(p->fd, packet, sizeof(packet), &p->server);
}

/* The next packet at fd; 0 = there is none, and the loop has nothing left to do. */
static size_t fetch(struct world *w, int fd, uint8_t out[2048])
{
	ssize_t n = -1;

	for (int i = 0; i < 3 && n < 0; i++) {
		turn(w);
		n = recv(fd, out, 2048, MSG_DONTWAIT);
	}
	return n < 0 ? 0 : (size_t)n;
}

static void sees(struct world *w, struct phone *p, uint32_t ssrc, uint8_t mark)
{
	uint8_t packet[2048] = { 0 };
	struct rtp_header h;

	CHECK_INT(1200, fetch(w, p->fd, packet));
	CHECK_INT(0, rtp_parse(&h, packet, 1200));
	CHECK_INT(p->agreed.send_pt, h.payload_type);
	CHECK(h.marker);
	CHECK_INT(ssrc, h.ssrc);
	CHECK_INT(mark, packet[1199]);
}

static void hears_nothing(struct world *w, const struct phone *p)
{
	uint8_t packet[2048];

	CHECK_INT(0, fetch(w, p->rtcp_fd, packet));
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* p is asked for a whole picture of its own stream. */
static void is_asked(struct world *w, const struct phone *p)
{
	uint8_t packet[2048] = { 0 };

	CHECK_INT(20, fetch(w, p->rtcp_fd, packet));
	CHECK_INT(201, packet[1]);
	CHECK_INT(0x81, packet[8]); /* PLI */
	CHECK_INT(206, packet[9]);
	CHECK_INT(p->ssrc, be32(packet + 16));
	hears_nothing(w, p);
}

static void a_picture_is_asked_for_at_the_join(void **state)
{
	struct world w;

	begin(&w);
	speak(&w.a, 1);
	turn(&w);
	hears_nothing(&w, &w.a); /* nobody sees it */
	join(&w);
	is_asked(&w, &w.a);
	hears_nothing(&w, &w.b); /* of it nothing has been seen: it has no name yet */
	speak(&w.b, 2);
	sees(&w, &w.a, w.b.ssrc, 2);
	is_asked(&w, &w.b);
	for (uint8_t mark = 3; mark < 20; mark++) {
		speak(&w.a, mark);
		sees(&w, &w.b, w.a.ssrc, mark);
		speak(&w.b, mark);
		sees(&w, &w.a, w.b.ssrc, mark);
	}
	hears_nothing(&w, &w.a);
	hears_nothing(&w, &w.b);
	join(&w); /* said again: nothing new */
	hears_nothing(&w, &w.a);
	end(&w);
	CHECK_INT(0, w.a.stats.invalid + w.a.stats.foreign + w.b.stats.invalid + w.b.stats.foreign);
}

static void a_picture_is_asked_for_after_a_hold(void **state)
{
	struct world w;

	begin(&w);
	join(&w);
	speak(&w.a, 1);
	sees(&w, &w.b, w.a.ssrc, 1);
	is_asked(&w, &w.a);
	agree(&w, &w.b, MEDIA_RECVONLY); /* b does not listen */
	speak(&w.a, 2);
	CHECK_INT(0, fetch(&w, w.b.fd, (uint8_t[2048]){ 0 }));
	hears_nothing(&w, &w.a);
	agree(&w, &w.b, MEDIA_SENDRECV);
	is_asked(&w, &w.a);
	speak(&w.a, 3);
	sees(&w, &w.b, w.a.ssrc, 3);
	end(&w);
}

/* Early media: one way, so one is asked. */
static void a_picture_is_asked_for_one_way(void **state)
{
	struct world w;

	begin(&w);
	speak(&w.a, 1);
	speak(&w.b, 1);
	turn(&w);
	port_feed(w.a.port, w.b.port);
	turn(&w);
	is_asked(&w, &w.a);
	hears_nothing(&w, &w.b);
	join(&w);
	is_asked(&w, &w.b);
	end(&w);
}

/* By FIR who knows nothing else, with a new number each time (RFC 5104 §4.3.1.1). */
static void who_knows_fir_alone_gets_that(void **state)
{
	uint8_t packet[2048];
	struct world w;

	begin(&w);
	w.a.agreed.feedback = VIDEO_FIR;
	agree(&w, &w.a, MEDIA_SENDRECV);
	speak(&w.a, 1);
	turn(&w);
	for (uint8_t number = 0; number < 3; number++) {
		join(&w);
		CHECK_INT(28, fetch(&w, w.a.rtcp_fd, packet));
		CHECK_INT(0x84, packet[8]);
		CHECK_INT(206, packet[9]);
		CHECK_INT(w.a.ssrc, be32(packet + 20));
		CHECK_INT(number, packet[24]);
		port_part(w.a.port);
	}
	end(&w);
}

/* What one asks of the other's coder arrives there as it was said, with the SSRC that it knows. */
static void feedback_is_relayed(void **state)
{
	uint8_t nack[24] = { 0x80, 201, 0, 1, 0, 0, 0, 9, 0x81, 205, 0, 3, 0, 0, 0, 9, 0, 0, 0x03, 0xea, 0, 7, 0, 0 };
	uint8_t pli[12] = { 0x81, 206, 0, 2, 0, 0, 0, 9, 0, 0, 0x03, 0xea };
	uint8_t packet[2048];
	struct addr stranger_at;
	struct world w;
	int stranger;

	begin(&w);
	join(&w);
	speak(&w.a, 1);
	sees(&w, &w.b, w.a.ssrc, 1);
	is_asked(&w, &w.a);
	CHECK_INT(w.a.ssrc, be32(nack + 16));
	throw(w.b.rtcp_fd, nack, sizeof(nack), &w.b.rtcp_server);
	CHECK_INT(sizeof(nack), fetch(&w, w.a.rtcp_fd, packet));
	CHECK(!memcmp(nack, packet, sizeof(nack)));
	/* The short form is made whole: a may not know it (RFC 5506). */
	throw(w.b.rtcp_fd, pli, sizeof(pli), &w.b.rtcp_server);
	CHECK_INT(20, fetch(&w, w.a.rtcp_fd, packet));
	CHECK_INT(201, packet[1]);
	CHECK(!memcmp(pli, packet + 8, sizeof(pli)));
	/* A third address asks nobody for anything. */
	own_addr(4, PHONE_PORT, &stranger_at);
	assert_int_equal(sock_udp(&stranger, &stranger_at), 0);
	throw(stranger, nack, sizeof(nack), &w.b.rtcp_server);
	hears_nothing(&w, &w.a);
	close(stranger);
	end(&w);
	CHECK_INT(2, w.b.stats.rtcp_in);
	CHECK_INT(1, w.b.stats.foreign);
}

static void another_codec_is_not_passed_on(void **state)
{
	struct world w;

	begin(&w);
	w.b.agreed.codec = CODEC_H264;
	agree(&w, &w.b, MEDIA_SENDRECV);
	join(&w);
	speak(&w.a, 1);
	CHECK_INT(0, fetch(&w, w.b.fd, (uint8_t[2048]){ 0 }));
	hears_nothing(&w, &w.a);
	end(&w);
	CHECK_INT(1, w.a.stats.invalid);
	CHECK_INT(0, w.b.stats.packets_out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_picture_is_asked_for_at_the_join),
		TEST(a_picture_is_asked_for_after_a_hold),
		TEST(a_picture_is_asked_for_one_way),
		TEST(who_knows_fir_alone_gets_that),
		TEST(feedback_is_relayed),
		TEST(another_codec_is_not_passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

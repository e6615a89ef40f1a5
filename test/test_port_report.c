#include "check.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/loop.h"
#include "media/port.h"
#include "media/rtcp.h"
#include "media/rtp.h"
#include "net/sock.h"
#include "own_net.h"

enum { PORT_MIN = 22000, PORT_MAX = 22999, PAYLOAD = 160, PACKET_MS = 20 };

static const char name[] = "0123456789abcdef";

/* A phone with both its sockets. */
struct phone {
	struct port *port;
	enum codec_id codec;
	int rtp, rtcp;
	struct addr at, rtcp_at, server, server_rtcp;
	uint32_t ssrc;
	uint16_t seq;
	bool talks;
	unsigned closed, silences;
	struct port_silence silence;
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

static void on_silence(void *arg, const struct port_silence *s)
{
	struct phone *p = arg;

	p->silences++;
	p->silence = *s;
}

static const struct port_handlers handlers = { .closed = on_closed, .silence = on_silence };

static void agree(struct phone *p, enum codec_id codec, enum media_direction direction)
{
	struct media_agreed a = {
		.codec = codec,
		.send_pt = codec_get(codec)->payload_type,
		.recv_pt = codec_get(codec)->payload_type,
		.event_send_pt = MEDIA_NO_PT,
		.event_recv_pt = MEDIA_NO_PT,
		.remote = p->at,
		.remote_rtcp = p->rtcp_at,
		.direction = direction,
	};

	p->codec = codec;
	port_agree(p->port, &a);
}

static void open_phone(struct world *w, struct phone *p, unsigned last, const struct port *near)
{
	own_addr(last, 26000, &p->at);
	own_addr(last, 26001, &p->rtcp_at);
	assert_int_equal(sock_udp(&p->rtp, &p->at), 0);
	assert_int_equal(sock_udp(&p->rtcp, &p->rtcp_at), 0);
	assert_int_equal(port_open(&p->port, w->media, near, &handlers, p), 0);
	port_local(p->port, &p->server);
	p->server_rtcp = p->server;
	addr_set_port(&p->server_rtcp, (uint16_t)(addr_port(&p->server) + 1));
	p->ssrc = 0x1000 + last;
}

static void run_ms(struct world *w, unsigned ms);

static struct world *begin(enum codec_id a, enum codec_id b)
{
	struct media_opts o = { .port_min = PORT_MIN, .port_max = PORT_MAX };
	struct world *w = calloc(1, sizeof(*w));

	assert_int_equal(loop_new(&w->loop, true, 3), 0);
	o.loop = w->loop;
	own_addr(1, 0, &o.bind);
	assert_int_equal(media_new(&w->media, &o), 0);
	open_phone(w, &w->a, 2, NULL);
	open_phone(w, &w->b, 3, w->a.port);
	agree(&w->a, a, MEDIA_SENDRECV);
	agree(&w->b, b, MEDIA_SENDRECV);
	port_join(w->a.port, w->b.port);
	run_ms(w, PACKET_MS);
	return w;
}

/* Closes the ports; the phones' figures stay. */
static void close_ports(struct world *w)
{
	port_close(w->a.port);
	port_close(w->b.port);
	loop_run_until(w->loop, loop_now_ms(w->loop) + 100);
	CHECK_INT(2, w->a.closed + w->b.closed);
}

static void end(struct world *w)
{
	if (!w->a.closed)
		close_ports(w);
	close(w->a.rtp);
	close(w->a.rtcp);
	close(w->b.rtp);
	close(w->b.rtcp);
	media_free(&w->media);
	CHECK_INT(0, loop_timer_count(w->loop));
	loop_free(&w->loop);
	free(w);
}

static void speak_as(struct phone *p, int fd, uint8_t payload_type)
{
	uint8_t packet[RTP_HEADER_BYTES + PAYLOAD] = { 0x80, payload_type };

	rtp_renumber(packet, p->seq, (uint32_t)p->seq * PAYLOAD, p->ssrc);
	p->seq++;
	CHECK(sendto(fd, packet, sizeof(packet), 0, &p->server.sa, addr_len(&p->server)) > 0);
}

static void run_ms(struct world *w, unsigned ms)
{
	for (unsigned i = 0; i < ms; i += PACKET_MS) {
		if (w->a.talks)
			speak_as(&w->a, w->a.rtp, codec_get(w->a.codec)->payload_type);
		if (w->b.talks)
			speak_as(&w->b, w->b.rtp, codec_get(w->b.codec)->payload_type);
		loop_run_until(w->loop, loop_now_ms(w->loop) + PACKET_MS);
	}
}

static void report(struct phone *p, const struct rtcp_report *r)
{
	uint8_t packet[RTCP_MAX_BYTES];
	size_t n = rtcp_write(packet, r, name);

	CHECK(sendto(p->rtcp, packet, n, 0, &p->server_rtcp.sa, addr_len(&p->server_rtcp)) > 0);
}

/* The newest report that has come; false = none. */
static bool hear_report(struct phone *p, struct rtcp_report *out)
{
	uint8_t packet[RTP_MAX_BYTES];
	bool any = false;
	ssize_t n;

	while ((n = recv(p->rtcp, packet, sizeof(packet), MSG_DONTWAIT)) > 0) {
		CHECK_INT(0, rtcp_check(packet, (size_t)n));
		CHECK_INT(0, rtcp_read(out, packet, (size_t)n));
		any = true;
	}
	return any;
}

/* --- reports --- */

static void relayed_reports_tell_the_round_trip(void **state)
{
	struct world *w = begin(CODEC_PCMU, CODEC_PCMU);
	struct rtcp_report sr = { .ssrc = w->a.ssrc, .sends = true, .ntp = 0x1111222233334444 }, heard = { 0 };
	struct rtcp_report rr = { .ssrc = w->b.ssrc,
				  .count = 1,
				  .blocks = { { .ssrc = w->a.ssrc, .lost = 5, .jitter = 80, .sr = 0x22223333 } } };

	w->a.talks = w->b.talks = true;
	run_ms(w, 1000);
	report(&w->a, &sr);
	run_ms(w, 60);
	CHECK(hear_report(&w->b, &heard));
	CHECK(heard.ntp == sr.ntp && heard.ssrc == w->a.ssrc);
	sr.ntp += 5ull << 32; /* the next one meets the answer on its way */
	report(&w->a, &sr);
	run_ms(w, 20);
	CHECK(hear_report(&w->b, &heard));
	rr.blocks[0].sr_age = 65536 / 25; /* 40 ms of the 80 */
	report(&w->b, &rr);
	run_ms(w, 20);
	CHECK(hear_report(&w->a, &heard));
	CHECK_INT(w->b.ssrc, heard.ssrc);
	/* Nobody else tells them anything: the reports are theirs. */
	run_ms(w, 20000);
	CHECK(!hear_report(&w->a, &heard) && !hear_report(&w->b, &heard));
	close_ports(w);
	CHECK(w->b.stats.round_trip_us > 35000 && w->b.stats.round_trip_us < 45000);
	CHECK(w->b.stats.far_reported);
	CHECK_INT(5, w->b.stats.far_lost);
	CHECK_INT(10000, w->b.stats.far_jitter_us);
	CHECK(w->b.stats.far_score > 400 && w->b.stats.far_score < w->b.stats.score);
	CHECK_INT(0, w->a.stats.round_trip_us);
	CHECK(!w->a.stats.far_reported);
	end(w);
}

static void lies_in_reports_are_ignored(void **state)
{
	static const struct rtcp_block rows[] = {
		{ .ssrc = 0x1002, .sr = 0x55556666 },                      /* never sent */
		{ .ssrc = 0x1002, .sr = 0x22223333, .sr_age = 65536 * 9 }, /* held for longer than it is old */
		{ .ssrc = 0x7777, .sr = 0x22223333 },                      /* of no stream here */
	};
	struct world *w = begin(CODEC_PCMU, CODEC_PCMU);
	struct rtcp_report sr = { .ssrc = w->a.ssrc, .sends = true, .ntp = 0x1111222233334444 };

	w->a.talks = true;
	run_ms(w, 100);
	report(&w->a, &sr);
	run_ms(w, 60);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		report(&w->b, &(struct rtcp_report){ .ssrc = 9, .count = 1, .blocks = { rows[i] } });
		run_ms(w, 20);
	}
	close_ports(w);
	CHECK_INT(0, w->b.stats.round_trip_us);
	end(w);
}

static void coarse_clocks_make_the_trip_short_not_unknown(void **state)
{
	struct world *w = begin(CODEC_PCMU, CODEC_PCMU);
	struct rtcp_report sr = { .ssrc = w->a.ssrc, .sends = true, .ntp = 0x1111222233334444 };
	struct rtcp_block late = { .ssrc = w->a.ssrc, .sr = 0x22223333, .sr_age = 65536 / 40 };

	w->a.talks = true;
	run_ms(w, 100);
	report(&w->a, &sr);
	run_ms(w, 20);
	report(&w->b, &(struct rtcp_report){ .ssrc = 9, .count = 1, .blocks = { late } });
	run_ms(w, 20);
	close_ports(w);
	CHECK_INT(1, w->b.stats.round_trip_us);
	end(w);
}

static void made_streams_are_reported_by_us(void **state)
{
	struct world *w = begin(CODEC_PCMU, CODEC_PCMA);
	struct rtcp_report sr = { .ssrc = w->a.ssrc, .sends = true, .ntp = 0x1111222233334444 }, ours = { 0 }, none;
	struct rtcp_report rr = { .ssrc = w->a.ssrc, .count = 1 };
	unsigned reports = 0;

	w->a.talks = w->b.talks = true;
	run_ms(w, 2000);
	report(&w->a, &sr);
	w->a.seq += 25; /* lost on the way */
	for (int i = 0; i < 150; i++) {
		run_ms(w, 200);
		if (!hear_report(&w->a, &ours))
			continue;
		reports++;
		CHECK(ours.sends && ours.count == 1);
		CHECK_INT(w->a.ssrc, ours.blocks[0].ssrc);
		CHECK_INT(25, ours.blocks[0].lost);
		CHECK(reports > 1 || ours.blocks[0].fraction > 10);
		CHECK(reports == 1 || ours.blocks[0].fraction == 0);
		CHECK_INT(0x22223333, ours.blocks[0].sr);
		CHECK(ours.blocks[0].sr_age > 0);
		CHECK(ours.blocks[0].highest < w->a.seq && ours.blocks[0].highest + 11 > w->a.seq);
		CHECK(ours.packets > 90 && ours.bytes == ours.packets * PAYLOAD);
		rr.blocks[0] = (struct rtcp_block){
			.ssrc = ours.ssrc, .sr = rtcp_middle(ours.ntp), .fraction = 26, .lost = 10, .sr_age = 1311
		};
		report(&w->a, &rr);
	}
	/* 30 s, every 2.5 to 7.5. */
	CHECK(reports >= 4 && reports <= 12);
	CHECK(hear_report(&w->b, &none));
	CHECK(none.ntp != sr.ntp);
	close_ports(w);
	CHECK_INT(25, w->a.stats.lost);
	CHECK_INT(10, w->a.stats.far_lost);
	CHECK(w->a.stats.round_trip_us > 0 && w->a.stats.round_trip_us < 200000);
	CHECK(w->a.stats.score > 300 && w->a.stats.score < 440);
	end(w);
}

static void reports_go_where_mux_was_agreed(void **state)
{
	struct world *w = begin(CODEC_PCMU, CODEC_PCMA);
	struct media_agreed muxed = {
		.codec = CODEC_PCMU,
		.event_send_pt = MEDIA_NO_PT,
		.event_recv_pt = MEDIA_NO_PT,
		.remote = w->a.at,
		.remote_rtcp = w->a.at,
		.rtcp_mux = true,
	};
	uint8_t packet[RTP_MAX_BYTES];
	unsigned reports = 0;
	ssize_t n;

	port_agree(w->a.port, &muxed);
	w->a.talks = w->b.talks = true;
	for (int i = 0; i < 90; i++) {
		run_ms(w, 100);
		while ((n = recv(w->a.rtp, packet, sizeof(packet), MSG_DONTWAIT)) > 0)
			reports += rtcp_is_muxed(packet, (size_t)n) && !rtcp_check(packet, (size_t)n);
	}
	CHECK(reports >= 1);
	CHECK(recv(w->a.rtcp, packet, sizeof(packet), MSG_DONTWAIT) < 0);
	end(w);
}

static void a_party_alone_is_told_how_it_is_heard(void **state)
{
	struct world *w = begin(CODEC_PCMU, CODEC_PCMU);
	struct rtcp_report ours;

	port_part(w->a.port);
	w->a.talks = true;
	run_ms(w, 9000);
	CHECK(hear_report(&w->a, &ours));
	CHECK(!ours.sends && ours.count == 1 && ours.blocks[0].ssrc == w->a.ssrc);
	CHECK(!hear_report(&w->b, &ours));
	end(w);
}

/* --- silence --- */

static void silence_is_told_with_its_cause(void **state)
{
	struct world *w = begin(CODEC_PCMU, CODEC_PCMU);
	struct phone *a = &w->a;

	a->talks = true;
	run_ms(w, 1000);
	port_expect(a->port, 10000);
	run_ms(w, 1000);
	a->talks = false;
	run_ms(w, 9000);
	CHECK_INT(0, a->silences);
	run_ms(w, 2100);
	CHECK_INT(1, a->silences);
	CHECK(!a->silence.over && a->silence.ms >= 10000 && a->silence.ms < 11500);
	CHECK_INT(PORT_STRAY_NONE, a->silence.stray);
	run_ms(w, 60000);
	CHECK_INT(1, a->silences); /* once */
	a->talks = true;
	run_ms(w, 1200);
	CHECK_INT(2, a->silences);
	CHECK(a->silence.over && a->silence.ms > 70000);

	/* Now something else comes. */
	a->talks = false;
	for (int i = 0; i < 12; i++) {
		speak_as(a, a->rtp, 97);
		run_ms(w, 1000);
	}
	CHECK_INT(3, a->silences);
	CHECK_INT(PORT_STRAY_TYPE, a->silence.stray);
	CHECK_INT(97, a->silence.payload_type);
	CHECK(addr_equal(&a->silence.from, &a->at));
	CHECK_INT(0, w->b.silences);
	end(w);
}

static void causes(void **state)
{
	static const struct {
		bool foreign, bad;
		enum port_stray want;
	} rows[] = { { true, false, PORT_STRAY_FOREIGN }, { false, true, PORT_STRAY_BAD } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world *w = begin(CODEC_PCMU, CODEC_PCMU);

		speak_as(&w->a, w->a.rtp, 0);
		run_ms(w, 100);
		port_expect(w->a.port, 3000);
		for (int k = 0; k < 6; k++) {
			if (rows[i].foreign)
				speak_as(&w->a, w->b.rtp, 0);
			if (rows[i].bad)
				CHECK(sendto(w->a.rtp, "x", 1, 0, &w->a.server.sa, addr_len(&w->a.server)) > 0);
			run_ms(w, 1000);
		}
		CHECK_INT(1, w->a.silences);
		CHECK_INT(rows[i].want, w->a.silence.stray);
		CHECK(addr_equal(&w->a.silence.from, rows[i].foreign ? &w->b.at : &w->a.at));
		end(w);
	}
}

static void who_may_not_speak_is_not_missed(void **state)
{
	struct world *w = begin(CODEC_PCMU, CODEC_PCMU);

	port_expect(w->a.port, 5000);
	agree(&w->a, CODEC_PCMU, MEDIA_SENDONLY); /* on hold */
	run_ms(w, 20000);
	CHECK_INT(0, w->a.silences);
	agree(&w->a, CODEC_PCMU, MEDIA_SENDRECV);
	run_ms(w, 4000);
	CHECK_INT(0, w->a.silences);
	run_ms(w, 2500);
	CHECK_INT(1, w->a.silences);
	port_expect(w->b.port, 5000);
	port_expect(w->b.port, 0);
	run_ms(w, 20000);
	CHECK_INT(0, w->b.silences);
	end(w);
}

static void noise_is_passed_on_as_it_is(void **state)
{
	struct world *w = begin(CODEC_PCMU, CODEC_PCMU);
	uint8_t packet[RTP_MAX_BYTES];

	port_expect(w->a.port, 5000);
	for (int i = 0; i < 10; i++) {
		speak_as(&w->a, w->a.rtp, 13);
		run_ms(w, 1000);
		CHECK(recv(w->b.rtp, packet, sizeof(packet), MSG_DONTWAIT) > 0);
		CHECK_INT(13, packet[1]);
	}
	CHECK_INT(0, w->a.silences);
	close_ports(w);
	CHECK_INT(0, w->a.stats.invalid);
	CHECK_INT(10, w->a.stats.packets_in);
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(relayed_reports_tell_the_round_trip),
		TEST(lies_in_reports_are_ignored),
		TEST(coarse_clocks_make_the_trip_short_not_unknown),
		TEST(made_streams_are_reported_by_us),
		TEST(reports_go_where_mux_was_agreed),
		TEST(a_party_alone_is_told_how_it_is_heard),
		TEST(silence_is_told_with_its_cause),
		TEST(causes),
		TEST(who_may_not_speak_is_not_missed),
		TEST(noise_is_passed_on_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

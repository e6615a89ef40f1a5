/* Packets of a tap on real sockets: what RFC 3550 wants of them, and that they hold what was pushed. */
#include "check.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "media/coder.h"
#include "media/rtp.h"
#include "media/tap.h"
#include "net/sock.h"
#include "net/ws_feed.h"

enum { FRAME = TAP_FRAME_BYTES };

static const struct tap_opts usual = {
	.wants = SINK_SAID,
	.codec = CODEC_PCMU,
	.packet_ms = 20,
	.ssrc = 0x01020304,
	.timestamp = 0xffffff00u, /* wraps */
	.seq = 0xfffe,
};

struct ear { /* who hears the RTP */
	int fd;
	struct addr at;
};

static void open_ear(struct ear *e, uint16_t port)
{
	socklen_t len = sizeof(e->at);

	assert_int_equal(addr_parse(&e->at, STR("127.0.0.1"), port), 0);
	assert_int_equal(sock_udp(&e->fd, &e->at), 0);
	assert_int_equal(getsockname(e->fd, &e->at.sa, &len), 0);
}

/* The next packet; 0 bytes = none within ms. */
static size_t hear(const struct ear *e, uint8_t *out, struct rtp_header *h, struct addr *from, int ms)
{
	struct pollfd p = { .fd = e->fd, .events = POLLIN };
	socklen_t len = sizeof(*from);
	ssize_t n;

	if (poll(&p, 1, ms) != 1)
		return 0;
	n = recvfrom(e->fd, out, RTP_MAX_BYTES, 0, &from->sa, &len);
	assert_true(n > 0);
	assert_int_equal(rtp_parse(h, out, (size_t)n), 0);
	return (size_t)n;
}

static void fill(int16_t *out, size_t at, double hz, double amplitude)
{
	for (size_t i = 0; i < FRAME; i++)
		out[i] = (int16_t)(amplitude * sin(2 * M_PI * hz * (double)(at + i) / TAP_RATE_HZ));
}

static struct sink *open_tap(struct tap **t, struct tap_opts o, const struct ear *e)
{
	o.to = e->at;
	assert_int_equal(addr_parse(&o.from, STR("127.0.0.1"), 0), 0);
	assert_int_equal(tap_new(t, &o), 0);
	return tap_lend(*t);
}

static void packets_are_as_the_rfc_wants(void **state)
{
	static const struct {
		enum codec_id codec;
		uint32_t packet_ms;
		uint8_t payload_type;
		unsigned packets; /* of 10 frames */
	} rows[] = {
		{ CODEC_PCMU, 20, 0, 10 }, { CODEC_PCMA, 20, 8, 10 }, { CODEC_PCMU, 10, 0, 20 },
		{ CODEC_PCMU, 30, 0, 6 },  { CODEC_PCMA, 25, 8, 8 },  { CODEC_PCMU, 100, 0, 2 },
	};
	const struct addr none = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tap_opts o = usual;
		struct addr from = none, source = none;
		struct decoder *decoder = NULL;
		struct rtp_header h;
		uint8_t packet[RTP_MAX_BYTES];
		int16_t said[FRAME], plain[CODER_MAX_SAMPLES], back[FRAME * 10];
		size_t count = 0;
		struct sink *sink;
		struct tap *tap;
		struct ear ear;

		o.codec = rows[i].codec;
		o.packet_ms = rows[i].packet_ms;
		open_ear(&ear, 0);
		sink = open_tap(&tap, o, &ear);
		tap_source(tap, &source);
		CHECK_INT(0, decoder_new(&decoder, rows[i].codec, TAP_RATE_HZ));
		for (size_t at = 0; at < 10 * FRAME; at += FRAME) {
			fill(said, at, 440, 8000);
			CHECK(sink->ops->push(sink, said, NULL, FRAME, TAP_RATE_HZ));
		}
		for (unsigned k = 0; k < rows[i].packets; k++) {
			size_t n = hear(&ear, packet, &h, &from, 5000), ticks = rows[i].packet_ms * 8;

			CHECK_INT(RTP_HEADER_BYTES + ticks, n);
			CHECK_INT(0x80, packet[0]);
			CHECK_INT(rows[i].payload_type, h.payload_type);
			CHECK_INT(k == 0, h.marker);
			CHECK_INT((uint16_t)(usual.seq + k), h.seq);
			CHECK_INT((uint32_t)(usual.timestamp + k * ticks), h.timestamp);
			CHECK_INT(usual.ssrc, h.ssrc);
			CHECK(addr_equal(&source, &from));
			for (size_t part = 0; part < ticks; part += 80) { /* a decoder takes 60 ms at most */
				size_t m = ticks - part < 80 ? ticks - part : 80;

				CHECK_INT(m, decoder_run(decoder, packet + RTP_HEADER_BYTES + part, m, plain));
				memcpy(back + count, plain, m * sizeof(*plain));
				count += m;
			}
		}
		CHECK_INT(0, hear(&ear, packet, &h, &from, 0));
		for (size_t at = 0; at + FRAME <= count; at += FRAME) {
			fill(said, at, 440, 8000);
			for (size_t s = 0; s < FRAME; s++)
				CHECK(abs(said[s] - back[at + s]) < 400);
		}
		CHECK_INT(0, tap_lost_ms(tap));
		tap_close(&tap);
		CHECK(!tap);
		CHECK(!sink->ops->push(sink, said, NULL, FRAME, TAP_RATE_HZ)); /* wants to be let go */
		sink->ops->free(sink);
		decoder_free(&decoder);
		close(ear.fd);
	}
}

static void both_are_mixed(void **state)
{
	static const struct {
		int16_t said, heard, sum;
	} rows[] = { { 1000, 2000, 3000 }, { 30000, 30000, 32767 }, { -30000, -30000, -32768 }, { 8000, -8000, 0 } };
	struct tap_opts o = usual;
	struct decoder *decoder = NULL;
	struct addr from = { 0 };
	struct sink *sink;
	struct tap *tap;
	struct ear ear;

	o.wants = SINK_BOTH;
	open_ear(&ear, 0);
	sink = open_tap(&tap, o, &ear);
	CHECK_INT(SINK_BOTH, sink->wants);
	CHECK_INT(TAP_RATE_HZ, sink->rate_hz);
	CHECK_INT(0, decoder_new(&decoder, CODEC_PCMU, TAP_RATE_HZ));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int16_t said[FRAME], heard[FRAME], plain[CODER_MAX_SAMPLES];
		uint8_t packet[RTP_MAX_BYTES];
		struct rtp_header h;

		for (size_t k = 0; k < FRAME; k++) {
			said[k] = rows[i].said;
			heard[k] = rows[i].heard;
		}
		CHECK(sink->ops->push(sink, said, heard, FRAME, TAP_RATE_HZ));
		CHECK_INT(RTP_HEADER_BYTES + FRAME, hear(&ear, packet, &h, &from, 5000));
		CHECK_INT(FRAME, decoder_run(decoder, packet + RTP_HEADER_BYTES, FRAME, plain));
		CHECK(abs(rows[i].sum - plain[7]) < 700);
	}
	sink->ops->free(sink); /* before it is closed */
	tap_close(&tap);
	decoder_free(&decoder);
	close(ear.fd);
}

/* Packets to nobody are lost and counted; who begins to listen hears the rest, with the gap in the numbers. */
static void nobody_listens_at_first(void **state)
{
	const int16_t quiet[FRAME] = { 0 };
	uint8_t packet[RTP_MAX_BYTES];
	struct addr from = { 0 };
	struct rtp_header h;
	struct sink *sink;
	struct tap *tap;
	struct ear ear;
	size_t n = 0;

	open_ear(&ear, 0);
	close(ear.fd);
	sink = open_tap(&tap, usual, &ear);
	for (int i = 0; i < 100 && !tap_lost_ms(tap); i++) {
		CHECK(sink->ops->push(sink, quiet, NULL, FRAME, TAP_RATE_HZ));
		poll(NULL, 0, 10);
	}
	CHECK(tap_lost_ms(tap) > 0);
	open_ear(&ear, addr_port(&ear.at));
	for (int i = 0; i < 3; i++)
		CHECK(sink->ops->push(sink, quiet, NULL, FRAME, TAP_RATE_HZ));
	n = hear(&ear, packet, &h, &from, 5000);
	CHECK_INT(RTP_HEADER_BYTES + FRAME, n);
	CHECK(h.seq != usual.seq && !h.marker);
	tap_close(&tap);
	sink->ops->free(sink);
	close(ear.fd);
}

static void a_target_that_cannot_be(void **state)
{
	struct tap_opts o = usual;
	struct tap *tap = NULL;

	/* A socket of the loopback address reaches nobody else. */
	CHECK_INT(0, addr_parse(&o.from, STR("127.0.0.1"), 0));
	CHECK_INT(0, addr_parse(&o.to, STR("192.0.2.1"), 4000));
	CHECK(tap_new(&tap, &o) != 0);
	/* Of another family: from anywhere. */
	CHECK_INT(0, addr_parse(&o.to, STR("::1"), 4000));
	if (!tap_new(&tap, &o)) { /* a machine may be without IPv6 */
		struct addr source = { 0 };

		tap_source(tap, &source);
		CHECK(addr_is_v6(&source));
	}
	tap_close(&tap);
	tap_close(&tap); /* NULL is fine */
}

static void frames_go_into_the_queue(void **state)
{
	struct tap_opts o = usual;
	uint8_t frame[FRAME];
	int16_t said[FRAME];
	struct sink *sink;
	struct tap *tap;

	assert_int_equal(ws_feed_new(&o.feed, FRAME, 3), 0);
	assert_int_equal(tap_new(&tap, &o), 0);
	sink = tap_lend(tap);
	for (size_t i = 0; i < 5; i++) {
		fill(said, i * FRAME, 440, 8000);
		CHECK(sink->ops->push(sink, said, NULL, FRAME, TAP_RATE_HZ));
	}
	CHECK_INT(40, tap_lost_ms(tap));
	CHECK_INT(3, ws_feed_waiting(o.feed));
	CHECK_INT(FRAME, ws_feed_take(o.feed, frame));
	tap_close(&tap);
	sink->ops->free(sink);
	CHECK_INT(FRAME, ws_feed_take(o.feed, frame)); /* its own reference */
	ws_feed_drop(&o.feed);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(packets_are_as_the_rfc_wants), TEST(both_are_mixed),           TEST(nobody_listens_at_first),
		TEST(a_target_that_cannot_be),      TEST(frames_go_into_the_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

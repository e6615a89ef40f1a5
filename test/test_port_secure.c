#include "check.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/loop.h"
#include "media/offer_secure.h"
#include "media/player.h"
#include "media/port.h"
#include "media/rtp.h"
#include "media/source.h"
#include "net/sock.h"
#include "own_net.h"

enum { PORT_MIN = 22000, PORT_MAX = 22999, PHONE_PORT = 26000, BYTES = 172, CALM_MS = 300 };

/* A phone that speaks SRTP, or RTP when keys is NULL; and its port. */
struct phone {
	struct port *port;
	struct addr at, rtcp_at, server, rtcp_server;
	int fd, rtcp_fd;
	struct secure *secure;
	struct media_keys *keys; /* as the server has them */
	struct media_agreed agreed;
	uint32_t ssrc;
	uint16_t seq;
	unsigned closed, played;
	struct port_stats stats;
	struct port_silence silence;
	unsigned silences;
};

struct world {
	struct loop *loop;
	struct media *media;
	struct phone a, b;
};

struct packet {
	_Alignas(8) uint8_t bytes[400];
	size_t n;
};

static void on_closed(void *arg, const struct port_stats *stats)
{
	struct phone *p = arg;

	p->closed++;
	p->stats = *stats;
}

static void on_played(void *arg, uint32_t id, enum port_played how)
{
	((struct phone *)arg)->played++;
}

static void on_silence(void *arg, const struct port_silence *s)
{
	struct phone *p = arg;

	p->silences++;
	p->silence = *s;
}

static const struct port_handlers handlers = { .played = on_played, .silence = on_silence, .closed = on_closed };

/* Of the server; the phone has the mirror. */
static void set_keys(struct phone *p, enum secure_suite suite, unsigned seed)
{
	struct secure_key *ours = &p->keys->ours[suite], *theirs = &p->keys->theirs;
	struct secure_pair mirror;

	ours->set = theirs->set = true;
	ours->suite = theirs->suite = suite;
	for (unsigned i = 0; i < SECURE_KEY_BYTES; i++) {
		ours->bytes[i] = (uint8_t)(seed * 31 + i * 7);
		theirs->bytes[i] = (uint8_t)(seed * 17 + i * 11 + 1);
	}
	mirror = (struct secure_pair){ .ours = *theirs, .theirs = *ours };
	if (p->secure)
		CHECK_INT(0, secure_keep(p->secure, &mirror));
	else
		assert_int_equal(secure_new(&p->secure, &mirror), 0);
	p->agreed.keys = p->keys;
}

static void agree(struct world *w, struct phone *p)
{
	port_agree(p->port, &p->agreed);
	loop_run_until(w->loop, loop_now_ms(w->loop));
}

static void open_phone(struct world *w, struct phone *p, unsigned last, const struct port *near)
{
	own_addr(last, PHONE_PORT, &p->at);
	own_addr(last, PHONE_PORT + 1, &p->rtcp_at);
	assert_int_equal(sock_udp(&p->fd, &p->at), 0);
	assert_int_equal(sock_udp(&p->rtcp_fd, &p->rtcp_at), 0);
	assert_int_equal(port_open(&p->port, w->media, near, &handlers, p), 0);
	port_local(p->port, &p->server);
	p->rtcp_server = p->server;
	addr_set_port(&p->rtcp_server, (uint16_t)(addr_port(&p->server) + 1));
	p->keys = calloc(1, sizeof(*p->keys));
	p->ssrc = 1000 + last;
	p->agreed = (struct media_agreed){
		.codec = CODEC_PCMU,
		.event_send_pt = 101,
		.event_recv_pt = 101,
		.remote = p->at,
		.remote_rtcp = p->rtcp_at,
	};
}

static void begin(struct world *w)
{
	struct media_opts o = { .port_min = PORT_MIN, .port_max = PORT_MAX };

	*w = (struct world){ 0 };
	assert_int_equal(loop_new(&w->loop, true, 3), 0);
	o.loop = w->loop;
	own_addr(1, 0, &o.bind);
	assert_int_equal(media_new(&w->media, &o), 0);
	open_phone(w, &w->a, 2, NULL);
	open_phone(w, &w->b, 3, w->a.port);
}

static void join(struct world *w)
{
	agree(w, &w->a);
	agree(w, &w->b);
	port_join(w->a.port, w->b.port);
	loop_run_until(w->loop, loop_now_ms(w->loop));
}

static void end_phone(struct world *w, struct phone *p)
{
	port_close(p->port);
	while (!p->closed)
		loop_turn(w->loop);
	secure_free(&p->secure);
	media_keys_free(&p->keys);
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

/* --- packets --- */

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static struct packet make(struct phone *p, uint8_t second, uint8_t mark)
{
	struct packet k = { .bytes = { 0x80, second }, .n = BYTES };

	rtp_renumber(k.bytes, p->seq, p->seq * 160u, p->ssrc);
	p->seq++;
	memset(k.bytes + RTP_HEADER_BYTES, mark, k.n - RTP_HEADER_BYTES);
	return k;
}

static struct packet make_report(const struct phone *p, uint8_t mark)
{
	struct packet k = { .bytes = { 0x81, 201, 0, 7 }, .n = 32 };

	k.bytes[7] = (uint8_t)p->ssrc;
	memset(k.bytes + 8, mark, 24);
	return k;
}

static void seal(struct phone *p, bool rtcp, struct packet *k)
{
	if (p->secure)
		CHECK_INT(0, secure_protect(p->secure, rtcp, k->bytes, &k->n, sizeof(k->bytes)));
}

static void throw(int fd, const struct packet *k, const struct addr *to)
{
	assert_int_equal(sendto(fd, k->bytes, k->n, 0, &to->sa, addr_len(to)), k->n);
}

static void speak(struct phone *p, uint8_t second, uint8_t mark)
{
	struct packet k = make(p, second, mark);

	seal(p, false, &k);
	throw(p->fd, &k, &p->server);
}

/* The next packet at fd as it came; n = 0: there is none, and the loop has nothing left to do. */
static struct packet fetch(struct world *w, int fd)
{
	struct packet k = { .n = 0 };
	ssize_t n = -1;

	for (int i = 0; i < 3 && n < 0; i++) {
		loop_run_until(w->loop, loop_now_ms(w->loop));
		n = recv(fd, k.bytes, sizeof(k.bytes), MSG_DONTWAIT);
	}
	k.n = n < 0 ? 0 : (size_t)n;
	return k;
}

/* p hears a packet of this second byte full of mark; on the wire it is not that when p has SRTP. */
static void hears(struct world *w, struct phone *p, uint8_t second, uint8_t mark)
{
	struct packet k = fetch(w, p->fd);

	CHECK(k.n >= BYTES);
	CHECK_INT(p->secure != NULL, k.n > BYTES);
	CHECK_INT(p->secure != NULL, k.bytes[20] != mark || k.bytes[21] != mark);
	if (p->secure)
		CHECK_INT(0, secure_unprotect(p->secure, false, k.bytes, &k.n));
	CHECK_INT(BYTES, k.n);
	CHECK_INT(second, k.bytes[1]);
	CHECK_INT(mark, k.bytes[RTP_HEADER_BYTES]);
	CHECK_INT(mark, k.bytes[BYTES - 1]);
}

static void silent(struct world *w, const struct phone *p)
{
	CHECK_INT(0, fetch(w, p->fd).n);
	CHECK_INT(0, fetch(w, p->rtcp_fd).n);
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

/* --- tests --- */

enum { NONE = -1 };

static void every_pair_relays(void **state)
{
	static const int suites[][2] = {
		{ SECURE_AES_CM_128_80, NONE },
		{ NONE, SECURE_AEAD_AES_128_GCM },
		{ SECURE_AES_CM_128_80, SECURE_AES_CM_128_80 },
		{ SECURE_AES_CM_128_32, SECURE_AEAD_AES_256_GCM },
		{ SECURE_AES_256_CM_80, SECURE_AES_256_CM_32 },
		{ NONE, NONE },
	};

	for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
		struct world w;

		begin(&w);
		if (suites[i][0] != NONE)
			set_keys(&w.a, (enum secure_suite)suites[i][0], 1);
		if (suites[i][1] != NONE)
			set_keys(&w.b, (enum secure_suite)suites[i][1], 2);
		w.a.seq = 65530; /* the counters go over on the way */
		w.b.agreed.event_send_pt = 99;
		join(&w);
		for (uint8_t mark = 1; mark < 20; mark++) {
			speak(&w.a, 0, mark);
			hears(&w, &w.b, 0, mark);
			speak(&w.b, 0x80, mark);
			hears(&w, &w.a, 0x80, mark);
		}
		speak(&w.a, 101, 77);
		hears(&w, &w.b, 99, 77);
		silent(&w, &w.a);
		silent(&w, &w.b);
		end(&w);
		CHECK_INT(20, w.a.stats.packets_in);
		CHECK_INT(20, w.b.stats.packets_out);
		CHECK_INT(19, w.b.stats.packets_in);
		CHECK_INT(0, w.a.stats.unauthentic + w.b.stats.unauthentic + w.a.stats.invalid + w.b.stats.invalid);
	}
}

static void reports_are_protected(void **state)
{
	for (int muxed = 0; muxed < 2; muxed++) {
		struct world w;
		struct packet k, bad;

		begin(&w);
		set_keys(&w.a, SECURE_AES_CM_128_80, 1);
		set_keys(&w.b, SECURE_AEAD_AES_128_GCM, 2);
		w.a.agreed.rtcp_mux = muxed;
		join(&w);
		speak(&w.a, 0, 1);
		hears(&w, &w.b, 0, 1);
		k = make_report(&w.a, 5);
		seal(&w.a, true, &k);
		bad = k;
		bad.bytes[12] ^= 1;
		throw(muxed ? w.a.fd : w.a.rtcp_fd, &bad, muxed ? &w.a.server : &w.a.rtcp_server);
		silent(&w, &w.b);
		throw(muxed ? w.a.fd : w.a.rtcp_fd, &k, muxed ? &w.a.server : &w.a.rtcp_server);
		k = fetch(&w, w.b.rtcp_fd);
		CHECK_INT(32 + 20, k.n);
		CHECK_INT(0, secure_unprotect(w.b.secure, true, k.bytes, &k.n));
		CHECK_INT(32, k.n);
		CHECK_INT(5, k.bytes[31]);
		k = make_report(&w.b, 6); /* in the clear */
		throw(w.b.rtcp_fd, &k, &w.b.rtcp_server);
		silent(&w, &w.a);
		end(&w);
		CHECK_INT(1, w.a.stats.rtcp_in);
		CHECK_INT(1, w.b.stats.rtcp_out);
		CHECK_INT(1, w.a.stats.unauthentic);
		CHECK_INT(1, w.b.stats.unauthentic);
	}
}

/* CVE-2025-53399 and kin: neither relayed nor learnt from. */
static void what_is_not_authentic_teaches_nothing(void **state)
{
	struct phone stranger = { .ssrc = 9, .fd = -1 }, outside = { .ssrc = 10 };
	struct world w;
	struct packet k;

	begin(&w);
	set_keys(&w.a, SECURE_AES_CM_128_80, 1);
	join(&w);
	own_addr(66, PHONE_PORT, &stranger.at);
	own_addr(67, PHONE_PORT, &outside.at);
	assert_int_equal(sock_udp(&stranger.fd, &stranger.at), 0);
	assert_int_equal(sock_udp(&outside.fd, &outside.at), 0);
	/* The first that is heard within the window, but without the key. */
	for (int i = 0; i < 5; i++) {
		k = make(&stranger, 0, 1);
		k.n += 10;
		throw(stranger.fd, &k, &w.a.server);
		k = make(&stranger, 0, 1);
		throw(stranger.fd, &k, &w.a.server);
	}
	silent(&w, &w.b);
	speak(&w.b, 0, 2);
	hears(&w, &w.a, 0, 2);
	CHECK_INT(0, fetch(&w, stranger.fd).n);
	/* The peer from behind a NAT, with it. */
	k = make(&w.a, 0, 3);
	seal(&w.a, false, &k);
	throw(outside.fd, &k, &w.a.server);
	hears(&w, &w.b, 0, 3);
	speak(&w.b, 0, 4);
	k = fetch(&w, outside.fd);
	CHECK_INT(0, secure_unprotect(w.a.secure, false, k.bytes, &k.n));
	CHECK_INT(4, k.bytes[BYTES - 1]);
	/* Again, from where it came and from elsewhere. */
	k = make(&w.a, 0, 5);
	seal(&w.a, false, &k);
	throw(outside.fd, &k, &w.a.server);
	hears(&w, &w.b, 0, 5);
	throw(outside.fd, &k, &w.a.server);
	throw(stranger.fd, &k, &w.a.server);
	silent(&w, &w.b);
	/* In the clear. */
	k = make(&w.a, 0, 6);
	throw(outside.fd, &k, &w.a.server);
	silent(&w, &w.b);
	close(stranger.fd);
	close(outside.fd);
	end(&w);
	CHECK_INT(2, w.a.stats.packets_in);
	CHECK_INT(12, w.a.stats.unauthentic);
	CHECK_INT(1, w.a.stats.foreign);
}

static void reoffers_keep_counters_and_change_keys(void **state)
{
	struct world w;

	begin(&w);
	set_keys(&w.a, SECURE_AES_CM_128_80, 1);
	set_keys(&w.b, SECURE_AEAD_AES_128_GCM, 2);
	w.a.seq = 65500;
	join(&w);
	for (int i = 0; i < 100; i++) {
		speak(&w.a, 0, (uint8_t)(i + 1));
		hears(&w, &w.b, 0, (uint8_t)(i + 1));
	}
	/* Hold and back, the keys as they were: a forgotten counter would be 0, and everything deaf. */
	w.a.agreed.direction = w.b.agreed.direction = MEDIA_INACTIVE;
	agree(&w, &w.a);
	agree(&w, &w.b);
	speak(&w.a, 0, 1);
	silent(&w, &w.b);
	w.a.agreed.direction = w.b.agreed.direction = MEDIA_SENDRECV;
	agree(&w, &w.a);
	agree(&w, &w.b);
	speak(&w.a, 0, 2);
	hears(&w, &w.b, 0, 2);
	/* New keys. */
	set_keys(&w.a, SECURE_AES_256_CM_80, 5);
	agree(&w, &w.a);
	w.a.ssrc++;
	speak(&w.a, 0, 3);
	hears(&w, &w.b, 0, 3);
	speak(&w.b, 0, 4);
	hears(&w, &w.a, 0, 4);
	/* RTP from now on. */
	secure_free(&w.a.secure);
	w.a.agreed.keys = NULL;
	agree(&w, &w.a);
	speak(&w.a, 0, 5);
	hears(&w, &w.b, 0, 5);
	speak(&w.b, 0, 6);
	hears(&w, &w.a, 0, 6);
	end(&w);
	CHECK_INT(0, w.a.stats.unauthentic + w.b.stats.unauthentic);
}

/* Phones begin their numbers anew after a hold, and keep their SSRC: heard after a few packets, not after minutes. */
static void numbers_may_begin_anew(void **state)
{
	struct world w;

	begin(&w);
	set_keys(&w.b, SECURE_AES_CM_128_80, 2);
	w.a.seq = 5000;
	join(&w);
	for (uint8_t mark = 1; mark < 50; mark++) {
		speak(&w.a, 0, mark);
		hears(&w, &w.b, 0, mark);
	}
	w.a.seq = 100;
	for (uint8_t mark = 1; mark <= 5; mark++) {
		speak(&w.a, 0, mark);
		silent(&w, &w.b);
	}
	for (uint8_t mark = 10; mark < 50; mark++) {
		speak(&w.a, 0, mark);
		hears(&w, &w.b, 0, mark);
	}
	/* Doubles are doubles, however many: one of two is heard. */
	for (uint8_t mark = 1; mark < 50; mark++) {
		speak(&w.a, 0, mark);
		hears(&w, &w.b, 0, mark);
		w.a.seq--;
		speak(&w.a, 0, mark);
		silent(&w, &w.b);
	}
	end(&w);
}

/* Of video a NACK brings packets again. They cannot be sealed a second time; the stream goes on under its name. */
static void packets_of_video_may_come_again(void **state)
{
	struct world w;
	struct packet k;

	begin(&w);
	w.a.agreed.codec = w.b.agreed.codec = CODEC_VP8;
	set_keys(&w.b, SECURE_AEAD_AES_128_GCM, 2);
	join(&w);
	for (uint8_t mark = 1; mark < 50; mark++) {
		speak(&w.a, 0, mark);
		hears(&w, &w.b, 0, mark);
	}
	w.a.seq -= 49;
	for (uint8_t mark = 1; mark < 50; mark++) {
		speak(&w.a, 0, mark);
		CHECK_INT(0, fetch(&w, w.b.fd).n);
	}
	speak(&w.a, 0, 60);
	k = fetch(&w, w.b.fd);
	CHECK_INT(0, secure_unprotect(w.b.secure, false, k.bytes, &k.n));
	CHECK_INT(w.a.ssrc, be32(k.bytes + 8));
	end(&w);
}

/* Keys that cannot be used are no reason to speak in the clear. */
static void without_a_stream_nothing_passes(void **state)
{
	struct world w;
	struct packet k;

	begin(&w);
	set_keys(&w.a, SECURE_AES_CM_128_80, 1);
	w.a.keys->ours[SECURE_AES_CM_128_80].set = false;
	join(&w);
	speak(&w.a, 0, 1);
	silent(&w, &w.b);
	speak(&w.b, 0, 2);
	silent(&w, &w.a);
	k = make_report(&w.b, 6);
	throw(w.b.rtcp_fd, &k, &w.b.rtcp_server);
	silent(&w, &w.a);
	CHECK_INT(0, port_play(w.a.port, 1, source_silence(100), 1));
	pass_time(&w, CALM_MS);
	silent(&w, &w.a);
	CHECK_INT(1, w.a.played);
	end(&w);
	CHECK_INT(1, w.a.stats.unauthentic);
	CHECK_INT(0, w.a.stats.packets_out);
}

/* What is made here bears one SSRC, whose numbers go on. */
static void made_audio_is_protected(void **state)
{
	struct world w;
	uint32_t ssrc = 0, last[2] = { 0 }, went_by;
	uint16_t seq = 0;
	unsigned packets = 0;

	begin(&w);
	set_keys(&w.a, SECURE_AEAD_AES_128_GCM, 1);
	join(&w);
	for (int turn = 0; turn < 2; turn++) {
		struct packet k;
		struct rtp_header h;

		CHECK_INT(0, port_play(w.a.port, (uint32_t)turn + 1, source_ring(STR("us"), 1000), 1));
		pass_time(&w, 2000);
		CHECK_INT(turn + 1, w.a.played);
		for (k = fetch(&w, w.a.fd); k.n; k = fetch(&w, w.a.fd)) {
			CHECK_INT(0, secure_unprotect(w.a.secure, false, k.bytes, &k.n));
			CHECK_INT(BYTES, k.n);
			CHECK_INT(0, rtp_parse(&h, k.bytes, k.n));
			CHECK(!packets || (h.ssrc == ssrc && h.seq == (uint16_t)(seq + 1)));
			ssrc = h.ssrc;
			last[turn] = h.timestamp;
			seq = h.seq;
			packets++;
		}
	}
	CHECK_INT(100, packets);
	went_by = last[1] - last[0];
	CHECK(went_by > 16000 - 400 && went_by < 16000 + 400);
	end(&w);
}

/* Reports of ours name the source that the party hears, and are sealed like what they are about. */
static void made_reports_are_protected(void **state)
{
	struct world w;
	struct packet k;
	unsigned reports = 0;
	uint32_t ssrc = 0;

	begin(&w);
	set_keys(&w.a, SECURE_AES_CM_128_80, 1);
	join(&w);
	speak(&w.a, 0, 1);
	CHECK_INT(0, port_play(w.a.port, 1, source_ring(STR("us"), 20000), 1));
	for (int i = 0; i < 200; i++) {
		pass_time(&w, 100);
		for (k = fetch(&w, w.a.fd); k.n; k = fetch(&w, w.a.fd)) {
			CHECK_INT(0, secure_unprotect(w.a.secure, false, k.bytes, &k.n));
			ssrc = be32(k.bytes + 8);
		}
		k = fetch(&w, w.a.rtcp_fd);
		if (!k.n)
			continue;
		CHECK_INT(0, secure_unprotect(w.a.secure, true, k.bytes, &k.n));
		CHECK_INT(200, k.bytes[1]);
		CHECK(be32(k.bytes + 4) == ssrc);
		reports++;
	}
	CHECK(reports >= 2);
	end(&w);
}

/* A party whose reports name a source under its other name: they are of our stream all the same. */
static void reports_on_a_stream_under_another_name_count(void **state)
{
	struct world w;
	struct packet k = { .n = 0 }, report;
	uint8_t *block;

	begin(&w);
	set_keys(&w.b, SECURE_AES_CM_128_80, 2);
	w.a.seq = 5000;
	join(&w);
	speak(&w.a, 0, 1);
	hears(&w, &w.b, 0, 1);
	w.a.seq = 100;
	for (uint8_t mark = 1; mark <= 5; mark++) {
		speak(&w.a, 0, mark);
		silent(&w, &w.b);
	}
	speak(&w.a, 0, 9);
	k = fetch(&w, w.b.fd);
	CHECK_INT(0, secure_unprotect(w.b.secure, false, k.bytes, &k.n));
	CHECK(be32(k.bytes + 8) != w.a.ssrc);
	report = make_report(&w.b, 0);
	report.bytes[6] = (uint8_t)(w.b.ssrc >> 8);
	block = report.bytes + 8;
	memcpy(block, k.bytes + 8, 4);
	block[7] = 12; /* lost */
	seal(&w.b, true, &report);
	throw(w.b.rtcp_fd, &report, &w.b.rtcp_server);
	/* Who sends the stream hears of it under the name that it gave it, and is spoken of by the other one. */
	report = fetch(&w, w.a.rtcp_fd);
	CHECK_INT(32, report.n);
	CHECK_INT(w.b.ssrc, be32(report.bytes + 4));
	CHECK_INT(w.a.ssrc, be32(report.bytes + 8));
	report = make_report(&w.a, 0);
	report.bytes[6] = (uint8_t)(w.a.ssrc >> 8);
	throw(w.a.rtcp_fd, &report, &w.a.rtcp_server);
	report = fetch(&w, w.b.rtcp_fd);
	CHECK_INT(0, secure_unprotect(w.b.secure, true, report.bytes, &report.n));
	CHECK_INT(32, report.n);
	CHECK_INT(be32(k.bytes + 8), be32(report.bytes + 4));
	end(&w);
	CHECK(w.b.stats.far_reported);
	CHECK_INT(12, w.b.stats.far_lost);
}

static void what_is_not_authentic_is_why_nothing_is_heard(void **state)
{
	struct world w;
	struct packet k;

	begin(&w);
	set_keys(&w.a, SECURE_AES_CM_128_80, 1);
	join(&w);
	speak(&w.a, 0, 1);
	hears(&w, &w.b, 0, 1);
	port_expect(w.a.port, 3000);
	for (int i = 0; i < 6; i++) {
		k = make(&w.a, 0, 1); /* as RTP */
		throw(w.a.fd, &k, &w.a.server);
		pass_time(&w, 1000);
	}
	CHECK_INT(1, w.a.silences);
	CHECK_INT(PORT_STRAY_UNAUTHENTIC, w.a.silence.stray);
	CHECK(addr_equal(&w.a.silence.from, &w.a.at));
	k = make(&w.a, 0, 1);
	seal(&w.a, false, &k);
	throw(w.a.fd, &k, &w.a.server);
	pass_time(&w, 2000);
	CHECK_INT(2, w.a.silences);
	CHECK(w.a.silence.over);
	/* And from elsewhere: told as it is without SRTP. */
	for (int i = 0; i < 6; i++) {
		k = make(&w.a, 0, 1);
		throw(w.b.fd, &k, &w.a.server);
		pass_time(&w, 1000);
	}
	CHECK_INT(3, w.a.silences);
	CHECK_INT(PORT_STRAY_FOREIGN, w.a.silence.stray);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_pair_relays),
		TEST(reports_are_protected),
		TEST(what_is_not_authentic_teaches_nothing),
		TEST(reoffers_keep_counters_and_change_keys),
		TEST(numbers_may_begin_anew),
		TEST(packets_of_video_may_come_again),
		TEST(without_a_stream_nothing_passes),
		TEST(made_audio_is_protected),
		TEST(made_reports_are_protected),
		TEST(reports_on_a_stream_under_another_name_count),
		TEST(what_is_not_authentic_is_why_nothing_is_heard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

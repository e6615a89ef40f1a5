/* Keys between phones with real sockets on a virtual loop: every kind of stream to every other one. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/loop.h"
#include "media/coder.h"
#include "media/key_detect.h"
#include "media/keys.h"
#include "media/port.h"
#include "media/rtcp.h"
#include "media/rtp.h"
#include "media/sink.h"
#include "net/sock.h"
#include "own_net.h"

enum { PORT_MIN = 25000, PORT_MAX = 25999, FRAME_MS = 20, MAX_STORY = 64, NO_EVENTS = 0 };

/* How a phone talks. */
struct kind {
	const char *name;
	enum codec_id codec;
	uint8_t event_pt; /* what we put into packets to it and what it puts into its own */
	uint32_t clock_hz;
};

struct phone {
	const struct kind *kind;
	struct port *port;
	int fd;
	struct addr at, server;
	struct encoder *encoder;
	struct decoder *decoder;
	struct key_detector *detector;
	uint32_t rate_hz;
	uint16_t seq;
	uint32_t timestamp; /* of its codec's clock */
	struct key_in keys;
	bool key_is_down;
	char story[MAX_STORY]; /* keys that it hears, as events or tones */
	char told[MAX_STORY];  /* keys of its own that its port told */
	unsigned audio_in_key; /* packets of audio in the middle of an event */
	unsigned audio, events;
	uint8_t packet_ms;
	uint32_t heard_timestamp; /* of the newest packet of audio */
	unsigned sources;         /* SSRCs, one after the other */
	uint32_t ssrc;
	unsigned back; /* packets whose number is smaller than one before */
	uint16_t last_seq;
	unsigned played, closed;
	enum port_played how;
};

struct world {
	struct loop *loop;
	struct media *media;
	struct phone a, b;
};

static const struct kind kinds[] = {
	{ "PCMU", CODEC_PCMU, 101, 8000 },    { "PCMU/96", CODEC_PCMU, 96, 8000 },
	{ "PCMU/48", CODEC_PCMU, 97, 48000 }, { "PCMU tones", CODEC_PCMU, NO_EVENTS, 0 },
	{ "PCMA", CODEC_PCMA, 100, 8000 },    { "OPUS", CODEC_OPUS, 110, 48000 },
	{ "OPUS/8", CODEC_OPUS, 101, 8000 },  { "G722 tones", CODEC_G722, NO_EVENTS, 0 },
};

static void add_key(char *story, char key)
{
	size_t n = strlen(story);

	if (n + 1 < MAX_STORY)
		story[n] = key;
}

static void on_key(void *arg, char key)
{
	add_key(((struct phone *)arg)->told, key);
}

static void on_played(void *arg, uint32_t id, enum port_played how)
{
	struct phone *p = arg;

	CHECK_INT(7, id);
	CHECK_INT(0, p->closed);
	p->played++;
	p->how = how;
}

static void on_detached(void *arg, uint32_t id, struct sink *s)
{
}

static void on_closed(void *arg, const struct port_stats *stats)
{
	((struct phone *)arg)->closed++;
}

static const struct port_handlers handlers = {
	.played = on_played,
	.detached = on_detached,
	.key = on_key,
	.closed = on_closed,
};

static void agree(struct phone *p, enum media_direction direction)
{
	uint8_t pt = codec_get(p->kind->codec)->payload_type;
	struct media_agreed a = {
		.codec = p->kind->codec,
		.send_pt = pt,
		.recv_pt = pt,
		.event_send_pt = p->kind->event_pt ? p->kind->event_pt : MEDIA_NO_PT,
		.event_recv_pt = p->kind->event_pt ? p->kind->event_pt : MEDIA_NO_PT,
		.event_clock_hz = p->kind->clock_hz,
		.remote = p->at,
		.remote_rtcp = p->at,
		.direction = direction,
		.packet_ms = p->packet_ms,
	};

	port_agree(p->port, &a);
}

static void open_phone(struct world *w, struct phone *p, unsigned last, const struct kind *kind)
{
	p->kind = kind;
	p->rate_hz = coder_rate(kind->codec, 8000);
	own_addr(last, 26000, &p->at);
	assert_int_equal(sock_udp(&p->fd, &p->at), 0);
	assert_int_equal(port_open(&p->port, w->media, last == 2 ? NULL : w->a.port, &handlers, p), 0);
	port_local(p->port, &p->server);
	CHECK_INT(0, encoder_new(&p->encoder, kind->codec, p->rate_hz));
	CHECK_INT(0, decoder_new(&p->decoder, kind->codec, p->rate_hz));
	CHECK_INT(0, key_detector_new(&p->detector, p->rate_hz));
	p->timestamp = 1000000 * last;
	agree(p, MEDIA_SENDRECV);
}

static struct world *begin(const struct kind *a, const struct kind *b)
{
	struct media_opts o = { .port_min = PORT_MIN, .port_max = PORT_MAX };
	struct world *w = calloc(1, sizeof(*w));

	assert_int_equal(loop_new(&w->loop, true, 3), 0);
	o.loop = w->loop;
	own_addr(1, 0, &o.bind);
	assert_int_equal(media_new(&w->media, &o), 0);
	open_phone(w, &w->a, 2, a);
	open_phone(w, &w->b, 3, b);
	port_join(w->a.port, w->b.port);
	return w;
}

static void end_phone(struct phone *p)
{
	CHECK_INT(1, p->closed);
	close(p->fd);
	encoder_free(&p->encoder);
	decoder_free(&p->decoder);
	key_detector_free(&p->detector);
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

static void hear_audio(struct phone *p, const struct rtp_header *h, const uint8_t *packet)
{
	int16_t audio[CODER_MAX_SAMPLES];
	size_t n = decoder_run(p->decoder, packet + h->header_bytes, h->payload_bytes, audio);
	size_t frame = FRAME_MS * p->rate_hz / 1000;

	CHECK_INT(codec_get(p->kind->codec)->payload_type, h->payload_type);
	p->audio++;
	p->heard_timestamp = h->timestamp;
	p->audio_in_key += p->key_is_down;
	for (size_t at = 0; at + frame <= n; at += frame) {
		char keys[8];
		size_t found = key_detector_run(p->detector, audio + at, frame, keys);

		for (size_t i = 0; i < found; i++)
			add_key(p->story, keys[i]);
	}
}

static void hear(struct phone *p)
{
	uint8_t packet[RTP_MAX_BYTES];
	ssize_t n;

	while ((n = recv(p->fd, packet, sizeof(packet), MSG_DONTWAIT)) > 0) {
		struct rtp_header h;
		unsigned news;
		char key;

		if (rtcp_is_muxed(packet, (size_t)n))
			continue;
		CHECK_INT(0, rtp_parse(&h, packet, (size_t)n));
		if (!p->sources || p->ssrc != h.ssrc)
			p->sources++;
		else if ((int16_t)(h.seq - p->last_seq) < 0)
			p->back++;
		p->ssrc = h.ssrc;
		p->last_seq = h.seq;
		if (!p->kind->event_pt || h.payload_type != p->kind->event_pt) {
			hear_audio(p, &h, packet);
			continue;
		}
		p->events++;
		news = key_in_take(&p->keys, &h, packet + h.header_bytes, &key);
		if (news & KEY_DOWN) {
			add_key(p->story, key);
			p->key_is_down = true;
		}
		if (news & KEY_UP)
			p->key_is_down = false;
	}
}

static void step(struct world *w)
{
	loop_run_until(w->loop, loop_now_ms(w->loop) + FRAME_MS);
	hear(&w->a);
	hear(&w->b);
}

static void send_packet(struct phone *p, uint8_t pt, bool marker, uint32_t timestamp, const uint8_t *payload, size_t n)
{
	uint8_t packet[RTP_HEADER_BYTES + CODER_MAX_BYTES] = { 0x80, (uint8_t)(pt | (marker ? 0x80 : 0)) };

	rtp_renumber(packet, p->seq++, timestamp, 77);
	memcpy(packet + RTP_HEADER_BYTES, payload, n);
	CHECK(sendto(p->fd, packet, RTP_HEADER_BYTES + n, 0, &p->server.sa, addr_len(&p->server)) > 0);
}

static uint32_t frame_ticks(const struct phone *p)
{
	return codec_get(p->kind->codec)->clock_hz / 50;
}

static void say_audio(struct phone *p, char key, size_t at)
{
	size_t frame = FRAME_MS * p->rate_hz / 1000, n;
	uint8_t payload[CODER_MAX_BYTES];
	int16_t audio[CODER_MAX_SAMPLES];
	uint16_t low = 0, high = 0;

	if (key)
		key_tones(key, &low, &high);
	for (size_t i = 0; i < frame; i++) {
		double t = 2 * M_PI * (double)(at * frame + i) / p->rate_hz;

		audio[i] = (int16_t)lrint(key ? 3000 * (sin(low * t) + sin(high * t)) : 100 * sin(440 * t));
	}
	n = encoder_run(p->encoder, audio, frame, payload);
	send_packet(p, codec_get(p->kind->codec)->payload_type, false, p->timestamp, payload, n);
	p->timestamp += frame_ticks(p);
}

static void talk(struct world *w, unsigned frames)
{
	for (unsigned i = 0; i < frames; i++) {
		say_audio(&w->a, '\0', i);
		say_audio(&w->b, '\0', i);
		step(w);
	}
}

/* 160 ms of a key and the three packets of its end, as the phone knows to send it. Of events, every lose-th is lost. */
static void press(struct world *w, struct phone *p, char key, unsigned lose)
{
	uint32_t began = p->timestamp;

	for (unsigned i = 1; i <= 10; i++, p->timestamp += p->kind->event_pt ? frame_ticks(p) : 0) {
		uint32_t duration = (i < 8 ? i : 8) * p->kind->clock_hz / 50;
		uint8_t payload[4] = { (uint8_t)(strchr("0123456789*#ABCD", key) - "0123456789*#ABCD"),
				       i < 8 ? 10 : 0x8a, (uint8_t)(duration >> 8), (uint8_t)duration };

		if (!p->kind->event_pt) {
			say_audio(p, i < 8 ? key : '\0', i);
		} else if (lose && i % lose == 1) {
			p->seq++;
		} else {
			send_packet(p, p->kind->event_pt, i == 1, began, payload, sizeof(payload));
			if (i % 3 == 0) /* doubled by the network */
				p->seq--, send_packet(p, p->kind->event_pt, i == 1, began, payload, sizeof(payload));
		}
		step(w);
	}
}

/* --- tests --- */

/* Between all kinds of streams, with loss and without: each press once at the far end, once at our own. */
static void every_press_arrives_once(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
			for (unsigned lose = 0; lose < 4; lose += 3) {
				struct world *w = begin(&kinds[i], &kinds[k]);
				bool watched = !kinds[i].event_pt;

				if (watched)
					port_watch_keys(w->a.port, true);
				talk(w, 10);
				for (const char *key = "1159#*AD00"; *key; key++) {
					press(w, &w->a, *key, lose);
					talk(w, 5);
				}
				talk(w, 60);
				if (strcmp("1159#*AD00", w->b.story) || strcmp("1159#*AD00", w->a.told))
					fprintf(stderr, "%s to %s, lose %u\n", kinds[i].name, kinds[k].name, lose);
				CHECK_STR("1159#*AD00", w->a.told);
				/* Tones pass as audio: as such they are heard by everybody, but are no events. */
				if (kinds[i].event_pt || !kinds[k].event_pt)
					CHECK_STR("1159#*AD00", w->b.story);
				CHECK_STR("", w->a.story);
				CHECK_STR("", w->b.told);
				CHECK(w->b.audio > 60);
				if (kinds[i].event_pt)
					CHECK_INT(0, w->b.audio_in_key);
				end(w);
			}
		}
	}
}

static void tones_are_no_keys_unless_watched(void **state)
{
	struct world *w = begin(&kinds[3], &kinds[0]);

	press(w, &w->a, '5', 0);
	talk(w, 5);
	CHECK_STR("", w->a.told);
	port_watch_keys(w->a.port, true);
	press(w, &w->a, '6', 0);
	talk(w, 5);
	CHECK_STR("6", w->a.told);
	port_watch_keys(w->a.port, false);
	press(w, &w->a, '7', 0);
	talk(w, 5);
	CHECK_STR("6", w->a.told);
	end(w);
}

/* Who has events is not heard for tones: a voice can sound like one. */
static void tones_of_those_who_have_events_are_audio(void **state)
{
	struct world *w = begin(&kinds[0], &kinds[0]);

	port_watch_keys(w->a.port, true);
	for (unsigned i = 0; i < 10; i++) {
		say_audio(&w->a, '5', i);
		step(w);
	}
	talk(w, 5);
	CHECK_STR("", w->a.told);
	CHECK_STR("5", w->b.story); /* the audio carried it */
	end(w);
}

static void keys_are_sent_to_a_party(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct world *w = begin(&kinds[0], &kinds[i]);
		unsigned before, ms = 0;

		talk(w, 10);
		before = w->b.audio;
		CHECK_INT(0, port_send_keys(w->b.port, 7, "1w23W#AA"));
		for (; !w->b.played && ms < 10000; ms += FRAME_MS)
			talk(w, 1);
		CHECK_STR("123#AA", w->b.story);
		CHECK_INT(PORT_PLAYED, w->b.how);
		CHECK(ms >= 6 * 200 + 1500 && ms < 6 * 200 + 1500 + 100);
		CHECK_INT(0, w->b.audio_in_key);
		CHECK_STR("", w->a.story);
		CHECK(w->b.audio > before + 1500 / FRAME_MS - 10); /* in the pauses its peer is heard */
		talk(w, 20);
		CHECK_INT(1, w->b.played);
		before = w->b.audio;
		talk(w, 20);
		CHECK_INT(20, w->b.audio - before);
		end(w);
	}
}

/* Keys come between samples that wait for a long packet to be full: the clock of the stream stays right. */
static void keys_between_long_packets_cost_no_time(void **state)
{
	struct world *w = begin(&kinds[4], &kinds[0]); /* made, as the codecs differ */
	unsigned audio, frames = 0;
	uint32_t first;

	w->b.packet_ms = 60;
	agree(&w->b, MEDIA_SENDRECV);
	while (!w->b.audio)
		talk(w, 1);
	first = w->b.heard_timestamp;
	for (unsigned turn = 0; turn < 4; turn++) {
		talk(w, 20 + turn); /* so that other parts of a packet wait */
		frames += 20 + turn;
		CHECK_INT(0, port_send_keys(w->b.port, 7, "4"));
		for (unsigned i = 0; i < 20; i++, frames++) {
			audio = w->b.audio;
			talk(w, 1);
			if (w->b.audio != audio) {
				int32_t late = (int32_t)(frames * 160 - (w->b.heard_timestamp - first));

				CHECK(late >= -480 && late <= 480);
			}
		}
	}
	CHECK_STR("4444", w->b.story);
	CHECK_INT(0, w->b.audio_in_key);
	end(w);
}

static void two_texts_go_one_after_the_other(void **state)
{
	struct world *w = begin(&kinds[0], &kinds[5]);

	CHECK_INT(0, port_send_keys(w->b.port, 7, "12"));
	CHECK_INT(0, port_send_keys(w->b.port, 7, "34"));
	press(w, &w->a, '9', 0); /* and one of the peer between two of ours */
	talk(w, 100);
	CHECK_INT(5, strlen(w->b.story));
	CHECK(strchr(w->b.story, '9') != NULL);
	CHECK_INT(2, w->b.played);
	end(w);
}

static void sending_can_be_stopped(void **state)
{
	struct world *w = begin(&kinds[0], &kinds[0]);

	CHECK_INT(0, port_send_keys(w->b.port, 7, "1WWWWWW2"));
	talk(w, 30);
	CHECK_STR("1", w->b.story);
	port_control(w->b.port, 7, PORT_STOP, 0);
	talk(w, 300);
	CHECK_STR("1", w->b.story);
	CHECK_INT(1, w->b.played);
	CHECK_INT(PORT_STOPPED, w->b.how);

	w->b.played = 0;
	CHECK_INT(0, port_send_keys(w->b.port, 7, "WWWW3"));
	talk(w, 5);
	port_close(w->b.port);
	loop_run_until(w->loop, loop_now_ms(w->loop) + 100);
	CHECK_INT(1, w->b.played);
	CHECK_INT(PORT_GONE, w->b.how);
	end(w);
}

static void a_party_on_hold_gets_its_keys_afterwards(void **state)
{
	struct world *w = begin(&kinds[0], &kinds[0]);

	agree(&w->b, MEDIA_RECVONLY);
	CHECK_INT(0, port_send_keys(w->b.port, 7, "12"));
	talk(w, 100);
	CHECK_STR("", w->b.story);
	CHECK_INT(0, w->b.played);
	agree(&w->b, MEDIA_SENDRECV);
	talk(w, 30);
	CHECK_STR("12", w->b.story);
	CHECK_INT(1, w->b.played);
	end(w);
}

/* Held for 3 s, by an Opus phone: its events must begin anew in the middle, for their durations are full. */
static void long_presses_stay_one(void **state)
{
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		struct world *w = begin(&kinds[5], &kinds[k]);
		uint32_t began = w->a.timestamp;

		talk(w, 5);
		began = w->a.timestamp;
		for (unsigned i = 1; i <= 150; i++) {
			uint32_t duration = w->a.timestamp + frame_ticks(&w->a) - began;
			uint8_t payload[4] = { 8, i == 150 ? 0x8a : 10 };

			if (duration > 65535) {
				began = w->a.timestamp;
				duration = frame_ticks(&w->a);
			}
			payload[2] = (uint8_t)(duration >> 8);
			payload[3] = (uint8_t)duration;
			send_packet(&w->a, 110, i == 1, began, payload, sizeof(payload));
			w->a.timestamp += frame_ticks(&w->a);
			step(w);
		}
		talk(w, 40);
		CHECK_STR("8", w->a.told);
		CHECK_STR("8", w->b.story);
		press(w, &w->a, '9', 0);
		talk(w, 20);
		CHECK_STR("89", w->b.story);
		end(w);
	}
}

static void keys_told_by_other_means(void **state)
{
	struct world *w = begin(&kinds[3], &kinds[5]);

	talk(w, 5);
	port_press(w->a.port, '4');
	talk(w, 20);
	port_press(w->a.port, '4');
	port_press(w->a.port, '#');
	talk(w, 40);
	CHECK_STR("44#", w->a.told);
	CHECK_STR("44#", w->b.story);
	end(w);

	/* A phone that sends each key in two ways has pressed it once. */
	w = begin(&kinds[0], &kinds[0]);
	press(w, &w->a, '1', 0);
	port_press(w->a.port, '1');
	talk(w, 40);
	press(w, &w->a, '2', 0);
	port_press(w->a.port, '2');
	talk(w, 40);
	CHECK_STR("12", w->a.told);
	CHECK_STR("12", w->b.story);
	agree(&w->a, MEDIA_SENDRECV); /* perhaps another phone by now */
	port_press(w->a.port, '3');
	talk(w, 40);
	press(w, &w->a, '3', 0);
	talk(w, 40);
	CHECK_STR("123", w->a.told);
	CHECK_STR("123", w->b.story);
	end(w);
}

/* Ten thousand presses a second are no finger. */
static void floods_are_cut(void **state)
{
	struct world *w = begin(&kinds[0], &kinds[5]);

	for (unsigned i = 0; i < 2000; i++) {
		const uint8_t payload[4] = { 5, 10, 0, 160 };

		w->a.timestamp += 1000;
		send_packet(&w->a, 101, true, w->a.timestamp, payload, sizeof(payload));
		if (i % 50 == 49)
			step(w);
	}
	talk(w, 10);
	CHECK(strlen(w->a.told) >= 32 && strlen(w->a.told) < 60);
	end(w);
}

/* A relayed stream, keys of ours in it, and relayed again: one source, and no number far behind. */
static void a_party_hears_one_source(void **state)
{
	struct world *w = begin(&kinds[0], &kinds[0]);

	talk(w, 20);
	for (unsigned i = 0; i < 5; i++) {
		CHECK_INT(0, port_send_keys(w->b.port, 7, "1w2"));
		talk(w, 60);
	}
	CHECK_STR("1212121212", w->b.story);
	CHECK_INT(1, w->b.sources);
	CHECK(w->b.back <= 5);
	end(w);

	/* Nobody else's: prompt and answer are one source too. */
	w = begin(&kinds[0], &kinds[0]);
	port_part(w->a.port);
	for (unsigned i = 0; i < 5; i++) {
		CHECK_INT(0, port_send_keys(w->b.port, 7, "1"));
		talk(w, 60);
	}
	CHECK_STR("11111", w->b.story);
	CHECK_INT(1, w->b.sources);
	CHECK_INT(0, w->b.back);
	end(w);
}

/* --- who listens --- */

struct ear {
	struct sink base;
	char *story;
};

static bool push_ear(struct sink *s, const int16_t *said, const int16_t *heard, size_t count, uint32_t rate_hz)
{
	return true;
}

static void digit_ear(struct sink *s, char digit)
{
	add_key(((struct ear *)s)->story, digit);
}

static void free_ear(struct sink *s)
{
}

static void sinks_hear_of_keys(void **state)
{
	static const struct sink_ops ops = { .push = push_ear, .digit = digit_ear, .free = free_ear };
	struct world *w = begin(&kinds[0], &kinds[0]);
	char story[MAX_STORY] = "";
	struct ear ear = { { .ops = &ops, .wants = SINK_SAID, .rate_hz = 8000 }, story };

	CHECK_INT(0, port_attach(w->a.port, 3, &ear.base));
	press(w, &w->a, '5', 0);
	press(w, &w->b, '6', 0);
	talk(w, 5);
	port_press(w->a.port, '7'); /* it has sent one as RTP before */
	talk(w, 5);
	CHECK_STR("5", story);
	CHECK_STR("5", w->b.story); /* relayed beside the listener */
	CHECK_STR("6", w->a.story);
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_press_arrives_once),
		TEST(tones_are_no_keys_unless_watched),
		TEST(tones_of_those_who_have_events_are_audio),
		TEST(keys_are_sent_to_a_party),
		TEST(keys_between_long_packets_cost_no_time),
		TEST(two_texts_go_one_after_the_other),
		TEST(sending_can_be_stopped),
		TEST(a_party_on_hold_gets_its_keys_afterwards),
		TEST(long_presses_stay_one),
		TEST(keys_told_by_other_means),
		TEST(floods_are_cut),
		TEST(a_party_hears_one_source),
		TEST(sinks_hear_of_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Audio of a streamer through its queue to the messages, read back by parsers and decoders: every codec, rate and length. */
#include "check.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "base/arena.h"
#include "base/doc.h"
#include "media/coder.h"
#include "net/ws_feed.h"
#include "op/stream_args.h"
#include "op/stream_message.h"

enum { SECOND_TICKS = 50, MAX_AUDIO = 2 * 48000 * 2, MAX_MESSAGE = 16384 };

struct wire { /* one stream, and what its server makes of it */
	struct stream_format format;
	struct streamer *streamer;
	struct ws_feed *feed;
	struct sink *sink;
	size_t at; /* samples pushed */
	unsigned sequence, messages;
	struct {
		struct decoder *decoder;
		unsigned chunk;
		uint64_t next_ms;
		int16_t audio[MAX_AUDIO];
		size_t count;
	} tracks[2];
};

static void open_wire(struct wire *w, const char *codec, enum sink_wants tracks, uint32_t places)
{
	struct ws_feed_text text;

	*w = (struct wire){ .sequence = 1 };
	assert_null(stream_format_parse(&w->format, str_of(codec)));
	assert_int_equal(ws_feed_new(&w->feed, stream_frame_bytes(&w->format), places), 0);
	assert_int_equal(stream_message_text(&text, &w->format), 0);
	assert_int_equal(ws_feed_as_text(w->feed, &text), 0);
	assert_int_equal(streamer_new(&w->streamer, &w->format, tracks, w->feed), 0);
	for (int i = 0; i < 2 && w->format.codec != CODEC_L16; i++)
		assert_int_equal(decoder_new(&w->tracks[i].decoder, w->format.codec, w->format.rate_hz), 0);
	w->sink = streamer_lend(w->streamer);
	CHECK_INT(tracks, w->sink->wants);
}

static void close_wire(struct wire *w)
{
	streamer_close(&w->streamer);
	w->sink->ops->free(w->sink);
	decoder_free(&w->tracks[0].decoder);
	decoder_free(&w->tracks[1].decoder);
	ws_feed_drop(&w->feed);
}

static void fill(int16_t *out, size_t n, size_t at, double hz, uint32_t rate_hz)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (int16_t)(8000 * sin(2 * M_PI * hz * (double)(at + i) / rate_hz));
}

/* 20 ms: 440 Hz is said, 1000 Hz heard. */
static bool tick(struct wire *w)
{
	uint32_t rate_hz = w->sink->rate_hz;
	size_t n = rate_hz / 50;
	int16_t said[320], heard[320];

	fill(said, n, w->at, 440, rate_hz);
	fill(heard, n, w->at, 1000, rate_hz);
	w->at += n;
	return w->sink->ops->push(w->sink, w->sink->wants & SINK_SAID ? said : NULL,
				  w->sink->wants & SINK_HEARD ? heard : NULL, n, rate_hz);
}

static const char *text_at(const struct doc *map, const char *name)
{
	const struct doc *d = doc_get(map, name);

	CHECK(d && d->type == DOC_STR);
	return d ? d->text.p : "";
}

static void hear(struct wire *w, const struct doc *media)
{
	int track = !strcmp("outbound", text_at(media, "track"));
	const struct doc *payload = doc_get(media, "payload");
	uint8_t bytes[STREAM_MAX_AUDIO + 3];
	int16_t plain[CODER_MAX_SAMPLES];
	size_t n, step, padding = 0;

	assert_non_null(payload);
	assert_true(payload->text.n && payload->text.n / 4 * 3 <= sizeof(bytes));
	n = (size_t)EVP_DecodeBlock(bytes, (const unsigned char *)payload->text.p, (int)payload->text.n);
	while (payload->text.p[payload->text.n - 1 - padding] == '=')
		padding++;
	n -= padding;
	CHECK_INT(++w->tracks[track].chunk, atoi(text_at(media, "chunk")));
	CHECK_INT(w->tracks[track].next_ms, atoi(text_at(media, "timestamp")));
	w->tracks[track].next_ms += w->format.packet_ms;
	step = w->format.codec == CODEC_OPUS ? n : (size_t)80; /* a decoder takes 60 ms at most */
	for (size_t at = 0; at < n; at += step) {
		int16_t *out = w->tracks[track].audio + w->tracks[track].count;
		size_t part = n - at < step ? n - at : step, made = part / 2;

		if (w->format.codec == CODEC_L16) {
			for (size_t i = 0; i < made; i++)
				out[i] = (int16_t)(bytes[at + 2 * i] | bytes[at + 2 * i + 1] << 8);
		} else {
			made = decoder_run(w->tracks[track].decoder, bytes + at, part, plain);
			memcpy(out, plain, made * sizeof(*plain));
		}
		w->tracks[track].count += made;
	}
}

/* The next message; NULL when there is none. The tree is in the arena. */
static const struct doc *next(struct wire *w, struct arena *a)
{
	char out[MAX_MESSAGE], want[24];
	struct doc_error err;
	struct doc *d = NULL;
	size_t n;

	assert_true(ws_feed_room(w->feed) <= sizeof(out));
	n = ws_feed_take(w->feed, out);
	if (!n)
		return NULL;
	CHECK(n <= ws_feed_room(w->feed));
	if (doc_parse(a, &d, (struct str){ out, n }, DOC_JSON, NULL, &err)) {
		fprintf(stderr, "%.*s: %s\n", (int)n, out, err.message);
		assert_true(false);
	}
	w->messages++;
	snprintf(want, sizeof(want), "%u", ++w->sequence);
	CHECK_STR(want, text_at(d, "sequenceNumber"));
	return d;
}

static void take_all(struct wire *w)
{
	struct arena *a = NULL;
	const struct doc *d;

	do {
		assert_int_equal(arena_new(&a, 0, 0), 0);
		d = next(w, a);
		if (d && !strcmp("media", text_at(d, "event")))
			hear(w, doc_get(d, "media"));
		arena_free(&a);
	} while (d);
}

/* Share of the energy that is at hz, of the second half. */
static double share(const int16_t *x, size_t n, uint32_t rate_hz, double hz)
{
	double re = 0, im = 0, all = 0;

	for (size_t i = n / 2; i < n; i++) {
		re += x[i] * cos(2 * M_PI * hz * (double)i / rate_hz);
		im += x[i] * sin(2 * M_PI * hz * (double)i / rate_hz);
		all += (double)x[i] * x[i];
	}
	return all > 0 ? 2 * (re * re + im * im) / ((double)(n - n / 2) * all) : 0;
}

static const char *const codecs[] = {
	"PCMU",     "PCMA@40i", "PCMU@10i",        "PCMA@100i",      "PCMU@8000h@30i", "G722",
	"G722@60i", "L16",      "L16@8000h@50i",   "L16@24000h",     "L16@24000h@40i", "L16@100i@48000h",
	"OPUS",     "opus@60i", "OPUS@48000h@40i", "OPUS@8000h@10i", "L16@16000h@90i",
};

static void tones_come_through(void **state)
{
	static struct wire w;

	for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
		uint32_t rate_hz;

		open_wire(&w, codecs[i], SINK_BOTH, 50);
		rate_hz = w.format.rate_hz;
		for (int k = 0; k < SECOND_TICKS; k++) {
			CHECK(tick(&w));
			take_all(&w);
		}
		CHECK_INT(2 * (1000 / w.format.packet_ms), w.messages);
		for (int t = 0; t < 2; t++) {
			CHECK_INT(1000 / w.format.packet_ms * w.format.packet_ms * rate_hz / 1000, w.tracks[t].count);
			CHECK(share(w.tracks[t].audio, w.tracks[t].count, rate_hz, t ? 1000 : 440) > 0.95);
			CHECK(share(w.tracks[t].audio, w.tracks[t].count, rate_hz, t ? 440 : 1000) < 0.01);
		}
		CHECK_INT(0, streamer_lost_ms(w.streamer));
		close_wire(&w);
		if (check_bad)
			fprintf(stderr, "%s\n", codecs[i]);
	}
}

static void one_track_only(void **state)
{
	static struct wire w;

	for (int t = 0; t < 2; t++) {
		open_wire(&w, "PCMU", t ? SINK_HEARD : SINK_SAID, 50);
		for (int k = 0; k < SECOND_TICKS; k++)
			CHECK(tick(&w));
		take_all(&w);
		CHECK_INT(0, w.tracks[!t].count);
		CHECK(share(w.tracks[t].audio, w.tracks[t].count, 8000, t ? 1000 : 440) > 0.95);
		close_wire(&w);
	}
}

/* What was lost leaves a gap in chunk and timestamp, and none in the sequence of messages. */
static void a_full_queue(void **state)
{
	struct arena *a = NULL;
	const struct doc *media;
	static struct wire w;

	open_wire(&w, "PCMU@40i", SINK_SAID, 5);
	for (int k = 0; k < 20; k++)
		CHECK(tick(&w));
	CHECK_INT(5 * 40, streamer_lost_ms(w.streamer));
	assert_int_equal(arena_new(&a, 0, 0), 0);
	media = doc_get(next(&w, a), "media");
	assert_non_null(media);
	CHECK_STR("6", text_at(media, "chunk"));
	CHECK_STR("200", text_at(media, "timestamp"));
	arena_free(&a);
	close_wire(&w);
}

static void keys_and_the_end(void **state)
{
	static const char want[] = "{\"event\":\"dtmf\",\"sequenceNumber\":\"3\",\"dtmf\":{\"digit\":\"#\"}}"
				   "{\"event\":\"stop\",\"sequenceNumber\":\"4\"}";
	const struct stream_frame key = { .kind = STREAM_KEY, .key = '#' }, stop = { .kind = STREAM_STOP };
	char out[MAX_MESSAGE];
	static struct wire w;
	size_t n;

	open_wire(&w, "PCMU", SINK_SAID, 5);
	CHECK(tick(&w));
	ws_feed_put(w.feed, &key, stream_frame_size(&key));
	ws_feed_end(w.feed, &stop, stream_frame_size(&stop));
	CHECK(tick(&w)); /* who was just at it is not heard any more */
	CHECK_INT(3, ws_feed_waiting(w.feed));
	CHECK(ws_feed_take(w.feed, out) > 160);
	n = ws_feed_take(w.feed, out);
	n += ws_feed_take(w.feed, out + n);
	out[n] = '\0';
	CHECK_STR(want, out);
	CHECK_INT(0, ws_feed_take(w.feed, out));
	streamer_close(&w.streamer);
	CHECK(!tick(&w)); /* and is detached */
	close_wire(&w);
}

static void what_start_says(void **state)
{
	static const struct stream_parameter parameters[] = {
		{ STR("tier"), STR("gold") },
		{ STR("q\"\n"), STR("\xff\\ \xc3\xa4") },
	};
	struct stream_hello hello = {
		.stream_id = "s\"1",
		.call_id = "c",
		.account_id = "p",
		.tracks = SINK_BOTH,
		.parameters = parameters,
		.parameter_count = 2,
	};
	static const struct {
		const char *codec, *format;
	} rows[] = {
		{ "PCMU", "{\"encoding\":\"audio/x-mulaw\",\"sampleRate\":8000,\"channels\":1}}}" },
		{ "PCMA", "{\"encoding\":\"audio/x-alaw\",\"sampleRate\":8000,\"channels\":1}}}" },
		{ "G722", "{\"encoding\":\"audio/G722\",\"sampleRate\":16000,\"channels\":1}}}" },
		{ "L16@24000h", "{\"encoding\":\"audio/x-L16\",\"sampleRate\":24000,\"channels\":1}}}" },
		{ "OPUS", "{\"encoding\":\"audio/opus\",\"sampleRate\":16000,\"channels\":1}}}" },
	};
	struct buf b;

	CHECK_STR("{\"event\":\"connected\",\"protocol\":\"Call\",\"version\":\"0.2.0\"}",
		  stream_message_connected().p);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char want[500];

		CHECK(!stream_format_parse(&hello.format, str_of(rows[i].codec)));
		stream_message_start(&b, &hello);
		snprintf(want, sizeof(want),
			 "{\"event\":\"start\",\"sequenceNumber\":\"1\",\"start\":{\"streamSid\":\"s\\\"1\","
			 "\"accountSid\":\"p\",\"callSid\":\"c\",\"tracks\":[\"inbound\",\"outbound\"],"
			 "\"customParameters\":{\"tier\":\"gold\",\"q\\\"\\n\":\"\xef\xbf\xbd\\\\ \xc3\xa4\"},"
			 "\"mediaFormat\":%s",
			 rows[i].format);
		CHECK_STR(want, b.data);
		buf_free(&b);
	}
	hello.parameter_count = 0;
	hello.account_id = NULL;
	hello.tracks = SINK_HEARD;
	stream_message_start(&b, &hello);
	CHECK(strstr(b.data,
		     "\"accountSid\":\"\",\"callSid\":\"c\",\"tracks\":[\"outbound\"],\"customParameters\":{},"));
	buf_free(&b);
}

static void too_much_to_say(void **state)
{
	char *much = malloc(STREAM_MAX_START);
	struct stream_parameter p = { STR("a"), { much, STREAM_MAX_START } };
	const struct stream_hello hello = {
		.stream_id = "s", .call_id = "c", .tracks = SINK_SAID, .parameters = &p, .parameter_count = 1
	};
	struct buf b;

	assert_non_null(much);
	memset(much, 'x', STREAM_MAX_START);
	stream_message_start(&b, &hello);
	CHECK(b.failed);
	buf_free(&b);
	free(much);
}

/* --- what documents say --- */

static void formats(void **state)
{
	static const char bad_codec[] = "it is PCMU, PCMA, G722, L16 or OPUS",
			  bad_modifier[] = "behind the codec stand @RATEh and @MILLISECONDSi, each once at most",
			  bad_pair[] = "this codec has not that rate, or no packets of that length";
	static const struct {
		const char *text, *fault;
	} rows[] = {
		{ "G729", bad_codec },
		{ "VP8", bad_codec },
		{ "speex", bad_codec },
		{ "@20i", bad_codec },
		{ "PCMU@", bad_modifier },
		{ "PCMU@20", bad_modifier },
		{ "PCMU@i", bad_modifier },
		{ "PCMU@0i", bad_modifier },
		{ "PCMU@20i@40i", bad_modifier },
		{ "PCMU@-20i", bad_modifier },
		{ "PCMU@20ms", bad_modifier },
		{ "L16@99999999999h", bad_modifier },
		{ "PCMU@16000h", bad_pair },
		{ "G722@8000h", bad_pair },
		{ "L16@44100h", bad_pair },
		{ "L16@11025h", bad_pair },
		{ "PCMU@25i", bad_pair },
		{ "PCMU@110i", bad_pair },
		{ "PCMU@4294967295i", bad_pair },
		{ "OPUS@30i", bad_pair },
		{ "OPUS@80i", bad_pair },
		{ "OPUS@24000h", bad_pair },
	};
	struct stream_format f = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_STR(rows[i].fault, stream_format_parse(&f, str_of(rows[i].text)));
	CHECK_INT(0, f.rate_hz); /* untouched */
	CHECK(!stream_format_parse(&f, STR("")));
	CHECK(f.codec == CODEC_PCMU && f.rate_hz == 8000 && f.packet_ms == 20);
	CHECK(!stream_format_parse(&f, STR("l16@24000h@40i")));
	CHECK(f.codec == CODEC_L16 && f.rate_hz == 24000 && f.packet_ms == 40);
	CHECK(!stream_format_parse(&f, STR("L16@40i")));
	CHECK(f.rate_hz == 16000 && f.packet_ms == 40);
}

static void urls_and_tokens(void **state)
{
	char token[4002];

	CHECK(!stream_url_fault(STR("wss://u:p@h.test:1/x?y")));
	CHECK(!stream_url_fault(STR("WSS://h")));
	CHECK_STR("it begins with wss://", stream_url_fault(STR("ws://h/")));
	CHECK_STR("it begins with wss://", stream_url_fault(STR("https://h/")));
	CHECK_STR("it begins with wss://", stream_url_fault(STR("")));
	CHECK_STR("it is no WebSocket URL", stream_url_fault(STR("wss://")));
	CHECK_STR("it is no WebSocket URL", stream_url_fault(STR("wss://a b/")));
	memset(token, 'x', sizeof(token));
	CHECK(!stream_token_fault(STR("abc.DEF-~+/=")));
	CHECK(!stream_token_fault((struct str){ token, 4000 }));
	CHECK(stream_token_fault((struct str){ token, 4001 }));
	CHECK(stream_token_fault(STR("")));
	CHECK(stream_token_fault(STR("a b")));
	CHECK(stream_token_fault(STR("a\r\nX: y")));
	CHECK(stream_token_fault(STR("\xc3\xa4")));
}

/* --- threads --- */

static void *push_all(void *arg)
{
	struct wire *w = arg;

	while (tick(w))
		;
	return NULL;
}

/* A worker pushes, the web takes, the call presses keys and ends it: nothing is behind the end. */
static void threads(void **state)
{
	const struct stream_frame key = { .kind = STREAM_KEY, .key = '5' }, stop = { .kind = STREAM_STOP };
	static struct wire w;
	unsigned keys = 0, media = 0;
	struct arena *a = NULL;
	bool ended = false;
	pthread_t thread;

	open_wire(&w, "PCMU", SINK_SAID, 20);
	assert_int_equal(pthread_create(&thread, NULL, push_all, &w), 0);
	while (!ended) {
		const struct doc *d;

		assert_int_equal(arena_new(&a, 0, 0), 0);
		d = next(&w, a);
		media += d && !strcmp("media", text_at(d, "event"));
		keys += d && !strcmp("dtmf", text_at(d, "event"));
		ended = d && !strcmp("stop", text_at(d, "event"));
		if (d && media % 50 == 10)
			ws_feed_put(w.feed, &key, stream_frame_size(&key));
		if (d && media == 2000 && w.streamer) {
			ws_feed_end(w.feed, &stop, stream_frame_size(&stop));
			streamer_close(&w.streamer);
		}
		arena_free(&a);
	}
	assert_int_equal(arena_new(&a, 0, 0), 0);
	CHECK(!next(&w, a));
	arena_free(&a);
	pthread_join(thread, NULL);
	CHECK(keys > 0);
	close_wire(&w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(tones_come_through),
		TEST(one_track_only),
		TEST(a_full_queue),
		TEST(keys_and_the_end),
		TEST(what_start_says),
		TEST(too_much_to_say),
		TEST(formats),
		TEST(urls_and_tokens),
		TEST(threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "media/streamer.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "media/coder.h"
#include "media/resample.h"
#include "net/ws_feed.h"

enum { NARROW_HZ = 8000, WIDE_HZ = 16000, TICK_MS = 20, PIECE_MS = 10 };

enum { MAX_HELD = STREAM_MAX_HZ / 1000 * (STREAM_MAX_MS + TICK_MS) };

struct track {
	bool outbound;
	struct resampler *resampler; /* NULL = the sink's rate is right */
	struct encoder *encoder;     /* NULL = L16 */
	uint32_t chunk;
	size_t held;
	int16_t samples[MAX_HELD];
};

struct streamer {
	struct sink sink; /* first: struct sink pointers are cast back */
	struct stream_format format;
	struct ws_feed *feed;
	atomic_bool closed; /* signal says, media obeys */
	/* media */
	struct track tracks[2];
	struct stream_frame frame;
	/* signal */
	bool lent, over;
};

static struct streamer *streamer_of(struct sink *s)
{
	return (struct streamer *)(void *)s;
}

/* --- formats --- */

uint32_t stream_default_hz(enum codec_id codec)
{
	return codec == CODEC_PCMU || codec == CODEC_PCMA ? NARROW_HZ : WIDE_HZ;
}

static bool rate_ok(const struct stream_format *f)
{
	switch (f->codec) {
	case CODEC_PCMU:
	case CODEC_PCMA:
	case CODEC_G722:
		return f->rate_hz == stream_default_hz(f->codec);
	case CODEC_OPUS:
		return f->rate_hz == 8000 || f->rate_hz == 16000 || f->rate_hz == 48000;
	case CODEC_L16:
		return f->rate_hz == 8000 || f->rate_hz == 16000 || f->rate_hz == 24000 || f->rate_hz == 48000;
	case CODEC_G729:
	case CODEC_VP8:
	case CODEC_H264:
	case CODEC_COUNT:
		break;
	}
	return false;
}

bool stream_format_ok(const struct stream_format *f)
{
	uint32_t ms = f->packet_ms;

	if (!rate_ok(f) || ms < STREAM_MIN_MS || ms > STREAM_MAX_MS || ms % PIECE_MS)
		return false;
	/* A packet of Opus is one frame (RFC 6716 §2.1.4); all others are as long as one likes. */
	return f->codec != CODEC_OPUS || ms == 10 || ms == 20 || ms == 40 || ms == 60;
}

size_t stream_frame_bytes(const struct stream_format *f)
{
	size_t samples = (size_t)f->rate_hz / 1000 * f->packet_ms;
	size_t audio = f->codec == CODEC_OPUS ? CODER_MAX_BYTES : f->codec == CODEC_L16 ? 2 * samples : samples;

	return offsetof(struct stream_frame, audio) + audio;
}

size_t stream_frame_size(const struct stream_frame *f)
{
	return offsetof(struct stream_frame, audio) + (f->kind == STREAM_AUDIO ? f->bytes : 0);
}

/* --- media --- */

static size_t code_linear(const int16_t *in, size_t count, uint8_t *out)
{
	for (size_t i = 0; i < count; i++) {
		out[2 * i] = (uint8_t)in[i];
		out[2 * i + 1] = (uint8_t)((uint16_t)in[i] >> 8);
	}
	return 2 * count;
}

/* count: of a packet. In pieces that a coder takes. */
static size_t code(const struct streamer *s, const struct track *t, size_t count, uint8_t *out)
{
	size_t piece = s->format.codec == CODEC_OPUS ? count : (size_t)s->format.rate_hz / 1000 * PIECE_MS, n = 0;
	uint8_t payload[CODER_MAX_BYTES];

	if (!t->encoder)
		return code_linear(t->samples, count, out);
	for (size_t at = 0; at < count; at += piece) {
		size_t made = encoder_run(t->encoder, t->samples + at, piece, payload);

		memcpy(out + n, payload, made);
		n += made;
	}
	return n;
}

static void send_frame(struct streamer *s, struct track *t, size_t count)
{
	struct stream_frame *f = &s->frame;

	f->kind = STREAM_AUDIO;
	f->outbound = t->outbound;
	f->timestamp = (uint64_t)t->chunk * s->format.packet_ms;
	f->chunk = ++t->chunk;
	f->bytes = (uint16_t)code(s, t, count, f->audio);
	if (f->bytes)
		ws_feed_put(s->feed, f, stream_frame_size(f));
}

/* What a resampler lacks at its begin is silence, so that tracks stay together. */
static void take(struct streamer *s, struct track *t, const int16_t *in, size_t count)
{
	size_t want = (size_t)s->format.rate_hz / 1000 * TICK_MS,
	       packet = (size_t)s->format.rate_hz / 1000 * s->format.packet_ms;
	int16_t *to = t->samples + t->held;
	size_t made = 0;

	if (t->resampler)
		made = resampler_run(t->resampler, in, &count, to, want);
	else
		memcpy(to, in, (made = want) * sizeof(*to));
	memset(to + made, 0, (want - made) * sizeof(*to));
	t->held += want;
	while (t->held >= packet) {
		send_frame(s, t, packet);
		t->held -= packet;
		memmove(t->samples, t->samples + packet, t->held * sizeof(*to));
	}
}

static bool push(struct sink *sink, const int16_t *said, const int16_t *heard, size_t count, uint32_t rate_hz)
{
	struct streamer *s = streamer_of(sink);

	if (atomic_load(&s->closed))
		return false;
	assert(rate_hz == sink->rate_hz && count == rate_hz / 1000 * TICK_MS);
	if (said)
		take(s, &s->tracks[0], said, count);
	if (heard)
		take(s, &s->tracks[1], heard, count);
	return true;
}

/* --- signal --- */

static void streamer_free(struct streamer *s)
{
	for (size_t i = 0; i < 2; i++) {
		encoder_free(&s->tracks[i].encoder);
		resampler_free(&s->tracks[i].resampler);
	}
	ws_feed_drop(&s->feed);
	free(s);
}

static void sink_free(struct sink *sink)
{
	struct streamer *s = streamer_of(sink);

	s->lent = false;
	if (s->over)
		streamer_free(s);
}

static const struct sink_ops ops = { .push = push, .free = sink_free };

static int open_track(struct streamer *s, struct track *t)
{
	int err = 0;

	if (s->format.rate_hz != s->sink.rate_hz)
		err = resampler_new(&t->resampler, s->sink.rate_hz, s->format.rate_hz);
	if (!err && s->format.codec != CODEC_L16)
		err = encoder_new(&t->encoder, s->format.codec, s->format.rate_hz);
	return err;
}

int streamer_new(struct streamer **out, const struct stream_format *f, enum sink_wants tracks, struct ws_feed *feed)
{
	struct streamer *s = calloc(1, sizeof(*s));
	int err = 0;

	assert(stream_format_ok(f));
	if (!s)
		return ENOMEM;
	s->format = *f;
	s->sink =
		(struct sink){ .ops = &ops, .wants = tracks, .rate_hz = f->rate_hz > NARROW_HZ ? WIDE_HZ : NARROW_HZ };
	s->feed = ws_feed_use(feed);
	s->tracks[1].outbound = true;
	if (tracks & SINK_SAID)
		err = open_track(s, &s->tracks[0]);
	if (!err && (tracks & SINK_HEARD))
		err = open_track(s, &s->tracks[1]);
	if (err) {
		streamer_free(s);
		return err;
	}
	*out = s;
	return 0;
}

struct sink *streamer_lend(struct streamer *s)
{
	assert(!s->lent);
	s->lent = true;
	return &s->sink;
}

uint64_t streamer_lost_ms(const struct streamer *s)
{
	return ws_feed_lost(s->feed) * s->format.packet_ms;
}

void streamer_close(struct streamer **streamer)
{
	struct streamer *s = *streamer;

	*streamer = NULL;
	if (!s)
		return;
	atomic_store(&s->closed, true);
	s->over = true;
	if (!s->lent)
		streamer_free(s);
}

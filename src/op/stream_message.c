#include "op/stream_message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>

enum { ENVELOPE = 200 }; /* a message without its payload */

struct counter { /* of who takes frames out */
	uint64_t sequence;
};

static const char *encoding_of(enum codec_id codec)
{
	switch (codec) {
	case CODEC_PCMU:
		return "audio/x-mulaw";
	case CODEC_PCMA:
		return "audio/x-alaw";
	case CODEC_G722:
		return "audio/G722";
	case CODEC_L16:
		return "audio/x-L16";
	case CODEC_OPUS:
		return "audio/opus";
	case CODEC_G729:
	case CODEC_VP8:
	case CODEC_H264:
	case CODEC_COUNT:
		break;
	}
	return "";
}

static const char *tracks_of(enum sink_wants tracks)
{
	switch (tracks) {
	case SINK_SAID:
		return "[\"inbound\"]";
	case SINK_HEARD:
		return "[\"outbound\"]";
	case SINK_BOTH:
		break;
	}
	return "[\"inbound\",\"outbound\"]";
}

struct str stream_message_connected(void)
{
	return STR("{\"event\":\"connected\",\"protocol\":\"Call\",\"version\":\"0.2.0\"}");
}

void stream_message_start(struct buf *out, const struct stream_hello *s)
{
	buf_init(out, STREAM_MAX_START);
	buf_cstr(out, "{\"event\":\"start\",\"sequenceNumber\":\"1\",\"start\":{\"streamSid\":");
	buf_json(out, str_of(s->stream_id));
	buf_cstr(out, ",\"accountSid\":");
	buf_json(out, s->account_id ? str_of(s->account_id) : STR(""));
	buf_cstr(out, ",\"callSid\":");
	buf_json(out, str_of(s->call_id));
	buf_printf(out, ",\"tracks\":%s,\"customParameters\":{", tracks_of(s->tracks));
	for (size_t i = 0; i < s->parameter_count; i++) {
		if (i)
			buf_char(out, ',');
		buf_json(out, s->parameters[i].name);
		buf_char(out, ':');
		buf_json(out, s->parameters[i].value);
	}
	buf_printf(out, "},\"mediaFormat\":{\"encoding\":\"%s\",\"sampleRate\":%u,\"channels\":1}}}",
		   encoding_of(s->format.codec), s->format.rate_hz);
}

/* --- of frames --- */

static size_t begin(struct counter *c, const char *event, char *out)
{
	return (size_t)snprintf(out, ENVELOPE, "{\"event\":\"%s\",\"sequenceNumber\":\"%llu\"", event,
				(unsigned long long)++c->sequence);
}

static size_t write_media(struct counter *c, const struct stream_frame *f, char *out)
{
	size_t n = begin(c, "media", out);

	n += (size_t)snprintf(out + n, ENVELOPE - n,
			      ",\"media\":{\"track\":\"%s\",\"chunk\":\"%u\",\"timestamp\":\"%llu\",\"payload\":\"",
			      f->outbound ? "outbound" : "inbound", f->chunk, (unsigned long long)f->timestamp);
	n += (size_t)EVP_EncodeBlock((unsigned char *)out + n, f->audio, f->bytes);
	memcpy(out + n, "\"}}", 3);
	return n + 3;
}

static size_t write_key(struct counter *c, const struct stream_frame *f, char *out)
{
	size_t n = begin(c, "dtmf", out);

	return n + (size_t)snprintf(out + n, ENVELOPE - n, ",\"dtmf\":{\"digit\":\"%c\"}}", f->key);
}

static size_t write_stop(struct counter *c, char *out)
{
	size_t n = begin(c, "stop", out);

	out[n] = '}';
	return n + 1;
}

static size_t write_frame(void *arg, const void *frame, size_t n, char *out)
{
	const struct stream_frame *f = frame;

	switch (f->kind) {
	case STREAM_AUDIO:
		return write_media(arg, f, out);
	case STREAM_KEY:
		return write_key(arg, f, out);
	case STREAM_STOP:
		break;
	}
	return write_stop(arg, out);
}

int stream_message_text(struct ws_feed_text *out, const struct stream_format *f)
{
	struct counter *c = calloc(1, sizeof(*c));
	size_t audio = stream_frame_bytes(f) - offsetof(struct stream_frame, audio);

	if (!c)
		return ENOMEM;
	c->sequence = 1; /* that of start */
	*out = (struct ws_feed_text){
		.room = ENVELOPE + (audio + 2) / 3 * 4 + 1 /* the NUL of EVP_EncodeBlock() */ + 3,
		.write = write_frame,
		.free = free,
		.arg = c,
	};
	return 0;
}

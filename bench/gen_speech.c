/* What is said in calls whose audio the server decodes: real speech in each codec, coded once at the start. */
#include "gen.h"

#include <opus/opus.h>
#include <spandsp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FRAMES_PER_S = 50,
	OPUS_BIT_RATE = 32000,
	OPUS_COMPLEXITY = 5,
	G722_BIT_RATE = 64000,
	BURST_EVERY = 25, /* frames */
	BURST_LEVEL = 12000,
	LOUD_EXPONENT = 5, /* from 4,000 on, in both laws */
	G711_SAMPLES = 160,
};

static uint32_t rate_of(enum payload payload)
{
	switch (payload) {
	case PAYLOAD_PCMU:
	case PAYLOAD_PCMA:
		return 8000;
	case PAYLOAD_G722:
		return 16000;
	case PAYLOAD_OPUS:
		break;
	}
	return 48000;
}

/* All whole frames of PATH-RATE.raw, which is mono, 16 bit, of this machine's byte order. */
static int16_t *read_sound(const char *path, uint32_t rate_hz, uint32_t *frames)
{
	size_t frame_bytes = rate_hz / FRAMES_PER_S * sizeof(int16_t), n;
	char name[512];
	int16_t *samples;
	FILE *f;

	snprintf(name, sizeof(name), "%s-%u.raw", path, rate_hz);
	f = fopen(name, "rb");
	if (!f || fseek(f, 0, SEEK_END))
		die(name);
	n = (size_t)ftell(f) / frame_bytes;
	rewind(f);
	samples = malloc(n * frame_bytes + 1);
	if (!samples || !n || fread(samples, frame_bytes, n, f) != n)
		die(name);
	fclose(f);
	*frames = (uint32_t)n;
	return samples;
}

struct coders {
	OpusEncoder *opus;
	g722_encode_state_t *g722;
};

static void open_coders(struct coders *c, bool narrow)
{
	int err;

	c->opus = opus_encoder_create(48000, 1, OPUS_APPLICATION_VOIP, &err);
	c->g722 = g722_encode_init(NULL, G722_BIT_RATE, 0);
	if (!c->opus || !c->g722)
		die("codecs");
	opus_encoder_ctl(c->opus, OPUS_SET_BITRATE(OPUS_BIT_RATE));
	opus_encoder_ctl(c->opus, OPUS_SET_COMPLEXITY(OPUS_COMPLEXITY));
	if (narrow)
		opus_encoder_ctl(c->opus, OPUS_SET_MAX_BANDWIDTH(OPUS_BANDWIDTH_NARROWBAND));
}

static void close_coders(struct coders *c)
{
	opus_encoder_destroy(c->opus);
	g722_encode_free(c->g722);
}

static void code(struct coders *c, enum payload payload, const int16_t *in, int count, struct speech_frame *out)
{
	switch (payload) {
	case PAYLOAD_PCMU:
	case PAYLOAD_PCMA:
		for (int i = 0; i < count; i++)
			out->bytes[i] = payload == PAYLOAD_PCMU ? linear_to_ulaw(in[i]) : linear_to_alaw(in[i]);
		out->n = (uint16_t)count;
		break;
	case PAYLOAD_G722:
		out->n = (uint16_t)g722_encode(c->g722, out->bytes, in, count);
		break;
	case PAYLOAD_OPUS:
		out->n = (uint16_t)opus_encode(c->opus, in, count, out->bytes, sizeof(out->bytes));
		break;
	}
}

static int16_t *make_bursts(uint32_t *frames)
{
	int16_t *samples = calloc(BURST_EVERY, G711_SAMPLES * sizeof(*samples));

	if (!samples)
		die("memory");
	for (size_t i = 0; i < G711_SAMPLES; i++)
		samples[i] = i / 8 % 2 ? -BURST_LEVEL : BURST_LEVEL;
	*frames = BURST_EVERY;
	return samples;
}

bool speech_is_burst(const struct gen *g, uint32_t frame)
{
	return g->opts.bursts && frame % BURST_EVERY == 0;
}

int speech_burst(enum payload payload, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t code = payload == PAYLOAD_PCMU ? (uint8_t)~bytes[i] : bytes[i] ^ 0x55;

		if ((code >> 4 & 7) >= LOUD_EXPONENT)
			return (int)i;
	}
	return -1;
}

static void code_all(struct speech *out, enum payload payload, const int16_t *sound, uint32_t frames, bool narrow)
{
	uint32_t samples = rate_of(payload) / FRAMES_PER_S;
	struct coders coders;

	out->frames = frames;
	out->frame = calloc(frames, sizeof(*out->frame));
	if (!out->frame)
		die("memory");
	open_coders(&coders, narrow);
	for (uint32_t i = 0; i < frames; i++)
		code(&coders, payload, sound + (size_t)i * samples, (int)samples, &out->frame[i]);
	close_coders(&coders);
}

void speech_open(struct gen *g, struct side *s)
{
	uint32_t frames;
	int16_t *sound;

	if (!g->opts.bursts && !g->opts.speech)
		return;
	sound = g->opts.bursts ? make_bursts(&frames) : read_sound(g->opts.speech, rate_of(s->payload), &frames);
	code_all(&s->speech, s->payload, sound, frames, false);
	if (s->payload == PAYLOAD_OPUS)
		code_all(&s->narrow, s->payload, sound, frames, true);
	free(sound);
}

/* worker_audio_impl: what worker_audio.c and worker_coders.c keep of a port whose audio is decoded or made. Thread: media. */
#ifndef WORKER_AUDIO_IMPL_H
#define WORKER_AUDIO_IMPL_H

#include "media/coder.h"
#include "media/fill.h"
#include "media/noise.h"
#include "media/worker_impl.h"

enum {
	FRAME_MS = 20,
	TICK_MS = FRAME_MS / PHASES,
	LATEST_MS = 100, /* ticks that are later than this are not made up for */
	NARROW_HZ = 8000,
	WIDE_HZ = 16000,
	FRAME_MAX = FRAME_MS * WIDE_HZ / 1000,
	PACKET_MAX = CODER_MAX_MS * WIDE_HZ / 1000,
	DECODED_MAX = CODER_MAX_MS * WIDE_HZ / 1000,
	MARKER = 0x80,
};

struct playing {
	struct list node;
	struct worker_play what;
	bool paused;
};

struct listener {
	struct list node;
	uint32_t id;
	struct sink *sink;
	uint32_t rate_hz;               /* what it gets, from the first push on */
	uint32_t from_hz;               /* what said and heard were made for: the port's, which may change */
	struct resampler *said, *heard; /* NULL = not needed */
};

struct audio {
	struct list node;
	struct worker_port *port;
	unsigned phase;
	uint64_t due_ms;  /* its next turn, while it is in no worker */
	uint32_t rate_hz; /* of said and heard */
	bool decodes, makes;
	/* What the party says. */
	enum codec_id decoder_codec;
	struct jitter *jitter;
	struct decoder *decoder;
	size_t decoded_count; /* not yet said */
	size_t packet_count;  /* samples that the newest packet held */
	bool talks;           /* said is more than silence */
	struct noise noise;
	struct denoiser *denoiser; /* NULL = said is as it came */
	/* What it hears. */
	enum codec_id encoder_codec;
	struct encoder *encoder;
	struct resampler *from_peer; /* the peer's rate to ours, NULL = equal */
	uint32_t peer_hz;
	struct fill fill;      /* the peer's silence, while something only fills that */
	size_t unsent_count;   /* samples that wait for their packet to be full */
	struct list playing;   /* of struct playing  */
	struct list listeners; /* of struct listener */
	int16_t said[FRAME_MAX], heard[FRAME_MAX];
	int16_t unsent[PACKET_MAX + FRAME_MAX];
	int16_t decoded[DECODED_MAX + FRAME_MAX];
};

static inline size_t frame_of(uint32_t rate_hz)
{
	return FRAME_MS * rate_hz / 1000;
}

/* --- worker_coders.c --- */

/* Somebody hears what p says, or plays something to it, or listens. */
bool audio_is_needed(const struct worker_port *p);
uint32_t audio_rate_of(const struct worker_port *p);
/* Make, change or drop what decodes and encodes, as its neighbours are now. */
void audio_refresh_coders(struct audio *a);
void audio_free_coders(struct audio *a);
/* What waits for its packet to be full. */
void audio_drop_unsent(struct audio *a);

#endif

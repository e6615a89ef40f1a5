/* coder: linear 16-bit mono audio from and to the payloads of one codec.
 *
 * One encoder or decoder per stream and direction; it knows no RTP. A coder works at one sample rate at a time:
 * the codec's own, or for Opus and G722 the one that the other side of the call has, so that nothing is resampled
 * between a wide codec and a telephone. G729 exists when its module could be loaded (coder_load_module()).
 * Thread: the owner's; making one allocates, running one does not. Source: RFC 3551, 6716, 7587. */
#ifndef CODER_H
#define CODER_H

#include "media/codec.h"
#include "media/opus_wish.h"

struct encoder;
struct decoder;

enum {
	CODER_MAX_MS = 60, /* of audio in one payload that we take or make */
	CODER_MAX_HZ = 48000,
	CODER_MAX_SAMPLES = CODER_MAX_MS * CODER_MAX_HZ / 1000,
	CODER_MAX_BYTES = 1920, /* L16 at 16 kHz for 60 ms */
};

/* Open the module of G.729 (a file of its own for its licence). Once, at start, before any thread. 0, or ENOENT with
 * why. Without it coder_has(CODEC_G729) is false: the codec can be relayed, not decoded. */
int coder_load_module(const char *path, char why[160]);
bool coder_has(enum codec_id id);
/* The rate a coder of this codec works at when the other side has wish_hz. */
uint32_t coder_rate(enum codec_id id, uint32_t wish_hz);
/* RTP clock ticks of so many samples at that rate. */
uint32_t coder_ticks(enum codec_id id, uint32_t rate_hz, size_t samples);

/* rate_hz as coder_rate() said. 0, ENOTSUP or ENOMEM. */
int encoder_new(struct encoder **out, enum codec_id id, uint32_t rate_hz);
void encoder_free(struct encoder **e);
/* count: 10, 20, 40 or 60 ms of samples. Returns the bytes of the payload; 0 = nothing to send. */
size_t encoder_run(struct encoder *e, const int16_t *in, size_t count, uint8_t out[CODER_MAX_BYTES]);
/* Opus: what the party wants; without it, as if it had said nothing. Others take no notice. */
void encoder_wish(struct encoder *e, const struct opus_wish *wish);
/* Go on at another rate (as coder_rate() said) without a break in what the far decoder has learned of the stream. False: this
 * codec cannot; free it and make a new one. */
bool encoder_retune(struct encoder *e, uint32_t rate_hz);
/* What the far side loses, in per cent, from its reports: Opus adds redundancy. */
void encoder_expect_loss(struct encoder *e, unsigned percent);

int decoder_new(struct decoder **out, enum codec_id id, uint32_t rate_hz);
void decoder_free(struct decoder **d);
bool decoder_retune(struct decoder *d, uint32_t rate_hz);
/* Returns the samples of the payload (at most 60 ms), 0 = not decodable: conceal it. */
size_t decoder_run(struct decoder *d, const uint8_t *payload, size_t n, int16_t *out);
/* count samples in place of a payload that did not come. next: the payload after the missing one when it is there
 * (Opus carries a copy of what went before), NULL = not. Fades to silence within 60 ms of loss in a row. */
void decoder_conceal(struct decoder *d, const uint8_t *next, size_t next_n, int16_t *out, size_t count);

#endif

/* G.711 both laws and L16. Source: ITU-T G.711, RFC 3551 §4.5.11, §4.5.14. */
#include <errno.h>
#include <stdlib.h>

#include "media/coder_impl.h"

/* --- G.711, one sample --- */

enum { MULAW_BIAS = 132, MULAW_CLIP = 32635 };

/* 0 up to 0xff, then one more for each doubling. */
static unsigned segment_of(unsigned magnitude)
{
	return magnitude > 0xff ? 24 - (unsigned)__builtin_clz(magnitude) : 0;
}

static uint8_t mulaw_encode(int16_t sample)
{
	uint8_t sign = sample < 0 ? 0x80 : 0;
	unsigned magnitude = (unsigned)abs(sample), segment;

	if (magnitude > MULAW_CLIP)
		magnitude = MULAW_CLIP;
	magnitude += MULAW_BIAS;
	segment = segment_of(magnitude);
	return (uint8_t) ~(sign | segment << 4 | (magnitude >> (segment + 3) & 0x0f));
}

static int16_t mulaw_decode(uint8_t code)
{
	int magnitude;

	code = (uint8_t)~code;
	magnitude = (((code & 0x0f) << 3) + MULAW_BIAS) << (code >> 4 & 7);
	magnitude -= MULAW_BIAS;
	return (int16_t)(code & 0x80 ? -magnitude : magnitude);
}

static uint8_t alaw_encode(int16_t sample)
{
	uint8_t mask = sample < 0 ? 0x55 : 0xd5, code;
	unsigned magnitude = sample < 0 ? (unsigned)(-(sample + 1)) : (unsigned)sample, segment;

	segment = segment_of(magnitude);
	code = (uint8_t)(segment << 4 | (magnitude >> (segment ? segment + 3 : 4) & 0x0f));
	return code ^ mask;
}

static int16_t alaw_decode(uint8_t code)
{
	int segment, magnitude;

	code ^= 0x55;
	segment = code >> 4 & 7;
	magnitude = (code & 0x0f) << 4;
	magnitude = segment ? (magnitude + 0x108) << (segment - 1) : magnitude + 8;
	return (int16_t)(code & 0x80 ? magnitude : -magnitude);
}

/* --- the coders: nothing to remember but the rate --- */

static int plain_encoder_new(struct encoder **out, uint32_t rate_hz)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : ENOMEM;
}

static void plain_encoder_free(struct encoder *e)
{
	free(e);
}

static int plain_decoder_new(struct decoder **out, uint32_t rate_hz)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : ENOMEM;
}

static void plain_decoder_free(struct decoder *d)
{
	free(d);
}

static size_t pcmu_encode(struct encoder *e, const int16_t *in, size_t count, uint8_t *out)
{
	for (size_t i = 0; i < count; i++)
		out[i] = mulaw_encode(in[i]);
	return count;
}

static size_t pcma_encode(struct encoder *e, const int16_t *in, size_t count, uint8_t *out)
{
	for (size_t i = 0; i < count; i++)
		out[i] = alaw_encode(in[i]);
	return count;
}

static size_t l16_encode(struct encoder *e, const int16_t *in, size_t count, uint8_t *out)
{
	for (size_t i = 0; i < count; i++) {
		out[2 * i] = (uint8_t)((uint16_t)in[i] >> 8);
		out[2 * i + 1] = (uint8_t)in[i];
	}
	return 2 * count;
}

static size_t most(const struct decoder *d)
{
	return (size_t)CODER_MAX_MS * d->rate_hz / 1000;
}

static size_t pcmu_decode(struct decoder *d, const uint8_t *payload, size_t n, int16_t *out)
{
	if (n > most(d))
		return 0;
	for (size_t i = 0; i < n; i++)
		out[i] = mulaw_decode(payload[i]);
	return n;
}

static size_t pcma_decode(struct decoder *d, const uint8_t *payload, size_t n, int16_t *out)
{
	if (n > most(d))
		return 0;
	for (size_t i = 0; i < n; i++)
		out[i] = alaw_decode(payload[i]);
	return n;
}

static size_t l16_decode(struct decoder *d, const uint8_t *payload, size_t n, int16_t *out)
{
	if (n / 2 > most(d))
		return 0;
	for (size_t i = 0; i < n / 2; i++)
		out[i] = (int16_t)(payload[2 * i] << 8 | payload[2 * i + 1]);
	return n / 2;
}

const struct coder_ops coder_pcmu = {
	.encoder_new = plain_encoder_new,
	.encoder_free = plain_encoder_free,
	.encode = pcmu_encode,
	.decoder_new = plain_decoder_new,
	.decoder_free = plain_decoder_free,
	.decode = pcmu_decode,
};

const struct coder_ops coder_pcma = {
	.encoder_new = plain_encoder_new,
	.encoder_free = plain_encoder_free,
	.encode = pcma_encode,
	.decoder_new = plain_decoder_new,
	.decoder_free = plain_decoder_free,
	.decode = pcma_decode,
};

const struct coder_ops coder_l16 = {
	.encoder_new = plain_encoder_new,
	.encoder_free = plain_encoder_free,
	.encode = l16_encode,
	.decoder_new = plain_decoder_new,
	.decoder_free = plain_decoder_free,
	.decode = l16_decode,
};

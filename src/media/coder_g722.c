/* G.722 at 64 kbit/s, by spandsp. Source: ITU-T G.722, RFC 3551 §4.5.2. */
#include <errno.h>
#include <spandsp.h>
#include <stdlib.h>

#include "media/coder_impl.h"

enum { BIT_RATE = 64000 };

struct g722_encoder {
	struct encoder base;
	g722_encode_state_t *state;
};

struct g722_decoder {
	struct decoder base;
	g722_decode_state_t *state;
};

static void free_encoder(struct encoder *base)
{
	struct g722_encoder *e = (struct g722_encoder *)base;

	if (e->state)
		g722_encode_free(e->state);
	free(e);
}

static int new_encoder(struct encoder **out, uint32_t rate_hz)
{
	struct g722_encoder *e = calloc(1, sizeof(*e));

	if (!e)
		return ENOMEM;
	e->state = g722_encode_init(NULL, BIT_RATE, 0);
	if (!e->state) {
		free_encoder(&e->base);
		return ENOMEM;
	}
	*out = &e->base;
	return 0;
}

static size_t encode(struct encoder *base, const int16_t *in, size_t count, uint8_t *out)
{
	struct g722_encoder *e = (struct g722_encoder *)base;
	int n = g722_encode(e->state, out, in, (int)count);

	return n > 0 ? (size_t)n : 0;
}

static void free_decoder(struct decoder *base)
{
	struct g722_decoder *d = (struct g722_decoder *)base;

	if (d->state)
		g722_decode_free(d->state);
	free(d);
}

static int new_decoder(struct decoder **out, uint32_t rate_hz)
{
	struct g722_decoder *d = calloc(1, sizeof(*d));

	if (!d)
		return ENOMEM;
	d->state = g722_decode_init(NULL, BIT_RATE, 0);
	if (!d->state) {
		free_decoder(&d->base);
		return ENOMEM;
	}
	*out = &d->base;
	return 0;
}

static size_t decode(struct decoder *base, const uint8_t *payload, size_t n, int16_t *out)
{
	struct g722_decoder *d = (struct g722_decoder *)base;
	int count;

	if (2 * n > (size_t)CODER_MAX_MS * base->rate_hz / 1000)
		return 0;
	count = g722_decode(d->state, out, payload, (int)n);
	return count > 0 ? (size_t)count : 0;
}

const struct coder_ops coder_g722 = {
	.encoder_new = new_encoder,
	.encoder_free = free_encoder,
	.encode = encode,
	.decoder_new = new_decoder,
	.decoder_free = free_decoder,
	.decode = decode,
};

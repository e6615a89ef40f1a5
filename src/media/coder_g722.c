/* G.722 at 64 kbit/s, by spandsp. For a telephone at the other end it works at 8 kHz: then only the lower band is coded, for a third
 * of the work, and nothing is resampled. Source: ITU-T G.722, RFC 3551 §4.5.2. */
#include <errno.h>
#include <spandsp.h>
#include <spandsp/expose.h> /* a coder that changes its rate has to keep what its bands have learned */
#include <stdlib.h>
#include <string.h>

#include "media/coder_impl.h"
#include "media/phone_band.h"

enum { BIT_RATE = 64000, NARROW_HZ = 8000 };

struct g722_encoder {
	struct encoder base;
	g722_encode_state_t *state;
	struct phone_band band; /* at 8 kHz */
};

struct g722_decoder {
	struct decoder base;
	g722_decode_state_t *state;
	struct phone_band band; /* at 8 kHz */
};

static int options(uint32_t rate_hz)
{
	return rate_hz == NARROW_HZ ? G722_SAMPLE_RATE_8000 : 0;
}

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
	e->state = g722_encode_init(NULL, BIT_RATE, options(rate_hz));
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
	int16_t narrow[PHONE_BAND_MOST];
	int n;

	if (base->rate_hz == NARROW_HZ) {
		phone_band_run(&e->band, in, count, narrow);
		in = narrow;
	}
	n = g722_encode(e->state, out, in, (int)count);
	return n > 0 ? (size_t)n : 0;
}

/* The far decoder's bands go on as they were; the filters that part and join them begin anew. */
static void retune_encoder(struct encoder *base, uint32_t rate_hz)
{
	struct g722_encoder *e = (struct g722_encoder *)base;

	e->state->eight_k = rate_hz == NARROW_HZ;
	memset(e->state->x, 0, sizeof(e->state->x));
	memset(e->state->y, 0, sizeof(e->state->y));
	e->band = (struct phone_band){ 0 };
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
	d->state = g722_decode_init(NULL, BIT_RATE, options(rate_hz));
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
	bool narrow = base->rate_hz == NARROW_HZ;
	int count;

	if ((narrow ? n : 2 * n) > (size_t)CODER_MAX_MS * base->rate_hz / 1000)
		return 0;
	count = g722_decode(d->state, out, payload, (int)n);
	if (count <= 0)
		return 0;
	if (narrow)
		phone_band_run(&d->band, out, (size_t)count, out);
	return (size_t)count;
}

static void retune_decoder(struct decoder *base, uint32_t rate_hz)
{
	struct g722_decoder *d = (struct g722_decoder *)base;

	d->state->eight_k = rate_hz == NARROW_HZ;
	memset(d->state->x, 0, sizeof(d->state->x));
	memset(d->state->y, 0, sizeof(d->state->y));
	d->band = (struct phone_band){ 0 };
}

const struct coder_ops coder_g722 = {
	.encoder_new = new_encoder,
	.encoder_free = free_encoder,
	.encode = encode,
	.encoder_retune = retune_encoder,
	.decoder_new = new_decoder,
	.decoder_free = free_decoder,
	.decode = decode,
	.decoder_retune = retune_decoder,
};

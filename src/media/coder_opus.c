/* Opus, mono, coded at the rate of the other side of the call. Source: RFC 6716, 7587; libopus. */
#include <errno.h>
#include <opus/opus.h>
#include <stdlib.h>
#include <string.h>

#include "media/coder_impl.h"

enum { COMPLEXITY = 5, NOTHING_BYTES = 2 /* of a frame that need not be sent */ };

struct opus_enc {
	struct encoder base;
	OpusEncoder *state;
	struct opus_wish wish;
	unsigned loss; /* per cent */
};

struct opus_dec {
	struct decoder base;
	OpusDecoder *state;
};

static void free_encoder(struct encoder *base)
{
	struct opus_enc *e = (struct opus_enc *)base;

	if (e->state)
		opus_encoder_destroy(e->state);
	free(e);
}

/* Speech of a telephone needs fewer bits than that of a wide codec. */
static int bit_rate(uint32_t rate_hz)
{
	if (rate_hz <= 8000)
		return 16000;
	return rate_hz <= 16000 ? 24000 : 32000;
}

/* What helps against loss needs room, or the library leaves it out where it would cost speech too much: at our usual rates, always. */
static void set_rates(const struct opus_enc *e)
{
	int rate = bit_rate(e->base.rate_hz), most = (int)e->wish.most_bit_s;

	if (e->wish.fec && e->loss)
		rate += rate / 2;
	opus_encoder_ctl(e->state, OPUS_SET_BITRATE(most && rate > most ? most : rate));
	opus_encoder_ctl(e->state, OPUS_SET_PACKET_LOSS_PERC((opus_int32)(e->wish.fec ? e->loss : 0)));
}

static int bandwidth(uint32_t most_hz)
{
	if (!most_hz || most_hz > 24000)
		return OPUS_BANDWIDTH_FULLBAND;
	if (most_hz > 16000)
		return OPUS_BANDWIDTH_SUPERWIDEBAND;
	if (most_hz > 12000)
		return OPUS_BANDWIDTH_WIDEBAND;
	return most_hz > 8000 ? OPUS_BANDWIDTH_MEDIUMBAND : OPUS_BANDWIDTH_NARROWBAND;
}

static void set_wish(struct encoder *base, const struct opus_wish *wish)
{
	struct opus_enc *e = (struct opus_enc *)base;

	e->wish = *wish;
	opus_encoder_ctl(e->state, OPUS_SET_INBAND_FEC(wish->fec));
	opus_encoder_ctl(e->state, OPUS_SET_DTX(wish->dtx));
	opus_encoder_ctl(e->state, OPUS_SET_VBR(!wish->constant));
	opus_encoder_ctl(e->state, OPUS_SET_MAX_BANDWIDTH(bandwidth(wish->most_hz)));
	set_rates(e);
}

static int new_encoder(struct encoder **out, uint32_t rate_hz)
{
	struct opus_enc *e = calloc(1, sizeof(*e));
	int err = OPUS_ALLOC_FAIL;

	if (!e)
		return ENOMEM;
	e->state = opus_encoder_create((opus_int32)rate_hz, 1, OPUS_APPLICATION_VOIP, &err);
	if (err != OPUS_OK) {
		e->state = NULL;
		free_encoder(&e->base);
		return ENOMEM;
	}
	opus_encoder_ctl(e->state, OPUS_SET_COMPLEXITY(COMPLEXITY));
	e->base.rate_hz = rate_hz;
	set_rates(e);
	*out = &e->base;
	return 0;
}

static size_t encode(struct encoder *base, const int16_t *in, size_t count, uint8_t *out)
{
	struct opus_enc *e = (struct opus_enc *)base;
	opus_int32 n = opus_encode(e->state, in, (int)count, out, CODER_MAX_BYTES);

	if (n <= 0 || (e->wish.dtx && n <= NOTHING_BYTES))
		return 0;
	return (size_t)n;
}

static void expect_loss(struct encoder *base, unsigned percent)
{
	struct opus_enc *e = (struct opus_enc *)base;

	e->loss = percent > 100 ? 100 : percent;
	set_rates(e);
}

static void free_decoder(struct decoder *base)
{
	struct opus_dec *d = (struct opus_dec *)base;

	if (d->state)
		opus_decoder_destroy(d->state);
	free(d);
}

static int new_decoder(struct decoder **out, uint32_t rate_hz)
{
	struct opus_dec *d = calloc(1, sizeof(*d));
	int err = OPUS_ALLOC_FAIL;

	if (!d)
		return ENOMEM;
	d->state = opus_decoder_create((opus_int32)rate_hz, 1, &err);
	if (err != OPUS_OK) {
		d->state = NULL;
		free_decoder(&d->base);
		return ENOMEM;
	}
	*out = &d->base;
	return 0;
}

static size_t decode(struct decoder *base, const uint8_t *payload, size_t n, int16_t *out)
{
	struct opus_dec *d = (struct opus_dec *)base;
	int most = (int)(CODER_MAX_MS * base->rate_hz / 1000);
	int count = opus_decode(d->state, payload, (opus_int32)n, out, most, 0);

	return count > 0 ? (size_t)count : 0;
}

/* The packet behind the gap carries a weaker copy of what was lost. */
static void conceal(struct decoder *base, const uint8_t *next, size_t next_n, int16_t *out, size_t count)
{
	struct opus_dec *d = (struct opus_dec *)base;
	int made = opus_decode(d->state, next, (opus_int32)next_n, out, (int)count, next != NULL);
	size_t have = made > 0 ? (size_t)made : 0;

	if (have < count)
		memset(out + have, 0, (count - have) * sizeof(*out));
}

const struct coder_ops coder_opus = {
	.encoder_new = new_encoder,
	.encoder_free = free_encoder,
	.encode = encode,
	.wish = set_wish,
	.expect_loss = expect_loss,
	.decoder_new = new_decoder,
	.decoder_free = free_decoder,
	.decode = decode,
	.conceal = conceal,
};

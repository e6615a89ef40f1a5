#include "media/coder.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "media/coder_impl.h"

enum { FADE_MS = 60 }; /* of concealment, then silence */

static const struct coder_ops *ops_of(enum codec_id id)
{
	switch (id) {
	case CODEC_PCMU:
		return &coder_pcmu;
	case CODEC_PCMA:
		return &coder_pcma;
	case CODEC_L16:
		return &coder_l16;
	case CODEC_G722:
		return &coder_g722;
	case CODEC_OPUS:
		return &coder_opus;
	case CODEC_G729:
		return coder_g729();
	case CODEC_VP8:
	case CODEC_H264:
	case CODEC_COUNT:
		break;
	}
	return NULL;
}

bool coder_has(enum codec_id id)
{
	return ops_of(id) != NULL;
}

uint32_t coder_rate(enum codec_id id, uint32_t wish_hz)
{
	if (id != CODEC_OPUS && id != CODEC_G722)
		return codec_get(id)->sample_hz;
	if (wish_hz <= 8000)
		return 8000;
	if (id == CODEC_G722)
		return codec_get(id)->sample_hz;
	return wish_hz <= 16000 ? 16000 : 48000;
}

uint32_t coder_ticks(enum codec_id id, uint32_t rate_hz, size_t samples)
{
	return (uint32_t)((uint64_t)samples * codec_get(id)->clock_hz / rate_hz);
}

int encoder_new(struct encoder **out, enum codec_id id, uint32_t rate_hz)
{
	const struct coder_ops *ops = ops_of(id);
	int err;

	if (!ops || rate_hz != coder_rate(id, rate_hz))
		return ENOTSUP;
	err = ops->encoder_new(out, rate_hz);
	if (err)
		return err;
	(*out)->ops = ops;
	(*out)->rate_hz = rate_hz;
	return 0;
}

void encoder_free(struct encoder **e)
{
	if (*e)
		(*e)->ops->encoder_free(*e);
	*e = NULL;
}

bool encoder_retune(struct encoder *e, uint32_t rate_hz)
{
	if (!e->ops->encoder_retune)
		return false;
	if (rate_hz != e->rate_hz)
		e->ops->encoder_retune(e, rate_hz);
	e->rate_hz = rate_hz;
	return true;
}

size_t encoder_run(struct encoder *e, const int16_t *in, size_t count, uint8_t out[CODER_MAX_BYTES])
{
	assert(count && count <= (size_t)CODER_MAX_MS * e->rate_hz / 1000);
	return e->ops->encode(e, in, count, out);
}

void encoder_wish(struct encoder *e, const struct opus_wish *wish)
{
	if (e->ops->wish)
		e->ops->wish(e, wish);
}

void encoder_expect_loss(struct encoder *e, unsigned percent)
{
	if (e->ops->expect_loss)
		e->ops->expect_loss(e, percent);
}

int decoder_new(struct decoder **out, enum codec_id id, uint32_t rate_hz)
{
	const struct coder_ops *ops = ops_of(id);
	int err;

	if (!ops || rate_hz != coder_rate(id, rate_hz))
		return ENOTSUP;
	err = ops->decoder_new(out, rate_hz);
	if (err)
		return err;
	(*out)->ops = ops;
	(*out)->rate_hz = rate_hz;
	return 0;
}

void decoder_free(struct decoder **d)
{
	if (*d)
		(*d)->ops->decoder_free(*d);
	*d = NULL;
}

bool decoder_retune(struct decoder *d, uint32_t rate_hz)
{
	if (!d->ops->decoder_retune)
		return false;
	if (rate_hz == d->rate_hz)
		return true;
	d->ops->decoder_retune(d, rate_hz);
	d->rate_hz = rate_hz;
	d->last_count = 0; /* at the wrong speed */
	return true;
}

/* The newest 20 ms, for concealment. */
static void remember(struct decoder *d, const int16_t *audio, size_t count)
{
	size_t keep = 20 * d->rate_hz / 1000;

	if (count < keep)
		keep = count;
	memcpy(d->last, audio + count - keep, keep * sizeof(*audio));
	d->last_count = keep;
}

size_t decoder_run(struct decoder *d, const uint8_t *payload, size_t n, int16_t *out)
{
	size_t count = n ? d->ops->decode(d, payload, n, out) : 0;

	if (!count)
		return 0;
	d->concealed_ms = 0;
	if (!d->ops->conceal)
		remember(d, out, count);
	return count;
}

/* What was heard last again, every repetition weaker. Good enough for the one or two packets that voice over IP loses. */
static void repeat(struct decoder *d, int16_t *out, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t ms = d->concealed_ms + i * 1000 / d->rate_hz;
		int32_t gain = ms < FADE_MS ? (int32_t)(FADE_MS - ms) : 0;

		out[i] = d->last_count ? (int16_t)(d->last[i % d->last_count] * gain / FADE_MS) : 0;
	}
}

void decoder_conceal(struct decoder *d, const uint8_t *next, size_t next_n, int16_t *out, size_t count)
{
	if (!d->ops->conceal)
		repeat(d, out, count);
	else if (d->concealed_ms < FADE_MS)
		d->ops->conceal(d, next, next_n, out, count);
	else
		memset(out, 0, count * sizeof(*out));
	d->concealed_ms += (unsigned)(count * 1000 / d->rate_hz);
}

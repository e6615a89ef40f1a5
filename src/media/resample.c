#include "media/resample.h"

#include <errno.h>
#include <speex/speex_resampler.h>
#include <stdlib.h>
#include <string.h>

enum { QUALITY = 3, MAX_HZ = 192000 };

struct resampler {
	SpeexResamplerState *state; /* NULL = equal rates */
};

int resampler_new(struct resampler **out, uint32_t from_hz, uint32_t to_hz)
{
	struct resampler *r;
	int err = 0;

	if (!from_hz || !to_hz || from_hz > MAX_HZ || to_hz > MAX_HZ)
		return EINVAL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return ENOMEM;
	if (from_hz != to_hz)
		r->state = speex_resampler_init(1, from_hz, to_hz, QUALITY, &err);
	if (err) {
		free(r);
		return ENOMEM;
	}
	if (r->state)
		speex_resampler_skip_zeros(r->state);
	*out = r;
	return 0;
}

void resampler_free(struct resampler **r)
{
	if (*r && (*r)->state)
		speex_resampler_destroy((*r)->state);
	free(*r);
	*r = NULL;
}

size_t resampler_run(struct resampler *r, const int16_t *in, size_t *count, int16_t *out, size_t max)
{
	spx_uint32_t taken = (spx_uint32_t)*count, made = (spx_uint32_t)max;

	if (!r->state) {
		*count = *count < max ? *count : max;
		memcpy(out, in, *count * sizeof(*in));
		return *count;
	}
	speex_resampler_process_int(r->state, 0, in, &taken, out, &made);
	*count = taken;
	return made;
}

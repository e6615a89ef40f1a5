#include "media/denoise.h"

#include <errno.h>
#include <speex/speex_preprocess.h>
#include <stdlib.h>

enum { FRAME_MS = 20, SUPPRESS_DB = -20 };

struct denoiser {
	SpeexPreprocessState *state;
};

int denoiser_new(struct denoiser **out, uint32_t rate_hz)
{
	struct denoiser *d = calloc(1, sizeof(*d));
	spx_int32_t on = 1, suppress = SUPPRESS_DB;

	if (!d)
		return ENOMEM;
	d->state = speex_preprocess_state_init((int)(FRAME_MS * rate_hz / 1000), (int)rate_hz);
	if (!d->state) {
		free(d);
		return ENOMEM;
	}
	speex_preprocess_ctl(d->state, SPEEX_PREPROCESS_SET_DENOISE, &on);
	speex_preprocess_ctl(d->state, SPEEX_PREPROCESS_SET_NOISE_SUPPRESS, &suppress);
	*out = d;
	return 0;
}

void denoiser_free(struct denoiser **dp)
{
	struct denoiser *d = *dp;

	if (!d)
		return;
	speex_preprocess_state_destroy(d->state);
	free(d);
	*dp = NULL;
}

void denoiser_run(struct denoiser *d, int16_t *audio)
{
	speex_preprocess_run(d->state, audio);
}

#include "media/key_detect.h"

#include <errno.h>
#include <spandsp.h>
#include <stdlib.h>

#include "media/resample.h"

enum { DETECTOR_HZ = 8000, FRAME_MAX = 160 };

struct key_detector {
	dtmf_rx_state_t *dtmf;
	struct resampler *down; /* NULL = not needed */
};

int key_detector_new(struct key_detector **out, uint32_t rate_hz)
{
	struct key_detector *d = calloc(1, sizeof(*d));
	int err = 0;

	if (!d)
		return ENOMEM;
	d->dtmf = dtmf_rx_init(NULL, NULL, NULL);
	if (!d->dtmf)
		err = ENOMEM;
	if (!err && rate_hz != DETECTOR_HZ)
		err = resampler_new(&d->down, rate_hz, DETECTOR_HZ);
	if (err)
		key_detector_free(&d);
	else
		*out = d;
	return err;
}

void key_detector_free(struct key_detector **dp)
{
	struct key_detector *d = *dp;

	if (!d)
		return;
	if (d->dtmf)
		dtmf_rx_free(d->dtmf);
	resampler_free(&d->down);
	free(d);
	*dp = NULL;
}

size_t key_detector_run(struct key_detector *d, const int16_t *in, size_t count, char keys[8])
{
	int16_t narrow[FRAME_MAX];

	if (d->down) {
		count = resampler_run(d->down, in, &count, narrow, FRAME_MAX);
		in = narrow;
	}
	dtmf_rx(d->dtmf, in, (int)count);
	return dtmf_rx_get(d->dtmf, keys, 7); /* and a NUL behind them */
}

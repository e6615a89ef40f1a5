#include "media/voice_edge.h"

#include <stdbool.h>

enum {
	FRAME_MS = 20,
	BEGIN_MS = 100,
	BREAK_MS = 60,  /* within what may be a beginning */
	QUIETEST = 16,  /* root of the mean square: a silent line is not a reason to hear everything */
	NOISIEST = 300, /* louder than that is no noise: somebody may speak when we begin to listen */
	AUDIBLE = 184,  /* -45 dBFS */
};

static const double above_noise = 16;     /* 12 dB */
static const double noise_rises = 1.0045; /* a frame: 1 dB a second */

static double mean_square(const int16_t *in, size_t count)
{
	double sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += (double)in[i] * in[i];
	return count ? sum / (double)count : 0;
}

static bool is_voice(struct voice_edge *v, double power)
{
	double threshold;

	if (v->noise <= 0 || power < v->noise)
		v->noise = power;
	else
		v->noise *= noise_rises;
	if (v->noise < QUIETEST * QUIETEST)
		v->noise = QUIETEST * QUIETEST;
	if (v->noise > NOISIEST * NOISIEST)
		v->noise = NOISIEST * NOISIEST;
	threshold = v->noise * above_noise;
	return power > (threshold > AUDIBLE * AUDIBLE ? threshold : AUDIBLE * AUDIBLE);
}

enum voice_state voice_edge_run(struct voice_edge *v, const int16_t *in, size_t count)
{
	bool voice;

	if (v->state == VOICE_ENDED)
		return v->state;
	voice = is_voice(v, mean_square(in, count));
	v->quiet_ms = voice ? 0 : v->quiet_ms + FRAME_MS;
	if (v->state == VOICE_SPEAKS) {
		if (v->quiet_ms >= v->end_ms)
			v->state = VOICE_ENDED;
		return v->state;
	}
	if (voice)
		v->voice_ms += FRAME_MS;
	else if (v->quiet_ms > BREAK_MS)
		v->voice_ms = 0;
	if (v->voice_ms >= BEGIN_MS)
		v->state = VOICE_SPEAKS;
	return v->state;
}

#include "media/clip.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

struct clip {
	atomic_uint users;
	uint32_t rate_hz;
	size_t count;
	int16_t *samples;
};

int clip_new(struct clip **out, uint32_t rate_hz, int16_t *samples, size_t count)
{
	struct clip *c = malloc(sizeof(*c));

	assert(rate_hz);
	if (!c)
		return ENOMEM;
	*c = (struct clip){ .users = 1, .rate_hz = rate_hz, .count = count, .samples = samples };
	*out = c;
	return 0;
}

struct clip *clip_ref(struct clip *c)
{
	atomic_fetch_add_explicit(&c->users, 1, memory_order_relaxed);
	return c;
}

void clip_unref(struct clip **clip)
{
	struct clip *c = *clip;

	*clip = NULL;
	if (!c || atomic_fetch_sub_explicit(&c->users, 1, memory_order_acq_rel) != 1)
		return;
	free(c->samples);
	free(c);
}

uint32_t clip_rate_hz(const struct clip *c)
{
	return c->rate_hz;
}

size_t clip_count(const struct clip *c)
{
	return c->count;
}

const int16_t *clip_samples(const struct clip *c)
{
	return c->samples;
}

uint32_t clip_ms(const struct clip *c)
{
	return (uint32_t)((uint64_t)c->count * 1000 / c->rate_hz);
}

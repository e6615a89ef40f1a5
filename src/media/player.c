#include "media/player.h"

#include <stdlib.h>
#include <string.h>

#include "media/resample.h"
#include "media/tone.h"

enum { CHUNK_MS = 20 };

static void zero(int16_t *out, size_t count)
{
	memset(out, 0, count * sizeof(*out));
}

/* --- clip --- */

struct clip_source {
	struct source base;
	struct clip *clip;
	size_t at;
	uint32_t rate_hz; /* of the resampler's output */
	struct resampler *resampler;
};

static size_t pull_as_it_is(struct clip_source *s, int16_t *out, size_t count)
{
	size_t left = clip_count(s->clip) - s->at;
	size_t n = left < count ? left : count;

	memcpy(out, clip_samples(s->clip) + s->at, n * sizeof(*out));
	zero(out + n, count - n);
	s->at += n;
	return n;
}

static size_t pull_resampled(struct clip_source *s, int16_t *out, size_t count, uint32_t rate_hz)
{
	size_t made = 0, chunk = (size_t)clip_rate_hz(s->clip) * CHUNK_MS / 1000;

	if (s->rate_hz != rate_hz) {
		resampler_free(&s->resampler);
		s->rate_hz = rate_hz;
		if (resampler_new(&s->resampler, clip_rate_hz(s->clip), rate_hz))
			return 0;
	}
	/* A chunk of 20 ms gives 20 ms, but for the rounding of odd rates: then a second, small one fills up. */
	while (made < count && s->at < clip_count(s->clip)) {
		size_t left = clip_count(s->clip) - s->at, want = (count - made) * clip_rate_hz(s->clip) / rate_hz + 1;
		size_t n = want < chunk ? want : chunk;

		n = n < left ? n : left;
		made += resampler_run(s->resampler, clip_samples(s->clip) + s->at, &n, out + made, count - made);
		s->at += n;
	}
	zero(out + made, count - made);
	return made;
}

static size_t pull_clip(struct source *base, int16_t *out, size_t count, uint32_t rate_hz)
{
	struct clip_source *s = (struct clip_source *)base;

	if (clip_rate_hz(s->clip) == rate_hz)
		return pull_as_it_is(s, out, count);
	return pull_resampled(s, out, count, rate_hz);
}

static void rewind_clip(struct source *base)
{
	((struct clip_source *)base)->at = 0;
}

static void free_clip(struct source *base)
{
	struct clip_source *s = (struct clip_source *)base;

	resampler_free(&s->resampler);
	clip_unref(&s->clip);
	free(s);
}

static const struct source_ops clip_ops = { .pull = pull_clip, .rewind = rewind_clip, .free = free_clip };

struct source *source_clip(struct clip *c)
{
	struct clip_source *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->base.ops = &clip_ops;
	s->clip = clip_ref(c);
	return &s->base;
}

/* --- tones and silence: so many microseconds --- */

struct timed_source {
	struct source base;
	uint64_t us, left_us;
	struct tone tone; /* plan NULL = silence */
};

static size_t pull_timed(struct source *base, int16_t *out, size_t count, uint32_t rate_hz)
{
	struct timed_source *s = (struct timed_source *)base;
	uint64_t left = s->left_us * rate_hz / 1000000;
	size_t n = left < count ? (size_t)left : count;

	if (s->tone.plan)
		tone_run(&s->tone, out, n, rate_hz);
	else
		zero(out, n);
	zero(out + n, count - n);
	s->left_us = n < count ? 0 : s->left_us - 1000000 * (uint64_t)n / rate_hz;
	return n;
}

static void rewind_timed(struct source *base)
{
	struct timed_source *s = (struct timed_source *)base;

	s->left_us = s->us;
	s->tone.at_us = 0;
}

static void free_timed(struct source *base)
{
	free(base);
}

static const struct source_ops timed_ops = { .pull = pull_timed, .rewind = rewind_timed, .free = free_timed };

static struct source *timed(const struct tone_plan *plan, uint32_t ms)
{
	struct timed_source *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->base.ops = &timed_ops;
	s->us = s->left_us = 1000 * (uint64_t)ms;
	s->tone.plan = plan;
	return &s->base;
}

struct source *source_silence(uint32_t ms)
{
	return timed(NULL, ms);
}

struct source *source_ring(struct str country, uint32_t ms)
{
	const struct tone_plan *plan = tone_ring(country);

	if (!plan)
		return NULL;
	return timed(plan, ms ? ms : tone_plan_ms(plan));
}

/* --- list --- */

struct list_source {
	struct source base;
	size_t count, at;
	unsigned times, left; /* times 0 = for ever */
	bool heard;           /* this round gave any audio: a list of empty items must not turn for ever */
	struct source *items[];
};

/* To the next item. false = that was the last. */
static bool next_item(struct list_source *s)
{
	if (++s->at < s->count)
		return true;
	if (!s->heard || (s->times && --s->left == 0))
		return false;
	for (size_t i = 0; i < s->count; i++)
		s->items[i]->ops->rewind(s->items[i]);
	s->at = 0;
	s->heard = false;
	return true;
}

static size_t pull_list(struct source *base, int16_t *out, size_t count, uint32_t rate_hz)
{
	struct list_source *s = (struct list_source *)base;
	size_t made = 0;

	while (s->at < s->count) {
		struct source *item = s->items[s->at];
		size_t n = item->ops->pull(item, out + made, count - made, rate_hz);

		s->heard = s->heard || n;
		made += n;
		if (made == count)
			return made;
		if (!next_item(s))
			break;
	}
	zero(out + made, count - made);
	return made;
}

static void rewind_list(struct source *base)
{
	struct list_source *s = (struct list_source *)base;

	for (size_t i = 0; i < s->count; i++)
		s->items[i]->ops->rewind(s->items[i]);
	s->at = 0;
	s->left = s->times;
	s->heard = false;
}

static void free_all(struct source *const *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		items[i]->ops->free(items[i]);
}

static void free_list(struct source *base)
{
	struct list_source *s = (struct list_source *)base;

	free_all(s->items, s->count);
	free(s);
}

static const struct source_ops list_ops = { .pull = pull_list, .rewind = rewind_list, .free = free_list };

struct source *source_list(struct source *const *items, size_t count, unsigned times)
{
	struct list_source *s = calloc(1, sizeof(*s) + count * sizeof(struct source *));

	if (!s) {
		free_all(items, count);
		return NULL;
	}
	s->base.ops = &list_ops;
	s->count = count;
	s->times = s->left = times;
	memcpy(s->items, items, count * sizeof(struct source *));
	return &s->base;
}

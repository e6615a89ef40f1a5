#include "media/utterance.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mq.h"
#include "media/voice_edge.h"

enum {
	BEFORE_MS = 300,
	BEFORE = BEFORE_MS * UTTERANCE_HZ / 1000,
	HEADER_BYTES = 44,
};

struct utterance {
	struct sink sink;
	struct utterance_opts opts;
	struct voice_edge voice;
	int16_t before[BEFORE]; /* a ring */
	size_t before_at, before_count;
	size_t count, max; /* samples */
	uint8_t *file;     /* header, then the samples */
};

static int16_t *samples_of(const struct utterance *u)
{
	return (int16_t *)(void *)(u->file + HEADER_BYTES);
}

static void keep(struct utterance *u, const int16_t *audio, size_t count)
{
	size_t room = u->max - u->count, n = count < room ? count : room;

	memcpy(samples_of(u) + u->count, audio, n * sizeof(*audio));
	u->count += n;
}

static void keep_before(struct utterance *u, const int16_t *audio, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		u->before[u->before_at] = audio[i];
		u->before_at = (u->before_at + 1) % BEFORE;
	}
	u->before_count = u->before_count + count < BEFORE ? u->before_count + count : BEFORE;
}

static void begin(struct utterance *u)
{
	size_t from = (u->before_at + BEFORE - u->before_count) % BEFORE;
	size_t first = BEFORE - from < u->before_count ? BEFORE - from : u->before_count;

	keep(u, u->before + from, first);
	keep(u, u->before, u->before_count - first);
	mq_send(u->opts.begun, &u->opts.id);
}

static bool push(struct sink *s, const int16_t *said, const int16_t *heard, size_t count, uint32_t rate_hz)
{
	struct utterance *u = (struct utterance *)(void *)s;
	enum voice_state before = u->voice.state;

	switch (voice_edge_run(&u->voice, said, count)) {
	case VOICE_AWAITED:
		keep_before(u, said, count);
		return true;
	case VOICE_SPEAKS:
		if (before == VOICE_AWAITED)
			begin(u);
		keep(u, said, count);
		return u->count < u->max;
	case VOICE_ENDED:
		break;
	}
	return false;
}

static void free_it(struct sink *s)
{
	struct utterance *u = (struct utterance *)(void *)s;

	free(u->file);
	free(u);
}

static const struct sink_ops ops = { .push = push, .free = free_it };

int utterance_new(struct utterance **out, const struct utterance_opts *opts)
{
	struct utterance *u = calloc(1, sizeof(*u));

	assert(opts->max_ms && opts->max_ms <= UTTERANCE_MAX_MS);
	if (!u)
		return ENOMEM;
	u->sink = (struct sink){ .ops = &ops, .wants = SINK_SAID, .rate_hz = UTTERANCE_HZ };
	u->opts = *opts;
	u->voice.end_ms = opts->end_ms;
	u->max = BEFORE + (size_t)opts->max_ms * UTTERANCE_HZ / 1000;
	u->file = malloc(HEADER_BYTES + u->max * sizeof(int16_t));
	if (!u->file) {
		free(u);
		return ENOMEM;
	}
	*out = u;
	return 0;
}

struct sink *utterance_sink(struct utterance *u)
{
	return &u->sink;
}

static uint8_t *put(uint8_t *p, uint32_t x, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++, x >>= 8)
		*p++ = (uint8_t)x;
	return p;
}

static uint8_t *put_text(uint8_t *p, const char *text)
{
	memcpy(p, text, strlen(text));
	return p + strlen(text);
}

struct str utterance_wav(struct utterance *u)
{
	uint32_t bytes = (uint32_t)(u->count * sizeof(int16_t));
	uint8_t *p = u->file;

	if (!bytes)
		return STR("");
	p = put(put_text(p, "RIFF"), HEADER_BYTES - 8 + bytes, 4);
	p = put(put_text(p, "WAVEfmt "), 16, 4);
	p = put(put(p, 1, 2), 1, 2); /* PCM, one channel */
	p = put(put(p, UTTERANCE_HZ, 4), UTTERANCE_HZ * 2, 4);
	p = put(put(p, 2, 2), 16, 2);
	p = put(put_text(p, "data"), bytes, 4);
	return (struct str){ (const char *)u->file, HEADER_BYTES + bytes };
}

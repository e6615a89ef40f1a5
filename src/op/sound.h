/* sound: sounds made ready to be played: fetched by URL or read from a file and decoded, or spoken by the speech engine.
 *
 * What came by URL is kept decoded, the least lately used dropped first, and asked for again with its ETag or date unless
 * its max-age still holds; who asks for a URL that is under way waits for the same answer. Targets, redirects and
 * time-outs are those of documents (http_client.h). Thread: signal; decoding on the pool. */
#ifndef SOUND_H
#define SOUND_H

#include "op/clip_ask.h"
#include "op/sound_uri.h"

struct http_client;
struct loop;
struct pool;
struct source;
struct speech;

struct sounds;

struct sounds_opts { /* all borrowed */
	struct loop *loop;
	struct pool *pool;
	struct http_client *http; /* NULL: URLs fail */
	struct speech *speech;    /* NULL: say: fails */
	size_t keep_bytes;        /* decoded, 0 = 64 MiB */
};

struct sound_request { /* all copied */
	struct sound_uri uri;
	const char *voice, *language, *gender; /* of say:; NULL = the engine's */
};

/* 0 or ENOMEM. */
int sounds_new(struct sounds **out, const struct sounds_opts *opts);
/* Nobody is told of what was under way. Not from a done(). */
void sounds_free(struct sounds **s);
/* Not of SOUND_SILENCE and SOUND_RING, which are always ready. done runs from the loop, exactly once unless
 * cancelled; why is without secrets. *id names it. 0 or ENOMEM. */
int sound_get(struct sounds *s, const struct sound_request *r, clip_done_fn *done, void *arg, uint64_t *id);
void sound_cancel(struct sounds *s, uint64_t id); /* stale ids are fine */
/* clip: what sound_get() gave; NULL for silence and rings. NULL on no memory. */
struct source *sound_source(const struct sound_uri *u, struct clip *clip);

#endif

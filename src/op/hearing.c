#include "op/hearing.h"

#include <errno.h>
#include <stdlib.h>

#include "base/arena.h"
#include "call/call.h"
#include "call/call_media.h"
#include "media/utterance.h"

struct hearing {
	struct hearing_opts opts;
	struct arena *arena; /* of its texts */
	struct utterance *utterance;
	struct call_listening listening;
	uint64_t watch, asked; /* asked: of the engine; 0 = not yet, or over */
};

static void begun(void *arg)
{
	struct hearing *h = arg;

	h->opts.began(h->opts.arg);
}

static void tell(struct hearing *h, const struct recognize_result *r)
{
	h->asked = 0;
	h->opts.heard(h->opts.arg, r); /* h may be gone */
}

static void understood(void *arg, const struct recognize_result *r)
{
	tell(arg, r);
}

/* The sink has left by itself, or the port has gone: then the call's end is told to who began this. */
static void detached(void *arg, struct sink *s)
{
	struct hearing *h = arg;
	const struct recognize_request q = {
		.wav = utterance_wav(h->utterance),
		.language = h->opts.language,
		.hints = h->opts.hints,
		.hint_count = h->opts.hint_count,
	};
	int err = q.wav.n ? recognize_start(h->opts.recognizer, &q, understood, h, &h->asked) : 0;

	s->ops->free(s);
	h->utterance = NULL;
	if (err)
		tell(h, &(struct recognize_result){ .why = err == EAGAIN ? "too many utterances wait for the recognizer"
									 : "out of memory",
						    .text = "",
						    .confidence = -1 });
}

static int copy_texts(struct hearing *h, const struct hearing_opts *opts)
{
	const char **hints;
	int err = arena_new(&h->arena, 0, 0);

	if (err)
		return err;
	hints = arena_alloc(h->arena, (opts->hint_count + 1) * sizeof(*hints));
	for (size_t i = 0; hints && i < opts->hint_count; i++) {
		hints[i] = str_dup(h->arena, str_of(opts->hints[i]));
		if (!hints[i])
			return ENOMEM;
	}
	h->opts.hints = hints;
	h->opts.language = opts->language ? str_dup(h->arena, str_of(opts->language)) : NULL;
	return !hints || (opts->language && !h->opts.language) ? ENOMEM : 0;
}

static int listen_to(struct hearing *h)
{
	const struct utterance_opts u = {
		.begun = recognizer_begun(h->opts.recognizer),
		.id = h->watch,
		.end_ms = h->opts.end_ms,
		.max_ms = h->opts.max_ms < UTTERANCE_MAX_MS ? h->opts.max_ms : UTTERANCE_MAX_MS,
	};
	int err = utterance_new(&h->utterance, &u);
	struct sink *s;

	if (err)
		return err;
	s = utterance_sink(h->utterance);
	h->listening.detached = detached;
	h->listening.arg = h;
	err = call_listen(h->opts.call, &h->listening, s);
	if (err) {
		s->ops->free(s);
		h->utterance = NULL;
	}
	return err;
}

int hearing_start(struct hearing **out, const struct hearing_opts *opts)
{
	struct hearing *h = calloc(1, sizeof(*h));
	int err;

	if (!h)
		return ENOMEM;
	h->opts = *opts;
	err = copy_texts(h, opts);
	if (!err)
		err = recognizer_watch(opts->recognizer, begun, h, &h->watch);
	if (!err)
		err = listen_to(h);
	if (err)
		hearing_stop(&h);
	else
		*out = h;
	return err;
}

/* A sink that is out still is freed when it comes back; its id is stale by then. */
void hearing_stop(struct hearing **hearing)
{
	struct hearing *h = *hearing;

	if (!h)
		return;
	*hearing = NULL;
	call_unlisten(h->opts.call, &h->listening);
	call_listen_forget(&h->listening);
	recognizer_unwatch(h->opts.recognizer, h->watch);
	recognize_cancel(h->opts.recognizer, h->asked);
	arena_free(&h->arena);
	free(h);
}

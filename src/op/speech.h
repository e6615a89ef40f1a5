/* speech: text to audio, by an engine behind a seam: espeak-ng, flite, a command of the operator's, or a service by HTTP.
 *
 * Programs run as children with limits (child.h), at most four at once. What was spoken is kept, in memory and as files, by
 * engine, voice and text; who asks for what is being spoken waits for the same answer. Vendors' voices: speech_voice.h;
 * SSML: speech_ssml.h. Thread: signal; files on the pool. */
#ifndef SPEECH_H
#define SPEECH_H

#include "base/str.h"
#include "op/clip_ask.h"

struct loop;
struct pool;
struct speech;

enum speech_engine {
	SPEECH_AUTO, /* the command or the URL when there is one, else what is installed: espeak-ng, flite */
	SPEECH_ESPEAK,
	SPEECH_FLITE,
	SPEECH_COMMAND,
	SPEECH_HTTP,
};

enum { SPEECH_MAX_CHARACTERS = 4096, SPEECH_DEADLINE_MS = 10000 };

struct speech_opts { /* borrowed, must outlive the speech */
	struct loop *loop;
	struct pool *pool;
	enum speech_engine engine;
	const char *voice, *language; /* for who does not say; NULL = woman, en-US */
	const char *const
		*command;     /* NULL-terminated, {voice} {language} {gender} {output} stand for what they say; NULL */
	const char *url;      /* NULL = none */
	const char *cache;    /* folder */
	size_t memory_bytes;  /* kept in memory, 0 = 32 MiB */
	uint64_t disk_bytes;  /* kept in files, 0 = 256 MiB */
	uint32_t deadline_ms; /* of one text, 0 = SPEECH_DEADLINE_MS */
};

struct speech_request {  /* all copied; NULL = the engine's default */
	struct str text; /* SSML when it begins with <speak> */
	const char *voice, *language, *gender;
};

/* Without an engine it begins as well; texts then fail. 0, ENOMEM, or the errno of making the folder. */
int speech_new(struct speech **out, const struct speech_opts *opts);
/* Nobody is told of what was under way. Not from a done(); before the pool. */
void speech_free(struct speech **s);
/* "espeak-ng", "flite", "command", "http"; NULL = there is none. */
const char *speech_engine_name(const struct speech *s);
/* done runs from the loop, exactly once unless cancelled. *id names it. 0 or errno: then done is not called. */
int speech_say(struct speech *s, const struct speech_request *r, clip_done_fn *done, void *arg, uint64_t *id);
void speech_cancel(struct speech *s, uint64_t id); /* stale ids are fine */

#endif

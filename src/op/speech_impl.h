/* speech_impl: how each engine is told. Private to speech.c, speech_engine.c. */
#ifndef SPEECH_IMPL_H
#define SPEECH_IMPL_H

#include "op/speech.h"
#include "op/speech_voice.h"

struct arena;

struct speech_text {
	struct speech_voice voice;
	struct buf text; /* cleaned */
	bool ssml;       /* text is that */
};

/* The engine for auto: never SPEECH_AUTO but when nothing is there. */
enum speech_engine speech_engine_choose(const struct speech_opts *opts);
/* What an engine without markup cannot read is made plain. */
bool speech_engine_reads_ssml(enum speech_engine e);
/* What besides the text decides how it sounds. */
void speech_engine_describe(struct buf *out, enum speech_engine e, const struct speech_opts *opts,
			    const struct speech_voice *v);
/* NULL, or a clause about what of the voice the engine lacks. */
const char *speech_engine_lacks(enum speech_engine e, const struct speech_voice *v);
/* The command line of a program that writes to the file output, NULL-terminated, in the arena; the text is on its stdin. NULL
 * on no memory. */
const char *const *speech_engine_argv(struct arena *a, enum speech_engine e, const struct speech_opts *opts,
				      const struct speech_text *t, const char *output);
/* It writes to its stdout: its command names no {output}. */
bool speech_engine_uses_stdout(enum speech_engine e, const struct speech_opts *opts);
/* The body of a request, JSON. */
void speech_engine_body(struct buf *out, const struct speech_text *t);

#endif

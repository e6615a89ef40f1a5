/* speech: text to audio, by an engine behind a seam.
 *
 * Thread: signal. */
#ifndef SPEECH_H
#define SPEECH_H

#include "base/str.h"

struct clip;
struct speech;

struct speech_request {  /* all copied; NULL = the engine's default */
	struct str text; /* SSML when it begins with <speak */
	const char *voice, *language, *gender;
};

/* done runs from the loop, exactly once unless cancelled: err 0 with the clip (borrowed), else why, one clause. *id names
 * it. 0 or errno: then done is not called. */
int speech_say(struct speech *s, const struct speech_request *r,
	       void (*done)(void *arg, int err, struct clip *clip, const char *why), void *arg, uint64_t *id);
void speech_cancel(struct speech *s, uint64_t id); /* stale ids are fine */

#endif

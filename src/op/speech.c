#include "op/speech.h"

#include <errno.h>

/* No engine is in this version, so nobody holds a struct speech; what asks without one is told so by sound.c. */

int speech_say(struct speech *s, const struct speech_request *r,
	       void (*done)(void *arg, int err, struct clip *clip, const char *why), void *arg, uint64_t *id)
{
	return ENOTSUP;
}

void speech_cancel(struct speech *s, uint64_t id)
{
}

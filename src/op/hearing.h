/* hearing: one utterance of a call's party, listened for and understood: utterance and engine behind one start and stop.
 *
 * Begins to listen at once; what is played to the party meanwhile is not its own. Exactly one heard(), unless it is
 * stopped before or the call ends. Thread: signal. */
#ifndef HEARING_H
#define HEARING_H

#include "op/recognize.h"

struct call;
struct hearing;

struct hearing_opts { /* texts copied */
	struct call *call;
	struct recognizer *recognizer; /* with an engine */
	uint32_t end_ms;               /* silence that ends it */
	uint32_t max_ms;               /* of speech; more than UTTERANCE_MAX_MS is as much */
	const char *language;          /* NULL = the default */
	const char *const *hints;
	size_t hint_count;
	void (*began)(void *arg); /* the party has begun to speak; once at most */
	void (*heard)(void *arg, const struct recognize_result *r);
	void *arg;
};

/* 0, ENOMEM, ENOTCONN (the call has no audio). */
int hearing_start(struct hearing **out, const struct hearing_opts *opts);
/* Nothing is told any more. At the end of the call too, and behind heard(). *h may be NULL. */
void hearing_stop(struct hearing **h);

#endif

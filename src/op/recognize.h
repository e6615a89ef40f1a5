/* recognize: audio to text, by an engine behind a seam: a command of the operator's, or a service by HTTP.
 *
 * Both get one utterance as a WAV file and give a text, with a confidence if they like: JSON {"text": …, "confidence": 0 to 1},
 * or plain text. Commands are children with limits (child.h): audio on stdin, never a word of a caller in their arguments,
 * at most four at once. An engine that is late is killed, and the answer says so. Also the one place to which begun
 * utterances (media/utterance.h) are told. Thread: signal; files on the pool. */
#ifndef RECOGNIZE_H
#define RECOGNIZE_H

#include "base/str.h"

struct loop;
struct mq;
struct pool;
struct recognizer;

enum { RECOGNIZE_DEADLINE_MS = 10000, RECOGNIZE_MAX_HINTS = 100, RECOGNIZE_MAX_TEXT = 4096 };

struct recognizer_opts { /* borrowed, must outlive the recognizer */
	struct loop *loop;
	struct pool *pool;
	const char *language;       /* for who does not say; NULL = en-US */
	const char *const *command; /* NULL-terminated, {language} {hints} stand for what they say; NULL = none */
	const char *url;            /* the same, escaped; NULL = none; goes before the command */
	const char *folder;         /* for what commands write; copied, made when it is not there */
	uint32_t deadline_ms;       /* of one utterance, 0 = RECOGNIZE_DEADLINE_MS */
};

struct recognize_request { /* all copied */
	struct str wav;
	const char *language; /* NULL = the default */
	const char *const *hints;
	size_t hint_count;
};

struct recognize_result {  /* borrowed during done() */
	const char *why;   /* one clause; NULL = the engine has answered */
	const char *text;  /* trimmed; "" = it has understood nothing */
	double confidence; /* 0 to 1; negative = not told */
};

typedef void recognize_done_fn(void *arg, const struct recognize_result *r);

/* Without an engine it begins as well: recognizer_name() is NULL then. 0, ENOMEM, or the errno of making the folder. */
int recognizer_new(struct recognizer **out, const struct recognizer_opts *opts);
/* Nobody is told of what was under way. After the media workers, before the pool. */
void recognizer_free(struct recognizer **r);
/* "command", "http"; NULL = there is none. */
const char *recognizer_name(const struct recognizer *r);
/* done runs from the loop, exactly once unless cancelled. *id names it. 0, ENOMEM, or EAGAIN when too many wait. */
int recognize_start(struct recognizer *r, const struct recognize_request *q, recognize_done_fn *done, void *arg,
		    uint64_t *id);
void recognize_cancel(struct recognizer *r, uint64_t id); /* stale ids are fine */

/* Where utterances tell that they have begun. begun runs from the loop until the id is given back; arg not NULL. 0 or ENOMEM. */
int recognizer_watch(struct recognizer *r, void (*begun)(void *arg), void *arg, uint64_t *id);
void recognizer_unwatch(struct recognizer *r, uint64_t id);
struct mq *recognizer_begun(struct recognizer *r);

/* What an engine has said. Pure. text: RECOGNIZE_MAX_TEXT bytes. Returns NULL, or one clause that says what is wrong with it. */
const char *recognize_read(struct str said, char text[RECOGNIZE_MAX_TEXT], double *confidence);

#endif

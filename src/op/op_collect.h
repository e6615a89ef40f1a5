/* op_collect: wait for keys or speech of a call's party, while sounds are played to it if there are any.
 *
 * The first key, or the beginning of speech, stops the sounds. The wait for either begins when they are over. What is complete
 * first counts: a key ends the hearing and the understanding, too. A party that hangs up ends it (OP_GONE).
 * Thread: signal. Source: swml.md §8. */
#ifndef OP_COLLECT_H
#define OP_COLLECT_H

#include "op/digits.h"
#include "op/op.h"
#include "op/op_play.h"

enum collect_kind {
	COLLECT_DIGITS,   /* keys came, and a rule or a silence ended them    */
	COLLECT_NO_INPUT, /* nothing came in time                             */
	COLLECT_NO_MATCH, /* nothing but a terminator, or speech that was not understood */
	COLLECT_SPEECH,   /* something was understood                         */
	COLLECT_ERROR,    /* somebody spoke, and the recognizer failed: why   */
};

struct collect_result { /* texts borrowed */
	enum collect_kind kind;
	const char *digits; /* without the terminator */
	char terminator;    /* NUL = none */
	const char *speech; /* what was understood, or "" */
	double confidence;  /* 0 to 1; negative = not known */
};

struct collect_speech {                /* all copied */
	struct recognizer *recognizer; /* with an engine */
	uint32_t end_ms, max_ms;       /* silence that ends it; longest speech */
	const char *language;          /* NULL = the default */
	const char *const *hints;
	size_t hint_count;
};

struct collect_request {                     /* all copied */
	struct digits_rules rules;           /* first_ms is the wait for speech as well */
	bool no_digits;                      /* keys are left to others */
	const struct collect_speech *speech; /* NULL = none */
	const struct play_request *play;     /* NULL = no sounds; its events are not told */
	const char *status_url;              /* of the event, NULL = none */
	const char *control_id;              /* NULL = one is made */
};

/* An unanswered call is answered. The result is OP_DONE with op_result.collect; why then names a sound that could not be
 * played or what the recognizer lacked, or is empty. 0, EINVAL (bad rules, no sound), ENOMEM, ENOTCONN (the call has ended). */
int op_collect_start(struct op **out, const struct op_start *start, const struct collect_request *r);

#endif

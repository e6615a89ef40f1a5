/* op_collect: wait for keys of a call's party, while sounds are played to it if there are any.
 *
 * The first key stops the sounds. The wait for it begins when they are over. A party that hangs up ends it (OP_GONE).
 * Thread: signal. Source: swml.md §8. */
#ifndef OP_COLLECT_H
#define OP_COLLECT_H

#include "op/digits.h"
#include "op/op.h"
#include "op/op_play.h"

enum collect_kind {
	COLLECT_DIGITS,   /* keys came, and a rule or a silence ended them    */
	COLLECT_NO_INPUT, /* nothing came in time                             */
	COLLECT_NO_MATCH, /* nothing but a terminator                         */
};

struct collect_result { /* texts borrowed */
	enum collect_kind kind;
	const char *digits; /* without the terminator */
	char terminator;    /* NUL = none */
};

struct collect_request { /* all copied */
	struct digits_rules rules;
	const struct play_request *play; /* NULL = no sounds; its events are not told */
	const char *status_url;          /* of the event, NULL = none */
	const char *control_id;          /* NULL = one is made */
};

/* An unanswered call is answered. The result is OP_DONE with op_result.collect; why then names a sound that could not be
 * played, or is empty. 0, EINVAL (bad rules, no sound), ENOMEM, ENOTCONN (the call has ended). */
int op_collect_start(struct op **out, const struct op_start *start, const struct collect_request *r);

#endif

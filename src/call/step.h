/* step: what a document tells of its run: the step that begins, what came of it, the documents that were fetched.
 *
 * Goes into the ring of the trace (call/trace.h), and as an event to whoever follows or logs at debug level. Who tells has
 * taken the secrets out. Thread: signal. */
#ifndef STEP_H
#define STEP_H

#include "base/str.h"

struct call;
struct sip_trace;

enum call_step_kind {
	CALL_STEP_BEGUN,    /* section, method, line, args, vars                        */
	CALL_STEP_DONE,     /* section, method, line, ms when it waited, vars           */
	CALL_STEP_DOCUMENT, /* text: where from; ms, bytes, fallback; error when it failed */
	CALL_STEP_SKIPPED,  /* so many steps were not told: count                       */
};

struct call_step { /* all borrowed */
	enum call_step_kind kind;
	struct str section, method;
	struct str args, vars; /* JSON objects, empty = none */
	struct str text, error;
	uint32_t line, count;
	bool waited, fallback;
	uint64_t ms, bytes;
};

enum { CALL_STEP_TRACED = 1, CALL_STEP_FOLLOWED = 2 };

/* Who wants to know; bits, 0 = nobody. */
unsigned call_wants_steps(const struct call *c);
/* wants: as it was when the step was written. */
void call_tell_step(struct call *c, unsigned wants, const struct call_step *st);

/* As a note under the id of a call. trace may be NULL. */
void call_trace_step(struct sip_trace *trace, struct str call_id, const struct call_step *st);
/* What a note of that kind says; borrows from its text. False: it is none. */
bool call_step_parse(struct call_step *out, struct str note);

#endif

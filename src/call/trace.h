/* trace: which messages of the SIP trace are about a call.
 *
 * Writes notes beside the messages: which Call-IDs a call has, which calls it has dialled, and its events as lines of text.
 * All of it is in the ring (sip/sip_trace.h), so a call that has ended is found as long as its messages are, and
 * a call costs no memory of its own. Thread: signal. */
#ifndef TRACE_H
#define TRACE_H

#include "call/event.h"
#include "sip/sip_trace.h"

enum { CALL_TRACE_LEGS = 64, CALL_TRACE_ITEMS = 4000 };

/* What the note of a step is called (step.h). */
enum { CALL_TRACE_STEP = 4 };

/* The call has a SIP dialog, or tries to get one. trace may be NULL. */
void call_trace_link(struct sip_trace *trace, struct str call_id, struct str sip_call_id);
/* A line between them; anything that helps to understand the call. trace may be NULL. */
void call_trace_note(struct sip_trace *trace, struct str call_id, struct str text);
/* A subscriber of events (call/event.h); arg is the struct sip_trace. */
void call_trace_event(void *arg, const struct event *ev);

struct call_trace_item {
	struct sip_trace_item item; /* a message, a step (note is CALL_TRACE_STEP), or an event's line */
	unsigned leg;               /* index into legs */
	unsigned again;             /* the same bytes the same way have been there so many times before */
};

struct call_trace { /* texts are borrowed from the ring: nothing may be written while it is in use */
	const struct sip_trace *trace;
	struct str legs[CALL_TRACE_LEGS]; /* ids: the call, then those it has dialled, and so on */
	unsigned parents[CALL_TRACE_LEGS];
	size_t leg_count;
	struct call_trace_item *items; /* oldest first */
	size_t count;
	bool cut; /* the call has more legs or messages than are here */
};

/* All that is still there about a call and those it has dialled. 0, ENOENT, ENOMEM. */
int call_trace_collect(struct call_trace **out, const struct sip_trace *trace, struct str call_id);
void call_trace_free(struct call_trace **t);

#endif

/* op_background: ops that run beside a call's document, found again by the name they were given.
 *
 * The small struct is embedded in the op; the call owns the list. Thread: signal. */
#ifndef OP_BACKGROUND_H
#define OP_BACKGROUND_H

#include "media/sink.h"
#include "op/op.h"

struct background {
	struct list node;       /* zeroed = in no list */
	const char *kind;       /* "record" */
	const char *control_id; /* borrowed from the op */
	struct op *op;
};

void background_add(struct call *c, struct background *b);
void background_remove(struct background *b); /* harmless when in no list */
/* control_id absent or empty: the one that was started last. NULL = there is none. */
struct op *background_find(struct call *c, const char *kind, struct str control_id);
/* How many of that kind run. */
size_t background_count(struct call *c, const char *kind);
/* "speak", "listen", "both". */
const char *background_direction(enum sink_wants wants);

#endif

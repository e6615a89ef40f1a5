/* call_vars: a call as documents see it: call.call_id, call.from, call.headers …. Pure reading. Thread: signal.
 * Source: swml.md §2. */
#ifndef CALL_VARS_H
#define CALL_VARS_H

#include "base/doc.h"

struct arena;
struct call;

/* One field, made in the arena; an absent name gives all as a map. NULL = there is no such field now. */
const struct doc *call_vars(const struct call *c, struct arena *a, struct str name);

#endif

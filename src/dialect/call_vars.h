/* call_vars: a call as documents see it: call.call_id, call.from, call.headers …. Pure reading. Thread: signal.
 * Source: swml.md §2. */
#ifndef CALL_VARS_H
#define CALL_VARS_H

#include "base/doc.h"

struct arena;
struct call;

struct call_ids { /* of the server; NULL = not told */
	const char *node_id, *project_id, *space_id;
};

/* One field, made in the arena; an absent name gives all as a map. NULL = there is no such field now. */
const struct doc *call_vars(const struct call *c, const struct call_ids *ids, struct arena *a, struct str name);

#endif

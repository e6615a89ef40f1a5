/* fetch_body: what the server of a document is told: the call, the variables, the parameters. Pure reading.
 * Thread: signal. Source: swml.md §2. */
#ifndef FETCH_BODY_H
#define FETCH_BODY_H

#include "base/doc.h"

struct call;
struct call_ids;
struct vars;

struct fetch_source {
	const struct call *call;
	const struct call_ids *ids;
	struct vars *vars;
	const struct doc *params; /* of execute or transfer; NULL = none */
};

/* {"call":…,"vars":…,"envs":…,"params":…} behind what out holds. 0 or ENOMEM. */
int fetch_body(struct buf *out, const struct fetch_source *src);

#endif

/* hook_payload: an event as the JSON text of its webhook: calling.call.state, calling.call.connect.
 *
 * Pure: knows neither URLs nor deliveries. Thread: any. Source: connect.md §6, rest.md §4. */
#ifndef HOOK_PAYLOAD_H
#define HOOK_PAYLOAD_H

#include "call/event.h"

struct hook_identity { /* never NULL */
	const char *project_id, *space_id, *node_id;
};

/* Append the payload. False, and nothing appended, for events that no webhook tells. */
bool hook_payload(struct buf *out, const struct event *ev, const struct hook_identity *id);
/* The URL of a GET: url with the payload, percent-encoded, in the query parameter "payload" (connect.md §6.3). */
void hook_query(struct buf *out, const char *url, struct str payload);
/* The last word about a leg or a connect. */
bool hook_is_final(const struct event *ev);

#endif

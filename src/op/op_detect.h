/* op_detect: find out who a call's party is: a person, an answering machine, a fax.
 *
 * Tells of itself by events calling.call.detect: what is found as it is found (media/detect.h), UNKNOWN when nothing was,
 * then finished; or error. The last one comes before the call's own end. An op that was stopped, or whose call ended, tells
 * no UNKNOWN. Thread: signal. Source: swml.md §8, relay.md §5.6. */
#ifndef OP_DETECT_H
#define OP_DETECT_H

#include "media/detector.h"
#include "op/op.h"

struct detection_ask {          /* all copied */
	const char *control_id; /* NULL = a new one */
	const char *status_url; /* NULL = nowhere */
	struct detector_opts what;
	uint32_t timeout_ms; /* of the whole, 0 = none */
	bool background;     /* found by background_find("detect") */
};

struct detection_result {
	const char *who; /* "machine", "human", "fax", "unknown", "error"; "detecting" while it runs */
	bool beep;
	uint32_t ms; /* how long it took */
};

/* An unanswered call is answered. The op ends with OP_DONE when it found somebody or its time was over. 0, ENOMEM, ENOTCONN (the
 * call has ended). */
int detection_start(struct op **out, const struct op_start *start, const struct detection_ask *ask);
/* Up to the end of done(). */
struct detection_result detection_result(const struct op *o);

#endif

/* op_record: record a call's party: in the foreground of a document until it ends by itself or is stopped, or beside it.
 *
 * Tells of itself by events calling.call.record: recording, paused, finished, no_input, error. The call waits for
 * the last of them. The result of the op is OP_FAILED when nobody spoke in time or the disk failed; what was written
 * stays. Thread: signal. Source: swml.md §8. */
#ifndef OP_RECORD_H
#define OP_RECORD_H

#include "op/op.h"
#include "op/recordings.h"

struct recording_ask {          /* all copied */
	const char *control_id; /* NULL = a new one */
	const char *status_url; /* NULL = nowhere */
	const char *terminators;
	enum recorder_format format;
	enum sink_wants direction; /* SINK_SAID: speak, SINK_HEARD: listen */
	bool stereo, beep;
	float sensitivity;
	uint32_t initial_ms, end_ms;
	uint64_t max_ms;
	bool background; /* found by background_find("record") */
};

struct recording_start {
	struct call *call;
	struct recordings *recordings; /* must outlive the op */
	op_done_fn *done;
	void *arg;
};

/* 0, ENOTCONN (the call has ended), ENOMEM. */
int recording_start(struct op **out, const struct recording_start *start, const struct recording_ask *ask);
/* Borrowed, up to the end of done(). */
const char *recording_url(const struct op *o);
const char *recording_control_id(const struct op *o);
/* skip: the pause is left out; else it is silence. */
void recording_pause(struct op *o, bool skip);
void recording_resume(struct op *o);

#endif

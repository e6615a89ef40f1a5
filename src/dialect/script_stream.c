/* The methods stream and stop_stream of running scripts. */
#include <errno.h>

#include "dialect/script_impl.h"
#include "dialect/swml_stream.h"
#include "op/op_stream.h"

/* --- stream --- */

static void streaming(void *arg, struct op *o)
{
	struct script *s = arg;

	if (!script_op_beside(s, o))
		return;
	script_assign(s, "stream_control_id", stream_control_id(o));
	script_assign(s, "stream_result", "success");
	script_op_go_on(s);
}

/* It never stood. */
static void failed(void *arg, const struct op_result *r)
{
	script_beside_failed(arg, r, "stream");
}

static void tell_error(struct script *s, const struct swml_step *st, const struct stream_ask *ask, int err)
{
	if (err == EEXIST)
		script_warn(s, "method_execute_failed", st->at, "a stream \"%s\" runs already", ask->control_id);
	else if (err == EMFILE)
		script_warn(s, "method_execute_failed", st->at, "%d streams run already", STREAMS_A_CALL);
	else if (err == EMSGSIZE)
		script_warn(s, "method_parameter_invalid_value", st->at, "custom_parameters are more than 64 KiB");
	else if (err == ENOMEM)
		script_warn(s, "internal_error", st->at, "no memory for this step");
	else
		script_wait_for_end(s);
	script_assign(s, "stream_result", "failed");
}

void script_stream(struct script *s, const struct swml_step *st, const struct doc *args)
{
	const struct stream_start where = {
		.call = s->call,
		.env = s->taps,
		.streaming = streaming,
		.done = failed,
		.arg = s,
	};
	struct arena *a = script_scratch(s);
	struct op *op = NULL;
	struct stream_ask ask;
	int err = a ? swml_stream_ask(&ask, a, args, &s->report) : ENOMEM;

	if (err == EINVAL) {
		script_assign(s, "stream_result", "failed");
		return;
	}
	if (!err)
		err = call_is_answered(s->call) ? 0 : call_answer(s->call, NULL);
	if (!err) {
		ask.status_url = script_arg_url(s, args, "status_url");
		ask.account_id = s->ids.project_id;
		err = stream_start(&op, &where, &ask);
	}
	if (err)
		tell_error(s, st, &ask, err);
	else
		script_wait_for_op(s, op);
}

/* --- stop_stream --- */

static void stopped(void *arg, const struct op_result *r)
{
	script_beside_stopped(arg, r, "stream");
}

void script_stop_stream(struct script *s, const struct swml_step *st, const struct doc *args)
{
	script_beside_stop(s, st, args, "stream", stopped);
}

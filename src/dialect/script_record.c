/* The methods record, record_call and stop_record_call of running scripts. */
#include <errno.h>

#include "dialect/script_impl.h"
#include "op/op_background.h"
#include "op/op_record.h"

/* --- the arguments --- */

static bool bool_of(const struct doc *args, const char *name)
{
	const struct doc *d = swml_arg(args, name);
	bool yes = false;

	if (d)
		swml_bool(d, &yes);
	return yes;
}

static double number_of(const struct doc *args, const char *name, double otherwise)
{
	const struct doc *d = swml_arg(args, name);

	if (d)
		swml_number(d, &otherwise);
	return otherwise;
}

static uint32_t ms_of(const struct doc *args, const char *name, double otherwise_s)
{
	return (uint32_t)(number_of(args, name, otherwise_s) * 1000 + 0.5);
}

static enum recorder_format format_of(struct script *s, const struct doc *args)
{
	const struct doc *d = swml_arg(args, "format");

	if (d && str_is(d->text, "mp4"))
		script_warn(s, "method_execute_failed", d, "the format mp4 is not in this version: it will be wav");
	return d && str_is(d->text, "mp3") ? RECORDER_MP3 : RECORDER_WAV;
}

static struct recording_ask ask_of(struct script *s, const struct doc *args, bool background)
{
	return (struct recording_ask){
		.control_id = background ? script_arg_text(args, "control_id", NULL) : NULL,
		.status_url = script_arg_url(s, args, "status_url"),
		.terminators = script_arg_text(args, "terminators", background ? "" : "#"),
		.format = format_of(s, args),
		.direction = script_arg_direction(args, background ? SINK_BOTH : SINK_SAID),
		.stereo = bool_of(args, "stereo"),
		.beep = bool_of(args, "beep"),
		.sensitivity = (float)number_of(args, "input_sensitivity", 44),
		.initial_ms = ms_of(args, "initial_timeout", background ? 0 : 4),
		.end_ms = ms_of(args, "end_silence_timeout", background ? 0 : 5),
		.max_ms = ms_of(args, "max_length", 0),
		.background = background,
	};
}

/* --- record --- */

static void record_done(void *arg, const struct op_result *r)
{
	struct script *s = arg;
	const char *url = recording_url(s->op);

	if (!script_op_done(s))
		return;
	if (script_op_ended_call(s, r)) {
		script_wait_for_end(s);
		return;
	}
	script_assign(s, "record_url", url);
	script_assign(s, "record_result", r->outcome == OP_FAILED ? "failed" : "success");
	script_op_go_on(s);
}

/* The background op tells by its events, and to the variables no more. */
static void nobody(void *arg, const struct op_result *r)
{
}

/* The op, or NULL: the script has been told. */
static struct op *start(struct script *s, const struct swml_step *st, const struct recording_ask *ask)
{
	const struct recording_start where = {
		.call = s->call,
		.recordings = s->recordings,
		.done = ask->background ? nobody : record_done,
		.arg = s,
	};
	struct op *op = NULL;
	int err = call_is_answered(s->call) ? 0 : call_answer(s->call, NULL);

	if (!err)
		err = recording_start(&op, &where, ask);
	if (!err)
		return op;
	if (err == ENOMEM)
		script_warn(s, "internal_error", st->at, "no memory for this step");
	else
		script_wait_for_end(s);
	return NULL;
}

void script_record(struct script *s, const struct swml_step *st, const struct doc *args)
{
	const struct recording_ask ask = ask_of(s, args, false);
	struct op *op = start(s, st, &ask);

	if (op)
		script_wait_for_op(s, op);
	else
		script_assign(s, "record_result", "failed");
}

void script_record_call(struct script *s, const struct swml_step *st, const struct doc *args)
{
	const struct recording_ask ask = ask_of(s, args, true);
	struct op *op = start(s, st, &ask);

	script_assign(s, "record_call_result", op ? "success" : "failed");
	if (!op)
		return;
	script_assign(s, "record_call_url", recording_url(op));
	script_assign(s, "record_control_id", recording_control_id(op));
}

/* --- stop_record_call --- */

static void stopped(void *arg, const struct op_result *r)
{
	struct script *s = arg;

	if (!script_op_done(s))
		return;
	if (script_op_ended_call(s, r)) {
		script_wait_for_end(s);
		return;
	}
	if (r->outcome == OP_FAILED)
		script_assign(s, "record_call_result", "failed");
	script_assign(s, "stop_record_call_result", "success");
	script_op_go_on(s);
}

/* Goes on when the file is complete: the next step may play it. */
void script_stop_record_call(struct script *s, const struct swml_step *st, const struct doc *args)
{
	struct op *op = background_find(s->call, "record", str_of(script_arg_text(args, "control_id", NULL)));

	if (!op) {
		script_warn(s, "method_execute_failed", st->at, "no such recording runs");
		script_assign(s, "stop_record_call_result", "failed");
		return;
	}
	op_follow(op, stopped, s);
	op_stop(op);
	script_wait_for_op(s, op);
}

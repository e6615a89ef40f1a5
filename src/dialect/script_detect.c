/* The method detect_machine of running scripts. */
#include <errno.h>
#include <stdio.h>

#include "dialect/script_impl.h"
#include "dialect/swml_detect.h"
#include "op/op_background.h"
#include "op/op_detect.h"

static void assign(struct script *s, const char *name, const char *text)
{
	if (vars_set_text(s->vars, name, str_of(text)) == EFBIG)
		script_fail(s, "the variables of the document became larger than 1 MiB");
}

static void assign_result(struct script *s, const struct detection_result *r)
{
	char ms[12];

	snprintf(ms, sizeof(ms), "%u", r->ms);
	assign(s, "detect_result", r->who);
	assign(s, "detect_machine_beep", r->beep ? "true" : "false");
	assign(s, "detect_ms", ms);
}

static void done(void *arg, const struct op_result *r)
{
	struct script *s = arg;
	const struct detection_result result = detection_result(s->op);

	if (!script_op_done(s))
		return;
	if (r->outcome == OP_GONE) {
		script_wait_for_end(s);
		return;
	}
	if (r->outcome == OP_FAILED)
		script_warn(s, "method_execute_failed", s->op_at, "the party cannot be heard: %s", r->why);
	assign_result(s, &result);
	script_settle_error(s);
	if (s->state != SCRIPT_ENDING)
		script_go_on(s);
}

/* Beside the document: it goes on, and finds the result in its variables from now on. */
static void done_beside(void *arg, const struct op_result *r)
{
	struct script *s = arg;
	const struct detection_result result = detection_result(s->detecting);

	s->detecting = NULL;
	if (r->outcome != OP_GONE && s->state != SCRIPT_ENDING)
		assign_result(s, &result);
}

static void nobody(void *arg, const struct op_result *r)
{
}

void script_detect_leave(struct script *s)
{
	if (s->detecting)
		op_follow(s->detecting, nobody, NULL);
	s->detecting = NULL;
}

/* A call has one detection at a time: the newest. */
static void stop_former(struct script *s)
{
	struct op *former = background_find(s->call, "detect", STR(""));

	script_detect_leave(s);
	if (former)
		op_stop(former);
}

void script_detect_machine(struct script *s, const struct swml_step *st, const struct doc *args)
{
	static const struct detection_result failed = { .who = "error" }, runs = { .who = "detecting" };
	struct op_start where = { .call = s->call, .done = done, .arg = s };
	struct detection_ask ask;
	struct op *op;
	int err;

	stop_former(s);
	if (swml_detect_ask(&ask, args, &s->report)) {
		assign_result(s, &failed);
		return;
	}
	if (ask.background)
		where.done = done_beside;
	err = detection_start(&op, &where, &ask);
	if (err == ENOTCONN) {
		script_wait_for_end(s);
		return;
	}
	if (err)
		script_warn(s, "internal_error", st->at, "no memory for this step");
	assign_result(s, err ? &failed : &runs);
	if (err)
		return;
	if (ask.background) {
		s->detecting = op;
		return;
	}
	s->op_at = st->at;
	script_wait_for_op(s, op);
}

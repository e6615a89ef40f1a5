/* What the methods have in common that start an op: arguments, variables, and going on when it is done. */
#include <errno.h>
#include <stdio.h>

#include "base/arena.h"
#include "dialect/script_impl.h"
#include "net/url.h"

void script_assign(struct script *s, const char *name, const char *text)
{
	if (vars_set_text(s->vars, name, str_of(text)) == EFBIG)
		script_fail(s, "the variables of the document became larger than 1 MiB");
}

const char *script_arg_text(const struct doc *args, const char *name, const char *otherwise)
{
	const struct doc *d = swml_arg(args, name);

	return d ? d->text.p : otherwise;
}

const char *script_arg_url(struct script *s, const struct doc *args, const char *name)
{
	const struct doc *d = swml_arg(args, name);

	if (!d || url_is_http(d->text))
		return d ? d->text.p : NULL;
	script_warn(s, "method_parameter_invalid_value", d, "%s is no http or https URL", name);
	return NULL;
}

enum sink_wants script_arg_direction(const struct doc *args, enum sink_wants otherwise)
{
	struct str s = str_of(script_arg_text(args, "direction", ""));

	if (!s.n)
		return otherwise;
	if (str_is(s, "both"))
		return SINK_BOTH;
	return str_is(s, "listen") ? SINK_HEARD : SINK_SAID;
}

void script_op_go_on(struct script *s)
{
	script_settle_error(s);
	arena_free(&s->scratch);
	if (s->state != SCRIPT_ENDING)
		script_go_on(s);
}

bool script_op_ended_call(const struct script *s, const struct op_result *r)
{
	struct call_info info;

	call_get_info(s->call, &info);
	return r->outcome == OP_GONE || info.state == CALL_ENDED;
}

/* --- ops that run beside the document --- */

static void nobody(void *arg, const struct op_result *r)
{
}

bool script_op_beside(struct script *s, struct op *o)
{
	op_follow(o, nobody, NULL);
	return script_op_done(s);
}

/* "tap_result", "stop_tap_result" */
static void assign_result(struct script *s, const char *stop, const char *kind, const char *result)
{
	char name[40];

	snprintf(name, sizeof(name), "%s%s_result", stop, kind);
	script_assign(s, name, result);
}

/* False: nothing runs on. */
static bool is_over(struct script *s, const struct op_result *r)
{
	if (!script_op_done(s))
		return false;
	if (!script_op_ended_call(s, r))
		return true;
	script_wait_for_end(s);
	return false;
}

void script_beside_failed(struct script *s, const struct op_result *r, const char *kind)
{
	if (!is_over(s, r))
		return;
	script_warn(s, "method_execute_failed", NULL, "the %s could not be started: %s", kind, r->why);
	assign_result(s, "", kind, "failed");
	script_op_go_on(s);
}

void script_beside_stop(struct script *s, const struct swml_step *st, const struct doc *args, const char *kind,
			op_done_fn *stopped)
{
	struct op *op = background_find(s->call, kind, str_of(script_arg_text(args, "control_id", NULL)));

	if (!op) {
		script_warn(s, "method_execute_failed", st->at, "no such %s runs", kind);
		assign_result(s, "stop_", kind, "failed");
		return;
	}
	op_follow(op, stopped, s);
	op_stop(op);
	script_wait_for_op(s, op);
}

void script_beside_stopped(struct script *s, const struct op_result *r, const char *kind)
{
	if (!is_over(s, r))
		return;
	assign_result(s, "stop_", kind, "success");
	script_op_go_on(s);
}

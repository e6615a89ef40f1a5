/* The method connect of running scripts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "dialect/script_impl.h"
#include "dialect/swml_connect.h"
#include "net/url.h"

/* The connect that runs is over, one way or the other. */
static char *take_after_bridge(struct script *s)
{
	char *dest = s->after_bridge;

	s->after_bridge = NULL;
	return dest;
}

/* Variables first, then the result, which sees them; behind it, after a bridge, the call goes elsewhere (connect.md §5).
 * failed is CAUSE_NONE after a bridge. */
static void over(struct script *s, const struct doc *at, enum cause failed, const struct doc *result)
{
	const char *outcome = failed ? "failed" : "connected";
	char *dest = take_after_bridge(s);

	s->failed = failed;
	script_settle_error(s);
	script_assign(s, "connect_result", outcome);
	script_assign(s, "connect_failed_reason", failed ? cause_name(failed) : "");
	script_assign(s, "return_value", outcome);
	if (dest && !failed && s->state != SCRIPT_ENDING)
		script_enter_leave(s, at, dest);
	else
		free(dest);
	if (result && s->state != SCRIPT_ENDING)
		script_choose(s, result, "connect_result");
	script_settle_error(s);
}

static void done(void *arg, const struct op_result *r)
{
	struct script *s = arg;
	enum cause failed = CAUSE_NONE;

	if (!script_op_done(s))
		return;
	if (script_op_ended_call(s, r)) {
		script_wait_for_end(s);
		return;
	}
	if (r->outcome != OP_DONE)
		failed = r->cause ? r->cause : CAUSE_ERROR;
	over(s, s->op_at, failed, s->connect_result);
	arena_free(&s->scratch);
	if (s->state != SCRIPT_ENDING)
		script_go_on(s);
}

void script_leave_bridge(struct script *s)
{
	struct frame *f = &s->frames[s->frame_count - 1];
	const struct going to = { .kind = GOING_TRANSFER, .at = f->steps };
	char *dest = f->leave_to;

	f->leave_to = NULL; /* when the document cannot be had, this one goes on */
	call_note(s->call, "transfer_after_bridge, line %u", to.at->line);
	if (script_hop(s, to.at))
		script_go_elsewhere(s, &to, str_of(dest));
	free(dest);
}

/* Nothing was dialled, and whoever waits for news of the connect is told (connect.md §6). */
static void tell_refused(struct script *s, const struct doc *args)
{
	const struct doc *url = args ? swml_arg(args, "status_url") : NULL;
	const struct event_field fields[] = { { "reason", str_of(cause_name(CAUSE_ERROR)) },
					      { "why", STR("a parameter of the connect is wrong") } };

	if (url && url->type == DOC_STR && url_is_http(url->text))
		call_emit_to(s->call, url->text.p, EVENT_FAILED, fields, ARRAY_LEN(fields));
}

static int make_plan(struct plan **out, struct script *s, const struct swml_step *st, const struct doc *args)
{
	int err = args ? swml_connect_plan(out, args, s->country, &s->report) : EINVAL;
	const char *fault = err ? NULL : plan_fault(*out);

	if (fault) {
		script_warn(s, "method_parameter_invalid_value", st->at, "%s", fault);
		plan_free(out);
		err = EINVAL;
	}
	if (err == EINVAL)
		tell_refused(s, args);
	return err;
}

/* What the call goes to after the bridge is known before it. 0 or ENOMEM. */
static int keep_after_bridge(struct script *s, const struct doc *args)
{
	const struct doc *dest = swml_arg(args, "transfer_after_bridge");
	struct str text = dest ? str_trim(dest->text) : STR("");

	free(take_after_bridge(s));
	if (!text.n)
		return 0;
	s->after_bridge = strndup(text.p, text.n);
	return s->after_bridge ? 0 : ENOMEM;
}

void script_connect(struct script *s, const struct swml_step *st, const struct doc *args)
{
	const struct doc *result = swml_raw_arg(st, "result");
	const struct op_start start = {
		.call = s->call, .sounds = s->sounds, .runner = script_runner(s), .done = done, .arg = s
	};
	struct plan *plan = NULL;
	struct op *op = NULL;
	int err = make_plan(&plan, s, st, args);

	if (!err && (err = keep_after_bridge(s, args)))
		plan_free(&plan);
	if (!err)
		err = connect_start(&op, &start, plan);
	if (err == ENOTCONN) {
		script_wait_for_end(s);
	} else if (err) {
		over(s, st->at, CAUSE_ERROR, result);
	} else {
		s->connect_result = result;
		s->op_at = st->at;
		script_wait_for_op(s, op);
	}
}

/* What the methods have in common that start an op: arguments, variables, and going on when it is done. */
#include <errno.h>

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

#include "dialect/fetch_body.h"

#include <errno.h>

#include "base/arena.h"
#include "dialect/call_vars.h"
#include "dialect/vars.h"

static void member(struct buf *out, const char *name, const struct doc *value)
{
	buf_printf(out, "\"%s\":", name);
	if (value)
		doc_print_json(out, value);
	else
		buf_cstr(out, "{}");
}

int fetch_body(struct buf *out, const struct fetch_source *src)
{
	struct vars_note ignored = { .set = false };
	struct arena *a = NULL;
	int err = arena_new(&a, 4096, 0);

	if (err)
		return err;
	buf_char(out, '{');
	member(out, "call", call_vars(src->call, src->ids, a, (struct str){ 0 }));
	buf_char(out, ',');
	member(out, "vars", vars_eval(src->vars, a, STR("vars"), &ignored));
	buf_char(out, ',');
	member(out, "envs", vars_eval(src->vars, a, STR("envs"), &ignored));
	buf_char(out, ',');
	member(out, "params", src->params);
	buf_char(out, '}');
	arena_free(&a);
	return out->failed ? ENOMEM : 0;
}

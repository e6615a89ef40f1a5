#include "dialect/expr.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "dialect/expr_impl.h"

struct value expr_fail(struct machine *m, uint32_t at, const char *fmt, ...)
{
	va_list ap;

	if (m->w.fault)
		return value_undefined();
	m->w.fault = WORK_SAID;
	m->problem->col = at + 1;
	va_start(ap, fmt);
	vsnprintf(m->problem->message, sizeof(m->problem->message), fmt, ap);
	va_end(ap);
	return value_undefined();
}

bool expr_is_scope(struct str name)
{
	return str_is(name, "vars") || str_is(name, "params") || str_is(name, "call") || str_is(name, "envs");
}

/* What is left of the budget when the value is made into a document has to suffice for that, too. */
static int result(struct machine *m)
{
	switch (m->w.fault) {
	case WORK_FINE:
		return 0;
	case WORK_NO_MEMORY:
		return ENOMEM;
	case WORK_STEPS:
	case WORK_BYTES:
	case WORK_DEPTH:
		m->w.fault = WORK_FINE;
		expr_fail(m, 0, "the result is too large");
		break;
	case WORK_SAID:
		break;
	}
	return EINVAL;
}

static void machine_init(struct machine *m, struct arena *a, const struct expr_scope *scope,
			 struct expr_problem *problem)
{
	/* The slots need no beginning: a callback fills its own before its body is read. */
	m->w = (struct work){ .arena = a, .steps_left = EXPR_MAX_STEPS, .bytes_left = EXPR_MAX_BYTES };
	m->scope = scope;
	m->problem = problem;
	m->cut = false;
}

int expr_eval(struct arena *a, const struct doc **out, struct str text, const struct expr_scope *scope,
	      struct expr_problem *problem)
{
	const struct doc *made = NULL;
	struct machine m;
	struct value v;
	struct node *n;
	int err;

	machine_init(&m, a, scope, problem);
	n = expr_parse(&m, text);
	if (n && !m.w.fault) {
		v = expr_run(&m, n);
		if (!m.w.fault)
			value_doc(&m.w, &made, &v);
	}
	err = result(&m);
	if (!err)
		*out = made;
	problem->steps = EXPR_MAX_STEPS - (uint32_t)m.w.steps_left;
	return err;
}

int expr_check(struct str text, struct expr_problem *problem)
{
	struct arena *a = NULL;
	struct machine m;
	int err = arena_new(&a, 0, 0);

	if (err)
		return err;
	machine_init(&m, a, NULL, problem);
	expr_parse(&m, text);
	arena_free(&a);
	return result(&m);
}

bool expr_true(const struct doc *value)
{
	if (!value)
		return false;

	switch (value->type) {
	case DOC_NULL:
		return false;
	case DOC_BOOL:
		return value->boolean;
	case DOC_INT:
		return value->integer != 0;
	case DOC_REAL:
		return value->real != 0 && value->real == value->real;
	case DOC_STR:
		return value->text.n > 0;
	case DOC_LIST:
	case DOC_MAP:
		break;
	}
	return true;
}

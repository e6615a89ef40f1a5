/* Walks the tree of an expression. After a fault every function gives undefined, and expr_run() says where it was. */
#include <string.h>

#include "dialect/expr_impl.h"
#include "dialect/expr_text.h"

enum { FEW = 4 };

static const struct value undefined = { .type = VALUE_UNDEFINED };

const struct value *expr_arg(const struct args *args, size_t i)
{
	return i < args->n ? &args->v[i] : &undefined;
}

size_t expr_place(struct machine *m, const struct value *v, size_t length, size_t otherwise)
{
	double n = v->type == VALUE_UNDEFINED ? (double)otherwise : value_to_integer(&m->w, v);

	if (n < 0)
		n += (double)length;
	return n < 0 ? 0 : n > (double)length ? length : (size_t)n;
}

static struct value letters(struct machine *m, struct str s)
{
	struct value list, *items;
	uint32_t code;
	size_t n = 0;

	for (size_t at = 0; at < s.n && work_spend(&m->w, 1); n++)
		at += text_char(s, at, &code);
	list = value_new_list(&m->w, n);
	if (m->w.fault)
		return undefined;
	items = list.list->items;
	for (size_t at = 0, i = 0; at < s.n; i++) {
		size_t bytes = text_char(s, at, &code);

		items[i] = value_string((struct str){ s.p + at, bytes });
		at += bytes;
	}
	return list;
}

struct value expr_elements(struct machine *m, const struct value *v, uint32_t at)
{
	if (v->type == VALUE_LIST)
		return *v;
	if (v->type == VALUE_STRING)
		return letters(m, v->text);
	return expr_fail(m, at, "only lists and texts can be taken apart here");
}

/* --- lists of expressions: items and arguments --- */

static uint32_t add_all(struct machine *m, struct value *list, uint32_t n, const struct value *more)
{
	const struct value *items = value_items(&m->w, more->list);
	struct value bigger = value_new_list(&m->w, list->list->count + more->list->count);

	if (!bigger.list || m->w.fault || !work_spend(&m->w, more->list->count / 4))
		return n;
	if (n)
		memcpy(bigger.list->items, list->list->items, n * sizeof(*items));
	if (more->list->count)
		memcpy(bigger.list->items + n, items, more->list->count * sizeof(*items));
	*list = bigger;
	return n + more->list->count;
}

/* The values of the nodes, spread where it says so. */
static struct value values(struct machine *m, struct node *nodes, uint32_t count)
{
	struct value list = value_new_list(&m->w, count), v;
	uint32_t n = 0;

	for (struct node *i = nodes; i && !m->w.fault; i = i->next) {
		v = expr_run(m, i->type == NODE_SPREAD ? i->a : i);
		if (m->w.fault)
			break;
		if (i->type != NODE_SPREAD) {
			list.list->items[n++] = v;
			continue;
		}
		v = expr_elements(m, &v, i->at);
		if (!m->w.fault)
			n = add_all(m, &list, n, &v);
	}
	if (m->w.fault)
		return undefined;
	list.list->count = n;
	return list;
}

static struct value run_list(struct machine *m, struct node *n)
{
	return values(m, n->list, n->count);
}

static void put_all(struct machine *m, struct value_map *map, const struct value *from)
{
	const struct value_member *members;
	struct value list;
	char text[40];

	if (from->type == VALUE_MAP) {
		members = value_members(&m->w, from->map);
		for (uint32_t i = 0; members && i < from->map->count && !m->w.fault; i++)
			value_put(&m->w, map, members[i].key, members[i].value);
		return;
	}
	if (from->type != VALUE_LIST && from->type != VALUE_STRING)
		return;
	list = expr_elements(m, from, 0);
	for (uint32_t i = 0; !m->w.fault && value_items(&m->w, list.list) && i < list.list->count; i++) {
		struct maker key = { .w = &m->w };

		value_number_text(text, i);
		maker_text(&key, str_of(text));
		value_put(&m->w, map, maker_view(&key), list.list->items[i]);
	}
}

static struct value run_map(struct machine *m, struct node *n)
{
	struct value v = value_new_map(&m->w), key, member;

	for (struct node *i = n->list; i && !m->w.fault; i = i->next) {
		if (i->type == NODE_SPREAD) {
			member = expr_run(m, i->a);
			put_all(m, v.map, &member);
			continue;
		}
		key = expr_run(m, i->a);
		key = value_string(value_to_text(&m->w, &key));
		member = expr_run(m, i->b);
		if (!m->w.fault)
			value_put(&m->w, v.map, key.text, member);
	}
	return v;
}

static struct value run_template(struct machine *m, struct node *n)
{
	struct maker text = { .w = &m->w };

	for (struct node *i = n->list; i && !m->w.fault; i = i->next) {
		struct value v = expr_run(m, i);

		if (!m->w.fault)
			maker_text(&text, value_to_text(&m->w, &v));
	}
	return value_string(maker_view(&text));
}

/* --- look-ups --- */

static struct value run_value(struct machine *m, struct node *n)
{
	return n->value;
}

static struct value run_slot(struct machine *m, struct node *n)
{
	return m->slots[n->slot];
}

/* Nothing changes while an expression runs, so each place of the text is looked up once. */
static struct value run_lookup(struct machine *m, struct node *n)
{
	if (n->found)
		return n->value;
	if (!m->scope || !work_spend(&m->w, m->scope->lookup_steps))
		return undefined;
	n->value = value_of(&m->w, m->scope->lookup(m->scope->arg, n->scope, n->name));
	n->found = true;
	if (!n->name.p && n->value.type == VALUE_MAP)
		work_spend(&m->w, 4 * (size_t)n->value.map->count); /* it was made for us */
	return n->value;
}

static bool cut_here(struct machine *m, const struct node *n, const struct value *v)
{
	if (n->optional && value_nothing(v))
		m->cut = true;
	return m->cut || m->w.fault;
}

static struct value run_member(struct machine *m, struct node *n)
{
	struct value v = expr_run(m, n->a);

	return cut_here(m, n, &v) ? undefined : expr_member(m, n, &v, n->name);
}

static struct value run_index(struct machine *m, struct node *n)
{
	struct value v = expr_run(m, n->a), index;

	if (cut_here(m, n, &v))
		return undefined;
	index = expr_run(m, n->b);
	return m->w.fault ? undefined : expr_index(m, n, &v, &index);
}

static struct value run_chain(struct machine *m, struct node *n)
{
	struct value v = expr_run(m, n->a);

	m->cut = false;
	return v;
}

/* --- calls --- */

static const struct method *method_of(const struct node *n, const struct value *self)
{
	switch (self->type) {
	case VALUE_UNDEFINED:
	case VALUE_NULL:
		break;
	case VALUE_BOOL:
		return n->methods[METHOD_BOOL];
	case VALUE_NUMBER:
		return n->methods[METHOD_NUMBER];
	case VALUE_STRING:
		return n->methods[METHOD_STRING];
	case VALUE_LIST:
		return n->methods[METHOD_LIST];
	case VALUE_MAP:
		return n->methods[METHOD_MAP];
	}
	return NULL;
}

static struct value no_method(struct machine *m, const struct node *n, const struct value *self)
{
	static const char *const names[] = {
		[VALUE_UNDEFINED] = "undefined", [VALUE_NULL] = "null",       [VALUE_BOOL] = "a boolean",
		[VALUE_NUMBER] = "a number",     [VALUE_STRING] = "a string", [VALUE_LIST] = "a list",
		[VALUE_MAP] = "an object",
	};

	return expr_fail(m, n->at, "%s has no method \"%.*s\"", names[self->type], STR_ARG(n->name));
}

static bool is_callback(const struct node *n)
{
	return n && (n->type == NODE_ARROW || n->type == NODE_FUNCTION);
}

/* The arguments of a call in *args; the callback among them, first or second, is kept apart and leaves undefined. */
static bool arguments(struct machine *m, struct node *n, struct args *args, struct value few[FEW])
{
	struct node *i = n->list;
	size_t count = 0;
	struct value list;

	args->at = n->at;
	if (n->spreads || n->count > FEW) {
		list = values(m, i, n->count);
		if (m->w.fault)
			return false;
		args->v = list.list->items;
		args->n = list.list->count;
	} else {
		for (; i && !m->w.fault; i = i->next)
			few[count++] = expr_run(m, i);
		args->v = few;
		args->n = count;
	}
	args->callback = is_callback(n->list) ? n->list : n->list && is_callback(n->list->next) ? n->list->next : NULL;
	return !m->w.fault;
}

static struct value run_method(struct machine *m, struct node *n)
{
	struct value self = expr_run(m, n->a), few[FEW];
	const struct method *method;
	struct args args = { 0 };

	if (cut_here(m, n, &self))
		return undefined;
	method = method_of(n, &self);
	if (!method)
		return no_method(m, n, &self);
	if (!arguments(m, n, &args, few))
		return undefined;
	if (args.callback && !method->callback)
		return no_method(m, n, &self); /* only lists take callbacks */
	return method->run(m, &self, &args);
}

static struct value call_global(struct machine *m, const struct global *g, const struct args *args)
{
	if (!work_spend(&m->w, g->math ? 4 : 1))
		return undefined;
	return g->math ? value_number(g->math(value_to_number(&m->w, expr_arg(args, 0)))) : g->run(m, args);
}

static struct value run_call(struct machine *m, struct node *n)
{
	struct value few[FEW];
	struct args args = { 0 };

	return arguments(m, n, &args, few) ? call_global(m, n->global, &args) : undefined;
}

/* A callback is no value; the method that takes it finds it in the arguments. */
static struct value run_callback(struct machine *m, struct node *n)
{
	return undefined;
}

static void give(struct machine *m, const struct node *param, const struct value *v)
{
	struct value list = undefined, name;
	uint32_t k = 0;

	m->slots[param->slot] = *v;
	if (!param->list)
		return;
	if (value_nothing(v)) {
		expr_fail(m, param->at, "there is nothing to take a parameter's parts from");
		return;
	}
	if (!param->optional)
		list = expr_elements(m, v, param->at);
	for (const struct node *i = param->list; i && !m->w.fault; i = i->next, k++) {
		const struct value *items = param->optional ? NULL : value_items(&m->w, list.list);

		name = param->optional                 ? expr_member(m, i, v, i->name)
		       : items && k < list.list->count ? items[k]
						       : undefined;
		give(m, i, &name);
	}
}

struct value expr_call_back(struct machine *m, const struct args *args, const struct value *v, size_t n)
{
	struct node *f = args->callback;
	size_t i = 0;

	if (f->type == NODE_FUNCTION) {
		struct args given = { .v = v, .n = n, .at = f->at };

		return call_global(m, f->global, &given);
	}
	if (!work_spend(&m->w, 1))
		return undefined;
	for (const struct node *p = f->list; p; p = p->next, i++)
		give(m, p, i < n ? &v[i] : &undefined);
	return m->w.fault ? undefined : expr_run(m, f->a);
}

/* --- operators --- */

static struct value run_unary(struct machine *m, struct node *n)
{
	struct value v = expr_run(m, n->a);

	return m->w.fault ? undefined : expr_unary(m, n->op, &v);
}

static struct value run_binary(struct machine *m, struct node *n)
{
	struct value a = expr_run(m, n->a), b;

	if (m->w.fault)
		return undefined;
	b = expr_run(m, n->b);
	return m->w.fault ? undefined : expr_binary(m, n, &a, &b);
}

static struct value run_short(struct machine *m, struct node *n)
{
	struct value a = expr_run(m, n->a);
	bool enough = n->op == OP_NULLISH ? !value_nothing(&a) : value_true(&a) == (n->op == OP_OR);

	return enough || m->w.fault ? a : expr_run(m, n->b);
}

static struct value run_ternary(struct machine *m, struct node *n)
{
	struct value test = expr_run(m, n->a);

	return m->w.fault ? undefined : expr_run(m, value_true(&test) ? n->b : n->c);
}

static struct value run_comma(struct machine *m, struct node *n)
{
	expr_run(m, n->a);
	return m->w.fault ? undefined : expr_run(m, n->b);
}

/* Where the budget ended, for its first reader. */
static void blame(struct machine *m, const struct node *n)
{
	static const char *const texts[] = {
		[WORK_STEPS] = "the expression takes too many steps",
		[WORK_BYTES] = "the expression makes more than 1 MiB",
		[WORK_DEPTH] = "lists or objects are nested too deep",
	};
	enum work_fault fault = m->w.fault;

	if (fault == WORK_SAID || fault == WORK_NO_MEMORY)
		return;
	m->w.fault = WORK_FINE;
	expr_fail(m, n->at, "%s", texts[fault]);
}

struct value expr_run(struct machine *m, struct node *n)
{
	static struct value (*const run[])(struct machine *, struct node *) = {
		[NODE_VALUE] = run_value,    [NODE_LOOKUP] = run_lookup,     [NODE_SLOT] = run_slot,
		[NODE_MEMBER] = run_member,  [NODE_INDEX] = run_index,       [NODE_METHOD] = run_method,
		[NODE_CALL] = run_call,      [NODE_CHAIN] = run_chain,       [NODE_UNARY] = run_unary,
		[NODE_BINARY] = run_binary,  [NODE_SHORT] = run_short,       [NODE_TERNARY] = run_ternary,
		[NODE_COMMA] = run_comma,    [NODE_LIST] = run_list,         [NODE_MAP] = run_map,
		[NODE_PAIR] = run_callback,  [NODE_SPREAD] = run_callback,   [NODE_TEMPLATE] = run_template,
		[NODE_ARROW] = run_callback, [NODE_FUNCTION] = run_callback, [NODE_PARAM] = run_callback,
	};
	struct value v = undefined;

	if (work_spend(&m->w, 1))
		v = run[n->type](m, n);
	if (!m->w.fault)
		return v;
	blame(m, n);
	return undefined;
}

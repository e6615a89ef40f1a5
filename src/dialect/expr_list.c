/* Methods of lists that take no callback. No list is ever changed: what JavaScript changes in place is made anew.
 * Source: ECMA-262 §23.1.3. */
#include <math.h>
#include <string.h>

#include "dialect/expr_impl.h"

/* Of items from..to; they are copied. */
static struct value part(struct machine *m, const struct value *self, size_t from, size_t to)
{
	const struct value *items = value_items(&m->w, self->list);
	size_t n = to > from ? to - from : 0;
	struct value list = work_spend(&m->w, n / 4) ? value_new_list(&m->w, n) : value_undefined();

	if (m->w.fault)
		return value_undefined();
	if (n)
		memcpy(list.list->items, items + from, n * sizeof(*items));
	return list;
}

static struct value at(struct machine *m, const struct value *self, const struct args *args)
{
	const struct value *items = value_items(&m->w, self->list);
	double n = value_to_integer(&m->w, expr_arg(args, 0));

	if (n < 0)
		n += self->list->count;
	return items && n >= 0 && n < self->list->count ? items[(size_t)n] : value_undefined();
}

static struct value pop(struct machine *m, const struct value *self, const struct args *args)
{
	const struct value *items = value_items(&m->w, self->list);

	return items ? items[self->list->count - 1] : value_undefined();
}

static struct value shift(struct machine *m, const struct value *self, const struct args *args)
{
	const struct value *items = value_items(&m->w, self->list);

	return items ? items[0] : value_undefined();
}

static struct value slice(struct machine *m, const struct value *self, const struct args *args)
{
	size_t count = self->list->count, from = expr_place(m, expr_arg(args, 0), count, 0);

	return part(m, self, from, expr_place(m, expr_arg(args, 1), count, count));
}

static struct value concat(struct machine *m, const struct value *self, const struct args *args)
{
	size_t total = self->list->count, n = 0;
	struct value list;

	for (size_t i = 0; i < args->n; i++)
		total += args->v[i].type == VALUE_LIST ? args->v[i].list->count : 1;
	list = work_spend(&m->w, total / 4) ? value_new_list(&m->w, total) : value_undefined();
	for (size_t i = 0; i <= args->n && !m->w.fault; i++) {
		const struct value *v = i ? &args->v[i - 1] : self, *items;

		if (v->type != VALUE_LIST) {
			list.list->items[n++] = *v;
			continue;
		}
		items = value_items(&m->w, v->list);
		if (items && v->list->count)
			memcpy(list.list->items + n, items, v->list->count * sizeof(*items));
		n += v->list->count;
	}
	return list;
}

static struct value reverse(struct machine *m, const struct value *self, const struct args *args)
{
	struct value list = part(m, self, 0, self->list->count), other;
	size_t n = m->w.fault ? 0 : list.list->count;

	for (size_t i = 0; i < n / 2; i++) {
		other = list.list->items[i];
		list.list->items[i] = list.list->items[n - 1 - i];
		list.list->items[n - 1 - i] = other;
	}
	return list;
}

/* The list with another item at a place. */
static struct value with(struct machine *m, const struct value *self, const struct args *args)
{
	double n = value_to_integer(&m->w, expr_arg(args, 0));
	struct value list;

	if (n < 0)
		n += self->list->count;
	if (n < 0 || n >= self->list->count)
		return expr_fail(m, args->at, "\"with\" is given a place that the list does not have");
	list = part(m, self, 0, self->list->count);
	if (!m->w.fault)
		list.list->items[(size_t)n] = *expr_arg(args, 1);
	return list;
}

/* --- searching --- */

static bool same(struct machine *m, const struct value *a, const struct value *b, bool nan_too)
{
	if (nan_too && a->type == VALUE_NUMBER && b->type == VALUE_NUMBER && isnan(a->number) && isnan(b->number))
		return true;
	return value_strict_equal(&m->w, a, b);
}

static double search(struct machine *m, const struct value *self, const struct args *args, bool nan_too)
{
	const struct value *items = value_items(&m->w, self->list);
	size_t from = expr_place(m, expr_arg(args, 1), self->list->count, 0);

	for (size_t i = from; items && i < self->list->count && work_spend(&m->w, 1); i++)
		if (same(m, &items[i], expr_arg(args, 0), nan_too))
			return (double)i;
	return -1;
}

static struct value index_of(struct machine *m, const struct value *self, const struct args *args)
{
	return value_number(search(m, self, args, false));
}

static struct value includes(struct machine *m, const struct value *self, const struct args *args)
{
	return value_bool(search(m, self, args, true) >= 0);
}

static struct value last_index_of(struct machine *m, const struct value *self, const struct args *args)
{
	const struct value *items = value_items(&m->w, self->list);
	double from = args->n > 1 ? value_to_integer(&m->w, &args->v[1]) : INFINITY;

	if (from < 0)
		from += self->list->count;
	if (from >= self->list->count)
		from = (double)self->list->count - 1;
	for (; items && from >= 0 && work_spend(&m->w, 1); from--)
		if (value_strict_equal(&m->w, &items[(size_t)from], expr_arg(args, 0)))
			return value_number(from);
	return value_number(-1);
}

/* --- texts, and lists in lists --- */

static struct value join(struct machine *m, const struct value *self, const struct args *args)
{
	const struct value *by = expr_arg(args, 0);
	struct str between = by->type == VALUE_UNDEFINED ? STR(",") : value_to_text(&m->w, by);

	return m->w.fault ? value_undefined() : value_string(value_join(&m->w, self->list, between));
}

static struct value to_string(struct machine *m, const struct value *self, const struct args *args)
{
	return value_string(value_join(&m->w, self->list, STR(",")));
}

/* Counts when items is NULL. */
static size_t flatten(struct machine *m, struct value_list *list, double levels, struct value *out, size_t n)
{
	const struct value *items = value_items(&m->w, list);

	if (!items || !work_enter(&m->w))
		return n;
	for (uint32_t i = 0; i < list->count && work_spend(&m->w, 1); i++) {
		if (items[i].type == VALUE_LIST && levels >= 1) {
			n = flatten(m, items[i].list, levels - 1, out, n);
			continue;
		}
		if (out)
			out[n] = items[i];
		n++;
	}
	m->w.depth--;
	return n;
}

static struct value flat(struct machine *m, const struct value *self, const struct args *args)
{
	const struct value *depth = expr_arg(args, 0);
	double levels = depth->type == VALUE_UNDEFINED ? 1 : value_to_integer(&m->w, depth);
	struct value list = value_new_list(&m->w, flatten(m, self->list, levels, NULL, 0));

	if (m->w.fault)
		return value_undefined();
	flatten(m, self->list, levels, list.list->items, 0);
	return list;
}

static struct value itself(struct machine *m, const struct value *self, const struct args *args)
{
	return *self;
}

const struct method expr_list_methods[] = {
	{ STR("at"), at, false },
	{ STR("concat"), concat, false },
	{ STR("flat"), flat, false },
	{ STR("includes"), includes, false },
	{ STR("indexOf"), index_of, false },
	{ STR("join"), join, false },
	{ STR("lastIndexOf"), last_index_of, false },
	{ STR("pop"), pop, false },
	{ STR("reverse"), reverse, false },
	{ STR("shift"), shift, false },
	{ STR("slice"), slice, false },
	{ STR("toReversed"), reverse, false },
	{ STR("toString"), to_string, false },
	{ STR("valueOf"), itself, false },
	{ STR("with"), with, false },
	{ { 0 }, NULL, false },
};

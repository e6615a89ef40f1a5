/* Methods of lists that call back: map, filter, reduce … Source: ECMA-262 §23.1.3. */
#include <string.h>

#include "dialect/expr_impl.h"

static bool has_callback(struct machine *m, const struct args *args)
{
	if (!args->callback)
		expr_fail(m, args->at, "a callback is missing: (item) => …");
	return args->callback && !m->w.fault;
}

static struct value call(struct machine *m, const struct args *args, const struct value *self, uint32_t i)
{
	const struct value v[] = { value_items(&m->w, self->list)[i], value_number(i), *self };

	return expr_call_back(m, args, v, ARRAY_LEN(v));
}

static struct value map(struct machine *m, const struct value *self, const struct args *args)
{
	const struct value *items = value_items(&m->w, self->list);
	struct value list;

	if (!has_callback(m, args))
		return value_undefined();
	list = value_new_list(&m->w, self->list->count);
	for (uint32_t i = 0; items && i < self->list->count && !m->w.fault; i++)
		list.list->items[i] = call(m, args, self, i);
	return list;
}

static struct value filter(struct machine *m, const struct value *self, const struct args *args)
{
	const struct value *items = value_items(&m->w, self->list);
	struct value list, keep;
	uint32_t n = 0;

	if (!has_callback(m, args))
		return value_undefined();
	list = value_new_list(&m->w, self->list->count);
	for (uint32_t i = 0; items && i < self->list->count && !m->w.fault; i++) {
		keep = call(m, args, self, i);
		if (value_true(&keep) && !m->w.fault)
			list.list->items[n++] = items[i];
	}
	if (!m->w.fault)
		list.list->count = n;
	return list;
}

static struct value for_each(struct machine *m, const struct value *self, const struct args *args)
{
	map(m, self, args);
	return value_undefined();
}

/* From the front or the back, the first item whose call gives want (as a truth); -1 = none. */
static long seek(struct machine *m, const struct value *self, const struct args *args, bool back, bool want)
{
	const struct value *items = value_items(&m->w, self->list);
	uint32_t count = self->list->count;
	struct value v;

	if (!has_callback(m, args))
		return -1;
	for (uint32_t i = 0; items && i < count && !m->w.fault; i++) {
		uint32_t at = back ? count - 1 - i : i;

		v = call(m, args, self, at);
		if (!m->w.fault && value_true(&v) == want)
			return at;
	}
	return -1;
}

static struct value item(struct machine *m, const struct value *self, long at)
{
	return at < 0 || m->w.fault ? value_undefined() : value_items(&m->w, self->list)[at];
}

static struct value find(struct machine *m, const struct value *self, const struct args *args)
{
	return item(m, self, seek(m, self, args, false, true));
}

static struct value find_last(struct machine *m, const struct value *self, const struct args *args)
{
	return item(m, self, seek(m, self, args, true, true));
}

static struct value find_index(struct machine *m, const struct value *self, const struct args *args)
{
	return value_number((double)seek(m, self, args, false, true));
}

static struct value find_last_index(struct machine *m, const struct value *self, const struct args *args)
{
	return value_number((double)seek(m, self, args, true, true));
}

static struct value some(struct machine *m, const struct value *self, const struct args *args)
{
	return value_bool(seek(m, self, args, false, true) >= 0);
}

static struct value every(struct machine *m, const struct value *self, const struct args *args)
{
	return value_bool(seek(m, self, args, false, false) < 0);
}

static struct value fold(struct machine *m, const struct value *self, const struct args *args, bool back)
{
	const struct value *items = value_items(&m->w, self->list);
	uint32_t count = self->list->count, i = 0;
	struct value sum;

	if (!has_callback(m, args))
		return value_undefined();
	if (args->n < 2 && !count)
		return expr_fail(m, args->at, "an empty list needs a first value: reduce(callback, value)");
	sum = args->n < 2 ? items[back ? count - 1 : 0] : args->v[1];
	for (i = args->n < 2; items && i < count && !m->w.fault; i++) {
		uint32_t at = back ? count - 1 - i : i;
		const struct value v[] = { sum, items[at], value_number(at), *self };

		sum = expr_call_back(m, args, v, ARRAY_LEN(v));
	}
	return sum;
}

static struct value reduce(struct machine *m, const struct value *self, const struct args *args)
{
	return fold(m, self, args, false);
}

static struct value reduce_right(struct machine *m, const struct value *self, const struct args *args)
{
	return fold(m, self, args, true);
}

/* A map() and a flat(1). */
static struct value flat_map(struct machine *m, const struct value *self, const struct args *args)
{
	struct value made = map(m, self, args), list;
	size_t total = 0, n = 0;

	if (m->w.fault)
		return value_undefined();
	for (uint32_t i = 0; i < made.list->count; i++)
		total += made.list->items[i].type == VALUE_LIST ? made.list->items[i].list->count : 1;
	list = work_spend(&m->w, total / 4) ? value_new_list(&m->w, total) : value_undefined();
	for (uint32_t i = 0; i < made.list->count && !m->w.fault; i++) {
		const struct value *v = &made.list->items[i], *items;

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

const struct method expr_each_methods[] = {
	{ STR("every"), every, true },
	{ STR("filter"), filter, true },
	{ STR("find"), find, true },
	{ STR("findIndex"), find_index, true },
	{ STR("findLast"), find_last, true },
	{ STR("findLastIndex"), find_last_index, true },
	{ STR("flatMap"), flat_map, true },
	{ STR("forEach"), for_each, true },
	{ STR("map"), map, true },
	{ STR("reduce"), reduce, true },
	{ STR("reduceRight"), reduce_right, true },
	{ STR("some"), some, true },
	{ STR("sort"), expr_sort, true },
	{ STR("toSorted"), expr_sort, true },
	{ { 0 }, NULL, false },
};

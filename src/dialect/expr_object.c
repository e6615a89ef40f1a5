/* Object, Array, String, Boolean. Source: ECMA-262 §20.1, §22.1, §23.1. */
#include <math.h>
#include <string.h>

#include "dialect/expr_impl.h"
#include "dialect/expr_text.h"

/* --- Object --- */

enum part { KEYS, VALUES, ENTRIES };

static struct value entry(struct machine *m, struct str key, const struct value *v, enum part part)
{
	struct value pair;

	if (part != ENTRIES)
		return part == KEYS ? value_string(key) : *v;
	pair = value_new_list(&m->w, 2);
	if (m->w.fault)
		return value_undefined();
	pair.list->items[0] = value_string(key);
	pair.list->items[1] = *v;
	return pair;
}

static struct value of_list(struct machine *m, const struct value *v, enum part part, uint32_t at)
{
	struct value elements = expr_elements(m, v, at), list;

	if (m->w.fault)
		return value_undefined();
	list = value_new_list(&m->w, elements.list->count);
	for (uint32_t i = 0; value_items(&m->w, elements.list) && i < elements.list->count && work_spend(&m->w, 1);
	     i++) {
		struct value index = value_number(i);

		list.list->items[i] = entry(m, value_to_text(&m->w, &index), &elements.list->items[i], part);
	}
	return list;
}

static struct value parts(struct machine *m, const struct args *args, enum part part)
{
	const struct value *v = expr_arg(args, 0);
	const struct value_member *members;
	struct value list;

	if (value_nothing(v))
		return expr_fail(m, args->at, "an object is expected here");
	if (v->type == VALUE_LIST || v->type == VALUE_STRING)
		return of_list(m, v, part, args->at);
	if (v->type != VALUE_MAP)
		return value_new_list(&m->w, 0);
	members = value_members(&m->w, v->map);
	list = value_new_list(&m->w, v->map->count);
	for (uint32_t i = 0; members && i < v->map->count && work_spend(&m->w, 1); i++)
		list.list->items[i] = entry(m, members[i].key, &members[i].value, part);
	return list;
}

static struct value keys(struct machine *m, const struct args *args)
{
	return parts(m, args, KEYS);
}

static struct value object_values(struct machine *m, const struct args *args)
{
	return parts(m, args, VALUES);
}

static struct value entries(struct machine *m, const struct args *args)
{
	return parts(m, args, ENTRIES);
}

static struct value from_entries(struct machine *m, const struct args *args)
{
	const struct value *v = expr_arg(args, 0), *items = v->type == VALUE_LIST ? value_items(&m->w, v->list) : NULL;
	struct value map = value_new_map(&m->w);

	if (v->type != VALUE_LIST)
		return expr_fail(m, args->at, "a list of pairs is expected here");
	for (uint32_t i = 0; items && i < v->list->count && !m->w.fault; i++) {
		const struct value *pair;
		struct value none = value_undefined();
		struct str key;

		if (items[i].type != VALUE_LIST)
			return expr_fail(m, args->at, "a list of pairs is expected here");
		pair = value_items(&m->w, items[i].list);
		key = value_to_text(&m->w, pair ? &pair[0] : &none);
		if (!m->w.fault)
			value_put(&m->w, map.map, key, items[i].list->count > 1 ? pair[1] : none);
	}
	return map;
}

/* Is what Object.is calls the same. */
static struct value same(struct machine *m, const struct args *args)
{
	const struct value *a = expr_arg(args, 0), *b = expr_arg(args, 1);

	if (a->type != VALUE_NUMBER || b->type != VALUE_NUMBER)
		return value_bool(value_strict_equal(&m->w, a, b));
	if (isnan(a->number) || isnan(b->number))
		return value_bool(isnan(a->number) && isnan(b->number));
	return value_bool(a->number == b->number && !signbit(a->number) == !signbit(b->number));
}

static struct value has_own(struct machine *m, const struct value *self, const struct args *args)
{
	struct str key = value_to_text(&m->w, expr_arg(args, 0));

	return value_bool(key.p && value_member(&m->w, self->map, key));
}

static struct value map_text(struct machine *m, const struct value *self, const struct args *args)
{
	return value_string(STR("[object Object]"));
}

static struct value itself(struct machine *m, const struct value *self, const struct args *args)
{
	return *self;
}

const struct method expr_map_methods[] = {
	{ STR("hasOwnProperty"), has_own, false },
	{ STR("toString"), map_text, false },
	{ STR("valueOf"), itself, false },
	{ { 0 }, NULL, false },
};

/* --- Array --- */

static struct value is_list(struct machine *m, const struct args *args)
{
	return value_bool(expr_arg(args, 0)->type == VALUE_LIST);
}

/* {length: 3} is a list of nothing, three times. */
static struct value of_length(struct machine *m, const struct value *v)
{
	const struct value *length = v->type == VALUE_MAP ? value_member(&m->w, v->map, STR("length")) : NULL;
	double n = length ? value_to_integer(&m->w, length) : 0;

	if (n > EXPR_MAX_BYTES)
		work_fail(&m->w, WORK_BYTES);
	return value_new_list(&m->w, n > 0 && !m->w.fault ? (size_t)n : 0);
}

static struct value from(struct machine *m, const struct args *args)
{
	const struct value *v = expr_arg(args, 0), *items;
	bool whole = v->type == VALUE_LIST || v->type == VALUE_STRING;
	struct value source, list;

	if (value_nothing(v))
		return expr_fail(m, args->at, "a list, a text or {length: …} is expected here");
	source = whole ? expr_elements(m, v, args->at) : of_length(m, v);
	if (m->w.fault || !args->callback)
		return source;
	items = value_items(&m->w, source.list);
	list = value_new_list(&m->w, source.list->count);
	for (uint32_t i = 0; items && i < source.list->count && !m->w.fault; i++) {
		const struct value given[] = { items[i], value_number(i) };

		list.list->items[i] = expr_call_back(m, args, given, ARRAY_LEN(given));
	}
	return list;
}

static struct value of(struct machine *m, const struct args *args)
{
	struct value list = value_new_list(&m->w, args->n);

	if (args->n && !m->w.fault)
		memcpy(list.list->items, args->v, args->n * sizeof(*args->v));
	return list;
}

/* --- String, Boolean --- */

static struct value to_string(struct machine *m, const struct args *args)
{
	return value_string(args->n ? value_to_text(&m->w, &args->v[0]) : STR(""));
}

static struct value to_bool(struct machine *m, const struct args *args)
{
	return value_bool(value_true(expr_arg(args, 0)));
}

static struct value from_codes(struct machine *m, const struct args *args, bool units)
{
	struct maker out = { .w = &m->w };
	char utf8[4];

	for (size_t i = 0; i < args->n && work_spend(&m->w, 1); i++) {
		uint32_t code = value_to_uint32(&m->w, &args->v[i]);
		double n = value_to_number(&m->w, &args->v[i]);

		if (units)
			code &= 0xffff;
		else if (!(n >= 0 && n <= 0x10ffff) || n != floor(n))
			return expr_fail(m, args->at, "a number of a character is expected here");
		maker_text(&out, (struct str){ utf8, text_encode(utf8, code) });
	}
	return value_string(maker_view(&out));
}

static struct value from_char_code(struct machine *m, const struct args *args)
{
	return from_codes(m, args, true);
}

static struct value from_code_point(struct machine *m, const struct args *args)
{
	return from_codes(m, args, false);
}

const struct global expr_object_globals[] = {
	{ { 0 }, STR("Boolean"), to_bool, NULL, false, 0, false },
	{ { 0 }, STR("String"), to_string, NULL, false, 0, false },
	{ STR("Array"), STR("from"), from, NULL, false, 0, true },
	{ STR("Array"), STR("isArray"), is_list, NULL, false, 0, false },
	{ STR("Array"), STR("of"), of, NULL, false, 0, false },
	{ STR("Object"), STR("entries"), entries, NULL, false, 0, false },
	{ STR("Object"), STR("fromEntries"), from_entries, NULL, false, 0, false },
	{ STR("Object"), STR("is"), same, NULL, false, 0, false },
	{ STR("Object"), STR("keys"), keys, NULL, false, 0, false },
	{ STR("Object"), STR("values"), object_values, NULL, false, 0, false },
	{ STR("String"), STR("fromCharCode"), from_char_code, NULL, false, 0, false },
	{ STR("String"), STR("fromCodePoint"), from_code_point, NULL, false, 0, false },
	{ { 0 }, { 0 }, NULL, NULL, false, 0, false },
};

/* Methods of strings that look for a text: includes, indexOf, replace, split … Source: ECMA-262 §22.1.3. */
#include <math.h>
#include <string.h>

#include "dialect/expr_impl.h"
#include "dialect/expr_text.h"

/* The text that is looked for; absent after a fault. */
static struct str needle(struct machine *m, const struct args *args)
{
	return value_to_text(&m->w, expr_arg(args, 0));
}

/* The byte of the unit that argument i tells. */
static size_t byte_of(struct machine *m, struct str s, const struct args *args, size_t i, double otherwise)
{
	const struct value *v = expr_arg(args, i);
	double n = v->type == VALUE_UNDEFINED ? otherwise : value_to_integer(&m->w, v);

	if (n <= 0)
		return 0;
	return n >= (double)s.n ? s.n : text_offset(&m->w, s, (size_t)n);
}

static struct value units_before(struct machine *m, struct str s, long at)
{
	return value_number(at < 0 ? -1 : (double)text_units(&m->w, str_head(s, (size_t)at)));
}

static struct value index_of(struct machine *m, const struct value *self, const struct args *args)
{
	struct str what = needle(m, args);
	size_t from = byte_of(m, self->text, args, 1, 0);

	return what.p ? units_before(m, self->text, text_find(&m->w, self->text, what, from)) : value_undefined();
}

static struct value last_index_of(struct machine *m, const struct value *self, const struct args *args)
{
	double from = value_to_number(&m->w, expr_arg(args, 1));
	struct str what = needle(m, args);
	size_t byte = self->text.n;

	if (!isnan(from) && from < (double)byte)
		byte = from < 1 ? 0 : text_offset(&m->w, self->text, (size_t)from);
	return what.p ? units_before(m, self->text, text_find_last(&m->w, self->text, what, byte)) : value_undefined();
}

static struct value includes(struct machine *m, const struct value *self, const struct args *args)
{
	struct str what = needle(m, args);
	size_t from = byte_of(m, self->text, args, 1, 0);

	return value_bool(what.p && text_find(&m->w, self->text, what, from) >= 0);
}

static struct value starts_with(struct machine *m, const struct value *self, const struct args *args)
{
	struct str what = needle(m, args), rest = str_from(self->text, byte_of(m, self->text, args, 1, 0));

	return value_bool(what.p && work_scan(&m->w, what.n) && str_eq(str_head(rest, what.n), what));
}

static struct value ends_with(struct machine *m, const struct value *self, const struct args *args)
{
	struct str what = needle(m, args), head = str_head(self->text, byte_of(m, self->text, args, 1, INFINITY));

	return value_bool(what.p && what.n <= head.n && work_scan(&m->w, what.n) &&
			  str_eq(str_from(head, head.n - what.n), what));
}

/* --- replace --- */

/* The replacement of the part at..end of s, with $$ $& $` $' in it. */
static void put_replacement(struct maker *out, struct str by, struct str s, size_t at, size_t end)
{
	while (by.n && !out->w->fault) {
		const char *dollar = memchr(by.p, '$', by.n);
		size_t plain = dollar ? (size_t)(dollar - by.p) : by.n;
		char c = dollar && plain + 1 < by.n ? dollar[1] : '\0';

		maker_text(out, str_head(by, plain));
		if (c == '$')
			maker_char(out, '$');
		else if (c == '&')
			maker_text(out, (struct str){ s.p + at, end - at });
		else if (c == '`')
			maker_text(out, str_head(s, at));
		else if (c == '\'')
			maker_text(out, str_from(s, end));
		else if (dollar)
			maker_char(out, '$');
		by = str_from(by, !dollar ? by.n : c && strchr("$&`'", c) ? plain + 2 : plain + 1);
	}
}

static struct value replaced(struct machine *m, const struct value *self, const struct args *args, bool all)
{
	struct str s = self->text, what = needle(m, args), by = value_to_text(&m->w, expr_arg(args, 1));
	struct maker out = { .w = &m->w };
	size_t done = 0;
	uint32_t code;
	long at;

	if (m->w.fault)
		return value_undefined();
	at = text_find(&m->w, s, what, 0);
	while (at >= 0 && work_spend(&m->w, 1)) {
		size_t next = (size_t)at + what.n;

		maker_text(&out, (struct str){ s.p + done, (size_t)at - done });
		put_replacement(&out, by, s, (size_t)at, next);
		done = next;
		if (!all || m->w.fault || (!what.n && next >= s.n))
			break;
		at = text_find(&m->w, s, what, what.n ? next : next + text_char(s, next, &code));
	}
	maker_text(&out, str_from(s, done));
	return value_string(maker_view(&out));
}

static struct value replace(struct machine *m, const struct value *self, const struct args *args)
{
	return replaced(m, self, args, false);
}

static struct value replace_all(struct machine *m, const struct value *self, const struct args *args)
{
	return replaced(m, self, args, true);
}

/* --- split --- */

/* One text a unit. */
static struct value split_units(struct machine *m, struct str s, size_t limit)
{
	size_t units = text_units(&m->w, s), at = 0;
	struct value list;
	uint32_t code;

	if (units > limit)
		units = limit;
	list = work_spend(&m->w, units) ? value_new_list(&m->w, units) : value_undefined();
	for (size_t i = 0; i < units && !m->w.fault;) {
		size_t n = text_char(s, at, &code);

		list.list->items[i++] =
			value_string(code < 0x10000 ? (struct str){ s.p + at, n }
						    : text_slice(&m->w, (struct str){ s.p + at, n }, 0, 1));
		if (code >= 0x10000 && i < units)
			list.list->items[i++] = value_string(text_slice(&m->w, (struct str){ s.p + at, n }, 1, 2));
		at += n;
	}
	return list;
}

static struct value split(struct machine *m, const struct value *self, const struct args *args)
{
	const struct value *by = expr_arg(args, 0), *most = expr_arg(args, 1);
	size_t limit = most->type == VALUE_UNDEFINED ? UINT32_MAX : value_to_uint32(&m->w, most), parts = 1, from = 0,
	       i = 0;
	struct str s = self->text, what = value_to_text(&m->w, by);
	struct value list;
	long at;

	if (m->w.fault || !limit)
		return value_new_list(&m->w, 0);
	if (by->type != VALUE_UNDEFINED && !what.n)
		return split_units(m, s, limit);
	if (by->type != VALUE_UNDEFINED)
		for (at = 0; parts < limit && (at = text_find(&m->w, s, what, (size_t)at)) >= 0 && work_spend(&m->w, 2);
		     parts++)
			at += (long)what.n;
	list = value_new_list(&m->w, parts);
	if (m->w.fault)
		return value_undefined();
	for (; i < parts; i++) {
		at = by->type == VALUE_UNDEFINED ? -1 : text_find(&m->w, s, what, from);
		if (at < 0)
			at = (long)s.n;
		list.list->items[i] = value_string((struct str){ s.p + from, (size_t)at - from });
		from = (size_t)at + what.n;
	}
	return list;
}

const struct method expr_search_methods[] = {
	{ STR("endsWith"), ends_with, false },
	{ STR("includes"), includes, false },
	{ STR("indexOf"), index_of, false },
	{ STR("lastIndexOf"), last_index_of, false },
	{ STR("replace"), replace, false },
	{ STR("replaceAll"), replace_all, false },
	{ STR("split"), split, false },
	{ STR("startsWith"), starts_with, false },
	{ { 0 }, NULL, false },
};

/* JSON.parse and JSON.stringify. Source: ECMA-262 §25.5. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "dialect/expr_impl.h"
#include "dialect/expr_number.h"
#include "dialect/expr_text.h"

/* --- reading --- */

struct reader {
	struct machine *m;
	struct str s;
	size_t at;
	uint32_t call_at; /* of the call, for its errors */
};

static struct value read_value(struct reader *r);

static struct value refuse(struct reader *r)
{
	return expr_fail(r->m, r->call_at, "no JSON: byte %zu of the text is not expected", r->at + 1);
}

static char next(struct reader *r)
{
	while (r->at < r->s.n && r->s.p[r->at] && strchr(" \t\r\n", r->s.p[r->at]))
		r->at++;
	return r->at < r->s.n ? r->s.p[r->at] : '\0';
}

static struct value read_word(struct reader *r, const char *word, struct value v)
{
	if (!str_starts(str_from(r->s, r->at), word))
		return refuse(r);
	r->at += strlen(word);
	return v;
}

/* JSON is stricter than number_decimal(): no leading 0, digits on both sides of the point. */
static struct value read_number(struct reader *r)
{
	struct str s = str_from(r->s, r->at);
	size_t digit = s.n && s.p[0] == '-', n;
	double value = 0;
	const char *point;

	n = number_decimal(&r->m->w, s, &value);
	point = n ? memchr(s.p, '.', n) : NULL;
	if (n <= digit || number_digit(s.p[digit]) < 0 || number_digit(s.p[digit]) > 9 ||
	    (s.p[digit] == '0' && n > digit + 1 && s.p[digit + 1] >= '0' && s.p[digit + 1] <= '9') ||
	    (point && (point + 1 == s.p + n || point[1] < '0' || point[1] > '9')))
		return refuse(r);
	r->at += n;
	return value_number(value);
}

static bool read_escape(struct reader *r, struct maker *out)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	char c = r->at < r->s.n ? r->s.p[r->at++] : '\0', utf8[4];
	const char *known = c ? strchr(names, c) : NULL;
	uint32_t code = 0;

	if (known) {
		maker_char(out, values[known - names]);
		return true;
	}
	if (c != 'u' || r->s.n - r->at < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		int digit = number_digit(r->s.p[r->at + (size_t)i]);

		if (digit < 0 || digit > 15)
			return false;
		code = code << 4 | (uint32_t)digit;
	}
	r->at += 4;
	maker_text(out, (struct str){ utf8, text_encode(utf8, code) });
	return true;
}

static struct str read_string(struct reader *r)
{
	struct maker out = { .w = &r->m->w };
	size_t from = ++r->at, done = from;

	for (; r->at < r->s.n && r->s.p[r->at] != '"' && !r->m->w.fault; r->at++) {
		if ((unsigned char)r->s.p[r->at] < ' ')
			break;
		if (r->s.p[r->at] != '\\')
			continue;
		maker_text(&out, (struct str){ r->s.p + done, r->at - done });
		r->at++;
		if (!read_escape(r, &out)) {
			refuse(r);
			return (struct str){ 0 };
		}
		done = r->at--;
	}
	if (r->at >= r->s.n || r->s.p[r->at] != '"' || !work_scan(&r->m->w, r->at - from)) {
		refuse(r);
		return (struct str){ 0 };
	}
	r->at++;
	if (done == from)
		return (struct str){ r->s.p + from, r->at - 1 - from };
	maker_text(&out, (struct str){ r->s.p + done, r->at - 1 - done });
	return maker_view(&out);
}

static void push(struct work *w, struct value_list *list, size_t *room, struct value v)
{
	struct value bigger;

	if (list->count == *room) {
		bigger = value_new_list(w, 2 * *room + 4);
		if (w->fault)
			return;
		if (list->count)
			memcpy(bigger.list->items, list->items, list->count * sizeof(v));
		list->items = bigger.list->items;
		*room = 2 * *room + 4;
	}
	list->items[list->count++] = v;
}

static struct value read_list(struct reader *r)
{
	struct value list = value_new_list(&r->m->w, 0);
	size_t room = 0;

	r->at++;
	if (next(r) == ']') {
		r->at++;
		return list;
	}
	while (!r->m->w.fault) {
		push(&r->m->w, list.list, &room, read_value(r));
		if (next(r) == ']')
			break;
		if (next(r) != ',')
			return refuse(r);
		r->at++;
	}
	r->at++;
	return list;
}

static struct value read_map(struct reader *r)
{
	struct value map = value_new_map(&r->m->w);
	struct str key;

	r->at++;
	if (next(r) == '}') {
		r->at++;
		return map;
	}
	while (!r->m->w.fault) {
		if (next(r) != '"')
			return refuse(r);
		key = read_string(r);
		if (next(r) != ':')
			return refuse(r);
		r->at++;
		value_put(&r->m->w, map.map, key, read_value(r));
		if (next(r) == '}')
			break;
		if (next(r) != ',')
			return refuse(r);
		r->at++;
	}
	r->at++;
	return map;
}

static struct value read_tree(struct reader *r, char c)
{
	struct value v;

	if (!work_enter(&r->m->w))
		return value_undefined();
	v = c == '[' ? read_list(r) : read_map(r);
	r->m->w.depth--;
	return v;
}

static struct value read_value(struct reader *r)
{
	char c = next(r);

	if (!work_spend(&r->m->w, 1))
		return value_undefined();
	if (c == '{' || c == '[')
		return read_tree(r, c);
	if (c == '"')
		return value_string(read_string(r));
	if (c == 't')
		return read_word(r, "true", value_bool(true));
	if (c == 'f')
		return read_word(r, "false", value_bool(false));
	if (c == 'n')
		return read_word(r, "null", value_null());
	return read_number(r);
}

static struct value parse(struct machine *m, const struct args *args)
{
	struct reader r = { .m = m, .s = value_to_text(&m->w, expr_arg(args, 0)), .call_at = args->at };
	struct value v;

	if (!r.s.p || !work_scan(&m->w, 4 * r.s.n))
		return value_undefined();
	v = read_value(&r);
	next(&r);
	return r.at < r.s.n ? refuse(&r) : v;
}

/* --- writing --- */

struct writer {
	struct maker out;
	struct str gap; /* "" = all on one line */
	unsigned level;
};

static void write_value(struct writer *w, const struct value *v);

static void write_char(struct maker *out, struct str s, size_t at, size_t n, uint32_t code)
{
	static const char names[] = "\"\\bfnrt", values[] = "\"\\\b\f\n\r\t";
	const char *known = code && code < 0x80 ? strchr(values, (int)code) : NULL;
	char text[8];

	if (known) {
		maker_char(out, '\\');
		maker_char(out, names[known - values]);
	} else if (code < 0x20 || (code >= 0xd800 && code < 0xe000)) {
		snprintf(text, sizeof(text), "\\u%04x", code);
		maker_text(out, str_of(text));
	} else {
		maker_text(out, (struct str){ s.p + at, n });
	}
}

static void write_string(struct maker *out, struct str s)
{
	size_t done = 0, n;
	uint32_t code;

	if (!s.p || !work_scan(out->w, 4 * s.n))
		return;
	maker_char(out, '"');
	for (size_t at = 0; at < s.n && !out->w->fault; at += n) {
		n = text_char(s, at, &code);
		if (code >= 0x20 && code != '"' && code != '\\' && (code < 0xd800 || code >= 0xe000))
			continue;
		maker_text(out, (struct str){ s.p + done, at - done });
		write_char(out, s, at, n, code);
		work_spend(out->w, 1);
		done = at + n;
	}
	maker_text(out, str_from(s, done));
	maker_char(out, '"');
}

static void new_line(struct writer *w)
{
	if (!w->gap.n)
		return;
	maker_char(&w->out, '\n');
	for (unsigned i = 0; i < w->level; i++)
		maker_text(&w->out, w->gap);
}

static void write_list(struct writer *w, struct value_list *list)
{
	const struct value *items = value_items(w->out.w, list);
	static const struct value null = { .type = VALUE_NULL };

	maker_char(&w->out, '[');
	w->level++;
	for (uint32_t i = 0; items && i < list->count && work_spend(w->out.w, 1); i++) {
		if (i)
			maker_char(&w->out, ',');
		new_line(w);
		write_value(w, items[i].type == VALUE_UNDEFINED ? &null : &items[i]);
	}
	w->level--;
	if (list->count)
		new_line(w);
	maker_char(&w->out, ']');
}

static void write_map(struct writer *w, struct value_map *map)
{
	const struct value_member *members = value_members(w->out.w, map);
	bool any = false;

	maker_char(&w->out, '{');
	w->level++;
	for (uint32_t i = 0; members && i < map->count && work_spend(w->out.w, 1); i++) {
		if (members[i].value.type == VALUE_UNDEFINED)
			continue;
		if (any)
			maker_char(&w->out, ',');
		any = true;
		new_line(w);
		write_string(&w->out, members[i].key);
		maker_text(&w->out, w->gap.n ? STR(": ") : STR(":"));
		write_value(w, &members[i].value);
	}
	w->level--;
	if (any)
		new_line(w);
	maker_char(&w->out, '}');
}

static void write_number(struct writer *w, double n)
{
	char text[40];

	if (!work_spend(w->out.w, value_number_steps(n)))
		return;
	value_number_text(text, n);
	maker_text(&w->out, isfinite(n) ? str_of(text) : STR("null"));
}

static void write_value(struct writer *w, const struct value *v)
{
	if (!work_enter(w->out.w))
		return;

	switch (v->type) {
	case VALUE_UNDEFINED:
		break;
	case VALUE_NULL:
		maker_text(&w->out, STR("null"));
		break;
	case VALUE_BOOL:
		maker_text(&w->out, v->boolean ? STR("true") : STR("false"));
		break;
	case VALUE_NUMBER:
		write_number(w, v->number);
		break;
	case VALUE_STRING:
		write_string(&w->out, v->text);
		break;
	case VALUE_LIST:
		write_list(w, v->list);
		break;
	case VALUE_MAP:
		write_map(w, v->map);
		break;
	}
	w->out.w->depth--;
}

/* Third argument of stringify: so many blanks, or a text; ten at most. */
static struct str gap_of(struct machine *m, const struct value *v)
{
	double n;

	if (v->type == VALUE_STRING)
		return text_slice(&m->w, v->text, 0, text_units(&m->w, v->text) < 10 ? text_units(&m->w, v->text) : 10);
	n = v->type == VALUE_NUMBER ? value_to_integer(&m->w, v) : 0;
	return str_head(STR("          "), n < 1 ? 0 : n > 10 ? 10 : (size_t)n);
}

static struct value stringify(struct machine *m, const struct args *args)
{
	struct writer w = { .out = { .w = &m->w }, .gap = gap_of(m, expr_arg(args, 2)) };
	const struct value *v = expr_arg(args, 0);

	if (value_is_tree(expr_arg(args, 1)))
		return expr_fail(m, args->at, "lists of names in \"stringify\" are not in this version");
	if (v->type == VALUE_UNDEFINED)
		return value_undefined();
	write_value(&w, v);
	return value_string(maker_view(&w.out));
}

const struct global expr_json_globals[] = {
	{ STR("JSON"), STR("parse"), parse, NULL, false, 0, false },
	{ STR("JSON"), STR("stringify"), stringify, NULL, false, 0, false },
	{ { 0 }, { 0 }, NULL, NULL, false, 0, false },
};

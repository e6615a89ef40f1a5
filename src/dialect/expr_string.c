/* Methods of strings that cut and make; those that look for something are in expr_search.c. Source: ECMA-262 §22.1.3. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>

#include "dialect/expr_impl.h"
#include "dialect/expr_text.h"

static struct value text(struct str s)
{
	return s.p ? value_string(s) : value_undefined();
}

/* The unit at a place that may count from the end; false = outside. */
static bool unit_at(struct machine *m, const struct value *self, const struct value *arg, bool from_end, size_t *at)
{
	double units = (double)text_units(&m->w, self->text), n = value_to_integer(&m->w, arg);

	if (n < 0 && from_end)
		n += units;
	if (n < 0 || n >= units || m->w.fault)
		return false;
	*at = (size_t)n;
	return true;
}

static struct value char_at(struct machine *m, const struct value *self, const struct args *args)
{
	size_t at;

	if (!unit_at(m, self, expr_arg(args, 0), false, &at))
		return value_string(STR(""));
	return text(text_slice(&m->w, self->text, at, at + 1));
}

static struct value at(struct machine *m, const struct value *self, const struct args *args)
{
	size_t place;

	if (!unit_at(m, self, expr_arg(args, 0), true, &place))
		return value_undefined();
	return text(text_slice(&m->w, self->text, place, place + 1));
}

static struct value char_code_at(struct machine *m, const struct value *self, const struct args *args)
{
	size_t place;

	return value_number(unit_at(m, self, expr_arg(args, 0), false, &place) ? text_unit(&m->w, self->text, place)
									       : NAN);
}

static struct value code_point_at(struct machine *m, const struct value *self, const struct args *args)
{
	uint32_t code, unit;
	size_t place;

	if (!unit_at(m, self, expr_arg(args, 0), false, &place))
		return value_undefined();
	unit = text_unit(&m->w, self->text, place);
	if (unit < 0xd800 || unit >= 0xdc00)
		return value_number(unit);
	text_char(self->text, text_offset(&m->w, self->text, place), &code);
	return value_number(code);
}

static struct value concat(struct machine *m, const struct value *self, const struct args *args)
{
	struct maker out = { .w = &m->w };

	maker_text(&out, self->text);
	for (size_t i = 0; i < args->n && !m->w.fault; i++)
		maker_text(&out, value_to_text(&m->w, &args->v[i]));
	return text(maker_view(&out));
}

static struct value slice(struct machine *m, const struct value *self, const struct args *args)
{
	size_t units = text_units(&m->w, self->text);
	size_t from = expr_place(m, expr_arg(args, 0), units, 0), to = expr_place(m, expr_arg(args, 1), units, units);

	return text(text_slice(&m->w, self->text, from, to > from ? to : from));
}

/* Within 0..length, and never from the end. */
static size_t kept_within(struct machine *m, const struct value *v, size_t length, size_t otherwise)
{
	double n = v->type == VALUE_UNDEFINED ? (double)otherwise : value_to_integer(&m->w, v);

	return n < 0 ? 0 : n > (double)length ? length : (size_t)n;
}

static struct value substring(struct machine *m, const struct value *self, const struct args *args)
{
	size_t units = text_units(&m->w, self->text);
	size_t a = kept_within(m, expr_arg(args, 0), units, 0), b = kept_within(m, expr_arg(args, 1), units, units);

	return text(text_slice(&m->w, self->text, a < b ? a : b, a < b ? b : a));
}

static struct value substr(struct machine *m, const struct value *self, const struct args *args)
{
	size_t units = text_units(&m->w, self->text);
	size_t from = expr_place(m, expr_arg(args, 0), units, 0);
	size_t n = kept_within(m, expr_arg(args, 1), units - from, units - from);

	return text(text_slice(&m->w, self->text, from, from + n));
}

/* --- case --- */

typedef uint8_t *(*change_case)(const uint8_t *s, size_t n, const char *language, uninorm_t form, uint8_t *out,
				size_t *length);

static void change_piece(struct maker *out, struct str s, change_case change)
{
	size_t length = 0;
	uint8_t *changed = s.n ? change((const uint8_t *)s.p, s.n, "", NULL, NULL, &length) : NULL;

	if (changed)
		maker_text(out, (struct str){ (const char *)changed, length });
	else
		maker_text(out, s); /* no UTF-8 */
	free(changed);
}

/* libunistring takes whole characters only, so halves of pairs go by it. */
static struct value change_any(struct machine *m, struct str s, change_case change)
{
	struct maker out = { .w = &m->w };
	size_t done = 0;
	uint32_t code;

	if (!work_spend(&m->w, 2 * s.n + 10))
		return value_undefined();
	for (size_t i = 0; i < s.n;) {
		size_t n = text_char(s, i, &code);

		if (code >= 0xd800 && code < 0xe000) {
			change_piece(&out, (struct str){ s.p + done, i - done }, change);
			maker_text(&out, (struct str){ s.p + i, n });
			done = i + n;
		}
		i += n;
	}
	change_piece(&out, str_from(s, done), change);
	return text(maker_view(&out));
}

static struct value change_ascii(struct machine *m, struct str s, char first)
{
	char *out = work_alloc(&m->w, s.n + 1);

	if (!out || !work_scan(&m->w, s.n))
		return value_undefined();
	for (size_t i = 0; i < s.n; i++)
		out[i] = s.p[i] >= first && s.p[i] < first + 26 ? s.p[i] ^ 0x20 : s.p[i];
	return value_string((struct str){ out, s.n });
}

static struct value to_upper(struct machine *m, const struct value *self, const struct args *args)
{
	return text_is_ascii(self->text) ? change_ascii(m, self->text, 'a') : change_any(m, self->text, u8_toupper);
}

static struct value to_lower(struct machine *m, const struct value *self, const struct args *args)
{
	return text_is_ascii(self->text) ? change_ascii(m, self->text, 'A') : change_any(m, self->text, u8_tolower);
}

/* --- blanks and filling --- */

static struct value trimmed(struct machine *m, struct str s, bool front, bool back)
{
	return work_scan(&m->w, 4 * s.n) ? value_string(text_trim(s, front, back)) : value_undefined();
}

static struct value trim(struct machine *m, const struct value *self, const struct args *args)
{
	return trimmed(m, self->text, true, true);
}

static struct value trim_start(struct machine *m, const struct value *self, const struct args *args)
{
	return trimmed(m, self->text, true, false);
}

static struct value trim_end(struct machine *m, const struct value *self, const struct args *args)
{
	return trimmed(m, self->text, false, true);
}

/* s as many times; paid for as a whole. */
static void repeated(struct maker *out, struct str s, double times)
{
	if (!s.n || times < 1)
		return;
	if (times * (double)s.n > (double)out->w->bytes_left) {
		work_fail(out->w, WORK_BYTES);
		return;
	}
	maker_room(out, (size_t)times * s.n + 1);
	if (!work_spend(out->w, (size_t)times))
		return;
	for (size_t i = 0; i < (size_t)times; i++)
		maker_text(out, s);
}

static struct value repeat(struct machine *m, const struct value *self, const struct args *args)
{
	double times = value_to_integer(&m->w, expr_arg(args, 0));
	struct maker out = { .w = &m->w };

	if (times < 0 || isinf(times))
		return expr_fail(m, args->at, "\"repeat\" takes 0 or more, and an end");
	repeated(&out, self->text, times);
	return text(maker_view(&out));
}

static struct value pad(struct machine *m, const struct value *self, const struct args *args, bool front)
{
	struct str fill =
		args->n > 1 && args->v[1].type != VALUE_UNDEFINED ? value_to_text(&m->w, &args->v[1]) : STR(" ");
	double missing = value_to_integer(&m->w, expr_arg(args, 0)) - (double)text_units(&m->w, self->text);
	size_t units = fill.p ? text_units(&m->w, fill) : 0;
	struct maker out = { .w = &m->w };

	if (!(missing > 0) || !units)
		return *self;
	if (!front)
		maker_text(&out, self->text);
	repeated(&out, fill, floor(missing / (double)units));
	if (!m->w.fault)
		maker_text(&out, text_slice(&m->w, fill, 0, (size_t)fmod(missing, (double)units)));
	if (front)
		maker_text(&out, self->text);
	return text(maker_view(&out));
}

static struct value pad_start(struct machine *m, const struct value *self, const struct args *args)
{
	return pad(m, self, args, true);
}

static struct value pad_end(struct machine *m, const struct value *self, const struct args *args)
{
	return pad(m, self, args, false);
}

static struct value itself(struct machine *m, const struct value *self, const struct args *args)
{
	return *self;
}

const struct method expr_string_methods[] = {
	{ STR("at"), at, false },
	{ STR("charAt"), char_at, false },
	{ STR("charCodeAt"), char_code_at, false },
	{ STR("codePointAt"), code_point_at, false },
	{ STR("concat"), concat, false },
	{ STR("padEnd"), pad_end, false },
	{ STR("padStart"), pad_start, false },
	{ STR("repeat"), repeat, false },
	{ STR("slice"), slice, false },
	{ STR("substr"), substr, false },
	{ STR("substring"), substring, false },
	{ STR("toLocaleLowerCase"), to_lower, false },
	{ STR("toLocaleUpperCase"), to_upper, false },
	{ STR("toLowerCase"), to_lower, false },
	{ STR("toString"), itself, false },
	{ STR("toUpperCase"), to_upper, false },
	{ STR("trim"), trim, false },
	{ STR("trimEnd"), trim_end, false },
	{ STR("trimStart"), trim_start, false },
	{ STR("valueOf"), itself, false },
	{ { 0 }, NULL, false },
};

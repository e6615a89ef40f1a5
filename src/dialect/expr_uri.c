/* encodeURIComponent and its like. Source: ECMA-262 §19.2.6. */
#include <string.h>

#include "dialect/expr_impl.h"
#include "dialect/expr_number.h"
#include "dialect/expr_text.h"

static const char RESERVED[] = ";/?:@&=+$,#";

static bool is_plain(char c, const char *more)
{
	return number_digit(c) >= 0 || (c && (strchr("-_.!~*'()", c) || strchr(more, c)));
}

static struct value encode(struct machine *m, const struct args *args, const char *more)
{
	static const char hex[] = "0123456789ABCDEF";
	struct str s = value_to_text(&m->w, expr_arg(args, 0));
	struct maker out = { .w = &m->w };
	uint32_t code;

	for (size_t at = 0, n; at < s.n && work_spend(&m->w, 1); at += n) {
		n = text_char(s, at, &code);
		if (code >= 0xd800 && code < 0xe000)
			return expr_fail(m, args->at, "half of a surrogate pair cannot stand in a URI");
		if (is_plain(s.p[at], more)) {
			maker_char(&out, s.p[at]);
			continue;
		}
		for (size_t i = at; i < at + n; i++) {
			unsigned char c = (unsigned char)s.p[i];

			maker_text(&out, (struct str){ (const char[]){ '%', hex[c >> 4], hex[c & 15] }, 3 });
		}
	}
	return value_string(maker_view(&out));
}

/* The byte that %XX at stands for, -1 = none. */
static int escaped(struct str s, size_t at)
{
	int high, low;

	if (at + 3 > s.n || s.p[at] != '%')
		return -1;
	high = number_digit(s.p[at + 1]);
	low = number_digit(s.p[at + 2]);
	return high < 0 || high > 15 || low < 0 || low > 15 ? -1 : high << 4 | low;
}

/* Bytes of the character that begins with c, 0 = none does. */
static size_t length_of(int c)
{
	return c < 0 ? 0 : c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
}

/* The character in escapes at; false: they are none. */
static bool decode_char(struct maker *out, struct str s, size_t *at, const char *keep)
{
	size_t n = length_of(escaped(s, *at));
	uint32_t code;
	char utf8[4];

	if (!n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int c = escaped(s, *at + 3 * i);

		if (c < 0)
			return false;
		utf8[i] = (char)c;
	}
	if (text_char((struct str){ utf8, n }, 0, &code) != n || (code >= 0xd800 && code < 0xe000))
		return false;
	if (n == 1 && utf8[0] && strchr(keep, utf8[0]))
		maker_text(out, (struct str){ s.p + *at, 3 });
	else
		maker_text(out, (struct str){ utf8, n });
	*at += 3 * n;
	return true;
}

static struct value decode(struct machine *m, const struct args *args, const char *keep)
{
	struct str s = value_to_text(&m->w, expr_arg(args, 0));
	struct maker out = { .w = &m->w };

	for (size_t at = 0; at < s.n && work_spend(&m->w, 1);) {
		const char *next = memchr(s.p + at, '%', s.n - at);
		size_t plain = next ? (size_t)(next - s.p) - at : s.n - at;

		maker_text(&out, (struct str){ s.p + at, plain });
		at += plain;
		if (at < s.n && !decode_char(&out, s, &at, keep))
			return expr_fail(m, args->at, "byte %zu of the text is no escape of a URI", at + 1);
	}
	return value_string(maker_view(&out));
}

static struct value encode_component(struct machine *m, const struct args *args)
{
	return encode(m, args, "");
}

static struct value encode_uri(struct machine *m, const struct args *args)
{
	return encode(m, args, RESERVED);
}

static struct value decode_component(struct machine *m, const struct args *args)
{
	return decode(m, args, "");
}

static struct value decode_uri(struct machine *m, const struct args *args)
{
	return decode(m, args, RESERVED);
}

const struct global expr_uri_globals[] = {
	{ { 0 }, STR("decodeURI"), decode_uri, NULL, false, 0, false },
	{ { 0 }, STR("decodeURIComponent"), decode_component, NULL, false, 0, false },
	{ { 0 }, STR("encodeURI"), encode_uri, NULL, false, 0, false },
	{ { 0 }, STR("encodeURIComponent"), encode_component, NULL, false, 0, false },
	{ { 0 }, { 0 }, NULL, NULL, false, 0, false },
};

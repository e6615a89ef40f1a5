/* The letters of expressions: blanks, names, numbers, strings. Source: ECMA-262 §12. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dialect/expr_number.h"
#include "dialect/expr_parse.h"
#include "dialect/expr_text.h"

bool expr_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
}

bool expr_name_char(char c)
{
	return expr_name_start(c) || (c >= '0' && c <= '9');
}

char lex_peek(const struct parser *p)
{
	return p->at < p->text.n ? p->text.p[p->at] : '\0';
}

char lex_skip(struct parser *p)
{
	uint32_t code;

	while (p->at < p->text.n) {
		size_t n = text_char(p->text, p->at, &code);

		if (!text_is_space(code))
			break;
		p->at += n;
	}
	return lex_peek(p);
}

bool lex_take(struct parser *p, char c)
{
	if (lex_skip(p) != c || p->at >= p->text.n)
		return false;
	p->at++;
	return true;
}

bool lex_sees(struct parser *p, const char *text)
{
	lex_skip(p);
	return str_starts(str_from(p->text, p->at), text);
}

bool lex_takes(struct parser *p, const char *text)
{
	if (!lex_sees(p, text))
		return false;
	p->at += strlen(text);
	return true;
}

struct str lex_name(struct parser *p)
{
	size_t from = p->at;

	while (p->at < p->text.n && expr_name_char(p->text.p[p->at]))
		p->at++;
	return (struct str){ p->text.p + from, p->at - from };
}

/* --- numbers --- */

/* Digits of any base with _ between them, the _ left out. */
static struct str digits(struct parser *p, unsigned radix, char out[64], size_t n)
{
	while (p->at < p->text.n && n < 63) {
		char c = p->text.p[p->at];
		int digit = number_digit(c);
		bool between = c == '_' && n && out[n - 1] != '_' && p->at + 1 < p->text.n &&
			       number_digit(p->text.p[p->at + 1]) >= 0;

		if (!between && (digit < 0 || (unsigned)digit >= radix))
			break;
		if (c != '_')
			out[n++] = c;
		p->at++;
	}
	return (struct str){ out, n };
}

static void exponent(struct parser *p, char out[64], size_t *n)
{
	size_t mark = p->at, had = *n;
	char c = lex_peek(p);

	if ((c != 'e' && c != 'E') || *n > 55)
		return;
	out[(*n)++] = 'e';
	p->at++;
	c = lex_peek(p);
	if (c == '+' || c == '-') {
		out[(*n)++] = c;
		p->at++;
	}
	if (lex_peek(p) < '0' || lex_peek(p) > '9') {
		p->at = mark;
		*n = had;
		return;
	}
	*n = digits(p, 10, out, *n).n;
}

static double decimal(struct parser *p)
{
	char out[64];
	size_t n = digits(p, 10, out, 0).n;

	if (lex_peek(p) == '.' && n < 60) {
		out[n++] = '.';
		p->at++;
		n = digits(p, 10, out, n).n;
	}
	exponent(p, out, &n);
	out[n] = '\0';
	return strtod(out, NULL);
}

bool lex_number(struct parser *p, double *out)
{
	const char *const bases = "xXoObB";
	size_t from = p->at;
	char second = p->at + 1 < p->text.n ? p->text.p[p->at + 1] : '\0', buf[64];
	const char *base = second && lex_peek(p) == '0' ? strchr(bases, second) : NULL;
	const unsigned radix[] = { 16, 8, 2 };

	if (base) {
		p->at += 2;
		*out = number_of_digits(digits(p, radix[(base - bases) / 2], buf, 0), radix[(base - bases) / 2]);
	} else if (lex_peek(p) == '0' && second >= '0' && second <= '9') {
		expr_fail(p->m, (uint32_t)from, "a number does not begin with 0");
		return false;
	} else {
		*out = decimal(p);
	}
	if (isnan(*out))
		expr_fail(p->m, (uint32_t)from, "digits are missing behind 0%c", second);
	else if (lex_peek(p) == 'n')
		expr_fail(p->m, (uint32_t)p->at, "numbers with n behind them are not in this version");
	else if (expr_name_char(lex_peek(p)))
		expr_fail(p->m, (uint32_t)p->at, "a number ends with \"%c\"", lex_peek(p));
	return !p->m->w.fault;
}

/* --- strings --- */

static bool hex(struct parser *p, unsigned count, uint32_t *code)
{
	*code = 0;
	for (unsigned i = 0; i < count; i++, p->at++) {
		int digit = number_digit(lex_peek(p));

		if (digit < 0 || digit > 15)
			return false;
		*code = *code << 4 | (uint32_t)digit;
	}
	return true;
}

/* {1F600}: p->at stands behind the brace. */
static bool braced(struct parser *p, uint32_t *code)
{
	size_t from = p->at;

	*code = 0;
	for (; number_digit(lex_peek(p)) >= 0 && number_digit(lex_peek(p)) < 16 && *code < 0x110000; p->at++)
		*code = *code << 4 | (uint32_t)number_digit(lex_peek(p));
	if (p->at == from || *code >= 0x110000 || lex_peek(p) != '}')
		return false;
	p->at++;
	return true;
}

/* x41, u0041, u{41}: p->at stands behind the first letter. */
static bool coded(struct parser *p, char c, uint32_t *code)
{
	if (c == 'x')
		return hex(p, 2, code);
	if (lex_peek(p) != '{')
		return hex(p, 4, code);
	p->at++;
	return braced(p, code);
}

/* What stands behind a backslash. False: nothing that JavaScript knows. */
static bool escape(struct parser *p, struct maker *out)
{
	static const char names[] = "ntrbfv", values[] = "\n\t\r\b\f\v";
	char c = lex_peek(p), utf8[4];
	const char *known = c ? strchr(names, c) : NULL;
	uint32_t code;

	if (p->at >= p->text.n)
		return false;
	p->at++;
	if (c == 'u' || c == 'x') {
		if (!coded(p, c, &code))
			return false;
		maker_text(out, (struct str){ utf8, text_encode(utf8, code) });
	} else if (c >= '0' && c <= '9') {
		if (c != '0' || (lex_peek(p) >= '0' && lex_peek(p) <= '9'))
			return false;
		maker_char(out, '\0');
	} else if (c == '\r' || c == '\n') { /* the line goes on */
		p->at += c == '\r' && lex_peek(p) == '\n';
	} else {
		maker_char(out, known ? values[known - names] : c);
	}
	return true;
}

/* Up to stop (left), or ${ in a template. */
static struct str letters(struct parser *p, char stop)
{
	struct maker out = { .w = &p->m->w };
	size_t done = p->at;

	while (p->at < p->text.n && p->text.p[p->at] != stop) {
		char c = p->text.p[p->at];

		if (stop == '`' && c == '$' && p->at + 1 < p->text.n && p->text.p[p->at + 1] == '{')
			break;
		if (stop != '`' && (c == '\n' || c == '\r')) {
			expr_fail(p->m, (uint32_t)p->at, "a line ends within a string");
			break;
		}
		p->at++;
		if (c != '\\')
			continue;
		maker_text(&out, (struct str){ p->text.p + done, p->at - 1 - done });
		done = p->at;
		if (!escape(p, &out)) {
			expr_fail(p->m, (uint32_t)done, "bad escape in a string");
			break;
		}
		done = p->at;
	}
	if (!out.n)
		return p->m->w.fault ? (struct str){ 0 } : (struct str){ p->text.p + done, p->at - done };
	maker_text(&out, (struct str){ p->text.p + done, p->at - done });
	return maker_view(&out);
}

struct str lex_string(struct parser *p)
{
	size_t from = p->at;
	char quote = p->text.p[p->at++];
	struct str s = letters(p, quote);

	if (p->at >= p->text.n)
		expr_fail(p->m, (uint32_t)from, "string without its closing %c", quote);
	p->at++;
	return p->m->w.fault ? (struct str){ 0 } : s;
}

struct str lex_template_part(struct parser *p)
{
	return letters(p, '`');
}

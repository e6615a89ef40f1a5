#include "dialect/expr.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "dialect/expr_value.h"

enum { MAX_CHARS = 1023, MAX_STEPS = 10000, MAX_DEPTH = 64, MAX_TEXT_BYTES = 1 << 20 };

/* One pass: the text is evaluated while it is read. What && || ?: leave out is read with skip > 0, which looks
 * nothing up and computes nothing. After the first problem err is set and every function returns at once. */
struct parser {
	struct str text;
	size_t at;
	struct arena *arena;
	const struct expr_scope *scope;
	struct expr_problem *problem;
	unsigned steps, depth, skip;
	int err;
};

enum expr_op {
	OP_OR,
	OP_AND,
	OP_EQ,
	OP_NE,
	OP_SAME,
	OP_DIFFERENT,
	OP_LT,
	OP_LE,
	OP_GT,
	OP_GE,
	OP_ADD,
	OP_SUB,
	OP_MUL,
	OP_DIV,
	OP_MOD,
	OP_LATER
};

/* Longer spellings stand before their beginnings. */
static const struct spelling {
	const char *text;
	enum expr_op op;
	unsigned strength;
} spellings[] = {
	{ "||=", OP_LATER, 0 },
	{ "&&=", OP_LATER, 0 },
	{ "===", OP_SAME, 3 },
	{ "!==", OP_DIFFERENT, 3 },
	{ ">>>", OP_LATER, 0 },
	{ "<<", OP_LATER, 0 },
	{ ">>", OP_LATER, 0 },
	{ "**", OP_LATER, 0 },
	{ "=>", OP_LATER, 0 },
	{ "??", OP_LATER, 0 },
	{ "?.", OP_LATER, 0 },
	{ "+=", OP_LATER, 0 },
	{ "-=", OP_LATER, 0 },
	{ "*=", OP_LATER, 0 },
	{ "/=", OP_LATER, 0 },
	{ "%=", OP_LATER, 0 },
	{ "++", OP_LATER, 0 },
	{ "--", OP_LATER, 0 },
	{ "||", OP_OR, 1 },
	{ "&&", OP_AND, 2 },
	{ "==", OP_EQ, 3 },
	{ "!=", OP_NE, 3 },
	{ "<=", OP_LE, 4 },
	{ ">=", OP_GE, 4 },
	{ "<", OP_LT, 4 },
	{ ">", OP_GT, 4 },
	{ "+", OP_ADD, 5 },
	{ "-", OP_SUB, 5 },
	{ "*", OP_MUL, 6 },
	{ "/", OP_DIV, 6 },
	{ "%", OP_MOD, 6 },
	{ "=", OP_LATER, 0 },
	{ "|", OP_LATER, 0 },
	{ "&", OP_LATER, 0 },
	{ "^", OP_LATER, 0 },
	{ "~", OP_LATER, 0 },
	{ "instanceof", OP_LATER, 0 },
};

static struct value ternary(struct parser *p);

static const struct value undefined = { .type = VALUE_UNDEFINED };

static struct value fail_at(struct parser *p, size_t at, const char *fmt, ...) PRINTF_LIKE(3, 4);

static struct value fail_at(struct parser *p, size_t at, const char *fmt, ...)
{
	va_list ap;

	if (p->err)
		return undefined;
	p->err = EINVAL;
	p->problem->col = (uint32_t)at + 1;
	va_start(ap, fmt);
	vsnprintf(p->problem->message, sizeof(p->problem->message), fmt, ap);
	va_end(ap);
	return undefined;
}

static struct value no_memory(struct parser *p)
{
	if (!p->err)
		p->err = ENOMEM;
	return undefined;
}

bool expr_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
}

bool expr_name_char(char c)
{
	return expr_name_start(c) || (c >= '0' && c <= '9');
}

bool expr_is_scope(struct str name)
{
	return str_is(name, "vars") || str_is(name, "params") || str_is(name, "call") || str_is(name, "envs");
}

static char peek(const struct parser *p)
{
	return p->at < p->text.n ? p->text.p[p->at] : '\0';
}

static char skip_blanks(struct parser *p)
{
	while (p->at < p->text.n && strchr(" \t\r\n", p->text.p[p->at]) && p->text.p[p->at])
		p->at++;
	return peek(p);
}

static bool take(struct parser *p, char c)
{
	if (skip_blanks(p) != c)
		return false;
	p->at++;
	return true;
}

static struct str name_here(struct parser *p)
{
	size_t from = p->at;

	while (p->at < p->text.n && expr_name_char(p->text.p[p->at]))
		p->at++;
	return (struct str){ p->text.p + from, p->at - from };
}

static void append_utf8(struct buf *out, unsigned code)
{
	if (code < 0x80) {
		buf_char(out, (char)code);
	} else if (code < 0x800) {
		buf_char(out, (char)(0xc0 | code >> 6));
		buf_char(out, (char)(0x80 | (code & 0x3f)));
	} else {
		buf_char(out, (char)(0xe0 | code >> 12));
		buf_char(out, (char)(0x80 | (code >> 6 & 0x3f)));
		buf_char(out, (char)(0x80 | (code & 0x3f)));
	}
}

/* \uXXXX or \xXX: p->at stands on the first digit. False when there are not enough of them. */
static bool hex_escape(struct parser *p, struct buf *out, unsigned digits)
{
	char hex[5] = "";

	if (p->text.n - p->at < digits)
		return false;
	memcpy(hex, p->text.p + p->at, digits);
	if (strspn(hex, "0123456789abcdefABCDEF") != digits)
		return false;
	p->at += digits;
	append_utf8(out, (unsigned)strtoul(hex, NULL, 16));
	return true;
}

/* The character behind a backslash. */
static bool escape(struct parser *p, struct buf *out)
{
	static const char names[] = "ntrbfv0", values[] = "\n\t\r\b\f\v";
	char c = p->text.p[p->at++];
	const char *known = c ? strchr(names, c) : NULL;

	if (c == 'u')
		return hex_escape(p, out, 4);
	if (c == 'x')
		return hex_escape(p, out, 2);
	buf_char(out, known ? values[known - names] : c);
	return true;
}

static struct value string_literal(struct parser *p)
{
	size_t from = p->at;
	char quote = p->text.p[p->at++];
	struct value v = undefined;
	struct buf b;

	buf_init(&b, 0);
	while (p->at < p->text.n && p->text.p[p->at] != quote && !p->err) {
		char c = p->text.p[p->at++];

		if (c != '\\')
			buf_char(&b, c);
		else if (p->at >= p->text.n || !escape(p, &b))
			fail_at(p, p->at - 1, "bad escape in a string");
	}
	if (p->at >= p->text.n)
		fail_at(p, from, "string without its closing %c", quote);
	p->at++;
	if (!p->err) {
		v = value_string((struct str){ b.len ? str_dup(p->arena, buf_view(&b)) : "", b.len });
		if (!v.text.p || b.failed)
			no_memory(p);
	}
	buf_free(&b);
	return v;
}

static struct value number_literal(struct parser *p)
{
	size_t from = p->at;
	char text[64], *end;
	double n;

	str_copy(text, sizeof(text), str_from(p->text, from));
	if (text[0] == '0' && text[1] && strchr("bBoO", text[1]))
		return fail_at(p, from, "binary and octal numbers are not in this version");
	n = strtod(text, &end);
	p->at += (size_t)(end - text);
	if (expr_name_char(peek(p)))
		return fail_at(p, p->at, "a number ends with \"%c\"", peek(p));
	return value_number(n);
}

static struct value lookup(struct parser *p, struct str scope, struct str name)
{
	if (p->skip || !p->scope)
		return undefined;
	return value_of(p->scope->lookup(p->scope->arg, scope, name));
}

/* Words that begin something JavaScript has and we do not. */
static bool reserved(struct str word)
{
	static const char *const words[] = { "function", "new",   "typeof", "delete", "void", "in",
					     "async",    "await", "for",    "while",  "if",   "return",
					     "let",      "const", "var",    "class",  "this" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_is(word, words[i]))
			return true;
	return false;
}

static bool word_literal(struct str word, struct value *out)
{
	if (str_is(word, "true") || str_is(word, "false"))
		*out = value_bool(str_is(word, "true"));
	else if (str_is(word, "null"))
		*out = (struct value){ .type = VALUE_NULL };
	else if (str_is(word, "undefined"))
		*out = undefined;
	else if (str_is(word, "NaN"))
		*out = value_number(NAN);
	else if (str_is(word, "Infinity"))
		*out = value_number(INFINITY);
	else
		return false;
	return true;
}

/* A word: literal, or a look-up. A scope and the name behind it are one look-up, so that no scope has to be made
 * into a tree for it. */
static struct value word(struct parser *p)
{
	size_t from = p->at;
	struct str name = name_here(p), member;
	struct value v;

	if (reserved(name))
		return fail_at(p, from, "\"%.*s\" is not in this version", STR_ARG(name));
	if (word_literal(name, &v))
		return v;
	if (!expr_is_scope(name))
		return lookup(p, (struct str){ 0 }, name);
	if (skip_blanks(p) != '.' || p->at + 1 >= p->text.n || !expr_name_start(p->text.p[p->at + 1]))
		return lookup(p, name, (struct str){ 0 });
	p->at++;
	member = name_here(p);
	return lookup(p, name, member);
}

static struct value operand(struct parser *p)
{
	char c = skip_blanks(p);
	struct value v;

	if (expr_name_start(c))
		return word(p);
	if ((c >= '0' && c <= '9') || c == '.')
		return number_literal(p);
	if (c == '"' || c == '\'')
		return string_literal(p);
	if (c == '(') {
		p->at++;
		v = ternary(p);
		if (!p->err && !take(p, ')'))
			return fail_at(p, p->at, "\")\" is missing");
		return v;
	}
	if (c == '`')
		return fail_at(p, p->at, "template literals are not in this version");
	if (c == '[' || c == '{')
		return fail_at(p, p->at, "list and object literals are not in this version");
	if (!c && p->at >= p->text.n)
		return fail_at(p, p->at, "the expression ends too early");
	return fail_at(p, p->at, "a value is expected here");
}

/* String.length counts UTF-16 units. */
static double utf16_length(struct str s)
{
	double n = 0;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		n += (c & 0xc0) == 0x80 ? 0 : c >= 0xf0 ? 2 : 1;
	}
	return n;
}

static struct value member_of(struct parser *p, const struct value *v, struct str name)
{
	if (str_is(name, "length") && v->type == VALUE_STRING)
		return value_number(utf16_length(v->text));
	if (v->type != VALUE_TREE)
		return undefined;
	if (v->tree->type == DOC_LIST)
		return str_is(name, "length") ? value_number(v->tree->count) : undefined;
	for (const struct doc *d = v->tree->child; d; d = d->next)
		if (str_eq(d->key, name))
			return value_of(d);
	return undefined;
}

static struct value element_of(struct parser *p, const struct value *v, const struct value *index)
{
	struct str key;

	if (v->type == VALUE_TREE && v->tree->type == DOC_LIST && index->type == VALUE_NUMBER) {
		const struct doc *d = v->tree->child;
		double i = index->number;

		if (!(i >= 0 && i < v->tree->count) || i != floor(i))
			return undefined;
		for (; d && i > 0; i--)
			d = d->next;
		return value_of(d);
	}
	if (v->type == VALUE_STRING && index->type == VALUE_NUMBER)
		return fail_at(p, p->at, "single letters of a string are not in this version");
	key = value_to_text(p->arena, index);
	return key.p ? member_of(p, v, key) : no_memory(p);
}

/* An operand and the .name, [index] behind it. */
static struct value postfix(struct parser *p)
{
	struct value v = operand(p), index;

	while (!p->err) {
		char c = skip_blanks(p);

		if (c == '(')
			return fail_at(p, p->at, "calling a function is not in this version");
		if (c == '[') {
			p->at++;
			index = ternary(p);
			if (!p->err && !take(p, ']'))
				return fail_at(p, p->at, "\"]\" is missing");
			v = p->err || p->skip ? undefined : element_of(p, &v, &index);
		} else if (c == '.') {
			p->at++;
			if (!expr_name_start(skip_blanks(p)))
				return fail_at(p, p->at, "a name is expected behind \".\"");
			v = member_of(p, &v, name_here(p));
		} else {
			break;
		}
	}
	return v;
}

static struct value unary(struct parser *p)
{
	char c = skip_blanks(p);
	char next = p->at + 1 < p->text.n ? p->text.p[p->at + 1] : '\0';
	struct value v;

	if (++p->steps > MAX_STEPS)
		return fail_at(p, p->at, "the expression takes too many steps");
	if (c != '!' && c != '-' && c != '+')
		return postfix(p);
	if (c != '!' && next == c)
		return fail_at(p, p->at, "\"%c%c\" is not in this version", c, c);
	if (++p->depth > MAX_DEPTH)
		return fail_at(p, p->at, "the expression is nested too deep");
	p->at++;
	v = unary(p);
	p->depth--;
	if (p->err || p->skip)
		return undefined;
	if (c == '!')
		return value_bool(!value_true(&v));
	return value_number(c == '-' ? -value_to_number(p->arena, &v) : value_to_number(p->arena, &v));
}

static struct value add(struct parser *p, const struct value *a, const struct value *b)
{
	struct str left, right;
	char *text;

	if (a->type != VALUE_STRING && b->type != VALUE_STRING && a->type != VALUE_TREE && b->type != VALUE_TREE)
		return value_number(value_to_number(p->arena, a) + value_to_number(p->arena, b));
	left = value_to_text(p->arena, a);
	right = value_to_text(p->arena, b);
	if (left.n + right.n > MAX_TEXT_BYTES)
		return fail_at(p, p->at, "the text becomes longer than 1 MiB");
	text = arena_alloc(p->arena, left.n + right.n + 1);
	if (!text || !left.p || !right.p)
		return no_memory(p);
	memcpy(text, left.p, left.n);
	memcpy(text + left.n, right.p, right.n);
	return value_string((struct str){ text, left.n + right.n });
}

static struct value compute(struct parser *p, enum expr_op op, const struct value *a, const struct value *b)
{
	struct arena *ar = p->arena;

	switch (op) {
	case OP_EQ:
		return value_bool(value_loose_equal(ar, a, b));
	case OP_NE:
		return value_bool(!value_loose_equal(ar, a, b));
	case OP_SAME:
		return value_bool(value_strict_equal(a, b));
	case OP_DIFFERENT:
		return value_bool(!value_strict_equal(a, b));
	case OP_LT:
		return value_bool(value_compare(ar, a, b) == -1);
	case OP_LE:
		return value_bool(value_compare(ar, a, b) <= 0);
	case OP_GT:
		return value_bool(value_compare(ar, a, b) == 1);
	case OP_GE:
		return value_bool(value_compare(ar, a, b) == 0 || value_compare(ar, a, b) == 1);
	case OP_ADD:
		return add(p, a, b);
	case OP_SUB:
		return value_number(value_to_number(ar, a) - value_to_number(ar, b));
	case OP_MUL:
		return value_number(value_to_number(ar, a) * value_to_number(ar, b));
	case OP_DIV:
		return value_number(value_to_number(ar, a) / value_to_number(ar, b));
	case OP_MOD:
		return value_number(fmod(value_to_number(ar, a), value_to_number(ar, b)));
	case OP_OR:
	case OP_AND:
	case OP_LATER:
		break;
	}
	return undefined;
}

static const struct spelling *operator_here(struct parser *p)
{
	struct str rest;

	if (!skip_blanks(p))
		return NULL;
	rest = str_from(p->text, p->at);
	for (size_t i = 0; i < ARRAY_LEN(spellings); i++)
		if (str_starts(rest, spellings[i].text))
			return &spellings[i];
	return NULL;
}

static struct value binary(struct parser *p, unsigned weakest)
{
	struct value left = unary(p), right;

	while (!p->err) {
		const struct spelling *s = operator_here(p);
		bool idle;

		if (s && s->op == OP_LATER)
			return fail_at(p, p->at, "\"%s\" is not in this version", s->text);
		if (!s || s->strength < weakest)
			break;
		p->at += strlen(s->text);
		/* The right side of || and && is only looked at when it matters. */
		idle = p->skip || (s->op == OP_OR && value_true(&left)) || (s->op == OP_AND && !value_true(&left));
		p->skip += idle;
		right = binary(p, s->strength + 1);
		p->skip -= idle;
		if (p->err || idle)
			continue;
		left = s->op == OP_OR || s->op == OP_AND ? right : compute(p, s->op, &left, &right);
	}
	return left;
}

static struct value ternary(struct parser *p)
{
	struct value v, yes, no;
	bool first;

	if (++p->depth > MAX_DEPTH)
		return fail_at(p, p->at, "the expression is nested too deep");
	v = binary(p, 1);
	if (!p->err && take(p, '?')) {
		first = value_true(&v);
		p->skip += !first;
		yes = ternary(p);
		p->skip -= !first;
		if (!p->err && !take(p, ':'))
			return fail_at(p, p->at, "\":\" is missing");
		p->skip += first;
		no = p->err ? undefined : ternary(p);
		p->skip -= first;
		v = first ? yes : no;
	}
	p->depth--;
	return v;
}

static struct value whole(struct parser *p)
{
	struct value v;
	char c;

	if (p->text.n > MAX_CHARS)
		return fail_at(p, MAX_CHARS, "the expression is longer than %d characters", MAX_CHARS);
	v = ternary(p);
	c = skip_blanks(p);
	if (p->err || p->at >= p->text.n)
		return v;
	if (c >= ' ' && c <= '~')
		return fail_at(p, p->at, "\"%c\" is not expected here", c);
	return fail_at(p, p->at, "this character is not expected here");
}

int expr_eval(struct arena *a, const struct doc **out, struct str text, const struct expr_scope *scope,
	      struct expr_problem *problem)
{
	struct parser p = { .text = text, .arena = a, .scope = scope, .problem = problem };
	struct value v = whole(&p);

	return p.err ? p.err : value_doc(a, out, &v);
}

int expr_check(struct str text, struct expr_problem *problem)
{
	/* Skipping keeps the rules of a value's type out of it: a[0] may be a list. */
	struct parser p = { .text = text, .problem = problem, .skip = 1 };
	int err = arena_new(&p.arena, 0, 0);

	if (err)
		return err;
	whole(&p);
	arena_free(&p.arena);
	return p.err;
}

bool expr_true(const struct doc *value)
{
	struct value v = value_of(value);

	return value_true(&v);
}

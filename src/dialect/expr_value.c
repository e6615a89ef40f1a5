#include "dialect/expr_value.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

static const double MAX_SAFE_INTEGER = 9007199254740991.0;

struct value value_bool(bool b)
{
	return (struct value){ .type = VALUE_BOOL, .boolean = b };
}

struct value value_number(double n)
{
	return (struct value){ .type = VALUE_NUMBER, .number = n };
}

struct value value_string(struct str s)
{
	return (struct value){ .type = VALUE_STRING, .text = s };
}

struct value value_of(const struct doc *d)
{
	if (!d)
		return (struct value){ .type = VALUE_UNDEFINED };

	switch (d->type) {
	case DOC_NULL:
		return (struct value){ .type = VALUE_NULL };
	case DOC_BOOL:
		return value_bool(d->boolean);
	case DOC_INT:
		return (struct value){ .type = VALUE_NUMBER, .number = (double)d->integer, .text = d->text };
	case DOC_REAL:
		return (struct value){ .type = VALUE_NUMBER, .number = d->real, .text = d->text };
	case DOC_STR:
		return value_string(d->text);
	case DOC_LIST:
	case DOC_MAP:
		break;
	}
	return (struct value){ .type = VALUE_TREE, .tree = d };
}

/* The shortest digits that read back as n, without point; *exponent is that of the first digit. */
static void shortest_digits(char digits[24], int *exponent, double n)
{
	char text[40];
	size_t len = 0;

	for (int precision = 0; precision <= 16; precision++) {
		snprintf(text, sizeof(text), "%.*e", precision, n);
		if (strtod(text, NULL) == n)
			break;
	}
	for (const char *c = text; *c && *c != 'e'; c++)
		if (*c != '.')
			digits[len++] = *c;
	while (len > 1 && digits[len - 1] == '0')
		len--;
	digits[len] = '\0';
	*exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
}

/* Number::toString of a positive finite number (ECMA-262 §6.1.6.1.20). */
static void positive_text(char *out, size_t size, double n)
{
	char digits[24];
	int exponent, len, point;

	shortest_digits(digits, &exponent, n);
	len = (int)strlen(digits);
	point = exponent + 1; /* digits before the decimal point */
	if (len <= point && point <= 21)
		snprintf(out, size, "%s%.*s", digits, point - len, "000000000000000000000");
	else if (0 < point && point <= 21)
		snprintf(out, size, "%.*s.%s", point, digits, digits + point);
	else if (-6 < point && point <= 0)
		snprintf(out, size, "0.%.*s%s", -point, "000000", digits);
	else
		snprintf(out, size, "%c%s%se%+d", digits[0], len > 1 ? "." : "", digits + 1, exponent);
}

void value_number_text(char out[40], double n)
{
	const size_t size = 40;

	if (isnan(n))
		snprintf(out, size, "NaN");
	else if (isinf(n))
		snprintf(out, size, n < 0 ? "-Infinity" : "Infinity");
	else if (n == 0)
		snprintf(out, size, "0");
	else if (n < 0) {
		out[0] = '-';
		positive_text(out + 1, size - 1, -n);
	} else
		positive_text(out, size, n);
}

static struct doc *number_doc(struct arena *a, const struct value *v)
{
	bool whole = v->number == floor(v->number) && fabs(v->number) <= MAX_SAFE_INTEGER;
	struct doc *d = doc_new(a, whole ? DOC_INT : DOC_REAL);
	char text[40];

	if (!d)
		return NULL;
	if (whole)
		d->integer = (int64_t)v->number;
	else
		d->real = v->number;
	value_number_text(text, v->number);
	d->text = v->text.p ? v->text : str_of(text);
	d->text = (struct str){ str_dup(a, d->text), d->text.n };
	return d->text.p ? d : NULL;
}

int value_doc(struct arena *a, const struct doc **out, const struct value *v)
{
	struct doc *d = NULL;

	switch (v->type) {
	case VALUE_UNDEFINED:
		*out = NULL;
		return 0;
	case VALUE_TREE:
		*out = v->tree;
		return 0;
	case VALUE_NULL:
		d = doc_new(a, DOC_NULL);
		break;
	case VALUE_BOOL:
		d = doc_new(a, DOC_BOOL);
		if (d) {
			d->boolean = v->boolean;
			d->text = v->boolean ? STR("true") : STR("false");
		}
		break;
	case VALUE_NUMBER:
		d = number_doc(a, v);
		break;
	case VALUE_STRING:
		d = doc_new_str(a, v->text);
		break;
	}
	if (!d)
		return ENOMEM;
	*out = d;
	return 0;
}

bool value_true(const struct value *v)
{
	switch (v->type) {
	case VALUE_UNDEFINED:
	case VALUE_NULL:
		return false;
	case VALUE_BOOL:
		return v->boolean;
	case VALUE_NUMBER:
		return v->number != 0 && !isnan(v->number);
	case VALUE_STRING:
		return v->text.n > 0;
	case VALUE_TREE:
		break;
	}
	return true;
}

/* StringToNumber: blanks around, decimal, 0x, Infinity; anything else is NaN. strtod() alone takes more than
 * JavaScript does (hexadecimal fractions, "nan", "inf"), hence the look at the letters. */
static double text_number(struct str s)
{
	char buf[64];
	char *end;
	bool hex;
	double n;

	s = str_trim(s);
	if (!s.n)
		return 0;
	if (s.n >= sizeof(buf))
		return NAN;
	str_copy(buf, sizeof(buf), s);
	if (!strcmp(buf, "Infinity") || !strcmp(buf, "+Infinity"))
		return INFINITY;
	if (!strcmp(buf, "-Infinity"))
		return -INFINITY;
	hex = buf[0] == '0' && (buf[1] == 'x' || buf[1] == 'X');
	if (strspn(buf, hex ? "0123456789abcdefABCDEFxX" : "0123456789+-.eE") != s.n)
		return NAN;
	n = strtod(buf, &end);
	return end == buf + s.n && end != buf ? n : NAN;
}

/* Array.prototype.join: null is nothing, lists in lists are joined as well. */
static void join_list(struct buf *out, const struct doc *list)
{
	for (const struct doc *d = list->child; d; d = d->next) {
		if (d != list->child)
			buf_char(out, ',');
		switch (d->type) {
		case DOC_NULL:
			break;
		case DOC_BOOL:
		case DOC_INT:
		case DOC_REAL:
		case DOC_STR:
			buf_str(out, d->text);
			break;
		case DOC_LIST:
			join_list(out, d);
			break;
		case DOC_MAP:
			buf_cstr(out, "[object Object]");
			break;
		}
	}
}

static struct str tree_text(struct arena *a, const struct doc *tree)
{
	struct str text = STR("[object Object]");
	struct buf b;

	if (tree->type == DOC_MAP)
		return text;
	buf_init(&b, 1 << 20);
	join_list(&b, tree);
	text = (struct str){ b.len ? str_dup(a, buf_view(&b)) : "", b.len };
	buf_free(&b);
	return text;
}

struct str value_to_text(struct arena *a, const struct value *v)
{
	char text[40];

	switch (v->type) {
	case VALUE_UNDEFINED:
		return STR("undefined");
	case VALUE_NULL:
		return STR("null");
	case VALUE_BOOL:
		return v->boolean ? STR("true") : STR("false");
	case VALUE_NUMBER:
		if (v->text.p)
			return v->text;
		value_number_text(text, v->number);
		return str_of(str_dup(a, str_of(text)));
	case VALUE_STRING:
		return v->text;
	case VALUE_TREE:
		break;
	}
	return tree_text(a, v->tree);
}

double value_to_number(struct arena *a, const struct value *v)
{
	switch (v->type) {
	case VALUE_UNDEFINED:
		return NAN;
	case VALUE_NULL:
		return 0;
	case VALUE_BOOL:
		return v->boolean;
	case VALUE_NUMBER:
		return v->number;
	case VALUE_STRING:
		return text_number(v->text);
	case VALUE_TREE:
		break;
	}
	return text_number(tree_text(a, v->tree));
}

bool value_strict_equal(const struct value *a, const struct value *b)
{
	if (a->type != b->type)
		return false;

	switch (a->type) {
	case VALUE_UNDEFINED:
	case VALUE_NULL:
		return true;
	case VALUE_BOOL:
		return a->boolean == b->boolean;
	case VALUE_NUMBER:
		return a->number == b->number;
	case VALUE_STRING:
		return str_eq(a->text, b->text);
	case VALUE_TREE:
		break;
	}
	return a->tree == b->tree;
}

static bool nothing(const struct value *v)
{
	return v->type == VALUE_UNDEFINED || v->type == VALUE_NULL;
}

/* ToPrimitive: lists and maps become their text. */
static struct value primitive(struct arena *a, const struct value *v)
{
	return v->type == VALUE_TREE ? value_string(tree_text(a, v->tree)) : *v;
}

bool value_loose_equal(struct arena *ar, const struct value *a, const struct value *b)
{
	struct value left, right;

	if (a->type == b->type)
		return value_strict_equal(a, b);
	if (nothing(a) || nothing(b))
		return nothing(a) && nothing(b);
	left = primitive(ar, a);
	right = primitive(ar, b);
	if (left.type == VALUE_STRING && right.type == VALUE_STRING)
		return str_eq(left.text, right.text);
	return value_to_number(ar, &left) == value_to_number(ar, &right);
}

static int compare_text(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int order = n ? memcmp(a.p, b.p, n) : 0;

	if (!order && a.n != b.n)
		order = a.n < b.n ? -1 : 1;
	return (order > 0) - (order < 0);
}

int value_compare(struct arena *ar, const struct value *a, const struct value *b)
{
	struct value left = primitive(ar, a), right = primitive(ar, b);
	double x, y;

	if (left.type == VALUE_STRING && right.type == VALUE_STRING)
		return compare_text(left.text, right.text);
	x = value_to_number(ar, &left);
	y = value_to_number(ar, &right);
	if (isnan(x) || isnan(y))
		return 2;
	return (x > y) - (x < y);
}

/* Trees as YAML in block style. What is printed reads back as an equal tree. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/doc.h"

enum { INDENT = 2, SIMPLE_KEY_BYTES = 900 /* libyaml looks 1024 characters ahead for the colon */ };

/* Read as a text without quotes, by readers of YAML 1.1 too. */
static bool is_plain(struct str s)
{
	static const char *const words[] = { "null", "true", "false", "yes", "no", "on", "off", "y", "n" };

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';

		if (!letter && !(i && ((c >= '0' && c <= '9') || c == '-')))
			return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_iis(s, words[i]))
			return false;
	return s.n > 0 && s.n < 80;
}

/* The character at p and its length; the texts of a tree are UTF-8. */
static uint32_t character(const unsigned char *p, size_t n, size_t *length)
{
	*length = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (*length > n)
		*length = 1;
	switch (*length) {
	case 2:
		return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
	case 3:
		return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
	case 4:
		return 0x10000;
	default:
		return p[0];
	}
}

/* Would YAML refuse it as it is, or take it for the end of a line? */
static bool needs_escape(uint32_t c)
{
	return c < ' ' || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
	       (c >= 0xfffe && c <= 0xffff);
}

static void print_quoted(struct buf *out, struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t length;

	buf_char(out, '"');
	for (size_t i = 0; i < s.n; i += length) {
		uint32_t c = character(p + i, s.n - i, &length);

		if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", (char)c);
		else if (c == '\n')
			buf_cstr(out, "\\n");
		else if (needs_escape(c))
			buf_printf(out, "\\u%04x", c);
		else
			buf_add(out, s.p + i, length);
	}
	buf_char(out, '"');
}

static void print_text(struct buf *out, struct str s)
{
	if (is_plain(s))
		buf_str(out, s);
	else
		print_quoted(out, s);
}

static void print_scalar(struct buf *out, const struct doc *d)
{
	if (d->type == DOC_STR)
		print_text(out, d->text);
	else if (d->type == DOC_LIST || d->type == DOC_MAP)
		buf_cstr(out, d->type == DOC_LIST ? "[]" : "{}");
	else if (d->type == DOC_REAL && isnan(d->real))
		buf_cstr(out, ".nan");
	else if (d->type == DOC_REAL && isinf(d->real))
		buf_cstr(out, d->real < 0 ? "-.inf" : ".inf");
	else
		doc_print_json(out, d);
	buf_char(out, '\n');
}

static bool has_children(const struct doc *d)
{
	return (d->type == DOC_LIST || d->type == DOC_MAP) && d->child;
}

static void print_indent(struct buf *out, unsigned indent)
{
	for (unsigned i = 0; i < indent; i++)
		buf_char(out, ' ');
}

/* The children of d, each at that indent; the first one stands there already. */
static void print_children(struct buf *out, const struct doc *d, unsigned indent)
{
	for (const struct doc *c = d->child; c; c = c->next) {
		bool is_long = d->type == DOC_MAP && c->key.n > SIMPLE_KEY_BYTES / 6;

		if (c != d->child)
			print_indent(out, indent);
		if (is_long)
			buf_cstr(out, "? ");
		if (d->type == DOC_MAP)
			print_text(out, c->key);
		if (is_long) {
			buf_char(out, '\n');
			print_indent(out, indent);
		}
		buf_char(out, d->type == DOC_MAP ? ':' : '-');
		if (has_children(c) && d->type == DOC_MAP) {
			buf_char(out, '\n');
			print_indent(out, indent + INDENT);
		} else {
			buf_char(out, ' ');
		}
		if (has_children(c))
			print_children(out, c, indent + INDENT);
		else
			print_scalar(out, c);
	}
}

void doc_print_yaml(struct buf *out, const struct doc *d)
{
	if (has_children(d))
		print_children(out, d, 0);
	else
		print_scalar(out, d);
}

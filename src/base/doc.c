#include "base/doc.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/doc_impl.h"

enum { DEFAULT_DEPTH = 64, DEFAULT_NODES = 100000, DEFAULT_BYTES = 1 << 20 };

/* --- the tree --- */

struct doc *doc_new(struct arena *a, enum doc_type type)
{
	struct doc *d = arena_alloc(a, sizeof(*d));

	if (d)
		d->type = type;
	return d;
}

struct doc *doc_new_str(struct arena *a, struct str text)
{
	struct doc *d = doc_new(a, DOC_STR);
	const char *copy = str_dup(a, text.p ? text : STR(""));

	if (!d || !copy)
		return NULL;
	d->text = (struct str){ copy, text.n };
	return d;
}

void doc_append(struct doc *parent, struct doc *child)
{
	child->next = NULL;
	if (parent->last)
		parent->last->next = child;
	else
		parent->child = child;
	parent->last = child;
	parent->count++;
}

const struct doc *doc_get(const struct doc *map, const char *name)
{
	if (!map || map->type != DOC_MAP)
		return NULL;
	for (const struct doc *d = map->child; d; d = d->next)
		if (str_is(d->key, name))
			return d;
	return NULL;
}

static int copy_text(struct arena *a, struct str *s)
{
	if (!s->p)
		return 0;
	s->p = str_dup(a, *s);
	return s->p ? 0 : ENOMEM;
}

struct doc *doc_copy(struct arena *a, const struct doc *d)
{
	struct doc *out = arena_alloc(a, sizeof(*out));

	if (!out)
		return NULL;
	*out = *d;
	out->child = out->last = out->next = NULL;
	out->count = 0;
	if (copy_text(a, &out->key) || copy_text(a, &out->text))
		return NULL;
	for (const struct doc *c = d->child; c; c = c->next) {
		struct doc *copy = doc_copy(a, c);

		if (!copy)
			return NULL;
		doc_append(out, copy);
	}
	return out;
}

static const struct doc *member(const struct doc *map, struct str key)
{
	for (const struct doc *d = map->child; d; d = d->next)
		if (str_eq(d->key, key))
			return d;
	return NULL;
}

static bool lists_equal(const struct doc *a, const struct doc *b)
{
	for (a = a->child, b = b->child; a && b; a = a->next, b = b->next)
		if (!doc_equal(a, b))
			return false;
	return true;
}

static bool maps_equal(const struct doc *a, const struct doc *b)
{
	const struct doc *guess = b->child; /* most maps have their members in the same order */

	for (const struct doc *d = a->child; d; d = d->next) {
		const struct doc *other = guess && str_eq(guess->key, d->key) ? guess : member(b, d->key);

		if (!other || !doc_equal(d, other))
			return false;
		guess = other->next;
	}
	return true;
}

bool doc_equal(const struct doc *a, const struct doc *b)
{
	if (a->type != b->type || a->count != b->count)
		return false;
	switch (a->type) {
	case DOC_NULL:
		return true;
	case DOC_BOOL:
		return a->boolean == b->boolean;
	case DOC_INT:
		return a->integer == b->integer;
	case DOC_REAL:
		return a->real == b->real;
	case DOC_STR:
		return str_eq(a->text, b->text);
	case DOC_LIST:
		return lists_equal(a, b);
	case DOC_MAP:
		return maps_equal(a, b);
	}
	return false;
}

static void print_real(struct buf *out, double v)
{
	char text[40];

	if (!isfinite(v)) {
		buf_cstr(out, "null"); /* JSON has no word for them */
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	buf_cstr(out, text);
	if (!strpbrk(text, ".e"))
		buf_cstr(out, ".0"); /* so that it is read back as a real */
}

static void print_children(struct buf *out, const struct doc *d)
{
	for (const struct doc *c = d->child; c; c = c->next) {
		if (c != d->child)
			buf_char(out, ',');
		if (d->type == DOC_MAP) {
			buf_json(out, c->key);
			buf_char(out, ':');
		}
		doc_print_json(out, c);
	}
}

void doc_print_json(struct buf *out, const struct doc *d)
{
	switch (d->type) {
	case DOC_NULL:
		buf_cstr(out, "null");
		break;
	case DOC_BOOL:
		buf_cstr(out, d->boolean ? "true" : "false");
		break;
	case DOC_INT:
		buf_printf(out, "%lld", (long long)d->integer);
		break;
	case DOC_REAL:
		print_real(out, d->real);
		break;
	case DOC_STR:
		buf_json(out, d->text);
		break;
	case DOC_LIST:
		buf_char(out, '[');
		print_children(out, d);
		buf_char(out, ']');
		break;
	case DOC_MAP:
		buf_char(out, '{');
		print_children(out, d);
		buf_char(out, '}');
		break;
	}
}

const char *doc_type_name(enum doc_type type)
{
	static const char *const names[] = {
		[DOC_NULL] = "null",  [DOC_BOOL] = "boolean", [DOC_INT] = "integer", [DOC_REAL] = "number",
		[DOC_STR] = "string", [DOC_LIST] = "list",    [DOC_MAP] = "object",
	};

	return names[type];
}

/* --- what both parsers share --- */

/* Error texts quote the document; they must stay one printable line of valid UTF-8. */
static void make_printable(char *s)
{
	char *last = s; /* start of the last character */

	for (char *p = s; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
		if ((*p & 0xc0) != 0x80)
			last = p;
	}
	if ((*last & 0xc0) == 0xc0) {
		size_t want = (*last & 0xf0) == 0xf0 ? 4 : (*last & 0xe0) == 0xe0 ? 3 : 2;

		if (strlen(last) < want)
			*last = '\0';
	}
}

int doc_fail(struct doc_maker *m, uint32_t line, uint32_t col, const char *fmt, ...)
{
	va_list args;

	m->err->line = line;
	m->err->col = col;
	va_start(args, fmt);
	vsnprintf(m->err->message, sizeof(m->err->message), fmt, args);
	va_end(args);
	make_printable(m->err->message);
	return EINVAL;
}

/* Line and column of the byte at offset; columns count characters. */
void doc_place(struct str text, size_t offset, uint32_t *line, uint32_t *col)
{
	*line = *col = 1;
	for (size_t i = 0; i < offset && i < text.n; i++) {
		if (text.p[i] == '\n') {
			++*line;
			*col = 1;
		} else if ((text.p[i] & 0xc0) != 0x80) {
			++*col;
		}
	}
}

int doc_count(struct doc_maker *m, uint32_t line, uint32_t col)
{
	if (m->nodes++ >= m->limits.nodes)
		return doc_fail(m, line, col, "more than %u values in the document", m->limits.nodes);
	return 0;
}

int doc_check_depth(struct doc_maker *m, uint32_t depth, uint32_t line, uint32_t col)
{
	if (depth > m->limits.depth)
		return doc_fail(m, line, col, "lists and objects are nested more than %u deep", m->limits.depth);
	return 0;
}

int doc_make(struct doc_maker *m, struct doc **out, enum doc_type type, uint32_t line, uint32_t col)
{
	int err = doc_count(m, line, col);
	struct doc *d;

	if (err)
		return err;
	d = doc_new(m->arena, type);
	if (!d)
		return ENOMEM;
	d->line = line;
	d->col = col;
	*out = d;
	return 0;
}

static bool before(const struct doc *a, const struct doc *b)
{
	return a->key_line != b->key_line ? a->key_line < b->key_line : a->key_col < b->key_col;
}

static int compare_keys(const void *pa, const void *pb)
{
	const struct doc *a = *(const struct doc *const *)pa, *b = *(const struct doc *const *)pb;
	size_t n = a->key.n < b->key.n ? a->key.n : b->key.n;
	int c = memcmp(a->key.p, b->key.p, n);

	if (c)
		return c;
	if (a->key.n != b->key.n)
		return a->key.n < b->key.n ? -1 : 1;
	return before(a, b) ? -1 : before(b, a);
}

/* Sorting keeps a map with a hundred thousand members affordable. */
int doc_refuse_duplicates(struct doc_maker *m, const struct doc *map)
{
	const struct doc **sorted, *first = NULL, *second = NULL;
	size_t n = 0;

	if (map->count < 2)
		return 0;
	sorted = malloc(map->count * sizeof(*sorted));
	if (!sorted)
		return ENOMEM;
	for (const struct doc *d = map->child; d; d = d->next)
		sorted[n++] = d;
	qsort(sorted, n, sizeof(*sorted), compare_keys);
	for (size_t i = 1; i < n; i++) {
		if (str_eq(sorted[i - 1]->key, sorted[i]->key) && (!second || before(sorted[i], second))) {
			first = sorted[i - 1];
			second = sorted[i];
		}
	}
	free(sorted);
	if (!second)
		return 0;
	return doc_fail(m, second->key_line, second->key_col, "duplicate key \"%.*s\" (first at line %u)",
			STR_ARG(str_head(second->key, 100)), first->key_line);
}

/* --- the door --- */

/* JSON with a comma too many is still good YAML; when it is neither, it was meant to be JSON. */
static int parse_guess(struct doc_maker *m, struct doc **out, struct str text)
{
	struct doc_error *err_out = m->err, yaml_err = { 0 };
	struct str head = str_trim(text);
	int err, yaml;

	if (!str_starts(head, "{") && !str_starts(head, "["))
		return doc_parse_yaml(m, out, text);
	err = doc_parse_json(m, out, text);
	if (err != EINVAL)
		return err;
	m->nodes = 0;
	m->err = &yaml_err;
	yaml = doc_parse_yaml(m, out, text);
	m->err = err_out;
	if (!yaml)
		*err_out = yaml_err;
	return yaml ? err : 0;
}

int doc_parse(struct arena *a, struct doc **out, struct str text, enum doc_format format,
	      const struct doc_limits *limits, struct doc_error *err)
{
	struct doc_maker m = { .arena = a, .err = err };

	*err = (struct doc_error){ 0 };
	if (limits)
		m.limits = *limits;
	m.limits.depth = m.limits.depth ? m.limits.depth : DEFAULT_DEPTH;
	m.limits.nodes = m.limits.nodes ? m.limits.nodes : DEFAULT_NODES;
	m.limits.bytes = m.limits.bytes ? m.limits.bytes : DEFAULT_BYTES;
	if (text.n > m.limits.bytes)
		return doc_fail(&m, 0, 0, "larger than %zu bytes", m.limits.bytes);
	if (str_starts(text, "\xef\xbb\xbf"))
		text = str_from(text, 3);
	if (!text.p)
		text = STR("");
	switch (format) {
	case DOC_YAML:
		return doc_parse_yaml(&m, out, text);
	case DOC_JSON:
		return doc_parse_json(&m, out, text);
	case DOC_GUESS:
		return parse_guess(&m, out, text);
	}
	return EINVAL;
}

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/arena.h"
#include "base/doc_impl.h"

enum {
	MAX_ANCHORS = 256,   /* keeps the search for an alias, times the nodes, cheap */
	MAX_DIRECTIVES = 16, /* libyaml compares each %TAG line with all before it    */
};

#define CORE_TAG "tag:yaml.org,2002:"

/* --- YAML 1.2 core schema --- */

static bool is_word(struct str s, const char *const *words)
{
	for (; *words; words++)
		if (str_is(s, *words))
			return true;
	return false;
}

static size_t span(struct str s, size_t at, const char *set)
{
	size_t n = 0;

	while (at + n < s.n && s.p[at + n] && strchr(set, s.p[at + n]))
		n++;
	return n;
}

/* The base of an integer by its shape, 0 = none. 0123 is none: people mean the digits. */
static int int_base(struct str s)
{
	size_t sign = s.n && strchr("+-", s.p[0]) ? 1 : 0, digits;

	if (str_starts(s, "0o"))
		return s.n > 2 && span(s, 2, "01234567") == s.n - 2 ? 8 : 0;
	if (str_starts(s, "0x"))
		return s.n > 2 && span(s, 2, "0123456789abcdefABCDEF") == s.n - 2 ? 16 : 0;
	digits = span(s, sign, "0123456789");
	if (!digits || sign + digits != s.n || (digits > 1 && s.p[sign] == '0'))
		return 0;
	return 10;
}

static bool is_float(struct str s)
{
	static const char *const digit = "0123456789";
	size_t at = s.n && strchr("+-", s.p[0]) ? 1 : 0, whole, part = 0;

	whole = span(s, at, digit);
	at += whole;
	if (at < s.n && s.p[at] == '.') {
		part = span(s, at + 1, digit);
		at += 1 + part;
	} else if (at == s.n) {
		return false; /* only digits: 0123 */
	}
	if (!whole && !part)
		return false;
	if (at < s.n && (s.p[at] == 'e' || s.p[at] == 'E')) {
		size_t power;

		at += at + 1 < s.n && strchr("+-", s.p[at + 1]) ? 2 : 1;
		power = span(s, at, digit);
		at += power;
		if (!power)
			return false;
	}
	return at == s.n;
}

static bool special_float(struct str s, double *v)
{
	static const char *const inf[] = { ".inf", ".Inf", ".INF", NULL };
	static const char *const nan_words[] = { ".nan", ".NaN", ".NAN", NULL };
	bool sign = s.n && strchr("+-", s.p[0]);

	if (is_word(s, nan_words)) {
		*v = (double)NAN;
		return true;
	}
	if (!is_word(str_from(s, sign), inf))
		return false;
	*v = s.p[0] == '-' ? -HUGE_VAL : HUGE_VAL;
	return true;
}

/* Numbers too big for 64 bits become reals; the text stays as written in any case. */
static bool type_number(struct doc *d)
{
	int base = int_base(d->text);

	if (base) {
		errno = 0;
		d->integer = strtoll(d->text.p + (base == 8 ? 2 : 0), NULL, base);
		if (!errno) {
			d->type = DOC_INT;
			return true;
		}
	}
	if (base == 8 || (!base && !is_float(d->text)))
		return false;
	d->type = DOC_REAL;
	d->real = strtod(d->text.p, NULL);
	return true;
}

void doc_type_plain(struct doc *d)
{
	static const char *const null_words[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const true_words[] = { "true", "True", "TRUE", NULL };
	static const char *const false_words[] = { "false", "False", "FALSE", NULL };
	double real;

	if (is_word(d->text, null_words)) {
		d->type = DOC_NULL;
	} else if (is_word(d->text, true_words) || is_word(d->text, false_words)) {
		d->type = DOC_BOOL;
		d->boolean = is_word(d->text, true_words);
	} else if (special_float(d->text, &real)) {
		d->type = DOC_REAL;
		d->real = real;
	} else if (!type_number(d)) {
		d->type = DOC_STR;
	}
}

/* --- YAML --- */

struct anchor {
	const char *name;
	const struct doc *node;
	bool open; /* its node is not complete yet */
};

struct yaml {
	struct doc_maker *m;
	struct str text;
	yaml_parser_t parser;
	struct anchor anchors[MAX_ANCHORS];
	size_t anchor_count;
};

static uint32_t mark_line(const yaml_event_t *ev)
{
	return (uint32_t)ev->start_mark.line + 1;
}

static uint32_t mark_col(const yaml_event_t *ev)
{
	return (uint32_t)ev->start_mark.column + 1;
}

static int yaml_problem(struct yaml *y)
{
	const yaml_parser_t *p = &y->parser;
	uint32_t line = (uint32_t)p->problem_mark.line + 1, col = (uint32_t)p->problem_mark.column + 1;

	if (p->error == YAML_MEMORY_ERROR)
		return ENOMEM;
	if (p->error == YAML_READER_ERROR)
		doc_place(y->text, p->problem_offset, &line, &col);
	return doc_fail(y->m, line, col, "%s%s%s", p->problem ? p->problem : "not valid YAML", p->context ? " " : "",
			p->context ? p->context : "");
}

static int yaml_next(struct yaml *y, yaml_event_t *ev)
{
	return yaml_parser_parse(&y->parser, ev) ? 0 : yaml_problem(y);
}

static int add_anchor(struct yaml *y, const yaml_event_t *ev, const yaml_char_t *name, const struct doc *d)
{
	struct anchor *a;

	if (y->anchor_count == MAX_ANCHORS)
		return doc_fail(y->m, mark_line(ev), mark_col(ev), "more than %d anchors", MAX_ANCHORS);
	a = &y->anchors[y->anchor_count++];
	a->name = str_dup(y->m->arena, str_of((const char *)name));
	a->node = d;
	a->open = ev->type != YAML_SCALAR_EVENT;
	return a->name ? 0 : ENOMEM;
}

static void close_anchor(struct yaml *y, const struct doc *d)
{
	for (size_t i = y->anchor_count; i-- > 0;)
		if (y->anchors[i].node == d)
			y->anchors[i].open = false;
}

static int find_anchor(struct yaml *y, const yaml_event_t *ev, const struct doc **out)
{
	const char *name = (const char *)ev->data.alias.anchor;
	const struct anchor *a = NULL;

	for (size_t i = y->anchor_count; i-- > 0 && !a;)
		if (!strcmp(y->anchors[i].name, name))
			a = &y->anchors[i];
	if (!a)
		return doc_fail(y->m, mark_line(ev), mark_col(ev), "alias *%s has no anchor before it", name);
	if (a->open)
		return doc_fail(y->m, mark_line(ev), mark_col(ev), "alias *%s stands inside its own anchor", name);
	*out = a->node;
	return 0;
}

/* An alias shares the children of its anchor, but counts and nests as if they were written out:
 * whoever walks the tree later meets them all. */
static int charge(struct yaml *y, const yaml_event_t *alias, const struct doc *d, uint32_t depth)
{
	int err = doc_count(y->m, mark_line(alias), mark_col(alias));

	if (!err && (d->type == DOC_LIST || d->type == DOC_MAP))
		err = doc_check_depth(y->m, ++depth, mark_line(alias), mark_col(alias));
	for (d = d->child; d && !err; d = d->next)
		err = charge(y, alias, d, depth);
	return err;
}

static int yaml_alias(struct yaml *y, const yaml_event_t *ev, uint32_t depth, struct doc **out)
{
	const struct doc *anchor;
	struct doc *d;
	int err = find_anchor(y, ev, &anchor);

	if (!err)
		err = charge(y, ev, anchor, depth);
	if (err)
		return err;
	d = arena_alloc(y->m->arena, sizeof(*d));
	if (!d)
		return ENOMEM;
	*d = *anchor;
	d->key = (struct str){ 0 };
	d->next = NULL;
	*out = d;
	return 0;
}

static int yaml_text(struct yaml *y, const yaml_event_t *ev, struct str *out)
{
	struct str s = { (const char *)ev->data.scalar.value, ev->data.scalar.length };

	if (memchr(s.p, 0, s.n))
		return doc_fail(y->m, mark_line(ev), mark_col(ev), "NUL character in a string");
	out->p = str_dup(y->m->arena, s);
	out->n = s.n;
	return out->p ? 0 : ENOMEM;
}

static int bad_tag(struct yaml *y, const yaml_event_t *ev, const char *tag)
{
	return doc_fail(y->m, mark_line(ev), mark_col(ev), "tag %s is not supported", tag);
}

static int yaml_tagged_scalar(struct yaml *y, const yaml_event_t *ev, struct doc *d)
{
	static const struct {
		const char *tag;
		enum doc_type type;
	} tags[] = {
		{ CORE_TAG "null", DOC_NULL },
		{ CORE_TAG "bool", DOC_BOOL },
		{ CORE_TAG "int", DOC_INT },
		{ CORE_TAG "float", DOC_REAL },
	};
	const char *tag = (const char *)ev->data.scalar.tag;

	if (!strcmp(tag, "!") || !strcmp(tag, CORE_TAG "str"))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
		if (strcmp(tag, tags[i].tag))
			continue;
		doc_type_plain(d);
		if (d->type == DOC_INT && tags[i].type == DOC_REAL) {
			d->type = DOC_REAL;
			d->real = (double)d->integer;
		}
		if (d->type == tags[i].type)
			return 0;
		return doc_fail(y->m, d->line, d->col, "not of the type that its tag names (%s)",
				doc_type_name(tags[i].type));
	}
	return bad_tag(y, ev, tag);
}

static int yaml_scalar(struct yaml *y, const yaml_event_t *ev, struct doc **out)
{
	bool plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	struct doc *d;
	int err = doc_make(y->m, &d, DOC_STR, mark_line(ev), mark_col(ev));

	if (!err)
		err = yaml_text(y, ev, &d->text);
	if (!err && ev->data.scalar.tag)
		err = yaml_tagged_scalar(y, ev, d);
	else if (!err && plain)
		doc_type_plain(d);
	if (!err && ev->data.scalar.anchor)
		err = add_anchor(y, ev, ev->data.scalar.anchor, d);
	if (err)
		return err;
	d->quoted = !plain && d->type == DOC_STR;
	*out = d;
	return 0;
}

/* A key is a scalar, or an alias of one. */
static int yaml_key(struct yaml *y, const yaml_event_t *ev, struct str *key)
{
	const struct doc *anchor;
	int err;

	if (ev->type == YAML_SCALAR_EVENT) {
		if (ev->data.scalar.anchor) {
			struct doc *d;

			err = yaml_scalar(y, ev, &d);
			*key = err ? *key : d->text;
			return err;
		}
		return yaml_text(y, ev, key);
	}
	if (ev->type != YAML_ALIAS_EVENT)
		return doc_fail(y->m, mark_line(ev), mark_col(ev), "a key must be text, not a list or an object");
	err = find_anchor(y, ev, &anchor);
	if (err)
		return err;
	if (!anchor->text.p)
		return doc_fail(y->m, mark_line(ev), mark_col(ev), "a key must be text, not a list or an object");
	*key = anchor->text;
	return 0;
}

static int yaml_node(struct yaml *y, const yaml_event_t *ev, uint32_t depth, struct doc **out);

static int yaml_value(struct yaml *y, uint32_t depth, struct doc **out)
{
	yaml_event_t ev;
	int err = yaml_next(y, &ev);

	if (err)
		return err;
	err = yaml_node(y, &ev, depth, out);
	yaml_event_delete(&ev);
	return err;
}

static int yaml_member(struct yaml *y, const yaml_event_t *key_ev, uint32_t depth, struct doc **out)
{
	struct str key = { 0 };
	struct doc *d;
	int err = yaml_key(y, key_ev, &key);

	if (!err)
		err = yaml_value(y, depth, &d);
	if (err)
		return err;
	d->key = key;
	d->key_line = mark_line(key_ev);
	d->key_col = mark_col(key_ev);
	*out = d;
	return 0;
}

static int yaml_children(struct yaml *y, struct doc *d, uint32_t depth)
{
	for (;;) {
		yaml_event_t ev;
		struct doc *child;
		int err = yaml_next(y, &ev);
		bool end;

		if (err)
			return err;
		end = ev.type == YAML_SEQUENCE_END_EVENT || ev.type == YAML_MAPPING_END_EVENT;
		if (!end)
			err = d->type == DOC_MAP ? yaml_member(y, &ev, depth, &child)
						 : yaml_node(y, &ev, depth, &child);
		yaml_event_delete(&ev);
		if (err || end)
			return err;
		doc_append(d, child);
	}
}

static int check_collection_tag(struct yaml *y, const yaml_event_t *ev)
{
	bool map = ev->type == YAML_MAPPING_START_EVENT;
	const char *tag = (const char *)(map ? ev->data.mapping_start.tag : ev->data.sequence_start.tag);

	if (!tag || !strcmp(tag, "!") || !strcmp(tag, map ? CORE_TAG "map" : CORE_TAG "seq"))
		return 0;
	return bad_tag(y, ev, tag);
}

static int yaml_collection(struct yaml *y, const yaml_event_t *ev, uint32_t depth, struct doc **out)
{
	bool map = ev->type == YAML_MAPPING_START_EVENT;
	const yaml_char_t *anchor = map ? ev->data.mapping_start.anchor : ev->data.sequence_start.anchor;
	struct doc *d;
	int err;

	err = check_collection_tag(y, ev);
	if (!err)
		err = doc_check_depth(y->m, depth + 1, mark_line(ev), mark_col(ev));
	if (!err)
		err = doc_make(y->m, &d, map ? DOC_MAP : DOC_LIST, mark_line(ev), mark_col(ev));
	if (!err && anchor)
		err = add_anchor(y, ev, anchor, d);
	if (!err)
		err = yaml_children(y, d, depth + 1);
	if (!err && map)
		err = doc_refuse_duplicates(y->m, d);
	if (err)
		return err;
	if (anchor)
		close_anchor(y, d);
	*out = d;
	return 0;
}

static int yaml_node(struct yaml *y, const yaml_event_t *ev, uint32_t depth, struct doc **out)
{
	if (ev->type == YAML_ALIAS_EVENT)
		return yaml_alias(y, ev, depth, out);
	if (ev->type == YAML_SCALAR_EVENT)
		return yaml_scalar(y, ev, out);
	return yaml_collection(y, ev, depth, out);
}

/* Stream start, at most one document, stream end. */
static int yaml_stream(struct yaml *y, struct doc **out)
{
	struct doc *root = NULL;
	bool end = false;
	int err = 0;

	while (!err && !end) {
		yaml_event_t ev;

		err = yaml_next(y, &ev);
		if (err)
			return err;
		end = ev.type == YAML_STREAM_END_EVENT;
		if (ev.type == YAML_DOCUMENT_START_EVENT && root)
			err = doc_fail(y->m, mark_line(&ev), mark_col(&ev), "more than one document in the text");
		else if (ev.type == YAML_DOCUMENT_START_EVENT)
			err = yaml_value(y, 0, &root);
		yaml_event_delete(&ev);
	}
	if (!err && !root)
		err = doc_make(y->m, &root, DOC_NULL, 1, 1);
	if (!err)
		*out = root;
	return err;
}

static int check_directives(struct doc_maker *m, struct str text)
{
	struct str rest = text, line;
	uint32_t n = 0, count = 0;

	while (str_split(&rest, '\n', &line)) {
		n++;
		if (str_starts(line, "%TAG") && ++count > MAX_DIRECTIVES)
			return doc_fail(m, n, 1, "more than %d %%TAG directives", MAX_DIRECTIVES);
	}
	return 0;
}

int doc_parse_yaml(struct doc_maker *m, struct doc **out, struct str text)
{
	struct yaml *y;
	int err = check_directives(m, text);

	if (err)
		return err;
	y = calloc(1, sizeof(*y));
	if (!y)
		return ENOMEM;
	y->m = m;
	y->text = text;
	if (yaml_parser_initialize(&y->parser)) {
		yaml_parser_set_encoding(&y->parser, YAML_UTF8_ENCODING);
		yaml_parser_set_input_string(&y->parser, (const unsigned char *)text.p, text.n);
		err = yaml_stream(y, out);
		yaml_parser_delete(&y->parser);
	} else {
		err = ENOMEM;
	}
	free(y);
	return err;
}

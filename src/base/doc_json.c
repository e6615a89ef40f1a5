#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/doc_impl.h"

/* --- JSON: jansson says whether the text is valid; a second walk over the valid text finds the places --- */

struct json {
	struct doc_maker *m;
	const char *p, *end;
	uint32_t line, col;
};

static void json_step(struct json *j)
{
	if (*j->p == '\n') {
		j->line++;
		j->col = 1;
	} else if ((*j->p & 0xc0) != 0x80) {
		j->col++;
	}
	j->p++;
}

static void json_skip(struct json *j, const char *set)
{
	while (j->p < j->end && *j->p && strchr(set, *j->p))
		json_step(j);
}

/* Over a string with its quotes; the text may still be invalid here. */
static struct str json_token(struct json *j)
{
	struct str s = { j->p, 0 };

	json_step(j);
	while (j->p < j->end && *j->p != '"') {
		if (*j->p == '\\' && j->p + 1 < j->end)
			json_step(j);
		json_step(j);
	}
	if (j->p < j->end)
		json_step(j);
	s.n = (size_t)(j->p - s.p);
	return s;
}

/* Before jansson looks at the text: it recurses. */
static int json_depth(struct json j)
{
	uint32_t depth = 0;

	while (j.p < j.end) {
		int err = 0;

		if (*j.p == '"') {
			json_token(&j);
			continue;
		}
		if (*j.p == '[' || *j.p == '{')
			err = doc_check_depth(j.m, ++depth, j.line, j.col);
		else if ((*j.p == ']' || *j.p == '}') && depth)
			depth--;
		if (err)
			return err;
		json_step(&j);
	}
	return 0;
}

static int json_text(struct json *j, struct str *out)
{
	struct str token = json_token(j);
	struct str inner = { token.p + 1, token.n - 2 };
	json_t *decoded = NULL;

	if (memchr(inner.p, '\\', inner.n)) {
		decoded = json_loadb(token.p, token.n, JSON_DECODE_ANY, NULL);
		if (!decoded)
			return ENOMEM; /* it was valid a moment ago */
		inner = (struct str){ json_string_value(decoded), json_string_length(decoded) };
	}
	out->p = str_dup(j->m->arena, inner);
	out->n = inner.n;
	json_decref(decoded);
	return out->p ? 0 : ENOMEM;
}

static int json_scalar(struct json *j, struct doc *d)
{
	struct str s = { j->p, 0 };

	if (*j->p == '"') {
		d->type = DOC_STR;
		d->quoted = true;
		return json_text(j, &d->text);
	}
	json_skip(j, "+-.0123456789abcdefghijklmnopqrstuvwxyzE");
	s.n = (size_t)(j->p - s.p);
	d->text = (struct str){ str_dup(j->m->arena, s), s.n };
	if (!d->text.p)
		return ENOMEM;
	doc_type_plain(d); /* JSON's words and numbers are a part of YAML's */
	return 0;
}

static int json_value(struct json *j, struct doc **out);

static int json_member(struct json *j, struct doc **out)
{
	uint32_t line = j->line, col = j->col;
	struct str key = { 0 };
	struct doc *d;
	int err = json_text(j, &key);

	json_skip(j, " \t\r\n:");
	if (!err)
		err = json_value(j, &d);
	if (err)
		return err;
	d->key = key;
	d->key_line = line;
	d->key_col = col;
	*out = d;
	return 0;
}

static int json_children(struct json *j, struct doc *d)
{
	json_step(j);
	for (;;) {
		struct doc *child;
		int err;

		json_skip(j, " \t\r\n,");
		if (*j->p == ']' || *j->p == '}')
			break;
		err = d->type == DOC_MAP ? json_member(j, &child) : json_value(j, &child);
		if (err)
			return err;
		doc_append(d, child);
	}
	json_step(j);
	return d->type == DOC_MAP ? doc_refuse_duplicates(j->m, d) : 0;
}

static int json_value(struct json *j, struct doc **out)
{
	enum doc_type type = *j->p == '{' ? DOC_MAP : *j->p == '[' ? DOC_LIST : DOC_NULL;
	struct doc *d;
	int err = doc_make(j->m, &d, type, j->line, j->col);

	if (!err)
		err = type == DOC_NULL ? json_scalar(j, d) : json_children(j, d);
	if (!err)
		*out = d;
	return err;
}

int doc_parse_json(struct doc_maker *m, struct doc **out, struct str text)
{
	struct json j = { .m = m, .p = text.p, .end = text.p + text.n, .line = 1, .col = 1 };
	json_error_t jerr;
	json_t *valid;
	const char *nul = text.n ? memchr(text.p, '\0', text.n) : NULL;
	uint32_t line, col;
	int err;

	/* Behind a number or a word jansson loses it, and calls valid what the walk would leave by its end. */
	if (nul) {
		doc_place(text, (size_t)(nul - text.p), &line, &col);
		return doc_fail(m, line, col, "NUL character");
	}
	err = json_depth(j);
	if (err)
		return err;
	/* Whole numbers of any length are welcome: what does not fit becomes a real. */
	valid = json_loadb(text.p, text.n, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &jerr);
	if (!valid) {
		if (json_error_code(&jerr) == json_error_out_of_memory)
			return ENOMEM;
		doc_place(text, jerr.position > 0 ? (size_t)jerr.position - 1 : 0, &line, &col);
		if (json_error_code(&jerr) == json_error_null_character)
			return doc_fail(m, line, col, "NUL character in a string");
		return doc_fail(m, line, col, "not valid JSON: %s", jerr.text);
	}
	json_decref(valid);
	json_skip(&j, " \t\r\n");
	return json_value(&j, out);
}

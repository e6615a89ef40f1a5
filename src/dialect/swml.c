#include "dialect/swml.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "dialect/vars.h"

/* --- reports --- */

struct place {
	bool error;
	uint32_t line, col;
};

static void report(struct swml_report *r, const char *code, struct place at, const char *fmt, va_list ap)
{
	char text[240];
	struct swml_issue issue = { .error = at.error, .code = code, .line = at.line, .col = at.col, .text = text };

	vsnprintf(text, sizeof(text), fmt, ap);
	r->note(r->arg, &issue);
}

void swml_error(struct swml_report *r, const char *code, const struct doc *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(r, code, (struct place){ true, d->line, d->col }, fmt, ap);
	va_end(ap);
}

void swml_warning(struct swml_report *r, const char *code, const struct doc *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(r, code, (struct place){ false, d->line, d->col }, fmt, ap);
	va_end(ap);
}

void swml_key_warning(struct swml_report *r, const char *code, const struct doc *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(r, code, (struct place){ false, d->key_line, d->key_col }, fmt, ap);
	va_end(ap);
}

/* --- values --- */

bool swml_is_scalar(const struct doc *d)
{
	return d->type != DOC_LIST && d->type != DOC_MAP && d->type != DOC_NULL;
}

const struct doc *swml_arg(const struct doc *args, const char *name)
{
	const struct doc *d = doc_get(args, name);

	return d && d->type != DOC_NULL ? d : NULL;
}

bool swml_unknown(const struct doc *d, const struct swml_report *r)
{
	return r->checking && vars_referenced(d);
}

bool swml_number(const struct doc *d, double *out)
{
	struct str s = str_trim(d->text);
	char buf[32], *end;

	if (d->type == DOC_INT || d->type == DOC_REAL) {
		*out = d->type == DOC_INT ? (double)d->integer : d->real;
		return true;
	}
	if (d->type != DOC_STR || !s.n || s.n >= sizeof(buf))
		return false;
	str_copy(buf, sizeof(buf), s);
	*out = strtod(buf, &end);
	return end == buf + s.n;
}

bool swml_int(const struct doc *d, int64_t *out)
{
	struct str s = d->text;
	char buf[24], *end;

	if (d->type == DOC_INT) {
		*out = d->integer;
		return true;
	}
	if (d->type == DOC_REAL && d->real == floor(d->real) && fabs(d->real) < 1e15) {
		*out = (int64_t)d->real;
		return true;
	}
	if (d->type != DOC_STR)
		return false;
	s = str_trim(s);
	if (!s.n || s.n > 15)
		return false;
	str_copy(buf, sizeof(buf), s);
	*out = strtoll(buf, &end, 10);
	return end == buf + s.n;
}

bool swml_bool(const struct doc *d, bool *out)
{
	if (d->type == DOC_BOOL) {
		*out = d->boolean;
		return true;
	}
	if (d->type != DOC_STR || (!str_is(d->text, "true") && !str_is(d->text, "false")))
		return false;
	*out = str_is(d->text, "true");
	return true;
}

const struct doc *swml_first_step(const struct doc *d, bool *single)
{
	*single = d->type != DOC_LIST;
	return *single ? d : d->child;
}

/* --- document and steps --- */

const struct doc *swml_sections(const struct doc *root, struct swml_report *r)
{
	const struct doc *version, *sections;
	bool ok = true;

	if (root->type != DOC_MAP) {
		swml_error(r, "parse_error", root, "a document is an object with sections, this is a %s",
			   doc_type_name(root->type));
		return NULL;
	}
	version = swml_arg(root, "version");
	if (version && (version->type != DOC_STR || !str_is(version->text, "1.0.0"))) {
		swml_error(r, "version_invalid", version, "the only version is 1.0.0");
		ok = false;
	}
	sections = swml_arg(root, "sections");
	if (!sections) {
		swml_error(r, "sections_missing", root, "the document has no sections");
		return NULL;
	}
	if (sections->type != DOC_MAP) {
		swml_error(r, "element_wrong_type", sections, "sections is an object, not a %s",
			   doc_type_name(sections->type));
		return NULL;
	}
	if (!doc_get(sections, "main")) {
		swml_error(r, "main_section_missing", sections, "there is no section main, where a call begins");
		return NULL;
	}
	return ok ? sections : NULL;
}

bool swml_section_ok(const struct doc *section, struct swml_report *r)
{
	if (swml_is_scalar(section))
		swml_error(r, "element_wrong_type", section, "a section is a list of steps, not a %s",
			   doc_type_name(section->type));
	else if (!section->count)
		swml_error(r, "section_code_missing", section, "the section \"%.*s\" has no steps",
			   STR_ARG(section->key));
	else
		return true;
	return false;
}

/* A step is a word, or an object with one member. Absent after an error. */
static struct str method_name(const struct doc *step, struct swml_report *r)
{
	if (step->type == DOC_STR && step->text.n)
		return step->text;
	if (step->type == DOC_MAP && step->count == 1)
		return step->child->key;
	if (step->type == DOC_MAP && step->count > 1)
		swml_error(r, "element_invalid_value", step, "a step has one method, this one has %u", step->count);
	else if (step->type == DOC_MAP || step->type == DOC_STR || step->type == DOC_NULL)
		swml_error(r, "method_missing_name", step, "a step names its method");
	else
		swml_error(r, "element_wrong_type", step, "a step is an object or a word, not a %s",
			   doc_type_name(step->type));
	return (struct str){ 0 };
}

int swml_step(struct swml_step *out, const struct doc *step, struct swml_report *r)
{
	struct str name = method_name(step, r);
	const struct doc *value = step->child; /* of a word: NULL */
	const char *nearest;

	if (!name.p)
		return EINVAL;
	out->method = swml_method(name);
	out->at = step;
	out->value = value && value->type != DOC_NULL ? value : NULL;
	if (out->method)
		return 0;
	if (str_is(name, "reply") || str_is(name, "receive")) {
		swml_error(r, "method_undefined", step, "\"%.*s\" is a method of messages, not of calls",
			   STR_ARG(name));
		return ENOENT;
	}
	nearest = swml_nearest_method(name);
	swml_error(r, "method_undefined", step, "there is no method \"%.*s\"%s%s%s", STR_ARG(name),
		   nearest ? ", did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
	return ENOENT;
}

/* --- arguments --- */

/* A node of its own for d under another key, so that it can be a member of a made map. */
static struct doc *member(struct arena *a, const struct doc *d, struct str key)
{
	struct doc *m = arena_alloc(a, sizeof(*m));

	if (!m)
		return NULL;
	*m = *d;
	m->key = key;
	m->next = NULL;
	return m;
}

static struct doc *empty_map(struct arena *a, const struct doc *at)
{
	struct doc *map = doc_new(a, DOC_MAP);

	if (map) {
		map->line = at->line;
		map->col = at->col;
	}
	return map;
}

static const struct doc *one_member(struct arena *a, const struct doc *value, const char *name)
{
	struct doc *map = empty_map(a, value), *m = map ? member(a, value, str_of(name)) : NULL;

	if (!m)
		return NULL;
	doc_append(map, m);
	return map;
}

/* transfer: [{dest: …}, {params: [{foo: bar}]}]: the published sample. One map of all of them. */
static const struct doc *merged(struct arena *a, const struct doc *list)
{
	struct doc *map = empty_map(a, list);

	for (const struct doc *d = list->child; map && d; d = d->next) {
		const struct doc *value = d->type == DOC_MAP && d->count == 1 ? d->child : NULL;
		struct doc *m = NULL;

		if (value && str_is(value->key, "params") && value->type == DOC_LIST) {
			const struct doc *params = merged(a, value);

			m = params ? member(a, params, value->key) : NULL;
		} else if (value) {
			m = member(a, value, value->key);
		}
		if (!m)
			return NULL;
		doc_append(map, m);
	}
	return map;
}

const struct doc *swml_args(struct arena *a, const struct swml_step *s, struct swml_report *r)
{
	const struct doc *args = NULL;

	if (!s->value)
		return empty_map(a, s->at);
	if (s->value->type == DOC_MAP)
		return s->value;
	if (s->value->type == DOC_LIST) {
		if (s->method->verb == SWML_TRANSFER || s->method->verb == SWML_EXECUTE)
			args = merged(a, s->value);
		if (s->method->verb == SWML_PLAY)
			args = one_member(a, s->value, "urls");
	} else if (s->method->first) {
		return one_member(a, s->value, s->method->first);
	}
	if (!args)
		swml_error(r, "method_parameter_invalid_value", s->value, "%s does not take a %s", s->method->name,
			   doc_type_name(s->value->type));
	return args;
}

const struct doc *swml_raw_arg(const struct swml_step *s, const char *name)
{
	const struct doc *d;

	if (!s->value || s->value->type == DOC_MAP)
		return s->value ? swml_arg(s->value, name) : NULL;
	for (const struct doc *item = s->value->child; item; item = item->next) {
		d = swml_arg(item, name);
		if (d)
			return d;
	}
	return NULL;
}

bool swml_is_inline(struct str dest)
{
	return str_starts(str_trim(dest), "{");
}

bool swml_is_section_name(struct str dest)
{
	return !swml_is_inline(dest) && !str_istarts(dest, "http://") && !str_istarts(dest, "https://") &&
	       !str_starts(dest, "relay:");
}

/* The references of an inline document are put in when its steps run, with the parameters that it was given. */
static bool stays_raw(const struct swml_param *p, const struct doc *d)
{
	if (!p)
		return true;
	if ((p->types & SWML_INLINE) && d->type == DOC_STR && swml_is_inline(d->text))
		return true;
	return (p->types & SWML_RAW) && !((p->types & SWML_STRING) && d->type == DOC_STR);
}

static bool list_referenced(const struct doc *list)
{
	for (const struct doc *d = list->child; d; d = d->next)
		if (d->type == DOC_LIST ? list_referenced(d) : swml_args_referenced(d, swml_destination_params()))
			return true;
	return false;
}

bool swml_args_referenced(const struct doc *args, const struct swml_param *params)
{
	if (args->type != DOC_MAP)
		return vars_referenced(args);
	for (const struct doc *d = args->child; d; d = d->next) {
		const struct swml_param *p = swml_param(params, d->key);

		if (stays_raw(p, d))
			continue;
		if (d->type == DOC_LIST && (p->types & SWML_DESTINATIONS) ? list_referenced(d) : vars_referenced(d))
			return true;
	}
	return false;
}

struct expansion {
	struct vars *v;
	struct arena *a;
	struct vars_note *note;
};

static const struct doc *expand_list(const struct expansion *x, const struct doc *list)
{
	struct doc *out = doc_new(x->a, DOC_LIST);

	if (out) {
		out->line = list->line;
		out->col = list->col;
	}
	for (const struct doc *d = list->child; out && d; d = d->next) {
		const struct doc *value;
		struct doc *m;

		if (d->type == DOC_LIST)
			value = expand_list(x, d);
		else if (d->type == DOC_MAP)
			value = swml_args_expand(x->v, x->a, d, swml_destination_params(), x->note);
		else
			value = vars_expand(x->v, x->a, d, x->note);
		m = value ? member(x->a, value, d->key) : NULL;
		if (!m)
			return NULL;
		doc_append(out, m);
	}
	return out;
}

static const struct doc *expand_arg(const struct expansion *x, const struct doc *d, const struct swml_param *p)
{
	if (stays_raw(p, d))
		return d;
	if (d->type == DOC_LIST && (p->types & SWML_DESTINATIONS))
		return expand_list(x, d);
	return vars_expand(x->v, x->a, d, x->note);
}

const struct doc *swml_args_expand(struct vars *v, struct arena *a, const struct doc *args,
				   const struct swml_param *params, struct vars_note *note)
{
	const struct expansion x = { v, a, note };
	struct doc *map;

	if (!swml_args_referenced(args, params))
		return args;
	map = empty_map(a, args);
	for (const struct doc *d = args->child; map && d; d = d->next) {
		const struct doc *value = expand_arg(&x, d, swml_param(params, d->key));
		struct doc *m = value ? member(a, value, d->key) : NULL;

		if (!m)
			return NULL;
		doc_append(map, m);
	}
	return map;
}

static bool bad_value(const struct swml_param *p, const struct doc *d, struct swml_report *r, const char *wanted)
{
	swml_error(r, "method_parameter_invalid_value", d, "%s is %s", p->name, wanted);
	return false;
}

static bool check_words(const struct swml_param *p, const struct doc *d, struct swml_report *r)
{
	char list[120] = "";
	size_t len = 0;

	for (const char *const *w = p->words; w && *w; w++)
		if (str_is(d->text, *w))
			return true;
	if (p->fits ? p->fits(d->text) : !p->words)
		return true;
	if (p->wanted)
		return bad_value(p, d, r, p->wanted);
	for (const char *const *w = p->words; *w && len < sizeof(list); w++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", len ? ", " : "one of ", *w);
	return bad_value(p, d, r, list);
}

static bool check_int(const struct swml_param *p, const struct doc *d, struct swml_report *r)
{
	char wanted[80] = "a whole number";
	int64_t n;

	/* Where -1 means for ever, 0 means nothing. */
	if (swml_int(d, &n) && n >= p->min && (!p->max || n <= p->max) && (n || p->min != -1))
		return true;
	if (p->min == -1)
		return bad_value(p, d, r, "a whole number above 0, or -1");
	if (p->max)
		snprintf(wanted, sizeof(wanted), "a whole number from %" PRId64 " to %" PRId64, p->min, p->max);
	else if (p->min != SWML_NO_MIN)
		snprintf(wanted, sizeof(wanted), "a whole number of at least %" PRId64, p->min);
	return bad_value(p, d, r, wanted);
}

static bool check_number(const struct swml_param *p, const struct doc *d, struct swml_report *r)
{
	char wanted[80] = "a number";
	double x;

	if (swml_number(d, &x) && x >= (double)p->min && (!p->max || x <= (double)p->max))
		return true;
	if (p->max)
		snprintf(wanted, sizeof(wanted), "a number from %" PRId64 " to %" PRId64, p->min, p->max);
	else if (p->min != SWML_NO_MIN)
		snprintf(wanted, sizeof(wanted), "a number of at least %" PRId64, p->min);
	return bad_value(p, d, r, wanted);
}

/* Of several types the one that it has counts; a text may be any of them (from a variable). */
static unsigned type_of(const struct swml_param *p, const struct doc *d)
{
	static const unsigned types[] = {
		[DOC_BOOL] = SWML_BOOL,
		[DOC_INT] = SWML_INT | SWML_NUMBER,
		[DOC_REAL] = SWML_INT | SWML_NUMBER,
		[DOC_STR] = SWML_STRING,
		[DOC_NULL] = 0,
		[DOC_LIST] = 0,
		[DOC_MAP] = 0,
	};
	unsigned own = p->types & types[d->type];

	return own ? own : p->types;
}

static const char *kind_of(unsigned types)
{
	if ((types & SWML_LIST) && (types & SWML_MAP))
		return "a list or an object";
	return types & SWML_LIST ? "a list" : "an object";
}

bool swml_scalar_ok(const struct swml_param *p, const struct doc *d, struct swml_report *r)
{
	unsigned types = type_of(p, d);
	bool b;

	if (swml_unknown(d, r) || (types & SWML_ANY))
		return true;
	if (types & SWML_INT)
		return check_int(p, d, r);
	if (types & SWML_NUMBER)
		return check_number(p, d, r);
	if (types & SWML_BOOL)
		return swml_bool(d, &b) || bad_value(p, d, r, "true or false");
	if (types & (SWML_WHEN | SWML_VALUE))
		return true;
	if (types & SWML_STRING)
		return d->type != DOC_BOOL ? check_words(p, d, r) : bad_value(p, d, r, "a text");
	if ((types & SWML_STEPS) && d->type == DOC_STR)
		return true;
	return bad_value(p, d, r, kind_of(types));
}

static bool check_value(const struct swml_param *p, const struct doc *d, struct swml_report *r)
{
	if (d->type == DOC_LIST && !(p->types & (SWML_LIST | SWML_STEPS | SWML_RESULT | SWML_ANY)))
		return bad_value(p, d, r, "not a list");
	if (d->type == DOC_MAP && !(p->types & (SWML_MAP | SWML_CASES | SWML_RESULT | SWML_STEPS | SWML_ANY)))
		return bad_value(p, d, r, "not an object");
	if (d->type == DOC_LIST || d->type == DOC_MAP)
		return swml_inside_ok(p, d, r);
	return swml_scalar_ok(p, d, r);
}

int swml_args_check(const struct doc *args, const struct swml_param *params, struct swml_report *r)
{
	int err = 0;

	for (const struct doc *d = args->child; d; d = d->next) {
		const struct swml_param *p = swml_param(params, d->key);
		const char *nearest = p ? NULL : swml_nearest_param(params, d->key);

		if (p && d->type != DOC_NULL && !check_value(p, d, r))
			err = EINVAL;
		if (!p)
			swml_key_warning(r, "method_parameter_undefined", d, "there is no parameter \"%.*s\"%s%s%s",
					 STR_ARG(d->key), nearest ? ", did you mean \"" : "", nearest ? nearest : "",
					 nearest ? "\"?" : "");
	}
	for (const struct swml_param *p = params; p->name; p++) {
		if (!p->required || swml_arg(args, p->name))
			continue;
		swml_error(r, "method_parameter_missing", args, "the parameter \"%s\" is missing", p->name);
		err = ENOENT;
	}
	if (!err && !swml_choice_ok(args, params, r))
		err = EINVAL;
	return err;
}

void swml_args_later(const struct doc *args, const struct swml_param *params, struct swml_report *r)
{
	for (const struct doc *d = args->child; d; d = d->next) {
		const struct swml_param *p = swml_param(params, d->key);

		if (p && p->since != SWML_NOW && d->type != DOC_NULL)
			swml_warning(r, SWML_NOT_YET, d, "%s is not in this version and has no effect", p->name);
	}
}

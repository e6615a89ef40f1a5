#include "dialect/vars.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "dialect/expr.h"

enum {
	COMPACT_SLACK_BYTES = 4096,
	FIRST_CHUNK_BYTES = 1024,
	LOOKUP_STEPS = 4,      /* of an expression, for the envs and the fields of the call */
	VARIABLES_A_STEP = 16, /* looked through */
	VARIABLES_A_BYTE = 8,  /* the same, as work */
};

struct variable {
	struct str name;
	const struct doc *value;
	size_t bytes; /* of the arena */
};

/* All values lie in one arena. What was overwritten stays there as waste until it outweighs the living; then the
 * living move to a new arena. */
struct vars {
	struct vars_source source;
	const struct doc *params;
	struct arena *arena;
	struct variable *items;
	size_t count, room;
	size_t live_bytes;
	uint64_t work, work_allowed; /* allowed: 0 = no limit */
};

int vars_new(struct vars **out, const struct vars_source *src)
{
	struct vars *v = calloc(1, sizeof(*v));

	if (!v)
		return ENOMEM;
	v->source = *src;
	*out = v;
	return 0;
}

void vars_free(struct vars **v)
{
	if (!*v)
		return;
	arena_free(&(*v)->arena);
	free((*v)->items);
	free(*v);
	*v = NULL;
}

void vars_params(struct vars *v, const struct doc *params)
{
	v->params = params;
}

uint64_t vars_work(const struct vars *v)
{
	return v->work;
}

void vars_begin_step(struct vars *v)
{
	v->work_allowed = v->work + VARS_STEP_WORK;
}

static struct variable *find(const struct vars *v, struct str name)
{
	for (size_t i = 0; i < v->count; i++)
		if (str_eq(v->items[i].name, name))
			return &v->items[i];
	return NULL;
}

/* Copy name and value into the arena and measure them. */
static int store(struct arena *a, struct variable *item, struct str name, const struct doc *value)
{
	size_t before = arena_used(a);
	struct variable made = { .name = { str_dup(a, name), name.n }, .value = doc_copy(a, value) };

	if (!made.name.p || !made.value)
		return ENOMEM;
	made.bytes = arena_used(a) - before;
	*item = made;
	return 0;
}

/* On no memory everything stays as it is: waste is no fault. */
static void compact(struct vars *v)
{
	struct variable *items;
	struct arena *fresh = NULL;

	if (!v->arena || arena_used(v->arena) <= 2 * v->live_bytes + COMPACT_SLACK_BYTES)
		return;
	items = calloc(v->room, sizeof(*items));
	if (!items || arena_new(&fresh, v->live_bytes + FIRST_CHUNK_BYTES, 0))
		goto out;
	for (size_t i = 0; i < v->count; i++)
		if (store(fresh, &items[i], v->items[i].name, v->items[i].value))
			goto out;
	arena_free(&v->arena);
	free(v->items);
	v->arena = fresh;
	v->items = items;
	return;
out:
	arena_free(&fresh);
	free(items);
}

static int make_room(struct vars *v)
{
	size_t room = v->room ? 2 * v->room : 8;
	struct variable *items;

	if (v->count < v->room)
		return 0;
	items = realloc(v->items, room * sizeof(*items));
	if (!items)
		return ENOMEM;
	v->items = items;
	v->room = room;
	return 0;
}

/* The name without "vars."; absent for a name nobody may set. */
static struct str own_name(struct str name)
{
	if (str_starts(name, "vars."))
		return str_from(name, 5);
	if (!name.n || str_starts(name, "call.") || str_starts(name, "envs.") || str_starts(name, "params."))
		return (struct str){ 0 };
	return name;
}

int vars_set(struct vars *v, struct str name, const struct doc *value)
{
	struct variable made, *old;
	int err;

	name = own_name(name);
	if (!name.n)
		return EINVAL;
	if (!v->arena && arena_new(&v->arena, FIRST_CHUNK_BYTES, 0))
		return ENOMEM;
	err = make_room(v);
	if (!err)
		err = store(v->arena, &made, name, value);
	if (err)
		return err;
	v->work += made.bytes;
	old = find(v, name);
	if (v->live_bytes - (old ? old->bytes : 0) + made.bytes > VARS_MAX_BYTES)
		return EFBIG;
	v->live_bytes += made.bytes - (old ? old->bytes : 0);
	if (old)
		*old = made;
	else
		v->items[v->count++] = made;
	if (v->source.changed)
		v->source.changed(v->source.arg, name, value);
	compact(v);
	return 0;
}

int vars_set_text(struct vars *v, const char *name, struct str text)
{
	struct doc value = { .type = DOC_STR, .text = text, .quoted = true };

	return vars_set(v, str_of(name), &value);
}

void vars_unset(struct vars *v, struct str name)
{
	struct variable *item = find(v, own_name(name));

	if (!item)
		return;
	v->live_bytes -= item->bytes;
	*item = v->items[--v->count];
	if (v->source.changed)
		v->source.changed(v->source.arg, own_name(name), NULL);
	compact(v);
}

/* --- look-up --- */

struct look {
	struct vars *v;
	struct arena *arena;
};

static const struct doc *env_value(const struct look *l, struct str name)
{
	const char *const *e = l->v->source.envs;

	for (; e && e[0]; e += 2)
		if (str_is(name, e[0]))
			return doc_new_str(l->arena, str_of(e[1]));
	return NULL;
}

static const struct doc *call_value(const struct look *l, struct str name)
{
	return l->v->source.call ? l->v->source.call(l->v->source.arg, l->arena, name) : NULL;
}

static const struct doc *var_value(const struct look *l, struct str name)
{
	const struct variable *item = find(l->v, name);

	return item ? item->value : NULL;
}

static const struct doc *param_value(const struct look *l, struct str name)
{
	for (const struct doc *d = l->v->params ? l->v->params->child : NULL; d; d = d->next)
		if (str_eq(d->key, name))
			return d;
	return NULL;
}

/* The value itself is borrowed, only its node is made. */
static void add_member(struct look *l, struct doc *map, struct str name, const struct doc *value)
{
	struct doc *node = value ? arena_alloc(l->arena, sizeof(*node)) : NULL;

	if (!node)
		return;
	*node = *value;
	node->next = NULL;
	node->key = name;
	doc_append(map, node);
}

/* ${vars}, ${envs}, ${call}, ${params}: rare, so they are made when they are asked for. */
static const struct doc *whole_scope(struct look *l, struct str scope)
{
	struct doc *map;

	if (str_is(scope, "call"))
		return call_value(l, (struct str){ 0 });
	if (str_is(scope, "params"))
		return l->v->params;
	map = doc_new(l->arena, DOC_MAP);
	if (!map)
		return NULL;
	if (str_is(scope, "vars"))
		for (size_t i = 0; i < l->v->count; i++)
			add_member(l, map, l->v->items[i].name, l->v->items[i].value);
	else
		for (const char *const *e = l->v->source.envs; e && e[0]; e += 2)
			add_member(l, map, str_of(e[0]), env_value(l, str_of(e[0])));
	return map;
}

static const struct doc *look_up(void *arg, struct str scope, struct str name)
{
	struct look *l = arg;
	const struct doc *d;

	if (!name.p)
		return whole_scope(l, scope);
	if (str_is(scope, "vars"))
		return var_value(l, name);
	if (str_is(scope, "envs"))
		return env_value(l, name);
	if (str_is(scope, "call"))
		return call_value(l, name);
	if (str_is(scope, "params"))
		return param_value(l, name);

	d = var_value(l, name);
	if (!d)
		d = env_value(l, name);
	return d ? d : call_value(l, name);
}

static const struct doc *member(const struct doc *d, struct str name)
{
	uint32_t index;

	if (!d || (d->type != DOC_MAP && d->type != DOC_LIST))
		return NULL;
	if (d->type == DOC_LIST && str_u32(name, &index))
		return NULL;
	for (const struct doc *c = d->child; c; c = c->next)
		if (d->type == DOC_MAP ? str_eq(c->key, name) : !index--)
			return c;
	return NULL;
}

/* Length of the name or of the digits that text begins with. */
static size_t run(struct str text, bool digits)
{
	size_t n = 0;

	if (digits)
		while (n < text.n && text.p[n] >= '0' && text.p[n] <= '9')
			n++;
	else if (text.n && expr_name_start(text.p[0]))
		while (n < text.n && expr_name_char(text.p[n]))
			n++;
	return n;
}

/* Cut one name, .name or [index] off *rest. False at the end (*rest empty) or when it is no plain path (*rest left). */
static bool path_part(struct str *rest, struct str *part, bool first)
{
	bool bracket = !first && rest->n && rest->p[0] == '[';
	struct str text = *rest;
	size_t n;

	if (!first) {
		if (!rest->n || (!bracket && rest->p[0] != '.'))
			return false;
		text = str_from(text, 1);
	}
	n = run(text, bracket);
	if (!n || (bracket && (n >= text.n || text.p[n] != ']')))
		return false;
	*part = str_head(text, n);
	*rest = str_from(text, n + bracket);
	return true;
}

static bool plain_path(struct str text)
{
	struct str part;
	bool first = true;

	while (path_part(&text, &part, first))
		first = false;
	return !first && !text.n;
}

/* Words that look like a path but are values. */
static bool literal_word(struct str text)
{
	return str_is(text, "true") || str_is(text, "false") || str_is(text, "null") || str_is(text, "undefined");
}

static const struct doc *path_value(struct look *l, struct str path)
{
	struct str part, scope = { 0 };
	const struct doc *d;

	path_part(&path, &part, true);
	if (expr_is_scope(part)) {
		scope = part;
		if (!path_part(&path, &part, false))
			part = (struct str){ 0 };
	}
	d = look_up(l, scope, part);
	while (path_part(&path, &part, false))
		d = member(d, part);
	return d;
}

/* Names of headers hold hyphens, which would be a subtraction. *path becomes the name. */
static bool header_path(struct str *path)
{
	static const char scope[] = "request_response_headers.";
	struct str name = str_starts(*path, "vars.") ? str_from(*path, 5) : *path;

	if (!str_starts(name, scope))
		return false;
	name = str_from(name, sizeof(scope) - 1);
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] != '-' && !expr_name_char(name.p[i]))
			return false;
	*path = name;
	return name.n > 0;
}

static uint64_t wall_ms(void *arg)
{
	const struct look *l = arg;

	return l->v->source.wall_ms(l->v->source.arg);
}

static uint64_t random_bits(void *arg)
{
	const struct look *l = arg;

	return l->v->source.random(l->v->source.arg);
}

static void fault(struct vars_note *note, uint32_t col, const char *message)
{
	if (note->set)
		return;
	note->set = true;
	note->col = col;
	snprintf(note->message, sizeof(note->message), "%s", message);
}

const struct doc *vars_eval(struct vars *v, struct arena *a, struct str text, struct vars_note *note)
{
	struct look look = { v, a };
	struct expr_scope scope = { .lookup = look_up,
				    .wall_ms = v->source.wall_ms ? wall_ms : NULL,
				    .random = v->source.random ? random_bits : NULL,
				    .arg = &look,
				    .lookup_steps = LOOKUP_STEPS + (uint32_t)(v->count / VARIABLES_A_STEP) };
	struct expr_problem problem = { .steps = 0 };
	const struct doc *d = NULL;
	struct str body = str_trim(text);
	int err;

	v->work += text.n + v->count / VARIABLES_A_BYTE;
	if (v->work_allowed && v->work > v->work_allowed) {
		fault(note, 1, "the expressions of this step take too long together");
		return NULL;
	}
	if (header_path(&body))
		return member(var_value(&look, STR("request_response_headers")), body);
	if (plain_path(body) && !literal_word(body))
		return path_value(&look, body);
	err = expr_eval(a, &d, text, &scope, &problem);
	v->work += (uint64_t)problem.steps * VARS_EXPRESSION_WORK / EXPR_MAX_STEPS;
	if (err != EINVAL)
		return d;
	fault(note, problem.col, problem.message);
	return NULL;
}

/* --- references in texts --- */

/* Braces in braces, and ${ in templates; deeper there is no expression anyhow. */
enum { MAX_OPEN = 64 };

static bool opens(char c)
{
	return c == '{' || c == '`' || c == '"' || c == '\'';
}

/* Index of the } that closes the { before at, or -1. What stands in quotes or in the text of a template is not
 * counted. */
static long closing_brace(struct str text, size_t at)
{
	char open[MAX_OPEN] = "{"; /* { ` " ', the innermost last */
	size_t depth = 1;

	for (; at < text.n && depth < MAX_OPEN; at++) {
		char c = text.p[at], in = open[depth - 1];

		if (in == '{') {
			if (opens(c))
				open[depth++] = c;
			else if (c == '}' && !--depth)
				return (long)at;
		} else if (c == '\\') {
			at++;
		} else if (c == in) {
			depth--;
		} else if (in == '`' && c == '$' && at + 1 < text.n && text.p[at + 1] == '{') {
			open[depth++] = '{';
			at++;
		}
	}
	return -1;
}

bool vars_next(struct str text, size_t *at, size_t *from, struct str *body)
{
	for (size_t i = *at; i + 2 < text.n; i++) {
		long end;

		if ((text.p[i] != '$' && text.p[i] != '%') || text.p[i + 1] != '{')
			continue;
		end = closing_brace(text, i + 2);
		if (end < 0)
			return false; /* no reference: the rest stays as written */
		*from = i;
		*body = (struct str){ text.p + i + 2, (size_t)end - i - 2 };
		*at = (size_t)end + 1;
		return true;
	}
	return false;
}

static bool text_referenced(struct str text)
{
	size_t at = 0, from;
	struct str body;

	return vars_next(text, &at, &from, &body);
}

bool vars_referenced(const struct doc *d)
{
	if (d->type == DOC_STR)
		return text_referenced(d->text);
	for (const struct doc *c = d->child; c; c = c->next)
		if (vars_referenced(c))
			return true;
	return false;
}

struct str vars_text(struct arena *a, const struct doc *d)
{
	struct str text;
	struct buf b;

	if (!d || d->type == DOC_NULL)
		return STR("");
	if (d->type != DOC_LIST && d->type != DOC_MAP)
		return d->text;
	buf_init(&b, VARS_MAX_BYTES);
	doc_print_json(&b, d);
	text = (struct str){ str_dup(a, buf_view(&b)), b.len };
	buf_free(&b);
	return text;
}

/* The value of a reference with its place in the note turned into one of the whole text. */
static const struct doc *reference(struct vars *v, struct arena *a, struct str body, size_t offset,
				   struct vars_note *note)
{
	bool had = note->set;
	const struct doc *d = vars_eval(v, a, body, note);

	if (!had && note->set)
		note->col += (uint32_t)offset;
	return d;
}

/* The text with every reference put in. Absent on no memory. */
static struct str fill_in(struct vars *v, struct arena *a, struct str text, struct vars_note *note)
{
	size_t at = 0, from, done = 0;
	struct str body, out;
	struct buf b;

	buf_init(&b, VARS_MAX_BYTES);
	while (vars_next(text, &at, &from, &body)) {
		buf_str(&b, str_head(str_from(text, done), from - done));
		buf_str(&b, vars_text(a, reference(v, a, body, from + 2, note)));
		done = at;
	}
	buf_str(&b, str_from(text, done));
	if (b.failed)
		fault(note, 1, "the text becomes longer than 1 MiB");
	v->work += b.len;
	out = (struct str){ b.len ? str_dup(a, buf_view(&b)) : "", b.len };
	buf_free(&b);
	return out;
}

/* A node that can stand elsewhere in a tree: same value, no sibling, key and place of like. */
static struct doc *placed(struct arena *a, const struct doc *value, const struct doc *like)
{
	struct doc *d = arena_alloc(a, sizeof(*d));

	if (!d)
		return NULL;
	*d = *value;
	d->next = NULL;
	d->key = like->key;
	d->key_line = like->key_line;
	d->key_col = like->key_col;
	d->line = like->line;
	d->col = like->col;
	return d;
}

static const struct doc *expand_text(struct vars *v, struct arena *a, const struct doc *d, struct vars_note *note)
{
	size_t at = 0, from;
	struct str body, text;
	struct doc *made;

	if (!vars_next(d->text, &at, &from, &body))
		return d;
	if (from == 0 && at == d->text.n) {
		const struct doc *value = reference(v, a, body, 2, note);

		if (value)
			return placed(a, value, d);
		text = STR("");
	} else {
		text = fill_in(v, a, d->text, note);
	}
	made = text.p ? placed(a, d, d) : NULL;
	if (made)
		made->text = text;
	return made;
}

const struct doc *vars_expand(struct vars *v, struct arena *a, const struct doc *d, struct vars_note *note)
{
	struct doc *made;

	if (d->type == DOC_STR)
		return expand_text(v, a, d, note);
	if (!vars_referenced(d))
		return d;
	made = placed(a, d, d);
	if (!made)
		return NULL;
	made->child = made->last = NULL;
	made->count = 0;
	for (const struct doc *c = d->child; c; c = c->next) {
		const struct doc *value = vars_expand(v, a, c, note);
		struct doc *copy = value ? placed(a, value, c) : NULL;

		if (!copy)
			return NULL;
		doc_append(made, copy);
	}
	return made;
}

bool vars_when(struct vars *v, struct arena *a, struct str text, struct vars_note *note)
{
	if (text_referenced(text)) {
		text = fill_in(v, a, text, note);
		if (!text.p || note->set)
			return false;
	}
	return expr_true(vars_eval(v, a, text, note));
}

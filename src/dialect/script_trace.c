#include "dialect/script_trace.h"

#include <stdlib.h>

#include "base/secret.h"
#include "call/step.h"
#include "dialect/script_impl.h"

/* A document may tell BURST_BYTES at once; while it waits it may tell more again. */
enum { STEPS_AT_ONCE = 256, BURST_BYTES = 128 << 10, BYTES_PER_MS = 4 };
enum { MAX_OBJECT = 900, MAX_VALUE = 200, MAX_NAME = 80, MAX_DEPTH = 6, MAX_SECRETS = 8, MAX_SECRET = 120 };

enum open {
	OPEN_NOTHING,
	OPEN_STEP, /* is to be told */
	OPEN_DONE, /* something came of the step after it was told */
	OPEN_NOT,  /* a step that is not told */
};

struct script_trace {
	enum open open;
	unsigned wants; /* of the step: bits of call_wants_steps() */
	bool waits, waited;
	uint64_t since_us; /* when the wait began */
	uint64_t waited_ms;
	struct str method;
	char section[MAX_NAME];
	uint32_t line;
	struct buf args, vars;
	uint64_t budget; /* bytes */
	uint32_t skipped;
	/* Values of secrets that came by: they stay secret under other names. */
	char *secrets[MAX_SECRETS];
	size_t secret_count;
};

/* --- values --- */

static void remember(struct script_trace *t, struct str value)
{
	value = str_head(value, MAX_SECRET);
	if (value.n < 4 || t->secret_count == MAX_SECRETS)
		return;
	for (size_t i = 0; i < t->secret_count; i++)
		if (str_is(value, t->secrets[i]))
			return;
	t->secrets[t->secret_count] = str_heap(value);
	t->secret_count += t->secrets[t->secret_count] != NULL;
}

/* At most max bytes, and no half of a character. */
static struct str cut(struct str s, size_t max)
{
	size_t n = max;

	if (s.n <= max)
		return s;
	while (n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	return str_head(s, n);
}

static bool is_plain(const struct script_trace *t, struct str s)
{
	return !t->secret_count && s.n <= MAX_VALUE && !memchr(s.p, ':', s.n) && !memchr(s.p, '=', s.n) &&
	       !memchr(s.p, '/', s.n);
}

static void put_text(struct script_trace *t, struct buf *b, struct str s)
{
	char copy[MAX_VALUE + 4];
	struct str head = cut(s, MAX_VALUE);
	size_t n = head.n;

	if (is_plain(t, s)) {
		buf_json(b, s);
		return;
	}
	memcpy(copy, head.p, n);
	secret_mask(copy, n);
	for (size_t i = 0; i < t->secret_count; i++)
		secret_mask_value(copy, n, str_of(t->secrets[i]), n < s.n);
	if (n < s.n) {
		memcpy(copy + n, "\xe2\x80\xa6", 3); /* … */
		n += 3;
	}
	buf_json(b, (struct str){ copy, n });
}

static void put_value(struct script_trace *t, struct buf *b, const struct doc *d, unsigned depth);

static void put_secret(struct script_trace *t, struct buf *b, const struct doc *d)
{
	if (d->type == DOC_STR)
		remember(t, d->text);
	buf_cstr(b, "\"***\"");
}

/* {name: Authorization, value: …}, as headers are written. */
static bool names_a_secret(const struct doc *map)
{
	const struct doc *name = map->type == DOC_MAP ? doc_get(map, "name") : NULL;

	return name && name->type == DOC_STR && secret_name(name->text);
}

/* False: there is no room for one more member of an object that is open in b, and b says so. */
static bool make_room(struct buf *b)
{
	static const char MORE[] = "\"\xe2\x80\xa6\":true";
	bool full = b->len >= MAX_OBJECT;

	if (full && !strcmp(b->data + b->len - (sizeof(MORE) - 1), MORE))
		return false;
	buf_char(b, b->len ? ',' : '{');
	if (full)
		buf_cstr(b, MORE);
	return !full;
}

static void put_name(struct buf *b, struct str name)
{
	buf_json(b, cut(name, MAX_NAME));
	buf_char(b, ':');
}

/* Members of a list or map. What there is no room for is "…". */
static void put_members(struct script_trace *t, struct buf *b, const struct doc *d, unsigned depth)
{
	bool map = d->type == DOC_MAP, hide_value = names_a_secret(d);

	buf_char(b, map ? '{' : '[');
	for (const struct doc *m = d->child; m; m = m->next) {
		if (m != d->child)
			buf_char(b, ',');
		if (b->len >= MAX_OBJECT || depth == MAX_DEPTH) {
			buf_cstr(b, map ? "\"\xe2\x80\xa6\":true" : "\"\xe2\x80\xa6\"");
			break;
		}
		if (map)
			put_name(b, m->key);
		if (map && (secret_name(m->key) || (hide_value && str_is(m->key, "value"))))
			put_secret(t, b, m);
		else
			put_value(t, b, m, depth);
	}
	buf_char(b, map ? '}' : ']');
}

static void put_value(struct script_trace *t, struct buf *b, const struct doc *d, unsigned depth)
{
	if (d->type == DOC_STR)
		put_text(t, b, d->text);
	else if (d->type == DOC_LIST || d->type == DOC_MAP)
		put_members(t, b, d, depth + 1);
	else if (d->type == DOC_INT && d->integer >= 0)
		buf_u64(b, (uint64_t)d->integer);
	else
		doc_print_json(b, d);
}

/* --- telling --- */

static void tell_skipped(struct script *s)
{
	struct script_trace *t = s->trace;
	const struct call_step st = { .kind = CALL_STEP_SKIPPED, .count = t->skipped };

	if (t->skipped && t->wants)
		call_tell_step(s->call, t->wants, &st);
	t->skipped = 0;
}

static void tell(struct script *s, struct call_step *st)
{
	struct script_trace *t = s->trace;
	uint64_t bytes;

	t->wants &= call_wants_steps(s->call); /* who wanted the step may be gone */
	if (!t->wants)
		return;
	st->section = str_of(t->section);
	st->method = t->method;
	st->line = t->line;
	st->vars = t->vars.len ? buf_view(&t->vars) : STR("");
	bytes = st->section.n + st->method.n + st->args.n + st->vars.n + st->text.n + st->error.n + 100;
	t->budget -= bytes < t->budget ? bytes : t->budget;
	tell_skipped(s);
	call_tell_step(s->call, t->wants, st);
	buf_reset(&t->vars);
}

static void close_object(struct buf *b)
{
	if (b->len)
		buf_char(b, '}');
}

void script_trace_flush(struct script *s)
{
	struct script_trace *t = s->trace;
	struct call_step st = { .kind = CALL_STEP_BEGUN };

	if (!t || s->closed)
		return;
	if (t->open == OPEN_STEP || t->open == OPEN_DONE) {
		close_object(&t->vars);
		if (t->open == OPEN_STEP) {
			st.args = t->args.len ? buf_view(&t->args) : STR("");
		} else {
			st.kind = CALL_STEP_DONE;
			st.waited = t->waited;
			st.ms = t->waited_ms;
		}
		t->open = OPEN_NOTHING;
		t->waited = false;
		tell(s, &st);
	}
	if (!t->waits && (s->state == SCRIPT_WAITING || s->state == SCRIPT_FETCHING)) {
		t->waits = true;
		buf_free(&t->args); /* most calls wait most of the time */
		buf_free(&t->vars);
		t->since_us = loop_now_us(s->loop);
	}
}

void script_trace_waited(struct script *s)
{
	struct script_trace *t = s->trace;

	if (!t || !t->waits || s->closed)
		return;
	t->waits = false;
	t->waited_ms = (loop_now_us(s->loop) - t->since_us) / 1000;
	t->budget += t->waited_ms * BYTES_PER_MS;
	if (t->budget > BURST_BYTES)
		t->budget = BURST_BYTES;
	if (t->open == OPEN_NOTHING && t->method.n && t->wants)
		t->open = OPEN_DONE;
	t->waited = t->open == OPEN_DONE;
	script_trace_flush(s);
}

void script_trace_end(struct script *s)
{
	script_trace_waited(s);
	script_trace_flush(s);
	if (s->trace && !s->closed)
		tell_skipped(s);
}

/* --- steps --- */

static struct script_trace *trace_new(struct script *s)
{
	struct script_trace *t = calloc(1, sizeof(*t));

	s->trace = t;
	if (!t)
		return NULL;
	t->budget = BURST_BYTES;
	for (const char *const *e = s->env.envs; e && e[0]; e += 2)
		if (secret_name(str_of(e[0])))
			remember(t, str_of(e[1]));
	return t;
}

void script_trace_step(struct script *s, const struct swml_step *st)
{
	unsigned wants = call_wants_steps(s->call);
	struct script_trace *t = s->trace;

	script_trace_flush(s);
	if (wants && !t)
		t = trace_new(s);
	if (!t)
		return;
	t->wants = wants;
	t->open = OPEN_NOT;
	if (!wants)
		return;
	if (s->unwaited > STEPS_AT_ONCE || !t->budget) {
		t->skipped++;
		return;
	}
	t->open = OPEN_STEP;
	t->method = str_of(st->method->name);
	t->line = st->at->line;
	str_copy(t->section, sizeof(t->section), script_section(s)->name);
	buf_reset(&t->args);
	buf_reset(&t->vars);
}

/* Nothing but variables and the place in the document changes. */
static bool is_quiet(enum swml_verb verb)
{
	return verb == SWML_GOTO || verb == SWML_LABEL || verb == SWML_SWITCH || verb == SWML_EXECUTE ||
	       verb == SWML_TRANSFER;
}

void script_trace_args(struct script *s, const struct swml_step *st, const struct doc *args)
{
	struct script_trace *t = s->trace;

	if (!t || t->open != OPEN_STEP)
		return;
	for (const struct doc *m = args->child; m; m = m->next) {
		const struct swml_param *p = st->method->params ? swml_param(st->method->params, m->key) : NULL;

		if (p && p->types & (SWML_STEPS | SWML_CASES | SWML_RESULT))
			continue;
		if (!make_room(&t->args))
			break;
		put_name(&t->args, m->key);
		if (secret_name(m->key))
			put_secret(t, &t->args, m);
		else
			put_value(t, &t->args, m, 0);
	}
	close_object(&t->args);
	if (!is_quiet(st->method->verb))
		script_trace_flush(s);
}

void script_trace_variable(void *arg, struct str name, const struct doc *value)
{
	struct script *s = arg;
	struct script_trace *t = s->trace;

	if (!t || t->open == OPEN_NOT || !t->method.n)
		return;
	if (t->open == OPEN_NOTHING) {
		buf_reset(&t->vars);
		t->open = OPEN_DONE;
	}
	if (!make_room(&t->vars))
		return;
	put_name(&t->vars, name);
	if (!value)
		buf_cstr(&t->vars, "null");
	else if (secret_name(name))
		put_secret(t, &t->vars, value);
	else
		put_value(t, &t->vars, value, 0);
}

/* --- documents --- */

void script_trace_document(struct script *s, const struct fetch_result *r, uint64_t started_us)
{
	struct call_step st = {
		.kind = CALL_STEP_DOCUMENT, .waited = true, .bytes = r->bytes, .fallback = r->fallback
	};
	unsigned wants = call_wants_steps(s->call);
	char location[300], error[400];

	if (!wants)
		return;
	str_copy(location, sizeof(location), r->document ? str_of(r->document->location) : STR(""));
	secret_mask(location, strlen(location));
	str_copy(error, sizeof(error), r->document ? STR("") : str_of(r->why));
	secret_mask(error, strlen(error));
	st.text = str_of(location);
	st.error = str_of(error);
	st.ms = (loop_now_us(s->loop) - started_us) / 1000;
	call_tell_step(s->call, wants, &st);
}

void script_trace_free(struct script_trace **tp)
{
	struct script_trace *t = *tp;

	if (!t)
		return;
	*tp = NULL;
	buf_free(&t->args);
	buf_free(&t->vars);
	for (size_t i = 0; i < t->secret_count; i++)
		free(t->secrets[i]);
	free(t);
}

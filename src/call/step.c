#include "call/step.h"

#include <stdio.h>

#include "base/log.h"
#include "call/call_impl.h"
#include "call/trace.h"

enum { MAX_RECORD = 6144, MAX_FIELD = 2560 };

/* --- in the ring --- */

/* Fields stand behind each other with this between them. JSON escapes it, in other texts it becomes a blank. */
static const char SEPARATOR = '\x1f';

struct record {
	char text[MAX_RECORD];
	size_t n;
};

/* What is too long is left out: half of a JSON object is none. */
static void add(struct record *r, struct str s)
{
	char *at = r->text + r->n;

	if (s.n > MAX_FIELD || r->n + s.n + 1 > sizeof(r->text))
		s.n = 0;
	if (s.n)
		memcpy(at, s.p, s.n);
	for (char *p = at; (p = memchr(p, SEPARATOR, (size_t)(at + s.n - p)));)
		*p = ' ';
	r->n += s.n;
	if (r->n < sizeof(r->text))
		r->text[r->n++] = SEPARATOR;
}

static void add_number(struct record *r, uint64_t n)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + n % 10);
	while (n /= 10);
	add(r, (struct str){ digits + at, sizeof(digits) - at });
}

void call_trace_step(struct sip_trace *trace, struct str call_id, const struct call_step *st)
{
	struct record r;

	r.n = 0;
	add_number(&r, st->kind);
	add_number(&r, st->line);
	add_number(&r, st->count);
	add_number(&r, st->waited + 2u * st->fallback);
	add_number(&r, st->ms);
	add_number(&r, st->bytes);
	add(&r, st->section);
	add(&r, st->method);
	add(&r, st->args);
	add(&r, st->vars);
	add(&r, st->text);
	add(&r, st->error);
	sip_trace_note(trace, CALL_TRACE_STEP, call_id, (struct str){ r.text, r.n });
}

static bool take_number(struct str *rest, uint64_t *out)
{
	struct str part;

	return str_split(rest, SEPARATOR, &part) && !str_u64(part, out);
}

bool call_step_parse(struct call_step *out, struct str text)
{
	struct str *const texts[] = { &out->section, &out->method, &out->args, &out->vars, &out->text, &out->error };
	uint64_t numbers[6];

	*out = (struct call_step){ .line = 0 };
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (!take_number(&text, &numbers[i]))
			return false;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (!str_split(&text, SEPARATOR, texts[i]))
			return false;
	out->kind = (enum call_step_kind)numbers[0];
	out->line = (uint32_t)numbers[1];
	out->count = (uint32_t)numbers[2];
	out->waited = numbers[3] & 1;
	out->fallback = numbers[3] & 2;
	out->ms = numbers[4];
	out->bytes = numbers[5];
	return numbers[0] <= CALL_STEP_SKIPPED;
}

/* --- as events --- */

struct fields {
	struct event_field items[8];
	size_t count;
	char numbers[3][21];
	size_t number_count;
};

/* Nothing is left out. */
static void tell(struct fields *f, const char *key, struct str value)
{
	if (value.n)
		f->items[f->count++] = (struct event_field){ key, value };
}

static void tell_number(struct fields *f, const char *key, uint64_t n)
{
	char *text = f->numbers[f->number_count++];

	snprintf(text, sizeof(f->numbers[0]), "%llu", (unsigned long long)n);
	tell(f, key, str_of(text));
}

static void emit(struct call *c, const struct call_step *st)
{
	struct fields f = { .count = 0 };
	enum event_type type = st->kind == CALL_STEP_BEGUN  ? EVENT_STEP
			       : st->kind == CALL_STEP_DONE ? EVENT_STEP_DONE
							    : EVENT_DOCUMENT;

	if (type == EVENT_DOCUMENT) {
		tell(&f, "location", st->text);
		tell(&f, "error", st->error);
		tell_number(&f, "bytes", st->bytes);
		tell(&f, "fallback", st->fallback ? STR("true") : STR("false"));
	} else {
		tell(&f, "method", st->method);
		tell(&f, "section", st->section);
		tell_number(&f, "line", st->line);
		tell(&f, "args", st->args);
	}
	if (st->waited)
		tell_number(&f, "ms", st->ms);
	tell(&f, "vars", st->vars);
	call_emit(c, type, f.items, f.count);
}

/* --- for the script --- */

unsigned call_wants_steps(const struct call *c)
{
	unsigned wants = sip_trace_keeps(c->owner->sip.trace) ? CALL_STEP_TRACED : 0;

	if (events_followed(c->owner->opts.events) || log_wants(LOG_DEBUG))
		wants |= CALL_STEP_FOLLOWED;
	return wants;
}

void call_tell_step(struct call *c, unsigned wants, const struct call_step *st)
{
	if (wants & CALL_STEP_TRACED)
		call_trace_step(c->owner->sip.trace, str_of(c->id), st);
	/* Behind its terminal event a call is silent. */
	if (wants & CALL_STEP_FOLLOWED && st->kind != CALL_STEP_SKIPPED && c->info.state != CALL_ENDED)
		emit(c, st);
}

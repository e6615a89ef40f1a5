#include "call/step.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "call/call_impl.h"
#include "call/trace.h"

enum { MAX_RECORD = 6144, MAX_FIELD = 2560 };

/* --- in the ring --- */

enum { TEXTS = 6 };

struct head { /* the texts stand behind it, one after the other */
	uint64_t ms, bytes;
	uint32_t kind, line, count;
	uint16_t lengths[TEXTS];
	bool waited, fallback;
};

void call_trace_step(struct sip_trace *trace, struct str call_id, const struct call_step *st)
{
	const struct str *const texts[TEXTS] = {
		&st->section, &st->method, &st->args, &st->vars, &st->text, &st->error
	};
	struct head h = { .ms = st->ms,
			  .bytes = st->bytes,
			  .kind = st->kind,
			  .line = st->line,
			  .count = st->count,
			  .waited = st->waited,
			  .fallback = st->fallback };
	char record[MAX_RECORD];
	size_t n = sizeof(h);

	for (size_t i = 0; i < TEXTS; i++) {
		struct str s = *texts[i];

		/* What is too long is left out: half of a JSON object is none. */
		if (!s.n || s.n > MAX_FIELD || n + s.n > sizeof(record))
			continue;
		memcpy(record + n, s.p, s.n);
		h.lengths[i] = (uint16_t)s.n;
		n += s.n;
	}
	memcpy(record, &h, sizeof(h));
	sip_trace_note(trace, CALL_TRACE_STEP, call_id, (struct str){ record, n });
}

bool call_step_parse(struct call_step *out, struct str note)
{
	struct str *const texts[TEXTS] = {
		&out->section, &out->method, &out->args, &out->vars, &out->text, &out->error
	};
	struct head h;

	if (note.n < sizeof(h))
		return false;
	memcpy(&h, note.p, sizeof(h));
	*out = (struct call_step){ .kind = (enum call_step_kind)h.kind,
				   .line = h.line,
				   .count = h.count,
				   .ms = h.ms,
				   .bytes = h.bytes,
				   .waited = h.waited,
				   .fallback = h.fallback };
	note = str_from(note, sizeof(h));
	for (size_t i = 0; i < TEXTS; i++) {
		*texts[i] = str_head(note, h.lengths[i]);
		note = str_from(note, h.lengths[i]);
	}
	return h.kind <= CALL_STEP_SKIPPED;
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

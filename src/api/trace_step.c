#include "api/trace_step.h"

#include "call/step.h"

/* --- text --- */

/* JSON may hold characters that are not for a terminal. */
static void print_object(struct buf *b, const char *before, struct str object)
{
	if (!object.n)
		return;
	buf_cstr(b, before);
	buf_escaped(b, object);
}

static void print_place(struct buf *b, const struct call_step *st)
{
	buf_escaped(b, st->method);
	buf_cstr(b, ", section ");
	buf_escaped(b, st->section);
	buf_printf(b, ", line %u", st->line);
}

static void print_document(struct buf *b, const struct call_step *st)
{
	buf_cstr(b, st->error.n ? "no document: " : "document ");
	buf_escaped(b, st->error.n ? st->error : st->text);
	if (!st->error.n)
		buf_printf(b, ", %llu bytes", (unsigned long long)st->bytes);
	buf_printf(b, "%s, after %llu ms", st->fallback && !st->error.n ? ", the fallback" : "",
		   (unsigned long long)st->ms);
}

void trace_step_line(struct buf *b, struct str note)
{
	struct call_step st;

	if (!call_step_parse(&st, note))
		return;
	switch (st.kind) {
	case CALL_STEP_BEGUN:
		buf_cstr(b, "step ");
		print_place(b, &st);
		print_object(b, " ", st.args);
		print_object(b, " sets ", st.vars);
		break;
	case CALL_STEP_DONE:
		buf_cstr(b, "done ");
		print_place(b, &st);
		if (st.waited)
			buf_printf(b, ", after %llu ms", (unsigned long long)st.ms);
		print_object(b, " sets ", st.vars);
		break;
	case CALL_STEP_DOCUMENT:
		print_document(b, &st);
		break;
	case CALL_STEP_SKIPPED:
		buf_printf(b, "%u more steps are not kept", st.count);
		break;
	}
}

/* --- JSON --- */

static void put_place(struct buf *b, const char *type, const struct call_step *st)
{
	buf_printf(b, "\"type\":\"%s\",\"method\":", type);
	buf_json(b, st->method);
	buf_cstr(b, ",\"section\":");
	buf_json(b, st->section);
	buf_printf(b, ",\"line\":%u", st->line);
}

static void put_object(struct buf *b, const char *name, struct str object)
{
	if (!object.n)
		return;
	buf_printf(b, ",\"%s\":", name);
	buf_str(b, object);
}

static void put_document(struct buf *b, const struct call_step *st)
{
	buf_cstr(b, "\"type\":\"document\",\"location\":");
	if (st->error.n)
		buf_cstr(b, "null");
	else
		buf_json(b, st->text);
	buf_cstr(b, ",\"error\":");
	if (st->error.n)
		buf_json(b, st->error);
	else
		buf_cstr(b, "null");
	buf_printf(b, ",\"bytes\":%llu,\"fallback\":%s,\"waited_ms\":%llu", (unsigned long long)st->bytes,
		   st->fallback ? "true" : "false", (unsigned long long)st->ms);
}

void trace_step_json(struct buf *b, struct str note)
{
	struct call_step st;

	if (!call_step_parse(&st, note))
		return;
	switch (st.kind) {
	case CALL_STEP_BEGUN:
		put_place(b, "step", &st);
		put_object(b, "args", st.args);
		put_object(b, "vars", st.vars);
		break;
	case CALL_STEP_DONE:
		put_place(b, "step_done", &st);
		if (st.waited)
			buf_printf(b, ",\"waited_ms\":%llu", (unsigned long long)st.ms);
		put_object(b, "vars", st.vars);
		break;
	case CALL_STEP_DOCUMENT:
		put_document(b, &st);
		break;
	case CALL_STEP_SKIPPED:
		buf_printf(b, "\"type\":\"steps_skipped\",\"count\":%u", st.count);
		break;
	}
}

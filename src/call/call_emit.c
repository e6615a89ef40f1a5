/* What a call tells: its events, numbered, with its ids. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "call/call_impl.h"
#include "call/trace.h"

static void publish(struct call *c, struct event *ev)
{
	ev->call_id = c->id;
	ev->parent_id = c->info.parent_id;
	ev->sequence = c->sequence++;
	ev->leg = &c->sum;
	ev->segment_id = c->segment;
	ev->parent_type = c->info.parent_type;
	event_publish(c->owner->opts.events, ev);
}

static bool is_of_leg(enum event_type type)
{
	return type <= EVENT_ENDED || type == EVENT_NO_MEDIA || type == EVENT_MEDIA;
}

static void emit(struct call *c, struct event *ev)
{
	/* One leg is told of for both halves. */
	if (c->origin.silent && (is_of_leg(ev->type) || !(c = call_find(c->owner, c->origin.told))))
		return;
	publish(c, ev);
}

void call_emit_to(struct call *c, const char *hook, enum event_type type, const struct event_field *fields,
		  size_t count)
{
	struct event ev = { .type = type, .fields = fields, .field_count = count, .hook = hook };

	emit(c, &ev);
}

void call_emit(struct call *c, enum event_type type, const struct event_field *fields, size_t count)
{
	bool hooked = c->info.hook.events & 1u << type;

	call_emit_to(c, hooked ? c->info.hook.url : NULL, type, fields, count);
}

void call_emit_operation(struct call *c, const struct call_operation *o)
{
	const struct event_field fields[] = {
		{ "operation", str_of(o->type) },
		{ "state", str_of(o->state ? o->state : "") },
		{ "control_id", str_of(o->control_id ? o->control_id : "") },
		{ "params", o->params.p ? o->params : STR("") },
		{ "final", o->final ? STR("true") : STR("false") },
	};
	struct event ev = {
		.type = EVENT_OPERATION,
		.fields = fields,
		.field_count = ARRAY_LEN(fields),
		.hook = o->hook,
		.hook_get = o->hook_get,
	};

	emit(c, &ev);
}

void call_warn(struct call *c, const char *code, uint32_t line, uint32_t col, const char *fmt, ...)
{
	char text[400], name[80], place[32];
	struct event_field fields[3];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	secret_mask(text, strlen(text));
	snprintf(name, sizeof(name), "relay_script_%s", code);
	snprintf(place, sizeof(place), "%u:%u", line, col);
	fields[0] = (struct event_field){ "code", str_of(name) };
	fields[1] = (struct event_field){ "text", str_of(text) };
	fields[2] = (struct event_field){ "at", str_of(place) };
	call_emit(c, EVENT_WARNING, fields, line ? 3 : 2);
}

void call_note(struct call *c, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	if (!c->owner->sip.trace)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	call_trace_note(c->owner->sip.trace, str_of(c->info.id), str_of(text));
}

#include "call/event.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"

enum { MAX_SUBSCRIBERS = 8, MAX_LOGGED = 2048 };

struct events {
	struct loop *loop;
	size_t count, followers;
	struct {
		void (*fn)(void *arg, const struct event *ev);
		void *arg;
	} subscribers[MAX_SUBSCRIBERS];
};

int events_new(struct events **out, struct loop *l)
{
	struct events *e = calloc(1, sizeof(*e));

	if (!e)
		return ENOMEM;
	e->loop = l;
	*out = e;
	return 0;
}

void events_free(struct events **e)
{
	free(*e);
	*e = NULL;
}

void events_subscribe(struct events *e, void (*fn)(void *arg, const struct event *ev), void *arg)
{
	assert(e->count < MAX_SUBSCRIBERS);
	e->subscribers[e->count].fn = fn;
	e->subscribers[e->count].arg = arg;
	e->count++;
}

void events_follow(struct events *e, bool more)
{
	assert(more || e->followers);
	e->followers += more ? 1 : (size_t)-1;
}

bool events_followed(const struct events *e)
{
	return e->followers;
}

void event_emit(struct events *e, enum event_type type, const char *call_id, const char *parent_id, uint32_t sequence,
		const struct event_field *fields, size_t count)
{
	struct event ev = {
		.type = type,
		.call_id = call_id,
		.parent_id = parent_id,
		.sequence = sequence,
		.field_count = count,
		.fields = fields,
	};

	event_publish(e, &ev);
}

void event_publish(struct events *e, struct event *ev)
{
	assert(ev->field_count <= EVENT_MAX_FIELDS);
	ev->wall_ms = loop_wall_ms(e->loop);
	for (size_t i = 0; i < e->count; i++)
		e->subscribers[i].fn(e->subscribers[i].arg, ev);
}

const char *event_name(enum event_type type)
{
	switch (type) {
	case EVENT_CREATED:
		return "created";
	case EVENT_RINGING:
		return "ringing";
	case EVENT_ANSWERED:
		return "answered";
	case EVENT_ENDED:
		return "ended";
	case EVENT_CONNECTING:
		return "connecting";
	case EVENT_CONNECTED:
		return "connected";
	case EVENT_DISCONNECTED:
		return "disconnected";
	case EVENT_FAILED:
		return "failed";
	case EVENT_OPERATION:
		return "operation";
	case EVENT_WARNING:
		return "warning";
	case EVENT_TRANSFER:
		return "transfer";
	case EVENT_REFER:
		return "refer";
	case EVENT_STEP:
		return "step";
	case EVENT_STEP_DONE:
		return "step_done";
	case EVENT_DOCUMENT:
		return "document";
	case EVENT_NO_MEDIA:
		return "no_media";
	case EVENT_MEDIA:
		return "media";
	case EVENT_USER:
		return "user_event";
	case EVENT_TRUNK_UP:
		return "trunk.up";
	case EVENT_TRUNK_DOWN:
		return "trunk.down";
	}
	return "";
}

struct str event_get(const struct event *ev, const char *key)
{
	for (size_t i = 0; i < ev->field_count; i++)
		if (str_is(str_of(ev->fields[i].key), key))
			return ev->fields[i].value;
	return (struct str){ NULL, 0 };
}

bool event_is_of_steps(enum event_type type)
{
	return type == EVENT_STEP || type == EVENT_STEP_DONE || type == EVENT_DOCUMENT;
}

static enum log_level level_of(enum event_type type)
{
	if (type == EVENT_WARNING || type == EVENT_NO_MEDIA || type == EVENT_TRUNK_DOWN)
		return LOG_WARN;
	return event_is_of_steps(type) ? LOG_DEBUG : LOG_INFO;
}

/* The address of a recording opens by itself, so what signs it stays out of the log. */
static struct str without_tokens(char *out, size_t size, struct str text)
{
	static const char place[] = "/recordings/";
	enum { ID_CHARS = 36, TOKEN_CHARS = 32 };
	char *at = out;

	str_copy(out, size, text);
	while ((at = strstr(at, place))) {
		at += sizeof(place) - 1;
		if (strlen(at) > ID_CHARS + TOKEN_CHARS && at[ID_CHARS] == '-')
			memset(at + ID_CHARS + 1, '*', TOKEN_CHARS);
	}
	return str_of(out);
}

void event_log(void *arg, const struct event *ev)
{
	char params[MAX_LOGGED];
	struct log_field fields[EVENT_MAX_FIELDS + 2];
	enum log_level level = level_of(ev->type);
	bool of_call = ev->call_id[0];
	char sequence[12];
	size_t n = 0;

	if (!log_wants(level))
		return;
	snprintf(sequence, sizeof(sequence), "%u", ev->sequence);
	if (of_call) {
		fields[n].key = "seq";
		fields[n++].value = str_of(sequence);
	}
	if (ev->parent_id) {
		fields[n].key = "parent";
		fields[n++].value = str_of(ev->parent_id);
	}
	for (size_t i = 0; i < ev->field_count; i++) {
		fields[n].key = ev->fields[i].key;
		fields[n].value = ev->fields[i].value;
		if (str_is(str_of(fields[n].key), "params"))
			fields[n].value = without_tokens(params, sizeof(params), fields[n].value);
		n++;
	}
	log_fields(level, of_call ? ev->call_id : NULL, event_name(ev->type), fields, n);
}

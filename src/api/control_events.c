/* Events as they happen: one JSON object a line, until the client leaves. */
#include <stdlib.h>
#include <string.h>

#include "api/control_impl.h"

enum { MAX_STREAMS = 32 };

struct stream {
	struct list node;
	uint64_t id;
	char call[64]; /* this call and its children only; "" = all */
};

static void free_stream(struct control *c, struct stream *s)
{
	list_remove(&s->node);
	c->stream_count--;
	events_follow(c->opts.events, false);
	free(s);
}

struct str control_query(const char *query, const char *name)
{
	struct str rest = str_of(query), part, key;

	while (str_split(&rest, '&', &part)) {
		struct str value = part;

		str_split(&value, '=', &key);
		if (str_is(key, name))
			return value.p ? value : STR("");
	}
	return (struct str){ NULL, 0 };
}

void control_follow(struct control *c, const struct web_request *r, struct str tail)
{
	struct str call = control_query(r->query, "call");
	struct stream *s;

	/* A stream is only ended by its client. */
	if (!strcmp(r->method, "HEAD")) {
		control_error(c, r->id, 405, "Method Not Allowed");
		return;
	}
	if (call.p && !call_find_id(c->opts.calls, call)) {
		control_error(c, r->id, 404, "no such call");
		return;
	}
	s = c->stream_count < MAX_STREAMS ? calloc(1, sizeof(*s)) : NULL;
	if (!s) {
		control_busy(c, r->id, "too many clients follow events");
		return;
	}
	s->id = r->id;
	str_copy(s->call, sizeof(s->call), call);
	list_append(&c->streams, &s->node);
	c->stream_count++;
	events_follow(c->opts.events, true);
	c->door.stream_start(c->door.arg, r->id, "application/x-ndjson");
}

void control_gone(struct control *c, uint64_t id)
{
	for (struct list *n = c->streams.next; n != &c->streams; n = n->next) {
		struct stream *s = LIST_ITEM(n, struct stream, node);

		if (s->id == id) {
			free_stream(c, s);
			return;
		}
	}
}

void control_end_streams(struct control *c)
{
	struct list *n;

	while ((n = list_first(&c->streams))) {
		struct stream *s = LIST_ITEM(n, struct stream, node);

		if (c->open)
			c->door.stream_end(c->door.arg, s->id);
		free_stream(c, s);
	}
}

static bool wants(const struct stream *s, const struct event *ev)
{
	return !s->call[0] || !strcmp(s->call, ev->call_id) || (ev->parent_id && !strcmp(s->call, ev->parent_id));
}

static void print(struct buf *b, const struct event *ev)
{
	if (ev->call_id[0])
		buf_printf(b, "{\"call_id\":\"%s\",\"parent_id\":", ev->call_id);
	else
		buf_cstr(b, "{\"call_id\":null,\"parent_id\":");
	if (ev->parent_id)
		buf_json(b, str_of(ev->parent_id));
	else
		buf_cstr(b, "null");
	buf_printf(b, ",\"type\":\"%s\",\"sequence\":%u,\"time\":", event_name(ev->type), ev->sequence);
	control_time(b, ev->wall_ms);
	buf_cstr(b, ",\"fields\":{");
	for (size_t i = 0; i < ev->field_count; i++) {
		buf_cstr(b, i ? "," : "");
		buf_json(b, str_of(ev->fields[i].key));
		buf_char(b, ':');
		buf_json(b, ev->fields[i].value);
	}
	buf_cstr(b, "}}\n");
}

void control_publish(void *arg, const struct event *ev)
{
	struct control *c = arg;
	struct buf b = { 0 };

	if (!c->open || list_empty(&c->streams))
		return;
	print(&b, ev);
	for (struct list *n = c->streams.next; n != &c->streams && !b.failed; n = n->next) {
		struct stream *s = LIST_ITEM(n, struct stream, node);

		if (wants(s, ev))
			c->door.stream_send(c->door.arg, s->id, buf_view(&b));
	}
	buf_free(&b);
}

#include "op/audio_link.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "net/ws_feed.h"
#include "op/op_tap.h"

enum {
	START_MS = 5000, /* for the name, the connection and the handshake */
	CLOSE_NORMAL = 1000,
};

/* --- the end --- */

static void finish(struct audio_link *k, enum op_outcome outcome, const char *why)
{
	const struct op_result done = { .outcome = outcome, .why = why };

	loop_timer_stop(k->env->loop, &k->later);
	reach_stop(&k->reach);
	call_unwatch(&k->watch);
	call_unlisten(k->call, &k->listening);
	call_listen_forget(&k->listening);
	if (outcome == OP_FAILED)
		log_printf(LOG_WARN, k->call_id, "%s to %s: %s", k->ops->kind, k->bare, why);
	k->ops->close(k);
	if (k->ws)
		k->env->ws->ops->close(k->env->ws, k->ws, CLOSE_NORMAL);
	ws_feed_drop(&k->feed);
	background_remove(&k->background);
	k->ops->tell_end(k);
	op_finish(&k->op, &done);
	k->ops->free(k);
}

static void caller_closed(void *arg, struct call *c)
{
	finish(arg, OP_GONE, "the call ended");
}

static const struct call_watcher watcher = { .closed = caller_closed };

static void detached(void *arg, struct sink *s)
{
	s->ops->free(s);
	finish(arg, OP_GONE, "the audio of the call ended");
}

static void stop_later(void *arg)
{
	finish(arg, OP_STOPPED, "it was stopped");
}

static void stop(struct op *o)
{
	struct audio_link *k = (struct audio_link *)(void *)o;

	k->state = LINK_STOPS;
	loop_timer_start(k->env->loop, &k->later, 0, stop_later, k);
}

static const struct op_ops ops = { .stop = stop };

static void too_late(void *arg)
{
	finish(arg, OP_FAILED, "no connection within 5 s");
}

/* --- the beginning --- */

static void begin_to_listen(struct audio_link *k)
{
	struct sink *sink = k->ops->lend(k);
	int err;

	k->listening.detached = detached;
	k->listening.arg = k;
	err = call_listen(k->call, &k->listening, sink);
	if (err) {
		sink->ops->free(sink);
		finish(k, OP_FAILED, err == ENOMEM ? "out of memory" : "the call has no audio");
		return;
	}
	loop_timer_stop(k->env->loop, &k->later);
	k->state = LINK_RUNS;
	k->ops->stands(k);
}

static void ws_opened(void *arg)
{
	struct audio_link *k = arg;
	int err;

	if (k->state == LINK_STOPS)
		return;
	err = k->ops->greet(k);
	if (err)
		finish(k, OP_FAILED, strerror(err));
	else
		begin_to_listen(k);
}

static void ws_closed(void *arg, const struct ws_end *end)
{
	struct audio_link *k = arg;

	k->ws = 0;
	if (k->state != LINK_STOPS)
		finish(k, OP_FAILED, end->why);
}

static const struct ws_handlers ws_handlers = { .opened = ws_opened, .closed = ws_closed };

static int open_ws(struct audio_link *k, const struct reach_result *where)
{
	uint64_t now_ms = loop_now_ms(k->env->loop);
	const struct ws_request request = {
		.url = k->url,
		.addrs = where->addrs,
		.addr_count = where->count,
		.feed = k->feed,
		.bearer = k->bearer,
		.deadline_ms = k->due_ms > now_ms ? (uint32_t)(k->due_ms - now_ms) : 1,
	};

	k->state = LINK_CONNECTS;
	return k->env->ws->ops->open(k->env->ws, &request, &ws_handlers, k, &k->ws);
}

static void reached(void *arg, const struct reach_result *where)
{
	struct audio_link *k = arg;
	int err;

	if (k->state == LINK_STOPS)
		return;
	if (!where->count) {
		finish(k, OP_FAILED, where->why);
		return;
	}
	err = k->ops->make(k, &where->addrs[0]);
	if (!err && k->by_ws)
		err = open_ws(k, where);
	if (err)
		finish(k, OP_FAILED, strerror(err));
	else if (!k->by_ws)
		begin_to_listen(k);
}

static void begin(void *arg)
{
	struct audio_link *k = arg;
	const struct reach_query query = {
		.dns = k->env->dns, .rules = k->env->rules, .host = k->url.host, .port = k->url.port
	};
	int err = k->by_ws && !k->env->ws ? EPROTONOSUPPORT : reach_start(&k->reach, &query, reached, k);

	if (err) {
		finish(k, OP_FAILED, strerror(err));
		return;
	}
	k->state = LINK_REACHES;
	k->due_ms = loop_now_ms(k->env->loop) + START_MS;
	loop_timer_start(k->env->loop, &k->later, START_MS, too_late, k);
}

int audio_link_name(struct audio_link *k, const struct call *c, const char *control_id)
{
	struct loop *l = k->env->loop;
	struct call_info info;

	call_get_info(c, &info);
	str_uuid(k->made_id, loop_random(l), loop_random(l));
	k->call_id = str_dup(k->arena, str_of(info.id));
	k->control_id = control_id ? str_dup(k->arena, str_of(control_id)) : k->made_id;
	return k->call_id && k->control_id ? 0 : ENOMEM;
}

void audio_link_start(struct audio_link *k, struct call *c)
{
	k->op.ops = &ops;
	k->call = c;
	call_watch(c, &k->watch, &watcher, k);
	k->background = (struct background){ .kind = k->ops->kind, .control_id = k->control_id, .op = &k->op };
	background_add(c, &k->background);
	loop_timer_start(k->env->loop, &k->later, 0, begin, k);
}

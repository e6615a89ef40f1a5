#include "op/op_tap.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/loop.h"
#include "call/call_media.h"
#include "media/tap.h"
#include "net/reach.h"
#include "net/ws_client.h"
#include "net/ws_feed.h"
#include "op/op_background.h"
#include "op/op_impl.h"
#include "op/tap_uri.h"

enum {
	START_MS = 5000,   /* for the name, the connection and the handshake */
	FEED_FRAMES = 100, /* 2 s */
	CLOSE_NORMAL = 1000,
};

enum tapping_state { TAPPING_NEW, TAPPING_REACHES, TAPPING_CONNECTS, TAPPING_RUNS, TAPPING_STOPS };

struct tapping {
	struct op op;
	struct background background;
	struct arena *arena;
	const struct tap_env *env;
	struct tap_ask ask;
	struct url url; /* of ask.uri */
	bool rtp;
	enum tapping_state state;
	struct call *call;
	struct call_watch watch;
	struct call_listening listening;
	struct loop_timer later;
	uint64_t due_ms; /* loop time: until when it has to stand */
	struct reach reach;
	struct addr to;
	struct tap *tap;
	struct ws_feed *feed;
	uint64_t ws; /* 0 = none */
	void (*stands)(void *arg, struct op *o);
	enum op_outcome outcome; /* of a stop */
	const char *bare, *call_id;
	char control_id[37];
};

static struct tapping *tapping_of(struct op *o)
{
	return (struct tapping *)(void *)o;
}

/* --- what is told --- */

static void add_device(struct buf *b, const struct tapping *t)
{
	const char *codec = codec_get(t->ask.codec)->name;
	char host[ADDR_TEXT];

	if (t->rtp) {
		buf_cstr(b, ",\"device\":{\"type\":\"rtp\",\"params\":{\"addr\":");
		buf_json(b, t->to.sa.sa_family ? str_of(addr_host(&t->to, host)) : t->url.host);
		buf_printf(b, ",\"port\":%u,\"codec\":\"%s\",\"ptime\":%u,\"rate\":%u}}", t->url.port, codec,
			   t->ask.packet_ms, TAP_RATE_HZ);
		return;
	}
	buf_cstr(b, ",\"device\":{\"type\":\"ws\",\"params\":{\"uri\":");
	buf_json(b, str_of(t->bare));
	buf_printf(b, ",\"codec\":\"%s\",\"rate\":%u}}", codec, TAP_RATE_HZ);
}

static void tell(const struct tapping *t, const char *state, uint64_t lost_ms)
{
	struct call_operation o = {
		.type = "calling.call.tap",
		.state = state,
		.control_id = t->ask.control_id,
		.final = !strcmp(state, "finished"),
		.hook = t->ask.status_url,
	};
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b, "\"tap\":{\"type\":\"audio\",\"params\":{\"direction\":\"%s\"}}",
		   background_direction(t->ask.direction));
	add_device(&b, t);
	if (lost_ms)
		buf_printf(&b, ",\"lost\":%llu.%03u", (unsigned long long)(lost_ms / 1000), (unsigned)(lost_ms % 1000));
	o.params = b.failed ? STR("") : buf_view(&b);
	call_emit_operation(t->call, &o);
	buf_free(&b);
}

/* --- the end --- */

static void release(struct tapping *t)
{
	arena_free(&t->arena);
	free(t);
}

static void finish(struct tapping *t, enum op_outcome outcome, const char *why)
{
	const struct op_result done = { .outcome = outcome, .why = why };
	uint64_t lost_ms = t->tap ? tap_lost_ms(t->tap) : 0;

	loop_timer_stop(t->env->loop, &t->later);
	reach_stop(&t->reach);
	call_unwatch(&t->watch);
	call_unlisten(t->call, &t->listening);
	call_listen_forget(&t->listening);
	tap_close(&t->tap);
	if (t->ws)
		t->env->ws->ops->close(t->env->ws, t->ws, CLOSE_NORMAL);
	ws_feed_drop(&t->feed);
	background_remove(&t->background);
	if (outcome == OP_FAILED)
		log_printf(LOG_WARN, t->call_id, "tap to %s: %s", t->bare, why);
	if (lost_ms)
		log_printf(LOG_WARN, t->call_id, "tap to %s: %llu ms of audio were lost, it did not take them", t->bare,
			   (unsigned long long)lost_ms);
	tell(t, "finished", lost_ms);
	op_finish(&t->op, &done);
	release(t);
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
	finish(arg, OP_STOPPED, "the tap was stopped");
}

static void stop(struct op *o)
{
	struct tapping *t = tapping_of(o);

	t->state = TAPPING_STOPS;
	loop_timer_start(t->env->loop, &t->later, 0, stop_later, t);
}

static const struct op_ops ops = { .stop = stop };

static void too_late(void *arg)
{
	finish(arg, OP_FAILED, "no connection within 5 s");
}

/* --- the beginning --- */

static void begin_to_listen(struct tapping *t)
{
	struct sink *sink = tap_lend(t->tap);
	int err;

	t->listening.detached = detached;
	t->listening.arg = t;
	err = call_listen(t->call, &t->listening, sink);
	if (err) {
		sink->ops->free(sink);
		finish(t, OP_FAILED, err == ENOMEM ? "out of memory" : "the call has no audio");
		return;
	}
	loop_timer_stop(t->env->loop, &t->later);
	t->state = TAPPING_RUNS;
	tell(t, "tapping", 0);
	if (t->stands)
		t->stands(t->op.arg, &t->op);
}

static int make_tap(struct tapping *t)
{
	struct loop *l = t->env->loop;
	struct tap_opts opts = {
		.wants = t->ask.direction,
		.codec = t->ask.codec,
		.feed = t->feed,
		.packet_ms = t->ask.packet_ms,
		.from = t->env->from,
		.to = t->to,
		.ssrc = (uint32_t)loop_random(l),
		.timestamp = (uint32_t)loop_random(l),
		.seq = (uint16_t)loop_random(l),
	};

	if (opts.from.sa.sa_family)
		addr_set_port(&opts.from, 0);
	return tap_new(&t->tap, &opts);
}

/* What the binary messages hold, said before the first of them. */
static int say_hello(struct tapping *t)
{
	struct buf b;
	int err;

	buf_init(&b, 0);
	buf_printf(&b, "{\"event\":\"start\",\"call_id\":\"%s\",\"control_id\":", t->call_id);
	buf_json(&b, str_of(t->ask.control_id));
	buf_printf(&b, ",\"direction\":\"%s\",\"codec\":\"%s\",\"rate\":%u,\"channels\":1,\"ptime\":%u}",
		   background_direction(t->ask.direction), codec_get(t->ask.codec)->name, TAP_RATE_HZ, TAP_FRAME_MS);
	err = b.failed ? ENOMEM : t->env->ws->ops->send(t->env->ws, t->ws, WS_TEXT, buf_view(&b));
	buf_free(&b);
	return err;
}

static void ws_opened(void *arg)
{
	struct tapping *t = arg;

	if (t->state == TAPPING_STOPS)
		return;
	if (say_hello(t))
		finish(t, OP_FAILED, "out of memory");
	else
		begin_to_listen(t);
}

static void ws_closed(void *arg, const struct ws_end *end)
{
	struct tapping *t = arg;

	t->ws = 0;
	if (t->state != TAPPING_STOPS)
		finish(t, OP_FAILED, end->why);
}

static const struct ws_handlers ws_handlers = { .opened = ws_opened, .closed = ws_closed };

static int open_ws(struct tapping *t, const struct reach_result *where)
{
	uint64_t now_ms = loop_now_ms(t->env->loop);
	const struct ws_request request = {
		.url = t->url,
		.addrs = where->addrs,
		.addr_count = where->count,
		.feed = t->feed,
		.deadline_ms = t->due_ms > now_ms ? (uint32_t)(t->due_ms - now_ms) : 1,
	};

	t->state = TAPPING_CONNECTS;
	return t->env->ws->ops->open(t->env->ws, &request, &ws_handlers, t, &t->ws);
}

static int open_device(struct tapping *t, const struct reach_result *where)
{
	int err = t->rtp ? 0 : ws_feed_new(&t->feed, TAP_FRAME_BYTES, FEED_FRAMES);

	t->to = where->addrs[0];
	if (!err)
		err = make_tap(t);
	if (err || t->rtp)
		return err;
	return open_ws(t, where);
}

static void reached(void *arg, const struct reach_result *where)
{
	struct tapping *t = arg;
	int err;

	if (t->state == TAPPING_STOPS)
		return;
	if (!where->count) {
		finish(t, OP_FAILED, where->why);
		return;
	}
	err = open_device(t, where);
	if (err)
		finish(t, OP_FAILED, strerror(err));
	else if (t->rtp)
		begin_to_listen(t);
}

/* Nothing is told inside tap_start(). */
static void begin(void *arg)
{
	struct tapping *t = arg;
	const struct reach_query query = {
		.dns = t->env->dns, .rules = t->env->rules, .host = t->url.host, .port = t->url.port
	};
	int err = !t->rtp && !t->env->ws ? EPROTONOSUPPORT : reach_start(&t->reach, &query, reached, t);

	if (err) {
		finish(t, OP_FAILED, strerror(err));
		return;
	}
	t->state = TAPPING_REACHES;
	t->due_ms = loop_now_ms(t->env->loop) + START_MS;
	loop_timer_start(t->env->loop, &t->later, START_MS, too_late, t);
}

static int copy_texts(struct tapping *t, const struct tap_ask *ask, const struct call_info *info)
{
	struct loop *l = t->env->loop;
	struct buf bare;

	t->ask.uri = str_dup(t->arena, str_of(ask->uri));
	if (!t->ask.uri)
		return ENOMEM;
	if (tap_uri_parse(&t->url, &t->rtp, str_of(t->ask.uri)))
		return EINVAL;
	str_uuid(t->control_id, loop_random(l), loop_random(l));
	buf_init(&bare, 0);
	if (t->rtp)
		buf_cstr(&bare, t->ask.uri);
	else
		url_bare_ws(&bare, &t->url);
	t->bare = bare.failed ? NULL : str_dup(t->arena, buf_view(&bare));
	buf_free(&bare);
	t->call_id = str_dup(t->arena, str_of(info->id));
	t->ask.control_id = ask->control_id ? str_dup(t->arena, str_of(ask->control_id)) : t->control_id;
	t->ask.status_url = str_dup(t->arena, str_of(ask->status_url));
	if (!t->bare || !t->call_id || !t->ask.control_id)
		return ENOMEM;
	return ask->status_url && !t->ask.status_url ? ENOMEM : 0;
}

int tap_start(struct op **out, const struct tap_start *start, const struct tap_ask *ask)
{
	struct call_info info;
	struct tapping *t;
	int err;

	call_get_info(start->call, &info);
	if (info.state == CALL_ENDED)
		return ENOTCONN;
	t = calloc(1, sizeof(*t));
	if (!t)
		return ENOMEM;
	t->op = (struct op){ .ops = &ops, .done = start->done, .arg = start->arg };
	t->env = start->env;
	t->stands = start->tapping;
	t->ask = *ask;
	err = arena_new(&t->arena, 0, 0);
	if (!err)
		err = copy_texts(t, ask, &info);
	if (err) {
		release(t);
		return err;
	}
	t->call = start->call;
	call_watch(t->call, &t->watch, &watcher, t);
	t->background = (struct background){ .kind = "tap", .control_id = t->ask.control_id, .op = &t->op };
	background_add(t->call, &t->background);
	loop_timer_start(t->env->loop, &t->later, 0, begin, t);
	*out = &t->op;
	return 0;
}

void tap_get_facts(const struct op *o, struct tap_facts *out)
{
	const struct tapping *t = (const struct tapping *)(const void *)o;
	struct addr source = { 0 };

	*out = (struct tap_facts){
		.uri = t->bare,
		.control_id = t->ask.control_id,
		.codec = codec_get(t->ask.codec)->name,
		.rtp = t->rtp,
		.packet_ms = t->rtp ? t->ask.packet_ms : TAP_FRAME_MS,
		.rate_hz = TAP_RATE_HZ,
	};
	if (!t->rtp)
		return;
	assert(t->tap);
	tap_source(t->tap, &source);
	if (t->env->advertise.sa.sa_family == source.sa.sa_family) {
		out->source = t->env->advertise;
		addr_set_port(&out->source, addr_port(&source));
	} else {
		out->source = source;
	}
}

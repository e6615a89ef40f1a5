#include "op/op_stream.h"

#include <errno.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/log.h"
#include "op/audio_link.h"
#include "op/stream_args.h"

enum {
	FEED_MS = 2000, /* of audio that waits for a server that is slow */
	FEED_KEYS = 10, /* places beside */
};

struct streaming {
	struct audio_link link; /* first: struct audio_link pointers are cast back */
	struct stream_ask ask;  /* texts in the arena; of parameters and account only start knows */
	struct call_keys keys;
	struct streamer *streamer;
	struct buf start; /* the start message, until it is said */
	bool greeted;
	void (*stands)(void *arg, struct op *o);
};

static struct streaming *streaming_of(struct audio_link *k)
{
	return (struct streaming *)(void *)k;
}

/* --- what is told --- */

static void tell(const struct streaming *t, const char *state, bool final)
{
	struct call_operation o = {
		.type = "calling.call.stream",
		.state = state,
		.control_id = t->link.control_id,
		.final = final,
		.hook = t->ask.status_url,
		.hook_get = t->ask.status_get,
	};
	struct buf b;

	buf_init(&b, 0);
	buf_cstr(&b, "\"url\":");
	buf_json(&b, str_of(t->link.bare));
	if (t->ask.name) {
		buf_cstr(&b, ",\"name\":");
		buf_json(&b, str_of(t->ask.name));
	}
	o.params = b.failed ? STR("") : buf_view(&b);
	call_emit_operation(t->link.call, &o);
	buf_free(&b);
}

static void tell_end(struct audio_link *k)
{
	tell(streaming_of(k), "finished", true);
}

/* What only the operator wants to know. */
static void log_losses(const struct streaming *t)
{
	const struct audio_link *k = &t->link;
	unsigned long long lost_ms = t->streamer ? streamer_lost_ms(t->streamer) : 0;
	unsigned long long unwanted = k->feed ? ws_feed_unwanted_count(k->feed) : 0;

	if (lost_ms)
		log_printf(LOG_WARN, k->call_id, "stream to %s: %llu ms of audio were lost, it did not take them",
			   k->bare, lost_ms);
	if (unwanted)
		log_printf(LOG_WARN, k->call_id,
			   "stream to %s: %llu messages of the server were ignored, it is one-way", k->bare, unwanted);
}

/* --- the end --- */

static void release(struct audio_link *k)
{
	struct streaming *t = streaming_of(k);

	buf_free(&t->start);
	arena_free(&k->arena);
	free(t);
}

static void close_stream(struct audio_link *k)
{
	const struct stream_frame stop = { .kind = STREAM_STOP };
	struct streaming *t = streaming_of(k);

	call_unwatch_keys(&t->keys);
	log_losses(t);
	if (t->greeted && k->ws)
		ws_feed_end(k->feed, &stop, stream_frame_size(&stop));
	streamer_close(&t->streamer);
}

/* --- the beginning --- */

static int make(struct audio_link *k, const struct addr *to)
{
	struct streaming *t = streaming_of(k);
	const struct stream_format *f = &t->ask.format;
	uint32_t frames = FEED_MS / f->packet_ms * (t->ask.tracks == SINK_BOTH ? 2 : 1) + FEED_KEYS;
	struct ws_feed_text text;
	int err = ws_feed_new(&k->feed, stream_frame_bytes(f), frames);

	if (!err)
		err = stream_message_text(&text, f);
	if (err)
		return err;
	err = ws_feed_as_text(k->feed, &text);
	if (err)
		text.free(text.arg);
	else
		err = streamer_new(&t->streamer, f, t->ask.tracks, k->feed);
	return err;
}

static int greet(struct audio_link *k)
{
	struct streaming *t = streaming_of(k);
	struct ws *ws = k->env->ws;
	int err = ws->ops->send(ws, k->ws, WS_TEXT, stream_message_connected());

	if (!err)
		err = ws->ops->send(ws, k->ws, WS_TEXT, buf_view(&t->start));
	buf_free(&t->start);
	t->greeted = true;
	return err;
}

static struct sink *lend(struct audio_link *k)
{
	return streamer_lend(streaming_of(k)->streamer);
}

static bool pressed(void *arg, char key)
{
	const struct stream_frame frame = { .kind = STREAM_KEY, .key = key };
	struct streaming *t = arg;

	ws_feed_put(t->link.feed, &frame, stream_frame_size(&frame));
	return false;
}

static void stands(struct audio_link *k)
{
	struct streaming *t = streaming_of(k);

	t->keys.pressed = pressed;
	t->keys.overhears = true;
	t->keys.arg = t;
	call_watch_keys(k->call, &t->keys);
	tell(t, "streaming", false);
	t->stands(k->op.arg, &k->op);
}

static const struct audio_link_ops link_ops = {
	.kind = "stream",
	.make = make,
	.greet = greet,
	.lend = lend,
	.stands = stands,
	.close = close_stream,
	.tell_end = tell_end,
	.free = release,
};

/* NULL stays NULL; *err is set when there is no memory. */
static const char *copy(struct streaming *t, const char *text, int *err)
{
	const char *own = str_dup(t->link.arena, str_of(text));

	if (text && !own)
		*err = ENOMEM;
	return own;
}

static int copy_texts(struct streaming *t, const struct stream_ask *ask, const struct call *c)
{
	struct audio_link *k = &t->link;
	struct buf bare;
	int err = 0;

	t->ask = (struct stream_ask){
		.url = copy(t, ask->url, &err),
		.name = copy(t, ask->name, &err),
		.status_url = copy(t, ask->status_url, &err),
		.status_get = ask->status_get,
		.tracks = ask->tracks,
		.format = ask->format,
	};
	k->bearer = copy(t, ask->bearer, &err);
	if (!err && stream_url_parse(&k->url, str_of(t->ask.url)))
		err = EINVAL;
	if (!err)
		err = audio_link_name(k, c, ask->control_id);
	if (err)
		return err;
	buf_init(&bare, 0);
	url_bare_ws(&bare, &k->url);
	k->bare = bare.failed ? NULL : str_dup(k->arena, buf_view(&bare));
	buf_free(&bare);
	return k->bare ? 0 : ENOMEM;
}

/* Made at once, so that the parameters need no copy. */
static int make_start(struct streaming *t, const struct stream_ask *ask)
{
	const struct stream_hello hello = {
		.stream_id = t->link.control_id,
		.account_id = ask->account_id,
		.call_id = t->link.call_id,
		.tracks = ask->tracks,
		.format = ask->format,
		.parameters = ask->parameters,
		.parameter_count = ask->parameter_count,
	};

	stream_message_start(&t->start, &hello);
	return t->start.failed ? EMSGSIZE : 0;
}

static int may_start(struct call *c, const struct stream_ask *ask)
{
	struct call_info info;

	call_get_info(c, &info);
	if (info.state == CALL_ENDED)
		return ENOTCONN;
	if (ask->control_id && background_find(c, "stream", str_of(ask->control_id)))
		return EEXIST;
	return background_count(c, "stream") < STREAMS_A_CALL ? 0 : EMFILE;
}

int stream_start(struct op **out, const struct stream_start *start, const struct stream_ask *ask)
{
	struct streaming *t;
	int err = may_start(start->call, ask);

	if (err)
		return err;
	t = calloc(1, sizeof(*t));
	if (!t)
		return ENOMEM;
	t->link = (struct audio_link){
		.op = { .done = start->done, .arg = start->arg },
		.ops = &link_ops,
		.env = start->env,
		.by_ws = true,
	};
	t->stands = start->streaming;
	err = arena_new(&t->link.arena, 0, 0);
	if (!err)
		err = copy_texts(t, ask, start->call);
	if (!err)
		err = make_start(t, ask);
	if (err) {
		release(&t->link);
		return err;
	}
	audio_link_start(&t->link, start->call);
	*out = &t->link.op;
	return 0;
}

const char *stream_control_id(const struct op *o)
{
	return ((const struct streaming *)(const void *)o)->link.control_id;
}

#include "op/op_record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/loop.h"
#include "call/bridge.h"
#include "call/call_media.h"
#include "media/clip.h"
#include "media/player.h"
#include "op/op_background.h"
#include "op/op_impl.h"

enum { NARROW_HZ = 8000, WIDE_HZ = 16000 };

enum recording_state { RECORDING_NEW, RECORDING_BEEPS, RECORDING_RUNS, RECORDING_CLOSES };

struct recording {
	struct op op;
	struct background background;
	struct arena *arena;
	struct recordings *recordings;
	struct recording_ask ask;
	enum recording_state state;
	struct call *call; /* there while the hold holds */
	struct call_hold hold;
	struct call_watch watch;
	struct call_playing beep;
	struct call_listening listening;
	struct call_keys keys;
	struct loop_timer later;
	struct recorder *recorder;
	uint64_t started_ms, ended_ms; /* Unix time */
	enum op_outcome outcome;
	const char *why;
	const char *url, *call_id;
	char id[37], control_id[37];
};

/* --- what is told --- */

static void add_seconds(struct buf *b, const char *key, uint64_t ms)
{
	buf_printf(b, ",\"%s\":%llu.%03u", key, (unsigned long long)(ms / 1000), (unsigned)(ms % 1000));
}

/* The published events have two shapes, and both are sent: flat, and inside of record. done: NULL = it runs still. */
static void add_sizes(struct buf *b, const struct recorder_result *done)
{
	if (!done)
		return;
	add_seconds(b, "duration", done->duration_ms);
	buf_printf(b, ",\"size\":%llu", (unsigned long long)done->bytes);
}

static void params(struct buf *b, const struct recording *r, const struct recorder_result *done)
{
	const char *format = recordings_suffix(r->ask.format);

	buf_cstr(b, "\"url\":");
	buf_json(b, str_of(r->url));
	buf_printf(b, ",\"recording_id\":\"%s\"", r->id);
	add_seconds(b, "start_time", r->started_ms);
	add_sizes(b, done);
	if (done) {
		add_seconds(b, "end_time", r->ended_ms);
		if (done->sha256[0])
			buf_printf(b, ",\"sha256\":\"%s\"", done->sha256);
		if (done->lost_ms)
			add_seconds(b, "lost", done->lost_ms);
	}
	buf_printf(b, ",\"record\":{\"audio\":{\"format\":\"%s\",\"direction\":\"%s\",\"stereo\":%s},\"url\":", format,
		   background_direction(r->ask.direction), r->ask.stereo ? "true" : "false");
	buf_json(b, str_of(r->url));
	buf_printf(b, ",\"format\":\"%s\"", format);
	add_sizes(b, done);
	buf_char(b, '}');
}

/* more: further members, "" = none. */
static void tell(struct recording *r, const char *state, const struct recorder_result *done, const char *more)
{
	struct call_operation o = {
		.type = "calling.call.record",
		.state = state,
		.control_id = r->ask.control_id,
		.final = done,
		.hook = r->ask.status_url,
	};
	struct buf b;

	if (!call_is_held(&r->hold))
		return;
	buf_init(&b, 0);
	params(&b, r, done);
	buf_cstr(&b, more);
	o.params = b.failed ? STR("") : buf_view(&b);
	call_emit_operation(r->call, &o);
	buf_free(&b);
}

static void keep(const struct recording *r, const char *state, const struct recorder_result *done)
{
	struct recording_row row = {
		.id = r->id,
		.call_id = r->call_id,
		.control_id = r->ask.control_id,
		.direction = background_direction(r->ask.direction),
		.state = state,
		.sha256 = done ? done->sha256 : "",
		.format = r->ask.format,
		.channels = r->ask.stereo ? 2 : 1,
		.started_ms = r->started_ms,
		.ended_ms = r->ended_ms,
	};

	if (done) {
		row.duration_ms = done->duration_ms;
		row.lost_ms = done->lost_ms;
		row.bytes = done->bytes;
	}
	recordings_keep(r->recordings, &row);
}

/* --- the end --- */

static void release(struct recording *r)
{
	arena_free(&r->arena);
	free(r);
}

static const char *judge(struct recording *r, const struct recorder_result *result, char why[160])
{
	if (result->err) {
		r->outcome = OP_FAILED;
		snprintf(why, 160, "the recording could not be written: %s", strerror(result->err));
		r->why = why;
		return "error";
	}
	if (result->end != RECORDER_NO_INPUT)
		return "finished";
	r->outcome = OP_FAILED;
	snprintf(why, 160, "nobody spoke within %.3g s", (double)r->ask.initial_ms / 1000);
	r->why = why;
	return "no_input";
}

static void closed(void *arg, const struct recorder_result *result)
{
	struct recording *r = arg;
	char why[160];
	const char *state = judge(r, result, why);
	struct op_result done = { .outcome = r->outcome, .why = r->why };

	if (result->err)
		log_printf(LOG_ERROR, r->call_id, "%s", r->why);
	if (result->lost_ms)
		log_printf(LOG_WARN, r->call_id, "the disk was too slow: %llu ms of recording %s are silence",
			   (unsigned long long)result->lost_ms, r->id);
	tell(r, state, result, "");
	keep(r, state, result);
	background_remove(&r->background);
	if (call_is_held(&r->hold))
		call_let_go(r->call, &r->hold);
	op_finish(&r->op, &done);
	release(r);
}

static void finish(struct recording *r, enum op_outcome outcome, const char *why)
{
	if (r->state == RECORDING_CLOSES)
		return;
	r->state = RECORDING_CLOSES;
	r->outcome = outcome;
	r->why = why;
	r->ended_ms = loop_wall_ms(recordings_loop(r->recordings));
	loop_timer_stop(recordings_loop(r->recordings), &r->later);
	call_play_control(r->call, &r->beep, PORT_STOP, 0);
	call_play_forget(&r->beep);
	call_unwatch_keys(&r->keys);
	call_unwatch(&r->watch);
	call_unlisten(r->call, &r->listening);
	call_listen_forget(&r->listening);
	recorder_close(r->recorder, closed, r);
}

static void caller_closed(void *arg, struct call *c)
{
	finish(arg, OP_GONE, "the call ended");
}

static const struct call_watcher watcher = { .closed = caller_closed };

static void detached(void *arg, struct sink *s)
{
	struct recording *r = arg;

	s->ops->free(s);
	if (recorder_has_ended(r->recorder))
		finish(r, OP_DONE, "the recording ended by itself");
	else
		finish(r, OP_GONE, "the audio of the call ended");
}

static void disk_failed(void *arg, int err)
{
	finish(arg, OP_FAILED, "the recording could not be written");
}

static const struct recorder_handlers recorder_handlers = { .failed = disk_failed };

static bool pressed(void *arg, char key)
{
	struct recording *r = arg;

	if (r->state != RECORDING_RUNS || !strchr(r->ask.terminators, key))
		return false;
	finish(r, OP_DONE, "a key ended the recording");
	return true;
}

static void stop(struct op *o)
{
	finish((struct recording *)(void *)o, OP_STOPPED, "the recording was stopped");
}

static const struct op_ops ops = { .stop = stop };

/* --- the beginning --- */

static void begin(struct recording *r)
{
	struct sink *sink = recorder_lend(r->recorder);

	r->listening.detached = detached;
	r->listening.arg = r;
	if (call_listen(r->call, &r->listening, sink)) {
		sink->ops->free(sink);
		finish(r, OP_FAILED, "the call has no audio");
		return;
	}
	r->state = RECORDING_RUNS;
	r->started_ms = loop_wall_ms(recordings_loop(r->recordings));
	keep(r, "recording", NULL);
	tell(r, "recording", NULL, "");
}

static void beeped(void *arg, enum port_played how)
{
	begin(arg);
}

static bool beep(struct recording *r)
{
	struct clip *clip = NULL;
	struct source *source = recorder_beep(&clip) ? NULL : source_clip(clip);

	clip_unref(&clip);
	r->beep.played = beeped;
	r->beep.arg = r;
	return source && !call_play(r->call, &r->beep, source, 1);
}

/* Nothing is told inside recording_start(). */
static void started(void *arg)
{
	struct recording *r = arg;

	if (r->ask.beep && beep(r))
		r->state = RECORDING_BEEPS;
	else
		begin(r);
}

/* Telephone speech needs no more. */
static uint32_t rate_of(const struct call *c)
{
	struct codec_list codecs = { .count = 0 };

	bridge_codec(c, &codecs);
	return codecs.count && codec_get(codecs.items[0])->sample_hz == NARROW_HZ ? NARROW_HZ : WIDE_HZ;
}

static int copy_texts(struct recording *r, const struct recording_ask *ask, const struct call_info *info)
{
	struct loop *l = recordings_loop(r->recordings);
	struct buf url;

	str_uuid(r->id, loop_random(l), loop_random(l));
	str_uuid(r->control_id, loop_random(l), loop_random(l));
	buf_init(&url, 0);
	recordings_url(r->recordings, &url, r->id, ask->format);
	r->url = url.failed ? NULL : str_dup(r->arena, buf_view(&url));
	buf_free(&url);
	r->call_id = str_dup(r->arena, str_of(info->id));
	r->ask.control_id = ask->control_id ? str_dup(r->arena, str_of(ask->control_id)) : r->control_id;
	r->ask.terminators = str_dup(r->arena, str_of(ask->terminators ? ask->terminators : ""));
	r->ask.status_url = str_dup(r->arena, str_of(ask->status_url));
	if (!r->url || !r->call_id || !r->ask.control_id || !r->ask.terminators)
		return ENOMEM;
	return ask->status_url && !r->ask.status_url ? ENOMEM : 0;
}

static int open_recorder(struct recording *r, const struct call *c)
{
	struct recorder_opts opts = {
		.loop = recordings_loop(r->recordings),
		.pool = recordings_pool(r->recordings),
		.format = r->ask.format,
		.wants = r->ask.direction,
		.stereo = r->ask.stereo,
		.rate_hz = rate_of(c),
		.sensitivity = r->ask.sensitivity,
		.initial_ms = r->ask.initial_ms,
		.end_ms = r->ask.end_ms,
		.max_ms = r->ask.max_ms,
		.handlers = &recorder_handlers,
		.arg = r,
	};
	struct buf path;
	int err;

	buf_init(&path, 0);
	recordings_path(r->recordings, &path, str_of(r->id), r->ask.format);
	opts.path = path.data;
	err = path.failed ? ENOMEM : recorder_new(&r->recorder, &opts);
	buf_free(&path);
	return err;
}

int recording_start(struct op **out, const struct recording_start *start, const struct recording_ask *ask)
{
	struct recording *r;
	struct call_info info;
	int err;

	call_get_info(start->call, &info);
	if (info.state == CALL_ENDED)
		return ENOTCONN;
	r = calloc(1, sizeof(*r));
	if (!r)
		return ENOMEM;
	r->op = (struct op){ .ops = &ops, .done = start->done, .arg = start->arg };
	r->recordings = start->recordings;
	r->ask = *ask;
	err = arena_new(&r->arena, 0, 0);
	if (!err)
		err = copy_texts(r, ask, &info);
	if (!err)
		err = open_recorder(r, start->call);
	if (err) {
		release(r);
		return err;
	}
	r->call = start->call;
	r->started_ms = loop_wall_ms(recordings_loop(r->recordings));
	call_hold(r->call, &r->hold);
	call_watch(r->call, &r->watch, &watcher, r);
	r->keys = (struct call_keys){ .pressed = pressed, .arg = r };
	call_watch_keys(r->call, &r->keys);
	if (ask->background) {
		r->background = (struct background){ .kind = "record", .control_id = r->ask.control_id, .op = &r->op };
		background_add(r->call, &r->background);
	}
	loop_timer_start(recordings_loop(r->recordings), &r->later, 0, started, r);
	*out = &r->op;
	return 0;
}

/* --- while it runs --- */

static const struct recording *recording_of(const struct op *o)
{
	return (const struct recording *)(const void *)o;
}

const char *recording_url(const struct op *o)
{
	return recording_of(o)->url;
}

const char *recording_control_id(const struct op *o)
{
	return recording_of(o)->ask.control_id;
}

void recording_pause(struct op *o, bool skip)
{
	struct recording *r = (struct recording *)(void *)o;

	if (r->state == RECORDING_CLOSES)
		return;
	recorder_pause(r->recorder, skip ? RECORDER_SKIPS : RECORDER_SILENT);
	tell(r, "paused", NULL, skip ? ",\"pause_behavior\":\"skip\"" : ",\"pause_behavior\":\"silence\"");
}

void recording_resume(struct op *o)
{
	struct recording *r = (struct recording *)(void *)o;

	if (r->state == RECORDING_CLOSES)
		return;
	recorder_pause(r->recorder, RECORDER_RUNS);
	tell(r, "recording", NULL, "");
}

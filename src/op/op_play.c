#include "op/op_play.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/loop.h"
#include "call/call_media.h"
#include "media/clip.h"
#include "media/player.h"
#include "media/source.h"
#include "op/op_impl.h"
#include "op/sound.h"

enum item_state {
	ITEM_IDLE,
	ITEM_COMING, /* sound_get() is under way */
	ITEM_READY,
	ITEM_FAILED,
};

struct item {
	struct play *owner;
	const char *text;
	struct sound_uri uri;
	enum item_state state;
	uint64_t id;       /* of sound_get() */
	struct clip *clip; /* NULL unless it is one */
};

struct play {
	struct op op;
	struct arena *arena; /* of the request */
	struct call *call;
	struct loop *loop;
	struct sounds *sounds;
	struct call_watch watch;
	struct loop_timer later;
	struct play_request request;
	char control_id[37];
	float gain;
	struct call_playing playing;
	bool playing_now; /* playing is the item at `at` */
	bool heard, paused, stopped;
	bool round_heard; /* since the list began anew */
	enum op_outcome outcome;
	size_t at, left_out;
	char why[320]; /* of the first that was left out */
	size_t count;
	struct item items[];
};

static void advance(struct play *p);

static struct play *play_of(struct op *o)
{
	return (struct play *)(void *)o;
}

/* --- what is told --- */

static void tell(struct play *p, const char *state, bool final)
{
	struct call_operation o = { .type = "calling.call.play",
				    .state = state,
				    .control_id = p->control_id,
				    .params = STR(""),
				    .final = final,
				    .hook = p->request.status_url };
	struct buf params;

	if (p->request.quiet)
		return;
	buf_init(&params, 0);
	if (final && p->why[0]) {
		buf_cstr(&params, "\"error\":");
		buf_json(&params, str_of(p->why));
		o.params = params.failed ? STR("") : buf_view(&params);
	}
	call_emit_operation(p->call, &o);
	buf_free(&params);
}

static void leave_out(struct item *i, const char *why)
{
	struct play *p = i->owner;
	char name[120];

	i->state = ITEM_FAILED;
	p->left_out++;
	if (p->why[0])
		return;
	sound_uri_print(name, str_of(i->text));
	snprintf(p->why, sizeof(p->why), "%s cannot be played: %s", name, why);
}

/* --- the end --- */

static void play_free(struct play *p)
{
	call_unwatch(&p->watch);
	call_play_forget(&p->playing);
	loop_timer_stop(p->loop, &p->later);
	for (size_t i = 0; i < p->count; i++) {
		if (p->items[i].state == ITEM_COMING)
			sound_cancel(p->sounds, p->items[i].id);
		clip_unref(&p->items[i].clip);
	}
	arena_free(&p->arena);
	free(p);
}

/* done() is the last that sees the op. */
static void finish(struct play *p, enum op_outcome outcome)
{
	bool failed = outcome == OP_FAILED || (outcome == OP_DONE && p->left_out);
	char why[sizeof(p->why)];
	struct op_result r = { .outcome = failed ? OP_FAILED : outcome, .why = why };

	if (!failed)
		p->why[0] = '\0';
	str_copy(why, sizeof(why), failed ? str_of(p->why) : STR("played"));
	tell(p, failed ? "error" : "finished", true);
	op_finish(&p->op, &r);
	play_free(p);
}

static void finish_later(void *arg)
{
	struct play *p = arg;

	finish(p, p->outcome);
}

static void end_later(struct play *p, enum op_outcome outcome)
{
	p->stopped = true;
	p->outcome = outcome;
	loop_timer_start(p->loop, &p->later, 0, finish_later, p);
}

static void call_closed(void *arg, struct call *c)
{
	struct play *p = arg;

	p->left_out = 0; /* nobody is left to miss it */
	finish(p, OP_GONE);
}

static void call_reoffered(void *arg, struct call *c, int status)
{
}

static const struct call_watcher watcher = { .closed = call_closed, .reoffered = call_reoffered };

/* --- sounds --- */

static void came(void *arg, struct clip *clip, const char *why)
{
	struct item *i = arg;

	if (clip) {
		i->clip = clip_ref(clip);
		i->state = ITEM_READY;
	} else {
		leave_out(i, why);
	}
	advance(i->owner);
}

static void prepare(struct item *i)
{
	struct play *p = i->owner;
	const struct play_request *r = &p->request;
	struct sound_request ask = { .voice = r->voice, .language = r->language, .gender = r->gender };
	const char *fault;

	if (i->state != ITEM_IDLE)
		return;
	fault = r->own ? sound_uri_parse_own(&i->uri, str_of(i->text)) : sound_uri_parse(&i->uri, str_of(i->text));
	if (fault) {
		leave_out(i, fault);
	} else if (i->uri.kind == SOUND_SILENCE || i->uri.kind == SOUND_RING) {
		i->state = ITEM_READY;
	} else {
		ask.uri = i->uri;
		i->state = ITEM_COMING;
		if (sound_get(p->sounds, &ask, came, i, &i->id))
			leave_out(i, "out of memory");
	}
}

static void played(void *arg, enum port_played how)
{
	struct play *p = arg;

	p->playing_now = false;
	if (how == PORT_GONE) /* the end of the call follows */
		return;
	if (!p->request.loops)
		clip_unref(&p->items[p->at].clip);
	p->at++;
	advance(p);
}

static void begin_item(struct play *p, struct item *i)
{
	struct source *s = sound_source(&i->uri, i->clip);
	int err;

	if (s && p->request.loops && p->count == 1) /* without a gap between the rounds */
		s = source_list(&s, 1, 0);
	p->playing.played = played;
	p->playing.arg = p;
	if (!s)
		err = ENOMEM;
	else if (p->request.fills)
		err = call_fill(p->call, &p->playing, s, p->gain);
	else
		err = call_play(p->call, &p->playing, s, p->gain);
	if (err) {
		leave_out(i, err == ENOTCONN ? "the call has no audio" : "out of memory");
		return;
	}
	p->playing_now = p->round_heard = true;
	if (!p->heard)
		tell(p, "playing", false);
	p->heard = true;
}

/* A list that loops begins anew; one of which nothing can be had must not turn for ever. */
static bool next_round(struct play *p)
{
	if (!p->request.loops || !p->round_heard)
		return false;
	p->at = 0;
	p->round_heard = false;
	return true;
}

static void advance(struct play *p)
{
	while (!p->stopped && !p->playing_now) {
		struct item *i;

		if (p->at == p->count && !next_round(p)) {
			end_later(p, OP_DONE);
			return;
		}
		i = &p->items[p->at];
		prepare(i);
		if (i->state == ITEM_COMING || (i->state == ITEM_READY && p->paused))
			return;
		if (i->state == ITEM_READY)
			begin_item(p, i);
		if (i->state == ITEM_FAILED)
			p->at++;
	}
	if (!p->stopped && p->at + 1 < p->count)
		prepare(&p->items[p->at + 1]);
}

/* Its first turn. The first sound is asked for before the 200 goes out. */
static void begin(void *arg)
{
	struct play *p = arg;
	int err = 0;

	prepare(&p->items[0]);
	if (!call_can_hear(p->call))
		err = p->request.answer ? call_answer(p->call, NULL) : call_early(p->call, NULL);
	if (err && p->request.answer) {
		p->stopped = true; /* the call ends, and says so */
		return;
	}
	if (err) {
		snprintf(p->why, sizeof(p->why), "the caller cannot be given early media");
		end_later(p, OP_FAILED);
		return;
	}
	advance(p);
}

/* --- commands --- */

static void stop(struct op *o)
{
	struct play *p = play_of(o);

	call_play_control(p->call, &p->playing, PORT_STOP, 0);
	call_play_forget(&p->playing);
	end_later(p, OP_STOPPED);
}

static const struct op_ops ops = { .stop = stop };

void op_play_pause(struct op *o)
{
	struct play *p = play_of(o);

	if (p->paused || p->stopped)
		return;
	p->paused = true;
	call_play_control(p->call, &p->playing, PORT_PAUSE, 0);
	tell(p, "paused", false);
}

void op_play_resume(struct op *o)
{
	struct play *p = play_of(o);

	if (!p->paused || p->stopped)
		return;
	p->paused = false;
	tell(p, "playing", false);
	p->heard = true;
	if (p->playing_now)
		call_play_control(p->call, &p->playing, PORT_RESUME, 0);
	else if (!p->later.active)
		advance(p);
}

static float gain_of(double db)
{
	if (!(db >= -PLAY_MAX_DB)) /* also what is no number */
		db = -PLAY_MAX_DB;
	return (float)pow(10, (db < PLAY_MAX_DB ? db : PLAY_MAX_DB) / 20);
}

void op_play_volume(struct op *o, double db)
{
	struct play *p = play_of(o);

	p->gain = gain_of(db);
	call_play_control(p->call, &p->playing, PORT_GAIN, p->gain);
}

const char *op_play_control_id(const struct op *o)
{
	return ((const struct play *)(const void *)o)->control_id;
}

/* --- the beginning --- */

static const char *copy(struct play *p, const char *text, bool *failed)
{
	const char *out = text ? str_dup(p->arena, str_of(text)) : NULL;

	*failed = *failed || (text && !out);
	return out;
}

static int copy_request(struct play *p, const struct play_request *r)
{
	bool failed = arena_new(&p->arena, 0, 0) != 0;

	if (failed)
		return ENOMEM;
	p->request = *r;
	p->request.voice = copy(p, r->voice, &failed);
	p->request.language = copy(p, r->language, &failed);
	p->request.gender = copy(p, r->gender, &failed);
	p->request.status_url = copy(p, r->status_url, &failed);
	for (size_t i = 0; i < r->count; i++) {
		p->items[i].owner = p;
		p->items[i].text = copy(p, r->uris[i], &failed);
	}
	p->request.uris = NULL; /* the items have them */
	p->request.control_id = NULL;
	if (r->control_id)
		str_copy(p->control_id, sizeof(p->control_id), str_of(r->control_id));
	else
		str_uuid(p->control_id, loop_random(p->loop), loop_random(p->loop));
	p->gain = gain_of(r->volume_db);
	return failed ? ENOMEM : 0;
}

int op_play_start(struct op **out, const struct op_start *start, const struct play_request *r)
{
	struct call_info info;
	struct play *p;
	int err;

	call_get_info(start->call, &info);
	if (info.state == CALL_ENDED)
		return ENOTCONN;
	if (!r->count || r->count > PLAY_MAX_SOUNDS)
		return EINVAL;
	p = calloc(1, sizeof(*p) + r->count * sizeof(p->items[0]));
	if (!p)
		return ENOMEM;
	p->op = (struct op){ .ops = &ops, .done = start->done, .arg = start->arg };
	p->call = start->call;
	p->loop = call_loop(p->call);
	p->sounds = start->sounds;
	p->count = r->count;
	err = copy_request(p, r);
	if (err) {
		play_free(p);
		return err;
	}
	call_watch(p->call, &p->watch, &watcher, p);
	loop_timer_start(p->loop, &p->later, 0, begin, p);
	*out = &p->op;
	return 0;
}

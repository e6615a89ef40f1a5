#include "op/op_collect.h"

#include <errno.h>
#include <stdlib.h>

#include "base/loop.h"
#include "call/call_media.h"
#include "op/hearing.h"
#include "op/op_impl.h"

struct collect {
	struct op op;
	struct call *call;
	struct loop *loop;
	struct call_watch watch;
	struct call_keys keys;
	struct digits *digits;
	struct op *play;         /* NULL = silent, or not yet */
	struct loop_timer timer; /* the start, then the next deadline, then the end */
	struct hearing *hearing; /* NULL = not, or over */
	bool barged_in, ended;
	bool speaks;     /* and its end, or what it meant, is waited for */
	bool understood; /* speech and confidence say what */
	bool misheard;   /* the recognizer failed */
	char *speech;
	double confidence;
	enum op_outcome outcome; /* once ended */
	char *status_url;
	char control_id[64];
	char why[320]; /* what could not be played or understood */
};

/* --- the end --- */

static enum collect_kind kind_of(const struct collect *c)
{
	if (c->misheard)
		return COLLECT_ERROR;
	if (c->understood)
		return c->speech && *c->speech ? COLLECT_SPEECH : COLLECT_NO_MATCH;
	if (*digits_text(c->digits))
		return COLLECT_DIGITS;
	return digits_terminator(c->digits) ? COLLECT_NO_MATCH : COLLECT_NO_INPUT;
}

static const char *type_name(enum collect_kind kind)
{
	switch (kind) {
	case COLLECT_DIGITS:
		return "digit";
	case COLLECT_NO_INPUT:
		return "no_input";
	case COLLECT_SPEECH:
		return "speech";
	case COLLECT_ERROR:
		return "error";
	case COLLECT_NO_MATCH:
		break;
	}
	return "no_match";
}

static void print_speech(struct buf *out, const struct collect *c)
{
	buf_cstr(out, ",\"params\":{\"text\":");
	buf_json(out, str_of(c->speech));
	if (c->confidence >= 0)
		buf_printf(out, ",\"confidence\":%.3g", c->confidence);
	buf_char(out, '}');
}

static void tell(struct collect *c)
{
	struct call_operation o = {
		.type = "calling.call.collect", .control_id = c->control_id, .final = true, .hook = c->status_url
	};
	const char terminator[] = { digits_terminator(c->digits), '\0' };
	struct buf params;

	buf_init(&params, 0);
	if (c->outcome != OP_DONE) {
		buf_cstr(&params, "\"result\":{\"type\":\"finished\"}");
	} else {
		buf_printf(&params, "\"result\":{\"type\":\"%s\"", type_name(kind_of(c)));
		if (kind_of(c) == COLLECT_DIGITS)
			buf_printf(&params, ",\"params\":{\"digits\":\"%s\",\"terminator\":\"%s\"}",
				   digits_text(c->digits), terminator);
		if (kind_of(c) == COLLECT_SPEECH)
			print_speech(&params, c);
		buf_char(&params, '}');
	}
	buf_cstr(&params, ",\"final\":true");
	o.params = params.failed ? STR("") : buf_view(&params);
	call_emit_operation(c->call, &o);
	buf_free(&params);
}

static void collect_free(struct collect *c)
{
	call_unwatch(&c->watch);
	call_unwatch_keys(&c->keys);
	loop_timer_stop(c->loop, &c->timer);
	hearing_stop(&c->hearing);
	digits_free(&c->digits);
	free(c->speech);
	free(c->status_url);
	free(c);
}

static void finish(struct collect *c)
{
	const struct collect_result result = {
		.kind = kind_of(c),
		.digits = digits_text(c->digits),
		.terminator = digits_terminator(c->digits),
		.speech = c->speech ? c->speech : "",
		.confidence = c->confidence,
	};
	const struct op_result r = { .outcome = c->outcome, .why = c->why, .collect = &result };

	tell(c);
	call_unwatch_keys(&c->keys);
	op_finish(&c->op, &r);
	collect_free(c);
}

static void finish_later(void *arg)
{
	finish(arg);
}

/* What still plays is stopped first: its end is ours. */
static void end(struct collect *c, enum op_outcome outcome)
{
	if (c->ended)
		return;
	c->ended = true;
	c->outcome = outcome;
	hearing_stop(&c->hearing);
	loop_timer_stop(c->loop, &c->timer);
	if (!c->play)
		loop_timer_start(c->loop, &c->timer, 0, finish_later, c);
	else if (!c->barged_in)
		op_stop(c->play);
}

/* The call can be named now and no longer. A play that watches it too is told by itself. */
static void call_closed(void *arg, struct call *call)
{
	struct collect *c = arg;

	loop_timer_stop(c->loop, &c->timer);
	hearing_stop(&c->hearing);
	c->ended = true;
	c->outcome = OP_GONE;
	if (!c->play)
		finish(c);
}

static void call_reoffered(void *arg, struct call *call, int status)
{
}

static const struct call_watcher watcher = { .closed = call_closed, .reoffered = call_reoffered };

/* --- keys and time --- */

static void on_deadline(void *arg);

static void advance(struct collect *c, enum digits_state state)
{
	uint64_t now_ms = loop_now_ms(c->loop), due_ms = digits_deadline(c->digits);

	if (state != DIGITS_OPEN)
		end(c, OP_DONE);
	else if (due_ms && !c->speaks) /* what is being said is as good as a key */
		loop_timer_start(c->loop, &c->timer, due_ms > now_ms ? due_ms - now_ms : 0, on_deadline, c);
}

static void on_deadline(void *arg)
{
	struct collect *c = arg;

	advance(c, digits_tick(c->digits, loop_now_ms(c->loop)));
}

/* What the party does is more than what it is told. */
static void barge_in(struct collect *c)
{
	if (c->ended || !c->play || c->barged_in)
		return;
	c->barged_in = true;
	op_stop(c->play);
}

static bool pressed(void *arg, char key)
{
	struct collect *c = arg;
	enum digits_state state;

	if (c->ended)
		return false;
	hearing_stop(&c->hearing);
	c->speaks = false;
	state = digits_key(c->digits, key, loop_now_ms(c->loop));
	advance(c, state);
	barge_in(c);
	return true;
}

/* --- speech --- */

static void began_to_speak(void *arg)
{
	struct collect *c = arg;

	c->speaks = true;
	loop_timer_stop(c->loop, &c->timer);
	barge_in(c);
}

static void heard(void *arg, const struct recognize_result *r)
{
	struct collect *c = arg;

	c->speech = r->why ? NULL : str_heap(str_of(r->text));
	c->misheard = r->why || !c->speech;
	c->understood = !c->misheard;
	c->confidence = r->confidence;
	if (c->misheard)
		str_copy(c->why, sizeof(c->why), str_of(r->why ? r->why : "out of memory"));
	end(c, OP_DONE);
}

static int hear(struct collect *c, const struct collect_speech *s)
{
	const struct hearing_opts o = {
		.call = c->call,
		.recognizer = s->recognizer,
		.end_ms = s->end_ms,
		.max_ms = s->max_ms,
		.language = s->language,
		.hints = s->hints,
		.hint_count = s->hint_count,
		.began = began_to_speak,
		.heard = heard,
		.arg = c,
	};

	return hearing_start(&c->hearing, &o);
}

/* --- sounds --- */

static void await(struct collect *c)
{
	digits_listen(c->digits, loop_now_ms(c->loop));
	advance(c, DIGITS_OPEN);
}

static void play_done(void *arg, const struct op_result *r)
{
	struct collect *c = arg;

	c->play = NULL;
	if (r->outcome == OP_FAILED)
		str_copy(c->why, sizeof(c->why), str_of(r->why));
	if (c->ended)
		finish(c);
	else if (r->outcome != OP_GONE) /* else the call tells us next */
		await(c);
}

static void begin(void *arg)
{
	struct collect *c = arg;

	/* Without an answer the call ends, and says so. */
	if (!call_answer(c->call, NULL))
		await(c);
}

/* --- the beginning --- */

static void stop(struct op *o)
{
	end((struct collect *)(void *)o, OP_STOPPED);
}

static const struct op_ops ops = { .stop = stop };

static int play(struct collect *c, const struct op_start *start, const struct play_request *r)
{
	struct play_request quiet = *r;
	struct op_start under = { .call = start->call, .sounds = start->sounds, .done = play_done, .arg = c };

	quiet.quiet = quiet.answer = true;
	quiet.loops = false;
	return op_play_start(&c->play, &under, &quiet);
}

static int prepare(struct collect *c, const struct op_start *start, const struct collect_request *r)
{
	int err = digits_new(&c->digits, &r->rules);

	if (!err && r->status_url) {
		c->status_url = str_heap(str_of(r->status_url));
		err = c->status_url ? 0 : ENOMEM;
	}
	if (r->control_id)
		str_copy(c->control_id, sizeof(c->control_id), str_of(r->control_id));
	else
		str_uuid(c->control_id, loop_random(c->loop), loop_random(c->loop));
	if (!err && r->speech)
		err = hear(c, r->speech);
	if (!err && r->play)
		err = play(c, start, r->play);
	else if (!err)
		loop_timer_start(c->loop, &c->timer, 0, begin, c);
	return err;
}

int op_collect_start(struct op **out, const struct op_start *start, const struct collect_request *r)
{
	struct collect *c;
	struct call_info info;
	int err;

	call_get_info(start->call, &info);
	if (info.state == CALL_ENDED)
		return ENOTCONN;
	c = calloc(1, sizeof(*c));
	if (!c)
		return ENOMEM;
	c->op = (struct op){ .ops = &ops, .done = start->done, .arg = start->arg };
	c->call = start->call;
	c->loop = call_loop(c->call);
	c->confidence = -1;
	err = prepare(c, start, r);
	if (err) {
		collect_free(c);
		return err;
	}
	c->keys.pressed = pressed;
	c->keys.arg = c;
	if (!r->no_digits)
		call_watch_keys(c->call, &c->keys);
	call_watch(c->call, &c->watch, &watcher, c);
	*out = &c->op;
	return 0;
}

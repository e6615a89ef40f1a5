/* script_world: what stands in for calls and operations under a script: each writes down what it was asked for and does what the
 * test says. It defines functions of the server, so a program includes it once. */
#ifndef SCRIPT_WORLD_H
#define SCRIPT_WORLD_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/pool.h"
#include "call/call_media.h"
#include "call/step.h"
#include "dialect/fetch.h"
#include "dialect/script.h"
#include "op/op.h"
#include "op/op_background.h"
#include "op/op_collect.h"
#include "op/op_detect.h"
#include "op/op_play.h"
#include "op/op_record.h"
#include "op/op_send.h"
#include "op/op_stream.h"
#include "op/op_tap.h"
#include "op/refer.h"
#include "check.h"

struct outcome { /* of the connects, in order */
	enum op_outcome outcome;
	enum cause cause;
	uint32_t ms;
};

struct call {
	struct loop *loop;
	struct call_info info;
	struct buf log; /* "answer; warn code@line; connect TO,TO; hangup cause" */
	char why[200];
	const struct call_controller *controller;
	void *arg;
	struct loop_timer end;
	bool hung_up, closed;
	const struct outcome *outcomes;
	size_t outcome_count, connects;
	int answer_error, refer_error, denoise_error;
	struct op *background, *tap, *stream;
	unsigned steps, wants_steps;
	struct buf told; /* steps, a line each */
};

struct op {
	struct call *call;
	struct loop_timer timer;
	struct outcome outcome;
	struct collect_result collected;
	op_done_fn *done;
	void (*tapping)(void *arg, struct op *o);
	void *arg;
};

static void note(struct call *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void note(struct call *c, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_printf(&c->log, "%s%s", c->log.len ? "; " : "", text);
}

void call_get_info(const struct call *c, struct call_info *out)
{
	*out = c->info;
}

struct loop *call_loop(const struct call *c)
{
	return c->loop;
}

void call_control(struct call *c, const struct call_controller *controller, void *arg)
{
	c->controller = controller;
	c->arg = arg;
}

void *call_controlled_by(const struct call *c, const struct call_controller *controller)
{
	return c->controller == controller ? c->arg : NULL;
}

bool call_is_answered(const struct call *c)
{
	return c->info.state == CALL_ANSWERED;
}

static void end(void *arg)
{
	struct call *c = arg;

	c->closed = true;
	if (c->controller)
		c->controller->closed(c->arg, c);
}

static void begin_end(struct call *c)
{
	c->info.state = CALL_ENDED;
	c->hung_up = true;
	loop_timer_start(c->loop, &c->end, 0, end, c);
}

int call_answer(struct call *c, const struct codec_list *prefer)
{
	note(c, "answer");
	for (uint8_t i = 0; prefer && i < prefer->count; i++)
		buf_printf(&c->log, " %s", codec_get(prefer->items[i])->name);
	if (c->answer_error) {
		begin_end(c);
		return c->answer_error;
	}
	c->info.state = CALL_ANSWERED;
	return 0;
}

int call_credentials(struct call *c, const char *username, const char *password)
{
	note(c, "credentials %s %s", username, password);
	return strchr(password, '\n') ? EINVAL : 0;
}

void call_hangup(struct call *c, enum cause cause, const char *by, const char *why)
{
	CHECK(!c->hung_up); /* once is enough */
	CHECK_STR("document", by);
	note(c, "hangup %s", cause_name(cause));
	snprintf(c->why, sizeof(c->why), "%s", why);
	begin_end(c);
}

void call_warn(struct call *c, const char *code, uint32_t line, uint32_t col, const char *fmt, ...)
{
	note(c, "warn %s@%u", code, line);
}

void call_note(struct call *c, const char *fmt, ...)
{
}

void call_emit(struct call *c, enum event_type type, const struct event_field *fields, size_t count)
{
	note(c, "%s", event_name(type));
	for (size_t i = 0; i < count; i++)
		buf_printf(&c->log, " %.*s", STR_ARG(fields[i].value));
}

unsigned call_wants_steps(const struct call *c)
{
	return c->wants_steps;
}

/* "step METHOD@LINE ARGS sets VARS", "done …", "document BYTES" */
void call_tell_step(struct call *c, unsigned wants, const struct call_step *st)
{
	static const char *const names[] = { "step", "done", "document", "skipped" };

	CHECK_INT(wants, c->wants_steps);
	CHECK(st->line || st->kind >= CALL_STEP_DOCUMENT);
	c->steps += st->kind == CALL_STEP_BEGUN;
	buf_printf(&c->told, "%s ", names[st->kind]);
	if (st->method.n)
		buf_printf(&c->told, "%.*s@%u", STR_ARG(st->method), st->line);
	if (st->waited && st->kind == CALL_STEP_DONE)
		buf_printf(&c->told, " %llu ms", (unsigned long long)st->ms);
	if (st->count)
		buf_printf(&c->told, "%u", st->count);
	if (st->args.n)
		buf_printf(&c->told, " %.*s", STR_ARG(st->args));
	if (st->vars.n)
		buf_printf(&c->told, " sets %.*s", STR_ARG(st->vars));
	buf_char(&c->told, '\n');
}

/* Of a connect that is refused before it begins. */
void call_emit_to(struct call *c, const char *hook, enum event_type type, const struct event_field *fields,
		  size_t count)
{
	CHECK_INT(EVENT_FAILED, type);
	CHECK_INT(2, count);
	note(c, "failed %s to %s", fields[0].value.p, hook);
}

static void op_over(void *arg)
{
	struct op *o = arg;
	struct op_result r = { .outcome = o->outcome.outcome, .cause = o->outcome.cause, .why = "as the test wants" };
	struct collect_result collected = o->collected;

	if (collected.digits) {
		r.collect = &collected;
		r.why = "";
	}
	o->done(o->arg, &r);
	free(o);
}

int connect_start(struct op **out, const struct op_start *start, struct plan *plan)
{
	static const struct outcome busy = { OP_FAILED, CAUSE_BUSY, 10 };
	struct op *o = calloc(1, sizeof(*o));
	struct call *caller = start->call;
	size_t n = caller->connects++;

	CHECK(!plan_fault(plan));
	note(caller, "connect");
	for (size_t i = 0; i < plan_target_count(plan); i++)
		buf_printf(&caller->log, "%c%s", i ? ',' : ' ', plan_target(plan, i)->address);
	plan_free(&plan);
	o->call = caller;
	o->outcome = n < caller->outcome_count ? caller->outcomes[n] : busy;
	o->done = start->done;
	o->arg = start->arg;
	if (!caller->info.inbound) {
		free(o);
		return ENOTCONN;
	}
	loop_timer_start(caller->loop, &o->timer, o->outcome.ms, op_over, o);
	*out = o;
	return 0;
}

static void refer_is_over(void *arg)
{
	struct op *o = arg;
	const bool good = o->outcome.outcome == OP_DONE;
	const struct op_result r = { .outcome = o->outcome.outcome,
				     .sip_status = 202,
				     .notify_status = good ? 200 : 486,
				     .why = "as the test wants" };
	op_done_fn *done = o->done;

	arg = o->arg;
	free(o);
	done(arg, &r);
}

int refer_start(struct op **out, struct call *c, const struct refer_params *p, op_done_fn *done, void *arg)
{
	struct op *o;

	note(c, "refer %s %s %s %s", p->to.to, p->to.username ? p->to.username : "-",
	     p->to.password ? p->to.password : "-", p->status_url ? p->status_url : "-");
	if (c->refer_error == ENOTCONN)
		begin_end(c);
	if (c->refer_error)
		return c->refer_error;
	o = calloc(1, sizeof(*o));
	o->call = c;
	o->outcome = c->outcomes[0];
	o->done = done;
	o->arg = arg;
	loop_timer_start(c->loop, &o->timer, o->outcome.ms, refer_is_over, o);
	*out = o;
	return 0;
}

/* "play URI,URI [early] [-6 dB] [voice] [to URL]"; a sound "say:nothing" fails, "say:gone" takes the call with it. */
int op_play_start(struct op **out, const struct op_start *start, const struct play_request *r)
{
	struct call *c = start->call;
	struct op *o = calloc(1, sizeof(*o));

	note(c, "play");
	for (size_t i = 0; i < r->count; i++)
		buf_printf(&c->log, "%c%s", i ? ',' : ' ', r->uris[i]);
	if (!r->answer)
		buf_cstr(&c->log, " early");
	if (r->volume_db != 0)
		buf_printf(&c->log, " %g dB", r->volume_db);
	if (r->voice || r->language || r->gender)
		buf_printf(&c->log, " %s/%s/%s", r->voice ? r->voice : "", r->language ? r->language : "",
			   r->gender ? r->gender : "");
	if (r->status_url)
		buf_printf(&c->log, " to %s", r->status_url);
	CHECK(!r->quiet && !r->loops && !r->control_id);
	if (!strcmp(r->uris[0], "say:late")) {
		begin_end(c);
		free(o);
		return ENOTCONN;
	}
	o->call = c;
	o->done = start->done;
	o->arg = start->arg;
	o->outcome = (struct outcome){ OP_DONE, CAUSE_NONE, 500 };
	if (!strcmp(r->uris[0], "say:nothing"))
		o->outcome.outcome = OP_FAILED;
	if (!strcmp(r->uris[0], "say:gone")) {
		o->outcome.outcome = OP_GONE;
		begin_end(c);
		o->outcome.ms = 0;
	}
	loop_timer_start(c->loop, &o->timer, o->outcome.ms, op_over, o);
	*out = o;
	return 0;
}

/* --- recordings --- */

int recording_start(struct op **out, const struct recording_start *start, const struct recording_ask *ask)
{
	struct op *o = calloc(1, sizeof(*o));

	note(start->call, "%s %s%s%s '%s' %u %u %llu", ask->background ? "record_call" : "record",
	     ask->direction == SINK_BOTH    ? "both"
	     : ask->direction == SINK_HEARD ? "listen"
					    : "speak",
	     ask->stereo ? " stereo" : "", ask->format == RECORDER_MP3 ? " mp3" : "", ask->terminators, ask->initial_ms,
	     ask->end_ms, (unsigned long long)ask->max_ms);
	o->call = start->call;
	o->outcome = (struct outcome){ ask->initial_ms == 1 ? OP_FAILED : OP_DONE, CAUSE_NONE, 10 };
	o->done = start->done;
	o->arg = start->arg;
	if (ask->background)
		start->call->background = o;
	else
		loop_timer_start(start->call->loop, &o->timer, o->outcome.ms, op_over, o);
	*out = o;
	return 0;
}

const char *recording_url(const struct op *o)
{
	return "url-1";
}

const char *recording_control_id(const struct op *o)
{
	return "control-1";
}

struct op *background_find(struct call *c, const char *kind, struct str control_id)
{
	struct op *o = str_is(str_of(kind), "tap")      ? c->tap
		       : str_is(str_of(kind), "stream") ? c->stream
							: c->background;

	if (!strcmp(kind, "detect"))
		return NULL;
	CHECK(!strcmp(kind, "tap") || !strcmp(kind, "stream") || !strcmp(kind, "record"));
	return !control_id.n || str_is(control_id, "control-1") ? o : NULL;
}

/* --- taps: to rtp://fails: it never stands; rtp://gone: the call ends meanwhile --- */

static void tap_stands(void *arg)
{
	struct op *o = arg;

	o->tapping(o->arg, o);
}

int tap_start(struct op **out, const struct tap_start *start, const struct tap_ask *ask)
{
	struct op *o = calloc(1, sizeof(*o));
	const bool fails = strstr(ask->uri, "fails"), gone = strstr(ask->uri, "gone");

	note(start->call, "tap %s %s %s %s %u%s%s", ask->uri, ask->control_id ? ask->control_id : "-",
	     ask->direction == SINK_BOTH    ? "both"
	     : ask->direction == SINK_HEARD ? "listen"
					    : "speak",
	     ask->codec == CODEC_PCMA ? "PCMA" : "PCMU", ask->packet_ms, ask->status_url ? " to " : "",
	     ask->status_url ? ask->status_url : "");
	o->call = start->call;
	o->done = start->done;
	o->arg = start->arg;
	o->tapping = start->tapping;
	if (gone)
		begin_end(start->call);
	o->outcome = (struct outcome){ gone ? OP_GONE : fails ? OP_FAILED : OP_DONE, CAUSE_NONE, gone ? 0 : 10 };
	if (!fails && !gone)
		start->call->tap = o;
	loop_timer_start(start->call->loop, &o->timer, o->outcome.ms, fails || gone ? op_over : tap_stands, o);
	*out = o;
	return 0;
}

void tap_get_facts(const struct op *o, struct tap_facts *out)
{
	*out = (struct tap_facts){
		.uri = "bare", .control_id = "control-1", .codec = "PCMA", .rtp = true, .packet_ms = 30, .rate_hz = 8000
	};
	addr_parse(&out->source, STR("192.0.2.1"), 4000);
}

/* --- streams: likewise, wss://fails and wss://gone --- */

int stream_start(struct op **out, const struct stream_start *start, const struct stream_ask *ask)
{
	const bool fails = strstr(ask->url, "fails"), gone = strstr(ask->url, "gone");
	struct op *o;

	if (ask->control_id && !strcmp(ask->control_id, "twice"))
		return EEXIST;
	o = calloc(1, sizeof(*o));
	note(start->call, "stream %s %s %s %d %s %u/%u %s%s%s", ask->url, ask->control_id ? ask->control_id : "-",
	     ask->name ? ask->name : "-", ask->tracks, codec_get(ask->format.codec)->name, ask->format.rate_hz,
	     ask->format.packet_ms, ask->bearer ? ask->bearer : "-",
	     ask->status_url ? ask->status_get ? " get " : " to " : "", ask->status_url ? ask->status_url : "");
	for (size_t i = 0; i < ask->parameter_count; i++)
		note(start->call, "%.*s=%.*s", STR_ARG(ask->parameters[i].name), STR_ARG(ask->parameters[i].value));
	o->call = start->call;
	o->done = start->done;
	o->arg = start->arg;
	o->tapping = start->streaming;
	if (gone)
		begin_end(start->call);
	o->outcome = (struct outcome){ gone ? OP_GONE : fails ? OP_FAILED : OP_DONE, CAUSE_NONE, gone ? 0 : 10 };
	if (!fails && !gone)
		start->call->stream = o;
	loop_timer_start(start->call->loop, &o->timer, o->outcome.ms, fails || gone ? op_over : tap_stands, o);
	*out = o;
	return 0;
}

const char *stream_control_id(const struct op *o)
{
	return "control-2";
}

void op_follow(struct op *o, op_done_fn *done, void *arg)
{
	o->done = done;
	o->arg = arg;
}

void op_stop(struct op *o)
{
	note(o->call, "stop");
	if (o == o->call->tap)
		o->call->tap = NULL;
	if (o == o->call->stream)
		o->call->stream = NULL;
	else
		o->call->background = NULL;
	loop_timer_start(o->call->loop, &o->timer, o->outcome.ms, op_over, o);
}

int call_denoise(struct call *c, bool on)
{
	note(c, "denoise %s", on ? "on" : "off");
	return c->denoise_error;
}

static struct op *new_op(const struct op_start *start, enum op_outcome outcome)
{
	struct op *o = calloc(1, sizeof(*o));

	*o = (struct op){
		.call = start->call, .outcome = { outcome, CAUSE_NONE, 500 }, .done = start->done, .arg = start->arg
	};
	if (outcome == OP_GONE) {
		begin_end(start->call);
		o->outcome.ms = 0;
	}
	loop_timer_start(start->call->loop, &o->timer, o->outcome.ms, op_over, o);
	return o;
}

/* "detect [amd] [CED] FIRST/END/READY VOICE WORDS TIMEOUT [end] [interruptions] [beside] [to URL]"; a time-out of 1 ms fails, one of 2
 * takes the call with it. */
int detection_start(struct op **out, const struct op_start *start, const struct detection_ask *ask)
{
	static const char *const tones[] = { "", " CED", " CNG" };
	const struct detect_rules *r = &ask->what.rules;

	note(start->call, "detect%s%s %u/%u/%u %u %u %u%s%s%s%s%s", ask->what.machine ? " amd" : "",
	     tones[ask->what.tone], r->initial_ms, r->end_ms, r->ready_ms, r->voice_ms, r->words, ask->timeout_ms,
	     r->greeting_end ? " end" : "", r->interruptions ? " interruptions" : "", ask->background ? " beside" : "",
	     ask->status_url ? " to " : "", ask->status_url ? ask->status_url : "");
	*out = new_op(start, ask->timeout_ms == 1 ? OP_FAILED : ask->timeout_ms == 2 ? OP_GONE : OP_DONE);
	return 0;
}

struct detection_result detection_result(const struct op *o)
{
	return (struct detection_result){ o->outcome.outcome == OP_FAILED ? "error" : "machine", true, 1234 };
}

/* "collect MAX [TERMINATORS] FIRST/NEXT [URI,URI] [to URL]"; the terminators say what comes: none = 42, # = 42#, * = nothing,
 * A = nothing but it, D = the party hangs up. */
int op_collect_start(struct op **out, const struct op_start *start, const struct collect_request *r)
{
	static const struct {
		const char *terminators;
		enum op_outcome outcome;
		struct collect_result result;
	} rows[] = {
		{ "", OP_DONE, { COLLECT_DIGITS, "42", '\0', "", -1 } },
		{ "#", OP_DONE, { COLLECT_DIGITS, "42", '#', "", -1 } },
		{ "*", OP_DONE, { COLLECT_NO_INPUT, "", '\0', "", -1 } },
		{ "A", OP_DONE, { COLLECT_NO_MATCH, "", 'A', "", -1 } },
		{ "0", OP_DONE, { COLLECT_SPEECH, "", '\0', "yes", 0.875 } },
		{ "1", OP_DONE, { COLLECT_SPEECH, "", '\0', "no", -1 } },
		{ "2", OP_DONE, { COLLECT_ERROR, "", '\0', "", -1 } },
		{ "D", OP_GONE, { COLLECT_NO_INPUT, "", '\0', "", -1 } },
	};
	struct call *c = start->call;

	note(c, "collect %zu %s %u/%u", r->rules.max, r->rules.terminators, r->rules.first_ms, r->rules.next_ms);
	for (size_t i = 0; r->play && i < r->play->count; i++)
		buf_printf(&c->log, "%c%s", i ? ',' : ' ', r->play->uris[i]);
	if (r->status_url)
		buf_printf(&c->log, " to %s", r->status_url);
	if (r->no_digits)
		buf_cstr(&c->log, " no keys");
	if (r->speech)
		buf_printf(&c->log, " hears %u/%u %s", r->speech->end_ms, r->speech->max_ms,
			   r->speech->language ? r->speech->language : "-");
	for (size_t i = 0; r->speech && i < r->speech->hint_count; i++)
		buf_printf(&c->log, "%c%s", i ? ',' : ' ', r->speech->hints[i]);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].terminators, r->rules.terminators))
			continue;
		*out = new_op(start, rows[i].outcome);
		(*out)->collected = rows[i].result;
		return 0;
	}
	return ENOMEM;
}

bool op_send_ok(const char *text)
{
	return !strchr(text, 'x');
}

int op_send_start(struct op **out, const struct op_start *start, const char *text)
{
	note(start->call, "send %s", text);
	if (!op_send_ok(text))
		return EINVAL;
	*out = new_op(start, strchr(text, 'D') ? OP_FAILED : strchr(text, 'C') ? OP_GONE : OP_DONE);
	return 0;
}

/* --- a world --- */

struct world {
	struct loop *loop;
	struct pool *pool;
	struct fetch *fetch;
	struct call call;
	struct script_env env;
	char path[40];
};

static struct recognizer *recognizer; /* of the scripts, NULL = none */

static inline void open_world(struct world *w)
{
	static const char *const envs[] = { "OFFICE", "sip:office@h", NULL };
	static const struct call_header headers[] = { { "X-Tenant", "7" } };

	memset(w, 0, sizeof(*w));
	CHECK_INT(0, loop_new(&w->loop, true, 1));
	CHECK_INT(0, pool_new(&w->pool, w->loop, 0));
	CHECK_INT(0, fetch_new(&w->fetch, w->loop, w->pool));
	w->call.loop = w->loop;
	w->call.info = (struct call_info){ .id = "id-1",
					   .segment_id = "seg-1",
					   .inbound = true,
					   .type = "phone",
					   .from = "+15550001111",
					   .to = "+15550002222",
					   .from_name = "",
					   .headers = headers,
					   .header_count = 1 };
	w->env = (struct script_env){ .fetch = w->fetch, .envs = envs, .country = "1", .recognizer = recognizer };
	strcpy(w->path, "/tmp/test_script.XXXXXX");
}

static inline void close_world(struct world *w)
{
	CHECK(w->call.closed);
	CHECK_INT(0, loop_timer_count(w->loop));
	buf_free(&w->call.log);
	buf_free(&w->call.told);
	fetch_free(&w->fetch);
	pool_free(&w->pool);
	loop_free(&w->loop);
	unlink(w->path);
}

static inline void start(struct world *w, const char *text)
{
	int fd = mkstemp(w->path);
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;

	CHECK(f);
	if (f) {
		fputs(text, f);
		fclose(f);
	}
	CHECK_INT(0, script_start(&w->call, &w->env, w->path));
}

/* Run a document to its end. */
static inline void run(struct world *w, const char *text)
{
	start(w, text);
	while (loop_turn(w->loop))
		;
}

static inline const char *story(const struct world *w)
{
	return w->call.log.len ? w->call.log.data : "";
}

struct row {
	const char *text, *want;
};

static inline void tell(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct world w;

		open_world(&w);
		run(&w, rows[i].text);
		if (strcmp(rows[i].want, story(&w)))
			fprintf(stderr, "%s\n", rows[i].text);
		CHECK_STR(rows[i].want, story(&w));
		close_world(&w);
	}
}

/* A SIP address made from a value is how the tests below look at variables. */
#define SHOW(value) "connect: 'sip:" value "@h'"

#endif

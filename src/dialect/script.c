#include "dialect/script_impl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "call/route.h"

enum { TURN_STEPS = 100, TURN_WORK_BYTES = 64 * 1024 };

static void turn(void *arg);

/* --- life --- */

static void pop(struct script *s)
{
	struct frame *f = &s->frames[--s->frame_count];

	s->depth -= f->executed;
	arena_free(&f->arena);
	document_drop(f->document);
	free(f->leave_to);
	free(f->jumps);
}

void script_drop_below(struct script *s)
{
	struct frame top;

	if (!s->frame_count)
		return;
	top = s->frames[--s->frame_count];
	while (s->frame_count)
		pop(s);
	s->frames[s->frame_count++] = top;
}

void script_free(struct script *s)
{
	script_detect_leave(s);
	while (s->frame_count)
		pop(s);
	free(s->frames);
	arena_free(&s->scratch);
	arena_free(&s->going.arena);
	script_trace_free(&s->trace);
	vars_free(&s->vars);
	document_drop(s->document);
	arena_free(&s->own);
	if (s->next)
		script_free(s->next);
	free(s->after_bridge);
	free(s->run);
	free(s);
}

static void closed(void *arg, struct call *c)
{
	struct script *s = arg;

	loop_timer_stop(s->loop, &s->turn);
	loop_timer_stop(s->loop, &s->limit);
	if (s->state == SCRIPT_FETCHING)
		fetch_cancel(s->fetch, s->fetch_id);
	script_request_cancel(s);
	s->state = SCRIPT_ENDING;
	s->closed = true;
	if (!s->op) /* else its done() comes, and is the last */
		script_free(s);
}

static const struct call_controller controller = { .closed = closed };

struct arena *script_scratch(struct script *s)
{
	if (!s->scratch)
		arena_new(&s->scratch, 0, 0); /* on error it stays NULL */
	return s->scratch;
}

void script_warn(struct script *s, const char *code, const struct doc *at, const char *fmt, ...)
{
	char text[240];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (++s->warned <= SCRIPT_MAX_WARNINGS) {
		script_trace_flush(s);
		call_warn(s->call, code, at ? at->line : 0, at ? at->col : 0, "%s", text);
	} else if (s->warned == SCRIPT_MAX_WARNINGS + 1) {
		call_warn(s->call, code, 0, 0,
			  "more than %d warnings: the others, until the document waits, are left out",
			  SCRIPT_MAX_WARNINGS);
	}
	snprintf(s->error, sizeof(s->error), "relay_script_%s", code);
}

void script_settle_error(struct script *s)
{
	if (!s->error[0])
		return;
	vars_set_text(s->vars, "script_error", str_of(s->error)); /* no room: the warning alone has to do */
	s->error[0] = '\0';
}

/* What swml.c finds wrong when it runs. */
static void note(void *arg, const struct swml_issue *i)
{
	struct doc at = { .line = i->line, .col = i->col };

	script_warn(arg, str_is(str_of(i->code), SWML_NOT_YET) ? "method_execute_failed" : i->code, &at, "%s", i->text);
}

void script_wait_for_end(struct script *s)
{
	if (s->state == SCRIPT_FETCHING)
		fetch_cancel(s->fetch, s->fetch_id);
	script_request_cancel(s);
	s->state = SCRIPT_ENDING;
	script_trace_end(s);
	loop_timer_stop(s->loop, &s->turn);
	loop_timer_stop(s->loop, &s->limit);
}

void script_hangup(struct script *s, enum cause cause, const char *why)
{
	if (s->run) {
		script_run_over(s, cause == CAUSE_ERROR ? RUN_FAILED : RUN_REFUSED, why);
		return;
	}
	script_wait_for_end(s);
	call_hangup(s->call, cause, "document", why);
}

void script_fail(struct script *s, const char *why)
{
	script_hangup(s, CAUSE_ERROR, why);
}

/* The document is at its end. What a never answered caller hears is the last connect's failure. */
static void finish(struct script *s)
{
	enum cause cause = s->failed && !call_is_answered(s->call) ? s->failed : CAUSE_HANGUP;
	char why[80] = "the document ended";

	if (s->run) {
		script_run_over(s, RUN_ENDED, why);
		return;
	}
	if (cause != CAUSE_HANGUP)
		snprintf(why, sizeof(why), "the document ended after a failed connect: %s", cause_name(cause));
	script_hangup(s, cause, why);
}

/* --- frames --- */

static struct frame *push(struct script *s, const struct doc *steps)
{
	size_t room = s->frame_room ? 2 * s->frame_room : 4;
	struct frame *f = s->frames;
	bool single;

	if (s->frame_count == s->frame_room) {
		f = realloc(f, room * sizeof(*f));
		if (!f) {
			script_fail(s, "no memory for the document");
			return NULL;
		}
		s->frames = f;
		s->frame_room = room;
	}
	f = &s->frames[s->frame_count++];
	*f = (struct frame){ .steps = steps, .next = swml_first_step(steps, &single) };
	return f;
}

void script_enter_block(struct script *s, const struct doc *d)
{
	if (d && d->type != DOC_NULL && s->state != SCRIPT_ENDING)
		push(s, d);
}

void script_enter_leave(struct script *s, const struct doc *connect, char *dest)
{
	struct frame *f = push(s, connect);

	if (!f) {
		free(dest);
		return;
	}
	f->next = NULL;
	f->leave_to = dest;
}

struct frame *script_section(struct script *s)
{
	for (size_t i = s->frame_count; i > 0; i--)
		if (s->frames[i - 1].is_section)
			return &s->frames[i - 1];
	return NULL;
}

static void use_params(struct script *s)
{
	const struct frame *f = script_section(s);

	vars_params(s->vars, f ? f->params : NULL);
}

/* Parameters made of parameters double with each execute: all that are alive have one limit. */
static size_t params_room(const struct script *s)
{
	size_t used = 0;

	for (size_t i = 0; i < s->frame_count; i++)
		used += s->frames[i].arena ? arena_used(s->frames[i].arena) : 0;
	return used < VARS_MAX_BYTES ? VARS_MAX_BYTES - used : 1;
}

const struct doc *script_copy_params(struct script *s, struct arena **a, const struct doc *params)
{
	struct doc *map = arena_new(a, 0, params_room(s)) ? NULL : doc_copy(*a, params);

	if (!map) {
		script_warn(s, "method_execute_failed", params, "the parameters become larger than 1 MiB");
		script_fail(s, "the parameters of the document became larger than 1 MiB");
	}
	for (struct doc *d = map ? map->child : NULL; d; d = d->next)
		if (d->type == DOC_INT || d->type == DOC_REAL)
			d->type = DOC_STR;
	return map;
}

void script_enter_section(struct script *s, const struct doc *section, const struct doc *params,
			  const struct frame *like)
{
	const struct frame *current = script_section(s);
	struct document *d = like->document ? like->document : current->document;
	struct frame *f = push(s, section);

	if (!f)
		return;
	f->is_section = true;
	f->document = document_use(d);
	f->name = section->key;
	f->executed = like->executed;
	f->on_return = like->on_return;
	f->result = like->result;
	s->depth += f->executed;
	if (params && params->type == DOC_MAP && params->count)
		f->params = script_copy_params(s, &f->arena, params);
	use_params(s);
}

/* Leave the section on top; behind the execute, on_return runs first, then result. */
static void leave_section(struct script *s)
{
	struct frame left = s->frames[s->frame_count - 1], *f;

	pop(s);
	use_params(s);
	if (!left.executed)
		return;
	if (left.result) {
		f = push(s, left.result);
		if (!f)
			return;
		f->next = NULL;
		f->is_choice = true;
	}
	script_enter_block(s, left.on_return);
}

void script_return(struct script *s)
{
	while (s->frame_count && !s->frames[s->frame_count - 1].executed)
		pop(s);
	if (s->frame_count)
		leave_section(s);
}

bool script_hop(struct script *s, const struct doc *at)
{
	if (++s->hops <= SCRIPT_MAX_HOPS)
		return true;
	script_warn(s, "too_many_transfers", at, "more than %d transfers and gotos without waiting in between",
		    SCRIPT_MAX_HOPS);
	script_fail(s, "the document jumped around without end");
	return false;
}

static bool is_label(const struct doc *step, struct str name)
{
	const struct doc *value = step->type == DOC_MAP ? step->child : NULL;

	if (!value || !str_is(value->key, "label"))
		return false;
	if (value->type == DOC_MAP)
		value = swml_arg(value, "label");
	return value && str_eq(value->text, name);
}

bool script_jump(struct script *s, struct str label)
{
	for (size_t i = s->frame_count; i > 0; i--) {
		struct frame *f = &s->frames[i - 1];
		bool single;
		const struct doc *d = swml_first_step(f->steps, &single);

		for (; d; d = single ? NULL : d->next) {
			if (!is_label(d, label))
				continue;
			while (s->frame_count > i)
				pop(s);
			f->next = single ? NULL : d->next;
			return true;
		}
		if (f->is_section)
			return false;
	}
	return false;
}

/* --- turns --- */

/* Take the next step off the frames; at the end of one, leave it. NULL: a frame was left, or none is there. */
static const struct doc *next_step(struct script *s)
{
	struct frame *f = &s->frames[s->frame_count - 1];
	const struct doc *step = f->next;

	if (step) {
		f->next = f->steps->type == DOC_LIST ? step->next : NULL;
		return step;
	}
	if (f->leave_to) {
		script_leave_bridge(s);
		return NULL;
	}
	if (!f->is_section) {
		struct frame left = *f;

		pop(s);
		if (left.is_choice)
			script_choose(s, left.steps, "return_value");
		return NULL;
	}
	if (f->executed)
		vars_unset(s->vars, STR("return_value")); /* it returned, and with nothing */
	leave_section(s);
	return NULL;
}

static bool is_endless(struct script *s, const struct doc *step)
{
	if (++s->unwaited <= SCRIPT_MAX_UNWAITED)
		return false;
	s->warned = 0; /* why it ends is told in any case */
	script_warn(s, "method_execute_failed", step, "%d steps without waiting in between", SCRIPT_MAX_UNWAITED);
	script_fail(s, "the document ran without end");
	return true;
}

static uint64_t work_of(const struct script *s)
{
	return vars_work(s->vars) + s->work;
}

static void turn(void *arg)
{
	struct script *s = arg;
	uint64_t work = work_of(s);

	s->state = SCRIPT_RUNNING;
	script_trace_waited(s);
	for (unsigned i = 0; i < TURN_STEPS && work_of(s) - work < TURN_WORK_BYTES; i++) {
		const struct doc *step = s->frame_count ? next_step(s) : NULL;

		vars_begin_step(s->vars);
		if (step && !is_endless(s, step))
			script_step(s, step);
		script_settle_error(s);
		script_trace_flush(s);
		arena_free(&s->scratch);
		if (s->state != SCRIPT_RUNNING)
			return;
		if (!s->frame_count) {
			finish(s);
			return;
		}
	}
	loop_timer_start_slice(s->loop, &s->turn, turn, s);
}

/* It waited, so it may get in line behind those that have work to do, too. */
static void awake(void *arg)
{
	struct script *s = arg;

	loop_timer_start_slice(s->loop, &s->turn, turn, s);
}

static void waited(struct script *s)
{
	s->state = SCRIPT_WAITING;
	s->hops = 0;
	s->unwaited = 0;
	s->warned = 0;
	vars_begin_step(s->vars); /* for the result of what it waits for */
}

void script_sleep(struct script *s, uint64_t ms)
{
	waited(s);
	if (ms != UINT64_MAX)
		loop_timer_start(s->loop, &s->turn, ms, awake, s);
}

void script_wait_for_op(struct script *s, struct op *op)
{
	waited(s);
	s->op = op;
}

/* Of a script that is given up: the one behind it begins. */
static void hand_over(struct script *s)
{
	struct script *next = s->next;

	s->next = NULL;
	script_free(s);
	call_control(next->call, &controller, next);
	if (script_begin(next))
		script_fail(next, "no memory for the document");
}

bool script_op_done(struct script *s)
{
	s->op = NULL;
	if (s->closed) {
		script_free(s);
		return false;
	}
	if (s->next) {
		hand_over(s);
		return false;
	}
	return s->state == SCRIPT_WAITING;
}

void script_go_on(struct script *s)
{
	turn(s);
}

/* --- start --- */

static void given(void *arg)
{
	struct script *s = arg;
	struct document *d = s->document;

	s->document = NULL;
	script_enter_document(s, d);
}

static const struct doc *call_value(void *arg, struct arena *a, struct str name)
{
	const struct script *s = arg;

	return call_vars(s->call, &s->ids, a, name);
}

static uint64_t wall_ms(void *arg)
{
	const struct script *s = arg;

	return loop_wall_ms(s->loop);
}

static uint64_t random_bits(void *arg)
{
	struct script *s = arg;

	return loop_random(s->loop);
}

/* The script's own variables of the environment, and those of the configuration that they do not hide. */
static const char *const *join_envs(struct arena *a, const char *const *own, const char *const *others)
{
	size_t count = 1, n = 0;
	const char **out;

	for (const char *const *e = own; e[0]; e += 2)
		count += 2;
	for (const char *const *e = others; e && e[0]; e += 2)
		count += 2;
	out = arena_alloc(a, count * sizeof(*out));
	for (const char *const *e = own; out && e[0]; e += 2) {
		out[n++] = str_dup(a, str_of(e[0]));
		out[n++] = str_dup(a, str_of(e[1]));
		if (!out[n - 2] || !out[n - 1])
			return NULL;
	}
	for (const char *const *e = others; out && e && e[0]; e += 2) {
		const char *const *hides = own;

		while (hides[0] && strcmp(hides[0], e[0]) != 0)
			hides += 2;
		if (hides[0])
			continue;
		out[n++] = e[0];
		out[n++] = e[1];
	}
	if (out)
		out[n] = NULL;
	return out;
}

/* *to holds a copy of text in the arena. 0 or ENOMEM. */
static int keep(struct arena *a, const char **to, const char *text)
{
	*to = text ? str_dup(a, str_of(text)) : NULL;
	return text && !*to ? ENOMEM : 0;
}

int script_new(struct script **out, struct call *c, const struct script_env *env, const struct script_start *how)
{
	struct script *s = calloc(1, sizeof(*s));
	struct vars_source source = { .envs = env->envs,
				      .call = call_value,
				      .changed = script_trace_variable,
				      .wall_ms = wall_ms,
				      .random = random_bits,
				      .arg = s };
	int err;

	if (!s)
		return ENOMEM;
	s->call = c;
	s->loop = call_loop(c);
	s->fetch = env->fetch;
	s->sounds = env->sounds;
	s->recordings = env->recordings;
	s->recognizer = env->recognizer;
	s->taps = env->taps;
	s->ids = env->ids;
	s->country = env->country ? env->country : "";
	s->report = (struct swml_report){ .note = note, .arg = s };
	s->document = how->document ? document_use(how->document) : NULL;
	s->start = *how;
	err = how->envs ? arena_new(&s->own, 0, 0) : 0;
	if (!err && how->envs) {
		source.envs = join_envs(s->own, how->envs, env->envs);
		err = source.envs ? 0 : ENOMEM;
	}
	s->env = *env;
	s->env.envs = source.envs;
	if (!err)
		err = vars_new(&s->vars, &source);
	if (err)
		script_free(s);
	else
		*out = s;
	return err;
}

int script_begin(struct script *s)
{
	const struct fetch_request first = { .location = s->start.location,
					     .method = s->start.method,
					     .fallback = s->start.fallback };

	if (!s->document)
		return script_fetch(s, &first);
	s->state = SCRIPT_WAITING;
	loop_timer_start(s->loop, &s->turn, 0, given, s);
	return 0;
}

int script_start_as(struct call *c, const struct script_env *env, const struct script_start *how)
{
	struct script *s;
	int err = script_new(&s, c, env, how);

	if (err)
		return err;
	err = script_begin(s);
	if (err) {
		script_free(s);
		return err;
	}
	call_control(c, &controller, s);
	return 0;
}

int script_start(struct call *c, const struct script_env *env, const char *location)
{
	return script_start_as(c, env, &(struct script_start){ .location = location });
}

int script_start_route(struct call *c, const struct script_env *env, const struct route *r)
{
	const struct script_start how = { .location = r->url ? r->url : r->swml,
					  .method = r->method,
					  .fallback = r->fallback };

	return script_start_as(c, env, &how);
}

int script_start_document(struct call *c, const struct script_env *env, struct document *d)
{
	return script_start_as(c, env, &(struct script_start){ .document = d });
}

/* What it begins with must live until then. */
static int keep_start(struct script *s)
{
	struct script_start *how = &s->start;
	int err = s->own ? 0 : arena_new(&s->own, 0, 0);

	if (!err)
		err = keep(s->own, &how->location, how->location);
	if (!err)
		err = keep(s->own, &how->method, how->method);
	if (!err)
		err = keep(s->own, &how->fallback, how->fallback);
	return err;
}

int script_replace(struct call *c, const struct script_env *env, const struct script_start *how)
{
	struct script *old = call_controlled_by(c, &controller), *s;
	int err;

	if (!old)
		return ENOENT;
	if (old->state == SCRIPT_ENDING && !old->next)
		return ESHUTDOWN;
	err = script_new(&s, c, env, how);
	if (err)
		return err;
	err = keep_start(s);
	if (err) {
		script_free(s);
		return err;
	}
	script_wait_for_end(old);
	if (old->next)
		script_free(old->next);
	old->next = s;
	if (old->op)
		op_stop(old->op);
	else
		hand_over(old);
	return 0;
}

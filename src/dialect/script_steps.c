#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "dialect/script_impl.h"
#include "op/refer.h"

static const char BAD_VALUE[] = "method_parameter_invalid_value";
enum { ANSWER_S = 14400, MAX_JUMPS = 100 };

static void no_memory(struct script *s, const struct doc *at)
{
	script_warn(s, "internal_error", at, "no memory for this step");
	script_fail(s, "no memory for the document");
}

static void report_note(struct script *s, const struct doc *at, const struct vars_note *n)
{
	if (n->set)
		script_warn(s, "js_eval_error", at, "at character %u: %s", n->col, n->message);
}

/* d with its references replaced. NULL on no memory, which ends the script. */
static const struct doc *expand(struct script *s, const struct doc *d)
{
	struct vars_note n = { .set = false };
	struct arena *a = vars_referenced(d) ? script_scratch(s) : NULL;
	const struct doc *out = d;

	if (vars_referenced(d))
		out = a ? vars_expand(s->vars, a, d, &n) : NULL;
	report_note(s, d, &n);
	if (!out)
		no_memory(s, d);
	return out;
}

/* Copy a value into the variables. False: the script has ended. */
static bool assign(struct script *s, const struct doc *at, struct str name, const struct doc *value)
{
	int err = vars_set(s->vars, name, value);

	if (err == EINVAL)
		script_warn(s, BAD_VALUE, at, "\"%.*s\" cannot be set", STR_ARG(name));
	if (err == ENOMEM)
		no_memory(s, at);
	if (err == EFBIG) {
		script_warn(s, "method_execute_failed", at, "the variables become larger than 1 MiB");
		script_fail(s, "the variables of the document became larger than 1 MiB");
	}
	return !err || err == EINVAL;
}

static void assign_text(struct script *s, const char *name, const char *text)
{
	if (vars_set_text(s->vars, name, str_of(text)) == EFBIG)
		script_fail(s, "the variables of the document became larger than 1 MiB");
}

/* --- choices --- */

static bool is_true(struct script *s, const struct doc *when)
{
	struct vars_note n = { .set = false };
	struct arena *a = script_scratch(s);
	bool yes = a && vars_when(s->vars, a, when->text, &n);

	report_note(s, when, &n);
	return yes && !n.set;
}

static void cond(struct script *s, const struct doc *list)
{
	if (!list || list->type != DOC_LIST) {
		if (list)
			script_warn(s, BAD_VALUE, list, "cond is a list of branches");
		return;
	}
	for (const struct doc *d = list->child; d; d = d->next) {
		const struct doc *when = swml_arg(d, "when"), *otherwise = doc_get(d, "else");

		if (when && is_true(s, when)) {
			script_enter_block(s, doc_get(d, "then"));
			return;
		}
		if (otherwise) {
			script_enter_block(s, otherwise);
			return;
		}
		if (!when)
			script_warn(s, BAD_VALUE, d, "a branch of cond has when and then, or else");
	}
}

/* name, path, expression, or one of these in ${}. Nothing = the empty text. */
static struct str switch_value(struct script *s, const struct doc *variable, const char *otherwise)
{
	struct str text = variable ? str_trim(variable->text) : str_of(otherwise), body, value;
	struct vars_note n = { .set = false };
	struct arena *a = script_scratch(s);
	size_t at = 0, from;

	if (!a)
		return STR("");
	if (vars_next(text, &at, &from, &body) && from == 0 && at == text.n)
		text = body;
	value = vars_text(a, vars_eval(s->vars, a, text, &n));
	if (variable)
		report_note(s, variable, &n);
	return value.p ? value : STR("");
}

static void choose_case(struct script *s, const struct doc *at, const struct doc *cases, struct str value)
{
	const struct doc *otherwise = doc_get(at, "default");

	for (const struct doc *d = cases ? cases->child : NULL; d; d = d->next)
		if (str_eq(d->key, value)) {
			script_enter_block(s, d);
			return;
		}
	if (otherwise)
		script_enter_block(s, otherwise);
	else
		script_warn(s, "method_no_matching_condition", at, "no case matches \"%.*s\" and there is no default",
			    (int)(value.n < 80 ? value.n : 80), value.p);
}

void script_choose(struct script *s, const struct doc *result, const char *variable)
{
	if (result->type == DOC_LIST)
		cond(s, result);
	else
		choose_case(s, result, swml_arg(result, "case"),
			    switch_value(s, swml_arg(result, "variable"), variable));
}

/* --- going elsewhere --- */

/* The section that dest names; NULL after a warning. */
static const struct doc *find_section(struct script *s, const struct doc *dest)
{
	const struct doc *sections = doc_get(script_section(s)->document->root, "sections"), *section = NULL;

	for (const struct doc *d = sections->child; d; d = d->next)
		if (str_eq(d->key, dest->text))
			section = d;
	if (!section)
		script_warn(s, "section_parameter_undefined", dest, "there is no section \"%.*s\"",
			    STR_ARG(dest->text));
	return section && swml_section_ok(section, &s->report) ? section : NULL;
}

/* Another document? Then it is on its way, or there was a warning. */
static bool goes_elsewhere(struct script *s, const struct doc *dest, const struct going *to)
{
	if (swml_is_section_name(dest->text))
		return false;
	if (str_starts(dest->text, "relay:"))
		script_warn(s, "method_execute_failed", dest, "relay: destinations are not in this version");
	else if (to->kind != GOING_TRANSFER || script_hop(s, to->at))
		script_go_elsewhere(s, to, dest->text);
	return true;
}

static void execute(struct script *s, const struct swml_step *st, const struct doc *args)
{
	const struct doc *dest = swml_arg(args, "dest"), *section;
	const struct going to = { .kind = GOING_EXECUTE,
				  .at = st->at,
				  .on_return = swml_raw_arg(st, "on_return"),
				  .result = swml_raw_arg(st, "result"),
				  .params = swml_arg(args, "params") };
	const struct frame like = { .executed = true, .on_return = to.on_return, .result = to.result };

	if (s->depth >= SCRIPT_MAX_DEPTH) {
		script_warn(s, "nested_too_deep", st->at, "more than %d sections inside each other", SCRIPT_MAX_DEPTH);
		script_fail(s, "the sections of the document are nested too deep");
		return;
	}
	if (goes_elsewhere(s, dest, &to))
		return;
	section = find_section(s, dest);
	if (section)
		script_enter_section(s, section, to.params, &like);
}

static void transfer(struct script *s, const struct swml_step *st, const struct doc *args)
{
	static const struct frame entry = { .executed = false };
	const struct doc *dest = swml_arg(args, "dest"), *section;
	const struct going to = { .kind = GOING_TRANSFER, .at = st->at, .params = swml_arg(args, "params") };

	if (goes_elsewhere(s, dest, &to))
		return;
	section = find_section(s, dest);
	if (!section || !script_hop(s, st->at))
		return;
	/* The parameters may be borrowed from those of the section that is left. */
	script_enter_section(s, section, to.params, &entry);
	script_drop_below(s);
}

static int64_t *jump_count(struct script *s, const struct doc *step)
{
	struct frame *f = script_section(s);
	struct jump *jumps;

	for (size_t i = 0; i < f->jump_count; i++)
		if (f->jumps[i].step == step)
			return &f->jumps[i].count;
	jumps = realloc(f->jumps, (f->jump_count + 1) * sizeof(*jumps));
	if (!jumps)
		return NULL;
	f->jumps = jumps;
	f->jumps[f->jump_count] = (struct jump){ .step = step };
	return &f->jumps[f->jump_count++].count;
}

static void go_to(struct script *s, const struct swml_step *st, const struct doc *args)
{
	const struct doc *when = swml_raw_arg(st, "when"), *max = swml_arg(args, "max");
	const struct doc *label = swml_arg(args, "label");
	int64_t limit = MAX_JUMPS, *count = jump_count(s, st->at);

	if (max)
		swml_int(max, &limit);
	if (!count) {
		no_memory(s, st->at);
		return;
	}
	if (*count >= limit || (when && !is_true(s, when)) || !script_hop(s, st->at))
		return;
	++*count;
	if (!script_jump(s, label->text))
		script_warn(s, BAD_VALUE, label, "there is no label \"%.*s\" in this section", STR_ARG(label->text));
}

static void go_back(struct script *s, const struct swml_step *st)
{
	const struct doc *value = st->value ? expand(s, st->value) : NULL;

	if (s->state == SCRIPT_ENDING)
		return;
	if (!value)
		vars_unset(s->vars, STR("return_value"));
	else if (!assign(s, st->at, STR("return_value"), value))
		return;
	script_return(s);
}

/* --- variables --- */

static void set(struct script *s, const struct swml_step *st)
{
	if (!st->value || st->value->type != DOC_MAP) {
		script_warn(s, BAD_VALUE, st->at, "set takes an object of names and values");
		return;
	}
	for (const struct doc *d = st->value->child; d; d = d->next) {
		const struct doc *value = expand(s, d);

		if (!value || !assign(s, d, d->key, value))
			return;
	}
}

static void unset(struct script *s, const struct swml_step *st)
{
	const struct doc *names = st->value ? expand(s, st->value) : NULL;

	if (!st->value)
		script_warn(s, "method_parameter_missing", st->at, "unset needs the name of a variable");
	if (!names)
		return;
	if (names->type != DOC_LIST)
		vars_unset(s->vars, names->text);
	for (const struct doc *d = names->child; d; d = d->next)
		vars_unset(s->vars, d->text);
}

/* --- the call --- */

struct unknown_codec {
	struct script *script;
	const struct doc *at;
};

static void unknown_codec(void *arg, struct str name)
{
	const struct unknown_codec *u = arg;

	if (!codec_is_foreign(name))
		script_warn(u->script, BAD_VALUE, u->at, "codecs: there is no codec \"%.*s\", it is left out",
			    STR_ARG(name));
}

static void preferred_codecs(struct script *s, struct codec_list *out, const struct doc *codecs)
{
	struct unknown_codec u = { s, codecs };
	struct codec_list one;

	if (codecs->type != DOC_LIST) {
		codec_list_parse(out, codecs->text, unknown_codec, &u);
		return;
	}
	for (const struct doc *d = codecs->child; d; d = d->next) {
		codec_list_parse(&one, d->text, unknown_codec, &u);
		for (uint8_t i = 0; i < one.count; i++)
			codec_list_add(out, one.items[i]);
	}
}

static void over_limit(void *arg)
{
	script_hangup(arg, CAUSE_HANGUP, "max_duration of answer is over");
}

/* Of answer: what a challenge to our own requests in this call is answered with. */
static void use_credentials(struct script *s, const struct swml_step *st, const struct doc *args)
{
	const char *username = script_arg_text(args, "username", ""), *password = script_arg_text(args, "password", "");

	if (!*username && !*password)
		return;
	if (!*username || !*password)
		script_warn(s, BAD_VALUE, st->at, "username and password go together: they are left out");
	else if (call_credentials(s->call, username, password) == EINVAL)
		script_warn(s, BAD_VALUE, st->at, "username or password with control characters: they are left out");
}

static void answer(struct script *s, const struct swml_step *st, const struct doc *args)
{
	const struct doc *codecs = swml_arg(args, "codecs"), *max = swml_arg(args, "max_duration");
	struct codec_list prefer = { .count = 0 };
	int64_t limit_s = ANSWER_S;

	if (call_is_answered(s->call))
		return;
	if (codecs)
		preferred_codecs(s, &prefer, codecs);
	if (call_answer(s->call, prefer.count ? &prefer : NULL)) {
		script_wait_for_end(s);
		return;
	}
	use_credentials(s, st, args);
	if (max)
		swml_int(max, &limit_s);
	loop_timer_start(s->loop, &s->limit, (uint64_t)limit_s * 1000, over_limit, s);
	assign_text(s, "answer_result", "success");
}

static void hang_up(struct script *s, const struct swml_step *st, const struct doc *args)
{
	const struct doc *reason = swml_arg(args, "reason");
	enum cause cause = CAUSE_HANGUP;

	if (reason && str_is(reason->text, "busy"))
		cause = CAUSE_BUSY;
	else if (reason && str_is(reason->text, "decline"))
		cause = CAUSE_DECLINED;
	script_hangup(s, cause, "the document hung up");
}

static void sleep_for(struct script *s, const struct swml_step *st, const struct doc *args)
{
	int64_t ms = -1;

	swml_int(swml_arg(args, "duration"), &ms);
	script_sleep(s, ms < 0 ? UINT64_MAX : (uint64_t)ms);
}

/* --- sip_refer --- */

static void assign_status(struct script *s, const char *name, unsigned status)
{
	char text[12] = "";

	if (status)
		snprintf(text, sizeof(text), "%u", status);
	assign_text(s, name, text);
}

static void refer_over(struct script *s, const struct op_result *r)
{
	const char *result = r->outcome == OP_DONE ? "success" : "failed";

	script_settle_error(s);
	assign_text(s, "sip_refer_result", result);
	assign_text(s, "return_value", result);
	assign_status(s, "sip_refer_response_code", r->sip_status);
	assign_status(s, "sip_refer_to_response_code", r->notify_status);
	script_settle_error(s);
}

static void refer_done(void *arg, const struct op_result *r)
{
	struct script *s = arg;

	if (!script_op_done(s))
		return;
	if (r->outcome == OP_GONE) {
		script_wait_for_end(s);
		return;
	}
	refer_over(s, r);
	if (s->state != SCRIPT_ENDING)
		script_go_on(s);
}

/* A copy in the memory of the step, NULL = not given. */
static const char *text_arg(struct script *s, const struct doc *args, const char *name)
{
	const struct doc *d = swml_arg(args, name);
	struct arena *a = d ? script_scratch(s) : NULL;

	return a ? str_dup(a, d->text) : NULL;
}

static void sip_refer(struct script *s, const struct swml_step *st, const struct doc *args)
{
	static const struct op_result failed = { .outcome = OP_FAILED };
	const struct refer_params p = {
		.to = { text_arg(s, args, "to_uri"), text_arg(s, args, "username"), text_arg(s, args, "password") },
		.status_url = text_arg(s, args, "status_url"),
	};
	struct op *op = NULL;
	int err = p.to.to ? refer_start(&op, s->call, &p, refer_done, s) : ENOMEM;

	assign_text(s, "sip_refer_to", p.to.to ? p.to.to : "");
	if (!err) {
		script_wait_for_op(s, op);
	} else if (err == ENOTCONN) {
		script_wait_for_end(s);
	} else {
		if (err == EINVAL && call_is_answered(s->call))
			script_warn(s, BAD_VALUE, st->at,
				    "to_uri must be a URI, of a SIP call that can be transferred");
		else
			script_warn(s, "method_execute_failed", st->at, "sip_refer: %s",
				    err == EINVAL ? "the call is not answered" : strerror(err));
		refer_over(s, &failed);
	}
}

/* --- all methods --- */

/* The arguments, ready for use. NULL when the step cannot run; what is fatal has ended the script. */
static const struct doc *arguments(struct script *s, const struct swml_step *st)
{
	bool plain = st->value && st->value->type == DOC_MAP && !vars_referenced(st->value);
	bool checks_itself = st->method->verb == SWML_CONNECT;
	struct vars_note n = { .set = false };
	const struct doc *args = plain ? st->value : NULL;
	struct arena *a = plain ? NULL : script_scratch(s);
	int err;

	if (a) {
		args = swml_args(a, st, &s->report);
		if (!args)
			return NULL;
		args = swml_args_expand(s->vars, a, args, st->method->params, &n);
		report_note(s, st->at, &n);
	}
	if (!args) {
		no_memory(s, st->at);
		return NULL;
	}
	if (checks_itself)
		return args;
	err = swml_args_check(args, st->method->params, &s->report);
	if (err == ENOENT && st->method->verb != SWML_LATER)
		script_fail(s, "a step of the document lacks a parameter");
	if (!err)
		swml_args_later(args, st->method->params, &s->report);
	return err ? NULL : args;
}

static void choose(struct script *s, const struct swml_step *st, const struct doc *args)
{
	choose_case(s, st->value, swml_raw_arg(st, "case"), switch_value(s, swml_raw_arg(st, "variable"), ""));
}

static void run_with_arguments(struct script *s, const struct swml_step *st)
{
	/* The others take no arguments. */
	static void (*const run[])(struct script * s, const struct swml_step *st, const struct doc *args) = {
		[SWML_ANSWER] = answer,
		[SWML_CONNECT] = script_connect,
		[SWML_DENOISE] = script_denoise,
		[SWML_DETECT_MACHINE] = script_detect_machine,
		[SWML_EXECUTE] = execute,
		[SWML_GOTO] = go_to,
		[SWML_HANGUP] = hang_up,
		[SWML_PLAY] = script_play,
		[SWML_PROMPT] = script_prompt,
		[SWML_REQUEST] = script_request,
		[SWML_RECORD] = script_record,
		[SWML_RECORD_CALL] = script_record_call,
		[SWML_SEND_DIGITS] = script_send_digits,
		[SWML_SIP_REFER] = sip_refer,
		[SWML_SLEEP] = sleep_for,
		[SWML_STOP_DENOISE] = script_stop_denoise,
		[SWML_STOP_RECORD_CALL] = script_stop_record_call,
		[SWML_STOP_STREAM] = script_stop_stream,
		[SWML_STOP_TAP] = script_stop_tap,
		[SWML_STREAM] = script_stream,
		[SWML_SWITCH] = choose,
		[SWML_TAP] = script_tap,
		[SWML_TRANSFER] = transfer,
		[SWML_USER_EVENT] = script_user_event,
	};
	const struct doc *args = arguments(s, st);

	if (args)
		script_trace_args(s, st, args);
	if (s->state == SCRIPT_ENDING || (!args && st->method->verb != SWML_CONNECT))
		return;
	run[st->method->verb](s, st, args);
}

/* Does it act on the call, so that a connect before it is no longer the last thing that was done? */
static bool acts(enum swml_verb verb)
{
	switch (verb) {
	case SWML_ANSWER:
	case SWML_DETECT_MACHINE:
	case SWML_PLAY:
	case SWML_PROMPT:
	case SWML_RECORD:
	case SWML_RECORD_CALL:
	case SWML_SEND_DIGITS:
	case SWML_SIP_REFER:
	case SWML_SLEEP:
	case SWML_STREAM:
	case SWML_TAP:
		return true;
	case SWML_LATER:
	case SWML_COND:
	case SWML_CONNECT:
	case SWML_DENOISE:
	case SWML_EXECUTE:
	case SWML_GOTO:
	case SWML_HANGUP:
	case SWML_LABEL:
	case SWML_REQUEST:
	case SWML_RETURN:
	case SWML_SET:
	case SWML_STOP_DENOISE:
	case SWML_STOP_RECORD_CALL:
	case SWML_STOP_STREAM:
	case SWML_STOP_TAP:
	case SWML_SWITCH:
	case SWML_TRANSFER:
	case SWML_UNSET:
	case SWML_USER_EVENT:
		break;
	}
	return false;
}

void script_step(struct script *s, const struct doc *step)
{
	struct swml_step st;
	int err = swml_step(&st, step, &s->report);

	if (err == ENOENT)
		script_fail(s, "the document has a step with an unknown method");
	if (err || (s->run && !script_run_allows(s, &st)))
		return;
	script_trace_step(s, &st);
	if (acts(st.method->verb))
		s->failed = CAUSE_NONE;

	switch (st.method->verb) {
	case SWML_LATER:
		script_later(s, &st, arguments(s, &st));
		break;
	case SWML_COND:
		cond(s, st.value);
		break;
	case SWML_RETURN:
		go_back(s, &st);
		break;
	case SWML_SET:
		set(s, &st);
		break;
	case SWML_UNSET:
		unset(s, &st);
		break;
	case SWML_LABEL:
		break;
	case SWML_ANSWER:
	case SWML_CONNECT:
	case SWML_DENOISE:
	case SWML_DETECT_MACHINE:
	case SWML_EXECUTE:
	case SWML_GOTO:
	case SWML_HANGUP:
	case SWML_SIP_REFER:
	case SWML_PLAY:
	case SWML_RECORD:
	case SWML_RECORD_CALL:
	case SWML_PROMPT:
	case SWML_REQUEST:
	case SWML_SEND_DIGITS:
	case SWML_SLEEP:
	case SWML_STOP_DENOISE:
	case SWML_STOP_RECORD_CALL:
	case SWML_STOP_STREAM:
	case SWML_STOP_TAP:
	case SWML_STREAM:
	case SWML_SWITCH:
	case SWML_TAP:
	case SWML_TRANSFER:
	case SWML_USER_EVENT:
		run_with_arguments(s, &st);
		break;
	}
}

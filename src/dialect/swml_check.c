#include <errno.h>
#include <stdio.h>

#include "base/arena.h"
#include "dialect/expr.h"
#include "dialect/swml.h"
#include "dialect/swml_confirm.h"
#include "dialect/swml_connect.h"
#include "dialect/swml_detect.h"
#include "dialect/swml_request.h"
#include "dialect/swml_sound.h"
#include "dialect/swml_stream.h"
#include "op/op_detect.h"
#include "op/op_stream.h"
#include "op/op_send.h"
#include "op/tap_uri.h"
#include "dialect/vars.h"
#include "net/url.h"

static const char BAD_VALUE[] = "method_parameter_invalid_value";

struct walk {
	struct swml_report *r;
	const struct swml_check *c;
	struct arena *arena; /* of arguments made from shorthand */
	const struct doc *sections;
	const struct doc *section; /* being walked: where goto looks for its label */
	bool in_confirm;
};

static void check_steps(struct walk *w, const struct doc *steps);

/* --- expressions --- */

static void check_expression(struct walk *w, const struct doc *d, struct str text)
{
	struct expr_problem problem;

	if (expr_check(text, &problem) == EINVAL)
		swml_warning(w->r, "js_eval_error", d, "in \"%.60s\" at character %u: %s", text.p, problem.col,
			     problem.message);
}

/* Every ${…} in a value, at any depth. */
static void check_references(struct walk *w, const struct doc *d)
{
	size_t at = 0, from;
	struct str body;

	if (d->type == DOC_STR)
		while (vars_next(d->text, &at, &from, &body)) {
			char *copy = str_dup(w->arena, body);

			if (copy)
				check_expression(w, d, str_of(copy));
		}
	for (const struct doc *c = d->child; c; c = c->next)
		check_references(w, c);
}

/* With ${…} in it the condition is only known when it runs; the parts can be looked at. */
static void check_when(struct walk *w, const struct doc *d)
{
	if (!swml_is_scalar(d))
		swml_error(w->r, BAD_VALUE, d, "when is a condition, not a %s", doc_type_name(d->type));
	else if (vars_referenced(d))
		check_references(w, d);
	else
		check_expression(w, d, d->text);
}

/* --- cond, switch, result --- */

static void check_cases(struct walk *w, const struct doc *cases)
{
	for (const struct doc *d = cases->child; d; d = d->next)
		check_steps(w, d);
}

static void check_branch(struct walk *w, const struct doc *branch, bool *has_else)
{
	const struct doc *when = swml_arg(branch, "when"), *then = doc_get(branch, "then");
	const struct doc *otherwise = doc_get(branch, "else");

	if (branch->type != DOC_MAP || (!when && !otherwise)) {
		swml_error(w->r, BAD_VALUE, branch, "a branch of cond has when and then, or else");
		return;
	}
	if (when)
		check_when(w, when);
	if (when && !then)
		swml_error(w->r, "method_parameter_missing", branch, "\"then\" is missing behind \"when\"");
	if (!when && *has_else)
		swml_error(w->r, BAD_VALUE, branch, "cond has one else at most");
	*has_else = *has_else || !when;
	for (const struct doc *d = branch->child; d; d = d->next) {
		if (d == then || d == otherwise)
			check_steps(w, d);
		else if (d != when)
			swml_key_warning(w->r, "method_parameter_undefined", d,
					 "there is no \"%.*s\" in a branch of cond", STR_ARG(d->key));
	}
}

static void check_cond(struct walk *w, const struct doc *list)
{
	bool has_else = false;

	if (list->type != DOC_LIST || !list->count) {
		swml_error(w->r, BAD_VALUE, list, "cond is a list of branches that is not empty");
		return;
	}
	for (const struct doc *d = list->child; d; d = d->next)
		check_branch(w, d, &has_else);
}

/* The map form of result is a switch whose variable may be left out. */
static void check_result(struct walk *w, const struct doc *result)
{
	const struct doc *cases;

	if (swml_is_scalar(result))
		return; /* its type was reported */
	if (result->type == DOC_LIST) {
		check_cond(w, result);
		return;
	}
	cases = swml_arg(result, "case");
	if (!cases || cases->type != DOC_MAP) {
		swml_error(w->r, cases ? BAD_VALUE : "method_parameter_missing", cases ? cases : result,
			   "result has \"case\", an object of steps, or is a list of conditions");
		return;
	}
	for (const struct doc *d = result->child; d; d = d->next) {
		if (str_is(d->key, "variable") && d->type != DOC_NULL && !swml_is_scalar(d))
			swml_error(w->r, BAD_VALUE, d, "variable is a name, not a %s", doc_type_name(d->type));
		if (str_is(d->key, "default"))
			check_steps(w, d);
		else if (d != cases && !str_is(d->key, "variable"))
			swml_key_warning(w->r, "method_parameter_undefined", d, "there is no \"%.*s\" in a result",
					 STR_ARG(d->key));
	}
	check_cases(w, cases);
}

/* --- the methods --- */

/* A label of that name anywhere in d, but for the parameter of a goto. */
static bool has_label(const struct doc *d, struct str name)
{
	for (const struct doc *c = d->child; c; c = c->next) {
		const struct doc *text = c;

		if (str_is(c->key, "goto"))
			continue;
		if (str_is(c->key, "label") && c->type == DOC_MAP && c->child)
			text = c->child;
		if (str_is(c->key, "label") && swml_is_scalar(text) && str_eq(text->text, name))
			return true;
		if (has_label(c, name))
			return true;
	}
	return false;
}

struct inner { /* a document as text inside another one */
	struct swml_report *r;
	const struct doc *at;
};

/* At run time none of it keeps the outer document from going on. */
static void note_inner(void *arg, const struct swml_issue *i)
{
	const struct inner *in = arg;

	swml_warning(in->r, i->code, in->at, "in the inline document, line %u: %s", i->line, i->text);
}

static void check_inline(struct walk *w, const struct doc *text)
{
	struct inner in = { w->r, text };
	struct swml_report r = { .note = note_inner, .arg = &in, .checking = true };
	const struct swml_check c = { .country = w->c->country };
	struct doc_error at = { 0 };
	struct doc *root;
	int err = doc_parse(w->arena, &root, text->text, DOC_GUESS, NULL, &at);

	if (err == EINVAL && !vars_referenced(text)) /* else it may be one when they are put in */
		swml_warning(w->r, "parse_error", text, "in the inline document, line %u: %s", at.line, at.message);
	else if (!err)
		swml_check(
			root, &r,
			&c); /* as deep as texts are in texts: each takes twice the backslashes of the one around it */
}

/* A URL that can be asked, or a document. */
static void check_document(struct walk *w, const struct doc *dest)
{
	struct url u;

	if (swml_is_inline(dest->text))
		check_inline(w, dest);
	else if (url_parse(&u, dest->text))
		swml_warning(w->r, "parse_error", dest, "this is no http or https URL");
}

static void check_destination(struct walk *w, const struct doc *args)
{
	const struct doc *dest = swml_arg(args, "dest");

	if (!dest || (vars_referenced(dest) && !swml_is_inline(dest->text)))
		return;
	if (str_starts(dest->text, "relay:"))
		swml_warning(w->r, SWML_NOT_YET, dest, "relay: destinations are not in this version");
	else if (!swml_is_section_name(dest->text))
		check_document(w, dest);
	else if (!doc_get(w->sections, dest->text.p))
		swml_warning(w->r, "section_parameter_undefined", dest, "there is no section \"%.*s\"",
			     STR_ARG(dest->text));
}

static void check_connect(struct walk *w, const struct swml_step *s, const struct doc *args)
{
	const struct doc *after = swml_arg(args, "transfer_after_bridge");
	struct plan *plan = NULL;

	if (swml_connect_plan(&plan, args, w->c->country, w->r))
		return;
	if (after && swml_is_inline(after->text))
		check_document(w, after);
	if (w->c->plan && !swml_args_referenced(args, s->method->params))
		w->c->plan(w->c->arg, s->at, plan);
	plan_free(&plan);
}

static void check_confirm(struct walk *w, const struct doc *steps)
{
	bool inside = w->in_confirm;

	w->in_confirm = true;
	check_steps(w, steps);
	w->in_confirm = inside;
}

static void check_inside(struct walk *w, const struct doc *args, const struct swml_param *params);

static void check_destinations(struct walk *w, const struct doc *list)
{
	for (const struct doc *d = list->child; d; d = d->next) {
		if (d->type == DOC_LIST)
			check_destinations(w, d);
		else if (d->type == DOC_MAP)
			check_inside(w, d, swml_destination_params());
		else
			check_references(w, d);
	}
}

/* The raw arguments: steps and conditions. */
static void check_inside(struct walk *w, const struct doc *args, const struct swml_param *params)
{
	for (const struct doc *d = args->child; d; d = d->next) {
		const struct swml_param *p = swml_param(params, d->key);

		if (!p || d->type == DOC_NULL)
			continue;
		if (p->types & SWML_RESULT)
			check_result(w, d);
		else if (p->types & SWML_CASES)
			check_cases(w, d);
		else if (p->types & SWML_WHEN)
			check_when(w, d);
		else if ((p->types & SWML_DESTINATIONS) && d->type == DOC_LIST)
			check_destinations(w, d);
		else if ((p->types & SWML_STEPS) && !(p->types & SWML_STRING))
			check_steps(w, d);
		else if ((p->types & SWML_STEPS) && d->type != DOC_STR)
			check_confirm(w, d);
		else
			check_references(w, d);
	}
}

static void check_sounds(struct walk *w, const struct doc *sounds)
{
	for (const struct doc *d = sounds ? swml_next_sound(sounds, NULL) : NULL; d; d = swml_next_sound(sounds, d))
		swml_sound_ok(d, w->r);
}

static void check_digits(struct walk *w, const struct doc *digits)
{
	if (digits && !swml_unknown(digits, w->r) && !op_send_ok(digits->text.p))
		swml_error(w->r, BAD_VALUE, digits, "digits are 0-9, *, #, A-D and the pauses w and W, at most %d",
			   SEND_MAX_KEYS);
}

static void check_play(struct walk *w, const struct doc *args)
{
	const struct doc *sounds;

	if (!swml_play_sounds(&sounds, args, w->r))
		check_sounds(w, sounds);
}

static void check_record(struct walk *w, const struct doc *args)
{
	const struct doc *format = swml_arg(args, "format");

	if (format && str_is(format->text, "mp4"))
		swml_warning(w->r, SWML_NOT_YET, format, "the format mp4 is not in this version: it will be wav");
}

static void check_tap(struct walk *w, const struct doc *uri)
{
	const char *fault = swml_unknown(uri, w->r) ? NULL : tap_uri_fault(uri->text);

	if (fault)
		swml_error(w->r, BAD_VALUE, uri, "uri: %s", fault);
}

static void check_goto(struct walk *w, const struct doc *label)
{
	if (!vars_referenced(label) && !has_label(w->section, label->text))
		swml_error(w->r, BAD_VALUE, label, "there is no label \"%.*s\" in this section", STR_ARG(label->text));
}

/* What the table of parameters cannot say. */
static void check_meaning(struct walk *w, enum swml_verb verb, const struct doc *args)
{
	struct detection_ask detection;
	struct stream_ask stream;

	switch (verb) {
	case SWML_EXECUTE:
	case SWML_TRANSFER:
		check_destination(w, args);
		break;
	case SWML_PLAY:
		check_play(w, args);
		break;
	case SWML_RECORD:
	case SWML_RECORD_CALL:
		check_record(w, args);
		break;
	case SWML_DETECT_MACHINE:
		swml_detect_ask(&detection, args, w->r);
		break;
	case SWML_SEND_DIGITS:
		check_digits(w, swml_arg(args, "digits"));
		break;
	case SWML_REQUEST:
		swml_request_ok(args, w->r);
		break;
	case SWML_TAP:
		check_tap(w, swml_arg(args, "uri"));
		break;
	case SWML_STREAM:
		swml_stream_ask(&stream, w->arena, args, w->r);
		break;
	case SWML_PROMPT:
		check_sounds(w, swml_arg(args, "play"));
		break;
	case SWML_GOTO:
		check_goto(w, swml_arg(args, "label"));
		break;
	default:
		break;
	}
}

static void check_table_method(struct walk *w, const struct swml_step *s)
{
	const struct doc *args = swml_args(w->arena, s, w->r);

	if (!args)
		return;
	if (s->method->verb == SWML_CONNECT) {
		check_connect(w, s, args);
		check_inside(w, args, s->method->params);
		return;
	}
	if (swml_args_check(args, s->method->params, w->r))
		return;
	swml_args_later(args, s->method->params, w->r);
	check_inside(w, args, s->method->params);
	check_meaning(w, s->method->verb, args);
}

static void as_warning(void *arg, const struct swml_issue *issue)
{
	const struct swml_report *r = arg;
	struct swml_issue softer = *issue;

	softer.error = false;
	r->note(r->arg, &softer);
}

/* Documents that a function of an agent may answer with. */
static void check_answers(const struct walk *w, const struct doc *d, struct swml_report *soft)
{
	const struct swml_check inner = { .country = w->c->country };

	for (const struct doc *c = d->child; c; c = c->next) {
		if (str_is(c->key, "SWML") && c->type == DOC_MAP)
			swml_check(c, soft, &inner);
		else
			check_answers(w, c, soft);
	}
}

/* What the agents take is only warned of: their published documents are often shorter than their tables say, and
 * references in them belong to the agent. */
static void check_later(struct walk *w, const struct swml_step *s)
{
	struct swml_report soft = { .note = as_warning, .arg = w->r, .checking = true };
	const char *first = s->method->first;
	const struct doc *args;

	swml_warning(w->r, SWML_NOT_YET, s->at, "the method %s is not in this version and fails when it is reached",
		     s->method->name);
	if (!first || !str_is(str_of(first), "prompt")) {
		check_table_method(w, s);
		return;
	}
	args = swml_args(w->arena, s, &soft);
	if (!args)
		return;
	swml_args_check(args, s->method->params, &soft);
	check_answers(w, args, &soft);
}

static void check_unset(struct walk *w, const struct swml_step *s)
{
	bool list = s->value && s->value->type == DOC_LIST;

	if (!s->value)
		swml_error(w->r, "method_parameter_missing", s->at, "unset needs the name of a variable");
	else if (!list && !swml_is_scalar(s->value))
		swml_error(w->r, BAD_VALUE, s->value, "unset takes a name or a list of names");
	for (const struct doc *d = list ? s->value->child : NULL; d; d = d->next)
		if (!swml_is_scalar(d) || d->type == DOC_BOOL)
			swml_error(w->r, BAD_VALUE, d, "unset takes a name or a list of names");
}

static void check_step(struct walk *w, const struct doc *step)
{
	struct swml_step s;

	if (swml_step(&s, step, w->r))
		return;
	if (w->in_confirm && !swml_confirm_allows(s.method, true)) {
		swml_error(w->r, "method_execute_failed", step, "the method %s is not allowed in a confirm",
			   s.method->name);
		return;
	}
	switch (s.method->verb) {
	case SWML_LATER:
		check_later(w, &s);
		break;
	case SWML_COND:
		check_cond(w, s.value ? s.value : s.at);
		break;
	case SWML_SET:
		if (!s.value || s.value->type != DOC_MAP)
			swml_error(w->r, BAD_VALUE, s.at, "set takes an object of names and values");
		else
			check_references(w, s.value);
		break;
	case SWML_UNSET:
		check_unset(w, &s);
		break;
	case SWML_RETURN:
		if (s.value)
			check_references(w, s.value);
		break;
	case SWML_ANSWER:
	case SWML_CONNECT:
	case SWML_DENOISE:
	case SWML_DETECT_MACHINE:
	case SWML_EXECUTE:
	case SWML_GOTO:
	case SWML_HANGUP:
	case SWML_LABEL:
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
		check_table_method(w, &s);
		break;
	}
}

static void check_steps(struct walk *w, const struct doc *steps)
{
	bool single;

	if (steps->type == DOC_NULL)
		return;
	if (swml_is_scalar(steps) && steps->type != DOC_STR) {
		swml_error(w->r, "element_wrong_type", steps, "steps are a list, not a %s", doc_type_name(steps->type));
		return;
	}
	for (const struct doc *d = swml_first_step(steps, &single); d; d = single ? NULL : d->next)
		check_step(w, d);
}

static void check_section(struct walk *w, const struct doc *section)
{
	w->section = section;
	if (swml_section_ok(section, w->r))
		check_steps(w, section);
}

void swml_check(const struct doc *root, struct swml_report *r, const struct swml_check *c)
{
	const struct doc *sections = swml_sections(root, r);
	struct walk w = { .r = r, .c = c, .sections = sections };

	if (!sections || arena_new(&w.arena, 0, 0))
		return;
	for (const struct doc *d = root->child; d; d = d->next)
		if (!str_is(d->key, "version") && !str_is(d->key, "sections"))
			swml_key_warning(r, "element_undefined", d, "a document has no \"%.*s\"", STR_ARG(d->key));
	for (const struct doc *d = sections->child; d; d = d->next)
		check_section(&w, d);
	arena_free(&w.arena);
}

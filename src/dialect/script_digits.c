/* The methods prompt and send_digits of running scripts. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "dialect/script_impl.h"
#include "dialect/swml_sound.h"
#include "net/url.h"
#include "op/op_collect.h"
#include "op/op_send.h"
#include "op/recognize.h"

enum { TIMEOUT_MS = 5000, SPEECH_MS = 60000, SPEECH_END_MS = 1000, SPEECH_END_MIN_MS = 200 };

static void set_text(struct script *s, const char *name, const char *text)
{
	if (vars_set_text(s->vars, name, str_of(text)) == EFBIG)
		script_fail(s, "the variables of the document became larger than 1 MiB");
}

/* The op is over. False: nothing may run any more. */
static bool may_go_on(struct script *s, const struct op_result *r)
{
	if (!script_op_done(s))
		return false;
	if (r->outcome != OP_GONE)
		return true;
	script_wait_for_end(s);
	return false;
}

static void go_on(struct script *s)
{
	script_settle_error(s);
	if (s->state != SCRIPT_ENDING)
		script_go_on(s);
}

/* The step did not start. */
static void not_started(struct script *s, const struct swml_step *st, int err, const char *variable)
{
	if (err == ENOTCONN) {
		script_wait_for_end(s);
		return;
	}
	if (err == ENOMEM)
		script_warn(s, "internal_error", st->at, "no memory for this step");
	set_text(s, variable, "failed");
}

/* --- prompt --- */

static const char *result_name(enum collect_kind kind)
{
	switch (kind) {
	case COLLECT_DIGITS:
		return "match_digits";
	case COLLECT_NO_INPUT:
		return "no_input";
	case COLLECT_SPEECH:
		return "match_speech";
	case COLLECT_ERROR:
		return "failed";
	case COLLECT_NO_MATCH:
		break;
	}
	return "no_match";
}

static void set_result(struct script *s, const char *result, const char *value, char terminator)
{
	const char text[] = { terminator, '\0' };

	set_text(s, "prompt_result", result);
	set_text(s, "prompt_value", value);
	set_text(s, "prompt_value_raw", value);
	set_text(s, "prompt_digit_terminator", text);
	set_text(s, "prompt_speech_confidence", "");
}

static void set_speech(struct script *s, const struct collect_result *r)
{
	char confidence[16] = "";

	set_result(s, result_name(r->kind), r->speech, '\0');
	if (r->confidence >= 0)
		snprintf(confidence, sizeof(confidence), "%.3g", r->confidence);
	set_text(s, "prompt_speech_confidence", confidence);
}

static void prompt_done(void *arg, const struct op_result *r)
{
	struct script *s = arg;

	if (!may_go_on(s, r))
		return;
	if (*r->why)
		script_warn(s, "method_execute_failed", s->op_at, "%s", r->why);
	if (r->outcome == OP_DONE && r->collect->kind == COLLECT_SPEECH)
		set_speech(s, r->collect);
	else if (r->outcome == OP_DONE)
		set_result(s, result_name(r->collect->kind), r->collect->digits, r->collect->terminator);
	else
		set_result(s, "failed", "", '\0');
	go_on(s);
}

static const char *text_of(const struct doc *args, const char *name)
{
	const struct doc *d = swml_arg(args, name);

	return d ? d->text.p : NULL;
}

static uint32_t ms_or(const struct doc *args, const char *name, uint32_t default_ms)
{
	const struct doc *d = swml_arg(args, name);
	double seconds;

	return d && swml_number(d, &seconds) ? (uint32_t)(seconds * 1000) : default_ms;
}

static bool has_any(const struct doc *args, const char *const *names)
{
	for (; *names; names++) {
		if (swml_arg(args, *names))
			return true;
	}
	return false;
}

static bool wants_speech(const struct doc *args)
{
	static const char *const speech[] = { "speech_timeout", "speech_end_timeout", "speech_language", "speech_hints",
					      NULL };

	return has_any(args, speech);
}

/* What asks for speech asks for no digits, unless there is something about digits too. */
static bool wants_digits(const struct doc *args)
{
	static const char *const digits[] = { "max_digits", "terminators", "digit_timeout", "initial_timeout", NULL };

	return !wants_speech(args) || has_any(args, digits);
}

/* A list, or one text with commas. hints: RECOGNIZE_MAX_HINTS of them, in the arena of the step. */
static size_t read_hints(struct script *s, const struct doc *args, const char **hints)
{
	const struct doc *d = swml_arg(args, "speech_hints");
	struct str rest = d && d->type != DOC_LIST ? d->text : (struct str){ NULL, 0 }, part;
	struct arena *a = rest.p ? script_scratch(s) : NULL;
	size_t n = 0;

	for (const struct doc *i = d && d->type == DOC_LIST ? d->child : NULL; i && n < RECOGNIZE_MAX_HINTS;
	     i = i->next)
		hints[n++] = swml_is_scalar(i) ? i->text.p : "";
	while (a && n < RECOGNIZE_MAX_HINTS && str_split(&rest, ',', &part)) {
		hints[n] = str_dup(a, str_trim(part));
		if (hints[n])
			n++;
	}
	return n;
}

static void read_speech(struct script *s, const struct doc *args, struct collect_speech *speech, const char **hints)
{
	uint32_t longest_ms = ms_or(args, "speech_timeout", SPEECH_MS);
	uint32_t end_ms = ms_or(args, "speech_end_timeout", SPEECH_END_MS);

	*speech = (struct collect_speech){
		.recognizer = s->recognizer,
		.end_ms = end_ms > SPEECH_END_MIN_MS ? end_ms : SPEECH_END_MIN_MS,
		.max_ms = longest_ms ? longest_ms : SPEECH_MS,
		.language = text_of(args, "speech_language"),
		.hints = hints,
		.hint_count = read_hints(s, args, hints),
	};
}

static const char *url_of(struct script *s, const struct doc *args)
{
	const struct doc *d = swml_arg(args, "status_url");

	if (!d || url_is_http(d->text))
		return d ? d->text.p : NULL;
	script_warn(s, "method_parameter_invalid_value", d, "status_url is no http or https URL");
	return NULL;
}

/* The rules, without those terminators that no telephone has. */
static void read_rules(struct script *s, const struct doc *args, struct digits_rules *rules, char terminators[])
{
	const struct doc *max = swml_arg(args, "max_digits"), *ends = swml_arg(args, "terminators");
	int64_t count = 1;
	size_t n = 0;

	if (max)
		swml_int(max, &count);
	for (size_t i = 0; ends && i < ends->text.n; i++) {
		char c = ends->text.p[i];

		if (c && strchr("0123456789*#ABCD", c) && n < DIGITS_MAX_TERMINATORS)
			terminators[n++] = c;
		else
			script_warn(s, "method_parameter_invalid_value", ends,
				    "terminators are keys of a telephone, at most %d", DIGITS_MAX_TERMINATORS);
	}
	terminators[n] = '\0';
	*rules = (struct digits_rules){
		.max = (size_t)count,
		.terminators = terminators,
		.first_ms = ms_or(args, "initial_timeout", TIMEOUT_MS),
		.next_ms = ms_or(args, "digit_timeout", TIMEOUT_MS),
	};
}

void script_prompt(struct script *s, const struct swml_step *st, const struct doc *args)
{
	const struct op_start where = { .call = s->call, .sounds = s->sounds, .done = prompt_done, .arg = s };
	const struct doc *sounds = swml_arg(args, "play"), *volume = swml_arg(args, "volume");
	char terminators[DIGITS_MAX_TERMINATORS + 1];
	const char *uris[PLAY_MAX_SOUNDS];
	struct play_request play = {
		.uris = uris,
		.voice = text_of(args, "say_voice"),
		.language = text_of(args, "say_language"),
		.gender = text_of(args, "say_gender"),
	};
	struct collect_request r = { .play = &play, .no_digits = !wants_digits(args) };
	const char *hints[RECOGNIZE_MAX_HINTS];
	struct collect_speech speech;
	struct op *op;
	int err;

	set_result(s, "failed", "", '\0');
	if (wants_speech(args) && !s->recognizer) {
		script_warn(s, "method_execute_failed", st->at,
			    "speech cannot be understood: the configuration has no stt");
		if (r.no_digits)
			return;
	} else if (wants_speech(args)) {
		read_speech(s, args, &speech, hints);
		r.speech = &speech;
	}
	read_rules(s, args, &r.rules, terminators);
	r.status_url = url_of(s, args);
	for (const struct doc *d = swml_next_sound(sounds, NULL); d && play.count < PLAY_MAX_SOUNDS;
	     d = swml_next_sound(sounds, d))
		uris[play.count++] = swml_is_scalar(d) ? d->text.p : "";
	if (volume)
		swml_number(volume, &play.volume_db);
	if (!play.count) /* an empty list: nothing is said */
		r.play = NULL;
	err = op_collect_start(&op, &where, &r);
	if (err) {
		not_started(s, st, err, "prompt_result");
		return;
	}
	s->op_at = st->at;
	script_wait_for_op(s, op);
}

/* --- send_digits --- */

static void send_done(void *arg, const struct op_result *r)
{
	struct script *s = arg;

	if (!may_go_on(s, r))
		return;
	if (r->outcome == OP_FAILED)
		script_warn(s, "method_execute_failed", s->op_at, "the digits cannot be sent: %s", r->why);
	set_text(s, "send_digits_result", r->outcome == OP_DONE ? "success" : "failed");
	go_on(s);
}

void script_send_digits(struct script *s, const struct swml_step *st, const struct doc *args)
{
	const struct op_start where = { .call = s->call, .done = send_done, .arg = s };
	const struct doc *digits = swml_arg(args, "digits");
	struct op *op;
	int err = op_send_start(&op, &where, digits->text.p);

	if (err == EINVAL)
		script_warn(s, "method_parameter_invalid_value", digits,
			    "digits are 0-9, *, #, A-D and the pauses w and W, at most %d", SEND_MAX_KEYS);
	if (err) {
		not_started(s, st, err, "send_digits_result");
		return;
	}
	s->op_at = st->at;
	script_wait_for_op(s, op);
}

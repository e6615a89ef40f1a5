/* The method play of running scripts. */
#include <errno.h>

#include "base/arena.h"
#include "dialect/script_impl.h"
#include "dialect/swml_sound.h"
#include "net/url.h"
#include "op/op_play.h"

static void play_done(void *arg, const struct op_result *r)
{
	struct script *s = arg;

	if (!script_op_done(s))
		return;
	if (r->outcome == OP_GONE) {
		script_wait_for_end(s);
		return;
	}
	if (r->outcome == OP_FAILED)
		script_warn(s, "method_execute_failed", s->op_at, "%s", r->why);
	script_settle_error(s);
	script_go_on(s);
}

static const char *text_of(const struct doc *args, const char *name)
{
	const struct doc *d = swml_arg(args, name);

	return d ? d->text.p : NULL;
}

static const char *url_of(struct script *s, const struct doc *args, const char *name)
{
	const struct doc *d = swml_arg(args, name);

	if (!d || url_is_http(d->text))
		return d ? d->text.p : NULL;
	script_warn(s, "method_parameter_invalid_value", d, "%s is no http or https URL", name);
	return NULL;
}

static void start(struct script *s, const struct swml_step *st, const struct play_request *r)
{
	const struct op_start where = { .call = s->call, .sounds = s->sounds, .done = play_done, .arg = s };
	struct op *op;
	int err = op_play_start(&op, &where, r);

	if (err == ENOTCONN) {
		script_wait_for_end(s);
	} else if (err) {
		script_warn(s, "internal_error", st->at, "no memory for this step");
	} else {
		s->op_at = st->at;
		script_wait_for_op(s, op);
	}
}

void script_play(struct script *s, const struct swml_step *st, const struct doc *args)
{
	const struct doc *sounds, *volume = swml_arg(args, "volume"), *answer = swml_arg(args, "auto_answer");
	const char *uris[PLAY_MAX_SOUNDS];
	struct play_request r = {
		.uris = uris,
		.voice = text_of(args, "say_voice"),
		.language = text_of(args, "say_language"),
		.gender = text_of(args, "say_gender"),
		.answer = true,
	};
	int err = swml_play_sounds(&sounds, args, &s->report);

	if (err == ENOENT)
		script_fail(s, "a step of the document lacks a parameter");
	if (err)
		return;
	for (const struct doc *d = swml_next_sound(sounds, NULL); d; d = swml_next_sound(sounds, d))
		uris[r.count++] = swml_is_scalar(d) ? d->text.p : "";
	if (volume)
		swml_number(volume, &r.volume_db);
	if (answer)
		swml_bool(answer, &r.answer);
	r.status_url = url_of(s, args, "status_url");
	start(s, st, &r);
}

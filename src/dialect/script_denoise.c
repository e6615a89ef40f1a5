/* The methods denoise and stop_denoise of running scripts. */
#include <errno.h>

#include "call/call_media.h"
#include "dialect/script_impl.h"

static void denoise(struct script *s, const struct swml_step *st, bool on)
{
	const char *result = on ? "on" : "off";
	int err = call_denoise(s->call, on);

	if (err == ENOTCONN) {
		script_wait_for_end(s);
		return;
	}
	if (err) {
		script_warn(s, "method_execute_failed", st->at, "the codec of the call cannot be decoded here");
		result = "failed";
	}
	if (vars_set_text(s->vars, "denoise_result", str_of(result)) == EFBIG)
		script_fail(s, "the variables of the document became larger than 1 MiB");
}

void script_denoise(struct script *s, const struct swml_step *st, const struct doc *args)
{
	denoise(s, st, true);
}

void script_stop_denoise(struct script *s, const struct swml_step *st, const struct doc *args)
{
	denoise(s, st, false);
}

#include "dialect/swml_sound.h"

#include <errno.h>

#include "op/op_play.h"
#include "op/sound_uri.h"

static const char BAD_VALUE[] = "method_parameter_invalid_value";

int swml_play_sounds(const struct doc **out, const struct doc *args, struct swml_report *r)
{
	const struct doc *url = swml_arg(args, "url"), *urls = swml_arg(args, "urls");
	const struct doc *sounds = urls ? urls : url;

	if (!sounds) {
		swml_error(r, "method_parameter_missing", args, "play needs url or urls");
		return ENOENT;
	}
	if (url && urls) {
		swml_error(r, BAD_VALUE, urls, "play has url or urls, not both");
		return EINVAL;
	}
	if (sounds->type == DOC_LIST && (!sounds->count || sounds->count > PLAY_MAX_SOUNDS)) {
		swml_error(r, BAD_VALUE, sounds, "urls is a list of 1 to %d sounds", PLAY_MAX_SOUNDS);
		return EINVAL;
	}
	*out = sounds;
	return 0;
}

const struct doc *swml_next_sound(const struct doc *sounds, const struct doc *at)
{
	if (sounds->type == DOC_LIST)
		return at ? at->next : sounds->child;
	return at ? NULL : sounds;
}

bool swml_sound_ok(const struct doc *sound, struct swml_report *r)
{
	const char *fault = "a sound is a text";
	struct sound_uri uri;

	if (swml_unknown(sound, r))
		return true;
	if (swml_is_scalar(sound))
		fault = sound_uri_parse(&uri, sound->text);
	if (fault)
		swml_warning(r, BAD_VALUE, sound, "%s", fault);
	return !fault;
}

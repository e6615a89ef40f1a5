#include "dialect/swml_detect.h"

#include <errno.h>

#include "net/url.h"
#include "op/op_detect.h"

static const char BAD_VALUE[] = "method_parameter_invalid_value";

static uint32_t ms_of(const struct doc *args, const char *name, uint32_t otherwise_ms)
{
	const struct doc *d = swml_arg(args, name);
	double seconds;

	return d && swml_number(d, &seconds) ? (uint32_t)(seconds * 1000 + 0.5) : otherwise_ms;
}

static bool bool_of(const struct doc *args, const char *name, bool otherwise)
{
	const struct doc *d = swml_arg(args, name);

	if (d)
		swml_bool(d, &otherwise);
	return otherwise;
}

static struct detect_rules rules_of(const struct doc *args)
{
	struct detect_rules rules = {
		.initial_ms = ms_of(args, "initial_timeout", 4500),
		.end_ms = ms_of(args, "end_silence_timeout", 1000),
		.voice_ms = ms_of(args, "machine_voice_threshold", 1250),
		.greeting_end = bool_of(args, "detect_message_end", false),
		.interruptions = bool_of(args, "detect_interruptions", false),
	};
	const struct doc *words = swml_arg(args, "machine_words_threshold");
	int64_t count = 6;

	if (words)
		swml_int(words, &count);
	rules.words = (unsigned)count;
	rules.ready_ms = ms_of(args, "machine_ready_timeout", rules.end_ms);
	return rules;
}

static enum detector_tone tone_of(const struct doc *args)
{
	const struct doc *d = swml_arg(args, "tone");

	return d && str_is(d->text, "CNG") ? DETECTOR_CNG : DETECTOR_CED;
}

/* "amd,fax" */
static int read_detectors(struct detector_opts *out, const struct doc *args, struct swml_report *r)
{
	const struct doc *d = swml_arg(args, "detectors");
	struct str rest = d && !swml_unknown(d, r) ? d->text : STR("amd,fax"), word;

	while (str_split(&rest, ',', &word)) {
		word = str_trim(word);
		if (str_is(word, "amd")) {
			out->machine = true;
		} else if (str_is(word, "fax")) {
			out->tone = tone_of(args);
		} else {
			swml_error(r, BAD_VALUE, d, "detectors are amd and fax, with a comma between, not \"%.*s\"",
				   STR_ARG(str_head(word, 40)));
			return EINVAL;
		}
	}
	return 0;
}

int swml_detect_ask(struct detection_ask *out, const struct doc *args, struct swml_report *r)
{
	const struct doc *url = swml_arg(args, "status_url"), *wait = swml_arg(args, "wait");
	struct detection_ask ask = {
		.what.rules = rules_of(args),
		.timeout_ms = ms_of(args, "timeout", 30000),
		.background = !bool_of(args, "wait", true),
	};
	int err = read_detectors(&ask.what, args, r);

	if (err)
		return err;
	if (url && !swml_unknown(url, r) && !url_is_http(url->text)) {
		swml_error(r, BAD_VALUE, url, "status_url is no http or https URL");
		return EINVAL;
	}
	if (ask.background && !url) {
		swml_error(r, "method_parameter_missing", wait, "wait: false needs a status_url");
		return EINVAL;
	}
	ask.status_url = url ? url->text.p : NULL;
	*out = ask;
	return 0;
}

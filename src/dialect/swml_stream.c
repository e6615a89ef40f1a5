#include "dialect/swml_stream.h"

#include <errno.h>

#include "base/arena.h"
#include "op/op_stream.h"
#include "op/stream_args.h"

static const char BAD_VALUE[] = "method_parameter_invalid_value";

static const char *text_of(const struct doc *args, const char *name)
{
	const struct doc *d = swml_arg(args, name);

	return d && d->text.n ? d->text.p : NULL;
}

static int judge(const struct doc *args, const char *name, const char *(*fault)(struct str), struct swml_report *r)
{
	const struct doc *d = swml_arg(args, name);
	const char *why = d && !swml_unknown(d, r) ? fault(d->text) : NULL;

	if (!why)
		return 0;
	swml_error(r, BAD_VALUE, d, "%s: %s", name, why);
	return EINVAL;
}

static enum sink_wants tracks_of(const struct doc *args)
{
	struct str track = str_of(text_of(args, "track"));

	if (str_is(track, "both_tracks"))
		return SINK_BOTH;
	return str_is(track, "outbound_track") ? SINK_HEARD : SINK_SAID;
}

static int read_format(struct stream_ask *out, const struct doc *args, struct swml_report *r)
{
	const struct doc *d = swml_arg(args, "codec");
	const char *why;

	if (d && swml_unknown(d, r))
		d = NULL;
	why = stream_format_parse(&out->format, d ? d->text : STR(""));
	if (!why)
		return 0;
	swml_error(r, BAD_VALUE, d, "codec: %s", why);
	return EINVAL;
}

static int read_parameters(struct stream_ask *out, struct arena *a, const struct doc *args, struct swml_report *r)
{
	const struct doc *map = swml_arg(args, "custom_parameters");
	struct stream_parameter *list;

	if (!map || map->type != DOC_MAP || !map->count)
		return 0;
	list = arena_alloc(a, map->count * sizeof(*list));
	if (!list)
		return ENOMEM;
	out->parameters = list;
	for (const struct doc *d = map->child; d; d = d->next) {
		if (!swml_is_scalar(d) || d->type == DOC_NULL) {
			swml_error(r, BAD_VALUE, d, "custom_parameters: \"%.*s\" is no text", STR_ARG(d->key));
			return EINVAL;
		}
		list[out->parameter_count++] = (struct stream_parameter){ d->key, d->text };
	}
	return 0;
}

int swml_stream_ask(struct stream_ask *out, struct arena *a, const struct doc *args, struct swml_report *r)
{
	int err;

	*out = (struct stream_ask){
		.url = text_of(args, "url"),
		.control_id = text_of(args, "control_id"),
		.name = text_of(args, "name"),
		.status_get = str_is(str_of(text_of(args, "status_url_method")), "GET"),
		.bearer = text_of(args, "authorization_bearer_token"),
		.tracks = tracks_of(args),
	};
	err = judge(args, "url", stream_url_fault, r);
	if (!err)
		err = judge(args, "authorization_bearer_token", stream_token_fault, r);
	if (!err)
		err = read_format(out, args, r);
	if (!err)
		err = read_parameters(out, a, args, r);
	return err;
}

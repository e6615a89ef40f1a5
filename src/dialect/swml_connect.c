#include "dialect/swml_connect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "call/call.h"
#include "dialect/swml_sound.h"
#include "dialect/swml_target.h"
#include "dialect/vars.h"
#include "op/stream_args.h"

enum { RING_S = 60, TALK_S = 14400, MIN_SESSION_S = 90, MAX_TOLD = 32 };

static const char BAD_VALUE[] = "method_parameter_invalid_value";

struct build {
	struct plan *plan;
	struct arena *arena;
	const struct doc *args;
	const char *country;
	struct swml_report *r;
	int err;
	/* What was reported: a value of the connect counts for every destination, but is told once. */
	struct told {
		const struct doc *at;
		bool error;
	} told[MAX_TOLD];
	size_t told_count;
};

/* One destination on its way into the plan. dest is the connect itself for a plain `to`. */
struct leg {
	struct build *b;
	const struct doc *dest;
	struct plan_target *t;
};

static bool first_time(struct build *b, const struct doc *d, bool error)
{
	for (size_t i = 0; i < b->told_count; i++)
		if (b->told[i].at == d && b->told[i].error == error)
			return false;
	if (b->told_count < MAX_TOLD)
		b->told[b->told_count++] = (struct told){ d, error };
	return true;
}

static void bad(struct build *b, const struct doc *d, const char *name, const char *fault)
{
	if (!*fault) {
		b->err = ENOMEM;
		return;
	}
	if (first_time(b, d, true))
		swml_error(b->r, BAD_VALUE, d, "%s: %s", name, fault);
	if (!b->err)
		b->err = EINVAL;
}

/* The destination's own value, else that of the connect. */
static const struct doc *pick(const struct leg *l, const char *name)
{
	const struct doc *d = swml_arg(l->dest, name);

	return d ? d : swml_arg(l->b->args, name);
}

static const char *copy(struct build *b, struct str s)
{
	const char *text = str_dup(b->arena, s);

	if (!text)
		b->err = ENOMEM;
	return text;
}

static void refuse(struct build *b, const struct doc *d, const char *what)
{
	if (first_time(b, d, true))
		swml_error(b->r, SWML_NOT_YET, d, "%s is not in this version and nothing is dialled without it", what);
	if (!b->err)
		b->err = EINVAL;
}

static bool is_off(const struct doc *d)
{
	int64_t n;
	bool on;

	return (swml_bool(d, &on) && !on) || (swml_int(d, &n) && !n);
}

/* A value that has a meaning for this destination, but not yet. Gives it back. */
static const struct doc *later(struct build *b, const struct doc *d, const char *name)
{
	const struct swml_param *p = swml_param(swml_method(STR("connect"))->params, str_of(name));

	if (!d || p->since == SWML_NOW || (p->off_ok && is_off(d)))
		return d;
	if (p->since == SWML_FAIL && !swml_unknown(d, b->r))
		refuse(b, d, name);
	else if (first_time(b, d, false))
		swml_warning(b->r, SWML_NOT_YET, d, "%s is not in this version and has no effect", name);
	return d;
}

/* A text without control characters; NULL when there is none or it is wrong (reported). */
static const char *clean_text(struct leg *l, const char *name, size_t max)
{
	const struct doc *d = pick(l, name);

	if (!d || !swml_is_scalar(d) || swml_unknown(d, l->b->r))
		return NULL;
	if (swml_has_control(d->text) || d->text.n > max) {
		bad(l->b, d, name, "too long, or with control characters or line breaks");
		return NULL;
	}
	return d->text.n ? copy(l->b, d->text) : NULL;
}

static uint32_t seconds(struct leg *l, const char *name, uint32_t otherwise)
{
	const struct doc *d = pick(l, name);
	int64_t n;

	return d && swml_int(d, &n) && n >= 0 && n <= UINT32_MAX ? (uint32_t)n : otherwise;
}

static bool is_url(struct str s)
{
	return (str_istarts(s, "http://") || str_istarts(s, "https://")) && s.n > 8 && !swml_has_control(s);
}

/* NULL when absent, unknown or wrong (reported). */
static const char *url_of(struct build *b, const struct doc *d, const char *name)
{
	if (!d || swml_unknown(d, b->r))
		return NULL;
	if (is_url(d->text))
		return copy(b, d->text);
	bad(b, d, name, "this is no http:// or https:// URL");
	return NULL;
}

/* --- identity --- */

static void destination(struct leg *l, const struct doc *to, struct swml_headers *headers)
{
	static const char *const names[] = {
		[TARGET_STREAM] = "a stream", [TARGET_QUEUE] = "a queue", [TARGET_SCRIPT] = NULL
	};
	struct build *b = l->b;
	const char *fault;

	if (swml_unknown(to, b->r)) {
		l->t->kind = TARGET_SIP;
		l->t->address = copy(b, to->text);
		return;
	}
	fault = swml_target_read(l->t, headers, b->arena, to->text, b->country);
	if (fault) {
		bad(b, to, "to", fault);
	} else if (l->t->kind == TARGET_QUEUE && !swml_arg(b->args, "transfer_after_bridge")) {
		swml_error(b->r, "method_parameter_missing", to, "a queue needs transfer_after_bridge");
		b->err = EINVAL;
	} else if ((size_t)l->t->kind < ARRAY_LEN(names) && names[l->t->kind]) {
		swml_warning(b->r, SWML_NOT_YET, to, "connecting to %s is not in this version and fails",
			     names[l->t->kind]);
	}
}

static void caller(struct leg *l)
{
	const struct doc *from = pick(l, "from");
	const char *fault;

	/* What a variable left empty means the same as nothing. */
	if (!from || !str_trim(from->text).n || swml_unknown(from, l->b->r))
		return;
	fault = swml_caller_read(&l->t->from, l->b->arena, from->text, l->b->country);
	if (fault)
		bad(l->b, from, "from", fault);
}

static void add_header(struct build *b, struct swml_headers *h, const struct doc *at, struct str name,
		       const struct doc *value)
{
	const char *fault;

	if (value->type == DOC_LIST || value->type == DOC_MAP) {
		bad(b, value, "headers", "the value of a header is a text");
		return;
	}
	if (swml_unknown(value, b->r))
		return;
	fault = swml_header_add(h, b->arena, name, value->type == DOC_NULL ? STR("") : value->text);
	if (fault)
		bad(b, at, "headers", fault);
}

static void listed_header(struct build *b, struct swml_headers *h, const struct doc *item)
{
	const struct doc *name = swml_arg(item, "name"), *value = doc_get(item, "value");

	if (item->type != DOC_MAP || !name || !value) {
		bad(b, item, "headers", "a header has a name and a value");
		return;
	}
	for (const struct doc *d = item->child; d; d = d->next)
		if (d != name && d != value)
			swml_key_warning(b->r, "method_parameter_undefined", d, "a header has no \"%.*s\"",
					 STR_ARG(d->key));
	if (!swml_unknown(name, b->r))
		add_header(b, h, name, name->text, value);
}

/* Those of the URI are in *h already and come last on the wire. */
static void headers(struct leg *l, struct swml_headers *h)
{
	const struct doc *d = pick(l, "headers");
	struct swml_headers all = { .count = 0 };
	struct plan_header *out;

	if (d)
		for (const struct doc *item = d->child; item; item = item->next) {
			if (d->type == DOC_MAP)
				add_header(l->b, &all, item, item->key, item);
			else
				listed_header(l->b, &all, item);
		}
	if (l->b->err || !(all.count + h->count))
		return;
	out = arena_alloc(l->b->arena, (all.count + h->count) * sizeof(*out));
	if (!out) {
		l->b->err = ENOMEM;
		return;
	}
	memcpy(out, all.items, all.count * sizeof(*out));
	memcpy(out + all.count, h->items, h->count * sizeof(*out));
	l->t->headers = out;
	l->t->header_count = all.count + h->count;
}

/* --- media --- */

static void codec_name(struct build *b, struct buf *out, const struct doc *at, struct str name)
{
	name = str_trim(name);
	if (!name.n)
		return;
	if (!codec_by_name(name) && !codec_is_foreign(name) && first_time(b, at, false))
		swml_warning(b->r, BAD_VALUE, at, "codecs: there is no codec \"%.*s\", it is left out", STR_ARG(name));
	if (out->len)
		buf_char(out, ',');
	buf_str(out, name);
}

static void codecs(struct leg *l)
{
	const struct doc *d = pick(l, "codecs");
	struct buf out;

	if (!d || swml_unknown(d, l->b->r))
		return;
	buf_init(&out, 1024);
	for (const struct doc *item = d->type == DOC_LIST ? d->child : d; item;
	     item = d->type == DOC_LIST ? item->next : NULL) {
		struct str rest = item->text, name;

		if (!swml_is_scalar(item) || swml_has_control(rest))
			bad(l->b, item, "codecs", "a codec is a name");
		else
			while (str_split(&rest, ',', &name))
				codec_name(l->b, &out, item, name);
	}
	if (out.failed)
		bad(l->b, d, "codecs", "the list is too long");
	else if (out.len)
		l->t->codecs = copy(l->b, buf_view(&out));
	buf_free(&out);
}

static void encryption(struct leg *l)
{
	const struct doc *d = pick(l, "encryption");

	if (!d || swml_unknown(d, l->b->r))
		return;
	if (str_is(d->text, "optional"))
		l->t->encryption = PLAN_ENCRYPTION_OPTIONAL;
	else if (str_is(d->text, "forbidden"))
		l->t->encryption = PLAN_ENCRYPTION_FORBIDDEN;
	else
		l->t->encryption = PLAN_ENCRYPTION_MANDATORY;
}

static void session_timeout(struct leg *l)
{
	const struct doc *d = pick(l, "session_timeout");
	uint32_t s = seconds(l, "session_timeout", 0);

	if (d && s && s < MIN_SESSION_S) {
		swml_warning(l->b->r, BAD_VALUE, d, "session_timeout below 90 seconds is raised to 90 (RFC 4028)");
		s = MIN_SESSION_S;
	}
	l->t->session_timeout_s = s;
}

/* What has no effect on anything but a SIP leg. */
static void sip_only(struct leg *l, struct swml_headers *uri_headers)
{
	struct build *b = l->b;
	const struct doc *webrtc = later(b, pick(l, "webrtc_media"), "webrtc_media");

	l->t->from_name = clean_text(l, "from_name", 128);
	headers(l, uri_headers);
	codecs(l);
	encryption(l);
	session_timeout(l);
	if (webrtc)
		swml_bool(webrtc, &l->t->webrtc_media);
	l->t->username = clean_text(l, "username", 255);
	l->t->password = clean_text(l, "password", 255);
}

static const char *format_fault(struct str text)
{
	struct stream_format format;

	return stream_format_parse(&format, text);
}

static void judge_text(struct leg *l, const char *name, const char *(*fault)(struct str text))
{
	const struct doc *d = pick(l, name);
	const char *why = d && d->text.p && !swml_unknown(d, l->b->r) ? fault(d->text) : NULL;

	if (why)
		bad(l->b, d, name, why);
}

static void stream_only(struct leg *l)
{
	static const char *const names[] = {
		"codec", "name", "realtime", "authorization_bearer_token", "custom_parameters", "status_url_method"
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		later(l->b, pick(l, names[i]), names[i]);
	judge_text(l, "codec", format_fault);
	judge_text(l, "authorization_bearer_token", stream_token_fault);
}

/* --- confirm and events --- */

static void confirm(struct leg *l)
{
	struct build *b = l->b;
	const struct doc *d = pick(l, "confirm");
	struct plan_script *script;

	if (!d || (d->type == DOC_STR && swml_unknown(d, b->r)))
		return;
	if (d->type != DOC_STR && !d->count) {
		bad(b, d, "confirm", "a list of methods that is not empty");
		return;
	}
	script = arena_alloc(b->arena, sizeof(*script));
	if (!script) {
		b->err = ENOMEM;
		return;
	}
	if (d->type == DOC_STR)
		script->url = url_of(b, d, "confirm");
	else
		script->methods = doc_copy(b->arena, d);
	if (!script->url && !script->methods && !b->err)
		b->err = ENOMEM;
	l->t->confirm = script;
	l->t->confirm_ms = 1000 * seconds(l, "confirm_timeout", seconds(l, "timeout", RING_S));
	b->plan->race = PLAN_RACE_CONFIRM;
}

static unsigned event_bit(struct build *b, const struct doc *d)
{
	static const enum event_type types[] = { EVENT_CREATED, EVENT_RINGING, EVENT_ANSWERED, EVENT_ENDED };

	if (swml_unknown(d, b->r))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (d->type == DOC_STR && str_is(d->text, event_name(types[i])))
			return 1u << types[i];
	bad(b, d, "call_state_events", "an event is one of created, ringing, answered, ended");
	return 0;
}

static void events(struct leg *l)
{
	struct build *b = l->b;
	const char *url = url_of(b, later(b, pick(l, "call_state_url"), "call_state_url"), "call_state_url");
	const struct doc *d = pick(l, "call_state_events");
	struct plan_hook *hook;
	unsigned bits = d ? 0 : 1u << EVENT_ENDED;

	if (d && d->type == DOC_STR)
		bits = event_bit(b, d);
	for (const struct doc *item = d ? d->child : NULL; item; item = item->next)
		bits |= event_bit(b, item);
	if (!url)
		return;
	hook = arena_alloc(b->arena, sizeof(*hook));
	if (!hook) {
		b->err = ENOMEM;
		return;
	}
	*hook = (struct plan_hook){ url, bits };
	l->t->hook = hook;
}

static void target(struct build *b, const struct doc *dest, struct plan_target *t)
{
	struct leg l = { b, dest, t };
	struct swml_headers uri_headers = { .count = 0 };
	const struct doc *to = swml_arg(dest, "to");

	destination(&l, to, &uri_headers);
	caller(&l);
	t->ring_ms = 1000 * seconds(&l, "timeout", RING_S);
	if (t->kind == TARGET_SIP)
		sip_only(&l, &uri_headers);
	else if (t->kind == TARGET_STREAM)
		stream_only(&l);
	if (t->kind != TARGET_STREAM && t->kind != TARGET_QUEUE)
		confirm(&l);
	events(&l);
}

/* --- strategies --- */

static struct plan_group *new_groups(struct build *b, size_t count)
{
	struct plan_group *groups = arena_alloc(b->arena, count * sizeof(*groups));

	b->plan->groups = groups;
	b->plan->group_count = groups ? count : 0;
	if (!groups)
		b->err = ENOMEM;
	return groups;
}

/* A group of count destinations that begin with dest. */
static void fill_group(struct build *b, struct plan_group *g, const struct doc *dest, size_t count)
{
	struct plan_target *targets = arena_alloc(b->arena, count * sizeof(*targets));

	if (!targets) {
		b->err = ENOMEM;
		return;
	}
	g->targets = targets;
	g->count = count;
	for (size_t i = 0; i < count; i++, dest = dest->next) {
		if (dest->type != DOC_MAP) {
			bad(b, dest, "destination", "this is an object with \"to\"");
			continue;
		}
		if (dest != b->args && swml_args_check(dest, swml_destination_params(), b->r))
			b->err = b->err ? b->err : EINVAL;
		else
			target(b, dest, &targets[i]);
	}
}

static void serial(struct build *b, const struct doc *list)
{
	struct plan_group *groups = new_groups(b, list->count);
	const struct doc *d = list->child;

	for (size_t i = 0; groups && i < list->count; i++, d = d->next)
		fill_group(b, &groups[i], d, 1);
}

static void serial_parallel(struct build *b, const struct doc *list)
{
	struct plan_group *groups = new_groups(b, list->count);
	const struct doc *d = list->child;

	for (size_t i = 0; groups && i < list->count; i++, d = d->next) {
		if (d->type != DOC_LIST || !d->count)
			bad(b, d, "serial_parallel", "a group is a list of destinations that is not empty");
		else
			fill_group(b, &groups[i], d->child, d->count);
	}
}

/* Count the destinations before anything is made of them. */
static bool too_many(const struct doc *list)
{
	size_t n = 0;

	for (const struct doc *d = list->child; d; d = d->next)
		n += d->type == DOC_LIST ? d->count : 1;
	return n > PLAN_MAX_TARGETS;
}

static void strategy(struct build *b)
{
	static const char *const names[] = { "to", "serial", "parallel", "serial_parallel" };
	const struct doc *chosen = NULL;
	size_t which = 0;
	struct plan_group *g;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct doc *d = swml_arg(b->args, names[i]);

		if (d && chosen) {
			swml_error(b->r, "method_parameter_conflict", d, "%s and %s exclude each other", names[which],
				   names[i]);
			b->err = EINVAL;
			return;
		}
		chosen = d ? d : chosen;
		which = d ? i : which;
	}
	if (!chosen) {
		swml_error(b->r, "method_parameter_missing", b->args,
			   "connect needs one of to, serial, parallel, serial_parallel");
		b->err = EINVAL;
	} else if (which > 0 && (!chosen->count || too_many(chosen))) {
		bad(b, chosen, names[which], "a list of 1 to 64 destinations");
	} else if (which == 1) {
		serial(b, chosen);
	} else if (which == 3) {
		serial_parallel(b, chosen);
	} else if ((g = new_groups(b, 1))) {
		fill_group(b, g, which ? chosen->child : b->args, which ? chosen->count : 1);
	}
}

/* --- the whole --- */

static void ringback(struct build *b)
{
	const struct doc *d = swml_arg(b->args, "ringback");
	const char **out;
	size_t n = 0;

	if (!d || swml_unknown(d, b->r))
		return;
	out = arena_alloc(b->arena, (d->type == DOC_LIST ? d->count + 1 : 1) * sizeof(*out));
	if (!out) {
		b->err = ENOMEM;
		return;
	}
	/* What is no sound is left out: the call matters more than what is heard before it. */
	for (const struct doc *item = swml_next_sound(d, NULL); item; item = swml_next_sound(d, item))
		if (swml_sound_ok(item, b->r))
			out[n++] = copy(b, swml_is_scalar(item) ? item->text : STR(""));
	b->plan->ringback = out;
	b->plan->ringback_count = n;
}

static void after_bridge(struct build *b)
{
	const struct doc *d = swml_arg(b->args, "transfer_after_bridge");

	if (d && !swml_unknown(d, b->r) && !is_url(str_trim(d->text)) && !str_starts(str_trim(d->text), "{"))
		bad(b, d, "transfer_after_bridge", "this is a URL or a document in JSON");
}

static void top(struct build *b)
{
	struct leg l = { b, b->args, NULL };
	const struct doc *d = swml_arg(b->args, "answer_on_bridge");

	if (d)
		swml_bool(d, &b->plan->answer_on_join);
	b->plan->max_talk_ms = 1000 * seconds(&l, "max_duration", TALK_S);
	b->plan->status_url = url_of(b, later(b, swml_arg(b->args, "status_url"), "status_url"), "status_url");
	ringback(b);
	after_bridge(b);
}

int swml_connect_plan(struct plan **out, const struct doc *args, const char *country, struct swml_report *r)
{
	struct build b = { .args = args, .country = country, .r = r };
	int err = plan_new(&b.plan);

	if (err)
		return err;
	b.arena = b.plan->arena;
	/* A value of the wrong type is reported once; looking closer at it would only say so again. */
	if (swml_args_check(args, swml_method(STR("connect"))->params, r)) {
		b.err = EINVAL;
	} else {
		strategy(&b);
		top(&b);
	}
	if (b.err)
		plan_free(&b.plan);
	else
		*out = b.plan;
	return b.err;
}

/* dial: from "call this number or URI as that caller" to an INVITE: trunk, transport, identity, headers, codecs. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "call/call_impl.h"
#include "call/identity.h"
#include "call/trunk_state.h"
#include "call/users.h"
#include "sip/sip_build.h"
#include "sip/sip_msg.h"

enum { MAX_FIELDS = 40, MAX_URI = 255 };

struct dial { /* what is worked out for one INVITE; texts live in the arena */
	struct calls *calls;
	const struct call_dial *ask;
	struct arena *arena;
	struct call_dial_fault *fault;
	const char *number;    /* E.164, NULL = SIP */
	struct sip_uri target; /* next hop and Request-URI of the target that is looked at */
	enum wire_kind kind;
	struct leg_sip_target *targets; /* to be tried in this order */
	const struct trunk **via;       /* the trunk of each; NULL = SIP */
	size_t target_count;
	struct call_info info; /* of the new call */
	struct str from_uri, from_name;
	struct sip_field fields[MAX_FIELDS];
	size_t field_count;
	struct codec_list codecs;
	struct video_formats video; /* what the caller has of it */
	struct opus_wish opus;      /* what the caller can use of it */
	bool knows_opus;
};

static int fail(struct dial *d, enum cause cause, int err, const char *fmt, ...) PRINTF_LIKE(4, 5);
static int fail(struct dial *d, enum cause cause, int err, const char *fmt, ...)
{
	va_list ap;

	d->fault->cause = cause;
	va_start(ap, fmt);
	vsnprintf(d->fault->why, sizeof(d->fault->why), fmt, ap);
	va_end(ap);
	return err;
}

/* The text a buffer holds, moved into the arena. Empty on no memory. */
static struct str settle(struct dial *d, struct buf *b)
{
	char *text = b->failed ? NULL : str_dup(d->arena, buf_view(b));

	buf_free(b);
	return text ? str_of(text) : STR("");
}

/* The user part of a URI, or the text itself when it is none. */
static struct str user_of(const char *text)
{
	struct sip_uri uri;
	struct str s = str_of(text);

	if ((str_istarts(s, "sip:") || str_istarts(s, "sips:")) && !sip_uri_parse(&uri, s))
		return uri.user.p ? uri.user : STR("");
	return s;
}

static bool is_uri(const char *text)
{
	return str_istarts(str_of(text), "sip:") || str_istarts(str_of(text), "sips:");
}

/* --- where to --- */

static int choose_transport(struct dial *d)
{
	struct str name = sip_param(d->target.params, "transport");

	if (str_iis(d->target.scheme, "sips"))
		d->kind = WIRE_TLS;
	else if (!name.p)
		d->kind = d->calls->opts.default_transport;
	else if (str_iis(name, "udp"))
		d->kind = WIRE_UDP;
	else if (str_iis(name, "tcp"))
		d->kind = WIRE_TCP;
	else if (str_iis(name, "tls"))
		d->kind = WIRE_TLS;
	else
		return fail(d, CAUSE_ERROR, EPROTONOSUPPORT,
			    "transport %.*s is not supported; write ;transport=udp, tcp or tls", STR_ARG(name));
	return 0;
}

/* From is filled in when it is known. */
static void add_target(struct dial *d, const struct trunk *trunk, const char *username, const char *password)
{
	if (trunk)
		d->via[d->target_count] = trunk;
	d->targets[d->target_count++] = (struct leg_sip_target){
		.trunk = trunk ? str_of(trunk->name) : STR(""),
		.follow = trunk && trunk->follow_redirects,
		.ruri = d->target.all,
		.kind = d->kind,
		.username = str_of(username && password ? username : ""),
		.password = str_of(password),
	};
}

/* connect.md §1: a subscriber of ours; §9 for what it is when there is no phone. */
static int aim_at_subscriber(struct dial *d)
{
	struct str user = d->target.user.p ? str_percent_decode(d->arena, d->target.user) : STR("");
	uint64_t phone = d->ask->binding;

	if (!users_find(d->calls, user))
		return fail(d, CAUSE_NOT_FOUND, ENOENT, "there is no subscriber %.60s", d->ask->address);
	if (phone && !sip_stack_is_registered(d->calls->sip.stack, phone))
		return fail(d, CAUSE_NO_ANSWER, ENOENT, "the phone of %.60s has gone", d->ask->address);
	if (!phone && !users_phones(d->calls, user, &phone, 1))
		return fail(d, CAUSE_NO_ANSWER, ENOENT, "%.60s is not registered", d->ask->address);
	add_target(d, NULL, NULL, NULL);
	d->targets[0].binding = phone;
	return 0;
}

static int aim_at_uri(struct dial *d)
{
	const char *text = d->ask->address;
	int err;

	if (strlen(text) > MAX_URI)
		return fail(d, CAUSE_ERROR, EINVAL, "the SIP URI is longer than %d characters", MAX_URI);
	if (sip_uri_parse(&d->target, str_of(text)) || !d->target.host.n)
		return fail(d, CAUSE_ERROR, EINVAL, "\"%.80s\" is not a SIP URI", text);
	d->targets = arena_alloc(d->arena, sizeof(*d->targets));
	if (!d->targets)
		return fail(d, CAUSE_ERROR, ENOMEM, "out of memory");
	if (users_is_ours(d->calls, &d->target))
		return aim_at_subscriber(d);
	err = choose_transport(d);
	if (err)
		return err;
	add_target(d, NULL, d->ask->username, d->ask->password);
	d->targets[0].session_timeout_s = d->ask->session_timeout_s;
	return 0;
}

/* The trunk's uri with the number in it, as d->target. */
static int aim_at_trunk(struct dial *d, const struct trunk *trunk)
{
	struct str rest = str_of(trunk->uri), part;
	struct buf uri = { 0 };

	for (const char *at; (at = strstr(rest.p, "{number}")); rest = str_of(at + 8)) {
		part = str_head(rest, (size_t)(at - rest.p));
		buf_str(&uri, part);
		buf_cstr(&uri, d->number);
	}
	buf_str(&uri, rest);
	if (sip_uri_parse(&d->target, settle(d, &uri)) || !d->target.host.n)
		return fail(d, CAUSE_ERROR, EINVAL, "the uri of trunk %s gives no SIP URI", trunk->name);
	return choose_transport(d);
}

/* connect.md §3.4. A number the table lacks may cost anything. */
static int check_price(struct dial *d, const struct trunk *trunk)
{
	uint32_t cap = d->ask->price_cap, price = 0;

	if (!cap)
		return 0;
	switch (trunk_price(trunk, d->number, cap, &price)) {
	case TRUNK_WITHIN:
		return 0;
	case TRUNK_FREE:
		if (!d->calls->told_no_rates)
			log_printf(LOG_WARN, NULL, "trunk %s has no rates: a price cap has no effect on it",
				   trunk->name);
		d->calls->told_no_rates = true;
		return 0;
	case TRUNK_OVER:
		return fail(d, CAUSE_ERROR, EPERM, "trunk %s takes %u.%04u USD a minute, the cap is %u.%04u",
			    trunk->name, price / RATES_PRICE_UNIT, price % RATES_PRICE_UNIT, cap / RATES_PRICE_UNIT,
			    cap % RATES_PRICE_UNIT);
	case TRUNK_NO_RATE:
		break;
	}
	return fail(d, CAUSE_ERROR, EPERM, "trunk %s has no rate for %s, which counts as over the price cap",
		    trunk->name, d->number);
}

/* 0 = the trunk can be tried; else fault says why it is passed over. */
static int consider(struct dial *d, const struct trunk *trunk)
{
	int err = check_price(d, trunk);

	if (err)
		return err;
	if (!trunk_allows_caller(trunk, d->info.from, d->calls->opts.routes->country))
		return fail(d, CAUSE_ERROR, EPERM, "trunk %s may not send the caller id %.60s", trunk->name,
			    d->info.from);
	return aim_at_trunk(d, trunk);
}

/* Trunks that are down count as if they had failed at once, unless all are. */
static int aim_at_trunks(struct dial *d, const struct trunk *const *trunks, size_t count, bool down_too)
{
	char passed[sizeof(d->fault->why)];
	size_t used = 0, down = 0;
	int err = 0;

	for (size_t i = 0; i < count; i++) {
		err = consider(d, trunks[i]);
		if (!err && !down_too && trunks_health(d->calls->trunks, trunks[i]) == TRUNK_DOWN) {
			down++;
			continue;
		}
		if (!err) {
			add_target(d, trunks[i], trunks[i]->username, trunks[i]->password);
			continue;
		}
		if (used < sizeof(passed))
			used += (size_t)snprintf(passed + used, sizeof(passed) - used, "%s%s", used ? "; " : "",
						 d->fault->why);
	}
	if (d->target_count)
		return 0;
	return down ? aim_at_trunks(d, trunks, count, true) : fail(d, CAUSE_ERROR, err, "%s", passed);
}

static int aim_at_number(struct dial *d)
{
	const struct route_table *routes = d->calls->opts.routes;
	const struct trunk **trunks;
	char number[32];
	size_t count;

	if (route_number(number, str_of(d->ask->address), routes->country))
		return fail(d, CAUSE_ERROR, EINVAL, "\"%.60s\" is not a phone number", d->ask->address);
	d->number = str_dup(d->arena, str_of(number));
	trunks = arena_alloc(d->arena, routes->trunk_count * sizeof(struct trunk *));
	d->via = arena_alloc(d->arena, routes->trunk_count * sizeof(struct trunk *));
	d->targets = arena_alloc(d->arena, routes->trunk_count * sizeof(*d->targets));
	if (!d->number || !trunks || !d->via || !d->targets)
		return fail(d, CAUSE_ERROR, ENOMEM, "out of memory");
	count = route_trunks(routes, number, trunks);
	if (!count)
		return fail(d, CAUSE_NOT_FOUND, ENOENT, "no trunk takes the number %s", number);
	return aim_at_trunks(d, trunks, count, false);
}

/* --- as whom --- */

static const char *our_host(struct dial *d)
{
	struct addr local;
	char text[ADDR_TEXT];

	if (d->calls->opts.domain)
		return d->calls->opts.domain;
	if (d->calls->opts.sip.advertise)
		return d->calls->opts.sip.advertise;
	sip_stack_local(d->calls->sip.stack, 0, &local);
	return str_dup(d->arena, str_of(addr_uri_host(&local, text)));
}

static void build_from(struct dial *d)
{
	const char *from = d->ask->from;
	struct buf uri = { 0 };

	if (from && is_uri(from) && !d->number) {
		d->from_uri = str_of(from);
		d->info.from = from;
		return;
	}
	buf_cstr(&uri, "sip:");
	sip_build_user(&uri, user_of(d->info.from));
	buf_char(&uri, '@');
	buf_cstr(&uri, our_host(d));
	d->from_uri = settle(d, &uri);
	/* SIP legs go by URIs, phone legs by numbers. */
	if (!d->number)
		d->info.from = d->from_uri.p;
}

static int identify(struct dial *d)
{
	const struct call_dial *ask = d->ask;
	const struct call_info *parent = ask->parent ? &ask->parent->info : NULL;
	const char *from = ask->from ? ask->from : parent ? parent->from : "anonymous";
	const char *name = ask->from_name;

	if (ask->number || !ask->from)
		from = str_dup(d->arena, user_of(from));
	if (!name && !ask->from && parent && !ask->number)
		name = parent->from_name;
	if (!from)
		return fail(d, CAUSE_ERROR, ENOMEM, "out of memory");
	d->info.from = from;
	d->info.from_name = ask->number || !name ? "" : name;
	d->from_name = str_of(d->info.from_name);
	d->info.type = ask->number ? "phone" : "sip";
	d->info.to = ask->address;
	d->info.hook = ask->hook;
	if (parent) {
		d->info.parent_id = parent->id;
		d->info.parent_type = parent->type;
	}
	return 0;
}

/* --- with what --- */

static void add_field(struct dial *d, const char *name, struct str value)
{
	if (d->field_count < MAX_FIELDS)
		d->fields[d->field_count++] = (struct sip_field){ name, value };
}

/* connect.md §1: SIP legs carry their own id and the API version; trunks see neither these nor custom headers. */
static void add_headers(struct dial *d, const char *call_id)
{
	const char *prefix = d->calls->opts.header_prefix;
	struct buf name = { 0 };

	if (d->number)
		return;
	for (size_t i = 0; i < d->ask->header_count; i++)
		add_field(d, d->ask->headers[i].name, str_of(d->ask->headers[i].value));
	buf_cstr(&name, prefix);
	buf_cstr(&name, "-CallSid");
	add_field(d, settle(d, &name).p, str_of(call_id));
	buf_cstr(&name, prefix);
	buf_cstr(&name, "-ApiVersion");
	add_field(d, settle(d, &name).p, STR("2010-04-01"));
}

/* Could the caller hear somebody who speaks this codec? */
static bool reaches_caller(const struct codec_list *callers, enum codec_id id)
{
	for (size_t i = 0; i < callers->count; i++) {
		if (port_can_join(callers->items[i], id))
			return true;
	}
	return false;
}

/* What of the wish the caller can hear. The order of a document stays; ours puts what needs no transcoding first. */
static void fit_to_caller(const struct codec_list *wanted, const struct codec_list *callers, bool keep_order,
			  struct codec_list *out)
{
	out->count = 0;
	if (!keep_order)
		codec_list_common(out, wanted, callers);
	for (size_t i = 0; i < wanted->count; i++) {
		if (reaches_caller(callers, wanted->items[i]))
			codec_list_add(out, wanted->items[i]);
	}
}

/* What the document names, or the configuration. */
static void wanted_codecs(const struct dial *d, bool asked, struct codec_list *audio, struct codec_list *video)
{
	struct codec_list all = d->calls->opts.codecs;

	if (asked)
		codec_list_parse(&all, str_of(d->ask->codecs), NULL, NULL);
	codec_list_split(&all, audio, video);
}

static int choose_codecs(struct dial *d)
{
	bool asked = d->ask->codecs && !d->number;
	struct codec_list wanted, video, can;

	wanted_codecs(d, asked, &wanted, &video);
	if (!wanted.count)
		return fail(d, CAUSE_ERROR, EINVAL, "none of the codecs \"%.80s\" can be used", d->ask->codecs);
	d->codecs = wanted;
	if (d->ask->parent) {
		leg_codecs(d->ask->parent->leg, &can);
		fit_to_caller(&wanted, &can, asked, &d->codecs);
		leg_video(d->ask->parent->leg, &d->video);
		d->knows_opus = leg_opus(d->ask->parent->leg, &d->opus);
	}
	if (!d->codecs.count)
		return fail(d, CAUSE_ERROR, EPROTO, "488: the caller has none of the codecs that would be offered");
	for (size_t i = 0; i < video.count; i++)
		codec_list_add(&d->codecs, video.items[i]);
	return 0;
}

/* As whom, and with which headers, each is called. 0 or ENOMEM. */
static int address_targets(struct dial *d, const char *call_id)
{
	struct identity_ask ask = { .user = user_of(d->info.from),
				    .name = d->from_name,
				    .host = d->number ? our_host(d) : NULL,
				    .parent = d->ask->parent ? &d->ask->parent->info : NULL };
	struct identity who;
	int err = 0;

	add_headers(d, call_id);
	for (size_t i = 0; !err && i < d->target_count; i++) {
		struct leg_sip_target *t = &d->targets[i];

		who = (struct identity){ d->from_uri, d->from_name, { d->fields, d->field_count } };
		if (d->number) {
			ask.trunk = d->via[i];
			err = ask.host ? identity_make(&who, d->arena, &ask) : ENOMEM;
		}
		t->from_uri = who.from_uri;
		t->from_name = who.from_name;
		t->fields = who.fields;
	}
	return err;
}

static int place(struct call **out, struct dial *d)
{
	struct leg_sip_call params = {
		.targets = d->targets,
		.target_count = d->target_count,
		.codecs = d->codecs,
		.video = d->video.count ? &d->video : NULL,
		.opus = d->knows_opus ? &d->opus : NULL,
		.encryption = d->ask->own_encryption ? d->ask->encryption : d->calls->opts.encryption,
		.near = d->ask->parent ? leg_port(d->ask->parent->leg) : NULL,
	};
	const char *why = "out of memory";
	struct call *c;
	struct leg *leg;
	int err = call_new(&c, d->calls, &d->info);

	if (err)
		return fail(d, CAUSE_ERROR, err, "out of memory");
	params.id = str_of(c->id);
	err = address_targets(d, c->id);
	if (!err)
		err = leg_sip_dial(&leg, &d->calls->sip, &params, &why);
	if (err) {
		call_discard(c);
		return fail(d, CAUSE_ERROR, err, "%s", why);
	}
	if (!d->ask->parent)
		call_start_counting(c);
	call_begin(c, leg);
	*out = c;
	return 0;
}

/* A leg without a parent is a new call, and there may be enough of them. */
int dial_admit(struct calls *cs, const struct call_dial *ask, struct call_dial_fault *fault)
{
	struct dial d = { .fault = fault };
	const char *full;

	if (ask->parent)
		return 0;
	if (cs->draining)
		return fail(&d, CAUSE_ERROR, ESHUTDOWN, "the server is draining");
	if (cs->opts.overloaded && cs->opts.overloaded(cs->opts.arg))
		return fail(&d, CAUSE_ERROR, EAGAIN, "too many call records wait to be written");
	full = calls_refuse(cs);
	return full ? fail(&d, CAUSE_ERROR, EAGAIN, "%s", full) : 0;
}

int call_dial(struct call **out, struct calls *cs, const struct call_dial *ask,
	      const struct call_controller *controller, void *arg, struct call_dial_fault *fault)
{
	struct dial d = { .calls = cs, .ask = ask, .fault = fault };
	int err;

	if (ask->parent && (!ask->parent->leg || leg_state(ask->parent->leg) >= LEG_CLOSING))
		return fail(&d, CAUSE_CANCEL, ENOTCONN, "the caller has gone");
	if (!ask->number && *ask->address == '/') {
		err = dial_address(out, cs, ask, fault);
		if (!err)
			call_control(*out, controller, arg);
		return err;
	}
	if (arena_new(&d.arena, 1024, 0))
		return fail(&d, CAUSE_ERROR, ENOMEM, "out of memory");
	err = identify(&d);
	if (!err)
		err = ask->number ? aim_at_number(&d) : aim_at_uri(&d);
	if (!err)
		err = choose_codecs(&d);
	if (!err)
		err = dial_admit(cs, ask, fault);
	if (!err) {
		build_from(&d);
		err = place(out, &d);
	}
	if (!err)
		call_control(*out, controller, arg);
	arena_free(&d.arena);
	return err;
}

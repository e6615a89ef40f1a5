/* sip_endpoint: what our SIP stack does with an INVITE from outside: who may call, who answers, or why not. */
#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "call/call_impl.h"
#include "call/trace.h"
#include "call/trunk_state.h"
#include "call/users.h"
#include "sip/sip_identity.h"

enum { RETRY_AFTER_S = 5, MAX_VISIBLE = 32, MAX_KEPT = 16 };

struct headers { /* of an INVITE */
	struct call_header visible[MAX_VISIBLE], kept[MAX_KEPT];
};

/* The trunk that calls from this address are taken as: by accept_from, or because we are registered there. */
static const struct trunk *trunk_of(const struct calls *cs, const struct addr *source)
{
	const struct trunk *t = route_source(cs->opts.routes, source);

	return t ? t : trunks_source(cs->trunks, source);
}

static bool known(void *arg, const struct addr *source, const struct sip_msg *m)
{
	struct calls *cs = arg;

	return trunk_of(cs, source) != NULL || users_may_ask(cs, m);
}

static bool trusted(void *arg, const struct addr *source)
{
	return trunk_of(arg, source) != NULL;
}

static void refuse(struct sip_session *s, const struct sip_invite *in, int status, const char *why)
{
	char source[ADDR_TEXT], retry[12];
	const struct sip_field later = { "Retry-After",
					 { retry, (size_t)snprintf(retry, sizeof(retry), "%d", RETRY_AFTER_S) } };
	const struct sip_fields fields = { &later, status == 503 ? 1 : 0 };
	char code[8];

	snprintf(code, sizeof(code), "%d", status);
	const struct log_field facts[] = {
		{ "status", str_of(code) },
		{ "source", str_of(addr_text(&in->source, source)) },
		{ "uri", in->ruri.all },
		{ "why", str_of(why) },
	};
	log_fields(LOG_INFO, NULL, "INVITE refused", facts, ARRAY_LEN(facts));
	sip_session_refuse(s, status, STR(""), &fields);
}

static bool is_number(struct str user)
{
	if (user.n < 2 || user.p[0] != '+')
		return false;
	for (size_t i = 1; i < user.n; i++)
		if (user.p[i] < '0' || user.p[i] > '9')
			return false;
	return true;
}

/* Headers a document may see: the X- ones, as they came. */
static size_t visible_headers(struct arena *a, const struct sip_msg *m, struct call_header *out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < m->header_count && n < max; i++) {
		if (!str_istarts(m->headers[i].name, "x-"))
			continue;
		out[n].name = str_dup(a, m->headers[i].name);
		out[n].value = str_dup(a, m->headers[i].value);
		if (out[n].name && out[n].value)
			n++;
	}
	return n;
}

static bool is_passed_on(const struct route_table *t, struct str name)
{
	for (size_t i = 0; i < t->trunk_count; i++)
		for (const char *const *p = t->trunks[i].pass_headers; p && *p; p++)
			if (str_iis(name, *p))
				return true;
	return false;
}

/* Headers that some trunk passes on, without folds. */
static size_t kept_headers(struct arena *a, const struct calls *cs, const struct sip_msg *m, struct call_header *out)
{
	size_t n = 0;

	for (size_t i = 0; i < m->header_count && n < MAX_KEPT; i++) {
		char *value;

		if (!is_passed_on(cs->opts.routes, m->headers[i].name))
			continue;
		value = str_dup(a, m->headers[i].value);
		out[n].name = str_dup(a, m->headers[i].name);
		out[n].value = value;
		for (; value && *value; value++)
			if (*value == '\r' || *value == '\n')
				*value = ' ';
		if (out[n].name && out[n].value)
			n++;
	}
	return n;
}

/* Without the backslashes of a quoted string (RFC 3261 §25.1). */
static struct str display_name(struct arena *a, struct str from)
{
	char *name = from.n ? str_dup(a, from) : NULL;
	size_t n = 0;

	if (!name)
		return STR("");
	for (size_t i = 0; i < from.n; i++) {
		if (name[i] == '\\' && i + 1 < from.n)
			i++;
		name[n++] = name[i];
	}
	name[n] = '\0';
	return (struct str){ name, n };
}

/* Who calls: by From, or as a trunk that is trusted asserts it. */
static void find_caller(const struct calls *cs, const struct sip_invite *in, struct sip_identity *out)
{
	const struct trunk *t = trunk_of(cs, &in->source);

	if (t && t->trust_identity && sip_identity_read(out, in->msg))
		return;
	out->name = in->from.name;
	out->uri = in->from.uri.all;
	out->user = in->from.uri.user;
}

/* What the call is called; the texts live in a. 0 or ENOMEM. */
static int describe(struct arena *a, const struct calls *cs, const struct sip_invite *in, struct headers *headers,
		    struct call_info *out)
{
	struct sip_identity caller;
	bool phone;

	find_caller(cs, in, &caller);
	phone = is_number(caller.user) && is_number(in->ruri.user);
	*out = (struct call_info){
		.inbound = true,
		.type = phone ? "phone" : "sip",
		.from = str_dup(a, phone ? caller.user : caller.uri),
		.to = str_dup(a, phone ? in->ruri.user : in->ruri.all),
		.from_name = display_name(a, caller.name).p,
		.headers = headers->visible,
		.header_count = visible_headers(a, in->msg, headers->visible, ARRAY_LEN(headers->visible)),
		.kept = headers->kept,
		.kept_count = kept_headers(a, cs, in->msg, headers->kept),
	};
	return out->from && out->to ? 0 : ENOMEM;
}

static const struct route *route_of(struct calls *cs, struct arena *a, const struct sip_invite *in)
{
	struct str user = in->ruri.user.p ? str_percent_decode(a, in->ruri.user) : STR("");

	return route_match(cs->opts.routes, user, in->ruri.host);
}

static void begin(struct calls *cs, struct arena *a, struct sip_session *s, const struct sip_invite *in,
		  const struct route *route)
{
	struct leg_sip_ours ours = { .codecs = &cs->opts.codecs };
	struct headers headers;
	struct call_info info;
	struct call *c = NULL;
	struct leg *leg;
	const char *why = "";
	int status;

	if (describe(a, cs, in, &headers, &info) || call_new(&c, cs, &info)) {
		refuse(s, in, 503, "out of memory");
		return;
	}
	call_start_counting(c);
	if (in->subscriber.n)
		ours.near = call_port_of(cs, in->subscriber, c);
	status = leg_sip_accept(&leg, &cs->sip, s, in, &ours, &why);
	if (status) {
		call_discard(c);
		refuse(s, in, status, why);
		return;
	}
	call_trace_link(cs->sip.trace, str_of(c->id), in->call_id);
	call_begin(c, leg);
	cs->opts.incoming(cs->opts.arg, c, route);
}

static void invite(void *arg, struct sip_session *s, const struct sip_invite *in)
{
	struct calls *cs = arg;
	const struct route *route;
	const char *full;
	struct arena *a;

	if (cs->draining) {
		refuse(s, in, 503, "the server is draining");
		return;
	}
	if (cs->opts.overloaded && cs->opts.overloaded(cs->opts.arg)) {
		refuse(s, in, 503, "too many call records wait to be written");
		return;
	}
	if (arena_new(&a, 1024, 0)) {
		refuse(s, in, 503, "out of memory");
		return;
	}
	route = route_of(cs, a, in);
	if (!route)
		refuse(s, in, 404, "no route matches");
	else if (!route->swml && !route->url)
		refuse(s, in, 480, "the route's target is not in this version");
	else if ((full = calls_refuse(cs)))
		refuse(s, in, 503, full);
	else
		begin(cs, a, s, in, route);
	arena_free(&a);
}

const struct sip_stack_handlers sip_endpoint_handlers = {
	.invite = invite,
	.known = known,
	.password = users_password,
	.challenged = users_challenged,
	.trusted = trusted,
};

#include "call/call_transfer.h"

#include "call/call_impl.h"
#include "call/users.h"

void call_set_pairing(struct call *c, struct call_pairing *p)
{
	c->pairing = p;
}

struct call_pairing *call_pairing(const struct call *c)
{
	return c->pairing;
}

void call_asked(void *arg, const struct transfer_wish *w)
{
	struct call *c = arg;

	call_note(c, "the party asks for a transfer to %.*s%s", STR_ARG(str_head(w->to, 200)),
		  w->replaces.p ? ", in place of a call" : "");
	if (c->pairing && !c->owner->opts.no_transfers)
		c->pairing->asked(c->pairing, c, w);
}

int call_take_transfer(struct call *c, struct sip_notifier **out)
{
	return leg_take_refer(c->leg, out);
}

void call_refuse_transfer(struct call *c, int status)
{
	leg_refuse_refer(c->leg, status);
}

void call_tell_transfer(const struct calls *cs, struct sip_notifier **n, int status)
{
	if (!cs->sip.stack) /* it took them along */
		*n = NULL;
	if (*n)
		sip_notifier_tell(n, status);
}

struct call *call_named(const struct calls *cs, struct str replaces)
{
	struct leg *l = leg_sip_named(&cs->sip, replaces);

	return l && leg_state(l) == LEG_ANSWERED ? leg_owner(l) : NULL;
}

void call_set_transferred_by(struct call *c, const struct call *by)
{
	const char *id = str_dup(c->arena, str_of(by->info.id));

	if (id)
		c->info.transferred_by = id;
}

void call_count_alone(struct call *c)
{
	if (!c->counted)
		call_start_counting(c);
}

static bool is_party(const struct call *c, struct str subscriber)
{
	struct sip_uri uri;

	return !sip_uri_parse(&uri, str_of(c->info.inbound ? c->info.from : c->info.to)) &&
	       users_is_ours(c->owner, &uri) && uri.user.p && str_eq(uri.user, subscriber);
}

const struct port *call_port_of(const struct calls *cs, struct str subscriber, const struct call *c)
{
	/* Subscribers are people: there are never so many calls that this would matter. The newest first. */
	for (const struct list *n = cs->list.prev; n != &cs->list; n = n->prev) {
		const struct call *other = LIST_ITEM(n, struct call, node);

		if (other != c && other->leg && leg_port(other->leg) && is_party(other, subscriber))
			return leg_port(other->leg);
	}
	return NULL;
}

/* --- where to --- */

/* Do peers mean us with this URI: our domain, or where we listen? */
static bool is_us(const struct calls *cs, const struct sip_uri *uri)
{
	uint16_t port = uri->port ? uri->port : str_iis(uri->scheme, "sips") ? 5061 : 5060;
	struct addr local;
	char text[ADDR_TEXT];

	if (users_is_ours(cs, uri))
		return true;
	for (size_t i = 0; i < cs->opts.sip.listen_count; i++) {
		sip_stack_local(cs->sip.stack, i, &local);
		if (port == addr_port(&local) &&
		    (str_iis(uri->host, addr_uri_host(&local, text)) ||
		     (cs->opts.sip.advertise && str_iis(uri->host, cs->opts.sip.advertise))))
			return true;
	}
	return false;
}

static bool is_clean(struct str uri)
{
	for (size_t i = 0; i < uri.n; i++)
		if (uri.p[i] <= ' ' || uri.p[i] >= 0x7f || uri.p[i] == '<' || uri.p[i] == '>' || uri.p[i] == '"')
			return false;
	return uri.n;
}

static int take_number(struct transfer_target *out, const struct calls *cs, struct arena *a, struct str text)
{
	char number[32];
	struct str user;

	str_split(&text, ';', &user);
	if (route_number(number, user, cs->opts.routes->country))
		return 404;
	out->number = true;
	out->address = str_dup(a, str_of(number));
	return out->address ? 0 : 500;
}

/* Extensions and numbers are dialled at our own host; a subscriber goes before a number. */
static int take_ours(struct transfer_target *out, const struct calls *cs, struct arena *a, const struct sip_uri *uri)
{
	struct str user = uri->user.p ? str_percent_decode(a, uri->user) : STR("");

	if (!users_find(cs, user))
		return take_number(out, cs, a, user);
	out->phone_count = users_phones(cs, user, out->phones, ARRAY_LEN(out->phones));
	return out->phone_count ? 0 : 480;
}

int transfer_target_read(struct transfer_target *out, const struct calls *cs, struct arena *a, struct str text)
{
	struct sip_uri uri;

	*out = (struct transfer_target){ .number = false };
	if (!is_clean(text))
		return 400;
	if (str_istarts(text, "tel:"))
		return take_number(out, cs, a, str_from(text, 4));
	if (!str_istarts(text, "sip:") && !str_istarts(text, "sips:"))
		return 416;
	out->address = str_dup(a, text);
	if (!out->address)
		return 500;
	if (sip_uri_parse(&uri, text) || !uri.host.n)
		return 400;
	if (!is_us(cs, &uri))
		return 0;
	return take_ours(out, cs, a, &uri);
}

#include "call/users.h"

#include "call/call_impl.h"
#include "call/resource.h"

static const struct resource_table *table(const struct calls *cs)
{
	return cs->opts.domain ? cs->opts.routes->resources : NULL;
}

static bool has_users(const struct calls *cs)
{
	return table(cs) && table(cs)->subscriber_count;
}

const struct resource *users_find(const struct calls *cs, struct str name)
{
	return has_users(cs) ? resource_subscriber(table(cs), name) : NULL;
}

bool users_is_ours(const struct calls *cs, const struct sip_uri *uri)
{
	return cs->opts.domain && str_iis(uri->host, cs->opts.domain);
}

bool users_owns(const struct calls *cs, const char *uri)
{
	struct sip_uri parsed;

	return !sip_uri_parse(&parsed, str_of(uri)) && users_is_ours(cs, &parsed);
}

const struct resource *users_address(const struct calls *cs, const char *address)
{
	const struct resource_table *t = cs->opts.routes->resources;

	return t ? resource_find(t, str_of(address)) : NULL;
}

const char *users_domain(const struct calls *cs)
{
	return cs->opts.domain;
}

struct phones {
	uint64_t *out;
	size_t count, max;
};

static bool add_phone(void *arg, const struct sip_registration *r)
{
	struct phones *p = arg;

	if (p->count < p->max)
		p->out[p->count++] = r->id;
	return p->count < p->max;
}

size_t users_phones(const struct calls *cs, struct str name, uint64_t *out, size_t max)
{
	struct phones p = { out, 0, max };

	if (max)
		sip_stack_registrations(cs->sip.stack, name.p ? name : STR(""), add_phone, &p);
	return p.count;
}

size_t users_phones_of(const struct calls *cs, const char *uri, uint64_t *out, size_t max)
{
	struct sip_uri parsed;
	struct arena *a = NULL;
	struct str name;
	size_t n = 0;

	if (sip_uri_parse(&parsed, str_of(uri)) || !users_is_ours(cs, &parsed) || !parsed.user.n)
		return 0;
	if (arena_new(&a, 256, 0))
		return 0;
	name = str_percent_decode(a, parsed.user);
	if (name.p && users_find(cs, name))
		n = users_phones(cs, name, out, max);
	arena_free(&a);
	return n;
}

/* --- for the stack --- */

const char *users_password(void *arg, struct str name)
{
	const struct resource *r = users_find(arg, name);

	return r ? r->password : NULL;
}

bool users_challenged(void *arg, const struct addr *source, const struct sip_msg *m)
{
	const struct calls *cs = arg;

	return has_users(cs) && !route_source(cs->opts.routes, source);
}

bool users_may_ask(const struct calls *cs, const struct sip_msg *m)
{
	struct sip_name_addr party = { .tag = { NULL, 0 } };

	if (!has_users(cs) || (m->method != SIP_REGISTER && m->method != SIP_INVITE))
		return false;
	return !sip_name_addr_parse(&party, sip_msg_header(m, m->method == SIP_INVITE ? SIP_H_FROM : SIP_H_TO, 0)) &&
	       users_is_ours(cs, &party.uri);
}

int users_serve(struct calls *cs)
{
	return sip_stack_serve(cs->sip.stack, has_users(cs) ? cs->opts.domain : NULL, cs->opts.digests);
}

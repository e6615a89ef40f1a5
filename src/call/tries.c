#include "call/tries.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "sip/sip_transport.h"

static struct str copy(struct arena *a, struct str s, bool *ok)
{
	char *text = s.n ? str_dup(a, s) : NULL;

	*ok = *ok && (text || !s.n);
	return text ? (struct str){ text, s.n } : STR("");
}

static struct sip_fields copy_fields(struct arena *a, struct sip_fields from, bool *ok)
{
	struct sip_field *fields = from.count ? arena_alloc(a, from.count * sizeof(*fields)) : NULL;

	*ok = *ok && (fields || !from.count);
	for (size_t i = 0; fields && i < from.count; i++) {
		fields[i].name = copy(a, str_of(from.items[i].name), ok).p;
		fields[i].value = copy(a, from.items[i].value, ok);
	}
	return (struct sip_fields){ fields, fields ? from.count : 0 };
}

static bool copy_targets(struct tries *t, const struct leg_sip_call *p)
{
	bool ok = true;

	t->targets = arena_alloc(t->arena, p->target_count * sizeof(*t->targets));
	t->id = str_dup(t->arena, p->id.p ? p->id : STR(""));
	if (!t->targets || !t->id)
		return false;
	t->count = p->target_count;
	for (size_t i = 0; i < t->count; i++) {
		const struct leg_sip_target *from = &p->targets[i];

		t->targets[i] = (struct leg_sip_target){
			.trunk = copy(t->arena, from->trunk, &ok),
			.ruri = copy(t->arena, from->ruri, &ok),
			.kind = from->kind,
			.from_uri = copy(t->arena, from->from_uri, &ok),
			.from_name = copy(t->arena, from->from_name, &ok),
			.username = copy(t->arena, from->username, &ok),
			.password = copy(t->arena, from->password, &ok),
			.fields = copy_fields(t->arena, from->fields, &ok),
			.follow = from->follow,
			.session_timeout_s = from->session_timeout_s,
		};
	}
	return ok;
}

int tries_new(struct tries **out, const struct leg_sip_env *env, const struct leg_sip_call *p)
{
	struct tries *t = calloc(1, sizeof(*t));

	if (!t)
		return ENOMEM;
	t->env = env;
	if (arena_new(&t->arena, 512, 0) || !copy_targets(t, p)) {
		tries_free(&t);
		return ENOMEM;
	}
	*out = t;
	return 0;
}

void tries_free(struct tries **tp)
{
	struct tries *t = *tp;

	*tp = NULL;
	if (t)
		arena_free(&t->arena);
	free(t);
}

/* --- 3xx --- */

struct contact {
	struct str uri;
	struct str host;
	uint32_t q; /* in thousandths */
};

/* "0.7", "1", ".5": three decimals at most count; none or nonsense is 1. */
static uint32_t read_q(struct str text)
{
	struct str whole = { NULL, 0 };
	uint32_t q = 0, digit, unit = 100;

	text = str_trim(text);
	if (!str_split(&text, '.', &whole) || (whole.n && str_u32(whole, &q)) || q >= 1)
		return 1000;
	for (size_t i = 0; i < text.n && unit; i++, unit /= 10) {
		if (str_u32(str_head(str_from(text, i), 1), &digit))
			return 1000;
		q += digit * unit;
	}
	return q;
}

/* A sip: URI that the transport of the first one reaches; the caller's choice of transport is not for others to change. */
static bool read_contact(struct contact *out, struct str line, enum wire_kind kind)
{
	struct sip_name_addr na;
	struct str transport;

	if (sip_name_addr_parse(&na, line) || na.wildcard || !str_iis(na.uri.scheme, "sip") || !na.uri.host.n)
		return false;
	transport = sip_param(na.uri.params, "transport");
	if (transport.p && !str_iis(transport, sip_transport_param(kind)))
		return false;
	out->uri = na.uri.all;
	if (na.uri.headers.p)
		out->uri.n = (size_t)(na.uri.headers.p - 1 - na.uri.all.p);
	out->host = na.uri.host;
	out->q = read_q(sip_param(na.params, "q"));
	return true;
}

static bool was_tried(const struct tries *t, struct str uri)
{
	for (size_t i = 0; i < t->count; i++)
		if (str_ieq(t->targets[i].ruri, uri))
			return true;
	return false;
}

static bool is_listed(const struct contact *list, size_t count, struct str uri)
{
	for (size_t i = 0; i < count; i++)
		if (str_ieq(list[i].uri, uri))
			return true;
	return false;
}

/* Best first; equals keep their order. */
static size_t sort_in(struct contact *list, size_t count, size_t max, const struct contact *c)
{
	size_t at = count;

	while (at && list[at - 1].q < c->q)
		at--;
	if (at >= max)
		return count;
	count += count < max;
	memmove(&list[at + 1], &list[at], (count - at - 1) * sizeof(*list));
	list[at] = *c;
	return count;
}

/* Room for more targets behind the one that is tried. */
static struct leg_sip_target *make_room(struct tries *t, size_t more)
{
	struct leg_sip_target *all = arena_alloc(t->arena, (t->count + more) * sizeof(*all));
	size_t head = t->at + 1;

	if (!all)
		return NULL;
	memcpy(all, t->targets, head * sizeof(*all));
	memcpy(all + head + more, t->targets + head, (t->count - head) * sizeof(*all));
	t->targets = all;
	t->count += more;
	return all + head;
}

static bool same_host(const struct leg_sip_target *t, struct str host)
{
	struct sip_uri uri;

	return !sip_uri_parse(&uri, t->ruri) && str_ieq(uri.host, host);
}

size_t tries_redirect(struct tries *t, struct str contacts)
{
	struct leg_sip_target now = t->targets[t->at], *room;
	struct contact list[TRIES_MAX_REDIRECTS], c;
	size_t count = 0, max = TRIES_MAX_REDIRECTS - t->redirects;
	struct str line;
	bool ok = true;

	while (now.follow && max && str_split(&contacts, '\n', &line))
		if (read_contact(&c, line, now.kind) && !was_tried(t, c.uri) && !is_listed(list, count, c.uri))
			count = sort_in(list, count, max, &c);
	room = count ? make_room(t, count) : NULL;
	for (size_t i = 0; room && i < count; i++) {
		room[i] = now;
		room[i].ruri = copy(t->arena, list[i].uri, &ok);
		if (same_host(&now, list[i].host))
			continue;
		/* The password was given for that one host. */
		room[i].username = room[i].password = STR("");
	}
	t->redirects += (unsigned)count;
	return room && ok ? count : 0;
}

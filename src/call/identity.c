#include "call/identity.h"

#include <errno.h>

#include "base/arena.h"
#include "sip/sip_build.h"

static struct str settle(struct arena *a, struct buf *b)
{
	char *text = b->failed ? NULL : str_dup(a, buf_view(b));

	buf_free(b);
	return str_of(text);
}

static struct str print_uri(struct arena *a, const struct identity_ask *ask)
{
	struct buf b = { 0 };

	buf_cstr(&b, "sip:");
	sip_build_user(&b, ask->user);
	buf_char(&b, '@');
	buf_cstr(&b, ask->host);
	return settle(a, &b);
}

static struct str print_party(struct arena *a, const struct identity_ask *ask, struct str uri, bool hidden)
{
	struct buf b = { 0 };

	sip_build_name_addr(&b, ask->name, uri);
	if (ask->trunk->identity == TRUNK_IDENTITY_RPID)
		buf_printf(&b, ";party=calling;screen=yes;privacy=%s", hidden ? "full" : "off");
	return settle(a, &b);
}

static bool passes(const struct trunk *t, const char *name)
{
	for (const char *const *p = t->pass_headers; p && *p; p++)
		if (str_iis(str_of(name), *p))
			return true;
	return false;
}

static size_t pass_on(struct sip_field *fields, const struct identity_ask *ask)
{
	const struct call_info *from = ask->parent;
	size_t n = 0;

	for (size_t i = 0; from && i < from->kept_count; i++)
		if (passes(ask->trunk, from->kept[i].name))
			fields[n++] = (struct sip_field){ from->kept[i].name, str_of(from->kept[i].value) };
	return n;
}

int identity_make(struct identity *out, struct arena *a, const struct identity_ask *ask)
{
	bool unknown = !ask->user.n || str_iis(ask->user, "anonymous");
	bool hidden = unknown || ask->trunk->privacy;
	size_t room = 2 + (ask->parent ? ask->parent->kept_count : 0), n;
	struct sip_field *fields = arena_alloc(a, room * sizeof(*fields));
	struct str uri = print_uri(a, ask), party = { "", 0 };

	if (!fields || !uri.p)
		return ENOMEM;
	n = pass_on(fields, ask);
	if (!unknown && ask->trunk->identity != TRUNK_IDENTITY_NONE) {
		party = print_party(a, ask, uri, hidden);
		fields[n++] = (struct sip_field){ ask->trunk->identity == TRUNK_IDENTITY_PAI ? "P-Asserted-Identity"
											     : "Remote-Party-ID",
						  party };
	}
	if (hidden)
		fields[n++] = (struct sip_field){ "Privacy", STR("id") };
	out->from_uri = hidden ? STR("sip:anonymous@anonymous.invalid") : uri;
	out->from_name = hidden ? STR("Anonymous") : ask->name;
	out->fields = (struct sip_fields){ fields, n };
	return party.p ? 0 : ENOMEM;
}

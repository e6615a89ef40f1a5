#include "dialect/call_vars.h"

#include "call/call.h"

static const char *state_name(enum call_state state)
{
	switch (state) {
	case CALL_CREATED:
		return "created";
	case CALL_RINGING:
		return "ringing";
	case CALL_ANSWERED:
		return "answered";
	case CALL_ENDED:
		break;
	}
	return "ended";
}

static void add(struct doc *map, const char *key, struct doc *value)
{
	if (!value)
		return;
	value->key = str_of(key);
	doc_append(map, value);
}

static struct doc *header_list(struct arena *a, const struct call_info *info)
{
	struct doc *list = doc_new(a, DOC_LIST);

	for (size_t i = 0; list && i < info->header_count; i++) {
		struct doc *item = doc_new(a, DOC_MAP);

		if (!item)
			return NULL;
		add(item, "name", doc_new_str(a, str_of(info->headers[i].name)));
		add(item, "value", doc_new_str(a, str_of(info->headers[i].value)));
		doc_append(list, item);
	}
	return list;
}

static void add_text(struct arena *a, struct doc *map, const char *key, struct str text)
{
	if (text.p)
		add(map, key, doc_new_str(a, text));
}

static struct doc *parent_map(struct arena *a, const struct call_info *info, const struct call_ids *ids)
{
	struct doc *map = doc_new(a, DOC_MAP);

	if (!map)
		return NULL;
	add_text(a, map, "device_type", str_of(info->parent_type ? info->parent_type : ""));
	add_text(a, map, "call_id", str_of(info->parent_id));
	add_text(a, map, "node_id", str_of(ids->node_id));
	return map;
}

/* URI, user and host of one party, without the scheme and what follows the host. */
static void add_party(struct arena *a, struct doc *map, const char *const keys[3], const char *uri)
{
	struct str text = str_of(uri), user = STR(""), host;
	size_t n = 0;

	if (str_istarts(text, "sip:") || str_istarts(text, "sips:"))
		text = str_from(text, (size_t)str_chr(text, ':') + 1);
	while (n < text.n && text.p[n] != ';' && text.p[n] != '?')
		n++;
	text = str_head(text, n);
	add_text(a, map, keys[0], text);
	host = text;
	if (str_chr(text, '@') >= 0)
		str_split(&host, '@', &user);
	add_text(a, map, keys[1], user);
	n = 0;
	while (n < host.n && (host.p[n] != ':' || host.p[0] == '['))
		if (host.p[n++] == ']')
			break;
	add_text(a, map, keys[2], str_head(host, n));
}

static struct doc *sip_map(struct arena *a, const struct call_info *info)
{
	static const char *const request[] = { "sip_req_uri", "sip_req_user", "sip_req_host" };
	static const char *const from[] = { "sip_from_uri", "sip_from_user", "sip_from_host" };
	static const char *const to[] = { "sip_to_uri", "sip_to_user", "sip_to_host" };
	struct doc *map = doc_new(a, DOC_MAP);

	if (!map)
		return NULL;
	add_party(a, map, request, info->to);
	add_party(a, map, from, info->from);
	add_party(a, map, to, info->to);
	return map;
}

/* The fields that are one text; NULL values are not there now. */
enum { TEXT_FIELDS = 12 };

struct text_field {
	const char *name, *value;
};

static void text_fields(struct text_field out[TEXT_FIELDS], const struct call_info *info, const struct call_ids *ids)
{
	bool phone = str_is(str_of(info->type), "phone");
	const struct text_field fields[TEXT_FIELDS] = {
		{ "call_id", info->id },
		{ "node_id", ids->node_id },
		{ "segment_id", info->segment_id },
		{ "call_state", state_name(info->state) },
		{ "direction", info->inbound ? "inbound" : "outbound" },
		{ "type", info->type },
		{ "from", info->from },
		{ "to", info->to },
		{ "from_number", phone ? info->from : NULL },
		{ "to_number", phone ? info->to : NULL },
		{ "project_id", ids->project_id },
		{ "space_id", ids->space_id },
	};

	for (size_t i = 0; i < TEXT_FIELDS; i++)
		out[i] = fields[i];
}

/* The fields that are lists or maps. NULL = none of that name, or not there now. */
static struct doc *structure(struct arena *a, const struct call_info *info, const struct call_ids *ids, struct str name)
{
	if (str_is(name, "headers"))
		return header_list(a, info);
	if (str_is(name, "parent"))
		return info->parent_id ? parent_map(a, info, ids) : NULL;
	if (str_is(name, "sip_data"))
		return str_is(str_of(info->type), "sip") ? sip_map(a, info) : NULL;
	return NULL;
}

const struct doc *call_vars(const struct call *c, const struct call_ids *ids, struct arena *a, struct str name)
{
	struct text_field fields[TEXT_FIELDS];
	struct call_info info;
	struct doc *map;

	call_get_info(c, &info);
	text_fields(fields, &info, ids);
	for (size_t i = 0; name.p && i < TEXT_FIELDS; i++)
		if (str_is(name, fields[i].name))
			return fields[i].value ? doc_new_str(a, str_of(fields[i].value)) : NULL;
	if (name.p)
		return structure(a, &info, ids, name);
	map = doc_new(a, DOC_MAP);
	if (!map)
		return NULL;
	for (size_t i = 0; i < TEXT_FIELDS; i++)
		add_text(a, map, fields[i].name, str_of(fields[i].value));
	add(map, "headers", header_list(a, &info));
	add(map, "parent", structure(a, &info, ids, STR("parent")));
	add(map, "sip_data", structure(a, &info, ids, STR("sip_data")));
	return map;
}

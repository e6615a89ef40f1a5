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

static struct doc *parent_map(struct arena *a, const struct call_info *info)
{
	struct doc *map = doc_new(a, DOC_MAP);

	if (!map)
		return NULL;
	add(map, "device_type", doc_new_str(a, str_of(info->parent_type ? info->parent_type : "")));
	add(map, "call_id", doc_new_str(a, str_of(info->parent_id)));
	return map;
}

/* The fields that are one text; NULL ends them. */
enum { TEXT_FIELDS = 9 };

struct text_field {
	const char *name, *value;
};

static void text_fields(struct text_field out[TEXT_FIELDS + 1], const struct call_info *info)
{
	bool phone = str_is(str_of(info->type), "phone");
	const struct text_field fields[] = {
		{ "call_id", info->id },
		{ "segment_id", info->segment_id },
		{ "call_state", state_name(info->state) },
		{ "direction", info->inbound ? "inbound" : "outbound" },
		{ "type", info->type },
		{ "from", info->from },
		{ "to", info->to },
		{ phone ? "from_number" : NULL, info->from },
		{ "to_number", info->to },
	};

	for (size_t i = 0; i < TEXT_FIELDS; i++)
		out[i] = fields[i];
	out[phone ? TEXT_FIELDS : TEXT_FIELDS - 2].name = NULL;
}

const struct doc *call_vars(const struct call *c, struct arena *a, struct str name)
{
	struct text_field fields[TEXT_FIELDS + 1];
	struct call_info info;
	struct doc *map;

	call_get_info(c, &info);
	text_fields(fields, &info);
	if (str_is(name, "headers"))
		return header_list(a, &info);
	if (str_is(name, "parent"))
		return info.parent_id ? parent_map(a, &info) : NULL;

	map = name.p ? NULL : doc_new(a, DOC_MAP);
	for (const struct text_field *f = fields; f->name; f++) {
		if (str_is(name, f->name))
			return doc_new_str(a, str_of(f->value));
		if (map)
			add(map, f->name, doc_new_str(a, str_of(f->value)));
	}
	if (!map)
		return NULL;
	add(map, "headers", header_list(a, &info));
	if (info.parent_id)
		add(map, "parent", parent_map(a, &info));
	return map;
}

#include "api/hook_payload.h"

static bool ends_connect(enum event_type type)
{
	return type == EVENT_DISCONNECTED || type == EVENT_FAILED;
}

bool hook_is_final(const struct event *ev)
{
	return ev->type == EVENT_ENDED || ev->type == EVENT_REFER || ends_connect(ev->type) ||
	       str_is(event_get(ev, "final"), "true");
}

static bool is_leg_state(enum event_type type)
{
	return type == EVENT_CREATED || type == EVENT_RINGING || type == EVENT_ANSWERED || type == EVENT_ENDED;
}

static bool is_connect_state(enum event_type type)
{
	return type == EVENT_CONNECTING || type == EVENT_CONNECTED || ends_connect(type);
}

/* "key":"value", with a comma behind whatever stands there already. */
static void add(struct buf *out, const char *key, struct str value)
{
	if (out->len && out->data[out->len - 1] != '{')
		buf_char(out, ',');
	buf_char(out, '"');
	buf_cstr(out, key);
	buf_cstr(out, "\":");
	buf_json(out, value.p ? value : STR(""));
}

/* Unix time [ms]. */
static void add_time(struct buf *out, const char *key, uint64_t ms)
{
	if (!ms)
		return;
	buf_cstr(out, ",\"");
	buf_cstr(out, key);
	buf_cstr(out, "\":");
	buf_u64(out, ms);
}

/* Phones go by numbers, SIP devices by URIs. */
static void add_device(struct buf *out, const struct event *ev)
{
	bool phone = str_is(event_get(ev, "type"), "phone");

	buf_cstr(out, ",\"device\":{");
	add(out, "type", event_get(ev, "type"));
	buf_cstr(out, ",\"params\":{");
	add(out, phone ? "from_number" : "from", event_get(ev, "from"));
	add(out, phone ? "to_number" : "to", event_get(ev, "to"));
	buf_cstr(out, "}}");
}

static const char *created_by(const struct event *ev)
{
	if (ev->parent_id)
		return "connect";
	return str_is(event_get(ev, "direction"), "inbound") ? "receive" : "dial";
}

static void leg_params(struct buf *out, const struct event *ev, const struct hook_identity *id)
{
	add(out, "call_state", str_of(event_name(ev->type)));
	add(out, "direction", event_get(ev, "direction"));
	add_device(out, ev);
	if (ev->type == EVENT_ENDED)
		add(out, "end_reason", event_get(ev, "cause"));
	else
		buf_cstr(out, ",\"end_reason\":null");
	add(out, "created_by", str_of(created_by(ev)));
	if (ev->parent_id) {
		buf_cstr(out, ",\"parent\":{");
		add(out, "device_type", str_of(ev->parent_type));
		add(out, "node_id", str_of(id->node_id));
		add(out, "call_id", str_of(ev->parent_id));
		buf_char(out, '}');
	}
	if (ev->leg) {
		add_time(out, "start_time", ev->leg->created_ms);
		add_time(out, "answer_time", ev->leg->answered_ms);
		add_time(out, "end_time", ev->type == EVENT_ENDED ? ev->leg->ended_ms : 0);
	}
}

static void connect_params(struct buf *out, const struct event *ev, const struct hook_identity *id)
{
	add(out, "connect_state", str_of(event_name(ev->type)));
	if (ev->type == EVENT_FAILED)
		add(out, "failed_reason", event_get(ev, "reason"));
	if (ev->type == EVENT_CONNECTED) {
		buf_cstr(out, ",\"peer\":{");
		add(out, "call_id", event_get(ev, "peer"));
		add(out, "node_id", str_of(id->node_id));
		add_device(out, ev);
		buf_char(out, '}');
	}
}

static void operation_params(struct buf *out, const struct event *ev)
{
	static const char *const own[] = { "control_id", "state" };
	struct str params = event_get(ev, "params");

	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		if (event_get(ev, own[i]).n)
			add(out, own[i], event_get(ev, own[i]));
	}
	if (params.n) {
		buf_char(out, ',');
		buf_str(out, params);
	}
}

static void refer_params(struct buf *out, const struct event *ev)
{
	add(out, "sip_refer_to", event_get(ev, "to"));
	add(out, "state", event_get(ev, "state"));
	add(out, "sip_refer_response_code", event_get(ev, "sip_code"));
	add(out, "sip_notify_response_code", event_get(ev, "notify_code"));
}

static struct str type_of(const struct event *ev)
{
	if (ev->type == EVENT_OPERATION)
		return event_get(ev, "operation");
	if (ev->type == EVENT_REFER)
		return STR("calling.call.refer");
	return is_leg_state(ev->type) ? STR("calling.call.state") : STR("calling.call.connect");
}

bool hook_payload(struct buf *out, const struct event *ev, const struct hook_identity *id)
{
	bool leg = is_leg_state(ev->type), operation = ev->type == EVENT_OPERATION;

	if (!leg && !operation && !is_connect_state(ev->type) && ev->type != EVENT_REFER)
		return false;
	buf_char(out, '{');
	add(out, "event_type", type_of(ev));
	/* All that one document does is one channel: its caller's, whose legs carry his id as their parent's. */
	buf_cstr(out, ",\"event_channel\":\"swml:");
	buf_cstr(out, ev->parent_id ? ev->parent_id : ev->call_id);
	buf_char(out, '"');
	buf_printf(out, ",\"timestamp\":%llu.%03u", (unsigned long long)(ev->wall_ms / 1000),
		   (unsigned)(ev->wall_ms % 1000));
	add(out, "project_id", str_of(id->project_id));
	add(out, "space_id", str_of(id->space_id));
	buf_cstr(out, ",\"params\":{");
	add(out, "call_id", str_of(ev->call_id));
	add(out, "node_id", str_of(id->node_id));
	if (ev->segment_id)
		add(out, "segment_id", str_of(ev->segment_id));
	if (operation)
		operation_params(out, ev);
	else if (leg)
		leg_params(out, ev, id);
	else if (ev->type == EVENT_REFER)
		refer_params(out, ev);
	else
		connect_params(out, ev, id);
	buf_cstr(out, "}}");
	return true;
}

/* RFC 3986 §2.3. */
static bool is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
}

void hook_query(struct buf *out, const char *url, struct str payload)
{
	size_t head = strcspn(url, "#"); /* the limits in the fragment stay behind it */

	buf_add(out, url, head);
	buf_cstr(out, memchr(url, '?', head) ? "&payload=" : "?payload=");
	for (size_t i = 0; i < payload.n; i++) {
		if (is_unreserved(payload.p[i]))
			buf_char(out, payload.p[i]);
		else
			buf_printf(out, "%%%02X", (unsigned char)payload.p[i]);
	}
	buf_cstr(out, url + head);
}

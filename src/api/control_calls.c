/* Live calls: list them, show one, end one. */
#include "api/control_impl.h"

const char *control_state_name(enum call_state state)
{
	switch (state) {
	case CALL_CREATED:
		return "created";
	case CALL_RINGING:
		return "ringing";
	case CALL_ANSWERED:
		return "answered";
	case CALL_ENDED:
		return "ended";
	}
	return "";
}

static void print_member(struct buf *b, const char *name, const char *value)
{
	buf_printf(b, ",\"%s\":", name);
	if (value)
		buf_json(b, str_of(value));
	else
		buf_cstr(b, "null");
}

static void print_call(struct buf *b, const struct call *call)
{
	struct call_info i;

	call_get_info(call, &i);
	buf_printf(b, "{\"call_id\":\"%s\"", i.id);
	print_member(b, "parent_id", i.parent_id);
	print_member(b, "direction", i.inbound ? "inbound" : "outbound");
	print_member(b, "type", i.type);
	print_member(b, "from", i.from);
	print_member(b, "to", i.to);
	print_member(b, "state", control_state_name(i.state));
	buf_cstr(b, ",\"since\":");
	control_time(b, call_since_ms(call));
	buf_char(b, '}');
}

static bool list_one(void *arg, struct call *call)
{
	struct buf *b = arg;

	buf_cstr(b, b->len > 1 ? ",\n" : "");
	print_call(b, call);
	return !b->failed;
}

void control_list_calls(struct control *c, const struct web_request *r, struct str tail)
{
	struct buf b = { 0 };

	buf_char(&b, '[');
	calls_each(c->opts.calls, list_one, &b);
	buf_cstr(&b, "]\n");
	control_send(c, r->id, 200, &b);
}

void control_show_call(struct control *c, const struct web_request *r, struct str tail)
{
	struct call *call = call_find_id(c->opts.calls, tail);
	struct buf b = { 0 };

	if (!call) {
		control_error(c, r->id, 404, "no such call");
		return;
	}
	print_call(&b, call);
	buf_char(&b, '\n');
	control_send(c, r->id, 200, &b);
}

void control_end_call(struct control *c, const struct web_request *r, struct str tail)
{
	struct call *call = call_find_id(c->opts.calls, tail);

	if (!call) {
		control_error(c, r->id, 404, "no such call");
		return;
	}
	call_hangup(call, call_is_answered(call) ? CAUSE_HANGUP : CAUSE_CANCEL, "api", "hung up by the control API");
	control_answer(c, r->id, 200, STR("{\"ending\":true}\n"));
}

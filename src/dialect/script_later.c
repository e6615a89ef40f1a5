/* The method user_event, and the methods that fail here: they need what this server has not. */
#include <errno.h>

#include "dialect/script_impl.h"

enum { MAX_EVENT_BYTES = 64 << 10 };

void script_user_event(struct script *s, const struct swml_step *st, const struct doc *args)
{
	struct buf text;

	buf_init(&text, MAX_EVENT_BYTES);
	doc_print_json(&text, swml_arg(args, "event"));
	s->work += text.len;
	if (text.failed) {
		script_warn(s, "method_execute_failed", st->at, "the event is larger than %d KiB",
			    MAX_EVENT_BYTES >> 10);
	} else {
		const struct event_field field = { "event", buf_view(&text) };

		call_emit(s->call, EVENT_USER, &field, 1);
	}
	buf_free(&text);
}

/* The variable by which a document learns how the method went, NULL = there is none (swml.md §8). */
static const char *result_variable(const struct swml_method *m)
{
	static const struct {
		const char *method, *variable;
	} rows[] = {
		{ "enter_queue", "queue_result" },
		{ "join_conference", "join_conference_result" },
		{ "join_room", "join_room_result" },
		{ "pay", "pay_result" },
		{ "receive_fax", "receive_fax_result" },
		{ "send_fax", "send_fax_result" },
		{ "send_sms", "send_sms_result" },
		{ "transcribe", "transcribe_result" },
		{ "transcribe_stop", "transcribe_stop_result" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (str_is(str_of(m->name), rows[i].method))
			return rows[i].variable;
	return NULL;
}

void script_later(struct script *s, const struct swml_step *st, const struct doc *args)
{
	const char *variable = result_variable(st->method);
	const struct doc *result = args ? swml_raw_arg(st, "result") : NULL;

	if (s->state == SCRIPT_ENDING)
		return;
	if (args)
		script_warn(s, "method_execute_failed", st->at, "the method %s is not in this version",
			    st->method->name);
	if (variable)
		script_assign(s, variable, "failed");
	script_settle_error(s);
	if (result && variable && s->state != SCRIPT_ENDING)
		script_choose(s, result, variable);
}

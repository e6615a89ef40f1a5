#include "check.h"

#include "api/hook_payload.h"
#include "base/arena.h"
#include "base/doc.h"

static const struct hook_identity us = { "project-1", "space-1", "node-1@demo" };

#define LEG                                                                                                            \
	{                                                                                                              \
		.created_ms = 1640000000123, .answered_ms = 1640000001000, .ended_ms = 1640000009000                   \
	}

static const struct event_field phone[] = {
	{ "direction", { "outbound", 8 } }, { "type", { "phone", 5 } },      { "from", { "+15551231234", 12 } },
	{ "to", { "+15553214321", 12 } },   { "cause", { "no_answer", 9 } },
};
static const struct event_field sip[] = {
	{ "direction", { "inbound", 7 } }, { "type", { "sip", 3 } },     { "from", { "sip:a@h", 7 } },
	{ "to", { "sip:b\"@h", 8 } },      { "cause", { "hangup", 6 } },
};
static const struct event_field peer[] = {
	{ "peer", { "call-2", 6 } },
	{ "type", { "phone", 5 } },
	{ "from", { "+15551231234", 12 } },
	{ "to", { "+15553214321", 12 } },
};
static const struct event_field failure[] = { { "reason", { "busy", 4 } }, { "why", { "486 Busy Here", 13 } } };
static const struct event_field over[] = { { "seconds", { "2.000", 5 } }, { "peer", { "call-2", 6 } } };
static const struct event_field refer[] = { { "to", { "sip:alice@example.com", 21 } },
					    { "state", { "success", 7 } },
					    { "sip_code", { "202", 3 } },
					    { "notify_code", { "200", 3 } } };

static const struct event_field playing[] = {
	{ "operation", STR("calling.call.play") },
	{ "state", STR("playing") },
	{ "control_id", STR("k1") },
	{ "params", STR("\"url\":\"say:hi\"") },
};

#define HEAD(type, channel)                                                                                            \
	"{\"event_type\":\"calling.call." type "\",\"event_channel\":\"swml:" channel                                  \
	"\",\"timestamp\":1640000000.007,\"project_id\":\"project-1\",\"space_id\":\"space-1\",\"params\":{"           \
	"\"call_id\":\"call-1\",\"node_id\":\"node-1@demo\","
#define PHONE                                                                                                          \
	"\"device\":{\"type\":\"phone\",\"params\":{\"from_number\":\"+15551231234\",\"to_number\":\"+15553214321\"}}"
#define PARENT                                                                                                         \
	",\"created_by\":\"connect\",\"parent\":{\"device_type\":\"sip\",\"node_id\":\"node-1@demo\","                 \
	"\"call_id\":\"call-0\"}"

static const struct {
	enum event_type type;
	const char *parent_id, *parent_type, *segment_id;
	const struct event_field *fields;
	size_t count;
	struct event_leg leg;
	const char *want;
} rows[] = {
	{ EVENT_CREATED,
	  "call-0",
	  "sip",
	  "seg-1",
	  phone,
	  4,
	  { .created_ms = 1640000000123 },
	  HEAD("state",
	       "call-0") "\"segment_id\":\"seg-1\",\"call_state\":\"created\",\"direction\":\"outbound\"," PHONE
			 ",\"end_reason\":null" PARENT ",\"start_time\":1640000000123}}" },
	{ EVENT_RINGING,
	  "call-0",
	  "sip",
	  NULL,
	  phone,
	  4,
	  { .created_ms = 1640000000123, .ringing_ms = 5 },
	  HEAD("state", "call-0") "\"call_state\":\"ringing\",\"direction\":\"outbound\"," PHONE
				  ",\"end_reason\":null" PARENT ",\"start_time\":1640000000123}}" },
	{ EVENT_ANSWERED,
	  "call-0",
	  "sip",
	  NULL,
	  phone,
	  4,
	  { .created_ms = 1640000000123, .answered_ms = 1640000001000 },
	  HEAD("state", "call-0") "\"call_state\":\"answered\",\"direction\":\"outbound\"," PHONE
				  ",\"end_reason\":null" PARENT
				  ",\"start_time\":1640000000123,\"answer_time\":1640000001000}}" },
	{ EVENT_ENDED,
	  "call-0",
	  "sip",
	  NULL,
	  phone,
	  5,
	  { .created_ms = 1640000000123, .ended_ms = 1640000009000 },
	  HEAD("state", "call-0") "\"call_state\":\"ended\",\"direction\":\"outbound\"," PHONE
				  ",\"end_reason\":\"no_answer\"" PARENT
				  ",\"start_time\":1640000000123,\"end_time\":1640000009000}}" },
	{ EVENT_ENDED, NULL, NULL, NULL, sip, 5, LEG,
	  HEAD("state",
	       "call-1") "\"call_state\":\"ended\",\"direction\":\"inbound\",\"device\":{\"type\":\"sip\","
			 "\"params\":{\"from\":\"sip:a@h\",\"to\":\"sip:b\\\"@h\"}},\"end_reason\":\"hangup\","
			 "\"created_by\":\"receive\","
			 "\"start_time\":1640000000123,\"answer_time\":1640000001000,\"end_time\":1640000009000}}" },
	{ EVENT_CONNECTING, NULL, NULL, "seg-1", NULL, 0, LEG,
	  HEAD("connect", "call-1") "\"segment_id\":\"seg-1\",\"connect_state\":\"connecting\"}}" },
	{ EVENT_CONNECTED, NULL, NULL, NULL, peer, 4, LEG,
	  HEAD("connect", "call-1") "\"connect_state\":\"connected\",\"peer\":{\"call_id\":\"call-2\","
				    "\"node_id\":\"node-1@demo\"," PHONE "}}}" },
	{ EVENT_FAILED, NULL, NULL, NULL, failure, 2, LEG,
	  HEAD("connect", "call-1") "\"connect_state\":\"failed\",\"failed_reason\":\"busy\"}}" },
	{ EVENT_DISCONNECTED, NULL, NULL, NULL, over, 2, LEG,
	  HEAD("connect", "call-1") "\"connect_state\":\"disconnected\"}}" },
	{ EVENT_OPERATION, NULL, NULL, NULL, playing, 4, LEG,
	  HEAD("play", "call-1") "\"control_id\":\"k1\",\"state\":\"playing\",\"url\":\"say:hi\"}}" },
	{ EVENT_REFER, NULL, NULL, "seg-1", refer, 4, LEG,
	  HEAD("refer", "call-1") "\"segment_id\":\"seg-1\",\"sip_refer_to\":\"sip:alice@example.com\",\"state\":"
				  "\"success\",\"sip_refer_response_code\":\"202\",\"sip_notify_response_code\":"
				  "\"200\"}}" },
	{ EVENT_WARNING, NULL, NULL, NULL, NULL, 0, LEG, "" },
	{ EVENT_STEP, NULL, NULL, NULL, NULL, 0, LEG, "" },
	{ EVENT_NO_MEDIA, NULL, NULL, NULL, NULL, 0, LEG, "" },
	{ EVENT_MEDIA, NULL, NULL, NULL, NULL, 0, LEG, "" },
	{ EVENT_USER, NULL, NULL, NULL, NULL, 0, LEG, "" },
};

static void payloads_are_as_documented(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct event ev = {
			.type = rows[i].type,
			.call_id = "call-1",
			.parent_id = rows[i].parent_id,
			.parent_type = rows[i].parent_type,
			.segment_id = rows[i].segment_id,
			.wall_ms = 1640000000007,
			.fields = rows[i].fields,
			.field_count = rows[i].count,
			.leg = &rows[i].leg,
			.hook = "http://user:secret@h/x",
		};
		struct buf out = { 0 };

		CHECK_INT(*rows[i].want != '\0', hook_payload(&out, &ev, &us));
		CHECK_STR(rows[i].want, out.data ? out.data : "");
		CHECK(!out.data || !strstr(out.data, "secret"));
		buf_free(&out);
	}
}

static void whatever_a_peer_calls_itself_it_stays_json(void **state)
{
	static const char bad[] = "sip:\"\\\x01\xff\xc3\xa9\n@h";
	const struct event_field fields[] = {
		{ "direction", STR("outbound") },
		{ "type", STR("sip") },
		{ "from", { bad, sizeof(bad) - 1 } },
		{ "to", { NULL, 0 } },
	};
	const struct event ev = {
		.type = EVENT_CREATED, .call_id = "c", .wall_ms = 1, .fields = fields, .field_count = ARRAY_LEN(fields)
	};
	struct buf out = { 0 };
	struct arena *a = NULL;
	struct doc *d = NULL;
	struct doc_error err;

	CHECK(hook_payload(&out, &ev, &us));
	CHECK_INT(0, arena_new(&a, 0, 0));
	CHECK_INT(0, doc_parse(a, &d, buf_view(&out), DOC_JSON, NULL, &err));
	arena_free(&a);
	buf_free(&out);
}

static void the_last_words_are_known(void **state)
{
	static const enum event_type final[] = { EVENT_ENDED, EVENT_FAILED, EVENT_DISCONNECTED, EVENT_REFER };
	unsigned count = 0;

	for (int type = EVENT_CREATED; type <= EVENT_MEDIA; type++)
		count += hook_is_final(&(struct event){ .type = (enum event_type)type });
	CHECK_INT(ARRAY_LEN(final), count);
	for (size_t i = 0; i < ARRAY_LEN(final); i++)
		CHECK(hook_is_final(&(struct event){ .type = final[i] }));
	for (size_t i = 0; i < 2; i++) {
		const struct event_field field = { "final", i ? STR("true") : STR("false") };

		CHECK_INT(i, hook_is_final(
				     &(struct event){ .type = EVENT_OPERATION, .fields = &field, .field_count = 1 }));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(payloads_are_as_documented),
		TEST(whatever_a_peer_calls_itself_it_stays_json),
		TEST(the_last_words_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

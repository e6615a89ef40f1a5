#include "check.h"

#include <errno.h>
#include <stdlib.h>

#include "base/arena.h"
#include "call/event.h"
#include "dialect/swml_connect.h"
#include "dialect/swml_target.h"

struct made {
	struct arena *arena;
	struct plan *plan;
	struct buf issues; /* "E code W code" */
	int err;
};

static void add_issue(void *arg, const struct swml_issue *i)
{
	struct buf *b = arg;

	buf_printf(b, "%s%c %s", b->len ? " " : "", i->error ? 'E' : 'W', i->code);
}

/* The plan of a connect written as one flow mapping. */
static void make(struct made *m, const char *yaml, bool checking)
{
	struct swml_report r = { .note = add_issue, .arg = &m->issues, .checking = checking };
	struct doc_error err;
	struct doc *args = NULL;

	memset(m, 0, sizeof(*m));
	CHECK_INT(0, arena_new(&m->arena, 0, 0));
	if (doc_parse(m->arena, &args, str_of(yaml), DOC_YAML, NULL, &err)) {
		fprintf(stderr, "%s: %s\n", yaml, err.message);
		CHECK(false);
		return;
	}
	m->err = swml_connect_plan(&m->plan, args, "1", &r);
	if (!m->err && plan_fault(m->plan)) {
		fprintf(stderr, "%s: %s\n", yaml, plan_fault(m->plan));
		CHECK(false);
	}
}

static const char *issues(const struct made *m)
{
	return m->issues.len ? m->issues.data : "";
}

static void drop(struct made *m)
{
	plan_free(&m->plan);
	arena_free(&m->arena);
	buf_free(&m->issues);
}

static void destinations_are_read_in_order(void **state)
{
	static const struct {
		const char *to;
		int kind;                      /* -1 = refused */
		const char *address, *headers; /* name=value, space between */
	} rows[] = {
		{ "+15552345678", TARGET_NUMBER, "+15552345678", "" },
		{ " +1 (555) 234-5678\n", TARGET_NUMBER, "+15552345678", "" },
		{ "123-456-7890", TARGET_NUMBER, "+11234567890", "" },
		{ "0044207123456", TARGET_NUMBER, "+44207123456", "" },
		{ "911", TARGET_NUMBER, "911", "" },
		{ "+1555CALL", TARGET_NUMBER, "+1555CALL", "" }, /* the leg fails */
		{ "sip:alice@example.com", TARGET_SIP, "sip:alice@example.com", "" },
		{ "SIPS:alice@example.com:5061", TARGET_SIP, "SIPS:alice@example.com:5061", "" },
		{ "sip:10.0.0.1", TARGET_SIP, "sip:10.0.0.1", "" },
		{ "alice@example.com", TARGET_SIP, "sip:alice@example.com", "" },
		{ "sip:alice@example.com;transport=tcp", TARGET_SIP, "sip:alice@example.com;transport=tcp", "" },
		{ "sip:a@b?x=1&X-Y=a%20b", TARGET_SIP, "sip:a@b", "X-x=1 X-Y=a b" },
		{ "sip:a@b;transport=udp?x=1", TARGET_SIP, "sip:a@b;transport=udp", "X-x=1" },
		{ "sip:a@b?x=1;transport=udp", TARGET_SIP, "sip:a@b;transport=udp", "X-x=1" },
		{ "sip:a?b@c?x=1", TARGET_SIP, "sip:a?b@c", "X-x=1" },
		{ "sip:a@b?x", TARGET_SIP, "sip:a@b", "X-x=" },
		{ "sip:a@b?", TARGET_SIP, "sip:a@b", "" },
		{ "sip:a@b?x=1%0d%0aVia:", -1, NULL, NULL },
		{ "sip:a@b?x%20y=1", -1, NULL, NULL },
		{ "sip:sip:alice@a.example@b.example", TARGET_SIP, "sip:alice@b.example", "" },
		{ "sip:sip:alice@a.example:5070@b.example:5080;transport=udp", TARGET_SIP,
		  "sip:alice@b.example:5080;transport=udp", "" },
		{ "sip:sip:alice@b.example", TARGET_SIP, "sip:alice@b.example", "" },
		{ "sip:+15551230000@b.example", TARGET_SIP, "sip:+15551230000@b.example", "" },
		{ "sip:", -1, NULL, NULL },
		{ "sip:alice@", -1, NULL, NULL },
		{ "sip:alice b@c", -1, NULL, NULL },
		{ "sip:alice@b\r\nVia: x", -1, NULL, NULL },
		{ "sip:<alice>@b", -1, NULL, NULL },
		{ "/public/room", TARGET_ADDRESS, "/public/room", "" },
		{ "/", -1, NULL, NULL },
		{ "queue:support", TARGET_QUEUE, "support", "" },
		{ "queue:", -1, NULL, NULL },
		{ "stream:wss://h/a", TARGET_STREAM, "wss://h/a", "" },
		{ "stream:ws://h/a", -1, NULL, NULL },
		{ "stream:wss://", -1, NULL, NULL },
		{ "alice", -1, NULL, NULL },
		{ "", -1, NULL, NULL },
		{ "+", -1, NULL, NULL },
		{ "...", -1, NULL, NULL },
	};
	struct arena *a = NULL;

	CHECK_INT(0, arena_new(&a, 0, 0));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct swml_headers h = { .count = 0 };
		struct plan_target t = { .address = NULL };
		const char *fault = swml_target_read(&t, &h, a, str_of(rows[i].to), "1");
		struct buf text = { 0 };

		if ((rows[i].kind < 0) != (fault != NULL))
			fprintf(stderr, "%s: %s\n", rows[i].to, fault ? fault : "accepted");
		CHECK((rows[i].kind < 0) == (fault != NULL));
		if (fault || rows[i].kind < 0)
			continue;
		CHECK_INT(rows[i].kind, t.kind);
		CHECK_STR(rows[i].address, t.address);
		for (size_t k = 0; k < h.count; k++)
			buf_printf(&text, "%s%s=%s", k ? " " : "", h.items[k].name, h.items[k].value);
		CHECK_STR(rows[i].headers, text.len ? text.data : "");
		buf_free(&text);
	}
	arena_free(&a);
}

static void callers_are_numbers_uris_or_names(void **state)
{
	static const struct {
		const char *from, *want;
	} rows[] = {
		{ "+15551112222", "+15551112222" },
		{ "555-111-2222", "+15551112222" },
		{ "1000", "1000" },
		{ "alice", "alice" },
		{ "alice.b_c,d-e", "alice.b_c,d-e" },
		{ "sip:chris@example.com", "sip:chris@example.com" },
		{ "sip:sip:chris@a.example@b.example", "sip:chris@b.example" },
		{ "sip:chris@example.com?x=1", "sip:chris@example.com" },
		{ "chris@example.com", "sip:chris@example.com" },
		{ "a b", NULL },
		{ "a\r\nVia: x", NULL },
		{ "\"a\"", NULL },
		{ "", NULL },
	};
	struct arena *a = NULL;

	CHECK_INT(0, arena_new(&a, 0, 0));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *out = NULL, *fault = swml_caller_read(&out, a, str_of(rows[i].from), "1");

		if ((fault == NULL) != (rows[i].want != NULL))
			fprintf(stderr, "%s: %s\n", rows[i].from, fault ? fault : "accepted");
		CHECK((fault == NULL) == (rows[i].want != NULL));
		if (!fault && rows[i].want)
			CHECK_STR(rows[i].want, out);
	}
	arena_free(&a);
}

static void faults_are_reported_and_nothing_is_dialled(void **state)
{
	static const struct {
		const char *yaml, *want;
	} rows[] = {
		{ "{timeout: 5}", "E method_parameter_missing" },
		{ "{to: null}", "E method_parameter_missing" },
		{ "{to: '+1555', parallel: [{to: '+1556'}]}", "E method_parameter_conflict" },
		{ "{serial: []}", "E method_parameter_invalid_value" },
		{ "{serial_parallel: [[]]}", "E method_parameter_invalid_value" },
		{ "{serial_parallel: [{to: '+1555'}]}", "E method_parameter_invalid_value" },
		{ "{serial: ['+1555']}", "E method_parameter_invalid_value" },
		{ "{serial: [{from: '+1555'}]}", "E method_parameter_missing" },
		{ "{to: [a]}", "E method_parameter_invalid_value" },
		{ "{to: nowhere}", "E method_parameter_invalid_value" },
		{ "{to: '+1555', timeout: 0}", "E method_parameter_invalid_value" },
		{ "{to: '+1555', timeout: soon}", "E method_parameter_invalid_value" },
		{ "{to: '+1555', timeout: 1.5}", "E method_parameter_invalid_value" },
		{ "{to: '+1555', timeout: 99999999999}", "E method_parameter_invalid_value" },
		{ "{to: '+1555', max_duration: -1}", "E method_parameter_invalid_value" },
		{ "{to: '+1555', answer_on_bridge: maybe}", "E method_parameter_invalid_value" },
		{ "{to: 'sip:a@b', encryption: always}", "E method_parameter_invalid_value" },
		{ "{to: 'stream:wss://h/a', codec: 'L16@7h'}",
		  "W not_in_this_version W not_in_this_version E method_parameter_invalid_value" },
		{ "{to: 'stream:wss://h/a', authorization_bearer_token: \"a\\nb\"}",
		  "W not_in_this_version W not_in_this_version E method_parameter_invalid_value" },
		{ "{to: 'sip:a@b', session_timeout: -1}", "E method_parameter_invalid_value" },
		{ "{to: 'sip:a@b', headers: 5}", "E method_parameter_invalid_value" },
		{ "{to: 'sip:a@b', headers: {'A B': x}}", "E method_parameter_invalid_value" },
		{ "{to: 'sip:a@b', headers: {A: \"x\\ry\"}}", "E method_parameter_invalid_value" },
		{ "{to: 'sip:a@b', headers: {A: [x]}}", "E method_parameter_invalid_value" },
		{ "{to: 'sip:a@b', headers: [{name: A}]}", "E method_parameter_invalid_value" },
		{ "{to: 'sip:a@b', headers: [A]}", "E method_parameter_invalid_value" },
		{ "{to: 'sip:a@b', from: \"a\\nb\"}", "E method_parameter_invalid_value" },
		{ "{to: 'sip:a@b', from_name: \"a\\nb\"}", "E method_parameter_invalid_value" },
		{ "{to: 'sip:a@b', codecs: [[x]]}", "E method_parameter_invalid_value" },
		{ "{to: 'queue:q'}", "E method_parameter_missing" },
		{ "{serial: [{to: '+1555'}, {to: 'queue:q'}]}", "E method_parameter_missing" },
		{ "{to: 'queue:q', transfer_after_bridge: next}",
		  "W not_in_this_version E method_parameter_invalid_value" },
		{ "{to: '+1555', call_state_url: 'ftp://x'}", "E method_parameter_invalid_value" },
		{ "{to: '+1555', call_state_events: [melted]}", "E method_parameter_invalid_value" },
		/* going on would weaken protection */
		{ "{to: '+1555', confirm: ''}", "E method_parameter_invalid_value" },
		{ "{to: '+1555', confirm: section}", "E method_parameter_invalid_value" },
		{ "{to: '+1555', confirm: []}", "E method_parameter_invalid_value" },
		{ "{to: '+1555', confirm: 5}", "E method_parameter_invalid_value" },
		{ "{to: '+1555', confirm: [hangup], confirm_timeout: 0}", "E method_parameter_invalid_value" },
		{ "{confirm: 'ftp://x', parallel: [{to: '+1555'}, {to: '+1556'}]}",
		  "E method_parameter_invalid_value" },
		{ "{to: 'sip:a@b', webrtc_media: true}", "E not_in_this_version" },
		{ "{parallel: [{to: 'sip:a@b'}, {to: 'sip:c@d', webrtc_media: true}]}", "E not_in_this_version" },
		{ "{to: '+1555', transfer_after_bridge: {sections: {}}}", "E method_parameter_invalid_value" },
		{ "{to: '+1555', transfer_after_bridge: section}", "E method_parameter_invalid_value" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct made m;

		make(&m, rows[i].yaml, false);
		if (strcmp(rows[i].want, issues(&m)))
			fprintf(stderr, "%s\n", rows[i].yaml);
		CHECK_INT(EINVAL, m.err);
		CHECK(!m.plan);
		CHECK_STR(rows[i].want, issues(&m));
		drop(&m);
	}
}

static void what_is_harmless_goes_on(void **state)
{
	static const struct {
		const char *yaml, *want;
	} rows[] = {
		{ "{to: '+1555'}", "" },
		{ "{to: '+1555', timout: 5}", "W method_parameter_undefined" },
		{ "{parallel: [{to: '+1555', result: {}}]}", "W method_parameter_undefined" },
		{ "{to: 'sip:a@b', headers: [{name: A, value: x, extra: 1}]}", "W method_parameter_undefined" },
		{ "{to: '+1555', ringback: 'ring:us'}", "" },
		{ "{to: '+1555', ringback: [noise, 'ring:xx', [a], 'ring:us']}",
		  "W method_parameter_invalid_value W method_parameter_invalid_value W "
		  "method_parameter_invalid_value" },
		{ "{to: 'sip:a@b', encryption: optional}", "" },
		{ "{to: 'sip:a@b', encryption: forbidden}", "" },
		{ "{to: 'sip:a@b', encryption: mandatory}", "" },
		{ "{encryption: required, parallel: [{to: 'sip:a@b'}, {to: 'sip:c@d'}]}", "" },
		{ "{to: 'sip:a@b', webrtc_media: false}", "" },
		{ "{to: 'sip:a@b', webrtc_media: False}", "" },
		{ "{to: 'sip:a@b', session_timeout: 0}", "" },
		{ "{to: 'sip:a@b', session_timeout: 1800}", "" },
		{ "{to: 'sip:a@b', session_timeout: 30}", "W method_parameter_invalid_value" },
		{ "{to: 'sip:a@b', username: u, password: p}", "" },
		{ "{username: u, parallel: [{to: 'sip:a@b'}, {to: 'sip:c@d'}]}", "" },
		{ "{to: '+1555', call_state_url: 'https://u:p@x.test/s', call_state_events: [created, ended]}", "" },
		{ "{to: '+1555', status_url: 'https://x.test/s', call_state_events: []}", "" },
		{ "{to: '+1555', confirm_timeout: 5}", "" }, /* of nothing */
		{ "{to: 'queue:q', transfer_after_bridge: ' {}', confirm: [hangup]}", "W not_in_this_version" },
		{ "{to: '+1555', transfer_after_bridge: 'https://x.test/s'}", "" },
		{ "{to: /public/room}", "" },
		{ "{to: 'sip:a@b', codecs: 'PCMU,VP8,QCELP'}", "W method_parameter_invalid_value" },
		/* no effect on numbers: silence (connect.md §3.7) */
		{ "{to: '+1555', username: u, webrtc_media: true, encryption: mandatory, session_timeout: 99,"
		  "headers: {A: b}, codecs: PCMU, from_name: N}",
		  "" },
		{ "{to: '+1555', codec: PCMU, name: n, realtime: true}", "" },
		{ "{to: '+1555', timeout: '20', answer_on_bridge: 'true', from: ''}", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct made m;

		make(&m, rows[i].yaml, false);
		if (strcmp(rows[i].want, issues(&m)))
			fprintf(stderr, "%s\n", rows[i].yaml);
		CHECK_INT(0, m.err);
		CHECK_STR(rows[i].want, issues(&m));
		drop(&m);
	}
}

static void before_the_run_references_are_unknown(void **state)
{
	static const char *const rows[] = {
		"{to: '${vars.who}'}",
		"{to: 'sip:${vars.who}@b', timeout: '${t}', from: '${call.from}', encryption: '%{e}'}",
		"{to: 'sip:a@b', headers: {A: '${x}'}, codecs: '${c}', answer_on_bridge: '${b}'}",
		"{to: 'sip:a@b', headers: [{name: '${n}', value: x}]}",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct made m;

		make(&m, rows[i], true);
		CHECK_INT(0, m.err);
		CHECK_STR("", issues(&m));
		drop(&m);
	}
}

static void strategies_make_groups(void **state)
{
	static const struct {
		const char *yaml;
		size_t groups, targets;
	} rows[] = {
		{ "{to: '+1555'}", 1, 1 },
		{ "{serial: [{to: '+1555'}, {to: '+1556'}]}", 2, 2 },
		{ "{parallel: [{to: '+1555'}, {to: '+1556'}]}", 1, 2 },
		{ "{serial_parallel: [[{to: '+1555'}, {to: '+1556'}], [{to: '+1557'}]]}", 2, 3 },
	};
	struct buf yaml = { 0 };
	struct made m;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		make(&m, rows[i].yaml, false);
		CHECK_INT(0, m.err);
		CHECK_INT(rows[i].groups, m.plan->group_count);
		CHECK_INT(rows[i].targets, plan_target_count(m.plan));
		drop(&m);
	}
	for (int n = 64; n <= 65; n++) {
		buf_reset(&yaml);
		buf_cstr(&yaml, "{parallel: [");
		for (int i = 0; i < n; i++)
			buf_cstr(&yaml, "{to: '+1555'},");
		buf_cstr(&yaml, "]}");
		make(&m, yaml.data, false);
		CHECK_INT(n == 64 ? 0 : EINVAL, m.err);
		drop(&m);
	}
	buf_free(&yaml);
}

static void defaults_are_filled_in(void **state)
{
	struct made m;
	const struct plan_target *t;

	make(&m, "{to: 'sip:a@b'}", false);
	t = plan_target(m.plan, 0);
	CHECK_INT(60000, t->ring_ms);
	CHECK(!t->from && !t->from_name && !t->codecs && !t->username && !t->hook && !t->confirm && !t->header_count);
	CHECK_INT(PLAN_ENCRYPTION_DEFAULT, t->encryption);
	CHECK_INT(14400000, m.plan->max_talk_ms);
	CHECK_INT(0, m.plan->total_ms);
	CHECK(!m.plan->answer_on_join && !m.plan->drop_key);
	CHECK_INT(PLAN_RACE_ANSWER, m.plan->race);
	drop(&m);
}

static void a_destination_overrides_the_top(void **state)
{
	struct made m;
	const struct plan_target *t;

	make(&m,
	     "{from: '+15550000001', from_name: Top, timeout: 20, codecs: 'opus, PCMU', username: u, password: p,"
	     "headers: {A: '1', X-B: '2', User-to-User: z}, answer_on_bridge: true, max_duration: 60,"
	     "session_timeout: 30, encryption: optional, call_state_url: 'https://x.test/s', ringback: ['ring:us'],"
	     "status_url: 'https://x.test/t',"
	     "parallel: [{to: 'sip:a@b?c=d'}, {to: 'sip:c@d', from: 'sip:me@e', from_name: Mine, timeout: 5,"
	     "codecs: [pcma], headers: [{name: x-q, value: 1}, {name: x-q, value: 2}], username: v, password: q,"
	     "encryption: forbidden, call_state_events: [created, answered]}, {to: '+15550000002'}]}",
	     false);
	CHECK_INT(0, m.err);
	if (m.err) {
		drop(&m);
		return;
	}
	CHECK(m.plan->answer_on_join);
	CHECK_INT(60000, m.plan->max_talk_ms);
	CHECK_INT(1, m.plan->ringback_count);
	CHECK_STR("ring:us", m.plan->ringback[0]);
	CHECK_STR("https://x.test/t", m.plan->status_url);

	t = plan_target(m.plan, 0);
	CHECK_STR("sip:a@b", t->address);
	CHECK_STR("+15550000001", t->from);
	CHECK_STR("Top", t->from_name);
	CHECK_STR("opus,PCMU", t->codecs);
	CHECK_INT(20000, t->ring_ms);
	CHECK_INT(90, t->session_timeout_s);
	CHECK_INT(4, t->header_count);
	CHECK_STR("X-A", t->headers[0].name);
	CHECK_STR("X-B", t->headers[1].name);
	CHECK_STR("User-to-User", t->headers[2].name);
	CHECK_STR("X-c", t->headers[3].name);
	CHECK_STR("u", t->username);
	CHECK_INT(PLAN_ENCRYPTION_OPTIONAL, t->encryption);
	CHECK_INT(1 << EVENT_ENDED, t->hook ? t->hook->events : 0);

	t = plan_target(m.plan, 1);
	CHECK_STR("sip:me@e", t->from);
	CHECK_STR("Mine", t->from_name);
	CHECK_STR("pcma", t->codecs);
	CHECK_INT(5000, t->ring_ms);
	CHECK_INT(2, t->header_count); /* instead of those of the top */
	CHECK_STR("x-q", t->headers[1].name);
	CHECK_STR("2", t->headers[1].value);
	CHECK_STR("q", t->password);
	CHECK_INT(PLAN_ENCRYPTION_FORBIDDEN, t->encryption);
	CHECK_INT(1 << EVENT_CREATED | 1 << EVENT_ANSWERED, t->hook ? t->hook->events : 0);

	t = plan_target(m.plan, 2);
	CHECK_INT(TARGET_NUMBER, t->kind);
	CHECK(!t->codecs && !t->header_count && !t->username);
	drop(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(destinations_are_read_in_order),
		TEST(callers_are_numbers_uris_or_names),
		TEST(faults_are_reported_and_nothing_is_dialled),
		TEST(what_is_harmless_goes_on),
		TEST(before_the_run_references_are_unknown),
		TEST(strategies_make_groups),
		TEST(defaults_are_filled_in),
		TEST(a_destination_overrides_the_top),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What belongs to a call, and how it is shown: notes and messages written by hand into a ring. */
#include <errno.h>

#include "api/trace_print.h"
#include "base/loop.h"
#include "call/step.h"
#include "check.h"

static struct sip_trace *ring_of(struct loop **l)
{
	struct sip_trace_opts opts = { .bytes = 4 << 20 };
	struct sip_trace *t = NULL;

	assert_int_equal(loop_new(l, true, 1), 0);
	opts.loop = *l;
	assert_int_equal(sip_trace_new(&t, &opts), 0);
	return t;
}

static void say(struct sip_trace *t, bool in, const char *remote, const char *text)
{
	struct sip_trace_item i = { .kind = in ? SIP_TRACE_IN : SIP_TRACE_OUT, .text = str_of(text) };

	addr_parse(&i.local, STR("10.0.0.1"), 5060);
	addr_parse_port(&i.remote, str_of(remote), 5060);
	if (addr_is_v6(&i.remote))
		addr_parse(&i.local, STR("::1"), 5060);
	sip_trace_message(t, &i);
}

static void create(struct sip_trace *t, const char *id, const char *parent)
{
	const struct event_field field = { "from", STR("sip:a@b\r\n\x1b[2J") };
	const struct event ev = {
		.type = EVENT_CREATED, .call_id = id, .parent_id = parent, .field_count = 1, .fields = &field
	};

	call_trace_event(t, &ev);
}

static void nothing(void *arg)
{
}

static void legs_are_put_together(void **state)
{
	static const char want[] =
		"leg 1  A\n"
		"leg 2  B  dialled by leg 1\n"
		"leg 3  C  dialled by leg 2\n"
		"\n"
		"      ms 10.0.0.2:5060                   Crosspoint                          [::2]:7\n"
		"       0    |--INVITE +SDP sip:x------------->|                                 |\n"
		"       0  * leg 1: created from=sip:a@b\\x0d\\x0a\\x1b[2J\n"
		"       0  * leg 2: created from=sip:a@b\\x0d\\x0a\\x1b[2J\n"
		"       0  * leg 3: created from=sip:a@b\\x0d\\x0a\\x1b[2J\n"
		"     500    |                                 |--OPTIONS sip:y----------------->|\n"
		"     500    |                                 |--OPTIONS sip:y----------------->|  x2\n"
		"     500    |                                 |<-200 Fine?[31m (OPTIONS)--------|\n";
	static const char invite[] = "INVITE sip:x SIP/2.0\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Type: "
				     "application/sdp\r\nContent-Length: 3\r\n\r\nv=0";
	static const char options[] = "OPTIONS sip:y SIP/2.0\r\nVia: x\r\nCall-ID: 2\r\nCSeq: 1 OPTIONS\r\n\r\n";
	struct call_trace *found = NULL;
	struct sip_trace *t;
	struct loop_timer later = { .active = false };
	struct buf b = { 0 };
	struct loop *l;

	t = ring_of(&l);
	CHECK_INT(ENOENT, call_trace_collect(&found, t, STR("A")));
	say(t, true, "10.0.0.2", "X: y\r\nINVITE\r\nCall-ID: 1\r\n\r\n");
	sip_trace_free(&t);
	loop_free(&l);

	t = ring_of(&l);
	say(t, true, "10.0.0.2", invite);
	call_trace_link(t, STR("A"), STR("1"));
	create(t, "A", NULL);
	create(t, "B", "A");
	create(t, "C", "B");
	create(t, "other", NULL);
	call_trace_link(t, STR("C"), STR("2"));
	call_trace_link(t, STR("B"), STR("2")); /* both ends of one dialog: shown once */
	loop_timer_start(l, &later, 500, nothing, NULL);
	loop_run_until(l, loop_now_ms(l) + 500);
	say(t, false, "[::2]:7", options);
	say(t, false, "[::2]:7", options);
	say(t, true, "[::2]:7",
	    "SIP/2.0 200 Fine\x1b[31m\r\nCall-ID: 2\r\nVia: x\r\nCall-ID: 2\r\nCSeq: 1 OPTIONS\r\n\r\n");
	CHECK_INT(0, call_trace_collect(&found, t, STR("A")));
	if (found)
		trace_print_ladder(&b, found);
	CHECK_STR(want, b.data);
	call_trace_free(&found);
	buf_free(&b);
	CHECK_INT(ENOENT, call_trace_collect(&found, t, STR("1"))); /* a Call-ID is no call */
	sip_trace_free(&t);
	loop_free(&l);
}

/* More legs, far ends and messages than there is room for, with the longest lines. */
static void much_is_cut(void **state)
{
	void (*const prints[])(struct buf * b, const struct call_trace *t) = { trace_print_ladder, trace_print_messages,
									       trace_print_json, trace_print_pcap };
	struct call_trace *found = NULL;
	char id[8], text[2000], remote[24];
	struct sip_trace *t;
	struct loop *l;

	t = ring_of(&l);
	create(t, "A", NULL);
	for (int i = 0; i < 100; i++) {
		snprintf(id, sizeof(id), "%d", i);
		create(t, id, "A");
		call_trace_link(t, STR("A"), str_of(id));
		for (int k = 0; k < 50; k++) {
			snprintf(text, sizeof(text), "INVITE sip:%0*d SIP/2.0\r\nVia: x\r\nCall-ID: %d\r\n\r\n", 10 * k,
				 k, i);
			snprintf(remote, sizeof(remote), "10.0.%d.%d", i, k);
			say(t, k & 1, remote, text);
		}
	}
	CHECK_INT(0, call_trace_collect(&found, t, STR("A")));
	for (size_t i = 0; found && i < ARRAY_LEN(prints); i++) {
		struct buf b = { 0 };

		CHECK(found->cut && found->leg_count == CALL_TRACE_LEGS && found->count == CALL_TRACE_ITEMS);
		prints[i](&b, found);
		CHECK(!b.failed && b.len > 100000);
		buf_free(&b);
	}
	call_trace_free(&found);
	sip_trace_free(&t);
	loop_free(&l);
}

static void steps_stand_beside_the_messages(void **state)
{
	static const struct {
		struct call_step step;
		const char *line, *json;
	} rows[] = {
		{ { .kind = CALL_STEP_BEGUN,
		    .section = STR("ma\x1b in"),
		    .method = STR("play"),
		    .line = 3,
		    .args = STR("{\"url\":\"x\"}") },
		  "step play, section ma\\x1b in, line 3 {\"url\":\"x\"}\n",
		  "\"type\":\"step\",\"method\":\"play\",\"section\":\"ma\\u001b "
		  "in\",\"line\":3,\"args\":{\"url\":\"x\"}}" },
		{ { .kind = CALL_STEP_BEGUN,
		    .section = STR("m"),
		    .method = STR("set"),
		    .line = 4,
		    .vars = STR("{\"a\":1}") },
		  "step set, section m, line 4 sets {\"a\":1}\n",
		  "\"type\":\"step\",\"method\":\"set\",\"section\":\"m\",\"line\":4,\"vars\":{\"a\":1}}" },
		{ { .kind = CALL_STEP_DONE,
		    .section = STR("m"),
		    .method = STR("play"),
		    .line = 3,
		    .waited = true,
		    .ms = 1234 },
		  "done play, section m, line 3, after 1234 ms\n",
		  "\"type\":\"step_done\",\"method\":\"play\",\"section\":\"m\",\"line\":3,\"waited_ms\":1234}" },
		{ { .kind = CALL_STEP_DOCUMENT,
		    .text = STR("http://h/x"),
		    .bytes = 812,
		    .waited = true,
		    .ms = 3,
		    .fallback = true },
		  "document http://h/x, 812 bytes, the fallback, after 3 ms\n",
		  "\"type\":\"document\",\"location\":\"http://h/"
		  "x\",\"error\":null,\"bytes\":812,\"fallback\":true,\"waited_ms\":3}" },
		{ { .kind = CALL_STEP_DOCUMENT,
		    .error = STR("document http://h/x: time-out"),
		    .waited = true,
		    .ms = 5000 },
		  "no document: document http://h/x: time-out, after 5000 ms\n",
		  "\"type\":\"document\",\"location\":null,\"error\":\"document http://h/x: "
		  "time-out\",\"bytes\":0,\"fallback\":false,"
		  "\"waited_ms\":5000}" },
		{ { .kind = CALL_STEP_SKIPPED, .count = 7 },
		  "7 more steps are not kept\n",
		  "\"type\":\"steps_skipped\",\"count\":7}" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct call_trace *found = NULL;
		struct buf text = { 0 }, json = { 0 }, messages = { 0 };
		struct sip_trace *t;
		struct loop *l;

		t = ring_of(&l);
		call_trace_step(t, STR("A"), &rows[i].step);
		assert_int_equal(0, call_trace_collect(&found, t, STR("A")));
		trace_print_ladder(&text, found);
		trace_print_json(&json, found);
		trace_print_messages(&messages, found);
		CHECK(strstr(text.data, " * leg 1: "));
		CHECK_STR(rows[i].line, strstr(text.data, " * leg 1: ") + 10);
		CHECK(strstr(json.data, rows[i].json));
		if (!strstr(json.data, rows[i].json))
			fprintf(stderr, "%s", json.data);
		CHECK_INT(0, messages.len);
		buf_free(&text);
		buf_free(&json);
		buf_free(&messages);
		call_trace_free(&found);
		sip_trace_free(&t);
		loop_free(&l);
	}
}

/* What is too long for a record is left out of it; the rest can be read. */
static void a_record_has_an_end(void **state)
{
	static char large[3000];
	struct call_trace *found = NULL;
	struct call_step st = { .kind = CALL_STEP_BEGUN, .section = STR("m"), .method = STR("x"), .line = 1 }, got;
	struct sip_trace *t;
	struct loop *l;

	memset(large, 'x', sizeof(large));
	t = ring_of(&l);
	st.args = (struct str){ large, sizeof(large) };
	st.vars = st.text = st.error = (struct str){ large, 2500 };
	call_trace_step(t, STR("A"), &st);
	assert_int_equal(0, call_trace_collect(&found, t, STR("A")));
	CHECK(call_step_parse(&got, found->items[0].item.text));
	CHECK_INT(0, got.args.n);
	CHECK_INT(2500, got.vars.n);
	CHECK_INT(2500, got.text.n);
	CHECK_INT(0, got.error.n);
	CHECK(!call_step_parse(&got, STR("0")) && !call_step_parse(&got, STR("")));
	call_trace_free(&found);
	sip_trace_free(&t);
	loop_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(legs_are_put_together),
		TEST(much_is_cut),
		TEST(steps_stand_beside_the_messages),
		TEST(a_record_has_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "check.h"

#include <errno.h>

#include "base/arena.h"
#include "call/cause.h"
#include "op/plan.h"

static const struct plan_script both = { .url = "https://app.test/c", .methods = (const struct doc *)"x" };
static const struct plan_script neither = { 0 };
static const struct plan_script by_url = { .url = "https://user:hunter2@app.test/c?x=1" };
static const struct plan_script in_line = { .methods = (const struct doc *)"never read here" };

static struct plan plan_of(const struct plan_group *groups, size_t count)
{
	return (struct plan){ .groups = groups, .group_count = count };
}

static void faults_are_named(void **state)
{
	static const struct plan_header bad_header = { .name = "X-A" };
	static const struct plan_hook bad_hook = { .events = 1 };
	static const struct plan_target many[PLAN_MAX_TARGETS + 1] = {
		[0 ... PLAN_MAX_TARGETS] = { .address = "sip:a@b", .ring_ms = 1 },
	};
	static const struct {
		struct plan_target target;
		const char *want;
	} rows[] = {
		{ { .address = "sip:a@b", .ring_ms = 1 }, NULL },
		{ { .ring_ms = 1 }, "A destination has no address." },
		{ { .address = "", .ring_ms = 1 }, "A destination has no address." },
		{ { .address = "sip:a@b" }, "A destination has no time to ring." },
		{ { .address = "a", .ring_ms = 1, .confirm = &by_url }, NULL },
		{ { .address = "a", .ring_ms = 1, .confirm = &in_line }, NULL },
		{ { .address = "a", .ring_ms = 1, .confirm = &both }, "A confirm has both a URL and methods." },
		{ { .address = "a", .ring_ms = 1, .confirm = &neither }, "A confirm has neither a URL nor methods." },
		{ { .address = "a", .ring_ms = 1, .headers = &bad_header, .header_count = 1 },
		  "A header has no name or no value." },
		{ { .address = "a", .ring_ms = 1, .hook = &bad_hook },
		  "A destination has events without a URL to send them to." },
	};
	struct plan_group groups[2] = { { many, PLAN_MAX_TARGETS }, { many, 1 } };
	struct plan p = plan_of(groups, 2);

	(void)state;
	CHECK_STR("There are more than 64 destinations.", plan_fault(&p));
	p.group_count = 1;
	CHECK(!plan_fault(&p));
	p.drop_key = '*';
	CHECK(!plan_fault(&p));
	p.drop_key = 'x';
	CHECK_STR("The key that drops the peer is no key of a phone.", plan_fault(&p));
	p.group_count = 0;
	CHECK_STR("There is no destination.", plan_fault(&p));
	groups[1].count = 0;
	p.group_count = 2;
	CHECK_STR("A group has no destination.", plan_fault(&p));

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct plan_group g = { &rows[i].target, 1 };
		struct plan one = plan_of(&g, 1);

		if (rows[i].want)
			CHECK_STR(rows[i].want, plan_fault(&one));
		else
			CHECK(!plan_fault(&one));
	}
}

static void slots_number_the_targets_through_the_groups(void **state)
{
	static const struct plan_target targets[3] = { { .address = "a" }, { .address = "b" }, { .address = "c" } };
	static const struct plan_group groups[2] = { { targets, 1 }, { targets + 1, 2 } };
	struct plan p = plan_of(groups, 2);

	(void)state;
	CHECK_INT(3, plan_target_count(&p));
	CHECK_STR("a", plan_target(&p, 0)->address);
	CHECK_STR("b", plan_target(&p, 1)->address);
	CHECK_STR("c", plan_target(&p, 2)->address);
	CHECK(!plan_target(&p, 3));
}

static void a_new_plan_is_empty_and_dies_with_its_arena(void **state)
{
	struct plan *p = NULL;

	(void)state;
	assert_int_equal(plan_new(&p), 0);
	CHECK(p->arena && !p->group_count && !p->total_ms);
	CHECK_INT(0, plan_target_count(p));
	CHECK(plan_fault(p) != NULL);
	CHECK(arena_alloc(p->arena, 1000) != NULL);
	plan_free(&p);
	CHECK(!p);
	plan_free(&p);
}

static void print_is(const struct plan *p, const char *want)
{
	struct buf out = { 0 };

	plan_print(&out, p);
	CHECK(!out.failed);
	CHECK_STR(want, out.data);
	buf_free(&out);
}

static void prints_a_line_for_the_whole_and_one_a_target(void **state)
{
	static const struct plan_header headers[] = { { "X-One", "secret" }, { "X-Two", "2" } };
	static const struct plan_hook hook = { .url = "http://u:p@h/x", .events = 8 };
	static const char *const ringback[] = { "ring:us", "https://a:b@c/d.wav" };
	static const struct plan_target first = { .kind = TARGET_NUMBER, .address = "+15551230000", .ring_ms = 60000 };
	static const struct plan_target second[] = {
		{ .kind = TARGET_SIP,
		  .address = "sip:bob:hunter2@example.test;transport=tcp",
		  .from = "+15550001111",
		  .from_name = "A \"b\"\n",
		  .headers = headers,
		  .header_count = 2,
		  .codecs = "PCMU,PCMA",
		  .username = "bob",
		  .password = "hunter2",
		  .encryption = PLAN_ENCRYPTION_MANDATORY,
		  .webrtc_media = true,
		  .session_timeout_s = 600,
		  .ring_ms = 20000,
		  .confirm = &by_url,
		  .confirm_ms = 5000,
		  .price_cap = 10075,
		  .hook = &hook },
		{ .kind = TARGET_STREAM,
		  .address = "wss://h.test/a@b:c",
		  .encryption = PLAN_ENCRYPTION_FORBIDDEN,
		  .ring_ms = 1,
		  .confirm = &in_line },
	};
	static const struct plan_group groups[] = { { &first, 1 }, { second, 2 } };
	struct plan p = plan_of(groups, 1);

	(void)state;
	p.race = PLAN_RACE_CONFIRM;
	print_is(&p, "connect: 1 destination in 1 group, first confirmed wins, answer first\n"
		     "  1.1 number +15551230000 ring 60000 ms\n");
	p = plan_of(groups, 2);
	p.race = PLAN_RACE_ANSWER;
	p.answer_on_join = true;
	p.drop_key = '*';
	p.ringback = ringback;
	p.ringback_count = 2;
	p.total_ms = 90000;
	p.max_talk_ms = 14400000;
	p.status_url = "https://me:too@app.test/s";
	print_is(&p, "connect: 3 destinations in 2 groups, first answer wins, answer on join, drop key *, "
		     "ringback ring:us + https://a:***@c/d.wav, total 90000 ms, talk 14400000 ms, "
		     "status https://me:***@app.test/s\n"
		     "  1.1 number +15551230000 ring 60000 ms\n"
		     "  2.1 sip sip:bob:***@example.test;transport=tcp from +15550001111 name \"A \"b\"\\x0a\" "
		     "headers X-One,X-Two codecs PCMU,PCMA user bob encryption mandatory webrtc session 600 s "
		     "ring 20000 ms confirm https://user:***@app.test/c?x=1 within 5000 ms price 1.0075 "
		     "events http://u:***@h/x mask 0x8\n"
		     "  2.2 stream wss://h.test/a@b:c encryption forbidden ring 1 ms confirm inline\n");
}

static void every_kind_has_a_word(void **state)
{
	static const char *const want[] = { "number", "sip", "user", "stream", "queue", "room", "script", "address" };

	(void)state;
	for (int kind = TARGET_NUMBER; kind <= TARGET_ADDRESS; kind++) {
		struct plan_target t = { .kind = (enum target_kind)kind, .address = "x", .ring_ms = 1 };
		struct plan_group g = { &t, 1 };
		struct plan p = plan_of(&g, 1);
		char line[64];
		struct buf out = { 0 };

		plan_print(&out, &p);
		snprintf(line, sizeof(line), "  1.1 %s x ring 1 ms\n", want[kind]);
		CHECK(strstr(out.data, line) != NULL);
		buf_free(&out);
	}
}

static void causes_have_words_and_statuses(void **state)
{
	static const struct {
		enum cause cause;
		const char *name;
		uint16_t status;
	} rows[] = {
		{ CAUSE_NONE, "", 480 },
		{ CAUSE_HANGUP, "hangup", 480 },
		{ CAUSE_BUSY, "busy", 486 },
		{ CAUSE_DECLINED, "declined", 603 },
		{ CAUSE_NO_ANSWER, "no_answer", 480 },
		{ CAUSE_CANCEL, "cancel", 480 },
		{ CAUSE_NOT_FOUND, "error", 404 },
		{ CAUSE_ERROR, "error", 480 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_STR(rows[i].name, cause_name(rows[i].cause));
		CHECK_INT(rows[i].status, cause_to_status(rows[i].cause));
	}
}

static void final_statuses_have_a_cause(void **state)
{
	static const struct {
		uint16_t status;
		enum cause cause;
	} rows[] = {
		{ 0, CAUSE_ERROR },       { 180, CAUSE_NONE },      { 200, CAUSE_NONE },      { 302, CAUSE_ERROR },
		{ 401, CAUSE_ERROR },     { 403, CAUSE_DECLINED },  { 404, CAUSE_NOT_FOUND }, { 407, CAUSE_ERROR },
		{ 408, CAUSE_NO_ANSWER }, { 410, CAUSE_NOT_FOUND }, { 480, CAUSE_NO_ANSWER }, { 484, CAUSE_NOT_FOUND },
		{ 486, CAUSE_BUSY },      { 487, CAUSE_ERROR },     { 488, CAUSE_ERROR },     { 500, CAUSE_ERROR },
		{ 503, CAUSE_ERROR },     { 600, CAUSE_BUSY },      { 603, CAUSE_DECLINED },  { 604, CAUSE_NOT_FOUND },
		{ 606, CAUSE_ERROR },     { 607, CAUSE_DECLINED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(rows[i].cause, cause_of_status(rows[i].status));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(faults_are_named),
		TEST(slots_number_the_targets_through_the_groups),
		TEST(a_new_plan_is_empty_and_dies_with_its_arena),
		TEST(prints_a_line_for_the_whole_and_one_a_target),
		TEST(every_kind_has_a_word),
		TEST(causes_have_words_and_statuses),
		TEST(final_statuses_have_a_cause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

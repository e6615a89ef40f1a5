#include "check.h"

#include "engine_text.h"

/* One row: what is dialled, and the log that must come of it. Groups: one digit each, the number of targets.
 * Options: r ringback list, j answer on join, a caller answered already, A race by answer, c targets have a confirm
 * script, x confirm without a limit, t total limit, m talk limit, k drop key, n no caller.
 * Steps: "event > actions", separated by lines. */
struct row {
	const char *name, *groups, *options, *steps;
};

struct table_plan {
	struct plan plan;
	struct plan_group groups[8];
	struct plan_target targets[16];
};

static const struct plan_script script = { .url = "https://app.test/confirm" };
static const char *const ringback[] = { "ring:us" };

static void build(struct table_plan *p, const struct row *r)
{
	struct plan_target *t = p->targets;

	memset(p, 0, sizeof(*p));
	p->plan.groups = p->groups;
	for (const char *g = r->groups; *g; g++) {
		p->groups[p->plan.group_count].targets = t;
		p->groups[p->plan.group_count++].count = (size_t)(*g - '0');
		for (int i = 0; i < *g - '0'; i++, t++) {
			t->address = "sip:a@example.test";
			t->ring_ms = 30000;
			t->confirm = strpbrk(r->options, "cx") ? &script : NULL;
			t->confirm_ms = strchr(r->options, 'c') ? 20000 : 0;
		}
	}
	p->plan.race = strchr(r->options, 'A') ? PLAN_RACE_ANSWER : PLAN_RACE_CONFIRM;
	p->plan.answer_on_join = strchr(r->options, 'j');
	p->plan.drop_key = strchr(r->options, 'k') ? '*' : 0;
	p->plan.ringback = ringback;
	p->plan.ringback_count = strchr(r->options, 'r') ? 1 : 0;
	p->plan.total_ms = strchr(r->options, 't') ? 60000 : 0;
	p->plan.max_talk_ms = strchr(r->options, 'm') ? 14400000 : 0;
}

static void take_step(struct connect_engine *e, const char *word, char *out, size_t size)
{
	struct engine_event ev = engine_event_of(word);
	const struct engine_action *actions = NULL;
	size_t n = connect_engine_step(e, &ev, &actions);

	out[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(out);

		if (i)
			out[len++] = ' ';
		engine_action_text(out + len, size - len, &actions[i]);
	}
}

/* Cuts one line "event > actions" off *steps. */
static bool next_line(const char **steps, char *event, char *want, size_t size)
{
	char line[512];
	size_t n = strcspn(*steps, "\n");
	char *mark;

	if (!n)
		return false;
	snprintf(line, sizeof(line), "%.*s", (int)n, *steps);
	*steps += n + ((*steps)[n] == '\n');
	mark = strstr(line, " >");
	assert_non_null(mark);
	*mark = '\0';
	snprintf(event, size, "%s", line);
	snprintf(want, size, "%s", mark[2] ? mark + 3 : "");
	return true;
}

static void run_rows(const struct row *rows, size_t count)
{
	char event[512], want[512], got[1024];

	for (size_t i = 0; i < count; i++) {
		const char *steps = rows[i].steps;
		struct connect_engine *e = NULL;
		struct table_plan p;
		int bad = check_bad;

		build(&p, &rows[i]);
		CHECK(connect_engine_new(&e, &p.plan, !strchr(rows[i].options, 'n'), strchr(rows[i].options, 'a')) ==
		      0);
		while (next_line(&steps, event, want, sizeof(event))) {
			take_step(e, event, got, sizeof(got));
			if (strcmp(want, got))
				fprintf(stderr, "%s: at %s\n", rows[i].name, event);
			CHECK_STR(want, got);
		}
		CHECK(connect_engine_done(e) == !!strstr(rows[i].steps, "done:"));
		if (bad != check_bad)
			fprintf(stderr, "row: %s\n", rows[i].name);
		connect_engine_free(&e);
		CHECK(!e);
	}
}

static void one_leg_is_dialled_joined_and_gone(void **state)
{
	static const struct row rows[] = {
		{ "answered first, then dialled", "1", "",
		  "start > answer dial0 set:ring0\n"
		  "ring0 > tone\n"
		  "ring0 >\n"
		  "answer0 > clear:ring0 join0\n"
		  "gone0:hangup > done:completed:hangup:0\n"
		  "gone0:hangup >\n"
		  "stop >\n" },
		{ "answer on join", "1", "jmt",
		  "start > set:total dial0 set:ring0\n"
		  "ring0 > tone\n"
		  "answer0 > clear:ring0 clear:total answer join0 set:talk\n"
		  "gone0:error > clear:talk done:completed:error:0\n" },
		{ "caller answered already", "1", "aj",
		  "start > dial0 set:ring0\n"
		  "answer0 > clear:ring0 join0\n" },
		{ "a join that fails at once", "1", "a",
		  "start > dial0 set:ring0\n"
		  "answer0 > clear:ring0 join0\n"
		  "gone0:error > done:completed:error:0\n" },
		{ "a call of the API: nobody to answer or ring", "1", "nr",
		  "start > dial0 set:ring0\n"
		  "ring0 >\n"
		  "early0 >\n"
		  "caller-gone >\n"
		  "caller-answered >\n"
		  "answer0 > clear:ring0 join0\n"
		  "gone0:none > done:completed:error:0\n" },
	};

	(void)state;
	run_rows(rows, ARRAY_LEN(rows));
}

static void refusals_end_with_the_most_telling_cause(void **state)
{
	static const struct row rows[] = {
		{ "busy", "1", "a",
		  "start > dial0 set:ring0\n"
		  "gone0:busy > clear:ring0 done:failed:busy:0\n" },
		{ "busy over declined over no answer over error", "4", "a",
		  "start > dial0 set:ring0 dial1 set:ring1 dial2 set:ring2 dial3 set:ring3\n"
		  "gone2:busy > clear:ring2\n"
		  "gone0:no_answer > clear:ring0\n"
		  "gone1:declined > clear:ring1\n"
		  "gone3:error > clear:ring3 done:failed:busy:2\n" },
		{ "declined over no answer", "3", "a",
		  "start > dial0 set:ring0 dial1 set:ring1 dial2 set:ring2\n"
		  "gone1:declined > clear:ring1\n"
		  "gone0:no_answer > clear:ring0\n"
		  "gone2:error > clear:ring2 done:failed:declined:1\n" },
		{ "no answer over error", "2", "a",
		  "start > dial0 set:ring0 dial1 set:ring1\n"
		  "gone1:no_answer > clear:ring1\n"
		  "gone0:not_found > clear:ring0 done:failed:no_answer:1\n" },
		{ "the later of error and not found", "2", "a",
		  "start > dial0 set:ring0 dial1 set:ring1\n"
		  "gone1:error > clear:ring1\n"
		  "gone0:not_found > clear:ring0 done:failed:not_found:0\n" },
		{ "the later of not found and error", "2", "a",
		  "start > dial0 set:ring0 dial1 set:ring1\n"
		  "gone0:not_found > clear:ring0\n"
		  "gone1:error > clear:ring1 done:failed:error:1\n" },
		{ "hung up over the API", "2", "a",
		  "start > dial0 set:ring0 dial1 set:ring1\n"
		  "gone0:error > clear:ring0\n"
		  "gone1:cancel > clear:ring1 done:failed:error:0\n" },
		{ "the last group's cause", "11", "a",
		  "start > dial0 set:ring0\n"
		  "gone0:busy > clear:ring0 dial1 set:ring1\n"
		  "gone1:error > clear:ring1 done:failed:error:1\n" },
		{ "groups in order, a late event of an earlier one means nothing", "21", "a",
		  "start > dial0 set:ring0 dial1 set:ring1\n"
		  "+ring0 > drop0:no_answer\n"
		  "+ring1 > drop1:no_answer dial2 set:ring2\n"
		  "answer1 >\n"
		  "gone1:no_answer >\n"
		  "+ring0 >\n"
		  "gone2:declined > clear:ring2 done:failed:declined:2\n"
		  "gone0:no_answer >\n" },
	};

	(void)state;
	run_rows(rows, ARRAY_LEN(rows));
}

static void races_have_one_winner(void **state)
{
	static const struct row rows[] = {
		{ "first answer wins without confirm", "3", "a",
		  "start > dial0 set:ring0 dial1 set:ring1 dial2 set:ring2\n"
		  "answer1 > clear:ring0 drop0:cancel clear:ring2 drop2:cancel clear:ring1 join1\n"
		  "answer0 >\n"
		  "gone0:cancel >\n"
		  "gone1:hangup > done:completed:hangup:1\n"
		  "gone2:cancel >\n" },
		{ "whoever confirms first wins", "3", "acrt",
		  "start > set:total dial0 set:ring0 dial1 set:ring1 dial2 set:ring2 ringback\n"
		  "answer0 > clear:ring0 confirm0 set:confirm0\n"
		  "ring2 >\n"
		  "answer1 > clear:ring1 confirm1 set:confirm1\n"
		  "ok1 > clear:confirm0 drop0:cancel clear:ring2 drop2:cancel clear:confirm1 clear:total ringback-off "
		  "join1\n"
		  "ok0 >\n"
		  "gone1:hangup > done:completed:hangup:1\n" },
		{ "first answer drops the others, then confirms", "2", "aAc",
		  "start > dial0 set:ring0 dial1 set:ring1\n"
		  "answer0 > clear:ring1 drop1:cancel clear:ring0 confirm0 set:confirm0 tone\n"
		  "ok0 > clear:confirm0 join0\n" },
		{ "and fails when its confirm does", "21", "aAc",
		  "start > dial0 set:ring0 dial1 set:ring1\n"
		  "answer0 > clear:ring1 drop1:cancel clear:ring0 confirm0 set:confirm0 tone\n"
		  "refuse0:declined > clear:confirm0 drop0:declined dial2 set:ring2\n"
		  "gone1:cancel >\n"
		  "gone0:declined >\n"
		  "gone2:busy > clear:ring2 done:failed:busy:2\n" },
		{ "a lost race never counts", "2", "aAc",
		  "start > dial0 set:ring0 dial1 set:ring1\n"
		  "answer1 > clear:ring0 drop0:cancel clear:ring1 confirm1 set:confirm1 tone\n"
		  "gone0:busy >\n"
		  "gone1:error > clear:confirm1 done:failed:error:1\n" },
		{ "a leg without limit on its confirm", "1", "ax",
		  "start > dial0 set:ring0\n"
		  "answer0 > clear:ring0 confirm0 tone\n"
		  "refuse0:error > drop0:error done:failed:error:0\n" },
		{ "hung up while confirming is declined", "2", "ac",
		  "start > dial0 set:ring0 dial1 set:ring1\n"
		  "answer0 > clear:ring0 confirm0 set:confirm0 tone\n"
		  "gone0:hangup > clear:confirm0\n"
		  "gone1:no_answer > clear:ring1 done:failed:declined:0\n" },
		{ "confirmed before it answered means nothing", "1", "ac",
		  "start > dial0 set:ring0\n"
		  "ok0 >\n"
		  "refuse0:declined >\n"
		  "answer0 > clear:ring0 confirm0 set:confirm0 tone\n"
		  "answer0 >\n"
		  "ring0 >\n" },
	};

	(void)state;
	run_rows(rows, ARRAY_LEN(rows));
}

static void limits_end_legs_and_calls(void **state)
{
	static const struct row rows[] = {
		{ "the last leg's final answer is awaited", "1", "ar",
		  "start > dial0 set:ring0 ringback\n"
		  "+ring0 > drop0:no_answer set:settle\n"
		  "answer0 >\n"
		  "gone0:busy > clear:settle ringback-off done:failed:no_answer:0\n" },
		{ "but not for ever", "1", "a",
		  "start > dial0 set:ring0\n"
		  "+ring0 > drop0:no_answer set:settle\n"
		  "+settle > done:failed:no_answer:0\n"
		  "gone0:cancel >\n" },
		{ "the whole time is over", "2", "at",
		  "start > set:total dial0 set:ring0 dial1 set:ring1\n"
		  "+total > clear:ring0 drop0:no_answer clear:ring1 drop1:no_answer set:settle\n"
		  "gone1:no_answer >\n"
		  "gone0:no_answer > clear:settle done:failed:no_answer:1\n" },
		{ "no further group then, and busy tells more", "21", "at",
		  "start > set:total dial0 set:ring0 dial1 set:ring1\n"
		  "gone0:busy > clear:ring0\n"
		  "+total > clear:ring1 drop1:no_answer set:settle\n"
		  "+settle > done:failed:busy:0\n" },
		{ "also while confirming", "1", "act",
		  "start > set:total dial0 set:ring0\n"
		  "answer0 > clear:ring0 confirm0 set:confirm0 tone\n"
		  "+total > clear:confirm0 drop0:no_answer set:settle\n"
		  "ok0 >\n"
		  "gone0:hangup > clear:settle done:failed:no_answer:0\n" },
		{ "confirm took too long", "1", "ac",
		  "start > dial0 set:ring0\n"
		  "answer0 > clear:ring0 confirm0 set:confirm0 tone\n"
		  "+ring0 >\n"
		  "+confirm0 > drop0:no_answer set:settle\n"
		  "gone0:hangup > clear:settle done:failed:no_answer:0\n" },
		{ "talked long enough", "1", "am",
		  "start > dial0 set:ring0\n"
		  "answer0 > clear:ring0 join0 set:talk\n"
		  "+talk > drop0:hangup set:settle\n"
		  "gone0:error > clear:settle done:completed:hangup:0\n" },
		{ "a leg of a lost race is not awaited after the join", "2", "am",
		  "start > dial0 set:ring0 dial1 set:ring1\n"
		  "+ring0 > drop0:no_answer\n"
		  "answer1 > clear:ring1 join1 set:talk\n"
		  "gone1:hangup > clear:talk done:completed:hangup:1\n" },
		{ "the key", "1", "amk",
		  "start > dial0 set:ring0\n"
		  "key* >\n"
		  "answer0 > clear:ring0 join0 set:talk\n"
		  "key1 >\n"
		  "key* > drop0:hangup clear:talk set:settle\n"
		  "key* >\n"
		  "+settle > done:completed:hangup:0\n" },
		{ "a key that is none of the plan's", "1", "a",
		  "start > dial0 set:ring0\n"
		  "answer0 > clear:ring0 join0\n"
		  "key* >\n" },
	};

	(void)state;
	run_rows(rows, ARRAY_LEN(rows));
}

static void nobody_to_connect_for_ends_all(void **state)
{
	static const struct row rows[] = {
		{ "caller gone while it rings", "2", "t",
		  "start > answer set:total dial0 set:ring0 dial1 set:ring1\n"
		  "ring1 > tone\n"
		  "caller-gone > clear:ring0 drop0:cancel clear:ring1 drop1:cancel clear:total "
		  "done:abandoned:cancel:1\n"
		  "answer1 >\n" },
		{ "caller gone in confirm", "1", "jcr",
		  "start > dial0 set:ring0 ringback\n"
		  "answer0 > clear:ring0 confirm0 set:confirm0 tone\n"
		  "caller-gone > clear:confirm0 drop0:cancel ringback-off done:abandoned:cancel:0\n" },
		{ "caller gone while joined", "1", "am",
		  "start > dial0 set:ring0\n"
		  "answer0 > clear:ring0 join0 set:talk\n"
		  "caller-gone > drop0:hangup clear:talk done:completed:hangup:0\n" },
		{ "caller gone before the start", "1", "", "caller-gone > done:abandoned:cancel:0\nstart >\n" },
		{ "caller gone while the end settles", "1", "a",
		  "start > dial0 set:ring0\n"
		  "+ring0 > drop0:no_answer set:settle\n"
		  "caller-gone > clear:settle done:abandoned:cancel:0\n" },
		{ "caller gone while the drop settles", "1", "ak",
		  "start > dial0 set:ring0\n"
		  "answer0 > clear:ring0 join0\n"
		  "key* > drop0:hangup set:settle\n"
		  "caller-gone > clear:settle done:completed:hangup:0\n" },
		{ "stopped before the start", "1", "", "stop > done:stopped:cancel:0\n" },
		{ "stopped while it rings", "11", "a",
		  "start > dial0 set:ring0\n"
		  "gone0:busy > clear:ring0 dial1 set:ring1\n"
		  "stop > clear:ring1 drop1:cancel done:stopped:cancel:1\n" },
		{ "stopped while joined", "1", "a",
		  "start > dial0 set:ring0\n"
		  "answer0 > clear:ring0 join0\n"
		  "stop > drop0:hangup done:stopped:hangup:0\n" },
	};

	(void)state;
	run_rows(rows, ARRAY_LEN(rows));
}

static void caller_hears_what_there_is(void **state)
{
	static const struct row rows[] = {
		{ "early media of the only leg", "1", "j",
		  "start > dial0 set:ring0\n"
		  "early0 > early0\n"
		  "ring0 >\n"
		  "early0 >\n"
		  "answer0 > clear:ring0 answer join0\n" },
		{ "early media after ringing", "1", "j",
		  "start > dial0 set:ring0\n"
		  "ring0 > tone\n"
		  "early0 > early0\n" },
		{ "early media of one among several counts as ringing", "2", "j",
		  "start > dial0 set:ring0 dial1 set:ring1\n"
		  "early0 > tone\n"
		  "early1 >\n"
		  "gone0:busy > clear:ring0 early1\n" },
		{ "a list of ours plays: no early media, an unanswered caller gets his 180", "1", "jr",
		  "start > dial0 set:ring0 ringback\n"
		  "early0 > tone\n" },
		{ "a list of ours plays to an answered caller: nothing else", "1", "ar",
		  "start > dial0 set:ring0 ringback\n"
		  "ring0 >\n"
		  "early0 >\n" },
		{ "ring tone again where early media was", "11", "a",
		  "start > dial0 set:ring0\n"
		  "early0 > early0\n"
		  "gone0:busy > clear:ring0 dial1 set:ring1\n"
		  "ring1 > tone\n"
		  "early1 > early1\n" },
		{ "the confirm script is not the caller's", "1", "ac",
		  "start > dial0 set:ring0\n"
		  "early0 > early0\n"
		  "answer0 > clear:ring0 confirm0 set:confirm0 tone\n" },
		{ "answered by somebody else meanwhile: his phone no longer rings by itself", "1", "j",
		  "start > dial0 set:ring0\n"
		  "ring0 > tone\n"
		  "caller-answered > tone\n"
		  "caller-answered >\n"
		  "answer0 > clear:ring0 join0\n" },
	};

	(void)state;
	run_rows(rows, ARRAY_LEN(rows));
}

static void timers_carry_the_limits_of_the_plan(void **state)
{
	static const struct plan_script confirm = { .url = "https://app.test/c" };
	static const struct plan_target targets[] = {
		{ .address = "sip:a@b", .ring_ms = 1111, .confirm = &confirm, .confirm_ms = 2222 },
	};
	static const struct plan_group group = { targets, 1 };
	static const struct plan plan = { .groups = &group, .group_count = 1, .total_ms = 3333, .max_talk_ms = 4444 };
	static const struct engine_event events[] = {
		{ .type = ENGINE_START },
		{ .type = ENGINE_ANSWERED },
		{ .type = ENGINE_CONFIRMED },
		{ .type = ENGINE_TIMER, .timer = ENGINE_TIMER_TALK },
	};
	static const uint32_t want[] = { 3333, 1111, 2222, 4444, 1000 };
	struct connect_engine *e = NULL;
	size_t seen = 0;

	(void)state;
	assert_int_equal(connect_engine_new(&e, &plan, true, true), 0);
	for (size_t i = 0; i < ARRAY_LEN(events); i++) {
		const struct engine_action *a = NULL;
		size_t n = connect_engine_step(e, &events[i], &a);

		for (size_t k = 0; k < n; k++) {
			if (a[k].type == ENGINE_SET_TIMER && seen < ARRAY_LEN(want))
				CHECK_INT(want[seen++], a[k].ms);
		}
	}
	CHECK_INT(ARRAY_LEN(want), seen);
	connect_engine_free(&e);
}

static void nonsense_gives_nothing(void **state)
{
	static const struct row rows[] = {
		{ "events of slots that are not dialled, and of none at all", "11", "a",
		  "ring0 >\n"
		  "gone0:busy >\n"
		  "start > dial0 set:ring0\n"
		  "start >\n"
		  "answer1 >\n"
		  "gone1:busy >\n"
		  "ring9 >\n"
		  "gone9:busy >\n"
		  "+ring9 >\n"
		  "+ring1 >\n"
		  "+confirm0 >\n"
		  "+total >\n"
		  "+talk >\n"
		  "+settle >\n" },
	};

	(void)state;
	run_rows(rows, ARRAY_LEN(rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_leg_is_dialled_joined_and_gone),
		TEST(refusals_end_with_the_most_telling_cause),
		TEST(races_have_one_winner),
		TEST(limits_end_legs_and_calls),
		TEST(nobody_to_connect_for_ends_all),
		TEST(caller_hears_what_there_is),
		TEST(timers_carry_the_limits_of_the_plan),
		TEST(nonsense_gives_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a script tells of its steps: arguments, variables, waits; bounded, and without secrets. */
#include "base/arena.h"
#include "call/step.h"
#include "script_world.h"

static const char *told(const struct world *w)
{
	return w->call.told.len ? w->call.told.data : "";
}

/* Run a document that somebody follows. */
static void follow(struct world *w, const char *text)
{
	open_world(w);
	w->call.wants_steps = CALL_STEP_TRACED;
	run(w, text);
}

static void steps_with_what_they_set(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [answer, {set: {a: 1, b: x}}, hangup]}",
		  "document \nstep answer@1\ndone answer@1 sets {\"answer_result\":\"success\"}\n"
		  "step set@1 sets {\"a\":1,\"b\":\"x\"}\nstep hangup@1\n" },
		/* arguments are told as the step got them, sections and results are not part of them */
		{ "sections:\n  main:\n  - set: {n: {k: [2, true]}}\n"
		  "  - connect: {to: '+1${n.k[0]}55', timeout: 5, result: [{when: 'true', then: [answer]}]}\n",
		  "document \nstep set@3 sets {\"n\":{\"k\":[2,true]}}\n"
		  "step connect@4 {\"to\":\"+1255\",\"timeout\":5}\n"
		  "done connect@4 10 ms sets "
		  "{\"connect_result\":\"failed\",\"connect_failed_reason\":\"busy\",\"return_value\":\"failed\"}\n"
		  "step answer@4\ndone answer@4 sets {\"answer_result\":\"success\"}\n" },
		{ "sections: {main: [{switch: {variable: x, case: {a: [answer]}, default: [{unset: x}]}}, {sleep: "
		  "30}]}",
		  "document \nstep switch@1 {\"variable\":\"x\"}\nstep unset@1\nstep sleep@1 {\"duration\":30}\n"
		  "done sleep@1 30 ms\n" },
		{ "sections: {main: [{execute: {dest: s, params: {p: 1}}}], s: [{return: '%{params.p}'}]}",
		  "document \nstep execute@1 {\"dest\":\"s\",\"params\":{\"p\":1}}\n"
		  "step return@1 sets {\"return_value\":\"1\"}\n" },
		/* a step is told before the warning that it gives, and the error with it */
		{ "sections: {main: [{execute: none}, answer]}",
		  "document \nstep execute@1 {\"dest\":\"none\"}\n"
		  "done execute@1 sets {\"script_error\":\"relay_script_section_parameter_undefined\"}\n"
		  "step answer@1\ndone answer@1 sets {\"answer_result\":\"success\"}\n" },
	};

	log_set_level(LOG_ERROR);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;

		follow(&w, rows[i].text);
		CHECK_STR(rows[i].want, told(&w));
		close_world(&w);
	}
	log_set_level(LOG_INFO);
}

static void nothing_while_nobody_wants_to_know(void **state)
{
	struct world w;

	open_world(&w);
	run(&w, "sections: {main: [answer, {set: {a: 1}}, {sleep: 5}, hangup]}");
	CHECK_STR("", told(&w));
	close_world(&w);
}

static void somebody_comes_and_goes(void **state)
{
	struct world w;

	open_world(&w);
	start(&w,
	      "sections: {main: [{sleep: 10}, {set: {a: 1}}, {sleep: 10}, {set: {a: 2}}, {sleep: 10}, {set: {a: 3}}]}");
	loop_run_until(w.loop, loop_now_ms(w.loop) + 5);
	w.call.wants_steps = CALL_STEP_FOLLOWED;
	loop_run_until(w.loop, loop_now_ms(w.loop) + 10);
	CHECK_STR("step set@1 sets {\"a\":1}\nstep sleep@1 {\"duration\":10}\n", told(&w));
	w.call.wants_steps = 0;
	buf_reset(&w.call.told);
	while (loop_turn(w.loop))
		;
	CHECK_STR("", told(&w));
	close_world(&w);
}

static void secrets_are_left_out(void **state)
{
	static const char *const documents[] = {
		"sections: {main: [{connect: {to: 'sip:b@h', username: u, password: hunter22}}]}",
		"sections: {main: [{connect: {to: 'sip:b:hunter22@h'}}]}",
		"sections: {main: [{connect: {serial: [{to: 'sip:b@h', password: hunter22}]}}]}",
		"sections: {main: [{connect: {to: 'sip:b@h', headers: [{name: Authorization, value: Basic "
		"hunter22}]}}]}",
		"sections: {main: [{set: {my_password: hunter22, API_KEY: hunter22, token: {deep: hunter22}}}]}",
		"sections: {main: [{set: {a: {b: {Authorization: 'Bearer hunter22'}}}}]}",
		"sections: {main: [{set: {u: 'https://me:hunter22@h.test/x'}}, {set: {v: 'https://hunter22@h.test'}}]}",
		"sections: {main: [{set: {u: 'https://h.test/x?a=1&token=hunter22&b=2'}}]}",
		/* once it was a secret, it stays one */
		"sections: {main: [{set: {password: hunter22}}, {set: {x: '${password}', y: 'is ${password}!'}}]}",
		"sections: {main: [{sip_refer: {to_uri: 'sip:x@h', password: hunter22}}, {set: {x: a hunter22 b}}]}",
		"sections: {main: [{set: {x: '${envs.DOOR_PASSWORD}'}}]}",
		"sections: {main: [{play: {url: 'https://me:hunter22@h/a.wav', status_url: 'https://x:hunter22@h/'}}]}",
		"sections: {main: [{execute: {dest: s, params: {password: hunter22}}}], s: [{set: {x: "
		"'${params.password}'}}]}",
		"sections: {main: [{tap: {uri: 'wss://u:hunter22@h/'}}, {set: {t: '${tap_uri}'}}]}",
		"sections: {main: [{transfer: 'https://u:hunter22@127.0.0.1:9/doc'}]}",
	};
	static const char *const envs[] = { "DOOR_PASSWORD", "hunter22", NULL };
	static const struct outcome outcomes[] = { { OP_DONE, CAUSE_NONE, 10 }, { OP_DONE, CAUSE_NONE, 10 } };

	log_set_level(LOG_ERROR);
	for (size_t i = 0; i < ARRAY_LEN(documents); i++) {
		struct world w;

		open_world(&w);
		w.env.envs = envs;
		w.call.wants_steps = CALL_STEP_TRACED;
		w.call.info.state = CALL_ANSWERED;
		w.call.outcomes = outcomes;
		w.call.outcome_count = ARRAY_LEN(outcomes);
		run(&w, documents[i]);
		CHECK(strstr(told(&w), "step ") && (strstr(told(&w), "***") || strstr(told(&w), "xxxxxxxx")));
		CHECK(!strstr(told(&w), "hunter22"));
		if (strstr(told(&w), "hunter22"))
			fprintf(stderr, "%s\n%s", documents[i], told(&w));
		free(w.call.tap);
		close_world(&w);
	}
	log_set_level(LOG_INFO);
}

static void a_secret_that_is_cut_stays_one(void **state)
{
	char text[1000];

	/* It stands at each place around the end of what is shown. */
	for (int n = 180; n < 215; n++) {
		struct world w;

		snprintf(text, sizeof(text),
			 "sections: {main: [{set: {password: hunter22}}, {set: {x: '%0*d${password}'}}]}", n, 0);
		follow(&w, text);
		CHECK(!strstr(told(&w), "h") || !strstr(strstr(told(&w), "\"x\""), "h"));
		close_world(&w);
	}
}

static void check_objects(const struct world *w)
{
	const char *at = told(w);

	while ((at = strchr(at, '{'))) {
		size_t n = strcspn(at, "\n");
		const char *sets = memmem(at, n, " sets {", 7);
		struct str object = { at, sets ? (size_t)(sets - at) : n };
		struct arena *a = NULL;
		struct doc_error err;
		struct doc *root;

		assert_int_equal(arena_new(&a, 0, 0), 0);
		CHECK_INT(0, doc_parse(a, &root, object, DOC_JSON, NULL, &err));
		CHECK(object.n < 2560); /* what is larger is not kept at all */
		arena_free(&a);
		at += sets ? object.n + 1 : n;
	}
}

static void what_is_large_is_cut_but_is_json(void **state)
{
	static const char *const documents[] = {
		"sections: {main: [{set: {x: '%0300d'}}]}",
		"sections: {main: [{set: {x: [%0300d, '%0300d', '%0300d', '%0300d', '%0300d', '%0300d', '%0300d']}}]}",
		"sections: {main: [{set: {a: '%0300d', b: '%0300d', c: '%0300d', d: '%0300d', e: '%0300d', f: "
		"'%0300d', g: '%0300d'}}]}",
		"sections: {main: [{set: {a: [[[[[[[[[[1]]]]]]]]]]}}]}",
		"sections: {main: [{set: {a: {b: {c: {d: {e: {f: {g: {h: 1}}}}}}}}}]}",
		"sections: {main: [{set: {a: \"\\0\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\u2028\\\"\\\\%0180d\"}}]}",
		"sections: {main: [{connect: {parallel: [{to: 'sip:%0300d@h'}, {to: 'sip:%0300d@h'}, {to: "
		"'sip:%0300d@h'}, "
		"{to: 'sip:%0300d@h'}, {to: 'sip:%0300d@h'}, {to: 'sip:%0300d@h'}, {to: 'sip:%0300d@h'}]}}]}",
		"sections: {main: [{execute: {dest: s, params: {a: '%0300d', b: '%0300d', c: '%0300d', d: '%0300d', e: "
		"'%0300d', "
		"f: '%0300d', g: '%0300d'}}}], s: [return]}",
	};

	for (size_t i = 0; i < ARRAY_LEN(documents); i++) {
		char text[4000];
		struct world w;

		/* Not for the program that checks formats: there are as many places as it takes. */
		int (*print)(char *, size_t, const char *, ...) = snprintf;

		print(text, sizeof(text), documents[i], 1, 2, 3, 4, 5, 6, 7);
		follow(&w, text);
		check_objects(&w);
		CHECK(i == 5 || strstr(told(&w), "\xe2\x80\xa6"));
		CHECK(w.call.told.len < 8000);
		close_world(&w);
	}
}

static void a_character_is_not_cut_in_two(void **state)
{
	for (unsigned n = 190; n < 205; n++) {
		char text[600];
		struct world w;

		snprintf(text, sizeof(text),
			 "sections: {main: [{set: {x: '%0*d\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac'}}]}",
			 (int)n, 0);
		follow(&w, text);
		CHECK(!strstr(told(&w), "\xef\xbf\xbd"));
		close_world(&w);
	}
}

static void add_steps(struct buf *text, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		buf_printf(text, "{set: {x: %u}}, ", i);
}

/* Steps without a wait are told by the first of them and a number; after a wait it goes on. */
static void a_long_run_is_not_told_whole(void **state)
{
	struct buf text = { 0 };
	const char *skipped;
	struct world w;

	buf_cstr(&text, "sections: {main: [");
	add_steps(&text, 1000);
	buf_cstr(&text, "{sleep: 7}, {set: {z: 1}}]}");
	follow(&w, text.data);
	buf_free(&text);
	CHECK_INT(256 + 1, w.call.steps);
	skipped = strstr(told(&w), "skipped ");
	CHECK(skipped && strtoul(skipped + 8, NULL, 10) == 1000 + 1 - 256);
	CHECK(skipped && strstr(skipped, "step set@1 sets {\"z\":1}"));
	close_world(&w);
}

/* Waits of no time between the steps do not help: 128 KiB and no more. */
static void a_call_cannot_tell_without_end(void **state)
{
	struct buf text = { 0 };
	struct world w;

	buf_cstr(&text, "sections: {main: [");
	for (unsigned i = 0; i < 300; i++)
		buf_printf(&text, "{set: {x: ['%0190u', '%0190u', '%0190u', '%0190u']}}, {sleep: 0}, ", i, i, i, i);
	buf_cstr(&text, "answer]}");
	follow(&w, text.data);
	buf_free(&text);
	CHECK(w.call.told.len > 100000 && w.call.told.len < (128 << 10) + 4096);
	CHECK(strstr(told(&w), "skipped "));
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(steps_with_what_they_set),       TEST(nothing_while_nobody_wants_to_know),
		TEST(somebody_comes_and_goes),        TEST(secrets_are_left_out),
		TEST(a_secret_that_is_cut_stays_one), TEST(what_is_large_is_cut_but_is_json),
		TEST(a_character_is_not_cut_in_two),  TEST(a_long_run_is_not_told_whole),
		TEST(a_call_cannot_tell_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

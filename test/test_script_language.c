/* The edges of the language, as the manual has them: shorthand, control flow, parameters, limits, codes. */
#include "script_world.h"

/* What a document tells. */
#define TELL(value) "user_event: {event: {v: '" value "'}}"
#define TOLD(value) "user_event {\"v\":\"" value "\"}"

/* swml.md §1: each form once. */
static void every_shorthand_is_read(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [answer, hangup]}", "answer; hangup hangup" },
		{ "sections: {main: [{answer: {}}, {hangup: {}}]}", "answer; hangup hangup" },
		{ "sections: {main: [{answer: null}, {hangup: }]}", "answer; hangup hangup" },
		{ "sections: {main: {hangup: busy}}", "hangup busy" },
		{ "sections: {main: {execute: b}, b: {hangup: busy}}", "hangup busy" },
		{ "sections: {main: [{answer: 60}, {play: 'say:hi'}, {play: ['say:a', 'ring:us']}]}",
		  "answer; play say:hi; play say:a,ring:us; hangup hangup" },
		{ "sections: {main: [{play: {urls: 'say:a'}}, {play: {url: 'say: b'}}]}",
		  "play say:a; play say: b; hangup hangup" },
		{ "sections: {main: [{execute: b}, {transfer: b}, answer], b: [{set: {n: '${n}1'}}, {" TELL(
			  "n${n}") "}]}",
		  TOLD("n1") "; " TOLD("n11") "; hangup hangup" },
		{ "sections: {main: [{transfer: [{dest: b}, {params: [{foo: bar}, {n: 1}]}]}], b: [{" TELL(
			  "${params.foo}${params.n}") "}]}",
		  TOLD("bar1") "; hangup hangup" },
		{ "sections: {main: [{label: a}, {goto: {label: a, max: 1}}, {sleep: 5000}, {set: {x: 1, y: 2}}, "
		  "{unset: x}, "
		  "{unset: [x, y]}, {" TELL("${x}${y}.") "}, {return: 1}]}",
		  TOLD(".") "; hangup hangup" },
		{ "sections: {main: [{set: {n: 0}}, {label: a}, {set: {n: '${n + 1}'}}, {goto: a}]}",
		  "warn too_many_transfers@1; hangup error" },
		{ "sections: {main: [{execute: b}, {" TELL("r${return_value}") "}], b: [{return: 1}]}",
		  TOLD("r1") "; hangup hangup" },
		{ "sections: {main: [answer, {send_digits: '12'}, {prompt: 'say:key'}]}",
		  "answer; send 12; collect 1  5000/5000 say:key; hangup hangup" },
		{ "sections: {main: [{connect: '+1555'}]}", "connect +1555; hangup busy" },
		{ "sections: {main: [{tap: 'rtp://192.0.2.1:4000'}, {stop_tap: control-1}]}",
		  "answer; tap rtp://192.0.2.1:4000 - speak PCMU 20; stop; hangup hangup" },
		{ "version: 1.0.0\nsections:\n  main:\n    - hangup\n", "hangup hangup" },
		{ "{\"version\": \"1.0.0\", \"sections\": {\"main\": [\"hangup\"]}}", "hangup hangup" },
		{ "{\"sections\": {\"main\": [\"hangup\",]}}", "hangup hangup" }, /* no JSON, but YAML */
		/* a text that is a reference stands for a number or boolean */
		{ "sections: {main: [{set: {v: 3, no: false}}, {play: {url: 'say:a', volume: '${v}', auto_answer: "
		  "'%{no}'}}]}",
		  "play say:a early 3 dB; hangup hangup" },
	};

	tell(rows, ARRAY_LEN(rows));
}

static void choices_read_their_keys(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [{set: {n: 5}}, {switch: {variable: n, case: {5: [{hangup: busy}]}}}]}",
		  "hangup busy" },
		{ "sections: {main: [{set: {n: '5'}}, {switch: {variable: '${n}', case: {5: [{hangup: busy}]}}}]}",
		  "hangup busy" },
		{ "sections: {main: [{set: {n: 5}}, {switch: {variable: '%{vars.n}', case: {'5': {hangup: busy}}}}]}",
		  "hangup busy" },
		{ "sections: {main: [{switch: {variable: call.type, case: {phone: {hangup: busy}}}}]}", "hangup busy" },
		{ "sections: {main: [{execute: {dest: b, params: {foo: x}}}], b: [{switch: {variable: params.foo, "
		  "case: "
		  "{x: {hangup: busy}}}}]}",
		  "hangup busy" },
		{ "sections: {main: [{set: {b: true}}, {switch: {variable: b, case: {true: {hangup: busy}}}}]}",
		  "hangup busy" },
		{ "sections: {main: [{switch: {variable: nothing, case: {'': {hangup: busy}}}}]}", "hangup busy" },
		{ "sections: {main: [{switch: {variable: nothing, case: {a: {hangup: busy}}}}]}",
		  "warn method_no_matching_condition@1; hangup hangup" },
		{ "sections: {main: [{switch: {variable: nothing, case: {a: []}, default: {hangup: busy}}}]}",
		  "hangup busy" },
		{ "sections: {main: [{cond: [{when: 'false', then: []}, {else: [{hangup: busy}]}]}]}", "hangup busy" },
		{ "sections: {main: [{cond: [{when: false, then: answer, else: {hangup: busy}}]}]}", "hangup busy" },
		{ "sections: {main: [{set: {p: '1'}}, {cond: [{when: '${p} == 1', then: [{hangup: busy}]}]}]}",
		  "hangup busy" },
	};

	tell(rows, ARRAY_LEN(rows));
}

/* goto.max counts jumps: a section with max 3 plays 4 times. */
static void jumps_are_counted(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [{label: a}, {play: 'say:x'}, {goto: {label: a, max: 3}}, {" TELL("end") "}]}",
		  "play say:x; play say:x; play say:x; play say:x; " TOLD("end") "; hangup hangup" },
		/* of that statement, and anew in each entry of the section */
		{ "sections: {main: [{execute: b}, {execute: b}], b: [{label: a}, {play: 'say:x'}, {goto: {label: a, "
		  "max: 1}}]}",
		  "play say:x; play say:x; play say:x; play say:x; hangup hangup" },
		{ "sections: {main: [{goto: {label: a, max: 0}}, {label: a}]}",
		  "warn method_parameter_invalid_value@1; hangup hangup" },
		{ "sections: {main: [{goto: {label: a, max: 101}}, {label: a}]}",
		  "warn method_parameter_invalid_value@1; hangup hangup" },
		/* labels are of their section */
		{ "sections: {main: [{label: a}, {execute: b}], b: [{goto: a}]}",
		  "warn method_parameter_invalid_value@1; hangup hangup" },
		/* out of a block */
		{ "sections: {main: [{label: a}, {play: 'say:x'}, {cond: [{when: 'true', then: [{goto: {label: a, max: "
		  "1}}]}]}]}",
		  "play say:x; play say:x; hangup hangup" },
	};

	tell(rows, ARRAY_LEN(rows));
}

#define INLINE(steps) "'{\"sections\":{\"main\":[" steps "]}}'"
#define SAY(value) "{\"user_event\":{\"event\":{\"v\":\"" value "\"}}}"

static void parameters_belong_to_their_section(void **state)
{
	static const struct row rows[] = {
		/* as texts; restored behind the return; absent where none are given */
		{ "sections: {main: [{execute: {dest: b, params: {n: 1}, meta: {any: [thing]}}}, {" TELL("m${params.n}") "}], b: [{" TELL(
			  "b${params.n + params.n}") "}, {execute: c}, {execute: {dest: c, "
						     "params: {n: 2}}}, {" TELL("b${params.n}") "}], c: [{" TELL(
							     "c${params.n}") "}]}",
		  TOLD("b11") "; " TOLD("c") "; " TOLD("c2") "; " TOLD("b1") "; " TOLD("m") "; hangup hangup" },
		/* into an inline document, and restored */
		{ "sections: {main: [{execute: b}], b: [{execute: {dest: c, params: {n: 7}}}], c: [{execute: "
		  "{dest: " INLINE(SAY("i${params.n}") ",{\"return\":\"back\"}") ", params: {n: "
										 "'${params.n}8'}}}, {" TELL(
											 "${params.n}${return_"
											 "value}") "}]}",
		  TOLD("i78") "; " TOLD("7back") "; hangup hangup" },
		{ "sections: {main: [{transfer: {dest: " INLINE(SAY("t${params.n}")) ", params: {n: 5}}}, answer]}",
		  TOLD("t5") "; hangup hangup" },
		/* where it is no document but with its references put in, they are those of the caller */
		{ "sections: {main: [{set: {ms: 5, v: x}}, {execute: '{\"sections\":{\"main\":[{\"sleep\":${ms}}," SAY(
			  "${v}") "]}}'}]}",
		  TOLD("x") "; hangup hangup" },
		{ "sections: {main: [{execute: '{\"sections\":{\"main\":[{\"sleep\":${no()}}]}}'}]}",
		  "warn js_eval_error@1; warn method_parameter_missing@1; hangup error" },
		{ "sections: {main: [{set: {bad: '['}}, {execute: '{\"sections\":${bad}'}, {" TELL("on") "}]}",
		  "warn parse_error@1; " TOLD("on") "; hangup hangup" },
		/* an inline document has sections of its own, and those before come back */
		{ "sections: {main: [{execute: '{\"sections\":{\"main\":[{\"execute\":\"b\"}],\"b\":[" SAY(
			  "inner") "]}}'}, {execute: b}], b: [{" TELL("outer") "}]}",
		  TOLD("inner") "; " TOLD("outer") "; hangup hangup" },
		/* return_value, then on_return, then result, then the next step */
		{ "sections: {main: [{execute: {dest: b, on_return: [{" TELL(
			  "on${return_value}") "}], result: {case: {x: [{" TELL("case") "}]}}}}, {" TELL("next") "}], "
														 "b: "
														 "[{"
														 "retur"
														 "n: "
														 "x}]}",
		  TOLD("onx") "; " TOLD("case") "; " TOLD("next") "; hangup hangup" },
		{ "sections: {main: [{execute: {dest: b, result: [{when: \"return_value == 2\", then: {hangup: "
		  "busy}}]}}], b: "
		  "[{return: 2}]}",
		  "hangup busy" },
		/* what doubles with each level has a limit */
		{ "sections: {main: [{execute: {dest: c, params: {p: x}}}], c: [{execute: {dest: c, params: {p: "
		  "['${params.p}', '${params.p}', [a, b]]}}}]}",
		  "warn method_execute_failed@1; hangup error" },
		/* vars are kept everywhere; a return outside of an execute exits */
		{ "sections: {main: [{set: {a: 1}}, {execute: b}, {" TELL(
			  "${a}${b}") "}, {return: x}, answer], b: [{set: {b: "
				      "'${a}2'}}]}",
		  TOLD("112") "; hangup hangup" },
	};

	tell(rows, ARRAY_LEN(rows));
}

/* swml.md §5: what gives each code when it runs, and what becomes of the call. */
static void every_code_has_its_fault(void **state)
{
	static const struct row rows[] = {
		{ "sections: [", "warn parse_error@2; hangup error" },
		{ "version: 2\nsections: {main: [hangup]}", "warn version_invalid@1; hangup error" },
		{ "a: 1", "warn sections_missing@1; hangup error" },
		{ "sections: {other: [hangup]}", "warn main_section_missing@1; hangup error" },
		{ "sections: {main: []}", "warn section_code_missing@1; hangup error" },
		{ "sections: {main: [{execute: b}, {hangup: busy}], b: []}",
		  "warn section_code_missing@1; hangup busy" },
		{ "sections: {main: [{transfer: b}, {hangup: busy}], b: null}",
		  "warn section_code_missing@1; hangup busy" },
		{ "sections: {main: [{execute: b}, {hangup: busy}]}",
		  "warn section_parameter_undefined@1; hangup busy" },
		{ "sections: {main: [5, {hangup: busy}]}", "warn element_wrong_type@1; hangup busy" },
		{ "sections: 5", "warn element_wrong_type@1; hangup error" },
		{ "sections: {main: [{answer: {}, play: 'say:x'}, {hangup: busy}]}",
		  "warn element_invalid_value@1; hangup busy" },
		{ "sections: {main: [hangup], main: [answer]}", "warn element_duplicated@1; hangup error" },
		{ "sections: {main: [{}, {hangup: busy}]}", "warn method_missing_name@1; hangup busy" },
		{ "sections: {main: [fly, {hangup: busy}]}", "warn method_undefined@1; hangup error" },
		{ "sections: {main: [{reply: {body: hi}}, answer]}", "warn method_undefined@1; hangup error" },
		{ "sections: {main: [{execute: {}}, {hangup: busy}]}",
		  "warn method_parameter_missing@1; hangup error" },
		{ "sections: {main: [{hangup: {reason: bored}}, {hangup: busy}]}",
		  "warn method_parameter_invalid_value@1; hangup busy" },
		{ "sections: {main: [{hangup: {raeson: busy}}]}", "warn method_parameter_undefined@1; hangup hangup" },
		{ "sections: {main: [{connect: {to: '+1555', serial: [{to: '+1556'}]}}, {hangup: busy}]}",
		  "warn method_parameter_conflict@1; hangup busy" },
		{ "sections: {main: [{execute: '{\"sections\": '}, {hangup: busy}]}",
		  "warn parse_error@1; hangup busy" },
		{ "sections: {main: [{execute: '{\"sections\": {}}'}, {hangup: busy}]}",
		  "warn main_section_missing@1; warn method_execute_failed@1; hangup busy" },
		{ "sections: {main: [{execute: 'relay:app'}, {hangup: busy}]}",
		  "warn method_execute_failed@1; hangup busy" },
		{ "sections: {main: [{execute: 'http://h/'}, {hangup: busy}]}",
		  "warn method_execute_failed@1; hangup busy" },
		{ "sections: {main: [{execute: main}]}", "warn nested_too_deep@1; hangup error" },
		{ "sections: {main: [{transfer: main}]}", "warn too_many_transfers@1; hangup error" },
		{ "sections: {main: [{execute: b}], b: [{execute: c}], c: [{execute: b}]}",
		  "warn nested_too_deep@1; hangup error" },
		{ "sections: {main: [{execute: " INLINE("{\"execute\":\"main\"}") "}]}",
		  "warn nested_too_deep@1; hangup error" },
	};

	tell(rows, ARRAY_LEN(rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_shorthand_is_read),  TEST(choices_read_their_keys),
		TEST(jumps_are_counted),        TEST(parameters_belong_to_their_section),
		TEST(every_code_has_its_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The interpreter against a call that only writes down what it is told. The functions of call.h and op.h that
 * script.c uses are defined here, so the real ones stay out of this program. */
#include "script_world.h"

static void steps_run_in_order(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [hangup]}", "hangup hangup" },
		{ "sections: {main: {hangup: busy}}", "hangup busy" },
		{ "sections: {main: [{hangup: {reason: decline}}, answer]}", "hangup declined" },
		{ "sections: {main: [answer]}", "answer; hangup hangup" },
		{ "sections: {main: [answer: {codecs: 'pcma, OPUS,VP8'}]}", "answer PCMA OPUS VP8; hangup hangup" },
		{ "sections: {main: [answer: {codecs: [PCMU, xyz]}]}",
		  "warn method_parameter_invalid_value@1; answer PCMU; hangup hangup" },
		{ "sections: {main: [answer, {answer: 60}, {sleep: 100}, hangup]}", "answer; hangup hangup" },
		{ "sections: {main: [{set: {ms: '5'}}, {sleep: '${ms}'}, {sleep: '${ms + 1}'}]}", "hangup hangup" },
		{ "{\"sections\": {\"main\": [\"answer\", {\"hangup\": {}}]}}", "answer; hangup hangup" },
		{ "sections: {main: [{connect: '${envs.OFFICE}'}, {connect: '+15550003333'}]}",
		  "connect sip:office@h; connect +15550003333; hangup busy" },
	};

	tell(rows, ARRAY_LEN(rows));
}

static void variables_reach_the_next_steps(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [{set: {a: 1, b: '${a + 1}', c: 'x${b}'}}, {" SHOW("${a}-${b}-${c}") "}]}",
		  "connect sip:1-2-x2@h; hangup busy" },
		{ "sections: {main: [{set: {a: 1}}, {unset: a}, {" SHOW("u${a}") "}]}",
		  "connect sip:u@h; hangup busy" },
		{ "sections: {main: [{set: {a: 1, b: 2, c: 3}}, {unset: [a, vars.b]}, {" SHOW("u${a}${b}${c}") "}]}",
		  "connect sip:u3@h; hangup busy" },
		{ "sections: {main: [{" SHOW("${call.from}.${call.direction}.${call.type}.${call.call_state}") "}]}",
		  "connect sip:+15550001111.inbound.phone.created@h; hangup busy" },
		{ "sections: {main: [answer, {" SHOW(
			  "${call.call_state}.${call.call_id}.${call.headers[0].value}") "}]}",
		  "answer; connect sip:answered.id-1.7@h; hangup hangup" },
		{ "sections: {main: [answer, {" SHOW("${answer_result}.${to_number}") "}]}",
		  "answer; connect sip:success.+15550002222@h; hangup hangup" },
		{ "sections: {main: [{set: {a: '${f(1)}'}}, {" SHOW("x${a}${script_error}") "}]}",
		  "warn js_eval_error@1; connect sip:xrelay_script_js_eval_error@h; hangup busy" },
		{ "sections: {main: [{set: {call.from: x}}, {set: 5}, unset, hangup]}",
		  "warn method_parameter_invalid_value@1; warn method_parameter_invalid_value@1; "
		  "warn method_parameter_missing@1; hangup hangup" },
	};

	tell(rows, ARRAY_LEN(rows));
}

static void sections_call_and_return(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [{execute: b}, {" SHOW("r${return_value}") "}], b: [{return: 5}, answer]}",
		  "connect sip:r5@h; hangup busy" },
		/* parameters are texts, replaced by each execute and restored */
		{ "sections: {main: [{execute: {dest: b, params: {n: 1, m: 2}}}, {" SHOW(
			  "x${params.n}") "}],"
					  "b: [{execute: {dest: c, params: {n: '${params.n + params.m}'}}}, {" SHOW(
						  "b${params.n}") "}],"
								  "c: [{" SHOW("c${params.n}${params.m}") "}]}",
		  "connect sip:c12@h; connect sip:b1@h; connect sip:x@h; hangup busy" },
		/* on_return, then result, then the next step */
		{ "sections: {main: [{execute: {dest: b, on_return: [{" SHOW(
			  "on-${return_value}") "}],"
						"result: {case: {failed: [{" SHOW("case") "}]}}}}, {" SHOW(
							"next") "}], b: [{return: r}]}",
		  "connect sip:on-r@h; connect sip:case@h; connect sip:next@h; hangup busy" },
		{ "sections: {main: [{execute: {dest: b, result: [{when: return_value == 6, then: hangup}]}}],"
		  "b: [{return: '${2*3}'}]}",
		  "hangup hangup" },
		/* the end of a section returns nothing */
		{ "sections: {main: [{execute: b}, {execute: c}, {" SHOW(
			  "r${return_value}.") "}],"
					       "b: [{return: 5}], c: [{label: x}]}",
		  "connect sip:r.@h; hangup busy" },
		{ "sections: {main: [{execute: b}, {" SHOW(
			  "r${return_value}") "}],"
					      "b: [{switch: {variable: call.type, case: {phone: [{return: p}, "
					      "answer]}}}, answer]}",
		  "connect sip:rp@h; hangup busy" },
		/* unknown: a warning, the next step */
		{ "sections: {main: [{execute: nowhere}, answer]}",
		  "warn section_parameter_undefined@1; answer; hangup hangup" },
		{ "sections: {main: [{execute: b}, answer], b: []}",
		  "warn section_code_missing@1; answer; hangup hangup" },
		{ "sections: {main: [{execute: 'https://x.test/'}, answer]}",
		  "warn method_execute_failed@1; answer; hangup hangup" },
		/* return outside ends the script, transfer does not come back */
		{ "sections: {main: [{return: 1}, answer]}", "hangup hangup" },
		{ "sections: {main: [{transfer: b}, hangup], b: [answer, return]}", "answer; hangup hangup" },
		{ "sections: {main: [{execute: b}, hangup], b: [{transfer: c}, hangup],"
		  "c: [{" SHOW("x${params.n}") "}, answer]}",
		  "connect sip:x@h; answer; hangup hangup" },
		{ "sections: {main: [{transfer: [{dest: b}, {params: [{n: 1}]}]}], b: [{" SHOW("${params.n}") "}]}",
		  "connect sip:1@h; hangup busy" },
		{ "sections: {main: [{execute: {dest: b, params: {p: a}}}],"
		  "b: [{transfer: {dest: c, params: {q: '${params}'}}}], c: [{" SHOW("${params.q.p}") "}]}",
		  "connect sip:a@h; hangup busy" },
	};

	tell(rows, ARRAY_LEN(rows));
}

static void choices_choose(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [{set: {n: 5}}, {switch: {variable: n, case: {5: [answer]}, default: [hangup]}}]}",
		  "answer; hangup hangup" },
		{ "sections: {main: [{switch: {variable: '${call.type}', case: {sip: [hangup]}, default: [answer]}}]}",
		  "answer; hangup hangup" },
		{ "sections: {main: [{switch: {variable: nothing, case: {a: [hangup]}}}, answer]}",
		  "warn method_no_matching_condition@1; answer; hangup hangup" },
		{ "sections: {main: [{switch: {variable: nothing, case: {'': [answer]}}}]}", "answer; hangup hangup" },
		{ "sections: {main: [{cond: [{when: 1 > 2, then: [hangup]}, {when: call.type == 'phone', then: answer},"
		  "{else: hangup}]}]}",
		  "answer; hangup hangup" },
		{ "sections: {main: [{cond: [{when: false, then: [hangup]}, {else: [answer]}]}]}",
		  "answer; hangup hangup" },
		{ "sections: {main: [{cond: [{when: false, then: [hangup], else: [answer]}, {when: true, then: "
		  "[hangup]}]}]}",
		  "answer; hangup hangup" },
		{ "sections: {main: [{cond: [{when: false, then: [hangup]}]}, answer]}", "answer; hangup hangup" },
		{ "sections: {main: [{cond: [{when: f(), then: [hangup]}, {else: [answer]}]}]}",
		  "warn js_eval_error@1; answer; hangup hangup" },
		{ "sections: {main: [{cond: {a: b}}, answer]}",
		  "warn method_parameter_invalid_value@1; answer; hangup hangup" },
	};

	tell(rows, ARRAY_LEN(rows));
}

static void labels_and_jumps(void **state)
{
	static const struct row rows[] = {
		/* max 3: the section runs four times */
		{ "sections: {main: [{label: a}, {" SHOW("x") "}, {goto: {label: a, max: 3}}]}",
		  "connect sip:x@h; connect sip:x@h; connect sip:x@h; connect sip:x@h; hangup busy" },
		{ "sections: {main: [{set: {n: 0}}, {label: a}, {set: {n: '${n + 1}'}}, {goto: {label: a, when: n < "
		  "7}},"
		  "{" SHOW("${n}") "}]}",
		  "connect sip:7@h; hangup busy" },
		{ "sections: {main: [{goto: b}, answer, {label: b}]}", "hangup hangup" },
		{ "sections: {main: [{goto: nowhere}, answer]}",
		  "warn method_parameter_invalid_value@1; answer; hangup hangup" },
		/* out of a block, not into another section */
		{ "sections: {main: [{cond: [{when: true, then: [{goto: b}, answer]}]}, answer, {label: b}]}",
		  "hangup hangup" },
		{ "sections: {main: [{label: a}, {execute: b}], b: [{goto: a}, answer]}",
		  "warn method_parameter_invalid_value@1; answer; hangup hangup" },
		/* each run of a section counts anew */
		{ "sections: {main: [{execute: b}, {execute: b}],"
		  "b: [{label: a}, {" SHOW("x") "}, {goto: {label: a, max: 1}}]}",
		  "connect sip:x@h; connect sip:x@h; connect sip:x@h; connect sip:x@h; hangup busy" },
	};

	tell(rows, ARRAY_LEN(rows));
}

static void sounds_are_played(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [{play: 'say:x'}, hangup]}", "play say:x; hangup hangup" },
		{ "sections: {main: [{play: [a, 'ring:us']}]}", "play a,ring:us; hangup hangup" },
		{ "sections: {main: [{play: {url: 'ring:us', volume: -6.5, auto_answer: false, say_voice: v, "
		  "say_language: de-DE, say_gender: male, status_url: 'http://h/s'}}]}",
		  "play ring:us early -6.5 dB v/de-DE/male to http://h/s; hangup hangup" },
		{ "sections: {main: [{set: {u: 'say:1', v: '3'}}, {play: {urls: ['${u}', 'say:2'], volume: '${v}'}}]}",
		  "play say:1,say:2 3 dB; hangup hangup" },
		{ "sections: {main: [{play: {urls: 'say:1', status_url: nowhere}}]}",
		  "warn method_parameter_invalid_value@1; play say:1; hangup hangup" },
		{ "sections: {main: [{play: 'say:nothing'}, {cond: [{when: \"script_error == "
		  "'relay_script_method_execute_failed'\", then: [hangup: busy]}]}]}",
		  "play say:nothing; warn method_execute_failed@1; hangup busy" },
		{ "sections: {main: [{play: 'say:gone'}, answer]}", "play say:gone" },
		{ "sections: {main: [{play: 'say:late'}, answer]}", "play say:late" },
		{ "sections: {main: [{play: {volume: 3}}, answer]}", "warn method_parameter_missing@1; hangup error" },
		{ "sections: {main: [{play: {url: a, urls: [b]}}, answer]}",
		  "warn method_parameter_invalid_value@1; answer; hangup hangup" },
		{ "sections: {main: [{play: []}, answer]}",
		  "warn method_parameter_invalid_value@1; answer; hangup hangup" },
		{ "sections: {main: [{play: {url: a, volume: 41}}, answer]}",
		  "warn method_parameter_invalid_value@1; answer; hangup hangup" },
		{ "sections: {main: [{play: {url: a, volume: loud}}, answer]}",
		  "warn method_parameter_invalid_value@1; answer; hangup hangup" },
		/* What is done to the call behind a failed connect is the last word. */
		{ "sections: {main: [{connect: {to: 'sip:a@h'}}, {play: 'say:x'}]}",
		  "connect sip:a@h; play say:x; hangup hangup" },
	};

	tell(rows, ARRAY_LEN(rows));
}

#define SHOW_PROMPT SHOW("${prompt_result}.${prompt_value}.${prompt_digit_terminator}")

static void keys_are_asked_for(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [{prompt: 'ring:us'}, {" SHOW_PROMPT "}]}",
		  "collect 1  5000/5000 ring:us; connect sip:match_digits.42.@h; hangup busy" },
		{ "sections: {main: [{prompt: {play: [a, b], max_digits: 4, terminators: '#', initial_timeout: 2.5, "
		  "digit_timeout: '0.5', status_url: 'http://h/s'}}, {" SHOW_PROMPT "}]}",
		  "collect 4 # 2500/500 a,b to http://h/s; connect sip:match_digits.42.#@h; hangup busy" },
		{ "sections: {main: [{prompt: {play: a, terminators: '*'}}, {" SHOW_PROMPT "}]}",
		  "collect 1 * 5000/5000 a; connect sip:no_input..@h; hangup busy" },
		{ "sections: {main: [{prompt: {play: a, terminators: Ax}}, {" SHOW_PROMPT "}]}",
		  "warn method_parameter_invalid_value@1; collect 1 A 5000/5000 a; connect sip:no_match..A@h; hangup "
		  "busy" },
		{ "sections: {main: [{prompt: {play: a, terminators: D}}, answer]}", "collect 1 D 5000/5000 a" },
		{ "sections: {main: [{prompt: {play: a, terminators: B}}, {" SHOW_PROMPT "}]}",
		  "collect 1 B 5000/5000 a; warn internal_error@1; connect sip:failed..@h; hangup busy" },
		{ "sections: {main: [{prompt: {play: a, speech_language: en-US}}, {" SHOW_PROMPT "}]}",
		  "warn method_execute_failed@1; connect sip:failed..@h; hangup busy" },
		{ "sections: {main: [{prompt: {play: a, speech_hints: [x], max_digits: 2}}, {" SHOW_PROMPT "}]}",
		  "warn method_execute_failed@1; collect 2  5000/5000 a; connect sip:match_digits.42.@h; hangup busy" },
		{ "sections: {main: [{prompt: a}, {switch: {variable: prompt_value, case: {'42': [hangup: busy]}}}]}",
		  "collect 1  5000/5000 a; hangup busy" },
		{ "sections: {main: [{prompt: {max_digits: 1}}, answer]}",
		  "warn method_parameter_missing@1; hangup error" },
		{ "sections: {main: [{prompt: {play: a, max_digits: 65}}, answer]}",
		  "warn method_parameter_invalid_value@1; answer; hangup hangup" },
	};

	tell(rows, ARRAY_LEN(rows));
}

#define SHOW_SPEECH SHOW("${prompt_result}.${prompt_value}.${prompt_speech_confidence}")

static void speech_is_asked_for(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [{prompt: {play: a, speech_language: de-DE}}, answer]}",
		  "collect 1  5000/5000 a no keys hears 1000/60000 de-DE; answer; hangup hangup" },
		{ "sections: {main: [{prompt: {play: a, terminators: '0', speech_hints: [yes, '${1 + 1}'], "
		  "speech_timeout: 4, "
		  "speech_end_timeout: 0.5}}, {" SHOW_SPEECH "}]}",
		  "collect 1 0 5000/5000 a hears 500/4000 - yes,2; connect sip:match_speech.yes.0.875@h; hangup busy" },
		{ "sections: {main: [{prompt: {play: a, terminators: '1', speech_hints: 'yes, no way ,'}}, "
		  "{" SHOW_SPEECH "}]}",
		  "collect 1 1 5000/5000 a hears 1000/60000 - yes,no way,; connect sip:match_speech.no.@h; hangup "
		  "busy" },
		{ "sections: {main: [{prompt: {play: a, terminators: '2', speech_timeout: 0, speech_end_timeout: 0}}, "
		  "{" SHOW_SPEECH "}]}",
		  "collect 1 2 5000/5000 a hears 200/60000 -; connect sip:failed..@h; hangup "
		  "busy" },
	};

	recognizer = (struct recognizer *)(void *)&recognizer; /* nobody looks into it */
	tell(rows, ARRAY_LEN(rows));
	recognizer = NULL;
}

static void keys_are_sent(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [{send_digits: '1w2#'}, {" SHOW("${send_digits_result}") "}]}",
		  "send 1w2#; connect sip:success@h; hangup busy" },
		{ "sections: {main: [{set: {d: 7}}, {send_digits: {digits: '${d}*'}}, hangup]}",
		  "send 7*; hangup hangup" },
		{ "sections: {main: [{send_digits: 12}, hangup]}", "send 12; hangup hangup" },
		{ "sections: {main: [{send_digits: 1x}, {" SHOW("${send_digits_result}") "}]}",
		  "send 1x; warn method_parameter_invalid_value@1; connect sip:failed@h; hangup busy" },
		{ "sections: {main: [{send_digits: D}, {" SHOW("${send_digits_result}") "}]}",
		  "send D; warn method_execute_failed@1; connect sip:failed@h; hangup busy" },
		{ "sections: {main: [{send_digits: C}, answer]}", "send C" },
	};

	tell(rows, ARRAY_LEN(rows));
}

static void faulty_steps_warn(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [{pay: 'say:x'}, {transcribe: {}}, answer]}",
		  "warn method_execute_failed@1; warn method_execute_failed@1; answer; hangup hangup" },
		{ "sections: {main: [fly, answer]}", "warn method_undefined@1; hangup error" },
		{ "sections: {main: [{answer: {}, hangup: {}}, 5, '', answer]}",
		  "warn element_invalid_value@1; warn element_wrong_type@1; warn method_missing_name@1; answer; "
		  "hangup hangup" },
		{ "sections: {main: [{sleep: {}}, answer]}", "warn method_parameter_missing@1; hangup error" },
		{ "sections: {main: [{sleep: soon}, answer]}",
		  "warn method_parameter_invalid_value@1; answer; hangup hangup" },
		{ "sections: {main: [{answer: {max_duration: 60, codec: x}}]}",
		  "warn method_parameter_undefined@1; answer; hangup hangup" },
		{ "sections: {main: [{answer: {username: u, password: p}}]}",
		  "answer; credentials u p; hangup hangup" },
		{ "sections: {main: [{answer: {username: u}}]}",
		  "answer; warn method_parameter_invalid_value@1; hangup hangup" },
		{ "sections: {main: [{answer: {username: u, password: \"p\\n\"}}]}",
		  "answer; credentials u p\n; warn method_parameter_invalid_value@1; hangup hangup" },
		{ "sections: {main: []}", "warn section_code_missing@1; hangup error" },
		{ "sections: {b: [hangup]}", "warn main_section_missing@1; hangup error" },
		{ "version: 3", "warn version_invalid@1; warn sections_missing@1; hangup error" },
		{ "a: [", "warn parse_error@2; hangup error" },
		{ "a: 1\na: 2", "warn element_duplicated@2; hangup error" },
	};

	tell(rows, ARRAY_LEN(rows));
}

static void documents_that_cannot_be_read(void **state)
{
	static const char *const locations[] = { "/nonexistent/document.yaml", "/tmp", "https://example.test/x" };

	for (size_t i = 0; i < ARRAY_LEN(locations); i++) {
		struct world w;

		open_world(&w);
		CHECK_INT(0, script_start(&w.call, &w.env, locations[i]));
		while (loop_turn(w.loop))
			;
		CHECK_STR("warn parse_error@0; hangup error", story(&w));
		close_world(&w);
	}
}

static void sip_refer_tells_what_became_of_it(void **state)
{
#define TOLD                                                                                                           \
	SHOW("${sip_refer_to}!${sip_refer_result}!${return_value}!${sip_refer_response_code}!"                         \
	     "${sip_refer_to_response_code}")
	static const struct {
		struct outcome outcome;
		int error;
		const char *text, *want;
	} rows[] = {
		{ { OP_DONE, CAUSE_NONE, 5 },
		  0,
		  "sections: {main: [answer, {sip_refer: {to_uri: 'sip:x', username: u, password: p, status_url: "
		  "'http://h'}}, {" TOLD "}]}",
		  "answer; refer sip:x u p http://h; connect sip:x!success!success!202!200@h; hangup hangup" },
		{ { OP_FAILED, CAUSE_NONE, 5 },
		  0,
		  "sections: {main: [answer, {sip_refer: 'sip:x'}, {" TOLD "}]}",
		  "answer; refer sip:x - - -; connect sip:x!failed!failed!202!486@h; hangup hangup" },
		{ { OP_DONE, CAUSE_NONE, 5 },
		  EINVAL,
		  "sections: {main: [answer, {sip_refer: 'x'}, {" TOLD "}, {" SHOW("${script_error}") "}]}",
		  "answer; refer x - - -; warn method_parameter_invalid_value@1; connect sip:x!failed!failed!!@h; "
		  "connect sip:relay_script_method_parameter_invalid_value@h; hangup hangup" },
		{ { OP_DONE, CAUSE_NONE, 5 },
		  EINVAL,
		  "sections: {main: [{sip_refer: 'sip:x'}, {set: {a: '${sip_refer_result}'}}, {" SHOW("${a}") "}]}",
		  "refer sip:x - - -; warn method_execute_failed@1; connect sip:failed@h; hangup busy" },
		{ { OP_DONE, CAUSE_NONE, 5 },
		  ENOTCONN,
		  "sections: {main: [answer, {sip_refer: 'sip:x'}, {" SHOW("a") "}]}",
		  "answer; refer sip:x - - -" },
		{ { OP_DONE, CAUSE_NONE, 5 },
		  0,
		  "sections: {main: [{sip_refer: {}}, answer]}",
		  "warn method_parameter_missing@1; hangup error" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct outcome outcomes[] = { rows[i].outcome, { OP_FAILED, CAUSE_BUSY, 10 } };
		struct world w;

		open_world(&w);
		w.call.outcomes = outcomes;
		w.call.outcome_count = 1;
		w.call.connects = 1; /* they are busy */
		w.call.refer_error = rows[i].error;
		run(&w, rows[i].text);
		CHECK_STR(rows[i].want, story(&w));
		close_world(&w);
	}
}

static void connect_sets_variables_and_runs_its_result(void **state)
{
#define VALUES "${connect_result}.${connect_failed_reason}.${return_value}"
	static const struct {
		struct outcome outcome;
		const char *text, *want;
	} rows[] = {
		{ { OP_DONE, CAUSE_HANGUP, 5000 },
		  "sections: {main: [{" SHOW("a") "}, {" SHOW(VALUES) "}]}",
		  "connect sip:a@h; connect sip:connected..connected@h; hangup busy" },
		{ { OP_FAILED, CAUSE_NO_ANSWER, 10 },
		  "sections: {main: [{" SHOW("a") "}, {" SHOW(VALUES) "}]}",
		  "connect sip:a@h; connect sip:failed.no_answer.failed@h; hangup busy" },
		{ { OP_FAILED, CAUSE_NOT_FOUND, 0 },
		  "sections: {main: [{" SHOW("a") "}, {" SHOW(VALUES) "}]}",
		  "connect sip:a@h; connect sip:failed.error.failed@h; hangup busy" },
		{ { OP_FAILED, CAUSE_NONE, 0 },
		  "sections: {main: [{" SHOW("a") "}, {" SHOW(VALUES) "}]}",
		  "connect sip:a@h; connect sip:failed.error.failed@h; hangup busy" },
		/* switch without and with variable, cond */
		{ { OP_DONE, CAUSE_HANGUP, 5 },
		  "sections: {main: [{connect: {to: '+1555', result: {case: {connected: [hangup]}, default: "
		  "[answer]}}}]}",
		  "connect +1555; hangup hangup" },
		{ { OP_FAILED, CAUSE_DECLINED, 5 },
		  "sections: {main: [{connect: {to: '+1555', result: {case: {connected: [hangup]},"
		  "default: [{execute: voicemail}, hangup]}}}, answer]}",
		  "connect +1555; warn section_parameter_undefined@1; hangup hangup" },
		{ { OP_FAILED, CAUSE_BUSY, 5 },
		  "sections: {main: [{connect: {to: '+1555', result: {variable: connect_failed_reason,"
		  "case: {busy: [answer]}}}}, {set: {a: 1}}]}",
		  "connect +1555; answer; hangup hangup" },
		{ { OP_FAILED, CAUSE_BUSY, 5 },
		  "sections: {main: [{connect: {to: '+1555', result: [{when: connect_result == 'connected', then: "
		  "[answer]},"
		  "{when: connect_failed_reason == 'busy', then: [{hangup: busy}]}, {else: [answer]}]}}]}",
		  "connect +1555; hangup busy" },
		{ { OP_FAILED, CAUSE_ERROR, 5 },
		  "sections: {main: [{connect: {to: '+1555', result: {case: {connected: [answer]}}}}]}",
		  "connect +1555; warn method_no_matching_condition@1; hangup error" },
		/* The result of a connect with references stands in the document, not in what was made for the step. */
		{ { OP_FAILED, CAUSE_BUSY, 5 },
		  "sections: {main: [{connect: {to: '${call.to}', result: [{else: {" SHOW(
			  "${connect_failed_reason}") "}}]}}]}",
		  "connect +15550002222; connect sip:busy@h; hangup busy" },
		/* what is wrong dials nothing, and the document goes on */
		{ { OP_DONE, CAUSE_HANGUP, 5 },
		  "sections: {main: [{connect: {timeout: 5, result: [{else: [answer]}]}}, {" SHOW(VALUES) "}]}",
		  "warn method_parameter_missing@1; answer; connect sip:failed.error.failed@h; hangup hangup" },
		{ { OP_DONE, CAUSE_HANGUP, 5 },
		  "sections: {main: [{connect: {to: 'sip:a@b', headers: {A: \"x\\ny\"}}}, {" SHOW(
			  "${script_error}") "}]}",
		  "warn method_parameter_invalid_value@1; "
		  "connect sip:relay_script_method_parameter_invalid_value@h; hangup hangup" },
		{ { OP_DONE, CAUSE_HANGUP, 5 },
		  "sections: {main: [{connect: {to: 'sip:a@b', webrtc_media: true}}, {" SHOW(VALUES) "}]}",
		  "warn method_execute_failed@1; connect sip:failed.error.failed@h; hangup hangup" },
		{ { OP_DONE, CAUSE_HANGUP, 5 },
		  "sections: {main: [connect: [a]]}",
		  "warn method_parameter_invalid_value@1; hangup error" },
		{ { OP_DONE, CAUSE_HANGUP, 5 },
		  "sections: {main: [{connect: {to: '${vars.none}'}}]}",
		  "warn method_parameter_invalid_value@1; hangup error" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;

		open_world(&w);
		w.call.outcomes = &rows[i].outcome;
		w.call.outcome_count = 1;
		run(&w, rows[i].text);
		if (strcmp(rows[i].want, story(&w)))
			fprintf(stderr, "%s\n", rows[i].text);
		CHECK_STR(rows[i].want, story(&w));
		close_world(&w);
	}
}

static void a_bridge_may_be_left_for_another_document(void **state)
{
#define ELSEWHERE                                                                                                      \
	"transfer_after_bridge: '{\"sections\": {\"main\": [{\"connect\": \"sip:${connect_result}${n}@h\"}]}}'"
	static const struct {
		struct outcome outcome;
		const char *text, *want;
	} rows[] = {
		/* Behind the result, instead of the rest; its values are those of then. */
		{ { OP_DONE, CAUSE_HANGUP, 50 },
		  "sections: {main: [{connect: {to: 'sip:a@h', " ELSEWHERE
		  ", result: {case: {connected: [{set: {n: 7}}, answer]}}}}, hangup]}",
		  "connect sip:a@h; answer; connect sip:connected7@h; hangup hangup" },
		{ { OP_DONE, CAUSE_HANGUP, 50 },
		  "sections: {main: [{execute: b}, hangup], b: [{connect: {to: 'sip:a@h', " ELSEWHERE
		  "}}, {return: 1}]}",
		  "connect sip:a@h; connect sip:connected@h; hangup busy" },
		/* Not without a bridge. */
		{ { OP_FAILED, CAUSE_BUSY, 50 },
		  "sections: {main: [{connect: {to: 'sip:a@h', " ELSEWHERE "}}, {hangup: decline}]}",
		  "connect sip:a@h; hangup declined" },
		/* Nor when the result ended, left or went back. */
		{ { OP_DONE, CAUSE_HANGUP, 50 },
		  "sections: {main: [{connect: {to: 'sip:a@h', " ELSEWHERE
		  ", result: [{else: [{hangup: busy}]}]}}, answer]}",
		  "connect sip:a@h; hangup busy" },
		{ { OP_DONE, CAUSE_HANGUP, 50 },
		  "sections: {main: [{connect: {to: 'sip:a@h', " ELSEWHERE
		  ", result: [{else: [{transfer: b}]}]}}, answer], b: [{connect: 'sip:b@h'}]}",
		  "connect sip:a@h; connect sip:b@h; hangup busy" },
		{ { OP_DONE, CAUSE_HANGUP, 50 },
		  "sections: {main: [{execute: b}, answer], b: [{connect: {to: 'sip:a@h', " ELSEWHERE
		  ", result: [{else: [return]}]}}]}",
		  "connect sip:a@h; answer; hangup hangup" },
		{ { OP_DONE, CAUSE_HANGUP, 50 },
		  "sections: {main: [{connect: {to: 'sip:a@h', " ELSEWHERE
		  ", result: [{else: [{goto: l}]}]}}, {label: l}, answer]}",
		  "connect sip:a@h; answer; hangup hangup" },
		/* What comes of nothing is warned of, and the document goes on. */
		{ { OP_DONE, CAUSE_HANGUP, 50 },
		  "sections: {main: [{connect: {to: 'sip:a@h', transfer_after_bridge: '{\"sections\": 1}'}}, answer]}",
		  "connect sip:a@h; warn element_wrong_type@1; warn method_execute_failed@1; answer; hangup hangup" },
		{ { OP_DONE, CAUSE_HANGUP, 50 },
		  "sections: {main: [{connect: {to: 'sip:a@h', transfer_after_bridge: '{oh'}}, answer]}",
		  "connect sip:a@h; warn parse_error@1; answer; hangup hangup" },
		{ { OP_DONE, CAUSE_HANGUP, 50 },
		  "sections: {main: [{connect: {to: 'sip:a@h', transfer_after_bridge: 'http://127.0.0.1/'}}, answer]}",
		  "connect sip:a@h; warn method_execute_failed@1; answer; hangup hangup" },
		{ { OP_DONE, CAUSE_HANGUP, 50 },
		  "sections: {main: [{connect: {to: 'sip:a@h', transfer_after_bridge: b}}, answer], b: [hangup]}",
		  "warn method_parameter_invalid_value@1; answer; hangup hangup" },
		/* From a variable; each connect has its own. */
		{ { OP_DONE, CAUSE_HANGUP, 50 },
		  "sections: {main: [{set: {d: '{\"sections\": {\"main\": [{\"connect\": \"sip:v@h\"}]}}'}},"
		  "{connect: {to: 'sip:a@h', transfer_after_bridge: '${d}'}}, answer]}",
		  "connect sip:a@h; connect sip:v@h; hangup busy" },
		{ { OP_DONE, CAUSE_HANGUP, 50 },
		  "sections: {main: [{connect: {to: 'sip:a@h', " ELSEWHERE
		  ", result: [{else: [{connect: 'sip:b@h'}]}]}}, answer]}",
		  "connect sip:a@h; connect sip:b@h; connect sip:failed@h; hangup busy" },
		{ { OP_DONE, CAUSE_HANGUP, 50 },
		  "sections: {main: [{connect: {to: 'sip:a@h', transfer_after_bridge: ''}}, answer]}",
		  "warn method_parameter_invalid_value@1; answer; hangup hangup" },
		/* Nothing is dialled, and that is told. */
		{ { OP_DONE, CAUSE_HANGUP, 50 },
		  "sections: {main: [{connect: {to: 'queue:q', status_url: 'https://x.test/s'}}]}",
		  "warn method_parameter_missing@1; failed error to https://x.test/s; hangup error" },
		{ { OP_DONE, CAUSE_HANGUP, 50 },
		  "sections: {main: [{connect: {to: '', status_url: x}}]}",
		  "warn method_parameter_invalid_value@1; warn method_parameter_invalid_value@1; hangup error" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;

		open_world(&w);
		w.call.outcomes = &rows[i].outcome;
		w.call.outcome_count = 1;
		run(&w, rows[i].text);
		if (strcmp(rows[i].want, story(&w)))
			fprintf(stderr, "%s\n", rows[i].text);
		CHECK_STR(rows[i].want, story(&w));
		close_world(&w);
	}
}

/* PRODUCT §6: the final answer of a caller that nobody answered tells of the last connect. */
static void the_last_failure_is_the_callers_answer(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [{connect: '+1555'}]}", "connect +1555; hangup busy" },
		{ "sections: {main: [{connect: '+1555'}, {set: {a: 1}}, {label: x}]}", "connect +1555; hangup busy" },
		{ "sections: {main: [{connect: '+1555'}, {sleep: 1}]}", "connect +1555; hangup hangup" },
		{ "sections: {main: [{connect: '+1555'}, hangup]}", "connect +1555; hangup hangup" },
		{ "sections: {main: [answer, {connect: '+1555'}]}", "answer; connect +1555; hangup hangup" },
		{ "sections: {main: [{execute: b}], b: [{connect: '+1555'}]}", "connect +1555; hangup busy" },
	};

	tell(rows, ARRAY_LEN(rows));
}

static void recordings_set_variables(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [answer, record, {" SHOW("${record_result}.${record_url}") "}]}",
		  "answer; record speak '#' 4000 5000 0; connect sip:success.url-1@h; hangup hangup" },
		{ "sections: {main: [{record: {initial_timeout: 0.001, direction: listen, format: mp3, stereo: true}}, "
		  "{" SHOW("${record_result}") "}]}",
		  "answer; record listen stereo mp3 '#' 1 5000 0; connect sip:failed@h; hangup hangup" },
		{ "sections: {main: [{record: {end_silence_timeout: 0, initial_timeout: '1.5', max_length: 60, "
		  "terminators: '*0'}}]}",
		  "answer; record speak '*0' 1500 0 60000; hangup hangup" },
		{ "sections: {main: [record_call, {" SHOW(
			  "${record_call_result}.${record_control_id}") "}, "
									"stop_record_call, {" SHOW(
										"${stop_record_call_result}") "}]}",
		  "answer; record_call both '' 0 0 0; connect sip:success.control-1@h; stop; connect sip:success@h; "
		  "hangup hangup" },
		{ "sections: {main: [{record_call: {max_length: 1}}, {stop_record_call: other}, "
		  "{" SHOW("${stop_record_call_result}") "}, stop_record_call]}",
		  "answer; record_call both '' 0 0 1000; warn method_execute_failed@1; connect sip:failed@h; stop; "
		  "hangup hangup" },
		{ "sections: {main: [{record: {format: mp4}}]}",
		  "warn method_execute_failed@1; answer; record speak '#' 4000 5000 0; hangup hangup" },
		{ "sections: {main: [{record: {status_url: 'ftp://h/'}}]}",
		  "warn method_parameter_invalid_value@1; answer; record speak '#' 4000 5000 0; hangup hangup" },
		{ "sections: {main: [{record: {direction: up}}, {record: {input_sensitivity: 101}}]}",
		  "warn method_parameter_invalid_value@1; warn method_parameter_invalid_value@1; hangup hangup" },
	};

	tell(rows, ARRAY_LEN(rows));
}

static void detections_set_variables(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [detect_machine, {" SHOW(
			  "${detect_result}.${detect_machine_beep}.${detect_ms}") "}]}",
		  "detect amd CED 4500/1000/1000 1250 6 30000; connect sip:machine.true.1234@h; hangup busy" },
		{ "sections: {main: [{detect_machine: amd}, {detect_machine: fax}, {detect_machine: {tone: CNG}}]}",
		  "detect amd 4500/1000/1000 1250 6 30000; detect CED 4500/1000/1000 1250 6 30000; "
		  "detect amd CNG 4500/1000/1000 1250 6 30000; hangup hangup" },
		{ "sections: {main: [{detect_machine: {initial_timeout: '1.5', end_silence_timeout: 2, "
		  "machine_voice_threshold: 0.5, machine_words_threshold: 3, timeout: 20, detect_message_end: true, "
		  "status_url: 'http://h/'}}]}",
		  "detect amd CED 1500/2000/2000 500 3 20000 end to http://h/; hangup hangup" },
		{ "sections: {main: [{detect_machine: {machine_ready_timeout: 3, detect_interruptions: true}}]}",
		  "detect amd CED 4500/1000/3000 1250 6 30000 interruptions; hangup hangup" },
		{ "sections: {main: [{detect_machine: {wait: false, status_url: 'http://h/'}}, {" SHOW(
			  "${detect_result}") "}, {sleep: 1000}, {" SHOW("${detect_result}") "}]}",
		  "detect amd CED 4500/1000/1000 1250 6 30000 beside to http://h/; connect sip:detecting@h; connect "
		  "sip:machine@h; hangup busy" },
		{ "sections: {main: [{detect_machine: {timeout: 0.001}}, {" SHOW("${detect_result}") "}]}",
		  "detect amd CED 4500/1000/1000 1250 6 1; warn method_execute_failed@1; connect sip:error@h; hangup "
		  "busy" },
		{ "sections: {main: [{detect_machine: {timeout: 0.002}}, answer]}",
		  "detect amd CED 4500/1000/1000 1250 6 2" },
		{ "sections: {main: [{detect_machine: {wait: false}}, {" SHOW("${detect_result}") "}]}",
		  "warn method_parameter_missing@1; connect sip:error@h; hangup busy" },
		{ "sections: {main: [{detect_machine: {detectors: 'amd,voice'}}, {detect_machine: {tone: CEDE}}, "
		  "{detect_machine: {initial_timeout: -1}}]}",
		  "warn method_parameter_invalid_value@1; warn method_parameter_invalid_value@1; warn "
		  "method_parameter_invalid_value@1; hangup hangup" },
	};

	tell(rows, ARRAY_LEN(rows));
}

static void noise_is_taken_out_or_not(void **state)
{
	static const char text[] = "sections: {main: [answer, denoise, {" SHOW(
		"${denoise_result}") "}, stop_denoise, {" SHOW("${denoise_result}") "}]}";
	static const struct row row = { text, "answer; denoise on; connect sip:on@h; denoise off; connect sip:off@h; "
					      "hangup hangup" };
	struct world w;

	tell(&row, 1);
	open_world(&w);
	w.call.denoise_error = ENOTSUP;
	run(&w, "sections: {main: [answer, denoise, {" SHOW("${denoise_result}") "}]}");
	CHECK_STR("answer; denoise on; warn method_execute_failed@1; connect sip:failed@h; hangup hangup", story(&w));
	close_world(&w);
}

static void taps_set_variables(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [{tap: 'rtp://192.0.2.9:4000'}, {" SHOW(
			  "${tap_result}.${tap_uri}.${tap_control_id}.${tap_rtp_src_addr}.${tap_rtp_src_port}."
			  "${tap_ptime}.${tap_codec}.${tap_rate}") "}, stop_tap, {" SHOW("${stop_tap_result}") "}]}",
		  "answer; tap rtp://192.0.2.9:4000 - speak PCMU 20; connect "
		  "sip:success.bare.control-1.192.0.2.1.4000.30.PCMA.8000@h; stop; connect sip:success@h; hangup "
		  "hangup" },
		{ "sections: {main: [answer, {tap: {uri: 'ws://h/x', codec: PCMA, direction: listen, rtp_ptime: '${20 "
		  "+ 10}', "
		  "control_id: c, status_url: 'http://h/'}}, {stop_tap: {control_id: control-1}}]}",
		  "answer; tap ws://h/x c listen PCMA 30 to http://h/; stop; hangup hangup" },
		{ "sections: {main: [answer, {tap: {uri: 'wss://u:p@h', direction: both, status_url: 'ftp://h/'}}, "
		  "{stop_tap: other}, {" SHOW("${stop_tap_result}") "}, stop_tap]}",
		  "answer; warn method_parameter_invalid_value@1; tap wss://u:p@h - both PCMU 20; warn "
		  "method_execute_failed@1; connect sip:failed@h; stop; hangup hangup" },
		{ "sections: {main: [answer, {tap: 'rtp://fails:1'}, {" SHOW("${tap_result}.${script_error}") "}]}",
		  "answer; tap rtp://fails:1 - speak PCMU 20; warn method_execute_failed@0; connect "
		  "sip:failed.relay_script_method_execute_failed@h; hangup hangup" },
		{ "sections: {main: [answer, {tap: 'rtp://gone:1'}, play: 'say:x']}",
		  "answer; tap rtp://gone:1 - speak PCMU 20" },
		{ "sections: {main: [{set: {u: 'rtp://h'}}, {tap: '${u}'}, {" SHOW("${tap_result}") "}]}",
		  "warn method_parameter_invalid_value@1; connect sip:failed@h; hangup busy" },
		{ "sections: {main: [{tap: {uri: 'ws://h', codec: OPUS}}, {tap: {uri: 'rtp://h:1', rtp_ptime: 5}}, "
		  "{tap: {}}]}",
		  "warn method_parameter_invalid_value@1; warn method_parameter_invalid_value@1; warn "
		  "method_parameter_missing@1; hangup error" },
	};

	tell(rows, ARRAY_LEN(rows));
}

static void streams_set_variables(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [{stream: 'wss://h/a'}, {" SHOW(
			  "${stream_result}.${stream_control_id}") "}, stop_stream, {" SHOW("${stop_stream_"
											    "result}") "}]}",
		  "answer; stream wss://h/a - - 1 PCMU 8000/20 -; connect sip:success.control-2@h; stop; "
		  "connect "
		  "sip:success@h; hangup hangup" },
		{ "sections: {main: [answer, {stream: {url: 'wss://u:p@h', control_id: c, name: n, track: "
		  "both_tracks, codec: "
		  "'L16@24000h@40i', status_url: 'http://h/', status_url_method: GET, "
		  "authorization_bearer_token: 'a.b', "
		  "custom_parameters: {x: '1', y: 2, z: ''}}}, {stop_stream: other}, {stop_stream: "
		  "{control_id: control-1}}]}",
		  "answer; stream wss://u:p@h c n 3 L16 24000/40 a.b get http://h/; x=1; y=2; z=; warn "
		  "method_execute_failed@1; stop; hangup hangup" },
		{ "sections: {main: [answer, {stream: {url: 'wss://h', control_id: twice}}, {" SHOW(
			  "${stream_result}.${script_error}") "}]}",
		  "answer; warn method_execute_failed@1; connect "
		  "sip:failed.relay_script_method_execute_failed@h; hangup hangup" },
		{ "sections: {main: [answer, {stream: 'wss://fails'}, {" SHOW("${stream_result}") "}]}",
		  "answer; stream wss://fails - - 1 PCMU 8000/20 -; warn method_execute_failed@0; connect "
		  "sip:failed@h; "
		  "hangup hangup" },
		{ "sections: {main: [answer, {stream: 'wss://gone'}, play: 'say:x']}",
		  "answer; stream wss://gone - - 1 PCMU 8000/20 -" },
		/* Wrong values cost the stream, not the call; it is not even answered. */
		{ "sections: {main: [{set: {u: 'ws://h'}}, {stream: '${u}'}, {stream: {url: 'wss://h', codec: "
		  "speex}}, {stream: "
		  "{url: 'wss://h', authorization_bearer_token: 'a b'}}, {stream: {url: 'wss://h', "
		  "custom_parameters: {a: "
		  "[1]}}}, {" SHOW("${stream_result}") "}]}",
		  "warn method_parameter_invalid_value@1; warn method_parameter_invalid_value@1; warn "
		  "method_parameter_invalid_value@1; warn method_parameter_invalid_value@1; connect "
		  "sip:failed@h; hangup busy" },
		{ "sections: {main: [{stream: {}}]}", "warn method_parameter_missing@1; hangup error" },
	};

	tell(rows, ARRAY_LEN(rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(steps_run_in_order),
		TEST(variables_reach_the_next_steps),
		TEST(sections_call_and_return),
		TEST(choices_choose),
		TEST(labels_and_jumps),
		TEST(sounds_are_played),
		TEST(keys_are_asked_for),
		TEST(speech_is_asked_for),
		TEST(keys_are_sent),
		TEST(faulty_steps_warn),
		TEST(documents_that_cannot_be_read),
		TEST(sip_refer_tells_what_became_of_it),
		TEST(connect_sets_variables_and_runs_its_result),
		TEST(a_bridge_may_be_left_for_another_document),
		TEST(the_last_failure_is_the_callers_answer),
		TEST(recordings_set_variables),
		TEST(detections_set_variables),
		TEST(noise_is_taken_out_or_not),
		TEST(taps_set_variables),
		TEST(streams_set_variables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

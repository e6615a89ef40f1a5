/* execute, transfer, return, goto, label, cond, switch, set and unset of whole documents on virtual time. */
#include "local_phone.h"

static void sections(void **state)
{
	static const struct local_row rows[] = {
		{ "sections: {main: [{execute: {dest: add, params: {a: 1, b: two}, on_return: [{set: {seen: "
		  "'%{return_value}'}}], "
		  "result: {case: {'1 two': [" LOCAL_SHOW("result") "]}, default: [" LOCAL_SHOW(
			  "default") "]}}}, " LOCAL_SHOW("behind, %{seen}") "], "
									    "add: [{return: '%{params.a} "
									    "%{params.b}'}, " LOCAL_SHOW("never") "]}",
		  .want = "main shows result; main shows behind, 1 two" },
		{ "sections: {main: [{execute: other}, " LOCAL_SHOW("back [%{return_value}]") "], other: [" LOCAL_SHOW(
			  "there") "]}",
		  .want = "main shows there; main shows back []" },
		{ "sections: {main: [{execute: nowhere}, " LOCAL_SHOW("%{script_error}") "]}",
		  .want = "main warns there is no section \"nowhere\"; main shows "
			  "relay_script_section_parameter_undefined" },
		{ "sections: {main: [{execute: main}]}", .want = "main warns more than 32 sections inside each other" },
		{ "sections: {main: [{execute: '{\"sections\":{\"main\":[{\"return\":7}]}}'}, " LOCAL_SHOW(
			  "%{return_value}") "]}",
		  .want = "main shows 7" },
		{ "sections: {main: [{execute: {dest: two, result: [{when: 'return_value == 2', then: [" LOCAL_SHOW(
			  "cond") "]}, {else: [" LOCAL_SHOW("else") "]}]}}], two: [{return: 2}]}",
		  .want = "main shows cond" },
		{ "sections: {main: [{transfer: {dest: other, params: {x: 5}}}, " LOCAL_SHOW(
			  "never") "], other: [" LOCAL_SHOW("%{params.x}") "]}",
		  .want = "main shows 5" },
		{ "sections: {main: [{transfer: nowhere}, " LOCAL_SHOW("%{script_error}") "]}",
		  .want = "main warns there is no section \"nowhere\"; main shows "
			  "relay_script_section_parameter_undefined" },
		{ "sections: {main: [{transfer: main}]}",
		  .want = "main warns more than 32 transfers and gotos without waiting in between" },
		{ "sections: {main: [{execute: a}, " LOCAL_SHOW("never") "], a: [{transfer: b}], b: [{return: 1}]}",
		  .want = "" },
		{ "sections: {main: [" LOCAL_SHOW("a") ", return, " LOCAL_SHOW("never") "]}", .want = "main shows a" },
		{ "sections: {main: [{execute: map}, " LOCAL_SHOW("%{return_value.k}") "], map: [{return: {k: v}}]}",
		  .want = "main shows v" },
	};

	local_tell(rows, ARRAY_LEN(rows));
}

static void jumps(void **state)
{
	static const struct local_row rows[] = {
		{ "[{set: {n: 0}}, {label: again}, {set: {n: '%{n + 1}'}}, {goto: {label: again, when: 'n < "
		  "5'}}, " LOCAL_SHOW("%{n}") "]",
		  .want = "main shows 5" },
		{ "[{set: {n: 0}}, {label: again}, {set: {n: '%{n + 1}'}}, {sleep: 1}, {goto: {label: again, max: "
		  "3}}, " LOCAL_SHOW("%{n}") "]",
		  .want = "main shows 4" },
		{ "[{set: {n: 0}}, {label: again}, {set: {n: '%{n + 1}'}}, {sleep: 1}, {goto: again}, " LOCAL_SHOW(
			  "%{n}") "]",
		  .want = "main shows 101" }, /* 100 times */
		{ "[{goto: {label: again, max: 101}}, " LOCAL_SHOW("x") "]",
		  .want = "main warns max is a whole number from 1 to 100; main shows x" },
		{ "[{goto: nowhere}, " LOCAL_SHOW("%{script_error}") "]",
		  .want = "main warns there is no label \"nowhere\" in this section; main shows "
			  "relay_script_method_parameter_invalid_value" },
		{ "[goto, " LOCAL_SHOW("x") "]", .want = "main warns the parameter \"label\" is missing" },
		{ "[{label: again}, {goto: again}]",
		  .want = "main warns more than 32 transfers and gotos without waiting in between" },
		{ "[{goto: over}, " LOCAL_SHOW("never") ", {label: over}, " LOCAL_SHOW("over") "]",
		  .want = "main shows over" },
	};

	local_tell(rows, ARRAY_LEN(rows));
}

static void choices(void **state)
{
	static const struct local_row rows[] = {
		{ "[{set: {n: 2}}, {cond: [{when: 'n == 1', then: [" LOCAL_SHOW(
			  "one") "]}, {when: 'n == 2', then: [" LOCAL_SHOW("two") "]}, {else: [" LOCAL_SHOW("else") "]}"
														    "]}"
														    "]",
		  .want = "main shows two" },
		{ "[{cond: [{when: 'missing', then: [" LOCAL_SHOW("one") "]}, {else: [" LOCAL_SHOW("else") "]}]}]",
		  .want = "main shows else" },
		{ "[{cond: [{when: 'false', then: [], else: [" LOCAL_SHOW("own else") "]}]}]",
		  .want = "main shows own else" },
		{ "[{cond: [{when: '1 +', then: []}]}, " LOCAL_SHOW("%{script_error}") "]",
		  .want = "main warns at character 4: the expression ends too early; main shows "
			  "relay_script_js_eval_error" },
		{ "[{set: {n: 5}}, {switch: {variable: n, case: {'5': [" LOCAL_SHOW("five") "]}, default: [" LOCAL_SHOW(
			  "default") "]}}]",
		  .want = "main shows five" },
		{ "[{switch: {variable: '${call.type}', case: {phone: [" LOCAL_SHOW("phone") "]}}}]",
		  .want = "main shows phone" },
		{ "[{switch: {variable: n, case: {'5': []}, default: [" LOCAL_SHOW("default") "]}}]",
		  .want = "main shows default" },
		{ "[{switch: {variable: n, case: {'5': []}}}, " LOCAL_SHOW("%{script_error}") "]",
		  .want = "main warns no case matches \"\" and there is no default; main shows "
			  "relay_script_method_no_matching_condition" },
		{ "[{switch: {case: {'5': []}}}, " LOCAL_SHOW("%{script_error}") "]",
		  .want = "main warns the parameter \"variable\" is missing" },
	};

	local_tell(rows, ARRAY_LEN(rows));
}

static void variables(void **state)
{
	static const struct local_row rows[] = {
		{ "[{set: {a: 1, b: '%{a}2', c: [x, y], d: {e: z}}}, " LOCAL_SHOW(
			  "%{b} %{c[1]} %{d.e}") ", {unset: a}, " LOCAL_SHOW("[%{a}] %{b}") ", {unset: [b, "
											    "c]}, " LOCAL_SHOW(
												    "[%{b}%{"
												    "vars.c}"
												    "] "
												    "%{d.e}") "]",
		  .want = "main shows 12 y z; main shows [] 12; main shows [] z" },
		{ "[{set: {a: 1}}, {execute: {dest: '{\"sections\":{\"main\":[{\"set\":{\"a\":2}}]}}'}}, " LOCAL_SHOW(
			  "%{a}") "]",
		  .want = "main shows 2" },
		{ "[" LOCAL_SHOW("%{call.direction} %{call.from} %{call.to}") "]",
		  .want = "main shows inbound +15550001111 /public/main" },
		{ "[{unset: nothing}, set, " LOCAL_SHOW("x") "]",
		  .want = "main warns set takes an object of names and values; main shows x" },
	};

	local_tell(rows, ARRAY_LEN(rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(sections), TEST(jumps), TEST(choices), TEST(variables) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "check.h"

#include <errno.h>
#include <stdlib.h>

#include "base/arena.h"
#include "dialect/expr.h"
#include "dialect/expr_value.h"
#include "hostile_expressions.h"

/* What the names mean: a small world made from JSON. */
static const char world[] = "{\"a\":1,\"b\":2,\"s\":\"12\",\"name\":\"Ann\",\"empty\":\"\",\"yes\":true,\"no\":false,"
			    "\"nil\":null,\"price\":5.10,\"list\":[10,20,[30,40]],\"map\":{\"x\":{\"y\":7},\"k k\":8},"
			    "\"big\":9007199254740993,\"phone\":\"+15551230000\"}";

struct scene {
	struct arena *arena;
	struct doc *world;
};

static const struct doc *lookup(void *arg, struct str scope, struct str name)
{
	struct scene *s = arg;
	char key[64];

	if (scope.p && !str_is(scope, "vars"))
		return NULL;
	if (!name.p)
		return s->world;
	str_copy(key, sizeof(key), name);
	return doc_get(s->world, key);
}

static uint64_t wall_ms(void *arg)
{
	return 1700000000123;
}

static uint64_t random_bits(void *arg)
{
	return UINT64_C(1) << 63;
}

static void open_scene(struct scene *s)
{
	struct doc_error err;

	s->arena = NULL;
	CHECK_INT(0, arena_new(&s->arena, 0, 0));
	CHECK_INT(0, doc_parse(s->arena, &s->world, STR(world), DOC_JSON, NULL, &err));
}

/* Result as JSON, "undefined", or "error COLUMN". */
static void run(struct scene *s, const char *text, struct buf *out)
{
	struct expr_scope scope = { .lookup = lookup, .wall_ms = wall_ms, .random = random_bits, .arg = s };
	struct expr_problem problem;
	const struct doc *d = NULL;
	int err = expr_eval(s->arena, &d, str_of(text), &scope, &problem);

	buf_reset(out);
	if (err == EINVAL)
		buf_printf(out, "error %u: %s", problem.col, problem.message);
	else if (!d)
		buf_cstr(out, err ? "no memory" : "undefined");
	else
		doc_print_json(out, d);
}

static void values_are_javascripts(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "1", "1" },
		{ "1.50", "1.5" },
		{ "0x1F", "31" },
		{ ".5", "0.5" },
		{ "1e3", "1000" },
		{ "'a\\'b'", "\"a'b\"" },
		{ "\"\\u00e9\\n\"", "\"\u00e9\\n\"" },
		{ "true", "true" },
		{ "null", "null" },
		{ "undefined", "undefined" },
		{ "a", "1" },
		{ "vars.a", "1" },
		{ "nothing", "undefined" },
		{ "nothing.at.all", "undefined" },
		{ "call.from", "undefined" },
		{ "list[0]", "10" },
		{ "list[1 + 1][1]", "40" },
		{ "list[9]", "undefined" },
		{ "list[0.5]", "undefined" },
		{ "list.length", "3" },
		{ "name.length", "3" },
		{ "map.x.y", "7" },
		{ "map['x']['y']", "7" },
		{ "map['k k']", "8" },
		{ "vars.map . x", "{\"y\":7}" },
		/* arithmetic and coercion */
		{ "a + b", "3" },
		{ "a + s", "\"112\"" },
		{ "s + a", "\"121\"" },
		{ "s - a", "11" },
		{ "s * '2'", "24" },
		{ "7 / 2", "3.5" },
		{ "7 % 4", "3" },
		{ "-7 % 4", "-3" },
		{ "0.1 + 0.2", "0.30000000000000004" },
		{ "1 + 2 * 3", "7" },
		{ "(1 + 2) * 3", "9" },
		{ "10 - 2 - 3", "5" },
		{ "-a", "-1" },
		{ "- - a", "1" },
		{ "+s", "12" },
		{ "yes + 1", "2" },
		{ "nil + 1", "1" },
		{ "'' + nil", "\"null\"" },
		{ "'' + nothing", "\"undefined\"" },
		{ "'' + list", "\"10,20,30,40\"" },
		{ "'' + map", "\"[object Object]\"" },
		{ "'' + price", "\"5.10\"" }, /* of a document: as written */
		{ "price + 1", "6.1" },
		{ "'' + 5.10", "\"5.1\"" },
		{ "'' + 1e21", "\"1e+21\"" },
		{ "'' + 1e20", "\"100000000000000000000\"" },
		{ "'' + 0.000001", "\"0.000001\"" },
		{ "'' + 1.5e-7", "\"1.5e-7\"" },
		{ "'' + 123456.789", "\"123456.789\"" },
		{ "'' + -0", "\"0\"" },
		{ "'' + (0/0)", "\"NaN\"" },
		{ "'' + (-1/0)", "\"-Infinity\"" },
		/* comparison */
		{ "1 == '1'", "true" },
		{ "1 === '1'", "false" },
		{ "1 != '1'", "false" },
		{ "1 !== '1'", "true" },
		{ "nil == undefined", "true" },
		{ "nil === undefined", "false" },
		{ "nil == 0", "false" },
		{ "'' == 0", "true" },
		{ "'a' == 0", "false" },
		{ "true == 1", "true" },
		{ "true == '1'", "true" },
		{ "NaN == NaN", "false" },
		{ "list == list", "true" },
		{ "list == '10,20,30,40'", "true" },
		{ "'10' < '9'", "true" },
		{ "10 < '9'", "false" },
		{ "'b' > 'a'", "true" },
		{ "2 <= 2", "true" },
		{ "2 >= 3", "false" },
		{ "'x' < 1", "false" },
		{ "'x' >= 1", "false" },
		{ "' 12 ' == 12", "true" },
		{ "'0x10' == 16", "true" },
		{ "'1e2' == 100", "true" },
		{ "'nan' == 'nan'", "true" },
		{ "'inf' - 1 == 'inf' - 1", "false" },
		{ "1 < 2 == true", "true" },
		/* logic */
		{ "a && b", "2" },
		{ "nil && b", "null" },
		{ "nil || 'x'", "\"x\"" },
		{ "nothing || 0", "0" },
		{ "!a", "false" },
		{ "!!name", "true" },
		{ "!empty", "true" },
		{ "!'0'", "false" },
		{ "a == 1 && name == 'Ann' || no", "true" },
		{ "no && (1 / 0 > 1)", "false" },
		{ "yes ? 'in' : 'out'", "\"in\"" },
		{ "no ? 1 : yes ? 2 : 3", "2" },
		{ "a > 0 ? a + 1 : 'x'", "2" },
		{ "phone", "\"+15551230000\"" },
		{ "  a\n+\tb ", "3" },
		/* literals */
		{ "0b101 + 0o17 + 1_000", "1020" },
		{ "'\\ud83d\\ude00' === '\\u{1F600}'", "true" },
		{ "'\\x41\\0'.length", "2" },
		{ "[1, 'x', null, undefined, [a]]", "[1,\"x\",null,null,[1]]" },
		{ "[1, 2,]", "[1,2]" },
		{ "{a, 'b c': 2, [name]: 3, 7: 4, 1: 5, x: undefined}",
		  "{\"1\":5,\"7\":4,\"a\":1,\"b c\":2,\"Ann\":3}" },
		{ "[...list, ...'ab']", "[10,20,[30,40],\"a\",\"b\"]" },
		{ "{...map, x: 1}", "{\"x\":1,\"k k\":8}" },
		{ "`<${name}, ${a + b}: ${`in ${s}`}> \\`$`", "\"<Ann, 3: in 12> `$\"" },
		/* operators */
		{ "2 ** 3 ** 2", "512" },
		{ "(-2) ** 2", "4" },
		{ "7 & 3 | 8 ^ 1", "11" },
		{ "~5 << 2", "-24" },
		{ "-1 >>> 28", "15" },
		{ "-9 >> 1", "-5" },
		{ "1 << 32", "1" },
		{ "nil ?? nothing ?? 'x'", "\"x\"" },
		{ "0 ?? 1", "0" },
		{ "typeof a + typeof s + typeof nil + typeof list + typeof nothing + typeof yes",
		  "\"numberstringobjectobjectundefinedboolean\"" },
		{ "void 0", "undefined" },
		{ "(1, 2)", "2" },
		{ "'x' in map && 2 in list && !('y' in map)", "true" },
		{ "nothing?.trim().length", "undefined" },
		{ "map?.x?.y", "7" },
		{ "list?.[2]?.[1]", "40" },
		{ "yes?.5:1", "0.5" },
		{ "[] + {}", "\"[object Object]\"" },
		{ "[2] * [3]", "6" },
		{ "'\\ud83d' < '\\uffff' && '\\u{1F600}' < '\\uffff'", "true" },
		/* strings count 16-bit units */
		{ "'\xc3\xa9\xf0\x9f\x98\x80'.length", "3" },
		{ "'\xf0\x9f\x98\x80x'.slice(2)", "\"x\"" },
		{ "'\xf0\x9f\x98\x80'[0] + '\xf0\x9f\x98\x80'[1] === '\xf0\x9f\x98\x80'", "true" },
		{ "'\xf0\x9f\x98\x80'[1]", "\"\xef\xbf\xbd\"" },
		{ "'\xf0\x9f\x98\x80'.charCodeAt(1)", "56832" },
		{ "'\xf0\x9f\x98\x80'.codePointAt(0)", "128512" },
		{ "'stra\xc3\x9f\x65'.toUpperCase()", "\"STRASSE\"" },
		{ "'\xc3\x84\xd0\x96'.toLowerCase()", "\"\xc3\xa4\xd0\xb6\"" },
		{ "name.toUpperCase().padStart(5, '*') + name.charAt(0)", "\"**ANNA\"" },
		{ "phone.substring(0, 3) + phone.substr(-4, 2) + phone.slice(-2)", "\"+150000\"" },
		{ "'123'.split('').join(' ')", "\"1 2 3\"" },
		{ "'a,b,,c'.split(',', 3)", "[\"a\",\"b\",\"\"]" },
		{ "'aXbX'.replace('X', '[$&$$$`]') + 'aXbX'.replaceAll('X', '-')", "\"a[X$a]bXa-b-\"" },
		{ "'abcabc'.lastIndexOf('bc') + 'abcabc'.indexOf('bc', 2)", "8" },
		{ "' \xc2\xa0x '.trim() + 'ab'.repeat(2) + 'abc'.at(-1)", "\"xababc\"" },
		/* lists are never changed */
		{ "list.map(x => x * 2)", "[20,40,null]" },
		{ "[3, 1, 2].sort((x, y) => y - x)", "[3,2,1]" },
		{ "[10, 9, 1].sort()", "[1,10,9]" },
		{ "(list.reverse(), list)", "[10,20,[30,40]]" },
		{ "[1, 2, 3].reduce((sum, x, i, all) => sum + x * all.length + i, 0)", "21" },
		{ "[1, 2].map(x => [3, 4].map(y => x * y))", "[[3,4],[6,8]]" },
		{ "[['a', 1], ['b', 2]].map(([k, v]) => k + v).join()", "\"a1,b2\"" },
		{ "[{n: 1}, {n: 5}].find(({n}) => n > 2).n", "5" },
		{ "['1', '2', ''].filter(Boolean).map(Number)", "[1,2]" },
		{ "['1', '1', '1'].map(parseInt)", "[1,null,1]" },
		{ "[1, [2, [3, [4]]]].flat(2)", "[1,2,3,[4]]" },
		{ "[1, 2].flatMap(x => [x, x])", "[1,1,2,2]" },
		{ "[1, 2].flatMap(x => [])", "[]" },
		{ "[[], []].flat()", "[]" },
		{ "[].concat([], [])", "[]" },
		{ "[...[], ...[]].slice().sort().reverse()", "[]" },
		{ "[].map(x => x).filter(x => x).join() + Object.entries({}).flat()", "\"\"" },
		{ "[NaN].includes(NaN) && [NaN].indexOf(NaN) == -1", "true" },
		{ "'a b c'.split(' ').pop()", "\"c\"" },
		/* functions */
		{ "Math.max(...list.slice(0, 2), 3) + Math.round(2.5) + Math.round(-2.5)", "21" },
		{ "parseInt('42px') + parseFloat('.5e1x') + parseInt('ff', 16)", "302" },
		{ "(1.005).toFixed(2) + (2.5).toFixed(0) + (0.000001234).toPrecision(2)", "\"1.0030.0000012\"" },
		{ "(255).toString(16) + (0.1).toString(2).length + (12345).toExponential(2)", "\"ff571.23e+4\"" },
		{ "JSON.stringify({a: [1, 'x\\n', undefined, NaN], b: undefined})",
		  "\"{\\\"a\\\":[1,\\\"x\\\\n\\\",null,null]}\"" },
		{ "JSON.parse('{\"a\": [1, {\"b\": null}], \"a\": 2}')", "{\"a\":2}" },
		{ "Object.entries({b: 1, 2: 3})", "[[\"2\",3],[\"b\",1]]" },
		{ "encodeURIComponent('a b&\xc3\xa9') + decodeURIComponent('%C3%A9%20') + encodeURI('a b&')",
		  "\"a%20b%26%C3%A9\xc3\xa9 a%20b&\"" },
		{ "Array.from({length: 3}, (_, i) => i * i)", "[0,1,4]" },
		{ "Date.now() + Math.random()", "1700000000123.5" },
		/* the corpus: docs' own examples */
		{ "price.toFixed(2)", "\"5.10\"" },
		{ "parseInt(vars.tries || 0) + 1", "1" },
		{ "vars.name + \" \" + vars.s", "\"Ann 12\"" },
		{ "Boolean(1)", "true" },
	};
	struct scene s;
	struct buf out = { 0 };

	open_scene(&s);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		run(&s, rows[i].text, &out);
		if (strcmp(rows[i].want, out.data))
			fprintf(stderr, "%s\n", rows[i].text);
		CHECK_STR(rows[i].want, out.data);
	}
	buf_free(&out);
	arena_free(&s.arena);
}

static void what_is_not_in_it_is_a_precise_error(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "", "error 1: the expression ends too early" },
		{ "a +", "error 4: the expression ends too early" },
		{ "a b", "error 3: \"b\" is not expected here" },
		{ "(a", "error 3: \")\" is missing" },
		{ "list[1", "error 7: \"]\" is missing" },
		{ "a ? b", "error 6: \":\" is missing" },
		{ "a.", "error 3: a name is expected behind \".\"" },
		{ "'abc", "error 1: string without its closing '" },
		{ "'\\u12'", "error 3: bad escape in a string" },
		{ "'\\u{110000}'", "error 3: bad escape in a string" },
		{ "'a\nb'", "error 3: a line ends within a string" },
		{ "`a ${b", "error 7: \"}\" is missing" },
		{ "`a ", "error 1: template without its closing `" },
		{ "5x", "error 2: a number ends with \"x\"" },
		{ "0b2", "error 1: digits are missing behind 0b" },
		{ "010", "error 1: a number does not begin with 0" },
		{ "10n", "error 3: numbers with n behind them are not in this version" },
		{ "parseFlot(a)", "error 1: \"parseFlot\" is not in this version; did you mean \"parseFloat\"?" },
		{ "Math.flor(a)", "error 1: \"Math.flor\" is not in this version; did you mean \"Math.floor\"?" },
		{ "name.toUppercase()",
		  "error 6: the method \"toUppercase\" is not in this version; did you mean \"toUpperCase\"?" },
		{ "no && fetch(1)", "error 7: \"fetch\" is not in this version" },
		{ "list.push(1)", "error 6: the method \"push\" is not in this version" },
		{ "a.toUpperCase()", "error 3: a number has no method \"toUpperCase\"" },
		{ "nothing.trim()", "error 9: undefined has no method \"trim\"" },
		{ "name.trim", "error 6: \"trim\" is a function, which is no value here" },
		{ "[parseInt]", "error 2: \"parseInt\" is a function, which is no value here" },
		{ "(a)(1)", "error 4: only methods and known functions can be called" },
		{ "a = 1", "error 3: \"=\" is not in this version" },
		{ "a += 1", "error 3: \"+=\" is not in this version" },
		{ "a ?\?= 1", "error 3: \"?\?=\" is not in this version" },
		{ "a instanceof b", "error 3: \"instanceof\" is not in this version" },
		{ "a /* x */", "error 3: comments are not in this version" },
		{ "name.replace(/x/, 'y')", "error 14: regular expressions and comments are not in this version" },
		{ "a ?? b || c", "error 3: \"?\?\" beside \"||\" or \"&&\" needs parentheses" },
		{ "-a ** 2", "error 4: what stands before \"**\" needs parentheses" },
		{ "x => 1", "error 3: a callback (=>) stands only as an argument of a method of lists" },
		{ "(x, y) => 1", "error 8: a callback (=>) stands only as an argument of a method of lists" },
		{ "list.map(x => { return x })",
		  "error 15: a callback is one expression; bodies in { } are not in this version" },
		{ "list.map(function (x) { return x })", "error 10: \"function\" is not in this version" },
		{ "list.map(3)", "error 6: a callback is missing: (item) => \xe2\x80\xa6" },
		{ "list.map(async x => x)", "error 10: \"async\" is not in this version" },
		{ "name.replace('A', x => x)",
		  "error 21: a callback (=>) stands only as an argument of a method of lists" },
		{ "[].reduce((x, y) => x)", "error 4: an empty list needs a first value: reduce(callback, value)" },
		{ "'x' in name", "error 5: \"in\" looks into lists and objects only" },
		{ "++a", "error 1: \"++\" is not in this version" },
		{ "new Date", "error 1: \"new\" is not in this version" },
		{ "await a", "error 1: \"await\" is not in this version" },
		{ "if (a) b", "error 1: \"if\" is not in this version" },
		{ "{a: 1", "error 6: \"}\" is missing" },
		{ "{a() {}}", "error 3: \":\" is missing behind the name of a member" },
		{ "[1, , 2]", "error 5: a value is expected here" },
		{ "JSON.parse('{a:1}')", "error 1: no JSON: byte 2 of the text is not expected" },
		{ "(1).toFixed(101)", "error 5: a number between 0 and 100 is expected here" },
		{ "a ; b", "error 3: \";\" is not expected here" },
		{ "#", "error 1: a value is expected here" },
	};
	struct scene s;
	struct buf out = { 0 };

	open_scene(&s);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		run(&s, rows[i].text, &out);
		CHECK_STR(rows[i].want, out.data);
	}
	buf_free(&out);
	arena_free(&s.arena);
}

static void budgets_hold(void **state)
{
	struct expr_problem problem;
	struct scene s;
	struct buf out = { 0 }, text = { 0 };

	open_scene(&s);
	for (int i = 0; i < 100; i++)
		buf_char(&text, '(');
	run(&s, text.data, &out);
	CHECK(strstr(out.data, "nested too deep"));

	buf_reset(&text);
	for (int i = 0; i < 100; i++)
		buf_char(&text, '!');
	run(&s, text.data, &out);
	CHECK(strstr(out.data, "nested too deep"));

	buf_reset(&text);
	buf_cstr(&text, "a");
	while (text.len < 1100)
		buf_cstr(&text, "+a");
	CHECK_INT(EINVAL, expr_check(buf_view(&text), &problem));
	CHECK_STR("the expression is longer than 1023 characters", problem.message);
	CHECK_INT(0, expr_check(str_head(buf_view(&text), 1023), &problem));

	buf_free(&text);
	buf_free(&out);
	arena_free(&s.arena);
}

static void hostile_expressions_end_with_their_budget(void **state)
{
	struct expr_problem problem;
	struct scene s;
	struct buf out = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(hostile_expressions); i++) {
		open_scene(&s);
		CHECK_INT(0, expr_check(str_of(hostile_expressions[i]), &problem));
		run(&s, hostile_expressions[i], &out);
		if (!strstr(out.data, "too many steps") && !strstr(out.data, "1 MiB") &&
		    !strstr(out.data, "too deep") && !strstr(out.data, "too large"))
			CHECK_STR(hostile_expressions[i], out.data);
		arena_free(&s.arena);
	}
	buf_free(&out);
}

static const struct doc *huge(void *arg, struct str scope, struct str name)
{
	return arg;
}

static void text_does_not_grow_without_end(void **state)
{
	struct expr_problem problem;
	struct doc value = { .type = DOC_STR };
	struct expr_scope scope = { .lookup = huge, .arg = &value };
	char *text = malloc(600000);
	const struct doc *d = NULL;
	struct arena *a = NULL;

	memset(text, 'x', 600000);
	value.text = (struct str){ text, 600000 };
	CHECK_INT(0, arena_new(&a, 0, 0));
	CHECK_INT(0, expr_eval(a, &d, STR("v + '1'"), &scope, &problem));
	CHECK_INT(600001, d ? d->text.n : 0);
	CHECK_INT(EINVAL, expr_eval(a, &d, STR("v + v"), &scope, &problem));
	CHECK_STR("the expression makes more than 1 MiB", problem.message);
	arena_free(&a);
	free(text);
}

static void numbers_print_like_javascripts(void **state)
{
	static const struct {
		double n;
		const char *want;
	} rows[] = {
		{ 0, "0" },
		{ -0.0, "0" },
		{ 5, "5" },
		{ -5.25, "-5.25" },
		{ 100, "100" },
		{ 1e20, "100000000000000000000" },
		{ 123456789012345680000.0, "123456789012345680000" },
		{ 1e21, "1e+21" },
		{ 1.25e300, "1.25e+300" },
		{ 1e-6, "0.000001" },
		{ 1e-7, "1e-7" },
		{ 1.0 / 3, "0.3333333333333333" },
		{ 5e-324, "5e-324" },
		{ 1.7976931348623157e308, "1.7976931348623157e+308" },
	};
	char text[40];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		value_number_text(text, rows[i].n);
		CHECK_STR(rows[i].want, text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(values_are_javascripts),
		TEST(what_is_not_in_it_is_a_precise_error),
		TEST(budgets_hold),
		TEST(text_does_not_grow_without_end),
		TEST(hostile_expressions_end_with_their_budget),
		TEST(numbers_print_like_javascripts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

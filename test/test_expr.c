#include "check.h"

#include <errno.h>
#include <stdlib.h>

#include "base/arena.h"
#include "dialect/expr.h"
#include "dialect/expr_value.h"

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
	struct expr_scope scope = { lookup, s };
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
		{ "5x", "error 2: a number ends with \"x\"" },
		{ "0b1", "error 1: binary and octal numbers are not in this version" },
		{ "parseInt(a)", "error 9: calling a function is not in this version" },
		{ "name.toUpperCase()", "error 17: calling a function is not in this version" },
		{ "no && f(1)", "error 8: calling a function is not in this version" },
		{ "a = 1", "error 3: \"=\" is not in this version" },
		{ "a += 1", "error 3: \"+=\" is not in this version" },
		{ "a ** 2", "error 3: \"**\" is not in this version" },
		{ "a ?? 1", "error 3: \"??\" is not in this version" },
		{ "a & 1", "error 3: \"&\" is not in this version" },
		{ "x => 1", "error 3: \"=>\" is not in this version" },
		{ "++a", "error 1: \"++\" is not in this version" },
		{ "[1]", "error 1: list and object literals are not in this version" },
		{ "`x`", "error 1: template literals are not in this version" },
		{ "typeof a", "error 1: \"typeof\" is not in this version" },
		{ "new Date", "error 1: \"new\" is not in this version" },
		{ "name[0]", "error 8: single letters of a string are not in this version" },
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

static const struct doc *huge(void *arg, struct str scope, struct str name)
{
	return arg;
}

static void text_does_not_grow_without_end(void **state)
{
	struct expr_problem problem;
	struct doc value = { .type = DOC_STR };
	struct expr_scope scope = { huge, &value };
	char *text = malloc(600000);
	const struct doc *d = NULL;
	struct arena *a = NULL;

	memset(text, 'x', 600000);
	value.text = (struct str){ text, 600000 };
	CHECK_INT(0, arena_new(&a, 0, 0));
	CHECK_INT(0, expr_eval(a, &d, STR("v + '1'"), &scope, &problem));
	CHECK_INT(600001, d ? d->text.n : 0);
	CHECK_INT(EINVAL, expr_eval(a, &d, STR("v + v"), &scope, &problem));
	CHECK_STR("the text becomes longer than 1 MiB", problem.message);
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
		TEST(values_are_javascripts),         TEST(what_is_not_in_it_is_a_precise_error), TEST(budgets_hold),
		TEST(text_does_not_grow_without_end), TEST(numbers_print_like_javascripts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

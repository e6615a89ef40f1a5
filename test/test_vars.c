#include "check.h"

#include <errno.h>
#include <stdlib.h>

#include "base/arena.h"
#include "dialect/vars.h"

struct scene {
	struct vars *vars;
	struct arena *arena;
	struct doc *params;
};

static const struct doc *call_value(void *arg, struct arena *a, struct str name)
{
	if (!name.p)
		return doc_new_str(a, STR("all of the call"));
	if (str_is(name, "from"))
		return doc_new_str(a, STR("+15550001111"));
	return NULL;
}

static struct doc *json(struct arena *a, const char *text)
{
	struct doc_error err;
	struct doc *d = NULL;

	CHECK_INT(0, doc_parse(a, &d, str_of(text), DOC_JSON, NULL, &err));
	return d;
}

static void open_scene(struct scene *s)
{
	static const char *const envs[] = { "GREETING", "hello", "shadow", "env", NULL };
	struct vars_source source = { .envs = envs, .call = call_value };
	struct doc *all;

	memset(s, 0, sizeof(*s));
	CHECK_INT(0, arena_new(&s->arena, 0, 0));
	CHECK_INT(0, vars_new(&s->vars, &source));
	all = json(s->arena,
		   "{\"a\":1,\"name\":\"Ann\",\"shadow\":\"var\",\"flag\":true,\"real\":1.50,\"nil\":null,"
		   "\"list\":[\"x\",\"y\",{\"k\":\"deep\"}],\"map\":{\"k\":{\"n\":7}},\"length\":9,\"_1\":\"u\"}");
	for (const struct doc *d = all->child; d; d = d->next)
		CHECK_INT(0, vars_set(s->vars, d->key, d));
	s->params = json(s->arena, "{\"n\":\"3\",\"from\":\"param\"}");
	vars_params(s->vars, s->params);
}

static void close_scene(struct scene *s)
{
	vars_free(&s->vars);
	arena_free(&s->arena);
}

static void texts_are_filled_in(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "plain", "plain" },
		{ "", "" },
		{ "a ${name} b", "a Ann b" },
		{ "%{name}%{name}", "AnnAnn" },
		{ "${vars.name}/${envs.GREETING}/${GREETING}", "Ann/hello/hello" },
		{ "${shadow} ${envs.shadow}", "var env" },
		{ "x${call.from}", "x+15550001111" },
		{ "x${from}", "x+15550001111" },
		{ "x${params.n}${params.from}", "x3param" },
		{ "x${n}", "x" }, /* params have no short form */
		{ "x${nothing}${vars.nothing.at[3].all}", "x" },
		{ "x${list[1]}${list[2].k}${list[7]}", "xydeep" },
		{ "x${map.k.n}", "x7" },
		{ "x${list}", "x[\"x\",\"y\",{\"k\":\"deep\"}]" },
		{ "x${map}", "x{\"k\":{\"n\":7}}" },
		{ "x${real} ${flag} ${nil}.", "x1.50 true ." },
		{ "x${list.length}", "x" }, /* a path only; in brackets it is an expression */
		{ "x${(list.length)}", "x3" },
		{ "x${a+1}", "x2" },
		{ "x${ a }", "x1" },
		{ "x${'}' + a}", "x}1" },
		{ "x${\"a{b\" + a}", "xa{b1" },
		{ "x${name", "x${name" },
		{ "x$ {name} $name {name} %", "x$ {name} $name {name} %" },
		{ "x${`a${name}'`}", "xaAnn'" },
		{ "x${`{\"` + '`'}", "x{\"`" },
		{ "x${list.map(i => `<${i.k ?? i}>`).join('')}", "x<x><y><deep>" },
		{ "x${call.from.split('').join(' ')}", "x+ 1 5 5 5 0 0 0 1 1 1 1" },
		{ "x${'a' in vars && !('b' in vars)}", "xtrue" },
		{ "x${JSON.stringify(map)}", "x{\"k\":{\"n\":7}}" },
		{ "x${_1}", "xu" },
		{ "$${name}", "$Ann" },
		{ "x${true}${null}", "xtrue" },
		{ "x${call}", "xall of the call" },
		{ "x${envs}", "x{\"GREETING\":\"hello\",\"shadow\":\"env\"}" },
		{ "x${params}", "x{\"n\":\"3\",\"from\":\"param\"}" },
	};
	struct scene s;

	open_scene(&s);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct doc text = { .type = DOC_STR, .text = str_of(rows[i].text) };
		struct vars_note note = { .set = false };
		const struct doc *d = vars_expand(s.vars, s.arena, &text, &note);

		CHECK_STR(rows[i].want, d->text.p);
		CHECK(!note.set);
		CHECK(d->type == DOC_STR);
	}
	close_scene(&s);
}

static void a_whole_reference_keeps_its_type(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "${a}", "1" },
		{ "${flag}", "true" },
		{ "${nil}", "null" },
		{ "${list}", "[\"x\",\"y\",{\"k\":\"deep\"}]" },
		{ "%{map.k}", "{\"n\":7}" },
		{ "${nothing}", "\"\"" },
		{ "${a + 1}", "2" },
		{ "${a} ", "\"1 \"" },
		{ "${a}${a}", "\"11\"" },
		{ "${list.slice(0, 2).concat(map.k)}", "[\"x\",\"y\",{\"n\":7}]" },
		{ "${({list, n: map.k.n})}", "{\"list\":[\"x\",\"y\",{\"k\":\"deep\"}],\"n\":7}" },
		{ "${{a: [a]}}", "{\"a\":[1]}" },
		{ "${params.n + 1}", "\"31\"" },
	};
	struct scene s;
	struct buf out = { 0 };

	open_scene(&s);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct doc text = { .type = DOC_STR, .text = str_of(rows[i].text) };
		struct vars_note note = { .set = false };

		buf_reset(&out);
		doc_print_json(&out, vars_expand(s.vars, s.arena, &text, &note));
		CHECK_STR(rows[i].want, out.data);
	}
	buf_free(&out);
	close_scene(&s);
}

static void trees_are_expanded_and_the_rest_is_shared(void **state)
{
	struct vars_note note = { .set = false };
	struct buf out = { 0 };
	struct scene s;
	const struct doc *d, *e;

	open_scene(&s);
	d = json(s.arena, "{\"${name}\":[\"${name}\",{\"x\":\"${a}\"}],\"b\":\"${map}\",\"c\":1}");
	e = vars_expand(s.vars, s.arena, d, &note);
	doc_print_json(&out, e);
	CHECK_STR("{\"${name}\":[\"Ann\",{\"x\":1}],\"b\":{\"k\":{\"n\":7}},\"c\":1}", out.data);
	buf_reset(&out);
	doc_print_json(&out, d);
	CHECK(strstr(out.data, "${a}")); /* the original is as it was */
	d = json(s.arena, "{\"b\":[1,\"two\"]}");
	CHECK(vars_expand(s.vars, s.arena, d, &note) == d);
	CHECK(!note.set);
	buf_free(&out);
	close_scene(&s);
}

static void errors_say_where_and_leave_nothing(void **state)
{
	struct doc text = { .type = DOC_STR, .text = STR("say ${name} ${fetch(a)} ${a +}.") };
	struct vars_note note = { .set = false };
	struct scene s;

	open_scene(&s);
	CHECK_STR("say Ann  .", vars_expand(s.vars, s.arena, &text, &note)->text.p);
	CHECK(note.set);
	CHECK_INT(15, note.col); /* of the first */
	CHECK_STR("\"fetch\" is not in this version", note.message);
	close_scene(&s);
}

static void conditions(void **state)
{
	static const struct {
		const char *when;
		bool want, bad;
	} rows[] = {
		{ "a == 1", true, false },
		{ "vars.a == 2", false, false },
		{ "name == 'Ann' && call.from == '+15550001111'", true, false },
		{ "${a} == 1", true, false },
		{ "'%{name}' == \"Ann\"", true, false },
		{ "flag", true, false },
		{ "nothing", false, false },
		{ "${nothing} == 1", false, true }, /* leaves " == 1" */
		{ "params.n == 3", true, false },
		{ "f()", false, true },
		{ "true", true, false },
		{ "", false, true },
	};
	struct scene s;

	open_scene(&s);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct vars_note note = { .set = false };

		CHECK(vars_when(s.vars, s.arena, str_of(rows[i].when), &note) == rows[i].want);
		CHECK(note.set == rows[i].bad);
	}
	close_scene(&s);
}

/* A text may hold any number of expressions, each with a budget of its own; a step has one for them all. */
static void a_step_ends_with_its_budget(void **state)
{
	struct vars_note note = { .set = false };
	struct doc text = { .type = DOC_STR };
	struct buf b = { 0 };
	struct scene s;
	uint64_t before;

	open_scene(&s);
	for (int i = 0; i < 1000; i++)
		buf_cstr(&b, "${'x'.repeat(3000).split('').map(x => x + x).length}");
	text.text = buf_view(&b);
	before = vars_work(s.vars);
	vars_begin_step(s.vars);
	vars_expand(s.vars, s.arena, &text, &note);
	CHECK(note.set);
	CHECK_STR("the expressions of this step take too long together", note.message);
	CHECK(vars_work(s.vars) - before < 3 * VARS_STEP_WORK);

	note.set = false;
	vars_begin_step(s.vars);
	CHECK(vars_when(s.vars, s.arena, STR("a == 1"), &note));
	CHECK(!note.set);
	buf_free(&b);
	close_scene(&s);
}

static void what_may_be_set(void **state)
{
	struct doc value = { .type = DOC_STR, .text = STR("new") };
	struct vars_note note = { .set = false };
	struct scene s;

	open_scene(&s);
	CHECK_INT(0, vars_set(s.vars, STR("vars.name"), &value));
	CHECK_STR("new", vars_eval(s.vars, s.arena, STR("name"), &note)->text.p);
	CHECK_INT(EINVAL, vars_set(s.vars, STR(""), &value));
	CHECK_INT(EINVAL, vars_set(s.vars, STR("vars."), &value));
	CHECK_INT(EINVAL, vars_set(s.vars, STR("call.from"), &value));
	CHECK_INT(EINVAL, vars_set(s.vars, STR("envs.GREETING"), &value));
	CHECK_INT(EINVAL, vars_set(s.vars, STR("params.n"), &value));
	vars_unset(s.vars, STR("name"));
	vars_unset(s.vars, STR("name"));
	vars_unset(s.vars, STR("vars.map"));
	CHECK(!vars_eval(s.vars, s.arena, STR("name"), &note));
	CHECK(!vars_eval(s.vars, s.arena, STR("map"), &note));
	CHECK_INT(0, vars_set_text(s.vars, "name", STR("again")));
	CHECK_STR("again", vars_eval(s.vars, s.arena, STR("vars.name"), &note)->text.p);
	vars_params(s.vars, NULL);
	CHECK(!vars_eval(s.vars, s.arena, STR("params.n"), &note));
	close_scene(&s);
}

/* Setting a variable from itself over and over must neither grow nor read freed memory when the store moves. */
static void overwriting_costs_no_memory(void **state)
{
	struct doc text = { .type = DOC_STR, .text = STR("${vars.name}") };
	struct vars_note note = { .set = false };
	struct scene s;

	open_scene(&s);
	for (int i = 0; i < 20000; i++) {
		struct arena *a = NULL;

		CHECK_INT(0, arena_new(&a, 0, 0));
		CHECK_INT(0, vars_set(s.vars, STR("name"), vars_expand(s.vars, a, &text, &note)));
		arena_free(&a);
	}
	CHECK_STR("Ann", vars_eval(s.vars, s.arena, STR("name"), &note)->text.p);
	CHECK_STR("deep", vars_eval(s.vars, s.arena, STR("list[2].k"), &note)->text.p);
	close_scene(&s);
}

static void the_size_is_limited(void **state)
{
	struct vars_note note = { .set = false };
	char *big = malloc(700000);
	struct str text = { big, 700000 };
	struct scene s;
	int err = 0, n = 0;

	memset(big, 'x', 700000);
	open_scene(&s);
	CHECK_INT(0, vars_set_text(s.vars, "big", text));
	CHECK_INT(EFBIG, vars_set_text(s.vars, "more", text));
	CHECK(!vars_eval(s.vars, s.arena, STR("more"), &note));
	CHECK_INT(0, vars_set_text(s.vars, "big", text)); /* in place of the old one it fits */
	CHECK_INT(700000, vars_eval(s.vars, s.arena, STR("big"), &note)->text.n);
	CHECK_INT(0, vars_set_text(s.vars, "big", STR("")));
	CHECK_INT(0, vars_set_text(s.vars, "more", text));
	vars_unset(s.vars, STR("more"));
	while (!err && n < 100000) {
		char name[16];

		snprintf(name, sizeof(name), "v%d", n++);
		err = vars_set_text(s.vars, name, STR("x"));
	}
	CHECK_INT(EFBIG, err); /* many small ones count too */
	close_scene(&s);
	free(big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(texts_are_filled_in),
		TEST(a_whole_reference_keeps_its_type),
		TEST(trees_are_expanded_and_the_rest_is_shared),
		TEST(errors_say_where_and_leave_nothing),
		TEST(conditions),
		TEST(a_step_ends_with_its_budget),
		TEST(what_may_be_set),
		TEST(overwriting_costs_no_memory),
		TEST(the_size_is_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

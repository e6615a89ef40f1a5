#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/doc.h"
#include "check.h"

static const struct doc *parse_at(struct arena *a, const char *text, enum doc_format format, struct doc_error *err)
{
	struct doc *d = NULL;

	return doc_parse(a, &d, str_of(text), format, NULL, err) ? NULL : d;
}

static const struct doc *parse(struct arena *a, const char *text)
{
	struct doc_error err;

	return parse_at(a, text, DOC_GUESS, &err);
}

static void plain_scalars_get_the_types_of_yaml_1_2(void **state)
{
	static const struct {
		const char *text;
		enum doc_type type;
		const char *json;
	} rows[] = {
		{ "null", DOC_NULL, "null" },
		{ "~", DOC_NULL, "null" },
		{ "Null", DOC_NULL, "null" },
		{ "nULL", DOC_STR, "\"nULL\"" },
		{ "true", DOC_BOOL, "true" },
		{ "True", DOC_BOOL, "true" },
		{ "FALSE", DOC_BOOL, "false" },
		{ "tRUE", DOC_STR, "\"tRUE\"" },
		{ "on", DOC_STR, "\"on\"" },
		{ "yes", DOC_STR, "\"yes\"" },
		{ "no", DOC_STR, "\"no\"" },
		{ "y", DOC_STR, "\"y\"" },
		{ "0", DOC_INT, "0" },
		{ "-0", DOC_INT, "0" },
		{ "42", DOC_INT, "42" },
		{ "-42", DOC_INT, "-42" },
		{ "+15551234567", DOC_INT, "15551234567" },
		{ "0123", DOC_STR, "\"0123\"" },
		{ "-0123", DOC_STR, "\"-0123\"" },
		{ "00", DOC_STR, "\"00\"" },
		{ "0o17", DOC_INT, "15" },
		{ "0o18", DOC_STR, "\"0o18\"" },
		{ "0x1F", DOC_INT, "31" },
		{ "0xfg", DOC_STR, "\"0xfg\"" },
		{ "0o", DOC_STR, "\"0o\"" },
		{ "9223372036854775807", DOC_INT, "9223372036854775807" },
		{ "-9223372036854775808", DOC_INT, "-9223372036854775808" },
		{ "9223372036854775808", DOC_REAL, "9.223372036854776e+18" },
		{ "1.5", DOC_REAL, "1.5" },
		{ "1.", DOC_REAL, "1.0" },
		{ ".5", DOC_REAL, "0.5" },
		{ "-.5", DOC_REAL, "-0.5" },
		{ ".", DOC_STR, "\".\"" },
		{ "+", DOC_STR, "\"+\"" },
		{ "1e3", DOC_REAL, "1000.0" },
		{ "1e", DOC_STR, "\"1e\"" },
		{ "1e+", DOC_STR, "\"1e+\"" },
		{ "1.5E-3", DOC_REAL, "0.0015" },
		{ "e5", DOC_STR, "\"e5\"" },
		{ "0.1", DOC_REAL, "0.1" },
		{ ".inf", DOC_REAL, "null" },
		{ "-.INF", DOC_REAL, "null" },
		{ ".NaN", DOC_REAL, "null" },
		{ "inf", DOC_STR, "\"inf\"" },
		{ "1_000", DOC_STR, "\"1_000\"" },
		{ "12:30:45", DOC_STR, "\"12:30:45\"" },
		{ "2026-01-01", DOC_STR, "\"2026-01-01\"" },
		{ "1.2.3", DOC_STR, "\"1.2.3\"" },
		{ "\"42\"", DOC_STR, "\"42\"" },
		{ "'true'", DOC_STR, "\"true\"" },
		{ "\"\"", DOC_STR, "\"\"" },
		{ "!!str 42", DOC_STR, "\"42\"" },
		{ "! 42", DOC_STR, "\"42\"" },
		{ "!!int 42", DOC_INT, "42" },
		{ "!!float 42", DOC_REAL, "42.0" },
		{ "!!null ''", DOC_NULL, "null" },
		{ "!!bool true", DOC_BOOL, "true" },
		{ "", DOC_NULL, "null" },
		{ "# only a comment\n", DOC_NULL, "null" },
		{ "---\n...\n", DOC_NULL, "null" },
		{ "\xef\xbb\xbf"
		  "42",
		  DOC_INT, "42" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena *a = NULL;
		struct buf json = { 0 };
		struct doc_error err;
		const struct doc *d;

		CHECK_INT(0, arena_new(&a, 0, 0));
		d = parse_at(a, rows[i].text, DOC_YAML, &err);
		CHECK(d != NULL);
		if (d) {
			doc_print_json(&json, d);
			CHECK_STR(doc_type_name(rows[i].type), doc_type_name(d->type));
			CHECK_STR(rows[i].json, json.data);
		}
		buf_free(&json);
		arena_free(&a);
	}
}

static void text_stays_as_written(void **state)
{
	static const char *const rows[] = {
		"+15551234567", "0x1F", "1e3", "00123", "9223372036854775808", "True", "~"
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena *a = NULL;
		const struct doc *d;

		CHECK_INT(0, arena_new(&a, 0, 0));
		d = parse(a, rows[i]);
		CHECK_STR(rows[i], d ? d->text.p : NULL);
		CHECK(d && !d->quoted);
		arena_free(&a);
	}
}

static void check_place(const struct doc *d, uint32_t key_line, uint32_t key_col, uint32_t line, uint32_t col)
{
	CHECK(d != NULL);
	if (!d)
		return;
	CHECK_INT(key_line, d->key_line);
	CHECK_INT(key_col, d->key_col);
	CHECK_INT(line, d->line);
	CHECK_INT(col, d->col);
}

static void yaml_nodes_know_their_places(void **state)
{
	static const char text[] = "version: 1.0.0\n"
				   "sections:\n"
				   "  main:\n"
				   "  - answer\n"
				   "  - play: {url: \"say:h\xc3\xa4?\", volume: 3}\n"
				   "  - &a [x,\n"
				   "      y]\n"
				   "  - *a\n"
				   "\"k\xc3\xa4y\": |\n"
				   "  block\n";
	struct arena *a = NULL;
	const struct doc *root, *main, *play;

	CHECK_INT(0, arena_new(&a, 0, 0));
	root = parse(a, text);
	check_place(doc_get(root, "version"), 1, 1, 1, 10);
	main = doc_get(doc_get(root, "sections"), "main");
	check_place(main, 3, 3, 4, 3);
	CHECK_INT(4, main->count);
	check_place(main->child, 0, 0, 4, 5);
	play = doc_get(main->child->next, "play");
	check_place(play, 5, 5, 5, 11);
	check_place(doc_get(play, "volume"), 5, 28, 5, 36);
	check_place(main->last->child->next, 0, 0, 7, 7); /* through the alias: where it is written */
	check_place(doc_get(root, "k\xc3\xa4y"), 9, 1, 9, 8);
	CHECK_STR("block\n", doc_get(root, "k\xc3\xa4y")->text.p);
	CHECK(doc_get(root, "k\xc3\xa4y")->quoted);
	CHECK(doc_get(root, "absent") == NULL);
	CHECK(doc_get(main, "absent") == NULL);
	CHECK(doc_get(NULL, "absent") == NULL);
	arena_free(&a);
}

static void json_nodes_know_their_places(void **state)
{
	static const char text[] = "{\"h\xc3\xa4\": \"\xc3\xa4\\u00e4\\n\\\"\", \"n\": -12,\r\n"
				   " \"list\" : [true, null,\n"
				   "  1.5e3, {\"a\\u0062\":{}} , []],\t\"big\":123456789012345678901234567890}";
	struct arena *a = NULL;
	struct doc_error err;
	const struct doc *root, *list;

	CHECK_INT(0, arena_new(&a, 0, 0));
	root = parse_at(a, text, DOC_JSON, &err);
	CHECK(root != NULL);
	check_place(doc_get(root, "h\xc3\xa4"), 1, 2, 1, 8);
	CHECK_STR("\xc3\xa4\xc3\xa4\n\"", doc_get(root, "h\xc3\xa4")->text.p);
	check_place(doc_get(root, "n"), 1, 23, 1, 28);
	CHECK_INT(-12, doc_get(root, "n")->integer);
	list = doc_get(root, "list");
	check_place(list, 2, 2, 2, 11);
	CHECK_INT(5, list->count);
	check_place(list->child, 0, 0, 2, 12);
	CHECK_INT(DOC_BOOL, list->child->type);
	check_place(list->child->next, 0, 0, 2, 18);
	CHECK_INT(DOC_NULL, list->child->next->type);
	check_place(list->child->next->next, 0, 0, 3, 3);
	check_place(doc_get(list->child->next->next->next, "ab"), 3, 11, 3, 21);
	check_place(list->last, 0, 0, 3, 27);
	check_place(doc_get(root, "big"), 3, 32, 3, 38);
	CHECK_INT(DOC_REAL, doc_get(root, "big")->type);
	CHECK_STR("123456789012345678901234567890", doc_get(root, "big")->text.p);
	arena_free(&a);
}

static void bad_documents_are_refused_with_a_place(void **state)
{
	static const struct {
		enum doc_format format;
		const char *text;
		uint32_t line, col;
		const char *message;
	} rows[] = {
		{ DOC_YAML, "a: 1\nb:\n  to: 1\n  x: 2\n  to: 3\n", 5, 3, "duplicate key \"to\" (first at line 3)" },
		{ DOC_YAML, "1: a\n'1': b\n", 2, 1, "duplicate key \"1\" (first at line 1)" },
		{ DOC_YAML, "{a: 1, b: 2, b: 3, a: 4}", 1, 14, "duplicate key \"b\" (first at line 1)" },
		{ DOC_JSON, "{\"a\":1,\n \"\\u0061\": 2}", 2, 2, "duplicate key \"a\" (first at line 1)" },
		{ DOC_GUESS, "{\"a\":1,\n \"a\": 2}", 2, 2, "duplicate key \"a\" (first at line 1)" },
		{ DOC_YAML, "a: [1, 2\nb: 3\n", 2, 2,
		  "did not find expected ',' or ']' while parsing a flow sequence" },
		{ DOC_YAML, "a: b: c\n", 1, 5, "mapping values are not allowed in this context" },
		{ DOC_YAML, "a: \xff\n", 1, 4, "invalid leading UTF-8 octet" },
		{ DOC_YAML, "a: \x01\n", 1, 4, "control characters are not allowed" },
		{ DOC_YAML, "a: \"x\\0y\"\n", 1, 4, "NUL character in a string" },
		{ DOC_YAML, "\"a\\0\": 1\n", 1, 1, "NUL character in a string" },
		{ DOC_YAML, "a: 1\n---\nb: 1\n", 2, 1, "more than one document in the text" },
		{ DOC_YAML, "? [a]\n: 1\n", 1, 3, "a key must be text, not a list or an object" },
		{ DOC_YAML, "x: &l [1]\n*l : 1\n", 2, 1, "a key must be text, not a list or an object" },
		{ DOC_YAML, "a: *b\n", 1, 4, "alias *b has no anchor before it" },
		{ DOC_YAML, "a: &a [1, *a]\n", 1, 11, "alias *a stands inside its own anchor" },
		{ DOC_YAML, "a: !!binary aGk=\n", 1, 4, "tag tag:yaml.org,2002:binary is not supported" },
		{ DOC_YAML, "a: !local {}\n", 1, 4, "tag !local is not supported" },
		{ DOC_YAML, "a: !!map []\n", 1, 4, "tag tag:yaml.org,2002:map is not supported" },
		{ DOC_YAML, "a: !!int x\n", 1, 4, "not of the type that its tag names (integer)" },
		{ DOC_JSON, "{\"a\": 1,}", 1, 9, "not valid JSON: string or '}' expected near '}'" },
		{ DOC_JSON, "{\"a\": \"\\u0000\"}", 1, 14, "NUL character in a string" },
		{ DOC_JSON, "[1] 2", 1, 5, "not valid JSON: end of file expected near '2'" },
		{ DOC_JSON, "", 1, 1, "not valid JSON: unexpected token near end of file" },
		{ DOC_JSON, "[1e999]", 1, 6, "not valid JSON: real number overflow near '1e999'" },
		{ DOC_GUESS, "{\"a\": }}", 1, 7, "not valid JSON: unexpected token near '}'" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena *a = NULL;
		struct doc_error err = { 0 };

		CHECK_INT(0, arena_new(&a, 0, 0));
		CHECK(parse_at(a, rows[i].text, rows[i].format, &err) == NULL);
		CHECK_STR(rows[i].message, err.message);
		CHECK_INT(rows[i].line, err.line);
		CHECK_INT(rows[i].col, err.col);
		arena_free(&a);
	}
}

static void guess_takes_json_then_yaml(void **state)
{
	static const struct {
		const char *text, *json;
	} rows[] = {
		{ " \n{\"a\": 0}", "{\"a\":0}" },
		{ "{a: 0123, b: [1, 2,],}", "{\"a\":\"0123\",\"b\":[1,2]}" },
		{ "[answer]", "[\"answer\"]" },
		{ "a: [1]", "{\"a\":[1]}" },
		{ "answer", "\"answer\"" },
		{ "<<: {a: 1}", "{\"<<\":{\"a\":1}}" },
		{ "&k key: 1\n*k : 2", NULL },
		{ "&k key: 1\nb: *k", "{\"key\":1,\"b\":\"key\"}" },
		{ "a: &x {n: [1]}\nb: *x\nc: &x 3\nd: *x", "{\"a\":{\"n\":[1]},\"b\":{\"n\":[1]},\"c\":3,\"d\":3}" },
		{ "\"\": v", "{\"\":\"v\"}" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena *a = NULL;
		struct buf json = { 0 };
		const struct doc *d;

		CHECK_INT(0, arena_new(&a, 0, 0));
		d = parse(a, rows[i].text);
		CHECK((d != NULL) == (rows[i].json != NULL));
		if (d)
			doc_print_json(&json, d);
		if (rows[i].json)
			CHECK_STR(rows[i].json, json.data);
		buf_free(&json);
		arena_free(&a);
	}
}

static int parse_limited(const char *text, size_t n, enum doc_format format, struct doc_limits limits, char *message)
{
	struct doc_error err = { 0 };
	struct arena *a = NULL;
	struct doc *d;
	int rc;

	CHECK_INT(0, arena_new(&a, 0, 0));
	rc = doc_parse(a, &d, (struct str){ text, n }, format, &limits, &err);
	snprintf(message, 300, "%u:%u %s", err.line, err.col, err.message);
	arena_free(&a);
	return rc;
}

static void limits_hold(void **state)
{
	static const struct {
		enum doc_format format;
		const char *text;
		struct doc_limits limits;
		int rc;
		const char *message;
	} rows[] = {
		{ DOC_JSON, "[[1]]", { .depth = 2 }, 0, "0:0 " },
		{ DOC_JSON, "[[{}]]", { .depth = 2 }, EINVAL, "1:3 lists and objects are nested more than 2 deep" },
		{ DOC_JSON, "[\"[[[\\\"[\"]", { .depth = 1 }, 0, "0:0 " },
		{ DOC_YAML, "[[1]]", { .depth = 2 }, 0, "0:0 " },
		{ DOC_YAML, "- - - 1", { .depth = 2 }, EINVAL, "1:5 lists and objects are nested more than 2 deep" },
		{ DOC_YAML,
		  "- &a [1]\n- [*a]",
		  { .depth = 2 },
		  EINVAL,
		  "2:4 lists and objects are nested more than 2 deep" },
		{ DOC_YAML, "[1, 2]", { .nodes = 3 }, 0, "0:0 " },
		{ DOC_YAML, "[1, 2, 3]", { .nodes = 3 }, EINVAL, "1:8 more than 3 values in the document" },
		{ DOC_JSON, "[1, 2, 3]", { .nodes = 3 }, EINVAL, "1:8 more than 3 values in the document" },
		{ DOC_YAML, "- &a [1, 2]\n- *a\n", { .nodes = 7 }, 0, "0:0 " },
		{ DOC_YAML, "- &a [1, 2]\n- *a\n", { .nodes = 6 }, EINVAL, "2:3 more than 6 values in the document" },
		{ DOC_YAML, "12345", { .bytes = 4 }, EINVAL, "0:0 larger than 4 bytes" },
	};
	char message[300];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_INT(rows[i].rc,
			  parse_limited(rows[i].text, strlen(rows[i].text), rows[i].format, rows[i].limits, message));
		CHECK_STR(rows[i].message, message);
	}
}

/* Each level names the one before nine times. */
static void billion_laughs_are_refused(void **state)
{
	struct buf b = { 0 };
	char message[300];

	buf_cstr(&b, "a0: &a0 [lol]\n");
	for (int i = 1; i < 10; i++) {
		buf_printf(&b, "a%d: &a%d [*a%d", i, i, i - 1);
		for (int j = 1; j < 9; j++)
			buf_printf(&b, ", *a%d", i - 1);
		buf_cstr(&b, "]\n");
	}
	CHECK_INT(EINVAL, parse_limited(b.data, b.len, DOC_YAML, (struct doc_limits){ 0 }, message));
	CHECK(strstr(message, "more than 100000 values in the document") != NULL);
	buf_free(&b);
}

/* Texts that make a careless parser recurse, or compare everything with everything. */
static void heavy_texts_end_soon(void **state)
{
	static const struct {
		const char *unit;
		enum doc_format format;
		const char *message;
	} rows[] = {
		{ "[", DOC_JSON, "nested" },
		{ "[", DOC_YAML, "nested" },
		{ "{a: ", DOC_YAML, "nested" },
		{ "- ", DOC_YAML, "nested" },
		{ "{\"a\":", DOC_GUESS, "nested" },
		{ "- &a x\n", DOC_YAML, "more than 256 anchors" },
		{ "%TAG !a! tag:x,1:\n", DOC_YAML, "more than 16 %TAG directives" },
		{ "k: 1\n", DOC_YAML, "more than 100000 values" },
		{ "1, ", DOC_YAML, NULL },
		{ "\"", DOC_JSON, "not valid JSON" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b = { 0 };
		char message[300];

		while (b.len + 32 < 1 << 20)
			buf_cstr(&b, rows[i].unit);
		CHECK_INT(rows[i].message ? EINVAL : 0,
			  parse_limited(b.data, b.len, rows[i].format, (struct doc_limits){ 0 }, message));
		CHECK(!rows[i].message || strstr(message, rows[i].message));
		buf_free(&b);
	}
}

/* jansson takes a NUL behind a number or a word for nothing. */
static void json_has_no_nul(void **state)
{
	static const struct {
		const char *text;
		size_t n;
	} rows[] = {
		{ "{\"a\": 0.9\0}", 11 },   { "[1\0]", 4 }, { "[true\0,2]", 9 },
		{ "{\"a\": \"b\0\"}", 12 }, { "1\0", 2 },   { "\0", 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *text = malloc(rows[i].n); /* nothing behind it */
		char message[300];

		memcpy(text, rows[i].text, rows[i].n);
		CHECK_INT(EINVAL, parse_limited(text, rows[i].n, DOC_JSON, (struct doc_limits){ 0 }, message));
		CHECK(strstr(message, "NUL character") != NULL);
		free(text);
	}
}

static void many_keys_are_compared_quickly(void **state)
{
	struct buf b = { 0 };
	char message[300];

	for (int i = 0; i < 60000; i++)
		buf_printf(&b, "k%d: 1\n", i);
	CHECK_INT(0, parse_limited(b.data, b.len, DOC_YAML, (struct doc_limits){ 0 }, message));
	buf_cstr(&b, "k7: 1\nk6: 1\n");
	CHECK_INT(EINVAL, parse_limited(b.data, b.len, DOC_YAML, (struct doc_limits){ 0 }, message));
	CHECK_STR("60001:1 duplicate key \"k7\" (first at line 8)", message);
	buf_free(&b);
}

static void error_texts_are_printable(void **state)
{
	char text[400] = "{\"\\n\\u001b", message[300];
	size_t n = strlen(text);

	for (int i = 0; i < 60; i++) {
		memcpy(text + n, "\xe2\x82\xac", 3);
		n += 3;
	}
	n += (size_t)snprintf(text + n, sizeof(text) - n, "\":1");
	text[n++] = ',';
	memcpy(text + n, text + 1, 100);
	CHECK(n + 100 < sizeof(text));
	CHECK_INT(EINVAL, parse_limited(text, n + 100, DOC_JSON, (struct doc_limits){ 0 }, message));
	for (const char *p = message; *p; p++)
		CHECK((unsigned char)*p >= 0x20 && *p != 0x7f);
}

static void trees_are_built_copied_and_compared(void **state)
{
	static const struct {
		const char *a, *b;
		bool equal;
	} rows[] = {
		{ "{a: 1, b: [x, ~]}", "{b: [x, null], a: 1}", true },
		{ "{a: 1, b: 2}", "{a: 1, c: 2}", false },
		{ "[1, 2]", "[2, 1]", false },
		{ "[1]", "[1, 1]", false },
		{ "1", "1.0", false },
		{ "1", "'1'", false },
		{ "0x10", "16", true },
		{ "true", "True", true },
		{ "true", "false", false },
		{ "1.5", "15e-1", true },
	};
	struct arena *a = NULL;
	struct doc *map, *item;
	struct buf json = { 0 };

	CHECK_INT(0, arena_new(&a, 0, 0));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct doc *x = parse(a, rows[i].a), *y = parse(a, rows[i].b);

		CHECK(x && y && doc_equal(x, y) == rows[i].equal && doc_equal(y, x) == rows[i].equal);
		CHECK(x && doc_equal(x, doc_copy(a, x)));
	}

	map = doc_new(a, DOC_MAP);
	item = doc_new_str(a, STR("a\"b"));
	item->key = STR("k");
	doc_append(map, item);
	item = doc_copy(a, map);
	item->key = STR("copy");
	doc_append(map, item);
	doc_append(item, doc_new(a, DOC_NULL));
	CHECK_INT(2, map->count);
	doc_print_json(&json, map);
	CHECK_STR("{\"k\":\"a\\\"b\",\"copy\":{\"k\":\"a\\\"b\",\"\":null}}", json.data);
	buf_free(&json);
	arena_free(&a);
}

static void no_memory_is_told(void **state)
{
	static const struct {
		const char *text;
		enum doc_format format;
	} rows[] = {
		{ "{\"a\\n\": [1, \"x\", {\"b\": null}]}", DOC_JSON },
		{ "a: &x [1, \"x\", {b: ~}]\nc: *x\n? *x\n: 1\n", DOC_YAML },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t told = 0;

		for (size_t max = 1; max < 3000; max += 7) {
			struct doc_error err;
			struct arena *a = NULL;
			struct doc *d = NULL;
			int rc;

			CHECK_INT(0, arena_new(&a, 64, max));
			rc = doc_parse(a, &d, str_of(rows[i].text), rows[i].format, NULL, &err);
			told += rc == ENOMEM;
			CHECK(rc == ENOMEM ? !d : (rc == EINVAL) == !d);
			arena_free(&a);
		}
		CHECK(told > 10 && told < 400);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(plain_scalars_get_the_types_of_yaml_1_2),
		TEST(text_stays_as_written),
		TEST(yaml_nodes_know_their_places),
		TEST(json_nodes_know_their_places),
		TEST(bad_documents_are_refused_with_a_place),
		TEST(guess_takes_json_then_yaml),
		TEST(limits_hold),
		TEST(billion_laughs_are_refused),
		TEST(heavy_texts_end_soon),
		TEST(json_has_no_nul),
		TEST(many_keys_are_compared_quickly),
		TEST(error_texts_are_printable),
		TEST(trees_are_built_copied_and_compared),
		TEST(no_memory_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

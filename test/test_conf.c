#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/conf.h"
#include "check.h"

struct fruit {
	const char *name;
	uint32_t weight_g;
};

struct settings {
	const char *title, *file;
	bool open;
	uint32_t port, seats;
	int colour;
	struct conf_strings tags;
	struct {
		const char *name;
		uint32_t size;
	} inner;
	struct conf_list fruits;
	uint32_t doubled;
};

static void read_doubled(struct conf *c, const struct doc *value, void *field)
{
	const char *text = conf_text(c, value);
	uint32_t v;

	if (!text)
		return;
	if (str_u32(str_of(text), &v))
		conf_problem(c, CONF_WARNING, value, "not a number: %s", text);
	else
		*(uint32_t *)field = 2 * v;
}

static enum conf_severity later_by_value(const struct doc *value)
{
	if (str_is(value->text, "harmless"))
		return CONF_OK;
	return str_is(value->text, "vital") ? CONF_ERROR : CONF_WARNING;
}

static const char *const colours[] = { "red", "green", "blue", NULL };

static const struct conf_setting inner_table[] = {
	{ .name = "name", .type = CONF_STRING, .offset = offsetof(struct settings, inner.name) },
	{ .name = "size", .type = CONF_U32, .offset = offsetof(struct settings, inner.size), .min = 2, .max = 9 },
	{ .name = NULL },
};

static const struct conf_setting fruit_table[] = {
	{ .name = "name", .type = CONF_STRING, .offset = offsetof(struct fruit, name), .required = true },
	{ .name = "weight", .type = CONF_U32, .offset = offsetof(struct fruit, weight_g) },
	{ .name = NULL },
};

static const struct conf_setting table[] = {
	{ .name = "title", .type = CONF_STRING, .offset = offsetof(struct settings, title) },
	{ .name = "file", .type = CONF_PATH, .offset = offsetof(struct settings, file) },
	{ .name = "open", .type = CONF_BOOL, .offset = offsetof(struct settings, open) },
	{ .name = "port", .type = CONF_U32, .offset = offsetof(struct settings, port), .min = 1, .max = 65535 },
	{ .name = "seats", .type = CONF_U32, .offset = offsetof(struct settings, seats), .min = 3 },
	{ .name = "colour", .type = CONF_ENUM, .offset = offsetof(struct settings, colour), .names = colours },
	{ .name = "tags", .type = CONF_STRINGS, .offset = offsetof(struct settings, tags) },
	{ .name = "inner", .type = CONF_MAP, .sub = inner_table },
	{ .name = "fruits",
	  .type = CONF_LIST,
	  .offset = offsetof(struct settings, fruits),
	  .sub = fruit_table,
	  .sub_bytes = sizeof(struct fruit) },
	{ .name = "doubled", .type = CONF_CUSTOM, .offset = offsetof(struct settings, doubled), .read = read_doubled },
	{ .name = "later", .type = CONF_LATER },
	{ .name = "later_maybe", .type = CONF_LATER, .later = later_by_value },
	{ .name = NULL },
};

/* The problems as "line:col severity message" lines. */
static int read_as(struct arena *a, const char *path, const char *text, struct settings *s, struct buf *problems)
{
	struct conf_problem *p = NULL;
	int err = conf_read(a, path, str_of(text), table, s, &p);

	for (; p; p = p->next)
		buf_printf(problems, "%u:%u %s %s\n", p->line, p->col, p->severity == CONF_ERROR ? "error" : "warning",
			   p->message);
	return err;
}

static void every_type_is_read(void **state)
{
	static const char text[] = "title: 0123\n"
				   "file: sub/x.yaml\n"
				   "open: True\n"
				   "port: \"5060\"\n"
				   "seats: 4000000000\n"
				   "colour: blue\n"
				   "tags: [a, +15551234567]\n"
				   "inner: {name: in, size: 9}\n"
				   "fruits:\n"
				   "  - {name: fig}\n"
				   "  - {name: plum, weight: 7}\n"
				   "doubled: 21\n";
	struct settings s = { .title = "default" };
	struct arena *a = NULL;
	struct buf problems = { 0 };
	const struct fruit *fruits;

	CHECK_INT(0, arena_new(&a, 0, 0));
	CHECK_INT(0, read_as(a, "/etc/x/crosspoint.yaml", text, &s, &problems));
	CHECK_INT(0, problems.len);
	CHECK_STR("0123", s.title);
	CHECK_STR("/etc/x/sub/x.yaml", s.file);
	CHECK(s.open);
	CHECK_INT(5060, s.port);
	CHECK_INT(4000000000, s.seats);
	CHECK_INT(2, s.colour);
	CHECK_INT(2, s.tags.count);
	CHECK_STR("+15551234567", s.tags.items[1]);
	CHECK_INT(11, s.tags.nodes[1]->col);
	CHECK_STR("in", s.inner.name);
	CHECK_INT(9, s.inner.size);
	CHECK_INT(2, s.fruits.count);
	fruits = s.fruits.items;
	CHECK_STR("plum", fruits[1].name);
	CHECK_INT(7, fruits[1].weight_g);
	CHECK_INT(42, s.doubled);
	buf_free(&problems);
	arena_free(&a);
}

static void what_is_left_out_keeps_its_default(void **state)
{
	static const char *const rows[] = { "", "# nothing\n", "tags:\nfruits:\ninner:\nlater:\n", "later: []\n",
					    "{}" };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct settings s = { .title = "default", .open = true, .port = 7 };
		struct arena *a = NULL;
		struct buf problems = { 0 };

		CHECK_INT(0, arena_new(&a, 0, 0));
		CHECK_INT(0, read_as(a, "x.yaml", rows[i], &s, &problems));
		CHECK_INT(0, problems.len);
		CHECK_STR("default", s.title);
		CHECK(s.open && s.port == 7 && !s.tags.count && !s.fruits.count);
		buf_free(&problems);
		arena_free(&a);
	}
}

static void problems_have_a_place_and_a_sentence(void **state)
{
	static const struct {
		const char *text;
		int err;
		const char *problems;
	} rows[] = {
		{ "titl: x\n", EINVAL, "1:1 error unknown key \"titl\", did you mean \"title\"?\n" },
		{ "xyzzy: x\n", EINVAL, "1:1 error unknown key \"xyzzy\"\n" },
		{ "inner: {sise: 3}\n", EINVAL, "1:9 error unknown key \"sise\", did you mean \"size\"?\n" },
		{ "title: [x]\n", EINVAL, "1:8 error must be text, not list\n" },
		{ "title: ''\nfile: ''\n", EINVAL, "2:7 error must name a file or folder\n" },
		{ "title:\n", EINVAL, "1:7 error must be text, not empty\n" },
		{ "open: yes\n", EINVAL, "1:7 error must be true or false\n" },
		{ "port: 0\n", EINVAL, "1:7 error must be a whole number from 1 to 65535\n" },
		{ "port: 1.5\n", EINVAL, "1:7 error must be a whole number from 1 to 65535\n" },
		{ "seats: 2\n", EINVAL, "1:8 error must be a whole number, at least 3\n" },
		{ "seats: 4294967296\n", EINVAL, "1:8 error must be a whole number, at least 3\n" },
		{ "colour: pink\n", EINVAL, "1:9 error must be one of red, green, blue\n" },
		{ "tags: [a, {}]\n", EINVAL, "1:11 error must be text, not object\n" },
		{ "inner: 1\n", EINVAL, "1:8 error must be settings (key: value), not integer\n" },
		{ "fruits: {}\n", EINVAL, "1:9 error must be a list, not object\n" },
		{ "fruits: [{weight: 1}]\n", EINVAL, "1:10 error \"name\" is missing\n" },
		{ "fruits: [~]\n", EINVAL, "1:10 error must be settings (key: value), not empty\n" },
		{ "doubled: x\n", 0, "1:10 warning not a number: x\n" },
		{ "later: 1\n", 0, "1:1 warning \"later\" is not in this version: the server does without it\n" },
		{ "later_maybe: harmless\n", 0, NULL },
		{ "later_maybe: vital\n", EINVAL,
		  "1:1 error \"later_maybe\" is not in this version, and the server would not be what was asked "
		  "for\n" },
		{ "later_maybe: other\n", 0,
		  "1:1 warning \"later_maybe\" is not in this version: the server does without it\n" },
		{ "- a\n", EINVAL, "1:1 error must be settings (key: value), not list\n" },
		{ "title: a\ntitle: b\n", EINVAL, "2:1 error duplicate key \"title\" (first at line 1)\n" },
		{ "\"a\\n\\x1b[1m\": 1\n", EINVAL, "1:1 error unknown key \"a  [1m\"\n" },
		/* all of them, in order of the file */
		{ "inner:\n  nam: 1\n  size: 1\nport: x\nlater: 1\n", EINVAL,
		  "2:3 error unknown key \"nam\", did you mean \"name\"?\n"
		  "3:9 error must be a whole number from 2 to 9\n"
		  "4:7 error must be a whole number from 1 to 65535\n"
		  "5:1 warning \"later\" is not in this version: the server does without it\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct settings s = { 0 };
		struct arena *a = NULL;
		struct buf problems = { 0 };

		CHECK_INT(0, arena_new(&a, 0, 0));
		CHECK_INT(rows[i].err, read_as(a, "x.yaml", rows[i].text, &s, &problems));
		if (rows[i].problems)
			CHECK_STR(rows[i].problems, problems.data);
		else
			CHECK_INT(0, problems.len);
		buf_free(&problems);
		arena_free(&a);
	}
}

static char *make_file(const char *dir, const char *name, const char *bytes, size_t n)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	CHECK(f && fwrite(bytes, 1, n, f) == n);
	if (f)
		fclose(f);
	return strdup(path);
}

static void references_are_expanded(void **state)
{
	static const struct {
		const char *text, *title, *problem;
	} rows[] = {
		{ "title: a ${env:CONF_TEST} b", "a value b", NULL },
		{ "title: ${env:CONF_TEST}${env:CONF_TEST}", "valuevalue", NULL },
		{ "title: \"${file:secret}\"", "top ${env:CONF_TEST}\n secret", NULL }, /* not expanded again */
		{ "title: \"${file:crlf}!\"", "x!", NULL },
		{ "title: \"${file:void}\"", "", NULL },
		{ "title: $ $x {} $$", "$ $x {} $$", NULL },
		{ "title: ${env:CONF_TEST_ABSENT}", NULL, "environment variable CONF_TEST_ABSENT is not set" },
		{ "title: ${file:absent}", NULL, "absent: No such file or directory" },
		{ "title: ${file:.}", NULL, "Is a directory" },
		{ "title: ${file:binary}", NULL, "holds a NUL byte" },
		{ "title: ${file:big}", NULL, "larger than 64 KiB" },
		{ "title: ${file:full}${file:full}${file:full}${file:full}${file:full}", NULL, "longer than 256 KiB" },
		{ "title: ${env:}", NULL, "${env:} is neither ${env:NAME} nor ${file:PATH}" },
		{ "title: ${name}", NULL, "${name} is neither ${env:NAME} nor ${file:PATH}" },
		{ "title: ${env:X", NULL, "${ without a closing brace" },
		{ "title: x${", NULL, "${ without a closing brace" },
	};
	char dir[] = "/tmp/test_conf.XXXXXX", path[100], *files[6], *big = malloc(65537);

	CHECK(mkdtemp(dir) != NULL);
	memset(big, 'x', 65537);
	snprintf(path, sizeof(path), "%s/c.yaml", dir);
	files[0] = make_file(dir, "secret", "top ${env:CONF_TEST}\n secret\n", 29);
	files[1] = make_file(dir, "crlf", "x\r\n", 3);
	files[2] = make_file(dir, "void", "", 0);
	files[3] = make_file(dir, "binary", "x\0y", 3);
	files[4] = make_file(dir, "big", big, 65537);
	files[5] = make_file(dir, "full", big, 65536);
	CHECK_INT(0, setenv("CONF_TEST", "value", 1));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct settings s = { 0 };
		struct arena *a = NULL;
		struct buf problems = { 0 };

		CHECK_INT(0, arena_new(&a, 0, 0));
		CHECK_INT(rows[i].problem ? EINVAL : 0, read_as(a, path, rows[i].text, &s, &problems));
		if (rows[i].problem)
			CHECK(problems.len && strstr(problems.data, rows[i].problem));
		else
			CHECK_STR(rows[i].title, s.title);
		buf_free(&problems);
		arena_free(&a);
	}
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		CHECK_INT(0, unlink(files[i]));
		free(files[i]);
	}
	CHECK_INT(0, rmdir(dir));
	free(big);
}

static void paths_become_absolute(void **state)
{
	static const struct {
		const char *config, *file, *want;
		bool below_cwd;
	} rows[] = {
		{ "/etc/c.yaml", "a/b", "/etc/a/b", false },
		{ "/c.yaml", "a", "/a", false },
		{ "/etc/c.yaml", "/a/b", "/a/b", false },
		{ "c.yaml", "a", "a", true },
		{ "./c.yaml", "a", "a", true },
		{ "d/c.yaml", "a", "d/a", true },
		{ "./d/c.yaml", "a", "d/a", true },
	};
	char *cwd = getcwd(NULL, 0);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct settings s = { 0 };
		struct arena *a = NULL;
		struct buf problems = { 0 }, text = { 0 }, want = { 0 };

		CHECK_INT(0, arena_new(&a, 0, 0));
		buf_printf(&text, "file: %s\n", rows[i].file);
		if (rows[i].below_cwd)
			buf_printf(&want, "%s/", cwd);
		buf_cstr(&want, rows[i].want);
		CHECK_INT(0, read_as(a, rows[i].config, text.data, &s, &problems));
		CHECK_STR(want.data, s.file);
		buf_free(&problems);
		buf_free(&text);
		buf_free(&want);
		arena_free(&a);
	}
	free(cwd);
}

static void no_memory_is_told(void **state)
{
	static const char text[] = "title: ${env:CONF_TEST}\nfile: f\ntags: [a, b]\nfruits: [{name: x}]\nlater: 1\n";
	size_t told = 0, done = 0;

	CHECK_INT(0, setenv("CONF_TEST", "value", 1));
	for (size_t max = 1; max < 8000; max += 13) {
		struct settings s = { 0 };
		struct arena *a = NULL;
		struct buf problems = { 0 };
		int err;

		CHECK_INT(0, arena_new(&a, 64, max));
		err = read_as(a, "/x", text, &s, &problems);
		CHECK(err == 0 || err == ENOMEM);
		told += err == ENOMEM;
		done += !err;
		buf_free(&problems);
		arena_free(&a);
	}
	CHECK(told > 20 && done > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_type_is_read),
		TEST(what_is_left_out_keeps_its_default),
		TEST(problems_have_a_place_and_a_sentence),
		TEST(references_are_expanded),
		TEST(paths_become_absolute),
		TEST(no_memory_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

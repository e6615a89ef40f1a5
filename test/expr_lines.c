/* expr_lines: expressions from standard input, one a line as a JSON string, behind a first line with the variables as a
 * JSON object. Prints a line for each: its value as JSON, undefined, a number that JSON has not, or "error COLUMN:
 * sentence". For test/live/test_expressions.py, which asks Node the same. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#include "base/arena.h"
#include "dialect/expr.h"

static const struct doc *member(const struct doc *map, struct str name)
{
	char key[64];

	str_copy(key, sizeof(key), name);
	return doc_get(map, key);
}

static const struct doc *lookup(void *arg, struct str scope, struct str name)
{
	const struct doc *map = scope.p ? member(arg, scope) : arg;

	return name.p && map ? member(map, name) : map;
}

static struct doc *read_json(struct arena *a, char *line, ssize_t n)
{
	struct doc_error err;
	struct doc *d;

	if (doc_parse(a, &d, (struct str){ line, (size_t)n }, DOC_JSON, NULL, &err)) {
		fprintf(stderr, "expr_lines: %s\n", err.message);
		exit(1);
	}
	return d;
}

static void print(const struct doc *d, int err, const struct expr_problem *problem)
{
	struct buf out = { 0 };

	if (err == EINVAL)
		buf_printf(&out, "error %u: %s", problem->col, problem->message);
	else if (!d)
		buf_cstr(&out, err ? "no memory" : "undefined");
	else if (d->type == DOC_REAL && !(d->real - d->real == 0))
		buf_str(&out, d->text);
	else
		doc_print_json(&out, d);
	puts(out.data);
	buf_free(&out);
}

int main(void)
{
	struct arena *world_arena = NULL, *a = NULL;
	struct doc *world = NULL;
	size_t room = 0;
	char *line = NULL;
	ssize_t n;

	while ((n = getline(&line, &room, stdin)) > 0) {
		struct expr_scope scope = { .lookup = lookup, .arg = world };
		struct expr_problem problem = { .col = 0 };
		const struct doc *d = NULL;
		int err;

		if (!world) {
			if (arena_new(&world_arena, 0, 0))
				return 1;
			world = read_json(world_arena, line, n);
			continue;
		}
		if (arena_new(&a, 0, 0))
			return 1;
		err = expr_eval(a, &d, read_json(a, line, n)->text, &scope, &problem);
		print(d, err, &problem);
		arena_free(&a);
	}
	arena_free(&world_arena);
	free(line);
	return 0;
}

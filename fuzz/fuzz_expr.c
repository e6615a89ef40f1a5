/* Fuzzing expressions: whatever comes in, there is a value or a problem inside the text. */
#include <errno.h>
#include <stdlib.h>

#include "base/arena.h"
#include "dialect/expr.h"
#include "dialect/vars.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char world[] =
	"{\"a\":1,\"s\":\"12\",\"t\":\"x\",\"nil\":null,\"yes\":true,\"list\":[1,[2,\"3\"],{\"k\":4}],"
	"\"map\":{\"x\":{\"y\":7}},\"real\":-1.5e9}";

/* What comes out is a tree that can be walked. */
static void print(const struct doc *value)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	doc_print_json(&out, value);
	buf_free(&out);
}

static uint64_t one(void *arg)
{
	return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vars_source source = { .wall_ms = one, .random = one };
	struct str text = { (const char *)data, size };
	struct doc whole = { .type = DOC_STR, .text = text };
	struct vars_note note = { .set = false };
	struct expr_problem problem = { .col = 0 };
	struct doc_error err;
	struct arena *a = NULL;
	struct vars *v = NULL;
	const struct doc *value;
	struct doc *all;
	int syntax;

	if (arena_new(&a, 0, 64 << 20) || doc_parse(a, &all, STR(world), DOC_JSON, NULL, &err) || vars_new(&v, &source))
		abort();
	for (const struct doc *d = all->child; d; d = d->next)
		vars_set(v, d->key, d);
	vars_params(v, all);

	syntax = expr_check(text, &problem);
	if (syntax == EINVAL && (!problem.col || problem.col > size + 1 || !problem.message[0]))
		abort();
	value = vars_eval(v, a, text, &note);
	if (value)
		print(value);
	if (note.set && (!note.col || note.col > size + 1))
		abort();
	vars_when(v, a, text, &note);
	vars_expand(v, a, &whole, &note);
	vars_free(&v);
	arena_free(&a);
	return 0;
}

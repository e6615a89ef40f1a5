/* Both parsers, every guess; what parsed must print as JSON and as YAML that parse to an equal tree. */
#include <stdlib.h>

#include "base/arena.h"
#include "base/doc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Infinity and not-a-number print as null, and whole reals out of range may come back rounded. */
static bool prints_exactly(const struct doc *d)
{
	if (d->type == DOC_REAL && d->real - d->real != 0)
		return false;
	for (const struct doc *c = d->child; c; c = c->next)
		if (!prints_exactly(c))
			return false;
	return true;
}

static void print_json_and_compare(struct arena *a, const struct doc *d)
{
	struct doc_limits limits = { .depth = 100, .bytes = 64 << 20 };
	struct doc_error err;
	struct buf json = { 0 };
	struct doc *again;

	doc_print_json(&json, d);
	if (json.failed || doc_parse(a, &again, buf_view(&json), DOC_JSON, &limits, &err))
		abort();
	if (prints_exactly(d) && !doc_equal(d, again))
		abort();
	buf_free(&json);
}

/* YAML has words for all numbers, but not for a number that is none: it equals nothing. */
static bool has_nan(const struct doc *d)
{
	if (d->type == DOC_REAL && d->real != d->real)
		return true;
	for (const struct doc *c = d->child; c; c = c->next)
		if (has_nan(c))
			return true;
	return false;
}

static void print_yaml_and_compare(struct arena *a, const struct doc *d)
{
	struct doc_limits limits = { .depth = 100, .bytes = 64 << 20 };
	struct doc_error err;
	struct buf yaml = { 0 };
	struct doc *again;

	doc_print_yaml(&yaml, d);
	if (yaml.failed || doc_parse(a, &again, buf_view(&yaml), DOC_YAML, &limits, &err))
		abort();
	if (!has_nan(d) && !doc_equal(d, again))
		abort();
	buf_free(&yaml);
}

static void compare(struct arena *a, const struct doc *d)
{
	print_json_and_compare(a, d);
	print_yaml_and_compare(a, d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum doc_format formats[] = { DOC_YAML, DOC_JSON, DOC_GUESS };
	struct doc_limits limits = { .depth = 20, .nodes = 2000 };

	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		struct arena *a = NULL;
		struct doc_error err;
		struct doc *d;

		if (arena_new(&a, 0, 0))
			return 0;
		if (!doc_parse(a, &d, (struct str){ (const char *)data, size }, formats[i], &limits, &err))
			compare(a, d);
		else if (!err.message[0])
			abort();
		arena_free(&a);
	}
	return 0;
}

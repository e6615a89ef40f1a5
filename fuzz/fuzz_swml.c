/* Fuzzing documents: every readable one is checked and gets a verdict; every plan that comes out can be dialled. */
#include <stdlib.h>

#include "base/arena.h"
#include "dialect/swml.h"
#include "dialect/swml_connect.h"
#include "../test/random_document.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void note(void *arg, const struct swml_issue *i)
{
	if (!i->text[0] || !i->code[0])
		abort();
}

static void plan(void *arg, const struct doc *connect, const struct plan *p)
{
	struct buf out;

	if (plan_fault(p))
		abort();
	for (size_t i = 0; i < plan_target_count(p); i++) {
		const struct plan_target *t = plan_target(p, i);

		for (size_t k = 0; k < t->header_count; k++)
			for (const char *c = t->headers[k].value; *c; c++)
				if (*c == '\r' || *c == '\n')
					abort();
	}
	buf_init(&out, 0);
	plan_print(&out, p);
	buf_free(&out);
}

static void judge(struct str text)
{
	struct swml_check check = { .country = "1", .plan = plan };
	struct swml_report before = { .note = note, .checking = true }, running = { .note = note };
	struct plan *p = NULL;
	struct doc_error err;
	struct arena *a = NULL;
	struct doc *root;

	if (arena_new(&a, 0, 0))
		abort();
	if (!doc_parse(a, &root, text, DOC_GUESS, NULL, &err)) {
		swml_check(root, &before, &check);
		/* The same bytes as the arguments of a connect that runs. */
		if (root->type == DOC_MAP && !swml_connect_plan(&p, root, "1", &running))
			plan(NULL, root, p);
		plan_free(&p);
	}
	arena_free(&a);
}

/* Behind a first byte of 255 the bytes choose what a document of the grammar says, else they are the document. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct choices c = { .data = data + 1, .size = size - 1 };
	struct buf text;

	if (!size || data[0] != 0xff) {
		judge((struct str){ (const char *)data, size });
		return 0;
	}
	buf_init(&text, 0);
	random_document(&text, &c);
	judge(buf_view(&text));
	buf_free(&text);
	return 0;
}

/* How a script comes to its documents: the first one, and those that execute and transfer name. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "dialect/fetch_body.h"
#include "dialect/script_impl.h"

enum { READ_TWICE_BYTES = 64 << 10 }; /* larger documents are not read on the loop */

static const char *error_code(const struct fetch_result *r, const char *otherwise)
{
	if (r->err == EINVAL && str_starts(str_of(r->at.message), "duplicate key"))
		return "element_duplicated";
	return r->err == EINVAL ? "parse_error" : otherwise;
}

/* Without its first document a call has nothing to do; a later one is a step that failed. */
static void refuse(struct script *s, const struct fetch_result *r)
{
	struct doc at = { .line = r->at.line, .col = r->at.col };

	if (s->going.kind == GOING_FIRST) {
		script_warn(s, error_code(r, "parse_error"), &at, "%s", r->why);
		script_fail(s, r->why);
	} else {
		script_warn(s, error_code(r, "method_execute_failed"), s->going.at, "%s", r->why);
	}
}

static void enter(struct script *s, struct document *d)
{
	const struct doc *sections = swml_sections(d->root, &s->report);
	const struct doc *main = sections ? doc_get(sections, "main") : NULL;
	const struct going *g = &s->going;
	const struct frame like = {
		.executed = g->kind == GOING_EXECUTE, .on_return = g->on_return, .result = g->result, .document = d
	};

	if (main && swml_section_ok(main, &s->report)) {
		script_enter_section(s, main, g->params, &like);
		if (g->kind == GOING_TRANSFER && s->state != SCRIPT_ENDING)
			script_drop_below(s);
	} else if (g->kind == GOING_FIRST) {
		script_fail(s, "the document is not valid");
	} else {
		script_warn(s, "method_execute_failed", g->at, "%s is not a valid document", d->location);
	}
}

static void go_on(struct script *s)
{
	arena_free(&s->going.arena);
	s->going = (struct going){ .kind = GOING_FIRST };
	script_settle_error(s);
	if (s->state == SCRIPT_RUNNING)
		script_go_on(s);
}

void script_enter_document(struct script *s, struct document *d)
{
	s->state = SCRIPT_RUNNING;
	enter(s, d);
	document_drop(d);
	go_on(s);
}

static void fetched(void *arg, const struct fetch_result *r)
{
	struct script *s = arg;

	s->state = SCRIPT_RUNNING;
	script_trace_document(s, r, s->asked_us);
	if (r->document) {
		script_enter_document(s, r->document);
		return;
	}
	refuse(s, r);
	go_on(s);
}

int script_fetch(struct script *s, const struct fetch_request *r)
{
	const struct fetch_source source = {
		.call = s->call, .ids = &s->ids, .vars = s->vars, .params = s->going.params
	};
	struct fetch_request whole = *r;
	struct buf body;
	int err = 0;

	s->asked_us = loop_now_us(s->loop);
	buf_init(&body, 0);
	if (r->location[0] != '{' && r->location[0] != '/')
		err = fetch_body(&body, &source);
	if (!err) {
		whole.body = body.data ? buf_view(&body) : STR("");
		err = fetch_document(s->fetch, &whole, fetched, s, &s->fetch_id);
	}
	buf_free(&body);
	if (!err)
		s->state = SCRIPT_FETCHING;
	return err;
}

/* References in an inline document are put in when its steps run. Where it can only be read with them put in ({"sleep": ${ms}}),
 * they are, with what the caller of the document sees. */
static struct str readable(struct script *s, const struct doc *at, struct str dest)
{
	const struct doc text = { .type = DOC_STR, .text = dest, .line = at->line, .col = at->col };
	struct vars_note n = { .set = false };
	struct doc_error err;
	struct arena *a;
	const struct doc *out;
	struct doc *root;

	if (!swml_is_inline(dest) || dest.n > READ_TWICE_BYTES || !vars_referenced(&text))
		return dest;
	a = script_scratch(s);
	if (!a || doc_parse(a, &root, dest, DOC_GUESS, NULL, &err) != EINVAL)
		return dest;
	out = vars_expand(s->vars, a, &text, &n);
	if (n.set)
		script_warn(s, "js_eval_error", at, "at character %u: %s", n.col, n.message);
	return out && out->type == DOC_STR ? out->text : dest;
}

void script_go_elsewhere(struct script *s, const struct going *to, struct str dest)
{
	const struct fetch_request r = { .location = str_trim(readable(s, to->at, dest)).p };

	s->going = *to;
	s->going.params = NULL;
	if (to->params && to->params->type == DOC_MAP)
		s->going.params = script_copy_params(s, &s->going.arena, to->params);
	if (s->state == SCRIPT_ENDING || !script_fetch(s, &r))
		return;
	arena_free(&s->going.arena);
	script_warn(s, "internal_error", to->at, "no memory for this step");
	script_fail(s, "no memory for the document");
}

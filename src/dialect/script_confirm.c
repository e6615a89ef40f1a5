/* Scripts on a peer before it is joined: the runner of call/runner.h (connect.md §9). */
#include <errno.h>
#include <stdlib.h>

#include "base/arena.h"
#include "dialect/script_impl.h"
#include "dialect/swml_confirm.h"

struct run {
	struct script *script;
	bool is_inline, is_over;
	enum run_outcome outcome;
	char why[160];
	void (*done)(void *arg, const struct run_result *r);
	void *arg;
};

/* It does nothing more, is told nothing more, and goes as soon as its op lets it. */
static void give_up(struct script *s)
{
	script_wait_for_end(s);
	s->closed = true;
	if (s->op)
		op_stop(s->op);
	else
		script_free(s);
}

static void tell(const struct run *r, enum run_outcome outcome)
{
	const struct run_result result = { .outcome = outcome, .why = r->why };

	r->done(r->arg, &result);
}

static void closed(void *arg, struct call *c)
{
	struct script *s = arg;
	const struct run r = *s->run;

	script_wait_for_end(s);
	s->closed = true;
	if (!s->op) /* else its done() comes, and is the last */
		script_free(s);
	tell(&r, RUN_GONE);
}

static const struct call_controller controller = { .closed = closed };

static void report(void *arg)
{
	struct script *s = arg;
	const struct run r = *s->run;

	call_control(s->call, NULL, NULL);
	give_up(s);
	tell(&r, r.outcome);
}

void script_run_over(struct script *s, enum run_outcome outcome, const char *why)
{
	struct run *r = s->run;

	if (r->is_over)
		return; /* what it came to first counts */
	r->is_over = true;
	r->outcome = outcome;
	str_copy(r->why, sizeof(r->why), str_of(why));
	script_wait_for_end(s);
	loop_timer_start(s->loop, &s->turn, 0, report, s);
}

bool script_run_allows(struct script *s, const struct swml_step *st)
{
	if (swml_confirm_allows(st->method, s->run->is_inline))
		return true;
	script_warn(s, "method_execute_failed", st->at, "the method %s is not allowed in a confirm", st->method->name);
	script_fail(s, "a method that is not allowed in a confirm");
	return false;
}

/* The steps as a document of their own, with the places they have in theirs. 0 or ENOMEM. */
static int wrap(struct document **out, const struct doc *methods)
{
	struct arena *a = NULL;
	struct doc *root, *sections, *main;
	int err = arena_new(&a, 0, 0);

	if (err)
		return err;
	root = doc_new(a, DOC_MAP);
	sections = doc_new(a, DOC_MAP);
	main = doc_copy(a, methods);
	if (root && sections && main) {
		main->key = STR("main");
		main->next = NULL;
		sections->key = STR("sections");
		doc_append(sections, main);
		doc_append(root, sections);
		err = document_new(out, &a, root, "confirm");
	} else {
		err = ENOMEM;
	}
	if (err)
		arena_free(&a);
	return err;
}

/* A script with variables of its own, and the environment of the one that connects. */
static int make(struct script **out, const struct script *parent, const struct run_ask *ask)
{
	struct script_env env = parent->env;
	struct script_start how = { .location = ask->url, .envs = parent->env.envs };
	int err = ask->methods ? wrap(&how.document, ask->methods) : 0;

	env.envs = NULL; /* the parent may go first: they are copied */
	if (!err)
		err = script_new(out, ask->call, &env, &how);
	if (how.document)
		document_drop(how.document);
	return err;
}

static int start(void *arg, struct run **out, const struct run_ask *ask)
{
	struct run *r = calloc(1, sizeof(*r));
	struct script *s;
	int err = r ? make(&s, arg, ask) : ENOMEM;

	if (err) {
		free(r);
		return err;
	}
	*r = (struct run){ .script = s, .is_inline = ask->methods, .done = ask->done, .arg = ask->arg };
	s->run = r;
	err = script_begin(s);
	if (err) {
		script_free(s);
		return err;
	}
	call_control(ask->call, &controller, s);
	*out = r;
	return 0;
}

static void stop(struct run *r)
{
	struct script *s = r->script;

	call_control(s->call, NULL, NULL);
	give_up(s);
}

struct runner script_runner(struct script *s)
{
	return (struct runner){ start, stop, s };
}

/* vars: the variables of one running script, and ${…} and %{…} in its texts.
 *
 * The store holds vars.*; envs.*, params.* and call.* are borrowed from their owners. Nothing in here knows calls or
 * documents' methods. Values handed out are borrowed until the next vars_set() or vars_unset(). Thread: signal. */
#ifndef VARS_H
#define VARS_H

#include "base/doc.h"

struct arena;
struct vars;

enum {
	VARS_MAX_BYTES = 1 << 20, /* of all variables, as they lie in memory */
	VARS_EXPRESSION_WORK =
		1 << 16, /* what an expression counts that has used its whole budget, about a millisecond */
	VARS_STEP_WORK = 4 * VARS_EXPRESSION_WORK
};

struct vars_source {
	const char *const *envs; /* name, value, name, value, NULL; NULL = none */
	/* A field of call.*, made in the arena; an absent name asks for all of them as a map. NULL = there is none. */
	const struct doc *(*call)(void *arg, struct arena *a, struct str name);
	/* A variable was set; value NULL = unset. May be NULL. */
	void (*changed)(void *arg, struct str name, const struct doc *value);
	uint64_t (*wall_ms)(void *arg); /* since 1970; NULL = expressions have no clock */
	uint64_t (*random)(void *arg);  /* 64 bits; NULL = expressions have no random numbers */
	void *arg;
};

/* What went wrong in an expression; the first of several. Its value is then empty. */
struct vars_note {
	bool set;
	uint32_t col; /* 1-based byte of the text looked at */
	char message[160];
};

/* *src is copied, what it points to is borrowed. 0 or ENOMEM. */
int vars_new(struct vars **out, const struct vars_source *src);
void vars_free(struct vars **v);
/* Copies the value. "vars." before the name is dropped. 0, ENOMEM, EFBIG (over VARS_MAX_BYTES; the old value stays),
 * EINVAL (empty name, or one of a read-only scope). */
int vars_set(struct vars *v, struct str name, const struct doc *value);
int vars_set_text(struct vars *v, const char *name, struct str text);
void vars_unset(struct vars *v, struct str name);
/* What params.* means from now on; borrowed, NULL = nothing. */
void vars_params(struct vars *v, const struct doc *params);

/* The value of a path or expression (without ${}). NULL = undefined or failed. */
const struct doc *vars_eval(struct vars *v, struct arena *a, struct str text, struct vars_note *note);
/* Is the condition of a cond or goto true? ${…} in it is put in first. */
bool vars_when(struct vars *v, struct arena *a, struct str text, struct vars_note *note);
/* d with all references replaced, in lists and maps too; d itself when it has none. A text that is one reference
 * becomes its value with its type (unset: the empty string). NULL on no memory. */
const struct doc *vars_expand(struct vars *v, struct arena *a, const struct doc *d, struct vars_note *note);
/* As it appears inside a text: lists and maps as JSON, NULL as nothing. Absent on no memory. */
struct str vars_text(struct arena *a, const struct doc *d);
/* A step begins: what its expressions may take together (VARS_STEP_WORK) is counted from here. Before the first one
 * there is no limit. */
void vars_begin_step(struct vars *v);
/* Work done so far, in bytes looked at or made: how a script knows when to give way. */
uint64_t vars_work(const struct vars *v);

/* Does the value, or anything in it, hold a reference? */
bool vars_referenced(const struct doc *d);
/* The next reference in text from *at: its body in *body, *at behind it, *from at its first byte. Braces inside
 * are matched, those in quotes and templates are not counted. False when there is none. */
bool vars_next(struct str text, size_t *at, size_t *from, struct str *body);

#endif

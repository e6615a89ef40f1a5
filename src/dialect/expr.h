/* expr: the expressions of documents: ${a + 1}, when: "result == 'connected'".
 *
 * The part of JavaScript that computes: literals, templates, look-ups, all operators without effects, methods of
 * strings, lists and numbers with arrow callbacks, Math, JSON, Object, and the functions around them; docs/swml.md has
 * the list. What changes, defines, loops or waits is a precise error, and so are regular expressions. Looking up what
 * is not there gives undefined, never an error. Limits: 1,023 characters, EXPR_MAX_STEPS, 64 levels, 1 MiB made; each
 * is checked before the work, so that an expression holds its thread for about a millisecond at most. Pure: clock and
 * random numbers are given. Thread: any. */
#ifndef EXPR_H
#define EXPR_H

#include "base/doc.h"

struct arena;

enum { EXPR_MAX_STEPS = 20000 };

struct expr_scope {
	/* The value of name in scope: "vars", "envs", "call", "params"; an absent scope is an unprefixed name. An
	 * absent name asks for the whole scope. NULL = undefined. */
	const struct doc *(*lookup)(void *arg, struct str scope, struct str name);
	uint64_t (*wall_ms)(void *arg); /* for Date.now(), since 1970; NULL = there is no clock */
	uint64_t (*random)(void *arg);  /* for Math.random(), 64 random bits; NULL = there is none */
	void *arg;
	uint32_t lookup_steps; /* what a look-up costs of the budget */
};

struct expr_problem {
	uint32_t col; /* 1-based byte of the text */
	char message[160];
	uint32_t steps; /* used, by expr_eval(), whatever came of it */
};

/* *out is NULL for undefined; it borrows from scope and lives in the arena. Returns 0, EINVAL with *problem filled,
 * or ENOMEM. */
int expr_eval(struct arena *a, const struct doc **out, struct str text, const struct expr_scope *scope,
	      struct expr_problem *problem);
/* Is it an expression? Nothing is looked up or computed. Returns as above. */
int expr_check(struct str text, struct expr_problem *problem);
/* "vars", "envs", "call" or "params". */
bool expr_is_scope(struct str name);
/* JavaScript's idea of true; NULL is undefined. */
bool expr_true(const struct doc *value);
bool expr_name_start(char c);
bool expr_name_char(char c);

#endif

/* expr: the expressions of documents: ${a + 1}, when: "result == 'connected'".
 *
 * This version: literals, look-ups with dots and brackets, .length, comparison, && || !, parentheses, + - * / %,
 * unary - and +, ?:, with JavaScript's coercions. Everything else of the language is a precise error. Limits: 1,023
 * characters, 10,000 steps, 64 levels, 1 MiB of text made. Looking up what is not there gives undefined, never an
 * error. Pure. Thread: any. */
#ifndef EXPR_H
#define EXPR_H

#include "base/doc.h"

struct arena;

struct expr_scope {
	/* The value of name in scope: "vars", "envs", "call", "params"; an absent scope is an unprefixed name. An
	 * absent name asks for the whole scope. NULL = undefined. */
	const struct doc *(*lookup)(void *arg, struct str scope, struct str name);
	void *arg;
};

struct expr_problem {
	uint32_t col; /* 1-based byte of the text */
	char message[120];
};

/* *out is NULL for undefined; it borrows from scope and lives in the arena. Returns 0, EINVAL with *problem filled,
 * or ENOMEM. */
int expr_eval(struct arena *a, const struct doc **out, struct str text, const struct expr_scope *scope,
	      struct expr_problem *problem);
/* Is it an expression of this version? Nothing is looked up. Returns as above. */
int expr_check(struct str text, struct expr_problem *problem);
/* "vars", "envs", "call" or "params". */
bool expr_is_scope(struct str name);
/* JavaScript's idea of true; NULL is undefined. */
bool expr_true(const struct doc *value);
bool expr_name_start(char c);
bool expr_name_char(char c);

#endif

/* expr_impl: what the files of the expression language share. Private to expr*.c.
 *
 * expr_parse.c makes a tree of nodes, expr_run.c walks it; functions and methods stand in tables, one file a type. */
#ifndef EXPR_IMPL_H
#define EXPR_IMPL_H

#include "dialect/expr.h"
#include "dialect/expr_value.h"

enum {
	EXPR_MAX_CHARS = 1023,
	EXPR_MAX_NESTED = 64,
	EXPR_MAX_SLOTS = 32, /* parameters of callbacks in callbacks */
	EXPR_MAX_BYTES = 1 << 20
};

enum expr_op {
	OP_NULLISH,
	OP_OR,
	OP_AND,
	OP_BIT_OR,
	OP_BIT_XOR,
	OP_BIT_AND,
	OP_EQ,
	OP_NE,
	OP_SAME,
	OP_DIFFERENT,
	OP_LT,
	OP_LE,
	OP_GT,
	OP_GE,
	OP_IN,
	OP_LEFT,
	OP_RIGHT,
	OP_RIGHT_ZERO,
	OP_ADD,
	OP_SUB,
	OP_MUL,
	OP_DIV,
	OP_MOD,
	OP_POW,
	/* one operand */
	OP_NOT,
	OP_BIT_NOT,
	OP_MINUS,
	OP_PLUS,
	OP_TYPEOF,
	OP_VOID,
	OP_NONE /* JavaScript has it, we do not */
};

enum node_type {
	NODE_VALUE,
	NODE_LOOKUP,   /* scope, name; value = found, after the first time */
	NODE_SLOT,     /* slot: parameter of a callback */
	NODE_MEMBER,   /* a.name, optional: a?.name */
	NODE_INDEX,    /* a[b] */
	NODE_METHOD,   /* a.name(list) */
	NODE_CALL,     /* global(list) */
	NODE_CHAIN,    /* a: where ?. ends */
	NODE_UNARY,    /* op a */
	NODE_BINARY,   /* a op b */
	NODE_SHORT,    /* a op b, which looks at b only when it has to: ?? || && */
	NODE_TERNARY,  /* a ? b : c */
	NODE_COMMA,    /* a, b */
	NODE_LIST,     /* [list] */
	NODE_MAP,      /* list of NODE_PAIR and NODE_SPREAD */
	NODE_PAIR,     /* a: key, b: value */
	NODE_SPREAD,   /* ...a */
	NODE_TEMPLATE, /* list */
	NODE_ARROW,    /* list: NODE_PARAM; a: body */
	NODE_FUNCTION, /* global, as a callback */
	NODE_PARAM     /* slot; list: what is taken out of it, by place or by name */
};

enum method_kind { METHOD_STRING, METHOD_LIST, METHOD_NUMBER, METHOD_BOOL, METHOD_MAP, METHOD_KINDS };

struct node {
	enum node_type type;
	enum expr_op op;
	uint32_t at; /* byte of the text */
	uint32_t slot;
	bool optional, found, in_parentheses, spreads;
	struct str scope, name;
	struct node *a, *b, *c;
	struct node *list, *next;
	uint32_t count; /* of list */
	const struct method *methods[METHOD_KINDS];
	const struct global *global;
	struct value value;
};

/* One evaluation. work.fault is WORK_SAID when problem is filled. */
struct machine {
	struct work w;
	const struct expr_scope *scope;
	struct expr_problem *problem;
	bool cut; /* a ?. found nothing: up to the NODE_CHAIN */
	struct value slots[EXPR_MAX_SLOTS];
};

struct args {
	const struct value *v;
	size_t n;
	struct node *callback; /* instead of v[0], NULL = none */
	uint32_t at;
};

struct method {
	struct str name;
	struct value (*run)(struct machine *m, const struct value *self, const struct args *args);
	bool callback;
};

/* parseInt, Math.floor, Math.PI. Exactly one of run, math, is_constant. */
struct global {
	struct str space; /* "Math", absent = none */
	struct str name;
	struct value (*run)(struct machine *m, const struct args *args);
	double (*math)(double n);
	bool is_constant;
	double constant;
	bool callback; /* as second argument */
};

/* --- expr.c --- */

/* The first one counts. Gives undefined. */
struct value expr_fail(struct machine *m, uint32_t at, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* --- expr_parse.c --- */

/* NULL after an error. */
struct node *expr_parse(struct machine *m, struct str text);

/* --- expr_run.c --- */

struct value expr_run(struct machine *m, struct node *n);
/* Call args->callback. */
struct value expr_call_back(struct machine *m, const struct args *args, const struct value *v, size_t n);
/* Argument i, undefined when there are not so many. */
const struct value *expr_arg(const struct args *args, size_t i);
/* What a list, a text or a map gives element by element (spread, Array.from); NULL after an error. */
struct value expr_elements(struct machine *m, const struct value *v, uint32_t at);
/* Of a negative number: from the end; kept within 0..length. */
size_t expr_place(struct machine *m, const struct value *v, size_t length, size_t otherwise);

/* --- expr_op.c --- */

struct value expr_unary(struct machine *m, enum expr_op op, const struct value *v);
struct value expr_binary(struct machine *m, const struct node *at, const struct value *a, const struct value *b);
struct value expr_member(struct machine *m, const struct node *at, const struct value *v, struct str name);
struct value expr_index(struct machine *m, const struct node *at, const struct value *v, const struct value *index);
double expr_power(double a, double b);

/* --- expr_table.c --- */

/* NULL = no type has such a method. */
bool expr_find_methods(const struct method *found[METHOD_KINDS], struct str name);
const struct global *expr_find_global(struct str space, struct str name);
bool expr_is_space(struct str name); /* Math, JSON, … */
/* The nearest name, or NULL. */
const char *expr_nearest_method(struct str name);
const char *expr_nearest_global(struct str space, struct str name);

/* --- tables: ended by an absent name --- */

extern const struct method expr_string_methods[]; /* expr_string.c */
extern const struct method expr_search_methods[]; /* expr_search.c: of strings as well */
extern const struct method expr_list_methods[];   /* expr_list.c */
extern const struct method expr_each_methods[];   /* expr_each.c: of lists, with callbacks */
extern const struct method expr_number_methods[]; /* expr_math.c */
extern const struct method expr_bool_methods[];
extern const struct method expr_map_methods[];
extern const struct global expr_math_globals[];   /* expr_math.c */
extern const struct global expr_json_globals[];   /* expr_json.c */
extern const struct global expr_uri_globals[];    /* expr_uri.c */
extern const struct global expr_object_globals[]; /* expr_object.c */

/* expr_sort.c: sort and toSorted */
struct value expr_sort(struct machine *m, const struct value *self, const struct args *args);

#endif

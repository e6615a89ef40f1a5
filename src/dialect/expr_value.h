/* expr_value: the values of expressions and JavaScript's conversions between them.
 *
 * Values are never changed once they are made; they borrow texts and trees of the document, and what is made new lives
 * in the arena of the work. A list or map of a document is taken apart when it is first looked into, one level at a
 * time. All memory and all loops are paid for from one budget before they happen. Not the language itself: that is
 * expr_parse.c and expr_run.c. Pure. Thread: any. Source: ECMA-262 §7.1 (conversions), §7.2 (comparison). */
#ifndef EXPR_VALUE_H
#define EXPR_VALUE_H

#include "base/doc.h"

enum value_type { VALUE_UNDEFINED, VALUE_NULL, VALUE_BOOL, VALUE_NUMBER, VALUE_STRING, VALUE_LIST, VALUE_MAP };

struct value {
	enum value_type type;
	union {
		bool boolean;
		double number;
		struct value_list *list;
		struct value_map *map;
	};
	struct str text; /* STRING; NUMBER of a document: as written there, else absent */
};

struct value_list {
	const struct doc *tree; /* of a document, NULL = made here */
	struct value *items;    /* NULL until value_items() */
	uint32_t count;
};

struct value_member {
	struct str key;
	struct value value;
};

struct value_map {
	const struct doc *tree;
	struct value_member *members; /* NULL until value_members(); in JavaScript's order: whole numbers first */
	uint32_t count, room;
	uint32_t numbered; /* members at the front whose keys are whole numbers */
};

enum work_fault { WORK_FINE, WORK_NO_MEMORY, WORK_STEPS, WORK_BYTES, WORK_DEPTH, WORK_SAID };

/* The budget of one expression. After the first fault nothing is made any more: functions give undefined, an absent
 * text, NULL or 0, and the caller looks at fault before it believes them. */
struct work {
	struct arena *arena;
	size_t steps_left; /* a step is some ten nanoseconds of anything */
	size_t bytes_left;
	unsigned depth; /* of values in values, while one is walked through */
	enum work_fault fault;
};

enum { WORK_MAX_DEPTH = 64, WORK_BYTES_A_STEP = 128, WORK_SCANNED_A_STEP = 64 };

void work_fail(struct work *w, enum work_fault fault);
/* Pay for steps; false when the budget is over or was before. */
bool work_spend(struct work *w, size_t steps);
/* Pay for looking at n bytes. */
bool work_scan(struct work *w, size_t n);
void *work_alloc(struct work *w, size_t bytes);
/* One level deeper; false = too deep. Every true is followed by --depth. */
bool work_enter(struct work *w);

/* A text that grows. The halves of a surrogate pair become one character where they meet. */
struct maker {
	struct work *w;
	char *p;
	size_t n, room;
};

void maker_room(struct maker *m, size_t bytes); /* so many more, without growing */
void maker_text(struct maker *m, struct str s);
void maker_char(struct maker *m, char c);
struct str maker_view(const struct maker *m); /* "" when nothing came; absent after a fault */

/* NULL gives undefined. */
struct value value_of(struct work *w, const struct doc *d);
struct value value_bool(bool b);
struct value value_number(double n);
struct value value_string(struct str s);
struct value value_null(void);
struct value value_undefined(void);
/* A list of count undefined items, for its maker to fill. items is NULL after a fault. */
struct value value_new_list(struct work *w, size_t count);
struct value value_new_map(struct work *w);
/* Of the map that is being made: a member more, or another value of it. */
void value_put(struct work *w, struct value_map *map, struct str key, struct value v);
/* NULL after a fault or when there are none. */
const struct value *value_items(struct work *w, struct value_list *list);
const struct value_member *value_members(struct work *w, struct value_map *map);
/* NULL = no such member. */
const struct value *value_member(struct work *w, struct value_map *map, struct str key);
/* *out is NULL for undefined. What JSON does not know (undefined in a list) becomes null, members without a value
 * are left out, and half of a surrogate pair becomes U+FFFD. */
void value_doc(struct work *w, const struct doc **out, const struct value *v);

bool value_is_tree(const struct value *v); /* list or map */
bool value_nothing(const struct value *v); /* undefined or null */
bool value_true(const struct value *v);
double value_to_number(struct work *w, const struct value *v);
/* ToIntegerOrInfinity: NaN is 0. */
double value_to_integer(struct work *w, const struct value *v);
uint32_t value_to_uint32(struct work *w, const struct value *v);
/* Absent after a fault. */
struct str value_to_text(struct work *w, const struct value *v);
/* Lists and maps become their texts, the rest stays. */
struct value value_primitive(struct work *w, const struct value *v);
struct str value_join(struct work *w, struct value_list *list, struct str between);
bool value_strict_equal(struct work *w, const struct value *a, const struct value *b);
bool value_loose_equal(struct work *w, const struct value *a, const struct value *b);
/* -1, 0, 1; 2 = not comparable (NaN). */
int value_compare(struct work *w, const struct value *a, const struct value *b);
/* Number as JavaScript prints it: "5", "0.1", "1e+21", "NaN". */
void value_number_text(char out[40], double n);
/* What that costs: far from 1 the library computes with hundreds of digits. */
size_t value_number_steps(double n);
double value_text_number(struct work *w, struct str s);

#endif

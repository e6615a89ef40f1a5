/* expr_value: the values of expressions and JavaScript's conversions between them.
 *
 * A value borrows its text and its tree; what is made new lives in the arena given. Not the language itself: that
 * is expr.c. Pure. Thread: any. Source: ECMA-262 §7.1 (ToNumber, ToString), §7.2 (comparison). */
#ifndef EXPR_VALUE_H
#define EXPR_VALUE_H

#include "base/doc.h"

enum value_type { VALUE_UNDEFINED, VALUE_NULL, VALUE_BOOL, VALUE_NUMBER, VALUE_STRING, VALUE_TREE };

struct value {
	enum value_type type;
	bool boolean;
	double number;
	struct str text;        /* STRING; NUMBER of a document: as written there, else absent */
	const struct doc *tree; /* TREE: a list or a map */
};

/* NULL gives undefined. */
struct value value_of(const struct doc *d);
struct value value_bool(bool b);
struct value value_number(double n);
struct value value_string(struct str s);
/* *out is NULL for undefined. 0 or ENOMEM. */
int value_doc(struct arena *a, const struct doc **out, const struct value *v);

bool value_true(const struct value *v);
double value_to_number(struct arena *a, const struct value *v);
/* Absent on no memory. */
struct str value_to_text(struct arena *a, const struct value *v);
bool value_strict_equal(const struct value *a, const struct value *b);
bool value_loose_equal(struct arena *ar, const struct value *a, const struct value *b);
/* -1, 0, 1; 2 = not comparable (NaN). */
int value_compare(struct arena *ar, const struct value *a, const struct value *b);
/* Number as JavaScript prints it: "5", "0.1", "1e+21", "NaN". */
void value_number_text(char out[40], double n);

#endif

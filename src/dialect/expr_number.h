/* expr_number: texts of numbers and numbers of texts, as JavaScript has them.
 *
 * All is paid for from the work; after a fault texts are absent. Pure. Thread: any. Source: ECMA-262 §21.1.3. */
#ifndef EXPR_NUMBER_H
#define EXPR_NUMBER_H

#include "dialect/expr_value.h"

/* 0..35, -1 = no digit. */
int number_digit(char c);
/* All of s in radix, NaN when something else is in it or nothing. */
double number_of_digits(struct str s, unsigned radix);
/* The decimal number that s begins with, sign and exponent too. Bytes taken, 0 = none (*out untouched). */
size_t number_decimal(struct work *w, struct str s, double *out);
/* n is finite; radix 2..36; digits 0..100 (precision: 1..100; exponential: -1 = as many as needed). */
struct str number_radix_text(struct work *w, double n, unsigned radix);
struct str number_fixed(struct work *w, double n, unsigned digits); /* |n| < 1e21 */
struct str number_exponential(struct work *w, double n, int digits);
struct str number_precision(struct work *w, double n, unsigned digits);

#endif

/* expr_text: JavaScript's texts on top of UTF-8.
 *
 * JavaScript counts 16-bit units; our texts are UTF-8. Half of a surrogate pair, which JavaScript can cut out, is kept
 * as the three bytes that UTF-8 would have for it (WTF-8) and never leaves an expression. Bytes that are no UTF-8 count
 * as U+FFFD each. Pure. Thread: any. */
#ifndef EXPR_TEXT_H
#define EXPR_TEXT_H

#include "dialect/expr_value.h"

/* Bytes of the character at, which must be inside; *code is its number, U+FFFD for a byte that is none. */
size_t text_char(struct str s, size_t at, uint32_t *code);
/* 1..4 bytes into out; halves of pairs too. */
size_t text_encode(char out[4], uint32_t code);
bool text_is_ascii(struct str s);
/* In units; paid for. */
size_t text_units(struct work *w, struct str s);
/* The units from..to (to >= from, both within). Borrowed but where it cuts a pair. */
struct str text_slice(struct work *w, struct str s, size_t from, size_t to);
/* The unit at; at must be within. */
uint32_t text_unit(struct work *w, struct str s, size_t at);
/* Byte where unit at begins (within a pair: that of the pair). */
size_t text_offset(struct work *w, struct str s, size_t at);
/* Byte of the first needle at or behind byte from; -1 = none. */
long text_find(struct work *w, struct str s, struct str needle, size_t from);
long text_find_last(struct work *w, struct str s, struct str needle, size_t from);
/* By 16-bit units: -1, 0, 1. */
int text_compare(struct work *w, struct str a, struct str b);
/* ECMA-262 WhiteSpace and LineTerminator */
bool text_is_space(uint32_t code);
struct str text_trim(struct str s, bool front, bool back);
/* The same without halves of pairs: these become U+FFFD. */
struct str text_whole(struct work *w, struct str s);
/* The surrogate pair that ends a and begins b, 0 = none. */
uint32_t text_pair(struct str a, struct str b);

#endif

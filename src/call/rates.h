/* rates: what a trunk asks for a minute, by the beginning of the number. A sorted table, immutable once read.
 *
 * Prices are USD * 10,000 a minute. The file has one "prefix,price" a line; prefixes are digits, with or without +.
 * Pure, allocates nothing. Thread: any. Source: PRODUCT §3, connect.md §3.4. */
#ifndef RATES_H
#define RATES_H

#include "base/str.h"

enum { RATES_PRICE_UNIT = 10000 }; /* of one USD */

struct rate {
	uint64_t key;   /* the digits as a number with a 1 in front */
	uint32_t price; /* USD * 10,000 */
	uint32_t line;
};

struct rates {
	struct rate *rows;
	size_t count;
};

struct rates_fault {
	uint32_t line;
	const char *why; /* static */
};

/* The most rows that text can give. */
size_t rates_room(struct str text);
/* Read text into rows, which has room for rates_room(text). Empty lines, lines that begin with # and a first line
 * of names are skipped. 0 or EINVAL with the first fault. */
int rates_read(struct rates *out, struct rate *rows, struct str text, struct rates_fault *fault);
/* The price of a number as route_number() gives it: longest prefix; a short number without + needs a row of exactly
 * these digits. False = not in the table. */
bool rates_find(const struct rates *r, const char *number, uint32_t *price);

#endif

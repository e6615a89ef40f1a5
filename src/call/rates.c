#include "call/rates.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DIGITS = 18, MAX_DOLLARS = 400000, DECIMALS = 4 };

size_t rates_room(struct str text)
{
	size_t n = 1;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '\n';
	return n;
}

/* Digits as a number with a 1 in front, so that 0 and 00 differ. 0 = no digits, or too many. */
static uint64_t key_of(struct str digits)
{
	uint64_t key = 1;

	if (!digits.n || digits.n > MAX_DIGITS)
		return 0;
	for (size_t i = 0; i < digits.n; i++) {
		if (digits.p[i] < '0' || digits.p[i] > '9')
			return 0;
		key = key * 10 + (uint64_t)(digits.p[i] - '0');
	}
	return key;
}

static struct str unquote(struct str s)
{
	s = str_trim(s);
	if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
		return str_trim((struct str){ s.p + 1, s.n - 2 });
	return s;
}

/* "0.0125" as 125. Further zeros are no harm, other digits there would be lost. */
static const char *read_price(struct str text, uint32_t *out)
{
	struct str rest = text, whole = { NULL, 0 };
	uint32_t dollars, part = 0;

	str_split(&rest, '.', &whole);
	if (str_u32(whole, &dollars) || (rest.p && !rest.n))
		return "the price must be USD like 0.0125";
	if (dollars > MAX_DOLLARS)
		return "no minute costs that much";
	for (size_t i = 0; i < rest.n || i < DECIMALS; i++) {
		char c = i < rest.n ? rest.p[i] : '0';

		if (c < '0' || c > '9')
			return "the price must be USD like 0.0125";
		if (i >= DECIMALS && c != '0')
			return "a price has at most 4 decimals";
		if (i < DECIMALS)
			part = part * 10 + (uint32_t)(c - '0');
	}
	*out = dollars * RATES_PRICE_UNIT + part;
	return NULL;
}

static const char *read_row(struct str line, struct rate *out)
{
	struct str prefix = { NULL, 0 };

	str_split(&line, ',', &prefix);
	if (!line.p || str_chr(line, ',') >= 0)
		return "must be prefix,price_per_minute";
	prefix = unquote(prefix);
	if (str_starts(prefix, "+"))
		prefix = str_from(prefix, 1);
	out->key = key_of(prefix);
	if (!out->key)
		return "the prefix must be 1 to 18 digits";
	return read_price(unquote(line), &out->price);
}

static int by_key(const void *a, const void *b)
{
	const struct rate *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->line < y->line ? -1 : x->line > y->line;
}

static const char *find_double(const struct rates *r, uint32_t *line)
{
	for (size_t i = 1; i < r->count; i++) {
		*line = r->rows[i].line;
		if (r->rows[i].key == r->rows[i - 1].key && r->rows[i].price != r->rows[i - 1].price)
			return "the prefix has another price above";
	}
	return NULL;
}

int rates_read(struct rates *out, struct rate *rows, struct str text, struct rates_fault *fault)
{
	struct rates r = { .rows = rows };
	struct str line;

	if (str_starts(text, "\xef\xbb\xbf"))
		text = str_from(text, 3);
	for (fault->line = 1, fault->why = NULL; str_split(&text, '\n', &line); fault->line++) {
		line = str_trim(line);
		if (!line.n || line.p[0] == '#')
			continue;
		if (fault->line == 1 && (str_istarts(line, "prefix") || str_istarts(line, "\"prefix")))
			continue;
		fault->why = read_row(line, &rows[r.count]);
		if (fault->why)
			return EINVAL;
		rows[r.count++].line = fault->line;
	}
	if (r.count)
		qsort(rows, r.count, sizeof(*rows), by_key);
	fault->why = find_double(&r, &fault->line);
	if (fault->why)
		return EINVAL;
	*out = r;
	return 0;
}

static const struct rate *find(const struct rates *r, uint64_t key)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (r->rows[mid].key < key)
			low = mid + 1;
		else
			high = mid;
	}
	return low < r->count && r->rows[low].key == key ? &r->rows[low] : NULL;
}

bool rates_find(const struct rates *r, const char *number, uint32_t *price)
{
	bool whole = number[0] != '+';
	struct str digits = str_from(str_of(number), whole ? 0 : 1);
	const struct rate *found = NULL;

	for (size_t n = digits.n > MAX_DIGITS && !whole ? MAX_DIGITS : digits.n; n && !found; n--) {
		found = find(r, key_of(str_head(digits, n)));
		if (whole)
			break;
	}
	if (found)
		*price = found->price;
	return found != NULL;
}

#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

enum { DISTANCE_MAX = 63, BUF_FIRST_BYTES = 256 };

static unsigned char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : (unsigned char)c;
}

bool str_folded_eq(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (a[i] != b[i] && lower(a[i]) != lower(b[i]))
			return false;
	return true;
}

bool str_starts(struct str s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.n >= n && (!n || !memcmp(s.p, prefix, n));
}

bool str_istarts(struct str s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.n >= n && str_folded_eq(s.p, prefix, n);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
	while (s.n && is_space(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

struct str str_from(struct str s, size_t at)
{
	if (!s.p)
		return s;
	if (at > s.n)
		at = s.n;
	return (struct str){ s.p + at, s.n - at };
}

struct str str_head(struct str s, size_t n)
{
	return (struct str){ s.p, n < s.n ? n : s.n };
}

long str_chr(struct str s, char c)
{
	const char *at = s.n ? memchr(s.p, c, s.n) : NULL;

	return at ? (long)(at - s.p) : -1;
}

bool str_split(struct str *rest, char c, struct str *part)
{
	long at;

	if (!rest->p)
		return false;
	at = str_chr(*rest, c);
	if (at < 0) {
		*part = *rest;
		*rest = (struct str){ NULL, 0 };
		return true;
	}
	*part = str_head(*rest, (size_t)at);
	*rest = str_from(*rest, (size_t)at + 1);
	return true;
}

int str_u64(struct str s, uint64_t *out)
{
	uint64_t v = 0;

	if (!s.n)
		return EINVAL;
	for (size_t i = 0; i < s.n; i++) {
		unsigned digit = (unsigned)((unsigned char)s.p[i] - '0');

		if (digit > 9 || __builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, digit, &v))
			return EINVAL;
	}
	*out = v;
	return 0;
}

int str_u32(struct str s, uint32_t *out)
{
	uint64_t v;

	if (str_u64(s, &v) || v > UINT32_MAX)
		return EINVAL;
	*out = (uint32_t)v;
	return 0;
}

/* Copy s to out, which has room for its bytes and a NUL; out may be NULL. */
static char *filled(char *out, struct str s)
{
	if (!out)
		return NULL;
	if (s.n)
		memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	return out;
}

char *str_dup(struct arena *a, struct str s)
{
	return s.p ? filled(arena_alloc(a, s.n + 1), s) : NULL;
}

char *str_heap(struct str s)
{
	return s.p ? filled(malloc(s.n + 1), s) : NULL;
}

void str_copy(char *out, size_t size, struct str s)
{
	if (size)
		filled(out, str_head(s, size - 1));
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (lower(c) >= 'a' && lower(c) <= 'f')
		return lower(c) - 'a' + 10;
	return -1;
}

struct str str_percent_decode(struct arena *a, struct str s)
{
	char *out = s.p ? arena_alloc(a, s.n + 1) : NULL;
	size_t n = 0;

	if (!out)
		return (struct str){ NULL, 0 };
	for (size_t i = 0; i < s.n; i++) {
		bool whole = s.p[i] == '%' && s.n - i > 2;
		int high = whole ? hex_value(s.p[i + 1]) : -1;
		int low = whole ? hex_value(s.p[i + 2]) : -1;

		if (high < 0 || low < 0) {
			out[n++] = s.p[i];
			continue;
		}
		out[n++] = (char)(high * 16 + low);
		i += 2;
	}
	out[n] = '\0';
	return (struct str){ out, n };
}

void str_uuid(char out[37], uint64_t hi, uint64_t lo)
{
	static const char digits[] = "0123456789abcdef";
	char *p = out;

	/* RFC 9562 5.4: version 4 and variant 10 stand in fixed places. */
	hi = (hi & ~0xf000ULL) | 0x4000ULL;
	lo = (lo & ~(3ULL << 62)) | (2ULL << 62);
	for (unsigned i = 0; i < 32; i++) {
		uint64_t half = i < 16 ? hi : lo;

		if (i == 8 || i == 12 || i == 16 || i == 20)
			*p++ = '-';
		*p++ = digits[(half >> (60 - 4 * (i % 16))) & 15];
	}
	*p = '\0';
}

static bool is_swapped(struct str a, struct str b, unsigned i, unsigned j)
{
	return i > 1 && j > 1 && lower(a.p[i - 1]) == lower(b.p[j - 2]) && lower(a.p[i - 2]) == lower(b.p[j - 1]);
}

unsigned str_distance(struct str a, struct str b)
{
	unsigned rows[3][DISTANCE_MAX + 1]; /* of i, of the letter before it, and of the one before that */

	if (a.n > DISTANCE_MAX || b.n > DISTANCE_MAX)
		return UINT32_MAX;
	for (unsigned j = 0; j <= b.n; j++)
		rows[0][j] = j;
	for (unsigned i = 1; i <= a.n; i++) {
		unsigned *row = rows[i % 3], *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];

		row[0] = i;
		for (unsigned j = 1; j <= b.n; j++) {
			unsigned best = before[j - 1] + (lower(a.p[i - 1]) != lower(b.p[j - 1]));

			if (before[j] + 1 < best)
				best = before[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (is_swapped(a, b, i, j) && earlier[j - 2] + 1 < best)
				best = earlier[j - 2] + 1;
			row[j] = best;
		}
	}
	return rows[a.n % 3][b.n];
}

const char *str_nearest(struct str s, const char *const *names, size_t n)
{
	unsigned best = s.n >= 6 ? (unsigned)(s.n / 3) : 1;
	const char *found = NULL;

	for (size_t i = 0; i < n; i++) {
		unsigned far = names[i] ? str_distance(s, str_of(names[i])) : UINT32_MAX;

		/* Of equally near names the first one wins. */
		if (far < best || (far == best && !found)) {
			best = far;
			found = names[i];
		}
	}
	return found;
}

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_free(struct buf *b)
{
	free(b->data);
	buf_init(b, b->max);
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data)
		b->data[0] = '\0';
}

/* Make room for n more bytes and a NUL. Returns how many fit; fewer than n sets failed. */
static size_t room(struct buf *b, size_t n)
{
	size_t cap = b->cap ? b->cap : BUF_FIRST_BYTES;
	char *data;

	if (b->failed)
		return 0;
	if (b->max && n > b->max - b->len) {
		b->failed = true;
		n = b->max - b->len;
	}
	if (n < b->cap - b->len)
		return n;
	if (n >= SIZE_MAX / 4 || b->len >= SIZE_MAX / 4) {
		b->failed = true;
		return 0;
	}
	while (cap <= b->len + n)
		cap *= 2;
	data = realloc(b->data, cap);
	if (!data) {
		b->failed = true;
		return 0;
	}
	b->data = data;
	b->cap = cap;
	data[b->len] = '\0';
	return n;
}

void buf_add(struct buf *b, const void *data, size_t n)
{
	n = n ? room(b, n) : 0;
	if (!n)
		return;
	memcpy(b->data + b->len, data, n);
	b->len += n;
	b->data[b->len] = '\0';
}

void buf_str(struct buf *b, struct str s)
{
	buf_add(b, s.p, s.n);
}

void buf_cstr(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_char(struct buf *b, char c)
{
	if (!room(b, 1))
		return;
	b->data[b->len++] = c;
	b->data[b->len] = '\0';
}

void buf_u32(struct buf *b, uint32_t v)
{
	buf_u64(b, v);
}

void buf_u64(struct buf *b, uint64_t v)
{
	char digits[20], *p = digits + sizeof(digits);

	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	buf_add(b, p, (size_t)(digits + sizeof(digits) - p));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	size_t spare = b->failed ? 0 : b->cap - b->len;
	va_list ap;
	size_t n, fits;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(spare ? b->data + b->len : NULL, spare, fmt, ap);
	va_end(ap);
	n = len > 0 ? (size_t)len : 0;
	fits = room(b, n);
	if (b->data && n >= spare && fits) {
		va_start(ap, fmt);
		vsnprintf(b->data + b->len, fits + 1, fmt, ap);
		va_end(ap);
	}
	b->len += fits;
	/* The first try may have written past what max allows. */
	if (b->data)
		b->data[b->len] = '\0';
}

/* Length of the UTF-8 sequence at p, 0 when it is none. */
static size_t utf8_length(const unsigned char *p, size_t n)
{
	/* RFC 3629: by the first byte, its length and what the second may be, without overlong forms, surrogates
	 * and code points over 10FFFF. */
	static const struct {
		unsigned char first, last, length, low, high;
	} rows[] = {
		{ 0x00, 0x7f, 1, 0, 0 },       { 0xc2, 0xdf, 2, 0x80, 0xbf }, { 0xe0, 0xe0, 3, 0xa0, 0xbf },
		{ 0xe1, 0xec, 3, 0x80, 0xbf }, { 0xed, 0xed, 3, 0x80, 0x9f }, { 0xee, 0xef, 3, 0x80, 0xbf },
		{ 0xf0, 0xf0, 4, 0x90, 0xbf }, { 0xf1, 0xf3, 4, 0x80, 0xbf }, { 0xf4, 0xf4, 4, 0x80, 0x8f },
	};
	size_t row = 0, length;

	while (row < ARRAY_LEN(rows) && (p[0] < rows[row].first || p[0] > rows[row].last))
		row++;
	length = row < ARRAY_LEN(rows) ? rows[row].length : 0;
	if (length > n || (length > 1 && (p[1] < rows[row].low || p[1] > rows[row].high)))
		return 0;
	for (size_t i = 2; i < length; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

bool str_is_utf8(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t len;

	for (size_t i = 0; i < s.n; i += len) {
		len = p[i] < 0x80 ? 1 : utf8_length(p + i, s.n - i);
		if (!len)
			return false;
	}
	return true;
}

static void json_escape(struct buf *b, unsigned char c)
{
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	const char *at = c ? strchr(from, c) : NULL;

	if (at) {
		buf_char(b, '\\');
		buf_char(b, to[at - from]);
	} else {
		buf_printf(b, "\\u%04x", c);
	}
}

/* Bytes from the front, by eights, that stand in JSON as they are: ASCII, no control characters, no quote, no backslash. */
static size_t plain_json(const unsigned char *p, size_t n)
{
	const uint64_t ones = 0x0101010101010101ULL, high = 0x8080808080808080ULL;
	size_t i;

	for (i = 0; i + sizeof(uint64_t) <= n; i += sizeof(uint64_t)) {
		uint64_t v, quote, backslash;

		memcpy(&v, p + i, sizeof(v));
		quote = v ^ ones * '"';
		backslash = v ^ ones * '\\';
		/* The high bit of a byte: it was there, the byte is below a space, or it has become 0. The first byte that is
		 * taken for such always is one. */
		if ((v | (v - ones * ' ') | (quote - ones) | (backslash - ones)) & high)
			break;
	}
	return i;
}

void buf_json(struct buf *b, struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t plain = 0; /* from here to i nothing needs an escape */

	buf_char(b, '"');
	for (size_t i = plain_json(p, s.n); i < s.n;) {
		size_t len = p[i] < 0x80 ? 1 : utf8_length(p + i, s.n - i);

		if (len && p[i] >= ' ' && p[i] != '"' && p[i] != '\\') {
			i += len;
			continue;
		}
		buf_add(b, s.p + plain, i - plain);
		if (len)
			json_escape(b, p[i]);
		else
			buf_cstr(b, "\xef\xbf\xbd");
		plain = ++i;
	}
	if (s.n)
		buf_add(b, s.p + plain, s.n - plain);
	buf_char(b, '"');
}

void buf_escaped(struct buf *b, struct str s)
{
	size_t plain = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] >= ' ' && s.p[i] <= '~')
			continue;
		buf_add(b, s.p + plain, i - plain);
		buf_printf(b, "\\x%02x", (unsigned char)s.p[i]);
		plain = i + 1;
	}
	if (s.n)
		buf_add(b, s.p + plain, s.n - plain);
}

struct str buf_view(const struct buf *b)
{
	return (struct str){ b->data ? b->data : "", b->len };
}

char *buf_steal(struct buf *b)
{
	char *data = NULL;

	if (!b->failed)
		data = b->data ? b->data : calloc(1, 1);
	if (data != b->data)
		free(b->data);
	buf_init(b, b->max);
	return data;
}

#include "dialect/expr_text.h"

#include <string.h>

static bool continues(struct str s, size_t at)
{
	return at < s.n && ((unsigned char)s.p[at] & 0xc0) == 0x80;
}

static uint32_t tail(struct str s, size_t at)
{
	return (unsigned char)s.p[at] & 0x3f;
}

/* The character of n bytes at, when its bytes go on as they should and it needs so many. */
static bool many(struct str s, size_t at, size_t n, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t made = (unsigned char)s.p[at] & (0x7fu >> n);

	for (size_t i = 1; i < n; i++) {
		if (!continues(s, at + i))
			return false;
		made = made << 6 | tail(s, at + i);
	}
	if (made < least[n] || made >= 0x110000)
		return false;
	*code = made;
	return true;
}

size_t text_char(struct str s, size_t at, uint32_t *code)
{
	unsigned char c = (unsigned char)s.p[at];
	size_t n = c < 0x80 ? 1 : c < 0xc0 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf8 ? 4 : 0;

	*code = c;
	if (n == 1 || (n && many(s, at, n, code)))
		return n;
	*code = 0xfffd;
	return 1;
}

size_t text_encode(char out[4], uint32_t code)
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

bool text_is_ascii(struct str s)
{
	uint64_t eight;
	size_t at = 0;

	for (; at + 8 <= s.n; at += 8) {
		memcpy(&eight, s.p + at, 8);
		if (eight & 0x8080808080808080u)
			return false;
	}
	for (; at < s.n; at++)
		if (s.p[at] & 0x80)
			return false;
	return true;
}

/* Is a unit a byte? What it takes to find places in s is paid for: eight bytes at once, or one after the other. */
static bool plain(struct work *w, struct str s)
{
	if (!work_scan(w, s.n / 8))
		return true;
	if (text_is_ascii(s))
		return true;
	work_spend(w, s.n / 8);
	return false;
}

size_t text_units(struct work *w, struct str s)
{
	size_t n = 0;
	uint32_t code;

	if (plain(w, s))
		return s.n;
	if (w->fault)
		return 0;
	for (size_t at = 0; at < s.n; n++) {
		at += text_char(s, at, &code);
		n += code >= 0x10000;
	}
	return n;
}

static uint32_t high_half(uint32_t code)
{
	return 0xd800 + ((code - 0x10000) >> 10);
}

static uint32_t low_half(uint32_t code)
{
	return 0xdc00 + ((code - 0x10000) & 0x3ff);
}

/* The byte where the unit begins; *half: it is the second of a pair, and the byte is that of the pair. */
static size_t seek(struct str s, size_t unit, bool *half)
{
	size_t at = 0, u = 0;
	uint32_t code;

	*half = false;
	while (u < unit && at < s.n) {
		size_t n = text_char(s, at, &code);

		if (code >= 0x10000 && u + 1 == unit) {
			*half = true;
			break;
		}
		at += n;
		u += code >= 0x10000 ? 2 : 1;
	}
	return at;
}

size_t text_offset(struct work *w, struct str s, size_t at)
{
	bool half;

	if (plain(w, s))
		return at < s.n ? at : s.n;
	return w->fault ? 0 : seek(s, at, &half);
}

uint32_t text_unit(struct work *w, struct str s, size_t at)
{
	uint32_t code;
	bool half;

	if (plain(w, s))
		return (unsigned char)s.p[at];
	if (w->fault)
		return 0;
	text_char(s, seek(s, at, &half), &code);
	if (code < 0x10000)
		return code;
	return half ? low_half(code) : high_half(code);
}

struct str text_slice(struct work *w, struct str s, size_t from, size_t to)
{
	struct maker m = { .w = w };
	char unit[4];
	uint32_t code;
	bool first, last;
	size_t start, end;

	if (plain(w, s))
		return (struct str){ s.p + from, to - from };
	if (from >= to || w->fault || !work_spend(w, s.n / 8))
		return STR("");
	start = seek(s, from, &first);
	end = seek(s, to, &last);
	if (!first && !last)
		return (struct str){ s.p + start, end - start };
	if (first) {
		start += text_char(s, start, &code);
		maker_text(&m, (struct str){ unit, text_encode(unit, low_half(code)) });
	}
	if (end > start)
		maker_text(&m, (struct str){ s.p + start, end - start });
	if (last && end >= start) {
		text_char(s, end, &code);
		maker_text(&m, (struct str){ unit, text_encode(unit, high_half(code)) });
	}
	return maker_view(&m);
}

long text_find(struct work *w, struct str s, struct str needle, size_t from)
{
	const char *found;

	if (from > s.n || !work_scan(w, s.n - from + needle.n))
		return -1;
	if (!needle.n)
		return (long)from;
	found = memmem(s.p + from, s.n - from, needle.p, needle.n);
	return found ? found - s.p : -1;
}

long text_find_last(struct work *w, struct str s, struct str needle, size_t from)
{
	if (needle.n > s.n || !work_scan(w, 2 * s.n))
		return -1;
	for (size_t at = from < s.n - needle.n ? from : s.n - needle.n;; at--) {
		if (!needle.n)
			return (long)at;
		/* Each place may cost a look at all of the needle. */
		if (s.p[at] == needle.p[0] && !work_scan(w, needle.n + WORK_SCANNED_A_STEP))
			return -1;
		if (s.p[at] == needle.p[0] && !memcmp(s.p + at, needle.p, needle.n))
			return (long)at;
		if (!at)
			return -1;
	}
}

/* The next unit of s, -1 at the end. *rest: second half that is still to come. */
static long next_unit(struct str s, size_t *at, uint32_t *rest)
{
	uint32_t code = *rest;

	*rest = 0;
	if (code)
		return (long)code;
	if (*at >= s.n)
		return -1;
	*at += text_char(s, *at, &code);
	if (code < 0x10000)
		return (long)code;
	*rest = low_half(code);
	return (long)high_half(code);
}

int text_compare(struct work *w, struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n, same = 0, x, y;
	uint32_t rest_a = 0, rest_b = 0;
	long ua, ub;

	if (!work_scan(w, 4 * n))
		return 0;
	if (n && !memcmp(a.p, b.p, n))
		same = n;
	else
		while (a.p[same] == b.p[same] && same < n)
			same++;
	while (same && (continues(a, same) || continues(b, same)))
		same--;
	x = y = same;
	do {
		ua = next_unit(a, &x, &rest_a);
		ub = next_unit(b, &y, &rest_b);
	} while (ua == ub && ua >= 0);
	return (ua > ub) - (ua < ub);
}

bool text_is_space(uint32_t code)
{
	return (code >= 9 && code <= 13) || code == ' ' || code == 0xa0 || code == 0x1680 ||
	       (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 || code == 0x202f ||
	       code == 0x205f || code == 0x3000 || code == 0xfeff;
}

struct str text_trim(struct str s, bool front, bool back)
{
	uint32_t code;
	size_t n, at;

	while (front && s.n && (n = text_char(s, 0, &code), text_is_space(code)))
		s = str_from(s, n);
	while (back && s.n) {
		for (at = s.n - 1; at && s.n - at < 3 && continues(s, at); at--)
			continue;
		if (text_char(s, at, &code) != s.n - at || !text_is_space(code))
			break;
		s.n = at;
	}
	return s;
}

struct str text_whole(struct work *w, struct str s)
{
	struct maker m = { .w = w };
	size_t done = 0, at = 0;
	const char *half;

	if (!work_scan(w, s.n / 8))
		return (struct str){ 0 };
	while (at + 2 < s.n && (half = memchr(s.p + at, 0xed, s.n - at - 2))) {
		at = (size_t)(half - s.p);
		if ((unsigned char)half[1] < 0xa0) {
			at++;
			continue;
		}
		maker_text(&m, (struct str){ s.p + done, at - done });
		maker_text(&m, STR("\xef\xbf\xbd"));
		at += 3;
		done = at;
	}
	if (!done)
		return s;
	maker_text(&m, str_from(s, done));
	return maker_view(&m);
}

/* The surrogate at, which has three bytes there; 0 = none. */
static uint32_t half_at(struct str s, size_t at)
{
	if ((unsigned char)s.p[at] != 0xed || (unsigned char)s.p[at + 1] < 0xa0 || !continues(s, at + 1) ||
	    !continues(s, at + 2))
		return 0;
	return 0xd000 | tail(s, at + 1) << 6 | tail(s, at + 2);
}

uint32_t text_pair(struct str a, struct str b)
{
	uint32_t high, low;

	if (a.n < 3 || b.n < 3 || (unsigned char)b.p[0] != 0xed)
		return 0;
	high = half_at(a, a.n - 3);
	low = half_at(b, 0);
	if (high < 0xd800 || high >= 0xdc00 || low < 0xdc00)
		return 0;
	return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

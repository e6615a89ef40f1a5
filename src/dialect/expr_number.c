/* Numbers and their texts: shortest form, fixed and given precision, any base. Source: ECMA-262 §6.1.6.1.20, §7.1.4.1,
 * §21.1.3. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dialect/expr_number.h"
#include "dialect/expr_text.h"

/* The shortest digits that read back as n > 0, without point; *exponent is that of the first digit. Up to 15 digits
 * survive every ordinary number, so that one try finds all that are not longer. */
static void shortest_digits(char digits[24], int *exponent, double n)
{
	const int first = n < 2.3e-308 ? 0 : 14;
	char text[40];
	size_t len = 0;

	for (int precision = first; precision <= 16; precision++) {
		snprintf(text, sizeof(text), "%.*e", precision, n);
		if (strtod(text, NULL) == n)
			break;
	}
	for (const char *c = text; *c && *c != 'e'; c++)
		if (*c != '.')
			digits[len++] = *c;
	while (len > 1 && digits[len - 1] == '0')
		len--;
	digits[len] = '\0';
	*exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
}

static void positive_text(char *out, size_t size, double n)
{
	char digits[24];
	int exponent, len, point;

	if (n == floor(n) && n < 9007199254740992.0) {
		snprintf(out, size, "%lld", (long long)n);
		return;
	}
	shortest_digits(digits, &exponent, n);
	len = (int)strlen(digits);
	point = exponent + 1; /* digits before the decimal point */
	if (len <= point && point <= 21)
		snprintf(out, size, "%s%.*s", digits, point - len, "000000000000000000000");
	else if (0 < point && point <= 21)
		snprintf(out, size, "%.*s.%s", point, digits, digits + point);
	else if (-6 < point && point <= 0)
		snprintf(out, size, "0.%.*s%s", -point, "000000", digits);
	else
		snprintf(out, size, "%c%s%se%+d", digits[0], len > 1 ? "." : "", digits + 1, exponent);
}

void value_number_text(char out[40], double n)
{
	const size_t size = 40;

	if (isnan(n)) {
		snprintf(out, size, "NaN");
	} else if (isinf(n)) {
		snprintf(out, size, n < 0 ? "-Infinity" : "Infinity");
	} else if (n < 0) {
		out[0] = '-';
		positive_text(out + 1, size - 1, -n);
	} else {
		positive_text(out, size, n);
	}
}

size_t value_number_steps(double n)
{
	const double size = fabs(n);

	if (n == floor(n) && size < 9007199254740992.0)
		return 2;
	return size > 1e-30 && size < 1e30 ? 32 : 300;
}

double number_of_digits(struct str s, unsigned radix)
{
	double n = 0;

	if (!s.n)
		return NAN;
	for (size_t i = 0; i < s.n; i++) {
		int digit = number_digit(s.p[i]);

		if (digit < 0 || (unsigned)digit >= radix)
			return NAN;
		n = n * radix + digit;
	}
	return n;
}

int number_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'Z' ? c - 'A' + 10 : -1;
}

static unsigned radix_of(struct str s)
{
	char c = s.n > 2 && s.p[0] == '0' ? s.p[1] : '\0';

	return c == 'x' || c == 'X' ? 16 : c == 'o' || c == 'O' ? 8 : c == 'b' || c == 'B' ? 2 : 0;
}

static size_t sign_at(struct str s, size_t at)
{
	return at < s.n && (s.p[at] == '+' || s.p[at] == '-');
}

/* How many digits stand at. */
static size_t digits_at(struct str s, size_t at)
{
	size_t n = at;

	while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
		n++;
	return n - at;
}

/* Bytes of the decimal number that s begins with, 0 = none. */
static size_t decimal_length(struct str s)
{
	size_t n = sign_at(s, 0), whole = digits_at(s, n), fraction = 0, e;

	n += whole;
	if (n < s.n && s.p[n] == '.') {
		fraction = digits_at(s, n + 1);
		n += 1 + fraction;
	}
	if (!whole && !fraction)
		return 0;
	if (n >= s.n || (s.p[n] != 'e' && s.p[n] != 'E'))
		return n;
	e = n + 1 + sign_at(s, n + 1);
	return digits_at(s, e) ? e + digits_at(s, e) : n;
}

size_t number_decimal(struct work *w, struct str s, double *out)
{
	struct maker m = { .w = w };
	size_t n = decimal_length(s);

	/* strtod() wants its end, and has more to do the more digits there are. */
	if (!n || !work_spend(w, 2 + n / 4))
		return 0;
	maker_text(&m, str_head(s, n));
	maker_char(&m, '\0');
	if (w->fault)
		return 0;
	*out = strtod(m.p, NULL);
	return n;
}

/* StringToNumber: blanks around; decimal, 0x, 0o, 0b, Infinity; anything else is NaN. */
double value_text_number(struct work *w, struct str s)
{
	double n = NAN;

	if (!s.p || !work_scan(w, s.n))
		return NAN;
	s = text_trim(s, true, true);
	if (!s.n)
		return 0;
	if (str_is(s, "Infinity") || str_is(s, "+Infinity"))
		return INFINITY;
	if (str_is(s, "-Infinity"))
		return -INFINITY;
	if (radix_of(s))
		return work_spend(w, s.n / 4) ? number_of_digits(str_from(s, 2), radix_of(s)) : NAN;
	return number_decimal(w, s, &n) == s.n ? n : NAN;
}

/* --- toString(radix): the digits that tell n from its neighbours --- */

/* Digits behind the point; true when they round up to the next whole number. */
static bool fraction_text(char *out, size_t *len, double n, double fraction, unsigned radix)
{
	static const char chars[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	double delta = fmax(0.5 * (nextafter(n, INFINITY) - n), 5e-324);

	if (fraction < delta)
		return false;
	do {
		unsigned digit;

		fraction *= radix;
		delta *= radix;
		digit = (unsigned)fraction;
		out[(*len)++] = chars[digit];
		fraction -= digit;
		if ((fraction > 0.5 || (fraction == 0.5 && digit % 2)) && fraction + delta > 1) {
			while (*len) {
				digit = (unsigned)number_digit(out[--*len]);
				if (digit + 1 < radix) {
					out[(*len)++] = chars[digit + 1];
					return false;
				}
			}
			return true;
		}
	} while (fraction >= delta);
	return false;
}

struct str number_radix_text(struct work *w, double n, unsigned radix)
{
	static const char chars[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	char fraction[1100], whole[1100];
	size_t len = 0, at = sizeof(whole);
	struct maker m = { .w = w };
	double integer = floor(fabs(n)), rest;

	if (!work_spend(w, 200))
		return (struct str){ 0 };
	if (fraction_text(fraction, &len, fabs(n), fabs(n) - integer, radix))
		integer++;
	for (; integer / radix >= 9007199254740992.0; integer /= radix)
		whole[--at] = '0';
	do {
		rest = fmod(integer, radix);
		whole[--at] = chars[(unsigned)rest];
		integer = (integer - rest) / radix;
	} while (integer > 0);
	if (n < 0)
		maker_char(&m, '-');
	maker_text(&m, (struct str){ whole + at, sizeof(whole) - at });
	if (len)
		maker_char(&m, '.');
	maker_text(&m, (struct str){ fraction, len });
	return maker_view(&m);
}

/* --- toFixed, toPrecision, toExponential --- */

/* Cut the digits of text (with or without point) behind the first keep of them, half goes up; what goes over the first
 * is told. printf() alone would take halves to the even side. */
static bool round_digits(char *text, size_t keep)
{
	size_t seen = 0, i = 0;
	bool up;

	for (; text[i] && seen < keep; i++)
		seen += text[i] != '.';
	if (text[i] == '.')
		i++;
	up = text[i] >= '5' && text[i] <= '9';
	for (size_t k = i; text[k]; k++)
		text[k] = '\0';
	while (up && i--) {
		if (text[i] == '.')
			continue;
		up = text[i] == '9';
		text[i] = up ? '0' : (char)(text[i] + 1);
	}
	return up;
}

enum { EXTRA_DIGITS = 40 }; /* enough to tell a half from what is near it */

struct str number_fixed(struct work *w, double n, unsigned digits)
{
	char text[400];
	struct maker m = { .w = w };
	size_t whole;
	bool over;

	if (!work_spend(w, 80 + 4 * value_number_steps(n)))
		return (struct str){ 0 };
	snprintf(text, sizeof(text), "%.*f", (int)digits + EXTRA_DIGITS, fabs(n));
	whole = strcspn(text, ".");
	over = round_digits(text, whole + digits);
	if (!digits)
		text[whole] = '\0';
	if (n < 0)
		maker_char(&m, '-');
	if (over)
		maker_char(&m, '1');
	maker_text(&m, str_of(text));
	return maker_view(&m);
}

/* digits of |n|, no point. */
static int precise_digits(char text[400], double n, unsigned digits)
{
	char *e;
	int exponent;

	snprintf(text, 400, "%.*e", (int)digits + EXTRA_DIGITS, fabs(n));
	e = strchr(text, 'e');
	exponent = (int)strtol(e + 1, NULL, 10);
	*e = '\0';
	if (text[1] == '.')
		memmove(text + 1, text + 2, strlen(text + 2) + 1);
	if (round_digits(text, digits)) {
		exponent++;
		memmove(text + 1, text, digits - 1);
		text[0] = '1';
	}
	text[digits] = '\0';
	return exponent;
}

static void exponential(struct maker *m, const char *digits, int exponent)
{
	char e[16];

	maker_char(m, digits[0]);
	if (digits[1])
		maker_char(m, '.');
	maker_text(m, str_of(digits + 1));
	snprintf(e, sizeof(e), "e%+d", exponent);
	maker_text(m, str_of(e));
}

struct str number_exponential(struct work *w, double n, int digits)
{
	struct maker m = { .w = w };
	char text[400];
	int exponent = 0;

	if (!work_spend(w, 80 + 4 * value_number_steps(n)))
		return (struct str){ 0 };
	if (digits >= 0)
		exponent = precise_digits(text, n, (unsigned)digits + 1);
	else if (n == 0)
		snprintf(text, sizeof(text), "0");
	else
		shortest_digits(text, &exponent, fabs(n));
	if (n < 0)
		maker_char(&m, '-');
	exponential(&m, text, exponent);
	return maker_view(&m);
}

struct str number_precision(struct work *w, double n, unsigned digits)
{
	struct maker m = { .w = w };
	char text[400];
	int exponent;

	if (!work_spend(w, 80 + 4 * value_number_steps(n)))
		return (struct str){ 0 };
	exponent = precise_digits(text, n, digits);
	if (n < 0)
		maker_char(&m, '-');
	if (exponent < -6 || exponent >= (int)digits) {
		exponential(&m, text, exponent);
	} else if (exponent < 0) {
		maker_text(&m, STR("0."));
		for (int i = exponent; i < -1; i++)
			maker_char(&m, '0');
		maker_text(&m, str_of(text));
	} else {
		maker_text(&m, (struct str){ text, (size_t)exponent + 1 });
		if ((size_t)exponent + 1 < digits)
			maker_char(&m, '.');
		maker_text(&m, str_of(text + exponent + 1));
	}
	return maker_view(&m);
}

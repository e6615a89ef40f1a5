#include "call/route.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

const struct trunk *route_source(const struct route_table *t, const struct addr *from)
{
	for (size_t i = 0; i < t->trunk_count; i++)
		for (size_t k = 0; k < t->trunks[i].accept_count; k++)
			if (addr_net_has(&t->trunks[i].accept_from[k], from))
				return &t->trunks[i];
	return NULL;
}

/* '*' only at the end of a pattern; the text is given in one or two pieces ("user", "user" + "@" + "host"). */
static bool matches(const char *pattern, struct str user, struct str host)
{
	const char *at = strchr(pattern, '@');
	struct str rest = str_of(pattern), left;
	size_t n;

	if (at) {
		str_split(&rest, '@', &left);
		if (!str_eq(left, user))
			return false;
		n = rest.n;
		if (n && rest.p[n - 1] == '*')
			return host.n >= n - 1 && str_ieq(str_head(host, n - 1), str_head(rest, n - 1));
		return str_ieq(rest, host);
	}
	n = rest.n;
	if (n && rest.p[n - 1] == '*')
		return user.n >= n - 1 && !memcmp(user.p ? user.p : "", pattern, n - 1);
	return str_eq(rest, user);
}

const struct route *route_match(const struct route_table *t, struct str user, struct str host)
{
	for (size_t i = 0; i < t->route_count; i++)
		if (matches(t->routes[i].match, user, host))
			return &t->routes[i];
	return NULL;
}

/* Digits of text, punctuation and blanks dropped; a leading + is told apart. */
static int digits_of(char out[32], struct str text, bool *plus)
{
	size_t n = 0;

	*plus = false;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (isdigit((unsigned char)c)) {
			if (n == 30)
				return EINVAL;
			out[n++] = c;
		} else if (c == '+' && !n && !*plus) {
			*plus = true;
		} else if (!strchr(" -.()/", c) || !c) {
			return EINVAL;
		}
	}
	out[n] = '\0';
	return n ? 0 : EINVAL;
}

int route_number(char out[32], struct str text, const char *country)
{
	char digits[32];
	const char *rest = digits;
	bool plus;
	size_t n;

	if (digits_of(digits, text, &plus))
		return EINVAL;
	n = strlen(digits);
	if (!plus && n > 2 && !strncmp(digits, "00", 2)) {
		plus = true;
		rest += 2;
	} else if (!plus && n <= 6) {
		str_copy(out, 32, str_of(digits));
		return 0;
	} else if (!plus && *country && n >= 11 && !strncmp(digits, country, strlen(country))) {
		plus = true;
	}
	if (!plus && *rest == '0')
		rest++;
	if (plus)
		country = "";
	if (strlen(rest) + strlen(country) > 30)
		return EINVAL;
	out[0] = '+';
	str_copy(out + 1, 31, str_of(country));
	str_copy(out + 1 + strlen(country), 31 - strlen(country), str_of(rest));
	return 0;
}

/* Length of the longest prefix of the trunk that the number begins with; 0 = it does not take the number. */
static size_t takes(const struct trunk *t, const char *number)
{
	size_t best = 0;

	for (const char *const *p = t->prefixes; p && *p; p++) {
		size_t n = strlen(*p);

		if (n > best && !strncmp(number, *p, n))
			best = n;
	}
	return best;
}

size_t route_trunks(const struct route_table *t, const char *number, const struct trunk **out)
{
	size_t count = 0;

	for (size_t i = 0; i < t->trunk_count; i++) {
		size_t n = takes(&t->trunks[i], number), at = count;

		if (!n)
			continue;
		for (; at && takes(out[at - 1], number) < n; at--)
			out[at] = out[at - 1];
		out[at] = &t->trunks[i];
		count++;
	}
	return count;
}

static bool lists_caller(const struct trunk *t, const char *id)
{
	for (const char *const *p = t->caller_ids; *p; p++) {
		size_t n = strlen(*p);

		if (n && (*p)[n - 1] == '*' ? !strncmp(id, *p, n - 1) : !strcmp(id, *p))
			return true;
	}
	return false;
}

bool trunk_allows_caller(const struct trunk *t, const char *id, const char *country)
{
	char number[32];

	if (!t->caller_ids || !t->caller_ids[0] || lists_caller(t, id))
		return true;
	return !route_number(number, str_of(id), country) && lists_caller(t, number);
}

enum trunk_price trunk_price(const struct trunk *t, const char *number, uint32_t cap, uint32_t *price)
{
	if (!t->rates)
		return TRUNK_FREE;
	if (!rates_find(t->rates, number, price))
		return TRUNK_NO_RATE;
	return *price > cap ? TRUNK_OVER : TRUNK_WITHIN;
}

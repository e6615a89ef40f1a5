#include "base/secret.h"

#include <ctype.h>
#include <string.h>

enum { SHORTEST_VALUE = 4, RECORDING_ID = 36, RECORDING_TOKEN = 32 };

/* Does text begin with a word, whatever its case? word is in small letters. */
static bool begins(struct str text, const char *word)
{
	size_t i = 0;

	while (i < text.n && word[i] && tolower((unsigned char)text.p[i]) == word[i])
		i++;
	return !word[i];
}

/* Each traced argument and variable is asked for, so most letters are passed by without a look at the words. */
static bool word_here(struct str text)
{
	switch (text.p[0] | 0x20) {
	case 'a':
		return begins(text, "authorization") || begins(text, "api_key") || begins(text, "apikey") ||
		       begins(text, "api-key");
	case 'c':
		return begins(text, "credential") || begins(text, "cookie");
	case 'p':
		return begins(text, "passw") || begins(text, "passphrase") || begins(text, "private_key");
	case 's':
		return begins(text, "secret") || begins(text, "signing_key");
	case 't':
		return begins(text, "token");
	default:
		return false;
	}
}

bool secret_name(struct str name)
{
	static const char *const whole[] = { "pass", "pw", "pwd", "pin", "auth", "signature" };
	char first = name.n ? (char)(name.p[0] | 0x20) : '\0';

	for (size_t i = 0; (first == 'p' || first == 'a' || first == 's') && i < ARRAY_LEN(whole); i++)
		if (name.n == strlen(whole[i]) && begins(name, whole[i]))
			return true;
	for (size_t i = 0; i + 5 <= name.n; i++)
		if (word_here(str_from(name, i)))
			return true;
	return false;
}

static void cross_out(char *from, const char *to)
{
	if (from < to)
		memset(from, 'x', (size_t)(to - from));
}

/* Where the part of a URL ends that one of these characters, white space or a quote ends. */
static char *part_end(char *at, const char *end, const char *stops)
{
	while (at < end && (unsigned char)*at > ' ' && *at != '"' && *at != '\'' && *at != '<' && *at != '>' &&
	       !strchr(stops, *at))
		at++;
	return at;
}

/* at: behind the scheme. token: what has no colon lets in as well. Returns the last byte looked at, or the one before at. */
static char *mask_user(char *at, const char *end, const char *stops, bool token)
{
	char *stop = part_end(at, end, stops), *sign = NULL, *colon;

	for (char *p = at; p < stop; p++)
		if (*p == '@')
			sign = p;
	if (!sign)
		return stop - 1;
	colon = memchr(at, ':', (size_t)(sign - at));
	if (colon)
		cross_out(colon + 1, sign);
	else if (token)
		cross_out(at, sign);
	return stop - 1;
}

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\\';
}

/* Behind the value in quotes whose first byte is at; escaped: the quotes themselves are, as in JSON within JSON. */
static char *quoted_end(char *at, const char *end, char quote, bool escaped)
{
	while (at < end && *at != quote)
		at += *at == '\\' && !escaped && at + 1 < end ? 2 : 1;
	return at;
}

/* Credentials of a header go to the end of the line, other values to what separates them. */
static char *bare_end(char *at, const char *end, bool header)
{
	for (; at < end && *at != '\n' && *at != '\r' && *at != '"'; at++)
		if (!header && ((unsigned char)*at <= ' ' || strchr("&,;#'})]", *at)))
			break;
	return at;
}

static bool is_header(struct str name)
{
	static const char *const names[] = { "authorization", "proxy-authorization", "cookie", "set-cookie" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_iis(name, names[i]))
			return true;
	return false;
}

/* name=value in queries and forms, "name": "value" in JSON, Name: value in headers. at: the = or the colon. */
static void mask_assignment(const char *text, char *at, const char *end)
{
	const char *stop = at, *begin;
	char *value = at + 1;
	struct str name;

	while (stop > text && (is_blank(stop[-1]) || stop[-1] == '"' || stop[-1] == '\''))
		stop--;
	for (begin = stop; begin > text && is_name(begin[-1]);)
		begin--;
	name = (struct str){ begin, (size_t)(stop - begin) };
	if (!secret_name(name))
		return;
	while (value < end && is_blank(*value))
		value++;
	if (value < end && (*value == '"' || *value == '\''))
		cross_out(value + 1, quoted_end(value + 1, end, *value, value[-1] == '\\'));
	else
		cross_out(value, bare_end(value, end, *at == ':' && is_header(name)));
}

static void mask_recording(char *at, const char *end)
{
	char *token = at + sizeof("/recordings/") - 1 + RECORDING_ID + 1;

	if (token + RECORDING_TOKEN <= end && token[-1] == '-')
		cross_out(token, token + RECORDING_TOKEN);
}

void secret_mask(char *text, size_t n)
{
	char *end = text + n;

	for (char *p = text; p < end; p++) {
		struct str rest = { p, (size_t)(end - p) };

		if (*p == ':' && str_starts(rest, "://"))
			p = mask_user(p + 3, end, "/?#", true);
		else if ((*p == 's' || *p == 'S') && (str_istarts(rest, "sip:") || str_istarts(rest, "sips:")))
			p = mask_user((char *)memchr(p, ':', rest.n) + 1, end, ";?", false);
		else if (*p == '=' || *p == ':')
			mask_assignment(text, p, end);
		else if (*p == '/' && str_starts(rest, "/recordings/"))
			mask_recording(p, end);
	}
}

void secret_mask_value(char *text, size_t n, struct str value, bool cut)
{
	char *at = text, *end = text + n;

	if (value.n < SHORTEST_VALUE)
		return;
	while ((at = memmem(at, (size_t)(end - at), value.p, value.n))) {
		cross_out(at, at + value.n);
		at += value.n;
	}
	for (size_t k = value.n - 1; cut && k > 0; k--)
		if (k <= n && !memcmp(end - k, value.p, k)) {
			cross_out(end - k, end);
			break;
		}
}

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

/* at: behind the scheme. token: what has no colon lets in as well. */
static void mask_user(char *at, const char *end, const char *stops, bool token)
{
	char *stop = part_end(at, end, stops), *sign = NULL, *colon;

	for (char *p = at; p < stop; p++)
		if (*p == '@')
			sign = p;
	if (!sign)
		return;
	colon = memchr(at, ':', (size_t)(sign - at));
	if (colon)
		cross_out(colon + 1, sign);
	else if (token)
		cross_out(at, sign);
}

/* at: the ? or & before a name. */
static void mask_query(char *at, const char *end)
{
	char *name = at + 1, *sign = part_end(name, end, "=&?#");

	if (sign < end && *sign == '=' && secret_name((struct str){ name, (size_t)(sign - name) }))
		cross_out(sign + 1, part_end(sign + 1, end, "&#"));
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
			mask_user(p + 3, end, "/?#", true);
		else if ((*p == 's' || *p == 'S') && (str_istarts(rest, "sip:") || str_istarts(rest, "sips:")))
			mask_user(strchr(p, ':') + 1, end, ";?", false);
		else if (*p == '?' || *p == '&')
			mask_query(p, end);
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

#include <string.h>

#include "base/str.h"
#include "sip/sip_trace.h"

static void cross_out(struct str s)
{
	if (s.n)
		memset((char *)s.p, 'x', s.n); /* the caller of sip_trace_mask() may write there */
}

static bool ends_value(char c)
{
	return c == ',' || c == ';' || c == '"' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The value behind the = of a parameter: what is between quotes, or up to a separator. */
static struct str value_at(struct str rest)
{
	size_t n = 0;

	rest = str_trim(rest);
	if (rest.n && rest.p[0] == '"') {
		rest = str_from(rest, 1);
		while (n < rest.n && rest.p[n] != '"')
			n += rest.p[n] == '\\' && n + 1 < rest.n ? 2 : 1;
	} else {
		while (n < rest.n && !ends_value(rest.p[n]))
			n++;
	}
	return str_head(rest, n);
}

/* All name=VALUE in a piece of text. */
static void mask_parameter(struct str text, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i + n < text.n; i++) {
		struct str rest = str_from(text, i);

		if (!str_istarts(rest, name))
			continue;
		rest = str_trim(str_from(rest, n));
		if (rest.n && rest.p[0] == '=')
			cross_out(value_at(str_from(rest, 1)));
	}
}

/* Credentials of any scheme. Digests keep what does not help to guess the password. */
static void mask_credentials(struct str value)
{
	struct str rest = str_trim(value);
	size_t n = 0;

	while (n < rest.n && !strchr(" \t\r\n", rest.p[n] ? rest.p[n] : '-'))
		n++;
	if (!str_iis(str_head(rest, n), "digest")) {
		cross_out(n < rest.n ? str_trim(str_from(rest, n)) : rest);
		return;
	}
	mask_parameter(rest, "response");
	mask_parameter(rest, "rspauth");
}

/* "sip:user:PASSWORD@host" */
static void mask_passwords(struct str text)
{
	for (size_t i = 0; i + 4 < text.n; i++) {
		size_t at, colon = 0;

		if (!str_istarts(str_from(text, i), "sip:") && !str_istarts(str_from(text, i), "sips:"))
			continue;
		at = i + (text.p[i + 3] == ':' ? 4 : 5);
		for (; at < text.n && !strchr("@<>\" \t\r\n", text.p[at]); at++)
			if (text.p[at] == ':' && !colon)
				colon = at + 1;
		if (at < text.n && text.p[at] == '@' && colon)
			cross_out((struct str){ text.p + colon, at - colon });
		i = at - 1;
	}
}

static bool holds_credentials(struct str line)
{
	static const char *const names[] = { "authorization", "proxy-authorization", "authentication-info",
					     "proxy-authentication-info" };
	struct str name;

	str_split(&line, ':', &name);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_iis(str_trim(name), names[i]))
			return true;
	return false;
}

/* Length of the line at the start of text with its end; with fold, of the lines that belong to it as well. */
static size_t line_length(struct str text, bool fold)
{
	size_t n = 0;

	do {
		const char *end = memchr(text.p + n, '\n', text.n - n);

		n = end ? (size_t)(end - text.p) + 1 : text.n;
	} while (fold && n < text.n && (text.p[n] == ' ' || text.p[n] == '\t'));
	return n;
}

static void mask_header(struct str line)
{
	struct str value = line, name;

	if (!holds_credentials(line))
		return;
	str_split(&value, ':', &name);
	if (!str_iis(str_trim(name), "authentication-info") && !str_iis(str_trim(name), "proxy-authentication-info"))
		mask_credentials(value);
	else
		mask_parameter(value, "rspauth");
}

/* RFC 4568 §9.1 and the k= of RFC 4566 §5.12. */
static void mask_sdp(struct str line)
{
	if (str_istarts(line, "k="))
		cross_out(str_trim(str_from(line, 2)));
	if (!str_istarts(line, "a=crypto:"))
		return;
	for (size_t i = 0; i + 7 < line.n; i++)
		if (str_istarts(str_from(line, i), "inline:"))
			cross_out(value_at(str_from(line, i + 7)));
}

void sip_trace_mask(char *bytes, size_t n)
{
	struct str rest = { bytes, n };
	bool body = false;

	while (rest.n) {
		struct str line = str_head(rest, line_length(rest, !body));

		rest = str_from(rest, line.n);
		if (body) {
			mask_sdp(line);
			continue;
		}
		body = !str_trim(line).n;
		mask_header(line);
		mask_passwords(line);
	}
}

/* sip_lex: the character classes of RFC 3261 §25 and the scanners every SIP parser of ours shares.
 *
 * Private to sip_msg.c, sip_field.c, sip_check.c and sip_auth.c. A few classes are wider than the RFC where senders in
 * the field are: '#' in user parts, '_' in host names, '=' in URI parameter values, blanks' neighbours such
 * as '(' in unquoted display names. Scanners take [p, end) and return where they stopped.
 * Pure. Thread: any. */
#ifndef SIP_LEX_H
#define SIP_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum {
	LEX_TOKEN = 1 << 0,
	LEX_USER = 1 << 1,      /* user part of a URI; escapes apart  */
	LEX_PASSWORD = 1 << 2,  /* password of a URI; escapes apart   */
	LEX_HOST = 1 << 3,      /* host name or IPv4 address          */
	LEX_URI_PARAM = 1 << 4, /* name=value of a URI; escapes apart */
	LEX_URI_HEAD = 1 << 5,  /* behind '?' of a URI; escapes apart */
	LEX_VALUE = 1 << 6,     /* unquoted header parameter value    */
	LEX_NAME = 1 << 7,      /* unquoted display name, with blanks */
	LEX_SCHEME = 1 << 8,
	LEX_VISIBLE = 1 << 9, /* 0x21..0x7e */
	LEX_BLANK = 1 << 10,  /* SP HT CR LF: folds count as blanks */
	LEX_DIGIT = 1 << 11,
	LEX_HEX = 1 << 12,

	LEX_URI = LEX_USER | LEX_PASSWORD | LEX_URI_PARAM | LEX_URI_HEAD,
	LEX_ALNUM = LEX_TOKEN | LEX_URI | LEX_HOST | LEX_VALUE | LEX_NAME | LEX_SCHEME | LEX_VISIBLE,
	LEX_MARK = LEX_TOKEN | LEX_URI | LEX_VALUE | LEX_NAME | LEX_VISIBLE,
};

static const uint16_t lex_class[256] = {
	['\t'] = LEX_BLANK | LEX_NAME,
	['\n'] = LEX_BLANK | LEX_NAME,
	['\r'] = LEX_BLANK | LEX_NAME,
	[' '] = LEX_BLANK | LEX_NAME,
	['!'] = LEX_MARK,
	['"'] = LEX_VISIBLE,
	['#'] = LEX_USER | LEX_VALUE | LEX_VISIBLE,
	['$'] = LEX_URI | LEX_VALUE | LEX_NAME | LEX_VISIBLE,
	['%'] = LEX_TOKEN | LEX_VALUE | LEX_NAME | LEX_VISIBLE,
	['&'] = LEX_URI | LEX_VALUE | LEX_NAME | LEX_VISIBLE,
	['\''] = LEX_MARK,
	['('] = LEX_URI | LEX_VALUE | LEX_NAME | LEX_VISIBLE,
	[')'] = LEX_URI | LEX_VALUE | LEX_NAME | LEX_VISIBLE,
	['*'] = LEX_MARK,
	['+'] = LEX_MARK | LEX_SCHEME,
	[','] = LEX_USER | LEX_PASSWORD | LEX_VISIBLE,
	['-'] = LEX_MARK | LEX_HOST | LEX_SCHEME,
	['.'] = LEX_MARK | LEX_HOST | LEX_SCHEME,
	['/'] = LEX_USER | LEX_URI_PARAM | LEX_URI_HEAD | LEX_VALUE | LEX_NAME | LEX_VISIBLE,
	['0' ... '9'] = LEX_ALNUM | LEX_DIGIT | LEX_HEX,
	[':'] = LEX_URI_PARAM | LEX_URI_HEAD | LEX_VALUE | LEX_VISIBLE,
	[';'] = LEX_USER | LEX_VISIBLE,
	['<'] = LEX_VISIBLE,
	['='] = LEX_URI | LEX_VALUE | LEX_NAME | LEX_VISIBLE,
	['>'] = LEX_VISIBLE,
	['?'] = LEX_USER | LEX_URI_HEAD | LEX_VALUE | LEX_NAME | LEX_VISIBLE,
	['@'] = LEX_VALUE | LEX_NAME | LEX_VISIBLE,
	['A' ... 'F'] = LEX_ALNUM | LEX_HEX,
	['G' ... 'Z'] = LEX_ALNUM,
	['['] = LEX_URI_PARAM | LEX_URI_HEAD | LEX_VALUE | LEX_NAME | LEX_VISIBLE,
	['\\'] = LEX_VISIBLE,
	[']'] = LEX_URI_PARAM | LEX_URI_HEAD | LEX_VALUE | LEX_NAME | LEX_VISIBLE,
	['^'] = LEX_VISIBLE,
	['_'] = LEX_MARK | LEX_HOST,
	['`'] = LEX_TOKEN | LEX_VALUE | LEX_NAME | LEX_VISIBLE,
	['a' ... 'f'] = LEX_ALNUM | LEX_HEX,
	['g' ... 'z'] = LEX_ALNUM,
	['{'] = LEX_VALUE | LEX_NAME | LEX_VISIBLE,
	['|'] = LEX_VISIBLE,
	['}'] = LEX_VALUE | LEX_NAME | LEX_VISIBLE,
	['~'] = LEX_MARK,
	[0x80 ... 0xff] = LEX_NAME,
};

static inline bool lex_is(char c, unsigned classes)
{
	return lex_class[(unsigned char)c] & classes;
}

static inline const char *lex_span(const char *p, const char *end, unsigned classes)
{
	while (p < end && lex_is(*p, classes))
		p++;
	return p;
}

/* As lex_span(), over %XX escapes too; stops at a '%' that is no escape. */
static inline const char *lex_span_escaped(const char *p, const char *end, unsigned classes)
{
	for (;;) {
		p = lex_span(p, end, classes);
		if (end - p < 3 || *p != '%' || !lex_is(p[1], LEX_HEX) || !lex_is(p[2], LEX_HEX))
			return p;
		p += 3;
	}
}

/* p is at the opening quote: where the closing one is, or NULL. */
static inline const char *lex_quote_end(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++) {
		if (*p == '\\' && p + 1 < end)
			p++;
	}
	return p < end ? p : NULL;
}

static inline struct str lex_slice(const char *p, const char *end)
{
	return (struct str){ p, (size_t)(end - p) };
}

#endif

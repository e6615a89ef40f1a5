#include "op/speech_ssml.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 16, MAX_BREAK_MS = 10000, MAX_VALUE = 24 };

enum kind {
	KIND_SPEAK,
	KIND_BREAK,
	KIND_BLOCK, /* p, s */
	KIND_STYLE, /* prosody, emphasis */
	KIND_SAY_AS,
	KIND_SUB,
	KIND_SILENT, /* what is inside is not said */
};

struct element {
	const char *name;
	enum kind kind;
	const char *const *attributes; /* NULL-terminated, NULL = none */
};

static const char *const prosody[] = { "rate", "pitch", "volume", NULL };
static const char *const emphasis[] = { "level", NULL };

static const struct element elements[] = {
	{ "speak", KIND_SPEAK, NULL },   { "break", KIND_BREAK, NULL },      { "p", KIND_BLOCK, NULL },
	{ "s", KIND_BLOCK, NULL },       { "prosody", KIND_STYLE, prosody }, { "emphasis", KIND_STYLE, emphasis },
	{ "say-as", KIND_SAY_AS, NULL }, { "sub", KIND_SUB, NULL },          { "metadata", KIND_SILENT, NULL },
	{ "desc", KIND_SILENT, NULL },   { "lexicon", KIND_SILENT, NULL },   { "script", KIND_SILENT, NULL },
	{ "style", KIND_SILENT, NULL },
};

/* What authors write, what espeak-ng calls it. Everything else is said as it reads. */
static const char *const spelled[][2] = {
	{ "characters", "characters" }, { "spell-out", "characters" }, { "digits", "tts:digits" },
	{ "tts:digits", "tts:digits" }, { "telephone", "telephone" },
};

struct writer {
	struct buf *out;
	bool markup;
	const struct element *open[MAX_DEPTH];
	unsigned depth;
	unsigned silent;   /* open elements whose inside is not said */
	unsigned spelling; /* open elements whose characters stand apart; plain only */
};

/* --- characters --- */

/* Bytes of the UTF-8 character at the front, 0 = it is none: RFC 3629 §3. */
static size_t utf8_bytes(struct str s)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t least;
	} rows[] = { { 0x80, 0x00, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 } };
	const unsigned char *p = (const unsigned char *)s.p;
	uint32_t code;
	size_t n = 0;

	while (n < ARRAY_LEN(rows) && (p[0] & rows[n].mask) != rows[n].lead)
		n++;
	if (n >= ARRAY_LEN(rows) || n >= s.n)
		return 0;
	code = p[0] & (unsigned char)~rows[n].mask;
	for (size_t i = 1; i <= n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	return code < rows[n].least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : n + 1;
}

size_t speech_length(struct str text)
{
	size_t count = 0;

	for (; text.n; count++) {
		size_t n = utf8_bytes(text);

		text = str_from(text, n ? n : 1);
	}
	return count;
}

static void put_character(struct writer *w, struct str c)
{
	/* Engines take [[…]] for phonemes, and control characters for commands. */
	bool blank = c.n == 1 && ((unsigned char)c.p[0] < ' ' || strchr("[]\x7f", c.p[0]));

	if (w->silent)
		return;
	if (blank)
		buf_char(w->out, ' ');
	else if (w->markup && c.p[0] == '<')
		buf_cstr(w->out, "&lt;");
	else if (w->markup && c.p[0] == '>')
		buf_cstr(w->out, "&gt;");
	else if (w->markup && c.p[0] == '&')
		buf_cstr(w->out, "&amp;");
	else
		buf_str(w->out, c);
	if (w->spelling && !blank)
		buf_char(w->out, ' ');
}

static void put_code(struct writer *w, uint32_t code)
{
	char b[4];
	size_t n;

	if (code < 0x80) {
		b[0] = (char)code;
		n = 1;
	} else if (code < 0x800) {
		b[0] = (char)(0xc0 | code >> 6);
		n = 2;
	} else if (code < 0x10000) {
		b[0] = (char)(0xe0 | code >> 12);
		n = 3;
	} else {
		b[0] = (char)(0xf0 | code >> 18);
		n = 4;
	}
	for (size_t i = 1; i < n; i++)
		b[i] = (char)(0x80 | (code >> 6 * (n - 1 - i) & 0x3f));
	if (code < 0x110000 && utf8_bytes((struct str){ b, n }) == n)
		put_character(w, (struct str){ b, n });
}

/* Bytes of the reference at the front (of '&'), 0 = it is none. */
static size_t put_reference(struct writer *w, struct str s)
{
	static const struct {
		const char *name;
		char c;
	} names[] = { { "amp", '&' }, { "lt", '<' }, { "gt", '>' }, { "quot", '"' }, { "apos", '\'' } };
	long end = str_chr(str_head(s, 12), ';');
	char digits[12], *rest;
	unsigned long code;
	struct str name;

	if (end < 2)
		return 0;
	name = str_from(str_head(s, (size_t)end), 1);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (str_is(name, names[i].name)) {
			put_character(w, (struct str){ &names[i].c, 1 });
			return (size_t)end + 1;
		}
	}
	str_copy(digits, sizeof(digits), name);
	if (digits[0] != '#')
		return 0;
	code = strtoul(digits[1] == 'x' ? digits + 2 : digits + 1, &rest, digits[1] == 'x' ? 16 : 10);
	if (*rest)
		return 0;
	put_code(w, code > 0x10ffff ? 0xffffffff : (uint32_t)code);
	return (size_t)end + 1;
}

static void put_text(struct writer *w, struct str s, bool references)
{
	while (s.n) {
		size_t n = references && s.p[0] == '&' ? put_reference(w, s) : 0;

		if (!n) {
			n = utf8_bytes(s);
			put_character(w, n ? str_head(s, n) : STR(" "));
		}
		s = str_from(s, n ? n : 1);
	}
}

/* --- elements --- */

static const struct element *element_of(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(elements); i++)
		if (str_is(name, elements[i].name))
			return &elements[i];
	return NULL;
}

static bool in_name(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == ':' || c == '_';
}

/* Cut the next attribute off the front of *rest. False = there is none. */
static bool next_attribute(struct str *rest, struct str *key, struct str *value)
{
	size_t n = 0;
	long end;

	while (rest->n && !in_name(rest->p[0]))
		*rest = str_from(*rest, 1);
	while (n < rest->n && in_name(rest->p[n]))
		n++;
	*key = str_head(*rest, n);
	*rest = str_from(*rest, n);
	while (rest->n && strchr(" =", rest->p[0]) && rest->p[0])
		*rest = str_from(*rest, 1);
	*value = STR("");
	if (!rest->n || (rest->p[0] != '"' && rest->p[0] != '\''))
		return n;
	end = str_chr(str_from(*rest, 1), rest->p[0]);
	if (end < 0)
		return false;
	*value = str_head(str_from(*rest, 1), (size_t)end);
	*rest = str_from(*rest, (size_t)end + 2);
	return n;
}

/* The value of name among attributes (what stands behind the element's name); absent = it is not there. */
static struct str attribute(struct str attributes, const char *name)
{
	struct str key, value;

	while (next_attribute(&attributes, &key, &value))
		if (str_is(key, name))
			return value;
	return (struct str){ NULL, 0 };
}

/* Short, and of characters that mean nothing to anybody. */
static bool harmless(struct str value)
{
	for (size_t i = 0; i < value.n; i++)
		if (!isalnum((unsigned char)value.p[i]) && (!value.p[i] || !strchr("%+-.", value.p[i])))
			return false;
	return value.n && value.n <= MAX_VALUE;
}

/* "1.5s", "500ms"; 0 = nothing that we know. */
static uint32_t break_ms(struct str time)
{
	char text[MAX_VALUE + 1], *unit;
	double value;

	if (!harmless(time) || !isdigit((unsigned char)time.p[0]))
		return 0;
	str_copy(text, sizeof(text), time);
	value = strtod(text, &unit);
	if (!strcmp(unit, "s"))
		value *= 1000;
	else if (strcmp(unit, "ms") != 0)
		return 0;
	return value > MAX_BREAK_MS ? MAX_BREAK_MS : value > 0 ? (uint32_t)value : 0;
}

static void put_break(struct writer *w, struct str attributes)
{
	uint32_t ms = break_ms(attribute(attributes, "time"));
	struct str strength = attribute(attributes, "strength");

	if (w->silent)
		return;
	if (!w->markup)
		buf_cstr(w->out, str_is(strength, "none") ? " " : ". ");
	else if (ms)
		buf_printf(w->out, "<break time=\"%ums\"/>", ms);
	else if (harmless(strength))
		buf_printf(w->out, "<break strength=\"%.*s\"/>", STR_ARG(strength));
	else
		buf_cstr(w->out, "<break/>");
}

static const char *spelling_of(struct str attributes)
{
	struct str as = attribute(attributes, "interpret-as");

	for (size_t i = 0; i < ARRAY_LEN(spelled); i++)
		if (str_is(as, spelled[i][0]))
			return spelled[i][1];
	return NULL;
}

static void put_opening(struct writer *w, const struct element *e, struct str attributes)
{
	buf_printf(w->out, "<%s", e->name);
	if (e->kind == KIND_SAY_AS)
		buf_printf(w->out, " interpret-as=\"%s\"", spelling_of(attributes));
	for (const char *const *name = e->attributes; name && *name; name++) {
		struct str value = attribute(attributes, *name);

		if (harmless(value))
			buf_printf(w->out, " %s=\"%.*s\"", *name, STR_ARG(value));
	}
	buf_char(w->out, '>');
}

/* Open e, when there is room for it. */
static void push(struct writer *w, const struct element *e, struct str attributes)
{
	if (w->depth == MAX_DEPTH)
		return;
	w->open[w->depth++] = e;
	if (e->kind == KIND_SILENT || e->kind == KIND_SUB)
		w->silent++;
	else if (w->silent)
		return;
	else if (w->markup)
		put_opening(w, e, attributes);
	else if (e->kind == KIND_SAY_AS)
		w->spelling++;
}

static void pop(struct writer *w)
{
	const struct element *e = w->open[--w->depth];

	if (e->kind == KIND_SILENT || e->kind == KIND_SUB)
		w->silent--;
	else if (w->silent)
		return;
	else if (w->markup)
		buf_printf(w->out, "</%s>", e->name);
	else if (e->kind == KIND_SAY_AS)
		w->spelling--;
	else if (e->kind == KIND_BLOCK)
		buf_cstr(w->out, ". ");
}

static void open_element(struct writer *w, const struct element *e, struct str attributes)
{
	switch (e->kind) {
	case KIND_SPEAK:
		return;
	case KIND_BREAK:
		put_break(w, attributes);
		return;
	case KIND_SAY_AS:
		if (!spelling_of(attributes))
			return;
		break;
	case KIND_SUB:
		/* The alias instead of what is inside. */
		put_text(w, attribute(attributes, "alias"), true);
		break;
	case KIND_BLOCK:
	case KIND_STYLE:
	case KIND_SILENT:
		break;
	}
	push(w, e, attributes);
}

/* Close the innermost open e and what is open in it. */
static void close_element(struct writer *w, const struct element *e)
{
	unsigned at = w->depth;

	while (at && w->open[at - 1] != e)
		at--;
	while (at && w->depth >= at)
		pop(w);
}

/* tag: what stands between < and >. */
static void put_tag(struct writer *w, struct str tag)
{
	bool closing = tag.n && tag.p[0] == '/', empty = tag.n && tag.p[tag.n - 1] == '/';
	struct str rest = closing ? str_from(tag, 1) : tag;
	const struct element *e;
	size_t n = 0;

	while (n < rest.n && (isalnum((unsigned char)rest.p[n]) || rest.p[n] == '-'))
		n++;
	e = element_of(str_head(rest, n));
	if (!e)
		return;
	rest = str_from(rest, n);
	if (closing) {
		close_element(w, e);
		return;
	}
	n = w->depth;
	open_element(w, e, rest);
	if (empty && w->depth > n)
		pop(w);
}

/* Bytes of the tag at the front (of '<'), 0 = it is none. A > in quotes does not end it. */
static size_t tag_bytes(struct str s)
{
	char quote = 0;

	if (s.n < 3 || (!isalpha((unsigned char)s.p[1]) && !strchr("/!?", s.p[1])) || !s.p[1])
		return 0;
	if (str_starts(s, "<!--")) {
		const char *end = memmem(s.p, s.n, "-->", 3);

		return end ? (size_t)(end - s.p) + 3 : s.n;
	}
	for (size_t i = 1; i < s.n; i++) {
		if (quote)
			quote = s.p[i] == quote ? 0 : quote;
		else if (s.p[i] == '"' || s.p[i] == '\'')
			quote = s.p[i];
		else if (s.p[i] == '>')
			return i + 1;
	}
	return 0;
}

static void put_all(struct writer *w, struct str s)
{
	while (s.n) {
		long at = s.p[0] == '<' ? 0 : str_chr(s, '<');
		size_t n = at < 0 ? s.n : (size_t)at, tag;

		put_text(w, str_head(s, n), true);
		s = str_from(s, n);
		if (!s.n)
			break;
		tag = tag_bytes(s);
		if (tag)
			put_tag(w, str_head(str_from(s, 1), tag - 2));
		else
			put_text(w, str_head(s, 1), false);
		s = str_from(s, tag ? tag : 1);
	}
	while (w->depth)
		pop(w);
}

/* --- the door --- */

bool speech_is_ssml(struct str text)
{
	struct str s = str_trim(text);

	return str_starts(s, "<speak") && s.n > 6 && strchr("> \t\r\n/", s.p[6]) && s.p[6];
}

void speech_ssml_clean(struct buf *out, struct str ssml)
{
	struct writer w = { .out = out, .markup = true };

	buf_cstr(out, "<speak>");
	put_all(&w, ssml);
	buf_cstr(out, "</speak>");
}

void speech_ssml_plain(struct buf *out, struct str ssml)
{
	struct writer w = { .out = out };

	put_all(&w, ssml);
}

void speech_text_clean(struct buf *out, struct str text)
{
	struct writer w = { .out = out };

	put_text(&w, text, false);
}

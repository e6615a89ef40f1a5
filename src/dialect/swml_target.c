#include "dialect/swml_target.h"

#include <string.h>

#include "base/arena.h"
#include "call/route.h"

enum { MAX_URI = 255, MAX_URI_HEADERS = 1023 };

bool swml_has_control(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return true;
	return false;
}

/* token of RFC 3261 §25.1 */
static bool is_token(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		if (!letter && (!c || !strchr("-.!%*_+`'~", c)))
			return false;
	}
	return s.n > 0;
}

/* Names that go out as they are; every other one is an X- header (connect.md §3.2). */
static bool passes_unprefixed(struct str name)
{
	static const char *const names[] = { "User-to-User", "Remote-Party-ID", "P-Preferred-Identity",
					     "P-Called-Party-ID" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_iis(name, names[i]))
			return true;
	return str_istarts(name, "X-");
}

const char *swml_header_add(struct swml_headers *h, struct arena *a, struct str name, struct str value)
{
	bool bare = passes_unprefixed(name);
	char *text;

	if (h->count >= SWML_MAX_HEADERS)
		return "there are more than 64 headers";
	if (!is_token(name) || name.n > 100)
		return "the name of a header has letters, digits and -.!%*_+`'~";
	if (swml_has_control(value))
		return "the value of a header has a control character or line break";

	text = arena_alloc(a, name.n + 3);
	h->items[h->count].value = str_dup(a, value.p ? value : STR(""));
	if (!text || !h->items[h->count].value)
		return "";
	memcpy(text, "X-", 2);
	memcpy(text + (bare ? 0 : 2), name.p, name.n);
	h->items[h->count++].name = text;
	return NULL;
}

/* --- SIP URIs --- */

static size_t scheme_length(struct str s)
{
	return str_istarts(s, "sips:") ? 5 : str_istarts(s, "sip:") ? 4 : 0;
}

/* sip:sip:alice@a@b, which documents make of call.from, is sip:alice@b: the user of the inner URI at the outer host. */
static struct str unwrap(struct arena *a, struct str uri)
{
	size_t outer = scheme_length(uri), inner = outer ? scheme_length(str_from(uri, outer)) : 0;
	struct str rest = str_from(uri, outer + inner), user = rest, host = rest;
	long at = str_chr(rest, '@');
	char *text;

	if (!inner || at < 0)
		return uri;
	user = str_head(rest, (size_t)at + 1);
	host = str_from(rest, (size_t)at + 1);
	at = str_chr(host, '@');
	if (at >= 0)
		host = str_from(host, (size_t)at + 1);
	text = arena_alloc(a, outer + user.n + host.n + 1);
	if (!text)
		return (struct str){ 0 };
	memcpy(text, uri.p, outer);
	memcpy(text + outer, user.p, user.n);
	memcpy(text + outer + user.n, host.p, host.n);
	return (struct str){ text, outer + user.n + host.n };
}

static const char *uri_fault(struct str uri)
{
	size_t scheme = scheme_length(uri);
	long at = str_chr(uri, '@');

	if (uri.n > MAX_URI)
		return "the SIP URI is longer than 255 characters";
	for (size_t i = 0; i < uri.n; i++)
		if (uri.p[i] <= ' ' || uri.p[i] >= 0x7f || strchr("<>\"", uri.p[i]))
			return "a SIP URI has no blanks, quotes or other than ASCII letters";
	if (str_from(uri, at < 0 ? scheme : (size_t)at + 1).n == 0)
		return "the SIP URI has no host";
	return NULL;
}

static const char *uri_headers(struct swml_headers *h, struct arena *a, struct str text)
{
	struct str pair, name;
	const char *fault = NULL;

	if (text.n > MAX_URI_HEADERS)
		return "the headers of the SIP URI are longer than 1023 characters";
	while (!fault && str_split(&text, '&', &pair)) {
		struct str value = pair;

		if (!pair.n)
			continue;
		str_split(&value, '=', &name);
		name = str_percent_decode(a, name);
		value = str_percent_decode(a, value.p ? value : STR(""));
		fault = name.p && value.p ? swml_header_add(h, a, name, value) : "";
	}
	return fault;
}

/* Split sip:user@host;params?headers;params into the URI and its headers. */
static const char *read_uri(struct plan_target *t, struct swml_headers *h, struct arena *a, struct str text)
{
	struct str uri = unwrap(a, text), headers = { 0 }, tail = { 0 };
	const char *fault;
	size_t host;
	long at;
	char *out;

	if (!uri.p)
		return "";
	at = str_chr(uri, '@'); /* a ? before it belongs to the user */
	host = at < 0 ? 0 : (size_t)at;
	at = str_chr(str_from(uri, host), '?');
	if (at >= 0) {
		headers = str_from(uri, host + (size_t)at + 1);
		uri = str_head(uri, host + (size_t)at);
		at = str_chr(headers, ';');
		if (at >= 0) {
			tail = str_from(headers, (size_t)at);
			headers = str_head(headers, (size_t)at);
		}
	}
	out = arena_alloc(a, uri.n + tail.n + 1);
	if (!out)
		return "";
	memcpy(out, uri.p, uri.n);
	if (tail.n)
		memcpy(out + uri.n, tail.p, tail.n);
	t->kind = TARGET_SIP;
	t->address = out;
	fault = uri_fault((struct str){ out, uri.n + tail.n });
	return fault || !headers.n ? fault : uri_headers(h, a, headers);
}

/* --- kinds --- */

static bool is_number(struct str s)
{
	bool digit = false;

	for (size_t i = 0; i < s.n; i++) {
		if (!s.p[i] || !strchr("0123456789 -.()/*#", s.p[i]))
			return false;
		digit = digit || (s.p[i] >= '0' && s.p[i] <= '9');
	}
	return digit;
}

static const char *set(struct plan_target *t, enum target_kind kind, struct arena *a, struct str address)
{
	t->kind = kind;
	t->address = str_dup(a, address);
	return t->address ? NULL : "";
}

/* With letters behind the + it stays as written: then no trunk takes it and only this leg fails. */
static const char *read_number(struct plan_target *t, struct arena *a, struct str text, const char *country)
{
	char number[32];

	return set(t, TARGET_NUMBER, a, route_number(number, text, country) ? text : str_of(number));
}

static const char *with_scheme(struct plan_target *t, struct swml_headers *h, struct arena *a, struct str text)
{
	char *uri = arena_alloc(a, text.n + 5);

	if (!uri)
		return "";
	memcpy(uri, "sip:", 4);
	memcpy(uri + 4, text.p, text.n);
	return read_uri(t, h, a, (struct str){ uri, text.n + 4 });
}

const char *swml_target_read(struct plan_target *t, struct swml_headers *headers, struct arena *a, struct str text,
			     const char *country)
{
	text = str_trim(text);
	if (swml_has_control(text))
		return "a destination has no control characters or line breaks";
	if (str_starts(text, "queue:"))
		return text.n > 6 ? set(t, TARGET_QUEUE, a, str_trim(str_from(text, 6))) : "the queue has no name";
	if (str_starts(text, "stream:wss://"))
		return text.n > 13 ? set(t, TARGET_STREAM, a, str_from(text, 7)) : "the stream has no host";
	if (str_starts(text, "stream:"))
		return "a stream goes to a wss:// URL";
	if (scheme_length(text))
		return read_uri(t, headers, a, text);
	if (str_starts(text, "/"))
		return text.n > 1 ? set(t, TARGET_ADDRESS, a, text) : "the address has no name";
	if (str_starts(text, "+"))
		return text.n > 1 ? read_number(t, a, text, country) : "the phone number has no digits";
	if (str_chr(text, '@') >= 0)
		return with_scheme(t, headers, a, text);
	if (is_number(text))
		return read_number(t, a, text, country);
	return "this is no phone number, SIP URI, address, queue or stream";
}

/* Headers in the URI of a caller mean nothing and are dropped. */
static const char *read_caller_uri(const char **out, struct arena *a, struct str text)
{
	struct swml_headers dropped = { .count = 0 };
	struct plan_target t = { .address = NULL };
	const char *fault;

	fault = scheme_length(text) ? read_uri(&t, &dropped, a, text) : with_scheme(&t, &dropped, a, text);
	*out = t.address;
	return fault;
}

const char *swml_caller_read(const char **out, struct arena *a, struct str text, const char *country)
{
	char number[32];

	text = str_trim(text);
	if (scheme_length(text) || str_chr(text, '@') >= 0)
		return read_caller_uri(out, a, text);
	if (!route_number(number, text, country))
		text = str_of(number);
	if (!text.n || text.n > MAX_URI)
		return "the caller id is empty or longer than 255 characters";
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] <= ' ' || text.p[i] >= 0x7f || strchr("<>\"@:;?", text.p[i]))
			return "a caller id is a number, a SIP URI or a name of letters, digits and +-_.,";
	*out = str_dup(a, text);
	return *out ? NULL : "";
}

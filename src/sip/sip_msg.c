#include "sip/sip_msg.h"

#include <string.h>

#include "sip/sip_lex.h"

/* --- names --- */

static const struct str methods[] = {
	[SIP_INVITE] = { "INVITE", 6 },   [SIP_ACK] = { "ACK", 3 },         [SIP_BYE] = { "BYE", 3 },
	[SIP_CANCEL] = { "CANCEL", 6 },   [SIP_OPTIONS] = { "OPTIONS", 7 }, [SIP_REGISTER] = { "REGISTER", 8 },
	[SIP_PRACK] = { "PRACK", 5 },     [SIP_UPDATE] = { "UPDATE", 6 },   [SIP_INFO] = { "INFO", 4 },
	[SIP_REFER] = { "REFER", 5 },     [SIP_NOTIFY] = { "NOTIFY", 6 },   [SIP_SUBSCRIBE] = { "SUBSCRIBE", 9 },
	[SIP_MESSAGE] = { "MESSAGE", 7 }, [SIP_PUBLISH] = { "PUBLISH", 7 }, [SIP_OTHER] = { "", 0 },
};

enum sip_method sip_method_of(struct str text)
{
	for (size_t i = 0; i < SIP_OTHER; i++) {
		if (text.n == methods[i].n && !memcmp(text.p, methods[i].p, text.n))
			return (enum sip_method)i;
	}
	return SIP_OTHER;
}

const char *sip_method_name(enum sip_method m)
{
	return methods[m].p;
}

/* RFC 3261 §21 and the IANA registry; index is the status. */
static const char *const phrases[700] = {
	[100] = "Trying",
	[180] = "Ringing",
	[181] = "Call Is Being Forwarded",
	[182] = "Queued",
	[183] = "Session Progress",
	[199] = "Early Dialog Terminated",
	[200] = "OK",
	[202] = "Accepted",
	[204] = "No Notification",
	[300] = "Multiple Choices",
	[301] = "Moved Permanently",
	[302] = "Moved Temporarily",
	[305] = "Use Proxy",
	[380] = "Alternative Service",
	[400] = "Bad Request",
	[401] = "Unauthorized",
	[402] = "Payment Required",
	[403] = "Forbidden",
	[404] = "Not Found",
	[405] = "Method Not Allowed",
	[406] = "Not Acceptable",
	[407] = "Proxy Authentication Required",
	[408] = "Request Timeout",
	[410] = "Gone",
	[412] = "Conditional Request Failed",
	[413] = "Request Entity Too Large",
	[414] = "Request-URI Too Long",
	[415] = "Unsupported Media Type",
	[416] = "Unsupported URI Scheme",
	[417] = "Unknown Resource-Priority",
	[420] = "Bad Extension",
	[421] = "Extension Required",
	[422] = "Session Interval Too Small",
	[423] = "Interval Too Brief",
	[424] = "Bad Location Information",
	[428] = "Use Identity Header",
	[429] = "Provide Referrer Identity",
	[430] = "Flow Failed",
	[433] = "Anonymity Disallowed",
	[436] = "Bad Identity Info",
	[437] = "Unsupported Credential",
	[438] = "Invalid Identity Header",
	[439] = "First Hop Lacks Outbound Support",
	[440] = "Max-Breadth Exceeded",
	[469] = "Bad Info Package",
	[470] = "Consent Needed",
	[480] = "Temporarily Unavailable",
	[481] = "Call/Transaction Does Not Exist",
	[482] = "Loop Detected",
	[483] = "Too Many Hops",
	[484] = "Address Incomplete",
	[485] = "Ambiguous",
	[486] = "Busy Here",
	[487] = "Request Terminated",
	[488] = "Not Acceptable Here",
	[489] = "Bad Event",
	[491] = "Request Pending",
	[493] = "Undecipherable",
	[494] = "Security Agreement Required",
	[500] = "Server Internal Error",
	[501] = "Not Implemented",
	[502] = "Bad Gateway",
	[503] = "Service Unavailable",
	[504] = "Server Time-out",
	[505] = "Version Not Supported",
	[513] = "Message Too Large",
	[555] = "Push Notification Service Not Supported",
	[580] = "Precondition Failure",
	[600] = "Busy Everywhere",
	[603] = "Decline",
	[604] = "Does Not Exist Anywhere",
	[606] = "Not Acceptable",
	[607] = "Unwanted",
	[608] = "Rejected",
};

const char *sip_reason_phrase(int status)
{
	if (status < 0 || (size_t)status >= ARRAY_LEN(phrases) || !phrases[status])
		return "";
	return phrases[status];
}

/* Header names are found by first letter, last letter and length. A collision initialises one slot twice,
 * which the compiler refuses, so the hash stays perfect when names are added. */
#define SLOT(first, last, length) (((first) + (last)*28 + (length)*30) & 127)
#define NAME(first, last, text, id) [SLOT(first, last, sizeof(text) - 1)] = { { text, sizeof(text) - 1 }, id }

static const struct {
	struct str name;
	enum sip_hdr_id id;
} names[128] = {
	NAME('v', 'a', "Via", SIP_H_VIA),
	NAME('v', 'v', "v", SIP_H_VIA),
	NAME('f', 'm', "From", SIP_H_FROM),
	NAME('f', 'f', "f", SIP_H_FROM),
	NAME('t', 'o', "To", SIP_H_TO),
	NAME('t', 't', "t", SIP_H_TO),
	NAME('c', 'd', "Call-ID", SIP_H_CALL_ID),
	NAME('i', 'i', "i", SIP_H_CALL_ID),
	NAME('c', 'q', "CSeq", SIP_H_CSEQ),
	NAME('c', 't', "Contact", SIP_H_CONTACT),
	NAME('m', 'm', "m", SIP_H_CONTACT),
	NAME('r', 'e', "Route", SIP_H_ROUTE),
	NAME('r', 'e', "Record-Route", SIP_H_RECORD_ROUTE),
	NAME('m', 's', "Max-Forwards", SIP_H_MAX_FORWARDS),
	NAME('c', 'h', "Content-Length", SIP_H_CONTENT_LENGTH),
	NAME('l', 'l', "l", SIP_H_CONTENT_LENGTH),
	NAME('c', 'e', "Content-Type", SIP_H_CONTENT_TYPE),
	NAME('c', 'c', "c", SIP_H_CONTENT_TYPE),
	NAME('c', 'g', "Content-Encoding", SIP_H_CONTENT_ENCODING),
	NAME('e', 'e', "e", SIP_H_CONTENT_ENCODING),
	NAME('r', 'e', "Require", SIP_H_REQUIRE),
	NAME('p', 'e', "Proxy-Require", SIP_H_PROXY_REQUIRE),
	NAME('s', 'd', "Supported", SIP_H_SUPPORTED),
	NAME('k', 'k', "k", SIP_H_SUPPORTED),
	NAME('u', 'd', "Unsupported", SIP_H_UNSUPPORTED),
	NAME('a', 'w', "Allow", SIP_H_ALLOW),
	NAME('a', 't', "Accept", SIP_H_ACCEPT),
	NAME('r', 'n', "Reason", SIP_H_REASON),
	NAME('r', 'r', "Retry-After", SIP_H_RETRY_AFTER),
	NAME('e', 's', "Expires", SIP_H_EXPIRES),
	NAME('d', 'e', "Date", SIP_H_DATE),
	NAME('w', 'g', "Warning", SIP_H_WARNING),
	NAME('w', 'e', "WWW-Authenticate", SIP_H_WWW_AUTHENTICATE),
	NAME('p', 'e', "Proxy-Authenticate", SIP_H_PROXY_AUTHENTICATE),
	NAME('a', 'n', "Authorization", SIP_H_AUTHORIZATION),
	NAME('p', 'n', "Proxy-Authorization", SIP_H_PROXY_AUTHORIZATION),
	NAME('s', 's', "Session-Expires", SIP_H_SESSION_EXPIRES),
	NAME('x', 'x', "x", SIP_H_SESSION_EXPIRES),
	NAME('m', 'e', "Min-SE", SIP_H_MIN_SE),
	NAME('r', 'q', "RSeq", SIP_H_RSEQ),
	NAME('r', 'k', "RAck", SIP_H_RACK),
	NAME('r', 's', "Replaces", SIP_H_REPLACES),
	NAME('r', 'o', "Refer-To", SIP_H_REFER_TO),
	NAME('r', 'r', "r", SIP_H_REFER_TO),
	NAME('u', 't', "User-Agent", SIP_H_USER_AGENT),
	NAME('s', 'r', "Server", SIP_H_SERVER),
};

static enum sip_hdr_id name_id(struct str name)
{
	unsigned first = (unsigned char)name.p[0] | 0x20u, last = (unsigned char)name.p[name.n - 1] | 0x20u;
	unsigned slot = SLOT(first, last, (unsigned)name.n);

	if (names[slot].name.n != name.n)
		return SIP_H_OTHER;
	if (!memcmp(names[slot].name.p, name.p, name.n) || str_ieq(names[slot].name, name))
		return names[slot].id;
	return SIP_H_OTHER;
}

/* --- parsing --- */

struct scan {
	const char *p, *end;
	const char *why;
	bool has_length, bad_length;
	uint32_t length;
};

/* Where the line at p ends: its LF, or NULL. Lines end with CRLF; a lone LF is taken as well, as proxies in
 * the field do, so nobody in front of us sees other lines than we do. */
static const char *line_feed(const char *p, const char *end)
{
	return memchr(p, '\n', (size_t)(end - p));
}

static const char *without_cr(const char *p, const char *feed)
{
	return feed > p && feed[-1] == '\r' ? feed - 1 : feed;
}

/* The request line is cut at its outer blanks; whatever is wrong inside stays in the slices for
 * sip_msg_check(), so that the sender can be told. */
static bool request_line(struct sip_msg *m, const char *p, const char *end)
{
	const char *stop = lex_span(p, end, LEX_TOKEN), *last = end;

	if (stop == p || stop == end || *stop != ' ')
		return false;
	m->request = true;
	m->method_text = lex_slice(p, stop);
	m->method = sip_method_of(m->method_text);
	m->status = 0;
	m->reason = (struct str){ NULL, 0 };

	while (last > stop && last[-1] == ' ')
		last--;
	while (last > stop && last[-1] != ' ')
		last--;
	m->version = lex_slice(last, end);
	if (last - 1 <= stop || !str_istarts(m->version, "SIP/"))
		return false;
	m->ruri = lex_slice(stop + 1, last - 1);
	return true;
}

/* A status that is no number from 100 to 699 becomes 0; the message is then discarded by its reader. */
static bool status_line(struct sip_msg *m, const char *p, const char *end)
{
	const char *stop = memchr(p, ' ', (size_t)(end - p));
	uint32_t status = 0;

	if (!stop)
		return false;
	m->request = false;
	m->method = SIP_OTHER;
	m->method_text = m->ruri = (struct str){ NULL, 0 };
	m->version = lex_slice(p, stop);
	p = stop + 1;
	stop = lex_span(p, end, LEX_DIGIT);
	if (stop == p || (stop < end && *stop != ' '))
		return false;
	if (stop - p != 3 || str_u32(lex_slice(p, stop), &status) || status < 100 || status > 699)
		status = 0;
	m->status = (uint16_t)status;
	m->reason = stop < end ? lex_slice(stop + 1, end) : lex_slice(end, end);
	return true;
}

static void note_length(struct scan *s, struct str value)
{
	uint32_t length = 0;

	if (str_u32(value, &length) || (s->has_length && s->length != length))
		s->bad_length = true;
	s->has_length = true;
	s->length = length;
}

/* A line without a good name and a colon is kept nameless. */
static void add_header(struct sip_msg *m, struct scan *s, const char *p, const char *end)
{
	struct sip_hdr *h = &m->headers[m->header_count++];
	const char *stop = lex_span(p, end, LEX_TOKEN), *colon = stop;

	while (colon < end && (*colon == ' ' || *colon == '\t'))
		colon++;
	if (stop == p || colon == end || *colon != ':') {
		h->id = SIP_H_OTHER;
		h->name = lex_slice(p, p);
		h->value = lex_slice(p, end);
		return;
	}
	h->name = lex_slice(p, stop);
	h->id = name_id(h->name);
	p = lex_span(colon + 1, end, LEX_BLANK);
	while (end > p && lex_is(end[-1], LEX_BLANK))
		end--;
	h->value = lex_slice(p, end);
	if (h->id == SIP_H_CONTENT_LENGTH)
		note_length(s, h->value);
}

/* Index header lines up to and over the empty line. MORE: the data ends before that; what there is of the
 * last line counts as a header then. */
static enum sip_parse index_headers(struct sip_msg *m, struct scan *s)
{
	while (s->p < s->end) {
		const char *feed = line_feed(s->p, s->end), *stop;

		stop = feed ? without_cr(s->p, feed) : s->end;
		if (feed && stop == s->p) {
			s->p = feed + 1;
			return SIP_PARSE_OK;
		}
		while (feed && feed + 1 < s->end && (feed[1] == ' ' || feed[1] == '\t')) {
			feed = line_feed(feed + 1, s->end);
			stop = feed ? without_cr(s->p, feed) : s->end;
		}
		if (stop - s->p > SIP_MAX_HEADER) {
			s->why = "header line over 16 KiB";
			return SIP_PARSE_BAD;
		}
		if (m->header_count == SIP_MAX_HEADERS) {
			s->why = "more than 256 headers";
			return SIP_PARSE_BAD;
		}
		add_header(m, s, s->p, stop);
		s->p = feed ? feed + 1 : s->end;
	}
	return SIP_PARSE_MORE;
}

static enum sip_parse start_line(struct sip_msg *m, struct scan *s)
{
	const char *feed = line_feed(s->p, s->end), *stop = feed ? without_cr(s->p, feed) : s->end;
	struct str line = lex_slice(s->p, stop);
	bool good;

	if (line.n > SIP_MAX_HEADER) {
		s->why = "start line over 16 KiB";
		return SIP_PARSE_BAD;
	}
	if (!feed)
		return SIP_PARSE_MORE;
	good = str_istarts(line, "SIP/") ? status_line(m, s->p, stop) : request_line(m, s->p, stop);
	s->why = "no SIP start line";
	s->p = feed + 1;
	return good ? SIP_PARSE_OK : SIP_PARSE_BAD;
}

/* The body of a stream's message: exactly Content-Length bytes. */
static enum sip_parse stream_body(struct sip_msg *m, struct scan *s)
{
	size_t head = (size_t)(s->p - m->raw.p);

	m->unframed = !s->has_length || s->bad_length;
	m->body = (struct str){ s->p, m->unframed ? 0 : s->length };
	if (m->body.n > SIP_MAX_MESSAGE - head) {
		s->why = "message over 64 KiB";
		return SIP_PARSE_BAD;
	}
	return m->body.n > (size_t)(s->end - s->p) ? SIP_PARSE_MORE : SIP_PARSE_OK;
}

/* The body of a datagram: the rest, or less when Content-Length says so (§18.3). */
static void datagram_body(struct sip_msg *m, struct scan *s)
{
	size_t rest = (size_t)(s->end - s->p);
	bool counted = s->has_length && !s->bad_length;

	m->short_body = m->short_body || (counted && s->length > rest);
	m->body = (struct str){ s->p, counted && s->length < rest ? s->length : rest };
}

static enum sip_parse parse_message(struct sip_msg *m, struct scan *s, bool stream)
{
	enum sip_parse result;

	m->raw = (struct str){ s->p, 0 };
	m->header_count = 0;
	m->short_body = m->unframed = false;
	result = start_line(m, s);
	if (result == SIP_PARSE_OK)
		result = index_headers(m, s);

	if (result == SIP_PARSE_MORE && !stream && m->header_count) {
		m->short_body = true; /* the datagram was cut off inside the headers */
		result = SIP_PARSE_OK;
	}
	if (result == SIP_PARSE_OK && stream)
		result = stream_body(m, s);
	else if (result == SIP_PARSE_OK)
		datagram_body(m, s);
	if (result == SIP_PARSE_OK)
		m->raw.n = (size_t)(m->body.p + m->body.n - m->raw.p);
	if (result == SIP_PARSE_MORE && !stream) {
		s->why = "cut off before the first header";
		result = SIP_PARSE_BAD;
	}
	return result;
}

enum sip_parse sip_msg_parse(struct sip_msg *m, const char *data, size_t n, bool stream, size_t *used, const char **why)
{
	struct scan s = { .p = data, .why = "" };
	enum sip_parse result;

	if (!n) {
		*used = 0;
		return stream ? SIP_PARSE_MORE : SIP_PARSE_EMPTY;
	}
	s.end = data + n;
	while (s.p < s.end && (*s.p == '\r' || *s.p == '\n'))
		s.p++;
	if (s.p == s.end) {
		*used = n;
		return SIP_PARSE_EMPTY;
	}

	result = parse_message(m, &s, stream);
	if (result == SIP_PARSE_MORE && (size_t)(s.end - m->raw.p) >= SIP_MAX_MESSAGE) {
		s.why = "message over 64 KiB";
		result = SIP_PARSE_BAD;
	}
	if (result == SIP_PARSE_OK)
		*used = stream ? (size_t)(m->raw.p + m->raw.n - data) : n;
	if (result == SIP_PARSE_BAD)
		*why = s.why;
	return result;
}

/* --- headers --- */

struct str sip_msg_header(const struct sip_msg *m, enum sip_hdr_id id, size_t n)
{
	for (size_t i = 0; i < m->header_count; i++) {
		if (m->headers[i].id == id && !n--)
			return m->headers[i].value;
	}
	return (struct str){ NULL, 0 };
}

struct str sip_msg_header_named(const struct sip_msg *m, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; n && i < m->header_count; i++) {
		if (m->headers[i].name.n == n && str_iis(m->headers[i].name, name))
			return m->headers[i].value;
	}
	return (struct str){ NULL, 0 };
}

/* Where the value at p ends: the comma, or end. Quotes and brackets that never close hide nothing. */
static const char *value_end(const char *p, const char *end)
{
	if (!memchr(p, ',', (size_t)(end - p)))
		return end;
	for (; p < end && *p != ','; p++) {
		const char *close = NULL;

		if (*p == '"')
			close = lex_quote_end(p, end);
		else if (*p == '<')
			close = memchr(p, '>', (size_t)(end - p));
		if (close)
			p = close;
	}
	return p;
}

/* *pos is the header's index and, in its low 16 bits, the offset inside the value. */
bool sip_msg_next_value(const struct sip_msg *m, enum sip_hdr_id id, size_t *pos, struct str *value)
{
	size_t i = *pos >> 16, offset = *pos & 0xffff;

	for (; i < m->header_count; i++, offset = 0) {
		const struct sip_hdr *h = &m->headers[i];

		while (h->id == id && offset < h->value.n) {
			const char *p = h->value.p + offset, *stop = value_end(p, h->value.p + h->value.n);

			offset = (size_t)(stop - h->value.p) + 1;
			*value = str_trim(lex_slice(p, stop));
			*pos = i << 16 | offset;
			if (value->n)
				return true;
		}
	}
	*pos = i << 16;
	return false;
}

bool sip_value_next(struct str *rest, struct str *value)
{
	while (rest->n) {
		const char *end = rest->p + rest->n, *stop = value_end(rest->p, end);

		*value = str_trim(lex_slice(rest->p, stop));
		*rest = stop < end ? lex_slice(stop + 1, end) : lex_slice(end, end);
		if (value->n)
			return true;
	}
	return false;
}

bool sip_msg_has_token(const struct sip_msg *m, enum sip_hdr_id id, const char *token)
{
	size_t pos = 0;
	struct str value;

	while (sip_msg_next_value(m, id, &pos, &value)) {
		long semi = str_chr(value, ';');

		if (str_iis(semi < 0 ? value : str_trim(str_head(value, (size_t)semi)), token))
			return true;
	}
	return false;
}

#include <errno.h>
#include <stdlib.h>

#include "check.h"
#include "sip/sip_msg.h"

/* A request to vary: everything an INVITE of ours would have. */
#define START "INVITE sip:bob@example.com SIP/2.0\r\n"
#define VIA "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport\r\n"
#define FROM "From: \"Alice\" <sip:alice@example.com>;tag=a1\r\n"
#define TO "To: <sip:bob@example.com>\r\n"
#define CALL_ID "Call-ID: c1@192.0.2.1\r\n"
#define CSEQ "CSeq: 1 INVITE\r\n"
#define CORE VIA FROM TO CALL_ID CSEQ
#define END "Content-Length: 0\r\n\r\n"

static void check_slice(const char *want, struct str got)
{
	char text[512];

	str_copy(text, sizeof(text), got);
	CHECK_STR(want ? want : "(absent)", got.p ? text : "(absent)");
}

/* From malloc() without slack, so that ASan sees every byte read beyond. The caller frees *copy. */
static enum sip_parse parse(struct sip_msg *m, const char *text, size_t n, bool stream, char **copy)
{
	const char *why = NULL;
	enum sip_parse result;
	size_t used = 0;

	*copy = malloc(n ? n : 1);
	memcpy(*copy, text, n);
	result = sip_msg_parse(m, *copy, n, stream, &used, &why);
	CHECK(result != SIP_PARSE_BAD || (why && *why));
	CHECK(used <= n);
	return result;
}

static void start_lines(void **state)
{
	static const struct {
		const char *line;
		bool good, request;
		const char *method, *ruri, *version, *reason;
		int status;
	} rows[] = {
		{ "INVITE sip:a@b SIP/2.0", true, true, "INVITE", "sip:a@b", "SIP/2.0", NULL, 0 },
		{ "invite sip:a@b sip/2.0", true, true, "invite", "sip:a@b", "sip/2.0", NULL, 0 },
		{ "X  sip:a@b  SIP/2.0", true, true, "X", " sip:a@b ", "SIP/2.0", NULL, 0 },
		{ "BYE sip:a@b SIP/2.0  ", true, true, "BYE", "sip:a@b", "SIP/2.0  ", NULL, 0 },
		{ "BYE sip:a b SIP/2.0", true, true, "BYE", "sip:a b", "SIP/2.0", NULL, 0 },
		{ "SIP/2.0 200 OK", true, false, NULL, NULL, "SIP/2.0", "OK", 200 },
		{ "SIP/2.0 180 ", true, false, NULL, NULL, "SIP/2.0", "", 180 },
		{ "SIP/2.0 180", true, false, NULL, NULL, "SIP/2.0", "", 180 },
		{ "SIP/2.0 603 Not  today", true, false, NULL, NULL, "SIP/2.0", "Not  today", 603 },
		{ "SIP/2.0 99 Low", true, false, NULL, NULL, "SIP/2.0", "Low", 0 },
		{ "SIP/2.0 099 Low", true, false, NULL, NULL, "SIP/2.0", "Low", 0 },
		{ "SIP/2.0 700 High", true, false, NULL, NULL, "SIP/2.0", "High", 0 },
		{ "SIP/2.0 4294967496 Wrapped", true, false, NULL, NULL, "SIP/2.0", "Wrapped", 0 },
		{ "SIP/2.0 OK", false, false, NULL, NULL, NULL, NULL, 0 },
		{ "SIP/2.0", false, false, NULL, NULL, NULL, NULL, 0 },
		{ "GET / HTTP/1.1", false, false, NULL, NULL, NULL, NULL, 0 },
		{ "INVITE SIP/2.0", false, false, NULL, NULL, NULL, NULL, 0 },
		{ "INVITE", false, false, NULL, NULL, NULL, NULL, 0 },
		{ " INVITE sip:a@b SIP/2.0", false, false, NULL, NULL, NULL, NULL, 0 },
		{ "INV@TE sip:a@b SIP/2.0", false, false, NULL, NULL, NULL, NULL, 0 },
		{ "\x16\x03\x01\x02", false, false, NULL, NULL, NULL, NULL, 0 },
	};
	static struct sip_msg m;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[128], *copy;
		int n = snprintf(text, sizeof(text), "%s\r\nl:0\r\n\r\n", rows[i].line);
		bool good = parse(&m, text, (size_t)n, false, &copy) == SIP_PARSE_OK;

		if (good != rows[i].good)
			fprintf(stderr, "row \"%s\"\n", rows[i].line);
		CHECK_INT(rows[i].good, good);
		if (good) {
			CHECK_INT(rows[i].request, m.request);
			check_slice(rows[i].method, m.method_text);
			check_slice(rows[i].ruri, m.ruri);
			check_slice(rows[i].version, m.version);
			check_slice(rows[i].reason, m.reason);
			CHECK_INT(rows[i].status, m.status);
			CHECK_INT(1, m.header_count);
		}
		free(copy);
	}
}

static void framing(void **state)
{
	static const struct {
		const char *text;
		bool stream;
		enum sip_parse want;
		size_t used; /* 0 = all */
		const char *body;
		bool short_body, unframed;
	} rows[] = {
		{ "", false, SIP_PARSE_EMPTY, 0, NULL, false, false },
		{ "", true, SIP_PARSE_MORE, 0, NULL, false, false },
		{ "\r\n\r\n", false, SIP_PARSE_EMPTY, 0, NULL, false, false },
		{ "\r\n\r\n", true, SIP_PARSE_EMPTY, 0, NULL, false, false },
		{ "\r\n" START END, false, SIP_PARSE_OK, 0, "", false, false },
		{ "\r\n\r\n" START END, true, SIP_PARSE_OK, 0, "", false, false },
		{ START "l: 3\r\n\r\nabcdef", false, SIP_PARSE_OK, 0, "abc", false, false },
		{ START "l: 3\r\n\r\nabcBYE", true, SIP_PARSE_OK, sizeof(START "l: 3\r\n\r\nabc") - 1, "abc", false,
		  false },
		{ START "l: 9\r\n\r\nabcdef", false, SIP_PARSE_OK, 0, "abcdef", true, false },
		{ START "l: 9\r\n\r\nabcdef", true, SIP_PARSE_MORE, 0, NULL, false, false },
		{ START "t: x\r\n\r\nabc", false, SIP_PARSE_OK, 0, "abc", false, false },
		{ START "t: x\r\n\r\n", true, SIP_PARSE_OK, 0, "", false, true },
		{ START "l: -1\r\n\r\n", true, SIP_PARSE_OK, 0, "", false, true },
		{ START "l: 1\r\nl: 2\r\n\r\nab", true, SIP_PARSE_OK, sizeof(START "l: 1\r\nl: 2\r\n\r\n") - 1, "",
		  false, true },
		{ START "l: 1\r\nl: 2\r\n\r\nab", false, SIP_PARSE_OK, 0, "ab", false, false },
		{ START "l: 70000\r\n\r\nab", true, SIP_PARSE_BAD, 0, NULL, false, false },
		{ START "l: 99999999999999999999\r\n\r\n", true, SIP_PARSE_OK, 0, "", false, true },
		{ START "t: x\r\n", false, SIP_PARSE_OK, 0, "", true, false },
		{ START "t: x", false, SIP_PARSE_OK, 0, "", true, false },
		{ START "t: x\r\n", true, SIP_PARSE_MORE, 0, NULL, false, false },
		{ START, false, SIP_PARSE_BAD, 0, NULL, false, false },
		{ START, true, SIP_PARSE_MORE, 0, NULL, false, false },
		{ "INVITE", true, SIP_PARSE_MORE, 0, NULL, false, false },
		{ "INVITE", false, SIP_PARSE_BAD, 0, NULL, false, false },
		{ START "\r\n", false, SIP_PARSE_OK, 0, "", false, false },
		{ "OPTIONS sip:a SIP/2.0\nl:1\n\nx", true, SIP_PARSE_OK, 0, "x", false, false },
	};
	static struct sip_msg m;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *text = rows[i].text, *why;
		size_t n = strlen(text), used = 12345;
		enum sip_parse got = sip_msg_parse(&m, text, n, rows[i].stream, &used, &why);

		if (got != rows[i].want)
			fprintf(stderr, "row %zu\n", i);
		CHECK_INT(rows[i].want, got);
		if (got == SIP_PARSE_OK || got == SIP_PARSE_EMPTY)
			CHECK_INT(rows[i].used ? rows[i].used : n, used);
		if (got != SIP_PARSE_OK)
			continue;
		check_slice(rows[i].body, m.body);
		CHECK_INT(rows[i].short_body, m.short_body);
		CHECK_INT(rows[i].unframed, m.unframed);
		CHECK(m.raw.p + m.raw.n == m.body.p + m.body.n);
	}
}

static void fill(char *out, size_t *n, const char *text)
{
	memcpy(out + *n, text, strlen(text));
	*n += strlen(text);
}

static void limits(void **state)
{
	static char text[3 * SIP_MAX_MESSAGE];
	static struct sip_msg m;
	const char *why = "";
	size_t used, n = 0, at;

	fill(text, &n, START);
	for (size_t i = 0; i < SIP_MAX_HEADERS; i++)
		fill(text, &n, "X: 1\r\n");
	memcpy(text + n, "\r\n", 2);
	CHECK_INT(SIP_PARSE_OK, sip_msg_parse(&m, text, n + 2, false, &used, &why));
	CHECK_INT(SIP_MAX_HEADERS, m.header_count);
	memcpy(text + n, "X: 1\r\n\r\n", 8);
	CHECK_INT(SIP_PARSE_BAD, sip_msg_parse(&m, text, n + 8, false, &used, &why));
	CHECK_STR("more than 256 headers", why);

	n = 0;
	fill(text, &n, START "X: ");
	memset(text + n, 'x', SIP_MAX_HEADER);
	at = n - 3 + SIP_MAX_HEADER;
	memcpy(text + at, "\r\n\r\n", 4);
	CHECK_INT(SIP_PARSE_OK, sip_msg_parse(&m, text, at + 4, false, &used, &why));
	memcpy(text + at, "x\r\n\r\n", 5);
	CHECK_INT(SIP_PARSE_BAD, sip_msg_parse(&m, text, at + 5, false, &used, &why));
	CHECK_STR("header line over 16 KiB", why);

	memset(text, 'x', sizeof(text));
	CHECK_INT(SIP_PARSE_MORE, sip_msg_parse(&m, text, SIP_MAX_HEADER, true, &used, &why));
	CHECK_INT(SIP_PARSE_BAD, sip_msg_parse(&m, text, SIP_MAX_HEADER + 1, true, &used, &why));
	CHECK_STR("start line over 16 KiB", why);

	/* Long headers without an end. */
	n = 0;
	fill(text, &n, START);
	for (; n <= SIP_MAX_MESSAGE; n += 10002) {
		memcpy(text + n, "X:", 2);
		memset(text + n + 2, 'x', 9998);
		memcpy(text + n + 10000, "\r\n", 2);
	}
	CHECK_INT(SIP_PARSE_BAD, sip_msg_parse(&m, text, n, true, &used, &why));
	CHECK_STR("message over 64 KiB", why);
}

static void every_header_name_is_known_in_any_case(void **state)
{
	static const struct {
		const char *name;
		enum sip_hdr_id id;
	} rows[] = {
		{ "Via", SIP_H_VIA },
		{ "v", SIP_H_VIA },
		{ "From", SIP_H_FROM },
		{ "f", SIP_H_FROM },
		{ "To", SIP_H_TO },
		{ "t", SIP_H_TO },
		{ "Call-ID", SIP_H_CALL_ID },
		{ "i", SIP_H_CALL_ID },
		{ "CSeq", SIP_H_CSEQ },
		{ "Contact", SIP_H_CONTACT },
		{ "m", SIP_H_CONTACT },
		{ "Route", SIP_H_ROUTE },
		{ "Record-Route", SIP_H_RECORD_ROUTE },
		{ "Max-Forwards", SIP_H_MAX_FORWARDS },
		{ "Content-Length", SIP_H_CONTENT_LENGTH },
		{ "l", SIP_H_CONTENT_LENGTH },
		{ "Content-Type", SIP_H_CONTENT_TYPE },
		{ "c", SIP_H_CONTENT_TYPE },
		{ "Content-Encoding", SIP_H_CONTENT_ENCODING },
		{ "e", SIP_H_CONTENT_ENCODING },
		{ "Require", SIP_H_REQUIRE },
		{ "Proxy-Require", SIP_H_PROXY_REQUIRE },
		{ "Supported", SIP_H_SUPPORTED },
		{ "k", SIP_H_SUPPORTED },
		{ "Unsupported", SIP_H_UNSUPPORTED },
		{ "Allow", SIP_H_ALLOW },
		{ "Accept", SIP_H_ACCEPT },
		{ "Reason", SIP_H_REASON },
		{ "Retry-After", SIP_H_RETRY_AFTER },
		{ "Expires", SIP_H_EXPIRES },
		{ "Date", SIP_H_DATE },
		{ "Warning", SIP_H_WARNING },
		{ "WWW-Authenticate", SIP_H_WWW_AUTHENTICATE },
		{ "Proxy-Authenticate", SIP_H_PROXY_AUTHENTICATE },
		{ "Authorization", SIP_H_AUTHORIZATION },
		{ "Proxy-Authorization", SIP_H_PROXY_AUTHORIZATION },
		{ "Session-Expires", SIP_H_SESSION_EXPIRES },
		{ "x", SIP_H_SESSION_EXPIRES },
		{ "Min-SE", SIP_H_MIN_SE },
		{ "RSeq", SIP_H_RSEQ },
		{ "RAck", SIP_H_RACK },
		{ "Replaces", SIP_H_REPLACES },
		{ "Refer-To", SIP_H_REFER_TO },
		{ "r", SIP_H_REFER_TO },
		{ "User-Agent", SIP_H_USER_AGENT },
		{ "Server", SIP_H_SERVER },
		{ "s", SIP_H_OTHER },
		{ "Vio", SIP_H_OTHER },
		{ "Subject", SIP_H_OTHER },
		{ "C%6Fntact", SIP_H_OTHER },
		{ "Contacts", SIP_H_OTHER },
		{ "X-Crosspoint-CallSid", SIP_H_OTHER },
	};
	static struct sip_msg m;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (int form = 0; form < 3; form++) {
			char name[32], text[128], *copy;
			int n;

			str_copy(name, sizeof(name), str_of(rows[i].name));
			for (char *p = name; form && *p; p++)
				*p = (char)(form == 1 ? *p | (*p >= 'A' && *p <= 'Z' ? 0x20 : 0)
						      : *p & (*p >= 'a' && *p <= 'z' ? ~0x20 : ~0));
			n = snprintf(text, sizeof(text), START "%s \t:  value 1\t\r\nl:0\r\n\r\n", name);
			CHECK_INT(SIP_PARSE_OK, parse(&m, text, (size_t)n, false, &copy));
			if (m.headers[0].id != rows[i].id)
				fprintf(stderr, "row %s\n", name);
			CHECK_INT(rows[i].id, m.headers[0].id);
			check_slice(name, m.headers[0].name);
			check_slice("value 1", m.headers[0].value);
			check_slice("value 1", sip_msg_header_named(&m, rows[i].name));
			free(copy);
		}
	}
}

static void headers_are_found_and_lists_are_split(void **state)
{
	static const char text[] = START "Via: one, \"a,b\" <x,y>;p=\"\\\",\" ,, two ,\r\n"
					 "Supported:\r\n"
					 "v:three,\r\n four\r\n"
					 "Allow: INVITE,ACK , bye\r\n"
					 "Accept: application/sdp;level=1, text/plain\r\n"
					 "X-a: 1\r\nX-A: 2\r\nVia: \"open, <five\r\n"
					 "Folded: a\r\n\t b\r\n \r\n c\r\n\r\n";
	static const char *const want[] = { "one",  "\"a,b\" <x,y>;p=\"\\\",\"", "two", "three", "four", "\"open",
					    "<five" };
	static struct sip_msg m;
	struct str value;
	size_t pos = 0;
	char *copy;

	CHECK_INT(SIP_PARSE_OK, parse(&m, text, sizeof(text) - 1, false, &copy));
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		CHECK(sip_msg_next_value(&m, SIP_H_VIA, &pos, &value));
		check_slice(want[i], value);
	}
	CHECK(!sip_msg_next_value(&m, SIP_H_VIA, &pos, &value));
	CHECK(!sip_msg_next_value(&m, SIP_H_VIA, &pos, &value));
	pos = 0;
	CHECK(!sip_msg_next_value(&m, SIP_H_SUPPORTED, &pos, &value));

	CHECK(sip_msg_header(&m, SIP_H_SUPPORTED, 0).p && !sip_msg_header(&m, SIP_H_SUPPORTED, 0).n);
	CHECK(!sip_msg_header(&m, SIP_H_SUPPORTED, 1).p);
	check_slice("three,\r\n four", sip_msg_header(&m, SIP_H_VIA, 1));
	check_slice("1", sip_msg_header_named(&m, "x-A"));
	CHECK(!sip_msg_header_named(&m, "X-B").p);
	CHECK(!sip_msg_header_named(&m, "").p);
	check_slice("a\r\n\t b\r\n \r\n c", sip_msg_header_named(&m, "folded"));

	CHECK(sip_msg_has_token(&m, SIP_H_ALLOW, "ACK"));
	CHECK(sip_msg_has_token(&m, SIP_H_ALLOW, "BYE"));
	CHECK(!sip_msg_has_token(&m, SIP_H_ALLOW, "INV"));
	CHECK(!sip_msg_has_token(&m, SIP_H_SUPPORTED, "100rel"));
	CHECK(sip_msg_has_token(&m, SIP_H_ACCEPT, "application/sdp"));
	free(copy);
}

static void checks(void **state)
{
	static const struct {
		const char *text;
		int status;
		const char *why;
	} rows[] = {
		{ START CORE END, 0, NULL },
		{ START CORE "Max-Forwards: 255\r\n" END, 0, NULL },
		{ START CORE "Max-Forwards: 256\r\n" END, 400, "Bad Max-Forwards" },
		{ START CORE "Max-Forwards: x\r\n" END, 400, "Bad Max-Forwards" },
		{ START FROM TO CALL_ID CSEQ END, 400, "Missing Via" },
		{ START "Via:\r\n" FROM TO CALL_ID CSEQ END, 400, "Missing Via" },
		{ START VIA TO CALL_ID CSEQ END, 400, "Missing From" },
		{ START VIA FROM CALL_ID CSEQ END, 400, "Missing To" },
		{ START VIA FROM TO CSEQ END, 400, "Missing Call-ID" },
		{ START VIA FROM TO CALL_ID END, 400, "Missing CSeq" },
		{ START CORE FROM END, 400, "More Than One From" },
		{ START CORE TO END, 400, "More Than One To" },
		{ START CORE CALL_ID END, 400, "More Than One Call-ID" },
		{ START CORE CSEQ END, 400, "More Than One CSeq" },
		{ START CORE "l: 0\r\n" END, 400, "More Than One Content-Length" },
		{ START CORE "c: a/b\r\nc: a/b\r\n" END, 400, "More Than One Content-Type" },
		{ START CORE "Max-Forwards: 7\r\nMax-Forwards: 7\r\n" END, 400, "More Than One Max-Forwards" },
		{ START VIA FROM TO "Call-ID:\r\n" CSEQ END, 400, "Bad Call-ID" },
		{ START VIA FROM TO "Call-ID: a b\r\n" CSEQ END, 400, "Bad Call-ID" },
		{ START VIA "From: *\r\n" TO CALL_ID CSEQ END, 400, "Bad From" },
		{ START VIA FROM "To: <sip:a@b\r\n" CALL_ID CSEQ END, 400, "Bad To" },
		{ START VIA FROM TO CALL_ID "CSeq: 1 BYE\r\n" END, 400, "CSeq Names Another Method" },
		{ START VIA FROM TO CALL_ID "CSeq: 1 invite\r\n" END, 400, "CSeq Names Another Method" },
		{ START VIA FROM TO CALL_ID "CSeq: 2147483648 INVITE\r\n" END, 400, "Bad CSeq" },
		{ START CORE "no colon here\r\n" END, 400, "Bad Header Line" },
		{ START CORE "Bad Name: x\r\n" END, 400, "Bad Header Line" },
		{ START CORE ": x\r\n" END, 400, "Bad Header Line" },
		{ START " x: folded into nothing\r\n" CORE END, 400, "Bad Header Line" },
		{ START CORE "X: a\rb\r\n" END, 400, "Control Character in Header" },
		{ START CORE "X: \x01\r\n" END, 400, "Control Character in Header" },
		{ START CORE "X: \"\\\x01\"\ttab\r\n" END, 0, NULL },
		{ START CORE "Contact: \"Joe\" <sip:joe@example.org>;;\r\n" END, 400, "Bad Contact" },
		{ START CORE "Contact: <sip:a@b>, <sip:>\r\n" END, 400, "Bad Contact" },
		{ START CORE "Contact: *\r\n" END, 0, NULL },
		{ START CORE "Route: *\r\n" END, 400, "Bad Route" },
		{ START CORE "Record-Route: <sip:a;lr>,<sip:b:0;lr>\r\n" END, 400, "Bad Record-Route" },
		{ START CORE "l: 1x\r\n\r\n", 400, "Bad Content-Length" },
		{ START CORE "l:\r\n\r\n", 400, "Bad Content-Length" },
		{ START CORE "l: 5\r\n\r\nab", 400, "Message Cut Short" },
		{ START CORE, 400, "Message Cut Short" },
		{ "INVITE sip:bob@example.com SIP/2.1\r\n" CORE END, 505, "Version Not Supported" },
		{ "INVITE sip:bob@example.com SIP/12.34\r\n" END, 505, "Version Not Supported" },
		{ "INVITE sip:bob@example.com SIP/2.0x\r\n" CORE END, 400, "Bad Start Line" },
		{ "INVITE sip:bob@example.com SIP/\r\n" CORE END, 400, "Bad Start Line" },
		{ "INVITE tel:+15551230000 SIP/2.0\r\n" CORE END, 416, "Unsupported URI Scheme" },
		{ "INVITE bob SIP/2.0\r\n" CORE END, 400, "Bad Request-URI" },
		{ "INVITE sip:bob@b?X=y SIP/2.0\r\n" CORE END, 400, "Headers in Request-URI" },
		{ "SIP/2.0 200 OK\r\n" CORE END, 0, NULL },
		{ "SIP/2.0 200 OK\r\n" CORE "Contact: <\r\n" END, 0, NULL },
		{ "SIP/2.0 200 OK\r\n" VIA CORE END, 400, "More Than One Via" },
		{ "SIP/3.0 200 OK\r\n" CORE END, 505, "Version Not Supported" },
		{ "SIP/2.0 999 OK\r\n" CORE END, 400, "Bad Status" },
	};
	static struct sip_msg m;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *why = NULL;
		char *copy;
		int status;

		CHECK_INT(SIP_PARSE_OK, parse(&m, rows[i].text, strlen(rows[i].text), false, &copy));
		status = sip_msg_check(&m, &why);
		if (status != rows[i].status || (why && strcmp(why, rows[i].why))) {
			fprintf(stderr, "row %zu: want %d %s, got %d %s\n", i, rows[i].status,
				rows[i].why ? rows[i].why : "", status, why ? why : "");
			check_bad++;
		}
		free(copy);
	}
}

static void uris(void **state)
{
	static const struct {
		const char *text;
		bool good;
		const char *scheme, *user, *password, *host;
		int port;
		const char *params, *headers;
	} rows[] = {
		{ "sip:example.com", true, "sip", NULL, NULL, "example.com", 0, "", NULL },
		{ "sip:a@b:5061;transport=tcp;lr", true, "sip", "a", NULL, "b", 5061, "transport=tcp;lr", NULL },
		{ "SIPS:a:pw@[2001:db8::1]:5061", true, "SIPS", "a", "pw", "2001:db8::1", 5061, "", NULL },
		{ "sip:[::ffff:192.0.2.1]", true, "sip", NULL, NULL, "::ffff:192.0.2.1", 0, "", NULL },
		{ "sip:a@b?Subject=x&To=y", true, "sip", "a", NULL, "b", 0, "", "Subject=x&To=y" },
		{ "sip:a@b;p=%20?x=y", true, "sip", "a", NULL, "b", 0, "p=%20", "x=y" },
		{ "sip:+1-555;phone-context=x@b", true, "sip", "+1-555;phone-context=x", NULL, "b", 0, "", NULL },
		{ "sip:*21#@my_pbx", true, "sip", "*21#", NULL, "my_pbx", 0, "", NULL },
		{ "sip:%61%2f@b", true, "sip", "%61%2f", NULL, "b", 0, "", NULL },
		{ "sip:a@b;rinstance=abc==;ob", true, "sip", "a", NULL, "b", 0, "rinstance=abc==;ob", NULL },
		{ "tel:+1-555-1234;x=y", true, "tel", NULL, NULL, NULL, 0, "", NULL },
		{ "http://www.example.com/a?b#c", true, "http", NULL, NULL, NULL, 0, "", NULL },
		{ "", false, NULL, NULL, NULL, NULL, 0, NULL, NULL },
		{ "sip", false, NULL, NULL, NULL, NULL, 0, NULL, NULL },
		{ "sip:", false, NULL, NULL, NULL, NULL, 0, NULL, NULL },
		{ "1sip:x", false, NULL, NULL, NULL, NULL, 0, NULL, NULL },
		{ "sip:@b", false, NULL, NULL, NULL, NULL, 0, NULL, NULL },
		{ "sip:a@", false, NULL, NULL, NULL, NULL, 0, NULL, NULL },
		{ "sip:a@b@c", false, NULL, NULL, NULL, NULL, 0, NULL, NULL },
		{ "sip:a b@c", false, NULL, NULL, NULL, NULL, 0, NULL, NULL },
		{ "sip:a%4@c", false, NULL, NULL, NULL, NULL, 0, NULL, NULL },
		{ "sip:a%zz@c", false, NULL, NULL, NULL, NULL, 0, NULL, NULL },
		{ "sip:a@b:", false, NULL, NULL, NULL, NULL, 0, NULL, NULL },
		{ "sip:a@b:0", false, NULL, NULL, NULL, NULL, 0, NULL, NULL },
		{ "sip:a@b:65536", false, NULL, NULL, NULL, NULL, 0, NULL, NULL },
		{ "sip:a@b:5060x", false, NULL, NULL, NULL, NULL, 0, NULL, NULL },
		{ "sip:a@b;", false, NULL, NULL, NULL, NULL, 0, NULL, NULL },
		{ "sip:a@b;;lr", false, NULL, NULL, NULL, NULL, 0, NULL, NULL },
		{ "sip:a@b; lr", false, NULL, NULL, NULL, NULL, 0, NULL, NULL },
		{ "sip:a@[::1", false, NULL, NULL, NULL, NULL, 0, NULL, NULL },
		{ "sip:a@[]", false, NULL, NULL, NULL, NULL, 0, NULL, NULL },
		{ "sip:a@[fe80::1%eth0]", false, NULL, NULL, NULL, NULL, 0, NULL, NULL },
		{ "<sip:a@b>", false, NULL, NULL, NULL, NULL, 0, NULL, NULL },
		{ "tel:\x01", false, NULL, NULL, NULL, NULL, 0, NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sip_uri u;
		int err = sip_uri_parse(&u, str_of(rows[i].text));

		if ((err == 0) != rows[i].good)
			fprintf(stderr, "row \"%s\"\n", rows[i].text);
		CHECK_INT(rows[i].good ? 0 : EINVAL, err);
		if (err)
			continue;
		check_slice(rows[i].text, u.all);
		check_slice(rows[i].scheme, u.scheme);
		check_slice(rows[i].user, u.user);
		check_slice(rows[i].password, u.password);
		check_slice(rows[i].host, u.host);
		CHECK_INT(rows[i].port, u.port);
		check_slice(rows[i].params, u.params);
		check_slice(rows[i].headers, u.headers);
	}
	CHECK_INT(EINVAL, sip_uri_parse(&(struct sip_uri){ .port = 0 }, (struct str){ NULL, 0 }));
}

static void parameters(void **state)
{
	static const struct {
		const char *params, *name, *want;
	} rows[] = {
		{ "transport=tcp;lr", "transport", "tcp" },
		{ "transport=tcp;lr", "LR", "" },
		{ "transport=tcp;lr", "l", NULL },
		{ "transport=tcp;lr", "tcp", NULL },
		{ ";lr", "lr", "" },
		{ " ; a = b ; c\r\n =\r\n \"d;e=\\\"f\" ;g", "a", "b" },
		{ " ; a = b ; c\r\n =\r\n \"d;e=\\\"f\" ;g", "c", "d;e=\\\"f" },
		{ " ; a = b ; c\r\n =\r\n \"d;e=\\\"f\" ;g", "e", NULL },
		{ " ; a = b ; c\r\n =\r\n \"d;e=\\\"f\" ;g", "g", "" },
		{ "a=\"open;b=1", "b", NULL },
		{ "a=;b=1", "a", "" },
		{ "a=;b=1", "b", "1" },
		{ "%6C%72;n=%41", "n", "%41" },
		{ ";;;", "x", NULL },
		{ "=x;y", "y", "" },
		{ "", "x", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_slice(rows[i].want, sip_param(str_of(rows[i].params), rows[i].name));
	CHECK(!sip_param((struct str){ NULL, 0 }, "x").p);
}

static void name_addrs(void **state)
{
	static const struct {
		const char *text;
		bool good;
		const char *name, *uri, *params, *tag;
	} rows[] = {
		{ "<sip:a@b>", true, NULL, "sip:a@b", "", NULL },
		{ "\"A, \\\"B\" <sip:a@b>;tag=1;x", true, "A, \\\"B", "sip:a@b", "tag=1;x", "1" },
		{ "\"\" <sip:a@b>", true, "", "sip:a@b", "", NULL },
		{ "A. B <sip:a@b;p=1?h=2> ; tag = x", true, "A. B", "sip:a@b;p=1?h=2", " tag = x", "x" },
		{ "Caf\xc3\xa9<sip:a@b>", true, "Caf\xc3\xa9", "sip:a@b", "", NULL },
		{ "100@pbx (desk) <sip:a@b>", true, "100@pbx (desk)", "sip:a@b", "", NULL },
		{ "sip:a@b", true, NULL, "sip:a@b", "", NULL },
		{ "sip:a@b;tag=2;lr", true, NULL, "sip:a@b", "tag=2;lr", "2" },
		{ "sip:a@b ;tag=\"q\"", true, NULL, "sip:a@b", "tag=\"q\"", "q" },
		{ "<sip:a@b>;+sip.instance=\"<urn:uuid:1>\";expires=60", true, NULL, "sip:a@b",
		  "+sip.instance=\"<urn:uuid:1>\";expires=60", NULL },
		{ "<tel:+1555>;tag=t", true, NULL, "tel:+1555", "tag=t", "t" },
		{ "isbn:2983792873", true, NULL, "isbn:2983792873", "", NULL },
		{ "", false, NULL, NULL, NULL, NULL },
		{ "<>", false, NULL, NULL, NULL, NULL },
		{ "<sip:a@b", false, NULL, NULL, NULL, NULL },
		{ "< sip:a@b>", false, NULL, NULL, NULL, NULL },
		{ "\"A <sip:a@b>", false, NULL, NULL, NULL, NULL },
		{ "\"A\" sip:a@b", false, NULL, NULL, NULL, NULL },
		{ "A, B <sip:a@b>", false, NULL, NULL, NULL, NULL },
		{ "sip:a@b?x=y", false, NULL, NULL, NULL, NULL },
		{ "sip:a,c@b", false, NULL, NULL, NULL, NULL },
		{ "<sip:a@b>;", false, NULL, NULL, NULL, NULL },
		{ "<sip:a@b>;;a", false, NULL, NULL, NULL, NULL },
		{ "<sip:a@b>;tag=", false, NULL, NULL, NULL, NULL },
		{ "<sip:a@b>;x=\"open", false, NULL, NULL, NULL, NULL },
		{ "<sip:a@b> junk", false, NULL, NULL, NULL, NULL },
		{ "**", false, NULL, NULL, NULL, NULL },
	};
	struct sip_name_addr a;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int err = sip_name_addr_parse(&a, str_of(rows[i].text));

		if ((err == 0) != rows[i].good)
			fprintf(stderr, "row \"%s\"\n", rows[i].text);
		CHECK_INT(rows[i].good ? 0 : EINVAL, err);
		if (err)
			continue;
		check_slice(rows[i].name, a.name);
		check_slice(rows[i].uri, a.uri.all);
		check_slice(rows[i].params, a.params);
		check_slice(rows[i].tag, a.tag);
		CHECK(!a.wildcard);
	}
	CHECK(!sip_name_addr_parse(&a, STR(" * ")) && a.wildcard);
	CHECK_INT(EINVAL, sip_name_addr_parse(&a, (struct str){ NULL, 0 }));
}

static void vias(void **state)
{
	static const struct {
		const char *text;
		bool good;
		const char *transport, *host;
		int port;
		const char *branch, *received;
		bool rport;
		int rport_value;
	} rows[] = {
		{ "SIP/2.0/UDP a.b", true, "UDP", "a.b", 0, NULL, NULL, false, 0 },
		{ "SIP/2.0/TCP 192.0.2.1:5070;branch=z9hG4bKx;rport", true, "TCP", "192.0.2.1", 5070, "z9hG4bKx", NULL,
		  true, 0 },
		{ "sip/2.0/wss [::1]:1;received=::2;rport=9;BRANCH=b", true, "wss", "::1", 1, "b", "::2", true, 9 },
		{ "SIP / 2.0\r\n /UDP\r\n host : 5 ; rport ; branch\r\n =\r\n x", true, "UDP", "host", 5, "x", NULL,
		  true, 0 },
		{ "SIP/2.0/UDP a;received=[::1]", true, "UDP", "a", 0, NULL, "[::1]", false, 0 },
		{ "SIP/2.0/UDP a;rport=", true, "UDP", "a", 0, NULL, NULL, true, 0 },
		{ "SIP/2.0/UDP", false, NULL, NULL, 0, NULL, NULL, false, 0 },
		{ "SIP/2.0/UDP ", false, NULL, NULL, 0, NULL, NULL, false, 0 },
		{ "SIP/7.0/UDP a", false, NULL, NULL, 0, NULL, NULL, false, 0 },
		{ "HTTP/2.0/UDP a", false, NULL, NULL, 0, NULL, NULL, false, 0 },
		{ "SIP/2.0 UDP a", false, NULL, NULL, 0, NULL, NULL, false, 0 },
		{ "SIP/2.0/UDP a;;", false, NULL, NULL, 0, NULL, NULL, false, 0 },
		{ "SIP/2.0/UDP a:", false, NULL, NULL, 0, NULL, NULL, false, 0 },
		{ "SIP/2.0/UDP a b", false, NULL, NULL, 0, NULL, NULL, false, 0 },
		{ "SIP/2.0/UDP a;rport=65536", false, NULL, NULL, 0, NULL, NULL, false, 0 },
		{ "", false, NULL, NULL, 0, NULL, NULL, false, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sip_via v;
		int err = sip_via_parse(&v, str_of(rows[i].text));

		if ((err == 0) != rows[i].good)
			fprintf(stderr, "row \"%s\"\n", rows[i].text);
		CHECK_INT(rows[i].good ? 0 : EINVAL, err);
		if (err)
			continue;
		check_slice(rows[i].transport, v.transport);
		check_slice(rows[i].host, v.host);
		CHECK_INT(rows[i].port, v.port);
		check_slice(rows[i].branch, v.branch);
		check_slice(rows[i].received, v.received);
		CHECK_INT(rows[i].rport, v.rport);
		CHECK_INT(rows[i].rport_value, v.rport_value);
	}
}

static void cseqs(void **state)
{
	static const struct {
		const char *text;
		bool good;
		uint32_t number;
		enum sip_method method;
	} rows[] = {
		{ "1 INVITE", true, 1, SIP_INVITE },
		{ "0009\r\n  ACK", true, 9, SIP_ACK },
		{ "2147483647 NEW", true, 2147483647, SIP_OTHER },
		{ "2147483648 INVITE", false, 0, SIP_OTHER },
		{ "36893488147419103232 INVITE", false, 0, SIP_OTHER },
		{ "-1 INVITE", false, 0, SIP_OTHER },
		{ "1INVITE", false, 0, SIP_OTHER },
		{ "1", false, 0, SIP_OTHER },
		{ "INVITE", false, 0, SIP_OTHER },
		{ "1 INVITE x", false, 0, SIP_OTHER },
		{ "", false, 0, SIP_OTHER },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sip_cseq c;
		int err = sip_cseq_parse(&c, str_of(rows[i].text));

		if ((err == 0) != rows[i].good)
			fprintf(stderr, "row \"%s\"\n", rows[i].text);
		CHECK_INT(rows[i].good ? 0 : EINVAL, err);
		if (!err) {
			CHECK_INT(rows[i].number, c.number);
			CHECK_INT(rows[i].method, c.method);
		}
	}
}

static void methods_and_phrases(void **state)
{
	for (int i = 0; i < SIP_OTHER; i++)
		CHECK_INT(i, sip_method_of(str_of(sip_method_name((enum sip_method)i))));
	CHECK_INT(SIP_OTHER, sip_method_of(STR("invite")));
	CHECK_INT(SIP_OTHER, sip_method_of(STR("")));
	CHECK_STR("", sip_method_name(SIP_OTHER));
	CHECK_STR("Busy Here", sip_reason_phrase(486));
	CHECK_STR("Trying", sip_reason_phrase(100));
	CHECK_STR("", sip_reason_phrase(299));
	CHECK_STR("", sip_reason_phrase(700));
	CHECK_STR("", sip_reason_phrase(-1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(start_lines),
		TEST(framing),
		TEST(limits),
		TEST(every_header_name_is_known_in_any_case),
		TEST(headers_are_found_and_lists_are_split),
		TEST(checks),
		TEST(uris),
		TEST(parameters),
		TEST(name_addrs),
		TEST(vias),
		TEST(cseqs),
		TEST(methods_and_phrases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

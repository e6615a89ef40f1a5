#include <stdlib.h>

#include "check.h"
#include "sip/sip_build.h"

#define START "INVITE sip:bob@example.com SIP/2.0\r\n"
#define REST                                                                                                           \
	"From: <sip:a@b>;tag=f\r\nTo: <sip:bob@example.com>\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\nContent-Length: "      \
	"0\r\n\r\n"

static void check_text(const char *want, struct buf *b)
{
	CHECK(!b->failed);
	CHECK_STR(want, b->data ? b->data : "");
	buf_free(b);
}

static void check_failed(struct buf *b)
{
	CHECK(b->failed);
	CHECK(!b->data || !strstr(b->data, "evil"));
	buf_free(b);
}

static void messages_are_printed(void **state)
{
	struct buf b = { 0 };

	sip_build_request(&b, STR("BYE"), STR("sip:a@b;lr"));
	sip_build_header(&b, "Call-ID", STR("x@y"));
	sip_build_headerf(&b, "CSeq", "%u %s", 7u, "BYE");
	sip_build_header(&b, "Supported", STR(""));
	sip_build_body(&b, NULL, STR(""));
	check_text("BYE sip:a@b;lr SIP/2.0\r\nCall-ID: x@y\r\nCSeq: 7 BYE\r\nSupported: \r\nContent-Length: 0\r\n\r\n",
		   &b);

	sip_build_status(&b, 486, STR(""));
	sip_build_status(&b, 400, STR("Bad \xd0\xbd"));
	sip_build_status(&b, 299, STR(""));
	sip_build_body(&b, "application/sdp", STR("v=0\r\n"));
	check_text("SIP/2.0 486 Busy Here\r\nSIP/2.0 400 Bad \xd0\xbd\r\nSIP/2.0 299 \r\n"
		   "Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n",
		   &b);
}

static void addresses_are_quoted(void **state)
{
	struct buf b = { 0 };

	sip_build_name_addr(&b, (struct str){ NULL, 0 }, STR("sip:a@b"));
	check_text("<sip:a@b>", &b);
	sip_build_name_addr(&b, STR("Ann \"A\\B\" <x>, y"), STR("sip:a@b"));
	check_text("\"Ann \\\"A\\\\B\\\" <x>, y\" <sip:a@b>", &b);
	sip_build_name_addr(&b, STR("x"), STR("sip:a@b>\r\nevil: 1"));
	check_failed(&b);
	sip_build_name_addr(&b, STR("x"), STR("sip:a@b>;evil=1"));
	check_failed(&b);
	sip_build_name_addr(&b, STR("x\r\nevil: 1"), STR("sip:a@b"));
	check_failed(&b);
}

static void injections_fail(void **state)
{
	static const struct str bad[] = {
		{ "a\r\nevil: 1", 10 },
		{ "a\nevil", 6 },
		{ "a\revil", 6 },
		{ "a\0evil", 6 },
	};
	struct buf b = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		sip_build_header(&b, "X", bad[i]);
		check_failed(&b);
		sip_build_status(&b, 400, bad[i]);
		check_failed(&b);
		sip_build_request(&b, STR("INVITE"), bad[i]);
		check_failed(&b);
		sip_build_request(&b, bad[i], STR("sip:a@b"));
		check_failed(&b);
	}
	sip_build_headerf(&b, "X", "%s", "a\r\nevil: 1");
	check_failed(&b);
	sip_build_headerf(&b, "X", "%*s", SIP_MAX_HEADER, "evil");
	check_failed(&b);
	sip_build_request(&b, STR("INVITE"), STR("sip:a b"));
	check_failed(&b);
	sip_build_request(&b, STR("INVITE"), STR(""));
	check_failed(&b);
	sip_build_body(&b, "a\r\nevil: 1", STR("x"));
	check_failed(&b);
}

/* Build the response to START + head and compare what follows its status line, up to From. */
static void check_vias(const char *head, const char *from_host, const char *want)
{
	static struct sip_msg m;
	struct buf b = { 0 };
	const char *why, *from;
	char text[1024];
	size_t used;
	int n = snprintf(text, sizeof(text), START "%s" REST, head);

	CHECK_INT(SIP_PARSE_OK, sip_msg_parse(&m, text, (size_t)n, false, &used, &why));
	sip_build_response(&b, &m, 100, STR(""), NULL, from_host, 4242);
	CHECK(!b.failed && !strncmp(b.data, "SIP/2.0 100 Trying\r\n", 20));
	from = b.data ? strstr(b.data, "From: ") : NULL;
	CHECK(from);
	if (from) {
		b.data[from - b.data] = '\0';
		CHECK_STR(want, b.data + 20);
	}
	buf_free(&b);
}

static void top_via_tells_where_the_request_came_from(void **state)
{
	static const struct {
		const char *head, *from_host, *want;
	} rows[] = {
		{ "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=b\r\n", "192.0.2.1",
		  "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=b\r\n" },
		{ "Via: SIP/2.0/UDP 192.0.2.1;branch=b\r\n", "192.0.2.9",
		  "Via: SIP/2.0/UDP 192.0.2.1;branch=b;received=192.0.2.9\r\n" },
		{ "Via: SIP/2.0/UDP pc.example.com\r\n", "192.0.2.9",
		  "Via: SIP/2.0/UDP pc.example.com;received=192.0.2.9\r\n" },
		{ "Via: SIP/2.0/UDP 192.0.2.1;rport;branch=b\r\n", "192.0.2.1",
		  "Via: SIP/2.0/UDP 192.0.2.1;branch=b;received=192.0.2.1;rport=4242\r\n" },
		{ "Via: SIP/2.0/UDP 192.0.2.1;branch=b;rport\r\n", "192.0.2.9",
		  "Via: SIP/2.0/UDP 192.0.2.1;branch=b;received=192.0.2.9;rport=4242\r\n" },
		{ "Via: SIP/2.0/UDP a ; received=6.6.6.6; rport = 6 ;x=\"a;b\\\";\" ; branch=b\r\n", "192.0.2.9",
		  "Via: SIP/2.0/UDP a ;x=\"a;b\\\";\" ; branch=b;received=192.0.2.9;rport=4242\r\n" },
		{ "Via: SIP/2.0/TCP [2001:db8::1]:5060;branch=b\r\n", "2001:db8::1",
		  "Via: SIP/2.0/TCP [2001:db8::1]:5060;branch=b\r\n" },
		{ "Via: SIP/2.0/TCP [2001:db8::1]:5060;branch=b\r\n", "2001:db8::2",
		  "Via: SIP/2.0/TCP [2001:db8::1]:5060;branch=b;received=2001:db8::2\r\n" },
		{ "v: SIP / 2.0\r\n /UDP\r\n  a;branch=\r\n b  , SIP/2.0/UDP c;rport\r\nX: 1\r\nVia: SIP/2.0/TCP "
		  "d;rport\r\n",
		  "192.0.2.9",
		  "Via: SIP / 2.0  /UDP   a;branch=  b;received=192.0.2.9  , SIP/2.0/UDP c;rport\r\n"
		  "Via: SIP/2.0/TCP d;rport\r\n" },
		{ "Via: ,\r\nVia: SIP/2.0/UDP a;rport\r\n", "192.0.2.9",
		  "Via: ,\r\nVia: SIP/2.0/UDP a;received=192.0.2.9;rport=4242\r\n" },
		{ "Via: nonsense;rport, x\r\n", "192.0.2.9", "Via: nonsense;rport, x\r\n" },
		{ "Via: SIP/2.0/UDP a;rport\r\n", NULL, "Via: SIP/2.0/UDP a;rport\r\n" },
		{ "", "192.0.2.9", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_vias(rows[i].head, rows[i].from_host, rows[i].want);
}

/* The part of a response from From on. */
static void check_rest(const char *text, int status, const char *tag, const char *want)
{
	static struct sip_msg m;
	struct buf b = { 0 };
	const char *why, *from;
	size_t used;

	CHECK_INT(SIP_PARSE_OK, sip_msg_parse(&m, text, strlen(text), false, &used, &why));
	sip_build_response(&b, &m, status, STR(""), tag, "192.0.2.1", 5060);
	CHECK(!b.failed);
	from = b.data ? strstr(b.data, "From: ") : NULL;
	CHECK_STR(want, from ? from : "(no From)");
	buf_free(&b);
}

static void responses_echo_the_request(void **state)
{
	static const char invite[] = START "Via: SIP/2.0/UDP 192.0.2.1\r\nt: sip:b@c\r\nf: A\r\n <sip:a@b>;tag=1\r\n"
					   "i: c1\r\nCSeq: 1\r\n\tINVITE\r\nRecord-Route: <sip:p1;lr>, <sip:p2;lr>\r\n"
					   "Record-Route: <sip:p3;lr>\r\nl: 0\r\n\r\n";
	static const char bye[] =
		"BYE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1\r\nTo: <sip:b@c>;tag=theirs\r\n"
		"From: <sip:a@b>;tag=1\r\nCall-ID: c1\r\nCSeq: 2 BYE\r\nRecord-Route: <sip:p1;lr>\r\n\r\n";
	static const char broken[] = START "Via: SIP/2.0/UDP 192.0.2.1\r\nFrom: x\r\nTo: \"\r\nTo: 2\r\n\r\n";

	check_rest(invite, 100, NULL, "From: A  <sip:a@b>;tag=1\r\nTo: sip:b@c\r\nCall-ID: c1\r\nCSeq: 1 \tINVITE\r\n");
	check_rest(invite, 180, "ours",
		   "From: A  <sip:a@b>;tag=1\r\nTo: sip:b@c;tag=ours\r\nCall-ID: c1\r\nCSeq: 1 \tINVITE\r\n"
		   "Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\nRecord-Route: <sip:p3;lr>\r\n");
	check_rest(invite, 486, "ours",
		   "From: A  <sip:a@b>;tag=1\r\nTo: sip:b@c;tag=ours\r\nCall-ID: c1\r\nCSeq: 1 \tINVITE\r\n");
	check_rest(bye, 200, "ours",
		   "From: <sip:a@b>;tag=1\r\nTo: <sip:b@c>;tag=theirs\r\nCall-ID: c1\r\nCSeq: 2 BYE\r\n");
	check_rest(broken, 400, "ours", "From: x\r\nTo: \";tag=ours\r\n");
}

/* What a request carries comes back to the letter, escaped NULs too, but never as a line of its own. */
static void hostile_requests_cannot_break_lines(void **state)
{
	static const char text[] = START "Via: SIP/2.0/UDP a;branch=x\ry\r\nFrom: \"\\\0\" <sip:a@b>;tag=1\r\n"
					 "To: <sip:a@b>\r\nCall-ID: a\rb\nX: y\r\nCSeq: 1 INVITE\r\n\r\n";
	static struct sip_msg m, back;
	struct buf b = { 0 };
	const char *why;
	size_t used;

	CHECK_INT(SIP_PARSE_OK, sip_msg_parse(&m, text, sizeof(text) - 1, false, &used, &why));
	sip_build_response(&b, &m, 400, STR(""), "t", "192.0.2.1", 5060);
	sip_build_body(&b, NULL, STR(""));
	CHECK(!b.failed);
	CHECK(memmem(b.data, b.len, "From: \"\\\0\" <", 12));
	CHECK(!memmem(b.data, b.len, "\r\nX:", 4));
	CHECK(memmem(b.data, b.len, "Call-ID: a b\r\n", 14));
	CHECK_INT(SIP_PARSE_OK, sip_msg_parse(&back, b.data, b.len, true, &used, &why));
	CHECK_INT(6, back.header_count);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(messages_are_printed),
		TEST(addresses_are_quoted),
		TEST(injections_fail),
		TEST(top_via_tells_where_the_request_came_from),
		TEST(responses_echo_the_request),
		TEST(hostile_requests_cannot_break_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* INVITEs with one thing wrong: every header × every anomaly, some thousands, sent to a whole stack. Each is taken, refused
 * with 4xx (or 501, 503, 505), or passed over in silence; after each the stack still answers, and at the end nothing is
 * left. What an anomaly is and what it may lead to is the table's; the messages are made from it. */
#include "check.h"

#include <stdlib.h>

#include "fake_peer.h"

enum { MIN_MESSAGES = 4500, LONG_BYTES = 20000, CLEAN_EVERY = 100 };

enum fault {              /* what the anomalies may do to a message that has this header */
	     FAULT_ANY,   /* taken, refused or silence: the value is judged, or decides where the answer goes */
	     FAULT_MUST,  /* the same, but without it, or with nothing in it: not taken */
	     FAULT_TAKEN, /* nobody reads it in an INVITE: taken, unless the anomaly breaks the frame of the message */
};

struct header {
	const char *name, *value;
	enum fault fault;
};

static const struct header headers[] = {
	{ "Via", "SIP/2.0/UDP 10.0.0.3:5060;branch=z9hG4bKbranch;rport", FAULT_MUST },
	{ "From", "\"A caller\" <sip:x@10.0.0.3;user=phone>;tag=ft", FAULT_MUST },
	{ "To", "\"Bob\" <sip:bob@10.0.0.2>", FAULT_MUST },
	{ "Call-ID", "callid@10.0.0.3", FAULT_MUST },
	{ "CSeq", "1 INVITE", FAULT_MUST },
	{ "Contact", "<sip:x@10.0.0.3:5060;transport=udp>;expires=60", FAULT_ANY },
	{ "Max-Forwards", "70", FAULT_ANY },
	{ "Content-Length", "5", FAULT_ANY },
	{ "Content-Type", "application/sdp;charset=utf-8", FAULT_ANY },
	{ "Content-Encoding", "identity", FAULT_ANY },
	{ "Require", "100rel", FAULT_ANY },
	{ "Accept", "application/sdp, text/plain;q=0.5", FAULT_ANY },
	{ "Record-Route", "<sip:10.0.0.3;lr>, <sip:10.0.0.4;lr>", FAULT_ANY },
	{ "Supported", "100rel, timer", FAULT_ANY },
	{ "Route", "<sip:10.0.0.2;lr>", FAULT_ANY },
	{ "Session-Expires", "1800;refresher=uac", FAULT_ANY },
	{ "Min-SE", "90", FAULT_ANY },
	{ "RSeq", "1", FAULT_ANY },
	{ "RAck", "1 1 INVITE", FAULT_ANY },
	{ "Replaces", "a@b;to-tag=1;from-tag=2", FAULT_ANY },
	{ "Refer-To", "<sip:c@10.0.0.9>", FAULT_ANY },
	{ "Authorization", "Digest username=\"a\", realm=\"r\", nonce=\"n\", uri=\"sip:b\", response=\"0\"",
	  FAULT_ANY },
	{ "Proxy-Authorization", "Digest username=\"a\", realm=\"r\", nonce=\"n\", uri=\"sip:b\", response=\"0\"",
	  FAULT_ANY },
	{ "Proxy-Require", "foo", FAULT_ANY },
	{ "Allow", "INVITE, ACK, BYE", FAULT_ANY },
	{ "Unsupported", "foo", FAULT_ANY },
	{ "Retry-After", "5 (soon)", FAULT_ANY },
	{ "WWW-Authenticate", "Digest realm=\"r\", nonce=\"n\"", FAULT_ANY },
	{ "Reason", "SIP;cause=200;text=\"x\"", FAULT_ANY },
	{ "Warning", "399 host \"text\"", FAULT_TAKEN },
	{ "Expires", "60", FAULT_TAKEN },
	{ "Date", "Sat, 13 Nov 2010 23:29:00 GMT", FAULT_TAKEN },
	{ "User-Agent", "x/1 (y)", FAULT_TAKEN },
	{ "Server", "x/1", FAULT_TAKEN },
	{ "Subject", "lunch", FAULT_TAKEN },
	{ "Accept-Language", "de, en;q=0.5", FAULT_TAKEN },
	{ "P-Asserted-Identity", "<sip:x@10.0.0.3>", FAULT_TAKEN },
	{ "Diversion", "<sip:y@10.0.0.3>;reason=unconditional", FAULT_TAKEN },
	{ "X-Whatever", "anything", FAULT_TAKEN },
};

/* Values in the place of the header's own. */
static const char *const values[] = {
	"",
	" ",
	"\t",
	",",
	",,",
	" , ,",
	";",
	";;;",
	"=",
	"\"",
	"\"\"",
	"\"open",
	"open\"",
	"\"\\\"",
	"\"\\",
	"<",
	">",
	"<>",
	"<<>>",
	"><",
	"<sip:",
	"sip:",
	"<sip:>",
	"<sip:x@>",
	"<sip:@x>",
	"<sip:x@[::1>",
	"<sip:x@[>",
	"<sip:x@]>",
	"<sip:x@10.0.0.3:>",
	"<sip:x@10.0.0.3:99999>",
	"<sip:x@10.0.0.3:-1>",
	"<sip:x@10.0.0.3;>",
	"<sip:x@10.0.0.3;=>",
	"<sip:x@10.0.0.3;;;lr>",
	"<sip:x@10.0.0.3?>",
	"<sip:x@10.0.0.3?a=b&&=&c>",
	"<sip:%@x>",
	"<sip:%0@x>",
	"<sip:%00@x>",
	"<sip:%zz@x>",
	"<tel:+1>",
	"<http://x/>",
	"<mailto:x@y>",
	"<urn:service:sos>",
	"*",
	"* *",
	"sip:x@y z",
	"<sip:x@10.0.0.3>;tag",
	"<sip:x@10.0.0.3>;tag=",
	"<sip:x@10.0.0.3>;tag=a;tag=b",
	"<sip:x@10.0.0.3>;tag=\"a b\"",
	"<sip:x@10.0.0.3> junk",
	"junk <sip:x@10.0.0.3> junk",
	"a b c <sip:x@10.0.0.3>;tag=t",
	"0",
	"-1",
	"+1",
	"00",
	"1 ",
	"01 INVITE",
	"0 INVITE",
	"-1 INVITE",
	"1  INVITE",
	"1INVITE",
	"INVITE 1",
	"1 ACK",
	"1 invite",
	"1 INVITE x",
	"1\tINVITE",
	"2147483647 INVITE",
	"2147483648 INVITE",
	"4294967295 INVITE",
	"4294967296 INVITE",
	"99999999999999999999 INVITE",
	"255",
	"256",
	"65536",
	"2147483648",
	"4294967295",
	"4294967296",
	"18446744073709551616",
	"1e3",
	"0x10",
	"1.5",
	"NaN",
	"SIP/2.0/UDP",
	"SIP/2.0/UDP ",
	"SIP/2.0/UDP ;branch=z9hG4bKx",
	"SIP/2.0/UDP 10.0.0.3;branch",
	"SIP/2.0/UDP 10.0.0.3;branch=",
	"SIP/2.0/UDP 10.0.0.3",
	"SIP/2.0/UDP 10.0.0.3:0;branch=z9hG4bKx",
	"SIP/2.0/UDP 10.0.0.3:70000;branch=z9hG4bKx",
	"SIP/2.0/UDP [::1;branch=z9hG4bKx",
	"SIP/2.0/XXX 10.0.0.3;branch=z9hG4bKx",
	"SIP/3.0/UDP 10.0.0.3;branch=z9hG4bKx",
	"SIP / 2.0 / UDP 10.0.0.3 : 5060 ; branch = z9hG4bKx",
	"/2.0/UDP 10.0.0.3",
	"SIP/2.0/TCP 10.0.0.3;branch=z9hG4bKx;rport=x",
	"application",
	"application/",
	"/sdp",
	"application/sdp;",
	"application/sdp;x=\"",
	"multipart/mixed;boundary=\"\"",
	"text/plain",
	"gzip",
	"%s%n%x",
	"../../etc/passwd",
	"' OR 1=1 --",
	"${jndi:x}",
	"\x01\x02\x03",
	"\x7f",
	"\x80",
	"\xc0\x80",
	"\xff\xfe",
	"\xed\xa0\x80",
	"\xf4\x90\x80\x80",
	"a\x0b"
	"b",
	"a\x0c"
	"b",
};

/* Done to the line as it should be. */
enum twist {
	TWIST_MISSING, /* the line is not there */
	TWIST_TWICE,
	TWIST_THRICE_AS_LIST,
	TWIST_NO_COLON,
	TWIST_SPACE_BEFORE_COLON,
	TWIST_TWO_COLONS,
	TWIST_NO_NAME,
	TWIST_LOWER_CASE,
	TWIST_UPPER_CASE,
	TWIST_FOLDED,
	TWIST_FOLDED_AT_ONCE,
	TWIST_FOLDED_TO_NOTHING,
	TWIST_LEADING_BLANK,
	TWIST_BARE_CR,
	TWIST_BARE_LF,
	TWIST_NUL,
	TWIST_LONG,
	TWIST_LONG_NAME,
	TWIST_MANY,
	TWIST_HALF,
	TWIST_FIRST_BYTE,
	TWIST_LAST_BYTE_GONE,
	TWIST_TRAILING_COMMA,
	TWIST_TRAILING_SEMICOLON,
	TWIST_HIGH_BYTE,
	TWIST_MANY_PARAMETERS,
	TWIST_COUNT,
};

static void line(struct buf *b, const char *name, const char *value)
{
	buf_printf(b, "%s: %s\r\n", name, value);
}

static void changed_case(struct buf *b, const struct header *h, char from, char to)
{
	for (const char *p = h->name; *p; p++)
		buf_char(b, *p >= from && *p <= to ? (char)(*p ^ 32) : *p);
	buf_printf(b, ": %s\r\n", h->value);
}

/* The value with something put in its middle. */
static void split(struct buf *b, const struct header *h, const char *between, size_t n)
{
	size_t half = strlen(h->value) / 2;

	buf_printf(b, "%s: %.*s", h->name, (int)half, h->value);
	buf_add(b, between, n);
	buf_printf(b, "%s\r\n", h->value + half);
}

static void fill(struct buf *b, const char *before, const char *what, const char *after)
{
	buf_cstr(b, before);
	for (size_t i = 0; i < LONG_BYTES; i += strlen(what))
		buf_cstr(b, what);
	buf_cstr(b, after);
}

static void repeated(struct buf *b, const struct header *h, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		line(b, h->name, h->value);
}

static void twist(struct buf *b, const struct header *h, enum twist how)
{
	size_t n = strlen(h->value);

	switch (how) {
	case TWIST_MISSING:
		break;
	case TWIST_TWICE:
		repeated(b, h, 2);
		break;
	case TWIST_THRICE_AS_LIST:
		buf_printf(b, "%s: %s,%s , %s\r\n", h->name, h->value, h->value, h->value);
		break;
	case TWIST_NO_COLON:
		buf_printf(b, "%s %s\r\n", h->name, h->value);
		break;
	case TWIST_SPACE_BEFORE_COLON:
		buf_printf(b, "%s \t : %s\r\n", h->name, h->value);
		break;
	case TWIST_TWO_COLONS:
		buf_printf(b, "%s:: %s\r\n", h->name, h->value);
		break;
	case TWIST_NO_NAME:
		buf_printf(b, ": %s\r\n", h->value);
		break;
	case TWIST_LOWER_CASE:
		changed_case(b, h, 'A', 'Z');
		break;
	case TWIST_UPPER_CASE:
		changed_case(b, h, 'a', 'z');
		break;
	case TWIST_FOLDED:
		split(b, h, "\r\n \t", 4);
		break;
	case TWIST_FOLDED_AT_ONCE:
		buf_printf(b, "%s:\r\n %s\r\n", h->name, h->value);
		break;
	case TWIST_FOLDED_TO_NOTHING:
		buf_printf(b, "%s: %s\r\n \r\n", h->name, h->value);
		break;
	case TWIST_LEADING_BLANK:
		buf_printf(b, " %s: %s\r\n", h->name, h->value);
		break;
	case TWIST_BARE_CR:
		split(b, h, "\r", 1);
		break;
	case TWIST_BARE_LF:
		split(b, h, "\n", 1);
		break;
	case TWIST_NUL:
		split(b, h, "\0", 1);
		break;
	case TWIST_LONG:
		buf_printf(b, "%s: ", h->name);
		fill(b, h->value, "x", "\r\n");
		break;
	case TWIST_LONG_NAME:
		fill(b, "", h->name, ": x\r\n");
		break;
	case TWIST_MANY:
		repeated(b, h, 300);
		break;
	case TWIST_HALF:
		buf_printf(b, "%s: %.*s\r\n", h->name, (int)(n / 2), h->value);
		break;
	case TWIST_FIRST_BYTE:
		buf_printf(b, "%s: %.1s\r\n", h->name, h->value);
		break;
	case TWIST_LAST_BYTE_GONE:
		buf_printf(b, "%s: %.*s\r\n", h->name, (int)n - 1, h->value);
		break;
	case TWIST_TRAILING_COMMA:
		buf_printf(b, "%s: %s,\r\n", h->name, h->value);
		break;
	case TWIST_TRAILING_SEMICOLON:
		buf_printf(b, "%s: %s;\r\n", h->name, h->value);
		break;
	case TWIST_HIGH_BYTE:
		split(b, h, "\xac", 1);
		break;
	case TWIST_MANY_PARAMETERS:
		buf_printf(b, "%s: %s", h->name, h->value);
		fill(b, "", ";a=b", "\r\n");
		break;
	case TWIST_COUNT:
		break;
	}
}

/* Over a limit of the parser, or no frame any more: whatever header it is in. */
static bool breaks_frame(enum twist how)
{
	return how == TWIST_NO_COLON || how == TWIST_NO_NAME || how == TWIST_BARE_CR || how == TWIST_BARE_LF ||
	       how == TWIST_NUL || how == TWIST_LONG || how == TWIST_LONG_NAME || how == TWIST_MANY ||
	       how == TWIST_MANY_PARAMETERS || how == TWIST_LEADING_BLANK || how == TWIST_SPACE_BEFORE_COLON;
}

struct tally {
	unsigned sent, taken, refused, silent;
	unsigned by_status[700];
};

struct world {
	struct peer p;
	struct tally t;
	int status; /* the first final one that the message got, wherever it went; 0 = none */
};

static void see(void *arg, const struct addr *from, const struct addr *to, const char *data, size_t n)
{
	struct world *w = arg;

	if (w->status < 200 && addr_same_host(from, &w->p.there) && n > 12 && !memcmp(data, "SIP/2.0 ", 8))
		w->status = 100 * (data[8] - '0') + 10 * (data[9] - '0') + data[10] - '0';
}

/* All the lines as they should be but the i-th, which is what bad holds. */
static void message(struct buf *b, unsigned number, size_t i, const struct buf *bad)
{
	static const char start[] = "INVITE sip:bob@10.0.0.2 SIP/2.0\r\n";

	buf_reset(b);
	buf_cstr(b, start);
	for (size_t h = 0; h < ARRAY_LEN(headers); h++) {
		if (h == i) {
			buf_str(b, buf_view(bad));
			continue;
		}
		if (h > 8 && headers[h].fault != FAULT_TAKEN) /* those that change the outcome stand alone */
			continue;
		if (!strcmp(headers[h].name, "Call-ID"))
			buf_printf(b, "Call-ID: callid%u\r\n", number);
		else if (!strcmp(headers[h].name, "Via"))
			buf_printf(b, "Via: SIP/2.0/UDP 10.0.0.3:5060;branch=z9hG4bKn%u\r\n", number);
		else
			line(b, headers[h].name, headers[h].value);
	}
	buf_cstr(b, "\r\noffer");
}

static void deliver(struct world *w, const struct buf *b)
{
	w->status = 0;
	w->p.wire->ops->send(w->p.wire, &w->p.there, b->data, b->len);
	peer_run(&w->p, 1);
}

static void ping(struct world *w, unsigned number)
{
	char text[400];

	snprintf(
		text, sizeof(text),
		"OPTIONS sip:bob@10.0.0.2 SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.3:5060;branch=z9hG4bKo%u\nMax-Forwards: 70\n"
		"From: <sip:x@10.0.0.3>;tag=ft\nTo: <sip:bob@10.0.0.2>\nCall-ID: o%u\nCSeq: 1 OPTIONS\n"
		"Content-Length: 0\n\n",
		number, number);
	w->status = 0;
	peer_forget(&w->p);
	peer_say(&w->p, text);
	CHECK(w->status == 200 || w->status == 486); /* or the refusal of one before once more */
	CHECK_INT(1, peer_count(&w->p, "SIP/2.0 200"));
}

static void judge(struct world *w, const struct header *h, bool broken, bool empty)
{
	struct tally *t = &w->t;
	bool taken = w->status == 486; /* what the phone says to every call */
	bool refused = (w->status >= 400 && w->status < 500) || w->status == 501 || w->status == 505;

	t->sent++;
	t->taken += taken;
	t->refused += refused && !taken;
	t->silent += !w->status;
	t->by_status[w->status >= 0 && w->status < 700 ? w->status : 0]++;
	CHECK(!w->status || refused);
	if (h->fault == FAULT_TAKEN && !broken)
		CHECK(taken);
	if (h->fault == FAULT_MUST && empty)
		CHECK(!taken);
}

static void try_one(struct world *w, size_t i, const struct buf *bad, bool broken, bool empty)
{
	struct buf b;
	int before = check_bad;

	buf_init(&b, 0);
	message(&b, w->t.sent, i, bad);
	deliver(w, &b);
	judge(w, &headers[i], broken, empty);
	ping(w, w->t.sent);
	if (check_bad != before)
		fprintf(stderr, "message %u, status %d: %.200s\n", w->t.sent, w->status, bad->len ? bad->data : "");
	buf_free(&b);
	if (w->t.sent % CLEAN_EVERY == 0)
		peer_run(&w->p, 40000);
}

/* No header may hold one. */
static bool has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' && *text != '\t')
			return true;
	return false;
}

static void try_header(struct world *w, size_t i)
{
	const struct header *h = &headers[i];
	struct buf bad;

	buf_init(&bad, 0);
	for (size_t v = 0; v < ARRAY_LEN(values); v++) {
		buf_reset(&bad);
		line(&bad, h->name, values[v]);
		try_one(w, i, &bad, has_control(values[v]), !str_trim(str_of(values[v])).n);
	}
	for (enum twist how = 0; how < TWIST_COUNT; how++) {
		buf_reset(&bad);
		twist(&bad, h, how);
		try_one(w, i, &bad, breaks_frame(how), how == TWIST_MISSING);
	}
	buf_free(&bad);
}

static void open_world(struct world *w)
{
	struct fake_net_rules rules = { .seen = see, .arg = w };

	memset(w, 0, sizeof(*w));
	peer_open(&w->p);
	fake_net_set_rules(w->p.net, &rules);
	w->p.us.auto_refuse = 486;
}

static void every_header_and_every_anomaly(void **state)
{
	static struct world w;
	struct tally *t = &w.t;

	open_world(&w);
	for (size_t i = 0; i < ARRAY_LEN(headers) && check_bad < 30; i++)
		try_header(&w, i);
	fprintf(stderr, "%u messages: %u taken, %u refused, %u without a word;", t->sent, t->taken, t->refused,
		t->silent);
	for (size_t s = 1; s < ARRAY_LEN(t->by_status); s++)
		if (t->by_status[s])
			fprintf(stderr, " %zu: %u", s, t->by_status[s]);
	fprintf(stderr, "\n");
	CHECK(t->sent >= MIN_MESSAGES);
	CHECK(t->taken > 500 && t->refused > 500 && t->silent);
	CHECK_INT(0, peer_left(&w.p));
	peer_close(&w.p);
}

/* The start line, in a message that is good otherwise. */
static void start_lines(void **state)
{
	static const struct {
		const char *line;
		int least, most; /* status; 0 = silence */
	} rows[] = {
		{ "INVITE sip:bob@10.0.0.2 SIP/2.0", 486, 486 },
		{ "INVITE  sip:bob@10.0.0.2 SIP/2.0", 0, 400 },
		{ "INVITE sip:bob@10.0.0.2  SIP/2.0", 0, 400 },
		{ "INVITE sip:bob@10.0.0.2 SIP/2.0 ", 0, 400 },
		{ "INVITE sip:bob @10.0.0.2 SIP/2.0", 400, 400 },
		{ "INVITE <sip:bob@10.0.0.2> SIP/2.0", 400, 416 },
		{ "INVITE sip:bob@10.0.0.2 SIP/7.0", 505, 505 },
		{ "INVITE sip:bob@10.0.0.2 HTTP/1.1", 0, 505 },
		{ "INVITE sip:bob@10.0.0.2", 0, 505 },
		{ "INVITE SIP/2.0", 0, 505 },
		{ "INVITE", 0, 400 },
		{ "", 0, 400 },
		{ "invite sip:bob@10.0.0.2 SIP/2.0", 400, 501 },
		{ "INVITE http://10.0.0.2/ SIP/2.0", 416, 416 },
		{ "INVITE sip: SIP/2.0", 400, 400 },
		{ "INVITE sip:@ SIP/2.0", 400, 400 },
		{ "INVITE sip:bob@10.0.0.2:99999 SIP/2.0", 400, 400 },
		{ "INVITE sip:bob@[::1 SIP/2.0", 400, 400 },
		{ "INVITE \xff SIP/2.0", 400, 416 },
		{ "SIP/2.0 200 OK", 0, 0 },
		{ "SIP/2.0 99 OK", 0, 0 },
		{ "SIP/2.0 1000 OK", 0, 0 },
		{ "SIP/2.0", 0, 400 },
	};
	static struct world w;
	struct buf b, all;

	open_world(&w);
	buf_init(&b, 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf none = { .data = NULL };
		int before = check_bad;

		message(&b, (unsigned)i, SIZE_MAX, &none);
		buf_init(&all, 0);
		buf_cstr(&all, rows[i].line);
		buf_cstr(&all, strstr(b.data, "\r\n"));
		deliver(&w, &all);
		CHECK(w.status >= rows[i].least && w.status <= rows[i].most);
		if (check_bad != before)
			fprintf(stderr, "%s: %d\n", rows[i].line, w.status);
		ping(&w, (unsigned)i);
		buf_free(&all);
	}
	buf_free(&b);
	CHECK_INT(0, peer_left(&w.p));
	peer_close(&w.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(every_header_and_every_anomaly), TEST(start_lines) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

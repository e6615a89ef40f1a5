/* The messages of RFC 5118 (SIP torture for IPv6) against the parser and sip_msg_check(). Typed in from the RFC, with
 * the outcome that its text expects. Content-Length is left out where the RFC's number counts its page layout. */
#include <stdlib.h>

#include "check.h"
#include "media/offer.h"
#include "net/addr.h"
#include "sip/sip_build.h"
#include "sip/sip_msg.h"

struct row {
	const char *section, *text; /* line ends become CRLF */
	int status;                 /* 0 = well-formed */
	const char *why;
	const char *host; /* of the Request-URI */
	uint16_t port;
	const char *via_host, *received;
	uint16_t via_port;
};

#define REGISTER(uri)                                                                                                  \
	"REGISTER " uri " SIP/2.0\nTo: sip:user@example.com\nFrom: sip:user@example.com;tag=81x2\n"                    \
	"Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111\nCall-ID: SSG9559905523997077@hlau_4100\n"             \
	"Max-Forwards: 70\nContact: \"Caller\" <sip:caller@[2001:db8::1]>\nCSeq: 98176 REGISTER\nContent-Length: "     \
	"0\n\n"

#define BYE(received)                                                                                                  \
	"BYE sip:[2001:db8::10] SIP/2.0\nTo: sip:user@example.com;tag=bd76ya\nFrom: sip:user@example.com;tag=81x2\n"   \
	"Via: SIP/2.0/UDP [2001:db8::9:1];received=" received ";branch=z9hG4bKas3-111\n"                               \
	"Call-ID: SSG9559905523997077@hlau_4100\nMax-Forwards: 70\nCSeq: 321 BYE\nContent-Length: 0\n\n"

#define SDP_V6                                                                                                         \
	"v=0\no=assistant 971731711378798081 0 IN IP6 2001:db8::20\ns=Live video feed for today's meeting\n"           \
	"c=IN IP6 2001:db8::20\nt=3338481189 3370017201\nm=audio 6000 RTP/AVP 2\na=rtpmap:2 G726-32/8000\n"            \
	"m=video 6024 RTP/AVP 107\na=rtpmap:107 H263-1998/90000\n"

#define SDP_BOTH                                                                                                       \
	"v=0\no=bob 280744730 28977631 IN IP4 host.example.com\ns=\nt=0 0\nm=audio 22334 RTP/AVP 0\n"                  \
	"c=IN IP4 192.0.2.1\nm=video 6024 RTP/AVP 107\nc=IN IP6 2001:db8::1\na=rtpmap:107 H263-1998/90000\n"

#define SDP_MAPPED                                                                                                     \
	"v=0\no=bob 280744730 28977631 IN IP6 ::ffff:192.0.2.2\ns=\nc=IN IP6 ::ffff:192.0.2.2\nt=0 0\n"                \
	"m=audio 49170 RTP/AVP 0 8\na=rtpmap:0 PCMU/8000\na=rtpmap:8 PCMA/8000\n"

static const struct row rows[] = {
	{ "4.1", REGISTER("sip:[2001:db8::10]"), 0, NULL, "2001:db8::10", 0, "2001:db8::9:1", NULL, 0 },
	{ "4.2", REGISTER("sip:2001:db8::10"), 400, "Bad Request-URI", NULL, 0, NULL, NULL, 0 },
	/* The sender meant a port; what he wrote is an address all the same. */
	{ "4.3", REGISTER("sip:[2001:db8::10:5070]"), 0, NULL, "2001:db8::10:5070", 0, "2001:db8::9:1", NULL, 0 },
	{ "4.4", REGISTER("sip:[2001:db8::10]:5070"), 0, NULL, "2001:db8::10", 5070, "2001:db8::9:1", NULL, 0 },
	/* With the brackets that RFC 3261 forbids there and many write, and without. */
	{ "4.5a", BYE("[2001:db8::9:255]"), 0, NULL, "2001:db8::10", 0, "2001:db8::9:1", "2001:db8::9:255", 0 },
	{ "4.5b", BYE("2001:db8::9:255"), 0, NULL, "2001:db8::10", 0, "2001:db8::9:1", "2001:db8::9:255", 0 },
	{ "4.6",
	  "INVITE sip:user@[2001:db8::10] SIP/2.0\nTo: sip:user@[2001:db8::10]\nFrom: sip:user@example.com;tag=81x2\n"
	  "Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111\nCall-ID: SSG9559905523997077@hlau_4100\n"
	  "Contact: \"Caller\" <sip:caller@[2001:db8::20]>\nCSeq: 8612 INVITE\nMax-Forwards: 70\n"
	  "Content-Type: application/sdp\n\n" SDP_V6,
	  0, NULL, "2001:db8::10", 0, "2001:db8::9:1", NULL, 0 },
	{ "4.7",
	  "BYE sip:user@host.example.net SIP/2.0\nVia: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111\n"
	  "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144\n"
	  "Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200\n"
	  "Call-ID: 997077@lau_4100\nMax-Forwards: 70\nCSeq: 89187 BYE\nTo: sip:user@example.net;tag=9817--94\n"
	  "From: sip:user@example.com;tag=81x2\nContent-Length: 0\n\n",
	  0, NULL, "host.example.net", 0, "2001:db8::9:1", NULL, 6050 },
	{ "4.8",
	  "INVITE sip:user@[2001:db8::10] SIP/2.0\nTo: sip:user@[2001:db8::10]\nFrom: sip:user@example.com;tag=81x2\n"
	  "Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111\nCall-ID: SSG9559905523997077@hlau_4100\n"
	  "Contact: \"Caller\" <sip:caller@[2001:db8::9:1]>\nMax-Forwards: 70\nCSeq: 8912 INVITE\n"
	  "Content-Type: application/sdp\n\n" SDP_BOTH,
	  0, NULL, "2001:db8::10", 0, "2001:db8::9:1", NULL, 0 },
	{ "4.9",
	  "INVITE sip:user@example.com SIP/2.0\nTo: sip:user@example.com\nFrom: sip:user@east.example.com;tag=81x2\n"
	  "Via: SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19\n"
	  "Via: SIP/2.0/UDP [::ffff:192.0.2.2];branch=z9hG4bKas3-111\nCall-ID: SSG9559905523997077@hlau_4100\n"
	  "Contact: \"T. desk phone\" <sip:ted@[::ffff:192.0.2.2]>\nCSeq: 612 INVITE\nMax-Forwards: 70\n"
	  "Content-Type: application/sdp\n\n" SDP_MAPPED,
	  0, NULL, "example.com", 0, "::ffff:192.0.2.10", NULL, 19823 },
	/* Three colons: the grammar of RFC 3261 let them through. A receiver may; no address comes of it. */
	{ "4.10",
	  "OPTIONS sip:user@[2001:db8:::192.0.2.1] SIP/2.0\nTo: sip:user@[2001:db8:::192.0.2.1]\n"
	  "From: sip:user@example.com;tag=810x2\nVia: SIP/2.0/UDP lab1.east.example.com;branch=z9hG4bKas3-111\n"
	  "Call-ID: G9559905523997077@hlau_4100\nCSeq: 689 OPTIONS\nMax-Forwards: 70\nContent-Length: 0\n\n",
	  0, NULL, "2001:db8:::192.0.2.1", 0, "lab1.east.example.com", NULL, 0 },
};

/* Without slack behind the bytes, so that ASan sees every overrun. */
static char *wire_text(const char *text, size_t *n)
{
	struct buf b;
	char *data;

	buf_init(&b, 0);
	for (; *text; text++) {
		if (*text == '\n')
			buf_char(&b, '\r');
		buf_char(&b, *text);
	}
	data = malloc(b.len);
	memcpy(data, b.data, b.len);
	*n = b.len;
	buf_free(&b);
	return data;
}

static void check_parts(const struct row *row, const struct sip_msg *m)
{
	struct str value = { NULL, 0 };
	struct sip_uri uri;
	struct sip_via via;
	struct addr a;
	size_t pos = 0;

	CHECK_INT(0, sip_uri_parse(&uri, m->ruri));
	CHECK(str_is(uri.host, row->host));
	CHECK_INT(row->port, uri.port);
	CHECK(sip_msg_next_value(m, SIP_H_VIA, &pos, &value) && !sip_via_parse(&via, value));
	CHECK(str_is(via.host, row->via_host));
	CHECK_INT(row->via_port, via.port);
	if (str_chr(via.host, ':') >= 0)
		CHECK(!addr_parse(&a, via.host, 5060));
	if (str_is(uri.host, "2001:db8:::192.0.2.1"))
		CHECK(addr_parse(&a, uri.host, 5060));
	CHECK(!row->received == !via.received.p);
	if (row->received && via.received.p) {
		struct str host = via.received;

		if (str_starts(host, "["))
			host = str_head(str_from(host, 1), host.n - 2);
		CHECK(str_is(host, row->received));
	}
}

static void messages_of_rfc_5118(void **state)
{
	static struct sip_msg m, answer;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		const char *why = "";
		struct buf b;
		size_t n, used;
		char *data = wire_text(row->text, &n);
		int before = check_bad, status;

		CHECK_INT(SIP_PARSE_OK, sip_msg_parse(&m, data, n, false, &used, &why));
		status = sip_msg_check(&m, &why);
		CHECK_INT(row->status, status);
		if (row->why)
			CHECK_STR(row->why, why);
		if (!row->status && !status)
			check_parts(row, &m);
		/* Its answer parses again. */
		buf_init(&b, 0);
		sip_build_response(&b, &m, status ? status : 404, STR(""), "t", "2001:db8::77", 5080);
		sip_build_body(&b, NULL, STR(""));
		CHECK(!b.failed);
		CHECK_INT(SIP_PARSE_OK, sip_msg_parse(&answer, b.data, b.len, true, &used, &why));
		CHECK(sip_msg_header(&answer, SIP_H_VIA, 0).n);
		if (check_bad != before)
			fprintf(stderr, "section %s: %s\n", row->section, why);
		buf_free(&b);
		free(data);
	}
}

/* What the SDP of 4.6, 4.8 and 4.9 offers. */
static void their_sdp(void **state)
{
	static const struct {
		const char *text;
		uint8_t codecs; /* that we know */
	} sdps[] = { { SDP_V6, 0 }, { SDP_BOTH, 1 }, { SDP_MAPPED, 2 } };

	for (size_t i = 0; i < ARRAY_LEN(sdps); i++) {
		struct codec_list codecs = { .count = 0 };
		const char *why = "";
		size_t n;
		char *data = wire_text(sdps[i].text, &n);

		CHECK_INT(OFFER_OK, offer_codecs((struct str){ data, n }, MEDIA_OPTIONAL, &codecs, &why));
		CHECK_INT(sdps[i].codecs, codecs.count);
		free(data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(messages_of_rfc_5118), TEST(their_sdp) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "check.h"

#include <errno.h>
#include <stdlib.h>

#include "sip/sip_dialog.h"

static void parse(struct sip_msg *m, const char *text)
{
	const char *why;
	size_t used;

	if (sip_msg_parse(m, text, strlen(text), false, &used, &why) != SIP_PARSE_OK)
		abort();
}

static void check_text(const char *want, struct str got)
{
	CHECK_STR(want, got.p ? got.p : "(absent)");
	CHECK_INT(strlen(want), got.n);
}

static const char answer[] = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKx\r\n"
			     "Record-Route: <sip:p1;lr>\r\nRecord-Route: <sip:p2;lr>, \"a, b\" <sip:p3;lr>\r\n"
			     "From: <sip:a@x>;tag=ours\r\nTo: \"Bob\"\r\n <sip:b@x>;tag=theirs\r\nCall-ID: c\r\n"
			     "CSeq: 7 INVITE\r\nContact: <sip:b@host:5070;transport=tcp?Subject=x>;expires=3\r\n\r\n";

static void a_dialog_of_ours(void **state)
{
	struct sip_dialog_params p = { STR("c"),          STR("sip:a@x"), STR("A"), STR("sip:b@x"),
				       STR("sip:b@next"), "ours",         STR("") };
	struct sip_dialog_request r = { SIP_BYE, 8, "TCP", "a:5060", "z9hG4bKy" };
	struct sip_dialog d = { .local_cseq = 0 };
	struct sip_uri hop;
	struct sip_msg m;
	struct buf b;

	CHECK_INT(0, sip_dialog_init_out(&d, &p));
	check_text("\"A\" <sip:a@x>;tag=ours", d.local);
	check_text("<sip:b@x>", d.remote);
	CHECK(!d.remote_tag.p);
	CHECK_INT(0, sip_dialog_hop(&d, &hop));
	CHECK(str_is(hop.host, "next"));
	parse(&m, answer);
	CHECK_INT(0, sip_dialog_update(&d, &m));
	check_text("theirs", d.remote_tag);
	check_text("\"Bob\"  <sip:b@x>;tag=theirs", d.remote);
	check_text("sip:b@host:5070;transport=tcp", d.target); /* a Request-URI has no headers */
	check_text("\"a, b\" <sip:p3;lr>\n<sip:p2;lr>\n<sip:p1;lr>", d.routes);
	CHECK_INT(0, sip_dialog_hop(&d, &hop));
	CHECK(str_is(hop.host, "p3"));
	buf_init(&b, 0);
	sip_dialog_print(&d, &b, &r);
	CHECK_STR(
		"BYE sip:b@host:5070;transport=tcp SIP/2.0\r\nVia: SIP/2.0/TCP a:5060;branch=z9hG4bKy;rport\r\n"
		"Max-Forwards: 70\r\nRoute: \"a, b\" <sip:p3;lr>\r\nRoute: <sip:p2;lr>\r\nRoute: <sip:p1;lr>\r\n"
		"From: \"A\" <sip:a@x>;tag=ours\r\nTo: \"Bob\"  <sip:b@x>;tag=theirs\r\nCall-ID: c\r\nCSeq: 8 BYE\r\n",
		b.data);
	CHECK(!b.failed);
	buf_free(&b);
	sip_dialog_done(&d);
	sip_dialog_done(&d);
}

static void a_dialog_of_theirs(void **state)
{
	static const char invite[] = "INVITE sip:b@x SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKx\r\n"
				     "Record-Route: <sip:p1;lr>\r\nRecord-Route: <sip:p2;lr>\r\n"
				     "From: sip:a@x\r\nTo: sip:b@x\r\nCall-ID: c\r\nCSeq: 9 INVITE\r\n"
				     "Contact: sip:a@host\r\n\r\n";
	struct sip_dialog d = { .local_cseq = 0 };
	struct sip_msg m;

	parse(&m, invite);
	CHECK_INT(0, sip_dialog_init_in(&d, &m, "ours"));
	check_text("sip:b@x;tag=ours", d.local);
	check_text("sip:a@x", d.remote);
	check_text("", d.remote_tag); /* RFC 2543: none, and that is known */
	check_text("sip:a@host", d.target);
	check_text("<sip:p1;lr>\n<sip:p2;lr>", d.routes);
	CHECK_INT(9, d.remote_cseq);
	parse(&m, answer);
	CHECK_INT(0, sip_dialog_refresh(&d, &m));
	check_text("sip:b@host:5070;transport=tcp", d.target);
	check_text("<sip:p1;lr>\n<sip:p2;lr>", d.routes);
	sip_dialog_done(&d);
}

static void a_dialog_nobody_keeps(void **state)
{
	struct sip_dialog d = { .local_cseq = 0 };
	struct sip_msg m;

	parse(&m, answer);
	CHECK_INT(0, sip_dialog_init_response(&d, &m));
	check_text("<sip:a@x>;tag=ours", d.local);
	check_text("c", d.call_id);
	CHECK_INT(7, d.local_cseq);
	sip_dialog_done(&d);
}

static void names_from_outside_cannot_add_headers(void **state)
{
	struct sip_dialog_params p = { STR("c"), STR("sip:a@x"), STR("A\r\nX: y"), STR("sip:b@x"), STR("sip:b@x"),
				       "t",      STR("") };
	struct sip_dialog d = { .local_cseq = 0 };

	CHECK_INT(ENOMEM, sip_dialog_init_out(&d, &p));
	sip_dialog_done(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_dialog_of_ours),
		TEST(a_dialog_of_theirs),
		TEST(a_dialog_nobody_keeps),
		TEST(names_from_outside_cannot_add_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* RFC 4028: what the headers say, table 2 and all around it. */
#include "check.h"

#include "sip/sip_timer.h"

#define NONE SIP_REFRESHER_NONE
#define UAC SIP_REFRESHER_UAC
#define UAS SIP_REFRESHER_UAS

static void parse(struct sip_msg *m, const char *headers, char text[2048])
{
	size_t used;
	const char *why;

	snprintf(text, 2048, "INVITE sip:a@b SIP/2.0\r\n%sContent-Length: 0\r\n\r\n", headers);
	CHECK_INT(SIP_PARSE_OK, sip_msg_parse(m, text, strlen(text), false, &used, &why));
}

static void headers_are_read(void **state)
{
	static const struct {
		const char *headers;
		struct sip_timer_says want;
	} rows[] = {
		{ "", { false, 0, NONE, 90 } },
		{ "Supported: timer\r\n", { true, 0, NONE, 90 } },
		{ "k: 100rel, Timer\r\n", { true, 0, NONE, 90 } },
		{ "Require: timer\r\n", { true, 0, NONE, 90 } },
		{ "Supported: timers\r\n", { false, 0, NONE, 90 } },
		{ "Session-Expires: 1800\r\n", { false, 1800, NONE, 90 } },
		{ "x: 1800 ; refresher=uac\r\n", { false, 1800, UAC, 90 } },
		{ "Session-Expires: 90;foo=bar;Refresher=UAS\r\n", { false, 90, UAS, 90 } },
		{ "Session-Expires: 90;refresher=proxy\r\n", { false, 90, NONE, 90 } },
		{ "Session-Expires: soon;refresher=uac\r\n", { false, 0, UAC, 90 } },
		{ "Session-Expires: -1\r\n", { false, 0, NONE, 90 } },
		{ "Session-Expires: 99999999999\r\n", { false, 0, NONE, 90 } },
		{ "Session-Expires: ;refresher=uas\r\n", { false, 0, UAS, 90 } },
		{ "Session-Expires:\r\n", { false, 0, NONE, 90 } },
		{ "Min-SE: 120;x=y\r\n", { false, 0, NONE, 120 } },
		{ "Min-SE: 5\r\n", { false, 0, NONE, 90 } },
		{ "Min-SE: x\r\n", { false, 0, NONE, 90 } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int before = check_bad;
		struct sip_timer_says got;
		struct sip_msg m;
		char text[2048];

		parse(&m, rows[i].headers, text);
		sip_timer_read(&got, &m);
		CHECK_INT(rows[i].want.supported, got.supported);
		CHECK_INT(rows[i].want.expires_s, got.expires_s);
		CHECK_INT(rows[i].want.refresher, got.refresher);
		CHECK_INT(rows[i].want.min_s, got.min_s);
		if (check_bad > before)
			fprintf(stderr, "row %zu: %s", i, rows[i].headers);
	}
}

static void a_request_of_the_peer_is_answered(void **state)
{
	static const struct {
		struct sip_timer_says request;
		struct sip_timer_wish wish;
		bool is_short;
		const char *lines; /* of our 2xx */
	} rows[] = {
		/* Table 2: supports? refresher in the request -> in the response */
		{ { false, 0, NONE, 90 }, { 600, false }, false, "Session-Expires: 600;refresher=uas\r\n" },
		{ { false, 1800, NONE, 90 }, { 600, false }, false, "Session-Expires: 600;refresher=uas\r\n" },
		{ { true, 1800, NONE, 90 },
		  { 600, false },
		  false,
		  "Session-Expires: 600;refresher=uac\r\nRequire: timer\r\n" },
		{ { true, 1800, NONE, 90 },
		  { 600, true },
		  false,
		  "Session-Expires: 600;refresher=uas\r\nRequire: timer\r\n" },
		{ { true, 1800, UAC, 90 },
		  { 600, true },
		  false,
		  "Session-Expires: 600;refresher=uac\r\nRequire: timer\r\n" },
		{ { true, 1800, UAS, 90 },
		  { 600, false },
		  false,
		  "Session-Expires: 600;refresher=uas\r\nRequire: timer\r\n" },
		/* Not applicable there; a proxy's doing. */
		{ { false, 1800, UAC, 90 }, { 600, false }, false, "Session-Expires: 600;refresher=uas\r\n" },
		{ { false, 1800, UAS, 90 }, { 600, false }, false, "Session-Expires: 600;refresher=uas\r\n" },
		/* Supported, but nothing asked: the UAS may. */
		{ { true, 0, NONE, 90 },
		  { 600, false },
		  false,
		  "Session-Expires: 600;refresher=uac\r\nRequire: timer\r\n" },
		{ { true, 0, NONE, 90 }, { 0, false }, false, "" },
		{ { false, 0, NONE, 90 }, { 0, false }, false, "" },
		/* We do not ask, but go along. */
		{ { true, 1800, UAC, 90 },
		  { 0, false },
		  false,
		  "Session-Expires: 1800;refresher=uac\r\nRequire: timer\r\n" },
		/* Never longer than asked, never below Min-SE. */
		{ { true, 120, UAC, 90 },
		  { 600, false },
		  false,
		  "Session-Expires: 120;refresher=uac\r\nRequire: timer\r\n" },
		{ { true, 3600, UAC, 1200 },
		  { 600, false },
		  false,
		  "Session-Expires: 1200;refresher=uac\r\nRequire: timer\r\n" },
		{ { true, 0, NONE, 1200 },
		  { 600, false },
		  false,
		  "Session-Expires: 1200;refresher=uac\r\nRequire: timer\r\n" },
		{ { true, 100, UAC, 200 },
		  { 600, false },
		  false,
		  "Session-Expires: 100;refresher=uac\r\nRequire: timer\r\n" },
		/* 422 for who can do something with it. */
		{ { true, 89, NONE, 90 },
		  { 600, false },
		  true,
		  "Session-Expires: 90;refresher=uac\r\nRequire: timer\r\n" },
		{ { true, 90, NONE, 90 },
		  { 600, false },
		  false,
		  "Session-Expires: 90;refresher=uac\r\nRequire: timer\r\n" },
		{ { false, 30, NONE, 90 }, { 600, false }, false, "Session-Expires: 90;refresher=uas\r\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sip_timer_deal deal;
		struct buf b;

		buf_init(&b, 0);
		sip_timer_answer(&deal, &rows[i].request, &rows[i].wish);
		sip_timer_print_answer(&b, &deal);
		CHECK_INT(rows[i].is_short, sip_timer_is_short(&rows[i].request));
		CHECK_STR(rows[i].lines, b.len ? b.data : "");
		buf_free(&b);
	}
}

static void an_answer_of_the_peer_is_understood(void **state)
{
	static const struct {
		struct sip_timer_says response;
		uint32_t wish_s;
		struct sip_timer_deal want;
	} rows[] = {
		/* It knows nothing of timers: we alone look after it. */
		{ { false, 0, NONE, 90 }, 600, { 600, true, false } },
		{ { true, 0, NONE, 90 }, 600, { 600, true, false } },
		{ { false, 0, NONE, 90 }, 0, { 0, true, false } },
		{ { true, 600, UAC, 90 }, 600, { 600, true, true } },
		{ { true, 600, UAS, 90 }, 600, { 600, false, true } },
		{ { true, 300, UAS, 90 }, 600, { 300, false, true } },
		{ { false, 300, UAS, 90 }, 600, { 300, false, true } }, /* a proxy's wish, or no Require */
		{ { true, 600, NONE, 90 }, 600, { 600, true, true } },  /* wrong: somebody has to */
		{ { true, 1, UAC, 90 }, 600, { 90, true, true } },
		{ { true, 1800, UAS, 90 }, 0, { 1800, false, true } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct sip_timer_wish wish = { .expires_s = rows[i].wish_s };
		struct sip_timer_deal deal;

		sip_timer_agree(&deal, &rows[i].response, &wish);
		CHECK_INT(rows[i].want.expires_s, deal.expires_s);
		CHECK_INT(rows[i].want.ours, deal.ours);
		CHECK_INT(rows[i].want.mutual, deal.mutual);
	}
}

static void requests_ask(void **state)
{
	struct buf b;

	buf_init(&b, 0);
	sip_timer_print_request(&b, 0, 90, NONE);
	CHECK_INT(0, b.len);
	sip_timer_print_request(&b, 600, 90, NONE);
	CHECK_STR("Session-Expires: 600\r\nMin-SE: 90\r\n", b.data);
	buf_reset(&b);
	sip_timer_print_request(&b, 1800, 1200, UAS);
	CHECK_STR("Session-Expires: 1800;refresher=uas\r\nMin-SE: 1200\r\n", b.data);
	buf_free(&b);
}

static void the_deadline_is_before_the_end(void **state)
{
	CHECK_INT(60, sip_timer_deadline_s(90));
	CHECK_INT(64, sip_timer_deadline_s(96));
	CHECK_INT(67, sip_timer_deadline_s(99));
	CHECK_INT(568, sip_timer_deadline_s(600));
	CHECK_INT(1768, sip_timer_deadline_s(1800));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(headers_are_read),
		TEST(a_request_of_the_peer_is_answered),
		TEST(an_answer_of_the_peer_is_understood),
		TEST(requests_ask),
		TEST(the_deadline_is_before_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

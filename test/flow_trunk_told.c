/* What carriers are told of who calls and why a call ends, what they tell, and where they send calls. */
#include "base/arena.h"
#include "base/log.h"
#include "call/identity.h"
#include "fake_carrier.h"
#include "sip/sip_build.h"

/* --- who calls --- */

static void each_trunk_is_told_in_its_own_way(void **state)
{
	static const struct call_header kept[] = { { "Diversion", "<sip:+15550002222@x>;reason=no-answer" },
						   { "History-Info", "<sip:a@b>;index=1" },
						   { "X-Trace", "7" } };
	static const char *const both[] = { "diversion", "History-Info", NULL };
	static const struct {
		int identity;
		bool privacy;
		const char *from;
		const char *const *pass;
		const char *want;
	} rows[] = {
		{ TRUNK_IDENTITY_NONE, false, "+15550001111", NULL, "From: <sip:+15550001111@10.0.0.1>" },
		{ TRUNK_IDENTITY_PAI, false, "+15550001111", NULL,
		  "From: <sip:+15550001111@10.0.0.1> P-Asserted-Identity: <sip:+15550001111@10.0.0.1>" },
		{ TRUNK_IDENTITY_RPID, false, "+15550001111", NULL,
		  "From: <sip:+15550001111@10.0.0.1> Remote-Party-ID: "
		  "<sip:+15550001111@10.0.0.1>;party=calling;screen=yes;privacy=off" },
		{ TRUNK_IDENTITY_NONE, true, "+15550001111", NULL,
		  "From: \"Anonymous\" <sip:anonymous@anonymous.invalid> Privacy: id" },
		{ TRUNK_IDENTITY_PAI, true, "+15550001111", NULL,
		  "From: \"Anonymous\" <sip:anonymous@anonymous.invalid> P-Asserted-Identity: "
		  "<sip:+15550001111@10.0.0.1> Privacy: id" },
		{ TRUNK_IDENTITY_RPID, true, "+15550001111", NULL,
		  "From: \"Anonymous\" <sip:anonymous@anonymous.invalid> Remote-Party-ID: "
		  "<sip:+15550001111@10.0.0.1>;party=calling;screen=yes;privacy=full Privacy: id" },
		{ TRUNK_IDENTITY_PAI, false, "anonymous", NULL,
		  "From: \"Anonymous\" <sip:anonymous@anonymous.invalid> Privacy: id" },
		{ TRUNK_IDENTITY_NONE, false, "a b", both,
		  "From: <sip:a%20b@10.0.0.1> Diversion: <sip:+15550002222@x>;reason=no-answer History-Info: "
		  "<sip:a@b>;index=1" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct trunk t = { .identity = rows[i].identity,
				   .privacy = rows[i].privacy,
				   .pass_headers = rows[i].pass };
		const struct call_info parent = { .kept = kept, .kept_count = ARRAY_LEN(kept) };
		struct identity_ask ask = { &t, str_of(rows[i].from), STR(""), "10.0.0.1", &parent };
		struct identity who;
		struct buf text = { 0 };
		struct arena *a;

		assert_int_equal(arena_new(&a, 0, 0), 0);
		CHECK_INT(0, identity_make(&who, a, &ask));
		buf_cstr(&text, "From: ");
		sip_build_name_addr(&text, who.from_name, who.from_uri);
		for (size_t k = 0; k < who.fields.count; k++)
			buf_printf(&text, " %s: %.*s", who.fields.items[k].name, STR_ARG(who.fields.items[k].value));
		CHECK_STR(rows[i].want, text.data);
		buf_free(&text);
		arena_free(&a);
	}
}

/* The next trunk is told in its own way, not in that of the one that failed. */
static void identity_goes_with_the_trunk(void **state)
{
	struct trunk_world w;

	trunk_open(&w);
	w.carriers[0].invites = "503";
	w.trunks[0].identity = TRUNK_IDENTITY_PAI;
	w.trunks[1].privacy = true;
	trunk_dial_number(&w);
	trunk_run(&w);
	CHECK_STR("From: <sip:+15550001111@10.0.0.1> P-Asserted-Identity: <sip:+15550001111@10.0.0.1>",
		  w.carriers[0].last);
	CHECK_STR("From: \"Anonymous\" <sip:anonymous@anonymous.invalid> Privacy: id", w.carriers[1].last);
	trunk_close(&w);
}

/* --- redirects --- */

static void redirects_are_followed_where_the_trunk_says_so(void **state)
{
	static const struct {
		bool follow;
		const char *lines;          /* Contacts of the first one's 302 */
		const char *second, *third; /* their scripts */
		const char *logs[CARRIERS];
		const char *ruri; /* at the last that was tried, NULL = the first */
	} rows[] = {
		{ false, "Contact: <sip:1@10.0.0.3>\r\n", "200", "200", { "INVITE ACK", "", "" }, NULL },
		{ true, "", "200", "200", { "INVITE ACK", "", "" }, NULL },
		{ true,
		  "Contact: <sip:1@10.0.0.3?x=y>;q=0.2\r\n",
		  "200",
		  "200",
		  { "INVITE ACK", "INVITE ACK BYE", "" },
		  "sip:1@10.0.0.3" },
		{ true,
		  "Contact: <sip:1@10.0.0.3>;q=0.25, <sip:2@10.0.0.4>;q=0.5\r\n",
		  "200",
		  "200",
		  { "INVITE ACK", "", "INVITE ACK BYE" },
		  "sip:2@10.0.0.4" },
		{ true,
		  "Contact: <sip:1@10.0.0.3>\r\nContact: <sip:2@10.0.0.4>\r\n",
		  "503",
		  "200",
		  { "INVITE ACK", "INVITE ACK", "INVITE ACK BYE" },
		  "sip:2@10.0.0.4" },
		/* about the party: no further */
		{ true,
		  "Contact: <sip:1@10.0.0.3>\r\nContact: <sip:2@10.0.0.4>\r\n",
		  "486",
		  "200",
		  { "INVITE ACK", "INVITE ACK", "" },
		  "sip:1@10.0.0.3" },
		/* not for us */
		{ true,
		  "Contact: <sip:1@10.0.0.3;transport=tcp>, <sips:1@10.0.0.3>, <tel:+1>, *, <mailto:a@b>, <<\r\n",
		  "200",
		  "200",
		  { "INVITE ACK", "", "" },
		  NULL },
		{ true,
		  "Contact: <sip:1@10.0.0.3;transport=udp>\r\n",
		  "200",
		  "200",
		  { "INVITE ACK", "INVITE ACK BYE", "" },
		  "sip:1@10.0.0.3;transport=udp" },
		/* back to itself */
		{ true, "Contact: <sip:+15551234567@10.0.0.2>\r\n", "200", "200", { "INVITE ACK", "", "" }, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct trunk_world w;
		const char *ruri = "sip:+15551234567@10.0.0.2";

		trunk_open(&w);
		w.routes.trunk_count = 1;
		w.trunks[0].follow_redirects = rows[i].follow;
		w.carriers[0].invites = "302";
		w.carriers[0].lines = rows[i].lines;
		w.carriers[1].invites = rows[i].second;
		w.carriers[2].invites = rows[i].third;
		trunk_dial_number(&w);
		trunk_run(&w);
		for (size_t k = 0; k < CARRIERS; k++) {
			CHECK_STR(rows[i].logs[k], carrier_log(&w.carriers[k]));
			if (k && w.carriers[k].log.len)
				ruri = w.carriers[k].ruri;
		}
		CHECK_STR(rows[i].ruri ? rows[i].ruri : "sip:+15551234567@10.0.0.2", ruri);
		CHECK_INT(1, w.created);
		if (check_bad)
			print_message("row %zu\n", i);
		trunk_close(&w);
	}
}

static void redirects_are_few_and_never_in_circles(void **state)
{
	static const char *const many =
		"Contact: <sip:1@10.0.0.3>;q=.1, <sip:2@10.0.0.3>;q=0.2, <sip:3@10.0.0.3>;q=0.9, <sip:4@10.0.0.3>, "
		"<sip:5@10.0.0.3>;q=0.5, <sip:6@10.0.0.3>;q=0.05, <sip:7@10.0.0.3>;q=x, <sip:4@10.0.0.3>\r\n";
	struct trunk_world w;

	trunk_open(&w);
	w.routes.trunk_count = 1;
	w.trunks[0].follow_redirects = true;
	w.carriers[0].invites = "302";
	w.carriers[0].lines = many;
	w.carriers[1].invites = "503 503 503 503 503 503 503 503 503";
	trunk_dial_number(&w);
	trunk_run(&w);
	CHECK_STR("INVITE ACK INVITE ACK INVITE ACK INVITE ACK INVITE ACK", carrier_log(&w.carriers[1]));
	CHECK_STR("sip:2@10.0.0.3", w.carriers[1].ruri); /* the fifth best */
	CHECK_STR("trunk first: 503 Service Unavailable", w.why);
	trunk_close(&w);

	/* two that send to each other */
	trunk_open(&w);
	w.routes.trunk_count = 1;
	w.trunks[0].follow_redirects = true;
	w.carriers[0].invites = "302 302 302";
	w.carriers[0].lines = "Contact: <sip:1@10.0.0.3>\r\n";
	w.carriers[1].invites = "302 302 302";
	w.carriers[1].lines = "Contact: <sip:+15551234567@10.0.0.2>\r\nContact: <sip:1@10.0.0.3>\r\n";
	trunk_dial_number(&w);
	trunk_run(&w);
	CHECK_STR("INVITE ACK", carrier_log(&w.carriers[0]));
	CHECK_STR("INVITE ACK", carrier_log(&w.carriers[1]));
	CHECK_STR("trunk first: 302 Moved Temporarily", w.why);
	trunk_close(&w);
}

static void a_redirect_does_not_take_the_password_along(void **state)
{
	static const struct {
		const char *contact, *log;
	} rows[] = { { "Contact: <sip:1@10.0.0.3>\r\n", "INVITE ACK" } };
	struct trunk_world w;

	trunk_open(&w);
	w.routes.trunk_count = 1;
	w.trunks[0].follow_redirects = true;
	w.trunks[0].username = "u";
	w.trunks[0].password = "p";
	w.carriers[0].invites = "302";
	w.carriers[0].lines = rows[0].contact;
	w.carriers[1].invites = "401 200";
	w.carriers[1].challenges[0] = MD5("1");
	trunk_dial_number(&w);
	trunk_run(&w);
	CHECK_STR(rows[0].log, carrier_log(&w.carriers[1]));
	trunk_close(&w);
}

/* --- reasons --- */

static void what_the_network_says_is_heard(void **state)
{
	static const struct {
		const char *invites, *reason, *cause, *why;
	} rows[] = {
		{ "486", "Reason: Q.850;cause=17;text=\"User busy\"\r\n", "busy",
		  "trunk first: 486 Busy Here (User busy)" },
		{ "480", "Reason: Q.850;cause=17\r\n", "busy",
		  "trunk first: 480 Temporarily Unavailable (Q.850 cause 17)" },
		{ "480", "Reason: SIP;cause=486, Q.850 ; cause=21\r\n", "no_answer",
		  "trunk first: 480 Temporarily Unavailable (SIP cause 486)" },
		{ "480", "Reason: Q.850;cause=21;text=\"Call, rejected\"\r\n", "declined",
		  "trunk first: 480 Temporarily Unavailable (Call, rejected)" },
		{ "410", "Reason: Q.850;cause=17\r\n", "error", "trunk first: 410 Gone (Q.850 cause 17)" },
		{ "487", "Reason: Q.850;cause=19\r\n", "no_answer",
		  "trunk first: 487 Request Terminated (Q.850 cause 19)" },
		{ "487", "Reason: ;;;,,,\"\r\n", "error", "trunk first: 487 Request Terminated" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct trunk_world w;

		trunk_open(&w);
		w.carriers[0].invites = rows[i].invites;
		w.carriers[0].lines = rows[i].reason;
		trunk_dial_number(&w);
		trunk_run(&w);
		CHECK_STR(rows[i].cause, w.cause);
		CHECK_STR(rows[i].why, w.why);
		trunk_close(&w);
	}
}

static void what_we_hang_up_for_is_said(void **state)
{
	static const struct {
		const char *invites;
		bool loser;
		const char *reason;
	} rows[] = {
		{ "180", false, "Q.850;cause=19;text=\"No answer\"" },
		{ "180", true, "SIP;cause=200;text=\"Call completed elsewhere\"" },
		{ "180+200", false, "Q.850;cause=16;text=\"Normal call clearing\"" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct trunk_world w;

		trunk_open(&w);
		w.carriers[0].invites = rows[i].invites;
		trunk_dial_number(&w);
		loop_run_until(w.loop, loop_now_ms(w.loop) + 500);
		if (rows[i].loser)
			call_hangup_loser(w.call, "connect", "another destination was connected");
		else
			trunk_hang_up(&w);
		trunk_run(&w);
		CHECK_STR(rows[i].reason, w.carriers[0].reason);
		CHECK_STR(rows[i].loser ? "cancel" : i ? "hangup" : "no_answer", w.cause);
		trunk_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_trunk_is_told_in_its_own_way),
		TEST(identity_goes_with_the_trunk),
		TEST(redirects_are_followed_where_the_trunk_says_so),
		TEST(redirects_are_few_and_never_in_circles),
		TEST(a_redirect_does_not_take_the_password_along),
		TEST(what_the_network_says_is_heard),
		TEST(what_we_hang_up_for_is_said),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Session timers: stacks of ours against each other, and against a peer by hand (fake_hand.h). */
#include <errno.h>

#include "fake_hand.h"

/* --- session timers between two of ours --- */

static void a_session_is_refreshed(void **state)
{
	static const struct {
		struct hand_options o;
		uint32_t half_s; /* a refreshes so often; 0 = nobody does */
	} rows[] = {
		{ { .timeout_a_s = 600 }, 300 },
		{ { .timeout_b_s = 600 }, 300 },
		{ { .timeout_a_s = 600, .timeout_b_s = 1800 }, 300 },
		{ { .timeout_a_s = 1800, .timeout_b_s = 600 }, 300 },
		{ { .timeout_a_s = 600, .timeout_b_s = 600, .dial_s = 90 }, 45 },
		{ { .dial_s = 100, .timeout_b_s = 3600 }, 50 },
		{ { .seed = 5 }, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct phone_call *c, *far;
		struct hand_world w;

		hand_open(&w, &rows[i].o);
		c = hand_talk(&w, &far);
		hand_run(&w, 10000000);
		/* Each refresh may come LOOSE_MS late. */
		if (rows[i].half_s)
			CHECK(w.updates_a >= (int)(10000000 / (rows[i].half_s * 1000 + LOOSE_MS)) &&
			      w.updates_a <= (int)(10000 / rows[i].half_s));
		else
			CHECK_INT(0, w.updates_a);
		CHECK_INT(0, w.updates_b);
		CHECK_INT(1, w.invites_a);
		CHECK_INT(0, c->reoffer + far->reoffer + c->reinvited + far->reinvited);
		CHECK(!c->closed && !far->closed);
		hand_close(&w);
	}
}

static void a_dead_peer_is_hung_up(void **state)
{
	const struct hand_options o = { .timeout_a_s = 600, .timeout_b_s = 600 };
	struct phone_call *c, *far;
	struct hand_world w;
	uint64_t start;

	hand_open(&w, &o);
	c = hand_talk(&w, &far);
	start = loop_now_ms(w.loop);
	hand_run(&w, 310000);
	CHECK_INT(1, w.updates_a);
	w.cut = true;
	hand_run(&w, 1000000);
	CHECK_INT(1, c->closed);
	CHECK_INT(SIP_BY_TIMEOUT, c->who);
	CHECK(c->was_answered);
	CHECK_STR("session refresh: no answer to the UPDATE from 10.0.0.2:5060 within 32 s", c->why);
	CHECK(c->closed_ms - start >= 631000 && c->closed_ms - start <= 633000);
	/* Who does not refresh waits 32 s less than the whole of it. */
	CHECK_INT(1, far->closed);
	CHECK_INT(SIP_BY_TIMEOUT, far->who);
	CHECK_STR("the session expired: the peer did not refresh it within 600 s", far->why);
	CHECK(far->closed_ms - start >= 867000 && far->closed_ms - start <= 869000);
	CHECK(strstr(w.bye, "\r\nReason: SIP;cause=408;text=\"Session expired\"\r\n"));
	hand_close(&w);
}

static void a_refresh_is_challenged_by_loss_only(void **state)
{
	const struct hand_options o = { .timeout_a_s = 90 };
	struct phone_call *c, *far;
	struct hand_world w;

	hand_open(&w, &o);
	c = hand_talk(&w, &far);
	for (int i = 0; i < 20; i++) { /* up to 12 s without a network around each refresh */
		hand_run(&w, 44000);
		w.cut = true;
		hand_run(&w, 12000);
		w.cut = false;
		hand_run(&w, 5000);
		CHECK(!c->closed && !far->closed);
	}
	hand_close(&w);
}

/* --- session timers by hand: we called --- */

static void what_the_200_says(void **state)
{
	static const struct {
		const char *headers, *method, *has; /* of the refresh; NULL = none comes */
		uint32_t after_s;
		const char *body;
	} rows[] = {
		{ "", "INVITE ", "Session-Expires: 600;refresher=uac\r\nMin-SE: 90\r\n", 300, "\r\n\r\noffer" },
		{ "Allow: INVITE, ACK, BYE\n", "INVITE ", "Session-Expires: 600;refresher=uac\r\n", 300,
		  "\r\n\r\noffer" },
		{ ALLOW, "UPDATE ", "Session-Expires: 600;refresher=uac\r\n", 300, "Content-Length: 0\r\n\r\n" },
		{ ALLOW "Session-Expires: 200;refresher=uac\nRequire: timer\n", "UPDATE ",
		  "Session-Expires: 200;refresher=uac\r\n", 100, "Content-Length: 0\r\n\r\n" },
		{ "x: 200;refresher=uac\n", "INVITE ", "Session-Expires: 200;refresher=uac\r\n", 100, "\r\n\r\noffer" },
		{ ALLOW "Session-Expires: 200;refresher=uas\n", NULL, NULL, 0, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct hand_options o = { .timeout_a_s = 600 };
		struct phone_call *c;
		struct hand_world w;
		const char *m;

		hand_open(&w, &o);
		c = hand_called(&w, rows[i].headers);
		m = hand_newest(&w, "INVITE ");
		CHECK(strstr(m, "\r\nSession-Expires: 600\r\nMin-SE: 90\r\n"));
		CHECK(strstr(m, "\r\nSupported: 100rel, norefersub, replaces, timer\r\n"));
		CHECK(strstr(m, "UPDATE, INFO, NOTIFY, REFER\r\n"));
		hand_forget(&w);
		hand_run(&w, (uint64_t)rows[i].after_s * 1000 - (rows[i].after_s ? 200 : 0));
		CHECK_INT(0, w.count);
		hand_run(&w, rows[i].after_s ? 400 : 167000);
		if (rows[i].method) {
			m = hand_newest(&w, rows[i].method);
			CHECK(strstr(m, rows[i].has));
			CHECK(strstr(m, rows[i].body));
			hand_reply(&w, m, "200 OK", rows[i].headers, *rows[i].method == 'I' ? "answer" : "");
			CHECK_INT(*rows[i].method == 'I', hand_got(&w, "ACK "));
			CHECK_INT(*rows[i].method == 'I', c->reanswered);
			hand_run(&w, (uint64_t)rows[i].after_s * 1000 + 500);
			CHECK_INT(2, hand_got(&w, rows[i].method));
		} else {
			CHECK_INT(0, w.count);
			hand_run(&w, 2000);
			CHECK_INT(1, c->closed);
			CHECK_STR("the session expired: the peer did not refresh it within 200 s", c->why);
			CHECK(strstr(hand_newest(&w, "BYE "), "Reason: SIP;cause=408"));
		}
		hand_close(&w);
	}
}

static void what_a_refresh_gets(void **state)
{
	static const struct {
		const char *allow, *status, *headers;
		const char *why;   /* of the end; NULL = the call goes on */
		uint32_t again_ms; /* the refresh comes again within this */
	} rows[] = {
		{ ALLOW, "481 Gone", "", "481 to our session refresh", 0 },
		{ ALLOW, "408 Timeout", "", "408 to our session refresh", 0 },
		{ "", "481 Gone", "", "481 to our session refresh", 0 },
		{ ALLOW, "500 Later", "Retry-After: 3\n", NULL, 62000 },
		{ ALLOW, "405 No", "", NULL, 62000 },
		{ "", "488 No", "", NULL, 62000 },
		{ ALLOW, "422 Small", "Min-SE: 1200\n", NULL, 1 },
		{ "", "422 Small", "Min-SE: 1200\n", NULL, 1 },
		{ ALLOW, "422 Small", "Min-SE: 90\n", NULL, 62000 },
		{ "", "491 Pending", "", NULL, 4200 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct hand_options o = { .timeout_a_s = 600 };
		const char *method = *rows[i].allow ? "UPDATE " : "INVITE ";
		struct phone_call *c;
		struct hand_world w;
		char headers[256], request[4096];

		hand_open(&w, &o);
		snprintf(headers, sizeof(headers), "%sSession-Expires: 600;refresher=uac\n", rows[i].allow);
		c = hand_called(&w, headers);
		hand_forget(&w);
		hand_run(&w, 300200);
		CHECK_INT(1, hand_got(&w, method));
		str_copy(request, sizeof(request), str_of(hand_newest(&w, method)));
		hand_forget(&w);
		hand_reply(&w, request, rows[i].status, rows[i].headers, "");
		CHECK_INT(rows[i].again_ms == 1, hand_got(&w, method));
		hand_run(&w, rows[i].again_ms);
		CHECK_INT(rows[i].why != NULL, c->closed);
		if (rows[i].why) {
			CHECK_STR(rows[i].why, c->why);
			CHECK_INT(SIP_BY_TIMEOUT, c->who);
			CHECK_INT(1, hand_got(&w, "BYE "));
		} else {
			CHECK(hand_got(&w, method) > 0);
			if (strstr(rows[i].headers, "1200"))
				CHECK(strstr(hand_newest(&w, method),
					     "Session-Expires: 1200;refresher=uac\r\nMin-SE: 1200\r\n"));
			hand_reply(&w, hand_newest(&w, method), "200 OK", headers, *rows[i].allow ? "" : "answer");
			hand_run(&w, 200000);
			CHECK(!c->closed);
		}
		CHECK_INT(0, c->reinvited); /* none of the owner's business */
		hand_close(&w);
	}
}

static void too_short_they_say(void **state)
{
	static const struct {
		const char *min[4];
		int status;        /* that the call ends with, 0 = it is answered */
		const char *asked; /* by the last INVITE */
	} rows[] = {
		{ { "Min-SE: 700\n" }, 0, "Session-Expires: 700\r\nMin-SE: 700\r\n" },
		{ { "Min-SE: 700\n", "Min-SE: 1800\n" }, 0, "Session-Expires: 1800\r\nMin-SE: 1800\r\n" },
		{ { "Min-SE: 700\n", "Min-SE: 800\n", "Min-SE: 900\n" }, 422, "Session-Expires: 800\r\n" },
		{ { "" }, 422, "Session-Expires: 600\r\n" },
		{ { "Min-SE: 600\n" }, 422, "Session-Expires: 600\r\n" },
		{ { "Min-SE: 4294967295\n" }, 422, "Session-Expires: 600\r\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct hand_options o = { .timeout_a_s = 600 };
		char id[512], first[512], cseq[512];
		struct phone_call *c;
		struct hand_world w;
		int n = 0;

		hand_open(&w, &o);
		c = phone_dial(&w.a, "sip:h@10.0.0.3", WIRE_UDP);
		hand_run(&w, 10);
		hand_line(hand_newest(&w, "INVITE "), "Call-ID", first);
		for (; n < 4 && rows[i].min[n]; n++)
			hand_reply(&w, hand_newest(&w, "INVITE "), "422 Session Interval Too Small", rows[i].min[n],
				   "");
		hand_run(&w, 10);
		CHECK(strstr(hand_newest(&w, "INVITE "), rows[i].asked));
		CHECK_STR(first, hand_line(hand_newest(&w, "INVITE "), "Call-ID", id));
		CHECK_INT(rows[i].status != 0, c->closed);
		if (!rows[i].status) {
			CHECK_INT(n + 1, hand_got(&w, "INVITE "));
			snprintf(id, sizeof(id), "CSeq: %d INVITE", n + 1);
			CHECK_STR(id, hand_line(hand_newest(&w, "INVITE "), "CSeq", cseq));
			CHECK(strstr(hand_newest(&w, "INVITE "), "\r\n\r\noffer"));
			hand_reply(&w, hand_newest(&w, "INVITE "), "200 OK", "", "answer");
			CHECK_INT(1, c->answered);
		} else {
			CHECK_INT(rows[i].status, c->status);
		}
		hand_close(&w);
	}
}

/* --- session timers by hand: we are called --- */

static void what_our_200_says(void **state)
{
	static const struct {
		const char *headers;
		int status;
		const char *has, *not ; /* in the response */
		const char *refresh;    /* of ours, NULL = none */
	} rows[] = {
		{ ALLOW, 200, "Session-Expires: 600;refresher=uas\r\n", "Require: ", "UPDATE " },
		{ "", 200, "Session-Expires: 600;refresher=uas\r\n", "Require: ", "INVITE " },
		{ "Supported: timer\n", 200, "Session-Expires: 600;refresher=uac\r\nRequire: timer\r\n", NULL, NULL },
		{ ALLOW "Supported: timer\nSession-Expires: 1800\n", 200,
		  "Session-Expires: 600;refresher=uac\r\nRequire: timer\r\n", NULL, NULL },
		{ ALLOW "Supported: timer\nSession-Expires: 1800;refresher=uas\n", 200,
		  "Session-Expires: 600;refresher=uas\r\nRequire: timer\r\n", NULL, "UPDATE " },
		{ "Supported: timer\nSession-Expires: 1800;refresher=uac\nMin-SE: 1800\n", 200,
		  "Session-Expires: 1800;refresher=uac\r\nRequire: timer\r\n", NULL, NULL },
		{ "Require: timer\nSession-Expires: 600;refresher=uac\n", 200,
		  "Session-Expires: 600;refresher=uac\r\nRequire: timer\r\n", NULL, NULL },
		{ "Supported: timer\nSession-Expires: 89\n", 422, "Min-SE: 90\r\n", "Session-Expires", NULL },
		{ "Session-Expires: 30\n", 200, "Session-Expires: 90;refresher=uas\r\n", "Require: ", "INVITE " },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct hand_options o = { .timeout_a_s = 600 };
		struct phone_call *c;
		struct hand_world w;

		hand_open(&w, &o);
		w.our_tag[0] = '\0';
		w.a.auto_answer = true;
		hand_ask(&w, &(struct hand_ask){
				     .method = "INVITE", .cseq = 1, .extra = rows[i].headers, .body = "offer" });
		CHECK_INT(rows[i].status, hand_status(&w));
		CHECK(strstr(hand_newest(&w, "SIP/2.0 "), rows[i].has));
		CHECK(!rows[i].not || !strstr(hand_newest(&w, "SIP/2.0 "), rows[i].not ));
		CHECK_INT(rows[i].status == 200, w.a.call_count);
		if (rows[i].status == 200) {
			c = phone_call_at(&w.a, 0);
			hand_take_tag(&w, hand_newest(&w, "SIP/2.0 200"), "To");
			hand_ack(&w, 1, NULL);
			hand_forget(&w);
			hand_run(&w, 301000);
			CHECK_INT(rows[i].refresh != NULL, w.count > 0);
			if (rows[i].refresh) {
				CHECK(hand_begins(w.got[0], rows[i].refresh));
				CHECK(strstr(w.got[0], ";refresher=uac\r\n"));
			}
			if (rows[i].refresh && *rows[i].refresh == 'I') /* what we said last */
				CHECK(strstr(w.got[0], "\r\n\r\nanswer"));
			CHECK_INT(1, c->confirmed);
		}
		hand_close(&w);
	}
}

static void the_refresher_may_change(void **state)
{
	const struct hand_options o = { .timeout_a_s = 600 };
	struct phone_call *c;
	struct hand_world w;

	hand_open(&w, &o);
	c = hand_calls(&w, ALLOW "Supported: timer\nSession-Expires: 600;refresher=uac\n", "offer");
	hand_ack(&w, 1, NULL);
	w.a.auto_reanswer = true;
	/* The hand gives the duty away with a re-INVITE … */
	hand_run(&w, 290000);
	hand_ask(&w, &(struct hand_ask){ .method = "INVITE",
					 .cseq = 2,
					 .body = "again",
					 .extra = ALLOW "Supported: timer\nSession-Expires: 600;refresher=uas\n" });
	CHECK(strstr(hand_newest(&w, "SIP/2.0 200"), "Session-Expires: 600;refresher=uas\r\nRequire: timer\r\n"));
	hand_ack(&w, 2, NULL);
	hand_forget(&w);
	hand_run(&w, 300500);
	CHECK_INT(1, hand_got(&w, "UPDATE "));
	/* … we keep it when a request says nothing … */
	hand_reply(&w, hand_newest(&w, "UPDATE "), "200 OK", "Session-Expires: 600;refresher=uac\n", "");
	hand_ask(&w, &(struct hand_ask){
			     .method = "UPDATE", .cseq = 3, .extra = "Supported: timer\nSession-Expires: 600\n" });
	CHECK(strstr(hand_newest(&w, "SIP/2.0 200"), "Session-Expires: 600;refresher=uas\r\n"));
	/* … and it takes it back in the answer to our refresh. */
	hand_forget(&w);
	hand_run(&w, 300500);
	CHECK_INT(1, hand_got(&w, "UPDATE "));
	hand_reply(&w, hand_newest(&w, "UPDATE "), "200 OK", "Session-Expires: 600;refresher=uas\n", "");
	/* Requests of ours say who it is now. */
	CHECK_INT(0, sip_session_reinvite(c->s, STR("x")));
	hand_run(&w, 1);
	CHECK(strstr(hand_newest(&w, "INVITE "), "Session-Expires: 600;refresher=uas\r\n"));
	hand_reply(&w, hand_newest(&w, "INVITE "), "200 OK", "Session-Expires: 600;refresher=uas\n", "y");
	hand_forget(&w);
	hand_run(&w, 500000);
	CHECK_INT(0, w.count);
	CHECK(!c->closed);
	hand_run(&w, 70000);
	CHECK_INT(1, c->closed);
	hand_close(&w);
}

static void the_owner_comes_while_a_refresh_is_open(void **state)
{
	static const char *const answers[] = { "200 OK", "488 No", "491 Pending" };

	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		const struct hand_options o = { .timeout_a_s = 600 };
		struct phone_call *c;
		struct hand_world w;

		hand_open(&w, &o);
		c = hand_called(&w, "");
		hand_forget(&w);
		hand_run(&w, 300200);
		CHECK_INT(1, hand_got(&w, "INVITE "));
		CHECK_INT(0, sip_session_reinvite(c->s, STR("mine")));
		CHECK_INT(EBUSY, sip_session_reinvite(c->s, STR("two")));
		hand_run(&w, 1);
		CHECK_INT(1, hand_got(&w, "INVITE "));
		hand_reply(&w, hand_newest(&w, "INVITE "), answers[i], "", *answers[i] == '2' ? "answer" : "");
		hand_run(&w, 4500);
		CHECK_INT(0, c->reinvited);
		CHECK(strstr(hand_newest(&w, "INVITE "), "\r\n\r\nmine"));
		hand_reply(&w, hand_newest(&w, "INVITE "), "200 OK", "", "yes");
		CHECK_INT(1, c->reinvited);
		CHECK_STR("yes", c->sdp);
		/* From now on that is what is said again. */
		hand_forget(&w);
		hand_run(&w, 300500);
		CHECK(strstr(hand_newest(&w, "INVITE "), "\r\n\r\nmine"));
		hand_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_session_is_refreshed),
		TEST(a_dead_peer_is_hung_up),
		TEST(a_refresh_is_challenged_by_loss_only),
		TEST(what_the_200_says),
		TEST(what_a_refresh_gets),
		TEST(too_short_they_say),
		TEST(what_our_200_says),
		TEST(the_refresher_may_change),
		TEST(the_owner_comes_while_a_refresh_is_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Who may offer what, and when: UPDATE, offers in every place, glare. */
#include <errno.h>

#include "fake_hand.h"

/* --- who may offer what, and when (RFC 6337, RFC 3311 §5.2, RFC 3261 §14.2) --- */

enum place {
	EARLY,              /* their INVITE has no final response       */
	ACCEPTED,           /* our 200 answers, no ACK                  */
	ACCEPTED_OFFERLESS, /* our 200 offers, no ACK                   */
	CONFIRMED,
	OUR_REINVITE, /* ours is open                             */
	OUR_UPDATE,
	THEIR_REINVITE,       /* our owner has not answered it            */
	REANSWERED,           /* a 200 answered it, no ACK                */
	REANSWERED_OFFERLESS, /* a 200 offers, no ACK                    */
	LEAVING,              /* hung up before the ACK                   */
	PLACES
};

static struct phone_call *go_to(struct hand_world *w, enum place place)
{
	struct phone_call *c;

	w->a.auto_answer = place != EARLY;
	w->a.auto_ring = 180;
	w->our_tag[0] = '\0';
	hand_ask(w, &(struct hand_ask){
			    .method = "INVITE", .cseq = 1, .body = place == ACCEPTED_OFFERLESS ? "" : "offer" });
	hand_take_tag(w, hand_newest(w, "SIP/2.0 180"), "To");
	c = phone_call_at(&w->a, 0);
	if (place == LEAVING)
		sip_session_hangup(c->s, STR(""));
	if (place < CONFIRMED || place == LEAVING)
		return c;
	hand_ack(w, 1, NULL);
	if (place == OUR_REINVITE)
		CHECK_INT(0, sip_session_reinvite(c->s, STR("ours")));
	if (place == OUR_UPDATE)
		CHECK_INT(0, sip_session_update(c->s, STR("ours")));
	w->a.auto_reanswer = place == REANSWERED || place == REANSWERED_OFFERLESS;
	if (place >= THEIR_REINVITE)
		hand_ask(w, &(struct hand_ask){ .method = "INVITE",
						.cseq = 2,
						.body = place == REANSWERED_OFFERLESS ? "" : "hold" });
	return c;
}

static void an_offer_in_every_place(void **state)
{
	static const struct {
		const char *method, *body;
		int want[PLACES];
	} rows[] = {
		{ "INVITE", "new", { 500, 200, 491, 200, 491, 491, 500, 200, 491, 487 } },
		{ "INVITE", "", { 500, 200, 491, 200, 491, 491, 500, 200, 491, 487 } },
		{ "UPDATE", "new", { 500, 200, 491, 200, 491, 491, 500, 200, 491, 481 } },
		{ "UPDATE", "", { 200, 200, 200, 200, 200, 200, 200, 200, 200, 481 } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows) * PLACES; i++) {
		const struct hand_options o = { .seed = 5 };
		enum place place = i % PLACES;
		int want = rows[i / PLACES].want[place], before = check_bad, offers;
		const char *method = rows[i / PLACES].method, *body = rows[i / PLACES].body;
		struct phone_call *c;
		struct hand_world w;

		hand_open(&w, &o);
		c = go_to(&w, place);
		offers = c->reoffer;
		hand_forget(&w);
		w.a.auto_reanswer = true;
		hand_ask(&w, &(struct hand_ask){ .method = method, .cseq = 3, .body = body });
		CHECK_INT(want, hand_status(&w));
		CHECK_INT(want == 200 && (*method == 'I' || *body), c->reoffer - offers);
		if (want == 500) {
			char line[512];

			CHECK(hand_line(hand_newest(&w, "SIP/2.0 500"), "Retry-After", line)[0]);
		}
		if (want == 200)
			CHECK_INT(*method == 'I' || *body,
				  strstr(hand_newest(&w, "SIP/2.0 200"), "\r\n\r\nreanswer") != NULL);
		if (want == 200 && *method == 'I') {
			hand_ack(&w, 3, *body ? NULL : "late");
			CHECK_INT(!*body, c->reanswered);
		}
		/* Whatever came of it, the session stands, if it stood. */
		hand_run(&w, 10);
		CHECK_INT(0, c->closed);
		if (check_bad > before)
			fprintf(stderr, "%s %s in place %d\n", method, body, place);
		hand_close(&w);
	}
}

static void an_update_while_we_call(void **state)
{
	const struct hand_options o = { .timeout_a_s = 600 };
	struct phone_call *c;
	struct hand_world w;
	char id[512], from[512];

	hand_open(&w, &o);
	c = phone_dial(&w.a, "sip:h@10.0.0.3", WIRE_UDP);
	hand_run(&w, 10);
	hand_reply(&w, hand_newest(&w, "INVITE "), "183 Progress", "", "early");
	CHECK_INT(1, c->progress);
	hand_line(hand_newest(&w, "INVITE "), "Call-ID", id);
	hand_line(hand_newest(&w, "INVITE "), "From", from);
	for (int i = 0; i < 2; i++) {
		snprintf(w.text, sizeof(w.text),
			 "UPDATE sip:10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.3:5060;branch=z9hG4bKu%d\n"
			 "From: <sip:h@10.0.0.3>;tag=hand\nTo%s\n%s\nCSeq: %d UPDATE\nMax-Forwards: 70\n"
			 "Contact: <sip:moved@10.0.0.3:5060>\n%sContent-Length: %d\n\n%s",
			 i, from + 4, id, i + 1, i ? "Content-Type: application/sdp\n" : "", i ? 3 : 0, i ? "new" : "");
		hand_say(&w, w.text);
		CHECK_INT(i ? 491 : 200, hand_status(&w)); /* the offer in our INVITE has no answer yet */
	}
	CHECK(!strstr(hand_newest(&w, "SIP/2.0 200"), "Session-Expires")); /* no session yet */
	CHECK(strstr(hand_newest(&w, "SIP/2.0 200"), "\r\nContact: <sip:10.0.0.1:5060>\r\n"));
	hand_reply(&w, hand_newest(&w, "INVITE "), "200 OK", "Contact: <sip:moved@10.0.0.3:5060>\n", "answer");
	CHECK_INT(1, c->answered);
	hand_close(&w);
}

/* Both have answered in a 183 that was acknowledged: UPDATE may say something new before the 200. */
static void an_update_before_the_answer(void **state)
{
	const struct hand_options o = { .timeout_a_s = 600 };
	struct phone_call *c;
	char line[512], rack[600];
	struct hand_world w;

	hand_open(&w, &o);
	w.a.auto_ring = 183;
	w.a.auto_reanswer = true;
	w.our_tag[0] = '\0';
	hand_ask(&w,
		 &(struct hand_ask){ .method = "INVITE", .cseq = 1, .extra = "Supported: 100rel\n", .body = "offer" });
	hand_take_tag(&w, hand_newest(&w, "SIP/2.0 183"), "To");
	c = phone_call_at(&w.a, 0);
	hand_ask(&w, &(struct hand_ask){ .method = "UPDATE", .cseq = 2, .body = "too early" });
	CHECK_INT(500, hand_status(&w)); /* no PRACK yet */
	hand_line(hand_newest(&w, "SIP/2.0 183"), "RSeq", line);
	snprintf(rack, sizeof(rack), "RAck%s 1 INVITE\n", line + 4);
	hand_ask(&w, &(struct hand_ask){ .method = "PRACK", .cseq = 3, .extra = rack });
	CHECK_INT(200, hand_status(&w));
	hand_ask(&w, &(struct hand_ask){ .method = "UPDATE", .cseq = 4, .body = "new" });
	CHECK_INT(200, hand_status(&w));
	CHECK_STR("new", c->sdp);
	CHECK(strstr(hand_newest(&w, "SIP/2.0 200"), "\r\n\r\nreanswer"));
	CHECK(!strstr(hand_newest(&w, "SIP/2.0 200"), "Session-Expires"));
	CHECK_INT(0, sip_session_answer(c->s, STR("answer")));
	hand_run(&w, 10);
	CHECK(strstr(hand_newest(&w, "SIP/2.0 200"), "Content-Length: 0\r\n"));
	CHECK(strstr(hand_newest(&w, "SIP/2.0 200"), "Session-Expires: 600;refresher=uas\r\n"));
	hand_ack(&w, 1, NULL);
	CHECK_INT(1, c->confirmed);
	hand_close(&w);
}

static void an_update_before_their_answer(void **state)
{
	static const char *const last[] = { "", "early" }; /* the 200 may repeat what the 183 said */

	for (size_t i = 0; i < ARRAY_LEN(last); i++) {
		const struct hand_options o = { .timeout_a_s = 600 };
		char id[512], from[512], invite[4096];
		struct phone_call *c;
		struct hand_world w;

		hand_open(&w, &o);
		w.a.auto_reanswer = true;
		c = phone_dial(&w.a, "sip:h@10.0.0.3", WIRE_UDP);
		hand_run(&w, 10);
		str_copy(invite, sizeof(invite), str_of(hand_newest(&w, "INVITE ")));
		hand_reply(&w, invite, "183 Progress", "Require: 100rel\nRSeq: 7\n", "early");
		CHECK(strstr(hand_newest(&w, "PRACK "), "\r\nRAck: 7 1 INVITE\r\n"));
		hand_reply(&w, hand_newest(&w, "PRACK "), "200 OK", "", "");
		hand_line(invite, "Call-ID", id);
		hand_line(invite, "From", from);
		snprintf(w.text, sizeof(w.text),
			 "UPDATE sip:10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.3:5060;branch=z9hG4bKu1\n"
			 "From: <sip:h@10.0.0.3>;tag=hand\nTo%s\n%s\nCSeq: 1 UPDATE\nMax-Forwards: 70\n"
			 "Contact: <sip:h@10.0.0.3:5060>\nContent-Type: application/sdp\nContent-Length: 3\n\nnew",
			 from + 4, id);
		hand_say(&w, w.text);
		CHECK_INT(200, hand_status(&w));
		CHECK_STR("new", c->sdp);
		hand_reply(&w, invite, "200 OK", "", last[i]);
		CHECK_INT(1, c->answered);
		CHECK_STR("new", c->sdp);
		hand_close(&w);
	}
}

static void an_update_in_a_call(void **state)
{
	const struct hand_options o = { .timeout_a_s = 600 };
	struct hand_ask offer = { .method = "UPDATE", .cseq = 2, .body = "new", .extra = "Supported: timer\n" };
	struct phone_call *c;
	struct hand_world w;

	hand_open(&w, &o);
	c = hand_calls(&w, ALLOW "Supported: timer\n", "offer");
	hand_ack(&w, 1, NULL);
	w.a.auto_reanswer = true;
	for (int i = 0; i < 3; i++) { /* once, and twice again */
		hand_ask(&w, &offer);
		CHECK_INT(1, c->reoffer);
		CHECK_STR("new", c->sdp);
	}
	CHECK_INT(4, hand_got(&w, "SIP/2.0 200"));
	CHECK(strstr(hand_newest(&w, "SIP/2.0 200"), "Session-Expires: 600;refresher=uac\r\nRequire: timer\r\n"));
	CHECK(strstr(hand_newest(&w, "SIP/2.0 200"), "\r\nContact: <sip:10.0.0.1:5060>\r\n"));
	/* An owner who would have to think about it. */
	w.a.auto_reanswer = false;
	offer.cseq = 3;
	hand_ask(&w, &offer);
	CHECK_INT(2, c->reoffer);
	CHECK_INT(504, hand_status(&w));
	hand_ask(&w, &(struct hand_ask){ .method = "UPDATE", .cseq = 4, .extra = "Require: magic\n" });
	CHECK_INT(420, hand_status(&w));
	hand_ask(&w, &(struct hand_ask){
			     .method = "UPDATE", .cseq = 5, .extra = "Supported: timer\nSession-Expires: 60\n" });
	CHECK_INT(422, hand_status(&w));
	hand_ask(&w, &(struct hand_ask){ .method = "UPDATE", .cseq = 4 });
	CHECK_INT(500, hand_status(&w)); /* out of order */
	/* The target moves with it. */
	hand_ask(&w, &(struct hand_ask){ .method = "UPDATE", .cseq = 6, .user = "moved" });
	CHECK_INT(200, hand_status(&w));
	w.our_tag[0] = 'x';
	hand_ask(&w, &(struct hand_ask){ .method = "UPDATE", .cseq = 7 });
	CHECK_INT(481, hand_status(&w));
	CHECK(!c->closed);
	sip_session_hangup(c->s, STR(""));
	hand_run(&w, 1);
	CHECK(hand_begins(hand_newest(&w, "BYE "), "BYE sip:moved@10.0.0.3:5060 "));
	hand_close(&w);
}

static void rerefuse_inside(struct phone_call *c, const char *event)
{
	if (!strcmp(event, "reoffer"))
		sip_session_rerefuse(c->s, 488);
}

static void hang_up_inside(struct phone_call *c, const char *event)
{
	if (!strcmp(event, "reoffer"))
		sip_session_hangup(c->s, STR(""));
}

static void an_update_of_ours(void **state)
{
	const struct hand_options o = { .timeout_a_s = 600, .delay_ms = 10 };
	struct phone_call *c, *far;
	struct hand_world w;

	hand_open(&w, &o);
	c = hand_talk(&w, &far);
	w.a.auto_reanswer = w.b.auto_reanswer = true;
	CHECK_INT(EINVAL, sip_session_update(c->s, STR("")));
	CHECK_INT(0, sip_session_update(c->s, STR("by update")));
	CHECK_INT(EBUSY, sip_session_reinvite(c->s, STR("x")));
	hand_run(&w, 100);
	CHECK_INT(1, w.updates_a);
	CHECK_STR("by update", far->sdp);
	CHECK_INT(200, c->last_reinvited);
	CHECK_STR("reanswer", c->sdp);
	/* Refused: the old session stands. */
	w.b.auto_reanswer = false;
	w.b.on_event = rerefuse_inside;
	CHECK_INT(0, sip_session_update(c->s, STR("odd")));
	hand_run(&w, 100);
	CHECK_INT(488, c->last_reinvited);
	CHECK(!c->closed && !far->closed);
	w.b.on_event = hang_up_inside;
	CHECK_INT(0, sip_session_update(c->s, STR("odd")));
	hand_run(&w, 100);
	CHECK_INT(1, c->closed);
	CHECK_INT(1, far->closed);
	hand_close(&w);
}

/* --- glare --- */

static void glare_of_all_kinds(void **state)
{
	for (int kind = 0; kind < 4; kind++) {
		const struct hand_options o = { .delay_ms = 10 };
		struct phone_call *c, *far;
		struct hand_world w;

		hand_open(&w, &o);
		c = hand_talk(&w, &far);
		w.a.auto_reanswer = w.b.auto_reanswer = true;
		CHECK_INT(0, kind & 1 ? sip_session_update(c->s, STR("a")) : sip_session_reinvite(c->s, STR("a")));
		CHECK_INT(0, kind & 2 ? sip_session_update(far->s, STR("b")) : sip_session_reinvite(far->s, STR("b")));
		hand_run(&w, 2090);
		CHECK_INT(2, w.pending);
		CHECK_INT(1, far->reinvited); /* not the owner of the Call-ID: first */
		CHECK_INT(200, far->last_reinvited);
		CHECK_INT(0, c->reinvited);
		/* Who waits may say something else by then. */
		CHECK_INT(0, sip_session_reinvite(c->s, STR("a, after that")));
		hand_run(&w, 2500);
		CHECK_INT(1, c->reinvited);
		CHECK_INT(200, c->last_reinvited);
		CHECK_STR("a, after that", far->sdp);
		CHECK_INT(2, w.pending);
		hand_close(&w);
	}
}

static void both_wait_in_steps_of_10_ms(void **state)
{
	uint64_t least[2] = { UINT64_MAX, UINT64_MAX }, most[2] = { 0, 0 };

	for (uint64_t seed = 1; seed <= 200; seed++) {
		const struct hand_options o = { .seed = seed };
		struct phone_call *c, *far;
		uint64_t start, waited[2];
		struct hand_world w;

		hand_open(&w, &o);
		c = hand_talk(&w, &far);
		w.a.auto_reanswer = w.b.auto_reanswer = true;
		start = loop_now_ms(w.loop);
		sip_session_reinvite(c->s, STR("a"));
		sip_session_reinvite(far->s, STR("b"));
		hand_run(&w, 4500);
		CHECK_INT(1, c->reinvited);
		CHECK_INT(1, far->reinvited);
		waited[0] = w.invite_a_ms - start;
		waited[1] = w.invite_b_ms - start;
		for (int side = 0; side < 2; side++) {
			CHECK_INT(0, waited[side] % 10);
			least[side] = waited[side] < least[side] ? waited[side] : least[side];
			most[side] = waited[side] > most[side] ? waited[side] : most[side];
		}
		hand_close(&w);
	}
	CHECK(least[0] >= 2100 && least[0] < 2150);
	CHECK(most[0] <= 4000 && most[0] > 3950);
	CHECK(least[1] < 50);
	CHECK(most[1] <= 2000 && most[1] > 1950);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_offer_in_every_place),     TEST(an_update_while_we_call),
		TEST(an_update_before_the_answer), TEST(an_update_before_their_answer),
		TEST(an_update_in_a_call),         TEST(an_update_of_ours),
		TEST(glare_of_all_kinds),          TEST(both_wait_in_steps_of_10_ms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

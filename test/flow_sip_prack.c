/* Reliable provisional responses (RFC 3262): a stack of ours against a peer by hand, as callee and as caller. */
#include "check.h"

#include <errno.h>
#include <stdlib.h>

#include "fake_peer.h"

enum { T64_MS = 32000 };

static const char *our_tag(struct peer *p)
{
	const char *to = peer_header(p, peer_newest(p, "SIP/2.0 1"), "To"), *tag = strstr(to, ";tag=");

	return tag ? tag + 5 : "none";
}

static void invite(struct peer *p, const char *extra, const char *body)
{
	struct peer_request r = { .method = "INVITE", .extra = extra, .body = body };

	peer_ask(p, &r);
}

/* PRACK for the newest response that we got with the status, with the CSeq; plus is added to its RSeq. */
static void prack(struct peer *p, const char *status, unsigned cseq, unsigned plus, const char *body)
{
	char rack[64];
	struct peer_request r = { .method = "PRACK", .cseq = cseq, .extra = rack, .body = body };

	r.to_tag = our_tag(p);
	snprintf(rack, sizeof(rack), "RAck: %lu 1 INVITE\n",
		 strtoul(peer_header(p, peer_newest(p, status), "RSeq"), NULL, 10) + plus);
	peer_ask(p, &r);
}

static void ack(struct peer *p)
{
	struct peer_request r = { .method = "ACK" };

	r.to_tag = our_tag(p);
	peer_ask(p, &r);
}

static void close_world(struct peer *p)
{
	CHECK_INT(0, peer_left(p));
	for (size_t i = 0; i < p->us.call_count; i++)
		CHECK_INT(1, phone_call_at(&p->us, i)->closed);
	peer_close(p);
}

/* --- we are called --- */

static void which_responses_are_reliable(void **state)
{
	static const struct {
		const char *extra;
		int status;
		const char *sdp;
		bool reliable;
	} rows[] = {
		{ NULL, 183, "early", false },
		{ "Supported: timer\n", 183, "early", false },
		{ "Supported: timer, 100rel\n", 180, "", false },
		{ "Supported: timer, 100rel\n", 183, "early", true },
		{ "k: 100REL\n", 180, "early", true },
		{ "Require: 100rel\n", 180, "", true },
		{ "Require: 100rel\n", 183, "early", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char start[16];
		const char *got;
		struct peer p;

		peer_open(&p);
		invite(&p, rows[i].extra, "offer");
		sip_session_ring(phone_call_at(&p.us, 0)->s, rows[i].status, str_of(rows[i].sdp));
		peer_run(&p, 1);
		snprintf(start, sizeof(start), "SIP/2.0 %d ", rows[i].status);
		got = peer_newest(&p, start);
		CHECK(*got);
		CHECK(rows[i].reliable == !strcmp("100rel", peer_header(&p, got, "Require")));
		CHECK(rows[i].reliable == (strtoul(peer_header(&p, got, "RSeq"), NULL, 10) > 0));
		CHECK(strstr(got, rows[i].sdp));
		peer_run(&p, 400);
		CHECK_INT(1, peer_count(&p, start));
		peer_run(&p, 200);
		CHECK_INT(rows[i].reliable ? 2 : 1, peer_count(&p, start)); /* T1 is over */
		sip_session_refuse(phone_call_at(&p.us, 0)->s, 486, STR(""), NULL);
		close_world(&p);
	}
}

static void a_reliable_183_and_its_prack(void **state)
{
	struct phone_call *c;
	struct peer p;

	peer_open(&p);
	invite(&p, "Supported: 100rel\n", "offer");
	c = phone_call_at(&p.us, 0);
	sip_session_ring(c->s, 183, STR("early"));
	peer_run(&p, 10);
	CHECK(strstr(peer_newest(&p, "SIP/2.0 183"), "\r\n\r\nearly"));
	prack(&p, "SIP/2.0 183", 2, 1, NULL);
	CHECK_INT(1, peer_count(&p, "SIP/2.0 481")); /* a number that was never given */
	prack(&p, "SIP/2.0 183", 3, 0, NULL);
	CHECK_STR("3 PRACK", peer_header(&p, peer_newest(&p, "SIP/2.0 200"), "CSeq"));
	CHECK_INT(0, c->pracked);
	prack(&p, "SIP/2.0 183", 3, 0, NULL); /* itself again: its transaction answers */
	CHECK_INT(2, peer_count(&p, "SIP/2.0 200"));
	prack(&p, "SIP/2.0 183", 4, 0, NULL); /* nothing waits for this one */
	CHECK_INT(2, peer_count(&p, "SIP/2.0 481"));
	peer_run(&p, 20000);
	CHECK_INT(1, peer_count(&p, "SIP/2.0 183"));
	/* The answer has arrived; nobody is to read another one out of the 180 or the 200. */
	sip_session_ring(c->s, 180, STR("early"));
	peer_run(&p, 1);
	CHECK_STR("0", peer_header(&p, peer_newest(&p, "SIP/2.0 180"), "Content-Length"));
	CHECK_STR("", peer_header(&p, peer_newest(&p, "SIP/2.0 180"), "RSeq"));
	CHECK_INT(0, sip_session_answer(c->s, STR("early")));
	peer_run(&p, 1);
	CHECK_STR("1 INVITE", peer_header(&p, peer_newest(&p, "SIP/2.0 200"), "CSeq"));
	CHECK_STR("0", peer_header(&p, peer_newest(&p, "SIP/2.0 200"), "Content-Length"));
	ack(&p);
	CHECK_INT(1, c->confirmed);
	sip_session_hangup(c->s, STR(""));
	close_world(&p);
}

static void it_is_repeated_and_given_up(void **state)
{
	struct phone_call *c;
	struct peer p;

	peer_open(&p);
	invite(&p, "Supported: 100rel\n", "offer");
	c = phone_call_at(&p.us, 0);
	sip_session_ring(c->s, 183, STR("early"));
	peer_run(&p, T64_MS - 10);
	CHECK_INT(7, peer_count(&p, "SIP/2.0 183")); /* 0 .5 1.5 3.5 7.5 15.5 31.5 */
	CHECK_INT(0, c->closed);
	peer_run(&p, 20);
	CHECK_INT(1, peer_count(&p, "SIP/2.0 504"));
	CHECK_INT(1, c->closed);
	CHECK_INT(504, c->status);
	CHECK_INT(SIP_BY_TIMEOUT, c->who);
	CHECK_STR("no PRACK for our 183 within 32 s", c->why);
	close_world(&p);
}

static void one_at_a_time_and_the_last_word_counts(void **state)
{
	struct phone_call *c;
	unsigned long first;
	struct peer p;

	peer_open(&p);
	invite(&p, "Require: 100rel\n", "offer");
	c = phone_call_at(&p.us, 0);
	sip_session_ring(c->s, 180, STR(""));
	sip_session_ring(c->s, 180, STR("")); /* is being said */
	sip_session_ring(c->s, 183, STR("early"));
	sip_session_ring(c->s, 181, STR(""));
	peer_run(&p, 100);
	CHECK_INT(1, peer_count(&p, "SIP/2.0 180"));
	CHECK_INT(0, peer_count(&p, "SIP/2.0 183"));
	first = strtoul(peer_header(&p, peer_newest(&p, "SIP/2.0 180"), "RSeq"), NULL, 10);
	prack(&p, "SIP/2.0 180", 2, 0, NULL);
	CHECK_INT(1, peer_count(&p, "SIP/2.0 181"));
	CHECK(strstr(peer_newest(&p, "SIP/2.0 181"), "\r\n\r\nearly"));
	CHECK_INT(first + 1, strtoul(peer_header(&p, peer_newest(&p, "SIP/2.0 181"), "RSeq"), NULL, 10));
	prack(&p, "SIP/2.0 181", 3, 0, NULL);
	CHECK_INT(2, peer_count(&p, "SIP/2.0 200"));
	peer_run(&p, 5000);
	CHECK_INT(1, peer_count(&p, "SIP/2.0 181"));
	sip_session_refuse(c->s, 486, STR(""), NULL);
	close_world(&p);
}

static void the_2xx_waits_for_the_prack_of_an_sdp(void **state)
{
	struct phone_call *c;
	struct peer p;

	peer_open(&p);
	invite(&p, "Supported: 100rel\n", "offer");
	c = phone_call_at(&p.us, 0);
	sip_session_ring(c->s, 183, STR("early"));
	CHECK_INT(0, sip_session_answer(c->s, STR("early")));
	CHECK_INT(EINVAL, sip_session_answer(c->s, STR("early")));
	peer_run(&p, 1000);
	CHECK_INT(0, peer_count(&p, "SIP/2.0 200"));
	prack(&p, "SIP/2.0 183", 2, 0, NULL);
	CHECK_INT(2, peer_count(&p, "SIP/2.0 200"));
	CHECK_STR("1 INVITE", peer_header(&p, peer_newest(&p, "SIP/2.0 200"), "CSeq"));
	ack(&p);
	CHECK_INT(1, c->confirmed);
	sip_session_hangup(c->s, STR(""));
	peer_run(&p, 1);
	CHECK_INT(1, peer_count(&p, "BYE "));
	close_world(&p);
}

static void the_2xx_does_not_wait_for_a_mere_180(void **state)
{
	struct phone_call *c;
	struct peer p;

	peer_open(&p);
	invite(&p, "Require: 100rel\n", "offer");
	c = phone_call_at(&p.us, 0);
	sip_session_ring(c->s, 180, STR(""));
	sip_session_ring(c->s, 183, STR("early"));
	CHECK_INT(0, sip_session_answer(c->s, STR("answer")));
	peer_run(&p, 1);
	CHECK(strstr(peer_newest(&p, "SIP/2.0 200"), "\r\n\r\nanswer"));
	ack(&p);
	peer_run(&p, 3000);
	CHECK_INT(1, peer_count(&p, "SIP/2.0 180")); /* no more, after the final response */
	CHECK_INT(0, peer_count(&p, "SIP/2.0 183"));
	prack(&p, "SIP/2.0 180", 2, 0, NULL); /* late, and right */
	CHECK_STR("2 PRACK", peer_header(&p, peer_newest(&p, "SIP/2.0 200"), "CSeq"));
	sip_session_hangup(c->s, STR(""));
	close_world(&p);
}

static void an_offer_in_the_183_is_answered_in_the_prack(void **state)
{
	struct phone_call *c;
	struct peer p;

	peer_open(&p);
	invite(&p, "Supported: 100rel\n", NULL);
	c = phone_call_at(&p.us, 0);
	CHECK_INT(SIP_RELIABLE_SDP, sip_session_reliable(c->s));
	sip_session_ring(c->s, 183, STR("our offer"));
	peer_run(&p, 1);
	CHECK(strstr(peer_newest(&p, "SIP/2.0 183"), "\r\n\r\nour offer"));
	prack(&p, "SIP/2.0 183", 2, 0, "their answer");
	CHECK_INT(1, c->pracked);
	CHECK_STR("their answer", c->sdp);
	CHECK_INT(0, sip_session_answer(c->s, STR("our offer")));
	peer_run(&p, 1);
	CHECK_STR("0", peer_header(&p, peer_newest(&p, "SIP/2.0 200"), "Content-Length"));
	ack(&p);
	CHECK_INT(1, c->confirmed);
	CHECK_STR("their answer", c->sdp);
	sip_session_hangup(c->s, STR(""));
	close_world(&p);
}

static void an_offer_in_the_prack(void **state)
{
	for (int refused = 0; refused < 2; refused++) {
		struct phone_call *c;
		struct peer p;

		peer_open(&p);
		p.us.refuse_pracks = refused;
		invite(&p, "Supported: 100rel\n", "offer");
		c = phone_call_at(&p.us, 0);
		sip_session_ring(c->s, 183, STR("early"));
		peer_run(&p, 1);
		prack(&p, "SIP/2.0 183", 2, 0, "another offer");
		CHECK_INT(1, c->pracked);
		CHECK_STR("another offer", c->sdp);
		CHECK_INT(refused, peer_count(&p, "SIP/2.0 488"));
		CHECK(refused || strstr(peer_newest(&p, "SIP/2.0 200"), "\r\n\r\npracked"));
		peer_run(&p, 2000);
		CHECK_INT(1, peer_count(&p, "SIP/2.0 183")); /* it has arrived either way */
		sip_session_refuse(c->s, 486, STR(""), NULL);
		close_world(&p);
	}
}

static void cancelled_hung_up_and_refused_meanwhile(void **state)
{
	for (int how = 0; how < 4; how++) {
		struct peer_request cancel = { .method = "CANCEL", .branch = "INVITE" };
		struct phone_call *c;
		struct peer p;

		peer_open(&p);
		invite(&p, "Supported: 100rel\n", "offer");
		c = phone_call_at(&p.us, 0);
		sip_session_ring(c->s, 183, STR("early"));
		sip_session_ring(c->s, 180, STR(""));
		if (how % 2)
			CHECK_INT(0, sip_session_answer(c->s, STR("early")));
		peer_run(&p, 100);
		if (how < 2)
			peer_ask(&p, &cancel);
		else
			sip_session_hangup(c->s, STR(""));
		peer_run(&p, 1);
		CHECK_INT(1, peer_count(&p, how < 2 ? "SIP/2.0 487" : "SIP/2.0 480"));
		CHECK_INT(1, c->closed);
		CHECK_INT(0, c->was_answered);
		prack(&p, "SIP/2.0 183", 2, 0, NULL);
		CHECK_INT(1, peer_count(&p, "SIP/2.0 481"));
		peer_run(&p, 3000);
		CHECK_INT(1, peer_count(&p, "SIP/2.0 183"));
		close_world(&p);
	}
}

static void bad_racks(void **state)
{
	static const char *const racks[] = { "",
					     "RAck: 1\n",
					     "RAck: 1 1\n",
					     "RAck: 99999999999 1 INVITE\n",
					     "RAck: x 1 INVITE\n",
					     "RAck: 1 1 INVITE x\n",
					     "RAck: 0 0 0\n" };
	struct peer_request alone = { .method = "PRACK", .extra = "RAck: 1 1 INVITE\n", .call_id = "alone" };
	struct phone_call *c;
	struct peer p;

	peer_open(&p);
	peer_ask(&p, &alone);
	CHECK_INT(1, peer_count(&p, "SIP/2.0 481"));
	invite(&p, "Supported: 100rel\n", "offer");
	c = phone_call_at(&p.us, 0);
	sip_session_ring(c->s, 183, STR("early"));
	peer_run(&p, 1);
	for (unsigned i = 0; i < ARRAY_LEN(racks); i++) {
		struct peer_request r = { .method = "PRACK", .cseq = i + 2, .extra = racks[i] };

		r.to_tag = our_tag(&p);
		peer_ask(&p, &r);
		CHECK_INT(i + 2, peer_count(&p, "SIP/2.0 481"));
	}
	sip_session_refuse(c->s, 486, STR(""), NULL);
	close_world(&p);
}

/* --- we call --- */

static char *dial(struct peer *p, struct phone_call **c)
{
	*c = phone_dial(&p->us, "sip:y@10.0.0.3", WIRE_UDP);
	peer_run(p, 1);
	return strdup(peer_newest(p, "INVITE "));
}

static void we_acknowledge_in_order(void **state)
{
	struct peer_response early = { "183 Progress", "one", "Require: 100rel\nRSeq: 7\n", "early" };
	struct phone_call *c;
	char *request;
	struct peer p;

	peer_open(&p);
	request = dial(&p, &c);
	CHECK_STR("100rel, norefersub, replaces, timer", peer_header(&p, request, "Supported"));
	CHECK(strstr(peer_header(&p, request, "Allow"), "PRACK"));
	peer_respond(&p, request, &early);
	CHECK_INT(1, c->progress);
	CHECK_STR("early", c->sdp);
	CHECK(!strncmp(peer_newest(&p, "PRACK "), "PRACK sip:one@10.0.0.3 SIP/2.0\r\n", 32));
	CHECK_STR("7 1 INVITE", peer_header(&p, peer_newest(&p, "PRACK "), "RAck"));
	CHECK_STR("2 PRACK", peer_header(&p, peer_newest(&p, "PRACK "), "CSeq"));
	CHECK_STR("<sip:y@10.0.0.3>;tag=one", peer_header(&p, peer_newest(&p, "PRACK "), "To"));
	peer_run(&p, 600);
	CHECK_INT(2, peer_count(&p, "PRACK ")); /* its transaction repeats it */
	peer_respond(&p, peer_newest(&p, "PRACK "), &(struct peer_response){ "200 OK", "one", NULL, NULL });
	peer_forget(&p);
	peer_respond(&p, request, &early); /* once more */
	early.extra = "Require: 100rel\nRSeq: 9\n";
	peer_respond(&p, request, &early); /* before its turn */
	early.extra = "Require: 100rel\nRSeq: 6\n";
	peer_respond(&p, request, &early); /* long past */
	CHECK_INT(1, c->progress);
	CHECK_INT(0, peer_count(&p, "PRACK "));
	early = (struct peer_response){ "180 Ringing", "one", "Require: 100rel\nRSeq: 8\n", NULL };
	peer_respond(&p, request, &early);
	CHECK_INT(2, c->progress);
	CHECK_STR("8 1 INVITE", peer_header(&p, peer_newest(&p, "PRACK "), "RAck"));
	CHECK_STR("3 PRACK", peer_header(&p, peer_newest(&p, "PRACK "), "CSeq"));
	peer_respond(&p, peer_newest(&p, "PRACK "), &(struct peer_response){ "200 OK", "one", NULL, NULL });
	/* The 2xx needs no SDP any more. */
	str_copy(c->sdp, sizeof(c->sdp), STR("?"));
	peer_respond(&p, request, &(struct peer_response){ "200 OK", "one", NULL, NULL });
	CHECK_INT(1, c->answered);
	CHECK_STR("early", c->sdp);
	CHECK_STR("1 ACK", peer_header(&p, peer_newest(&p, "ACK "), "CSeq"));
	sip_session_hangup(c->s, STR(""));
	peer_run(&p, 1);
	CHECK_STR("4 BYE", peer_header(&p, peer_newest(&p, "BYE "), "CSeq"));
	free(request);
	close_world(&p);
}

static void without_its_parts_it_is_not_reliable(void **state)
{
	static const char *const extras[] = { "RSeq: 7\n", "Require: 100rel\n", "Require: 100rel\nRSeq: 0\n",
					      "Require: 100rel\nRSeq: x\n", "Require: other\nRSeq: 7\n" };
	struct phone_call *c;
	char *request;
	struct peer p;

	peer_open(&p);
	request = dial(&p, &c);
	for (size_t i = 0; i < ARRAY_LEN(extras); i++)
		peer_respond(&p, request, &(struct peer_response){ "180 Ringing", "one", extras[i], NULL });
	CHECK_INT(ARRAY_LEN(extras), c->progress);
	CHECK_INT(0, peer_count(&p, "PRACK "));
	peer_respond(&p, request, &(struct peer_response){ "486 Busy", "one", NULL, NULL });
	free(request);
	close_world(&p);
}

static void a_prack_that_nobody_answers_changes_nothing(void **state)
{
	struct phone_call *c;
	char *request;
	struct peer p;

	peer_open(&p);
	request = dial(&p, &c);
	peer_respond(&p, request, &(struct peer_response){ "183 P", "one", "Require: 100rel\nRSeq: 7\n", "early" });
	peer_run(&p, 40000);
	CHECK_INT(0, c->closed);
	/* Its transaction is over: a repetition of the 183 is acknowledged anew, and still told to nobody. */
	peer_forget(&p);
	peer_respond(&p, request, &(struct peer_response){ "183 P", "one", "Require: 100rel\nRSeq: 7\n", "early" });
	CHECK_STR("7 1 INVITE", peer_header(&p, peer_newest(&p, "PRACK "), "RAck"));
	CHECK_STR("3 PRACK", peer_header(&p, peer_newest(&p, "PRACK "), "CSeq"));
	CHECK_INT(1, c->progress);
	peer_respond(&p, request, &(struct peer_response){ "200 OK", "one", NULL, "answer" });
	CHECK_INT(1, c->answered);
	CHECK_STR("answer", c->sdp);
	sip_session_hangup(c->s, STR(""));
	free(request);
	close_world(&p);
}

static void the_call_ends_under_the_prack(void **state)
{
	for (int how = 0; how < 2; how++) {
		struct phone_call *c;
		char *request;
		struct peer p;

		peer_open(&p);
		request = dial(&p, &c);
		peer_respond(&p, request,
			     &(struct peer_response){ "183 P", "one", "Require: 100rel\nRSeq: 7\n", "early" });
		if (how)
			sip_session_hangup(c->s, STR(""));
		peer_respond(&p, request, &(struct peer_response){ "487 Gone", "one", NULL, NULL });
		peer_run(&p, 1);
		CHECK_INT(1, c->closed);
		peer_respond(&p, peer_newest(&p, "PRACK "), &(struct peer_response){ "481 Gone", "one", NULL, NULL });
		free(request);
		close_world(&p);
	}
}

static void a_prack_is_challenged(void **state)
{
	static const char challenge[] =
		"Proxy-Authenticate: Digest realm=\"r\", nonce=\"%s\", algorithm=MD5, qop=\"auth\"\n";
	static const char *const nonces[] = { "n1", "n2" };
	struct sip_call_params params = { .ruri = STR("sip:y@10.0.0.3"),
					  .kind = WIRE_UDP,
					  .from_uri = STR("sip:us@10.0.0.2"),
					  .to_uri = STR("sip:y@10.0.0.3"),
					  .username = STR("us"),
					  .password = STR("secret"),
					  .sdp = STR("offer") };
	char extra[2][160];
	struct phone_call *c;
	char *request;
	struct peer p;

	peer_open(&p);
	for (size_t i = 0; i < 2; i++)
		snprintf(extra[i], sizeof(extra[i]), challenge, nonces[i]);
	c = phone_call_with(&p.us, &params);
	CHECK(c);
	peer_run(&p, 1);
	peer_respond(&p, peer_newest(&p, "INVITE "), &(struct peer_response){ "407 Who", "p", extra[0], NULL });
	request = strdup(peer_newest(&p, "INVITE "));
	CHECK_STR("2 INVITE", peer_header(&p, request, "CSeq"));
	peer_respond(&p, request, &(struct peer_response){ "183 P", "one", "Require: 100rel\nRSeq: 7\n", "early" });
	CHECK_STR("7 2 INVITE", peer_header(&p, peer_newest(&p, "PRACK "), "RAck"));
	CHECK(strstr(peer_header(&p, peer_newest(&p, "PRACK "), "Proxy-Authorization"), "nonce=\"n1\""));
	peer_respond(&p, peer_newest(&p, "PRACK "), &(struct peer_response){ "407 Who", "one", extra[1], NULL });
	CHECK_INT(2, peer_count(&p, "PRACK "));
	CHECK_STR("4 PRACK", peer_header(&p, peer_newest(&p, "PRACK "), "CSeq"));
	CHECK_STR("7 2 INVITE", peer_header(&p, peer_newest(&p, "PRACK "), "RAck"));
	CHECK(strstr(peer_header(&p, peer_newest(&p, "PRACK "), "Proxy-Authorization"), "nonce=\"n2\""));
	peer_respond(&p, peer_newest(&p, "PRACK "), &(struct peer_response){ "407 Who", "one", extra[1], NULL });
	CHECK_INT(2, peer_count(&p, "PRACK ")); /* refused: no third one */
	peer_respond(&p, request, &(struct peer_response){ "200 OK", "one", NULL, NULL });
	CHECK_INT(1, c->answered);
	sip_session_hangup(c->s, STR(""));
	free(request);
	close_world(&p);
}

/* Two stacks of ours: the PRACK takes the connection that is there. */
static void over_streams(void **state)
{
	static const struct {
		const char *uri;
		enum wire_kind kind;
	} rows[] = { { "sip:bob@10.0.0.2;transport=tcp", WIRE_TCP }, { "sips:bob@10.0.0.2", WIRE_TLS } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct phone_opts opts = { .address = "10.0.0.1" };
		struct sip_stack_counts counts;
		struct phone_call *c, *far;
		struct phone a;
		struct peer p;

		memset(&a, 0, sizeof(a));
		peer_open(&p);
		opts.loop = p.loop;
		opts.dns = fake_dns_door(p.dns);
		opts.net = fake_net_host(p.net, opts.address);
		a.tls = true;
		phone_open(&a, &opts);
		p.us.auto_ring = 183;
		c = phone_dial(&a, rows[i].uri, rows[i].kind);
		peer_run(&p, 3000);
		far = phone_call_at(&p.us, 0);
		CHECK_INT(1, c->progress);
		CHECK_STR("early", c->sdp);
		CHECK_INT(0, sip_session_answer(far->s, STR("early")));
		peer_run(&p, 100);
		CHECK_INT(1, c->answered);
		CHECK_STR("early", c->sdp);
		CHECK_INT(1, far->confirmed);
		sip_stack_count(a.stack, &counts);
		CHECK_INT(1, counts.connections);
		CHECK_INT(0, counts.retransmissions_sent);
		sip_session_hangup(c->s, STR(""));
		peer_run(&p, 100);
		CHECK_INT(1, c->closed);
		peer_run(&p, 700000);
		CHECK_INT(0, phone_alive(&a, true));
		phone_close(&a);
		close_world(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(which_responses_are_reliable),
		TEST(a_reliable_183_and_its_prack),
		TEST(it_is_repeated_and_given_up),
		TEST(one_at_a_time_and_the_last_word_counts),
		TEST(the_2xx_waits_for_the_prack_of_an_sdp),
		TEST(the_2xx_does_not_wait_for_a_mere_180),
		TEST(an_offer_in_the_183_is_answered_in_the_prack),
		TEST(an_offer_in_the_prack),
		TEST(cancelled_hung_up_and_refused_meanwhile),
		TEST(bad_racks),
		TEST(we_acknowledge_in_order),
		TEST(without_its_parts_it_is_not_reliable),
		TEST(a_prack_that_nobody_answers_changes_nothing),
		TEST(the_call_ends_under_the_prack),
		TEST(a_prack_is_challenged),
		TEST(over_streams),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

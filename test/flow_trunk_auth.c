/* What carriers with passwords get to see. */
#include "base/log.h"
#include "fake_carrier.h"

/* --- passwords --- */

#define STALE(NONCE) "WWW-Authenticate: Digest realm=\"r\", nonce=\"" NONCE "\", qop=\"auth\", stale=true\r\n"
#define SHA256(NONCE) "WWW-Authenticate: Digest realm=\"r\", nonce=\"" NONCE "\", algorithm=SHA-256, qop=\"auth\"\r\n"

static void challenges_are_answered(void **state)
{
	static const struct {
		const char *invites, *byes, *challenges[5];
		const char *log;         /* of the first trunk */
		const char *cause, *why; /* of a leg that has no other trunk */
	} rows[] = {
		{ "401 180+200", NULL, { MD5("1") }, "INVITE ACK INVITE:good ACK:same BYE:good", "hangup", NULL },
		{ "100+401 100+200", NULL, { MD5("1") }, "INVITE ACK INVITE:good ACK:same BYE:good", "hangup", NULL },
		{ "401 200",
		  NULL,
		  { MD5("1") SHA256("2") },
		  "INVITE ACK INVITE:good ACK:same BYE:good",
		  "hangup",
		  NULL },
		{ "401 200",
		  NULL,
		  { "WWW-Authenticate: Digest realm=\"r\", nonce=\"old\"\r\n" },
		  "INVITE ACK INVITE:good ACK:same BYE:good",
		  "hangup",
		  NULL },
		{ "407 200",
		  NULL,
		  { "Proxy-Authenticate: Digest realm=\"r\", nonce=\"1\", qop=\"auth\"\r\n" },
		  "INVITE ACK INVITE:good ACK:same BYE:good",
		  "hangup",
		  NULL },
		{ "401 401 200",
		  NULL,
		  { MD5("1"), STALE("2") },
		  "INVITE ACK INVITE:good ACK INVITE:good ACK:same BYE:good",
		  "hangup",
		  NULL },
		/* the nonce of the INVITE is old by now; one server says so, the other does not */
		{ "401 200",
		  "401 200",
		  { MD5("1"), STALE("2") },
		  "INVITE ACK INVITE:good ACK:same BYE:good BYE:good",
		  "hangup",
		  NULL },
		{ "401 200",
		  "401 200",
		  { MD5("1"), MD5("2") },
		  "INVITE ACK INVITE:good ACK:same BYE:good BYE:good",
		  "hangup",
		  NULL },
		{ "200", "401 200", { MD5("1") }, "INVITE ACK BYE BYE:good", "hangup", NULL },
		/* and no end of it */
		{ "200",
		  "401 401 401 401",
		  { MD5("1"), MD5("2"), MD5("3"), MD5("4") },
		  "INVITE ACK BYE BYE:good",
		  "hangup",
		  NULL },
		{ "401 401 200",
		  NULL,
		  { MD5("1"), MD5("2") },
		  "INVITE ACK INVITE:good ACK",
		  "error",
		  "trunk first: 401 Unauthorized: the credentials were refused" },
		{ "401 401 200",
		  NULL,
		  { MD5("1"), STALE("1") },
		  "INVITE ACK INVITE:good ACK",
		  "error",
		  "trunk first: 401 Unauthorized: the credentials were refused" },
		{ "401 401 401 401 200",
		  NULL,
		  { MD5("1"), STALE("2"), STALE("3"), STALE("4") },
		  "INVITE ACK INVITE:good ACK INVITE:good ACK INVITE:good ACK",
		  "error",
		  "trunk first: 401 Unauthorized: the credentials were refused" },
		{ "401 407 200",
		  NULL,
		  { MD5("1"), "Proxy-Authenticate: Digest realm=\"other\", nonce=\"2\"\r\n" },
		  "INVITE ACK INVITE:good ACK",
		  "error",
		  "trunk first: 407 Proxy Authentication Required: another realm asks for the credentials" },
		{ "401 200",
		  NULL,
		  { "WWW-Authenticate: Digest realm=\"r\", nonce=\"1\", algorithm=SHA-1\r\n" },
		  "INVITE ACK",
		  "error",
		  "trunk first: 401 Unauthorized: no digest is offered that we know" },
		{ "401 200",
		  NULL,
		  { "" },
		  "INVITE ACK",
		  "error",
		  "trunk first: 401 Unauthorized: no digest is offered that we know" },
		/* it rang, and its dialog would be another's */
		{ "180+401 200", NULL, { MD5("1") }, "INVITE ACK", "error", "trunk first: 401 Unauthorized" },
		{ "401 503",
		  NULL,
		  { MD5("1") },
		  "INVITE ACK INVITE:good ACK",
		  "error",
		  "trunk first: 503 Service Unavailable" },
		{ "401 486", NULL, { MD5("1") }, "INVITE ACK INVITE:good ACK", "busy", "trunk first: 486 Busy Here" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct trunk_world w;

		trunk_open(&w);
		w.routes.trunk_count = 1;
		w.trunks[0].username = "u";
		w.trunks[0].password = "p";
		w.carriers[0].invites = rows[i].invites;
		w.carriers[0].byes = rows[i].byes;
		memcpy(w.carriers[0].challenges, rows[i].challenges, sizeof(rows[i].challenges));
		trunk_dial_number(&w);
		trunk_run(&w);
		CHECK_INT(1, w.created);
		CHECK_STR(rows[i].log, carrier_log(&w.carriers[0]));
		CHECK_STR(rows[i].cause, w.cause);
		if (rows[i].why)
			CHECK_STR(rows[i].why, w.why);
		if (check_bad)
			print_message("row %zu\n", i);
		trunk_close(&w);
	}
}

static void credentials_are_those_of_the_trunk_that_asks(void **state)
{
	struct trunk_world w;

	trunk_open(&w);
	w.routes.trunk_count = 3;
	w.trunks[0].username = "u";
	w.trunks[0].password = "wrong";
	w.trunks[2].username = "u";
	w.trunks[2].password = "p";
	w.carriers[0].invites = "401 401";
	w.carriers[1].invites = "401";
	w.carriers[2].invites = "401 200";
	for (size_t i = 0; i < CARRIERS; i++)
		w.carriers[i].challenges[0] = w.carriers[i].challenges[1] = MD5("1");
	trunk_dial_number(&w);
	trunk_run(&w);
	CHECK_STR("INVITE ACK INVITE:bad ACK", carrier_log(&w.carriers[0]));
	CHECK_STR("INVITE ACK", carrier_log(&w.carriers[1]));
	CHECK_STR("INVITE ACK INVITE:good ACK:same BYE:good", carrier_log(&w.carriers[2]));
	CHECK_STR("hangup", w.cause);
	trunk_close(&w);
}

static void a_sip_uri_has_those_of_its_document(void **state)
{
	static const struct {
		const char *username, *password, *log, *why;
	} rows[] = {
		{ "u", "p", "INVITE ACK INVITE:good ACK:same BYE:good", "hung up by the test" },
		{ "u", NULL, "INVITE ACK", "401 Unauthorized, and no credentials are given" },
		{ NULL, NULL, "INVITE ACK", "401 Unauthorized, and no credentials are given" },
		{ "u", "x", "INVITE ACK INVITE:bad ACK", "401 Unauthorized: the credentials were refused" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct call_dial ask = { .address = "sip:bob@10.0.0.2",
					       .from = "alice",
					       .username = rows[i].username,
					       .password = rows[i].password };
		struct call_dial_fault fault;
		struct trunk_world w;

		trunk_open(&w);
		w.carriers[0].invites = rows[i].password && rows[i].password[0] == 'x' ? "401 401" : "401 200";
		w.carriers[0].challenges[0] = w.carriers[0].challenges[1] = SHA256("1");
		CHECK_INT(0, trunk_dial(&w, &ask, &fault));
		trunk_run(&w);
		CHECK_STR(rows[i].log, carrier_log(&w.carriers[0]));
		CHECK_STR(rows[i].why, w.why);
		trunk_close(&w);
	}
}

/* --- a session of its own, for what calls do not do by themselves --- */

struct owner {
	struct trunk_world *w;
	struct sip_session *s;
	int reinvited;
};

static void s_progress(void *arg, const struct sip_msg *m, int status, struct str body)
{
}

static void s_reinvite(void *arg)
{
	struct owner *o = arg;

	CHECK_INT(0, sip_session_reinvite(o->s, str_of(carrier_sdp)));
}

static void s_answered(void *arg, const struct sip_msg *m, struct str body)
{
	struct owner *o = arg;

	loop_timer_start(o->w->loop, &o->w->hangup, 100, s_reinvite, o);
}

static void s_reinvited(void *arg, int status, struct str body)
{
	struct owner *o = arg;

	o->reinvited = status;
	sip_session_hangup(o->s, STR(""));
}

static void s_closed(void *arg, const struct sip_end *end)
{
	struct owner *o = arg;

	o->s = NULL;
}

static void a_reinvite_is_answered_for_too(void **state)
{
	static const struct sip_session_handlers handlers = {
		.progress = s_progress,
		.answered = s_answered,
		.reinvited = s_reinvited,
		.closed = s_closed,
	};
	static const struct {
		const char *invites, *log;
		int status;
	} rows[] = {
		{ "401 200 200", "INVITE ACK INVITE:good ACK:same INVITE:good ACK:same BYE:good", 200 },
		{ "401 200 401 200", "INVITE ACK INVITE:good ACK:same INVITE:good ACK INVITE:good ACK:same BYE:good",
		  200 },
		{ "200 401 200", "INVITE ACK INVITE ACK INVITE:good ACK:same BYE:good", 200 },
		{ "200 401 401", "INVITE ACK INVITE ACK INVITE:good ACK BYE:bad", 401 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct sip_call_params params = {
			.ruri = STR("sip:x@10.0.0.2"),
			.kind = WIRE_UDP,
			.from_uri = STR("sip:y@10.0.0.1"),
			.to_uri = STR("sip:x@10.0.0.2"),
			.sdp = str_of(carrier_sdp),
			.username = STR("u"),
			.password = STR("p"),
		};
		struct owner o = { .reinvited = 0 };
		const char *why;
		struct trunk_world w;

		trunk_open(&w);
		o.w = &w;
		w.carriers[0].invites = rows[i].invites;
		w.carriers[0].challenges[0] = MD5("1");
		w.carriers[0].challenges[1] = MD5("2");
		CHECK_INT(0, sip_session_call(&o.s, calls_sip(w.calls), &params, &handlers, &o, &why));
		trunk_run(&w);
		CHECK(o.s == NULL);
		CHECK_INT(rows[i].status, o.reinvited);
		CHECK_STR(rows[i].log, carrier_log(&w.carriers[0]));
		trunk_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(challenges_are_answered),
		TEST(credentials_are_those_of_the_trunk_that_asks),
		TEST(a_sip_uri_has_those_of_its_document),
		TEST(a_reinvite_is_answered_for_too),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

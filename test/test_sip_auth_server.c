/* The called side of digest: what is read, what is believed, how often, and what guessing costs. */
#include <errno.h>
#include <stdlib.h>

#include "base/loop.h"
#include "check.h"
#include "sip/sip_auth_server.h"

static const char realm[] = "example.test";

struct world {
	struct loop *loop;
	struct sip_auth_server *server;
	struct addr source;
	char line[800];
	struct sip_msg m;
	unsigned asked, offer;
	struct loop_timer timer;
};

static void world_open(struct world *w)
{
	memset(w, 0, sizeof(*w));
	if (loop_new(&w->loop, true, 5) || sip_auth_server_new(&w->server, w->loop) ||
	    addr_parse(&w->source, STR("192.0.2.1"), 5060))
		abort();
	w->offer = 1u << SIP_DIGEST_MD5 | 1u << SIP_DIGEST_SHA256;
	w->m = (struct sip_msg){
		.request = true, .method = SIP_REGISTER, .method_text = STR("REGISTER"), .ruri = STR("sip:example.test")
	};
}

static void world_close(struct world *w)
{
	sip_auth_server_free(&w->server);
	loop_free(&w->loop);
}

static const char *password(void *arg, struct str user)
{
	struct world *w = arg;

	w->asked++;
	return str_is(user, "alice") ? "secret" : str_is(user, "bob") ? "hunter2" : NULL;
}

struct answer { /* of a client; zero is what a good one says */
	const char *user, *password, *uri, *method, *in_realm;
	uint32_t nc;
	unsigned pick; /* which of the challenges */
	bool no_qop;
};

/* What a client makes of a challenge. */
static void respond(struct world *w, const char *challenge, const struct answer *a)
{
	const char *user = a->user ? a->user : "alice", *uri = a->uri ? a->uri : "sip:example.test";
	struct sip_digest d = { .username = str_of(user),
				.password = str_of(a->password ? a->password : "secret"),
				.method = str_of(a->method ? a->method : "REGISTER"),
				.uri = str_of(uri),
				.cnonce = STR("c"),
				.nc = a->nc ? a->nc : 1 };
	char response[SIP_DIGEST_TEXT];
	struct sip_challenge c;
	int n;

	CHECK_INT(0, sip_challenge_parse(&c, str_of(challenge)));
	if (a->no_qop)
		c.qop = false;
	CHECK_INT(0, sip_digest_response(response, &c, &d));
	n = snprintf(w->line, sizeof(w->line),
		     "Digest username=\"%s\", realm=\"%s\", nonce=\"%.*s\", uri=\"%s\", response=\"%s\", algorithm=%s",
		     user, a->in_realm ? a->in_realm : realm, STR_ARG(c.nonce), uri, response,
		     c.kind == SIP_DIGEST_MD5 ? "MD5" : "SHA-256");
	if (!a->no_qop)
		snprintf(w->line + n, sizeof(w->line) - (size_t)n, ", qop=auth, cnonce=\"c\", nc=%08x", d.nc);
	w->m.header_count = 1;
	w->m.headers[0] = (struct sip_hdr){ SIP_H_AUTHORIZATION, STR("Authorization"), str_of(w->line) };
}

static struct sip_auth_ask ask_of(struct world *w)
{
	return (struct sip_auth_ask){
		.m = &w->m, .source = &w->source, .realm = realm, .offer = w->offer, .password = password, .arg = w
	};
}

static size_t challenge(struct world *w, bool stale, char out[SIP_CHALLENGES][SIP_CHALLENGE_TEXT])
{
	const struct sip_auth_ask ask = ask_of(w);

	return sip_auth_server_challenge(w->server, &ask, stale, out);
}

static enum sip_proof judge(struct world *w)
{
	const struct sip_auth_ask ask = ask_of(w);
	struct str user;

	return sip_auth_server_judge(w->server, &ask, &user);
}

static enum sip_proof try(struct world *w, const struct answer *a)
{
	char challenges[SIP_CHALLENGES][SIP_CHALLENGE_TEXT];

	w->m.header_count = 0;
	if (challenge(w, false, challenges) < 2) /* as to somebody who is puzzled */
		challenge(w, false, challenges);
	respond(w, challenges[a->pick], a);
	return judge(w);
}

static void nothing(void *arg)
{
}

/* An idle virtual clock stands still. */
static void wait_ms(struct world *w, uint64_t ms)
{
	loop_timer_start(w->loop, &w->timer, ms, nothing, w);
	loop_run_until(w->loop, loop_now_ms(w->loop) + ms);
}

static void credentials_are_read_or_refused(void **state)
{
#define GOOD "Digest username=\"a\", realm=\"r\", nonce=\"n\", uri=\"sip:x\", response=\"0\""
	static const struct {
		const char *text;
		int err;
		uint32_t nc;
	} rows[] = {
		{ GOOD, 0, 0 },
		{ GOOD ", qop=auth, cnonce=\"c\", nc=0000001f", 0, 31 },
		{ "digest\tusername = \"a\",realm=\"r\" , nonce=n, uri=sip:x, "
		  "response=0,QOP=\"AUTH\",cnonce=c,nc=00000001",
		  0, 1 },
		{ GOOD ", algorithm=SHA-256, opaque=\"\", auth-param=x", 0, 0 },
		{ GOOD ", qop=auth-int, cnonce=\"c\", nc=00000001", ENOTSUP, 0 },
		{ GOOD ", algorithm=AKAv1-MD5", ENOTSUP, 0 },
		{ GOOD ", qop=auth, nc=00000001", EINVAL, 0 },
		{ GOOD ", qop=auth, cnonce=\"c\", nc=1", EINVAL, 0 },
		{ GOOD ", qop=auth, cnonce=\"c\", nc=0000000g", EINVAL, 0 },
		{ GOOD ", username=\"b\"", EINVAL, 0 },
		{ "Digest realm=\"r\", nonce=\"n\", uri=\"sip:x\", response=\"0\"", EINVAL, 0 },
		{ "Digest username=\"a\", realm=\"r\", nonce=\"n\", uri=\"sip:x\", response=\"0", EINVAL, 0 },
		{ "Basic YTpi", ENOTSUP, 0 },
		{ "Digest", EINVAL, 0 },
		{ "", EINVAL, 0 },
		{ "=", EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sip_credentials c = { .nc = 0 };

		if (sip_credentials_parse(&c, str_of(rows[i].text)) != rows[i].err || c.nc != rows[i].nc) {
			fprintf(stderr, "row %zu\n", i);
			CHECK(false);
		}
	}
}

static void the_stronger_hash_is_offered_first(void **state)
{
	char out[SIP_CHALLENGES][SIP_CHALLENGE_TEXT], before[SIP_CHALLENGE_TEXT];
	struct sip_challenge a, b;
	struct world w;

	world_open(&w);
	challenge(&w, false, out);
	CHECK_INT(0, sip_challenge_parse(&a, str_of(out[0])));
	CHECK_INT(0, sip_challenge_parse(&b, str_of(out[1])));
	CHECK_INT(SIP_DIGEST_SHA256, a.kind);
	CHECK_INT(SIP_DIGEST_MD5, b.kind);
	CHECK(a.qop && b.qop && !a.stale && str_is(a.realm, realm));
	memcpy(before, out[1], sizeof(before));
	while (challenge(&w, true, out) < 2)
		;
	CHECK_INT(0, sip_challenge_parse(&a, str_of(out[1])));
	CHECK(a.stale);
	CHECK(strncmp(before, out[1], strlen(before)) != 0);
	world_close(&w);
}

/* Phones that see SHA-256 and give up get another chance; who can answer it is not asked for less. */
static void who_is_puzzled_is_asked_for_md5(void **state)
{
	char out[SIP_CHALLENGES][SIP_CHALLENGE_TEXT];
	struct world w;

	world_open(&w);
	CHECK_INT(2, challenge(&w, false, out));
	CHECK_INT(1, challenge(&w, false, out));
	CHECK(strstr(out[0], "algorithm=MD5") != NULL);
	respond(&w, out[0], &(struct answer){ .nc = 1 });
	CHECK_INT(SIP_PROOF_GOOD, judge(&w));
	addr_parse(&w.source, STR("192.0.2.2"), 5060);
	for (int i = 0; i < 5; i++) {
		CHECK_INT(2, challenge(&w, false, out));
		respond(&w, out[0], &(struct answer){ .nc = 1 });
		CHECK_INT(SIP_PROOF_GOOD, judge(&w));
	}
	w.offer = 1u << SIP_DIGEST_SHA256;
	for (int i = 0; i < 3; i++)
		CHECK_INT(1, challenge(&w, false, out));
	CHECK(strstr(out[0], "algorithm=SHA-256") != NULL);
	respond(&w, out[0], &(struct answer){ .nc = 1 });
	CHECK_INT(SIP_PROOF_GOOD, judge(&w));
	w.offer = 1u << SIP_DIGEST_MD5;
	CHECK_INT(SIP_PROOF_MISSING, judge(&w)); /* not what was asked for */
	CHECK_INT(1, challenge(&w, false, out));
	CHECK(strstr(out[0], "algorithm=MD5") != NULL);
	world_close(&w);
}

static void only_the_right_answer_is_good(void **state)
{
	static const struct {
		struct answer a;
		enum sip_proof want;
	} rows[] = {
		{ { .pick = 0 }, SIP_PROOF_GOOD },
		{ { .pick = 1 }, SIP_PROOF_GOOD },
		{ { .user = "bob", .password = "hunter2" }, SIP_PROOF_GOOD },
		{ { .nc = 7 }, SIP_PROOF_GOOD },
		{ { .password = "Secret" }, SIP_PROOF_WRONG },
		{ { .user = "bob" }, SIP_PROOF_WRONG },
		{ { .user = "mallory" }, SIP_PROOF_WRONG },
		{ { .user = "mallory", .password = "nobody has this name" }, SIP_PROOF_WRONG },
		{ { .user = "Alice" }, SIP_PROOF_WRONG },
		{ { .method = "INVITE" }, SIP_PROOF_WRONG },
		{ { .uri = "sip:bob@example.test" }, SIP_PROOF_WRONG }, /* hashed, but not what is asked for */
		{ { .uri = "sip:10.0.0.1;transport=udp" }, SIP_PROOF_GOOD },
		{ { .no_qop = true }, SIP_PROOF_MISSING },
		{ { .in_realm = "other.test" }, SIP_PROOF_MISSING },
	};
	struct world w;

	world_open(&w);
	CHECK_INT(SIP_PROOF_MISSING, judge(&w));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(rows[i].want, try(&w, &rows[i].a));
	CHECK(w.asked >= 11); /* also for users there are not */
	world_close(&w);
}

static void a_nonce_counts_each_use_once_and_ends(void **state)
{
	static const struct {
		uint32_t nc;
		enum sip_proof want;
	} rows[] = {
		{ 1, SIP_PROOF_GOOD },   { 1, SIP_PROOF_STALE },  { 2, SIP_PROOF_GOOD },    { 5, SIP_PROOF_GOOD },
		{ 4, SIP_PROOF_GOOD },   { 4, SIP_PROOF_STALE },  { 3, SIP_PROOF_GOOD },    { 2, SIP_PROOF_STALE },
		{ 100, SIP_PROOF_GOOD }, { 68, SIP_PROOF_STALE }, { 69, SIP_PROOF_GOOD },   { 69, SIP_PROOF_STALE },
		{ 6, SIP_PROOF_STALE },  { 101, SIP_PROOF_GOOD }, { 100, SIP_PROOF_STALE },
	};
	char out[SIP_CHALLENGES][SIP_CHALLENGE_TEXT];
	struct world w;

	world_open(&w);
	challenge(&w, false, out);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		respond(&w, out[0], &(struct answer){ .nc = rows[i].nc });
		CHECK_INT(rows[i].want, judge(&w));
	}
	wait_ms(&w, SIP_NONCE_LIFE_MS - 1);
	respond(&w, out[0], &(struct answer){ .nc = 200 });
	CHECK_INT(SIP_PROOF_GOOD, judge(&w));
	wait_ms(&w, 1);
	respond(&w, out[0], &(struct answer){ .nc = 201 });
	CHECK_INT(SIP_PROOF_STALE, judge(&w));
	/* Too old does not make a wrong answer better. */
	respond(&w, out[0], &(struct answer){ .nc = 202, .password = "x" });
	CHECK_INT(SIP_PROOF_WRONG, judge(&w));
	world_close(&w);
}

static void a_made_up_nonce_is_stale(void **state)
{
	static const char *const nonces[] = { "x", "000000000400deadbeef00000000000000000000000000000000",
					      "0000000004zz", "00000000040000000000000000000000000000000000000000001" };
	char text[200];
	struct world w;

	world_open(&w);
	for (size_t i = 0; i < ARRAY_LEN(nonces); i++) {
		snprintf(text, sizeof(text), "Digest realm=\"%s\", nonce=\"%s\", algorithm=SHA-256, qop=\"auth\"",
			 realm, nonces[i]);
		respond(&w, text, &(struct answer){ .nc = 1 });
		CHECK_INT(SIP_PROOF_STALE, judge(&w));
	}
	world_close(&w);
}

/* However many nonces there are, none can be used twice by waiting until it is forgotten. */
static void forgotten_nonces_never_come_back(void **state)
{
	enum { MANY = 12000 };
	char(*all)[SIP_CHALLENGES][SIP_CHALLENGE_TEXT] = calloc(MANY, sizeof(*all));
	struct world w;
	size_t first = 0, again = 0;

	assert_non_null(all);
	world_open(&w);
	for (size_t i = 0; i < MANY; i++) {
		wait_ms(&w, 1);
		if (challenge(&w, false, all[i]) < 2)
			memcpy(all[i][1], all[i][0], SIP_CHALLENGE_TEXT);
		respond(&w, all[i][1], &(struct answer){ .nc = 1 });
		first += judge(&w) == SIP_PROOF_GOOD;
	}
	for (size_t i = 0; i < MANY; i++) {
		respond(&w, all[i][1], &(struct answer){ .nc = 1 });
		again += judge(&w) == SIP_PROOF_GOOD;
	}
	CHECK_INT(MANY, first);
	CHECK_INT(0, again);
	world_close(&w);
	free(all);
}

static void guessing_is_slowed_down(void **state)
{
	struct answer wrong = { .password = "x" }, good = { .nc = 1 };
	struct world w;
	unsigned asked;

	world_open(&w);
	for (int i = 0; i < SIP_GUESSES; i++)
		CHECK_INT(SIP_PROOF_WRONG, try(&w, &wrong));
	asked = w.asked;
	CHECK_INT(SIP_PROOF_BLOCKED, try(&w, &wrong));
	CHECK_INT(SIP_PROOF_BLOCKED, try(&w, &good)); /* the right one does not show either */
	CHECK_INT(SIP_PROOF_BLOCKED, try(&w, &(struct answer){ .user = "bob", .password = "hunter2" }));
	CHECK_INT(asked, w.asked);
	addr_parse(&w.source, STR("192.0.2.1"), 1234); /* the port does not matter */
	CHECK_INT(SIP_PROOF_BLOCKED, try(&w, &good));
	addr_parse(&w.source, STR("192.0.2.2"), 5060);
	CHECK_INT(SIP_PROOF_GOOD, try(&w, &good));
	addr_parse(&w.source, STR("192.0.2.1"), 5060);
	wait_ms(&w, SIP_GUESS_MS + 1);
	CHECK_INT(SIP_PROOF_WRONG, try(&w, &wrong)); /* one is forgiven */
	CHECK_INT(SIP_PROOF_BLOCKED, try(&w, &wrong));
	wait_ms(&w, SIP_GUESS_MS + 1);
	CHECK_INT(SIP_PROOF_GOOD, try(&w, &good));
	world_close(&w);
}

static void one_bad_phone_does_not_lock_out_the_others_of_its_house(void **state)
{
	struct answer wrong = { .user = "bob", .password = "x" }, good = { .nc = 1 };
	struct world w;

	world_open(&w);
	CHECK_INT(SIP_PROOF_GOOD, try(&w, &good));
	for (int i = 0; i < SIP_GUESSES; i++)
		CHECK_INT(SIP_PROOF_WRONG, try(&w, &wrong));
	CHECK_INT(SIP_PROOF_BLOCKED, try(&w, &wrong));
	CHECK_INT(SIP_PROOF_GOOD, try(&w, &good)); /* known here */
	world_close(&w);
}

/* A name is guarded against many sources; its owner, who is known where he is, is not locked out. */
static void a_name_is_guarded_against_many_sources(void **state)
{
	struct answer wrong = { .password = "x" }, good = { .nc = 1 };
	struct world w;
	char host[20];

	world_open(&w);
	CHECK_INT(SIP_PROOF_GOOD, try(&w, &good));
	for (int i = 0; i < SIP_GUESSES_NAME; i++) {
		snprintf(host, sizeof(host), "198.51.100.%d", i + 1);
		addr_parse(&w.source, str_of(host), 5060);
		CHECK_INT(SIP_PROOF_WRONG, try(&w, &wrong));
	}
	addr_parse(&w.source, STR("198.51.100.200"), 5060);
	CHECK_INT(SIP_PROOF_BLOCKED, try(&w, &wrong));
	addr_parse(&w.source, STR("192.0.2.1"), 5060);
	CHECK_INT(SIP_PROOF_GOOD, try(&w, &good));
	world_close(&w);
}

static void neighbours_in_a_v6_network_are_one_source(void **state)
{
	struct answer wrong = { .password = "x" };
	struct world w;
	char host[40];

	world_open(&w);
	for (int i = 0; i < SIP_GUESSES; i++) {
		snprintf(host, sizeof(host), "2001:db8:1:2::%x", i + 1);
		addr_parse(&w.source, str_of(host), 5060);
		CHECK_INT(SIP_PROOF_WRONG, try(&w, &wrong));
	}
	addr_parse(&w.source, STR("2001:db8:1:2:ffff::1"), 5060);
	CHECK_INT(SIP_PROOF_BLOCKED, try(&w, &wrong));
	addr_parse(&w.source, STR("2001:db8:1:3::1"), 5060);
	CHECK_INT(SIP_PROOF_WRONG, try(&w, &wrong));
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(credentials_are_read_or_refused),
		TEST(the_stronger_hash_is_offered_first),
		TEST(who_is_puzzled_is_asked_for_md5),
		TEST(only_the_right_answer_is_good),
		TEST(a_nonce_counts_each_use_once_and_ends),
		TEST(a_made_up_nonce_is_stale),
		TEST(forgotten_nonces_never_come_back),
		TEST(guessing_is_slowed_down),
		TEST(one_bad_phone_does_not_lock_out_the_others_of_its_house),
		TEST(a_name_is_guarded_against_many_sources),
		TEST(neighbours_in_a_v6_network_are_one_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

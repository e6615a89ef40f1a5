/* What changes a session that stands: session timers, UPDATE, offers in every place, glare. Stacks of ours against each
 * other and against a peer by hand, which can do what ours never would. */
#include "check.h"

#include <errno.h>
#include <stdlib.h>

#include "fake_dns.h"
#include "fake_net.h"
#include "fake_phone.h"

enum { MAX_GOT = 256, T64_MS = 32000, LOOSE_MS = LOOP_LOOSE_MS };

struct world {
	struct loop *loop;
	struct fake_net *net;
	struct fake_dns *dns;
	struct phone a, b; /* 10.0.0.1 and 10.0.0.2, ours */
	struct wire *wire; /* 10.0.0.3, by hand */
	struct addr hand, to_a;
	char *got[MAX_GOT]; /* by hand */
	size_t count;
	char sent[4096]; /* newest message of a */
	bool cut;        /* nothing arrives */
	int updates_a, updates_b, invites_a, invites_b, byes_a, byes_b, pending;
	uint64_t invite_a_ms, invite_b_ms; /* the newest of each */
	char bye[4096];
	char text[8192];
};

static bool begins(const char *text, const char *start)
{
	return !strncmp(text, start, strlen(start));
}

static bool drop(void *arg, const struct addr *from, const struct addr *to, const char *data, size_t n)
{
	const struct world *w = arg;

	return w->cut;
}

static void see(void *arg, const struct addr *from, const struct addr *to, const char *data, size_t n)
{
	struct world *w = arg;
	bool a = addr_same_host(from, &w->a.addr);
	char text[4096];

	snprintf(text, sizeof(text), "%.*s", (int)n, data);
	if (a)
		str_copy(w->sent, sizeof(w->sent), str_of(text));
	if (begins(text, "UPDATE "))
		*(a ? &w->updates_a : &w->updates_b) += 1;
	if (begins(text, "INVITE ")) {
		*(a ? &w->invites_a : &w->invites_b) += 1;
		*(a ? &w->invite_a_ms : &w->invite_b_ms) = loop_now_ms(w->loop);
	}
	if (begins(text, "BYE ")) {
		*(a ? &w->byes_a : &w->byes_b) += 1;
		str_copy(w->bye, sizeof(w->bye), str_of(text));
	}
	w->pending += begins(text, "SIP/2.0 491");
}

static void on_bytes(void *arg, struct wire *wire, const struct addr *from, const char *data, size_t n)
{
	struct world *w = arg;

	if (w->count < MAX_GOT)
		w->got[w->count++] = strndup(data, n);
}

struct options {
	uint64_t seed;
	uint32_t timeout_a_s, timeout_b_s, dial_s;
	uint32_t delay_ms;
};

static void world_open(struct world *w, const struct options *o)
{
	static const struct wire_handlers handlers = { .bytes = on_bytes };
	struct phone_opts a = { .address = "10.0.0.1" }, b = { .address = "10.0.0.2" };
	struct fake_net_rules rules = { .drop = drop, .seen = see, .arg = w };
	struct net *net;

	memset(w, 0, sizeof(*w));
	if (loop_new(&w->loop, true, o->seed ? o->seed : 5) || fake_net_new(&w->net, w->loop) ||
	    fake_dns_new(&w->dns, w->loop))
		abort();
	a.loop = b.loop = w->loop;
	a.net = fake_net_host(w->net, a.address);
	b.net = fake_net_host(w->net, b.address);
	a.dns = b.dns = fake_dns_door(w->dns);
	w->a.session_timeout_s = o->timeout_a_s;
	w->b.session_timeout_s = o->timeout_b_s;
	w->a.dial_timeout_s = o->dial_s;
	phone_open(&w->a, &a);
	phone_open(&w->b, &b);
	rules.delay_min_ms = rules.delay_max_ms = o->delay_ms;
	fake_net_set_rules(w->net, &rules);
	net = fake_net_host(w->net, "10.0.0.3");
	if (addr_parse(&w->hand, STR("10.0.0.3"), 5060) || addr_parse(&w->to_a, STR("10.0.0.1"), 5060) ||
	    net->ops->udp_open(net, &w->wire, &w->hand, &handlers, w))
		abort();
}

static void forget(struct world *w)
{
	while (w->count)
		free(w->got[--w->count]);
}

static void run(struct world *w, uint64_t ms)
{
	loop_run_until(w->loop, loop_now_ms(w->loop) + ms);
}

static void hang_up_all(struct phone *p)
{
	for (size_t i = 0; i < p->call_count; i++)
		phone_hangup(phone_call_at(p, i), STR(""));
}

/* Whatever a test leaves open is hung up; then everything has to end by itself. */
static void world_close(struct world *w)
{
	hang_up_all(&w->a);
	hang_up_all(&w->b);
	run(w, 700000);
	CHECK_INT(0, phone_alive(&w->a, true));
	CHECK_INT(0, phone_alive(&w->b, true));
	CHECK_INT(0, loop_timer_count(w->loop));
	for (size_t i = 0; i < w->a.call_count; i++)
		CHECK_INT(1, phone_call_at(&w->a, i)->closed);
	for (size_t i = 0; i < w->b.call_count; i++)
		CHECK_INT(1, phone_call_at(&w->b, i)->closed);
	phone_close(&w->a);
	phone_close(&w->b);
	w->wire->ops->close(w->wire);
	forget(w);
	fake_dns_free(&w->dns);
	fake_net_free(&w->net);
	loop_free(&w->loop);
}

/* a calls b, and they talk. */
static struct phone_call *talk(struct world *w, struct phone_call **far)
{
	struct phone_call *c;

	w->b.auto_answer = true;
	c = phone_dial(&w->a, "sip:b@10.0.0.2", WIRE_UDP);
	run(w, 200);
	*far = phone_call_at(&w->b, w->b.call_count - 1);
	CHECK_INT(1, c->answered);
	CHECK_INT(1, (*far)->confirmed);
	return c;
}

/* --- by hand --- */

/* Line ends become CRLF. */
static void say(struct world *w, const char *text)
{
	struct buf b;

	buf_init(&b, 0);
	for (; *text; text++) {
		if (*text == '\n')
			buf_char(&b, '\r');
		buf_char(&b, *text);
	}
	w->wire->ops->send(w->wire, &w->to_a, b.data, b.len);
	buf_free(&b);
	run(w, 1);
}

/* The newest message that begins so, or "". */
static const char *newest(const struct world *w, const char *start)
{
	for (size_t i = w->count; i--;)
		if (begins(w->got[i], start))
			return w->got[i];
	return "";
}

static int got(const struct world *w, const char *start)
{
	int n = 0;

	for (size_t i = 0; i < w->count; i++)
		n += begins(w->got[i], start);
	return n;
}

/* A header line of a message, with its name and without its end. */
static const char *line_of(const char *message, const char *name, char out[512])
{
	char start[64];
	const char *p;

	snprintf(start, sizeof(start), "\r\n%s: ", name);
	p = strstr(message, start);
	out[0] = '\0';
	if (p)
		snprintf(out, 512, "%.*s", (int)strcspn(p + 2, "\r"), p + 2);
	return out;
}

/* Answer a request of a's. */
static void reply(struct world *w, const char *request, const char *status, const char *headers, const char *body)
{
	char via[512], from[512], to[512], id[512], cseq[512];

	line_of(request, "To", to);
	snprintf(w->text, sizeof(w->text), "SIP/2.0 %s\n%s\n%s\n%s%s\n%s\n%s\n%s%s%sContent-Length: %zu\n\n%s", status,
		 line_of(request, "Via", via), line_of(request, "From", from), to,
		 strstr(to, "tag=") ? "" : ";tag=hand", line_of(request, "Call-ID", id), line_of(request, "CSeq", cseq),
		 status[0] == '2' || status[0] == '1' ? "Contact: <sip:h@10.0.0.3:5060>\n" : "", headers,
		 *body ? "Content-Type: application/sdp\n" : "", strlen(body), body);
	say(w, w->text);
}

/* a calls the hand, which answers so. */
static struct phone_call *call_hand(struct world *w, const char *headers)
{
	struct phone_call *c = phone_dial(&w->a, "sip:h@10.0.0.3", WIRE_UDP);

	run(w, 10);
	reply(w, newest(w, "INVITE "), "200 OK", headers, "answer");
	CHECK_INT(1, c->answered);
	CHECK_INT(1, got(w, "ACK "));
	return c;
}

struct ask {
	const char *method, *extra, *body;
	unsigned cseq;
	const char *branch; /* NULL = by the CSeq */
	const char *user;   /* of the Contact, NULL = "h" */
};

static char our_tag[40]; /* of a, in the dialog that the hand opened, or of the call to it */

static void take_tag(const char *message, const char *header)
{
	char line[512];
	const char *p = strstr(line_of(message, header, line), ";tag=");

	snprintf(our_tag, sizeof(our_tag), "%.*s", p ? (int)strcspn(p + 5, ";\r") : 0, p ? p + 5 : "");
}

/* A request by hand, in the dialog that the hand has opened (or opens). */
static void ask(struct world *w, const struct ask *r)
{
	const char *body = r->body ? r->body : "";
	char branch[40];

	snprintf(branch, sizeof(branch), "z9hG4bK%s%u", r->method, r->cseq);
	snprintf(w->text, sizeof(w->text),
		 "%s sip:a@10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.3:5060;branch=%s\nMax-Forwards: 70\n"
		 "From: <sip:h@10.0.0.3>;tag=hand\nTo: <sip:a@10.0.0.1>%s%s\nCall-ID: by-hand\nCSeq: %u %s\n"
		 "Contact: <sip:%s@10.0.0.3:5060>\n%s%sContent-Length: %zu\n\n%s",
		 r->method, r->branch ? r->branch : branch, our_tag[0] ? ";tag=" : "", our_tag, r->cseq, r->method,
		 r->user ? r->user : "h", r->extra ? r->extra : "", *body ? "Content-Type: application/sdp\n" : "",
		 strlen(body), body);
	say(w, w->text);
}

static void ack(struct world *w, unsigned cseq, const char *body)
{
	ask(w, &(struct ask){ .method = "ACK", .cseq = cseq, .body = body });
}

/* The hand has called a, and a has answered; no ACK. */
static struct phone_call *hand_calls(struct world *w, const char *headers, const char *body)
{
	our_tag[0] = '\0';
	w->a.auto_answer = true;
	ask(w, &(struct ask){ .method = "INVITE", .cseq = 1, .extra = headers, .body = body });
	take_tag(newest(w, "SIP/2.0 200"), "To");
	CHECK(our_tag[0]);
	return phone_call_at(&w->a, w->a.call_count - 1);
}

/* Status of the newest response, 0 = none. */
static int status(const struct world *w)
{
	const char *m = newest(w, "SIP/2.0 ");

	return *m ? (int)strtol(m + 8, NULL, 10) : 0;
}

/* --- session timers between two of ours --- */

static void a_session_is_refreshed(void **state)
{
	static const struct {
		struct options o;
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
		struct world w;

		world_open(&w, &rows[i].o);
		c = talk(&w, &far);
		run(&w, 10000000);
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
		world_close(&w);
	}
}

static void a_dead_peer_is_hung_up(void **state)
{
	const struct options o = { .timeout_a_s = 600, .timeout_b_s = 600 };
	struct phone_call *c, *far;
	struct world w;
	uint64_t start;

	world_open(&w, &o);
	c = talk(&w, &far);
	start = loop_now_ms(w.loop);
	run(&w, 310000);
	CHECK_INT(1, w.updates_a);
	w.cut = true;
	run(&w, 1000000);
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
	world_close(&w);
}

static void a_refresh_is_challenged_by_loss_only(void **state)
{
	const struct options o = { .timeout_a_s = 90 };
	struct phone_call *c, *far;
	struct world w;

	world_open(&w, &o);
	c = talk(&w, &far);
	for (int i = 0; i < 20; i++) { /* up to 12 s without a network around each refresh */
		run(&w, 44000);
		w.cut = true;
		run(&w, 12000);
		w.cut = false;
		run(&w, 5000);
		CHECK(!c->closed && !far->closed);
	}
	world_close(&w);
}

/* --- session timers by hand: we called --- */

#define ALLOW "Allow: INVITE, ACK, BYE, CANCEL, UPDATE\n"

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
		const struct options o = { .timeout_a_s = 600 };
		struct phone_call *c;
		struct world w;
		const char *m;

		world_open(&w, &o);
		c = call_hand(&w, rows[i].headers);
		m = newest(&w, "INVITE ");
		CHECK(strstr(m, "\r\nSession-Expires: 600\r\nMin-SE: 90\r\n"));
		CHECK(strstr(m, "\r\nSupported: 100rel, replaces, timer\r\n"));
		CHECK(strstr(m, "UPDATE, INFO, NOTIFY\r\n"));
		forget(&w);
		run(&w, (uint64_t)rows[i].after_s * 1000 - (rows[i].after_s ? 200 : 0));
		CHECK_INT(0, w.count);
		run(&w, rows[i].after_s ? 400 : 167000);
		if (rows[i].method) {
			m = newest(&w, rows[i].method);
			CHECK(strstr(m, rows[i].has));
			CHECK(strstr(m, rows[i].body));
			reply(&w, m, "200 OK", rows[i].headers, *rows[i].method == 'I' ? "answer" : "");
			CHECK_INT(*rows[i].method == 'I', got(&w, "ACK "));
			CHECK_INT(*rows[i].method == 'I', c->reanswered);
			run(&w, (uint64_t)rows[i].after_s * 1000 + 500);
			CHECK_INT(2, got(&w, rows[i].method));
		} else {
			CHECK_INT(0, w.count);
			run(&w, 2000);
			CHECK_INT(1, c->closed);
			CHECK_STR("the session expired: the peer did not refresh it within 200 s", c->why);
			CHECK(strstr(newest(&w, "BYE "), "Reason: SIP;cause=408"));
		}
		world_close(&w);
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
		const struct options o = { .timeout_a_s = 600 };
		const char *method = *rows[i].allow ? "UPDATE " : "INVITE ";
		struct phone_call *c;
		struct world w;
		char headers[256], request[4096];

		world_open(&w, &o);
		snprintf(headers, sizeof(headers), "%sSession-Expires: 600;refresher=uac\n", rows[i].allow);
		c = call_hand(&w, headers);
		forget(&w);
		run(&w, 300200);
		CHECK_INT(1, got(&w, method));
		str_copy(request, sizeof(request), str_of(newest(&w, method)));
		forget(&w);
		reply(&w, request, rows[i].status, rows[i].headers, "");
		CHECK_INT(rows[i].again_ms == 1, got(&w, method));
		run(&w, rows[i].again_ms);
		CHECK_INT(rows[i].why != NULL, c->closed);
		if (rows[i].why) {
			CHECK_STR(rows[i].why, c->why);
			CHECK_INT(SIP_BY_TIMEOUT, c->who);
			CHECK_INT(1, got(&w, "BYE "));
		} else {
			CHECK(got(&w, method) > 0);
			if (strstr(rows[i].headers, "1200"))
				CHECK(strstr(newest(&w, method),
					     "Session-Expires: 1200;refresher=uac\r\nMin-SE: 1200\r\n"));
			reply(&w, newest(&w, method), "200 OK", headers, *rows[i].allow ? "" : "answer");
			run(&w, 200000);
			CHECK(!c->closed);
		}
		CHECK_INT(0, c->reinvited); /* none of the owner's business */
		world_close(&w);
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
		const struct options o = { .timeout_a_s = 600 };
		char id[512], first[512], cseq[512];
		struct phone_call *c;
		struct world w;
		int n = 0;

		world_open(&w, &o);
		c = phone_dial(&w.a, "sip:h@10.0.0.3", WIRE_UDP);
		run(&w, 10);
		line_of(newest(&w, "INVITE "), "Call-ID", first);
		for (; n < 4 && rows[i].min[n]; n++)
			reply(&w, newest(&w, "INVITE "), "422 Session Interval Too Small", rows[i].min[n], "");
		run(&w, 10);
		CHECK(strstr(newest(&w, "INVITE "), rows[i].asked));
		CHECK_STR(first, line_of(newest(&w, "INVITE "), "Call-ID", id));
		CHECK_INT(rows[i].status != 0, c->closed);
		if (!rows[i].status) {
			CHECK_INT(n + 1, got(&w, "INVITE "));
			snprintf(id, sizeof(id), "CSeq: %d INVITE", n + 1);
			CHECK_STR(id, line_of(newest(&w, "INVITE "), "CSeq", cseq));
			CHECK(strstr(newest(&w, "INVITE "), "\r\n\r\noffer"));
			reply(&w, newest(&w, "INVITE "), "200 OK", "", "answer");
			CHECK_INT(1, c->answered);
		} else {
			CHECK_INT(rows[i].status, c->status);
		}
		world_close(&w);
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
		const struct options o = { .timeout_a_s = 600 };
		struct phone_call *c;
		struct world w;

		world_open(&w, &o);
		our_tag[0] = '\0';
		w.a.auto_answer = true;
		ask(&w, &(struct ask){ .method = "INVITE", .cseq = 1, .extra = rows[i].headers, .body = "offer" });
		CHECK_INT(rows[i].status, status(&w));
		CHECK(strstr(newest(&w, "SIP/2.0 "), rows[i].has));
		CHECK(!rows[i].not || !strstr(newest(&w, "SIP/2.0 "), rows[i].not ));
		CHECK_INT(rows[i].status == 200, w.a.call_count);
		if (rows[i].status == 200) {
			c = phone_call_at(&w.a, 0);
			take_tag(newest(&w, "SIP/2.0 200"), "To");
			ack(&w, 1, NULL);
			forget(&w);
			run(&w, 301000);
			CHECK_INT(rows[i].refresh != NULL, w.count > 0);
			if (rows[i].refresh) {
				CHECK(begins(w.got[0], rows[i].refresh));
				CHECK(strstr(w.got[0], ";refresher=uac\r\n"));
			}
			if (rows[i].refresh && *rows[i].refresh == 'I') /* what we said last */
				CHECK(strstr(w.got[0], "\r\n\r\nanswer"));
			CHECK_INT(1, c->confirmed);
		}
		world_close(&w);
	}
}

static void the_refresher_may_change(void **state)
{
	const struct options o = { .timeout_a_s = 600 };
	struct phone_call *c;
	struct world w;

	world_open(&w, &o);
	c = hand_calls(&w, ALLOW "Supported: timer\nSession-Expires: 600;refresher=uac\n", "offer");
	ack(&w, 1, NULL);
	w.a.auto_reanswer = true;
	/* The hand gives the duty away with a re-INVITE … */
	run(&w, 290000);
	ask(&w, &(struct ask){ .method = "INVITE",
			       .cseq = 2,
			       .body = "again",
			       .extra = ALLOW "Supported: timer\nSession-Expires: 600;refresher=uas\n" });
	CHECK(strstr(newest(&w, "SIP/2.0 200"), "Session-Expires: 600;refresher=uas\r\nRequire: timer\r\n"));
	ack(&w, 2, NULL);
	forget(&w);
	run(&w, 300500);
	CHECK_INT(1, got(&w, "UPDATE "));
	/* … we keep it when a request says nothing … */
	reply(&w, newest(&w, "UPDATE "), "200 OK", "Session-Expires: 600;refresher=uac\n", "");
	ask(&w, &(struct ask){ .method = "UPDATE", .cseq = 3, .extra = "Supported: timer\nSession-Expires: 600\n" });
	CHECK(strstr(newest(&w, "SIP/2.0 200"), "Session-Expires: 600;refresher=uas\r\n"));
	/* … and it takes it back in the answer to our refresh. */
	forget(&w);
	run(&w, 300500);
	CHECK_INT(1, got(&w, "UPDATE "));
	reply(&w, newest(&w, "UPDATE "), "200 OK", "Session-Expires: 600;refresher=uas\n", "");
	/* Requests of ours say who it is now. */
	CHECK_INT(0, sip_session_reinvite(c->s, STR("x")));
	run(&w, 1);
	CHECK(strstr(newest(&w, "INVITE "), "Session-Expires: 600;refresher=uas\r\n"));
	reply(&w, newest(&w, "INVITE "), "200 OK", "Session-Expires: 600;refresher=uas\n", "y");
	forget(&w);
	run(&w, 500000);
	CHECK_INT(0, w.count);
	CHECK(!c->closed);
	run(&w, 70000);
	CHECK_INT(1, c->closed);
	world_close(&w);
}

static void the_owner_comes_while_a_refresh_is_open(void **state)
{
	static const char *const answers[] = { "200 OK", "488 No", "491 Pending" };

	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		const struct options o = { .timeout_a_s = 600 };
		struct phone_call *c;
		struct world w;

		world_open(&w, &o);
		c = call_hand(&w, "");
		forget(&w);
		run(&w, 300200);
		CHECK_INT(1, got(&w, "INVITE "));
		CHECK_INT(0, sip_session_reinvite(c->s, STR("mine")));
		CHECK_INT(EBUSY, sip_session_reinvite(c->s, STR("two")));
		run(&w, 1);
		CHECK_INT(1, got(&w, "INVITE "));
		reply(&w, newest(&w, "INVITE "), answers[i], "", *answers[i] == '2' ? "answer" : "");
		run(&w, 4500);
		CHECK_INT(0, c->reinvited);
		CHECK(strstr(newest(&w, "INVITE "), "\r\n\r\nmine"));
		reply(&w, newest(&w, "INVITE "), "200 OK", "", "yes");
		CHECK_INT(1, c->reinvited);
		CHECK_STR("yes", c->sdp);
		/* From now on that is what is said again. */
		forget(&w);
		run(&w, 300500);
		CHECK(strstr(newest(&w, "INVITE "), "\r\n\r\nmine"));
		world_close(&w);
	}
}

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

static struct phone_call *go_to(struct world *w, enum place place)
{
	struct phone_call *c;

	w->a.auto_answer = place != EARLY;
	w->a.auto_ring = 180;
	our_tag[0] = '\0';
	ask(w, &(struct ask){ .method = "INVITE", .cseq = 1, .body = place == ACCEPTED_OFFERLESS ? "" : "offer" });
	take_tag(newest(w, "SIP/2.0 180"), "To");
	c = phone_call_at(&w->a, 0);
	if (place == LEAVING)
		sip_session_hangup(c->s, STR(""));
	if (place < CONFIRMED || place == LEAVING)
		return c;
	ack(w, 1, NULL);
	if (place == OUR_REINVITE)
		CHECK_INT(0, sip_session_reinvite(c->s, STR("ours")));
	if (place == OUR_UPDATE)
		CHECK_INT(0, sip_session_update(c->s, STR("ours")));
	w->a.auto_reanswer = place == REANSWERED || place == REANSWERED_OFFERLESS;
	if (place >= THEIR_REINVITE)
		ask(w, &(struct ask){
			       .method = "INVITE", .cseq = 2, .body = place == REANSWERED_OFFERLESS ? "" : "hold" });
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
		const struct options o = { .seed = 5 };
		enum place place = i % PLACES;
		int want = rows[i / PLACES].want[place], before = check_bad, offers;
		const char *method = rows[i / PLACES].method, *body = rows[i / PLACES].body;
		struct phone_call *c;
		struct world w;

		world_open(&w, &o);
		c = go_to(&w, place);
		offers = c->reoffer;
		forget(&w);
		w.a.auto_reanswer = true;
		ask(&w, &(struct ask){ .method = method, .cseq = 3, .body = body });
		CHECK_INT(want, status(&w));
		CHECK_INT(want == 200 && (*method == 'I' || *body), c->reoffer - offers);
		if (want == 500) {
			char line[512];

			CHECK(line_of(newest(&w, "SIP/2.0 500"), "Retry-After", line)[0]);
		}
		if (want == 200)
			CHECK_INT(*method == 'I' || *body,
				  strstr(newest(&w, "SIP/2.0 200"), "\r\n\r\nreanswer") != NULL);
		if (want == 200 && *method == 'I') {
			ack(&w, 3, *body ? NULL : "late");
			CHECK_INT(!*body, c->reanswered);
		}
		/* Whatever came of it, the session stands, if it stood. */
		run(&w, 10);
		CHECK_INT(0, c->closed);
		if (check_bad > before)
			fprintf(stderr, "%s %s in place %d\n", method, body, place);
		world_close(&w);
	}
}

static void an_update_while_we_call(void **state)
{
	const struct options o = { .timeout_a_s = 600 };
	struct phone_call *c;
	struct world w;
	char id[512], from[512];

	world_open(&w, &o);
	c = phone_dial(&w.a, "sip:h@10.0.0.3", WIRE_UDP);
	run(&w, 10);
	reply(&w, newest(&w, "INVITE "), "183 Progress", "", "early");
	CHECK_INT(1, c->progress);
	line_of(newest(&w, "INVITE "), "Call-ID", id);
	line_of(newest(&w, "INVITE "), "From", from);
	for (int i = 0; i < 2; i++) {
		snprintf(w.text, sizeof(w.text),
			 "UPDATE sip:10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.3:5060;branch=z9hG4bKu%d\n"
			 "From: <sip:h@10.0.0.3>;tag=hand\nTo%s\n%s\nCSeq: %d UPDATE\nMax-Forwards: 70\n"
			 "Contact: <sip:moved@10.0.0.3:5060>\n%sContent-Length: %d\n\n%s",
			 i, from + 4, id, i + 1, i ? "Content-Type: application/sdp\n" : "", i ? 3 : 0, i ? "new" : "");
		say(&w, w.text);
		CHECK_INT(i ? 491 : 200, status(&w)); /* the offer in our INVITE has no answer yet */
	}
	CHECK(!strstr(newest(&w, "SIP/2.0 200"), "Session-Expires")); /* no session yet */
	CHECK(strstr(newest(&w, "SIP/2.0 200"), "\r\nContact: <sip:10.0.0.1:5060>\r\n"));
	reply(&w, newest(&w, "INVITE "), "200 OK", "Contact: <sip:moved@10.0.0.3:5060>\n", "answer");
	CHECK_INT(1, c->answered);
	world_close(&w);
}

/* Both have answered in a 183 that was acknowledged: UPDATE may say something new before the 200. */
static void an_update_before_the_answer(void **state)
{
	const struct options o = { .timeout_a_s = 600 };
	struct phone_call *c;
	char line[512], rack[600];
	struct world w;

	world_open(&w, &o);
	w.a.auto_ring = 183;
	w.a.auto_reanswer = true;
	our_tag[0] = '\0';
	ask(&w, &(struct ask){ .method = "INVITE", .cseq = 1, .extra = "Supported: 100rel\n", .body = "offer" });
	take_tag(newest(&w, "SIP/2.0 183"), "To");
	c = phone_call_at(&w.a, 0);
	ask(&w, &(struct ask){ .method = "UPDATE", .cseq = 2, .body = "too early" });
	CHECK_INT(500, status(&w)); /* no PRACK yet */
	line_of(newest(&w, "SIP/2.0 183"), "RSeq", line);
	snprintf(rack, sizeof(rack), "RAck%s 1 INVITE\n", line + 4);
	ask(&w, &(struct ask){ .method = "PRACK", .cseq = 3, .extra = rack });
	CHECK_INT(200, status(&w));
	ask(&w, &(struct ask){ .method = "UPDATE", .cseq = 4, .body = "new" });
	CHECK_INT(200, status(&w));
	CHECK_STR("new", c->sdp);
	CHECK(strstr(newest(&w, "SIP/2.0 200"), "\r\n\r\nreanswer"));
	CHECK(!strstr(newest(&w, "SIP/2.0 200"), "Session-Expires"));
	CHECK_INT(0, sip_session_answer(c->s, STR("answer")));
	run(&w, 10);
	CHECK(strstr(newest(&w, "SIP/2.0 200"), "Content-Length: 0\r\n"));
	CHECK(strstr(newest(&w, "SIP/2.0 200"), "Session-Expires: 600;refresher=uas\r\n"));
	ack(&w, 1, NULL);
	CHECK_INT(1, c->confirmed);
	world_close(&w);
}

static void an_update_before_their_answer(void **state)
{
	static const char *const last[] = { "", "early" }; /* the 200 may repeat what the 183 said */

	for (size_t i = 0; i < ARRAY_LEN(last); i++) {
		const struct options o = { .timeout_a_s = 600 };
		char id[512], from[512], invite[4096];
		struct phone_call *c;
		struct world w;

		world_open(&w, &o);
		w.a.auto_reanswer = true;
		c = phone_dial(&w.a, "sip:h@10.0.0.3", WIRE_UDP);
		run(&w, 10);
		str_copy(invite, sizeof(invite), str_of(newest(&w, "INVITE ")));
		reply(&w, invite, "183 Progress", "Require: 100rel\nRSeq: 7\n", "early");
		CHECK(strstr(newest(&w, "PRACK "), "\r\nRAck: 7 1 INVITE\r\n"));
		reply(&w, newest(&w, "PRACK "), "200 OK", "", "");
		line_of(invite, "Call-ID", id);
		line_of(invite, "From", from);
		snprintf(w.text, sizeof(w.text),
			 "UPDATE sip:10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.3:5060;branch=z9hG4bKu1\n"
			 "From: <sip:h@10.0.0.3>;tag=hand\nTo%s\n%s\nCSeq: 1 UPDATE\nMax-Forwards: 70\n"
			 "Contact: <sip:h@10.0.0.3:5060>\nContent-Type: application/sdp\nContent-Length: 3\n\nnew",
			 from + 4, id);
		say(&w, w.text);
		CHECK_INT(200, status(&w));
		CHECK_STR("new", c->sdp);
		reply(&w, invite, "200 OK", "", last[i]);
		CHECK_INT(1, c->answered);
		CHECK_STR("new", c->sdp);
		world_close(&w);
	}
}

static void an_update_in_a_call(void **state)
{
	const struct options o = { .timeout_a_s = 600 };
	struct ask offer = { .method = "UPDATE", .cseq = 2, .body = "new", .extra = "Supported: timer\n" };
	struct phone_call *c;
	struct world w;

	world_open(&w, &o);
	c = hand_calls(&w, ALLOW "Supported: timer\n", "offer");
	ack(&w, 1, NULL);
	w.a.auto_reanswer = true;
	for (int i = 0; i < 3; i++) { /* once, and twice again */
		ask(&w, &offer);
		CHECK_INT(1, c->reoffer);
		CHECK_STR("new", c->sdp);
	}
	CHECK_INT(4, got(&w, "SIP/2.0 200"));
	CHECK(strstr(newest(&w, "SIP/2.0 200"), "Session-Expires: 600;refresher=uac\r\nRequire: timer\r\n"));
	CHECK(strstr(newest(&w, "SIP/2.0 200"), "\r\nContact: <sip:10.0.0.1:5060>\r\n"));
	/* An owner who would have to think about it. */
	w.a.auto_reanswer = false;
	offer.cseq = 3;
	ask(&w, &offer);
	CHECK_INT(2, c->reoffer);
	CHECK_INT(504, status(&w));
	ask(&w, &(struct ask){ .method = "UPDATE", .cseq = 4, .extra = "Require: magic\n" });
	CHECK_INT(420, status(&w));
	ask(&w, &(struct ask){ .method = "UPDATE", .cseq = 5, .extra = "Supported: timer\nSession-Expires: 60\n" });
	CHECK_INT(422, status(&w));
	ask(&w, &(struct ask){ .method = "UPDATE", .cseq = 4 });
	CHECK_INT(500, status(&w)); /* out of order */
	/* The target moves with it. */
	ask(&w, &(struct ask){ .method = "UPDATE", .cseq = 6, .user = "moved" });
	CHECK_INT(200, status(&w));
	our_tag[0] = 'x';
	ask(&w, &(struct ask){ .method = "UPDATE", .cseq = 7 });
	CHECK_INT(481, status(&w));
	CHECK(!c->closed);
	sip_session_hangup(c->s, STR(""));
	run(&w, 1);
	CHECK(begins(newest(&w, "BYE "), "BYE sip:moved@10.0.0.3:5060 "));
	world_close(&w);
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
	const struct options o = { .timeout_a_s = 600, .delay_ms = 10 };
	struct phone_call *c, *far;
	struct world w;

	world_open(&w, &o);
	c = talk(&w, &far);
	w.a.auto_reanswer = w.b.auto_reanswer = true;
	CHECK_INT(EINVAL, sip_session_update(c->s, STR("")));
	CHECK_INT(0, sip_session_update(c->s, STR("by update")));
	CHECK_INT(EBUSY, sip_session_reinvite(c->s, STR("x")));
	run(&w, 100);
	CHECK_INT(1, w.updates_a);
	CHECK_STR("by update", far->sdp);
	CHECK_INT(200, c->last_reinvited);
	CHECK_STR("reanswer", c->sdp);
	/* Refused: the old session stands. */
	w.b.auto_reanswer = false;
	w.b.on_event = rerefuse_inside;
	CHECK_INT(0, sip_session_update(c->s, STR("odd")));
	run(&w, 100);
	CHECK_INT(488, c->last_reinvited);
	CHECK(!c->closed && !far->closed);
	w.b.on_event = hang_up_inside;
	CHECK_INT(0, sip_session_update(c->s, STR("odd")));
	run(&w, 100);
	CHECK_INT(1, c->closed);
	CHECK_INT(1, far->closed);
	world_close(&w);
}

/* --- glare --- */

static void glare_of_all_kinds(void **state)
{
	for (int kind = 0; kind < 4; kind++) {
		const struct options o = { .delay_ms = 10 };
		struct phone_call *c, *far;
		struct world w;

		world_open(&w, &o);
		c = talk(&w, &far);
		w.a.auto_reanswer = w.b.auto_reanswer = true;
		CHECK_INT(0, kind & 1 ? sip_session_update(c->s, STR("a")) : sip_session_reinvite(c->s, STR("a")));
		CHECK_INT(0, kind & 2 ? sip_session_update(far->s, STR("b")) : sip_session_reinvite(far->s, STR("b")));
		run(&w, 2090);
		CHECK_INT(2, w.pending);
		CHECK_INT(1, far->reinvited); /* not the owner of the Call-ID: first */
		CHECK_INT(200, far->last_reinvited);
		CHECK_INT(0, c->reinvited);
		/* Who waits may say something else by then. */
		CHECK_INT(0, sip_session_reinvite(c->s, STR("a, after that")));
		run(&w, 2500);
		CHECK_INT(1, c->reinvited);
		CHECK_INT(200, c->last_reinvited);
		CHECK_STR("a, after that", far->sdp);
		CHECK_INT(2, w.pending);
		world_close(&w);
	}
}

static void both_wait_in_steps_of_10_ms(void **state)
{
	uint64_t least[2] = { UINT64_MAX, UINT64_MAX }, most[2] = { 0, 0 };

	for (uint64_t seed = 1; seed <= 200; seed++) {
		const struct options o = { .seed = seed };
		struct phone_call *c, *far;
		uint64_t start, waited[2];
		struct world w;

		world_open(&w, &o);
		c = talk(&w, &far);
		w.a.auto_reanswer = w.b.auto_reanswer = true;
		start = loop_now_ms(w.loop);
		sip_session_reinvite(c->s, STR("a"));
		sip_session_reinvite(far->s, STR("b"));
		run(&w, 4500);
		CHECK_INT(1, c->reinvited);
		CHECK_INT(1, far->reinvited);
		waited[0] = w.invite_a_ms - start;
		waited[1] = w.invite_b_ms - start;
		for (int side = 0; side < 2; side++) {
			CHECK_INT(0, waited[side] % 10);
			least[side] = waited[side] < least[side] ? waited[side] : least[side];
			most[side] = waited[side] > most[side] ? waited[side] : most[side];
		}
		world_close(&w);
	}
	CHECK(least[0] >= 2100 && least[0] < 2150);
	CHECK(most[0] <= 4000 && most[0] > 3950);
	CHECK(least[1] < 50);
	CHECK(most[1] <= 2000 && most[1] > 1950);
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
		TEST(an_offer_in_every_place),
		TEST(an_update_while_we_call),
		TEST(an_update_before_the_answer),
		TEST(an_update_before_their_answer),
		TEST(an_update_in_a_call),
		TEST(an_update_of_ours),
		TEST(glare_of_all_kinds),
		TEST(both_wait_in_steps_of_10_ms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

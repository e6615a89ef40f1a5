/* One stack of ours against hand-written messages: what it answers on sight, forks, routes, old peers. */
#include "check.h"

#include <errno.h>
#include <stdlib.h>

#include "fake_dns.h"
#include "fake_net.h"
#include "fake_phone.h"

enum { MAX_GOT = 64 };

struct world {
	struct loop *loop;
	struct fake_net *net;
	struct fake_dns *dns;
	struct phone b;    /* 10.0.0.2, ours */
	struct wire *wire; /* 10.0.0.3:5060, by hand */
	struct addr here, there;
	char *got[MAX_GOT];
	size_t count;
	char text[8192];
};

static void on_bytes(void *arg, struct wire *wire, const struct addr *from, const char *data, size_t n)
{
	struct world *w = arg;

	if (w->count < MAX_GOT)
		w->got[w->count++] = strndup(data, n);
}

static void world_open(struct world *w)
{
	static const struct wire_handlers handlers = { .bytes = on_bytes };
	struct phone_opts opts = { .address = "10.0.0.2" };
	struct net *net;

	memset(w, 0, sizeof(*w));
	if (loop_new(&w->loop, true, 11) || fake_net_new(&w->net, w->loop) || fake_dns_new(&w->dns, w->loop))
		abort();
	opts.loop = w->loop;
	opts.net = fake_net_host(w->net, "10.0.0.2");
	opts.dns = fake_dns_door(w->dns);
	phone_open(&w->b, &opts);
	net = fake_net_host(w->net, "10.0.0.3");
	if (addr_parse(&w->here, STR("10.0.0.3"), 5060) || addr_parse(&w->there, STR("10.0.0.2"), 5060) ||
	    net->ops->udp_open(net, &w->wire, &w->here, &handlers, w))
		abort();
}

static void forget(struct world *w)
{
	while (w->count)
		free(w->got[--w->count]);
}

static void world_close(struct world *w)
{
	loop_run_until(w->loop, loop_now_ms(w->loop) + 700000);
	CHECK_INT(0, phone_alive(&w->b, true));
	CHECK_INT(0, loop_timer_count(w->loop));
	for (size_t i = 0; i < w->b.call_count; i++)
		CHECK_INT(1, phone_call_at(&w->b, i)->closed);
	phone_close(&w->b);
	w->wire->ops->close(w->wire);
	forget(w);
	fake_dns_free(&w->dns);
	fake_net_free(&w->net);
	loop_free(&w->loop);
}

static void run(struct world *w, uint64_t ms)
{
	loop_run_until(w->loop, loop_now_ms(w->loop) + ms);
}

/* Line ends of text become CRLF. */
static void say(struct world *w, const char *text)
{
	struct buf b;

	buf_init(&b, 0);
	for (; *text; text++) {
		if (*text == '\n')
			buf_char(&b, '\r');
		buf_char(&b, *text);
	}
	w->wire->ops->send(w->wire, &w->there, b.data, b.len);
	buf_free(&b);
	run(w, 1);
}

struct request {
	const char *method, *branch, *to_tag, *call_id, *extra, *body;
	unsigned cseq;
};

static void ask(struct world *w, const struct request *r)
{
	const char *body = r->body ? r->body : "";
	const char *cseq_method = r->method;

	snprintf(w->text, sizeof(w->text),
		 "%s sip:bob@10.0.0.2 SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.3:5060;branch=%s\nMax-Forwards: 70\n"
		 "From: <sip:x@10.0.0.3>;tag=ft\nTo: <sip:bob@10.0.0.2>%s%s\nCall-ID: %s\nCSeq: %u %s\n"
		 "%s%sContent-Length: %zu\n\n%s",
		 r->method, r->branch ? r->branch : "z9hG4bK1", r->to_tag ? ";tag=" : "", r->to_tag ? r->to_tag : "",
		 r->call_id ? r->call_id : "c1", r->cseq ? r->cseq : 1, cseq_method,
		 strcmp(r->method, "INVITE") ? "" : "Contact: <sip:x@10.0.0.3:5060>\n", r->extra ? r->extra : "",
		 strlen(body), body);
	say(w, w->text);
}

/* The newest message we got, or "". */
static const char *last(const struct world *w)
{
	return w->count ? w->got[w->count - 1] : "";
}

static bool begins(const char *text, const char *start)
{
	return !strncmp(text, start, strlen(start));
}

static size_t count_of(const struct world *w, const char *start)
{
	size_t n = 0;

	for (size_t i = 0; i < w->count; i++)
		n += begins(w->got[i], start);
	return n;
}

/* Our tag in a message: the parameter behind its To header (or From, for requests of ours). */
static void tag_in(const char *message, const char *header, char out[40])
{
	const char *p = strstr(message, header);
	size_t n;

	p = p ? strstr(p, ";tag=") : NULL;
	out[0] = '\0';
	if (!p)
		return;
	p += 5;
	n = strcspn(p, "\r;");
	snprintf(out, 40, "%.*s", (int)n, p);
}

static void answers_on_sight(void **state)
{
	static const struct {
		struct request r;
		const char *status, *has;
	} rows[] = {
		{ { .method = "OPTIONS" }, "SIP/2.0 200 OK", "Accept: application/sdp" },
		{ { .method = "OPTIONS" },
		  "SIP/2.0 200 OK",
		  "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, NOTIFY, REFER" },
		{ { .method = "MESSAGE", .extra = "Content-Type: text/plain\n", .body = "hi" },
		  "SIP/2.0 405 ",
		  "Allow: " },
		{ { .method = "REGISTER" }, "SIP/2.0 405 ", "Allow: " },
		{ { .method = "REFER", .extra = "Refer-To: <sip:a@b>\n" }, "SIP/2.0 403 ", NULL },
		{ { .method = "REFER", .to_tag = "nope" }, "SIP/2.0 481 ", NULL },
		{ { .method = "FROBNICATE" }, "SIP/2.0 501 ", "Allow: " },
		{ { .method = "BYE", .to_tag = "nope" }, "SIP/2.0 481 ", NULL },
		{ { .method = "BYE" }, "SIP/2.0 481 ", NULL },
		{ { .method = "INFO", .to_tag = "nope" }, "SIP/2.0 481 ", NULL },
		{ { .method = "INVITE", .to_tag = "nope" }, "SIP/2.0 481 ", NULL },
		{ { .method = "CANCEL" }, "SIP/2.0 481 ", NULL },
		{ { .method = "INVITE", .extra = "Require: 100rel, foo\n" }, "SIP/2.0 420 ", "Unsupported: foo" },
		{ { .method = "INVITE", .extra = "Require: bar, foo\n" }, "SIP/2.0 420 ", "Unsupported: bar" },
		{ { .method = "INVITE", .extra = "Content-Type: text/plain\n", .body = "x" },
		  "SIP/2.0 415 ",
		  "Accept: application/sdp" },
		{ { .method = "INVITE",
		    .extra = "Content-Type: application/sdp\nContent-Encoding: gzip\n",
		    .body = "x" },
		  "SIP/2.0 415 ",
		  "Accept-Encoding: identity" },
		{ { .method = "INVITE", .extra = "Accept: text/plain, application/pidf+xml\n" }, "SIP/2.0 406 ", NULL },
		{ { .method = "INVITE", .extra = "Max-Forwards: 5\n" }, "SIP/2.0 400 ", NULL },
	};
	struct world w;
	char first[40], second[40];

	world_open(&w);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ask(&w, &rows[i].r);
		CHECK_INT(1, w.count);
		if (!begins(last(&w), rows[i].status) || (rows[i].has && !strstr(last(&w), rows[i].has)))
			fprintf(stderr, "row %zu: %s\n", i, last(&w));
		CHECK(begins(last(&w), rows[i].status));
		CHECK(!rows[i].has || strstr(last(&w), rows[i].has));
		CHECK(strstr(last(&w), "\r\nServer: phone\r\n"));
		CHECK_INT(0, phone_alive(&w.b, true)); /* without state */
		tag_in(last(&w), "\r\nTo: ", first);
		forget(&w);
		ask(&w, &rows[i].r); /* again: the same tag */
		tag_in(last(&w), "\r\nTo: ", second);
		CHECK(first[0]);
		CHECK_STR(first, second);
		forget(&w);
	}
	ask(&w, &(struct request){ .method = "ACK" });
	ask(&w, &(struct request){ .method = "ACK", .to_tag = "nope" });
	ask(&w, &(struct request){ .method = "ACK", .extra = "From: <sip:twice@x>\n" });
	CHECK_INT(0, w.count);
	w.b.unknown = true;
	ask(&w, &(struct request){ .method = "INVITE" });
	CHECK(begins(last(&w), "SIP/2.0 403 "));
	ask(&w, &(struct request){ .method = "OPTIONS" });
	CHECK(begins(last(&w), "SIP/2.0 403 "));
	ask(&w, &(struct request){ .method = "INVITE", .extra = "From: <sip:twice@x>\n" });
	CHECK(begins(last(&w), "SIP/2.0 400 "));
	world_close(&w);
}

/* RFC 2543 knew INVITEs without Contact (RFC 4475 §3.4.1): the From URI is where the caller is reached. */
static void an_invite_without_contact_is_reached_at_its_from(void **state)
{
	struct world w;
	char tag[40];

	world_open(&w);
	w.b.auto_answer = true;
	say(&w, "INVITE sip:bob@10.0.0.2 SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.3;branch=z9hG4bKq\nMax-Forwards: 70\n"
		"From: <sip:x@10.0.0.3>;tag=ft\nTo: <sip:bob@10.0.0.2>\nCall-ID: c1\nCSeq: 1 INVITE\n\n");
	CHECK(begins(last(&w), "SIP/2.0 200 "));
	tag_in(last(&w), "\r\nTo: ", tag);
	ask(&w, &(struct request){ .method = "ACK", .branch = "z9hG4bKr", .to_tag = tag });
	phone_hangup(phone_call_at(&w.b, 0), STR(""));
	run(&w, 10);
	CHECK(begins(last(&w), "BYE sip:x@10.0.0.3 SIP/2.0\r\n"));
	world_close(&w);
}

/* RFC 6086 §2: keys come as INFO of no package. A repetition is not another one. */
static void info_is_told_once(void **state)
{
	static const struct {
		const char *extra, *body, *status, *has;
		int told;
	} rows[] = {
		{ "Content-Type: application/dtmf-relay\n", "Signal=5", "SIP/2.0 200 ", NULL, 1 },
		{ "c: application/DTMF-relay ; x=y\n", "Signal=6", "SIP/2.0 200 ", NULL, 2 },
		{ NULL, NULL, "SIP/2.0 200 ", NULL, 2 },
		{ "Content-Type: text/plain\n", "hi", "SIP/2.0 415 ", "Accept: application/dtmf-relay, ", 2 },
		{ NULL, "hi", "SIP/2.0 415 ", "Accept: application/dtmf-relay, ", 2 },
		{ "Info-Package: foo\nContent-Type: application/dtmf-relay\n", "Signal=5", "SIP/2.0 469 ",
		  "Recv-Info: nil", 2 },
	};
	struct world w;
	char tag[40];

	world_open(&w);
	w.b.auto_answer = true;
	ask(&w, &(struct request){ .method = "INVITE" });
	tag_in(last(&w), "\r\nTo: ", tag);
	ask(&w, &(struct request){ .method = "ACK", .branch = "z9hG4bKr", .to_tag = tag });
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char branch[20];
		struct request r = { .method = "INFO",
				     .branch = branch,
				     .to_tag = tag,
				     .extra = rows[i].extra,
				     .body = rows[i].body,
				     .cseq = (unsigned)(2 + i) };

		snprintf(branch, sizeof(branch), "z9hG4bKinfo%zu", i);
		for (unsigned again = 0; again < 3; again++) {
			forget(&w);
			ask(&w, &r);
			CHECK(begins(last(&w), rows[i].status));
			CHECK(!rows[i].has || strstr(last(&w), rows[i].has));
			CHECK_INT(rows[i].told, phone_call_at(&w.b, 0)->info);
		}
	}
	CHECK_STR("Signal=6", phone_call_at(&w.b, 0)->sdp);
	ask(&w, &(struct request){ .method = "BYE", .branch = "z9hG4bKt", .to_tag = tag, .cseq = 20 });
	world_close(&w);
}

/* When datagrams pile up new calls are refused without a trace; calls that stand go on. */
static void a_crowded_server_sheds_new_calls_only(void **state)
{
	struct sip_stack_counts counts;
	struct world w;
	char tag[40];

	world_open(&w);
	w.b.auto_answer = true;
	ask(&w, &(struct request){ .method = "INVITE" });
	tag_in(last(&w), "\r\nTo: ", tag);
	ask(&w, &(struct request){ .method = "ACK", .branch = "z9hG4bKr", .to_tag = tag });
	fake_net_crowd(w.net, 600);
	run(&w, 10);
	ask(&w, &(struct request){ .method = "INVITE", .branch = "z9hG4bKs", .call_id = "c2" });
	CHECK(begins(last(&w), "SIP/2.0 503 "));
	CHECK(strstr(last(&w), "\r\nRetry-After: 5\r\n"));
	fake_net_crowd(w.net, 300); /* better, but not good yet */
	run(&w, 10);
	ask(&w, &(struct request){ .method = "INVITE", .branch = "z9hG4bKs", .call_id = "c2" });
	CHECK(begins(last(&w), "SIP/2.0 503 "));
	ask(&w, &(struct request){ .method = "BYE", .branch = "z9hG4bKt", .to_tag = tag, .cseq = 2 });
	CHECK(begins(last(&w), "SIP/2.0 200 "));
	CHECK_INT(1, w.b.call_count);
	fake_net_crowd(w.net, 100);
	run(&w, 10);
	w.b.auto_answer = false;
	w.b.auto_refuse = 486;
	ask(&w, &(struct request){ .method = "INVITE", .branch = "z9hG4bKu", .call_id = "c3" });
	CHECK(begins(last(&w), "SIP/2.0 486 "));
	ask(&w, &(struct request){ .method = "ACK", .branch = "z9hG4bKu", .call_id = "c3" });
	sip_stack_count(w.b.stack, &counts);
	CHECK_INT(2, counts.shed);
	world_close(&w);
}

static void an_unknown_extension_is_refused_for_every_method(void **state)
{
	struct world w;

	world_open(&w);
	ask(&w, &(struct request){ .method = "OPTIONS", .extra = "Require: nothing\n" });
	CHECK(begins(last(&w), "SIP/2.0 420 "));
	CHECK(strstr(last(&w), "\r\nUnsupported: nothing\r\n"));
	world_close(&w);
}

static void merged_and_repeated_invites(void **state)
{
	char tag[40];
	struct world w;

	world_open(&w);
	w.b.auto_ring = 180;
	ask(&w, &(struct request){ .method = "INVITE", .branch = "z9hG4bKa" });
	CHECK_INT(2, w.count);
	CHECK(begins(w.got[0], "SIP/2.0 100 "));
	CHECK(begins(w.got[1], "SIP/2.0 180 "));
	CHECK(strstr(w.got[1], "\r\nContact: <sip:10.0.0.2:5060>\r\n"));
	ask(&w, &(struct request){ .method = "INVITE", .branch = "z9hG4bKa" });
	CHECK_INT(3, w.count);
	CHECK(begins(last(&w), "SIP/2.0 180 "));
	CHECK_INT(1, w.b.call_count);
	ask(&w, &(struct request){ .method = "INVITE", .branch = "z9hG4bKb" }); /* by another path */
	CHECK(begins(last(&w), "SIP/2.0 482 "));
	ask(&w, &(struct request){ .method = "CANCEL", .branch = "z9hG4bKother" });
	CHECK(begins(last(&w), "SIP/2.0 481 "));
	forget(&w);
	ask(&w, &(struct request){ .method = "CANCEL", .branch = "z9hG4bKa" });
	CHECK_INT(2, w.count);
	CHECK(begins(w.got[0], "SIP/2.0 200 "));
	CHECK(begins(w.got[1], "SIP/2.0 487 "));
	tag_in(w.got[1], "\r\nTo: ", tag);
	CHECK(strstr(w.got[0], tag));
	run(&w, 1200); /* timer G: 0.5 and 1 s */
	CHECK_INT(3, count_of(&w, "SIP/2.0 487 ") + 1);
	ask(&w, &(struct request){ .method = "ACK", .branch = "z9hG4bKa", .to_tag = tag });
	forget(&w);
	run(&w, 4000);
	CHECK_INT(0, w.count);
	world_close(&w);
}

static void a_call_by_an_old_peer(void **state)
{
	char tag[40];
	struct world w;

	world_open(&w);
	w.b.auto_refuse = 486;
	ask(&w, &(struct request){ .method = "INVITE", .branch = "1" });
	ask(&w, &(struct request){ .method = "INVITE", .branch = "1" });
	CHECK_INT(1, w.b.call_count);
	CHECK_INT(2, count_of(&w, "SIP/2.0 486 "));
	tag_in(last(&w), "\r\nTo: ", tag);
	ask(&w, &(struct request){ .method = "ACK", .branch = "1", .to_tag = tag });
	forget(&w);
	run(&w, 4000);
	CHECK_INT(0, w.count);
	world_close(&w);
}

/* Accept a call by hand; the tag of ours comes out. */
static void open_call(struct world *w, char tag[40], const char *extra)
{
	w->b.auto_answer = true;
	ask(w, &(struct request){ .method = "INVITE", .branch = "z9hG4bKcall", .extra = extra });
	CHECK(begins(last(w), "SIP/2.0 200 "));
	tag_in(last(w), "\r\nTo: ", tag);
	ask(w, &(struct request){ .method = "ACK", .branch = "z9hG4bKack", .to_tag = tag });
	CHECK_INT(1, phone_call_at(&w->b, 0)->confirmed);
}

static void requests_in_a_dialog(void **state)
{
	static const char sdp[] = "Content-Type: application/sdp\n";
	struct phone_call *c;
	struct world w;
	char tag[40];

	world_open(&w);
	open_call(&w, tag, NULL);
	c = phone_call_at(&w.b, 0);
	ask(&w, &(struct request){ .method = "MESSAGE", .branch = "z9hG4bKi", .to_tag = tag, .cseq = 2 });
	CHECK(begins(last(&w), "SIP/2.0 405 "));
	ask(&w, &(struct request){ .method = "OPTIONS", .branch = "z9hG4bKo", .to_tag = tag, .cseq = 3 });
	CHECK(begins(last(&w), "SIP/2.0 200 "));
	ask(&w, &(struct request){ .method = "BYE", .branch = "z9hG4bKl", .to_tag = tag, .cseq = 2 });
	CHECK(begins(last(&w), "SIP/2.0 500 ")); /* an old CSeq */
	ask(&w,
	    &(struct request){
		    .method = "INVITE", .branch = "z9hG4bKr", .to_tag = tag, .cseq = 4, .extra = sdp, .body = "one" });
	CHECK_INT(1, c->reoffer);
	ask(&w,
	    &(struct request){
		    .method = "INVITE", .branch = "z9hG4bKs", .to_tag = tag, .cseq = 5, .extra = sdp, .body = "two" });
	CHECK(begins(last(&w), "SIP/2.0 500 "));
	CHECK(strstr(last(&w), "\r\nRetry-After: "));
	ask(&w, &(struct request){ .method = "CANCEL", .branch = "z9hG4bKr", .to_tag = tag, .cseq = 4 });
	CHECK(begins(last(&w), "SIP/2.0 487 "));
	ask(&w, &(struct request){ .method = "ACK", .branch = "z9hG4bKr", .to_tag = tag, .cseq = 4 });
	sip_session_reanswer(c->s, STR("too late"));
	CHECK_INT(0, c->closed);
	w.b.auto_reanswer = true; /* offerless: the answer is in the ACK */
	ask(&w, &(struct request){ .method = "INVITE", .branch = "z9hG4bKt", .to_tag = tag, .cseq = 6 });
	CHECK(begins(last(&w), "SIP/2.0 200 "));
	ask(&w, &(struct request){ .method = "INVITE", .branch = "z9hG4bKu", .to_tag = tag, .cseq = 7 });
	CHECK(begins(last(&w), "SIP/2.0 491 "));
	ask(&w,
	    &(struct request){
		    .method = "ACK", .branch = "z9hG4bKv", .to_tag = tag, .cseq = 6, .extra = sdp, .body = "theirs" });
	CHECK_INT(1, c->reanswered);
	CHECK_STR("theirs", c->sdp);
	ask(&w, &(struct request){ .method = "BYE",
				   .branch = "z9hG4bKb",
				   .to_tag = tag,
				   .cseq = 8,
				   .extra = "Reason: Q.850;cause=16\n" });
	CHECK(begins(last(&w), "SIP/2.0 200 "));
	ask(&w, &(struct request){ .method = "BYE", .branch = "z9hG4bKb", .to_tag = tag, .cseq = 8 });
	CHECK(begins(last(&w), "SIP/2.0 200 ")); /* from the transaction: the session has gone */
	CHECK_INT(1, c->closed);
	CHECK_STR("Q.850;cause=16", c->reason_header);
	world_close(&w);
}

static void routes_are_followed(void **state)
{
	static const struct {
		const char *record_route, *start, *routes;
	} rows[] = {
		{ "Record-Route: <sip:10.0.0.3;lr;a=1>\nRecord-Route: <sip:10.9.9.9;lr>\n",
		  "BYE sip:x@10.0.0.3:5060 SIP/2.0",
		  "\r\nRoute: <sip:10.0.0.3;lr;a=1>\r\nRoute: <sip:10.9.9.9;lr>\r\n" },
		{ "Record-Route: <sip:10.0.0.3>, <sip:10.9.9.9;lr>\n", "BYE sip:10.0.0.3 SIP/2.0",
		  "\r\nRoute: <sip:10.9.9.9;lr>\r\nRoute: <sip:x@10.0.0.3:5060>\r\n" },
		{ NULL, "BYE sip:x@10.0.0.3:5060 SIP/2.0", "\r\nMax-Forwards: 70\r\nFrom: " },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;
		char tag[40];

		world_open(&w);
		open_call(&w, tag, rows[i].record_route);
		sip_session_hangup(phone_call_at(&w.b, 0)->s, STR(""));
		run(&w, 10);
		CHECK(begins(last(&w), rows[i].start));
		CHECK(strstr(last(&w), rows[i].routes));
		CHECK(strstr(last(&w), "\r\nCSeq: 1 BYE\r\n"));
		world_close(&w);
	}
}

static void an_unusable_contact_falls_back_to_the_source(void **state)
{
	struct world w;
	char tag[40];

	world_open(&w);
	open_call(&w, tag, "Record-Route: <sip:no.such.host;lr>\n");
	sip_session_hangup(phone_call_at(&w.b, 0)->s, STR(""));
	run(&w, 10);
	CHECK(begins(last(&w), "BYE sip:x@10.0.0.3:5060 SIP/2.0"));
	world_close(&w);
}

/* One of several addresses of the next hop is where the call came from: there it stays. */
static void a_dialog_keeps_its_address(void **state)
{
	struct world w;
	char tag[40];

	world_open(&w);
	fake_dns_add(w.dns, "edge.example", "10.0.0.9");
	fake_dns_add(w.dns, "edge.example", "10.0.0.3");
	open_call(&w, tag, "Record-Route: <sip:edge.example;lr>\n");
	sip_session_hangup(phone_call_at(&w.b, 0)->s, STR(""));
	run(&w, 10);
	CHECK(begins(last(&w), "BYE sip:x@10.0.0.3:5060 SIP/2.0"));
	world_close(&w);
}

/* Answer the newest request of ours with a response of our own making: its Via, From, Call-ID and CSeq back. */
static void respond(struct world *w, const char *request, const char *status, const char *to_tag, const char *extra)
{
	static const char *const names[] = { "\r\nVia: ", "\r\nFrom: ", "\r\nCall-ID: ", "\r\nCSeq: " };
	char out[4096];
	size_t n = (size_t)snprintf(out, sizeof(out), "SIP/2.0 %s", status);

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *line = strstr(request, names[i]) + 2;

		n += (size_t)snprintf(out + n, sizeof(out) - n, "\n%.*s", (int)strcspn(line, "\r"), line);
	}
	snprintf(out + n, sizeof(out) - n, "\nTo: <sip:y@10.0.0.3>;tag=%s\n%sContent-Length: 0\n\n", to_tag,
		 extra ? extra : "");
	say(w, out);
}

static void a_fork_with_two_answers(void **state)
{
	struct phone_call *c;
	struct world w;
	char *invite;

	world_open(&w);
	c = phone_dial(&w.b, "sip:y@10.0.0.3", WIRE_UDP);
	run(&w, 1);
	invite = strdup(last(&w));
	CHECK(begins(invite, "INVITE "));
	respond(&w, invite, "180 Ringing", "one", "Contact: <sip:one@10.0.0.3>\n");
	respond(&w, invite, "180 Ringing", "two", "Contact: <sip:two@10.0.0.3>\n");
	CHECK_INT(2, c->progress);
	forget(&w);
	respond(&w, invite, "200 OK", "one",
		"Contact: <sip:one@10.0.0.3>\nRecord-Route: <sip:10.8.8.8;lr>\nRecord-Route: <sip:10.0.0.3;lr>\n");
	CHECK_INT(1, c->answered);
	CHECK_INT(1, w.count);
	CHECK(begins(last(&w), "ACK sip:one@10.0.0.3 SIP/2.0"));
	CHECK(strstr(last(&w), "\r\nRoute: <sip:10.0.0.3;lr>\r\nRoute: <sip:10.8.8.8;lr>\r\n"));
	forget(&w);
	respond(&w, invite, "200 OK", "two", "Contact: <sip:two@10.0.0.3>\n");
	respond(&w, invite, "200 OK", "two", "Contact: <sip:two@10.0.0.3>\n");
	CHECK_INT(2, count_of(&w, "ACK sip:two@10.0.0.3 SIP/2.0"));
	CHECK_INT(1, count_of(&w, "BYE sip:two@10.0.0.3 SIP/2.0"));
	respond(&w, last(&w), "200 OK", "two", NULL); /* the ACK came last; nothing happens */
	CHECK_INT(1, c->answered);
	CHECK_INT(0, c->closed);
	forget(&w);
	respond(&w, invite, "200 OK", "one", "Contact: <sip:one@10.0.0.3>\n");
	CHECK_INT(1, w.count); /* its ACK got lost: once more, nothing else */
	CHECK(begins(last(&w), "ACK sip:one@10.0.0.3 SIP/2.0"));
	sip_session_hangup(c->s, STR(""));
	run(&w, 10);
	CHECK(begins(last(&w), "BYE sip:one@10.0.0.3 SIP/2.0"));
	respond(&w, last(&w), "481 Gone", "one", NULL);
	run(&w, 10);
	CHECK_INT(1, c->closed);
	free(invite);
	world_close(&w);
}

static void a_2xx_after_we_gave_up(void **state)
{
	struct phone_call *c;
	struct world w;
	char *invite;

	world_open(&w);
	c = phone_dial(&w.b, "sip:y@10.0.0.3", WIRE_UDP);
	run(&w, 1);
	invite = strdup(last(&w));
	respond(&w, invite, "180 Ringing", "one", NULL);
	sip_session_hangup(c->s, STR(""));
	CHECK(begins(last(&w), "INVITE "));
	run(&w, 33000); /* neither CANCEL nor INVITE is answered */
	CHECK_INT(1, c->closed);
	CHECK_INT(SIP_BY_US, c->who);
	forget(&w);
	respond(&w, invite, "200 OK", "one", "Contact: <sip:one@10.0.0.3>\n");
	CHECK_INT(1, count_of(&w, "ACK sip:one@10.0.0.3 SIP/2.0"));
	CHECK_INT(1, count_of(&w, "BYE sip:one@10.0.0.3 SIP/2.0"));
	free(invite);
	world_close(&w);
}

static void refusals_are_acknowledged_hop_by_hop(void **state)
{
	struct phone_call *c;
	struct world w;
	char *invite;

	world_open(&w);
	c = phone_dial(&w.b, "sip:y@10.0.0.3", WIRE_UDP);
	run(&w, 1);
	invite = strdup(last(&w));
	forget(&w);
	respond(&w, invite, "302 Moved", "one", "Contact: <sip:else@10.0.0.4>\nReason: Q.850;cause=23\n");
	CHECK_INT(1, w.count);
	CHECK(begins(last(&w), "ACK sip:y@10.0.0.3 SIP/2.0"));
	CHECK(strstr(last(&w), "\r\nTo: <sip:y@10.0.0.3>;tag=one\r\n"));
	CHECK(!strncmp(strstr(last(&w), "\r\nVia: "), strstr(invite, "\r\nVia: "), 60));
	CHECK_INT(1, c->closed);
	CHECK_INT(302, c->status);
	CHECK_STR("302 Moved", c->why);
	CHECK_STR("Q.850;cause=23", c->reason_header);
	respond(&w, invite, "302 Moved", "one", NULL);
	CHECK_INT(2, w.count);
	free(invite);
	world_close(&w);
}

static void answers_go_where_the_via_says(void **state)
{
	struct addr odd;
	struct world w;
	const char text[] = "OPTIONS sip:bob@10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP 10.7.7.7:5060;branch=z9hG4bKz\r\n"
			    "Max-Forwards: 70\r\nFrom: <sip:x@10.0.0.3>;tag=ft\r\nTo: <sip:bob@10.0.0.2>\r\n"
			    "Call-ID: c\r\nCSeq: 1 OPTIONS\r\n\r\n";

	world_open(&w);
	if (addr_parse(&odd, STR("10.0.0.3"), 9999))
		abort();
	/* No rport: the source's address, the Via's port. */
	fake_net_inject(w.net, &odd, &w.there, text, sizeof(text) - 1);
	run(&w, 1);
	CHECK(begins(last(&w), "SIP/2.0 200 "));
	CHECK(strstr(last(&w), ";received=10.0.0.3"));
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answers_on_sight),
		TEST(an_invite_without_contact_is_reached_at_its_from),
		TEST(info_is_told_once),
		TEST(a_crowded_server_sheds_new_calls_only),
		TEST(an_unknown_extension_is_refused_for_every_method),
		TEST(merged_and_repeated_invites),
		TEST(a_call_by_an_old_peer),
		TEST(requests_in_a_dialog),
		TEST(routes_are_followed),
		TEST(an_unusable_contact_falls_back_to_the_source),
		TEST(a_dialog_keeps_its_address),
		TEST(a_fork_with_two_answers),
		TEST(a_2xx_after_we_gave_up),
		TEST(refusals_are_acknowledged_hop_by_hop),
		TEST(answers_go_where_the_via_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SIP over WebSocket: one stack of ours against a hand-written browser. A frame is a message, the browser's Contact names
 * nothing, and its connection is the only way to it. */
#include "check.h"

#include <errno.h>
#include <stdlib.h>

#include "fake_dns.h"
#include "fake_net.h"
#include "fake_phone.h"

enum { MAX_GOT = 32 };

struct browser {
	struct wire *wire;
	char *got[MAX_GOT];
	size_t count;
	int closed;
};

struct world {
	struct loop *loop;
	struct fake_net *net;
	struct fake_dns *dns;
	struct phone b; /* 10.0.0.2, ours */
	struct browser alice, again;
};

static void on_bytes(void *arg, struct wire *wire, const struct addr *from, const char *data, size_t n)
{
	struct browser *a = arg;

	if (a->count < MAX_GOT)
		a->got[a->count++] = strndup(data, n);
}

static void on_closed(void *arg, struct wire *w, int err, const char *why)
{
	struct browser *a = arg;

	a->closed++;
	a->wire = NULL;
}

static void run(struct world *w, uint64_t ms)
{
	loop_run_until(w->loop, loop_now_ms(w->loop) + ms);
}

static void connect_browser(struct world *w, struct browser *a, enum wire_kind kind)
{
	static const struct wire_handlers handlers = { .bytes = on_bytes, .closed = on_closed };
	struct net *net = fake_net_host(w->net, "10.0.0.3");
	struct addr to;

	if (addr_parse(&to, STR("10.0.0.2"), kind == WIRE_WS ? 8080 : 8443) ||
	    net->ops->connect(net, &a->wire, kind, NULL, &to, &handlers, a))
		abort();
	run(w, 10);
}

static void world_open(struct world *w, enum wire_kind kind)
{
	struct phone_opts opts = { .address = "10.0.0.2" };

	memset(w, 0, sizeof(*w));
	if (loop_new(&w->loop, true, 21) || fake_net_new(&w->net, w->loop) || fake_dns_new(&w->dns, w->loop))
		abort();
	opts.loop = w->loop;
	opts.net = fake_net_host(w->net, "10.0.0.2");
	opts.dns = fake_dns_door(w->dns);
	w->b.web = true;
	phone_open(&w->b, &opts);
	connect_browser(w, &w->alice, kind);
}

static void forget(struct browser *a)
{
	while (a->count)
		free(a->got[--a->count]);
}

static void leave(struct browser *a)
{
	if (a->wire)
		a->wire->ops->close(a->wire);
	a->wire = NULL;
	forget(a);
}

static void world_close(struct world *w)
{
	leave(&w->alice);
	leave(&w->again);
	run(w, 100000);
	CHECK_INT(0, phone_alive(&w->b, true));
	CHECK_INT(0, loop_timer_count(w->loop));
	for (size_t i = 0; i < w->b.call_count; i++)
		CHECK_INT(1, phone_call_at(&w->b, i)->closed);
	phone_close(&w->b);
	fake_dns_free(&w->dns);
	fake_net_free(&w->net);
	loop_free(&w->loop);
}

/* Line ends of text become CRLF; one frame. */
static void say(struct world *w, struct browser *a, const char *text)
{
	struct buf b;

	buf_init(&b, 0);
	for (; *text; text++) {
		if (*text == '\n')
			buf_char(&b, '\r');
		buf_char(&b, *text);
	}
	CHECK_INT(0, a->wire->ops->send(a->wire, NULL, b.data, b.len));
	buf_free(&b);
	run(w, 5);
}

struct request {
	const char *method, *to_tag, *extra, *body;
	unsigned cseq;
	bool bare; /* without Content-Length */
};

static void print(char *out, size_t size, const struct request *r)
{
	const char *body = r->body ? r->body : "";
	char length[40] = "";

	if (!r->bare)
		snprintf(length, sizeof(length), "Content-Length: %zu\n", strlen(body));
	snprintf(out, size,
		 "%s sip:bob@10.0.0.2;transport=ws SIP/2.0\nVia: SIP/2.0/WS df7jal23ls0d.invalid;branch=z9hG4bK%s%u\n"
		 "Max-Forwards: 70\nFrom: <sip:alice@example.test>;tag=ft\nTo: <sip:bob@example.test>%s%s\n"
		 "Call-ID: c1\nCSeq: %u %s\nContact: <sip:alice@df7jal23ls0d.invalid;transport=ws>\n%s%s\n%s",
		 r->method, r->method, r->cseq, r->to_tag ? ";tag=" : "", r->to_tag ? r->to_tag : "",
		 r->cseq ? r->cseq : 1, r->method, r->extra ? r->extra : "", length, body);
}

static void ask(struct world *w, struct browser *a, const struct request *r)
{
	char text[2048];

	print(text, sizeof(text), r);
	say(w, a, text);
}

static const char *last(const struct browser *a)
{
	return a->count ? a->got[a->count - 1] : "";
}

static bool begins(const char *text, const char *start)
{
	return !strncmp(text, start, strlen(start));
}

static void tag_of(const char *message, char out[40])
{
	const char *p = strstr(message, "\r\nTo: ");

	p = p ? strstr(p, ";tag=") : NULL;
	out[0] = '\0';
	if (p)
		str_copy(out, 40, (struct str){ p + 5, strcspn(p + 5, "\r;>") });
}

static struct phone_call *talk(struct world *w, char tag[40])
{
	const struct request invite = {
		.method = "INVITE", .body = "offer", .extra = "Content-Type: application/sdp\n", .bare = true
	};
	struct request ack = { .method = "ACK" };

	w->b.auto_answer = true;
	ask(w, &w->alice, &invite);
	CHECK(begins(last(&w->alice), "SIP/2.0 200 "));
	tag_of(last(&w->alice), tag);
	ack.to_tag = tag;
	ask(w, &w->alice, &ack);
	CHECK_INT(1, phone_call_at(&w->b, 0)->confirmed);
	return phone_call_at(&w->b, 0);
}

static void frames_are_messages(void **state)
{
	static const char garbage[] = "hello there";
	struct world w;
	char text[4096];
	size_t n;

	world_open(&w, WIRE_WS);
	/* Two messages in a frame: one too many, and the second one is the end of nothing. */
	print(text, sizeof(text) / 2, &(struct request){ .method = "OPTIONS" });
	n = strlen(text);
	print(text + n, sizeof(text) - n, &(struct request){ .method = "OPTIONS", .cseq = 2 });
	say(&w, &w.alice, text);
	CHECK_INT(1, w.alice.count);
	CHECK(begins(last(&w.alice), "SIP/2.0 200 ") && strstr(last(&w.alice), "CSeq: 1 OPTIONS"));
	CHECK(strstr(last(&w.alice), "received=10.0.0.3") != NULL);
	/* Garbage is dropped, half a message refused as over UDP; the next frame is read all the same. */
	say(&w, &w.alice, garbage);
	CHECK_INT(1, w.alice.count);
	say(&w, &w.alice, "OPTIONS sip:bob@10.0.0.2 SIP/2.0\nVia: SIP/2.0/WS x;branch=z9hG4bKh\nCSeq: 7 OPTIONS\n\n");
	CHECK_INT(2, w.alice.count);
	CHECK(begins(last(&w.alice), "SIP/2.0 400 "));
	ask(&w, &w.alice, &(struct request){ .method = "OPTIONS", .cseq = 3, .bare = true });
	CHECK_INT(3, w.alice.count);
	CHECK(begins(last(&w.alice), "SIP/2.0 200 "));
	/* RFC 5626 §4.4.1: two CRLF want one back, one is an answer. */
	say(&w, &w.alice, "\n");
	CHECK_INT(3, w.alice.count);
	say(&w, &w.alice, "\n");
	CHECK_INT(3, w.alice.count);
	say(&w, &w.alice, "\n\n");
	CHECK_INT(4, w.alice.count);
	CHECK_STR("\r\n", last(&w.alice));
	CHECK_INT(0, w.alice.closed);
	world_close(&w);
}

static void requests_of_ours_take_the_callers_connection(void **state)
{
	for (enum wire_kind kind = WIRE_WS; kind <= WIRE_WSS; kind++) {
		const char *via =
			kind == WIRE_WS ? "Via: SIP/2.0/WS 10.0.0.2:8080;" : "Via: SIP/2.0/WSS 10.0.0.2:8443;";
		const char *contact = kind == WIRE_WS ? "Contact: <sip:10.0.0.2:8080;transport=ws>"
						      : "Contact: <sip:10.0.0.2:8443;transport=ws>";
		struct phone_call *c;
		struct world w;
		char tag[40];

		world_open(&w, kind);
		c = talk(&w, tag);
		CHECK(strstr(w.alice.got[w.alice.count - 1], contact) != NULL);
		phone_hangup(c, STR(""));
		run(&w, 5);
		CHECK(begins(last(&w.alice), "BYE sip:alice@df7jal23ls0d.invalid;transport=ws SIP/2.0"));
		CHECK(strstr(last(&w.alice), via) != NULL);
		leave(&w.alice);
		run(&w, 5);
		CHECK_INT(1, c->closed);
		CHECK_INT(SIP_BY_US, c->who);
		world_close(&w);
	}
}

static void a_lost_connection_ends_its_calls(void **state)
{
	struct phone_call *c;
	struct world w;
	char tag[40];

	world_open(&w, WIRE_WS);
	c = talk(&w, tag);
	fake_net_kill_connections(w.net);
	run(&w, 5);
	CHECK_INT(1, c->closed);
	CHECK_INT(SIP_BY_TRANSPORT, c->who);
	CHECK(c->was_answered);
	CHECK_STR("connection reset by peer", c->why);
	world_close(&w);
}

static void a_lost_connection_ends_a_call_that_rings(void **state)
{
	struct world w;

	world_open(&w, WIRE_WS);
	w.b.auto_ring = 180;
	ask(&w, &w.alice, &(struct request){ .method = "INVITE" });
	CHECK(begins(last(&w.alice), "SIP/2.0 180 "));
	leave(&w.alice);
	run(&w, 5);
	CHECK_INT(1, phone_call_at(&w.b, 0)->closed);
	CHECK_INT(SIP_BY_TRANSPORT, phone_call_at(&w.b, 0)->who);
	world_close(&w);
}

/* The network changed under the phone, and it was faster than the news of the old connection. */
static void a_call_follows_its_phone_to_another_connection(void **state)
{
	struct phone_call *c;
	struct world w;
	char tag[40];

	world_open(&w, WIRE_WS);
	c = talk(&w, tag);
	connect_browser(&w, &w.again, WIRE_WSS);
	ask(&w, &w.again, &(struct request){ .method = "OPTIONS", .cseq = 2, .to_tag = tag });
	CHECK(begins(last(&w.again), "SIP/2.0 200 "));
	leave(&w.alice);
	run(&w, 5);
	CHECK_INT(0, c->closed);
	phone_hangup(c, STR(""));
	run(&w, 5);
	CHECK(begins(last(&w.again), "BYE "));
	world_close(&w);
}

static void nobody_is_called_by_name(void **state)
{
	static const char *const uris[] = { "sip:alice@df7jal23ls0d.invalid;transport=ws",
					    "sip:alice@10.0.0.3;transport=ws" };

	for (size_t i = 0; i < ARRAY_LEN(uris); i++) {
		struct phone_call *c;
		struct world w;

		world_open(&w, WIRE_WS);
		c = phone_dial(&w.b, uris[i], WIRE_WS);
		assert_non_null(c);
		run(&w, 5);
		CHECK_INT(1, c->closed);
		CHECK_INT(SIP_BY_TRANSPORT, c->who);
		CHECK(strstr(c->why, "a phone on WebSocket is reached only by the connection that it opens") != NULL);
		world_close(&w);
	}
}

/* An opened page waits 10 minutes for its first message; who has spoken stays. */
static void who_has_spoken_stays(void **state)
{
	struct world w;

	world_open(&w, WIRE_WS);
	connect_browser(&w, &w.again, WIRE_WS);
	run(&w, 590000);
	ask(&w, &w.alice, &(struct request){ .method = "OPTIONS" });
	CHECK_INT(0, w.again.closed);
	run(&w, 20000);
	CHECK_INT(1, w.again.closed);
	run(&w, 3600000);
	CHECK_INT(0, w.alice.closed);
	world_close(&w);
}

/* A listener that a reload took away keeps the connections of its calls; the others go when they are idle. */
static void a_retired_listener_lets_idle_connections_go(void **state)
{
	struct sip_listen moved = { .kind = WIRE_WS };
	struct phone_call *c;
	char why[160], tag[40];
	struct world w;

	world_open(&w, WIRE_WS);
	c = talk(&w, tag);
	connect_browser(&w, &w.again, WIRE_WSS);
	ask(&w, &w.again, &(struct request){ .method = "OPTIONS", .cseq = 9 });
	CHECK_INT(0, addr_parse(&moved.addr, STR("10.0.0.2"), 9090));
	CHECK_INT(0, sip_stack_open(w.b.stack, &moved, 1, why));
	sip_stack_switch(w.b.stack, &moved, 1, NULL);
	ask(&w, &w.again, &(struct request){ .method = "OPTIONS", .cseq = 10 });
	CHECK(begins(last(&w.again), "SIP/2.0 503 "));
	run(&w, 1300000);
	CHECK_INT(1, w.again.closed);
	CHECK_INT(0, w.alice.closed + c->closed);
	phone_hangup(c, STR(""));
	run(&w, 1400000);
	CHECK_INT(1, w.alice.closed);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frames_are_messages),
		TEST(requests_of_ours_take_the_callers_connection),
		TEST(a_lost_connection_ends_its_calls),
		TEST(a_lost_connection_ends_a_call_that_rings),
		TEST(a_call_follows_its_phone_to_another_connection),
		TEST(nobody_is_called_by_name),
		TEST(who_has_spoken_stays),
		TEST(a_retired_listener_lets_idle_connections_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/loop.h"
#include "check.h"
#include "fake_net.h"
#include "net/stun.h"
#include "sip/sip_transport.h"

/* A transport at 10.0.0.2 and bare wires at 10.0.0.1 that play the peers. */

struct client {
	struct wire *wire;
	char in[4096];
	size_t n;
	unsigned closed;
};

struct world {
	struct loop *loop;
	struct fake_net *f;
	struct sip_transport *t;
	unsigned messages, lost;
	struct sip_flow flow; /* of the last message */
	char call_id[64], body[64];
	uint64_t lost_id;
	char lost_why[128];
	struct client accepted, peer;
	uint64_t held; /* a call goes over this connection */
};

static struct addr of(const char *text)
{
	struct addr a = { 0 };

	CHECK_INT(0, addr_parse_port(&a, str_of(text), 0));
	return a;
}

static void on_message(void *arg, const struct sip_msg *m, const struct sip_flow *flow)
{
	struct world *w = arg;

	w->messages++;
	w->flow = *flow;
	str_copy(w->call_id, sizeof(w->call_id), sip_msg_header(m, SIP_H_CALL_ID, 0));
	str_copy(w->body, sizeof(w->body), m->body);
}

static void on_lost(void *arg, uint64_t connection, const char *why)
{
	struct world *w = arg;

	w->lost++;
	w->lost_id = connection;
	str_copy(w->lost_why, sizeof(w->lost_why), str_of(why));
}

static bool holds(void *arg, uint64_t connection)
{
	const struct world *w = arg;

	return w->held == connection;
}

static const struct sip_transport_handlers handlers = { .message = on_message, .lost = on_lost, .holds = holds };

static struct world *begin(const struct sip_listen *listen, size_t count, const char *advertise)
{
	struct world *w = calloc(1, sizeof(*w));
	struct sip_stack_opts opts = { .listen = listen, .listen_count = count, .advertise = advertise };
	char why[160];

	assert_non_null(w);
	assert_int_equal(0, loop_new(&w->loop, true, 7));
	assert_int_equal(0, fake_net_new(&w->f, w->loop));
	opts.loop = w->loop;
	opts.net = fake_net_host(w->f, "10.0.0.2");
	assert_int_equal(0, sip_transport_new(&w->t, &opts, &handlers, w, why));
	return w;
}

static struct world *begin_usual(void)
{
	const struct sip_listen listen[] = { { WIRE_UDP, of("10.0.0.2:5060") }, { WIRE_TCP, of("10.0.0.2:5060") } };

	return begin(listen, 2, NULL);
}

static void run(struct world *w, uint64_t ms)
{
	loop_run_until(w->loop, loop_now_ms(w->loop) + ms);
}

static void close_client(struct client *c)
{
	if (c->wire)
		c->wire->ops->close(c->wire);
	c->wire = NULL;
}

static void end(struct world *w)
{
	struct fake_net_counts c;

	close_client(&w->peer);
	close_client(&w->accepted);
	sip_transport_free(&w->t);
	run(w, 100);
	fake_net_count(w->f, &c);
	CHECK_INT(0, c.udp + c.listeners + c.connections + c.in_flight);
	CHECK_INT(0, loop_timer_count(w->loop));
	fake_net_free(&w->f);
	loop_free(&w->loop);
	free(w);
}

static void client_bytes(void *arg, struct wire *w, const struct addr *from, const char *data, size_t n)
{
	struct client *c = arg;

	if (c->n + n < sizeof(c->in))
		memcpy(c->in + c->n, data, n);
	c->n += n;
}

static void client_closed(void *arg, struct wire *w, int err, const char *why)
{
	struct client *c = arg;

	c->closed++;
	c->wire = NULL;
}

static void client_accepted(void *arg, struct wire *listener, struct wire *conn, const struct addr *from)
{
	struct world *w = arg;

	w->accepted.wire = conn;
	conn->ops->set_arg(conn, &w->accepted);
}

static const struct wire_handlers client = { .bytes = client_bytes, .closed = client_closed };
static const struct wire_handlers server = { .bytes = client_bytes,
					     .accepted = client_accepted,
					     .closed = client_closed };

static void dial_from(struct world *w, struct client *c, const char *host, const char *local)
{
	struct net *net = fake_net_host(w->f, host);
	struct addr from = of(local), to = of("10.0.0.2:5060");

	CHECK_INT(0, net->ops->connect(net, &c->wire, WIRE_TCP, &from, &to, &client, c));
}

static void dial(struct world *w, struct client *c)
{
	dial_from(w, c, "10.0.0.1", "10.0.0.1:0");
}

static void say(struct client *c, const char *data, size_t n)
{
	CHECK_INT(0, c->wire->ops->send(c->wire, NULL, data, n));
}

static size_t options(char *out, size_t size, const char *call_id, const char *body)
{
	return (size_t)snprintf(out, size,
				"OPTIONS sip:10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK1\r\n"
				"From: <sip:a@10.0.0.1>;tag=1\r\nTo: <sip:10.0.0.2>\r\nCall-ID: %s\r\n"
				"CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: %zu\r\n\r\n%s",
				call_id, strlen(body), body);
}

static void datagrams_become_messages(void **state)
{
	struct world *w = begin_usual();
	struct addr from = of("10.0.0.1:5070"), to = of("10.0.0.2:5060"), port0 = of("10.0.0.1:0");
	char text[1024];
	size_t n = options(text, sizeof(text), "one", "hello");

	fake_net_inject(w->f, &from, &to, text, n);
	run(w, 0);
	CHECK_INT(1, w->messages);
	CHECK_STR("one", w->call_id);
	CHECK_STR("hello", w->body);
	CHECK(w->flow.kind == WIRE_UDP && addr_equal(&w->flow.remote, &from) && !w->flow.connection);
	/* Keep-alives, STUN, rubbish and what cannot be answered make no message and no harm. */
	fake_net_inject(w->f, &from, &to, "\r\n\r\n", 4);
	fake_net_inject(w->f, &from, &to, "", 0);
	fake_net_inject(w->f, &from, &to, "\0\1\0\0\x21\x12\xa4\x42", 8);
	fake_net_inject(w->f, &from, &to, "hello there", 11);
	fake_net_inject(w->f, &port0, &to, text, n);
	run(w, 0);
	CHECK_INT(1, w->messages);
	end(w);
}

/* A phone asks by STUN how it is seen. */
static void stun_is_answered_with_the_source(void **state)
{
	struct world *w = begin_usual();
	struct net *net = fake_net_host(w->f, "10.0.0.1");
	struct addr at = of("10.0.0.1:5070"), to = of("10.0.0.2:5060"), mapped;
	struct stun_msg m;
	char text[ADDR_TEXT];

	CHECK_INT(0, net->ops->udp_open(net, &w->peer.wire, &at, &client, &w->peer));
	CHECK_INT(0, w->peer.wire->ops->send(w->peer.wire, &to,
					     "\0\1\0\0\x21\x12\xa4\x42"
					     "abcdefghijkl",
					     20));
	run(w, 0);
	CHECK_INT(0, stun_parse(&m, (struct str){ w->peer.in, w->peer.n }));
	CHECK_INT(STUN_BINDING_SUCCESS, m.type);
	CHECK_INT(0, stun_mapped(&m, &mapped));
	CHECK_STR("10.0.0.1:5070", addr_text(&mapped, text));
	/* An answer, or half a request, gets none. */
	w->peer.n = 0;
	CHECK_INT(0, w->peer.wire->ops->send(w->peer.wire, &to,
					     "\1\1\0\0\x21\x12\xa4\x42"
					     "abcdefghijkl",
					     20));
	CHECK_INT(0, w->peer.wire->ops->send(w->peer.wire, &to,
					     "\0\1\0\0\x21\x12\xa4\x42"
					     "abcdefghijk",
					     19));
	run(w, 0);
	CHECK_INT(0, w->peer.n);
	CHECK_INT(0, w->messages);
	end(w);
}

static void udp_flows_send_from_the_listener(void **state)
{
	struct world *w = begin_usual();
	struct net *net = fake_net_host(w->f, "10.0.0.1");
	struct addr at = of("10.0.0.1:5070");
	static char big[70000];
	struct sip_flow flow;
	char name[64];

	CHECK_INT(0, net->ops->udp_open(net, &w->peer.wire, &at, &client, &w->peer));
	CHECK_INT(0, sip_transport_flow(w->t, WIRE_UDP, &at, STR(""), &flow));
	CHECK_INT(0, sip_transport_send(w->t, &flow, STR("hello")));
	run(w, 0);
	CHECK_INT(5, w->peer.n);
	sip_transport_name(w->t, &flow, name, sizeof(name));
	CHECK_STR("10.0.0.2:5060", name);
	CHECK_INT(EMSGSIZE, sip_transport_send(w->t, &flow, (struct str){ big, sizeof(big) }));
	CHECK_INT(EPROTONOSUPPORT, sip_transport_flow(w->t, WIRE_TLS, &at, STR(""), &flow));
	at = of("[fd00::1]:5060");
	CHECK_INT(EPROTONOSUPPORT, sip_transport_flow(w->t, WIRE_UDP, &at, STR(""), &flow));
	CHECK_INT(EPROTONOSUPPORT, sip_transport_flow(w->t, WIRE_TCP, &at, STR(""), &flow));
	end(w);
}

static void a_message_may_be_cut_anywhere(void **state)
{
	struct world *w = begin_usual();
	char text[1024];
	size_t n = options(text, sizeof(text), "cut", "v=0\r\nbody");

	dial(w, &w->peer);
	for (size_t i = 1; i < n; i++) {
		w->messages = 0;
		say(&w->peer, text, i);
		run(w, 1);
		CHECK_INT(0, w->messages);
		say(&w->peer, text + i, n - i);
		run(w, 1);
		CHECK_INT(1, w->messages);
		CHECK_STR("v=0\r\nbody", w->body);
	}
	CHECK_INT(1, sip_transport_connections(w->t));
	end(w);
}

static void bytes_may_come_one_by_one(void **state)
{
	struct world *w = begin_usual();
	char text[1024];
	size_t n = options(text, sizeof(text), "drip", "12345");

	dial(w, &w->peer);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < n; i++) {
			say(&w->peer, text + i, 1);
			run(w, 1);
		}
	}
	CHECK_INT(3, w->messages);
	CHECK_STR("12345", w->body);
	end(w);
}

static void many_messages_may_come_at_once(void **state)
{
	struct world *w = begin_usual();
	static char many[200000];
	size_t n = 0, count = 0;

	while (n < 150000) {
		char id[16];

		snprintf(id, sizeof(id), "m%zu", count++);
		n += options(many + n, sizeof(many) - n, id, count % 2 ? "" : "with a body");
	}
	dial(w, &w->peer);
	say(&w->peer, many, n);
	run(w, 10);
	CHECK_INT(count, w->messages);
	/* One and a half, then the other half. */
	w->messages = 0;
	n = options(many, sizeof(many), "two", "xyz");
	memcpy(many + n, many, n);
	say(&w->peer, many, n + n / 2);
	run(w, 1);
	CHECK_INT(1, w->messages);
	say(&w->peer, many + n + n / 2, n - n / 2);
	run(w, 1);
	CHECK_INT(2, w->messages);
	end(w);
}

static void random_pieces_make_whole_messages(void **state)
{
	struct world *w = begin_usual();
	struct fake_net_rules rules = { .delay_max_ms = 3, .split = true };
	char text[1024];

	fake_net_set_rules(w->f, &rules);
	dial(w, &w->peer);
	for (int i = 0; i < 200; i++) {
		char id[16];
		size_t n;

		snprintf(id, sizeof(id), "r%d", i);
		n = options(text, sizeof(text), id, i % 3 ? "some body" : "");
		say(&w->peer, text, n);
	}
	run(w, 60000);
	CHECK_INT(200, w->messages);
	CHECK_STR("r199", w->call_id);
	end(w);
}

static void keep_alives_are_answered(void **state)
{
	static const struct {
		const char *pieces[4];
		size_t answers;
	} rows[] = {
		{ { "\r\n\r\n" }, 1 },
		{ { "\r\n", "\r\n" }, 1 },
		{ { "\r", "\n\r", "\n" }, 1 },
		{ { "\r\n" }, 0 }, /* the answer to a ping of ours, or the blank line before a message */
		{ { "\r\n\r\n", "\r\n\r\n" }, 2 },
	};
	struct world *w = begin_usual();
	char text[1024];
	size_t n = options(text, sizeof(text), "alive", "");

	dial(w, &w->peer);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		say(&w->peer, text, n); /* a message ends what the row before has begun */
		run(w, 1);
		w->peer.n = 0;
		for (size_t j = 0; j < ARRAY_LEN(rows[i].pieces) && rows[i].pieces[j]; j++) {
			say(&w->peer, rows[i].pieces[j], strlen(rows[i].pieces[j]));
			run(w, 1);
		}
		CHECK_INT(rows[i].answers * 2, w->peer.n);
		CHECK(!memcmp(w->peer.in, "\r\n\r\n", w->peer.n));
	}
	CHECK_INT(ARRAY_LEN(rows), w->messages);
	end(w);
}

static void rubbish_closes_the_connection(void **state)
{
	static const char rubbish[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	struct world *w = begin_usual();
	static char endless[120000];

	dial(w, &w->peer);
	say(&w->peer, rubbish, sizeof(rubbish) - 1);
	run(w, 1);
	CHECK_INT(1, w->peer.closed);
	CHECK_INT(1, w->lost);
	CHECK_INT(0, sip_transport_connections(w->t));
	/* A header block that never ends. */
	memset(endless, 'x', sizeof(endless));
	memcpy(endless, "OPTIONS sip:a SIP/2.0\r\nX: ", 26);
	dial(w, &w->peer);
	say(&w->peer, endless, sizeof(endless));
	run(w, 1);
	CHECK_INT(2, w->peer.closed);
	CHECK_INT(0, w->messages);
	end(w);
}

static void answers_go_back_on_the_connection(void **state)
{
	struct world *w = begin_usual();
	char text[1024];
	struct sip_flow flow, again;

	dial(w, &w->peer);
	say(&w->peer, text, options(text, sizeof(text), "x", ""));
	run(w, 1);
	CHECK(w->flow.kind == WIRE_TCP && w->flow.connection);
	flow = w->flow;
	CHECK_INT(0, sip_transport_send(w->t, &flow, STR("answer")));
	run(w, 1);
	CHECK_INT(6, w->peer.n);
	/* Requests to where the connection came from take it too. */
	CHECK_INT(0, sip_transport_flow(w->t, WIRE_TCP, &flow.remote, STR(""), &again));
	CHECK(again.connection == flow.connection);
	close_client(&w->peer);
	run(w, 1);
	CHECK_INT(1, w->lost);
	CHECK(w->lost_id == flow.connection);
	CHECK_INT(ENOTCONN, sip_transport_send(w->t, &flow, STR("too late")));
	end(w);
}

static void outgoing_connections_are_made_and_reused(void **state)
{
	struct world *w = begin_usual();
	struct net *net = fake_net_host(w->f, "10.0.0.1");
	struct addr at = of("10.0.0.1:5060");
	struct sip_flow first, second;
	char name[64], text[1024];

	CHECK_INT(0, net->ops->listen(net, &w->peer.wire, WIRE_TCP, &at, &server, w));
	CHECK_INT(0, sip_transport_flow(w->t, WIRE_TCP, &at, STR(""), &first));
	CHECK_INT(0, sip_transport_send(w->t, &first, STR("early ")));
	CHECK_INT(0, sip_transport_flow(w->t, WIRE_TCP, &at, STR(""), &second));
	CHECK(first.connection == second.connection && first.listener == 1);
	run(w, 1);
	CHECK_INT(0, sip_transport_send(w->t, &second, STR("late")));
	run(w, 1);
	CHECK_INT(10, w->accepted.n);
	CHECK(!memcmp(w->accepted.in, "early late", 10));
	CHECK_INT(1, sip_transport_connections(w->t));
	/* We are known by the port we listen on, not by the connection's own. */
	sip_transport_name(w->t, &first, name, sizeof(name));
	CHECK_STR("10.0.0.2:5060", name);
	say(&w->accepted, text, options(text, sizeof(text), "back", ""));
	run(w, 1);
	CHECK_STR("back", w->call_id);
	CHECK(w->flow.connection == first.connection);
	end(w);
}

/* TLS connections lead to whom they were verified as, and nowhere else. */
static void tls_is_reused_for_the_same_name_only(void **state)
{
	const struct sip_listen listen[] = { { WIRE_UDP, of("10.0.0.2:5060") }, { WIRE_TLS, of("10.0.0.2:5061") } };
	struct world *w = begin(listen, 2, NULL);
	struct net *net = fake_net_host(w->f, "10.0.0.1");
	struct addr at = of("10.0.0.1:5061"), from = of("10.0.0.1:40000"), us = of("10.0.0.2:5061");
	struct sip_flow first, second, other;
	struct wire *listener = NULL;
	char text[1024], name[64];

	CHECK_INT(0, net->ops->listen(net, &listener, WIRE_TLS, &at, &server, w));
	CHECK_INT(ENOTCONN, sip_transport_flow(w->t, WIRE_TLS, &at, STR(""), &first));
	CHECK_INT(0, sip_transport_connections(w->t));
	CHECK_INT(0, sip_transport_flow(w->t, WIRE_TLS, &at, STR("bob.test"), &first));
	CHECK_INT(0, sip_transport_flow(w->t, WIRE_TLS, &at, STR("Bob.Test"), &second));
	CHECK(first.connection == second.connection);
	run(w, 1);
	CHECK_STR("bob.test", fake_net_name(w->f));
	sip_transport_name(w->t, &first, name, sizeof(name));
	CHECK_STR("10.0.0.2:5061", name);
	CHECK(sip_transport_stands(w->t, &first) && !sip_transport_is_inbound(w->t, &first));
	w->peer = w->accepted;
	w->peer.wire->ops->set_arg(w->peer.wire, &w->peer);
	CHECK_INT(0, sip_transport_flow(w->t, WIRE_TLS, &at, STR("carol.test"), &other));
	CHECK(first.connection != other.connection);
	run(w, 1);
	CHECK_STR("carol.test", fake_net_name(w->f));
	close_client(&w->peer);
	close_client(&w->accepted);
	run(w, 1);
	CHECK_INT(2, w->lost);
	CHECK(!sip_transport_stands(w->t, &first));
	/* Who has called us may be anybody. */
	CHECK_INT(0, net->ops->connect(net, &w->peer.wire, WIRE_TLS, &from, &us, &client, &w->peer));
	CHECK_INT(0, w->peer.wire->ops->set_name(w->peer.wire, "us"));
	say(&w->peer, text, options(text, sizeof(text), "in", ""));
	run(w, 1);
	CHECK_STR("in", w->call_id);
	first = w->flow;
	CHECK(first.kind == WIRE_TLS && sip_transport_is_inbound(w->t, &first));
	CHECK_INT(0, sip_transport_flow(w->t, WIRE_TLS, &from, STR("bob.test"), &other));
	CHECK(other.connection != first.connection);
	CHECK_INT(0, sip_transport_send(w->t, &first, STR("answer")));
	run(w, 1);
	CHECK_INT(6, w->peer.n);
	listener->ops->close(listener);
	end(w);
}

static void a_refused_connect_is_told(void **state)
{
	struct world *w = begin_usual();
	struct addr at = of("10.0.0.1:5060");
	struct sip_flow flow;

	CHECK_INT(0, sip_transport_flow(w->t, WIRE_TCP, &at, STR(""), &flow));
	CHECK_INT(0, sip_transport_send(w->t, &flow, STR("never")));
	CHECK_INT(0, w->lost);
	run(w, 1);
	CHECK_INT(1, w->lost);
	CHECK(w->lost_id == flow.connection);
	CHECK_STR("connection refused", w->lost_why);
	CHECK_INT(0, sip_transport_connections(w->t));
	end(w);
}

static bool drop_connects(void *arg, const struct addr *from, const struct addr *to, const char *data, size_t n)
{
	return !data;
}

static void a_silent_connect_ends_after_32_s(void **state)
{
	struct world *w = begin_usual();
	struct fake_net_rules rules = { .drop = drop_connects };
	struct addr at = of("10.0.0.1:5060");
	struct sip_flow flow;

	fake_net_set_rules(w->f, &rules);
	CHECK_INT(0, sip_transport_flow(w->t, WIRE_TCP, &at, STR(""), &flow));
	run(w, 31999);
	CHECK_INT(0, w->lost);
	run(w, 1);
	CHECK_INT(1, w->lost);
	CHECK_STR("connect timed out", w->lost_why);
	end(w);
}

static void who_says_nothing_is_closed_after_32_s(void **state)
{
	struct world *w = begin_usual();
	char text[1024];

	dial(w, &w->peer);
	run(w, 20000);
	/* Half a message, or a keep-alive, is no reason to wait longer. */
	say(&w->peer, "\r\n\r\n", 4);
	say(&w->peer, text, options(text, sizeof(text), "half", "") / 2);
	run(w, 11990);
	CHECK_INT(0, w->peer.closed);
	run(w, 20);
	CHECK_INT(1, w->peer.closed);
	CHECK_INT(1, w->lost);
	end(w);
}

static void keep_alives_alone_do_not_count(void **state)
{
	struct world *w = begin_usual();

	dial(w, &w->peer);
	for (int i = 0; i < 6; i++) {
		say(&w->peer, "\r\n\r\n", 4);
		run(w, 5000);
	}
	CHECK_INT(0, w->peer.closed);
	CHECK_INT(12, w->peer.n);
	run(w, 2010);
	CHECK_INT(1, w->peer.closed);
	CHECK_STR("no whole message within 32 s", w->lost_why);
	end(w);
}

static void half_a_later_message_waits_32_s(void **state)
{
	struct world *w = begin_usual();
	char text[1024];
	size_t n = options(text, sizeof(text), "x", "");

	dial(w, &w->peer);
	say(&w->peer, text, n);
	run(w, 100000);
	CHECK_INT(0, w->peer.closed);
	for (int i = 0; i < 31; i++) { /* drip-feeding does not help */
		say(&w->peer, text + i, 1);
		run(w, 1000);
	}
	CHECK_INT(0, w->peer.closed);
	run(w, 1010);
	CHECK_INT(1, w->peer.closed);
	end(w);
}

static void idle_connections_close_after_10_minutes(void **state)
{
	struct world *w = begin_usual();
	char text[1024];
	size_t n = options(text, sizeof(text), "x", "");

	dial(w, &w->peer);
	say(&w->peer, text, n);
	run(w, 300000);
	say(&w->peer, "\r\n\r\n", 4);
	run(w, 500000);
	CHECK_INT(0, sip_transport_send(w->t, &w->flow, STR("still here")));
	run(w, 599000);
	CHECK_INT(0, w->peer.closed);
	run(w, 2000);
	CHECK_INT(1, w->peer.closed);
	CHECK_STR("idle for 10 minutes", w->lost_why);
	end(w);
}

static void connections_of_calls_stay_awake(void **state)
{
	struct world *w = begin_usual();
	struct net *net = fake_net_host(w->f, "10.0.0.1");
	struct addr at = of("10.0.0.1:5060");
	struct wire *listener = NULL;
	struct sip_flow flow;
	char text[1024];
	size_t n = options(text, sizeof(text), "x", "");

	/* Ours: two CRLFs each 30 s without sending, as long as the call is there. */
	CHECK_INT(0, net->ops->listen(net, &listener, WIRE_TCP, &at, &server, w));
	CHECK_INT(0, sip_transport_flow(w->t, WIRE_TCP, &at, STR(""), &flow));
	w->held = flow.connection;
	run(w, 29000);
	CHECK_INT(0, sip_transport_send(w->t, &flow, STR("hello")));
	run(w, 29000);
	CHECK_INT(5, w->accepted.n);
	run(w, 1001);
	CHECK_INT(9, w->accepted.n);
	CHECK(!memcmp(w->accepted.in + 5, "\r\n\r\n", 4));
	for (int i = 0; i < 50; i++) { /* answered as it should be; that is no keep-alive of the peer */
		CHECK_INT(0, w->accepted.wire->ops->send(w->accepted.wire, NULL, "\r\n", 2));
		run(w, 30000);
	}
	CHECK_INT(9 + 50 * 4, w->accepted.n);
	CHECK_INT(0, w->lost);
	w->held = 0;
	run(w, 600000);
	CHECK_INT(9 + 50 * 4, w->accepted.n);
	CHECK_INT(1, w->lost);
	listener->ops->close(listener);
	/* The peer's: it stays too, but keeping it awake is his. */
	dial(w, &w->peer);
	say(&w->peer, text, n);
	run(w, 10);
	w->held = w->flow.connection;
	run(w, 2000000);
	CHECK_INT(0, w->peer.closed);
	CHECK_INT(0, w->peer.n);
	w->held = 0;
	run(w, 600001);
	CHECK_INT(1, w->peer.closed);
	end(w);
}

static void count_line(void *arg, enum log_level level, const char *line)
{
	++*(unsigned *)arg;
}

static void one_address_gets_100_connections(void **state)
{
	static struct client many[120], other;
	struct world *w = begin_usual();
	unsigned closed = 0, logged = 0;

	log_capture(count_line, &logged);
	memset(many, 0, sizeof(many));
	memset(&other, 0, sizeof(other));
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		dial(w, &many[i]);
	dial_from(w, &other, "10.0.0.9", "10.0.0.9:0");
	run(w, 10);
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		closed += many[i].closed;
	CHECK_INT(20, closed);
	CHECK_INT(1, logged); /* not a line for each */
	log_capture(NULL, NULL);
	CHECK_INT(0, other.closed);
	CHECK_INT(101, sip_transport_connections(w->t));
	CHECK_INT(0, w->lost);
	/* Room again when one leaves. */
	close_client(&many[0]);
	run(w, 10);
	dial(w, &many[0]);
	run(w, 10);
	CHECK_INT(0, many[0].closed);
	CHECK_INT(101, sip_transport_connections(w->t));
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		close_client(&many[i]);
	close_client(&other);
	run(w, 10);
	CHECK_INT(0, sip_transport_connections(w->t));
	end(w);
}

static void a_thousand_half_requests_leave_nothing(void **state)
{
	static struct client many[50];
	struct world *w = begin_usual();
	char text[1024];
	size_t n = options(text, sizeof(text), "half", "");

	for (int round = 0; round < 20; round++) {
		memset(many, 0, sizeof(many));
		for (size_t i = 0; i < ARRAY_LEN(many); i++) {
			dial(w, &many[i]);
			say(&many[i], text, 1 + (i * 7 + (size_t)round) % (n - 1));
		}
		run(w, 5);
		CHECK_INT(ARRAY_LEN(many), sip_transport_connections(w->t));
		fake_net_kill_connections(w->f);
		run(w, 5);
		CHECK_INT(0, sip_transport_connections(w->t));
	}
	CHECK_INT(1000, w->lost);
	CHECK_INT(0, w->messages);
	CHECK_INT(0, loop_timer_count(w->loop));
	end(w);
}

static void names_follow_advertise_and_the_route(void **state)
{
	static const struct {
		const char *listen, *advertise, *want;
	} rows[] = {
		{ "10.0.0.2:5060", NULL, "10.0.0.2:5060" },
		{ "0.0.0.0:5062", NULL, "10.0.0.2:5062" },
		{ "0.0.0.0:5060", "203.0.113.5", "203.0.113.5:5060" },
		{ "10.0.0.2:5070", "sip.example.com", "sip.example.com:5070" },
		{ "0.0.0.0:5060", "2001:db8::5", "[2001:db8::5]:5060" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct sip_listen listen[] = { { WIRE_UDP, of(rows[i].listen) } };
		struct world *w = begin(listen, 1, rows[i].advertise);
		struct addr to = of("10.0.0.1:5060");
		struct sip_flow flow;
		char name[80];

		CHECK_INT(0, sip_transport_flow(w->t, WIRE_UDP, &to, STR(""), &flow));
		sip_transport_name(w->t, &flow, name, sizeof(name));
		CHECK_STR(rows[i].want, name);
		sip_transport_name(w->t, &flow, name, sizeof(name)); /* the remembered way */
		CHECK_STR(rows[i].want, name);
		end(w);
	}
}

static void the_listener_on_the_way_is_picked(void **state)
{
	const struct sip_listen listen[] = {
		{ WIRE_UDP, of("127.0.0.1:5060") },
		{ WIRE_TCP, of("10.0.0.2:5060") },
		{ WIRE_UDP, of("[fd00::2]:5060") },
		{ WIRE_UDP, of("10.0.0.2:5060") },
	};
	struct world *w = begin(listen, 4, NULL);
	struct addr v4 = of("10.0.0.1:5060"), v6 = of("[fd00::1]:5060"), at;
	struct sip_flow flow;

	CHECK_INT(0, sip_transport_flow(w->t, WIRE_UDP, &v4, STR(""), &flow));
	CHECK_INT(3, flow.listener);
	CHECK_INT(0, sip_transport_flow(w->t, WIRE_UDP, &v6, STR(""), &flow));
	CHECK_INT(2, flow.listener);
	sip_transport_local(w->t, 2, &at);
	CHECK(addr_equal(&at, &listen[2].addr));
	end(w);
}

static void a_taken_address_is_named(void **state)
{
	struct world *w = begin_usual();
	const struct sip_listen listen[] = { { WIRE_TCP, of("10.0.0.2:5061") }, { WIRE_UDP, of("10.0.0.2:5060") } };
	struct sip_stack_opts opts = { .listen = listen, .listen_count = 2, .loop = w->loop };
	struct sip_transport *second = NULL;
	char why[160];

	opts.net = fake_net_host(w->f, "10.0.0.2");
	CHECK_INT(EADDRINUSE, sip_transport_new(&second, &opts, &handlers, w, why));
	CHECK_STR("udp:10.0.0.2:5060: Address already in use", why);
	CHECK(!second);
	end(w);
}

static void flows_to_a_full_connection_say_enobufs(void **state)
{
	struct world *w = begin_usual();
	static char big[60000];
	char text[1024];
	int err = 0, sent = 0;

	dial(w, &w->peer);
	say(&w->peer, text, options(text, sizeof(text), "x", ""));
	run(w, 1);
	for (; !err && sent < 10; sent++)
		err = sip_transport_send(w->t, &w->flow, (struct str){ big, sizeof(big) });
	CHECK_INT(ENOBUFS, err);
	CHECK_INT(5, sent);
	CHECK_INT(1, sip_transport_connections(w->t));
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(datagrams_become_messages),
		TEST(udp_flows_send_from_the_listener),
		TEST(a_message_may_be_cut_anywhere),
		TEST(bytes_may_come_one_by_one),
		TEST(many_messages_may_come_at_once),
		TEST(random_pieces_make_whole_messages),
		TEST(keep_alives_are_answered),
		TEST(stun_is_answered_with_the_source),
		TEST(connections_of_calls_stay_awake),
		TEST(rubbish_closes_the_connection),
		TEST(answers_go_back_on_the_connection),
		TEST(outgoing_connections_are_made_and_reused),
		TEST(tls_is_reused_for_the_same_name_only),
		TEST(a_refused_connect_is_told),
		TEST(a_silent_connect_ends_after_32_s),
		TEST(who_says_nothing_is_closed_after_32_s),
		TEST(keep_alives_alone_do_not_count),
		TEST(half_a_later_message_waits_32_s),
		TEST(idle_connections_close_after_10_minutes),
		TEST(one_address_gets_100_connections),
		TEST(a_thousand_half_requests_leave_nothing),
		TEST(names_follow_advertise_and_the_route),
		TEST(the_listener_on_the_way_is_picked),
		TEST(a_taken_address_is_named),
		TEST(flows_to_a_full_connection_say_enobufs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

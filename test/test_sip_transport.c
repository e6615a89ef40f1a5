/* How bytes become messages, and which way messages go. */
#include "sip_transport_world.h"

#include <errno.h>

#include "net/stun.h"

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
		TEST(rubbish_closes_the_connection),
		TEST(answers_go_back_on_the_connection),
		TEST(outgoing_connections_are_made_and_reused),
		TEST(tls_is_reused_for_the_same_name_only),
		TEST(a_refused_connect_is_told),
		TEST(names_follow_advertise_and_the_route),
		TEST(the_listener_on_the_way_is_picked),
		TEST(a_taken_address_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

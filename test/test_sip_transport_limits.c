/* How long connections live, how many there may be, and how much waits in one. */
#include "sip_transport_world.h"

#include <errno.h>

#include "base/log.h"

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
		TEST(connections_of_calls_stay_awake),        TEST(a_silent_connect_ends_after_32_s),
		TEST(who_says_nothing_is_closed_after_32_s),  TEST(keep_alives_alone_do_not_count),
		TEST(half_a_later_message_waits_32_s),        TEST(idle_connections_close_after_10_minutes),
		TEST(one_address_gets_100_connections),       TEST(a_thousand_half_requests_leave_nothing),
		TEST(flows_to_a_full_connection_say_enobufs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <errno.h>
#include <stdlib.h>

#include "base/loop.h"
#include "check.h"
#include "fake_net.h"

enum { EVENTS = 2000 };

struct end { /* what one wire has lived through */
	struct wire *wire;
	char bytes[8192];
	size_t n;
	unsigned datagrams, connected, closed;
	int err;
	int order[EVENTS];
};

struct world {
	struct loop *loop;
	struct fake_net *f;
	struct end a, b, accepted;
	unsigned accepts;
};

static struct world *setup_world(void)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	assert_int_equal(0, loop_new(&w->loop, true, 42));
	assert_int_equal(0, fake_net_new(&w->f, w->loop));
	return w;
}

static void close_end(struct end *e)
{
	if (e->wire)
		e->wire->ops->close(e->wire);
	e->wire = NULL;
}

static void end_world(struct world *w)
{
	struct fake_net_counts c;

	close_end(&w->a);
	close_end(&w->b);
	close_end(&w->accepted);
	loop_run_until(w->loop, loop_now_ms(w->loop) + 10000);
	fake_net_count(w->f, &c);
	CHECK_INT(0, c.udp + c.listeners + c.connections + c.in_flight);
	CHECK_INT(0, loop_timer_count(w->loop));
	fake_net_free(&w->f);
	loop_free(&w->loop);
	free(w);
}

static struct addr of(const char *text)
{
	struct addr a = { 0 };

	CHECK_INT(0, addr_parse_port(&a, str_of(text), 0));
	return a;
}

static void on_bytes(void *arg, struct wire *w, const struct addr *from, const char *data, size_t n)
{
	struct end *e = arg;

	if (e->n + n <= sizeof(e->bytes))
		memcpy(e->bytes + e->n, data, n);
	e->n += n;
	if (e->datagrams < EVENTS)
		e->order[e->datagrams] = (int)strtol(data, NULL, 10);
	e->datagrams++;
}

static void on_connected(void *arg, struct wire *w)
{
	((struct end *)arg)->connected++;
}

static void on_closed(void *arg, struct wire *w, int err, const char *why)
{
	struct end *e = arg;

	CHECK(why && *why);
	e->closed++;
	e->err = err;
	e->wire = NULL;
}

static const struct wire_handlers plain = { .bytes = on_bytes, .connected = on_connected, .closed = on_closed };

static void on_accepted(void *arg, struct wire *listener, struct wire *conn, const struct addr *from)
{
	struct world *w = arg;

	w->accepts++;
	w->accepted.wire = conn;
	conn->ops->set_arg(conn, &w->accepted);
}

static const struct wire_handlers listening = {
	.bytes = on_bytes, .accepted = on_accepted, .connected = on_connected, .closed = on_closed
};

static void open_udp(struct world *w, struct end *e, const char *host, const char *local)
{
	struct net *net = fake_net_host(w->f, host);
	struct addr at = of(local);

	CHECK_INT(0, net->ops->udp_open(net, &e->wire, &at, &plain, e));
}

static void send_numbers(struct end *e, const char *to, int count)
{
	struct addr at = of(to);

	for (int i = 0; i < count; i++) {
		char text[16];
		int n = snprintf(text, sizeof(text), "%d", i);

		CHECK_INT(0, e->wire->ops->send(e->wire, &at, text, (size_t)n + 1));
	}
}

static void datagrams_arrive_from_the_loop(void **state)
{
	struct world *w = setup_world();
	struct fake_net_counts c;
	struct addr at;

	open_udp(w, &w->a, "10.0.0.1", "10.0.0.1:5060");
	open_udp(w, &w->b, "10.0.0.2", "0.0.0.0:5060");
	send_numbers(&w->a, "10.0.0.2:5060", 3);
	CHECK_INT(0, w->b.datagrams);
	loop_run_until(w->loop, 1000);
	CHECK_INT(3, w->b.datagrams);
	CHECK(w->b.order[0] == 0 && w->b.order[1] == 1 && w->b.order[2] == 2);
	CHECK_INT(1000, loop_now_ms(w->loop));
	send_numbers(&w->a, "10.0.0.2:5061", 1);
	send_numbers(&w->a, "10.0.0.3:5060", 1);
	loop_run_until(w->loop, 1000);
	fake_net_count(w->f, &c);
	CHECK_INT(2, c.datagrams_nobody);
	CHECK_INT(3, c.datagrams_delivered);
	w->b.wire->ops->local(w->b.wire, &at);
	CHECK(addr_is_any(&at) && addr_port(&at) == 5060);
	end_world(w);
}

static void ports_are_drawn_and_collide_as_in_real_life(void **state)
{
	struct world *w = setup_world();
	struct net *net = fake_net_host(w->f, "10.0.0.1");
	struct addr at = of("10.0.0.1:0"), first, second;
	struct wire *third = NULL;

	open_udp(w, &w->a, "10.0.0.1", "10.0.0.1:0");
	open_udp(w, &w->b, "10.0.0.1", "0.0.0.0:0");
	w->a.wire->ops->local(w->a.wire, &first);
	w->b.wire->ops->local(w->b.wire, &second);
	CHECK(addr_port(&first) && addr_port(&second) && addr_port(&first) != addr_port(&second));
	CHECK_INT(EADDRINUSE, net->ops->udp_open(net, &third, &first, &plain, NULL));
	addr_set_port(&at, addr_port(&second));
	CHECK_INT(EADDRINUSE, net->ops->udp_open(net, &third, &at, &plain, NULL));
	CHECK(!third);
	CHECK(net == fake_net_host(w->f, "10.0.0.1"));
	CHECK(net != fake_net_host(w->f, "10.0.0.2"));
	end_world(w);
}

static void loss_and_doubling_follow_the_rules(void **state)
{
	struct world *w = setup_world();
	struct fake_net_rules rules = { .loss_per_mille = 200, .duplicate_per_mille = 100 };
	struct fake_net_counts c;

	fake_net_set_rules(w->f, &rules);
	open_udp(w, &w->a, "10.0.0.1", "10.0.0.1:5060");
	open_udp(w, &w->b, "10.0.0.2", "10.0.0.2:5060");
	send_numbers(&w->a, "10.0.0.2:5060", 1000);
	loop_run_until(w->loop, 1000);
	fake_net_count(w->f, &c);
	CHECK_INT(1000, c.datagrams_sent);
	CHECK(c.datagrams_lost > 150 && c.datagrams_lost < 250);
	CHECK(c.datagrams_doubled > 50 && c.datagrams_doubled < 120);
	CHECK_INT(1000 - c.datagrams_lost + c.datagrams_doubled, w->b.datagrams);
	end_world(w);
}

static void random_delay_reorders_datagrams(void **state)
{
	struct world *w = setup_world();
	struct fake_net_rules rules = { .delay_min_ms = 20, .delay_max_ms = 60 };
	int turned = 0;

	fake_net_set_rules(w->f, &rules);
	open_udp(w, &w->a, "10.0.0.1", "10.0.0.1:5060");
	open_udp(w, &w->b, "10.0.0.2", "10.0.0.2:5060");
	send_numbers(&w->a, "10.0.0.2:5060", 100);
	loop_run_until(w->loop, 1019);
	CHECK_INT(0, w->b.datagrams);
	loop_run_until(w->loop, 1061);
	CHECK_INT(100, w->b.datagrams);
	for (int i = 1; i < 100; i++)
		turned += w->b.order[i] < w->b.order[i - 1];
	CHECK(turned > 10);
	end_world(w);
}

static bool drop_odd(void *arg, const struct addr *from, const struct addr *to, const char *data, size_t n)
{
	return !data || (data[0] - '0') % 2;
}

static void count_sent(void *arg, const struct addr *from, const struct addr *to, const char *data, size_t n)
{
	++*(unsigned *)arg;
}

static void the_filter_decides_and_the_observer_sees_all(void **state)
{
	struct world *w = setup_world();
	unsigned seen = 0;
	struct fake_net_rules rules = { .drop = drop_odd, .seen = count_sent, .arg = &seen };

	fake_net_set_rules(w->f, &rules);
	open_udp(w, &w->a, "10.0.0.1", "10.0.0.1:5060");
	open_udp(w, &w->b, "10.0.0.2", "10.0.0.2:5060");
	send_numbers(&w->a, "10.0.0.2:5060", 10);
	loop_run_until(w->loop, 1000);
	CHECK_INT(10, seen);
	CHECK_INT(5, w->b.datagrams);
	end_world(w);
}

static void connect_to(struct world *w, struct end *e, const char *host, const char *remote)
{
	struct net *net = fake_net_host(w->f, host);
	struct addr at = of(remote);

	CHECK_INT(0, net->ops->connect(net, &e->wire, WIRE_TCP, NULL, &at, &plain, e));
}

static void listen_on(struct world *w, const char *host, const char *local)
{
	struct net *net = fake_net_host(w->f, host);
	struct addr at = of(local);

	CHECK_INT(0, net->ops->listen(net, &w->b.wire, WIRE_TCP, &at, &listening, w));
}

static void streams_keep_their_bytes_in_order(void **state)
{
	struct world *w = setup_world();
	struct fake_net_rules rules = { .delay_min_ms = 1, .delay_max_ms = 50, .split = true };
	char want[6000];

	fake_net_set_rules(w->f, &rules);
	listen_on(w, "10.0.0.2", "0.0.0.0:5060");
	connect_to(w, &w->a, "10.0.0.1", "10.0.0.2:5060");
	for (size_t i = 0; i < sizeof(want); i++)
		want[i] = (char)('a' + i % 26);
	/* The first third goes before the connection stands. */
	CHECK_INT(0, w->a.wire->ops->send(w->a.wire, NULL, want, 2000));
	CHECK_INT(0, w->a.connected);
	loop_run_until(w->loop, 20000);
	CHECK_INT(1, w->a.connected);
	CHECK_INT(1, w->accepts);
	CHECK_INT(0, w->a.wire->ops->send(w->a.wire, NULL, want + 2000, 4000));
	loop_run_until(w->loop, 40000);
	CHECK_INT(sizeof(want), w->accepted.n);
	CHECK(!memcmp(want, w->accepted.bytes, sizeof(want)));
	CHECK(w->accepted.datagrams > 90);
	end_world(w);
}

static void nobody_listens_means_refused(void **state)
{
	struct world *w = setup_world();

	connect_to(w, &w->a, "10.0.0.1", "10.0.0.2:5060");
	CHECK_INT(0, w->a.closed);
	loop_run_until(w->loop, 2000);
	CHECK_INT(1, w->a.closed);
	CHECK_INT(ECONNREFUSED, w->a.err);
	CHECK_INT(0, w->a.connected);
	end_world(w);
}

static void a_dropped_connect_hangs_until_closed(void **state)
{
	struct world *w = setup_world();
	struct fake_net_rules rules = { .drop = drop_odd };

	fake_net_set_rules(w->f, &rules);
	listen_on(w, "10.0.0.2", "10.0.0.2:5060");
	connect_to(w, &w->a, "10.0.0.1", "10.0.0.2:5060");
	loop_run_until(w->loop, 100000);
	CHECK_INT(0, w->a.connected + w->a.closed);
	end_world(w);
}

static void closing_reaches_the_other_end_behind_the_bytes(void **state)
{
	struct world *w = setup_world();

	listen_on(w, "10.0.0.2", "10.0.0.2:5060");
	connect_to(w, &w->a, "10.0.0.1", "10.0.0.2:5060");
	loop_run_until(w->loop, 2000);
	CHECK_INT(0, w->a.wire->ops->send(w->a.wire, NULL, "bye", 3));
	close_end(&w->a);
	loop_run_until(w->loop, 3000);
	CHECK_INT(3, w->accepted.n);
	CHECK_INT(1, w->accepted.closed);
	CHECK_INT(0, w->accepted.err);
	CHECK_INT(0, w->a.closed);
	end_world(w);
}

static void killing_resets_both_ends(void **state)
{
	struct world *w = setup_world();

	listen_on(w, "10.0.0.2", "10.0.0.2:5060");
	connect_to(w, &w->a, "10.0.0.1", "10.0.0.2:5060");
	loop_run_until(w->loop, 2000);
	CHECK_INT(0, w->a.wire->ops->send(w->a.wire, NULL, "lost", 4));
	CHECK_INT(2, fake_net_kill_connections(w->f));
	CHECK_INT(0, w->a.closed);
	loop_run_until(w->loop, 3000);
	CHECK_INT(1, w->a.closed);
	CHECK_INT(1, w->accepted.closed);
	CHECK_INT(ECONNRESET, w->a.err);
	CHECK_INT(0, w->accepted.n);
	end_world(w);
}

static void a_closed_listener_resets_who_waits(void **state)
{
	struct world *w = setup_world();
	struct fake_net_rules rules = { .delay_min_ms = 10, .delay_max_ms = 10 };

	fake_net_set_rules(w->f, &rules);
	listen_on(w, "10.0.0.2", "10.0.0.2:5060");
	connect_to(w, &w->a, "10.0.0.1", "10.0.0.2:5060");
	loop_run_until(w->loop, 1015); /* the other end is made, accepted() is on its way */
	CHECK_INT(1, w->a.connected);
	CHECK_INT(0, w->accepts);
	close_end(&w->b);
	loop_run_until(w->loop, 2000);
	CHECK_INT(0, w->accepts);
	CHECK_INT(ECONNRESET, w->a.err);
	end_world(w);
}

static void a_full_stream_says_so(void **state)
{
	struct world *w = setup_world();
	static char big[100000];

	listen_on(w, "10.0.0.2", "10.0.0.2:5060");
	connect_to(w, &w->a, "10.0.0.1", "10.0.0.2:5060");
	loop_run_until(w->loop, 2000);
	CHECK_INT(0, w->a.wire->ops->send(w->a.wire, NULL, big, sizeof(big)));
	CHECK_INT(0, w->a.wire->ops->send(w->a.wire, NULL, big, sizeof(big)));
	CHECK_INT(ENOBUFS, w->a.wire->ops->send(w->a.wire, NULL, big, sizeof(big)));
	loop_run_until(w->loop, 3000);
	CHECK_INT(200000, w->accepted.n);
	CHECK_INT(0, w->a.wire->ops->send(w->a.wire, NULL, big, sizeof(big)));
	end_world(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(datagrams_arrive_from_the_loop),
		TEST(ports_are_drawn_and_collide_as_in_real_life),
		TEST(loss_and_doubling_follow_the_rules),
		TEST(random_delay_reorders_datagrams),
		TEST(the_filter_decides_and_the_observer_sees_all),
		TEST(streams_keep_their_bytes_in_order),
		TEST(nobody_listens_means_refused),
		TEST(a_dropped_connect_hangs_until_closed),
		TEST(closing_reaches_the_other_end_behind_the_bytes),
		TEST(killing_resets_both_ends),
		TEST(a_closed_listener_resets_who_waits),
		TEST(a_full_stream_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

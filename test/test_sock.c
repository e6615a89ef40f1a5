#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "check.h"
#include "net/sock.h"

/* Real sockets on loopback. The clock is virtual and held while a test waits for the kernel. */

enum { MAX_CONNS = 300 };

struct end {
	struct wire *wire;
	size_t n;
	unsigned calls, connected, closed;
	int err;
	char last[64];
	struct addr from;
	bool close_at_once;
};

struct world {
	struct loop *loop;
	struct net *net;
	struct end a, b;
	struct wire *listener;
	struct end conns[MAX_CONNS];
	unsigned accepts;
	unsigned logged;
};

static void on_log(void *arg, enum log_level level, const char *line)
{
	((struct world *)arg)->logged++;
}

static struct world *begin(void)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	log_capture(on_log, w);
	assert_int_equal(0, loop_new(&w->loop, true, 1));
	assert_int_equal(0, sock_net_new(&w->net, w->loop));
	return w;
}

static void close_wire(struct wire **w)
{
	if (*w)
		(*w)->ops->close(*w);
	*w = NULL;
}

static void end(struct world *w)
{
	close_wire(&w->a.wire);
	close_wire(&w->b.wire);
	close_wire(&w->listener);
	for (size_t i = 0; i < MAX_CONNS; i++)
		close_wire(&w->conns[i].wire);
	sock_net_free(&w->net);
	CHECK_INT(0, loop_timer_count(w->loop));
	loop_free(&w->loop);
	log_capture(NULL, NULL);
	free(w);
}

/* Turn until *count is at least want, or for some seconds in vain. */
static void wait_for(struct world *w, const unsigned *count, unsigned want)
{
	loop_hold(w->loop);
	for (int i = 0; *count < want && i < 500; i++)
		loop_turn(w->loop);
	loop_release(w->loop);
	CHECK_INT(want, *count);
}

/* Turn some times, so that what should not happen has its chance. */
static void idle(struct world *w)
{
	loop_hold(w->loop);
	for (int i = 0; i < 5; i++)
		loop_turn(w->loop);
	loop_release(w->loop);
}

static struct addr of(const char *text)
{
	struct addr a = { 0 };

	CHECK_INT(0, addr_parse_port(&a, str_of(text), 0));
	return a;
}

static void on_bytes(void *arg, struct wire *wire, const struct addr *from, const char *data, size_t n)
{
	struct end *e = arg;

	e->calls++;
	e->n += n;
	e->from = *from;
	str_copy(e->last, sizeof(e->last), (struct str){ data, n });
	if (e->close_at_once)
		close_wire(&e->wire);
}

static void on_connected(void *arg, struct wire *wire)
{
	((struct end *)arg)->connected++;
}

static void on_closed(void *arg, struct wire *wire, int err, const char *why)
{
	struct end *e = arg;

	CHECK(why && *why);
	e->closed++;
	e->err = err;
	e->wire = NULL;
}

static void on_accepted(void *arg, struct wire *listener, struct wire *conn, const struct addr *from)
{
	struct world *w = arg;
	struct end *e = &w->conns[w->accepts % MAX_CONNS];

	w->accepts++;
	close_wire(&e->wire);
	memset(e, 0, sizeof(*e));
	e->wire = conn;
	e->from = *from;
	conn->ops->set_arg(conn, e);
}

static const struct wire_handlers plain = { .bytes = on_bytes, .connected = on_connected, .closed = on_closed };
static const struct wire_handlers listening = {
	.bytes = on_bytes, .accepted = on_accepted, .connected = on_connected, .closed = on_closed
};

static struct addr open_udp(struct world *w, struct end *e, const char *local)
{
	struct addr at = of(local);

	CHECK_INT(0, w->net->ops->udp_open(w->net, &e->wire, &at, &plain, e));
	e->wire->ops->local(e->wire, &at);
	CHECK(addr_port(&at) != 0);
	return at;
}

static struct addr listen_here(struct world *w)
{
	struct addr at = of("127.0.0.1:0");

	CHECK_INT(0, w->net->ops->listen(w->net, &w->listener, WIRE_TCP, &at, &listening, w));
	w->listener->ops->local(w->listener, &at);
	return at;
}

/* A peer without our code; connect to at, which answers even before the accept. */
static int raw_connect(const struct addr *at)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(fd >= 0);
	CHECK(!connect(fd, &at->sa, addr_len(at)));
	return fd;
}

static void raw_reset(int fd)
{
	struct linger hard = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd);
}

static void datagrams_go_both_ways(void **state)
{
	static const char *const hosts[] = { "127.0.0.1:0", "[::1]:0" };

	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		struct world *w = begin();
		struct addr at = of(hosts[i]), a, b;
		static char big[70000];
		int probe = -1;

		if (sock_udp(&probe, &at)) {
			print_message("skipped: no %s here\n", hosts[i]);
			end(w);
			continue;
		}
		close(probe);
		a = open_udp(w, &w->a, hosts[i]);
		b = open_udp(w, &w->b, hosts[i]);
		CHECK_INT(0, w->a.wire->ops->send(w->a.wire, &b, "ping", 4));
		wait_for(w, &w->b.calls, 1);
		CHECK_STR("ping", w->b.last);
		CHECK(addr_equal(&w->b.from, &a));
		CHECK_INT(0, w->b.wire->ops->send(w->b.wire, &w->b.from, "", 0));
		wait_for(w, &w->a.calls, 1);
		CHECK_INT(0, w->a.n);
		CHECK_INT(0, w->a.wire->ops->send(w->a.wire, &b, big, 65000));
		wait_for(w, &w->b.calls, 2);
		CHECK_INT(65004, w->b.n);
		CHECK_INT(EMSGSIZE, w->a.wire->ops->send(w->a.wire, &b, big, sizeof(big)));
		end(w);
	}
}

static void a_flood_is_taken_in_portions(void **state)
{
	struct world *w = begin();
	struct addr b = open_udp(w, &w->b, "127.0.0.1:0");

	open_udp(w, &w->a, "127.0.0.1:0");
	for (int i = 0; i < 200; i++)
		CHECK_INT(0, w->a.wire->ops->send(w->a.wire, &b, "x", 1));
	loop_turn(w->loop);
	CHECK_INT(64, w->b.calls);
	wait_for(w, &w->b.calls, 200);
	end(w);
}

static void a_handler_may_close_its_socket(void **state)
{
	struct world *w = begin();
	struct addr b = open_udp(w, &w->b, "127.0.0.1:0");

	open_udp(w, &w->a, "127.0.0.1:0");
	for (int i = 0; i < 20; i++)
		CHECK_INT(0, w->a.wire->ops->send(w->a.wire, &b, "x", 1));
	w->b.close_at_once = true;
	wait_for(w, &w->b.calls, 1);
	idle(w);
	CHECK_INT(1, w->b.calls);
	/* Nobody listens there now; what comes back of that must not break the sender. */
	CHECK_INT(0, w->a.wire->ops->send(w->a.wire, &b, "x", 1));
	CHECK_INT(0, w->a.wire->ops->send(w->a.wire, &b, "x", 1));
	idle(w);
	end(w);
}

static void taken_addresses_and_unknown_kinds_are_refused(void **state)
{
	struct world *w = begin();
	struct addr udp = open_udp(w, &w->a, "127.0.0.1:0"), tcp = listen_here(w);
	struct wire *x = NULL;

	CHECK_INT(EADDRINUSE, w->net->ops->udp_open(w->net, &x, &udp, &plain, NULL));
	CHECK_INT(EADDRINUSE, w->net->ops->listen(w->net, &x, WIRE_TCP, &tcp, &listening, w));
	CHECK_INT(EPROTONOSUPPORT, w->net->ops->listen(w->net, &x, WIRE_TLS, &tcp, &listening, w));
	CHECK_INT(EPROTONOSUPPORT, w->net->ops->connect(w->net, &x, WIRE_WSS, NULL, &tcp, &plain, NULL));
	udp = of("192.0.2.1:5060"); /* not ours */
	CHECK_INT(EADDRNOTAVAIL, w->net->ops->udp_open(w->net, &x, &udp, &plain, NULL));
	CHECK(!x);
	end(w);
}

static void both_families_share_a_port(void **state)
{
	struct world *w = begin();
	struct addr v4 = open_udp(w, &w->a, "0.0.0.0:0"), v6 = of("[::]:0");
	int err;

	addr_set_port(&v6, addr_port(&v4));
	err = w->net->ops->udp_open(w->net, &w->b.wire, &v6, &plain, &w->b);
	if (err == EAFNOSUPPORT || err == EADDRNOTAVAIL)
		print_message("skipped: no IPv6 here\n");
	else
		CHECK_INT(0, err);
	end(w);
}

static void the_source_is_the_kernels_choice(void **state)
{
	struct addr to = of("127.0.0.1:5060"), from;
	char text[ADDR_TEXT];

	CHECK_INT(0, sock_source_for(&from, &to));
	CHECK_STR("127.0.0.1:0", addr_text(&from, text));
	addr_set_port(&to, 0);
	CHECK_INT(0, sock_source_for(&from, &to));
}

static void media_sockets_are_bare(void **state)
{
	struct addr at = of("127.0.0.1:0");
	int fd = -1;

	CHECK_INT(0, sock_udp(&fd, &at));
	CHECK(fd >= 0 && fcntl(fd, F_GETFL) & O_NONBLOCK && fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}

static void connect_to(struct world *w, const struct addr *at)
{
	struct addr from = of("127.0.0.2:0");

	CHECK_INT(0, w->net->ops->connect(w->net, &w->a.wire, WIRE_TCP, &from, at, &plain, &w->a));
}

static void streams_go_both_ways(void **state)
{
	struct world *w = begin();
	struct addr at = listen_here(w), here;
	char text[ADDR_TEXT];

	connect_to(w, &at);
	CHECK_INT(0, w->a.wire->ops->send(w->a.wire, NULL, "early ", 6));
	CHECK_INT(0, w->a.connected);
	wait_for(w, &w->a.connected, 1);
	CHECK_INT(0, w->a.wire->ops->send(w->a.wire, NULL, "late", 4));
	wait_for(w, &w->accepts, 1);
	CHECK_STR("127.0.0.2", addr_host(&w->conns[0].from, text));
	loop_hold(w->loop);
	for (int i = 0; w->conns[0].n < 10 && i < 100; i++)
		loop_turn(w->loop);
	loop_release(w->loop);
	CHECK_INT(10, w->conns[0].n);
	CHECK_INT(0, w->conns[0].wire->ops->send(w->conns[0].wire, NULL, "back", 4));
	wait_for(w, &w->a.calls, 1);
	CHECK_STR("back", w->a.last);
	w->conns[0].wire->ops->local(w->conns[0].wire, &here);
	CHECK(addr_equal(&here, &at));
	close_wire(&w->a.wire);
	wait_for(w, &w->conns[0].closed, 1);
	CHECK_INT(0, w->conns[0].err);
	CHECK_INT(0, w->a.closed);
	end(w);
}

static void nobody_listens_means_refused(void **state)
{
	struct world *w = begin();
	struct addr at = listen_here(w);
	int err;

	close_wire(&w->listener);
	err = w->net->ops->connect(w->net, &w->a.wire, WIRE_TCP, NULL, &at, &plain, &w->a);
	if (err) { /* some kernels know at once */
		CHECK_INT(ECONNREFUSED, err);
	} else {
		wait_for(w, &w->a.closed, 1);
		CHECK_INT(ECONNREFUSED, w->a.err);
		CHECK_INT(0, w->a.connected);
	}
	end(w);
}

static void resets_are_told_once(void **state)
{
	struct world *w = begin();
	struct addr at = listen_here(w);
	int fd = raw_connect(&at);

	wait_for(w, &w->accepts, 1);
	raw_reset(fd);
	wait_for(w, &w->conns[0].closed, 1);
	CHECK_INT(ECONNRESET, w->conns[0].err);
	idle(w);
	CHECK_INT(1, w->conns[0].closed);
	end(w);
}

static void sending_into_a_reset_is_harmless(void **state)
{
	struct world *w = begin();
	struct addr at = listen_here(w);
	int fd = raw_connect(&at), err;

	wait_for(w, &w->accepts, 1);
	raw_reset(fd);
	err = w->conns[0].wire->ops->send(w->conns[0].wire, NULL, "x", 1);
	CHECK(!err || err == ENOTCONN);
	err = w->conns[0].wire->ops->send(w->conns[0].wire, NULL, "x", 1);
	CHECK_INT(ENOTCONN, err);
	CHECK_INT(0, w->conns[0].closed);
	wait_for(w, &w->conns[0].closed, 1);
	end(w);
}

static size_t raw_drain(struct world *w, int fd, size_t want)
{
	static char space[65536];
	size_t got = 0;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	loop_hold(w->loop);
	for (int i = 0; got < want && i < 3000; i++) {
		ssize_t n = recv(fd, space, sizeof(space), 0);

		if (n > 0)
			got += (size_t)n;
		else if (!n)
			break;
		loop_turn(w->loop);
	}
	loop_release(w->loop);
	return got;
}

/* Fill the kernel and the queue; returns the bytes taken. */
static size_t fill(struct wire *wire)
{
	static char block[50000];
	size_t sent = 0;
	int err = 0;

	for (int i = 0; i < 1000 && !err; i++) {
		err = wire->ops->send(wire, NULL, block, sizeof(block));
		sent += err ? 0 : sizeof(block);
	}
	CHECK_INT(ENOBUFS, err);
	return sent;
}

/* Make the kernel's buffer behind our end of the raw connection small, so that the queue goes out in parts. */
static void shrink_other_end(int raw)
{
	struct addr here = { 0 }, peer = { 0 };
	socklen_t len = sizeof(here);
	int small = 8192;

	CHECK(!getsockname(raw, &here.sa, &len));
	for (int fd = 3; fd < 64; fd++) {
		len = sizeof(peer);
		if (!getpeername(fd, &peer.sa, &len) && addr_equal(&peer, &here))
			CHECK(!setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)));
	}
}

static void a_slow_reader_gets_everything(void **state)
{
	struct world *w = begin();
	struct addr at = listen_here(w);
	int fd = raw_connect(&at);
	size_t sent;

	wait_for(w, &w->accepts, 1);
	shrink_other_end(fd);
	sent = fill(w->conns[0].wire);
	CHECK_INT(sent, raw_drain(w, fd, sent));
	/* Room again. */
	CHECK_INT(0, w->conns[0].wire->ops->send(w->conns[0].wire, NULL, "more", 4));
	CHECK_INT(4, raw_drain(w, fd, 4));
	close(fd);
	end(w);
}

static void closing_still_sends_what_is_queued(void **state)
{
	struct world *w = begin();
	struct addr at = listen_here(w);
	int fd = raw_connect(&at);
	size_t sent;

	wait_for(w, &w->accepts, 1);
	sent = fill(w->conns[0].wire);
	close_wire(&w->conns[0].wire);
	CHECK_INT(1, loop_timer_count(w->loop));
	CHECK_INT(sent, raw_drain(w, fd, sent + 1)); /* and then the end */
	CHECK_INT(0, loop_timer_count(w->loop));
	CHECK_INT(0, w->conns[0].closed);
	close(fd);
	end(w);
}

static void closing_waits_2_s_for_who_does_not_read(void **state)
{
	struct world *w = begin();
	struct addr at = listen_here(w);
	int fd = raw_connect(&at);

	wait_for(w, &w->accepts, 1);
	fill(w->conns[0].wire);
	close_wire(&w->conns[0].wire);
	loop_run_until(w->loop, 2999);
	CHECK_INT(1, loop_timer_count(w->loop));
	loop_run_until(w->loop, 3000);
	CHECK_INT(0, loop_timer_count(w->loop));
	close(fd);
	/* The net itself does not wait. */
	fd = raw_connect(&at);
	wait_for(w, &w->accepts, 2);
	fill(w->conns[1].wire);
	close_wire(&w->conns[1].wire);
	end(w);
	close(fd);
}

static void accepting_goes_in_portions(void **state)
{
	struct world *w = begin();
	struct addr at = listen_here(w);
	int fds[100];

	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = raw_connect(&at);
	loop_turn(w->loop);
	CHECK_INT(32, w->accepts);
	wait_for(w, &w->accepts, ARRAY_LEN(fds));
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	end(w);
}

static void a_thousand_half_requests_and_resets_leave_nothing(void **state)
{
	struct world *w = begin();
	struct addr at = listen_here(w);
	unsigned open = 0;
	int fds[100];

	for (unsigned round = 0; round < 10; round++) {
		for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
			fds[i] = raw_connect(&at);
			CHECK_INT(7, send(fds[i], "OPTIONS", 7, 0));
		}
		wait_for(w, &w->accepts, (round + 1) * (unsigned)ARRAY_LEN(fds));
		for (size_t i = 0; i < ARRAY_LEN(fds); i++)
			raw_reset(fds[i]);
		idle(w);
	}
	for (size_t i = 0; i < MAX_CONNS; i++)
		open += w->conns[i].wire != NULL;
	CHECK_INT(0, open);
	CHECK_INT(1000, w->accepts);
	end(w);
}

static void without_descriptors_accepting_pauses(void **state)
{
	struct world *w = begin();
	struct addr at = listen_here(w);
	struct rlimit old, few;
	int first = raw_connect(&at), second = raw_connect(&at);

	CHECK_INT(0, getrlimit(RLIMIT_NOFILE, &old));
	few = old;
	few.rlim_cur = (rlim_t)second + 1; /* all numbers below are taken */
	CHECK_INT(0, setrlimit(RLIMIT_NOFILE, &few));
	loop_turn(w->loop);
	CHECK_INT(0, w->accepts);
	CHECK_INT(1, loop_timer_count(w->loop)); /* the pause */
	loop_run_until(w->loop, 1950);
	CHECK_INT(0, w->accepts);
	CHECK_INT(1, w->logged);
	CHECK_INT(0, setrlimit(RLIMIT_NOFILE, &old));
	loop_run_until(w->loop, 2100);
	CHECK_INT(2, w->accepts);
	CHECK_INT(0, loop_timer_count(w->loop));
	close(first);
	close(second);
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(datagrams_go_both_ways),
		TEST(a_flood_is_taken_in_portions),
		TEST(a_handler_may_close_its_socket),
		TEST(taken_addresses_and_unknown_kinds_are_refused),
		TEST(both_families_share_a_port),
		TEST(the_source_is_the_kernels_choice),
		TEST(media_sockets_are_bare),
		TEST(streams_go_both_ways),
		TEST(nobody_listens_means_refused),
		TEST(resets_are_told_once),
		TEST(sending_into_a_reset_is_harmless),
		TEST(a_slow_reader_gets_everything),
		TEST(closing_still_sends_what_is_queued),
		TEST(closing_waits_2_s_for_who_does_not_read),
		TEST(accepting_goes_in_portions),
		TEST(a_thousand_half_requests_and_resets_leave_nothing),
		TEST(without_descriptors_accepting_pauses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/loop.h"
#include "check.h"
#include "net/sock.h"

/* Real sockets and the real thread of libwebsockets; the clients are bare sockets that write frames by hand. The clock is
 * virtual and held while a test waits. */

enum { MAX_CONNS = 64, MIB = 1 << 20 };

struct end {
	struct wire *wire;
	unsigned calls, closed;
	size_t n;
	int err;
	char last[64], why[80];
};

struct world {
	struct loop *loop;
	struct net *net;
	struct wire *listener;
	struct addr at;
	struct end conns[MAX_CONNS];
	unsigned accepts;
	bool refuse;
	const char *greeting; /* sent from inside accepted() */
};

static void on_bytes(void *arg, struct wire *w, const struct addr *from, const char *data, size_t n)
{
	struct end *e = arg;

	e->calls++;
	e->n += n;
	str_copy(e->last, sizeof(e->last), (struct str){ data, n });
}

static void on_closed(void *arg, struct wire *w, int err, const char *why)
{
	struct end *e = arg;

	e->closed++;
	e->err = err;
	e->wire = NULL;
	str_copy(e->why, sizeof(e->why), str_of(why));
}

static void on_accepted(void *arg, struct wire *listener, struct wire *conn, const struct addr *from)
{
	struct world *w = arg;
	struct end *e = &w->conns[w->accepts++ % MAX_CONNS];

	if (w->refuse || e->wire) {
		conn->ops->close(conn);
		return;
	}
	memset(e, 0, sizeof(*e));
	e->wire = conn;
	conn->ops->set_arg(conn, e);
	if (w->greeting)
		CHECK_INT(0, conn->ops->send(conn, NULL, w->greeting, strlen(w->greeting)));
}

static const struct wire_handlers handlers = { .bytes = on_bytes, .accepted = on_accepted, .closed = on_closed };

static struct world *begin(void)
{
	struct world *w = calloc(1, sizeof(*w));
	struct addr any;

	assert_non_null(w);
	assert_int_equal(0, addr_parse(&any, STR("127.0.0.1"), 0));
	assert_int_equal(0, loop_new(&w->loop, true, 1));
	assert_int_equal(0, sock_net_new(&w->net, w->loop));
	assert_int_equal(0, w->net->ops->listen(w->net, &w->listener, WIRE_WS, &any, &handlers, w));
	w->net->ops->local(w->listener, &w->at);
	return w;
}

static void end(struct world *w)
{
	for (size_t i = 0; i < MAX_CONNS; i++)
		if (w->conns[i].wire)
			w->conns[i].wire->ops->close(w->conns[i].wire);
	w->listener->ops->close(w->listener);
	sock_net_free(&w->net);
	CHECK_INT(0, loop_timer_count(w->loop));
	loop_free(&w->loop);
	free(w);
}

/* Turn until *count is at least want, or for some seconds in vain. */
static void wait_for(struct world *w, const unsigned *count, unsigned want)
{
	loop_hold(w->loop);
	for (int i = 0; *count < want && i < 1000; i++)
		loop_turn(w->loop);
	loop_release(w->loop);
	CHECK_INT(want, *count);
}

static void turn(struct world *w, int times)
{
	loop_hold(w->loop);
	for (int i = 0; i < times; i++)
		loop_turn(w->loop);
	loop_release(w->loop);
}

/* --- the client --- */

static int dial(struct world *w, int receive_bytes)
{
	const struct timeval limit = { .tv_sec = 20 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_INT(0, setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
	if (receive_bytes)
		CHECK_INT(0, setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes)));
	CHECK_INT(0, connect(fd, &w->at.sa, addr_len(&w->at)));
	return fd;
}

static void ask(int fd)
{
	static const char request[] =
		"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n"
		"Sec-WebSocket-Version: 13\r\n\r\n";

	CHECK_INT(sizeof(request) - 1, send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL));
}

static bool take(int fd, void *out, size_t n)
{
	return recv(fd, out, n, MSG_WAITALL) == (ssize_t)n;
}

static void hear_101(int fd)
{
	char head[1024] = "";
	size_t n = 0;

	while (n + 1 < sizeof(head) && !strstr(head, "\r\n\r\n") && take(fd, head + n, 1))
		head[++n] = '\0';
	CHECK(strstr(head, "HTTP/1.1 101 ") == head);
	CHECK(strstr(head, "Sec-WebSocket-Protocol: sip\r\n") || strstr(head, "sec-websocket-protocol: sip\r\n"));
}

static int open_client(struct world *w, int receive_bytes)
{
	unsigned before = w->accepts;
	int fd = dial(w, receive_bytes);

	wait_for(w, &w->accepts, before + 1);
	ask(fd);
	hear_101(fd);
	return fd;
}

/* A masked frame, the mask being zero. Returns its length. */
static size_t frame(char *out, const char *data, size_t n)
{
	size_t head = n < 126 ? 6 : 8;

	memset(out, 0, head);
	out[0] = (char)0x81;
	out[1] = (char)(0x80 | (n < 126 ? n : 126));
	if (n >= 126) {
		out[2] = (char)(n >> 8);
		out[3] = (char)n;
	}
	memcpy(out + head, data, n);
	return head + n;
}

static void say(int fd, const char *text)
{
	char out[300];
	size_t n = frame(out, text, strlen(text));

	CHECK_INT(n, send(fd, out, n, MSG_NOSIGNAL));
}

/* The first byte of the next frame, 0 = there is none. */
static unsigned hear(int fd, char *out, size_t size)
{
	unsigned char head[2], more[2];
	size_t n;

	out[0] = '\0';
	if (!take(fd, head, 2))
		return 0;
	n = head[1];
	if (n == 126 && take(fd, more, 2))
		n = (size_t)(more[0] << 8 | more[1]);
	assert_true(n < size);
	CHECK(!n || take(fd, out, n));
	out[n] = '\0';
	return head[0];
}

/* --- tests --- */

static void a_frame_is_a_message(void **state)
{
	struct world *w = begin();
	int fd = open_client(w, 0);
	struct end *e = &w->conns[0];
	char text[100];

	say(fd, "one");
	say(fd, "two");
	wait_for(w, &e->calls, 2);
	CHECK_INT(6, e->n);
	CHECK_STR("two", e->last);
	CHECK_INT(0, e->wire->ops->send(e->wire, NULL, "gr\xc3\xbc\xc3\x9f", 6));
	CHECK_INT(0, e->wire->ops->send(e->wire, NULL, "gr\xfc\xdf", 4));
	CHECK_INT(0x81, hear(fd, text, sizeof(text)));
	CHECK_STR("gr\xc3\xbc\xc3\x9f", text);
	CHECK_INT(0x82, hear(fd, text, sizeof(text)));
	CHECK_STR("gr\xfc\xdf", text);
	close(fd);
	wait_for(w, &e->closed, 1);
	CHECK_STR("the WebSocket connection broke", e->why);
	end(w);
}

static void a_close_frame_is_told(void **state)
{
	static const unsigned char bye[] = { 0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8 };
	struct world *w = begin();
	int fd = open_client(w, 0);
	char text[100];

	CHECK_INT(sizeof(bye), send(fd, bye, sizeof(bye), MSG_NOSIGNAL));
	CHECK_INT(0x88, hear(fd, text, sizeof(text)));
	close(fd);
	wait_for(w, &w->conns[0].closed, 1);
	CHECK_INT(0, w->conns[0].err);
	CHECK_STR("the WebSocket was closed by the peer", w->conns[0].why);
	end(w);
}

static void what_is_sent_early_waits_for_the_handshake(void **state)
{
	struct world *w = begin();
	char text[100];
	int fd;

	w->greeting = "hello";
	fd = open_client(w, 0);
	CHECK_INT(0x81, hear(fd, text, sizeof(text)));
	CHECK_STR("hello", text);
	close(fd);
	end(w);
}

static void who_is_refused_gets_no_handshake(void **state)
{
	struct world *w = begin();
	char byte;

	w->refuse = true;
	for (unsigned i = 0; i < 50; i++) {
		int fd = dial(w, 0);

		ask(fd);
		wait_for(w, &w->accepts, i + 1);
		CHECK(recv(fd, &byte, 1, 0) <= 0);
		close(fd);
	}
	end(w);
}

static void closing_sends_what_is_queued(void **state)
{
	struct world *w = begin();
	int fd = open_client(w, 0);
	struct wire *wire = w->conns[0].wire;
	char text[100], want[20];

	say(fd, "x");
	wait_for(w, &w->conns[0].calls, 1);
	for (int i = 0; i < 100; i++) {
		snprintf(want, sizeof(want), "message %d", i);
		CHECK_INT(0, wire->ops->send(wire, NULL, want, strlen(want)));
	}
	wire->ops->close(wire);
	w->conns[0].wire = NULL;
	for (int i = 0; i < 100; i++) {
		snprintf(want, sizeof(want), "message %d", i);
		CHECK_INT(0x81, hear(fd, text, sizeof(text)));
		CHECK_STR(want, text);
	}
	CHECK_INT(0x88, hear(fd, text, sizeof(text)));
	close(fd);
	turn(w, 5);
	CHECK_INT(0, w->conns[0].closed);
	end(w);
}

static void who_does_not_read_is_closed(void **state)
{
	struct world *w = begin();
	int fd = open_client(w, 4096);
	struct end *e = &w->conns[0];
	char *big = calloc(1, 60000);

	memset(big, 'x', 60000);
	loop_hold(w->loop);
	for (int i = 0; e->wire && i < 1000; i++) {
		int err = e->wire->ops->send(e->wire, NULL, big, 60000);

		CHECK(!err || err == ENOBUFS);
		loop_turn(w->loop);
	}
	loop_release(w->loop);
	wait_for(w, &e->closed, 1);
	CHECK_INT(ENOBUFS, e->err);
	CHECK_STR("the peer does not read", e->why);
	free(big);
	close(fd);
	end(w);
}

/* While the loop stands still, the other thread stops reading; then everything comes. */
static void a_flood_waits_in_the_network(void **state)
{
	enum { COUNT = 600, BYTES = 60000 };
	struct world *w = begin();
	int fd = open_client(w, 0), waits = 0;
	struct end *e = &w->conns[0];
	char *data = calloc(1, BYTES), *out = calloc(1, BYTES + 8);
	size_t n = frame(out, data, BYTES), sent = 0, before;

	CHECK_INT(0, fcntl(fd, F_SETFL, O_NONBLOCK));
	while (sent < COUNT * n && waits < 50) {
		ssize_t done = send(fd, out + sent % n, n - sent % n, MSG_NOSIGNAL);

		if (done > 0)
			sent += (size_t)done;
		waits = done > 0 ? 0 : waits + 1;
		if (done <= 0)
			usleep(10000);
	}
	before = sent;
	CHECK(before < COUNT * n - 4 * MIB);
	loop_hold(w->loop);
	for (int i = 0; i < 3000 && e->calls < COUNT; i++) {
		ssize_t done = sent < COUNT * n ? send(fd, out + sent % n, n - sent % n, MSG_NOSIGNAL) : 0;

		sent += done > 0 ? (size_t)done : 0;
		loop_turn(w->loop);
	}
	loop_release(w->loop);
	CHECK_INT(COUNT, e->calls);
	CHECK_INT((size_t)COUNT * BYTES, e->n);
	free(data);
	free(out);
	close(fd);
	end(w);
}

static void half_handshakes_leave_nothing(void **state)
{
	static const struct linger reset = { 1, 0 };
	struct world *w = begin();

	for (unsigned i = 0; i < 300; i++) {
		int fd = dial(w, 0);

		if (i % 3 == 1)
			CHECK_INT(9, send(fd, "GET / HTT", 9, MSG_NOSIGNAL));
		if (i % 3 == 2)
			ask(fd);
		if (i % 2)
			CHECK_INT(0, setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)));
		wait_for(w, &w->accepts, i + 1);
		close(fd);
	}
	for (size_t i = 0; i < MAX_CONNS; i++)
		if (w->conns[i].wire)
			wait_for(w, &w->conns[i].closed, 1);
	end(w);
}

static void the_end_may_come_at_any_time(void **state)
{
	for (int i = 0; i < 10; i++) {
		struct world *w = begin();
		int fd[8];

		for (int k = 0; k < 8; k++) {
			fd[k] = dial(w, 0);
			ask(fd[k]);
		}
		turn(w, i / 2);
		end(w);
		for (int k = 0; k < 8; k++)
			close(fd[k]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_frame_is_a_message),
		TEST(a_close_frame_is_told),
		TEST(what_is_sent_early_waits_for_the_handshake),
		TEST(who_is_refused_gets_no_handshake),
		TEST(closing_sends_what_is_queued),
		TEST(who_does_not_read_is_closed),
		TEST(a_flood_waits_in_the_network),
		TEST(half_handshakes_leave_nothing),
		TEST(the_end_may_come_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

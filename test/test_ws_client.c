/* The client against a server that writes its frames by hand, good and bad. Real sockets, real time, the real thread. */
#include "check.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "base/loop.h"
#include "net/ws_client.h"
#include "net/ws_feed.h"

enum { TURNS = 2000, TURN_MS = 5, DEADLINE_MS = 20000, FRAME = 160 };

struct world {
	struct loop *loop;
	struct loop_timer tick;
	struct ws *ws;
	uint64_t id;
	int listener, fd; /* fd: the server's end */
	struct addr at;
	char request[4096];
	unsigned opened, closed, messages, binary;
	uint16_t code;
	size_t bytes;
	char last[64], why[200];
	struct ws_feed *feed;
};

/* --- the owner --- */

static void on_opened(void *arg)
{
	((struct world *)arg)->opened++;
}

static void on_message(void *arg, enum ws_kind kind, struct str bytes)
{
	struct world *w = arg;

	w->messages++;
	w->binary += kind == WS_BINARY;
	w->bytes += bytes.n;
	str_copy(w->last, sizeof(w->last), bytes);
}

static void on_closed(void *arg, const struct ws_end *end)
{
	struct world *w = arg;

	w->closed++;
	w->code = end->code;
	str_copy(w->why, sizeof(w->why), str_of(end->why));
}

static const struct ws_handlers handlers = { .opened = on_opened, .message = on_message, .closed = on_closed };
static const struct ws_handlers deaf = { .opened = on_opened, .closed = on_closed };

static void begin(struct world *w)
{
	const struct ws_client_opts opts = { .ping_after_s = 1, .gone_after_s = 2 };
	struct ws_client_opts o = opts;
	socklen_t len = sizeof(w->at);

	*w = (struct world){ .fd = -1 };
	assert_int_equal(0, loop_new(&w->loop, false, 0));
	o.loop = w->loop;
	assert_int_equal(0, ws_client_new(&w->ws, &o));
	assert_int_equal(0, addr_parse(&w->at, STR("127.0.0.1"), 0));
	w->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(0, bind(w->listener, &w->at.sa, addr_len(&w->at)));
	assert_int_equal(0, listen(w->listener, 8));
	assert_int_equal(0, getsockname(w->listener, &w->at.sa, &len));
}

static void end(struct world *w)
{
	if (w->fd >= 0)
		close(w->fd);
	if (w->listener >= 0)
		close(w->listener);
	ws_client_free(&w->ws);
	ws_feed_drop(&w->feed);
	loop_timer_stop(w->loop, &w->tick);
	CHECK_INT(0, loop_timer_count(w->loop));
	loop_free(&w->loop);
}

static void nothing(void *arg)
{
}

static void turn(struct world *w)
{
	loop_timer_start(w->loop, &w->tick, TURN_MS, nothing, w);
	loop_turn(w->loop);
}

static void wait_for(struct world *w, const unsigned *count, unsigned want)
{
	for (int i = 0; *count < want && i < TURNS; i++)
		turn(w);
	CHECK_INT(want, *count);
}

static int open_as(struct world *w, const struct ws_handlers *h, const char *url, const struct addr *addrs, size_t n,
		   uint32_t deadline_ms)
{
	struct ws_request r = { .addrs = addrs, .addr_count = n, .feed = w->feed, .deadline_ms = deadline_ms };

	assert_int_equal(0, url_parse_ws(&r.url, str_of(url)));
	return w->ws->ops->open(w->ws, &r, h, w, &w->id);
}

static void open_to(struct world *w, const char *url)
{
	CHECK_INT(0, open_as(w, &handlers, url, &w->at, 1, DEADLINE_MS));
}

/* --- the server --- */

static bool readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

static bool writable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, ms) == 1;
}

/* Takes a connection and reads its request. */
static void take(struct world *w)
{
	const struct timeval limit = { .tv_sec = 10 };
	size_t n = 0;

	if (w->fd >= 0)
		close(w->fd);
	w->fd = readable(w->listener, 10000) ? accept(w->listener, NULL, NULL) : -1;
	CHECK(w->fd >= 0);
	setsockopt(w->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	while (n < sizeof(w->request) - 1 && !strstr(w->request, "\r\n\r\n")) {
		ssize_t got = recv(w->fd, w->request + n, 1, 0);

		if (got <= 0)
			break;
		w->request[++n] = '\0';
	}
}

static void say(const struct world *w, const void *data, size_t n)
{
	CHECK_INT(n, send(w->fd, data, n, MSG_NOSIGNAL));
}

static void say_text(const struct world *w, const char *text)
{
	say(w, text, strlen(text));
}

static void agree(struct world *w)
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	const char *key = strstr(w->request, "Sec-WebSocket-Key: ");
	unsigned char digest[SHA_DIGEST_LENGTH], base64[64];
	char text[128], answer[256];

	CHECK(key);
	if (!key)
		return;
	snprintf(text, sizeof(text), "%.24s%s", key + 19, guid);
	SHA1((const unsigned char *)text, strlen(text), digest);
	EVP_EncodeBlock(base64, digest, sizeof(digest));
	snprintf(answer, sizeof(answer),
		 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		 "Sec-WebSocket-Accept: %s\r\n\r\n",
		 base64);
	say_text(w, answer);
}

/* Unmasked, as from servers. */
static void frame(const struct world *w, int opcode, const void *data, size_t n)
{
	unsigned char head[10] = { (unsigned char)(0x80 | opcode), (unsigned char)n };
	size_t head_n = 2;

	if (n > 125 && n < 65536) {
		head[1] = 126;
		head[2] = (unsigned char)(n >> 8);
		head[3] = (unsigned char)n;
		head_n = 4;
	} else if (n > 125) {
		head[1] = 127;
		for (int i = 0; i < 8; i++)
			head[2 + i] = (unsigned char)((uint64_t)n >> (56 - 8 * i));
		head_n = 10;
	}
	say(w, head, head_n);
	say(w, data, n);
}

static bool read_all(const struct world *w, unsigned char *out, size_t n)
{
	while (n) {
		ssize_t got = recv(w->fd, out, n, 0);

		if (got <= 0)
			return false;
		out += got;
		n -= (size_t)got;
	}
	return true;
}

/* The next frame of the client, unmasked. Returns its opcode, -1 = the connection is over. */
static int next_frame(const struct world *w, unsigned char *out, size_t *n)
{
	unsigned char head[2], more[2], mask[4];

	if (!read_all(w, head, 2))
		return -1;
	CHECK(head[0] & 0x80);
	CHECK(head[1] & 0x80); /* clients mask */
	*n = head[1] & 0x7f;
	CHECK(*n != 127);
	if (*n == 126) {
		if (!read_all(w, more, 2))
			return -1;
		*n = (size_t)(more[0] << 8 | more[1]);
	}
	if (!read_all(w, mask, 4) || !read_all(w, out, *n))
		return -1;
	for (size_t i = 0; i < *n; i++)
		out[i] ^= mask[i % 4];
	return head[0] & 0x0f;
}

static void stand(struct world *w)
{
	take(w);
	agree(w);
	wait_for(w, &w->opened, 1);
}

/* --- */

static void messages_go_both_ways(void **state)
{
	unsigned char got[FRAME + 1];
	struct world w;
	size_t n = 0;

	begin(&w);
	open_to(&w, "ws://u%40x:p%3aw@app.test:81/a/b?c=d#frag");
	CHECK_INT(0, w.ws->ops->send(w.ws, w.id, WS_TEXT, STR("early")));
	take(&w);
	CHECK(!strncmp(w.request, "GET /a/b?c=d HTTP/1.1\r\n", 23));
	CHECK(strstr(w.request, "\r\nHost: app.test:81\r\n"));
	CHECK(strstr(w.request, "uthorization: Basic dUB4OnA6dw==\r\n")); /* u@x:p:w */
	CHECK(!strstr(w.request, "Sec-WebSocket-Protocol"));
	CHECK(!strstr(w.request, "Origin"));
	agree(&w);
	CHECK_INT(1, next_frame(&w, got, &n));
	CHECK(n == 5 && !memcmp(got, "early", 5));
	wait_for(&w, &w.opened, 1);
	frame(&w, 1, "hello", 5);
	wait_for(&w, &w.messages, 1);
	CHECK_STR("hello", w.last);
	frame(&w, 2, "\1\2\3", 3);
	wait_for(&w, &w.messages, 2);
	CHECK_INT(1, w.binary);
	CHECK_INT(0, w.ws->ops->send(w.ws, w.id, WS_BINARY, STR("four")));
	CHECK_INT(2, next_frame(&w, got, &n));
	CHECK(n == 4 && !memcmp(got, "four", 4));
	w.ws->ops->close(w.ws, w.id, 1000);
	w.ws->ops->close(w.ws, w.id, 1000);
	CHECK_INT(ENOENT, w.ws->ops->send(w.ws, w.id, WS_TEXT, STR("late")));
	CHECK_INT(8, next_frame(&w, got, &n));
	CHECK(n == 2 && got[0] == 3 && got[1] == 0xe8); /* 1000 */
	CHECK_INT(0, w.closed);
	end(&w);
}

static void handshakes_that_fail(void **state)
{
	static const struct {
		const char *answer, *why;
	} rows[] = {
		{ "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
		  "the server answered 401 to the WebSocket handshake" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		  "the server answered 200 to the WebSocket handshake" },
		{ "HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
		  "the server answered 302 to the WebSocket handshake" },
		{ "HTTP/1.1 307 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
		  "the server answered 307 to the WebSocket handshake" },
		{ "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: eA==\r\n\r\n",
		  "no WebSocket handshake: " },
		{ "HTTP/1.1 101 Yes\r\n\r\n", "no WebSocket handshake: " },
		{ "\1\2\3\4 nonsense\r\n\r\n", "no WebSocket handshake" },
		{ "", "no WebSocket handshake" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;

		begin(&w);
		open_to(&w, "ws://app.test/");
		take(&w);
		say_text(&w, rows[i].answer);
		shutdown(w.fd, SHUT_WR);
		wait_for(&w, &w.closed, 1);
		if (strncmp(rows[i].why, w.why, strlen(rows[i].why)))
			CHECK_STR(rows[i].why, w.why);
		CHECK_INT(0, w.opened);
		CHECK(!readable(w.listener, 50)); /* and nowhere else */
		CHECK_INT(ENOENT, w.ws->ops->send(w.ws, w.id, WS_TEXT, STR("x")));
		end(&w);
	}
}

static void one_that_says_nothing(void **state)
{
	struct world w;

	begin(&w);
	CHECK_INT(0, open_as(&w, &handlers, "ws://a/", &w.at, 1, 200));
	wait_for(&w, &w.closed, 1);
	CHECK_STR("no WebSocket within 200 ms", w.why);
	end(&w);
	/* The same when it takes the connection. */
	begin(&w);
	CHECK_INT(0, open_as(&w, &handlers, "ws://a/", &w.at, 1, 200));
	take(&w);
	wait_for(&w, &w.closed, 1);
	CHECK_INT(0, (int)recv(w.fd, w.request, 1, 0)); /* and it was cut */
	end(&w);
}

/* TLS asked of a server that has none. */
static void no_tls(void **state)
{
	struct world w;

	begin(&w);
	open_to(&w, "wss://app.test/");
	w.fd = readable(w.listener, 10000) ? accept(w.listener, NULL, NULL) : -1;
	say_text(&w, "HTTP/1.1 400 Bad Request\r\n\r\n");
	wait_for(&w, &w.closed, 1);
	CHECK(!strncmp(w.why, "cannot connect: ", 16));
	end(&w);
}

static void addresses_are_tried_in_turn(void **state)
{
	struct addr addrs[3];
	struct world w, other;

	begin(&other);
	addrs[0] = addrs[1] = other.at;
	close(other.listener);
	other.listener = -1;
	begin(&w);
	addrs[2] = w.at;
	CHECK_INT(0, addr_parse(&addrs[1], STR("::1"), addr_port(&other.at)));
	CHECK_INT(0, open_as(&w, &handlers, "ws://a/", addrs, 3, DEADLINE_MS));
	stand(&w);
	end(&w);
	/* None of them. */
	CHECK_INT(0, open_as(&other, &handlers, "ws://a/", addrs, 2, DEADLINE_MS));
	wait_for(&other, &other.closed, 1);
	CHECK(!strncmp(other.why, "cannot connect", 14));
	end(&other);
}

static void what_cannot_be_asked_for(void **state)
{
	struct world w;
	char url[2200];

	begin(&w);
	snprintf(url, sizeof(url), "ws://%0200d/", 1);
	CHECK_INT(EINVAL, open_as(&w, &handlers, url, &w.at, 1, 1));
	snprintf(url, sizeof(url), "ws://a/%02000d", 1);
	CHECK_INT(EINVAL, open_as(&w, &handlers, url, &w.at, 1, 1));
	snprintf(url, sizeof(url), "ws://%0600d@a/", 1);
	CHECK_INT(EINVAL, open_as(&w, &handlers, url, &w.at, 1, 1));
	CHECK_INT(EINVAL, open_as(&w, &handlers, "ws://a/", &w.at, 0, 1));
	end(&w);
}

static void servers_that_close(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		uint16_t code;
		const char *why;
	} rows[] = {
		{ "\x88\x02\x0f\xa1", 4, 4001, "the server closed the WebSocket" },
		{ "\x88\x00", 2, 0, "the server closed the WebSocket" },
		{ "", 0, 0, "the WebSocket connection broke" },
		{ "\x83\x00", 2, 0, "the WebSocket connection broke" },  /* an opcode that is none */
		{ "\xf1\x01x", 3, 0, "the WebSocket connection broke" }, /* reserved bits */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;

		begin(&w);
		open_to(&w, "ws://a/");
		stand(&w);
		say(&w, rows[i].bytes, rows[i].n);
		shutdown(w.fd, SHUT_WR);
		wait_for(&w, &w.closed, 1);
		CHECK_INT(rows[i].code, w.code);
		CHECK_STR(rows[i].why, w.why);
		end(&w);
	}
}

static void large_messages(void **state)
{
	char *large = calloc(1, WS_MAX_MESSAGE + 1);
	unsigned char got[200];
	struct world w;
	size_t n = 0;

	begin(&w);
	open_to(&w, "ws://a/");
	stand(&w);
	frame(&w, 2, large, WS_MAX_MESSAGE);
	wait_for(&w, &w.messages, 1);
	CHECK_INT(WS_MAX_MESSAGE, w.bytes);
	frame(&w, 2, large, WS_MAX_MESSAGE + 1);
	CHECK_INT(8, next_frame(&w, got, &n));
	CHECK(n == 2 && got[0] == 3 && got[1] == 0xf1); /* 1009 */
	wait_for(&w, &w.closed, 1);
	CHECK_STR("a WebSocket message of more than 64 KiB", w.why);
	end(&w);
	/* Who does not listen is not bothered. */
	begin(&w);
	CHECK_INT(0, open_as(&w, &deaf, "ws://a/", &w.at, 1, DEADLINE_MS));
	stand(&w);
	for (int i = 0; i < 50; i++)
		frame(&w, 1, large, WS_MAX_MESSAGE + 1);
	frame(&w, 9, "x", 1);
	CHECK_INT(10, next_frame(&w, got, &n)); /* its PONG says that all was read */
	CHECK_INT(0, w.closed);
	end(&w);
	free(large);
}

/* A loop that is behind: no more is read than there are credits for, and nothing is lost. */
static void floods_wait(void **state)
{
	enum { MESSAGES = 4000, BYTES = 4096 };
	char data[BYTES + 4] = { (char)0x82, 126, BYTES >> 8, 0 };
	bool waited = false;
	size_t sent = 0;
	struct world w;

	begin(&w);
	open_to(&w, "ws://a/");
	stand(&w);
	while (sent < MESSAGES * sizeof(data)) {
		size_t at = sent % sizeof(data);
		ssize_t n = send(w.fd, data + at, sizeof(data) - at, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0) {
			CHECK(errno == EAGAIN);
			if (!waited && writable(w.fd, 300))
				continue;
			/* Until the loop turns, not a byte more is read. */
			CHECK(waited || !w.messages);
			waited = true;
			turn(&w);
			continue;
		}
		sent += (size_t)n;
	}
	wait_for(&w, &w.messages, MESSAGES);
	CHECK_INT(MESSAGES * BYTES, w.bytes);
	CHECK(waited);
	CHECK_INT(0, w.closed);
	end(&w);
}

static void frames_of_a_feed(void **state)
{
	unsigned char data[FRAME], got[FRAME + 1];
	struct world w;
	size_t n = 0;

	begin(&w);
	assert_int_equal(0, ws_feed_new(&w.feed, FRAME, 50));
	open_to(&w, "ws://a/");
	stand(&w);
	CHECK_INT(0, w.ws->ops->send(w.ws, w.id, WS_TEXT, STR("first")));
	CHECK_INT(1, next_frame(&w, got, &n));
	for (int i = 0; i < 200; i++) {
		memset(data, i, sizeof(data));
		ws_feed_put(w.feed, data, FRAME);
		if (i % 20 != 19)
			continue;
		for (int k = i - 19; k <= i; k++) {
			CHECK_INT(2, next_frame(&w, got, &n));
			CHECK(n == FRAME && got[0] == (unsigned char)k && got[FRAME - 1] == got[0]);
		}
	}
	/* What waits when it is closed still goes out, before the end. */
	for (int i = 0; i < 10; i++)
		ws_feed_put(w.feed, data, FRAME);
	w.ws->ops->close(w.ws, w.id, 1000);
	for (int i = 0; i < 10; i++)
		CHECK_INT(2, next_frame(&w, got, &n));
	CHECK_INT(8, next_frame(&w, got, &n));
	CHECK_INT(0, ws_feed_lost(w.feed));
	ws_feed_put(w.feed, data, FRAME);
	CHECK_INT(0, ws_feed_waiting(w.feed));
	end(&w);
}

/* A server that stops reading: old frames are lost and counted, and after a while it is left. */
static size_t shout(void *arg, const void *frame, size_t n, char *out)
{
	return (size_t)snprintf(out, 6000, "%u:%.*s:%04990d", ++*(unsigned *)arg, (int)n, (const char *)frame, 7);
}

static void count_free(void *arg)
{
	++((unsigned *)arg)[1];
}

/* Frames that are made text on their way out, longer than they are; what the server says is counted. */
static void a_feed_as_text(void **state)
{
	unsigned counts[2] = { 0 };
	const struct ws_feed_text text = { .room = 6000, .write = shout, .free = count_free, .arg = counts };
	unsigned char got[6000];
	struct ws_feed *mine;
	struct world w;
	size_t n = 0;

	begin(&w);
	assert_int_equal(0, ws_feed_new(&w.feed, 4, 50));
	CHECK(!ws_feed_is_text(w.feed));
	assert_int_equal(0, ws_feed_as_text(w.feed, &text));
	mine = ws_feed_use(w.feed);
	CHECK_INT(0, open_as(&w, &deaf, "ws://u:p@a/", &w.at, 1, DEADLINE_MS));
	stand(&w);
	for (int i = 0; i < 3; i++)
		ws_feed_put(w.feed, "tick", 4);
	frame(&w, 1, "stop it", 7);
	frame(&w, 2, "\0", 1);
	ws_feed_end(w.feed, "end", 3);
	ws_feed_put(w.feed, "late", 4);
	for (int i = 1; i <= 4; i++) {
		char want[20];

		CHECK_INT(1, next_frame(&w, got, &n));
		snprintf(want, sizeof(want), "%d:%s:000", i, i < 4 ? "tick" : "end");
		CHECK(!memcmp(want, got, strlen(want)) && n > 4990 && got[n - 1] == '7');
	}
	for (int i = 0; ws_feed_unwanted_count(mine) < 2 && i < TURNS; i++)
		turn(&w);
	CHECK_INT(2, ws_feed_unwanted_count(mine));
	w.ws->ops->close(w.ws, w.id, 1000);
	CHECK_INT(8, next_frame(&w, got, &n));
	end(&w);
	CHECK_INT(0, counts[1]);
	ws_feed_drop(&mine);
	CHECK_INT(1, counts[1]);
}

static void a_token(void **state)
{
	static char token[WS_MAX_BEARER + 2];
	struct ws_request r = { .addr_count = 1, .deadline_ms = DEADLINE_MS, .bearer = token };
	struct world w;
	char *at;

	begin(&w);
	r.addrs = &w.at;
	assert_int_equal(0, url_parse_ws(&r.url, STR("ws://u:p@a/")));
	memset(token, 'x', WS_MAX_BEARER + 1);
	CHECK_INT(EINVAL, w.ws->ops->open(w.ws, &r, &handlers, &w, &w.id));
	token[3000] = '\0';
	CHECK_INT(0, w.ws->ops->open(w.ws, &r, &handlers, &w, &w.id));
	take(&w);
	at = strstr(w.request, "uthorization: Bearer xx");
	CHECK(at && strcspn(at, "\r") == 21 + 3000);
	CHECK(!strstr(w.request, "Basic"));
	end(&w);
}

static void one_that_does_not_read(void **state)
{
	const unsigned char data[FRAME] = { 7 };
	struct world w;

	begin(&w);
	assert_int_equal(0, ws_feed_new(&w.feed, FRAME, 20));
	open_to(&w, "ws://a/");
	take(&w);
	setsockopt(w.fd, SOL_SOCKET, SO_RCVBUF, &(int){ 4096 }, sizeof(int));
	agree(&w);
	wait_for(&w, &w.opened, 1);
	for (int i = 0; i < 4000 && !w.closed; i++) {
		for (int k = 0; k < 5; k++)
			ws_feed_put(w.feed, data, FRAME);
		turn(&w);
	}
	CHECK_INT(1, w.closed);
	CHECK_STR("the WebSocket connection broke", w.why);
	CHECK(ws_feed_lost(w.feed) > 100);
	end(&w);
}

/* It reads, and says nothing but PONG: that is enough. */
static void one_that_only_reads(void **state)
{
	unsigned char got[FRAME];
	unsigned pings = 0;
	struct world w;

	begin(&w);
	open_to(&w, "ws://a/");
	stand(&w);
	while (pings < 3 && !w.closed) {
		size_t n = 0;

		while (!readable(w.fd, 0) && !w.closed)
			turn(&w);
		CHECK_INT(9, next_frame(&w, got, &n));
		frame(&w, 10, got, n);
		pings++;
	}
	CHECK_INT(0, w.closed);
	end(&w);
}

static void too_much_to_send(void **state)
{
	static char data[32 * 1024];
	struct world w;

	begin(&w);
	open_to(&w, "ws://a/");
	stand(&w);
	for (int i = 0; i < 1000 && !w.closed; i++) {
		w.ws->ops->send(w.ws, w.id, WS_BINARY, (struct str){ data, sizeof(data) });
		turn(&w);
	}
	wait_for(&w, &w.closed, 1);
	CHECK_STR("the server does not read", w.why);
	end(&w);
}

/* Ended by either side at any time: no handler runs twice, or after the owner's close. */
static void ends_at_any_time(void **state)
{
	for (int i = 0; i < 60; i++) {
		unsigned closed;
		struct world w;

		begin(&w);
		open_to(&w, "ws://a/");
		if (i % 6 > 0)
			take(&w);
		if (i % 6 > 1)
			agree(&w);
		for (int k = 0; k < i / 6; k++)
			turn(&w);
		if (i % 6 == 3)
			frame(&w, 8, "", 0);
		if (i % 6 == 4)
			shutdown(w.fd, SHUT_RDWR);
		if (i % 2)
			w.ws->ops->close(w.ws, w.id, 1000);
		closed = w.closed;
		for (int k = 0; k < 10; k++)
			turn(&w);
		CHECK(w.closed <= 1 && (!(i % 2) || w.closed == closed));
		end(&w); /* with what is open */
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(messages_go_both_ways),
		TEST(handshakes_that_fail),
		TEST(one_that_says_nothing),
		TEST(no_tls),
		TEST(addresses_are_tried_in_turn),
		TEST(what_cannot_be_asked_for),
		TEST(servers_that_close),
		TEST(large_messages),
		TEST(floods_wait),
		TEST(frames_of_a_feed),
		TEST(a_feed_as_text),
		TEST(a_token),
		TEST(one_that_does_not_read),
		TEST(one_that_only_reads),
		TEST(too_much_to_send),
		TEST(ends_at_any_time),
	};

	/* The rules judge the server, not a proxy. */
	setenv("http_proxy", "127.0.0.1:1", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "net/web.h"
#include "check.h"

enum { PARALLEL = 200, CLIENT_LIMIT_MS = 20000 };

struct fixture {
	struct loop *loop;
	struct web *web;
	uint16_t port;
	atomic_bool done;
	size_t requests;
	size_t followed, gone; /* streams that were not ended by us */
	uint64_t held;         /* a request that is answered when the next one comes */
	void (*client)(struct fixture *f);
};

/* --- the server's side: what the paths do --- */

static void on_request(void *arg, const struct web_request *r)
{
	struct fixture *f = arg;
	char text[400];
	int n = snprintf(text, sizeof(text), "%s %s", r->method, r->path);

	f->requests++;
	if (!strcmp(r->path, "/never"))
		return;
	if (!strcmp(r->path, "/hold")) {
		f->held = r->id;
		return;
	}
	if (!strcmp(r->path, "/release"))
		web_reply(f->web, f->held, 200, "text/plain", STR("held"));
	if (!strcmp(r->path, "/echo")) {
		const struct web_answer a = { 200, "text/plain", r->body, "x-query:", r->query };

		web_reply_with(f->web, r->id, &a);
	} else if (!strcmp(r->path, "/who")) {
		web_reply(f->web, r->id, 200, "text/plain", str_of(r->authorization));
	} else if (!strcmp(r->path, "/stream") || !strcmp(r->path, "/follow")) {
		web_stream_start(f->web, r->id, "application/x-ndjson");
		web_stream_send(f->web, r->id, STR("one\n"));
		web_stream_send(f->web, r->id, STR(""));
		web_stream_send(f->web, r->id, STR("second\n"));
		if (!strcmp(r->path, "/stream"))
			web_stream_end(f->web, r->id);
		else
			f->followed++;
	} else if (!strcmp(r->path, "/flood")) {
		char *large = malloc(100000);

		memset(large, 'x', 100000);
		web_stream_start(f->web, r->id, "text/plain");
		for (int i = 0; i < 400; i++)
			web_stream_send(f->web, r->id, (struct str){ large, 100000 });
		f->followed++;
		free(large);
	} else if (!strcmp(r->path, "/large")) {
		char *large = malloc(3000000);

		memset(large, 'x', 3000000);
		web_reply(f->web, r->id, 200, "text/plain", (struct str){ large, 3000000 });
		free(large);
	} else if (!strcmp(r->path, "/file") || !strcmp(r->path, "/short")) {
		FILE *file = tmpfile();

		for (int i = 0; i < 100000; i++)
			fprintf(file, "%09d\n", i);
		fflush(file);
		web_reply_file(f->web, r->id, dup(fileno(file)), r->path[1] == 'f' ? 1000000 : 1000001, "audio/wav");
		fclose(file);
	} else if (!strcmp(r->path, "/empty")) {
		web_reply(f->web, r->id, 204, "text/plain", STR(""));
	} else if (!strcmp(r->path, "/twice")) {
		web_reply(f->web, r->id, 200, "text/plain", STR("one"));
		web_reply(f->web, r->id, 500, "text/plain", STR("two"));
		web_reply(f->web, r->id + 1000000, 500, "text/plain", STR("nobody"));
	} else if (!strcmp(r->path, "/unknown")) {
		web_reply(f->web, r->id, 404, "application/json", STR("{\"error\":\"not found\"}\n"));
	} else {
		web_reply(f->web, r->id, 200, "text/plain", (struct str){ text, (size_t)n });
	}
}

static void on_gone(void *arg, uint64_t id)
{
	struct fixture *f = arg;

	f->gone++;
}

/* --- the client's side, on its own thread with blocking sockets --- */

static int dial(const struct fixture *f)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(f->port) };
	struct timeval limit = { .tv_sec = CLIENT_LIMIT_MS / 1000 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	CHECK(fd >= 0 && !connect(fd, (struct sockaddr *)&to, sizeof(to)));
	return fd;
}

static void say(int fd, const char *text)
{
	CHECK_INT((long)strlen(text), send(fd, text, strlen(text), MSG_NOSIGNAL));
}

/* Everything until the server closes. */
static void hear_all(int fd, struct buf *out)
{
	char part[8192];
	ssize_t n;

	while ((n = recv(fd, part, sizeof(part), 0)) > 0)
		buf_add(out, part, (size_t)n);
	CHECK(n == 0);
}

static void ask_and_hear(const struct fixture *f, const char *request, struct buf *out)
{
	int fd = dial(f);

	say(fd, request);
	hear_all(fd, out);
	close(fd);
}

static void answers(struct fixture *f)
{
	static const struct {
		const char *request, *status, *body;
	} rows[] = {
		{ "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 ", "GET /healthz" },
		{ "GET /healthz HTTP/1.0\r\n\r\n", "HTTP/1.", "GET /healthz" },
		{ "GET /a/b?c=d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 ", "GET /a/b" },
		{ "HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 ", "" },
		{ "DELETE /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 ", "DELETE /x" },
		{ "POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 200 ",
		  "POST /x" },
		{ "POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 ",
		  "POST /x" },
		{ "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", "HTTP/1.1 413 ",
		  "{\"error\":\"body too large or of unknown length\"}\n" },
		{ "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 413 ",
		  "{\"error\":\"body too large or of unknown length\"}\n" },
		{ "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 413 ",
		  "{\"error\":\"body too large or of unknown length\"}\n" },
		{ "GET /unknown HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 404 ",
		  "{\"error\":\"not found\"}\n" },
		{ "GET /empty HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 204 ", "" },
		{ "POST /echo?a=b%20c&d=e HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
		  "HTTP/1.1 200 ", "hello" },
		{ "GET /who HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Basic YTpi\r\n\r\n",
		  "HTTP/1.1 200 ", "Basic YTpi" },
		{ "GET /who HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 ", "" },
		{ "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ",
		  "4\r\none\n\r\n7\r\nsecond\n\r\n0\r\n\r\n" },
		{ "GET /stream HTTP/1.0\r\n\r\n", "HTTP/1.", "one\nsecond\n" },
		{ "GET /twice HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 ", "one" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf got = { 0 };
		const char *body;

		ask_and_hear(f, rows[i].request, &got);
		CHECK(got.data && !strncmp(got.data, rows[i].status, strlen(rows[i].status)));
		body = got.data ? strstr(got.data, "\r\n\r\n") : NULL;
		CHECK_STR(rows[i].body, body ? body + 4 : NULL);
		buf_free(&got);
	}
}

static void files(struct fixture *f)
{
	static const struct {
		const char *range, *status, *header;
		size_t from, count;
	} rows[] = {
		{ "", "200", "content-length: 1000000", 0, 1000000 },
		{ "bytes=0-9", "206", "content-range: bytes 0-9/1000000", 0, 10 },
		{ "bytes=999990-", "206", "content-range: bytes 999990-999999/1000000", 999990, 10 },
		{ "bytes=-25", "206", "content-range: bytes 999975-999999/1000000", 999975, 25 },
		{ "bytes=100000-5000000", "206", "content-range: bytes 100000-999999/1000000", 100000, 900000 },
		{ "bytes=1000000-", "416", "content-range: bytes */1000000", 0, 0 },
		{ "bytes=-0", "416", "content-range: bytes */1000000", 0, 0 },
		{ "bytes=9-1", "200", "accept-ranges: bytes", 0, 1000000 },
		{ "bytes=0-1,5-6", "200", "accept-ranges: bytes", 0, 1000000 },
		{ "bytes=x", "200", "accept-ranges: bytes", 0, 1000000 },
		{ "bytes=18446744073709551616-", "200", "accept-ranges: bytes", 0, 1000000 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf got = { 0 };
		char request[200], line[16];
		const char *body;

		snprintf(request, sizeof(request), "GET /file HTTP/1.1\r\nHost: x\r\n%s%s%sConnection: close\r\n\r\n",
			 rows[i].range[0] ? "Range: " : "", rows[i].range, rows[i].range[0] ? "\r\n" : "");
		ask_and_hear(f, request, &got);
		CHECK(got.len > 13 && !strncmp(got.data + 9, rows[i].status, 3));
		CHECK(got.data && strstr(got.data, rows[i].header));
		body = got.data ? strstr(got.data, "\r\n\r\n") : NULL;
		CHECK_INT(rows[i].count, body ? got.len - (size_t)(body + 4 - got.data) : 0);
		snprintf(line, sizeof(line), "%09zu\n", rows[i].from / 10);
		if (body && rows[i].count >= 10)
			CHECK(!strncmp(body + 4, line + rows[i].from % 10, 10 - rows[i].from % 10));
		buf_free(&got);
	}
}

/* The head is all of it; and a file that is shorter than it was ends the connection. */
static void files_that_are_not_whole(struct fixture *f)
{
	struct buf got = { 0 };

	ask_and_hear(f, "HEAD /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &got);
	CHECK(got.data && strstr(got.data, "content-length: 1000000\r\n"));
	CHECK(got.data && !strcmp(strstr(got.data, "\r\n\r\n"), "\r\n\r\n"));
	buf_free(&got);
	ask_and_hear(f, "GET /short HTTP/1.1\r\nHost: x\r\n\r\n", &got);
	CHECK(got.data && strstr(got.data, "content-length: 1000001\r\n"));
	buf_free(&got);
	/* A client that goes away in the middle; the descriptor is closed. */
	for (int i = 0; i < 20; i++) {
		char part[64];
		int fd = dial(f);

		say(fd, "GET /file HTTP/1.1\r\nHost: x\r\n\r\n");
		CHECK(recv(fd, part, sizeof(part), 0) > 0);
		close(fd);
	}
}

/* Bytes that are no request get no answer, or an error, and the connection ends. */
static void nonsense(struct fixture *f)
{
	static const char *const rows[] = {
		"\r\n\r\n",
		"HELLO\r\n\r\n",
		"GET\r\n\r\n",
		"GET /%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
		"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
	};
	struct buf long_path = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf got = { 0 };
		int fd = dial(f);

		say(fd, rows[i]);
		shutdown(fd, SHUT_WR);
		hear_all(fd, &got);
		CHECK(!got.len || !strncmp(got.data, "HTTP/1.", 7));
		CHECK(!got.len || !strstr(got.data, " 101 "));
		buf_free(&got);
		close(fd);
	}
	buf_cstr(&long_path, "GET /");
	for (int i = 0; i < 300; i++)
		buf_char(&long_path, 'a');
	buf_cstr(&long_path, " HTTP/1.1\r\nHost: x\r\n\r\n");
	struct buf got = { 0 };

	ask_and_hear(f, long_path.data, &got);
	CHECK(got.data && !strncmp(got.data, "HTTP/1.1 414 ", 13));
	buf_free(&got);
	buf_free(&long_path);
}

/* Three requests, one after the other, on one connection; then two at once. */
static void keeps_connections(struct fixture *f)
{
	struct buf got = { 0 };
	int fd = dial(f);
	size_t found = 0;

	for (int i = 0; i < 3; i++) {
		char part[2000];
		ssize_t n = 0;

		say(fd, i == 1 ? "HEAD /again HTTP/1.1\r\nHost: x\r\n\r\n" : "GET /again HTTP/1.1\r\nHost: x\r\n\r\n");
		buf_reset(&got);
		do {
			n = recv(fd, part, sizeof(part), 0);
			CHECK(n > 0);
			if (n > 0)
				buf_add(&got, part, (size_t)n);
		} while (n > 0 && !strstr(got.data, i == 1 ? "\r\n\r\n" : "GET /again"));
		CHECK(!strncmp(got.data, "HTTP/1.1 200 ", 13));
	}
	buf_reset(&got);
	say(fd, "GET /one HTTP/1.1\r\nHost: x\r\n\r\nGET /two HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	hear_all(fd, &got);
	for (const char *p = got.data; p && (p = strstr(p, "HTTP/1.1 200 ")); p++)
		found++;
	CHECK_INT(2, found);
	CHECK(strstr(got.data, "GET /one") && strstr(got.data, "GET /two"));
	close(fd);
	buf_free(&got);
}

static void many_at_once(struct fixture *f)
{
	int fds[PARALLEL];

	for (int i = 0; i < PARALLEL; i++)
		fds[i] = dial(f);
	for (int i = 0; i < PARALLEL; i++) {
		char request[100];

		snprintf(request, sizeof(request), "GET /n%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", i);
		say(fds[i], request);
	}
	for (int i = 0; i < PARALLEL; i++) {
		struct buf got = { 0 };
		char want[100];

		snprintf(want, sizeof(want), "\r\n\r\nGET /n%d", i);
		hear_all(fds[i], &got);
		CHECK(got.len > strlen(want) && !strcmp(got.data + got.len - strlen(want), want));
		buf_free(&got);
		close(fds[i]);
	}
}

/* Clients that say half a request, or leave before the answer, or never read it, disturb nobody. */
static void broken_clients(struct fixture *f)
{
	struct linger reset = { .l_onoff = 1 };
	int half = dial(f), silent = dial(f), deaf = dial(f), slow = dial(f);

	say(half, "GET /healthz HT");
	say(deaf, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
	say(slow, "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel");
	for (int i = 0; i < 50; i++) {
		int fd = dial(f);

		say(fd, i & 1 ? "GET /never HTTP/1.1\r\nHost: x\r\n\r\n" : "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
		if (i & 2)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(fd);
	}
	answers(f);
	/* The server has enough of each after its limit. */
	for (int i = 0; i < 3; i++) {
		int fd = i == 0 ? half : i == 1 ? silent : slow;
		struct buf got = { 0 };

		hear_all(fd, &got);
		CHECK(!strstr(got.data ? got.data : "", " 200 "));
		buf_free(&got);
		close(fd);
	}
	close(deaf);
}

static void late_answers(struct fixture *f)
{
	struct buf got = { 0 };
	int never = dial(f), hold = dial(f), fd;

	say(never, "GET /never HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	say(hold, "GET /hold HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	for (struct pollfd p = { .fd = hold, .events = POLLIN }; !poll(&p, 1, 50);) {
		fd = dial(f);
		say(fd, "GET /release HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
		hear_all(fd, &got);
		close(fd);
	}
	buf_reset(&got);
	hear_all(hold, &got);
	CHECK(strstr(got.data, "\r\n\r\nheld") != NULL);
	buf_reset(&got);
	hear_all(never, &got);
	CHECK(!strncmp(got.data, "HTTP/1.1 504 ", 13));
	CHECK(strstr(got.data, "{\"error\":\"no answer in time\"}\n") != NULL);
	buf_free(&got);
	close(never);
	close(hold);
}

/* A body of a megabyte comes back as it went, and the query is seen. */
static void large_bodies(struct fixture *f)
{
	struct buf request = { 0 }, got = { 0 };
	const char *body;

	buf_cstr(&request,
		 "POST /echo?x=%41 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1048576\r\n\r\n");
	for (int i = 0; i < 1 << 20; i++)
		buf_char(&request, (char)('a' + i % 23));
	ask_and_hear(f, request.data, &got);
	body = got.data ? strstr(got.data, "\r\n\r\n") : NULL;
	CHECK(got.data && strstr(got.data, "x-query: x=A\r\n"));
	CHECK_STR(strstr(request.data, "\r\n\r\n"), body);
	buf_free(&request);
	buf_free(&got);
}

/* Clients of streams that leave in any way are noticed; one that does not read is thrown out. */
static void leaving_streams(struct fixture *f)
{
	struct linger reset = { .l_onoff = 1 };
	int deaf = dial(f), fd;
	char part[4096];

	say(deaf, "GET /flood HTTP/1.1\r\nHost: x\r\n\r\n");
	for (int i = 0; i < 20; i++) {
		fd = dial(f);
		say(fd, "GET /follow HTTP/1.1\r\nHost: x\r\n\r\n");
		if (i & 1)
			CHECK(recv(fd, part, sizeof(part), 0) > 0);
		if (i & 2)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(fd);
	}
	answers(f);
	while (recv(deaf, part, sizeof(part), MSG_DONTWAIT) > 0)
		;
	close(deaf);
}

/* More connections than are allowed wait in the kernel; those inside go on, and the others get their turn. */
static void too_many(struct fixture *f)
{
	int fds[600];

	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = dial(f);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	answers(f);
}

static void *client_thread(void *arg)
{
	struct fixture *f = arg;

	f->client(f);
	atomic_store(&f->done, true);
	loop_wake(f->loop);
	return NULL;
}

static void with_server(void (*client)(struct fixture *f))
{
	static const char *const listen[] = { "127.0.0.1:0" };
	struct fixture f = { .client = client };
	pthread_t thread;
	char why[128] = "";

	CHECK_INT(0, loop_new(&f.loop, false, 0));
	CHECK_INT(0, web_new(&f.web, f.loop, &(struct web_listen){ listen, 1, NULL }, on_request, &f, why));
	CHECK_STR("", why);
	f.port = web_port(f.web, 0);
	CHECK(f.port != 0);
	web_on_gone(f.web, on_gone);
	atomic_init(&f.done, false);
	CHECK_INT(0, pthread_create(&thread, NULL, client_thread, &f));
	while (!atomic_load(&f.done))
		loop_turn(f.loop);
	pthread_join(thread, NULL);
	while (f.gone < f.followed)
		loop_turn(f.loop);
	web_free(&f.web);
	CHECK(f.web == NULL);
	CHECK_INT(f.followed, f.gone);
	loop_free(&f.loop);
}

static void requests_get_their_answers(void **state)
{
	with_server(answers);
}

static void files_are_sent(void **state)
{
	with_server(files);
	with_server(files_that_are_not_whole);
}

static void nonsense_is_survived(void **state)
{
	with_server(nonsense);
}

static void connections_are_kept(void **state)
{
	with_server(keeps_connections);
}

static void two_hundred_at_once_are_answered(void **state)
{
	with_server(many_at_once);
}

static long cpu_ms(void)
{
	struct rusage use;

	CHECK_INT(0, getrusage(RUSAGE_SELF, &use));
	return (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000 +
	       (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1000;
}

/* It takes ten seconds of waiting for limits; a server that spins meanwhile would take them all. */
static void slow_and_broken_clients_cost_nothing(void **state)
{
	long before = cpu_ms();

	with_server(broken_clients);
	CHECK(cpu_ms() - before < 2500);
}

static void what_the_loop_forgets_gets_504(void **state)
{
	with_server(late_answers);
}

static void bodies_come_whole(void **state)
{
	with_server(large_bodies);
}

static void streams_end_with_their_clients(void **state)
{
	long before = cpu_ms();

	with_server(leaving_streams);
	CHECK(cpu_ms() - before < 2500);
}

static void too_many_connections_wait(void **state)
{
	struct rlimit limit;

	/* Both ends are in this process. */
	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur < 2000) {
		limit.rlim_cur = limit.rlim_max < 2000 ? limit.rlim_max : 2000;
		CHECK_INT(0, setrlimit(RLIMIT_NOFILE, &limit));
	}
	with_server(too_many);
}

static void freed_while_requests_are_open(void **state)
{
	static const char *const listen[] = { "127.0.0.1:0", "[::1]:0" };
	struct fixture f = { 0 };
	char why[128];
	int fds[20];

	CHECK_INT(0, loop_new(&f.loop, false, 0));
	CHECK_INT(0, web_new(&f.web, f.loop, &(struct web_listen){ listen, 2, NULL }, on_request, &f, why));
	f.port = web_port(f.web, 0);
	CHECK(web_port(f.web, 1) != 0);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = dial(&f);
		say(fds[i],
		    i & 1 ? "GET /never HTTP/1.1\r\nHost: x\r\n\r\n" : "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
	}
	while (f.requests < 5)
		loop_turn(f.loop);
	web_free(&f.web);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	loop_free(&f.loop);
}

static void nothing(void *arg)
{
}

static void turn_shortly(struct fixture *f)
{
	struct loop_timer wake = { 0 };

	loop_timer_start(f->loop, &wake, 10, nothing, NULL);
	loop_turn(f->loop);
	loop_timer_stop(f->loop, &wake);
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	if (!connect(fd, (struct sockaddr *)&to, sizeof(to)))
		return fd;
	close(fd);
	return -1;
}

/* A port that nobody has right now, as an address for web_new(). */
static uint16_t free_port(char text[24])
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0 && !bind(fd, (struct sockaddr *)&at, sizeof(at)));
	assert_false(getsockname(fd, (struct sockaddr *)&at, &len));
	close(fd);
	snprintf(text, 24, "127.0.0.1:%u", ntohs(at.sin_port));
	return ntohs(at.sin_port);
}

/* Turn the loop until a connect works, or no longer does. */
static void wait_for(struct fixture *f, uint16_t port, bool open)
{
	for (int i = 0; i < 1000; i++) {
		struct pollfd p = { .events = POLLIN };
		int fd = connect_to(port);
		bool stands = fd >= 0;

		/* A retired listener accepts and closes. */
		if (stands) {
			p.fd = fd;
			stands = !(poll(&p, 1, 30) == 1 && recv(fd, &(char){ 0 }, 1, MSG_PEEK | MSG_DONTWAIT) <= 0);
			close(fd);
		}
		if (stands == open && (open || fd < 0))
			return;
		turn_shortly(f);
	}
	CHECK(!"the listener did not change");
}

static void hear_on(struct fixture *f, int fd, struct buf *out)
{
	for (int i = 0; i < 500; i++) {
		char part[1000];
		ssize_t n;

		turn_shortly(f);
		n = recv(fd, part, sizeof(part), MSG_DONTWAIT);
		if (n > 0)
			buf_add(out, part, (size_t)n);
		if (!n || (out->data && strstr(out->data, "\r\n\r\n")))
			return;
	}
}

/* b comes, then a goes while a request is open there, then a comes again. */
static void listeners_come_and_go(void **state)
{
	struct fixture f = { .port = 0 };
	char a[24], b[24], why[160] = "";
	uint16_t port_a = free_port(a), port_b = free_port(b);
	const char *only_a[] = { a }, *both[] = { a, b }, *only_b[] = { b };
	struct buf text = { 0 };
	int fd;

	CHECK_INT(0, loop_new(&f.loop, false, 0));
	CHECK_INT(0, web_new(&f.web, f.loop, &(struct web_listen){ only_a, 1, NULL }, on_request, &f, why));
	fd = connect_to(port_a);
	say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	while (!f.held)
		turn_shortly(&f);
	CHECK_INT(0, web_try(f.web, &(struct web_listen){ both, 2, NULL }, why));
	web_switch(f.web, &(struct web_listen){ both, 2, NULL });
	wait_for(&f, port_b, true);
	CHECK_INT(0, web_try(f.web, &(struct web_listen){ only_b, 1, NULL }, why));
	web_switch(f.web, &(struct web_listen){ only_b, 1, NULL });
	wait_for(&f, port_a, false);
	web_reply(f.web, f.held, 200, "text/plain", STR("late but there"));
	hear_on(&f, fd, &text);
	CHECK(text.data && strstr(text.data, "200 OK") != NULL);
	buf_free(&text);
	close(fd);
	CHECK_INT(0, web_try(f.web, &(struct web_listen){ both, 2, NULL }, why));
	web_switch(f.web, &(struct web_listen){ both, 2, NULL });
	wait_for(&f, port_a, true);
	web_switch(f.web, &(struct web_listen){ NULL, 0, NULL });
	wait_for(&f, port_a, false);
	wait_for(&f, port_b, false);
	web_switch(f.web, &(struct web_listen){ only_b, 1, NULL }); /* mail is read without any listener */
	wait_for(&f, port_b, true);
	web_switch(f.web, &(struct web_listen){ NULL, 0, NULL }); /* and freed on the way */
	web_free(&f.web);
	loop_free(&f.loop);
}

static void count_line(void *arg, enum log_level level, const char *line)
{
	++*(size_t *)arg;
}

static void bad_listeners_are_told(void **state)
{
	static const struct {
		const char *listen;
		int err;
		const char *why;
	} rows[] = {
		{ "192.0.2.1:0", EADDRNOTAVAIL, "192.0.2.1:0: Cannot assign requested address" },
		{ "localhost:0", EINVAL, "localhost:0: Invalid argument" },
	};
	const char *const first[] = { "127.0.0.1:0" };
	char why[128], taken[40], want[128];
	struct web *web = NULL, *other = NULL;
	struct loop *loop = NULL;
	size_t lines = 0;

	log_capture(count_line, &lines);
	CHECK_INT(0, loop_new(&loop, false, 0));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_INT(rows[i].err,
			  web_new(&web, loop, &(struct web_listen){ &rows[i].listen, 1, NULL }, on_request, NULL, why));
		CHECK_STR(rows[i].why, why);
		CHECK(web == NULL);
	}
	CHECK_INT(0, web_new(&web, loop, &(struct web_listen){ first, 1, NULL }, on_request, NULL, why));
	snprintf(taken, sizeof(taken), "127.0.0.1:%u", web_port(web, 0));
	snprintf(want, sizeof(want), "%s: Address already in use", taken);
	CHECK_INT(EADDRINUSE, web_new(&other, loop, &(struct web_listen){ (const char *const[]){ taken }, 1, NULL },
				      on_request, NULL, why));
	CHECK_STR(want, why);
	web_free(&web);
	web_free(&other);
	loop_free(&loop);
	log_capture(NULL, NULL);
	CHECK_INT(1, lines); /* the one that could be opened */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(requests_get_their_answers),
		TEST(files_are_sent),
		TEST(nonsense_is_survived),
		TEST(connections_are_kept),
		TEST(two_hundred_at_once_are_answered),
		TEST(slow_and_broken_clients_cost_nothing),
		TEST(what_the_loop_forgets_gets_504),
		TEST(bodies_come_whole),
		TEST(streams_end_with_their_clients),
		TEST(too_many_connections_wait),
		TEST(freed_while_requests_are_open),
		TEST(listeners_come_and_go),
		TEST(bad_listeners_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

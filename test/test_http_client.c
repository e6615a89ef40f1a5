/* The client against servers that are good, bad and worse; the loop is virtual and is held, libcurl's time is real. */
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/loop.h"
#include "check.h"
#include "fake_http.h"
#include "net/http_client.h"
#include "net/http_rules.h"
#include "net/url.h"

enum { MAX_ANSWERS = 128 };

struct got {
	unsigned count;
	enum http_error error;
	int status;
	char why[240], body[300], type[60];
	size_t bytes;
};

struct world {
	struct loop *loop;
	struct fake_http *server;
	struct http_client *client;
	struct got answers[MAX_ANSWERS];
	unsigned done;
};

static const char *const loopback[] = { "127.0.0.0/8", NULL };

static void open_world(struct world *w, const char *const *allow, const struct fake_page *pages)
{
	const struct http_client_opts opts = { .allow = allow, .deny_private = true };

	memset(w, 0, sizeof(*w));
	w->server = fake_http_new();
	fake_http_pages(w->server, pages);
	CHECK_INT(0, loop_new(&w->loop, true, 1));
	CHECK_INT(0, http_client_new(&w->client, w->loop, &opts));
}

static void close_world(struct world *w)
{
	http_client_free(&w->client);
	CHECK_INT(0, loop_timer_count(w->loop));
	loop_free(&w->loop);
	fake_http_free(&w->server);
}

struct asked {
	struct world *world;
	struct got *got;
};

static void done(void *arg, const struct http_answer *a)
{
	struct asked *asked = arg;
	struct got *g = asked->got;

	g->count++;
	g->error = a->error;
	g->status = a->status;
	g->bytes = a->body.n;
	str_copy(g->why, sizeof(g->why), str_of(a->why));
	str_copy(g->body, sizeof(g->body), a->body);
	str_copy(g->type, sizeof(g->type), a->content_type);
	asked->world->done++;
}

/* "@!" in a URL stands for the server of the test. */
static void make_url(const struct world *w, char out[400], const char *url)
{
	const char *at = strstr(url, "@!");

	if (at)
		snprintf(out, 400, "%.*s127.0.0.1:%u%s", (int)(at - url), url, fake_http_port(w->server), at + 2);
	else
		snprintf(out, 400, "%s", url);
}

static const struct got *ask(struct world *w, const struct http_request *like, const char *url)
{
	struct http_request r = *like;
	struct asked asked = { w, &w->answers[0] };
	unsigned before = w->done;
	char text[400];
	uint64_t id;

	make_url(w, text, url);
	memset(&w->answers[0], 0, sizeof(w->answers[0]));
	r.url = text;
	r.method = r.method ? r.method : "GET";
	CHECK_INT(0, http_client_send(w->client, &r, done, &asked, &id));
	while (w->done == before && loop_turn(w->loop))
		;
	CHECK_INT(1, w->answers[0].count);
	return &w->answers[0];
}

static const struct http_request plain = { .method = NULL };

static void good_answers_come_whole(void **state)
{
	static const struct fake_page pages[] = {
		{ "/hello?x=1", "HTTP/1.1 200 OK\r\nContent-Type: text/x-yaml\r\nContent-Length: 5\r\n\r\nhello",
		  FAKE_KEEP },
		{ "/chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
		  FAKE_KEEP },
		{ "/none", "HTTP/1.1 204 No Content\r\n\r\n", FAKE_KEEP },
		{ "/500", "HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno", FAKE_KEEP },
		{ "/304", "HTTP/1.1 304 Not Modified\r\n\r\n", FAKE_KEEP },
		{ NULL, NULL, FAKE_KEEP },
	};
	static const struct {
		const char *path;
		int status;
		const char *body;
	} rows[] = {
		{ "http://@!/hello?x=1#rt=1000", 200, "hello" },
		{ "http://@!/chunks", 200, "abcde" },
		{ "http://@!/none", 204, "" },
		{ "http://@!/500", 500, "no" },
		{ "http://@!/missing", 404, "" },
		{ "http://@!/304", 304, "" },
		{ "HTTP://@!/chunks", 200, "abcde" },
	};
	struct world w;

	open_world(&w, loopback, pages);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct got *g = ask(&w, &plain, rows[i].path);

		CHECK_INT(HTTP_OK, g->error);
		CHECK_INT(rows[i].status, g->status);
		CHECK_STR(rows[i].body, g->body);
	}
	CHECK_INT(1, fake_http_connections(w.server)); /* one connection for all */
	CHECK(strstr(fake_http_request(w.server, 0), "GET /hello?x=1 HTTP/1.1\r\n") != NULL);
	CHECK(strstr(fake_http_request(w.server, 0), "rt=") == NULL);
	ask(&w, &plain, "http://@!/hello?x=1");
	CHECK_STR("text/x-yaml", w.answers[0].type);
	close_world(&w);
}

static void requests_say_what_was_asked(void **state)
{
	static const struct fake_page pages[] = { { "*", NULL, FAKE_KEEP }, { NULL, NULL, FAKE_KEEP } };
	static const struct http_header headers[] = { { "Content-Type", STR("application/json") },
						      { "X-Evil", STR("a\r\nX-Injected: b") },
						      { "X-Empty", STR("") } };
	const struct http_request post = {
		.method = "POST", .headers = headers, .header_count = 3, .body = STR("{\"a\":1}")
	};
	const struct http_request put = { .method = "PUT", .body = STR("x") };
	const struct http_request empty = { .method = "POST" };
	const char *text;
	struct world w;

	open_world(&w, loopback, pages);
	ask(&w, &post, "http://us%40er:p%3Aw:x@@!/p");
	text = fake_http_request(w.server, 0);
	CHECK(strstr(text, "POST /p HTTP/1.1\r\n") == text);
	CHECK(strstr(text, "\r\nContent-Type: application/json\r\n") != NULL);
	CHECK(strstr(text, "\r\nX-Injected") == NULL);
	CHECK(strstr(text, "\r\nX-Empty:\r\n") != NULL);
	CHECK(strstr(text, "\r\nAuthorization: Basic dXNAZXI6cDp3Ong=\r\n") != NULL); /* us@er:p:w:x */
	CHECK(strstr(text, "\r\nContent-Length: 7\r\n") != NULL);
	CHECK(strstr(text, "\r\nExpect:") == NULL);
	CHECK(strstr(text, "\r\n\r\n{\"a\":1}") != NULL);
	ask(&w, &put, "http://@!/q");
	CHECK(strstr(fake_http_request(w.server, 1), "PUT /q ") != NULL);
	CHECK(strstr(fake_http_request(w.server, 1), "Authorization") == NULL);
	ask(&w, &empty, "http://@!");
	CHECK(strstr(fake_http_request(w.server, 2), "POST / ") != NULL);
	CHECK(strstr(fake_http_request(w.server, 2), "\r\nContent-Length: 0\r\n") != NULL);
	close_world(&w);
}

/* One handle of libcurl serves all of these in turn: each says what it would have said as the first. */
static void requests_leave_nothing_for_the_next(void **state)
{
	static const struct fake_page pages[] = { { "*", NULL, FAKE_KEEP }, { NULL, NULL, FAKE_KEEP } };
	static const struct http_header headers[] = { { "Content-Type", STR("application/json") },
						      { "User-Agent", STR("other") } };
	static const struct {
		const char *url;
		struct http_request r;
	} rows[] = {
		{ "http://@!/a", { .method = "GET" } },
		{ "http://@!/a", { .method = "POST", .headers = headers, .header_count = 2, .body = STR("first") } },
		{ "http://@!/b?c", { .method = "PUT", .body = STR("second") } },
		{ "http://u:p@@!/b?c", { .method = "GET" } },
		{ "http://@!/a", { .method = "DELETE" } },
		{ "http://@!/b?c", { .method = "POST", .body = STR("third") } },
	};
	char alone[ARRAY_LEN(rows)][400];
	struct world w;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		open_world(&w, loopback, pages);
		CHECK_INT(200, ask(&w, &rows[i].r, rows[i].url)->status);
		str_copy(alone[i], sizeof(alone[i]), str_of(fake_http_request(w.server, 0)));
		close_world(&w);
		*strstr(alone[i], "Host:") = '\0'; /* another port each time; what is behind it is compared too */
	}
	open_world(&w, loopback, pages);
	for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
		const size_t row = i % ARRAY_LEN(rows);
		const char *text;

		CHECK_INT(200, ask(&w, &rows[row].r, rows[row].url)->status);
		text = fake_http_request(w.server, i);
		CHECK(str_starts(str_of(text), alone[row]));
		CHECK_STR(strchr(strchr(alone[row], '\0') + 1, '\n'), strchr(strstr(text, "Host:"), '\n'));
	}
	close_world(&w);
}

/* --- bad servers --- */

static void bad_servers_have_their_own_words(void **state)
{
	static const struct fake_page pages[] = {
		{ "/hang", "", FAKE_HANG },
		{ "/half", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", FAKE_HANG },
		{ "/cut", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", FAKE_CLOSE },
		{ "/chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc", FAKE_CLOSE },
		{ "/close", "", FAKE_CLOSE },
		{ "/noise", "\x16\x03\x01garbage\r\n\r\n", FAKE_CLOSE },
		{ "/big", "HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n", FAKE_FLOOD },
		{ "/endless", "HTTP/1.1 200 OK\r\n\r\n", FAKE_FLOOD },
		{ "/head", "HTTP/1.1 200 OK\r\nX: ", FAKE_FLOOD },
		{ NULL, NULL, FAKE_KEEP },
	};
	static const struct {
		const char *url;
		enum http_error error;
		const char *why;
	} rows[] = {
		{ "http://@!/hang#rt=150", HTTP_TIMEOUT, "read time-out: nothing came for 150 ms" },
		{ "http://@!/half#rt=150", HTTP_TIMEOUT, "read time-out: nothing came for 150 ms" },
		{ "http://@!/hang#tt=200", HTTP_TIMEOUT, "total time-out: no whole answer within 200 ms" },
		{ "http://@!/cut", HTTP_BROKEN, "the answer was cut" },
		{ "http://@!/chunk", HTTP_BROKEN, NULL },
		{ "http://@!/close", HTTP_BROKEN, "the server closed the connection without an answer" },
		{ "http://@!/noise", HTTP_BROKEN, "the answer is no HTTP" },
		{ "http://@!/big", HTTP_TOO_BIG, "the answer is larger than allowed" },
		{ "http://@!/endless", HTTP_TOO_BIG, "the answer is larger than 1048576 bytes" },
		{ "http://@!/head", HTTP_TOO_BIG, NULL },
		{ "https://@!/hang#ot=300", HTTP_TLS, NULL },
		{ "http://127.0.0.1:1/x", HTTP_CONNECT, "cannot connect: Connection refused" },
		{ "http://nonexistent.invalid/x#ot=3000", HTTP_NAME, NULL },
		{ "ftp://127.0.0.1/x", HTTP_BAD_URL, "this is no http or https URL" },
		{ "http://", HTTP_BAD_URL, "this is no http or https URL" },
		{ "http://a b/", HTTP_BAD_URL, NULL },
		{ "", HTTP_BAD_URL, NULL },
		{ "http://127.0.0.1:99999/", HTTP_BAD_URL, NULL },
	};
	struct world w;

	open_world(&w, loopback, pages);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct got *g = ask(&w, &plain, rows[i].url);

		if (!(strstr(rows[i].url, "https") && g->error == HTTP_CONNECT))
			CHECK_STR(http_error_name(rows[i].error), http_error_name(g->error));
		CHECK(g->why[0] != '\0');
		CHECK_INT(0, g->status);
		if (rows[i].why)
			CHECK_STR(rows[i].why, g->why);
	}
	close_world(&w);
}

/* A kept connection may go at any time. libcurl tries again, but counts that in its handle and has enough after five. */
static void lost_connections_are_made_again(void **state)
{
	static const struct fake_page pages[] = {
		{ "/rude", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", FAKE_RUDE }, { NULL, NULL, FAKE_KEEP }
	};
	struct world w;

	open_world(&w, loopback, pages);
	for (size_t i = 0; i < 20; i++)
		CHECK_STR("ok", ask(&w, &plain, "http://@!/rude")->body);
	CHECK_INT(20, fake_http_connections(w.server));
	CHECK_INT(39, fake_http_requests(w.server)); /* all but the first met a connection that had gone */
	close_world(&w);
}

static void redirects_end_somewhere(void **state)
{
	char other[200], back[200];
	const struct fake_page pages[] = {
		{ "/1", "HTTP/1.1 302 x\r\nLocation: /2\r\nContent-Length: 3\r\n\r\nabc", FAKE_KEEP },
		{ "/2", "HTTP/1.1 307 x\r\nLocation: 3?q=1\r\nContent-Length: 0\r\n\r\n", FAKE_KEEP },
		{ "/3?q=1", "HTTP/1.1 301 x\r\nLocation: /end\r\nContent-Length: 0\r\n\r\n", FAKE_KEEP },
		{ "/end", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nend", FAKE_KEEP },
		{ "/loop", "HTTP/1.1 302 x\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n", FAKE_KEEP },
		{ "/keep", "HTTP/1.1 308 x\r\nLocation: /end\r\nContent-Length: 0\r\n\r\n", FAKE_KEEP },
		{ "/file", "HTTP/1.1 302 x\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n", FAKE_KEEP },
		{ "/private", "HTTP/1.1 302 x\r\nLocation: http://10.255.255.1:1/\r\nContent-Length: 0\r\n\r\n",
		  FAKE_KEEP },
		{ "/nowhere", "HTTP/1.1 302 x\r\nContent-Length: 0\r\n\r\n", FAKE_KEEP },
		{ "/other", other, FAKE_KEEP },
		{ "/same", back, FAKE_KEEP },
		{ NULL, NULL, FAKE_KEEP },
	};
	static const struct http_header secret[] = { { "Authorization", STR("Bearer t") } };
	const struct http_request post = { .method = "POST", .body = STR("body") };
	const struct http_request bearer = { .headers = secret, .header_count = 1 };
	const struct got *g;
	struct world w;

	open_world(&w, loopback, pages);
	snprintf(other, sizeof(other),
		 "HTTP/1.1 302 x\r\nLocation: http://127.0.0.2:%u/end\r\nContent-Length: 0\r\n\r\n",
		 fake_http_port(w.server));
	snprintf(back, sizeof(back), "HTTP/1.1 302 x\r\nLocation: http://127.0.0.1:%u/end\r\nContent-Length: 0\r\n\r\n",
		 fake_http_port(w.server));
	g = ask(&w, &post, "http://@!/1");
	CHECK_STR("end", g->body);
	CHECK(strstr(fake_http_request(w.server, 1), "GET /2 ") != NULL);
	CHECK(strstr(fake_http_request(w.server, 3), "GET /end ") != NULL);
	g = ask(&w, &post, "http://@!/keep");
	CHECK_STR("end", g->body);
	CHECK(strstr(fake_http_request(w.server, 5), "POST /end ") != NULL);
	CHECK(strstr(fake_http_request(w.server, 5), "\r\n\r\nbody") != NULL);

	fake_http_forget(w.server);
	CHECK_INT(HTTP_REDIRECTS, ask(&w, &plain, "http://@!/loop")->error);
	CHECK_STR("more than 3 redirects", w.answers[0].why);
	CHECK_INT(4, fake_http_requests(w.server));
	CHECK_INT(HTTP_REDIRECTS, ask(&w, &plain, "http://@!/file")->error);
	CHECK_INT(HTTP_REFUSED_TARGET, ask(&w, &plain, "http://@!/private")->error);
	CHECK_INT(302, ask(&w, &plain, "http://@!/nowhere")->status);

	/* Credentials go to whom they were given for. (127.0.0.2 does not answer: nothing of ours listens there.) */
	fake_http_forget(w.server);
	CHECK_STR("end", ask(&w, &plain, "http://u:p@@!/same")->body);
	CHECK(strstr(fake_http_request(w.server, 1), "Authorization: Basic") != NULL);
	CHECK_INT(HTTP_CONNECT, ask(&w, &bearer, "http://u:p@@!/other")->error);
	close_world(&w);
}

/* The same server by another name is another host. */
static void credentials_stay_at_home(void **state)
{
	char away[200];
	const struct fake_page pages[] = { { "/away", away, FAKE_KEEP },
					   { "/end", NULL, FAKE_KEEP },
					   { NULL, NULL, FAKE_KEEP } };
	static const struct http_header secret[] = { { "Cookie", STR("c=1") }, { "X-Other", STR("o") } };
	const struct http_request r = { .headers = secret, .header_count = 2 };
	const char *text;
	struct world w;

	open_world(&w, loopback, pages);
	snprintf(away, sizeof(away), "HTTP/1.1 302 x\r\nLocation: http://localhost:%u/end\r\nContent-Length: 0\r\n\r\n",
		 fake_http_port(w.server));
	CHECK_INT(200, ask(&w, &r, "http://u:p@@!/away")->status);
	text = fake_http_request(w.server, 0);
	CHECK(strstr(text, "Authorization: Basic") && strstr(text, "Cookie:"));
	text = fake_http_request(w.server, 1);
	CHECK(strstr(text, "GET /end ") && !strstr(text, "Authorization") && !strstr(text, "Cookie"));
	CHECK(strstr(text, "X-Other: o") != NULL);
	close_world(&w);
}

/* --- targets --- */

static void private_targets_are_refused(void **state)
{
	static const struct fake_page pages[] = { { "*", NULL, FAKE_KEEP }, { NULL, NULL, FAKE_KEEP } };
	static const char *const urls[] = { "http://@!/",      "http://localhost:1/",  "http://[::1]:1/",
					    "http://0:1/",     "http://2130706433:1/", "http://[::ffff:127.0.0.1]:1/",
					    "http://0x7f.1:1/" };
	struct world w;

	open_world(&w, NULL, pages);
	for (size_t i = 0; i < ARRAY_LEN(urls); i++)
		CHECK_INT(HTTP_REFUSED_TARGET, ask(&w, &plain, urls[i])->error);
	ask(&w, &plain, "http://@!/");
	CHECK_STR("127.0.0.1 is a private address and 127.0.0.1 is not in webhooks.allow_hosts", w.answers[0].why);
	CHECK_INT(0, fake_http_connections(w.server));
	close_world(&w);
}

static void allowed_by_name_address_or_network(void **state)
{
	static const struct fake_page pages[] = { { "*", NULL, FAKE_KEEP }, { NULL, NULL, FAKE_KEEP } };
	static const char *const allow[][2] = { { "LOCALHOST", NULL },
						{ "127.0.0.1", NULL },
						{ "127.0.0.0/16", NULL } };
	static const bool by_name[] = { true, true, true }, by_address[] = { false, true, true };

	for (size_t i = 0; i < ARRAY_LEN(allow); i++) {
		char name[100];
		struct world w;

		open_world(&w, allow[i], pages);
		snprintf(name, sizeof(name), "http://localhost:%u/", fake_http_port(w.server));
		CHECK_INT(by_name[i] ? HTTP_OK : HTTP_REFUSED_TARGET, ask(&w, &plain, name)->error);
		CHECK_INT(by_address[i] ? HTTP_OK : HTTP_REFUSED_TARGET, ask(&w, &plain, "http://@!/")->error);
		close_world(&w);
	}
}

static void new_rules_hold_for_kept_connections(void **state)
{
	static const struct fake_page pages[] = { { "*", NULL, FAKE_KEEP }, { NULL, NULL, FAKE_KEEP } };
	const struct http_client_opts strict = { .deny_private = true }, open = { .deny_private = false };
	struct world w;

	open_world(&w, loopback, pages);
	CHECK_INT(HTTP_OK, ask(&w, &plain, "http://@!/")->error);
	CHECK_INT(0, http_client_rules(w.client, &strict));
	CHECK_INT(HTTP_REFUSED_TARGET, ask(&w, &plain, "http://@!/")->error);
	CHECK_INT(1, fake_http_requests(w.server));
	CHECK_INT(0, http_client_rules(w.client, &open));
	CHECK_INT(HTTP_OK, ask(&w, &plain, "http://@!/")->error);
	close_world(&w);
}

static void private_addresses(void **state)
{
	static const struct {
		const char *address;
		bool is_private;
	} rows[] = {
		{ "0.0.0.0", true },
		{ "10.1.2.3", true },
		{ "100.64.0.1", true },
		{ "100.128.0.1", false },
		{ "127.0.0.1", true },
		{ "127.255.255.255", true },
		{ "169.254.169.254", true },
		{ "172.15.0.1", false },
		{ "172.16.0.1", true },
		{ "172.31.255.255", true },
		{ "172.32.0.1", false },
		{ "192.168.0.1", true },
		{ "192.167.0.1", false },
		{ "198.18.0.1", true },
		{ "224.0.0.1", true },
		{ "240.0.0.1", true },
		{ "255.255.255.255", true },
		{ "8.8.8.8", false },
		{ "203.0.114.1", false },
		{ "::", true },
		{ "::1", true },
		{ "::ffff:10.0.0.1", true },
		{ "::ffff:8.8.8.8", false },
		{ "64:ff9b::7f00:1", true },
		{ "64:ff9b::808:808", false },
		{ "2002:7f00:1::", true },
		{ "2002:808:808::", false },
		{ "2001:0:1::1", true },
		{ "fc00::1", true },
		{ "fdff::1", true },
		{ "fe80::1", true },
		{ "fec0::1", true },
		{ "ff02::1", true },
		{ "2606:4700::1", false },
		{ "100::1", true },
		{ "::7f00:1", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr a;

		CHECK_INT(0, addr_parse(&a, str_of(rows[i].address), 80));
		if (http_rules_is_private(&a) != rows[i].is_private)
			fprintf(stderr, "%s\n", rows[i].address);
		CHECK(http_rules_is_private(&a) == rows[i].is_private);
	}
}

/* --- many at once, and leaving --- */

static void many_at_once_are_all_answered(void **state)
{
	static const struct fake_page pages[] = { { "*", NULL, FAKE_KEEP }, { NULL, NULL, FAKE_KEEP } };
	const struct http_client_opts few = { .allow = loopback, .deny_private = true, .per_host = 3, .waiting = 100 };
	struct asked asked[MAX_ANSWERS];
	char url[100];
	uint64_t id;
	struct world w;

	open_world(&w, loopback, pages);
	CHECK_INT(0, http_client_rules(w.client, &few));
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", fake_http_port(w.server));
	for (size_t i = 0; i < 101; i++) {
		const struct http_request r = { .method = "POST", .url = url, .body = STR("x") };

		asked[i] = (struct asked){ &w, &w.answers[i] };
		CHECK_INT(i < 100 ? 0 : EAGAIN, http_client_send(w.client, &r, done, &asked[i], &id));
	}
	while (w.done < 100 && loop_turn(w.loop))
		;
	for (size_t i = 0; i < 100; i++)
		CHECK(w.answers[i].count == 1 && w.answers[i].status == 200);
	CHECK(fake_http_connections(w.server) <= 3);
	close_world(&w);
}

/* On a real loop, whose next timer is that of the limit: the thread alone sees to it that they are heard of before. */
static void patient_ones_are_answered_too(void **state)
{
	static const struct fake_page pages[] = { { "*", NULL, FAKE_KEEP }, { NULL, NULL, FAKE_KEEP } };
	const struct http_client_opts opts = { .allow = loopback, .deny_private = true, .per_host = 4 };
	enum { TOTAL_MS = 20000 };
	struct asked asked[60];
	char url[100];
	uint64_t ids[60], begun_ms;
	struct world w = { .server = fake_http_new() };

	fake_http_pages(w.server, pages);
	CHECK_INT(0, loop_new(&w.loop, false, 0));
	CHECK_INT(0, http_client_new(&w.client, w.loop, &opts));
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", fake_http_port(w.server));
	for (unsigned i = 0; i < 60; i++) {
		const struct http_request r = {
			.method = "GET", .url = url, .patient = i % 5 != 4, .total_ms = TOTAL_MS
		};

		asked[i] = (struct asked){ &w, &w.answers[i] };
		CHECK_INT(0, http_client_send(w.client, &r, done, &asked[i], &ids[i]));
		if (i % 3 == 1)
			http_client_hurry(w.client, ids[i]);
		begun_ms = loop_now_ms(w.loop);
		while (i < 20 && w.done <= i)
			loop_turn(w.loop);
		CHECK(loop_now_ms(w.loop) < begun_ms + TOTAL_MS);
		if (i < 20)
			http_client_hurry(w.client, ids[i]); /* stale */
	}
	while (w.done < 60)
		loop_turn(w.loop);
	for (size_t i = 0; i < 60; i++)
		CHECK(w.answers[i].count == 1 && w.answers[i].status == 200);
	close_world(&w);
}

static void cancelled_ones_say_nothing(void **state)
{
	static const struct fake_page pages[] = { { "/hang", "", FAKE_HANG },
						  { "*", NULL, FAKE_KEEP },
						  { NULL, NULL, 0 } };
	struct asked asked[20];
	uint64_t ids[20];
	char url[100];
	struct world w;

	open_world(&w, loopback, pages);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/hang", fake_http_port(w.server));
	for (size_t i = 0; i < 20; i++) {
		const struct http_request r = { .method = "GET", .url = url };

		asked[i] = (struct asked){ &w, &w.answers[i + 1] };
		CHECK_INT(0, http_client_send(w.client, &r, done, &asked[i], &ids[i]));
		if (i % 2)
			http_client_cancel(w.client, ids[i]);
	}
	/* Behind all of them in the thread: by now they are under way, or in line behind those that are. */
	CHECK_INT(HTTP_CONNECT, ask(&w, &plain, "http://127.0.0.1:1/")->error);
	for (size_t i = 0; i < 20; i++)
		http_client_cancel(w.client, ids[i]);
	while (loop_turn(w.loop))
		;
	for (size_t i = 0; i < 20; i++)
		CHECK_INT(0, w.answers[i + 1].count);
	close_world(&w);
}

static void freeing_answers_what_is_open(void **state)
{
	static const struct fake_page pages[] = { { "*", "", FAKE_HANG }, { NULL, NULL, FAKE_KEEP } };
	struct asked asked[12];
	char url[100];
	uint64_t id;
	struct world w;

	open_world(&w, loopback, pages);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", fake_http_port(w.server));
	for (size_t i = 0; i < 12; i++) {
		const struct http_request r = { .method = "GET", .url = i == 3 ? "nonsense" : url };

		asked[i] = (struct asked){ &w, &w.answers[i] };
		CHECK_INT(0, http_client_send(w.client, &r, done, &asked[i], &id));
	}
	while (!w.done && loop_turn(w.loop))
		;
	CHECK_INT(HTTP_BAD_URL, w.answers[3].error);
	http_client_free(&w.client);
	for (size_t i = 0; i < 12; i++)
		CHECK(w.answers[i].count == 1 && (i == 3 || w.answers[i].error == HTTP_CANCELLED));
	close_world(&w);
}

/* --- URLs --- */

static void urls_are_read(void **state)
{
	static const struct {
		const char *text, *bare, *host;
		int err;
		uint16_t port;
	} rows[] = {
		{ "http://a.test", "http://a.test", "a.test", 0, 80 },
		{ "HTTPS://A.test:8443/x?y#z", "https://A.test:8443/x?y", "A.test", 0, 8443 },
		{ "https://u:p@w@[2001:db8::1]:1/?", "https://[2001:db8::1]:1/?", "2001:db8::1", 0, 1 },
		{ "http://a:/x", "http://a:/x", "a", 0, 80 },
		{ "http://a?x=@b", "http://a?x=@b", "a", 0, 80 },
		{ "http://a#@b", "http://a", "a", 0, 80 },
		{ "http://h\xc3\xa9/", "http://h\xc3\xa9/", "h\xc3\xa9", 0, 80 },
		{ "http://u@/", NULL, NULL, EINVAL, 0 },
		{ "http:///x", NULL, NULL, EINVAL, 0 },
		{ "http://a:0/", NULL, NULL, EINVAL, 0 },
		{ "http://a:65536/", NULL, NULL, EINVAL, 0 },
		{ "http://a:1:2/", NULL, NULL, EINVAL, 0 },
		{ "http://[::1/", NULL, NULL, EINVAL, 0 },
		{ "http://[]/", NULL, NULL, EINVAL, 0 },
		{ "http://[::1]x/", NULL, NULL, EINVAL, 0 },
		{ "http://a%2eb/", NULL, NULL, EINVAL, 0 },
		{ "http://a\\@b/", NULL, NULL, EINVAL, 0 },
		{ "http://a\r\nb/", NULL, NULL, EINVAL, 0 },
		{ "http://a,b/", NULL, NULL, EINVAL, 0 },
		{ "ftp://a/", NULL, NULL, EPROTONOSUPPORT, 0 },
		{ "a", NULL, NULL, EPROTONOSUPPORT, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b = { 0 };
		struct url u;

		CHECK_INT(rows[i].err, url_parse(&u, str_of(rows[i].text)));
		if (rows[i].err || !rows[i].bare)
			continue;
		url_bare(&b, &u);
		CHECK_STR(rows[i].bare, b.data);
		CHECK(str_is(u.host, rows[i].host));
		CHECK_INT(rows[i].port, u.port);
		buf_free(&b);
	}
}

static void urls_of_streams_are_read(void **state)
{
	static const struct {
		const char *text, *bare, *host;
		int err;
		uint16_t port;
	} rows[] = {
		{ "ws://a.test", "ws://a.test", "a.test", 0, 80 },
		{ "WSS://u:p@A.test/x?y#z", "wss://A.test/x?y", "A.test", 0, 443 },
		{ "wss://[2001:db8::1]:1/", "wss://[2001:db8::1]:1/", "2001:db8::1", 0, 1 },
		{ "ws://", NULL, NULL, EINVAL, 0 },
		{ "ws://a b/", NULL, NULL, EINVAL, 0 },
		{ "http://a/", NULL, NULL, EPROTONOSUPPORT, 0 },
		{ "rtp://192.0.2.1:4000", NULL, "192.0.2.1", 0, 4000 },
		{ "RTP://a.test:4000", NULL, "a.test", 0, 4000 },
		{ "rtp://[::1]:4000", NULL, "::1", 0, 4000 },
		{ "rtp://a.test", NULL, NULL, EINVAL, 0 },
		{ "rtp://a.test:", NULL, NULL, EINVAL, 0 },
		{ "rtp://a.test:0", NULL, NULL, EINVAL, 0 },
		{ "rtp://a.test:65536", NULL, NULL, EINVAL, 0 },
		{ "rtp://u@a.test:4000", NULL, NULL, EINVAL, 0 },
		{ "rtp://a.test:4000/", NULL, NULL, EINVAL, 0 },
		{ "rtp://a.test:4000#x", NULL, NULL, EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const bool rtp = str_istarts(str_of(rows[i].text), "rtp:");
		struct buf b = { 0 };
		struct url u;

		CHECK_INT(rows[i].err, (rtp ? url_parse_rtp : url_parse_ws)(&u, str_of(rows[i].text)));
		CHECK_INT(EPROTONOSUPPORT, (rtp ? url_parse_ws : url_parse_rtp)(&u, str_of(rows[i].text)));
		if (rows[i].err)
			continue;
		CHECK(str_is(u.host, rows[i].host));
		CHECK_INT(rows[i].port, u.port);
		if (rtp)
			continue;
		url_bare_ws(&b, &u);
		CHECK_STR(rows[i].bare, b.data);
		CHECK_INT(str_istarts(str_of(rows[i].text), "wss"), u.https);
		buf_free(&b);
	}
}

static void limits_stand_in_the_fragment(void **state)
{
	static const struct {
		const char *fragment;
		uint32_t ot, rt, tt;
	} rows[] = {
		{ "", 1, 2, 3 },
		{ "ot=500&rt=600&tt=700", 500, 600, 700 },
		{ "rt=99999", 1, 15000, 3 },
		{ "tt=0&ot=99", 100, 2, 100 },
		{ "ot=10001&&x=1&rt=&tt=x&tt", 10000, 2, 3 },
		{ "ot=-1&rt=1.5", 1, 2, 3 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct url_limits l = { 1, 2, 3 };

		url_limits(&l, str_of(rows[i].fragment));
		CHECK_INT(rows[i].ot, l.connect_ms);
		CHECK_INT(rows[i].rt, l.read_ms);
		CHECK_INT(rows[i].tt, l.total_ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(good_answers_come_whole),
		TEST(requests_say_what_was_asked),
		TEST(requests_leave_nothing_for_the_next),
		TEST(bad_servers_have_their_own_words),
		TEST(lost_connections_are_made_again),
		TEST(redirects_end_somewhere),
		TEST(credentials_stay_at_home),
		TEST(private_targets_are_refused),
		TEST(allowed_by_name_address_or_network),
		TEST(new_rules_hold_for_kept_connections),
		TEST(private_addresses),
		TEST(many_at_once_are_all_answered),
		TEST(patient_ones_are_answered_too),
		TEST(cancelled_ones_say_nothing),
		TEST(freeing_answers_what_is_open),
		TEST(urls_are_read),
		TEST(urls_of_streams_are_read),
		TEST(limits_stand_in_the_fragment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Documents from servers of every kind, files and inline texts, on virtual time. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/pool.h"
#include "check.h"
#include "dialect/fetch.h"
#include "fake_http.h"
#include "net/http_client.h"
#include "net/sign.h"

struct world {
	struct loop *loop;
	struct pool *pool;
	struct fetch *fetch;
	struct http_client *http;
	struct fake_http *server;
	unsigned done;
	int err;
	char why[600], main[40], location[200];
	struct doc_error at;
	const void *document; /* to tell one from another */
};

static void open_world(struct world *w, const struct fake_page *pages)
{
	static const char *const loopback[] = { "127.0.0.1", NULL };
	const struct http_client_opts opts = { .allow = loopback, .deny_private = true };

	memset(w, 0, sizeof(*w));
	log_set_level(LOG_WARN);
	w->server = fake_http_new();
	fake_http_pages(w->server, pages);
	CHECK_INT(0, loop_new(&w->loop, true, 1));
	CHECK_INT(0, pool_new(&w->pool, w->loop, 0));
	CHECK_INT(0, http_client_new(&w->http, w->loop, &opts));
	CHECK_INT(0, fetch_new(&w->fetch, w->loop, w->pool));
	fetch_use_http(w->fetch, w->http, "PSK-demo");
}

static void close_world(struct world *w)
{
	fetch_free(&w->fetch);
	http_client_free(&w->http);
	pool_free(&w->pool);
	CHECK_INT(0, loop_timer_count(w->loop));
	loop_free(&w->loop);
	fake_http_free(&w->server);
}

static void came(void *arg, const struct fetch_result *r)
{
	struct world *w = arg;
	const struct doc *main;

	w->done++;
	w->err = r->err;
	w->at = r->at;
	w->main[0] = w->location[0] = w->why[0] = '\0';
	if (!r->document) {
		str_copy(w->why, sizeof(w->why), str_of(r->why));
		return;
	}
	w->document = r->document;
	main = doc_get(doc_get(r->document->root, "sections"), "main");
	str_copy(w->main, sizeof(w->main), main && main->child ? main->child->text : STR("?"));
	str_copy(w->location, sizeof(w->location), str_of(r->document->location));
	document_drop(r->document);
}

/* "@!" stands for the server of the test, with a port that is not told in what comes back. */
static char *with_port(const struct world *w, char out[400], const char *text)
{
	const char *at = text ? strstr(text, "@!") : NULL;

	if (at)
		snprintf(out, 400, "%.*s127.0.0.1:%u%s", (int)(at - text), text, fake_http_port(w->server), at + 2);
	else
		str_copy(out, 400, str_of(text ? text : ""));
	return out;
}

static void ask(struct world *w, const struct fetch_request *like)
{
	char location[400], fallback[400];
	struct fetch_request r = *like;
	unsigned before = w->done;
	uint64_t id;

	if (r.location[0] != '{')
		r.location = with_port(w, location, r.location);
	r.fallback = r.fallback ? with_port(w, fallback, r.fallback) : NULL;
	CHECK_INT(0, fetch_document(w->fetch, &r, came, w, &id));
	CHECK_INT(before, w->done); /* never from inside */
	while (w->done == before && loop_turn(w->loop))
		;
	CHECK_INT(before + 1, w->done);
}

#define ANSWER(TYPE, BODY) "HTTP/1.1 200 OK\r\nContent-Type: " TYPE "\r\nConnection: close\r\n\r\n" BODY
#define GOOD ANSWER("application/json", "{\"sections\":{\"main\":[\"good\"]}}")

static void what_servers_answer(void **state)
{
	static const struct fake_page pages[] = {
		{ "/json", GOOD, FAKE_CLOSE },
		{ "/yaml", ANSWER("text/x-yaml", "sections:\n  main: [yaml]\n"), FAKE_CLOSE },
		{ "/html-type", ANSWER("text/html", "sections: {main: [typed]}"), FAKE_CLOSE },
		{ "/html", ANSWER("text/html", "\n<!DOCTYPE html><html>404</html>"), FAKE_CLOSE },
		{ "/text", ANSWER("text/plain", "hello there"), FAKE_CLOSE },
		{ "/list", ANSWER("application/json", "[1]"), FAKE_CLOSE },
		{ "/bad", ANSWER("application/json", "{\"sections\":\n{"), FAKE_CLOSE },
		{ "/twice", ANSWER("text/plain", "a: 1\na: 2"), FAKE_CLOSE },
		{ "/empty", ANSWER("application/json", " \r\n"), FAKE_CLOSE },
		{ "/500", "HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n", FAKE_CLOSE },
		{ "/304", "HTTP/1.1 304 x\r\n\r\n", FAKE_CLOSE },
		{ "/big", ANSWER("application/json", "{"), FAKE_FLOOD },
		{ "/moved", "HTTP/1.1 307 x\r\nLocation: /json\r\nContent-Length: 0\r\n\r\n", FAKE_CLOSE },
		{ NULL, NULL, FAKE_KEEP },
	};
	static const struct {
		const char *path, *main;
		int err;
		const char *why; /* behind "document http://127.0.0.1:PORT/path: " */
	} rows[] = {
		{ "/json", "good", 0, NULL },
		{ "/yaml", "yaml", 0, NULL },
		{ "/html-type", "typed", 0, NULL },
		{ "/moved", "good", 0, NULL },
		{ "/html", NULL, EINVAL, "line 1: this is HTML or XML, not a SWML document" },
		{ "/text", NULL, EINVAL, "line 1: a document is an object with sections, this is a string" },
		{ "/list", NULL, EINVAL, "line 1: a document is an object with sections, this is a list" },
		{ "/bad", NULL, EINVAL, NULL },
		{ "/twice", NULL, EINVAL, NULL },
		{ "/empty", NULL, EIO, "the server answers 200 without a document" },
		{ "/500", NULL, EIO, "the server answers 500" },
		{ "/304", NULL, EIO, "the server answers 304" },
		{ "/404", NULL, EIO, "the server answers 404" },
		{ "/big", NULL, EIO, "the answer is larger than 1048576 bytes" },
	};
	struct world w;

	open_world(&w, pages);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char url[100], want[300];

		snprintf(url, sizeof(url), "http://user:secret@@!%s", rows[i].path);
		ask(&w, &(struct fetch_request){ .location = url });
		CHECK_INT(rows[i].err, w.err);
		CHECK(!strstr(w.why, "secret") && !strstr(w.location, "secret"));
		if (rows[i].main)
			CHECK_STR(rows[i].main, w.main);
		snprintf(want, sizeof(want), "document http://***@127.0.0.1:%u%s: %s", fake_http_port(w.server),
			 rows[i].path, rows[i].why ? rows[i].why : "");
		if (rows[i].why)
			CHECK_STR(want, w.why);
	}
	close_world(&w);
}

static void the_request_is_signed(void **state)
{
	static const struct fake_page pages[] = { { "*", GOOD, FAKE_CLOSE }, { NULL, NULL, FAKE_KEEP } };
	char sha1[41], sha256[65], url[200], want[300];
	const char *text;
	struct world w;

	open_world(&w, pages);
	ask(&w, &(struct fetch_request){ .location = "http://u:p@@!/x?y=1#rt=2000", .body = STR("{\"call\":1}") });
	text = fake_http_request(w.server, 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/x?y=1", fake_http_port(w.server));
	sign_sha1(sha1, "PSK-demo", url, STR("{\"call\":1}"));
	sign_sha256(sha256, "PSK-demo", url, STR("{\"call\":1}"));
	CHECK(strstr(text, "POST /x?y=1 ") == text);
	CHECK(strstr(text, "\r\nContent-Type: application/json\r\n") != NULL);
	snprintf(want, sizeof(want), "\r\nX-Signalwire-Signature: %s\r\n", sha1);
	CHECK(strstr(text, want) != NULL);
	snprintf(want, sizeof(want), "\r\nX-Signalwire-SHA256-Signature: %s\r\n", sha256);
	CHECK(strstr(text, want) != NULL);
	CHECK(strstr(text, "\r\nAuthorization: Basic dTpw\r\n") != NULL);
	CHECK(strstr(text, "\r\n\r\n{\"call\":1}") != NULL);

	ask(&w, &(struct fetch_request){ .location = "http://@!/get", .method = "GET", .body = STR("{}") });
	text = fake_http_request(w.server, 1);
	sign_sha1(sha1, "PSK-demo",
		  (snprintf(url, sizeof(url), "http://127.0.0.1:%u/get", fake_http_port(w.server)), url), STR(""));
	snprintf(want, sizeof(want), "\r\nX-Signalwire-Signature: %s\r\n", sha1);
	CHECK(strstr(text, "GET /get ") == text && strstr(text, want) && strstr(text, "\r\n\r\n")[4] == '\0');

	fetch_use_http(w.fetch, w.http, NULL);
	ask(&w, &(struct fetch_request){ .location = "http://@!/unsigned" });
	CHECK(!strcasestr(fake_http_request(w.server, 2), "signature"));
	close_world(&w);
}

static void fallbacks_get_the_same(void **state)
{
	static const struct fake_page pages[] = {
		{ "/good", GOOD, FAKE_CLOSE },
		{ "/bad", ANSWER("text/plain", "x"), FAKE_CLOSE },
		{ "/cut", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", FAKE_CLOSE },
		{ NULL, NULL, FAKE_KEEP },
	};
	static const char *const primaries[] = { "http://@!/bad",       "http://@!/404",       "http://@!/cut",
						 "http://127.0.0.1:1/", "http://127.0.0.2:1/", "http://a b",
						 "/nonexistent/x.yaml" };
	char file[] = "/tmp/test_fetch_XXXXXX", want[300];
	struct world w;
	int fd;

	open_world(&w, pages);
	for (size_t i = 0; i < ARRAY_LEN(primaries); i++) {
		size_t before = fake_http_requests(w.server);
		const char *last;

		ask(&w, &(struct fetch_request){
				.location = primaries[i], .fallback = "http://@!/good", .body = STR("{\"b\":1}") });
		CHECK_STR("good", w.main);
		last = fake_http_request(w.server, fake_http_requests(w.server) - 1);
		CHECK(strstr(last, "POST /good ") == last && strstr(last, "\r\n\r\n{\"b\":1}") &&
		      strstr(last, "X-Signalwire-Signature: "));
		CHECK(fake_http_requests(w.server) <= before + 2); /* no retry */
	}
	fd = mkstemp(file);
	CHECK(fd >= 0 && write(fd, "sections: {main: [local]}", 25) == 25);
	close(fd);
	ask(&w, &(struct fetch_request){ .location = "http://@!/404", .fallback = file });
	CHECK_STR("local", w.main);
	CHECK_INT(0, unlink(file));

	ask(&w, &(struct fetch_request){ .location = "http://@!/404", .fallback = "http://@!/bad" });
	snprintf(
		want, sizeof(want),
		"document http://127.0.0.1:%u/404: the server answers 404; fallback http://127.0.0.1:%u/bad: line 1: a "
		"document is an object with sections, this is a string",
		fake_http_port(w.server), fake_http_port(w.server));
	CHECK_STR(want, w.why);
	close_world(&w);
}

static void inline_documents(void **state)
{
	static const struct fake_page none[] = { { NULL, NULL, FAKE_KEEP } };
	struct buf big = { 0 };
	struct world w;

	open_world(&w, none);
	ask(&w, &(struct fetch_request){ .location = "{\"sections\":{\"main\":[\"here\"]}}" });
	CHECK_STR("here", w.main);
	ask(&w, &(struct fetch_request){ .location = "{\"sections\":{\"main\":[\"here\"]}" });
	CHECK_INT(EINVAL, w.err);
	CHECK(w.at.line == 1 && w.why[0]);
	buf_cstr(&big, "{\"sections\":{\"main\":[\"first\"");
	while (big.len < 300000)
		buf_cstr(&big, ",\"answer\"");
	buf_cstr(&big, "]}}");
	ask(&w, &(struct fetch_request){ .location = big.data });
	CHECK_STR("first", w.main);
	buf_free(&big);
	close_world(&w);
}

/* Over 64 KiB: parsed on the pool. */
static void large_documents_come_too(void **state)
{
	struct buf reply = { 0 };
	struct fake_page pages[] = { { "/large", NULL, FAKE_CLOSE }, { NULL, NULL, FAKE_KEEP } };
	struct world w;

	buf_cstr(&reply, ANSWER("application/json", "{\"sections\":{\"main\":[\"first\""));
	while (reply.len < 600000)
		buf_cstr(&reply, ",\"answer\"");
	buf_cstr(&reply, "]}}");
	pages[0].reply = reply.data;
	open_world(&w, pages);
	ask(&w, &(struct fetch_request){ .location = "http://@!/large" });
	CHECK_STR("first", w.main);
	close_world(&w);
	buf_free(&reply);
}

/* The server is asked each time; what it says is parsed when it says something else. */
static void the_same_text_is_parsed_once(void **state)
{
#define PAGE(step) "HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\nsections: {main: [" step "]}"
	static const struct fake_page pages[] = { { "*", PAGE("aaa"), FAKE_KEEP }, { NULL, NULL, FAKE_KEEP } };
	static const struct fake_page others[] = { { "*", PAGE("bbb"), FAKE_KEEP }, { NULL, NULL, FAKE_KEEP } };
	static const struct fake_page broken[] = { { "*", PAGE("{: "), FAKE_KEEP }, { NULL, NULL, FAKE_KEEP } };
#undef PAGE
	char url[60];
	const void *first, *other;
	struct world w;

	open_world(&w, pages);
	ask(&w, &(struct fetch_request){ .location = "http://@!/a" });
	CHECK_STR("aaa", w.main);
	first = w.document;
	ask(&w, &(struct fetch_request){ .location = "http://@!/b" });
	CHECK(w.document != first); /* messages name the URL */
	other = w.document;
	ask(&w, &(struct fetch_request){ .location = "http://@!/a" });
	CHECK(w.document == first);
	ask(&w, &(struct fetch_request){ .location = "http://@!/b" });
	CHECK(w.document == other);
	fake_http_pages(w.server, others);
	ask(&w, &(struct fetch_request){ .location = "http://@!/a" });
	CHECK_STR("bbb", w.main);
	fake_http_pages(w.server, broken);
	ask(&w, &(struct fetch_request){ .location = "http://@!/a" });
	CHECK_INT(EINVAL, w.err);
	fake_http_pages(w.server, others);
	ask(&w, &(struct fetch_request){ .location = "http://@!/a" });
	CHECK_STR("bbb", w.main);
	CHECK_INT(7, fake_http_requests(w.server));
	for (int i = 0; i < 40; i++) { /* more than are kept */
		snprintf(url, sizeof(url), "http://@!/%d", i);
		ask(&w, &(struct fetch_request){ .location = url });
		CHECK_STR("bbb", w.main);
	}
	close_world(&w);
}

static void cancelled_and_freed(void **state)
{
	static const struct fake_page pages[] = { { "/hang", "", FAKE_HANG }, { NULL, NULL, FAKE_KEEP } };
	static const char *const locations[] = { "http://@!/hang", "http://a b", "/etc/hostname", "{\"sections\":{}}" };
	char url[400];
	uint64_t id;
	struct world w;

	for (size_t k = 0; k < 2; k++) {
		open_world(&w, pages);
		for (size_t i = 0; i < ARRAY_LEN(locations); i++) {
			const struct fetch_request r = { .location = i == 3 ? locations[i]
									    : with_port(&w, url, locations[i]) };

			CHECK_INT(0, fetch_document(w.fetch, &r, came, &w, &id));
			if (k)
				fetch_cancel(w.fetch, id);
			fetch_cancel(w.fetch, id + (UINT64_C(1) << 33));
		}
		while (k && loop_turn(w.loop))
			;
		CHECK_INT(0, w.done);
		close_world(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_servers_answer), TEST(the_request_is_signed),    TEST(fallbacks_get_the_same),
		TEST(inline_documents),    TEST(large_documents_come_too), TEST(the_same_text_is_parsed_once),
		TEST(cancelled_and_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/pool.h"
#include "dialect/fetch.h"

struct world {
	struct loop *loop;
	struct pool *pool;
	struct fetch *fetch;
	char path[40];
};

struct asked { /* one request and its answer */
	struct world *w;
	uint64_t id;
	unsigned answers;
	int err;
	uint32_t line;
	struct document *document;
	struct asked *cancel, *again; /* what the callback does */
};

static void ask(struct world *w, struct asked *q, const char *location);

static void answered(void *arg, const struct fetch_result *r)
{
	struct asked *q = arg;

	q->answers++;
	q->err = r->err;
	q->line = r->at.line;
	q->document = r->document;
	if (q->cancel)
		fetch_cancel(q->w->fetch, q->cancel->id);
	if (q->again)
		ask(q->w, q->again, q->w->path);
}

static void ask(struct world *w, struct asked *q, const char *location)
{
	q->w = w;
	CHECK_INT(0, fetch_document(w->fetch, &(struct fetch_request){ .location = location }, answered, q, &q->id));
	CHECK_INT(0, q->answers); /* never from inside */
}

static void write_text(const struct world *w, const char *text)
{
	FILE *f = fopen(w->path, "w");

	CHECK(f);
	if (!f)
		return;
	fputs(text, f);
	fclose(f);
}

static void open_world(struct world *w, const char *text)
{
	int fd;

	memset(w, 0, sizeof(*w));
	CHECK_INT(0, loop_new(&w->loop, true, 1));
	CHECK_INT(0, pool_new(&w->pool, w->loop, 0));
	CHECK_INT(0, fetch_new(&w->fetch, w->loop, w->pool));
	strcpy(w->path, "/tmp/test_fetch.XXXXXX");
	fd = mkstemp(w->path);
	CHECK(fd >= 0);
	close(fd);
	write_text(w, text);
}

static void close_world(struct world *w)
{
	fetch_free(&w->fetch);
	pool_free(&w->pool);
	CHECK_INT(0, loop_timer_count(w->loop));
	loop_free(&w->loop);
	unlink(w->path);
}

static void idle(struct world *w)
{
	while (loop_turn(w->loop))
		;
}

static void nothing(void *arg)
{
}

/* A virtual clock only moves towards a timer. */
static void pass(struct world *w, uint64_t ms)
{
	struct loop_timer t = { 0 };

	loop_timer_start(w->loop, &t, ms, nothing, NULL);
	idle(w);
}

static void a_document_is_read_parsed_and_shared(void **state)
{
	struct asked first = { 0 }, second = { 0 }, third = { 0 };
	struct world w;

	open_world(&w, "sections: {main: [hangup]}\n");
	ask(&w, &first, w.path);
	ask(&w, &second, w.path); /* waits for the same look at the disk */
	idle(&w);
	CHECK_INT(1, first.answers);
	CHECK_INT(1, second.answers);
	CHECK(first.document && first.document == second.document);
	CHECK_STR(w.path, first.document->location);
	CHECK(doc_get(first.document->root, "sections"));
	ask(&w, &third, w.path); /* from memory */
	idle(&w);
	CHECK(third.document == first.document);
	document_drop(first.document);
	document_drop(second.document);
	document_drop(document_use(third.document));
	fetch_free(&w.fetch); /* a document outlives the cache */
	CHECK(doc_get(third.document->root, "sections"));
	document_drop(third.document);
	close_world(&w);
}

static void a_changed_file_is_seen_within_a_second(void **state)
{
	struct asked q[4] = { { 0 } };
	struct world w;

	open_world(&w, "a: 1\n");
	ask(&w, &q[0], w.path);
	idle(&w);
	write_text(&w, "a: 1000\n");
	ask(&w, &q[1], w.path);
	idle(&w);
	CHECK(q[1].document == q[0].document); /* fresh enough */
	pass(&w, 1001);
	ask(&w, &q[2], w.path);
	idle(&w);
	CHECK(q[2].document != q[0].document);
	CHECK_INT(1000, doc_get(q[2].document->root, "a")->integer);
	CHECK_INT(1, doc_get(q[0].document->root, "a")->integer); /* who runs the old one keeps it */
	pass(&w, 5000);
	ask(&w, &q[3], w.path);
	idle(&w);
	CHECK(q[3].document == q[2].document); /* looked at, and found the same */
	for (size_t i = 0; i < 4; i++)
		document_drop(q[i].document);
	close_world(&w);
}

static void failures_say_why_and_are_not_kept(void **state)
{
	struct asked q[5] = { { 0 } };
	struct world w;

	open_world(&w, "a: 1\n  b: [\n");
	ask(&w, &q[0], w.path);
	ask(&w, &q[1], "/nonexistent/file.yaml");
	ask(&w, &q[2], "/tmp");
	ask(&w, &q[3], "https://example.test/a.yaml");
	idle(&w);
	CHECK_INT(EINVAL, q[0].err);
	CHECK_INT(2, q[0].line);
	CHECK_INT(ENOENT, q[1].err);
	CHECK_INT(EACCES, q[2].err);
	CHECK_INT(EPROTONOSUPPORT, q[3].err);
	for (size_t i = 0; i < 4; i++) {
		CHECK_INT(1, q[i].answers);
		CHECK(!q[i].document);
	}
	write_text(&w, "a: 1\n"); /* mended: seen at once */
	ask(&w, &q[4], w.path);
	idle(&w);
	CHECK_INT(0, q[4].err);
	document_drop(q[4].document);
	close_world(&w);
}

static void what_is_too_large_is_refused(void **state)
{
	struct asked q = { 0 };
	struct world w;

	open_world(&w, "");
	CHECK_INT(0, truncate(w.path, (1 << 20) + 1));
	ask(&w, &q, w.path);
	idle(&w);
	CHECK_INT(EFBIG, q.err);
	close_world(&w);
}

static void a_cancelled_request_is_silent(void **state)
{
	struct asked q[5] = { { 0 } };
	struct world w;

	open_world(&w, "a: 1\n");
	ask(&w, &q[0], w.path);
	fetch_cancel(w.fetch, q[0].id);
	fetch_cancel(w.fetch, q[0].id); /* twice does no harm */
	ask(&w, &q[1], w.path);
	ask(&w, &q[2], w.path);
	q[1].cancel = &q[2]; /* from inside the answer to another */
	idle(&w);
	CHECK_INT(0, q[0].answers);
	CHECK_INT(1, q[1].answers);
	CHECK_INT(0, q[2].answers);
	ask(&w, &q[3], w.path); /* out of the cache */
	fetch_cancel(w.fetch, q[3].id);
	idle(&w);
	CHECK_INT(0, q[3].answers);
	document_drop(q[1].document);
	close_world(&w);
}

static void an_answer_may_ask_again(void **state)
{
	struct asked q[2] = { { 0 } };
	struct world w;

	open_world(&w, "a: 1\n");
	q[0].again = &q[1];
	ask(&w, &q[0], w.path);
	idle(&w);
	CHECK_INT(1, q[1].answers);
	CHECK(q[0].document == q[1].document);
	document_drop(q[0].document);
	document_drop(q[1].document);
	close_world(&w);
}

static void it_may_end_with_requests_open(void **state)
{
	struct asked q[2] = { { 0 } };
	struct world w;

	open_world(&w, "a: 1\n");
	ask(&w, &q[0], w.path);
	ask(&w, &q[1], "http://example.test/");
	fetch_free(&w.fetch);
	idle(&w);
	CHECK_INT(0, q[0].answers + q[1].answers);
	close_world(&w);
}

static void the_cache_is_bounded(void **state)
{
	struct world w;
	char path[64];

	open_world(&w, "a: 1\n");
	for (int i = 0; i < 300; i++) {
		struct asked q = { 0 };

		snprintf(path, sizeof(path), "%s.%d", w.path, i);
		CHECK_INT(0, symlink(w.path, path));
		ask(&w, &q, path);
		idle(&w);
		CHECK_INT(0, q.err);
		document_drop(q.document);
		unlink(path);
	}
	close_world(&w);
}

/* The same with real threads and the real clock: the answer comes once and on the loop. */
static void threads_read_for_the_loop(void **state)
{
	struct asked q[8] = { { 0 } };
	struct world w;
	unsigned answers = 0;

	open_world(&w, "a: 1\n");
	fetch_free(&w.fetch);
	pool_free(&w.pool);
	loop_free(&w.loop);
	CHECK_INT(0, loop_new(&w.loop, false, 0));
	CHECK_INT(0, pool_new(&w.pool, w.loop, 2));
	CHECK_INT(0, fetch_new(&w.fetch, w.loop, w.pool));
	for (size_t i = 0; i < ARRAY_LEN(q); i++)
		ask(&w, &q[i], i % 2 ? w.path : "/nonexistent");
	for (int turns = 0; answers < ARRAY_LEN(q) && turns < 1000; turns++) {
		loop_turn(w.loop);
		answers = 0;
		for (size_t i = 0; i < ARRAY_LEN(q); i++)
			answers += q[i].answers;
	}
	for (size_t i = 0; i < ARRAY_LEN(q); i++) {
		CHECK_INT(1, q[i].answers);
		CHECK_INT(i % 2 ? 0 : ENOENT, q[i].err);
		document_drop(q[i].document);
	}
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_document_is_read_parsed_and_shared),
		TEST(a_changed_file_is_seen_within_a_second),
		TEST(failures_say_why_and_are_not_kept),
		TEST(what_is_too_large_is_refused),
		TEST(a_cancelled_request_is_silent),
		TEST(an_answer_may_ask_again),
		TEST(it_may_end_with_requests_open),
		TEST(the_cache_is_bounded),
		TEST(threads_read_for_the_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

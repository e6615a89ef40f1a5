#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/pool.h"
#include "cli/reload.h"
#include "check.h"

#define BASE                                                                                                           \
	"space: s\nnode: n\ndata: /tmp/d\nsip: {listen: ['udp:127.0.0.1:5060']}\n"                                     \
	"media: {address: 127.0.0.1, ports: 20000-20999, threads: 2, codecs: [PCMU]}\nhttp: {listen: "                 \
	"['http:127.0.0.1:8080']}\n"                                                                                   \
	"dns: {servers: [127.0.0.1]}\nlog: {level: info}\n"

struct world {
	struct loop *loop;
	struct pool *pool;
	struct reload *reload;
	char path[64];
	const struct config *applied;
	bool refuse;
	unsigned applies, answers;
	uint64_t request;
	int status;
	char json[4096];
};

static void write_file(struct world *w, const char *text)
{
	FILE *f = fopen(w->path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int apply(void *arg, const struct config *c, char why[160])
{
	struct world *w = arg;

	w->applies++;
	if (w->refuse) {
		snprintf(why, 160, "the certificate is bad");
		return EINVAL;
	}
	w->applied = c;
	return 0;
}

static void done(void *arg, uint64_t request, int status, struct str json)
{
	struct world *w = arg;

	w->answers++;
	w->request = request;
	w->status = status;
	str_copy(w->json, sizeof(w->json), json);
}

static void no_log(void *arg, enum log_level level, const char *line)
{
}

static void open_world(struct world *w, const char *text)
{
	struct conf_problem *problems;
	struct config *config;
	struct arena *a;
	struct reload_opts opts = { .apply = apply, .done = done, .arg = w, .path = w->path };
	int fd;

	memset(w, 0, sizeof(*w));
	log_capture(no_log, NULL);
	str_copy(w->path, sizeof(w->path), STR("/tmp/test_reload_XXXXXX"));
	fd = mkstemp(w->path);
	assert_true(fd >= 0);
	close(fd);
	write_file(w, text);
	assert_int_equal(loop_new(&w->loop, true, 1), 0);
	assert_int_equal(pool_new(&w->pool, w->loop, 0), 0);
	assert_int_equal(arena_new(&a, 0, 0), 0);
	assert_int_equal(config_load(&config, a, w->path, &problems), 0);
	opts.loop = w->loop;
	opts.pool = w->pool;
	assert_int_equal(reload_new(&w->reload, &opts, &a, config), 0);
	assert_null(a);
}

static void close_world(struct world *w)
{
	reload_free(&w->reload);
	pool_free(&w->pool);
	CHECK_INT(0, loop_timer_count(w->loop));
	loop_free(&w->loop);
	unlink(w->path);
	log_capture(NULL, NULL);
}

static void reload(struct world *w, const char *text, uint64_t request)
{
	write_file(w, text);
	reload_start(w->reload, request);
	loop_run_until(w->loop, loop_now_ms(w->loop) + 100);
}

static void what_needs_a_restart_is_refused_with_its_key(void **state)
{
	static const struct {
		const char *old, *new, *key;
	} rows[] = {
		{ "space: s", "space: t", "space" },
		{ "node: n", "node: m", "node" },
		{ "data: /tmp/d", "data: /tmp/e", "data" },
		{ "threads: 2", "threads: 3", "media.threads" },
		{ "threads: 2, ", "", "media.threads" },
		{ "address: 127.0.0.1", "address: 127.0.0.2", NULL },
		{ "20999", "20899", NULL },
		{ "udp:127.0.0.1:5060", "udp:127.0.0.1:5062", NULL },
		{ "udp:127.0.0.1:5060", "tcp:127.0.0.1:5060", NULL },
		{ "['http:127.0.0.1:8080']", "[]", NULL },
		{ "[127.0.0.1]}", "[127.0.0.2]}", NULL },
		{ "level: info", "level: debug", NULL },
		{ "[PCMU]", "[PCMA]", NULL },
		{ "level: info}", "level: info}\nlimits: {max_calls: 1}", NULL },
		{ "level: info}", "level: info}\ntrace: {memory_mb: 16}", NULL }, /* as it was by default */
		{ "level: info}", "level: info}\ntrace: {memory_mb: 0}", "trace" },
		{ "level: info}", "level: info}\ntrace: {hep: 'udp:127.0.0.1:9060'}", "trace" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;
		struct buf text = { 0 };
		const char *at;
		char want[80];

		open_world(&w, BASE);
		at = strstr(BASE, rows[i].old);
		assert_non_null(at);
		buf_str(&text, (struct str){ BASE, (size_t)(at - (const char *)BASE) });
		buf_cstr(&text, rows[i].new);
		buf_cstr(&text, at + strlen(rows[i].old));
		reload(&w, text.data, 7);
		CHECK_INT(1, w.answers);
		CHECK_INT(7, w.request);
		CHECK_INT(rows[i].key ? 409 : 200, w.status);
		CHECK_INT(rows[i].key ? 0 : 1, w.applies);
		CHECK_INT(rows[i].key ? 1 : 2, reload_number(w.reload));
		snprintf(want, sizeof(want), "\"key\":\"%s\"", rows[i].key ? rows[i].key : "");
		CHECK((strstr(w.json, want) != NULL) == (rows[i].key != NULL));
		buf_free(&text);
		close_world(&w);
	}
}

static void bad_files_change_nothing(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ BASE "nonsense: 1\n", "\"line\":9,\"column\":1,\"severity\":\"error\"" },
		{ "a: [", "\"problems\":[{" },
		{ BASE "projects: [{id: p}]\n", "\"severity\":\"error\"" },
		{ BASE "limits: {max_calls: -1}\n", "\"severity\":\"error\"" },
		{ "", "\"reloaded\":false" },
	};
	struct world w;

	open_world(&w, BASE);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		reload(&w, rows[i].text, i);
		CHECK(w.status == 400 || w.status == 409);
		CHECK(strstr(w.json, rows[i].says) != NULL);
	}
	unlink(w.path);
	reload_start(w.reload, 9);
	loop_run_until(w.loop, UINT64_MAX);
	CHECK_INT(400, w.status);
	CHECK(strstr(w.json, "cannot read the file") != NULL);
	CHECK_INT(0, w.applies);
	CHECK_INT(1, reload_number(w.reload));
	CHECK_INT(1, reload_kept(w.reload));
	close_world(&w);
}

static void what_cannot_be_applied_changes_nothing(void **state)
{
	struct world w;

	open_world(&w, BASE);
	w.refuse = true;
	reload(&w, BASE "country: x\n", 1);
	reload(&w, BASE, 2);
	CHECK_INT(409, w.status);
	CHECK(strstr(w.json, "the certificate is bad") != NULL);
	CHECK_INT(1, reload_number(w.reload));
	CHECK_INT(1, reload_kept(w.reload));
	close_world(&w);
}

/* Old ones go when no call is left that began under them; the first stays, listeners point into it. */
static void old_snapshots_go(void **state)
{
	struct world w;

	open_world(&w, BASE);
	for (unsigned i = 0; i < 20; i++)
		reload(&w, BASE, i + 1);
	CHECK_INT(200, w.status);
	CHECK_INT(21, reload_number(w.reload));
	CHECK_INT(21, reload_kept(w.reload));
	loop_run_until(w.loop, UINT64_MAX);
	CHECK_INT(2, reload_kept(w.reload));
	CHECK_STR("s", w.applied->space);
	close_world(&w);
}

static void one_at_a_time(void **state)
{
	struct world w;

	open_world(&w, BASE);
	reload_start(w.reload, 1);
	reload_start(w.reload, 2);
	CHECK_INT(2, w.request);
	CHECK_INT(409, w.status);
	loop_run_until(w.loop, UINT64_MAX);
	CHECK_INT(1, w.request);
	CHECK_INT(200, w.status);
	CHECK_INT(2, w.answers);
	reload_start(w.reload, 3); /* and is left alone when the server goes */
	close_world(&w);
	CHECK_INT(2, w.answers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_needs_a_restart_is_refused_with_its_key),
		TEST(bad_files_change_nothing),
		TEST(what_cannot_be_applied_changes_nothing),
		TEST(old_snapshots_go),
		TEST(one_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

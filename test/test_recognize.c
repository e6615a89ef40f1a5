/* Programs that stand for engines, and a fake service. The loop is virtual and is held; where an engine hangs it is real. */
#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/pool.h"
#include "fake_http.h"
#include "op/recognize.h"

struct world {
	struct loop *loop;
	struct pool *pool;
	struct recognizer *recognizer;
	unsigned done, want;
	char folder[40], below[60];
};

struct got {
	struct world *world;
	unsigned count;
	bool failed;
	char why[400], text[RECOGNIZE_MAX_TEXT];
	double confidence;
	uint64_t id;
};

static void open_world(struct world *w, bool virtual_time, struct recognizer_opts opts)
{
	memset(w, 0, sizeof(*w));
	snprintf(w->folder, sizeof(w->folder), "/tmp/recognize-XXXXXX");
	CHECK(mkdtemp(w->folder) != NULL);
	snprintf(w->below, sizeof(w->below), "%s/recognized", w->folder);
	CHECK_INT(0, loop_new(&w->loop, virtual_time, 1));
	CHECK_INT(0, pool_new(&w->pool, w->loop, virtual_time ? 0 : 2));
	opts.loop = w->loop;
	opts.pool = w->pool;
	opts.folder = w->below;
	assert_int_equal(recognizer_new(&w->recognizer, &opts), 0);
}

static void open_shell(struct world *w, bool virtual_time, const char *script, uint32_t deadline_ms)
{
	static const char *command[8] = {
		"sh", "-c", NULL, "sh", "{language}", "{hints}", "--{hints}-{language}", NULL
	};

	command[2] = script;
	open_world(w, virtual_time, (struct recognizer_opts){ .command = command, .deadline_ms = deadline_ms });
}

static void nothing(void *arg)
{
	loop_stop(arg);
}

/* What engines leave is removed behind them. */
static void close_world(struct world *w)
{
	struct loop_timer t = { .active = false };
	char command[80];

	loop_timer_start(w->loop, &t, 50, nothing, w->loop);
	loop_run(w->loop);
	recognizer_free(&w->recognizer);
	pool_free(&w->pool);
	CHECK_INT(0, loop_timer_count(w->loop));
	loop_free(&w->loop);
	rmdir(w->below); /* empty, if it is there */
	snprintf(command, sizeof(command), "rmdir %s", w->folder);
	CHECK_INT(0, system(command));
}

static void on_done(void *arg, const struct recognize_result *r)
{
	struct got *g = arg;

	g->count++;
	g->failed = r->why;
	str_copy(g->why, sizeof(g->why), str_of(r->why ? r->why : ""));
	str_copy(g->text, sizeof(g->text), str_of(r->text));
	g->confidence = r->confidence;
	if (++g->world->done >= g->world->want)
		loop_stop(g->world->loop);
}

static const char *const hints[] = { "yes", " --no way; rm -rf $HOME ", "|", "caf\xc3\xa9, au lait" };

static void ask(struct world *w, struct got *g, size_t hint_count)
{
	const struct recognize_request q = { .wav = STR("RIFF\0wave"), .hints = hints, .hint_count = hint_count };

	*g = (struct got){ .world = w };
	CHECK_INT(0, recognize_start(w->recognizer, &q, on_done, g, &g->id));
	CHECK_INT(0, g->count);
}

static void wait_for(struct world *w, unsigned count)
{
	w->want = count;
	if (w->done < count)
		loop_run(w->loop);
	CHECK_INT(count, w->done);
}

static void what_engines_say_is_read(void **state)
{
	static const struct {
		const char *said, *text, *fault;
		double confidence;
	} rows[] = {
		{ "", "", NULL, -1 },
		{ " \n", "", NULL, -1 },
		{ "yes\n", "yes", NULL, -1 },
		{ " one\n two\t\tthree \n", "one two three", NULL, -1 },
		{ "{\"text\": \"one  two\"}", "one two", NULL, -1 },
		{ "{\"text\": \"\", \"confidence\": null}", "", NULL, -1 },
		{ "\n{\"confidence\": 0.25, \"text\": \"yes\", \"words\": [1]}\n", "yes", NULL, 0.25 },
		{ "{\"text\": \"yes\", \"confidence\": 1}", "yes", NULL, 1 },
		{ "{\"text\": \"yes\", \"confidence\": 87}", NULL, "has a \"confidence\" that is not between 0 and 1",
		  0 },
		{ "{\"text\": \"yes\", \"confidence\": \"high\"}", NULL,
		  "has a \"confidence\" that is not between 0 and 1", 0 },
		{ "{\"text\": 5}", NULL, "has no \"text\"", 0 },
		{ "{}", NULL, "has no \"text\"", 0 },
		{ "{\"text\": \"a\"", NULL, "is no valid JSON", 0 },
		{ "\xff\xfe", NULL, "is no UTF-8", 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[RECOGNIZE_MAX_TEXT] = "";
		double confidence = 7;
		const char *fault = recognize_read(str_of(rows[i].said), text, &confidence);

		CHECK_STR(rows[i].fault ? rows[i].fault : "", fault ? fault : "");
		if (rows[i].text && !fault) {
			CHECK_STR(rows[i].text, text);
			CHECK(confidence >= rows[i].confidence && confidence <= rows[i].confidence);
		}
	}
}

static void long_answers_are_refused(void **state)
{
	char said[RECOGNIZE_MAX_TEXT + 1], text[RECOGNIZE_MAX_TEXT];
	double confidence;

	memset(said, 'x', sizeof(said));
	CHECK(!recognize_read((struct str){ said, RECOGNIZE_MAX_TEXT - 1 }, text, &confidence));
	CHECK_INT(RECOGNIZE_MAX_TEXT - 1, strlen(text));
	CHECK_STR("is longer than 4096 bytes",
		  recognize_read((struct str){ said, RECOGNIZE_MAX_TEXT }, text, &confidence));
}

/* The audio is its stdin, whole and seekable; documents say nothing that it could take for an option. */
static void a_command_is_told(void **state)
{
	struct world w;
	struct got g;

	open_shell(&w, true, "test \"$(wc -c </dev/stdin)\" = 9 || exit 1; printf '%s/' \"$@\"", 0);
	CHECK_STR("command", recognizer_name(w.recognizer));
	ask(&w, &g, ARRAY_LEN(hints));
	wait_for(&w, 1);
	CHECK_STR("", g.why);
	CHECK_STR(
		"en-US/yes,no way rm -rf HOME,caf\xc3\xa9 au lait/--yes,no way rm -rf HOME,caf\xc3\xa9 au lait-en-US/",
		g.text);
	ask(&w, &g, 0);
	wait_for(&w, 2);
	CHECK_STR("en-US//---en-US/", g.text);
	close_world(&w);
}

static void failures_say_why(void **state)
{
	static const struct {
		const char *script, *why;
	} rows[] = {
		{ "echo no licence >&2; exit 3", "command: it ended with status 3: no licence" },
		{ "echo '{}'", "the answer of the recognizer (command) has no \"text\"" },
		{ "head -c 100000 /dev/zero | tr '\\0' x", "what the recognizer wrote cannot be read" },
		{ "kill -9 $$", "command: it was killed by signal 9 (Killed)" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;
		struct got g;

		open_shell(&w, true, rows[i].script, 0);
		ask(&w, &g, 0);
		wait_for(&w, 1);
		CHECK(g.failed);
		CHECK_STR(rows[i].why, g.why);
		CHECK_STR("", g.text);
		close_world(&w);
	}
}

static void who_hangs_is_killed(void **state)
{
	struct world w;
	struct got g;

	open_shell(&w, false, "sleep 600", 300);
	ask(&w, &g, 0);
	wait_for(&w, 1);
	CHECK_STR("command: it took longer than 300 ms and was killed", g.why);
	close_world(&w);
}

static void many_wait_and_too_many_are_refused(void **state)
{
	static struct got got[200];
	const struct recognize_request q = { .wav = STR("x") };
	unsigned taken = 0;
	struct world w;
	int err = 0;

	open_shell(&w, true, "echo yes", 0);
	for (size_t i = 0; i < ARRAY_LEN(got) && !err; i++) {
		got[i] = (struct got){ .world = &w };
		err = recognize_start(w.recognizer, &q, on_done, &got[i], &got[i].id);
		taken += !err;
	}
	CHECK_INT(EAGAIN, err);
	CHECK_INT(68, taken);
	wait_for(&w, taken);
	for (size_t i = 0; i < taken; i++)
		CHECK_STR("yes", got[i].text);
	close_world(&w);
}

/* Cancelled at any moment nobody is told, and nothing is left behind; the same at the end of everything. */
static void it_can_be_cancelled_at_any_time(void **state)
{
	for (unsigned ms = 0; ms < 60; ms += 4) {
		struct loop_timer t = { .active = false };
		struct world w;
		struct got a, b;

		open_shell(&w, false, "sleep 0.02; echo yes", 0);
		ask(&w, &a, 0);
		ask(&w, &b, 0);
		loop_timer_start(w.loop, &t, ms, nothing, w.loop);
		w.want = 100;
		loop_run(w.loop);
		recognize_cancel(w.recognizer, a.id);
		recognize_cancel(w.recognizer, a.id);
		CHECK(a.count <= 1);
		if (!b.count)
			wait_for(&w, w.done + 1);
		CHECK_INT(1, b.count);
		close_world(&w);
	}
}

static void a_service_is_asked(void **state)
{
	static const struct fake_page pages[] = {
		{ "/r?l=en-US&h=yes%2Cno%20way%20rm%20-rf%20HOME%2Ccaf%C3%A9%20au%20lait",
		  "HTTP/1.1 200 OK\r\nContent-Length: 39\r\n\r\n{\"text\": \"Yes, I do.\",\"confidence\":0.5}",
		  FAKE_KEEP },
		{ "/r?l=en-US&h=", "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", FAKE_KEEP },
		{ "/r?l=en-US&h=yes", NULL, FAKE_HANG },
		{ NULL, NULL, FAKE_KEEP },
	};
	struct fake_http *server = fake_http_new();
	const char *request;
	char url[80];
	struct world w;
	struct got g;

	fake_http_pages(server, pages);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/r?l={language}&h={hints}", fake_http_port(server));
	open_world(&w, false, (struct recognizer_opts){ .url = url, .deadline_ms = 300 });
	CHECK_STR("http", recognizer_name(w.recognizer));
	ask(&w, &g, ARRAY_LEN(hints));
	wait_for(&w, 1);
	CHECK_STR("", g.why);
	CHECK_STR("Yes, I do.", g.text);
	CHECK(g.confidence > 0.49 && g.confidence < 0.51);
	request = fake_http_request(server, 0);
	CHECK(strstr(request, "POST /r?l=") == request);
	CHECK(strstr(request, "Content-Type: audio/wav\r\n"));
	CHECK(strstr(request, "Content-Length: 9\r\n"));
	ask(&w, &g, 0);
	wait_for(&w, 2);
	CHECK_STR("the recognition service answered 503", g.why);
	ask(&w, &g, 1);
	recognize_cancel(w.recognizer, g.id);
	close_world(&w);
	fake_http_free(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_engines_say_is_read),
		TEST(long_answers_are_refused),
		TEST(a_command_is_told),
		TEST(failures_say_why),
		TEST(who_hangs_is_killed),
		TEST(many_wait_and_too_many_are_refused),
		TEST(it_can_be_cancelled_at_any_time),
		TEST(a_service_is_asked),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

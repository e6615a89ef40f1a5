/* Real programs under a virtual loop (which they hold) or, where a deadline counts, under a real one. */
#include "check.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/child.h"
#include "base/loop.h"
#include "base/pool.h"

struct got {
	unsigned count;
	enum child_end end;
	int code;
	char why[CHILD_WHY];
	struct world *world;
};

struct world {
	struct loop *loop;
	struct pool *pool;
	struct children *children;
	unsigned done, want;
	char folder[40];
};

static void open_world(struct world *w, bool virtual_time, unsigned threads)
{
	memset(w, 0, sizeof(*w));
	snprintf(w->folder, sizeof(w->folder), "/tmp/child-XXXXXX");
	CHECK(mkdtemp(w->folder) != NULL);
	CHECK_INT(0, loop_new(&w->loop, virtual_time, 1));
	CHECK_INT(0, pool_new(&w->pool, w->loop, threads));
	CHECK_INT(0, children_new(&w->children, w->loop, w->pool, 4, 60));
}

static void close_world(struct world *w)
{
	char command[80];

	children_free(&w->children);
	pool_free(&w->pool);
	CHECK_INT(0, loop_timer_count(w->loop));
	loop_free(&w->loop);
	snprintf(command, sizeof(command), "rm -r %s", w->folder);
	CHECK_INT(0, system(command));
}

static void on_done(void *arg, const struct child_result *r)
{
	struct got *g = arg;

	g->count++;
	g->end = r->end;
	g->code = r->code;
	str_copy(g->why, sizeof(g->why), str_of(r->why));
	if (++g->world->done == g->world->want)
		loop_stop(g->world->loop);
}

static struct child_request shell(const char *const *argv)
{
	return (struct child_request){
		.argv = argv, .deadline_ms = 20000, .cpu_s = 20, .memory_mb = 512, .file_mb = 1
	};
}

static uint64_t start(struct world *w, struct got *g, const char *script, const char *input, const char *output)
{
	const char *const argv[] = { "sh", "-c", script, NULL };
	struct child_request r = shell(argv);
	uint64_t id = 0;

	*g = (struct got){ .world = w };
	r.input = str_of(input);
	r.output = output;
	CHECK_INT(0, child_run(w->children, &r, on_done, g, &id));
	CHECK(id != 0);
	return id;
}

static void how_it_ends_is_told(void **state)
{
	static const struct {
		const char *script;
		enum child_end end;
		int code;
		const char *why;
	} rows[] = {
		{ "exit 0", CHILD_EXITED, 0, "" },
		{ "echo a >&2; exit 0", CHILD_EXITED, 0, "" },
		{ "exit 3", CHILD_EXITED, 3, "it ended with status 3" },
		{ "printf 'no \\007 voice\\nmore\\n' >&2; exit 1", CHILD_EXITED, 1,
		  "it ended with status 1: no   voice" },
		{ "kill -TERM $$", CHILD_KILLED, SIGTERM, "it was killed by signal 15 (Terminated)" },
		{ "exec head -c 3000000 /dev/zero > big", CHILD_KILLED, SIGXFSZ, "it wrote more than 1 MiB" },
		/* Nothing of ours but the three, nothing in its environment but what it needs, no ignored signals (but those
		 * that the C library keeps for itself). */
		{ "test ! -e /proc/$$/fd/3 && test ! -e /proc/$$/fd/50", CHILD_EXITED, 0, "" },
		{ "test -z \"$CROSSPOINT_SECRET\" && test \"$LANG\" = C.UTF-8", CHILD_EXITED, 0, "" },
		{ "grep -q 'SigIgn:.*[08]0000000$' /proc/self/status && grep -q 'SigBlk:.0*$' /proc/self/status",
		  CHILD_EXITED, 0, "" },
		/* A torrent of complaints stops nobody. */
		{ "head -c 300000 /dev/zero | tr '\\0' x >&2; exit 0", CHILD_EXITED, 0, "" },
	};
	static const unsigned threads[] = { 0, 2 };

	CHECK_INT(50, dup2(0, 50));
	setenv("CROSSPOINT_SECRET", "x", 1);
	signal(SIGPIPE, SIG_IGN);
	for (size_t t = 0; t < ARRAY_LEN(threads); t++) {
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			char script[300];
			struct world w;
			struct got g;

			open_world(&w, true, threads[t]);
			snprintf(script, sizeof(script), "cd %s; %s", w.folder, rows[i].script);
			start(&w, &g, script, "", NULL);
			CHECK_INT(0, g.count);
			loop_run(w.loop);
			CHECK_INT(1, g.count);
			CHECK_INT(rows[i].end, g.end);
			CHECK_INT(rows[i].code, g.code);
			CHECK_STR(rows[i].why, g.why);
			if (g.code != rows[i].code)
				fprintf(stderr, "  in: %s\n", rows[i].script);
			CHECK_INT(1000, loop_now_ms(w.loop));
			close_world(&w);
		}
	}
	signal(SIGPIPE, SIG_DFL);
	unsetenv("CROSSPOINT_SECRET");
	close(50);
}

static void text_goes_in_and_a_file_comes_out(void **state)
{
	char path[80], text[80] = "";
	struct world w;
	struct got g;
	FILE *f;

	open_world(&w, true, 2);
	snprintf(path, sizeof(path), "%s/out", w.folder);
	/* Read once from its stdin, once more by name. */
	start(&w, &g, "cat; cat /dev/stdin", "one $HOME; 'two' \"", path);
	loop_run(w.loop);
	CHECK_INT(CHILD_EXITED, g.end);
	f = fopen(path, "re");
	CHECK(f && fgets(text, sizeof(text), f));
	CHECK_STR("one $HOME; 'two' \"one $HOME; 'two' \"", text);
	if (f)
		fclose(f);
	close_world(&w);
}

static void what_cannot_be_started_says_so(void **state)
{
	static const char *const programs[] = { "/nowhere/x", "no-such-program-here", "/etc/passwd" };

	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		const char *const argv[] = { programs[i], NULL };
		struct child_request r = shell(argv);
		struct got g = { 0 };
		char want[100];
		struct world w;
		uint64_t id;

		open_world(&w, true, 2);
		g.world = &w;
		CHECK_INT(0, child_run(w.children, &r, on_done, &g, &id));
		loop_run(w.loop);
		CHECK_INT(CHILD_FAILED, g.end);
		CHECK_INT(ENOENT, g.code);
		snprintf(want, sizeof(want), "%s cannot be started: No such file or directory", programs[i]);
		CHECK_STR(want, g.why);
		close_world(&w);
	}
}

static void who_is_late_is_killed_with_his_children(void **state)
{
	const char *const argv[] = { "sh", "-c", "sleep 600 & echo $!; wait", NULL };
	struct child_request r = shell(argv);
	struct got g = { 0 };
	struct pollfd end = { .events = POLLIN };
	char path[80], pid[20] = "";
	struct world w;
	uint64_t id;
	FILE *f;

	open_world(&w, false, 2);
	snprintf(path, sizeof(path), "%s/pid", w.folder);
	r.output = path;
	r.deadline_ms = 300;
	g.world = &w;
	w.want = 1;
	CHECK_INT(0, child_run(w.children, &r, on_done, &g, &id));
	loop_run(w.loop);
	CHECK_INT(CHILD_LATE, g.end);
	CHECK_STR("it took longer than 300 ms and was killed", g.why);
	f = fopen(path, "re");
	CHECK(f && fgets(pid, sizeof(pid), f));
	CHECK(strtol(pid, NULL, 10) > 1);
	/* A process that has ended makes its descriptor readable; one that is gone has none. */
	end.fd = pidfd_open((pid_t)strtol(pid, NULL, 10), 0);
	if (end.fd >= 0) {
		CHECK_INT(1, poll(&end, 1, 10000));
		close(end.fd);
	}
	if (f)
		fclose(f);
	close_world(&w);
}

static void who_computes_too_long_is_killed(void **state)
{
	const char *const argv[] = { "sh", "-c", "while :; do :; done", NULL };
	struct child_request r = shell(argv);
	struct got g = { 0 };
	struct world w;
	uint64_t id;

	open_world(&w, false, 2);
	r.cpu_s = 1;
	g.world = &w;
	w.want = 1;
	CHECK_INT(0, child_run(w.children, &r, on_done, &g, &id));
	loop_run(w.loop);
	CHECK_INT(CHILD_KILLED, g.end);
	CHECK_STR("it computed for more than 1 s", g.why);
	close_world(&w);
}

/* Each writes its name when it begins and when it ends; never are there more than four that have not ended. */
static void fifty_take_turns(void **state)
{
	static struct got got[64], more;
	const char *const argv[] = { "true", NULL };
	struct child_request r = shell(argv);
	char script[200], path[80], line[20];
	int running = 0, most = 0;
	struct world w;
	uint64_t id;
	FILE *f;

	open_world(&w, true, 2);
	for (size_t i = 0; i < ARRAY_LEN(got); i++) {
		snprintf(script, sizeof(script), "cd %s; echo a >> log; sleep 0.02; echo b >> log", w.folder);
		start(&w, &got[i], script, "", NULL);
	}
	more.world = &w;
	CHECK_INT(EAGAIN, child_run(w.children, &r, on_done, &more, &id));
	loop_run(w.loop);
	CHECK_INT(64, w.done);
	for (size_t i = 0; i < ARRAY_LEN(got); i++)
		CHECK(got[i].count == 1 && got[i].end == CHILD_EXITED && !got[i].code);
	snprintf(path, sizeof(path), "%s/log", w.folder);
	f = fopen(path, "re");
	CHECK(f != NULL);
	while (f && fgets(line, sizeof(line), f)) {
		running += line[0] == 'a' ? 1 : -1;
		most = running > most ? running : most;
	}
	if (f)
		fclose(f);
	CHECK_INT(0, running);
	CHECK(most >= 2 && most <= 4);
	CHECK_INT(0, child_run(w.children, &r, on_done, &more, &id));
	loop_run(w.loop);
	CHECK_INT(1, more.count);
	close_world(&w);
}

/* Cancelled while it waits, while it starts, while it runs: nobody hears of it, and its place is free again. */
static void cancelled_ones_are_silent(void **state)
{
	struct got hang[6], last;
	uint64_t ids[6];
	struct world w;

	open_world(&w, true, 2);
	for (size_t i = 0; i < ARRAY_LEN(hang); i++)
		ids[i] = start(&w, &hang[i], "sleep 600", "", NULL);
	child_cancel(w.children, ids[5]); /* waits */
	child_cancel(w.children, ids[0]); /* starts */
	for (int i = 0; i < 50; i++)
		loop_turn(w.loop);
	for (size_t i = 0; i < 5; i++)
		child_cancel(w.children, ids[i]);
	child_cancel(w.children, ids[1]);
	child_cancel(w.children, 12345);
	start(&w, &last, "exit 0", "", NULL);
	loop_run(w.loop);
	CHECK_INT(1, last.count);
	CHECK_INT(1, w.done);
	close_world(&w);
}

/* Whatever goes first, and however far they are. */
static void it_can_end_at_any_time(void **state)
{
	for (int turns = 0; turns < 12; turns++) {
		struct got got[8];
		struct world w;

		open_world(&w, true, turns % 2 ? 2 : 0);
		for (size_t i = 0; i < ARRAY_LEN(got); i++)
			start(&w, &got[i], "sleep 600", "", NULL);
		for (int i = 0; i < turns / 2; i++)
			loop_turn(w.loop);
		if (turns % 3)
			pool_free(&w.pool);
		close_world(&w);
		CHECK_INT(0, w.done);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(how_it_ends_is_told),
		TEST(text_goes_in_and_a_file_comes_out),
		TEST(what_cannot_be_started_says_so),
		TEST(who_is_late_is_killed_with_his_children),
		TEST(who_computes_too_long_is_killed),
		TEST(fifty_take_turns),
		TEST(cancelled_ones_are_silent),
		TEST(it_can_end_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

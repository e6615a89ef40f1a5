#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/store.h"

enum { INSERT, INSERT_STRICT };

static const char *const schema[] = {
	"CREATE TABLE IF NOT EXISTS t (id INTEGER, name TEXT, weight REAL, spare TEXT)",
	"CREATE TABLE IF NOT EXISTS strict (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL)",
	NULL,
};
static const char *const statements[] = {
	"INSERT INTO t VALUES (?1, ?2, ?3, ?4)",
	"INSERT INTO strict VALUES (?1, ?2)",
	NULL,
};

struct bench {
	char folder[64], path[96];
	struct loop *loop;
	struct store *store;
	sqlite3 *other; /* another process, so to speak */
	int warned, recovered, lost, left_out, slow;
	char line[512];
};

static void see(void *arg, enum log_level level, const char *line)
{
	struct bench *b = arg;

	b->warned += level == LOG_WARN && strstr(line, "rows wait for the database");
	b->recovered += strstr(line, "takes rows again") != NULL;
	b->lost += strstr(line, "rows are lost") != NULL;
	b->left_out += strstr(line, "a row is left out") != NULL;
	str_copy(b->line, sizeof(b->line), str_of(line));
}

static void set_up(struct bench *b, bool virtual_time)
{
	*b = (struct bench){ .folder = "/tmp/test_store_XXXXXX" };
	assert_non_null(mkdtemp(b->folder));
	snprintf(b->path, sizeof(b->path), "%s/a/b/rows.db", b->folder);
	assert_int_equal(0, loop_new(&b->loop, virtual_time, 1));
	log_capture(see, b);
}

static int open_with(struct bench *b, const char *const *tables, uint32_t retry_ms, char why[160])
{
	const struct store_opts opts = {
		.path = b->path,
		.schema = tables,
		.statements = statements,
		.retry_ms = retry_ms,
	};

	return store_open(&b->store, b->loop, &opts, why);
}

static void open_store(struct bench *b, uint32_t retry_ms)
{
	char why[160];

	if (open_with(b, schema, retry_ms, why))
		fail_msg("%s", why);
}

static void remove_folder(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	char child[512];

	while (d && (e = readdir(d))) {
		snprintf(child, sizeof(child), "%s/%s", path, e->d_name);
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && unlink(child))
			remove_folder(child);
	}
	if (d)
		closedir(d);
	rmdir(path);
}

static void tear_down(struct bench *b)
{
	store_close(&b->store);
	CHECK(b->store == NULL);
	sqlite3_close(b->other);
	CHECK_INT(0, loop_timer_count(b->loop));
	loop_free(&b->loop);
	log_capture(NULL, NULL);
	remove_folder(b->folder);
}

/* What the other process does; its statements succeed. */
static void other(struct bench *b, const char *sql)
{
	if (!b->other)
		assert_int_equal(SQLITE_OK, sqlite3_open(b->path, &b->other));
	sqlite3_busy_timeout(b->other, 10000);
	assert_int_equal(SQLITE_OK, sqlite3_exec(b->other, sql, NULL, NULL, NULL));
}

static int64_t ask(struct bench *b, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int64_t answer;

	if (!b->other)
		assert_int_equal(SQLITE_OK, sqlite3_open(b->path, &b->other));
	assert_int_equal(SQLITE_OK, sqlite3_prepare_v2(b->other, sql, -1, &st, NULL));
	assert_int_equal(SQLITE_ROW, sqlite3_step(st));
	answer = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return answer;
}

static void write_rows(struct bench *b, int first, int count)
{
	char name[64];

	for (int i = first; i < first + count; i++) {
		const struct store_value row[] = {
			{ .type = STORE_INTEGER, .integer = i },
			{ .type = STORE_TEXT, .text = { name, (size_t)snprintf(name, sizeof(name), "row %d", i) } },
			{ .type = STORE_REAL, .real = i / 2.0 },
			{ .type = STORE_NULL },
		};

		CHECK_INT(0, store_write(b->store, INSERT, row, ARRAY_LEN(row)));
		name[0] = '\0'; /* it was copied */
	}
}

/* Rows from 0 are there in order, each whole. */
static void check_rows(struct bench *b, int64_t count)
{
	CHECK_INT(count, ask(b, "SELECT count(*) FROM t"));
	CHECK_INT(count, ask(b, "SELECT count(*) FROM t WHERE id = rowid - 1 AND name = 'row ' || id AND "
				"weight = id / 2.0 AND spare IS NULL"));
}

static void turn_until_written(struct bench *b)
{
	while (store_backlog(b->store))
		loop_turn(b->loop);
}

static bool is_as_written(void *arg, const struct store_value *v, size_t n)
{
	int *rows = arg;

	CHECK_INT(4, n);
	CHECK_INT(STORE_INTEGER, v[0].type);
	CHECK_INT(*rows, v[0].integer);
	CHECK_INT(STORE_TEXT, v[1].type);
	CHECK(str_starts(v[1].text, "row "));
	CHECK_INT(STORE_REAL, v[2].type);
	CHECK(v[2].real == *rows / 2.0);
	CHECK_INT(STORE_NULL, v[3].type);
	return ++*rows < 700;
}

static void rows_are_written_in_order_and_read_again(void **state)
{
	for (int virtual_time = 0; virtual_time < 2; virtual_time++) {
		struct stat file;
		struct bench b;
		int rows = 0;

		set_up(&b, virtual_time);
		open_store(&b, 0);
		CHECK_INT(0, stat(b.path, &file));
		CHECK_INT(0, file.st_mode & 07);
		write_rows(&b, 0, 1201);
		CHECK_INT(1201, store_backlog(b.store));
		turn_until_written(&b);
		check_rows(&b, 1201);
		write_rows(&b, 1201, 3); /* closing writes them */
		store_close(&b.store);
		check_rows(&b, 1204);
		open_store(&b, 0);
		CHECK_INT(0, store_read(b.store, "SELECT * FROM t ORDER BY id", is_as_written, &rows));
		CHECK_INT(700, rows);
		CHECK_INT(EIO, store_read(b.store, "SELECT * FROM nowhere", is_as_written, &rows));
		CHECK_INT(0, b.warned + b.lost + b.left_out);
		tear_down(&b);
	}
}

static void any_bytes_are_kept(void **state)
{
	const struct store_value row[] = {
		{ .type = STORE_INTEGER, .integer = INT64_MIN },
		{ .type = STORE_TEXT, .text = STR("'; DROP TABLE t; --\0\xff\n") },
		{ .type = STORE_TEXT, .text = STR("") },
		{ .type = STORE_TEXT }, /* absent */
	};
	struct bench b;

	set_up(&b, true);
	open_store(&b, 0);
	CHECK_INT(0, store_write(b.store, INSERT, row, ARRAY_LEN(row)));
	loop_run_until(b.loop, UINT64_MAX);
	CHECK_INT(0, store_backlog(b.store));
	CHECK_INT(1, ask(&b, "SELECT count(*) FROM t WHERE id = -9223372036854775808 AND spare IS NULL AND "
			     "hex(name) = hex('''; DROP TABLE t; --') || '00FF0A' AND weight = ''"));
	tear_down(&b);
}

/* One line a minute while it lasts, one when it is over. */
static void a_locked_database_delays_rows_and_loses_none(void **state)
{
	struct bench b;

	set_up(&b, true);
	open_store(&b, 25000);
	other(&b, "BEGIN EXCLUSIVE");
	write_rows(&b, 0, 600);
	loop_run_until(b.loop, loop_now_ms(b.loop) + 90000);
	CHECK_INT(600, store_backlog(b.store));
	CHECK(store_taken(b.store) == store_committed(b.store) + 600);
	CHECK_INT(2, b.warned);
	CHECK(strstr(b.line, "warn 600 rows wait for the database: database is locked: /tmp/") != NULL);
	write_rows(&b, 600, 1);
	other(&b, "COMMIT");
	loop_run_until(b.loop, UINT64_MAX);
	CHECK_INT(0, store_backlog(b.store));
	CHECK(store_committed(b.store) == 601 && store_taken(b.store) == 601);
	CHECK_INT(1, b.recovered);
	check_rows(&b, 601);

	/* It comes again within the minute: not told again. */
	other(&b, "BEGIN EXCLUSIVE");
	write_rows(&b, 601, 1);
	loop_run_until(b.loop, loop_now_ms(b.loop) + 21000);
	CHECK_INT(1, store_backlog(b.store));
	other(&b, "COMMIT");
	loop_run_until(b.loop, UINT64_MAX);
	CHECK_INT(2, b.warned);
	CHECK_INT(1, b.recovered);
	check_rows(&b, 602);
	tear_down(&b);
}

static void a_full_disk_delays_rows_and_loses_none(void **state)
{
	static const char *const small[] = {
		"CREATE TABLE IF NOT EXISTS t (id INTEGER, name TEXT, weight REAL, spare TEXT)",
		"CREATE TABLE IF NOT EXISTS strict (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL)",
		"CREATE TABLE IF NOT EXISTS ballast (bytes)",
		"INSERT INTO ballast SELECT randomblob(400000)",
		"PRAGMA max_page_count=110",
		NULL,
	};
	struct bench b;
	char why[160];
	size_t waiting;

	set_up(&b, true);
	assert_int_equal(0, open_with(&b, small, 0, why));
	write_rows(&b, 0, 5000);
	loop_run_until(b.loop, loop_now_ms(b.loop) + 5000);
	waiting = store_backlog(b.store);
	CHECK(waiting > 0 && waiting < 5000 && waiting % 500 == 0);
	CHECK_INT(5000 - (int64_t)waiting, ask(&b, "SELECT count(*) FROM t"));
	CHECK_INT(1, b.warned);
	CHECK(strstr(b.line, "database or disk is full") != NULL);
	write_rows(&b, 5000, 10);
	other(&b, "DELETE FROM ballast"); /* its pages can be used again */
	loop_run_until(b.loop, UINT64_MAX);
	CHECK_INT(0, store_backlog(b.store));
	check_rows(&b, 5010);
	tear_down(&b);
}

static void note_slow(void *arg, uint64_t took_us)
{
	struct bench *b = arg;

	b->slow++;
}

/* The writer waits for the lock, the loop does not: no handler takes as long as one wait of the writer. */
static void a_lock_does_not_hold_the_loop(void **state)
{
	struct bench b;
	int turns = 0;

	set_up(&b, false);
	open_store(&b, 50);
	loop_watch_slow(b.loop, 200000, note_slow, &b);
	other(&b, "BEGIN EXCLUSIVE");
	while (!b.warned) {
		write_rows(&b, turns++, 1);
		loop_turn(b.loop);
	}
	other(&b, "COMMIT");
	turn_until_written(&b);
	check_rows(&b, turns);
	CHECK_INT(0, b.slow);
	tear_down(&b);
}

static void closing_gives_up_and_says_what_is_lost(void **state)
{
	for (int virtual_time = 0; virtual_time < 2; virtual_time++) {
		struct bench b;

		set_up(&b, virtual_time);
		open_store(&b, 1);
		other(&b, "BEGIN EXCLUSIVE");
		write_rows(&b, 0, 3);
		store_close(&b.store);
		CHECK_INT(1, b.lost);
		CHECK(strstr(b.line, "error 3 rows are lost: database is locked: /tmp/") != NULL);
		other(&b, "COMMIT");
		check_rows(&b, 0);
		tear_down(&b);
	}
}

static void a_bad_row_does_not_hold_up_the_others(void **state)
{
	static const int64_t ids[] = { 1, 2, 2, 3 };
	struct bench b;

	set_up(&b, true);
	open_store(&b, 0);
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		const struct store_value row[] = {
			{ .type = STORE_INTEGER, .integer = ids[i] },
			{ .type = STORE_TEXT, .text = STR("x") },
		};

		CHECK_INT(0, store_write(b.store, INSERT_STRICT, row, ARRAY_LEN(row)));
	}
	loop_run_until(b.loop, UINT64_MAX);
	CHECK_INT(0, store_backlog(b.store));
	CHECK_INT(1, b.left_out);
	CHECK_INT(3, ask(&b, "SELECT count(*) FROM strict"));
	tear_down(&b);
}

static void a_moved_file_is_followed_by_a_new_one(void **state)
{
	char moved[128];
	struct bench b;

	set_up(&b, true);
	open_store(&b, 0);
	write_rows(&b, 0, 10);
	loop_run_until(b.loop, UINT64_MAX);
	snprintf(moved, sizeof(moved), "%s.old", b.path);
	CHECK_INT(0, rename(b.path, moved));
	write_rows(&b, 0, 4);
	loop_run_until(b.loop, UINT64_MAX);
	check_rows(&b, 4);
	sqlite3_close(b.other);
	b.other = NULL;
	str_copy(b.path, sizeof(b.path), str_of(moved));
	check_rows(&b, 10);
	tear_down(&b);
}

static void spoil(const char *path, long at, const char *bytes, size_t n)
{
	FILE *f = fopen(path, "r+");

	assert_non_null(f);
	assert_int_equal(0, fseek(f, at, SEEK_SET));
	assert_int_equal(n, fwrite(bytes, 1, n, f));
	fclose(f);
}

static void a_file_that_is_no_sound_database_is_refused(void **state)
{
	static const char *const wrong_table[] = { "CREATE TABLE t (id)", NULL };
	static const struct {
		const char *what;
		long at;          /* write garbage there, -1 = not */
		bool folder_file; /* the folder is a file */
		const char *const *tables;
		const char *why; /* how it begins */
	} rows[] = {
		{ "sound", -1, false, schema, NULL },
		{ "head", 0, false, schema, "file is not a database: /tmp/" },
		{ "first page", 100, false, schema, "database disk image is malformed: /tmp/" },
		{ "page of rows", 3 * 4096, false, schema, "the database is damaged: /tmp/" },
		{ "no folder", -1, true, schema, "Not a directory: /tmp/" },
		{ "table of another shape", -1, false, wrong_table, "table t already exists: /tmp/" },
	};
	char garbage[512], why[160];

	memset(garbage, 0xa5, sizeof(garbage));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bench b;
		int err, want = rows[i].folder_file ? ENOTDIR : EIO;

		set_up(&b, true);
		open_store(&b, 0);
		write_rows(&b, 0, 2000);
		store_close(&b.store);
		if (rows[i].at >= 0)
			spoil(b.path, rows[i].at, garbage, sizeof(garbage));
		if (rows[i].folder_file)
			snprintf(b.path + strlen(b.path), 8, "/x.db");
		err = open_with(&b, rows[i].tables, 0, why);
		CHECK_INT(rows[i].why ? want : 0, err);
		if (rows[i].why && strncmp(why, rows[i].why, strlen(rows[i].why)))
			CHECK_STR(rows[i].why, why);
		CHECK(rows[i].why == NULL || b.store == NULL);
		tear_down(&b);
	}
}

/* The child writes until it is killed; it tells when its first thousand rows are committed. */
static void write_for_ever(struct bench *b, int ready)
{
	int n = 1000;

	if (loop_new(&b->loop, false, 0))
		_exit(1);
	open_store(b, 0);
	write_rows(b, 0, n);
	turn_until_written(b);
	if (write(ready, "x", 1) != 1)
		_exit(1);
	for (;;) {
		write_rows(b, n, 200);
		n += 200;
		loop_turn(b->loop);
	}
}

static void what_is_committed_survives_a_kill(void **state)
{
	for (int i = 0; i < 5; i++) {
		struct bench b;
		int ready[2], status;
		int64_t rows;
		pid_t child;
		char byte;

		set_up(&b, true);
		assert_int_equal(0, pipe(ready));
		child = fork();
		if (!child)
			write_for_ever(&b, ready[1]);
		close(ready[1]);
		CHECK_INT(1, read(ready[0], &byte, 1));
		/* It goes on; the more it has done, the more there is to break. */
		while (ask(&b, "SELECT count(*) FROM t") < 1500 + i * 700)
			;
		CHECK_INT(0, kill(child, SIGKILL));
		CHECK_INT(child, waitpid(child, &status, 0));
		close(ready[0]);
		sqlite3_close(b.other);
		b.other = NULL;
		open_store(&b, 0);
		rows = ask(&b, "SELECT count(*) FROM t");
		CHECK(rows >= 1500 + i * 700);
		check_rows(&b, rows);
		tear_down(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rows_are_written_in_order_and_read_again),
		TEST(any_bytes_are_kept),
		TEST(a_locked_database_delays_rows_and_loses_none),
		TEST(a_full_disk_delays_rows_and_loses_none),
		TEST(a_lock_does_not_hold_the_loop),
		TEST(closing_gives_up_and_says_what_is_lost),
		TEST(a_bad_row_does_not_hold_up_the_others),
		TEST(a_moved_file_is_followed_by_a_new_one),
		TEST(a_file_that_is_no_sound_database_is_refused),
		TEST(what_is_committed_survives_a_kill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

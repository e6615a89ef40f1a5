#include "base/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "base/loop.h"

enum {
	BATCH_ROWS = 500,
	TURN_MS = 100,        /* rows of so long share a transaction */
	RETRY_MS = 1000,      /* unless the owner says otherwise     */
	TELL_MS = 60000,      /* between two lines about one fault   */
	CLOSE_TRIES = 5,      /* with RETRY_MS between them: 5 s     */
	OPEN_BUSY_MS = 5000,  /* another process holds the lock      */
	WRITE_BUSY_MS = 250,  /* the same; the next try comes anyway */
	CHECKED_PAGES = 16384 /* of 4 KiB                            */
};

enum { WHY_BYTES = 160 };

struct row {
	struct list node;
	unsigned statement;
	size_t count;
	struct store_value values[]; /* their texts stand behind them */
};

struct store {
	struct loop *loop;
	char *path;
	const char *const *schema;
	const char *const *sql;
	uint32_t retry_ms;
	bool threaded;
	struct loop_timer timer; /* loop: runs while rows wait */
	bool told;               /* loop: the fault of now is in the log */
	uint64_t told_ms;        /* loop: when a fault was told last, 0 = never */
	uint64_t taken;          /* loop: rows since the opening */
	atomic_size_t backlog;   /* rows not yet committed */

	pthread_t writer;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct list waiting;   /* lock, as all up to fault: of struct row */
	bool go, closing;      /* a turn is due; the thread is to end     */
	char fault[WHY_BYTES]; /* why the last turn did not write all, "" = it did */

	sqlite3 *db;               /* writer, as all below; NULL = to be opened again */
	sqlite3_stmt **statements; /* as many as sql */
	struct list batch;         /* of struct row: taken out of waiting, in order */
	char problem[WHY_BYTES];
};

/* --- opening --- */

static void shut(struct store *s)
{
	for (size_t i = 0; s->statements && s->sql[i]; i++) {
		sqlite3_finalize(s->statements[i]);
		s->statements[i] = NULL;
	}
	sqlite3_close(s->db);
	s->db = NULL;
}

/* The reason first: paths may be long. */
static void explain(const struct store *s, const char *reason, char why[WHY_BYTES])
{
	snprintf(why, WHY_BYTES, "%s: %s", reason, s->path);
}

/* The file and all folders above it. Rows name people, so others may not look; SQLite alone would let them. */
static int make_file(const char *path)
{
	char *copy = str_heap(str_of(path));
	int err = copy ? 0 : ENOMEM, fd;

	for (char *p = copy; !err && (p = strchr(p + 1, '/'));) {
		*p = '\0';
		if (mkdir(copy, 0750) && errno != EEXIST)
			err = errno;
		*p = '/';
	}
	free(copy);
	if (err)
		return err;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int run(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int take_text(void *arg, int columns, char **values, char **names)
{
	str_copy(arg, WHY_BYTES, str_of(columns && values[0] ? values[0] : ""));
	return 0;
}

/* A file that is no database fails with the first statement. One with bad pages would fail in the middle of work,
 * so small files are read to their end; for large ones the start would take too long. */
static int check(struct store *s, char why[WHY_BYTES])
{
	char answer[WHY_BYTES] = "";
	uint32_t pages = 0;
	int rc = sqlite3_exec(s->db, "PRAGMA page_count", take_text, answer, NULL);

	if (rc != SQLITE_OK || str_u32(str_of(answer), &pages) || pages > CHECKED_PAGES)
		return rc;
	rc = sqlite3_exec(s->db, "PRAGMA quick_check(1)", take_text, answer, NULL);
	if (rc == SQLITE_OK && strcmp(answer, "ok")) {
		explain(s, "the database is damaged", why);
		rc = SQLITE_CORRUPT;
	}
	return rc;
}

/* SQLite has no "if not exists" for columns, and no code of its own for one that does. */
static int run_schema(sqlite3 *db, const char *sql)
{
	int rc = run(db, sql);

	if (rc == SQLITE_ERROR && str_starts(str_of(sqlite3_errmsg(db)), "duplicate column name:"))
		return SQLITE_OK;
	return rc;
}

/* 0 or a code of SQLite. why is filled in when SQLite's own words would not do. */
static int set_up(struct store *s, char why[WHY_BYTES])
{
	int rc = sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
				 NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_busy_timeout(s->db, OPEN_BUSY_MS);
	if (rc == SQLITE_OK)
		rc = run(s->db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL");
	if (rc == SQLITE_OK)
		rc = check(s, why);
	for (size_t i = 0; rc == SQLITE_OK && s->schema[i]; i++)
		rc = run_schema(s->db, s->schema[i]);
	for (size_t i = 0; rc == SQLITE_OK && s->sql[i]; i++)
		rc = sqlite3_prepare_v3(s->db, s->sql[i], -1, SQLITE_PREPARE_PERSISTENT, &s->statements[i], NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_busy_timeout(s->db, WRITE_BUSY_MS);
	return rc;
}

static int open_db(struct store *s, char why[WHY_BYTES])
{
	int err = make_file(s->path), rc;

	if (err) {
		explain(s, strerror(err), why);
		return err;
	}
	*why = '\0';
	rc = set_up(s, why);
	if (rc == SQLITE_OK)
		return 0;
	if (!*why)
		explain(s, s->db ? sqlite3_errmsg(s->db) : "out of memory", why);
	shut(s);
	return rc == SQLITE_NOMEM ? ENOMEM : EIO;
}

/* --- the writer --- */

static int bind(sqlite3_stmt *st, int at, const struct store_value *v)
{
	switch (v->type) {
	case STORE_NULL:
		return sqlite3_bind_null(st, at);
	case STORE_INTEGER:
		return sqlite3_bind_int64(st, at, v->integer);
	case STORE_REAL:
		return sqlite3_bind_double(st, at, v->real);
	case STORE_TEXT:
		return sqlite3_bind_text64(st, at, v->text.p, v->text.n, SQLITE_STATIC, SQLITE_UTF8);
	}
	return SQLITE_MISUSE;
}

/* The row's own fault: no later try could do better. */
static bool is_bad_row(int rc)
{
	return rc == SQLITE_CONSTRAINT || rc == SQLITE_MISMATCH || rc == SQLITE_TOOBIG || rc == SQLITE_RANGE;
}

static int put_row(struct store *s, const struct row *r)
{
	sqlite3_stmt *st = s->statements[r->statement];
	int rc = SQLITE_OK;

	for (size_t i = 0; rc == SQLITE_OK && i < r->count; i++)
		rc = bind(st, (int)i + 1, &r->values[i]);
	while (rc == SQLITE_OK || rc == SQLITE_ROW)
		rc = sqlite3_step(st);
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	if (is_bad_row(rc)) {
		log_printf(LOG_ERROR, NULL, "a row is left out: %s: %s", sqlite3_errstr(rc), s->sql[r->statement]);
		return SQLITE_OK;
	}
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* The first rows of the batch, all or none. *written: how many. */
static int transact(struct store *s, size_t *written)
{
	int rc = run(s->db, "BEGIN IMMEDIATE");
	size_t n = 0;

	for (struct list *at = s->batch.next; rc == SQLITE_OK && at != &s->batch && n < BATCH_ROWS; at = at->next, n++)
		rc = put_row(s, LIST_ITEM(at, struct row, node));
	if (rc == SQLITE_OK)
		rc = run(s->db, "COMMIT");
	if (rc == SQLITE_OK) {
		*written = n;
		return 0;
	}
	explain(s, sqlite3_errmsg(s->db), s->problem);
	if (!sqlite3_get_autocommit(s->db))
		run(s->db, "ROLLBACK");
	return rc;
}

/* Somebody moved the file or removed it: what we would write goes where nobody looks. Begin a new one. */
static int be_open(struct store *s)
{
	int moved = 0;

	if (s->db && sqlite3_file_control(s->db, NULL, SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved) {
		log_printf(LOG_WARN, NULL, "%s was moved or removed: a new database begins", s->path);
		/* Closing would leave the log of a moved file behind, unread. */
		run(s->db, "PRAGMA wal_checkpoint(TRUNCATE)");
		shut(s);
	}
	return s->db ? 0 : open_db(s, s->problem);
}

static void drop(struct store *s, size_t n)
{
	atomic_fetch_sub(&s->backlog, n);
	while (n--) {
		struct row *r = LIST_ITEM(s->batch.next, struct row, node);

		list_remove(&r->node);
		free(r);
	}
}

/* Write the batch. Returns the rows written; *s->problem says why some are left. */
static size_t write_batch(struct store *s)
{
	size_t written, total = 0;

	*s->problem = '\0';
	while (!list_empty(&s->batch) && !be_open(s) && !transact(s, &written)) {
		drop(s, written);
		total += written;
	}
	return total;
}

static size_t turn(struct store *s)
{
	size_t written;

	pthread_mutex_lock(&s->lock);
	list_splice(&s->batch, &s->waiting);
	pthread_mutex_unlock(&s->lock);
	written = write_batch(s);
	pthread_mutex_lock(&s->lock);
	str_copy(s->fault, sizeof(s->fault), str_of(s->problem));
	pthread_mutex_unlock(&s->lock);
	return written;
}

static void *serve(void *arg)
{
	struct store *s = arg;

	pthread_mutex_lock(&s->lock);
	while (!s->closing) {
		if (!s->go) {
			pthread_cond_wait(&s->changed, &s->lock);
			continue;
		}
		s->go = false;
		pthread_mutex_unlock(&s->lock);
		turn(s);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static int start_thread(struct store *s)
{
	sigset_t all, old;
	int err;

	/* Signals belong to the main thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&s->writer, NULL, serve, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!err)
		pthread_setname_np(s->writer, "writer");
	s->threaded = !err;
	return err;
}

/* --- the loop's side --- */

static void tell(struct store *s, const char *fault, size_t rows)
{
	uint64_t now_ms = loop_now_ms(s->loop);

	if (*fault && (!s->told_ms || now_ms - s->told_ms >= TELL_MS)) {
		log_printf(LOG_WARN, NULL, "%zu rows wait for the database: %s", rows, fault);
		s->told = true;
		s->told_ms = now_ms;
	} else if (!*fault && s->told) {
		log_printf(LOG_INFO, NULL, "the database takes rows again: %s", s->path);
		s->told = false;
	}
}

static void tick(void *arg)
{
	struct store *s = arg;
	char fault[WHY_BYTES];
	size_t rows;

	if (!s->threaded)
		turn(s);
	rows = store_backlog(s);
	pthread_mutex_lock(&s->lock);
	str_copy(fault, sizeof(fault), str_of(s->fault));
	s->go = rows && s->threaded;
	if (s->go)
		pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
	tell(s, fault, rows);
	if (rows)
		loop_timer_start(s->loop, &s->timer, *fault ? s->retry_ms : TURN_MS, tick, s);
}

void store_flush(struct store *s)
{
	bool failing;

	pthread_mutex_lock(&s->lock);
	failing = *s->fault;
	pthread_mutex_unlock(&s->lock);
	/* A disk that fails keeps its pause. */
	if (!failing)
		tick(s);
}

static int count_statements(const char *const *sql)
{
	int n = 0;

	while (sql[n])
		n++;
	return n;
}

int store_open(struct store **out, struct loop *l, const struct store_opts *opts, char why[160])
{
	struct store *s = calloc(1, sizeof(*s));
	int err = ENOMEM;

	str_copy(why, WHY_BYTES, STR("out of memory"));
	if (!s)
		return ENOMEM;
	s->loop = l;
	s->schema = opts->schema;
	s->sql = opts->statements;
	s->retry_ms = opts->retry_ms ? opts->retry_ms : RETRY_MS;
	list_init(&s->waiting);
	list_init(&s->batch);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	s->path = str_heap(str_of(opts->path));
	s->statements = calloc((size_t)count_statements(opts->statements) + 1, sizeof(s->statements[0]));
	if (s->path && s->statements)
		err = open_db(s, why);
	if (!err && !loop_is_virtual(l))
		err = start_thread(s);
	if (err)
		store_close(&s);
	else
		*out = s;
	return err;
}

static void get_value(sqlite3_stmt *st, int at, struct store_value *out)
{
	*out = (struct store_value){ .type = STORE_NULL };
	switch (sqlite3_column_type(st, at)) {
	case SQLITE_INTEGER:
		out->type = STORE_INTEGER;
		out->integer = sqlite3_column_int64(st, at);
		break;
	case SQLITE_FLOAT:
		out->type = STORE_REAL;
		out->real = sqlite3_column_double(st, at);
		break;
	case SQLITE_TEXT:
	case SQLITE_BLOB:
		out->type = STORE_TEXT;
		out->text.p = (const char *)sqlite3_column_text(st, at);
		out->text.n = (size_t)sqlite3_column_bytes(st, at);
		break;
	}
}

int store_read(struct store *s, const char *sql, bool (*row)(void *arg, const struct store_value *v, size_t n),
	       void *arg)
{
	struct store_value values[32];
	sqlite3_stmt *st = NULL;
	int columns, rc;

	/* So the writer sleeps, and its database may be used here. */
	assert(!store_backlog(s));
	rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);
	columns = st ? sqlite3_column_count(st) : 0;
	assert(columns <= (int)ARRAY_LEN(values));
	while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		for (int i = 0; i < columns; i++)
			get_value(st, i, &values[i]);
		rc = row(arg, values, (size_t)columns) ? SQLITE_OK : SQLITE_DONE;
	}
	if (rc != SQLITE_DONE)
		log_printf(LOG_ERROR, NULL, "%s: %s", sqlite3_errmsg(s->db), s->path);
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? 0 : EIO;
}

int store_write(struct store *s, unsigned statement, const struct store_value *values, size_t count)
{
	size_t bytes = sizeof(struct row) + count * sizeof(values[0]);
	struct row *r;
	char *text;

	for (size_t i = 0; i < count; i++)
		bytes += values[i].type == STORE_TEXT ? values[i].text.n : 0;
	r = malloc(bytes);
	if (!r)
		return ENOMEM;
	r->statement = statement;
	r->count = count;
	text = (char *)&r->values[count];
	for (size_t i = 0; i < count; i++) {
		r->values[i] = values[i];
		if (values[i].type != STORE_TEXT || !values[i].text.p)
			continue;
		memcpy(text, values[i].text.p, values[i].text.n);
		r->values[i].text.p = text;
		text += values[i].text.n;
	}
	s->taken++;
	atomic_fetch_add(&s->backlog, 1);
	pthread_mutex_lock(&s->lock);
	list_append(&s->waiting, &r->node);
	pthread_mutex_unlock(&s->lock);
	if (!s->timer.active)
		loop_timer_start(s->loop, &s->timer, TURN_MS, tick, s);
	return 0;
}

size_t store_backlog(const struct store *s)
{
	return atomic_load_explicit(&s->backlog, memory_order_relaxed);
}

uint64_t store_taken(const struct store *s)
{
	return s->taken;
}

uint64_t store_committed(const struct store *s)
{
	return s->taken - store_backlog(s);
}

/* --- closing --- */

static void end_thread(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	s->closing = true;
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->writer, NULL);
}

/* The server goes: now its thread may wait for the disk. */
static void write_rest(struct store *s)
{
	for (int tries = 0; store_backlog(s) && tries < CLOSE_TRIES; tries++) {
		if (tries)
			sqlite3_sleep((int)s->retry_ms);
		if (turn(s))
			tries = 0;
	}
	if (store_backlog(s))
		log_printf(LOG_ERROR, NULL, "%zu rows are lost: %s", store_backlog(s), s->problem);
	drop(s, store_backlog(s));
}

void store_close(struct store **store)
{
	struct store *s = *store;

	if (!s)
		return;
	*store = NULL;
	loop_timer_stop(s->loop, &s->timer);
	if (s->threaded)
		end_thread(s);
	write_rest(s);
	shut(s);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s->statements);
	free(s->path);
	free(s);
}

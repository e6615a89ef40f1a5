/* Deliveries on virtual time: a client that answers as the test says. */
#include "check.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/hooks.h"
#include "api/journal.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/store.h"

enum { MAX_SENT = 4096, MAX_CALLS = 64 };

struct sent { /* one attempt that was made */
	uint64_t id, at_ms;
	uint32_t total_ms;
	char call[40], event[40], sequence[12], sha1[41], sha256[65], url[800], type[32];
	bool get;
	char body[600];
	struct loop_timer answer;
	void (*done)(void *arg, const struct http_answer *a);
	void *arg;
	struct world *world;
	bool open;
};

struct world {
	struct loop *loop;
	struct store *store;
	struct journal *journal;
	struct hooks *hooks;
	char path[64];
	struct sent sent[MAX_SENT];
	size_t count, open, most_open;
	unsigned full; /* so many sends are refused */
	/* What the receivers do: per attempt of an event, the last goes on for ever. 0 = hang until the limit. */
	const int *script;
	size_t script_length;
	uint32_t answer_ms;
	enum http_error error; /* of status 1 */
	bool flushed;
	uint32_t sequence[MAX_CALLS];
};

static struct world *w;

/* --- the client --- */

static size_t attempt_of(const struct sent *s)
{
	size_t n = 0;

	for (const struct sent *old = w->sent; old < s; old++)
		n += !strcmp(old->event, s->event);
	return n;
}

static void answer(void *arg)
{
	struct sent *s = arg;
	size_t n = attempt_of(s);
	int status = w->script[n < w->script_length ? n : w->script_length - 1];
	struct http_answer a = { .error = HTTP_OK, .why = "", .status = status, .sent_us = s->at_ms * 1000 };

	if (status < 100) {
		a.error = status ? w->error : HTTP_TIMEOUT;
		a.why = "no answer came";
		a.status = 0;
	}
	s->open = false;
	w->open--;
	s->done(s->arg, &a);
}

static const struct http_header *header(const struct http_request *r, const char *name)
{
	for (size_t i = 0; i < r->header_count; i++)
		if (!strcmp(r->headers[i].name, name))
			return &r->headers[i];
	return NULL;
}

static void copy_header(char *out, size_t size, const struct http_request *r, const char *name)
{
	const struct http_header *h = header(r, name);

	str_copy(out, size, h ? h->value : STR(""));
}

static int fake_send(void *http, const struct http_request *r, void (*done)(void *arg, const struct http_answer *a),
		     void *arg, uint64_t *id)
{
	struct sent *s = &w->sent[w->count];
	const char *call = r->body.n ? strstr(r->body.p, "\"call_id\":\"") : NULL;
	size_t n;
	int status;

	if (w->full) {
		w->full--;
		return EAGAIN;
	}
	assert_true(w->count < MAX_SENT);
	w->count++;
	s->id = *id = w->count;
	s->at_ms = loop_now_ms(w->loop);
	s->total_ms = r->total_ms;
	s->done = done;
	s->arg = arg;
	s->open = true;
	if (++w->open > w->most_open)
		w->most_open = w->open;
	s->get = !call;
	CHECK_STR(s->get ? "GET" : "POST", r->method);
	CHECK(r->read_ms == 5000 && r->connect_ms == 2000);
	str_copy(s->url, sizeof(s->url), str_of(r->url));
	str_copy(s->body, sizeof(s->body), r->body);
	if (call)
		str_copy(s->call, sizeof(s->call), (struct str){ call + 11, strcspn(call + 11, "\"") });
	copy_header(s->event, sizeof(s->event), r, "Idempotency-Key");
	copy_header(s->sequence, sizeof(s->sequence), r, "X-Crosspoint-Sequence");
	copy_header(s->sha1, sizeof(s->sha1), r, "X-Signalwire-Signature");
	copy_header(s->sha256, sizeof(s->sha256), r, "X-Signalwire-SHA256-Signature");
	copy_header(s->type, sizeof(s->type), r, "Content-Type");
	n = attempt_of(s);
	status = w->script[n < w->script_length ? n : w->script_length - 1];
	loop_timer_start(w->loop, &s->answer,
			 status                     ? w->answer_ms
			 : r->read_ms < r->total_ms ? r->read_ms
						    : r->total_ms,
			 answer, s);
	return 0;
}

static void fake_cancel(void *http, uint64_t id)
{
	struct sent *s = &w->sent[id - 1];

	CHECK(s->open);
	s->open = false;
	w->open--;
	loop_timer_stop(w->loop, &s->answer);
}

/* --- the world --- */

static void open_hooks(uint32_t per_host, uint32_t queue_max)
{
	const struct hooks_opts opts = {
		.loop = w->loop,
		.door = { fake_send, fake_cancel, w },
		.spool = { .store = w->store, .journal = w->journal },
		.identity = { "project", "space", "node" },
		.signing_key = "PSK-demo",
		.per_host = per_host,
		.queue_max = queue_max,
	};

	CHECK_INT(0, hooks_new(&w->hooks, &opts));
}

static void open_store(void)
{
	const struct store_opts opts = { .path = w->path, .schema = spool_schema, .statements = spool_statements };
	char why[160];

	assert_int_equal(store_open(&w->store, w->loop, &opts, why), 0);
}

static void open_world(bool on_disk, const int *script, size_t script_length)
{
	w = calloc(1, sizeof(*w));
	assert_non_null(w);
	w->script = script;
	w->script_length = script_length;
	w->answer_ms = 1;
	assert_int_equal(loop_new(&w->loop, true, 1), 0);
	if (on_disk) {
		snprintf(w->path, sizeof(w->path), "/tmp/test_hooks_%d.db", (int)getpid());
		unlink(w->path);
		open_store();
	}
}

static void close_hooks(void)
{
	hooks_free(&w->hooks);
	CHECK_INT(0, w->open);
	store_close(&w->store);
	journal_free(&w->journal);
}

static void close_world(void)
{
	char side[80];

	close_hooks();
	CHECK_INT(0, loop_timer_count(w->loop));
	loop_free(&w->loop);
	unlink(w->path);
	for (int i = 0; w->path[0] && i < 2; i++) {
		snprintf(side, sizeof(side), "%s%s", w->path, i ? "-wal" : "-shm");
		unlink(side);
	}
	free(w);
}

static void emit(unsigned call, enum event_type type, const char *url)
{
	char id[40];
	const struct event ev = {
		.type = type, .call_id = id, .sequence = w->sequence[call]++, .wall_ms = 1000, .hook = url
	};

	snprintf(id, sizeof(id), "call-%u", call);
	hooks_on_event(w->hooks, &ev);
}

static void run_ms(uint64_t ms)
{
	loop_run_until(w->loop, loop_now_ms(w->loop) + ms);
}

static struct hooks_counts counts(void)
{
	struct hooks_counts c;

	hooks_count(w->hooks, &c);
	return c;
}

static bool count_row(void *arg, const struct store_value *v, size_t n)
{
	*(int64_t *)arg = v[0].integer;
	return true;
}

/* Of a store that is closed. */
static int64_t rows_on_disk(void)
{
	int64_t rows = -1;

	open_store();
	CHECK_INT(0, store_read(w->store, "SELECT count(*) FROM hooks", count_row, &rows));
	store_close(&w->store);
	return rows;
}

static const int fine[] = { 200 };
static const int hang[] = { 0 };
static const int broken[] = { 500 };

#define WORLD(on_disk, script) open_world(on_disk, script, ARRAY_LEN(script))

/* --- the tests --- */

static void an_event_is_sent_once_and_signed(void **state)
{
	WORLD(false, fine);
	open_hooks(0, 0);
	emit(1, EVENT_ENDED, "http://u:p@h.test/x?y=1");
	CHECK_INT(1, w->count); /* at once, not in the next turn */
	run_ms(60000);
	CHECK_INT(1, w->count);
	CHECK_STR("application/json", w->sent[0].type);
	CHECK_STR("0", w->sent[0].sequence);
	CHECK_INT(36, strlen(w->sent[0].event));
	CHECK_STR("http://u:p@h.test/x?y=1", w->sent[0].url);
	CHECK_INT(40, strlen(w->sent[0].sha1));
	CHECK_INT(64, strlen(w->sent[0].sha256));
	CHECK_INT(1, counts().delivered);
	CHECK_INT(0, counts().waiting);
	close_world();
}

static void emit_get(unsigned call, const char *url)
{
	const struct event_field fields[] = {
		{ "operation", STR("calling.call.stream") },
		{ "state", STR("streaming") },
	};
	const struct event ev = {
		.type = EVENT_OPERATION,
		.call_id = "call-x",
		.sequence = w->sequence[call]++,
		.fields = fields,
		.field_count = ARRAY_LEN(fields),
		.wall_ms = 1000,
		.hook = url,
		.hook_get = true,
	};

	hooks_on_event(w->hooks, &ev);
}

/* All of it is in the URL: also what the next start finds on disk. */
static void by_get_the_payload_is_in_the_query(void **state)
{
	static const char want[] =
		"http://u:p@h.test/"
		"x?y=1&payload=%7B%22event_type%22%3A%22calling.call.stream%22%2C%22event_channel%22%3A%22"
		"swml%3Acall-x%22%2C%22timestamp%22%3A1.000%2C%22project_id%22%3A%22project%22%2C%22space_id%22%3A%"
		"22space"
		"%22%2C%22params%22%3A%7B%22call_id%22%3A%22call-x%22%2C%22node_id%22%3A%22node%22%2C%22state%22%3A%22"
		"streaming%22%7D%7D#rt=1000";

	WORLD(true, hang);
	open_hooks(0, 0);
	emit_get(1, "http://u:p@h.test/x?y=1#rt=1000");
	CHECK_INT(1, w->count);
	CHECK(w->sent[0].get);
	CHECK_STR(want, w->sent[0].url);
	CHECK_STR("", w->sent[0].body);
	CHECK_STR("", w->sent[0].type);
	CHECK_INT(64, strlen(w->sent[0].sha256));
	run_ms(100);
	close_hooks();
	CHECK_INT(1, rows_on_disk());
	w->count = 0;
	w->script = fine;
	open_store();
	open_hooks(0, 0);
	CHECK_INT(1, w->count);
	CHECK(w->sent[0].get);
	CHECK_STR(want, w->sent[0].url);
	emit_get(1, "http://h.test/");
	run_ms(1000);
	CHECK_INT(2, counts().delivered);
	CHECK(!strncmp(w->sent[1].url, "http://h.test/?payload=%7B%22", 29));
	close_world();
}

static void without_a_key_nothing_is_signed(void **state)
{
	const struct hook_identity identity = { "other", "space", "node" };

	WORLD(false, fine);
	open_hooks(0, 0);
	CHECK_INT(0, hooks_identify(w->hooks, &identity, NULL));
	emit(1, EVENT_ENDED, "http://h/");
	CHECK_STR("", w->sent[0].sha1);
	CHECK_STR("", w->sent[0].sha256);
	CHECK(strstr(w->sent[0].body, "\"project_id\":\"other\""));
	close_world();
}

static void what_has_no_url_goes_nowhere(void **state)
{
	WORLD(false, fine);
	open_hooks(0, 0);
	emit(1, EVENT_ENDED, NULL);
	emit(1, EVENT_WARNING, "http://h/");
	run_ms(10000);
	CHECK_INT(0, w->count);
	CHECK_INT(0, counts().accepted);
	close_world();
}

static void attempts_come_at_their_times(void **state)
{
	static const int once[] = { 500, 200 }, twice[] = { 503, 404, 204 }, redirected[] = { 302 };
	static const int hang_then[] = { 0, 200 }, refused[] = { 1 };
	static const struct {
		const int *script;
		size_t length;
		enum http_error error;
		size_t attempts;
		uint32_t at_ms[3];
		bool delivered;
		uint32_t over_ms; /* nothing is left by then */
	} rows[] = {
		{ fine, 1, HTTP_OK, 1, { 0 }, true, 1 },
		{ once, 2, HTTP_OK, 2, { 0, 1000 }, true, 1001 },
		{ twice, 3, HTTP_OK, 3, { 0, 1000, 4000 }, true, 4001 },
		{ broken, 1, HTTP_OK, 3, { 0, 1000, 4000 }, false, 4001 },
		{ redirected, 1, HTTP_OK, 3, { 0, 1000, 4000 }, false, 4001 },
		{ hang_then, 2, HTTP_OK, 2, { 0, 5000 }, true, 5001 },
		{ hang, 1, HTTP_OK, 3, { 0, 5000, 7500 }, false, 10000 },
		{ refused, 1, HTTP_CONNECT, 3, { 0, 1000, 4000 }, false, 4001 },
		{ refused, 1, HTTP_TOO_BIG, 3, { 0, 1000, 4000 }, false, 4001 },
		/* what no later attempt could change */
		{ refused, 1, HTTP_REFUSED_TARGET, 1, { 0 }, false, 1 },
		{ refused, 1, HTTP_BAD_URL, 1, { 0 }, false, 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t start_ms;

		open_world(false, rows[i].script, rows[i].length);
		w->error = rows[i].error;
		open_hooks(0, 0);
		start_ms = loop_now_ms(w->loop);
		emit(1, EVENT_ENDED, "http://h/");
		run_ms(rows[i].over_ms);
		CHECK_INT(rows[i].attempts, w->count);
		CHECK_INT(0, counts().waiting);
		for (size_t k = 0; k < w->count && k < 3; k++) {
			CHECK_INT(rows[i].at_ms[k], w->sent[k].at_ms - start_ms);
			CHECK_STR(w->sent[0].event, w->sent[k].event);
			CHECK_STR(w->sent[0].body, w->sent[k].body);
			CHECK(w->sent[k].at_ms - start_ms + w->sent[k].total_ms <= 10000);
		}
		CHECK_INT(rows[i].delivered, counts().delivered);
		CHECK_INT(!rows[i].delivered, counts().given_up);
		run_ms(60000);
		CHECK_INT(rows[i].attempts, w->count);
		close_world();
	}
}

/* From acceptance on, waiting behind another event and failed attempts included; what is given up has no delay. */
static void delays_of_what_is_delivered_are_counted(void **state)
{
	static const int once[] = { 500, 200 };
	struct hooks_counts c;

	WORLD(false, once);
	w->answer_ms = 20;
	open_hooks(0, 0);
	emit(1, EVENT_CREATED, "http://h/");
	emit(1, EVENT_ENDED, "http://h/");
	run_ms(60000);
	c = counts();
	CHECK_INT(2, c.delay.count);
	CHECK_INT(1020000 + 2040000, c.delay.sum_us);
	CHECK_INT(2, c.delay.steps[10]); /* over 1 s, up to 2.5 s */
	w->script = broken;
	w->script_length = 1;
	emit(2, EVENT_ENDED, "http://h/");
	run_ms(60000);
	CHECK_INT(1, counts().given_up);
	CHECK_INT(2, counts().delay.count);
	close_world();
}

/* A client that never says anything must not stop the call's other events. */
static void ten_seconds_are_the_end(void **state)
{
	WORLD(false, broken);
	w->answer_ms = 100000;
	open_hooks(0, 0);
	emit(1, EVENT_CREATED, "http://h/");
	emit(1, EVENT_ENDED, "http://h/");
	run_ms(9999);
	CHECK_INT(1, w->count);
	run_ms(1);
	CHECK_INT(1, counts().given_up);
	CHECK_INT(2, w->count);
	run_ms(10000);
	CHECK_INT(2, counts().given_up);
	CHECK_INT(0, counts().waiting);
	close_world();
}

static void events_of_a_call_keep_their_order(void **state)
{
	static const int sometimes[] = { 500, 200 };
	unsigned next[8] = { 0 };

	WORLD(false, sometimes);
	w->answer_ms = 20;
	open_hooks(4, 0);
	for (unsigned n = 0; n < 4; n++)
		for (unsigned call = 0; call < 8; call++)
			emit(call, n < 3 ? EVENT_CREATED : EVENT_ENDED, call % 2 ? "http://one/" : "http://two:81/");
	CHECK_INT(8, w->open); /* four a host, one a call */
	run_ms(60000);
	CHECK_INT(8, w->most_open);
	CHECK_INT(64, w->count);
	for (size_t i = 0; i < w->count; i++) {
		unsigned call = (unsigned)(w->sent[i].call[5] - '0'),
			 sequence = (unsigned)(w->sent[i].sequence[0] - '0');

		/* Twice each: 500, then 200. */
		CHECK_INT(next[call] / 2, sequence);
		next[call]++;
	}
	CHECK_INT(32, counts().delivered);
	close_world();
}

static void one_host_that_hangs_does_not_stop_another(void **state)
{
	WORLD(false, hang);
	open_hooks(1, 0);
	emit(1, EVENT_ENDED, "http://dead/");
	emit(2, EVENT_ENDED, "http://dead/");
	emit(3, EVENT_ENDED, "http://DEAD:80/other");
	emit(4, EVENT_ENDED, "http://alive/");
	CHECK_INT(w->count >= 2, 1);
	CHECK_STR("http://alive/", w->sent[w->count - 1].url);
	run_ms(100000);
	CHECK_INT(0, counts().waiting);
	CHECK_INT(4, counts().given_up);
	close_world();
}

static void a_full_queue_drops_the_oldest_that_are_not_final(void **state)
{
	unsigned finals = 0;

	WORLD(false, fine);
	w->answer_ms = 10;
	open_hooks(1, 10);
	for (unsigned call = 0; call < 20; call++) {
		emit(call, EVENT_CREATED, "http://h/");
		emit(call, EVENT_ENDED, "http://h/");
	}
	/* The first is on its way and stays; all other created went for the ended. */
	CHECK_INT(19, counts().dropped);
	CHECK_INT(21, counts().waiting);
	emit(30, EVENT_CREATED, "http://h/");
	CHECK_INT(20, counts().dropped);
	emit(31, EVENT_CREATED, "http://other/");
	CHECK_INT(20, counts().dropped);
	run_ms(60000);
	for (size_t i = 0; i < w->count; i++)
		finals += strstr(w->sent[i].body, "\"ended\"") != NULL;
	CHECK_INT(20, finals);
	CHECK_INT(22, w->count);
	CHECK_INT(0, counts().waiting);
	close_world();
}

static void a_dead_host_piles_up_five_minutes_at_most(void **state)
{
	WORLD(false, hang);
	open_hooks(1, 0);
	for (unsigned i = 0; i < 50; i++)
		emit(i, EVENT_ENDED, "http://dead/");
	run_ms(315000);
	CHECK_INT(0, counts().waiting);
	CHECK_INT(50, counts().given_up);
	CHECK(w->count < 3 * 50);
	close_world();
}

static void a_client_without_room_is_asked_again(void **state)
{
	WORLD(false, fine);
	open_hooks(0, 0);
	w->full = 3;
	emit(1, EVENT_ENDED, "http://h/");
	CHECK_INT(0, w->count);
	run_ms(1000);
	CHECK_INT(1, w->count);
	CHECK_INT(1, counts().delivered);
	CHECK_INT(0, counts().failed_attempts);
	close_world();
}

static void what_was_not_delivered_comes_with_the_next_start(void **state)
{
	char events[3][40];

	WORLD(true, hang);
	open_hooks(0, 0);
	emit(1, EVENT_CREATED, "http://h/");
	emit(1, EVENT_ENDED, "http://h/");
	emit(2, EVENT_ENDED, "http://u:p@h/");
	run_ms(100);
	CHECK_INT(2, w->count);
	close_hooks();
	CHECK_INT(3, rows_on_disk());

	for (int i = 0; i < 2; i++)
		memcpy(events[i], w->sent[i].event, sizeof(events[i]));
	w->count = 0;
	w->script = fine;
	w->answer_ms = 50;
	open_store();
	open_hooks(0, 0);
	CHECK_INT(2, w->count);
	/* A new event of an old call stands behind the old ones. */
	emit(1, EVENT_ENDED, "http://h/");
	run_ms(1000);
	CHECK_INT(4, w->count);
	CHECK_STR(events[0], w->sent[0].event);
	CHECK_STR(events[1], w->sent[1].event);
	CHECK_STR("0", w->sent[0].sequence);
	CHECK_STR("1", w->sent[2].sequence);
	CHECK_STR("2", w->sent[3].sequence);
	CHECK_STR("http://u:p@h/", w->sent[1].url);
	CHECK_INT(4, counts().delivered);
	close_hooks();
	CHECK_INT(0, rows_on_disk());
	close_world();
}

static void on_disk_do(const char *sql)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(w->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* As a kill leaves it: a row that was accepted and not yet written, and one that was delivered and not yet removed. */
static void what_only_the_journal_has_comes_with_the_next_start_too(void **state)
{
	static _Alignas(64) char ring[8192], left[8192];
	char sequence[12];
	struct spool_row row;
	uint64_t at = 0;
	bool done;

	WORLD(true, hang);
	memset(ring, 0, sizeof(ring));
	CHECK_INT(0, journal_over(&w->journal, ring, sizeof(ring)));
	open_hooks(0, 0);
	emit(1, EVENT_CREATED, "http://h/");
	emit(1, EVENT_ANSWERED, "http://h/");
	emit(1, EVENT_ENDED, "http://h/");
	emit(2, EVENT_ENDED, "http://h/");
	emit(3, EVENT_ENDED, "http://h/");
	memcpy(left, ring, sizeof(left));
	close_hooks();
	CHECK_INT(5, rows_on_disk());
	on_disk_do("DELETE FROM hooks WHERE number IN (2, 5)");

	CHECK_INT(0, journal_over(&w->journal, left, sizeof(left)));
	while (journal_next(w->journal, &at, &row, &done))
		if (row.number == 4)
			journal_done(w->journal, row.mark);
	w->count = 0;
	w->script = fine;
	open_store();
	open_hooks(0, 0);
	CHECK_INT(4, counts().waiting);
	emit(1, EVENT_ENDED, "http://h/");
	run_ms(1000);
	CHECK_INT(5, w->count);
	for (uint32_t i = 0, n = 0; i < w->count; i++) {
		CHECK(strcmp(w->sent[i].call, "call-2"));
		if (strcmp(w->sent[i].call, "call-1"))
			continue;
		snprintf(sequence, sizeof(sequence), "%u", n++);
		CHECK_STR(sequence, w->sent[i].sequence);
	}
	close_hooks();
	CHECK_INT(0, rows_on_disk());

	/* All was done: a third start has nothing to send. */
	CHECK_INT(0, journal_over(&w->journal, left, sizeof(left)));
	open_store();
	open_hooks(0, 0);
	CHECK_INT(0, counts().waiting);
	close_world();
}

static void a_full_journal_is_counted(void **state)
{
	static _Alignas(64) char ring[1024];

	WORLD(true, hang);
	memset(ring, 0, sizeof(ring));
	CHECK_INT(0, journal_over(&w->journal, ring, sizeof(ring)));
	open_hooks(0, 0);
	for (unsigned i = 1; i < 20; i++)
		emit(i, EVENT_ENDED, "http://h/");
	CHECK_INT(0, counts().not_journaled); /* rows on disk make room */
	close_hooks();

	memset(ring, 0, sizeof(ring));
	CHECK_INT(0, journal_over(&w->journal, ring, 256));
	open_store();
	open_hooks(0, 0);
	emit(30, EVENT_ENDED, "http://h/");
	CHECK_INT(1, counts().not_journaled);
	close_hooks();
	CHECK_INT(20, rows_on_disk());
	close_world();
}

static void what_is_given_up_or_dropped_leaves_the_spool(void **state)
{
	WORLD(true, broken);
	open_hooks(1, 4);
	for (unsigned call = 0; call < 8; call++)
		emit(call, call % 2 ? EVENT_ENDED : EVENT_CREATED, "http://h/");
	CHECK(counts().dropped > 0);
	run_ms(200000);
	CHECK_INT(0, counts().waiting);
	close_hooks();
	CHECK_INT(0, rows_on_disk());
	close_world();
}

static int64_t rows_now(void)
{
	int64_t rows = -1;

	CHECK_INT(0, store_read(w->store, "SELECT count(*) FROM hooks", count_row, &rows));
	return rows;
}

static void rows_are_on_disk_at_once_without_a_journal(void **state)
{
	WORLD(true, fine);
	open_hooks(0, 0);
	emit(1, EVENT_ENDED, "http://h/");
	CHECK_INT(0, store_backlog(w->store)); /* before anybody else hears of it */
	CHECK_INT(1, rows_now());
	run_ms(1000);
	CHECK_INT(0, rows_now());
	close_world();
}

static void what_the_journal_has_is_on_disk_when_the_receiver_is_slow(void **state)
{
	static _Alignas(64) char ring[4096];

	WORLD(true, fine);
	memset(ring, 0, sizeof(ring));
	CHECK_INT(0, journal_over(&w->journal, ring, sizeof(ring)));
	open_hooks(0, 0);
	w->answer_ms = 5;
	/* The second waits for the answer to the first. Neither was a row ever. */
	emit(1, EVENT_RINGING, "http://h/");
	emit(1, EVENT_ENDED, "http://h/");
	run_ms(19);
	CHECK_INT(2, counts().delivered);
	run_ms(1000);
	CHECK_INT(0, store_taken(w->store));

	w->answer_ms = 200;
	emit(2, EVENT_ENDED, "http://h/");
	run_ms(19);
	CHECK_INT(0, rows_now());
	run_ms(1);
	CHECK_INT(1, rows_now());
	run_ms(1000);
	CHECK_INT(0, rows_now());
	close_world();
}

static void on_flushed(void *arg)
{
	w->flushed = true;
}

static void a_flush_waits_and_then_leaves_the_rest(void **state)
{
	WORLD(true, fine);
	w->answer_ms = 300;
	open_hooks(1, 0);
	for (unsigned call = 0; call < 5; call++)
		emit(call, EVENT_ENDED, "http://h/");
	hooks_flush(w->hooks, 5000, on_flushed, NULL);
	run_ms(1499);
	CHECK(!w->flushed);
	run_ms(1);
	CHECK(w->flushed);
	/* From now on events are for the next start. */
	emit(9, EVENT_ENDED, "http://h/");
	run_ms(100);
	CHECK_INT(5, w->count);
	close_hooks();
	CHECK_INT(1, rows_on_disk());

	w->script = hang;
	w->flushed = false;
	open_store();
	open_hooks(1, 0);
	hooks_flush(w->hooks, 5000, on_flushed, NULL);
	run_ms(4999);
	CHECK(!w->flushed);
	run_ms(1);
	CHECK(w->flushed);
	close_hooks();
	CHECK_INT(1, rows_on_disk());
	close_world();
}

static char told[400];

static void take_line(void *arg, enum log_level level, const char *line)
{
	if (strstr(line, "given up"))
		str_copy(told, sizeof(told), str_of(line));
}

static void what_is_given_up_is_in_the_log_without_its_password(void **state)
{
	told[0] = '\0';
	WORLD(false, broken);
	open_hooks(0, 0);
	log_capture(take_line, NULL);
	log_set_level(LOG_INFO);
	emit(7, EVENT_ENDED, "http://user:secret@h.test/x");
	run_ms(20000);
	log_set_level(LOG_ERROR);
	log_capture(NULL, NULL);
	CHECK(strstr(told, "call-7"));
	CHECK(strstr(told, w->sent[0].event));
	CHECK(strstr(told, "***@h.test/x"));
	CHECK(strstr(told, "500"));
	CHECK(!strstr(told, "secret"));
	close_world();
}

/* Whatever receivers do, whoever is full: each event leaves once, in order, and nothing stays. */
static void at_random_nothing_is_lost_or_out_of_order(void **state)
{
	static const int dice[] = { 0, 500, 200, 1, 200, 404, 200, 200 };

	for (uint64_t seed = 1; seed <= 30; seed++) {
		unsigned last[MAX_CALLS] = { 0 };
		struct hooks_counts c;

		WORLD(seed % 2, fine);
		w->error = HTTP_CONNECT;
		open_hooks(1 + seed % 3, seed % 5 ? 0 : 20);
		for (unsigned i = 0; i < 200; i++) {
			w->script = &dice[loop_random_below(w->loop, ARRAY_LEN(dice))];
			w->script_length = 1;
			w->answer_ms = loop_random_below(w->loop, 400);
			w->full = !loop_random_below(w->loop, 10);
			emit(loop_random_below(w->loop, 12),
			     loop_random_below(w->loop, 2) ? EVENT_ENDED : EVENT_CREATED,
			     loop_random_below(w->loop, 3) ? "http://one/" : "http://two/");
			run_ms(loop_random_below(w->loop, 300));
		}
		run_ms(2000000);
		c = counts();
		CHECK_INT(0, c.waiting);
		CHECK_INT(200, c.delivered + c.given_up + c.dropped);
		for (size_t i = 0; i < w->count; i++) {
			uint32_t call = 0, sequence = 0;

			str_u32(str_of(w->sent[i].call + 5), &call);
			str_u32(str_of(w->sent[i].sequence), &sequence);
			CHECK(sequence >= last[call]);
			last[call] = sequence;
		}
		close_hooks();
		if (w->path[0])
			CHECK_INT(0, rows_on_disk());
		close_world();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_event_is_sent_once_and_signed),
		TEST(by_get_the_payload_is_in_the_query),
		TEST(without_a_key_nothing_is_signed),
		TEST(what_has_no_url_goes_nowhere),
		TEST(attempts_come_at_their_times),
		TEST(delays_of_what_is_delivered_are_counted),
		TEST(ten_seconds_are_the_end),
		TEST(events_of_a_call_keep_their_order),
		TEST(one_host_that_hangs_does_not_stop_another),
		TEST(a_full_queue_drops_the_oldest_that_are_not_final),
		TEST(a_dead_host_piles_up_five_minutes_at_most),
		TEST(a_client_without_room_is_asked_again),
		TEST(what_was_not_delivered_comes_with_the_next_start),
		TEST(what_only_the_journal_has_comes_with_the_next_start_too),
		TEST(a_full_journal_is_counted),
		TEST(what_is_given_up_or_dropped_leaves_the_spool),
		TEST(rows_are_on_disk_at_once_without_a_journal),
		TEST(what_the_journal_has_is_on_disk_when_the_receiver_is_slow),
		TEST(a_flush_waits_and_then_leaves_the_rest),
		TEST(what_is_given_up_is_in_the_log_without_its_password),
		TEST(at_random_nothing_is_lost_or_out_of_order),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

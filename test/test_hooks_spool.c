/* Deliveries on virtual time: what disk and journal keep for the next start. */
#include "hooks_world.h"

#include <sqlite3.h>

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

/* Who came when the time of another was nearly over has all of his own. */
static void a_quick_receiver_is_no_row_beside_a_slow_one(void **state)
{
	static _Alignas(64) char ring[4096];

	WORLD(true, fine);
	memset(ring, 0, sizeof(ring));
	CHECK_INT(0, journal_over(&w->journal, ring, sizeof(ring)));
	open_hooks(0, 0);
	w->answer_ms = 200;
	emit(1, EVENT_ENDED, "http://slow/");
	run_ms(18);
	w->answer_ms = 5;
	emit(2, EVENT_ENDED, "http://quick/");
	run_ms(2);
	CHECK_INT(1, rows_now());
	run_ms(10);
	CHECK_INT(1, counts().delivered);
	w->answer_ms = 200;
	emit(3, EVENT_ENDED, "http://slow/");
	run_ms(40);
	CHECK_INT(2, rows_now());
	CHECK_INT(2, store_taken(w->store));
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
		TEST(what_was_not_delivered_comes_with_the_next_start),
		TEST(what_only_the_journal_has_comes_with_the_next_start_too),
		TEST(a_full_journal_is_counted),
		TEST(what_is_given_up_or_dropped_leaves_the_spool),
		TEST(rows_are_on_disk_at_once_without_a_journal),
		TEST(what_the_journal_has_is_on_disk_when_the_receiver_is_slow),
		TEST(a_quick_receiver_is_no_row_beside_a_slow_one),
		TEST(a_flush_waits_and_then_leaves_the_rest),
		TEST(at_random_nothing_is_lost_or_out_of_order),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

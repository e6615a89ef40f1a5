/* The ring over plain memory, so that a crash is a copy of it, and once over a file. */
#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/journal.h"

enum { BYTES = 4096, MODEL_MAX = 128 };

static _Alignas(64) char memory[BYTES];

static struct journal *over(void *p, size_t bytes)
{
	struct journal *j = NULL;

	CHECK_INT(0, journal_over(&j, p, bytes));
	return j;
}

static struct journal *fresh(void)
{
	memset(memory, 0, sizeof(memory));
	return over(memory, sizeof(memory));
}

static int put(struct journal *j, int64_t number, size_t body_bytes, uint64_t committed, uint64_t *mark)
{
	char id[24], body[BYTES * 2];
	struct spool_row row = {
		.number = number,
		.call_id = STR("call"),
		.sequence = (uint32_t)number * 3,
		.final = number % 2,
		.url = STR("http://app.test/hook"),
		.created_ms = 1700000000000 + (uint64_t)number,
	};
	int err;

	snprintf(id, sizeof(id), "event-%lld", (long long)number);
	memset(body, 'a' + (int)(number % 26), body_bytes);
	row.id = str_of(id);
	row.body = (struct str){ body, body_bytes };
	err = journal_put(j, &row, committed);
	if (mark)
		*mark = row.mark;
	return err;
}

static void check_row(const struct spool_row *row, size_t body_bytes)
{
	char id[24];

	snprintf(id, sizeof(id), "event-%lld", (long long)row->number);
	CHECK(str_is(row->id, id));
	CHECK(str_is(row->call_id, "call"));
	CHECK(str_is(row->url, "http://app.test/hook"));
	CHECK_INT((int)(row->number * 3), (int)row->sequence);
	CHECK(row->final == (row->number % 2 != 0));
	CHECK(row->created_ms == 1700000000000 + (uint64_t)row->number);
	CHECK(row->body.n == body_bytes);
	for (size_t i = 0; i < row->body.n; i++)
		CHECK(row->body.p[i] == 'a' + (char)(row->number % 26));
}

/* "1 2* 3": numbers in their order, * = done. */
static const char *listed(const struct journal *j)
{
	static char text[1024];
	struct spool_row row;
	uint64_t at = 0;
	size_t n = 0;
	bool done;

	*text = '\0';
	while (journal_next(j, &at, &row, &done))
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%lld%s", n ? " " : "", (long long)row.number,
				      done ? "*" : "");
	return text;
}

/* What a process would find that begins now. */
static const char *after_a_kill(struct journal_counts *counts)
{
	static _Alignas(64) char copy[BYTES];
	struct journal *j;
	const char *text;

	memcpy(copy, memory, sizeof(copy));
	j = over(copy, sizeof(copy));
	text = listed(j);
	if (counts)
		*counts = journal_count(j);
	journal_free(&j);
	return text;
}

static void records_outlive_the_process_in_order(void **state)
{
	struct journal *j = fresh();
	struct spool_row row;
	uint64_t mark, at = 0;
	bool done;

	CHECK_STR("", after_a_kill(NULL));
	for (int i = 1; i <= 5; i++)
		CHECK_INT(0, put(j, i, (size_t)i * 10, 0, i == 2 ? &mark : NULL));
	journal_done(j, mark);
	CHECK_STR("1 2* 3 4 5", after_a_kill(NULL));
	journal_free(&j);
	j = over(memory, sizeof(memory));
	while (journal_next(j, &at, &row, &done))
		check_row(&row, (size_t)row.number * 10);
	CHECK_INT(0, put(j, 6, 1, 0, NULL));
	CHECK_STR("1 2* 3 4 5 6", after_a_kill(NULL));
	journal_free(&j);
}

static void a_full_ring_takes_no_more_until_the_oldest_may_go(void **state)
{
	struct journal *j = fresh();
	uint64_t marks[64];
	int n = 0;

	while (n < 63 && !put(j, n + 1, 300, 0, &marks[n]))
		n++;
	CHECK(n > 5 && n < 63);
	CHECK(marks[n] == 0);
	journal_done(j, marks[1]);
	CHECK_INT(ENOSPC, put(j, 100, 300, 0, NULL));
	/* The first row is the seventh of the store's. */
	journal_ticket(j, marks[0], 7);
	CHECK_INT(ENOSPC, put(j, 100, 300, 6, NULL));
	CHECK_INT(0, put(j, 100, 300, 7, NULL));
	CHECK(str_starts(str_of(after_a_kill(NULL)), "2* 3 4 5") && strstr(listed(j), " 100"));
	/* Marks of what is gone hurt nobody. */
	journal_done(j, marks[0]);
	journal_ticket(j, marks[0], 1);
	journal_done(j, 0);
	CHECK(strchr(listed(j), '*') == strrchr(listed(j), '*'));
	journal_free(&j);
}

static void tickets_end_with_the_process(void **state)
{
	struct journal *j = fresh();
	uint64_t mark;
	int n = 0;

	while (!put(j, n + 1, 300, 0, &mark)) {
		journal_ticket(j, mark, (uint64_t)++n);
		CHECK(n < 64);
	}
	journal_free(&j);
	j = over(memory, sizeof(memory));
	CHECK_INT(ENOSPC, put(j, 99, 300, 1000, NULL));
	journal_ticket(j, 1, 0);
	CHECK_INT(0, put(j, 99, 200, 0, NULL));
	journal_free(&j);
}

static void what_is_too_large_is_refused(void **state)
{
	struct journal *j = fresh();
	uint64_t mark = 5;

	CHECK_INT(ENOSPC, put(j, 1, BYTES, 0, &mark));
	CHECK(mark == 0);
	CHECK_INT(0, put(j, 1, BYTES - 256, 0, NULL));
	CHECK_STR("1", after_a_kill(NULL));
	journal_free(&j);
	CHECK_INT(EINVAL, journal_over(&j, memory, 128));
}

/* Killed after any byte of the second record: it is there, or it is not. */
static void a_torn_record_is_none(void **state)
{
	struct journal *j = fresh();
	char before[BYTES], whole[BYTES];
	struct journal_counts counts;
	uint64_t first, second;

	CHECK_INT(0, put(j, 1, 50, 0, &first));
	memcpy(before, memory, BYTES);
	CHECK_INT(0, put(j, 2, 90, 0, &second));
	memcpy(whole, memory, BYTES);
	for (size_t n = 0; n < 256; n++) {
		size_t from = JOURNAL_HEAD_BYTES + second - 1;

		/* Its state comes last, so the rest may be there in any part. */
		memcpy(memory, before, BYTES);
		memcpy(memory + from + 4, whole + from + 4, n);
		CHECK_STR("1", after_a_kill(&counts));
		CHECK_INT(0, (int)counts.damaged);
	}
	memcpy(memory, whole, BYTES);
	CHECK_STR("1 2", after_a_kill(NULL));
	journal_free(&j);
}

static void a_wrong_checksum_costs_one_record(void **state)
{
	struct journal *j = fresh();
	struct journal_counts counts;
	uint64_t mark;

	CHECK_INT(0, put(j, 1, 50, 0, NULL));
	CHECK_INT(0, put(j, 2, 50, 0, &mark));
	CHECK_INT(0, put(j, 3, 50, 0, NULL));
	memory[JOURNAL_HEAD_BYTES + mark - 1 + 100] ^= 1;
	CHECK_STR("1 3", after_a_kill(&counts));
	CHECK_INT(2, (int)counts.whole);
	CHECK_INT(1, (int)counts.damaged);
	journal_free(&j);
}

static void another_file_begins_anew(void **state)
{
	struct journal *j = fresh();

	CHECK_INT(0, put(j, 1, 50, 0, NULL));
	journal_free(&j);
	j = over(memory, sizeof(memory) - 512);
	CHECK_STR("", listed(j));
	journal_free(&j);
	memset(memory, 0xff, sizeof(memory));
	j = over(memory, sizeof(memory));
	CHECK_STR("", listed(j));
	CHECK_INT(0, put(j, 1, 50, 0, NULL));
	CHECK_STR("1", after_a_kill(NULL));
	journal_free(&j);
}

/* --- against a model --- */

struct entry {
	int64_t number;
	uint64_t mark, ticket; /* 0 = none; UINT64_MAX = in the store */
	size_t body_bytes;
	bool done;
};

struct model {
	struct entry rows[MODEL_MAX]; /* those the ring took, oldest first */
	size_t count;
	uint64_t taken, committed;
};

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static bool needed(const struct model *m, const struct entry *e)
{
	return !e->done && e->ticket != UINT64_MAX && (!e->ticket || e->ticket > m->committed);
}

/* The ring may have forgotten the oldest, up to the first that is needed; all behind it are there, in order. */
static void compare(struct model *m, const struct journal *j)
{
	struct spool_row row;
	uint64_t at = 0;
	size_t i = 0;
	bool done;

	while (journal_next(j, &at, &row, &done)) {
		while (i < m->count && m->rows[i].number < row.number) {
			CHECK(at && !needed(m, &m->rows[0]));
			memmove(m->rows, m->rows + 1, --m->count * sizeof(m->rows[0]));
			CHECK(i == 0);
		}
		CHECK(i < m->count && m->rows[i].number == row.number && m->rows[i].mark == row.mark);
		CHECK(m->rows[i].done == done);
		check_row(&row, m->rows[i].body_bytes);
		i++;
	}
	CHECK(i == m->count);
}

static struct journal *restart(struct model *m, struct journal *j)
{
	journal_free(&j);
	j = over(memory, sizeof(memory));
	CHECK_INT(0, (int)journal_count(j).damaged);
	compare(m, j);
	for (size_t i = 0; i < m->count; i++) {
		struct entry *e = &m->rows[i];

		if (!needed(m, e)) {
			journal_ticket(j, e->mark, 0);
			e->ticket = UINT64_MAX;
		} else {
			e->ticket = 0;
		}
	}
	m->taken = m->committed = 0;
	return j;
}

static void ten_thousand_operations_agree_with_a_model(void **state)
{
	static struct model m;
	struct journal *j = fresh();
	unsigned full = 0, puts = 0;
	uint32_t seed = 7;

	for (int i = 1; i <= 10000; i++) {
		uint32_t what = next_random(&seed) % 100, which = next_random(&seed);
		struct entry *e = m.count ? &m.rows[which % m.count] : NULL;

		if (what < 30) {
			struct entry fresh_one = { .number = i, .body_bytes = which % 700 };
			int err = put(j, i, fresh_one.body_bytes, m.committed, &fresh_one.mark);

			CHECK(err == 0 || err == ENOSPC);
			puts += !err;
			full += err != 0;
			CHECK(m.count < MODEL_MAX);
			if (!err)
				m.rows[m.count++] = fresh_one;
			compare(&m, j);
		} else if (what < 58 && e) {
			journal_done(j, e->mark);
			e->done = true;
		} else if (what < 85 && e && !e->ticket) {
			e->ticket = ++m.taken;
			journal_ticket(j, e->mark, e->ticket);
		} else if (what < 98) {
			m.committed = m.taken;
		} else {
			j = restart(&m, j);
		}
	}
	print_message("%u puts, %u refused\n", puts, full);
	CHECK(full > 100 && puts > 1000);
	journal_free(&j);
}

static void a_file_is_kept_and_belongs_to_one(void **state)
{
	char path[] = "/tmp/test-journal-XXXXXX", why[160];
	struct journal *j = NULL, *other = NULL;
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	close(fd);
	CHECK_INT(0, journal_open(&j, path, 65536, why));
	CHECK_INT(0, put(j, 1, 50, 0, NULL));
	CHECK_INT(EAGAIN, journal_open(&other, path, 65536, why));
	CHECK(strstr(why, "another process has it"));
	journal_free(&j);
	CHECK_INT(0, journal_open(&j, path, 65536, why));
	CHECK_STR("1", listed(j));
	journal_free(&j);
	unlink(path);
	CHECK_INT(ENOENT, journal_open(&j, "/tmp/no-such-folder/journal", 65536, why));
	CHECK_INT(EISDIR, journal_open(&j, "/tmp", 65536, why));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(records_outlive_the_process_in_order),
		TEST(a_full_ring_takes_no_more_until_the_oldest_may_go),
		TEST(tickets_end_with_the_process),
		TEST(what_is_too_large_is_refused),
		TEST(a_torn_record_is_none),
		TEST(a_wrong_checksum_costs_one_record),
		TEST(another_file_begins_anew),
		TEST(ten_thousand_operations_agree_with_a_model),
		TEST(a_file_is_kept_and_belongs_to_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

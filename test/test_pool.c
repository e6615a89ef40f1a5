#include "check.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#include "base/loop.h"
#include "base/pool.h"

struct bench {
	struct loop *l;
	struct pool *p;
	sem_t gate;
	int worked, done, dropped, foreign; /* on the loop */
	int want;
	bool free_when_done;
	pthread_t home;
};

struct job {
	struct bench *b;
	bool waits; /* for the gate */
	int worked;
	bool foreign;
	int left; /* runs itself again */
};

static void work(void *arg)
{
	struct job *j = arg;

	if (j->waits)
		sem_wait(&j->b->gate);
	j->foreign = !pthread_equal(pthread_self(), j->b->home);
	j->worked++;
}

static void drop(void *arg)
{
	struct job *j = arg;

	loop_assert_mine(j->b->l);
	j->b->dropped++;
	free(j);
}

static void done(void *arg)
{
	struct job *j = arg;
	struct bench *b = j->b;

	loop_assert_mine(b->l);
	b->done++;
	b->worked += j->worked == 1;
	b->foreign += j->foreign;
	if (j->left--) {
		j->worked = 0;
		CHECK_INT(0, pool_run(b->p, work, done, drop, j));
		return;
	}
	free(j);
	if (b->free_when_done)
		pool_free(&b->p);
}

static void open_bench(struct bench *b, unsigned threads, bool virtual_time)
{
	memset(b, 0, sizeof(*b));
	b->home = pthread_self();
	sem_init(&b->gate, 0, 0);
	CHECK_INT(0, loop_new(&b->l, virtual_time, 1));
	CHECK_INT(0, pool_new(&b->p, b->l, threads));
}

static void close_bench(struct bench *b)
{
	pool_free(&b->p);
	CHECK(!b->p);
	loop_free(&b->l);
	sem_destroy(&b->gate);
}

static void add(struct bench *b, bool waits, int left)
{
	struct job *j = calloc(1, sizeof(*j));

	*j = (struct job){ .b = b, .waits = waits, .left = left };
	CHECK_INT(0, pool_run(b->p, work, done, drop, j));
}

static void without_threads_work_is_deferred(void **state)
{
	struct bench b;

	open_bench(&b, 0, true);
	add(&b, false, 0);
	add(&b, false, 2);
	CHECK_INT(0, b.done);
	CHECK(loop_turn(b.l));
	CHECK_INT(2, b.done);
	loop_run(b.l);
	CHECK_INT(4, b.done);
	CHECK_INT(4, b.worked);
	CHECK_INT(0, b.foreign);
	CHECK_INT(1000, loop_now_ms(b.l));
	add(&b, false, 0);
	close_bench(&b);
	CHECK_INT(1, b.dropped);
}

static void threads_work_while_a_virtual_clock_stands(void **state)
{
	static const unsigned threads[] = { 1, 2, 4 };

	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		struct bench b;

		open_bench(&b, threads[i], true);
		for (int n = 0; n < 500; n++)
			add(&b, false, 3);
		loop_run(b.l); /* idle only when nothing is held any more */
		CHECK_INT(2000, b.done);
		CHECK_INT(2000, b.worked);
		CHECK_INT(2000, b.foreign);
		CHECK_INT(1000, loop_now_ms(b.l));
		close_bench(&b);
		CHECK_INT(0, b.dropped);
	}
}

static void free_waits_for_the_running_and_drops_the_rest(void **state)
{
	struct bench b;

	open_bench(&b, 2, true);
	for (int n = 0; n < 10; n++)
		add(&b, true, 0);
	for (int n = 0; n < 10; n++)
		sem_post(&b.gate);
	close_bench(&b);
	CHECK_INT(0, b.done);
	CHECK_INT(10, b.dropped);
}

static void an_answer_may_free_the_pool(void **state)
{
	static const unsigned threads[] = { 0, 2 };

	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		struct bench b;

		open_bench(&b, threads[i], true);
		b.free_when_done = true;
		for (int n = 0; n < 20; n++)
			add(&b, false, 0);
		loop_run(b.l);
		CHECK_INT(1, b.done);
		CHECK_INT(19, b.dropped);
		close_bench(&b);
	}
}

static void an_unused_pool_goes_away(void **state)
{
	struct bench b;

	open_bench(&b, 4, false);
	close_bench(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_threads_work_is_deferred),
		TEST(threads_work_while_a_virtual_clock_stands),
		TEST(free_waits_for_the_running_and_drops_the_rest),
		TEST(an_answer_may_free_the_pool),
		TEST(an_unused_pool_goes_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

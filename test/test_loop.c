#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/loop.h"

/* --- a small recorder: letters in the order of firing --- */

struct mark {
	struct loop *l;
	struct loop_timer timer;
	char *log;
	char letter;
	uint64_t fired_ms;
};

static void note(void *arg)
{
	struct mark *m = arg;
	size_t n = strlen(m->log);

	m->log[n] = m->letter;
	m->log[n + 1] = '\0';
	m->fired_ms = loop_now_ms(m->l);
}

static void start(struct mark *m, uint64_t delay_ms)
{
	loop_timer_start(m->l, &m->timer, delay_ms, note, m);
}

static void make_marks(struct mark *marks, size_t n, struct loop *l, char *log)
{
	memset(marks, 0, n * sizeof(*marks));
	log[0] = '\0';
	for (size_t i = 0; i < n; i++)
		marks[i] = (struct mark){ .l = l, .log = log, .letter = (char)('a' + i) };
}

static void timers_fire_in_order_of_time_then_of_starting(void **state)
{
	struct loop *l = NULL;
	struct mark m[6];
	char log[32];

	CHECK_INT(0, loop_new(&l, true, 1));
	CHECK_INT(1000, loop_now_ms(l));
	make_marks(m, 6, l, log);
	start(&m[0], 200);
	start(&m[1], 100);
	start(&m[2], 200);
	start(&m[3], 0);
	start(&m[4], 100);
	start(&m[5], 0);
	CHECK_INT(6, loop_timer_count(l));
	loop_run(l);
	CHECK_STR("dfbeac", log);
	CHECK_INT(1200, loop_now_ms(l));
	CHECK_INT(1100, m[1].fired_ms);
	CHECK_INT(1000, m[3].fired_ms);
	CHECK_INT(0, loop_timer_count(l));
	CHECK(!loop_turn(l));
	loop_free(&l);
	CHECK(!l);
}

static void a_later_start_for_the_same_time_fires_later_on_any_level(void **state)
{
	struct loop *l = NULL;
	struct mark m[3];
	char log[32];

	/* All for 301,000; begun far away, nearer, and next to it. */
	loop_new(&l, true, 1);
	make_marks(m, 3, l, log);
	start(&m[0], 300000);
	loop_run_until(l, 298000);
	start(&m[1], 3000);
	loop_run_until(l, 300990);
	CHECK_INT(300990, loop_now_ms(l));
	start(&m[2], 10);
	loop_run(l);
	CHECK_STR("abc", log);
	for (int i = 0; i < 3; i++)
		CHECK_INT(301000, m[i].fired_ms);
	loop_free(&l);
}

static void level_boundaries_are_exact(void **state)
{
	static const uint64_t delays[] = { 1,          2,
					   62,         63,
					   64,         65,
					   127,        128,
					   4095,       4096,
					   4097,       262143,
					   262144,     262145,
					   16777215,   16777216,
					   16777217,   (1ULL << 30) - 1,
					   1ULL << 30, (1ULL << 36) - 1,
					   1ULL << 36, (1ULL << 36) + 1,
					   1ULL << 42, (1ULL << 48) + 1 };
	static const uint64_t bases[] = { 0, 1, 23, 24, 25, 87, 88, 3095, 3096, 3097, 261143, 261144, 1ULL << 24 };

	for (size_t b = 0; b < ARRAY_LEN(bases); b++) {
		struct mark m[ARRAY_LEN(delays) + 1];
		struct loop *l = NULL;
		char log[64];

		loop_new(&l, true, 1);
		make_marks(m, ARRAY_LEN(m), l, log);
		/* Something beyond, so that the loop is not idle and its clock reaches the base. */
		start(&m[ARRAY_LEN(delays)], 1ULL << 50);
		loop_run_until(l, 1000 + bases[b]);
		CHECK_INT(1000 + bases[b], loop_now_ms(l));
		for (size_t i = ARRAY_LEN(delays); i--;)
			start(&m[i], delays[i]);
		loop_run_until(l, UINT64_MAX);
		for (size_t i = 0; i < ARRAY_LEN(delays); i++)
			CHECK_INT(1000 + bases[b] + delays[i], m[i].fired_ms);
		CHECK_STR("abcdefghijklmnopqrstuvwxy", log);
		loop_free(&l);
	}
}

static void a_timer_beyond_all_time_can_be_stopped(void **state)
{
	struct loop *l = NULL;
	struct mark m[1];
	char log[8];

	loop_new(&l, true, 1);
	make_marks(m, 1, l, log);
	start(&m[0], UINT64_MAX);
	loop_run_until(l, 1000000);
	CHECK_INT(1000000, loop_now_ms(l));
	CHECK_STR("", log);
	loop_timer_stop(l, &m[0].timer);
	loop_timer_stop(l, &m[0].timer);
	CHECK_INT(0, loop_timer_count(l));
	start(&m[0], 10);
	loop_timer_stop(l, &m[0].timer);
	CHECK(!loop_turn(l)); /* nor does the clock jump to where it was */
	CHECK_INT(1000000, loop_now_ms(l));
	start(&m[0], UINT64_MAX);
	CHECK(loop_turn(l));
	CHECK_STR("a", log);
	loop_free(&l);
}

static void run_until_stops_short_or_where_the_last_handler_ran(void **state)
{
	struct loop *l = NULL;
	struct mark m[2];
	char log[8];

	loop_new(&l, true, 1);
	make_marks(m, 2, l, log);
	start(&m[0], 50);
	start(&m[1], 100);
	loop_run_until(l, 1049);
	CHECK_STR("", log);
	CHECK_INT(1049, loop_now_ms(l));
	loop_run_until(l, 1050);
	CHECK_STR("a", log);
	loop_run_until(l, 1020); /* past already: the clock never goes back */
	CHECK_INT(1050, loop_now_ms(l));
	loop_run_until(l, 5000);
	CHECK_STR("ab", log);
	CHECK_INT(1100, loop_now_ms(l));
	loop_free(&l);
}

/* --- handlers that change timers --- */

struct pair {
	struct loop *l;
	struct loop_timer first, second;
	int first_runs, second_runs;
};

static void count_second(void *arg)
{
	struct pair *p = arg;

	p->second_runs++;
}

static void stop_other(void *arg)
{
	struct pair *p = arg;

	p->first_runs++;
	loop_timer_stop(p->l, &p->second);
	loop_timer_stop(p->l, &p->first);
}

static void again(void *arg)
{
	struct pair *p = arg;

	if (++p->first_runs < 3)
		loop_timer_start(p->l, &p->first, 10, again, p);
}

static void handlers_may_stop_and_restart_timers(void **state)
{
	static const uint64_t delays[] = { 0, 5 };

	for (size_t i = 0; i < ARRAY_LEN(delays); i++) {
		struct pair p = { 0 };

		loop_new(&p.l, true, 1);
		loop_timer_start(p.l, &p.first, delays[i], stop_other, &p);
		loop_timer_start(p.l, &p.second, delays[i], count_second, &p);
		loop_run(p.l);
		CHECK_INT(1, p.first_runs);
		CHECK_INT(0, p.second_runs);

		p.first_runs = 0;
		loop_timer_start(p.l, &p.first, 1, count_second, &p);
		loop_timer_start(p.l, &p.first, 10, again, &p); /* moves it */
		loop_run(p.l);
		CHECK_INT(3, p.first_runs);
		CHECK_INT(0, p.second_runs);
		CHECK_INT(1000 + delays[i] + 30, loop_now_ms(p.l));
		loop_free(&p.l);
	}
}

struct chain {
	struct loop *l;
	struct loop_timer deferred, wheel;
	int left, wheel_after;
};

static void defer_again(void *arg)
{
	struct chain *c = arg;

	if (--c->left)
		loop_timer_start(c->l, &c->deferred, 0, defer_again, c);
}

static void note_wheel(void *arg)
{
	struct chain *c = arg;

	c->wheel_after = c->left;
}

static void deferred_calls_take_turns_and_hold_the_clock(void **state)
{
	struct chain c = { .left = 5 };

	loop_new(&c.l, true, 1);
	loop_timer_start(c.l, &c.deferred, 0, defer_again, &c);
	loop_timer_start(c.l, &c.wheel, 1, note_wheel, &c);
	CHECK(loop_turn(c.l));
	CHECK_INT(4, c.left); /* once a turn: nothing starves */
	CHECK_INT(1000, loop_now_ms(c.l));
	loop_run(c.l);
	CHECK_INT(0, c.left);
	CHECK_INT(0, c.wheel_after); /* no jump while calls were ready */
	CHECK_INT(1001, loop_now_ms(c.l));
	loop_free(&c.l);
}

/* --- against a naive model --- */

enum { MODEL_TIMERS = 150, MODEL_OPS = 100000 };

struct model {
	struct loop *l;
	uint64_t chance, seq;
	int ops, fired, active;
	struct model_timer {
		struct model *m;
		struct loop_timer timer;
		bool active, zero;
		uint64_t due_ms, seq;
	} timers[MODEL_TIMERS];
};

static uint64_t chance(struct model *m)
{
	m->chance ^= m->chance << 13;
	m->chance ^= m->chance >> 7;
	m->chance ^= m->chance << 17;
	return m->chance;
}

static bool comes_before(const struct model_timer *a, const struct model_timer *b)
{
	if (a->due_ms != b->due_ms)
		return a->due_ms < b->due_ms;
	if (a->zero != b->zero)
		return b->zero;
	return a->seq < b->seq;
}

static void model_fire(void *arg);

static void model_op(struct model *m)
{
	static const unsigned bits[] = { 0, 1, 3, 6, 7, 12, 13, 18, 24, 38 };
	struct model_timer *t = &m->timers[chance(m) % MODEL_TIMERS];
	uint64_t delay_ms;

	m->ops++;
	m->active -= t->active;
	if (chance(m) % 4 == 0) {
		t->active = false;
		loop_timer_stop(m->l, &t->timer);
		return;
	}
	delay_ms = chance(m) & ((1ULL << bits[chance(m) % ARRAY_LEN(bits)]) - 1);
	t->active = true;
	t->zero = !delay_ms;
	t->due_ms = loop_now_ms(m->l) + delay_ms;
	t->seq = m->seq++;
	m->active++;
	loop_timer_start(m->l, &t->timer, delay_ms, model_fire, t);
}

static void model_fire(void *arg)
{
	struct model_timer *t = arg;
	struct model *m = t->m;

	CHECK(t->active);
	CHECK_INT(t->due_ms, loop_now_ms(m->l));
	for (size_t i = 0; i < MODEL_TIMERS; i++)
		CHECK(&m->timers[i] == t || !m->timers[i].active || !comes_before(&m->timers[i], t));
	t->active = false;
	m->active--;
	m->fired++;
	for (uint64_t n = chance(m) % 5; n && m->ops < MODEL_OPS; n--)
		model_op(m);
}

static void random_timers_match_a_naive_model(void **state)
{
	struct model *m = calloc(1, sizeof(*m));

	CHECK_INT(0, loop_new(&m->l, true, 1));
	m->chance = 88172645463325252ULL;
	for (size_t i = 0; i < MODEL_TIMERS; i++)
		m->timers[i].m = m;
	while (m->ops < MODEL_OPS) {
		/* Stops in between, too: the clock then stands at odd places. */
		for (int i = 0; i < 8; i++)
			model_op(m);
		CHECK_INT(m->active, loop_timer_count(m->l));
		loop_run_until(m->l, loop_now_ms(m->l) + (chance(m) & 0x3fff));
	}
	loop_run(m->l);
	CHECK_INT(0, m->active);
	CHECK_INT(0, loop_timer_count(m->l));
	CHECK(m->fired > MODEL_OPS / 10);
	loop_free(&m->l);
	free(m);
}

/* --- descriptors --- */

struct ends {
	struct loop *l;
	int fds[4]; /* two pipes: read 0, write 1, read 2, write 3 */
	struct loop_io a, b;
	int a_calls, b_calls;
	unsigned ready;
};

static void open_ends(struct ends *e, bool virtual_time)
{
	memset(e, 0, sizeof(*e));
	CHECK_INT(0, loop_new(&e->l, virtual_time, 1));
	CHECK_INT(0, pipe(e->fds));
	CHECK_INT(0, pipe(e->fds + 2));
}

static void close_ends(struct ends *e)
{
	loop_io_remove(e->l, &e->a);
	loop_io_remove(e->l, &e->b);
	for (int i = 0; i < 4; i++)
		if (e->fds[i] >= 0)
			close(e->fds[i]);
	loop_free(&e->l);
}

static void on_a(void *arg, unsigned ready)
{
	struct ends *e = arg;

	e->a_calls++;
	e->ready = ready;
	loop_io_remove(e->l, &e->b);
}

static void on_b(void *arg, unsigned ready)
{
	struct ends *e = arg;

	e->b_calls++;
	e->ready = ready;
	loop_io_remove(e->l, &e->a);
}

static void a_removed_watch_is_not_called_in_the_same_batch(void **state)
{
	struct ends e;

	open_ends(&e, true);
	CHECK_INT(0, loop_io_add(e.l, &e.a, e.fds[0], LOOP_READ, on_a, &e));
	CHECK_INT(0, loop_io_add(e.l, &e.b, e.fds[2], LOOP_READ, on_b, &e));
	CHECK(!loop_turn(e.l)); /* silent descriptors alone do not keep a virtual loop going */
	CHECK_INT(1, write(e.fds[1], "x", 1));
	CHECK_INT(1, write(e.fds[3], "x", 1));
	CHECK(loop_turn(e.l));
	CHECK_INT(1, e.a_calls + e.b_calls);
	CHECK_INT(LOOP_READ, e.ready);
	CHECK(loop_turn(e.l)); /* level-triggered: nobody has read */
	CHECK_INT(2, e.a_calls + e.b_calls);
	close_ends(&e);
}

static void on_ready(void *arg, unsigned ready)
{
	struct ends *e = arg;

	e->a_calls++;
	e->ready = ready;
}

static void watches_change_and_report_hangup(void **state)
{
	struct ends e;
	struct loop_io bad = { 0 };

	open_ends(&e, true);
	CHECK_INT(EBADF, loop_io_add(e.l, &bad, 9999, LOOP_READ, on_ready, &e));
	CHECK(!bad.active);
	CHECK_INT(0, loop_io_add(e.l, &e.a, e.fds[1], 0, on_ready, &e));
	CHECK(!loop_turn(e.l));
	CHECK_INT(0, loop_io_change(e.l, &e.a, LOOP_WRITE));
	CHECK(loop_turn(e.l));
	CHECK_INT(LOOP_WRITE, e.ready);
	close(e.fds[0]);
	e.fds[0] = -1;
	CHECK(loop_turn(e.l));
	CHECK_INT(LOOP_READ | LOOP_WRITE, e.ready);
	CHECK_INT(0, loop_io_change(e.l, &e.a, 0));
	CHECK(!loop_turn(e.l)); /* a watch for nothing hears no hang-up either */
	CHECK_INT(2, e.a_calls);
	close_ends(&e);
}

static void ready_descriptors_keep_the_clock(void **state)
{
	struct ends e;
	struct mark m[1];
	char log[8];

	open_ends(&e, true);
	make_marks(m, 1, e.l, log);
	start(&m[0], 100);
	CHECK_INT(0, loop_io_add(e.l, &e.a, e.fds[1], LOOP_WRITE, on_ready, &e));
	for (int i = 0; i < 5; i++)
		CHECK(loop_turn(e.l));
	CHECK_INT(1000, loop_now_ms(e.l));
	loop_io_remove(e.l, &e.a);
	CHECK(loop_turn(e.l));
	CHECK_INT(1100, loop_now_ms(e.l));
	close_ends(&e);
}

/* --- other threads --- */

struct outside {
	struct loop *l;
	int pipe_fd;
};

static void *write_soon(void *arg)
{
	struct outside *o = arg;
	struct timespec pause = { .tv_nsec = 20000000 };

	nanosleep(&pause, NULL);
	if (write(o->pipe_fd, "x", 1) != 1)
		abort();
	return NULL;
}

static void read_and_release(void *arg, unsigned ready)
{
	struct ends *e = arg;
	char c;

	e->a_calls++;
	CHECK_INT(1, read(e->fds[0], &c, 1));
	loop_release(e->l);
}

static void a_held_virtual_clock_waits_for_real_work(void **state)
{
	struct outside o;
	struct ends e;
	struct mark m[1];
	pthread_t id;
	char log[8];

	open_ends(&e, true);
	make_marks(m, 1, e.l, log);
	start(&m[0], 1);
	loop_io_add(e.l, &e.a, e.fds[0], LOOP_READ, read_and_release, &e);
	o = (struct outside){ .l = e.l, .pipe_fd = e.fds[1] };
	loop_hold(e.l);
	CHECK_INT(0, pthread_create(&id, NULL, write_soon, &o));
	while (!e.a_calls) {
		CHECK_INT(1000, loop_now_ms(e.l));
		CHECK(loop_turn(e.l));
	}
	pthread_join(id, NULL);
	loop_run(e.l);
	CHECK_INT(1001, loop_now_ms(e.l));
	close_ends(&e);
}

struct real {
	struct loop *l;
	struct loop_timer timer;
	uint64_t began_us;
	int rounds;
};

static void next_round(void *arg)
{
	struct real *r = arg;

	CHECK(loop_now_us(r->l) - r->began_us >= 5000);
	r->began_us = loop_now_us(r->l);
	if (++r->rounds == 4)
		loop_stop(r->l);
	else
		loop_timer_start(r->l, &r->timer, 5, next_round, r);
}

static void a_real_loop_is_never_early(void **state)
{
	struct real r = { 0 };
	uint64_t before_ms;

	CHECK_INT(0, loop_new(&r.l, false, 0));
	CHECK(!loop_is_virtual(r.l));
	before_ms = loop_now_ms(r.l);
	r.began_us = loop_now_us(r.l);
	loop_timer_start(r.l, &r.timer, 5, next_round, &r);
	loop_run(r.l);
	CHECK_INT(4, r.rounds);
	CHECK(loop_now_ms(r.l) - before_ms < 5000);
	CHECK(loop_wall_ms(r.l) > 1600000000000ULL);
	loop_free(&r.l);
}

static void *wake_it(void *arg)
{
	loop_wake(arg);
	return NULL;
}

static void wake_ends_a_sleep(void **state)
{
	struct loop *l = NULL;
	struct mark m[1];
	pthread_t id;
	char log[8];

	loop_new(&l, false, 0);
	make_marks(m, 1, l, log);
	start(&m[0], 3600000);
	CHECK_INT(0, pthread_create(&id, NULL, wake_it, l));
	CHECK(loop_turn(l)); /* would sleep for an hour otherwise */
	pthread_join(id, NULL);
	CHECK_STR("", log);
	loop_timer_stop(l, &m[0].timer);
	loop_free(&l);
}

static void *is_turning_here(void *arg)
{
	return loop_is_turning_here(arg) ? arg : NULL;
}

static void ask_elsewhere(void *arg)
{
	struct real *r = arg;
	void *yes = NULL;
	pthread_t id;

	loop_assert_mine(r->l);
	r->rounds = loop_is_turning_here(r->l);
	CHECK_INT(0, pthread_create(&id, NULL, is_turning_here, r->l));
	pthread_join(id, &yes);
	CHECK(!yes);
}

static void only_the_turning_thread_is_here(void **state)
{
	struct real r = { 0 };

	loop_new(&r.l, true, 1);
	CHECK(!loop_is_turning_here(r.l));
	loop_timer_start(r.l, &r.timer, 0, ask_elsewhere, &r);
	loop_turn(r.l);
	CHECK_INT(1, r.rounds);
	CHECK(!loop_is_turning_here(r.l));
	loop_free(&r.l);
}

static void count_slow(void *arg, uint64_t took_us)
{
	int *n = arg;

	CHECK(took_us > 3000);
	++*n;
}

static void burn(void *arg)
{
	struct timespec t;
	uint64_t until_us = 0, now_us;

	do {
		clock_gettime(CLOCK_MONOTONIC, &t);
		now_us = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
		until_us = until_us ? until_us : now_us + 4000;
	} while (now_us < until_us);
}

struct slice {
	struct loop *loop;
	struct loop_timer timer;
	unsigned ran;
};

static void one_slice(void *arg)
{
	struct slice *sl = arg;

	sl->ran++;
	burn(NULL);
	loop_timer_start_slice(sl->loop, &sl->timer, one_slice, sl);
}

static void add_one(void *arg)
{
	++*(int *)arg;
}

/* Each takes longer than the slices of a turn may: so there is one a turn, in order, and what is ready comes first. */
static void slices_share_what_time_there_is(void **state)
{
	struct slice slices[5] = { { 0 } };
	struct loop_timer ready = { 0 };
	struct loop *l = NULL;
	int count = 0;

	loop_new(&l, false, 0);
	for (size_t i = 0; i < ARRAY_LEN(slices); i++) {
		slices[i].loop = l;
		loop_timer_start_slice(l, &slices[i].timer, one_slice, &slices[i]);
	}
	for (int n = 1; n <= 11; n++) {
		loop_timer_start(l, &ready, 0, add_one, &count);
		CHECK(loop_turn(l));
		CHECK_INT(n, count);
		for (int i = 0; i < 5; i++)
			CHECK_INT((n + 4 - i) / 5, slices[i].ran);
	}
	for (size_t i = 0; i < ARRAY_LEN(slices); i++)
		loop_timer_stop(l, &slices[i].timer);
	CHECK_INT(0, loop_timer_count(l));
	loop_free(&l);
}

static void catch_up(void *arg)
{
	struct loop *l = arg;
	uint64_t began_us = loop_now_us(l);

	burn(NULL);
	CHECK_INT(began_us, loop_now_us(l));
	loop_catch_up(l);
	CHECK((loop_now_us(l) > began_us) == !loop_is_virtual(l));
}

static void a_real_clock_goes_on_within_a_turn_when_asked(void **state)
{
	for (int i = 0; i < 2; i++) {
		struct loop_timer t = { 0 };
		struct loop *l = NULL;

		loop_new(&l, i, 1);
		loop_timer_start(l, &t, 0, catch_up, l);
		CHECK(loop_turn(l));
		loop_free(&l);
	}
}

static void slow_handlers_are_reported(void **state)
{
	struct loop *l = NULL;
	struct loop_timer t = { 0 };
	int slow = 0;

	loop_new(&l, true, 1);
	loop_watch_slow(l, 3000, count_slow, &slow);
	loop_timer_start(l, &t, 1, burn, NULL);
	loop_run(l);
	CHECK_INT(1, slow);
	loop_watch_slow(l, 0, NULL, NULL);
	loop_timer_start(l, &t, 1, burn, NULL);
	loop_run(l);
	CHECK_INT(1, slow);
	loop_free(&l);
}

static void random_numbers_are_seeded_or_not(void **state)
{
	struct loop *a = NULL, *b = NULL, *c = NULL, *real = NULL;
	uint64_t same = 0, v[2000];

	loop_new(&a, true, 7);
	loop_new(&b, true, 7);
	loop_new(&c, true, 8);
	loop_new(&real, false, 7);
	for (int i = 0; i < 1000; i++) {
		uint64_t x = loop_random(a);

		CHECK(x == loop_random(b));
		same += x == loop_random(c);
	}
	CHECK_INT(0, same);
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		v[i] = loop_random(real);
		for (size_t j = i > 600 ? i - 600 : 0; j < i; j++)
			same += v[j] == v[i];
	}
	CHECK_INT(0, same);
	for (uint32_t below = 1; below < 70; below++) {
		uint32_t most = 0;

		for (int i = 0; i < 1000; i++) {
			uint32_t r = loop_random_below(a, below);

			CHECK(r < below);
			most = r > most ? r : most;
		}
		CHECK_INT(below - 1, most);
	}
	CHECK_INT(1767225600000 + 1000, loop_wall_ms(a));
	loop_free(&a);
	loop_free(&b);
	loop_free(&c);
	loop_free(&real);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(timers_fire_in_order_of_time_then_of_starting),
		TEST(a_later_start_for_the_same_time_fires_later_on_any_level),
		TEST(level_boundaries_are_exact),
		TEST(a_timer_beyond_all_time_can_be_stopped),
		TEST(run_until_stops_short_or_where_the_last_handler_ran),
		TEST(handlers_may_stop_and_restart_timers),
		TEST(deferred_calls_take_turns_and_hold_the_clock),
		TEST(random_timers_match_a_naive_model),
		TEST(a_removed_watch_is_not_called_in_the_same_batch),
		TEST(watches_change_and_report_hangup),
		TEST(ready_descriptors_keep_the_clock),
		TEST(a_held_virtual_clock_waits_for_real_work),
		TEST(a_real_loop_is_never_early),
		TEST(wake_ends_a_sleep),
		TEST(only_the_turning_thread_is_here),
		TEST(slices_share_what_time_there_is),
		TEST(a_real_clock_goes_on_within_a_turn_when_asked),
		TEST(slow_handlers_are_reported),
		TEST(random_numbers_are_seeded_or_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

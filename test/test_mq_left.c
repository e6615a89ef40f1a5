/* Messages that wake nobody, and the look in each turn that finds them. */
#include "check.h"

#include <pthread.h>

#include "base/loop.h"
#include "base/mq.h"

/* --- looks --- */

struct looker {
	struct loop *l;
	struct loop_look look;
	struct looker *removes; /* in its next turn */
	unsigned turns, has;    /* has: so often it finds something */
};

static bool look(void *arg)
{
	struct looker *k = arg;

	k->turns++;
	if (k->removes)
		loop_look_remove(k->l, &k->removes->look);
	k->removes = NULL;
	return k->has && k->has--;
}

static void every_look_has_each_turn_until_it_is_removed(void **state)
{
	struct looker k[4] = { 0 };
	struct loop *l;

	CHECK_INT(0, loop_new(&l, true, 1));
	for (int i = 0; i < 4; i++) {
		k[i].l = l;
		loop_look_add(l, &k[i].look, look, &k[i]);
	}
	k[2].has = 2;
	CHECK(loop_turn(l));
	k[0].removes = &k[1]; /* the next one */
	CHECK(loop_turn(l));
	CHECK(!loop_turn(l)); /* nobody found anything */
	k[2].removes = &k[2];
	CHECK(!loop_turn(l));
	k[3].removes = &k[0]; /* the one before */
	CHECK(!loop_turn(l));
	CHECK(!loop_turn(l));
	CHECK_INT(5, k[0].turns);
	CHECK_INT(1, k[1].turns);
	CHECK_INT(4, k[2].turns);
	CHECK_INT(6, k[3].turns);
	loop_look_remove(l, &k[0].look); /* harmless */
	loop_look_remove(l, &k[3].look);
	loop_free(&l);
}

/* --- one thread --- */

struct box {
	struct loop *l;
	struct mq *q;
	char text[32];
	bool free_in_handler;
};

static void on_letter(void *arg, void *msg)
{
	struct box *b = arg;

	strncat(b->text, msg, 1);
	if (b->free_in_handler)
		mq_free(&b->q);
}

static void open_box(struct box *b, bool looks)
{
	memset(b, 0, sizeof(*b));
	CHECK_INT(0, loop_new(&b->l, true, 1));
	CHECK_INT(0, mq_new(&b->q, b->l, 1, 4, on_letter, b));
	CHECK_INT(0, mq_reserve(b->q, 8));
	if (looks)
		mq_look_each_turn(b->q);
}

static void close_box(struct box *b)
{
	mq_free(&b->q);
	loop_free(&b->l);
}

static void what_was_left_is_found_in_the_next_turn(void **state)
{
	struct box b;

	open_box(&b, true);
	CHECK(mq_leave_reserved(b.q, "a"));
	CHECK(!mq_leave_reserved(b.q, "b"));
	CHECK(loop_turn(b.l));
	CHECK_STR("ab", b.text);
	CHECK(!loop_turn(b.l));
	CHECK(mq_leave_reserved(b.q, "c"));
	CHECK_INT(0, mq_send(b.q, "d")); /* who wakes him brings what was left before, in order */
	loop_run(b.l);
	CHECK_STR("abcd", b.text);
	CHECK(!loop_turn(b.l)); /* the wake was used up too */
	mq_wake_waiting(b.q);   /* nothing waits */
	CHECK(!loop_turn(b.l));
	CHECK_INT(0, loop_timer_count(b.l));
	close_box(&b);
}

static void without_a_look_it_waits_until_somebody_wakes(void **state)
{
	struct box b;

	open_box(&b, false);
	CHECK(mq_leave_reserved(b.q, "a"));
	loop_run(b.l);
	CHECK_STR("", b.text);
	mq_wake_waiting(b.q);
	mq_wake_waiting(b.q);
	loop_run(b.l);
	CHECK_STR("a", b.text);
	CHECK(mq_leave_reserved(b.q, "b"));
	mq_send_reserved(b.q, "c");
	loop_run(b.l);
	CHECK_STR("abc", b.text);
	close_box(&b);
}

static void a_look_may_find_the_message_that_frees_the_queue(void **state)
{
	struct box b;

	open_box(&b, true);
	b.free_in_handler = true;
	mq_leave_reserved(b.q, "a");
	mq_leave_reserved(b.q, "b");
	CHECK(loop_turn(b.l));
	CHECK_STR("a", b.text);
	CHECK(!b.q);
	CHECK(!loop_turn(b.l));
	close_box(&b);
}

/* --- two threads --- */

enum { NOTES = 20000, EVERY = 16 };

struct post {
	struct loop *l;
	struct mq *q;
	uint32_t next, bad;
	bool busy; /* the loop never sleeps, and nobody wakes it */
	struct loop_timer turning;
};

static void on_note(void *arg, void *msg)
{
	struct post *p = arg;

	p->bad += *(uint32_t *)msg != p->next++;
	if (p->next == NOTES)
		loop_stop(p->l);
}

static void *leave_many(void *arg)
{
	struct post *p = arg;

	for (uint32_t i = 0; i < NOTES; i++) {
		mq_leave_reserved(p->q, &i);
		if (i % EVERY == EVERY - 1 && !p->busy)
			mq_wake_waiting(p->q);
	}
	return NULL;
}

static void turn_again(void *arg)
{
	struct post *p = arg;

	loop_timer_start(p->l, &p->turning, 0, turn_again, p);
}

static void check_post(bool busy)
{
	struct post p = { .busy = busy };
	pthread_t id;

	CHECK_INT(0, loop_new(&p.l, false, 0));
	CHECK_INT(0, mq_new(&p.q, p.l, sizeof(uint32_t), 0, on_note, &p));
	CHECK_INT(0, mq_reserve(p.q, NOTES));
	mq_look_each_turn(p.q);
	if (busy)
		turn_again(&p);
	CHECK_INT(0, pthread_create(&id, NULL, leave_many, &p));
	loop_run(p.l);
	pthread_join(id, NULL);
	CHECK_INT(NOTES, p.next);
	CHECK_INT(0, p.bad);
	loop_timer_stop(p.l, &p.turning);
	mq_free(&p.q);
	loop_free(&p.l);
}

/* It has no timer: without the wakes it would sleep for ever. */
static void a_wake_brings_all_that_was_left_before(void **state)
{
	check_post(false);
}

static void a_busy_loop_needs_no_wake(void **state)
{
	check_post(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_look_has_each_turn_until_it_is_removed),
		TEST(what_was_left_is_found_in_the_next_turn),
		TEST(without_a_look_it_waits_until_somebody_wakes),
		TEST(a_look_may_find_the_message_that_frees_the_queue),
		TEST(a_wake_brings_all_that_was_left_before),
		TEST(a_busy_loop_needs_no_wake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

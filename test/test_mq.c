#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "base/loop.h"
#include "base/mq.h"

struct note {
	uint32_t sender, number;
	bool last;
};

/* --- many senders --- */

enum { SENDERS = 4, NOTES = 100000, CAPACITY = 256 };

struct post {
	struct loop *l;
	struct mq *q;
	uint32_t next[SENDERS];
	uint32_t out_of_order, ended;
	uint32_t last_sender, switches; /* how often the senders really met */
	struct sender {
		struct post *post;
		uint32_t index;
		uint64_t full; /* how often there was no place */
	} senders[SENDERS];
};

static void on_note(void *arg, void *msg)
{
	struct post *p = arg;
	struct note *n = msg;

	loop_assert_mine(p->l);
	p->out_of_order += n->number != p->next[n->sender];
	p->next[n->sender] = n->number + 1;
	p->switches += n->sender != p->last_sender;
	p->last_sender = n->sender;
	if (n->last && ++p->ended == SENDERS)
		loop_stop(p->l);
}

static void *send_many(void *arg)
{
	struct sender *s = arg;

	for (uint32_t i = 0; i < NOTES; i++) {
		struct note n = { .sender = s->index, .number = i };

		while (mq_send(s->post->q, &n)) {
			s->full++;
			sched_yield();
		}
	}
	mq_send_reserved(s->post->q, &(struct note){ .sender = s->index, .number = NOTES, .last = true });
	return NULL;
}

static void senders_on_four_threads_keep_their_order(void **state)
{
	struct post *p = calloc(1, sizeof(*p));
	pthread_t ids[SENDERS];

	CHECK_INT(0, loop_new(&p->l, false, 0));
	CHECK_INT(0, mq_new(&p->q, p->l, sizeof(struct note), CAPACITY, on_note, p));
	CHECK_INT(0, mq_reserve(p->q, SENDERS));
	for (uint32_t i = 0; i < SENDERS; i++) {
		p->senders[i] = (struct sender){ .post = p, .index = i };
		CHECK_INT(0, pthread_create(&ids[i], NULL, send_many, &p->senders[i]));
	}
	loop_run(p->l);
	for (uint32_t i = 0; i < SENDERS; i++) {
		pthread_join(ids[i], NULL);
		CHECK_INT(NOTES + 1, p->next[i]);
	}
	CHECK_INT(0, p->out_of_order);
	CHECK_INT(SENDERS, p->ended);
	print_message("%u changes of sender in %u messages\n", p->switches, SENDERS * NOTES);
	CHECK(p->switches > SENDERS);
	mq_free(&p->q);
	CHECK(!p->q);
	loop_free(&p->l);
	free(p);
}

/* --- the loop sends to itself while others send to it --- */

struct mixed {
	struct loop *l;
	struct mq *q;
	uint32_t mine, theirs, bad;
	uint32_t met; /* own messages among foreign ones */
};

static void on_mixed(void *arg, void *msg)
{
	struct mixed *m = arg;
	struct note *n = msg;
	uint32_t *next = n->sender ? &m->theirs : &m->mine;

	m->bad += n->number != (*next)++;
	m->met += !n->sender && m->theirs && m->theirs < NOTES;
	/* The first foreign note starts ours; each of ours starts the next one. */
	if (n->sender ? m->theirs == 1 : m->mine < NOTES)
		mq_send_reserved(m->q, &(struct note){ .number = m->mine });
	if (m->mine == NOTES && m->theirs == NOTES)
		loop_stop(m->l);
}

static void *send_theirs(void *arg)
{
	struct mixed *m = arg;

	for (uint32_t i = 0; i < NOTES; i++)
		while (mq_send(m->q, &(struct note){ .sender = 1, .number = i }))
			sched_yield();
	return NULL;
}

static void own_and_foreign_senders_mix(void **state)
{
	struct mixed m = { 0 };
	pthread_t id;

	loop_new(&m.l, false, 0);
	CHECK_INT(0, mq_new(&m.q, m.l, sizeof(struct note), CAPACITY, on_mixed, &m));
	CHECK_INT(0, mq_reserve(m.q, NOTES));
	CHECK_INT(0, pthread_create(&id, NULL, send_theirs, &m));
	loop_run(m.l);
	pthread_join(id, NULL);
	CHECK_INT(NOTES, m.mine);
	CHECK_INT(NOTES, m.theirs);
	CHECK_INT(0, m.bad);
	print_message("%u own messages among the foreign ones\n", m.met);
	CHECK(m.met > 0);
	mq_free(&m.q);
	loop_free(&m.l);
}

/* --- a loop made here and turned elsewhere --- */

struct worker {
	struct loop *l;
	struct mq *in;
	uint32_t got;
};

static void on_work(void *arg, void *msg)
{
	struct worker *w = arg;
	struct note *n = msg;

	w->got++;
	if (n->last)
		loop_stop(w->l);
}

static void *run_worker(void *arg)
{
	struct worker *w = arg;

	loop_run(w->l);
	return NULL;
}

static void the_maker_may_send_before_and_while_the_worker_turns(void **state)
{
	for (int round = 0; round < 50; round++) {
		struct worker w = { 0 };
		pthread_t id;

		loop_new(&w.l, false, 0);
		mq_new(&w.in, w.l, sizeof(struct note), 64, on_work, &w);
		CHECK_INT(0, mq_send(w.in, &(struct note){ 0 }));
		CHECK_INT(0, pthread_create(&id, NULL, run_worker, &w));
		CHECK_INT(0, mq_send(w.in, &(struct note){ 0 }));
		CHECK_INT(0, mq_send(w.in, &(struct note){ .last = true }));
		pthread_join(id, NULL);
		CHECK_INT(3, w.got);
		mq_free(&w.in);
		loop_free(&w.l);
	}
}

/* --- places --- */

struct box {
	struct loop *l;
	struct mq *q;
	struct loop_timer timer;
	char text[64];
	int sends_left;
	bool free_in_handler;
};

static void on_letter(void *arg, void *msg)
{
	struct box *b = arg;
	size_t n = strlen(b->text);

	b->text[n] = *(char *)msg;
	b->text[n + 1] = '\0';
	if (b->free_in_handler && *(char *)msg == 'c')
		mq_free(&b->q);
	else if (b->sends_left && b->sends_left--)
		CHECK_INT(0, mq_send(b->q, "z"));
}

static void open_box(struct box *b, uint32_t capacity)
{
	memset(b, 0, sizeof(*b));
	CHECK_INT(0, loop_new(&b->l, true, 1));
	CHECK_INT(0, mq_new(&b->q, b->l, 1, capacity, on_letter, b));
}

static void close_box(struct box *b)
{
	mq_free(&b->q);
	loop_free(&b->l);
}

static void reserved_places_hold_when_the_queue_is_full(void **state)
{
	struct box b;

	open_box(&b, 2);
	CHECK_INT(0, mq_reserve(b.q, 3));
	CHECK_INT(0, mq_send(b.q, "a"));
	mq_send_reserved(b.q, "b");
	CHECK_INT(0, mq_send(b.q, "c"));
	CHECK_INT(EAGAIN, mq_send(b.q, "x"));
	CHECK_INT(0, mq_reserve(b.q, 20)); /* grows with messages waiting */
	mq_send_reserved(b.q, "d");
	mq_send_reserved(b.q, "e");
	CHECK_INT(EAGAIN, mq_send(b.q, "x"));
	loop_run(b.l);
	CHECK_STR("abcde", b.text);
	mq_unreserve(b.q, 20);
	CHECK_INT(0, mq_send(b.q, "f"));
	CHECK_INT(0, mq_send(b.q, "g"));
	CHECK_INT(EAGAIN, mq_send(b.q, "x"));
	loop_run(b.l);
	CHECK_STR("abcdefg", b.text);
	CHECK_INT(0, mq_send(b.q, "h"));
	CHECK_INT(0, mq_send(b.q, "i"));
	CHECK_INT(0, mq_reserve(b.q, 100)); /* grows while its beginning is in the middle of the ring */
	mq_send_reserved(b.q, "j");
	loop_run(b.l);
	CHECK_STR("abcdefghij", b.text);
	CHECK_INT(ENOMEM, mq_reserve(b.q, UINT32_MAX));
	CHECK_INT(0, mq_send(b.q, "h"));
	close_box(&b); /* with a message left */
}

static void a_queue_of_reserved_places_only(void **state)
{
	struct box b;

	open_box(&b, 0);
	CHECK_INT(EAGAIN, mq_send(b.q, "x"));
	CHECK_INT(0, mq_reserve(b.q, 2));
	CHECK_INT(EAGAIN, mq_send(b.q, "x"));
	mq_send_reserved(b.q, "a");
	mq_send_reserved(b.q, "b");
	loop_run(b.l);
	CHECK_STR("ab", b.text);
	close_box(&b);
}

static void a_handler_may_send_to_its_own_queue(void **state)
{
	struct box b;

	open_box(&b, 4);
	b.sends_left = 5;
	CHECK_INT(0, mq_send(b.q, "a"));
	CHECK(loop_turn(b.l));
	CHECK(loop_turn(b.l));
	CHECK_INT(1000, loop_now_ms(b.l));
	loop_run(b.l);
	CHECK_STR("azzzzz", b.text);
	CHECK_INT(0, loop_timer_count(b.l));
	close_box(&b);
}

static void a_handler_may_free_its_own_queue(void **state)
{
	struct box b;

	open_box(&b, 8);
	b.free_in_handler = true;
	for (const char *p = "abcde"; *p; p++)
		CHECK_INT(0, mq_send(b.q, p));
	loop_run(b.l);
	CHECK_STR("abc", b.text);
	CHECK(!b.q);
	close_box(&b);
}

static void many_wrap_arounds(void **state)
{
	struct box b;

	open_box(&b, 7);
	for (int round = 0; round < 1000; round++) {
		b.text[0] = '\0';
		for (int i = 0; i < 1 + round % 7; i++)
			CHECK_INT(0, mq_send(b.q, &"abcdefg"[i]));
		loop_run(b.l);
		CHECK(!strncmp("abcdefg", b.text, 1U + (unsigned)round % 7));
		CHECK_INT(1 + round % 7, strlen(b.text));
	}
	close_box(&b);
}

static void late(void *arg)
{
	struct box *b = arg;

	strcat(b->text, "!");
}

static void a_waiting_message_holds_the_virtual_clock(void **state)
{
	struct box b;

	open_box(&b, 7);
	loop_timer_start(b.l, &b.timer, 1, late, &b);
	CHECK_INT(0, mq_send(b.q, "a"));
	loop_turn(b.l);
	CHECK_STR("a", b.text);
	CHECK_INT(1000, loop_now_ms(b.l));
	loop_run(b.l);
	CHECK_STR("a!", b.text);
	close_box(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(senders_on_four_threads_keep_their_order),
		TEST(own_and_foreign_senders_mix),
		TEST(the_maker_may_send_before_and_while_the_worker_turns),
		TEST(reserved_places_hold_when_the_queue_is_full),
		TEST(a_queue_of_reserved_places_only),
		TEST(a_handler_may_send_to_its_own_queue),
		TEST(a_handler_may_free_its_own_queue),
		TEST(many_wrap_arounds),
		TEST(a_waiting_message_holds_the_virtual_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

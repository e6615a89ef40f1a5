#include "base/pool.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/loop.h"
#include "base/mq.h"

enum { ANSWERS = 64 };

struct task {
	struct list all;     /* loop: in pool.all until done or dropped  */
	struct list waiting; /* lock: in pool.waiting until a thread has it */
	struct loop_timer inline_timer;
	struct pool *pool;
	void (*work)(void *job);
	void (*done)(void *job);
	void (*drop)(void *job);
	void *job;
};

struct pool {
	struct loop *loop;
	struct mq *answers; /* of struct task *; a place is reserved for each task */
	struct list all;
	unsigned threads;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct list waiting; /* lock */
	bool stopping;       /* lock */
	pthread_t ids[];
};

static void *serve(void *arg)
{
	struct pool *p = arg;

	pthread_mutex_lock(&p->lock);
	while (!p->stopping) {
		struct list *first = list_first(&p->waiting);
		struct task *t;

		if (!first) {
			pthread_cond_wait(&p->changed, &p->lock);
			continue;
		}
		t = LIST_ITEM(first, struct task, waiting);
		list_remove(first);
		pthread_mutex_unlock(&p->lock);
		t->work(t->job);
		mq_send_reserved(p->answers, &t);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Forget the task and return what it was. */
static struct task taken(struct task *t)
{
	struct task was = *t;

	list_remove(&t->all);
	loop_timer_stop(was.pool->loop, &t->inline_timer);
	if (was.pool->threads)
		loop_release(was.pool->loop);
	free(t);
	return was;
}

static void on_answer(void *arg, void *msg)
{
	struct task was = taken(*(struct task **)msg);

	was.done(was.job); /* may free the pool */
}

static void on_inline(void *arg)
{
	struct task was = taken(arg);

	was.work(was.job);
	was.done(was.job);
}

static int start_threads(struct pool *p, unsigned threads)
{
	sigset_t all, old;
	int err = 0;

	/* Signals belong to the main thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (; p->threads < threads && !err; p->threads += !err) {
		err = pthread_create(&p->ids[p->threads], NULL, serve, p);
		if (!err)
			pthread_setname_np(p->ids[p->threads], "pool");
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err;
}

int pool_new(struct pool **out, struct loop *l, unsigned threads)
{
	struct pool *p = calloc(1, sizeof(*p) + threads * sizeof(p->ids[0]));
	int err = 0;

	if (!p)
		return ENOMEM;
	p->loop = l;
	list_init(&p->all);
	list_init(&p->waiting);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->changed, NULL);
	if (threads)
		err = mq_new(&p->answers, l, sizeof(struct task *), ANSWERS, on_answer, p);
	if (!err)
		err = start_threads(p, threads);
	if (err)
		pool_free(&p);
	else
		*out = p;
	return err;
}

void pool_free(struct pool **pool)
{
	struct pool *p = *pool;
	struct list *first;

	if (!p)
		return;
	*pool = NULL;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->threads; i++)
		pthread_join(p->ids[i], NULL);
	while ((first = list_first(&p->all))) {
		struct task was = taken(LIST_ITEM(first, struct task, all));

		was.drop(was.job);
	}
	mq_free(&p->answers);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->changed);
	free(p);
}

int pool_run(struct pool *p, void (*work)(void *job), void (*done)(void *job), void (*drop)(void *job), void *job)
{
	struct task *t = calloc(1, sizeof(*t));

	assert(work && done && drop);
	if (!t)
		return ENOMEM;
	*t = (struct task){ .pool = p, .work = work, .done = done, .drop = drop, .job = job };
	if (p->threads && mq_reserve(p->answers, 1)) {
		free(t);
		return ENOMEM;
	}
	list_append(&p->all, &t->all);
	list_init(&t->waiting);
	if (!p->threads) {
		loop_timer_start(p->loop, &t->inline_timer, 0, on_inline, t);
		return 0;
	}
	loop_hold(p->loop);
	pthread_mutex_lock(&p->lock);
	list_append(&p->waiting, &t->waiting);
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
	return 0;
}

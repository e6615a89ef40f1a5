/* pool: threads for work that blocks (files), one answer back in the asker's loop.
 *
 * A job gets copies and touches no object of the loop. With 0 threads the work runs inline, deferred
 * by one turn: that is how tests on virtual time use it.
 * Thread: all calls on the loop given at birth; work() on a pool thread. */
#ifndef POOL_H
#define POOL_H

struct pool;
struct loop;

int pool_new(struct pool **out, struct loop *l, unsigned threads);
/* Waits for running jobs; done() of unfinished jobs is not called, drop(job) is. A done() may call it too. */
void pool_free(struct pool **p);
/* work(job) on a pool thread, then done(job) on the loop. job belongs to the pool until done().
 * drop(job) frees a job that will never be done. Returns 0 or ENOMEM (job stays the caller's). */
int pool_run(struct pool *p, void (*work)(void *job), void (*done)(void *job), void (*drop)(void *job), void *job);

#endif

/* mq: messages of one fixed size from any thread to one loop, bounded; the only cross-thread door.
 *
 * Order is kept per sender. The consumer is woken once per batch. What must arrive has its place
 * reserved beforehand (mq_reserve) and then always fits; other messages meet EAGAIN when the queue
 * is full, and the sender counts them.
 * A message that can wait for a moment need not wake anybody: the consumer finds it in the next turn of his loop, and
 * a server with something to do turns all the time; its sender sees to it that the wait has an end.
 * Thread: mq_new, mq_free, mq_look_each_turn on the consumer's loop; the rest any. */
#ifndef MQ_H
#define MQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mq;
struct loop;

/* fn runs on loop l once per message; msg is a copy, valid during the call.
 * capacity: messages that may wait unreserved; reservations grow the queue beyond it. */
int mq_new(struct mq **out, struct loop *l, size_t msg_bytes, uint32_t capacity, void (*fn)(void *arg, void *msg),
	   void *arg);
/* No sender may be left. Undelivered messages are dropped. Its own fn may call it too. */
void mq_free(struct mq **q);
/* Copies *msg. Returns 0, or EAGAIN when full. */
int mq_send(struct mq *q, const void *msg);
/* Keep n places for messages sent by mq_send_reserved(). Returns 0 or ENOMEM. */
int mq_reserve(struct mq *q, uint32_t n);
void mq_unreserve(struct mq *q, uint32_t n);
/* Sends on a reserved place (and uses it up). Never fails when a place was reserved. */
void mq_send_reserved(struct mq *q, const void *msg);
/* The same without waking the consumer. True: nobody has woken him yet, and the caller must mq_wake() before long;
 * what others send until then waits with it. For a sender with several messages in one turn of its loop. */
bool mq_put_reserved(struct mq *q, const void *msg);
void mq_wake(struct mq *q);
/* The consumer finds in each turn what mq_leave_reserved() has left. Once, before the first message. */
void mq_look_each_turn(struct mq *q);
/* Sends on a reserved place and wakes nobody, nor keeps others from it. Its sender calls mq_wake_waiting() after the longest time that
 * the message may wait. Returns whether nothing older waits. */
bool mq_leave_reserved(struct mq *q, const void *msg);
void mq_wake_waiting(struct mq *q); /* without effect when nothing waits, or he is awake for it */

#endif

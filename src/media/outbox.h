/* outbox: messages to another loop, held until the end of the sender's turn.
 *
 * What one turn has to say then costs the other thread one wake-up, not one a message. Every message must have its
 * place reserved in the queue (mq_reserve), so nothing is ever refused. Order is kept.
 * Thread: the sender's. */
#ifndef OUTBOX_H
#define OUTBOX_H

#include <stddef.h>

struct loop;
struct mq;
struct outbox;

/* sender: the loop of the thread that puts. msg_bytes as of the queue. 0 or ENOMEM. */
int outbox_new(struct outbox **out, struct loop *sender, struct mq *to, size_t msg_bytes);
/* What is still held is dropped. *o may be NULL. */
void outbox_free(struct outbox **o);
/* Copies *msg. */
void outbox_put(struct outbox *o, const void *msg);

#endif

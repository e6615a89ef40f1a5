/* port_impl: the signal side of ports, shared by port.c, port_pairs.c and port_move.c; nobody else includes it. Thread: signal. */
#ifndef PORT_IMPL_H
#define PORT_IMPL_H

#include "base/list.h"
#include "media/port.h"
#include "media/worker.h"

struct mq;

enum { PAIRS = 65536 / 2 };

/* Two sockets at an even port and the odd one behind it. */
struct pair {
	uint32_t number; /* its ports, whatever the range is now */
	int fds[2];      /* RTP, RTCP */
	uint32_t era;    /* of the address that they are bound to */
};

struct kept_pair {
	struct pair pair;
	uint64_t due_ms; /* has rested by then */
};

/* Pairs of the range that no port has. Some are kept with their sockets, for making and closing four of them is a twelfth of what a call costs. */
struct pairs {
	struct media *media;
	uint16_t *free; /* without sockets; a ring: taken at the head, given back behind the last one */
	uint32_t head, count;
	struct kept_pair *kept; /* a ring too, sorted by due_ms but for those that are due */
	uint32_t kept_head, kept_count, kept_due, most;
	uint32_t era;
	int room; /* bytes that a socket in use has for what comes; 0 = not known yet */
};

struct seat { /* a worker as the signal side sees it */
	struct worker *worker;
	size_t ports;
};

/* A command that waits for the end of a move. */
struct port_held {
	struct list node;                     /* in media.held */
	struct port *port, *other;            /* whom it is about; other may be NULL */
	struct seat *seat;                    /* where port is by then; there it has a place. MOVE: where it goes */
	const struct worker_command *command; /* behind this; NULL = WORKER_CLOSE */
};

struct port {
	struct media *media;
	struct seat *seat;        /* where it is, behind all that was said to it so far */
	struct seat *at;          /* where it is now, or goes while it is moving */
	struct worker_port *half; /* the worker's, until it is handed over */
	const struct port_handlers *handlers;
	void *arg;
	uint32_t pair;     /* also its number in every worker */
	uint32_t era;      /* of its sockets */
	struct addr local; /* for the SDP */
	size_t tasks;      /* that were begun and have not ended: what plays, is sent or listens */
	bool local_end;    /* its far end is another port of its worker */
	bool closing;
	bool moving;            /* between WORKER_MOVE and WORKER_MOVED */
	uint32_t held;          /* commands in media.held that are about it */
	struct port_held close; /* must not need memory */
};

struct media { /* signal */
	struct media_opts opts;
	struct mq *events;
	struct port **ports; /* by pair, NULL = not open */
	size_t open, locals;
	uint32_t next_local;
	struct pairs pairs;
	struct list held; /* of struct port_held, as they were given */
	unsigned seat_count;
	struct seat seats[];
};

static inline uint16_t pair_port(uint32_t number)
{
	return (uint16_t)(2 * number);
}

/* --- port_pairs.c --- */

bool pairs_in(const struct media_opts *o); /* the range has any */
int pairs_init(struct pairs *s, struct media *m);
void pairs_free(struct pairs *s);
/* Address or range have changed. */
void pairs_refill(struct pairs *s);
uint32_t pairs_count(const struct pairs *s);
/* 0; ENOSPC: none is left that can be bound; or errno. */
int pairs_take(struct pairs *s, struct pair *out);
/* Nobody reads them any more. */
void pairs_give(struct pairs *s, const struct pair *p);

/* --- port_move.c --- */

/* To the worker that has p, behind everything that was sent to p and other before. other: whom it names beside p, or NULL. 0 or ENOMEM;
 * WORKER_CLOSE cannot fail. */
int port_send(struct port *p, struct port *other, const struct worker_command *command);
/* WORKER_MOVED has come. */
void port_moved(struct port *p, struct worker_port *half);

#endif

/* port_impl: the signal side of ports, shared by port.c and port_move.c; nobody else includes it. Thread: signal. */
#ifndef PORT_IMPL_H
#define PORT_IMPL_H

#include "base/list.h"
#include "media/port.h"
#include "media/worker.h"

struct mq;

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
	/* Free pairs, a ring: taken at the head, given back behind the last one, so that a late packet of an old call
	 * rarely meets a new one. */
	uint16_t *free_pairs;
	uint32_t head, free_count;
	struct list held; /* of struct port_held, as they were given */
	unsigned seat_count;
	struct seat seats[];
};

/* To the worker that has p, behind everything that was sent to p and other before. other: whom it names beside p, or NULL. 0 or ENOMEM;
 * WORKER_CLOSE cannot fail. */
int port_send(struct port *p, struct port *other, const struct worker_command *command);
/* WORKER_MOVED has come. */
void port_moved(struct port *p, struct worker_port *half);

#endif

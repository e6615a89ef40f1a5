/* worker: one media thread; owns the sockets of its ports and relays packets on arrival.
 *
 * For port.c only. Commands come in a queue and name ports by number (one number, one open port); what happens goes
 * out in a queue of the signal side. A packet is received into the worker's one buffer, checked, its payload
 * type rewritten, and sent on: nothing is allocated, logged or kept. No batching: one socket a stream never
 * finds a second packet.
 * Thread: worker_send() that of the signal side; the ports themselves belong to the worker's loop. */
#ifndef WORKER_H
#define WORKER_H

#include "media/port.h"

struct loop;
struct mq;
struct worker;
struct worker_port; /* a port's half in the worker */

enum worker_verb {
	WORKER_OPEN,
	WORKER_AGREE,
	WORKER_JOIN,
	WORKER_FEED, /* from port to other */
	WORKER_PART,
	WORKER_CLOSE,
	WORKER_STOP,
};

struct worker_command {
	enum worker_verb verb;
	uint32_t port, other;
	union {
		struct worker_port *opened; /* OPEN: given away */
		struct media_agreed agreed; /* AGREE */
	};
};

enum worker_news { WORKER_HEARD, WORKER_CLOSED };

struct worker_event {
	enum worker_news news;
	uint32_t port;
	bool heard; /* CLOSED: HEARD went before */
	union {
		struct addr from;        /* HEARD */
		struct port_stats stats; /* CLOSED */
	};
};

enum { WORKER_EVENTS = 2 }; /* places in events that an open port uses, WORKER_CLOSED always */

struct worker_opts {
	struct loop *loop;  /* live on this loop; NULL = on a thread of its own */
	struct mq *events;  /* of struct worker_event; WORKER_EVENTS places reserved per port */
	uint32_t max_ports; /* port numbers are smaller */
	uint32_t latch_ms;
};

/* 0 or errno. */
int worker_new(struct worker **out, const struct worker_opts *opts);
/* All ports must be closed. Ends the thread. *w may be NULL. */
void worker_free(struct worker **w);

/* The half to give away with WORKER_OPEN; it owns the sockets from then on. NULL = no memory. */
struct worker_port *worker_port_new(int rtp_fd, int rtcp_fd);
void worker_port_free(struct worker_port **p); /* when it was not given away; sockets stay */

/* Keep the places of a port's WORKER_OPEN and WORKER_CLOSE, which then cannot fail. 0 or ENOMEM. */
int worker_reserve(struct worker *w);
/* 0, or ENOMEM for the verbs without a place. */
int worker_send(struct worker *w, const struct worker_command *command);

#endif

/* A port moves to another worker. WORKER_MOVE takes it out of the old one, WORKER_MOVED brings it here, WORKER_ARRIVE gives it to the
 * new one. Until then commands about it are held here, and so are those about whom a held command names, and all that is said to these
 * later: each port gets its commands in the order in which they were given, each at the worker that it is in.
 *
 * Nothing that was taken can be lost for want of memory: what is held has its place at the worker that will get it. WORKER_MOVE goes
 * on the place that was kept for WORKER_CLOSE there; the new worker has two places again. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/mq.h"
#include "media/port_impl.h"

struct held_command {
	struct port_held held; /* first: freed by it */
	struct worker_command command;
};

static bool is_held(const struct port *p)
{
	return p->moving || p->held;
}

static void count_in(const struct port_held *h)
{
	h->port->held++;
	if (h->other)
		h->other->held++;
}

static void hold(struct port_held *h)
{
	list_append(&h->port->media->held, &h->node);
	count_in(h);
}

/* One that is not the end of the port. NULL on no memory. */
static struct port_held *make(struct port *p, struct port *other, struct seat *seat, const struct worker_command *c)
{
	struct held_command *new = malloc(sizeof(*new));

	if (!new)
		return NULL;
	new->command = *c;
	new->held = (struct port_held){ .port = p, .other = other, .seat = seat, .command = &new->command };
	return &new->held;
}

static int hold_command(struct port *p, struct port *other, const struct worker_command *c)
{
	struct port_held *h = make(p, other, p->seat, c);
	int err = h ? worker_reserve_one(p->seat->worker) : ENOMEM;

	if (err) {
		free(h);
		return err;
	}
	hold(h);
	return 0;
}

int port_send(struct port *p, struct port *other, const struct worker_command *c)
{
	if (!is_held(p) && (!other || !is_held(other)))
		return worker_send(p->at->worker, c);
	if (c->verb != WORKER_CLOSE)
		return hold_command(p, other, c);
	p->close = (struct port_held){ .port = p, .seat = p->seat };
	hold(&p->close);
	return 0;
}

/* --- the move --- */

static void begin(struct port *p, struct seat *to)
{
	worker_send(p->at->worker, &(struct worker_command){ .verb = WORKER_MOVE, .port = p->pair });
	p->at = to;
	p->moving = true;
}

/* Places at the new worker, and one for WORKER_MOVED. */
static int reserve(struct port *p, struct seat *to)
{
	int err = worker_reserve(to->worker);

	if (err)
		return err;
	err = mq_reserve(p->media->events, 1);
	if (err)
		worker_unreserve(to->worker);
	return err;
}

static int begin_or_hold(struct port *p, struct seat *to)
{
	struct port_held *h = NULL;
	int err;

	if (is_held(p)) {
		h = make(p, NULL, to, &(struct worker_command){ .verb = WORKER_MOVE, .port = p->pair });
		if (!h)
			return ENOMEM;
	}
	err = reserve(p, to);
	if (err) {
		free(h);
		return err;
	}
	if (h)
		hold(h);
	else
		begin(p, to);
	return 0;
}

/* No worker knows it yet. */
static int change_seat(struct port *p, struct seat *to)
{
	int err = worker_reserve(to->worker);

	if (err)
		return err;
	worker_unreserve(p->at->worker);
	p->at = to;
	return 0;
}

bool port_can_move(const struct port *p)
{
	return !p->local_end;
}

size_t port_tasks(const struct port *p)
{
	return p->tasks;
}

int port_move(struct port *p, const struct port *near)
{
	struct seat *to = near->seat;
	int err;

	assert(!p->closing && p->media == near->media);
	if (p->seat == to)
		return 0;
	if (!port_can_move(p))
		return ENOTSUP;
	err = p->half ? change_seat(p, to) : begin_or_hold(p, to);
	if (err)
		return err;
	p->seat->ports--;
	to->ports++;
	p->seat = to;
	return 0;
}

/* --- its end --- */

static void release(struct port_held *h)
{
	struct port *p = h->port;

	if (!h->command) {
		worker_send(p->at->worker, &(struct worker_command){ .verb = WORKER_CLOSE, .port = p->pair });
		return;
	}
	if (h->command->verb == WORKER_MOVE) {
		begin(p, h->seat);
	} else {
		assert(p->at == h->seat);
		worker_send_reserved(p->at->worker, h->command);
	}
	free(h);
}

/* What waits for nobody any more goes out, in its order; the rest is counted anew. */
static void release_held(struct media *m)
{
	struct list waiting, *n;

	list_init(&waiting);
	list_splice(&waiting, &m->held);
	for (n = waiting.next; n != &waiting; n = n->next) {
		const struct port_held *h = LIST_ITEM(n, struct port_held, node);

		h->port->held = 0;
		if (h->other)
			h->other->held = 0;
	}
	while ((n = list_first(&waiting))) {
		struct port_held *h = LIST_ITEM(n, struct port_held, node);

		list_remove(n);
		if (is_held(h->port) || (h->other && is_held(h->other)))
			hold(h);
		else
			release(h);
	}
}

void port_moved(struct port *p, struct worker_port *half)
{
	p->moving = false;
	worker_send(p->at->worker, &(struct worker_command){ .verb = WORKER_ARRIVE, .port = p->pair, .opened = half });
	release_held(p->media);
}

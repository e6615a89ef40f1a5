#include "fake_net.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"

enum { MAX_DATAGRAM = 65507, MAX_WAITING = 256 * 1024, MAX_PIECE = 64, FIRST_EPHEMERAL = 40000 };

struct host {
	struct net net; /* first: struct net pointers are cast back */
	struct list node;
	struct fake_net *f;
	struct addr addr;
};

struct fake_net {
	struct loop *loop;
	struct list hosts, wires, datagrams;
	struct fake_net_rules rules;
	struct fake_net_counts counts; /* the totals; what is open is counted when asked for */
	uint16_t next_port;
	unsigned crowding;
	char name[256]; /* the newest that TLS was to verify */
};

enum role { ROLE_UDP, ROLE_LISTENER, ROLE_STREAM };

struct fake_wire {
	struct wire wire; /* first: struct wire pointers are cast back */
	struct list node;
	struct host *host;
	enum role role;
	struct addr bound; /* as asked for, port filled in */
	struct addr local; /* the same with the host's address for "any" */
	struct addr remote;
	const struct wire_handlers *h;
	void *arg;
	struct fake_wire *peer;     /* the other end, NULL = not there yet or gone */
	struct fake_wire *listener; /* until accepted() has run                     */
	bool connecting;
	struct buf early;     /* sent while connecting                        */
	struct list inbox;    /* of struct news, in order of delivery         */
	size_t waiting_bytes; /* in the inbox                                 */
	uint64_t last_due_ms;
	struct loop_timer timer;
};

enum news_kind { NEWS_CONNECT, NEWS_ACCEPTED, NEWS_BYTES, NEWS_CLOSED };

struct news { /* for one end of a stream */
	struct list node;
	enum news_kind kind;
	uint64_t due_ms;
	int err;
	const char *why;
	size_t n;
	char data[];
};

struct datagram {
	struct list node;
	struct fake_net *f;
	struct loop_timer timer;
	struct addr from, to;
	size_t n;
	char data[];
};

static const struct net_ops ops;
static void deliver_news(void *arg);

static struct fake_wire *fake_of(const struct wire *w)
{
	return (struct fake_wire *)(void *)w;
}

static uint32_t draw_delay(struct fake_net *f)
{
	const struct fake_net_rules *r = &f->rules;

	if (r->delay_max_ms <= r->delay_min_ms)
		return r->delay_min_ms;
	return r->delay_min_ms + loop_random_below(f->loop, r->delay_max_ms - r->delay_min_ms + 1);
}

static bool happens(struct fake_net *f, uint32_t per_mille)
{
	return per_mille && loop_random_below(f->loop, 1000) < per_mille;
}

static struct fake_wire *find(struct fake_net *f, enum role role, const struct addr *at)
{
	for (struct list *n = f->wires.next; n != &f->wires; n = n->next) {
		struct fake_wire *w = LIST_ITEM(n, struct fake_wire, node);

		if (w->role == role && addr_equal(&w->local, at))
			return w;
	}
	return NULL;
}

/* --- datagrams --- */

static void deliver_datagram(void *arg)
{
	struct datagram *d = arg;
	struct fake_net *f = d->f;
	struct fake_wire *w = find(f, ROLE_UDP, &d->to);

	list_remove(&d->node);
	if (w) {
		f->counts.datagrams_delivered++;
		w->h->bytes(w->arg, &w->wire, &d->from, d->data, d->n);
	} else {
		f->counts.datagrams_nobody++;
	}
	free(d);
}

static void launch_datagram(struct fake_net *f, const struct addr *from, const struct addr *to, const void *data,
			    size_t n)
{
	struct datagram *d = calloc(1, sizeof(*d) + n + 1);

	if (!d)
		return;
	d->f = f;
	d->from = *from;
	d->to = *to;
	d->n = n;
	if (n)
		memcpy(d->data, data, n);
	list_append(&f->datagrams, &d->node);
	loop_timer_start(f->loop, &d->timer, draw_delay(f), deliver_datagram, d);
}

void fake_net_inject(struct fake_net *f, const struct addr *from, const struct addr *to, const void *data, size_t n)
{
	const struct fake_net_rules *r = &f->rules;

	f->counts.datagrams_sent++;
	if (r->seen)
		r->seen(r->arg, from, to, data, n);
	if ((r->drop && r->drop(r->arg, from, to, data, n)) || happens(f, r->loss_per_mille)) {
		f->counts.datagrams_lost++;
		return;
	}
	launch_datagram(f, from, to, data, n);
	if (happens(f, r->duplicate_per_mille)) {
		f->counts.datagrams_doubled++;
		launch_datagram(f, from, to, data, n);
	}
}

/* --- wires --- */

/* Where a new wire of the host stands: bound as asked, port and address filled in. */
static void place(struct host *h, struct fake_wire *w, const struct addr *want)
{
	struct fake_net *f = h->f;

	w->bound = want ? *want : h->addr;
	w->local = w->bound;
	if (addr_is_any(&w->bound) && addr_is_v6(&w->bound) == addr_is_v6(&h->addr)) {
		w->local = h->addr;
		addr_set_port(&w->local, addr_port(&w->bound));
	}
	if (addr_port(&w->bound))
		return;
	do {
		addr_set_port(&w->local, f->next_port);
		f->next_port = f->next_port < UINT16_MAX ? f->next_port + 1 : FIRST_EPHEMERAL;
	} while (find(f, w->role, &w->local));
	addr_set_port(&w->bound, addr_port(&w->local));
}

static int wire_new(struct fake_wire **out, struct host *h, enum role role, const struct wire_handlers *handlers,
		    void *arg)
{
	struct fake_wire *w = calloc(1, sizeof(*w));

	if (!w)
		return ENOMEM;
	w->wire.ops = &ops;
	w->wire.kind = role == ROLE_UDP ? WIRE_UDP : WIRE_TCP;
	w->host = h;
	w->role = role;
	w->h = handlers;
	w->arg = arg;
	list_init(&w->node);
	list_init(&w->inbox);
	*out = w;
	return 0;
}

static void wire_drop(struct fake_wire *w)
{
	struct list *n;

	loop_timer_stop(w->host->f->loop, &w->timer);
	while ((n = list_first(&w->inbox))) {
		list_remove(n);
		free(LIST_ITEM(n, struct news, node));
	}
	buf_free(&w->early);
	list_remove(&w->node);
	free(w);
}

static int bind_wire(struct net *net, struct wire **out, enum role role, const struct addr *local,
		     const struct wire_handlers *h, void *arg)
{
	struct host *host = (struct host *)(void *)net;
	struct fake_wire *w = NULL;
	int err = wire_new(&w, host, role, h, arg);

	if (err)
		return err;
	place(host, w, local);
	if (find(host->f, role, &w->local)) {
		wire_drop(w);
		return EADDRINUSE;
	}
	list_append(&host->f->wires, &w->node);
	*out = &w->wire;
	return 0;
}

static int op_udp_open(struct net *n, struct wire **out, const struct addr *local, const struct wire_handlers *h,
		       void *arg)
{
	return bind_wire(n, out, ROLE_UDP, local, h, arg);
}

static int op_listen(struct net *n, struct wire **out, enum wire_kind kind, const struct addr *local,
		     const struct wire_handlers *h, void *arg)
{
	int err;

	if (kind == WIRE_UDP)
		return EPROTONOSUPPORT;
	err = bind_wire(n, out, ROLE_LISTENER, local, h, arg);
	if (!err)
		(*out)->kind = kind;
	return err;
}

/* --- streams --- */

static void arm(struct fake_wire *w)
{
	struct loop *l = w->host->f->loop;
	struct list *first = list_first(&w->inbox);
	uint64_t now = loop_now_ms(l), due;

	if (!first)
		return;
	due = LIST_ITEM(first, struct news, node)->due_ms;
	loop_timer_start(l, &w->timer, due > now ? due - now : 0, deliver_news, w);
}

static int tell(struct fake_wire *w, enum news_kind kind, const void *data, size_t n)
{
	struct news *news = calloc(1, sizeof(*news) + n + 1);
	struct fake_net *f = w->host->f;
	uint64_t due = loop_now_ms(f->loop) + draw_delay(f);

	if (!news)
		return ENOMEM;
	news->kind = kind;
	news->n = n;
	if (n)
		memcpy(news->data, data, n);
	/* A stream keeps its order, whatever delay was drawn. */
	w->last_due_ms = due > w->last_due_ms ? due : w->last_due_ms;
	news->due_ms = w->last_due_ms;
	w->waiting_bytes += n;
	list_append(&w->inbox, &news->node);
	if (list_first(&w->inbox) == &news->node)
		arm(w);
	return 0;
}

static void tell_closed(struct fake_wire *w, int err, const char *why)
{
	if (tell(w, NEWS_CLOSED, NULL, 0))
		abort();
	LIST_ITEM(w->inbox.prev, struct news, node)->err = err;
	LIST_ITEM(w->inbox.prev, struct news, node)->why = why;
}

/* w is told, behind what is on its way to it, that its peer has gone. */
static void part(struct fake_wire *w, int err, const char *why)
{
	struct fake_wire *peer = w->peer;

	w->peer = NULL;
	if (!peer)
		return;
	peer->peer = NULL;
	tell_closed(peer, err, why);
}

static int op_connect(struct net *net, struct wire **out, enum wire_kind kind, const struct addr *local,
		      const struct addr *remote, const struct wire_handlers *h, void *arg)
{
	struct host *host = (struct host *)(void *)net;
	struct fake_net *f = host->f;
	struct fake_wire *w = NULL;
	int err;

	if (kind == WIRE_UDP)
		return EPROTONOSUPPORT;
	err = wire_new(&w, host, ROLE_STREAM, h, arg);
	if (err)
		return err;
	w->wire.kind = kind;
	place(host, w, local);
	w->remote = *remote;
	w->connecting = true;
	list_append(&f->wires, &w->node);
	f->counts.connects++;
	if (!f->rules.drop || !f->rules.drop(f->rules.arg, &w->local, remote, NULL, 0))
		err = tell(w, NEWS_CONNECT, NULL, 0);
	if (err) {
		wire_drop(w);
		return err;
	}
	*out = &w->wire;
	return 0;
}

static bool has_frames(const struct fake_wire *w)
{
	return w->wire.kind == WIRE_WS || w->wire.kind == WIRE_WSS;
}

/* Cut and put on the way to the peer. */
static int launch_bytes(struct fake_wire *w, const char *data, size_t n)
{
	struct fake_net *f = w->host->f;
	int err = 0;

	while (w->peer && n && !err) {
		size_t piece = f->rules.split && !has_frames(w) ? 1 + loop_random_below(f->loop, MAX_PIECE) : n;

		if (piece > n)
			piece = n;
		err = tell(w->peer, NEWS_BYTES, data, piece);
		data += piece;
		n -= piece;
	}
	return err;
}

static int send_stream(struct fake_wire *w, const char *data, size_t n)
{
	struct fake_net *f = w->host->f;

	if ((w->peer ? w->peer->waiting_bytes : w->early.len) + n > MAX_WAITING)
		return ENOBUFS;
	f->counts.stream_bytes_sent += n;
	if (f->rules.seen)
		f->rules.seen(f->rules.arg, &w->local, &w->remote, data, n);
	if (!w->connecting)
		return launch_bytes(w, data, n);
	assert(!has_frames(w)); /* two of them would become one */
	buf_add(&w->early, data, n);
	return w->early.failed ? ENOMEM : 0;
}

/* The connect has arrived: make the other end, or say that nobody is there. */
static void meet(struct fake_wire *w)
{
	struct fake_wire *listener = find(w->host->f, ROLE_LISTENER, &w->remote);
	struct fake_wire *peer = NULL;

	w->connecting = false;
	if (listener && listener->wire.kind != w->wire.kind)
		listener = NULL;
	if (!listener || wire_new(&peer, listener->host, ROLE_STREAM, listener->h, listener->arg)) {
		const struct wire_handlers *h = w->h;
		void *arg = w->arg;

		h->closed(arg, &w->wire, ECONNREFUSED, "connection refused");
		wire_drop(w);
		return;
	}
	peer->wire.kind = w->wire.kind;
	peer->bound = peer->local = listener->local;
	peer->remote = w->local;
	peer->listener = listener;
	peer->peer = w;
	w->peer = peer;
	list_append(&w->host->f->wires, &peer->node);
	/* What was sent before the connection stood goes out now, behind accepted(). */
	if (tell(peer, NEWS_ACCEPTED, NULL, 0) || launch_bytes(w, w->early.data, w->early.len))
		abort();
	buf_free(&w->early);
	if (w->h->connected)
		w->h->connected(w->arg, &w->wire);
}

static void accept_wire(struct fake_wire *w)
{
	struct fake_wire *listener = w->listener;

	w->listener = NULL;
	w->arg = listener->arg;
	listener->h->accepted(listener->arg, &listener->wire, &w->wire, &w->remote);
}

/* One piece of news a turn. The handler may close the wire, so nothing touches it behind the handler; only
 * closed() leaves it here to be freed (the owner must not close a dead wire). */
static void deliver_news(void *arg)
{
	struct fake_wire *w = arg;
	struct news *news = LIST_ITEM(list_first(&w->inbox), struct news, node);

	list_remove(&news->node);
	w->waiting_bytes -= news->n;
	arm(w);
	switch (news->kind) {
	case NEWS_CONNECT:
		meet(w);
		break;
	case NEWS_ACCEPTED:
		accept_wire(w);
		break;
	case NEWS_BYTES:
		w->host->f->counts.stream_bytes_delivered += news->n;
		w->h->bytes(w->arg, &w->wire, &w->remote, news->data, news->n);
		break;
	case NEWS_CLOSED:
		w->h->closed(w->arg, &w->wire, news->err, news->why);
		wire_drop(w);
		break;
	}
	free(news);
}

static int op_send(struct wire *wire, const struct addr *to, const void *data, size_t n)
{
	struct fake_wire *w = fake_of(wire);

	if (w->role == ROLE_STREAM)
		return send_stream(w, data, n);
	assert(w->role == ROLE_UDP);
	if (n > MAX_DATAGRAM)
		return EMSGSIZE;
	if (addr_is_v6(to) != addr_is_v6(&w->local))
		return EAFNOSUPPORT;
	fake_net_inject(w->host->f, &w->local, to, data, n);
	return 0;
}

/* Connections that wait behind a listener that goes away are reset, as the kernel does it. */
static void drop_unaccepted(struct fake_wire *listener)
{
	struct list *wires = &listener->host->f->wires;

	for (struct list *n = wires->next, *next; n != wires; n = next) {
		struct fake_wire *w = LIST_ITEM(n, struct fake_wire, node);

		next = n->next;
		if (w->listener != listener)
			continue;
		part(w, ECONNRESET, "connection reset by peer");
		wire_drop(w);
	}
}

static void op_close(struct wire *wire)
{
	struct fake_wire *w = fake_of(wire);

	if (w->role == ROLE_LISTENER)
		drop_unaccepted(w);
	part(w, 0, "closed by the peer");
	wire_drop(w);
}

static void op_local(const struct wire *w, struct addr *out)
{
	*out = fake_of(w)->bound;
}

static void op_set_arg(struct wire *w, void *arg)
{
	fake_of(w)->arg = arg;
}

static int op_set_name(struct wire *w, const char *name)
{
	struct fake_net *f = fake_of(w)->host->f;

	assert(w->kind == WIRE_TLS && fake_of(w)->connecting);
	str_copy(f->name, sizeof(f->name), str_of(name));
	return 0;
}

const char *fake_net_name(const struct fake_net *f)
{
	return f->name;
}

static int op_source_for(struct net *n, const struct addr *remote, struct addr *out)
{
	const struct host *h = (const struct host *)(const void *)n;

	if (addr_is_v6(remote) != addr_is_v6(&h->addr))
		return ENETUNREACH;
	*out = h->addr;
	return 0;
}

static unsigned op_crowding(const struct wire *w)
{
	return fake_of(w)->host->f->crowding;
}

static const struct net_ops ops = {
	.udp_open = op_udp_open,
	.listen = op_listen,
	.connect = op_connect,
	.send = op_send,
	.close = op_close,
	.local = op_local,
	.set_arg = op_set_arg,
	.set_name = op_set_name,
	.source_for = op_source_for,
	.crowding = op_crowding,
};

/* --- the network --- */

void fake_net_crowd(struct fake_net *f, unsigned per_mille)
{
	f->crowding = per_mille;
}

int fake_net_new(struct fake_net **out, struct loop *l)
{
	struct fake_net *f = calloc(1, sizeof(*f));

	if (!f)
		return ENOMEM;
	f->loop = l;
	f->next_port = FIRST_EPHEMERAL;
	list_init(&f->hosts);
	list_init(&f->wires);
	list_init(&f->datagrams);
	*out = f;
	return 0;
}

void fake_net_free(struct fake_net **fp)
{
	struct fake_net *f = *fp;
	struct list *n;

	if (!f)
		return;
	assert(list_empty(&f->wires));
	while ((n = list_first(&f->datagrams))) {
		struct datagram *d = LIST_ITEM(n, struct datagram, node);

		loop_timer_stop(f->loop, &d->timer);
		list_remove(n);
		free(d);
	}
	while ((n = list_first(&f->hosts))) {
		list_remove(n);
		free(LIST_ITEM(n, struct host, node));
	}
	free(f);
	*fp = NULL;
}

struct net *fake_net_host(struct fake_net *f, const char *address)
{
	struct addr addr;
	struct host *h;

	if (addr_parse(&addr, str_of(address), 0))
		abort();
	for (struct list *n = f->hosts.next; n != &f->hosts; n = n->next) {
		h = LIST_ITEM(n, struct host, node);
		if (addr_same_host(&h->addr, &addr))
			return &h->net;
	}
	h = calloc(1, sizeof(*h));
	if (!h)
		abort();
	h->net.ops = &ops;
	h->f = f;
	h->addr = addr;
	list_append(&f->hosts, &h->node);
	return &h->net;
}

void fake_net_set_rules(struct fake_net *f, const struct fake_net_rules *rules)
{
	f->rules = *rules;
}

size_t fake_net_kill_connections(struct fake_net *f)
{
	size_t count = 0;

	for (struct list *n = f->wires.next, *next; n != &f->wires; n = next) {
		struct fake_wire *w = LIST_ITEM(n, struct fake_wire, node);
		struct list *old;

		next = n->next;
		if (w->role != ROLE_STREAM)
			continue;
		count++;
		if (w->listener) { /* nobody knows this end yet; the other end is in the list as well */
			if (w->peer)
				w->peer->peer = NULL;
			wire_drop(w);
			continue;
		}
		while ((old = list_first(&w->inbox))) {
			list_remove(old);
			free(LIST_ITEM(old, struct news, node));
		}
		loop_timer_stop(f->loop, &w->timer);
		w->waiting_bytes = 0;
		if (w->peer)
			w->peer->peer = NULL;
		w->peer = NULL;
		tell_closed(w, ECONNRESET, "connection reset by peer");
	}
	return count;
}

void fake_net_count(const struct fake_net *f, struct fake_net_counts *out)
{
	*out = f->counts;
	for (const struct list *n = f->datagrams.next; n != &f->datagrams; n = n->next)
		out->in_flight++;
	for (const struct list *n = f->wires.next; n != &f->wires; n = n->next) {
		const struct fake_wire *w = LIST_ITEM(n, const struct fake_wire, node);

		out->udp += w->role == ROLE_UDP;
		out->listeners += w->role == ROLE_LISTENER;
		out->connections += w->role == ROLE_STREAM;
		for (const struct list *i = w->inbox.next; i != &w->inbox; i = i->next)
			out->in_flight++;
	}
}

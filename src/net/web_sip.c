#include "net/web_sip.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/handle.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mq.h"
#include "net/tls.h"
#include "net/web_impl.h"
#include "net/web_sip_impl.h"

enum {
	MAX_CONNECTIONS = 8192,
	SPARE = 32,                 /* descriptors of connections that are on their way out */
	MAX_ORDER_BYTES = 16 << 20, /* messages that the web thread has not taken yet */
	MAX_REPORT_BYTES = 4 << 20, /* beyond them it stops reading                   */
	REPORTS_A_TURN = 64,        /* so that a flood does not starve the timers     */
};

struct web_sip_queues {
	struct mq *bell; /* rung when a report was put in */
	pthread_mutex_t lock;
	/* Guarded by lock; in order, last is where the next one goes. */
	struct order *orders, **last_order;
	struct report *reports, **last_report;
	size_t order_bytes, report_bytes;
	bool stalled; /* somebody was told to read no more              */
	bool resume;  /* the reports were taken, and nobody told him yet */
};

struct web_sip {
	struct loop *loop;
	struct web_sip_queues queues;
	struct web_sip_server server;
	struct handle_table *wires;
	struct report *due; /* taken, not delivered */
	struct loop_timer again;
	pthread_t thread;
	bool running, told_full;
};

struct web_wire {
	struct wire wire; /* first: struct wire pointers are cast back */
	struct web_sip *of;
	uint64_t id;
	struct addr remote;
	const struct wire_handlers *h;
	void *arg;
	struct order *adopt; /* until the web thread knows it: who is refused on sight never costs it anything */
	struct order *close; /* made beforehand: closing needs no memory */
};

static struct web_wire *wire_of(struct wire *w)
{
	return (struct web_wire *)(void *)w;
}

/* --- the queues --- */

void web_sip_order_free(struct order *o)
{
	if (!o)
		return;
	SSL_CTX_free(o->tls);
	web_sip_link_free(o->link);
	free(o);
}

struct order *web_sip_take(struct web_sip_queues *q, bool *resume)
{
	struct order *list;

	pthread_mutex_lock(&q->lock);
	list = q->orders;
	q->orders = NULL;
	q->last_order = &q->orders;
	q->order_bytes = 0;
	*resume = q->resume;
	q->resume = false;
	pthread_mutex_unlock(&q->lock);
	return list;
}

bool web_sip_tell(struct web_sip_queues *q, struct report *r)
{
	const char bell = 0;
	bool full;

	pthread_mutex_lock(&q->lock);
	r->next = NULL;
	*q->last_report = r;
	q->last_report = &r->next;
	q->report_bytes += sizeof(*r) + r->n;
	full = q->report_bytes > MAX_REPORT_BYTES;
	q->stalled |= full;
	pthread_mutex_unlock(&q->lock);
	mq_send(q->bell, &bell); /* when it is full it has been rung and not yet heard */
	return full;
}

/* 0, or ENOBUFS: o is still the caller's. Only messages are counted; the rest has its bounds elsewhere. */
static int give_order(struct web_sip *w, struct order *o)
{
	struct web_sip_queues *q = &w->queues;
	bool first;

	pthread_mutex_lock(&q->lock);
	if (o->n && q->order_bytes + o->n > MAX_ORDER_BYTES) {
		pthread_mutex_unlock(&q->lock);
		return ENOBUFS;
	}
	first = !q->orders;
	q->order_bytes += o->n;
	*q->last_order = o;
	q->last_order = &o->next;
	pthread_mutex_unlock(&q->lock);
	if (first)
		lws_cancel_service(w->server.context);
	return 0;
}

static struct order *order_new(enum order_kind kind, uint64_t id, size_t n)
{
	struct order *o = calloc(1, sizeof(*o) + (n ? LWS_PRE + n : 0));

	if (!o)
		return NULL;
	o->kind = kind;
	o->id = id;
	o->n = n;
	return o;
}

static struct report *take_reports(struct web_sip *w)
{
	struct web_sip_queues *q = &w->queues;
	struct report *list;
	bool wake;

	pthread_mutex_lock(&q->lock);
	list = q->reports;
	q->reports = NULL;
	q->last_report = &q->reports;
	q->report_bytes = 0;
	wake = q->stalled;
	q->resume |= q->stalled;
	q->stalled = false;
	pthread_mutex_unlock(&q->lock);
	if (wake)
		lws_cancel_service(w->server.context);
	return list;
}

/* --- wires --- */

static void wire_drop(struct web_wire *c)
{
	handle_remove(c->of->wires, c->id);
	web_sip_order_free(c->adopt);
	web_sip_order_free(c->close);
	free(c);
}

static void take_report(struct web_sip *w, const struct report *r)
{
	struct web_wire *c = handle_get(w->wires, r->id);

	if (!c)
		return; /* closed by its owner meanwhile */
	if (r->gone) {
		c->h->closed(c->arg, &c->wire, r->err, r->why);
		wire_drop(c);
	} else {
		c->h->bytes(c->arg, &c->wire, &c->remote, r->data, r->n);
	}
}

/* More is taken from the queue only when all before it is delivered, so that its bound holds. */
static void deliver(void *arg)
{
	struct web_sip *w = arg;

	for (int i = 0; i < REPORTS_A_TURN; i++) {
		struct report *r = w->due ? w->due : take_reports(w);

		if (!r)
			return;
		w->due = r->next;
		take_report(w, r);
		free(r);
	}
	loop_timer_start(w->loop, &w->again, 0, deliver, w);
}

static void on_bell(void *arg, void *msg)
{
	deliver(arg);
}

static void make_known(struct web_wire *c)
{
	if (c->adopt)
		give_order(c->of, c->adopt);
	c->adopt = NULL;
}

static int op_send(struct wire *wire, const struct addr *to, const void *data, size_t n)
{
	struct web_wire *c = wire_of(wire);
	struct order *o = order_new(ORDER_SEND, c->id, n);
	int err;

	if (!o)
		return ENOMEM;
	memcpy(o->data + LWS_PRE, data, n);
	make_known(c);
	err = give_order(c->of, o);
	if (err)
		free(o);
	return err;
}

static void op_close(struct wire *wire)
{
	struct web_wire *c = wire_of(wire);

	if (c->adopt) {
		close(c->adopt->fd);
	} else {
		give_order(c->of, c->close);
		c->close = NULL;
	}
	wire_drop(c);
}

static void op_set_arg(struct wire *w, void *arg)
{
	wire_of(w)->arg = arg;
}

/* What is asked of listeners and of a net is answered by sock.c, which has them. */
static const struct net_ops ops = { .send = op_send, .close = op_close, .set_arg = op_set_arg };

static struct link *link_new(uint64_t id)
{
	struct link *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->farewell = calloc(1, sizeof(*k->farewell));
	if (!k->farewell) {
		free(k);
		return NULL;
	}
	list_init(&k->node);
	k->id = id;
	k->last = &k->out;
	k->farewell->id = id;
	k->farewell->gone = true;
	return k;
}

static int reserve(struct web_sip *w, struct web_wire *c)
{
	int err = handle_add(w->wires, c, &c->id);

	if (err == ENOSPC && !w->told_full)
		log_printf(LOG_WARN, NULL, "sip: %zu WebSocket connections are all that fit, more are refused",
			   handle_count(w->wires));
	w->told_full = err == ENOSPC;
	return err == ENOSPC ? ENFILE : err;
}

static int wire_new(struct web_wire **out, struct web_sip *w, const struct web_sip_guest *g)
{
	struct web_wire *c = calloc(1, sizeof(*c));
	int err = c ? reserve(w, c) : ENOMEM;

	if (err) {
		free(c);
		return err;
	}
	c->wire.ops = &ops;
	c->wire.kind = g->kind;
	c->of = w;
	c->remote = g->from;
	c->h = g->h;
	c->arg = g->arg;
	c->close = order_new(ORDER_CLOSE, c->id, 0);
	c->adopt = order_new(ORDER_ADOPT, c->id, 0);
	if (c->adopt)
		c->adopt->link = link_new(c->id);
	if (!c->close || !c->adopt || !c->adopt->link) {
		wire_drop(c);
		return ENOMEM;
	}
	c->adopt->fd = g->fd;
	c->adopt->secure = g->kind == WIRE_WSS;
	*out = c;
	return 0;
}

int web_sip_adopt(struct web_sip *w, struct wire *listener, const struct web_sip_guest *g)
{
	struct web_wire *c = NULL;
	int err = wire_new(&c, w, g);
	uint64_t id;

	if (err)
		return err;
	id = c->id;
	g->h->accepted(g->arg, listener, &c->wire, &g->from);
	c = handle_get(w->wires, id);
	if (c)
		make_known(c);
	return 0;
}

int web_sip_use_tls(struct web_sip *w, const struct tls_ctx *c)
{
	struct order *o = order_new(ORDER_TLS, 0, 0);

	if (!o)
		return ENOMEM;
	o->tls = tls_ctx_share(c);
	give_order(w, o);
	return 0;
}

/* --- life --- */

int web_sip_new(struct web_sip **out, struct loop *l)
{
	struct web_sip *w = calloc(1, sizeof(*w));
	unsigned max = web_descriptor_limit(MAX_CONNECTIONS + SPARE);
	int err = ENOMEM;

	if (!w)
		return err;
	w->loop = l;
	pthread_mutex_init(&w->queues.lock, NULL);
	w->queues.last_order = &w->queues.orders;
	w->queues.last_report = &w->queues.reports;
	w->server.queues = &w->queues;
	list_init(&w->server.all);
	if (handle_table_new(&w->wires, max > SPARE ? max - SPARE : 1))
		goto out;
	err = mq_new(&w->queues.bell, l, 1, 1, on_bell, w);
	if (!err)
		err = web_sip_server_open(&w->server, max, loop_random(l));
	if (!err)
		err = web_start_thread(&w->thread, web_sip_server_run, &w->server, "web-sip");
	if (err)
		goto out;
	w->running = true;
	*out = w;
	w = NULL;
out:
	web_sip_free(&w);
	return err;
}

static void free_orders(struct order *o)
{
	struct order *next;

	for (; o; o = next) {
		next = o->next;
		/* A socket that was on its way belongs to nobody else. */
		if (o->kind == ORDER_ADOPT)
			close(o->fd);
		web_sip_order_free(o);
	}
}

static void free_reports(struct report *r)
{
	struct report *next;

	for (; r; r = next) {
		next = r->next;
		free(r);
	}
}

void web_sip_free(struct web_sip **pw)
{
	struct web_sip *w = *pw;
	bool resume;

	if (!w)
		return;
	*pw = NULL;
	assert(!w->wires || !handle_count(w->wires));
	atomic_store(&w->server.stop, true);
	if (w->running) {
		lws_cancel_service(w->server.context);
		pthread_join(w->thread, NULL);
	}
	web_sip_server_close(&w->server);
	free_orders(web_sip_take(&w->queues, &resume));
	free_reports(w->due);
	loop_timer_stop(w->loop, &w->again);
	free_reports(w->queues.reports);
	mq_free(&w->queues.bell);
	handle_table_free(&w->wires);
	pthread_mutex_destroy(&w->queues.lock);
	free(w);
}

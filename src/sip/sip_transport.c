#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/handle.h"
#include "base/log.h"
#include "base/map.h"
#include "sip/sip_transport_impl.h"

/* --- names --- */

const char *sip_transport_via(enum wire_kind kind)
{
	static const char *const names[] = { "UDP", "TCP", "TLS", "WS", "WSS" };

	return names[kind];
}

const char *sip_transport_param(enum wire_kind kind)
{
	static const char *const names[] = { "udp", "tcp", "tls", "ws", "wss" };

	return names[kind];
}

bool sip_transport_is_websocket(enum wire_kind kind)
{
	return kind == WIRE_WS || kind == WIRE_WSS;
}

void sip_transport_name(const struct sip_transport *t, const struct sip_flow *flow, char *out, size_t size)
{
	sip_listeners_name(&t->listeners, flow->listener, &flow->remote, out, size);
}

/* --- connections --- */

/* Addresses are found by their bytes; the families differ in length. */
static struct str peer_key(const struct addr *a)
{
	if (addr_is_v6(a))
		return (struct str){ (const char *)&a->in6.sin6_addr, sizeof(a->in6.sin6_addr) };
	return (struct str){ (const char *)&a->in4.sin_addr, sizeof(a->in4.sin_addr) };
}

static struct peer *peer_get(struct sip_transport *t, const struct addr *remote)
{
	struct peer *p = map_get(t->peers, peer_key(remote));

	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->addr = *remote;
	list_init(&p->conns);
	if (map_put(t->peers, peer_key(remote), p)) {
		free(p);
		return NULL;
	}
	return p;
}

static void peer_put(struct sip_transport *t, struct peer *p)
{
	if (!list_empty(&p->conns))
		return;
	map_take(t->peers, peer_key(&p->addr));
	free(p);
}

static void conn_free(struct conn *c)
{
	struct sip_transport *t = c->t;

	loop_timer_stop(t->loop, &c->timer);
	if (c->wire)
		c->wire->ops->close(c->wire);
	handle_remove(t->conns, c->id);
	list_remove(&c->node);
	list_remove(&c->all);
	c->peer->inbound -= c->inbound;
	peer_put(t, c->peer);
	buf_free(&c->in);
	free(c->name);
	free(c);
}

/* Nothing of c may be touched afterwards. */
void conn_lose(struct conn *c, const char *why)
{
	struct sip_transport *t = c->t;
	uint64_t id = c->id;
	char text[ADDR_TEXT];

	if (log_wants(LOG_DEBUG))
		log_printf(LOG_DEBUG, NULL, "sip: %s connection with %s lost: %s", sip_transport_param(c->kind),
			   addr_text(&c->remote, text), why);
	conn_free(c);
	t->h->lost(t->arg, id, why);
}

static bool waits_for_message(const struct conn *c)
{
	return !c->standing || (c->inbound && !c->proven) || c->in.len;
}

static uint64_t conn_due(const struct conn *c)
{
	uint64_t idle_ms = c->active_ms + IDLE_MS, quiet_ms = c->sent_ms + QUIET_MS;

	/* A browser opens its connection with the page, and calls later. */
	if (sip_transport_is_websocket(c->kind))
		return c->proven ? idle_ms : c->since_ms + IDLE_MS;
	if (waits_for_message(c))
		return c->since_ms + MESSAGE_WAIT_MS;
	return c->inbound || idle_ms < quiet_ms ? idle_ms : quiet_ms;
}

static void conn_timer(void *arg);

void conn_arm(struct conn *c)
{
	uint64_t now = loop_now_ms(c->t->loop), due = conn_due(c);

	loop_timer_start(c->t->loop, &c->timer, due > now ? due - now : 0, conn_timer, c);
}

static bool is_held(const struct conn *c)
{
	return c->t->h->holds && c->t->h->holds(c->t->arg, c->id);
}

/* Nothing was said for a while. The peer need not answer the keep-alive: when it has gone, TCP finds out by the bytes
 * that nobody takes. */
static void conn_rests(struct conn *c)
{
	uint64_t now = loop_now_ms(c->t->loop);
	bool held = is_held(c);

	if (!held && now >= c->active_ms + IDLE_MS) {
		conn_lose(c, "idle for 10 minutes");
		return;
	}
	c->sent_ms = now;
	if (held) {
		c->active_ms = now;
		if (!c->inbound) {
			c->blank = 0; /* answers to earlier ones are no half of a keep-alive */
			c->wire->ops->send(c->wire, &c->remote, "\r\n\r\n", PING);
		}
	}
	conn_arm(c);
}

static bool is_used(void *arg, uint16_t listener);
static bool is_retired(const struct sip_transport *t, uint16_t listener);

/* Who holds a WebSocket may be called by it at any time, but for one of a listener that nobody needs any more. */
static bool stays(const struct conn *c)
{
	if (!sip_transport_is_websocket(c->kind) || !c->proven)
		return false;
	return !is_retired(c->t, c->listener) || is_used(c->t, c->listener);
}

/* The timer is started anew only when the deadline comes nearer; a later one is found out here. */
static void conn_timer(void *arg)
{
	struct conn *c = arg;

	if (stays(c))
		c->active_ms = loop_now_ms(c->t->loop);
	if (loop_now_ms(c->t->loop) < conn_due(c))
		conn_arm(c);
	else if (!c->standing)
		conn_lose(c, "connect timed out");
	else if (sip_transport_is_websocket(c->kind))
		conn_lose(c, c->proven ? "idle for 10 minutes" : "no message within 10 minutes");
	else if (waits_for_message(c))
		conn_lose(c, "no whole message within 32 s");
	else
		conn_rests(c);
}

/* A connection with listener, remote and inbound set in *like. The caller sets the wire. */
static int conn_new(struct conn **out, struct sip_transport *t, const struct conn *like)
{
	struct peer *p = peer_get(t, &like->remote);
	struct conn *c;
	int err;

	if (!p)
		return ENOMEM;
	c = calloc(1, sizeof(*c));
	err = c ? handle_add(t->conns, c, &c->id) : ENOMEM;
	if (err) {
		free(c);
		peer_put(t, p);
		return err;
	}
	c->t = t;
	c->peer = p;
	c->remote = like->remote;
	c->kind = like->kind;
	c->listener = like->listener;
	c->inbound = c->standing = like->inbound;
	c->since_ms = c->active_ms = c->sent_ms = loop_now_ms(t->loop);
	buf_init(&c->in, MAX_BUFFER);
	list_append(&p->conns, &c->node);
	list_append(&t->all, &c->all);
	p->inbound += c->inbound;
	conn_arm(c);
	*out = c;
	return 0;
}

/* --- wires --- */

static void on_connected(void *arg, struct wire *w)
{
	struct conn *c = arg;

	c->standing = true;
	c->active_ms = loop_now_ms(c->t->loop);
	conn_arm(c);
}

static void on_closed(void *arg, struct wire *w, int err, const char *why)
{
	struct conn *c = arg;

	c->wire = NULL;
	conn_lose(c, why);
}

static bool over_limit(struct sip_transport *t, const struct addr *from)
{
	struct peer *p = map_get(t->peers, peer_key(from));
	char text[ADDR_TEXT];

	if (!p || p->inbound < MAX_PER_HOST)
		return false;
	if (!p->warned)
		log_printf(LOG_WARN, NULL, "sip: %s has %d connections, more are refused", addr_host(from, text),
			   MAX_PER_HOST);
	p->warned = true;
	return true;
}

static void on_accepted(void *arg, struct wire *listener, struct wire *w, const struct addr *from)
{
	const struct sip_listener *l = arg;
	struct sip_transport *t = l->of->opts.arg;
	struct conn like = { .remote = *from, .kind = l->kind, .listener = l->index, .inbound = true };
	struct conn *c = NULL;

	if (over_limit(t, from) || conn_new(&c, t, &like)) {
		w->ops->close(w);
		return;
	}
	c->wire = w;
	w->ops->set_arg(w, c);
}

static const struct wire_handlers datagram_handlers = { .bytes = transport_on_datagram };
static const struct wire_handlers stream_handlers = { transport_on_stream, on_accepted, on_connected, on_closed };

static bool is_used(void *arg, uint16_t listener)
{
	const struct sip_transport *t = arg;

	return t->h->uses && t->h->uses(t->arg, listener);
}

int sip_transport_new(struct sip_transport **out, const struct sip_stack_opts *opts,
		      const struct sip_transport_handlers *h, void *arg, char why[160])
{
	struct sip_transport *t = calloc(1, sizeof(*t));
	struct sip_listeners_opts listeners = {
		opts->loop, opts->net, &datagram_handlers, &stream_handlers, is_used, t
	};
	int err = ENOMEM;

	snprintf(why, 160, "%s", strerror(ENOMEM));
	if (!t)
		return err;
	list_init(&t->all);
	t->loop = opts->loop;
	t->net = opts->net;
	t->trace = opts->trace;
	t->h = h;
	t->arg = arg;
	err = sip_listeners_init(&t->listeners, &listeners);
	if (!err)
		err = handle_table_new(&t->conns, 0);
	if (!err)
		err = map_new(&t->peers, loop_random(t->loop));
	if (!err)
		err = sip_listeners_open(&t->listeners, opts->listen, opts->listen_count, why);
	if (err)
		goto out;
	sip_listeners_switch(&t->listeners, opts->listen, opts->listen_count, opts->advertise);
	*out = t;
	t = NULL;
out:
	sip_transport_free(&t);
	return err;
}

void sip_transport_free(struct sip_transport **tp)
{
	struct sip_transport *t = *tp;
	struct list *n;

	if (!t)
		return;
	while ((n = list_first(&t->all)))
		conn_free(LIST_ITEM(n, struct conn, all));
	sip_listeners_done(&t->listeners);
	handle_table_free(&t->conns);
	map_free(&t->peers);
	free(t);
	*tp = NULL;
}

/* --- flows --- */

/* Nobody knows who an inbound TLS peer is. */
static bool is_verified_as(const struct conn *c, struct str name)
{
	return c->kind != WIRE_TLS || (c->name && str_iis(name, c->name));
}

static bool is_retired(const struct sip_transport *t, uint16_t listener)
{
	return t->listeners.items[listener]->retired;
}

static struct conn *find_conn(const struct sip_transport *t, enum wire_kind kind, const struct addr *remote,
			      struct str name)
{
	const struct peer *p = map_get(t->peers, peer_key(remote));

	for (const struct list *n = p ? p->conns.next : NULL; p && n != &p->conns; n = n->next) {
		struct conn *c = LIST_ITEM(n, struct conn, node);

		if (c->kind == kind && addr_equal(&c->remote, remote) && is_verified_as(c, name) &&
		    !is_retired(t, c->listener))
			return c;
	}
	return NULL;
}

static int connect_wire(struct conn *c, const struct addr *local)
{
	const struct net_ops *ops = c->t->net->ops;
	int err = ops->connect(c->t->net, &c->wire, c->kind, local, &c->remote, &stream_handlers, c);

	return err || !c->name ? err : ops->set_name(c->wire, c->name);
}

static int conn_open(struct conn **out, struct sip_transport *t, const struct sip_listener *l,
		     const struct addr *remote, struct str name)
{
	struct conn like = { .remote = *remote, .kind = l->kind, .listener = l->index };
	const struct addr *from = addr_is_any(&l->addr) ? NULL : &l->addr;
	struct addr local = l->addr;
	struct conn *c = NULL;
	int err;

	/* Our address as it is known, but a port of its own: the listener has the other one. */
	addr_set_port(&local, 0);
	err = conn_new(&c, t, &like);
	if (err)
		return err;
	if (l->kind == WIRE_TLS) {
		c->name = str_heap(name);
		err = c->name ? 0 : ENOMEM;
	}
	if (!err)
		err = connect_wire(c, from ? &local : NULL);
	if (err) {
		conn_free(c);
		return err;
	}
	*out = c;
	return 0;
}

int sip_transport_flow(struct sip_transport *t, enum wire_kind kind, const struct addr *remote, struct str name,
		       struct sip_flow *out)
{
	struct sip_flow flow = { .kind = kind, .remote = *remote };
	const struct sip_listener *l;
	struct conn *c;
	int err;

	c = kind == WIRE_UDP ? NULL : find_conn(t, kind, remote, name);
	if (!c) {
		l = sip_listeners_pick(&t->listeners, kind, remote);
		if (!l)
			return EPROTONOSUPPORT;
		if ((kind == WIRE_TLS && !name.n) || sip_transport_is_websocket(kind))
			return ENOTCONN;
		flow.listener = l->index;
		err = kind == WIRE_UDP ? 0 : conn_open(&c, t, l, remote, name);
		if (err)
			return err;
	}
	if (c) {
		flow.listener = c->listener;
		flow.connection = c->id;
	}
	*out = flow;
	return 0;
}

uint8_t sip_transport_kinds(const struct sip_transport *t)
{
	unsigned kinds = 0;

	for (size_t i = 0; i < t->listeners.count; i++)
		if (!t->listeners.items[i]->retired)
			kinds |= 1U << t->listeners.items[i]->kind;
	return (uint8_t)kinds;
}

bool sip_transport_stands(const struct sip_transport *t, const struct sip_flow *flow)
{
	if (flow->kind == WIRE_UDP)
		return t->listeners.items[flow->listener]->wire;
	return handle_get(t->conns, flow->connection);
}

bool sip_transport_is_connected(const struct sip_transport *t, const struct sip_flow *flow)
{
	const struct conn *c = flow->kind == WIRE_UDP ? NULL : handle_get(t->conns, flow->connection);

	return flow->kind == WIRE_UDP || (c && c->standing);
}

bool sip_transport_is_retired(const struct sip_transport *t, const struct sip_flow *flow)
{
	return is_retired(t, flow->listener);
}

bool sip_transport_is_inbound(const struct sip_transport *t, const struct sip_flow *flow)
{
	const struct conn *c = flow->kind == WIRE_UDP ? NULL : handle_get(t->conns, flow->connection);

	return c && c->inbound;
}

static int send_bytes(struct sip_transport *t, const struct sip_flow *flow, struct str bytes)
{
	struct conn *c;
	int err;

	if (flow->kind == WIRE_UDP) {
		struct wire *w = t->listeners.items[flow->listener]->wire;

		if (!w)
			return ENOTCONN;
		assert(w->kind == WIRE_UDP);
		return bytes.n > MAX_UDP ? EMSGSIZE : w->ops->send(w, &flow->remote, bytes.p, bytes.n);
	}
	c = handle_get(t->conns, flow->connection);
	if (!c)
		return ENOTCONN;
	err = c->wire->ops->send(c->wire, &flow->remote, bytes.p, bytes.n);
	if (!err)
		c->active_ms = c->sent_ms = loop_now_ms(t->loop);
	return err;
}

int sip_transport_send(struct sip_transport *t, const struct sip_flow *flow, struct str bytes)
{
	int err = send_bytes(t, flow, bytes);

	if (!err && t->trace)
		transport_trace(t, NULL, flow, bytes);
	return err;
}

bool sip_transport_crowded(struct sip_transport *t)
{
	unsigned limit = t->crowded ? CROWDED_UNTIL : CROWDED_FROM, most = 0;
	uint64_t now_ms = loop_now_ms(t->loop);

	if (now_ms - t->looked_ms < CROWDED_LOOK_MS)
		return t->crowded;
	for (size_t i = 0; i < t->listeners.count; i++) {
		const struct wire *w = t->listeners.items[i]->wire;
		unsigned full = w && w->kind == WIRE_UDP && w->ops->crowding ? w->ops->crowding(w) : 0;

		if (full > most)
			most = full;
	}
	t->looked_ms = now_ms;
	t->crowded = most > limit;
	return t->crowded;
}

size_t sip_transport_connections(const struct sip_transport *t)
{
	return handle_count(t->conns);
}

void sip_transport_local(const struct sip_transport *t, size_t n, struct addr *out)
{
	*out = sip_listeners_nth(&t->listeners, n)->addr;
}

int sip_transport_open(struct sip_transport *t, const struct sip_listen *listen, size_t count, char why[160])
{
	return sip_listeners_open(&t->listeners, listen, count, why);
}

void sip_transport_switch(struct sip_transport *t, const struct sip_listen *listen, size_t count, const char *advertise)
{
	sip_listeners_switch(&t->listeners, listen, count, advertise);
}

#include "net/ws_client.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/arena.h"
#include "base/handle.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/map.h"
#include "base/mq.h"
#include "net/web_impl.h"
#include "net/ws_client_impl.h"
#include "net/ws_feed.h"

enum {
	PING_AFTER_S = 20,
	GONE_AFTER_S = 30,
	REPORTS_A_TURN = 64, /* so that a flood does not starve the timers */
	GRANT = WS_CREDITS / 2,
	CODE_GOING_AWAY = 1001,
	MAX_USERINFO = 512,
};

struct ws_client {
	struct ws door; /* first: struct ws pointers are cast back */
	struct loop *loop;
	struct handle_table *ids;
	struct list conns;
	struct ws_serve serve;
	struct ws_report *due; /* taken, not delivered */
	struct loop_timer again;
	pthread_t thread;
	bool running;
};

/* Lives until its last report has come, whether its owner still wants to know or not. */
struct ws_conn {
	struct list node;
	struct ws_client *of;
	uint64_t id;
	const struct ws_handlers *h; /* NULL = nobody is told */
	void *arg;
	struct loop_timer deadline;
	uint32_t deadline_ms;
	struct ws_order *open;  /* until the thread has it */
	struct ws_order *close; /* made beforehand: closing needs no memory */
	unsigned delivered;     /* messages since the last grant */
};

static struct ws_client *client_of(struct ws *w)
{
	return (struct ws_client *)(void *)w;
}

/* --- the way to the thread --- */

/* A ring that nobody has answered yet is enough. */
void ws_wake(struct ws_serve *s)
{
	struct lws_context *context = atomic_load(&s->bell);

	if (context && !atomic_exchange(&s->rung, true))
		lws_cancel_service(context);
}

static void ring(void *arg)
{
	ws_wake(arg);
}

void ws_order_free(struct ws_order *o)
{
	if (!o)
		return;
	ws_link_free(o->link);
	free(o);
}

struct ws_order *ws_take_orders(struct ws_serve *s)
{
	struct ws_order *list;

	pthread_mutex_lock(&s->lock);
	list = s->orders;
	s->orders = NULL;
	s->last_order = &s->orders;
	pthread_mutex_unlock(&s->lock);
	return list;
}

void ws_tell(struct ws_serve *s, struct ws_report *r)
{
	const char bell = 0;

	r->next = NULL;
	pthread_mutex_lock(&s->lock);
	*s->last_report = r;
	s->last_report = &r->next;
	pthread_mutex_unlock(&s->lock);
	mq_send(s->doorbell, &bell); /* when it is full it has been rung and not yet heard */
}

static void give(struct ws_client *c, struct ws_order *o)
{
	struct ws_serve *s = &c->serve;

	pthread_mutex_lock(&s->lock);
	*s->last_order = o;
	s->last_order = &o->next;
	pthread_mutex_unlock(&s->lock);
	ws_wake(s);
}

static struct ws_order *order_new(enum ws_verb verb, uint64_t id, size_t n)
{
	struct ws_order *o = calloc(1, sizeof(*o) + (n ? LWS_PRE + n : 0));

	if (!o)
		return NULL;
	o->verb = verb;
	o->id = id;
	o->n = n;
	return o;
}

/* --- what comes from it --- */

static void conn_free(struct ws_conn *c)
{
	loop_timer_stop(c->of->loop, &c->deadline);
	list_remove(&c->node);
	ws_order_free(c->open);
	ws_order_free(c->close);
	free(c);
}

/* The owner hears of it no more. */
static void let_go(struct ws_conn *c)
{
	c->h = NULL;
	handle_remove(c->of->ids, c->id);
	loop_timer_stop(c->of->loop, &c->deadline);
}

static void part(struct ws_conn *c, uint16_t code)
{
	struct ws_order *o = c->close;

	let_go(c);
	c->close = NULL;
	o->code = code;
	give(c->of, o);
}

/* Half of the credits at a time. */
static void grant(struct ws_conn *c)
{
	struct ws_order *o;

	if (!c->h || ++c->delivered < GRANT)
		return;
	o = order_new(WS_ORDER_CREDIT, c->id, 0);
	if (!o)
		return; /* with the next message */
	o->n = c->delivered;
	c->delivered = 0;
	give(c->of, o);
}

static void on_gone(struct ws_conn *c, const struct ws_report *r)
{
	const struct ws_end end = { .code = r->code, .why = r->why };
	const struct ws_handlers *h = c->h;
	void *arg = c->arg;

	if (h)
		let_go(c);
	conn_free(c);
	if (h)
		h->closed(arg, &end);
}

static void take_report(const struct ws_report *r)
{
	struct ws_conn *c = r->conn;

	switch (r->news) {
	case WS_NEWS_OPENED:
		loop_timer_stop(c->of->loop, &c->deadline);
		if (c->h)
			c->h->opened(c->arg);
		break;
	case WS_NEWS_MESSAGE:
		grant(c);
		if (c->h)
			c->h->message(c->arg, r->kind, (struct str){ r->data, r->n });
		break;
	case WS_NEWS_GONE:
		on_gone(c, r);
		break;
	}
}

static struct ws_report *take_reports(struct ws_serve *s)
{
	struct ws_report *list;

	pthread_mutex_lock(&s->lock);
	list = s->reports;
	s->reports = NULL;
	s->last_report = &s->reports;
	pthread_mutex_unlock(&s->lock);
	return list;
}

static void deliver(void *arg)
{
	struct ws_client *w = arg;

	for (int i = 0; i < REPORTS_A_TURN; i++) {
		struct ws_report *r = w->due ? w->due : take_reports(&w->serve);

		if (!r)
			return;
		w->due = r->next;
		take_report(r);
		free(r);
	}
	loop_timer_start(w->loop, &w->again, 0, deliver, w);
}

static void on_doorbell(void *arg, void *msg)
{
	deliver(arg);
}

static void too_late(void *arg)
{
	const struct ws_handlers *h;
	struct ws_conn *c = arg;
	struct ws_end end = { .code = 0 };
	char why[WS_WHY];

	snprintf(why, sizeof(why), "no WebSocket within %u ms", c->deadline_ms);
	end.why = why;
	h = c->h;
	arg = c->arg;
	part(c, CODE_GOING_AWAY);
	h->closed(arg, &end);
}

/* --- a new one --- */

/* RFC 7617. Empty without user. */
static int basic_authorization(char out[WS_MAX_AUTHORIZATION], struct str userinfo)
{
	static const char basic[] = "Basic ";
	struct str user, password = userinfo;
	struct arena *arena = NULL;
	struct buf plain;
	int err;

	if (!userinfo.p)
		return 0;
	if (userinfo.n > MAX_USERINFO)
		return EINVAL;
	err = arena_new(&arena, 0, 0);
	if (err)
		return err;
	str_split(&password, ':', &user);
	buf_init(&plain, 0);
	buf_str(&plain, str_percent_decode(arena, user));
	buf_char(&plain, ':');
	buf_str(&plain, password.p ? str_percent_decode(arena, password) : STR(""));
	if (plain.failed)
		err = ENOMEM;
	else
		EVP_EncodeBlock((unsigned char *)out + sizeof(basic) - 1, (const unsigned char *)plain.data,
				(int)plain.len);
	memcpy(out, basic, sizeof(basic) - 1);
	buf_free(&plain);
	arena_free(&arena);
	return err;
}

static int authorization(char out[WS_MAX_AUTHORIZATION], const struct ws_request *r)
{
	if (!r->bearer)
		return basic_authorization(out, r->url.userinfo);
	if (strlen(r->bearer) > WS_MAX_BEARER)
		return EINVAL;
	snprintf(out, WS_MAX_AUTHORIZATION, "Bearer %s", r->bearer);
	return 0;
}

static int fill_link(struct ws_link *k, const struct ws_request *r)
{
	const struct url *u = &r->url;

	if (u->authority.n > WS_MAX_HOST || u->tail.n > WS_MAX_PATH || !r->addr_count || r->addr_count > WS_MAX_ADDRS)
		return EINVAL;
	k->secure = u->https;
	str_copy(k->host, sizeof(k->host), u->authority);
	snprintf(k->path, sizeof(k->path), "%s%.*s", u->tail.n && u->tail.p[0] == '/' ? "" : "/", STR_ARG(u->tail));
	memcpy(k->addrs, r->addrs, r->addr_count * sizeof(k->addrs[0]));
	k->addr_count = r->addr_count;
	return authorization(k->authorization, r);
}

static int link_new(struct ws_link **out, struct ws_conn *c, const struct ws_request *r)
{
	struct ws_link *k = calloc(1, sizeof(*k));
	int err;

	if (!k)
		return ENOMEM;
	list_init(&k->node);
	k->of = &c->of->serve;
	k->conn = c;
	k->id = c->id;
	k->credits = WS_CREDITS;
	k->wants_messages = c->h->message;
	k->last = &k->out;
	k->farewell = calloc(1, sizeof(*k->farewell));
	if (r->feed)
		k->frame = malloc(LWS_PRE + ws_feed_room(r->feed));
	err = k->farewell && (k->frame || !r->feed) ? fill_link(k, r) : ENOMEM;
	if (err) {
		ws_link_free(k);
		return err;
	}
	k->farewell->conn = c;
	k->farewell->news = WS_NEWS_GONE;
	if (r->feed) {
		k->feed = ws_feed_use(r->feed);
		ws_feed_bell(k->feed, ring, k->of);
	}
	*out = k;
	return 0;
}

static int fill_conn(struct ws_conn *c, const struct ws_request *r)
{
	int err = handle_add(c->of->ids, c, &c->id);

	if (err)
		return err == ENOSPC ? ENFILE : err;
	c->open = order_new(WS_ORDER_OPEN, c->id, 0);
	c->close = order_new(WS_ORDER_CLOSE, c->id, 0);
	err = c->open && c->close ? link_new(&c->open->link, c, r) : ENOMEM;
	if (err)
		handle_remove(c->of->ids, c->id);
	return err;
}

static int start_thread(struct ws_client *w)
{
	int err;

	if (w->running)
		return 0;
	err = web_start_thread(&w->thread, ws_serve_run, &w->serve, "ws-client");
	w->running = !err;
	return err;
}

static int op_open(struct ws *door, const struct ws_request *r, const struct ws_handlers *h, void *arg, uint64_t *id)
{
	struct ws_client *w = client_of(door);
	struct ws_conn *c;
	int err = start_thread(w);

	if (err)
		return err;
	c = calloc(1, sizeof(*c));
	if (!c)
		return ENOMEM;
	c->of = w;
	c->h = h;
	c->arg = arg;
	c->deadline_ms = r->deadline_ms;
	list_append(&w->conns, &c->node);
	err = fill_conn(c, r);
	if (err) {
		conn_free(c);
		return err;
	}
	loop_timer_start(w->loop, &c->deadline, r->deadline_ms, too_late, c);
	give(w, c->open);
	c->open = NULL;
	*id = c->id;
	return 0;
}

static int op_send(struct ws *door, uint64_t id, enum ws_kind kind, struct str bytes)
{
	struct ws_client *w = client_of(door);
	struct ws_order *o;

	if (!handle_get(w->ids, id))
		return ENOENT;
	o = order_new(WS_ORDER_SEND, id, bytes.n);
	if (!o)
		return ENOMEM;
	o->kind = kind;
	if (bytes.n)
		memcpy(o->data + LWS_PRE, bytes.p, bytes.n);
	give(w, o);
	return 0;
}

static void op_close(struct ws *door, uint64_t id, uint16_t code)
{
	struct ws_conn *c = handle_get(client_of(door)->ids, id);

	if (c)
		part(c, code);
}

static const struct ws_ops ops = { .open = op_open, .send = op_send, .close = op_close };

/* --- life --- */

int ws_client_new(struct ws **out, const struct ws_client_opts *opts)
{
	struct ws_client *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return ENOMEM;
	w->door.ops = &ops;
	w->loop = opts->loop;
	list_init(&w->conns);
	list_init(&w->serve.all);
	pthread_mutex_init(&w->serve.lock, NULL);
	w->serve.last_order = &w->serve.orders;
	w->serve.last_report = &w->serve.reports;
	w->serve.ping_after_s = opts->ping_after_s ? opts->ping_after_s : PING_AFTER_S;
	w->serve.gone_after_s = opts->gone_after_s ? opts->gone_after_s : GONE_AFTER_S;
	err = handle_table_new(&w->ids, WS_MAX_CONNECTIONS);
	if (!err)
		err = map_new(&w->serve.links, loop_random(w->loop));
	if (!err)
		err = mq_new(&w->serve.doorbell, w->loop, 1, 1, on_doorbell, w);
	*out = &w->door;
	if (err)
		ws_client_free(out);
	return err;
}

static void drop_orders(struct ws_client *w)
{
	struct ws_order *next;

	for (struct ws_order *o = ws_take_orders(&w->serve); o; o = next) {
		next = o->next;
		ws_order_free(o);
	}
}

static void free_reports(struct ws_report *r)
{
	struct ws_report *next;

	for (; r; r = next) {
		next = r->next;
		free(r);
	}
}

void ws_client_free(struct ws **door)
{
	struct ws_client *w = *door ? client_of(*door) : NULL;
	struct list *n;

	if (!w)
		return;
	*door = NULL;
	atomic_store(&w->serve.stop, true);
	if (w->running) {
		ws_wake(&w->serve);
		pthread_join(w->thread, NULL);
	}
	ws_serve_close(&w->serve);
	drop_orders(w);
	loop_timer_stop(w->loop, &w->again);
	free_reports(w->due);
	free_reports(take_reports(&w->serve));
	while ((n = list_first(&w->conns))) {
		struct ws_conn *c = LIST_ITEM(n, struct ws_conn, node);

		handle_remove(w->ids, c->id);
		conn_free(c);
	}
	mq_free(&w->serve.doorbell);
	map_free(&w->serve.links);
	handle_table_free(&w->ids);
	pthread_mutex_destroy(&w->serve.lock);
	free(w);
}

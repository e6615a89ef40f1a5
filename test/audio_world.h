/* audio_world: a call whose audio is copied elsewhere, on virtual time: the server's documents, names and WebSockets of the
 * test's making. Media sockets are real but silent. A program includes it once. */
#ifndef AUDIO_WORLD_H
#define AUDIO_WORLD_H

#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "call/call_media.h"
#include "fake_world.h"
#include "net/http_rules.h"
#include "net/sock.h"
#include "net/ws_client.h"
#include "net/ws_feed.h"
#include "op/op_background.h"
#include "op/op_tap.h"

/* WebSockets that do what their host's name says. */
struct fake_conn {
	struct loop *loop;
	struct loop_timer timer;
	const struct ws_handlers *h; /* NULL = it is not open */
	void *arg;
	uint64_t id;
	struct ws_feed *feed;
	bool dies; /* 1 s after it was opened */
};

struct fake_ws {
	struct ws door; /* first: struct ws pointers are cast back */
	struct fake_conn conns[20];
	struct loop *loop;
	uint64_t ids;
	char url[200], said[800], bearer[80]; /* of the newest; said: all messages */
	size_t addr_count;
	uint16_t code;
	unsigned closes;
	int err; /* of the next open */
};

struct world {
	struct fake_world base;
	struct tap_env taps;
	struct fake_ws ws;
	struct fake_caller caller;
	struct call *call;
	int ear; /* hears the RTP */
	uint16_t ear_port;
	const char *operation; /* the only one there is */
	struct buf story;      /* "tapping finished ended" */
	char params[1000], first[1000], control_id[40], warning[300];
	unsigned begun, over, ended;
};

/* --- WebSockets --- */

static struct fake_ws *fake_of(struct ws *w)
{
	return (struct fake_ws *)(void *)w;
}

static void conn_free(struct fake_conn *c)
{
	c->h = NULL;
	ws_feed_drop(&c->feed);
	loop_timer_stop(c->loop, &c->timer);
}

static void ws_end(struct fake_conn *c, const char *why)
{
	const struct ws_end end = { .why = why };
	const struct ws_handlers *h = c->h;

	conn_free(c);
	h->closed(c->arg, &end);
}

static void ws_die(void *arg)
{
	ws_end(arg, "the server closed the WebSocket");
}

static void ws_stand(void *arg)
{
	struct fake_conn *c = arg;

	if (c->dies)
		loop_timer_start(c->loop, &c->timer, 1000, ws_die, c);
	c->h->opened(c->arg);
}

static void ws_refuse(void *arg)
{
	ws_end(arg, "the server answered 403 to the WebSocket handshake");
}

static void ws_late(void *arg)
{
	ws_end(arg, "no WebSocket in time");
}

static struct fake_conn *conn_of(struct fake_ws *f, uint64_t id)
{
	for (size_t i = 0; i < ARRAY_LEN(f->conns); i++)
		if (f->conns[i].h && f->conns[i].id == id)
			return &f->conns[i];
	return NULL;
}

static unsigned open_conns(const struct fake_ws *f)
{
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_LEN(f->conns); i++)
		n += f->conns[i].h != NULL;
	return n;
}

static int op_open(struct ws *w, const struct ws_request *r, const struct ws_handlers *h, void *arg, uint64_t *id)
{
	struct fake_ws *f = fake_of(w);
	struct fake_conn *c = &f->conns[++f->ids % ARRAY_LEN(f->conns)];
	struct buf url = { 0 };
	int err = f->err;

	f->err = 0;
	if (err)
		return err;
	assert_null(c->h);
	*c = (struct fake_conn){ .loop = f->loop, .h = h, .arg = arg, .id = f->ids, .feed = ws_feed_use(r->feed) };
	CHECK(r->deadline_ms > 0 && r->deadline_ms <= 5000);
	f->addr_count = r->addr_count;
	url_bare_ws(&url, &r->url);
	str_copy(f->url, sizeof(f->url), buf_view(&url));
	buf_free(&url);
	f->said[0] = '\0';
	str_copy(f->bearer, sizeof(f->bearer), r->bearer ? str_of(r->bearer) : STR("-"));
	c->dies = str_starts(r->url.host, "dies");
	if (str_starts(r->url.host, "silent"))
		loop_timer_start(f->loop, &c->timer, r->deadline_ms, ws_late, c);
	else
		loop_timer_start(f->loop, &c->timer, 50, str_starts(r->url.host, "refuses") ? ws_refuse : ws_stand, c);
	*id = c->id;
	return 0;
}

static int op_send(struct ws *w, uint64_t id, enum ws_kind kind, struct str bytes)
{
	struct fake_ws *f = fake_of(w);
	const struct fake_conn *c = conn_of(f, id);

	CHECK(c && kind == WS_TEXT);
	CHECK_INT(0, ws_feed_waiting(c->feed)); /* it is the first to be said */
	snprintf(f->said + strlen(f->said), sizeof(f->said) - strlen(f->said), "%.*s", STR_ARG(bytes));
	return 0;
}

static void op_close(struct ws *w, uint64_t id, uint16_t code)
{
	struct fake_ws *f = fake_of(w);
	struct fake_conn *c = conn_of(f, id);

	if (!c)
		return;
	f->code = code;
	f->closes++;
	conn_free(c);
}

static const struct ws_ops ws_ops = { .open = op_open, .send = op_send, .close = op_close };

/* --- the server --- */

static void incoming(void *arg, struct call *c, const struct route *r)
{
	struct world *w = arg;

	w->call = c;
	assert_int_equal(script_start(c, &w->base.scripts, r->swml), 0);
}

static void see(void *arg, const struct event *ev)
{
	struct str state = event_get(ev, "state");
	struct world *w = arg;

	if (ev->type == EVENT_ENDED) {
		w->ended++;
		w->call = NULL;
		buf_cstr(&w->story, "ended ");
	}
	if (ev->type == EVENT_WARNING) {
		buf_cstr(&w->story, "warning ");
		str_copy(w->warning, sizeof(w->warning), event_get(ev, "text"));
	}
	if (ev->type != EVENT_OPERATION)
		return;
	CHECK(str_is(event_get(ev, "operation"), w->operation));
	CHECK_INT(0, w->ended); /* nothing is told of a call that has ended */
	buf_printf(&w->story, "%.*s ", STR_ARG(state));
	str_copy(w->params, sizeof(w->params), event_get(ev, "params"));
	if (!w->first[0])
		str_copy(w->first, sizeof(w->first), event_get(ev, "params"));
	str_copy(w->control_id, sizeof(w->control_id), event_get(ev, "control_id"));
	w->begun += str_is(state, "tapping") || str_is(state, "streaming");
	w->over += str_is(event_get(ev, "final"), "true");
}

static void open_ear(struct world *w)
{
	struct addr at;
	socklen_t len = sizeof(at);

	assert_int_equal(addr_parse(&at, STR("127.0.0.1"), 0), 0);
	assert_int_equal(sock_udp(&w->ear, &at), 0);
	assert_int_equal(getsockname(w->ear, &at.sa, &len), 0);
	w->ear_port = addr_port(&at);
}

static void open_taps(struct world *w)
{
	static const char *const allow[] = { "127.0.0.1", "ear.test", NULL };

	w->ws = (struct fake_ws){ .door = { &ws_ops }, .loop = w->base.loop };
	w->taps = (struct tap_env){ .loop = w->base.loop, .dns = fake_dns_door(w->base.dns), .ws = &w->ws.door };
	assert_int_equal(http_rules_new(&w->taps.rules, allow, true), 0);
	assert_int_equal(addr_parse(&w->taps.from, STR("127.0.0.1"), 0), 0);
	fake_dns_add(w->base.dns, "ear.test", "127.0.0.1");
	fake_dns_add(w->base.dns, "inside.test", "10.1.2.3");
	fake_dns_add(w->base.dns, "good.test", "192.0.2.1");
	fake_dns_add(w->base.dns, "good.test", "192.0.2.2");
	fake_dns_add(w->base.dns, "dies.test", "192.0.2.3");
	fake_dns_add(w->base.dns, "refuses.test", "192.0.2.4");
	fake_dns_add(w->base.dns, "silent.test", "192.0.2.5");
}

/* steps: of the section main; EAR in them is the address of the ear. */
static void begin_with(struct world *w, const char *operation, uint64_t seed, const char *steps)
{
	struct fake_world_opts opts = { .seed = seed, .event = see, .incoming = incoming, .arg = w };
	const char *where = strstr(steps, "EAR");
	char document[1000];

	*w = (struct world){ .ear = -1, .operation = operation };
	open_ear(w);
	if (where)
		snprintf(document, sizeof(document), "sections: {main: [%.*s127.0.0.1:%u%s]}", (int)(where - steps),
			 steps, w->ear_port, where + 3);
	else
		snprintf(document, sizeof(document), "sections: {main: [%s]}", steps);
	opts.document = document;
	fake_world_open(&w->base, &opts);
	open_taps(w);
	w->base.scripts.taps = &w->taps;
	fake_caller_dial(&w->caller, &w->base);
}

static void run(struct world *w, uint64_t ms)
{
	fake_world_run(&w->base, ms);
}

static const char *story(const struct world *w)
{
	return w->story.data ? w->story.data : "";
}

/* Nothing is left, and whatever began was told the end of. */
static void end(struct world *w)
{
	if (w->base.calls)
		loop_run_until(w->base.loop, UINT64_MAX);
	fake_world_end_calls(&w->base);
	fake_caller_free(&w->caller);
	loop_run_until(w->base.loop, UINT64_MAX);
	CHECK_INT(1, w->ended);
	CHECK(w->over >= w->begun);
	CHECK_INT(0, open_conns(&w->ws));
	fake_world_close(&w->base);
	http_rules_drop(w->taps.rules);
	buf_free(&w->story);
	close(w->ear);
}

static void catch_line(void *arg, enum log_level level, const char *line)
{
	buf_printf(arg, "%s\n", line);
}

#endif

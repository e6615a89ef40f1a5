/* sip_transport_world: a transport at 10.0.0.2 and bare wires at 10.0.0.1 that play the peers. A program includes it once. */
#ifndef SIP_TRANSPORT_WORLD_H
#define SIP_TRANSPORT_WORLD_H

#include "check.h"

#include <stdlib.h>

#include "base/loop.h"
#include "fake_net.h"
#include "sip/sip_transport.h"

struct client {
	struct wire *wire;
	char in[4096];
	size_t n;
	unsigned closed;
};

struct world {
	struct loop *loop;
	struct fake_net *f;
	struct sip_transport *t;
	unsigned messages, lost;
	struct sip_flow flow; /* of the last message */
	char call_id[64], body[64];
	uint64_t lost_id;
	char lost_why[128];
	struct client accepted, peer;
	uint64_t held; /* a call goes over this connection */
};

static inline struct addr of(const char *text)
{
	struct addr a = { 0 };

	CHECK_INT(0, addr_parse_port(&a, str_of(text), 0));
	return a;
}

static inline void on_message(void *arg, const struct sip_msg *m, const struct sip_flow *flow)
{
	struct world *w = arg;

	w->messages++;
	w->flow = *flow;
	str_copy(w->call_id, sizeof(w->call_id), sip_msg_header(m, SIP_H_CALL_ID, 0));
	str_copy(w->body, sizeof(w->body), m->body);
}

static inline void on_lost(void *arg, uint64_t connection, const char *why)
{
	struct world *w = arg;

	w->lost++;
	w->lost_id = connection;
	str_copy(w->lost_why, sizeof(w->lost_why), str_of(why));
}

static inline bool holds(void *arg, uint64_t connection)
{
	const struct world *w = arg;

	return w->held == connection;
}

static const struct sip_transport_handlers handlers = { .message = on_message, .lost = on_lost, .holds = holds };

static inline struct world *begin(const struct sip_listen *listen, size_t count, const char *advertise)
{
	struct world *w = calloc(1, sizeof(*w));
	struct sip_stack_opts opts = { .listen = listen, .listen_count = count, .advertise = advertise };
	char why[160];

	assert_non_null(w);
	assert_int_equal(0, loop_new(&w->loop, true, 7));
	assert_int_equal(0, fake_net_new(&w->f, w->loop));
	opts.loop = w->loop;
	opts.net = fake_net_host(w->f, "10.0.0.2");
	assert_int_equal(0, sip_transport_new(&w->t, &opts, &handlers, w, why));
	return w;
}

static inline struct world *begin_usual(void)
{
	const struct sip_listen listen[] = { { WIRE_UDP, of("10.0.0.2:5060") }, { WIRE_TCP, of("10.0.0.2:5060") } };

	return begin(listen, 2, NULL);
}

static inline void run(struct world *w, uint64_t ms)
{
	loop_run_until(w->loop, loop_now_ms(w->loop) + ms);
}

static inline void close_client(struct client *c)
{
	if (c->wire)
		c->wire->ops->close(c->wire);
	c->wire = NULL;
}

static inline void end(struct world *w)
{
	struct fake_net_counts c;

	close_client(&w->peer);
	close_client(&w->accepted);
	sip_transport_free(&w->t);
	run(w, 100);
	fake_net_count(w->f, &c);
	CHECK_INT(0, c.udp + c.listeners + c.connections + c.in_flight);
	CHECK_INT(0, loop_timer_count(w->loop));
	fake_net_free(&w->f);
	loop_free(&w->loop);
	free(w);
}

static inline void client_bytes(void *arg, struct wire *w, const struct addr *from, const char *data, size_t n)
{
	struct client *c = arg;

	if (c->n + n < sizeof(c->in))
		memcpy(c->in + c->n, data, n);
	c->n += n;
}

static inline void client_closed(void *arg, struct wire *w, int err, const char *why)
{
	struct client *c = arg;

	c->closed++;
	c->wire = NULL;
}

static inline void client_accepted(void *arg, struct wire *listener, struct wire *conn, const struct addr *from)
{
	struct world *w = arg;

	w->accepted.wire = conn;
	conn->ops->set_arg(conn, &w->accepted);
}

static const struct wire_handlers client = { .bytes = client_bytes, .closed = client_closed };
static const struct wire_handlers server = { .bytes = client_bytes,
					     .accepted = client_accepted,
					     .closed = client_closed };

static inline void dial_from(struct world *w, struct client *c, const char *host, const char *local)
{
	struct net *net = fake_net_host(w->f, host);
	struct addr from = of(local), to = of("10.0.0.2:5060");

	CHECK_INT(0, net->ops->connect(net, &c->wire, WIRE_TCP, &from, &to, &client, c));
}

static inline void dial(struct world *w, struct client *c)
{
	dial_from(w, c, "10.0.0.1", "10.0.0.1:0");
}

static inline void say(struct client *c, const char *data, size_t n)
{
	CHECK_INT(0, c->wire->ops->send(c->wire, NULL, data, n));
}

static inline size_t options(char *out, size_t size, const char *call_id, const char *body)
{
	return (size_t)snprintf(out, size,
				"OPTIONS sip:10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK1\r\n"
				"From: <sip:a@10.0.0.1>;tag=1\r\nTo: <sip:10.0.0.2>\r\nCall-ID: %s\r\n"
				"CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: %zu\r\n\r\n%s",
				call_id, strlen(body), body);
}

#endif

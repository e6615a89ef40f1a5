#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sip/sip_build.h"
#include "sip/sip_dialog.h"
#include "sip/sip_trans_impl.h"

enum { STREAM_WAIT_MS = 1000 }; /* for the connection that a large request wants */

/* RFC 3261 figures 5 and 6, RFC 6026 figure 5. What is "terminated" there is freed here.
 *
 *   CALLING --1xx--> PROCEEDING --final--> COMPLETED (INVITE: 3xx-6xx) --D, K--> gone
 *      |                  `----2xx-------> ACCEPTED  (INVITE only)     --M-----> gone
 *      `-- B, F, transport error: failed(), gone (PROCEEDING of a non-INVITE as well)                      */
enum client_state { CLIENT_CALLING, CLIENT_PROCEEDING, CLIENT_COMPLETED, CLIENT_ACCEPTED };

struct sip_client {
	struct sip_node node;      /* of trans->clients    */
	struct sip_node by_stream; /* of trans->on_streams */
	struct sip_trans *t;
	enum client_state state;
	enum sip_method method;
	int err;      /* of the first sending: told by the timer */
	bool waiting; /* a stream whose queue was full: not sent yet */
	struct sip_flow flow;
	struct loop_timer timer;
	uint64_t deadline_ms;                /* 0 = none */
	uint32_t interval_ms;                /* to the next retransmission, 0 = none */
	struct str bytes;                    /* the request; in COMPLETED of an INVITE its ACK */
	struct sip_large *large;             /* nothing heard yet of what was too large for UDP */
	const struct sip_client_handlers *h; /* NULL = the owner has gone */
	void *arg;
};

static void tick(void *arg);

struct sip_client *sip_client_of(struct sip_node *n)
{
	return LIST_ITEM(n, struct sip_client, node);
}

static struct sip_key client_key(const struct sip_trans *t, struct str branch, enum sip_method method)
{
	struct sip_key k = t->clients.seed;
	char m = (char)method;

	sip_key_add(&k, branch);
	sip_key_add(&k, (struct str){ &m, 1 });
	return k;
}

static struct sip_key stream_key(const struct sip_trans *t, uint64_t connection)
{
	struct sip_key k = t->on_streams.seed;

	sip_key_add(&k, (struct str){ (const char *)&connection, sizeof(connection) });
	return k;
}

void sip_client_drop(struct sip_client *c)
{
	loop_timer_stop(c->t->loop, &c->timer);
	sip_table_remove(&c->t->clients, &c->node);
	sip_table_remove(&c->t->on_streams, &c->by_stream);
	sip_trans_forget(&c->bytes);
	sip_large_free(&c->large);
	free(c);
}

static void move(struct sip_client *c, enum client_state to)
{
	static const uint8_t legal[] = {
		[CLIENT_CALLING] = 1 << CLIENT_PROCEEDING | 1 << CLIENT_COMPLETED | 1 << CLIENT_ACCEPTED,
		[CLIENT_PROCEEDING] = 1 << CLIENT_COMPLETED | 1 << CLIENT_ACCEPTED,
	};

	assert(c->state < ARRAY_LEN(legal) && legal[c->state] & 1 << to);
	c->state = to;
}

static void arm(struct sip_client *c)
{
	uint64_t now = loop_now_ms(c->t->loop);
	uint64_t wait = c->deadline_ms > now ? c->deadline_ms - now : 0;

	if (c->interval_ms && (!c->deadline_ms || c->interval_ms < wait))
		loop_timer_start(c->t->loop, &c->timer, c->interval_ms, tick, c);
	else if (c->deadline_ms)
		sip_trans_wait(c->t, &c->timer, wait, tick, c);
}

/* Frees c. */
static void fail(struct sip_client *c, enum sip_failure kind, const char *why)
{
	const struct sip_client_handlers *h = c->h;
	void *arg = c->arg;

	sip_client_drop(c);
	if (h)
		h->failed(arg, kind, why);
}

static void fail_transport(struct sip_client *c, const char *reason)
{
	char why[160], at[ADDR_TEXT];

	addr_text(&c->flow.remote, at);
	if (!strcmp(reason, "connection refused"))
		snprintf(why, sizeof(why), "connection refused by %s", at);
	else if (!strncmp(reason, "TLS", 3)) /* says it all */
		str_copy(why, sizeof(why), str_of(reason));
	else
		snprintf(why, sizeof(why), "cannot reach %s over %s: %s", at, sip_transport_via(c->flow.kind), reason);
	fail(c, SIP_FAILED_TRANSPORT, why);
}

static void fail_timeout(struct sip_client *c)
{
	char why[160], at[ADDR_TEXT];

	snprintf(why, sizeof(why), "no answer to the %s from %s within %u s", sip_method_name(c->method),
		 addr_text(&c->flow.remote, at), sip_trans_timeout_ms(c->t) / 1000);
	fail(c, SIP_FAILED_TIMEOUT, why);
}

/* A large request whose connection failed: over UDP, and if the peer had it already it knows the branch. false = it was
 * none, or nobody waits for it any more. */
static bool fall_back(struct sip_client *c)
{
	if (!c->large || (c->method == SIP_INVITE && !c->h))
		return false;
	sip_table_remove(&c->t->on_streams, &c->by_stream);
	sip_large_undo(&c->large, c->t, &c->flow, &c->bytes);
	c->waiting = false;
	c->interval_ms = c->t->t1_ms;
	c->err = sip_trans_send(c->t, &c->flow, c->bytes);
	if (c->err)
		c->deadline_ms = loop_now_ms(c->t->loop);
	arm(c);
	return true;
}

/* Timers A and E: doubling, for others than INVITE not beyond T2, and T2 at once when a 1xx has come. */
static void retransmit(struct sip_client *c)
{
	if (c->large && !c->waiting) {
		c->interval_ms = 0;
		if (sip_transport_is_connected(c->t->transport, &c->flow) || !fall_back(c))
			arm(c);
		return;
	}
	if (c->waiting) {
		c->waiting = sip_transport_send(c->t->transport, &c->flow, c->bytes) == ENOBUFS;
		c->interval_ms = c->waiting ? c->t->t1_ms : 0;
		arm(c);
		return;
	}
	c->t->resent++;
	sip_transport_send(c->t->transport, &c->flow, c->bytes);
	c->interval_ms *= 2;
	if (c->method != SIP_INVITE && c->interval_ms > c->t->t2_ms)
		c->interval_ms = c->t->t2_ms;
	arm(c);
}

static void tick(void *arg)
{
	struct sip_client *c = arg;
	bool over = c->deadline_ms && loop_now_ms(c->t->loop) >= c->deadline_ms;

	switch (c->state) {
	case CLIENT_CALLING:
	case CLIENT_PROCEEDING:
		if (c->err && fall_back(c))
			break;
		if (c->err)
			fail_transport(c, c->err == ECONNREFUSED ? "connection refused" : strerror(c->err));
		else if (over)
			fail_timeout(c);
		else
			retransmit(c);
		break;
	case CLIENT_COMPLETED:
	case CLIENT_ACCEPTED:
		sip_client_drop(c);
		break;
	}
}

int sip_client_start(struct sip_client **out, struct sip_trans *t, const struct sip_client_params *p)
{
	struct sip_key key = client_key(t, p->branch, p->method);
	struct sip_client *c;

	if (sip_table_find(&t->clients, key))
		return EEXIST;
	c = calloc(1, sizeof(*c));
	if (!c)
		return ENOMEM;
	c->bytes = sip_trans_keep(p->bytes);
	if (!c->bytes.p) {
		free(c);
		return ENOMEM;
	}
	c->t = t;
	c->method = p->method;
	c->flow = p->flow;
	c->h = p->handlers;
	c->arg = p->arg;
	c->large = sip_large_new(t, &c->flow, &c->bytes);
	sip_table_add(&t->clients, &c->node, key);
	c->err = sip_trans_send(t, &c->flow, c->bytes);
	if (sip_trans_reliable(&c->flow)) {
		sip_table_add(&t->on_streams, &c->by_stream, stream_key(t, c->flow.connection));
		/* Hundreds of calls that end at once over one connection must not lose their BYEs. */
		c->waiting = c->err == ENOBUFS;
		c->err = c->waiting ? 0 : c->err;
	}
	if (c->waiting || !sip_trans_reliable(&c->flow))
		c->interval_ms = t->t1_ms;
	else if (c->large)
		c->interval_ms = STREAM_WAIT_MS;
	/* An error is told by the timer, since nobody is called back from inside his own call. */
	c->deadline_ms = loop_now_ms(t->loop) + (c->err ? 0 : sip_trans_timeout_ms(t));
	arm(c);
	if (out)
		*out = c;
	return 0;
}

/* Print a request that follows the INVITE hop by hop: same Request-URI, top Via, Route, From, Call-ID and CSeq
 * number (§9.1, §17.1.1.3). to: the To value, for the ACK that of the response. */
static int print_follower(const struct sip_client *c, struct buf *b, enum sip_method method, struct str to)
{
	struct str method_text = str_of(sip_method_name(method)), value = { NULL, 0 };
	struct sip_cseq cseq = { .number = 0 };
	const char *why;
	struct sip_msg m;
	size_t used, pos = 0;

	if (sip_msg_parse(&m, c->bytes.p, c->bytes.n, false, &used, &why) != SIP_PARSE_OK ||
	    sip_cseq_parse(&cseq, sip_msg_header(&m, SIP_H_CSEQ, 0)))
		return EINVAL;
	sip_build_request(b, method_text, m.ruri);
	sip_build_header(b, "Via", sip_msg_header(&m, SIP_H_VIA, 0));
	sip_build_header(b, "Max-Forwards", STR("70"));
	while (sip_msg_next_value(&m, SIP_H_ROUTE, &pos, &value))
		sip_build_header(b, "Route", value);
	sip_dialog_add_line(b, "From", sip_msg_header(&m, SIP_H_FROM, 0));
	sip_dialog_add_line(b, "To", to.p ? to : sip_msg_header(&m, SIP_H_TO, 0));
	sip_build_header(b, "Call-ID", sip_msg_header(&m, SIP_H_CALL_ID, 0));
	sip_build_headerf(b, "CSeq", "%u %s", cseq.number, sip_method_name(method));
	return 0;
}

void sip_client_cancel(struct sip_client *c, struct str reason)
{
	struct sip_client_params p = { .flow = c->flow, .method = SIP_CANCEL };
	struct str value = { NULL, 0 };
	struct sip_via via;
	const char *why;
	struct sip_msg m;
	struct buf b;
	size_t used, pos = 0;

	assert(c->method == SIP_INVITE && c->state == CLIENT_PROCEEDING);
	if (sip_msg_parse(&m, c->bytes.p, c->bytes.n, false, &used, &why) != SIP_PARSE_OK ||
	    !sip_msg_next_value(&m, SIP_H_VIA, &pos, &value) || sip_via_parse(&via, value))
		return;
	buf_init(&b, SIP_MAX_MESSAGE);
	if (!print_follower(c, &b, SIP_CANCEL, (struct str){ NULL, 0 })) {
		if (reason.n)
			sip_build_header(&b, "Reason", reason);
		sip_build_body(&b, NULL, STR(""));
		p.branch = via.branch;
		p.bytes = buf_view(&b);
		/* Without memory for it the INVITE ends by its own time limit. */
		if (!b.failed)
			sip_client_start(NULL, c->t, &p);
	}
	buf_free(&b);
}

void sip_client_detach(struct sip_client **cp)
{
	struct sip_client *c = *cp;

	*cp = NULL;
	if (!c)
		return;
	c->h = NULL;
	if (c->method != SIP_INVITE || c->state > CLIENT_PROCEEDING)
		return;
	/* An INVITE that nobody waits for is not repeated: it might only now reach a phone. */
	if (c->state == CLIENT_PROCEEDING)
		c->deadline_ms = loop_now_ms(c->t->loop) + sip_trans_timeout_ms(c->t);
	c->interval_ms = 0;
	arm(c);
}

/* --- responses --- */

static void provisional(struct sip_client *c, const struct sip_msg *m)
{
	bool first = c->state == CLIENT_CALLING;

	sip_large_free(&c->large);
	if (c->state > CLIENT_PROCEEDING || c->err)
		return;
	if (first) {
		move(c, CLIENT_PROCEEDING);
		if (c->method == SIP_INVITE) {
			/* The next hop has it: from here on the owner's patience counts. */
			loop_timer_stop(c->t->loop, &c->timer);
			c->interval_ms = 0;
			c->deadline_ms = c->h ? 0 : loop_now_ms(c->t->loop) + sip_trans_timeout_ms(c->t);
		} else if (c->interval_ms) {
			c->interval_ms = c->t->t2_ms;
		}
		arm(c);
	}
	if (c->h)
		c->h->response(c->arg, m);
	else if (first && c->method == SIP_INVITE)
		sip_client_cancel(c, STR(""));
}

/* Stay for linger_ms without a message of its own, to swallow what comes twice; 0 = go at once. */
static void linger(struct sip_client *c, enum client_state state, uint32_t linger_ms)
{
	if (!linger_ms) {
		sip_client_drop(c);
		return;
	}
	move(c, state);
	sip_table_remove(&c->t->on_streams, &c->by_stream);
	c->interval_ms = 0;
	c->deadline_ms = loop_now_ms(c->t->loop) + linger_ms;
	arm(c);
}

/* The INVITE's bytes make room for those of its ACK. */
static void acknowledge(struct sip_client *c, const struct sip_msg *m)
{
	struct buf b;

	buf_init(&b, SIP_MAX_MESSAGE);
	if (!print_follower(c, &b, SIP_ACK, sip_msg_header(m, SIP_H_TO, 0))) {
		sip_build_body(&b, NULL, STR(""));
		sip_trans_send(c->t, &c->flow, buf_view(&b));
	}
	sip_trans_forget(&c->bytes);
	if (!sip_trans_reliable(&c->flow) && !b.failed)
		c->bytes = sip_trans_keep(buf_view(&b));
	buf_free(&b);
}

static void final(struct sip_client *c, const struct sip_msg *m, const struct sip_flow *flow)
{
	const struct sip_client_handlers *h = c->h;
	bool reliable = sip_trans_reliable(&c->flow);
	struct sip_trans *t = c->t;
	void *arg = c->arg;

	c->h = NULL;
	sip_large_free(&c->large);
	if (c->method == SIP_INVITE && m->status < 300) {
		sip_trans_forget(&c->bytes);
		linger(c, CLIENT_ACCEPTED, sip_trans_timeout_ms(t));
		if (!h) {
			t->again(t->arg, m, flow);
			return;
		}
	} else if (c->method == SIP_INVITE) {
		acknowledge(c, m);
		linger(c, CLIENT_COMPLETED, reliable ? 0 : SIP_TIMEOUT_T1 * SIP_T1_MS);
	} else {
		sip_trans_forget(&c->bytes);
		linger(c, CLIENT_COMPLETED, reliable ? 0 : SIP_T4_MS);
	}
	if (h)
		h->response(arg, m);
}

static void repeated_final(struct sip_client *c, const struct sip_msg *m, const struct sip_flow *flow)
{
	struct sip_trans *t = c->t;

	t->received_again++;
	if (c->state == CLIENT_ACCEPTED) {
		if (m->status < 300)
			t->again(t->arg, m, flow);
	} else if (c->bytes.n && m->status >= 300) {
		sip_transport_send(t->transport, &c->flow, c->bytes);
	}
}

bool sip_trans_response(struct sip_trans *t, const struct sip_msg *m, const struct sip_flow *flow)
{
	struct str value = { NULL, 0 };
	struct sip_node *n = NULL;
	struct sip_client *c;
	struct sip_cseq cseq;
	struct sip_via via;
	size_t pos = 0;

	if (sip_msg_next_value(m, SIP_H_VIA, &pos, &value) && !sip_via_parse(&via, value) &&
	    !sip_cseq_parse(&cseq, sip_msg_header(m, SIP_H_CSEQ, 0)))
		n = sip_table_find(&t->clients, client_key(t, via.branch, cseq.method));
	if (!n)
		return false;
	c = sip_client_of(n);
	if (m->status < 200)
		provisional(c, m);
	else if (c->state <= CLIENT_PROCEEDING)
		final(c, m, flow);
	else
		repeated_final(c, m, flow);
	return true;
}

/* The far side rings, and the connection that would bring its answer has gone. For the owner that is the end, but
 * the far side is told by a new connection, and what it still says is answered. */
static void orphan(struct sip_client *c, const char *reason)
{
	struct sip_client *left = c;
	const struct sip_client_handlers *h = c->h;
	char why[160], at[ADDR_TEXT];
	void *arg = c->arg;

	snprintf(why, sizeof(why), "connection with %s lost while it rang: %s", addr_text(&c->flow.remote, at), reason);
	sip_table_remove(&c->t->on_streams, &c->by_stream);
	sip_client_cancel(c, STR(""));
	if (!h)
		return;
	sip_client_detach(&left);
	h->failed(arg, SIP_FAILED_TRANSPORT, why);
}

void sip_trans_lost(struct sip_trans *t, uint64_t connection, const char *why)
{
	struct sip_key key = stream_key(t, connection);
	struct sip_node *n;

	while ((n = sip_table_find(&t->on_streams, key))) {
		struct sip_client *c = LIST_ITEM(n, struct sip_client, by_stream);

		if (c->method == SIP_INVITE && c->state == CLIENT_PROCEEDING)
			orphan(c, why);
		else if (!fall_back(c))
			fail_transport(c, why);
	}
}

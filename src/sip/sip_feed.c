/* Bytes to messages: datagrams, streams cut by Content-Length, and frames of WebSocket. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "net/stun.h"
#include "sip/sip_trace.h"
#include "sip/sip_transport_impl.h"

/* m: as it was received, NULL = sent. */
void transport_trace(struct sip_transport *t, const struct sip_msg *m, const struct sip_flow *flow, struct str text)
{
	const struct sip_trace_item item = {
		.kind = m ? SIP_TRACE_IN : SIP_TRACE_OUT,
		.wire = flow->kind,
		.local = t->listeners.items[flow->listener]->addr,
		.remote = flow->remote,
		.key = m ? sip_msg_header(m, SIP_H_CALL_ID, 0) : (struct str){ NULL, 0 },
		.text = text,
	};

	sip_trace_message(t->trace, &item);
}

static void hand_up(struct sip_transport *t, const struct sip_msg *m, const struct sip_flow *flow)
{
	if (t->trace)
		transport_trace(t, m, flow, m->raw);
	t->h->message(t->arg, m, flow);
}

static void log_bad(const struct addr *from, enum wire_kind kind, const char *why)
{
	char text[ADDR_TEXT];

	if (log_wants(LOG_DEBUG))
		log_printf(LOG_DEBUG, NULL, "sip: no message from %s over %s: %s", addr_text(from, text),
			   sip_transport_param(kind), why);
}

/* Blank lines before a message mean nothing; two of them are a keep-alive that wants one back. However many
 * came at once, one answer says that we are here. */
static size_t skip_blank(struct conn *c, const char *data, size_t n)
{
	size_t i = 0;

	while (i < n && (data[i] == '\r' || data[i] == '\n'))
		i++;
	if (c->blank + i >= PING) {
		c->active_ms = loop_now_ms(c->t->loop);
		c->wire->ops->send(c->wire, &c->remote, "\r\n", 2);
	}
	c->blank = (uint8_t)((c->blank + i) % PING);
	return i;
}

/* Hand up the whole messages at the start of data and count their bytes in *used. Returns NULL, or what is
 * wrong with the stream. The session layer cannot close a connection, so c outlives the handlers. */
static const char *take_messages(struct conn *c, const char *data, size_t n, size_t *used)
{
	struct sip_flow flow = { c->kind, c->remote, c->listener, c->id };
	struct sip_transport *t = c->t;
	const char *why = "";
	struct sip_msg m;

	for (*used = 0; *used < n;) {
		size_t part = skip_blank(c, data + *used, n - *used);

		*used += part;
		if (*used == n)
			break;
		part = 0;
		switch (sip_msg_parse(&m, data + *used, n - *used, true, &part, &why)) {
		case SIP_PARSE_OK:
			*used += part;
			if (t->h->admits && !t->h->admits(t->arg, &flow))
				return "more messages than a source may send";
			c->blank = 0;
			c->proven = true;
			c->active_ms = loop_now_ms(t->loop);
			hand_up(t, &m, &flow);
			break;
		case SIP_PARSE_MORE:
		case SIP_PARSE_EMPTY:
			return NULL;
		case SIP_PARSE_BAD:
			return why;
		}
	}
	return NULL;
}

static bool has_blank_line(const char *data, size_t n)
{
	const char *end = data + n, *p = data;

	while ((p = memchr(p, '\n', (size_t)(end - p)))) {
		p++;
		if (p < end && *p == '\r')
			p++;
		if (p < end && *p == '\n')
			return true;
	}
	return false;
}

/* Is the header block in the buffer whole? Only the last old bytes and the new ones are looked at, so that a peer
 * who sends byte by byte costs no more than the bytes. */
static bool worth_parsing(struct conn *c, size_t old)
{
	size_t from = old > 3 ? old - 3 : 0;

	if (!c->headers_whole)
		c->headers_whole = has_blank_line(c->in.data + from, c->in.len - from);
	return c->headers_whole || c->in.len >= SIP_MAX_MESSAGE;
}

/* Forget the first used bytes of the buffer. */
static void consume(struct buf *b, size_t used)
{
	if (used == b->len) {
		buf_free(b); /* idle connections keep no memory */
		return;
	}
	memmove(b->data, b->data + used, b->len - used);
	b->len -= used;
	b->data[b->len] = 0;
}

/* At most CHUNK bytes. Returns NULL, or why the connection must go. */
static const char *feed(struct conn *c, const char *data, size_t n)
{
	size_t old = c->in.len, used = 0;
	const char *why = NULL;

	if (!old) {
		why = take_messages(c, data, n, &used);
		if (why || used == n)
			return why;
		buf_add(&c->in, data + used, n - used);
	} else {
		buf_add(&c->in, data, n);
		if (c->in.failed || !worth_parsing(c, old))
			return c->in.failed ? "no room for the message" : NULL;
		why = take_messages(c, c->in.data, c->in.len, &used);
		consume(&c->in, used);
	}
	if (c->in.failed)
		return "no room for the message";
	if (!why && c->in.len && (!old || used)) { /* the begin of another message */
		c->headers_whole = has_blank_line(c->in.data, c->in.len);
		if (c->proven || !c->inbound) /* the first message's time runs from the accept */
			c->since_ms = loop_now_ms(c->t->loop);
		conn_arm(c);
	}
	return why;
}

/* A frame holds one message and its length; what is wrong with it says nothing of the next one. */
static void take_frame(struct conn *c, const char *data, size_t n)
{
	struct sip_flow flow = { c->kind, c->remote, c->listener, c->id };
	struct sip_transport *t = c->t;
	const char *why = "";
	struct sip_msg m;
	size_t used;

	c->blank = 0;
	if (skip_blank(c, data, n) == n)
		return;
	switch (sip_msg_parse(&m, data, n, false, &used, &why)) {
	case SIP_PARSE_OK:
		if (t->h->admits && !t->h->admits(t->arg, &flow)) {
			conn_lose(c, "more messages than a source may send");
			return;
		}
		c->proven = true;
		c->active_ms = loop_now_ms(t->loop);
		hand_up(t, &m, &flow);
		break;
	case SIP_PARSE_MORE:
	case SIP_PARSE_EMPTY:
		break;
	case SIP_PARSE_BAD:
		log_bad(&c->remote, c->kind, why);
		break;
	}
}

void transport_on_stream(void *arg, struct wire *w, const struct addr *from, const char *data, size_t n)
{
	struct conn *c = arg;

	if (sip_transport_is_websocket(c->kind)) {
		take_frame(c, data, n);
		return;
	}
	while (n) {
		size_t part = n < CHUNK ? n : CHUNK;
		const char *why = feed(c, data, part);

		if (why) {
			log_bad(&c->remote, c->kind, why);
			conn_lose(c, why);
			return;
		}
		data += part;
		n -= part;
	}
}

/* RFC 5626 §4.4.2: phones keep the way through their NAT open so, and learn of it when it changes. */
static void answer_stun(struct wire *w, const struct addr *from, const char *data, size_t n)
{
	unsigned char out[STUN_MAX_ANSWER];
	struct stun_msg m;
	size_t len;

	if (stun_parse(&m, (struct str){ data, n }))
		return;
	len = stun_answer(out, &m, from);
	if (len)
		w->ops->send(w, from, out, len);
}

void transport_on_datagram(void *arg, struct wire *w, const struct addr *from, const char *data, size_t n)
{
	const struct sip_listener *l = arg;
	struct sip_flow flow = { WIRE_UDP, *from, l->index, 0 };
	struct sip_transport *t = l->of->opts.arg;
	const char *why = "";
	struct sip_msg m;
	size_t used;

	if (!n || !addr_port(from)) /* nobody can be answered at port 0 */
		return;
	if (t->h->admits && !t->h->admits(t->arg, &flow))
		return;
	if ((unsigned char)data[0] < 4) { /* two zero bits and no text */
		answer_stun(w, from, data, n);
		return;
	}
	switch (sip_msg_parse(&m, data, n, false, &used, &why)) {
	case SIP_PARSE_OK:
		hand_up(t, &m, &flow);
		break;
	case SIP_PARSE_MORE:
	case SIP_PARSE_EMPTY:
		break;
	case SIP_PARSE_BAD:
		log_bad(from, WIRE_UDP, why);
		break;
	}
}

/* RFC 3261 §18.1.1: a request of more than 1300 bytes goes over TCP where it would go over UDP, since fragments get
 * lost on their way. Each request by itself, so nothing sticks to TCP afterwards; a peer that takes no connection gets
 * it over UDP all the same, and is not asked again for half a minute. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "sip/sip_trans_impl.h"

enum { MAX_DATAGRAM = 1300 };

/* The request with another transport and sent-by in its top Via, which is always a line of our own. */
static struct str print_via(const struct sip_transport *t, const struct sip_flow *flow, struct str bytes)
{
	static const char start[] = "\r\nVia: SIP/2.0/UDP ";
	const char *via = memmem(bytes.p, bytes.n, start, sizeof(start) - 1);
	struct str out = { NULL, 0 };
	const char *end, *rest;
	char name[280];
	struct buf b;

	if (!via)
		return out;
	end = bytes.p + bytes.n;
	rest = memchr(via, ';', (size_t)(end - via));
	if (!rest)
		return out;
	sip_transport_name(t, flow, name, sizeof(name));
	buf_init(&b, 0);
	buf_add(&b, bytes.p, (size_t)(via - bytes.p));
	buf_printf(&b, "\r\nVia: SIP/2.0/%s %s", sip_transport_via(flow->kind), name);
	buf_add(&b, rest, (size_t)(end - rest));
	out.n = b.len;
	out.p = buf_steal(&b);
	return out;
}

struct sip_large *sip_large_new(struct sip_trans *t, struct sip_flow *flow, struct str *bytes)
{
	struct sip_flow stream;
	struct sip_large *l;
	char at[ADDR_TEXT];
	struct str other;

	if (flow->kind != WIRE_UDP || bytes->n <= MAX_DATAGRAM ||
	    sip_health_is_bad(t->no_stream, WIRE_TCP, &flow->remote) ||
	    sip_transport_flow(t->transport, WIRE_TCP, &flow->remote, STR(""), &stream))
		return NULL;
	l = calloc(1, sizeof(*l));
	other = l ? print_via(t->transport, &stream, *bytes) : (struct str){ NULL, 0 };
	if (!other.p) {
		free(l);
		return NULL;
	}
	log_printf(LOG_DEBUG, NULL, "sip: a request of %zu bytes goes to %s over TCP", bytes->n,
		   addr_text(&flow->remote, at));
	*l = (struct sip_large){ *flow, *bytes };
	*flow = stream;
	*bytes = other;
	return l;
}

void sip_large_free(struct sip_large **lp)
{
	if (*lp)
		sip_trans_forget(&(*lp)->bytes);
	free(*lp);
	*lp = NULL;
}

void sip_large_undo(struct sip_large **lp, struct sip_trans *t, struct sip_flow *flow, struct str *bytes)
{
	struct sip_large *l = *lp;
	char at[ADDR_TEXT];

	log_printf(LOG_INFO, NULL, "sip: %s takes no TCP: a request of %zu bytes goes over UDP",
		   addr_text(&l->udp.remote, at), l->bytes.n);
	sip_health_failed(t->no_stream, WIRE_TCP, &l->udp.remote);
	sip_trans_forget(bytes);
	*flow = l->udp;
	*bytes = l->bytes;
	free(l);
	*lp = NULL;
}

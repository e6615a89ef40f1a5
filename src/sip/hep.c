#include "sip/hep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DATAGRAM = 65507, PROTOCOL_SIP = 1 };

enum chunk {
	CHUNK_FAMILY = 1,
	CHUNK_PROTOCOL = 2,
	CHUNK_SOURCE4 = 3,
	CHUNK_TARGET4 = 4,
	CHUNK_SOURCE6 = 5,
	CHUNK_TARGET6 = 6,
	CHUNK_SOURCE_PORT = 7,
	CHUNK_TARGET_PORT = 8,
	CHUNK_SECONDS = 9,
	CHUNK_MICROSECONDS = 10,
	CHUNK_TYPE = 11,
	CHUNK_CAPTURE_ID = 12,
	CHUNK_PAYLOAD = 15,
	CHUNK_CORRELATION = 17,
};

struct hep {
	struct wire *wire;
	struct addr to;
	uint32_t id;
	struct buf out; /* the datagram being printed */
	struct hep_counts counts;
};

/* A capture server has nothing to say. */
static void ignore(void *arg, struct wire *w, const struct addr *from, const char *data, size_t n)
{
}

int hep_new(struct hep **out, struct net *net, const struct addr *to, uint32_t id)
{
	static const struct wire_handlers handlers = { .bytes = ignore };
	struct hep *h = calloc(1, sizeof(*h));
	struct addr local;
	int err;

	if (!h)
		return ENOMEM;
	addr_parse(&local, addr_is_v6(to) ? STR("::") : STR("0.0.0.0"), 0);
	h->to = *to;
	h->id = id;
	buf_init(&h->out, MAX_DATAGRAM);
	err = net->ops->udp_open(net, &h->wire, &local, &handlers, h);
	if (err) {
		hep_free(&h);
		return err;
	}
	*out = h;
	return 0;
}

void hep_free(struct hep **hp)
{
	struct hep *h = *hp;

	if (!h)
		return;
	if (h->wire)
		h->wire->ops->close(h->wire);
	buf_free(&h->out);
	free(h);
	*hp = NULL;
}

struct hep_counts hep_count(const struct hep *h)
{
	return h->counts;
}

/* --- printing --- */

static void put_number(struct buf *b, uint32_t v, unsigned bytes)
{
	while (bytes--)
		buf_char(b, (char)(v >> 8 * bytes));
}

/* Vendor, type, length of the whole chunk. */
static void put_chunk(struct buf *b, enum chunk type, struct str value)
{
	put_number(b, 0, 2);
	put_number(b, type, 2);
	put_number(b, (uint32_t)value.n + 6, 2);
	buf_str(b, value);
}

static void put_value(struct buf *b, enum chunk type, uint32_t v, unsigned bytes)
{
	char text[4];

	for (unsigned i = 0; i < bytes; i++)
		text[i] = (char)(v >> 8 * (bytes - 1 - i));
	put_chunk(b, type, (struct str){ text, bytes });
}

static void put_address(struct buf *b, const struct addr *a, bool source)
{
	if (addr_is_v6(a))
		put_chunk(b, source ? CHUNK_SOURCE6 : CHUNK_TARGET6,
			  (struct str){ (const char *)&a->in6.sin6_addr, sizeof(a->in6.sin6_addr) });
	else
		put_chunk(b, source ? CHUNK_SOURCE4 : CHUNK_TARGET4,
			  (struct str){ (const char *)&a->in4.sin_addr, sizeof(a->in4.sin_addr) });
}

static void print(struct buf *b, const struct hep *h, const struct sip_trace_item *i, uint64_t wall_us)
{
	const struct addr *source = i->kind == SIP_TRACE_IN ? &i->remote : &i->local;
	const struct addr *target = i->kind == SIP_TRACE_IN ? &i->local : &i->remote;

	buf_reset(b);
	buf_cstr(b, "HEP3");
	put_number(b, 0, 2); /* the length, filled in at the end */
	put_value(b, CHUNK_FAMILY, addr_is_v6(source) ? 10 : 2, 1);
	put_value(b, CHUNK_PROTOCOL, i->wire == WIRE_UDP ? IPPROTO_UDP : IPPROTO_TCP, 1);
	put_address(b, source, true);
	put_address(b, target, false);
	put_value(b, CHUNK_SOURCE_PORT, addr_port(source), 2);
	put_value(b, CHUNK_TARGET_PORT, addr_port(target), 2);
	put_value(b, CHUNK_SECONDS, (uint32_t)(wall_us / 1000000), 4);
	put_value(b, CHUNK_MICROSECONDS, (uint32_t)(wall_us % 1000000), 4);
	put_value(b, CHUNK_TYPE, PROTOCOL_SIP, 1);
	put_value(b, CHUNK_CAPTURE_ID, h->id, 4);
	put_chunk(b, CHUNK_CORRELATION, i->key);
	put_chunk(b, CHUNK_PAYLOAD, i->text);
}

void hep_send(struct hep *h, const struct sip_trace_item *i, uint64_t wall_us)
{
	struct buf *b = &h->out;

	print(b, h, i, wall_us);
	if (!b->failed) {
		b->data[4] = (char)(b->len >> 8);
		b->data[5] = (char)b->len;
		sip_trace_mask(b->data + b->len - i->text.n, i->text.n);
	}
	if (b->failed || h->wire->ops->send(h->wire, &h->to, b->data, b->len))
		h->counts.dropped++;
	else
		h->counts.sent++;
}

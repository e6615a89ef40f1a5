/* The capture file of `trace --pcap`: LINKTYPE_RAW, each message behind an IP and a UDP header of our making. Messages of
 * streams come as datagrams too: tools show them as SIP without having to put a connection together, of which the
 * trace has only a part. */
#include <string.h>

#include "api/trace_print.h"

enum { LINKTYPE_RAW = 101, SNAP_BYTES = 65535, IP4_BYTES = 20, IP6_BYTES = 40, UDP_BYTES = 8, TTL = 64 };
enum { MAX_PAYLOAD = SNAP_BYTES - IP6_BYTES - UDP_BYTES };

struct packet {
	const struct addr *source, *target;
	struct str text;
};

static void put16(unsigned char *p, uint32_t v)
{
	p[0] = (unsigned char)(v >> 8);
	p[1] = (unsigned char)v;
}

/* The file's own fields may have either order; we write the lowest byte first. */
static void put_le(struct buf *b, uint32_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		buf_char(b, (char)(v >> 8 * i));
}

/* The sum of RFC 1071 so far, without its last step. */
static uint32_t add_up(uint32_t sum, const void *data, size_t n)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

static uint32_t finish_sum(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

static void print_udp(struct buf *b, const struct packet *p, uint32_t pseudo)
{
	unsigned char h[UDP_BYTES] = { 0 };
	uint32_t sum;

	put16(h, addr_port(p->source));
	put16(h + 2, addr_port(p->target));
	put16(h + 4, (uint32_t)p->text.n + UDP_BYTES);
	sum = finish_sum(add_up(add_up(pseudo + IPPROTO_UDP + (uint32_t)p->text.n + UDP_BYTES, h, sizeof(h)), p->text.p,
				p->text.n));
	put16(h + 6, sum ? sum : 0xffff);
	buf_add(b, h, sizeof(h));
	buf_str(b, p->text);
}

static void print_ip4(struct buf *b, const struct packet *p)
{
	unsigned char h[IP4_BYTES] = { 0x45, [8] = TTL, [9] = IPPROTO_UDP };

	put16(h + 2, (uint32_t)p->text.n + IP4_BYTES + UDP_BYTES);
	memcpy(h + 12, &p->source->in4.sin_addr, 4);
	memcpy(h + 16, &p->target->in4.sin_addr, 4);
	put16(h + 10, finish_sum(add_up(0, h, sizeof(h))));
	buf_add(b, h, sizeof(h));
	print_udp(b, p, add_up(0, h + 12, 8));
}

static void print_ip6(struct buf *b, const struct packet *p)
{
	unsigned char h[IP6_BYTES] = { 0x60, [6] = IPPROTO_UDP, [7] = TTL };

	put16(h + 4, (uint32_t)p->text.n + UDP_BYTES);
	memcpy(h + 8, &p->source->in6.sin6_addr, 16);
	memcpy(h + 24, &p->target->in6.sin6_addr, 16);
	buf_add(b, h, sizeof(h));
	print_udp(b, p, add_up(0, h + 8, 32));
}

static void print_packet(struct buf *b, const struct call_trace *t, const struct sip_trace_item *i, struct buf *scratch)
{
	uint64_t wall_us = sip_trace_wall_us(t->trace, i->at_us);
	bool in = i->kind == SIP_TRACE_IN, v6 = addr_is_v6(&i->remote);
	struct packet p = { in ? &i->remote : &i->local, in ? &i->local : &i->remote, { NULL, 0 } };
	uint32_t n;

	buf_reset(scratch);
	buf_str(scratch, str_head(i->text, MAX_PAYLOAD));
	if (scratch->failed || !scratch->len) {
		b->failed |= scratch->failed;
		return;
	}
	sip_trace_mask(scratch->data, scratch->len);
	p.text = buf_view(scratch);
	n = (uint32_t)p.text.n + UDP_BYTES + (v6 ? IP6_BYTES : IP4_BYTES);
	put_le(b, (uint32_t)(wall_us / 1000000), 4);
	put_le(b, (uint32_t)(wall_us % 1000000), 4);
	put_le(b, n, 4);
	put_le(b, n, 4);
	if (v6)
		print_ip6(b, &p);
	else
		print_ip4(b, &p);
}

void trace_print_pcap(struct buf *b, const struct call_trace *t)
{
	struct buf scratch = { 0 };

	put_le(b, 0xa1b2c3d4, 4);
	put_le(b, 2, 2);
	put_le(b, 4, 2);
	put_le(b, 0, 4);
	put_le(b, 0, 4);
	put_le(b, SNAP_BYTES, 4);
	put_le(b, LINKTYPE_RAW, 4);
	for (size_t i = 0; i < t->count; i++)
		if (t->items[i].item.kind != SIP_TRACE_NOTE)
			print_packet(b, t, &t->items[i].item, &scratch);
	buf_free(&scratch);
}

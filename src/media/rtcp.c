#include "media/rtcp.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum {
	HEADER_BYTES = 4,
	MIN_BYTES = 8, /* with the sender's SSRC */
	SENDER_BYTES = 20,
	BLOCK_BYTES = 24,
	TYPE_SENDER_REPORT = 200,
	TYPE_RECEIVER_REPORT = 201,
	TYPE_DESCRIPTION = 202,
	ITEM_CNAME = 1,
	UNIX_EPOCH = 25567, /* days from 1900 to 1970 */
	DAY_S = 86400,
};

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint8_t *put_u32(uint8_t *p, uint32_t x)
{
	p[0] = (uint8_t)(x >> 24);
	p[1] = (uint8_t)(x >> 16);
	p[2] = (uint8_t)(x >> 8);
	p[3] = (uint8_t)x;
	return p + 4;
}

static uint8_t *put_header(uint8_t *p, unsigned count, unsigned type, size_t bytes)
{
	return put_u32(p, 2u << 30 | count << 24 | type << 16 | (uint32_t)(bytes / 4 - 1));
}

int rtcp_check(const uint8_t *packet, size_t n)
{
	size_t at = 0;

	if (n < MIN_BYTES || (packet[1] != TYPE_SENDER_REPORT && packet[1] != TYPE_RECEIVER_REPORT))
		return EINVAL;
	while (at < n) {
		size_t bytes;

		if (n - at < HEADER_BYTES || packet[at] >> 6 != 2)
			return EINVAL;
		bytes = 4 * (((size_t)packet[at + 2] << 8 | packet[at + 3]) + 1);
		/* Padding stands at the end of the last part only. */
		if (bytes > n - at || (packet[at] & 0x20 && bytes != n - at))
			return EINVAL;
		at += bytes;
	}
	return 0;
}

bool rtcp_is_muxed(const uint8_t *packet, size_t n)
{
	/* Payload types 64 to 95, marker set: what packet types 192 to 223 look like. */
	return n >= 2 && packet[1] >= 192 && packet[1] <= 223;
}

/* --- reports --- */

static struct rtcp_block read_block(const uint8_t *p)
{
	uint32_t lost = get_u32(p + 4) & 0xffffff;

	return (struct rtcp_block){
		.ssrc = get_u32(p),
		.fraction = p[4],
		.lost = lost & 0x800000 ? (int32_t)lost - 0x1000000 : (int32_t)lost,
		.highest = get_u32(p + 8),
		.jitter = get_u32(p + 12),
		.sr = get_u32(p + 16),
		.sr_age = get_u32(p + 20),
	};
}

int rtcp_read(struct rtcp_report *out, const uint8_t *packet, size_t n)
{
	size_t bytes = 4 * (((size_t)packet[2] << 8 | packet[3]) + 1), count = packet[0] & 0x1f, at = MIN_BYTES;
	struct rtcp_report r = { .ssrc = get_u32(packet + 4), .sends = packet[1] == TYPE_SENDER_REPORT };

	assert(bytes <= n);
	if (MIN_BYTES + (r.sends ? SENDER_BYTES : 0) + count * BLOCK_BYTES > bytes)
		return EINVAL;
	if (r.sends) {
		r.ntp = (uint64_t)get_u32(packet + 8) << 32 | get_u32(packet + 12);
		r.timestamp = get_u32(packet + 16);
		r.packets = get_u32(packet + 20);
		r.bytes = get_u32(packet + 24);
		at += SENDER_BYTES;
	}
	for (; r.count < count && r.count < RTCP_MAX_BLOCKS; at += BLOCK_BYTES)
		r.blocks[r.count++] = read_block(packet + at);
	*out = r;
	return 0;
}

static uint8_t *put_block(uint8_t *p, const struct rtcp_block *b)
{
	p = put_u32(p, b->ssrc);
	p = put_u32(p, (uint32_t)b->fraction << 24 | ((uint32_t)b->lost & 0xffffff));
	p = put_u32(p, b->highest);
	p = put_u32(p, b->jitter);
	p = put_u32(p, b->sr);
	return put_u32(p, b->sr_age);
}

size_t rtcp_write(uint8_t out[RTCP_MAX_BYTES], const struct rtcp_report *r, const char name[RTCP_NAME_BYTES])
{
	/* A chunk ends with a zero byte at least, and at a whole word. */
	enum { CHUNK_BYTES = (4 + 2 + RTCP_NAME_BYTES + 1 + 3) / 4 * 4 };
	size_t bytes = MIN_BYTES + (r->sends ? SENDER_BYTES : 0) + r->count * BLOCK_BYTES;
	uint8_t *p = put_header(out, (unsigned)r->count, r->sends ? TYPE_SENDER_REPORT : TYPE_RECEIVER_REPORT, bytes);

	assert(r->count <= 1);
	p = put_u32(p, r->ssrc);
	if (r->sends) {
		p = put_u32(p, (uint32_t)(r->ntp >> 32));
		p = put_u32(p, (uint32_t)r->ntp);
		p = put_u32(p, r->timestamp);
		p = put_u32(p, r->packets);
		p = put_u32(p, r->bytes);
	}
	for (size_t i = 0; i < r->count; i++)
		p = put_block(p, &r->blocks[i]);
	p = put_header(p, 1, TYPE_DESCRIPTION, HEADER_BYTES + CHUNK_BYTES);
	memset(p, 0, CHUNK_BYTES);
	put_u32(p, r->ssrc);
	p[4] = ITEM_CNAME;
	p[5] = RTCP_NAME_BYTES;
	memcpy(p + 6, name, RTCP_NAME_BYTES);
	return (size_t)(p + CHUNK_BYTES - out);
}

uint32_t rtcp_middle(uint64_t ntp)
{
	return (uint32_t)(ntp >> 16);
}

uint64_t rtcp_ntp(uint64_t wall_ms)
{
	uint64_t seconds = wall_ms / 1000 + (uint64_t)UNIX_EPOCH * DAY_S;

	return seconds << 32 | ((wall_ms % 1000 << 32) / 1000);
}

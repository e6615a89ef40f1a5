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
	TYPE_BYE = 203,
	TYPE_TRANSPORT_FEEDBACK = 205,
	TYPE_PAYLOAD_FEEDBACK = 206,
	TYPE_EXTENDED_REPORT = 207,
	FEEDBACK_BYTES = 12, /* with both SSRCs */
	FEEDBACK_PLI = 1,
	FEEDBACK_FIR = 4,
	FEEDBACK_TMMBR = 3, /* of transport feedback; TMMBN is 4 */
	FEEDBACK_TMMBN = 4,
	REQUEST_BYTES = 8, /* an entry of FIR, TMMBR or TMMBN */
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

size_t rtcp_complete(uint8_t *packet, size_t n)
{
	uint8_t ssrc[4];

	if (n < MIN_BYTES || (packet[1] != TYPE_TRANSPORT_FEEDBACK && packet[1] != TYPE_PAYLOAD_FEEDBACK))
		return n;
	memcpy(ssrc, packet + 4, sizeof(ssrc));
	memmove(packet + MIN_BYTES, packet, n);
	put_header(packet, 0, TYPE_RECEIVER_REPORT, MIN_BYTES);
	memcpy(packet + 4, ssrc, sizeof(ssrc));
	return n + MIN_BYTES;
}

/* --- names --- */

struct naming {
	uint32_t old, new;
};

static void rename_at(uint8_t *p, const struct naming *to)
{
	if (get_u32(p) == to->old)
		put_u32(p, to->new);
}

/* Every n-th SSRC from p on, while a whole entry is left. */
static void rename_entries(uint8_t *p, const uint8_t *end, size_t entry_bytes, const struct naming *to)
{
	for (; (size_t)(end - p) >= entry_bytes; p += entry_bytes)
		rename_at(p, to);
}

/* Chunks: an SSRC, items, a zero byte, and zeros up to a whole word. */
static void rename_chunks(uint8_t *p, const uint8_t *end, const struct naming *to)
{
	while (end - p >= 4) {
		uint8_t *start = p;

		rename_at(p, to);
		p += 4;
		while (p < end && *p)
			p += end - p >= 2 && end - p >= 2 + p[1] ? 2 + p[1] : end - p;
		p = start + ((size_t)(p - start) / 4 + 1) * 4;
		if (p > end)
			return;
	}
}

static bool has_request_entries(const uint8_t *part)
{
	unsigned format = part[0] & 0x1f;

	if (part[1] == TYPE_PAYLOAD_FEEDBACK)
		return format == FEEDBACK_FIR;
	return format == FEEDBACK_TMMBR || format == FEEDBACK_TMMBN;
}

/* REMB (draft-alvestrand-rmcat-remb): a list of SSRCs behind "REMB", their count and the rate. */
static bool is_remb(const uint8_t *part, size_t n)
{
	return part[1] == TYPE_PAYLOAD_FEEDBACK && (part[0] & 0x1f) == 15 && n >= FEEDBACK_BYTES + 8 &&
	       !memcmp(part + FEEDBACK_BYTES, "REMB", 4);
}

static void rename_feedback(uint8_t *part, size_t n, const struct naming *to)
{
	if (n < FEEDBACK_BYTES)
		return;
	rename_at(part + 8, to);
	if (has_request_entries(part))
		rename_entries(part + FEEDBACK_BYTES, part + n, REQUEST_BYTES, to);
	else if (is_remb(part, n))
		rename_entries(part + FEEDBACK_BYTES + 8, part + n, 4, to);
}

static void rename_part(uint8_t *part, size_t n, const struct naming *to)
{
	size_t blocks = MIN_BYTES;

	if (n < MIN_BYTES)
		return;
	switch (part[1]) {
	case TYPE_DESCRIPTION:
		rename_chunks(part + HEADER_BYTES, part + n, to);
		return;
	case TYPE_BYE:
		rename_at(part + 4, to);
		return;
	case TYPE_SENDER_REPORT:
		blocks += SENDER_BYTES;
		break;
	case TYPE_RECEIVER_REPORT:
		break;
	case TYPE_TRANSPORT_FEEDBACK:
	case TYPE_PAYLOAD_FEEDBACK:
		rename_at(part + 4, to);
		rename_feedback(part, n, to);
		return;
	case TYPE_EXTENDED_REPORT:
		rename_at(part + 4, to);
		return;
	default:
		return;
	}
	rename_at(part + 4, to);
	for (unsigned i = part[0] & 0x1f; i && blocks + BLOCK_BYTES <= n; i--, blocks += BLOCK_BYTES)
		rename_at(part + blocks, to);
}

void rtcp_rename(uint8_t *packet, size_t n, uint32_t old, uint32_t new)
{
	const struct naming to = { old, new };
	size_t at = 0;

	while (at < n) {
		size_t bytes = 4 * (((size_t)packet[at + 2] << 8 | packet[at + 3]) + 1);

		assert(bytes <= n - at);
		rename_part(packet + at, bytes, &to);
		at += bytes;
	}
}

static void renumber_part(uint8_t *part, size_t n, uint32_t ssrc, uint32_t time, uint16_t seq)
{
	bool sends = part[1] == TYPE_SENDER_REPORT;
	size_t at = MIN_BYTES + (sends ? SENDER_BYTES : 0);

	if (n < at || (!sends && part[1] != TYPE_RECEIVER_REPORT))
		return;
	if (sends && get_u32(part + 4) == ssrc)
		put_u32(part + 16, get_u32(part + 16) + time);
	for (unsigned i = part[0] & 0x1f; i && at + BLOCK_BYTES <= n; i--, at += BLOCK_BYTES) {
		uint32_t highest = get_u32(part + at + 8);

		if (get_u32(part + at) == ssrc) /* no wrap before the first */
			put_u32(part + at + 8, highest < seq ? (uint16_t)(highest - seq) : highest - seq);
	}
}

void rtcp_renumber(uint8_t *packet, size_t n, uint32_t ssrc, uint32_t time, uint16_t seq)
{
	size_t at = 0;

	while (at < n) {
		size_t bytes = 4 * (((size_t)packet[at + 2] << 8 | packet[at + 3]) + 1);

		assert(bytes <= n - at);
		renumber_part(packet + at, bytes, ssrc, time, seq);
		at += bytes;
	}
}

size_t rtcp_write_wish(uint8_t out[RTCP_WISH_BYTES], const struct rtcp_wish *wish)
{
	size_t bytes = FEEDBACK_BYTES + (wish->full ? REQUEST_BYTES : 0);
	uint8_t *p = put_header(out, 0, TYPE_RECEIVER_REPORT, MIN_BYTES);

	p = put_u32(p, wish->from);
	p = put_header(p, wish->full ? FEEDBACK_FIR : FEEDBACK_PLI, TYPE_PAYLOAD_FEEDBACK, bytes);
	p = put_u32(p, wish->from);
	p = put_u32(p, wish->full ? 0 : wish->of);
	if (wish->full) {
		p = put_u32(p, wish->of);
		p = put_u32(p, (uint32_t)wish->number << 24);
	}
	return (size_t)(p - out);
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

#include "media/rtp.h"

#include <errno.h>

enum { MAX_GAP = 3000 }; /* RFC 3550 A.1: MAX_DROPOUT, a minute of 20 ms packets */

static uint16_t read_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t read_u32(const uint8_t *p)
{
	return (uint32_t)read_u16(p) << 16 | read_u16(p + 2);
}

int rtp_parse(struct rtp_header *out, const uint8_t *packet, size_t n)
{
	size_t header = RTP_HEADER_BYTES, padding = 0;

	if (n < RTP_HEADER_BYTES || n > RTP_MAX_BYTES || packet[0] >> 6 != 2)
		return EINVAL;
	header += 4 * (size_t)(packet[0] & 0x0f);
	if (packet[0] & 0x10) {
		if (header + 4 > n)
			return EINVAL;
		header += 4 + 4 * (size_t)read_u16(packet + header + 2);
	}
	if (packet[0] & 0x20) {
		padding = packet[n - 1];
		if (!padding)
			return EINVAL;
	}
	if (header + padding > n)
		return EINVAL;
	*out = (struct rtp_header){
		.timestamp = read_u32(packet + 4),
		.ssrc = read_u32(packet + 8),
		.seq = read_u16(packet + 2),
		.header_bytes = (uint16_t)header,
		.payload_bytes = (uint16_t)(n - header - padding),
		.payload_type = packet[1] & 0x7f,
		.marker = packet[1] >> 7,
	};
	return 0;
}

void rtp_set_payload_type(uint8_t *packet, uint8_t payload_type)
{
	packet[1] = (uint8_t)((packet[1] & 0x80) | payload_type);
}

static void write_u32(uint8_t *p, uint32_t x)
{
	p[0] = (uint8_t)(x >> 24);
	p[1] = (uint8_t)(x >> 16);
	p[2] = (uint8_t)(x >> 8);
	p[3] = (uint8_t)x;
}

void rtp_renumber(uint8_t *packet, uint16_t seq, uint32_t timestamp, uint32_t ssrc)
{
	packet[2] = (uint8_t)(seq >> 8);
	packet[3] = (uint8_t)seq;
	write_u32(packet + 4, timestamp);
	write_u32(packet + 8, ssrc);
}

static void start(struct rtp_seq *s, uint32_t ssrc, uint16_t seq)
{
	s->lost_before = rtp_seq_lost(s);
	s->ssrc = ssrc;
	/* One wrap ahead, so that an early packet that comes late does not fall below zero. */
	s->first = s->highest = 0x10000u + seq;
	s->received = 1;
	s->started = true;
}

void rtp_seq_note(struct rtp_seq *s, uint32_t ssrc, uint16_t seq)
{
	int16_t step = (int16_t)(uint16_t)(seq - (uint16_t)s->highest);

	if (!s->started || ssrc != s->ssrc || step > MAX_GAP || step < -MAX_GAP) {
		start(s, ssrc, seq);
		return;
	}
	s->received++;
	if (step > 0)
		s->highest += (uint32_t)step;
	else if (s->highest + (uint32_t)step < s->first)
		s->first = s->highest + (uint32_t)step;
}

uint32_t rtp_seq_lost(const struct rtp_seq *s)
{
	uint32_t expected = s->started ? s->highest - s->first + 1 : 0;

	return s->lost_before + (expected > s->received ? expected - s->received : 0);
}

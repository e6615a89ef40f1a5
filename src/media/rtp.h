/* rtp: one packet's header checked and read; gaps in the sequence counted.
 *
 * Pure; keeps no packets, knows no sockets. Thread: any. Source: RFC 3550 §5.1, A.1, A.3. */
#ifndef RTP_H
#define RTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RTP_HEADER_BYTES = 12, RTP_MAX_BYTES = 2048 };

struct rtp_header {
	uint32_t timestamp, ssrc;
	uint16_t seq;
	uint16_t header_bytes;  /* with sources and extension */
	uint16_t payload_bytes; /* without padding; may be 0 */
	uint8_t payload_type;
	bool marker;
};

/* 0, or EINVAL when the lengths inside do not fit into n or this is no version 2. */
int rtp_parse(struct rtp_header *out, const uint8_t *packet, size_t n);
/* Write another payload type into a packet that was parsed; the marker stays. */
void rtp_set_payload_type(uint8_t *packet, uint8_t payload_type);
/* Write the rest of a header, but its payload type. */
void rtp_renumber(uint8_t *packet, uint16_t seq, uint32_t timestamp, uint32_t ssrc);

/* What came of one stream. Zeroed memory = nothing yet. A new SSRC, or a jump too far to be loss, starts anew
 * and keeps what was lost before. */
struct rtp_seq {
	uint32_t ssrc;
	uint32_t first, highest; /* extended by the wraps of the 16 bits */
	uint32_t received;
	uint32_t lost_before; /* in former runs */
	bool started;
};
void rtp_seq_note(struct rtp_seq *s, uint32_t ssrc, uint16_t seq);
/* Expected less received; doubles never make it negative. */
uint32_t rtp_seq_lost(const struct rtp_seq *s);

#endif

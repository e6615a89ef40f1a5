/* jitter: puts the packets of one stream in order and says, every 20 ms, what to decode.
 *
 * Pure; the clock is passed in. Adaptive: the first packet of a run waits min_ms; a packet that is not there when it is needed makes
 * the delay longer by what is concealed meanwhile; when all packets of some seconds have waited longer than they
 * had to, one is left out. A gap with packets behind it is loss and costs no delay. Holds payloads by copy in
 * fixed memory made at birth. Doubles and old packets cost nothing; a new SSRC or a jump starts anew. Telephone events and comfort noise are not for it.
 * Thread: the owner's. Source: RFC 3550 §6.4.1 (jitter), §A.1. */
#ifndef JITTER_H
#define JITTER_H

#include "media/rtp.h"

struct jitter;

struct jitter_opts {
	uint16_t max_payload;    /* bytes; longer ones are dropped */
	uint32_t min_ms, max_ms; /* 0 = 15 and 200 */
};

struct jitter_stats {
	uint32_t late, doubled, lost; /* packets; lost: a gap when its turn came */
	uint32_t dropped;             /* left out to shorten the delay, or too long */
	uint32_t stretched;           /* times that nothing was there, and the delay grew */
	uint32_t delay_ms;            /* how long the newest packet taken had waited */
};

enum jitter_result {
	JITTER_PACKET,  /* *out is next                                             */
	JITTER_MISSING, /* the next one has not come: conceal as much as one holds  */
	JITTER_EMPTY,   /* nothing has come yet, or the stream pauses: silence       */
};

struct jitter_packet {
	const uint8_t *payload; /* valid until the next call */
	size_t n;
	uint32_t timestamp;
	bool marker;
};

/* 0 or ENOMEM. */
int jitter_new(struct jitter **out, const struct jitter_opts *opts);
void jitter_free(struct jitter **j);
void jitter_reset(struct jitter *j);
void jitter_put(struct jitter *j, const struct rtp_header *h, const uint8_t *payload, uint64_t now_us);
enum jitter_result jitter_get(struct jitter *j, uint64_t now_us, struct jitter_packet *out);
/* After JITTER_MISSING: the packet behind the gap, for decoder_conceal(); false = not there. */
bool jitter_peek(const struct jitter *j, struct jitter_packet *out);
void jitter_get_stats(const struct jitter *j, struct jitter_stats *out);

#endif

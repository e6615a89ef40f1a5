/* jitter: puts the packets of one stream in order and says, every 20 ms, what to decode.
 *
 * Pure; the clock is passed in. Adaptive: the delay follows the spread of arrivals between min and max, shrinks in
 * silence or by dropping a frame now and then, grows at once when packets come too late. Holds payloads by copy
 * in fixed memory made at birth. Doubles, old packets and other SSRCs than the one followed cost nothing; a
 * new SSRC or a jump starts anew. Telephone events and comfort noise are not for it.
 * Thread: the owner's. Source: RFC 3550 §6.4.1 (jitter), §A.1. */
#ifndef JITTER_H
#define JITTER_H

#include "media/rtp.h"

struct jitter;

enum { JITTER_MAX_PAYLOAD = 1920 };

struct jitter_opts {
	uint32_t clock_hz;       /* of RTP timestamps */
	uint32_t min_ms, max_ms; /* 0 = 20 and 200 */
};

struct jitter_stats {
	uint32_t late, doubled, lost, dropped, concealed_ms; /* packets; lost: never came in time */
	uint32_t delay_ms;                                   /* now */
};

enum jitter_result {
	JITTER_PACKET,  /* *out is next                                              */
	JITTER_MISSING, /* the next one has not come: conceal                        */
	JITTER_EMPTY,   /* nothing has come yet, or the stream pauses: play silence  */
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
/* What comes next. The caller tells by jitter_took() how much audio that was (also of what it concealed). */
enum jitter_result jitter_get(struct jitter *j, uint64_t now_us, struct jitter_packet *out);
void jitter_took(struct jitter *j, uint32_t ticks);
/* The one after a missing one, for decoder_conceal(); false = not there. */
bool jitter_peek(const struct jitter *j, struct jitter_packet *out);
void jitter_get_stats(const struct jitter *j, struct jitter_stats *out);

#endif

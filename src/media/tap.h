/* tap: a sink whose audio goes away at once: as RTP from a socket of its own, or as frames into the queue of a WebSocket.
 *
 * One channel at 8 kHz; what the party says and hears is mixed when both are wanted. Frames come every 20 ms for as long
 * as it is attached, silence where nothing was. Sending never waits: what the socket does not take is lost and
 * counted. Thread: signal; pushing is the worker's. Source: RFC 3550, RFC 3551. */
#ifndef TAP_H
#define TAP_H

#include "media/codec.h"
#include "media/sink.h"
#include "net/addr.h"

struct tap;
struct ws_feed;

enum {
	TAP_RATE_HZ = 8000,
	TAP_FRAME_MS = 20,
	TAP_FRAME_BYTES = TAP_RATE_HZ * TAP_FRAME_MS / 1000,
	TAP_MIN_MS = 10,
	TAP_MAX_MS = 100
};

struct tap_opts {
	enum sink_wants wants;
	enum codec_id codec;  /* CODEC_PCMU or CODEC_PCMA */
	struct ws_feed *feed; /* of TAP_FRAME_BYTES, a reference is taken; NULL = RTP, and what follows counts */
	uint32_t packet_ms;   /* of audio in a packet, TAP_MIN_MS to TAP_MAX_MS */
	struct addr from, to; /* from: port 0 = any; family 0, or another than that of to: any address */
	uint32_t ssrc, timestamp;
	uint16_t seq; /* of the first packet: random numbers */
};

/* 0, ENOMEM, or what opening a socket may give. */
int tap_new(struct tap **out, const struct tap_opts *opts);
/* RTP: where its packets come from. */
void tap_source(const struct tap *t, struct addr *out);
/* To be attached; it comes back by its free(), before or after tap_close(). Once. */
struct sink *tap_lend(struct tap *t);
/* Audio that did not leave [ms]. */
uint64_t tap_lost_ms(const struct tap *t);
/* Nothing leaves any more, but what is being pushed. Sets *t NULL; *t may be NULL. */
void tap_close(struct tap **t);

#endif

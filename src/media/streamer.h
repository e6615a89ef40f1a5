/* streamer: a sink whose audio goes, coded, as frames of named tracks into the queue of a WebSocket.
 *
 * What the party says and what it hears are tracks of their own, one channel each. A frame of every track comes every
 * packet_ms for as long as it is attached, silence where nothing was. Frames know their place: those that the queue has
 * lost leave a gap in chunk and timestamp. Thread: signal; pushing is the worker's. Source: cxml.md §Stream, connect.md §3.6. */
#ifndef STREAMER_H
#define STREAMER_H

#include "media/codec.h"
#include "media/sink.h"

struct streamer;
struct ws_feed;

enum {
	STREAM_MIN_MS = 10,
	STREAM_MAX_MS = 100,
	STREAM_MAX_HZ = 48000,
	STREAM_MAX_AUDIO = STREAM_MAX_HZ / 1000 * STREAM_MAX_MS * 2 /* bytes: L16 */
};

struct stream_format {
	enum codec_id codec; /* PCMU, PCMA, G722, OPUS; L16 is little endian here */
	uint32_t rate_hz, packet_ms;
};

enum stream_frame_kind { STREAM_AUDIO, STREAM_KEY, STREAM_STOP };

struct stream_frame { /* the bytes up to the end of audio are what is put into the queue */
	enum stream_frame_kind kind;
	bool outbound;      /* AUDIO: what the party hears */
	char key;           /* KEY */
	uint32_t chunk;     /* AUDIO: from 1, of its track */
	uint64_t timestamp; /* AUDIO: of its begin since the begin of the stream [ms] */
	uint16_t bytes;     /* AUDIO */
	uint8_t audio[STREAM_MAX_AUDIO];
};

/* It can be coded so: rate and packet_ms fit the codec. */
bool stream_format_ok(const struct stream_format *f);
/* The rate when none is named. */
uint32_t stream_default_hz(enum codec_id codec);
/* Bytes of the longest frame. */
size_t stream_frame_bytes(const struct stream_format *f);
/* Bytes of this one. */
size_t stream_frame_size(const struct stream_frame *f);

/* feed: of stream_frame_bytes(); a reference is taken. 0, ENOMEM. */
int streamer_new(struct streamer **out, const struct stream_format *f, enum sink_wants tracks, struct ws_feed *feed);
/* To be attached; it comes back by its free(), before or after streamer_close(). Once. */
struct sink *streamer_lend(struct streamer *s);
/* Audio that the queue has lost, of all tracks together [ms]. */
uint64_t streamer_lost_ms(const struct streamer *s);
/* Nothing is made any more, but what is being pushed. Sets *s NULL; *s may be NULL. */
void streamer_close(struct streamer **s);

#endif

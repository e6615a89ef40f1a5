/* video: what an m=video line names, as far as one who only relays it must know.
 *
 * A format is kept as the party wrote it: its parameters say what that party can take, and are told the other one word
 * by word. Two formats fit when a stream of one can be relayed as the other: one codec and, with H264, one
 * packetization mode and profile; the level is the parties' own business. Pure. Thread: any.
 * Source: RFC 6184 §8.1, §8.2.2, RFC 7741, RFC 4585 §4.2, RFC 5104 §7.1. */
#ifndef VIDEO_H
#define VIDEO_H

#include "media/codec.h"

enum { VIDEO_FORMATS = 4, VIDEO_FMTP_BYTES = 160 };

enum video_feedback { /* bits: what a party may ask of the other one's coder */
		      VIDEO_NACK = 1,
		      VIDEO_PLI = 2,
		      VIDEO_FIR = 4,
		      VIDEO_TMMBR = 8,
		      VIDEO_REMB = 16,
};

struct video_format {
	enum codec_id codec;
	uint8_t payload_type;
	char fmtp[VIDEO_FMTP_BYTES]; /* printable; empty = none */
};

struct video_formats { /* in the order of their party; no two fit each other */
	uint8_t count;
	uint8_t feedback;
	struct video_format items[VIDEO_FORMATS];
};

bool video_fits(const struct video_format *a, const struct video_format *b);
/* The first of l that fits f; NULL = none. */
const struct video_format *video_find(const struct video_formats *l, const struct video_format *f);
/* Add it, unless it is there, nothing is free, or its parameters are too long or not printable. */
void video_add(struct video_formats *l, enum codec_id codec, uint8_t payload_type, struct str fmtp);
/* Keep those of these codecs: bits 1 << id. */
void video_keep(struct video_formats *l, unsigned codecs);
/* The bits of a codec list, for video_keep(). */
unsigned video_codecs(const struct codec_list *l);
/* "nack pli" -> VIDEO_PLI; 0 = nothing that we know. */
unsigned video_feedback_of(struct str text);
/* The same back; feedback is one bit. */
const char *video_feedback_name(unsigned feedback);

#endif

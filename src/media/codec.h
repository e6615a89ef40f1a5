/* codec: the table of codecs we can name. What codes them is coder.h.
 *
 * Sample rate and RTP clock are two fields (G.722: 16000 and 8000; Opus: any and 48000). Thread: any.
 * Source: RFC 3551 table 4, RFC 7587, RFC 4733, RFC 7741, RFC 6184. */
#ifndef CODEC_H
#define CODEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum codec_id {
	CODEC_OPUS,
	CODEC_G722,
	CODEC_PCMU,
	CODEC_PCMA,
	CODEC_G729,
	CODEC_L16,
	CODEC_VP8, /* from here on video, which is only relayed (video.h) */
	CODEC_H264,
	CODEC_COUNT,
};

struct codec {
	enum codec_id id;
	const char *name;     /* as in configuration and documents: "OPUS" */
	const char *sdp_name; /* as in rtpmap: "opus"                      */
	uint32_t clock_hz;    /* RTP timestamps */
	uint32_t sample_hz;   /* 0 = video */
	uint8_t channels;     /* as in rtpmap; 1 = not written */
	uint8_t payload_type; /* static, or our dynamic choice */
	const char *fmtp;     /* what we say, NULL = nothing; of Opus to who speaks to nobody yet (opus_wish.h) */
};

const struct codec *codec_get(enum codec_id id);
/* Case-insensitive by our name. NULL = unknown. */
const struct codec *codec_by_name(struct str name);
/* Named in documents but nothing for this build (AMR-WB): skipped silently. */
bool codec_is_foreign(struct str name);
bool codec_is_video(enum codec_id id);

struct codec_list { /* in order of preference */
	enum codec_id items[CODEC_COUNT];
	uint8_t count;
};
bool codec_list_has(const struct codec_list *l, enum codec_id id);
void codec_list_add(struct codec_list *l, enum codec_id id); /* once */
/* Those of a that are in b, in the order of a. */
void codec_list_common(struct codec_list *out, const struct codec_list *a, const struct codec_list *b);
/* Those of all that are audio, and that are video. */
void codec_list_split(const struct codec_list *all, struct codec_list *audio, struct codec_list *video);
/* "PCMU, pcma,OPUS": unknown names are handed to unknown() (may be NULL) and skipped. */
void codec_list_parse(struct codec_list *out, struct str text, void (*unknown)(void *arg, struct str name), void *arg);

#endif

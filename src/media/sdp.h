/* sdp: session descriptions, bytes to slices; and the lines we print ourselves.
 *
 * Pure; knows no codecs and does not judge: offer.h does. Strict in what we echo or act upon (every token of an
 * m= line, ports, counts), forgiving towards what phones forget (o=, s=, t=, the last line end). Slices point
 * into the parsed text. Thread: any. Source: RFC 4566/8866, 3264, 3605, 5761. */
#ifndef SDP_H
#define SDP_H

#include "base/str.h"

enum { SDP_MAX_MEDIA = 16, SDP_MAX_FORMATS = 64 };

enum sdp_direction { SDP_SENDRECV, SDP_SENDONLY, SDP_RECVONLY, SDP_INACTIVE }; /* as its writer means it */

struct sdp_media {
	struct str media, proto;      /* "audio", "RTP/AVP": tokens */
	struct str formats;           /* tokens with single blanks or more between them; at least one */
	struct str lines;             /* the section below the m= line */
	struct str host;              /* of c=, its own or the session's; absent = none that we can read */
	uint32_t ptime_ms;            /* 0 = not said */
	uint32_t maxptime_ms;         /* 0 = not said */
	uint16_t port;                /* 0 = declined */
	uint16_t rtcp_port;           /* a=rtcp, 0 = not said */
	struct str rtcp_host;         /* a=rtcp, absent = as host */
	enum sdp_direction direction; /* its own, or the session's */
	bool rtcp_mux;
	bool crypto; /* has a=crypto */
};

struct sdp {
	struct str origin; /* value of o=, absent = none */
	struct str timing; /* value of the first t=, digits and blanks; absent = none */
	struct sdp_media media[SDP_MAX_MEDIA];
	size_t media_count;
};

struct sdp_format {        /* one format of an RTP line */
	struct str name;   /* rtpmap; absent = none */
	struct str fmtp;   /* absent = none */
	uint32_t clock_hz; /* rtpmap */
	uint8_t channels;  /* rtpmap; 1 when not written */
	uint8_t payload_type;
};

/* 0, or EINVAL with one static clause in *why. */
int sdp_parse(struct sdp *out, struct str text, const char **why);
/* The payload types of m in their order, with rtpmap and fmtp. Formats that are no payload type, double or beyond
 * SDP_MAX_FORMATS are left out. Returns how many. */
size_t sdp_formats(const struct sdp_media *m, struct sdp_format out[SDP_MAX_FORMATS]);
/* The value of the next line of *lines that begins with name ("a=rtcp-fb:"); *lines as below. */
bool sdp_next_value(struct str *lines, const char *name, struct str *value);
/* The value of the next a=crypto line of *lines, which starts as m->lines and is cut down. False when there is none. */
bool sdp_next_crypto(struct str *lines, struct str *value);
/* The first format as written. */
struct str sdp_first_format(const struct sdp_media *m);

/* v=, o=, s=, c=, t=. host: a numeric address. timing absent = "0 0". */
struct sdp_origin {
	uint64_t session_id;
	uint32_t version;
	const char *host;
	bool v6;
	struct str timing;
};
void sdp_print_session(struct buf *out, const struct sdp_origin *o);
/* The value of a parameter of an fmtp ("a=1; b=2"), by its name in any case; absent = it is not there, or has none. */
struct str sdp_parameter(struct str fmtp, const char *name);
/* a=rtpmap and, when fmtp is not NULL, a=fmtp. channels 1 is not written. */
void sdp_print_format(struct buf *out, const struct sdp_format *f);
void sdp_print_direction(struct buf *out, enum sdp_direction d);

#endif

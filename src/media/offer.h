/* offer: our abilities x their SDP = one agreed description. Pure; knows neither sockets nor SIP.
 *
 * One audio stream, and one of video where media_local says what may be relayed (video.h). A further m= line of an offer
 * is declined with port 0 in the answer. Answers name one
 * codec (the first of the offer's order that we have, unless prefer says otherwise) and telephone-event
 * when offered, of that codec's clock if there is a choice. SRTP with keys in the SDP is offered, asked for or refused as
 * encryption says; optional is one RTP/AVP line with a=crypto.
 * Thread: any. Source: RFC 3264, 4566/8866, 3605, 4568, 4585, 4733, 5104, 5761, 8643. */
#ifndef OFFER_H
#define OFFER_H

#include "media/opus_wish.h"
#include "media/video.h"
#include "net/addr.h"

struct loop;

enum media_direction { MEDIA_SENDRECV, MEDIA_SENDONLY, MEDIA_RECVONLY, MEDIA_INACTIVE }; /* seen from us */

enum media_encryption { MEDIA_FORBIDDEN, MEDIA_OPTIONAL, MEDIA_MANDATORY }; /* SRTP */

enum { MEDIA_NO_PT = 255 };

struct media_agreed;
struct media_keys; /* SRTP keys of one leg: ours, random, one for each suite; theirs once agreed */

struct media_local {
	struct addr rtp;                 /* address and port to write; RTCP is port + 1 */
	struct codec_list codecs;        /* what we can take, in our order              */
	const struct codec_list *prefer; /* answers: our order wins for these; NULL = theirs */
	enum media_direction direction;
	uint64_t session_id; /* o= line */
	uint32_t version;    /* o= line, raised by the caller for each new SDP */
	/* Offers inside a session: what was agreed before, so that its payload types stay; NULL = first offer.
	 * The same for offer_accept() as for offer_print(). */
	const struct media_agreed *before;
	enum media_encryption encryption;
	/* See media_keys_need(). Theirs are noted in them when offer_answer() or offer_accept() end well. */
	struct media_keys *keys;
	const struct opus_wish *opus; /* what the other end of the call can use of Opus, NULL = nobody is known there */
	struct media_video *video;    /* NULL = video lines are declined and not looked at */
};

struct media_agreed {
	enum codec_id codec;
	uint8_t send_pt, recv_pt;             /* what we put into packets; what they put in theirs */
	uint8_t event_send_pt, event_recv_pt; /* telephone-event, MEDIA_NO_PT = none */
	uint32_t event_clock_hz;              /* of those; 0 = none */
	struct addr remote;                   /* RTP; port 0 = stream declined        */
	struct addr remote_rtcp;
	bool rtcp_mux;
	enum media_direction direction; /* seen from us: may we send, do we listen */
	uint16_t ptime_ms;              /* theirs, 0 = not said */
	struct opus_wish opus;          /* theirs, when it is that codec */
	uint8_t packet_ms;              /* of audio in the packets that we make: 10, 20, 30, 40 or 60; 0 = 20 */
	uint8_t line, lines;            /* place of the stream among the m= lines, which offers inside a session keep */
	uint8_t video_line;             /* that of video, live or declined, plus 1; 0 = none */
	uint8_t feedback;               /* of video: what may be asked of the party (enum video_feedback) */
	const struct media_keys *keys;  /* those of media_local: SRTP; NULL = RTP */
};

struct media_video {
	struct addr rtp;              /* as in media_local; no port = it has none yet: everything is declined */
	unsigned codecs;              /* what the party may have (video_codecs()) */
	struct video_formats formats; /* of the other end: offered, and taken when offered; none = video is declined */
	struct media_keys *keys;      /* of its own */
	/* Written by offer_answer() and offer_accept() when they end well. */
	struct media_agreed agreed;  /* of the stream, as for a port; remote without a port = no video */
	struct video_format format;  /* with video: how the party wrote its format */
	struct video_formats theirs; /* what the party could take of codecs: its newest offer, or its answer */
};

enum offer_result {
	OFFER_OK,
	OFFER_BAD,      /* no SDP we can read: 400 */
	OFFER_NO_CODEC, /* 488 */
	OFFER_NO_AUDIO, /* no acceptable audio line (video only, port 0, SRTP where it is forbidden …): 488 */
};

/* Before a first offer and before every answer: keys, unless SRTP is forbidden or they are there. Signal thread, for its
 * random numbers. 0 or ENOMEM. */
int media_keys_need(struct media_local *l, struct loop *loop);
/* After the last word of a negotiation: keys that RTP does not need are wiped. SRTP keeps its own over re-offers. */
void media_keys_settle(struct media_local *l);
/* Wipes them. *k may be NULL. */
void media_keys_free(struct media_keys **k);
/* Our offer. */
void offer_print(struct buf *out, const struct media_local *l);
/* Their offer -> our answer text (appended to *answer) and what was agreed. why: one clause, static. */
enum offer_result offer_answer(const struct media_local *l, struct str offer, struct buf *answer,
			       struct media_agreed *out, const char **why);
/* Their answer to what offer_print() wrote for l. */
enum offer_result offer_accept(const struct media_local *l, struct str answer, struct media_agreed *out,
			       const char **why);
/* What the first video line that we could take holds; no format = there is none. */
void offer_video_formats(struct str sdp, enum media_encryption encryption, unsigned codecs, struct video_formats *out);
/* What of Opus the party of an unanswered offer can use: what it says, or the rate of the widest codec that is also in ours.
 * False: no offer, or nothing in common. */
bool offer_opus(struct str sdp, enum media_encryption encryption, const struct codec_list *ours, struct opus_wish *out);
/* Codecs of the first audio line that we could take, in their order. OFFER_OK even when the list is empty. */
enum offer_result offer_codecs(struct str sdp, enum media_encryption encryption, struct codec_list *out,
			       const char **why);

#endif

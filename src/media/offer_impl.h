/* offer_impl: the insides of an offer, shared by offer.c (sessions, audio) and offer_video.c; nobody else includes it.
 * Thread: any. */
#ifndef OFFER_IMPL_H
#define OFFER_IMPL_H

#include "media/offer.h"
#include "media/offer_secure.h"
#include "media/sdp.h"

/* Where to send what the line is about; NULL, or why it cannot be sent there. */
const char *offer_read_remote(const struct media_local *l, const struct sdp_media *m, struct media_agreed *out);
/* What is left of our wish against their line; remote and codec are filled in. mux: rtcp-mux may be agreed on. */
void offer_agree(const struct media_local *l, const struct sdp_media *m, bool mux, struct media_agreed *out);
/* a=sendrecv and so on. */
void offer_print_direction(struct buf *out, enum media_direction d);

/* --- offer_video.c --- */

/* What a video line of theirs holds for us. */
struct video_choice {
	const struct sdp_media *media;    /* NULL: nothing is taken */
	struct video_formats theirs;      /* of the line that could be taken, whether it is or not */
	const struct video_format *taken; /* of theirs */
	const struct video_format *other; /* what our side of it is */
	uint8_t feedback;
	struct offer_crypto crypto;
	struct media_agreed agreed;
};

/* Is there a live video line in our offer? */
bool offer_video_is_offered(const struct media_local *l);
/* The video line of our offer: live or declined. */
void offer_video_print(struct buf *out, const struct media_local *l);
/* Their offer; harmless without video. */
void offer_video_choose(const struct media_local *l, const struct sdp *sdp, struct video_choice *out);
void offer_video_print_answer(struct buf *out, const struct media_local *l, const struct video_choice *c);
/* Our answer is good: note what it says of video, and wipe *c. */
void offer_video_settle(const struct media_local *l, struct video_choice *c);
void offer_video_forget(struct video_choice *c);
/* Their answer to our offer, or NULL when it has no such line: note what it says of video. */
void offer_video_accept(const struct media_local *l, const struct sdp_media *m);

#endif

/* bridge: who hears whom: joins the ports of two calls and settles their codec.
 *
 * Two parties with one codec are relayed without decoding, with two that we can code they are transcoded. When one of
 * the two cannot be coded here, the one who is held to another codec is re-offered first. Video is relayed when both
 * have it (bridge_video.c). Never owns calls; a call that ends leaves by itself. Thread: signal. */
#ifndef BRIDGE_H
#define BRIDGE_H

#include "call/call.h"

enum bridge_fit {
	BRIDGE_FITS,    /* join now                                                 */
	BRIDGE_REOFFER, /* a must be re-offered b's codec: bridge_reoffer()         */
	BRIDGE_UNKNOWN, /* one of them has agreed on nothing yet: answer it first    */
};

/* Can a and b be joined as they are? */
enum bridge_fit bridge_check(const struct call *a, const struct call *b);
/* As they are, and with media that can be brought to one worker? */
bool bridge_can_join(const struct call *a, const struct call *b);
/* Ask a to change to b's codec. a's watches hear reoffered(). 0, EBUSY, ENOTCONN. */
int bridge_reoffer(struct call *a, const struct call *b);
/* The codec b has agreed on, as a preference list for answering a. Empty when none. */
void bridge_codec(const struct call *b, struct codec_list *out);
/* a, unanswered, is about to be answered for b: with video, when b has it. */
void bridge_permit_video(struct call *a, const struct call *b);
/* Likewise: our SDP for a says what b can use of Opus, from its offer when b is not answered either. */
void bridge_wish_opus(struct call *a, const struct call *b);
/* Each hears the other. Both answered, and BRIDGE_FITS. Media in two workers are brought to one first (port_move()). Where both could
 * have video, it follows. */
void bridge_join(struct call *a, struct call *b);
/* from's early media goes to `to`, which is sent 183 first when it is unanswered. 0, EPROTO when it does not fit. */
int bridge_early(struct call *from, struct call *to);
/* Nobody hears c. */
void bridge_part(struct call *c);
/* Nobody is joined with c any more, whose media part by themselves. */
void bridge_leave(struct call *c);
/* c is answered without being joined, or left: unless it is joined soon, it is told that it may send all of Opus that it can. */
void bridge_leave_opus(struct call *c);
/* What the party of c says of video has changed: let the one it is joined with have it, or have it no more. */
void bridge_settle_video(struct call *c);
/* The same of Opus: the one it is joined with is re-offered, if he was told to send less than c can use. */
void bridge_pass_opus(const struct call *c);

#endif

/* leg: one party through one protocol, for those who use legs.
 *
 * A leg knows causes and media, no ids and no variables: those are the call's. It ends in exactly one
 * closed(), when its far side and its port are closed; the pointer is dead after that. Commands never call
 * back before they return. Thread: signal. */
#ifndef LEG_H
#define LEG_H

#include "call/cause.h"
#include "call/transfer.h"
#include "media/offer.h"
#include "media/port.h"

struct leg;
struct sip_notifier;

enum leg_state {
	LEG_NEW,
	LEG_OFFERED,  /* inbound, nothing said yet   */
	LEG_DIALLING, /* outbound, nothing heard yet */
	LEG_RINGING,
	LEG_EARLY, /* early media runs            */
	LEG_ANSWERED,
	LEG_CLOSING, /* we want it to end           */
	LEG_CLOSED,
};

struct leg_end {
	enum cause cause;
	uint16_t status; /* final SIP status of its INVITE, 0 = none */
	const char *by;  /* "peer", "document", "api", "server", "timeout", "transport", … */
	const char *why; /* one sentence, never NULL, borrowed */
	bool answered;
	struct port_stats media;
	const struct port_stats *video; /* NULL = it never had any; borrowed */
};

enum leg_video_state {
	LEG_VIDEO_NONE,    /* nobody has spoken of it               */
	LEG_VIDEO_WANTED,  /* the party offers it, and has been told no */
	LEG_VIDEO_AGREED,  /* it runs, or may                       */
	LEG_VIDEO_REFUSED, /* the party does not want it            */
};

struct leg_handlers {
	void (*ringing)(void *arg);
	void (*early)(void *arg);                                    /* outbound: early media is there       */
	void (*answered)(void *arg);                                 /* outbound: the peer answered          */
	void (*reoffered)(void *arg, int status);                    /* leg_reoffer() ended: 200 = agreed    */
	void (*transferred)(void *arg, const struct transferred *t); /* leg_transfer(): news, and once the end */
	void (*asked)(void *arg,
		      const struct transfer_wish *w); /* for a transfer: leg_take_refer() inside. May be NULL. */
	/* Of what was begun at its port (port.h). */
	void (*played)(void *arg, uint32_t id, enum port_played how);
	void (*detached)(void *arg, uint32_t id, struct sink *s);
	void (*news)(void *arg, uint32_t id, unsigned what);
	void (*key)(void *arg, char key); /* the party pressed it */
	void (*silence)(void *arg, const struct port_silence *s);
	void (*leaving)(void *arg);       /* the far side is gone, its port closes: no command reaches it any more */
	void (*held)(void *arg, bool on); /* leg_holds() has changed. May be NULL. */
	void (*video)(void *arg);         /* what leg_video() says may have changed, or leg_offer_video() may do now */
	void (*opus)(void *arg);          /* what leg_opus() says may have changed */
	void (*closed)(void *arg, const struct leg_end *end);
};

void leg_handle(struct leg *l, const struct leg_handlers *h, void *arg);
enum leg_state leg_state(const struct leg *l);
void *leg_owner(const struct leg *l); /* arg of leg_handle() */

/* Inbound, unanswered: 180. */
void leg_ring(struct leg *l);
/* Inbound, unanswered: 183 with media; prefer as for leg_answer(). 0, or EPROTO when nothing fits. */
int leg_early(struct leg *l, const struct codec_list *prefer);
/* Inbound: 200. prefer: codecs to favour, NULL = the caller's order; without effect once an SDP answer is out.
 * 0, EPROTO when nothing fits, EALREADY when answered, ENOTCONN when it is closing. */
int leg_answer(struct leg *l, const struct codec_list *prefer);
/* End it in any state. status: final status of an unanswered inbound leg; of an outbound one 200 says that the call was
 * answered elsewhere. by and why as in leg_end; copied. */
void leg_hangup(struct leg *l, enum cause cause, uint16_t status, const char *by, const char *why);
/* Answered: change it to this codec. reoffered() follows. 0, EBUSY, ENOTCONN. */
int leg_reoffer(struct leg *l, enum codec_id codec);
/* Answered: ask the far end to call somebody else. transferred() follows, or closed(). 0; EINVAL: it cannot be asked for
 * that; EBUSY, ENOMEM, ENOTCONN. */
int leg_transfer(struct leg *l, const struct transfer *t);
/* What we say when the far end asks who sends it a request of this leg. Copied. 0; EINVAL: control characters; ENOMEM;
 * ENOTCONN. */
int leg_credentials(struct leg *l, const char *username, const char *password);

/* Inside asked(): take it, and tell what becomes of it through *out (0 or ENOMEM), or refuse it with this status. */
int leg_take_refer(struct leg *l, struct sip_notifier **out);
void leg_refuse_refer(struct leg *l, int status);

/* Has its party put the call on hold: does it not listen, by its newest SDP? */
bool leg_holds(const struct leg *l);
/* --- video, which is only relayed; bridge_video.c decides --- */

/* What the party could take: all that it offers (WANTED), what was agreed on (AGREED); else no format. */
enum leg_video_state leg_video(const struct leg *l, struct video_formats *out);
/* From now on answers may have video of these formats: those of the other end; no format = none. Copied. */
void leg_permit_video(struct leg *l, const struct video_formats *formats);
/* Answered: offer it these formats, or take video away (no format). video() follows. 0; ENOTSUP: it may not have them;
 * EBUSY: video() tells when to try again; ENOTCONN, ENOMEM, ENOSPC (no port). */
int leg_offer_video(struct leg *l, const struct video_formats *formats);
/* --- Opus (bridge_opus.c) --- */

/* What of Opus its party can use that others send: what it says itself, or the rate of its codec; before the answer, of the widest
 * codec that it offers. False: not known, or a leg without a wire. */
bool leg_opus(const struct leg *l, struct opus_wish *out);
/* From now on our SDP says that the other end can use this; NULL = nobody is known there. Copied. */
void leg_wish_opus(struct leg *l, const struct opus_wish *w);
/* Answered, with Opus, and our newest SDP keeps its party from sending something that the wish has room for: re-offer. When that
 * cannot be now it follows. */
void leg_tell_opus(struct leg *l);

/* Its video end; NULL unless AGREED. Borrowed. */
struct port *leg_video_port(const struct leg *l);

/* Its audio end; NULL once closing. Borrowed. */
struct port *leg_port(const struct leg *l);
/* What this leg could carry: the codecs of its offer; once an SDP answer went out or came in, only that codec. */
void leg_codecs(const struct leg *l, struct codec_list *out);
/* Has an SDP answer gone out or come in? Then *codec is what it says. */
bool leg_agreed(const struct leg *l, enum codec_id *codec);

#endif

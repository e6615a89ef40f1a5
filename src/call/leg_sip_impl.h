/* leg_sip_impl: the insides of a SIP leg, shared by leg_sip.c (one session, one port, what they say to each other),
 * leg_sip_dial.c (one target after the other), leg_sip_video.c (video), leg_sip_opus.c (what the other end can use of Opus) and leg_sip_refer.c (the peer's REFER); nobody else includes it. Thread: signal. */
#ifndef LEG_SIP_IMPL_H
#define LEG_SIP_IMPL_H

#include "base/loop.h"
#include "call/leg_impl.h"
#include "call/leg_sip.h"
#include "call/tries.h"
#include "media/offer.h"

struct leg_video;

struct leg_opus {
	struct opus_wish wish;         /* of the other end; local.opus points here when it is known */
	struct opus_wish told, before; /* in our newest SDP; in the one before our newest offer inside the session */
	bool offering;                 /* a re-INVITE of ours about it is open */
	struct loop_timer again;
};

struct leg_sip {
	struct leg leg;
	const struct leg_sip_env *env;
	struct tries *tries;         /* NULL: one target, and no trunk */
	struct sip_session *session; /* NULL once it has ended */
	struct port *port;           /* NULL once it is closed */
	bool port_closing;
	bool offerless;          /* the INVITE had no SDP: our 200 carries the offer */
	bool agreed;             /* an SDP answer went out or came in */
	bool acked;              /* inbound: our 200 was acknowledged */
	bool reoffering;         /* a re-INVITE of ours is open, or waits for the ACK */
	bool told_hold;          /* what was reported last */
	uint8_t video_codecs;    /* what it may have (video_codecs()) */
	struct leg_video *video; /* NULL: nobody has spoken of it yet */
	struct leg_opus opus;
	struct media_local local;
	struct media_agreed media;
	uint64_t said;     /* hash of our newest SDP */
	struct str offer;  /* inbound: the caller's SDP until our answer is out; heap */
	struct str answer; /* inbound: our answer, the same in 183 and 200; heap */
};

/* --- leg_sip.c --- */

extern const struct sip_session_handlers leg_sip_session_handlers;

/* A leg with a port of its own, in LEG_NEW. 0, or the errno of port_open(). */
int leg_sip_make(struct leg_sip **out, const struct leg_sip_env *env, const struct port *near);
/* A leg that nobody has seen yet: only its port has to be waited for. */
void leg_sip_unmake(struct leg_sip *l);
void leg_sip_close_port(struct leg_sip *l);
/* The SDP of ours that goes out now. */
void leg_sip_said(struct leg_sip *l, struct str sdp);
/* Report the end, once session and port have gone. */
void leg_sip_finish(struct leg_sip *l);
/* The end of the session is why the leg ends. */
void leg_sip_blame(struct leg_sip *l, const struct sip_end *end);

/* A re-INVITE with what is in l->local now. 0 or errno. */
int leg_sip_send_reoffer(struct leg_sip *l);
/* Offers and answers name this codec alone from now on. */
void leg_sip_narrow(struct leg_sip *l, enum codec_id codec);

/* --- leg_sip_video.c --- */

/* An offer of the party has come, and is not answered yet. */
void leg_sip_video_expect(struct leg_sip *l, struct str sdp);
/* The first offer to the party will have these, if it may have them and there is a port. */
void leg_sip_video_dial(struct leg_sip *l, const struct video_formats *formats);
/* Offer and answer have met. */
void leg_sip_video_agree(struct leg_sip *l);
/* A re-INVITE of ours about video is open, or waits for its turn. */
bool leg_sip_video_is_offering(const struct leg_sip *l);
/* It has ended so; bad: nothing came of it. */
void leg_sip_video_offered(struct leg_sip *l, bool bad);
/* Tell that what leg_video() says may have changed. */
void leg_sip_video_report(struct leg_sip *l);
void leg_sip_video_close(struct leg_sip *l);
bool leg_sip_video_is_closed(const struct leg_sip *l);
void leg_sip_video_free(struct leg_sip *l);
enum leg_video_state leg_sip_video_state(const struct leg *leg, struct video_formats *out);
void leg_sip_video_permit(struct leg *leg, const struct video_formats *formats);
int leg_sip_video_offer(struct leg *leg, const struct video_formats *formats);
struct port *leg_sip_video_port(const struct leg *leg);

/* --- leg_sip_opus.c --- */

/* Our SDP goes out now. */
void leg_sip_opus_said(struct leg_sip *l);
/* A re-INVITE of ours, of whatever kind, has ended so; bad: nothing came of it. */
void leg_sip_opus_offered(struct leg_sip *l, bool bad);
void leg_sip_opus_close(struct leg_sip *l);
bool leg_sip_opus(const struct leg *leg, struct opus_wish *out);
void leg_sip_wish_opus(struct leg *leg, const struct opus_wish *w);
void leg_sip_tell_opus(struct leg *leg);

/* --- leg_sip_refer.c --- */

void leg_sip_asked(void *arg, const struct sip_refer_in *in);
int leg_sip_take_refer(struct leg *leg, struct sip_notifier **out);
void leg_sip_refuse_refer(struct leg *leg, int status);

/* --- leg_sip_dial.c --- */

/* The session of an outbound leg has ended so: is the next target being called now? */
bool leg_sip_try_next(struct leg_sip *l, const struct sip_end *end);
/* No further target. */
void leg_sip_stop_tries(struct leg_sip *l);

#endif

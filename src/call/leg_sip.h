/* leg_sip: a leg that is a SIP session and a port; the one place where sip/ and media/ meet.
 *
 * Thread: signal. */
#ifndef LEG_SIP_H
#define LEG_SIP_H

#include "call/leg.h"
#include "sip/sip_session.h"

struct leg_sip_env { /* what every SIP leg needs; outlives them all */
	struct sip_stack *stack;
	struct media *media;
	struct loop *loop;
	struct sip_trace *trace;          /* NULL = none */
	enum media_encryption encryption; /* of what comes in */
};

struct leg_sip_target {   /* one way to the party; all borrowed during the call */
	struct str trunk; /* its name, for sentences; empty = none */
	struct str ruri;
	enum wire_kind kind;
	struct str from_uri, from_name;
	struct str username, password; /* empty = none */
	struct sip_fields fields;
	bool follow;                /* 3xx, see tries.h */
	uint64_t binding;           /* of a registration, 0 = none; such a target is the only one */
	uint32_t session_timeout_s; /* 0 = the stack's */
};

struct leg_sip_call {                         /* all borrowed during the call */
	const struct leg_sip_target *targets; /* at least one; see leg_sip_dial() */
	size_t target_count;
	struct str id;                     /* of the call, for log lines */
	struct codec_list codecs;          /* the offer, with at least one of audio; those of video may be had */
	const struct video_formats *video; /* what the other end has of it, NULL = nothing */
	const struct opus_wish *opus;      /* what the other end can use of it, NULL = not known */
	enum media_encryption encryption;
	const struct port *near; /* share its worker, NULL = any */
};

/* Dial. The targets are tried in order as one leg with one port: the next one when the one before cannot be reached,
 * says nothing within 5 s, or refuses with 5xx, 401, 403, 407 or 488, as long as nothing has rung. What ends the
 * last try ends the leg. 0, or errno with one sentence in why; ENOSPC when media.ports is used up. */
int leg_sip_dial(struct leg **out, const struct leg_sip_env *env, const struct leg_sip_call *p, const char **why);

struct leg_sip_ours {
	const struct codec_list *codecs; /* that we accept */
	const struct port *near;         /* share its worker, NULL = any */
};

/* Take an INVITE. Returns 0 and the leg in LEG_OFFERED; else the status the session is
 * to be refused with (400, 488, 503, 500) and one clause in why, and nothing is kept. */
int leg_sip_accept(struct leg **out, const struct leg_sip_env *env, struct sip_session *s, const struct sip_invite *in,
		   const struct leg_sip_ours *ours, const char **why);

/* The answered leg whose dialog the value of a Replaces header names; NULL = none of ours. */
struct leg *leg_sip_named(const struct leg_sip_env *env, struct str replaces);

#endif

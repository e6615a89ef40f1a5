/* sip_timer: session timers: what the headers of a message say, and what the two sides of it then agree on.
 *
 * Pure: no clocks, no sessions. Times are the seconds of the headers. "Ours" is always seen from this side, whoever
 * sent the request. Thread: any. Source: RFC 4028. */
#ifndef SIP_TIMER_H
#define SIP_TIMER_H

#include "sip/sip_msg.h"

enum {
	SIP_MIN_SE_S = 90,    /* no session may expire faster (§4) */
	SIP_MAX_SE_S = 86400, /* we ask for no longer ones, whatever a 422 says */
};

enum sip_refresher { SIP_REFRESHER_NONE, SIP_REFRESHER_UAC, SIP_REFRESHER_UAS }; /* of the request in question */

struct sip_timer_says {               /* the headers of one message */
	bool supported;               /* Supported: timer */
	uint32_t expires_s;           /* Session-Expires, 0 = none, or not to be understood */
	enum sip_refresher refresher; /* its parameter */
	uint32_t min_s;               /* Min-SE, at least SIP_MIN_SE_S */
};

void sip_timer_read(struct sip_timer_says *out, const struct sip_msg *m);

struct sip_timer_wish {
	uint32_t expires_s; /* 0 = none: whoever asks for a timer gets one, and nobody else */
	bool ours;          /* who refreshes when nobody says */
};

struct sip_timer_deal {
	uint32_t expires_s; /* 0 = the session does not expire */
	bool ours;          /* we refresh */
	bool mutual;        /* the peer knows session timers; false = we alone look whether it is there */
};

/* A request of the peer that would have the session expire faster than we allow: 422 (§6). A peer without Supported
 * could do nothing with that. */
bool sip_timer_is_short(const struct sip_timer_says *request);
/* What our 2xx to a request of the peer says (§9, table 2). */
void sip_timer_answer(struct sip_timer_deal *out, const struct sip_timer_says *request, const struct sip_timer_wish *w);
/* What the peer's 2xx to a request of ours means; w->expires_s is what we asked for (§7.2). */
void sip_timer_agree(struct sip_timer_deal *out, const struct sip_timer_says *response, const struct sip_timer_wish *w);

/* When whoever does not refresh has had enough: min(32, a third) before the end (§10). */
uint32_t sip_timer_deadline_s(uint32_t expires_s);

/* The header lines of a 2xx. */
void sip_timer_print_answer(struct buf *b, const struct sip_timer_deal *d);
/* Those of a request; refresher NONE leaves the choice to the peer. expires_s 0 prints nothing. */
void sip_timer_print_request(struct buf *b, uint32_t expires_s, uint32_t min_s, enum sip_refresher refresher);

#endif

/* latch: from whom a stream is taken, and where it is sent: the SDP's address until the peer itself was heard.
 *
 * A source on the SDP's host is the peer. Another source (the peer behind a NAT) is taken for the peer only as
 * the first one heard within a short window, and gives way to the SDP's host while that window is open.
 * Whoever was the peer before its SDP named another address is late for a second: two devices may be on one host.
 * Everybody else is foreign for good: a third party neither hears nor speaks (CVE-2025-53399 and kin).
 * Pure. Thread: any. */
#ifndef LATCH_H
#define LATCH_H

#include "net/addr.h"

enum latch_state {
	LATCH_NONE,    /* nobody heard */
	LATCH_GUESSED, /* the first in the window, from another host than the SDP's */
	LATCH_SURE,    /* from the SDP's host */
};

struct latch {
	struct addr sdp; /* as agreed */
	struct addr to;  /* where to send */
	uint64_t window_end_ms;
	struct addr before; /* the peer before it moved, late until late_end_ms */
	uint64_t late_end_ms;
	enum latch_state state;
	bool agreed; /* sdp is set */
};

/* An SDP named this address. The same as before keeps what was learnt; another one, or nobody heard so far, opens a
 * window of window_ms. An address of zeros (hold) changes nothing once there is another. Returns true when what
 * was learnt is forgotten. */
bool latch_agree(struct latch *l, const struct addr *sdp, uint64_t now_ms, uint32_t window_ms);
/* A valid packet came. Returns false when it is foreign. */
bool latch_hear(struct latch *l, const struct addr *from, uint64_t now_ms);
/* The companion stream (RTCP of main): only from the host that main is sent to, or that its own SDP address names, and
 * from one port of it. The caller resets it whenever main.state changes. */
bool latch_hear_beside(struct latch *l, const struct latch *main, const struct addr *from);
/* Forget who was heard. */
void latch_reset(struct latch *l);

#endif

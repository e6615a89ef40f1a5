/* leg_local: a leg without a wire: its far end is another leg of this server. What the one does (ring, answer, hang up) the other
 * reports as what its party did, a turn of the loop later; audio and keys pass between their ports (port_open_pair()).
 *
 * Thread: signal. */
#ifndef LEG_LOCAL_H
#define LEG_LOCAL_H

#include "call/leg.h"

struct loop;
struct media;

struct leg_pair {
	struct leg *dialled; /* LEG_DIALLING, outbound */
	struct leg *offered; /* LEG_OFFERED, inbound */
};

/* near: share its worker, NULL = any. 0, or errno with one sentence in why. */
int leg_local_open(struct leg_pair *out, struct media *media, struct loop *loop, const struct port *near,
		   const char **why);

#endif

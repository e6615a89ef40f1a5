/* handover: one transfer at work: dials whom a party has named, tells that party how it goes, and has the two others joined
 * when somebody answers. Until then nothing changes for them.
 *
 * It carries the engine's decisions out (handover_engine.h). Thread: signal. */
#ifndef HANDOVER_OP_H
#define HANDOVER_OP_H

#include "op/pairing.h"

/* Inside asked(): take what `by` wishes for kept. 0, and p->handover is set until pairing_swap() or failed(); else the status
 * to refuse with. */
int handover_start(struct pairing *p, struct call *by, struct call *kept, const struct transfer_wish *w);
/* It is hosted by another pairing from now on: that of kept, when `by` leaves early. */
void handover_move(struct pairing *from, struct pairing *to);
/* The two are parted, or kept is gone: give it up. failed() is not called; p->handover is NULL. Harmless without one. */
void handover_stop(struct pairing *p);
const struct call *handover_by(const struct handover *t); /* NULL = gone */

#endif

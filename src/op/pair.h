/* pair: two calls that are joined and have no document: what is left when the one who ran it has transferred its peer.
 *
 * It ends when one of the two hangs up, or max_duration of the connect they came from is over, and frees itself.
 * Thread: signal. */
#ifndef PAIR_H
#define PAIR_H

#include "op/pairing.h"

/* Joins them; b NULL: for now a waits for the end of the transfer that is handed over then (handover_move()), to the pairing
 * that is returned. Both calls must be of nobody. NULL when b is there, or on no memory: then both are hung up. */
struct pairing *pair_start(struct call *a, struct call *b, const struct pairing_terms *terms);

#endif

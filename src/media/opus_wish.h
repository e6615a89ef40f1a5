/* opus_wish: what a party's SDP says of the Opus that it wants to get; and what ours says of that to who sends it, for whoever
 * hears him. Pure. Thread: any. Source: RFC 7587 §6.1, §7. */
#ifndef OPUS_WISH_H
#define OPUS_WISH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct opus_wish {           /* zeroed = it said nothing */
	uint32_t most_bit_s; /* maxaveragebitrate, 6000 to 510000; 0 = as much as we like */
	uint32_t most_hz;    /* maxplaybackrate: what it can render; 0 = everything */
	uint32_t sends_hz;   /* sprop-maxcapturerate: nothing above half of it will come from it; 0 = it may */
	bool fec;            /* useinbandfec: copies of lost packets help it */
	bool dtx;            /* usedtx: silence need not be sent */
	bool constant;       /* cbr */
};

/* fmtp: the parameters behind the payload type, absent = none. What is no number or out of range says nothing. */
void opus_wish_read(struct opus_wish *out, struct str fmtp);
/* That of a party of another codec with this rate, for which we decode and code. */
struct opus_wish opus_wish_of_rate(uint32_t hz);

enum { OPUS_WISH_TEXT = 160 };
/* The same as fmtp. Returns out, or NULL when it says nothing. */
const char *opus_wish_print(char out[OPUS_WISH_TEXT], const struct opus_wish *w);

/* Would who was told `told` send less than what w can use, in bandwidth or bits? */
bool opus_wish_exceeds(const struct opus_wish *w, const struct opus_wish *told);

#endif

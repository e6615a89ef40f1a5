/* opus_wish: what a party's SDP says of the Opus that it wants to get. Pure. Thread: any. Source: RFC 7587 §6.1, §7. */
#ifndef OPUS_WISH_H
#define OPUS_WISH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct opus_wish {           /* zeroed = it said nothing */
	uint32_t most_bit_s; /* maxaveragebitrate, 6000 to 510000; 0 = as much as we like */
	uint32_t most_hz;    /* maxplaybackrate: what it can render; 0 = everything */
	bool fec;            /* useinbandfec: copies of lost packets help it */
	bool dtx;            /* usedtx: silence need not be sent */
	bool constant;       /* cbr */
};

/* fmtp: the parameters behind the payload type, absent = none. What is no number or out of range says nothing. */
void opus_wish_read(struct opus_wish *out, struct str fmtp);

#endif

#include "media/opus_wish.h"

#include "media/sdp.h"

enum { LEAST_BIT_S = 6000, MOST_BIT_S = 510000, LEAST_HZ = 8000, MOST_HZ = 48000 };

static uint32_t number(struct str fmtp, const char *name, uint32_t least, uint32_t most)
{
	uint32_t n = 0;

	return !str_u32(sdp_parameter(fmtp, name), &n) && n >= least && n <= most ? n : 0;
}

void opus_wish_read(struct opus_wish *out, struct str fmtp)
{
	*out = (struct opus_wish){
		.most_bit_s = number(fmtp, "maxaveragebitrate", LEAST_BIT_S, MOST_BIT_S),
		.most_hz = number(fmtp, "maxplaybackrate", LEAST_HZ, MOST_HZ),
		.fec = number(fmtp, "useinbandfec", 1, 1),
		.dtx = number(fmtp, "usedtx", 1, 1),
		.constant = number(fmtp, "cbr", 1, 1),
	};
}

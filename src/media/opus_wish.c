#include "media/opus_wish.h"

#include <stdio.h>

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
		.sends_hz = number(fmtp, "sprop-maxcapturerate", LEAST_HZ, MOST_HZ),
		.fec = number(fmtp, "useinbandfec", 1, 1),
		.dtx = number(fmtp, "usedtx", 1, 1),
		.constant = number(fmtp, "cbr", 1, 1),
	};
}

struct opus_wish opus_wish_of_rate(uint32_t hz)
{
	uint32_t most_hz = hz < MOST_HZ ? hz : 0;

	return (struct opus_wish){ .most_hz = most_hz, .sends_hz = most_hz, .fec = true };
}

static size_t print_number(char *out, size_t n, const char *name, uint32_t value)
{
	if (!value)
		return n;
	return n + (size_t)snprintf(out + n, OPUS_WISH_TEXT - n, "%s%s=%u", n ? ";" : "", name, value);
}

const char *opus_wish_print(char out[OPUS_WISH_TEXT], const struct opus_wish *w)
{
	size_t n = 0;

	n = print_number(out, n, "maxplaybackrate", w->most_hz);
	n = print_number(out, n, "sprop-maxcapturerate", w->sends_hz);
	n = print_number(out, n, "maxaveragebitrate", w->most_bit_s);
	n = print_number(out, n, "cbr", w->constant);
	n = print_number(out, n, "useinbandfec", w->fec);
	n = print_number(out, n, "usedtx", w->dtx);
	return n ? out : NULL;
}

/* 0 = without a bound. */
static bool is_above(uint32_t a, uint32_t b)
{
	return b && (!a || a > b);
}

bool opus_wish_exceeds(const struct opus_wish *w, const struct opus_wish *told)
{
	return is_above(w->most_hz, told->most_hz) || is_above(w->most_bit_s, told->most_bit_s);
}

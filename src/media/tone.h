/* tone: what countries send while a telephone rings, and tones in general, as samples.
 *
 * Pure: a table of cadences and a generator that keeps its phase. Thread: the owner's. Source: ITU-T E.180. */
#ifndef TONE_H
#define TONE_H

#include "base/str.h"

enum { TONE_PARTS = 6 };

struct tone_part {     /* one piece of a cadence */
	uint16_t ms;   /* how long; 0 = end of the list */
	uint16_t hz;   /* 0 = silence */
	uint16_t with; /* a second frequency; 0 = none */
	bool beats;    /* with is what the first is modulated with, not added */
};

struct tone_plan {
	const char *country; /* "us" */
	struct tone_part parts[TONE_PARTS];
};

/* Ring tone of a country by its two letters (or "us-old"), any case. NULL = not known. */
const struct tone_plan *tone_ring(struct str country);
/* Length of the cadence. */
uint32_t tone_plan_ms(const struct tone_plan *p);

struct tone { /* a generator; zeroed, then plan set */
	const struct tone_plan *plan;
	uint64_t at_us; /* in the cadence */
	double phase, phase_with;
};

/* The next count samples at rate_hz; the cadence begins again at its end. */
void tone_run(struct tone *t, int16_t *out, size_t count, uint32_t rate_hz);

#endif

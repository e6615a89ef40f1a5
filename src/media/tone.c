#include "media/tone.h"

#include <math.h>

/* Length, frequency, second frequency, modulated. */
static const struct tone_plan rings[] = {
	{ "at", { { 1000, 420, 0, false }, { 5000, 0, 0, false } } },
	{ "au", { { 400, 413, 438, false }, { 200, 0, 0, false }, { 400, 413, 438, false }, { 2000, 0, 0, false } } },
	{ "be", { { 1000, 425, 0, false }, { 3000, 0, 0, false } } },
	{ "bg", { { 1000, 425, 0, false }, { 4000, 0, 0, false } } },
	{ "br", { { 1000, 425, 0, false }, { 4000, 0, 0, false } } },
	{ "ch", { { 1000, 425, 0, false }, { 4000, 0, 0, false } } },
	{ "cl", { { 1000, 400, 0, false }, { 3000, 0, 0, false } } },
	{ "cn", { { 1000, 450, 0, false }, { 4000, 0, 0, false } } },
	{ "cz", { { 1000, 425, 0, false }, { 4000, 0, 0, false } } },
	{ "de", { { 1000, 425, 0, false }, { 4000, 0, 0, false } } },
	{ "dk", { { 1000, 425, 0, false }, { 4000, 0, 0, false } } },
	{ "ee", { { 1000, 425, 0, false }, { 4000, 0, 0, false } } },
	{ "es", { { 1500, 425, 0, false }, { 3000, 0, 0, false } } },
	{ "fi", { { 1000, 425, 0, false }, { 4000, 0, 0, false } } },
	{ "fr", { { 1500, 440, 0, false }, { 3500, 0, 0, false } } },
	{ "gr", { { 1000, 425, 0, false }, { 4000, 0, 0, false } } },
	{ "hu", { { 1250, 425, 0, false }, { 3750, 0, 0, false } } },
	{ "il", { { 1000, 400, 0, false }, { 3000, 0, 0, false } } },
	{ "in", { { 400, 400, 25, true }, { 200, 0, 0, false }, { 400, 400, 25, true }, { 2000, 0, 0, false } } },
	{ "it", { { 1000, 425, 0, false }, { 4000, 0, 0, false } } },
	{ "jp", { { 1000, 400, 16, true }, { 2000, 0, 0, false } } },
	{ "lt", { { 1000, 425, 0, false }, { 4000, 0, 0, false } } },
	{ "mx", { { 1000, 425, 0, false }, { 4000, 0, 0, false } } },
	{ "my", { { 400, 425, 0, false }, { 200, 0, 0, false }, { 400, 425, 0, false }, { 2000, 0, 0, false } } },
	{ "nl", { { 1000, 425, 0, false }, { 4000, 0, 0, false } } },
	{ "no", { { 1000, 425, 0, false }, { 4000, 0, 0, false } } },
	{ "nz", { { 400, 400, 450, false }, { 200, 0, 0, false }, { 400, 400, 450, false }, { 2000, 0, 0, false } } },
	{ "ph", { { 1000, 425, 480, false }, { 4000, 0, 0, false } } },
	{ "pl", { { 1000, 425, 0, false }, { 4000, 0, 0, false } } },
	{ "pt", { { 1000, 425, 0, false }, { 5000, 0, 0, false } } },
	{ "ru", { { 800, 425, 0, false }, { 3200, 0, 0, false } } },
	{ "se", { { 1000, 425, 0, false }, { 5000, 0, 0, false } } },
	{ "sg", { { 400, 425, 24, true }, { 200, 0, 0, false }, { 400, 425, 24, true }, { 2000, 0, 0, false } } },
	{ "th", { { 1000, 400, 0, false }, { 4000, 0, 0, false } } },
	{ "tw", { { 1000, 440, 480, false }, { 2000, 0, 0, false } } },
	{ "uk", { { 400, 400, 450, false }, { 200, 0, 0, false }, { 400, 400, 450, false }, { 2000, 0, 0, false } } },
	{ "us", { { 2000, 440, 480, false }, { 4000, 0, 0, false } } },
	{ "us-old", { { 2000, 420, 40, true }, { 4000, 0, 0, false } } },
	{ "ve", { { 1000, 425, 0, false }, { 4000, 0, 0, false } } },
	{ "za", { { 400, 400, 33, true }, { 200, 0, 0, false }, { 400, 400, 33, true }, { 2000, 0, 0, false } } },
};

static const double level = 6500; /* about -14 dBm0, for one frequency or the sum of two */

const struct tone_plan *tone_ring(struct str country)
{
	for (size_t i = 0; i < ARRAY_LEN(rings); i++) {
		if (str_iis(country, rings[i].country))
			return &rings[i];
	}
	return NULL;
}

uint32_t tone_plan_ms(const struct tone_plan *p)
{
	uint32_t ms = 0;

	for (size_t i = 0; i < TONE_PARTS; i++)
		ms += p->parts[i].ms;
	return ms;
}

static const struct tone_part *part_at(const struct tone_plan *p, uint64_t at_us)
{
	uint64_t end_us = 0;
	size_t i;

	for (i = 0; i + 1 < TONE_PARTS && p->parts[i + 1].ms; i++) {
		end_us += 1000 * (uint64_t)p->parts[i].ms;
		if (at_us < end_us)
			break;
	}
	return &p->parts[i];
}

static double turn(double *phase, unsigned hz, uint32_t rate_hz)
{
	double now = *phase;

	*phase = fmod(now + 2 * M_PI * hz / rate_hz, 2 * M_PI);
	return sin(now);
}

static double sample(struct tone *t, const struct tone_part *p, uint32_t rate_hz)
{
	double first;

	if (!p->hz)
		return 0;
	first = turn(&t->phase, p->hz, rate_hz);
	if (!p->with)
		return level * first;
	if (p->beats)
		return level * first * (1 + turn(&t->phase_with, p->with, rate_hz)) / 2;
	return level * (first + turn(&t->phase_with, p->with, rate_hz)) / 2;
}

void tone_run(struct tone *t, int16_t *out, size_t count, uint32_t rate_hz)
{
	uint64_t total_us = 1000 * (uint64_t)tone_plan_ms(t->plan);
	uint64_t from_us = t->at_us;

	for (size_t i = 0; i < count; i++) {
		t->at_us = (from_us + 1000000 * (uint64_t)i / rate_hz) % total_us;
		out[i] = (int16_t)lrint(sample(t, part_at(t->plan, t->at_us), rate_hz));
	}
	t->at_us = (from_us + 1000000 * (uint64_t)count / rate_hz) % total_us;
}

#include "media/detect.h"

enum {
	WORD_MS = 100,
	WORD_GAP_MS = 60,
	ONGOING_GAP_MS = 300,
	BEEP_MIN_MS = 100,
	BEEP_MAX_MS = 3000,
	BEEP_DRIFT_HZ = 12, /* from one piece to the next: no voice keeps a frequency as well as this */
	CED_HZ = 2100,
	CED_WIDTH_HZ = 30,
};

static enum detect_news end(struct detect *d, enum detect_news news)
{
	d->over = true;
	return news;
}

static bool is_same(uint16_t a, uint16_t b)
{
	return (a > b ? a - b : b - a) <= BEEP_DRIFT_HZ;
}

/* Follows a tone. Returns the length of one that has just ended and may have been a beep, else 0. */
static uint32_t follow_tone(struct detect *d, const struct voice_piece *p)
{
	uint16_t hz = p->kind == VOICE_TONE ? p->hz : 0, before_hz = d->tone_hz;
	uint32_t lasted_ms = d->tone_ms;

	if (hz && before_hz && is_same(hz, before_hz)) {
		d->tone_ms += VOICE_MS;
		return 0;
	}
	d->tone_hz = hz;
	d->tone_ms = hz ? VOICE_MS : 0;
	if (lasted_ms < BEEP_MIN_MS || lasted_ms > BEEP_MAX_MS)
		return 0;
	return before_hz > CED_HZ - CED_WIDTH_HZ && before_hz < CED_HZ + CED_WIDTH_HZ ? 0 : lasted_ms;
}

static bool may_be_beep(const struct detect *d)
{
	return d->tone_ms >= BEEP_MIN_MS / 2 && d->tone_ms <= BEEP_MAX_MS;
}

static void hear_voice(struct detect *d)
{
	d->gap_ms = 0;
	d->burst_ms += VOICE_MS;
	if (d->burst_ms < WORD_MS)
		return; /* a click, as yet */
	if (d->burst_ms == WORD_MS) {
		d->begun = true;
		d->words++;
		d->ongoing_ms += WORD_MS;
	} else {
		d->ongoing_ms += VOICE_MS;
	}
}

static void hear_gap(struct detect *d)
{
	d->gap_ms += VOICE_MS;
	if (d->gap_ms >= WORD_GAP_MS)
		d->burst_ms = 0;
	if (d->gap_ms >= ONGOING_GAP_MS)
		d->ongoing_ms = 0;
}

static bool speaks_on(const struct detect *d)
{
	const struct detect_rules *r = &d->rules;

	return (r->voice_ms && d->ongoing_ms >= r->voice_ms) || (r->words && d->words >= r->words);
}

/* Who is it? */
static enum detect_news judge_greeting(struct detect *d)
{
	if (!d->begun)
		return d->at_ms >= d->rules.initial_ms ? end(d, DETECT_NOBODY) : DETECT_NOTHING;
	if (speaks_on(d)) {
		d->is_machine = true;
		d->over = !d->rules.greeting_end;
		return DETECT_MACHINE;
	}
	if (d->gap_ms >= WORD_GAP_MS && d->gap_ms >= d->rules.end_ms && !may_be_beep(d))
		return end(d, DETECT_HUMAN);
	return DETECT_NOTHING;
}

/* Has the machine's greeting ended? */
static enum detect_news judge_end(struct detect *d)
{
	if (d->is_ready) {
		if (d->burst_ms < WORD_MS)
			return DETECT_NOTHING;
		d->is_ready = false;
		return DETECT_NOT_READY;
	}
	if (d->gap_ms < WORD_GAP_MS || d->gap_ms < d->rules.ready_ms || may_be_beep(d))
		return DETECT_NOTHING;
	d->is_ready = true;
	d->over = !d->rules.interruptions;
	return DETECT_READY;
}

enum detect_news detect_step(struct detect *d, const struct voice_piece *p)
{
	bool beeped;

	if (d->over)
		return DETECT_NOTHING;
	d->at_ms += VOICE_MS;
	beeped = follow_tone(d, p) > 0;
	if (p->kind == VOICE_SPEECH)
		hear_voice(d);
	else
		hear_gap(d);
	if (beeped && d->begun)
		return end(d, DETECT_BEEP);
	return d->is_machine ? judge_end(d) : judge_greeting(d);
}

#include "media/detector.h"

#include <assert.h>
#include <errno.h>
#include <spandsp.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

enum { KEPT = 8 }; /* news that wait for room in the queue; then the oldest go */

struct detector {
	struct sink sink;
	struct detector_opts opts;
	struct detect rules;
	struct voice_detector *voice;        /* NULL = of no interest */
	modem_connect_tones_rx_state_t *fax; /* likewise */
	bool is_fax;
	enum detect_news waiting[KEPT];
	size_t waiting_count;
};

static void note(struct detector *d, enum detect_news what)
{
	if (d->waiting_count == KEPT)
		memmove(d->waiting, d->waiting + 1, --d->waiting_count * sizeof(d->waiting[0]));
	d->waiting[d->waiting_count++] = what;
}

static void hand_over(struct detector *d)
{
	if (d->sink.news || !d->waiting_count)
		return;
	d->sink.news = d->waiting[0];
	memmove(d->waiting, d->waiting + 1, --d->waiting_count * sizeof(d->waiting[0]));
}

struct detector *detector_of(struct sink *s)
{
	return (struct detector *)(void *)s;
}

static enum detect_news listen_for_fax(struct detector *d, const int16_t *said)
{
	modem_connect_tones_rx(d->fax, said, VOICE_SAMPLES);
	if (!modem_connect_tones_rx_get(d->fax))
		return DETECT_NOTHING;
	return d->opts.tone == DETECTOR_CNG ? DETECT_CNG : DETECT_CED;
}

static bool push(struct sink *s, const int16_t *said, const int16_t *heard, size_t count, uint32_t rate_hz)
{
	struct detector *d = detector_of(s);
	enum detect_news fax, news = DETECT_NOTHING;

	assert(count == VOICE_SAMPLES && rate_hz == VOICE_HZ);
	fax = d->fax ? listen_for_fax(d, said) : DETECT_NOTHING;
	if (d->voice && !fax) {
		struct voice_piece piece = voice_detector_run(d->voice, said);

		news = detect_step(&d->rules, &piece);
	}
	if (fax || news)
		note(d, fax ? fax : news);
	hand_over(d);
	d->is_fax = fax;
	return !detector_is_over(d);
}

static void detector_free(struct sink *s)
{
	struct detector *d = detector_of(s);

	voice_detector_free(&d->voice);
	if (d->fax)
		modem_connect_tones_rx_free(d->fax);
	free(d);
}

static const struct sink_ops sink_ops = { .push = push, .free = detector_free };

/* A fax that sends no CED is known by the flags that follow where it would have been. */
static modem_connect_tones_rx_state_t *new_fax(enum detector_tone tone)
{
	int type = tone == DETECTOR_CNG ? MODEM_CONNECT_TONES_FAX_CNG : MODEM_CONNECT_TONES_FAX_CED_OR_PREAMBLE;

	return modem_connect_tones_rx_init(NULL, type, NULL, NULL);
}

int detector_new(struct detector **out, const struct detector_opts *opts)
{
	struct detector *d = calloc(1, sizeof(*d));
	int err = 0;

	if (!d)
		return ENOMEM;
	d->opts = *opts;
	d->rules.rules = opts->rules;
	d->sink = (struct sink){ .ops = &sink_ops, .wants = SINK_SAID, .rate_hz = VOICE_HZ };
	if (opts->machine)
		err = voice_detector_new(&d->voice);
	if (!err && opts->tone) {
		d->fax = new_fax(opts->tone);
		err = d->fax ? 0 : ENOMEM;
	}
	if (err)
		detector_free(&d->sink);
	else
		*out = d;
	return err;
}

struct sink *detector_sink(struct detector *d)
{
	return &d->sink;
}

enum detect_news detector_take(struct detector *d)
{
	enum detect_news what;

	hand_over(d);
	what = (enum detect_news)d->sink.news;
	d->sink.news = 0;
	return what;
}

bool detector_is_over(const struct detector *d)
{
	return d->is_fax || d->rules.over;
}

/* detector: a sink that finds out who a party is: a person, an answering machine, a fax.
 *
 * Hears what the party says at 8 kHz, and tells what it has found as news: enum detect_news. It detaches itself
 * when there is nothing more to find; what could not be handed over until then is taken out of it with detector_take().
 * Thread: signal; a worker while it is attached. Source: swml.md §8 detect_machine; ITU-T T.30 (tones). */
#ifndef DETECTOR_H
#define DETECTOR_H

#include "media/detect.h"
#include "media/sink.h"

struct detector;

enum detector_tone { DETECTOR_NO_TONE, DETECTOR_CED, DETECTOR_CNG };

struct detector_opts {
	bool machine; /* by the rules */
	struct detect_rules rules;
	enum detector_tone tone; /* of a fax */
};

/* 0 or ENOMEM. It is freed by its sink's free(). */
int detector_new(struct detector **out, const struct detector_opts *opts);
/* To be attached; and the other way round. */
struct sink *detector_sink(struct detector *d);
struct detector *detector_of(struct sink *s);
/* Detached: the next news that nobody has had. */
enum detect_news detector_take(struct detector *d);
/* Detached: it was by its own wish. */
bool detector_is_over(const struct detector *d);

#endif

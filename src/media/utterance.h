/* utterance: a sink that keeps what a party says: from 0.3 s before it begins to speak until it has ended.
 *
 * The beginning is told in a queue, the end by leaving the port: it is detached. All memory is taken at birth.
 * Thread: made and freed by signal, pushed by a worker; when it has come back its audio is signal's again. */
#ifndef UTTERANCE_H
#define UTTERANCE_H

#include "base/str.h"
#include "media/sink.h"

struct mq;
struct utterance;

enum { UTTERANCE_HZ = 16000, UTTERANCE_MAX_MS = 60000 };

struct utterance_opts {
	struct mq *begun; /* of uint64_t: id comes when speech begins; without a place of its own */
	uint64_t id;
	uint32_t end_ms; /* silence that ends it */
	uint32_t max_ms; /* of speech, then it ends as well; 1 to UTTERANCE_MAX_MS */
};

/* 0 or ENOMEM. Freed by its sink's free(). */
int utterance_new(struct utterance **out, const struct utterance_opts *opts);
/* To be attached. */
struct sink *utterance_sink(struct utterance *u);
/* Once it has come back: a WAV file, mono, 16 bit, 16 kHz; empty when nobody has spoken. Borrowed. */
struct str utterance_wav(struct utterance *u);

#endif

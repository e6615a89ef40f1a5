/* voices: the engines that speak and that understand, as the configuration wants them. */
#ifndef VOICES_H
#define VOICES_H

#include "config.h"

struct recognizer;

/* Logs what it found, or why it failed. Texts are kept under data/cache/speech. 0 or errno. */
int voices_open(struct speech **out, struct loop *l, struct pool *p, const struct config *c);

/* The same for what callers say, when stt is set; else *out stays as it is. Commands write below data/cache. 0 or errno. */
int voices_listen(struct recognizer **out, struct loop *l, struct pool *p, const struct config *c);

#endif

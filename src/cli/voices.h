/* voices: the speech engine as the configuration wants it. */
#ifndef VOICES_H
#define VOICES_H

#include "config.h"

/* Logs what it found, or why it failed. Texts are kept under data/cache/speech. 0 or errno. */
int voices_open(struct speech **out, struct loop *l, struct pool *p, const struct config *c);

#endif

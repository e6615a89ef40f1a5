/* hold_tune: what a party on hold hears when nothing else is configured: broken chords of a music box, 16 s.
 *
 * Made of sines here, so that it is nobody's work but ours; its end leads into its beginning. Thread: any (it takes some
 * milliseconds: the pool). */
#ifndef HOLD_TUNE_H
#define HOLD_TUNE_H

#include "media/clip.h"

enum { HOLD_TUNE_MS = 16000 };

/* 0 or ENOMEM. The caller owns *out. */
int hold_tune_new(struct clip **out);

#endif

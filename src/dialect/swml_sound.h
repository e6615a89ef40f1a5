/* swml_sound: the sounds that arguments of methods name (play, connect's ringback), looked at before and while a
 * document runs. Pure. Thread: any. Source: swml.md §7. */
#ifndef SWML_SOUND_H
#define SWML_SOUND_H

#include "dialect/swml.h"

/* What a play plays: its url or its urls, a text or a list that is not empty. Returns 0, ENOENT (neither is there) or
 * EINVAL (both, or nothing in it), both reported. */
int swml_play_sounds(const struct doc **out, const struct doc *args, struct swml_report *r);
/* The sounds of a text or a list, one by one: the first with at NULL, then with what came before; NULL = that was all. */
const struct doc *swml_next_sound(const struct doc *sounds, const struct doc *at);
/* Can this be a sound? False after a warning; what is not known yet can. */
bool swml_sound_ok(const struct doc *sound, struct swml_report *r);

#endif

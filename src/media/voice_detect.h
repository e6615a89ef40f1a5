/* voice_detect: tells of each 20 ms of a party's audio whether it is voice, a tone, or neither.
 *
 * Voice is what is louder than the line's noise and has a pitch, with what follows it at once (a consonant has no pitch); music
 * is voice too. A tone is one steady frequency or two: a beep, a key, a ring tone, a fax. Everything else, be it
 * loud, is none of both. Deterministic: the same samples give the same answers.
 * Thread: the owner's; making one allocates, running one does not. */
#ifndef VOICE_DETECT_H
#define VOICE_DETECT_H

#include <stdint.h>

enum { VOICE_HZ = 8000, VOICE_MS = 20, VOICE_SAMPLES = VOICE_HZ / 1000 * VOICE_MS };

enum voice_kind { VOICE_NONE, VOICE_SPEECH, VOICE_TONE };

struct voice_piece {
	enum voice_kind kind;
	uint16_t hz; /* TONE of one frequency; 0 = of two */
};

struct voice_detector;

/* 0 or ENOMEM. */
int voice_detector_new(struct voice_detector **out);
void voice_detector_free(struct voice_detector **d);
/* The next 20 ms. */
struct voice_piece voice_detector_run(struct voice_detector *d, const int16_t in[VOICE_SAMPLES]);

#endif

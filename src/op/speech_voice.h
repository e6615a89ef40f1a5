/* speech_voice: what the documents of cloud platforms call a voice, and what the engines here have for it.
 *
 * A vendor's name (Polly.Hans-Neural, gcloud.de-DE-Wavenet-B, man) stands for a language and a gender; the engine's voice of
 * that language and gender speaks. espeak.NAME and flite.NAME name a voice of the engine itself.
 * Pure. Thread: any. Source: swml.md §8 play, cxml.md "Say". */
#ifndef SPEECH_VOICE_H
#define SPEECH_VOICE_H

#include "base/str.h"

enum { SPEECH_NAME = 64 };

struct speech_voice {
	char name[SPEECH_NAME];     /* as asked for; "" when that was nothing that could be a name */
	char language[SPEECH_NAME]; /* a BCP 47 tag, letter case as given */
	char own[SPEECH_NAME];      /* the engine's own name, "" = none */
	bool flite;                 /* own is flite's, not espeak-ng's */
	bool male, known;
};

/* Any may be NULL or "default". A voice that is not known speaks as language and gender say, else as English (US), female. */
void speech_voice_find(struct speech_voice *out, const char *name, const char *language, const char *gender);
/* What espeak-ng calls it. False: it lacks the language, and English speaks. */
bool speech_voice_espeak(char out[SPEECH_NAME], const struct speech_voice *v);
/* The same of flite, which has nothing but English. */
bool speech_voice_flite(char out[SPEECH_NAME], const struct speech_voice *v);

#endif

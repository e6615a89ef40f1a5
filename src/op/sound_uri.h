/* sound_uri: what a document may name to be played, read: http(s)://…, say:…, silence:SECONDS, ring:[SECONDS:]COUNTRY.
 *
 * Pure. Thread: any. Source: swml.md §7. */
#ifndef SOUND_URI_H
#define SOUND_URI_H

#include "base/str.h"

enum sound_kind { SOUND_HTTP, SOUND_SAY, SOUND_SILENCE, SOUND_RING, SOUND_FILE, SOUND_MUSIC };

enum { SOUND_MAX_S = 24 * 3600, SOUND_MAX_TEXT = 16384 };

struct sound_uri { /* slices of the text */
	enum sound_kind kind;
	struct str text; /* HTTP: the URL; SAY: what to say; RING: the country; FILE, MUSIC: the whole */
	uint32_t ms;     /* SILENCE; RING: 0 = the cadence once */
};

/* NULL, or one clause that says what is wrong. */
const char *sound_uri_parse(struct sound_uri *out, struct str uri);
/* Beside these, what the configuration may name and documents must not: file:/absolute/path, and music:hold, a tune that
 * is built in. */
const char *sound_uri_parse_own(struct sound_uri *out, struct str uri);
/* For messages: without password and secrets of the query, cut. */
void sound_uri_print(char out[120], struct str uri);

#endif

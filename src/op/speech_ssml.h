/* speech_ssml: what is to be said, made safe for an engine: the SSML that is known, or plain words.
 *
 * Markup that is not known is taken out and its words stay. Engines never see an element or an attribute of the author's
 * that is not in our table (espeak-ng would start a program for some of <audio>), nor control characters.
 * Pure; any bytes are fine. Thread: any. Source: W3C SSML 1.1 §3, swml.md §7, cxml.md "Say". */
#ifndef SPEECH_SSML_H
#define SPEECH_SSML_H

#include "base/str.h"

/* It begins with <speak. */
bool speech_is_ssml(struct str text);
/* Well-formed SSML of speak, p, s, break, prosody, emphasis, say-as and sub (as its alias). */
void speech_ssml_clean(struct buf *out, struct str ssml);
/* The words alone; a break and the end of a paragraph end a sentence; what is to be spelled stands apart. */
void speech_ssml_plain(struct buf *out, struct str ssml);
/* Text that is no SSML. */
void speech_text_clean(struct buf *out, struct str text);
/* Characters of UTF-8, where each byte that is none counts as one. */
size_t speech_length(struct str text);

#endif

/* media_reader: the libraries that read audio files, behind one door: bytes in, frames of floats out.
 *
 * Used by media_file.c only. libsndfile would read MP3 and Ogg as well; but it leaks what is broken in a Vorbis header and
 * lets the MP3 decoder write to stderr, so each of these has its own library. Thread: any, one at a time. */
#ifndef MEDIA_READER_H
#define MEDIA_READER_H

#include "base/str.h"

struct media_reader;

enum { MEDIA_READER_MAX_CHANNELS = 16, MEDIA_READER_WHY = 120 };

/* Formats without a header are 8 kHz, one channel. */
enum media_raw { MEDIA_RAW_NONE, MEDIA_RAW_ULAW, MEDIA_RAW_ALAW, MEDIA_RAW_GSM };

/* Does it begin like a file that we know? */
bool media_reader_knows(struct str bytes);
/* bytes: borrowed until close. raw: what it is when it is not known. 0, or EINVAL or ENOMEM with why. */
int media_reader_open(struct media_reader **out, struct str bytes, enum media_raw raw, char why[MEDIA_READER_WHY]);
void media_reader_close(struct media_reader **r); /* *r may be NULL */
uint32_t media_reader_hz(const struct media_reader *r);
unsigned media_reader_channels(const struct media_reader *r); /* 1 to MEDIA_READER_MAX_CHANNELS */
/* The next frames, channels interleaved, at most max, which is not 0. Returns how many; 0 = that was all. */
size_t media_reader_read(struct media_reader *r, float *out, size_t max);

#endif

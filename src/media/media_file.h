/* media_file: an audio file of any usual format, decoded to a clip.
 *
 * WAV, AIFF, AU, FLAC, Ogg (Vorbis, Opus) and MP3 are told apart by their first bytes; raw mu-law, A-law and GSM 06.10 by
 * what the sender calls them. All channels are mixed to one; what is faster than 16 kHz, which nobody can hear here, is
 * brought down to it. What a header claims is never believed: the caps are on what is really there.
 * Thread: any; it takes time: for the pool. Decoding: media_reader.h. */
#ifndef MEDIA_FILE_H
#define MEDIA_FILE_H

#include "base/str.h"
#include "media/clip.h"

enum {
	MEDIA_FILE_MAX_BYTES = 32 << 20, /* of a file */
	MEDIA_FILE_MAX_S = 3600,         /* of what is in it; also at most 64 MiB decoded */
	MEDIA_FILE_MAX_HZ = 16000,       /* of the clip */
	MEDIA_FILE_WHY = 120,
};

/* type: its media type, name: its file name or path; both only for formats without a first line, both may be absent.
 * 0; EFBIG (too long), EINVAL (no audio that we know, or broken before the first sample), ENOMEM; why: one clause. */
int media_file_decode(struct clip **out, struct str bytes, struct str type, struct str name, char why[MEDIA_FILE_WHY]);
/* The same from the disk. Also the errno of opening and reading. */
int media_file_read(struct clip **out, const char *path, char why[MEDIA_FILE_WHY]);

#endif

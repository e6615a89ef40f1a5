/* recorder_file: a recording on disk: WAV of 16 bit, or MP3, written from its beginning to its end.
 *
 * Everything here blocks: it is for pool jobs, never for the signalling or media threads.
 * Thread: any, one at a time. */
#ifndef RECORDER_FILE_H
#define RECORDER_FILE_H

#include <stddef.h>
#include <stdint.h>

enum recorder_format { RECORDER_WAV, RECORDER_MP3 };

struct recorder_file;

/* A WAV counts its bytes in 32 bits. */
uint64_t recorder_file_max_frames(enum recorder_format format, unsigned channels);
/* The file must not exist. 0 or errno; EIO when the encoder cannot do what is asked. */
int recorder_file_open(struct recorder_file **out, const char *path, enum recorder_format format, uint32_t rate_hz,
		       unsigned channels);
/* Frames of one sample a channel. 0 or errno; what fitted before the error stays. */
int recorder_file_write(struct recorder_file *f, const int16_t *samples, size_t frames);
/* Who opens the file now, or after a crash, finds all that was written. 0 or errno. */
int recorder_file_settle(struct recorder_file *f);
/* Finish and close; *f becomes NULL and may be NULL already (then there is nothing). bytes and the checksum are of the
 * whole file. 0 or the first error; frames and bytes are right in any case. */
struct recorder_sum {
	uint64_t frames, bytes;
	char sha256[65]; /* hex, "" = could not be read */
};
int recorder_file_close(struct recorder_file **f, struct recorder_sum *sum);

/* The recording in fd as the other format, in a file without a name beside it (folder); fd stays the caller's and its
 * position moves. 0 with a descriptor the caller closes; EFBIG (longer than a client would wait for), EINVAL (no
 * recording) or errno. */
enum { RECORDER_CONVERTED_S = 300 };
int recorder_file_convert(int *out, int fd, const char *folder, enum recorder_format to);

#endif

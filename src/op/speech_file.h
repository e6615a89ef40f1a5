/* speech_file: the jobs of speech with files, done on the pool: look, take over, keep, discard.
 *
 * Private to speech.c. Thread: fields belong to whoever has the job; speech_file_run() and done() on the loop. */
#ifndef SPEECH_FILE_H
#define SPEECH_FILE_H

#include <stddef.h>

#include "media/media_file.h"

struct pool;

enum { SPEECH_FILE_MAX_MB = 32 };

enum speech_file_task {
	SPEECH_FILE_LOOK,    /* decode what is at path; what cannot be decoded is removed */
	SPEECH_FILE_TAKE,    /* decode what is at unfinished and move it to path */
	SPEECH_FILE_KEEP,    /* decode bytes and write them to path */
	SPEECH_FILE_DISCARD, /* remove unfinished */
};

struct speech_file {
	enum speech_file_task task;
	char *path, *unfinished, *bytes; /* owned; NULL where not needed */
	size_t size;                     /* of bytes; done: of the file */
	char type[64];                   /* media type of bytes */
	struct clip *clip;               /* done: NULL = there is none, and why; owned */
	char why[MEDIA_FILE_WHY];
	/* Owns f. Not called when the pool goes first: f is freed then. */
	void (*done)(struct speech_file *f);
	void *arg;
};

struct speech_file *speech_file_new(enum speech_file_task task);
void speech_file_free(struct speech_file *f);
/* 0 or ENOMEM (f stays the caller's). */
int speech_file_run(struct pool *p, struct speech_file *f);

#endif

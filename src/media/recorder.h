/* recorder: a sink that becomes a file: WAV or MP3, one or two channels.
 *
 * The worker fills a ring of 20 ms pieces, without locks; pool jobs empty it into the file twice a second. A disk that
 * stalls for longer than the ring holds costs audio, never time: what is lost is written as silence of the same
 * length and counted. Both channels come from the same push, so they cannot drift apart.
 * Thread: signal; the ring's one end belongs to a worker, the file to a pool job. */
#ifndef RECORDER_H
#define RECORDER_H

#include "media/recorder_file.h"
#include "media/sink.h"

struct clip;
struct loop;
struct pool;
struct recorder;

enum recorder_end {
	RECORDER_STOPPED, /* by recorder_close() */
	RECORDER_SILENCE,
	RECORDER_NO_INPUT,
	RECORDER_FULL, /* max_ms, or as long as a file can be */
};

enum recorder_pause { RECORDER_RUNS, RECORDER_SILENT, RECORDER_SKIPS };

struct recorder_handlers {
	/* Nothing more can be written: close it. Once at most. */
	void (*failed)(void *arg, int err);
};

struct recorder_opts {
	struct loop *loop;
	struct pool *pool;
	const char *path; /* copied; the file must not exist */
	enum recorder_format format;
	enum sink_wants wants;
	bool stereo;         /* left: what the party says, right: what it hears; else both in one */
	uint32_t rate_hz;    /* 8000 or 16000 */
	float sensitivity;   /* 0 (only loud speech counts) to 100 */
	uint32_t initial_ms; /* longest wait for speech, 0 = no limit */
	uint32_t end_ms;     /* silence behind speech that ends it, 0 = none does */
	uint64_t max_ms;     /* 0 = no limit */
	const struct recorder_handlers *handlers;
	void *arg;
};

struct recorder_result {
	enum recorder_end end;
	int err; /* of the disk; 0 = everything is there */
	uint64_t duration_ms, lost_ms, bytes;
	const char *sha256; /* "" = unknown */
};

/* The file is made by the first job, at once. 0, ENOMEM. */
int recorder_new(struct recorder **out, const struct recorder_opts *opts);
/* To be attached; it comes back by its free(), before or after the recorder is closed. Once. */
struct sink *recorder_lend(struct recorder *r);
void recorder_pause(struct recorder *r, enum recorder_pause how);
/* Has the recorder itself ended what it is attached to (silence, full)? */
bool recorder_has_ended(const struct recorder *r);
/* Nothing pushed from now on is taken. closed() follows, from the loop, when the file is finished; the pointer is dead then,
 * unless the sink is still out, which frees it in the end. closed NULL = nobody wants to know. */
void recorder_close(struct recorder *r, void (*closed)(void *arg, const struct recorder_result *result), void *arg);

/* What is played before a recording: 0 or ENOMEM. */
int recorder_beep(struct clip **out);

#endif

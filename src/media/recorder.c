#include "media/recorder.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "base/pool.h"
#include "base/str.h"
#include "media/clip.h"
#include "media/tone.h"

enum {
	PIECES = 128, /* 2.56 s */
	PIECE_MS = 20,
	DRAIN_MS = 370, /* and up to LOOP_LOOSE_MS, so that many recordings wake the threads together */
	BLOCK_SAMPLES = 8192,
	RETRY_MS = 100,
	SPOKEN_PIECES = 3, /* a click is no speech */
	BEEP_HZ = 1000,
	BEEP_MS = 300,
	BEEP_RATE_HZ = 8000,
};

/* In head, beside the count: nothing is added any more. */
static const uint32_t CLOSED = 1u << 31;

struct piece {
	uint32_t lost; /* frames of silence that stand for what did not fit before it */
	int16_t samples[];
};

struct recorder {
	struct sink sink;
	struct recorder_opts opts;
	char *path;
	unsigned channels;
	size_t piece_frames, piece_bytes;
	unsigned char *pieces;
	_Atomic uint32_t head; /* pieces put in; media, and CLOSED by signal */
	_Atomic uint32_t tail; /* pieces taken out; pool */
	_Atomic uint32_t lost_all;
	_Atomic int pause, end;
	/* media */
	uint32_t lost; /* since the last piece */
	uint64_t frames, max_frames, quiet_frames;
	unsigned loud_pieces;
	bool spoke;
	double threshold; /* mean square */
	/* pool, while a job runs; else signal */
	struct recorder_file *file;
	struct recorder_sum sum;
	int err;
	bool opened, last;
	/* signal */
	struct loop_timer drain;
	bool busy, told, closing, over, lent;
	void (*closed)(void *arg, const struct recorder_result *result);
	void *closed_arg;
};

static void run_job(struct recorder *r);

/* --- what a piece holds (media) --- */

static double mean_square(const int16_t *x, size_t count)
{
	int64_t sum = 0;

	for (size_t i = 0; x && i < count; i++)
		sum += (int32_t)x[i] * x[i];
	return count ? (double)sum / (double)count : 0;
}

/* Has somebody begun, or ceased, to speak for long enough? */
static bool judge(struct recorder *r, const int16_t *said, const int16_t *heard, size_t count)
{
	uint64_t rate_hz = r->opts.rate_hz;
	enum recorder_end end = RECORDER_STOPPED;

	if (mean_square(said, count) > r->threshold || mean_square(heard, count) > r->threshold) {
		r->quiet_frames = 0;
		r->spoke = r->spoke || ++r->loud_pieces >= SPOKEN_PIECES;
	} else {
		r->quiet_frames += count;
		r->loud_pieces = 0;
	}
	if (!r->spoke && r->opts.initial_ms && r->frames * 1000 >= r->opts.initial_ms * rate_hz)
		end = RECORDER_NO_INPUT;
	else if (r->spoke && r->opts.end_ms && r->quiet_frames * 1000 >= r->opts.end_ms * rate_hz)
		end = RECORDER_SILENCE;
	if (end)
		atomic_store(&r->end, end);
	return end;
}

static void fill(const struct recorder *r, int16_t *out, const int16_t *said, const int16_t *heard)
{
	size_t count = r->piece_frames;

	if (r->opts.stereo) {
		for (size_t i = 0; i < count; i++) {
			out[2 * i] = said ? said[i] : 0;
			out[2 * i + 1] = heard ? heard[i] : 0;
		}
		return;
	}
	for (size_t i = 0; i < count; i++) {
		int32_t sum = (said ? said[i] : 0) + (heard ? heard[i] : 0);

		out[i] = (int16_t)(sum > INT16_MAX ? INT16_MAX : sum < INT16_MIN ? INT16_MIN : sum);
	}
}

static struct piece *piece_at(const struct recorder *r, uint32_t number)
{
	return (struct piece *)(void *)(r->pieces + (size_t)(number % PIECES) * r->piece_bytes);
}

/* False: the recorder is closed. */
static bool put_in(struct recorder *r, const int16_t *said, const int16_t *heard)
{
	uint32_t head = atomic_load(&r->head);
	struct piece *p;

	if (head & CLOSED)
		return false;
	if (((head - atomic_load(&r->tail)) & ~CLOSED) >= PIECES) {
		r->lost += (uint32_t)r->piece_frames;
		atomic_fetch_add(&r->lost_all, (uint32_t)r->piece_frames);
		return true;
	}
	p = piece_at(r, head);
	p->lost = r->lost;
	r->lost = 0;
	fill(r, p->samples, said, heard);
	/* It counts only when nobody has closed meanwhile: who closes knows the length from then on. */
	return atomic_compare_exchange_strong(&r->head, &head, (head + 1) & ~CLOSED);
}

static bool push(struct sink *s, const int16_t *said, const int16_t *heard, size_t count, uint32_t rate_hz)
{
	struct recorder *r = (struct recorder *)(void *)s;
	enum recorder_pause pause = (enum recorder_pause)atomic_load(&r->pause);

	assert(count == r->piece_frames && rate_hz == r->opts.rate_hz);
	if (atomic_load(&r->end))
		return false;
	if (pause == RECORDER_SKIPS)
		return !(atomic_load(&r->head) & CLOSED);
	if (!put_in(r, pause ? NULL : said, pause ? NULL : heard))
		return false;
	r->frames += count;
	if (r->frames >= r->max_frames) {
		atomic_store(&r->end, RECORDER_FULL);
		return false;
	}
	return pause || !judge(r, said, heard, count);
}

/* --- the file (pool) --- */

static int write_silence(struct recorder *r, uint64_t frames)
{
	int16_t zeros[512] = { 0 };
	size_t most = ARRAY_LEN(zeros) / r->channels;
	int err = 0;

	while (frames && !err) {
		size_t n = frames < most ? (size_t)frames : most;

		err = recorder_file_write(r->file, zeros, n);
		frames -= n;
	}
	return err;
}

/* Copy pieces from *tail on, up to one with a gap before it or a full block; their frames. The encoder of MP3 gets one at a
 * time: it works in small steps anyway, and with long ones LAME was seen to mix the channels. */
static size_t gather(const struct recorder *r, uint32_t *tail, uint32_t head, int16_t *block)
{
	size_t most = r->opts.format == RECORDER_MP3 ? r->piece_frames : BLOCK_SAMPLES / r->channels, frames = 0;

	while (*tail != head && frames + r->piece_frames <= most) {
		const struct piece *p = piece_at(r, *tail);

		if (p->lost && frames)
			break;
		memcpy(block + frames * r->channels, p->samples, r->piece_frames * r->channels * sizeof(*block));
		frames += r->piece_frames;
		*tail = (*tail + 1) & ~CLOSED;
	}
	return frames;
}

/* Half a second in one go: a system call for each 20 ms would be most of what a recording costs. */
static int write_pieces(struct recorder *r)
{
	uint32_t head = atomic_load(&r->head) & ~CLOSED, tail = atomic_load(&r->tail);
	int16_t block[BLOCK_SAMPLES];
	int err = 0;

	while (tail != head && !err) {
		uint32_t lost = piece_at(r, tail)->lost;
		size_t frames = gather(r, &tail, head, block);

		err = write_silence(r, lost);
		if (!err)
			err = recorder_file_write(r->file, block, frames);
		atomic_store(&r->tail, tail);
	}
	return err;
}

static void work(void *job)
{
	struct recorder *r = job;
	int err = 0;

	if (!r->opened) {
		r->opened = true;
		r->err = recorder_file_open(&r->file, r->path, r->opts.format, r->opts.rate_hz, r->channels);
	}
	if (r->file && !r->err) {
		err = write_pieces(r);
		if (!err)
			err = recorder_file_settle(r->file);
	}
	if (r->last) {
		int bad = recorder_file_close(&r->file, &r->sum);

		err = err ? err : bad;
	}
	if (!r->err)
		r->err = err;
}

/* --- life (signal) --- */

static void free_all(struct recorder *r)
{
	free(r->pieces);
	free(r->path);
	free(r);
}

static void sink_free(struct sink *s)
{
	struct recorder *r = (struct recorder *)(void *)s;

	r->lent = false;
	if (r->over)
		free_all(r);
}

static const struct sink_ops sink_ops = { .push = push, .free = sink_free };

static uint64_t ms_of(const struct recorder *r, uint64_t frames)
{
	return frames * 1000 / r->opts.rate_hz;
}

static void tell_closed(struct recorder *r)
{
	const struct recorder_result result = {
		.end = (enum recorder_end)atomic_load(&r->end),
		.err = r->err,
		.duration_ms = ms_of(r, r->sum.frames),
		.lost_ms = ms_of(r, atomic_load(&r->lost_all)),
		.bytes = r->sum.bytes,
		.sha256 = r->sum.sha256,
	};

	if (r->closed)
		r->closed(r->closed_arg, &result);
	r->over = true;
	if (!r->lent)
		free_all(r);
}

static void on_drain(void *arg)
{
	run_job(arg);
}

static void done(void *job)
{
	struct recorder *r = job;

	r->busy = false;
	if (r->last) {
		tell_closed(r);
		return;
	}
	if (r->closing) {
		run_job(r);
		return;
	}
	loop_timer_start_loose(r->opts.loop, &r->drain, DRAIN_MS, on_drain, r);
	if (r->err && !r->told) {
		r->told = true;
		r->opts.handlers->failed(r->opts.arg, r->err);
	}
}

/* The server ends: what is in the ring goes to the file here and now, and nobody is told. */
static void drop(void *job)
{
	struct recorder *r = job;

	atomic_fetch_or(&r->head, CLOSED);
	r->last = true;
	work(r);
	r->closed = NULL;
	tell_closed(r);
}

static void run_job(struct recorder *r)
{
	if (r->busy)
		return;
	/* Set here, not in recorder_close(): a job that runs must not see it change. */
	r->last = r->closing;
	r->busy = !pool_run(r->opts.pool, work, done, drop, r);
	if (!r->busy)
		loop_timer_start(r->opts.loop, &r->drain, RETRY_MS, on_drain, r);
}

struct sink *recorder_lend(struct recorder *r)
{
	assert(!r->lent);
	r->lent = true;
	return &r->sink;
}

void recorder_pause(struct recorder *r, enum recorder_pause how)
{
	atomic_store(&r->pause, how);
}

bool recorder_has_ended(const struct recorder *r)
{
	return atomic_load(&r->end) != RECORDER_STOPPED;
}

void recorder_close(struct recorder *r, void (*closed)(void *arg, const struct recorder_result *result), void *arg)
{
	assert(!r->closing);
	r->closing = true;
	r->closed = closed;
	r->closed_arg = arg;
	atomic_fetch_or(&r->head, CLOSED);
	loop_timer_stop(r->opts.loop, &r->drain);
	run_job(r);
}

/* 0 = -20 dB of full scale, 44 = -42 dB, 100 = -70 dB. */
static double threshold_of(float sensitivity)
{
	return 32768.0 * 32768.0 * pow(10, -(20 + 0.5 * sensitivity) / 10);
}

int recorder_new(struct recorder **out, const struct recorder_opts *opts)
{
	struct recorder *r = calloc(1, sizeof(*r));
	uint64_t most;

	if (!r)
		return ENOMEM;
	assert(opts->rate_hz == 8000 || opts->rate_hz == 16000);
	r->opts = *opts;
	r->sink = (struct sink){ .ops = &sink_ops, .wants = opts->wants, .rate_hz = opts->rate_hz };
	r->channels = opts->stereo ? 2 : 1;
	r->piece_frames = opts->rate_hz * PIECE_MS / 1000;
	r->piece_bytes = sizeof(struct piece) + r->piece_frames * r->channels * sizeof(int16_t);
	r->threshold = threshold_of(opts->sensitivity);
	most = recorder_file_max_frames(opts->format, r->channels) - r->piece_frames;
	r->max_frames = opts->max_ms ? opts->max_ms * opts->rate_hz / 1000 : most;
	if (r->max_frames > most)
		r->max_frames = most;
	r->path = str_heap(str_of(opts->path));
	r->pieces = calloc(PIECES, r->piece_bytes);
	if (!r->path || !r->pieces) {
		free_all(r);
		return ENOMEM;
	}
	run_job(r);
	*out = r;
	return 0;
}

int recorder_beep(struct clip **out)
{
	static const struct tone_plan plan = { "", { { BEEP_MS, BEEP_HZ, 0, false } } };
	const size_t count = BEEP_MS * BEEP_RATE_HZ / 1000;
	int16_t *samples = calloc(count, sizeof(*samples));
	struct tone tone = { .plan = &plan };
	int err = ENOMEM;

	if (samples) {
		tone_run(&tone, samples, count, BEEP_RATE_HZ);
		err = clip_new(out, BEEP_RATE_HZ, samples, count);
	}
	if (err)
		free(samples);
	return err;
}

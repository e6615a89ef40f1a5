#include "check.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sndfile.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/pool.h"
#include "media/clip.h"
#include "media/recorder.h"

enum { RATE_HZ = 8000, PIECE = RATE_HZ / 50, LOUD = 8000 };

struct world {
	struct loop *loop;
	struct pool *pool;
	char folder[40], path[60];
	struct recorder *recorder;
	struct sink *sink;
	struct recorder_opts opts;
	struct recorder_result result;
	char sha256[65];
	unsigned closed, failed;
	int err;
};

static void on_failed(void *arg, int err)
{
	struct world *w = arg;

	w->failed++;
	w->err = err;
}

static void on_closed(void *arg, const struct recorder_result *r)
{
	struct world *w = arg;

	w->closed++;
	w->result = *r;
	snprintf(w->sha256, sizeof(w->sha256), "%s", r->sha256);
}

static const struct recorder_handlers handlers = { .failed = on_failed };

static void begin(struct world *w, unsigned threads)
{
	*w = (struct world){ .folder = "/tmp/test_recorder.XXXXXX" };
	assert_int_equal(loop_new(&w->loop, !threads, 1), 0);
	assert_int_equal(pool_new(&w->pool, w->loop, threads), 0);
	assert_non_null(mkdtemp(w->folder));
	snprintf(w->path, sizeof(w->path), "%s/a", w->folder);
	w->opts = (struct recorder_opts){
		.loop = w->loop,
		.pool = w->pool,
		.path = w->path,
		.wants = SINK_BOTH,
		.rate_hz = RATE_HZ,
		.sensitivity = 44,
		.handlers = &handlers,
		.arg = w,
	};
}

static void open_recorder(struct world *w)
{
	assert_int_equal(recorder_new(&w->recorder, &w->opts), 0);
	w->sink = recorder_lend(w->recorder);
}

static void close_recorder(struct world *w)
{
	recorder_close(w->recorder, on_closed, w);
	w->sink->ops->free(w->sink);
	while (!w->closed)
		loop_turn(w->loop);
}

static void end(struct world *w)
{
	pool_free(&w->pool);
	CHECK_INT(0, loop_timer_count(w->loop));
	loop_free(&w->loop);
	unlink(w->path);
	rmdir(w->folder);
}

/* ms of two levels, in time or all at once. Returns how many pieces were taken. */
static unsigned feed(struct world *w, uint32_t ms, int16_t left, int16_t right, bool in_time)
{
	int16_t said[PIECE], heard[PIECE];
	unsigned taken = 0;

	for (size_t i = 0; i < PIECE; i++) {
		said[i] = left;
		heard[i] = right;
	}
	for (uint32_t at = 0; at < ms; at += 20) {
		if (!w->sink->ops->push(w->sink, w->opts.wants & SINK_SAID ? said : NULL,
					w->opts.wants & SINK_HEARD ? heard : NULL, PIECE, RATE_HZ))
			return taken;
		taken++;
		if (in_time)
			loop_run_until(w->loop, loop_now_ms(w->loop) + 20);
	}
	return taken;
}

struct audio {
	SF_INFO info;
	int16_t *samples;
};

static struct audio read_file(const char *path)
{
	struct audio a = { 0 };
	SNDFILE *f = sf_open(path, SFM_READ, &a.info);
	sf_count_t read;

	assert_non_null(f);
	a.samples = calloc((size_t)a.info.frames + 1, (size_t)a.info.channels * sizeof(int16_t));
	assert_non_null(a.samples);
	read = sf_readf_short(f, a.samples, a.info.frames);
	if ((a.info.format & SF_FORMAT_TYPEMASK) == SF_FORMAT_WAV)
		CHECK_INT(a.info.frames, read);
	a.info.frames = read; /* an MP3 that was cut off says what was planned */
	sf_close(f);
	return a;
}

static void each_channel_has_its_direction(void **state)
{
	static const struct {
		bool stereo;
		enum sink_wants wants;
		int16_t first, second;
	} rows[] = {
		{ true, SINK_BOTH, 1000, -2000 }, { true, SINK_SAID, 1000, 0 },  { true, SINK_HEARD, 0, -2000 },
		{ false, SINK_BOTH, -1000, 0 },   { false, SINK_SAID, 1000, 0 }, { false, SINK_HEARD, -2000, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct audio a;
		struct world w;

		begin(&w, 0);
		w.opts.stereo = rows[i].stereo;
		w.opts.wants = rows[i].wants;
		open_recorder(&w);
		CHECK_INT(150, feed(&w, 3000, 1000, -2000, true));
		close_recorder(&w);
		CHECK_INT(3000, w.result.duration_ms);
		CHECK_INT(0, w.result.lost_ms);
		CHECK_INT(RECORDER_STOPPED, w.result.end);
		CHECK_INT(44 + 2 * 24000 * (1 + rows[i].stereo), w.result.bytes);
		CHECK_INT(64, strlen(w.sha256));
		a = read_file(w.path);
		CHECK_INT(1 + rows[i].stereo, a.info.channels);
		CHECK_INT(24000, a.info.frames);
		CHECK_INT(RATE_HZ, a.info.samplerate);
		CHECK_INT(rows[i].first, a.samples[0]);
		if (rows[i].stereo)
			CHECK_INT(rows[i].second, a.samples[1]);
		free(a.samples);
		end(&w);
	}
}

static void sums_are_cut_not_wrapped(void **state)
{
	struct audio a;
	struct world w;

	begin(&w, 0);
	open_recorder(&w);
	feed(&w, 20, 30000, 30000, true);
	close_recorder(&w);
	a = read_file(w.path);
	CHECK_INT(INT16_MAX, a.samples[0]);
	free(a.samples);
	end(&w);
}

static void the_file_can_be_read_while_it_grows(void **state)
{
	struct audio a;
	struct world w;

	begin(&w, 0);
	open_recorder(&w);
	feed(&w, 2300, 1000, 0, true);
	/* As a crash would leave it. */
	a = read_file(w.path);
	CHECK(a.info.frames >= (2300 - 500) * RATE_HZ / 1000 - PIECE);
	CHECK_INT(1000, a.samples[a.info.frames - 1]);
	free(a.samples);
	close_recorder(&w);
	CHECK_INT(2300, w.result.duration_ms);
	end(&w);
}

static void a_minute_has_a_minute(void **state)
{
	struct world w;

	begin(&w, 0);
	w.opts.stereo = true;
	open_recorder(&w);
	CHECK_INT(3000, feed(&w, 60000, 1, 2, true));
	close_recorder(&w);
	CHECK_INT(60000, w.result.duration_ms);
	CHECK_INT(0, w.result.lost_ms);
	end(&w);
}

static void it_ends_as_the_rules_say(void **state)
{
	static const struct {
		uint32_t initial_ms, end_ms, max_ms;
		int16_t first; /* level of the first second, and then silence */
		enum recorder_end end;
		uint32_t ms;
	} rows[] = {
		{ 0, 0, 0, LOUD, RECORDER_STOPPED, 4000 },     { 500, 0, 0, 0, RECORDER_NO_INPUT, 500 },
		{ 500, 0, 0, 20, RECORDER_NO_INPUT, 500 },     { 500, 700, 0, LOUD, RECORDER_SILENCE, 1700 },
		{ 0, 700, 0, 0, RECORDER_STOPPED, 4000 },      { 500, 0, 2000, LOUD, RECORDER_FULL, 2000 },
		{ 500, 700, 1690, LOUD, RECORDER_FULL, 1700 }, /* whole pieces */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;

		begin(&w, 0);
		w.opts.initial_ms = rows[i].initial_ms;
		w.opts.end_ms = rows[i].end_ms;
		w.opts.max_ms = rows[i].max_ms;
		open_recorder(&w);
		if (feed(&w, 1000, rows[i].first, 0, true) == 50)
			feed(&w, 3000, 0, 0, true);
		CHECK(recorder_has_ended(w.recorder) == (rows[i].end != RECORDER_STOPPED));
		close_recorder(&w);
		CHECK_INT(rows[i].end, w.result.end);
		CHECK_INT(rows[i].ms, w.result.duration_ms);
		end(&w);
	}
}

static void sensitivity_says_what_is_speech(void **state)
{
	static const struct {
		float sensitivity;
		int16_t level;
		bool speech;
	} rows[] = { { 44, 300, true }, { 44, 200, false }, { 0, 3000, false }, { 0, 4000, true }, { 100, 12, true } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;

		begin(&w, 0);
		w.opts.initial_ms = 400;
		w.opts.sensitivity = rows[i].sensitivity;
		open_recorder(&w);
		CHECK(rows[i].speech == (feed(&w, 1000, rows[i].level, 0, true) == 50));
		close_recorder(&w);
		end(&w);
	}
}

static void a_pause_is_silent_or_skipped(void **state)
{
	static const struct {
		enum recorder_pause how;
		uint32_t ms;
	} rows[] = { { RECORDER_SILENT, 3000 }, { RECORDER_SKIPS, 2000 } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct audio a;
		struct world w;

		begin(&w, 0);
		w.opts.end_ms = 600; /* a pause is no silence of the speaker's */
		open_recorder(&w);
		feed(&w, 1000, LOUD, 0, true);
		recorder_pause(w.recorder, rows[i].how);
		feed(&w, 1000, LOUD, 0, true);
		recorder_pause(w.recorder, RECORDER_RUNS);
		feed(&w, 1000, LOUD, 0, true);
		close_recorder(&w);
		CHECK_INT(rows[i].ms, w.result.duration_ms);
		a = read_file(w.path);
		CHECK_INT(rows[i].how == RECORDER_SILENT ? 0 : LOUD, a.samples[RATE_HZ + 10]);
		free(a.samples);
		end(&w);
	}
}

static void a_disk_that_stalls_costs_audio_not_time(void **state)
{
	struct audio a;
	struct world w;

	begin(&w, 0);
	open_recorder(&w);
	feed(&w, 1000, 1000, 0, true);
	feed(&w, 5000, 2000, 0, false); /* nobody empties the ring */
	feed(&w, 1000, 3000, 0, true);
	close_recorder(&w);
	CHECK_INT(7000, w.result.duration_ms);
	CHECK(w.result.lost_ms >= 2000 && w.result.lost_ms < 3000);
	a = read_file(w.path);
	CHECK_INT(1000, a.samples[0]);
	CHECK_INT(0, a.samples[6 * RATE_HZ - 2 * PIECE]);
	CHECK_INT(3000, a.samples[7 * RATE_HZ - 1]);
	free(a.samples);
	end(&w);
}

static void a_folder_that_is_missing_is_told(void **state)
{
	struct world w;

	begin(&w, 0);
	w.opts.path = "/tmp/test_recorder.none/none/a.wav";
	open_recorder(&w);
	feed(&w, 1200, 1, 1, true);
	CHECK_INT(1, w.failed);
	CHECK_INT(ENOENT, w.err);
	close_recorder(&w);
	CHECK_INT(ENOENT, w.result.err);
	CHECK_INT(0, w.result.duration_ms);
	end(&w);
}

static void a_full_disk_leaves_what_fitted(void **state)
{
	static const enum recorder_format formats[] = { RECORDER_WAV, RECORDER_MP3 };
	struct rlimit old, limit;

	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		struct audio a;
		struct world w;

		begin(&w, 0);
		w.opts.format = formats[i];
		open_recorder(&w);
		signal(SIGXFSZ, SIG_IGN);
		getrlimit(RLIMIT_FSIZE, &old);
		limit = old;
		limit.rlim_cur = 20001; /* in the middle of a sample */
		setrlimit(RLIMIT_FSIZE, &limit);
		for (int n = 0; n < 60 && !w.failed; n++)
			feed(&w, 1000, (int16_t)(n * 7919), (int16_t)(n * 104729), true);
		CHECK_INT(1, w.failed);
		close_recorder(&w);
		setrlimit(RLIMIT_FSIZE, &old);
		CHECK_INT(EFBIG, w.result.err);
		a = read_file(w.path);
		CHECK(a.info.frames >= 9900);
		if (formats[i] == RECORDER_WAV)
			CHECK_INT(w.result.duration_ms, a.info.frames * 1000 / RATE_HZ);
		free(a.samples);
		end(&w);
	}
}

static void mp3_has_the_same_length(void **state)
{
	for (int stereo = 0; stereo < 2; stereo++) {
		double energy[2] = { 0, 0 };
		struct audio a;
		struct world w;

		begin(&w, 0);
		w.opts.format = RECORDER_MP3;
		w.opts.stereo = stereo;
		open_recorder(&w);
		for (int n = 0; n < 250; n++) /* a square wave of 25 Hz in what is said */
			feed(&w, 20, n % 2 ? LOUD : -LOUD, 0, true);
		close_recorder(&w);
		CHECK_INT(0, w.result.err);
		CHECK_INT(5000, w.result.duration_ms);
		a = read_file(w.path);
		CHECK_INT(1 + stereo, a.info.channels);
		CHECK(llabs(a.info.frames - (sf_count_t)5 * RATE_HZ) <= RATE_HZ / 20);
		for (sf_count_t f = 0; f < a.info.frames * (1 + stereo); f++)
			energy[f % (1 + stereo)] += (double)a.samples[f] * a.samples[f];
		CHECK(energy[0] > 1e11);
		if (stereo)
			CHECK(energy[1] < energy[0] / 1000);
		free(a.samples);
		end(&w);
	}
}

static void a_server_that_ends_finishes_the_file(void **state)
{
	struct audio a;
	struct world w;

	begin(&w, 0);
	open_recorder(&w);
	feed(&w, 100, 5, 5, true);
	feed(&w, 100, 5, 5, false);
	recorder_close(w.recorder, NULL, NULL); /* its job waits */
	pool_free(&w.pool);
	w.sink->ops->free(w.sink); /* the last to go frees it */
	a = read_file(w.path);
	CHECK_INT(200 * RATE_HZ / 1000, a.info.frames);
	free(a.samples);
	end(&w);
}

struct pusher {
	struct world *w;
	atomic_bool stop;
	unsigned taken, refused;
};

static void *push_on(void *arg)
{
	struct pusher *p = arg;

	while (!atomic_load(&p->stop)) {
		unsigned n = feed(p->w, 20, 100, 100, false);

		p->taken += n;
		p->refused += !n;
		usleep(50);
	}
	return NULL;
}

/* What push() has taken is what the file has, wherever the closing falls. */
static void closing_races_with_the_worker(void **state)
{
	unsigned met = 0;

	for (int i = 0; i < 20; i++) {
		struct pusher p = { 0 };
		struct world w;
		pthread_t thread;

		begin(&w, 1);
		p.w = &w;
		open_recorder(&w);
		assert_int_equal(pthread_create(&thread, NULL, push_on, &p), 0);
		for (int n = 0; n < 1 + i % 5; n++)
			usleep(300);
		recorder_close(w.recorder, on_closed, &w);
		while (!w.closed)
			loop_turn(w.loop);
		atomic_store(&p.stop, true);
		pthread_join(thread, NULL);
		w.sink->ops->free(w.sink);
		CHECK_INT(p.taken * 20, w.result.duration_ms);
		met += p.taken && p.refused;
		end(&w);
	}
	CHECK(met > 0);
}

static void the_beep_is_short_and_loud(void **state)
{
	struct clip *c = NULL;

	CHECK_INT(0, recorder_beep(&c));
	CHECK_INT(300, clip_ms(c));
	CHECK(clip_samples(c)[2] > 1000);
	clip_unref(&c);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(each_channel_has_its_direction),
		TEST(sums_are_cut_not_wrapped),
		TEST(the_file_can_be_read_while_it_grows),
		TEST(a_minute_has_a_minute),
		TEST(it_ends_as_the_rules_say),
		TEST(sensitivity_says_what_is_speech),
		TEST(a_pause_is_silent_or_skipped),
		TEST(a_disk_that_stalls_costs_audio_not_time),
		TEST(a_folder_that_is_missing_is_told),
		TEST(a_full_disk_leaves_what_fitted),
		TEST(mp3_has_the_same_length),
		TEST(a_server_that_ends_finishes_the_file),
		TEST(closing_races_with_the_worker),
		TEST(the_beep_is_short_and_loud),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

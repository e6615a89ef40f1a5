/* Names and addresses of recordings, their rows, and the address over HTTP. */
#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/control.h"
#include "base/loop.h"
#include "base/pool.h"
#include "base/store.h"
#include "call/event.h"
#include "op/recordings.h"

static const char id[] = "0e2b1a30-0000-4000-8000-00000000000a";

struct world {
	struct loop *loop;
	struct pool *pool;
	struct store *store;
	struct events *events;
	struct recordings *recordings;
	struct control *control;
	char folder[48], path[128];
	int status;
	uint64_t size;
	char type[32];
};

static void open_recordings(struct world *w)
{
	struct recordings_opts opts = {
		.loop = w->loop, .pool = w->pool, .store = w->store, .folder = w->folder, .address = "http://h:1"
	};
	char why[160] = "";

	CHECK_INT(0, recordings_new(&w->recordings, &opts, why));
	CHECK_STR("", why);
}

static void begin(struct world *w, uint64_t seed)
{
	struct store_opts store = { .schema = recordings_schema, .statements = recordings_statements };
	char why[160];

	*w = (struct world){ .folder = "/tmp/test_recordings.XXXXXX" };
	assert_non_null(mkdtemp(w->folder));
	assert_int_equal(loop_new(&w->loop, true, seed), 0);
	assert_int_equal(pool_new(&w->pool, w->loop, 0), 0);
	snprintf(w->path, sizeof(w->path), "%s/db", w->folder);
	store.path = w->path;
	assert_int_equal(store_open(&w->store, w->loop, &store, why), 0);
	open_recordings(w);
}

static void end(struct world *w)
{
	static const char *const left[] = { "db", "db-wal", "db-shm", "key" };

	recordings_free(&w->recordings);
	store_close(&w->store);
	pool_free(&w->pool);
	loop_free(&w->loop);
	for (size_t i = 0; i < ARRAY_LEN(left); i++) {
		snprintf(w->path, sizeof(w->path), "%s/%s", w->folder, left[i]);
		unlink(w->path);
	}
	CHECK_INT(0, rmdir(w->folder));
}

/* What follows "/recordings/". */
static const char *signed_name(const struct world *w, char out[160])
{
	struct buf url = { 0 };

	recordings_url(w->recordings, &url, id, RECORDER_WAV);
	CHECK(!strncmp(url.data, "http://h:1/recordings/", 22));
	snprintf(out, 160, "%s", url.data + 22);
	buf_free(&url);
	return out;
}

static void addresses_open_by_themselves(void **state)
{
	char name[160], text[200];
	struct recordings_name n;
	struct world w;

	begin(&w, 1);
	signed_name(&w, name);
	CHECK_INT(36 + 1 + 32 + 4, strlen(name));
	CHECK(recordings_parse(w.recordings, &n, str_of(name)));
	CHECK(n.is_signed && !n.any && n.format == RECORDER_WAV && str_is(n.id, id));
	CHECK(recordings_parse(w.recordings, &n, str_head(str_of(name), 69)));
	CHECK(n.is_signed && n.any);
	CHECK(recordings_parse(w.recordings, &n, str_of(id)));
	CHECK(!n.is_signed);
	/* One wrong digit, wherever it stands. */
	for (size_t i = 0; i < 69; i++) {
		snprintf(text, sizeof(text), "%s", name);
		text[i] = text[i] == '0' ? '1' : '0';
		CHECK(!recordings_parse(w.recordings, &n, str_of(text)) || !n.is_signed);
	}
	end(&w);
}

static void other_names_are_none(void **state)
{
	static const char *const rows[] = {
		"",
		".wav",
		"key",
		"../../etc/passwd",
		"0e2b1a30-0000-4000-8000-00000000000A",
		"0e2b1a30-0000-4000-8000-00000000000a-",
		"0e2b1a30-0000-4000-8000-00000000000a.wav.wav",
		"0e2b1a30-0000-4000-8000-00000000000a.mp4",
		"0e2b1a3000000-4000-8000-00000000000a",
		"0e2b1a30-0000-4000-8000-00000000000a-0000000000000000000000000000000000.wav",
	};
	struct recordings_name n;
	struct world w;

	begin(&w, 1);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (recordings_parse(w.recordings, &n, str_of(rows[i])))
			fprintf(stderr, "row %zu\n", i);
		CHECK(!recordings_parse(w.recordings, &n, str_of(rows[i])));
	}
	end(&w);
}

static void the_key_stays(void **state)
{
	char before[160], after[160];
	struct stat st;
	struct world w, other;

	begin(&w, 1);
	signed_name(&w, before);
	recordings_free(&w.recordings);
	loop_random(w.loop);
	open_recordings(&w);
	CHECK_STR(before, signed_name(&w, after));
	begin(&other, 2);
	CHECK(strcmp(before, signed_name(&other, after)) != 0);
	end(&other);
	snprintf(w.path, sizeof(w.path), "%s/key", w.folder);
	CHECK_INT(0, stat(w.path, &st));
	CHECK_INT(0600, st.st_mode & 0777);
	end(&w);
}

static void a_broken_key_is_told(void **state)
{
	struct recordings_opts opts = { .address = "" };
	struct recordings *r = NULL;
	char why[160] = "";
	struct world w;

	begin(&w, 1);
	recordings_free(&w.recordings);
	snprintf(w.path, sizeof(w.path), "%s/key", w.folder);
	CHECK_INT(0, truncate(w.path, 5));
	opts.folder = w.folder;
	opts.loop = w.loop;
	CHECK_INT(EINVAL, recordings_new(&r, &opts, why));
	CHECK(strstr(why, "/key: must be 32 bytes"));
	opts.folder = "/tmp/test_recordings.none/none";
	CHECK_INT(ENOENT, recordings_new(&r, &opts, why));
	CHECK(!r);
	end(&w);
}

static bool see_row(void *arg, const struct store_value *v, size_t n)
{
	char *out = arg;

	snprintf(out + strlen(out), 200 - strlen(out), "%.*s %.*s %lld %lld;", STR_ARG(v[0].text), STR_ARG(v[1].text),
		 (long long)v[2].integer, (long long)v[3].integer);
	return true;
}

static void rows_are_written_anew(void **state)
{
	struct recording_row row = {
		.id = id,
		.call_id = "c",
		.control_id = "x",
		.direction = "both",
		.state = "recording",
		.sha256 = "",
		.channels = 1,
		.started_ms = 5,
	};
	struct store_opts again = { .schema = recordings_schema, .statements = recordings_statements };
	char why[160], seen[200] = "";
	struct world w;

	begin(&w, 1);
	recordings_keep(w.recordings, &row);
	row.state = "finished";
	row.sha256 = "ab";
	row.ended_ms = 9;
	row.duration_ms = 4;
	row.bytes = 108;
	recordings_keep(w.recordings, &row);
	store_flush(w.store);
	store_close(&w.store);
	snprintf(w.path, sizeof(w.path), "%s/db", w.folder);
	again.path = w.path;
	CHECK_INT(0, store_open(&w.store, w.loop, &again, why));
	CHECK_INT(0, store_read(w.store, "SELECT state, sha256, duration_ms, size FROM recordings", see_row, seen));
	CHECK_STR("finished ab 4 108;", seen);
	end(&w);
}

/* --- over HTTP --- */

static void door_reply(void *arg, uint64_t request, const struct web_answer *a)
{
	((struct world *)arg)->status = a->status;
}

static void door_file(void *arg, uint64_t request, int fd, uint64_t size_bytes, const char *content_type)
{
	struct world *w = arg;

	w->status = 200;
	w->size = size_bytes;
	snprintf(w->type, sizeof(w->type), "%s", content_type);
	close(fd);
}

static const char *token(void *arg, struct str project)
{
	return str_is(project, "p") ? "secret" : NULL;
}

static int ask(struct world *w, const char *authorization, const char *name)
{
	struct web_request r = { .id = 1, .method = "GET", .authorization = authorization };

	snprintf(r.path, sizeof(r.path), "/recordings/%s", name);
	w->status = 0;
	control_request(w->control, &r);
	loop_run_until(w->loop, loop_now_ms(w->loop) + 10);
	return w->status;
}

static void write_wav(const char *path, uint32_t seconds)
{
	int16_t samples[8000];
	struct recorder_file *f;
	struct recorder_sum sum;

	for (size_t i = 0; i < ARRAY_LEN(samples); i++)
		samples[i] = (int16_t)(i * 7919);
	unlink(path);
	assert_int_equal(recorder_file_open(&f, path, RECORDER_WAV, 8000, 1), 0);
	for (uint32_t i = 0; i < seconds; i++)
		CHECK_INT(0, recorder_file_write(f, samples, ARRAY_LEN(samples)));
	CHECK_INT(0, recorder_file_close(&f, &sum));
}

static void files_open_for_who_may(void **state)
{
	static const char right[] = "Basic cDpzZWNyZXQ=", wrong[] = "Basic cDp3cm9uZw==";
	struct control_door door = { .reply = door_reply, .file = door_file };
	struct control_opts opts = { .token = token };
	char name[160], bare[160], file[160];
	struct world w;
	FILE *f;

	begin(&w, 1);
	assert_int_equal(events_new(&w.events, w.loop), 0);
	opts.loop = w.loop;
	opts.pool = w.pool;
	opts.events = w.events;
	opts.recordings = w.recordings;
	door.arg = &w;
	assert_int_equal(control_new(&w.control, &opts), 0);
	control_open(w.control, &door);
	signed_name(&w, name);
	CHECK_INT(404, ask(&w, "", name)); /* no such file yet */
	snprintf(file, sizeof(file), "%s/%s.wav", w.folder, id);
	f = fopen(file, "w");
	assert_non_null(f);
	fputs("abc", f);
	fclose(f);
	CHECK_INT(200, ask(&w, "", name));
	CHECK_INT(3, w.size);
	CHECK_STR("audio/wav", w.type);
	snprintf(bare, sizeof(bare), "%.69s", name);
	CHECK_INT(200, ask(&w, "", bare));
	snprintf(bare, sizeof(bare), "%.69s.mp3", name);
	CHECK_INT(500, ask(&w, "", bare)); /* it cannot be converted */
	write_wav(file, 60);
	CHECK_INT(200, ask(&w, "", bare));
	CHECK_STR("audio/mpeg", w.type);
	CHECK(w.size > 1000 && w.size < 960000 / 4);
	write_wav(file, 301);
	CHECK_INT(404, ask(&w, "", bare));
	name[40] ^= 1;
	CHECK_INT(404, ask(&w, right, name));
	CHECK_INT(401, ask(&w, "", id));
	CHECK_INT(401, ask(&w, wrong, id));
	CHECK_INT(200, ask(&w, right, id));
	CHECK_INT(404, ask(&w, right, "key"));
	CHECK_INT(404, ask(&w, right, "a/b"));
	control_free(&w.control);
	events_free(&w.events);
	unlink(file);
	end(&w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(addresses_open_by_themselves), TEST(other_names_are_none),  TEST(the_key_stays),
		TEST(a_broken_key_is_told),         TEST(rows_are_written_anew), TEST(files_open_for_who_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

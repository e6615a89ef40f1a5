/* Real engines and a fake service. The loop is virtual and is held; where an engine hangs it is real. */
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/pool.h"
#include "fake_http.h"
#include "media/clip.h"
#include "op/speech.h"

struct world {
	struct loop *loop;
	struct pool *pool;
	struct speech *speech;
	unsigned done, want;
	char folder[40], cache[60], runs[60]; /* runs: a line for each run of a script of ours */
};

struct got {
	struct world *world;
	unsigned count;
	bool failed;
	uint32_t ms, rate_hz;
	uint64_t energy;
	char why[400];
	uint64_t id;
};

static void open_folder(struct world *w)
{
	memset(w, 0, sizeof(*w));
	snprintf(w->folder, sizeof(w->folder), "/tmp/speech-XXXXXX");
	CHECK(mkdtemp(w->folder) != NULL);
	snprintf(w->cache, sizeof(w->cache), "%s/cache/speech", w->folder);
	snprintf(w->runs, sizeof(w->runs), "%s/runs", w->folder);
}

static void open_speech(struct world *w, bool virtual_time, struct speech_opts opts)
{
	CHECK_INT(0, loop_new(&w->loop, virtual_time, 1));
	CHECK_INT(0, pool_new(&w->pool, w->loop, 2));
	opts.loop = w->loop;
	opts.pool = w->pool;
	opts.cache = w->cache;
	CHECK_INT(0, speech_new(&w->speech, &opts));
}

static void close_speech(struct world *w)
{
	speech_free(&w->speech);
	pool_free(&w->pool);
	CHECK_INT(0, loop_timer_count(w->loop));
	loop_free(&w->loop);
}

static void close_folder(struct world *w)
{
	char command[80];

	snprintf(command, sizeof(command), "rm -r %s", w->folder);
	CHECK_INT(0, system(command));
}

static void on_done(void *arg, struct clip *clip, const char *why)
{
	struct got *g = arg;

	g->count++;
	g->failed = !clip;
	str_copy(g->why, sizeof(g->why), str_of(why));
	CHECK_INT(g->failed, why[0] != 0);
	g->ms = clip ? clip_ms(clip) : 0;
	g->rate_hz = clip ? clip_rate_hz(clip) : 0;
	g->energy = 0;
	for (size_t i = 0; clip && i < clip_count(clip); i++)
		g->energy += (uint64_t)(clip_samples(clip)[i] * clip_samples(clip)[i]);
	if (clip && clip_count(clip))
		g->energy /= clip_count(clip);
	if (++g->world->done == g->world->want)
		loop_stop(g->world->loop);
}

static void ask(struct world *w, struct got *g, const char *text, const char *voice)
{
	const struct speech_request r = { .text = str_of(text), .voice = voice };

	memset(g, 0, sizeof(*g));
	g->world = w;
	CHECK_INT(0, speech_say(w->speech, &r, on_done, g, &g->id));
	CHECK_INT(0, g->count);
}

static struct got say(struct world *w, const char *text, const char *voice)
{
	struct got g;

	ask(w, &g, text, voice);
	loop_run(w->loop);
	CHECK_INT(1, g.count);
	return g;
}

static unsigned lines_of(const char *path)
{
	FILE *f = fopen(path, "re");
	unsigned n = 0;
	int c;

	while (f && (c = fgetc(f)) != EOF)
		n += c == '\n';
	if (f)
		fclose(f);
	return n;
}

static unsigned files_of(const char *folder, const char *ending)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	unsigned n = 0;

	while (d && (e = readdir(d))) {
		size_t len = strlen(e->d_name), m = strlen(ending);

		n += len > m && !strcmp(e->d_name + len - m, ending);
	}
	if (d)
		closedir(d);
	return n;
}

/* --- real engines --- */

static void installed_engines_speak(void **state)
{
	static const struct {
		enum speech_engine engine;
		const char *text, *voice;
		uint32_t least_ms, most_ms;
	} rows[] = {
		{ SPEECH_ESPEAK, "Hello, how are you?", NULL, 700, 3000 },
		{ SPEECH_ESPEAK, "Guten Tag, gr\xc3\xbc\xc3\x9f Gott", "Polly.Hans", 700, 3000 },
		{ SPEECH_ESPEAK, "<speak>One <break time=\"2s\"/> two.</speak>", "man", 2500, 5000 },
		{ SPEECH_ESPEAK, "hello", "espeak.en-gb-scotland+m3", 200, 2000 },
		{ SPEECH_FLITE, "Hello, how are you?", NULL, 700, 3000 },
		{ SPEECH_FLITE, "Hello, how are you?", "Polly.Matthew", 700, 3000 },
		{ SPEECH_FLITE, "<speak><p>Hello</p> <say-as interpret-as='digits'>12</say-as></speak>", "flite.kal",
		  500, 4000 },
		{ SPEECH_AUTO, "Hello", "Polly.Salli", 200, 2000 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct speech_opts opts = { .engine = rows[i].engine };
		struct world w;
		struct got g;

		open_folder(&w);
		open_speech(&w, true, opts);
		g = say(&w, rows[i].text, rows[i].voice);
		CHECK(!g.failed);
		CHECK_STR("", g.why);
		CHECK(g.rate_hz >= 8000 && g.rate_hz <= 22050);
		CHECK(g.ms >= rows[i].least_ms && g.ms <= rows[i].most_ms);
		CHECK(g.energy > 10000); /* an amplitude of 100 */
		CHECK_INT(1, files_of(w.cache, ".wav"));
		CHECK_INT(0, files_of(w.cache, ".tmp"));
		close_speech(&w);
		close_folder(&w);
	}
}

static void bad_texts_are_refused_with_a_reason(void **state)
{
	char *longest = calloc(1, SPEECH_MAX_CHARACTERS + 2);
	struct speech_opts opts = { .engine = SPEECH_ESPEAK };
	struct world w;
	struct got g;

	memset(longest, 'a', SPEECH_MAX_CHARACTERS + 1);
	open_folder(&w);
	open_speech(&w, true, opts);
	g = say(&w, longest, NULL);
	CHECK_STR("the text is longer than 4096 characters", g.why);
	g = say(&w, "  ", NULL);
	CHECK_STR("there is nothing to say", g.why);
	CHECK(g.failed);
	g = say(&w, "hello", "espeak.qq");
	CHECK_STR("espeak-ng: it ended with status 1: Error: The specified espeak-ng voice does not exist.", g.why);
	CHECK_INT(0, files_of(w.cache, ".wav"));
	free(longest);
	close_speech(&w);
	close_folder(&w);
}

/* --- a command of the operator's --- */

/* Tells that it ran and how, and writes a WAV file of 0.1 s made from its text. */
static const char recording_script[] =
	"echo \"$0 $1 $2\" >> %s/runs; n=$(wc -c); [ $n -gt 0 ] && "
	"(printf 'RIFF\\144\\6\\0\\0WAVEfmt "
	"\\20\\0\\0\\0\\1\\0\\1\\0\\100\\37\\0\\0\\200\\76\\0\\0\\2\\0\\20\\0data\\100\\6\\0\\0'; "
	"head -c 1600 /dev/zero | tr '\\0' '\\20')%s";

static void fill_script(char out[600], const struct world *w, const char *end)
{
	snprintf(out, 600, recording_script, w->folder, end);
}

static void a_command_gets_voice_language_and_place(void **state)
{
	static const struct {
		const char *end; /* of the script */
		const char *last_argument;
	} rows[] = { { " > \"$2\"", "{output}" }, { "", "stdout" } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char script[600], line[200] = "", want[60];
		const char *const command[] = {
			"sh", "-c", script, "{voice}", "{language}/{gender}", rows[i].last_argument, NULL
		};
		struct speech_opts opts = { .command = command, .voice = "my.voice", .language = "de-DE" };
		struct world w;
		struct got g;
		FILE *f;

		open_folder(&w);
		fill_script(script, &w, rows[i].end);
		open_speech(&w, true, opts);
		CHECK_STR("command", speech_engine_name(w.speech));
		g = say(&w, "hello", NULL);
		CHECK_STR("", g.why);
		CHECK_INT(100, g.ms);
		CHECK_INT(8000, g.rate_hz);
		f = fopen(w.runs, "re");
		CHECK(f && fgets(line, sizeof(line), f));
		snprintf(want, sizeof(want), "my.voice de-DE/female %s", i ? "stdout" : w.cache);
		CHECK(!strncmp(want, line, strlen(want)));
		if (f)
			fclose(f);
		close_speech(&w);
		close_folder(&w);
	}
}

static void what_was_spoken_is_not_spoken_again(void **state)
{
	char script[600], command_line[120];
	const char *const command[] = { "sh", "-c", script, "{voice}", "{language}", "{output}", NULL };
	struct speech_opts opts = { .engine = SPEECH_COMMAND, .command = command };
	struct got got[20], g;
	struct world w;

	open_folder(&w);
	fill_script(script, &w, " > \"$2\"");
	open_speech(&w, true, opts);
	/* At once: one run for all. */
	for (size_t i = 0; i < ARRAY_LEN(got); i++)
		ask(&w, &got[i], "hello", NULL);
	loop_run(w.loop);
	for (size_t i = 0; i < ARRAY_LEN(got); i++)
		CHECK(got[i].count == 1 && got[i].ms == 100);
	CHECK_INT(1, lines_of(w.runs));
	/* From memory, even without the files. */
	snprintf(command_line, sizeof(command_line), "mv %s %s/away", w.cache, w.folder);
	CHECK_INT(0, system(command_line));
	CHECK_INT(100, say(&w, "hello", NULL).ms);
	snprintf(command_line, sizeof(command_line), "mv %s/away %s", w.folder, w.cache);
	CHECK_INT(0, system(command_line));
	/* Another voice, another text: another run. */
	say(&w, "hello", "Polly.Hans");
	say(&w, "hullo", NULL);
	CHECK_INT(3, lines_of(w.runs));
	close_speech(&w);
	/* From the disk, by the next server. */
	open_speech(&w, true, opts);
	CHECK_INT(100, say(&w, "hello", NULL).ms);
	CHECK_INT(3, lines_of(w.runs));
	close_speech(&w);
	/* A damaged file is spoken anew. */
	snprintf(command_line, sizeof(command_line), "for f in %s/*.wav; do echo broken > $f; done", w.cache);
	CHECK_INT(0, system(command_line));
	open_speech(&w, true, opts);
	g = say(&w, "hello", NULL);
	CHECK_INT(100, g.ms);
	CHECK_INT(4, lines_of(w.runs));
	close_speech(&w);
	close_folder(&w);
}

static void the_disk_is_not_filled(void **state)
{
	char script[600], text[20];
	const char *const command[] = { "sh", "-c", script, "{voice}", "{language}", "{output}", NULL };
	struct speech_opts opts = { .command = command, .disk_bytes = 5000, .memory_bytes = 1 };
	struct world w;

	open_folder(&w);
	fill_script(script, &w, " > \"$2\"");
	open_speech(&w, true, opts);
	for (int i = 0; i < 12; i++) {
		snprintf(text, sizeof(text), "text %d", i);
		CHECK_INT(100, say(&w, text, NULL).ms); /* 1644 bytes each */
	}
	CHECK(files_of(w.cache, ".wav") >= 2 && files_of(w.cache, ".wav") <= 3);
	close_speech(&w);
	close_folder(&w);
}

static void bad_commands_fail_with_a_reason(void **state)
{
	static const struct {
		const char *script, *why;
	} rows[] = {
		{ "exit 1", "command: it ended with status 1" },
		{ "echo no licence >&2; exit 2", "command: it ended with status 2: no licence" },
		{ "kill -SEGV $$", "command: it was killed by signal 11 (Segmentation fault)" },
		{ "exec cat /dev/zero", "command: it wrote more than 32 MiB" },
		{ "exit 0", "what command made cannot be played: " },
		{ "echo hello", "what command made cannot be played: " },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *const command[] = { "sh", "-c", rows[i].script, NULL };
		struct speech_opts opts = { .command = command };
		struct world w;
		struct got g;

		open_folder(&w);
		open_speech(&w, true, opts);
		for (int again = 0; again < 2; again++) {
			g = say(&w, "hello", NULL);
			CHECK(g.failed);
			CHECK(!strncmp(rows[i].why, g.why, strlen(rows[i].why)));
			if (strncmp(rows[i].why, g.why, strlen(rows[i].why)) != 0)
				fprintf(stderr, "  %s\n", g.why);
		}
		loop_run(w.loop);
		CHECK_INT(0, files_of(w.cache, ".wav"));
		CHECK_INT(0, files_of(w.cache, ".tmp"));
		close_speech(&w);
		close_folder(&w);
	}
}

static void an_engine_that_hangs_is_killed(void **state)
{
	static const char *const command[] = { "sh", "-c", "sleep 600", NULL };
	struct speech_opts opts = { .command = command, .deadline_ms = 200 };
	struct got got[6];
	char text[20];
	struct world w;

	open_folder(&w);
	open_speech(&w, false, opts);
	w.want = ARRAY_LEN(got);
	for (size_t i = 0; i < ARRAY_LEN(got); i++) {
		snprintf(text, sizeof(text), "text %zu", i);
		ask(&w, &got[i], text, NULL);
	}
	loop_run(w.loop);
	for (size_t i = 0; i < ARRAY_LEN(got); i++)
		CHECK_STR("command: it took longer than 200 ms and was killed", got[i].why);
	close_speech(&w);
	close_folder(&w);
}

static void who_cancels_hears_nothing(void **state)
{
	static const char *const command[] = { "sh", "-c", "sleep 600", NULL };
	struct speech_opts opts = { .command = command };
	struct got got[8];
	struct world w;
	char text[20];

	open_folder(&w);
	open_speech(&w, true, opts);
	for (int turns = 0; turns < 20; turns++) {
		for (size_t i = 0; i < ARRAY_LEN(got); i++) {
			snprintf(text, sizeof(text), "text %zu", i / 2);
			ask(&w, &got[i], text, NULL);
		}
		for (int n = 0; n < turns; n++)
			loop_turn(w.loop);
		for (size_t i = 0; i < ARRAY_LEN(got); i++)
			speech_cancel(w.speech, got[i].id);
		speech_cancel(w.speech, got[0].id);
	}
	/* This ends only when nothing hangs any more. */
	loop_run(w.loop);
	CHECK_INT(0, w.done);
	CHECK_INT(0, files_of(w.cache, ".wav"));
	/* And what is under way may be left behind. */
	ask(&w, &got[0], "one more", NULL);
	for (int n = 0; n < 10; n++)
		loop_turn(w.loop);
	close_speech(&w);
	CHECK_INT(0, w.done);
	close_folder(&w);
}

static void too_many_are_refused(void **state)
{
	static struct got got[400];
	static const char *const command[] = { "sh", "-c", "exit 1", NULL };
	struct speech_opts opts = { .command = command };
	unsigned refused = 0, failed = 0, full = 0;
	struct world w;
	char text[20];

	open_folder(&w);
	open_speech(&w, true, opts);
	for (size_t i = 0; i < ARRAY_LEN(got); i++) {
		struct speech_request r;

		snprintf(text, sizeof(text), "text %zu", i);
		r = (struct speech_request){ .text = str_of(text) };
		got[i] = (struct got){ .world = &w };
		refused += speech_say(w.speech, &r, on_done, &got[i], &got[i].id) == EAGAIN;
	}
	CHECK_INT(400 - 256, refused);
	loop_run(w.loop);
	for (size_t i = 0; i < ARRAY_LEN(got); i++) {
		failed += got[i].count == 1;
		full += !strcmp(got[i].why, "too many texts wait for the speech engine");
	}
	CHECK_INT(256, failed);
	CHECK(full > 0 && full < 256);
	close_speech(&w);
	close_folder(&w);
}

/* --- a service --- */

#define TEN "\x90\x90\x90\x90\x90\x10\x10\x10\x10\x10"

static void a_service_speaks(void **state)
{
	static const struct {
		const char *reply;
		enum fake_then then;
		const char *why;
	} rows[] = {
		/* Without a header, which would contain a NUL. */
		{ "HTTP/1.1 200 OK\r\nContent-Type: audio/basic\r\nContent-Length: 160\r\n\r\n" TEN TEN TEN TEN TEN TEN
			  TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN,
		  FAKE_KEEP, "" },
		{ "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", FAKE_KEEP, "the speech service answered 500" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", FAKE_KEEP, "what http made cannot be played: " },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", FAKE_KEEP, "what http made cannot be played: " },
		{ "HTTP/1.1 200 OK\r\n\r\n", FAKE_FLOOD, "the speech service: " },
		{ "", FAKE_HANG, "the speech service: " },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fake_page pages[] = { { "*", rows[i].reply, rows[i].then }, { NULL, NULL, FAKE_KEEP } };
		struct fake_http *server = fake_http_new();
		struct speech_opts opts = { .deadline_ms = 1000 };
		const char *request;
		struct world w;
		char url[60];
		struct got g;

		fake_http_pages(server, pages);
		snprintf(url, sizeof(url), "http://127.0.0.1:%u/say", fake_http_port(server));
		opts.url = url;
		open_folder(&w);
		open_speech(&w, true, opts);
		CHECK_STR("http", speech_engine_name(w.speech));
		g = say(&w, "say \"hi\"", "Polly.Hans");
		CHECK(rows[i].why[0] ? !strncmp(rows[i].why, g.why, strlen(rows[i].why)) : !g.why[0]);
		CHECK_INT(rows[i].why[0] ? 0 : 20, g.ms);
		CHECK_INT(rows[i].why[0] != '\0', g.energy < 10000);
		request = fake_http_request(server, 0);
		CHECK(strstr(request, "POST /say ") == request);
		CHECK(strstr(request, "{\"text\":\"say \\\"hi\\\"\",\"ssml\":false,\"voice\":\"Polly.Hans\","
				      "\"language\":\"de-DE\",\"gender\":\"male\"}") != NULL);
		close_speech(&w);
		close_folder(&w);
		fake_http_free(&server);
	}
}

static void without_an_engine_it_says_so(void **state)
{
	struct speech_opts opts = { .engine = SPEECH_AUTO };
	struct world w;

	open_folder(&w);
	open_speech(&w, true, opts);
	CHECK(speech_engine_name(w.speech) != NULL); /* packages/test.txt installs both */
	close_speech(&w);
	/* A folder that cannot be made. */
	opts.pool = NULL;
	CHECK_INT(0, loop_new(&w.loop, true, 1));
	opts.loop = w.loop;
	opts.cache = "/proc/no/such/folder";
	CHECK(speech_new(&w.speech, &opts) != 0);
	CHECK(!w.speech);
	loop_free(&w.loop);
	close_folder(&w);
}

static void quiet(void *arg, enum log_level level, const char *line)
{
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(installed_engines_speak),
		TEST(bad_texts_are_refused_with_a_reason),
		TEST(a_command_gets_voice_language_and_place),
		TEST(what_was_spoken_is_not_spoken_again),
		TEST(the_disk_is_not_filled),
		TEST(bad_commands_fail_with_a_reason),
		TEST(an_engine_that_hangs_is_killed),
		TEST(who_cancels_hears_nothing),
		TEST(too_many_are_refused),
		TEST(a_service_speaks),
		TEST(without_an_engine_it_says_so),
	};

	log_capture(quiet, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

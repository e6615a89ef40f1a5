/* The sounds, with a web server that counts what it is asked, and a speech engine of the test's own. */
#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/pool.h"
#include "fake_http.h"
#include "media/clip.h"
#include "media/source.h"
#include "net/http_client.h"
#include "op/sound.h"
#include "op/speech.h"

enum { MAX_ASKED = 600, RATE = 8000 };

struct speech {
	struct loop *loop;
	struct loop_timer timer;
	clip_done_fn *done;
	void *arg;
	char said[200];
	bool fails, cancelled;
};

struct asked {
	unsigned count;
	uint32_t ms;
	bool failed;
	char why[240];
	uint64_t id;
	struct world *world;
};

struct world {
	struct loop *loop;
	struct pool *pool;
	struct fake_http *server;
	struct http_client *client;
	struct sounds *sounds;
	struct speech speech;
	struct asked asked[MAX_ASKED];
	unsigned done;
};

/* --- the engine --- */

static void speak(void *arg)
{
	struct speech *s = arg;
	struct clip *c = NULL;

	if (s->fails) {
		s->done(s->arg, NULL, "the engine is hoarse");
		return;
	}
	CHECK_INT(0, clip_new(&c, RATE, calloc(RATE, sizeof(int16_t)), RATE));
	s->done(s->arg, c, "");
	clip_unref(&c);
}

int speech_say(struct speech *s, const struct speech_request *r, clip_done_fn *done, void *arg, uint64_t *id)
{
	snprintf(s->said, sizeof(s->said), "%.*s/%s/%s", STR_ARG(r->text), r->voice ? r->voice : "",
		 r->language ? r->language : "");
	s->done = done;
	s->arg = arg;
	*id = 7;
	loop_timer_start(s->loop, &s->timer, 300, speak, s);
	return 0;
}

void speech_cancel(struct speech *s, uint64_t id)
{
	CHECK_INT(7, id);
	s->cancelled = true;
	loop_timer_stop(s->loop, &s->timer);
}

/* --- the world --- */

static const char *const loopback[] = { "127.0.0.0/8", NULL };

static void open_world(struct world *w, const struct fake_page *pages, size_t keep_bytes)
{
	const struct http_client_opts http = { .allow = loopback, .deny_private = true };
	struct sounds_opts opts = { .keep_bytes = keep_bytes };

	memset(w, 0, sizeof(*w));
	w->server = fake_http_new();
	fake_http_pages(w->server, pages);
	CHECK_INT(0, loop_new(&w->loop, true, 1));
	CHECK_INT(0, pool_new(&w->pool, w->loop, 0));
	CHECK_INT(0, http_client_new(&w->client, w->loop, &http));
	w->speech.loop = w->loop;
	opts.loop = w->loop;
	opts.pool = w->pool;
	opts.http = w->client;
	opts.speech = &w->speech;
	CHECK_INT(0, sounds_new(&w->sounds, &opts));
}

static void close_world(struct world *w)
{
	sounds_free(&w->sounds);
	http_client_free(&w->client);
	pool_free(&w->pool);
	CHECK_INT(0, loop_timer_count(w->loop));
	loop_free(&w->loop);
	fake_http_free(&w->server);
}

static void done(void *arg, struct clip *clip, const char *why)
{
	struct asked *a = arg;

	a->count++;
	a->failed = !clip;
	a->ms = clip ? clip_ms(clip) : 0;
	str_copy(a->why, sizeof(a->why), str_of(why));
	a->world->done++;
}

/* uri: "say:…" or the path of a page. */
static struct asked *begin(struct world *w, const char *uri)
{
	struct sound_request r = { .voice = "Polly.Salli" };
	struct asked *a = w->asked;
	char text[300];

	while (a->world)
		a++;
	a->world = w;
	if (uri[0] == '/')
		snprintf(text, sizeof(text), "http://127.0.0.1:%u%s", fake_http_port(w->server), uri);
	else
		snprintf(text, sizeof(text), "%s", uri);
	CHECK(!sound_uri_parse_own(&r.uri, str_of(text)));
	CHECK_INT(0, sound_get(w->sounds, &r, done, a, &a->id));
	CHECK_INT(0, a->count); /* never from inside */
	return a;
}

static void wait_for(struct world *w, unsigned count)
{
	while (w->done < count && loop_turn(w->loop))
		;
	CHECK_INT(count, w->done);
}

static void nothing(void *arg)
{
}

static void wait_ms(struct world *w, uint32_t ms)
{
	uint64_t until_ms = loop_now_ms(w->loop) + ms;
	struct loop_timer t = { .active = false };

	loop_timer_start(w->loop, &t, ms, nothing, NULL);
	loop_run_until(w->loop, until_ms);
}

static const struct asked *get(struct world *w, const char *uri)
{
	struct asked *a = begin(w, uri);

	wait_for(w, w->done + 1);
	CHECK_INT(1, a->count);
	return a;
}

/* Raw mu-law has no NUL, which texts cannot hold; a byte is 125 us. */
#define TEXT40 "~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~"
#define AUDIO_10MS TEXT40 TEXT40
#define ANSWER(headers)                                                                                                \
	"HTTP/1.1 200 OK\r\nContent-Type: audio/basic\r\nContent-Length: 80\r\n" headers "\r\n" AUDIO_10MS

static void what_comes_is_decoded(void **state)
{
	static const struct fake_page pages[] = {
		{ "/a", ANSWER(""), FAKE_KEEP },
		{ "/b.ul?x=1", "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n" TEXT40, FAKE_KEEP },
		{ "/moved", "HTTP/1.1 302 Found\r\nLocation: /a\r\nContent-Length: 0\r\n\r\n", FAKE_KEEP },
		{ NULL, NULL, FAKE_KEEP },
	};
	struct world w;

	open_world(&w, pages, 0);
	CHECK_INT(10, get(&w, "/a")->ms);
	CHECK(strstr(fake_http_request(w.server, 0), "GET /a HTTP/1.1\r\n"));
	CHECK(!strstr(fake_http_request(w.server, 0), "If-"));
	CHECK_INT(5, get(&w, "/b.ul?x=1")->ms);
	CHECK_INT(10, get(&w, "/moved")->ms);
	CHECK_INT(10, get(&w, "/a")->ms); /* nothing in the answer lets it be kept */
	CHECK_INT(5, fake_http_requests(w.server));
	close_world(&w);
}

static void what_fails_says_why(void **state)
{
	static const struct fake_page pages[] = {
		{ "/404", "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", FAKE_KEEP },
		{ "/empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", FAKE_KEEP },
		{ "/html", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>", FAKE_KEEP },
		{ "/flood", "HTTP/1.1 200 OK\r\n\r\n", FAKE_FLOOD },
		{ "/huge", "HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n", FAKE_FLOOD },
		{ "/stall", "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nx", FAKE_HANG },
		{ "/private", "HTTP/1.1 302 Found\r\nLocation: http://10.255.255.1/x.wav\r\nContent-Length: 0\r\n\r\n",
		  FAKE_KEEP },
		{ "/304", "HTTP/1.1 304 Not Modified\r\n\r\n", FAKE_KEEP },
		{ NULL, NULL, FAKE_KEEP },
	};
	static const struct {
		const char *path, *why;
	} rows[] = {
		{ "/404", "the server answers 404" },
		{ "/empty", "the server answers without audio" },
		{ "/html", "this is no audio file" },
		{ "/flood", "the answer is larger than 33554432 bytes" },
		{ "/huge", "the answer is larger than allowed" },
		{ "/stall#rt=300", "read time-out" },
		{ "/private", "10.255.255.1 is a private address" },
		{ "/304", "the server answers 304" },
	};
	struct world w;

	open_world(&w, pages, 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct asked *a = get(&w, rows[i].path);

		CHECK(a->failed);
		if (strncmp(a->why, rows[i].why, strlen(rows[i].why)))
			CHECK_STR(rows[i].why, a->why);
	}
	close_world(&w);
}

static void a_kept_sound_is_asked_for_again_by_its_tag(void **state)
{
	static const struct fake_page first[] = { { "/a", ANSWER("ETag: \"v1\"\r\nLast-Modified: Mon\r\n"), FAKE_KEEP },
						  { NULL, NULL, FAKE_KEEP } };
	static const struct fake_page same[] = { { "/a", "HTTP/1.1 304 Not Modified\r\n\r\n", FAKE_KEEP },
						 { NULL, NULL, FAKE_KEEP } };
	static const struct fake_page other[] = {
		{ "/a", "HTTP/1.1 200 OK\r\nContent-Type: audio/basic\r\nETag: v2\r\nContent-Length: 40\r\n\r\n" TEXT40,
		  FAKE_KEEP },
		{ NULL, NULL, FAKE_KEEP }
	};
	static const struct fake_page gone[] = { { NULL, NULL, FAKE_KEEP } };
	struct world w;

	open_world(&w, first, 0);
	CHECK_INT(10, get(&w, "/a")->ms);
	fake_http_pages(w.server, same);
	CHECK_INT(10, get(&w, "/a")->ms);
	CHECK(strstr(fake_http_request(w.server, 1), "If-None-Match: \"v1\"\r\n"));
	CHECK(strstr(fake_http_request(w.server, 1), "If-Modified-Since: Mon\r\n"));
	CHECK_INT(10, get(&w, "/a")->ms);
	fake_http_pages(w.server, other);
	CHECK_INT(5, get(&w, "/a")->ms);
	fake_http_pages(w.server, same);
	CHECK_INT(5, get(&w, "/a")->ms);
	CHECK(strstr(fake_http_request(w.server, 4), "If-None-Match: v2\r\n"));
	CHECK(!strstr(fake_http_request(w.server, 4), "If-Modified"));
	fake_http_pages(w.server, gone);
	CHECK_STR("the server answers 404", get(&w, "/a")->why); /* an old copy does not hide that */
	close_world(&w);
}

static void a_fresh_sound_is_not_asked_for(void **state)
{
	static const struct fake_page pages[] = {
		{ "/a", ANSWER("Cache-Control: public, max-age=60\r\n"), FAKE_KEEP },
		{ "/b", ANSWER("Cache-Control: max-age=60, no-store\r\n"), FAKE_KEEP },
		{ "/c", ANSWER("ETag: x\r\nCache-Control: no-cache, max-age=60\r\n"), FAKE_KEEP },
		{ NULL, NULL, FAKE_KEEP },
	};
	static const char *const paths[] = { "/a", "/b", "/c" };
	static const size_t requests[] = { 2, 4, 4 }; /* of four askings, the last one after the minute */
	struct world w;

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		open_world(&w, pages, 0);
		for (unsigned k = 0; k < 3; k++)
			CHECK_INT(10, get(&w, paths[i])->ms);
		wait_ms(&w, 61000);
		CHECK_INT(10, get(&w, paths[i])->ms);
		CHECK_INT(requests[i], fake_http_requests(w.server));
		close_world(&w);
	}
}

static void all_who_ask_meanwhile_get_the_same_answer(void **state)
{
	static const struct fake_page pages[] = { { "/a", ANSWER(""), FAKE_KEEP }, { NULL, NULL, FAKE_KEEP } };
	struct world w;

	open_world(&w, pages, 0);
	for (unsigned i = 0; i < 500; i++)
		begin(&w, "/a");
	sound_cancel(w.sounds, w.asked[17].id);
	wait_for(&w, 499);
	CHECK_INT(1, fake_http_requests(w.server));
	for (unsigned i = 0; i < 500; i++) {
		CHECK_INT(i == 17 ? 0 : 1, w.asked[i].count);
		CHECK_INT(i == 17 ? 0 : 10, w.asked[i].ms);
	}
	close_world(&w);
}

/* More URLs than may be under way at once: the others have their turn. */
static void many_urls_wait_for_their_turn(void **state)
{
	static const struct fake_page pages[] = { { "*", ANSWER(""), FAKE_KEEP }, { NULL, NULL, FAKE_KEEP } };
	struct world w;

	open_world(&w, pages, 0);
	for (unsigned i = 0; i < 200; i++) {
		char path[20];

		snprintf(path, sizeof(path), "/%u", i);
		begin(&w, path);
	}
	for (unsigned i = 0; i < 200; i += 3)
		sound_cancel(w.sounds, w.asked[i].id);
	wait_for(&w, 200 - 67);
	for (unsigned i = 0; i < 200; i++)
		CHECK_INT(i % 3 ? 10 : 0, w.asked[i].ms);
	close_world(&w);
}

static void the_least_lately_used_is_dropped(void **state)
{
	static const struct fake_page pages[] = { { "*", ANSWER("Cache-Control: max-age=600\r\n"), FAKE_KEEP },
						  { NULL, NULL, FAKE_KEEP } };
	struct world w;

	open_world(&w, pages, 400); /* two clips of 160 bytes */
	get(&w, "/1");
	get(&w, "/2");
	get(&w, "/1");
	get(&w, "/3"); /* /2 goes */
	CHECK_INT(3, fake_http_requests(w.server));
	get(&w, "/1");
	get(&w, "/3");
	CHECK_INT(3, fake_http_requests(w.server));
	get(&w, "/2");
	CHECK_INT(4, fake_http_requests(w.server));
	get(&w, "/1");
	CHECK_INT(5, fake_http_requests(w.server));
	close_world(&w);
}

static void speech_is_asked_of_the_engine(void **state)
{
	static const struct fake_page pages[] = { { NULL, NULL, FAKE_KEEP } };
	const struct asked *a;
	struct world w;

	open_world(&w, pages, 0);
	CHECK_INT(1000, get(&w, "say: Hello")->ms);
	CHECK_STR("Hello/Polly.Salli/", w.speech.said);
	w.speech.fails = true;
	CHECK_STR("the engine is hoarse", get(&w, "say:x")->why);
	a = begin(&w, "say:y");
	sound_cancel(w.sounds, a->id);
	CHECK(w.speech.cancelled);
	sound_cancel(w.sounds, a->id);
	w.speech.cancelled = false;
	begin(&w, "say:z");
	close_world(&w);
	CHECK(w.speech.cancelled);
}

static void without_engine_and_client_all_fails(void **state)
{
	static const struct fake_page pages[] = { { NULL, NULL, FAKE_KEEP } };
	struct sounds_opts opts = { .keep_bytes = 0 };
	struct world w;

	open_world(&w, pages, 0);
	sounds_free(&w.sounds);
	opts.loop = w.loop;
	opts.pool = w.pool;
	CHECK_INT(0, sounds_new(&w.sounds, &opts));
	CHECK_STR("there is no speech engine", get(&w, "say:x")->why);
	CHECK(get(&w, "/a")->failed);
	begin(&w, "/b");
	begin(&w, "say:y");
	close_world(&w);
}

static void all_can_end_at_any_time(void **state)
{
	static const struct fake_page pages[] = { { "/stall", NULL, FAKE_HANG },
						  { "*", ANSWER("ETag: x\r\n"), FAKE_KEEP },
						  { NULL, NULL, FAKE_KEEP } };
	struct world w;

	for (unsigned turns = 0; turns < 12; turns++) {
		open_world(&w, pages, 0);
		get(&w, "/kept");
		begin(&w, "/kept");
		begin(&w, "/stall");
		begin(&w, "/a");
		for (unsigned i = 0; i < turns; i++)
			loop_turn(w.loop);
		close_world(&w);
	}
}

/* What the configuration alone may name. */
static void files_and_the_tune(void **state)
{
	char path[] = "/tmp/test_sound_XXXXXX.ul", uri[64];
	struct fake_page pages[] = { { NULL, NULL, FAKE_KEEP } };
	int fd = mkstemps(path, 3);
	struct world w;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "abcdefgh", 8), 8);
	snprintf(uri, sizeof(uri), "file:%s", path);
	open_world(&w, pages, 0);
	CHECK_INT(1, get(&w, uri)->ms);
	assert_int_equal(write(fd, "abcdefgh", 8), 8);
	CHECK_INT(1, get(&w, uri)->ms); /* kept for a minute */
	wait_ms(&w, 61000);
	CHECK_INT(2, get(&w, uri)->ms);
	wait_ms(&w, 61000);
	CHECK_INT(0, ftruncate(fd, 0));
	CHECK_STR("the file is empty", get(&w, uri)->why);
	CHECK_INT(0, ftruncate(fd, (32 << 20) + 1));
	CHECK_STR("the file is larger than 32 MiB", get(&w, uri)->why);
	unlink(path);
	CHECK_STR("No such file or directory", get(&w, uri)->why);
	CHECK_INT(16000, get(&w, "music:hold")->ms);
	CHECK_INT(16000, get(&w, "music:hold")->ms);
	close(fd);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_comes_is_decoded),
		TEST(what_fails_says_why),
		TEST(a_kept_sound_is_asked_for_again_by_its_tag),
		TEST(a_fresh_sound_is_not_asked_for),
		TEST(all_who_ask_meanwhile_get_the_same_answer),
		TEST(many_urls_wait_for_their_turn),
		TEST(the_least_lately_used_is_dropped),
		TEST(speech_is_asked_of_the_engine),
		TEST(without_engine_and_client_all_fails),
		TEST(all_can_end_at_any_time),
		TEST(files_and_the_tune),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

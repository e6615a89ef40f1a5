/* hooks_world: deliveries on virtual time, with a client that answers as the test says. A program includes it once. */
#ifndef HOOKS_WORLD_H
#define HOOKS_WORLD_H

#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/hooks.h"
#include "api/journal.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/store.h"

enum { MAX_SENT = 4096, MAX_CALLS = 64 };

struct sent { /* one attempt that was made */
	uint64_t id, at_ms;
	uint32_t total_ms;
	char call[40], event[40], sequence[12], sha1[41], sha256[65], url[800], type[32];
	bool get, patient, hurried;
	char body[600];
	struct loop_timer answer;
	void (*done)(void *arg, const struct http_answer *a);
	void *arg;
	struct world *world;
	bool open;
};

struct world {
	struct loop *loop;
	struct store *store;
	struct journal *journal;
	struct hooks *hooks;
	char path[64];
	struct sent sent[MAX_SENT];
	size_t count, open, most_open;
	unsigned full; /* so many sends are refused */
	/* What the receivers do: per attempt of an event, the last goes on for ever. 0 = hang until the limit. */
	const int *script;
	size_t script_length;
	uint32_t answer_ms;
	enum http_error error; /* of status 1 */
	bool flushed;
	uint32_t sequence[MAX_CALLS];
};

static struct world *w;

/* --- the client --- */

static inline size_t attempt_of(const struct sent *s)
{
	size_t n = 0;

	for (const struct sent *old = w->sent; old < s; old++)
		n += !strcmp(old->event, s->event);
	return n;
}

static inline void answer(void *arg)
{
	struct sent *s = arg;
	size_t n = attempt_of(s);
	int status = w->script[n < w->script_length ? n : w->script_length - 1];
	struct http_answer a = {
		.error = HTTP_OK, .why = "", .status = status, .took_us = (loop_now_ms(w->loop) - s->at_ms) * 1000
	};

	if (status < 100) {
		a.error = status ? w->error : HTTP_TIMEOUT;
		a.why = "no answer came";
		a.status = 0;
	}
	s->open = false;
	w->open--;
	s->done(s->arg, &a);
}

static inline const struct http_header *header(const struct http_request *r, const char *name)
{
	for (size_t i = 0; i < r->header_count; i++)
		if (!strcmp(r->headers[i].name, name))
			return &r->headers[i];
	return NULL;
}

static inline void copy_header(char *out, size_t size, const struct http_request *r, const char *name)
{
	const struct http_header *h = header(r, name);

	str_copy(out, size, h ? h->value : STR(""));
}

static inline int fake_send(void *http, const struct http_request *r,
			    void (*done)(void *arg, const struct http_answer *a), void *arg, uint64_t *id)
{
	struct sent *s = &w->sent[w->count];
	const char *call = r->body.n ? strstr(r->body.p, "\"call_id\":\"") : NULL;
	size_t n;
	int status;

	if (w->full) {
		w->full--;
		return EAGAIN;
	}
	assert_true(w->count < MAX_SENT);
	w->count++;
	s->id = *id = w->count;
	s->at_ms = loop_now_ms(w->loop);
	s->total_ms = r->total_ms;
	s->done = done;
	s->arg = arg;
	s->open = true;
	if (++w->open > w->most_open)
		w->most_open = w->open;
	s->patient = r->patient;
	s->get = !call;
	CHECK_STR(s->get ? "GET" : "POST", r->method);
	CHECK(r->read_ms == 5000 && r->connect_ms == 2000);
	str_copy(s->url, sizeof(s->url), str_of(r->url));
	str_copy(s->body, sizeof(s->body), r->body);
	if (call)
		str_copy(s->call, sizeof(s->call), (struct str){ call + 11, strcspn(call + 11, "\"") });
	copy_header(s->event, sizeof(s->event), r, "Idempotency-Key");
	copy_header(s->sequence, sizeof(s->sequence), r, "X-Crosspoint-Sequence");
	copy_header(s->sha1, sizeof(s->sha1), r, "X-Signalwire-Signature");
	copy_header(s->sha256, sizeof(s->sha256), r, "X-Signalwire-SHA256-Signature");
	copy_header(s->type, sizeof(s->type), r, "Content-Type");
	n = attempt_of(s);
	status = w->script[n < w->script_length ? n : w->script_length - 1];
	loop_timer_start(w->loop, &s->answer,
			 status                     ? w->answer_ms
			 : r->read_ms < r->total_ms ? r->read_ms
						    : r->total_ms,
			 answer, s);
	return 0;
}

static inline void fake_cancel(void *http, uint64_t id)
{
	struct sent *s = &w->sent[id - 1];

	CHECK(s->open);
	s->open = false;
	w->open--;
	loop_timer_stop(w->loop, &s->answer);
}

static inline void fake_hurry(void *http, uint64_t id)
{
	struct sent *s = &w->sent[id - 1];

	CHECK(s->open && s->patient && !s->hurried);
	s->hurried = true;
}

/* --- the world --- */

static inline void open_hooks(uint32_t per_host, uint32_t queue_max)
{
	const struct hooks_opts opts = {
		.loop = w->loop,
		.door = { fake_send, fake_cancel, fake_hurry, w },
		.spool = { .store = w->store, .journal = w->journal },
		.identity = { "project", "space", "node" },
		.signing_key = "PSK-demo",
		.per_host = per_host,
		.queue_max = queue_max,
	};

	CHECK_INT(0, hooks_new(&w->hooks, &opts));
}

static inline void open_store(void)
{
	const struct store_opts opts = { .path = w->path, .schema = spool_schema, .statements = spool_statements };
	char why[160];

	assert_int_equal(store_open(&w->store, w->loop, &opts, why), 0);
}

static inline void open_world(bool on_disk, const int *script, size_t script_length)
{
	w = calloc(1, sizeof(*w));
	assert_non_null(w);
	w->script = script;
	w->script_length = script_length;
	w->answer_ms = 1;
	assert_int_equal(loop_new(&w->loop, true, 1), 0);
	if (on_disk) {
		snprintf(w->path, sizeof(w->path), "/tmp/test_hooks_%d.db", (int)getpid());
		unlink(w->path);
		open_store();
	}
}

static inline void close_hooks(void)
{
	hooks_free(&w->hooks);
	CHECK_INT(0, w->open);
	store_close(&w->store);
	journal_free(&w->journal);
}

static inline void close_world(void)
{
	char side[80];

	close_hooks();
	CHECK_INT(0, loop_timer_count(w->loop));
	loop_free(&w->loop);
	unlink(w->path);
	for (int i = 0; w->path[0] && i < 2; i++) {
		snprintf(side, sizeof(side), "%s%s", w->path, i ? "-wal" : "-shm");
		unlink(side);
	}
	free(w);
}

static inline void emit(unsigned call, enum event_type type, const char *url)
{
	char id[40];
	const struct event ev = {
		.type = type, .call_id = id, .sequence = w->sequence[call]++, .wall_ms = 1000, .hook = url
	};

	snprintf(id, sizeof(id), "call-%u", call);
	hooks_on_event(w->hooks, &ev);
}

static inline void run_ms(uint64_t ms)
{
	loop_run_until(w->loop, loop_now_ms(w->loop) + ms);
}

static inline struct hooks_counts counts(void)
{
	struct hooks_counts c;

	hooks_count(w->hooks, &c);
	return c;
}

static inline bool count_row(void *arg, const struct store_value *v, size_t n)
{
	*(int64_t *)arg = v[0].integer;
	return true;
}

/* Of a store that is closed. */
static inline int64_t rows_on_disk(void)
{
	int64_t rows = -1;

	open_store();
	CHECK_INT(0, store_read(w->store, "SELECT count(*) FROM hooks", count_row, &rows));
	store_close(&w->store);
	return rows;
}

static const int fine[] = { 200 };
static const int hang[] = { 0 };
static const int broken[] = { 500 };

#define WORLD(on_disk, script) open_world(on_disk, script, ARRAY_LEN(script))

#endif

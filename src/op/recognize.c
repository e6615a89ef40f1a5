#include "op/recognize.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/child.h"
#include "base/handle.h"
#include "base/list.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mq.h"
#include "net/http_client.h"
#include "op/recognize_impl.h"

enum {
	AT_ONCE = 4,
	WAITING = 64,
	MAX_BEGUN = 1024,
	MEMORY_MB = 8192, /* address space, which models map generously */
	FILE_MB = 1,
	CONNECT_MS = 2000,
	WHY = 320,
};

struct recognizer {
	struct recognizer_opts opts;
	char *folder;
	struct children *children;
	struct http_client *http;
	struct mq *begun;
	struct handle_table *ids, *watches;
	struct list tasks;
	uint64_t count; /* for names of files */
};

struct task {
	struct list node;
	struct recognizer *owner;
	uint64_t id, outside; /* outside: child or request */
	char *path;           /* that the command writes to */
	struct recognize_file *job;
	recognize_done_fn *done;
	void *arg;
};

struct watch {
	void (*begun)(void *arg);
	void *arg;
};

/* --- the end --- */

static void task_free(struct task *t)
{
	handle_remove(t->owner->ids, t->id);
	list_remove(&t->node);
	if (t->job)
		t->job->arg = NULL;
	free(t->path);
	free(t);
}

/* The last deed for t. */
static void finish(struct task *t, const struct recognize_result *r)
{
	recognize_done_fn *done = t->done;
	void *arg = t->arg;

	task_free(t);
	done(arg, r);
}

static void fail(struct task *t, const char *why)
{
	log_printf(LOG_WARN, NULL, "recognition failed: %s", why);
	finish(t, &(struct recognize_result){ .why = why, .text = "", .confidence = -1 });
}

static void read_answer(struct task *t, struct str said)
{
	char text[RECOGNIZE_MAX_TEXT], why[WHY];
	struct recognize_result r = { .text = text, .confidence = -1 };
	const char *fault = recognize_read(said, text, &r.confidence);

	if (!fault) {
		finish(t, &r);
		return;
	}
	snprintf(why, sizeof(why), "the answer of the recognizer (%s) %s", recognizer_name(t->owner), fault);
	fail(t, why);
}

/* --- a command --- */

static void on_file(struct recognize_file *f)
{
	struct task *t = f->arg;

	if (t) {
		t->job = NULL;
		if (f->err)
			fail(t, "what the recognizer wrote cannot be read");
		else
			read_answer(t, buf_view(&f->said));
	}
	recognize_file_free(f);
}

/* Read the file, or only remove it; either way it is gone afterwards. */
static int begin_job(struct task *t, bool wanted)
{
	struct recognize_file *f = recognize_file_new(t->path, on_file, wanted ? t : NULL);
	int err = f ? recognize_file_run(t->owner->opts.pool, f) : ENOMEM;

	if (err && f)
		recognize_file_free(f);
	else if (!err && wanted)
		t->job = f;
	return err;
}

static void on_child(void *arg, const struct child_result *r)
{
	struct task *t = arg;
	char why[WHY];

	t->outside = 0;
	if (r->end == CHILD_EXITED && !r->code) {
		if (begin_job(t, true))
			fail(t, "out of memory");
		return;
	}
	begin_job(t, false);
	snprintf(why, sizeof(why), "command: %s", r->why);
	fail(t, why);
}

static int run(struct task *t, const struct recognize_request *q)
{
	struct recognizer *r = t->owner;
	struct child_request ask = {
		.input = q->wav,
		.deadline_ms = r->opts.deadline_ms,
		.cpu_s = r->opts.deadline_ms / 1000 * AT_ONCE + 1,
		.memory_mb = MEMORY_MB,
		.file_mb = FILE_MB,
	};
	struct arena *a = NULL;
	struct buf path;
	int err = ENOMEM;

	buf_init(&path, 0);
	buf_printf(&path, "%s/%llu.txt", r->folder, (unsigned long long)++r->count);
	t->path = buf_steal(&path);
	ask.output = t->path;
	if (t->path && !arena_new(&a, 0, 0))
		ask.argv = recognize_argv(a, r->opts.command, q);
	if (ask.argv)
		err = child_run(r->children, &ask, on_child, t, &t->outside);
	arena_free(&a);
	return err;
}

/* --- a service --- */

static void on_answer(void *arg, const struct http_answer *a)
{
	struct task *t = arg;
	char why[WHY];

	t->outside = 0;
	if (a->error == HTTP_OK && a->status == 200) {
		read_answer(t, a->body);
		return;
	}
	if (a->error == HTTP_OK)
		snprintf(why, sizeof(why), "the recognition service answered %d", a->status);
	else
		snprintf(why, sizeof(why), "the recognition service: %s", a->why);
	fail(t, why);
}

static int request(struct task *t, const struct recognize_request *q)
{
	static const struct http_header headers[] = {
		{ "Content-Type", { "audio/wav", 9 } },
		{ "Accept", { "application/json", 16 } },
	};
	struct recognizer *r = t->owner;
	struct http_request ask = {
		.method = "POST",
		.headers = headers,
		.header_count = ARRAY_LEN(headers),
		.body = q->wav,
		.connect_ms = CONNECT_MS,
		.read_ms = r->opts.deadline_ms,
		.total_ms = r->opts.deadline_ms,
	};
	struct buf url;
	int err = ENOMEM;

	buf_init(&url, 0);
	recognize_url(&url, r->opts.url, q);
	ask.url = url.data;
	if (!url.failed)
		err = http_client_send(r->http, &ask, on_answer, t, &t->outside);
	buf_free(&url);
	return err;
}

/* --- asking --- */

int recognize_start(struct recognizer *r, const struct recognize_request *q, recognize_done_fn *done, void *arg,
		    uint64_t *id)
{
	struct task *t = calloc(1, sizeof(*t));
	struct recognize_request whole = *q;
	int err;

	assert(recognizer_name(r));
	if (!t)
		return ENOMEM;
	if (!whole.language)
		whole.language = r->opts.language ? r->opts.language : "en-US";
	*t = (struct task){ .owner = r, .done = done, .arg = arg };
	list_append(&r->tasks, &t->node);
	err = handle_add(r->ids, t, &t->id);
	if (!err)
		err = r->opts.url ? request(t, &whole) : run(t, &whole);
	if (err)
		task_free(t);
	else
		*id = t->id;
	return err;
}

void recognize_cancel(struct recognizer *r, uint64_t id)
{
	struct task *t = handle_get(r->ids, id);

	if (!t)
		return;
	if (r->opts.url) {
		http_client_cancel(r->http, t->outside);
	} else {
		child_cancel(r->children, t->outside);
		if (!t->job)
			begin_job(t, false);
	}
	task_free(t);
}

/* --- what has begun --- */

static void on_begun(void *arg, void *msg)
{
	struct recognizer *r = arg;
	const struct watch *w = handle_get(r->watches, *(const uint64_t *)msg);

	if (w)
		w->begun(w->arg);
}

int recognizer_watch(struct recognizer *r, void (*begun)(void *arg), void *arg, uint64_t *id)
{
	struct watch *w = malloc(sizeof(*w));
	int err;

	if (!w)
		return ENOMEM;
	*w = (struct watch){ begun, arg };
	err = handle_add(r->watches, w, id);
	if (err)
		free(w);
	return err;
}

void recognizer_unwatch(struct recognizer *r, uint64_t id)
{
	free(handle_remove(r->watches, id));
}

struct mq *recognizer_begun(struct recognizer *r)
{
	return r->begun;
}

/* --- life --- */

const char *recognizer_name(const struct recognizer *r)
{
	if (r->opts.url)
		return "http";
	return r->opts.command && r->opts.command[0] ? "command" : NULL;
}

static int open_engine(struct recognizer *r)
{
	/* Its target is the operator's own choice, most often this very machine. */
	static const struct http_client_opts http = { .per_host = AT_ONCE, .waiting = WAITING };

	if (!recognizer_name(r))
		return 0;
	if (r->opts.url)
		return http_client_new(&r->http, r->opts.loop, &http);
	r->folder = str_heap(str_of(r->opts.folder));
	if (!r->folder)
		return ENOMEM;
	if (recognize_folder(r->folder))
		return errno;
	return children_new(&r->children, r->opts.loop, r->opts.pool, AT_ONCE, WAITING);
}

int recognizer_new(struct recognizer **out, const struct recognizer_opts *opts)
{
	struct recognizer *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return ENOMEM;
	r->opts = *opts;
	if (!r->opts.deadline_ms)
		r->opts.deadline_ms = RECOGNIZE_DEADLINE_MS;
	list_init(&r->tasks);
	err = mq_new(&r->begun, opts->loop, sizeof(uint64_t), MAX_BEGUN, on_begun, r);
	if (!err)
		err = handle_table_new(&r->ids, 0);
	if (!err)
		err = handle_table_new(&r->watches, 0);
	if (!err)
		err = open_engine(r);
	if (err)
		recognizer_free(&r);
	else
		*out = r;
	return err;
}

void recognizer_free(struct recognizer **recognizer)
{
	struct recognizer *r = *recognizer;

	if (!r)
		return;
	*recognizer = NULL;
	children_free(&r->children);
	while (!list_empty(&r->tasks)) {
		struct task *t = LIST_ITEM(list_first(&r->tasks), struct task, node);

		if (r->http)
			http_client_cancel(r->http, t->outside);
		task_free(t);
	}
	http_client_free(&r->http);
	mq_free(&r->begun);
	handle_table_free(&r->ids);
	assert(!r->watches || !handle_count(r->watches));
	handle_table_free(&r->watches);
	free(r->folder);
	free(r);
}

#include "net/http_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/handle.h"
#include "base/mq.h"
#include "net/http_client_impl.h"

enum {
	CONNECT_MS = 2000,
	READ_MS = 5000,
	TOTAL_MS = 15000,
	MAX_BYTES = 1 << 20,
	PER_HOST = 8,
	WAITING = 4096,
	QUEUE_GRACE_MS = 50, /* libcurl's own limit is to come first: it knows in which phase it was */
};

struct http_client {
	struct loop *loop;
	struct http_thread *thread;
	struct mq *answers;
	struct loop_timer waking;
	struct handle_table *ids;
	struct list all;
	struct http_rules *rules;
	uint32_t per_host, waiting;
	bool closing;
};

const char *http_error_name(enum http_error e)
{
	switch (e) {
	case HTTP_OK:
		return "ok";
	case HTTP_BAD_URL:
		return "bad_url";
	case HTTP_REFUSED_TARGET:
		return "refused_target";
	case HTTP_NAME:
		return "name";
	case HTTP_CONNECT:
		return "connect";
	case HTTP_TLS:
		return "tls";
	case HTTP_TIMEOUT:
		return "timeout";
	case HTTP_TOO_BIG:
		return "too_big";
	case HTTP_REDIRECTS:
		return "redirects";
	case HTTP_BROKEN:
		return "broken";
	case HTTP_FULL:
		return "full";
	case HTTP_CANCELLED:
		break;
	}
	return "cancelled";
}

/* --- transfers --- */

static void transfer_free(struct http_transfer *x)
{
	if (!x)
		return;
	http_rules_drop(x->rules);
	buf_free(&x->answer);
	arena_free(&x->arena);
	free(x);
}

/* No line breaks in what becomes a header line. */
static char *header_text(struct arena *a, struct str s)
{
	char *out = str_dup(a, s.p ? s : STR(""));

	for (size_t i = 0; out && i < s.n; i++)
		if ((unsigned char)out[i] < ' ' || out[i] == 0x7f)
			out[i] = ' ';
	return out;
}

static int copy_headers(struct http_transfer *x, const struct http_request *r)
{
	x->headers = arena_alloc(x->arena, (r->header_count + 1) * sizeof(*x->headers));
	if (!x->headers)
		return ENOMEM;
	for (; x->header_count < r->header_count; x->header_count++) {
		const struct http_header *from = &r->headers[x->header_count];
		char *value = header_text(x->arena, from->value);

		x->headers[x->header_count].name = header_text(x->arena, str_of(from->name));
		x->headers[x->header_count].value = str_of(value);
		if (!value || !x->headers[x->header_count].name)
			return ENOMEM;
	}
	return 0;
}

static int copy_request(struct http_transfer *x, const struct http_request *r)
{
	x->method = header_text(x->arena, str_of(r->method));
	x->url = str_dup(x->arena, str_of(r->url ? r->url : ""));
	x->body = (struct str){ r->body.n ? str_dup(x->arena, r->body) : "", r->body.n };
	if (!x->method || !x->url || !x->body.p || copy_headers(x, r))
		return ENOMEM;
	x->limits = (struct url_limits){
		.connect_ms = r->connect_ms ? r->connect_ms : CONNECT_MS,
		.read_ms = r->read_ms ? r->read_ms : READ_MS,
		.total_ms = r->total_ms ? r->total_ms : TOTAL_MS,
	};
	x->bad_url = url_parse(&x->at, str_of(x->url)) != 0;
	if (!x->bad_url)
		url_limits(&x->limits, x->at.fragment);
	x->max_bytes = r->max_bytes ? r->max_bytes : MAX_BYTES;
	x->want_headers = r->want_headers;
	buf_init(&x->answer, x->max_bytes);
	return 0;
}

static int transfer_new(struct http_transfer **out, struct http_client *c, const struct http_request *r)
{
	struct http_transfer *x = calloc(1, sizeof(*x));
	int err = x ? arena_new(&x->arena, r->body.n + 1024, 0) : ENOMEM;

	if (!err)
		err = copy_request(x, r);
	if (err) {
		transfer_free(x);
		return err;
	}
	x->client = c;
	x->rules = http_rules_use(c->rules);
	x->per_host = c->per_host;
	list_init(&x->all);
	list_init(&x->command);
	list_init(&x->working);
	*out = x;
	return 0;
}

static void give_up_id(struct http_transfer *x)
{
	handle_remove(x->client->ids, x->id);
	loop_timer_stop(x->client->loop, &x->deadline);
	x->done = NULL;
}

static struct str text_of(const char *header)
{
	return header ? str_of(header) : STR("");
}

/* The thread is through with it. Its done() may free the client, so nothing of that is touched behind it. */
static void answered(void *arg, void *msg)
{
	struct http_transfer *x = *(struct http_transfer **)msg;
	void (*done)(void *arg, const struct http_answer *a) = x->done;
	const struct http_answer a = {
		.error = x->error,
		.why = x->error ? x->why : "ok",
		.status = x->error ? 0 : (int)x->status,
		.body = x->error || !x->answer.data ? STR("") : buf_view(&x->answer),
		.content_type = text_of(x->content_type),
		.etag = text_of(x->etag),
		.last_modified = text_of(x->last_modified),
		.cache_control = text_of(x->cache_control),
		.headers = x->told,
		.header_count = x->error ? 0 : x->told_count,
		.bytes = x->error ? NULL : &x->answer,
		.took_us = x->took_us,
	};

	give_up_id(x);
	list_remove(&x->all);
	loop_release(x->client->loop);
	if (done)
		done(x->arg, &a);
	transfer_free(x);
}

/* The time in the thread's queue behind a slow host counts too, and libcurl does not count it. */
static void over(void *arg)
{
	struct http_transfer *x = arg;

	http_thread_stop(x->client->thread, x, HTTP_TIMEOUT);
}

static void wake(void *arg)
{
	struct http_client *c = arg;

	http_thread_wake(c->thread);
}

/* One wake of the thread for all that a turn sends, and not before the turn has done its work: they may share a core. */
static void wake_later(struct http_client *c)
{
	if (loop_is_turning_here(c->loop))
		loop_timer_start(c->loop, &c->waking, 0, wake, c);
	else
		wake(c);
}

int http_client_send(struct http_client *c, const struct http_request *r,
		     void (*done)(void *arg, const struct http_answer *a), void *arg, uint64_t *id)
{
	struct http_transfer *x = NULL;
	int err;

	if (c->closing || handle_count(c->ids) >= c->waiting)
		return EAGAIN;
	err = transfer_new(&x, c, r);
	if (!err)
		err = handle_add(c->ids, x, &x->id);
	if (!err && mq_reserve(c->answers, 1)) {
		handle_remove(c->ids, x->id);
		err = ENOMEM;
	}
	if (err) {
		transfer_free(x);
		return ENOMEM;
	}
	x->done = done;
	x->arg = arg;
	x->patient = r->patient;
	x->began_us = loop_real_us();
	*id = x->id;
	list_append(&c->all, &x->all);
	loop_timer_start(c->loop, &x->deadline, x->limits.total_ms + QUEUE_GRACE_MS, over, x);
	loop_hold(c->loop);
	if (http_thread_add(c->thread, x))
		wake_later(c);
	return 0;
}

void http_client_hurry(struct http_client *c, uint64_t id)
{
	struct http_transfer *x = handle_get(c->ids, id);

	/* One that is finished is found by the next turn, and this is within one. */
	if (x && http_thread_hurry(c->thread, x))
		wake_later(c);
}

void http_client_cancel(struct http_client *c, uint64_t id)
{
	struct http_transfer *x = handle_get(c->ids, id);

	if (!x)
		return;
	give_up_id(x);
	http_thread_stop(c->thread, x, HTTP_CANCELLED);
}

/* --- life --- */

int http_client_rules(struct http_client *c, const struct http_client_opts *o)
{
	struct http_rules *rules;
	int err = http_rules_new(&rules, o->allow, o->deny_private);

	if (err)
		return err;
	http_rules_drop(c->rules);
	c->rules = rules;
	c->per_host = o->per_host ? o->per_host : PER_HOST;
	c->waiting = o->waiting ? o->waiting : WAITING;
	return 0;
}

int http_client_new(struct http_client **out, struct loop *l, const struct http_client_opts *opts)
{
	struct http_client *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return ENOMEM;
	c->loop = l;
	list_init(&c->all);
	err = http_client_rules(c, opts);
	if (!err)
		err = handle_table_new(&c->ids, 0);
	if (!err)
		err = mq_new(&c->answers, l, sizeof(struct http_transfer *), 0, answered, c);
	if (!err)
		mq_look_each_turn(c->answers);
	if (!err)
		err = http_thread_new(&c->thread, c->answers);
	if (err)
		http_client_free(&c);
	else
		*out = c;
	return err;
}

void http_client_free(struct http_client **client)
{
	static const struct http_answer gone = { .error = HTTP_CANCELLED,
						 .why = "the server is shutting down",
						 .body = { "", 0 },
						 .content_type = { "", 0 },
						 .etag = { "", 0 },
						 .last_modified = { "", 0 },
						 .cache_control = { "", 0 } };
	struct http_client *c = *client;

	if (!c)
		return;
	*client = NULL;
	c->closing = true;
	loop_timer_stop(c->loop, &c->waking);
	http_thread_free(&c->thread);
	while (!list_empty(&c->all)) {
		struct http_transfer *x = LIST_ITEM(list_first(&c->all), struct http_transfer, all);
		void (*done)(void *arg, const struct http_answer *a) = x->done;

		give_up_id(x);
		list_remove(&x->all);
		loop_release(c->loop);
		if (done)
			done(x->arg, &gone);
		transfer_free(x);
	}
	mq_free(&c->answers);
	handle_table_free(&c->ids);
	http_rules_drop(c->rules);
	free(c);
}

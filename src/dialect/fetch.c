#include "dialect/fetch.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/handle.h"
#include "base/list.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/pool.h"
#include "dialect/fetch_impl.h"
#include "dialect/fetch_seen.h"
#include "net/http_client.h"
#include "net/sign.h"
#include "net/url.h"

enum { INLINE_BYTES = 64 * 1024, MAX_BYTES = 1 << 20, WHY = 512 };

struct fetch {
	struct loop *loop;
	struct pool *pool;
	struct files *files;
	struct http_client *http;
	const char *signing_key;
	struct handle_table *ids;
	struct list all;
	struct fetch_seen seen;
};

/* A text on its way to be a document. On the pool it touches nothing but itself. */
struct parse {
	struct ask *ask; /* loop thread only; NULL = nobody waits any more */
	char *text;
	size_t n;
	struct arena *arena;
	struct doc *root;
	int err;
	struct doc_error at;
};

/* One request. Exactly one of file_id, http_id, parse, the timer is under way. */
struct ask {
	struct list all;
	struct fetch *fetch;
	uint64_t id;
	struct arena *arena;
	const char *location; /* of this attempt */
	const char *fallback; /* NULL = none, or it is tried already */
	const char *method;
	struct str body;
	uint64_t file_id, http_id;
	struct parse *parse;
	struct loop_timer timer;
	size_t bytes;
	bool fell_back;
	int err; /* of this attempt */
	struct doc_error at;
	char why[WHY]; /* of all attempts */
	void (*done)(void *arg, const struct fetch_result *r);
	void *arg;
};

static void attempt(struct ask *a);

static bool is_text(const char *location)
{
	return location[0] == '{';
}

/* --- the end --- */

static void ask_free(struct ask *a)
{
	struct fetch *f = a->fetch;

	if (a->file_id)
		files_cancel(f->files, a->file_id);
	if (a->http_id)
		http_client_cancel(f->http, a->http_id);
	if (a->parse)
		a->parse->ask = NULL;
	loop_timer_stop(f->loop, &a->timer);
	handle_remove(f->ids, a->id);
	list_remove(&a->all);
	arena_free(&a->arena);
	free(a);
}

/* Its done() may do anything, also free the fetch. */
static void deliver(struct ask *a, struct document *d)
{
	void (*done)(void *arg, const struct fetch_result *r) = a->done;
	struct fetch_result r = {
		.document = d, .err = a->err, .at = a->at, .bytes = a->bytes, .fallback = a->fell_back
	};
	char why[WHY];
	void *arg = a->arg;

	memcpy(why, a->why, sizeof(why));
	r.why = why;
	ask_free(a);
	done(arg, &r);
}

static void attempt_failed(void *arg)
{
	struct ask *a = arg;

	if (!a->fallback) {
		deliver(a, NULL);
		return;
	}
	log_printf(LOG_INFO, NULL, "%s; trying the fallback", a->why);
	a->location = a->fallback;
	a->fallback = NULL;
	a->fell_back = true;
	attempt(a);
}

/* Say why this attempt failed, behind what was said of the one before. */
static void note(struct ask *a, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void note(struct ask *a, int err, const char *fmt, ...)
{
	char url[200], text[240];
	size_t n = strlen(a->why);
	va_list ap;

	a->err = err;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!url_is_http(str_of(a->location))) {
		snprintf(a->why + n, sizeof(a->why) - n, "%s%s", n ? "; fallback: " : "", text);
		return;
	}
	log_url(url, sizeof(url), a->location);
	snprintf(a->why + n, sizeof(a->why) - n, "%s %s: %s", n ? "; fallback" : "document", url, text);
}

static void parse_error(struct ask *a, const struct doc_error *at)
{
	a->at = *at;
	if (at->line && url_is_http(str_of(a->location)))
		note(a, EINVAL, "line %u: %s", at->line, at->message);
	else
		note(a, EINVAL, "%s", at->message);
}

/* --- texts --- */

static void parse_free(struct parse *p)
{
	arena_free(&p->arena);
	free(p->text);
	free(p);
}

static void refuse_text(struct parse *p, const char *message)
{
	p->err = EINVAL;
	p->at = (struct doc_error){ .line = 1, .col = 1 };
	str_copy(p->at.message, sizeof(p->at.message), str_of(message));
}

static void parse_work(void *arg)
{
	struct parse *p = arg;
	struct str text = { p->text, p->n };
	char message[100];

	/* Web servers say in HTML what they have to say; as YAML that would be called something else. */
	if (str_starts(str_trim(text), "<")) {
		refuse_text(p, "this is HTML or XML, not a SWML document");
		return;
	}
	p->err = arena_new(&p->arena, p->n + 4096, 0);
	if (!p->err)
		p->err = doc_parse(p->arena, &p->root, text, DOC_GUESS, NULL, &p->at);
	if (p->err || p->root->type == DOC_MAP)
		return;
	snprintf(message, sizeof(message), "a document is an object with sections, this is a %s",
		 doc_type_name(p->root->type));
	refuse_text(p, message);
}

static void parse_drop(void *arg)
{
	struct parse *p = arg;

	if (p->ask)
		p->ask->parse = NULL;
	parse_free(p);
}

static void parse_done(void *arg)
{
	struct parse *p = arg;
	struct ask *a = p->ask;
	struct document *d = NULL;
	char url[200] = "inline document";

	if (!a) {
		parse_free(p);
		return;
	}
	a->parse = NULL;
	a->bytes = p->n;
	if (url_is_http(str_of(a->location)))
		log_url(url, sizeof(url), a->location);
	if (!p->err)
		p->err = document_new(&d, &p->arena, p->root, url);
	if (p->err == EINVAL)
		parse_error(a, &p->at);
	else if (p->err)
		note(a, p->err, "%s", strerror(p->err));
	else if (url_is_http(str_of(a->location)))
		fetch_seen_put(&a->fetch->seen, a->location, (struct str){ p->text, p->n }, d);
	parse_free(p);
	if (d)
		deliver(a, d);
	else
		attempt_failed(a);
}

/* Small ones at once when the caller runs from the loop already, others on the pool. */
static int parse_text(struct ask *a, struct str text, bool here)
{
	struct parse *p = calloc(1, sizeof(*p));
	int err = ENOMEM;

	if (!p)
		return ENOMEM;
	p->text = str_heap(text);
	p->n = text.n;
	p->ask = a;
	a->parse = p;
	if (p->text && here && text.n < INLINE_BYTES) {
		parse_work(p);
		parse_done(p);
		return 0;
	}
	if (p->text)
		err = pool_run(a->fetch->pool, parse_work, parse_done, parse_drop, p);
	if (err)
		parse_drop(p);
	return err;
}

/* --- files --- */

static void file_came(void *arg, const struct file_result *r)
{
	struct ask *a = arg;

	a->file_id = 0;
	a->bytes = r->bytes;
	if (r->document) {
		deliver(a, r->document);
		return;
	}
	if (r->err == EINVAL)
		parse_error(a, &r->at);
	else
		note(a, r->err, "the document cannot be read: %s", strerror(r->err));
	attempt_failed(a);
}

/* --- URLs --- */

static void answered(void *arg, const struct http_answer *h)
{
	struct ask *a = arg;
	struct document *d;
	int err;

	a->http_id = 0;
	if (h->error) {
		note(a, h->error == HTTP_BAD_URL ? EINVAL : EIO, "%s", h->why);
	} else if (h->status < 200 || h->status > 299) {
		note(a, EIO, "the server answers %d", h->status);
	} else if (!str_trim(h->body).n) {
		note(a, EIO, "the server answers %d without a document", h->status);
	} else if ((d = fetch_seen_get(&a->fetch->seen, a->location, h->body))) {
		deliver(a, d);
		return;
	} else {
		err = parse_text(a, h->body, true);
		if (!err)
			return; /* and perhaps all is over */
		note(a, err, "%s", strerror(err));
	}
	attempt_failed(a);
}

static int request(struct ask *a)
{
	struct fetch *f = a->fetch;
	bool post = strcmp(a->method, "GET") != 0;
	struct str body = post ? a->body : STR("");
	char sha1[41], sha256[65];
	struct http_header headers[3];
	struct http_request r = {
		.method = a->method, .url = a->location, .headers = headers, .body = body, .max_bytes = MAX_BYTES
	};

	if (post)
		headers[r.header_count++] = (struct http_header){ "Content-Type", STR("application/json") };
	if (f->signing_key) {
		sign_sha1(sha1, f->signing_key, a->location, body);
		sign_sha256(sha256, f->signing_key, a->location, body);
		headers[r.header_count++] = (struct http_header){ "X-Signalwire-Signature", str_of(sha1) };
		headers[r.header_count++] = (struct http_header){ "X-Signalwire-SHA256-Signature", str_of(sha256) };
	}
	return http_client_send(f->http, &r, answered, a, &a->http_id);
}

/* --- one attempt --- */

static int begin(struct ask *a)
{
	if (is_text(a->location))
		return parse_text(a, str_of(a->location), false);
	if (!url_is_http(str_of(a->location)))
		return files_get(a->fetch->files, a->location, file_came, a, &a->file_id);
	return a->fetch->http ? request(a) : EPROTONOSUPPORT;
}

static void attempt(struct ask *a)
{
	int err;

	a->at = (struct doc_error){ .line = 0 };
	err = begin(a);
	if (!err)
		return;
	if (err == EAGAIN)
		note(a, err, "too many requests are waiting");
	else
		note(a, err, "%s", err == EPROTONOSUPPORT ? "documents by URL are switched off" : strerror(err));
	loop_timer_start(a->fetch->loop, &a->timer, 0, attempt_failed, a);
}

static int copy_request(struct ask *a, const struct fetch_request *r)
{
	int err = arena_new(&a->arena, r->body.n + 512, 0);

	if (err)
		return err;
	a->location = str_dup(a->arena, str_of(r->location));
	a->method = str_dup(a->arena, str_of(r->method ? r->method : "POST"));
	a->fallback = r->fallback ? str_dup(a->arena, str_of(r->fallback)) : NULL;
	a->body = (struct str){ r->body.n ? str_dup(a->arena, r->body) : "", r->body.n };
	return a->location && a->method && a->body.p && !a->fallback == !r->fallback ? 0 : ENOMEM;
}

int fetch_document(struct fetch *f, const struct fetch_request *r,
		   void (*done)(void *arg, const struct fetch_result *r), void *arg, uint64_t *id)
{
	struct ask *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		return ENOMEM;
	a->fetch = f;
	a->done = done;
	a->arg = arg;
	list_append(&f->all, &a->all);
	err = copy_request(a, r);
	if (!err)
		err = handle_add(f->ids, a, &a->id);
	if (err) {
		ask_free(a);
		return ENOMEM;
	}
	*id = a->id;
	attempt(a);
	return 0;
}

void fetch_cancel(struct fetch *f, uint64_t id)
{
	struct ask *a = handle_get(f->ids, id);

	if (a)
		ask_free(a);
}

/* --- life --- */

void fetch_use_http(struct fetch *f, struct http_client *h, const char *signing_key)
{
	f->http = h;
	f->signing_key = signing_key;
}

struct http_client *fetch_http(const struct fetch *f)
{
	return f->http;
}

int fetch_new(struct fetch **out, struct loop *l, struct pool *p)
{
	struct fetch *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return ENOMEM;
	f->loop = l;
	f->pool = p;
	list_init(&f->all);
	err = files_new(&f->files, l, p);
	if (!err)
		err = handle_table_new(&f->ids, 0);
	if (err)
		fetch_free(&f);
	else
		*out = f;
	return err;
}

void fetch_free(struct fetch **fetch)
{
	struct fetch *f = *fetch;

	if (!f)
		return;
	*fetch = NULL;
	while (!list_empty(&f->all))
		ask_free(LIST_ITEM(list_first(&f->all), struct ask, all));
	fetch_seen_clear(&f->seen);
	files_free(&f->files);
	handle_table_free(&f->ids);
	free(f);
}

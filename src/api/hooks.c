#include "api/hooks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/map.h"
#include "net/sign.h"
#include "net/url.h"

enum {
	ATTEMPTS = 3,
	WINDOW_MS = 10000,     /* all attempts of an event */
	FIRST_TOTAL_MS = 6000, /* so that two more fit in behind a receiver that hangs */
	CONNECT_MS = 2000,
	READ_MS = 5000,
	MAX_WAIT_MS = 300000, /* for the first attempt: bounds what a host that hangs can pile up */
	FULL_MS = 200,        /* until a client that was full is asked again */
	PER_HOST = 16,
	QUEUE_MAX = 10000,
	MAX_ANSWER_BYTES = 65536, /* nobody reads it */
	SPARED_MS = 20,           /* a receiver that answers within it spares us the disk */
	TELL_MS = 10000,          /* between two lines about one trouble */
	TELL_FULL_MS = 60000,
};

/* After the first attempt: when the second and the third are due. */
static const uint32_t due_ms[ATTEMPTS] = { 0, 1000, 4000 };

struct hooks {
	struct loop *loop;
	struct hooks_door door;
	struct spool spool;
	char *project_id, *space_id, *node_id, *key;
	uint32_t per_host, queue_max;
	struct map *lines, *targets;
	struct target *recent; /* of the newest event; NULL = forgotten */
	char *recent_url;
	struct list runnable;  /* of struct target */
	struct list unwritten; /* of struct hook: not in the spool yet */
	struct loop_timer write, flush;
	void (*flushed)(void *arg);
	void *flushed_arg;
	bool reading, closed;
	uint64_t told_ms, full_told_ms;
	struct hooks_counts counts;
};

struct target { /* one host and port */
	struct hooks *owner;
	struct list runnable; /* in the list of the hooks, or alone */
	struct list ready;    /* of struct line */
	struct list advisory; /* of struct hook: not final, oldest first */
	size_t count;
	uint32_t flying;
	uint64_t dropped, told_ms;
	char name[];
};

struct line { /* the events of one call, one at a time */
	struct hooks *owner;
	struct list hooks;
	struct list ready;     /* in the list of its first hook's target, or alone */
	struct loop_timer due; /* first hook: the next attempt, or the end of its time while it flies */
	char call_id[];
};

struct hook { /* one event on its way */
	struct list in_line, advisory, unwritten;
	struct line *line;
	struct target *target;
	struct spool_row row; /* texts behind */
	bool flying, patient; /* patient: its answer wakes nobody */
	unsigned attempts;
	uint64_t accepted_us, posted_us, first_ms;
	uint64_t request;
	char text[];
};

static void run(struct hooks *h);

static struct hook *head(const struct line *line)
{
	return LIST_ITEM(line->hooks.next, struct hook, in_line);
}

/* --- hosts and calls --- */

static void forget_recent(struct hooks *h)
{
	free(h->recent_url);
	h->recent_url = NULL;
	h->recent = NULL;
}

static struct target *find_target(struct hooks *h, struct str text)
{
	char name[300] = "";
	struct target *t;
	struct url u;

	/* A URL that is none is refused by the client; all such share a queue. */
	if (!url_parse(&u, text))
		snprintf(name, sizeof(name), "%.*s:%u", STR_ARG(u.host), u.port);
	for (char *p = name; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p += 'a' - 'A';
	t = map_get(h->targets, str_of(name));
	if (t)
		return t;
	t = calloc(1, sizeof(*t) + strlen(name) + 1);
	if (!t || map_put(h->targets, str_of(name), t)) {
		free(t);
		return NULL;
	}
	t->owner = h;
	memcpy(t->name, name, strlen(name) + 1);
	list_init(&t->runnable);
	list_init(&t->ready);
	list_init(&t->advisory);
	return t;
}

/* Most events go to where the one before went. */
static struct target *target_of(struct hooks *h, struct str url)
{
	struct target *t;
	char *kept;

	if (h->recent && str_is(url, h->recent_url))
		return h->recent;
	t = find_target(h, url);
	kept = t ? str_heap(url) : NULL;
	if (kept) {
		forget_recent(h);
		h->recent_url = kept;
		h->recent = t;
	}
	return t;
}

static void target_free(struct target *t)
{
	if (t == t->owner->recent)
		forget_recent(t->owner);
	map_take(t->owner->targets, str_of(t->name));
	list_remove(&t->runnable);
	free(t);
}

static struct line *line_of(struct hooks *h, struct str call_id)
{
	struct line *line = map_get(h->lines, call_id);

	if (line)
		return line;
	line = calloc(1, sizeof(*line) + call_id.n + 1);
	if (!line || map_put(h->lines, call_id, line)) {
		free(line);
		return NULL;
	}
	line->owner = h;
	memcpy(line->call_id, call_id.p, call_id.n);
	list_init(&line->hooks);
	list_init(&line->ready);
	return line;
}

static void line_free(struct line *line)
{
	map_take(line->owner->lines, str_of(line->call_id));
	free(line);
}

/* Something about it has changed: run() will look. */
static void wake(struct target *t)
{
	if (list_empty(&t->runnable))
		list_append(&t->owner->runnable, &t->runnable);
}

static void make_ready(struct line *line)
{
	struct target *t = head(line)->target;

	list_append(&t->ready, &line->ready);
	wake(t);
}

/* --- one event --- */

static struct str put_text(char **at, struct str s)
{
	struct str copy = { *at, s.n };

	memcpy(*at, s.p, s.n);
	(*at)[s.n] = '\0';
	*at += s.n + 1;
	return copy;
}

static struct hook *hook_new(struct hooks *h, const struct spool_row *r)
{
	struct hook *k = calloc(1, sizeof(*k) + r->id.n + r->url.n + r->body.n + 3);
	char *at = k ? k->text : NULL;

	if (!k)
		return NULL;
	k->row = *r;
	k->row.id = put_text(&at, r->id);
	k->row.url = put_text(&at, r->url);
	k->row.body = put_text(&at, r->body);
	k->accepted_us = loop_now_us(h->loop);
	list_init(&k->in_line);
	list_init(&k->advisory);
	list_init(&k->unwritten);
	return k;
}

/* Out of every list, the spool too; whatever waited behind it comes up. */
static void leave(struct hook *k)
{
	struct line *line = k->line;
	struct target *t = k->target;
	struct hooks *h = line->owner;
	bool first = head(line) == k;

	if (first) {
		list_remove(&line->ready);
		loop_timer_stop(h->loop, &line->due);
	}
	spool_remove(&h->spool, &k->row);
	list_remove(&k->in_line);
	list_remove(&k->advisory);
	list_remove(&k->unwritten);
	free(k);
	t->count--;
	h->counts.waiting--;
	wake(t);
	if (list_empty(&line->hooks))
		line_free(line);
	else if (first)
		make_ready(line);
}

static void log_hook(enum log_level level, const struct hook *k, const char *message, const char *why)
{
	char url[300], sequence[12], attempts[12];
	struct log_field fields[] = {
		{ "event", k->row.id }, { "seq", { sequence, 0 } }, { "attempts", { attempts, 0 } },
		{ "url", { NULL, 0 } }, { "why", str_of(why) },
	};

	if (!log_wants(level))
		return;
	fields[1].value.n = (size_t)snprintf(sequence, sizeof(sequence), "%u", k->row.sequence);
	fields[2].value.n = (size_t)snprintf(attempts, sizeof(attempts), "%u", k->attempts);
	log_url(url, sizeof(url), k->row.url.p);
	fields[3].value = str_of(url);
	log_fields(level, k->line->call_id, message, fields, ARRAY_LEN(fields));
}

static void give_up(struct hook *k, const char *why)
{
	k->line->owner->counts.given_up++;
	log_hook(LOG_WARN, k, "webhook given up", why);
	leave(k);
}

/* --- the disk --- */

static void tell_memory_only(struct hooks *h)
{
	uint64_t now_ms = loop_now_ms(h->loop);

	if (h->told_ms && now_ms - h->told_ms < TELL_MS)
		return;
	h->told_ms = now_ms;
	log_printf(LOG_WARN, NULL, "webhooks are in memory only: too many rows wait for the disk");
}

/* Those accepted until then: they are in the order of that. */
static void write_until(struct hooks *h, uint64_t until_us)
{
	bool any = false;
	struct list *n;

	while ((n = list_first(&h->unwritten))) {
		struct hook *k = LIST_ITEM(n, struct hook, unwritten);

		if (k->accepted_us > until_us)
			break;
		list_remove(n);
		if (spool_write(&h->spool, &k->row))
			tell_memory_only(h);
		any = true;
	}
	if (any)
		spool_flush(&h->spool);
}

static void write_rows(struct hooks *h)
{
	write_until(h, UINT64_MAX);
}

static void write_late(void *arg)
{
	struct hooks *h = arg;

	write_until(h, loop_now_us(h->loop) - SPARED_MS * 1000);
	if (!list_empty(&h->unwritten))
		loop_timer_start(h->loop, &h->write, SPARED_MS, write_late, h);
}

/* What the journal has outlives the process already: most of it is delivered before its turn for the disk comes. */
static void keep(struct hook *k)
{
	struct hooks *h = k->line->owner;
	if (!h->spool.store)
		return;
	list_append(&h->unwritten, &k->unwritten);
	if (h->reading)
		return;
	if (!k->row.mark)
		write_rows(h); /* not at the end of the turn: the writer is to be ahead of whoever hears of the event */
	else if (!h->write.active)
		loop_timer_start(h->loop, &h->write, SPARED_MS, write_late, h);
}

/* --- attempts --- */

static void again(void *arg)
{
	struct line *line = arg;

	make_ready(line);
	run(line->owner);
}

static void failed(struct hook *k, const char *why, bool hopeless)
{
	struct line *line = k->line;
	struct hooks *h = line->owner;
	uint64_t now_ms = loop_now_ms(h->loop), due;

	h->counts.failed_attempts++;
	if (hopeless || k->attempts == ATTEMPTS || now_ms >= k->first_ms + WINDOW_MS) {
		give_up(k, why);
		return;
	}
	log_hook(LOG_DEBUG, k, "webhook attempt failed", why);
	due = k->first_ms + due_ms[k->attempts];
	loop_timer_start(h->loop, &line->due, due > now_ms ? due - now_ms : 0, again, line);
}

static void landed(struct hook *k)
{
	loop_timer_stop(k->line->owner->loop, &k->line->due);
	k->flying = false;
	k->target->flying--;
	wake(k->target);
}

static void answered(void *arg, const struct http_answer *a)
{
	struct hook *k = arg;
	struct hooks *h = k->line->owner;
	char why[200];

	landed(k);
	if (a->error == HTTP_OK && a->status / 100 == 2) {
		h->counts.delivered++;
		histogram_add(&h->counts.delay, k->posted_us - k->accepted_us + a->took_us);
		log_hook(LOG_DEBUG, k, "webhook delivered", "");
		leave(k);
	} else {
		if (a->error == HTTP_OK)
			snprintf(why, sizeof(why), "the receiver answered %d", a->status);
		else
			snprintf(why, sizeof(why), "%s", a->why);
		failed(k, why, a->error == HTTP_BAD_URL || a->error == HTTP_REFUSED_TARGET);
	}
	run(h);
}

/* Limits in the fragment of the URL may be longer than ours; the window holds for them too. */
static void window_over(void *arg)
{
	struct line *line = arg;
	struct hooks *h = line->owner;
	struct hook *k = head(line);

	h->door.cancel(h->door.http, k->request);
	landed(k);
	failed(k, "no answer within 10 s of the first attempt", true);
	run(h);
}

/* The rest of the window is shared out evenly. */
static uint32_t total_ms(const struct hook *k, uint64_t now_ms)
{
	uint64_t left_ms = k->first_ms + WINDOW_MS - now_ms;

	return k->attempts ? (uint32_t)(left_ms / (ATTEMPTS - k->attempts)) : FIRST_TOTAL_MS;
}

static int post(struct hook *k, uint64_t now_ms)
{
	struct hooks *h = k->line->owner;
	char sequence[12], sha1[41], sha256[65];
	bool get = !k->row.body.n; /* what it says is in the URL */
	const struct http_header headers[] = {
		{ "Content-Type", STR("application/json") }, /* first, so that it can be left out */
		{ "Idempotency-Key", k->row.id },
		{ "X-Crosspoint-Sequence",
		  { sequence, (size_t)snprintf(sequence, sizeof(sequence), "%u", k->row.sequence) } },
		{ "X-Signalwire-Signature", { sha1, sizeof(sha1) - 1 } },
		{ "X-Signalwire-SHA256-Signature", { sha256, sizeof(sha256) - 1 } },
	};
	const struct http_request r = {
		.method = get ? "GET" : "POST",
		.url = k->row.url.p,
		.headers = headers + get,
		.header_count = ARRAY_LEN(headers) - get - (h->key ? 0 : 2),
		.body = k->row.body,
		.connect_ms = CONNECT_MS,
		.read_ms = READ_MS,
		.total_ms = total_ms(k, now_ms),
		.max_bytes = MAX_ANSWER_BYTES,
		.patient = k->patient,
	};

	if (h->key) {
		sign_sha1(sha1, h->key, k->row.url.p, k->row.body);
		sign_sha256(sha256, h->key, k->row.url.p, k->row.body);
	}
	return h->door.send(h->door.http, &r, answered, k, &k->request);
}

static void attempt(struct line *line)
{
	struct hooks *h = line->owner;
	struct hook *k = head(line);
	uint64_t now_ms = loop_now_ms(h->loop);

	if (k->attempts ? now_ms >= k->first_ms + WINDOW_MS : now_ms - k->accepted_us / 1000 > MAX_WAIT_MS) {
		give_up(k, k->attempts ? "too late for another attempt" : "its turn did not come within 5 minutes");
		return;
	}
	if (!k->attempts)
		k->first_ms = now_ms;
	/* What follows in the call waits for the answer, and what has no place at the host for any. */
	k->patient = line->hooks.prev == &k->in_line && k->target->flying < h->per_host / 2;
	k->posted_us = loop_now_us(h->loop);
	if (post(k, now_ms)) {
		loop_timer_start(h->loop, &line->due, FULL_MS, again, line);
		return;
	}
	k->attempts++;
	k->flying = true;
	k->target->flying++;
	loop_timer_start(h->loop, &line->due, k->first_ms + WINDOW_MS - now_ms, window_over, line);
}

static void flush_over(void *arg)
{
	struct hooks *h = arg;

	h->closed = true;
	if (h->counts.waiting)
		log_printf(LOG_WARN, NULL, "%zu webhooks are not delivered; %s", h->counts.waiting,
			   h->spool.store ? "the next start sends them" : "they are lost");
	h->flushed(h->flushed_arg);
}

/* The only place where attempts begin and hosts go, so nobody up the stack holds what is freed here. */
static void run(struct hooks *h)
{
	struct list *n, *first;

	while (!h->closed && (n = list_first(&h->runnable))) {
		struct target *t = LIST_ITEM(n, struct target, runnable);

		list_remove(n);
		while (t->flying < h->per_host && (first = list_first(&t->ready))) {
			list_remove(first);
			attempt(LIST_ITEM(first, struct line, ready));
		}
		if (!t->count)
			target_free(t);
	}
	if (h->flushed && !h->counts.waiting && !h->closed)
		loop_timer_start(h->loop, &h->flush, 0, flush_over, h);
}

/* --- acceptance --- */

static void count_drop(struct target *t)
{
	uint64_t now_ms = loop_now_ms(t->owner->loop);

	t->owner->counts.dropped++;
	t->dropped++;
	if (t->told_ms && now_ms - t->told_ms < TELL_MS)
		return;
	t->told_ms = now_ms;
	log_printf(LOG_WARN, NULL, "too many webhooks wait for %s: %llu dropped so far", t->name,
		   (unsigned long long)t->dropped);
}

/* Full: the oldest event that is neither final nor on its way goes. False = there is none, and this one may not come. */
static bool make_room(struct target *t, bool final)
{
	if (t->count < t->owner->queue_max)
		return true;
	for (struct list *n = t->advisory.next; n != &t->advisory; n = n->next) {
		struct hook *k = LIST_ITEM(n, struct hook, advisory);

		if (k->flying)
			continue;
		count_drop(t);
		leave(k);
		return true;
	}
	if (!final)
		count_drop(t);
	return final;
}

static void hurry(struct hook *k)
{
	struct hooks_door *door = &k->line->owner->door;

	k->patient = false;
	door->hurry(door->http, k->request);
}

/* 0; ENOBUFS when it was dropped; ENOMEM. */
static int enqueue(struct hooks *h, const struct spool_row *r)
{
	struct target *t = target_of(h, r->url);
	struct line *line;
	struct hook *k;

	if (!t)
		return ENOMEM;
	wake(t);
	if (!make_room(t, r->final)) {
		spool_remove(&h->spool, r);
		return ENOBUFS;
	}
	k = hook_new(h, r);
	line = k ? line_of(h, r->call_id) : NULL;
	if (!line) {
		free(k);
		return ENOMEM;
	}
	k->row.call_id = str_of(line->call_id);
	k->line = line;
	k->target = t;
	list_append(&line->hooks, &k->in_line);
	if (!r->final)
		list_append(&t->advisory, &k->advisory);
	t->count++;
	h->counts.waiting++;
	h->counts.accepted++;
	if (!r->written)
		keep(k);
	if (head(line) == k)
		make_ready(line);
	else if (head(line)->flying && head(line)->patient)
		hurry(head(line));
	return 0;
}

static void accept(struct hooks *h, struct spool_row *row)
{
	uint64_t now_ms = loop_now_ms(h->loop);

	if (spool_accept(&h->spool, row) != ENOSPC)
		return;
	/* Rows make room, at once where there is no writer to wait for. */
	write_rows(h);
	if (spool_accept(&h->spool, row) != ENOSPC)
		return;
	h->counts.not_journaled++;
	if (h->full_told_ms && now_ms - h->full_told_ms < TELL_FULL_MS)
		return;
	h->full_told_ms = now_ms;
	log_printf(LOG_WARN, NULL, "the journal of webhooks is full: %llu were not in it so far",
		   (unsigned long long)h->counts.not_journaled);
}

void hooks_on_event(void *arg, const struct event *ev)
{
	struct hooks *h = arg;
	const struct hook_identity identity = { h->project_id, h->space_id, h->node_id };
	struct spool_row row = {
		.sequence = ev->sequence,
		.call_id = str_of(ev->call_id),
		.final = hook_is_final(ev),
		.url = str_of(ev->hook),
		.created_ms = ev->wall_ms,
	};
	struct buf body, query;
	bool lost;
	char id[37];

	buf_init(&body, 0);
	buf_init(&query, 0);
	if (!ev->hook || !hook_payload(&body, ev, &identity))
		return;
	str_uuid(id, loop_random(h->loop), loop_random(h->loop));
	row.id = str_of(id);
	row.body = buf_view(&body);
	if (ev->hook_get) {
		hook_query(&query, ev->hook, row.body);
		row.url = buf_view(&query);
		row.body = STR("");
	}
	lost = body.failed || query.failed;
	if (!lost)
		accept(h, &row);
	if (lost || enqueue(h, &row) == ENOMEM) {
		spool_remove(&h->spool, &row);
		log_printf(LOG_ERROR, ev->call_id, "a webhook is lost: out of memory");
	}
	buf_free(&body);
	buf_free(&query);
	run(h);
}

/* --- life --- */

static int send_by_client(void *http, const struct http_request *r,
			  void (*done)(void *arg, const struct http_answer *a), void *arg, uint64_t *id)
{
	return http_client_send(http, r, done, arg, id);
}

static void cancel_by_client(void *http, uint64_t id)
{
	http_client_cancel(http, id);
}

static void hurry_by_client(void *http, uint64_t id)
{
	http_client_hurry(http, id);
}

struct hooks_door hooks_http_door(struct http_client *c)
{
	return (struct hooks_door){ send_by_client, cancel_by_client, hurry_by_client, c };
}

static void free_identity(struct hooks *h)
{
	free(h->project_id);
	free(h->space_id);
	free(h->node_id);
	free(h->key);
}

int hooks_identify(struct hooks *h, const struct hook_identity *identity, const char *signing_key)
{
	struct hooks fresh = {
		.project_id = str_heap(str_of(identity->project_id)),
		.space_id = str_heap(str_of(identity->space_id)),
		.node_id = str_heap(str_of(identity->node_id)),
		.key = str_heap(str_of(signing_key)),
	};

	if (!fresh.project_id || !fresh.space_id || !fresh.node_id || (signing_key && !fresh.key)) {
		free_identity(&fresh);
		return ENOMEM;
	}
	free_identity(h);
	h->project_id = fresh.project_id;
	h->space_id = fresh.space_id;
	h->node_id = fresh.node_id;
	h->key = fresh.key;
	return 0;
}

static bool restore(void *arg, const struct spool_row *r)
{
	struct hooks *h = arg;

	/* The file is ours, but others can write to it. */
	if (!r->id.p || !r->call_id.p || !r->url.p || !r->body.p)
		return true;
	return enqueue(h, r) != ENOMEM;
}

static int start(struct hooks *h, const struct hooks_opts *o)
{
	int err = hooks_identify(h, &o->identity, o->signing_key);

	if (!err)
		err = map_new(&h->lines, loop_random(h->loop));
	if (!err)
		err = map_new(&h->targets, loop_random(h->loop));
	h->reading = true;
	if (!err)
		err = spool_read(&h->spool, restore, h);
	h->reading = false;
	if (!err)
		write_rows(h);
	return err;
}

int hooks_new(struct hooks **out, const struct hooks_opts *o)
{
	struct hooks *h = calloc(1, sizeof(*h));
	int err;

	if (!h)
		return ENOMEM;
	h->loop = o->loop;
	h->door = o->door;
	h->spool = o->spool;
	h->per_host = o->per_host ? o->per_host : PER_HOST;
	h->queue_max = o->queue_max ? o->queue_max : QUEUE_MAX;
	list_init(&h->runnable);
	list_init(&h->unwritten);
	err = start(h, o);
	if (err) {
		hooks_free(&h);
		return err;
	}
	if (h->counts.waiting)
		log_printf(LOG_INFO, NULL, "%zu webhooks from before the start are sent first", h->counts.waiting);
	run(h);
	*out = h;
	return 0;
}

/* What it leaves in the spool is for the next start. */
static bool abandon_line(struct str key, void *value, void *arg)
{
	struct hooks *h = arg;
	struct line *line = value;
	struct list *n;

	loop_timer_stop(h->loop, &line->due);
	while ((n = list_first(&line->hooks))) {
		struct hook *k = LIST_ITEM(n, struct hook, in_line);

		if (k->flying)
			h->door.cancel(h->door.http, k->request);
		list_remove(n);
		free(k);
	}
	free(line);
	return true;
}

static bool abandon_target(struct str key, void *value, void *arg)
{
	free(value);
	return true;
}

void hooks_free(struct hooks **hp)
{
	struct hooks *h = *hp;

	if (!h)
		return;
	*hp = NULL;
	if (!list_empty(&h->unwritten))
		write_rows(h);
	loop_timer_stop(h->loop, &h->write);
	loop_timer_stop(h->loop, &h->flush);
	if (h->lines)
		map_each(h->lines, abandon_line, h);
	if (h->targets)
		map_each(h->targets, abandon_target, h);
	map_free(&h->lines);
	map_free(&h->targets);
	free_identity(h);
	free(h->recent_url);
	free(h);
}

void hooks_flush(struct hooks *h, uint32_t limit_ms, void (*done)(void *arg), void *arg)
{
	h->flushed = done;
	h->flushed_arg = arg;
	loop_timer_start(h->loop, &h->flush, h->counts.waiting ? limit_ms : 0, flush_over, h);
}

void hooks_count(const struct hooks *h, struct hooks_counts *out)
{
	*out = h->counts;
}

#include "op/sound.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "base/map.h"
#include "base/pool.h"
#include "media/hold_tune.h"
#include "media/media_file.h"
#include "media/player.h"
#include "net/http_client.h"
#include "net/url.h"
#include "op/speech.h"

enum {
	KEEP_BYTES = 64 << 20,
	AT_ONCE = 64, /* downloads, each of which may take 32 MiB; the others wait for their turn */
	TOTAL_MS = 30000,
	MAX_AGE_S = 24 * 3600,
	FILE_AGE_S = 60, /* then a file is read again */
	WHY = 240,
};

struct sounds {
	struct sounds_opts opts;
	struct map *entries; /* by URL */
	struct clip_asks asks;
	struct list kept;  /* of struct entry that have a clip, least lately used first */
	struct list queue; /* of struct entry */
	size_t kept_bytes;
	unsigned working; /* downloads */
};

/* A file on its way to be a clip. On the pool it touches nothing but itself. */
struct job {
	struct entry *entry; /* loop thread only; NULL = nobody wants it any more */
	enum sound_kind kind;
	char *bytes; /* HTTP */
	size_t n;
	char *type, *name;          /* FILE: its path */
	char *etag, *last_modified; /* NULL = none */
	uint32_t max_age_s;
	bool store;
	struct clip *clip;
	char why[MEDIA_FILE_WHY];
};

/* What is known of a URL: it lives while it has a clip or is under way. */
struct entry {
	struct sounds *owner;
	struct list kept, queue;
	struct list waiting; /* of struct clip_ask */
	char *url;
	struct clip *clip;
	char *etag, *last_modified;
	uint64_t fresh_until_ms;
	bool queued, downloading;
	uint64_t http_id; /* while downloading */
	struct job *job;
	struct loop_timer refused; /* it could not be begun */
};

struct ask {
	struct clip_ask base;
	struct sounds *owner;
	struct entry *entry; /* NULL: waits for speech or the timer */
	uint64_t speech_id;
	bool speaking;
};

static size_t bytes_of(const struct clip *c)
{
	return clip_count(c) * sizeof(int16_t);
}

/* --- what is kept --- */

static void drop_clip(struct entry *e)
{
	if (!e->clip)
		return;
	e->owner->kept_bytes -= bytes_of(e->clip);
	list_remove(&e->kept);
	clip_unref(&e->clip);
	free(e->etag);
	free(e->last_modified);
	e->etag = e->last_modified = NULL;
}

static bool is_under_way(const struct entry *e)
{
	return e->queued || e->downloading || e->job || e->refused.active;
}

static void entry_free(struct entry *e)
{
	struct sounds *s = e->owner;

	drop_clip(e);
	map_take(s->entries, str_of(e->url));
	list_remove(&e->queue);
	loop_timer_stop(s->opts.loop, &e->refused);
	if (e->downloading)
		http_client_cancel(s->opts.http, e->http_id);
	if (e->job)
		e->job->entry = NULL;
	free(e->url);
	free(e);
}

static void keep_within(struct sounds *s)
{
	struct list *next;

	for (struct list *n = s->kept.next; n != &s->kept && s->kept_bytes > s->opts.keep_bytes; n = next) {
		struct entry *e = LIST_ITEM(n, struct entry, kept);

		next = n->next;
		if (!is_under_way(e)) /* else its clip may be confirmed at any moment */
			entry_free(e);
	}
}

static void touch(struct entry *e)
{
	list_remove(&e->kept);
	list_append(&e->owner->kept, &e->kept);
}

/* --- the end of a download --- */

static void start_next(struct sounds *s);

static struct ask *ask_at(struct list *node)
{
	return (struct ask *)(void *)LIST_ITEM(node, struct clip_ask, node);
}

/* Tell everybody; the entry goes unless it has something to keep. */
static void settle(struct entry *e, struct clip *clip, const char *why)
{
	struct sounds *s = e->owner;
	struct list waiting;
	struct list *n;
	char text[WHY];

	list_init(&waiting);
	list_splice(&waiting, &e->waiting);
	for (n = waiting.next; n != &waiting; n = n->next)
		ask_at(n)->entry = NULL;
	str_copy(text, sizeof(text), str_of(why));
	if (clip)
		clip_ref(clip);
	if (!e->clip)
		entry_free(e);
	/* What done() does may change everything but these. */
	while ((n = list_first(&waiting)))
		clip_ask_answer(&ask_at(n)->base, clip, text);
	clip_unref(&clip);
	keep_within(s);
	start_next(s);
}

static void refused(void *arg)
{
	settle(arg, NULL, "too many requests are waiting");
}

/* --- decoding --- */

static void job_free(struct job *j)
{
	clip_unref(&j->clip);
	free(j->bytes);
	free(j->type);
	free(j->name);
	free(j->etag);
	free(j->last_modified);
	free(j);
}

/* Into bytes; false with why. */
static bool read_file(struct job *j)
{
	FILE *f = fopen(j->name, "re");
	size_t got;

	j->bytes = f ? malloc(MEDIA_FILE_MAX_BYTES + 1) : NULL;
	if (!j->bytes) {
		str_copy(j->why, sizeof(j->why), str_of(f ? "out of memory" : strerror(errno)));
		if (f)
			fclose(f);
		return false;
	}
	while ((got = fread(j->bytes + j->n, 1, MEDIA_FILE_MAX_BYTES + 1 - j->n, f)) > 0)
		j->n += got;
	fclose(f);
	if (j->n && j->n <= MEDIA_FILE_MAX_BYTES)
		return true;
	str_copy(j->why, sizeof(j->why), str_of(j->n ? "the file is larger than 32 MiB" : "the file is empty"));
	return false;
}

static void job_work(void *arg)
{
	struct job *j = arg;

	if (j->kind == SOUND_MUSIC && hold_tune_new(&j->clip))
		str_copy(j->why, sizeof(j->why), STR("out of memory"));
	if (j->kind == SOUND_FILE && !read_file(j))
		return;
	if (j->kind != SOUND_MUSIC)
		media_file_decode(&j->clip, (struct str){ j->bytes, j->n }, str_of(j->type), str_of(j->name), j->why);
}

static void job_drop(void *arg)
{
	struct job *j = arg;

	if (j->entry)
		j->entry->job = NULL;
	job_free(j);
}

static void keep(struct entry *e, struct job *j)
{
	drop_clip(e);
	if (!j->store || bytes_of(j->clip) > e->owner->opts.keep_bytes)
		return;
	e->clip = clip_ref(j->clip);
	e->owner->kept_bytes += bytes_of(e->clip);
	e->etag = j->etag;
	e->last_modified = j->last_modified;
	j->etag = j->last_modified = NULL;
	e->fresh_until_ms = loop_now_ms(e->owner->opts.loop) + j->max_age_s * UINT64_C(1000);
	list_append(&e->owner->kept, &e->kept);
}

static void job_done(void *arg)
{
	struct job *j = arg;
	struct entry *e = j->entry;

	if (e) {
		e->job = NULL;
		if (j->clip)
			keep(e, j);
		settle(e, j->clip, j->why);
	}
	job_free(j);
}

/* "max-age=N" of Cache-Control; 0 = none. store: may it be kept at all? */
static uint32_t max_age(struct str control, bool *store)
{
	struct str part;
	uint32_t age_s = 0;
	bool ask_again = false;

	*store = true;
	while (str_split(&control, ',', &part)) {
		part = str_trim(part);
		if (str_iis(part, "no-store"))
			*store = false;
		if (str_iis(part, "no-cache"))
			ask_again = true;
		if (str_istarts(part, "max-age=") && str_u32(str_from(part, 8), &age_s))
			age_s = 0;
	}
	if (ask_again)
		return 0;
	return age_s < MAX_AGE_S ? age_s : MAX_AGE_S;
}

static char *copy_of(struct str s)
{
	return s.n ? str_heap(s) : NULL;
}

/* The path of the URL without its query: formats without a header are known by its end. */
static char *name_of(const char *url)
{
	struct url u;
	struct str path;

	if (url_parse(&u, str_of(url)))
		return NULL;
	str_split(&u.tail, '?', &path);
	return copy_of(path);
}

static int run(struct entry *e, struct job *j)
{
	int err = pool_run(e->owner->opts.pool, job_work, job_done, job_drop, j);

	if (err) {
		job_free(j);
		return err;
	}
	j->entry = e;
	e->job = j;
	return 0;
}

static int decode(struct entry *e, const struct http_answer *h)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return ENOMEM;
	j->n = h->body.n;
	j->bytes = buf_steal(h->bytes);
	j->type = copy_of(h->content_type);
	j->name = name_of(e->url);
	j->etag = copy_of(h->etag);
	j->last_modified = copy_of(h->last_modified);
	j->max_age_s = max_age(h->cache_control, &j->store);
	j->store = j->store && (j->etag || j->last_modified || j->max_age_s);
	if (!j->bytes) {
		job_free(j);
		return ENOMEM;
	}
	return run(e, j);
}

/* A file, or the tune that is made here. */
static int make(struct entry *e, enum sound_kind kind)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return ENOMEM;
	j->kind = kind;
	j->type = str_heap(STR(""));
	j->name = str_heap(str_from(str_of(e->url), strlen("file:")));
	j->store = true;
	j->max_age_s = kind == SOUND_FILE ? FILE_AGE_S : MAX_AGE_S;
	if (j->type && j->name)
		return run(e, j);
	job_free(j);
	return ENOMEM;
}

/* --- downloading --- */

static void answered(void *arg, const struct http_answer *h)
{
	struct entry *e = arg;
	bool store;
	char why[WHY];

	e->downloading = false;
	e->owner->working--;
	if (h->error) {
		settle(e, NULL, h->why);
	} else if (h->status == 304 && e->clip) {
		e->fresh_until_ms =
			loop_now_ms(e->owner->opts.loop) + max_age(h->cache_control, &store) * UINT64_C(1000);
		touch(e);
		settle(e, e->clip, "");
	} else if (h->status < 200 || h->status > 299) {
		snprintf(why, sizeof(why), "the server answers %d", h->status);
		settle(e, NULL, why);
	} else if (!h->body.n) {
		settle(e, NULL, "the server answers without audio");
	} else if (decode(e, h)) {
		settle(e, NULL, "out of memory");
	} else {
		start_next(e->owner);
	}
}

static void download(struct entry *e)
{
	struct sounds *s = e->owner;
	struct http_header headers[3] = { { "Accept", STR("audio/*, */*;q=0.1") } };
	struct http_request r = {
		.method = "GET",
		.url = e->url,
		.headers = headers,
		.header_count = 1,
		.total_ms = TOTAL_MS,
		.max_bytes = MEDIA_FILE_MAX_BYTES,
	};

	if (e->etag)
		headers[r.header_count++] = (struct http_header){ "If-None-Match", str_of(e->etag) };
	if (e->last_modified)
		headers[r.header_count++] = (struct http_header){ "If-Modified-Since", str_of(e->last_modified) };
	e->queued = false;
	list_remove(&e->queue);
	if (!s->opts.http || http_client_send(s->opts.http, &r, answered, e, &e->http_id)) {
		loop_timer_start(s->opts.loop, &e->refused, 0, refused, e);
		return;
	}
	e->downloading = true;
	s->working++;
}

static void start_next(struct sounds *s)
{
	struct list *n;

	while (s->working < AT_ONCE && (n = list_first(&s->queue)))
		download(LIST_ITEM(n, struct entry, queue));
}

static struct entry *entry_of(struct sounds *s, struct str url)
{
	struct entry *e = map_get(s->entries, url);

	if (e)
		return e;
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->url = str_heap(url);
	if (!e->url || map_put(s->entries, url, e)) {
		free(e->url);
		free(e);
		return NULL;
	}
	e->owner = s;
	list_init(&e->kept);
	list_init(&e->queue);
	list_init(&e->waiting);
	return e;
}

static int get_entry(struct ask *a, const struct sound_uri *u)
{
	struct sounds *s = a->owner;
	struct entry *e = entry_of(s, u->text);

	if (!e)
		return ENOMEM;
	if (!is_under_way(e) && e->clip && loop_now_ms(s->opts.loop) < e->fresh_until_ms) {
		touch(e);
		clip_ask_answer_later(&a->base, e->clip, "");
		return 0;
	}
	a->entry = e;
	list_append(&e->waiting, &a->base.node);
	if (is_under_way(e))
		return 0;
	if (u->kind != SOUND_HTTP) {
		if (make(e, u->kind))
			loop_timer_start(s->opts.loop, &e->refused, 0, refused, e);
		return 0;
	}
	e->queued = true;
	list_append(&s->queue, &e->queue);
	start_next(s);
	return 0;
}

/* --- speech --- */

static void spoken(void *arg, struct clip *clip, const char *why)
{
	struct ask *a = arg;

	a->speaking = false;
	clip_ask_answer(&a->base, clip, why);
}

static int say(struct ask *a, const struct sound_request *r)
{
	struct sounds *s = a->owner;
	const struct speech_request speech = {
		.text = r->uri.text, .voice = r->voice, .language = r->language, .gender = r->gender
	};

	if (!s->opts.speech)
		clip_ask_answer_later(&a->base, NULL, "there is no speech engine");
	else if (speech_say(s->opts.speech, &speech, spoken, a, &a->speech_id))
		clip_ask_answer_later(&a->base, NULL, "the speech engine cannot take more");
	else
		a->speaking = true;
	return 0;
}

/* --- the door --- */

int sound_get(struct sounds *s, const struct sound_request *r, clip_done_fn *done, void *arg, uint64_t *id)
{
	struct ask *a = calloc(1, sizeof(*a));
	int err;

	assert(r->uri.kind != SOUND_SILENCE && r->uri.kind != SOUND_RING);
	if (!a)
		return ENOMEM;
	a->owner = s;
	if (clip_ask_begin(&s->asks, &a->base, done, arg))
		return ENOMEM;
	*id = a->base.id;
	err = r->uri.kind == SOUND_SAY ? say(a, r) : get_entry(a, &r->uri);
	if (err)
		clip_ask_end(&a->base);
	return err;
}

/* What nobody waits for is not fetched to its end. */
static void give_up(struct entry *e)
{
	struct sounds *s = e->owner;

	if (!list_empty(&e->waiting) || e->job)
		return;
	if (e->downloading) {
		http_client_cancel(s->opts.http, e->http_id);
		e->downloading = false;
		s->working--;
	}
	e->queued = false;
	list_remove(&e->queue);
	loop_timer_stop(s->opts.loop, &e->refused);
	if (!e->clip)
		entry_free(e);
	start_next(s);
}

void sound_cancel(struct sounds *s, uint64_t id)
{
	struct ask *a = (struct ask *)(void *)clip_ask_of(&s->asks, id);
	struct entry *e = a ? a->entry : NULL;

	if (!a)
		return;
	if (a->speaking)
		speech_cancel(s->opts.speech, a->speech_id);
	clip_ask_end(&a->base);
	if (e)
		give_up(e);
}

struct source *sound_source(const struct sound_uri *u, struct clip *clip)
{
	switch (u->kind) {
	case SOUND_HTTP:
	case SOUND_SAY:
	case SOUND_FILE:
	case SOUND_MUSIC:
		return source_clip(clip);
	case SOUND_SILENCE:
		return source_silence(u->ms);
	case SOUND_RING:
		break;
	}
	return source_ring(u->text, u->ms);
}

/* --- life --- */

int sounds_new(struct sounds **out, const struct sounds_opts *opts)
{
	struct sounds *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return ENOMEM;
	s->opts = *opts;
	if (!s->opts.keep_bytes)
		s->opts.keep_bytes = KEEP_BYTES;
	list_init(&s->kept);
	list_init(&s->queue);
	err = map_new(&s->entries, loop_random(opts->loop));
	if (!err)
		err = clip_asks_init(&s->asks, opts->loop);
	if (err)
		sounds_free(&s);
	else
		*out = s;
	return err;
}

static bool first_entry(struct str url, void *value, void *arg)
{
	*(struct entry **)arg = value;
	return false;
}

void sounds_free(struct sounds **sounds)
{
	struct sounds *s = *sounds;
	struct ask *a;

	if (!s)
		return;
	*sounds = NULL;
	while ((a = (struct ask *)(void *)clip_ask_any(&s->asks))) {
		if (a->speaking)
			speech_cancel(s->opts.speech, a->speech_id);
		clip_ask_end(&a->base);
	}
	while (s->entries && map_count(s->entries)) {
		struct entry *e = NULL;

		map_each(s->entries, first_entry, &e);
		entry_free(e);
	}
	map_free(&s->entries);
	clip_asks_done(&s->asks);
	free(s);
}

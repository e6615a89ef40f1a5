#include "op/speech.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/child.h"
#include "base/list.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/map.h"
#include "media/clip.h"
#include "net/http_client.h"
#include "op/speech_cache.h"
#include "op/speech_file.h"
#include "op/speech_impl.h"
#include "op/speech_ssml.h"

enum {
	AT_ONCE = 4,
	WAITING = 64,
	MAX_OPEN = 256, /* texts under way, waiting ones too */
	MEMORY_BYTES = 32 << 20,
	DISK_BYTES = 256 << 20,
	OWN_MEMORY_MB = 512,      /* espeak-ng takes 8 MiB, flite 30 */
	COMMAND_MEMORY_MB = 8192, /* address space, which models map generously */
	ESPEAK_FILE_MB = 72,      /* its audio library makes 64 MiB of shared memory, which counts as a file */
	CONNECT_MS = 2000,
	KEY = 33,
	WHY = 320,
};

enum state {
	LOOKING,  /* for its file */
	SPEAKING, /* the engine is */
	READING,  /* what the engine made */
	TELLING,  /* those who wait */
};

struct utterance { /* one text under way */
	struct speech *owner;
	struct list node, waiting; /* waiting: of struct clip_ask */
	enum state state;
	char key[KEY];
	struct speech_text text;
	char *unfinished;  /* the file that the engine writes */
	uint64_t outside;  /* SPEAKING: child or request */
	uint64_t began_ms; /* SPEAKING */
	struct speech_file *job;
};

struct ask {
	struct clip_ask base;
	struct speech *owner;
	struct utterance *utterance; /* NULL: the timer answers */
};

struct speech {
	struct speech_opts opts;
	enum speech_engine engine; /* SPEECH_AUTO = there is none */
	struct children *children;
	struct http_client *http;
	struct speech_cache *cache;
	struct map *open; /* key -> struct utterance */
	struct list utterances;
	struct clip_asks asks;
	uint64_t count; /* for names of unfinished files */
};

/* --- one text --- */

static void utterance_free(struct utterance *u)
{
	if (u->job)
		u->job->arg = NULL;
	list_remove(&u->node);
	if (u->state != TELLING)
		map_take(u->owner->open, str_of(u->key));
	buf_free(&u->text.text);
	free(u->unfinished);
	free(u);
}

/* clip NULL: it failed, why says so. */
static void finish(struct utterance *u, struct clip *clip, const char *why)
{
	u->state = TELLING;
	/* Who asks again from done() begins anew. */
	map_take(u->owner->open, str_of(u->key));
	if (clip)
		speech_cache_put(u->owner->cache, u->key, clip);
	else
		log_printf(LOG_WARN, NULL, "speech failed: %s", why);
	while (!list_empty(&u->waiting))
		clip_ask_answer(LIST_ITEM(list_first(&u->waiting), struct clip_ask, node), clip, clip ? "" : why);
	utterance_free(u);
}

static char *path_of(const struct utterance *u, const char *ending)
{
	struct buf b;

	buf_init(&b, 0);
	speech_cache_path(u->owner->cache, u->key, ending, &b);
	return buf_steal(&b);
}

static void job_done(struct speech_file *f);

/* answer: what a service said, whose bytes are taken; NULL = none. */
static int begin_job(struct utterance *u, enum speech_file_task task, const struct http_answer *answer)
{
	struct speech_file *f = speech_file_new(task);

	if (!f)
		return ENOMEM;
	f->path = path_of(u, ".wav");
	f->unfinished = u->unfinished ? strdup(u->unfinished) : NULL;
	f->done = job_done;
	f->arg = u;
	if (answer && answer->bytes->len) {
		str_copy(f->type, sizeof(f->type), answer->content_type);
		f->size = answer->bytes->len;
		f->bytes = buf_steal(answer->bytes);
	}
	if (!f->path || (u->unfinished && !f->unfinished) || (f->size && !f->bytes) ||
	    speech_file_run(u->owner->opts.pool, f)) {
		speech_file_free(f);
		return ENOMEM;
	}
	u->job = f;
	return 0;
}

/* What a killed engine left. Nobody waits for that. */
static void discard(struct utterance *u)
{
	if (u->unfinished && !begin_job(u, SPEECH_FILE_DISCARD, NULL))
		u->job->arg = NULL;
	u->job = NULL;
}

static void read_it(struct utterance *u, const struct http_answer *answer)
{
	u->state = READING;
	if (begin_job(u, answer ? SPEECH_FILE_KEEP : SPEECH_FILE_TAKE, answer))
		finish(u, NULL, "out of memory");
}

/* --- engines --- */

static void on_child(void *arg, const struct child_result *r)
{
	struct utterance *u = arg;
	char why[WHY];

	if (r->end == CHILD_EXITED && !r->code) {
		read_it(u, NULL);
		return;
	}
	snprintf(why, sizeof(why), "%s: %s", speech_engine_name(u->owner), r->why);
	discard(u);
	finish(u, NULL, why);
}

static void on_answer(void *arg, const struct http_answer *a)
{
	struct utterance *u = arg;
	char why[WHY];

	if (a->error == HTTP_OK && a->status == 200) {
		read_it(u, a);
		return;
	}
	if (a->error == HTTP_OK)
		snprintf(why, sizeof(why), "the speech service answered %d", a->status);
	else
		snprintf(why, sizeof(why), "the speech service: %s", a->why);
	finish(u, NULL, why);
}

static int request(struct utterance *u)
{
	static const struct http_header headers[] = {
		{ "Content-Type", { "application/json", 16 } },
		{ "Accept", { "audio/wav", 9 } },
	};
	struct speech *s = u->owner;
	struct http_request r = {
		.method = "POST",
		.url = s->opts.url,
		.headers = headers,
		.header_count = ARRAY_LEN(headers),
		.connect_ms = CONNECT_MS,
		.read_ms = s->opts.deadline_ms,
		.total_ms = s->opts.deadline_ms,
		.max_bytes = SPEECH_FILE_MAX_MB << 20,
	};
	struct buf body;
	int err;

	buf_init(&body, 0);
	speech_engine_body(&body, &u->text);
	r.body = buf_view(&body);
	err = body.failed ? ENOMEM : http_client_send(s->http, &r, on_answer, u, &u->outside);
	buf_free(&body);
	return err;
}

static int run(struct utterance *u)
{
	struct speech *s = u->owner;
	bool own = s->engine != SPEECH_COMMAND;
	struct child_request r = {
		.input = buf_view(&u->text.text),
		.deadline_ms = s->opts.deadline_ms,
		.cpu_s = s->opts.deadline_ms / 1000 * (own ? 1 : AT_ONCE) + 1,
		.memory_mb = own ? OWN_MEMORY_MB : COMMAND_MEMORY_MB,
		.file_mb = s->engine == SPEECH_ESPEAK ? ESPEAK_FILE_MB : SPEECH_FILE_MAX_MB,
	};
	struct arena *a = NULL;
	char ending[32];
	int err = ENOMEM;

	snprintf(ending, sizeof(ending), ".%llu.tmp", (unsigned long long)++s->count);
	u->unfinished = path_of(u, ending);
	if (u->unfinished && !arena_new(&a, 0, 0))
		r.argv = speech_engine_argv(a, s->engine, &s->opts, &u->text, u->unfinished);
	if (speech_engine_uses_stdout(s->engine, &s->opts))
		r.output = u->unfinished;
	if (r.argv)
		err = child_run(s->children, &r, on_child, u, &u->outside);
	arena_free(&a);
	return err;
}

static void speak(struct utterance *u)
{
	const char *lacks = speech_engine_lacks(u->owner->engine, &u->text.voice);
	int err;

	if (lacks)
		log_printf(LOG_WARN, NULL, "speech with voice \"%s\", language %s: %s", u->text.voice.name,
			   u->text.voice.language, lacks);
	u->state = SPEAKING;
	err = u->owner->engine == SPEECH_HTTP ? request(u) : run(u);
	if (err)
		finish(u, NULL, err == EAGAIN ? "too many texts wait for the speech engine" : "out of memory");
}

/* --- files --- */

static void job_done(struct speech_file *f)
{
	struct utterance *u = f->arg;
	char why[WHY];

	if (!u) {
		speech_file_free(f);
		return;
	}
	u->job = NULL;
	if (f->clip) {
		if (f->task != SPEECH_FILE_LOOK)
			speech_cache_grew(u->owner->cache, f->size);
		finish(u, f->clip, "");
	} else if (f->task == SPEECH_FILE_LOOK && list_empty(&u->waiting)) {
		utterance_free(u); /* they have all left */
	} else if (f->task == SPEECH_FILE_LOOK) {
		speak(u);
	} else {
		snprintf(why, sizeof(why), "what %s made cannot be played: %s", speech_engine_name(u->owner), f->why);
		finish(u, NULL, why);
	}
	speech_file_free(f);
}

/* --- asking --- */

/* Of what the text will sound like, and so of the text. */
static int make_key(char out[KEY], const struct speech *s, const struct speech_text *t)
{
	unsigned char hash[EVP_MAX_MD_SIZE] = { 0 };
	struct buf b;
	bool ok;

	buf_init(&b, 0);
	speech_engine_describe(&b, s->engine, &s->opts, &t->voice);
	buf_printf(&b, "\n%d\n", t->ssml);
	buf_str(&b, buf_view(&t->text));
	ok = !b.failed && EVP_Digest(b.data, b.len, hash, NULL, EVP_sha256(), NULL) == 1;
	buf_free(&b);
	for (size_t i = 0; i < KEY / 2; i++)
		snprintf(out + 2 * i, 3, "%02x", hash[i]);
	return ok ? 0 : ENOMEM;
}

/* A default voice speaks its own language only; who names another one but no voice gets one of that. */
static void choose_voice(struct speech_voice *v, const struct speech *s, const struct speech_request *r)
{
	const char *language = r->language ? r->language : s->opts.language;
	const char *voice = r->voice && r->voice[0] && strcmp(r->voice, "default") != 0 ? r->voice : NULL;

	speech_voice_find(v, s->opts.voice, s->opts.language, r->gender);
	if (voice || !r->language || str_iis(str_of(r->language), v->language))
		speech_voice_find(v, voice ? voice : s->opts.voice, language, r->gender);
	else
		speech_voice_find(v, NULL, language, r->gender);
}

/* NULL, or why it cannot be said. */
static const char *prepare(struct speech_text *t, const struct speech *s, const struct speech_request *r)
{
	buf_init(&t->text, 0);
	if (s->engine == SPEECH_AUTO)
		return "there is no speech engine: install espeak-ng or flite, or set tts in the configuration";
	if (!str_trim(r->text).n)
		return "there is nothing to say";
	if (speech_length(r->text) > SPEECH_MAX_CHARACTERS)
		return "the text is longer than 4096 characters";
	choose_voice(&t->voice, s, r);
	t->ssml = speech_is_ssml(r->text);
	if (!t->ssml)
		speech_text_clean(&t->text, r->text);
	else if (speech_engine_reads_ssml(s->engine))
		speech_ssml_clean(&t->text, r->text);
	else
		speech_ssml_plain(&t->text, r->text);
	t->ssml = t->ssml && speech_engine_reads_ssml(s->engine);
	return t->text.failed ? "out of memory" : NULL;
}

/* Takes t when it succeeds. */
static int begin_utterance(struct utterance **out, struct speech *s, const char *key, struct speech_text *t)
{
	struct utterance *u = map_count(s->open) < MAX_OPEN ? calloc(1, sizeof(*u)) : NULL;

	if (!u)
		return EAGAIN;
	u->owner = s;
	list_init(&u->waiting);
	list_init(&u->node);
	str_copy(u->key, sizeof(u->key), str_of(key));
	if (map_put(s->open, str_of(key), u)) {
		free(u);
		return ENOMEM;
	}
	list_append(&s->utterances, &u->node);
	if (begin_job(u, SPEECH_FILE_LOOK, NULL)) {
		utterance_free(u);
		return ENOMEM;
	}
	u->text = *t;
	buf_init(&t->text, 0);
	*out = u;
	return 0;
}

static int ask_text(struct ask *a, struct speech_text *t)
{
	struct speech *s = a->owner;
	struct utterance *u;
	struct clip *clip;
	char key[KEY];
	int err = make_key(key, s, t);

	if (err)
		return err;
	clip = speech_cache_get(s->cache, key);
	if (clip) {
		clip_ask_answer_later(&a->base, clip, "");
		return 0;
	}
	u = map_get(s->open, str_of(key));
	if (!u)
		err = begin_utterance(&u, s, key, t);
	if (err)
		return err;
	a->utterance = u;
	list_append(&u->waiting, &a->base.node);
	return 0;
}

int speech_say(struct speech *s, const struct speech_request *r, clip_done_fn *done, void *arg, uint64_t *id)
{
	struct ask *a = calloc(1, sizeof(*a));
	struct speech_text text = { .ssml = false };
	const char *why;
	int err;

	if (!a)
		return ENOMEM;
	a->owner = s;
	err = clip_ask_begin(&s->asks, &a->base, done, arg);
	if (err)
		return err;
	*id = a->base.id;
	why = prepare(&text, s, r);
	if (why)
		clip_ask_answer_later(&a->base, NULL, why);
	else
		err = ask_text(a, &text);
	buf_free(&text.text);
	if (err)
		clip_ask_end(&a->base);
	return err;
}

/* Nobody waits for it any more. */
static void give_up(struct utterance *u)
{
	if (u->owner->engine == SPEECH_HTTP)
		http_client_cancel(u->owner->http, u->outside);
	else
		child_cancel(u->owner->children, u->outside);
	discard(u);
	utterance_free(u);
}

void speech_cancel(struct speech *s, uint64_t id)
{
	struct ask *a = (struct ask *)(void *)clip_ask_of(&s->asks, id);
	struct utterance *u = a ? a->utterance : NULL;

	if (!a)
		return;
	clip_ask_end(&a->base);
	if (u && list_empty(&u->waiting) && u->state == SPEAKING)
		give_up(u);
}

/* --- life --- */

const char *speech_engine_name(const struct speech *s)
{
	switch (s->engine) {
	case SPEECH_ESPEAK:
		return "espeak-ng";
	case SPEECH_FLITE:
		return "flite";
	case SPEECH_COMMAND:
		return "command";
	case SPEECH_HTTP:
		return "http";
	case SPEECH_AUTO:
		break;
	}
	return NULL;
}

static int open_engine(struct speech *s)
{
	/* Its target is the operator's own choice, most often this very machine. */
	static const struct http_client_opts http = { .per_host = AT_ONCE, .waiting = WAITING };

	if (s->engine == SPEECH_HTTP)
		return http_client_new(&s->http, s->opts.loop, &http);
	return children_new(&s->children, s->opts.loop, s->opts.pool, AT_ONCE, WAITING);
}

int speech_new(struct speech **out, const struct speech_opts *opts)
{
	struct speech *s = calloc(1, sizeof(*s));
	struct speech_cache_opts cache = {
		.loop = opts->loop,
		.pool = opts->pool,
		.folder = opts->cache,
		.memory_bytes = opts->memory_bytes ? opts->memory_bytes : MEMORY_BYTES,
		.disk_bytes = opts->disk_bytes ? opts->disk_bytes : DISK_BYTES,
	};
	int err;

	if (!s)
		return ENOMEM;
	s->opts = *opts;
	if (!s->opts.deadline_ms)
		s->opts.deadline_ms = SPEECH_DEADLINE_MS;
	s->engine = speech_engine_choose(opts);
	assert(s->engine != SPEECH_COMMAND || (opts->command && opts->command[0]));
	assert(s->engine != SPEECH_HTTP || opts->url);
	list_init(&s->utterances);
	err = speech_cache_new(&s->cache, &cache);
	if (!err)
		err = open_engine(s);
	if (!err)
		err = map_new(&s->open, loop_random(opts->loop));
	if (!err)
		err = clip_asks_init(&s->asks, opts->loop);
	if (err)
		speech_free(&s);
	else
		*out = s;
	return err;
}

void speech_free(struct speech **speech)
{
	struct speech *s = *speech;
	struct clip_ask *a;

	if (!s)
		return;
	*speech = NULL;
	while ((a = clip_ask_any(&s->asks)))
		clip_ask_end(a);
	children_free(&s->children);
	while (!list_empty(&s->utterances)) {
		struct utterance *u = LIST_ITEM(list_first(&s->utterances), struct utterance, node);

		if (s->http && u->state == SPEAKING)
			http_client_cancel(s->http, u->outside);
		utterance_free(u);
	}
	http_client_free(&s->http);
	speech_cache_free(&s->cache);
	map_free(&s->open);
	clip_asks_done(&s->asks);
	free(s);
}

#include "cli/reload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "base/pool.h"
#include "call/calls.h"

/* Old snapshots are looked at so often; what a call used may outlive it by less than that. */
enum { LOOK_MS = 10000 };

struct snapshot {
	struct list node;
	struct arena *arena;
	const struct config *config;
	uint64_t number;
	uint64_t last_call; /* number of the last call that began under it */
	bool idle;          /* no such call was there at the last look */
};

struct job;

struct reload {
	struct reload_opts opts;
	char *path;
	struct list old; /* in order of number; the first one is never freed */
	struct snapshot *now;
	const struct calls *calls;
	struct job *job; /* under way, NULL = none */
	struct loop_timer look;
	size_t kept;
};

struct job {                   /* on the pool: touches nothing but itself */
	struct reload *reload; /* NULL = nobody waits any more; loop only */
	uint64_t request;
	char *path;
	struct arena *arena;
	struct config *config;
	struct conf_problem *problems;
	int err;
};

/* --- snapshots --- */

static void snapshot_free(struct reload *r, struct snapshot *s)
{
	list_remove(&s->node);
	arena_free(&s->arena);
	free(s);
	r->kept--;
}

static bool in_use(const struct reload *r, const struct snapshot *s)
{
	uint64_t oldest = r->calls ? calls_oldest(r->calls) : 0;

	return s->number == 1 || (oldest && oldest <= s->last_call);
}

static void look(void *arg)
{
	struct reload *r = arg;
	struct list *next;

	for (struct list *n = r->old.next; n != &r->old; n = next) {
		struct snapshot *s = LIST_ITEM(n, struct snapshot, node);

		next = n->next;
		if (in_use(r, s))
			s->idle = false;
		else if (s->idle)
			snapshot_free(r, s);
		else
			s->idle = true;
	}
	if (!list_empty(&r->old) && r->old.next != r->old.prev)
		loop_timer_start(r->opts.loop, &r->look, LOOK_MS, look, r);
}

static struct snapshot *snapshot_new(struct reload *r, struct arena **a, const struct config *c)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	list_init(&s->node);
	s->arena = *a;
	s->config = c;
	s->number = r->now ? r->now->number + 1 : 1;
	*a = NULL;
	r->kept++;
	return s;
}

/* --- what needs a restart --- */

static bool same(const char *a, const char *b)
{
	return !a || !b ? a == b : !strcmp(a, b);
}

/* Either may be absent. */
static bool same_address(const struct addr *a, const struct addr *b)
{
	if (!a->sa.sa_family || !b->sa.sa_family)
		return a->sa.sa_family == b->sa.sa_family;
	return addr_equal(a, b);
}

static bool same_texts(const char *const *a, const char *const *b)
{
	size_t i = 0;

	if (!a || !b)
		return a == b;
	while (a[i] && same(a[i], b[i]))
		i++;
	return same(a[i], b[i]);
}

static bool same_tts(const struct config_tts *a, const struct config_tts *b)
{
	return a->engine == b->engine && same(a->voice, b->voice) && same(a->language, b->language) &&
	       same(a->url, b->url) && same_texts(a->command, b->command);
}

static bool same_stt(const struct config_stt *a, const struct config_stt *b)
{
	return same(a->language, b->language) && same(a->url, b->url) && same_texts(a->command, b->command);
}

const char *reload_refused_key(const struct config *old, const struct config *new)
{
	const struct {
		const char *key;
		bool same;
	} rows[] = {
		{ "space", same(old->space, new->space) },
		{ "space_id", same(old->space_id, new->space_id) },
		{ "node", same(old->node, new->node) },
		{ "data", same(old->data, new->data) },
		{ "media.threads", old->media.threads == new->media.threads },
		{ "trace",
		  old->trace.memory_mb == new->trace.memory_mb &&
			  old->trace.hep_id == new->trace.hep_id &&same_address(&old->trace.hep, &new->trace.hep) },
		{ "tts", same_tts(&old->tts, &new->tts) },
		{ "stt", same_stt(&old->stt, &new->stt) },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (!rows[i].same)
			return rows[i].key;
	return NULL;
}

/* --- telling --- */

static void print_problem(struct buf *b, const char *path, const struct conf_problem *p)
{
	buf_cstr(b, "{\"file\":");
	buf_json(b, str_of(path));
	buf_printf(b, ",\"line\":%u,\"column\":%u,\"severity\":\"%s\",\"message\":", p->line, p->col,
		   p->severity == CONF_ERROR ? "error" : "warning");
	buf_json(b, str_of(p->message));
	buf_char(b, '}');
}

/* error NULL = it is done. */
static void tell(struct reload *r, const struct job *j, int status, const char *key, const char *error)
{
	struct buf b = { 0 };

	for (const struct conf_problem *p = j->problems; p; p = p->next)
		log_printf(p->severity == CONF_ERROR ? LOG_ERROR : LOG_WARN, NULL, "reload: %s:%u:%u: %s", r->path,
			   p->line, p->col, p->message);
	if (error)
		log_printf(LOG_ERROR, NULL, "reload refused, everything stays as it was: %s", error);
	else
		log_printf(LOG_INFO, NULL, "reloaded: configuration %llu", (unsigned long long)r->now->number);
	buf_printf(&b, "{\"reloaded\":%s,\"number\":%llu", error ? "false" : "true",
		   (unsigned long long)r->now->number);
	if (key)
		buf_printf(&b, ",\"key\":\"%s\"", key);
	if (error) {
		buf_cstr(&b, ",\"error\":");
		buf_json(&b, str_of(error));
	}
	buf_cstr(&b, ",\"problems\":[");
	for (const struct conf_problem *p = j->problems; p; p = p->next) {
		buf_cstr(&b, p == j->problems ? "" : ",");
		print_problem(&b, r->path, p);
	}
	buf_cstr(&b, "]}\n");
	r->opts.done(r->opts.arg, j->request, status, b.failed ? STR("{}") : buf_view(&b));
	buf_free(&b);
}

/* --- reading anew --- */

static void drop(void *arg)
{
	struct job *j = arg;

	if (j->reload)
		j->reload->job = NULL;
	arena_free(&j->arena);
	free(j->path);
	free(j);
}

static void work(void *arg)
{
	struct job *j = arg;

	j->err = arena_new(&j->arena, 0, 0);
	if (!j->err)
		j->err = config_load(&j->config, j->arena, j->path, &j->problems);
}

static void take_over(struct reload *r, struct job *j)
{
	struct snapshot *s;
	char why[160] = "out of memory";
	int err;

	s = snapshot_new(r, &j->arena, j->config);
	err = s ? r->opts.apply(r->opts.arg, s->config, why) : ENOMEM;
	if (err) {
		tell(r, j, s ? 409 : 503, NULL, why);
		if (s)
			snapshot_free(r, s);
		return;
	}
	r->now->last_call = r->calls ? calls_newest(r->calls) : 0;
	list_append(&r->old, &r->now->node);
	r->now = s;
	loop_timer_start(r->opts.loop, &r->look, LOOK_MS, look, r);
	tell(r, j, 200, NULL, NULL);
}

static void done(void *arg)
{
	struct job *j = arg;
	struct reload *r = j->reload;
	char error[120];
	const char *key;

	if (!r) {
		drop(j);
		return;
	}
	key = j->err ? NULL : reload_refused_key(r->now->config, j->config);
	if (j->err == EINVAL) {
		tell(r, j, 400, NULL, "the configuration has errors");
	} else if (j->err) {
		tell(r, j, 400, NULL, strerror(j->err));
	} else if (key) {
		snprintf(error, sizeof(error), "%s cannot change while the server runs; restart it", key);
		tell(r, j, 409, key, error);
	} else {
		take_over(r, j);
	}
	drop(j);
}

void reload_start(struct reload *r, uint64_t request)
{
	const struct job nothing = { .request = request };
	struct job *j;

	if (r->job) {
		tell(r, &nothing, 409, NULL, "another reload is under way");
		return;
	}
	j = calloc(1, sizeof(*j));
	if (j) {
		j->request = request;
		j->path = str_heap(str_of(r->path));
	}
	if (!j || !j->path || pool_run(r->opts.pool, work, done, drop, j)) {
		tell(r, &nothing, 503, NULL, "out of memory");
		if (j)
			drop(j);
		return;
	}
	j->reload = r;
	r->job = j;
}

/* --- life --- */

int reload_new(struct reload **out, const struct reload_opts *opts, struct arena **a, const struct config *first)
{
	struct reload *r = calloc(1, sizeof(*r));

	if (!r)
		return ENOMEM;
	r->opts = *opts;
	list_init(&r->old);
	r->path = str_heap(str_of(opts->path));
	if (r->path)
		r->now = snapshot_new(r, a, first);
	if (!r->now) {
		free(r->path);
		free(r);
		return ENOMEM;
	}
	*out = r;
	return 0;
}

void reload_free(struct reload **pr)
{
	struct reload *r = *pr;

	if (!r)
		return;
	*pr = NULL;
	if (r->job)
		r->job->reload = NULL;
	loop_timer_stop(r->opts.loop, &r->look);
	while (!list_empty(&r->old))
		snapshot_free(r, LIST_ITEM(list_first(&r->old), struct snapshot, node));
	snapshot_free(r, r->now);
	free(r->path);
	free(r);
}

void reload_watch(struct reload *r, const struct calls *cs)
{
	r->calls = cs;
}

uint64_t reload_number(const struct reload *r)
{
	return r->now->number;
}

size_t reload_kept(const struct reload *r)
{
	return r->kept;
}

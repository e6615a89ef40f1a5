/* Files behind fetch.h: read and parsed on the pool, cached. */
#include "dialect/fetch_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/handle.h"
#include "base/list.h"
#include "base/loop.h"
#include "base/map.h"
#include "base/pool.h"

enum { FRESH_MS = 1000, MAX_BYTES = 1 << 20, MAX_ENTRIES = 256 };

/* What tells one state of a file from another. */
struct stamp {
	int64_t mtime_ns;
	uint64_t inode, size;
};

struct stored { /* a document and what belongs to it */
	struct document document;
	unsigned references;
	size_t bytes; /* of its text, of files only */
	struct arena *arena;
};

struct entry { /* one location */
	struct files *files;
	char *location;
	struct stored *stored; /* NULL = nothing good yet */
	struct stamp stamp;    /* of stored */
	uint64_t looked_ms;    /* when the disk last said so */
	struct job *job;       /* under way, NULL = none */
	struct list waiters;
};

struct waiter {
	struct list node; /* of entry->waiters, or of fetch->answered while its timer runs */
	struct files *files;
	uint64_t id;
	struct loop_timer timer;
	struct stored *stored; /* with the timer: the answer */
	void (*done)(void *arg, const struct file_result *r);
	void *arg;
};

struct job {                 /* on the pool: touches nothing but itself */
	struct entry *entry; /* loop thread only; NULL = nobody waits any more */
	char *location;
	bool have;
	struct stamp stamp; /* in: of what we have; out: of what was read */
	bool unchanged;
	struct arena *arena;
	struct doc *root;
	int err;
	struct doc_error at;
};

struct files {
	struct loop *loop;
	struct pool *pool;
	struct map *entries;
	struct handle_table *waiters;
	struct list answered;
};

/* --- documents --- */

static struct stored *stored_of(struct document *d)
{
	return LIST_ITEM(d, struct stored, document);
}

struct document *document_use(struct document *d)
{
	stored_of(d)->references++;
	return d;
}

void document_drop(struct document *d)
{
	struct stored *st;

	if (!d)
		return;
	st = stored_of(d);
	if (--st->references)
		return;
	arena_free(&st->arena);
	free(st);
}

static struct stored *stored_new(struct arena **a, const struct doc *root, const char *location)
{
	struct stored *st = calloc(1, sizeof(*st));
	const char *name = st ? str_dup(*a, str_of(location)) : NULL;

	if (!name) {
		free(st);
		return NULL;
	}
	st->references = 1;
	st->document = (struct document){ .root = root, .location = name };
	st->arena = *a;
	*a = NULL;
	return st;
}

int document_new(struct document **out, struct arena **a, const struct doc *root, const char *location)
{
	struct stored *st = stored_new(a, root, location);

	if (!st)
		return ENOMEM;
	*out = &st->document;
	return 0;
}

/* --- on the pool --- */

static int read_all(int fd, struct buf *out)
{
	char chunk[16384];

	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		if (!n)
			return 0;
		buf_add(out, chunk, (size_t)n);
		if (out->failed)
			return out->len + (size_t)n > MAX_BYTES ? EFBIG : ENOMEM;
	}
}

static void parse(struct job *j, struct str text)
{
	j->err = arena_new(&j->arena, text.n + 4096, 0);
	if (!j->err)
		j->err = doc_parse(j->arena, &j->root, text, DOC_GUESS, NULL, &j->at);
	if (j->err)
		arena_free(&j->arena);
}

/* Is the open file the one we have? Fills j->stamp when not. */
static int look(struct job *j, int fd)
{
	struct stat st;
	struct stamp now;

	if (fstat(fd, &st))
		return errno;
	if (!S_ISREG(st.st_mode))
		return EACCES;
	if (st.st_size > MAX_BYTES)
		return EFBIG;
	now = (struct stamp){ .mtime_ns = st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec,
			      .inode = st.st_ino,
			      .size = (uint64_t)st.st_size };
	j->unchanged = j->have && now.mtime_ns == j->stamp.mtime_ns && now.inode == j->stamp.inode &&
		       now.size == j->stamp.size;
	j->stamp = now;
	return 0;
}

static void work(void *arg)
{
	struct job *j = arg;
	struct buf text;
	int fd = open(j->location, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold the thread */

	if (fd < 0) {
		j->err = errno;
		return;
	}
	buf_init(&text, MAX_BYTES);
	j->err = look(j, fd);
	if (!j->err && !j->unchanged) {
		j->err = read_all(fd, &text);
		if (!j->err)
			parse(j, text.data ? buf_view(&text) : STR(""));
	}
	buf_free(&text);
	close(fd);
}

static void drop(void *arg)
{
	struct job *j = arg;

	if (j->entry)
		j->entry->job = NULL;
	arena_free(&j->arena);
	free(j->location);
	free(j);
}

/* --- on the loop --- */

static void waiter_free(struct waiter *w)
{
	list_remove(&w->node);
	loop_timer_stop(w->files->loop, &w->timer);
	handle_remove(w->files->waiters, w->id);
	if (w->stored)
		document_drop(&w->stored->document);
	free(w);
}

static void free_waiters(struct list *all)
{
	while (!list_empty(all))
		waiter_free(LIST_ITEM(list_first(all), struct waiter, node));
}

static void deliver(struct waiter *w, struct file_result *r)
{
	void (*done)(void *arg, const struct file_result *r) = w->done;
	void *arg = w->arg;

	waiter_free(w);
	done(arg, r);
}

static void timer_fired(void *arg)
{
	struct waiter *w = arg;
	struct file_result r = { .document = document_use(&w->stored->document), .bytes = w->stored->bytes };

	deliver(w, &r);
}

/* Its answer is certain; it comes in the next turn. */
static void answer_soon(struct waiter *w)
{
	list_append(&w->files->answered, &w->node);
	loop_timer_start(w->files->loop, &w->timer, 0, timer_fired, w);
}

static void entry_free(struct entry *e)
{
	free_waiters(&e->waiters);
	if (e->job)
		e->job->entry = NULL;
	if (e->stored)
		document_drop(&e->stored->document);
	map_take(e->files->entries, str_of(e->location));
	free(e->location);
	free(e);
}

static int take_over(struct entry *e, struct job *j)
{
	struct stored *st;

	if (j->err || j->unchanged)
		return j->err;
	st = stored_new(&j->arena, j->root, e->location);
	if (!st)
		return ENOMEM;
	if (e->stored)
		document_drop(&e->stored->document);
	st->bytes = j->stamp.size;
	e->stored = st;
	e->stamp = j->stamp;
	return 0;
}

/* Everyone who waited gets the same answer. A callback may ask again and cancel others. */
static void done(void *arg)
{
	struct job *j = arg;
	struct entry *e = j->entry;
	struct file_result r = { .err = e ? take_over(e, j) : 0, .at = j->at };
	struct stored *answer;
	struct list waiting;

	if (!e) {
		drop(j);
		return;
	}
	e->job = NULL;
	j->entry = NULL;
	e->looked_ms = loop_now_ms(e->files->loop);
	answer = r.err ? NULL : e->stored;
	list_init(&waiting);
	list_splice(&waiting, &e->waiters);
	if (answer) {
		document_use(&answer->document);
		r.bytes = answer->bytes;
	} else {
		entry_free(e); /* a bad document is looked at again by the next who asks */
	}
	drop(j);
	while (!list_empty(&waiting)) {
		struct waiter *w = LIST_ITEM(list_first(&waiting), struct waiter, node);

		r.document = answer ? document_use(&answer->document) : NULL;
		deliver(w, &r);
	}
	if (answer)
		document_drop(&answer->document);
}

static int start_job(struct entry *e)
{
	struct job *j = calloc(1, sizeof(*j));
	int err = ENOMEM;

	if (!j)
		return ENOMEM;
	j->location = str_heap(str_of(e->location));
	j->have = e->stored != NULL;
	j->stamp = e->stamp;
	if (j->location)
		err = pool_run(e->files->pool, work, done, drop, j);
	if (err) {
		free(j->location);
		free(j);
		return err;
	}
	j->entry = e;
	e->job = j;
	return 0;
}

struct oldest {
	struct entry *entry;
};

static bool older(struct str key, void *value, void *arg)
{
	struct entry *e = value;
	struct oldest *o = arg;

	if (!e->job && (!o->entry || e->looked_ms < o->entry->looked_ms))
		o->entry = e;
	return true;
}

static struct entry *entry_new(struct files *f, const char *location)
{
	struct entry *e = calloc(1, sizeof(*e));
	struct oldest o = { NULL };

	if (map_count(f->entries) >= MAX_ENTRIES) {
		map_each(f->entries, older, &o);
		if (o.entry)
			entry_free(o.entry);
	}
	if (!e)
		return NULL;
	e->files = f;
	e->location = str_heap(str_of(location));
	list_init(&e->waiters);
	if (!e->location || map_put(f->entries, str_of(location), e)) {
		free(e->location);
		free(e);
		return NULL;
	}
	return e;
}

/* Answer from the cache, or get in line behind the disk. */
static int ask(struct files *f, const char *location, struct waiter *w)
{
	struct entry *e;

	e = map_get(f->entries, str_of(location));
	if (e && e->stored && !e->job && loop_now_ms(f->loop) - e->looked_ms < FRESH_MS) {
		w->stored = stored_of(document_use(&e->stored->document));
		answer_soon(w);
		return 0;
	}
	if (!e)
		e = entry_new(f, location);
	if (!e)
		return ENOMEM;
	if (!e->job && start_job(e)) {
		if (!e->stored)
			entry_free(e);
		return ENOMEM;
	}
	list_append(&e->waiters, &w->node);
	return 0;
}

int files_get(struct files *f, const char *location, void (*fn)(void *arg, const struct file_result *r), void *arg,
	      uint64_t *id)
{
	struct waiter *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return ENOMEM;
	w->files = f;
	w->done = fn;
	w->arg = arg;
	list_init(&w->node);
	err = handle_add(f->waiters, w, &w->id);
	if (!err)
		err = ask(f, location, w);
	if (err) {
		waiter_free(w);
		return ENOMEM;
	}
	*id = w->id;
	return 0;
}

void files_cancel(struct files *f, uint64_t id)
{
	struct waiter *w = handle_get(f->waiters, id);

	if (w)
		waiter_free(w);
}

int files_new(struct files **out, struct loop *l, struct pool *p)
{
	struct files *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return ENOMEM;
	f->loop = l;
	f->pool = p;
	list_init(&f->answered);
	err = map_new(&f->entries, loop_random(l));
	if (!err)
		err = handle_table_new(&f->waiters, 0);
	if (err) {
		files_free(&f);
		return err;
	}
	*out = f;
	return 0;
}

static bool first_entry(struct str key, void *value, void *arg)
{
	*(struct entry **)arg = value;
	return false;
}

void files_free(struct files **f)
{
	struct entry *e = NULL;

	if (!*f)
		return;
	free_waiters(&(*f)->answered);
	while ((*f)->entries && map_count((*f)->entries)) {
		map_each((*f)->entries, first_entry, &e);
		entry_free(e);
	}
	map_free(&(*f)->entries);
	handle_table_free(&(*f)->waiters);
	free(*f);
	*f = NULL;
}

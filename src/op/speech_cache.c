#include "op/speech_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/list.h"
#include "base/loop.h"
#include "base/map.h"
#include "base/pool.h"
#include "media/clip.h"

/* Nobody works on an unfinished file for so long. */
enum { STALE_S = 600 };

struct entry {
	struct list node; /* the least lately used first */
	struct clip *clip;
	char key[];
};

struct trim {                       /* on the pool: touches nothing but itself */
	struct speech_cache *cache; /* NULL = it has gone; loop only */
	uint64_t keep_bytes, left_bytes;
	int64_t now_s;
	char folder[];
};

struct speech_cache {
	struct speech_cache_opts opts;
	char *folder;
	struct map *entries;
	struct list order;
	size_t memory_used;
	uint64_t disk_used, grown; /* grown: since the job under way began */
	struct trim *trim;
};

/* --- in memory --- */

static size_t bytes_of(const struct clip *clip)
{
	return clip_count(clip) * sizeof(int16_t);
}

static void drop(struct speech_cache *c, struct entry *e)
{
	map_take(c->entries, str_of(e->key));
	c->memory_used -= bytes_of(e->clip);
	list_remove(&e->node);
	clip_unref(&e->clip);
	free(e);
}

struct clip *speech_cache_get(struct speech_cache *c, const char *key)
{
	struct entry *e = map_get(c->entries, str_of(key));

	if (!e)
		return NULL;
	list_remove(&e->node);
	list_append(&c->order, &e->node);
	return e->clip;
}

void speech_cache_put(struct speech_cache *c, const char *key, struct clip *clip)
{
	size_t n = strlen(key) + 1;
	struct list *oldest;
	struct entry *e;

	/* One long text must not push out all the short ones. */
	if (bytes_of(clip) > c->opts.memory_bytes / 4)
		return;
	e = malloc(sizeof(*e) + n);
	if (!e)
		return;
	memcpy(e->key, key, n);
	if (map_put(c->entries, str_of(key), e)) {
		free(e);
		return;
	}
	e->clip = clip_ref(clip);
	list_append(&c->order, &e->node);
	c->memory_used += bytes_of(clip);
	while (c->memory_used > c->opts.memory_bytes && (oldest = list_first(&c->order)))
		drop(c, LIST_ITEM(oldest, struct entry, node));
}

/* --- on the disk --- */

void speech_cache_path(const struct speech_cache *c, const char *key, const char *ending, struct buf *out)
{
	buf_printf(out, "%s/%s%s", c->folder, key, ending);
}

struct file {
	char name[80];
	int64_t used_s;
	uint64_t bytes;
};

struct files {
	struct file *items;
	size_t count, room;
};

static bool ends_with(const char *name, const char *ending)
{
	size_t n = strlen(name), m = strlen(ending);

	return n >= m && !strcmp(name + n - m, ending);
}

static void look_at(struct trim *t, int folder, const char *name, struct files *files)
{
	struct stat st;
	struct file *f;

	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
		return;
	if (ends_with(name, ".tmp") && st.st_mtime + STALE_S < t->now_s)
		unlinkat(folder, name, 0);
	if (!ends_with(name, ".wav") || strlen(name) >= sizeof(f->name))
		return;
	if (files->count == files->room) {
		size_t room = files->room ? 2 * files->room : 64;
		struct file *more = reallocarray(files->items, room, sizeof(*more));

		if (!more)
			return;
		files->items = more;
		files->room = room;
	}
	f = &files->items[files->count++];
	str_copy(f->name, sizeof(f->name), str_of(name));
	f->used_s = st.st_mtime;
	f->bytes = (uint64_t)st.st_size;
	t->left_bytes += f->bytes;
}

static int by_use(const void *a, const void *b)
{
	const struct file *fa = a, *fb = b;

	return (fa->used_s > fb->used_s) - (fa->used_s < fb->used_s);
}

static void trim_work(void *arg)
{
	struct trim *t = arg;
	struct files files = { 0 };
	DIR *d = opendir(t->folder);
	struct dirent *entry;

	if (!d)
		return;
	while ((entry = readdir(d)))
		look_at(t, dirfd(d), entry->d_name, &files);
	if (t->left_bytes > t->keep_bytes) {
		qsort(files.items, files.count, sizeof(*files.items), by_use);
		/* A quarter more than needed, so that the folder is not read for each new file. */
		for (size_t i = 0; i < files.count && t->left_bytes > t->keep_bytes / 4 * 3; i++)
			if (!unlinkat(dirfd(d), files.items[i].name, 0))
				t->left_bytes -= files.items[i].bytes;
	}
	closedir(d);
	free(files.items);
}

static void trim_drop(void *arg)
{
	struct trim *t = arg;

	if (t->cache)
		t->cache->trim = NULL;
	free(t);
}

static void trim_done(void *arg)
{
	struct trim *t = arg;

	if (t->cache)
		t->cache->disk_used = t->left_bytes + t->cache->grown;
	trim_drop(t);
}

static void start_trim(struct speech_cache *c)
{
	size_t n = strlen(c->folder) + 1;
	struct trim *t = c->trim ? NULL : calloc(1, sizeof(*t) + n);

	if (!t)
		return;
	t->cache = c;
	t->keep_bytes = c->opts.disk_bytes;
	t->now_s = (int64_t)(loop_wall_ms(c->opts.loop) / 1000);
	memcpy(t->folder, c->folder, n);
	c->grown = 0;
	if (pool_run(c->opts.pool, trim_work, trim_done, trim_drop, t))
		free(t);
	else
		c->trim = t;
}

void speech_cache_grew(struct speech_cache *c, uint64_t bytes)
{
	c->disk_used += bytes;
	c->grown += bytes;
	if (c->disk_used > c->opts.disk_bytes)
		start_trim(c);
}

/* --- life --- */

/* path and the folders above it. */
static int make_folders(char *path)
{
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0700) && errno != EEXIST)
			return errno;
		*p = '/';
	}
	return mkdir(path, 0700) && errno != EEXIST ? errno : 0;
}

int speech_cache_new(struct speech_cache **out, const struct speech_cache_opts *opts)
{
	struct speech_cache *c = calloc(1, sizeof(*c));
	int err = ENOMEM;

	if (!c)
		return ENOMEM;
	c->opts = *opts;
	list_init(&c->order);
	c->folder = strdup(opts->folder);
	if (c->folder)
		err = make_folders(c->folder);
	if (!err)
		err = map_new(&c->entries, loop_random(opts->loop));
	if (err) {
		speech_cache_free(&c);
		return err;
	}
	start_trim(c);
	*out = c;
	return 0;
}

void speech_cache_free(struct speech_cache **cache)
{
	struct speech_cache *c = *cache;

	if (!c)
		return;
	*cache = NULL;
	if (c->trim)
		c->trim->cache = NULL;
	while (!list_empty(&c->order))
		drop(c, LIST_ITEM(list_first(&c->order), struct entry, node));
	map_free(&c->entries);
	free(c->folder);
	free(c);
}

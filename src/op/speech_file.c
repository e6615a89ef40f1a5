#include "op/speech_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/pool.h"

struct speech_file *speech_file_new(enum speech_file_task task)
{
	struct speech_file *f = calloc(1, sizeof(*f));

	if (f)
		f->task = task;
	return f;
}

void speech_file_free(struct speech_file *f)
{
	clip_unref(&f->clip);
	free(f->path);
	free(f->unfinished);
	free(f->bytes);
	free(f);
}

/* A file that is read stays longer: the oldest go first. */
static void look(struct speech_file *f)
{
	int err = media_file_read(&f->clip, f->path, f->why);

	if (!err)
		utimensat(AT_FDCWD, f->path, NULL, 0);
	else if (err == EINVAL || err == EFBIG)
		unlink(f->path);
}

static void take(struct speech_file *f)
{
	struct stat st;

	if (!media_file_read(&f->clip, f->unfinished, f->why) && !stat(f->unfinished, &st) &&
	    !rename(f->unfinished, f->path))
		f->size = (size_t)st.st_size;
	else
		unlink(f->unfinished);
}

/* That it cannot be kept (a full disk) is no reason not to play it. */
static void keep(struct speech_file *f)
{
	struct str bytes = { f->bytes ? f->bytes : "", f->size };
	bool written;
	FILE *file;

	if (media_file_decode(&f->clip, bytes, str_of(f->type), STR(""), f->why))
		return;
	file = fopen(f->path, "we");
	if (!file)
		return;
	written = fwrite(bytes.p, 1, bytes.n, file) == bytes.n;
	if (fclose(file) || !written)
		unlink(f->path);
}

static void work(void *arg)
{
	struct speech_file *f = arg;

	switch (f->task) {
	case SPEECH_FILE_LOOK:
		look(f);
		break;
	case SPEECH_FILE_TAKE:
		take(f);
		break;
	case SPEECH_FILE_KEEP:
		keep(f);
		break;
	case SPEECH_FILE_DISCARD:
		unlink(f->unfinished);
		break;
	}
}

static void done(void *arg)
{
	struct speech_file *f = arg;

	f->done(f);
}

static void drop(void *arg)
{
	speech_file_free(arg);
}

int speech_file_run(struct pool *p, struct speech_file *f)
{
	return pool_run(p, work, done, drop, f);
}

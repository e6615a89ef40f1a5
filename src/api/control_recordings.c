/* Recordings over HTTP: by their signed address, or by their id with credentials. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/control_impl.h"
#include "base/pool.h"
#include "op/recordings.h"

struct job { /* one file to be opened */
	struct control *control;
	uint64_t id;
	char *paths[2], *folder; /* first the one that is asked for */
	bool any;                /* no format is asked for */
	enum recorder_format formats[2];
	int fd, err;
	uint64_t size_bytes;
	enum recorder_format format; /* of what is sent */
};

static void drop(void *arg)
{
	struct job *j = arg;

	if (j->fd >= 0)
		close(j->fd);
	free(j->paths[0]);
	free(j->paths[1]);
	free(j->folder);
	free(j);
}

static int open_file(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

/* It was recorded in the other format. */
static int open_other(struct job *j)
{
	int fd = open_file(j->paths[1]), err;

	if (fd < 0)
		return errno;
	if (j->any) {
		j->format = j->formats[1];
		j->fd = fd;
		return 0;
	}
	err = recorder_file_convert(&j->fd, fd, j->folder, j->format);
	close(fd);
	return err;
}

static void work(void *arg)
{
	struct job *j = arg;
	struct stat st;

	j->format = j->formats[0];
	j->fd = open_file(j->paths[0]);
	if (j->fd < 0)
		j->err = open_other(j);
	if (!j->err && fstat(j->fd, &st))
		j->err = errno;
	else if (!j->err)
		j->size_bytes = (uint64_t)st.st_size;
}

static void done(void *arg)
{
	struct job *j = arg;
	struct control *c = j->control;
	bool mp3 = j->format == RECORDER_MP3;

	if (j->err == EFBIG) {
		control_error(c, j->id, 404,
			      mp3 ? "too long to be converted: ask for .wav"
				  : "too long to be converted: ask for .mp3");
	} else if (j->err == ENOENT) {
		control_error(c, j->id, 404, "Not Found");
	} else if (j->err) {
		control_error(c, j->id, 500, "the file cannot be read");
	} else if (c->open) {
		c->door.file(c->door.arg, j->id, j->fd, j->size_bytes, mp3 ? "audio/mpeg" : "audio/wav");
		j->fd = -1;
	}
	drop(j);
}

static char *path_of(const struct recordings *r, struct str id, enum recorder_format format)
{
	struct buf path;

	buf_init(&path, 0);
	recordings_path(r, &path, id, format);
	return buf_steal(&path);
}

static struct job *job_new(struct control *c, uint64_t id, const struct recordings_name *name)
{
	const struct recordings *r = c->opts.recordings;
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->control = c;
	j->id = id;
	j->fd = -1;
	j->any = name->any;
	j->formats[0] = name->format;
	j->formats[1] = name->format == RECORDER_WAV ? RECORDER_MP3 : RECORDER_WAV;
	j->folder = str_heap(str_of(recordings_folder(r)));
	for (size_t i = 0; i < ARRAY_LEN(j->paths); i++)
		j->paths[i] = path_of(r, name->id, j->formats[i]);
	if (j->folder && j->paths[0] && j->paths[1])
		return j;
	drop(j);
	return NULL;
}

void control_recording(struct control *c, const struct web_request *r, struct str tail)
{
	struct recordings_name name;
	struct job *j;

	if (!recordings_parse(c->opts.recordings, &name, tail)) {
		control_error(c, r->id, 404, "Not Found");
		return;
	}
	if (!name.is_signed && !control_may(c, r)) {
		control_refuse(c, r->id);
		return;
	}
	j = job_new(c, r->id, &name);
	if (j && !pool_run(recordings_pool(c->opts.recordings), work, done, drop, j))
		return;
	control_busy(c, r->id, "out of memory");
	if (j)
		drop(j);
}

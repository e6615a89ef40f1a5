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
	char *paths[2];
	size_t count, found;
	enum recorder_format formats[2];
	int fd;
	uint64_t size_bytes;
};

static void drop(void *arg)
{
	struct job *j = arg;

	if (j->fd >= 0)
		close(j->fd);
	free(j->paths[0]);
	free(j->paths[1]);
	free(j);
}

static void work(void *arg)
{
	struct job *j = arg;
	struct stat st;

	for (size_t i = 0; i < j->count && j->fd < 0; i++) {
		j->fd = open(j->paths[i], O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		j->found = i;
	}
	if (j->fd >= 0 && !fstat(j->fd, &st) && S_ISREG(st.st_mode))
		j->size_bytes = (uint64_t)st.st_size;
}

static void done(void *arg)
{
	struct job *j = arg;
	struct control *c = j->control;
	bool mp3 = j->formats[j->found] == RECORDER_MP3;

	if (j->fd < 0) {
		control_error(c, j->id, 404, "Not Found");
	} else if (c->open) {
		c->door.file(c->door.arg, j->id, j->fd, j->size_bytes, mp3 ? "audio/mpeg" : "audio/wav");
		j->fd = -1;
	}
	drop(j);
}

static int add_path(struct job *j, const struct recordings *r, struct str id, enum recorder_format format)
{
	struct buf path;

	buf_init(&path, 0);
	recordings_path(r, &path, id, format);
	j->formats[j->count] = format;
	j->paths[j->count] = buf_steal(&path);
	return j->paths[j->count++] ? 0 : ENOMEM;
}

void control_recording(struct control *c, const struct web_request *r, struct str tail)
{
	const struct recordings *recordings = c->opts.recordings;
	struct recordings_name name;
	struct job *j = NULL;
	int err;

	if (!recordings_parse(recordings, &name, tail)) {
		control_error(c, r->id, 404, "Not Found");
		return;
	}
	if (!name.is_signed && !control_may(c, r)) {
		control_refuse(c, r->id);
		return;
	}
	j = calloc(1, sizeof(*j));
	err = j ? 0 : ENOMEM;
	if (j) {
		j->control = c;
		j->id = r->id;
		j->fd = -1;
		err = add_path(j, recordings, name.id, name.format);
		if (!err && name.any)
			err = add_path(j, recordings, name.id, RECORDER_MP3);
	}
	if (!err)
		err = pool_run(recordings_pool(recordings), work, done, drop, j);
	if (!err)
		return;
	control_busy(c, r->id, "out of memory");
	if (j)
		drop(j);
}

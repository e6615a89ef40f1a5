#include "base/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/handle.h"
#include "base/list.h"
#include "base/loop.h"
#include "base/pool.h"

enum { MAX_FILES = 64, MAX_LINE = 120 };

#define MIB ((rlim_t)1 << 20)

enum state {
	WAITING,  /* for a place */
	STARTING, /* a pool thread has it */
	RUNNING,
};

struct child {
	struct list node;       /* in owner.waiting or owner.running */
	struct children *owner; /* NULL: nobody waits any more and a pool thread still has it; loop only */
	enum state state;
	bool cancelled, late;
	uint64_t id;
	child_done_fn *done;
	void *arg;
	char **argv;
	char *input, *output;
	struct child_request limits; /* its pointers are not used */
	/* Filled in by the pool. */
	pid_t pid; /* 0 = it was not started */
	int pidfd, complaints, err;
	struct loop_io io;
	struct loop_timer deadline;
};

struct children {
	struct loop *loop;
	struct pool *pool;
	unsigned at_once, most_waiting;
	unsigned running_count, waiting_count;
	struct list running, waiting;
	struct handle_table *ids;
};

/* --- memory --- */

static void child_free(struct child *c)
{
	for (char **a = c->argv; a && *a; a++)
		free(*a);
	free(c->argv);
	free(c->input);
	free(c->output);
	if (c->pidfd >= 0)
		close(c->pidfd);
	if (c->complaints >= 0)
		close(c->complaints);
	free(c);
}

static char **copy_argv(const char *const *argv)
{
	size_t n = 0;
	char **out;

	while (argv[n])
		n++;
	out = calloc(n + 1, sizeof(*out));
	for (size_t i = 0; out && i < n; i++) {
		out[i] = strdup(argv[i]);
		if (out[i])
			continue;
		while (i)
			free(out[--i]);
		free(out);
		return NULL;
	}
	return out;
}

static struct child *child_new(const struct child_request *r)
{
	struct child *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	list_init(&c->node);
	c->pidfd = c->complaints = -1;
	c->limits = *r;
	c->argv = copy_argv(r->argv);
	c->input = str_heap(r->input.p ? r->input : STR(""));
	c->output = r->output ? strdup(r->output) : NULL;
	if (c->argv && c->input && (c->output || !r->output))
		return c;
	child_free(c);
	return NULL;
}

/* --- starting: on a pool thread --- */

int child_find(char out[CHILD_PATH], const char *name)
{
	static const char *const folders[] = { "/usr/local/bin", "/usr/bin", "/bin" };
	int n;

	if (strchr(name, '/')) {
		n = snprintf(out, CHILD_PATH, "%s", name);
		return n < CHILD_PATH && !access(out, X_OK) ? 0 : ENOENT;
	}
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		n = snprintf(out, CHILD_PATH, "%s/%s", folders[i], name);
		if (n < CHILD_PATH && !access(out, X_OK))
			return 0;
	}
	return ENOENT;
}

/* A file in memory, at its beginning. -1 = errno. */
static int input_file(const char *text, size_t n)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	while (fd >= 0 && n) {
		ssize_t written = write(fd, text, n);

		if (written <= 0) {
			close(fd);
			return -1;
		}
		text += written;
		n -= (size_t)written;
	}
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return fd;
}

static int spawn(pid_t *pid, char *const *argv, const int fds[3])
{
	static char *const environment[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "HOME=/", NULL };
	posix_spawn_file_actions_t files;
	char path[CHILD_PATH];
	posix_spawnattr_t attr;
	sigset_t none, all;
	int err;

	if (child_find(path, argv[0]))
		return ENOENT;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	err = posix_spawn_file_actions_init(&files);
	for (int i = 0; i < 3 && !err; i++)
		err = posix_spawn_file_actions_adddup2(&files, fds[i], i);
	if (!err)
		err = posix_spawn_file_actions_addclosefrom_np(&files, 3);
	if (!err)
		err = posix_spawn(pid, path, &files, &attr, argv, environment);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return err;
}

/* From outside, just after it began: posix_spawn() cannot set them before. */
static void limit(const struct child *c)
{
	const struct {
		int resource;
		rlim_t soft, hard;
	} rows[] = {
		/* At the soft limit comes SIGXCPU, which tells what it was; at the hard one SIGKILL. */
		{ RLIMIT_CPU, c->limits.cpu_s, c->limits.cpu_s + 1 },
		{ RLIMIT_AS, c->limits.memory_mb * MIB, c->limits.memory_mb * MIB },
		{ RLIMIT_FSIZE, c->limits.file_mb * MIB, c->limits.file_mb * MIB },
		{ RLIMIT_NOFILE, MAX_FILES, MAX_FILES },
		{ RLIMIT_CORE, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct rlimit most = { rows[i].soft, rows[i].hard };

		prlimit(c->pid, (enum __rlimit_resource)rows[i].resource, &most, NULL);
	}
}

static void kill_all(const struct child *c)
{
	if (c->pidfd >= 0)
		pidfd_send_signal(c->pidfd, SIGKILL, NULL, 0);
	/* Its pid is ours as long as nobody has waited for it. */
	kill(-c->pid, SIGKILL);
}

static void reap(const struct child *c)
{
	siginfo_t info;

	kill_all(c);
	while (waitid(P_PID, (id_t)c->pid, &info, WEXITED) && errno == EINTR)
		;
}

static void start(void *arg)
{
	struct child *c = arg;
	int fds[3] = { -1, -1, -1 }, complaints[2] = { -1, -1 };

	fds[0] = input_file(c->input, c->limits.input.n);
	fds[1] = open(c->output ? c->output : "/dev/null", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	/* Not blocking at either end: who complains at length loses the rest, and nobody has to drain it. */
	if (fds[0] < 0 || fds[1] < 0 || pipe2(complaints, O_CLOEXEC | O_NONBLOCK)) {
		c->err = errno;
	} else {
		fds[2] = complaints[1];
		c->complaints = complaints[0];
		c->err = spawn(&c->pid, c->argv, fds);
	}
	if (c->err) {
		c->pid = 0;
	} else {
		limit(c);
		c->pidfd = pidfd_open(c->pid, 0);
		if (c->pidfd < 0) {
			c->err = errno;
			reap(c);
			c->pid = 0;
		}
	}
	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* --- telling --- */

/* The first line of what it complained about, readable, or "". */
static void first_line(char out[MAX_LINE], int fd)
{
	ssize_t n = read(fd, out, MAX_LINE - 1);
	size_t len = 0;

	while (n > 0 && len < (size_t)n && out[len] != '\n')
		len++;
	out[len] = '\0';
	for (char *p = out; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = ' ';
}

static void say_signal(char why[CHILD_WHY], const struct child *c, int number)
{
	switch (number) {
	case SIGXFSZ:
		snprintf(why, CHILD_WHY, "it wrote more than %u MiB", c->limits.file_mb);
		break;
	case SIGXCPU:
		snprintf(why, CHILD_WHY, "it computed for more than %u s", c->limits.cpu_s);
		break;
	default:
		snprintf(why, CHILD_WHY, "it was killed by signal %d (%s)", number, strsignal(number));
	}
}

static struct child_result result_of(struct child *c, const siginfo_t *info, char why[CHILD_WHY])
{
	struct child_result r = { .code = info->si_status, .why = why };
	char line[MAX_LINE];
	size_t n;

	why[0] = '\0';
	if (c->late) {
		r.end = CHILD_LATE;
		snprintf(why, CHILD_WHY, "it took longer than %u ms and was killed", c->limits.deadline_ms);
	} else if (info->si_code != CLD_EXITED) {
		r.end = CHILD_KILLED;
		say_signal(why, c, info->si_status);
	} else {
		r.end = CHILD_EXITED;
		if (r.code)
			snprintf(why, CHILD_WHY, "it ended with status %d", r.code);
	}
	first_line(line, c->complaints);
	n = strlen(why);
	if (n && line[0])
		snprintf(why + n, CHILD_WHY - n, ": %s", line);
	return r;
}

/* --- life --- */

static void start_next(struct children *cs);

/* Forget c, give its place to the next, tell who asked. The last deed: he may free everything. */
static void finish(struct child *c, const struct child_result *r)
{
	struct children *cs = c->owner;
	child_done_fn *done = c->cancelled ? NULL : c->done;
	void *arg = c->arg;

	list_remove(&c->node);
	handle_remove(cs->ids, c->id);
	cs->running_count--;
	child_free(c);
	start_next(cs);
	if (done)
		done(arg, r);
}

static void on_ended(void *arg, unsigned ready)
{
	struct child *c = arg;
	struct loop *l = c->owner->loop;
	struct child_result r;
	char why[CHILD_WHY];
	siginfo_t info = { 0 };

	/* What it left behind goes too, while its group cannot be anybody else's. */
	kill(-c->pid, SIGKILL);
	if (waitid(P_PIDFD, (id_t)c->pidfd, &info, WEXITED | WNOHANG) || !info.si_pid)
		return;
	loop_timer_stop(l, &c->deadline);
	loop_io_remove(l, &c->io);
	loop_release(l);
	r = result_of(c, &info, why);
	finish(c, &r);
}

static void on_deadline(void *arg)
{
	struct child *c = arg;

	c->late = true;
	kill_all(c);
}

static void fail(struct child *c, int err)
{
	char why[CHILD_WHY];
	struct child_result r = { CHILD_FAILED, err, why };

	snprintf(why, sizeof(why), "%s cannot be started: %s", c->argv[0], strerror(err));
	finish(c, &r);
}

static void run(struct child *c)
{
	struct loop *l = c->owner->loop;
	int err = loop_io_add(l, &c->io, c->pidfd, LOOP_READ, on_ended, c);

	if (err) {
		reap(c);
		fail(c, err);
		return;
	}
	c->state = RUNNING;
	loop_hold(l);
	loop_timer_start(l, &c->deadline, c->limits.deadline_ms, on_deadline, c);
	if (c->cancelled)
		kill_all(c);
}

static void started(void *arg)
{
	struct child *c = arg;

	if (!c->owner) {
		if (c->pid)
			reap(c);
		child_free(c);
	} else if (c->err) {
		fail(c, c->err);
	} else {
		run(c);
	}
}

/* The pool goes away with it. */
static void dropped(void *arg)
{
	struct child *c = arg;

	if (c->owner) {
		list_remove(&c->node);
		handle_remove(c->owner->ids, c->id);
		c->owner->running_count--;
	}
	if (c->pid)
		reap(c);
	child_free(c);
}

/* Give c a place. 0 or ENOMEM (nothing changed). */
static int begin(struct children *cs, struct child *c)
{
	int err = pool_run(cs->pool, start, started, dropped, c);

	if (err)
		return err;
	c->state = STARTING;
	list_remove(&c->node);
	list_append(&cs->running, &c->node);
	cs->running_count++;
	return 0;
}

static void start_next(struct children *cs)
{
	while (cs->running_count < cs->at_once && !list_empty(&cs->waiting)) {
		struct child *c = LIST_ITEM(list_first(&cs->waiting), struct child, node);

		cs->waiting_count--;
		if (!begin(cs, c))
			continue;
		list_remove(&c->node);
		list_append(&cs->running, &c->node);
		cs->running_count++;
		fail(c, ENOMEM);
		return; /* the next ones were begun by that */
	}
}

int children_new(struct children **out, struct loop *l, struct pool *p, unsigned at_once, unsigned waiting)
{
	struct children *cs = calloc(1, sizeof(*cs));

	assert(at_once);
	if (!cs)
		return ENOMEM;
	*cs = (struct children){ .loop = l, .pool = p, .at_once = at_once, .most_waiting = waiting };
	list_init(&cs->running);
	list_init(&cs->waiting);
	if (handle_table_new(&cs->ids, 0)) {
		free(cs);
		return ENOMEM;
	}
	*out = cs;
	return 0;
}

static void end(struct children *cs, struct child *c)
{
	list_remove(&c->node);
	switch (c->state) {
	case STARTING:
		c->owner = NULL;
		return;
	case RUNNING:
		loop_timer_stop(cs->loop, &c->deadline);
		loop_io_remove(cs->loop, &c->io);
		loop_release(cs->loop);
		reap(c);
		break;
	case WAITING:
		break;
	}
	child_free(c);
}

void children_free(struct children **children)
{
	struct children *cs = *children;

	if (!cs)
		return;
	*children = NULL;
	while (!list_empty(&cs->waiting))
		end(cs, LIST_ITEM(list_first(&cs->waiting), struct child, node));
	while (!list_empty(&cs->running))
		end(cs, LIST_ITEM(list_first(&cs->running), struct child, node));
	handle_table_free(&cs->ids);
	free(cs);
}

int child_run(struct children *cs, const struct child_request *r, child_done_fn *done, void *arg, uint64_t *id)
{
	bool wait = cs->running_count >= cs->at_once;
	struct child *c;
	int err;

	assert(r->argv[0] && r->deadline_ms && r->cpu_s && r->memory_mb && r->file_mb);
	if (wait && cs->waiting_count >= cs->most_waiting)
		return EAGAIN;
	c = child_new(r);
	if (!c)
		return ENOMEM;
	c->owner = cs;
	c->done = done;
	c->arg = arg;
	err = handle_add(cs->ids, c, &c->id);
	if (!err && !wait)
		err = begin(cs, c);
	if (err) {
		handle_remove(cs->ids, c->id);
		child_free(c);
		return ENOMEM;
	}
	if (wait) {
		list_append(&cs->waiting, &c->node);
		cs->waiting_count++;
	}
	*id = c->id;
	return 0;
}

void child_cancel(struct children *cs, uint64_t id)
{
	struct child *c = handle_remove(cs->ids, id);

	if (!c)
		return;
	c->cancelled = true;
	if (c->state == RUNNING)
		kill_all(c);
	if (c->state != WAITING)
		return;
	cs->waiting_count--;
	end(cs, c);
}

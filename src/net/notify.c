#include "net/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/str.h"

enum { AGAIN_MS = 100, MAX_STATE = 200 };

struct notify {
	struct loop *loop;
	int fd;
	struct sockaddr_un to;
	socklen_t to_len;
	uint32_t alive_ms;
	struct loop_timer alive, again;
	char state[MAX_STATE]; /* the newest */
};

static int tell(const struct notify *n, const char *text)
{
	ssize_t sent = sendto(n->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&n->to,
			      n->to_len);

	return sent < 0 ? errno : 0;
}

/* Whoever has gone is not waited for. */
static void tell_state(void *arg)
{
	struct notify *n = arg;
	int err = tell(n, n->state);

	if (err == EAGAIN || err == ENOBUFS)
		loop_timer_start(n->loop, &n->again, AGAIN_MS, tell_state, n);
}

static void tell_alive(void *arg)
{
	struct notify *n = arg;

	loop_timer_start(n->loop, &n->alive, n->alive_ms, tell_alive, n);
	tell(n, "WATCHDOG=1");
}

static int take_address(struct notify *n, const char *path)
{
	size_t len = strlen(path);

	if (len < 2 || len >= sizeof(n->to.sun_path) || (*path != '/' && *path != '@'))
		return EINVAL;
	n->to.sun_family = AF_UNIX;
	memcpy(n->to.sun_path, path, len);
	if (*path == '@')
		n->to.sun_path[0] = '\0';
	n->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	return 0;
}

int notify_open(struct notify **out, const struct notify_opts *o)
{
	struct notify *n = calloc(1, sizeof(*n));
	int err = n ? take_address(n, o->socket) : ENOMEM;

	if (err)
		goto out;
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (n->fd < 0) {
		err = errno;
		goto out;
	}
	n->loop = o->loop;
	n->alive_ms = (uint32_t)(o->watchdog_us / 2000);
	if (n->alive_ms)
		tell_alive(n);
	*out = n;
	n = NULL;
out:
	free(n);
	return err;
}

void notify_close(struct notify **pn)
{
	struct notify *n = *pn;

	if (!n)
		return;
	*pn = NULL;
	loop_timer_stop(n->loop, &n->alive);
	loop_timer_stop(n->loop, &n->again);
	close(n->fd);
	free(n);
}

void notify_ready(struct notify *n, const char *status)
{
	if (!n)
		return;
	snprintf(n->state, sizeof(n->state), "READY=1\nSTATUS=%s", status);
	tell_state(n);
}

void notify_reloading(struct notify *n)
{
	if (!n)
		return;
	snprintf(n->state, sizeof(n->state), "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=Reading the configuration anew",
		 (unsigned long long)loop_now_us(n->loop));
	tell_state(n);
}

void notify_stopping(struct notify *n, uint32_t limit_s, const char *status)
{
	if (!n)
		return;
	snprintf(n->state, sizeof(n->state), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu\nSTATUS=%s",
		 (unsigned long long)limit_s * 1000000, status);
	tell_state(n);
}

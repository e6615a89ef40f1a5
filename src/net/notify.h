/* notify: tells the service manager that started us how we are: sd_notify(3), datagrams to $NOTIFY_SOCKET.
 *
 * libsystemd would wait when the manager does not read; this does not: a state that cannot be told at once is told
 * again shortly, and the newest one counts. Where a watchdog is asked for, its sign of life comes from the loop, at twice
 * the pace, so it ends when the loop hangs. Thread: that of the loop. */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdint.h>

struct loop;
struct notify;

struct notify_opts {
	struct loop *loop;
	const char *socket;   /* a path, or "@name" for one without a file */
	uint64_t watchdog_us; /* the longest silence, 0 = any */
};

/* 0; EINVAL: no such address can be; ENOMEM, or what socket() gives. */
int notify_open(struct notify **out, const struct notify_opts *opts);
/* For all: *n or n may be NULL, and then nobody is told. */
void notify_close(struct notify **n);
void notify_ready(struct notify *n, const char *status);
void notify_reloading(struct notify *n);
/* The end may take so long, whatever the manager thinks. */
void notify_stopping(struct notify *n, uint32_t limit_s, const char *status);

#endif

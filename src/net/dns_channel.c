#include "net/dns_channel.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/loop.h"

enum {
	TRY_MS = 700, /* doubled with each try */
	TRIES = 3
};

struct watched { /* a socket of c-ares */
	struct list node;
	struct dns_channel *c;
	struct loop_io io;
};

struct dns_channel {
	struct loop *loop;
	ares_channel ares;
	bool library, ready; /* what is to be undone */
	struct list sockets;
	/* c-ares keeps real time even on a virtual loop, so its clock is a descriptor and no loop timer. */
	struct loop_io clock;
};

static void set_clock(struct dns_channel *c)
{
	struct itimerspec when = { 0 };
	struct timeval tv, *next = ares_timeout(c->ares, NULL, &tv);

	if (next) {
		when.it_value.tv_sec = next->tv_sec;
		when.it_value.tv_nsec = next->tv_usec * 1000 + 1; /* zero would switch it off */
	}
	timerfd_settime(c->clock.fd, 0, &when, NULL);
}

static void on_clock(void *arg, unsigned ready)
{
	struct dns_channel *c = arg;
	uint64_t count;

	if (read(c->clock.fd, &count, sizeof(count)) < 0)
		return; /* set anew since */
	ares_process_fd(c->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	set_clock(c);
}

static void on_socket(void *arg, unsigned ready)
{
	struct watched *w = arg;
	struct dns_channel *c = w->c;
	int fd = w->io.fd;

	/* w may be gone afterwards. */
	ares_process_fd(c->ares, ready & LOOP_READ ? fd : ARES_SOCKET_BAD, ready & LOOP_WRITE ? fd : ARES_SOCKET_BAD);
	set_clock(c);
}

static struct watched *find_socket(struct dns_channel *c, int fd)
{
	for (struct list *n = c->sockets.next; n != &c->sockets; n = n->next) {
		struct watched *w = LIST_ITEM(n, struct watched, node);

		if (w->io.fd == fd)
			return w;
	}
	return NULL;
}

/* c-ares tells what it waits for. Without memory the look-up meets its time-out. */
static void on_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	unsigned events = (readable ? LOOP_READ : 0U) | (writable ? LOOP_WRITE : 0U);
	struct dns_channel *c = arg;
	struct watched *w = find_socket(c, fd);

	if (w && events) {
		loop_io_change(c->loop, &w->io, events);
	} else if (w) {
		loop_io_remove(c->loop, &w->io);
		list_remove(&w->node);
		free(w);
	} else if (events) {
		w = calloc(1, sizeof(*w));
		if (!w)
			return;
		w->c = c;
		if (loop_io_add(c->loop, &w->io, fd, events, on_socket, w))
			free(w);
		else
			list_append(&c->sockets, &w->node);
	}
}

void dns_channel_asked(struct dns_channel *c)
{
	set_clock(c);
}

ares_channel dns_channel_ares(const struct dns_channel *c)
{
	return c->ares;
}

/* --- birth and death --- */

static int open_ares(struct dns_channel *c, const char *servers)
{
	char lookups[] = "fb"; /* the hosts file, then the servers */
	struct ares_options options = { .timeout = TRY_MS,
					.tries = TRIES,
					.lookups = lookups,
					.sock_state_cb = on_state,
					.sock_state_cb_data = c };
	int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;

	c->library = ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS;
	if (!c->library)
		return ENOMEM;
	c->ready = ares_init_options(&c->ares, &options, mask) == ARES_SUCCESS;
	if (!c->ready)
		return ENOMEM;
	return servers && ares_set_servers_ports_csv(c->ares, servers) != ARES_SUCCESS ? EINVAL : 0;
}

static int open_clock(struct dns_channel *c)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	int err;

	if (fd < 0)
		return errno;
	err = loop_io_add(c->loop, &c->clock, fd, LOOP_READ, on_clock, c);
	if (err)
		close(fd);
	return err;
}

int dns_channel_new(struct dns_channel **out, struct loop *l, const char *servers)
{
	struct dns_channel *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return ENOMEM;
	c->loop = l;
	list_init(&c->sockets);
	err = open_clock(c);
	if (!err)
		err = open_ares(c, servers);
	if (err)
		dns_channel_free(&c);
	else
		*out = c;
	return err;
}

void dns_channel_free(struct dns_channel **cp)
{
	struct dns_channel *c = *cp;

	if (!c)
		return;
	if (c->ready)
		ares_destroy(c->ares);
	if (c->library)
		ares_library_cleanup();
	if (c->clock.active) {
		loop_io_remove(c->loop, &c->clock);
		close(c->clock.fd);
	}
	free(c);
	*cp = NULL;
}

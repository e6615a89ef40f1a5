/* receiver: takes webhooks and answers 204 at once, in one thread: what it costs must not look like the server's cost.
 *
 *	receiver PORT
 *
 * HTTP/1.1 with Content-Length, connections kept. Each event has the time when it happened ("timestamp":SECONDS.mmm); how
 * long it took until it was read here is counted. On SIGTERM it prints one line of figures and ends. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FDS = 1024, REQUEST_BYTES = 16384, HIST_BINS = 20001, EVENTS = 64 };

struct conn {
	size_t n;
	char bytes[REQUEST_BYTES + 1];
};

struct receiver {
	int epoll, listener, signals;
	struct conn *conns[MAX_FDS];
	uint64_t count, connections;
	uint32_t hist[HIST_BINS]; /* tenths of a millisecond; the last for all above */
	double max_ms;
};

static const char answer[] = "HTTP/1.1 204 No Content\r\n\r\n";

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void watch(struct receiver *r, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &ev))
		die("epoll");
}

static void count(struct receiver *r, const char *body)
{
	const char *at = strstr(body, "\"timestamp\":");
	struct timespec now;
	double ms;

	clock_gettime(CLOCK_REALTIME, &now);
	r->count++;
	if (!at)
		return;
	ms = ((double)now.tv_sec - strtod(at + 12, NULL)) * 1000 + (double)now.tv_nsec / 1e6;
	if (ms < 0)
		ms = 0;
	if (ms > r->max_ms)
		r->max_ms = ms;
	r->hist[ms * 10 < HIST_BINS - 1 ? (size_t)(ms * 10) : HIST_BINS - 1]++;
}

/* Bytes of the whole request at the start of c, 0 = it is not whole yet. */
static size_t whole(const struct conn *c, const char **body)
{
	const char *end = strstr(c->bytes, "\r\n\r\n"), *length = strcasestr(c->bytes, "\r\ncontent-length:");
	size_t n;

	if (!end)
		return 0;
	*body = end + 4;
	n = (size_t)(end + 4 - c->bytes) + (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
	return n <= c->n ? n : 0;
}

static void drop(struct receiver *r, int fd)
{
	free(r->conns[fd]);
	r->conns[fd] = NULL;
	close(fd);
}

static void read_from(struct receiver *r, int fd)
{
	struct conn *c = r->conns[fd];
	ssize_t got = recv(fd, c->bytes + c->n, REQUEST_BYTES - c->n, MSG_DONTWAIT);
	const char *body;
	size_t n;

	if (got <= 0) {
		drop(r, fd);
		return;
	}
	c->n += (size_t)got;
	c->bytes[c->n] = '\0';
	while ((n = whole(c, &body))) {
		count(r, body);
		c->n -= n;
		memmove(c->bytes, c->bytes + n, c->n + 1);
		if (send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL) < 0) {
			drop(r, fd);
			return;
		}
	}
}

static void take(struct receiver *r)
{
	int fd = accept(r->listener, NULL, NULL);

	if (fd < 0)
		return;
	if (fd >= MAX_FDS || !(r->conns[fd] = calloc(1, sizeof(*r->conns[fd])))) {
		close(fd);
		return;
	}
	r->connections++;
	watch(r, fd);
}

static double quantile_ms(const struct receiver *r, double part)
{
	uint64_t total = 0, sum = 0;
	size_t i;

	for (i = 0; i < HIST_BINS; i++)
		total += r->hist[i];
	for (i = 0; i < HIST_BINS - 1 && total; i++) {
		sum += r->hist[i];
		if ((double)sum >= part * (double)total)
			break;
	}
	return (double)(i + 1) / 10;
}

static void open_all(struct receiver *r, const char *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	sigset_t set;
	int on = 1;

	at.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	r->epoll = epoll_create1(0);
	r->signals = signalfd(-1, &set, 0);
	r->listener = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(r->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(r->listener, (struct sockaddr *)&at, sizeof(at)) || listen(r->listener, 128))
		die("listener");
	watch(r, r->listener);
	watch(r, r->signals);
}

int main(int argc, char **argv)
{
	static struct receiver r;
	struct epoll_event events[EVENTS];

	if (argc != 2) {
		fprintf(stderr, "usage: receiver PORT\n");
		return 2;
	}
	open_all(&r, argv[1]);
	for (;;) {
		int n = epoll_wait(r.epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (fd == r.signals) {
				printf("{\"count\":%llu,\"connections\":%llu,\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f}\n",
				       (unsigned long long)r.count, (unsigned long long)r.connections,
				       quantile_ms(&r, 0.5), quantile_ms(&r, 0.99), r.max_ms);
				return 0;
			}
			if (fd == r.listener)
				take(&r);
			else
				read_from(&r, fd);
		}
	}
}

/* receiver: takes webhooks and answers 204 at once, in one thread: what it costs must not look like the server's cost.
 *
 *	receiver PORT [FOLDER]
 *
 * HTTP/1.1 with Content-Length, connections kept. Each event has the time when it happened ("timestamp":SECONDS.mmm); how
 * long it took until it was read here is counted. A path that names a file of FOLDER gets what that held at the start: so it serves documents, and
 * how long it has them in its hands is counted as its own time. On SIGTERM it prints one line of figures and ends. */
#include <arpa/inet.h>
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
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

enum { MAX_FDS = 1024, REQUEST_BYTES = 16384, HIST_BINS = 20001, EVENTS = 64, PAGES = 32, PAGE_BYTES = 65536 };

struct conn {
	size_t n;
	char bytes[REQUEST_BYTES + 1];
};

struct page {
	char path[80]; /* "/name" */
	size_t n;
	char *answer;
};

struct hist {
	double bin_ms, max_ms;
	uint32_t bins[HIST_BINS]; /* the last for all above */
};

struct receiver {
	int epoll, listener, signals;
	struct conn *conns[MAX_FDS];
	uint64_t count, connections, served;
	struct hist delay, own;
	struct page pages[PAGES];
	size_t page_count;
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

static void hist_add(struct hist *h, double ms)
{
	if (ms < 0)
		ms = 0;
	if (ms > h->max_ms)
		h->max_ms = ms;
	ms /= h->bin_ms;
	h->bins[ms < HIST_BINS - 1 ? (size_t)ms : HIST_BINS - 1]++;
}

static double since_ms(clockid_t clock, double then_s, long then_ns)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return ((double)now.tv_sec - then_s) * 1000 + (double)(now.tv_nsec - then_ns) / 1e6;
}

static void count(struct receiver *r, const char *body)
{
	const char *at = strstr(body, "\"timestamp\":");

	r->count++;
	if (at)
		hist_add(&r->delay, since_ms(CLOCK_REALTIME, strtod(at + 12, NULL), 0));
}

/* NULL = the request is for no document. */
static const struct page *page_of(const struct receiver *r, const char *request)
{
	const char *path = strchr(request, ' ');
	size_t n = path ? strcspn(++path, " ?\r\n") : 0;

	for (size_t i = 0; i < r->page_count; i++)
		if (strlen(r->pages[i].path) == n && !memcmp(r->pages[i].path, path, n))
			return &r->pages[i];
	return NULL;
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

/* False = the other has gone. */
static bool reply(struct receiver *r, int fd, const char *request, const char *body, const struct timespec *since)
{
	const struct page *p = page_of(r, request);
	size_t n = p ? p->n : sizeof(answer) - 1;

	if (!p)
		count(r, body);
	if (send(fd, p ? p->answer : answer, n, MSG_NOSIGNAL) < (ssize_t)n)
		return false;
	if (p) {
		r->served++;
		hist_add(&r->own, since_ms(CLOCK_MONOTONIC, (double)since->tv_sec, since->tv_nsec));
	}
	return true;
}

static void read_from(struct receiver *r, int fd)
{
	struct conn *c = r->conns[fd];
	struct timespec since;
	const char *body;
	ssize_t got;
	size_t n;

	clock_gettime(CLOCK_MONOTONIC, &since);
	got = recv(fd, c->bytes + c->n, REQUEST_BYTES - c->n, MSG_DONTWAIT);
	if (got <= 0) {
		drop(r, fd);
		return;
	}
	c->n += (size_t)got;
	c->bytes[c->n] = '\0';
	while ((n = whole(c, &body))) {
		if (!reply(r, fd, c->bytes, body, &since)) {
			drop(r, fd);
			return;
		}
		c->n -= n;
		memmove(c->bytes, c->bytes + n, c->n + 1);
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

static double quantile_ms(const struct hist *h, double part)
{
	uint64_t total = 0, sum = 0;
	size_t i;

	for (i = 0; i < HIST_BINS; i++)
		total += h->bins[i];
	for (i = 0; i < HIST_BINS - 1 && total; i++) {
		sum += h->bins[i];
		if ((double)sum >= part * (double)total)
			break;
	}
	return (double)(i + 1) * h->bin_ms;
}

static void read_page(struct page *p, const char *folder, const char *name)
{
	static char text[PAGE_BYTES];
	char path[4096];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	snprintf(p->path, sizeof(p->path), "/%.70s", name);
	f = fopen(path, "r");
	p->answer = malloc(PAGE_BYTES + 200);
	if (!f || !p->answer)
		die(path);
	n = fread(text, 1, sizeof(text), f);
	fclose(f);
	p->n = (size_t)snprintf(p->answer, 200,
				"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n", n);
	memcpy(p->answer + p->n, text, n);
	p->n += n;
}

static void read_folder(struct receiver *r, const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *d;

	if (!dir)
		die(folder);
	while ((d = readdir(dir)) && r->page_count < PAGES)
		if (d->d_name[0] != '.')
			read_page(&r->pages[r->page_count++], folder, d->d_name);
	closedir(dir);
}

static void print_figures(const struct receiver *r)
{
	printf("{\"count\":%llu,\"connections\":%llu,\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f,",
	       (unsigned long long)r->count, (unsigned long long)r->connections, quantile_ms(&r->delay, 0.5),
	       quantile_ms(&r->delay, 0.99), r->delay.max_ms);
	printf("\"served\":%llu,\"own_ms\":{\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f}}\n", (unsigned long long)r->served,
	       quantile_ms(&r->own, 0.5), quantile_ms(&r->own, 0.99), r->own.max_ms);
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
	static struct receiver r = { .delay = { .bin_ms = 0.1 }, .own = { .bin_ms = 0.001 } };
	struct epoll_event events[EVENTS];

	if (argc != 2 && argc != 3) {
		fprintf(stderr, "usage: receiver PORT [FOLDER]\n");
		return 2;
	}
	if (argc == 3)
		read_folder(&r, argv[2]);
	open_all(&r, argv[1]);
	for (;;) {
		int n = epoll_wait(r.epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (fd == r.signals) {
				print_figures(&r);
				return 0;
			}
			if (fd == r.listener)
				take(&r);
			else
				read_from(&r, fd);
		}
	}
}

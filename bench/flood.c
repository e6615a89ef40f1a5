/* flood: SIP messages of strangers at a steady rate, and nothing is read: what an open port sees on a bad day.
 *
 *	flood 127.0.0.1:PORT [rate=20000] [seconds=60] [sources=200]
 *
 * The sources are 127.0.0.2 and up, one socket each. INVITE, REGISTER, OPTIONS and rubbish take turns, every message is
 * a new one. Prints {"sent":N,"seconds":S} at the end. */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { MAX_SOURCES = 10000, MESSAGE_BYTES = 700, SLICE_NS = 1000000 };

struct flood {
	struct sockaddr_in target;
	long rate, seconds, sources;
	int fds[MAX_SOURCES];
	uint64_t sent;
};

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int open_source(long n)
{
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000002u + (uint32_t)n) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), least = 1;

	if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)))
		die("a source");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
	return fd;
}

static size_t compose(char *out, uint64_t n)
{
	static const char *const methods[] = { "INVITE", "REGISTER", "OPTIONS" };
	const char *method = methods[n % 3];

	if (n % 4 == 3)
		return (size_t)snprintf(out, MESSAGE_BYTES, "GET /%llu HTTP/1.1\r\n\r\n", (unsigned long long)n);
	return (size_t)snprintf(
		out, MESSAGE_BYTES,
		"%s sip:%llu@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;rport;branch=z9hG4bKx%llu\r\n"
		"Max-Forwards: 70\r\nFrom: <sip:100@127.0.0.1>;tag=%llu\r\nTo: <sip:%llu@127.0.0.1>\r\n"
		"Call-ID: x%llu\r\nCSeq: 1 %s\r\nContact: <sip:100@127.0.0.1>\r\nUser-Agent: friendly\r\n"
		"Content-Length: 0\r\n\r\n",
		method, (unsigned long long)n, (unsigned long long)n, (unsigned long long)n, (unsigned long long)n,
		(unsigned long long)n, method);
}

static void run(struct flood *f)
{
	uint64_t start = now_ns(), end = start + (uint64_t)f->seconds * 1000000000u, now;
	char text[MESSAGE_BYTES];

	while ((now = now_ns()) < end) {
		uint64_t due = (uint64_t)((double)(now - start) * (double)f->rate / 1e9);
		struct timespec pause = { .tv_nsec = SLICE_NS };

		for (; f->sent < due; f->sent++) {
			size_t n = compose(text, f->sent);

			sendto(f->fds[f->sent % (uint64_t)f->sources], text, n, 0, (struct sockaddr *)&f->target,
			       sizeof(f->target));
		}
		nanosleep(&pause, NULL);
	}
}

static void read_option(struct flood *f, const char *arg)
{
	const struct {
		const char *name;
		long *value, max;
	} known[] = { { "rate=", &f->rate, 1000000 },
		      { "seconds=", &f->seconds, 3600 },
		      { "sources=", &f->sources, MAX_SOURCES } };

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		size_t n = strlen(known[i].name);

		if (strncmp(arg, known[i].name, n))
			continue;
		*known[i].value = strtol(arg + n, NULL, 10);
		if (*known[i].value > 0 && *known[i].value <= known[i].max)
			return;
	}
	fprintf(stderr, "flood: %s?\n", arg);
	exit(2);
}

int main(int argc, char **argv)
{
	static struct flood f = { .rate = 20000, .seconds = 60, .sources = 200 };
	const char *colon = argc > 1 ? strchr(argv[1], ':') : NULL;

	if (!colon || strncmp(argv[1], "127.0.0.1:", 10)) {
		fprintf(stderr, "usage: flood 127.0.0.1:PORT [rate=N] [seconds=N] [sources=N]\n");
		return 2;
	}
	f.target.sin_family = AF_INET;
	f.target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	f.target.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	for (int i = 2; i < argc; i++)
		read_option(&f, argv[i]);
	for (long i = 0; i < f.sources; i++)
		f.fds[i] = open_source(i);
	run(&f);
	printf("{\"sent\":%llu,\"seconds\":%ld}\n", (unsigned long long)f.sent, f.seconds);
	return 0;
}

/* hostile: keeps calls up whose documents do all they can to hold up the server, and begins each anew when it ends.
 *
 *	hostile 127.0.0.1:PORT [calls=1000] [rate=200] [kinds=6]
 *
 * Call n asks for sip:hostile<n modulo kinds>@…; what that runs is a matter of the server's routes. At most rate INVITEs a
 * second. Prints "ready" when nine tenths of the calls have been up, or after 20 s; on SIGTERM one line of figures. */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

enum {
	MAX_CALLS = 4000,
	MESSAGE_BYTES = 2048,
	TICK_MS = 10,
	RESEND_MS = 2000,
	GIVE_UP_MS = 60000,
	READY_MS = 20000,
};

struct call {
	bool begun, up, heard;
	unsigned generation; /* a new Call-ID each time */
	uint64_t since_ms, sent_ms;
};

struct hostile {
	struct sockaddr_in target;
	long calls, rate, kinds;
	long next; /* whose turn it is to begin: those that end at once must not have all turns */
	int fd;
	uint16_t port;
	struct call call[MAX_CALLS];
	uint64_t begun, ended, refused, lost; /* lost: no final response at all */
	uint64_t ticks, up_sum;               /* since it was ready */
	long up_least;
	int first_refusal; /* its status */
	bool ready;
};

static volatile sig_atomic_t over;

static void on_signal(int sig)
{
	over = sig;
}

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void say(const struct hostile *h, const char *text, int n)
{
	if (n > 0 && n < MESSAGE_BYTES)
		sendto(h->fd, text, (size_t)n, 0, (const struct sockaddr *)&h->target, sizeof(h->target));
}

static void invite(struct hostile *h, long i)
{
	static const char sdp[] = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
				  "m=audio 9 RTP/AVP 0\r\n";
	const struct call *c = &h->call[i];
	char text[MESSAGE_BYTES];
	long kind = i % h->kinds;

	say(h, text,
	    snprintf(
		    text, sizeof(text),
		    "INVITE sip:hostile%ld@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bKh%ldx%u\r\n"
		    "Max-Forwards: 70\r\nFrom: <sip:h@127.0.0.1>;tag=h%ld\r\nTo: <sip:hostile%ld@127.0.0.1>\r\n"
		    "Call-ID: h%ldx%u\r\nCSeq: 1 INVITE\r\nContact: <sip:h@127.0.0.1:%u>\r\n"
		    "Content-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n%s",
		    kind, h->port, i, c->generation, i, kind, i, c->generation, h->port, sizeof(sdp) - 1, sdp));
}

/* The line of a header, with its end; *n 0 = there is none. */
static const char *header(const char *msg, const char *name, int *n)
{
	const char *at = strcasestr(msg, name);

	*n = at ? (int)strcspn(at, "\r") + 2 : 0;
	return at ? at : "";
}

/* Branch, To and target: those of the INVITE for an error, new ones for a 2xx (RFC 3261 §13.2.2.4, §17.1.1.3). */
static void acknowledge(struct hostile *h, long i, const char *msg, bool up)
{
	char text[MESSAGE_BYTES], uri[200];
	const struct call *c = &h->call[i];
	int to_n, contact_n;
	const char *to = header(msg, "\r\nTo:", &to_n), *contact = header(msg, "\r\nContact:", &contact_n);
	const char *angle = up && contact_n ? strchr(contact, '<') : NULL;

	snprintf(uri, sizeof(uri), "sip:hostile%ld@127.0.0.1", i % h->kinds);
	if (angle && angle < contact + contact_n)
		snprintf(uri, sizeof(uri), "%.*s", (int)strcspn(angle + 1, ">"), angle + 1);
	/* A header line found behind a line end begins with that and ends before the next. */
	say(h, text,
	    snprintf(text, sizeof(text),
		     "ACK %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bKh%ldx%u%s\r\nMax-Forwards: 70\r\n"
		     "From: <sip:h@127.0.0.1>;tag=h%ld%.*s\r\nCall-ID: h%ldx%u\r\nCSeq: 1 ACK\r\nContent-Length: "
		     "0\r\n\r\n",
		     uri, h->port, i, c->generation, up ? "a" : "", i, (int)(2 + strcspn(to + 2, "\r")), to, i,
		     c->generation));
}

/* Any request within a call is fine with us. */
static void agree(const struct hostile *h, const char *msg)
{
	static const char *const names[] = { "\r\nVia:", "\r\nFrom:", "\r\nTo:", "\r\nCall-ID:", "\r\nCSeq:" };
	char text[MESSAGE_BYTES] = "SIP/2.0 200 OK";
	size_t n = strlen(text);

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		int line_n;
		const char *line = header(msg, names[i], &line_n);
		size_t keep = line_n ? 2 + strcspn(line + 2, "\r") : 0;

		if (n + keep + 40 > sizeof(text))
			return;
		memcpy(text + n, line, keep);
		n += keep;
	}
	n += (size_t)snprintf(text + n, sizeof(text) - n, "\r\nContent-Length: 0\r\n\r\n");
	say(h, text, (int)n);
}

static void end(struct call *c, uint64_t *count)
{
	++*count;
	c->begun = c->up = false;
}

static void take(struct hostile *h, const char *msg)
{
	const char *id = strcasestr(msg, "\r\nCall-ID:");
	unsigned generation = 0;
	struct call *c;
	long i = -1;
	int status;

	if (!id || sscanf(id + 10, " h%ldx%u", &i, &generation) != 2 || i < 0 || i >= h->calls)
		return;
	c = &h->call[i];
	if (strncmp(msg, "SIP/2.0 ", 8)) {
		if (strncmp(msg, "ACK ", 4))
			agree(h, msg);
		if (!strncmp(msg, "BYE ", 4) && generation == c->generation && c->begun)
			end(c, &h->ended);
		return;
	}
	status = atoi(msg + 8);
	if (generation != c->generation || !c->begun)
		return;
	c->heard = true;
	if (status < 200)
		return;
	acknowledge(h, i, msg, status < 300);
	if (status < 300) {
		c->up = true;
		return;
	}
	h->first_refusal = h->first_refusal ? h->first_refusal : status;
	end(c, &h->refused);
}

static void receive(struct hostile *h)
{
	char msg[MESSAGE_BYTES * 2];
	ssize_t n;

	while ((n = recv(h->fd, msg, sizeof(msg) - 1, MSG_DONTWAIT)) > 0) {
		msg[n] = '\0';
		take(h, msg);
	}
}

static void begin(struct hostile *h, uint64_t now, long may)
{
	for (long n = 0; n < h->calls && may > 0; n++, h->next = (h->next + 1) % h->calls) {
		struct call *c = &h->call[h->next];

		if (c->begun)
			continue;
		*c = (struct call){ .begun = true, .generation = c->generation + 1, .since_ms = now, .sent_ms = now };
		h->begun++;
		may--;
		invite(h, h->next);
	}
}

/* Say again what nobody has heard. */
static void go_on(struct hostile *h, uint64_t now)
{
	for (long i = 0; i < h->calls; i++) {
		struct call *c = &h->call[i];

		if (c->begun && !c->up && now - c->since_ms > GIVE_UP_MS) {
			end(c, &h->lost);
		} else if (c->begun && !c->heard && now - c->sent_ms > RESEND_MS) {
			c->sent_ms = now;
			invite(h, i);
		}
	}
}

static void count_up(struct hostile *h, bool late)
{
	long up = 0;

	for (long i = 0; i < h->calls; i++)
		up += h->call[i].up;
	if (!h->ready && (late || up >= h->calls * 9 / 10)) {
		h->ready = true;
		h->up_least = up;
		printf("ready\n");
		fflush(stdout);
	}
	if (!h->ready)
		return;
	h->ticks++;
	h->up_sum += (uint64_t)up;
	h->up_least = up < h->up_least ? up : h->up_least;
}

static void run(struct hostile *h)
{
	uint64_t start = now_ms(), next = start, allowed = 0;
	struct pollfd p = { .fd = h->fd, .events = POLLIN };

	while (!over) {
		uint64_t now = now_ms();

		if (now >= next) {
			uint64_t due = (now - start) * (uint64_t)h->rate / 1000;

			next = now + TICK_MS;
			begin(h, now, (long)(due - allowed));
			go_on(h, now);
			allowed = due; /* what was not needed is not saved up */
			count_up(h, now - start > READY_MS);
		}
		poll(&p, 1, (int)(next > now ? next - now : 0));
		receive(h);
	}
}

static void read_option(struct hostile *h, const char *arg)
{
	const struct {
		const char *name;
		long *value, max;
	} known[] = { { "calls=", &h->calls, MAX_CALLS }, { "rate=", &h->rate, 10000 }, { "kinds=", &h->kinds, 100 } };

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		size_t n = strlen(known[i].name);

		if (strncmp(arg, known[i].name, n))
			continue;
		*known[i].value = strtol(arg + n, NULL, 10);
		if (*known[i].value > 0 && *known[i].value <= known[i].max)
			return;
	}
	fprintf(stderr, "hostile: %s?\n", arg);
	exit(2);
}

static void open_socket(struct hostile *h)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	int room = 4 << 20;

	h->fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (h->fd < 0 || bind(h->fd, (struct sockaddr *)&at, sizeof(at)) ||
	    getsockname(h->fd, (struct sockaddr *)&at, &n))
		die("socket");
	setsockopt(h->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	h->port = ntohs(at.sin_port);
}

int main(int argc, char **argv)
{
	static struct hostile h = { .calls = 1000, .rate = 200, .kinds = 6 };
	const char *colon = argc > 1 ? strchr(argv[1], ':') : NULL;

	if (!colon || strncmp(argv[1], "127.0.0.1:", 10)) {
		fprintf(stderr, "usage: hostile 127.0.0.1:PORT [calls=N] [rate=N] [kinds=N]\n");
		return 2;
	}
	h.target.sin_family = AF_INET;
	h.target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	h.target.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	for (int i = 2; i < argc; i++)
		read_option(&h, argv[i]);
	signal(SIGTERM, on_signal);
	open_socket(&h);
	run(&h);
	printf("{\"begun\":%llu,\"ended\":%llu,\"refused\":%llu,\"first_refusal\":%d,\"lost\":%llu,\"up_mean\":%.0f,"
	       "\"up_least\":%ld}\n",
	       (unsigned long long)h.begun, (unsigned long long)h.ended, (unsigned long long)h.refused, h.first_refusal,
	       (unsigned long long)h.lost, h.ticks ? (double)h.up_sum / (double)h.ticks : 0.0, h.up_least);
	return 0;
}

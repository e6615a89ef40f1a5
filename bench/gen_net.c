/* Clock, figures, timers and sockets of the load generator. */
#include "gen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --- time and figures --- */

static uint64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

uint64_t now_ns(const struct gen *g)
{
	return clock_ns(CLOCK_MONOTONIC) - g->zero_ns;
}

uint32_t now_ms(const struct gen *g)
{
	return (uint32_t)(now_ns(g) / 1000000);
}

void die(const char *what)
{
	fprintf(stderr, "gen: %s: %s\n", what, strerror(errno));
	exit(2);
}

void hist_new(struct hist *h)
{
	h->bins = calloc(HIST_US + 1, sizeof(*h->bins));
	if (!h->bins)
		die("memory");
}

void hist_clear(struct hist *h)
{
	memset(h->bins, 0, (HIST_US + 1) * sizeof(*h->bins));
	h->count = h->max_us = 0;
}

void hist_add(struct hist *h, uint64_t from_ns, uint64_t to_ns)
{
	uint64_t us = to_ns > from_ns ? (to_ns - from_ns) / 1000 : 0;
	uint32_t bin = us < HIST_US ? (uint32_t)us : HIST_US;

	h->bins[bin]++;
	h->count++;
	if (bin > h->max_us)
		h->max_us = bin;
}

double hist_ms(const struct hist *h, double part)
{
	uint64_t want = (uint64_t)((double)h->count * part), seen = 0;

	for (uint32_t us = 0; us <= HIST_US; us++) {
		seen += h->bins[us];
		if (seen > want || (seen == h->count && seen))
			return us / 1000.0;
	}
	return 0;
}

/* --- timers: a wheel of lists, one slot a millisecond --- */

void timer_stop(struct timer *t)
{
	if (!t->link)
		return;
	*t->link = t->next;
	if (t->next)
		t->next->link = t->link;
	t->link = NULL;
}

void timer_start(struct gen *g, struct timer *t, uint32_t wait_ms)
{
	uint32_t at = now_ms(g);
	struct timer **slot;

	timer_stop(t);
	/* A slot that was run already would come round only after a minute. */
	at = (at > g->wheel_ms ? at : g->wheel_ms) + (wait_ms ? wait_ms : 1);
	slot = &g->wheel[at % WHEEL_MS];
	t->next = *slot;
	if (t->next)
		t->next->link = &t->next;
	t->link = slot;
	*slot = t;
}

void timers_run(struct gen *g, void (*fire)(struct gen *g, struct timer *t))
{
	uint32_t now = now_ms(g);

	while (g->wheel_ms < now) {
		struct timer **slot = &g->wheel[++g->wheel_ms % WHEEL_MS];

		while (*slot) {
			struct timer *t = *slot;

			timer_stop(t);
			fire(g, t);
		}
	}
}

/* --- sockets --- */

static void side_prepare(struct side *s)
{
	for (unsigned i = 0; i < BATCH; i++) {
		s->in_iov[i] = (struct iovec){ .iov_base = s->in_bytes[i], .iov_len = MESSAGE_BYTES };
		s->in[i].msg_hdr = (struct msghdr){ .msg_name = &s->in_from[i],
						    .msg_iov = &s->in_iov[i],
						    .msg_iovlen = 1,
						    .msg_control = s->in_control[i] };
	}
}

void side_open(struct side *s, uint16_t port)
{
	int size = 8 << 20, on = 1;
	socklen_t len = sizeof(s->addr);

	s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		die("socket");
	if (setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(s->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)))
		die("time stamps");
	s->addr.sin_family = AF_INET;
	s->addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->addr.sin_port = htons(port);
	if (bind(s->fd, (struct sockaddr *)&s->addr, sizeof(s->addr)) ||
	    getsockname(s->fd, (struct sockaddr *)&s->addr, &len))
		die("bind");
	side_prepare(s);
}

uint16_t side_port(const struct side *s)
{
	return ntohs(s->addr.sin_port);
}

void side_flush(struct side *s)
{
	unsigned done = 0;

	while (done < s->queued) {
		int n = sendmmsg(s->fd, s->out + done, s->queued - done, 0);

		if (n < 0 && errno != EINTR && errno != EAGAIN && errno != ECONNREFUSED)
			die("send");
		done += n > 0 ? (unsigned)n : 0;
	}
	s->queued = 0;
}

const char *side_send(struct side *s, const struct sockaddr_in *to, size_t *len, const char *fmt, ...)
{
	struct msghdr *m;
	va_list ap;
	unsigned i;
	int n;

	if (s->queued == BATCH)
		side_flush(s);
	i = s->queued++;
	m = &s->out[i].msg_hdr;
	va_start(ap, fmt);
	n = vsnprintf(s->out_bytes[i], MESSAGE_BYTES, fmt, ap);
	va_end(ap);
	if (n < 0 || n >= MESSAGE_BYTES) {
		errno = EMSGSIZE;
		die("message");
	}
	s->out_iov[i] = (struct iovec){ .iov_base = s->out_bytes[i], .iov_len = (size_t)n };
	s->out_to[i] = *to;
	*m = (struct msghdr){
		.msg_name = &s->out_to[i], .msg_namelen = sizeof(*to), .msg_iov = &s->out_iov[i], .msg_iovlen = 1
	};
	if (len)
		*len = (size_t)n;
	return s->out_bytes[i];
}

static uint64_t arrived_ns(struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	struct timespec t;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
		return wall_ns();
	memcpy(&t, CMSG_DATA(c), sizeof(t));
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

bool side_receive(struct gen *g, struct side *s)
{
	int n;

	for (int i = 0; i < BATCH; i++) {
		s->in[i].msg_hdr.msg_namelen = sizeof(s->in_from[i]);
		s->in[i].msg_hdr.msg_controllen = sizeof(s->in_control[i]);
	}
	n = recvmmsg(s->fd, s->in, BATCH, 0, NULL);
	if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNREFUSED)
		die("receive");
	for (int i = 0; i < n; i++) {
		struct arrival a = { .bytes = s->in_bytes[i],
				     .n = s->in[i].msg_len,
				     .from = s->in_from[i],
				     .at_ns = arrived_ns(&s->in[i].msg_hdr) };

		a.bytes[a.n] = '\0';
		s->take(g, &a);
	}
	return n > 0;
}

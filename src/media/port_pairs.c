/* Which pair of ports a call gets. A pair that was used rests for a while with its sockets open, and is taken again when by then nobody
 * sends there any more: a party that does not stop after its call must not be heard in somebody else's. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/loop.h"
#include "media/port_impl.h"
#include "net/sock.h"

enum {
	BIND_TRIES = 64,
	KEPT = 2048,
	SHARE = 4, /* and no more of the range than one in so many: others may have to do with the same ports */
	REST_MS = 1000,
	CHOICE =
		128, /* so many have rested before one of them is taken: nobody outside can tell the port of the next call */
	LOOKS = 4, /* at rested ones on which something came, for one that is quiet */
	LATE = 64, /* packets thrown away at a look */
	RTCP_BYTES = 8192,
};

static uint32_t first_pair(const struct media_opts *o)
{
	return ((uint32_t)o->port_min + 1) / 2;
}

static uint32_t end_pair(const struct media_opts *o)
{
	return ((uint32_t)o->port_max + 1) / 2;
}

bool pairs_in(const struct media_opts *o)
{
	return first_pair(o) && first_pair(o) < end_pair(o);
}

/* --- without sockets --- */

static uint32_t take_free(struct pairs *s)
{
	uint32_t number = s->free[s->head];

	s->head = (s->head + 1) % PAIRS;
	s->count--;
	return number;
}

static void give_free(struct pairs *s, uint32_t number)
{
	const struct media_opts *o = &s->media->opts;

	if (number >= first_pair(o) && number < end_pair(o)) /* not of a range that was */
		s->free[(s->head + s->count++) % PAIRS] = (uint16_t)number;
}

/* Shuffled, for the same reason as CHOICE. */
static void fill(struct pairs *s)
{
	struct media *m = s->media;
	uint32_t n = 0;

	for (uint32_t number = first_pair(&m->opts); number < end_pair(&m->opts); number++) {
		uint32_t at;

		if (m->ports[number])
			continue;
		at = loop_random_below(m->opts.loop, n + 1);
		s->free[n++] = s->free[at];
		s->free[at] = (uint16_t)number;
	}
	s->head = 0;
	s->count = n;
	s->most = (end_pair(&m->opts) - first_pair(&m->opts)) / SHARE;
	s->most = s->most < KEPT ? s->most : KEPT;
}

static void set_room(int fd, int bytes)
{
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

static int bind_pair(const struct media *m, struct pair *p)
{
	struct addr at = m->opts.bind;
	int err;

	addr_set_port(&at, pair_port(p->number));
	err = sock_udp(&p->fds[0], &at);
	if (err)
		return err;
	addr_set_port(&at, (uint16_t)(pair_port(p->number) + 1));
	err = sock_udp(&p->fds[1], &at);
	if (err)
		close(p->fds[0]);
	else
		set_room(p->fds[1], RTCP_BYTES); /* a report now and then; and nothing to take away while it rests */
	return err;
}

/* The next one that nobody else on this machine uses. */
static int bind_free(struct pairs *s, struct pair *out)
{
	uint32_t tries = s->count < BIND_TRIES ? s->count : BIND_TRIES;
	int err = EADDRINUSE;

	for (uint32_t i = 0; i < tries && err == EADDRINUSE; i++) {
		*out = (struct pair){ .number = take_free(s), .era = s->era };
		err = bind_pair(s->media, out);
		if (err)
			give_free(s, out->number);
	}
	return err == EADDRINUSE ? ENOSPC : err;
}

/* --- with sockets --- */

static void close_pair(const struct pair *p)
{
	close(p->fds[0]);
	close(p->fds[1]);
}

static struct kept_pair *kept_at(struct pairs *s, uint32_t i)
{
	return &s->kept[(s->kept_head + i) % KEPT];
}

/* Nobody reads it meanwhile: there is room to see that something came, and none for a flood to fill the memory that the kernel has for
 * all sockets. */
static void park(struct pairs *s, const struct pair *p)
{
	socklen_t len = sizeof(s->room);

	if (!s->room && getsockopt(p->fds[0], SOL_SOCKET, SO_RCVBUF, &s->room, &len))
		s->room = 0;
	set_room(p->fds[0], 0);
}

/* The kernel doubles what it is told. */
static void unpark(const struct pairs *s, const struct pair *p)
{
	if (s->room)
		set_room(p->fds[0], s->room / 2);
}

static void keep(struct pairs *s, const struct pair *p)
{
	*kept_at(s, s->kept_count++) = (struct kept_pair){ *p, loop_now_ms(s->media->opts.loop) + REST_MS };
}

static struct pair take_oldest(struct pairs *s)
{
	struct pair p = kept_at(s, 0)->pair;

	s->kept_head = (s->kept_head + 1) % KEPT;
	s->kept_count--;
	s->kept_due -= s->kept_due > 0;
	return p;
}

static bool nothing_came(int fd)
{
	int n = 0;
	char byte;

	while (n < LATE && recv(fd, &byte, 1, 0) >= 0)
		n++;
	return !n;
}

/* Of those that have rested. */
static struct pair take_any(struct pairs *s)
{
	struct kept_pair *any = kept_at(s, loop_random_below(s->media->opts.loop, s->kept_due)), picked = *any;

	*any = *kept_at(s, 0);
	*kept_at(s, 0) = picked;
	return take_oldest(s);
}

/* False: none has rested, or there are too few for the next one to be a surprise. */
static bool take_rested(struct pairs *s, struct pair *out)
{
	uint64_t now_ms = loop_now_ms(s->media->opts.loop);

	while (s->kept_due < s->kept_count && kept_at(s, s->kept_due)->due_ms <= now_ms)
		s->kept_due++;
	for (int i = 0; i < LOOKS && s->kept_due >= CHOICE; i++) {
		bool quiet;

		*out = take_any(s);
		quiet = nothing_came(out->fds[0]);
		if (nothing_came(out->fds[1]) && quiet) {
			unpark(s, out);
			return true;
		}
		keep(s, out);
	}
	return false;
}

static void close_kept(struct pairs *s)
{
	while (s->kept_count) {
		struct pair p = take_oldest(s);

		close_pair(&p);
		give_free(s, p.number);
	}
}

static bool wants_descriptors(int err)
{
	return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM;
}

int pairs_take(struct pairs *s, struct pair *out)
{
	int err;

	if (take_rested(s, out))
		return 0;
	err = bind_free(s, out);
	if (err == ENOSPC && s->kept_count) {
		*out = take_oldest(s);
		unpark(s, out);
		return 0;
	}
	if (!wants_descriptors(err) || !s->kept_count)
		return err;
	close_kept(s);
	return bind_free(s, out);
}

void pairs_give(struct pairs *s, const struct pair *p)
{
	if (p->era == s->era && s->kept_count < s->most) {
		park(s, p);
		keep(s, p);
		return;
	}
	close_pair(p);
	give_free(s, p->number);
}

/* --- the whole --- */

int pairs_init(struct pairs *s, struct media *m)
{
	s->media = m;
	s->free = calloc(PAIRS, sizeof(*s->free));
	s->kept = calloc(KEPT, sizeof(*s->kept));
	if (!s->free || !s->kept)
		return ENOMEM;
	fill(s);
	return 0;
}

void pairs_free(struct pairs *s)
{
	if (s->kept && s->free)
		close_kept(s);
	free(s->free);
	free(s->kept);
}

void pairs_refill(struct pairs *s)
{
	close_kept(s);
	s->era++;
	fill(s);
}

uint32_t pairs_count(const struct pairs *s)
{
	return s->count + s->kept_count;
}

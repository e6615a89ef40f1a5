#include "media/port_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/mq.h"
#include "base/str.h"
#include "media/coder.h"
#include "media/keys.h"
#include "media/offer_secure.h"
#include "media/source.h"
#include "net/sock.h"

enum { DEFAULT_LATCH_MS = 5000 };
enum { MAX_KEYS = 1024, MAX_ALARMS = 64 }; /* that may wait without a place of their own */
enum { LOCALS = 8192 };                    /* ports without a pair of sockets: numbered behind all pairs */

/* --- news of the workers --- */

static void on_closed(struct media *m, struct port *p, const struct worker_event *event)
{
	if (!event->heard)
		mq_unreserve(m->events, WORKER_EVENTS - 1);
	m->ports[p->pair] = NULL;
	*(p->pair < PAIRS ? &m->open : &m->locals) -= 1;
	p->seat->ports--;
	if (!p->local_end)
		pairs_give(&m->pairs, &(struct pair){ p->pair, { event->fds[0], event->fds[1] }, p->era });
	p->handlers->closed(p->arg, &event->stats);
	free(p);
}

static void on_event(void *arg, void *msg)
{
	const struct worker_event *event = msg;
	struct media *m = arg;
	struct port *p = m->ports[event->port];

	assert(p);
	switch (event->news) {
	case WORKER_HEARD:
		if (!p->closing && p->handlers->heard)
			p->handlers->heard(p->arg, &event->from);
		break;
	case WORKER_PLAYED:
		p->tasks--;
		p->handlers->played(p->arg, event->played.id, event->played.how);
		break;
	case WORKER_DETACHED:
		p->tasks--;
		p->handlers->detached(p->arg, event->detached.id, event->detached.sink);
		break;
	case WORKER_SINK_NEWS:
		if (p->handlers->news)
			p->handlers->news(p->arg, event->sink_news.id, event->sink_news.what);
		break;
	case WORKER_SILENCE:
		if (!p->closing)
			p->handlers->silence(p->arg, &event->silence);
		break;
	case WORKER_KEY:
		if (!p->closing && p->handlers->key)
			p->handlers->key(p->arg, event->key);
		break;
	case WORKER_MOVED:
		port_moved(p, event->moved);
		break;
	case WORKER_CLOSED:
		on_closed(m, p, event);
		break;
	}
}

/* --- the whole --- */

static int open_seats(struct media *m)
{
	struct worker_opts o = {
		.loop = m->opts.threads ? NULL : m->opts.loop,
		.from = m->opts.loop,
		.events = m->events,
		.max_ports = PAIRS + LOCALS,
		.latch_ms = m->opts.latch_ms,
	};
	int err = 0;

	for (unsigned i = 0; i < m->seat_count && !err; i++)
		err = worker_new(&m->seats[i].worker, &o);
	return err;
}

int media_new(struct media **out, const struct media_opts *opts)
{
	unsigned seats = opts->threads ? opts->threads : 1;
	struct media *m;
	int err = ENOMEM;

	if (!pairs_in(opts))
		return EINVAL;
	m = calloc(1, sizeof(*m) + seats * sizeof(m->seats[0]));
	if (!m)
		return ENOMEM;
	m->opts = *opts;
	m->opts.latch_ms = opts->latch_ms ? opts->latch_ms : DEFAULT_LATCH_MS;
	m->seat_count = seats;
	list_init(&m->held);
	m->ports = calloc(PAIRS + LOCALS, sizeof(struct port *));
	if (!m->ports || pairs_init(&m->pairs, m))
		goto out;
	err = mq_new(&m->events, opts->loop, sizeof(struct worker_event), MAX_KEYS + MAX_ALARMS, on_event, m);
	if (!err)
		err = open_seats(m);
	if (err)
		goto out;
	*out = m;
	m = NULL;
out:
	media_free(&m);
	return err;
}

void media_free(struct media **media)
{
	struct media *m = *media;

	if (!m)
		return;
	assert(!m->open && !m->locals);
	for (unsigned i = 0; i < m->seat_count; i++)
		worker_free(&m->seats[i].worker);
	mq_free(&m->events);
	pairs_free(&m->pairs);
	free(m->ports);
	free(m);
	*media = NULL;
}

int media_try(const struct media_opts *to)
{
	struct addr at = to->bind;
	int fd, err;

	if (!pairs_in(to))
		return EINVAL;
	addr_set_port(&at, 0);
	err = sock_udp(&fd, &at);
	if (!err)
		close(fd);
	return err;
}

void media_move(struct media *m, const struct media_opts *to)
{
	assert(pairs_in(to));
	m->opts.bind = to->bind;
	m->opts.advertise = to->advertise;
	m->opts.port_min = to->port_min;
	m->opts.port_max = to->port_max;
	pairs_refill(&m->pairs);
}

size_t media_ports_open(const struct media *m)
{
	return m->open;
}

size_t media_ports_free(const struct media *m)
{
	return pairs_count(&m->pairs);
}

/* --- one port --- */

static struct seat *least_busy(struct media *m)
{
	struct seat *best = &m->seats[0];

	for (unsigned i = 1; i < m->seat_count; i++) {
		if (m->seats[i].ports < best->ports)
			best = &m->seats[i];
	}
	return best;
}

/* Places for everything that must arrive, now and later. */
static int reserve(struct media *m, struct seat *seat)
{
	int err = mq_reserve(m->events, WORKER_EVENTS);

	if (err)
		return err;
	err = worker_reserve(seat->worker);
	if (err)
		mq_unreserve(m->events, WORKER_EVENTS);
	return err;
}

/* The worker's half, still here: nothing can be done with a packet before the port has agreed on something, and one
 * wake of the worker for both is cheaper. On error the sockets are still the caller's. */
static int make_half(struct port *p, const int fds[2])
{
	int err;

	p->half = worker_port_new(fds[0], fds[1]);
	if (!p->half)
		return ENOMEM;
	err = reserve(p->media, p->seat);
	if (err)
		worker_port_free(&p->half);
	return err;
}

int port_open(struct port **out, struct media *m, const struct port *near, const struct port_handlers *h, void *arg)
{
	struct port *p = malloc(sizeof(*p));
	struct pair pair;
	int err;

	if (!p)
		return ENOMEM;
	err = pairs_take(&m->pairs, &pair);
	if (err)
		goto out;
	*p = (struct port){ .media = m, .handlers = h, .arg = arg, .pair = pair.number, .era = pair.era };
	p->local = m->opts.advertise.sa.sa_family == AF_UNSPEC ? m->opts.bind : m->opts.advertise;
	addr_set_port(&p->local, pair_port(pair.number));
	p->seat = p->at = near ? near->seat : least_busy(m);
	err = make_half(p, pair.fds);
	if (err) {
		pairs_give(&m->pairs, &pair);
		goto out;
	}
	m->ports[pair.number] = p;
	m->open++;
	p->seat->ports++;
	*out = p;
	p = NULL;
out:
	free(p);
	return err;
}

/* Only memory can be missing here; the call then lives on as it was. */
static void send_command(struct port *p, struct port *other, const struct worker_command *c)
{
	if (port_send(p, other, c))
		log_printf(LOG_ERROR, NULL, "media: no memory for a command");
}

/* Give the sockets to the worker, before its first command about them. */
static void hand_over(struct port *p)
{
	if (!p->half)
		return;
	worker_send(p->at->worker, &(struct worker_command){ .verb = WORKER_OPEN, .port = p->pair, .opened = p->half });
	p->half = NULL;
}

/* The next number that no local port has. False: there is none. */
static bool take_local(struct media *m, uint32_t *number)
{
	if (m->locals == LOCALS)
		return false;
	do {
		*number = PAIRS + m->next_local;
		m->next_local = (m->next_local + 1) % LOCALS;
	} while (m->ports[*number]);
	m->locals++;
	return true;
}

/* Room for one half, and its number. 0 or errno. */
static int seat_local(struct port **out, struct media *m, struct seat *seat)
{
	struct port *p = calloc(1, sizeof(*p));
	int err = p ? reserve(m, seat) : ENOMEM;

	if (!err && !take_local(m, &p->pair)) {
		mq_unreserve(m->events, WORKER_EVENTS);
		worker_unreserve(seat->worker);
		err = ENOSPC;
	}
	if (err) {
		free(p);
		return err;
	}
	p->media = m;
	p->seat = p->at = seat;
	p->local_end = true;
	m->ports[p->pair] = p;
	seat->ports++;
	*out = p;
	return 0;
}

static void unseat_local(struct port *p)
{
	mq_unreserve(p->media->events, WORKER_EVENTS);
	worker_unreserve(p->seat->worker);
	p->media->ports[p->pair] = NULL;
	p->media->locals--;
	p->seat->ports--;
	free(p);
}

int port_open_pair(struct port *out[2], struct media *m, const struct port *near, const struct port_handlers *h,
		   void *const args[2])
{
	struct seat *seat = near ? near->seat : least_busy(m);
	struct worker_port *halves[2];
	struct port *p[2];
	int err = seat_local(&p[0], m, seat);

	if (err)
		return err;
	err = seat_local(&p[1], m, seat);
	if (!err && (err = worker_port_new_pair(halves)))
		unseat_local(p[1]);
	if (err) {
		unseat_local(p[0]);
		return err;
	}
	for (int i = 0; i < 2; i++) {
		p[i]->handlers = h;
		p[i]->arg = args[i];
		p[i]->half = halves[i];
		out[i] = p[i];
	}
	/* The halves know each other: no command may meet one before both are there. */
	hand_over(p[0]);
	hand_over(p[1]);
	return 0;
}

void port_local(const struct port *p, struct addr *out)
{
	*out = p->local;
}

static void tell(struct port *p, const struct worker_command *c)
{
	assert(!p->closing);
	hand_over(p);
	send_command(p, NULL, c);
}

void port_agree(struct port *p, const struct media_agreed *agreed)
{
	struct worker_command c = { .verb = WORKER_AGREE, .port = p->pair, .agree.media = *agreed };

	c.agree.secured = agreed->keys;
	c.agree.media.keys = NULL; /* the leg's, and of this thread */
	if (agreed->keys) {
		c.agree.keys = malloc(sizeof(*c.agree.keys));
		if (c.agree.keys)
			media_keys_pair(agreed->keys, c.agree.keys);
	}
	assert(!p->closing);
	hand_over(p);
	if (port_send(p, NULL, &c)) {
		log_printf(LOG_ERROR, NULL, "media: no memory for a command");
		worker_keys_free(&c.agree.keys);
	}
}

static void connect_ports(enum worker_verb verb, struct port *a, struct port *b)
{
	assert(a != b && a->seat == b->seat && !a->closing && !b->closing);
	hand_over(b);
	hand_over(a);
	send_command(a, b, &(struct worker_command){ .verb = verb, .port = a->pair, .other = b->pair });
}

void port_join(struct port *a, struct port *b)
{
	connect_ports(WORKER_JOIN, a, b);
}

bool port_can_join(enum codec_id a, enum codec_id b)
{
	return a == b || (coder_has(a) && coder_has(b));
}

bool port_is_near(const struct port *a, const struct port *b)
{
	return a->seat == b->seat;
}

void port_feed(struct port *from, struct port *to)
{
	connect_ports(WORKER_FEED, from, to);
}

void port_part(struct port *p)
{
	tell(p, &(struct worker_command){ .verb = WORKER_PART, .port = p->pair });
}

/* A command whose end comes back as an event with a place of its own. */
static int send_task(struct port *p, const struct worker_command *c)
{
	int err = mq_reserve(p->media->events, 1);

	assert(!p->closing);
	if (err)
		return err;
	hand_over(p);
	err = port_send(p, NULL, c);
	if (err)
		mq_unreserve(p->media->events, 1);
	else
		p->tasks++;
	return err;
}

static int give_source(struct port *p, const struct worker_play *play)
{
	int err = send_task(p, &(struct worker_command){ .verb = WORKER_PLAY, .port = p->pair, .play = *play });

	if (err)
		play->source->ops->free(play->source);
	return err;
}

int port_play(struct port *p, uint32_t id, struct source *s, float gain)
{
	return give_source(p, &(struct worker_play){ .id = id, .gain = gain, .source = s });
}

int port_fill(struct port *p, uint32_t id, struct source *s, float gain)
{
	return give_source(p, &(struct worker_play){ .id = id, .gain = gain, .fills = true, .source = s });
}

void port_control(struct port *p, uint32_t id, enum port_control verb, float gain)
{
	tell(p, &(struct worker_command){ .verb = WORKER_CONTROL, .port = p->pair, .control = { id, verb, gain } });
}

int port_attach(struct port *p, uint32_t id, struct sink *s)
{
	return send_task(p, &(struct worker_command){ .verb = WORKER_ATTACH, .port = p->pair, .attach = { id, s } });
}

void port_detach(struct port *p, uint32_t id)
{
	tell(p, &(struct worker_command){ .verb = WORKER_DETACH, .port = p->pair, .other = id });
}

void port_expect(struct port *p, uint32_t silence_ms)
{
	tell(p, &(struct worker_command){ .verb = WORKER_EXPECT, .port = p->pair, .silence_ms = silence_ms });
}

int port_send_keys(struct port *p, uint32_t id, const char *text)
{
	struct worker_command c = { .verb = WORKER_KEYS, .port = p->pair };
	int err;

	assert(key_text_ok(text));
	c.keys.id = id;
	c.keys.text = str_heap(str_of(text));
	err = c.keys.text ? send_task(p, &c) : ENOMEM;
	if (err)
		free(c.keys.text);
	return err;
}

void port_press(struct port *p, char key)
{
	assert(key_is(key));
	tell(p, &(struct worker_command){ .verb = WORKER_PRESS, .port = p->pair, .key = key });
}

void port_watch_keys(struct port *p, bool on)
{
	tell(p, &(struct worker_command){ .verb = WORKER_WATCH, .port = p->pair, .on = on });
}

void port_denoise(struct port *p, bool on)
{
	tell(p, &(struct worker_command){ .verb = WORKER_DENOISE, .port = p->pair, .on = on });
}

bool port_can_decode(enum codec_id codec)
{
	return coder_has(codec);
}

bool port_keys_ok(const char *text)
{
	return key_text_ok(text);
}

void port_close(struct port *p)
{
	tell(p, &(struct worker_command){ .verb = WORKER_CLOSE, .port = p->pair });
	p->closing = true;
}

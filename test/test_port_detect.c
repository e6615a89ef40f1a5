/* What sinks find out, on its way from the workers to the signal thread. */
#include "check.h"
#include "own_net.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/loop.h"
#include "media/detector.h"
#include "media/port.h"

enum { PORTS = 40, MAX_NEWS = 16 };

struct leg {
	struct port *port;
	unsigned news[MAX_NEWS];
	size_t count;
	unsigned detached, closed;
	bool over; /* the detector itself says so */
};

struct world {
	struct loop *loop;
	struct media *media;
	struct leg legs[PORTS];
};

static void on_news(void *arg, uint32_t id, unsigned what)
{
	struct leg *l = arg;

	CHECK_INT(7, id);
	CHECK_INT(0, l->detached);
	if (l->count < MAX_NEWS)
		l->news[l->count++] = what;
}

static void on_detached(void *arg, uint32_t id, struct sink *s)
{
	struct leg *l = arg;

	CHECK_INT(0, l->closed);
	l->detached++;
	s->ops->free(s);
}

static void on_detector_detached(void *arg, uint32_t id, struct sink *s)
{
	struct leg *l = arg;
	unsigned what;

	while ((what = detector_take(detector_of(s))))
		l->news[l->count++] = what;
	l->over = detector_is_over(detector_of(s));
	on_detached(arg, id, s);
}

static void on_closed(void *arg, const struct port_stats *stats)
{
	((struct leg *)arg)->closed++;
}

static const struct port_handlers handlers = { .news = on_news, .detached = on_detached, .closed = on_closed };
static const struct port_handlers detector_handlers = {
	.news = on_news,
	.detached = on_detector_detached,
	.closed = on_closed,
};

static void begin(struct world *w, unsigned threads)
{
	struct media_opts o = { .port_min = 25000, .port_max = 25399, .threads = threads };

	*w = (struct world){ 0 };
	assert_int_equal(loop_new(&w->loop, !threads, 7), 0);
	o.loop = w->loop;
	own_addr(4, 0, &o.bind);
	assert_int_equal(media_new(&w->media, &o), 0);
}

static void end(struct world *w)
{
	for (size_t i = 0; i < PORTS; i++) {
		if (w->legs[i].port)
			port_close(w->legs[i].port);
	}
	while (media_ports_open(w->media))
		loop_turn(w->loop);
	media_free(&w->media);
	loop_free(&w->loop);
}

/* --- a sink that counts --- */

struct counter {
	struct sink base;
	unsigned pushes;
};

static bool push(struct sink *s, const int16_t *said, const int16_t *heard, size_t count, uint32_t rate_hz)
{
	struct counter *c = (struct counter *)(void *)s;

	if (++c->pushes % 3 == 0)
		s->news = c->pushes;
	return c->pushes < 9;
}

static void free_counter(struct sink *s)
{
	free(s);
}

static const struct sink_ops counter_ops = { .push = push, .free = free_counter };

static void in_order_and_before_the_end(void **state)
{
	struct counter *c = calloc(1, sizeof(*c));
	struct world w;
	struct leg *l = &w.legs[0];

	begin(&w, 0);
	c->base = (struct sink){ .ops = &counter_ops, .wants = SINK_SAID, .rate_hz = 8000 };
	assert_int_equal(port_open(&l->port, w.media, NULL, &handlers, l), 0);
	CHECK_INT(0, port_attach(l->port, 7, &c->base));
	loop_run_until(w.loop, loop_now_ms(w.loop) + 1000);
	CHECK_INT(1, l->detached);
	CHECK_INT(3, l->count);
	for (unsigned i = 0; i < 3; i++)
		CHECK_INT(3 * (i + 1), l->news[i]);
	end(&w);
}

/* Nobody speaks: half of them say so after 100 ms, the others are detached or closed at any moment. */
static void detectors_on_threads(void **state)
{
	struct detector_opts opts = { .machine = true, .rules = { .initial_ms = 100 }, .tone = DETECTOR_CED };
	struct world w;
	size_t open = PORTS;

	begin(&w, 2);
	for (size_t i = 0; i < PORTS; i++) {
		struct leg *l = &w.legs[i];
		struct detector *d;

		opts.rules.initial_ms = i % 2 ? 60000 : 100;
		assert_int_equal(detector_new(&d, &opts), 0);
		assert_int_equal(port_open(&l->port, w.media, NULL, &detector_handlers, l), 0);
		CHECK_INT(0, port_attach(l->port, 7, detector_sink(d)));
	}
	for (size_t i = 1; i < PORTS; i += 4)
		port_detach(w.legs[i].port, 7);
	while (open) {
		loop_turn(w.loop);
		open = 0;
		for (size_t i = 0; i < PORTS; i++)
			open += i % 4 != 3 && !w.legs[i].detached;
	}
	end(&w);
	for (size_t i = 0; i < PORTS; i++) {
		CHECK_INT(1, w.legs[i].detached);
		CHECK_INT(1, w.legs[i].closed);
		CHECK_INT(i % 2 == 0, w.legs[i].over);
		CHECK_INT(i % 2 == 0, w.legs[i].count);
		CHECK(i % 2 || w.legs[i].news[0] == DETECT_NOBODY);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = { TEST(in_order_and_before_the_end), TEST(detectors_on_threads) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

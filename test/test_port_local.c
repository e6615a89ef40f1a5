#include "check.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/loop.h"
#include "media/port.h"
#include "media/sink.h"
#include "media/source.h"

enum { RATE = 16000, SECONDS = 4 };

struct tone {
	struct source source;
	double hz;
	size_t at, count;
	bool *freed;
};

struct ear {
	struct sink sink;
	size_t count;
	char keys[16];
	int16_t said[RATE * SECONDS];
};

struct party {
	struct port *port;
	unsigned closed, played, detached;
	enum port_played how;
	char keys[40];
	bool tone_freed;
	struct ear ear;
};

struct world {
	struct loop *loop;
	struct media *media;
	unsigned threads; /* 0 = virtual time */
	struct party p[4];
};

/* --- doors --- */

static void on_played(void *arg, uint32_t id, enum port_played how)
{
	struct party *p = arg;

	p->played++;
	p->how = how;
}

static void on_detached(void *arg, uint32_t id, struct sink *s)
{
	((struct party *)arg)->detached++;
}

static void on_key(void *arg, char key)
{
	struct party *p = arg;
	size_t n = strlen(p->keys);

	if (n + 1 < sizeof(p->keys)) {
		p->keys[n] = key;
		p->keys[n + 1] = '\0';
	}
}

static void on_closed(void *arg, const struct port_stats *stats)
{
	struct party *p = arg;

	CHECK_INT(0, stats->packets_in + stats->packets_out);
	p->closed++;
	p->port = NULL;
}

static const struct port_handlers handlers = {
	.played = on_played, .detached = on_detached, .key = on_key, .closed = on_closed
};

static size_t pull(struct source *s, int16_t *out, size_t count, uint32_t rate_hz)
{
	struct tone *t = (struct tone *)(void *)s;
	size_t n = t->count - t->at < count ? t->count - t->at : count;

	for (size_t i = 0; i < n; i++, t->at++)
		out[i] = (int16_t)lrint(8000 * sin(2 * M_PI * t->hz * (double)t->at / rate_hz));
	memset(out + n, 0, (count - n) * sizeof(*out));
	return n;
}

static void free_tone(struct source *s)
{
	struct tone *t = (struct tone *)(void *)s;

	*t->freed = true;
	free(t);
}

static struct source *tone(struct party *p, double hz, unsigned ms)
{
	static const struct source_ops ops = { .pull = pull, .free = free_tone };
	struct tone *t = calloc(1, sizeof(*t));

	*t = (struct tone){ { &ops }, hz, 0, (size_t)ms * RATE / 1000, &p->tone_freed };
	return &t->source;
}

static bool push(struct sink *s, const int16_t *said, const int16_t *heard, size_t count, uint32_t rate_hz)
{
	struct ear *e = (struct ear *)(void *)s;

	if (e->count + count <= ARRAY_LEN(e->said))
		memcpy(e->said + e->count, said, count * sizeof(*said));
	e->count += count;
	return true;
}

static void hear_key(struct sink *s, char key)
{
	struct ear *e = (struct ear *)(void *)s;
	size_t n = strlen(e->keys);

	if (n + 1 < sizeof(e->keys))
		e->keys[n] = key;
}

static void listen_at(struct party *p)
{
	static const struct sink_ops ops = { .push = push, .digit = hear_key };

	p->ear.sink = (struct sink){ &ops, SINK_SAID, RATE, 0 };
	CHECK_INT(0, port_attach(p->port, 1, &p->ear.sink));
}

/* --- the world: 0 and 1 are a pair, 2 and 3 another on the same worker --- */

static struct world *begin(unsigned threads)
{
	struct media_opts o = { .port_min = 23000, .port_max = 23999, .threads = threads };
	struct world *w = calloc(1, sizeof(*w));

	assert_int_equal(loop_new(&w->loop, !threads, 3), 0);
	w->threads = threads;
	o.loop = w->loop;
	assert_int_equal(addr_parse(&o.bind, STR("127.0.0.1"), 0), 0);
	assert_int_equal(media_new(&w->media, &o), 0);
	return w;
}

static void open_pair(struct world *w, unsigned first, const struct port *near)
{
	void *const args[2] = { &w->p[first], &w->p[first + 1] };
	struct port *ports[2];

	assert_int_equal(port_open_pair(ports, w->media, near, &handlers, args), 0);
	w->p[first].port = ports[0];
	w->p[first + 1].port = ports[1];
}

static void stop(void *arg)
{
	loop_stop(arg);
}

static void run(struct world *w, uint64_t ms)
{
	struct loop_timer timer = { .active = false };

	if (!w->threads) {
		loop_run_until(w->loop, loop_now_ms(w->loop) + ms);
		return;
	}
	loop_timer_start(w->loop, &timer, ms, stop, w->loop);
	loop_run(w->loop);
}

static void close_at(struct party *p)
{
	if (p->port)
		port_close(p->port);
}

static void end(struct world *w)
{
	for (int i = 0; i < 4; i++)
		close_at(&w->p[i]);
	run(w, 100);
	for (int i = 0; i < 4; i++)
		CHECK(!w->p[i].port);
	media_free(&w->media);
	CHECK_INT(0, loop_timer_count(w->loop));
	loop_free(&w->loop);
	free(w);
}

static double level(const struct ear *e, double hz, unsigned from_ms, unsigned to_ms)
{
	double re = 0, im = 0;
	size_t n = 0;

	for (size_t i = (size_t)from_ms * 16; i < (size_t)to_ms * 16 && i < e->count; i++, n++) {
		re += e->said[i] * cos(2 * M_PI * hz * (double)n / RATE);
		im += e->said[i] * sin(2 * M_PI * hz * (double)n / RATE);
	}
	return n ? 2 * sqrt(re * re + im * im) / (double)n : 0;
}

/* --- */

/* What is played to the party of one is what the party of the other says: every sample of it, 20 ms later. */
static void one_hears_the_other(void **state)
{
	struct world *w = begin(0);
	size_t first = 0;

	open_pair(w, 0, NULL);
	CHECK_INT(0, media_ports_open(w->media)); /* no pair of sockets is taken */
	listen_at(&w->p[1]);
	run(w, 100);
	CHECK_INT(0, port_play(w->p[0].port, 1, tone(&w->p[0], 5000, 1000), 1));
	run(w, 1500);
	CHECK_INT(1, w->p[0].played);
	CHECK_INT(PORT_PLAYED, w->p[0].how);
	CHECK(w->p[0].tone_freed);
	while (first < w->p[1].ear.count && !w->p[1].ear.said[first])
		first++;
	CHECK(first >= 16 * 100 && first <= 16 * 160);
	for (size_t i = 0; i < 1000 * 16; i++) /* 5 kHz: not the telephone's 4 */
		if (w->p[1].ear.said[first - 1 + i] != (int16_t)lrint(8000 * sin(2 * M_PI * 5000 * (double)i / RATE))) {
			CHECK(!"every sample as it was");
			break;
		}
	CHECK(level(&w->p[1].ear, 5000, 1200, 1500) < 1);
	end(w);
}

/* As keys, whatever is in the audio; and a second way in which the same ones come does not double them. */
static void keys_are_keys(void **state)
{
	struct world *w = begin(0);

	open_pair(w, 0, NULL);
	listen_at(&w->p[1]);
	port_watch_keys(w->p[1].port, true);
	CHECK_INT(0, port_play(w->p[0].port, 1, tone(&w->p[0], 440, 3000), 1));
	CHECK_INT(0, port_send_keys(w->p[0].port, 2, "12wA#"));
	run(w, 3500);
	CHECK_STR("12A#", w->p[1].keys);
	CHECK_STR("12A#", w->p[1].ear.keys);
	CHECK_STR("", w->p[0].keys);
	CHECK_INT(2, w->p[0].played);
	CHECK(level(&w->p[1].ear, 697, 0, 3000) < 100); /* of the tone of 1, 2 and A */
	end(w);
}

/* Two documents behind each other: audio and keys go through both joints, both ways. */
static void through_a_chain(void **state)
{
	struct world *w = begin(0);

	open_pair(w, 0, NULL);
	open_pair(w, 2, w->p[0].port);
	port_join(w->p[1].port, w->p[2].port);
	listen_at(&w->p[3]);
	listen_at(&w->p[0]);
	run(w, 40);
	CHECK_INT(0, port_play(w->p[0].port, 1, tone(&w->p[0], 1000, 1000), 1));
	CHECK_INT(0, port_play(w->p[3].port, 1, tone(&w->p[3], 700, 1000), 1));
	CHECK_INT(0, port_send_keys(w->p[3].port, 2, "W9"));
	run(w, 2000);
	CHECK(level(&w->p[3].ear, 1000, 200, 900) > 7900);
	CHECK(level(&w->p[3].ear, 700, 200, 900) < 50);
	CHECK(level(&w->p[0].ear, 700, 200, 900) > 7900);
	CHECK_STR("9", w->p[0].keys);
	port_part(w->p[1].port);
	CHECK_INT(0, port_play(w->p[0].port, 3, tone(&w->p[0], 1000, 1000), 1));
	run(w, 1200);
	CHECK(level(&w->p[3].ear, 1000, 2100, 3000) < 1);
	end(w);
}

/* Noise is taken out of what the far end says, on its way to the next one. */
static void denoised(void **state)
{
	struct world *w = begin(0);

	open_pair(w, 0, NULL);
	open_pair(w, 2, w->p[0].port);
	port_join(w->p[1].port, w->p[2].port);
	port_denoise(w->p[1].port, true);
	listen_at(&w->p[3]);
	CHECK_INT(0, port_play(w->p[0].port, 1, tone(&w->p[0], 1000, 3500), 1)); /* a hum */
	run(w, 3500);
	CHECK(level(&w->p[3].ear, 1000, 2500, 3400) < 4000);
	end(w);
}

static void one_is_closed_before_the_other(void **state)
{
	struct world *w = begin(0);

	open_pair(w, 0, NULL);
	listen_at(&w->p[1]);
	CHECK_INT(0, port_play(w->p[0].port, 1, tone(&w->p[0], 1000, 1000), 1));
	CHECK_INT(0, port_play(w->p[1].port, 1, tone(&w->p[1], 1000, 1000), 1));
	CHECK_INT(0, port_send_keys(w->p[0].port, 2, "W1"));
	run(w, 300);
	port_close(w->p[1].port);
	run(w, 50);
	CHECK_INT(1, w->p[1].closed);
	CHECK_INT(1, w->p[1].detached);
	CHECK_INT(PORT_GONE, w->p[1].how);
	CHECK_INT(0, w->p[0].closed);
	run(w, 2000);
	CHECK_INT(PORT_PLAYED, w->p[0].how);
	CHECK_INT(2, w->p[0].played);
	end(w);
}

static void there_are_so_many(void **state)
{
	enum { PAIRS = 4096 };
	struct world *w = begin(0);
	struct port **all = calloc(2 * PAIRS, sizeof(*all));
	struct party many = { .closed = 0 };
	void *const args[2] = { &many, &many };
	struct port *none[2];

	for (unsigned i = 0; i < PAIRS; i++)
		assert_int_equal(port_open_pair(&all[2 * i], w->media, NULL, &handlers, args), 0);
	CHECK_INT(ENOSPC, port_open_pair(none, w->media, NULL, &handlers, args));
	port_close(all[7]);
	run(w, 10);
	CHECK_INT(ENOSPC, port_open_pair(none, w->media, NULL, &handlers, args)); /* half of one */
	for (unsigned i = 0; i < 2 * PAIRS; i++)
		if (i != 7)
			port_close(all[i]);
	run(w, 10);
	CHECK_INT(2 * PAIRS, many.closed);
	free(all);
	end(w);
}

/* Real threads: pairs come, are joined with others, play, and go while they play. */
static void on_threads(void **state)
{
	struct world *w = begin(2);
	unsigned keys = 0;

	for (unsigned round = 0; round < 40; round++) {
		open_pair(w, 0, NULL);
		open_pair(w, 2, w->p[0].port);
		if (round % 2)
			port_join(w->p[1].port, w->p[2].port);
		for (unsigned i = 0; i < 4; i++) {
			w->p[i].ear.count = 0;
			listen_at(&w->p[i]);
			CHECK_INT(0, port_play(w->p[i].port, 2, tone(&w->p[i], 500, 20 + round), 1));
		}
		CHECK_INT(0, port_send_keys(w->p[0].port, 3, "5"));
		run(w, 60);
		for (unsigned i = 0; i < 4; i++)
			close_at(&w->p[(i + round) % 4]);
		while (w->p[0].port || w->p[1].port || w->p[2].port || w->p[3].port)
			run(w, 1);
		keys += (unsigned)strlen(w->p[1].keys);
		w->p[1].keys[0] = '\0';
	}
	CHECK(keys > 20);
	CHECK_INT(80, w->p[0].played);
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_hears_the_other), TEST(keys_are_keys),
		TEST(through_a_chain),     TEST(denoised),
		TEST(there_are_so_many),   TEST(one_is_closed_before_the_other),
		TEST(on_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

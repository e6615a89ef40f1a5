#include "check.h"

#include <pthread.h>
#include <stdatomic.h>

#include "net/ws_feed.h"

enum { PUTS = 200000, PLACES = 16 };

static void ring(void *arg)
{
	++*(unsigned *)arg;
}

static void the_oldest_goes(void **state)
{
	struct ws_feed *f, *again;
	unsigned rings = 0;
	char out[4];

	assert_int_equal(ws_feed_new(&f, 4, 3), 0);
	ws_feed_bell(f, ring, &rings);
	CHECK_INT(0, ws_feed_take(f, out));
	ws_feed_put(f, "a", 1);
	ws_feed_put(f, "bb", 2);
	CHECK_INT(1, rings); /* only who makes it not empty rings */
	CHECK_INT(1, ws_feed_take(f, out));
	CHECK(out[0] == 'a');
	ws_feed_put(f, "ccc", 3);
	ws_feed_put(f, "dddd", 4);
	ws_feed_put(f, "e", 1);
	CHECK_INT(1, ws_feed_lost(f));
	CHECK_INT(3, ws_feed_waiting(f));
	CHECK_INT(3, ws_feed_take(f, out));
	CHECK(!memcmp(out, "ccc", 3));
	CHECK_INT(4, ws_feed_take(f, out));
	CHECK(!memcmp(out, "dddd", 4));
	CHECK_INT(1, ws_feed_take(f, out));
	CHECK_INT(0, ws_feed_take(f, out));
	CHECK_INT(1, rings);
	ws_feed_put(f, "f", 1);
	CHECK_INT(2, rings);
	again = ws_feed_use(f);
	ws_feed_shut(f);
	ws_feed_drop(&f);
	CHECK(!f);
	ws_feed_put(again, "g", 1);
	CHECK_INT(1, ws_feed_waiting(again)); /* what was in it can still be taken out */
	CHECK_INT(2, rings);
	CHECK_INT(1, ws_feed_lost(again));
	CHECK_INT(1, ws_feed_take(again, out));
	CHECK_INT(0, ws_feed_take(again, out));
	ws_feed_drop(&again);
	ws_feed_drop(&again);
}

struct both {
	struct ws_feed *feed;
	atomic_uint rung, put;
};

static void count_ring(void *arg)
{
	struct both *b = arg;

	atomic_fetch_add(&b->rung, 1);
}

static void *put_all(void *arg)
{
	struct both *b = arg;

	for (uint32_t i = 1; i <= PUTS; i++) {
		ws_feed_put(b->feed, &i, sizeof(i));
		atomic_store(&b->put, i);
	}
	ws_feed_drop(&b->feed);
	return NULL;
}

/* Nothing is made up, doubled or out of order; what did not arrive was counted; nobody waits for a ring in vain. */
static void two_threads(void **state)
{
	struct both b = { .rung = 0 };
	struct ws_feed *mine;
	uint32_t last = 0, got = 0;
	pthread_t thread;

	assert_int_equal(ws_feed_new(&b.feed, sizeof(uint32_t), PLACES), 0);
	ws_feed_bell(b.feed, count_ring, &b);
	mine = ws_feed_use(b.feed);
	assert_int_equal(pthread_create(&thread, NULL, put_all, &b), 0);
	while (last < PUTS) {
		unsigned heard = atomic_load(&b.rung);
		uint32_t x = 0;

		if (!ws_feed_take(mine, &x)) {
			while (atomic_load(&b.rung) == heard && atomic_load(&b.put) < PUTS)
				;
			if (atomic_load(&b.put) == PUTS && !ws_feed_waiting(mine))
				break;
			continue;
		}
		CHECK(x > last);
		last = x;
		got++;
	}
	pthread_join(thread, NULL);
	CHECK_INT(PUTS, last);
	CHECK_INT(PUTS, got + ws_feed_lost(mine));
	ws_feed_drop(&mine);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { TEST(the_oldest_goes), TEST(two_threads) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

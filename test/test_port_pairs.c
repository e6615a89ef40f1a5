/* Pairs of ports that are used again with their sockets open. */
#include "port_world.h"

#include <dirent.h>
#include <errno.h>
#include <sys/resource.h>

enum { MANY = 150, REST_MS = 1000, ROUNDS = 40 }; /* more than have to rest before one is taken */
enum { MIN = 24000, MAX = 25999, PAIRS = (MAX + 1 - MIN) / 2 };

static struct leg legs[MANY];

static void open_many(struct world *w)
{
	for (size_t i = 0; i < MANY; i++)
		open_leg(w, &legs[i], NULL);
}

static void close_many(struct world *w)
{
	for (size_t i = 0; i < MANY; i++)
		close_leg(w, &legs[i]);
}

static size_t descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void nothing(void *arg)
{
}

/* A virtual clock goes on to what is due, so something has to be. */
static void pass(struct world *w, uint64_t ms)
{
	struct loop_timer t = { 0 };

	loop_timer_start(w->loop, &t, ms, nothing, NULL);
	loop_run_until(w->loop, loop_now_ms(w->loop) + ms);
}

/* Which of the many it has now; -1 = none. */
static int which(const struct leg *leg)
{
	for (int i = 0; i < MANY; i++)
		if (addr_equal(&leg->local, &legs[i].local))
			return i;
	return -1;
}

static void rested_ones_are_used_again(void **state)
{
	struct world w = world_of(NULL, MIN, MAX, 0);
	struct peer pa = peer_at(2), pb = peer_at(3);
	struct leg a, b;
	size_t before, had[MANY] = { 0 }, others = 0;
	char byte = 0;

	open_many(&w);
	close_many(&w);
	before = descriptors();
	open_leg(&w, &a, NULL);
	CHECK_INT(-1, which(&a)); /* they have not rested */
	close_leg(&w, &a);
	pass(&w, REST_MS + 1);
	for (int i = 0; i < ROUNDS; i++) {
		open_leg(&w, &a, NULL);
		open_leg(&w, &b, &a);
		others += which(&a) < 0; /* it may be the one from above */
		if (which(&a) >= 0)
			had[which(&a)]++;
		agree(&a, &pa);
		agree(&b, &pb);
		port_join(a.port, b.port);
		settle(&w);
		speak(&pa, PCMU_PT, 1, &a);
		check_hears(&w, pb.rtp, 1, PCMU_PT);
		close_leg(&w, &a);
		close_leg(&w, &b);
		pass(&w, REST_MS + 1);
	}
	CHECK(others <= 2);
	/* Not in an order that could be foretold: no pair comes much more often than another, and not the same few. */
	for (size_t i = 0, different = 0; i < MANY; i++) {
		CHECK(had[i] <= 5);
		different += had[i] > 0;
		CHECK(i + 1 < MANY || different > ROUNDS / 2);
	}
	CHECK(descriptors() <= before + 4); /* the ones from above */
	CHECK_INT(PAIRS, media_ports_free(w.media));
	CHECK_INT(-1, recv(pa.rtp, &byte, 1, MSG_DONTWAIT));
	end_peer(&pa);
	end_peer(&pb);
	end_world(&w);
	CHECK(descriptors() < before - 2 * MANY);
}

/* A party that goes on sending after its call: its port is nobody's until it stops. */
static void ones_that_are_not_quiet_wait(void **state)
{
	struct world w = world_of(NULL, MIN, MAX, 0);
	struct peer stale = peer_at(2);
	struct leg a;

	open_many(&w);
	close_many(&w);
	for (int i = 0; i < ROUNDS; i++) {
		for (size_t k = 0; k < MANY; k++) {
			if (k % 2)
				speak(&stale, PCMU_PT, 1, &legs[k]);
			else
				report(stale.rtcp, 1, rtcp_of(&legs[k]));
		}
		pass(&w, REST_MS + 1);
		open_leg(&w, &a, NULL);
		CHECK_INT(-1, which(&a));
		close_leg(&w, &a);
	}
	/* It has stopped; what is still there is thrown away at the next look. */
	for (int i = 0; i < 10 && which(&a) < 0; i++) {
		pass(&w, REST_MS + 1);
		for (int k = 0; k < ROUNDS && which(&a) < 0; k++) {
			open_leg(&w, &a, NULL);
			close_leg(&w, &a);
		}
	}
	CHECK(which(&a) >= 0);
	end_peer(&stale);
	end_world(&w);
}

/* Bytes that wait in the UDP socket of an address, by the kernel's own table. */
static unsigned long waiting(const struct addr *at)
{
	FILE *f = fopen("/proc/net/udp", "r");
	unsigned long bytes = 0, host, port, queue;
	char line[300];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, " %*d: %lx:%lx %*s %*x %*x:%lx", &host, &port, &queue) == 3 && port == addr_port(at) &&
		    host == at->in4.sin_addr.s_addr)
			bytes += queue;
	fclose(f);
	return bytes;
}

/* A flood at ports that nobody reads does not fill the kernel's memory; in use again they have all their room. */
static void ones_that_rest_take_no_flood(void **state)
{
	struct world w = world_of(NULL, MIN, MAX, 0);
	struct peer p = peer_at(2);
	struct addr rtcp;
	struct leg a;

	open_many(&w);
	for (int i = 0; i < 100; i++)
		speak(&p, PCMU_PT, 1, &legs[0]);
	CHECK(waiting(&legs[0].local) > 20000);
	close_many(&w);
	for (int i = 0; i < 100; i++)
		speak(&p, PCMU_PT, 1, &legs[1]);
	CHECK(waiting(&legs[1].local) > 0);
	CHECK(waiting(&legs[1].local) < 8000);
	rtcp = legs[1].local;
	addr_set_port(&rtcp, (uint16_t)(addr_port(&rtcp) + 1));
	for (int i = 0; i < 100; i++)
		send_bytes(p.rtp, (const uint8_t *)"\x80\xc9", 2, &rtcp);
	CHECK(waiting(&rtcp) > 0);
	CHECK(waiting(&rtcp) < 20000);
	pass(&w, REST_MS + 1);
	open_leg(&w, &a, NULL);
	CHECK(which(&a) > 1);
	for (int i = 0; i < 100; i++)
		speak(&p, PCMU_PT, 1, &a);
	CHECK(waiting(&a.local) > 20000);
	close_leg(&w, &a);
	end_peer(&p);
	end_world(&w);
}

static void another_address_has_other_sockets(void **state)
{
	struct media_opts to = { .port_min = MIN, .port_max = MAX };
	struct world w = world_of("127.0.0.1", MIN, MAX, 0);
	size_t before = descriptors();
	char text[ADDR_TEXT];
	struct leg a, b;

	open_many(&w);
	open_leg(&w, &a, NULL);
	close_many(&w);
	CHECK(descriptors() > before + 2 * MANY);
	addr_parse(&to.bind, STR("127.0.0.2"), 0);
	media_move(w.media, &to);
	CHECK_INT(before + 2, descriptors());
	close_leg(&w, &a); /* of the address that was: not kept */
	CHECK_INT(before, descriptors());
	pass(&w, REST_MS + 1);
	open_leg(&w, &b, NULL);
	CHECK_STR("127.0.0.2", addr_host(&b.local, text));
	close_leg(&w, &b);
	CHECK_INT(before + 2, descriptors());
	CHECK_INT(PAIRS, media_ports_free(w.media));
	end_world(&w);
	CHECK(descriptors() < before);
}

/* A quarter of the range at most. */
static void most_of_a_range_is_left_to_others(void **state)
{
	struct world w = world_of(NULL, MIN, MIN + 2 * MANY - 1, 0);
	size_t before = descriptors();

	open_many(&w);
	close_many(&w);
	CHECK_INT(before + MANY / 4 * 2, descriptors());
	CHECK_INT(MANY, media_ports_free(w.media));
	end_world(&w);
}

/* What is kept is worth less than a call. */
static void they_make_room_for_others(void **state)
{
	struct world w = world_of(NULL, MIN, MAX, 0);
	struct rlimit limit, tight;
	struct leg a;

	open_many(&w);
	close_many(&w);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	tight = limit;
	tight.rlim_cur = descriptors() - 3; /* two names of folders and the folder itself are no descriptors */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	open_leg(&w, &a, NULL);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	close_leg(&w, &a);
	end_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rested_ones_are_used_again),        TEST(ones_that_are_not_quiet_wait),
		TEST(ones_that_rest_take_no_flood),      TEST(another_address_has_other_sockets),
		TEST(most_of_a_range_is_left_to_others), TEST(they_make_room_for_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

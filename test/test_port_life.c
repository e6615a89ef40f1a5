/* Ports from opening to closing: which ones, at which address, how many, on threads. */
#include "port_world.h"

#include <errno.h>
#include <stdlib.h>

static void a_closing_port_tells_only_that(void **state)
{
	struct pair p;

	begin_pair(&p);
	speak(&p.pa, PCMU_PT, 1, &p.a);
	port_close(p.a.port); /* before the loop could read the packet */
	while (!p.a.closed)
		settle(&p.w);
	CHECK_INT(0, p.a.heard);
	CHECK_INT(1, p.a.closed);
	settle(&p.w);
	CHECK_INT(1, p.a.closed);
	close_leg(&p.w, &p.b);
	end_peer(&p.pa);
	end_peer(&p.pb);
	end_world(&p.w);
}

static void pairs_are_used_in_turn(void **state)
{
	struct world w = world_of(NULL, 21001, 21008, 0); /* 21002 to 21007: three pairs */
	struct leg legs[3], more;
	uint16_t first;
	struct port *none = NULL;

	CHECK_INT(3, media_ports_free(w.media));
	for (size_t i = 0; i < ARRAY_LEN(legs); i++) {
		open_leg(&w, &legs[i], NULL);
		CHECK_INT(0, addr_port(&legs[i].local) % 2);
		CHECK(addr_port(&legs[i].local) >= 21002 && addr_port(&legs[i].local) <= 21006);
		for (size_t k = 0; k < i; k++)
			CHECK(!addr_equal(&legs[i].local, &legs[k].local));
	}
	CHECK_INT(3, media_ports_open(w.media));
	CHECK_INT(0, media_ports_free(w.media));
	CHECK_INT(ENOSPC, port_open(&none, w.media, NULL, &handlers, NULL));
	CHECK(!none);

	/* Given back at the end: the port that was free the longest comes first. */
	close_leg(&w, &legs[1]);
	close_leg(&w, &legs[0]);
	first = addr_port(&legs[1].local);
	open_leg(&w, &more, NULL);
	CHECK_INT(first, addr_port(&more.local));
	close_leg(&w, &more);
	close_leg(&w, &legs[2]);
	CHECK_INT(3, media_ports_free(w.media));
	end_world(&w);
}

static void pairs_of_others_are_passed_over(void **state)
{
	char host[16];
	struct world w = world_of(NULL, 21000, 21003, 0);
	struct peer other = peer_on(own_host(1, host), 21000);
	struct port *none = NULL;
	struct leg a;

	for (int i = 0; i < 3; i++) { /* whatever the order of the two is */
		open_leg(&w, &a, NULL);
		CHECK_INT(21002, addr_port(&a.local));
		CHECK_INT(ENOSPC, port_open(&none, w.media, NULL, &handlers, NULL));
		CHECK_INT(1, media_ports_free(w.media));
		close_leg(&w, &a);
	}
	end_peer(&other);
	end_world(&w);
}

static void options_are_checked(void **state)
{
	static const struct {
		uint16_t min, max;
		int err;
		size_t pairs;
	} rows[] = {
		{ 46000, 46001, 0, 1 },    { 46000, 46000, EINVAL, 0 }, { 46001, 46002, EINVAL, 0 },
		{ 46001, 46003, 0, 1 },    { 46010, 46000, EINVAL, 0 }, { 0, 46001, EINVAL, 0 },
		{ 46000, 65535, 0, 9768 }, { 65534, 65535, 0, 1 },      { 65535, 65535, EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct media_opts o = { .port_min = rows[i].min, .port_max = rows[i].max };
		struct media *m = NULL;

		assert_int_equal(loop_new(&o.loop, true, 1), 0);
		addr_parse(&o.bind, STR("127.0.0.1"), 0);
		CHECK_INT(rows[i].err, media_new(&m, &o));
		if (m)
			CHECK_INT(rows[i].pairs, media_ports_free(m));
		media_free(&m);
		loop_free(&o.loop);
	}
}

static void the_advertised_address_is_written(void **state)
{
	struct media_opts o = { .port_min = PORT_MIN, .port_max = PORT_MAX };
	struct world w = { 0 };
	char text[ADDR_TEXT];
	struct leg a;

	assert_int_equal(loop_new(&w.loop, true, 7), 0);
	o.loop = w.loop;
	addr_parse(&o.bind, STR("127.0.0.1"), 0);
	addr_parse(&o.advertise, STR("203.0.113.5"), 0);
	assert_int_equal(media_new(&w.media, &o), 0);
	open_leg(&w, &a, NULL);
	CHECK_STR("203.0.113.5", addr_host(&a.local, text));
	CHECK(addr_port(&a.local) >= PORT_MIN);
	close_leg(&w, &a);
	end_world(&w);
}

static void ports_move(void **state)
{
	struct media_opts to = { .port_min = PORT_MIN + 4, .port_max = PORT_MIN + 7 }, foreign = to, empty = to;
	struct world w = world_of("127.0.0.1", PORT_MIN, PORT_MIN + 5, 0);
	struct leg a, b, c;
	char text[ADDR_TEXT];
	struct addr at;

	addr_parse(&to.bind, STR("127.0.0.2"), 0);
	addr_parse(&foreign.bind, STR("192.0.2.1"), 0);
	empty.port_max = empty.port_min;
	CHECK_INT(EADDRNOTAVAIL, media_try(&foreign));
	CHECK_INT(EINVAL, media_try(&empty));
	CHECK_INT(0, media_try(&to));
	open_leg(&w, &a, NULL);
	CHECK_INT(2, media_ports_free(w.media));
	media_move(w.media, &to);
	CHECK(media_ports_free(w.media) == 2 || addr_port(&a.local) == PORT_MIN + 4);
	open_leg(&w, &b, NULL);
	CHECK(addr_port(&b.local) >= PORT_MIN + 4 && addr_port(&b.local) < PORT_MIN + 8);
	CHECK_STR("127.0.0.2", addr_host(&b.local, text));
	port_local(a.port, &at);
	CHECK_STR("127.0.0.1", addr_host(&at, text)); /* a re-offer says what the first one said */
	CHECK_INT(addr_port(&a.local), addr_port(&at));
	close_leg(&w, &a); /* goes back only where it belongs */
	CHECK_INT(1, media_ports_free(w.media));
	addr_parse(&to.advertise, STR("192.0.2.1"), 0);
	media_move(w.media, &to);
	CHECK_INT(1, media_ports_free(w.media));
	open_leg(&w, &c, NULL);
	CHECK_STR("192.0.2.1", addr_host(&c.local, text));
	close_leg(&w, &b);
	close_leg(&w, &c);
	CHECK_INT(2, media_ports_free(w.media));
	end_world(&w);
}

static void ipv6_works(void **state)
{
	struct addr any6;
	struct world w;
	struct peer pa, pb;
	struct leg a, b;
	int fd;

	addr_parse(&any6, STR("::1"), 0);
	if (sock_udp(&fd, &any6)) {
		fprintf(stderr, "skipped: no IPv6 here\n");
		return;
	}
	close(fd);
	w = world_of("::1", PORT_MIN, PORT_MAX, 0);
	pa = peer_on("::1", 26000);
	pb = peer_on("::1", 26002);
	open_leg(&w, &a, NULL);
	open_leg(&w, &b, &a);
	agree(&a, &pa);
	agree(&b, &pb);
	port_join(a.port, b.port);
	settle(&w);
	speak(&pa, PCMU_PT, 1, &a);
	check_hears(&w, pb.rtp, 1, PCMU_PT);
	close_leg(&w, &a);
	close_leg(&w, &b);
	end_peer(&pa);
	end_peer(&pb);
	end_world(&w);
}

/* --- many, and threads --- */

static void open_and_close_many(struct world *w, size_t count)
{
	struct leg *legs = calloc(count, sizeof(*legs));
	struct peer nobody = { 0 };
	bool open = true;

	assert_non_null(legs);
	addr_parse(&nobody.rtp_at, STR("127.0.0.2"), 26000);
	addr_parse(&nobody.rtcp_at, STR("127.0.0.2"), 26001);
	for (size_t i = 0; i < count; i += 2) {
		open_leg(w, &legs[i], NULL);
		open_leg(w, &legs[i + 1], &legs[i]);
		agree(&legs[i], &nobody);
		agree(&legs[i + 1], &nobody);
		port_join(legs[i].port, legs[i + 1].port);
	}
	CHECK_INT(count, media_ports_open(w->media));
	for (size_t i = 0; i < count; i++)
		port_close(legs[(i * 7) % count].port);
	while (open) {
		settle(w);
		open = media_ports_open(w->media) > 0;
	}
	for (size_t i = 0; i < count; i++)
		CHECK_INT(1, legs[i].closed);
	free(legs);
}

static void a_thousand_ports(void **state)
{
	struct world w = world_of(NULL, 22000, 24399, 0);

	for (int i = 0; i < 2; i++) {
		open_and_close_many(&w, 1000);
		CHECK_INT(1200, media_ports_free(w.media));
	}
	end_world(&w);
}

static void a_thousand_ports_on_threads(void **state)
{
	struct world w = world_of(NULL, 22000, 24399, 2);

	for (int i = 0; i < 2; i++)
		open_and_close_many(&w, 1000);
	end_world(&w);
}

static void a_thread_relays(void **state)
{
	struct world w = world_of(NULL, PORT_MIN, PORT_MAX, 1);
	struct peer pa = peer_at(2), pb = peer_at(3);
	struct leg a, b;

	open_leg(&w, &a, NULL);
	open_leg(&w, &b, &a);
	agree(&a, &pa);
	agree(&b, &pb);
	port_join(a.port, b.port);
	/* The commands may be under way still: what comes too early is dropped. */
	for (int i = 0; !a.heard && i < 1000; i++) {
		uint8_t second;

		speak(&pa, PCMU_PT, 1, &a);
		if (hear(&w, pb.rtp, &second, 1) == 1)
			settle(&w);
	}
	CHECK_INT(1, a.heard);
	for (int i = 0; i < 100 && !check_bad; i++) {
		speak(&pa, PCMU_PT, 2, &a);
		check_hears(&w, pb.rtp, 2, PCMU_PT);
		speak(&pb, PCMU_PT, 3, &b);
		check_hears(&w, pa.rtp, 3, PCMU_PT);
		report(pa.rtcp, 4, rtcp_of(&a));
		check_hears(&w, pb.rtcp, 4, 201);
	}
	close_leg(&w, &a);
	close_leg(&w, &b);
	CHECK(b.stats.packets_out >= 101);
	CHECK_INT(100, a.stats.packets_out);
	end_peer(&pa);
	end_peer(&pb);
	end_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_closing_port_tells_only_that),
		TEST(pairs_are_used_in_turn),
		TEST(pairs_of_others_are_passed_over),
		TEST(options_are_checked),
		TEST(the_advertised_address_is_written),
		TEST(ports_move),
		TEST(ipv6_works),
		TEST(a_thousand_ports),
		TEST(a_thousand_ports_on_threads),
		TEST(a_thread_relays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

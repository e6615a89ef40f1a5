/* Ports that move: one case after the other. */
#include "port_move_world.h"

static void what_is_played_goes_on(void **state)
{
	enum { MOVES = 10, PART = 12, EACH_MS = PART * 20 };
	struct phone x, y, z;
	unsigned frames = 0;
	struct world w;

	begin_apart(&w, &x, &y, &z);
	play(&x, 1, UINT32_MAX);
	attach(&x, 2, &frames);
	for (unsigned i = 0; i < MOVES; i++) {
		await(&w, &x, &x.packets, x.packets + PART);
		CHECK_INT(0, port_move(x.port, i % 2 ? z.port : y.port));
		CHECK(port_is_near(x.port, i % 2 ? z.port : y.port));
		CHECK(x.port->moving);
	}
	await(&w, &x, &x.packets, x.packets + PART);
	CHECK_INT(0, x.breaks);
	port_control(x.port, 1, PORT_STOP, 0);
	port_detach(x.port, 2);
	await(&w, &x, &x.stopped, 1);
	await(&w, &x, &x.detached, 1);
	CHECK(frames >= MOVES * PART);
	CHECK_INT(0, port_tasks(x.port));
	close_phone(&w, &x);
	close_phone(&w, &y);
	close_phone(&w, &z);
	end(&w);
}

/* Every packet of x is taken, whichever worker has its port by then, and nearly all of them reach who it is joined with. */
static void a_stream_comes_through(void **state)
{
	enum { PACKETS = 400, EVERY = 20 };
	struct phone x, y, z;
	unsigned greeted;
	struct world w;

	begin_apart(&w, &x, &y, &z);
	greet(&w, &x);
	greeted = x.spoken;
	for (unsigned i = 0; i < PACKETS; i++) {
		struct phone *with = i / EVERY % 2 ? &z : &y;

		if (i % EVERY == 0) {
			CHECK_INT(0, port_move(x.port, with->port));
			port_join(x.port, with->port);
		}
		speak(&x);
		loop_turn(w.loop);
	}
	for (unsigned i = 0; i < 100 && y.packets + z.packets < PACKETS; i++) {
		turn_for(&w, PACE_MS);
		listen_to(&y);
		listen_to(&z);
	}
	/* One may be taken between ARRIVE and JOIN. */
	CHECK(y.packets + z.packets >= PACKETS - PACKETS / EVERY);
	close_phone(&w, &x);
	CHECK(x.stats.packets_in > PACKETS);
	CHECK_INT(greeted + PACKETS, x.stats.packets_in + x.stats.invalid);
	CHECK_INT(0, x.stats.lost);
	CHECK_INT(0, x.stats.foreign);
	close_phone(&w, &y);
	close_phone(&w, &z);
	end(&w);
}

static void commands_keep_their_order(void **state)
{
	struct phone x, y, v;
	struct world w;

	begin(&w, 2);
	open_phone(&w, &x, 2, NULL);
	open_phone(&w, &y, 3, NULL);
	open_phone(&w, &v, 4, &y);
	greet(&w, &x);
	greet(&w, &v);
	CHECK_INT(0, port_move(x.port, y.port));
	port_join(x.port, y.port); /* waits for x, and what is said to y from now on waits for it */
	CHECK(y.port->held);
	port_part(y.port);
	port_join(y.port, v.port);
	CHECK(v.port->held);
	CHECK_INT(1, x.port->held);
	CHECK_INT(3, y.port->held);
	turn_for(&w, 100);
	CHECK(!x.port->held && !y.port->held && !v.port->held);
	listen_to(&y);
	y.packets = 0;
	speak(&x);
	speak(&v);
	await(&w, &y, &y.packets, 1);
	turn_for(&w, 50);
	listen_to(&y);
	CHECK_INT(1, y.packets);
	CHECK_INT(addr_port(&v.server), y.newest.ssrc);
	close_phone(&w, &x);
	close_phone(&w, &y);
	close_phone(&w, &v);
	end(&w);
}

/* All in one turn: everything that was begun ends, in its order, and the port with it. */
static void a_port_is_closed_while_it_moves(void **state)
{
	struct phone x, y, z;
	unsigned frames = 0;
	struct world w;

	begin(&w, 3);
	open_phone(&w, &x, 2, NULL);
	open_phone(&w, &y, 3, NULL);
	open_phone(&w, &z, 4, NULL);
	for (unsigned round = 0; round < 20; round++) {
		x.closed = x.gone = x.stopped = x.detached = 0;
		play(&x, 1, UINT32_MAX);
		attach(&x, 2, &frames);
		CHECK_INT(0, port_move(x.port, y.port));
		send_keys(&x, 3, "123");
		play(&x, 4, UINT32_MAX);
		CHECK_INT(0, port_move(x.port, z.port)); /* behind the first one */
		port_control(x.port, 4, PORT_STOP, 0);
		attach(&x, 5, &frames);
		port_join(x.port, z.port);
		if (round % 2)
			CHECK_INT(0, port_move(x.port, y.port));
		CHECK_INT(5, port_tasks(x.port));
		port_close(x.port);
		await(&w, &x, &x.closed, 1);
		CHECK_INT(1, x.closed);
		CHECK_INT(2, x.gone);
		CHECK_INT(1, x.stopped);
		CHECK_INT(2, x.detached);
		x.closed = 0;
		open_port(&w, &x, NULL);
	}
	close_phone(&w, &x);
	close_phone(&w, &y);
	close_phone(&w, &z);
	end(&w);
}

static void a_new_port_moves_before_its_worker_knows_it(void **state)
{
	struct phone x, y;
	struct port *fresh;
	struct world w;

	begin(&w, 2);
	open_phone(&w, &x, 2, NULL);
	open_phone(&w, &y, 3, NULL);
	agree(&x);
	x.closed = 0;
	assert_int_equal(port_open(&fresh, w.media, x.port, &handlers, &x), 0);
	CHECK_INT(0, port_move(fresh, y.port));
	CHECK(!fresh->moving);
	port_join(fresh, y.port);
	port_close(fresh);
	await(&w, &x, &x.closed, 1);
	x.closed = 0;
	close_phone(&w, &x);
	close_phone(&w, &y);
	end(&w);
}

static void local_ports_stay(void **state)
{
	struct phone x, y, ends[2] = { 0 };
	struct port *locals[2];
	struct world w;

	begin(&w, 2);
	open_phone(&w, &x, 2, NULL);
	open_phone(&w, &y, 3, NULL);
	assert_int_equal(port_open_pair(locals, w.media, y.port, &handlers, (void *const[]){ &ends[0], &ends[1] }), 0);
	CHECK(!port_can_move(locals[0]) && port_can_move(x.port));
	CHECK_INT(ENOTSUP, port_move(locals[0], x.port));
	CHECK(port_is_near(locals[0], y.port) && !port_is_near(locals[0], x.port));
	CHECK_INT(0, port_move(x.port, locals[0]));
	port_join(x.port, locals[0]);
	ends[1].port = locals[1];
	play(&ends[1], 1, 50); /* said at one end, heard at the other, and by x */
	await(&w, &x, &x.packets, 40);
	CHECK_INT(0, x.breaks);
	for (unsigned i = 0; i < 2; i++) {
		port_close(locals[i]);
		await(&w, &x, &ends[i].closed, 1);
	}
	close_phone(&w, &x);
	close_phone(&w, &y);
	end(&w);
}

/* Both ways, and the numbers of the phone turn over in between: who had lost the rollover counter would hear nothing. */
static void keys_and_their_counters_move_along(void **state)
{
	struct phone x, y, z;
	struct world w;

	begin_apart(&w, &x, &y, &z);
	secure(&x);
	x.seq = 65526;
	greet(&w, &x);
	port_join(x.port, z.port);
	play(&x, 1, UINT32_MAX);
	for (unsigned i = 0; i < 60; i++) {
		if (i % 10 == 5) {
			CHECK_INT(0, port_move(x.port, i / 10 % 2 ? z.port : y.port));
			port_join(x.port, i / 10 % 2 ? z.port : y.port);
		}
		speak(&x);
		await(&w, &x, &x.packets, x.packets + 1);
	}
	CHECK_INT(0, x.breaks);
	close_phone(&w, &x);
	CHECK_INT(x.spoken, x.stats.packets_in + x.stats.invalid);
	CHECK(x.stats.packets_in > 60);
	CHECK_INT(0, x.stats.unauthentic);
	secure_free(&x.secure);
	close_phone(&w, &y);
	close_phone(&w, &z);
	end(&w);
}

static void video_moves(void **state)
{
	struct phone x, y;
	struct world w;

	begin(&w, 2);
	open_phone(&w, &x, 2, NULL);
	open_phone(&w, &y, 3, NULL);
	x.codec = y.codec = CODEC_VP8;
	agree(&x);
	agree(&y);
	greet(&w, &x);
	for (unsigned i = 0; i < 2; i++) { /* each joins the other one */
		struct phone *moves = i ? &y : &x, *stays = i ? &x : &y;

		CHECK_INT(0, port_move(moves->port, stays->port));
		port_join(moves->port, stays->port);
		turn_for(&w, 50);
		for (unsigned k = 0; k < 5; k++)
			speak(&x);
		await(&w, &y, &y.packets, 5 * (i + 1));
		port_part(x.port);
		if (!i) { /* away again: y's worker has them both */
			struct phone z;

			open_phone(&w, &z, 4, NULL);
			CHECK(!port_is_near(z.port, y.port));
			CHECK_INT(0, port_move(x.port, z.port));
			close_phone(&w, &z);
		}
	}
	/* Numbers of video stay as they were sent. */
	CHECK_INT(0, y.breaks);
	close_phone(&w, &x);
	CHECK_INT(x.spoken, x.stats.packets_in + x.stats.invalid);
	close_phone(&w, &y);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_played_goes_on),
		TEST(a_stream_comes_through),
		TEST(commands_keep_their_order),
		TEST(a_port_is_closed_while_it_moves),
		TEST(a_new_port_moves_before_its_worker_knows_it),
		TEST(local_ports_stay),
		TEST(keys_and_their_counters_move_along),
		TEST(video_moves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

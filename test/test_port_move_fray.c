/* Ports that move: all at once. */
#include "port_move_world.h"

enum { PHONES = 9, THREADS = 3, TURNS = 2500, ACTIONS = 10 };

struct fray {
	struct world w;
	struct phone phones[PHONES];
	uint32_t ids[PHONES]; /* the newest of each */
	unsigned moves, held, closes;
};

static uint32_t pick(struct fray *f, uint32_t below)
{
	return loop_random_below(f->w.loop, below);
}

static void join_or_feed(struct phone *a, struct phone *b, bool both)
{
	CHECK_INT(0, port_move(a->port, b->port));
	if (both)
		port_join(a->port, b->port);
	else
		port_feed(b->port, a->port);
}

static void begin_task(struct fray *f, struct phone *p, uint32_t *ids)
{
	uint32_t id;

	if (p->outstanding >= 4)
		return;
	do {
		id = *ids = (*ids + 1) % IDS;
	} while (p->begun[id]);
	switch (pick(f, 3)) {
	case 0:
		play(p, id, pick(f, 40));
		break;
	case 1:
		attach(p, id, NULL);
		break;
	default:
		send_keys(p, id, "1w");
	}
}

static void end_some_task(struct fray *f, struct phone *p, uint32_t newest)
{
	uint32_t id = (newest + IDS - pick(f, 3)) % IDS;

	if (pick(f, 2))
		port_detach(p->port, id);
	else
		port_control(p->port, id, PORT_STOP, 0);
}

static void tell_something(struct fray *f, struct phone *p)
{
	switch (pick(f, 6)) {
	case 0:
		agree(p);
		break;
	case 1:
		port_press(p->port, '5');
		break;
	case 2:
		port_watch_keys(p->port, pick(f, 2));
		break;
	case 3:
		port_expect(p->port, pick(f, 100));
		break;
	case 4:
		port_denoise(p->port, pick(f, 2));
		break;
	default:
		port_part(p->port);
	}
}

static void act(struct fray *f)
{
	uint32_t n = pick(f, PHONES), m = pick(f, PHONES);
	struct phone *p = &f->phones[n], *other = &f->phones[m];

	if (!p->port || !other->port || p == other)
		return;
	f->held += p->port->moving || p->port->held;
	CHECK_INT(p->outstanding, port_tasks(p->port));
	switch (pick(f, 12)) {
	case 0:
	case 1:
	case 2:
		f->moves += !port_is_near(p->port, other->port);
		CHECK_INT(0, port_move(p->port, other->port));
		break;
	case 3:
	case 4:
	case 5:
		f->moves += !port_is_near(p->port, other->port);
		join_or_feed(p, other, pick(f, 2));
		break;
	case 6:
	case 7:
		begin_task(f, p, &f->ids[n]);
		break;
	case 8:
		end_some_task(f, p, f->ids[n]);
		break;
	case 9:
		if (pick(f, 4))
			break;
		port_close(p->port);
		p->port = NULL;
		f->closes++;
		break;
	default:
		tell_something(f, p);
	}
}

static void carry_on(struct fray *f, struct phone *p)
{
	listen_to(p);
	if (p->port) {
		speak(p);
	} else if (p->closed) {
		CHECK_INT(1, p->closed);
		p->closed = 0;
		open_port(&f->w, p, NULL);
	}
}

static void ports_are_moved_to_and_fro(void **state)
{
	struct fray *f = calloc(1, sizeof(*f));

	begin(&f->w, THREADS);
	for (unsigned i = 0; i < PHONES; i++) {
		open_phone(&f->w, &f->phones[i], 2 + i, NULL);
		if (i % 3 == 0)
			secure(&f->phones[i]);
	}
	for (unsigned turn = 0; turn < TURNS; turn++) {
		for (unsigned i = 0; i < ACTIONS; i++)
			act(f);
		if (turn % 4 == 0) {
			for (unsigned i = 0; i < PHONES; i++)
				carry_on(f, &f->phones[i]);
		}
		loop_turn(f->w.loop);
	}
	for (unsigned i = 0; i < PHONES; i++) {
		close_phone(&f->w, &f->phones[i]);
		secure_free(&f->phones[i].secure);
	}
	print_message("# %u moves, %u commands met one, %u ports were closed\n", f->moves, f->held, f->closes);
	CHECK(f->moves > 100 && f->held > 100 && f->closes > 10);
	end(&f->w);
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ports_are_moved_to_and_fro),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

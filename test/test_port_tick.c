/* What is decoded is read at ticks, not packet by packet: on real threads, with real time, because that is where it happens. */
#include "port_world.h"

#include <time.h>

enum { PACKETS = 50, PACKET_MS = 20, SAMPLES = 160, CROWD = 400, PCMA_PT = 8 };

static struct media_agreed agreed_on(const struct peer *p, enum codec_id codec, uint8_t pt)
{
	struct media_agreed a = agreed(p);

	a.codec = codec;
	a.send_pt = a.recv_pt = pt;
	a.packet_ms = PACKET_MS;
	return a;
}

static void say(struct peer *p, uint8_t pt, const struct leg *to)
{
	uint8_t packet[12 + SAMPLES] = { 0x80, pt, (uint8_t)(p->seq >> 8), (uint8_t)p->seq };
	uint32_t timestamp = (uint32_t)p->seq++ * SAMPLES;

	for (int i = 0; i < 4; i++)
		packet[4 + i] = (uint8_t)(timestamp >> (24 - 8 * i));
	packet[11] = 1;
	memset(packet + 12, 0x55, SAMPLES);
	send_bytes(p->rtp, packet, sizeof(packet), &to->local);
}

static unsigned count_heard(struct peer *p)
{
	uint8_t packet[400];
	unsigned n = 0;

	while (recv(p->rtp, packet, sizeof(packet), MSG_DONTWAIT) > 0)
		n++;
	return n;
}

/* By the clock, so that a late wake-up of this thread does not add up. */
static void wait_until_us(struct world *w, uint64_t at_us)
{
	struct timespec t = { .tv_sec = (time_t)(at_us / 1000000), .tv_nsec = (long)(at_us % 1000000 * 1000) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL))
		;
	loop_catch_up(w->loop);
}

struct knock {
	struct pair *pair;
	struct loop_timer timer;
};

static void knock(void *arg)
{
	struct knock *k = arg;

	say(&k->pair->pa, PCMU_PT, &k->pair->a);
	loop_timer_start(k->pair->w.loop, &k->timer, PACKET_MS, knock, k);
}

/* Until the first packet has been heard: by then the thread has done what it was told before. */
static void begin_coded(struct pair *p)
{
	struct knock k = { .pair = p };
	struct media_agreed a, b;

	p->w = world_of(NULL, PORT_MIN, PORT_MAX, 1);
	p->pa = peer_at(2);
	p->pb = peer_at(3);
	open_leg(&p->w, &p->a, NULL);
	open_leg(&p->w, &p->b, &p->a);
	a = agreed_on(&p->pa, CODEC_PCMU, PCMU_PT);
	b = agreed_on(&p->pb, CODEC_PCMA, PCMA_PT);
	port_agree(p->a.port, &a);
	port_agree(p->b.port, &b);
	port_join(p->a.port, p->b.port);
	knock(&k);
	while (!p->a.heard)
		loop_turn(p->w.loop);
	loop_timer_stop(p->w.loop, &k.timer);
}

struct sent_jitter {
	uint64_t before_us;
	double us, max_us;
};

/* Until nothing new is heard for a while: by then all is read. */
static unsigned hear_out(struct pair *p)
{
	unsigned heard = 0, new;

	for (int quiet = 0; quiet < 10; quiet = new ? 0 : quiet + 1) {
		wait_until_us(&p->w, loop_now_us(p->w.loop) + 20000);
		new = count_heard(&p->pb);
		heard += new;
	}
	return heard;
}

/* Every packet was read, if only to be thrown away because it came before anything was agreed on. */
static void end_coded(struct pair *p)
{
	close_leg(&p->w, &p->a);
	close_leg(&p->w, &p->b);
	CHECK_INT(p->pa.seq, p->a.stats.packets_in + p->a.stats.invalid);
	CHECK(p->a.stats.packets_in >= PACKETS);
	CHECK_INT(1, p->a.heard);
	end_peer(&p->pa);
	end_peer(&p->pb);
	end_world(&p->w);
}

/* RFC 3550 §A.8 for what leaves here: each packet 20 ms of time stamps behind the one before. */
static void count_jitter(struct sent_jitter *j, uint64_t now_us)
{
	double off_us = (double)(now_us - j->before_us) - 20000;

	if (j->before_us)
		j->us += ((off_us < 0 ? -off_us : off_us) - j->us) / 16;
	j->before_us = now_us;
	j->max_us = j->us > j->max_us ? j->us : j->max_us;
}

/* Read 20 ms late at most; but arrival is when the kernel had it, so that the jitter is that of the net. */
static void jitter_is_not_that_of_the_ticks(void **state)
{
	struct sent_jitter sent = { 0 };
	struct pair p = { 0 };
	unsigned heard = 0;
	uint64_t begun_us;

	begin_coded(&p);
	begun_us = loop_now_us(p.w.loop) + 19000; /* the last knock was just now */
	for (unsigned i = 0; i < PACKETS; i++) {
		/* The ticks come each 10 ms: a grid of 19 ms meets them at another place each time. */
		wait_until_us(&p.w, begun_us + 19000ULL * i);
		say(&p.pa, PCMU_PT, &p.a);
		count_jitter(&sent, loop_real_us());
		heard += count_heard(&p.pb);
	}
	heard += hear_out(&p);
	CHECK(heard >= PACKETS - 5);
	end_coded(&p);
	/* Ticks would make it 5 ms. */
	print_message("jitter at most %u us, %u us when sent\n", p.a.stats.jitter_max_us, (unsigned)sent.max_us);
	CHECK(p.a.stats.jitter_max_us < 1800 + (unsigned)sent.max_us);
	CHECK(p.a.stats.jitter_max_us > 0);
}

/* More than a telephone sends between two ticks: all of it is read, and packet by packet from then on. */
static void a_crowd_is_read_at_once(void **state)
{
	struct pair p = { 0 };
	unsigned heard = 0;

	begin_coded(&p);
	for (unsigned round = 0; round < 10; round++) {
		for (unsigned i = 0; i < CROWD / 10; i++)
			say(&p.pa, PCMU_PT, &p.a);
		wait_until_us(&p.w, loop_now_us(p.w.loop) + 30000);
		heard += count_heard(&p.pb);
	}
	heard += hear_out(&p);
	CHECK(heard > 0);
	end_coded(&p);
}

/* Coded, relayed, coded: each way of reading takes over what the other has left in the socket. */
static void nothing_is_lost_between_the_ways(void **state)
{
	struct pair p = { 0 };
	struct media_agreed b;

	begin_coded(&p);
	for (unsigned i = 0; i < PACKETS; i++) {
		say(&p.pa, PCMU_PT, &p.a);
		wait_until_us(&p.w, loop_now_us(p.w.loop) + 3000 + 1000 * (i % 3));
		b = agreed_on(&p.pb, i % 2 ? CODEC_PCMU : CODEC_PCMA, i % 2 ? PCMU_PT : PCMA_PT);
		port_agree(p.b.port, &b);
	}
	CHECK(hear_out(&p) > PACKETS / 4);
	end_coded(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(jitter_is_not_that_of_the_ticks),
		TEST(a_crowd_is_read_at_once),
		TEST(nothing_is_lost_between_the_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

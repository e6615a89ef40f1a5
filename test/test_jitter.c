#include "check.h"

#include "media/jitter.h"

/* A sender of 20 ms packets and a taker every 20 ms, on a clock that the test moves. */
struct rig {
	struct jitter *j;
	uint64_t now_us;
	uint16_t seq;
	uint32_t sent;
	char got[4096]; /* one letter a tick: P packet, - missing, . empty */
	size_t ticks;
	uint16_t last; /* number in the newest packet */
	bool ordered;
};

static void rig_open(struct rig *r)
{
	struct jitter_opts opts = { .max_payload = 480 };

	*r = (struct rig){ .now_us = 1000000, .seq = 65500, .ordered = true };
	CHECK_INT(0, jitter_new(&r->j, &opts));
}

static void put(struct rig *r, uint16_t seq)
{
	uint8_t payload[2] = { (uint8_t)(seq >> 8), (uint8_t)seq };
	struct rtp_header h = { .ssrc = 7, .seq = seq, .timestamp = seq * 160u, .payload_bytes = sizeof(payload) };

	jitter_put(r->j, &h, payload, r->now_us);
}

static void tick(struct rig *r)
{
	static const char letters[] = { [JITTER_PACKET] = 'P', [JITTER_MISSING] = '-', [JITTER_EMPTY] = '.' };
	struct jitter_packet p;
	enum jitter_result got = jitter_get(r->j, r->now_us, &p);

	r->got[r->ticks++] = letters[got];
	if (got == JITTER_PACKET) {
		uint16_t seq = (uint16_t)(p.payload[0] << 8 | p.payload[1]);

		r->ordered = r->ordered && (!r->last || (int16_t)(uint16_t)(seq - r->last) > 0);
		r->last = seq;
	}
}

/* 20 ms: what came (by place in the line, `*` one packet, `2` two, `3` three, ` ` none, `x` one that is lost,
 * `d` the newest once more, `s` two that have changed places) and one tick. */
static void play(struct rig *r, const char *line)
{
	for (; *line; line++) {
		if (*line == '*' || *line == '2' || *line == '3')
			put(r, r->seq++);
		for (char c = *line; c == '2' || c == '3'; c--)
			put(r, r->seq++);
		if (*line == 'x')
			r->seq++;
		if (*line == 'd')
			put(r, (uint16_t)(r->seq - 1));
		if (*line == 's') {
			put(r, (uint16_t)(r->seq + 1));
			put(r, r->seq);
			r->seq += 2;
		}
		r->now_us += 16000;
		tick(r);
		r->now_us += 4000;
	}
}

static void rig_done(struct rig *r, const char *want)
{
	r->got[r->ticks] = 0;
	CHECK_STR(want, r->got);
	CHECK(r->ordered);
	jitter_free(&r->j);
}

static void streams(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "*****", "PPPPP" },
		{ "  ***", "..PPP" },
		/* Loss: concealed in its place, then on without delay. */
		{ "**x***", "PP-PPP" },
		/* One comes 20 ms late: the delay grows by what was concealed. */
		{ "** 2***", "PP-PPPP" },
		/* A pause of the sender is silence, and what follows starts anew. */
		{ "**     **", "PP--...PP" },
		{ "**xx**", "PP--PP" },
		/* A double that comes after a pause has had its turn. */
		{ "**     d  **", "PP--......PP" },
		{ "**     d*", "PP--....P" },
		{ "s*     s*", "PPP--..PP" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig r;

		rig_open(&r);
		play(&r, rows[i].in);
		rig_done(&r, rows[i].out);
	}
}

static void reordered_packets_come_in_order(void **state)
{
	struct jitter_stats stats;
	struct rig r;

	rig_open(&r);
	put(&r, 11);
	put(&r, 10);
	put(&r, 11);
	r.now_us += 16000;
	tick(&r);
	put(&r, 13);
	put(&r, 12);
	tick(&r);
	tick(&r);
	tick(&r);
	put(&r, 9);
	jitter_get_stats(r.j, &stats);
	CHECK_INT(1, stats.doubled);
	CHECK_INT(1, stats.late);
	CHECK_INT(0, stats.lost);
	rig_done(&r, "PPPP");
}

/* What has never been taken may change places as far as the slots reach, and no further: they would hold two in one place. */
static void first_packets_change_places(void **state)
{
	static const struct {
		uint16_t first, far, back, late, want;
	} rows[] = {
		{ 100, 101, 99, 0, 99 },  { 100, 131, 100, 0, 100 }, { 100, 126, 95, 0, 95 },
		{ 100, 127, 95, 1, 100 }, { 100, 131, 95, 1, 100 },  { 5, 36, 65535, 1, 5 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct jitter_stats stats;
		struct rig r;

		rig_open(&r);
		put(&r, rows[i].first);
		put(&r, rows[i].far);
		put(&r, rows[i].back);
		r.now_us += 16000;
		tick(&r);
		CHECK_INT(rows[i].want, r.last);
		for (int n = 0; n < 40; n++)
			tick(&r);
		CHECK(r.ordered);
		CHECK_INT(rows[i].far, r.last);
		jitter_get_stats(r.j, &stats);
		CHECK_INT(rows[i].late, stats.late);
		jitter_free(&r.j);
	}
}

/* After a pause the first packet waits too, and one that it has overtaken is not late meanwhile. */
static void packets_after_a_pause_change_places(void **state)
{
	struct rig r;

	rig_open(&r);
	play(&r, "**     ");
	put(&r, (uint16_t)(r.seq + 1));
	r.now_us += 4000;
	tick(&r);
	put(&r, r.seq);
	r.now_us += 16000;
	tick(&r);
	tick(&r);
	rig_done(&r, "PP--....PP");
}

/* A burst has made the delay long; when all is calm again it shrinks, a packet at a time. */
static void delay_shrinks_again(void **state)
{
	struct jitter_stats stats;
	struct rig r;

	rig_open(&r);
	play(&r, "**  3 2 2**");
	for (int i = 0; i < 600; i++)
		play(&r, "*");
	jitter_get_stats(r.j, &stats);
	CHECK(stats.stretched > 0);
	CHECK(stats.dropped > 0);
	CHECK(stats.delay_ms < 45);
	CHECK_INT(0, stats.lost);
	jitter_free(&r.j);
}

static void a_flood_cannot_make_the_delay_long(void **state)
{
	struct jitter_stats stats;
	struct rig r;

	rig_open(&r);
	for (int i = 0; i < 200; i++) {
		put(&r, r.seq++);
		put(&r, r.seq++);
		r.now_us += 20000;
		tick(&r);
	}
	jitter_get_stats(r.j, &stats);
	CHECK(stats.delay_ms <= 220);
	jitter_free(&r.j);
}

static void another_stream_starts_anew(void **state)
{
	struct rtp_header h = { .ssrc = 8, .seq = 40000, .payload_bytes = 1 };
	struct jitter_packet p;
	struct rig r;

	rig_open(&r);
	play(&r, "***");
	jitter_put(r.j, &h, (const uint8_t *)"a", r.now_us);
	CHECK_INT(JITTER_EMPTY, jitter_get(r.j, r.now_us, &p));
	CHECK_INT(JITTER_PACKET, jitter_get(r.j, r.now_us + 16000, &p));
	CHECK_INT('a', p.payload[0]);
	rig_done(&r, "PPP");
}

static void what_does_not_fit_is_dropped(void **state)
{
	static const uint8_t much[2000];
	struct rtp_header h = { .ssrc = 8, .seq = 1, .payload_bytes = 481 };
	struct jitter_stats stats;
	struct rig r;

	rig_open(&r);
	jitter_put(r.j, &h, much, r.now_us);
	h.payload_bytes = 0;
	jitter_put(r.j, &h, much, r.now_us);
	jitter_get_stats(r.j, &stats);
	CHECK_INT(2, stats.dropped);
	tick(&r);
	rig_done(&r, ".");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(streams),
		TEST(reordered_packets_come_in_order),
		TEST(first_packets_change_places),
		TEST(packets_after_a_pause_change_places),
		TEST(delay_shrinks_again),
		TEST(a_flood_cannot_make_the_delay_long),
		TEST(another_stream_starts_anew),
		TEST(what_does_not_fit_is_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "check.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/loop.h"
#include "base/str.h"
#include "media/detect.h"

/* "25v 50." is 25 pieces of voice and 50 of nothing; t is a tone of 1000 Hz, u one that drifts, c 2100 Hz, k a key. */
static struct voice_piece piece_of(char what, unsigned number)
{
	switch (what) {
	case 'v':
		return (struct voice_piece){ .kind = VOICE_SPEECH };
	case 't':
		return (struct voice_piece){ .kind = VOICE_TONE, .hz = 1000 };
	case 'u':
		return (struct voice_piece){ .kind = VOICE_TONE, .hz = (uint16_t)(900 + 20 * (number % 10)) };
	case 'c':
		return (struct voice_piece){ .kind = VOICE_TONE, .hz = 2100 };
	case 'k':
		return (struct voice_piece){ .kind = VOICE_TONE };
	default:
		return (struct voice_piece){ .kind = VOICE_NONE };
	}
}

static const char *name_of(enum detect_news news)
{
	static const char *const names[] = { "",          "nobody", "human", "machine", "ready",
					     "not_ready", "beep",   "ced",   "cng" };

	return names[news];
}

/* What is told, with its time: "machine 1260 ready 2400 over". */
static void run(struct detect *d, const char *audio, struct buf *out)
{
	char *at = (char *)(uintptr_t)audio;

	for (;;) {
		unsigned count = (unsigned)strtoul(at, &at, 10);

		if (!*at)
			break;
		for (unsigned i = 0; i < count; i++) {
			struct voice_piece piece = piece_of(*at, i);
			enum detect_news news = detect_step(d, &piece);

			if (news)
				buf_printf(out, "%s %u ", name_of(news), d->at_ms);
		}
		at++;
	}
	buf_cstr(out, d->over ? "over" : "on");
}

enum { END = 1, INTERRUPTIONS = 2 };

static const struct {
	const char *audio, *told;
	unsigned flags;
} rows[] = {
	/* Who is it? */
	{ "250.", "nobody 4500 over", 0 },
	{ "20. 25v 100.", "human 1900 over", 0 },
	{ "25v 49.", "on", 0 },
	{ "25v 50.", "human 1500 over", 0 },
	{ "40v 14. 23v 50.", "machine 1540 over", 0 }, /* a short gap does not interrupt, and does not count */
	{ "40v 15. 23v 50.", "human 2560 over", 0 },
	{ "62v 50.", "human 2240 over", 0 },
	{ "63v 50.", "machine 1260 over", 0 },
	/* Words: six, with gaps of 300 ms that keep the voice from being ongoing. */
	{ "5v 15. 5v 15. 5v 15. 5v 15. 5v 15. 5v 50.", "machine 2100 over", 0 },
	{ "5v 15. 5v 15. 5v 15. 5v 15. 5v 50.", "human 2700 over", 0 },
	{ "5v 2. 5v 2. 5v 2. 5v 2. 5v 2. 5v 50.", "human 1800 over", 0 }, /* no gap: one word */
	/* What is too short is no voice, and no word. */
	{ "4v 10. 4v 10. 4v 10. 4v 10. 4v 10. 4v 250.", "nobody 4500 over", 0 },
	{ "10. 25v 10. 4v 50.", "human 1980 over", 0 }, /* but puts off the end */
	/* Tones are no voice. */
	{ "100t 100. 50u 20c 100.", "nobody 4500 over", 0 },
	{ "5k 5. 5k 5. 5k 5. 5k 5. 5k 5. 5k 5. 250.", "nobody 4500 over", 0 },
	{ "10t 40. 25v 100.", "human 2500 over", 0 }, /* of the network, in front */
	/* A short greeting and a beep. */
	{ "40v 20. 15t 60.", "beep 1520 over", 0 },
	{ "40v 20. 15t 60.", "beep 1520 over", END },
	{ "40v 45. 15t 60.", "beep 2020 over", 0 },  /* it has begun when the silence is over */
	{ "40v 20. 4t 60.", "human 1800 over", 0 },  /* too short */
	{ "40v 20. 15u 60.", "human 1800 over", 0 }, /* not steady */
	{ "40v 20. 15c 60.", "human 1800 over", 0 }, /* a fax */
	{ "40v 20. 8t 8u 60.", "beep 1380 over", 0 },
	{ "40v 151t 60.", "human 3820 over", 0 }, /* too long */
	/* The end of a machine's greeting. */
	{ "100v 50. 100.", "machine 1260 over", 0 },
	{ "100v 50. 100.", "machine 1260 ready 3000 over", END },
	{ "100v 30. 20v 50. 100.", "machine 1260 ready 4000 over", END },
	{ "100v 30. 20t 100.", "machine 1260 beep 3020 over", END },
	{ "100v 47. 20t 100.", "machine 1260 beep 3360 over", END },
	{ "100v 160t 100.", "machine 1260 ready 5020 over", END },
	{ "100v 20. 20v", "machine 1260 on", END },
	{ "100v 50. 20. 4v 50.", "machine 1260 ready 3000 on", END | INTERRUPTIONS },
	{ "100v 50. 20. 20v 50. 20. 10t 10.", "machine 1260 ready 3000 not_ready 3500 ready 4800 beep 5420 over",
	  END | INTERRUPTIONS },
};

static void the_rules(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct detect d = { .rules = { .initial_ms = 4500,
					       .end_ms = 1000,
					       .voice_ms = 1250,
					       .words = 6,
					       .ready_ms = 1000,
					       .greeting_end = rows[i].flags & END,
					       .interruptions = rows[i].flags & INTERRUPTIONS } };
		struct buf told;

		buf_init(&told, 0);
		run(&d, rows[i].audio, &told);
		CHECK_STR(rows[i].told, told.data);
		if (check_bad)
			fprintf(stderr, "row %zu: %s\n", i, rows[i].audio);
		buf_free(&told);
	}
}

static void each_rule_by_itself(void **state)
{
	static const struct {
		struct detect_rules rules;
		const char *audio, *told;
	} cases[] = {
		{ { .initial_ms = 0 }, "1.", "nobody 20 over" },
		{ { .initial_ms = 100, .end_ms = 0 }, "10v 10.", "human 260 over" },
		{ { .initial_ms = 100, .end_ms = 100, .voice_ms = 0, .words = 0 }, "500v 10.", "human 10100 over" },
		{ { .initial_ms = 100, .end_ms = 500, .voice_ms = 100 }, "500v 10.", "machine 100 over" },
		{ { .initial_ms = 100, .end_ms = 500, .words = 1 }, "500v 10.", "machine 100 over" },
		{ { .initial_ms = 100, .end_ms = 500, .words = 2 }, "500v 3. 5v", "machine 10160 over" },
		{ { .initial_ms = 100, .end_ms = 500, .words = 1, .greeting_end = true, .ready_ms = 0 },
		  "10v 10.",
		  "machine 100 ready 260 over" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct detect d = { .rules = cases[i].rules };
		struct buf told;

		buf_init(&told, 0);
		run(&d, cases[i].audio, &told);
		CHECK_STR(cases[i].told, told.data);
		buf_free(&told);
	}
}

/* Whatever is heard: one verdict at most, nothing behind the end, and no machine is ready that was not one. */
static void random_audio(void **state)
{
	unsigned met[9] = { 0 };
	struct loop *l;

	assert_int_equal(loop_new(&l, true, 1), 0);
	for (unsigned n = 0; n < 4000; n++) {
		struct detect d = { .rules = { .initial_ms = 4500,
					       .end_ms = 1000,
					       .voice_ms = 1250,
					       .words = 6,
					       .ready_ms = 1000,
					       .greeting_end = loop_random_below(l, 2),
					       .interruptions = loop_random_below(l, 2) } };
		unsigned told[9] = { 0 };

		for (unsigned part = 0; part < 30; part++) {
			static const char kinds[] = { 'v', 'v', 'v', '.', '.', '.', 't', 'u', 'k' };
			char what = kinds[loop_random_below(l, sizeof(kinds))];
			unsigned pieces = 1 + loop_random_below(l, 60);

			for (unsigned i = 0; i < pieces; i++) {
				struct voice_piece piece = piece_of(what, i);
				bool over = d.over;
				enum detect_news news = detect_step(&d, &piece);

				CHECK(!over || !news);
				if ((news == DETECT_READY || news == DETECT_NOT_READY) && !told[DETECT_MACHINE])
					CHECK(false);
				told[news]++;
			}
		}
		CHECK(told[DETECT_NOBODY] + told[DETECT_HUMAN] + told[DETECT_MACHINE] <= 1);
		CHECK(told[DETECT_BEEP] <= 1);
		CHECK(d.rules.interruptions || told[DETECT_READY] <= 1);
		CHECK(told[DETECT_NOT_READY] <= told[DETECT_READY]);
		for (size_t i = 0; i < ARRAY_LEN(met); i++)
			met[i] += told[i] > 0;
	}
	for (size_t i = DETECT_NOBODY; i <= DETECT_BEEP; i++)
		CHECK(met[i] > 0);
	loop_free(&l);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { TEST(the_rules), TEST(each_rule_by_itself), TEST(random_audio) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

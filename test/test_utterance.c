#include "check.h"

#include <stdlib.h>

#include "base/loop.h"
#include "base/mq.h"
#include "media/utterance.h"

enum { FRAME = UTTERANCE_HZ / 50 };

struct world {
	struct loop *loop;
	struct mq *begun;
	struct utterance *u;
	uint64_t told;
	unsigned times;
	int16_t next; /* so that the samples can be told from each other */
};

static void on_begun(void *arg, void *msg)
{
	struct world *w = arg;

	w->told = *(const uint64_t *)msg;
	w->times++;
}

static void begin(struct world *w, uint32_t max_ms)
{
	struct utterance_opts o = { .id = 4711, .end_ms = 400, .max_ms = max_ms };

	*w = (struct world){ .next = 0 };
	assert_int_equal(loop_new(&w->loop, true, 1), 0);
	assert_int_equal(mq_new(&w->begun, w->loop, sizeof(uint64_t), 4, on_begun, w), 0);
	o.begun = w->begun;
	assert_int_equal(utterance_new(&w->u, &o), 0);
}

static void end(struct world *w)
{
	struct sink *s = utterance_sink(w->u);

	s->ops->free(s);
	mq_free(&w->begun);
	loop_free(&w->loop);
}

/* Returns after how many ms the sink left, 0 = it stays. */
static unsigned push(struct world *w, bool loud, unsigned ms)
{
	struct sink *s = utterance_sink(w->u);
	int16_t audio[FRAME];

	for (unsigned at = 0; at < ms; at += 20) {
		for (size_t i = 0; i < FRAME; i++)
			audio[i] = (int16_t)(loud ? (i & 1 ? -8000 : 8000) + w->next % 100 : w->next % 8);
		w->next++;
		if (!s->ops->push(s, audio, NULL, FRAME, UTTERANCE_HZ))
			return at + 20;
	}
	return 0;
}

static uint32_t u32(const char *p)
{
	return (uint32_t)(uint8_t)p[0] | (uint32_t)(uint8_t)p[1] << 8 | (uint32_t)(uint8_t)p[2] << 16 |
	       (uint32_t)(uint8_t)p[3] << 24;
}

static void an_utterance_is_kept_with_what_was_before(void **state)
{
	struct world w;
	struct str wav;

	begin(&w, 60000);
	CHECK_INT(0, push(&w, false, 1000));
	CHECK_INT(0, push(&w, true, 80));
	loop_run_until(w.loop, 1);
	CHECK_INT(0, w.times);
	CHECK_INT(0, push(&w, true, 920));
	CHECK_INT(400, push(&w, false, 1000));
	loop_run_until(w.loop, 2);
	CHECK_INT(1, w.times);
	CHECK_INT(4711, w.told);
	wav = utterance_wav(w.u);
	/* 0.3 s before the frame in which it was sure, 0.9 s behind that, 0.38 s of silence */
	CHECK_INT(44 + 2 * UTTERANCE_HZ / 1000 * (300 + 920 + 380), wav.n);
	CHECK(str_starts(wav, "RIFF") && str_starts(str_from(wav, 8), "WAVEfmt "));
	CHECK_INT(wav.n - 8, u32(wav.p + 4));
	CHECK_INT(UTTERANCE_HZ, u32(wav.p + 24));
	CHECK_INT(wav.n - 44, u32(wav.p + 40));
	/* The ring was written out in order: frames 39 to 53, then the 54th. */
	for (size_t f = 0; f < 16; f++) {
		int16_t x = (int16_t)((uint8_t)wav.p[44 + f * FRAME * 2] | (uint8_t)wav.p[45 + f * FRAME * 2] << 8);
		unsigned number = 39 + (unsigned)f;

		CHECK_INT(number < 50 ? number % 8 : 8000 + number % 100, x);
	}
	end(&w);
}

static void who_never_stops_is_cut(void **state)
{
	struct world w;

	begin(&w, 2000);
	CHECK_INT(0, push(&w, false, 100));
	/* 0.18 s of before, then 2.12 s until the 2.3 s are full */
	CHECK_INT(80 + 2120, push(&w, true, 5000));
	CHECK_INT(44 + 2 * UTTERANCE_HZ / 1000 * 2300, utterance_wav(w.u).n);
	end(&w);
}

static void silence_is_nothing(void **state)
{
	struct world w;

	begin(&w, 2000);
	CHECK_INT(0, push(&w, false, 20000));
	CHECK_INT(0, utterance_wav(w.u).n);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_utterance_is_kept_with_what_was_before),
		TEST(who_never_stops_is_cut),
		TEST(silence_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

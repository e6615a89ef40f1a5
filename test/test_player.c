#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "media/player.h"
#include "media/tone.h"

static double level_at(const int16_t *in, size_t count, double hz, uint32_t rate_hz)
{
	double re = 0, im = 0;

	for (size_t i = 0; i < count; i++) {
		re += in[i] * cos(2 * M_PI * hz * (double)i / rate_hz);
		im += in[i] * sin(2 * M_PI * hz * (double)i / rate_hz);
	}
	return count ? 2 * sqrt(re * re + im * im) / (double)count : 0;
}

/* Pull 20 ms at a time until it ends, or for most_ms. Returns the samples. */
static size_t pull_all(struct source *s, int16_t *out, uint32_t rate_hz, unsigned most_ms)
{
	size_t frame = rate_hz / 50, total = 0;

	for (unsigned ms = 0; ms < most_ms; ms += 20) {
		size_t n = s->ops->pull(s, out + total, frame, rate_hz);

		total += n;
		if (n < frame)
			break;
	}
	return total;
}

static int16_t samples[16000 * 30];

static void every_country_rings(void **state)
{
	static const char countries[] =
		"at au bg br be ch cl cn cz de dk ee es fi fr gr hu il in it lt jp mx my nl no nz "
		"ph pl pt ru se sg th uk us us-old tw ve za";
	struct str rest = str_of(countries), name;

	while (str_split(&rest, ' ', &name)) {
		const struct tone_plan *plan = tone_ring(name);
		struct tone t = { .plan = plan };

		CHECK(plan != NULL);
		if (!plan)
			continue;
		tone_run(&t, samples, 8 * (size_t)plan->parts[0].ms, 8000);
		CHECK(level_at(samples, 8 * (size_t)plan->parts[0].ms, plan->parts[0].hz, 8000) > 3000);
		tone_run(&t, samples, 8 * (size_t)plan->parts[1].ms, 8000);
		CHECK(level_at(samples, 8 * (size_t)plan->parts[1].ms, plan->parts[0].hz, 8000) < 10);
		CHECK(plan->parts[1].hz == 0);
	}
	CHECK(!tone_ring(STR("xx")));
	CHECK(tone_ring(STR("US")) == tone_ring(STR("us")));
}

static void a_ring_lasts_as_long_as_asked(void **state)
{
	static const struct {
		uint32_t ms, rate_hz, want_ms;
	} rows[] = { { 0, 8000, 6000 }, { 3200, 8000, 3200 }, { 3200, 16000, 3200 }, { 10, 8000, 10 } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct source *s = source_ring(STR("us"), rows[i].ms);

		CHECK_INT(rows[i].want_ms * rows[i].rate_hz / 1000, pull_all(s, samples, rows[i].rate_hz, 20000));
		s->ops->free(s);
	}
	CHECK(!source_ring(STR("atlantis"), 0));
}

static struct clip *clip_of(double hz, uint32_t rate_hz, unsigned ms)
{
	size_t count = (size_t)rate_hz * ms / 1000;
	int16_t *audio = malloc(count * sizeof(*audio));
	struct clip *c;

	for (size_t i = 0; i < count; i++)
		audio[i] = (int16_t)lrint(8000 * sin(2 * M_PI * hz * (double)i / rate_hz));
	assert_int_equal(clip_new(&c, rate_hz, audio, count), 0);
	return c;
}

static void a_clip_is_heard_at_any_rate(void **state)
{
	static const uint32_t rates[] = { 8000, 11025, 16000, 22050, 44100, 48000 };

	for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
		for (uint32_t to_hz = 8000; to_hz <= 16000; to_hz += 8000) {
			struct clip *c = clip_of(440, rates[i], 1000);
			struct source *s = source_clip(c);
			size_t n;

			clip_unref(&c);
			n = pull_all(s, samples, to_hz, 5000);
			CHECK(n > to_hz * 98 / 100 && n <= to_hz + to_hz / 100);
			CHECK(level_at(samples, n, 440, to_hz) > 7500);
			s->ops->free(s);
		}
	}
}

static void a_list_plays_one_behind_the_other(void **state)
{
	struct clip *c = clip_of(440, 8000, 110);
	struct source *items[] = { source_clip(c), source_silence(90), source_ring(STR("de"), 200) };
	struct source *s = source_list(items, ARRAY_LEN(items), 2);

	clip_unref(&c);
	CHECK_INT(2 * 8 * 400, pull_all(s, samples, 8000, 5000));
	CHECK(level_at(samples, 880, 440, 8000) > 7900);
	CHECK(level_at(samples + 880, 720, 440, 8000) < 1);
	CHECK(level_at(samples + 1600, 1600, 425, 8000) > 6000);
	CHECK(level_at(samples + 3200, 880, 440, 8000) > 7900);
	s->ops->free(s);
}

static void a_list_for_ever_does_not_end_but_an_empty_one_does(void **state)
{
	struct source *items[] = { source_silence(30) }, *nothing[] = { source_silence(0) };
	struct source *s = source_list(items, 1, 0), *empty = source_list(nothing, 1, 0);

	CHECK_INT(8 * 10000, pull_all(s, samples, 8000, 10000));
	CHECK_INT(0, pull_all(empty, samples, 8000, 10000));
	s->ops->free(s);
	empty->ops->free(empty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_country_rings),
		TEST(a_ring_lasts_as_long_as_asked),
		TEST(a_clip_is_heard_at_any_rate),
		TEST(a_list_plays_one_behind_the_other),
		TEST(a_list_for_ever_does_not_end_but_an_empty_one_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "check.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "media/clip.h"
#include "media/coder.h"
#include "media/resample.h"

enum { FRAME_MS = 20, FRAMES = 100 };

static const double amplitude = 8000;

/* The module lies beside the tests; on a machine without its library there is none. */
static bool load_g729(void)
{
	const char *folder = getenv("CROSSPOINT_MODULES");
	char path[512], why[160];

	if (coder_has(CODEC_G729))
		return true;
	snprintf(path, sizeof(path), "%s/crosspoint_g729.so", folder ? folder : ".");
	return !coder_load_module(path, why);
}

static void make_tone(int16_t *out, size_t count, double hz, uint32_t rate_hz, size_t from)
{
	for (size_t i = 0; i < count; i++)
		out[i] = (int16_t)lrint(amplitude * sin(2 * M_PI * hz * (double)(from + i) / rate_hz));
}

/* Amplitude of one frequency (Goertzel), and of everything. */
static double level_at(const int16_t *in, size_t count, double hz, uint32_t rate_hz)
{
	double re = 0, im = 0;

	for (size_t i = 0; i < count; i++) {
		re += in[i] * cos(2 * M_PI * hz * (double)i / rate_hz);
		im += in[i] * sin(2 * M_PI * hz * (double)i / rate_hz);
	}
	return 2 * sqrt(re * re + im * im) / (double)count;
}

static double level(const int16_t *in, size_t count)
{
	double sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += (double)in[i] * in[i];
	return sqrt(2 * sum / (double)count);
}

struct way {
	enum codec_id id;
	uint32_t wish_hz, rate_hz;
	size_t bytes;  /* of 20 ms, 0 = it depends */
	double purity; /* share of the tone in what comes out */
};

static const struct way ways[] = {
	{ CODEC_PCMU, 48000, 8000, 160, 0.99 }, { CODEC_PCMA, 8000, 8000, 160, 0.99 },
	{ CODEC_L16, 8000, 16000, 640, 0.999 }, { CODEC_G722, 16000, 16000, 160, 0.99 },
	{ CODEC_G722, 8000, 8000, 160, 0.99 },  { CODEC_OPUS, 8000, 8000, 0, 0.9 },
	{ CODEC_OPUS, 16000, 16000, 0, 0.9 },   { CODEC_OPUS, 44100, 48000, 0, 0.9 },
	{ CODEC_G729, 8000, 8000, 20, 0.8 },
};

/* A tone through encoder and decoder is the same tone, as loud as before. */
static void check_way(const struct way *w)
{
	uint32_t rate_hz = coder_rate(w->id, w->wish_hz);
	size_t frame = FRAME_MS * rate_hz / 1000, total = 0;
	static int16_t in[CODER_MAX_SAMPLES], out[FRAMES * CODER_MAX_SAMPLES];
	uint8_t payload[CODER_MAX_BYTES];
	struct encoder *e;
	struct decoder *d;

	CHECK_INT(w->rate_hz, rate_hz);
	CHECK_INT(0, encoder_new(&e, w->id, rate_hz));
	CHECK_INT(0, decoder_new(&d, w->id, rate_hz));
	for (size_t i = 0; i < FRAMES; i++) {
		size_t n;

		make_tone(in, frame, 440, rate_hz, i * frame);
		n = encoder_run(e, in, frame, payload);
		CHECK(n > 0 && n <= CODER_MAX_BYTES);
		if (w->bytes)
			CHECK_INT(w->bytes, n);
		total += decoder_run(d, payload, n, out + total);
	}
	CHECK_INT(FRAMES * frame, total);
	CHECK(level_at(out + total / 2, total / 2, 440, rate_hz) > w->purity * level(out + total / 2, total / 2));
	CHECK(fabs(level(out + total / 2, total / 2) / amplitude - 1) < 0.25);
	encoder_free(&e);
	decoder_free(&d);
}

static void every_codec_carries_a_tone(void **state)
{
	bool g729 = load_g729();

	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		if (ways[i].id != CODEC_G729 || g729)
			check_way(&ways[i]);
		else
			print_message("skipped: the module of G.729 is not built\n");
	}
}

/* Seconds of a tone through an encoder and a decoder that may work at different rates. Returns how loud another tone is in the end. */
static double g722_level(double in_hz, uint32_t in_rate_hz, double out_hz, uint32_t out_rate_hz)
{
	size_t in_frame = FRAME_MS * in_rate_hz / 1000, out_frame = FRAME_MS * out_rate_hz / 1000;
	static int16_t in[CODER_MAX_SAMPLES], out[FRAMES * CODER_MAX_SAMPLES];
	uint8_t payload[CODER_MAX_BYTES];
	struct encoder *e;
	struct decoder *d;

	CHECK_INT(0, encoder_new(&e, CODEC_G722, in_rate_hz));
	CHECK_INT(0, decoder_new(&d, CODEC_G722, out_rate_hz));
	for (size_t i = 0; i < FRAMES; i++) {
		make_tone(in, in_frame, in_hz, in_rate_hz, i * in_frame);
		CHECK_INT(160, encoder_run(e, in, in_frame, payload));
		CHECK_INT(out_frame, decoder_run(d, payload, 160, out + i * out_frame));
	}
	encoder_free(&e);
	decoder_free(&d);
	return level_at(out + FRAMES / 2 * out_frame, FRAMES / 2 * out_frame, out_hz, out_rate_hz) / amplitude;
}

/* At 8 kHz only the lower band is coded. What lies above 4 kHz comes back mirrored, but weak; so does the reverse. */
static void g722_for_a_telephone(void **state)
{
	static const struct {
		double hz, least, image;
	} rows[] = { { 300, 0.94, 0.01 },
		     { 1000, 0.94, 0.01 },
		     { 2900, 0.94, 0.07 },
		     { 3200, 0.8, 0.18 },
		     { 3400, 0.2, 0.18 } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		double hz = rows[i].hz;

		CHECK(g722_level(hz, 16000, hz, 8000) > rows[i].least);
		CHECK(g722_level(hz, 8000, hz, 16000) > rows[i].least);
		CHECK(g722_level(8000 - hz, 16000, hz, 8000) < rows[i].image);
		CHECK(g722_level(hz, 8000, 8000 - hz, 16000) < rows[i].image);
	}
	CHECK(g722_level(6000, 16000, 6000, 16000) > 0.9);
}

/* The far end's coder goes on at its rate, and hears and is heard without a click: no sample is far from its neighbours. */
static void g722_changes_its_rate(void **state)
{
	static int16_t in[CODER_MAX_SAMPLES], out[CODER_MAX_SAMPLES];
	struct encoder *ours, *theirs;
	struct decoder *from_us, *from_them;
	uint8_t payload[CODER_MAX_BYTES];
	int16_t last = 0;
	int most = 0;

	CHECK_INT(0, encoder_new(&ours, CODEC_G722, 16000));
	CHECK_INT(0, encoder_new(&theirs, CODEC_G722, 16000));
	CHECK_INT(0, decoder_new(&from_us, CODEC_G722, 16000));
	CHECK_INT(0, decoder_new(&from_them, CODEC_G722, 16000));
	for (size_t i = 0; i < FRAMES; i++) {
		uint32_t rate_hz = i / 10 % 2 ? 8000 : 16000;
		size_t frame = FRAME_MS * rate_hz / 1000;

		CHECK(encoder_retune(ours, rate_hz) && decoder_retune(from_them, rate_hz));
		make_tone(in, frame, 400, rate_hz, i * frame);
		CHECK_INT(160, encoder_run(ours, in, frame, payload));
		CHECK_INT(320, decoder_run(from_us, payload, 160, out));
		for (size_t k = 0; k < 320; k++) {
			most = i > 5 && abs(out[k] - last) > most ? abs(out[k] - last) : most;
			last = out[k];
		}
		make_tone(in, 320, 400, 16000, i * 320);
		CHECK_INT(160, encoder_run(theirs, in, 320, payload));
		CHECK_INT(frame, decoder_run(from_them, payload, 160, out));
		if (i % 10 == 9) /* eight periods */
			CHECK(fabs(level_at(out, frame, 400, rate_hz) / amplitude - 1) < 0.1);
	}
	/* A filter that begins anew leaves out some of its delay: the tone jumps by a part of its height, once. */
	print_message("steps of at most %d, a tone's own is %d\n", most, (int)(amplitude * 2 * M_PI * 400 / 16000));
	CHECK(most < amplitude * 0.9);
	encoder_free(&ours);
	encoder_free(&theirs);
	decoder_free(&from_us);
	decoder_free(&from_them);
	CHECK_INT(0, encoder_new(&ours, CODEC_OPUS, 16000));
	CHECK(!encoder_retune(ours, 8000));
	encoder_free(&ours);
}

static void g711_is_the_standards(void **state)
{
	static const struct {
		int16_t sample;
		uint8_t mulaw, alaw;
	} rows[] = {
		/* The ends of the segments, as any other implementation has them. */
		{ 0, 0xff, 0xd5 },     { -1, 0x7f, 0x55 },     { 1000, 0xce, 0xfa }, { -1000, 0x4e, 0x7a },
		{ 32767, 0x80, 0xaa }, { -32768, 0x00, 0x2a }, { 8000, 0xa0, 0x8a }, { -8000, 0x20, 0x0a },
	};
	struct encoder *u, *a;
	struct decoder *back;

	CHECK_INT(0, encoder_new(&u, CODEC_PCMU, 8000));
	CHECK_INT(0, encoder_new(&a, CODEC_PCMA, 8000));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t out[CODER_MAX_BYTES];

		CHECK_INT(1, encoder_run(u, &rows[i].sample, 1, out));
		CHECK_INT(rows[i].mulaw, out[0]);
		CHECK_INT(1, encoder_run(a, &rows[i].sample, 1, out));
		CHECK_INT(rows[i].alaw, out[0]);
	}
	encoder_free(&u);
	encoder_free(&a);
	/* Every code decodes to what encodes to it again. */
	for (enum codec_id id = CODEC_PCMU; id <= CODEC_PCMA; id++) {
		CHECK_INT(0, encoder_new(&u, id, 8000));
		CHECK_INT(0, decoder_new(&back, id, 8000));
		for (int code = 0; code < 256; code++) {
			uint8_t in = (uint8_t)code, out[CODER_MAX_BYTES];
			int16_t sample[CODER_MAX_SAMPLES];

			CHECK_INT(1, decoder_run(back, &in, 1, sample));
			CHECK_INT(1, encoder_run(u, sample, 1, out));
			CHECK(out[0] == in || (id == CODEC_PCMU && sample[0] == 0));
		}
		encoder_free(&u);
		decoder_free(&back);
	}
}

static void loss_fades_to_silence(void **state)
{
	bool g729 = load_g729();

	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		uint32_t rate_hz = ways[i].rate_hz;
		size_t frame = FRAME_MS * rate_hz / 1000;
		static int16_t in[CODER_MAX_SAMPLES], out[CODER_MAX_SAMPLES];
		uint8_t payload[CODER_MAX_BYTES];
		struct encoder *e;
		struct decoder *d;

		if (ways[i].id == CODEC_G729 && !g729)
			continue;
		CHECK_INT(0, encoder_new(&e, ways[i].id, rate_hz));
		CHECK_INT(0, decoder_new(&d, ways[i].id, rate_hz));
		for (size_t k = 0; k < 20; k++) {
			make_tone(in, frame, 440, rate_hz, k * frame);
			CHECK(decoder_run(d, payload, encoder_run(e, in, frame, payload), out) > 0);
		}
		decoder_conceal(d, NULL, 0, out, frame);
		CHECK(level(out, frame) > amplitude / 4);
		for (int k = 0; k < 4; k++)
			decoder_conceal(d, NULL, 0, out, frame);
		CHECK(level(out, frame) == 0);
		encoder_free(&e);
		decoder_free(&d);
	}
}

static void rubbish_costs_nothing(void **state)
{
	static int16_t out[CODER_MAX_SAMPLES];
	static uint8_t payload[8000];
	bool g729 = load_g729();

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 131 + 7);
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		struct decoder *d;

		if (ways[i].id == CODEC_G729 && !g729)
			continue;
		CHECK_INT(0, decoder_new(&d, ways[i].id, ways[i].rate_hz));
		for (size_t n = 0; n < sizeof(payload); n = n * 3 / 2 + 1)
			CHECK(decoder_run(d, payload, n, out) <= CODER_MAX_SAMPLES);
		CHECK_INT(0, decoder_run(d, payload, sizeof(payload), out));
		decoder_free(&d);
	}
}

static void rates_that_a_codec_lacks_are_refused(void **state)
{
	struct encoder *e = NULL;
	struct decoder *d = NULL;

	CHECK_INT(ENOTSUP, encoder_new(&e, CODEC_PCMU, 16000));
	CHECK_INT(ENOTSUP, decoder_new(&d, CODEC_OPUS, 44100));
	CHECK_INT(480, coder_ticks(CODEC_OPUS, 8000, 80));
	CHECK_INT(160, coder_ticks(CODEC_G722, 16000, 320));
}

/* Bytes of 2 s of a tone, or of silence; *least and *most of a packet, 0 = one that is not sent. */
static size_t opus_bytes(const struct opus_wish *wish, double hz, size_t *least, size_t *most)
{
	static int16_t in[CODER_MAX_SAMPLES];
	uint8_t payload[CODER_MAX_BYTES];
	struct encoder *e;
	size_t all = 0;

	*least = SIZE_MAX;
	*most = 0;
	CHECK_INT(0, encoder_new(&e, CODEC_OPUS, 16000));
	encoder_wish(e, wish);
	encoder_expect_loss(e, 20);
	for (size_t i = 0; i < FRAMES; i++) {
		size_t n;

		make_tone(in, 320, hz, 16000, i * 320);
		for (size_t k = 0; k < 320 && hz > 0; k++)
			in[k] = (int16_t)(in[k] * (i / 5 % 2 ? 0.2 : 1) + (int)(i * k * 7919 % 801) - 400);
		n = encoder_run(e, in, 320, payload);
		all += n;
		*least = i > FRAMES / 2 && n < *least ? n : *least;
		*most = i > FRAMES / 2 && n > *most ? n : *most;
	}
	encoder_free(&e);
	return all;
}

static void opus_is_as_the_party_wants_it(void **state)
{
	size_t least, most, usual, redundant, bytes;

	usual = opus_bytes(&(struct opus_wish){ 0 }, 440, &least, &most);
	CHECK(usual * 8 / 2 < 32000);
	CHECK(least < most);
	redundant = opus_bytes(&(struct opus_wish){ .fec = true }, 440, &least, &most);
	CHECK(redundant > usual * 11 / 10);
	bytes = opus_bytes(&(struct opus_wish){ .fec = true, .most_bit_s = 12000 }, 440, &least, &most);
	CHECK(bytes * 8 / 2 < 14000);
	bytes = opus_bytes(&(struct opus_wish){ .constant = true }, 440, &least, &most);
	CHECK_INT(least, most);
	opus_bytes(&(struct opus_wish){ 0 }, 0, &least, &most);
	CHECK(least > 0);
	opus_bytes(&(struct opus_wish){ .dtx = true }, 0, &least, &most);
	CHECK_INT(0, least);
	opus_bytes(&(struct opus_wish){ .dtx = true }, 440, &least, &most);
	CHECK(least > 0);
}

static void resampling_keeps_the_tone(void **state)
{
	static const uint32_t rates[] = { 8000, 16000, 44100, 48000 };
	static int16_t in[1000], out[100000];

	for (size_t f = 0; f < ARRAY_LEN(rates); f++) {
		for (size_t t = 0; t < ARRAY_LEN(rates); t++) {
			size_t frame = FRAME_MS * rates[f] / 1000, total = 0;
			struct resampler *r;

			CHECK_INT(0, resampler_new(&r, rates[f], rates[t]));
			for (size_t i = 0; i < FRAMES; i++) {
				make_tone(in, frame, 440, rates[f], i * frame);
				total += resampler_run(r, in, &frame, out + total, ARRAY_LEN(out) - total);
			}
			/* What a filter holds back is less than 10 ms. */
			CHECK(total + rates[t] / 100 > FRAMES * FRAME_MS * rates[t] / 1000);
			CHECK(level_at(out + total / 2, total / 2, 440, rates[t]) > amplitude * 0.97);
			resampler_free(&r);
		}
	}
}

static void a_clip_lives_as_long_as_its_users(void **state)
{
	int16_t *samples = calloc(800, sizeof(*samples));
	struct clip *c, *other;

	CHECK_INT(0, clip_new(&c, 8000, samples, 800));
	other = clip_ref(c);
	clip_unref(&c);
	CHECK(!c);
	CHECK_INT(100, clip_ms(other));
	CHECK(clip_samples(other) == samples);
	clip_unref(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_codec_carries_a_tone),
		TEST(g722_for_a_telephone),
		TEST(g722_changes_its_rate),
		TEST(g711_is_the_standards),
		TEST(loss_fades_to_silence),
		TEST(rubbish_costs_nothing),
		TEST(rates_that_a_codec_lacks_are_refused),
		TEST(opus_is_as_the_party_wants_it),
		TEST(resampling_keeps_the_tone),
		TEST(a_clip_lives_as_long_as_its_users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

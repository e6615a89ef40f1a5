/* Real audio: what espeak-ng and flite say and what sox makes, as it comes over a telephone line. */
#include "check.h"

#include <stdlib.h>

#include "base/str.h"
#include "media/detector.h"

enum { MAX_S = 40, MAX_SAMPLES = MAX_S * VOICE_HZ };

#define RAW " -t raw -r 8000 -e signed -b 16 -c 1 -"
#define SOX "sox -R -n" RAW " "
#define ESPEAK(voice, text) "espeak-ng -v " voice " --stdout '" text "' | sox -t wav -" RAW " gain -n -9"
#define FLITE(voice, text) "flite -voice " voice " -t '" text "' /dev/stdout | sox -t wav -" RAW " gain -n -9 pad 0.3"
/* The second program's output behind the first's. */
#define BEHIND(first, second) "{ " first "; " second "; }"
#define GREETING                                                                                                       \
	"You have reached the voice mail of John Smith. I am not available at the moment. Please leave your name "     \
	"and number after the tone."
#define GREETING_DE                                                                                                    \
	"Sie sind mit dem Anschluss der Familie Meier verbunden. Leider ist niemand zu Hause. Bitte sprechen Sie "     \
	"nach dem Ton."
#define BEEP(hz, seconds) SOX "synth " seconds " sine " hz " gain -12 pad 0.4 1"

enum want { HUMAN, MACHINE, NOBODY, BEEPED, BEEP_ALONE, READY, CED, CNG, NO_FAX };

static const struct row {
	const char *name, *program;
	enum want want;
} rows[] = {
	/* People. */
	{ "hello", ESPEAK("en-us", "hello?"), HUMAN },
	{ "a woman's hello", ESPEAK("en-us+f3", "hello?"), HUMAN },
	{ "a British hello", ESPEAK("en-gb", "hello, John speaking"), HUMAN },
	{ "hallo", ESPEAK("de", "Hallo, Meier?"), HUMAN },
	{ "pronto", ESPEAK("it", "Pronto, chi parla?"), HUMAN },
	{ "allo", ESPEAK("fr", "Allô, oui?"), HUMAN },
	{ "another engine's hello", FLITE("slt", "hello?"), HUMAN },
	{ "another engine's yes", FLITE("rms", "yes, hello?"), HUMAN },
	{ "hello behind a ring tone",
	  BEHIND(SOX "synth 2 sine 440 sine 480 remix - gain -15 pad 0 1.5", ESPEAK("en-us", "hello?")), HUMAN },
	{ "hello after a while", BEHIND(SOX "trim 0 3.8", ESPEAK("en-us", "hello?")), HUMAN },
	/* Machines: the verdict comes while they speak. */
	{ "a greeting", ESPEAK("en-us", GREETING), MACHINE },
	{ "a woman's greeting", ESPEAK("en-us+f2", GREETING), MACHINE },
	{ "a slow greeting", ESPEAK("en-gb -s 110", GREETING), MACHINE },
	{ "a German greeting", ESPEAK("de", GREETING_DE), MACHINE },
	{ "a French greeting",
	  ESPEAK("fr", "Bonjour, vous êtes bien chez Marie Dupont. Laissez un message après le bip."), MACHINE },
	{ "another engine's greeting", FLITE("slt", GREETING), MACHINE },
	{ "a third one's greeting", FLITE("rms", GREETING), MACHINE },
	{ "a greeting behind a ring tone", BEHIND(SOX "synth 1 sine 425 gain -15 pad 0 1", ESPEAK("en-us", GREETING)),
	  MACHINE },
	{ "music", SOX "synth 6 saw G2 saw B2 saw D3 sine 880 tremolo 3 60 remix - gain -n -9", MACHINE },
	{ "a note that does not cease", SOX "synth 6 saw G3 gain -9", MACHINE },
	/* To the end of the greeting. */
	{ "a greeting and 1000 Hz", BEHIND(ESPEAK("en-us", GREETING), BEEP("1000", "0.4")), BEEPED },
	{ "a greeting and 440 Hz", BEHIND(ESPEAK("en-us+f2", GREETING), BEEP("440", "0.6")), BEEPED },
	{ "a greeting and a short 1400 Hz", BEHIND(ESPEAK("de", GREETING_DE), BEEP("1400", "0.18")), BEEPED },
	{ "a greeting and a long 800 Hz", BEHIND(FLITE("slt", GREETING), BEEP("800", "1.5")), BEEPED },
	{ "a short greeting and a beep", BEHIND(ESPEAK("en-us", "Leave a message"), BEEP("950", "0.5")), BEEP_ALONE },
	{ "a greeting and nothing", ESPEAK("en-us", GREETING), READY },
	{ "another engine's greeting and nothing", FLITE("rms", GREETING), READY },
	/* Faxes. */
	{ "a fax that answers", SOX "synth 3 sine 2100 gain -12 pad 1 1", CED },
	{ "a modem that answers", SOX "synth 3 sine 2100 tremolo 15 20 gain -12 pad 1 1", CED },
	{ "a quiet fax", SOX "synth 3 sine 2110 gain -28 pad 1 1", CED },
	{ "a fax that calls", SOX "synth 0.5 sine 1100 gain -12 pad 0.5 3", CNG },
	{ "a greeting that is no fax", ESPEAK("en-us", GREETING), NO_FAX },
	/* Nobody. */
	{ "silence", SOX "trim 0 1", NOBODY },
	{ "white noise", SOX "synth 6 whitenoise gain -30", NOBODY },
	{ "loud pink noise", SOX "synth 6 pinknoise gain -12", NOBODY },
	{ "brown noise", SOX "synth 6 brownnoise gain -20", NOBODY },
	{ "hum", SOX "synth 6 sine 50 sine 100 sine 150 remix - gain -35", NOBODY },
	{ "clicks", SOX "synth 0.01 whitenoise gain -6 pad 0 0.3 repeat 15", NOBODY },
	{ "a ring tone", SOX "synth 2 sine 440 sine 480 remix - gain -15 pad 0 4", NOBODY },
	{ "a busy tone", SOX "synth 0.5 sine 480 sine 620 remix - gain -15 pad 0 0.5 repeat 6", NOBODY },
	{ "a dial tone", SOX "synth 6 sine 350 sine 440 remix - gain -15", NOBODY },
	{ "keys", SOX "synth 0.1 sine 697 sine 1209 remix - gain -10 pad 0.2 0.1 repeat 20", NOBODY },
	{ "the network's three tones",
	  BEHIND(SOX "synth 0.33 sine 950 gain -12",
		 SOX "synth 0.33 sine 1400 gain -12") "; " SOX "synth 0.33 sine 1800 gain -12",
	  NOBODY },
};

/* What the line does to it. */
static const struct line {
	const char *name;
	double gain, noise; /* of full scale */
	bool coded;         /* G.711 mu-law */
} lines[] = {
	{ "clean", 1, 0, false },
	{ "coded", 1, 0, true },
	{ "15 dB quieter", 0.178, 0, true },
	{ "6 dB louder", 2, 0, true },
	{ "with noise of -50 dB", 1, 0.00316, true },
};

static size_t make(const char *program, int16_t *out)
{
	FILE *f = popen(program, "r");
	size_t n;

	assert_non_null(f);
	n = fread(out, sizeof(*out), MAX_SAMPLES, f);
	CHECK_INT(0, pclose(f));
	CHECK(n > VOICE_HZ / 4);
	return n;
}

/* ITU-T G.711, there and back, as the difference of two steps of its scale. */
static int16_t through_mu_law(int32_t x)
{
	int32_t magnitude = x < 0 ? -x : x, step;
	int exponent = 7;

	magnitude = (magnitude > 32635 ? 32635 : magnitude) + 132;
	while (exponent && !(magnitude & 0x4000 >> (7 - exponent)))
		exponent--;
	step = 1 << (exponent + 3);
	magnitude = magnitude / step * step + step / 2 - 132;
	return (int16_t)(x < 0 ? -magnitude : magnitude);
}

static uint32_t noise_seed;

static double noise(void)
{
	noise_seed = noise_seed * 1664525 + 1013904223;
	return ((double)noise_seed / 2147483648.0 - 1) * 1.732;
}

static void pass(const struct line *l, const int16_t *in, int16_t *out)
{
	for (size_t i = 0; i < VOICE_SAMPLES; i++) {
		double x = in[i] * l->gain + noise() * l->noise * 32768;
		int32_t y = (int32_t)(x > 32767 ? 32767 : x < -32768 ? -32768 : x);

		out[i] = l->coded ? through_mu_law(y) : (int16_t)y;
	}
}

static const struct detector_opts usual = {
	.machine = true,
	.rules = { .initial_ms = 4500, .end_ms = 1000, .voice_ms = 1250, .words = 6, .ready_ms = 1000 },
	.tone = DETECTOR_CED,
};

/* The news as a text, as the worker would take them; out of it when it is over. */
static void listen(struct detector *d, const struct line *l, const int16_t *audio, size_t n, struct buf *out)
{
	static const char *const names[] = { "",          "nobody", "human", "machine", "ready",
					     "not_ready", "beep",   "ced",   "cng" };
	struct sink *s = detector_sink(d);
	bool on = true;

	for (size_t at = 0; on && at < n + (size_t)6 * VOICE_HZ; at += VOICE_SAMPLES) {
		int16_t piece[VOICE_SAMPLES] = { 0 }, line[VOICE_SAMPLES];

		if (at < n)
			memcpy(piece, audio + at, (n - at < VOICE_SAMPLES ? n - at : VOICE_SAMPLES) * sizeof(*piece));
		pass(l, piece, line);
		on = s->ops->push(s, line, NULL, VOICE_SAMPLES, VOICE_HZ);
		if (s->news)
			buf_printf(out, "%s ", names[s->news]);
		s->news = 0;
	}
	CHECK(on == !detector_is_over(d));
	buf_cstr(out, on ? "on" : "over");
}

static const char *text_of(enum want want)
{
	switch (want) {
	case HUMAN:
		return "human over";
	case MACHINE:
		return "machine over";
	case NOBODY:
		return "nobody over";
	case BEEPED:
		return "machine beep over";
	case BEEP_ALONE:
		return "beep over";
	case READY:
		return "machine ready over";
	case CED:
		return "ced over";
	case CNG:
		return "cng over";
	case NO_FAX:
		break;
	}
	return "on";
}

static void judge(const struct row *r, const struct line *l, const int16_t *audio, size_t n)
{
	struct detector_opts opts = usual;
	struct detector *d;
	struct buf told;

	opts.rules.greeting_end = r->want == BEEPED || r->want == READY;
	if (r->want == CNG)
		opts.tone = DETECTOR_CNG;
	if (r->want == NO_FAX)
		opts.machine = false;
	buf_init(&told, 0);
	assert_int_equal(detector_new(&d, &opts), 0);
	listen(d, l, audio, n, &told);
	if (!str_is(buf_view(&told), text_of(r->want))) {
		fprintf(stderr, "%s, %s: want \"%s\", got \"%s\"\n", r->name, l->name, text_of(r->want), told.data);
		check_bad++;
	}
	buf_free(&told);
	detector_sink(d)->ops->free(detector_sink(d));
}

static void the_table(void **state)
{
	int16_t *audio = malloc(MAX_SAMPLES * sizeof(*audio));

	assert_non_null(audio);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = make(rows[i].program, audio);

		for (size_t k = 0; k < ARRAY_LEN(lines); k++)
			judge(&rows[i], &lines[k], audio, n);
	}
	free(audio);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { TEST(the_table) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* G.711 both laws and L16. Source: ITU-T G.711, RFC 3551 §4.5.11, §4.5.14. */
#include <errno.h>
#include <stdlib.h>

#include "media/coder_impl.h"

/* --- G.711, one sample --- */

enum { MULAW_BIAS = 132, MULAW_CLIP = 32635 };

/* 0 up to 0xff, then one more for each doubling. */
static unsigned segment_of(unsigned magnitude)
{
	return magnitude > 0xff ? 24 - (unsigned)__builtin_clz(magnitude) : 0;
}

static uint8_t mulaw_encode(int16_t sample)
{
	uint8_t sign = sample < 0 ? 0x80 : 0;
	unsigned magnitude = (unsigned)abs(sample), segment;

	if (magnitude > MULAW_CLIP)
		magnitude = MULAW_CLIP;
	magnitude += MULAW_BIAS;
	segment = segment_of(magnitude);
	return (uint8_t) ~(sign | segment << 4 | (magnitude >> (segment + 3) & 0x0f));
}

static uint8_t alaw_encode(int16_t sample)
{
	uint8_t mask = sample < 0 ? 0x55 : 0xd5, code;
	unsigned magnitude = sample < 0 ? (unsigned)(-(sample + 1)) : (unsigned)sample, segment;

	segment = segment_of(magnitude);
	code = (uint8_t)(segment << 4 | (magnitude >> (segment ? segment + 3 : 4) & 0x0f));
	return code ^ mask;
}

/* What each code means. By arithmetic it would be most of what recording a telephone call costs in here. */
static const int16_t mulaw[256] = {
	-32124, -31100, -30076, -29052, -28028, -27004, -25980, -24956, -23932, -22908, -21884, -20860, -19836, -18812,
	-17788, -16764, -15996, -15484, -14972, -14460, -13948, -13436, -12924, -12412, -11900, -11388, -10876, -10364,
	-9852,  -9340,  -8828,  -8316,  -7932,  -7676,  -7420,  -7164,  -6908,  -6652,  -6396,  -6140,  -5884,  -5628,
	-5372,  -5116,  -4860,  -4604,  -4348,  -4092,  -3900,  -3772,  -3644,  -3516,  -3388,  -3260,  -3132,  -3004,
	-2876,  -2748,  -2620,  -2492,  -2364,  -2236,  -2108,  -1980,  -1884,  -1820,  -1756,  -1692,  -1628,  -1564,
	-1500,  -1436,  -1372,  -1308,  -1244,  -1180,  -1116,  -1052,  -988,   -924,   -876,   -844,   -812,   -780,
	-748,   -716,   -684,   -652,   -620,   -588,   -556,   -524,   -492,   -460,   -428,   -396,   -372,   -356,
	-340,   -324,   -308,   -292,   -276,   -260,   -244,   -228,   -212,   -196,   -180,   -164,   -148,   -132,
	-120,   -112,   -104,   -96,    -88,    -80,    -72,    -64,    -56,    -48,    -40,    -32,    -24,    -16,
	-8,     0,      32124,  31100,  30076,  29052,  28028,  27004,  25980,  24956,  23932,  22908,  21884,  20860,
	19836,  18812,  17788,  16764,  15996,  15484,  14972,  14460,  13948,  13436,  12924,  12412,  11900,  11388,
	10876,  10364,  9852,   9340,   8828,   8316,   7932,   7676,   7420,   7164,   6908,   6652,   6396,   6140,
	5884,   5628,   5372,   5116,   4860,   4604,   4348,   4092,   3900,   3772,   3644,   3516,   3388,   3260,
	3132,   3004,   2876,   2748,   2620,   2492,   2364,   2236,   2108,   1980,   1884,   1820,   1756,   1692,
	1628,   1564,   1500,   1436,   1372,   1308,   1244,   1180,   1116,   1052,   988,    924,    876,    844,
	812,    780,    748,    716,    684,    652,    620,    588,    556,    524,    492,    460,    428,    396,
	372,    356,    340,    324,    308,    292,    276,    260,    244,    228,    212,    196,    180,    164,
	148,    132,    120,    112,    104,    96,     88,     80,     72,     64,     56,     48,     40,     32,
	24,     16,     8,      0
};
static const int16_t alaw[256] = {
	-5504,  -5248,  -6016,  -5760,  -4480,  -4224,  -4992,  -4736,  -7552,  -7296,  -8064,  -7808,  -6528,  -6272,
	-7040,  -6784,  -2752,  -2624,  -3008,  -2880,  -2240,  -2112,  -2496,  -2368,  -3776,  -3648,  -4032,  -3904,
	-3264,  -3136,  -3520,  -3392,  -22016, -20992, -24064, -23040, -17920, -16896, -19968, -18944, -30208, -29184,
	-32256, -31232, -26112, -25088, -28160, -27136, -11008, -10496, -12032, -11520, -8960,  -8448,  -9984,  -9472,
	-15104, -14592, -16128, -15616, -13056, -12544, -14080, -13568, -344,   -328,   -376,   -360,   -280,   -264,
	-312,   -296,   -472,   -456,   -504,   -488,   -408,   -392,   -440,   -424,   -88,    -72,    -120,   -104,
	-24,    -8,     -56,    -40,    -216,   -200,   -248,   -232,   -152,   -136,   -184,   -168,   -1376,  -1312,
	-1504,  -1440,  -1120,  -1056,  -1248,  -1184,  -1888,  -1824,  -2016,  -1952,  -1632,  -1568,  -1760,  -1696,
	-688,   -656,   -752,   -720,   -560,   -528,   -624,   -592,   -944,   -912,   -1008,  -976,   -816,   -784,
	-880,   -848,   5504,   5248,   6016,   5760,   4480,   4224,   4992,   4736,   7552,   7296,   8064,   7808,
	6528,   6272,   7040,   6784,   2752,   2624,   3008,   2880,   2240,   2112,   2496,   2368,   3776,   3648,
	4032,   3904,   3264,   3136,   3520,   3392,   22016,  20992,  24064,  23040,  17920,  16896,  19968,  18944,
	30208,  29184,  32256,  31232,  26112,  25088,  28160,  27136,  11008,  10496,  12032,  11520,  8960,   8448,
	9984,   9472,   15104,  14592,  16128,  15616,  13056,  12544,  14080,  13568,  344,    328,    376,    360,
	280,    264,    312,    296,    472,    456,    504,    488,    408,    392,    440,    424,    88,     72,
	120,    104,    24,     8,      56,     40,     216,    200,    248,    232,    152,    136,    184,    168,
	1376,   1312,   1504,   1440,   1120,   1056,   1248,   1184,   1888,   1824,   2016,   1952,   1632,   1568,
	1760,   1696,   688,    656,    752,    720,    560,    528,    624,    592,    944,    912,    1008,   976,
	816,    784,    880,    848
};

/* --- the coders: nothing to remember but the rate --- */

static int plain_encoder_new(struct encoder **out, uint32_t rate_hz)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : ENOMEM;
}

static void plain_encoder_free(struct encoder *e)
{
	free(e);
}

static int plain_decoder_new(struct decoder **out, uint32_t rate_hz)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : ENOMEM;
}

static void plain_decoder_free(struct decoder *d)
{
	free(d);
}

static size_t pcmu_encode(struct encoder *e, const int16_t *in, size_t count, uint8_t *out)
{
	for (size_t i = 0; i < count; i++)
		out[i] = mulaw_encode(in[i]);
	return count;
}

static size_t pcma_encode(struct encoder *e, const int16_t *in, size_t count, uint8_t *out)
{
	for (size_t i = 0; i < count; i++)
		out[i] = alaw_encode(in[i]);
	return count;
}

static size_t l16_encode(struct encoder *e, const int16_t *in, size_t count, uint8_t *out)
{
	for (size_t i = 0; i < count; i++) {
		out[2 * i] = (uint8_t)((uint16_t)in[i] >> 8);
		out[2 * i + 1] = (uint8_t)in[i];
	}
	return 2 * count;
}

static size_t most(const struct decoder *d)
{
	return (size_t)CODER_MAX_MS * d->rate_hz / 1000;
}

static size_t pcmu_decode(struct decoder *d, const uint8_t *payload, size_t n, int16_t *out)
{
	if (n > most(d))
		return 0;
	for (size_t i = 0; i < n; i++)
		out[i] = mulaw[payload[i]];
	return n;
}

static size_t pcma_decode(struct decoder *d, const uint8_t *payload, size_t n, int16_t *out)
{
	if (n > most(d))
		return 0;
	for (size_t i = 0; i < n; i++)
		out[i] = alaw[payload[i]];
	return n;
}

static size_t l16_decode(struct decoder *d, const uint8_t *payload, size_t n, int16_t *out)
{
	if (n / 2 > most(d))
		return 0;
	for (size_t i = 0; i < n / 2; i++)
		out[i] = (int16_t)(payload[2 * i] << 8 | payload[2 * i + 1]);
	return n / 2;
}

const struct coder_ops coder_pcmu = {
	.encoder_new = plain_encoder_new,
	.encoder_free = plain_encoder_free,
	.encode = pcmu_encode,
	.decoder_new = plain_decoder_new,
	.decoder_free = plain_decoder_free,
	.decode = pcmu_decode,
};

const struct coder_ops coder_pcma = {
	.encoder_new = plain_encoder_new,
	.encoder_free = plain_encoder_free,
	.encode = pcma_encode,
	.decoder_new = plain_decoder_new,
	.decoder_free = plain_decoder_free,
	.decode = pcma_decode,
};

const struct coder_ops coder_l16 = {
	.encoder_new = plain_encoder_new,
	.encoder_free = plain_encoder_free,
	.encode = l16_encode,
	.decoder_new = plain_decoder_new,
	.decoder_free = plain_decoder_free,
	.decode = l16_decode,
};

/* The module of G.729 over libbcg729, which is under GPL-3 or later: so is this file, and whatever is shipped with the
 * module. SPDX-License-Identifier: GPL-3.0-or-later */
#include <bcg729/decoder.h>
#include <bcg729/encoder.h>
#include <string.h>

#include "media/g729_module.h"

static void *encoder_new(void)
{
	return initBcg729EncoderChannel(0); /* no silence descriptors: we say annexb=no */
}

static void encoder_free(void *e)
{
	closeBcg729EncoderChannel(e);
}

static void encode(void *e, const int16_t in[G729_SAMPLES], uint8_t out[G729_BYTES])
{
	int16_t frame[G729_SAMPLES];
	uint8_t n;

	memcpy(frame, in, sizeof(frame)); /* the library's argument is not const */
	bcg729Encoder(e, frame, out, &n);
}

static void *decoder_new(void)
{
	return initBcg729DecoderChannel();
}

static void decoder_free(void *d)
{
	closeBcg729DecoderChannel(d);
}

static void decode(void *d, const uint8_t *payload, size_t n, int16_t out[G729_SAMPLES])
{
	uint8_t bits[G729_BYTES] = { 0 };

	if (n && n <= sizeof(bits))
		memcpy(bits, payload, n);
	bcg729Decoder(d, bits, (uint8_t)n, n == 0, n == G729_SID_BYTES, 0, out);
}

__attribute__((visibility("default"))) const struct g729_module crosspoint_g729 = {
	.version = G729_MODULE_VERSION,
	.encoder_new = encoder_new,
	.encoder_free = encoder_free,
	.encode = encode,
	.decoder_new = decoder_new,
	.decoder_free = decoder_free,
	.decode = decode,
};

/* coder_pipe encode|decode CODEC RATE_HZ: audio of 16 bit, in the machine's order, from standard input to payloads of 20 ms on standard output, or
 * back. For codecs whose payloads are of one size. For test/live/test_coder.py, where others judge what comes out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "media/coder.h"

enum { FRAME_MS = 20, PAYLOAD_BYTES = 160 };

static int encode(enum codec_id codec, uint32_t rate_hz)
{
	size_t frame = FRAME_MS * rate_hz / 1000;
	int16_t audio[CODER_MAX_SAMPLES];
	uint8_t payload[CODER_MAX_BYTES];
	struct encoder *e;

	if (encoder_new(&e, codec, rate_hz))
		return 1;
	while (fread(audio, sizeof(audio[0]), frame, stdin) == frame)
		fwrite(payload, 1, encoder_run(e, audio, frame, payload), stdout);
	encoder_free(&e);
	return 0;
}

static int decode(enum codec_id codec, uint32_t rate_hz)
{
	uint8_t payload[PAYLOAD_BYTES];
	int16_t audio[CODER_MAX_SAMPLES];
	struct decoder *d;

	if (decoder_new(&d, codec, rate_hz))
		return 1;
	while (fread(payload, 1, sizeof(payload), stdin) == sizeof(payload))
		fwrite(audio, sizeof(audio[0]), decoder_run(d, payload, sizeof(payload), audio), stdout);
	decoder_free(&d);
	return 0;
}

int main(int argc, char **argv)
{
	uint32_t rate_hz = argc == 4 ? (uint32_t)strtoul(argv[3], NULL, 10) : 0;

	for (enum codec_id id = 0; rate_hz && id < CODEC_COUNT; id++) {
		if (!strcmp(codec_get(id)->name, argv[2]))
			return strcmp(argv[1], "encode") ? decode(id, rate_hz) : encode(id, rate_hz);
	}
	fprintf(stderr, "usage: coder_pipe encode|decode CODEC RATE_HZ\n");
	return 2;
}

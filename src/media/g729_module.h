/* g729_module: what the module of G.729 gives to the server that loads it: one table of functions.
 *
 * The server stays under its own licence; this file has no code and may be used by both. Frames are 10 ms: 80
 * samples, 10 bytes. Thread: an object belongs to one thread at a time. */
#ifndef G729_MODULE_H
#define G729_MODULE_H

#include <stddef.h>
#include <stdint.h>

#define G729_MODULE_SYMBOL "crosspoint_g729"
enum { G729_MODULE_VERSION = 1, G729_SAMPLES = 80, G729_BYTES = 10, G729_SID_BYTES = 2 };

struct g729_module {
	uint32_t version;
	void *(*encoder_new)(void);
	void (*encoder_free)(void *e);
	void (*encode)(void *e, const int16_t in[G729_SAMPLES], uint8_t out[G729_BYTES]);
	void *(*decoder_new)(void);
	void (*decoder_free)(void *d);
	/* n: 10 a frame, 2 a silence descriptor, 0 an erased frame (payload is not read). */
	void (*decode)(void *d, const uint8_t *payload, size_t n, int16_t out[G729_SAMPLES]);
};

#endif

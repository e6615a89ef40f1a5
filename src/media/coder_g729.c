/* G.729 through a module that is loaded at start, for its licence is not ours. Source: ITU-T G.729 A, RFC 3551 §4.5.6. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "media/coder_impl.h"
#include "media/g729_module.h"

/* Written once before any thread, then only read. */
static const struct g729_module *module;

struct g729_encoder {
	struct encoder base;
	void *state;
};

struct g729_decoder {
	struct decoder base;
	void *state;
};

static void free_encoder(struct encoder *base)
{
	struct g729_encoder *e = (struct g729_encoder *)base;

	if (e->state)
		module->encoder_free(e->state);
	free(e);
}

static int new_encoder(struct encoder **out, uint32_t rate_hz)
{
	struct g729_encoder *e = calloc(1, sizeof(*e));

	if (!e)
		return ENOMEM;
	e->state = module->encoder_new();
	if (!e->state) {
		free_encoder(&e->base);
		return ENOMEM;
	}
	*out = &e->base;
	return 0;
}

static size_t encode(struct encoder *base, const int16_t *in, size_t count, uint8_t *out)
{
	struct g729_encoder *e = (struct g729_encoder *)base;
	size_t frames = count / G729_SAMPLES;

	for (size_t i = 0; i < frames; i++)
		module->encode(e->state, in + i * G729_SAMPLES, out + i * G729_BYTES);
	return frames * G729_BYTES;
}

static void free_decoder(struct decoder *base)
{
	struct g729_decoder *d = (struct g729_decoder *)base;

	if (d->state)
		module->decoder_free(d->state);
	free(d);
}

static int new_decoder(struct decoder **out, uint32_t rate_hz)
{
	struct g729_decoder *d = calloc(1, sizeof(*d));

	if (!d)
		return ENOMEM;
	d->state = module->decoder_new();
	if (!d->state) {
		free_decoder(&d->base);
		return ENOMEM;
	}
	*out = &d->base;
	return 0;
}

/* Frames of speech, then perhaps one descriptor of silence, though we said that we want none. */
static size_t decode(struct decoder *base, const uint8_t *payload, size_t n, int16_t *out)
{
	struct g729_decoder *d = (struct g729_decoder *)base;
	size_t count = 0;

	if (n > CODER_MAX_MS / 10 * G729_BYTES || (n % G729_BYTES && n % G729_BYTES != G729_SID_BYTES))
		return 0;
	while (n) {
		size_t bytes = n >= G729_BYTES ? G729_BYTES : n;

		module->decode(d->state, payload, bytes, out + count);
		payload += bytes;
		n -= bytes;
		count += G729_SAMPLES;
	}
	return count;
}

static void conceal(struct decoder *base, const uint8_t *next, size_t next_n, int16_t *out, size_t count)
{
	struct g729_decoder *d = (struct g729_decoder *)base;

	for (size_t i = 0; i + G729_SAMPLES <= count; i += G729_SAMPLES)
		module->decode(d->state, NULL, 0, out + i);
}

static const struct coder_ops ops = {
	.encoder_new = new_encoder,
	.encoder_free = free_encoder,
	.encode = encode,
	.decoder_new = new_decoder,
	.decoder_free = free_decoder,
	.decode = decode,
	.conceal = conceal,
};

const struct coder_ops *coder_g729(void)
{
	return module ? &ops : NULL;
}

int coder_load_module(const char *path, char why[160])
{
	const struct g729_module *found;
	void *file = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (!file) {
		snprintf(why, 160, "%s", dlerror());
		return ENOENT;
	}
	found = dlsym(file, G729_MODULE_SYMBOL);
	if (!found || found->version != G729_MODULE_VERSION) {
		snprintf(why, 160, "%s is no module of G.729 of this version", path);
		dlclose(file);
		return ENOENT;
	}
	module = found;
	return 0;
}

/* coder_impl: the contract of one codec's arithmetic, for those who write one. Thread: the owner's. */
#ifndef CODER_IMPL_H
#define CODER_IMPL_H

#include "media/coder.h"

struct encoder {
	const struct coder_ops *ops;
	uint32_t rate_hz;
};

struct decoder {
	const struct coder_ops *ops;
	uint32_t rate_hz;
	unsigned concealed_ms; /* in a row */
	int16_t last[CODER_MAX_HZ / 1000 *
		     20]; /* 20 ms that were heard last; not used by those that conceal themselves */
	size_t last_count;
};

/* encoder and decoder are embedded first in what the codec allocates. */
struct coder_ops {
	int (*encoder_new)(struct encoder **out, uint32_t rate_hz);
	void (*encoder_free)(struct encoder *e);
	size_t (*encode)(struct encoder *e, const int16_t *in, size_t count, uint8_t *out);
	/* To another of the codec's rates, of which the library keeps what it has learned. NULL = it cannot. */
	void (*encoder_retune)(struct encoder *e, uint32_t rate_hz);
	void (*wish)(struct encoder *e, const struct opus_wish *wish); /* NULL = no use of it */
	void (*expect_loss)(struct encoder *e, unsigned percent);      /* NULL = no use of it */
	int (*decoder_new)(struct decoder **out, uint32_t rate_hz);
	void (*decoder_free)(struct decoder *d);
	size_t (*decode)(struct decoder *d, const uint8_t *payload, size_t n, int16_t *out);
	void (*decoder_retune)(struct decoder *d, uint32_t rate_hz);
	/* NULL = the last 20 ms again, fading. */
	void (*conceal)(struct decoder *d, const uint8_t *next, size_t next_n, int16_t *out, size_t count);
};

extern const struct coder_ops coder_pcmu, coder_pcma, coder_l16, coder_g722, coder_opus;
/* NULL = the module is not there. */
const struct coder_ops *coder_g729(void);

#endif

/* Any bytes as SDP: no crash, slices inside the text, limits kept. */
#include <stdint.h>
#include <stdlib.h>

#include "media/sdp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct str s, const uint8_t *data, size_t size)
{
	if (s.p && ((const uint8_t *)s.p < data || (const uint8_t *)s.p + s.n > data + size))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sdp_format formats[SDP_MAX_FORMATS];
	const char *why = NULL;
	struct sdp sdp;

	if (sdp_parse(&sdp, (struct str){ (const char *)data, size }, &why)) {
		if (!why)
			abort();
		return 0;
	}
	if (sdp.media_count > SDP_MAX_MEDIA)
		abort();
	inside(sdp.origin, data, size);
	inside(sdp.timing, data, size);
	for (size_t i = 0; i < sdp.media_count; i++) {
		const struct sdp_media *m = &sdp.media[i];
		size_t n = sdp_formats(m, formats);

		if (n > SDP_MAX_FORMATS || !sdp_first_format(m).n)
			abort();
		inside(m->lines, data, size);
		inside(m->host, data, size);
		inside(m->rtcp_host, data, size);
		for (size_t k = 0; k < n; k++) {
			inside(formats[k].name, data, size);
			inside(formats[k].fmtp, data, size);
		}
	}
	return 0;
}

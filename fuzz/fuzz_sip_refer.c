/* Any bytes as Refer-To, Replaces and the body of a NOTIFY: what comes out lies inside and can be a header. */
#include <stdint.h>
#include <stdlib.h>

#include "sip/sip_refer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct str s, const void *data, size_t size)
{
	if (s.n && ((const char *)s.p < (const char *)data || s.p + s.n > (const char *)data + size))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	int status = sip_frag_status(text);
	struct sip_replaces replaces;
	struct sip_refer_to to;

	if (status && (status < 100 || status > 699))
		abort();
	if (!sip_replaces_parse(&replaces, text)) {
		inside(replaces.call_id, data, size);
		inside(replaces.to_tag, data, size);
		inside(replaces.from_tag, data, size);
	}
	if (sip_refer_to_parse(&to, text))
		return 0;
	inside(to.uri, data, size);
	inside(to.replaces, to.text, sizeof(to.text));
	for (size_t i = 0; i < to.replaces.n; i++)
		if ((unsigned char)to.replaces.p[i] < ' ')
			abort();
	if (to.replaces.p)
		sip_replaces_parse(&replaces, to.replaces);
	return 0;
}

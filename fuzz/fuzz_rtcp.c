/* Any bytes as RTCP: what is accepted is whole words and begins with a report. */
#include <stdint.h>
#include <stdlib.h>

#include "media/rtcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!rtcp_check(data, size) && (size % 4 || size < 8 || !rtcp_is_muxed(data, size)))
		abort();
	return 0;
}

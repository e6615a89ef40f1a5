/* Any bytes as RTCP: what is accepted is whole words and begins with a report; a report of one block that was read is
 * written as it was. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "media/rtcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[RTCP_MAX_BYTES];
	struct rtcp_report r;

	if (rtcp_check(data, size))
		return 0;
	if (size % 4 || size < 8 || !rtcp_is_muxed(data, size))
		abort();
	if (rtcp_read(&r, data, size))
		return 0;
	if (r.count > RTCP_MAX_BLOCKS)
		abort();
	if (r.count <= 1 && !rtcp_check(again, rtcp_write(again, &r, "0123456789abcdef")) &&
	    memcmp(again + 4, data + 4, 4 + (r.sends ? 20 : 0) + 24 * r.count))
		abort();
	return 0;
}

/* Any bytes as RTCP: what is accepted stays whole when a source is renamed, is whole words and begins with a report; a report of one block that was read is
 * written as it was. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "media/rtcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A source that gets another name and its own back is as it was, and the packet is whole all the way. */
static void rename_it(const uint8_t *data, size_t size)
{
	uint8_t *packet = malloc(size + 8);
	uint32_t old, new;
	size_t n;

	if (!packet)
		abort();
	memcpy(packet, data, size);
	n = rtcp_complete(packet, size);
	if (n != size && (n != size + 8 || memcmp(packet + 8, data, size)))
		abort();
	if (!rtcp_check(packet, n) && (packet[2] || packet[3])) { /* it names its sender */
		old = (uint32_t)packet[4] << 24 | (uint32_t)packet[5] << 16 | (uint32_t)packet[6] << 8 | packet[7];
		new = ~old;
		rtcp_rename(packet, n, old, new);
		if (rtcp_check(packet, n) || packet[4] != (uint8_t)(new >> 24))
			abort();
	}
	free(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[RTCP_MAX_BYTES];
	struct rtcp_report r;

	rename_it(data, size);
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

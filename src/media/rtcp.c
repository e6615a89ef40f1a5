#include "media/rtcp.h"

#include <errno.h>

enum {
	HEADER_BYTES = 4,
	MIN_BYTES = 8, /* with the sender's SSRC */
	TYPE_SENDER_REPORT = 200,
	TYPE_RECEIVER_REPORT = 201,
};

int rtcp_check(const uint8_t *packet, size_t n)
{
	size_t at = 0;

	if (n < MIN_BYTES || (packet[1] != TYPE_SENDER_REPORT && packet[1] != TYPE_RECEIVER_REPORT))
		return EINVAL;
	while (at < n) {
		size_t bytes;

		if (n - at < HEADER_BYTES || packet[at] >> 6 != 2)
			return EINVAL;
		bytes = 4 * (((size_t)packet[at + 2] << 8 | packet[at + 3]) + 1);
		/* Padding stands at the end of the last part only. */
		if (bytes > n - at || (packet[at] & 0x20 && bytes != n - at))
			return EINVAL;
		at += bytes;
	}
	return 0;
}

bool rtcp_is_muxed(const uint8_t *packet, size_t n)
{
	/* Payload types 64 to 95, marker set: what packet types 192 to 223 look like. */
	return n >= 2 && packet[1] >= 192 && packet[1] <= 223;
}
